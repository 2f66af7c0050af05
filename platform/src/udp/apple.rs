//! macOS: `IP_PKTINFO` with either an interface or an address, `IPV6_PKTINFO` (RFC 3542), `IP_DONTFRAG`.

pub(super) use super::ask::{for_arrivals as configure, not_to_fragment as dont_fragment};

use super::IcmpError;
use super::layout::{self, Layout, Source};
use super::socket::Socket;

pub(super) const HEARS_ICMP: bool = false;

pub(super) const LAYOUT: Layout = layout::apple();

const _: () = {
    // SAFETY: arithmetic on lengths.
    let (space, len) = unsafe { (libc::CMSG_SPACE(17), libc::CMSG_LEN(17)) };
    assert!(LAYOUT.space(17) == space as usize && LAYOUT.len(17) == len as usize);
    assert!(LAYOUT.header == size_of::<libc::cmsghdr>());
    assert!(layout::LEVEL_IP == libc::IPPROTO_IP && layout::LEVEL_IPV6 == libc::IPPROTO_IPV6);
    assert!(matches!(LAYOUT.ipv4_source, Source::PktInfo { kind: libc::IP_PKTINFO, .. }));
    assert!(matches!(LAYOUT.ipv4_pktinfo, [libc::IP_PKTINFO]));
    assert!(matches!(LAYOUT.ipv4_tos, [libc::IP_RECVTOS]));
    assert!(LAYOUT.ipv6_pktinfo == libc::IPV6_PKTINFO && LAYOUT.ipv6_tclass == libc::IPV6_TCLASS);
    let options = LAYOUT.options;
    assert!(options.ipv4_mark == libc::IP_TOS);
    assert!(matches!(options.ipv4_tos, Some(libc::IP_RECVTOS)));
    assert!(matches!(options.ipv4_dont_fragment, Some(libc::IP_DONTFRAG)));
    assert!(options.ipv6_pktinfo == libc::IPV6_RECVPKTINFO && options.ipv6_tclass == libc::IPV6_RECVTCLASS);
    assert!(options.ipv6_dont_fragment == libc::IPV6_DONTFRAG);
};

/// An unconnected socket is not told of ICMP errors here.
pub(super) fn drain_errors(_socket: &Socket, _errors: &mut Vec<IcmpError>) -> usize {
    0
}
