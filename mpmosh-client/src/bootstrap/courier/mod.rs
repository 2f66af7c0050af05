//! The process that holds ssh beside a session, so that the session need not.
//!
//! Contract: [`Courier::start`] splits the process while it has one thread. The courier does the bootstrap, asks at the
//! terminal what has to be asked, tells what a server announced, and wipes the key. Then it keeps the ssh connection for as
//! long as the session may need it, carries octets between that and the session, and opens another ssh when it is asked to:
//! never with a question, never on the user's screen. The session gives up what it does not need without losing any of
//! this, and learns neither passwords nor private keys. The courier ends with the session.

mod link;
pub(super) mod opening;
mod process;

use std::io;
use std::os::fd::BorrowedFd;

use platform::twin::{self, End, Twin};

use super::{Announced, Request};
use crate::cli::args::Target;
pub(crate) use link::NoCarrier;
use link::{CHUNK, Link, Parcel};

/// The status of a courier that fails, as ssh's.
const FAILED: u8 = 255;
/// Most octets that wait for the courier: it reads at once, unless it is not scheduled.
const WAITING: usize = 64 * 1024;

/// The session's end. See the module.
#[derive(Debug)]
pub struct Courier {
    link: Link,
    twin: Option<Twin>,
    /// There is a second server to try.
    second: bool,
    /// There may be carriers.
    carries: bool,
}

/// What the courier has to say during a session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// The server's process on its machine.
    Server(u32),
    /// This carrier is there.
    Opened(u16),
    /// This carrier cannot be had.
    Refused(u16, NoCarrier),
    /// This carrier is gone.
    Closed(u16),
    /// What came through this carrier.
    Octets(u16, Vec<u8>),
}

impl Courier {
    /// Has another process start the server. `streams` and `verbose` say how it speaks with the user meanwhile.
    ///
    /// # Errors
    /// The system's: no room for a process.
    pub fn start(request: Request, target: Target, streams: bool, verbose: u8) -> io::Result<Self> {
        let work = move |stream| process::run(&request, &target, streams, verbose, Link::new(stream));
        let (twin, stream) = twin::split(work)?;
        Ok(Self { link: Link::new(stream), twin: Some(twin), second: false, carries: false })
    }

    /// Waits for the announcement.
    ///
    /// # Errors
    /// How the courier ended instead, after it has told the user why.
    pub fn announced(&mut self) -> Result<Announced, End> {
        let mut key = None;
        while let Some(message) = self.link.wait() {
            match message {
                Parcel::Key(text) => key = Some(text),
                Parcel::Announced(told) => {
                    (self.second, self.carries) = (told.second, told.carries);
                    if let Some(announced) = key.take().and_then(|key| told.into_announced(key)) {
                        // Signals are the session's from now on: what it catches is not to be put back under it later.
                        self.twin.iter_mut().for_each(Twin::release);
                        return Ok(announced);
                    }
                }
                other => log::debug!("too early: {other:?}"),
            }
        }
        Err(self.twin.take().and_then(|twin| twin.wait().ok()).unwrap_or(End::Status(FAILED)))
    }

    /// Whether there is a second server to try where the first is not heard.
    #[must_use]
    pub fn has_second(&self) -> bool {
        self.second
    }

    /// Has the second server started, and waits for its announcement.
    ///
    /// # Errors
    /// As [`Self::announced`]; the user is told nothing of the reason.
    pub fn start_second(&mut self) -> Result<Announced, End> {
        self.twin.iter_mut().for_each(Twin::accompany);
        self.link.say(&Parcel::Second);
        self.announced()
    }

    /// Whether there may be carriers.
    pub(crate) fn carries(&self) -> bool {
        self.carries
    }

    /// The session has the terminal from now on, and no second server is needed.
    pub(crate) fn settle(&mut self) {
        self.link.say(&Parcel::Settled);
        if let Err(error) = self.link.set_waiting(false).and_then(|()| self.link.flush()) {
            log::info!("the courier: {error}");
        }
    }

    /// What to wait on for [`Self::handle_ready`], and whether it is to take more.
    pub(crate) fn fd(&self) -> (BorrowedFd<'_>, bool) {
        (self.link.fd(), self.link.pending() > 0)
    }

    /// Has a carrier opened.
    pub(crate) fn open(&mut self, number: u16) {
        self.link.say(&Parcel::Open(number));
    }

    /// This carrier is not needed any more; `None`: none is.
    pub(crate) fn close(&mut self, number: Option<u16>) {
        self.link.say(&Parcel::Close(number));
    }

    /// Takes as much as is to go through a carrier as may wait here, and tells how many octets that was.
    pub(crate) fn carry(&mut self, number: u16, octets: &[u8]) -> usize {
        let room = WAITING.saturating_sub(self.link.pending());
        let taken = octets.len().min(room);
        for chunk in octets[..taken].chunks(CHUNK) {
            self.link.say(&Parcel::Octets(number, chunk.to_vec()));
        }
        taken
    }

    /// Writes what can be written.
    ///
    /// # Errors
    /// The courier is gone.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.link.flush()
    }

    /// Reads what has come.
    ///
    /// # Errors
    /// The courier is gone.
    pub(crate) fn handle_ready(&mut self) -> io::Result<()> {
        if self.link.fill()? { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// The courier has closed its end: it is waited for, so that nothing of it is left.
    pub(crate) fn reap(&mut self) {
        if let Some(Err(error)) = self.twin.take().map(Twin::wait) {
            log::debug!("the courier was not waited for: {error}");
        }
    }

    /// What has been said, the oldest first.
    pub(crate) fn poll(&mut self) -> Option<Word> {
        loop {
            return Some(match self.link.next()? {
                Parcel::Server(process) => Word::Server(process),
                Parcel::Opened(number) => Word::Opened(number),
                Parcel::Refused(number, refusal) => Word::Refused(number, refusal),
                Parcel::Closed(number) => Word::Closed(number),
                Parcel::Octets(number, octets) => Word::Octets(number, octets),
                other => {
                    log::debug!("out of place: {other:?}");
                    continue;
                }
            });
        }
    }
}

impl Drop for Courier {
    /// The courier sees its end, and has its own.
    fn drop(&mut self) {
        let _ = self.link.flush();
    }
}
