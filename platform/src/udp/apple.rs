//! macOS: `IP_PKTINFO` with either an interface or an address, `IPV6_PKTINFO` (RFC 3542), `IP_DONTFRAG`.

use super::cmsg::{self, Layout};
use super::socket::Socket;
use super::{Family, IcmpError};
use crate::fd::set_option;
use libc::{IPPROTO_IP, IPPROTO_IPV6, c_int};
use std::io;
use std::os::fd::BorrowedFd;

pub(super) const LAYOUT: Layout = cmsg::apple();

const _: () = {
    // SAFETY: arithmetic on lengths.
    let (space, len) = unsafe { (libc::CMSG_SPACE(17), libc::CMSG_LEN(17)) };
    assert!(LAYOUT.space(17) == space as usize && LAYOUT.len(17) == len as usize);
    assert!(LAYOUT.header == size_of::<libc::cmsghdr>());
};

// The libc crate has not all of these; the numbers are the system's (tests/abi/apple.txt).
const IP_RECVPKTINFO: c_int = 26;
const IP_RECVTOS: c_int = 27;
const IP_DONTFRAG: c_int = 28;
const IPV6_RECVTCLASS: c_int = 35;
const IPV6_TCLASS: c_int = 36;
const IPV6_RECVPKTINFO: c_int = 61;
const IPV6_DONTFRAG: c_int = 62;

/// ECT(0), RFC 3168 §5.
const ECT0: c_int = 2;

pub(super) fn configure(fd: BorrowedFd<'_>, family: Family) -> io::Result<()> {
    match family {
        Family::V4 => {
            set_option(fd, IPPROTO_IP, IP_RECVPKTINFO, 1)?;
            // Without these two only congestion marks are missed.
            let _ = set_option(fd, IPPROTO_IP, IP_RECVTOS, 1);
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

pub(super) fn dont_fragment(fd: BorrowedFd<'_>, family: Family, on: bool) -> bool {
    match family {
        Family::V4 => set_option(fd, IPPROTO_IP, IP_DONTFRAG, on.into()).is_ok(),
        Family::V6 => set_option(fd, IPPROTO_IPV6, IPV6_DONTFRAG, on.into()).is_ok(),
    }
}

/// An unconnected socket is not told of ICMP errors here.
pub(super) fn drain_errors(_socket: &Socket, _errors: &mut Vec<IcmpError>) -> usize {
    0
}
