//! What typed bytes mean, as far as guessing goes: the keys whose effect on a line is nearly always the same.

use std::time::Duration;
use terminal::Paste;

/// What a typed byte completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// A character.
    Print(char),
    /// Delete to the left.
    Backspace,
    /// The arrow to the left.
    Left,
    /// The arrow to the right.
    Right,
    /// Return.
    Return,
    /// A bracket of a paste (mode 2004). What stands between two is no key.
    Paste,
    /// Something whose effect cannot be guessed.
    Other,
}

impl Key {
    /// The character, if it is one.
    pub(super) fn character(self) -> Option<char> {
        match self {
            Self::Print(character) => Some(character),
            _ => None,
        }
    }
}

/// The numbers of the brackets around a paste.
const PASTE_BEGINS: u16 = 200;
const PASTE_ENDS: u16 = 201;

/// Reads typed bytes: UTF-8 and the beginnings of escape sequences.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyReader {
    state: Reading,
    paste: Paste,
}

#[derive(Clone, Debug, Default)]
enum Reading {
    #[default]
    Ground,
    /// Bytes of a character and how many are missing.
    Character(u32, u8),
    Escape,
    /// After `ESC [` or `ESC O`: its parameter, if there was one.
    Sequence(Option<u16>),
}

impl KeyReader {
    /// What `byte` completes, if anything.
    pub(super) fn feed(&mut self, byte: u8) -> Option<Key> {
        let pasted = self.paste.feed(byte);
        let (state, key) = match (&self.state, byte) {
            (Reading::Character(bits, missing), 0x80..=0xbf) => {
                let bits = bits << 6 | u32::from(byte & 0x3f);
                match missing {
                    1 => (Reading::Ground, Some(char::from_u32(bits).map_or(Key::Other, Key::Print))),
                    _ => (Reading::Character(bits, missing - 1), None),
                }
            }
            (_, 0x1b) => (Reading::Escape, None),
            (Reading::Escape, b'[' | b'O') => (Reading::Sequence(None), None),
            (Reading::Escape, _) => (Reading::Ground, Some(Key::Other)),
            (Reading::Sequence(number), b'0'..=b'9') => {
                let number = number.unwrap_or(0).saturating_mul(10).saturating_add(u16::from(byte - b'0'));
                (Reading::Sequence(Some(number)), None)
            }
            // Several parameters are none of the sequences that are known.
            (Reading::Sequence(_), 0x20..=0x3f) => (Reading::Sequence(Some(u16::MAX)), None),
            (Reading::Sequence(None), b'C') => (Reading::Ground, Some(Key::Right)),
            (Reading::Sequence(None), b'D') => (Reading::Ground, Some(Key::Left)),
            (Reading::Sequence(Some(PASTE_BEGINS)), b'~') => (Reading::Ground, Some(Key::Paste)),
            (Reading::Sequence(Some(PASTE_ENDS)), b'~') => (Reading::Ground, Some(Key::Paste)),
            (Reading::Sequence(_), _) => (Reading::Ground, Some(Key::Other)),
            (_, 0x7f) => (Reading::Ground, Some(Key::Backspace)),
            (_, b'\r') => (Reading::Ground, Some(Key::Return)),
            (_, 0x20..=0x7e) => (Reading::Ground, Some(Key::Print(byte.into()))),
            (_, 0xc2..=0xdf) => (Reading::Character(u32::from(byte & 0x1f), 1), None),
            (_, 0xe0..=0xef) => (Reading::Character(u32::from(byte & 0x0f), 2), None),
            (_, 0xf0..=0xf4) => (Reading::Character(u32::from(byte & 0x07), 3), None),
            _ => (Reading::Ground, Some(Key::Other)),
        };
        self.state = state;
        key.filter(|_| !pasted)
    }

    /// Nothing was typed for so long.
    pub(super) fn pause(&mut self, idle: Duration) {
        self.paste.pause(idle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut keys = KeyReader::default();
        bytes.iter().filter_map(|&byte| keys.feed(byte)).collect()
    }

    #[test]
    fn the_keys_that_can_be_guessed_are_known() {
        assert_eq!(
            keys("aé多😀\x7f\r".as_bytes()),
            [
                Key::Print('a'),
                Key::Print('é'),
                Key::Print('多'),
                Key::Print('😀'),
                Key::Backspace,
                Key::Return
            ]
        );
        assert_eq!(keys(b"\x1b[C\x1bOD\x1b[D"), [Key::Right, Key::Left, Key::Left]);
    }

    #[test]
    fn what_is_pasted_is_no_key() {
        let typed = keys(b"a\x1b[200~b\r\x03\x1b[A\x1b[201~c");
        assert_eq!(typed, [Key::Print('a'), Key::Paste, Key::Paste, Key::Print('c')]);
    }

    #[test]
    fn the_others_are_one_key_each() {
        for bytes in
            [&b"\x03"[..], b"\t", b"\x1bb", b"\x1b.", b"\x1b[1;5C", b"\x1b[A", b"\x1bOP", b"\xff", b"\x1b[3~"]
        {
            assert_eq!(keys(bytes), [Key::Other], "{bytes:02x?}");
        }
        assert_eq!(keys(b"\xe5a"), [Key::Print('a')], "a broken character is no key");
    }
}
