//! Erasing and moving text.

use super::machine::{Machine, Protection};
use super::margins::Margins;
use crate::attributes::Pen;
use crate::cell::Cell;
use crate::row::Row;
use crate::screen::Cursor;
use alloc::rc::Rc;

impl Machine {
    pub(super) fn erased(&self) -> crate::Attributes {
        self.screen.pen.attributes.erased()
    }

    /// Whether erasing spares protected characters.
    fn spares(&self, selective: bool) -> bool {
        match self.protection {
            Protection::Off => false,
            Protection::Dec => selective,
            Protection::Iso => true,
        }
    }

    pub(super) fn erase_rows(&mut self, rows: core::ops::Range<u16>, selective: bool) {
        if self.spares(selective) {
            for row in rows {
                self.erase_in(row, 0..self.columns(), selective);
            }
            return;
        }
        self.clear_rows(rows);
    }

    /// Blanks rows, whatever is on them.
    pub(super) fn clear_rows(&mut self, rows: core::ops::Range<u16>) {
        self.work(rows.len(), self.columns());
        let erased = self.erased();
        // One blank row for all: they differ again when something is written on them.
        let blank = Rc::new(Row::blank(self.columns(), erased));
        let rows = usize::from(rows.start)..usize::from(rows.end);
        self.screen.rows[rows].fill(blank);
    }

    /// ED.
    pub(super) fn erase_display(&mut self, what: u16, selective: bool) {
        let Cursor { row, column, .. } = self.screen.cursor;
        if !self.alternate
            && let Some(overflow) = &mut self.overflow
        {
            overflow.erased(what, (row, column) == (0, 0));
        }
        match what {
            0 => {
                self.erase_line(0, selective);
                self.erase_rows(row + 1..self.screen.size.rows, selective);
            }
            1 => {
                self.erase_line(1, selective);
                self.erase_rows(0..row, selective);
            }
            2 => self.erase_rows(0..self.screen.size.rows, selective),
            _ => {}
        }
        self.screen.cursor.wrap_pending = false;
    }

    /// EL.
    pub(super) fn erase_line(&mut self, what: u16, selective: bool) {
        let columns = self.columns();
        let column = usize::from(self.screen.cursor.column);
        let (start, end) = match what {
            0 => (column, columns),
            1 => (0, column + 1),
            2 => (0, columns),
            _ => return,
        };
        self.erase_in(self.screen.cursor.row, start..end, selective);
        self.screen.cursor.wrap_pending = false;
    }

    /// ECH.
    pub(super) fn erase_chars(&mut self, count: u16) {
        let column = usize::from(self.screen.cursor.column);
        self.erase_in(self.screen.cursor.row, column..column + usize::from(count), false);
        self.screen.cursor.wrap_pending = false;
    }

    /// Erases part of a row, but for what is protected where that counts.
    pub(super) fn erase_in(&mut self, row: u16, columns: core::ops::Range<usize>, selective: bool) {
        let (erased, spares) = (self.erased(), self.spares(selective));
        self.work(1, columns.len().min(self.columns()));
        if let Some(row) = self.screen.row_mut(row) {
            if spares {
                row.erase_unprotected(columns.start, columns.end, erased);
            } else {
                row.erase(columns.start, columns.end, erased);
            }
        }
    }

    /// ICH, or DCH (`delete`): from the cursor to the right margin, unless the cursor is beside the margins.
    pub(super) fn insert_chars(&mut self, count: u16, delete: bool) {
        self.screen.cursor.wrap_pending = false;
        let Cursor { row, column, .. } = self.screen.cursor;
        if self.margins.has_column(column) {
            self.work(1, self.columns());
            let erased = self.erased();
            let moved = usize::from(column)..self.margins.columns().end;
            if let Some(row) = self.screen.row_mut(row) {
                row.shift(moved, usize::from(count), delete, erased);
            }
        }
    }

    /// DECIC, or DECDC (`delete`): as ICH and DCH, on all rows of the region; and SL and SR, which are that at its left
    /// margin. The cursor stays, and must be in the region.
    pub(super) fn shift_columns(&mut self, column: u16, count: u16, delete: bool) {
        self.screen.cursor.wrap_pending = false;
        if !self.margins.contains(self.screen.cursor) {
            return;
        }
        self.work(self.margins.rows().len(), self.columns());
        let erased = self.erased();
        let moved = usize::from(column)..self.margins.columns().end;
        for row in &mut self.screen.rows[self.margins.rows()] {
            Rc::make_mut(row).shift(moved.clone(), usize::from(count), delete, erased);
        }
    }

    /// IL, or DL (`delete`): only in the region; the cursor goes to the left margin.
    pub(super) fn insert_lines(&mut self, count: u16, delete: bool) {
        if !self.margins.contains(self.screen.cursor) {
            return;
        }
        let below = Margins { top: self.screen.cursor.row, ..self.margins };
        // What the row above went on in is no longer there.
        if let Some(above) = self.screen.cursor.row.checked_sub(1)
            && self.screen.row(above).is_some_and(Row::is_wrapped)
            && let Some(above) = self.screen.row_mut(above)
        {
            above.end_line();
        }
        if delete {
            self.scroll_up(below, count);
        } else {
            self.scroll_down(below, count);
        }
        self.screen.cursor.column = self.margins.left;
        self.screen.cursor.wrap_pending = false;
    }

    /// Moves what is in `region` up by `count` rows.
    pub(super) fn scroll_up(&mut self, region: Margins, count: u16) {
        self.work_scrolling(region, count);
        let (erased, columns) = (self.erased(), region.columns());
        let rows = &mut self.screen.rows[region.rows()];
        let count = usize::from(count).min(rows.len());
        let kept = rows.len() - count;
        if columns.len() == usize::from(self.screen.size.columns) {
            clear_rows(&mut rows[..count], erased);
            if count == 1 {
                // Every line feed does this: the rows between move once.
                let row = self.screen.rows.remove(region.rows().start);
                self.screen.rows.insert(region.rows().end - 1, row);
            } else {
                rows.rotate_left(count);
            }
            return;
        }
        for row in 0..rows.len() {
            if row < kept {
                let source = Rc::clone(&rows[row + count]);
                Rc::make_mut(&mut rows[row]).copy(columns.start, &source, columns.clone());
            } else {
                Rc::make_mut(&mut rows[row]).erase(columns.start, columns.end, erased);
            }
        }
    }

    /// Moves what is in `region` down by `count` rows.
    pub(super) fn scroll_down(&mut self, region: Margins, count: u16) {
        self.work_scrolling(region, count);
        let (erased, columns) = (self.erased(), region.columns());
        let rows = &mut self.screen.rows[region.rows()];
        let count = usize::from(count).min(rows.len());
        if columns.len() == usize::from(self.screen.size.columns) {
            rows.rotate_right(count);
            clear_rows(&mut rows[..count], erased);
            return;
        }
        for row in (0..rows.len()).rev() {
            if row >= count {
                let source = Rc::clone(&rows[row - count]);
                Rc::make_mut(&mut rows[row]).copy(columns.start, &source, columns.clone());
            } else {
                Rc::make_mut(&mut rows[row]).erase(columns.start, columns.end, erased);
            }
        }
    }

    /// DECALN: fills the screen; all of it is the region again.
    pub(super) fn alignment(&mut self) {
        self.work(self.screen.rows.len(), self.columns());
        self.reset_margins();
        self.origin = false;
        self.move_to(0, 0);
        let mut row = Row::blank(self.columns(), crate::Attributes::default());
        row.fill(0..self.columns(), &Cell::new('E', 1, &Pen::default()));
        self.screen.rows.fill(Rc::new(row));
    }
}

/// Blanks rows, in place where nobody shares them.
fn clear_rows(rows: &mut [Rc<Row>], erased: crate::Attributes) {
    let mut blank: Option<Rc<Row>> = None;
    for row in rows {
        if let Some(own) = Rc::get_mut(row) {
            own.clear(erased);
        } else {
            let columns = row.columns();
            *row = Rc::clone(blank.get_or_insert_with(|| Rc::new(Row::blank(columns, erased))));
        }
    }
}
