//! Between which sizes the largest that passes lies, and which one to try next.
//!
//! Contract: pure. Told what arrived and what did not, it gives the next size until it has closed.

use super::sizes::{Code, LARGEST};

/// What is known of a path since the search began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bracket {
    /// The largest size that arrived; 0 for none.
    low: Code,
    /// The smallest that did not.
    high: Code,
    /// A router said that this would pass.
    hint: Option<Code>,
    /// The smallest that the local system refused.
    refused: Code,
}

impl Default for Bracket {
    fn default() -> Self {
        Self { low: 0, high: LARGEST + 1, hint: None, refused: LARGEST + 1 }
    }
}

impl Bracket {
    /// `low` arrived and `high` did not, now; what the local system takes is as it was.
    pub(super) fn between(self, low: Code, high: Code) -> Self {
        Self { low, high, hint: None, ..self }
    }

    /// The largest size that the local system is not known to refuse.
    pub(super) fn allowed(&self) -> Code {
        self.refused - 1
    }

    /// Nothing is known.
    pub(super) fn is_open(&self) -> bool {
        self.low == 0 && self.high > LARGEST
    }

    /// The largest size that arrived; 0 for none.
    pub(super) fn low(&self) -> Code {
        self.low
    }

    /// Whether a router said what passes.
    pub(super) fn is_hinted(&self) -> bool {
        self.hint.is_some()
    }

    /// Whether this size is one that does not pass, as far as something else does.
    pub(super) fn excludes(&self, size: Code) -> bool {
        self.low > 0 && size >= self.high
    }

    pub(super) fn arrived(&mut self, code: Code) {
        self.low = self.low.max(code);
        self.high = self.high.max(self.low + 1);
    }

    pub(super) fn failed(&mut self, code: Code) {
        self.high = self.high.min(code);
    }

    /// The local system refuses this size.
    pub(super) fn refused(&mut self, code: Code) {
        self.failed(code);
        self.refused = self.refused.min(code);
    }

    /// And so it may what arrived before.
    pub(super) fn start_over(&mut self) {
        self.low = 0;
    }

    /// Somebody says that this size passes and no larger one; the one in use stays.
    pub(super) fn hinted(&mut self, code: Code, used: Code) {
        self.hint = Some(code);
        self.high = self.high.min(code.max(used) + 1);
    }

    /// The next size to try: the ceiling; if that fails the hint or the size in use; then the middle.
    pub(super) fn candidate(&self, used: Code, ceiling: Code) -> Option<Code> {
        let Self { low, high, hint, .. } = *self;
        if low >= ceiling || low + 1 >= high {
            return None;
        }
        if high > ceiling {
            return Some(ceiling);
        }
        let hint = hint.filter(|&hint| low < hint && hint < high);
        let used = Some(used).filter(|&used| low == 0 && used < high);
        hint.or(used).or(Some((low + high) / 2))
    }
}
