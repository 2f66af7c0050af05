//! Stretches of time in words.

use core::time::Duration;

/// A stretch of time in its two largest units at most: `42 s`, `3 min`, `2 h 5 min`, `4 d 3 h`.
#[must_use]
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// How long ago something was that another machine's clock has told, in seconds since 1970; `None` where it does not say, or
/// the two clocks differ too much.
#[must_use]
pub fn since(at: u64, now: u64) -> Option<Duration> {
    now.checked_sub(at).filter(|_| at > 0).map(Duration::from_secs)
}
