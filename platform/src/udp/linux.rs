//! Linux and Android: `IP_PKTINFO`, `IPV6_PKTINFO`, and the error queue (`ip(7)`, `ipv6(7)`).

use super::ask;
use super::cmsg;
use super::layout::{self, LEVEL_IP, LEVEL_IPV6, Layout, Source};
use super::socket::{RawReceived, Socket};
use super::{Family, IcmpError, IcmpKind};
use crate::fd::set_option;
use libc::{IPPROTO_IP, IPPROTO_IPV6, c_int};
use net::{LocalAddr, Path};
use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

pub(super) const HEARS_ICMP: bool = true;

pub(super) const LAYOUT: Layout = layout::linux(size_of::<usize>());

const _: () = {
    // SAFETY: arithmetic on lengths.
    let (space, len) = unsafe { (libc::CMSG_SPACE(20), libc::CMSG_LEN(20)) };
    assert!(LAYOUT.space(20) == space as usize && LAYOUT.len(20) == len as usize);
    assert!(LAYOUT.header == size_of::<libc::cmsghdr>());
    assert!(LEVEL_IP == IPPROTO_IP && LEVEL_IPV6 == IPPROTO_IPV6);
    assert!(matches!(LAYOUT.ipv4_source, Source::PktInfo { kind: libc::IP_PKTINFO, .. }));
    assert!(matches!(LAYOUT.ipv4_pktinfo, [libc::IP_PKTINFO]) && matches!(LAYOUT.ipv4_tos, [libc::IP_TOS]));
    assert!(LAYOUT.ipv6_pktinfo == libc::IPV6_PKTINFO && LAYOUT.ipv6_tclass == libc::IPV6_TCLASS);
    let options = LAYOUT.options;
    assert!(options.ipv4_address == libc::IP_PKTINFO && options.ipv4_mark == libc::IP_TOS);
    assert!(matches!(options.ipv4_tos, Some(libc::IP_RECVTOS)));
    assert!(options.ipv6_pktinfo == libc::IPV6_RECVPKTINFO && options.ipv6_tclass == libc::IPV6_RECVTCLASS);
    assert!(options.ipv6_dont_fragment == libc::IPV6_DONTFRAG);
};

/// `IP_PMTUDISC_DONT`, `_WANT` and `_PROBE`; the same numbers for IPv6.
const DISCOVER_DONT: c_int = 0;
const DISCOVER_WANT: c_int = 1;
const DISCOVER_PROBE: c_int = 3;

/// `IPV6_PREFER_SRC_TMP` (RFC 5014).
const IPV6_ADDR_PREFERENCES: c_int = 72;
const PREFER_TEMPORARY: c_int = 1;

pub(super) fn configure(fd: BorrowedFd<'_>, family: Family) -> io::Result<()> {
    ask::for_arrivals(fd, family)?;
    match family {
        Family::V4 => {
            set_option(fd, IPPROTO_IP, libc::IP_RECVERR, 1)?;
            set_option(fd, IPPROTO_IP, libc::IP_MTU_DISCOVER, DISCOVER_DONT)?;
        }
        Family::V6 => {
            set_option(fd, IPPROTO_IPV6, libc::IPV6_RECVERR, 1)?;
            // Where the kernel chooses the source, it shall choose as `Interface::sources` does.
            let _ = set_option(fd, IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, PREFER_TEMPORARY);
        }
    }
    Ok(())
}

/// `PROBE` sets DF and ignores what the kernel believes of the path, which the probe is about to find out.
pub(super) fn dont_fragment(fd: BorrowedFd<'_>, family: Family, on: bool) -> bool {
    match family {
        Family::V4 => {
            let how = if on { DISCOVER_PROBE } else { DISCOVER_DONT };
            set_option(fd, IPPROTO_IP, libc::IP_MTU_DISCOVER, how).is_ok()
        }
        Family::V6 => {
            let how = if on { DISCOVER_PROBE } else { DISCOVER_WANT };
            // Both in any case, so that no half of it stays on.
            let discover = set_option(fd, IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, how).is_ok();
            set_option(fd, IPPROTO_IPV6, libc::IPV6_DONTFRAG, on.into()).is_ok() && discover
        }
    }
}

/// The most errors taken at once: a flood of them must not hold up the loop. The next call goes on.
const MOST_ERRORS: usize = 64;

/// Takes the queued errors, and tells how many. Those of the local system (its interface's MTU) are the sender's own
/// business and not recorded.
pub(super) fn drain_errors(socket: &Socket, errors: &mut Vec<IcmpError>) -> usize {
    let mut raw = RawReceived::new();
    // The quoted datagram is of no interest.
    let mut quoted = [0; 1];
    let mut count = 0;
    while count < MOST_ERRORS && raw.recv(socket, &mut quoted, libc::MSG_ERRQUEUE).is_ok() {
        count += 1;
        let Some(remote) = raw.name() else { continue };
        let recverr = cmsg::messages(&LAYOUT, raw.control()).find(|message| {
            (message.level, message.kind) == (LEVEL_IP, libc::IP_RECVERR)
                || (message.level, message.kind) == (LEVEL_IPV6, libc::IPV6_RECVERR)
        });
        // The ICMP datagram came to the address that ours left from.
        let arrival = cmsg::decode(&LAYOUT, raw.control());
        let kind = recverr.and_then(|message| told(message.data, remote.ip(), arrival.ip));
        let Some(kind) = kind else { continue };
        let ip = arrival.ip.filter(|ip| ip.is_ipv4() == remote.is_ipv4()).unwrap_or(socket.wildcard());
        let path = Path { local: LocalAddr { ip, interface: arrival.interface }, remote };
        if errors.len() < MOST_ERRORS {
            errors.push(IcmpError { path, kind });
        }
    }
    count
}

/// What an error says of a datagram to `remote`. That nobody listens on a port its host alone can know: from anybody else,
/// this machine among them, it is a firewall's way to refuse.
fn told(data: &[u8], remote: IpAddr, local: Option<IpAddr>) -> Option<IcmpKind> {
    let kind = icmp_kind(data)?;
    let Some(offender) = offender(data).filter(|offender| *offender != remote) else { return Some(kind) };
    Some(match kind {
        IcmpKind::PortUnreachable | IcmpKind::Prohibited if Some(offender) == local => IcmpKind::Here,
        IcmpKind::PortUnreachable => IcmpKind::Prohibited,
        kind => kind,
    })
}

/// Who sent the error: the `struct sockaddr` behind a `struct sock_extended_err` of 16 octets (ip(7), `SO_EE_OFFENDER`).
fn offender(data: &[u8]) -> Option<IpAddr> {
    let address = data.get(16..)?;
    let family = u16::from_ne_bytes(*address.first_chunk()?);
    match i32::from(family) {
        libc::AF_INET => Some(IpAddr::from(*address.get(4..)?.first_chunk::<4>()?)),
        libc::AF_INET6 => Some(IpAddr::from(*address.get(8..)?.first_chunk::<16>()?)),
        _ => None,
    }
}

/// Reads a `struct sock_extended_err`: errno at 0, origin 4, type 5, code 6, info 8.
fn icmp_kind(data: &[u8]) -> Option<IcmpKind> {
    let [_, _, _, _, origin, kind, code, _, info @ ..] = data.first_chunk::<12>()?;
    let mtu = u32::from_ne_bytes(*info);
    Some(match (*origin, *kind, *code) {
        (libc::SO_EE_ORIGIN_ICMP, 3, 3) | (libc::SO_EE_ORIGIN_ICMP6, 1, 4) => IcmpKind::PortUnreachable,
        (libc::SO_EE_ORIGIN_ICMP, 3, 4) | (libc::SO_EE_ORIGIN_ICMP6, 2, _) => IcmpKind::TooBig(mtu),
        (libc::SO_EE_ORIGIN_ICMP, 3, 9 | 10 | 13) | (libc::SO_EE_ORIGIN_ICMP6, 1, 1 | 5) => {
            IcmpKind::Prohibited
        }
        (libc::SO_EE_ORIGIN_ICMP, 3, _) | (libc::SO_EE_ORIGIN_ICMP6, 1, _) => IcmpKind::Unreachable,
        (libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6, _, _) => IcmpKind::Other,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `struct sock_extended_err` of ICMP's port unreachable, sent by this address.
    fn unreachable(by: IpAddr) -> Vec<u8> {
        let icmp6 = by.is_ipv6();
        let mut data = vec![0; 4];
        data.extend(if icmp6 {
            [libc::SO_EE_ORIGIN_ICMP6, 1, 4, 0]
        } else {
            [libc::SO_EE_ORIGIN_ICMP, 3, 3, 0]
        });
        data.extend([0; 8]);
        let family = if icmp6 { libc::AF_INET6 } else { libc::AF_INET };
        data.extend(u16::try_from(family).unwrap().to_ne_bytes());
        data.extend([0; 2]);
        match by {
            IpAddr::V4(ip) => data.extend(ip.octets()),
            IpAddr::V6(ip) => data.extend([&[0; 4][..], &ip.octets()].concat()),
        }
        data
    }

    #[test]
    fn a_port_that_another_than_its_host_refuses_is_a_firewall_s_doing() {
        for (remote, other) in [("198.51.100.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::2")] {
            let [remote, other]: [IpAddr; 2] = [remote, other].map(|ip| ip.parse().unwrap());
            let told = |data: &[u8], local: &str| told(data, remote, local.parse().ok());
            assert_eq!(told(&unreachable(remote), "192.0.2.9"), Some(IcmpKind::PortUnreachable));
            assert_eq!(told(&unreachable(remote), &remote.to_string()), Some(IcmpKind::PortUnreachable));
            assert_eq!(told(&unreachable(other), "192.0.2.9"), Some(IcmpKind::Prohibited));
            assert_eq!(told(&unreachable(other), &other.to_string()), Some(IcmpKind::Here));
            // Whoever does not say who they are is believed, as before there was an offender to look at.
            assert_eq!(told(&unreachable(other)[..16], "192.0.2.9"), Some(IcmpKind::PortUnreachable));
        }
    }
}
