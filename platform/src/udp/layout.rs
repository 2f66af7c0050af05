//! How each system lays out control messages, and by which socket options it is asked for them.
//!
//! Constants of every system, compiled on every system. They are held against the systems' headers by the tests
//! (`tests/abi/`) and against the libc crate by each system's module (`linux.rs`, `apple.rs`, `bsd.rs`) when that is
//! compiled: a wrong number fails on Linux too.
#![cfg_attr(
    not(test),
    expect(dead_code, reason = "each system uses its own layout alone; the tests use them all")
)]

/// `IPPROTO_IP` and `IPPROTO_IPV6`: the levels, the same everywhere.
pub(super) const LEVEL_IP: i32 = 0;
pub(super) const LEVEL_IPV6: i32 = 41;

/// How IPv4 is told the source address.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// `struct in_pktinfo`: the address and the interface.
    PktInfo {
        kind: i32,
        size: usize,
        address_at: usize,
        interface_at: usize,
        /// An interface takes the address's place: macOS ignores the address when there is an interface.
        either: bool,
    },
    /// `struct in_addr` (`IP_SENDSRCADDR`): the address alone; the system chooses the interface.
    Address { kind: i32 },
}

/// One system's layout.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Octets of `cmsg_len`, which stands first.
    pub(super) len_size: usize,
    /// `sizeof (struct cmsghdr)`; the level stands in its last eight octets, then the type.
    pub(super) header: usize,
    /// What header and data are padded to. The same on all machines of macOS; by the machine on the BSDs.
    pub(super) align: usize,
    pub(super) ipv4_source: Source,
    /// Types that carry an `in_pktinfo` in a received datagram; where its address and its interface stand.
    pub(super) ipv4_pktinfo: &'static [i32],
    pub(super) ipv4_pktinfo_at: (usize, usize),
    /// `IP_RECVDSTADDR`: the destination address of a received datagram. It wins over `in_pktinfo`.
    pub(super) ipv4_destination: Option<i32>,
    /// `IP_RECVIF`: a `sockaddr_dl` whose index stands at 2.
    pub(super) ipv4_interface: Option<i32>,
    /// Types that carry the TOS octet.
    pub(super) ipv4_tos: &'static [i32],
    /// `IPV6_PKTINFO`, in both directions: `{ address, interface }`.
    pub(super) ipv6_pktinfo: i32,
    /// `IPV6_TCLASS`: the type of the traffic class, and the socket option that sets it.
    pub(super) ipv6_tclass: i32,
    pub(super) options: Options,
}

/// The socket options that ask for what [`Layout`] reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// Tells the local address; there is no session without it.
    pub(super) ipv4_address: i32,
    /// Tells the interface, where that is an option of its own.
    pub(super) ipv4_interface: Option<i32>,
    /// `IP_RECVTOS`, where there is one.
    pub(super) ipv4_tos: Option<i32>,
    /// `IP_TOS`: marks what is sent.
    pub(super) ipv4_mark: i32,
    /// `IP_DONTFRAG`, where there is one.
    pub(super) ipv4_dont_fragment: Option<i32>,
    /// `IPV6_RECVPKTINFO`; there is no session without it.
    pub(super) ipv6_pktinfo: i32,
    /// `IPV6_RECVTCLASS`.
    pub(super) ipv6_tclass: i32,
    /// `IPV6_DONTFRAG`.
    pub(super) ipv6_dont_fragment: i32,
}

/// Linux and Android; `word` is the size of a `size_t`.
pub(super) const fn linux(word: usize) -> Layout {
    Layout {
        len_size: word,
        header: word + 8,
        align: word,
        ipv4_source: Source::PktInfo { kind: 8, size: 12, address_at: 4, interface_at: 0, either: false },
        ipv4_pktinfo: &[8],
        ipv4_pktinfo_at: (8, 0),
        ipv4_destination: None,
        ipv4_interface: None,
        // The TOS octet comes back as IP_TOS.
        ipv4_tos: &[1],
        ipv6_pktinfo: 50,
        ipv6_tclass: 67,
        options: Options {
            ipv4_address: 8,
            ipv4_interface: None,
            ipv4_tos: Some(13),
            ipv4_mark: 1,
            // IP_MTU_DISCOVER does it here.
            ipv4_dont_fragment: None,
            ipv6_pktinfo: 49,
            ipv6_tclass: 66,
            ipv6_dont_fragment: 62,
        },
    }
}

/// macOS. A non-zero `ipi_ifindex` zeroes `ipi_spec_dst` in its kernel: the interface alone is given, and it is what
/// chooses the uplink. Only without an interface is the address given.
pub(super) const fn apple() -> Layout {
    Layout {
        len_size: 4,
        header: 12,
        align: 4,
        ipv4_source: Source::PktInfo { kind: 26, size: 12, address_at: 4, interface_at: 0, either: true },
        ipv4_pktinfo: &[26],
        ipv4_pktinfo_at: (8, 0),
        ipv4_destination: None,
        ipv4_interface: None,
        ipv4_tos: &[27],
        ipv6_pktinfo: 46,
        ipv6_tclass: 36,
        options: Options {
            ipv4_address: 26,
            ipv4_interface: None,
            ipv4_tos: Some(27),
            ipv4_mark: 3,
            ipv4_dont_fragment: Some(28),
            ipv6_pktinfo: 61,
            ipv6_tclass: 35,
            ipv6_dont_fragment: 62,
        },
    }
}

/// FreeBSD: no choice of the interface for IPv4.
pub(super) const fn freebsd(align: usize) -> Layout {
    Layout {
        len_size: 4,
        header: 12,
        align,
        ipv4_source: Source::Address { kind: 7 },
        ipv4_pktinfo: &[],
        ipv4_pktinfo_at: (0, 0),
        ipv4_destination: Some(7),
        ipv4_interface: Some(20),
        ipv4_tos: &[68],
        ipv6_pktinfo: 46,
        ipv6_tclass: 61,
        options: Options {
            ipv4_address: 7,
            ipv4_interface: Some(20),
            ipv4_tos: Some(68),
            ipv4_mark: 3,
            ipv4_dont_fragment: Some(67),
            ipv6_pktinfo: 36,
            ipv6_tclass: 57,
            ipv6_dont_fragment: 62,
        },
    }
}

/// OpenBSD: as FreeBSD, but no TOS of received IPv4 and no DF for what is sent.
pub(super) const fn openbsd(align: usize) -> Layout {
    let base = freebsd(align);
    Layout {
        ipv4_interface: Some(30),
        ipv4_tos: &[],
        options: Options {
            ipv4_interface: Some(30),
            ipv4_tos: None,
            ipv4_dont_fragment: None,
            ..base.options
        },
        ..base
    }
}

/// NetBSD: an `in_pktinfo` of `{ address, interface }`, as `IP_PKTINFO` or `IP_RECVPKTINFO`; no TOS and no DF, as OpenBSD.
pub(super) const fn netbsd(align: usize) -> Layout {
    let base = freebsd(align);
    Layout {
        ipv4_source: Source::PktInfo { kind: 25, size: 8, address_at: 0, interface_at: 4, either: false },
        ipv4_pktinfo: &[25, 26],
        ipv4_pktinfo_at: (0, 4),
        ipv4_tos: &[],
        options: Options {
            ipv4_interface: Some(26),
            ipv4_tos: None,
            ipv4_dont_fragment: None,
            ..base.options
        },
        ..base
    }
}

impl Layout {
    pub(super) const fn pad(&self, n: usize) -> usize {
        n.next_multiple_of(self.align)
    }

    /// `CMSG_LEN`.
    pub(super) const fn len(&self, data: usize) -> usize {
        self.pad(self.header) + data
    }

    /// `CMSG_SPACE`.
    pub(super) const fn space(&self, data: usize) -> usize {
        self.pad(self.header) + self.pad(data)
    }
}

/// Every system, with the machines that pad otherwise than most.
#[cfg(test)]
pub(super) const SYSTEMS: [(&str, Layout); 11] = [
    ("linux", linux(8)),
    ("linux", linux(4)),
    ("apple", apple()),
    ("freebsd", freebsd(8)),
    ("freebsd", freebsd(4)),
    ("netbsd", netbsd(8)),
    ("netbsd", netbsd(4)),
    ("netbsd", netbsd(16)),
    ("openbsd", openbsd(8)),
    ("openbsd", openbsd(4)),
    ("openbsd", openbsd(16)),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi;

    #[test]
    fn the_tables_are_those_of_the_systems_headers() {
        for (name, layout) in SYSTEMS {
            let facts = abi::facts(name);
            let fact = |key: &str| facts.get(key).copied();
            let is = |key: &str, value: usize| assert_eq!(fact(key), Some(value as i64), "{name}: {key}");
            // What a table has not, the system has not.
            let is_or_none = |key: &str, value: Option<i32>| {
                assert_eq!(fact(key), value.map(i64::from), "{name}: {key}");
            };
            // The headers read are those of 64 bits.
            if (name, layout.len_size) != ("linux", 4) {
                is("cmsghdr__cmsg_len", 0);
                is("cmsghdr__cmsg_level", layout.header - 8);
                is("cmsghdr__cmsg_type", layout.header - 4);
                is("cmsghdr", layout.header);
            }
            is("IPPROTO_IP", LEVEL_IP as usize);
            is("IPPROTO_IPV6", LEVEL_IPV6 as usize);
            is("IPV6_PKTINFO", layout.ipv6_pktinfo as usize);
            is("IPV6_TCLASS", layout.ipv6_tclass as usize);
            is("in6_pktinfo", 20);
            is("in6_pktinfo__ipi6_addr", 0);
            is("in6_pktinfo__ipi6_ifindex", 16);
            is("in_addr", 4);
            match layout.ipv4_source {
                Source::PktInfo { kind, size, address_at, interface_at, .. } => {
                    is("IP_PKTINFO", kind as usize);
                    is("in_pktinfo", size);
                    is("in_pktinfo__ipi_spec_dst", address_at);
                    is("in_pktinfo__ipi_ifindex", interface_at);
                    is("in_pktinfo__ipi_addr", layout.ipv4_pktinfo_at.0);
                    is("in_pktinfo__ipi_ifindex", layout.ipv4_pktinfo_at.1);
                    assert!(layout.ipv4_pktinfo.contains(&kind), "{name}");
                }
                Source::Address { kind } => is("IP_SENDSRCADDR", kind as usize),
            }
            if let Some(kind) = layout.ipv4_destination {
                is("IP_RECVDSTADDR", kind as usize);
            }
            if let Some(kind) = layout.ipv4_interface {
                is("IP_RECVIF", kind as usize);
                is("sockaddr_dl__sdl_index", 2);
            }
            let tos = if name == "linux" { "IP_TOS" } else { "IP_RECVTOS" };
            if let Some(kind) = layout.ipv4_tos.first() {
                is(tos, *kind as usize);
            }

            let options = layout.options;
            let (address, interface) = match name {
                "linux" => ("IP_PKTINFO", None),
                "apple" => ("IP_RECVPKTINFO", None),
                "netbsd" => ("IP_RECVDSTADDR", Some("IP_RECVPKTINFO")),
                _ => ("IP_RECVDSTADDR", Some("IP_RECVIF")),
            };
            is(address, options.ipv4_address as usize);
            assert_eq!(interface.and_then(fact), options.ipv4_interface.map(i64::from), "{name}");
            is_or_none("IP_RECVTOS", options.ipv4_tos);
            is_or_none("IP_DONTFRAG", options.ipv4_dont_fragment);
            is("IP_TOS", options.ipv4_mark as usize);
            is("IPV6_RECVPKTINFO", options.ipv6_pktinfo as usize);
            is("IPV6_RECVTCLASS", options.ipv6_tclass as usize);
            is("IPV6_DONTFRAG", options.ipv6_dont_fragment as usize);
        }
    }

    /// `CMSG_LEN` and `CMSG_SPACE` of an `in_addr`, an `in_pktinfo` and an `in6_pktinfo`, by hand from the macros of each
    /// system: Linux pads to a `size_t`, macOS to 4; OpenBSD's and NetBSD's sparc64 pad to 16.
    #[test]
    fn messages_are_padded_as_the_machine_pads() {
        let sizes = |layout: Layout| [4, 12, 20].map(|n| (layout.len(n), layout.space(n)));
        assert_eq!(sizes(linux(8)), [(20, 24), (28, 32), (36, 40)]);
        assert_eq!(sizes(linux(4)), [(16, 16), (24, 24), (32, 32)]);
        assert_eq!(sizes(apple()), [(16, 16), (24, 24), (32, 32)]);
        for system in [freebsd, netbsd, openbsd] {
            assert_eq!(sizes(system(4)), [(16, 16), (24, 24), (32, 32)]);
            assert_eq!(sizes(system(8)), [(20, 24), (28, 32), (36, 40)]);
            assert_eq!(sizes(system(16)), [(20, 32), (28, 32), (36, 48)]);
        }
    }
}
