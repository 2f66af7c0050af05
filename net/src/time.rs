//! Points in time, as numbers: this crate never reads a clock.

use core::ops::{Add, AddAssign, Sub};
use core::time::Duration;

/// A point in time on a clock that goes on while the machine sleeps: microseconds since an origin of the
/// caller's choosing (boot, usually). Arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The origin of the clock.
    pub const ZERO: Self = Self(0);

    /// The instant `micros` microseconds after the origin.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the origin.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Milliseconds since the origin, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / 1000
    }

    /// How long after `earlier` this is; zero when it is not after.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(micros))
    }
}

/// The clock on the wire: milliseconds modulo 65536, where 65535 means "none" and is never sent. SPEC \[W-5].
pub(crate) mod wire {
    use super::{Duration, Instant};

    /// The timestamp of this instant.
    pub(crate) fn stamp(now: Instant) -> u16 {
        never_none(now.as_millis() as u16)
    }

    /// A timestamp that was held for a while.
    pub(crate) fn add(timestamp: u16, held: Duration) -> u16 {
        never_none(timestamp.wrapping_add(held.as_millis() as u16))
    }

    /// A timestamp that is to look older.
    pub(crate) fn subtract(timestamp: u16, by: Duration) -> u16 {
        never_none(timestamp.wrapping_sub(by.as_millis() as u16))
    }

    /// How long before `now` the clock showed this timestamp.
    pub(crate) fn since(timestamp: u16, now: Instant) -> Duration {
        let elapsed = (now.as_millis() as u16).wrapping_sub(timestamp);
        // A stamp that was moved from 65535 to 0 can be one millisecond ahead.
        Duration::from_millis(if elapsed == u16::MAX { 0 } else { elapsed.into() })
    }

    fn never_none(value: u16) -> u16 {
        if value == u16::MAX { 0 } else { value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Instant::ZERO - Duration::from_secs(1), Instant::ZERO);
        let end = Instant::from_micros(u64::MAX);
        assert_eq!(end + Duration::MAX, end);
        assert_eq!(Instant::ZERO.since(end), Duration::ZERO);
    }

    #[test]
    fn the_wire_clock_never_shows_none_and_wraps() {
        for ms in 0..200_000 {
            let now = Instant::from_micros(ms * 1000);
            let stamp = wire::stamp(now);
            assert_ne!(stamp, u16::MAX);
            let later = now + Duration::from_millis(40);
            let elapsed = wire::since(stamp, later).as_millis();
            assert!((39..=40).contains(&elapsed), "{elapsed}");
            assert_eq!(wire::since(stamp, now).as_millis(), 0);
            assert_ne!(wire::add(stamp, Duration::from_millis(7)), u16::MAX);
        }
    }
}
