//! Is the flow alive? What was sent and not answered yet, the paper's `idle_time`, and when to probe next.
//!
//! Contract: every datagram that wants an answer is told to [`Liveness::sent`], every answer to
//! [`Liveness::answered`]; at [`Liveness::deadline`] the owner calls [`Liveness::expire`]. Paper §3.4; SPEC \[P-1] to
//! \[P-6].

use super::rtt::Rtt;
use crate::Instant;
use crate::answer::MAX_DELACK;
use alloc::collections::VecDeque;
use core::time::Duration;

/// The cap on `idle_time` (paper §5).
pub(crate) const MAX_IDLE: Duration = Duration::from_secs(10);

/// The least time between two probes of a flow that answers (paper §3.4).
pub(crate) const MIN_PROBE_INTERVAL: Duration = Duration::from_millis(500);

/// Unanswered sends that are remembered; the oldest stay.
const REMEMBERED: usize = 256;

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Instant,
    data: bool,
}

/// The answering state of one flow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Liveness {
    idle: Duration,
    unanswered: VecDeque<Sent>,
    deadline: Option<Instant>,
    /// Deadlines passed since the last answer.
    expiries: u32,
    /// A payload was among what was forgotten, and there has been no answer since.
    forgot_data: bool,
    /// How much longer than [`MAX_DELACK`] the peer may hold its answers.
    slack: Duration,
    pub(crate) next_probe: Option<Instant>,
}

impl Liveness {
    /// The time during which the flow has not been responsive (paper §3.4).
    pub(crate) fn idle(&self) -> Duration {
        self.idle
    }

    pub(crate) fn expiries(&self) -> u32 {
        self.expiries
    }

    /// When the answer that is due becomes overdue.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// When the oldest datagram that is not answered was sent.
    pub(crate) fn oldest_unanswered(&self) -> Option<Instant> {
        self.unanswered.front().map(|sent| sent.at)
    }

    /// Whether a payload is among what is not answered.
    pub(crate) fn owes_data(&self) -> bool {
        self.unanswered.iter().any(|sent| sent.data)
    }

    /// The same, of a flow that failed: also of what is not waited for any more.
    pub(crate) fn failed_owing_data(&self) -> bool {
        self.forgot_data || self.owes_data()
    }

    /// The peer may hold its answers for so much longer than [`MAX_DELACK`] from now on.
    pub(crate) fn allow(&mut self, slack: Duration) {
        self.slack = slack;
    }

    /// How long after a send its answer is overdue. First the RTO alone, whose granularity has room for a held
    /// answer; once the flow is idle, the paper's dRTO = RTO + max_delack. What the peer may hold beyond that is added.
    /// SPEC \[P-3].
    fn patience(&self, rtt: &Rtt) -> Duration {
        let rto = rtt.rto(self.idle) + self.slack;
        if self.idle.is_zero() { rto } else { rto + MAX_DELACK }
    }

    /// The paper's probe_interval = max(dRTO, 500 ms). SPEC \[P-4].
    pub(crate) fn probe_interval(&self, rtt: &Rtt) -> Duration {
        (rtt.rto(self.idle) + MAX_DELACK).max(MIN_PROBE_INTERVAL)
    }

    /// A datagram that wants an answer was sent.
    pub(crate) fn sent(&mut self, rtt: &Rtt, data: bool, now: Instant) {
        if self.unanswered.len() < REMEMBERED {
            self.unanswered.push_back(Sent { at: now, data });
        }
        if self.deadline.is_none() {
            self.deadline = Some(now + self.patience(rtt));
        }
    }

    /// An answer arrived, to what was sent at the millisecond `reply` of this end's clock, or before it.
    pub(crate) fn answered(&mut self, rtt: &Rtt, reply: u64) {
        while self.unanswered.front().is_some_and(|sent| sent.at.as_millis() <= reply) {
            self.unanswered.pop_front();
        }
        self.idle = Duration::ZERO;
        self.expiries = 0;
        self.forgot_data = false;
        self.deadline = self.unanswered.front().map(|sent| sent.at + self.patience(rtt));
    }

    /// The deadline passed. `idle_time` grows by one RTO and no more, however late the event loop calls. SPEC
    /// \[P-2].
    pub(crate) fn expire(&mut self, rtt: &Rtt) {
        self.idle = (self.idle + rtt.rto(self.idle)).min(MAX_IDLE);
        self.expiries = self.expiries.saturating_add(1);
        self.deadline = None;
    }

    /// Everything dates from before a sleep, or a rebinding: nothing is due.
    pub(crate) fn forget(&mut self) {
        self.forgot_data |= self.owes_data();
        self.unanswered.clear();
        self.deadline = None;
    }

    /// The flow is closed, or nobody is there: nothing is due, and nothing is asked.
    pub(crate) fn settle(&mut self) {
        self.forget();
        self.next_probe = None;
    }

    /// What is waited for is due by then at the latest.
    pub(crate) fn expect_by(&mut self, at: Instant) {
        self.deadline = self.deadline.map(|deadline| deadline.min(at));
    }

    /// Ends the wait at once, on a hint from the system; whether something was waited for.
    pub(crate) fn hasten(&mut self, now: Instant) -> bool {
        let waits = !self.unanswered.is_empty();
        if waits {
            self.deadline = Some(now);
        }
        waits
    }
}

#[cfg(test)]
mod tests {
    use super::super::times::{at, ms};
    use super::*;

    fn steady() -> Rtt {
        let mut rtt = Rtt::default();
        (0..30).for_each(|_| rtt.sample(ms(40)));
        rtt
    }

    #[test]
    fn an_answer_is_overdue_after_srtt_and_the_granularity() {
        let (rtt, mut liveness) = (steady(), Liveness::default());
        liveness.sent(&rtt, true, at(1000));
        liveness.sent(&rtt, true, at(1030));
        assert_eq!(liveness.deadline(), Some(at(1060)));
        liveness.answered(&rtt, 1000);
        assert_eq!(liveness.deadline(), Some(at(1090)));
        liveness.answered(&rtt, 1033);
        assert_eq!(liveness.deadline(), None);
    }

    #[test]
    fn idle_time_doubles_as_the_paper_says_and_is_capped() {
        let (rtt, mut liveness) = (steady(), Liveness::default());
        let mut now = 0;
        for idle in [60, 180, 420, 900, 1860, 3780, 7620, 10_000, 10_000] {
            liveness.sent(&rtt, false, at(now));
            now = liveness.deadline().unwrap().as_millis() + 100_000;
            liveness.expire(&rtt);
            assert_eq!(liveness.idle(), ms(idle), "by one RTO, however late");
        }
        assert_eq!(liveness.probe_interval(&rtt), ms(10_065));
        liveness.answered(&rtt, now);
        assert_eq!((liveness.idle(), liveness.probe_interval(&rtt)), (ms(0), ms(500)));
    }

    #[test]
    fn a_payload_that_is_not_waited_for_any_more_stays_owed_until_there_is_an_answer() {
        let (rtt, mut liveness) = (steady(), Liveness::default());
        liveness.sent(&rtt, false, at(0));
        liveness.forget();
        assert!(!liveness.failed_owing_data());
        liveness.sent(&rtt, true, at(100));
        liveness.forget();
        assert_eq!((liveness.owes_data(), liveness.failed_owing_data()), (false, true));
        liveness.sent(&rtt, false, at(200));
        liveness.answered(&rtt, 200);
        assert!(!liveness.failed_owing_data());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_stays() {
        let (rtt, mut liveness) = (steady(), Liveness::default());
        (0..10_000).for_each(|n| liveness.sent(&rtt, true, at(n)));
        assert_eq!(liveness.unanswered.len(), REMEMBERED);
        assert_eq!(liveness.oldest_unanswered(), Some(at(0)));
    }
}
