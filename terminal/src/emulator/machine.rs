//! The state behind the screen, and what the control functions do to it.

use super::charset::Charsets;
use super::margins::Margins;
use super::palette::Palette;
use super::reflow::Overflow;
use super::report::Unanswered;
use crate::attributes::Pen;
use crate::cell::Cell;
use crate::row::Row;
use crate::screen::{Cursor, Screen, Size, blank_rows, resize_rows};
use crate::width;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The most keyboard flag sets kept by `CSI > u`.
pub(super) const KEYBOARD_STACK: usize = 16;

/// A terminal but for its parser. Rows and columns count from 0 here.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent modes, each the name of one that DEC or ECMA gave"
)]
pub(super) struct Machine {
    pub(super) screen: Screen,
    pub(super) replies: Vec<u8>,
    /// Questions for colours that are not known yet, in order, while they are waited for.
    pub(super) unanswered: Vec<Unanswered>,
    pub(super) awaits_colors: bool,
    /// Mode 2026: what was shown when the program began to draw its frame.
    pub(super) finished: Option<Screen>,
    /// How many frames it has begun.
    pub(super) frames: u64,
    /// How many cells were touched by what touches many.
    pub(super) worked: u64,
    pub(super) answers_keyboard: bool,
    pub(super) palette: Palette,

    /// The alternate buffer is shown; `hidden` is the main one.
    pub(super) alternate: bool,
    pub(super) hidden: Vec<Rc<Row>>,
    /// What there is no room for on the main screen, where that is kept.
    pub(super) overflow: Option<Box<Overflow>>,
    /// DECSC, main and alternate.
    pub(super) saved: [Saved; 2],
    pub(super) keyboard: [Vec<u8>; 2],
    pub(super) titles: Vec<(Arc<str>, Arc<str>)>,

    /// DECSTBM, DECSLRM.
    pub(super) margins: Margins,
    /// DECLRMM.
    pub(super) column_margins: bool,
    /// DECOM.
    pub(super) origin: bool,
    /// DECAWM.
    pub(super) autowrap: bool,
    /// IRM.
    pub(super) insert: bool,
    /// LNM.
    pub(super) newline: bool,
    /// xterm's mode 40.
    pub(super) columns_allowed: bool,
    /// What is printed is protected (DECSCA, SPA), and what that is worth.
    pub(super) protect: bool,
    pub(super) protection: Protection,
    /// Mode 2027.
    pub(super) clusters: bool,
    pub(super) charsets: Charsets,
    pub(super) tabs: Vec<bool>,
    /// What was printed last, with nothing after it.
    pub(super) last: Option<char>,
    /// And what it was when the present control function came: what REP repeats.
    pub(super) before: Option<char>,
    /// The character just printed may still be joined.
    pub(super) cluster_open: bool,
    /// It took the last column, where the cursor stays: a wrap is pending, or would be if there were wraps.
    pub(super) at_edge: bool,
}

/// Which erasing spares protected characters, by what protected them last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Protection {
    /// None.
    #[default]
    Off,
    /// DECSCA: the selective alone.
    Dec,
    /// SPA: all.
    Iso,
}

/// What DECSC keeps.
#[derive(Clone, Default)]
pub(super) struct Saved {
    pub(super) protect: bool,
    pub(super) cursor: Cursor,
    pub(super) pen: Pen,
    pub(super) origin: bool,
    pub(super) charsets: Charsets,
}

impl Machine {
    pub(super) fn new(screen: Screen) -> Self {
        let size = screen.size;
        Self {
            replies: Vec::new(),
            unanswered: Vec::new(),
            awaits_colors: false,
            finished: None,
            frames: 0,
            worked: 0,
            answers_keyboard: false,
            palette: Palette::default(),
            alternate: false,
            hidden: blank_rows(size),
            overflow: None,
            saved: Default::default(),
            keyboard: Default::default(),
            titles: Vec::new(),
            margins: Margins::whole(size),
            column_margins: false,
            origin: false,
            autowrap: true,
            insert: false,
            newline: false,
            columns_allowed: false,
            protect: false,
            protection: Protection::default(),
            clusters: false,
            charsets: Charsets::default(),
            tabs: default_tabs(size.columns),
            last: None,
            before: None,
            cluster_open: false,
            at_edge: false,
            screen,
        }
    }

    pub(super) fn columns(&self) -> usize {
        usize::from(self.screen.size.columns)
    }

    pub(super) fn resize(&mut self, size: Size) {
        let size = size.clamped();
        if size == self.screen.size {
            return;
        }
        self.work(usize::from(size.rows), usize::from(size.columns));
        self.screen.resize(size);
        let behind = usize::from(!self.alternate);
        resize_rows(&mut self.hidden, size, &mut self.saved[behind].cursor);
        self.resized();
    }

    /// Both buffers have got the screen's new size.
    pub(super) fn resized(&mut self) {
        let size = self.screen.size;
        // The program will draw it anew.
        self.finished = None;
        for saved in &mut self.saved {
            saved.cursor.row = saved.cursor.row.min(size.rows - 1);
            saved.cursor.column = saved.cursor.column.min(size.columns - 1);
        }
        self.reset_margins();
        self.tabs = default_tabs(size.columns);
        self.cluster_open = false;
    }

    // Printing.

    /// Prints printable ASCII.
    pub(super) fn print_ascii(&mut self, text: &[u8]) {
        if !self.charsets.is_ascii() || self.insert {
            text.iter().for_each(|&byte| self.print(char::from(byte)));
            return;
        }
        let Some(&last) = text.last() else { return };
        self.last = Some(char::from(last));
        self.cluster_open = true;
        let mut rest = text;
        if !self.autowrap {
            // All that does not fit lands on the last column, one upon the other.
            let room = self.room();
            if rest.len() > room {
                self.write(&rest[..room - 1]);
                rest = &rest[rest.len() - 1..];
            }
        }
        while !rest.is_empty() {
            if self.screen.cursor.wrap_pending {
                self.wrap();
            }
            let (now, later) = rest.split_at(rest.len().min(self.room()));
            self.write(now);
            rest = later;
        }
    }

    fn write(&mut self, text: &[u8]) {
        let Cursor { row, column, .. } = self.screen.cursor;
        let screen = &mut self.screen;
        if let Some(row) = screen.rows.get_mut(usize::from(row)) {
            Rc::make_mut(row).put_ascii(column.into(), text, &screen.pen, self.protect);
        }
        self.advance(text.len());
    }

    /// Prints text beyond ASCII, in which there are no controls.
    pub(super) fn print_text(&mut self, text: &str) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = match self.print_simple(rest) {
                0 => {
                    self.print(c);
                    &rest[c.len_utf8()..]
                }
                printed => &rest[printed..],
            };
        }
    }

    /// Prints what needs no care of a text's beginning, as far as its characters are as wide as the first and there is
    /// room for it in the row; how many octets that was. Anything is printed by [`Self::print`]; this is what it does to
    /// nearly all text, at a fraction of the cost.
    fn print_simple(&mut self, text: &str) -> usize {
        let (clusters, cluster_open) = (self.clusters, self.cluster_open);
        let careless = |at: usize, c: char| {
            let joins = clusters && width::may_join(c) && (at == 0 && cluster_open || width::is_modifier(c));
            Some(width::of(c)).filter(|&width| width > 0 && !joins)
        };
        let Some(width) = text.chars().next().and_then(|first| careless(0, first)) else { return 0 };
        let step = usize::from(width);
        if step > self.columns() || self.insert || !self.autowrap || self.charsets.is_shifted() {
            return 0;
        }
        if self.screen.cursor.wrap_pending {
            self.wrap();
        }
        let (mut columns, mut printed, mut last) = (0, 0, None);
        for c in text.chars().take(self.room() / step) {
            if careless(printed, c) != Some(width) {
                break;
            }
            (columns, printed, last) = (columns + step, printed + c.len_utf8(), Some(c));
        }
        if printed == 0 {
            return 0;
        }
        let Cursor { row, column, .. } = self.screen.cursor;
        let screen = &mut self.screen;
        let Some(row) = screen.rows.get_mut(usize::from(row)) else { return 0 };
        let text = &text[..printed];
        Rc::make_mut(row).put_text(column.into(), text, width, columns, &screen.pen, self.protect);
        self.last = last;
        self.cluster_open = true;
        self.advance(columns);
        printed
    }

    /// Prints one character, or joins it to the cluster before the cursor.
    pub(super) fn print(&mut self, c: char) {
        if c == '\u{7f}' || matches!(c, '\u{80}'..='\u{9f}') {
            return;
        }
        let c = self.charsets.map(c);
        let width = usize::from(width::of(c));
        let joins = width == 0 || (self.clusters && self.cluster_open && self.joins(c));
        if (joins && self.join(c)) || width == 0 {
            return;
        }
        if width > self.columns() {
            return;
        }
        self.last = Some(c);
        self.cluster_open = true;
        if self.screen.cursor.wrap_pending {
            self.wrap();
        }
        if width > self.room() {
            if !self.autowrap {
                return;
            }
            self.wrap();
        }
        let Cursor { row, column, .. } = self.screen.cursor;
        let cell = self.template(c, width as u8);
        let erased = self.screen.pen.attributes.erased();
        let pushed = (self.insert && self.margins.has_column(column))
            .then(|| usize::from(column)..usize::from(self.limit()));
        if let Some(row) = self.screen.row_mut(row) {
            if let Some(pushed) = pushed {
                row.shift(pushed, width, false, erased);
            }
            row.put(usize::from(column), cell);
        }
        self.advance(width);
    }

    /// What printing this leaves.
    pub(super) fn template(&self, base: char, width: u8) -> Cell {
        Cell { protected: self.protect, ..Cell::new(base, width, &self.screen.pen) }
    }

    /// The column after the last that text is printed on: at the right margin, or beyond it at the edge.
    pub(super) const fn limit(&self) -> u16 {
        if self.screen.cursor.column > self.margins.right {
            self.screen.size.columns
        } else {
            self.margins.right + 1
        }
    }

    /// Columns from the cursor to there.
    fn room(&self) -> usize {
        usize::from(self.limit() - self.screen.cursor.column)
    }

    fn advance(&mut self, width: usize) {
        let limit = usize::from(self.limit());
        let cursor = &mut self.screen.cursor;
        let column = usize::from(cursor.column) + width;
        self.at_edge = column >= limit;
        cursor.wrap_pending = self.at_edge && self.autowrap;
        cursor.column = column.min(limit - 1) as u16;
    }

    fn wrap(&mut self) {
        let short = !self.screen.cursor.wrap_pending;
        // What wraps between margins is no line of text of its own.
        if self.margins.columns().len() == self.columns()
            && let Some(row) = self.screen.row_mut(self.screen.cursor.row)
        {
            row.set_wrapped(short);
        }
        self.index();
        self.screen.cursor.column = self.margins.left;
    }

    /// The column of the cluster before the cursor.
    fn cluster_column(&self) -> Option<usize> {
        let Cursor { row, column, wrap_pending } = self.screen.cursor;
        let row = self.screen.row(row)?;
        let after = usize::from(column) + usize::from(wrap_pending || self.cluster_open && self.at_edge);
        row.cells()[..after].iter().rposition(|cell| cell.width > 0)
    }

    fn joins(&self, c: char) -> bool {
        width::may_join(c)
            && self.cluster_column().is_some_and(|column| {
                let cell = &self.screen.rows[usize::from(self.screen.cursor.row)].cells()[column];
                width::joins(cell.base, cell.marks(), c)
            })
    }

    /// Adds `c` to the cluster before the cursor. `false` when there is none, or no room in it.
    fn join(&mut self, c: char) -> bool {
        let Some(column) = self.cluster_column() else { return false };
        let limit = usize::from(self.limit());
        let cursor = self.screen.cursor;
        let Some(row) = self.screen.row_mut(cursor.row) else { return false };
        // On what was only moved to there is nothing to join, where nothing is (xterm 379, kitty 0.26).
        if !self.cluster_open && row.cells()[column].is_blank() {
            return false;
        }
        let cell = &row.cells()[column];
        if !self.clusters || !cell.widened_by(c) {
            return row.change(column, |cell| cell.push_mark(c)).unwrap_or(false);
        }
        if column + 2 > limit || cursor.wrap_pending {
            return false;
        }
        let mut cell = cell.clone();
        cell.width = 2;
        let joined = cell.push_mark(c);
        row.put(column, cell);
        self.advance(1);
        joined
    }

    /// REP.
    pub(super) fn repeat(&mut self, count: u16) {
        let Some(c) = self.before else { return };
        let area = u32::from(self.screen.size.columns) * u32::from(self.screen.size.rows);
        self.work(1, u32::from(count).min(area) as usize);
        for _ in 0..u32::from(count).min(area) {
            // The repeated character stands for itself, whatever set it came from.
            let charsets = core::mem::take(&mut self.charsets);
            self.print(c);
            self.charsets = charsets;
        }
        self.close_cluster();
    }

    /// Something other than a printed character arrived: nothing joins across it.
    pub(super) const fn close_cluster(&mut self) {
        self.cluster_open = false;
        self.before = self.last.take();
    }
}

fn default_tabs(columns: u16) -> Vec<bool> {
    (0..columns).map(|column| column % 8 == 0).collect()
}
