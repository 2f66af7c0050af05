//! The user's own terminal: what it understands, and the strings around a session.
//!
//! Contract: everything is decided once, before the screen is taken, from `TERM`, the terminfo database (through termwiz)
//! and the variables by which terminals tell who they are (`known` has the table); and again when the terminal itself
//! answers what it is ([`UserTerminal::named`]). In doubt a capability is left out: the drawing is longer then, and right.

mod evidence;
mod known;
mod vocabulary;

use crate::session::answers::questions;
use crate::session::keys::Keys;
use crate::text::messages::Paragraph;
use terminal::control::{CLEAR, HOME, PLAIN, RESTORE_TITLES, SAVE_TITLES, WHOLE_SCREEN};
use terminal::{Mode, Vocabulary};

use evidence::Evidence;

/// The user's terminal, ready to be drawn on.
#[derive(Clone, Debug)]
pub struct UserTerminal {
    evidence: Box<Evidence>,
    no_init: bool,
    /// What may be sent to it.
    pub vocabulary: Vocabulary,
    /// The keys that it writes otherwise than the server's terminal.
    pub keys: Keys,
    /// Sent when the session takes the screen.
    pub enter: Vec<u8>,
    /// Asks the terminal for its colours and its name, where that can be answered.
    pub ask: Vec<u8>,
    /// Makes it blank with the cursor at home and no attributes, as a new [`terminal::Screen`] is: sent after
    /// [`UserTerminal::enter`], and whenever what it shows is not known (resumed, resized, Ctrl-L).
    pub blank: Vec<u8>,
    /// Puts it back: sent on every way out. Safe to send twice.
    pub leave: Vec<u8>,
    /// The session has a screen of its own, which goes with it.
    pub alternate: bool,
}

/// A terminal that no session can be drawn on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the terminal type “{term}” cannot move its cursor")]
pub struct Unusable {
    /// The value of `TERM`.
    pub term: String,
}

impl UserTerminal {
    /// The terminal that the environment describes. `no_init`: leave the alternate screen alone.
    ///
    /// # Errors
    /// [`Unusable`] when `TERM` is unset, empty, or names a terminal without cursor movement. A name that terminfo does
    /// not know is judged by its family (`xterm…`) or taken for a plain ANSI terminal.
    pub fn from_environment(no_init: bool) -> Result<Self, Unusable> {
        Self::from_evidence(Evidence::from_environment(), no_init)
    }

    /// The terminal as it is when it says that this is its name and version (XTVERSION); `None` where that tells nothing.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Self> {
        let answer = known::is_name(name).then(|| name.to_owned())?;
        Self::from_evidence(self.evidence.answered(answer), self.no_init).ok()
    }

    fn from_evidence(evidence: Evidence, no_init: bool) -> Result<Self, Unusable> {
        if !evidence.moves_cursor() {
            return Err(Unusable { term: crate::text::sanitize::one_line(&evidence.term, 40) });
        }
        let mut vocabulary = vocabulary::of(&evidence);
        let (mut enter, mut leave) = (Vec::new(), Vec::new());
        if !no_init {
            enter.extend(evidence.screen_of_its_own("smcup", true));
        }
        let alternate = !enter.is_empty();
        // Most entries have this in the strings around the alternate screen. Who knows no such stack passes it over.
        if vocabulary.title && !contains(&enter, b"\x1b[22;") {
            enter.extend(SAVE_TITLES.bytes());
        }
        // On a screen of its own the wheel would type cursor keys at a prompt.
        vocabulary.wheel = alternate && vocabulary.input_modes;
        enter.extend(terminal::begin_modes(&vocabulary));
        // Cursor keys in application mode: the server translates them back for programs that want the others.
        let application_keys = evidence.has_application_keys();
        if application_keys {
            enter.extend(Mode::ApplicationCursor.switched(true).to_string().into_bytes());
            leave.extend(Mode::ApplicationCursor.switched(false).to_string().into_bytes());
        }
        leave.extend(PLAIN.bytes());
        leave.extend(terminal::end_modes(&vocabulary));
        if vocabulary.cursor_visibility {
            leave.extend(Mode::CursorVisible.switched(true).to_string().into_bytes());
        }
        if !no_init {
            leave.extend(evidence.screen_of_its_own("rmcup", false));
        }
        if vocabulary.title && !contains(&leave, b"\x1b[23;") {
            leave.extend(RESTORE_TITLES.bytes());
        }
        let mut blank = Vec::new();
        if vocabulary.scroll_region {
            blank.extend(WHOLE_SCREEN.bytes());
        }
        blank.extend(format!("{PLAIN}{HOME}{CLEAR}").into_bytes());
        let keys = Keys::of(|name| evidence.string(name));
        let ask = if vocabulary.title { questions() } else { Vec::new() };
        Ok(Self {
            evidence: Box::new(evidence),
            no_init,
            vocabulary,
            keys,
            enter,
            ask,
            blank,
            leave,
            alternate,
        })
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// How many colours the user's terminal has according to terminfo, for the server's `TERM`; 0 when it is not known.
#[must_use]
pub fn colours() -> u32 {
    terminfo_colours().and_then(|colours| u32::try_from(colours).ok()).unwrap_or(0)
}

/// The same in terminfo's own words: -1 when the terminal has none; `None` when there is no such terminal.
#[must_use]
pub fn terminfo_colours() -> Option<i32> {
    let evidence = Evidence::from_environment();
    evidence.known().then(|| evidence.number("colors").unwrap_or(-1))
}

impl From<Unusable> for Paragraph {
    fn from(error: Unusable) -> Self {
        Self::new(
            "A session cannot be drawn on this terminal.",
            format!("The reason: {error}."),
            "Set TERM to the terminal's type, such as TERM=xterm-256color.",
        )
    }
}

#[cfg(test)]
mod tests;
