//! The words for addresses: where a datagram leaves and where it goes.

use core::net::{IpAddr, SocketAddr};
use core::num::NonZeroU32;

/// What sort of network an interface is, as far as the operating system tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
