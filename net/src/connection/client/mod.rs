//! What a client alone does: it opens the flows, chooses among them, changes ports, and keeps the session open while
//! nothing happens.

mod carriers;
mod choose;
mod hop;
mod keepalive;
mod paths;

use self::carriers::Resort;
use super::events::{Cause, Event, Reason};
use super::heart::{Core, Fell, Overdue};
use super::{SentKind, Tempo};
use crate::flow::{Flow, FlowState};
use crate::policy::{Remotes, Source};
use crate::schedule::Fate;
use crate::wire::FlowId;
use crate::wire::addresses::AddressList;
use crate::{Discard, Instant};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

pub use carriers::Carriers;
pub(super) use choose::{entrants, once};
pub(super) use keepalive::LONGEST_KEEPALIVE;

/// The interval of probes of a flow, at most, while the user is active.
const DEAD_PROBE: Duration = Duration::from_secs(1);
/// The interval of probes of a pair that never answered and may at any time, while the user is active.
const UNTRIED_PROBE: Duration = Duration::from_secs(3);
/// The interval of probes of flows that another of the same fate speaks for, and of metered ones, while the user is active.
pub(super) const REST_PROBE: Duration = Duration::from_secs(10);
/// The interval of probes of the chosen flow while the user is not active.
const QUIET_PROBE: Duration = Duration::from_secs(5);
/// The interval of probes of the other flows then: the longest between two probes of a flow that is used.
pub(super) const IDLE_PROBE: Duration = Duration::from_secs(20);
/// The interval of probes of one flow of each family, in a session that sleeps on a carrier.
const DORMANT_PROBE: Duration = Duration::from_secs(30);
/// Deadlines that a flow that never answered may miss before it is retired.
const RETIRED_AFTER: u32 = 5;

/// Whether a payload goes to each address of the server, over one interface: once after a path failed. SPEC \[X-1].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spread {
    Never,
    /// The next one does.
    Next,
    /// One did, at this time.
    Done(Instant),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Client {
    remotes: Remotes,
    /// The flows that the last payload went on: the server answers on one of them.
    pub(super) spoken_on: Vec<FlowId>,
    spread: Spread,
    next_address_request: Option<Instant>,
    /// When the last request was sent, and the flow that it keeps open.
    asked_at: Option<Instant>,
    kept: Option<FlowId>,
    /// When the server last listed its addresses.
    listed_at: Option<Instant>,
    /// The address that the server last saw this client have.
    pub(super) observed: Option<SocketAddr>,
    /// When the first answer was due that did not come, on any flow.
    pub(super) silent_since: Option<Instant>,
    port_generation: u32,
    hopped_at: Instant,
    /// Its carriers.
    resort: Resort,
}

impl Client {
    /// The first address is the one that the bootstrap reached. A dialect that roams needs no addresses of either host
    /// (`lists` is false): its one path can be used at once.
    pub(super) fn new(addresses: &[SocketAddr], lists: bool, now: Instant) -> Self {
        let mut remotes = Remotes::default();
        let (first, others) = addresses.split_at(addresses.len().min(1));
        remotes.add(first, Source::Bootstrap);
        remotes.add(others, Source::Hint);
        Self {
            remotes,
            spoken_on: Vec::new(),
            spread: Spread::Never,
            next_address_request: lists.then_some(now),
            asked_at: None,
            kept: None,
            listed_at: None,
            observed: None,
            silent_since: None,
            port_generation: 0,
            hopped_at: now,
            resort: Resort::default(),
        }
    }

    /// When something is due that is no single flow's.
    pub(super) fn deadlines(&self, core: &Core) -> impl Iterator<Item = (Instant, Reason)> {
        let request = self.next_address_request.filter(|_| core.flows.open().next().is_some());
        let hop = self.hop_at(core).map(|at| (at, Reason::PortHop));
        let resort = self.resort_at(core).map(|at| (at, Reason::Carrier));
        request.map(|at| (at, Reason::AddressRequest)).into_iter().chain(hop).chain(resort)
    }

    /// Whether a loss that is over at this time changes anything: only among several flows is one chosen, and not in a
    /// session that sleeps.
    pub(super) fn minds_loss(&self, core: &Core, over_at: Instant) -> bool {
        core.flows.open().nth(1).is_some() && core.tempo(over_at) != Tempo::Dormant
    }

    /// This flow's next probe is due.
    pub(super) fn probe_due(&mut self, core: &mut Core, id: FlowId, now: Instant) {
        // On a path that is busy it waits for its turn: what was sent there is answered, too.
        if let Some(binding) = core.flows.get_mut(id).map(|flow| &mut flow.binding)
            && binding.state == FlowState::Answering
            && !binding.is_spare(now)
        {
            binding.liveness.next_probe = Some(binding.known.budget.clear_at());
            return;
        }
        let interval = self.probe_interval(core, id, now);
        if self.falls_asleep(core, id, now) {
            self.next_address_request = Some(now);
        }
        if let Some(flow) = core.flows.get_mut(id) {
            flow.binding.due.wants.probe = interval.is_some();
            flow.binding.liveness.next_probe = interval.map(|interval| now + interval);
        }
    }

    /// The time until this flow's next probe; `None` when nothing but a payload makes one.
    pub(super) fn probe_interval(&self, core: &Core, id: FlowId, now: Instant) -> Option<Duration> {
        let flow = core.flows.get(id).filter(|_| core.traits().probes)?;
        let paper = flow.binding.liveness.probe_interval(&flow.binding.known.rtt);
        let answers = matches!(flow.state(), FlowState::Answering | FlowState::Suspect);
        let untried = flow.state() == FlowState::Untried;
        let chosen = core.is_current(flow);
        match core.tempo(now) {
            Tempo::Active if core.is_dear(flow) && !chosen => Some(paper.max(REST_PROBE)),
            Tempo::Active if answers && !speaks_for_its_fate(core, flow, now) => Some(paper.max(REST_PROBE)),
            // Probed as often as a dead one, a path whose queue drains is found well again in seconds.
            Tempo::Active if answers => Some(paper.min(DEAD_PROBE)),
            // A pair that never answered is worth a handful of probes, not a stream, if there is another way.
            Tempo::Active if untried && core.looks_foreign(flow) => Some(paper),
            Tempo::Active if untried && core.network_answers() => Some(paper.min(UNTRIED_PROBE)),
            Tempo::Active if !speaks_for_its_fate(core, flow, now) => Some(paper.min(REST_PROBE)),
            Tempo::Active => Some(paper.min(DEAD_PROBE)),
            // A carrier answers, and is no reason to let UDP be.
            Tempo::Quiet if core.seeks_network(flow) => Some(paper.min(REST_PROBE)),
            Tempo::Quiet if chosen => Some(paper.max(QUIET_PROBE)),
            Tempo::Quiet => Some(paper.max(IDLE_PROBE)),
            Tempo::Searching => Some(paper.min(REST_PROBE)),
            Tempo::Dormant if core.seeks_network(flow) && core.speaks_for_its_family(flow) => {
                Some(paper.max(DORMANT_PROBE))
            }
            Tempo::Dormant => None,
        }
    }

    /// An answer on this flow is overdue.
    pub(super) fn overdue(&mut self, core: &mut Core, id: FlowId, late: &Overdue, now: Instant) {
        let chosen = core.current == Some(id);
        let Some(flow) = core.flows.get_mut(id) else { return };
        // At once, even if the next probe was to be later (paper §3.4). A sleeping session lets the others be. One that is
        // lost while nobody waits keeps to its interval.
        let searching = late.tempo == Tempo::Searching && late.was == FlowState::Lost;
        flow.binding.due.wants.probe = (chosen || late.tempo != Tempo::Dormant) && !searching;
        let expiries = flow.binding.liveness.expiries();
        let by_carrier = flow.path().carrier_number().is_some();
        self.note_failure(core);
        let Some(flow) = core.flows.get_mut(id) else { return };
        match (late.fell, late.was) {
            (Fell::Suspect, _) if chosen => {
                self.spread = Spread::Next;
                let fate = core.fate(id);
                // What is said again asks the next best flow by itself.
                if late.owes_data && core.traits().payloads_answered {
                    core.probe_unless_asked(fate, now);
                } else {
                    core.probe_all(fate);
                }
            }
            (Fell::Lost, _) => {
                self.hop_silent(core, id, now);
                // The server would still answer there. SPEC.
                if self.spoken_on.contains(&id) && !chosen && !late.owes_data {
                    self.spoken_on.clear();
                    core.events.emit(Event::PathLost { flow: id });
                }
            }
            (_, FlowState::Lost) => self.hop_silent(core, id, now),
            (_, FlowState::Untried) if expiries >= RETIRED_AFTER && late.foreign && !by_carrier => {
                core.events.close(flow, FlowState::Retired, Cause::NeverAnswered);
            }
            _ => {}
        }
    }

    /// The flow that answered last answers no more.
    pub(super) fn nothing_answers(&mut self, core: &mut Core, due: Instant) {
        self.note_silence(core, due);
        // Every way out is tried, also by a session that slept.
        core.probe_all(None);
    }

    /// Nothing answers any more, and `since` then something was owed.
    fn note_silence(&mut self, core: &Core, since: Instant) {
        if core.last_answered.is_some() && !core.flows.any_answers() {
            self.silent_since.get_or_insert(since);
        }
    }

    /// This flow answered what was sent at the millisecond `sent`, and how it stands is known.
    pub(super) fn answered(&mut self, core: &mut Core, id: FlowId, sent: u64, revived: bool, now: Instant) {
        let owed = self.listed_at.is_none() || self.next_address_request.is_none();
        if revived && core.traits().addresses && owed {
            self.next_address_request = Some(now);
        }
        self.note_answer(core, id, now);
        self.judge_spread(core, id, sent);
        self.overtake(core, id, sent, now);
        self.choose(core, Cause::Cheaper, now);
        self.supersede(core, id, now);
        self.follow_chosen(core, now);
    }

    /// The server listed its addresses, and said what this client's is. SPEC \[A-5].
    pub(super) fn take_list(
        &mut self,
        core: &mut Core,
        id: FlowId,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), Discard> {
        let list = AddressList::decode(payload)?;
        let owed = core.flows.get_mut(id).map_or(0, |flow| {
            let owed = flow.binding.lists_owed;
            flow.binding.lists_owed = owed.saturating_sub(1);
            owed
        });
        if owed == 0 {
            return Err(Discard::UnexpectedAddresses);
        }
        let by_carrier = core.flows.get(id).is_some_and(|flow| core.is_by_carrier(flow.path()));
        if let Some(address) = list.observed.filter(|_| !by_carrier) {
            if self.observed != Some(address) {
                core.events.emit(Event::Observed { flow: id, address });
            }
            self.observed = Some(address);
            self.seen_as(core, id, address);
        }
        self.listed_at = Some(now);
        core.events.emit(Event::AddressesLearned { count: list.addresses.len() });
        if self.remotes.replace_listed(&list.addresses, now) {
            core.events.emit(Event::CandidatesChanged);
        }
        Ok(())
    }

    /// A payload was handed out to go on this flow.
    pub(super) fn spoke(&mut self, id: FlowId, kind: SentKind) {
        // Copies come second, and the server answers on the one that arrives first.
        if kind == SentKind::Data {
            self.spoken_on.clear();
        }
        if kind != SentKind::Acknowledgement {
            self.spoken_on.push(id);
        }
    }

    /// A payload's flows are chosen.
    pub(super) fn chose_targets(&mut self, now: Instant) {
        if self.spread == Spread::Next {
            self.spread = Spread::Done(now);
        }
    }

    /// Whether a payload that arrived on this flow is the copy of one on another, whose answer tells enough.
    pub(super) fn is_copy(&self, core: &Core, id: FlowId) -> bool {
        core.current != Some(id)
            && self.spoken_on.contains(&id)
            && core.current_flow().is_some_and(Flow::answers)
    }
}

/// Whether this flow is the one by which those of its fate are judged: the chosen one, or else the best of them.
fn speaks_for_its_fate(core: &Core, flow: &Flow, now: Instant) -> bool {
    let fate = core.fate_of(flow);
    let sharing = core.flows.open().filter(|other| core.fate_of(other) == fate);
    let rank =
        |other: &&Flow| (!core.is_current(other), !other.answers(), other.binding.cost(false, now), other.id);
    sharing.min_by_key(rank).is_none_or(|speaker| speaker.id == flow.id)
}

impl Core {
    /// Probes every open flow at once, but for those of one fate.
    fn probe_all(&mut self, but: Option<Fate>) {
        self.probe_each(but, |_| true);
    }

    /// The same, but for those that have a question under way already, or answered one within a timeout.
    fn probe_unless_asked(&mut self, but: Option<Fate>, now: Instant) {
        self.probe_each(but, |flow| {
            let binding = &flow.binding;
            let lately = |at: Option<Instant>| at.is_some_and(|at| now.since(at) < binding.rto());
            let asked = lately(binding.liveness.oldest_unanswered()) || lately(binding.last_answered);
            !(flow.answers() && asked)
        });
    }

    fn probe_each(&mut self, but: Option<Fate>, asks: impl Fn(&Flow) -> bool) {
        if !self.traits().probes {
            return;
        }
        let ids = self
            .flows
            .ids(|flow| flow.is_open() && but.is_none_or(|fate| self.fate_of(flow) != fate) && asks(flow));
        for id in ids {
            self.probe_now(id);
        }
    }

    fn probe_now(&mut self, id: FlowId) {
        let probes = self.traits().probes;
        if let Some(flow) = self.flows.get_mut(id) {
            flow.binding.due.wants.probe = probes;
        }
    }
}
