//! One line of the grid. Whatever is done to it, no half of a wide cluster is left alone.
//!
//! A row knows how far it has been used: beyond that its cells are as a blank screen's. So what is done to a row, and
//! what it takes to compare two, costs as much as is written on it, not as much as the screen is wide.
//!
//! What is written after all that a row has is kept as text at first: [`Row::draw`] makes cells of it, which must be done
//! before anybody looks at them. Whatever else changes a row does it by itself.

use crate::attributes::{Attributes, Pen};
use crate::cell::Cell;
use crate::text::{self, Part, Text};
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
    /// What was written, as long as it is written from the left to the right. Where it is whole, `used` is how far it is
    /// drawn.
    text: Text,
}

impl Clone for Row {
    fn clone(&self) -> Self {
        let rest = blanks(self.cells.len() - self.used, Attributes::default());
        let cells = self.cells[..self.used].iter().cloned().chain(rest).collect();
        Self { cells, text: self.text.clone(), ..*self }
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        let (own, others) = self.both(other);
        self.cells.len() == other.cells.len() && own == others
    }
}

impl Eq for Row {}

impl Row {
    pub(crate) fn blank(columns: usize, attributes: Attributes) -> Self {
        let (used, text) = if is_plain(attributes) { (0, Text::blank()) } else { (columns, Text::unknown()) };
        Self { cells: blanks(columns, attributes).collect(), used, wrapped: None, text }
    }

    #[cfg(test)]
    pub(crate) fn of(cells: Vec<Cell>, wrapped: bool) -> Self {
        Self { used: cells.len(), cells, wrapped: wrapped.then_some(0), text: Text::unknown() }
    }

    /// How many octets it takes in memory, without what its cells share with others.
    pub(crate) fn octets(&self) -> usize {
        size_of::<Self>() + self.cells.capacity() * size_of::<Cell>() + self.text.capacity()
    }

    /// The cells, from the left.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        debug_assert!(self.text.is_drawn(), "somebody looks at cells that have not been made");
        &self.cells
    }

    /// The cells but for those at the end that are as a blank screen's.
    pub(crate) fn used(&self) -> &[Cell] {
        &self.cells()[..self.used]
    }

    /// The cells of two rows as far as either is used: beyond, they are alike.
    pub(crate) fn both<'a>(&'a self, other: &'a Self) -> (&'a [Cell], &'a [Cell]) {
        let used = self.used.max(other.used).min(self.cells.len()).min(other.cells.len());
        (&self.cells()[..used], &other.cells()[..used])
    }

    /// Where those begin at its end that are as its last one.
    pub(crate) fn end_run(&self) -> usize {
        let Some(last) = self.cells().last() else { return 0 };
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
        // Beyond the text nothing is written.
        let is_beyond = self.text.columns().is_some_and(|columns| columns < self.cells.len());
        if short && !is_beyond {
            self.edit();
        }
        self.wrapped = Some(u16::from(short && (is_beyond || self.cells.last().is_some_and(Cell::is_blank))));
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

    /// Appends what is part of its line's text; and what the row's end is filled with. What is not drawn yet counts too.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Attributes {
        if self.text.columns().is_some() {
            let columns = self.cells.len();
            return self.text.encode(
                columns,
                self.wrapped.map(|left_over| columns - usize::from(left_over)),
                out,
            );
        }
        let (cells, fill) = self.content();
        text::encode(cells, out);
        fill
    }

    /// A row of `columns` with this content, which fits.
    pub(crate) fn of_content(cells: &[Cell], columns: usize, fill: Attributes, goes_on: bool) -> Self {
        let used = if is_plain(fill) { cells.len() } else { columns };
        let left_over = columns - cells.len();
        let cells = cells.iter().cloned().chain(blanks(left_over, fill)).collect();
        Self { cells, used, wrapped: goes_on.then_some(left_over as u16), text: Text::unknown() }
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

    /// Whether all that was written has its cells.
    pub(crate) const fn is_drawn(&self) -> bool {
        self.text.is_drawn()
    }

    /// Makes cells of what was written.
    pub(crate) fn draw(&mut self) {
        if self.text.is_drawn() {
            return;
        }
        let (look, undrawn) = self.text.undrawn();
        let (mut template, mut column) = (Cell::blank(look), self.used);
        for part in undrawn {
            match part {
                Part::Look(look) => template = look,
                Part::Ascii(text) => {
                    for (cell, &octet) in self.cells[column..].iter_mut().zip(text) {
                        cell.write(char::from(octet), 1, &template);
                    }
                    column += text.len();
                }
                Part::Char(c, width) => {
                    let end = column + usize::from(width);
                    put(&mut self.cells[column..end], c, width, &template);
                    column = end;
                }
                // What marks a cluster goes to its cell.
                Part::Mark(_) => {}
            }
        }
        self.used = column;
        self.text.set_drawn();
    }

    /// The cells will be changed: they alone know from now on.
    fn edit(&mut self) {
        self.draw();
        self.text.forget();
    }

    /// The cell at `column`, to be changed in anything but its width.
    pub(crate) fn cell_mut(&mut self, column: usize) -> Option<&mut Cell> {
        self.edit();
        let cell = self.cells.get_mut(column)?;
        self.used = self.used.max(column + 1);
        Some(cell)
    }

    pub(crate) fn clear(&mut self, attributes: Attributes) {
        if !is_plain(attributes) {
            self.erase(0, self.cells.len(), attributes);
            return;
        }
        wipe(&mut self.cells[..self.used], attributes);
        self.used = 0;
        self.wrapped = None;
        self.text.clear();
    }

    /// Makes the boundary left of `column` safe to cut: a wide cluster across it becomes two spaces.
    pub(crate) fn split(&mut self, column: usize) {
        if column == 0 || column >= self.used || self.cells[column].width != 0 {
            return;
        }
        self.edit();
        for cell in &mut self.cells[column - 1..=column] {
            *cell = Cell::blank(cell.attributes);
        }
    }

    /// After something was written up to `column`: what there is left of a wide cluster becomes a space.
    pub(crate) fn mend(&mut self, column: usize) {
        if self.cells.get(column).is_some_and(|cell| cell.width == 0) {
            self.edit();
            self.cells[column] = Cell::blank(self.cells[column].attributes);
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
        let plain = is_plain(attributes);
        if plain && self.text.ends_before(start) {
            return;
        }
        if plain && start == 0 && end == self.cells.len() {
            self.clear(attributes);
            return;
        }
        self.edit();
        self.split(start);
        self.split(end);
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
        self.edit();
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
        if plain && self.text.ends_before(start) {
            return;
        }
        self.edit();
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
        self.edit();
        self.split(columns.start);
        self.split(columns.end);
        self.cells[columns.clone()].fill(cell.clone());
        self.used = self.used.max(columns.end);
        self.wrapped = None;
    }

    /// Puts the cells that `source` has at `columns` at `to`; the caller has made sure they fit.
    pub(crate) fn copy(&mut self, to: usize, source: &Self, columns: Range<usize>) {
        let end = to + columns.len();
        self.edit();
        self.split(to);
        self.split(end);
        self.cells[to..end].clone_from_slice(&source.cells()[columns]);
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
        self.edit();
        self.split(column);
        self.split(column + width);
        if cell.width == 2 {
            self.cells[column + 1] = cell.continuation();
        }
        self.cells[column] = cell;
        self.used = self.used.max(column + width);
        self.written(column + width);
    }

    /// Writes characters beyond ASCII, of `width` 1 or 2 each, from `column` on: so many
    /// columns, for which the caller has made sure that there is room.
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
            self.edit();
            self.split(column);
            self.split(end);
            let template = Cell { protected: protect, ..Cell::new(' ', 1, pen) };
            for (cells, c) in self.cells[column..end].chunks_mut(width.into()).zip(text.chars()) {
                put(cells, c, width, &template);
            }
            self.used = self.used.max(end);
        }
        self.written(end);
    }

    /// Writes printable ASCII from `column` on; the caller has made sure it fits.
    pub(crate) fn put_ascii(&mut self, column: usize, text: &[u8], pen: &Pen, protect: bool) {
        let end = column + text.len();
        if self.follows(column, pen, protect) {
            self.text.push_ascii(text);
        } else {
            self.edit();
            self.split(column);
            self.split(end);
            let template = Cell { protected: protect, ..Cell::new(' ', 1, pen) };
            for (cell, &byte) in self.cells[column..end].iter_mut().zip(text) {
                cell.write(char::from(byte), 1, &template);
            }
            self.used = self.used.max(end);
        }
        self.written(end);
    }

    /// Whether what is written at `column` goes to the text: then it is ready for it.
    fn follows(&mut self, column: usize, pen: &Pen, protect: bool) -> bool {
        let follows = self.text.ends_before(column) && pen.extra.is_none() && !protect;
        if follows {
            self.text.go_on(column, pen.attributes, self.cells.len());
        }
        follows
    }

    fn written(&mut self, end: usize) {
        if end == self.cells.len() {
            self.wrapped = None;
        }
    }

    pub(crate) fn resize(&mut self, columns: usize) {
        if self.text.columns() != Some(0) {
            self.edit();
        }
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

/// Writes a character, and the second half of it when it is wide.
fn put(cells: &mut [Cell], c: char, width: u8, template: &Cell) {
    for (cell, (base, width)) in cells.iter_mut().zip([(c, width), (' ', 0)]) {
        cell.write(base, width, template);
    }
}

/// Blanks cells field by field: filling with clones is several times slower, and every line feed does it.
fn wipe(cells: &mut [Cell], attributes: Attributes) {
    let blank = Cell::blank(attributes);
    for cell in cells {
        cell.write(' ', 1, &blank);
    }
}
