//! Keys on their way to the program.
//!
//! The client keeps its terminal in application mode, where a cursor key is `ESC O A`. A program that has not set
//! DECCKM expects `ESC [ A`; the translation is made next to the program, where the mode is known at once. No octet
//! waits for the one after it: what has been typed is at the program, whatever follows.

use alloc::vec::Vec;
use core::time::Duration;

const BEGIN: &[u8] = b"\x1b[200~";
const END: &[u8] = b"\x1b[201~";

/// Follows what is typed, and knows what of it stands between the brackets of a paste (mode 2004): text, whatever it
/// looks like.
#[derive(Clone, Debug, Default)]
pub struct Paste {
    /// How many octets of the bracket that is expected next have been seen.
    matched: usize,
    inside: bool,
}

impl Paste {
    /// A paste comes in one go: one that has brought nothing for so long has lost its end.
    pub const SILENCE: Duration = Duration::from_secs(1);

    /// Takes the next octet. Whether it is pasted text.
    pub fn feed(&mut self, octet: u8) -> bool {
        let bracket = if self.inside { END } else { BEGIN };
        let follows = bracket.get(self.matched) == Some(&octet);
        self.matched = if follows { self.matched + 1 } else { usize::from(octet == 0x1b) };
        if self.matched == bracket.len() {
            *self = Self { matched: 0, inside: !self.inside };
            return false;
        }
        self.inside
    }

    /// Nothing was typed for so long.
    pub fn pause(&mut self, idle: Duration) {
        if idle >= Self::SILENCE {
            *self = Self::default();
        }
    }
}

/// Rewrites the keys that follow DECCKM: `ESC O A` as `ESC [ A`, over any cuts between calls but one: an `O` that ends a
/// call is gone before its key is known.
#[derive(Clone, Debug, Default)]
pub struct CursorKeys {
    /// The last octet was an escape.
    escaped: bool,
    paste: Paste,
}

impl CursorKeys {
    /// Appends `input` to `out`, rewritten unless `application` (DECCKM) is set. What is pasted stays as it is.
    pub fn translate(&mut self, input: &[u8], application: bool, out: &mut Vec<u8>) {
        let mut rest = input.iter().copied().peekable();
        while let Some(octet) = rest.next() {
            let text = self.paste.feed(octet);
            let escaped = core::mem::replace(&mut self.escaped, octet == 0x1b);
            let is_key =
                !text && escaped && octet == b'O' && rest.peek().is_some_and(|key| is_cursor_key(*key));
            out.push(if is_key && !application { b'[' } else { octet });
        }
    }

    /// Nothing was typed for so long: what comes now goes on with nothing that came before.
    pub fn pause(&mut self, idle: Duration) {
        self.paste.pause(idle);
        self.escaped &= idle < Paste::SILENCE;
    }
}

/// The keys that xterm writes by DECCKM: up, down, right, left, begin, end and home.
const fn is_cursor_key(last: u8) -> bool {
    matches!(last, b'A'..=b'F' | b'H')
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
        out
    }

    /// The forms are xterm's (ctlseqs, "PC-Style Function Keys"): DECCKM chooses for the arrows, Home, End and Begin.
    #[test]
    fn cursor_keys_follow_the_programs_mode() {
        for key in "ABCDEFH".chars() {
            let typed = alloc::format!("a\x1bO{key}b");
            let normal = alloc::format!("a\x1b[{key}b");
            assert_eq!(translated(&[typed.as_bytes()], false), normal.as_bytes());
            assert_eq!(translated(&[typed.as_bytes()], true), typed.as_bytes());
        }
    }

    #[test]
    fn a_key_cut_behind_its_escape_is_still_a_key() {
        assert_eq!(translated(&[b"\x1b", b"OB"], false), b"\x1b[B");
    }

    #[test]
    fn nothing_is_held_back_for_what_may_follow() {
        for cut in [&b"\x1b"[..], b"\x1bO", b"a\x1bO", b"\x1b[20", b"\x1b[200"] {
            assert_eq!(translated(&[cut], false), cut);
        }
        assert_eq!(translated(&[b"\x1bO", b"A"], false), b"\x1bOA");
    }

    #[test]
    fn other_keys_pass_unchanged() {
        for key in
            [&b"\x1bOP"[..], b"\x1bO", b"\x1b\x1bOQ", b"\x1b[A", b"\x1bO\x1bOZ", b"OA", b"\x1bOM", b"\x1bOu"]
        {
            assert_eq!(translated(&[key], false), key);
        }
    }

    #[test]
    fn what_is_pasted_is_text_until_the_paste_has_been_silent() {
        let pasted = b"\x1b[200~x\x1bOAy\x1b[200~\x1bOA";
        assert_eq!(translated(&[pasted], false), pasted);
        assert_eq!(
            translated(&[pasted, b"\x1b[20", b"1~\x1bOA"], false),
            [&pasted[..], b"\x1b[201~\x1b[A"].concat()
        );
        let mut keys = CursorKeys::default();
        let mut out = Vec::new();
        keys.translate(b"\x1b[200~x", false, &mut out);
        keys.pause(Duration::from_millis(999));
        keys.translate(b"\x1bOA", false, &mut out);
        keys.pause(Duration::from_secs(1));
        keys.translate(b"\x1bOA", false, &mut out);
        assert_eq!(out, b"\x1b[200~x\x1bOA\x1b[A");
    }
}
