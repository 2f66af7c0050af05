//! How a session ended, as an exit status or as a paragraph.

use super::FAILED;
use crate::cli::plan::SessionPlan;
use crate::session::client::Outcome;
use crate::session::silence::{self, Facts, Refusal, Row};
use crate::text::messages::{Paragraph, notice};
use platform::signals::Signal;
use std::io;
use sync::Channel;

/// How a session ended, with what there is to say of it.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    /// The session had no terminal: its status and its output are all that anybody sees of it.
    pub(super) streams: bool,
    /// The signal that ended it here.
    pub(super) signal: Option<Signal>,
    /// What could not be written here, and why.
    pub(super) unwritten: Option<(Channel, io::Error)>,
    /// What the server said of a command that it could not start, on a screen that is gone.
    pub(super) last_words: Option<String>,
    /// What a command printed on a screen that is gone, to be said again.
    pub(super) printed: Vec<u8>,
    /// What the user calls the host; none: this machine.
    pub(super) host: Option<String>,
    /// The server's process there, as far as it is known.
    pub(super) process: Option<u32>,
    /// The server's port.
    pub(super) port: u16,
    /// The server is a stock one, as far as its dialect tells.
    pub(super) stock: bool,
    /// The server has said something of the session.
    pub(super) heard: bool,
    /// What came up while the screen was the session's.
    pub(super) afterwards: Vec<String>,
    /// A row for each path.
    pub(super) rows: Vec<Row>,
    /// What lay between here and the host for ssh.
    pub(super) through: Option<String>,
}

/// What comes of an ending: one answer for sessions with and without a terminal. The manual has the same table.
#[derive(Debug)]
pub(super) enum Consequence {
    /// The exit status says it all.
    Status(u8),
    /// The user is told something besides.
    Told(Paragraph, u8),
    /// A failure; each program has its own status for those.
    Failure(Paragraph),
}

impl Ending {
    /// The exit status and the words.
    pub(super) fn verdict(self) -> Consequence {
        if let Some((channel, error)) = self.unwritten {
            let name = if channel == Channel::Stderr { "error" } else { "output" };
            return Consequence::Failure(Paragraph::new(
                format!("Standard {name} could not be written."),
                format!("The system says: {error}. Not all of what the command wrote is there."),
                "Make room, and run it again.",
            ));
        }
        // Stock clients tell no signal.
        let signal = self.signal.filter(|_| !self.stock).map(shell_status);
        match self.outcome {
            Outcome::Ended(Some(status)) => {
                if let Some(words) = self.last_words {
                    notice(&words);
                }
                Consequence::Status(status)
            }
            // Stock servers tell no status.
            Outcome::Ended(None) if self.stock => Consequence::Status(0),
            Outcome::Ended(None) => Consequence::Failure(Paragraph::new(
                "The session ended before the command did.",
                "The server left without the command's status: somebody there told it to (kill), or its machine shuts down.",
                match self.streams {
                    true => "What was written up to then is there; run the command again.",
                    false => "The command was hung up on; connect again to see what became of it.",
                },
            )),
            Outcome::Quit => Consequence::Status(signal.unwrap_or(if self.streams { FAILED } else { 0 })),
            Outcome::QuitUnanswered => match signal {
                Some(status) => Consequence::Told(self.left_behind(), status),
                None => Consequence::Failure(self.left_behind()),
            },
            Outcome::NothingReceived => {
                let (port, stock) = (self.port, self.stock);
                let facts = Facts { port, through: self.through.as_deref(), runs: None, stock };
                let told = silence::report(&self.rows, facts);
                let next = format!("{} {} {}", told.next, UNHEARD, self.ends_it(" then"));
                Consequence::Failure(Paragraph { next, ..told })
            }
            Outcome::ServerGone => Consequence::Failure(self.gone()),
        }
    }

    /// The user left, and the server may not know.
    fn left_behind(&self) -> Paragraph {
        let what = "The session was left, and its server did not answer.";
        let program = if self.stock { "mosh-server" } else { "mpmosh-server" };
        if !self.heard {
            let host = self.host.as_deref().unwrap_or("HOST");
            return Paragraph::new(
                "The session was left before its server had said a word.",
                UNHEARD,
                format!(
                    "{} “mpmosh doctor {host}” shows what the network between does.",
                    self.ends_it(" then")
                ),
            );
        }
        if self.is_refused() {
            return Paragraph::new(
                what,
                "Its host refuses the port: the server has ended, in all likelihood.",
                format!("“{}” shows whether one is left.", self.there(&format!("pgrep -l {program}"))),
            );
        }
        let stays = match (self.stock, self.streams) {
            (true, _) => "may still run, with the program in it".to_owned(),
            (false, false) => {
                "may still run, with the program in it, until MOSH_SERVER_NETWORK_TMOUT, if that is set there"
                    .to_owned()
            }
            (false, true) => "may still run, with the command in it, for a quarter of an hour".to_owned(),
        };
        let evidence = format!("No path to it works, so that it was not told: it {stays}.");
        Paragraph::new(what, evidence, self.ends_it(""))
    }

    /// The server of a session without a terminal was there, and is no more.
    fn gone(&self) -> Paragraph {
        let (evidence, next) = match self.is_refused() {
            true => (
                "The network refuses what is sent to it: the server has ended, or its host started anew.",
                format!("“{}” shows whether one is left.", self.there("pgrep -l mpmosh-server")),
            ),
            false => (
                "Nothing was heard from it for a quarter of an hour, on any path: it gives up as well, and ends the command.",
                self.ends_it(" before"),
            ),
        };
        let next = format!("What was written up to then is there. {next}");
        Paragraph::new("The server is gone, and the command's status with it.", evidence, next)
            .with_rows(self.rows.iter().map(ToString::to_string))
    }

    /// Whether the host says that nobody listens any more.
    fn is_refused(&self) -> bool {
        self.rows.iter().any(|row| row.refusals.is_some_and(|refusals| refusals.last == Refusal::Port))
    }

    /// The command that ends the server, and when that is of use.
    fn ends_it(&self, when: &str) -> String {
        let program = if self.stock { "mosh-server" } else { "mpmosh-server" };
        ends_server(self.host.as_deref(), self.process, program, when)
    }

    /// A command line that runs on the server's machine.
    fn there(&self, command: &str) -> String {
        on_host(self.host.as_deref(), command)
    }
}

/// What becomes of a server that may not have heard of its client.
const UNHEARD: &str =
    "The server ends by itself after a minute, unless something of what was sent has reached it.";

/// A command line that runs on the server's machine.
fn on_host(host: Option<&str>, command: &str) -> String {
    match host {
        Some(host) => format!("ssh {host} {command}"),
        None => command.to_owned(),
    }
}

/// The command that ends a server there, and when that is of use.
fn ends_server(host: Option<&str>, process: Option<u32>, program: &str, when: &str) -> String {
    match process {
        Some(id) => format!("“{}” ends it{when}.", on_host(host, &format!("kill {id}"))),
        None => format!(
            "The next login there names it (mosh [PID]), and so does “{}”; “{}” ends it{when}.",
            on_host(host, &format!("pgrep -l {program}")),
            on_host(host, "kill PID"),
        ),
    }
}

/// This machine does not let the session go on.
pub(super) fn cut_off(plan: &SessionPlan, error: &io::Error) -> Paragraph {
    let program = if plan.dialect.traits().extended { "mpmosh-server" } else { "mosh-server" };
    let (host, process) = (plan.ssh_host.as_deref(), plan.process.get().copied());
    Paragraph::new(
        "The session cannot go on.",
        format!("The system says: {error}. The server was not told."),
        ends_server(host, process, program, ""),
    )
}

/// As a shell tells the end by a signal.
fn shell_status(signal: Signal) -> u8 {
    u8::try_from(128 + signal.number()).unwrap_or(FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::silence::Refusal;
    use crate::session::silence::tests::row;

    /// The status alone, where nothing is told.
    fn status(ending: Ending) -> u8 {
        let Consequence::Status(status) = ending.verdict() else { panic!("words") };
        status
    }

    /// What is told, on one line, and the status beside it.
    fn told(ending: Ending) -> (Option<u8>, String) {
        let (status, told) = match ending.verdict() {
            Consequence::Told(told, status) => (Some(status), told),
            Consequence::Failure(told) => (None, told),
            Consequence::Status(status) => panic!("{status} and no words"),
        };
        (status, told.to_string().replace('\n', " "))
    }

    fn ending(outcome: Outcome, streams: bool) -> Ending {
        Ending {
            outcome,
            streams,
            signal: None,
            unwritten: None,
            last_words: None,
            printed: Vec::new(),
            host: Some("h".into()),
            process: None,
            port: 60001,
            stock: false,
            heard: true,
            afterwards: Vec::new(),
            rows: Vec::new(),
            through: None,
        }
    }

    #[test]
    fn one_answer_to_how_it_ended_with_a_terminal_and_without() {
        for streams in [true, false] {
            assert_eq!(status(ending(Outcome::Ended(Some(7)), streams)), 7);
            let (status_of, text) = told(ending(Outcome::Ended(None), streams));
            assert!(status_of.is_none() && text.contains("before the command did"), "{text}");
            for (signal, expected) in
                [(Signal::Interrupt, 130), (Signal::Terminate, 143), (Signal::Hangup, 129)]
            {
                let signal = Some(signal);
                assert_eq!(status(Ending { signal, ..ending(Outcome::Quit, streams) }), expected);
                let (status, _) = told(Ending { signal, ..ending(Outcome::QuitUnanswered, streams) });
                assert_eq!(status, Some(expected));
            }
            assert_eq!(told(ending(Outcome::QuitUnanswered, streams)).0, None);
            let full = Some((Channel::Stdout, io::Error::from(io::ErrorKind::StorageFull)));
            let full = Ending { unwritten: full, ..ending(Outcome::Ended(Some(0)), streams) };
            assert!(told(full).0.is_none());
        }
        assert_eq!(status(ending(Outcome::Quit, false)), 0, "as mosh's");
    }

    #[test]
    fn stock_peers_tell_no_status_and_their_end_is_none_of_ours() {
        let stock = |outcome, signal| Ending { stock: true, signal, ..ending(outcome, false) };
        assert_eq!(status(stock(Outcome::Ended(None), None)), 0);
        assert_eq!(status(stock(Outcome::Quit, Some(Signal::Terminate))), 0);
        let (status, text) = told(stock(Outcome::QuitUnanswered, None));
        assert!(status.is_none() && text.contains("pgrep -l mosh-server"), "{text}");
    }

    #[test]
    fn who_leaves_without_contact_learns_what_stays_and_how_it_is_ended() {
        let (_, text) = told(ending(Outcome::QuitUnanswered, false));
        assert!(text.contains("may still run") && text.contains("“ssh h kill PID” ends it"), "{text}");
        let known = Ending { process: Some(4711), ..ending(Outcome::QuitUnanswered, false) };
        assert!(told(known).1.contains("“ssh h kill 4711” ends it"));
        let (_, text) = told(Ending { host: None, ..ending(Outcome::QuitUnanswered, true) });
        assert!(text.contains("a quarter of an hour") && text.contains("“kill PID” ends it"), "{text}");
        let rows = vec![row("192.0.2.1:60001", 4, Some(Refusal::Port))];
        let (_, text) = told(Ending { rows, ..ending(Outcome::QuitUnanswered, false) });
        assert!(text.contains("has ended") && text.contains("“ssh h pgrep -l mpmosh-server”"), "{text}");
    }

    #[test]
    fn a_server_that_is_gone_is_an_error_with_the_evidence() {
        let rows = vec![row("192.0.2.1:60001", 4, Some(Refusal::Port))];
        let (_, text) = told(Ending { rows, ..ending(Outcome::ServerGone, true) });
        assert!(text.contains("server is gone") && text.contains("9 × port refused"), "{text}");
        assert!(text.contains("“ssh h pgrep -l mpmosh-server” shows whether one is left"), "{text}");
        let silent = Ending { process: Some(4711), ..ending(Outcome::ServerGone, true) };
        let (_, text) = told(silent);
        assert!(
            text.contains("quarter of an hour") && text.contains("“ssh h kill 4711” ends it before"),
            "{text}"
        );
    }

    #[test]
    fn who_was_never_answered_learns_what_becomes_of_the_server() {
        for outcome in [Outcome::NothingReceived, Outcome::QuitUnanswered] {
            let unheard = Ending { process: Some(4711), heard: false, ..ending(outcome, false) };
            let (_, text) = told(unheard);
            assert!(text.contains("ends by itself after a minute, unless"), "{text}");
            assert!(text.contains("“ssh h kill 4711” ends it then"), "{text}");
        }
    }
}
