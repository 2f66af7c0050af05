//! The keys of the user's own terminal, in the words of the server's.
//!
//! Programs on the server read the keys of `xterm-256color`. A terminal of another type writes some of them otherwise
//! (Home is `ESC [ 7 ~` in urxvt, `ESC [ 1 ~` in tmux); what terminfo says of both gives the translation. Keys that
//! follow DECCKM are sent in their application form, which the server turns into the other where a program wants that.
//! Contract: no octet waits for the one after it, and nothing is translated within a paste.

use std::time::Duration;
use terminal::Paste;

/// The translation, and how far a key has come that is cut between two reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// What the terminal writes, and what the server's would.
    table: Vec<(Vec<u8>, Vec<u8>)>,
}

/// [`Keys`] in use.
#[derive(Clone, Debug, Default)]
pub struct KeyTranslator {
    keys: Keys,
    paste: Paste,
    /// The beginning of a key, which has been handed on already.
    begun: Vec<u8>,
}

impl Keys {
    /// The translation for a terminal whose terminfo entry has these strings (by the names that the
    /// reader of terminfo has for them); none for one that
    /// has no entry.
    #[must_use]
    pub fn of(string: impl Fn(&str) -> Option<Vec<u8>>) -> Self {
        let mut table: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for (name, meant) in server_keys() {
            let Some(written) = string(&name) else { continue };
            let known = table.iter().any(|(other, _)| *other == written);
            // A terminal in application mode writes the plain cursor keys so, whatever else its entry calls so.
            let taken = is_cursor_key(&written);
            let is_sequence = written.len() > 1 && written.first() == Some(&0x1b);
            if is_sequence && !known && !taken {
                table.push((written, meant));
            }
        }
        table.retain(|(written, meant)| written != meant);
        Self { table }
    }

    /// The longest key that `typed` begins with.
    fn longest(&self, typed: &[u8]) -> Option<&(Vec<u8>, Vec<u8>)> {
        self.table
            .iter()
            .filter(|(written, _)| typed.starts_with(written))
            .max_by_key(|(written, _)| written.len())
    }

    fn begins(&self, typed: &[u8]) -> bool {
        self.table.iter().any(|(written, _)| written.starts_with(typed))
    }
}

impl KeyTranslator {
    /// Translates from now on.
    #[must_use]
    pub fn new(keys: Keys) -> Self {
        Self { keys, ..Self::default() }
    }

    /// What the server's terminal would have written.
    pub fn translate(&mut self, typed: &[u8]) -> Vec<u8> {
        if self.keys.table.is_empty() {
            return typed.to_vec();
        }
        let mut out = Vec::with_capacity(typed.len());
        let mut window = std::mem::take(&mut self.begun);
        // What has been handed on of the window before, or has just been.
        let mut done = window.len();
        window.extend(typed);
        let mut rest = &window[..];
        while let Some(&octet) = rest.first() {
            if octet != 0x1b {
                self.paste.feed(octet);
                out.extend(rest.get(done..1).unwrap_or_default());
                (rest, done) = (&rest[1..], done.saturating_sub(1));
                continue;
            }
            let pasted = self.paste.clone().feed(octet);
            match self.keys.longest(rest).filter(|(written, _)| !pasted && written.len() > done) {
                Some((written, meant)) => {
                    out.extend(continued(&rest[..done], written, meant));
                    self.paste = Paste::default();
                    (rest, done) = (&rest[written.len()..], 0);
                }
                None if !pasted && self.keys.begins(rest) => {
                    out.extend(&rest[done..]);
                    self.begun = rest.to_vec();
                    return out;
                }
                None => {
                    self.paste.feed(octet);
                    out.extend(rest.get(done..1).unwrap_or_default());
                    (rest, done) = (&rest[1..], done.saturating_sub(1));
                }
            }
        }
        out
    }

    /// Nothing was typed for so long: what comes now goes on with nothing that came before.
    pub fn pause(&mut self, idle: Duration) {
        self.paste.pause(idle);
        if idle >= Paste::SILENCE {
            self.begun.clear();
        }
    }
}

/// What is left to say of a key of which `begun` has been said: of its two forms in the server's terminal the one that
/// begins so, or else the key as it was typed.
fn continued(begun: &[u8], written: &[u8], meant: &[u8]) -> Vec<u8> {
    let normal = meant.strip_prefix(b"\x1bO").map(|key| [b"\x1b[", key].concat());
    let forms = [Some(meant), normal.as_deref().filter(|_| is_cursor_key(meant)), Some(written)];
    forms.into_iter().flatten().find_map(|form| form.strip_prefix(begun)).unwrap_or_default().to_vec()
}

/// A key that follows DECCKM, in its application form.
fn is_cursor_key(sequence: &[u8]) -> bool {
    matches!(sequence, [0x1b, b'O', b'A'..=b'F' | b'H'])
}

/// The keys of `xterm-256color`, by their names in terminfo: where a terminal writes two alike, the first counts. Source:
/// ncurses 6.4, the entry of that name with its extensions (`infocmp -x xterm-256color`).
fn server_keys() -> impl Iterator<Item = (String, Vec<u8>)> {
    const PLAIN: [(&str, &str); 30] = [
        ("kcuu1", "OA"),
        ("kcud1", "OB"),
        ("kcuf1", "OC"),
        ("kcub1", "OD"),
        ("khome", "OH"),
        ("kend", "OF"),
        ("kich1", "[2~"),
        ("kdch1", "[3~"),
        ("kpp", "[5~"),
        ("knp", "[6~"),
        ("kbeg", "OE"),
        ("kcbt", "[Z"),
        // The keypad in its application mode.
        ("kent", "OM"),
        ("ka1", "Ow"),
        ("ka2", "Ox"),
        ("ka3", "Oy"),
        ("kb1", "Ot"),
        ("kb2", "Ou"),
        ("kb3", "Ov"),
        ("kc1", "Oq"),
        ("kc2", "Or"),
        ("kc3", "Os"),
        ("kpADD", "Ok"),
        ("kpCMA", "Ol"),
        ("kpDIV", "Oo"),
        ("kpDOT", "On"),
        ("kpMUL", "Oj"),
        ("kpSUB", "Om"),
        ("kpZRO", "Op"),
        // A second name of back-tab, in the entries of the Linux console.
        ("kcbt2", "[Z"),
    ];
    // With shift, and then with what the number in the extended name says.
    const MODIFIED: [(&str, &str, &str); 10] = [
        ("kUP", "1", "A"),
        ("kDN", "1", "B"),
        ("kRIT", "1", "C"),
        ("kLFT", "1", "D"),
        ("kHOM", "1", "H"),
        ("kEND", "1", "F"),
        ("kIC", "2", "~"),
        ("kDC", "3", "~"),
        ("kPRV", "5", "~"),
        ("kNXT", "6", "~"),
    ];
    const SHIFTED: [(&str, &str); 2] = [("kri", "[1;2A"), ("kind", "[1;2B")];
    /// F1 to F12: a parameter and a final.
    const FUNCTION: [(&str, &str); 12] = [
        ("1", "P"),
        ("1", "Q"),
        ("1", "R"),
        ("1", "S"),
        ("15", "~"),
        ("17", "~"),
        ("18", "~"),
        ("19", "~"),
        ("20", "~"),
        ("21", "~"),
        ("23", "~"),
        ("24", "~"),
    ];
    /// F13 to F63 are the twelve with these modifiers.
    const MODIFIERS: [&str; 6] = ["", ";2", ";5", ";6", ";3", ";4"];

    let sequence = |rest: &str| format!("\x1b{rest}").into_bytes();
    let plain = PLAIN.into_iter().map(move |(name, rest)| (name.to_owned(), sequence(rest)));
    let function = (0..63).map(move |number| {
        let ((parameter, last), modifier) = (FUNCTION[number % 12], MODIFIERS[number / 12]);
        let rest = match (parameter, modifier) {
            ("1", "") => format!("O{last}"),
            _ => format!("[{parameter}{modifier}{last}"),
        };
        // The reader of terminfo knows most of these by their long names alone.
        (format!("key_f{}", number + 1), sequence(&rest))
    });
    let modified = MODIFIED.into_iter().flat_map(move |(name, parameter, last)| {
        (2..=7).map(move |modifier| {
            let name = if modifier == 2 { name.to_owned() } else { format!("{name}{modifier}") };
            (name, sequence(&format!("[{parameter};{modifier}{last}")))
        })
    });
    let shifted = SHIFTED.into_iter().map(move |(name, rest)| (name.to_owned(), sequence(rest)));
    plain.chain(modified).chain(shifted).chain(function)
}

#[cfg(test)]
mod tests {
    use super::*;
    use terminfo::{Database, Value};

    /// The translator for a type as this machine's terminfo has it (Debian's ncurses-base has all that are named here).
    fn translator(name: &str) -> KeyTranslator {
        let database = Database::from_name(name).unwrap_or_else(|_| panic!("{name} is not described here"));
        let string = |capability: &str| match database.raw(capability) {
            Some(Value::String(bytes)) => Some(bytes.clone()),
            _ => None,
        };
        KeyTranslator::new(Keys::of(string))
    }

    fn translated(name: &str, parts: &[&[u8]]) -> String {
        let mut translator = translator(name);
        let out: Vec<u8> = parts.iter().flat_map(|part| translator.translate(part)).collect();
        String::from_utf8(out).unwrap().replace('\x1b', "^")
    }

    #[test]
    fn the_servers_own_keys_stay_as_they_are() {
        let database = Database::from_name("xterm-256color").unwrap();
        let mut known = 0;
        for (name, meant) in server_keys() {
            let Some(Value::String(written)) = database.raw(&name) else { continue };
            assert_eq!(*written, meant, "{name}");
            known += 1;
        }
        assert!(known > 150, "{known} keys");
        assert!(translator("xterm-256color").keys.table.is_empty());
    }

    /// What a key is in the user's terminal: terminfo's entries of these names. What it means: terminfo's
    /// `xterm-256color`.
    #[test]
    fn the_keys_of_other_terminals_become_the_servers() {
        for (name, typed, meant) in [
            ("rxvt-unicode", "^[A^[B^[C^[D", "^OA^OB^OC^OD"),
            ("rxvt-unicode", "^OA^OD", "^OA^OD"),
            ("rxvt-unicode", "^[7~^[8~", "^OH^OF"),
            ("rxvt-unicode", "^[11~^[14~^[15~", "^OP^OS^[15~"),
            ("rxvt-unicode", "^Oa^Od^[d^[7$", "^[1;5A^[1;5D^[1;2D^[1;2H"),
            ("rxvt", "^OD^OB", "^OD^OB"),
            ("Eterm", "^[A^[7~^[8~^[11~", "^OA^OH^OF^OP"),
            ("wsvt25", "^[D^[7~^[8~^[11~", "^OD^OH^OF^OP"),
            ("cons25", "^[A^[H^[F^[M^[X", "^OA^OH^OF^OP^[24~"),
            ("linux", "^[A^[1~^[4~^[[A^[[E^[25~", "^OA^OH^OF^OP^[15~^[1;2P"),
            ("tmux-256color", "^[1~^[4~^[24~", "^OH^OF^[24~"),
            ("screen", "^[1~^[4~^OP", "^OH^OF^OP"),
            ("ansi", "^[A", "^OA"),
            ("linux", "a^b^[Zé^[999~^", "a^b^[Zé^[999~^"),
        ] {
            let typed = typed.replace('^', "\x1b");
            assert_eq!(translated(name, &[typed.as_bytes()]), meant, "{name}");
        }
    }

    #[test]
    fn a_key_that_is_cut_is_continued_and_no_octet_waits() {
        for (name, typed, meant) in [
            // Home has two forms, and what has been said already decides for one.
            ("rxvt-unicode", &b"\x1b[7~"[..], ["^OH", "^OH", "^[H", "^[7~"]),
            ("tmux-256color", b"\x1b[4~", ["^OF", "^OF", "^[F", "^[4~"]),
            ("linux", b"\x1b[[B", ["^OQ", "^OQ", "^[[B", "^[[B"]),
        ] {
            for cut in 0..typed.len() {
                let mut translator = translator(name);
                let begun = translator.translate(&typed[..cut]);
                assert_eq!(begun, &typed[..cut], "{name}: something waits");
                let rest = translator.translate(&typed[cut..]);
                let whole = String::from_utf8([begun, rest].concat()).unwrap().replace('\x1b', "^");
                assert_eq!(whole, meant[cut], "{name} cut after {cut}");
            }
        }
        let octets: Vec<&[u8]> = b"\x1b[7~a\x1b[8~".chunks(1).collect();
        assert_eq!(translated("rxvt-unicode", &octets), "^[7~a^[8~");
    }

    #[test]
    fn what_is_pasted_is_no_key_until_the_paste_has_been_silent() {
        let pasted = b"\x1b[200~\x1b[7~\x1b[A";
        assert_eq!(translated("rxvt-unicode", &[pasted]), "^[200~^[7~^[A");
        assert_eq!(translated("rxvt-unicode", &[pasted, b"\x1b[201~\x1b[7~"]), "^[200~^[7~^[A^[201~^OH");
        let mut translator = translator("rxvt-unicode");
        translator.translate(pasted);
        translator.pause(Duration::from_secs(1));
        assert_eq!(translator.translate(b"\x1b[7~"), b"\x1bOH");
        translator.translate(b"\x1b[");
        translator.pause(Duration::from_secs(1));
        assert_eq!(translator.translate(b"7~"), b"7~");
    }
}
