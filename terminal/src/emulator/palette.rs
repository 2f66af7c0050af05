//! The colours a program is told when it asks (OSC 4, 10, 11, 12): its own, as far as it has set them, and else those of
//! the user's terminal, as far as these are known. What is not known is not answered: a program that is told a wrong
//! background chooses colours that cannot be read on the right one.

use super::machine::Machine;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;

/// Red, green, blue.
pub type Rgb = [u8; 3];

/// A colour that programs ask for by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColorName {
    /// One of the 256 (OSC 4).
    Indexed(u8),
    /// Of text (OSC 10).
    Foreground,
    /// Of what is behind it (OSC 11).
    Background,
    /// Of the cursor (OSC 12).
    Cursor,
}

impl ColorName {
    /// The colour that an operating system command of this number is about.
    #[must_use]
    pub const fn of_command(number: u8) -> Option<Self> {
        match number {
            10 => Some(Self::Foreground),
            11 => Some(Self::Background),
            12 => Some(Self::Cursor),
            _ => None,
        }
    }
}

/// At most 259 entries: what programs have set is part of the screen.
#[derive(Debug, Default)]
pub(super) struct Palette {
    /// What the user's terminal has.
    users: BTreeMap<ColorName, Rgb>,
}

impl Palette {
    /// The colour, where the program has not set its own.
    pub(super) fn get(&self, name: ColorName) -> Option<Rgb> {
        let known = self.users.get(&name).copied();
        known.or_else(|| match name {
            // The cube and the greys are the same in every terminal that has any.
            ColorName::Indexed(index @ 16..) if !self.users.is_empty() => {
                Some(crate::vocabulary::indexed_rgb(index))
            }
            _ => None,
        })
    }

    pub(super) fn set_users(&mut self, name: ColorName, rgb: Rgb) {
        self.users.insert(name, rgb);
    }

    pub(super) fn forget_users(&mut self) {
        self.users.clear();
    }
}

impl Machine {
    /// The colour that a program is told.
    pub(super) fn color(&self, name: ColorName) -> Option<Rgb> {
        self.screen.colors.get(&name).copied().or_else(|| self.palette.get(name))
    }

    pub(super) fn set_color(&mut self, name: ColorName, rgb: Rgb) {
        Arc::make_mut(&mut self.screen.colors).insert(name, rgb);
    }

    pub(super) fn reset_color(&mut self, name: ColorName) {
        if self.screen.colors.contains_key(&name) {
            Arc::make_mut(&mut self.screen.colors).remove(&name);
        }
    }

    pub(super) fn reset_indexed_colors(&mut self) {
        Arc::make_mut(&mut self.screen.colors).retain(|name, _| !matches!(name, ColorName::Indexed(_)));
    }
}

/// `rgb:r/g/b` with one to four digits each, `rgba:` with one more, or `#rgb`, `#rrggbb` (XParseColor's common forms, and
/// how terminals answer).
#[must_use]
pub fn parse_color(text: &[u8]) -> Option<Rgb> {
    let text = core::str::from_utf8(text).ok()?;
    if let Some(digits) = text.strip_prefix('#') {
        let each = digits.len() / 3;
        if !digits.is_ascii() || !matches!(digits.len(), 3 | 6 | 9 | 12) {
            return None;
        }
        let part = |n: usize| channel(&digits[n * each..(n + 1) * each]);
        return Some([part(0)?, part(1)?, part(2)?]);
    }
    let (parts, count) = match text.strip_prefix("rgb:") {
        Some(parts) => (parts, 3),
        None => (text.strip_prefix("rgba:")?, 4),
    };
    if parts.split('/').count() != count {
        return None;
    }
    let mut parts = parts.split('/').map(channel);
    Some([parts.next()??, parts.next()??, parts.next()??])
}

fn channel(digits: &str) -> Option<u8> {
    if !(1..=4).contains(&digits.len()) || digits.starts_with('+') {
        return None;
    }
    let value = u32::from_str_radix(digits, 16).ok()?;
    let full = (1 << (4 * digits.len())) - 1;
    Some((value * 255 / full) as u8)
}
