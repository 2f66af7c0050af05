//! Waiting for the first of several descriptors, or for a deadline.
//!
//! Contract: a [`Waiter`] lives for one turn of a loop. The loop names what it waits for and keeps a [`Token`] of each;
//! [`Waiter::wait`] returns as soon as a source is readable (or closed by its other end), a sink takes more, a descriptor has
//! an error to tell, or the time is up, whichever is first; and [`Ready`] says which tokens *are* ready, so that only these
//! are read. A blocking descriptor (a terminal shared with the shell, whose flags are not ours to change) can then be read
//! once without blocking. Files and `/dev/null` are always ready. A descriptor that is not open is an error of kind
//! [`io::ErrorKind::InvalidInput`]. Where the system is out of memory for the list, nothing is ready for [`SCARCE`], and then
//! it is tried again: a session outlives that.
//!
//! # What it costs, and why it is so
//!
//! [`Waiter::wait`] is one system call, `ppoll`, made inside the task, with the deadline as its timeout: the future is never
//! pending, so that the executor has nothing to do and no reactor is asked. A loop that does all by itself gains nothing from a
//! reactor, and pays for it. Measured with ten keys a second on one path, a turn of the loop on async-io took seven `fstat`
//! (to know a reused descriptor), five `epoll_ctl`, two `epoll_pwait`, two `timerfd_settime`, four `futex` and a `poll`, and
//! its helper thread woke up 34 times a key: it takes the reactor's lock each time the loop releases it, and cannot be
//! switched off. The list is written anew each turn because that costs no system call and nothing to speak of, `ppoll` is
//! handed the whole list anyway, and a list that outlives a turn would either watch a number that by now is another
//! descriptor's, or hold a copy of each descriptor, which keeps open a pipe that its owner has closed.
//!
//! Waiting here holds up the other tasks of the thread. Where there are such, [`first_ready`] waits with async-io.

mod several;
mod system;

pub use several::first_ready;

use libc::pollfd;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// How long nothing is looked at where the system has no means to wait.
pub const SCARCE: Duration = Duration::from_millis(100);

/// What a descriptor has to say whether it is asked for or not.
const UNASKED: i16 = libc::POLLERR | libc::POLLHUP;

/// What is waited for in one turn of a loop.
#[derive(Debug, Default)]
pub struct Waiter<'fd> {
    list: Vec<pollfd>,
    lent: PhantomData<BorrowedFd<'fd>>,
}

/// Stands for a descriptor that is waited for, until the turn is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    place: usize,
    events: i16,
}

/// The tokens of several sources, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    first: usize,
    count: usize,
}

impl Tokens {
    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Token> {
        (self.first..self.first + self.count).map(|place| Token { place, events: libc::POLLIN })
    }
}

/// What was ready when a wait was over.
#[derive(Debug, Default)]
pub struct Ready {
    list: Vec<pollfd>,
}

impl<'fd> Waiter<'fd> {
    /// A waiter for nothing but time.
    #[must_use]
    pub fn new() -> Self {
        Self { list: Vec::with_capacity(16), lent: PhantomData }
    }

    /// Waits for something to read.
    pub fn read(&mut self, source: BorrowedFd<'fd>) -> Token {
        self.add(source, libc::POLLIN)
    }

    /// Waits for something to read in any of them.
    pub fn read_all(&mut self, sources: impl IntoIterator<Item = BorrowedFd<'fd>>) -> Tokens {
        let first = self.list.len();
        let count = sources.into_iter().map(|source| self.add(source, libc::POLLIN)).count();
        Tokens { first, count }
    }

    /// Waits until it takes more.
    pub fn write(&mut self, sink: BorrowedFd<'fd>) -> Token {
        self.add(sink, libc::POLLOUT)
    }

    /// Waits until nobody is left who would read from it.
    pub fn closed(&mut self, sink: BorrowedFd<'fd>) -> Token {
        self.add(sink, 0)
    }

    fn add(&mut self, fd: BorrowedFd<'fd>, events: i16) -> Token {
        self.list.push(pollfd { fd: fd.as_raw_fd(), events, revents: 0 });
        Token { place: self.list.len() - 1, events }
    }

    /// Waits, for `timeout` at most (`None`: for ever). The thread sleeps meanwhile: see the module.
    ///
    /// # Errors
    /// A descriptor that is not open; the failure of poll(2).
    pub async fn wait(self, timeout: Option<Duration>) -> io::Result<Ready> {
        self.block(timeout)
    }

    /// The same for a program that has no executor.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn block(mut self, timeout: Option<Duration>) -> io::Result<Ready> {
        let waited = match system::wait(&mut self.list, timeout) {
            // A signal's handler has run: what it has noted can be read now.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                system::wait(&mut self.list, Some(Duration::ZERO))
            }
            result => result,
        };
        match waited {
            Ok(()) => {}
            // By another signal, at once: the next turn looks again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.forget(),
            Err(error) if is_scarcity(&error) => {
                log::warn!("waiting without the system's help: {error}");
                self.forget();
                system::sleep(timeout.map_or(SCARCE, |timeout| timeout.min(SCARCE)));
            }
            Err(error) => return Err(error),
        }
        match self.list.iter().find(|entry| entry.revents & libc::POLLNVAL != 0) {
            Some(entry) => Err(not_open(entry.fd)),
            None => Ok(Ready { list: self.list }),
        }
    }

    /// Nothing is known to be ready.
    fn forget(&mut self) {
        self.list.iter_mut().for_each(|entry| entry.revents = 0);
    }
}

impl Ready {
    /// Whether it is ready, or closed by its other end, or has an error to tell; no for what was not waited for.
    #[must_use]
    pub fn has(&self, token: impl Into<Option<Token>>) -> bool {
        token.into().is_some_and(|token| self.told(token) & (token.events | UNASKED) != 0)
    }

    /// Whether it has an error to tell.
    #[must_use]
    pub fn has_error(&self, token: Token) -> bool {
        self.told(token) & libc::POLLERR != 0
    }

    /// Whether any of them is ready.
    #[must_use]
    pub fn has_any(&self, tokens: Tokens) -> bool {
        tokens.iter().any(|token| self.has(token))
    }

    fn told(&self, token: Token) -> i16 {
        self.list.get(token.place).map_or(0, |entry| entry.revents)
    }
}

/// Whether `sink` takes more without blocking: a pipe, at least `PIPE_BUF` octets.
#[must_use]
pub fn takes_more(sink: BorrowedFd<'_>) -> bool {
    let mut list = [pollfd { fd: sink.as_raw_fd(), events: libc::POLLOUT, revents: 0 }];
    system::wait(&mut list, Some(Duration::ZERO)).is_ok() && list[0].revents != 0
}

fn not_open(fd: libc::c_int) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("descriptor {fd}, which is to be waited for, is not open"),
    )
}

/// Whether the system lacks something that it may have again in a while.
fn is_scarcity(error: &io::Error) -> bool {
    let lacks = [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOSPC, libc::ENOBUFS, libc::EAGAIN];
    error.raw_os_error().is_some_and(|code| lacks.contains(&code))
}

#[cfg(test)]
mod tests;
