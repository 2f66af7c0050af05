//! Linux's routing socket (`rtnetlink(7)`): notices of changes, and questions about routes. No privilege needed.

use super::Index;
use crate::fd::{self, check, check_len};
use libc::{c_int, sockaddr_nl, socklen_t};
use net::Path;
use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// The kernel's notices.
#[derive(Debug)]
pub struct Watch {
    socket: OwnedFd,
}

fn open(groups: c_int) -> io::Result<OwnedFd> {
    let socket = fd::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
    // SAFETY: integers only.
    let mut name: sockaddr_nl = unsafe { zeroed() };
    name.nl_family = libc::AF_NETLINK as _;
    name.nl_groups = groups as u32;
    // SAFETY: the pointer and the length describe `name`, which outlives the call.
    check(unsafe {
        libc::bind(socket.as_raw_fd(), (&raw const name).cast(), size_of::<sockaddr_nl>() as socklen_t)
    })?;
    Ok(socket)
}

impl Watch {
    /// Starts to watch.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> io::Result<Self> {
        let groups = libc::RTMGRP_LINK
            | libc::RTMGRP_IPV4_IFADDR
            | libc::RTMGRP_IPV6_IFADDR
            | libc::RTMGRP_IPV4_ROUTE
            | libc::RTMGRP_IPV6_ROUTE;
        open(groups).map(|socket| Self { socket })
    }

    /// The descriptor to wait for.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.as_fd())
    }

    /// How often to call [`Self::read`] without a descriptor; there is one here.
    #[must_use]
    pub fn poll_interval(&self) -> Option<Duration> {
        None
    }

    /// Whether anything has changed since the last call.
    pub fn read(&mut self) -> bool {
        let mut changed = false;
        let mut buffer = [0; 8192];
        loop {
            match fd::read(self.socket.as_fd(), &mut buffer) {
                Ok(0) => return changed,
                Ok(_) => changed = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return changed,
                // ENOBUFS: some were lost, so there were some. The socket goes on.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => changed = true,
                Err(_) => return changed,
            }
        }
    }
}

/// A plain lookup with an output interface takes any destination for a neighbour when there is no route; asked for the
/// matching entry of the table instead, the kernel says that there is none.
const RTM_F_FIB_MATCH: u32 = 0x2000;

/// `struct rtmsg` and `struct nlmsghdr` in octets.
const RTMSG: usize = 12;
const NLMSGHDR: usize = 16;

/// Asks for the route of a path.
pub(super) fn has_route(path: &Path) -> bool {
    let source = Some(path.local.ip).filter(|ip| !ip.is_unspecified());
    match route(path.remote.ip(), source, path.local.interface) {
        Ok(found) => found,
        Err(error) => {
            log::debug!("cannot ask for a route: {error}");
            true
        }
    }
}

/// Destinations that only a route to the public network covers: reserved for documentation, so no one's neighbours.
const PUBLIC_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const PUBLIC_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1);

/// Whether a route to the public network leads through an interface, for IPv4 and for IPv6: a default route, with a gateway
/// or without one (a mobile modem, a tunnel), or the halves of one.
pub(super) fn public_routes(interface: Index) -> (bool, bool) {
    let has = |ip: IpAddr| route(ip, None, Some(interface)).unwrap_or(false);
    (has(PUBLIC_V4.into()), has(PUBLIC_V6.into()))
}

/// Whether the table of routes has an entry for this destination through this interface.
fn route(destination: IpAddr, source: Option<IpAddr>, interface: Option<Index>) -> io::Result<bool> {
    let socket = open(0)?;
    let question = question(destination, source, interface);
    // SAFETY: the pointer and the length describe `question`. Without a name it goes to the kernel.
    check_len(unsafe { libc::send(socket.as_raw_fd(), question.as_ptr().cast(), question.len(), 0) })?;
    // The kernel has answered when the call above returns.
    let mut answer = [0; 4096];
    let n = fd::read(socket.as_fd(), &mut answer)?;
    read_answer(&answer[..n], interface)
}

fn question(destination: IpAddr, source: Option<IpAddr>, interface: Option<Index>) -> Vec<u8> {
    let octets = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let (family, bits) = if destination.is_ipv4() { (libc::AF_INET, 32) } else { (libc::AF_INET6, 128) };
    let mut message = vec![0; NLMSGHDR];
    // rtmsg: family, bits of the destination and of the source, tos, table, protocol, scope, type, flags.
    message.extend([family as u8, bits, if source.is_some() { bits } else { 0 }, 0, 0, 0, 0, 0]);
    message.extend(RTM_F_FIB_MATCH.to_ne_bytes());
    let mut attribute = |kind: u16, value: &[u8]| {
        message.extend((value.len() as u16 + 4).to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(value);
    };
    attribute(libc::RTA_DST, &octets(destination));
    if let Some(source) = source {
        attribute(libc::RTA_SRC, &octets(source));
    }
    if let Some(interface) = interface {
        attribute(libc::RTA_OIF, &interface.get().to_ne_bytes());
    }
    // nlmsghdr: length, type, flags, sequence, port.
    let length = message.len() as u32;
    message[..4].copy_from_slice(&length.to_ne_bytes());
    message[4..6].copy_from_slice(&libc::RTM_GETROUTE.to_ne_bytes());
    message[6..8].copy_from_slice(&(libc::NLM_F_REQUEST as u16).to_ne_bytes());
    message
}

/// An error means that there is no such route; a route counts when it leads somewhere, and through the interface asked
/// for: for IPv6 the kernel also answers with another interface's when that one has none.
fn read_answer(answer: &[u8], interface: Option<Index>) -> io::Result<bool> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let u16_at = |data: &[u8], at: usize| data.get(at..)?.first_chunk().map(|n| u16::from_ne_bytes(*n));
    let u32_at = |data: &[u8], at: usize| data.get(at..)?.first_chunk().map(|n| u32::from_ne_bytes(*n));
    let kind = u16_at(answer, 4).ok_or_else(malformed)?;
    if c_int::from(kind) == libc::NLMSG_ERROR {
        let errno = u32_at(answer, NLMSGHDR).ok_or_else(malformed)? as i32;
        return match -errno {
            // Refused by a policy of the machine (a sandbox): it does not tell.
            libc::EPERM | libc::EACCES | libc::EOPNOTSUPP => Err(io::Error::from_raw_os_error(-errno)),
            _ => Ok(false),
        };
    }
    let route = answer.get(NLMSGHDR..NLMSGHDR + RTMSG).ok_or_else(malformed)?;
    if !matches!(route[7], libc::RTN_UNICAST | libc::RTN_LOCAL) {
        return Ok(false);
    }
    let Some(interface) = interface.map(Index::get) else { return Ok(true) };
    let mut attributes = answer.get(NLMSGHDR + RTMSG..).unwrap_or_default();
    while let (Some(length), Some(kind)) = (u16_at(attributes, 0), u16_at(attributes, 2)) {
        let Some(value) = attributes.get(4..length.into()) else { break };
        if kind == libc::RTA_OIF && u32_at(value, 0) == Some(interface) {
            return Ok(true);
        }
        if kind == libc::RTA_MULTIPATH {
            // rtnexthop: length, flags, hops, interface.
            let mut hops = value;
            while let (Some(length), Some(index)) = (u16_at(hops, 0), u32_at(hops, 4)) {
                if index == interface {
                    return Ok(true);
                }
                hops = hops.get(usize::from(length).next_multiple_of(4).max(8)..).unwrap_or_default();
            }
        }
        attributes = attributes.get(usize::from(length).next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use net::LocalAddr;

    #[test]
    fn a_route_leads_through_its_own_interface_and_no_other() {
        let interfaces = super::super::list();
        let lo = interfaces.iter().find(|i| i.kind == net::InterfaceKind::Loopback).unwrap();
        let local = LocalAddr { ip: "127.0.0.1".parse().unwrap(), interface: Some(lo.index) };
        assert!(has_route(&Path { local, remote: "127.0.0.1:1".parse().unwrap() }));
        // The loopback interface has no route to the world: a plain lookup would call it a neighbour.
        assert_eq!(public_routes(lo.index), (false, false));
        assert!(!has_route(&Path { local, remote: "203.0.113.1:1".parse().unwrap() }));
        let unspecified = LocalAddr { ip: "0.0.0.0".parse().unwrap(), interface: Some(lo.index) };
        assert!(!has_route(&Path { local: unspecified, remote: "203.0.113.1:1".parse().unwrap() }));
        let gone = LocalAddr { interface: Index::new(0x7FFF_FFFF), ..local };
        assert!(!has_route(&Path { local: gone, remote: "127.0.0.1:1".parse().unwrap() }));
    }

    #[test]
    fn an_answer_that_is_no_answer_is_no_route() {
        assert!(read_answer(&[], None).is_err());
        assert!(read_answer(&[0; 15], None).is_err());
        let mut answer = vec![0; NLMSGHDR + RTMSG];
        answer[4..6].copy_from_slice(&24_u16.to_ne_bytes());
        answer[NLMSGHDR + 7] = libc::RTN_UNICAST;
        assert!(read_answer(&answer, None).unwrap());
        assert!(!read_answer(&answer, Index::new(2)).unwrap());
        for length in [0_u16, 3, 4, 9, 4096] {
            let mut lie = answer.clone();
            lie.extend(length.to_ne_bytes());
            lie.extend(libc::RTA_MULTIPATH.to_ne_bytes());
            lie.extend([0; 4]);
            assert!(!read_answer(&lie, Index::new(2)).unwrap());
        }
        let mut oif = answer.clone();
        oif.extend(8_u16.to_ne_bytes());
        oif.extend(libc::RTA_OIF.to_ne_bytes());
        oif.extend(2_u32.to_ne_bytes());
        assert!(read_answer(&oif, Index::new(2)).unwrap());
        assert!(!read_answer(&oif, Index::new(3)).unwrap());
        answer[NLMSGHDR + 7] = libc::RTN_UNREACHABLE;
        assert!(!read_answer(&answer, None).unwrap());
    }

    #[test]
    fn nothing_has_changed_at_first() {
        let mut watch = Watch::new().unwrap();
        assert!(!watch.read());
        assert!(watch.fd().is_some() && watch.poll_interval().is_none());
    }
}
