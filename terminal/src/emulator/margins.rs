//! The scrolling region: rows by DECSTBM, columns by DECSLRM (DEC STD 070).

use crate::screen::{Cursor, Size};

/// First and last row, first and last column; from 0. Never empty, never outside the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Margins {
    pub(super) top: u16,
    pub(super) bottom: u16,
    pub(super) left: u16,
    pub(super) right: u16,
}

impl Margins {
    /// The whole screen.
    pub(super) const fn whole(size: Size) -> Self {
        Self { top: 0, bottom: size.rows - 1, left: 0, right: size.columns - 1 }
    }

    pub(super) const fn has_row(&self, row: u16) -> bool {
        self.top <= row && row <= self.bottom
    }

    pub(super) const fn has_column(&self, column: u16) -> bool {
        self.left <= column && column <= self.right
    }

    pub(super) const fn contains(&self, cursor: Cursor) -> bool {
        self.has_row(cursor.row) && self.has_column(cursor.column)
    }

    /// The columns, to the one after the last.
    pub(super) fn columns(&self) -> core::ops::Range<usize> {
        usize::from(self.left)..usize::from(self.right) + 1
    }

    /// The rows, to the one after the last.
    pub(super) fn rows(&self) -> core::ops::Range<usize> {
        usize::from(self.top)..usize::from(self.bottom) + 1
    }
}
