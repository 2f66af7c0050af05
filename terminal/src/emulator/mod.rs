//! The emulator: what a program writes, turned into a [`Screen`].
//!
//! Plain text is read here, in runs; from an escape to the end of its sequence the bytes go through [`parser`].
//! `Machine` carries out what either finds.

mod buffers;
mod charset;
mod dispatch;
mod edit;
mod machine;
mod margins;
mod motion;
mod osc;
mod palette;
mod parser;
mod rectangle;
mod reflow;
mod report;
mod sgr;
mod utf8;
mod work;

#[cfg(test)]
mod tests;

use crate::modes::Mode;
use crate::screen::{Screen, Size};
use alloc::vec::Vec;
use machine::Machine;
pub use palette::{ColorName, Rgb, parse_color};
use parser::Parser;
pub use report::MAX_REPLIES;
use utf8::{Decoded, Partial};

/// A terminal that a program writes to.
pub struct Emulator {
    machine: Machine,
    parser: Parser,
    /// The beginning of a character whose end has not arrived.
    partial: Partial,
    /// Its screens say whether the program is on the main buffer.
    tells_buffer: bool,
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
        Self {
            machine: Machine::new(screen),
            parser: Parser::default(),
            partial: Partial::default(),
            tells_buffer: false,
        }
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
        self.note_buffer();
    }

    /// From now on screens say, by [`Mode::MainScreen`], whether the program is on the main buffer.
    pub fn tell_buffer(&mut self) {
        self.tells_buffer = true;
        self.note_buffer();
    }

    fn note_buffer(&mut self) {
        if self.tells_buffer {
            self.machine.screen.modes.set(Mode::MainScreen, !self.machine.alternate);
        }
    }

    /// What the terminal shows.
    #[must_use]
    pub const fn screen(&self) -> &Screen {
        &self.machine.screen
    }

    /// What the terminal showed last.
    #[must_use]
    pub fn into_screen(self) -> Screen {
        self.machine.screen
    }

    /// Cuts or extends both buffers to `size` (clamped); margins and tab stops go back to their defaults. This is what a
    /// terminal does that only follows diffs: the diff that comes next is written for it.
    pub fn resize(&mut self, size: Size) {
        self.machine.resize(size);
    }

    /// Wraps the main buffer's lines anew for `size` (clamped), the cursor on the character that it was on, and cuts or
    /// extends the alternate one, which its program draws anew; margins and tab stops go back to their defaults. Rows for
    /// which there is no room are lost, unless they are [kept](Self::keep_history).
    pub fn reflow(&mut self, size: Size) {
        self.machine.reflow(size);
    }

    /// From now on rows that leave the main buffer at its top, and those for which a [`reflow`](Self::reflow) finds no
    /// room, are kept, 10,000 of them or 8 MiB: a later one brings them back.
    pub fn keep_history(&mut self) {
        self.machine.overflow.get_or_insert_default();
    }

    /// The answers the program has asked for since the last call (DA, DSR, DECRQM, …), at most [`MAX_REPLIES`]
    /// octets: for its standard input.
    pub fn take_replies(&mut self) -> Vec<u8> {
        let ready = self.machine.unanswered.first().map_or(self.machine.replies.len(), |first| first.at);
        for question in &mut self.machine.unanswered {
            question.at -= ready;
        }
        self.machine.replies.drain(..ready).collect()
    }

    /// Whether colours that are not known yet are waited for: a program that asks for one is answered when it is known, and
    /// so is, to keep the order, what it asked afterwards. When the waiting ends, questions for what is still unknown are
    /// dropped.
    pub fn await_colors(&mut self, awaits: bool) {
        self.machine.awaits_colors = awaits;
        if !awaits {
            self.machine.unanswered.clear();
        }
    }

    /// Whether a program waits for a colour.
    #[must_use]
    pub fn owes_colors(&self) -> bool {
        !self.machine.unanswered.is_empty()
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

    /// Whether to answer the kitty keyboard protocol's query. Off at first: a program must not be told that the
    /// protocol is there unless the user's own terminal speaks it. Its flags are kept in the modes either way.
    pub const fn answer_keyboard_query(&mut self, answer: bool) {
        self.machine.answers_keyboard = answer;
    }

    /// The user's terminal has these colours, which programs are told when they ask. Until then they are told none but
    /// what they have set themselves.
    pub fn set_user_colors(&mut self, colors: impl IntoIterator<Item = (ColorName, Rgb)>) {
        for (name, rgb) in colors {
            self.machine.palette.set_users(name, rgb);
        }
        self.machine.answer_colors();
    }

    /// Another user's terminal, of which no colours are known.
    pub fn forget_user_colors(&mut self) {
        self.machine.palette.forget_users();
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
                    let run = printable(rest);
                    self.machine.print_ascii(&rest[..run]);
                    rest = &rest[run..];
                }
                0x1b => {
                    rest = &rest[1..];
                    let Some(read) = self.parser.whole(rest, &mut self.machine) else {
                        self.parser.escape();
                        return rest;
                    };
                    rest = &rest[read..];
                }
                0x00..=0x1f => {
                    self.machine.control(byte);
                    rest = &rest[1..];
                }
                0x7f => rest = &rest[1..],
                0x80.. => {
                    let end = rest.iter().position(u8::is_ascii).unwrap_or(rest.len());
                    let (run, later) = rest.split_at(end);
                    match self.beyond_ascii(run, later.is_empty()) {
                        None => rest = later,
                        Some(left) => return &rest[end - left..],
                    }
                }
            }
        }
        rest
    }

    /// Reads octets beyond ASCII. How many are left when one of them began a sequence.
    fn beyond_ascii(&mut self, run: &[u8], is_end: bool) -> Option<usize> {
        let mut rest = run;
        loop {
            let (valid, error) = match core::str::from_utf8(rest) {
                Ok(text) => (text, None),
                Err(error) => {
                    (core::str::from_utf8(&rest[..error.valid_up_to()]).unwrap_or_default(), Some(error))
                }
            };
            let mut text = valid;
            while let Some(control) = c1(text) {
                self.machine.print_text(&text[..control]);
                let mut tail = text[control..].chars();
                let began = tail.next().is_some_and(|c| self.char(c));
                text = tail.as_str();
                if began {
                    return Some(text.len() + rest.len() - valid.len());
                }
            }
            self.machine.print_text(text);
            rest = &rest[valid.len()..];
            let error = error?;
            if error.error_len().is_none() && is_end {
                self.partial.start(rest);
                return None;
            }
            self.machine.print(char::REPLACEMENT_CHARACTER);
            rest = &rest[error.error_len().unwrap_or(rest.len())..];
        }
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

/// Where the first C1 control of a text is.
fn c1(text: &str) -> Option<usize> {
    // All of them begin with this octet, which in most text is nowhere.
    text.as_bytes().contains(&0xc2).then(|| text.find(|c| matches!(c, '\u{80}'..='\u{9f}'))).flatten()
}

/// How many printable ASCII characters there are at the beginning; eight at a time.
fn printable(bytes: &[u8]) -> usize {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let low = word & !HIGH;
        // An octet's highest bit: set by what is at least SP, and by DEL alone.
        let others = (word | !(low + 0x6060_6060_6060_6060) | (low + 0x0101_0101_0101_0101)) & HIGH;
        if others != 0 {
            return number * 8 + others.trailing_zeros() as usize / 8;
        }
    }
    let printed = rest.iter().take_while(|byte| matches!(byte, 0x20..=0x7e)).count();
    words.len() * 8 + printed
}
