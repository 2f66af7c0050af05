//! What the user's terminal answers when it is asked for its colours and its name, told apart from what the user types.
//!
//! Contract: an answer never reaches the remote, whether it comes at once, late, cut or not at all, and no key is lost. An
//! answer is told by its form, which nobody types, at any time; only its first two octets are keys too (Escape, Alt-],
//! Alt-[): for a second after the question these wait for what follows, for a twentieth of a second. Pure.

use net::Instant;
use std::time::Duration;
use terminal::{ColorName, Paste, Rgb, parse_color};

/// What is asked: the colours of text, background and cursor, the sixteen that have names, the terminal's name (XTVERSION)
/// and at last its kind (DA1), which every terminal answers.
#[must_use]
pub fn questions() -> Vec<u8> {
    let mut out = String::new();
    for number in [10, 11, 12] {
        out += &format!("\x1b]{number};?\x1b\\");
    }
    for index in 0..16 {
        out += &format!("\x1b]4;{index};?\x1b\\");
    }
    out += "\x1b[>q\x1b[c";
    out.into_bytes()
}

/// So long after a question what may begin an answer waits …
const EXPECTED: Duration = Duration::from_secs(1);
/// … for the rest, which follows at once where it is one.
const HOLD: Duration = Duration::from_millis(50);
/// What has been let go may turn out to have been an answer's beginning for so long: a hand is slower.
const REGRET: Duration = Duration::from_millis(200);
/// The rest of what nobody can have typed is waited for so long.
const CUT: Duration = Duration::from_secs(2);
/// So many octets are keys as well …
const KEYS: usize = 2;
/// … and so many may be, by a very quick hand.
const DOUBTFUL: usize = 4;
/// No answer is longer.
const LONGEST: usize = 256;

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// A colour.
    Color(ColorName, Rgb),
    /// The terminal's name and version.
    Name(String),
    /// The last question is answered.
    Last,
    /// Nothing of use.
    Other,
}

/// Sifts what comes from the terminal.
#[derive(Debug, Default)]
pub(super) struct Answers {
    questions: Vec<u8>,
    /// They have been sent, and when.
    asked: Option<Instant>,
    to_ask: bool,
    /// The last question has not been answered.
    open: bool,
    /// The beginning of what may be an answer: what of it has been let go already …
    given_up: Vec<u8>,
    /// … and what waits.
    held: Vec<u8>,
    /// When something came last.
    heard: Instant,
    found: Vec<Told>,
    paste: Paste,
}

impl Answers {
    /// Of a terminal that is to be asked this.
    pub(super) fn new(questions: Vec<u8>) -> Self {
        Self { to_ask: !questions.is_empty(), questions, ..Self::default() }
    }

    /// It may have other colours by now.
    pub(super) fn ask_again(&mut self) {
        self.to_ask = !self.questions.is_empty();
    }

    /// What to ask it now.
    pub(super) fn questions(&mut self, now: Instant) -> Vec<u8> {
        if !std::mem::take(&mut self.to_ask) {
            return Vec::new();
        }
        (self.asked, self.open) = (Some(now), true);
        self.questions.clone()
    }

    /// Whether answers are likely to be under way: whoever leaves now has them land in the shell.
    pub(super) fn are_due(&self, now: Instant) -> bool {
        self.open && self.is_expected(now)
    }

    /// The answers found since the last call.
    pub(super) fn take(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.found)
    }

    /// What of these octets was typed.
    pub(super) fn sift(&mut self, octets: &[u8], now: Instant) -> Vec<u8> {
        let mut typed = self.give_up(now);
        let idle = now.since(std::mem::replace(&mut self.heard, now));
        if idle >= REGRET && self.held.is_empty() {
            for octet in self.given_up.drain(..) {
                self.paste.feed(octet);
            }
        }
        self.paste.pause(idle);
        let mut done = self.given_up.len();
        let mut window = std::mem::take(&mut self.given_up);
        window.append(&mut self.held);
        window.extend_from_slice(octets);
        let mut rest = &window[..];
        while let Some(&octet) = rest.first() {
            let pasted = self.paste.clone().feed(octet);
            match if octet == 0x1b && !pasted { form(rest) } else { Sifted::None } {
                Sifted::Whole(length, answer) => {
                    self.open &= answer != Told::Last;
                    self.found.push(answer);
                    (rest, done) = (&rest[length..], 0);
                }
                Sifted::Begun => {
                    let (gone, new) = rest.split_at(done);
                    (self.given_up, self.held) = (gone.to_vec(), new.to_vec());
                    if rest.len() <= KEYS && !self.is_expected(now) {
                        self.given_up.append(&mut self.held);
                        typed.extend(new);
                    }
                    return typed;
                }
                Sifted::None => {
                    self.paste.feed(octet);
                    typed.extend(rest.get(done..1).unwrap_or_default());
                    (rest, done) = (&rest[1..], done.saturating_sub(1));
                }
            }
        }
        typed
    }

    fn is_expected(&self, now: Instant) -> bool {
        self.asked.is_some_and(|asked| now.since(asked) < EXPECTED)
    }

    /// When [`Self::give_up`] has something to say.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let patience = if self.given_up.len() + self.held.len() > KEYS { CUT } else { HOLD };
        (!self.held.is_empty()).then(|| self.heard + patience)
    }

    /// Keys that were held in vain. An answer whose rest is lost is none.
    pub(super) fn give_up(&mut self, now: Instant) -> Vec<u8> {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return Vec::new();
        }
        let held = std::mem::take(&mut self.held);
        if self.given_up.len() + held.len() > DOUBTFUL {
            self.given_up.clear();
            return Vec::new();
        }
        self.given_up.extend(&held);
        held
    }
}

/// What octets that begin with an escape are.
#[derive(Debug, PartialEq, Eq)]
enum Sifted {
    /// An answer of this length.
    Whole(usize, Told),
    /// The beginning of one.
    Begun,
    /// None.
    None,
}

fn form(octets: &[u8]) -> Sifted {
    match octets {
        [0x1b] | [0x1b, b']' | b'[' | b'P'] => Sifted::Begun,
        [0x1b, b']', body @ ..] => color(body),
        [0x1b, b'P', body @ ..] => name(body),
        [0x1b, b'[', body @ ..] => device(body),
        _ => Sifted::None,
    }
}

/// `OSC 11 ; rgb:… ST`, after its introducer.
fn color(body: &[u8]) -> Sifted {
    let found = string(body, |octet| octet.is_ascii_hexdigit() || b";:/#rg".contains(&octet));
    let (Ok((text, _)) | Err(Some(text))) = found else { return Sifted::None };
    let number = text.split(|&octet| octet == b';').next().unwrap_or_default();
    let ours = [&b"4"[..], b"10", b"11", b"12"];
    let is_ours = if number.len() < text.len() {
        ours.contains(&number)
    } else {
        ours.iter().any(|ours| ours.starts_with(number))
    };
    match found {
        _ if !is_ours => Sifted::None,
        Ok((text, length)) => {
            let answer = read_color(text).map_or(Told::Other, |(name, rgb)| Told::Color(name, rgb));
            Sifted::Whole(2 + length, answer)
        }
        Err(_) => Sifted::Begun,
    }
}

fn read_color(text: &[u8]) -> Option<(ColorName, Rgb)> {
    let mut parts = text.split(|&octet| octet == b';');
    let number = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    let name = match number {
        4 => ColorName::Indexed(std::str::from_utf8(parts.next()?).ok()?.parse().ok()?),
        _ => ColorName::of_command(number)?,
    };
    Some((name, parse_color(parts.next()?)?))
}

/// `DCS > | name ST`, after its introducer.
fn name(body: &[u8]) -> Sifted {
    let begins = body.iter().zip(b">|").all(|(octet, expected)| octet == expected);
    match string(body, |octet| (0x20..0x7f).contains(&octet)) {
        _ if !begins => Sifted::None,
        Ok((text, end)) => {
            let text = text.get(2..).unwrap_or_default();
            Sifted::Whole(2 + end, Told::Name(String::from_utf8_lossy(text).into_owned()))
        }
        Err(Some(_)) => Sifted::Begun,
        Err(None) => Sifted::None,
    }
}

/// `CSI ? 64 ; 1 c`, after its introducer.
fn device(body: &[u8]) -> Sifted {
    let [b'?', parameters @ ..] = body else { return Sifted::None };
    let length = parameters.iter().take_while(|octet| matches!(octet, b'0'..=b'9' | b';')).count();
    match parameters.get(length) {
        Some(b'c') => Sifted::Whole(3 + length + 1, Told::Last),
        None if length < LONGEST => Sifted::Begun,
        _ => Sifted::None,
    }
}

/// The text of a control string, and how long it is with its end. Without its end: the text so far, unless it cannot be one.
fn string(body: &[u8], allowed: impl Fn(u8) -> bool) -> Result<(&[u8], usize), Option<&[u8]>> {
    let length = body.iter().take_while(|octet| allowed(**octet)).count();
    let (text, end) = body.split_at(length);
    match end {
        [0x07, ..] => Ok((text, length + 1)),
        [0x1b, b'\\', ..] => Ok((text, length + 2)),
        [] | [0x1b] if length < LONGEST => Err(Some(text)),
        _ => Err(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_micros(100_000_000);
    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// What these answer: xterm 379 and kitty 0.26 (seen), and tmux 3.3a for its kind and name.
    const XTERM: &[u8] = b"\x1b]10;rgb:0000/0000/0000\x1b\\\x1b]11;rgb:ffff/fafa/e0e0\x1b\\\x1b]4;1;rgb:cdcd/0000/0000\x1b\\\x1bP>|XTerm(379)\x1b\\\x1b[?64;1;2;6;9;15;16;17;18;21;22;28c";
    const TMUX: &[u8] = b"\x1bP>|tmux 3.3a\x1b\\\x1b[?1;2;4c";

    fn expected() -> Vec<Told> {
        vec![
            Told::Color(ColorName::Foreground, [0, 0, 0]),
            Told::Color(ColorName::Background, [255, 250, 224]),
            Told::Color(ColorName::Indexed(1), [205, 0, 0]),
            Told::Name("XTerm(379)".into()),
            Told::Last,
        ]
    }

    fn asked() -> Answers {
        let mut answers = Answers::new(questions());
        assert_eq!(answers.questions(START), questions());
        assert_eq!(answers.questions(START), b"", "it is asked once");
        answers
    }

    #[test]
    fn what_is_answered_is_no_typing() {
        let mut answers = asked();
        assert!(answers.are_due(START) && !answers.are_due(START + EXPECTED));
        assert_eq!(answers.sift(&[b"a", XTERM, b"b"].concat(), START), b"ab");
        assert_eq!(answers.take(), expected());
        assert!(!answers.are_due(START));
        assert_eq!(answers.sift(TMUX, START), b"");
        assert_eq!(answers.take(), [Told::Name("tmux 3.3a".into()), Told::Last]);
    }

    #[test]
    fn an_answer_may_be_cut_anywhere() {
        for cut in 0..=XTERM.len() {
            let mut answers = asked();
            let typed = [answers.sift(&XTERM[..cut], START), answers.sift(&XTERM[cut..], START + MS(40))];
            assert_eq!(typed.concat(), b"", "{cut}");
            assert_eq!(answers.take(), expected(), "{cut}");
        }
        let mut answers = asked();
        for octet in XTERM {
            assert_eq!(answers.sift(&[*octet], START), b"");
        }
        assert_eq!(answers.take(), expected());
    }

    #[test]
    fn a_late_answer_is_one_too_and_of_a_late_one_cut_at_its_escape_no_more_is_typed() {
        let late = START + MS(60_000);
        for cut in 3..XTERM.len() {
            let mut answers = asked();
            let typed =
                [answers.sift(&XTERM[..cut], late), answers.sift(&XTERM[cut..], late + MS(100))].concat();
            // After a second a cut there is the Escape key, or Alt and another.
            assert!(
                [&b""[..], b"\x1b", b"\x1b]", b"\x1b[", b"\x1bP"].contains(&&typed[..]),
                "{cut}: {typed:?}"
            );
            assert_eq!(answers.take(), expected(), "{cut}");
        }
    }

    #[test]
    fn keys_that_look_like_a_beginning_come_all_the_same_and_soon() {
        for keys in [&b"\x1b"[..], b"\x1b[", b"\x1b]", b"\x1bP"] {
            let mut answers = asked();
            assert_eq!(answers.sift(keys, START), b"");
            assert_eq!(answers.poll_timeout(), Some(START + HOLD));
            assert_eq!(answers.give_up(START + HOLD), keys);
            assert_eq!(answers.poll_timeout(), None);
            // A second after the question nothing waits.
            assert_eq!(answers.sift(keys, START + EXPECTED), keys);
            assert_eq!(answers.poll_timeout(), None);
        }
    }

    #[test]
    fn keys_are_never_lost() {
        let mut answers = asked();
        let typed = b"\x1b[A\x1b[1;5C\x1bOP\x1b]x\x1bPq\x1b[?25\x1b[?1u\x1b[200~\x1b]11;rgb:1/2/3\x07\x1b[201~\x1b\x1bz";
        assert_eq!(answers.sift(typed, START), typed);
        assert_eq!(answers.take(), []);
        for (before, after) in [(&b"\x1b"[..], &b":wq\r"[..]), (b"\x1b]", b"]1"), (b"\x1b", b"\x1b")] {
            let mut answers = asked();
            let mut came = answers.sift(before, START);
            came.extend(answers.sift(after, START + MS(20)));
            came.extend(answers.give_up(START + MS(3000)));
            assert_eq!(came, [before, after].concat());
        }
        // By hand, after the time in which anything waits.
        let mut answers = asked();
        let slow: Vec<u8> = b"\x1b]1"
            .iter()
            .zip(2..)
            .flat_map(|(key, s)| answers.sift(&[*key], START + MS(1000 * s)))
            .collect();
        assert_eq!(slow, b"\x1b]1");
    }

    #[test]
    fn an_answer_that_breaks_off_is_neither_typed_nor_in_the_way() {
        let mut answers = asked();
        assert_eq!(answers.sift(b"\x1b]11;rgb:ffff/", START), b"");
        assert_eq!(answers.give_up(START + CUT), b"");
        assert_eq!(answers.sift(b"abc", START + CUT), b"abc");
        assert_eq!(answers.sift(b"\x1b]11;rgb:ffff/", START + CUT), b"");
        assert_eq!(answers.sift(b"ls\r", START + CUT), b"\x1b]11;rgb:ffff/ls\r", "nothing is lost");
    }
}
