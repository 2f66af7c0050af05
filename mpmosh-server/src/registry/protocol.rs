//! What goes over a session's control socket: one line of JSON is asked, and one answers.
//!
//! Contract: [`VERSION`] stands in both, and grows when a field changes its meaning; fields that are added do not change it.
//! Times are seconds since 1970, sizes are columns and rows.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// The version of this schema.
pub const VERSION: u32 = 1;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The schema's version.
    pub version: u32,
    /// What for.
    #[serde(flatten)]
    pub verb: Verb,
}

/// What a session can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "lowercase")]
pub enum Verb {
    /// What it is and how it stands.
    Info,
    /// A key for another client.
    Attach(Attach),
    /// To let its client go.
    Detach,
    /// To end.
    Kill,
}

impl Verb {
    /// The word.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Attach(_) => "attach",
            Self::Detach => "detach",
            Self::Kill => "kill",
        }
    }
}

/// Who wants to attach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// The size of its terminal.
    pub columns: u16,
    /// The same.
    pub rows: u16,
    /// It may take the session over from a client that was heard lately.
    #[serde(default)]
    pub take: bool,
    /// The address of this host that its ssh reached; none where it is on this host.
    #[serde(default)]
    pub reached: Option<IpAddr>,
    /// Where its ssh came from.
    #[serde(default)]
    pub from: Option<IpAddr>,
    /// Addresses that the user named for this host.
    #[serde(default)]
    pub named: Vec<IpAddr>,
}

/// What is answered: one of the fields after the release.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Answer {
    /// The schema's version.
    pub version: u32,
    /// The release that serves the session.
    pub release: String,
    /// What was asked by `info`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<Info>,
    /// What was asked by `attach`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admission: Option<Admission>,
    /// What was asked for is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<Done>,
    /// Or it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
}

/// Nothing more to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}

/// How another client reaches the session. The key is in no log.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Admission {
    /// The UDP port.
    pub port: u16,
    /// The key, in base64.
    pub key: String,
    /// This host's addresses besides the one that ssh reached.
    pub addresses: Vec<IpAddr>,
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admission").field("port", &self.port).finish_non_exhaustive()
    }
}

/// Why something is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// For programs.
    pub code: Code,
    /// For people.
    pub sentence: String,
}

/// Kinds of refusals, as programs read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Code {
    /// There is no session at all, or none without a client.
    None,
    /// There is none of this id or name.
    Unknown,
    /// Several are meant.
    Several,
    /// Its client was heard lately.
    Busy,
    /// Its client speaks a dialect that cannot be attached to.
    Stock,
    /// It has no terminal.
    Streams,
    /// The name is none.
    Name,
    /// What else went wrong.
    #[serde(other)]
    Failed,
}

impl Code {
    /// The word for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Unknown => "unknown",
            Self::Several => "several",
            Self::Busy => "busy",
            Self::Stock => "stock",
            Self::Streams => "streams",
            Self::Name => "name",
            Self::Failed => "failed",
        }
    }
}

impl Refusal {
    /// One of this kind.
    #[must_use]
    pub fn new(code: Code, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into() }
    }
}

/// A session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Its id.
    pub id: String,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Its process.
    pub pid: u32,
    /// What runs in it; none for a login shell.
    pub command: Option<String>,
    /// The window's title, as the program set it.
    pub title: String,
    /// When it began.
    pub started: u64,
    /// Its UDP port.
    pub port: u16,
    /// Where it is reached on its own host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<SocketAddr>,
    /// What its client speaks.
    pub dialect: String,
    /// It has a terminal.
    pub terminal: bool,
    /// The terminal's size.
    pub columns: u16,
    /// The same.
    pub rows: u16,
    /// Its client; none where it has none.
    pub client: Option<ClientInfo>,
    /// When its client was let go; none where it has one.
    pub detached: Option<u64>,
    /// When it ends by itself, if nobody attaches.
    pub ends: Option<u64>,
    /// Whether another client can attach.
    pub attachable: bool,
}

/// A session's client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientInfo {
    /// Where it was heard last.
    pub address: String,
    /// How many seconds ago.
    pub heard: u64,
}

/// Several sessions, as programs read them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct List {
    /// The schema's version.
    pub version: u32,
    /// The release that made the list.
    pub release: String,
    /// By id.
    pub sessions: Vec<Info>,
}

impl Answer {
    /// An answer that says nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { version: VERSION, release: env!("CARGO_PKG_VERSION").into(), ..Self::default() }
    }

    /// Nothing is done.
    #[must_use]
    pub fn refused(refusal: Refusal) -> Self {
        Self { refused: Some(refusal), ..Self::new() }
    }

    /// It is done.
    #[must_use]
    pub fn done() -> Self {
        Self { done: Some(Done {}), ..Self::new() }
    }

    /// The line, with its end.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

impl Question {
    /// This is asked.
    #[must_use]
    pub const fn new(verb: Verb) -> Self {
        Self { version: VERSION, verb }
    }

    /// Reads a question.
    ///
    /// # Errors
    /// A sentence: it is of another version, or not known.
    pub fn read(line: &str) -> Result<Verb, Refusal> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        match serde_json::from_str::<Versioned>(line) {
            Ok(Versioned { version: VERSION }) => {}
            Ok(Versioned { version }) => {
                let sentence =
                    format!("the session speaks version {VERSION} of the control protocol, not {version}");
                return Err(Refusal::new(Code::Failed, sentence));
            }
            Err(_) => return Err(Refusal::new(Code::Failed, "what is asked is no question")),
        }
        let unknown = |_| Refusal::new(Code::Failed, "what is asked is not known to the session's release");
        serde_json::from_str::<Self>(line).map(|question| question.verb).map_err(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_objects_with_a_version_and_a_verb() {
        assert_eq!(Question::read(r#"{"version":1,"verb":"info"}"#), Ok(Verb::Info));
        let attach = r#"{"version":1,"verb":"attach","columns":80,"rows":24,"later":"field"}"#;
        let expected = Attach { columns: 80, rows: 24, ..Attach::default() };
        assert_eq!(Question::read(attach), Ok(Verb::Attach(expected)));
        for verb in [Verb::Info, Verb::Detach, Verb::Kill, Verb::Attach(Attach::default())] {
            let line = serde_json::to_string(&Question::new(verb.clone())).unwrap();
            assert_eq!(Question::read(&line), Ok(verb));
        }
    }

    #[test]
    fn what_is_no_question_of_ours_gets_a_sentence() {
        for (line, says) in [
            ("", "no question"),
            ("paths 1", "no question"),
            (r#"{"version":2,"verb":"info"}"#, "version 1"),
            (r#"{"version":1,"verb":"dance"}"#, "not known"),
            (r#"{"version":1,"verb":"attach","columns":-1,"rows":24}"#, "not known"),
        ] {
            let refusal = Question::read(line).unwrap_err();
            assert!(refusal.sentence.contains(says), "{line}: {refusal:?}");
        }
    }

    #[test]
    fn a_key_is_not_told_by_accident() {
        let admission = Admission { port: 60001, key: "secret".into(), addresses: Vec::new() };
        assert!(!format!("{admission:?}").contains("secret"));
        let answer = Answer { admission: Some(admission), ..Answer::new() };
        assert!(!format!("{answer:?}").contains("secret"));
        assert!(String::from_utf8(answer.line()).unwrap().contains("secret"));
    }

    #[test]
    fn codes_are_words_and_unknown_ones_are_failures() {
        let codes = [
            Code::None,
            Code::Unknown,
            Code::Several,
            Code::Busy,
            Code::Stock,
            Code::Streams,
            Code::Name,
            Code::Failed,
        ];
        for code in codes {
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{}\"", code.as_str()));
        }
        assert_eq!(serde_json::from_str::<Code>("\"later\"").unwrap(), Code::Failed);
    }
}
