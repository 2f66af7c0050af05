//! Those who ask at a control socket: one line is asked, and lines answer.
//!
//! Contract: nothing that an asker does or leaves undone stalls the owner or makes it hold more than a few lines. While nobody
//! asks it costs nothing. What a question means its owner says.

use super::Listener;
use crate::wait::{Ready, Token, Tokens, Waiter};
use net::Instant;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Askers at once; further ones are turned away.
const MOST: usize = 32;
/// How long an asker may take to ask, or to read anything at all.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a watcher is told, if nothing happens.
const INTERVAL: Duration = Duration::from_secs(1);
/// The least time between two reports to a watcher.
const GAP: Duration = Duration::from_millis(200);
/// How long nobody is let in after the system would not let anyone in (no descriptors, for one).
const DEAF: Duration = Duration::from_secs(10);
/// The longest question, in octets.
const QUESTION: usize = 4096;

/// What an asker is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This line, which has its end.
    Line(Vec<u8>),
    /// The report, once.
    Report,
    /// The report, at least once a second and when something changes, until the asker leaves.
    Reports,
}

/// The owner's side of a control socket.
#[derive(Debug)]
pub struct Desk {
    listener: Option<Listener>,
    deaf_until: Option<Instant>,
    /// Somebody may be at the door.
    knocked: bool,
    askers: Vec<Asker>,
}

/// What the owner waits for at its socket.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeskTokens {
    listener: Option<Token>,
    askers: Tokens,
}

/// What an asker is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Still asking.
    Asking,
    /// For the owner to understand its question.
    Asked,
    /// For the report, once.
    Report,
    /// For one answer: it has it when `pending` is empty again.
    Answered,
    /// For the next report: last told then.
    Watching { told: Option<Instant>, changed: bool },
    /// For nothing: it is gone, or said what nobody says.
    Left,
}

#[derive(Debug)]
struct Asker {
    stream: UnixStream,
    /// Whose process it is.
    user: u32,
    /// There may be something to read of it.
    spoke: bool,
    /// It has said all that it will: its end of the stream is always readable, and nothing is read there.
    silent: bool,
    stage: Stage,
    question: Vec<u8>,
    /// What it has not taken yet: never more than one line.
    pending: Vec<u8>,
    /// When it last asked or took something.
    moved: Instant,
}

impl Desk {
    /// A desk at this socket; without one nobody ever asks.
    #[must_use]
    pub fn on(listener: Option<Listener>) -> Self {
        Self { listener, deaf_until: None, knocked: true, askers: Vec::new() }
    }

    /// Where the socket is, when there is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.listener.as_ref().map(Listener::path)
    }

    /// Waits at another socket from now on, if at any. Who asked already is answered.
    pub fn listen_at(&mut self, listener: Option<Listener>) {
        self.listener = listener;
        self.knocked = true;
    }

    /// Somebody may be at the door, whatever [`Self::handle_ready`] has heard.
    pub fn knock(&mut self) {
        self.knocked = true;
    }

    /// Waits for askers: for new ones, for what they ask, and until they take what they are told.
    pub fn watch<'fd>(&'fd self, waiter: &mut Waiter<'fd>) -> DeskTokens {
        let listener = self.listener.as_ref().filter(|_| self.deaf_until.is_none());
        let speakers = self.askers.iter().filter(|asker| !asker.silent);
        let watched = DeskTokens {
            listener: listener.map(|listener| waiter.read(listener.as_fd())),
            askers: waiter.read_all(speakers.map(|asker| asker.stream.as_fd())),
        };
        for asker in self.askers.iter().filter(|asker| !asker.pending.is_empty()) {
            waiter.write(asker.stream.as_fd());
        }
        watched
    }

    /// A wait is over: [`Self::serve`] reads what is ready, and nothing else.
    pub fn handle_ready(&mut self, ready: &Ready, watched: DeskTokens) {
        self.knocked |= ready.has(watched.listener);
        let speakers = self.askers.iter_mut().filter(|asker| !asker.silent);
        for (asker, token) in speakers.zip(watched.askers.iter()) {
            asker.spoke |= ready.has(token);
        }
    }

    /// When [`Self::serve`] is due, if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self, now: Instant) -> Option<Duration> {
        let askers = self.askers.iter().filter_map(Asker::due);
        askers.chain(self.deaf_until).min().map(|at| at.since(now))
    }

    /// What is reported has changed: watchers are told soon.
    pub fn changed(&mut self) {
        for asker in &mut self.askers {
            if let Stage::Watching { changed, .. } = &mut asker.stage {
                *changed = true;
            }
        }
    }

    /// Lets askers in, answers them, and lets go of those that are gone or do not read. `understand` is given a question,
    /// without its end, and the user whose process asks; `report` makes the line that reports are.
    pub fn serve(
        &mut self,
        mut understand: impl FnMut(&str, u32) -> Answer,
        report: impl FnOnce() -> Vec<u8>,
        now: Instant,
    ) {
        self.deaf_until = self.deaf_until.filter(|until| *until > now);
        // Those who have left make room for those who come.
        self.listen(now);
        self.accept(now);
        self.listen(now);
        for asker in self.askers.iter_mut().filter(|asker| asker.stage == Stage::Asked) {
            asker.answer(&mut understand);
        }
        if self.askers.iter().any(|asker| asker.wants_report(now)) {
            let line = report();
            for asker in self.askers.iter_mut().filter(|asker| asker.wants_report(now)) {
                asker.tell(&line, now);
            }
        }
        self.askers.retain_mut(|asker| asker.stays(now));
    }

    fn listen(&mut self, now: Instant) {
        for asker in &mut self.askers {
            if std::mem::take(&mut asker.spoke) {
                asker.listen(now);
            }
        }
        self.askers.retain(|asker| asker.stage != Stage::Left);
    }

    fn accept(&mut self, now: Instant) {
        let Some(listener) = self.listener.as_ref().filter(|_| self.deaf_until.is_none()) else { return };
        if !std::mem::take(&mut self.knocked) {
            return;
        }
        for _ in 0..MOST {
            match listener.accept() {
                Ok(Some((stream, user))) if self.askers.len() < MOST => {
                    self.askers.push(Asker::new(stream, user, now));
                }
                // Closed at once: it may come back.
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    log::warn!("another user asked at the control socket");
                }
                Err(error) => {
                    log::warn!("the control socket: {error}");
                    self.deaf_until = Some(now + DEAF);
                    return;
                }
            }
        }
    }
}

/// Whether the other end is closed both ways.
fn is_closed(stream: &UnixStream) -> bool {
    let mut asked = libc::pollfd { fd: stream.as_raw_fd(), events: 0, revents: 0 };
    // SAFETY: one pollfd that outlives the call, which does not wait.
    let told = unsafe { libc::poll(&raw mut asked, 1, 0) };
    told > 0 && asked.revents & (libc::POLLHUP | libc::POLLERR) != 0
}

impl Asker {
    fn new(stream: UnixStream, user: u32, now: Instant) -> Self {
        Self {
            stream,
            user,
            spoke: true,
            silent: false,
            stage: Stage::Asking,
            question: Vec::new(),
            pending: Vec::new(),
            moved: now,
        }
    }

    /// When something is due for it.
    fn due(&self) -> Option<Instant> {
        match self.stage {
            Stage::Watching { told: Some(told), changed } if self.pending.is_empty() => {
                Some(told + if changed { GAP } else { INTERVAL })
            }
            _ => Some(self.moved + PATIENCE),
        }
    }

    /// Reads what it asks. More than a question is no question.
    fn listen(&mut self, now: Instant) {
        let mut buffer = [0; QUESTION];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(count @ 1..) if self.question.len() + count <= QUESTION => {
                    self.question.extend_from_slice(&buffer[..count]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Nobody waits for an answer any more: what was asked is not done behind their back.
                Ok(0) if self.has_asked() && is_closed(&self.stream) => {
                    self.stage = Stage::Left;
                    return;
                }
                // It has said all that it will: a watcher leaves so. One answer may still be read.
                Ok(0) if self.stage == Stage::Answered || self.has_asked() => {
                    self.silent = true;
                    break;
                }
                _ => {
                    self.stage = Stage::Left;
                    return;
                }
            }
        }
        if self.has_asked() {
            self.moved = now;
            self.stage = Stage::Asked;
        }
    }

    fn has_asked(&self) -> bool {
        self.stage == Stage::Asking && self.question.contains(&b'\n')
    }

    fn answer(&mut self, understand: &mut impl FnMut(&str, u32) -> Answer) {
        let end = self.question.iter().position(|octet| *octet == b'\n').unwrap_or(self.question.len());
        let question = String::from_utf8_lossy(&self.question[..end]).into_owned();
        self.stage = match understand(question.trim_end(), self.user) {
            Answer::Line(line) => {
                self.pending = line;
                Stage::Answered
            }
            Answer::Report => Stage::Report,
            Answer::Reports => Stage::Watching { told: None, changed: false },
        };
    }

    fn wants_report(&self, now: Instant) -> bool {
        match self.stage {
            Stage::Asking | Stage::Asked | Stage::Answered | Stage::Left => false,
            Stage::Report | Stage::Watching { told: None, .. } => true,
            Stage::Watching { .. } => self.pending.is_empty() && self.due().is_some_and(|due| due <= now),
        }
    }

    fn tell(&mut self, line: &[u8], now: Instant) {
        self.pending = line.to_vec();
        self.moved = now;
        match &mut self.stage {
            Stage::Watching { told, changed } => (*told, *changed) = (Some(now), false),
            stage => *stage = Stage::Answered,
        }
    }

    /// Writes what it takes. Whether there is more to do for it.
    fn stays(&mut self, now: Instant) -> bool {
        while !self.pending.is_empty() {
            match self.stream.write(&self.pending) {
                Ok(count @ 1..) => {
                    self.pending.drain(..count);
                    self.moved = now;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Ok(0) | Err(_) => return false,
            }
        }
        let is_done = self.stage == Stage::Answered && self.pending.is_empty();
        let waits = self.stage == Stage::Asking || !self.pending.is_empty();
        !(is_done || (waits && now.since(self.moved) >= PATIENCE))
    }
}
