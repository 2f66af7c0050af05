//! Standard input, output and error, as the client's loop uses them.
//!
//! Contract: none of them is made non-blocking, because their descriptions are shared with other programs; none of them
//! blocks the loop for that: a pipe that poll(2) calls writable takes [`PIPE_BUF`] octets without blocking (POSIX).

use crate::client::Client;
use platform::clock;
use platform::pty;
use platform::tty;
use platform::wait;
use std::fs::File;
use std::io::{self, PipeReader};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;
use sync::Channel;

/// What a pipe takes at once, at least (Linux; 512 is POSIX's least, and BSDs' too).
const PIPE_BUF: usize = if cfg!(target_os = "linux") { 4096 } else { 512 };

/// The most taken at once from standard input.
const READ: usize = 64 * 1024;

/// The most kept here of what is to be written.
const PENDING: usize = 64 * 1024;

pub(super) struct StreamEnds {
    input: Option<OwnedFd>,
    output: Out,
    error: Out,
}

impl StreamEnds {
    pub(super) fn new() -> io::Result<Self> {
        let stdin = io::stdin().as_fd().try_clone_to_owned()?;
        let input = if tty::pollable(&stdin) { stdin } else { through_a_pipe(stdin)?.into() };
        Ok(Self {
            input: Some(input),
            output: Out::new(Channel::Stdout, io::stdout().as_fd().try_clone_to_owned()?),
            error: Out::new(Channel::Stderr, io::stderr().as_fd().try_clone_to_owned()?),
        })
    }

    pub(super) fn input(&self) -> Option<BorrowedFd<'_>> {
        self.input.as_ref().map(AsFd::as_fd)
    }

    /// Reads once from standard input.
    pub(super) fn read(&mut self, client: &mut Client) {
        let Some(input) = &self.input else { return };
        let mut buffer = vec![0; READ.min(client.room())];
        match pty::read(input, &mut buffer) {
            Ok(0) => {}
            Ok(count) => return client.handle_input(&buffer[..count], clock::now()),
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

    /// What to wait for while something is to be written.
    pub(super) fn sinks(&self) -> Vec<BorrowedFd<'_>> {
        [&self.output, &self.error]
            .into_iter()
            .filter(|out| !out.pending.is_empty())
            .map(|out| out.fd.as_fd())
            .collect()
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

/// A pipe that brings what a file holds: a file cannot be waited for.
fn through_a_pipe(file: OwnedFd) -> io::Result<PipeReader> {
    let (reader, mut writer) = io::pipe()?;
    let mut file = File::from(file);
    thread::Builder::new().name("stdin".into()).spawn(move || {
        if let Err(error) = io::copy(&mut file, &mut writer) {
            log::debug!("standard input: {error}");
        }
    })?;
    Ok(reader)
}
