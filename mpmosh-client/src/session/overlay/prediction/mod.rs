//! Guesses at what typing will do, drawn before the server has said so. Contract: a guess is shown only where guesses
//! of its kind have lately come true; it is taken back as soon as the server's screen says otherwise; where the
//! program does not echo (a password), nothing is drawn.
//!
//! Guesses belong to *epochs*. Whatever may change what keys do (return, an escape sequence, a control key, the cursor
//! gone where no key sent it) begins a new epoch, whose guesses stay hidden (*tentative*) until one of them is confirmed.
//! Keys under way when that happens are guessed anew from where the cursor turns out to be (`flight`).
//!
//! Source: Winstein and Balakrishnan, "Mosh: An Interactive Remote Shell for Mobile Clients" (USENIX ATC 2012), §3.2.

mod flight;
mod guess;
mod judge;
mod keys;
mod make;
#[cfg(test)]
mod tests;

use flight::Flight;
use guess::{CellGuess, CursorGuess};
use keys::{Key, KeyReader};
use net::Instant;
use std::collections::BTreeMap;
use std::time::Duration;
use terminal::{Cell, Screen, Size, Underline};

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

/// What a typed character is taken to do to what is right of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// It moves.
    Inserts,
    /// It has lately not moved: it was a suggestion, or the program overwrites. This is given up when it moves again.
    LeavesRest,
    /// It never moves; the user says so.
    Overwrites,
}

/// How far what was typed has come, in the numbers of input states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The newest that the server is known to have.
    pub delivered: u64,
    /// The newest whose effects the server's screen shows. A server that knows that nothing is drawn before it is echoed
    /// says so late.
    pub echoed: u64,
}

/// Guesses at what typing will do.
#[derive(Debug)]
pub struct Prediction {
    display: Display,
    effect: Effect,
    keys: KeyReader,
    /// When something was typed last.
    typed: Instant,
    flight: Flight,
    cells: BTreeMap<(u16, u16), CellGuess>,
    /// Where the cursor will be, one for each epoch, the newest last.
    cursors: Vec<CursorGuess>,
    epoch: u64,
    confirmed_epoch: u64,
    /// The first input state that will have the effect of what is typed now.
    frame: u64,
    size: Option<Size>,
    /// Where the cursor was when the last guess of it came true.
    settled: Option<(u16, u16)>,
    /// The guesses were taken back: those of the keys under way are to be made anew.
    astray: bool,
    srtt: Duration,
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
            effect: if overwrite { Effect::Overwrites } else { Effect::Inserts },
            keys: KeyReader::default(),
            typed: Instant::ZERO,
            flight: Flight::default(),
            cells: BTreeMap::new(),
            cursors: Vec::new(),
            epoch: 1,
            confirmed_epoch: 0,
            frame: 0,
            size: None,
            settled: None,
            astray: false,
            srtt: Duration::ZERO,
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
        self.frame = sent_state + 1;
        self.keys.pause(now.since(self.typed));
        self.typed = now;
        if bytes.len() > PASTE {
            // They may end in the middle of a key, or be a paste that is bracketed, or its end.
            for &byte in bytes {
                self.keys.feed(byte);
            }
            self.take_paste(screen, now);
            return;
        }
        for &byte in bytes {
            if self.display == Display::Experimental {
                self.epoch = self.confirmed_epoch;
            }
            match self.keys.feed(byte) {
                Some(Key::Paste) => self.take_paste(screen, now),
                Some(key) => self.fly(key, screen, now),
                None => {}
            }
        }
    }

    /// Nobody guesses what a paste does, nor where what is typed after it will be.
    fn take_paste(&mut self, screen: &Screen, now: Instant) {
        self.reset();
        self.flight.clear();
        self.fly(Key::Paste, screen, now);
    }

    /// Guesses what a key does.
    fn act(&mut self, key: Key, screen: &Screen, now: Instant) {
        match key {
            Key::Print(character) => self.print(character, screen, now),
            Key::Backspace => self.backspace(screen, now),
            Key::Left => self.move_cursor(false, screen),
            Key::Right => self.move_cursor(true, screen),
            Key::Return => {
                self.become_tentative();
                self.new_line(screen, now);
            }
            Key::Paste | Key::Other => self.become_tentative(),
        }
    }

    /// The server's screen may have changed, or time has passed.
    pub fn new_frame(&mut self, screen: &Screen, progress: Progress, now: Instant, srtt: Duration) {
        if self.display == Display::Never {
            return;
        }
        self.check_size(screen);
        self.set_triggers(srtt);
        let unknown = self.flight.land(progress.echoed);
        self.judge_cells(screen, progress, now);
        self.judge_cursors(screen, progress.echoed);
        if self.astray || self.is_astray(unknown, screen, now) {
            self.replay(screen, now);
        }
    }

    /// Takes every guess back: whatever is on the screen, it is not what they were made for.
    pub fn reset(&mut self) {
        self.cells.clear();
        self.cursors.clear();
        self.settled = None;
        self.astray = true;
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
        self.cells.values().filter(|guess| !guess.is_delivered).map(|guess| guess.at + patience).min()
    }

    /// Whether guesses are drawn.
    #[must_use]
    pub fn is_shown(&self) -> bool {
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
        self.srtt = srtt;
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

/// Underlines, unless it is underlined already.
fn underlined(mut cell: Cell) -> Cell {
    let mut attributes = cell.attributes();
    if attributes.underline == Underline::None {
        attributes.underline = Underline::Single;
    }
    cell.set_attributes(attributes);
    cell
}
