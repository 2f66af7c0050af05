//! A change of the size by the emulator's owner: lines are wrapped anew, and nothing is lost.
//!
//! The rule: what is at the top stays there and the cursor stays in sight. Where text takes more rows, blank rows at the
//! bottom give way first, then rows leave at the top, as far as the cursor lets them, the others at the bottom. Where it
//! takes fewer, or the screen has grown, they come back, and so do the blank rows.

use super::machine::Machine;
use crate::history::{History, MAX_ROWS};
use crate::line::Line;
use crate::row::Row;
use crate::screen::{Cursor, Size, resize_rows};
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;

/// The most cells of a line that are brought back to wrap it anew. Of a longer one the rest stays as it was wrapped.
const MAX_LINE: usize = 1 << 16;

/// What there is no room for on the main screen.
#[derive(Default)]
pub(super) struct Overflow {
    history: History,
    /// The rows below, from the top: until the program scrolls, or erases what is there.
    below: Vec<Rc<Row>>,
    /// How many blank rows at the bottom have given way to text.
    yielded: usize,
    /// How many of the blank rows are there for want of text: the screen has grown.
    hollow: usize,
    /// How many of the newest rows left because of a change of the size.
    lent: usize,
}

impl Overflow {
    /// These rows scroll off the top.
    fn scrolled(&mut self, rows: &[Rc<Row>]) {
        for row in rows {
            self.history.push(row);
        }
        self.settle();
    }

    /// What is shown is where it is because of what the program did.
    fn settle(&mut self) {
        self.below.clear();
        (self.yielded, self.hollow, self.lent) = (0, 0, 0);
    }

    /// ED `what`, from the screen's first cell perhaps.
    pub(super) fn erased(&mut self, what: u16, from_first: bool) {
        match what {
            0 | 2 => {
                self.below.clear();
                if what == 2 || from_first {
                    self.cleared();
                }
            }
            3 => self.history.clear(),
            _ => {}
        }
    }

    /// The whole screen is blank: what has left it is of another.
    pub(super) fn cleared(&mut self) {
        self.history.settle();
        self.settle();
    }
}

impl Machine {
    /// Moves the region up by `count` rows, as text that comes does.
    pub(super) fn scroll_off(&mut self, count: u16) {
        let margins = self.margins;
        if let Some(overflow) = &mut self.overflow
            && !self.alternate
            && margins.top == 0
            && margins.columns().len() == usize::from(self.screen.size.columns)
        {
            let count = usize::from(count).min(margins.rows().len());
            overflow.scrolled(&self.screen.rows[..count]);
        }
        self.scroll_up(margins, count);
    }

    /// The size that the owner gives.
    pub(super) fn reflow(&mut self, size: Size) {
        let size = size.clamped();
        if size == self.screen.size {
            return;
        }
        let keeps = self.overflow.is_some();
        let mut kept = self.overflow.take();
        let overflow = kept.get_or_insert_default();
        let old = self.screen.size;
        if self.alternate {
            let mut cursors = [self.saved[0].cursor; 2];
            let main = core::mem::take(&mut self.hidden);
            self.hidden = fit(main, old, size, &mut cursors, overflow);
            self.saved[0].cursor = cursors[0];
            resize_rows(&mut self.screen.rows, size, &mut self.screen.cursor);
        } else {
            let mut cursors = [self.screen.cursor, self.saved[0].cursor];
            let main = core::mem::take(&mut self.screen.rows);
            self.screen.rows = fit(main, old, size, &mut cursors, overflow);
            [self.screen.cursor, self.saved[0].cursor] = cursors;
            self.screen.cursor.wrap_pending &= self.autowrap;
            resize_rows(&mut self.hidden, size, &mut self.saved[1].cursor);
        }
        self.screen.size = size;
        self.overflow = kept.filter(|_| keeps);
        self.resized();
    }
}

/// Wraps the main buffer's `rows` anew and takes those there is room for. Two cursors stay on their characters: the one
/// in use, which stays in sight, and the saved one.
fn fit(
    mut rows: Vec<Rc<Row>>,
    old: Size,
    size: Size,
    cursors: &mut [Cursor; 2],
    overflow: &mut Overflow,
) -> Vec<Rc<Row>> {
    let (columns, height) = (usize::from(size.columns), usize::from(size.rows));
    let beneath = &rows[rows.len().min(usize::from(cursors[0].row) + 1)..];
    let blanks = beneath.iter().rev().take_while(|row| row.is_plain_blank()).count();
    let blanks = if overflow.below.is_empty() { blanks } else { 0 };
    rows.truncate(rows.len() - blanks);
    rows.append(&mut overflow.below);

    let kept = overflow.history.rows();
    let mut text = if old.columns == size.columns {
        Text::as_it_is(rows, cursors)
    } else {
        Text::anew(rows, cursors, columns, &mut overflow.history)
    };
    let wanted = blanks.saturating_sub(overflow.hollow) + overflow.yielded;
    let spare = height.saturating_sub(text.rows.len() - text.first);
    // Where blank rows were at the bottom from the first, the top stays.
    let back = if wanted > 0 && overflow.lent == 0 { 0 } else { spare.saturating_sub(wanted) };
    text.bring_back(back, columns, &mut overflow.history);
    let top = text.first.saturating_sub(back).max((text.cursors[0].0 + 1).saturating_sub(height));

    let came = kept - overflow.history.rows();
    overflow.lent = (overflow.lent + top).saturating_sub(came);
    for row in text.rows.drain(..top) {
        overflow.history.push(&row);
    }
    let below = text.rows.split_off(text.rows.len().min(height));
    overflow.below = below.into_iter().take(MAX_ROWS).collect();
    let blanks = height - text.rows.len();
    (overflow.yielded, overflow.hollow) = (wanted.saturating_sub(blanks), blanks.saturating_sub(wanted));
    for (cursor, (row, column)) in cursors.iter_mut().zip(text.cursors) {
        *cursor = Cursor {
            row: row.saturating_sub(top).min(height - 1) as u16,
            column: column.min(columns - 1) as u16,
            wrap_pending: column == columns,
        };
    }
    let mut rows = Vec::from(text.rows);
    rows.resize(height, Rc::new(Row::blank(columns, crate::Attributes::default())));
    rows
}

/// Rows of text, more perhaps than there is room for.
struct Text {
    rows: VecDeque<Rc<Row>>,
    /// The one that has what was at the top.
    first: usize,
    /// Rows and columns of the cursors. A column beyond the last one: the next character wraps first.
    cursors: [(usize, usize); 2],
}

impl Text {
    fn as_it_is(rows: Vec<Rc<Row>>, cursors: &[Cursor; 2]) -> Self {
        let cursors = cursors.map(|cursor| (usize::from(cursor.row), next_column(cursor)));
        Self { rows: rows.into(), first: 0, cursors }
    }

    /// On rows of other `columns`. What the first row goes on from is brought back.
    fn anew(rows: Vec<Rc<Row>>, cursors: &[Cursor; 2], columns: usize, history: &mut History) -> Self {
        let beneath = rows.len();
        let head = if history.goes_on() { history.pop_line(MAX_LINE) } else { None };
        let head_length = head.as_ref().map_or(0, Line::len);
        let (mut lines, mut open) = (Vec::new(), head);
        let mut places = [None; 2];
        for (number, row) in rows.iter().enumerate() {
            let before = open.as_ref().map_or(0, Line::len);
            for (place, cursor) in places.iter_mut().zip(cursors) {
                if usize::from(cursor.row) == number {
                    *place = Some((lines.len(), before + next_column(*cursor)));
                }
            }
            let part = Line::of(row);
            let line = match open.take() {
                Some(line) => Line::joined(line, part),
                None => part,
            };
            if line.goes_on() { open = Some(line) } else { lines.push(line) }
        }
        lines.extend(open);
        if let Some((line, offset)) = places[0]
            && let Some(line) = lines.get_mut(line)
        {
            line.extend_to(offset);
        }

        let mut text = Self { rows: VecDeque::new(), first: 0, cursors: [(0, 0); 2] };
        for (number, line) in lines.into_iter().enumerate() {
            let wrapped = line.wrapped(columns);
            if number == 0 {
                text.first = wrapped.place(head_length).0;
            }
            for (cursor, place) in text.cursors.iter_mut().zip(places) {
                if let Some((_, offset)) = place.filter(|(line, _)| *line == number) {
                    let (row, column) = wrapped.place(offset);
                    *cursor = (text.rows.len() + row, column);
                }
            }
            text.rows.extend(wrapped.rows);
        }
        for (at, (cursor, place)) in text.cursors.iter_mut().zip(cursors.iter().zip(places)) {
            // Among the blank rows beneath the text.
            if place.is_none() {
                *at =
                    (text.rows.len() + usize::from(cursor.row).saturating_sub(beneath), cursor.column.into());
            }
        }
        text
    }

    /// Brings whole lines back until there are `rows` above the first one.
    fn bring_back(&mut self, rows: usize, columns: usize, history: &mut History) {
        while self.first < rows
            && let Some(line) = history.pop_line(MAX_LINE)
        {
            let wrapped = line.wrapped(columns).rows;
            self.first += wrapped.len();
            for cursor in &mut self.cursors {
                cursor.0 += wrapped.len();
            }
            for row in wrapped.into_iter().rev() {
                self.rows.push_front(row);
            }
        }
    }
}

/// The column that the next character is printed in, were the row longer.
fn next_column(cursor: Cursor) -> usize {
    usize::from(cursor.column) + usize::from(cursor.wrap_pending)
}

#[cfg(test)]
mod tests;
