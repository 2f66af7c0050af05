//! Which of this host's addresses the client is told.

use net::{Candidate, InterfaceKind, LocalAddr, Role, Scope, scope_of};
use platform::driver::{Policy, candidates_of};
use platform::interfaces::{self, Interface};
use std::net::IpAddr;

/// What is known of the way that the client came to start this server.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The address that ssh reached; `None` when the server was started on this machine, for a client on it.
    pub reached: Option<IpAddr>,
    /// Use and list only this address (`-i`, `-s`).
    pub only: Option<IpAddr>,
    /// Addresses that the user named (`--address`).
    pub named: Vec<IpAddr>,
}

impl Listing {
    /// Whether the client is told of an address of this interface. SPEC \[A-3]
    fn lists(&self, interface: &Interface, ip: IpAddr) -> bool {
        if let Some(only) = self.only {
            return ip == only;
        }
        if self.named.contains(&ip) {
            return true;
        }
        let Some(reached) = self.reached else {
            // The client is on this machine: every address of it is as good.
            return scope_of(&ip) != Scope::Link && interface.kind != InterfaceKind::Bridge;
        };
        let same = scope_of(&ip) == scope_of(&reached);
        match scope_of(&ip) {
            Scope::Loopback | Scope::Link => same,
            _ if interface.kind == InterfaceKind::Bridge => ip == reached,
            _ => same || interface.has_default(ip),
        }
    }

    /// The addresses to print on the announcement, the one that ssh reached aside (the client knows it).
    #[must_use]
    pub fn announced(&self) -> Vec<IpAddr> {
        let listed = self.candidates(&interfaces::list()).into_iter().filter(|candidate| candidate.lists);
        let mut addresses: Vec<IpAddr> = self.named.clone();
        for ip in listed.map(|candidate| candidate.addr.ip) {
            if !addresses.contains(&ip) && Some(ip) != self.reached {
                addresses.push(ip);
            }
        }
        addresses
    }
}

impl Policy for Listing {
    fn candidates(&self, interfaces: &[Interface]) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for interface in interfaces {
            candidates.extend(candidates_of(interface, Role::Primary).into_iter().map(|mut candidate| {
                candidate.metered = false;
                candidate.lists &= self.lists(interface, candidate.addr.ip);
                candidate
            }));
        }
        // What the user names need not be this host's own: a translator of addresses may stand before it.
        for &ip in &self.named {
            if !candidates.iter().any(|known| known.addr.ip == ip) {
                candidates.push(Candidate::new(LocalAddr { ip, interface: None }, InterfaceKind::Other));
            }
        }
        candidates
    }
}

/// The address that ssh reached: the third word of SSH_CONNECTION, without the prefix of mapped addresses
/// (`::ffff:`).
#[must_use]
pub fn reached_by_ssh(connection: &str) -> Option<IpAddr> {
    let word = connection.split_whitespace().nth(2)?;
    word.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// Where an ssh connection came from: the first word of SSH_CONNECTION.
#[must_use]
pub fn came_from(connection: &str) -> Option<IpAddr> {
    let word = connection.split_whitespace().next()?;
    word.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// Whether what comes to the session from this host itself has been carried here: the login reached this host at an address of
/// a network, from elsewhere. SPEC \[C-7]
#[must_use]
pub fn is_carried(reached: Option<IpAddr>, from: Option<IpAddr>) -> bool {
    reached.is_some_and(|reached| !reached.is_loopback() && Some(reached) != from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(kind: InterfaceKind, default: bool) -> Interface {
        let mut interface = Interface::new(net::Interface::MIN, "eth0", kind);
        (interface.default_v4, interface.default_v6) = (default, default);
        interface
    }

    fn lists(reached: &str, kind: InterfaceKind, default: bool, ip: &str) -> bool {
        let listing = Listing { reached: Some(reached.parse().unwrap()), ..Listing::default() };
        listing.lists(&interface(kind, default), ip.parse().unwrap())
    }

    #[test]
    fn a_client_from_outside_is_told_no_private_address_without_a_default_route() {
        use InterfaceKind::{Bridge, Ethernet, Loopback};
        assert!(lists("8.8.8.8", Ethernet, true, "10.0.0.5"));
        assert!(!lists("8.8.8.8", Ethernet, false, "10.0.0.5"));
        // RFC 6598: behind a carrier's NAT, or in an overlay network.
        assert!(!lists("8.8.8.8", Ethernet, false, "100.64.0.5"));
        assert!(lists("100.64.0.9", Ethernet, false, "100.127.255.5"));
        assert!(lists("10.0.0.9", Ethernet, false, "192.168.1.5"));
        assert!(lists("8.8.8.8", Ethernet, false, "9.9.9.9"));
        assert!(!lists("8.8.8.8", Bridge, true, "172.17.0.1"));
        assert!(!lists("8.8.8.8", Loopback, false, "127.0.0.1"));
        assert!(lists("127.0.0.1", Loopback, false, "::1"));
        assert!(!lists("8.8.8.8", Ethernet, true, "fe80::1"));
    }

    #[test]
    fn what_comes_from_here_was_carried_here_for_a_client_elsewhere() {
        let carried = |connection: &str| is_carried(reached_by_ssh(connection), came_from(connection));
        assert!(carried("198.51.100.7 5 192.0.2.1 22"));
        assert!(carried("::ffff:198.51.100.7 5 ::ffff:192.0.2.1 22"));
        assert!(!carried("192.0.2.1 5 192.0.2.1 22"), "by this host's own address");
        assert!(!carried("127.0.0.1 5 127.0.0.1 22") && !carried("::1 5 ::1 22"));
        assert!(!carried(""), "begun on this host");
    }

    #[test]
    fn ssh_says_which_address_it_reached() {
        assert_eq!(
            reached_by_ssh("192.0.2.1 5 ::ffff:198.51.100.7 22"),
            Some("198.51.100.7".parse().unwrap())
        );
        assert_eq!(reached_by_ssh("192.0.2.1 5"), None);
    }
}
