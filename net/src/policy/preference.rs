//! Which of two pairs of addresses is the better one, before either is measured: RFC 6724 §6 with its default policy
//! table, for pairs instead of destinations, because here the source is given too.
//!
//! Contract: pure. [`Preference`] is a derived order, less is better. Left out are the rules that speak of what is
//! decided elsewhere: unusable destinations (§6 rule 1: no route, no pair), deprecated sources and home addresses (3, 4).

use super::pairs::{Scope, scope_of};
use crate::InterfaceKind;
use core::net::{IpAddr, Ipv6Addr};

/// The default policy table (RFC 6724 §2.1): prefix, its length, precedence, label.
const POLICIES: [(Ipv6Addr, u8, u8, u8); 9] = [
    (Ipv6Addr::LOCALHOST, 128, 50, 0),
    (Ipv6Addr::UNSPECIFIED, 0, 40, 1),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xFFFF, 0, 0), 96, 35, 4),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, 30, 2),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, 5, 5),
    (Ipv6Addr::new(0xFC00, 0, 0, 0, 0, 0, 0, 0), 7, 3, 13),
    (Ipv6Addr::UNSPECIFIED, 96, 1, 3),
    (Ipv6Addr::new(0xFEC0, 0, 0, 0, 0, 0, 0, 0), 10, 1, 11),
    (Ipv6Addr::new(0x3FFE, 0, 0, 0, 0, 0, 0, 0), 16, 1, 12),
];

/// How good a pair is. The order of the fields is the priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Preference {
    /// Rule 2: matching scopes. Private IPv4 networks count as scopes of their own: one of them rarely knows the
    /// other's addresses, where RFC 6724 §3.2 takes all for global and leaves the answer to a connection attempt.
    scopes_differ: bool,
    /// Rule 5: matching labels.
    labels_differ: bool,
    /// Rule 6: the higher precedence, negated.
    precedence: core::cmp::Reverse<u8>,
    /// Rule 7: native transport before what goes through a tunnel.
    tunnelled: bool,
    /// Rule 8: the smaller scope.
    scope: core::cmp::Reverse<Scope>,
    /// Rule 9: the longest prefix in common, negated; never more than a network is long.
    common: core::cmp::Reverse<u32>,
}

impl Preference {
    /// Of a pair whose local address is of an interface of this kind.
    pub(crate) fn of(local: &IpAddr, remote: &IpAddr, kind: InterfaceKind) -> Self {
        let ((_, from), (precedence, to)) = (policy(local), policy(remote));
        Self {
            scopes_differ: scope_of(local) != scope_of(remote),
            labels_differ: from != to,
            precedence: core::cmp::Reverse(precedence),
            tunnelled: kind == InterfaceKind::Tunnel || tunnels(local) || tunnels(remote),
            scope: core::cmp::Reverse(scope_of(remote)),
            common: core::cmp::Reverse(common_prefix(local, remote)),
        }
    }
}

/// Precedence and label: those of the longest matching prefix.
fn policy(ip: &IpAddr) -> (u8, u8) {
    let mapped = match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => *v6,
    };
    let matches = |prefix: &Ipv6Addr, length: u8| {
        let differing = u128::from(mapped) ^ u128::from(*prefix);
        differing.leading_zeros() >= u32::from(length)
    };
    let best = POLICIES.iter().filter(|(prefix, length, ..)| matches(prefix, *length)).max_by_key(|p| p.1);
    best.map_or((0, 0), |(_, _, precedence, label)| (*precedence, *label))
}

/// 6to4 and Teredo.
fn tunnels(ip: &IpAddr) -> bool {
    matches!(policy(ip).1, 2 | 5)
}

/// Leading bits in common. An IPv6 network has 64 bits; IPv4 networks are taken for /24, since the length is not known
/// and more says nothing of nearness.
fn common_prefix(a: &IpAddr, b: &IpAddr) -> u32 {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u32::from(*a) ^ u32::from(*b)).leading_zeros().min(24),
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(*a) ^ u128::from(*b)).leading_zeros().min(64),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// The first pair is the better one.
    fn prefers(better: (&str, &str), worse: (&str, &str)) {
        let of =
            |(local, remote): (&str, &str)| Preference::of(&ip(local), &ip(remote), InterfaceKind::Ethernet);
        assert!(of(better) < of(worse), "{better:?} before {worse:?}");
    }

    #[test]
    fn the_examples_of_rfc_6724() {
        // §10.2, as far as they are of pairs that can be.
        prefers(("2001:db8:1::2", "2001:db8:1::1"), ("198.51.100.117", "198.51.100.121"));
        prefers(("169.254.13.78", "169.254.13.9"), ("169.254.13.78", "198.51.100.121"));
        prefers(("2001:db8:1::2", "2001:db8:1::1"), ("fd11:11:11::2", "fd22:22:22::1"));
        prefers(("2001:db8:1::2", "2001:db8:3::1"), ("2002:c633:6401::2", "2002:c633:6402::1"));
        prefers(("192.0.2.1", "198.51.100.1"), ("2002:c633:6401::2", "2001:db8:1::1"));
    }

    #[test]
    fn unique_local_addresses_go_with_their_like_and_after_global_ones() {
        prefers(("fd00:1::1", "fd00:1::2"), ("2001:db8::1", "fd00:1::2"));
        prefers(("2001:db8::1", "2001:db8:5::2"), ("fd00:1::1", "fd00:1::2"));
        prefers(("fd00:1::1", "fd00:1::2"), ("fd00:1::1", "fd00:2::2"));
    }

    #[test]
    fn private_networks_go_with_their_like() {
        prefers(("192.168.1.2", "192.168.1.3"), ("192.168.1.2", "203.0.113.1"));
        prefers(("192.168.1.2", "192.168.1.3"), ("192.168.1.2", "10.0.0.1"));
    }

    #[test]
    fn a_translated_address_is_an_address_like_any_other() {
        // NAT64 (RFC 6052) is the business of whoever synthesised the address: neither made nor shunned here.
        prefers(("2001:db8::1", "64:ff9b::cb00:7101"), ("192.0.2.1", "203.0.113.1"));
        assert_eq!(policy(&ip("64:ff9b::1")), policy(&ip("2001:db8::1")));
    }

    #[test]
    fn a_tunnel_comes_after_what_needs_none() {
        let (local, remote) = (ip("192.0.2.1"), ip("203.0.113.1"));
        let [native, tunnel] =
            [InterfaceKind::Wifi, InterfaceKind::Tunnel].map(|kind| Preference::of(&local, &remote, kind));
        assert!(native < tunnel);
    }
}
