//! What both ends of a connection have: flows, what is known and due on them, and what waits to be sent and told.

use super::events::{Cause, Event, Events};
use super::flows::Flows;
use super::{Class, Config, SentKind, Side, Tempo};
use crate::flow::{Flow, FlowState, GRANULARITY, Suspicion};
use crate::policy::{Candidate, Role};
use crate::schedule::{Duty, Entrant, Fate, Rank, Standing, cost_of_loss};
use crate::wire::{Dialect, FlowId, Traits};
use crate::{Discards, Instant, InterfaceKind, Path};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

/// Deadlines that a flow may miss before it is lost; one less and it is suspect.
pub(super) const LOST_AFTER: u32 = 2;
/// How long after our own bulk the flows are compared as if it went on: until their SRTT has forgotten it.
const LOAD_LINGERS: Duration = Duration::from_secs(3);
/// A flow with our own bulk on it this lately is late because of it.
pub(super) const LOADED: Duration = Duration::from_secs(1);
/// The loss in percent, either way, from which a path is lossy: two of the last 64 datagrams.
const STEADY_LOSS: u8 = 3;
/// How long after the last key or output the user counts as active.
const ACTIVE: Duration = Duration::from_secs(10);
/// How long after it the session sleeps.
const AWAKE: Duration = Duration::from_secs(60);

/// A payload on its way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) payload: Vec<u8>,
    pub(super) class: Class,
    /// The flows it still has to go on; `None` until they are chosen, which is when it is sent.
    pub(super) targets: Option<VecDeque<FlowId>>,
    /// It has gone on one of them.
    pub(super) has_gone: bool,
}

/// What has just gone to an address that is being validated, and goes to the one that was validated before, too.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) flow: FlowId,
    pub(super) kind: SentKind,
    pub(super) payload: Vec<u8>,
    pub(super) timestamp_reply: Option<u16>,
}

/// What an overdue answer says of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fell {
    /// No more than was known before.
    Stays,
    /// The flow answered until now.
    Suspect,
    /// It was suspect before.
    Lost,
}

/// An answer that is overdue, and how things stood before that was known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Overdue {
    /// When the answer was due.
    pub(super) due: Instant,
    pub(super) owes_data: bool,
    pub(super) was: FlowState,
    pub(super) tempo: Tempo,
    /// Other flows answer, and none of them towards this remote address.
    pub(super) foreign: bool,
    pub(super) fell: Fell,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) dialect: Dialect,
    pub(super) config: Config,
    pub(super) flows: Flows,
    pub(super) locals: Vec<Candidate>,
    /// The flow that payloads go on: chosen (client), or that of the newest in-order payload (server).
    pub(super) current: Option<FlowId>,
    pub(super) queue: VecDeque<Outgoing>,
    pub(super) beside: Option<Beside>,
    pub(super) events: Events,
    pub(super) discards: Discards,
    pub(super) started_at: Instant,
    pub(super) active_at: Option<Instant>,
    pub(super) last_heard: Option<Instant>,
    pub(super) last_answered: Option<Instant>,
    pub(super) congested_at: Option<Instant>,
    /// When a payload went last in a datagram so large that its size may matter.
    pub(super) large_at: Option<Instant>,
    /// Payloads go on every flow until one answers: after a sleep.
    pub(super) broadcast: bool,
    pub(super) spent: bool,
}

impl Core {
    pub(super) fn new(dialect: Dialect, config: Config, now: Instant) -> Self {
        Self {
            dialect,
            config,
            flows: Flows::default(),
            locals: Vec::new(),
            current: None,
            queue: VecDeque::new(),
            beside: None,
            events: Events::default(),
            discards: Discards::default(),
            started_at: now,
            active_at: None,
            last_heard: None,
            last_answered: None,
            congested_at: None,
            large_at: None,
            broadcast: false,
            spent: false,
        }
    }

    pub(super) fn traits(&self) -> &Traits {
        self.dialect.traits()
    }

    pub(super) fn current_flow(&self) -> Option<&Flow> {
        self.current.and_then(|id| self.flows.get(id))
    }

    pub(super) fn current_flow_mut(&mut self) -> Option<&mut Flow> {
        self.current.and_then(|id| self.flows.get_mut(id))
    }

    pub(super) fn is_current(&self, flow: &Flow) -> bool {
        self.current == Some(flow.id)
    }

    pub(super) fn set_state(&mut self, id: FlowId, to: FlowState, cause: Cause) {
        if let Some(flow) = self.flows.get_mut(id) {
            self.events.set_state(flow, to, cause);
        }
    }

    /// Whether the path that payloads go on loses some of them all along, either way, and no queue stands on it.
    pub(super) fn is_lossy(&self, now: Instant) -> bool {
        self.current_flow().is_some_and(|flow| loses(flow, now))
    }

    /// Whether a copy on this flow is worth sending: it answers, or an answer is missing on a path that loses some all along,
    /// which says little of the next datagram. SPEC \[S-5].
    pub(super) fn bears_copies(&self, id: FlowId, now: Instant) -> bool {
        let suspect = |flow: &Flow| flow.state() == FlowState::Suspect && loses(flow, now);
        self.flows.get(id).is_some_and(|flow| flow.answers() || suspect(flow))
    }

    /// How often things are done, if there is somebody to do them with.
    pub(super) fn tempo(&self, now: Instant) -> Tempo {
        let since = self.active_at.map(|at| now.since(at));
        if since.is_some_and(|since| since < ACTIVE) {
            return Tempo::Active;
        }
        if self.dialect.side() == Side::Client && !self.flows.any_answers() {
            return Tempo::Searching;
        }
        let awake = since.is_some_and(|since| since < AWAKE) || !self.traits().sleeps;
        if awake { Tempo::Quiet } else { Tempo::Dormant }
    }

    /// The candidate that this flow's local address is.
    pub(super) fn candidate_of(&self, flow: &Flow) -> Option<&Candidate> {
        self.locals.iter().find(|local| local.addr == flow.path().local)
    }

    pub(super) fn is_metered(&self, flow: &Flow) -> bool {
        self.candidate_of(flow).is_some_and(|local| local.metered)
    }

    /// Whether it carries payloads only when no primary answers in time.
    pub(super) fn is_backup(&self, flow: &Flow) -> bool {
        self.is_metered(flow) || self.candidate_of(flow).is_some_and(|local| local.role == Role::Backup)
    }

    /// Whether this path leads through a carrier. A server sees one as datagrams of its own host. SPEC \[C-7].
    pub(super) fn is_by_carrier(&self, path: &Path) -> bool {
        match self.dialect.side() {
            Side::Client => path.carrier_number().is_some(),
            Side::Server => self.config.loopback_carries && is_own(path),
        }
    }

    /// Whether any flow answers that needs no carrier. SPEC \[C-9].
    pub(super) fn network_answers(&self) -> bool {
        self.flows.answering().any(|flow| !self.is_by_carrier(flow.path()))
    }

    /// Whether this flow is one of UDP's, none of which answers.
    pub(super) fn seeks_network(&self, flow: &Flow) -> bool {
        !self.is_by_carrier(flow.path()) && !self.network_answers()
    }

    /// Whether, of the flows of its family that may be sent on, this one is the first.
    pub(super) fn speaks_for_its_family(&self, flow: &Flow) -> bool {
        let family = flow.path().remote.is_ipv4();
        let is_like =
            |other: &&Flow| other.path().remote.is_ipv4() == family && !self.is_by_carrier(other.path());
        let rank = |other: &&Flow| (self.is_metered(other), other.binding.last_answered.is_none(), other.id);
        self.flows.open().filter(is_like).min_by_key(rank).is_some_and(|first| first.id == flow.id)
    }

    /// Whether its probes cost more than they tell while it carries nothing.
    pub(super) fn is_dear(&self, flow: &Flow) -> bool {
        self.is_metered(flow) || self.is_by_carrier(flow.path())
    }

    /// Whether there is room on this flow's path for what nobody waits for.
    pub(super) fn is_spare(&self, id: FlowId, now: Instant) -> bool {
        self.flows.get(id).is_some_and(|flow| flow.binding.is_spare(now))
    }

    /// What fails together with this flow: the client's interface, as far as this end can tell.
    pub(super) fn fate_of(&self, flow: &Flow) -> Fate {
        fate(self.dialect.side(), self.config.loopback_carries, flow)
    }

    pub(super) fn fate(&self, id: FlowId) -> Option<Fate> {
        self.flows.get(id).map(|flow| self.fate_of(flow))
    }

    /// What may carry a payload. `silence` is what a flow's silence costs besides.
    pub(super) fn entrants(&self, silence: impl Fn(&Flow) -> Duration, now: Instant) -> Vec<Entrant> {
        let loaded = self.flows.iter().any(|flow| flow.binding.known.latency.carries_bulk(LOAD_LINGERS, now));
        let entrant = |flow: &Flow| {
            let standing = match flow.state() {
                FlowState::Answering => Standing::Answering,
                FlowState::Suspect => Standing::Suspect,
                FlowState::Untried => Standing::Untried,
                FlowState::Lost => Standing::Lost,
                FlowState::Suspended | FlowState::Retired => return None,
            };
            let duty = match () {
                () if self.is_by_carrier(flow.path()) => Duty::Carrier,
                () if self.is_backup(flow) => Duty::Backup,
                () => Duty::Primary,
            };
            let loss = cost_of_loss(flow.binding.loss_now(now), flow.binding.rto());
            let cost = flow.binding.cost(loaded, now).saturating_add(loss).saturating_add(silence(flow));
            let is_carried = self.candidate_of(flow).is_some_and(|local| local.kind == InterfaceKind::Tunnel);
            let latest = flow.binding.known.latency.newest().unwrap_or_default();
            let rank = Rank { standing, duty, cost, flow: flow.id };
            Some(Entrant { rank, fate: self.fate_of(flow), is_carried, latest })
        };
        self.flows.iter().filter_map(entrant).collect()
    }

    /// A flow that owes an answer to a payload: one that answers before others, then the chosen one, and then the one whose
    /// answer is due first.
    pub(super) fn owing_flow(&self) -> Option<FlowId> {
        let owing = |flow: &Flow| {
            let due = flow.binding.due.answer_at?;
            Some((!flow.answers(), !self.is_current(flow), due, flow.id))
        };
        self.flows.open().filter_map(owing).min().map(|(.., id)| id)
    }

    /// Whether another flow answers that does not fail together with this one.
    fn has_alternative(&self, flow: &Flow) -> bool {
        let fate = self.fate_of(flow);
        self.flows.answering().any(|other| other.id != flow.id && self.fate_of(other) != fate)
    }

    /// Others answer, and none of them has this one's remote address: it is not likely to be the server's, seen from
    /// here. Where it is, the way there may open at any time (a login to a WiFi), and nobody tells. SPEC \[P-6].
    pub(super) fn looks_foreign(&self, flow: &Flow) -> bool {
        let remote = flow.path().remote;
        let has_answered =
            |other: &Flow| other.binding.last_answered.is_some() && other.path().remote == remote;
        self.network_answers() && !self.flows.iter().any(has_answered)
    }

    /// An answer on this flow is overdue: what that says of it. SPEC \[P-3], \[X-2].
    pub(super) fn expire(&mut self, id: FlowId, now: Instant) -> Option<Overdue> {
        let tempo = self.tempo(now);
        let flow = self.flows.get(id)?;
        let foreign = self.looks_foreign(flow);
        let by_carrier = self.is_by_carrier(flow.path());
        // Nothing is gained by making a queue longer: one that nothing leads around, while answers still come; or one of our
        // own output, which is arriving. SPEC, [S-7].
        let (is_queued, is_flooded) = flow.binding.is_late_in_a_queue(LOADED, now);
        let is_queued = is_queued && !self.has_alternative(flow);
        let binding = &mut self.flows.get_mut(id)?.binding;
        let was = binding.state;
        let due = binding.liveness.deadline().unwrap_or(now);
        let since = binding.liveness.oldest_unanswered();
        let owes_data = binding.owes_data();
        binding.liveness.expire(&binding.known.rtt);
        let expiries = binding.liveness.expiries();
        let first = expiries == 1;
        if owes_data && first && matches!(was, FlowState::Answering | FlowState::Suspect) {
            if !is_queued && !is_flooded {
                self.events.emit(Event::PathSuspect { flow: id });
            }
            // Was it its size?
            if binding.candidacy.is_none() && !by_carrier {
                let so = binding.circumstances(now);
                binding.mtu.overdue(so);
            }
        }
        let fell = match was {
            FlowState::Answering if first && is_flooded => Fell::Stays,
            FlowState::Answering => {
                self.suspect(id, since, Cause::Overdue, now);
                Fell::Suspect
            }
            FlowState::Suspect if expiries >= LOST_AFTER => {
                if let Some(flow) = self.flows.get_mut(id) {
                    flow.binding.liveness.forget();
                    self.events.set_state(flow, FlowState::Lost, Cause::Overdue);
                }
                Fell::Lost
            }
            _ => Fell::Stays,
        };
        Some(Overdue { due, owes_data, was, tempo, foreign, fell })
    }

    /// Makes a flow suspect, and those that share its interface and have no better news. SPEC \[X-4].
    fn suspect(&mut self, id: FlowId, since: Option<Instant>, cause: Cause, now: Instant) {
        let (side, carries) = (self.dialect.side(), self.config.loopback_carries);
        let probes = self.traits().probes;
        let Some(flow) = self.flows.get_mut(id) else { return };
        let common = fate(side, carries, flow);
        flow.binding.due.suspicion = Some(Suspicion { at: now, with: None });
        self.events.set_state(flow, FlowState::Suspect, cause);
        let shares = |flow: &Flow| {
            flow.answers() && fate(side, carries, flow) == common && flow.binding.last_answered < since
        };
        // One of them is asked: what it answers holds for all.
        let cheapest = self.flows.iter().filter(|flow| shares(flow));
        let asked = cheapest.min_by_key(|flow| flow.binding.cost(false, now)).map(|flow| flow.id);
        for other in self.flows.iter_mut().filter(|flow| shares(flow)) {
            other.binding.due.suspicion = Some(Suspicion { at: now, with: Some(id) });
            other.binding.due.wants.probe = probes && asked == Some(other.id);
            self.events.set_state(other, FlowState::Suspect, Cause::SharedFate);
        }
    }

    /// This flow answers: so do those that were suspect for its silence. Who was never measured has no cost to compete
    /// with: its own answer comes first. SPEC \[F-1], \[X-4].
    pub(super) fn relieve(&mut self, id: FlowId) {
        let doubted = |flow: &&mut Flow| {
            let with = flow.binding.due.suspicion.and_then(|suspicion| suspicion.with);
            flow.state() == FlowState::Suspect && with == Some(id) && flow.binding.srtt().is_some()
        };
        for flow in self.flows.iter_mut().filter(doubted) {
            self.events.set_state(flow, FlowState::Answering, Cause::SharedFate);
        }
    }

    /// The machine slept: every estimate is stale, and nothing that was due is.
    pub(super) fn sleep(&mut self, now: Instant) {
        for flow in self.flows.iter_mut() {
            flow.binding.sleep(now);
            if flow.answers() {
                flow.binding.due.suspicion = Some(Suspicion { at: now, with: None });
                self.events.set_state(flow, FlowState::Suspect, Cause::Slept);
            }
        }
        self.active_at = Some(now);
    }

    /// Ends the wait for what is due on the flows of which `hinted` holds and that were well until now. SPEC \[K-8].
    pub(super) fn hasten(&mut self, hinted: impl Fn(&Flow) -> bool, now: Instant) {
        for flow in self.flows.answering_mut().filter(|flow| hinted(flow)) {
            let _ = flow.binding.liveness.hasten(now);
        }
    }

    /// Until when the answer of the chosen flow is due at the latest, if it owes one to what went at `asked_at`.
    pub(super) fn expect_of_current(&mut self, asked_at: Instant) {
        let Some(flow) = self.current_flow_mut() else { return };
        let owes = flow.binding.liveness.oldest_unanswered().is_some_and(|at| at <= asked_at);
        if let Some(srtt) = flow.binding.srtt().filter(|_| owes) {
            flow.binding.liveness.expect_by(asked_at + srtt + GRANULARITY);
        }
    }
}

fn loses(flow: &Flow, now: Instant) -> bool {
    flow.binding.loss_now(now) >= STEADY_LOSS && !flow.binding.is_queued()
}

/// Whether a path does not leave this host.
pub(super) fn is_own(path: &Path) -> bool {
    let remote = path.remote.ip().to_canonical();
    remote.is_loopback() || remote == path.local.ip.to_canonical()
}

fn fate(side: Side, loopback_carries: bool, flow: &Flow) -> Fate {
    let path = flow.path();
    match (side, path.local.interface) {
        (Side::Client, None) if path.carrier_number().is_some() => Fate::Carrier(path.remote),
        (Side::Server, _) if loopback_carries && is_own(path) => Fate::Carrier(path.remote),
        (Side::Client, Some(interface)) => Fate::Interface(interface),
        (Side::Client, None) => Fate::Address(path.local.ip),
        (Side::Server, _) => Fate::Address(path.remote.ip()),
    }
}
