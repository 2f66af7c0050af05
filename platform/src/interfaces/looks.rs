//! When to look at the machine's interfaces.
//!
//! Contract: pure. The first change is looked at without delay. A look costs as much as there are interfaces, and on a
//! machine that starts containers changes come in showers: so looking takes no more than a fifth of the time, unless one
//! look takes longer than a quarter of a second.

use net::Instant;
use std::time::Duration;

/// How much longer than a look lasted the next one waits.
const REST: u32 = 4;

/// The next look waits no longer than this, whatever the last one took: the clock that says so counts a suspend in the
/// middle of it, too.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// When to call [`super::list`] again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Looks {
    /// Something changed and has not been looked at.
    due: bool,
    not_before: Option<Instant>,
}

impl Looks {
    /// Something has changed.
    pub fn note(&mut self) {
        self.due = true;
    }

    /// Whether to look now; then [`Self::took`] is to be told.
    #[must_use]
    pub fn take(&mut self, now: Instant) -> bool {
        let rests = self.not_before.is_some_and(|at| now < at);
        !rests && std::mem::take(&mut self.due)
    }

    /// A look began then, and has ended now.
    pub fn took(&mut self, began: Instant, now: Instant) {
        self.not_before = Some(now + (now.since(began) * REST).min(LONGEST_REST));
    }

    /// The time until the next look, if there is to be one.
    #[must_use]
    pub fn timeout(&self, now: Instant) -> Option<Duration> {
        self.due.then(|| self.not_before.map_or(Duration::ZERO, |at| at.since(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    #[test]
    fn a_change_is_looked_at_at_once_and_a_shower_of_them_in_a_fifth_of_the_time() {
        let mut looks = Looks::default();
        assert!(!looks.take(at(0)));
        looks.note();
        assert_eq!(looks.timeout(at(5)), Some(Duration::ZERO));
        assert!(looks.take(at(5)));
        looks.took(at(5), at(15));
        assert_eq!(looks.timeout(at(15)), None, "nothing happens while nothing changes");
        looks.note();
        looks.note();
        assert!(!looks.take(at(16)));
        assert_eq!(looks.timeout(at(16)), Some(Duration::from_millis(39)));
        assert!(looks.take(at(55)), "what came meanwhile is looked at once");
        assert!(!looks.take(at(55)));
    }

    #[test]
    fn a_look_that_a_suspend_interrupted_makes_nobody_wait() {
        let mut looks = Looks::default();
        let hours = 5 * 3_600_000;
        looks.took(at(0), at(hours));
        looks.note();
        assert_eq!(looks.timeout(at(hours)), Some(LONGEST_REST));
        assert!(looks.take(at(hours + 1000)));
    }
}
