//! How many segments may be under way. Contract: like NewReno (RFC 5681, RFC 6582), never below two, but a loss counts
//! in full only when the round-trip time says that a queue has built up: a radio link that loses a fifth of
//! everything is not congested, and halving the window for it once a round trip would stop the stream.

use core::time::Duration;

/// RFC 6928's ten, rounded up: an idle path is a good one here.
const INITIAL: u64 = 16;
const MIN: u64 = 2;
const MAX: u64 = 512;

/// A congestion window, in segments.
#[derive(Debug)]
pub(crate) struct Congestion {
    window: u64,
    threshold: u64,
    /// Acknowledged segments that have not grown the window yet.
    credit: u64,
    /// A loss of a segment sent before this one belongs to a loss that was already answered.
    recovery: u64,
    /// The round-trip time of the path when its queue is short.
    base: Option<Duration>,
}

impl Congestion {
    pub(crate) fn new() -> Self {
        Self { window: INITIAL, threshold: MAX, credit: 0, recovery: 0, base: None }
    }

    pub(crate) fn window(&self) -> u64 {
        self.window
    }

    /// `count` segments were acknowledged while `under_way` were under way.
    pub(crate) fn acknowledged(&mut self, count: u64, under_way: u64, srtt: Duration) {
        self.base = Some(self.base.map_or(srtt, |base| base.min(srtt)));
        // What was not used says nothing about whether more would go through.
        if under_way * 2 < self.window {
            return;
        }
        if self.window < self.threshold {
            self.window += count;
        } else {
            self.credit += count;
            self.window += self.credit / self.window;
            self.credit %= self.window;
        }
        self.window = self.window.min(MAX);
    }

    /// The segment number `order` was lost; `next` is the number of the next one to be sent.
    pub(crate) fn lost(&mut self, order: u64, next: u64, srtt: Duration) {
        if order < self.recovery {
            return;
        }
        self.recovery = next;
        let base = self.base.unwrap_or(srtt);
        let queued = srtt > base + base / 2 + Duration::from_millis(5);
        self.window = if queued { self.window / 2 } else { self.window - self.window.div_ceil(8) }.max(MIN);
        self.threshold = self.window;
        // The path may have changed to a longer one: let the base follow slowly.
        self.base = Some((base + base / 8).min(srtt));
    }

    /// Nothing at all came back for several timeouts.
    pub(crate) fn silent(&mut self, next: u64) {
        self.threshold = (self.window / 2).max(MIN);
        self.window = MIN;
        self.recovery = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(40);

    #[test]
    fn it_doubles_until_the_first_loss_and_then_grows_by_one() {
        let mut congestion = Congestion::new();
        congestion.acknowledged(16, 16, RTT);
        assert_eq!(congestion.window(), 32);
        congestion.lost(40, 50, RTT);
        assert_eq!(congestion.window(), 28);
        congestion.lost(45, 60, RTT);
        assert_eq!(congestion.window(), 28, "the same loss");
        congestion.acknowledged(28, 28, RTT);
        assert_eq!(congestion.window(), 29);
    }

    #[test]
    fn a_loss_behind_a_queue_halves_it() {
        let mut congestion = Congestion::new();
        congestion.acknowledged(16, 16, RTT);
        congestion.lost(1, 50, RTT * 3);
        assert_eq!(congestion.window(), 16);
    }

    #[test]
    fn it_never_falls_below_two() {
        let mut congestion = Congestion::new();
        for order in 0..100 {
            congestion.lost(order, order + 1, RTT * 100);
        }
        assert_eq!(congestion.window(), MIN);
        congestion.silent(200);
        assert_eq!(congestion.window(), MIN);
    }
}
