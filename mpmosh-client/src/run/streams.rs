//! Standard input, output and error, as the client's loop uses them.
//!
//! Contract: none of them is made non-blocking, because their descriptions are shared with other programs; none of them
//! blocks the loop for that: a pipe that poll(2) calls writable takes [`PIPE_BUF`] octets without blocking (POSIX), and a
//! terminal is opened once more for us alone.

use crate::session::client::Client;
use platform::clock;
use platform::pty::{self, PIPE_BUF};
use platform::tty;
use platform::wait::{self, Waiter};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, IsTerminal, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::Duration;
use sync::Channel;

/// The most taken at once from standard input.
const READ: usize = 64 * 1024;

/// The most kept here of what is to be written.
const PENDING: usize = 64 * 1024;

/// An idle server is heard every few seconds: after this long something is wrong.
const LONG_SILENCE: Duration = Duration::from_secs(30);

pub(super) struct StreamEnds {
    input: Option<OwnedFd>,
    /// A file cannot be waited for: what it holds is brought by a pipe.
    file: Option<(File, PipeWriter)>,
    /// Where input is read into.
    brought: Box<[u8]>,
    output: Out,
    error: Out,
}

impl StreamEnds {
    pub(super) fn new() -> io::Result<Self> {
        let stdin = io::stdin().as_fd().try_clone_to_owned()?;
        let (input, file) = if tty::pollable(&stdin) {
            (stdin, None)
        } else {
            let (reader, writer) = io::pipe()?;
            (reader.into(), Some((File::from(stdin), writer)))
        };
        Ok(Self {
            input: Some(input),
            file,
            brought: vec![0; READ].into(),
            output: Out::new(Channel::Stdout, io::stdout().as_fd().try_clone_to_owned()?),
            error: Out::new(Channel::Stderr, io::stderr().as_fd().try_clone_to_owned()?),
        })
    }

    /// Begins to read, where that takes a thread.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        self.file.take().map_or(Ok(()), |(file, writer)| bring(file, writer))
    }

    pub(super) fn input(&self) -> Option<BorrowedFd<'_>> {
        self.input.as_ref().map(AsFd::as_fd)
    }

    /// Reads once from standard input.
    pub(super) fn read(&mut self, client: &mut Client) {
        let Some(input) = &self.input else { return };
        let room = READ.min(client.room());
        match pty::read(input, &mut self.brought[..room]) {
            Ok(0) => {}
            Ok(count) => return client.handle_input(&self.brought[..count], clock::now()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return;
            }
            Err(error) => log::warn!("standard input: {error}"),
        }
        self.input = None;
        client.handle_input_end();
    }

    /// Writes what has come, as far as it can be written now. Whether anything was.
    pub(super) fn write(&mut self, client: &mut Client) -> bool {
        let output = self.output.write(client);
        self.error.write(client) | output
    }

    /// What could not be written, if the reader was not simply gone.
    pub(super) fn failure(&mut self) -> Option<(Channel, io::Error)> {
        [&mut self.output, &mut self.error]
            .into_iter()
            .find_map(|out| Some((out.channel, out.failure.take()?)))
    }

    /// Waits for room, while something is to be written.
    pub(super) fn watch<'fd>(&'fd self, waiter: &mut Waiter<'fd>) {
        for out in [&self.output, &self.error] {
            if !out.pending.is_empty() {
                waiter.write(out.fd.as_fd());
            }
        }
    }
}

/// One of standard output and error.
struct Out {
    channel: Channel,
    fd: OwnedFd,
    /// Files take everything at once.
    waits: bool,
    pending: Vec<u8>,
    failure: Option<io::Error>,
}

impl Out {
    fn new(channel: Channel, fd: OwnedFd) -> Self {
        // A terminal that Ctrl-S has stopped blocks whoever writes. A description of our own refuses instead.
        let fd = if fd.is_terminal() { own_description(&fd).unwrap_or(fd) } else { fd };
        Self { channel, waits: tty::pollable(&fd), fd, pending: Vec::new(), failure: None }
    }

    fn write(&mut self, client: &mut Client) -> bool {
        let mut progress = false;
        loop {
            if self.pending.is_empty() {
                self.pending = client.read(self.channel, PENDING, clock::now());
            }
            if self.pending.is_empty() || (self.waits && !wait::takes_more(self.fd.as_fd())) {
                return progress;
            }
            let most = if self.waits { PIPE_BUF } else { PENDING };
            match pty::write(&self.fd, &self.pending[..self.pending.len().min(most)]) {
                Ok(count) => {
                    self.pending.drain(..count);
                    progress = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return progress,
                Err(error) => {
                    // The program at the other end is to find that out. A reader who has enough is no failure.
                    if error.kind() != io::ErrorKind::BrokenPipe {
                        self.failure = Some(error);
                    }
                    self.pending.clear();
                    client.stop(self.channel, clock::now());
                    return true;
                }
            }
        }
    }
}

/// Opens a terminal once more, so that it can be made non-blocking for us alone.
fn own_description(terminal: &OwnedFd) -> io::Result<OwnedFd> {
    let name = rustix::termios::ttyname(terminal, Vec::new())?;
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(name, flags, Mode::empty())?)
}

/// The user of a pipe sees no notices: a long silence is told on standard error, and its end.
#[derive(Debug, Default)]
pub(super) struct Silence {
    told: bool,
}

impl Silence {
    /// What to tell now, after so long without a word from the server.
    pub(super) fn tell(&mut self, silence: Duration) -> Option<String> {
        let long = silence >= LONG_SILENCE;
        if std::mem::replace(&mut self.told, long) == long {
            return None;
        }
        Some(if long {
            let seconds = silence.as_secs();
            format!(
                "mpmosh: nothing was heard from the server for {seconds} s; still trying (Ctrl-C ends the session)."
            )
        } else {
            "mpmosh: the server is heard again.".into()
        })
    }

    /// How long to wait for something to tell.
    pub(super) fn timeout(&self, silence: Duration) -> Option<Duration> {
        (!self.told).then(|| LONG_SILENCE.saturating_sub(silence))
    }
}

/// Brings what a file holds, on a thread of its own.
fn bring(mut file: File, mut writer: PipeWriter) -> io::Result<()> {
    let bring = move || {
        if let Err(error) = io::copy(&mut file, &mut writer) {
            log::debug!("standard input: {error}");
        }
    };
    thread::Builder::new().name("stdin".into()).spawn(bring).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_silence_is_told_once_and_its_end_too() {
        let mut silence = Silence::default();
        assert_eq!(silence.tell(Duration::from_secs(29)), None);
        assert_eq!(silence.timeout(Duration::from_secs(29)), Some(Duration::from_secs(1)));
        assert!(silence.tell(Duration::from_secs(30)).is_some_and(|text| text.contains("30 s")));
        assert_eq!(silence.tell(Duration::from_secs(500)), None);
        assert_eq!(silence.timeout(Duration::from_secs(500)), None);
        assert!(silence.tell(Duration::ZERO).is_some_and(|text| text.contains("again")));
        assert_eq!(silence.tell(Duration::ZERO), None);
    }
}
