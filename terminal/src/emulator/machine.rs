//! The state behind the screen, and what the control functions do to it.

use super::charset::Charsets;
use super::palette::Palette;
use crate::attributes::Pen;
use crate::cell::Cell;
use crate::modes::{Mode, Modes};
use crate::row::Row;
use crate::screen::{Cursor, Screen, Size, blank_rows, resize_rows};
use crate::width;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The most titles kept by `CSI 22 t`.
const TITLE_STACK: usize = 10;
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
    /// Mode 2026: what was shown when the program began to draw its frame.
    pub(super) finished: Option<Screen>,
    /// How many frames it has begun.
    pub(super) frames: u64,
    pub(super) answers_keyboard: bool,
    pub(super) palette: Palette,

    /// The alternate buffer is shown; `hidden` is the main one.
    pub(super) alternate: bool,
    hidden: Vec<Arc<Row>>,
    /// DECSC, main and alternate.
    saved: [Saved; 2],
    pub(super) keyboard: [Vec<u8>; 2],
    titles: Vec<(Arc<str>, Arc<str>)>,

    /// DECSTBM: first and last row of the scrolling region.
    pub(super) margins: (u16, u16),
    /// DECOM.
    pub(super) origin: bool,
    /// DECAWM.
    pub(super) autowrap: bool,
    /// IRM.
    pub(super) insert: bool,
    /// LNM.
    pub(super) newline: bool,
    pub(super) charsets: Charsets,
    tabs: Vec<bool>,
    /// What was printed last, with nothing after it.
    last: Option<char>,
    /// And what it was when the present control function came: what REP repeats.
    before: Option<char>,
    /// The character just printed may still be joined.
    cluster_open: bool,
}

/// What DECSC keeps.
#[derive(Clone, Default)]
struct Saved {
    cursor: Cursor,
    pen: Pen,
    origin: bool,
    charsets: Charsets,
}

impl Machine {
    pub(super) fn new(screen: Screen) -> Self {
        let size = screen.size;
        Self {
            replies: Vec::new(),
            finished: None,
            frames: 0,
            answers_keyboard: false,
            palette: Palette::default(),
            alternate: false,
            hidden: blank_rows(size),
            saved: Default::default(),
            keyboard: Default::default(),
            titles: Vec::new(),
            margins: (0, size.rows - 1),
            origin: false,
            autowrap: true,
            insert: false,
            newline: false,
            charsets: Charsets::default(),
            tabs: default_tabs(size.columns),
            last: None,
            before: None,
            cluster_open: false,
            screen,
        }
    }

    fn columns(&self) -> usize {
        usize::from(self.screen.size.columns)
    }

    pub(super) fn resize(&mut self, size: Size) {
        let size = size.clamped();
        if size == self.screen.size {
            return;
        }
        self.screen.resize(size);
        // The program will draw it anew.
        self.finished = None;
        let behind = usize::from(!self.alternate);
        resize_rows(&mut self.hidden, size, &mut self.saved[behind].cursor);
        for saved in &mut self.saved {
            saved.cursor.row = saved.cursor.row.min(size.rows - 1);
            saved.cursor.column = saved.cursor.column.min(size.columns - 1);
        }
        self.margins = (0, size.rows - 1);
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
        let template = Cell::new(' ', 1, &self.screen.pen);
        let columns = self.columns();
        let mut rest = text;
        if !self.autowrap {
            // All that does not fit lands on the last column, one upon the other.
            let room = columns - usize::from(self.screen.cursor.column);
            if rest.len() > room {
                self.write(&rest[..room - 1], &template);
                rest = &rest[rest.len() - 1..];
            }
        }
        while !rest.is_empty() {
            if self.screen.cursor.wrap_pending {
                self.wrap();
            }
            let room = columns - usize::from(self.screen.cursor.column);
            let (now, later) = rest.split_at(rest.len().min(room));
            self.write(now, &template);
            rest = later;
        }
    }

    fn write(&mut self, text: &[u8], template: &Cell) {
        let Cursor { row, column, .. } = self.screen.cursor;
        if let Some(row) = self.screen.row_mut(row) {
            row.put_ascii(usize::from(column), text, template);
        }
        self.advance(text.len());
    }

    /// Prints one character, or joins it to the cluster before the cursor.
    pub(super) fn print(&mut self, c: char) {
        if c == '\u{7f}' || matches!(c, '\u{80}'..='\u{9f}') {
            return;
        }
        let c = self.charsets.map(c);
        let columns = self.columns();
        let width = usize::from(width::of(c));
        let joins = width == 0 || (self.cluster_open && self.joins(c));
        if (joins && self.join(c)) || width == 0 {
            return;
        }
        if width > columns {
            return;
        }
        self.last = Some(c);
        self.cluster_open = true;
        if self.screen.cursor.wrap_pending {
            self.wrap();
        }
        if usize::from(self.screen.cursor.column) + width > columns {
            if !self.autowrap {
                return;
            }
            self.wrap();
        }
        let Cursor { row, column, .. } = self.screen.cursor;
        let cell = Cell::new(c, width as u8, &self.screen.pen);
        let erased = self.screen.pen.attributes.erased();
        let insert = self.insert;
        if let Some(row) = self.screen.row_mut(row) {
            if insert {
                row.insert(usize::from(column), width, erased);
            }
            row.put(usize::from(column), cell);
        }
        self.advance(width);
    }

    fn advance(&mut self, width: usize) {
        let columns = self.columns();
        let cursor = &mut self.screen.cursor;
        let column = usize::from(cursor.column) + width;
        cursor.wrap_pending = column >= columns && self.autowrap;
        cursor.column = column.min(columns - 1) as u16;
    }

    fn wrap(&mut self) {
        let row = self.screen.cursor.row;
        if let Some(row) = self.screen.row_mut(row) {
            row.wrapped = true;
        }
        self.screen.cursor.column = 0;
        self.index();
    }

    /// The column of the cluster before the cursor.
    fn cluster_column(&self) -> Option<usize> {
        let Cursor { row, column, wrap_pending } = self.screen.cursor;
        let row = self.screen.row(row)?;
        let after = usize::from(column) + usize::from(wrap_pending);
        row.cells[..after].iter().rposition(|cell| cell.width > 0)
    }

    fn joins(&self, c: char) -> bool {
        !c.is_ascii()
            && self.cluster_column().is_some_and(|column| {
                let cell = &self.screen.rows[usize::from(self.screen.cursor.row)].cells[column];
                width::joins(cell.base, cell.marks(), c)
            })
    }

    /// Adds `c` to the cluster before the cursor. `false` when there is none, or no room in it.
    fn join(&mut self, c: char) -> bool {
        let Some(column) = self.cluster_column() else { return false };
        let columns = self.columns();
        let cursor = self.screen.cursor;
        let Some(row) = self.screen.row_mut(cursor.row) else { return false };
        if !row.cells[column].widened_by(c) {
            return row.cells[column].push_mark(c);
        }
        if column + 2 > columns || cursor.wrap_pending {
            return false;
        }
        let mut cell = row.cells[column].clone();
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
        for _ in 0..u32::from(count).min(area) {
            // The repeated character stands for itself, whatever set it came from.
            let charsets = core::mem::take(&mut self.charsets);
            self.print(c);
            self.charsets = charsets;
        }
        self.close_cluster();
    }

    // Controls and motion.

    /// A C0 control.
    pub(super) fn control(&mut self, byte: u8) {
        self.close_cluster();
        match byte {
            0x07 => self.screen.bells = self.screen.bells.wrapping_add(1),
            0x08 => {
                let cursor = &mut self.screen.cursor;
                cursor.column = cursor.column.saturating_sub(1);
                cursor.wrap_pending = false;
            }
            0x09 => self.tab(1),
            0x0a..=0x0c => {
                if self.newline {
                    self.screen.cursor.column = 0;
                }
                self.screen.cursor.wrap_pending = false;
                self.index();
            }
            0x0d => {
                self.screen.cursor.column = 0;
                self.screen.cursor.wrap_pending = false;
            }
            0x0e => self.charsets.lock(1),
            0x0f => self.charsets.lock(0),
            _ => {}
        }
    }

    /// Something other than a printed character arrived: nothing joins across it.
    pub(super) const fn close_cluster(&mut self) {
        self.cluster_open = false;
        self.before = self.last.take();
    }

    /// IND.
    pub(super) fn index(&mut self) {
        let cursor = &mut self.screen.cursor;
        cursor.wrap_pending = false;
        if cursor.row == self.margins.1 {
            self.scroll_up(self.margins.0, self.margins.1, 1);
        } else if cursor.row + 1 < self.screen.size.rows {
            cursor.row += 1;
        }
    }

    /// RI.
    pub(super) fn reverse_index(&mut self) {
        let cursor = &mut self.screen.cursor;
        cursor.wrap_pending = false;
        if cursor.row == self.margins.0 {
            self.scroll_down(self.margins.0, self.margins.1, 1);
        } else {
            cursor.row = cursor.row.saturating_sub(1);
        }
    }

    /// CUP, inside the margins under DECOM.
    pub(super) fn move_to(&mut self, row: u16, column: u16) {
        let size = self.screen.size;
        let (first, last) = if self.origin { self.margins } else { (0, size.rows - 1) };
        self.screen.cursor = Cursor {
            row: first.saturating_add(row).min(last),
            column: column.min(size.columns - 1),
            wrap_pending: false,
        };
    }

    /// CUU: stops at the upper margin when it starts below it.
    pub(super) fn up(&mut self, count: u16) {
        let cursor = &mut self.screen.cursor;
        let stop = if cursor.row >= self.margins.0 { self.margins.0 } else { 0 };
        cursor.row = cursor.row.saturating_sub(count).max(stop);
        cursor.wrap_pending = false;
    }

    /// CUD: stops at the lower margin when it starts above it.
    pub(super) fn down(&mut self, count: u16) {
        let cursor = &mut self.screen.cursor;
        let stop = if cursor.row <= self.margins.1 { self.margins.1 } else { self.screen.size.rows - 1 };
        cursor.row = cursor.row.saturating_add(count).min(stop);
        cursor.wrap_pending = false;
    }

    /// CUF, CUB, CHA.
    pub(super) fn move_to_column(&mut self, column: u16) {
        self.screen.cursor.column = column.min(self.screen.size.columns - 1);
        self.screen.cursor.wrap_pending = false;
    }

    /// HT, CHT.
    pub(super) fn tab(&mut self, count: u16) {
        let last = self.screen.size.columns - 1;
        let cursor = &mut self.screen.cursor;
        for _ in 0..count.min(last + 1) {
            let from = usize::from(cursor.column) + 1;
            let stop = self.tabs.iter().skip(from).position(|&set| set);
            cursor.column = stop.map_or(last, |more| (from + more) as u16);
        }
    }

    /// CBT.
    pub(super) fn back_tab(&mut self, count: u16) {
        let cursor = &mut self.screen.cursor;
        for _ in 0..count.min(self.screen.size.columns) {
            let before = &self.tabs[..usize::from(cursor.column)];
            cursor.column = before.iter().rposition(|&set| set).unwrap_or(0) as u16;
        }
        cursor.wrap_pending = false;
    }

    /// HTS.
    pub(super) fn set_tab(&mut self, on: bool) {
        if let Some(stop) = self.tabs.get_mut(usize::from(self.screen.cursor.column)) {
            *stop = on;
        }
    }

    /// TBC 3.
    pub(super) fn clear_tabs(&mut self) {
        self.tabs.fill(false);
    }

    // Erasing and moving text.

    fn erased(&self) -> crate::Attributes {
        self.screen.pen.attributes.erased()
    }

    fn erase_rows(&mut self, rows: core::ops::Range<u16>) {
        let erased = self.erased();
        // One blank row for all: they differ again when something is written on them.
        let blank = Arc::new(Row::blank(self.columns(), erased));
        let rows = usize::from(rows.start)..usize::from(rows.end);
        self.screen.rows[rows].fill(blank);
    }

    /// ED.
    pub(super) fn erase_display(&mut self, what: u16) {
        let Cursor { row, .. } = self.screen.cursor;
        match what {
            0 => {
                self.erase_line(0);
                self.erase_rows(row + 1..self.screen.size.rows);
            }
            1 => {
                self.erase_line(1);
                self.erase_rows(0..row);
            }
            2 => self.erase_rows(0..self.screen.size.rows),
            _ => {}
        }
        self.screen.cursor.wrap_pending = false;
    }

    /// EL.
    pub(super) fn erase_line(&mut self, what: u16) {
        let columns = self.columns();
        let column = usize::from(self.screen.cursor.column);
        let (start, end) = match what {
            0 => (column, columns),
            1 => (0, column + 1),
            2 => (0, columns),
            _ => return,
        };
        self.erase_columns(start, end);
    }

    /// ECH.
    pub(super) fn erase_chars(&mut self, count: u16) {
        let column = usize::from(self.screen.cursor.column);
        self.erase_columns(column, column + usize::from(count));
    }

    fn erase_columns(&mut self, start: usize, end: usize) {
        let erased = self.erased();
        if let Some(row) = self.screen.row_mut(self.screen.cursor.row) {
            row.erase(start, end, erased);
        }
        self.screen.cursor.wrap_pending = false;
    }

    /// ICH.
    pub(super) fn insert_chars(&mut self, count: u16) {
        let (erased, column) = (self.erased(), usize::from(self.screen.cursor.column));
        if let Some(row) = self.screen.row_mut(self.screen.cursor.row) {
            row.insert(column, usize::from(count), erased);
        }
        self.screen.cursor.wrap_pending = false;
    }

    /// DCH.
    pub(super) fn delete_chars(&mut self, count: u16) {
        let (erased, column) = (self.erased(), usize::from(self.screen.cursor.column));
        if let Some(row) = self.screen.row_mut(self.screen.cursor.row) {
            row.delete(column, usize::from(count), erased);
        }
        self.screen.cursor.wrap_pending = false;
    }

    /// IL, DL: only inside the margins; the cursor goes to the left.
    pub(super) fn insert_lines(&mut self, count: u16, delete: bool) {
        let row = self.screen.cursor.row;
        let (top, bottom) = self.margins;
        if !(top..=bottom).contains(&row) {
            return;
        }
        if delete {
            self.scroll_up(row, bottom, count);
        } else {
            self.scroll_down(row, bottom, count);
        }
        self.screen.cursor.column = 0;
        self.screen.cursor.wrap_pending = false;
    }

    /// Moves rows `top..=bottom` up by `count`.
    pub(super) fn scroll_up(&mut self, top: u16, bottom: u16, count: u16) {
        let count = usize::from(count.min(bottom + 1 - top));
        let erased = self.erased();
        let region = &mut self.screen.rows[usize::from(top)..=usize::from(bottom)];
        region.rotate_left(count);
        let kept = region.len() - count;
        clear_rows(&mut region[kept..], erased);
    }

    /// Moves rows `top..=bottom` down by `count`.
    pub(super) fn scroll_down(&mut self, top: u16, bottom: u16, count: u16) {
        let count = usize::from(count.min(bottom + 1 - top));
        let erased = self.erased();
        let region = &mut self.screen.rows[usize::from(top)..=usize::from(bottom)];
        region.rotate_right(count);
        clear_rows(&mut region[..count], erased);
    }

    /// DECALN.
    pub(super) fn alignment(&mut self) {
        self.margins = (0, self.screen.size.rows - 1);
        self.origin = false;
        self.move_to(0, 0);
        let mut row = Row::blank(self.columns(), crate::Attributes::default());
        row.cells.iter_mut().for_each(|cell| cell.base = 'E');
        self.screen.rows.fill(Arc::new(row));
    }

    /// DECSTBM, from 0; ignored when it is no region.
    pub(super) fn set_margins(&mut self, top: u16, bottom: u16) {
        let bottom = bottom.min(self.screen.size.rows - 1);
        // A region of one row is refused by the VT510, but what is refused must not home the cursor either.
        if top < bottom {
            self.margins = (top, bottom);
            self.move_to(0, 0);
        }
    }

    // Saving and switching.

    /// DECSC.
    pub(super) fn save_cursor(&mut self) {
        self.saved[usize::from(self.alternate)] = Saved {
            cursor: self.screen.cursor,
            pen: self.screen.pen.clone(),
            origin: self.origin,
            charsets: self.charsets,
        };
    }

    /// DECRC.
    pub(super) fn restore_cursor(&mut self) {
        let saved = self.saved[usize::from(self.alternate)].clone();
        let size = self.screen.size;
        self.origin = saved.origin;
        self.charsets = saved.charsets;
        // A link is not among what DECSC saves.
        let link = self.screen.pen.link().cloned();
        self.screen.pen = saved.pen;
        self.screen.pen.set_link(link);
        let last = Cursor { row: size.rows - 1, column: size.columns - 1, wrap_pending: false };
        self.screen.cursor = Cursor {
            row: saved.cursor.row.min(last.row),
            column: saved.cursor.column.min(last.column),
            wrap_pending: saved.cursor.wrap_pending && saved.cursor.column >= last.column && self.autowrap,
        };
    }

    /// ?47, ?1047, ?1049: shows the other buffer.
    pub(super) fn show_alternate(&mut self, on: bool) {
        if self.alternate == on {
            return;
        }
        self.alternate = on;
        core::mem::swap(&mut self.screen.rows, &mut self.hidden);
        // Each buffer has its own keyboard flags.
        let flags = self.keyboard[usize::from(on)].last().copied().unwrap_or(0);
        self.screen.modes.keyboard = flags;
    }

    /// ?2026.
    pub(super) fn synchronize(&mut self, on: bool) {
        if on && self.finished.is_none() {
            self.finished = Some(self.screen.clone());
            self.frames += 1;
        } else if !on {
            self.finished = None;
        }
    }

    pub(super) fn clear_screen(&mut self) {
        self.erase_rows(0..self.screen.size.rows);
    }

    /// `CSI 22 t`.
    pub(super) fn push_title(&mut self) {
        if self.titles.len() == TITLE_STACK {
            self.titles.remove(0);
        }
        self.titles.push((Arc::clone(&self.screen.title), Arc::clone(&self.screen.icon_name)));
    }

    /// `CSI 23 t`; 1 is the icon's name alone, 2 the window's title alone.
    pub(super) fn pop_title(&mut self, which: u16) {
        if let Some((title, icon_name)) = self.titles.pop() {
            if which != 1 {
                self.screen.title = title;
            }
            if which != 2 {
                self.screen.icon_name = icon_name;
            }
        }
    }

    /// DECSTR.
    pub(super) fn soft_reset(&mut self) {
        self.margins = (0, self.screen.size.rows - 1);
        self.origin = false;
        self.autowrap = true;
        self.insert = false;
        self.charsets = Charsets::default();
        self.saved[usize::from(self.alternate)] = Saved::default();
        self.screen.pen = Pen::default();
        self.screen.cursor.wrap_pending = false;
        self.screen.modes.set(Mode::CursorVisible, true);
        self.screen.modes.set(Mode::ApplicationCursor, false);
        self.screen.modes.set(Mode::ApplicationKeypad, false);
    }

    /// RIS: as switched on, but for titles, clipboard and bell.
    pub(super) fn reset(&mut self) {
        let mut screen = Screen::new(self.screen.size);
        screen.title = Arc::clone(&self.screen.title);
        screen.icon_name = Arc::clone(&self.screen.icon_name);
        screen.clipboard = self.screen.clipboard.clone();
        screen.bells = self.screen.bells;
        let replies = core::mem::take(&mut self.replies);
        let (answers_keyboard, frames) = (self.answers_keyboard, self.frames);
        *self = Self { replies, answers_keyboard, frames, ..Self::new(screen) };
        self.screen.modes = Modes::default();
    }
}

/// Blanks rows, in place where nobody shares them.
fn clear_rows(rows: &mut [Arc<Row>], erased: crate::Attributes) {
    let mut blank: Option<Arc<Row>> = None;
    for row in rows {
        if let Some(own) = Arc::get_mut(row) {
            own.clear(erased);
        } else {
            let columns = row.cells.len();
            *row = Arc::clone(blank.get_or_insert_with(|| Arc::new(Row::blank(columns, erased))));
        }
    }
}

fn default_tabs(columns: u16) -> Vec<bool> {
    (0..columns).map(|column| column % 8 == 0).collect()
}
