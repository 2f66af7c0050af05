//! Waiting where several tasks wait on one thread: readiness and time come from async-io.

use super::{SCARCE, is_scarcity, system};
use async_io::{Async, Timer};
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

/// Waits until one of `sources` is readable, or `timeout` has passed (`None`: for ever). The answer has a `true` for each
/// source that can be read now, in the order given. Other tasks go on meanwhile.
///
/// # Errors
/// A descriptor that cannot be watched: files and `/dev/null` are refused as [`io::ErrorKind::PermissionDenied`].
pub async fn first_ready(sources: &[BorrowedFd<'_>], timeout: Option<Duration>) -> io::Result<Vec<bool>> {
    match watch(sources, timeout).await {
        Err(error) if is_scarcity(&error) => {
            log::warn!("waiting without the system's help: {error}");
            Timer::after(timeout.map_or(SCARCE, |timeout| timeout.min(SCARCE))).await;
            readable_now(sources)
        }
        result => result,
    }
}

async fn watch(sources: &[BorrowedFd<'_>], timeout: Option<Duration>) -> io::Result<Vec<bool>> {
    let watched = sources.iter().map(|source| Async::new_nonblocking(source.try_clone_to_owned()?));
    let watched = watched.collect::<io::Result<Vec<_>>>()?;
    let mut timer = timeout.map(Timer::after);
    poll_fn(|context| {
        let mut ready = false;
        for source in &watched {
            match source.poll_readable(context) {
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

fn readable_now(sources: &[BorrowedFd<'_>]) -> io::Result<Vec<bool>> {
    let entry =
        |source: &BorrowedFd<'_>| libc::pollfd { fd: source.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut list: Vec<_> = sources.iter().map(entry).collect();
    match system::wait(&mut list, Some(Duration::ZERO)) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(vec![false; list.len()]),
        result => result.map(|()| list.iter().map(|entry| entry.revents != 0).collect()),
    }
}
