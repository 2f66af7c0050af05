//! One system call that waits for all, with nanoseconds: `ppoll`, which NetBSD calls `pollts`; on macOS `pselect`, because
//! `poll` does not support terminals there (poll(2), under BUGS).

use crate::fd::check;
use libc::{pollfd, timespec};
use std::io;
use std::ptr::null_mut;
use std::time::Duration;

/// Waits until one of the list is ready or the time is up, and writes into each what it has to say.
///
/// # Errors
/// The system's. What the list says then means nothing.
#[cfg(not(target_vendor = "apple"))]
pub(super) fn wait(list: &mut [pollfd], timeout: Option<Duration>) -> io::Result<()> {
    #[cfg(target_os = "netbsd")]
    use libc::pollts as ppoll;
    #[cfg(not(target_os = "netbsd"))]
    use libc::ppoll;
    let time = timeout.map(to_timespec);
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the pointer and the length describe the list; the time, if there is one, outlives the call; the signals
    // that are let through stay as they are.
    check(unsafe { ppoll(list.as_mut_ptr(), list.len() as libc::nfds_t, time, std::ptr::null()) }).map(drop)
}

#[cfg(target_vendor = "apple")]
pub(super) use by_select::wait;

/// Everywhere, so that it is tested everywhere.
#[cfg(any(all(test, feature = "terminal"), target_vendor = "apple"))]
pub(super) mod by_select {
    use super::{Duration, check, io, null_mut, pollfd, to_timespec};
    use libc::{FD_ISSET, FD_SET, FD_SETSIZE, c_int, fd_set};

    /// As [`super::wait`]. What is gone reads as ready.
    pub(in crate::wait) fn wait(list: &mut [pollfd], timeout: Option<Duration>) -> io::Result<()> {
        // SAFETY: integers only; all zero is the empty set.
        let (mut reads, mut writes): (fd_set, fd_set) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        let mut highest: c_int = -1;
        for entry in list.iter() {
            if !usize::try_from(entry.fd).is_ok_and(|fd| fd < FD_SETSIZE) {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "more descriptors than select(2) takes",
                ));
            }
            let set = if entry.events & libc::POLLOUT != 0 { &raw mut writes } else { &raw mut reads };
            // SAFETY: the set outlives the call, and the number lies within it.
            unsafe { FD_SET(entry.fd, set) };
            highest = highest.max(entry.fd);
        }
        let time = timeout.map(to_timespec);
        let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the sets and the time outlive the call; the signals that are let through stay as they are.
        let count = unsafe {
            libc::pselect(highest + 1, &raw mut reads, &raw mut writes, null_mut(), time, std::ptr::null())
        };
        check(count).map_err(|error| match error.raw_os_error() {
            Some(libc::EBADF) => io::Error::new(io::ErrorKind::InvalidInput, "a descriptor is not open"),
            _ => error,
        })?;
        for entry in list {
            let set = if entry.events & libc::POLLOUT != 0 { &raw const writes } else { &raw const reads };
            // SAFETY: as above.
            entry.revents = if unsafe { FD_ISSET(entry.fd, set) } { entry.events } else { 0 };
        }
        Ok(())
    }
}

/// Waits for nothing but time; a signal may end it early.
pub(super) fn sleep(time: Duration) {
    let time = to_timespec(time);
    // SAFETY: the time outlives the call; what is left of it is not asked for.
    unsafe { libc::nanosleep(&raw const time, null_mut()) };
}

#[cfg_attr(target_env = "musl", expect(deprecated, reason = "the type's width is what the limit is for"))]
fn to_timespec(time: Duration) -> timespec {
    let longest = 1 << 30;
    timespec { tv_sec: time.as_secs().min(longest) as libc::time_t, tv_nsec: time.subsec_nanos() as _ }
}
