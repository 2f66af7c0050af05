//! Which sequence numbers of a flow were received: the replay window of RFC 6479.

/// Words of the bitmap. One is always partly in use, so the window is at least 1,984 datagrams wide.
const WORDS: u64 = 32;
const BITS: u64 = 64;

/// A sliding bitmap over the sequence numbers of one flow id. It lives as long as the key: rebinding the flow keeps
/// it, so that nothing received before can be received again. SPEC \[K-5].
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplayWindow {
    /// The next number expected: one more than the largest received.
    expected: u64,
    map: [u64; WORDS as usize],
}

/// How a sequence number stands to those received before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Larger than all.
    Newest,
    /// Overtaken by larger ones, but new.
    Late,
}

impl ReplayWindow {
    /// How this number stands; `None` when it was received before, or is too old to tell. Changes nothing: call
    /// [`ReplayWindow::accept`] once the datagram proved authentic.
    pub(crate) fn check(&self, sequence: u64) -> Option<Order> {
        if sequence >= self.expected {
            return Some(Order::Newest);
        }
        let oldest = (self.expected - 1) / BITS * BITS;
        if sequence < oldest.saturating_sub((WORDS - 1) * BITS) {
            return None;
        }
        let word = self.map[(sequence / BITS % WORDS) as usize];
        (word >> (sequence % BITS) & 1 == 0).then_some(Order::Late)
    }

    /// Marks it received.
    pub(crate) fn accept(&mut self, sequence: u64) {
        if sequence >= self.expected {
            let first = self.expected.div_ceil(BITS);
            let last = sequence / BITS;
            // At most the whole map is new, however far the number jumps.
            for block in first.max((last + 1).saturating_sub(WORDS))..=last {
                self.map[(block % WORDS) as usize] = 0;
            }
            self.expected = sequence.saturating_add(1);
        }
        self.map[(sequence / BITS % WORDS) as usize] |= 1 << (sequence % BITS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn a_number_is_received_once() {
        let mut window = ReplayWindow::default();
        for sequence in [0, 1, 5, 3, 200, 64, 63, 10_000, 9_000, 1 << 47] {
            assert!(window.check(sequence).is_some(), "{sequence}");
            window.accept(sequence);
            assert_eq!(window.check(sequence), None, "{sequence}");
        }
        assert_eq!(window.check(2), None, "too old to tell");
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_set(steps in proptest::collection::vec(prop_oneof![0..300u64, 0..5000u64], 1..400)) {
            let mut window = ReplayWindow::default();
            let mut seen = BTreeSet::new();
            let mut base = 0;
            for step in steps {
                let sequence = base + step;
                let newest: u64 = seen.last().copied().unwrap_or(0);
                if sequence > newest + 1500 { base = sequence - 100; }
                match window.check(sequence) {
                    Some(order) => {
                        prop_assert!(!seen.contains(&sequence));
                        prop_assert_eq!(order == Order::Newest, seen.iter().all(|&s| s < sequence));
                        window.accept(sequence);
                        seen.insert(sequence);
                    }
                    None => prop_assert!(seen.contains(&sequence) || sequence + 1984 <= newest),
                }
            }
            let all: Vec<u64> = seen.into_iter().collect();
            for sequence in all { prop_assert_eq!(window.check(sequence), None); }
        }
    }
}
