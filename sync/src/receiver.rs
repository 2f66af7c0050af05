//! The receiving half: the states of the peer's object that this end holds. Contract: a diff is applied only to the
//! very state it was made from, so that nothing takes effect twice; the number of states is bounded.

use crate::instruction::Instruction;
use crate::{Discard, Discards, State};
use alloc::collections::BTreeMap;
use core::time::Duration;
use net::Instant;

/// How many states are held before new ones are taken only now and then.
const MAX_STATES: usize = 1024;
/// How often a state is taken beyond that number.
const QUENCH: Duration = Duration::from_secs(15);

/// What an instruction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The peer's object is newer now.
    Newest,
    /// A state was added that is older than the newest.
    Older,
    /// The state was known.
    Known,
}

/// The receiving half of a transport.
pub(crate) struct Receiver<R> {
    /// Never empty.
    states: BTreeMap<u64, R>,
    newest: R,
    newest_number: u64,
    quenched_until: Option<Instant>,
}

impl<R: State> Receiver<R> {
    pub(crate) fn new(state: R) -> Self {
        let states = BTreeMap::from([(0, state.clone())]);
        Self { states, newest: state, newest_number: 0, quenched_until: None }
    }

    pub(crate) fn newest(&self) -> &R {
        &self.newest
    }

    pub(crate) fn newest_number(&self) -> u64 {
        self.newest_number
    }

    /// Forgets what every held state shares. The reader has had its chance to see it.
    pub(crate) fn rationalize(&mut self) {
        if let Some(oldest) = self.states.first_key_value().map(|(_, state)| state.clone()) {
            for state in self.states.values_mut() {
                state.subtract(&oldest);
            }
            self.newest.subtract(&oldest);
        }
    }

    /// # Errors
    /// The reason for which the instruction changes nothing.
    pub(crate) fn handle(
        &mut self,
        instruction: &Instruction<'_>,
        discards: &mut Discards,
        now: Instant,
    ) -> Result<Outcome, Discard> {
        if self.states.contains_key(&instruction.new) {
            return Ok(Outcome::Known);
        }
        let base = self.states.get(&instruction.old).ok_or(Discard::UnknownBase)?;
        if instruction.throwaway > instruction.old {
            return Err(Discard::Throwaway);
        }
        let mut state = base.clone();
        self.states = self.states.split_off(&instruction.throwaway);
        if self.states.len() >= MAX_STATES {
            if self.quenched_until.is_some_and(|until| now < until) {
                return Err(Discard::Quenched);
            }
            self.quenched_until = Some(now + QUENCH);
        }
        if !instruction.diff.is_empty() {
            state.apply(instruction.diff, discards)?;
        }
        self.states.insert(instruction.new, state.clone());
        if instruction.new < self.newest_number {
            return Ok(Outcome::Older);
        }
        self.newest = state;
        self.newest_number = instruction.new;
        Ok(Outcome::Newest)
    }
}
