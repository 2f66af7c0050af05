//! This user's running sessions: where their control sockets are, and what they answer.

use crate::session::report::{SessionReport, VERSION};
use crate::text::sanitize::one_line;
use platform::control;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a session may take to answer. It answers at once unless it is stopped.
const PATIENCE: Duration = Duration::from_secs(1);

/// The longest answer: 64 flows are some thirty thousand octets.
pub(super) const LONGEST: u64 = 1 << 20;

/// The longest path of a folder that leaves room for a socket in it: addresses of sockets have 104 octets on the BSDs and
/// macOS.
const FOLDER: usize = 80;

/// The folders where control sockets may be, the best first: `$XDG_RUNTIME_DIR/mpmosh` where that is this user's, else
/// `mpmosh-UID` in `$TMPDIR`, or in `/tmp` where there is none, or where its path is too long for a socket. Who has both
/// variables of their own has sessions of their own, apart from those of the rest of the machine.
#[must_use]
pub fn places() -> Vec<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let is_ours = |folder: &Path| folder.symlink_metadata().is_ok_and(|about| about.uid() == user);
    places_of(user, |name| std::env::var_os(name).map(PathBuf::from), is_ours)
}

fn places_of(
    user: u32,
    variable: impl Fn(&str) -> Option<PathBuf>,
    is_ours: impl Fn(&Path) -> bool,
) -> Vec<PathBuf> {
    let folder = |name: &str| variable(name).filter(|path| path.is_absolute());
    let runtime =
        folder("XDG_RUNTIME_DIR").filter(|folder| is_ours(folder)).map(|folder| folder.join("mpmosh"));
    let own = |folder: PathBuf| folder.join(format!("mpmosh-{user}"));
    let temporary = folder("TMPDIR").map(own).filter(|folder| folder.as_os_str().len() <= FOLDER);
    runtime.into_iter().chain([temporary.unwrap_or_else(|| own("/tmp".into()))]).collect()
}

/// What goes over the socket: one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
pub struct Envelope {
    version: u32,
    release: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<SessionReport>,
}

/// What of it every version has.
#[derive(Deserialize)]
struct Version {
    version: u32,
    #[serde(default)]
    release: String,
}

impl Envelope {
    /// A report.
    #[must_use]
    pub fn of(session: SessionReport) -> Self {
        Self {
            version: VERSION,
            release: env!("CARGO_PKG_VERSION").into(),
            error: None,
            session: Some(session),
        }
    }

    /// Why there is no report.
    #[must_use]
    pub fn problem(error: String) -> Self {
        Self {
            version: VERSION,
            release: env!("CARGO_PKG_VERSION").into(),
            error: Some(error),
            session: None,
        }
    }

    /// The line, with its end.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// A session's socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its process.
    pub(super) id: u32,
    path: PathBuf,
}

/// What became of a question.
#[derive(Debug)]
pub(super) enum Answer {
    /// A report.
    Report(Box<SessionReport>),
    /// A sentence about a session that is there and cannot be told of.
    Problem(String),
    /// The session has ended.
    Gone,
}

/// The sockets of this user's sessions, by process. What dead sessions left is removed.
pub(super) fn find() -> Vec<Found> {
    let mut found = Vec::new();
    for folder in places() {
        for (id, path) in control::list(&folder) {
            control::remove_stale(id, &path);
            if path.exists() {
                found.push(Found { id, path });
            }
        }
    }
    found.sort_by_key(|found| found.id);
    found
}

impl Found {
    /// Asks for one report.
    pub(super) fn ask(&self) -> Answer {
        let answer = match self.exchange("paths") {
            Ok(mut lines) => self.next(&mut lines),
            Err(error) => self.failed(&error),
        };
        match answer {
            Answer::Gone if self.path.exists() => {
                let id = self.id;
                Answer::Problem(format!("The session of process {id} turns us away: others keep it busy."))
            }
            answer => answer,
        }
    }

    /// Asks for reports without end.
    pub(super) fn watch(&self) -> io::Result<BufReader<UnixStream>> {
        self.exchange("watch")
    }

    fn exchange(&self, verb: &str) -> io::Result<BufReader<UnixStream>> {
        let mut stream = control::connect(&self.path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{verb} {VERSION}\n").as_bytes())?;
        Ok(BufReader::new(stream))
    }

    /// The next answer on this connection.
    pub(super) fn next(&self, lines: &mut impl BufRead) -> Answer {
        let mut line = Vec::new();
        match lines.take(LONGEST).read_until(b'\n', &mut line) {
            Ok(_) if line.ends_with(b"\n") => self.understand(&line),
            Ok(_) => Answer::Gone,
            Err(error) => self.failed(&error),
        }
    }

    fn understand(&self, line: &[u8]) -> Answer {
        let id = self.id;
        let Ok(Version { version, release }) = serde_json::from_slice(line) else {
            return Answer::Problem(format!("Process {id} answers in words that are no session's."));
        };
        if version != VERSION {
            return Answer::Problem(format!(
                "The session of process {id} is mpmosh {}'s, whose control protocol has version {version}; this is \
                 version {VERSION}. Use the mpmosh that started it.",
                one_line(&release, 40)
            ));
        }
        match serde_json::from_slice::<Envelope>(line) {
            Ok(Envelope { session: Some(session), .. }) => Answer::Report(Box::new(session)),
            Ok(Envelope { error: Some(error), .. }) => {
                Answer::Problem(format!("The session of process {id} says: {}.", one_line(&error, 200)))
            }
            Ok(_) => Answer::Problem(format!("The session of process {id} has an empty answer.")),
            Err(error) => Answer::Problem(format!("The session of process {id} is not understood: {error}.")),
        }
    }

    fn failed(&self, error: &io::Error) -> Answer {
        let id = self.id;
        match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::NotFound | ErrorKind::BrokenPipe => Answer::Gone,
            ErrorKind::ConnectionReset => Answer::Gone,
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Answer::Problem(format!(
                "The session of process {id} does not answer: it is stopped (Ctrl-Z), or others keep it busy."
            )),
            ErrorKind::PermissionDenied => {
                Answer::Problem(format!("The socket {} is another user's.", self.path.display()))
            }
            _ => Answer::Problem(format!("The session of process {id} cannot be asked: {error}.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> String {
        let found = Found { id: 7, path: PathBuf::new() };
        match found.next(&mut line.as_bytes()) {
            Answer::Problem(problem) => problem,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn who_has_folders_of_their_own_has_sessions_of_their_own() {
        let places = |runtime: &str, temporary: &str| {
            let variable = |name: &str| {
                let value = if name == "TMPDIR" { temporary } else { runtime };
                (!value.is_empty()).then(|| PathBuf::from(value))
            };
            let paths = places_of(1000, variable, |folder| folder != Path::new("/theirs"));
            paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            places("/run/user/1000", "/home/u/tmp"),
            ["/run/user/1000/mpmosh", "/home/u/tmp/mpmosh-1000"]
        );
        assert_eq!(places("/run/user/1000", ""), ["/run/user/1000/mpmosh", "/tmp/mpmosh-1000"]);
        assert_eq!(places("/theirs", "relative"), ["/tmp/mpmosh-1000"]);
        let long = format!("/{}", "x".repeat(80));
        assert_eq!(places("", &long), ["/tmp/mpmosh-1000"], "no socket fits there");
    }

    #[test]
    fn another_version_is_told_in_words() {
        let later = r#"{"version":2,"release":"9.1.0","session":{"new":true}}"#.to_owned() + "\n";
        let problem = told(&later);
        assert!(problem.contains("mpmosh 9.1.0") && problem.contains("version 2"), "{problem}");
        let refused = Envelope::problem("no, thank you".into()).line();
        let problem = told(std::str::from_utf8(&refused).unwrap());
        assert_eq!(problem, "The session of process 7 says: no, thank you.");
        assert!(told("nonsense\u{1b}[2J\n").contains("no session's"));
        assert!(told("{\"version\":1,\"release\":\"\"}\n").contains("empty answer"));
    }

    #[test]
    fn an_answer_that_breaks_off_is_of_a_session_that_ended() {
        let found = Found { id: 7, path: PathBuf::new() };
        assert!(matches!(found.next(&mut &b"{\"version\""[..]), Answer::Gone));
        assert!(matches!(found.next(&mut &b""[..]), Answer::Gone));
    }
}
