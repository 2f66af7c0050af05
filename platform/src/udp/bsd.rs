//! FreeBSD, NetBSD, OpenBSD: `IP_SENDSRCADDR` or NetBSD's `IP_PKTINFO`, `IP_RECVDSTADDR`, `IPV6_PKTINFO` (RFC 3542).
//!
//! None of them lets a datagram choose its IPv4 interface, and `IP_SENDSRCADDR` needs a socket bound to the wildcard
//! address and a port.

pub(super) use super::ask::{for_arrivals as configure, not_to_fragment as dont_fragment};

use super::IcmpError;
use super::layout::{self, Layout, Source};
use super::socket::Socket;

// SAFETY: arithmetic on lengths.
const ALIGN: usize = unsafe { libc::CMSG_SPACE(1) - libc::CMSG_SPACE(0) } as usize;

pub(super) const HEARS_ICMP: bool = false;

#[cfg(target_os = "freebsd")]
pub(super) const LAYOUT: Layout = layout::freebsd(ALIGN);
#[cfg(target_os = "netbsd")]
pub(super) const LAYOUT: Layout = layout::netbsd(ALIGN);
#[cfg(target_os = "openbsd")]
pub(super) const LAYOUT: Layout = layout::openbsd(ALIGN);

const _: () = {
    // SAFETY: arithmetic on lengths.
    let (space, len) = unsafe { (libc::CMSG_SPACE(17), libc::CMSG_LEN(17)) };
    assert!(LAYOUT.space(17) == space as usize && LAYOUT.len(17) == len as usize);
    assert!(LAYOUT.header == size_of::<libc::cmsghdr>());
    assert!(layout::LEVEL_IP == libc::IPPROTO_IP && layout::LEVEL_IPV6 == libc::IPPROTO_IPV6);
    assert!(matches!(LAYOUT.ipv4_destination, Some(libc::IP_RECVDSTADDR)));
    assert!(matches!(LAYOUT.ipv4_interface, Some(libc::IP_RECVIF)) || cfg!(target_os = "netbsd"));
    assert!(LAYOUT.ipv6_pktinfo == libc::IPV6_PKTINFO && LAYOUT.ipv6_tclass == libc::IPV6_TCLASS);
    let options = LAYOUT.options;
    assert!(options.ipv4_address == libc::IP_RECVDSTADDR && options.ipv4_mark == libc::IP_TOS);
    assert!(options.ipv6_pktinfo == libc::IPV6_RECVPKTINFO && options.ipv6_tclass == libc::IPV6_RECVTCLASS);
    assert!(options.ipv6_dont_fragment == libc::IPV6_DONTFRAG);
};

#[cfg(not(target_os = "netbsd"))]
const _: () = {
    assert!(matches!(LAYOUT.ipv4_source, Source::Address { kind: libc::IP_SENDSRCADDR }));
    assert!(matches!(LAYOUT.options.ipv4_interface, Some(libc::IP_RECVIF)));
};

#[cfg(target_os = "netbsd")]
const _: () = {
    assert!(matches!(LAYOUT.ipv4_source, Source::PktInfo { kind: libc::IP_PKTINFO, .. }));
    assert!(matches!(LAYOUT.ipv4_pktinfo, [libc::IP_PKTINFO, libc::IP_RECVPKTINFO]));
    assert!(matches!(LAYOUT.options.ipv4_interface, Some(libc::IP_RECVPKTINFO)));
};

#[cfg(target_os = "freebsd")]
const _: () = {
    assert!(matches!(LAYOUT.ipv4_tos, [libc::IP_RECVTOS]));
    assert!(matches!(LAYOUT.options.ipv4_tos, Some(libc::IP_RECVTOS)));
    assert!(matches!(LAYOUT.options.ipv4_dont_fragment, Some(libc::IP_DONTFRAG)));
};

/// An unconnected socket is not told of ICMP errors here.
pub(super) fn drain_errors(_socket: &Socket, _errors: &mut Vec<IcmpError>) -> usize {
    0
}
