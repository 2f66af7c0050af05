//! One guess, and whether it came true.

use super::underlined;
use net::Instant;
use std::time::Duration;
use terminal::{Attributes, Cell, Screen};

/// A guess that waits for longer than this makes the others visible.
pub(super) const SLOW: Duration = Duration::from_millis(250);
/// And one that waits for longer than this makes them underlined.
pub(super) const VERY_SLOW: Duration = Duration::from_secs(5);
/// At most this often does a quick confirmation count towards hiding them again.
pub(super) const REPAIR_INTERVAL: Duration = Duration::from_millis(150);

/// What became of a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The server has not shown the effect of the key yet.
    Pending,
    /// It came true. Without `credit` it would have, whatever the key did.
    Right { credit: bool },
    /// It did not.
    Wrong,
}

/// What a cell will be.
#[derive(Clone, Debug, Default)]
pub(super) struct CellGuess {
    /// `None`: not what it is now, but nobody knows what.
    pub(super) replacement: Option<Cell>,
    /// What the cell was, or was guessed to become, before.
    earlier: Vec<Cell>,
    /// What the cell was when something was first guessed of it.
    original: Option<Cell>,
    pub(super) epoch: u64,
    /// The server shows its effect when it has acknowledged the echo of this input state.
    pub(super) frame: u64,
    pub(super) at: Instant,
    /// Nothing was typed here: it was pushed along.
    pub(super) moved: bool,
    /// The server is known to have what was typed.
    pub(super) is_delivered: bool,
    /// Not drawn, only compared: what is pushed along here has lately stayed where it was.
    pub(super) quiet: bool,
}

impl CellGuess {
    /// Makes it a new guess; `actual` is what the cell is now.
    pub(super) fn renew(&mut self, actual: Option<&Cell>, replacement: Option<Cell>) {
        if self.original.is_none() {
            self.original = actual.cloned();
        }
        match core::mem::replace(&mut self.replacement, replacement) {
            Some(before) => self.earlier.push(before),
            None => self.earlier.clear(),
        }
        self.earlier.extend(actual.cloned());
    }

    pub(super) fn verdict(&self, actual: Option<&Cell>, echo_ack: u64) -> Verdict {
        let Some(actual) = actual else { return Verdict::Wrong };
        if echo_ack < self.frame {
            return Verdict::Pending;
        }
        match &self.replacement {
            None => Verdict::Right { credit: false },
            Some(replacement) if is_blank(replacement) => Verdict::Right { credit: false },
            Some(replacement) if !same_text(actual, replacement) => Verdict::Wrong,
            Some(_) => Verdict::Right { credit: self.is_news() },
        }
    }

    /// Whether what was typed here, and was not here before, is what `actual` shows, acknowledged or not.
    pub(super) fn is_echoed(&self, actual: Option<&Cell>) -> bool {
        let visible = self.replacement.as_ref().is_some_and(|replacement| !is_blank(replacement));
        !self.moved && visible && self.is_news() && self.is_shown_by(actual)
    }

    fn is_news(&self) -> bool {
        let was = |earlier: &Cell| self.replacement.as_ref().is_some_and(|now| same_text(earlier, now));
        !self.earlier.iter().any(was)
    }

    /// Whether `actual` is what was guessed.
    pub(super) fn is_shown_by(&self, actual: Option<&Cell>) -> bool {
        match (&self.replacement, actual) {
            (Some(replacement), Some(actual)) => same_text(actual, replacement),
            (None, _) => true,
            (_, None) => false,
        }
    }

    /// Whether `actual` is what the cell was before.
    pub(super) fn is_untouched(&self, actual: Option<&Cell>) -> bool {
        matches!((&self.original, actual), (Some(before), Some(now)) if same_text(before, now))
    }

    /// Whether another text was guessed than stood here.
    pub(super) fn would_change(&self) -> bool {
        matches!((&self.original, &self.replacement), (Some(before), Some(guess)) if !same_text(before, guess))
    }

    pub(super) fn take_look(&mut self, look: Attributes) {
        if let Some(cell) = self.replacement.as_mut().filter(|_| !self.moved) {
            cell.set_attributes(look);
        }
    }

    /// Draws it; with `flagged`, underlined.
    pub(super) fn apply(&self, screen: &mut Screen, row: u16, column: u16, flagged: bool) {
        let Some(actual) = screen.cell(row, column).filter(|_| !self.quiet) else { return };
        match &self.replacement {
            Some(replacement) if replacement == actual => {}
            // Half of a wide character is not to be cut off by a guess that there will be nothing.
            Some(replacement) if is_blank(replacement) && is_blank(actual) => {}
            Some(replacement) => {
                let cell = replacement.clone();
                screen.set_cell(row, column, if flagged { underlined(cell) } else { cell });
            }
            // A mark where there is nothing would be an underscore.
            None if flagged
                && actual.width() == 1
                && !is_blank(actual)
                && column + 1 < screen.size().columns =>
            {
                let cell = underlined(actual.clone());
                screen.set_cell(row, column, cell);
            }
            None => {}
        }
    }
}

/// Where the cursor will be.
#[derive(Clone, Debug)]
pub(super) struct CursorGuess {
    pub(super) row: u16,
    pub(super) column: u16,
    pub(super) epoch: u64,
    pub(super) frame: u64,
}

impl CursorGuess {
    pub(super) fn verdict(&self, screen: &Screen, echo_ack: u64) -> Verdict {
        let actual = screen.cursor();
        if echo_ack < self.frame {
            Verdict::Pending
        } else if (actual.row, actual.column) == (self.row, self.column) {
            Verdict::Right { credit: true }
        } else {
            Verdict::Wrong
        }
    }
}

/// Whether nothing is to be seen in it but a background.
fn is_blank(cell: &Cell) -> bool {
    cell.is_blank() || (cell.first_char() == '\u{a0}' && cell.marks().is_empty())
}

fn same_text(one: &Cell, other: &Cell) -> bool {
    let texts = |cell: &Cell| (cell.first_char(), cell.width());
    (is_blank(one) && is_blank(other)) || (texts(one) == texts(other) && one.marks() == other.marks())
}
