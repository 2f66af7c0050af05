//! The words for addresses: where a datagram leaves and where it goes.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::num::NonZeroU32;

/// What sort of network an interface is, as far as the operating system tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum InterfaceKind {
    /// A wired network.
    Ethernet,
    /// A wireless network (IEEE 802.11).
    Wifi,
    /// A mobile network (WWAN).
    Cellular,
    /// A tunnel: tun, WireGuard, PPP over something else.
    Tunnel,
    /// The machine itself.
    Loopback,
    /// A bridge that the machine made for its own guests (containers, virtual machines).
    Bridge,
    /// Anything else, or unknown.
    #[default]
    Other,
}

/// The operating system's index of an interface (RFC 3493 §4): never 0, unique while the interface exists.
pub type Interface = NonZeroU32;

/// An address of this host, and the interface that owns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalAddr {
    /// The address; unspecified (0.0.0.0 or ::) leaves the choice to the operating system.
    pub ip: IpAddr,
    /// The interface; `None` leaves the choice to the operating system.
    pub interface: Option<Interface>,
}

/// A pair of addresses, with this host's interface: one way through the network between the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    /// This end.
    pub local: LocalAddr,
    /// The other end.
    pub remote: SocketAddr,
}

/// The prefix of the addresses that stand for carriers: no network routes it (RFC 6666), so that what is sent there by
/// mistake arrives nowhere.
const DISCARD_ONLY: [u16; 4] = [0x0100, 0, 0, 0];
/// The port that goes with them (RFC 863).
const DISCARD_PORT: u16 = 9;

impl Path {
    /// The path through a carrier of the client's, by its number: no addresses of any network, but a value that stands for
    /// them. SPEC \[C-7].
    #[must_use]
    pub const fn carrier(number: u16) -> Self {
        let [a, b, c, d] = DISCARD_ONLY;
        let ip = IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, number));
        Self { local: LocalAddr { ip, interface: None }, remote: SocketAddr::new(ip, DISCARD_PORT) }
    }

    /// The number of the client's carrier that this path leads through, if it does.
    #[must_use]
    pub fn carrier_number(&self) -> Option<u16> {
        let IpAddr::V6(v6) = self.local.ip else { return None };
        let [.., number] = v6.segments();
        (*self == Self::carrier(number)).then_some(number)
    }

    /// Whether the network means this path when it says something of `named`: one of the two may leave its own address to
    /// the operating system, which tells the one that it chose.
    #[must_use]
    pub fn is_named_by(&self, named: &Self) -> bool {
        let (own, told) = (self.local.ip, named.local.ip);
        self.remote == named.remote && (own == told || own.is_unspecified() || told.is_unspecified())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carrier_s_path_is_told_from_every_other() {
        for number in [0, 1, u16::MAX] {
            assert_eq!(Path::carrier(number).carrier_number(), Some(number));
        }
        let mut elsewhere = Path::carrier(1);
        elsewhere.remote.set_port(60001);
        assert_eq!(elsewhere.carrier_number(), None);
    }

    #[test]
    fn an_error_names_the_path_whichever_of_the_two_leaves_the_source_to_the_system() {
        let path = |ip: &str, remote: &str| {
            let local = LocalAddr { ip: ip.parse().unwrap(), interface: None };
            Path { local, remote: remote.parse().unwrap() }
        };
        let server = "192.0.2.1:60001";
        let told = path("10.0.0.1", server);
        for (own, named) in [("10.0.0.1", true), ("0.0.0.0", true), ("10.0.0.2", false)] {
            assert_eq!(path(own, server).is_named_by(&told), named, "{own}");
        }
        assert!(path("10.0.0.1", server).is_named_by(&path("0.0.0.0", server)));
        assert!(!path("10.0.0.1", "192.0.2.2:60001").is_named_by(&told));
    }
}
