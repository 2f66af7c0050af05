//! This user's running sessions: where their control sockets are, and what they answer.

use crate::cli::args::PathsRequest;
use crate::run::control::envelope::{Envelope, Version, places};
use crate::session::report::{SessionReport, VERSION};
use crate::text::sanitize::one_line;
use platform::control;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// How long a session may take to answer. It answers at once unless it is stopped.
const PATIENCE: Duration = Duration::from_secs(1);

/// The longest answer: 64 flows are some thirty thousand octets.
pub(super) const LONGEST: u64 = 1 << 20;

/// A session's socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SessionSocket {
    /// Its process.
    pub(super) id: u32,
    path: PathBuf,
}

/// What became of a question.
#[derive(Debug)]
pub(super) enum Reply {
    /// A report.
    Report(Box<SessionReport>),
    /// A sentence about a session that is there and cannot be told of.
    Problem(String),
    /// The session has ended.
    Gone,
}

/// The sockets of this user's sessions, by process. What dead sessions left is removed.
pub(super) fn find() -> Vec<SessionSocket> {
    let mut found = Vec::new();
    for folder in places() {
        for (id, path) in control::list(&folder) {
            control::remove_stale(id, &path);
            if path.exists() {
                found.push(SessionSocket { id, path });
            }
        }
    }
    found.sort_by_key(|found| found.id);
    found
}

impl SessionSocket {
    /// Whether it is asked for, as far as its process tells; the name is in its answer.
    pub(super) fn may_be(&self, request: &PathsRequest) -> bool {
        request.process().is_none_or(|id| id == self.id)
    }

    /// Asks for one report.
    pub(super) fn ask(&self) -> Reply {
        let answer = match self.exchange("paths") {
            Ok(mut lines) => self.next(&mut lines),
            Err(error) => self.failed(&error),
        };
        match answer {
            Reply::Gone if self.path.exists() => {
                let id = self.id;
                Reply::Problem(format!("The session of process {id} turns us away: others keep it busy."))
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
    pub(super) fn next(&self, lines: &mut impl BufRead) -> Reply {
        let mut line = Vec::new();
        match lines.take(LONGEST).read_until(b'\n', &mut line) {
            Ok(_) if line.ends_with(b"\n") => self.understand(&line),
            Ok(_) => Reply::Gone,
            Err(error) => self.failed(&error),
        }
    }

    fn understand(&self, line: &[u8]) -> Reply {
        let id = self.id;
        let Ok(Version { version, release }) = serde_json::from_slice(line) else {
            return Reply::Problem(format!("Process {id} answers in words that are no session's."));
        };
        if version != VERSION {
            return Reply::Problem(format!(
                "The session of process {id} is mpmosh {}'s, whose control protocol has version {version}; this is \
                 version {VERSION}. Use the mpmosh that started it.",
                one_line(&release, 40)
            ));
        }
        match serde_json::from_slice::<Envelope>(line) {
            Ok(Envelope { session: Some(session), .. }) => Reply::Report(Box::new(session)),
            Ok(Envelope { error: Some(error), .. }) => {
                Reply::Problem(format!("The session of process {id} says: {}.", one_line(&error, 200)))
            }
            Ok(_) => Reply::Problem(format!("The session of process {id} has an empty answer.")),
            Err(error) => Reply::Problem(format!("The session of process {id} is not understood: {error}.")),
        }
    }

    fn failed(&self, error: &io::Error) -> Reply {
        let id = self.id;
        match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::NotFound | ErrorKind::BrokenPipe => Reply::Gone,
            ErrorKind::ConnectionReset => Reply::Gone,
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Reply::Problem(format!(
                "The session of process {id} does not answer: it is stopped (Ctrl-Z), or others keep it busy."
            )),
            ErrorKind::PermissionDenied => {
                Reply::Problem(format!("The socket {} is another user's.", self.path.display()))
            }
            _ => Reply::Problem(format!("The session of process {id} cannot be asked: {error}.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> String {
        let found = SessionSocket { id: 7, path: PathBuf::new() };
        match found.next(&mut line.as_bytes()) {
            Reply::Problem(problem) => problem,
            other => panic!("{other:?}"),
        }
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
        let found = SessionSocket { id: 7, path: PathBuf::new() };
        assert!(matches!(found.next(&mut &b"{\"version\""[..]), Reply::Gone));
        assert!(matches!(found.next(&mut &b""[..]), Reply::Gone));
    }
}
