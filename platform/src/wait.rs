//! Waiting for the first of several descriptors, or for a deadline.
//!
//! Contract: [`Waiter::wait`] returns as soon as a source is readable (or closed by its other end), a sink takes more,
//! or the time is up, whichever is first, and says which sources *are* readable, so that a blocking descriptor (a terminal shared
//! with the shell, whose flags are not ours to change) can be read once without blocking. Descriptors that the
//! system cannot watch (files, `/dev/null`) are an error of kind [`io::ErrorKind::PermissionDenied`]. Where the system is out of
//! descriptors or memory, it looks every [`SCARCE`] until there are some again: a session outlives that.

use async_io::{Async, Timer};
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

/// How long nothing is looked at where the system has no means to wait.
pub const SCARCE: Duration = Duration::from_millis(100);

/// What a descriptor is watched for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Read,
    Write,
}

/// Which descriptor a registration stands for: its number, what stood behind it, and what for.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    direction: Direction,
    fd: RawFd,
    device: u64,
    inode: u64,
}

/// Keeps descriptors registered with the reactor from one wait to the next.
#[derive(Default)]
pub struct Waiter {
    registered: Vec<(Identity, Async<OwnedFd>)>,
}

impl Waiter {
    /// A waiter that watches nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits until one of `sources` is readable, or one of `sinks` takes more, or `timeout` has passed (`None`: for
    /// ever). The answer has a `true` for each source that can be read now, in the order given.
    ///
    /// # Errors
    /// A descriptor that cannot be watched, or the failure of poll(2).
    pub async fn wait(
        &mut self,
        sources: &[BorrowedFd<'_>],
        sinks: &[BorrowedFd<'_>],
        timeout: Option<Duration>,
    ) -> io::Result<Vec<bool>> {
        match self.watch(sources, sinks, timeout).await {
            Err(error) if is_scarcity(&error) => {
                log::warn!("waiting without the system's help: {error}");
                self.registered.clear();
                Timer::after(timeout.map_or(SCARCE, |timeout| timeout.min(SCARCE))).await;
                readable_now(sources)
            }
            result => result,
        }
    }

    async fn watch(
        &mut self,
        sources: &[BorrowedFd<'_>],
        sinks: &[BorrowedFd<'_>],
        timeout: Option<Duration>,
    ) -> io::Result<Vec<bool>> {
        let (reading, writing) = (Direction::Read, Direction::Write);
        let wanted: Vec<_> =
            sources.iter().map(|fd| (fd, reading)).chain(sinks.iter().map(|fd| (fd, writing))).collect();
        self.register(&wanted)?;
        let mut timer = timeout.map(Timer::after);
        let registered = &self.registered;
        poll_fn(|context| {
            let mut ready = false;
            for (identity, watched) in registered {
                let polled = match identity.direction {
                    Direction::Read => watched.poll_readable(context),
                    Direction::Write => watched.poll_writable(context),
                };
                match polled {
                    Poll::Ready(Ok(())) => ready = true,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {}
                }
            }
            let late = timer.as_mut().is_some_and(|timer| Pin::new(timer).poll(context).is_ready());
            if ready || late { Poll::Ready(Ok(())) } else { Poll::Pending }
        })
        .await?;
        readable_now(sources)
    }

    /// Registers what is new and forgets what is no longer asked for.
    fn register(&mut self, descriptors: &[(&BorrowedFd<'_>, Direction)]) -> io::Result<()> {
        let wanted =
            descriptors.iter().map(|(fd, way)| identity(fd, *way)).collect::<io::Result<Vec<_>>>()?;
        self.registered.retain(|(known, _)| wanted.contains(known));
        for ((source, _), identity) in descriptors.iter().zip(wanted) {
            if !self.registered.iter().any(|(known, _)| *known == identity) {
                let watched = Async::new_nonblocking(source.try_clone_to_owned()?)?;
                self.registered.push((identity, watched));
            }
        }
        Ok(())
    }
}

/// Whether `sink` takes more without blocking: a pipe, at least `PIPE_BUF` octets.
#[must_use]
pub fn takes_more(sink: BorrowedFd<'_>) -> bool {
    let mut polled = libc::pollfd { fd: sink.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: one entry, which outlives the call.
    unsafe { libc::poll(&raw mut polled, 1, 0) > 0 }
}

/// Whether the system lacks something that it may have again in a while.
fn is_scarcity(error: &io::Error) -> bool {
    let lacks = [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOSPC, libc::ENOBUFS, libc::EAGAIN];
    error.raw_os_error().is_some_and(|code| lacks.contains(&code))
}

fn identity(source: &BorrowedFd<'_>, direction: Direction) -> io::Result<Identity> {
    // SAFETY: an all-zero stat is a valid value, and fstat writes into it only.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open for as long as it is borrowed, and `stat` is writable.
    if unsafe { libc::fstat(source.as_raw_fd(), &raw mut stat) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Identity { direction, fd: source.as_raw_fd(), device: stat.st_dev as u64, inode: stat.st_ino as u64 })
}

/// poll(2) with no waiting.
fn readable_now(sources: &[BorrowedFd<'_>]) -> io::Result<Vec<bool>> {
    let mut polled: Vec<libc::pollfd> = sources
        .iter()
        .map(|source| libc::pollfd { fd: source.as_raw_fd(), events: libc::POLLIN, revents: 0 })
        .collect();
    // SAFETY: the pointer and the length describe `polled`.
    let count = unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, 0) };
    if count < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::Interrupted {
            Ok(vec![false; sources.len()])
        } else {
            Err(error)
        };
    }
    Ok(polled.iter().map(|entry| entry.revents != 0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_readable_source_is_named_and_a_deadline_names_none() {
        async_io::block_on(async {
            let (mut a, b) = UnixStream::pair().unwrap();
            let (_c, d) = UnixStream::pair().unwrap();
            let mut waiter = Waiter::new();
            let short = Some(Duration::from_millis(5));
            assert_eq!(waiter.wait(&[b.as_fd(), d.as_fd()], &[], short).await.unwrap(), [false, false]);
            a.write_all(b"x").unwrap();
            for _ in 0..3 {
                assert_eq!(waiter.wait(&[d.as_fd(), b.as_fd()], &[], None).await.unwrap(), [false, true]);
            }
            (&b).read_exact(&mut [0]).unwrap();
            assert_eq!(waiter.wait(&[b.as_fd(), d.as_fd()], &[], short).await.unwrap(), [false, false]);
            drop(a);
            assert_eq!(waiter.wait(&[b.as_fd()], &[], None).await.unwrap(), [true]);
        });
    }

    #[test]
    fn a_reused_descriptor_number_is_a_new_source() {
        async_io::block_on(async {
            let mut waiter = Waiter::new();
            let short = Some(Duration::from_millis(1));
            for _ in 0..3 {
                let (mut a, b) = UnixStream::pair().unwrap();
                assert_eq!(waiter.wait(&[b.as_fd()], &[], short).await.unwrap(), [false]);
                a.write_all(b"x").unwrap();
                assert_eq!(waiter.wait(&[b.as_fd()], &[], None).await.unwrap(), [true]);
            }
        });
    }

    #[test]
    fn a_sink_that_takes_more_ends_the_wait() {
        async_io::block_on(async {
            let (a, b) = UnixStream::pair().unwrap();
            a.set_nonblocking(true).unwrap();
            while (&a).write(&[0; 4096]).is_ok() {}
            while (&a).write(&[0]).is_ok() {}
            let mut waiter = Waiter::new();
            waiter.wait(&[], &[a.as_fd()], Some(Duration::from_millis(5))).await.unwrap();
            assert!((&a).write(&[0]).is_err());
            let reader = std::thread::spawn(move || io::copy(&mut &b, &mut io::sink()).unwrap());
            waiter.wait(&[], &[a.as_fd()], None).await.unwrap();
            assert!((&a).write(&[0]).is_ok());
            drop((waiter, a));
            assert!(reader.join().unwrap() > 0);
        });
    }

    #[test]
    fn a_file_cannot_be_waited_for() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let waited = async_io::block_on(Waiter::new().wait(&[file.as_fd()], &[], None));
        assert_eq!(waited.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }
}
