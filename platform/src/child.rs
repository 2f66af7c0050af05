//! Running another program without letting it keep us, and becoming one.

use crate::fd::{check, own, set_close_on_exec};
use crate::login;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

/// Becomes this program anew, with this command line: all that is in memory is gone, and every descriptor but the standard
/// ones and `kept`, which [`kept`] finds there by the variable. Returns only where that failed.
pub fn restart(words: &[OsString], kept: OwnedFd, variable: &str) -> io::Error {
    let become_it = || -> io::Result<io::Error> {
        // It may have been removed since it was started, and is there all the same. By its own path it has its own name.
        let program = match std::env::current_exe() {
            Ok(path) if path.exists() => path,
            _ => PathBuf::from("/proc/self/exe"),
        };
        let name = words.first().cloned().unwrap_or_else(|| program.clone().into_os_string());
        // SAFETY: F_SETFD takes an integer: no flag.
        check(unsafe { libc::fcntl(kept.as_raw_fd(), libc::F_SETFD, 0) })?;
        let mut command = Command::new(program);
        command.arg0(name).args(words.iter().skip(1)).env(variable, kept.as_raw_fd().to_string());
        Ok(command.exec())
    };
    become_it().unwrap_or_else(|error| error)
}

/// The descriptor that was kept over [`restart`]; none where this process was started by somebody else. To be called before
/// anything is opened, and before any thread is started.
#[must_use]
pub fn kept(variable: &str) -> Option<OwnedFd> {
    let raw: libc::c_int = login::take_variable(variable)?.parse().ok()?;
    // SAFETY: F_GETFD takes and gives integers, whatever the number is.
    if raw < 3 || check(unsafe { libc::fcntl(raw, libc::F_GETFD) }).is_err() {
        return None;
    }
    // SAFETY: it is open, and nothing in this process has opened anything yet that could own it.
    let fd = unsafe { own(raw) };
    set_close_on_exec(fd.as_fd()).ok().map(|()| fd)
}

/// Whether a process runs this very program by now, as far as the system tells.
#[must_use]
pub fn is_this_program(process: u32) -> bool {
    let program =
        |process: &str| -> Option<PathBuf> { std::fs::read_link(format!("/proc/{process}/exe")).ok() };
    program("self").is_some_and(|ours| program(&process.to_string()).is_some_and(|its| its == ours))
}

/// Runs a command to its end, and gives its status; `None` when it took longer than `limit`, and was killed, unless
/// `goes_on` says of its process that it may take as long as it likes. Uses neither threads nor signal handlers.
///
/// Linux alone (5.3 and later) tells of a child's end in a way that can be waited for with a limit; elsewhere there is none.
///
/// # Errors
/// The command cannot be started.
pub fn status_within(
    command: &mut Command,
    limit: Duration,
    goes_on: impl FnOnce(u32) -> bool,
) -> io::Result<Option<ExitStatus>> {
    let mut child = command.spawn()?;
    if ends_within(&child, limit) || goes_on(child.id()) {
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
    use std::process::Stdio;

    fn run(line: &str, limit: Duration) -> Option<Option<i32>> {
        let status = status_within(Command::new("sh").args(["-c", line]), limit, |_| false).unwrap();
        status.map(|status| status.code())
    }

    #[test]
    fn a_command_that_ends_tells_its_status() {
        assert_eq!(run("exit 99", Duration::from_secs(600)), Some(Some(99)));
        assert!(status_within(&mut Command::new("/no such program"), Duration::ZERO, |_| true).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_command_that_hangs_is_ended() {
        assert_eq!(run("exec sleep 600", Duration::from_millis(1)), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_command_that_has_become_what_it_should_takes_its_time() {
        assert!(is_this_program(std::process::id()) && !is_this_program(1));
        let mut command = Command::new("sh");
        let status =
            status_within(command.args(["-c", "read line"]).stdin(Stdio::null()), Duration::ZERO, |_| true);
        assert_eq!(status.unwrap().and_then(|status| status.code()), Some(1));
    }
}
