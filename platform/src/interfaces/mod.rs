//! The machine's interfaces: their addresses, what they are, whether a route leads through them, and a notice when any of
//! this changes.
//!
//! [`list`] asks everything (about a millisecond) and is called after a change; [`Watch`] tells of changes, [`Looks`] when to look;
//! [`has_route`] says whether a datagram of a path would really be routed.
//!
//! What every system's module gives (`netlink.rs`, `routing.rs`, `android.rs`):
//!
//! - `Notices`: `new`, which fails where the system gives none; `fd`, readable when something may have changed; `read`, which
//!   never waits and says whether anything has changed since the last call. A change may be reported twice and that of
//!   something else too, never not at all. Where there are none, [`Watch`] compares the addresses (`polling.rs`);
//! - `has_route`: whether a datagram of a path would leave through its interface; yes where the system cannot be asked;
//! - `leads_elsewhere`: whether the best route to a path's remote address is another interface's; no where the system cannot
//!   be asked;
//! - `chosen`: the interface through which the system itself would send to an address; none where it cannot be asked;
//! - `route_bits`: the bits of the destination of the route of a path; none where the system cannot be asked;
//! - `public_routes`: whether a route to the public network leads through an interface, IPv4 and IPv6, beyond the gateways
//!   that [`list`] finds itself.
//!
//! | system | notice of changes | [`has_route`] | gateways | IPv6 address flags | kind |
//! |---|---|---|---|---|---|
//! | Linux | netlink | asks the kernel | yes | yes | told |
//! | macOS | routing socket | always yes | yes | yes | told, but for WiFi and cellular by name |
//! | FreeBSD, NetBSD, OpenBSD | routing socket | always yes | yes | yes | told, tunnels by name |
//! | Android | none, netlink is denied to apps: compares the addresses every few seconds | always yes | no | no | by name |

#[cfg(target_os = "android")]
mod android;
mod looks;
#[cfg(target_os = "linux")]
mod netlink;
mod polling;
// Everywhere, so that it is tested everywhere; Android has no use for it.
#[cfg(any(test, not(linux_kernel)))]
mod route_message;
#[cfg(not(linux_kernel))]
mod routing;
mod watch;

#[cfg(target_os = "android")]
use android as system;
#[cfg(target_os = "linux")]
use netlink as system;
#[cfg(not(linux_kernel))]
use routing as system;

pub use looks::Looks;
#[cfg(target_os = "linux")]
pub(crate) use netlink::{Ipv6Way, ipv6_way};
pub use watch::Watch;

use net::{Interface as Index, InterfaceKind, LocalAddr, Path};
use netdev::interface::types::InterfaceType;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// An interface of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interface {
    /// Its index.
    pub index: Index,
    /// Its name.
    pub name: String,
    /// What sort of network it leads to.
    pub kind: InterfaceKind,
    /// What state it is in.
    pub state: State,
    /// The largest IP packet it takes, where known.
    pub mtu: Option<u32>,
    /// Owns a default route for IPv4 (or one that covers the public network).
    pub default_v4: bool,
    /// The same for IPv6.
    pub default_v6: bool,
    /// Its addresses.
    pub addresses: Vec<Address>,
}

/// The state of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Switched off.
    #[default]
    Down,
    /// Switched on, without a carrier.
    NoCarrier,
    /// Switched on, and with a carrier as far as the system tells.
    Running,
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// Leading bits that its network shares.
    pub prefix: u8,
    /// What the system says of an IPv6 address.
    pub flags: AddressFlags,
}

/// What the system says of an IPv6 address (RFC 4862, RFC 8981). All false for IPv4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddressFlags {
    /// Made up for a while, for privacy: preferred over the lasting one of the same prefix.
    pub temporary: bool,
    /// Not for new conversations.
    pub deprecated: bool,
    /// Not yet, or not at all, known to be the only one: cannot be used.
    pub tentative: bool,
}

impl Address {
    /// Whether new conversations may start from it.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        !self.flags.deprecated && !self.flags.tentative
    }
}

impl Interface {
    /// One that is switched on, without addresses and without a default route.
    #[must_use]
    pub fn new(index: Index, name: impl Into<String>, kind: InterfaceKind) -> Self {
        Self {
            index,
            name: name.into(),
            kind,
            state: State::Running,
            mtu: None,
            default_v4: false,
            default_v6: false,
            addresses: Vec::new(),
        }
    }

    /// The addresses to start conversations from, up and usable: every IPv4 one, and of each IPv6 prefix one, a temporary
    /// one if there is one. Link-local ones are among them.
    #[must_use]
    pub fn sources(&self) -> Vec<LocalAddr> {
        if self.state != State::Running {
            return Vec::new();
        }
        let usable = || self.addresses.iter().filter(|address| address.is_usable());
        let network = |a: &Address| match a.ip {
            IpAddr::V6(ip) if a.prefix < 128 => {
                let bits = u128::from(ip) >> (128 - u32::from(a.prefix));
                Some((bits, a.prefix))
            }
            _ => None,
        };
        let chosen = |a: &&Address| {
            let Some(net) = network(a) else { return true };
            let mut rivals = usable().filter(|b| network(b) == Some(net));
            rivals.clone().find(|b| b.flags.temporary).or_else(|| rivals.next()) == Some(*a)
        };
        usable().filter(chosen).map(|a| LocalAddr { ip: a.ip, interface: Some(self.index) }).collect()
    }

    /// The addresses that conversations which began there may go on from, and that no new one is to begin from: those
    /// deprecated, and those that [`Interface::sources`] prefers another to.
    #[must_use]
    pub fn lingering(&self) -> Vec<LocalAddr> {
        if self.state != State::Running {
            return Vec::new();
        }
        let sources = self.sources();
        let all = self.addresses.iter().filter(|address| !address.flags.tentative);
        all.map(|address| LocalAddr { ip: address.ip, interface: Some(self.index) })
            .filter(|address| !sources.contains(address))
            .collect()
    }

    /// Whether it owns a default route of the address's family.
    #[must_use]
    pub fn has_default(&self, ip: IpAddr) -> bool {
        if ip.is_ipv4() { self.default_v4 } else { self.default_v6 }
    }
}

/// The interfaces, in the order of their indices, with their addresses in the system's order.
///
/// A machine that tells nothing has an empty list.
#[must_use]
pub fn list() -> Vec<Interface> {
    let mut interfaces: Vec<_> = netdev::get_interfaces().iter().filter_map(convert).collect();
    interfaces.sort_by_key(|interface| interface.index);
    interfaces
}

fn convert(from: &netdev::Interface) -> Option<Interface> {
    let index = Index::new(from.index)?;
    let mut addresses: Vec<_> = from
        .ipv4
        .iter()
        .map(|net| Address {
            ip: net.addr().into(),
            prefix: net.prefix_len(),
            flags: AddressFlags::default(),
        })
        .collect();
    for (n, net) in from.ipv6.iter().enumerate() {
        let flags = from.ipv6_addr_flags.get(n).copied().unwrap_or_default();
        let flags = AddressFlags {
            temporary: flags.temporary,
            deprecated: flags.deprecated,
            tentative: flags.tentative || flags.duplicated,
        };
        addresses.push(Address { ip: without_zone(net.addr()).into(), prefix: net.prefix_len(), flags });
    }
    let up = from.is_up();
    let (gateway_v4, gateway_v6) =
        from.gateway.as_ref().map_or((false, false), |g| (!g.ipv4.is_empty(), !g.ipv6.is_empty()));
    let (route_v4, route_v6) = if up { system::public_routes(index) } else { (false, false) };
    let (default_v4, default_v6) = (gateway_v4 || route_v4, gateway_v6 || route_v6);
    let kind = match kind(&from.name, from.if_type, from.is_loopback(), from.is_point_to_point()) {
        // A bridge that leads to the world (a host of virtual machines has its own address there) is no mere guests' one.
        InterfaceKind::Bridge if default_v4 || default_v6 => InterfaceKind::Ethernet,
        kind => kind,
    };
    Some(Interface {
        index,
        kind,
        name: from.name.clone(),
        state: match (up, from.is_running() || from.is_oper_up()) {
            (false, _) => State::Down,
            (true, false) => State::NoCarrier,
            (true, true) => State::Running,
        },
        default_v4,
        default_v6,
        mtu: from.mtu,
        addresses,
    })
}

/// Some systems write the zone of a link-local address into its second sixteen bits, where RFC 4291 §2.5.6 has zeros.
fn without_zone(ip: Ipv6Addr) -> Ipv6Addr {
    let mut octets = ip.octets();
    if ip.is_unicast_link_local() {
        octets[2..4].fill(0);
    }
    octets.into()
}

/// Names that container and virtual machine programs give to what they make.
const GUESTS: [&str; 15] = [
    "docker", "br-", "veth", "virbr", "vnet", "lxc", "lxd", "cni", "flannel", "cali", "podman", "vboxnet",
    "vmnet", "vmenet", "bridge",
];

/// Names of tunnels, on the systems that do not tell.
const TUNNELS: [&str; 9] = ["tun", "tap", "wg", "utun", "ppp", "ipsec", "gif", "tailscale", "zt"];

fn kind(name: &str, from: InterfaceType, loopback: bool, point_to_point: bool) -> InterfaceKind {
    let named = |names: &[&str]| names.iter().any(|prefix| name.starts_with(prefix));
    match from {
        _ if loopback => InterfaceKind::Loopback,
        _ if named(&GUESTS) => InterfaceKind::Bridge,
        _ if named(&TUNNELS) => InterfaceKind::Tunnel,
        InterfaceType::Wwan | InterfaceType::Wwanpp | InterfaceType::Wwanpp2 | InterfaceType::Wman => {
            InterfaceKind::Cellular
        }
        // The modems of Android and of ModemManager.
        _ if named(&["rmnet", "wwan", "ccmni", "pdp_ip"]) => InterfaceKind::Cellular,
        InterfaceType::Wireless80211 => InterfaceKind::Wifi,
        InterfaceType::Tunnel
        | InterfaceType::Ppp
        | InterfaceType::Slip
        | InterfaceType::ProprietaryVirtual => InterfaceKind::Tunnel,
        InterfaceType::Bridge => InterfaceKind::Bridge,
        _ if point_to_point => InterfaceKind::Tunnel,
        InterfaceType::Ethernet
        | InterfaceType::Ethernet3Megabit
        | InterfaceType::FastEthernetT
        | InterfaceType::FastEthernetFx
        | InterfaceType::GigabitEthernet => InterfaceKind::Ethernet,
        _ => InterfaceKind::Other,
    }
}

/// Whether the system would really route a datagram along this path: out of its interface, from its address.
///
/// Where the system cannot tell, yes: a path that leads nowhere is then found out by its probes.
#[must_use]
pub fn has_route(path: &Path) -> bool {
    path.local.ip.is_ipv4() == path.remote.is_ipv4() && system::has_route(path)
}

/// Whether the system's best route to the path's remote address leads through another interface than the path's: where
/// [`ReversePathFilter::Strict`] drops what arrives. Where the system cannot tell, no.
#[must_use]
pub fn best_route_leads_elsewhere(path: &Path) -> bool {
    system::leads_elsewhere(path)
}

/// Where the system itself sends what is for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnChoice {
    /// To this machine.
    Here,
    /// Out of this interface.
    Through(Index),
    /// Nowhere, or it does not tell.
    Unknown,
}

/// Where the system itself would send what is for an address, if nobody chose an interface. Nothing is sent.
#[must_use]
pub fn own_choice(remote: &SocketAddr, interfaces: &[Interface]) -> OwnChoice {
    let ip = remote.ip();
    let owner = |ip: IpAddr| {
        let owns = |interface: &&Interface| interface.addresses.iter().any(|address| address.ip == ip);
        interfaces.iter().find(owns).map(|interface| interface.index)
    };
    let chosen = match remote {
        SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() => Index::new(v6.scope_id()),
        _ if ip.is_loopback() || owner(ip).is_some() => return OwnChoice::Here,
        _ => system::chosen(ip).or_else(|| owner(chosen_source(remote)?)),
    };
    chosen.map_or(OwnChoice::Unknown, OwnChoice::Through)
}

/// The address that the system would send from: what a socket says that was told its peer, and has sent nothing.
fn chosen_source(remote: &SocketAddr) -> Option<IpAddr> {
    let any: IpAddr =
        if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(remote).ok()?;
    socket.local_addr().ok().map(|local| local.ip())
}

/// How closely the route through an interface, from its address, fits a destination: the bits of the route's destination, 0
/// for a default route. Where the system cannot be asked, the bits of the interface's own network, where the destination is
/// in it.
#[must_use]
pub fn closeness(path: &Path, interfaces: &[Interface]) -> u8 {
    if let Some(bits) = system::route_bits(path) {
        return bits;
    }
    let interface = interfaces.iter().find(|known| Some(known.index) == path.local.interface);
    let addresses = interface.map_or(&[][..], |interface| &interface.addresses);
    let covers = |address: &&Address| same_network(address.ip, path.remote.ip(), address.prefix);
    addresses.iter().filter(covers).map(|address| address.prefix).max().unwrap_or(0)
}

/// Whether two addresses have so many leading bits in common.
fn same_network(a: IpAddr, b: IpAddr, bits: u8) -> bool {
    let differs = match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => u128::from(u32::from(a) ^ u32::from(b)) << 96,
        (IpAddr::V6(a), IpAddr::V6(b)) => u128::from(a) ^ u128::from(b),
        _ => return false,
    };
    differs.leading_zeros() >= u32::from(bits)
}

/// The tunnel that this machine's policy forces everything for an address into (a VPN that takes all traffic): whoever
/// sends through another interface goes around it. Where the system does not tell, none.
#[must_use]
pub fn forced_tunnel(remote: IpAddr, interfaces: &[Interface]) -> Option<Index> {
    let forced = system::forced(remote)?;
    let tunnel = interfaces.iter().find(|interface| interface.index == forced)?;
    (tunnel.kind == InterfaceKind::Tunnel).then_some(forced)
}

/// How an interface treats what arrives on it from an address that it would not route through it (RFC 3704).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReversePathFilter {
    /// Accepts it.
    Off,
    /// Drops it: replies on all but the best uplink are lost.
    Strict,
    /// Accepts it when any interface routes to that address.
    Loose,
}

/// The filter on an interface: the stricter setting of the interface and of all of them, except that loose wins over
/// strict, as the kernel takes the maximum. `None` where there is no such setting.
#[must_use]
pub fn reverse_path_filter(interface: &str) -> Option<ReversePathFilter> {
    if !cfg!(linux_kernel) || interface.contains(['/', '\0']) {
        return None;
    }
    let read = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/net/ipv4/conf/{name}/rp_filter")).ok()?;
        text.trim().parse::<u8>().ok()
    };
    match read("all")?.max(read(interface)?) {
        0 => Some(ReversePathFilter::Off),
        1 => Some(ReversePathFilter::Strict),
        _ => Some(ReversePathFilter::Loose),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_listed() {
        let list = list();
        let lo = list.iter().find(|interface| interface.kind == InterfaceKind::Loopback).unwrap();
        assert!(lo.state == State::Running && !lo.default_v4 && !lo.default_v6, "{lo:?}");
        assert!(lo.addresses.iter().any(|address| address.ip.is_loopback()), "{lo:?}");
    }

    fn interface(addresses: &[(&str, u8, &str)]) -> Interface {
        let addresses = addresses.iter().map(|(ip, prefix, flags)| Address {
            ip: ip.parse().unwrap(),
            prefix: *prefix,
            flags: AddressFlags {
                temporary: flags.contains('t'),
                deprecated: flags.contains('d'),
                tentative: flags.contains('?'),
            },
        });
        Interface {
            index: Index::MIN,
            name: "eth0".into(),
            kind: InterfaceKind::Ethernet,
            state: State::Running,
            mtu: None,
            default_v4: true,
            default_v6: true,
            addresses: addresses.collect(),
        }
    }

    #[test]
    fn one_source_of_each_prefix_and_the_temporary_one_before_the_lasting_one() {
        let mut eth0 = interface(&[
            ("192.0.2.1", 24, ""),
            ("192.0.2.2", 24, ""),
            ("2001:db8::1", 64, ""),
            ("2001:db8::f00", 64, "td"),
            ("2001:db8::bad", 64, "t?"),
            ("2001:db8::abc", 64, "t"),
            ("2001:db8:1::1", 64, ""),
            ("2001:db8:1::2", 64, ""),
            ("2001:db8:2::2", 128, ""),
            ("fe80::1", 64, ""),
        ]);
        let sources: Vec<_> = eth0.sources().iter().map(|source| source.ip.to_string()).collect();
        let expected =
            ["192.0.2.1", "192.0.2.2", "2001:db8::abc", "2001:db8:1::1", "2001:db8:2::2", "fe80::1"];
        assert_eq!(sources, expected);
        let lingering: Vec<_> = eth0.lingering().iter().map(|source| source.ip.to_string()).collect();
        assert_eq!(lingering, ["2001:db8::1", "2001:db8::f00", "2001:db8:1::2"], "all but the tentative one");
        eth0.state = State::NoCarrier;
        assert_eq!((eth0.sources(), eth0.lingering()), (Vec::new(), Vec::new()));
    }

    #[test]
    fn what_the_machine_made_for_its_guests_is_a_bridge() {
        let kind = |name| kind(name, InterfaceType::Ethernet, false, false);
        for name in ["docker0", "br-3f2a", "veth12ab", "virbr0", "cni0", "lxdbr0"] {
            assert_eq!(kind(name), InterfaceKind::Bridge, "{name}");
        }
        assert_eq!(kind("eth0"), InterfaceKind::Ethernet);
        assert_eq!(kind("enp3s0"), InterfaceKind::Ethernet);
        assert_eq!(kind("wg0"), InterfaceKind::Tunnel);
        assert_eq!(kind("rmnet_data0"), InterfaceKind::Cellular);
    }

    #[test]
    fn a_zone_inside_an_address_is_taken_out() {
        let embedded: Ipv6Addr = "fe80:4::1".parse().unwrap();
        assert_eq!(without_zone(embedded), "fe80::1".parse::<Ipv6Addr>().unwrap());
        let global: Ipv6Addr = "2001:db8:4::1".parse().unwrap();
        assert_eq!(without_zone(global), global);
    }

    #[test]
    fn the_system_chooses_this_machine_for_its_own_addresses_and_the_zone_for_those_of_a_link() {
        let list = list();
        let choice = |remote: &str| own_choice(&remote.parse().unwrap(), &list);
        assert_eq!(choice("127.0.0.1:22"), OwnChoice::Here);
        assert_eq!(choice("[::1]:22"), OwnChoice::Here);
        assert_eq!(choice("[fe80::1%7]:22"), OwnChoice::Through(Index::new(7).unwrap()));
        assert_eq!(choice("[fe80::1]:22"), OwnChoice::Unknown);
        assert_eq!(chosen_source(&"127.0.0.5:9".parse().unwrap()), Some([127, 0, 0, 1].into()));
    }

    #[test]
    fn the_network_of_an_interface_is_closer_than_a_default_route() {
        assert!(same_network([192, 0, 2, 1].into(), [192, 0, 2, 200].into(), 24));
        assert!(!same_network([192, 0, 2, 1].into(), [192, 0, 3, 1].into(), 24));
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(same_network(ip("2001:db8::1"), ip("2001:db8::2"), 64));
        assert!(!same_network(ip("2001:db8::1"), ip("2001:db8:1::2"), 64));
        assert!(!same_network(ip("2001:db8::1"), [192, 0, 2, 1].into(), 0));
        assert!(same_network([192, 0, 2, 1].into(), [203, 0, 113, 1].into(), 0));
    }

    #[test]
    fn there_is_a_route_to_ourselves_and_none_between_families() {
        let path = |ip: &str, remote: SocketAddr| Path {
            local: LocalAddr { ip: ip.parse().unwrap(), interface: None },
            remote,
        };
        assert!(has_route(&path("127.0.0.1", ([127, 0, 0, 1], 60001).into())));
        assert!(!has_route(&path("::1", ([127, 0, 0, 1], 60001).into())));
    }
}
