//! What a flow's round trip is believed to be when flows are compared. Contract: pure; every measurement is told to
//! [`Latency::sample`].
//!
//! SRTT alone is too slow for choosing: a standby flow is measured twice a second, and after a change its SRTT needs
//! ten seconds to tell. So it counts only within the range of what was measured lately. SPEC \[S-2].

use crate::Instant;
use core::time::Duration;

/// How many measurements the range is made of: a single outlier is not the range.
const RANGE: usize = 4;

/// What was measured this long before the newest says nothing of today.
const LATELY: Duration = Duration::from_secs(5);

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
}

impl Latency {
    /// Takes a measurement.
    pub(crate) fn sample(&mut self, round_trip: Duration, now: Instant) {
        self.samples.rotate_right(1);
        self.samples[0] = Some(Sample { round_trip, at: now });
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
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn after(samples: &[(u64, u64)], srtt: u64) -> Duration {
        let mut latency = Latency::default();
        for &(at, round_trip) in samples {
            latency.sample(ms(round_trip), Instant::from_micros(at * 1000));
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
    fn a_measurement_after_a_long_time_stands_alone() {
        assert_eq!(after(&[(0, 400), (500, 400), (10_500, 40)], 355), ms(40));
    }
}
