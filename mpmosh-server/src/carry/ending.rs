//! When a carrier ends by itself. SPEC \[C-6].
//!
//! Contract: pure. It is told what was heard from the client's end and what the server's port answered.

use net::Instant;
use std::time::Duration;

/// A client says something every 35 s at least: one that is silent for so long is gone, or uses another carrier.
const SILENCE: Duration = Duration::from_secs(90);
/// A server whose port is refused for so long is gone.
const REFUSED: Duration = Duration::from_secs(60);

/// Why a carrier has nothing more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Over {
    /// Nothing came from the client.
    #[error("nothing has come from the client for {} s", SILENCE.as_secs())]
    Silent,
    /// Nobody listens at the session's port.
    #[error("the session's port has been refused for {} s: the session has ended", REFUSED.as_secs())]
    Refused,
}

/// See the module.
#[derive(Debug)]
pub struct Ending {
    heard: Instant,
    refused: Option<Instant>,
}

impl Ending {
    /// Of a carrier that begins.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { heard: now, refused: None }
    }

    /// Something came from the client.
    pub fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Something came from the server.
    pub fn answered(&mut self) {
        self.refused = None;
    }

    /// The system says that nobody listens at the server's port.
    pub fn refused(&mut self, now: Instant) {
        self.refused.get_or_insert(now);
    }

    /// Why it is over, where it is.
    #[must_use]
    pub fn over(&self, now: Instant) -> Option<Over> {
        if now.since(self.heard) >= SILENCE {
            return Some(Over::Silent);
        }
        self.refused.filter(|since| now.since(*since) >= REFUSED).map(|_| Over::Refused)
    }

    /// When that may be.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        let silent = self.heard + SILENCE;
        self.refused.map_or(silent, |since| silent.min(since + REFUSED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn it_ends_90_s_after_the_last_frame() {
        let mut ending = Ending::new(at(0));
        ending.heard(at(50));
        ending.answered();
        assert_eq!(ending.poll_timeout(), at(140));
        assert_eq!((ending.over(at(139)), ending.over(at(140))), (None, Some(Over::Silent)));
    }

    #[test]
    fn it_ends_a_minute_after_the_port_was_first_refused_unless_something_comes_from_there() {
        let mut ending = Ending::new(at(0));
        ending.refused(at(10));
        ending.answered();
        for second in [20, 40, 60] {
            ending.refused(at(second));
            ending.heard(at(second));
        }
        assert_eq!(ending.poll_timeout(), at(80));
        assert_eq!((ending.over(at(79)), ending.over(at(80))), (None, Some(Over::Refused)));
    }
}
