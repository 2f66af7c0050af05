//! Sets of positions, as ranges. Contract: ranges never touch or overlap.

use alloc::collections::BTreeMap;

/// A set of positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds `start..end`.
    pub(crate) fn insert(&mut self, mut start: u64, mut end: u64) {
        if start >= end {
            return;
        }
        // Whatever begins at or before the new end and reaches the new start becomes one with it.
        while let Some((&from, &to)) = self.0.range(..=end).next_back() {
            if to < start {
                break;
            }
            self.0.remove(&from);
            start = start.min(from);
            end = end.max(to);
        }
        self.0.insert(start, end);
    }

    /// Whether all of `start..end` is in the set.
    pub(crate) fn covers(&self, start: u64, end: u64) -> bool {
        start >= end || self.0.range(..=start).next_back().is_some_and(|(_, &to)| to >= end)
    }

    /// Removes everything before `position`.
    pub(crate) fn forget_before(&mut self, position: u64) {
        let kept = self.0.split_off(&position);
        let reaching = self.0.last_key_value().map(|(_, &to)| to).filter(|&to| to > position);
        self.0 = kept;
        if let Some(to) = reaching {
            self.0.insert(position, to);
        }
    }

    /// Removes and returns what comes first, at most `limit` long.
    pub(crate) fn take_first(&mut self, limit: u64) -> Option<(u64, u64)> {
        let (start, end) = self.0.pop_first()?;
        let cut = end.min(start.saturating_add(limit.max(1)));
        if cut < end {
            self.0.insert(cut, end);
        }
        Some((start, cut))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().map(|(&start, &end)| (start, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn ranges_are_sets(inserts in prop::collection::vec((0u64..60, 0u64..20), 0..30), before in 0u64..80) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for (start, len) in inserts {
                ranges.insert(start, start + len);
                set.extend(start..start + len);
            }
            ranges.forget_before(before);
            set.retain(|&at| at >= before);
            let listed: BTreeSet<u64> = ranges.iter().flat_map(|(start, end)| start..end).collect();
            prop_assert_eq!(&listed, &set);
            let bounds: alloc::vec::Vec<_> = ranges.iter().collect();
            prop_assert!(bounds.windows(2).all(|pair| pair[0].1 < pair[1].0));
            for start in 0..80 {
                for end in start..80 {
                    prop_assert_eq!(ranges.covers(start, end), (start..end).all(|at| set.contains(&at)));
                }
            }
        }
    }
}
