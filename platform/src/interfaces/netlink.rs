//! Linux's routing socket (`rtnetlink(7)`): notices of changes, and questions about routes. No privilege needed.

use super::Index;
use crate::fd::{self, check, check_len};
use libc::{c_int, sockaddr_nl, socklen_t};
use net::Path;
use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The kernel's notices.
#[derive(Debug)]
pub(super) struct Notices {
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

impl Notices {
    pub(super) fn new() -> io::Result<Self> {
        let groups = libc::RTMGRP_LINK
            | libc::RTMGRP_IPV4_IFADDR
            | libc::RTMGRP_IPV6_IFADDR
            | libc::RTMGRP_IPV4_ROUTE
            | libc::RTMGRP_IPV6_ROUTE
            | libc::RTMGRP_IPV4_RULE
            | RTMGRP_IPV6_RULE;
        open(groups).map(|socket| Self { socket })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether anything has changed since the last call.
    pub(super) fn read(&mut self) -> bool {
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

/// `RTNLGRP_IPV6_RULE` as a bit: changes of the policy rules, which a VPN makes last.
const RTMGRP_IPV6_RULE: c_int = 1 << 18;

/// A plain lookup with an output interface takes any destination for a neighbour when there is no route; asked for the
/// matching entry of the table instead, the kernel says that there is none.
const RTM_F_FIB_MATCH: u32 = 0x2000;

/// Without it the kernel calls every table the main one.
const RTM_F_LOOKUP_TABLE: u32 = 0x1000;

/// `struct rtmsg` and `struct nlmsghdr` in octets.
const RTMSG: usize = 12;
const NLMSGHDR: usize = 16;

/// Asks for the route of a path.
pub(super) fn has_route(path: &Path) -> bool {
    let found = match path.remote.ip() {
        IpAddr::V6(_) if path.local.interface.is_some() => ipv6_way(path).map(|way| way != Ipv6Way::Neither),
        remote => {
            let source = Some(path.local.ip).filter(|ip| !ip.is_unspecified());
            route(remote, source, path.local.interface, Table::Entry).map(|found| found.is_some())
        }
    };
    found.unwrap_or_else(|error| {
        log::debug!("cannot ask for a route: {error}");
        true
    })
}

/// How an IPv6 datagram is made to leave through an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ipv6Way {
    /// Source address and interface.
    Both,
    /// The interface alone: the kernel then chooses the source address, the same one or of the same network.
    InterfaceAlone,
    /// Neither leads out of this interface from this address.
    Neither,
}

/// Asks how to send along a path that names its interface.
///
/// IPv4 keeps to the interface asked for. IPv6 does so only when no source is given: with one, the interface merely
/// breaks ties between routes of the same metric, and a better metric elsewhere wins, so that the datagram leaves there
/// with a source that is not that network's (`ip6_route_output_flags` sets `RT6_LOOKUP_F_IFACE` for an unspecified
/// source; seen on Linux 6.18).
pub(crate) fn ipv6_way(path: &Path) -> io::Result<Ipv6Way> {
    let (remote, local) = (path.remote.ip(), path.local.ip);
    if local.is_unspecified() {
        let found = route(remote, None, path.local.interface, Table::Lookup)?;
        return Ok(if found.is_some() { Ipv6Way::InterfaceAlone } else { Ipv6Way::Neither });
    }
    if route(remote, Some(local), path.local.interface, Table::Lookup)?.is_some() {
        return Ok(Ipv6Way::Both);
    }
    let found = route(remote, None, path.local.interface, Table::Lookup)?;
    let network = |ip: IpAddr| match ip {
        IpAddr::V6(ip) => ip.octets().first_chunk::<8>().copied(),
        IpAddr::V4(_) => None,
    };
    match found.and_then(|found| found.source) {
        Some(source) if network(source) == network(local) => Ok(Ipv6Way::InterfaceAlone),
        _ => Ok(Ipv6Way::Neither),
    }
}

/// Destinations that only a route to the public network covers: reserved for documentation, so no one's neighbours.
const PUBLIC_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const PUBLIC_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1);

/// Whether a route to the public network leads through an interface, for IPv4 and for IPv6: a default route, with a gateway
/// or without one (a mobile modem, a tunnel), or the halves of one.
pub(super) fn public_routes(interface: Index) -> (bool, bool) {
    let has = |ip: IpAddr| route(ip, None, Some(interface), Table::Entry).is_ok_and(|found| found.is_some());
    (has(PUBLIC_V4.into()), has(PUBLIC_V6.into()))
}

/// The interface that the machine's policy sends everything for a destination through, whatever the main table says: the
/// route comes from a table of its own (`ip rule`: WireGuard's and others' full tunnels), or from one of the two halves of
/// a default route that some put beside the real one.
pub(super) fn forced(destination: IpAddr) -> Option<Index> {
    let route = route(destination, None, None, Table::Entry).ok().flatten()?;
    let ordinary = [libc::RT_TABLE_DEFAULT, libc::RT_TABLE_MAIN, libc::RT_TABLE_LOCAL].map(u32::from);
    let half = route.prefix == 1;
    route.out.filter(|_| half || !ordinary.contains(&route.table))
}

/// The interface through which the system would send to a destination.
pub(super) fn chosen(destination: IpAddr) -> Option<Index> {
    route(destination, None, None, Table::Lookup).ok().flatten()?.out
}

/// The bits of the destination of a path's route: from its address, else from any.
pub(super) fn route_bits(path: &Path) -> Option<u8> {
    let source = Some(path.local.ip).filter(|ip| !ip.is_unspecified());
    let from = |source| route(path.remote.ip(), source, path.local.interface, Table::Entry).ok().flatten();
    from(source).or_else(|| from(None)).map(|found| found.prefix)
}

/// Whether the best route to a path's remote address, whichever interface it leads through, does not lead through the
/// path's. A route over several interfaces leads through each of them. No where the kernel does not tell.
pub(super) fn leads_elsewhere(path: &Path) -> bool {
    let source = Some(path.local.ip).filter(|ip| !ip.is_unspecified());
    let answer = ask(&question(path.remote.ip(), source, None, Table::Entry));
    let through = answer.and_then(|answer| read_answer(&answer, path.local.interface));
    through.is_ok_and(|through| through.is_none())
}

/// What to ask of the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Table {
    /// The matching entry of the table.
    Entry,
    /// What it would do with a datagram. For IPv6 only: see [`RTM_F_FIB_MATCH`].
    Lookup,
}

/// A route that leads through the interface asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Route {
    /// The source address that the kernel prefers on it.
    source: Option<IpAddr>,
    /// The interface that it leads through, if it is one.
    out: Option<Index>,
    /// The table that it is in.
    table: u32,
    /// Bits of its destination.
    prefix: u8,
}

/// The route to a destination through an interface, if there is one.
fn route(
    destination: IpAddr,
    source: Option<IpAddr>,
    interface: Option<Index>,
    table: Table,
) -> io::Result<Option<Route>> {
    read_answer(&ask(&question(destination, source, interface, table))?, interface)
}

fn ask(question: &[u8]) -> io::Result<Vec<u8>> {
    let socket = open(0)?;
    // SAFETY: the pointer and the length describe `question`. Without a name it goes to the kernel.
    check_len(unsafe { libc::send(socket.as_raw_fd(), question.as_ptr().cast(), question.len(), 0) })?;
    // The kernel has answered when the call above returns.
    let mut answer = vec![0; 4096];
    let length = fd::read(socket.as_fd(), &mut answer)?;
    answer.truncate(length);
    Ok(answer)
}

fn question(destination: IpAddr, source: Option<IpAddr>, interface: Option<Index>, table: Table) -> Vec<u8> {
    let octets = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let (family, bits) = if destination.is_ipv4() { (libc::AF_INET, 32) } else { (libc::AF_INET6, 128) };
    let mut message = vec![0; NLMSGHDR];
    // rtmsg: family, bits of the destination and of the source, tos, table, protocol, scope, type, flags.
    message.extend([family as u8, bits, if source.is_some() { bits } else { 0 }, 0, 0, 0, 0, 0]);
    message
        .extend(if table == Table::Entry { RTM_F_FIB_MATCH | RTM_F_LOOKUP_TABLE } else { 0 }.to_ne_bytes());
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
/// for (the kernel also answers with another one's), or to ourselves.
fn read_answer(answer: &[u8], interface: Option<Index>) -> io::Result<Option<Route>> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let kind = u16_at(answer, 4).ok_or_else(malformed)?;
    if c_int::from(kind) == libc::NLMSG_ERROR {
        let errno = u32_at(answer, NLMSGHDR).ok_or_else(malformed)? as i32;
        return match -errno {
            // Refused by a policy of the machine (a sandbox): it does not tell.
            libc::EPERM | libc::EACCES | libc::EOPNOTSUPP => Err(io::Error::from_raw_os_error(-errno)),
            _ => Ok(None),
        };
    }
    let route = answer.get(NLMSGHDR..NLMSGHDR + RTMSG).ok_or_else(malformed)?;
    let mut through = match route[7] {
        libc::RTN_UNICAST => interface.is_none(),
        libc::RTN_LOCAL => true,
        _ => return Ok(None),
    };
    let mut found = Route { table: route[4].into(), prefix: route[1], ..Route::default() };
    let mut attributes = answer.get(NLMSGHDR + RTMSG..).unwrap_or_default();
    while let (Some(length), Some(kind)) = (u16_at(attributes, 0), u16_at(attributes, 2)) {
        let Some(value) = attributes.get(4..length.into()) else { break };
        match kind {
            libc::RTA_OIF => {
                found.out = u32_at(value, 0).and_then(Index::new);
                through |= is_index(u32_at(value, 0), interface);
            }
            libc::RTA_TABLE => found.table = u32_at(value, 0).unwrap_or(found.table),
            libc::RTA_MULTIPATH => through |= next_hops(value).any(|index| is_index(Some(index), interface)),
            libc::RTA_PREFSRC => found.source = address(value),
            _ => {}
        }
        attributes = attributes.get(usize::from(length).next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(through.then_some(found))
}

fn is_index(index: Option<u32>, interface: Option<Index>) -> bool {
    index.is_some() && index == interface.map(Index::get)
}

/// The interfaces in a list of `struct rtnexthop`: length, flags, hops, interface.
fn next_hops(mut hops: &[u8]) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let (length, index) = (u16_at(hops, 0)?, u32_at(hops, 4)?);
        hops = hops.get(usize::from(length).next_multiple_of(4).max(8)..).unwrap_or_default();
        Some(index)
    })
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?.first_chunk().map(|octets| u16::from_ne_bytes(*octets))
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..)?.first_chunk().map(|octets| u32::from_ne_bytes(*octets))
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => octets.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
        _ => octets.first_chunk::<16>().map(|octets| IpAddr::from(*octets)),
    }
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
        assert!(read_answer(&answer, None).unwrap().is_some());
        assert_eq!(read_answer(&answer, Index::new(2)).unwrap(), None);
        for length in [0_u16, 3, 4, 9, 4096] {
            let mut lie = answer.clone();
            lie.extend(length.to_ne_bytes());
            lie.extend(libc::RTA_MULTIPATH.to_ne_bytes());
            lie.extend([0; 4]);
            assert_eq!(read_answer(&lie, Index::new(2)).unwrap(), None);
        }
        let mut oif = answer.clone();
        oif.extend(8_u16.to_ne_bytes());
        oif.extend(libc::RTA_OIF.to_ne_bytes());
        oif.extend(2_u32.to_ne_bytes());
        let out = Index::new(2);
        assert_eq!(read_answer(&oif, out).unwrap(), Some(Route { out, ..Route::default() }));
        assert_eq!(read_answer(&oif, Index::new(3)).unwrap(), None);
        oif.extend(8_u16.to_ne_bytes());
        oif.extend(libc::RTA_PREFSRC.to_ne_bytes());
        oif.extend([192, 0, 2, 1]);
        let source = Some([192, 0, 2, 1].into());
        oif.extend(8_u16.to_ne_bytes());
        oif.extend(libc::RTA_TABLE.to_ne_bytes());
        oif.extend(51820_u32.to_ne_bytes());
        let known = Route { source, out, table: 51820, prefix: 0 };
        assert_eq!(read_answer(&oif, out).unwrap(), Some(known));
        answer[NLMSGHDR + 7] = libc::RTN_UNREACHABLE;
        assert_eq!(read_answer(&answer, None).unwrap(), None);
    }

    #[test]
    fn a_route_leads_elsewhere_only_where_the_best_one_is_anothers() {
        let path = |remote: &str, interface| {
            let local = LocalAddr { ip: Ipv4Addr::UNSPECIFIED.into(), interface: Some(interface) };
            Path { local, remote: remote.parse().unwrap() }
        };
        let lo =
            super::super::list().into_iter().find(|i| i.kind == net::InterfaceKind::Loopback).unwrap().index;
        assert!(!leads_elsewhere(&path("127.0.0.1:1", lo)), "the best route is its own");
        // No route to the world leads over the loopback interface, whether there is one or not.
        assert!(leads_elsewhere(&path("203.0.113.1:1", lo)));
    }

    #[test]
    fn a_route_over_several_interfaces_leads_through_each_of_them() {
        let mut answer = vec![0; NLMSGHDR + RTMSG];
        answer[4..6].copy_from_slice(&24_u16.to_ne_bytes());
        answer[NLMSGHDR + 7] = libc::RTN_UNICAST;
        answer.extend(20_u16.to_ne_bytes());
        answer.extend(libc::RTA_MULTIPATH.to_ne_bytes());
        for index in [2_u32, 3] {
            answer.extend(8_u16.to_ne_bytes());
            answer.extend([0; 2]);
            answer.extend(index.to_ne_bytes());
        }
        for (index, leads) in [(2, true), (3, true), (4, false)] {
            assert_eq!(read_answer(&answer, Index::new(index)).unwrap().is_some(), leads, "{index}");
        }
    }

    #[test]
    fn nothing_forces_what_is_for_this_machine_anywhere() {
        assert_eq!(forced("127.0.0.1".parse().unwrap()), None);
    }

    #[test]
    fn nothing_has_changed_at_first() {
        let mut notices = Notices::new().unwrap();
        assert!(!notices.read());
        let mut watch = super::super::Watch::new().unwrap();
        assert!(!watch.read());
        assert!(watch.fd().is_some() && watch.poll_interval().is_none());
    }
}
