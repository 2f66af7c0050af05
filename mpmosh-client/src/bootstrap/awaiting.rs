//! From a server that was started to its announcement: the same for every way of starting one.

use core::net::{IpAddr, SocketAddr};
use std::io::{self, BufRead, Read};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use super::announce::{self, Announcement, Finding, Scanner};
use super::question::is_too_old;
use super::{Announced, Error, Request, command};
use crate::cli::plan::ServerProcess;
use crate::cli::words::Dialect;
use crate::text::sanitize::one_line;
use net::DialectName;

/// Longest line looked at after the announcement.
const LINE: u64 = 1024;

/// How long the server has to let go of the connection that started it, when that is to end.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// A start that stays on for a moment after the announcement.
pub(super) struct Lingering {
    told: Receiver<()>,
    server: ServerProcess,
}

/// The other end of a [`Lingering`], which closes with it.
pub(super) struct Telling {
    tell: Sender<()>,
    server: ServerProcess,
}

impl Lingering {
    /// One that is told the server's process by the other end.
    pub(super) fn new() -> (Telling, Self) {
        let (tell, told) = mpsc::channel();
        let server = ServerProcess::default();
        (Telling { tell, server: ServerProcess::clone(&server) }, Self { told, server })
    }

    /// Where the server's process is told, as soon as that is known.
    pub(super) fn server(&self) -> ServerProcess {
        ServerProcess::clone(&self.server)
    }

    /// The server's process, as far as it has told that, or does so in a moment.
    pub(super) fn process(&self) -> Option<u32> {
        if self.server.get().is_none() {
            let _ = self.told.recv_timeout(LINGER);
        }
        self.server.get().copied()
    }

    /// Waits until it has gone, for a moment.
    pub(super) fn wait(&self) {
        while self.told.recv_timeout(LINGER).is_ok() {}
    }
}

/// Reads what a server says after its announcement, to the end, and tells its process. `rest` came with the announcement.
pub(super) fn read_on(rest: &[u8], output: &mut dyn BufRead, telling: &Telling) {
    let mut line = Vec::new();
    let mut output = rest.chain(output);
    while matches!(output.by_ref().take(LINE).read_until(b'\n', &mut line), Ok(1..)) {
        if let Some(process) = announce::detached(&String::from_utf8_lossy(&line)) {
            let _ = telling.server.set(process);
            let _ = telling.tell.send(());
        }
        line.clear();
    }
}

/// How the server's command ended on the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandEnd {
    /// With this status.
    Status(i32),
    /// By the signal of this name.
    Signal(String),
}

impl CommandEnd {
    /// A process of this machine.
    pub(super) fn of(status: std::process::ExitStatus) -> Option<Self> {
        let signal = || std::os::unix::process::ExitStatusExt::signal(&status);
        status.code().map(Self::Status).or_else(|| signal().map(|n| Self::Signal(n.to_string())))
    }
}

impl core::fmt::Display for CommandEnd {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Status(status) => write!(f, "ended with status {status}"),
            Self::Signal(name) => write!(f, "was ended by signal {name}"),
        }
    }
}

/// What the other side printed, fit for printing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Printed {
    /// What passed through our hands.
    pub text: String,
    /// Its standard error went to the user's, past us.
    pub elsewhere: bool,
}

/// The other side went without an announcement.
pub(super) struct Unannounced {
    pub(super) found: Option<Finding>,
    host: String,
    /// How it is named on our own command line.
    way: String,
    asked: String,
    output: Printed,
    /// The script on the other side has said its first word.
    ran: bool,
    streams: bool,
    /// A session that outlives its client is wanted.
    kept: bool,
    broken: Option<io::Error>,
}

impl Unannounced {
    pub(super) fn new(found: Option<Finding>, scanner: &Scanner, request: &Request, host: &str) -> Self {
        Self {
            found,
            host: host.to_owned(),
            way: request.way.clone(),
            asked: command::asked(&request.server),
            output: Printed { text: scanner.noise(), elsewhere: false },
            ran: scanner.began(),
            streams: request.server.streams(),
            kept: request.server.want.is_kept(),
            broken: None,
        }
    }

    /// The same of an ssh that writes what comes on standard error to the user's.
    pub(super) fn elsewhere(mut self) -> Self {
        self.output.elsewhere = true;
        self
    }

    /// `end` is asked for only where it is of use: it waits for the other side.
    pub(super) fn into_error(self, end: impl FnOnce() -> Option<CommandEnd>) -> Error {
        let Self { found, host, way, asked, output, ran, streams, kept, broken } = self;
        match (found, broken) {
            (Some(Finding::NoServer(path)), _) => Error::NoServer { host, asked, path, output, ran },
            (Some(Finding::Version(announced)), _) => Error::Version { host, announced },
            (Some(Finding::Malformed(line)), _) => Error::Malformed { host, line },
            (Some(Finding::Refused(objection)), _) => {
                Error::Refused { host, way, objection: Box::new(objection) }
            }
            (Some(Finding::OnlyStock), _) => Error::StockHere { host },
            _ if kept && is_too_old(&output.text) => Error::TooOld { host },
            (Some(Finding::Noise), _) => Error::Noise { host, output: output.text },
            (Some(Finding::Announcement(_)), _) if streams => Error::StockOnly { host },
            (_, Some(error)) if error.kind() == io::ErrorKind::TimedOut => {
                Error::Hangs { host, asked, output }
            }
            (_, Some(error)) => Error::Broken { host, evidence: one_line(&error.to_string(), 200) },
            _ => match end() {
                // What sh and env say when a command is not there.
                Some(CommandEnd::Status(127)) => {
                    Error::NoServer { host, asked, path: String::new(), output, ran }
                }
                end => Error::NotStarted { host, asked, end, output, ran },
            },
        }
    }
}

/// Reads until the announcement.
pub(super) fn await_announcement(
    output: &mut dyn Read,
    scanner: &mut Scanner,
    request: &Request,
    host: &str,
) -> Result<Announcement, Box<Unannounced>> {
    let mut bytes = zeroize::Zeroizing::new([0; 4096]);
    let mut broken = None;
    let found = loop {
        let found = match output.read(&mut bytes[..]) {
            Ok(0) => break scanner.finish(),
            Ok(length) => scanner.push(&bytes[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
            Err(error) => {
                broken = Some(error);
                break scanner.finish();
            }
        };
        if found.is_some() {
            break found;
        }
    };
    match found {
        Some(Finding::Announcement(mut announcement)) if acceptable(&announcement, request) => {
            // The authors' server announces itself as stock does; only what was asked for tells them apart.
            if (announcement.dialect, request.server.dialect) == (DialectName::Mosh, Dialect::MpMosh) {
                announcement.dialect = DialectName::MpMosh;
            }
            Ok(announcement)
        }
        found => Err(Box::new(Unannounced { broken, ..Unannounced::new(found, scanner, request, host) })),
    }
}

/// Whether the dialect announced is one that was asked for: byte streams need ours.
fn acceptable(announcement: &Announcement, request: &Request) -> bool {
    !request.server.streams() || announcement.dialect.traits().streams
}

/// Puts the port to the addresses. A stock announcement is of the dialect that was asked for.
pub(super) fn announced(
    announcement: Announcement,
    reached: IpAddr,
    known: Vec<IpAddr>,
    name: Option<&str>,
) -> Announced {
    let Announcement { dialect, port, key, addresses, session } = announcement;
    let reached = SocketAddr::new(reached, port);
    let name = name.filter(|name| name.parse::<IpAddr>().is_err()).map(str::to_owned);
    let process = ServerProcess::default();
    let hints = known;
    Announced { dialect, port, key, addresses, reached, hints, name, through: None, process, session }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_that_is_told_in_one_piece_with_the_announcement_is_known() {
        let said = b"MPMOSH CONNECT multipath/1 60001 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n\n\
            [mosh-server detached, pid = 4711]\n";
        // The system cuts what is read where it likes.
        for cut in [said.len(), said.len() - 9] {
            let (mut first, mut second) = (&said[..cut], &said[cut..]);
            let mut scanner = Scanner::new();
            let request = Request::to(crate::cli::args::Target::Local);
            let announced = await_announcement(&mut first, &mut scanner, &request, "h");
            assert_eq!(announced.ok().map(|announced| announced.port), Some(60001));
            let (telling, lingering) = Lingering::new();
            read_on(&scanner.take_rest(), &mut second, &telling);
            assert_eq!(lingering.process(), Some(4711), "cut at {cut}");
        }
    }

    #[test]
    fn a_start_that_takes_too_long_is_no_broken_network() {
        struct Slow(&'static [u8]);
        impl Read for Slow {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                match self.0.read(buffer)? {
                    0 => Err(io::ErrorKind::TimedOut.into()),
                    length => Ok(length),
                }
            }
        }
        let request = Request::to(crate::cli::args::Target::Local);
        let outcome = await_announcement(&mut Slow(b"a key, please\n"), &mut Scanner::new(), &request, "h");
        let error = outcome.err().unwrap_or_else(|| panic!()).into_error(|| None);
        assert!(matches!(&error, Error::Hangs { output, .. } if output.text == "a key, please"), "{error:?}");
    }
}
