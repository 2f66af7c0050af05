//! A line of text as the program wrote it, however many rows it takes.

use crate::attributes::Attributes;
use crate::cell::Cell;
use crate::row::Row;
use alloc::rc::Rc;
use alloc::vec::Vec;

/// A line, or the part of one that some rows have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    cells: Vec<Cell>,
    /// What its last row is filled with.
    fill: Attributes,
    /// It goes on in a row that is not part of this.
    goes_on: bool,
}

/// A line on rows.
pub(crate) struct Wrapped {
    pub(crate) rows: Vec<Rc<Row>>,
    /// Where in the line each of them begins.
    starts: Vec<usize>,
    length: usize,
    columns: usize,
}

impl Line {
    pub(crate) const fn new(cells: Vec<Cell>, fill: Attributes, goes_on: bool) -> Self {
        Self { cells, fill, goes_on }
    }

    /// What a row has of its line.
    pub(crate) fn of(row: &Row) -> Self {
        let (cells, fill) = row.content();
        Self { cells: cells.to_vec(), fill, goes_on: row.is_wrapped() }
    }

    /// In cells.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether it goes on in a row that is not part of this.
    pub(crate) const fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// This and what it goes on in.
    pub(crate) fn joined(mut self, next: Self) -> Self {
        self.cells.extend(next.cells);
        Self { cells: self.cells, ..next }
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> alloc::string::String {
        self.cells.iter().map(Cell::text).collect()
    }

    /// Makes sure that it has `length` cells: the cursor stands beyond its text.
    pub(crate) fn extend_to(&mut self, length: usize) {
        let missing = length.saturating_sub(self.cells.len());
        self.cells.extend((0..missing).map(|_| Cell::blank(self.fill)));
    }

    /// Cuts it into rows of `columns`. A wide cluster that would not fit begins the next; on a single column there is no
    /// place for one.
    pub(crate) fn wrapped(mut self, columns: usize) -> Wrapped {
        if columns < 2 {
            self.cells.retain(|cell| cell.width == 1);
        }
        let (cells, length) = (&self.cells[..], self.cells.len());
        let (mut rows, mut starts, mut start) = (Vec::new(), Vec::new(), 0);
        while start < length || rows.is_empty() {
            let mut end = length.min(start + columns);
            end -= usize::from(cells.get(end).is_some_and(|cell| cell.width == 0));
            let is_last = end == length;
            let fill = if is_last { self.fill } else { Attributes::default() };
            rows.push(Rc::new(Row::of_content(&cells[start..end], columns, fill, !is_last || self.goes_on)));
            starts.push(start);
            start = end;
        }
        Wrapped { rows, starts, length, columns }
    }
}

impl Wrapped {
    /// The row and column of the cell at `offset`; that after the line's last one may be beyond the last column.
    pub(crate) fn place(&self, offset: usize) -> (usize, usize) {
        let row = self.starts.partition_point(|&start| start <= offset).saturating_sub(1);
        let column = offset - self.starts.get(row).copied().unwrap_or(0).min(offset);
        let most = if offset >= self.length { self.columns } else { self.columns - 1 };
        (row, column.min(most))
    }
}
