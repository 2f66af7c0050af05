//! One line of the grid. Whatever is done to it, no half of a wide cluster is left alone.

use crate::attributes::Attributes;
use crate::cell::Cell;
use alloc::vec::Vec;

/// One line of the grid.
#[derive(Clone, Debug)]
pub struct Row {
    pub(crate) cells: Vec<Cell>,
    /// The line goes on in the next one: the program printed past the right margin. A hint for whoever copies
    /// text, not part of what is shown.
    pub(crate) wrapped: bool,
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.cells == other.cells
    }
}

impl Eq for Row {}

impl Row {
    pub(crate) fn blank(columns: usize, attributes: Attributes) -> Self {
        Self { cells: alloc::vec![Cell::blank(attributes); columns], wrapped: false }
    }

    /// The cells, from the left.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// Whether the line goes on in the next one (soft wrap).
    #[must_use]
    pub const fn is_wrapped(&self) -> bool {
        self.wrapped
    }

    /// Whether nothing is written on it.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.cells.iter().all(Cell::is_blank)
    }

    pub(crate) fn clear(&mut self, attributes: Attributes) {
        wipe(&mut self.cells, attributes);
        self.wrapped = false;
    }

    /// Makes the boundary left of `column` safe to cut: a wide cluster across it becomes two spaces.
    pub(crate) fn split(&mut self, column: usize) {
        if column == 0 || column >= self.cells.len() || self.cells[column].width != 0 {
            return;
        }
        for cell in &mut self.cells[column - 1..=column] {
            *cell = Cell::blank(cell.attributes);
        }
    }

    /// Erases `start..end`.
    pub(crate) fn erase(&mut self, start: usize, end: usize, attributes: Attributes) {
        let end = end.min(self.cells.len());
        if start >= end {
            return;
        }
        self.split(start);
        self.split(end);
        wipe(&mut self.cells[start..end], attributes);
        if end == self.cells.len() {
            self.wrapped = false;
        }
    }

    /// ICH: opens `count` blank cells at `column`, pushing the rest out at the right.
    pub(crate) fn insert(&mut self, column: usize, count: usize, attributes: Attributes) {
        let columns = self.cells.len();
        if column >= columns {
            return;
        }
        let count = count.min(columns - column);
        self.split(column);
        self.split(columns - count);
        self.cells[column..].rotate_right(count);
        self.cells[column..column + count].fill(Cell::blank(attributes));
        self.wrapped = false;
    }

    /// DCH: takes `count` cells out at `column`, drawing blanks in at the right.
    pub(crate) fn delete(&mut self, column: usize, count: usize, attributes: Attributes) {
        let columns = self.cells.len();
        if column >= columns {
            return;
        }
        let count = count.min(columns - column);
        self.split(column);
        self.split(column + count);
        self.cells[column..].rotate_left(count);
        self.cells[columns - count..].fill(Cell::blank(attributes));
        self.wrapped = false;
    }

    /// Writes `cell` (and its continuation when it is wide) at `column`; the caller has made sure it fits.
    pub(crate) fn put(&mut self, column: usize, cell: Cell) {
        let width = usize::from(cell.width.max(1));
        if column + width > self.cells.len() {
            return;
        }
        self.split(column);
        self.split(column + width);
        if cell.width == 2 {
            self.cells[column + 1] = cell.continuation();
        }
        self.cells[column] = cell;
        if column + width == self.cells.len() {
            self.wrapped = false;
        }
    }

    /// Writes printable ASCII from `column` on; the caller has made sure it fits.
    pub(crate) fn put_ascii(&mut self, column: usize, text: &[u8], template: &Cell) {
        let end = column + text.len();
        self.split(column);
        self.split(end);
        for (cell, &byte) in self.cells[column..end].iter_mut().zip(text) {
            cell.base = char::from(byte);
            cell.width = 1;
            cell.attributes = template.attributes;
            if cell.extra.is_some() || template.extra.is_some() {
                cell.extra.clone_from(&template.extra);
            }
        }
        if end == self.cells.len() {
            self.wrapped = false;
        }
    }

    pub(crate) fn resize(&mut self, columns: usize) {
        if columns < self.cells.len() {
            self.split(columns);
        }
        self.cells.resize(columns, Cell::default());
        self.wrapped = false;
    }
}

/// Blanks cells field by field: filling with clones is several times slower, and every line feed does it.
fn wipe(cells: &mut [Cell], attributes: Attributes) {
    for cell in cells {
        cell.base = ' ';
        cell.attributes = attributes;
        cell.width = 1;
        if cell.extra.is_some() {
            cell.extra = None;
        }
    }
}
