//! What a message of the routing socket tells (`route(4)`): whether interfaces, addresses or routes may have changed.
//!
//! Pure, over a table of how each BSD and macOS lays the heads of `rt_msghdr`, `ifa_msghdr` and `if_msghdr` out, so that
//! every system's is tested on every system. A message that is not understood tells of a change: to list the interfaces
//! once too often costs a millisecond, once too seldom a path.
#![cfg_attr(
    not(test),
    expect(dead_code, reason = "each system uses its own format alone; the tests use them all")
)]

/// One system's format.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    /// `RTM_VERSION`, the octet at 2. The length stands before it in two octets, the type after it.
    pub(super) version: u8,
    /// Where `rtm_flags`, a C `int`, stands in messages about a route.
    pub(super) flags_at: usize,
}

pub(super) const APPLE: Format = Format { version: 5, flags_at: 8 };
pub(super) const FREEBSD: Format = Format { version: 5, flags_at: 8 };
pub(super) const NETBSD: Format = Format { version: 4, flags_at: 8 };
pub(super) const OPENBSD: Format = Format { version: 5, flags_at: 16 };

/// `RTM_ADD`, `RTM_DELETE`, `RTM_CHANGE`: of a route. The same numbers on all these systems, as are the next.
pub(super) const ROUTE: [u8; 3] = [1, 2, 3];

/// The answers to questions (`RTM_GET`), `RTM_LOSING`, `RTM_MISS`, and `RTM_RESOLVE`.
pub(super) const IDLE: [u8; 4] = [4, 5, 7, 11];

/// `RTF_LLINFO`, `RTF_LLDATA`: the entry of a neighbour, which ARP and neighbour discovery make and forget all day.
pub(super) const NEIGHBOUR: u32 = 0x400;

impl Format {
    /// Whether one message, as it was read, may tell of a change.
    pub(super) fn tells_of_a_change(&self, message: &[u8]) -> bool {
        let Some(&[low, high, version, kind]) = message.first_chunk() else { return true };
        let length = usize::from(u16::from_ne_bytes([low, high]));
        let Some(message) = message.get(..length) else { return true };
        if version != self.version || length < 4 {
            return true;
        }
        let idle = IDLE.contains(&kind) || (ROUTE.contains(&kind) && self.is_of_a_neighbour(message));
        !idle
    }

    fn is_of_a_neighbour(&self, message: &[u8]) -> bool {
        let flags = message.get(self.flags_at..).and_then(|rest| rest.first_chunk());
        flags.is_some_and(|flags| u32::from_ne_bytes(*flags) & NEIGHBOUR != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const SYSTEMS: [(&str, Format); 4] =
        [("apple", APPLE), ("freebsd", FREEBSD), ("netbsd", NETBSD), ("openbsd", OPENBSD)];

    /// A message as a kernel writes it.
    fn message(format: &Format, kind: u8, flags: u32) -> Vec<u8> {
        let mut octets = vec![0; 96];
        octets[..2].copy_from_slice(&96_u16.to_ne_bytes());
        octets[2] = format.version;
        octets[3] = kind;
        octets[format.flags_at..format.flags_at + 4].copy_from_slice(&flags.to_ne_bytes());
        octets
    }

    #[test]
    fn the_formats_are_those_of_the_systems_headers() {
        for (name, format) in SYSTEMS {
            let facts = abi::facts(name);
            let is =
                |key: &str, value: usize| assert_eq!(facts.get(key), Some(&(value as i64)), "{name}: {key}");
            is("RTM_VERSION", format.version.into());
            is("rt_msghdr__rtm_flags", format.flags_at);
            for (head, field) in [("rt_msghdr", "rtm"), ("if_msghdr", "ifm"), ("ifa_msghdr", "ifam")] {
                is(&format!("{head}__{field}_msglen"), 0);
                is(&format!("{head}__{field}_version"), 2);
                is(&format!("{head}__{field}_type"), 3);
            }
            for (key, kind) in [("RTM_ADD", 1), ("RTM_DELETE", 2), ("RTM_CHANGE", 3)] {
                is(key, kind);
            }
            assert!(facts["rt_msghdr"] >= format.flags_at as i64 + 4, "{name}");
        }
    }

    #[test]
    fn addresses_interfaces_and_routes_are_changes_and_neighbours_and_answers_are_not() {
        for (name, format) in SYSTEMS {
            let facts = abi::facts(name);
            let tells = |kind: u8, flags| format.tells_of_a_change(&message(&format, kind, flags));
            for key in ["RTM_NEWADDR", "RTM_DELADDR", "RTM_IFINFO", "RTM_IFANNOUNCE", "RTM_DESYNC"] {
                let Some(kind) = facts.get(key) else { continue };
                assert!(tells(*kind as u8, 0) && tells(*kind as u8, u32::MAX), "{name}: {key}");
            }
            for kind in ROUTE {
                // UP, GATEWAY, STATIC; then UP, HOST and a neighbour.
                assert!(tells(kind, 0x803), "{name}: {kind}");
                assert!(!tells(kind, 0x405), "{name}: {kind}");
            }
            for kind in IDLE {
                assert!(!tells(kind, 0x803), "{name}: {kind}");
            }
        }
    }

    #[test]
    fn what_is_not_understood_is_a_change() {
        for (name, format) in SYSTEMS {
            let idle = message(&format, 4, 0);
            for n in 0..idle.len() {
                assert!(format.tells_of_a_change(&idle[..n]), "{name}: {n} octets");
            }
            for length in [0_u16, 3, 97, u16::MAX] {
                let mut lie = idle.clone();
                lie[..2].copy_from_slice(&length.to_ne_bytes());
                assert!(format.tells_of_a_change(&lie), "{name}: {length}");
            }
            let mut other = idle;
            other[2] += 1;
            assert!(format.tells_of_a_change(&other), "{name}: another version");
        }
    }

    proptest! {
        /// Whatever the octets are: only a whole message of this version, of a kind without interest or of a neighbour, is
        /// passed over.
        #[test]
        fn no_octets_hide_a_change(octets in vec(any::<u8>(), 0..200), honest in any::<bool>()) {
            for (_, format) in SYSTEMS {
                let mut octets = octets.clone();
                if honest && octets.len() >= 4 {
                    let length = octets.len() as u16;
                    octets[..2].copy_from_slice(&length.to_ne_bytes());
                    octets[2] = format.version;
                }
                if !format.tells_of_a_change(&octets) {
                    prop_assert!(octets.len() >= 4 && octets[2] == format.version);
                    let of_a_neighbour = ROUTE.contains(&octets[3]) && format.is_of_a_neighbour(&octets);
                    prop_assert!(IDLE.contains(&octets[3]) || of_a_neighbour);
                }
            }
        }
    }
}
