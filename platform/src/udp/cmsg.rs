//! Control messages: where from and how marked, beside a datagram (RFC 3542 §4, §20; `cmsg(3)`).
//!
//! Pure functions between octets and values, over a table of how each system lays them out, so that every system's
//! layout is tested on every system. Numbers that a system's headers give are constants here; the tests hold them against
//! the headers (`tests/abi/`), and each system's module holds the framing against its `CMSG_SPACE` when it is compiled.
#![cfg_attr(
    not(test),
    expect(dead_code, reason = "each system uses its own layout alone; the tests use them all")
)]

use net::{Ecn, LocalAddr};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;

/// `IPPROTO_IP` and `IPPROTO_IPV6`: the levels, the same everywhere.
pub(super) const LEVEL_IP: i32 = 0;
pub(super) const LEVEL_IPV6: i32 = 41;

/// Room for the largest set of control messages asked for: two of 40 octets, two of 24, and an error with its sender.
pub(super) const ROOM: usize = 256;

/// A buffer of control messages, aligned as the kernel's structs are.
#[repr(align(8))]
#[derive(Clone, Copy, Debug)]
pub(super) struct Control(pub(super) [u8; ROOM]);

impl Control {
    pub(super) const fn new() -> Self {
        Self([0; ROOM])
    }
}

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
    /// What header and data are padded to.
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
    /// `IPV6_TCLASS`.
    pub(super) ipv6_tclass: i32,
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
        ipv4_tos: &[1],
        ipv6_pktinfo: 50,
        ipv6_tclass: 67,
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
    }
}

/// OpenBSD: as FreeBSD, and no TOS of received IPv4.
pub(super) const fn openbsd(align: usize) -> Layout {
    Layout { ipv4_interface: Some(30), ipv4_tos: &[], ..freebsd(align) }
}

/// NetBSD: an `in_pktinfo` of `{ address, interface }`, as `IP_PKTINFO` or `IP_RECVPKTINFO`; no TOS of received IPv4.
pub(super) const fn netbsd(align: usize) -> Layout {
    Layout {
        ipv4_source: Source::PktInfo { kind: 25, size: 8, address_at: 0, interface_at: 4, either: false },
        ipv4_pktinfo: &[25, 26],
        ipv4_pktinfo_at: (0, 4),
        ipv4_tos: &[],
        ..freebsd(align)
    }
}

impl Layout {
    const fn pad(&self, n: usize) -> usize {
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

/// Writes the message that asks for a source address and an interface, and tells its length; 0 when the system is to
/// choose both.
pub(super) fn encode(layout: &Layout, local: &LocalAddr, control: &mut Control) -> usize {
    let index = local.interface.map_or(0, NonZeroU32::get);
    if local.ip.is_unspecified() && index == 0 {
        return 0;
    }
    let mut data = [0_u8; 20];
    let (level, kind, size) = match (local.ip, layout.ipv4_source) {
        (IpAddr::V6(ip), _) => {
            data[..16].copy_from_slice(&ip.octets());
            data[16..].copy_from_slice(&index.to_ne_bytes());
            (LEVEL_IPV6, layout.ipv6_pktinfo, 20)
        }
        (IpAddr::V4(ip), Source::PktInfo { kind, size, address_at, interface_at, either }) => {
            if !(either && index != 0) {
                data[address_at..address_at + 4].copy_from_slice(&ip.octets());
            }
            data[interface_at..interface_at + 4].copy_from_slice(&index.to_ne_bytes());
            (LEVEL_IP, kind, size)
        }
        (IpAddr::V4(ip), Source::Address { .. }) if ip.is_unspecified() => return 0,
        (IpAddr::V4(ip), Source::Address { kind }) => {
            data[..4].copy_from_slice(&ip.octets());
            (LEVEL_IP, kind, 4)
        }
    };
    let octets = &mut control.0;
    let (length, start) = (layout.len(size), layout.pad(layout.header));
    octets[..layout.space(size)].fill(0);
    match layout.len_size {
        8 => octets[..8].copy_from_slice(&(length as u64).to_ne_bytes()),
        _ => octets[..4].copy_from_slice(&(length as u32).to_ne_bytes()),
    }
    octets[layout.header - 8..layout.header - 4].copy_from_slice(&level.to_ne_bytes());
    octets[layout.header - 4..layout.header].copy_from_slice(&kind.to_ne_bytes());
    octets[start..start + size].copy_from_slice(&data[..size]);
    layout.space(size)
}

/// One control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) level: i32,
    pub(super) kind: i32,
    pub(super) data: &'a [u8],
}

/// The messages in `control`, up to the first that does not hold together.
pub(super) fn messages<'a>(layout: &'a Layout, mut control: &'a [u8]) -> impl Iterator<Item = Message<'a>> {
    std::iter::from_fn(move || {
        let header = control.get(..layout.header)?;
        let length = match layout.len_size {
            8 => usize::try_from(u64::from_ne_bytes(header.first_chunk().copied()?)).ok()?,
            _ => u32::from_ne_bytes(header.first_chunk().copied()?) as usize,
        };
        let data = control.get(layout.pad(layout.header)..length)?;
        let level = int(header, layout.header - 8)?;
        let kind = int(header, layout.header - 4)?;
        control = control.get(layout.pad(length)..).unwrap_or_default();
        Some(Message { level, kind, data })
    })
}

/// The C `int` at an offset.
pub(super) fn int(data: &[u8], at: usize) -> Option<i32> {
    data.get(at..)?.first_chunk().map(|octets| i32::from_ne_bytes(*octets))
}

fn ipv4(data: &[u8], at: usize) -> Option<IpAddr> {
    data.get(at..)?.first_chunk::<4>().map(|octets| IpAddr::V4(Ipv4Addr::from(*octets)))
}

/// What the control messages of a received datagram tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) ip: Option<IpAddr>,
    pub(super) interface: Option<NonZeroU32>,
    pub(super) ecn: Ecn,
}

/// Reads the control messages of a received datagram.
pub(super) fn decode(layout: &Layout, control: &[u8]) -> Arrival {
    let mut arrival = Arrival::default();
    let mut destination = None;
    for Message { level, kind, data } in messages(layout, control) {
        if level == LEVEL_IP {
            if layout.ipv4_pktinfo.contains(&kind) {
                let (address_at, interface_at) = layout.ipv4_pktinfo_at;
                arrival.ip = ipv4(data, address_at);
                arrival.interface = int(data, interface_at).and_then(|n| NonZeroU32::new(n as u32));
            } else if Some(kind) == layout.ipv4_destination {
                destination = ipv4(data, 0);
            } else if Some(kind) == layout.ipv4_interface {
                let index = data.get(2..).and_then(|data| data.first_chunk()).map(|n| u16::from_ne_bytes(*n));
                arrival.interface = index.and_then(|n| NonZeroU32::new(n.into()));
            } else if layout.ipv4_tos.contains(&kind) {
                arrival.ecn = data.first().copied().map(ecn).unwrap_or_default();
            }
        } else if level == LEVEL_IPV6 {
            if kind == layout.ipv6_pktinfo {
                arrival.ip = data.first_chunk::<16>().map(|octets| IpAddr::V6(Ipv6Addr::from(*octets)));
                arrival.interface = int(data, 16).and_then(|n| NonZeroU32::new(n as u32));
            } else if kind == layout.ipv6_tclass {
                arrival.ecn = int(data, 0).map(|class| ecn(class as u8)).unwrap_or_default();
            }
        }
    }
    arrival.ip = destination.or(arrival.ip);
    arrival
}

/// The two low bits of the TOS octet or the traffic class (RFC 3168 §5).
fn ecn(octet: u8) -> Ecn {
    match octet & 3 {
        0 => Ecn::NotEct,
        3 => Ecn::Ce,
        _ => Ecn::Ect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const SYSTEMS: [(&str, Layout, &str); 5] = [
        ("linux", linux(8), include_str!("../../tests/abi/linux.txt")),
        ("apple", apple(), include_str!("../../tests/abi/apple.txt")),
        ("freebsd", freebsd(8), include_str!("../../tests/abi/freebsd.txt")),
        ("netbsd", netbsd(8), include_str!("../../tests/abi/netbsd.txt")),
        ("openbsd", openbsd(8), include_str!("../../tests/abi/openbsd.txt")),
    ];

    fn facts(text: &str) -> BTreeMap<&str, i64> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| {
                let mut words = line.split(' ').skip(1);
                (words.next().unwrap(), words.next().unwrap().parse().unwrap())
            })
            .collect()
    }

    #[test]
    fn the_tables_are_those_of_the_systems_headers() {
        for (name, layout, text) in SYSTEMS {
            let facts = facts(text);
            let fact = |key: &str| facts.get(key).copied();
            let is = |key: &str, value: usize| assert_eq!(fact(key), Some(value as i64), "{name}: {key}");
            let names = |key: &str, kinds: &[i32]| {
                assert!(fact(key).is_none_or(|n| kinds.iter().any(|k| i64::from(*k) == n)), "{name}: {key}");
                assert!(kinds.is_empty() || fact(key).is_some(), "{name}: {key} is not there");
            };
            is("cmsghdr__cmsg_len", 0);
            is("cmsghdr__cmsg_level", layout.header - 8);
            is("cmsghdr__cmsg_type", layout.header - 4);
            is("cmsghdr", layout.header);
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
            // Linux hands the TOS octet back as IP_TOS.
            names(if name == "linux" { "IP_TOS" } else { "IP_RECVTOS" }, layout.ipv4_tos);
        }
    }

    #[test]
    fn what_is_asked_for_is_laid_out_as_the_system_reads_it() {
        let local =
            |ip: &str, index| LocalAddr { ip: ip.parse().unwrap(), interface: NonZeroU32::new(index) };
        for (name, layout, _) in SYSTEMS {
            let mut control = Control([0xAA; ROOM]);
            let n = encode(&layout, &local("2001:db8::7", 3), &mut control);
            assert_eq!(n, layout.space(20), "{name}");
            let found: Vec<_> = messages(&layout, &control.0[..n]).collect();
            assert_eq!(found.len(), 1, "{name}");
            assert_eq!((found[0].level, found[0].kind), (41, layout.ipv6_pktinfo));
            let arrival = decode(&layout, &control.0[..n]);
            assert_eq!(arrival.ip, Some("2001:db8::7".parse().unwrap()), "{name}");
            assert_eq!(arrival.interface, NonZeroU32::new(3), "{name}");

            let n = encode(&layout, &local("192.0.2.7", 3), &mut control);
            let found: Vec<_> = messages(&layout, &control.0[..n]).collect();
            let expected: &[u8] = match name {
                "linux" => &[3, 0, 0, 0, 192, 0, 2, 7, 0, 0, 0, 0],
                "apple" => &[3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                "netbsd" => &[192, 0, 2, 7, 3, 0, 0, 0],
                _ => &[192, 0, 2, 7],
            };
            if cfg!(target_endian = "little") {
                assert_eq!(found[0].data, expected, "{name}");
            }
            let n = encode(&layout, &local("192.0.2.7", 0), &mut control);
            assert!(control.0[..n].windows(4).any(|four| four == [192, 0, 2, 7]), "{name}");
            assert_eq!(encode(&layout, &local("0.0.0.0", 0), &mut control), 0, "{name}");
            assert_eq!(encode(&layout, &local("::", 0), &mut control), 0, "{name}");
        }
    }

    /// A control message as a kernel writes it.
    fn message(layout: &Layout, level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut octets = vec![0; layout.space(data.len())];
        let length = layout.len(data.len());
        if layout.len_size == 8 {
            octets[..8].copy_from_slice(&(length as u64).to_ne_bytes());
        } else {
            octets[..4].copy_from_slice(&(length as u32).to_ne_bytes());
        }
        octets[layout.header - 8..layout.header - 4].copy_from_slice(&level.to_ne_bytes());
        octets[layout.header - 4..layout.header].copy_from_slice(&kind.to_ne_bytes());
        let start = layout.pad(layout.header);
        octets[start..start + data.len()].copy_from_slice(data);
        octets
    }

    #[test]
    fn address_interface_and_mark_are_read_as_each_system_gives_them() {
        let index = 5_u32.to_ne_bytes();
        for (name, layout, _) in SYSTEMS {
            let mut control = Vec::new();
            match name {
                "linux" | "apple" => {
                    let mut info = index.to_vec();
                    info.extend([192, 0, 2, 99, 192, 0, 2, 1]);
                    control.extend(message(&layout, 0, layout.ipv4_pktinfo[0], &info));
                }
                "netbsd" => {
                    let mut info = vec![198, 51, 100, 1];
                    info.extend(index);
                    control.extend(message(&layout, 0, 26, &info));
                    control.extend(message(&layout, 0, 7, &[192, 0, 2, 1]));
                }
                _ => {
                    control.extend(message(&layout, 0, 7, &[192, 0, 2, 1]));
                    let mut link = vec![54, 18];
                    link.extend(5_u16.to_ne_bytes());
                    link.resize(54, 0);
                    control.extend(message(&layout, 0, layout.ipv4_interface.unwrap(), &link));
                }
            }
            if let Some(kind) = layout.ipv4_tos.first() {
                control.extend(message(&layout, 0, *kind, &[0x03]));
            }
            let arrival = decode(&layout, &control);
            assert_eq!(arrival.ip, Some("192.0.2.1".parse().unwrap()), "{name}");
            assert_eq!(arrival.interface, NonZeroU32::new(5), "{name}");
            assert_eq!(arrival.ecn == Ecn::Ce, !layout.ipv4_tos.is_empty(), "{name}");

            let class = message(&layout, 41, layout.ipv6_tclass, &2_u32.to_ne_bytes());
            assert_eq!(decode(&layout, &class).ecn, Ecn::Ect, "{name}");
        }
    }

    #[test]
    fn lengths_that_do_not_hold_together_end_the_reading() {
        for (_, layout, _) in SYSTEMS {
            let whole = message(&layout, 41, layout.ipv6_pktinfo, &[1; 20]);
            for n in 0..layout.len(20) {
                assert_eq!(messages(&layout, &whole[..n]).count(), 0);
            }
            for length in [0_u32, 1, layout.header as u32 - 1, 4096, u32::MAX] {
                let mut lie = whole.clone();
                lie[..4].copy_from_slice(&length.to_ne_bytes());
                assert_eq!(messages(&layout, &lie).count(), 0);
            }
        }
    }
}
