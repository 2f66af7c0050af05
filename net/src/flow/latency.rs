//! What a flow's round trip is believed to be when flows are compared. Contract: pure; every measurement is told to
//! [`Latency::sample`], every large payload on the flow to [`Latency::carried_bulk`].
//!
//! SRTT alone is too slow for choosing: a standby flow is measured once or twice a second, and after a change its SRTT
//! needs ten seconds to tell. So it counts only within the range of what was measured lately. SPEC \[S-2].
//!
//! And it says nothing of how a flow would fare with our own bulk on it: whoever moves away from a queue that it filled
//! itself fills the next one, and comes back. So each flow's round trip under that load is remembered, and while there
//! is such a load, flows are compared by it. SPEC \[S-7].

use crate::Instant;
use core::time::Duration;

/// How many measurements the range is made of: a single outlier is not the range.
const RANGE: usize = 4;

/// What was measured this long before the newest says nothing of today.
const LATELY: Duration = Duration::from_secs(5);

/// A measurement so soon after a large payload is one under load.
const LOADED: Duration = Duration::from_secs(1);

/// How long the round trip under load is remembered: much longer than it takes to try a path out, so that trying is
/// rare.
const REMEMBERED: Duration = Duration::from_secs(300);

/// The least measurement is one of the last one or two such stretches.
const STRETCH: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
struct Sample {
    round_trip: Duration,
    at: Instant,
}

/// The last measurements of one flow.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Latency {
    /// Newest first.
    samples: [Option<Sample>; RANGE],
    bulk_at: Option<Instant>,
    /// The least round trip since the time beside it, and of the stretch before that.
    least: [Option<Sample>; 2],
    /// The round trip with our own bulk on the flow.
    loaded: Option<Sample>,
}

impl Latency {
    /// Takes a measurement, and what SRTT is with it.
    pub(crate) fn sample(&mut self, round_trip: Duration, srtt: Duration, now: Instant) {
        self.samples.rotate_right(1);
        self.samples[0] = Some(Sample { round_trip, at: now });
        self.note_least(round_trip, now);
        if self.carries_bulk(LOADED, now) {
            let now_it_is = self.bound(srtt);
            // It grows with the queue at once; what is less may be a pause in the output.
            let eased = self.loaded.map_or(now_it_is, |known| {
                known.round_trip - known.round_trip.saturating_sub(now_it_is) / 16
            });
            self.loaded = Some(Sample { round_trip: eased.max(now_it_is), at: now });
        }
    }

    /// Keeps the least of the last stretch and of the one before: together they span one to two stretches.
    fn note_least(&mut self, round_trip: Duration, now: Instant) {
        match &mut self.least[0] {
            Some(least) if now.since(least.at) < STRETCH => {
                least.round_trip = least.round_trip.min(round_trip)
            }
            least => {
                let before = least.filter(|least| now.since(least.at) < STRETCH * 2);
                self.least = [Some(Sample { round_trip, at: now }), before];
            }
        }
    }

    /// The least measurement of the last 10 to 20 seconds: what the path takes without a queue.
    pub(crate) fn least(&self) -> Option<Duration> {
        self.least.iter().flatten().map(|sample| sample.round_trip).min()
    }

    /// A payload of our own bulk went or came on this flow.
    pub(crate) fn carried_bulk(&mut self, now: Instant) {
        self.bulk_at = Some(now);
    }

    /// Whether there was our own bulk on it within this time.
    pub(crate) fn carries_bulk(&self, within: Duration, now: Instant) -> bool {
        self.bulk_at.is_some_and(|at| now.since(at) < within)
    }

    /// The last measurement by itself.
    pub(crate) fn newest(&self) -> Option<Duration> {
        self.samples[0].map(|sample| sample.round_trip)
    }

    /// `srtt`, but not outside of what was measured lately.
    pub(crate) fn bound(&self, srtt: Duration) -> Duration {
        let newest = self.samples[0].map_or(Instant::ZERO, |sample| sample.at);
        let lately = || {
            let samples = self.samples.iter().flatten();
            samples.filter(|sample| newest.since(sample.at) <= LATELY).map(|sample| sample.round_trip)
        };
        match lately().min().zip(lately().max()) {
            Some((least, most)) => srtt.clamp(least, most),
            None => srtt,
        }
    }

    /// What the round trip is, or would be, with our own bulk on the flow, as far as that is known.
    pub(crate) fn under_load(&self, srtt: Duration, now: Instant) -> Duration {
        let known = self.loaded.filter(|loaded| now.since(loaded.at) < REMEMBERED);
        self.bound(srtt).max(known.map_or(Duration::ZERO, |loaded| loaded.round_trip))
    }
}

#[cfg(test)]
mod tests {
    use super::super::times::{at, ms};
    use super::*;

    fn after(samples: &[(u64, u64)], srtt: u64) -> Duration {
        let mut latency = Latency::default();
        for &(time, round_trip) in samples {
            latency.sample(ms(round_trip), ms(srtt), at(time));
        }
        latency.bound(ms(srtt))
    }

    #[test]
    fn an_estimate_is_believed_within_what_was_measured_lately() {
        let steady = [(0, 40), (500, 40), (1000, 400), (1500, 40)];
        assert_eq!(after(&steady, 85), ms(85), "one outlier");
        let fell = [(0, 400), (500, 40), (1000, 42), (1500, 41), (2000, 40)];
        assert_eq!(after(&fell, 250), ms(42), "after four measurements the change is known");
        let grew = [(0, 40), (500, 240), (1000, 242), (1500, 241), (2000, 240)];
        assert_eq!(after(&grew, 120), ms(240));
        assert_eq!(after(&[], 120), ms(120));
    }

    #[test]
    fn the_least_measurement_is_forgotten_after_10_to_20_s() {
        let mut latency = Latency::default();
        assert_eq!(latency.least(), None);
        latency.sample(ms(40), ms(40), at(0));
        latency.sample(ms(90), ms(40), at(9_000));
        assert_eq!(latency.least(), Some(ms(40)));
        latency.sample(ms(90), ms(40), at(10_000));
        assert_eq!(latency.least(), Some(ms(40)), "of the stretch before");
        latency.sample(ms(80), ms(40), at(19_000));
        latency.sample(ms(90), ms(40), at(20_000));
        assert_eq!(latency.least(), Some(ms(80)));
        latency.sample(ms(70), ms(40), at(90_000));
        assert_eq!(latency.least(), Some(ms(70)), "what is older than both stretches says nothing");
    }

    #[test]
    fn a_measurement_after_a_long_time_stands_alone() {
        assert_eq!(after(&[(0, 400), (500, 400), (10_500, 40)], 355), ms(40));
    }

    #[test]
    fn the_round_trip_under_load_is_remembered_when_the_load_is_elsewhere() {
        let mut latency = Latency::default();
        latency.sample(ms(40), ms(40), at(0));
        assert_eq!(latency.under_load(ms(40), at(0)), ms(40), "never loaded: it may be as good as without");
        latency.carried_bulk(at(1000));
        for time in [1100, 1200, 1300, 1400] {
            latency.sample(ms(300), ms(300), at(time));
        }
        for time in [5000, 5500, 6000, 6500] {
            latency.sample(ms(40), ms(60), at(time));
        }
        assert_eq!(latency.bound(ms(60)), ms(40));
        assert_eq!(latency.under_load(ms(60), at(6500)), ms(300));
        assert_eq!(latency.under_load(ms(60), at(400_000)), ms(40), "for five minutes");
    }
}
