//! Guesses at what typing will do, drawn before the server has said so. Contract: a guess is shown only where guesses
//! of its kind have lately come true; it is taken back as soon as the server's screen says otherwise; where the
//! program does not echo (a password), nothing is drawn.
//!
//! Guesses belong to *epochs*. Whatever may change what keys do (return, an escape sequence, a control key) begins a
//! new epoch, whose guesses stay hidden (*tentative*) until one of them is confirmed.
//!
//! Source: Winstein and Balakrishnan, "Mosh: An Interactive Remote Shell for Mobile Clients" (USENIX ATC 2012), §3.2.

mod guess;
mod keys;
#[cfg(test)]
mod tests;

use guess::{CellGuess, CursorGuess, Verdict};
use keys::{Key, Keys};
use net::Instant;
use std::collections::BTreeMap;
use std::time::Duration;
use terminal::{Cell, Pen, Screen, Size, Underline};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// More bytes than this at once are a paste, of which nothing is guessed.
const PASTE: usize = 100;
/// As many good guesses in a row hide the guesses again after a glitch.
const REPAIR_COUNT: u32 = 10;

/// When guesses are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Display {
    /// When the round trip is long enough to be felt, or something takes long.
    #[default]
    Adaptive,
    /// Always.
    Always,
    /// Never.
    Never,
    /// Always, and without waiting for a guess to come true.
    Experimental,
}

/// Guesses at what typing will do.
#[derive(Debug)]
pub struct Prediction {
    display: Display,
    overwrite: bool,
    keys: Keys,
    cells: BTreeMap<(u16, u16), CellGuess>,
    /// Where the cursor will be, one for each epoch, the newest last.
    cursors: Vec<CursorGuess>,
    epoch: u64,
    confirmed_epoch: u64,
    /// The first input state that will have the effect of what is typed now.
    frame: u64,
    size: Option<Size>,
    /// The round trip is long enough for guesses to be drawn …
    slow: bool,
    /// … and long enough for them to be underlined.
    flagged: bool,
    /// Guesses are drawn while this is not zero: something took long. Underlined above [`REPAIR_COUNT`].
    glitch: u32,
    repaired_at: Instant,
}

impl Prediction {
    /// Nothing guessed yet. `overwrite`: keys replace what they are typed over instead of moving it.
    #[must_use]
    pub fn new(display: Display, overwrite: bool) -> Self {
        Self {
            display,
            overwrite,
            keys: Keys::default(),
            cells: BTreeMap::new(),
            cursors: Vec::new(),
            epoch: 1,
            confirmed_epoch: 0,
            frame: 0,
            size: None,
            slow: false,
            flagged: false,
            glitch: 0,
            repaired_at: Instant::ZERO,
        }
    }

    /// The user typed `bytes` while the server's screen was `screen` and the newest input state that had been sent
    /// was number `sent_state`.
    pub fn new_user_bytes(
        &mut self,
        bytes: &[u8],
        screen: &Screen,
        sent_state: u64,
        now: Instant,
        srtt: Duration,
    ) {
        if self.display == Display::Never {
            return;
        }
        self.set_triggers(srtt);
        self.check_size(screen);
        if bytes.len() > PASTE {
            self.reset();
            return;
        }
        self.frame = sent_state + 1;
        for &byte in bytes {
            if self.display == Display::Experimental {
                self.epoch = self.confirmed_epoch;
            }
            match self.keys.feed(byte) {
                Some(Key::Print(character)) => self.print(character, screen, now),
                Some(Key::Backspace) => self.backspace(screen, now),
                Some(Key::Left) => self.move_cursor(-1, screen),
                Some(Key::Right) => self.move_cursor(1, screen),
                Some(Key::Return) => {
                    self.become_tentative();
                    self.new_line(screen, now);
                }
                Some(Key::Other) => self.become_tentative(),
                None => {}
            }
        }
    }

    /// The server's screen may have changed, or time has passed: `echo_ack` is the newest input state whose effects
    /// it shows.
    pub fn new_frame(&mut self, screen: &Screen, echo_ack: u64, now: Instant, srtt: Duration) {
        if self.display == Display::Never {
            return;
        }
        self.check_size(screen);
        self.set_triggers(srtt);
        self.judge_cells(screen, echo_ack, now);
        self.judge_cursors(screen, echo_ack);
    }

    /// Takes every guess back: whatever is on the screen, it is not what they were made for.
    pub fn reset(&mut self) {
        self.cells.clear();
        self.cursors.clear();
        self.become_tentative();
    }

    /// Draws the guesses that are to be shown on a copy of the server's screen.
    pub fn apply(&self, screen: &mut Screen) {
        if !self.is_shown() {
            return;
        }
        for (&(row, column), guess) in self.cells.iter().filter(|(_, guess)| !self.is_tentative(guess.epoch))
        {
            guess.apply(screen, row, column, self.flagged || self.glitch > REPAIR_COUNT);
        }
        if let Some(cursor) = self.cursors.iter().rev().find(|cursor| !self.is_tentative(cursor.epoch)) {
            screen.set_cursor(cursor.row, cursor.column);
        }
    }

    /// When [`Prediction::new_frame`] has something to do if nothing happens before: a guess that waits too long
    /// makes the others visible.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let patience = match self.glitch {
            _ if self.display != Display::Adaptive => return None,
            0..REPAIR_COUNT => guess::SLOW,
            _ if self.glitch < 2 * REPAIR_COUNT => guess::VERY_SLOW,
            _ => return None,
        };
        self.cells.values().map(|guess| guess.at + patience).min()
    }

    fn is_shown(&self) -> bool {
        match self.display {
            Display::Never => false,
            Display::Always | Display::Experimental => true,
            Display::Adaptive => self.slow || self.glitch > 0,
        }
    }

    fn is_tentative(&self, epoch: u64) -> bool {
        epoch > self.confirmed_epoch
    }

    fn become_tentative(&mut self) {
        if self.display != Display::Experimental {
            self.epoch += 1;
        }
    }

    fn check_size(&mut self, screen: &Screen) {
        if self.size.replace(screen.size()).is_some_and(|before| before != screen.size()) {
            self.reset();
        }
    }

    /// Half the round trip is the time between two frames; the limits are in terms of it.
    fn set_triggers(&mut self, srtt: Duration) {
        let interval = (srtt / 2).clamp(MS(20), MS(250));
        if interval > MS(30) {
            self.slow = true;
        } else if interval <= MS(20) && self.cells.is_empty() && self.cursors.is_empty() {
            self.slow = false;
        }
        if interval > MS(80) {
            self.flagged = true;
        } else if interval <= MS(50) {
            self.flagged = false;
        }
    }
}

// Making guesses.
impl Prediction {
    /// The guess where the cursor is, of the present epoch.
    fn cursor(&mut self, screen: &Screen) -> (u16, u16) {
        let (row, column) = match self.cursors.last() {
            Some(cursor) => (cursor.row, cursor.column),
            None => (screen.cursor().row, screen.cursor().column),
        };
        self.set_cursor(row, column);
        (row, column)
    }

    fn set_cursor(&mut self, row: u16, column: u16) {
        let guess = CursorGuess { row, column, epoch: self.epoch, frame: self.frame };
        match self.cursors.last_mut() {
            Some(last) if last.epoch == guess.epoch => *last = guess,
            _ => self.cursors.push(guess),
        }
    }

    /// Guesses that a cell will be `replacement`; `None`: something, but not what.
    fn set_cell(&mut self, at: (u16, u16), replacement: Option<Cell>, screen: &Screen, now: Instant) {
        let (epoch, frame) = (self.epoch, self.frame);
        let guess = self.cells.entry(at).or_default();
        guess.renew(screen.cell(at.0, at.1), replacement);
        (guess.epoch, guess.frame, guess.at) = (epoch, frame, now);
    }

    /// What a cell will be, as far as known; `None` when it is known to be unknown, or half of a wide character.
    fn expected(&self, row: u16, column: u16, screen: &Screen) -> Option<Cell> {
        match self.cells.get(&(row, column)) {
            Some(guess) => guess.replacement.clone(),
            None => screen.cell(row, column).cloned(),
        }
        .filter(|cell| cell.width() == 1)
    }

    /// The first column from `column` on where there is a wide character; no guess is to tear it.
    fn first_wide(row: u16, column: u16, screen: &Screen) -> u16 {
        let columns = screen.size().columns;
        let is_wide = |&at: &u16| screen.cell(row, at).is_some_and(|cell| cell.width() != 1);
        (column..columns).find(is_wide).unwrap_or(columns)
    }

    fn print(&mut self, character: char, screen: &Screen, now: Instant) {
        let columns = screen.size().columns;
        let (row, column) = self.cursor(screen);
        let pen = match column.checked_sub(1).map(|left| self.expected(row, left, screen)) {
            Some(Some(left)) => left.pen(),
            _ => screen.pen().clone(),
        };
        let cell = Cell::of_char(character, &pen).filter(|cell| cell.width() == 1);
        let wide = Self::first_wide(row, column, screen);
        let Some(cell) = cell.filter(|_| column < columns && column < wide) else {
            self.become_tentative();
            return;
        };
        if column + 1 >= columns {
            // Nobody knows which of the two ways to wrap the program has.
            self.become_tentative();
        }
        if !self.overwrite {
            for right in (column + 1..columns).rev() {
                let known = right < wide && right + 1 < columns;
                let moved = self.expected(row, right - 1, screen).filter(|_| known);
                self.set_cell((row, right), moved, screen, now);
            }
        }
        self.set_cell((row, column), Some(cell), screen, now);
        if column + 1 < columns {
            self.set_cursor(row, column + 1);
        } else {
            self.become_tentative();
            self.new_line(screen, now);
        }
    }

    fn backspace(&mut self, screen: &Screen, now: Instant) {
        let columns = screen.size().columns;
        let (row, column) = self.cursor(screen);
        let Some(left) = column.checked_sub(1) else { return };
        let wide = Self::first_wide(row, left, screen);
        if wide <= left {
            self.become_tentative();
            return;
        }
        self.set_cursor(row, left);
        if self.overwrite {
            let blank = self.expected(row, left, screen).map(|cell| Cell::blank(cell.attributes()));
            self.set_cell((row, left), blank, screen, now);
            return;
        }
        for at in left..columns {
            // What comes in from the right margin is not known.
            let known = at + 1 < wide && at + 2 < columns;
            let moved = self.expected(row, at + 1, screen).filter(|_| known);
            self.set_cell((row, at), moved, screen, now);
        }
    }

    fn move_cursor(&mut self, by: i16, screen: &Screen) {
        let (row, column) = self.cursor(screen);
        let moved = column.checked_add_signed(by).filter(|&column| column < screen.size().columns);
        self.set_cursor(row, moved.unwrap_or(column));
    }

    fn new_line(&mut self, screen: &Screen, now: Instant) {
        let (row, _) = self.cursor(screen);
        let Size { columns, rows } = screen.size();
        if row + 1 < rows {
            self.set_cursor(row + 1, 0);
            return;
        }
        // The screen scrolls, and the last row is new.
        self.set_cursor(row, 0);
        for column in 0..columns {
            self.set_cell((row, column), Some(Cell::blank(Pen::default().attributes)), screen, now);
        }
    }
}

// Judging them.
impl Prediction {
    fn judge_cells(&mut self, screen: &Screen, echo_ack: u64, now: Instant) {
        for at in self.cells.keys().copied().collect::<Vec<_>>() {
            // A guess may be gone by now, because of another's fault.
            let Some(guess) = self.cells.get(&at) else { continue };
            let actual = screen.cell(at.0, at.1);
            match guess.verdict(actual, echo_ack) {
                Verdict::Pending => self.note_delay(now.since(guess.at)),
                Verdict::Right { credit } => {
                    if let Some(actual) = actual.filter(|_| credit) {
                        let (epoch, took, look) = (guess.epoch, now.since(guess.at), actual.attributes());
                        self.confirm(epoch, took, now);
                        // What else was typed there will look like this too.
                        for (_, guess) in self.cells.range_mut(at..=(at.0, u16::MAX)) {
                            guess.take_look(look);
                        }
                    }
                    self.cells.remove(&at);
                }
                Verdict::Wrong if self.display == Display::Experimental => {
                    self.cells.remove(&at);
                }
                Verdict::Wrong if self.is_tentative(guess.epoch) => self.kill_epoch(guess.epoch, screen),
                Verdict::Wrong => {
                    self.reset();
                    return;
                }
            }
        }
    }

    fn judge_cursors(&mut self, screen: &Screen, echo_ack: u64) {
        let newest = self.cursors.last();
        if let Some(cursor) = newest.filter(|cursor| cursor.verdict(screen, echo_ack) == Verdict::Wrong) {
            if self.display == Display::Experimental {
                self.cursors.clear();
            } else if self.is_tentative(cursor.epoch) {
                self.kill_epoch(cursor.epoch, screen);
            } else {
                self.reset();
            }
            return;
        }
        self.cursors.retain(|cursor| cursor.verdict(screen, echo_ack) == Verdict::Pending);
    }

    /// A guess came true: those of its epoch may be shown, and a glitch is forgotten bit by bit.
    fn confirm(&mut self, epoch: u64, took: Duration, now: Instant) {
        self.confirmed_epoch = self.confirmed_epoch.max(epoch);
        if took < guess::SLOW && self.glitch > 0 && now.since(self.repaired_at) >= guess::REPAIR_INTERVAL {
            self.glitch -= 1;
            self.repaired_at = now;
        }
    }

    /// A guess has been waiting for `time`.
    fn note_delay(&mut self, time: Duration) {
        if time >= guess::VERY_SLOW {
            self.glitch = 2 * REPAIR_COUNT;
        } else if time >= guess::SLOW {
            self.glitch = self.glitch.max(REPAIR_COUNT);
        }
    }

    /// A guess that was not shown was wrong: takes back those of its epoch and later, and starts anew from where the
    /// cursor really is.
    fn kill_epoch(&mut self, epoch: u64, screen: &Screen) {
        self.cells.retain(|_, guess| guess.epoch < epoch);
        self.cursors.retain(|guess| guess.epoch < epoch);
        self.become_tentative();
        self.set_cursor(screen.cursor().row, screen.cursor().column);
    }
}

/// Underlines, unless it is underlined already.
fn underlined(mut cell: Cell) -> Cell {
    let mut attributes = cell.attributes();
    if attributes.underline == Underline::None {
        attributes.underline = Underline::Single;
    }
    cell.set_attributes(attributes);
    cell
}
