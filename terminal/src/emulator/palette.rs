//! The colours a program is told when it asks (OSC 4, 10, 11, 12): xterm's, until the program sets its own.

use alloc::collections::BTreeMap;

/// Red, green, blue.
pub(super) type Rgb = [u8; 3];

/// Which colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Entry {
    Indexed(u8),
    /// OSC 10, 11, 12: foreground, background, cursor.
    Special(u8),
}

/// What the program has set; the rest is xterm's. At most 259 entries.
#[derive(Debug, Default)]
pub(super) struct Palette {
    set: BTreeMap<Entry, Rgb>,
}

impl Palette {
    pub(super) fn get(&self, entry: Entry) -> Rgb {
        self.set.get(&entry).copied().unwrap_or_else(|| default(entry))
    }

    pub(super) fn set(&mut self, entry: Entry, rgb: Rgb) {
        self.set.insert(entry, rgb);
    }

    pub(super) fn reset(&mut self, entry: Entry) {
        self.set.remove(&entry);
    }

    pub(super) fn reset_indexed(&mut self) {
        self.set.retain(|entry, _| !matches!(entry, Entry::Indexed(_)));
    }
}

const fn default(entry: Entry) -> Rgb {
    match entry {
        Entry::Special(11) => [0, 0, 0],
        Entry::Special(_) => [229, 229, 229],
        Entry::Indexed(index) => crate::vocabulary::indexed_rgb(index),
    }
}

/// `rgb:r/g/b` with one to four digits each, or `#rgb`, `#rrggbb` (XParseColor's common forms).
pub(super) fn parse(text: &[u8]) -> Option<Rgb> {
    let text = core::str::from_utf8(text).ok()?;
    if let Some(digits) = text.strip_prefix('#') {
        let each = digits.len() / 3;
        if !digits.is_ascii() || !matches!(digits.len(), 3 | 6 | 9 | 12) {
            return None;
        }
        let part = |n: usize| channel(&digits[n * each..(n + 1) * each]);
        return Some([part(0)?, part(1)?, part(2)?]);
    }
    let mut parts = text.strip_prefix("rgb:")?.split('/').map(channel);
    let rgb = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(rgb)
}

fn channel(digits: &str) -> Option<u8> {
    if !(1..=4).contains(&digits.len()) || digits.starts_with('+') {
        return None;
    }
    let value = u32::from_str_radix(digits, 16).ok()?;
    let full = (1 << (4 * digits.len())) - 1;
    Some((value * 255 / full) as u8)
}
