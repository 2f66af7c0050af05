//! The keys under way: typed, and the server has not yet shown what they do. Contract: each remembers where it is taken
//! to leave the cursor; where the cursor turns out to be elsewhere and nothing that is drawn depends on it, all of them
//! are guessed anew from there, in a new epoch. So a typist who does not pause at Return has the guesses where the prompt
//! is, and the first key that is echoed there proves those after it.

use super::keys::Key;
use super::{Display, Prediction};
use net::Instant;
use std::collections::VecDeque;
use std::time::Duration;
use terminal::{Cell, Cursor, Screen, Size};

/// With more keys than this under way nothing is guessed until they have arrived.
const LIMIT: usize = 1024;

/// Where a cursor is: row and column.
type Place = (u16, u16);

/// A key under way.
#[derive(Clone, Debug)]
struct Flying {
    key: Key,
    /// The server shows its effect when it has acknowledged the echo of this input state.
    frame: u64,
    at: Instant,
    epoch: u64,
    /// Where the cursor is afterwards.
    cursor: Place,
}

/// The keys under way, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Flight {
    keys: VecDeque<Flying>,
    /// Where the cursor was before them.
    origin: Place,
}

impl Flight {
    /// Takes out the keys whose effect is shown; whether there were any.
    pub(super) fn land(&mut self, echo_ack: u64) -> bool {
        let mut landed = false;
        while self.keys.front().is_some_and(|key| key.frame <= echo_ack) {
            self.origin = self.keys.pop_front().map_or(self.origin, |key| key.cursor);
            landed = true;
        }
        landed
    }

    /// Forgets them.
    pub(super) fn clear(&mut self) {
        self.keys.clear();
    }

    /// The keys that may have had their effect already, though the server has not acknowledged it: those that were
    /// typed a round trip ago, at its shortest.
    fn answered(&self, now: Instant, srtt: Duration) -> usize {
        self.keys.iter().take_while(|key| now.since(key.at) >= srtt * 3 / 4).count()
    }

    /// Whether the cursor is where it was before the keys, or where one of them leaves it that may have been answered.
    pub(super) fn is_on_path(&self, screen: &Screen, now: Instant, srtt: Duration) -> bool {
        let (cursor, size) = (screen.cursor(), screen.size());
        let cursors = self.keys.range(..self.answered(now, srtt)).map(|key| key.cursor);
        core::iter::once(self.origin).chain(cursors).any(|place| is_at(&cursor, place, size))
    }

    /// How many keys, from the oldest on, have had their effect already, though the server has not acknowledged it: of
    /// those that may have, all up to the last one of unknown effect, and after it as many as stand before the cursor.
    fn effective(&self, screen: &Screen, now: Instant, srtt: Duration) -> usize {
        let answered = self.answered(now, srtt);
        let is_known = |key: &Flying| matches!(key.key, Key::Print(_));
        let unknown = self.keys.range(..answered).rposition(|key| !is_known(key)).map_or(0, |last| last + 1);
        let typed: Vec<char> =
            self.keys.range(unknown..answered).filter_map(|key| key.key.character()).collect();
        let shown = before_cursor(screen);
        let echoed = (0..=typed.len()).rev().find(|&count| shown.ends_with(&typed[..count]));
        unknown + echoed.unwrap_or(0)
    }
}

impl Prediction {
    /// A key, as it is typed.
    pub(super) fn fly(&mut self, key: Key, screen: &Screen, now: Instant) {
        if self.flight.keys.is_empty() {
            self.flight.origin = place(screen);
        }
        if self.flight.keys.len() >= LIMIT {
            self.reset();
            self.flight.clear();
        }
        self.act(key, screen, now);
        let cursor = self.cursors.last().map_or(place(screen), |cursor| (cursor.row, cursor.column));
        self.flight.keys.push_back(Flying { key, frame: self.frame, at: now, epoch: self.epoch, cursor });
    }

    /// Whether the keys under way were guessed from where the cursor never was, and nothing of it is drawn.
    pub(super) fn is_astray(&self, landed: bool, screen: &Screen, now: Instant) -> bool {
        let hidden = match self.display {
            Display::Experimental => landed,
            _ => self.flight.keys.front().is_some_and(|key| self.is_tentative(key.epoch)),
        };
        hidden && !self.flight.keys.is_empty() && !self.flight.is_on_path(screen, now, self.srtt)
    }

    /// Guesses the keys under way anew, from where the cursor is.
    pub(super) fn replay(&mut self, screen: &Screen, now: Instant) {
        self.astray = false;
        self.cells.clear();
        self.cursors.clear();
        if self.flight.keys.is_empty() {
            return;
        }
        self.become_tentative();
        let (actual, effective) = (place(screen), self.flight.effective(screen, now, self.srtt));
        (self.settled, self.flight.origin) = (Some(actual), actual);
        let newest = self.frame;
        let mut keys = core::mem::take(&mut self.flight.keys);
        for (number, key) in keys.iter_mut().enumerate() {
            if number >= effective {
                self.frame = key.frame;
                self.act(key.key, screen, key.at);
            }
            key.epoch = self.epoch;
            key.cursor = self.cursors.last().map_or(actual, |cursor| (cursor.row, cursor.column));
        }
        self.flight.keys = keys;
        self.frame = newest;
    }
}

fn place(screen: &Screen) -> Place {
    (screen.cursor().row, screen.cursor().column)
}

/// Behind the last column is the last column still, or the beginning of the next row.
fn is_at(cursor: &Cursor, (row, column): Place, size: Size) -> bool {
    let wraps = column == 0 && cursor.column + 1 == size.columns;
    let above = cursor.row + 1 == row || (cursor.row == row && row + 1 == size.rows);
    (cursor.row, cursor.column) == (row, column) || (wraps && above)
}

/// What stands left of the cursor, in its row.
fn before_cursor(screen: &Screen) -> Vec<char> {
    let (row, column) = place(screen);
    let cells = (0..column).filter_map(|column| screen.cell(row, column));
    cells.filter(|cell| cell.width() > 0).map(Cell::first_char).collect()
}
