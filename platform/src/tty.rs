//! The user's terminal: raw mode, left exactly as found on every way out; its size.
//!
//! A standard stream is never made non-blocking here: the flag lives in the open file that the parent shell shares. Wait
//! for readiness where [`pollable`] says that one can, then read once.

use crate::fd::check;
use crate::signals::set_handler;
use libc::{c_int, sigaction, sighandler_t, termios};
use std::fs::File;
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A terminal's size in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

impl Size {
    /// What a terminal that tells no size is taken for.
    pub const DEFAULT: Self = Self { columns: 80, rows: 24 };

    pub(crate) fn to_raw(self) -> libc::winsize {
        libc::winsize { ws_row: self.rows, ws_col: self.columns, ws_xpixel: 0, ws_ypixel: 0 }
    }
}

/// Whether it is a terminal.
#[must_use]
pub fn is_terminal(fd: impl AsFd) -> bool {
    use std::io::IsTerminal;
    fd.as_fd().is_terminal()
}

/// The terminal's size; `None` when it is no terminal or tells none.
#[must_use]
pub fn size(fd: impl AsFd) -> Option<Size> {
    // SAFETY: integers only.
    let mut raw: libc::winsize = unsafe { zeroed() };
    // SAFETY: TIOCGWINSZ writes a winsize, which outlives the call.
    check(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TIOCGWINSZ as _, &raw mut raw) }).ok()?;
    (raw.ws_col > 0 && raw.ws_row > 0).then_some(Size { columns: raw.ws_col, rows: raw.ws_row })
}

/// Whether one can wait for it to be readable: a terminal, a pipe or a socket. Files and `/dev/null` never make one wait,
/// and `epoll` refuses them: read those on a thread of their own.
#[must_use]
pub fn pollable(fd: impl AsFd) -> bool {
    // SAFETY: integers only.
    let mut stat: libc::stat = unsafe { zeroed() };
    // SAFETY: fstat writes a stat, which outlives the call.
    if unsafe { libc::fstat(fd.as_fd().as_raw_fd(), &raw mut stat) } != 0 {
        return false;
    }
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFIFO | libc::S_IFSOCK => true,
        libc::S_IFCHR => is_terminal(fd),
        _ => false,
    }
}

/// The controlling terminal, opened anew: its flags are ours alone.
///
/// # Errors
/// The system's, without a controlling terminal.
pub fn open() -> io::Result<OwnedFd> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open("/dev/tty")?;
    Ok(file.into())
}

/// Whether a program in the foreground of this terminal is asking: one in the background that reads or changes it is
/// stopped. A terminal that is gone stops nobody.
#[must_use]
pub fn is_foreground(fd: impl AsFd) -> bool {
    // SAFETY: numbers only.
    let (front, own) = unsafe { (libc::tcgetpgrp(fd.as_fd().as_raw_fd()), libc::getpgrp()) };
    front < 0 || front == own
}

/// Reads what is there; waits when nothing is, so ask for readiness first. 0 at the end.
///
/// # Errors
/// The system's.
pub fn read(fd: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    crate::fd::read(fd.as_fd(), buffer)
}

/// Writes everything, also to a terminal that somebody else made non-blocking.
///
/// # Errors
/// The system's.
pub fn write_all(fd: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    let fd = fd.as_fd();
    while !bytes.is_empty() {
        match crate::fd::write(fd, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
                // SAFETY: one pollfd, which outlives the call.
                unsafe { libc::poll(&raw mut poll, 1, 1000) };
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

pub(crate) fn attributes(fd: BorrowedFd<'_>) -> io::Result<termios> {
    // SAFETY: integers only.
    let mut attributes: termios = unsafe { zeroed() };
    // SAFETY: the struct outlives the call.
    check(unsafe { libc::tcgetattr(fd.as_raw_fd(), &raw mut attributes) })?;
    Ok(attributes)
}

pub(crate) fn set_attributes(fd: BorrowedFd<'_>, attributes: &termios) -> io::Result<()> {
    // SAFETY: the struct outlives the call.
    check(unsafe { libc::tcsetattr(fd.as_raw_fd(), libc::TCSANOW, attributes) }).map(drop)
}

/// What a fatal signal's handler needs to put the terminal back.
struct Rescue {
    fd: c_int,
    attributes: termios,
    farewell: Vec<u8>,
    before: Vec<(c_int, sigaction)>,
}

/// The terminal in raw mode, while there is one. Never freed once a handler may have seen it.
static RESCUE: AtomicPtr<Rescue> = AtomicPtr::new(null_mut());

/// Signals that end the process unless somebody catches them.
const FATAL: [c_int; 17] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGXCPU,
    libc::SIGXFSZ,
    libc::SIGABRT,
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGSYS,
];

/// Puts the terminal back, then lets the signal do what it did before: it is raised again, and comes when this returns.
extern "C" fn rescue(signal: c_int) {
    let rescue = RESCUE.swap(null_mut(), Ordering::SeqCst);
    // SAFETY: the pointer came from a leaked box that is never freed. tcsetattr, write, sigaction and raise are
    // async-signal-safe; nothing allocates.
    unsafe {
        if let Some(rescue) = rescue.as_ref() {
            libc::write(rescue.fd, rescue.farewell.as_ptr().cast(), rescue.farewell.len());
            libc::tcsetattr(rescue.fd, libc::TCSANOW, &raw const rescue.attributes);
            for (signal, action) in &rescue.before {
                sigaction(*signal, action, null_mut());
            }
        } else {
            // The second of two at once.
            libc::signal(signal, libc::SIG_DFL);
        }
        libc::raise(signal);
    }
}

/// A terminal in raw mode. Dropped (on a panic too) or overtaken by a fatal signal that nobody catches, it leaves the
/// terminal as it was.
#[derive(Debug)]
pub struct RawMode {
    fd: OwnedFd,
    before: Before,
    farewell: Vec<u8>,
    keys_alone: bool,
    active: bool,
}

struct Before(termios);

impl std::fmt::Debug for Before {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("termios")
    }
}

impl RawMode {
    /// Puts a terminal into raw mode. `farewell` is written when it is left for good: it undoes what the program will have
    /// asked of the terminal (another screen, mouse reports, a hidden cursor).
    ///
    /// # Errors
    /// The system's, when it is no terminal.
    pub fn enter(fd: impl AsFd, farewell: &[u8]) -> io::Result<Self> {
        Self::begin(fd, farewell, false)
    }

    /// Puts a terminal into a mode in which keys come one by one, are not echoed, and send no signals; what was typed before
    /// is discarded. Output is as it was: for a question and its answer.
    ///
    /// # Errors
    /// The system's, when it is no terminal.
    pub fn enter_for_keys(fd: impl AsFd) -> io::Result<Self> {
        let mode = Self::begin(fd, &[], true)?;
        // SAFETY: numbers only.
        check(unsafe { libc::tcflush(mode.fd.as_raw_fd(), libc::TCIFLUSH) })?;
        Ok(mode)
    }

    fn begin(fd: impl AsFd, farewell: &[u8], keys_alone: bool) -> io::Result<Self> {
        let fd = fd.as_fd().try_clone_to_owned()?;
        let before = Before(attributes(fd.as_fd())?);
        let mut mode = Self { fd, before, farewell: farewell.to_vec(), keys_alone, active: false };
        mode.resume()?;
        Ok(mode)
    }

    /// Whether the terminal is in the mode, and not paused.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.active
    }

    /// Raw mode again, after [`Self::pause`] or after somebody else changed it (`SIGCONT`).
    ///
    /// # Errors
    /// The system's.
    pub fn resume(&mut self) -> io::Result<()> {
        if !self.active {
            let mut before = Vec::new();
            let handler = rescue as extern "C" fn(c_int) as sighandler_t;
            for signal in FATAL {
                let action = set_handler(signal, handler)?;
                // The standard library looks at these two for overflows of the stack; it gets them afterwards. Any other
                // handler is somebody who will end the program in order.
                let is_ours =
                    action.sa_sigaction == libc::SIG_DFL || [libc::SIGSEGV, libc::SIGBUS].contains(&signal);
                if action.sa_sigaction == handler || !is_ours {
                    // SAFETY: the action is one that the system itself gave.
                    unsafe { sigaction(signal, &raw const action, null_mut()) };
                } else {
                    before.push((signal, action));
                }
            }
            let farewell = self.farewell.clone();
            let rescue = Rescue { fd: self.fd.as_raw_fd(), attributes: self.before.0, farewell, before };
            // A handler may be looking at the last one: it is not freed. There are few.
            RESCUE.store(Box::into_raw(Box::new(rescue)), Ordering::SeqCst);
            self.active = true;
        }
        let mut raw = self.before.0;
        if self.keys_alone {
            raw.c_lflag &= !(libc::ICANON | libc::ECHO | libc::ISIG);
        } else {
            // SAFETY: the struct outlives the call.
            unsafe { libc::cfmakeraw(&raw mut raw) };
        }
        set_attributes(self.fd.as_fd(), &raw)
    }

    /// Another farewell from now on.
    pub fn set_farewell(&mut self, farewell: &[u8]) {
        self.farewell = farewell.to_vec();
        // SAFETY: the pointer came from a leaked box that is never freed.
        let Some(rescue) = (unsafe { RESCUE.load(Ordering::SeqCst).as_ref() }) else { return };
        if self.active {
            // A handler may be looking at the last one: it is not freed.
            let &Rescue { fd, attributes, ref before, .. } = rescue;
            let rescue = Rescue { fd, attributes, farewell: farewell.to_vec(), before: before.clone() };
            RESCUE.store(Box::into_raw(Box::new(rescue)), Ordering::SeqCst);
        }
    }

    /// The terminal as it was, for as long as the program is stopped. Writes no farewell.
    ///
    /// # Errors
    /// The system's.
    pub fn pause(&mut self) -> io::Result<()> {
        self.disarm();
        set_attributes(self.fd.as_fd(), &self.before.0)
    }

    fn disarm(&mut self) {
        self.active = false;
        let rescue = RESCUE.swap(null_mut(), Ordering::SeqCst);
        // SAFETY: the pointer came from a leaked box that is never freed.
        let Some(rescue) = (unsafe { rescue.as_ref() }) else { return };
        for (signal, action) in &rescue.before {
            // Not where somebody has taken the signal over in the meantime.
            // SAFETY: the structs outlive the calls; the actions are the system's own.
            unsafe {
                let mut now: sigaction = zeroed();
                sigaction(*signal, std::ptr::null(), &raw mut now);
                if now.sa_sigaction == self::rescue as extern "C" fn(c_int) as sighandler_t {
                    sigaction(*signal, action, null_mut());
                }
            }
        }
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // Paused, it is as it was; and a program in the background that touches it is stopped.
        if self.active {
            let _ = write_all(&self.fd, &self.farewell);
            let _ = self.pause();
        }
    }
}

const _: () = assert!(size_of::<c_int>() == 4);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pty;

    #[test]
    fn raw_mode_leaves_the_terminal_as_it_was_also_on_a_panic() {
        let (controller, terminal) = pty::open(Size { columns: 100, rows: 30 }).unwrap();
        assert_eq!(size(&terminal), Some(Size { columns: 100, rows: 30 }));
        assert!(is_terminal(&terminal) && pollable(&terminal));
        let flags = |fd: &OwnedFd| {
            let a = attributes(fd.as_fd()).unwrap();
            (a.c_iflag, a.c_oflag, a.c_cflag, a.c_lflag, a.c_cc)
        };
        let before = flags(&terminal);
        let mut mode = RawMode::enter(&terminal, b"bye").unwrap();
        assert_ne!(flags(&terminal), before);
        mode.pause().unwrap();
        assert_eq!(flags(&terminal), before);
        mode.resume().unwrap();
        assert_ne!(flags(&terminal), before);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _mode = mode;
            panic!("on purpose");
        }));
        assert!(result.is_err());
        assert_eq!(flags(&terminal), before);
        let mut said = [0; 8];
        assert_eq!(crate::fd::read(controller.as_fd(), &mut said).unwrap(), 3);
    }

    #[test]
    fn a_file_and_the_null_device_cannot_be_waited_for() {
        assert!(!pollable(File::open("/dev/null").unwrap()));
        assert!(!pollable(File::open(std::env::current_exe().unwrap()).unwrap()));
        assert!(pollable(io::pipe().unwrap().0));
    }
}
