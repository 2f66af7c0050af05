//! Cursor keys on their way to the program.
//!
//! The client keeps its terminal in application mode, where a cursor key is `ESC O A`. A program that has not set
//! DECCKM expects `ESC [ A`; the translation is made next to the program, where the mode is known at once.

use alloc::vec::Vec;

/// Rewrites `ESC O A`–`ESC O D` as `ESC [ A`–`ESC [ D`, over any cuts between calls.
#[derive(Clone, Debug, Default)]
pub struct CursorKeys {
    seen: Seen,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Seen {
    #[default]
    Nothing,
    Escape,
    EscapeO,
}

impl CursorKeys {
    /// Appends `input` to `out`, rewritten unless `application` (DECCKM) is set. An `O` after an escape is held
    /// back until what follows is known; [`CursorKeys::flush`] gives it up.
    pub fn translate(&mut self, input: &[u8], application: bool, out: &mut Vec<u8>) {
        for &byte in input {
            match (self.seen, byte) {
                (Seen::EscapeO, b'A'..=b'D') => {
                    out.extend([if application { b'O' } else { b'[' }, byte]);
                    self.seen = Seen::Nothing;
                }
                (Seen::Escape, b'O') => self.seen = Seen::EscapeO,
                (before, _) => {
                    if before == Seen::EscapeO {
                        out.push(b'O');
                    }
                    out.push(byte);
                    self.seen = if byte == 0x1b { Seen::Escape } else { Seen::Nothing };
                }
            }
        }
    }

    /// Gives up what was held back: a user may have typed `ESC` `O` by hand. For the end of each batch of input
    /// that is known to be whole.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        if self.seen == Seen::EscapeO {
            out.push(b'O');
            self.seen = Seen::Nothing;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(parts: &[&[u8]], application: bool) -> Vec<u8> {
        let mut keys = CursorKeys::default();
        let mut out = Vec::new();
        for part in parts {
            keys.translate(part, application, &mut out);
        }
        keys.flush(&mut out);
        out
    }

    #[test]
    fn cursor_keys_follow_the_programs_mode() {
        assert_eq!(translated(&[b"a\x1bOAb\x1bOD"], false), b"a\x1b[Ab\x1b[D");
        assert_eq!(translated(&[b"a\x1bOAb\x1bOD"], true), b"a\x1bOAb\x1bOD");
    }

    #[test]
    fn a_key_cut_anywhere_is_still_a_key() {
        assert_eq!(translated(&[b"\x1b", b"O", b"B"], false), b"\x1b[B");
    }

    #[test]
    fn other_keys_pass_unchanged() {
        for key in [&b"\x1bOP"[..], b"\x1bO", b"\x1b\x1bOQ", b"\x1b[A", b"\x1bO\x1bOZ", b"OA"] {
            assert_eq!(translated(&[key], false), key);
        }
    }
}
