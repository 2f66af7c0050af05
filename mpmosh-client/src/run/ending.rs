//! How a session ended, as an exit status or as a paragraph.

use super::FAILED;
use crate::cli::plan::{KnownSession, SessionPlan};
use crate::session::client::Outcome;
use crate::session::silence::{self, Facts, Refusal, Row};
use crate::text::messages::{Paragraph, notice};
use crate::text::stretch;
use platform::clock;
use platform::signals::Signal;
use std::io;
use std::time::Duration;
use sync::{Breach, Channel};

/// The status of a client whose session goes on without it.
const PARTED: u8 = 254;
/// A parting is told with its age from then on: who sat before it has seen when it was.
const WORTH_TELLING: Duration = Duration::from_secs(60);

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
    /// What names that host on our command line.
    pub(super) way: String,
    /// The session, where its server keeps it without a client.
    pub(super) session: Option<KnownSession>,
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
            Outcome::Quit => {
                let status = signal.unwrap_or(if self.streams { FAILED } else { 0 });
                match &self.session {
                    // One with a name was there for more than this client.
                    Some(session) if session.name.is_some() => Consequence::Told(ended_here(session), status),
                    _ => Consequence::Status(status),
                }
            }
            Outcome::Detached => Consequence::Told(self.detached(), signal.unwrap_or(0)),
            Outcome::TakenOver(at) => Consequence::Told(
                self.parted(
                    "Another client has taken over",
                    "from this one",
                    at,
                    "takes it back, after a question",
                ),
                PARTED,
            ),
            Outcome::DetachedThere(at) => Consequence::Told(
                self.parted("Somebody has detached", "from this client", at, "returns to it"),
                PARTED,
            ),
            Outcome::QuitUnanswered => match signal {
                Some(status) => Consequence::Told(self.left_behind(), status),
                None => Consequence::Failure(self.left_behind()),
            },
            Outcome::NothingReceived => {
                let (port, stock) = (self.port, self.stock);
                let facts = Facts { port, through: self.through.as_deref(), runs: None, stock };
                let told = silence::report(&self.rows, facts);
                let next = format!("{} {}", told.next, self.unheard());
                Consequence::Failure(Paragraph { next, ..told })
            }
            Outcome::ServerGone => Consequence::Failure(self.gone()),
            Outcome::Breached(breach) => Consequence::Failure(self.breached(breach)),
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
                "",
                format!("{} “mpmosh doctor {host}” shows what the network between does.", self.unheard()),
            );
        }
        if self.is_refused() {
            return Paragraph::new(
                what,
                "Its host refuses the port: the server has ended, in all likelihood.",
                self.shows_the_rest(program),
            );
        }
        let stays = match (self.stock, self.streams) {
            (false, false) if self.session.is_some() => {
                "goes on there, with the program in it, and waits for a client".to_owned()
            }
            (true, _) => "may still run, with the program in it".to_owned(),
            (false, false) => {
                "may still run, with the program in it, until MOSH_SERVER_NETWORK_TMOUT, if that is set there"
                    .to_owned()
            }
            (false, true) => "may still run, with the command in it, for a quarter of an hour".to_owned(),
        };
        let evidence = format!("No path to it works, so that it was not told: it {stays}.");
        let returns = self.returns("returns to it");
        Paragraph::new(what, evidence, format!("{returns}{}", self.ends_it("")))
    }

    /// The server did what none in good order does.
    fn breached(&self, breach: Breach) -> Paragraph {
        let evidence = match breach {
            Breach::Size(columns, rows) => {
                format!("It sent a screen of {columns} × {rows}, a size that this terminal has not had.")
            }
            Breach::Length(most) => {
                format!("It sent more than {} KiB for one screen, more than any screen needs.", most >> 10)
            }
            Breach::Work => "It sent a screen that would have kept this machine busy without end.".into(),
            Breach::Memory(most) => {
                format!("It sent screens that hold more than {} MiB of this machine's memory.", most >> 20)
            }
            _ => "It sent what no screen is.".into(),
        };
        Paragraph::new(
            "The session was ended here: its server is broken, or hostile.",
            format!("{evidence} It was not told, and may still run."),
            format!("{}{}", self.returns("tries again"), self.ends_it("")),
        )
    }

    /// The server of a session without a terminal was there, and is no more.
    fn gone(&self) -> Paragraph {
        let (evidence, next) = match self.is_refused() {
            true => (
                "The network refuses what is sent to it: the server has ended, or its host started anew.",
                self.shows_the_rest("mpmosh-server"),
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
        match &self.session {
            Some(session) => kills(&self.way, session, when),
            None => ends_server(self.host.as_deref(), self.process, program, when),
        }
    }

    /// What becomes of a session whose server was never heard.
    fn unheard(&self) -> String {
        match &self.session {
            Some(session) if session.attached && self.is_refused() => format!(
                "“mpmosh sessions {}” shows whether the session {} is left. {}",
                self.way,
                session.called(),
                self.returns("tries again").trim()
            ),
            Some(session) if session.attached => format!(
                "The session {} goes on as it was. {}{}",
                session.called(),
                self.returns("tries again"),
                self.ends_it("")
            ),
            _ => format!("{UNHEARD} {}", self.ends_it(" then")),
        }
    }

    /// The command that returns to the session, where one does.
    fn returns(&self, what: &str) -> String {
        let command =
            self.session.as_ref().filter(|_| !self.streams).map(|session| attaches(&self.way, session));
        command.map(|command| format!("“{command}” {what}. ")).unwrap_or_default()
    }

    /// The command that shows what is left there.
    fn shows_the_rest(&self, program: &str) -> String {
        match &self.session {
            Some(_) => format!("“mpmosh sessions {}” shows what is left.", self.way),
            None => format!("“{}” shows whether one is left.", self.there(&format!("pgrep -l {program}"))),
        }
    }

    /// The user left, and the session goes on.
    fn detached(&self) -> Paragraph {
        let called = self.session.as_ref().map_or("", KnownSession::called);
        Paragraph::new(
            format!("Detached from the session {called}."),
            "",
            self.returns("returns to it").trim(),
        )
    }

    /// The session goes on without this client, which did not wish that.
    fn parted(&self, who: &str, from: &str, at: u64, what: &str) -> Paragraph {
        let called = self.session.as_ref().map_or("", KnownSession::called);
        // By two clocks, which may differ.
        let ago = stretch::since(at, clock::since_1970().as_secs()).filter(|ago| *ago >= WORTH_TELLING);
        let ago = ago.map(|ago| format!(", {} ago", stretch::duration(ago))).unwrap_or_default();
        let what = self.returns(what);
        Paragraph::new(format!("{who} the session {called} {from}{ago}."), "", what.trim())
    }

    /// A command line that runs on the server's machine.
    fn there(&self, command: &str) -> String {
        on_host(self.host.as_deref(), command)
    }
}

/// Which session it was that has ended.
fn ended_here(session: &KnownSession) -> Paragraph {
    Paragraph::new(format!("The session {} is ended.", session.called()), "", "")
}

/// The command that returns to a session.
fn attaches(way: &str, session: &KnownSession) -> String {
    format!("mpmosh attach {way} {}", session.called())
}

/// The command that ends a session, and when that is of use.
fn kills(way: &str, session: &KnownSession, when: &str) -> String {
    format!("“mpmosh kill {way} {}” ends it{when}.", session.called())
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
        match &plan.session {
            Some(session) if !plan.streams => format!(
                "The session goes on: “{}” returns to it; {}",
                attaches(&plan.way, session),
                kills(&plan.way, session, "")
            ),
            Some(session) => kills(&plan.way, session, ""),
            None => ends_server(host, process, program, ""),
        },
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
            way: "h".into(),
            session: None,
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

    fn of_session(outcome: Outcome, attached: bool) -> Ending {
        let session = Some(KnownSession { id: "kq3f8a".into(), name: Some("work".into()), attached });
        Ending { session, way: "me@h:2222".into(), ..ending(outcome, false) }
    }

    #[test]
    fn every_end_without_a_status_names_the_command_that_returns() {
        let (status, text) = told(of_session(Outcome::Detached, false));
        assert_eq!(status, Some(0));
        assert_eq!(
            text,
            "mpmosh: Detached from the session work. “mpmosh attach me@h:2222 work” returns to it."
        );
        let unnamed = Ending {
            session: Some(KnownSession { id: "kq3f8a".into(), name: None, attached: false }),
            way: "--local".into(),
            ..ending(Outcome::Detached, false)
        };
        assert!(told(unnamed).1.contains("“mpmosh attach --local kq3f8a” returns"));
        let (status, text) = told(of_session(Outcome::TakenOver(0), false));
        assert_eq!(status, Some(254));
        assert!(
            text.contains("taken over the session work from this one. “mpmosh attach me@h:2222 work”"),
            "{text}"
        );
        let (status, text) = told(of_session(Outcome::DetachedThere(1), false));
        assert_eq!(status, Some(254));
        assert!(
            text.contains("detached the session work from this client, ") && text.contains(" d "),
            "{text}"
        );
        let (status, text) = told(of_session(Outcome::QuitUnanswered, false));
        assert_eq!(status, None);
        assert!(
            text.contains("goes on there") && text.contains("“mpmosh attach me@h:2222 work” returns"),
            "{text}"
        );
        assert!(text.contains("“mpmosh kill me@h:2222 work” ends it."), "{text}");
        assert_eq!(told(of_session(Outcome::Quit, false)).1, "mpmosh: The session work is ended.");
        let hung_up = Ending { signal: Some(Signal::Hangup), ..of_session(Outcome::Detached, false) };
        assert_eq!(told(hung_up).0, Some(129));
    }

    #[test]
    fn a_session_that_was_attached_to_in_vain_goes_on_and_a_new_one_does_not() {
        for outcome in [Outcome::NothingReceived, Outcome::QuitUnanswered] {
            let (_, text) = told(Ending { heard: false, ..of_session(outcome, true) });
            assert!(
                text.contains("session work goes on as it was. “mpmosh attach me@h:2222 work” tries"),
                "{text}"
            );
            let rows = vec![row("192.0.2.1:60001", 4, Some(Refusal::Port))];
            let (_, text) = told(Ending { heard: false, rows, ..of_session(outcome, true) });
            assert!(
                text.contains("“mpmosh sessions me@h:2222” shows whether the session work is left"),
                "{text}"
            );
            let (_, text) = told(Ending { heard: false, ..of_session(outcome, false) });
            assert!(text.contains("by itself after a minute"), "{text}");
            assert!(text.contains("“mpmosh kill me@h:2222 work” ends it then."), "{text}");
        }
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
    fn a_server_that_sends_what_no_screen_is_is_told_of_with_the_evidence() {
        let (status, text) = told(ending(Outcome::Breached(Breach::Size(1000, 999)), false));
        assert_eq!(status, None);
        assert!(text.contains("broken, or hostile. It sent a screen of 1000 × 999"), "{text}");
        assert!(text.contains("“ssh h kill PID” ends it."), "{text}");
        let (_, text) = told(of_session(Outcome::Breached(Breach::Memory(32 << 20)), false));
        assert!(
            text.contains("more than 32 MiB") && text.contains("“mpmosh kill me@h:2222 work” ends it."),
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
