//! Control messages: where from and how marked, beside a datagram (RFC 3542 §4, §20; `cmsg(3)`).
//!
//! Pure functions between octets and values, over the table of how each system lays them out (`layout.rs`), so that every
//! system's layout is tested on every system. A kernel's octets are read as carefully as a peer's: what does not hold
//! together ends the reading.

use super::layout::{LEVEL_IP, LEVEL_IPV6, Layout, Source};
use net::{Ecn, LocalAddr};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;

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
    use super::super::layout::SYSTEMS;
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn what_is_asked_for_is_laid_out_as_the_system_reads_it() {
        let local =
            |ip: &str, index| LocalAddr { ip: ip.parse().unwrap(), interface: NonZeroU32::new(index) };
        for (name, layout) in SYSTEMS {
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
        for (name, layout) in SYSTEMS {
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
        for (_, layout) in SYSTEMS {
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

    proptest! {
        /// Whatever the octets: the reading ends, stays inside them, and is the same when it is done again.
        #[test]
        fn no_octets_lead_out_of_them(octets in vec(any::<u8>(), 0..ROOM), small in any::<bool>()) {
            for (_, layout) in SYSTEMS {
                let mut octets = octets.clone();
                // A length that is likely to hold.
                if small && octets.len() >= layout.len_size {
                    let length = u64::from(octets[0] % 64);
                    if layout.len_size == 8 {
                        octets[..8].copy_from_slice(&length.to_ne_bytes());
                    } else {
                        octets[..4].copy_from_slice(&(length as u32).to_ne_bytes());
                    }
                }
                let total: usize = messages(&layout, &octets).map(|message| layout.len(message.data.len())).sum();
                prop_assert!(total <= octets.len());
                let _ = decode(&layout, &octets);
            }
        }

        /// What a system is asked to send from is what it would be told of an answer, as far as it can say it at all.
        #[test]
        fn an_ipv6_source_comes_back_as_it_was_given(ip in any::<[u8; 16]>(), index in any::<u32>()) {
            for (name, layout) in SYSTEMS {
                let local = LocalAddr { ip: IpAddr::from(ip), interface: NonZeroU32::new(index) };
                let mut control = Control([0xAA; ROOM]);
                let n = encode(&layout, &local, &mut control);
                let arrival = decode(&layout, &control.0[..n]);
                if n > 0 {
                    prop_assert_eq!((arrival.ip, arrival.interface), (Some(local.ip), local.interface), "{}", name);
                } else {
                    prop_assert!(local.ip.is_unspecified() && index == 0);
                }
            }
        }
    }
}
