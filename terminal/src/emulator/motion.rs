//! Controls, and where the cursor goes.

use super::machine::Machine;
use super::margins::Margins;
use crate::screen::Cursor;

impl Machine {
    /// A C0 control.
    pub(super) fn control(&mut self, byte: u8) {
        self.close_cluster();
        match byte {
            0x07 => self.screen.bells = self.screen.bells.wrapping_add(1),
            0x08 => self.back(1),
            0x09 => self.tab(1),
            0x0a..=0x0c => {
                self.index();
                if self.newline {
                    self.carriage_return();
                }
            }
            0x0d => self.carriage_return(),
            0x0e => self.charsets.lock(1),
            0x0f => self.charsets.lock(0),
            _ => {}
        }
    }

    /// CR: to the left margin; from the left of it to the edge, but for DECOM.
    pub(super) const fn carriage_return(&mut self) {
        let left = self.margins.left;
        let cursor = &mut self.screen.cursor;
        cursor.column = if cursor.column >= left || self.origin { left } else { 0 };
        cursor.wrap_pending = false;
    }

    /// IND. At the lower margin the region moves up, unless the cursor is beside it.
    pub(super) fn index(&mut self) {
        let cursor = &mut self.screen.cursor;
        cursor.wrap_pending = false;
        if cursor.row != self.margins.bottom {
            cursor.row = (cursor.row + 1).min(self.screen.size.rows - 1);
        } else if self.margins.has_column(cursor.column) {
            self.scroll_off(1);
        }
    }

    /// RI, likewise.
    pub(super) fn reverse_index(&mut self) {
        let cursor = &mut self.screen.cursor;
        cursor.wrap_pending = false;
        if cursor.row != self.margins.top {
            cursor.row = cursor.row.saturating_sub(1);
        } else if self.margins.has_column(cursor.column) {
            self.scroll_down(self.margins, 1);
        }
    }

    /// NEL.
    pub(super) fn next_line(&mut self) {
        self.index();
        self.carriage_return();
    }

    /// DECBI, or DECFI: a step to the left or right; at that margin the region moves the other way. Outside the region
    /// the edge stops it.
    pub(super) fn index_column(&mut self, forward: bool) {
        let cursor = self.screen.cursor;
        let (margin, last) =
            if forward { (self.margins.right, self.screen.size.columns - 1) } else { (self.margins.left, 0) };
        if cursor.column == margin && self.margins.contains(cursor) {
            self.shift_columns(self.margins.left, 1, forward);
        } else if cursor.column != margin && cursor.column != last {
            self.screen.cursor.column = if forward { cursor.column + 1 } else { cursor.column - 1 };
        }
        self.screen.cursor.wrap_pending = false;
    }

    /// What places are counted from, and where they end: the margins under DECOM.
    pub(super) const fn frame(&self) -> Margins {
        if self.origin { self.margins } else { Margins::whole(self.screen.size) }
    }

    /// The cursor's place as CUP would name it, from 0.
    pub(super) const fn place(&self) -> (u16, u16) {
        let (frame, cursor) = (self.frame(), self.screen.cursor);
        (cursor.row.saturating_sub(frame.top), cursor.column.saturating_sub(frame.left))
    }

    /// CUP.
    pub(super) fn move_to(&mut self, row: u16, column: u16) {
        let frame = self.frame();
        self.screen.cursor = Cursor {
            row: frame.top.saturating_add(row).min(frame.bottom),
            column: frame.left.saturating_add(column).min(frame.right),
            wrap_pending: false,
        };
    }

    /// CUU: stops at the upper margin when it starts below it.
    pub(super) fn up(&mut self, count: u16) {
        let cursor = &mut self.screen.cursor;
        let stop = if cursor.row >= self.margins.top { self.margins.top } else { 0 };
        cursor.row = cursor.row.saturating_sub(count).max(stop);
        cursor.wrap_pending = false;
    }

    /// CUD: stops at the lower margin when it starts above it.
    pub(super) fn down(&mut self, count: u16) {
        let cursor = &mut self.screen.cursor;
        let stop =
            if cursor.row <= self.margins.bottom { self.margins.bottom } else { self.screen.size.rows - 1 };
        cursor.row = cursor.row.saturating_add(count).min(stop);
        cursor.wrap_pending = false;
    }

    /// CUF: stops at the right margin when it starts left of it.
    pub(super) fn forward(&mut self, count: u16) {
        let stop = self.limit() - 1;
        let cursor = &mut self.screen.cursor;
        cursor.column = cursor.column.saturating_add(count).min(stop);
        cursor.wrap_pending = false;
    }

    /// CUB, BS: stops at the left margin when it starts right of it.
    pub(super) fn back(&mut self, count: u16) {
        let left = self.margins.left;
        let cursor = &mut self.screen.cursor;
        let stop = if cursor.column >= left { left } else { 0 };
        cursor.column = cursor.column.saturating_sub(count).max(stop);
        cursor.wrap_pending = false;
    }

    /// HT, CHT: stops at the right margin when it starts left of it.
    pub(super) fn tab(&mut self, count: u16) {
        let last = self.limit() - 1;
        self.work(1, self.columns());
        let cursor = &mut self.screen.cursor;
        for _ in 0..count.min(self.screen.size.columns) {
            let from = usize::from(cursor.column) + 1;
            let stop = self.tabs.iter().skip(from).position(|&set| set);
            cursor.column = stop.map_or(last, |more| last.min((from + more) as u16));
        }
    }

    /// CBT: stops at the left margin under DECOM.
    pub(super) fn back_tab(&mut self, count: u16) {
        let first = self.frame().left;
        self.work(1, self.columns());
        let cursor = &mut self.screen.cursor;
        for _ in 0..count.min(self.screen.size.columns) {
            let before = &self.tabs[..usize::from(cursor.column)];
            cursor.column = before.iter().rposition(|&set| set).unwrap_or(0) as u16;
        }
        cursor.column = cursor.column.max(first);
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

    /// DECSTBM, from 0; ignored when it is no region.
    pub(super) fn set_rows(&mut self, top: u16, bottom: u16) {
        let bottom = bottom.min(self.screen.size.rows - 1);
        // A region of one row is refused by the VT510, but what is refused must not home the cursor either.
        if top < bottom {
            self.margins = Margins { top, bottom, ..self.margins };
            self.move_to(0, 0);
        }
    }

    /// DECSLRM, likewise.
    pub(super) fn set_columns(&mut self, left: u16, right: u16) {
        let right = right.min(self.screen.size.columns - 1);
        if left < right {
            self.margins = Margins { left, right, ..self.margins };
            self.move_to(0, 0);
        }
    }

    /// DECLRMM: without it the region has all columns.
    pub(super) const fn use_columns(&mut self, on: bool) {
        self.column_margins = on;
        if !on {
            let whole = Margins::whole(self.screen.size);
            (self.margins.left, self.margins.right) = (whole.left, whole.right);
        }
    }

    /// All of the screen is the region again.
    pub(super) const fn reset_margins(&mut self) {
        self.margins = Margins::whole(self.screen.size);
    }
}
