//! What happens when nothing arrives. SPEC \[P-1] to \[P-8], \[X-1] to \[X-6].

use super::choose::LOADED;
use super::sleep::Tempo;
use super::{Cause, Connection, Event, Reason, Side, Spread};
use crate::flow::{Flow, FlowState, GRANULARITY};
use crate::{FlowId, Instant};
use alloc::vec::Vec;
use core::time::Duration;

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
/// The interval of address requests (paper §3.1).
pub(super) const ADDRESS_INTERVAL: Duration = Duration::from_secs(10);
/// Silence on every flow after which all of them change the port, and the least time between two changes.
pub(super) const HOP_INTERVAL: Duration = Duration::from_secs(10);
/// Silence after which a server takes its client for gone: mosh's. SPEC \[X-8].
const ASSOCIATION: Duration = Duration::from_secs(40);
/// Deadlines that a flow may miss before it is lost; one less and it is suspect.
const LOST_AFTER: u32 = 2;
/// Deadlines that a flow that never answered may miss before it is retired.
const RETIRED_AFTER: u32 = 5;
/// A sleep of this length makes the NAT's mapping of the old port doubtful.
const LONG_SLEEP: Duration = Duration::from_secs(20);

impl Connection {
    /// The time until this flow's next probe; `None` when nothing but a payload makes one.
    pub(super) fn probe_interval(&self, id: FlowId, now: Instant) -> Option<Duration> {
        let flow = self.flows.get(&id)?;
        if self.side == Side::Server || !self.dialect.traits().probes {
            return None;
        }
        let paper = flow.liveness.probe_interval(&flow.rtt);
        let answers = matches!(flow.state, FlowState::Answering | FlowState::Suspect);
        let chosen = self.current == Some(id);
        match self.tempo(now) {
            Tempo::Active if self.is_metered(flow) && !chosen => Some(paper.max(REST_PROBE)),
            Tempo::Active if answers && !self.speaks_for_its_fate(flow, now) => Some(paper.max(REST_PROBE)),
            // Probed as often as a dead one, a path whose queue drains is found well again in seconds.
            Tempo::Active if answers => Some(paper.min(DEAD_PROBE)),
            // A pair that never answered is worth a handful of probes, not a stream, if there is another way.
            Tempo::Active if flow.state == FlowState::Untried && self.looks_foreign(id) => Some(paper),
            Tempo::Active if flow.state == FlowState::Untried && self.any_answers() => {
                Some(paper.min(UNTRIED_PROBE))
            }
            Tempo::Active if !self.speaks_for_its_fate(flow, now) => Some(paper.min(REST_PROBE)),
            Tempo::Active => Some(paper.min(DEAD_PROBE)),
            Tempo::Quiet if chosen => Some(paper.max(QUIET_PROBE)),
            Tempo::Quiet => Some(paper.max(IDLE_PROBE)),
            Tempo::Searching => Some(paper.min(REST_PROBE)),
            Tempo::Dormant => None,
        }
    }

    /// Whether this flow is the one by which those of its fate are judged: the chosen one, or else the best of them.
    fn speaks_for_its_fate(&self, flow: &Flow, now: Instant) -> bool {
        let fate = self.fate_of(flow);
        let sharing =
            self.flows.values().filter(|other| other.state.is_open() && self.fate_of(other) == fate);
        let rank = |other: &&Flow| {
            let chosen = self.current == Some(other.id);
            (!chosen, other.state != FlowState::Answering, other.cost(false, now), other.id)
        };
        sharing.min_by_key(rank).is_none_or(|speaker| speaker.id == flow.id)
    }

    pub(super) fn any_answers(&self) -> bool {
        self.flows.values().any(|flow| flow.state == FlowState::Answering)
    }

    /// When to call [`Connection::handle_timeout`], and what for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        // Only a client chooses, only among several, and not while it sleeps.
        let chooses =
            self.side == Side::Client && self.flows.values().filter(|f| f.state.is_open()).count() > 1;
        let ends_awake = |at: &Instant| chooses && self.tempo(*at) != Tempo::Dormant;
        let flows = self.flows.values().filter(|flow| flow.state.is_open()).flat_map(|flow| {
            let id = flow.id;
            [
                flow.answer_due.map(|at| (at, Reason::Answer(id))),
                flow.liveness.deadline().map(|at| (at, Reason::Overdue(id))),
                flow.liveness.next_probe.map(|at| (at, Reason::Probe(id))),
                flow.mtu.timer().map(|at| (at, Reason::Mtu(id))),
                flow.loss_over_at().filter(ends_awake).map(|at| (at, Reason::Loss(id))),
            ]
        });
        let own = [
            self.next_address_request.filter(|_| self.is_connected()).map(|at| (at, Reason::AddressRequest)),
            self.hop_at().map(|at| (at, Reason::PortHop)),
            self.detach_at().map(|at| (at, Reason::Detach)),
            self.late_word.map(|(at, _)| (at, Reason::LateWord)),
        ];
        let retries = self.flows.values().map(|flow| flow.retry_at.map(|at| (at, Reason::Retry(flow.id))));
        flows.chain(retries).chain(own).flatten().min_by_key(|&(at, _)| at)
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let ids: Vec<FlowId> = self.flows.keys().copied().collect();
        for id in ids {
            if self.flows.get(&id).is_some_and(|flow| flow.retry_at.is_some_and(|at| at <= now)) {
                self.resume(id);
            }
            let Some(flow) = self.flows.get_mut(&id).filter(|flow| flow.state.is_open()) else { continue };
            flow.expire_loss(now);
            if flow.liveness.next_probe.is_some_and(|at| at <= now) {
                let interval = self.probe_interval(id, now);
                if self.falls_asleep(id, now) {
                    self.next_address_request = Some(now);
                }
                if let Some(flow) = self.flows.get_mut(&id) {
                    flow.wants.probe = interval.is_some();
                    flow.liveness.next_probe = interval.map(|interval| now + interval);
                }
            }
            if self.flows.get(&id).is_some_and(|flow| flow.liveness.deadline().is_some_and(|at| at <= now)) {
                self.overdue(id, now);
            }
            if self.flows.get(&id).is_some_and(|flow| flow.mtu.timer().is_some_and(|at| at <= now)) {
                self.continue_search(id, now);
            }
        }
        if self.next_address_request.is_some_and(|at| at <= now) && self.is_connected() {
            self.ask_for_addresses(now);
        }
        if self.hop_at().is_some_and(|at| at <= now) {
            self.hop_all(now);
            self.emit(Event::AllSilent);
        }
        if self.detach_at().is_some_and(|at| at <= now) {
            self.detach();
        }
        if let Some((_, id)) = self.late_word.take_if(|(at, _)| *at <= now)
            && let Some(flow) = self.flows.get_mut(&id)
        {
            flow.wants.late_word = true;
        }
        self.choose(Cause::Failure, now);
        self.follow_chosen(now);
    }

    /// An answer on this flow is overdue. SPEC \[P-3], \[X-2].
    fn overdue(&mut self, id: FlowId, now: Instant) {
        let tempo = self.tempo(now);
        let chosen = self.current == Some(id);
        let client = self.side == Side::Client;
        let foreign = self.looks_foreign(id);
        let answered = self.any_answers();
        let (is_queued, is_flooded) = self.is_late_in_a_queue(id, now);
        let Some(flow) = self.flows.get_mut(&id) else { return };
        let due = flow.liveness.deadline().unwrap_or(now);
        let since = flow.liveness.oldest_unanswered();
        let owes_data = flow.owes_data();
        flow.liveness.expire(&flow.rtt);
        // At once, even if the next probe was to be later (paper §3.4).
        flow.wants.probe = if client {
            // A sleeping session lets the others be. One that is lost while nobody waits keeps to its interval.
            let searching = tempo == Tempo::Searching && flow.state == FlowState::Lost;
            (chosen || tempo != Tempo::Dormant) && !searching
        } else {
            // A flow that is lost and not used is the client's to find again; it is asked when it is heard. SPEC [P-8].
            flow.liveness.expiries() < LOST_AFTER || (chosen && tempo != Tempo::Dormant)
        };
        let first = flow.liveness.expiries() == 1;
        if owes_data && first && matches!(flow.state, FlowState::Answering | FlowState::Suspect) {
            if !is_queued && !is_flooded {
                self.emit(Event::PathSuspect { flow: id });
            }
            self.suspect_size(id, now);
        }
        let Some(flow) = self.flows.get_mut(&id) else { return };
        match flow.state {
            FlowState::Answering if first && is_flooded => {}
            FlowState::Answering => {
                self.suspect(id, since, Cause::Overdue, now);
                if chosen && client {
                    let fate = self.flows.get(&id).map(|flow| self.fate_of(flow));
                    // What is said again asks the next best flow by itself.
                    if owes_data && self.dialect.traits().payloads_answered {
                        self.probe_unless_asked(fate, now);
                    } else {
                        self.probe_all(fate);
                    }
                }
            }
            FlowState::Suspect if flow.liveness.expiries() >= LOST_AFTER => {
                flow.liveness.forget();
                self.set_state(id, FlowState::Lost, Cause::Overdue);
                if client {
                    self.hop_silent(id, now);
                    // The server would still answer there. SPEC.
                    if self.spoken_on.contains(&id) && !chosen && !owes_data {
                        self.spoken_on.clear();
                        self.emit(Event::PathLost { flow: id });
                    }
                }
            }
            FlowState::Untried if client && flow.liveness.expiries() >= RETIRED_AFTER && foreign => {
                self.close(id, FlowState::Retired, Cause::NeverAnswered);
            }
            FlowState::Lost if client => self.hop_silent(id, now),
            FlowState::Suspect | FlowState::Untried | FlowState::Lost => {}
            FlowState::Suspended | FlowState::Retired => {}
        }
        if answered && !self.any_answers() {
            self.note_silence(due);
            // Every way out is tried, also by a session that slept.
            self.probe_all(None);
        }
    }

    /// Whether an overdue answer of this flow is late because it stands in a queue, so that nothing is gained by making the
    /// queue longer: in one that nothing leads around, while answers still come; or in one of our own output, which is
    /// arriving. SPEC \[X-2], \[S-7].
    fn is_late_in_a_queue(&self, id: FlowId, now: Instant) -> (bool, bool) {
        let Some(flow) = self.flows.get(&id) else { return (false, false) };
        let (srtt, queued) = flow.standing();
        let still_answers = flow.last_answered > flow.liveness.oldest_unanswered();
        let heard = flow.last_heard.is_some_and(|at| now.since(at) < (srtt / 2).max(GRANULARITY));
        let flooded = flow.latency.carries_bulk(LOADED, now) && heard;
        (queued && still_answers && !self.has_alternative(id), flooded)
    }

    /// Whether another flow answers that does not fail together with this one.
    fn has_alternative(&self, id: FlowId) -> bool {
        let fate = self.flows.get(&id).map(|flow| self.fate_of(flow));
        let mut others =
            self.flows.values().filter(|flow| flow.state == FlowState::Answering && flow.id != id);
        others.any(|flow| Some(self.fate_of(flow)) != fate)
    }

    /// Others answer, and none of them has this one's remote address: it is not likely to be the server's, seen from
    /// here. Where it is, the way there may open at any time (a login to a WiFi), and nobody tells. SPEC \[P-6].
    fn looks_foreign(&self, id: FlowId) -> bool {
        let remote = self.flows.get(&id).map(|flow| flow.path.remote);
        let answers = |flow: &Flow| flow.state == FlowState::Answering;
        let has_answered = |flow: &Flow| flow.last_answered.is_some() && Some(flow.path.remote) == remote;
        self.flows.values().any(answers) && !self.flows.values().any(has_answered)
    }

    /// Makes a flow suspect, and those that share its interface and have no better news. SPEC \[X-4].
    fn suspect(&mut self, id: FlowId, since: Option<Instant>, cause: Cause, now: Instant) {
        let probes = self.dialect.traits().probes;
        let Some(fate) = self.flows.get(&id).map(|flow| self.fate_of(flow)) else { return };
        let sharing: Vec<FlowId> = self
            .flows
            .values()
            .filter(|flow| {
                flow.id != id
                    && flow.state == FlowState::Answering
                    && self.fate_of(flow) == fate
                    && flow.last_answered < since
            })
            .map(|flow| flow.id)
            .collect();
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.suspected_at = Some(now);
        }
        self.set_state(id, FlowState::Suspect, cause);
        if self.current == Some(id) {
            self.spread = Spread::Next;
        }
        // One of them is asked: what it answers holds for all.
        let cost = |id: &FlowId| self.flows.get(id).map(|flow| flow.cost(false, now));
        let asked = sharing.iter().copied().min_by_key(cost);
        for other in sharing {
            if let Some(flow) = self.flows.get_mut(&other) {
                flow.suspected_with = Some(id);
                flow.suspected_at = Some(now);
                flow.wants.probe = probes && asked == Some(other);
            }
            self.set_state(other, FlowState::Suspect, Cause::SharedFate);
        }
    }

    /// Probes every open flow at once, but for those of one fate.
    pub(super) fn probe_all(&mut self, but: Option<crate::schedule::Fate>) {
        if self.side == Side::Server || !self.dialect.traits().probes {
            return;
        }
        let ids: Vec<FlowId> = self
            .flows
            .values()
            .filter(|flow| flow.state.is_open() && but.is_none_or(|fate| self.fate_of(flow) != fate))
            .map(|flow| flow.id)
            .collect();
        for id in ids {
            if let Some(flow) = self.flows.get_mut(&id) {
                flow.wants.probe = true;
            }
        }
    }

    /// Probes every open flow that is not of this fate at once, but for those that have a question under way already, or
    /// answered one within a timeout.
    fn probe_unless_asked(&mut self, but: Option<crate::schedule::Fate>, now: Instant) {
        let asked = |flow: &&mut Flow| {
            let lately =
                |at: Option<Instant>| at.is_some_and(|at| now.since(at) < flow.rtt.rto(Duration::ZERO));
            flow.state == FlowState::Answering
                && !flow.wants.probe
                && (lately(flow.liveness.oldest_unanswered()) || lately(flow.last_answered))
        };
        let spared: Vec<FlowId> = self.flows.values_mut().filter(asked).map(|flow| flow.id).collect();
        self.probe_all(but);
        for id in spared {
            if let Some(flow) = self.flows.get_mut(&id) {
                flow.wants.probe = false;
            }
        }
    }

    /// The machine slept: every estimate is stale, and nothing that was due is. SPEC \[X-6].
    pub fn handle_resume(&mut self, suspended: Duration, now: Instant) {
        let ids: Vec<FlowId> = self.flows.keys().copied().collect();
        for id in ids {
            let Some(flow) = self.flows.get_mut(&id) else { continue };
            flow.forget_all(now);
            if flow.state == FlowState::Answering {
                flow.suspected_at = Some(now);
                self.set_state(id, FlowState::Suspect, Cause::Slept);
            }
        }
        self.late_word = None;
        self.silent_since = Some(now);
        self.active_at = Some(now);
        if self.side == Side::Client {
            self.probe_all(None);
            if suspended > LONG_SLEEP {
                self.hop_all(now);
            }
            if self.next_address_request.is_some() {
                self.next_address_request = Some(now);
            }
        }
        if let Some(flow) = self.current {
            self.broadcast = true;
            self.emit(Event::PathRevived { flow, briefly: false });
        }
    }

    /// When all flows are to change the port, if nothing answers until then.
    fn hop_at(&self) -> Option<Instant> {
        if self.side == Side::Server || self.any_answers() {
            return None;
        }
        // Silence is what follows a question: an end that had nowhere to ask has not been refused an answer.
        let open = self.flows.values().filter(|flow| flow.state.is_open());
        let asked = open.filter_map(|flow| flow.liveness.oldest_unanswered()).min()?;
        let heard = self.last_answered.unwrap_or(self.started_at);
        Some(heard.max(self.hopped_at).max(asked) + HOP_INTERVAL)
    }

    fn detach_at(&self) -> Option<Instant> {
        if self.side == Side::Client || !self.attached {
            return None;
        }
        self.last_heard.map(|at| at + ASSOCIATION)
    }

    fn detach(&mut self) {
        self.attached = false;
        self.queue.clear();
        for flow in self.flows.values_mut() {
            flow.liveness.forget();
            flow.mtu.park();
            flow.answer_due = None;
            flow.wants = Default::default();
        }
        self.emit(Event::Detached);
    }
}
