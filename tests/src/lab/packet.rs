//! Packets on an emulated link: what is noted of them, and how an attacker makes others of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::link::Side;

/// What becomes of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on to the other end (unless the link dies before it arrives).
    Carried,
    /// Lost by chance.
    Lost,
    /// The queue before the rate limit was full.
    Overflowed,
    /// Longer than the MTU.
    TooLong,
    /// The direction is dead.
    Swallowed,
}

/// One packet as a recording link saw it enter.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// When, on [`super::clock::now`].
    pub at: Duration,
    /// Where it entered.
    pub from: Side,
    /// Source address and port (0 where there are none).
    pub source: (IpAddr, u16),
    /// Destination address and port (0 where there are none).
    pub destination: (IpAddr, u16),
    /// IP protocol number: 6 TCP, 17 UDP, 1 and 58 ICMP.
    pub protocol: u8,
    /// Octets, IP header included.
    pub length: usize,
    /// No router may cut it in pieces: DF in IPv4, always in IPv6.
    pub dont_fragment: bool,
    /// What became of it.
    pub fate: Fate,
}

/// A whole packet as it entered a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Where it entered.
    pub from: Side,
    /// The IP packet.
    pub bytes: Vec<u8>,
}

impl Capture {
    /// Destination port and payload of a UDP datagram in an IPv4 packet; `None` for anything else.
    #[must_use]
    pub fn datagram(&self) -> Option<(u16, &[u8])> {
        let header = usize::from(self.bytes.first()? & 15) * 4;
        let is_udp = self.bytes.first()? >> 4 == 4 && self.bytes.get(9) == Some(&UDP);
        let port = u16::from_be_bytes(*self.bytes.get(header + 2..)?.first_chunk()?);
        is_udp.then_some((port, self.bytes.get(header + 8..)?))
    }

    /// The same IPv4 packet with another UDP payload.
    ///
    /// # Panics
    /// When it holds no UDP datagram.
    #[must_use]
    pub fn with_payload(&self, payload: &[u8]) -> Vec<u8> {
        assert!(self.datagram().is_some(), "a UDP datagram");
        let header = usize::from(self.bytes[0] & 15) * 4;
        let mut bytes = self.bytes[..header + 8].to_vec();
        bytes.extend_from_slice(payload);
        let length = |octets: usize| u16::try_from(octets).expect("a short packet").to_be_bytes();
        bytes[2..4].copy_from_slice(&length(header + 8 + payload.len()));
        bytes[header + 4..header + 6].copy_from_slice(&length(8 + payload.len()));
        // No checksum is allowed in IPv4's UDP (RFC 768); the header's own is not optional.
        bytes[header + 6..header + 8].copy_from_slice(&[0, 0]);
        bytes[10..12].copy_from_slice(&[0, 0]);
        let words = bytes[..header].chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
        let mut sum: u32 = words.sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        bytes[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
        bytes
    }
}

/// IP protocol number.
const UDP: u8 = 17;

/// What a router's kernel says to its neighbours on the link of its own accord (router solicitations, group reports): it
/// comes when it will, and is no traffic of the hosts. No router forwards it (RFC 4291 §2.5.6, §2.7).
pub(super) fn is_housekeeping(packet: &[u8]) -> bool {
    let multicast = |octets: &[u8]| octets.first() == Some(&0xff);
    let link_local = |octets: &[u8]| matches!(octets, [0xfe, second, ..] if second & 0xc0 == 0x80);
    match packet.first().map(|first| first >> 4) {
        Some(6) => {
            packet.get(24..40).is_some_and(|to| multicast(to) || link_local(to))
                || packet.get(8..24).is_some_and(link_local)
        }
        Some(4) => packet.get(16).is_some_and(|first| first & 0xf0 == 0xe0),
        _ => false,
    }
}

/// Reads addresses, ports and protocol of an IP packet; `None` for what is neither IPv4 nor IPv6.
pub(super) fn describe(packet: &[u8], from: Side, at: Duration, fate: Fate) -> Option<Packet> {
    let version = packet.first()? >> 4;
    let (protocol, source, destination, header): (u8, IpAddr, IpAddr, usize) = match version {
        4 => {
            let address = |at: usize| Some(Ipv4Addr::from(*packet.get(at..)?.first_chunk::<4>()?));
            (*packet.get(9)?, address(12)?.into(), address(16)?.into(), usize::from(packet.first()? & 15) * 4)
        }
        6 => {
            let address = |at: usize| Some(Ipv6Addr::from(*packet.get(at..)?.first_chunk::<16>()?));
            (*packet.get(6)?, address(8)?.into(), address(24)?.into(), 40)
        }
        _ => return None,
    };
    let port = |at: usize| match protocol {
        6 | 17 => {
            packet.get(header + at..).and_then(<[u8]>::first_chunk::<2>).map_or(0, |p| u16::from_be_bytes(*p))
        }
        _ => 0,
    };
    Some(Packet {
        at,
        from,
        source: (source, port(0)),
        destination: (destination, port(2)),
        protocol,
        length: packet.len(),
        dont_fragment: version == 6 || packet.get(6)? & 0x40 != 0,
        fate,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_payload_makes_a_packet_that_is_right_again() {
        let header =
            [0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7];
        let mut bytes = header.to_vec();
        bytes.extend_from_slice(&[0x10, 0, 0xea, 0x61, 0, 0x5f, 1, 2]);
        bytes.extend_from_slice(&[7; 0x57]);
        let capture = Capture { from: Side::Near, bytes };
        assert_eq!(capture.datagram(), Some((60001, &[7; 0x57][..])));
        // The same length gives the header's own checksum back.
        assert_eq!(capture.with_payload(&[9; 0x57])[..20], header);
        let other = Capture { from: Side::Near, bytes: capture.with_payload(b"abc") };
        assert_eq!(other.datagram(), Some((60001, &b"abc"[..])));
    }
}
