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
    /// A window that takes nothing below `expected`.
    pub(crate) fn starting_at(expected: u64) -> Self {
        let mut window = Self { expected, ..Self::default() };
        window.map.fill(u64::MAX);
        // Numbers of the block in use that are still to come.
        if let Some(used) = expected.checked_sub(1) {
            window.map[(used / BITS % WORDS) as usize] = u64::MAX >> (BITS - 1 - used % BITS);
        } else {
            window.map.fill(0);
        }
        window
    }

    /// The next number expected: one more than the largest received.
    pub(crate) fn expected(&self) -> u64 {
        self.expected
    }

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
        fn what_rested_takes_nothing_old_and_everything_new(expected in 0..10_000u64, steps: Vec<u8>) {
            let mut window = ReplayWindow::starting_at(expected);
            for old in expected.saturating_sub(3000)..expected {
                prop_assert_eq!(window.check(old), None);
            }
            let mut sequence = expected;
            for step in steps {
                prop_assert_eq!(window.check(sequence), Some(Order::Newest));
                window.accept(sequence);
                prop_assert_eq!(window.check(sequence), None);
                if step > 1 {
                    prop_assert_eq!(window.check(sequence + 1), Some(Order::Newest));
                }
                sequence += u64::from(step) + 1;
            }
        }

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
