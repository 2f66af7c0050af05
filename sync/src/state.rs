//! What can be synchronised.

use crate::{Discard, Discards};
use alloc::vec::Vec;

/// An object of which both ends keep a copy. The sender's copies are snapshots of one object over time.
pub trait State: Clone {
    /// What to apply to `base` to get this one; empty exactly when they are alike.
    fn diff_from(&self, base: &Self) -> Vec<u8>;

    /// Applies a peer's diff. Oddities that were passed over are counted in `discards`.
    ///
    /// # Errors
    /// The reason for which the diff cannot be applied; the state is then not to be used.
    fn apply(&mut self, diff: &[u8], discards: &mut Discards) -> Result<(), Discard>;

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
}
