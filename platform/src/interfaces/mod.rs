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
use std::net::{IpAddr, Ipv6Addr};

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
    use std::net::SocketAddr;

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
    fn there_is_a_route_to_ourselves_and_none_between_families() {
        let path = |ip: &str, remote: SocketAddr| Path {
            local: LocalAddr { ip: ip.parse().unwrap(), interface: None },
            remote,
        };
        assert!(has_route(&path("127.0.0.1", ([127, 0, 0, 1], 60001).into())));
        assert!(!has_route(&path("::1", ([127, 0, 0, 1], 60001).into())));
    }
}
