//! Running another program without letting it keep us.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

/// Runs a command to its end, and gives its status; `None` when it took longer than `limit`, and was killed. Uses neither
/// threads nor signal handlers.
///
/// Linux alone (5.3 and later) tells of a child's end in a way that can be waited for with a limit; elsewhere there is none.
///
/// # Errors
/// The command cannot be started.
pub fn status_within(command: &mut Command, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let mut child = command.spawn()?;
    if ends_within(&child, limit) {
        return child.wait().map(Some);
    }
    child.kill()?;
    // One that ended by itself meanwhile has done what it was to do.
    let status = child.wait()?;
    Ok(status.code().map(|_| status))
}

#[cfg(target_os = "linux")]
fn ends_within(child: &Child, limit: Duration) -> bool {
    use crate::clock;
    use crate::fd::own;
    use std::os::fd::AsRawFd;

    // SAFETY: numbers only; a child that was not waited for keeps its id.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, child.id(), 0) };
    let Some(raw) = libc::c_int::try_from(raw).ok().filter(|raw| *raw >= 0) else { return true };
    // SAFETY: the system has just made it.
    let process = unsafe { own(raw) };
    let began = clock::monotonic();
    loop {
        let left = limit.saturating_sub(clock::monotonic().saturating_sub(began));
        let milliseconds = left.as_micros().div_ceil(1000).try_into().unwrap_or(libc::c_int::MAX);
        let mut poll = libc::pollfd { fd: process.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd, which outlives the call.
        match unsafe { libc::poll(&raw mut poll, 1, milliseconds) } {
            ..=0 if left.is_zero() => return false,
            // Late or interrupted: what is left is reckoned anew.
            ..=0 => {}
            _ => return true,
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn ends_within(_child: &Child, _limit: Duration) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str, limit: Duration) -> Option<Option<i32>> {
        let status = status_within(Command::new("sh").args(["-c", line]), limit).unwrap();
        status.map(|status| status.code())
    }

    #[test]
    fn a_command_that_ends_tells_its_status() {
        assert_eq!(run("exit 99", Duration::from_secs(600)), Some(Some(99)));
        assert!(status_within(&mut Command::new("/no such program"), Duration::ZERO).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_command_that_hangs_is_ended() {
        assert_eq!(run("exec sleep 600", Duration::from_millis(1)), None);
    }
}
