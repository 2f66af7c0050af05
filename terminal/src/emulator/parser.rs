//! From an escape to the end of its sequence: DEC's state machine (as vt100.net's "A parser for DEC's ANSI-compatible
//! video terminals" draws it) over UTF-8, so that a continuation octet is never taken for a C1 control.
//!
//! Contract: every sequence, known or not, is swallowed whole; CAN, SUB and an escape end one that is unfinished;
//! what is kept of one is bounded.

use super::machine::Machine;
use super::utf8::{Decoded, Partial};
use alloc::vec::Vec;

/// The most octets of one control string (OSC, DCS) that are kept; a longer one has no effect.
pub(super) const CONTROL_STRING: usize = 131_072;
/// The most parameters, colons counted; a sequence with more has no effect.
const PARAMETERS: usize = 64;

/// Reads sequences.
#[derive(Default)]
pub(super) struct Parser {
    state: State,
    params: Params,
    /// A private mark (`<`, `=`, `>`, `?`) and intermediates (SP to `/`), as they came.
    marks: [u8; 2],
    mark_count: usize,
    /// There were more marks than any sequence has.
    excess: bool,
    string: Vec<u8>,
    /// The string was longer than what is kept.
    cut: bool,
    /// In a string: the octet before was C2, so that this one may make it ST.
    lead: bool,
    /// Elsewhere: a character that has no place in a sequence.
    partial: Partial,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    /// Parameters of a control sequence.
    Control,
    /// Past its first intermediate.
    Intermediate,
    /// It is malformed: up to its final.
    Malformed,
    String(Kind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// OSC.
    Command,
    /// DCS.
    Device,
    /// SOS, PM, APC: nobody's.
    Ignored,
}

impl Parser {
    /// Whether what comes next is text.
    pub(super) fn is_ground(&self) -> bool {
        self.state == State::Ground
    }

    /// An escape has arrived.
    pub(super) const fn escape(&mut self) {
        self.state = State::Escape;
        self.mark_count = 0;
        self.excess = false;
    }

    /// After an escape: a control sequence without marks, read at once where all of it is here. How many octets that
    /// were; `None` is for [`Self::advance`] to read.
    pub(super) fn whole(&mut self, bytes: &[u8], machine: &mut Machine) -> Option<usize> {
        let (b'[', parameters) = bytes.split_first()? else { return None };
        self.params.clear();
        let mut at = 0;
        loop {
            at += self.params.read(&parameters[at..]);
            let byte = *parameters.get(at)?;
            at += 1;
            match byte {
                b';' | b':' if self.params.next(byte == b':') => {}
                b'@'..=b'~' => {
                    machine.close_cluster();
                    machine.control_function(&self.params, &[], byte);
                    return Some(at + 1);
                }
                _ => return None,
            }
        }
    }

    /// A C1 control has arrived: its seven-bit form is an escape and this.
    pub(super) fn c1(&mut self, control: char, machine: &mut Machine) {
        self.escape();
        self.escaped((control as u32 as u8).wrapping_sub(0x40), machine);
    }

    /// Reads up to the end of the sequence; how many octets that were.
    pub(super) fn advance(&mut self, bytes: &[u8], machine: &mut Machine) -> usize {
        let mut at = 0;
        while at < bytes.len() && self.state != State::Ground {
            if let State::String(kind) = self.state {
                at += self.collect(kind, &bytes[at..], machine);
                continue;
            }
            if self.state == State::Control && !self.partial.is_open() {
                at += self.params.read(&bytes[at..]);
            }
            let Some(&byte) = bytes.get(at) else { return at };
            if byte >= 0x80 || self.partial.is_open() {
                match self.partial.push(byte) {
                    Decoded::Incomplete => {}
                    Decoded::Char(c @ '\u{80}'..='\u{9f}') => self.c1(c, machine),
                    Decoded::Char(_) => self.state = State::Ground,
                    Decoded::Invalid { consumed } => {
                        self.state = State::Ground;
                        at += usize::from(consumed);
                        continue;
                    }
                }
                at += 1;
                continue;
            }
            at += 1;
            match (byte, self.state) {
                (0x18 | 0x1a, _) => self.state = State::Ground,
                (0x1b, _) => self.escape(),
                (0x00..=0x1f, _) => machine.control(byte),
                (0x7f.., _) => {}
                (_, State::Escape) => self.escaped(byte, machine),
                (_, State::Malformed) => {
                    if byte >= b'@' {
                        self.state = State::Ground;
                    }
                }
                _ => self.control_sequence(byte, machine),
            }
        }
        at
    }

    fn marks(&self) -> &[u8] {
        &self.marks[..self.mark_count]
    }

    fn mark(&mut self, byte: u8) {
        match self.marks.get_mut(self.mark_count) {
            Some(place) => {
                *place = byte;
                self.mark_count += 1;
            }
            None => self.excess = true,
        }
    }

    fn escaped(&mut self, byte: u8, machine: &mut Machine) {
        if let 0x20..=0x2f = byte {
            self.mark(byte);
            return;
        }
        self.state = match (self.mark_count, byte) {
            (0, b'[') => {
                self.params.clear();
                State::Control
            }
            (0, b']') => self.open(Kind::Command),
            (0, b'P') => self.open(Kind::Device),
            (0, b'X' | b'^' | b'_') => State::String(Kind::Ignored),
            _ => {
                if !self.excess {
                    machine.escape_sequence(self.marks(), byte);
                }
                State::Ground
            }
        };
    }

    fn open(&mut self, kind: Kind) -> State {
        self.string.clear();
        self.cut = false;
        self.lead = false;
        State::String(kind)
    }

    fn control_sequence(&mut self, byte: u8, machine: &mut Machine) {
        match (byte, self.state) {
            (b':' | b';', State::Control) if self.params.next(byte == b':') => {}
            (b'<'..=b'?', State::Control) if self.params.is_untouched() && self.mark_count == 0 => {
                self.mark(byte);
            }
            (0x20..=0x2f, _) => {
                self.state = State::Intermediate;
                self.mark(byte);
            }
            (b'@'.., _) => {
                self.state = State::Ground;
                machine.close_cluster();
                if !self.excess {
                    machine.control_function(&self.params, &self.marks[..self.mark_count], byte);
                }
            }
            _ => self.state = State::Malformed,
        }
    }

    /// Reads a string up to what may end it; how many octets that were.
    fn collect(&mut self, kind: Kind, bytes: &[u8], machine: &mut Machine) -> usize {
        if core::mem::take(&mut self.lead) && bytes.first() == Some(&0x9c) {
            // ST in its eight-bit form: what was kept ends with the octet before.
            self.string.pop();
            self.finish(kind, false, machine);
            return 1;
        }
        let ends = |byte: &u8| matches!(byte, 0x07 | 0x18 | 0x1a | 0x1b | 0xc2);
        let end = bytes.iter().position(ends).unwrap_or(bytes.len());
        self.keep(kind, &bytes[..end]);
        let Some(&byte) = bytes.get(end) else { return end };
        match (byte, kind) {
            (0xc2, _) => {
                self.keep(kind, &[byte]);
                self.lead = true;
            }
            (0x07, Kind::Command) => self.finish(kind, true, machine),
            (0x07, _) => {}
            (0x1b, _) => {
                self.finish(kind, false, machine);
                self.escape();
            }
            _ => self.state = State::Ground,
        }
        end + 1
    }

    fn keep(&mut self, kind: Kind, bytes: &[u8]) {
        if kind == Kind::Ignored {
            return;
        }
        self.cut |= self.string.len() + bytes.len() > CONTROL_STRING;
        if !self.cut {
            self.string.extend_from_slice(bytes);
        }
    }

    fn finish(&mut self, kind: Kind, bell: bool, machine: &mut Machine) {
        self.state = State::Ground;
        machine.close_cluster();
        match kind {
            _ if self.cut => {}
            Kind::Command => machine.operating_system_command(&self.string, bell),
            Kind::Device => machine.device_control_string(&self.string),
            Kind::Ignored => {}
        }
        // One long string is no reason to keep so much for ever.
        if self.string.capacity() > 4096 {
            self.string = Vec::new();
        }
    }
}

/// The numbers of a control sequence, in groups: `;` begins a new one, `:` goes on in the same.
pub(super) struct Params {
    values: [u16; PARAMETERS],
    count: usize,
    /// One bit for each value that is not the first of its group.
    inner: u64,
    touched: bool,
}

const _: () = assert!(PARAMETERS <= u64::BITS as usize, "a bit each");

impl Default for Params {
    fn default() -> Self {
        Self { values: [0; PARAMETERS], count: 1, inner: 0, touched: false }
    }
}

impl Params {
    const fn clear(&mut self) {
        self.values[0] = 0;
        self.count = 1;
        self.inner = 0;
        self.touched = false;
    }

    const fn is_untouched(&self) -> bool {
        !self.touched
    }

    /// Reads digits; how many octets that were.
    fn read(&mut self, bytes: &[u8]) -> usize {
        let digits = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
        if digits > 0 {
            self.touched = true;
            let value = &mut self.values[self.count - 1];
            for digit in &bytes[..digits] {
                *value = value.saturating_mul(10).saturating_add(u16::from(digit - b'0'));
            }
        }
        digits
    }

    const fn next(&mut self, inner: bool) -> bool {
        self.touched = true;
        if self.count == PARAMETERS {
            return false;
        }
        self.values[self.count] = 0;
        self.inner |= (inner as u64) << self.count;
        self.count += 1;
        true
    }

    /// The groups. There is always one.
    pub(super) fn groups(&self) -> impl Iterator<Item = &[u16]> {
        let mut at = 0;
        core::iter::from_fn(move || {
            let start = at;
            if start == self.count {
                return None;
            }
            at += 1;
            while at < self.count && self.inner & (1 << at) != 0 {
                at += 1;
            }
            Some(&self.values[start..at])
        })
    }

    /// All the numbers of a sequence that knows no groups.
    pub(super) fn plain(&self) -> &[u16] {
        &self.values[..self.count]
    }

    /// Whether any group has more than one number.
    pub(super) const fn has_groups(&self) -> bool {
        self.inner != 0
    }

    /// The number at `index`; 0 and absent are `default`.
    pub(super) fn at(&self, index: usize, default: u16) -> u16 {
        match self.plain().get(index) {
            None | Some(0) => default,
            Some(&value) => value,
        }
    }
}
