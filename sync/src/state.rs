//! What can be synchronised.

use crate::compression::MAX_LEN;
use crate::{Discard, Discards};
use alloc::vec::Vec;

/// An object of which both ends keep a copy. The sender's copies are snapshots of one object over time.
pub trait State: Clone {
    /// What the receiver lets a diff of this object ask for.
    type Rules: Default;

    /// What to apply to `base` to get this one; empty exactly when they are alike.
    fn diff_from(&self, base: &Self) -> Vec<u8>;

    /// Applies a peer's diff. Oddities that were passed over are counted in `discards`, and so is a breach of the rules.
    ///
    /// # Errors
    /// The reason for which the diff cannot be applied; the state is then not to be used.
    fn apply(&mut self, diff: &[u8], rules: &Self::Rules, discards: &mut Discards) -> Result<(), Discard>;

    /// Whether the two are alike, so that a diff between them would be empty.
    fn same(&self, other: &Self) -> bool;

    /// Forgets what `prefix`, an earlier snapshot that both ends hold, already had. Nothing to do for objects that do
    /// not grow.
    fn subtract(&mut self, prefix: &Self) {
        let _ = prefix;
    }

    /// A state on the way from `base` to this one, when the whole way is too long for one instruction.
    fn clipped_from(&self, base: &Self) -> Option<Self> {
        let _ = base;
        None
    }

    /// The same for a way that turned out to be longer than [`Self::longest_sent`].
    fn shortened_from(&self, base: &Self) -> Option<Self> {
        let _ = base;
        None
    }

    /// The longest diff to this state that is sent.
    fn longest_sent(&self) -> usize {
        MAX_LEN
    }

    /// The longest diff that is taken, in octets.
    fn longest_taken(rules: &Self::Rules) -> usize {
        let _ = rules;
        MAX_LEN
    }

    /// About how many octets of memory these hold together, where what they share counts once.
    fn held<'a>(states: impl Iterator<Item = &'a Self>) -> usize
    where
        Self: 'a;

    /// About how many this one holds that `base` does not; rather more.
    fn held_beyond(&self, base: &Self) -> usize;

    /// How many are spared: what one state holds at least, whatever is in it.
    fn least_held(&self) -> usize {
        0
    }
}
