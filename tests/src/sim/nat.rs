//! A network address translator in front of one client interface.

use net::Instant;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Port-restricted, with a mapping per destination (RFC 4787: address and port-dependent), which expires when idle.
#[derive(Clone, Debug)]
pub struct Nat {
    outside: IpAddr,
    idle: Duration,
    next_port: u16,
    /// A port inside keeps its number outside, as long as nobody else has it.
    preserving: bool,
    mappings: BTreeMap<(SocketAddr, SocketAddr), Mapping>,
}

#[derive(Clone, Copy, Debug)]
struct Mapping {
    port: u16,
    used: Instant,
}

impl Nat {
    /// A translator to this outside address that forgets a mapping after `idle` without a datagram.
    #[must_use]
    pub fn new(outside: IpAddr, idle: Duration) -> Self {
        Self { outside, idle, next_port: 40_000, preserving: false, mappings: BTreeMap::new() }
    }

    /// The same, but one that gives a port its own number again (Linux's `masquerade`, most homes'): expiry shows in
    /// nothing but that datagrams from outside do not come in.
    #[must_use]
    pub fn preserving(mut self) -> Self {
        self.preserving = true;
        self
    }

    /// Forgets everything: the next datagrams leave from other ports.
    pub fn rebind(&mut self) {
        self.mappings.clear();
    }

    /// The source that the outside sees of a datagram from `inside` to `remote`.
    pub fn outward(&mut self, inside: SocketAddr, remote: SocketAddr, now: Instant) -> SocketAddr {
        let idle = self.idle;
        self.mappings.retain(|_, mapping| now.since(mapping.used) < idle);
        let next_port = &mut self.next_port;
        let preserving = self.preserving;
        let mapping = self.mappings.entry((inside, remote)).or_insert_with(|| {
            *next_port = next_port.wrapping_add(1).max(40_000);
            Mapping { port: if preserving { inside.port() } else { *next_port }, used: now }
        });
        mapping.used = now;
        SocketAddr::new(self.outside, mapping.port)
    }

    /// Where inside a datagram from `remote` to `outside` goes; `None` when there is no mapping for it.
    pub fn inward(&mut self, outside: SocketAddr, remote: SocketAddr, now: Instant) -> Option<SocketAddr> {
        let idle = self.idle;
        let (key, mapping) = self
            .mappings
            .iter_mut()
            .find(|((_, to), mapping)| mapping.port == outside.port() && *to == remote)?;
        if outside.ip() != self.outside || now.since(mapping.used) >= idle {
            return None;
        }
        mapping.used = now;
        Some(key.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_answers_only_its_own_remote_and_expires() {
        let (inside, remote): (SocketAddr, SocketAddr) =
            ("10.0.0.2:5000".parse().unwrap(), "192.0.2.1:60001".parse().unwrap());
        let mut nat = Nat::new("198.51.100.1".parse().unwrap(), Duration::from_secs(30));
        let outside = nat.outward(inside, remote, Instant::ZERO);
        let later = Instant::ZERO + Duration::from_secs(20);
        assert_eq!(nat.inward(outside, remote, later), Some(inside));
        assert_eq!(nat.inward(outside, "192.0.2.2:60001".parse().unwrap(), later), None);
        let late = later + Duration::from_secs(30);
        assert_eq!(nat.inward(outside, remote, late), None);
        assert_ne!(nat.outward(inside, remote, late), outside);
    }

    #[test]
    fn a_preserving_one_gives_the_same_port_again_after_it_forgot() {
        let (inside, remote): (SocketAddr, SocketAddr) =
            ("10.0.0.2:5000".parse().unwrap(), "192.0.2.1:60001".parse().unwrap());
        let mut nat = Nat::new("198.51.100.1".parse().unwrap(), Duration::from_secs(8)).preserving();
        let outside = nat.outward(inside, remote, Instant::ZERO);
        let late = Instant::ZERO + Duration::from_secs(9);
        assert_eq!(nat.inward(outside, remote, late), None);
        assert_eq!(nat.outward(inside, remote, late), outside);
        assert_eq!(nat.inward(outside, remote, late), Some(inside));
    }
}
