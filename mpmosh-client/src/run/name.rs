//! Where the server's name leads now, asked while nothing answers.
//!
//! Contract: [`Name::ask`] returns at once; the name service may take as long as it likes, on a thread of its own. The
//! answer makes [`Name::fd`] readable and is fetched by [`Name::take`]. What it says is a hint: anyone may have said it.

use crate::bootstrap;
use crate::cli::words::Family;
use net::Instant;
use std::io::{self, PipeReader};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::Duration;

/// The longest time between two questions of one outage; the first two are as far apart as the client's complaints.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const FIRST_WAIT: Duration = Duration::from_secs(10);

pub(super) struct Name {
    name: Option<String>,
    port: u16,
    family: Family,
    /// The outage that is asked for, how long to wait after a question, and when the next may be asked.
    outage: Option<Instant>,
    wait: Duration,
    not_before: Instant,
    answer: Option<(PipeReader, Receiver<Vec<SocketAddr>>)>,
}

impl Name {
    /// `None`: there is no name to ask for, only an address.
    pub(super) fn new(name: Option<String>, port: u16, family: Family) -> Self {
        Self { name, port, family, outage: None, wait: FIRST_WAIT, not_before: Instant::ZERO, answer: None }
    }

    /// Asks, if it is time to: `outage` says since when nothing has answered.
    pub(super) fn ask(&mut self, outage: Option<Instant>, now: Instant) {
        if self.outage != outage {
            (self.outage, self.wait, self.not_before) = (outage, FIRST_WAIT, now);
        }
        let Some(name) = &self.name else { return };
        if self.answer.is_some() || now < self.not_before {
            return;
        }
        self.not_before = now + self.wait;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        match look_up(name.clone(), self.port, self.family) {
            Ok(answer) => self.answer = Some(answer),
            Err(error) => log::warn!("the name service cannot be asked: {error}"),
        }
    }

    /// Readable once the answer is there.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.answer.as_ref().map(|(fd, _)| fd.as_fd())
    }

    /// The answer, once it is there: what the name service says, if it says anything.
    pub(super) fn take(&mut self) -> Vec<SocketAddr> {
        match self.answer.as_ref().map(|(_, answer)| answer.try_recv()) {
            None | Some(Err(TryRecvError::Empty)) => Vec::new(),
            Some(found) => {
                self.answer = None;
                found.unwrap_or_default()
            }
        }
    }
}

/// The writing end of the pipe closes when the thread is done, which makes the other end readable.
fn look_up(name: String, port: u16, family: Family) -> io::Result<(PipeReader, Receiver<Vec<SocketAddr>>)> {
    let (reader, writer) = io::pipe()?;
    let (sender, receiver) = channel();
    thread::Builder::new().name("resolver".into()).spawn(move || {
        let found = bootstrap::resolve(&name, port, family);
        log::info!("the name service says that {name} is at {found:?}");
        let _ = sender.send(found);
        drop(writer);
    })?;
    Ok((reader, receiver))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn the_answer_comes_without_being_waited_for_and_the_questions_grow_rare() {
        let mut name = Name::new(Some("localhost".into()), 60001, Family::Inet);
        let outage = Some(at(100));
        let mut asked = Vec::new();
        for second in (110..400).step_by(10) {
            name.ask(outage, at(second));
            if let Some((done, _)) = &mut name.answer {
                asked.push(second);
                assert_eq!(done.read(&mut [0]).unwrap(), 0, "closed, and so readable");
                assert_eq!(name.take(), ["127.0.0.1:60001".parse().unwrap()]);
            }
        }
        assert_eq!(asked, [110, 120, 140, 180, 240, 300, 360]);
        name.ask(Some(at(395)), at(400));
        assert!(name.fd().is_some(), "another outage is asked for at once");
    }

    #[test]
    fn an_address_is_not_asked_for() {
        let mut name = Name::new(None, 60001, Family::Auto);
        name.ask(None, at(1));
        assert!(name.fd().is_none() && name.take().is_empty());
    }
}
