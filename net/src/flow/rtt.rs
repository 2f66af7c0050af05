//! The round-trip time of one flow, as RFC 6298 estimates it.

use core::time::Duration;

/// The clock granularity `G` of RFC 6298 §2.3: an answer may be held 5 ms, timestamps count whole milliseconds on
/// both ends, and event loops are a few milliseconds late. Below this a late answer is no news. SPEC \[F-2].
pub(crate) const GRANULARITY: Duration = Duration::from_millis(20);

/// The retransmission timeout before the first measurement (RFC 6298 §2.1).
const INITIAL_RTO: Duration = Duration::from_secs(1);

/// Smoothed round-trip time and its variation; nothing until the first sample. The first sample is a measurement,
/// never a guess: a flow that was not measured has no SRTT to compete with. SPEC \[F-1].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rtt(Option<Estimate>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Estimate {
    srtt: Duration,
    rttvar: Duration,
}

impl Rtt {
    /// Takes a measurement (RFC 6298 §2.2, §2.3: α = 1/8, β = 1/4).
    pub(crate) fn sample(&mut self, r: Duration) {
        self.0 = Some(match self.0 {
            None => Estimate { srtt: r, rttvar: r / 2 },
            Some(Estimate { srtt, rttvar }) => {
                Estimate { srtt: (srtt * 7 + r) / 8, rttvar: (rttvar * 3 + srtt.abs_diff(r)) / 4 }
            }
        });
    }

    pub(crate) fn srtt(&self) -> Option<Duration> {
        self.0.map(|estimate| estimate.srtt)
    }

    pub(crate) fn rttvar(&self) -> Option<Duration> {
        self.0.map(|estimate| estimate.rttvar)
    }

    /// The paper's RTO, `(SRTT + idle_time) + 4 × RTTVAR` (§3.4), with the granularity of RFC 6298 and no upper
    /// bound. With no idle time it is the moment at which an answer is overdue.
    pub(crate) fn rto(&self, idle: Duration) -> Duration {
        match self.0 {
            None => INITIAL_RTO + idle,
            Some(Estimate { srtt, rttvar }) => srtt + idle + (rttvar * 4).max(GRANULARITY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::times::ms;
    use super::*;

    #[test]
    fn the_first_sample_is_the_estimate() {
        let mut rtt = Rtt::default();
        assert_eq!((rtt.srtt(), rtt.rto(ms(0))), (None, ms(1000)));
        rtt.sample(ms(40));
        assert_eq!((rtt.srtt(), rtt.rttvar()), (Some(ms(40)), Some(ms(20))));
        assert_eq!(rtt.rto(ms(0)), ms(120));
    }

    #[test]
    fn later_samples_move_it_by_an_eighth() {
        let mut rtt = Rtt::default();
        rtt.sample(ms(40));
        rtt.sample(ms(120));
        assert_eq!((rtt.srtt(), rtt.rttvar()), (Some(ms(50)), Some(ms(35))));
    }

    #[test]
    fn a_steady_path_is_overdue_after_srtt_and_the_granularity() {
        let mut rtt = Rtt::default();
        for _ in 0..20 {
            rtt.sample(ms(40));
        }
        assert_eq!(rtt.rto(ms(0)), ms(60));
        assert_eq!(rtt.rto(ms(60)), ms(120));
    }

    #[test]
    fn the_flow_s_own_rto_has_no_upper_bound() {
        let mut rtt = Rtt::default();
        rtt.sample(ms(20_000));
        assert_eq!(rtt.rto(ms(0)), ms(60_000));
    }
}
