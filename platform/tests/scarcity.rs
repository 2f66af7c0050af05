//! Waiting where nothing more can be opened. The limit is the whole process's, so that this has a process of its own.

use mpmosh_platform::wait::{Waiter, first_ready};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Lets the process have this many descriptors; how many it could have before.
fn limit(count: libc::rlim_t) -> libc::rlim_t {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls are given a valid rlimit, and the first fills it.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
        let before = limit.rlim_cur;
        limit.rlim_cur = count;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
        before
    }
}

/// Which of them can be read, as a session waits, and as one of several tasks does.
async fn readable(sources: &[BorrowedFd<'_>], timeout: Option<Duration>) -> std::io::Result<[Vec<bool>; 2]> {
    let mut waiter = Waiter::new();
    let tokens = waiter.read_all(sources.iter().copied());
    let ready = waiter.wait(timeout).await?;
    let alone = tokens.iter().map(|token| ready.has(token)).collect();
    Ok([alone, first_ready(sources, timeout).await?])
}

#[test]
fn a_wait_goes_on_without_descriptors_and_is_itself_again_with_them() {
    async_io::block_on(async {
        let (mut a, b) = UnixStream::pair().unwrap();
        let (mut c, d) = UnixStream::pair().unwrap();
        let short = Some(Duration::from_millis(1));
        assert_eq!(readable(&[b.as_fd()], short).await.unwrap(), [[false]; 2]);
        let next = b.try_clone().unwrap().as_raw_fd();
        let before = limit(next.try_into().unwrap());
        b.try_clone().unwrap_err();
        c.write_all(b"x").unwrap();
        assert_eq!(readable(&[b.as_fd(), d.as_fd()], None).await.unwrap(), [[false, true]; 2]);
        limit(before);
        a.write_all(b"x").unwrap();
        assert_eq!(readable(&[b.as_fd()], None).await.unwrap(), [[true]; 2]);
    });
}
