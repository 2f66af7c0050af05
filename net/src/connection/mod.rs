//! The endpoint: flows, choice, failing over and addresses, tied together.
//!
//! Contract: mutate (`handle_*`, `send`, `set_active`, …), then drain [`Connection::poll_transmit`] and
//! [`Connection::poll_event`] to empty, then wait until [`Connection::poll_timeout`] or the next event. Feed waiting
//! datagrams before [`Connection::handle_timeout`], so that answers that are here already are not taken for overdue.
//! A late call does no harm; after `handle_timeout(now)` and a drain, the next deadline is after `now`.

mod client;

mod events;
mod farewell;
mod flows;
mod heart;
#[cfg(test)]
mod mp_mosh_tests;
mod mtu;
mod receive;
mod server;
mod timers;
mod transmit;

pub use client::Carriers;
pub use events::{Cause, Event, FlowReport, Reason, SentKind};
pub use farewell::Farewell;

use self::client::Client;
use self::heart::{Core, Outgoing};
use self::server::Server;
use crate::answer::hold;
use crate::flow::Flow;
use crate::policy::{Candidate, Trust};
use crate::wire::{Dialect, FlowId};
use crate::{Discards, Instant, Path, SendError};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
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
#[non_exhaustive]
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
#[non_exhaustive]
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
#[non_exhaustive]
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
    /// When carriers are wanted (clients). SPEC \[C-10].
    pub carriers: Carriers,
    /// What comes from this host itself was carried here: the client is elsewhere (servers). SPEC \[C-7].
    pub loopback_carries: bool,
}

impl Config {
    /// The seconds of [`Self::keepalive`] unless the owner says otherwise.
    pub const DEFAULT_KEEPALIVE: u16 = 25;

    /// What is right for a client whose owner hears what routers say.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            redundancy: Redundancy::Auto,
            port: 0,
            keepalive: Duration::from_secs(Self::DEFAULT_KEEPALIVE as u64),
            hears_routers: true,
            searches_at_once: false,
            carriers: Carriers::Never,
            loopback_carries: false,
        }
    }

    /// The same with another [`Self::redundancy`].
    #[must_use]
    pub const fn with_redundancy(mut self, redundancy: Redundancy) -> Self {
        self.redundancy = redundancy;
        self
    }

    /// The same with another [`Self::port`].
    #[must_use]
    pub const fn with_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The same with another [`Self::keepalive`].
    #[must_use]
    pub const fn with_keepalive(mut self, keepalive: Duration) -> Self {
        self.keepalive = keepalive;
        self
    }

    /// The same with another [`Self::hears_routers`].
    #[must_use]
    pub const fn with_hears_routers(mut self, hears_routers: bool) -> Self {
        self.hears_routers = hears_routers;
        self
    }

    /// The same with another [`Self::searches_at_once`].
    #[must_use]
    pub const fn with_searches_at_once(mut self, searches_at_once: bool) -> Self {
        self.searches_at_once = searches_at_once;
        self
    }

    /// The same with other [`Self::carriers`].
    #[must_use]
    pub const fn with_carriers(mut self, carriers: Carriers) -> Self {
        self.carriers = carriers;
        self
    }

    /// The same with another [`Self::loopback_carries`].
    #[must_use]
    pub const fn with_loopback_carries(mut self, loopback_carries: bool) -> Self {
        self.loopback_carries = loopback_carries;
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

/// Interactive payloads have at most this many octets: a key, its echo. SPEC \[S-5].
pub const INTERACTIVE: usize = 300;

/// Payloads waiting for a flow; more than this and the oldest are dropped, as a full network would.
const MOST_QUEUED: usize = 1024;
/// The bounds of the RTO told to the layer above: mosh's.
const RTO_BOUNDS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// A sleep of this length makes the NAT's mapping of the old port doubtful.
const LONG_SLEEP: Duration = Duration::from_secs(20);

/// How often things are done. SPEC \[P-5], \[P-8].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tempo {
    /// A key or output within 10 s.
    Active,
    /// Within a minute.
    Quiet,
    /// Longer ago, and the way to the server is known to work.
    Dormant,
    /// Nobody waits, and nothing answers.
    Searching,
}

/// What one end has and the other has not.
#[derive(Debug)]
enum Part {
    Client(Client),
    Server(Server),
}

/// An association over several paths. See the module.
#[derive(Debug)]
pub struct Connection {
    core: Core,
    part: Part,
}

impl Connection {
    /// A client of the server at `remotes`; the first is the one that the bootstrap reached. Next, tell it this
    /// host's addresses with [`Connection::handle_interfaces`], and the routes with [`Connection::handle_paths`].
    #[must_use]
    pub fn client(dialect: Dialect, remotes: &[SocketAddr], config: Config, now: Instant) -> Self {
        debug_assert_eq!(dialect.side(), Side::Client);
        let mut core = Core::new(dialect, config, now);
        core.active_at = Some(now);
        core.events.emit(Event::CandidatesChanged);
        let part = Part::Client(Client::new(remotes, core.traits().addresses, now));
        Self { core, part }
    }

    /// A server, which waits for its client.
    #[must_use]
    pub fn server(dialect: Dialect, config: Config, now: Instant) -> Self {
        debug_assert_eq!(dialect.side(), Side::Server);
        Self { core: Core::new(dialect, config, now), part: Part::Server(Server::default()) }
    }

    /// Something to tell, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.core.events.poll()
    }

    /// Queues a payload. Which flows carry it is decided when it is handed out by [`Connection::poll_transmit`].
    /// Nothing larger than [`Connection::max_payload`] should be given. What is given while [`Connection::is_connected`]
    /// says no is lost when it is handed out, as on a network without a way: ask first where that matters.
    pub fn send(&mut self, payload: Vec<u8>, class: Class) {
        if self.core.queue.len() >= MOST_QUEUED {
            self.core.queue.pop_front();
        }
        self.core.queue.push_back(Outgoing { payload, class, targets: None, has_gone: false });
    }

    /// The user typed, or there was output: probe at full rate for the next 10 s. The first after a pause wakes
    /// every flow.
    pub fn set_active(&mut self, now: Instant) {
        let before = self.core.tempo(now);
        self.core.active_at = Some(now);
        if let Part::Client(client) = &mut self.part
            && before != Tempo::Active
        {
            client.wake(&mut self.core, now);
        }
    }

    /// This host's addresses are these now. Flows of an address that is gone are suspended at once; for new ones, and
    /// because routes may have changed too, [`Event::CandidatesChanged`] asks for [`Connection::handle_paths`].
    pub fn handle_interfaces(&mut self, locals: &[Candidate], now: Instant) {
        self.core.locals = locals.to_vec();
        self.core.follow_interface_mtu();
        match &mut self.part {
            Part::Client(client) => client.handle_interfaces(&mut self.core, now),
            // What is due by an address that is gone will not come.
            Part::Server(_) if locals.is_empty() => {}
            Part::Server(_) => {
                let is_gone = |flow: &Flow| !locals.iter().any(|local| local.addr.ip == flow.path().local.ip);
                self.core.hasten(is_gone, now);
            }
        }
    }

    /// Every path that the addresses of both ends allow, best first. Which of them have a route is for the operating
    /// system to say. None for a server, which answers where it is spoken to.
    #[must_use]
    pub fn candidate_paths(&self) -> Vec<Path> {
        match &self.part {
            Part::Client(client) => client.candidate_paths(&self.core),
            Part::Server(_) => Vec::new(),
        }
    }

    /// Of the [`Connection::candidate_paths`], these have a route. Flows of all others are suspended at once; the
    /// new ones get a flow and a probe.
    pub fn handle_paths(&mut self, usable: &[Path], now: Instant) {
        if let Part::Client(client) = &mut self.part {
            client.handle_paths(&mut self.core, usable, now);
        }
    }

    /// A carrier is there: a stream to the server that takes datagrams. What is to go through it is handed out on
    /// [`Path::carrier`] of this number, and what came through it is to be handed in on that. No number twice (clients).
    /// SPEC \[C-7].
    pub fn open_carrier(&mut self, number: u16, now: Instant) {
        if let Part::Client(client) = &mut self.part {
            client.open_carrier(&mut self.core, number, now);
        }
    }

    /// A carrier is gone (clients).
    pub fn close_carrier(&mut self, number: u16, now: Instant) {
        if let Part::Client(client) = &mut self.part {
            client.close_carrier(&mut self.core, number, now);
        }
    }

    /// Whether a carrier's stream takes more now: while the one that payloads go on does not, [`Connection::is_held_back`]
    /// says that they would only grow old (clients).
    pub fn set_carrier_room(&mut self, number: u16, room: bool) {
        if let Part::Client(client) = &mut self.part {
            client.set_carrier_room(number, room);
        }
    }

    /// Whether a payload that was handed over now would wait at this end of a stream: say later what is the newest then.
    #[must_use]
    pub fn is_held_back(&self) -> bool {
        match &self.part {
            Part::Client(client) => client.is_held_back(&self.core),
            Part::Server(_) => false,
        }
    }

    /// More addresses of the server (clients).
    pub fn add_remotes(&mut self, addresses: &[SocketAddr], trust: Trust) {
        if let Part::Client(client) = &mut self.part {
            client.add_remotes(&mut self.core, addresses, trust);
        }
    }

    /// The client is known to have this address: TCP has proved it, as the login's connection does. A flow that begins there
    /// needs no validation (servers). SPEC \[K-7].
    pub fn trust_address(&mut self, ip: IpAddr) {
        if let Part::Server(server) = &mut self.part {
            server.proven = Some(ip.to_canonical());
        }
    }

    /// The local system could not send a datagram on this path. Only a lack of path changes how the flow stands;
    /// full queues are as good as loss in the network. SPEC \[X-1].
    pub fn handle_send_error(&mut self, path: &Path, error: SendError, now: Instant) {
        let ids = self.core.flows.ids(|flow| flow.path() == path && flow.is_open());
        match (error, &mut self.part) {
            (SendError::PathGone, Part::Client(client)) if self.core.traits().addresses => {
                client.path_refused(&mut self.core, &ids, now);
            }
            (SendError::PathGone, _) => self.core.hasten(|flow| ids.contains(&flow.id), now),
            (SendError::TooBig, _) => self.core.refused_size(&ids, now),
            (SendError::Congested | SendError::Refused, _) => {}
        }
    }

    /// The network said that this path does not work. Anyone can say so: it only ends the wait for an answer that is
    /// due, on a flow that was well until now, once a second. SPEC \[K-8].
    pub fn handle_icmp(&mut self, path: &Path, now: Instant) {
        for flow in self.core.flows.answering_mut().filter(|flow| flow.path().is_named_by(path)) {
            flow.binding.hinted(now);
        }
    }

    /// The machine slept: every estimate is stale, and nothing that was due is. SPEC \[X-6].
    pub fn handle_resume(&mut self, suspended: Duration, now: Instant) {
        self.core.sleep(now);
        match &mut self.part {
            Part::Client(client) => client.resume_after(&mut self.core, suspended > LONG_SLEEP, now),
            Part::Server(server) => server.late_word = None,
        }
        if let Some(flow) = self.core.current {
            self.core.broadcast = true;
            self.core.events.emit(Event::PathRevived { flow, briefly: false });
        }
    }

    /// Whether there is somewhere to send: a client has an open flow, a server has heard from its client lately.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        match &self.part {
            Part::Client(_) => self.core.flows.open().next().is_some(),
            Part::Server(server) => server.attached,
        }
    }

    /// Whether there was a key or output within the last 10 s.
    #[must_use]
    pub fn is_active(&self, now: Instant) -> bool {
        self.core.tempo(now) == Tempo::Active
    }

    /// The smoothed round-trip time of the flow that payloads go on; 1 s before the first measurement, as mosh.
    #[must_use]
    pub fn srtt(&self) -> Duration {
        self.core.current_flow().and_then(|flow| flow.binding.srtt()).unwrap_or(Duration::from_secs(1))
    }

    /// The retransmission timeout for the layer above: SRTT + 4 × RTTVAR in whole milliseconds, 50 ms at least. In dialects
    /// that do not answer every payload it is 1 s at most, as mosh's; elsewhere it follows the path, since whoever repeats
    /// sooner than an answer can be there makes the queue longer that it stands in.
    #[must_use]
    pub fn rto(&self) -> Duration {
        let rtt = self.core.current_flow().map(|flow| &flow.binding.known.rtt);
        let Some((srtt, rttvar)) = rtt.and_then(|rtt| rtt.srtt().zip(rtt.rttvar())) else {
            return RTO_BOUNDS.1;
        };
        let rto = (srtt + rttvar * 4).as_micros().div_ceil(1000);
        let rto = Duration::from_millis(u64::try_from(rto).unwrap_or(u64::MAX)).max(RTO_BOUNDS.0);
        if self.core.traits().payloads_answered { rto } else { rto.min(RTO_BOUNDS.1) }
    }

    /// The largest payload that fits every flow that one handed over now would go on. SPEC \[M-4].
    #[must_use]
    pub fn max_payload(&self) -> usize {
        let traits = self.core.traits();
        let (v4, v6) = traits.safe_datagram;
        let targets = self.targets(usize::MAX, Class::Bulk, self.core.started_at);
        let flows = targets.iter().filter_map(|id| self.core.flows.get(*id));
        let sizes = flows.map(|flow| self.core.max_datagram(flow));
        sizes.min().unwrap_or(v4.min(v6)).saturating_sub(traits.overhead)
    }

    /// When this end will answer a payload of the peer's, if it has nothing to say before: what is said then carries the
    /// answer along.
    #[must_use]
    pub fn answer_at(&self) -> Option<Instant> {
        self.core.flows.open().filter_map(|flow| flow.binding.due.answer_at).min()
    }

    /// How long the peer may hold its answer to a payload that goes now.
    #[must_use]
    pub fn peer_hold(&self) -> Duration {
        let side = self.core.dialect.side().other();
        let held = self.core.current_flow().map(|flow| flow.binding.hold(side, false));
        held.unwrap_or_else(|| hold(side, Duration::ZERO, false))
    }

    /// When the path that payloads go on has carried what was sent on it, as far as is known: what is sent sooner waits in
    /// its queue. The past where nothing is known. SPEC \[B-2].
    #[must_use]
    pub fn clear_at(&self) -> Instant {
        let flow = self.core.current_flow();
        flow.map_or(Instant::ZERO, |flow| flow.binding.known.budget.clear_at())
    }

    /// Whether a queue stands on the path that payloads go on: its newest round trip is longer than the least one lately by
    /// more than noise.
    #[must_use]
    pub fn is_queued(&self) -> bool {
        self.core.current_flow().is_some_and(|flow| flow.binding.is_queued())
    }

    /// Whether the path that payloads go on loses some of them all along, either way, and no queue stands on it.
    #[must_use]
    pub fn is_lossy(&self, now: Instant) -> bool {
        self.core.is_lossy(now)
    }

    /// Whether the peer reported congestion within the last second: slow the frame rate.
    #[must_use]
    pub fn is_congested(&self, now: Instant) -> bool {
        self.core.congested_at.is_some_and(|at| now.since(at) < Duration::from_secs(1))
    }

    /// How much longer the round trip of the flow that payloads go on would look if congestion were told as mosh tells
    /// it: by 500 ms for each round trip on which the peer saw a mark, smoothed as SRTT is. For the frame rate; no
    /// measurement is touched. SPEC \[M-8].
    #[must_use]
    pub fn congestion_delay(&self) -> Duration {
        self.core.current_flow().map(|flow| flow.binding.known.congestion_delay).unwrap_or_default()
    }

    /// Every flow, those closed included.
    pub fn flows(&self) -> impl Iterator<Item = FlowReport> + '_ {
        self.core.flows.iter().map(|flow| self.core.report(flow))
    }

    /// When the last in-order datagram arrived, on any flow.
    #[must_use]
    pub fn last_heard(&self) -> Option<Instant> {
        self.core.last_heard
    }

    /// Since when the peer has failed to say what it owes, where every datagram is answered: silence that was agreed on
    /// does not count. `None` while all is well, in dialects that do not answer every datagram, and for a server.
    #[must_use]
    pub fn silent_since(&self) -> Option<Instant> {
        match &self.part {
            Part::Client(client) => client.silent_since,
            Part::Server(_) => None,
        }
    }

    /// What was ignored, by reason.
    #[must_use]
    pub fn discards(&self) -> &Discards {
        &self.core.discards
    }

    /// The address that the server last saw this client have.
    #[must_use]
    pub fn observed_address(&self) -> Option<SocketAddr> {
        match &self.part {
            Part::Client(client) => client.observed,
            Part::Server(_) => None,
        }
    }

    /// The path that payloads go on.
    #[must_use]
    pub fn current_path(&self) -> Option<Path> {
        self.core.current_flow().map(|flow| *flow.path())
    }

    /// The dialect.
    #[must_use]
    pub fn dialect(&self) -> &Dialect {
        &self.core.dialect
    }

    /// The flows that a payload goes on, best first.
    fn targets(&self, octets: usize, class: Class, now: Instant) -> VecDeque<FlowId> {
        if class == Class::Acknowledgement {
            return self.core.owing_flow().or(self.core.current).into_iter().collect();
        }
        match &self.part {
            Part::Client(client) => client.targets(&self.core, octets, class, now),
            Part::Server(server) => server.targets(&self.core, octets, class, now),
        }
    }
}
