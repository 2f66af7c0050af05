//! The words shared with whatever owns the sockets.

use crate::Path;
use alloc::vec::Vec;

/// The two ECN bits of an IP header (RFC 3168 §5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ecn {
    /// Not ECN-capable, or unknown.
    #[default]
    NotEct,
    /// ECN-capable, ECT(0) or ECT(1).
    Ect,
    /// Congestion experienced.
    Ce,
}

/// A datagram that arrived. Its bytes are opened in place.
#[derive(Debug)]
pub struct Received<'a> {
    /// Where it arrived (the interface too, where the system tells) and where it came from.
    pub path: Path,
    /// The network's congestion mark.
    pub ecn: Ecn,
    /// The UDP payload.
    pub bytes: &'a mut [u8],
}

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where from and where to.
    pub path: Path,
    /// Which of this end's ports: a client that hops ports counts up, and the socket's owner opens a new socket
    /// for a number it has not met, keeping the older ones open for receiving. Always 0 on a server.
    pub port_generation: u32,
    /// Ask the network not to fragment it (path MTU probes only).
    pub dont_fragment: bool,
    /// The UDP payload.
    pub bytes: Vec<u8>,
}

/// Why a datagram could not be sent: a fault of the local system, never of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SendError {
    /// The source address or the interface is gone, or it has no route to the destination.
    PathGone,
    /// Too big for the interface; the datagram was not sent (EMSGSIZE).
    TooBig,
    /// No room in the system's queues: as good as lost in the network.
    Congested,
    /// Refused for another reason.
    Refused,
}
