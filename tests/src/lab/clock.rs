//! The lab's clock: real time, read in one place. Everything in the lab happens in real time, so here alone
//! the workspace's ban on reading the clock and on sleeping is lifted.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Time since the lab's first reading: one zero for every thread of the process.
#[must_use]
pub fn now() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "the lab measures real kernels in real time")]
    let now = Instant::now();
    now.duration_since(*START.get_or_init(|| now))
}

/// Waits until `deadline` of [`now`].
pub fn sleep_until(deadline: Duration) {
    sleep(deadline.saturating_sub(now()));
}

/// Waits for `duration`.
pub fn sleep(duration: Duration) {
    #[expect(clippy::disallowed_methods, reason = "a scenario is a timetable: nothing to wait for but time")]
    std::thread::sleep(duration);
}

/// Asks `question` every few milliseconds until it answers, or until `patience` is over.
pub fn wait_for<T>(patience: Duration, mut question: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = now() + patience;
    loop {
        if let Some(answer) = question() {
            return Some(answer);
        }
        if now() >= deadline {
            return None;
        }
        sleep(Duration::from_millis(5));
    }
}
