//! What a flow has for as long as it rides one path.
//!
//! Contract: [`Binding::new`] is what another path begins with. [`Binding::sleep`] replaces what was learned of the path
//! ([`Known`]) and what is due on it ([`Due`]), each as a whole; [`Binding::settle`] the latter alone. A field that is added
//! to either is forgotten with it. SPEC \[F-3], \[X-6].

use super::budget::Budget;
use super::keepalive::Keepalive;
use super::latency::Latency;
use super::liveness::Liveness;
use super::loss::{Loss, ReportedLoss, WINDOW};
use super::mtu::{Circumstances, Mtu};
use super::rtt::{GRANULARITY, Rtt};
use super::{Candidacy, FlowState};
use crate::answer::{MAX_DELACK, hold};
use crate::connection::Reason;
use crate::time::wire;
use crate::wire::FlowId;
use crate::{Instant, Path, SentKind, Side, Traffic};
use core::net::SocketAddr;
use core::time::Duration;

/// A saved timestamp older than this is not sent back: mosh's limit, kept by the multipath dialect.
pub(crate) const LONGEST_HOLD: Duration = Duration::from_secs(1);

/// The loss, in percent, that a flow may have before enough was sent on it to tell.
const UNCERTAIN: u8 = 5;

/// How much longer mosh lets a round trip look for which it saw a congestion mark.
pub(crate) const CONGESTION_PENALTY: Duration = Duration::from_millis(500);

/// After the local system refused to send: how long until the next attempt, times the refusals in a row, and how many of
/// them count.
const RETRY: (Duration, u32) = (Duration::from_secs(1), 10);

/// The longest hold of a client on a thin path.
const LONGEST_ON_THIN: Duration = Duration::from_millis(400);

/// The least time between two hints of the network's that are followed.
const HINTS: Duration = Duration::from_secs(1);

/// The peer's last timestamp, waiting to be sent back.
#[derive(Clone, Copy, Debug)]
struct Saved {
    timestamp: u16,
    at: Instant,
    /// The peer waits for it; otherwise it only helps the peer to measure.
    owed: bool,
}

/// Why and since when a flow is suspect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suspicion {
    pub(crate) at: Instant,
    /// The flow whose silence made this one suspect: they share an interface. An answer on either relieves both.
    pub(crate) with: Option<FlowId>,
}

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

impl Wants {
    /// The most urgent thing, which is not wanted any more then.
    fn take_next(&mut self, side: Side) -> Option<SentKind> {
        use core::mem::take;
        if take(&mut self.answer) {
            Some(SentKind::Answer)
        } else if take(&mut self.addresses) {
            Some(match side {
                Side::Client => SentKind::AddressRequest,
                Side::Server => SentKind::AddressList,
            })
        } else if take(&mut self.probe) {
            Some(SentKind::Probe)
        } else {
            take(&mut self.late_word).then_some(SentKind::LateWord)
        }
    }
}

/// What was learned of the path: a sleep makes all of it stale.
#[derive(Debug)]
pub(crate) struct Known {
    /// What was asked before is no measurement of this path.
    since: Instant,
    pub(crate) rtt: Rtt,
    pub(crate) latency: Latency,
    pub(crate) loss: Loss,
    /// The loss that the peer reports.
    pub(crate) reported_loss: ReportedLoss,
    /// What congestion that the peer told of adds to the round trip for the frame rate's sake.
    pub(crate) congestion_delay: Duration,
    /// How long this end may be silent (client).
    pub(crate) keepalive: Keepalive,
    /// What it carries.
    pub(crate) budget: Budget,
}

impl Known {
    fn since(now: Instant) -> Self {
        Self {
            since: now,
            rtt: Rtt::default(),
            latency: Latency::default(),
            loss: Loss::default(),
            reported_loss: ReportedLoss::default(),
            congestion_delay: Duration::ZERO,
            keepalive: Keepalive::default(),
            budget: Budget::default(),
        }
    }
}

/// What is due on the flow.
#[derive(Debug, Default)]
pub(crate) struct Due {
    saved: Option<Saved>,
    /// When the answer to an in-order payload is to be sent at the latest.
    pub(crate) answer_at: Option<Instant>,
    pub(crate) wants: Wants,
    pub(crate) suspicion: Option<Suspicion>,
    /// When it was last asked, lost as it is, because something came in on it (server).
    pub(crate) asked_back_at: Option<Instant>,
    /// When a payload went on it last that no answer confirms yet, where payloads themselves are not answered.
    carried_at: Option<Instant>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) path: Path,
    pub(crate) state: FlowState,
    pub(crate) port_generation: u32,
    pub(crate) known: Known,
    pub(crate) due: Due,
    pub(crate) liveness: Liveness,
    /// Another address of the peer, which is being validated (server).
    pub(crate) candidacy: Option<Candidacy>,
    /// How large its datagrams may be, in dialects with probes.
    pub(crate) mtu: Mtu,
    /// UDP payload that is known to fit, in dialects without.
    pub(crate) datagram_limit: Option<usize>,
    /// When to try again after the local system refused to send, and how often it did in a row.
    pub(crate) retry_at: Option<Instant>,
    refusals: u32,
    /// It was closed for a preferred address of its network (client).
    pub(crate) is_superseded: bool,
    pub(crate) last_heard: Option<Instant>,
    pub(crate) last_answered: Option<Instant>,
    pub(crate) last_sent: Option<Instant>,
    /// The octets of the last datagram handed out.
    pub(crate) last_octets: usize,
    /// It was a padded probe.
    pub(crate) padded_last: bool,
    /// This end's address as the peer last saw it, by the port that it then had; and how long this end had been silent
    /// when it last asked (client).
    pub(crate) observed: Option<(SocketAddr, u32)>,
    pub(crate) silence_before_request: Duration,
    /// How many address lists may still come for what was asked (client).
    pub(crate) lists_owed: u8,
    /// When the network last said that the path does not work, which anyone can.
    hinted_at: Option<Instant>,
    /// A congestion mark was seen and not told yet.
    pub(crate) saw_congestion: bool,
    /// The code of the largest datagram that arrived and was not told yet.
    pub(crate) largest: u8,
    pub(crate) sent: Traffic,
    pub(crate) received: Traffic,
}

impl Binding {
    /// A path of which nothing is known, and the number of the port that leads to it.
    pub(crate) fn new(path: Path, port_generation: u32, mtu: Mtu, now: Instant) -> Self {
        Self {
            path,
            state: FlowState::Untried,
            port_generation,
            known: Known::since(now),
            due: Due::default(),
            liveness: Liveness::default(),
            candidacy: None,
            mtu,
            datagram_limit: None,
            retry_at: None,
            refusals: 0,
            is_superseded: false,
            last_heard: None,
            last_answered: None,
            last_sent: None,
            last_octets: 0,
            padded_last: false,
            observed: None,
            silence_before_request: Duration::ZERO,
            lists_owed: 0,
            hinted_at: None,
            saw_congestion: false,
            largest: 0,
            sent: Traffic::default(),
            received: Traffic::default(),
        }
    }

    /// The machine slept: nothing that is known of the path holds any more, and nothing is due on it.
    pub(crate) fn sleep(&mut self, now: Instant) {
        self.known = Known::since(now);
        self.due = Due::default();
        self.liveness = Liveness::default();
        self.mtu.park();
    }

    /// Nothing is due on it any more, and nothing is waited for.
    pub(crate) fn settle(&mut self) {
        self.due = Due::default();
        self.liveness.settle();
        self.mtu.park();
        self.retry_at = None;
    }

    /// When something is due, and what.
    pub(crate) fn deadlines(&self, flow: FlowId) -> impl Iterator<Item = (Instant, Reason)> {
        let open = [
            self.known.loss_over_at().map(|at| (at, Reason::Loss(flow))),
            self.due.answer_at.filter(|_| !self.due.wants.answer).map(|at| (at, Reason::Answer(flow))),
            self.liveness.next_probe.map(|at| (at, Reason::Probe(flow))),
            self.liveness.deadline().map(|at| (at, Reason::Overdue(flow))),
            self.mtu.timer().map(|at| (at, Reason::Mtu(flow))),
        ];
        let open = self.state.is_open().then_some(open);
        let retry = self.retry_at.map(|at| (at, Reason::Retry(flow)));
        retry.into_iter().chain(open.into_iter().flatten().flatten())
    }

    /// What is to be sent on it besides payloads, most urgent first; it is not wanted any more then.
    pub(crate) fn take_wanted(&mut self, side: Side, now: Instant) -> Option<SentKind> {
        if self.due.answer_at.take_if(|at| *at <= now).is_some() && self.state.is_open() {
            self.due.wants.answer = true;
        }
        self.due.wants.take_next(side)
    }

    /// The local system refused to send on it: it is tried again after 1 s, 2 s, … 10 s, whatever the routes say.
    pub(crate) fn refused(&mut self, now: Instant) {
        self.refusals = self.refusals.saturating_add(1);
        let (interval, most) = RETRY;
        self.retry_at = Some(now + interval * self.refusals.min(most));
    }

    /// The network says that the path does not work: that ends the wait for what is due, once a second, since anyone can say
    /// so as often as they like. SPEC \[K-8].
    pub(crate) fn hinted(&mut self, now: Instant) {
        if self.hinted_at.is_none_or(|at| now.since(at) >= HINTS) && self.liveness.hasten(now) {
            self.hinted_at = Some(now);
        }
    }

    /// Whether it has been on its path for so long.
    pub(crate) fn is_bound_for(&self, duration: Duration, now: Instant) -> bool {
        now.since(self.known.since) >= duration
    }

    /// Whether a payload is among what is not answered.
    pub(crate) fn owes_data(&self) -> bool {
        self.liveness.owes_data() || self.due.carried_at.is_some()
    }

    /// The same, of a flow that failed: also of what is not waited for any more.
    pub(crate) fn failed_owing_data(&self) -> bool {
        self.liveness.failed_owing_data() || self.due.carried_at.is_some()
    }

    /// A payload went on it, where payloads are not answered: a probe goes beside it, unless one is on its way. SPEC
    /// \[D-3].
    pub(crate) fn carried(&mut self, now: Instant) {
        self.due.carried_at = Some(now);
        self.due.wants.probe |= self.liveness.oldest_unanswered().is_none();
    }

    /// The path leads to another network: what was measured says nothing of it.
    pub(crate) fn moved(&mut self, mtu: Mtu, round_trip: Duration, now: Instant) {
        self.mtu = mtu;
        self.known.rtt = Rtt::default();
        self.known.latency = Latency::default();
        self.known.budget = Budget::default();
        self.measured(round_trip, now);
    }

    /// Takes a measurement of the round trip.
    pub(crate) fn measured(&mut self, round_trip: Duration, now: Instant) {
        let Known { rtt, latency, .. } = &mut self.known;
        rtt.sample(round_trip);
        latency.sample(round_trip, rtt.srtt().unwrap_or(round_trip), now);
    }

    pub(crate) fn srtt(&self) -> Option<Duration> {
        self.known.rtt.srtt()
    }

    /// How long an answer may take.
    pub(crate) fn rto(&self) -> Duration {
        self.known.rtt.rto(Duration::ZERO)
    }

    /// Whether a queue stands on the path: the newest round trip is longer than the least one lately by more than noise.
    pub(crate) fn is_queued(&self) -> bool {
        self.queue() > GRANULARITY
    }

    /// How long `side` may hold an answer to a payload here. `copied`: the payload is a copy. Whatever is sent makes a queue
    /// longer; on a thin path others wait for it, so that the next key is to carry it. SPEC \[B-4].
    pub(crate) fn hold(&self, side: Side, copied: bool) -> Duration {
        let thinness = self.known.budget.thinness();
        let tight = self.is_queued() || !thinness.is_zero();
        let held = hold(side, self.srtt().unwrap_or_default(), tight || copied);
        if side == Side::Client { held.saturating_add(thinness).min(LONGEST_ON_THIN) } else { held }
    }

    /// How much longer than the least the answer to what `side` sends now may take: the peer may hold it, and on a thin path
    /// others are before it.
    pub(crate) fn slack(&self, side: Side, copied: bool) -> Duration {
        let held = self.hold(side.other(), copied).saturating_sub(MAX_DELACK);
        held.saturating_add(self.known.budget.thinness())
    }

    /// Whether its path has carried all that was sent on it, as far as is known: there is room for what nobody waits for.
    /// SPEC \[B-3].
    pub(crate) fn is_spare(&self, now: Instant) -> bool {
        self.known.budget.clear_at() <= now
    }

    /// By how much the newest round trip is longer than the least one lately.
    fn queue(&self) -> Duration {
        let latency = &self.known.latency;
        let queue = latency.newest().zip(latency.least());
        queue.map_or(Duration::ZERO, |(newest, least)| newest.saturating_sub(least))
    }

    /// Whether answers still come on it, and whether our own output on it is arriving, `loaded` being how lately there
    /// was some.
    pub(crate) fn is_late_in_a_queue(&self, loaded: Duration, now: Instant) -> (bool, bool) {
        let still_answers = self.last_answered > self.liveness.oldest_unanswered();
        let lately = (self.srtt().unwrap_or_default() / 2).max(GRANULARITY);
        let heard = self.last_heard.is_some_and(|at| now.since(at) < lately);
        (self.is_queued() && still_answers, heard && self.known.latency.carries_bulk(loaded, now))
    }

    /// What a flow costs (paper §3.4): the round trip, with our own bulk on it if `loaded`, + idle time. A flow that
    /// was never measured costs more than any.
    pub(crate) fn cost(&self, loaded: bool, now: Instant) -> Duration {
        let Some(srtt) = self.srtt() else { return Duration::MAX };
        let latency = &self.known.latency;
        let latency = if loaded { latency.under_load(srtt, now) } else { latency.bound(srtt) };
        latency.saturating_add(self.liveness.idle())
    }

    /// The part of the datagrams, in percent, of which one way or the other way loses one, if that still goes on.
    pub(crate) fn loss_now(&self, now: Instant) -> u8 {
        either(self.known.loss.percent_now(now), self.known.reported_loss.percent_now(now))
    }

    /// What the search for its MTU has to know.
    pub(crate) fn circumstances(&self, now: Instant) -> Circumstances {
        // The peer's window counts what is not sent yet as if it had arrived. Before it is full nothing is certain.
        let sent = self.sent.total().datagrams.clamp(1, u64::from(WINDOW));
        let out = (u64::from(self.known.reported_loss.percent()) * u64::from(WINDOW) / sent).min(100) as u8;
        let out = if sent < u64::from(WINDOW) { out.max(UNCERTAIN) } else { out };
        let lost = either(self.known.loss.percent(), out);
        Circumstances { rto: self.rto(), lost, queued: self.is_queued(), now }
    }

    /// Smooths what the peer says of congestion as SRTT is smoothed.
    pub(crate) fn take_congestion(&mut self, congested: bool) {
        let sample = if congested { CONGESTION_PENALTY } else { Duration::ZERO };
        self.known.congestion_delay = (self.known.congestion_delay * 7 + sample) / 8;
    }

    /// Keeps the peer's timestamp.
    pub(crate) fn save_timestamp(&mut self, timestamp: u16, owed: bool, now: Instant) {
        let owed = owed || self.owes_reply();
        self.due.saved = Some(Saved { timestamp, at: now, owed });
        self.known.budget.stamped(timestamp, now);
    }

    /// Whether the peer waits for its timestamp.
    pub(crate) fn owes_reply(&self) -> bool {
        self.due.saved.is_some_and(|saved| saved.owed)
    }

    /// The timestamp to send back: the saved one plus the time it was held, once, and only while it is fresh.
    pub(crate) fn take_reply(&mut self, now: Instant) -> Option<u16> {
        let Saved { timestamp, at, .. } = self.due.saved.take()?;
        let held = now.since(at);
        (held < LONGEST_HOLD).then(|| wire::add(timestamp, held))
    }

    /// How long ago the peer's `reply` was our timestamp, if that is a round trip to believe: not longer than
    /// `longest`, and not older than what is known of the path.
    pub(crate) fn round_trip(&self, reply: u16, longest: Duration, now: Instant) -> Option<Duration> {
        let round_trip = wire::since(reply, now);
        let since = Duration::from_millis(now.as_millis().saturating_sub(self.known.since.as_millis()));
        (round_trip < longest && round_trip <= since).then_some(round_trip)
    }

    /// An answer to what was sent `round_trip` ago or before.
    pub(crate) fn answered(&mut self, round_trip: Duration, now: Instant) {
        let reply = now.as_millis().saturating_sub(round_trip.as_millis() as u64);
        self.liveness.answered(&self.known.rtt, reply);
        self.known.budget.answered(reply, round_trip, now);
        self.due.carried_at = self.due.carried_at.filter(|at| at.as_millis() > reply);
        // What went after the question that was answered needs one of its own.
        self.due.wants.probe |= self.due.carried_at.is_some() && self.liveness.oldest_unanswered().is_none();
        self.last_answered = Some(now);
        self.due.suspicion = None;
        self.refusals = 0;
    }
}

impl Known {
    /// When a loss that went on is over, and the flow costs less.
    fn loss_over_at(&self) -> Option<Instant> {
        [self.loss.over_at(), self.reported_loss.over_at()].into_iter().flatten().min()
    }

    /// Takes note that it is.
    pub(crate) fn expire_loss(&mut self, now: Instant) {
        self.loss.expire(now);
        self.reported_loss.expire(now);
    }
}

/// The percentage that is lost of what one or the other percentage is lost of.
fn either(one: u8, other: u8) -> u8 {
    let arrive = |percent: u8| 100 - u32::from(percent.min(100));
    (100 - arrive(one) * arrive(other) / 100) as u8
}
