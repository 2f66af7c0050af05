//! The receiving half: the states of the peer's object that this end holds. Contract: a diff is applied only to the
//! very state it was made from, so that nothing takes effect twice; how many states are held is bounded, and how much memory.
//!
//! What a sender may start from is the state that it knows to be acknowledged, which is the oldest held or newer, or one of
//! the latest. A sender that keeps too many sent states forgets those in between (see [`crate::sender`]; originals do the
//! same), so the receiver does so too, and keeps more of either kind than the sender has. A state that is missed all the
//! same costs a retransmission from an older one.

use crate::held::{self, Held};
use crate::instruction::Instruction;
use crate::{Breach, Discard, Discards, State};
use alloc::collections::BTreeMap;

/// How many of the newest states are kept, where some have to go: a sender keeps 15 beside the old ones.
const NEWEST: usize = 16;

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
    /// All but the newest.
    older: BTreeMap<u64, R>,
    newest: R,
    newest_number: u64,
    /// How many are held at most.
    most: usize,
    held: Held,
}

impl<R: State> Receiver<R> {
    /// Holds at most `most` states.
    pub(crate) fn new(state: R, most: usize) -> Self {
        Self { older: BTreeMap::new(), newest: state, newest_number: 0, most, held: Held::default() }
    }

    pub(crate) fn newest(&self) -> &R {
        &self.newest
    }

    pub(crate) fn newest_number(&self) -> u64 {
        self.newest_number
    }

    /// How many states are held, and how many octets they take.
    #[cfg(test)]
    pub(crate) fn load(&self) -> (usize, usize) {
        (self.older.len() + 1, R::held(self.older.values().chain([&self.newest])))
    }

    fn state(&self, number: u64) -> Option<&R> {
        if number == self.newest_number { Some(&self.newest) } else { self.older.get(&number) }
    }

    /// Forgets what every held state shares. The reader has had its chance to see it.
    pub(crate) fn rationalize(&mut self) {
        let oldest = self.older.first_key_value().map_or(&self.newest, |(_, state)| state).clone();
        for state in self.older.values_mut() {
            state.subtract(&oldest);
        }
        self.newest.subtract(&oldest);
    }

    /// # Errors
    /// The reason for which the instruction changes nothing.
    pub(crate) fn handle(
        &mut self,
        instruction: &Instruction<'_>,
        rules: &R::Rules,
        discards: &mut Discards,
    ) -> Result<Outcome, Discard> {
        let number = instruction.new;
        if self.state(number).is_some() {
            return Ok(Outcome::Known);
        }
        let base = self.state(instruction.old).ok_or(Discard::UnknownBase)?;
        if instruction.throwaway > instruction.old {
            return Err(Discard::Throwaway);
        }
        let mut state = base.clone();
        if !instruction.diff.is_empty() {
            state.apply(instruction.diff, rules, discards)?;
        }
        let beyond = state.held_beyond(base);
        self.older = self.older.split_off(&instruction.throwaway);
        let is_newest = number > self.newest_number;
        if is_newest {
            let before = core::mem::replace(&mut self.newest, state);
            self.older.insert(core::mem::replace(&mut self.newest_number, number), before);
        } else {
            self.older.insert(number, state);
        }
        while self.older.len() >= self.most {
            self.forget_between(1);
        }
        if self.held.add(beyond) && !self.makes_room() {
            self.forget(number);
            return Err(discards.note(Breach::Memory(held::MOST)));
        }
        Ok(if is_newest { Outcome::Newest } else { Outcome::Older })
    }

    /// Looks at what is held, and forgets states until it is little enough. Whether that has done.
    fn makes_room(&mut self) -> bool {
        loop {
            let octets = R::held(self.older.values().chain([&self.newest]));
            self.held.set(octets);
            if !held::is_much(octets) {
                return true;
            }
            let spare = (self.older.len() + 1).saturating_sub(held::LEAST);
            if spare == 0 {
                return !held::is_too_much(octets, &self.newest);
            }
            self.forget_between(spare.div_ceil(2));
        }
    }

    /// Forgets so many of the states between the old ones and the newest.
    fn forget_between(&mut self, count: usize) {
        for _ in 0..count {
            // Where there are few, what was acknowledged is the first, and stays.
            let newest = NEWEST.min(self.older.len().saturating_sub(1)).max(1);
            let first = self.older.keys().next().copied();
            let between = self.older.keys().rev().nth(newest - 1).copied();
            let Some(between) = between.filter(|between| Some(*between) != first) else { return };
            self.older.remove(&between);
        }
    }

    /// The state that was added last is refused.
    fn forget(&mut self, number: u64) {
        if number != self.newest_number {
            self.older.remove(&number);
        } else if let Some((before, state)) = self.older.pop_last() {
            (self.newest_number, self.newest) = (before, state);
        }
    }
}
