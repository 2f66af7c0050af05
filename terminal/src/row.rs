//! One line of the grid. Whatever is done to it, no half of a wide cluster is left alone.
//!
//! A row knows how far it has been used: beyond that its cells are as a blank screen's. So what is done to a row, and
//! what it takes to compare two, costs as much as is written on it, not as much as the screen is wide.

use crate::attributes::Attributes;
use crate::cell::Cell;
use alloc::vec::Vec;
use core::ops::Range;

/// One line of the grid.
#[derive(Debug)]
pub struct Row {
    cells: Vec<Cell>,
    /// All cells from here on are [`Cell::default`].
    used: usize,
    /// Whether the line goes on in the next one, the program having printed past the right margin, and if so, how many
    /// columns were left over at the end: what comes next was too wide for them. A hint for whoever copies text or wraps
    /// it anew, not part of what is shown.
    wrapped: Option<u16>,
}

impl Clone for Row {
    fn clone(&self) -> Self {
        let rest = blanks(self.cells.len() - self.used, Attributes::default());
        Self { cells: self.used().iter().cloned().chain(rest).collect(), ..*self }
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        let used = self.used.max(other.used);
        self.cells.len() == other.cells.len() && self.cells[..used] == other.cells[..used]
    }
}

impl Eq for Row {}

impl Row {
    pub(crate) fn blank(columns: usize, attributes: Attributes) -> Self {
        let used = if is_plain(attributes) { 0 } else { columns };
        Self { cells: blanks(columns, attributes).collect(), used, wrapped: None }
    }

    #[cfg(test)]
    pub(crate) fn of(cells: Vec<Cell>, wrapped: bool) -> Self {
        Self { used: cells.len(), cells, wrapped: wrapped.then_some(0) }
    }

    /// The cells, from the left.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The cells but for those at the end that are as a blank screen's.
    pub(crate) fn used(&self) -> &[Cell] {
        &self.cells[..self.used]
    }

    /// The cells of two rows as far as either is used: beyond, they are alike.
    pub(crate) fn both<'a>(&'a self, other: &'a Self) -> (&'a [Cell], &'a [Cell]) {
        let used = self.used.max(other.used).min(self.cells.len()).min(other.cells.len());
        (&self.cells[..used], &other.cells[..used])
    }

    /// Where those begin at its end that are as its last one.
    pub(crate) fn end_run(&self) -> usize {
        let Some(last) = self.cells.last() else { return 0 };
        let known = if self.used < self.cells.len() { self.used() } else { self.cells() };
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
        self.wrapped = Some(u16::from(short && self.cells.last().is_some_and(Cell::is_blank)));
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

    /// A row of `columns` with this content, which fits.
    pub(crate) fn of_content(cells: &[Cell], columns: usize, fill: Attributes, goes_on: bool) -> Self {
        let used = if is_plain(fill) { cells.len() } else { columns };
        let left_over = columns - cells.len();
        let cells = cells.iter().cloned().chain(blanks(left_over, fill)).collect();
        Self { cells, used, wrapped: goes_on.then_some(left_over as u16) }
    }

    /// Whether it is as on a blank screen.
    pub(crate) fn is_plain_blank(&self) -> bool {
        self.used().iter().all(|cell| *cell == Cell::default())
    }

    /// Whether nothing is written on it.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.used().iter().all(Cell::is_blank)
    }

    /// The cell at `column`, to be changed in anything but its width.
    pub(crate) fn cell_mut(&mut self, column: usize) -> Option<&mut Cell> {
        let cell = self.cells.get_mut(column)?;
        self.used = self.used.max(column + 1);
        Some(cell)
    }

    pub(crate) fn clear(&mut self, attributes: Attributes) {
        self.erase(0, self.cells.len(), attributes);
    }

    /// Makes the boundary left of `column` safe to cut: a wide cluster across it becomes two spaces.
    pub(crate) fn split(&mut self, column: usize) {
        if column == 0 || column >= self.used || self.cells[column].width != 0 {
            return;
        }
        for cell in &mut self.cells[column - 1..=column] {
            *cell = Cell::blank(cell.attributes);
        }
    }

    /// After something was written up to `column`: what there is left of a wide cluster becomes a space.
    pub(crate) fn mend(&mut self, column: usize) {
        if let Some(cell) = self.cells.get_mut(column)
            && cell.width == 0
        {
            *cell = Cell::blank(cell.attributes);
        }
    }

    /// Erases `start..end`.
    pub(crate) fn erase(&mut self, start: usize, end: usize, attributes: Attributes) {
        let end = end.min(self.cells.len());
        if start >= end {
            return;
        }
        if end == self.cells.len() {
            self.wrapped = None;
        }
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
        let end = end.min(self.cells.len());
        for column in start..end {
            if !self.cells[column].protected {
                self.erase(column, column + 1, attributes);
            }
        }
    }

    /// ICH, or DCH (`delete`), of `moved`: opens `count` blank cells at its left, pushing the rest out at its right; or
    /// takes so many out there and draws blanks in.
    pub(crate) fn shift(&mut self, moved: Range<usize>, count: usize, delete: bool, attributes: Attributes) {
        let (start, end) = (moved.start, moved.end.min(self.cells.len()));
        if start >= end {
            return;
        }
        if end == self.cells.len() {
            self.wrapped = None;
        }
        let (count, plain) = (count.min(end - start), is_plain(attributes));
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
        self.wrapped = None;
    }

    /// Puts the cells that `source` has at `columns` at `to`; the caller has made sure they fit.
    pub(crate) fn copy(&mut self, to: usize, source: &Self, columns: Range<usize>) {
        let end = to + columns.len();
        self.split(to);
        self.split(end);
        self.cells[to..end].clone_from_slice(&source.cells[columns]);
        self.used = self.used.max(end);
        self.wrapped = None;
        // Halves whose others were not copied.
        self.mend(to);
        if let Some(last) = self.cells.get_mut(end - 1)
            && last.width == 2
        {
            *last = Cell::blank(last.attributes);
        }
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
        self.written(column + width);
    }

    /// Writes a character of `width` 1 or 2 with `template`'s look, and returns the column after it. The caller has
    /// made sure that it fits, and splits before the first and mends after the last of a text.
    pub(crate) fn overwrite(&mut self, column: usize, base: char, width: u8, template: &Cell) -> usize {
        let end = column + usize::from(width);
        for (cell, (base, width)) in self.cells[column..end].iter_mut().zip([(base, width), (' ', 0)]) {
            cell.write(base, width, template);
        }
        self.written(end);
        end
    }

    /// Writes printable ASCII from `column` on; the caller has made sure it fits.
    pub(crate) fn put_ascii(&mut self, column: usize, text: &[u8], template: &Cell) {
        let end = column + text.len();
        self.split(column);
        self.split(end);
        for (cell, &byte) in self.cells[column..end].iter_mut().zip(text) {
            cell.write(char::from(byte), 1, template);
        }
        self.written(end);
    }

    fn written(&mut self, end: usize) {
        self.used = self.used.max(end);
        if end == self.cells.len() {
            self.wrapped = None;
        }
    }

    pub(crate) fn resize(&mut self, columns: usize) {
        if columns < self.cells.len() {
            self.split(columns);
        }
        self.cells.truncate(columns);
        self.cells.extend(blanks(columns - self.cells.len(), Attributes::default()));
        self.used = self.used.min(columns);
        self.wrapped = None;
    }
}

/// Each made anew: copies are several times slower.
fn blanks(count: usize, attributes: Attributes) -> impl Iterator<Item = Cell> {
    (0..count).map(move |_| Cell::blank(attributes))
}

/// Whether a cell erased with these is as a blank screen's.
fn is_plain(attributes: Attributes) -> bool {
    attributes == Attributes::default()
}

/// Blanks cells field by field: filling with clones is several times slower, and every line feed does it.
fn wipe(cells: &mut [Cell], attributes: Attributes) {
    let blank = Cell::blank(attributes);
    for cell in cells {
        cell.write(' ', 1, &blank);
    }
}
