//! The four designated character sets and which of them is in use (ECMA-35; DEC special graphics).

/// A character set a program can designate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Charset {
    /// ASCII, and every set we do not have.
    #[default]
    Ascii,
    /// DEC special graphics: line drawing.
    Graphics,
    /// United Kingdom: `#` is `£`.
    British,
}

impl Charset {
    pub(super) const fn from_final(byte: u8) -> Self {
        match byte {
            b'0' => Self::Graphics,
            b'A' => Self::British,
            _ => Self::Ascii,
        }
    }

    pub(super) const fn map(self, c: char) -> char {
        match (self, c) {
            (Self::Graphics, '_'..='~') => GRAPHICS[(c as u32 - '_' as u32) as usize],
            (Self::British, '#') => '£',
            _ => c,
        }
    }
}

/// DEC special graphics, from `_` to `~`.
const GRAPHICS: [char; 32] = [
    ' ', '◆', '▒', '␉', '␌', '␍', '␊', '°', '±', '␤', '␋', '┘', '┐', '┌', '└', '┼', '⎺', '⎻', '─', '⎼', '⎽',
    '├', '┤', '┴', '┬', '│', '≤', '≥', 'π', '≠', '£', '·',
];

/// G0–G3, which is in use, and which for one character only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Charsets {
    designated: [Charset; 4],
    locked: usize,
    single: Option<usize>,
}

impl Charsets {
    pub(super) const fn designate(&mut self, slot: usize, charset: Charset) {
        self.designated[slot & 3] = charset;
    }

    /// SI, SO, LS2, LS3.
    pub(super) const fn lock(&mut self, slot: usize) {
        self.locked = slot & 3;
    }

    /// SS2, SS3.
    pub(super) const fn shift_once(&mut self, slot: usize) {
        self.single = Some(slot & 3);
    }

    /// Whether printable ASCII stands for itself.
    pub(super) fn is_ascii(&self) -> bool {
        self.single.is_none() && self.designated[self.locked] == Charset::Ascii
    }

    /// Whether the next character comes from another set than those after it.
    pub(super) const fn is_shifted(&self) -> bool {
        self.single.is_some()
    }

    pub(super) fn map(&mut self, c: char) -> char {
        let slot = self.single.take().unwrap_or(self.locked);
        self.designated[slot].map(c)
    }
}
