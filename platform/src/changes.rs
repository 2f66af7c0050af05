//! What happens to a machine under a session: its networks change, and it sleeps.
//!
//! Contract: a loop waits for what [`Changes::watch`] adds beside its own, no longer than [`Changes::timeout`], and after each
//! wait tells [`Changes::handle_ready`] and asks [`Changes::slept`] and [`Changes::begin_look`]. Nothing here waits, and nothing
//! is read that is not ready.

use crate::clock::{self, ResumeWatch, SuspendMeter};
use crate::interfaces::{Looks, Watch};
use crate::wait::{Ready, Token, Waiter};
use net::{Instant, SendError};
use std::io;
use std::time::Duration;

/// Notices of the machine's changes, and how often to act on them.
#[derive(Debug)]
pub struct Changes {
    watch: Watch,
    resume: ResumeWatch,
    meter: SuspendMeter,
    looks: Looks,
    /// The system refused to send since the last wait.
    refused: bool,
    /// There is something to read of the network's changes.
    told: bool,
    /// When the network was last compared with what it was, where the system does not tell.
    compared: Instant,
}

/// What [`Changes`] waits for.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChangeTokens {
    resume: Option<Token>,
    notices: Option<Token>,
}

impl Changes {
    /// Starts to watch.
    ///
    /// # Errors
    /// The system tells neither of changes nor the addresses, or has no more descriptors.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            watch: Watch::new()?,
            resume: ResumeWatch::new()?,
            meter: SuspendMeter::new(),
            looks: Looks::default(),
            refused: false,
            told: false,
            compared: clock::now(),
        })
    }

    /// Waits for changes too.
    pub fn watch<'fd>(&'fd self, waiter: &mut Waiter<'fd>) -> ChangeTokens {
        ChangeTokens {
            resume: self.resume.fd().map(|fd| waiter.read(fd)),
            notices: self.watch.fd().map(|fd| waiter.read(fd)),
        }
    }

    /// A wait is over.
    pub fn handle_ready(&mut self, ready: &Ready, watched: ChangeTokens) {
        if ready.has(watched.resume) {
            self.resume.clear();
        }
        self.told |= ready.has(watched.notices);
    }

    /// The system did not send a datagram: where a path is gone and the system tells nothing, that is the sign.
    pub fn handle_send_error(&mut self, error: SendError) {
        self.refused |= error == SendError::PathGone;
    }

    /// How long to wait at most: where the system gives no notice, it is looked at while somebody waits (`active`), and
    /// when a path was refused.
    #[must_use]
    pub fn timeout(&self, active: bool, now: Instant) -> Option<Duration> {
        let interval = self.watch.poll_interval();
        let compare = interval.filter(|_| active).map(|interval| (self.compared + interval).since(now));
        let refused = self.refused.then_some(Duration::ZERO);
        [compare, refused, self.looks.timeout(now)].into_iter().flatten().min()
    }

    /// How long the machine slept, or this process was stopped, where it meant to wake at `due`.
    #[must_use]
    pub fn slept(&mut self, due: Option<Instant>) -> Option<Duration> {
        let slept = self.meter.slept().or_else(|| clock::stopped(due, clock::now()))?;
        // Another network may be here by now.
        self.looks.note();
        Some(slept)
    }

    /// Whether to look at the interfaces now; when that has been done, [`Self::end_look`] is told the time given here.
    #[must_use]
    pub fn begin_look(&mut self) -> Option<Instant> {
        let now = clock::now();
        let due = |interval| now.since(self.compared) >= interval;
        let compares = self.watch.poll_interval().is_some_and(due);
        let refused = std::mem::take(&mut self.refused);
        if std::mem::take(&mut self.told) || refused || compares {
            self.compared = now;
            if self.watch.read() {
                self.looks.note();
            }
        }
        self.looks.take(now).then_some(now)
    }

    /// The look that began then is over.
    pub fn end_look(&mut self, began: Instant) {
        self.looks.took(began, clock::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_ends_one_wait_at_once() {
        let mut changes = Changes::new().unwrap();
        changes.handle_send_error(SendError::PathGone);
        assert_eq!(changes.timeout(false, clock::now()), Some(Duration::ZERO));
        assert_eq!(changes.begin_look(), None, "nothing has changed");
        assert_eq!(
            changes.timeout(false, clock::now()),
            None,
            "nothing is awaited of a system that tells of changes"
        );
    }

    #[test]
    fn who_slept_looks_at_the_network() {
        let mut changes = Changes::new().unwrap();
        let now = clock::now();
        assert_eq!(changes.slept(Some(now)), None);
        let long_ago = Instant::from_micros(now.as_micros() - 60_000_000);
        assert!(changes.slept(Some(long_ago)).is_some_and(|slept| slept >= Duration::from_secs(60)));
        assert_eq!(changes.timeout(false, now), Some(Duration::ZERO));
        let began = changes.begin_look().unwrap();
        changes.end_look(began);
    }
}
