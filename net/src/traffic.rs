//! What a flow cost, by kind of datagram. Contract: plain counters, which only grow; a difference of two tells what
//! happened between them.

use crate::SentKind;
use core::net::SocketAddr;
use core::ops::{AddAssign, Sub};

/// Octets of the IP and UDP headers, without options (RFC 791, RFC 8200, RFC 768).
pub(crate) const HEADERS_V4: usize = 20 + 8;
/// The same for IPv6.
pub(crate) const HEADERS_V6: usize = 40 + 8;

/// Octets of the IP and UDP headers of a datagram to or from this address.
pub(crate) fn headers(remote: &SocketAddr) -> usize {
    if remote.is_ipv4() { HEADERS_V4 } else { HEADERS_V6 }
}

/// So many datagrams, and their octets with the headers of IP and UDP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many.
    pub datagrams: u64,
    /// Their octets, those of the IP and UDP headers included.
    pub octets: u64,
}

impl Count {
    fn add(&mut self, octets: usize) {
        self.datagrams += 1;
        self.octets += octets as u64;
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.datagrams += other.datagrams;
        self.octets += other.octets;
    }
}

impl Sub for Count {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            datagrams: self.datagrams.saturating_sub(earlier.datagrams),
            octets: self.octets.saturating_sub(earlier.octets),
        }
    }
}

/// One direction of a flow, by what the datagrams were sent for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic([Count; SentKind::ALL.len()]);

impl Traffic {
    /// Counts a datagram of so many octets of UDP payload, to or from `remote`.
    pub(crate) fn add(&mut self, kind: SentKind, octets: usize, remote: &SocketAddr) {
        self.0[kind as usize].add(octets + headers(remote));
    }

    /// Those of one kind.
    #[must_use]
    pub fn of(&self, kind: SentKind) -> Count {
        self.0[kind as usize]
    }

    /// Every kind that there was any of.
    pub fn iter(&self) -> impl Iterator<Item = (SentKind, Count)> + '_ {
        let all = SentKind::ALL.iter().map(|kind| (*kind, self.of(*kind)));
        all.filter(|(_, count)| count.datagrams > 0)
    }

    /// All together.
    #[must_use]
    pub fn total(&self) -> Count {
        let mut total = Count::default();
        self.0.iter().for_each(|count| total += *count);
        total
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        for (count, other) in self.0.iter_mut().zip(other.0) {
            *count += other;
        }
    }
}

impl Sub for Traffic {
    type Output = Self;

    fn sub(mut self, earlier: Self) -> Self {
        for (count, earlier) in self.0.iter_mut().zip(earlier.0) {
            *count = *count - earlier;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_counted_with_the_headers_of_the_family() {
        let mut traffic = Traffic::default();
        traffic.add(SentKind::Data, 100, &"192.0.2.1:1".parse().unwrap());
        traffic.add(SentKind::Data, 100, &"[2001:db8::1]:1".parse().unwrap());
        traffic.add(SentKind::Probe, 30, &"192.0.2.1:1".parse().unwrap());
        assert_eq!(traffic.of(SentKind::Data), Count { datagrams: 2, octets: 128 + 148 });
        assert_eq!(traffic.total(), Count { datagrams: 3, octets: 128 + 148 + 58 });
        assert_eq!((traffic - traffic).iter().count(), 0);
    }

    #[test]
    fn the_kinds_are_listed_in_the_order_of_their_numbers() {
        assert!(SentKind::ALL.iter().enumerate().all(|(index, kind)| *kind as usize == index));
    }
}
