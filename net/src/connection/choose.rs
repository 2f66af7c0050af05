//! Which flows a payload goes on. SPEC \[S-1] to \[S-6], \[X-2].

use super::timers::{IDLE_PROBE, REST_PROBE};
use super::{Cause, Class, Connection, Event, Redundancy, SINGLE, Side, Spread};
use crate::flow::{Flow, FlowState, GRANULARITY};
use crate::policy::Role;
use crate::schedule::{Duty, Entrant, Fate, Rank, Standing, best, companion, cost_of_loss, judge_lateness};
use crate::{FlowId, Instant, InterfaceKind};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

/// Interactive payloads have at most this many octets.
pub(super) const INTERACTIVE: usize = 300;
/// How many flows carry a payload while none answers.
const FIRST_CONTACT: usize = 4;
/// The least time between a server's probes of its flows by the client, doubled: silence beyond it is a sign.
const STANDBY_SILENCE: Duration = Duration::from_secs(2);
/// How many ways besides are tried at once when a path has failed.
const MOST_WAYS: usize = 3;
/// How long after our own bulk the flows are compared as if it went on: until their SRTT has forgotten it.
const LOAD_LINGERS: Duration = Duration::from_secs(3);
/// A flow with our own bulk on it this lately is late because of it.
pub(super) const LOADED: Duration = Duration::from_secs(1);
/// Datagrams on a flow before the loss that the peer reports is believed.
const MEANINGFUL: u64 = 64;
/// Loss in percent, over all flows used, that justifies a metered copy.
const TOO_LOSSY: u64 = 1;

impl Connection {
    /// The candidate that this flow's local address is.
    pub(super) fn candidate_of(&self, flow: &Flow) -> Option<&crate::Candidate> {
        self.locals.iter().find(|local| local.addr == flow.path.local)
    }

    pub(super) fn is_metered(&self, flow: &Flow) -> bool {
        self.candidate_of(flow).is_some_and(|local| local.metered)
    }

    /// Whether it carries payloads only when no primary answers in time.
    fn is_backup(&self, flow: &Flow) -> bool {
        self.is_metered(flow) || self.candidate_of(flow).is_some_and(|local| local.role == Role::Backup)
    }

    /// What fails together with this flow: the client's interface, as far as this end can tell.
    pub(super) fn fate_of(&self, flow: &Flow) -> Fate {
        match (self.side, flow.path.local.interface) {
            (Side::Client, Some(interface)) => Fate::Interface(interface),
            (Side::Client, None) => Fate::Address(flow.path.local.ip),
            (Side::Server, _) => Fate::Address(flow.path.remote.ip()),
        }
    }

    pub(super) fn entrants(&self, now: Instant) -> Vec<Entrant> {
        let loaded = self.flows.values().any(|flow| flow.latency.carries_bulk(LOAD_LINGERS, now));
        let entrant = |flow: &Flow| {
            let standing = match flow.state {
                FlowState::Answering => Standing::Answering,
                FlowState::Suspect => Standing::Suspect,
                FlowState::Untried => Standing::Untried,
                FlowState::Lost => Standing::Lost,
                FlowState::Suspended | FlowState::Retired => return None,
            };
            let duty = if self.is_backup(flow) { Duty::Backup } else { Duty::Primary };
            let loss = cost_of_loss(flow.loss_now(now), flow.rtt.rto(Duration::ZERO));
            // A server does not probe: what the client lets fall silent is worth less.
            let silence = match (self.side, self.last_heard, flow.last_heard) {
                (Side::Server, Some(any), Some(this)) => any.since(this).saturating_sub(STANDBY_SILENCE),
                _ => Duration::ZERO,
            };
            let cost = flow.cost(loaded, now).saturating_add(loss).saturating_add(silence);
            let fate = self.fate_of(flow);
            let is_carried = self.candidate_of(flow).is_some_and(|local| local.kind == InterfaceKind::Tunnel);
            let latest = flow.latency.newest().unwrap_or_default();
            Some(Entrant { rank: Rank { standing, duty, cost, flow: flow.id }, fate, is_carried, latest })
        };
        let mut entrants: Vec<Entrant> = self.flows.values().filter_map(entrant).collect();
        self.leave_out_deserted(&mut entrants, now);
        judge_lateness(&mut entrants, self.current_flow().is_some_and(|flow| self.is_backup(flow)));
        entrants
    }

    /// A server is not told which flows its client gave up: they fall silent, and stay as they stood. Not used while there
    /// is another that the client speaks on; in a session that sleeps there is none. SPEC \[X-4].
    fn leave_out_deserted(&self, entrants: &mut Vec<Entrant>, now: Instant) {
        let Some(any) = self.last_heard.filter(|_| self.side == Side::Server) else { return };
        // Three times the longest interval between two probes of a flow that is used.
        let deserted = (if self.is_active(now) { REST_PROBE } else { IDLE_PROBE }) * 3;
        let is_spoken_on = |entrant: &Entrant| {
            let heard = self.flows.get(&entrant.rank.flow).and_then(|flow| flow.last_heard);
            heard.is_some_and(|heard| any.since(heard) < deserted)
        };
        let is_current = |entrant: &Entrant| self.current == Some(entrant.rank.flow);
        if entrants.iter().any(|entrant| !is_current(entrant) && is_spoken_on(entrant)) {
            entrants.retain(|entrant| is_current(entrant) || is_spoken_on(entrant));
        }
    }

    /// Chooses the flow that payloads go on (clients). A suspect one keeps them, with a companion, until one of the
    /// two answers or the suspect is lost.
    pub(super) fn choose(&mut self, cause: Cause, now: Instant) {
        if self.side == Side::Server {
            return;
        }
        let state = self.current_flow().map(|flow| flow.state);
        if state == Some(FlowState::Suspect) {
            return;
        }
        let cause = if state == Some(FlowState::Answering) { Cause::Cheaper } else { cause };
        let chosen = best(&self.entrants(now), self.current);
        self.set_current(chosen, cause);
    }

    fn set_current(&mut self, chosen: Option<FlowId>, cause: Cause) {
        if self.current != chosen {
            let previous = core::mem::replace(&mut self.current, chosen);
            self.emit(Event::Chosen { flow: chosen, previous, cause });
            // The server answers where it was last spoken to: a client that has nothing to say says it again. One that had
            // was asked to when the answer was overdue.
            let Some(flow) = previous.and_then(|id| self.flows.get(&id)) else { return };
            if cause == Cause::Failure && chosen.is_some() && !flow.failed_owing_data() {
                self.emit(Event::PathLost { flow: flow.id });
            }
        }
    }

    /// `id` answered something sent at the millisecond `sent`: if the suspect did not answer what was sent beside
    /// it, the payloads move. SPEC \[X-3]. Not so if the suspect is heard and our own bulk is on it: then the answer
    /// stands in the queue that we filled, and would do so on any path. SPEC \[S-7].
    pub(super) fn overtake(&mut self, id: FlowId, sent: u64, now: Instant) {
        let overtaken = self.current_flow().is_some_and(|current| {
            current.id != id
                && current.state == FlowState::Suspect
                && current.suspected_at.is_some_and(|at| at.as_millis() <= sent)
                && !(current.latency.carries_bulk(LOADED, now) && current.last_heard >= current.suspected_at)
        });
        if overtaken {
            self.set_current(Some(id), Cause::Failure);
        }
    }

    /// The flows that this payload goes on, best first.
    pub(super) fn targets(&self, octets: usize, class: Class, now: Instant) -> VecDeque<FlowId> {
        if class == Class::Acknowledgement {
            return self.owing_flow().or(self.current).into_iter().collect();
        }
        let mut entrants = self.entrants(now);
        entrants.sort_by_key(|entrant| entrant.rank);
        let interactive = class == Class::Interactive && octets <= INTERACTIVE;
        if self.broadcast {
            return entrants.iter().map(|entrant| entrant.rank.flow).collect();
        }
        let mut targets = VecDeque::new();
        let Some(current) = self.current_flow().filter(|flow| flow.state.is_open()) else { return targets };
        let current = (current.id, current.state);
        targets.push_back(current.0);
        if self.side == Side::Server {
            let second = self.second.filter(|second| second.single <= SINGLE);
            let second = second.filter(|second| interactive || (second.hedge && second.single == 0));
            targets.extend(second.map(|second| second.flow));
            if matches!(current.1, FlowState::Suspect | FlowState::Lost) {
                targets.extend(companion(&entrants, current.0));
            }
        } else if !entrants.iter().any(|entrant| entrant.rank.standing <= Standing::Suspect) {
            targets.extend(entrants.iter().map(|entrant| entrant.rank.flow).take(FIRST_CONTACT));
        } else if current.1 != FlowState::Answering {
            targets.extend(companion(&entrants, current.0));
        } else if interactive {
            targets.extend(self.redundant(&entrants, current.0, now));
        }
        if self.spread == Spread::Next && self.side == Side::Client && octets <= INTERACTIVE {
            targets.extend(self.ways_beside(&entrants, &targets));
        }
        let mut once = Vec::new();
        targets.retain(|id| {
            !once.contains(id) && {
                once.push(*id);
                true
            }
        });
        targets
    }

    /// `id` answered what was sent at the millisecond `sent`. If that went to each address of the server, over one interface,
    /// the answer of the chosen flow is due by now too: how little is known of its variation is no reason to wait. Once, and
    /// only while that is what it owes.
    pub(super) fn judge_spread(&mut self, id: FlowId, sent: u64) {
        let Spread::Done(spread_at) = self.spread else { return };
        if spread_at.as_millis() > sent {
            return;
        }
        self.spread = Spread::Never;
        let fate = self.flows.get(&id).map(|flow| self.fate_of(flow));
        let shares =
            self.current_flow().is_some_and(|flow| flow.id != id && Some(self.fate_of(flow)) == fate);
        let owes = |flow: &&mut Flow| flow.liveness.oldest_unanswered().is_some_and(|at| at <= spread_at);
        let current = self.current.and_then(|id| self.flows.get_mut(&id)).filter(|_| shares).filter(owes);
        if let Some((flow, srtt)) = current.and_then(|flow| flow.rtt.srtt().map(|srtt| (flow, srtt))) {
            flow.liveness.expect_by(spread_at + srtt + GRANULARITY);
        }
    }

    /// The ways over the interface of the best of `first` that answers, one to each other address of the server: a path
    /// that failed may have been the way back from one of them. SPEC \[X-1].
    fn ways_beside(&self, entrants: &[Entrant], first: &VecDeque<FlowId>) -> Vec<FlowId> {
        let path = |id: FlowId| self.flows.get(&id).map(|flow| flow.path);
        let is_well = |entrant: &&Entrant| {
            first.contains(&entrant.rank.flow) && entrant.rank.standing <= Standing::Late
        };
        let Some(survivor) = entrants.iter().find(is_well) else { return Vec::new() };
        let shares = |entrant: &&Entrant| entrant.fate == survivor.fate;
        let used = entrants.iter().filter(shares).filter(|entrant| first.contains(&entrant.rank.flow));
        let mut reached: Vec<_> =
            used.filter_map(|entrant| path(entrant.rank.flow)).map(|path| path.remote).collect();
        let mut ways = Vec::new();
        for entrant in entrants.iter().filter(shares) {
            let Some(path) = path(entrant.rank.flow) else { continue };
            if !reached.contains(&path.remote) && ways.len() < MOST_WAYS {
                reached.push(path.remote);
                ways.push(entrant.rank.flow);
            }
        }
        ways
    }

    /// A flow that owes an answer to a payload: one that answers before others, then the chosen one, and then the one whose
    /// answer is due first.
    fn owing_flow(&self) -> Option<FlowId> {
        let owing = self.flows.values().filter(|flow| flow.state.is_open());
        let owing = owing.filter_map(|flow| {
            let is_well = flow.state == FlowState::Answering;
            Some((!is_well, self.current != Some(flow.id), flow.answer_due?, flow.id))
        });
        owing.min().map(|(.., id)| id)
    }

    /// The other flows of an interactive payload, when redundancy asks for them. SPEC \[S-5].
    fn redundant(&self, entrants: &[Entrant], first: FlowId, now: Instant) -> Vec<FlowId> {
        let answering: Vec<Entrant> =
            entrants.iter().filter(|entrant| entrant.rank.standing == Standing::Answering).copied().collect();
        match self.config.redundancy {
            Redundancy::Off => Vec::new(),
            Redundancy::Always => companion(&answering, first).into_iter().collect(),
            Redundancy::Auto if !self.is_active(now) => Vec::new(),
            Redundancy::Auto => {
                // A backup, metered or by the user's word, joins only when there is a need.
                let is_backup = |entrant: &Entrant| entrant.rank.duty == Duty::Backup;
                let (backups, primaries): (Vec<Entrant>, Vec<Entrant>) =
                    answering.iter().partition(|entrant| is_backup(entrant) && entrant.rank.flow != first);
                let first_is_backup =
                    primaries.iter().any(|entrant| entrant.rank.flow == first && is_backup(entrant));
                let free = if first_is_backup { None } else { self.other_fate(&primaries, first) };
                let mut used = Vec::from([first]);
                used.extend(free);
                if self.lose_too_much(&used) {
                    let with_first = answering.iter().filter(|entrant| entrant.rank.flow == first).copied();
                    let candidates: Vec<Entrant> = backups.iter().copied().chain(with_first).collect();
                    used.extend(self.other_fate(&candidates, first));
                }
                used.split_off(1)
            }
        }
    }

    /// Whether a payload that goes on all of these flows is lost more than once in a hundred times, as far as the
    /// peer's reports of enough datagrams tell.
    fn lose_too_much(&self, used: &[FlowId]) -> bool {
        let (mut lost, mut of) = (1_u64, 1_u64);
        for flow in used.iter().filter_map(|id| self.flows.get(id)) {
            if flow.sent.total().datagrams < MEANINGFUL {
                return false;
            }
            lost = lost.saturating_mul(u64::from(flow.reported_loss.percent()));
            of = of.saturating_mul(100);
        }
        lost * 100 > of * TOO_LOSSY
    }

    /// The best companion of `first` on another interface.
    fn other_fate(&self, entrants: &[Entrant], first: FlowId) -> Option<FlowId> {
        companion(entrants, first).filter(|second| self.differ_in_fate(first, *second))
    }

    fn differ_in_fate(&self, a: FlowId, b: FlowId) -> bool {
        let fate = |id| self.flows.get(&id).map(|flow| self.fate_of(flow));
        fate(a) != fate(b)
    }
}
