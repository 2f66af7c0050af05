//! How much memory the states take that one half of a transport keeps. Contract: what states share is counted once, which
//! takes a look at all of them; so that look is taken only when what was added since the last one may be too much.

use crate::State;

/// The most octets that the states of one half hold, but for what the least number of them takes by its nature.
pub(crate) const MOST: usize = 32 << 20;
/// So many states are kept however much they hold: what was acknowledged, and the newest ones.
pub(crate) const LEAST: usize = 4;

/// What is known of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    /// No less than what is held.
    octets: usize,
}

impl Held {
    /// A state was added that holds so much which was not held before. Whether all of them have to be looked at.
    pub(crate) fn add(&mut self, octets: usize) -> bool {
        self.octets = self.octets.saturating_add(octets);
        self.octets > MOST
    }

    /// They were looked at.
    pub(crate) fn set(&mut self, octets: usize) {
        self.octets = octets;
    }
}

/// Whether these hold so much that some have to go: three quarters of the most, so that not every state that follows asks
/// for another look.
pub(crate) fn is_much(octets: usize) -> bool {
    octets > MOST / 4 * 3
}

/// Whether these hold more than is taken of any peer.
pub(crate) fn is_too_much<S: State>(octets: usize, newest: &S) -> bool {
    octets > MOST + LEAST * newest.least_held()
}
