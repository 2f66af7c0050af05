//! Clocks. [`now`] goes on while the machine sleeps, [`monotonic`] stops; the difference tells of a suspend.
//!
//! | system | [`now`] | [`monotonic`] |
//! |---|---|---|
//! | Linux, Android | `CLOCK_BOOTTIME` | `CLOCK_MONOTONIC` |
//! | macOS | `CLOCK_MONOTONIC_RAW` (mach continuous time) | `CLOCK_UPTIME_RAW` |
//! | FreeBSD | `CLOCK_MONOTONIC` (= `CLOCK_BOOTTIME`, 4) | `CLOCK_UPTIME` |
//! | OpenBSD | `CLOCK_BOOTTIME` | `CLOCK_UPTIME` |
//! | NetBSD | `CLOCK_MONOTONIC` | `CLOCK_MONOTONIC` |
//!
//! NetBSD has no clock that is sure to count a suspend: there it looks like silence of the network.

use net::Instant;
use std::time::Duration;

#[cfg(linux_kernel)]
const CLOCKS: (libc::clockid_t, libc::clockid_t) = (libc::CLOCK_BOOTTIME, libc::CLOCK_MONOTONIC);
#[cfg(target_vendor = "apple")]
const CLOCKS: (libc::clockid_t, libc::clockid_t) = (libc::CLOCK_MONOTONIC_RAW, libc::CLOCK_UPTIME_RAW);
// The libc crate calls 5 (CLOCK_UPTIME) CLOCK_BOOTTIME here; the system's header says 4, CLOCK_MONOTONIC.
#[cfg(target_os = "freebsd")]
const CLOCKS: (libc::clockid_t, libc::clockid_t) = (libc::CLOCK_MONOTONIC, libc::CLOCK_UPTIME);
#[cfg(target_os = "openbsd")]
const CLOCKS: (libc::clockid_t, libc::clockid_t) = (libc::CLOCK_BOOTTIME, libc::CLOCK_UPTIME);
#[cfg(target_os = "netbsd")]
const CLOCKS: (libc::clockid_t, libc::clockid_t) = (libc::CLOCK_MONOTONIC, libc::CLOCK_MONOTONIC);

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec that outlives the call. The clocks above exist on their systems, so the call
    // cannot fail; if it did, the zero above would stay.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The time since boot, suspends included where the system tells them.
#[must_use]
pub fn now() -> Instant {
    Instant::from_micros(u64::try_from(read(CLOCKS.0).as_micros()).unwrap_or(u64::MAX))
}

/// The time since boot without suspends (the clock that timers of an event loop usually follow).
#[must_use]
pub fn monotonic() -> Duration {
    read(CLOCKS.1)
}

/// The wall clock: what it shows since the beginning of 1970, UTC. It may be set back; never for durations.
#[must_use]
pub fn since_1970() -> Duration {
    read(libc::CLOCK_REALTIME)
}

/// Notices suspends by comparing the two clocks at each wake-up.
#[derive(Clone, Copy, Debug)]
pub struct SuspendMeter {
    ahead: Duration,
}

/// Readings of the two clocks a few microseconds apart are no suspend; a suspend takes longer than this.
const SHORTEST_SUSPEND: Duration = Duration::from_millis(100);

impl SuspendMeter {
    /// Starts from here.
    #[must_use]
    pub fn new() -> Self {
        Self { ahead: Self::ahead() }
    }

    /// By how much [`now`] is ahead of [`monotonic`].
    fn ahead() -> Duration {
        let monotonic = monotonic();
        read(CLOCKS.0).saturating_sub(monotonic)
    }

    /// How long the machine slept since the last call, if it did.
    pub fn slept(&mut self) -> Option<Duration> {
        self.compare(Self::ahead())
    }

    fn compare(&mut self, ahead: Duration) -> Option<Duration> {
        let slept = ahead.saturating_sub(self.ahead);
        if slept < SHORTEST_SUSPEND {
            return None;
        }
        self.ahead = ahead;
        Some(slept)
    }
}

/// A loop that wakes this much later than it meant to did not merely wait for its turn: it was stopped.
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// How long this process was stopped while the machine went on (SIGSTOP, a frozen container, a debugger): `due` is when
/// it meant to wake. What it knows is as stale as after a suspend.
#[must_use]
pub fn stopped(due: Option<Instant>, now: Instant) -> Option<Duration> {
    due.map(|due| now.since(due)).filter(|late| *late >= LONGEST_DELAY)
}

impl Default for SuspendMeter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(linux_kernel)]
pub use timer::ResumeWatch;
#[cfg(not(linux_kernel))]
pub use untold::ResumeWatch;

#[cfg(linux_kernel)]
mod timer {
    use crate::fd::{check, own, read};
    use std::io;
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
    use std::ptr::null_mut;

    fn timer(clock: libc::clockid_t) -> io::Result<OwnedFd> {
        // SAFETY: no pointers; a non-negative answer is a new descriptor that is ours alone.
        unsafe { Ok(own(check(libc::timerfd_create(clock, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC))?)) }
    }

    #[cfg_attr(target_env = "musl", expect(deprecated, reason = "the type's width is what the limit is for"))]
    fn arm(fd: BorrowedFd<'_>, flags: libc::c_int, seconds: u64, nanos: u64) -> io::Result<()> {
        let value = libc::timespec {
            tv_sec: libc::time_t::try_from(seconds).unwrap_or(libc::time_t::MAX),
            tv_nsec: nanos as _,
        };
        let never = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let spec = libc::itimerspec { it_interval: never, it_value: value };
        // SAFETY: `spec` outlives the call; the old value is not asked for.
        check(unsafe { libc::timerfd_settime(fd.as_raw_fd(), flags, &raw const spec, null_mut()) }).map(drop)
    }

    /// Readable when the machine resumes, or when somebody sets the wall clock: a hint to compare the clocks.
    ///
    /// A wall-clock timer in the far future with `TFD_TIMER_CANCEL_ON_SET` (the flag has no effect on other clocks),
    /// which the kernel cancels on both occasions.
    #[derive(Debug)]
    pub struct ResumeWatch(OwnedFd);

    impl ResumeWatch {
        /// Starts to watch.
        ///
        /// # Errors
        /// The system's, when it has no more descriptors.
        pub fn new() -> io::Result<Self> {
            let watch = Self(timer(libc::CLOCK_REALTIME)?);
            watch.arm()?;
            Ok(watch)
        }

        fn arm(&self) -> io::Result<()> {
            let flags = libc::TFD_TIMER_ABSTIME | libc::TFD_TIMER_CANCEL_ON_SET;
            arm(self.0.as_fd(), flags, 1 << 33, 0)
        }

        /// Acknowledges a notice and watches on.
        pub fn clear(&mut self) {
            let _ = read(self.0.as_fd(), &mut [0; 8]);
            let _ = self.arm();
        }
    }

    impl ResumeWatch {
        /// The descriptor to wait for, where the system tells.
        #[must_use]
        pub fn fd(&self) -> Option<BorrowedFd<'_>> {
            Some(self.0.as_fd())
        }
    }
}

#[cfg(not(linux_kernel))]
mod untold {
    use std::io;
    use std::os::fd::BorrowedFd;

    /// Nothing tells of a resume here: [`super::SuspendMeter`] finds it at the next wake-up, which the interfaces'
    /// coming back brings.
    #[derive(Debug)]
    pub struct ResumeWatch;

    impl ResumeWatch {
        /// Nothing to start.
        ///
        /// # Errors
        /// None.
        pub fn new() -> io::Result<Self> {
            Ok(Self)
        }

        /// Nothing to acknowledge.
        pub fn clear(&mut self) {}

        /// No descriptor to wait for.
        #[must_use]
        pub fn fd(&self) -> Option<BorrowedFd<'_>> {
            None
        }
    }
}

/// Seconds since 1970, by the system's clock, which may be wrong and may be set.
#[must_use]
pub fn unix_seconds() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}

/// A word that is another one after the machine has started anew; empty where the system has none.
#[must_use]
pub fn boot_id() -> String {
    boot::id()
}

#[cfg(linux_kernel)]
mod boot {
    pub(super) fn id() -> String {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        id.trim().to_owned()
    }
}

#[cfg(not(linux_kernel))]
mod boot {
    use std::mem::zeroed;
    use std::ptr::null_mut;

    /// When the machine was started, in seconds since 1970.
    pub(super) fn id() -> String {
        // SAFETY: integers only.
        let mut started: libc::timeval = unsafe { zeroed() };
        let mut length = size_of::<libc::timeval>();
        let mut name = [libc::CTL_KERN, libc::KERN_BOOTTIME];
        // SAFETY: the pointers describe `name`, `started` and `length`, which outlive the call.
        let done = unsafe {
            libc::sysctl(
                name.as_mut_ptr(),
                name.len() as _,
                (&raw mut started).cast(),
                &raw mut length,
                null_mut(),
                0,
            )
        };
        if done == 0 { started.tv_sec.to_string() } else { String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_advance() {
        let (a, b) = (now(), monotonic());
        while now() == a || monotonic() == b {}
        assert!(now() > a && monotonic() > b);
    }

    #[test]
    fn the_wall_clock_is_past_the_year_in_which_this_was_written() {
        let years = since_1970().as_secs() / (365 * 86_400);
        assert!((56..1000).contains(&years), "{years}");
    }

    #[test]
    fn no_suspend_is_seen_where_there_was_none() {
        assert_eq!(SuspendMeter::new().slept(), None);
    }

    #[test]
    fn a_suspend_is_measured_once() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let mut meter = SuspendMeter { ahead: hours(2) };
        assert_eq!(meter.compare(hours(2) + SHORTEST_SUSPEND / 2), None, "that was reading the clocks");
        assert_eq!(meter.compare(hours(3)), Some(hours(1)));
        assert_eq!(meter.compare(hours(3)), None);
    }

    #[test]
    fn a_loop_that_wakes_long_after_it_meant_to_was_stopped() {
        let at = |seconds: u64| Instant::from_micros(seconds * 1_000_000);
        assert_eq!(stopped(Some(at(100)), at(104)), None);
        assert_eq!(stopped(Some(at(100)), at(160)), Some(Duration::from_secs(60)));
        assert_eq!(stopped(Some(at(100)), at(99)), None);
        assert_eq!(stopped(None, at(160)), None, "it did not mean to wake");
    }

    #[cfg(linux_kernel)]
    #[test]
    fn nothing_is_told_where_nobody_slept() {
        let mut watch = ResumeWatch::new().unwrap();
        assert!(!crate::fd::wait_readable(watch.fd().unwrap(), 0));
        watch.clear();
        assert!(!crate::fd::wait_readable(watch.fd().unwrap(), 0));
    }

    #[test]
    fn a_boot_has_a_word_that_stays() {
        assert!(!boot_id().is_empty());
        assert_eq!(boot_id(), boot_id());
    }
}
