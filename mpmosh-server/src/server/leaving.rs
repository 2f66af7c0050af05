//! When a server leaves though its client has not answered.
//!
//! Contract: pure. A person comes back to a terminal, so that a session on one waits while its program runs. What was not
//! told at its end is kept for a day. Nobody can come back to a session without a terminal once its client has ended: it
//! goes when the client's own patience would have. ICMP is forgeable: a refusal counts only while the client is not heard.

use net::Instant;
use std::time::Duration;

/// How long the end of the program is kept for a client that is not heard: a laptop may be asleep overnight.
pub(super) const KEPT: Duration = Duration::from_secs(24 * 3600);

/// How long the client is told that the server was asked to leave: whoever asked may have the machine's end in mind.
pub(super) const TOLD: Duration = Duration::from_secs(10);

/// The same without a terminal: nobody can come back, and a client that is there answers within a round trip.
pub(super) const TOLD_PIPES: Duration = Duration::from_millis(2500);

/// A client whose port is refused, and which is not heard for so long, has ended. Clients take as long to give up a server.
const GONE_REFUSED: Duration = Duration::from_secs(3 * 60);

/// The same in silence, where nobody can come back. Clients without a terminal take as long to give up a server.
const GONE_SILENT: Duration = Duration::from_secs(15 * 60);

/// This many refusals are no accident.
const REFUSALS: u32 = 3;

/// What is known of a client that is not heard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving {
    /// What could not be heard before this does not count: this machine slept.
    excused: Instant,
    /// Ports refused since the client was last heard.
    refusals: u32,
    /// The farewell goes on until then.
    limit: Option<Instant>,
}

impl Leaving {
    pub(super) fn new(now: Instant) -> Self {
        Self { excused: now, refusals: 0, limit: None }
    }

    /// The client was heard.
    pub(super) fn hear(&mut self) {
        self.refusals = 0;
    }

    /// Nobody listens at the client's port, says the network.
    pub(super) fn refuse(&mut self) {
        self.refusals = self.refusals.saturating_add(1);
    }

    /// This machine slept.
    pub(super) fn excuse(&mut self, now: Instant) {
        self.excused = now;
    }

    /// The farewell begins and goes on until then at the latest.
    pub(super) fn begin(&mut self, limit: Instant) {
        self.limit.get_or_insert(limit);
    }

    /// When to leave without another word. `heard`: the client was last heard then; `returns`: it can come back after any
    /// time, as a person to a terminal; `timeout`: the user's own limit, which a running program's client is told of.
    pub(super) fn at(&self, heard: Instant, returns: bool, timeout: Option<Duration>) -> Option<Instant> {
        let silent_since = heard.max(self.excused);
        let ends = self.limit.is_some();
        let refused = (self.refusals >= REFUSALS && (ends || !returns)).then(|| silent_since + GONE_REFUSED);
        let silent = (!returns && !ends).then(|| silent_since + GONE_SILENT);
        let own = timeout.filter(|_| ends).map(|timeout| heard + timeout);
        [self.limit, refused, silent, own].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(0) + Duration::from_secs(seconds)
    }

    fn refused(mut leaving: Leaving) -> Leaving {
        for _ in 0..REFUSALS {
            leaving.refuse();
        }
        leaving
    }

    #[test]
    fn a_person_s_program_runs_on_and_a_pipe_s_ends_when_its_client_would_have_given_up() {
        let leaving = Leaving::new(at(0));
        assert_eq!(leaving.at(at(100), true, None), None);
        assert_eq!(leaving.at(at(100), false, None), Some(at(100 + 15 * 60)));
        let leaving = refused(leaving);
        assert_eq!(leaving.at(at(100), true, None), None, "ICMP ends no person's session");
        assert_eq!(leaving.at(at(100), false, None), Some(at(100 + 3 * 60)));
    }

    #[test]
    fn what_was_heard_or_slept_through_counts() {
        let mut leaving = refused(Leaving::new(at(0)));
        leaving.excuse(at(7200));
        assert_eq!(leaving.at(at(100), false, None), Some(at(7200 + 3 * 60)));
        leaving.hear();
        assert_eq!(leaving.at(at(7300), false, None), Some(at(7300 + 15 * 60)));
    }

    #[test]
    fn the_end_of_a_program_is_kept_for_a_day_or_the_user_s_limit_or_until_the_client_has_ended() {
        let mut leaving = Leaving::new(at(0));
        leaving.begin(at(50) + KEPT);
        leaving.begin(at(60) + KEPT);
        for returns in [true, false] {
            assert_eq!(leaving.at(at(100), returns, None), Some(at(50 + 24 * 3600)));
            assert_eq!(leaving.at(at(100), returns, Some(Duration::from_secs(60))), Some(at(160)));
            assert_eq!(refused(leaving).at(at(100), returns, None), Some(at(100 + 3 * 60)));
        }
    }
}
