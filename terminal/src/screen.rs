//! What a terminal shows, as a value.
//!
//! A [`Screen`] holds everything a user can see and everything that changes how what the user types is encoded:
//! grid, cursor, pen, titles, bell, clipboard and [`Modes`]. It does *not* hold what only decides how a program's
//! *next* output is read (margins, origin, insert and wrap modes, tabs, character sets, saved cursors, the hidden
//! one of the two buffers, the title stack): that belongs to the [`Emulator`](crate::Emulator) next to the program.
//! A terminal that only follows diffs has all of these at their defaults, and every diff leaves them there.
//!
//! Rows are shared copy-on-write: cloning costs a pointer a row, and rows nobody has touched compare by pointer.

use crate::attributes::Pen;
use crate::cell::Cell;
use crate::emulator::{ColorName, Rgb};
use crate::modes::{Mode, Modes};
use crate::row::Row;
use crate::width;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The most columns or rows a screen may have; more is cut to it.
pub const MAX_SIDE: u16 = 1000;

/// A screen's size in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// Width.
    pub columns: u16,
    /// Height.
    pub rows: u16,
}

impl Size {
    /// Cut to 1–[`MAX_SIDE`] each way, as every screen is.
    #[must_use]
    pub fn clamped(self) -> Self {
        Self { columns: self.columns.clamp(1, MAX_SIDE), rows: self.rows.clamp(1, MAX_SIDE) }
    }
}

impl Default for Size {
    fn default() -> Self {
        Self { columns: 80, rows: 24 }
    }
}

/// Where the next character goes, from 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    /// From the top.
    pub row: u16,
    /// From the left.
    pub column: u16,
    /// The last column has just been written: the next character wraps first. Cannot be seen, so it does not
    /// count when cursors are compared.
    pub wrap_pending: bool,
}

impl PartialEq for Cursor {
    fn eq(&self, other: &Self) -> bool {
        (self.row, self.column) == (other.row, other.column)
    }
}

impl Eq for Cursor {}

/// What the program last put on the clipboard (OSC 52).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clipboard {
    /// Which selections, as the program named them: letters of `cpqs01234567`, perhaps none.
    pub selection: Arc<str>,
    /// Base64; empty when the program cleared it.
    pub content: Arc<str>,
    /// Counts the writes, modulo 4: the same text put there again is a change.
    pub writes: u8,
}

/// What a terminal shows. See the module's words on what is part of it.
#[derive(Clone, Debug)]
pub struct Screen {
    pub(crate) size: Size,
    pub(crate) rows: Vec<Rc<Row>>,
    pub(crate) cursor: Cursor,
    pub(crate) pen: Pen,
    pub(crate) modes: Modes,
    pub(crate) title: Arc<str>,
    pub(crate) icon_name: Arc<str>,
    pub(crate) clipboard: Clipboard,
    /// What the program has set of the terminal's colours (OSC 4, 10, 11, 12).
    pub(crate) colors: Arc<BTreeMap<ColorName, Rgb>>,
    /// Counts bells modulo 256, so that a difference can be told in at most 255 octets.
    pub(crate) bells: u8,
}

impl PartialEq for Screen {
    fn eq(&self, other: &Self) -> bool {
        self.size == other.size
            && self.cursor == other.cursor
            && self.modes == other.modes
            && self.bells == other.bells
            && self.pen == other.pen
            && self.title == other.title
            && self.icon_name == other.icon_name
            && self.clipboard == other.clipboard
            && self.colors == other.colors
            && self.rows.iter().zip(&other.rows).all(|(a, b)| same_row(a, b))
    }
}

impl Eq for Screen {}

/// Whether two rows show the same; by pointer where they are shared.
pub(crate) fn same_row(a: &Rc<Row>, b: &Rc<Row>) -> bool {
    Rc::ptr_eq(a, b) || **a == **b
}

impl Default for Screen {
    fn default() -> Self {
        Self::new(Size::default())
    }
}

impl Screen {
    /// A blank screen, the cursor at the top left.
    #[must_use]
    pub fn new(size: Size) -> Self {
        let size = size.clamped();
        Self {
            size,
            rows: blank_rows(size),
            cursor: Cursor::default(),
            pen: Pen::default(),
            modes: Modes::default(),
            title: Arc::from(""),
            icon_name: Arc::from(""),
            clipboard: Clipboard::default(),
            colors: Arc::default(),
            bells: 0,
        }
    }

    /// Columns and rows.
    #[must_use]
    pub const fn size(&self) -> Size {
        self.size
    }

    /// The row at `row`, from the top.
    #[must_use]
    pub fn row(&self, row: u16) -> Option<&Row> {
        self.rows.get(usize::from(row)).map(|row| &**row)
    }

    /// All rows, from the top.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().map(|row| &**row)
    }

    /// The cell at `row`, `column`, from the top left.
    #[must_use]
    pub fn cell(&self, row: u16, column: u16) -> Option<&Cell> {
        self.row(row)?.cells().get(usize::from(column))
    }

    /// Where the next character goes.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// The look of the next character.
    #[must_use]
    pub const fn pen(&self) -> &Pen {
        &self.pen
    }

    /// The modes that show or that change how input is encoded.
    #[must_use]
    pub const fn modes(&self) -> &Modes {
        &self.modes
    }

    /// The window's title (OSC 0, 2).
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The icon's name (OSC 0, 1).
    #[must_use]
    pub fn icon_name(&self) -> &str {
        &self.icon_name
    }

    /// What the program last put on the clipboard.
    #[must_use]
    pub const fn clipboard(&self) -> &Clipboard {
        &self.clipboard
    }

    /// The same screen for somebody who is not to hear of the bells and the clipboard of `before`: those happened when
    /// they were not there.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        self.bells = before.bells;
        self.clipboard = before.clipboard.clone();
        self
    }

    /// How often the bell rang, modulo 256.
    #[must_use]
    pub const fn bells(&self) -> u8 {
        self.bells
    }

    /// Cuts or extends to `size` as a terminal does: at the right; at the bottom, unless that would cut the
    /// cursor's row away, then at the top. Nothing is reflowed.
    pub fn resize(&mut self, size: Size) {
        let size = size.clamped();
        if size == self.size {
            return;
        }
        resize_rows(&mut self.rows, size, &mut self.cursor);
        self.size = size;
    }

    // What overlays need, on a copy.

    /// Replaces the cell at `row`, `column` (and its continuation when it is wide). Outside the grid, or a wide
    /// cell in the last column: nothing happens.
    pub fn set_cell(&mut self, row: u16, column: u16, cell: Cell) {
        if let Some(row) = self.row_mut(row)
            && cell.width > 0
        {
            row.put(usize::from(column), cell);
        }
    }

    /// Changes a cell's attributes and leaves its text; both halves of a wide one.
    pub fn set_attributes(&mut self, row: u16, column: u16, change: impl Fn(&mut crate::Attributes)) {
        let Some(row) = self.row_mut(row) else { return };
        let mut column = usize::from(column);
        if row.cells().get(column).is_some_and(|cell| cell.width == 0) {
            column -= 1;
        }
        let changed = row.change(column, |cell| {
            change(&mut cell.attributes);
            cell.width
        });
        if changed == Some(2) {
            row.change(column + 1, |half| change(&mut half.attributes));
        }
    }

    /// Writes `text` from `row`, `column` to the right with `pen`, cut at the margin, never wrapping. Control
    /// characters are left out. Returns the column after it. The cursor stays.
    pub fn put_text(&mut self, row: u16, column: u16, text: &str, pen: &Pen) -> u16 {
        let columns = usize::from(self.size.columns);
        let mut at = usize::from(column);
        let Some(row) = self.row_mut(row) else { return column };
        for c in text.chars().filter(|c| !c.is_control()) {
            let width = usize::from(width::of(c));
            if width == 0 {
                let last = row.cells()[..at.min(columns)].iter().rposition(|cell| cell.width > 0);
                if let Some(last) = last.filter(|_| at > usize::from(column)) {
                    row.change(last, |cell| cell.push_mark(c));
                }
                continue;
            }
            if at + width > columns {
                break;
            }
            row.put(at, Cell::new(c, width as u8, pen));
            at += width;
        }
        at as u16
    }

    /// Blanks `columns` of a row with the pen's background.
    pub fn erase(&mut self, row: u16, columns: core::ops::Range<u16>, pen: &Pen) {
        if let Some(row) = self.row_mut(row) {
            row.erase(usize::from(columns.start), usize::from(columns.end), pen.attributes.erased());
        }
    }

    /// Moves the cursor, kept inside the grid.
    pub fn set_cursor(&mut self, row: u16, column: u16) {
        self.cursor = Cursor {
            row: row.min(self.size.rows - 1),
            column: column.min(self.size.columns - 1),
            wrap_pending: false,
        };
    }

    /// Shows or hides the cursor.
    pub fn set_cursor_visible(&mut self, visible: bool) {
        self.modes.set(Mode::CursorVisible, visible);
    }

    /// Turns a mode on or off.
    pub fn set_mode(&mut self, mode: Mode, on: bool) {
        self.modes.set(mode, on);
    }

    /// Nothing shown, on a screen of this size; all else as it is.
    #[must_use]
    pub fn wiped(&self, size: Size) -> Self {
        Self {
            modes: self.modes,
            title: Arc::clone(&self.title),
            icon_name: Arc::clone(&self.icon_name),
            colors: Arc::clone(&self.colors),
            ..self.left(size)
        }
    }

    /// As a terminal is where a session has been: nothing shown, and of modes and titles nothing left. What rang has rung,
    /// and the clipboard keeps what was put there.
    #[must_use]
    pub fn left(&self, size: Size) -> Self {
        Self { clipboard: self.clipboard.clone(), bells: self.bells, ..Self::new(size) }
    }

    /// Changes the window's title, and the icon's name where the two were alike.
    pub fn set_title(&mut self, title: &str) {
        let title = Arc::from(title);
        if self.icon_name == self.title {
            self.icon_name = Arc::clone(&title);
        }
        self.title = title;
    }

    /// A screen on the way from `base` to this one: all that is not a cell, and the first `cells` cells, from the top left;
    /// the clipboard and the other cells are still those of `base`, as far as there is room.
    #[must_use]
    pub fn partly_from(&self, base: &Self, cells: usize) -> Self {
        let mut rows = base.rows.clone();
        resize_rows(&mut rows, self.size, &mut Cursor::default());
        let (whole, part) = (cells / usize::from(self.size.columns), cells % usize::from(self.size.columns));
        for (index, (row, own)) in rows.iter_mut().zip(&self.rows).enumerate().take(whole + 1) {
            if index < whole {
                row.clone_from(own);
            } else if part > 0 {
                Rc::make_mut(row).copy(0, own, 0..part);
            }
        }
        Self { rows, clipboard: base.clipboard.clone(), ..self.clone() }
    }

    pub(crate) fn row_mut(&mut self, row: u16) -> Option<&mut Row> {
        self.rows.get_mut(usize::from(row)).map(Rc::make_mut)
    }
}

pub(crate) fn blank_rows(size: Size) -> Vec<Rc<Row>> {
    let row = Rc::new(Row::blank(usize::from(size.columns), crate::Attributes::default()));
    alloc::vec![row; usize::from(size.rows)]
}

/// Resizes a buffer and keeps `cursor` inside it.
pub(crate) fn resize_rows(rows: &mut Vec<Rc<Row>>, size: Size, cursor: &mut Cursor) {
    let (columns, height) = (usize::from(size.columns), usize::from(size.rows));
    if rows.len() > height {
        let above = (usize::from(cursor.row) + 1).saturating_sub(height);
        rows.drain(..above);
        rows.truncate(height);
        cursor.row -= above as u16;
    }
    if rows.first().is_some_and(|row| row.columns() != columns) {
        // Rows that were shared with each other stay shared: a blank screen of any height is one row.
        let mut last: Option<(Rc<Row>, Rc<Row>)> = None;
        for row in rows.iter_mut() {
            let resized = match &last {
                Some((old, new)) if Rc::ptr_eq(old, row) => Rc::clone(new),
                _ => {
                    let mut new = Row::clone(row);
                    new.resize(columns);
                    Rc::new(new)
                }
            };
            last = Some((Rc::clone(row), Rc::clone(&resized)));
            *row = resized;
        }
    }
    if rows.len() < height {
        rows.resize(height, Rc::new(Row::blank(columns, crate::Attributes::default())));
    }
    cursor.row = cursor.row.min(size.rows - 1);
    cursor.column = cursor.column.min(size.columns - 1);
    cursor.wrap_pending = false;
}
