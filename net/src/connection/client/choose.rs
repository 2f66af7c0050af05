//! Which flows a client's payloads go on. SPEC \[S-1] to \[S-6], \[X-1] to \[X-3].

use super::{Client, Core, Spread};
use crate::connection::heart::LOADED;
use crate::connection::{Cause, Class, Event, INTERACTIVE, Redundancy, Tempo};
use crate::flow::{Flow, FlowState};
use crate::schedule::{Duty, Entrant, Rank, Standing, best, companion, judge_lateness};
use crate::{FlowId, Instant};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

/// How many flows carry a payload while none answers.
const FIRST_CONTACT: usize = 4;
/// How many ways besides are tried at once when a path has failed.
const MOST_WAYS: usize = 3;
/// Datagrams on a flow before the loss that the peer reports is believed.
const MEANINGFUL: u64 = 64;
/// Loss in percent, over all flows used, that justifies a metered copy.
const TOO_LOSSY: u64 = 1;

/// What may carry a client's payload.
pub(in crate::connection) fn entrants(core: &Core, now: Instant) -> Vec<Entrant> {
    let mut entrants = core.entrants(|_| Duration::ZERO, now);
    judge_lateness(&mut entrants, core.current_flow().is_some_and(|flow| core.is_backup(flow)));
    entrants
}

impl Client {
    /// Chooses the flow that payloads go on. A suspect one keeps them, with a companion, until one of the two answers or the
    /// suspect is lost.
    pub(in crate::connection) fn choose(&mut self, core: &mut Core, cause: Cause, now: Instant) {
        let state = core.current_flow().map(Flow::state);
        if state == Some(FlowState::Suspect) {
            return;
        }
        let cause = if state == Some(FlowState::Answering) { Cause::Cheaper } else { cause };
        let chosen = best(&entrants(core, now), core.current);
        set_current(core, chosen, cause);
    }

    /// `id` answered something sent at the millisecond `sent`: if the suspect did not answer what was sent beside
    /// it, the payloads move. SPEC \[X-3]. Not so if the suspect is heard and our own bulk is on it: then the answer
    /// stands in the queue that we filled, and would do so on any path. SPEC \[S-7].
    pub(super) fn overtake(&mut self, core: &mut Core, id: FlowId, sent: u64, now: Instant) {
        let overtaken = core.current_flow().is_some_and(|current| {
            let binding = &current.binding;
            let suspected_at = binding.due.suspicion.map(|suspicion| suspicion.at);
            current.id != id
                && current.state() == FlowState::Suspect
                && suspected_at.is_some_and(|at| at.as_millis() <= sent)
                && !(binding.known.latency.carries_bulk(LOADED, now) && binding.last_heard >= suspected_at)
        });
        if overtaken {
            set_current(core, Some(id), Cause::Failure);
        }
    }

    /// The flows that this payload goes on, best first.
    pub(in crate::connection) fn targets(
        &self,
        core: &Core,
        octets: usize,
        class: Class,
        now: Instant,
    ) -> VecDeque<FlowId> {
        let mut entrants = entrants(core, now);
        entrants.sort_by_key(|entrant| entrant.rank);
        if core.broadcast {
            return entrants.iter().map(|entrant| entrant.rank.flow).collect();
        }
        let Some(current) = core.current_flow().filter(|flow| flow.is_open()) else {
            return VecDeque::new();
        };
        let small = octets <= INTERACTIVE;
        let mut targets = VecDeque::from([current.id]);
        if !entrants.iter().any(|entrant| entrant.rank.standing <= Standing::Suspect) {
            let (carriers, network): (Vec<&Entrant>, Vec<&Entrant>) =
                entrants.iter().partition(|entrant| entrant.rank.duty == Duty::Carrier);
            let first = network.into_iter().take(FIRST_CONTACT).chain(carriers);
            targets.extend(first.map(|entrant| entrant.rank.flow));
        } else if !current.answers() {
            targets.extend(companion(&entrants, current.id));
        } else if small && class == Class::Interactive {
            targets.extend(redundant(core, &entrants, current.id, now));
        }
        if small && self.spread == Spread::Next {
            targets.extend(ways_beside(core, &entrants, &targets, now));
        }
        once(targets)
    }

    /// `id` answered what was sent at the millisecond `sent`. If that went to each address of the server, over one interface,
    /// the answer of the chosen flow is due by now too: how little is known of its variation is no reason to wait. Once, and
    /// only while that is what it owes.
    pub(super) fn judge_spread(&mut self, core: &mut Core, id: FlowId, sent: u64) {
        let Spread::Done(spread_at) = self.spread else { return };
        if spread_at.as_millis() > sent {
            return;
        }
        self.spread = Spread::Never;
        let shares = |current: &Flow| current.id != id && Some(core.fate_of(current)) == core.fate(id);
        if core.current_flow().is_some_and(shares) {
            core.expect_of_current(spread_at);
        }
    }
}

fn set_current(core: &mut Core, chosen: Option<FlowId>, cause: Cause) {
    if core.current == chosen {
        return;
    }
    let previous = core::mem::replace(&mut core.current, chosen);
    core.events.emit(Event::Chosen { flow: chosen, previous, cause });
    // The server answers where it was last spoken to: a client that has nothing to say says it again. One that had was asked
    // to when the answer was overdue.
    let Some(flow) = previous.and_then(|id| core.flows.get(id)) else { return };
    let unasked = cause == Cause::Failure && !flow.binding.failed_owing_data();
    // A carrier is left as soon as something better answers, whatever still stands in its stream.
    if chosen.is_some() && (unasked || core.is_by_carrier(flow.path())) {
        core.events.emit(Event::PathLost { flow: flow.id });
    }
}

/// Each flow once, where it comes first.
pub(in crate::connection) fn once(mut targets: VecDeque<FlowId>) -> VecDeque<FlowId> {
    let mut known = Vec::new();
    targets.retain(|id| {
        let new = !known.contains(id);
        known.push(*id);
        new
    });
    targets
}

/// The ways over the interface of the best of `first` that answers, one to each other address of the server: a path
/// that failed may have been the way back from one of them. SPEC \[X-1].
fn ways_beside(core: &Core, entrants: &[Entrant], first: &VecDeque<FlowId>, now: Instant) -> Vec<FlowId> {
    let remote = |entrant: &Entrant| core.flows.get(entrant.rank.flow).map(|flow| flow.path().remote);
    let is_used = |entrant: &&Entrant| first.contains(&entrant.rank.flow);
    let is_well = |entrant: &&Entrant| is_used(entrant) && entrant.rank.standing <= Standing::Late;
    let Some(survivor) = entrants.iter().find(is_well) else { return Vec::new() };
    let sharing = || entrants.iter().filter(|entrant| entrant.fate == survivor.fate);
    let mut reached: Vec<_> = sharing().filter(is_used).filter_map(remote).collect();
    let mut ways = Vec::new();
    for entrant in sharing() {
        let Some(remote) = remote(entrant) else { continue };
        if !reached.contains(&remote) && ways.len() < MOST_WAYS && core.is_spare(entrant.rank.flow, now) {
            reached.push(remote);
            ways.push(entrant.rank.flow);
        }
    }
    ways
}

/// The other flows of an interactive payload, when redundancy asks for them. SPEC \[S-5].
fn redundant(core: &Core, entrants: &[Entrant], first: FlowId, now: Instant) -> Vec<FlowId> {
    // A copy is made where there is room for it, and hope.
    let bears = |entrant: &&Entrant| {
        let Rank { standing, flow, .. } = entrant.rank;
        standing != Standing::Late
            && entrant.rank.duty != Duty::Carrier
            && core.bears_copies(flow, now)
            && (flow == first || core.is_spare(flow, now))
    };
    let bearing: Vec<Entrant> = entrants.iter().filter(bears).copied().collect();
    match core.config.redundancy {
        Redundancy::Off => Vec::new(),
        Redundancy::Always => companion(&bearing, first).into_iter().collect(),
        Redundancy::Auto if core.tempo(now) != Tempo::Active => Vec::new(),
        Redundancy::Auto => {
            // A backup, metered or by the user's word, joins only when there is a need.
            let is_backup = |entrant: &Entrant| entrant.rank.duty == Duty::Backup;
            let (backups, primaries): (Vec<Entrant>, Vec<Entrant>) =
                bearing.iter().partition(|entrant| is_backup(entrant) && entrant.rank.flow != first);
            let first_is_backup =
                primaries.iter().any(|entrant| entrant.rank.flow == first && is_backup(entrant));
            let free = if first_is_backup { None } else { other_fate(core, &primaries, first) };
            let mut used = Vec::from([first]);
            used.extend(free);
            if lose_too_much(core, &used) {
                let with_first = bearing.iter().filter(|entrant| entrant.rank.flow == first).copied();
                let candidates: Vec<Entrant> = backups.iter().copied().chain(with_first).collect();
                used.extend(other_fate(core, &candidates, first));
            }
            used.split_off(1)
        }
    }
}

/// Whether a payload that goes on all of these flows is lost more than once in a hundred times, as far as the
/// peer's reports of enough datagrams tell.
fn lose_too_much(core: &Core, used: &[FlowId]) -> bool {
    let (mut lost, mut of) = (1_u64, 1_u64);
    for flow in used.iter().filter_map(|id| core.flows.get(*id)) {
        if flow.binding.sent.total().datagrams < MEANINGFUL {
            return false;
        }
        lost = lost.saturating_mul(u64::from(flow.binding.known.reported_loss.percent()));
        of = of.saturating_mul(100);
    }
    lost * 100 > of * TOO_LOSSY
}

/// The best companion of `first` on another interface.
fn other_fate(core: &Core, entrants: &[Entrant], first: FlowId) -> Option<FlowId> {
    companion(entrants, first).filter(|second| core.fate(first) != core.fate(*second))
}
