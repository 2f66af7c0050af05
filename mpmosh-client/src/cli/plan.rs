//! What a session is started from: the words between the bootstrap and the event loop.
//!
//! Contract: everything here is a plain value. Whoever fills a [`SessionPlan`] has spoken to the user for the last time
//! before the screen is taken; whoever consumes it needs no configuration, no ssh and no environment variable besides
//! `TERM` and the locale.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use zeroize::Zeroizing;

use super::words::{CarrierMode, Clipboard, Family, Metered, OnHangup, PredictMode, Redundancy};

/// Everything the event loop needs to run one session.
#[derive(Debug)]
pub struct SessionPlan {
    /// What the session is called in `mpmosh paths`: the host as the user named it.
    pub label: String,
    /// What ssh reaches the server's machine by, for advice; `None`: it is this one.
    pub ssh_host: Option<String>,
    /// The words that name that machine on `mpmosh`'s command line.
    pub way: String,
    /// The session as its server keeps it; `None`: that server keeps none, and its session ends with its client.
    pub session: Option<KnownSession>,
    /// The server's process on that machine.
    pub process: ServerProcess,
    /// Which wire format the server speaks.
    pub dialect: net::DialectName,
    /// The session's key as printed by the server.
    pub key: KeyText,
    /// Where the server is: the address the bootstrap reached first, then those the server listed on the
    /// authenticated channel.
    pub remotes: Vec<SocketAddr>,
    /// Where the server may be: what the name service says. Unauthenticated.
    pub hints: Vec<SocketAddr>,
    /// What lay between here and the host for ssh: datagrams go without it.
    pub through: Option<String>,
    /// The server's name, to be asked for again when nothing answers; `None` where only an address is known.
    pub lookup: Option<String>,
    /// How the session behaves.
    pub settings: Settings,
    /// It runs a command, whose output the user wants to keep, and no shell to work in.
    pub command: bool,
    /// Carry standard input, output and error as byte streams: at least one side is not a terminal.
    pub streams: bool,
    /// The size of the terminal, columns and rows, that the server was told before the session began.
    pub told: Option<(u16, u16)>,
}

/// A session that outlives its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSession {
    /// Its id: six letters or digits.
    pub id: String,
    /// The name that it was given.
    pub name: Option<String>,
    /// It was there before, and not created for this client.
    pub attached: bool,
}

impl KnownSession {
    /// What people call it by: its name, or its id where it has none.
    #[must_use]
    pub fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }
}

/// The server's process, once it has said which it is: after its announcement, and so perhaps after the session began.
pub type ServerProcess = Arc<OnceLock<u32>>;

/// The session's key in its printed form: wiped from memory when dropped, and never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyText(Zeroizing<String>);

impl KeyText {
    /// Takes the printed form.
    #[must_use]
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The printed form, for the key's parser alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText(…)")
    }
}

/// What the user wants of this machine's interfaces; names as the operating system gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interfaces {
    /// Used before others; also lifts the restraint on tunnels.
    pub prefer: Vec<String>,
    /// Used only when nothing else works.
    pub backup: Vec<String>,
    /// Not used.
    pub never: Vec<String>,
    /// Metered networks.
    pub metered: Metered,
}

/// The key that begins a command to the client itself.
///
/// Parsed as mosh's `MOSH_ESCAPE_KEY`: empty turns it off; one ASCII character is taken; anything else, and the characters
/// that would make the terminal unusable (Ctrl-C, Ctrl-D, newline, formfeed, return), mean the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EscapeKey(pub Option<u8>);

impl EscapeKey {
    /// Ctrl-^.
    pub const DEFAULT: Self = Self(Some(0x1e));

    /// Reads the setting.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.as_bytes() {
            [] => Self(None),
            [3 | 4 | 10 | 12 | 13] => Self::DEFAULT,
            [byte @ 1..=127] => Self(Some(*byte)),
            _ => Self::DEFAULT,
        }
    }
}

impl Default for EscapeKey {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How the session behaves: the part of the configuration that outlives the bootstrap.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one option")]
pub struct Settings {
    /// When to predict.
    pub predict: PredictMode,
    /// Predicted keys overwrite instead of inserting.
    pub predict_overwrite: bool,
    /// The escape key.
    pub escape: EscapeKey,
    /// Redundant sending.
    pub redundancy: Redundancy,
    /// Going through ssh.
    pub carrier: CarrierMode,
    /// Which interfaces, and how.
    pub interfaces: Interfaces,
    /// The longest silence of a session in which nothing happens.
    pub keepalive: Duration,
    /// Further addresses of the server given by the user.
    pub addresses: Vec<IpAddr>,
    /// Address families to use.
    pub family: Family,
    /// What a hang-up of the terminal does; `None`: it detaches a session with a name, and ends one without.
    pub on_hangup: Option<OnHangup>,
    /// Tell for a moment that the session has moved to a metered uplink.
    pub metered_notice: bool,
    /// Whether programs may write the terminal's clipboard.
    pub clipboard: Clipboard,
    /// Do not put `[mpmosh] ` before the window's title.
    pub plain_title: bool,
    /// Do not send the terminal's initialisation and exit strings (alternate screen).
    pub no_init: bool,
    /// Where the trace goes, one JSON object per line.
    pub trace: Option<PathBuf>,
    /// How much to tell: 0 is nothing that is not asked for.
    pub verbose: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_escape_key_is_read_as_mosh_reads_it() {
        assert_eq!(EscapeKey::parse(""), EscapeKey(None));
        assert_eq!(EscapeKey::parse("~"), EscapeKey(Some(b'~')));
        assert_eq!(EscapeKey::parse("\u{3}"), EscapeKey::DEFAULT);
        assert_eq!(EscapeKey::parse("ab"), EscapeKey::DEFAULT);
        assert_eq!(EscapeKey::parse("é"), EscapeKey::DEFAULT);
    }

    #[test]
    fn a_key_is_never_shown_by_debug() {
        let key = KeyText::new(Zeroizing::new("secret".into()));
        assert!(!format!("{key:?}").contains("secret"));
    }
}
