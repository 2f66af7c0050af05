//! FreeBSD, NetBSD, OpenBSD: `IP_SENDSRCADDR` or NetBSD's `IP_PKTINFO`, `IP_RECVDSTADDR`, `IPV6_PKTINFO` (RFC 3542).
//!
//! None of them lets a datagram choose its IPv4 interface, and `IP_SENDSRCADDR` needs a socket bound to the wildcard
//! address and a port.

use super::cmsg::{self, Layout};
use super::socket::Socket;
use super::{Family, IcmpError};
use crate::fd::set_option;
use libc::{IPPROTO_IP, IPPROTO_IPV6, c_int};
use std::io;
use std::os::fd::BorrowedFd;

// SAFETY: arithmetic on lengths.
const ALIGN: usize = unsafe { libc::CMSG_SPACE(1) - libc::CMSG_SPACE(0) } as usize;

#[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
pub(super) const LAYOUT: Layout = cmsg::freebsd(ALIGN);
#[cfg(target_os = "netbsd")]
pub(super) const LAYOUT: Layout = cmsg::netbsd(ALIGN);
#[cfg(target_os = "openbsd")]
pub(super) const LAYOUT: Layout = cmsg::openbsd(ALIGN);

const _: () = {
    // SAFETY: arithmetic on lengths.
    let (space, len) = unsafe { (libc::CMSG_SPACE(17), libc::CMSG_LEN(17)) };
    assert!(LAYOUT.space(17) == space as usize && LAYOUT.len(17) == len as usize);
    assert!(LAYOUT.header == size_of::<libc::cmsghdr>());
};

// The libc crate has not all of these on every system; the numbers are the systems' (tests/abi/).
const IPV6_RECVPKTINFO: c_int = 36;
const IPV6_RECVTCLASS: c_int = 57;
const IPV6_TCLASS: c_int = 61;
const IPV6_DONTFRAG: c_int = 62;
#[cfg(target_os = "freebsd")]
const IP_DONTFRAG: c_int = 67;

/// ECT(0), RFC 3168 §5.
const ECT0: c_int = 2;

pub(super) fn configure(fd: BorrowedFd<'_>, family: Family) -> io::Result<()> {
    match family {
        Family::V4 => {
            set_option(fd, IPPROTO_IP, libc::IP_RECVDSTADDR, 1)?;
            // NetBSD tells the interface by IP_RECVPKTINFO, the others by IP_RECVIF. Without it, or without the marks,
            // the session goes on.
            #[cfg(target_os = "netbsd")]
            let _ = set_option(fd, IPPROTO_IP, libc::IP_RECVPKTINFO, 1);
            #[cfg(not(target_os = "netbsd"))]
            let _ = set_option(fd, IPPROTO_IP, libc::IP_RECVIF, 1);
            #[cfg(target_os = "freebsd")]
            let _ = set_option(fd, IPPROTO_IP, libc::IP_RECVTOS, 1);
            let _ = set_option(fd, IPPROTO_IP, libc::IP_TOS, ECT0);
        }
        Family::V6 => {
            set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)?;
            let _ = set_option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
            let _ = set_option(fd, IPPROTO_IPV6, IPV6_TCLASS, ECT0);
        }
    }
    Ok(())
}

/// OpenBSD and NetBSD cannot set DF on IPv4.
pub(super) fn dont_fragment(fd: BorrowedFd<'_>, family: Family, on: bool) -> bool {
    match family {
        #[cfg(target_os = "freebsd")]
        Family::V4 => set_option(fd, IPPROTO_IP, IP_DONTFRAG, on.into()).is_ok(),
        #[cfg(not(target_os = "freebsd"))]
        Family::V4 => false,
        Family::V6 => set_option(fd, IPPROTO_IPV6, IPV6_DONTFRAG, on.into()).is_ok(),
    }
}

/// An unconnected socket is not told of ICMP errors here.
pub(super) fn drain_errors(_socket: &Socket, _errors: &mut Vec<IcmpError>) -> usize {
    0
}
