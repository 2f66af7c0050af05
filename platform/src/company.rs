//! A program of the user's own that asks at the terminal for us, such as ssh for a password.
//!
//! Contract: a signal that ends us, sent to us alone, ends it first, so that it puts the terminal back: an orphan in the
//! background cannot, and the shell would be left without echo.

use crate::fd::check;
use crate::signals::set_handler;
use libc::{c_int, sigaction, sighandler_t};
use std::process::Child;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// Signals that end the process unless somebody catches them, and that somebody sends.
const FATAL: [c_int; 6] =
    [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGUSR1, libc::SIGUSR2];

/// How often, and how long each time in milliseconds, its end is waited for.
const LOOKS: (u32, c_int) = (100, 10);

/// The process that is taken along; 0: none.
static COMPANION: AtomicI32 = AtomicI32::new(0);

/// A signal that ends us has come: no other program is to be started in the place of the one that it takes along.
static PARTING: AtomicBool = AtomicBool::new(false);

/// Returns unless a signal is about to end the process; otherwise it never does. Before another program is started.
pub fn stop_if_parting() {
    while PARTING.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

extern "C" fn part(signal: c_int) {
    PARTING.store(true, Ordering::SeqCst);
    let companion = COMPANION.swap(0, Ordering::SeqCst);
    // SAFETY: kill, waitpid, poll, signal and raise are async-signal-safe; nothing allocates. The process is a child that
    // was not waited for, so that its number is its own. The signal is raised again and comes when this returns.
    unsafe {
        if companion > 0 && libc::kill(companion, libc::SIGTERM) == 0 {
            for _ in 0..LOOKS.0 {
                if libc::waitpid(companion, null_mut(), libc::WNOHANG) != 0 {
                    break;
                }
                libc::poll(null_mut(), 0, LOOKS.1);
            }
        }
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// A child that a fatal signal takes along, while this lives; the child is not waited for before this is dropped.
#[derive(Debug)]
pub struct Company {
    before: Vec<(c_int, Saved)>,
}

/// What a signal did before.
struct Saved(sigaction);

impl std::fmt::Debug for Saved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sigaction")
    }
}

impl Company {
    /// From now on a fatal signal ends `child` first. Signals that somebody catches or ignores stay theirs.
    #[must_use]
    pub fn of(child: &Child) -> Self {
        Self::of_process(child.id())
    }

    /// The same of a child that is known by its number alone.
    #[must_use]
    pub fn of_process(process: u32) -> Self {
        let mut before = Vec::new();
        let process = c_int::try_from(process).unwrap_or(0);
        COMPANION.store(process, Ordering::SeqCst);
        if PARTING.load(Ordering::SeqCst) && process > 0 {
            // SAFETY: the process is a child that was not waited for, so that its number is its own.
            unsafe { libc::kill(process, libc::SIGTERM) };
        }
        for signal in FATAL {
            let Ok(action) = set_handler(signal, part as extern "C" fn(c_int) as sighandler_t) else {
                continue;
            };
            if action.sa_sigaction == libc::SIG_DFL {
                before.push((signal, Saved(action)));
            } else {
                // SAFETY: the action is one that the system itself gave.
                unsafe { sigaction(signal, &raw const action, null_mut()) };
            }
        }
        Self { before }
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        for (signal, Saved(action)) in &self.before {
            // SAFETY: the action is one that the system itself gave.
            let _ = check(unsafe { sigaction(*signal, action, null_mut()) });
        }
        COMPANION.store(0, Ordering::SeqCst);
    }
}
