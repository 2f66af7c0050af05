//! Holding guesses against what the server shows.

use super::guess::{self, CellGuess, Verdict};
use super::{Display, Effect, Prediction, Progress, REPAIR_COUNT};
use net::Instant;
use std::time::Duration;
use terminal::Screen;

impl Prediction {
    pub(super) fn judge_cells(&mut self, screen: &Screen, progress: Progress, now: Instant) {
        for guess in self.cells.values_mut() {
            guess.is_delivered = guess.frame <= progress.delivered;
        }
        for at in self.cells.keys().copied().collect::<Vec<_>>() {
            // A guess may be gone by now, because of another's fault.
            let Some(guess) = self.cells.get(&at) else { continue };
            let actual = screen.cell(at.0, at.1);
            match guess.verdict(actual, progress.echoed) {
                Verdict::Pending => {
                    let (epoch, at_once) = (guess.epoch, guess.is_echoed(actual));
                    let early = at_once && self.is_tentative(epoch) && self.is_echo(at, guess, screen, now);
                    let took = now.since(guess.at);
                    // What the server has and does not acknowledge is not kept back by the network.
                    if !guess.is_delivered {
                        self.note_delay(took);
                    }
                    if early {
                        self.confirm(epoch, took, now);
                        self.notice_replacing(at, screen);
                    }
                }
                // What was only pushed along by a typed character says nothing about that one.
                verdict if guess.moved => {
                    if verdict != (Verdict::Right { credit: false }) {
                        let wrong = verdict == Verdict::Wrong;
                        self.effect = if wrong { Effect::LeavesRest } else { Effect::Inserts };
                    }
                    self.cells.remove(&at);
                }
                Verdict::Right { credit } => {
                    let credit =
                        credit && (!self.is_tentative(guess.epoch) || self.is_echo(at, guess, screen, now));
                    if let Some(actual) = actual.filter(|_| credit) {
                        let (epoch, took, look) = (guess.epoch, now.since(guess.at), actual.attributes());
                        self.confirm(epoch, took, now);
                        self.notice_replacing(at, screen);
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

    /// Whether what came true at `at` is the echo of what was typed and not a coincidence, such as a prompt for a
    /// password that begins with the password's first letter: the cursor stands behind it on the same row, where one of
    /// the keys leaves it, and all that was typed before the cursor is there.
    fn is_echo(&self, at: (u16, u16), guess: &CellGuess, screen: &Screen, now: Instant) -> bool {
        let (row, column) = at;
        let cursor = screen.cursor();
        let last = screen.size().columns - 1;
        // Behind the last column is the last column.
        let end = if cursor.column == last { u16::MAX } else { cursor.column };
        let typed = self.cells.range((row, 0)..(row, end)).filter(|(_, other)| !other.moved);
        let mut of_epoch = typed.filter(|(_, other)| other.epoch == guess.epoch);
        cursor.row == row
            && self.is_on_path(screen, now)
            && (column < cursor.column || column == last)
            && of_epoch.all(|(&(row, column), other)| other.is_shown_by(screen.cell(row, column)))
    }

    /// What was typed at `at` has been echoed: where nothing right of the cursor has moved for it, the keys under way will
    /// not move it either (vim's `R`), whatever was guessed.
    fn notice_replacing(&mut self, (row, column): (u16, u16), screen: &Screen) {
        let cursor = screen.cursor();
        if self.effect != Effect::Inserts || cursor.row != row || cursor.column <= column {
            return;
        }
        let mut rest = self.cells.range((row, cursor.column)..=(row, u16::MAX));
        let stays = |((row, column), guess): (&(u16, u16), &CellGuess)| {
            guess.is_untouched(screen.cell(*row, *column))
        };
        let would_show = rest.clone().any(|(_, guess)| guess.moved && guess.would_change());
        if would_show && rest.all(stays) {
            self.effect = Effect::LeavesRest;
            for (_, guess) in self.cells.range_mut((row, cursor.column)..=(row, u16::MAX)) {
                guess.quiet |= guess.moved;
            }
        }
    }

    pub(super) fn judge_cursors(&mut self, screen: &Screen, echo_ack: u64) {
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
        let actual = (screen.cursor().row, screen.cursor().column);
        if newest.is_some_and(|cursor| cursor.verdict(screen, echo_ack) != Verdict::Pending) {
            self.settled = Some(actual);
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

    /// A guess that was not shown was wrong: takes back those of its epoch and later.
    fn kill_epoch(&mut self, epoch: u64, screen: &Screen) {
        self.cells.retain(|_, guess| guess.epoch < epoch);
        self.cursors.retain(|guess| guess.epoch < epoch);
        self.settled = Some((screen.cursor().row, screen.cursor().column));
        self.astray = true;
        self.become_tentative();
    }
}
