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
#[non_exhaustive]
pub struct Received<'a> {
    /// Where it arrived (the interface too, where the system tells) and where it came from.
    pub path: Path,
    /// The network's congestion mark.
    pub ecn: Ecn,
    /// The UDP payload.
    pub bytes: &'a mut [u8],
}

impl<'a> Received<'a> {
    /// These octets arrived on this path, with this mark.
    #[must_use]
    pub fn new(path: Path, ecn: Ecn, bytes: &'a mut [u8]) -> Self {
        Self { path, ecn, bytes }
    }
}

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

impl Transmit {
    /// These octets are to go on this path, from the first port, as the network likes.
    #[must_use]
    pub fn new(path: Path, bytes: Vec<u8>) -> Self {
        Self { path, port_generation: 0, dont_fragment: false, bytes }
    }
}

/// Why a datagram could not be sent: a fault of the local system, never of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
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

impl SendError {
    /// A few words for a trace.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PathGone => "path gone",
            Self::TooBig => "too big",
            Self::Congested => "congested",
            Self::Refused => "refused",
        }
    }
}
