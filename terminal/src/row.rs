//! One line of the grid.
//!
//! What is written on a row from the left to the right, as nearly all output is, is kept as text. Its cells are made when
//! somebody looks at them, or changes it otherwise: then the cells alone know from there on.

use crate::attributes::{Attributes, Pen};
use crate::cell::Cell;
use crate::cells::{Cells, is_plain};
use crate::text::{self, Text};
use alloc::vec::Vec;
use core::cell::OnceCell;
use core::ops::Range;

/// One line of the grid.
#[derive(Debug)]
pub struct Row {
    columns: usize,
    text: Text,
    /// Where the text is not whole they are there, and alone know what is on the row.
    cells: OnceCell<Cells>,
    /// Whether the line goes on in the next one, the program having printed past the right margin, and if so, how many
    /// columns were left over at the end: what comes next was too wide for them. A hint for whoever copies text or wraps
    /// it anew, not part of what is shown.
    wrapped: Option<u16>,
}

impl Clone for Row {
    fn clone(&self) -> Self {
        let cells = if self.text.columns().is_some() { OnceCell::new() } else { self.cells.clone() };
        Self { text: self.text.clone(), cells, ..*self }
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.columns == other.columns
            && (self.text.is_same(&other.text) || {
                let (own, others) = self.both(other);
                own == others
            })
    }
}

impl Eq for Row {}

impl Row {
    pub(crate) fn blank(columns: usize, attributes: Attributes) -> Self {
        if is_plain(attributes) {
            return Self { columns, text: Text::blank(), cells: OnceCell::new(), wrapped: None };
        }
        Self::of_cells(Cells::blank(columns, attributes), None)
    }

    fn of_cells(cells: Cells, wrapped: Option<u16>) -> Self {
        Self { columns: cells.all().len(), text: Text::unknown(), cells: OnceCell::from(cells), wrapped }
    }

    #[cfg(test)]
    pub(crate) fn of(cells: Vec<Cell>, wrapped: bool) -> Self {
        let columns = cells.len();
        Self::of_cells(Cells::of(cells, columns, Attributes::default()), wrapped.then_some(0))
    }

    /// How many octets it takes in memory once somebody has looked at it, without what its cells share with others.
    pub(crate) fn octets(&self) -> usize {
        size_of::<Self>() + self.columns * size_of::<Cell>() + self.text.capacity()
    }

    fn drawn(&self) -> &Cells {
        self.cells.get_or_init(|| Cells::of_text(self.text.reader(), self.columns))
    }

    /// How many cells it has.
    pub(crate) const fn columns(&self) -> usize {
        self.columns
    }

    /// The cells that may share something with others: none of what is kept as text does.
    pub(crate) fn sharing(&self) -> &[Cell] {
        if self.text.columns().is_some() { &[] } else { self.used() }
    }

    /// The cells, from the left.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        self.drawn().all()
    }

    /// The cells but for those at the end that are as a blank screen's.
    pub(crate) fn used(&self) -> &[Cell] {
        self.drawn().used()
    }

    /// The cells of two rows as far as either is used: beyond, they are alike.
    pub(crate) fn both<'a>(&'a self, other: &'a Self) -> (&'a [Cell], &'a [Cell]) {
        let (own, others) = (self.drawn(), other.drawn());
        let used = own.used().len().max(others.used().len()).min(self.columns).min(other.columns);
        (&own.all()[..used], &others.all()[..used])
    }

    /// Where those begin at its end that are as its last one.
    pub(crate) fn end_run(&self) -> usize {
        let Some(last) = self.cells().last() else { return 0 };
        let known = if self.used().len() < self.columns { self.used() } else { self.cells() };
        known.iter().rposition(|cell| cell != last).map_or(0, |before| before + 1)
    }

    /// Whether all its cells are as `cell`.
    pub(crate) fn is_all(&self, cell: &Cell) -> bool {
        let known = if *cell == Cell::default() { self.used() } else { self.cells() };
        known.iter().all(|own| own == cell)
    }

    /// Whether the line goes on in the next one (soft wrap).
    #[must_use]
    pub const fn is_wrapped(&self) -> bool {
        self.wrapped.is_some()
    }

    /// The line goes on in the next row: with a wide character for which there was no room here (`short`), perhaps.
    pub(crate) fn set_wrapped(&mut self, short: bool) {
        // Beyond the text nothing is written.
        let is_beyond = self.text.columns().is_some_and(|columns| columns < self.columns);
        if short && !is_beyond {
            self.edit(|_| ());
        }
        self.wrapped =
            Some(u16::from(short && (is_beyond || self.cells().last().is_some_and(Cell::is_blank))));
    }

    /// The line ends here: what it went on in has been moved away.
    pub(crate) const fn end_line(&mut self) {
        self.wrapped = None;
    }

    /// What is part of its line's text, and what the row's end is filled with.
    pub(crate) fn content(&self) -> (&[Cell], Attributes) {
        let cells = self.cells();
        match (self.wrapped, cells.last()) {
            (Some(left_over), _) => {
                (&cells[..cells.len().saturating_sub(left_over.into())], Attributes::default())
            }
            (None, Some(last)) if last.is_erased() => (&cells[..self.end_run()], last.attributes),
            (None, _) => (cells, Attributes::default()),
        }
    }

    /// Appends what is part of its line's text; and what the row's end is filled with.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Attributes {
        if self.text.columns().is_some() {
            let full = self.wrapped.map(|left_over| self.columns.saturating_sub(left_over.into()));
            return self.text.encode(self.columns, full, out);
        }
        let (cells, fill) = self.content();
        text::encode(cells, out);
        fill
    }

    /// A row of `columns` with this content, which fits.
    pub(crate) fn of_content(cells: &[Cell], columns: usize, fill: Attributes, goes_on: bool) -> Self {
        let left_over = columns - cells.len();
        Self::of_cells(Cells::of(cells.to_vec(), columns, fill), goes_on.then_some(left_over as u16))
    }

    /// Whether it is as on a blank screen.
    pub(crate) fn is_plain_blank(&self) -> bool {
        self.text.columns() == Some(0) || self.used().iter().all(|cell| *cell == Cell::default())
    }

    /// Whether nothing is written on it.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.text.columns() == Some(0) || self.used().iter().all(Cell::is_blank)
    }

    /// Changes the cells: they alone know from now on.
    fn edit<T>(&mut self, change: impl FnOnce(&mut Cells) -> T) -> T {
        let text = &self.text;
        let mut cells = self.cells.take().unwrap_or_else(|| Cells::of_text(text.reader(), self.columns));
        let made = change(&mut cells);
        self.text.forget();
        self.cells = OnceCell::from(cells);
        made
    }

    /// Changes the cell at `column` in anything but its width.
    pub(crate) fn change<T>(&mut self, column: usize, change: impl FnOnce(&mut Cell) -> T) -> Option<T> {
        self.edit(|cells| cells.cell_mut(column).map(change))
    }

    pub(crate) fn clear(&mut self, attributes: Attributes) {
        self.wrapped = None;
        if is_plain(attributes) {
            self.text.clear();
            self.cells = OnceCell::new();
        } else {
            self.edit(|cells| cells.erase(0, cells.all().len(), attributes));
        }
    }

    /// Erases `start..end`.
    pub(crate) fn erase(&mut self, start: usize, end: usize, attributes: Attributes) {
        let end = end.min(self.columns);
        if start >= end {
            return;
        }
        if end == self.columns {
            self.wrapped = None;
        }
        let plain = is_plain(attributes);
        if plain && self.text.ends_before(start) {
            return;
        }
        if start == 0 && end == self.columns {
            self.clear(attributes);
        } else {
            self.edit(|cells| cells.erase(start, end, attributes));
        }
    }

    /// Erases what is not protected of `start..end`.
    pub(crate) fn erase_unprotected(&mut self, start: usize, end: usize, attributes: Attributes) {
        let end = end.min(self.columns);
        if end == self.columns && self.cells().last().is_some_and(|last| !last.protected) {
            self.wrapped = None;
        }
        self.edit(|cells| cells.erase_unprotected(start, end, attributes));
    }

    /// ICH, or DCH (`delete`), of `moved`: opens `count` blank cells at its left, pushing the rest out at its right; or
    /// takes so many out there and draws blanks in.
    pub(crate) fn shift(&mut self, moved: Range<usize>, count: usize, delete: bool, attributes: Attributes) {
        let (start, end) = (moved.start, moved.end.min(self.columns));
        if start >= end {
            return;
        }
        if end == self.columns {
            self.wrapped = None;
        }
        if is_plain(attributes) && self.text.ends_before(start) {
            return;
        }
        self.edit(|cells| cells.shift(start..end, count.min(end - start), delete, attributes));
    }

    /// Fills `columns`.
    pub(crate) fn fill(&mut self, columns: Range<usize>, cell: &Cell) {
        self.wrapped = None;
        self.edit(|cells| cells.fill(columns, cell));
    }

    /// Puts the cells that `source` has at `columns` at `to`; the caller has made sure they fit.
    pub(crate) fn copy(&mut self, to: usize, source: &Self, columns: Range<usize>) {
        self.wrapped = None;
        self.edit(|cells| cells.copy(to, &source.cells()[columns]));
    }

    /// Writes `cell` (and its continuation when it is wide) at `column`, where it fits.
    pub(crate) fn put(&mut self, column: usize, cell: Cell) {
        let end = column + usize::from(cell.width.max(1));
        if end <= self.columns {
            self.edit(|cells| cells.put(column, cell));
            self.written(end);
        }
    }

    /// Writes characters beyond ASCII, of `width` 1 or 2 each, from `column` on: so many columns, for which the caller has
    /// made sure that there is room.
    pub(crate) fn put_text(
        &mut self,
        column: usize,
        text: &str,
        width: u8,
        columns: usize,
        pen: &Pen,
        protect: bool,
    ) {
        let end = column + columns;
        if self.follows(column, pen, protect) {
            self.text.push_text(text, width == 2, columns);
        } else {
            let template = Cell { protected: protect, ..Cell::new(' ', 1, pen) };
            self.edit(|cells| cells.put_text(column..end, text.chars(), width, &template));
        }
        self.written(end);
    }

    /// Writes printable ASCII from `column` on; the caller has made sure it fits.
    pub(crate) fn put_ascii(&mut self, column: usize, text: &[u8], pen: &Pen, protect: bool) {
        let end = column + text.len();
        if self.follows(column, pen, protect) {
            self.text.push_ascii(text);
        } else {
            let template = Cell { protected: protect, ..Cell::new(' ', 1, pen) };
            let text = text.iter().map(|&octet| char::from(octet));
            self.edit(|cells| cells.put_text(column..end, text, 1, &template));
        }
        self.written(end);
    }

    /// Whether what is written at `column` goes to the text: then it is ready for it.
    fn follows(&mut self, column: usize, pen: &Pen, protect: bool) -> bool {
        let follows = self.text.ends_before(column) && pen.extra.is_none() && !protect;
        if follows {
            self.text.go_on(column, pen.attributes, self.columns);
            self.cells = OnceCell::new();
        }
        follows
    }

    fn written(&mut self, end: usize) {
        if end == self.columns {
            self.wrapped = None;
        }
    }

    pub(crate) fn resize(&mut self, columns: usize) {
        if self.text.columns() == Some(0) {
            self.cells = OnceCell::new();
        } else {
            self.edit(|cells| cells.resize(columns));
        }
        self.columns = columns;
        self.wrapped = None;
    }
}
