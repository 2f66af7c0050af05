//! The keys under way: typed, and the server has not yet shown what they do. Contract: each remembers where it is taken
//! to leave the cursor; where the cursor turns out to be elsewhere, all of them are guessed anew from there, in a new
//! epoch. So a typist who does not pause at Return has the guesses where the prompt is, and the first key that is echoed
//! there proves those after it; and where a program writes in between, nothing stays drawn in the wrong place.

use super::keys::Key;
use super::{Display, Prediction};
use net::Instant;
use std::collections::VecDeque;
use std::time::Duration;
use terminal::{Cell, Mode, Screen};

/// With more keys than this under way nothing is guessed until they have arrived.
const LIMIT: usize = 1024;

/// Where a cursor is: row and column.
type CursorPlace = (u16, u16);

/// A key under way.
#[derive(Clone, Debug)]
struct Flying {
    key: Key,
    /// The server shows its effect when it has acknowledged the echo of this input state.
    frame: u64,
    at: Instant,
    epoch: u64,
    /// Where the cursor is afterwards.
    cursor: CursorPlace,
}

/// The keys under way, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Flight {
    keys: VecDeque<Flying>,
    /// Where the cursor was before them.
    origin: CursorPlace,
}

impl Flight {
    /// Takes out the keys whose effect is shown; whether that may be more than a guess could say.
    pub(super) fn land(&mut self, echo_ack: u64) -> bool {
        let mut unknown = false;
        while let Some(key) = self.keys.front().filter(|key| key.frame <= echo_ack) {
            self.origin = key.cursor;
            unknown |= matches!(key.key, Key::Return | Key::Paste | Key::Other);
            self.keys.pop_front();
        }
        unknown
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

    /// Whether the cursor is where it was before the keys, or where one of the first `count` leaves it.
    fn is_on_path(&self, count: usize, screen: &Screen) -> bool {
        let left = cells_before_cursor(screen).last();
        let holds = |cell: &Cell, typed| cell.first_char() == typed || cell.marks().contains(typed);
        // A character stands left of the cursor; only at a row's beginning it cannot be seen.
        let is_seen = |key: Key| match (key, left) {
            (Key::Print(typed), Some(left)) => holds(left, typed),
            _ => true,
        };
        let leads_here =
            |key: &Flying| (key.cursor == place(screen) && is_seen(key.key)) || wraps(key.cursor, screen);
        let origin = self.origin == place(screen) || wraps(self.origin, screen);
        origin || self.keys.range(..count).any(leads_here)
    }

    /// How many keys, from the oldest on, have had their effect already, though the server has not acknowledged it: of
    /// those that may have, all up to the last one of unknown effect, and after it as many as stand before the cursor.
    fn effective(&self, screen: &Screen, now: Instant, srtt: Duration) -> usize {
        let answered = self.answered(now, srtt);
        let is_known = |key: &Flying| matches!(key.key, Key::Print(_));
        let unknown = self.keys.range(..answered).rposition(|key| !is_known(key)).map_or(0, |last| last + 1);
        let after = self.keys.range(unknown..answered);
        let typed: Vec<char> = after.filter_map(|key| key.key.character()).collect();
        let shown: Vec<char> = cells_before_cursor(screen).map(Cell::first_char).collect();
        let echoed = (0..=typed.len()).rev().find(|&count| shown.ends_with(&typed[..count]));
        unknown + echoed.unwrap_or(0)
    }
}

impl Prediction {
    /// A key, as it is typed.
    pub(super) fn fly(&mut self, key: Key, screen: &Screen, now: Instant) {
        if self.flight.keys.len() >= LIMIT {
            self.reset();
            self.flight.clear();
        }
        if self.flight.keys.is_empty() {
            self.flight.origin = place(screen);
        }
        self.act(key, screen, now);
        let cursor = self.cursors.last().map_or(place(screen), |cursor| (cursor.row, cursor.column));
        self.flight.keys.push_back(Flying { key, frame: self.frame, at: now, epoch: self.epoch, cursor });
    }

    /// Whether the cursor is where it can be if the guesses are right.
    pub(super) fn is_on_path(&self, screen: &Screen, now: Instant) -> bool {
        let hidden = self.flight.keys.front().is_some_and(|key| self.is_tentative(key.epoch));
        // What is not drawn may be held to what is likely; what is drawn is not taken back because a path became shorter.
        let count = if hidden { self.flight.answered(now, self.srtt) } else { self.flight.keys.len() };
        self.flight.is_on_path(count, screen)
    }

    /// Whether the keys under way are to be guessed anew: a key landed of which nobody knew what it would do
    /// (`unknown`), or the cursor is where it cannot be. A program that draws hides it or has it elsewhere meanwhile:
    /// while it is hidden, nothing that is drawn is taken back for it.
    pub(super) fn is_astray(&self, unknown: bool, screen: &Screen, now: Instant) -> bool {
        let Some(oldest) = self.flight.keys.front() else { return false };
        let hidden = self.is_tentative(oldest.epoch);
        let judged = hidden || screen.modes().get(Mode::CursorVisible);
        let unproven = hidden || self.display == Display::Experimental;
        (unknown && unproven) || (judged && !self.is_on_path(screen, now))
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

fn place(screen: &Screen) -> CursorPlace {
    (screen.cursor().row, screen.cursor().column)
}

/// Whether the cursor is behind the last column, which is the last column still, and `place` the beginning of the next
/// row.
fn wraps((row, column): CursorPlace, screen: &Screen) -> bool {
    let (actual, size) = (place(screen), screen.size());
    let above = actual.0 + 1 == row || (actual.0 == row && row + 1 == size.rows);
    column == 0 && actual.1 + 1 == size.columns && above
}

/// What stands left of the cursor, in its row.
fn cells_before_cursor(screen: &Screen) -> impl Iterator<Item = &Cell> {
    let (row, column) = place(screen);
    let cells = (0..column).filter_map(move |column| screen.cell(row, column));
    cells.filter(|cell| cell.width() > 0)
}
