//! The filters of paper §3.1, and the order in which pairs get flow ids.

use super::preference::Preference;
use super::{Candidate, Role};
use crate::{InterfaceKind, LocalAddr, Path};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How far an address reaches. The order is that of preference among pairs that are otherwise equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scope {
    /// Everywhere.
    Global,
    /// RFC 1918, RFC 6598, RFC 4193: means something in one network only.
    Private,
    /// On one link: IPv4 169.254/16, IPv6 fe80::/10.
    Link,
    /// On this host.
    Loopback,
}

/// The scope of an address. SPEC \[F-5].
#[must_use]
pub fn scope_of(ip: &IpAddr) -> Scope {
    match ip {
        _ if ip.is_loopback() => Scope::Loopback,
        IpAddr::V4(v4) if v4.is_link_local() => Scope::Link,
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Scope::Link,
        IpAddr::V4(v4) if v4.is_private() || is_shared(v4) => Scope::Private,
        IpAddr::V6(v6) if v6.is_unique_local() => Scope::Private,
        _ => Scope::Global,
    }
}

/// 100.64.0.0/10, behind a carrier's NAT (RFC 6598).
fn is_shared(ip: &Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    first == 100 && second & 0xC0 == 64
}

/// Whether a datagram can go from one to the other: same family, both loopback or neither, both link-local or
/// neither (paper §3.1). An unspecified local address is the system's choice and goes with any of its family.
fn compatible(local: &IpAddr, remote: &IpAddr) -> bool {
    if local.is_ipv4() != remote.is_ipv4() || remote.is_unspecified() || remote.is_multicast() {
        return false;
    }
    let (from, to) = (scope_of(local), scope_of(remote));
    local.is_unspecified()
        || ((from == Scope::Loopback) == (to == Scope::Loopback)
            && (from == Scope::Link) == (to == Scope::Link))
}

/// The path from a candidate to a server address, if they go together. A link-local remote gets the zone of the
/// local interface (RFC 4007 §6): its own means nothing here.
fn pair(local: &Candidate, remote: &SocketAddr) -> Option<Path> {
    if local.role == Role::Never || !compatible(&local.addr.ip, &remote.ip()) {
        return None;
    }
    let mut remote = *remote;
    if let SocketAddr::V6(v6) = &mut remote {
        v6.set_flowinfo(0);
        v6.set_scope_id(match scope_of(&IpAddr::V6(*v6.ip())) {
            Scope::Link => local.addr.interface.map_or(v6.scope_id(), Into::into),
            _ => 0,
        });
    }
    Some(Path { local: local.addr, remote })
}

/// Every compatible pair, in the order in which they are to get flow ids: one for each interface and family comes first,
/// then the rest. Within either the order is that of what the user wants of the interfaces; then come the pairs of the
/// server's first address (the bootstrap reached it), and the others by RFC 6724.
///
/// An address that this host has too is another machine's address, or a bridge that both made for their guests: what is
/// sent there stays here. Unless the server was reached there: then it runs on this machine.
///
/// An address that lingers makes no pair but those that `has_flow`; they come after those of other addresses.
pub(crate) fn pairs(
    locals: &[Candidate],
    remotes: impl Iterator<Item = SocketAddr>,
    has_flow: impl Fn(&Path) -> bool,
) -> Vec<Path> {
    let is_own = |remote: &SocketAddr| locals.iter().any(|local| local.addr.ip == remote.ip());
    let remotes: Vec<SocketAddr> = remotes.collect();
    let here = remotes.first().is_some_and(|first| is_own(first) || first.ip().is_loopback());
    let mut all = Vec::new();
    for (index, remote) in remotes.iter().enumerate().filter(|(_, remote)| here || !is_own(remote)) {
        for local in locals {
            let Some(path) = pair(local, remote) else { continue };
            if local.lingers && !has_flow(&path) {
                continue;
            }
            let wish = (local.lingers, local.role, local.metered);
            let preference = Preference::of(&path.local.ip, &path.remote.ip(), local.kind);
            all.push(((wish, index != 0, preference, kind_order(local.kind), index), path));
        }
    }
    // Stable: what is equal stays in the order of the interfaces.
    all.sort_by_key(|(order, _)| *order);
    let mut ordered: Vec<Path> = all.into_iter().map(|(_, path)| path).collect();
    let mut known = BTreeSet::new();
    ordered.retain(|path| known.insert(*path));
    let mut met = BTreeSet::new();
    let (mut ordered, rest): (Vec<Path>, Vec<Path>) =
        ordered.into_iter().partition(|path| met.insert((path.local.interface, path.local.ip.is_ipv4())));
    ordered.extend(rest);
    ordered
}

/// The one path of a dialect that roams: the system chooses source and interface, as mosh lets it.
pub(crate) fn single(remote: Option<SocketAddr>) -> Option<Path> {
    remote.map(|remote| {
        let ip = match remote {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Path { local: LocalAddr { ip, interface: None }, remote }
    })
}

const fn kind_order(kind: InterfaceKind) -> u8 {
    match kind {
        InterfaceKind::Ethernet => 0,
        InterfaceKind::Wifi => 1,
        InterfaceKind::Cellular => 2,
        InterfaceKind::Other => 3,
        InterfaceKind::Tunnel => 4,
        InterfaceKind::Loopback => 5,
        InterfaceKind::Bridge => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::num::NonZeroU32;

    fn local(ip: &str, interface: u32) -> Candidate {
        Candidate {
            addr: LocalAddr { ip: ip.parse().unwrap(), interface: NonZeroU32::new(interface) },
            kind: InterfaceKind::Ethernet,
            role: Role::Primary,
            metered: false,
            lists: true,
            mtu: None,
            lingers: false,
        }
    }

    fn to(remotes: &[&str]) -> impl Iterator<Item = SocketAddr> {
        remotes.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>().into_iter()
    }

    fn pairs(locals: &[Candidate], remotes: impl Iterator<Item = SocketAddr>) -> Vec<Path> {
        super::pairs(locals, remotes, |_| false)
    }

    #[test]
    fn families_loopback_and_link_local_do_not_mix() {
        let locals =
            [local("192.0.2.1", 1), local("fd00::1", 1), local("127.0.0.1", 2), local("169.254.1.1", 3)];
        for (remote, expected) in [
            ("198.51.100.1:1", "192.0.2.1"),
            ("[2001:db8::1]:1", "fd00::1"),
            ("127.0.0.2:1", "127.0.0.1"),
            ("169.254.9.9:1", "169.254.1.1"),
        ] {
            let found = pairs(&locals, to(&[remote]));
            assert_eq!(found.len(), 1, "{remote}");
            assert_eq!(found[0].local.ip, expected.parse::<IpAddr>().unwrap());
        }
        assert!(pairs(&locals, to(&["0.0.0.0:1", "[::1]:1", "224.0.0.1:1", "[fe80::1]:1"])).is_empty());
    }

    #[test]
    fn a_link_local_server_gets_the_zone_of_the_interface() {
        let found = pairs(&[local("fe80::1", 7), local("fe80::2", 8)], to(&["[fe80::9%3]:1"]));
        let zones: Vec<u32> = found
            .iter()
            .map(|path| match path.remote {
                SocketAddr::V6(v6) => v6.scope_id(),
                SocketAddr::V4(_) => 0,
            })
            .collect();
        assert_eq!(zones, [7, 8]);
    }

    #[test]
    fn an_interface_that_is_never_to_be_used_makes_no_pair() {
        let never = Candidate { role: Role::Never, ..local("192.0.2.1", 1) };
        assert!(pairs(&[never], to(&["198.51.100.1:1"])).is_empty());
    }

    #[test]
    fn the_bootstrap_pair_and_one_of_each_interface_come_first() {
        let locals =
            [local("192.0.2.1", 1), local("192.0.2.2", 1), local("192.0.2.3", 2), local("fd00::3", 2)];
        let found = pairs(&locals, to(&["198.51.100.1:1", "198.51.100.2:1", "[fd00::2]:1"]));
        let first: Vec<IpAddr> = found.iter().take(3).map(|path| path.local.ip).collect();
        assert_eq!(first, ["192.0.2.1", "192.0.2.3", "fd00::3"].map(|ip| ip.parse::<IpAddr>().unwrap()));
        assert_eq!(found.len(), 7);
        assert_eq!(found[0].remote, "198.51.100.1:1".parse().unwrap());
    }

    #[test]
    fn metered_interfaces_come_after_the_others() {
        let metered = Candidate { metered: true, ..local("192.0.2.1", 1) };
        let found = pairs(&[metered, local("192.0.2.3", 2)], to(&["198.51.100.1:1"]));
        assert_eq!(found[0].local.ip, "192.0.2.3".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn an_address_that_lingers_keeps_its_pairs_after_those_of_its_interface_and_makes_no_new_one() {
        let lingers = Candidate { lingers: true, ..local("192.0.2.1", 1) };
        let locals = [lingers, local("192.0.2.3", 1)];
        let remotes = || to(&["198.51.100.1:1", "198.51.100.2:1"]);
        let kept = Path { local: lingers.addr, remote: "198.51.100.1:1".parse().unwrap() };
        let found = super::pairs(&locals, remotes(), |path| *path == kept);
        assert_eq!(found.last(), Some(&kept));
        assert_eq!(found.iter().filter(|path| path.local == lingers.addr).count(), 1);
        assert_eq!(found.len(), 3);
        assert!(pairs(&[lingers], remotes()).is_empty());
    }

    #[test]
    fn an_address_that_both_ends_have_is_not_the_server_s() {
        let locals = [local("192.0.2.1", 1), local("172.17.0.1", 2)];
        let found = pairs(&locals, to(&["198.51.100.1:1", "172.17.0.1:1"]));
        assert!(found.iter().all(|path| path.remote == "198.51.100.1:1".parse().unwrap()), "{found:?}");
        // But a server on this machine has this machine's addresses.
        let found = pairs(&locals, to(&["192.0.2.1:1", "172.17.0.1:1"]));
        assert_eq!(found.len(), 4);
        assert_eq!(
            pairs(&[local("127.0.0.1", 1), local("192.0.2.1", 2)], to(&["127.0.0.1:1", "192.0.2.1:1"])).len(),
            2
        );
    }

    #[test]
    fn beyond_one_for_each_interface_and_family_the_order_is_that_of_rfc_6724() {
        let locals = [local("192.168.1.2", 1), local("2001:db8:1::2", 1)];
        let remotes = ["203.0.113.1:1", "192.168.1.9:1", "10.0.0.9:1", "[fd00::9]:1", "[2001:db8:2::9]:1"];
        let found: Vec<IpAddr> = pairs(&locals, to(&remotes)).iter().map(|path| path.remote.ip()).collect();
        let expected = ["203.0.113.1", "2001:db8:2::9", "192.168.1.9", "10.0.0.9", "fd00::9"];
        assert_eq!(found, expected.map(|ip| ip.parse::<IpAddr>().unwrap()));
    }
}
