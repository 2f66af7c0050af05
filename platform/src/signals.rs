//! Signals as something to wait for: a handler writes each to a pipe, whose other end is readable.

use crate::fd::{self, check};
use libc::{c_int, sigaction, sighandler_t};
use std::io::{self, PipeReader, PipeWriter};
use std::mem::zeroed;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, Ordering};

/// The signals that the programs care for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
#[non_exhaustive]
pub enum Signal {
    /// `SIGHUP`: the terminal is gone.
    Hangup = libc::SIGHUP,
    /// `SIGINT`.
    Interrupt = libc::SIGINT,
    /// `SIGQUIT`.
    Quit = libc::SIGQUIT,
    /// `SIGTERM`.
    Terminate = libc::SIGTERM,
    /// `SIGPIPE`: a reader is gone.
    Pipe = libc::SIGPIPE,
    /// `SIGCHLD`: a child ended.
    Child = libc::SIGCHLD,
    /// `SIGCONT`: we run again after a stop.
    Continue = libc::SIGCONT,
    /// `SIGTSTP`: stop, asked at the terminal.
    Stop = libc::SIGTSTP,
    /// `SIGWINCH`: the terminal has another size.
    WindowChange = libc::SIGWINCH,
    /// `SIGUSR1`.
    User1 = libc::SIGUSR1,
    /// `SIGUSR2`.
    User2 = libc::SIGUSR2,
}

const ALL: [Signal; 11] = [
    Signal::Hangup,
    Signal::Interrupt,
    Signal::Quit,
    Signal::Terminate,
    Signal::Pipe,
    Signal::Child,
    Signal::Continue,
    Signal::Stop,
    Signal::WindowChange,
    Signal::User1,
    Signal::User2,
];

impl Signal {
    /// The system's number.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }
}

/// Where the handler writes; -1 when nobody listens.
static WRITER: AtomicI32 = AtomicI32::new(-1);

extern "C" fn note(signal: c_int) {
    let fd = WRITER.load(Ordering::Relaxed);
    let octet = signal as u8;
    // SAFETY: write is async-signal-safe; errno is put back, so that the code interrupted does not see another. A full
    // pipe loses the signal, but then as many are waiting already.
    unsafe {
        let errno = errno_location();
        let before = *errno;
        libc::write(fd, (&raw const octet).cast(), 1);
        *errno = before;
    }
}

/// # Safety
/// None asked: the answer is the thread's own `errno`, always valid.
unsafe fn errno_location() -> *mut c_int {
    // SAFETY: takes nothing and cannot fail.
    unsafe {
        #[cfg(target_os = "linux")]
        return libc::__errno_location();
        #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
        return libc::__error();
        #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
        return libc::__errno();
    }
}

/// The signals of this process, caught until this is dropped. There is one at a time.
#[derive(Debug)]
pub struct Signals {
    reader: PipeReader,
    /// Kept open for the handler.
    _writer: PipeWriter,
    before: Vec<(c_int, Saved)>,
}

/// What a signal did before.
struct Saved(sigaction);

impl std::fmt::Debug for Saved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sigaction")
    }
}

impl Signals {
    /// Catches these signals from now on, and those that waited behind [`hold`].
    ///
    /// # Errors
    /// `AlreadyExists` while another one lives; the system's, without descriptors.
    pub fn new(signals: &[Signal]) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        fd::set_nonblocking(reader.as_fd())?;
        fd::set_nonblocking(writer.as_fd())?;
        let free = WRITER.compare_exchange(-1, writer.as_raw_fd(), Ordering::SeqCst, Ordering::SeqCst);
        if free.is_err() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "signals are caught elsewhere"));
        }
        let mut caught = Self { reader, _writer: writer, before: Vec::new() };
        for signal in signals {
            let handler = note as extern "C" fn(c_int) as sighandler_t;
            caught.before.push((signal.number(), Saved(set_handler(signal.number(), handler)?)));
        }
        // What came since a process was made to serve is noted now.
        mask(libc::SIG_UNBLOCK, signals)?;
        Ok(caught)
    }
}

/// The signals that have come and were not taken yet, each as often as it came unless very many did.
impl Iterator for Signals {
    type Item = Signal;

    fn next(&mut self) -> Option<Signal> {
        let mut octet = [0];
        while fd::read(self.reader.as_fd(), &mut octet).is_ok_and(|n| n == 1) {
            let known = ALL.into_iter().find(|signal| signal.number() == c_int::from(octet[0]));
            if known.is_some() {
                return known;
            }
        }
        None
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for (signal, saved) in &self.before {
            // SAFETY: the action is one that the system itself gave.
            unsafe { sigaction(*signal, &raw const saved.0, null_mut()) };
        }
        WRITER.store(-1, Ordering::SeqCst);
    }
}

/// Sets what a signal does, and tells what it did. System calls it interrupts go on.
pub(crate) fn set_handler(signal: c_int, handler: sighandler_t) -> io::Result<sigaction> {
    // SAFETY: integers and (null) pointers only.
    let (mut action, mut before): (sigaction, sigaction) = unsafe { (zeroed(), zeroed()) };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: both structs outlive the calls; the handler is a constant or an async-signal-safe function.
    unsafe {
        // One after the other: a process that was stopped may be given several at once, and the little stack that threads
        // have for handlers does not hold the frames of three within each other.
        libc::sigfillset(&raw mut action.sa_mask);
        check(sigaction(signal, &raw const action, &raw mut before))?;
    }
    Ok(before)
}

/// Lets these signals wait: none of them ends the process before [`Signals::new`] catches them or [`release`] lets them
/// through.
///
/// # Errors
/// None that the argument could cause.
pub fn hold(signals: &[Signal]) -> io::Result<()> {
    mask(libc::SIG_BLOCK, signals)
}

/// Undoes [`hold`].
///
/// # Errors
/// None that the argument could cause.
pub fn release(signals: &[Signal]) -> io::Result<()> {
    mask(libc::SIG_UNBLOCK, signals)
}

/// Changes what this thread, and those it starts, let through.
fn mask(how: c_int, signals: &[Signal]) -> io::Result<()> {
    // SAFETY: the set is an integer or an array of them, and outlives the calls; pthread_sigmask tells by its value.
    let refused = unsafe {
        let mut set: libc::sigset_t = zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, signal.number());
        }
        libc::pthread_sigmask(how, &raw const set, null_mut())
    };
    if refused == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(refused)) }
}

/// Lets a signal pass unnoticed.
///
/// # Errors
/// None that the argument could cause.
pub fn ignore(signal: Signal) -> io::Result<()> {
    set_handler(signal.number(), libc::SIG_IGN).map(drop)
}

/// Does what the terminal does when its key for this signal is pressed, where that key was read as any other: the whole
/// process group has the signal, this process last, and has obeyed it before this returns. A signal that was ignored stays
/// so; one that stops is not obeyed where no shell could continue the group (POSIX, orphaned process group).
pub fn press_key(signal: Signal) {
    // The others first, so that this process does not stop or end among them at some later time.
    let Ok(before) = set_handler(signal.number(), libc::SIG_IGN) else { return };
    // SAFETY: numbers only; the action is one that the system itself gave. raise(3) has the signal taken by this thread.
    unsafe {
        libc::kill(0, signal.number());
        sigaction(signal.number(), &raw const before, null_mut());
        libc::raise(signal.number());
    }
}

/// Stops this process group, as Ctrl-Z does, and returns when it runs again.
pub fn stop_group() {
    // SAFETY: numbers only.
    unsafe { libc::kill(0, libc::SIGSTOP) };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There is one [`Signals`] at a time in a process.
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

    #[test]
    fn many_signals_at_once_on_a_thread_s_little_stack_are_all_read() {
        let caught = [Signal::Hangup, Signal::Terminate, Signal::User1, Signal::User2, Signal::WindowChange];
        let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut signals = Signals::new(&caught).unwrap();
        std::thread::spawn(move || {
            // SAFETY: the sets outlive the calls; the signals are caught.
            unsafe {
                let mut set: libc::sigset_t = zeroed();
                libc::sigfillset(&raw mut set);
                libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, null_mut());
                for signal in caught {
                    libc::pthread_kill(libc::pthread_self(), signal.number());
                }
                libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, null_mut());
            }
        })
        .join()
        .unwrap();
        let mut read: Vec<Signal> = signals.by_ref().collect();
        read.sort();
        assert_eq!(read.len(), caught.len(), "{read:?}");
    }

    #[test]
    fn a_signal_is_read_once_though_it_came_too_early() {
        let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut signals = Signals::new(&[Signal::User1, Signal::WindowChange]).unwrap();
        assert_eq!(Signals::new(&[]).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(signals.next(), None);
        // SAFETY: numbers only; the signal is caught.
        unsafe { libc::raise(libc::SIGUSR1) };
        assert!(fd::wait_readable(signals.as_fd(), 1000));
        assert_eq!(signals.next(), Some(Signal::User1));
        assert_eq!(signals.next(), None);
        drop(signals);
        Signals::new(&[]).unwrap();

        // One that comes before anybody listens is not lost, and ends nothing.
        hold(&[Signal::User2]).unwrap();
        // SAFETY: numbers only; the signal is held.
        unsafe { libc::raise(libc::SIGUSR2) };
        let mut signals = Signals::new(&[Signal::User2]).unwrap();
        assert!(fd::wait_readable(signals.as_fd(), 1000));
        assert_eq!(signals.next(), Some(Signal::User2));
    }
}
