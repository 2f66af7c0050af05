//! A stream to a command on the server's host that carries a session's datagrams.
//!
//! Contract: what the command says comes before what it carries: login scripts, the server's process, and then the line
//! from which on frames follow. [`Preface`] is pure. Dropping a [`Carriage`] ends the command, and the ssh that runs it.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::thread;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::announce;
use super::awaiting::LINGER;

/// The command's line after which frames follow.
const CARRIES: &str = "MPMOSH CARRY ";
/// The version that we know.
const VERSION: &str = "1";
/// Octets taken at once.
const CHUNK: usize = 16 * 1024;
/// Most octets that are kept of what an ssh says.
const SAID: u64 = 4096;
/// Most octets before that line.
const LONGEST_PREFACE: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub struct Carriage {
    /// What comes from the command.
    pub(crate) from: OwnedFd,
    /// What goes to it; `None`: it has heard the end of its input.
    pub(crate) to: Option<OwnedFd>,
    /// What came in one piece with what was read before.
    pub(crate) rest: Vec<u8>,
    /// What runs it.
    run_by: RunBy,
}

/// What runs a command on the host.
#[derive(Debug)]
pub(super) enum RunBy {
    /// The user's own ssh.
    Ssh(Child),
    /// The built-in one: how the command ended, once that is known.
    Channel(Arc<OnceLock<i32>>),
}

impl Carriage {
    /// These are the two ends; both refuse instead of blocking from now on.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn new(from: OwnedFd, to: Option<OwnedFd>, rest: Vec<u8>, run_by: RunBy) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(from.as_fd(), true)?;
        if let Some(to) = &to {
            rustix::io::ioctl_fionbio(to.as_fd(), true)?;
        }
        Ok(Self { from, to, rest, run_by })
    }

    /// How the command ended, which has closed its output, and what ssh says on standard error, where somebody keeps that.
    pub(super) fn ending(&mut self) -> (Option<i32>, String) {
        self.to = None;
        match &mut self.run_by {
            RunBy::Channel(status) => (status.get().copied(), String::new()),
            RunBy::Ssh(child) => {
                let mut said = Vec::new();
                if let Some(error) = child.stderr.take() {
                    let _ = error.take(SAID).read_to_end(&mut said);
                }
                (child.wait().ok().and_then(|status| status.code()), String::from_utf8_lossy(&said).into())
            }
        }
    }

    /// Why a command has ended that carried nothing, in a sentence.
    pub(crate) fn why_ended(&mut self, preface: &Preface) -> String {
        super::courier::opening::refusal_of(self, preface).sentence
    }

    /// Reads once; `false` at the end.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn read(&self, into: &mut Vec<u8>) -> io::Result<bool> {
        let mut chunk = [0; CHUNK];
        match rustix::io::read(&self.from, &mut chunk) {
            Ok(0) => Ok(false),
            Ok(count) => {
                into.extend_from_slice(&chunk[..count]);
                Ok(true)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes what is taken now, and tells how much that was.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub(crate) fn write(&self, octets: &[u8]) -> io::Result<usize> {
        let Some(to) = &self.to else { return Ok(0) };
        match rustix::io::write(to, octets) {
            Ok(count) => Ok(count),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Carriage {
    fn drop(&mut self) {
        self.to = None;
        let RunBy::Ssh(child) = core::mem::replace(&mut self.run_by, RunBy::Channel(Arc::default())) else {
            return;
        };
        let mut child = child;
        // It ends when the other side has seen the end of its input; on a network that is gone, never.
        let process = Pid::from_child(&child);
        let (tell, told) = mpsc::channel();
        let waits = thread::Builder::new().name("ssh's end".into()).spawn(move || {
            let _ = tell.send(child.wait().is_ok());
        });
        let kills = thread::Builder::new().name("ssh's limit".into()).spawn(move || {
            if told.recv_timeout(LINGER) == Err(RecvTimeoutError::Timeout) {
                let _ = kill_process(process, Signal::KILL);
            }
        });
        if let Err(error) = waits.and(kills) {
            log::debug!("nobody waits for an ssh: {error}");
        }
    }
}

/// What a command says before its first frame.
#[derive(Debug, Default)]
pub(crate) struct Preface {
    line: Vec<u8>,
    seen: usize,
    /// The last line that was no word for us.
    last: String,
}

/// What is found there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The server's process.
    Server(u32),
    /// From here on frames follow.
    Carries,
    /// The far end carries in another way than we know.
    Version(String),
    /// So much was said that this is no carrier.
    Noise,
}

impl Found {
    /// What is no carrier that we know, in a sentence.
    pub(super) fn why(&self) -> String {
        match self {
            Self::Version(version) => format!("the server there carries in another way ({version})"),
            _ => "what answers there is no mpmosh-server".into(),
        }
    }
}

impl Preface {
    /// Takes octets up to something that is found, and leaves the rest.
    pub(super) fn take(&mut self, octets: &mut Vec<u8>) -> Option<Found> {
        let mut taken = 0;
        let mut found = None;
        for &octet in octets.iter() {
            taken += 1;
            self.seen += 1;
            if octet == b'\n' {
                found = self.end_of_line();
                self.line.clear();
            } else if self.line.len() < LONGEST_PREFACE {
                self.line.push(octet);
            }
            if self.seen > LONGEST_PREFACE {
                found = found.or(Some(Found::Noise));
            }
            if found.is_some() {
                break;
            }
        }
        octets.drain(..taken);
        found
    }

    /// Takes what has come, for whoever waits for nothing but frames, and leaves what follows once it is over.
    ///
    /// # Errors
    /// The far end is no carrier: a sentence.
    pub(crate) fn is_over(&mut self, octets: &mut Vec<u8>) -> Result<bool, String> {
        loop {
            match self.take(octets) {
                None => return Ok(false),
                Some(Found::Server(_)) => {}
                Some(Found::Carries) => return Ok(true),
                Some(found) => return Err(found.why()),
            }
        }
    }

    /// What was said last that is no word for us: the command's own reason, where it has ended.
    pub(super) fn last_words(&self) -> &str {
        &self.last
    }

    fn end_of_line(&mut self) -> Option<Found> {
        let line = String::from_utf8_lossy(&self.line);
        let line = line.trim();
        if !line.is_empty() {
            self.last = crate::text::sanitize::one_line(line, 200);
        }
        if let Some(process) = announce::detached(line) {
            return Some(Found::Server(process));
        }
        // What a login script printed may stand before it, without an end of its line.
        let (_, version) = line.split_once(CARRIES)?;
        Some(match version {
            VERSION => Found::Carries,
            other => Found::Version(crate::text::sanitize::one_line(other, 20)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_follow_the_line_wherever_the_stream_is_cut() {
        let said = b"motd\r\n\n[mosh-server detached, pid = 4711]\nno newline MPMOSH CARRY 1\n\0\x05\0frame";
        for cut in 0..said.len() {
            let mut preface = Preface::default();
            let mut found = Vec::new();
            let mut octets = said[..cut].to_vec();
            for more in [&said[cut..], &[]] {
                while let Some(one) = preface.take(&mut octets) {
                    found.push(one);
                    if found.last() == Some(&Found::Carries) {
                        break;
                    }
                }
                octets.extend(more);
                if found.last() == Some(&Found::Carries) {
                    break;
                }
            }
            assert_eq!(found, [Found::Server(4711), Found::Carries], "cut at {cut}");
            assert_eq!(octets, b"\0\x05\0frame", "cut at {cut}");
        }
    }

    #[test]
    fn a_far_end_of_another_version_or_of_none_is_no_carrier() {
        let first = |said: &[u8]| Preface::default().take(&mut said.to_vec());
        assert_eq!(first(b"MPMOSH CARRY 2\n"), Some(Found::Version("2".into())));
        assert_eq!(first(&[b'x'; LONGEST_PREFACE + 1]), Some(Found::Noise));
        assert_eq!(first(b"mpmosh-server: what is --carry?\n"), None);
    }
}
