//! What is known of the user's terminal without asking it.

use std::collections::BTreeMap;
use terminfo::{Database, Value};
use termwiz::caps::{Capabilities, ColorLevel, ProbeHints};

/// The environment's words on the terminal.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    pub(super) term: String,
    pub(super) program: String,
    /// The variables by which terminals tell who they are, as far as they are set.
    pub(super) variables: BTreeMap<&'static str, String>,
    /// What the terminal has answered to XTVERSION.
    pub(super) answer: Option<String>,
    /// `COLORTERM` says truecolor.
    pub(super) true_colour: bool,
    capabilities: Option<Capabilities>,
    database: Option<Database>,
}

/// The variables that tell of a terminal besides `TERM`, `TERM_PROGRAM` and `COLORTERM`.
const VARIABLES: [&str; 10] = [
    "ALACRITTY_WINDOW_ID",
    "KONSOLE_DBUS_SESSION",
    "KONSOLE_PROFILE_NAME",
    "KONSOLE_VERSION",
    "TERMUX_VERSION",
    "TERM_PROGRAM_VERSION",
    "TMUX",
    "VTE_VERSION",
    "WT_SESSION",
    "XTERM_VERSION",
];

/// Terminal types that nothing can be drawn on.
const DUMB: [&str; 5] = ["", "dumb", "unknown", "emacs", "network"];

impl Evidence {
    pub(super) fn from_environment() -> Self {
        Self::new(|name| std::env::var(name).ok(), |term| Database::from_name(term).ok())
    }

    pub(super) fn new(
        variable: impl Fn(&str) -> Option<String>,
        terminfo: impl Fn(&str) -> Option<Database>,
    ) -> Self {
        let term = variable("TERM").unwrap_or_default();
        let database = terminfo(&term);
        let hints = ProbeHints::default()
            .term(Some(term.clone()))
            .colorterm(variable("COLORTERM").filter(|value| matches!(value.as_str(), "truecolor" | "24bit")))
            .colorterm_bce(variable("COLORTERM_BCE"))
            .terminfo_db(database.clone());
        Self {
            true_colour: variable("COLORTERM")
                .is_some_and(|value| matches!(value.as_str(), "truecolor" | "24bit")),
            program: variable("TERM_PROGRAM").unwrap_or_default(),
            variables: VARIABLES.into_iter().filter_map(|name| Some((name, variable(name)?))).collect(),
            answer: None,
            capabilities: Capabilities::new_with_hints(hints).ok(),
            term,
            database,
        }
    }

    /// The same, and what the terminal says of itself.
    pub(super) fn answered(&self, answer: String) -> Self {
        Self { answer: Some(answer), ..self.clone() }
    }

    pub(super) fn moves_cursor(&self) -> bool {
        if DUMB.contains(&self.term.as_str()) {
            return false;
        }
        // ECMA-48's CUP: other dialects (a Wyse, a 3270) are none that we speak.
        self.database.is_none() || self.string("cup").is_some_and(|cup| cup.starts_with(b"\x1b["))
    }

    /// DECCKM. What these do in keypad mode their entries say; that they know this one too, those do not. Sources: the
    /// Linux console's console_codes(4), urxvt(7) and the rxvt it comes from (Eterm's parser is rxvt's too), FreeBSD's
    /// and NetBSD's consoles (teken, wscons's vt100 emulation).
    pub(super) fn has_application_keys(&self) -> bool {
        const SILENT: [&str; 7] = ["linux", "rxvt", "Eterm", "wsvt25", "wsvt25m", "cons25", "cons25w"];
        let told = self.string("smkx").is_some_and(|smkx| super::contains(&smkx, b"\x1b[?1h"));
        told || self.database.is_none() || self.family(&SILENT)
    }

    /// What switches to the alternate screen and back: a terminal without an entry has xterm's, or passes it over.
    pub(super) fn screen_of_its_own(&self, name: &str, on: bool) -> Vec<u8> {
        let unknown = self.database.is_none();
        let switch = if on { b"\x1b[?1049h" } else { b"\x1b[?1049l" };
        self.string(name).or_else(|| unknown.then(|| switch.to_vec())).unwrap_or_default()
    }

    /// Whether what draws here is itself drawn on another terminal.
    pub(super) fn is_multiplexer(&self) -> bool {
        let says_so = self.answer.as_deref().is_some_and(|answer| answer.starts_with("tmux "));
        says_so || self.family(&["screen", "tmux"])
    }

    pub(super) fn known(&self) -> bool {
        self.database.is_some()
    }

    /// Whether the type is one of these or a variety of it (`xterm` has `xterm-256color`, not `xterms`).
    pub(super) fn family(&self, names: &[&str]) -> bool {
        names.iter().any(|name| {
            self.term
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '+', '.']))
        })
    }

    /// A string capability without its padding, by its short name.
    pub(super) fn string(&self, name: &str) -> Option<Vec<u8>> {
        match self.database.as_ref()?.raw(name)? {
            Value::String(bytes) => Some(without_padding(bytes)),
            _ => None,
        }
    }

    /// Whether a string capability is exactly the sequence that we would send.
    pub(super) fn is(&self, name: &str, sequence: &str) -> bool {
        self.string(name).is_some_and(|bytes| bytes == sequence.as_bytes())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.database.as_ref().is_some_and(|database| database.raw(name).is_some())
    }

    pub(super) fn number(&self, name: &str) -> Option<i32> {
        match self.database.as_ref()?.raw(name)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn color_level(&self) -> ColorLevel {
        self.capabilities.as_ref().map_or(ColorLevel::Sixteen, Capabilities::color_level)
    }

    pub(super) fn bce(&self) -> bool {
        self.capabilities.as_ref().is_some_and(Capabilities::bce)
    }
}

/// Takes out `$<…>`: delays for terminals on slow lines.
fn without_padding(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(&byte) = rest.first() {
        if rest.starts_with(b"$<")
            && let Some(end) = rest.iter().position(|byte| *byte == b'>')
        {
            rest = &rest[end + 1..];
        } else {
            out.push(byte);
            rest = &rest[1..];
        }
    }
    out
}
