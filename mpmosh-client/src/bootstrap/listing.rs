//! The sessions that a server lists, as it tells them in JSON.
//!
//! Contract: [`Listing::parse`] takes any octets. What it gives holds no control characters, and an id that can be typed. Fields
//! that are not known here are the server's own affair; a field that is missing is not told.

use core::fmt;
use core::time::Duration;

use serde::Deserialize;

use crate::cli::named;
use crate::text::sanitize::one_line;
use crate::text::stretch::{duration, since};

/// The version of the JSON that is known here.
const VERSION: u64 = 1;
/// Most of a word that is told, in characters.
const WORD: usize = 60;
/// A client that has been silent for longer is none: sleeping ones are for up to 35 s.
pub const SILENT: Duration = Duration::from_secs(40);

/// The sessions of a user on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The oldest first.
    pub sessions: Vec<Listed>,
}

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// What it runs, as far as that is told.
    pub runs: String,
    /// When it began, in seconds since 1970; 0 where that is not told.
    pub started: u64,
    /// Its client.
    pub client: Presence,
    /// When it ends if nobody comes back, in seconds since 1970.
    pub ends: Option<u64>,
    /// Why nobody can attach to it; empty where one can.
    pub closed: &'static str,
}

/// Whether a session has a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// It has, at this address, heard so long ago.
    There(String, Duration),
    /// It had, and has not heard it for so long.
    Silent(Duration),
    /// It was detached at this time, in seconds since 1970.
    Detached(u64),
    /// It has none, and nothing more is told.
    #[default]
    None,
    /// The session does not answer, and tells nothing of itself.
    Unknown,
}

/// Why there is no listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unlisted {
    /// It is another version's.
    Version(u64),
    /// It is not what it should be.
    Malformed(String),
}

impl fmt::Display for Unlisted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => {
                write!(f, "it is of version {version}, and version {VERSION} is known here")
            }
            Self::Malformed(why) => f.write_str(why),
        }
    }
}

#[derive(Deserialize)]
struct RawListing {
    sessions: Vec<RawSession>,
}

#[derive(Deserialize)]
struct RawSession {
    id: String,
    name: Option<String>,
    pid: Option<u64>,
    command: Option<String>,
    title: Option<String>,
    started: Option<u64>,
    dialect: Option<String>,
    terminal: Option<bool>,
    client: Option<RawClient>,
    detached: Option<u64>,
    ends: Option<u64>,
    attachable: Option<bool>,
}

#[derive(Deserialize)]
struct RawClient {
    address: Option<String>,
    heard: Option<u64>,
}

impl Listing {
    /// Reads the server's line.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn parse(line: &str) -> Result<Self, Unlisted> {
        let malformed = |error: serde_json::Error| Unlisted::Malformed(one_line(&error.to_string(), 120));
        let raw: serde_json::Value = serde_json::from_str(line).map_err(malformed)?;
        match raw.get("version").and_then(serde_json::Value::as_u64) {
            Some(VERSION) => {}
            Some(version) => return Err(Unlisted::Version(version)),
            None => return Err(Unlisted::Malformed("it names no version".into())),
        }
        let RawListing { sessions } = serde_json::from_value(raw).map_err(malformed)?;
        let sessions = sessions.into_iter().filter(|one| named::check(&one.id).is_ok()).map(listed);
        let mut sessions: Vec<Listed> = sessions.collect();
        sessions.sort_by_key(|one| one.started);
        Ok(Self { sessions })
    }

    /// Those that can be attached to and have no client, or else all that can be attached to.
    #[must_use]
    pub fn free(&self) -> Vec<&Listed> {
        let open = || self.sessions.iter().filter(|one| one.closed.is_empty());
        let free: Vec<&Listed> = open().filter(|one| !one.has_client()).collect();
        if free.is_empty() { open().collect() } else { free }
    }
}

fn listed(raw: RawSession) -> Listed {
    let RawSession {
        id,
        name,
        pid,
        command,
        title,
        started,
        dialect,
        terminal,
        client,
        detached,
        ends,
        attachable,
    } = raw;
    let word = |text: Option<String>| text.map(|text| one_line(&text, WORD)).filter(|text| !text.is_empty());
    // Whoever tells of itself has a process.
    let silent = pid == Some(0);
    let client = match (client, detached) {
        _ if silent => Presence::Unknown,
        (Some(RawClient { address, heard }), _) => match Duration::from_secs(heard.unwrap_or(0)) {
            silence if silence >= SILENT => Presence::Silent(silence),
            heard => Presence::There(word(address).unwrap_or_else(|| "an unknown address".into()), heard),
        },
        (None, Some(at)) => Presence::Detached(at),
        (None, None) => Presence::None,
    };
    let closed = match (attachable, dialect.as_deref(), terminal) {
        _ if silent => "it does not answer",
        (Some(true) | None, _, _) => "",
        (_, _, Some(false)) => "without a terminal",
        (_, Some("mosh" | "mp-mosh"), _) => "mosh's dialect",
        _ => "not now",
    };
    Listed {
        id,
        name: name.filter(|name| named::check(name).is_ok()),
        runs: match silent {
            true => "unknown".into(),
            false => word(command).or_else(|| word(title)).unwrap_or_else(|| "login shell".into()),
        },
        started: started.unwrap_or(0),
        client,
        ends,
        closed,
    }
}

impl Listed {
    /// What people call it by.
    #[must_use]
    pub fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }

    /// How it stands with its client, in a few words, at a time in seconds since 1970.
    #[must_use]
    pub fn standing(&self, now: u64) -> String {
        match &self.client {
            Presence::There(address, heard) => format!("client {address}, heard {} ago", duration(*heard)),
            Presence::Silent(silence) => format!("client silent for {}", duration(*silence)),
            Presence::Detached(at) => match since(*at, now) {
                Some(time) => format!("detached {} ago", duration(time)),
                None => "detached".into(),
            },
            Presence::None => "no client".into(),
            Presence::Unknown => "unknown".into(),
        }
    }

    /// Whether its client was heard lately.
    #[must_use]
    pub fn has_client(&self) -> bool {
        matches!(self.client, Presence::There(..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(fields: &str) -> Listed {
        let line = format!(r#"{{"version":1,"sessions":[{{"id":"kq3f8a"{fields}}}],"newer":2}}"#);
        let listing = Listing::parse(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        listing.sessions.into_iter().next().unwrap_or_else(|| panic!("{line}"))
    }

    #[test]
    fn a_session_is_read_with_what_is_told_of_it_and_without_the_rest() {
        let whole = one(concat!(
            r#","name":"work","pid":4711,"command":"vim notes","title":"x","started":1000,"port":60001,"#,
            r#""dialect":"multipath","terminal":true,"columns":80,"rows":24,"#,
            r#""client":{"address":"192.0.2.7:51000","heard":3},"detached":null,"ends":null,"attachable":true"#
        ));
        assert_eq!((whole.called(), whole.runs.as_str(), whole.started), ("work", "vim notes", 1000));
        assert_eq!(whole.client, Presence::There("192.0.2.7:51000".into(), Duration::from_secs(3)));
        let bare = one("");
        assert_eq!(
            (bare.called(), bare.runs.as_str(), &bare.client),
            ("kq3f8a", "login shell", &Presence::None)
        );
        assert_eq!(one(r#","command":null,"title":"vim""#).runs, "vim");
        let silent = one(r#","client":{"address":"192.0.2.7:51000","heard":40}"#);
        assert!(!silent.has_client() && silent.client == Presence::Silent(Duration::from_secs(40)));
        assert_eq!(one(r#","client":null,"detached":77"#).client, Presence::Detached(77));
        let stopped = one(r#","pid":0,"terminal":false,"client":null,"attachable":false"#);
        assert_eq!((stopped.client, stopped.closed), (Presence::Unknown, "it does not answer"));
        assert_eq!(one(r#","attachable":false,"terminal":false"#).closed, "without a terminal");
        assert_eq!(one(r#","attachable":false,"terminal":true,"dialect":"mosh""#).closed, "mosh's dialect");
    }

    #[test]
    fn what_a_program_puts_into_a_title_is_not_obeyed() {
        let title = one(r#","title":"\u001b]0;x\u0007\u001b[2Jred\u009b2J \u202e""#).runs;
        assert_eq!(title, "red");
        assert_eq!(one(r#","name":"a\u001b[2J""#).name, None);
        let line = r#"{"version":1,"sessions":[{"id":"x; rm -rf ~"},{"id":"-x"}]}"#;
        assert_eq!(Listing::parse(line), Ok(Listing::default()));
    }

    #[test]
    fn another_version_and_what_is_no_listing_are_told() {
        assert_eq!(Listing::parse(r#"{"version":2,"sessions":7}"#), Err(Unlisted::Version(2)));
        for line in ["", "{}", "[]", r#"{"version":1,"sessions":[{}]}"#, "\u{1b}"] {
            assert!(matches!(Listing::parse(line), Err(Unlisted::Malformed(_))), "{line}");
        }
    }

    #[test]
    fn those_without_a_client_come_before_those_with_one() {
        let line = concat!(
            r#"{"version":1,"sessions":[{"id":"a00000","client":{"heard":1}},{"id":"b00000"},"#,
            r#"{"id":"c00000","attachable":false}]}"#
        );
        let mut listing = Listing::parse(line).unwrap_or_else(|error| panic!("{error}"));
        let aged = r#"{"version":1,"sessions":[{"id":"new000","started":9},{"id":"old000","started":3}]}"#;
        assert_eq!(Listing::parse(aged).map(|listing| listing.sessions[0].id.clone()), Ok("old000".into()));
        let ids = |listing: &Listing| listing.free().iter().map(|one| one.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&listing), ["b00000"]);
        listing.sessions.remove(1);
        assert_eq!(ids(&listing), ["a00000"]);
    }

    proptest! {
        #[test]
        fn any_octets_are_taken(line in any::<String>()) {
            let _ = Listing::parse(&line);
        }
    }
}
