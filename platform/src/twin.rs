//! A process beside this one that does a part of its work: what one of the two holds, the other does not.
//!
//! Contract: [`split`] is called while the process has one thread. The twin has a copy of all memory and descriptors, the same
//! terminal, and ends when it has done its work. The two speak by a pair of stream sockets; whoever goes closes its end.

use crate::company::Company;
use crate::fd::check;
use crate::login;
use crate::signals::{self, Signal};
use std::io;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a twin that panicked ends with.
const PANICKED: u8 = 101;

/// A process beside this one.
#[derive(Debug)]
pub struct Twin {
    process: libc::pid_t,
    /// A fatal signal takes it along, as long as both are at the same terminal.
    company: Option<Company>,
}

/// How a twin ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With this status.
    Status(u8),
    /// By the signal of this number.
    Signal(i32),
}

/// Has `work` done by a process beside this one, which has the other end of the stream and ends with what `work` gives.
///
/// # Errors
/// The system's: no room for a process or a descriptor.
pub fn split(work: impl FnOnce(UnixStream) -> u8) -> io::Result<(Twin, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    // SAFETY: takes nothing. The child is a copy of the one thread, and ends by _exit below.
    let process = check(unsafe { libc::fork() })?;
    if process == 0 {
        drop(ours);
        follow_parent();
        let status = catch_unwind(AssertUnwindSafe(|| work(theirs))).unwrap_or(PANICKED);
        // SAFETY: takes an integer, does not return, and runs nothing of the parent's.
        unsafe { libc::_exit(status.into()) }
    }
    let company = Some(Company::of_process(process.unsigned_abs()));
    Ok((Twin { process, company }, ours))
}

/// Whoever kills the first process alone does not leave the second at the user's terminal. Where the system has no means, it
/// notices by the stream.
fn follow_parent() {
    #[cfg(linux_kernel)]
    // SAFETY: numbers only.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM, 0, 0, 0);
    }
}

impl Twin {
    /// From now on a signal that ends this process does not concern the twin. To be called before anything else catches signals:
    /// what they did before the twin was there holds again.
    pub fn release(&mut self) {
        self.company = None;
    }

    /// From now on a signal that ends this process ends the twin first, as at the beginning.
    pub fn accompany(&mut self) {
        self.release();
        self.company = Some(Company::of_process(self.process.unsigned_abs()));
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// The system's, where somebody else has waited for it.
    pub fn wait(self) -> io::Result<End> {
        let mut status = 0;
        loop {
            // SAFETY: the pointer is to an integer that outlives the call.
            match check(unsafe { libc::waitpid(self.process, &raw mut status, 0) }) {
                Ok(_) if libc::WIFSIGNALED(status) => return Ok(End::Signal(libc::WTERMSIG(status))),
                Ok(_) => return Ok(End::Status(u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(u8::MAX))),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Leaves the terminal, in a twin: no key pressed there reaches it, no question of a program that it starts can be asked
/// there, and whoever waits for the end of its output does not wait for it.
///
/// # Errors
/// The system's.
pub fn leave_terminal() -> io::Result<()> {
    for signal in [Signal::Hangup, Signal::Interrupt, Signal::Quit] {
        signals::ignore(signal)?;
    }
    #[cfg(linux_kernel)]
    // SAFETY: numbers only. The stream tells of the first process's end from now on.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, 0, 0, 0, 0);
    }
    // SAFETY: takes nothing. It fails for a process that leads a group, which a twin does not.
    check(unsafe { libc::setsid() })?;
    login::close_standard_streams()
}

/// Ends this process as a twin was ended, so that whoever waits for it learns the same.
pub fn end_alike(signal: i32) {
    // SAFETY: numbers only.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}
