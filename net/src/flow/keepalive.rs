//! How long may this end be silent before the network between forgets the way back to it? Learned, not assumed: a NAT
//! that forgot a mapping often gives the same port again, so that an answer to this end's own datagram proves nothing.
//!
//! Contract: pure. [`Keepalive::begin`] says which longer silence to try; the server is then asked to speak by itself
//! after it, and what becomes of that is told by [`Keepalive::proved`], [`Keepalive::failed`] or
//! [`Keepalive::cancel`]. [`Keepalive::interval`] is the longest silence that is proved. SPEC \[P-9].

use core::time::Duration;

/// The interval before anything is proved, and the shortest: no NAT in use forgets sooner (RFC 4787 §4.3 asks for two
/// minutes; the worst known give less than ten seconds).
pub(crate) const SHORTEST: Duration = Duration::from_secs(3);

/// Attempts at one length before it counts as too long: the one datagram may have been lost for another reason.
const ATTEMPTS: u32 = 2;

/// What is known of one flow's way back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keepalive {
    interval: Duration,
    /// A silence that was too long.
    too_long: Option<Duration>,
    trial: Option<Duration>,
    failures: u32,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { interval: SHORTEST, too_long: None, trial: None, failures: 0 }
    }
}

impl Keepalive {
    /// The silence that is proved to be harmless, and no more than `longest`.
    pub(crate) fn interval(&self, longest: Duration) -> Duration {
        self.interval.min(longest)
    }

    /// The silence that is being tried.
    pub(crate) fn trial(&self) -> Option<Duration> {
        self.trial
    }

    /// A longer silence to try now: half as long again, up to `longest`; `None` when there is nothing to learn.
    pub(crate) fn begin(&mut self, longest: Duration) -> Option<Duration> {
        let next = (self.interval * 3 / 2).min(longest);
        let worth_it = next > self.interval && self.too_long.is_none_or(|too_long| next < too_long);
        self.trial = worth_it.then_some(next);
        self.trial
    }

    /// What the server said after the silence that was tried has arrived.
    pub(crate) fn proved(&mut self) {
        if let Some(length) = self.trial.take() {
            self.interval = length;
            self.failures = 0;
        }
    }

    /// It has not.
    pub(crate) fn failed(&mut self) {
        if let Some(length) = self.trial.take() {
            self.failures += 1;
            if self.failures >= ATTEMPTS {
                self.too_long = Some(length);
                self.failures = 0;
            }
        }
    }

    /// It says nothing: this end spoke in between, or the path failed.
    pub(crate) fn cancel(&mut self) {
        self.trial = None;
    }

    /// The server sees another address than before a silence of this length: the way back was forgotten within it, or
    /// this is another network.
    pub(crate) fn moved(&mut self, silence: Duration) {
        self.trial = None;
        self.failures = 0;
        if silence > self.interval {
            // Not before the length that was tried; what came on top was the wait for the late word.
            let tried = silence.min(self.interval * 3 / 2);
            self.too_long = Some(self.too_long.map_or(tried, |known| known.min(tried)));
        } else {
            self.interval = SHORTEST;
            self.too_long = (silence > SHORTEST).then_some(silence);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(25);

    /// Learns behind a NAT that forgets after `timeout`; gives every length that was tried.
    fn learn(keepalive: &mut Keepalive, timeout: Duration) -> alloc::vec::Vec<u64> {
        let mut tried = alloc::vec::Vec::new();
        while let Some(length) = keepalive.begin(LONGEST) {
            tried.push(length.as_millis() as u64);
            if length < timeout { keepalive.proved() } else { keepalive.failed() }
        }
        tried
    }

    #[test]
    fn it_grows_by_half_to_the_longest() {
        let mut keepalive = Keepalive::default();
        assert_eq!(keepalive.interval(LONGEST), SHORTEST);
        let tried = learn(&mut keepalive, Duration::from_secs(60));
        assert_eq!(tried, [4500, 6750, 10_125, 15_187, 22_781, 25_000]);
        assert_eq!(keepalive.interval(LONGEST), LONGEST);
        assert_eq!(keepalive.interval(Duration::from_secs(10)), Duration::from_secs(10));
    }

    #[test]
    fn a_length_that_fails_twice_is_not_tried_again() {
        let mut keepalive = Keepalive::default();
        let tried = learn(&mut keepalive, Duration::from_secs(8));
        assert_eq!(tried, [4500, 6750, 10_125, 10_125]);
        assert_eq!(keepalive.interval(LONGEST), Duration::from_millis(6750));
    }

    #[test]
    fn another_address_after_a_silence_that_was_proved_starts_over_below_it() {
        let mut keepalive = Keepalive::default();
        learn(&mut keepalive, Duration::from_secs(60));
        keepalive.moved(LONGEST);
        assert_eq!(keepalive.interval(LONGEST), SHORTEST);
        let tried = learn(&mut keepalive, Duration::from_secs(60));
        assert_eq!(tried.last(), Some(&22_781), "not as long as the silence that was too long");
    }

    #[test]
    fn another_address_after_a_trial_ends_the_trials_of_that_length_at_once() {
        let mut keepalive = Keepalive::default();
        keepalive.begin(LONGEST);
        keepalive.moved(Duration::from_millis(5060));
        assert_eq!((keepalive.begin(LONGEST), keepalive.interval(LONGEST)), (None, SHORTEST));
    }

    #[test]
    fn a_trial_that_says_nothing_changes_nothing() {
        let mut keepalive = Keepalive::default();
        for _ in 0..10 {
            assert_eq!(keepalive.begin(LONGEST), Some(Duration::from_millis(4500)));
            keepalive.cancel();
        }
    }
}
