//! The paths of last resort: streams that carry datagrams where UDP does not pass. SPEC \[C-7] to \[C-10].
//!
//! Contract: the owner opens and closes carriers, and is told when one is wanted and when one is not needed any more. An
//! answering carrier does not end the search for UDP: where a rule speaks of what the network answers, carriers do not count.

use super::{Client, Core};
use crate::connection::{Cause, Event, Tempo};
use crate::flow::{Flow, FlowState};
use crate::wire::FlowId;
use crate::{Instant, Path};
use alloc::vec::Vec;
use core::time::Duration;

/// When the owner wants carriers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Carriers {
    /// There are none.
    #[default]
    Never,
    /// When UDP does not answer, until it does.
    Auto,
    /// At all times, beside UDP.
    Always,
}

/// How long UDP has at the start.
const FIRST_ANSWER: Duration = Duration::from_secs(1);
/// How long UDP has been silent when it is not waited for any longer.
const SILENCE: Duration = Duration::from_secs(5);
/// How long UDP has answered when carriers are given up.
const HELD: Duration = Duration::from_secs(10);
/// How many are open at a time: the one in use, and one that is to take its place.
const MOST: usize = 2;
/// Deadlines that a new carrier may miss before another one is wanted.
const PATIENCE: u32 = 2;

/// What a client knows of its carriers.
#[derive(Debug, Default)]
pub(super) struct Resort {
    /// The owner was told that one is wanted, and has not brought it yet.
    asked: bool,
    /// The one whose stream takes no more for now.
    full: Option<u16>,
    /// When UDP answered last, and whether the user was active then.
    network_answered: Option<(Instant, bool)>,
    /// Since when UDP has answered.
    held_since: Option<Instant>,
}

impl Client {
    /// A carrier is there: a flow of its own rides it, of which nothing is known.
    pub(in crate::connection) fn open_carrier(&mut self, core: &mut Core, number: u16, now: Instant) {
        let path = Path::carrier(number);
        let is_used = core.flows.iter().any(|flow| *flow.path() == path && flow.is_open());
        if !core.traits().addresses || is_used {
            return;
        }
        self.resort.asked = false;
        // The id of a carrier that has gone, before others are used up.
        let gone = core.flows.ids(|flow| !flow.is_open() && core.is_by_carrier(flow.path()));
        let gone = gone
            .into_iter()
            .find(|id| core.flows.get(*id).is_some_and(|flow| !flow.numbers.nonces.is_spent()));
        let Some(id) = gone.or_else(|| self.free_id(core)) else { return };
        self.bind(core, id, path, now);
        self.choose(core, Cause::PathUsable, now);
    }

    /// A carrier is gone.
    pub(in crate::connection) fn close_carrier(&mut self, core: &mut Core, number: u16, now: Instant) {
        if self.resort.full == Some(number) {
            self.resort.full = None;
        }
        let ids = core.flows.ids(|flow| *flow.path() == Path::carrier(number) && flow.is_open());
        self.suspend(core, &ids, Cause::PathGone, now);
        self.note_silence(core, now);
        self.choose(core, Cause::Failure, now);
    }

    /// Whether a carrier's stream takes more now.
    pub(in crate::connection) fn set_carrier_room(&mut self, number: u16, room: bool) {
        if !room {
            self.resort.full = Some(number);
        } else if self.resort.full == Some(number) {
            self.resort.full = None;
        }
    }

    /// Whether payloads would wait at this end of a stream, and be older when they leave.
    pub(in crate::connection) fn is_held_back(&self, core: &Core) -> bool {
        let number = core.current_flow().and_then(|flow| flow.path().carrier_number());
        number.is_some() && number == self.resort.full
    }

    /// Something answered: how long UDP has been well.
    pub(super) fn note_answer(&mut self, core: &mut Core, id: FlowId, now: Instant) {
        let Some(flow) = core.flows.get(id) else { return };
        if core.is_by_carrier(flow.path()) {
            self.dismiss_beside(core, id);
            return;
        }
        let first = self.resort.network_answered.is_none();
        self.resort.network_answered = Some((now, core.tempo(now) == Tempo::Active));
        self.resort.held_since.get_or_insert(now);
        let unused = first && core.config.carriers == Carriers::Auto && open(core).next().is_none();
        if unused {
            self.resort.asked = false;
            core.events.emit(Event::CarrierUnneeded { number: None });
        }
    }

    /// When UDP last answered.
    pub(super) fn network_answered_at(&self) -> Option<Instant> {
        self.resort.network_answered.map(|(at, _)| at)
    }

    /// UDP may have ceased to answer.
    pub(super) fn note_failure(&mut self, core: &Core) {
        let hopeful = |flow: &Flow| matches!(flow.state(), FlowState::Answering | FlowState::Suspect);
        if !core.flows.iter().any(|flow| hopeful(flow) && !core.is_by_carrier(flow.path())) {
            self.resort.held_since = None;
        }
    }

    /// One carrier answers: another that does not is not needed.
    fn dismiss_beside(&mut self, core: &mut Core, id: FlowId) {
        let silent = open(core).filter(|flow| flow.id != id && !flow.answers() && !is_fresh(flow));
        let silent: Vec<_> = silent.filter_map(|flow| flow.path().carrier_number()).collect();
        for number in silent {
            core.events.emit(Event::CarrierUnneeded { number: Some(number) });
        }
    }

    /// When a carrier is wanted, or those there are have served.
    pub(super) fn resort_at(&self, core: &Core) -> Option<Instant> {
        match core.config.carriers {
            _ if !core.traits().addresses => None,
            Carriers::Never => None,
            Carriers::Always => self.wanted_at(core),
            Carriers::Auto => self.unneeded_at(core).or_else(|| self.wanted_at(core)),
        }
    }

    fn wanted_at(&self, core: &Core) -> Option<Instant> {
        let served = open(core).any(|flow| flow.answers() || is_fresh(flow));
        if served || self.resort.asked {
            return None;
        }
        if core.config.carriers == Carriers::Always {
            return Some(core.started_at);
        }
        let Some((last, was_active)) = self.resort.network_answered else {
            return Some(core.started_at + FIRST_ANSWER);
        };
        let is_well = self.resort.held_since.is_some();
        let is_minded = was_active || core.active_at.is_some_and(|at| at > last);
        (is_minded && !is_well).then(|| last + SILENCE)
    }

    fn unneeded_at(&self, core: &Core) -> Option<Instant> {
        let any = self.resort.asked || open(core).next().is_some();
        self.resort.held_since.filter(|_| any).map(|since| since + HELD)
    }

    /// What [`Self::resort_at`] announced.
    pub(in crate::connection) fn look_for_resort(&mut self, core: &mut Core, now: Instant) {
        if core.config.carriers == Carriers::Auto && self.unneeded_at(core).is_some_and(|at| at <= now) {
            self.resort.asked = false;
            core.events.emit(Event::CarrierUnneeded { number: None });
            let numbers: Vec<_> = open(core).filter_map(|flow| flow.path().carrier_number()).collect();
            for number in numbers {
                self.close_carrier(core, number, now);
            }
        } else if self.wanted_at(core).is_some_and(|at| at <= now) {
            // Of those that stay silent the older gives way.
            if open(core).count() >= MOST
                && let Some(oldest) = open(core).min_by_key(|flow| flow.binding.last_heard)
                && let Some(number) = oldest.path().carrier_number()
            {
                core.events.emit(Event::CarrierUnneeded { number: Some(number) });
                self.close_carrier(core, number, now);
            }
            self.resort.asked = true;
            core.events.emit(Event::CarrierWanted);
        }
    }
}

/// The carriers that may be sent on.
fn open(core: &Core) -> impl Iterator<Item = &Flow> {
    core.flows.open().filter(|flow| core.is_by_carrier(flow.path()))
}

/// It has not had the time to answer.
fn is_fresh(flow: &Flow) -> bool {
    flow.state() == FlowState::Untried && flow.binding.liveness.expiries() < PATIENCE
}
