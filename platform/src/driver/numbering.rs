//! The mark of a payload: a number, by which the copies that came by several paths are told apart from what is new.
//!
//! Eight octets before the payload, big-endian. Both ends must ask for it. A [`net::Connection`] sends a short payload on two
//! paths where one is in doubt, and hands over whatever arrives: to it both are payloads.

/// Octets of the mark.
pub(super) const MARK: usize = 8;

/// How far behind the newest number a payload may come and still be told from a copy.
const WINDOW: u64 = 1024;
const WORDS: usize = (WINDOW / 64) as usize;

/// Numbers what is sent, and knows what has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbering {
    sent: u64,
    newest: u64,
    /// A bit for each of the last numbers, by its remainder.
    seen: [u64; WORDS],
}

impl Numbering {
    /// A payload with its mark.
    pub(super) fn mark(&mut self, payload: &[u8]) -> Vec<u8> {
        self.sent += 1;
        [&self.sent.to_be_bytes(), payload].concat()
    }

    /// The payload without its mark, and whether it has come before (or so late that nobody knows); `None` where there is no
    /// mark.
    pub(super) fn open(&mut self, bytes: &[u8]) -> Option<(Vec<u8>, bool)> {
        let (mark, payload) = bytes.split_first_chunk::<MARK>()?;
        let repeated = !self.is_new(u64::from_be_bytes(*mark));
        Some((payload.to_vec(), repeated))
    }

    fn is_new(&mut self, number: u64) -> bool {
        if number > self.newest {
            // What lies between has not come yet.
            let passed = (number - self.newest).min(WINDOW);
            for gone in 1..=passed {
                self.set(number - passed + gone, false);
            }
            self.newest = number;
        } else if self.newest - number >= WINDOW {
            return false;
        }
        !self.set(number, true)
    }

    /// Sets a number's bit, and tells what it was.
    fn set(&mut self, number: u64, value: bool) -> bool {
        let place = number % WINDOW;
        let (word, bit) = ((place / 64) as usize, 1 << (place % 64));
        let Some(word) = self.seen.get_mut(word) else { return true };
        let before = *word & bit != 0;
        if value {
            *word |= bit
        } else {
            *word &= !bit
        }
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_copy_is_told_from_what_is_new_in_any_order() {
        let mut sender = Numbering::default();
        let sent: Vec<Vec<u8>> = (0..4).map(|n| sender.mark(&[n])).collect();
        let mut receiver = Numbering::default();
        let mut comes = |n: usize| receiver.open(&sent[n]).unwrap();
        assert_eq!(comes(1), (vec![1], false));
        assert_eq!(comes(0), (vec![0], false));
        assert_eq!(comes(1), (vec![1], true));
        assert_eq!(comes(3), (vec![3], false));
        assert_eq!(comes(0), (vec![0], true));
        assert_eq!(comes(2), (vec![2], false));
        assert_eq!(receiver.open(b"short"), None);
    }

    proptest! {
        #[test]
        fn the_window_says_what_a_set_would(steps in proptest::collection::vec(0..3000_u64, 1..300)) {
            let mut numbering = Numbering::default();
            let (mut seen, mut newest) = (BTreeSet::new(), 0);
            for number in steps {
                newest = newest.max(number);
                let known = newest - number < WINDOW;
                let new = number > 0 && known && seen.insert(number);
                if number > 0 {
                    prop_assert_eq!(numbering.is_new(number), new, "{}", number);
                }
            }
        }

        #[test]
        fn no_octets_make_it_fail(marks in proptest::collection::vec(any::<u64>(), 0..50)) {
            let mut numbering = Numbering::default();
            for mark in marks {
                numbering.is_new(mark);
            }
        }
    }
}
