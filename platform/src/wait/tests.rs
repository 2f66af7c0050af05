use super::*;
use std::future::Future;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

const SHORT: Option<Duration> = Some(Duration::from_millis(5));

/// Waits as an executor would whose task is never pending.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the wait is left to a reactor"),
    }
}

fn readable<'fd>(sources: &[BorrowedFd<'fd>], timeout: Option<Duration>) -> Vec<bool> {
    let mut waiter = Waiter::new();
    let tokens = waiter.read_all(sources.iter().copied());
    let ready = now(waiter.wait(timeout)).unwrap();
    assert_eq!(ready.has_any(tokens), tokens.iter().any(|token| ready.has(token)));
    tokens.iter().map(|token| ready.has(token)).collect()
}

#[test]
fn the_readable_source_is_named_and_a_deadline_names_none() {
    let (mut a, b) = UnixStream::pair().unwrap();
    let (_c, d) = UnixStream::pair().unwrap();
    assert_eq!(readable(&[b.as_fd(), d.as_fd()], SHORT), [false, false]);
    a.write_all(b"x").unwrap();
    for _ in 0..3 {
        assert_eq!(readable(&[d.as_fd(), b.as_fd()], None), [false, true]);
    }
    (&b).read_exact(&mut [0]).unwrap();
    assert_eq!(readable(&[b.as_fd(), d.as_fd()], SHORT), [false, false]);
    drop(a);
    assert_eq!(readable(&[b.as_fd()], None), [true], "closed by its other end");
}

#[test]
fn a_reused_descriptor_number_is_a_new_source() {
    for _ in 0..3 {
        let (mut a, b) = UnixStream::pair().unwrap();
        assert_eq!(readable(&[b.as_fd()], SHORT), [false]);
        a.write_all(b"x").unwrap();
        assert_eq!(readable(&[b.as_fd()], None), [true]);
    }
}

#[test]
fn a_sink_that_takes_more_ends_the_wait_and_a_source_beside_it_is_told_apart() {
    let (a, b) = UnixStream::pair().unwrap();
    a.set_nonblocking(true).unwrap();
    while (&a).write(&[0; 4096]).is_ok() {}
    while (&a).write(&[0]).is_ok() {}
    let both = |timeout| {
        let mut waiter = Waiter::new();
        let (read, write) = (waiter.read(a.as_fd()), waiter.write(a.as_fd()));
        let ready = now(waiter.wait(timeout)).unwrap();
        (ready.has(read), ready.has(write))
    };
    assert_eq!(both(SHORT), (false, false));
    assert!(!takes_more(a.as_fd()));
    let reader = std::thread::spawn(move || io::copy(&mut &b, &mut io::sink()).unwrap());
    assert_eq!(both(None), (false, true));
    assert!((&a).write(&[0]).is_ok());
    drop(a);
    assert!(reader.join().unwrap() > 0);
}

#[test]
fn a_file_is_always_ready_and_what_was_not_waited_for_never() {
    let null = std::fs::File::open("/dev/null").unwrap();
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    assert_eq!(readable(&[null.as_fd(), file.as_fd()], None), [true, true]);
    let refused = async_io::block_on(first_ready(&[null.as_fd()], None));
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied, "epoll does not take it");
    assert!(!now(Waiter::new().wait(SHORT)).unwrap().has(None));
}

#[test]
fn an_error_that_a_socket_has_to_tell_is_no_silence() {
    use std::net::UdpSocket;
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(closed).unwrap();
    socket.send(b"x").unwrap();
    let mut waiter = Waiter::new();
    let token = waiter.read(socket.as_fd());
    let ready = now(waiter.wait(None)).unwrap();
    assert!(ready.has(token) && ready.has_error(token));
}

#[test]
fn a_descriptor_that_is_not_open_is_a_clear_error() {
    let (a, b) = UnixStream::pair().unwrap();
    // SAFETY: no one reads or writes this number; it is not open, or another's to look at for this moment.
    let stale = unsafe { BorrowedFd::borrow_raw(1 << 18) };
    let mut waiter = Waiter::new();
    waiter.read_all([a.as_fd(), stale, b.as_fd()]);
    let error = now(waiter.wait(None)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("262144"), "{error}");
}

#[test]
fn a_signal_ends_the_wait_and_what_it_brought_is_ready() {
    use std::os::unix::thread::JoinHandleExt;
    extern "C" fn note(_signal: libc::c_int) {}
    crate::signals::set_handler(libc::SIGURG, note as extern "C" fn(libc::c_int) as libc::sighandler_t)
        .unwrap();
    let (a, b) = UnixStream::pair().unwrap();
    let (done, ended) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || {
        let ready = readable(&[b.as_fd()], None);
        done.send(()).unwrap();
        ready
    });
    // It may come before the wait begins: until it has ended one.
    while ended.recv_timeout(Duration::from_millis(1)).is_err() {
        // SAFETY: the thread has not been joined; the signal is caught.
        unsafe { libc::pthread_kill(waiting.as_pthread_t(), libc::SIGURG) };
    }
    assert_eq!(waiting.join().unwrap(), [false]);
    drop(a);
}

#[cfg(feature = "terminal")]
#[test]
fn select_tells_what_poll_tells() {
    let (mut a, b) = UnixStream::pair().unwrap();
    let (controller, terminal) = crate::pty::open(crate::tty::Size::DEFAULT).unwrap();
    let entry = |fd: BorrowedFd<'_>, events| pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    let mut list = [
        entry(b.as_fd(), libc::POLLIN),
        entry(a.as_fd(), libc::POLLOUT),
        entry(terminal.as_fd(), libc::POLLIN),
        entry(controller.as_fd(), libc::POLLIN),
    ];
    let told = |list: &mut [pollfd; 4]| {
        system::by_select::wait(list, Some(Duration::ZERO)).unwrap();
        let selected = list.map(|entry| entry.revents);
        system::wait(list, Some(Duration::ZERO)).unwrap();
        assert_eq!(list.map(|entry| entry.revents), selected);
        selected.map(|events| events != 0)
    };
    assert_eq!(told(&mut list), [false, true, false, false]);
    a.write_all(b"x").unwrap();
    crate::pty::write(&terminal, b"y").unwrap();
    assert_eq!(told(&mut list), [true, true, false, true]);
    list[0].fd = 1 << 18;
    let error = system::by_select::wait(&mut list, None).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}
