//! What a session needs of a machine that may have nothing left, tried before anybody counts on it.
//!
//! Contract: a rehearsal runs in a process of its own, which takes what a want does to a program (a panic, an abort, a
//! signal) with it; what it opened and started is gone with it. It is for a process with one thread. What was to be had then
//! may be gone a moment later: a rehearsal makes a sentence of a lasting want, not a promise.

use crate::fd::check;
use crate::words::words;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

/// The longest word that a rehearsal can leave, in octets.
const LONGEST_WORD: u64 = 4096;
/// A stack that all of this program fits in.
const STACK: usize = 8 << 20;

/// Runs `work` in a process of its own.
///
/// # Errors
/// What `work` says, or how its process ended, in words that stand alone.
pub fn rehearse(work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let (mut reader, mut writer) = io::pipe().map_err(no("no pipe can be had"))?;
    // SAFETY: takes nothing. The child is a copy of the one thread, and ends by _exit below.
    let process = check(unsafe { libc::fork() }).map_err(no("another process cannot be started"))?;
    if process == 0 {
        drop(reader);
        // What a runtime says of its end is not for the user.
        let _ = crate::login::close_standard_streams();
        let outcome = catch_unwind(AssertUnwindSafe(work));
        let (word, status) = match &outcome {
            Ok(Ok(())) => ("", 0),
            Ok(Err(word)) => (word.as_str(), 1),
            Err(_) => ("", 1),
        };
        let _ = writer.write_all(word.as_bytes());
        // SAFETY: takes an integer, does not return, and runs nothing of the parent's.
        unsafe { libc::_exit(status) }
    }
    drop(writer);
    let mut word = String::new();
    let _ = reader.by_ref().take(LONGEST_WORD).read_to_string(&mut word);
    match end_of(process).map_err(no("a process cannot be waited for"))? {
        0 => Ok(()),
        // A panic or an abort: this is all that either can be about here.
        _ if word.is_empty() => Err("a thread, a process, a descriptor or memory cannot be had".into()),
        _ => Err(word),
    }
}

/// Tries to start another process, which ends at once.
///
/// # Errors
/// The system's.
pub fn process() -> io::Result<()> {
    // SAFETY: takes nothing; the child calls nothing but _exit, which is safe beside other threads.
    match check(unsafe { libc::fork() })? {
        // SAFETY: takes an integer and does not return.
        0 => unsafe { libc::_exit(0) },
        process => end_of(process).map(drop),
    }
}

/// The status of a child, as waitpid(2) gives it.
fn end_of(process: libc::pid_t) -> io::Result<libc::c_int> {
    let mut status = 0;
    loop {
        // SAFETY: the pointer is to an integer that outlives the call.
        match check(unsafe { libc::waitpid(process, &raw mut status, 0) }) {
            Ok(_) => return Ok(status),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Tries to have so many threads at once.
///
/// # Errors
/// The system's.
pub fn threads(count: usize) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel::<()>();
    let receiver = Arc::new(Mutex::new(receiver));
    let mut running = Vec::new();
    let mut outcome = Ok(());
    for _ in 0..count {
        let waits = Arc::clone(&receiver);
        let started = thread::Builder::new().spawn(move || {
            // They stay until the sender is gone.
            let _ = waits.lock().map(|receiver| receiver.recv());
        });
        match started {
            Ok(thread) => running.push(thread),
            Err(error) => outcome = Err(error),
        }
    }
    drop(sender);
    for thread in running {
        let _ = thread.join();
    }
    outcome
}

/// Tries to have so many descriptors more at once.
///
/// # Errors
/// The system's.
pub fn descriptors(count: usize) -> io::Result<()> {
    (0..count).map(|_| crate::login::null()).collect::<io::Result<Vec<_>>>().map(drop)
}

/// Tries to have so many octets of memory at once.
///
/// # Errors
/// As text: there is none.
pub fn memory(octets: usize) -> Result<(), String> {
    Vec::<u8>::new().try_reserve_exact(octets).map_err(|_| "memory cannot be had".to_owned())
}

/// What cannot be had, in words that stand alone, and what the system says of it.
pub fn no(what: &'static str) -> impl Fn(io::Error) -> String {
    move |error| format!("{what}: {}", words(&error))
}

/// Does the work on a stack that is large enough: this thread's, or another thread's where `ulimit -s` made this one small.
///
/// # Errors
/// The system's, when it lends no other stack. A panic of the work goes on here.
pub fn on_enough_stack<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    if !has_small_stack() {
        return Ok(work());
    }
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work)?;
        thread.join().or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Whether a program's first stack can be used at all. This asks for next to none of it.
///
/// # Errors
/// As text: what the limit is, and what is needed.
pub fn stack() -> Result<(), String> {
    match stack_limit() {
        Some(octets) if octets < LEAST_STACK => Err(format!(
            "the limit on the stack is {} kB, and {} are needed (“ulimit -s”)",
            octets >> 10,
            LEAST_STACK >> 10
        )),
        _ => Ok(()),
    }
}

fn has_small_stack() -> bool {
    stack_limit().is_some_and(|octets| octets < 1 << 20)
}

/// The limit on the first thread's stack, in octets; `None` where there is none.
fn stack_limit() -> Option<libc::rlim_t> {
    // SAFETY: integers only; the struct outlives the call.
    let limit = unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        check(libc::getrlimit(libc::RLIMIT_STACK, &raw mut limit)).map(|_| limit.rlim_cur)
    };
    limit.ok().filter(|octets| *octets != libc::RLIM_INFINITY)
}

/// What the first thread needs, in octets: a command line is read on it, and programs that are started, ssh among them, have
/// no other.
const LEAST_STACK: libc::rlim_t = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_there() {
        assert!(threads(2).is_ok() && descriptors(2).is_ok() && memory(1 << 10).is_ok());
        assert!(memory(usize::MAX / 2).is_err());
        assert_eq!(on_enough_stack(|| 7).ok(), Some(7));
    }
}
