//! One flow: the protocol object that an id on the wire names, riding one path at a time.
//!
//! Contract: the sequence space and the replay window live as long as the key. [`Flow::rebind`] moves the flow to
//! another path and forgets what was measured, and nothing else. SPEC \[F-1] to \[F-7].

mod keepalive;
mod latency;
mod liveness;
mod loss;
mod mtu;
mod replay;
mod rtt;
mod validation;

pub(crate) use keepalive::{Keepalive, SHORTEST as SHORTEST_KEEPALIVE};
pub(crate) use latency::Latency;
pub(crate) use liveness::Liveness;
pub(crate) use loss::{Loss, ReportedLoss, WINDOW};
pub(crate) use mtu::{Change, Circumstances, Mtu, code_of};
pub(crate) use replay::{Order, ReplayWindow};
pub(crate) use rtt::{GRANULARITY, Rtt};
pub(crate) use validation::{Candidacy, same_address};

use crate::time::wire;
use crate::wire::{FlowId, NonceSource};
use crate::{Instant, Path, Side, Traffic};
use core::net::SocketAddr;
use core::time::Duration;

/// How a flow stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlowState {
    /// Answers what is sent on it.
    Answering,
    /// Never answered yet.
    Untried,
    /// An answer is overdue.
    Suspect,
    /// Several answers are overdue.
    Lost,
    /// Its interface, address or route is gone.
    Suspended,
    /// Never answered, and is not tried any more until the network changes.
    Retired,
}

impl FlowState {
    /// Whether datagrams may be sent on it.
    pub(crate) fn is_open(self) -> bool {
        !matches!(self, Self::Suspended | Self::Retired)
    }
}

/// The peer's last timestamp, waiting to be sent back.
#[derive(Clone, Copy, Debug)]
struct Saved {
    timestamp: u16,
    at: Instant,
    /// The peer waits for it; otherwise it only helps the peer to measure.
    owed: bool,
}

/// A saved timestamp older than this is not sent back: mosh's limit, kept by the multipath dialect.
pub(crate) const LONGEST_HOLD: Duration = Duration::from_secs(1);

/// The loss, in percent, that a flow may have before enough was sent on it to tell.
const UNCERTAIN: u8 = 5;

/// What is to be sent on a flow besides payloads.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one for each kind of datagram")]
pub(crate) struct Wants {
    /// A probe that asks for an answer.
    pub(crate) probe: bool,
    /// An answer, now.
    pub(crate) answer: bool,
    /// An address request (client) or list (server).
    pub(crate) addresses: bool,
    /// The word that the client asked for, to be said unasked and late (server).
    pub(crate) late_word: bool,
}

/// What is kept of a flow that gave way to others: no number under the key is sent or received twice.
#[derive(Debug)]
pub(crate) struct Rest {
    nonces: NonceSource,
    expected: u64,
}

impl Rest {
    /// The least sequence number that is still taken.
    pub(crate) fn expected(&self) -> u64 {
        self.expected
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) id: FlowId,
    pub(crate) path: Path,
    pub(crate) state: FlowState,
    // As long as the key:
    pub(crate) nonces: NonceSource,
    pub(crate) replay: ReplayWindow,
    // As long as the binding:
    bound_at: Instant,
    pub(crate) rtt: Rtt,
    pub(crate) latency: Latency,
    pub(crate) loss: Loss,
    pub(crate) liveness: Liveness,
    /// When a payload went on it last that no answer confirms yet, where payloads themselves are not answered.
    pub(crate) carried_at: Option<Instant>,
    /// The loss that the peer reports.
    pub(crate) reported_loss: ReportedLoss,
    saved: Option<Saved>,
    /// When the answer to an in-order payload is to be sent at the latest.
    pub(crate) answer_due: Option<Instant>,
    pub(crate) wants: Wants,
    /// The flow whose silence made this one suspect: they share an interface.
    pub(crate) suspected_with: Option<FlowId>,
    pub(crate) suspected_at: Option<Instant>,
    /// When it was last asked, lost as it is, because something came in on it (server).
    pub(crate) asked_back_at: Option<Instant>,
    /// When to try again after the local system refused to send, and how often it did in a row.
    pub(crate) retry_at: Option<Instant>,
    pub(crate) refusals: u32,
    /// It was closed for a preferred address of its network (client).
    pub(crate) is_superseded: bool,
    pub(crate) last_heard: Option<Instant>,
    pub(crate) last_answered: Option<Instant>,
    pub(crate) last_sent: Option<Instant>,
    /// How long this end may be silent (client).
    pub(crate) keepalive: Keepalive,
    /// This end's address as the peer last saw it, by the port that it then had; and how long this end had been silent
    /// when it last asked (client).
    pub(crate) observed: Option<(SocketAddr, u32)>,
    pub(crate) silence_before_request: Duration,
    /// A congestion mark was seen and not told yet.
    pub(crate) saw_congestion: bool,
    pub(crate) port_generation: u32,
    pub(crate) candidacy: Option<Candidacy>,
    /// How large its datagrams may be, in dialects with probes.
    pub(crate) mtu: Mtu,
    /// The code of the largest datagram that arrived and was not told yet.
    pub(crate) largest: u8,
    /// What was sent last is a padded probe.
    pub(crate) padded_last: bool,
    /// The octets of the last datagram handed out.
    pub(crate) last_octets: usize,
    /// What congestion that the peer told of adds to the round trip for the frame rate's sake.
    pub(crate) congestion_delay: Duration,
    /// UDP payload that is known to fit, in dialects without.
    pub(crate) datagram_limit: Option<usize>,
    pub(crate) sent: Traffic,
    pub(crate) received: Traffic,
}

impl Flow {
    pub(crate) fn new(id: FlowId, side: Side, path: Path, mtu: Mtu, now: Instant) -> Self {
        Self {
            id,
            path,
            state: FlowState::Untried,
            nonces: NonceSource::new(id, side),
            replay: ReplayWindow::default(),
            bound_at: now,
            rtt: Rtt::default(),
            latency: Latency::default(),
            loss: Loss::default(),
            liveness: Liveness::default(),
            carried_at: None,
            reported_loss: ReportedLoss::default(),
            saved: None,
            answer_due: None,
            wants: Wants::default(),
            suspected_with: None,
            suspected_at: None,
            asked_back_at: None,
            retry_at: None,
            refusals: 0,
            is_superseded: false,
            last_heard: None,
            last_answered: None,
            last_sent: None,
            keepalive: Keepalive::default(),
            observed: None,
            silence_before_request: Duration::ZERO,
            saw_congestion: false,
            port_generation: 0,
            candidacy: None,
            mtu,
            largest: 0,
            padded_last: false,
            last_octets: 0,
            congestion_delay: Duration::ZERO,
            datagram_limit: None,
            sent: Traffic::default(),
            received: Traffic::default(),
        }
    }

    /// Moves the id to another path: a new flow, but for the sequence numbers and the replay window.
    pub(crate) fn rebind(&mut self, path: Path, side: Side, mtu: Mtu, now: Instant) {
        let fresh = Self::new(self.id, side, path, mtu, now);
        let Self { nonces, replay, port_generation, .. } = core::mem::replace(self, fresh);
        self.nonces = nonces;
        self.replay = replay;
        self.port_generation = port_generation;
    }

    /// Nothing that is known of the path holds any more, and nothing is due on it.
    pub(crate) fn forget_all(&mut self, now: Instant) {
        self.forget_measurements();
        self.bound_at = now;
        self.loss = Loss::default();
        self.reported_loss = ReportedLoss::default();
        self.liveness = Liveness::default();
        self.keepalive = Keepalive::default();
        self.mtu.park();
        self.saved = None;
        self.answer_due = None;
        self.carried_at = None;
        // Another flow's answer relieves this one only of a doubt that is younger than the sleep.
        self.suspected_with = None;
        self.asked_back_at = None;
    }

    /// Leaves what lives as long as the key.
    pub(crate) fn rest(self) -> Rest {
        Rest { nonces: self.nonces, expected: self.replay.expected() }
    }

    /// Continues what rested.
    pub(crate) fn wake(&mut self, rest: Rest) {
        self.nonces = rest.nonces;
        self.replay = ReplayWindow::starting_at(rest.expected);
    }

    /// Whether it has been on its path for so long.
    pub(crate) fn is_bound_for(&self, duration: Duration, now: Instant) -> bool {
        now.since(self.bound_at) >= duration
    }

    /// Whether a payload is among what is not answered.
    pub(crate) fn owes_data(&self) -> bool {
        self.liveness.owes_data() || self.carried_at.is_some()
    }

    /// The same, of a flow that failed: also of what is not waited for any more.
    pub(crate) fn failed_owing_data(&self) -> bool {
        self.liveness.failed_owing_data() || self.carried_at.is_some()
    }

    /// Takes a measurement of the round trip.
    pub(crate) fn measured(&mut self, round_trip: Duration, now: Instant) {
        self.rtt.sample(round_trip);
        self.latency.sample(round_trip, self.rtt.srtt().unwrap_or(round_trip), now);
    }

    /// Its round trip, zero before the first measurement, and whether a queue stands on the path: the newest round trip is
    /// longer than the least one lately by more than noise.
    pub(crate) fn standing(&self) -> (Duration, bool) {
        let queue = self.latency.newest().zip(self.latency.least());
        let queued = queue.is_some_and(|(newest, least)| newest.saturating_sub(least) > GRANULARITY);
        (self.rtt.srtt().unwrap_or_default(), queued)
    }

    /// Forgets what was measured: the path is another.
    pub(crate) fn forget_measurements(&mut self) {
        self.rtt = Rtt::default();
        self.latency = Latency::default();
    }

    /// What a flow costs (paper §3.4): the round trip, with our own bulk on it if `loaded`, + idle time. A flow that
    /// was never measured costs more than any.
    pub(crate) fn cost(&self, loaded: bool, now: Instant) -> Duration {
        let Some(srtt) = self.rtt.srtt() else { return Duration::MAX };
        let latency = if loaded { self.latency.under_load(srtt, now) } else { self.latency.bound(srtt) };
        latency + self.liveness.idle()
    }

    /// The part of the datagrams, in percent, of which one way or the other way loses one, if that still goes on.
    pub(crate) fn loss_now(&self, now: Instant) -> u8 {
        let arrive = |percent: u8| 100 - u32::from(percent);
        let both = arrive(self.loss.percent_now(now)) * arrive(self.reported_loss.percent_now(now)) / 100;
        (100 - both) as u8
    }

    /// When a loss that went on is over, and the flow costs less.
    pub(crate) fn loss_over_at(&self) -> Option<Instant> {
        [self.loss.over_at(), self.reported_loss.over_at()].into_iter().flatten().min()
    }

    /// Takes note that it is.
    pub(crate) fn expire_loss(&mut self, now: Instant) {
        self.loss.expire(now);
        self.reported_loss.expire(now);
    }

    /// What the search for its MTU has to know.
    pub(crate) fn circumstances(&self, now: Instant) -> Circumstances {
        let arrive = |percent: u8| 100 - u32::from(percent.min(100));
        // The peer's window counts what is not sent yet as if it had arrived. Before it is full nothing is certain.
        let sent = self.sent.total().datagrams.clamp(1, u64::from(WINDOW));
        let out = (u64::from(self.reported_loss.percent()) * u64::from(WINDOW) / sent).min(100) as u8;
        let out = if sent < u64::from(WINDOW) { out.max(UNCERTAIN) } else { out };
        let lost = (100 - arrive(self.loss.percent()) * arrive(out) / 100) as u8;
        Circumstances { rto: self.rtt.rto(Duration::ZERO), lost, queued: self.standing().1, now }
    }

    /// Keeps the peer's timestamp.
    pub(crate) fn save_timestamp(&mut self, timestamp: u16, owed: bool, now: Instant) {
        let owed = owed || self.saved.is_some_and(|saved| saved.owed);
        self.saved = Some(Saved { timestamp, at: now, owed });
    }

    /// Whether the peer waits for its timestamp.
    pub(crate) fn owes_reply(&self) -> bool {
        self.saved.is_some_and(|saved| saved.owed)
    }

    /// The timestamp to send back: the saved one plus the time it was held, once, and only while it is fresh.
    pub(crate) fn take_reply(&mut self, now: Instant) -> Option<u16> {
        let Saved { timestamp, at, .. } = self.saved.take()?;
        let held = now.since(at);
        (held < LONGEST_HOLD).then(|| wire::add(timestamp, held))
    }

    /// How long ago the peer's `reply` was our timestamp, if that is a round trip to believe: not longer than
    /// `longest`, and not older than the binding.
    pub(crate) fn round_trip(&self, reply: u16, longest: Duration, now: Instant) -> Option<Duration> {
        let round_trip = wire::since(reply, now);
        let since_bound =
            Duration::from_millis(now.as_millis() - self.bound_at.as_millis().min(now.as_millis()));
        (round_trip < longest && round_trip <= since_bound).then_some(round_trip)
    }

    /// An answer to what was sent `round_trip` ago or before.
    pub(crate) fn answered(&mut self, round_trip: Duration, now: Instant) {
        let reply = now.as_millis().saturating_sub(round_trip.as_millis() as u64);
        self.liveness.answered(&self.rtt, reply);
        self.carried_at = self.carried_at.filter(|at| at.as_millis() > reply);
        // What went after the question that was answered needs one of its own.
        self.wants.probe |= self.carried_at.is_some() && self.liveness.oldest_unanswered().is_none();
        self.last_answered = Some(now);
        self.suspected_with = None;
        self.refusals = 0;
    }
}

#[cfg(test)]
mod times {
    //! Times for the tests of this room.

    use crate::Instant;
    use core::time::Duration;

    pub(super) const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// So many milliseconds on the clock.
    pub(super) fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::times::{at, ms};
    use super::*;
    use core::num::NonZeroU32;

    fn path(ip: &str) -> Path {
        let local = crate::LocalAddr { ip: ip.parse().unwrap(), interface: NonZeroU32::new(1) };
        Path { local, remote: "192.0.2.1:60001".parse().unwrap() }
    }

    #[test]
    fn a_flow_that_moves_to_another_path_forgets_everything_but_its_numbers() {
        let mtu = |now| Mtu::new(1252, 1472, now);
        let mut flow = Flow::new(FlowId::ZERO, Side::Client, path("10.0.0.1"), mtu(at(0)), at(0));
        let asked = wire::stamp(at(1000));
        flow.nonces.skip_to(7);
        flow.replay.accept(41);
        flow.measured(ms(40), at(1040));
        (0..9).step_by(2).for_each(|n| flow.loss.received(n, at(1040 + n)));
        flow.reported_loss.report(9, at(1050));
        flow.liveness.sent(&flow.rtt, true, at(1100));
        flow.liveness.expire(&flow.rtt);
        flow.save_timestamp(5, true, at(1100));
        let _ = flow.mtu.set_ceiling(500);
        flow.port_generation = 3;
        assert!(!flow.liveness.idle().is_zero() && flow.loss.percent() > 0);
        assert_eq!(flow.round_trip(asked, ms(5000), at(1200)), Some(ms(200)));

        flow.rebind(path("10.0.0.2"), Side::Client, mtu(at(1200)), at(1200));
        assert_eq!((flow.path, flow.state), (path("10.0.0.2"), FlowState::Untried));
        let number = flow.nonces.next().map(|nonce| nonce.word() & ((1 << 48) - 1));
        assert_eq!(number, Some(7), "no number is used twice");
        assert_eq!((flow.replay.check(41), flow.replay.check(42)), (None, Some(Order::Newest)));
        assert_eq!(flow.port_generation, 3, "the mapping of the newest port");
        assert_eq!((flow.rtt.srtt(), flow.liveness.idle(), flow.owes_data()), (None, Duration::ZERO, false));
        assert_eq!((flow.loss.percent(), flow.reported_loss.percent()), (0, 0));
        assert_eq!((flow.take_reply(at(1201)), flow.mtu.octets()), (None, 1252));
        let late = flow.round_trip(asked, ms(5000), at(1201));
        assert_eq!(late, None, "what was asked on the other path measures nothing here");
    }
}
