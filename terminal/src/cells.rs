//! The cells of a row. Whatever is done to them, no half of a wide cluster is left alone.

use crate::attributes::Attributes;
use crate::cell::Cell;
use crate::text::Reader;
use alloc::vec::Vec;
use core::ops::Range;

/// As many as the row has columns.
#[derive(Debug)]
pub(crate) struct Cells {
    cells: Vec<Cell>,
    /// All cells from here on are [`Cell::default`]: what is done to the others costs as much as is written on the row, not as
    /// much as the screen is wide.
    used: usize,
}

impl Clone for Cells {
    fn clone(&self) -> Self {
        let rest = blanks(self.cells.len() - self.used, Attributes::default());
        Self { cells: self.used().iter().cloned().chain(rest).collect(), used: self.used }
    }
}

impl Cells {
    pub(crate) fn blank(columns: usize, attributes: Attributes) -> Self {
        let used = if is_plain(attributes) { 0 } else { columns };
        Self { cells: blanks(columns, attributes).collect(), used }
    }

    /// Those of a text, which fits.
    pub(crate) fn of_text(text: Reader<'_>, columns: usize) -> Self {
        Self::of(text.cells(columns), columns, Attributes::default())
    }

    /// These, and after them blanks with these attributes.
    pub(crate) fn of(mut cells: Vec<Cell>, columns: usize, fill: Attributes) -> Self {
        let used = if is_plain(fill) { cells.len() } else { columns };
        cells.extend(blanks(columns.saturating_sub(cells.len()), fill));
        Self { cells, used }
    }

    pub(crate) fn all(&self) -> &[Cell] {
        &self.cells
    }

    /// The cells but for those at the end that are as a blank screen's.
    pub(crate) fn used(&self) -> &[Cell] {
        &self.cells[..self.used]
    }

    /// Makes the boundary left of `column` safe to cut: a wide cluster across it becomes two spaces.
    fn split(&mut self, column: usize) {
        if column == 0 || column >= self.used || self.cells[column].width != 0 {
            return;
        }
        for cell in &mut self.cells[column - 1..=column] {
            *cell = Cell::blank(cell.attributes);
        }
    }

    /// After something was written up to `column`: what there is left of a wide cluster becomes a space.
    fn mend(&mut self, column: usize) {
        if let Some(cell) = self.cells.get_mut(column)
            && cell.width == 0
        {
            *cell = Cell::blank(cell.attributes);
        }
    }

    /// The cell at `column`, to be changed in anything but its width.
    pub(crate) fn cell_mut(&mut self, column: usize) -> Option<&mut Cell> {
        let cell = self.cells.get_mut(column)?;
        self.used = self.used.max(column + 1);
        Some(cell)
    }

    /// Erases `start..end`.
    pub(crate) fn erase(&mut self, start: usize, end: usize, attributes: Attributes) {
        self.split(start);
        self.split(end);
        let plain = is_plain(attributes);
        let end = if plain { end.min(self.used) } else { end };
        if start >= end {
            return;
        }
        wipe(&mut self.cells[start..end], attributes);
        if !plain {
            self.used = self.used.max(end);
        } else if end == self.used {
            self.used = start;
        }
    }

    /// Erases what is not protected of `start..end`.
    pub(crate) fn erase_unprotected(&mut self, start: usize, end: usize, attributes: Attributes) {
        for column in start..end {
            if !self.cells[column].protected {
                self.erase(column, column + 1, attributes);
            }
        }
    }

    /// As [`Row::shift`](crate::Row), of what is there.
    pub(crate) fn shift(&mut self, moved: Range<usize>, count: usize, delete: bool, attributes: Attributes) {
        let Range { start, end } = moved;
        let plain = is_plain(attributes);
        if plain && start >= self.used {
            return;
        }
        self.split(start);
        self.split(if delete { start + count } else { end - count });
        self.split(end);
        if !plain {
            self.used = self.used.max(end);
        } else if !delete && self.used < end {
            self.used = (self.used + count).min(end);
        }
        // Blanks beyond what is used are alike wherever they are.
        let end = end.min(self.used);
        let count = count.min(end - start);
        let cells = &mut self.cells[start..end];
        if delete {
            cells.rotate_left(count);
            let kept = cells.len() - count;
            wipe(&mut cells[kept..], attributes);
        } else {
            cells.rotate_right(count);
            wipe(&mut cells[..count], attributes);
        }
    }

    /// Fills `columns`.
    pub(crate) fn fill(&mut self, columns: Range<usize>, cell: &Cell) {
        self.split(columns.start);
        self.split(columns.end);
        self.cells[columns.clone()].fill(cell.clone());
        self.used = self.used.max(columns.end);
    }

    /// Puts others at `to`, where they fit.
    pub(crate) fn copy(&mut self, to: usize, others: &[Cell]) {
        let end = to + others.len();
        self.split(to);
        self.split(end);
        self.cells[to..end].clone_from_slice(others);
        self.used = self.used.max(end);
        // Halves whose others were not copied.
        self.mend(to);
        if let Some(last) = self.cells.get_mut(end - 1)
            && last.width == 2
        {
            *last = Cell::blank(last.attributes);
        }
    }

    /// Writes `cell`, and its continuation when it is wide.
    pub(crate) fn put(&mut self, column: usize, cell: Cell) {
        let end = column + usize::from(cell.width.max(1));
        self.split(column);
        self.split(end);
        if cell.width == 2 {
            self.cells[column + 1] = cell.continuation();
        }
        self.cells[column] = cell;
        self.used = self.used.max(end);
    }

    /// Writes characters of `width` 1 or 2 each, in `columns`.
    pub(crate) fn put_text(
        &mut self,
        columns: Range<usize>,
        text: impl Iterator<Item = char>,
        width: u8,
        template: &Cell,
    ) {
        self.split(columns.start);
        self.split(columns.end);
        for (cells, c) in self.cells[columns.clone()].chunks_mut(width.into()).zip(text) {
            for (cell, (base, width)) in cells.iter_mut().zip([(c, width), (' ', 0)]) {
                cell.write(base, width, template);
            }
        }
        self.used = self.used.max(columns.end);
    }

    pub(crate) fn resize(&mut self, columns: usize) {
        self.split(columns);
        self.cells.truncate(columns);
        self.cells.extend(blanks(columns - self.cells.len(), Attributes::default()));
        self.used = self.used.min(columns);
    }
}

/// Each made anew: copies are several times slower.
fn blanks(count: usize, attributes: Attributes) -> impl Iterator<Item = Cell> {
    (0..count).map(move |_| Cell::blank(attributes))
}

/// Whether a cell erased with these is as a blank screen's.
pub(crate) fn is_plain(attributes: Attributes) -> bool {
    attributes == Attributes::default()
}

/// Blanks cells field by field: filling with clones is several times slower, and every line feed does it.
fn wipe(cells: &mut [Cell], attributes: Attributes) {
    let blank = Cell::blank(attributes);
    for cell in cells {
        cell.write(' ', 1, &blank);
    }
}
