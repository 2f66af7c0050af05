//! The loss that this end sees on one flow: which of the last 64 datagrams are missing.

use crate::Instant;
use core::time::Duration;

/// How many datagrams the window remembers.
pub(crate) const WINDOW: u32 = 64;

/// Silence after which several missing datagrams in a row are an outage. An outage is over when the next datagram
/// arrives: counted as loss it would keep the traffic away from a path that is well again. SPEC \[F-4].
const OUTAGE: Duration = Duration::from_secs(1);

/// A loss that has not grown for so long is over, as far as the choice goes: a window of 64 datagrams takes half a
/// minute to forget it on a flow that is only probed. With a second until a dead flow is probed and a round trip, it is
/// known within five seconds that a path is well. SPEC \[S-2].
const OVER: Duration = Duration::from_secs(3);

/// How many gaps are remembered by themselves: as many may be open at once on a path that reorders.
const GAPS: usize = 4;

/// The loss that the peer reports.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReportedLoss {
    percent: u8,
    grew_at: Option<Instant>,
}

impl ReportedLoss {
    /// The peer sees this much of what is sent on the flow missing.
    pub(crate) fn report(&mut self, percent: u8, now: Instant) {
        if percent > self.percent {
            self.grew_at = Some(now);
        }
        self.percent = percent;
    }

    /// Percent of the last 64 datagrams.
    pub(crate) fn percent(self) -> u8 {
        self.percent
    }

    /// The same, if it still goes on.
    pub(crate) fn percent_now(self, now: Instant) -> u8 {
        if self.grew_at.is_some_and(|at| now.since(at) < OVER) { self.percent } else { 0 }
    }

    /// When it is over, unless it grows.
    pub(crate) fn over_at(self) -> Option<Instant> {
        self.grew_at.filter(|_| self.percent > 0).map(|at| at + OVER)
    }

    /// Forgets that it grew, if that is over.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.grew_at = self.grew_at.filter(|at| now.since(*at) < OVER);
    }
}

/// A window over the sequence numbers of the last 64 datagrams.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loss {
    last: Option<Last>,
    /// Bit `n`: the number `last - n` is missing.
    missing: u64,
    /// How many numbers the window spans, up to 64.
    span: u32,
    /// The newest gaps, newest first: that they are there says that the loss goes on.
    gaps: [Gap; GAPS],
}

/// Numbers that were found missing at once, as bits of [`Loss::missing`]: those of them that arrive late, or are excused,
/// were no loss.
#[derive(Clone, Copy, Debug, Default)]
struct Gap {
    numbers: u64,
    at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    sequence: u64,
    at: Instant,
}

impl Loss {
    /// A datagram arrived, which says that those directly before it were padded probes: what is missing of them is a
    /// size that does not pass, and no loss. SPEC \[M-5].
    pub(crate) fn excuse(&mut self, sequence: u64) {
        let Some(last) = self.last else { return };
        let age = last.sequence.saturating_sub(sequence);
        if age + 1 < u64::from(WINDOW) {
            let before = age as u32 + 1;
            let run = (self.missing >> before).trailing_ones();
            let excused = if run == 0 { 0 } else { u64::MAX >> (u64::BITS - run) };
            self.missing &= !(excused << before);
        }
    }

    /// A datagram arrived.
    pub(crate) fn received(&mut self, sequence: u64, now: Instant) {
        let Some(last) = self.last else {
            *self = Self { last: Some(Last { sequence, at: now }), span: 1, ..Self::default() };
            return;
        };
        if sequence <= last.sequence {
            // Late, not lost. A number beyond the window is forgotten.
            let age = last.sequence - sequence;
            if age < u64::from(WINDOW) {
                self.missing &= !(1 << age);
            }
            return;
        }
        let step = sequence - last.sequence;
        let gap = step - 1;
        let outage = gap >= 2 && now.since(last.at) >= OUTAGE;
        let numbers = if step >= u64::from(WINDOW) {
            // All that the window remembers is the gap, and the newest that arrived.
            self.missing = 0;
            self.gaps = Default::default();
            self.span = if outage { 1 } else { WINDOW };
            !1
        } else {
            // Here step is 1..=63, so that no shift reaches the width of the word.
            let shift = step as u32;
            self.missing <<= shift;
            self.gaps.iter_mut().for_each(|gap| gap.numbers <<= shift);
            self.span = (self.span + if outage { 1 } else { shift }).min(WINDOW);
            (1 << shift) - 2
        };
        if gap > 0 && !outage {
            self.missing |= numbers;
            self.gaps.rotate_right(1);
            self.gaps[0] = Gap { numbers, at: now };
        }
        self.last = Some(Last { sequence, at: now });
    }

    /// When it grew last, of what is missing still.
    fn grew_at(&self) -> Option<Instant> {
        self.gaps.iter().find(|gap| gap.numbers & self.missing != 0).map(|gap| gap.at)
    }

    /// The same as [`Self::percent`], if it still goes on.
    pub(crate) fn percent_now(&self, now: Instant) -> u8 {
        if self.grew_at().is_some_and(|at| now.since(at) < OVER) { self.percent() } else { 0 }
    }

    /// When it is over, unless it grows.
    pub(crate) fn over_at(&self) -> Option<Instant> {
        self.grew_at().map(|at| at + OVER)
    }

    /// Forgets that it grew, if that is over.
    pub(crate) fn expire(&mut self, now: Instant) {
        for gap in self.gaps.iter_mut().filter(|gap| now.since(gap.at) >= OVER) {
            gap.numbers = 0;
        }
    }

    /// Percent of the window that is missing, rounded down.
    pub(crate) fn percent(&self) -> u8 {
        if self.span == 0 {
            return 0;
        }
        // A window that is not full yet counts as if the rest had arrived: two datagrams say little.
        (self.missing.count_ones() * 100 / WINDOW) as u8
    }

    /// Whether the window is full.
    #[cfg(test)]
    pub(crate) fn is_full(&self) -> bool {
        self.span == WINDOW
    }
}

#[cfg(test)]
mod tests {
    use super::super::times::at;
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn a_quarter_missing_is_twenty_five_percent() {
        let mut loss = Loss::default();
        for sequence in (0..200).filter(|s| s % 4 != 3) {
            loss.received(sequence, at(sequence * 10));
        }
        assert!(loss.is_full());
        assert_eq!(loss.percent(), 25);
    }

    #[test]
    fn a_late_datagram_is_not_lost() {
        let mut loss = Loss::default();
        for sequence in [0, 2, 1] {
            loss.received(sequence, at(sequence));
        }
        assert_eq!(loss.percent(), 0);
    }

    #[test]
    fn a_gap_of_any_width_is_safe() {
        for gap in [62, 63, 64, 65, 1 << 20, (1 << 48) - 1] {
            let mut loss = Loss::default();
            loss.received(0, at(0));
            loss.received(gap, at(1));
            let expected = (gap - 1).min(63) * 100 / 64;
            assert_eq!(u64::from(loss.percent()), expected, "{gap}");
        }
    }

    #[test]
    fn an_outage_is_not_loss() {
        let mut loss = Loss::default();
        for sequence in 0..64 {
            loss.received(sequence, at(sequence));
        }
        loss.received(84, at(10_000));
        assert_eq!(loss.percent(), 0);
        loss.received(1000, at(20_000));
        assert_eq!(loss.percent(), 0);
        loss.received(1002, at(40_000));
        assert_eq!(loss.percent(), 1, "one of a slow sequence is loss");
    }

    #[test]
    fn a_loss_that_does_not_grow_is_over_for_the_choice() {
        let (mut loss, mut reported) = (Loss::default(), ReportedLoss::default());
        for sequence in (0..64).filter(|s| s % 4 != 3) {
            loss.received(sequence, at(sequence * 10));
            reported.report(loss.percent(), at(sequence * 10));
        }
        assert_eq!((loss.percent_now(at(1000)), reported.percent_now(at(1000))), (23, 23));
        loss.received(64, at(5000));
        reported.report(loss.percent(), at(5000));
        assert_eq!(
            (loss.percent(), loss.percent_now(at(5000))),
            (25, 25),
            "the last one was missing until now"
        );
        loss.received(65, at(9000));
        reported.report(loss.percent(), at(9000));
        assert_eq!((loss.percent(), reported.percent()), (25, 25));
        assert_eq!((loss.percent_now(at(9000)), reported.percent_now(at(9000))), (0, 0));
    }

    #[test]
    fn a_gap_that_is_filled_late_or_excused_is_no_sign_that_an_old_loss_goes_on() {
        let mut loss = Loss::default();
        for sequence in (0..64).filter(|s| s % 4 != 3) {
            loss.received(sequence, at(sequence * 10));
        }
        // 63 is lost for good at 5 s, and with it the rest of the window is believed until 8 s.
        loss.received(64, at(5000));
        // Two gaps open at once, and filled in turn; and a padded probe that did not pass.
        for (sequence, time) in [(66, 7000), (68, 7001), (65, 7002), (67, 7003)] {
            loss.received(sequence, at(time));
        }
        assert_eq!(loss.over_at(), Some(at(8000)), "from the one that is missing still");
        loss.received(70, at(7500));
        loss.excuse(70);
        assert_eq!((loss.percent_now(at(7999)), loss.percent_now(at(8000))), (23, 0));
        loss.received(72, at(9000));
        assert_eq!(loss.over_at(), Some(at(12_000)), "one more is lost");
        loss.received(71, at(9010));
        loss.expire(at(9010));
        assert_eq!(loss.over_at(), None);
    }

    #[test]
    fn padded_probes_that_are_missing_are_no_loss_and_what_is_missing_before_them_is() {
        let mut loss = Loss::default();
        for sequence in (0..64).filter(|s| ![20, 40, 41, 43].contains(s)) {
            loss.received(sequence, at(sequence));
            if sequence == 42 || sequence == 44 {
                loss.excuse(sequence);
            }
        }
        assert_eq!(loss.missing.count_ones(), 1);
        loss.received(200, at(200));
        loss.excuse(200);
        assert_eq!(loss.percent(), 0, "the whole window was excused");
    }

    proptest! {
        #[test]
        fn it_never_panics_nor_exceeds_a_hundred(numbers: Vec<(u64, u64, bool)>) {
            let mut loss = Loss::default();
            for (sequence, ms, excused) in numbers {
                loss.received(sequence, at(ms % (1 << 40)));
                if excused {
                    loss.excuse(sequence);
                }
                prop_assert!(loss.percent() <= 100);
            }
        }
    }
}
