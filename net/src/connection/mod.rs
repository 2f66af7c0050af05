//! The endpoint: flows, choice, failing over and addresses, tied together.
//!
//! Contract: mutate (`handle_*`, `send`, `set_active`, …), then drain [`Connection::poll_transmit`] and
//! [`Connection::poll_event`] to empty, then wait until [`Connection::poll_timeout`] or the next event. Feed waiting
//! datagrams before [`Connection::handle_timeout`], so that answers that are here already are not taken for overdue.
//! A late call does no harm; after `handle_timeout(now)` and a drain, the next deadline is after `now`.

mod choose;
mod events;
#[cfg(test)]
mod mp_mosh_tests;
mod mtu;
mod paths;
mod receive;
mod sleep;
mod timers;
mod transmit;

pub use events::{Cause, Event, FlowReport, Reason, SentKind};

use crate::answer::hold;
use crate::flow::{Flow, FlowState, Rest};
use crate::policy::{Candidate, Remotes, Source};
use crate::wire::{Dialect, FlowId};
use crate::{Discards, Instant, Path};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Opens the flows and chooses among them.
    Client,
    /// Answers.
    Server,
}

impl Side {
    /// The other end.
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Whether interactive payloads go on two paths at once. SPEC \[S-5].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Redundancy {
    /// Never, but to fail over.
    Off,
    /// While the user is active and neither path is a backup (metered ones are), or when the paths lose much.
    #[default]
    Auto,
    /// Always.
    Always,
}

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// A keystroke, a small change of the screen: someone waits for it.
    Interactive,
    /// A part of something large: never duplicated for comfort.
    Bulk,
    /// Says nothing but what arrived: it goes once, where an answer is due anyhow, and is not answered itself.
    Acknowledgement,
}

/// Settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whether interactive payloads go on two paths at once.
    pub redundancy: Redundancy,
    /// The server's port, for its address lists.
    pub port: u16,
    /// The longest silence of a session in which nothing happens, 35 s at most. It begins with 3 s and grows as the
    /// networks between prove to bear more. SPEC \[P-9].
    pub keepalive: Duration,
    /// Whether the owner hears what routers say of sizes ([`Connection::handle_packet_too_big`]): where it cannot, it is not
    /// known that none did.
    pub hears_routers: bool,
    /// The owner waits for how large datagrams may be: that is searched for at once and without pauses, whatever was sent.
    /// Otherwise only where something large was, sparing the path. SPEC \[M-3].
    pub searches_at_once: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            redundancy: Redundancy::Auto,
            port: 0,
            keepalive: Duration::from_secs(25),
            hears_routers: true,
            searches_at_once: false,
        }
    }
}

/// Payloads waiting for a flow; more than this and the oldest are dropped, as a full network would.
const MOST_QUEUED: usize = 1024;
/// Events waiting for an owner who does not ask; the oldest are dropped.
const MOST_EVENTS: usize = 4096;
/// The bounds of the RTO told to the layer above: mosh's.
const RTO_BOUNDS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// The loss in percent, either way, from which a path is lossy: two of the last 64 datagrams.
const STEADY_LOSS: u8 = 3;

/// A payload on its way out.
#[derive(Debug)]
struct Outgoing {
    payload: Vec<u8>,
    class: Class,
    /// The flows it still has to go on; `None` until they are chosen, which is when it is sent.
    targets: Option<VecDeque<FlowId>>,
    /// It has gone on one of them.
    has_gone: bool,
}

/// The newest in-order payload (servers): where the answers go.
#[derive(Clone, Copy, Debug)]
struct Newest {
    flow: FlowId,
    /// When it was sent, by our estimate: a slow flow's payload may arrive after a fast flow's newer one.
    sent: Instant,
    hash: u64,
    at: Instant,
}

/// The second flow of a client that sends everything twice (servers): it is answered twice.
#[derive(Clone, Copy, Debug)]
struct Second {
    flow: FlowId,
    /// Payloads since the last one that came twice.
    single: u32,
    /// It came twice because our answer to the first was overdue, not because all do.
    hedge: bool,
}

/// After this many payloads that came once, a client does not send everything twice any more: it hedged, or stopped.
const SINGLE: u32 = 2;

/// Whether a payload goes to each address of the server, over one interface: once after a path failed (clients). SPEC
/// \[X-1].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spread {
    Never,
    /// The next one does.
    Next,
    /// One did, at this time.
    Done(Instant),
}

/// An association over several paths. See the module.
#[derive(Debug)]
pub struct Connection {
    dialect: Dialect,
    side: Side,
    config: Config,
    flows: BTreeMap<FlowId, Flow>,
    /// Flows of more than the dialect holds at once (servers).
    resting: BTreeMap<FlowId, Rest>,
    remotes: Remotes,
    locals: Vec<Candidate>,
    /// The flow that payloads go on: chosen (client), or that of the newest in-order payload (server).
    current: Option<FlowId>,
    /// The flows that the last payload went on: the server answers on one of them (clients).
    spoken_on: Vec<FlowId>,
    newest: Option<Newest>,
    second: Option<Second>,
    queue: VecDeque<Outgoing>,
    events: VecDeque<Event>,
    discards: Discards,
    started_at: Instant,
    active_at: Option<Instant>,
    next_address_request: Option<Instant>,
    /// When the last request was sent, and the flow that it keeps open.
    asked_at: Option<Instant>,
    kept: Option<FlowId>,
    /// What a client asked to be told, and when (servers).
    late_word: Option<(Instant, FlowId)>,
    /// When the first answer was due that did not come, on any flow (clients).
    silent_since: Option<Instant>,
    address_reply_at: Option<Instant>,
    port_generation: u32,
    hopped_at: Instant,
    last_heard: Option<Instant>,
    last_answered: Option<Instant>,
    congested_at: Option<Instant>,
    /// When a payload went last in a datagram so large that its size may matter.
    large_at: Option<Instant>,
    observed: Option<SocketAddr>,
    attached: bool,
    /// Payloads go on every flow until one answers: after a sleep.
    broadcast: bool,
    spread: Spread,
    spent: bool,
}

impl Connection {
    /// A client of the server at `remotes`; the first is the one that the bootstrap reached. Next, tell it this
    /// host's addresses with [`Connection::handle_interfaces`], and the routes with [`Connection::handle_paths`].
    #[must_use]
    pub fn client(dialect: Dialect, remotes: &[SocketAddr], config: Config, now: Instant) -> Self {
        debug_assert_eq!(dialect.side(), Side::Client);
        let mut connection = Self::new(dialect, config, now);
        let (first, others) = remotes.split_at(remotes.len().min(1));
        connection.remotes.add(first, Source::Bootstrap);
        connection.remotes.add(others, Source::Hint);
        // A dialect that roams needs no addresses of this host: its one path can be used at once.
        if connection.dialect.traits().addresses {
            connection.next_address_request = Some(now);
        }
        connection.active_at = Some(now);
        connection.emit(Event::CandidatesChanged);
        connection
    }

    /// A server, which waits for its client.
    #[must_use]
    pub fn server(dialect: Dialect, config: Config, now: Instant) -> Self {
        debug_assert_eq!(dialect.side(), Side::Server);
        Self::new(dialect, config, now)
    }

    fn new(dialect: Dialect, config: Config, now: Instant) -> Self {
        Self {
            side: dialect.side(),
            dialect,
            config,
            flows: BTreeMap::new(),
            resting: BTreeMap::new(),
            remotes: Remotes::default(),
            locals: Vec::new(),
            current: None,
            spoken_on: Vec::new(),
            newest: None,
            second: None,
            queue: VecDeque::new(),
            events: VecDeque::new(),
            discards: Discards::default(),
            started_at: now,
            active_at: None,
            next_address_request: None,
            asked_at: None,
            kept: None,
            late_word: None,
            silent_since: None,
            address_reply_at: None,
            port_generation: 0,
            hopped_at: now,
            last_heard: None,
            last_answered: None,
            congested_at: None,
            large_at: None,
            observed: None,
            attached: false,
            broadcast: false,
            spread: Spread::Never,
            spent: false,
        }
    }

    /// Something to tell, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Queues a payload. Which flows carry it is decided when it is handed out by [`Connection::poll_transmit`].
    /// Nothing larger than [`Connection::max_payload`] should be given.
    pub fn send(&mut self, payload: Vec<u8>, class: Class, _now: Instant) {
        if self.queue.len() >= MOST_QUEUED {
            self.queue.pop_front();
        }
        self.queue.push_back(Outgoing { payload, class, targets: None, has_gone: false });
    }

    /// Whether there is somewhere to send: a client has an open flow, a server has heard from its client lately.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        match self.side {
            Side::Client => self.flows.values().any(|flow| flow.state.is_open()),
            Side::Server => self.attached,
        }
    }

    /// The smoothed round-trip time of the flow that payloads go on; 1 s before the first measurement, as mosh.
    #[must_use]
    pub fn srtt(&self) -> Duration {
        self.current_flow().and_then(|flow| flow.rtt.srtt()).unwrap_or(Duration::from_secs(1))
    }

    /// The retransmission timeout for the layer above: SRTT + 4 × RTTVAR in whole milliseconds, 50 ms at least. In dialects
    /// that do not answer every payload it is 1 s at most, as mosh's; elsewhere it follows the path, since whoever repeats
    /// sooner than an answer can be there makes the queue longer that it stands in.
    #[must_use]
    pub fn rto(&self) -> Duration {
        let rtt = self.current_flow().map(|flow| &flow.rtt);
        let Some((srtt, rttvar)) = rtt.and_then(|rtt| rtt.srtt().zip(rtt.rttvar())) else {
            return RTO_BOUNDS.1;
        };
        let rto = (srtt + rttvar * 4).as_micros().div_ceil(1000);
        let rto = Duration::from_millis(u64::try_from(rto).unwrap_or(u64::MAX)).max(RTO_BOUNDS.0);
        if self.dialect.traits().payloads_answered { rto } else { rto.min(RTO_BOUNDS.1) }
    }

    /// The largest payload that fits every flow that one handed over now would go on. SPEC \[M-4].
    #[must_use]
    pub fn max_payload(&self) -> usize {
        let traits = self.dialect.traits();
        let (v4, v6) = traits.safe_datagram;
        let targets = self.targets(usize::MAX, Class::Bulk, self.started_at);
        let sizes = targets.iter().filter_map(|id| self.flows.get(id)).map(|flow| self.max_datagram(flow));
        sizes.min().unwrap_or(v4.min(v6)) - traits.overhead
    }

    /// When this end will answer a payload of the peer's, if it has nothing to say before: what is said then carries the
    /// answer along.
    #[must_use]
    pub fn answer_at(&self) -> Option<Instant> {
        self.flows.values().filter(|flow| flow.state.is_open()).filter_map(|flow| flow.answer_due).min()
    }

    /// How long the peer may hold its answer to a payload that goes now.
    #[must_use]
    pub fn peer_hold(&self) -> Duration {
        let (srtt, queued) = self.current_flow().map_or((Duration::ZERO, false), Flow::standing);
        hold(self.side.other(), srtt, queued)
    }

    /// Whether a queue stands on the path that payloads go on: its newest round trip is longer than the least one lately by
    /// more than noise.
    #[must_use]
    pub fn is_queued(&self) -> bool {
        self.current_flow().is_some_and(|flow| flow.standing().1)
    }

    /// Whether the path that payloads go on loses some of them all along, either way, and no queue stands on it.
    #[must_use]
    pub fn is_lossy(&self, now: Instant) -> bool {
        self.current_flow().is_some_and(|flow| flow.loss_now(now) >= STEADY_LOSS && !flow.standing().1)
    }

    /// Whether the peer reported congestion within the last second: slow the frame rate.
    #[must_use]
    pub fn is_congested(&self, now: Instant) -> bool {
        self.congested_at.is_some_and(|at| now.since(at) < Duration::from_secs(1))
    }

    /// How much longer the round trip of the flow that payloads go on would look if congestion were told as mosh tells
    /// it: by 500 ms for each round trip on which the peer saw a mark, smoothed as SRTT is. For the frame rate; no
    /// measurement is touched. SPEC \[M-8].
    #[must_use]
    pub fn congestion_delay(&self) -> Duration {
        self.current_flow().map(|flow| flow.congestion_delay).unwrap_or_default()
    }

    /// Every flow, those closed included.
    pub fn flows(&self) -> impl Iterator<Item = FlowReport> + '_ {
        self.flows.values().map(|flow| FlowReport {
            id: flow.id,
            path: flow.path,
            state: flow.state,
            chosen: self.current == Some(flow.id),
            srtt: flow.rtt.srtt(),
            rttvar: flow.rtt.rttvar(),
            idle: flow.liveness.idle(),
            loss_in: flow.loss.percent(),
            loss_out: flow.reported_loss.percent(),
            sent: flow.sent.total().datagrams,
            received: flow.received.total().datagrams,
            traffic_out: flow.sent,
            traffic_in: flow.received,
            last_heard: flow.last_heard,
            last_answered: flow.last_answered,
            port_generation: flow.port_generation,
            max_datagram: self.max_datagram(flow),
            swallowed: flow.mtu.swallowed().filter(|_| self.config.hears_routers),
        })
    }

    /// When the last in-order datagram arrived, on any flow.
    #[must_use]
    pub fn last_heard(&self) -> Option<Instant> {
        self.last_heard
    }

    /// Since when the peer has failed to say what it owes, where every datagram is answered: silence that was agreed on
    /// does not count. `None` while all is well, and in dialects that do not answer every datagram.
    #[must_use]
    pub fn silent_since(&self) -> Option<Instant> {
        self.silent_since
    }

    /// What was ignored, by reason.
    #[must_use]
    pub fn discards(&self) -> &Discards {
        &self.discards
    }

    /// The address that the server last saw this client have.
    #[must_use]
    pub fn observed_address(&self) -> Option<SocketAddr> {
        self.observed
    }

    /// The path that payloads go on.
    #[must_use]
    pub fn current_path(&self) -> Option<Path> {
        self.current_flow().map(|flow| flow.path)
    }

    /// The dialect.
    #[must_use]
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    fn current_flow(&self) -> Option<&Flow> {
        self.current.and_then(|id| self.flows.get(&id))
    }

    fn emit(&mut self, event: Event) {
        if self.events.len() >= MOST_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Changes how a flow stands, and tells.
    fn set_state(&mut self, id: FlowId, to: FlowState, cause: Cause) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        let from = core::mem::replace(&mut flow.state, to);
        if from != to {
            self.emit(Event::FlowState { flow: id, from, to, cause });
        }
    }
}
