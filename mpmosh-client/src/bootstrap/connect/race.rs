//! The race of connections: the next way begins when the one before has failed, or has been silent for a moment.
//!
//! Contract: one thread, nothing left behind. The first way that leads to a connection wins; the others are given up at once,
//! and send nothing more. While the first answers within [`STAGGER`], no other has sent anything.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use std::net::TcpStream;

use net::Instant;
use platform::clock;
use platform::dial::Dialling;
use platform::words::words;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::ways::Way;
use crate::bootstrap::Dialogue;
use crate::text::sanitize::one_line;

/// How long a way has before the next one is tried beside it (RFC 8305 §5 recommends this).
const STAGGER: Duration = Duration::from_millis(250);

/// A way that led nowhere.
#[derive(Debug)]
pub struct Unreached {
    remote: SocketAddr,
    over: Option<String>,
    error: io::Error,
}

impl Unreached {
    /// A way, and why it led nowhere.
    pub(super) fn new(way: Way, error: io::Error) -> Self {
        Self { remote: way.remote, over: way.over, error }
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.remote.ip())?;
        if let Some(over) = &self.over {
            write!(f, " over {over}")?;
        }
        match self.error.kind() {
            io::ErrorKind::TimedOut => f.write_str(": no answer"),
            _ => write!(f, ": {}", words(&self.error)),
        }
    }
}

/// A connection under way.
struct Trying {
    way: Way,
    dialling: Dialling,
    until: Instant,
}

/// Connects by the first of these ways that leads to a connection, each for so long at most.
pub(super) fn first(
    ways: Vec<Way>,
    timeout: Duration,
    dialogue: &mut dyn Dialogue,
) -> Result<TcpStream, Vec<Unreached>> {
    let began = clock::now();
    let mut race =
        Race { waiting: ways, trying: Vec::new(), failed: Vec::new(), began, next: began, timeout };
    loop {
        race.begin(dialogue);
        if let Some(stream) = race.winner() {
            let _ = stream.set_nodelay(true);
            return Ok(stream);
        }
        match race.wake() {
            Some(at) => race.wait(at),
            None => return Err(race.failed),
        }
    }
}

/// Begins all of these ways at once, and tells what became of each within so much time: how long it took.
pub(super) fn survey(ways: Vec<Way>, patience: Duration) -> Vec<(Way, io::Result<Duration>)> {
    let began = clock::now();
    let mut told = Vec::new();
    let mut trying: Vec<Trying> = Vec::new();
    for way in ways {
        match Dialling::begin(way.remote, way.from) {
            Ok(dialling) => trying.push(Trying { way, dialling, until: began + patience }),
            Err(error) => told.push((way, Err(error))),
        }
    }
    while !trying.is_empty() {
        let now = clock::now();
        for one in core::mem::take(&mut trying) {
            match one.dialling.outcome() {
                Some(outcome) => told.push((one.way, outcome.map(|()| now.since(began)))),
                None if one.until <= now => told.push((one.way, Err(io::ErrorKind::TimedOut.into()))),
                None => trying.push(one),
            }
        }
        if let Some(until) = trying.first().map(|one| one.until)
            && let Err(error) = wait_for(&trying, until)
        {
            told.extend(trying.drain(..).map(|one| (one.way, Err(error.into()))));
        }
    }
    told
}

/// Waits until one of these may have come to an end, and no longer than until then.
fn wait_for(trying: &[Trying], at: Instant) -> Result<(), Errno> {
    let left = at.since(clock::now());
    let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
    let watched = trying.iter().map(|one| PollFd::new(&one.dialling, PollFlags::OUT));
    match poll(&mut watched.collect::<Vec<_>>(), Some(&left)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error),
    }
}

struct Race {
    /// The next one first.
    waiting: Vec<Way>,
    trying: Vec<Trying>,
    failed: Vec<Unreached>,
    began: Instant,
    /// When the next way may begin.
    next: Instant,
    timeout: Duration,
}

impl Race {
    /// When a way may begin.
    fn due(&self, way: &Way) -> Instant {
        let waits = if self.trying.is_empty() { Duration::ZERO } else { way.waits };
        self.next.max(self.began + waits)
    }

    /// Begins what is due; what fails at once makes place for the next.
    fn begin(&mut self, dialogue: &mut dyn Dialogue) {
        let now = clock::now();
        while let Some(at) = self.waiting.iter().position(|way| self.due(way) <= now) {
            let way = self.waiting.remove(at);
            if let Some(text) = self.news(&way) {
                dialogue.stage(Some(&text));
            }
            match Dialling::begin(way.remote, way.from) {
                Ok(dialling) => {
                    log::debug!("connecting to {} over {:?}", way.remote, way.over);
                    self.trying.push(Trying { way, dialling, until: now + self.timeout });
                    self.next = now + STAGGER;
                }
                Err(error) => self.fail(way, error, now),
            }
        }
    }

    /// What there is to tell where another interface is tried while those before are silent.
    fn news(&self, way: &Way) -> Option<String> {
        let over = way.over.as_deref()?;
        let silent = self.trying.first()?.way.over.as_deref()?;
        let new = self.trying.iter().all(|other| other.way.over.as_deref() != Some(over));
        new.then(|| format!("{} does not answer; trying {}", one_line(silent, 40), one_line(over, 40)))
    }

    fn fail(&mut self, way: Way, error: io::Error, now: Instant) {
        log::debug!("{} over {:?}: {error}", way.remote, way.over);
        self.failed.push(Unreached::new(way, error));
        self.next = now;
    }

    /// The connection, if there is one; those that have failed are put aside.
    fn winner(&mut self) -> Option<TcpStream> {
        let now = clock::now();
        for one in core::mem::take(&mut self.trying) {
            let error = match one.dialling.outcome() {
                Some(Ok(())) => match one.dialling.into_stream() {
                    Ok(stream) => return Some(stream),
                    Err(error) => error,
                },
                Some(Err(error)) => error,
                None if one.until <= now => io::ErrorKind::TimedOut.into(),
                None => {
                    self.trying.push(one);
                    continue;
                }
            };
            self.fail(one.way, error, now);
        }
        None
    }

    /// When there is something to do even if nothing happens; `None` once nothing can happen any more.
    fn wake(&self) -> Option<Instant> {
        let due = self.waiting.iter().map(|way| self.due(way));
        due.chain(self.trying.iter().map(|one| one.until)).min()
    }

    /// Waits for what happens, until then at most.
    fn wait(&mut self, at: Instant) {
        if let Err(error) = wait_for(&self.trying, at) {
            // Nobody can wait for them.
            for one in core::mem::take(&mut self.trying) {
                self.fail(one.way, error.into(), at);
            }
        }
    }
}

#[cfg(test)]
mod tests;
