//! The emulator: what a program writes, turned into a [`Screen`].
//!
//! Plain text is read here, in runs; from an escape to the end of its sequence the bytes go through [`parser`].
//! `Machine` carries out what either finds.

mod charset;
mod dispatch;
mod machine;
mod osc;
mod palette;
mod parser;
mod report;
mod sgr;
mod utf8;

#[cfg(test)]
mod tests;

use crate::modes::Mode;
use crate::screen::{Screen, Size};
use alloc::vec::Vec;
use machine::Machine;
use parser::Parser;
pub use report::MAX_REPLIES;
use utf8::{Decoded, Partial};

/// A terminal that a program writes to.
pub struct Emulator {
    machine: Machine,
    parser: Parser,
    /// The beginning of a character whose end has not arrived.
    partial: Partial,
}

impl core::fmt::Debug for Emulator {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Emulator").field("screen", &self.machine.screen).finish_non_exhaustive()
    }
}

impl Emulator {
    /// A terminal just switched on. The size is clamped ([`Size::clamped`]).
    #[must_use]
    pub fn new(size: Size) -> Self {
        Self::from_screen(Screen::new(size))
    }

    /// A terminal that shows `screen`, everything that is not part of a screen at its default.
    #[must_use]
    pub fn from_screen(screen: Screen) -> Self {
        Self { machine: Machine::new(screen), parser: Parser::default(), partial: Partial::default() }
    }

    /// Reads what the program wrote. Sequences and characters may be cut anywhere between calls.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = if self.parser.is_ground() {
                self.text(rest)
            } else {
                &rest[self.parser.advance(rest, &mut self.machine)..]
            };
        }
    }

    /// What the terminal shows.
    #[must_use]
    pub const fn screen(&self) -> &Screen {
        &self.machine.screen
    }

    /// What the terminal shows, to be changed.
    pub const fn screen_mut(&mut self) -> &mut Screen {
        &mut self.machine.screen
    }

    /// What the terminal showed last.
    #[must_use]
    pub fn into_screen(self) -> Screen {
        self.machine.screen
    }

    /// Cuts or extends both buffers to `size` (clamped); margins and tab stops go back to their defaults.
    pub fn resize(&mut self, size: Size) {
        self.machine.resize(size);
    }

    /// The answers the program has asked for since the last call (DA, DSR, DECRQM, …), at most [`MAX_REPLIES`]
    /// octets: for its standard input.
    pub fn take_replies(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.machine.replies)
    }

    /// The frame that the program is in the midst of drawing (mode 2026), by its number, and the finished screen
    /// before it. Whoever shows the screen to somebody may show that one until the frame's end, though never for long.
    #[must_use]
    pub fn unfinished(&self) -> Option<(u64, &Screen)> {
        self.machine.finished.as_ref().map(|finished| (self.machine.frames, finished))
    }

    /// Whether the program is in the alternate buffer.
    #[must_use]
    pub const fn is_alternate(&self) -> bool {
        self.machine.alternate
    }

    /// Whether DECCKM is set: what [`crate::CursorKeys`] wants to know.
    #[must_use]
    pub const fn application_cursor(&self) -> bool {
        self.machine.screen.modes.get(Mode::ApplicationCursor)
    }

    /// Whether to answer the kitty keyboard protocol's query. Off at first: a program must not be told that the
    /// protocol is there unless the user's own terminal speaks it. Its flags are kept in the modes either way.
    pub const fn answer_keyboard_query(&mut self, answer: bool) {
        self.machine.answers_keyboard = answer;
    }

    /// Reads text and controls up to an escape, and returns what is left.
    fn text<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let mut rest = bytes;
        while self.partial.is_open() {
            let Some((&byte, tail)) = rest.split_first() else { return rest };
            match self.partial.push(byte) {
                Decoded::Incomplete => rest = tail,
                Decoded::Char(c) => {
                    rest = tail;
                    if self.char(c) {
                        return rest;
                    }
                }
                Decoded::Invalid { .. } => self.machine.print(char::REPLACEMENT_CHARACTER),
            }
        }
        while let Some(&byte) = rest.first() {
            match byte {
                0x20..=0x7e => {
                    let run = rest.iter().position(|b| !matches!(b, 0x20..=0x7e)).unwrap_or(rest.len());
                    self.machine.print_ascii(&rest[..run]);
                    rest = &rest[run..];
                }
                0x1b => {
                    self.parser.escape();
                    return &rest[1..];
                }
                0x00..=0x1f => {
                    self.machine.control(byte);
                    rest = &rest[1..];
                }
                0x7f => rest = &rest[1..],
                0x80.. => {
                    let head = &rest[..rest.len().min(4)];
                    let valid = match core::str::from_utf8(head) {
                        Ok(text) => text,
                        Err(error) if error.valid_up_to() > 0 => {
                            core::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
                        }
                        Err(error) => {
                            let Some(length) = error.error_len() else {
                                self.partial.start(head);
                                return &[];
                            };
                            self.machine.print(char::REPLACEMENT_CHARACTER);
                            rest = &rest[length..];
                            continue;
                        }
                    };
                    let Some(c) = valid.chars().next() else { return &[] };
                    rest = &rest[c.len_utf8()..];
                    if self.char(c) {
                        return rest;
                    }
                }
            }
        }
        rest
    }

    /// Prints a character, or carries out a C1 control (U+0080–U+009F) in its seven-bit form. `true` when that
    /// began a sequence.
    fn char(&mut self, c: char) -> bool {
        if !matches!(c, '\u{80}'..='\u{9f}') {
            self.machine.print(c);
            return false;
        }
        self.parser.c1(c, &mut self.machine);
        !self.parser.is_ground()
    }
}
