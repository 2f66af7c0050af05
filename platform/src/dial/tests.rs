use super::*;
use crate::interfaces;
use net::InterfaceKind;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// The outcome, once there is one.
fn awaited(dialling: &Dialling) -> io::Result<()> {
    loop {
        let mut poll = libc::pollfd { fd: dialling.as_fd().as_raw_fd(), events: libc::POLLOUT, revents: 0 };
        // SAFETY: one pollfd, which outlives the call.
        assert_eq!(unsafe { libc::poll(&raw mut poll, 1, 20_000) }, 1);
        if let Some(outcome) = dialling.outcome() {
            return outcome;
        }
    }
}

fn loopback(ip: IpAddr) -> LocalAddr {
    let list = interfaces::list();
    let lo = list.iter().find(|interface| interface.kind == InterfaceKind::Loopback).unwrap();
    LocalAddr { ip, interface: Some(lo.index) }
}

#[test]
fn a_connection_out_of_an_interface_carries_octets_and_waits_for_them() {
    for ip in [IpAddr::from([127, 0, 0, 1]), Ipv6Addr::LOCALHOST.into()] {
        let listener = match TcpListener::bind((ip, 0)) {
            Ok(listener) => listener,
            Err(_) if ip.is_ipv6() => continue,
            Err(error) => panic!("{error}"),
        };
        let remote = listener.local_addr().unwrap();
        for from in [None, Some(loopback(ip))] {
            let dialling = Dialling::begin(remote, from).unwrap();
            awaited(&dialling).unwrap();
            let mut stream = dialling.into_stream().unwrap();
            let (mut other, peer) = listener.accept().unwrap();
            assert_eq!(peer, stream.local_addr().unwrap());
            std::thread::scope(|scope| {
                let reader = scope.spawn(|| {
                    let mut octet = [0];
                    stream.read_exact(&mut octet).map(|()| octet)
                });
                other.write_all(b"x").unwrap();
                assert_eq!(reader.join().unwrap().unwrap(), *b"x");
            });
        }
    }
}

#[test]
fn a_source_address_that_was_chosen_is_the_connections() {
    if !cfg!(target_os = "linux") {
        return; // Others have one address on the loopback interface.
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let from = loopback([127, 0, 0, 3].into());
    let dialling = Dialling::begin(listener.local_addr().unwrap(), Some(from)).unwrap();
    awaited(&dialling).unwrap();
    assert_eq!(listener.accept().unwrap().1.ip(), from.ip);
}

#[test]
fn who_refuses_is_told_in_the_end_and_an_interface_that_is_gone_at_once() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = Dialling::begin(free, None).and_then(|dialling| awaited(&dialling)).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    if KEEPS_TO_INTERFACE {
        let from = LocalAddr { ip: [127, 0, 0, 1].into(), interface: Interface::new(0x7fff_fff0) };
        assert!(Dialling::begin(free, Some(from)).is_err());
    }
}

#[test]
fn a_descriptor_goes_to_the_other_end_with_one_octet() {
    let (near, far) = UnixStream::pair().unwrap();
    let (mut kept, given) = UnixStream::pair().unwrap();
    hand_over(given.as_fd(), near.as_fd()).unwrap();
    drop((given, near));
    let mut taken = take(&far);
    kept.write_all(b"through").unwrap();
    let mut heard = [0; 7];
    taken.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"through");
    // To no socket, and to nobody.
    assert!(hand_over(far.as_fd(), std::fs::File::open("/dev/null").unwrap().as_fd()).is_err());
}

/// What [`hand_over`] gave to the other end.
fn take(from: &UnixStream) -> UnixStream {
    let mut room = Room([0; 64]);
    let mut octets = [1_u8; 8];
    let mut data = iovec { iov_base: octets.as_mut_ptr().cast::<c_void>(), iov_len: octets.len() };
    // SAFETY: an empty message; then pointers to buffers with their lengths, which outlive the calls.
    unsafe {
        let mut message: msghdr = zeroed();
        message.msg_iov = &raw mut data;
        message.msg_iovlen = 1;
        message.msg_control = room.0.as_mut_ptr().cast::<c_void>();
        message.msg_controllen = room.0.len() as _;
        assert_eq!(libc::recvmsg(from.as_raw_fd(), &raw mut message, 0), 1);
        assert_eq!(octets[0], 0);
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        assert!(!header.is_null() && (*header).cmsg_type == libc::SCM_RIGHTS);
        let raw = libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned();
        UnixStream::from(OwnedFd::from_raw_fd(raw))
    }
}
