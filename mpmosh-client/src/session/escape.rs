//! The escape key: what the user types that is meant for the client, not for the remote program.
//!
//! A control character (`Ctrl-^` unless configured) is recognised anywhere. A printable one only straight after a
//! line's end, and typing it twice sends it once, as ssh does with `~`. In a paste it is text.

use std::time::Duration;
use terminal::Paste;

/// The kitty keyboard protocol's modifiers.
const SHIFT: u32 = 1;
const CONTROL: u32 = 4;
const CONTROL_SHIFT: u32 = SHIFT | CONTROL;
/// No form of a key is longer, in octets.
const LONGEST: usize = 32;

/// What the user asked of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// End the session.
    Quit,
    /// Leave the session, which goes on.
    Detach,
    /// Stop the client's process, as Ctrl-Z does with others.
    Suspend,
    /// Show or hide the paths.
    Paths,
    /// Show or hide the help.
    Help,
}

/// What became of one stretch of typing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// For the remote program.
    Bytes(Vec<u8>),
    /// For the client.
    Command(Command),
}

/// Follows the typing and finds the escape key in it.
#[derive(Clone, Debug)]
pub struct Escape {
    key: Option<u8>,
    /// `d` is a word to the client, and not one for the program.
    detaches: bool,
    state: Position,
    paste: Paste,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// In the middle of a line (and at the start of the session).
    Line,
    /// Straight after a carriage return or a line feed.
    LineStart,
    /// The escape key has been typed; remembers nothing else.
    Escaped,
}

impl Position {
    /// Where a byte for the remote program leads.
    const fn after(byte: u8) -> Self {
        if matches!(byte, b'\r' | b'\n') { Self::LineStart } else { Self::Line }
    }
}

impl Escape {
    /// Looks for this key; for none, when it is turned off.
    #[must_use]
    pub fn new(key: Option<u8>) -> Self {
        Self { key, detaches: false, state: Position::Line, paste: Paste::default() }
    }

    /// Nothing was typed for so long.
    pub fn pause(&mut self, idle: Duration) {
        self.paste.pause(idle);
    }

    /// The same where the session can go on without a client.
    #[must_use]
    pub fn with_detach(self, detaches: bool) -> Self {
        Self { detaches, ..self }
    }

    /// Whether the user can leave a session that goes on.
    #[must_use]
    pub const fn detaches(&self) -> bool {
        self.detaches
    }

    /// How the key is written for people: `Ctrl-^`, or the character.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        self.key.map(|key| match key {
            0..32 => format!("Ctrl-{}", char::from(key + 64)),
            127 => "Delete".into(),
            _ => char::from(key).into(),
        })
    }

    /// The key typed after the escape key that sends a literal one: `^` for `Ctrl-^`.
    #[must_use]
    pub fn pass_key(&self) -> Option<char> {
        self.key.map(|key| char::from(if key < 32 { key + 64 } else { key }))
    }

    /// Whether the escape key has been typed and the next key decides.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.state == Position::Escaped
    }

    /// Sorts typed bytes into those for the remote program and commands for the client.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Typed> {
        let Some(key) = self.key else { return vec![Typed::Bytes(bytes.to_vec())] };
        let mut sorted = Vec::new();
        let mut plain = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some((&first, tail)) = rest.split_first() {
            if self.paste.feed(first) {
                self.state = Position::Line;
                plain.push(first);
                rest = tail;
                continue;
            }
            let (byte, length) = match self.of_sequence(key, rest) {
                Some((Some(byte), length)) => (byte, length),
                Some((None, length)) => {
                    rest = &rest[length..];
                    continue;
                }
                None => (first, 1),
            };
            rest = if length == 1 { tail } else { &rest[length..] };
            if self.state == Position::Escaped {
                self.state = Position::Line;
                let command = match byte {
                    b'.' => Some(Command::Quit),
                    b'd' if self.detaches => Some(Command::Detach),
                    0x1a => Some(Command::Suspend),
                    b'p' => Some(Command::Paths),
                    b'?' => Some(Command::Help),
                    _ => None,
                };
                match command {
                    Some(command) => {
                        if !plain.is_empty() {
                            sorted.push(Typed::Bytes(std::mem::take(&mut plain)));
                        }
                        sorted.push(Typed::Command(command));
                    }
                    None if self.is_pass(byte) => plain.push(key),
                    None => {
                        self.state = Position::after(byte);
                        plain.extend([key, byte]);
                    }
                }
            } else if byte == key && (key < 32 || self.state == Position::LineStart) {
                self.state = Position::Escaped;
            } else {
                self.state = Position::after(byte);
                plain.push(byte);
            }
        }
        if !plain.is_empty() {
            sorted.push(Typed::Bytes(plain));
        }
        sorted
    }

    /// A key in the kitty keyboard protocol's form (`CSI code:shifted;modifiers:event u`), where it is the escape key or
    /// what follows that: the byte it would otherwise be (`None` for its release), and how long the form is.
    fn of_sequence(&self, key: u8, bytes: &[u8]) -> Option<(Option<u8>, usize)> {
        let body = bytes.strip_prefix(b"\x1b[")?;
        let end = body.iter().take(LONGEST).position(|byte| !matches!(byte, b'0'..=b'9' | b':' | b';'))?;
        if body[end] != b'u' || key >= 32 {
            return None;
        }
        let text = core::str::from_utf8(&body[..end]).ok()?;
        let (codes, modifiers) = text.split_once(';').unwrap_or((text, "1"));
        let modifiers = modifiers.split_once(';').map_or(modifiers, |(modifiers, _)| modifiers);
        let (modifiers, event) = modifiers.split_once(':').unwrap_or((modifiers, "1"));
        // Caps lock and num lock count for nothing.
        let modifiers = modifiers.parse::<u32>().ok()?.checked_sub(1)? & !(64 | 128);
        let mut codes = codes.split(':').map(|code| code.parse::<u8>().ok());
        let (code, shifted) = (codes.next()??, codes.next().flatten());
        let is_key = |code: u8| {
            (code >= b'@' && code.to_ascii_uppercase() & 0x1f == key) || (key == 0x1e && code == b'6')
        };
        let length = end + 3;
        match modifiers {
            CONTROL | CONTROL_SHIFT if is_key(code) || shifted.is_some_and(is_key) => {
                Some(((event != "3").then_some(key), length))
            }
            // What follows the escape key: here alone is the form of other keys of interest.
            _ if self.state != Position::Escaped => None,
            _ if event == "3" => Some((None, length)),
            0 | SHIFT => Some((Some(shifted.unwrap_or(code)), length)),
            CONTROL => Some((Some(code & 0x1f), length)),
            _ => None,
        }
    }

    fn is_pass(&self, byte: u8) -> bool {
        self.key.is_some_and(|key| {
            byte == key || (key < 32 && (byte == key + 64 || byte.to_ascii_uppercase() == key + 64))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &[u8]) -> Typed {
        Typed::Bytes(text.to_vec())
    }

    #[test]
    fn a_control_key_is_found_anywhere_and_across_reads() {
        let mut escape = Escape::new(Some(0x1e));
        assert_eq!(escape.feed(b"ab\x1e"), [bytes(b"ab")]);
        assert!(escape.is_pending());
        assert_eq!(escape.feed(b".x"), [Typed::Command(Command::Quit), bytes(b"x")]);
        assert_eq!(escape.feed(b"\x1e^\x1eq\x1e\x1e"), [bytes(b"\x1e\x1eq\x1e")]);
        assert_eq!(escape.feed(b"\x1e\x1a"), [Typed::Command(Command::Suspend)]);
    }

    #[test]
    fn d_is_a_word_to_the_client_only_where_a_session_can_be_left() {
        assert_eq!(Escape::new(Some(0x1e)).feed(b"\x1ed"), [bytes(b"\x1ed")]);
        let mut escape = Escape::new(Some(0x1e)).with_detach(true);
        assert_eq!(escape.feed(b"x\x1edy"), [bytes(b"x"), Typed::Command(Command::Detach), bytes(b"y")]);
        // As the kitty keyboard has them.
        assert_eq!(escape.feed(b"\x1b[94;5u\x1b[100;1u"), [Typed::Command(Command::Detach)]);
    }

    #[test]
    fn a_printable_key_counts_only_at_the_start_of_a_line() {
        let mut escape = Escape::new(Some(b'~'));
        assert_eq!(escape.feed(b"~."), [bytes(b"~.")]);
        assert_eq!(escape.feed(b"\r~."), [bytes(b"\r"), Typed::Command(Command::Quit)]);
        assert_eq!(escape.feed(b"\r~~"), [bytes(b"\r~")]);
        assert_eq!(escape.feed(b"\r~\r~."), [bytes(b"\r~\r"), Typed::Command(Command::Quit)]);
    }

    #[test]
    fn the_key_is_known_in_the_kitty_keyboards_form() {
        for (typed, expected) in [
            (&b"\x1b[94;5u."[..], Typed::Command(Command::Quit)),
            (b"\x1b[54;6u.", Typed::Command(Command::Quit)),
            (b"\x1b[54:94;6:1u\x1b[54:94;6:3u\x1b[46;1:1u", Typed::Command(Command::Quit)),
            (b"\x1b[94;69u\x1b[122;5u", Typed::Command(Command::Suspend)),
            (b"\x1b[94;5u\x1b[94;5u", Typed::Bytes(b"\x1e".to_vec())),
            (b"\x1b[97;5u", Typed::Bytes(b"\x1b[97;5u".to_vec())),
            (b"\x1b[94;3u", Typed::Bytes(b"\x1b[94;3u".to_vec())),
            (b"\x1b[1;5C", Typed::Bytes(b"\x1b[1;5C".to_vec())),
        ] {
            let sorted = Escape::new(Some(0x1e)).feed(typed);
            assert_eq!(sorted, [expected], "{}", String::from_utf8_lossy(typed));
        }
    }

    #[test]
    fn in_a_paste_the_key_is_text_until_the_paste_has_been_silent() {
        let mut escape = Escape::new(Some(0x1e));
        let pasted = b"\x1b[200~a\x1e.\x1b[94;5u.\r\x1b[20";
        assert_eq!(escape.feed(pasted), [bytes(pasted)]);
        assert_eq!(escape.feed(b"1~\x1e."), [bytes(b"1~"), Typed::Command(Command::Quit)]);
        assert_eq!(escape.feed(b"\x1b[200~a"), [bytes(b"\x1b[200~a")]);
        escape.pause(Duration::from_millis(999));
        assert_eq!(escape.feed(b"\x1e."), [bytes(b"\x1e.")]);
        escape.pause(Duration::from_secs(1));
        assert_eq!(escape.feed(b"\x1e."), [Typed::Command(Command::Quit)]);
        let mut tilde = Escape::new(Some(b'~'));
        assert_eq!(tilde.feed(b"\x1b[200~\r~.\x1b[201~"), [bytes(b"\x1b[200~\r~.\x1b[201~")]);
    }

    #[test]
    fn without_a_key_everything_goes_through() {
        assert_eq!(Escape::new(Some(0x1e)).name().as_deref(), Some("Ctrl-^"));
        let mut off = Escape::new(None);
        assert_eq!(off.name(), None);
        assert_eq!(off.feed(b"\x1e."), [bytes(b"\x1e.")]);
    }
}
