//! Address records, the paper's Figure 8: length, family, port, address. `length` counts what follows it.
//!
//! The list may begin with one record of family 0x84 or 0x86: the receiver's own address, as the sender of the list
//! sees it. Families that are not known are skipped; a list that is cut short is malformed as a whole. SPEC \[A-3].

use crate::discard::Discard;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;

const V4: u8 = 4;
const V6: u8 = 6;
const OBSERVED: u8 = 0x80;
/// In a request: speak by yourself after so many milliseconds. SPEC \[A-6].
const LATE_WORD: u8 = 0x70;

/// An address list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AddressList {
    /// The receiver's address as the sender sees it.
    pub(crate) observed: Option<SocketAddr>,
    /// The sender's addresses, most useful first.
    pub(crate) addresses: Vec<SocketAddr>,
}

impl AddressList {
    /// Appends as many whole records as fit in `room` octets; `true` when all did.
    pub(crate) fn encode(&self, room: usize, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let observed = self.observed.iter().map(|address| (OBSERVED, address));
        for (mark, address) in observed.chain(self.addresses.iter().map(|address| (0, address))) {
            let length = match address.ip() {
                IpAddr::V4(_) => 8,
                IpAddr::V6(_) => 20,
            };
            if out.len() - start + length > room {
                return false;
            }
            out.push(length as u8 - 1);
            match address.ip() {
                IpAddr::V4(ip) => {
                    out.push(V4 | mark);
                    out.extend_from_slice(&address.port().to_be_bytes());
                    out.extend_from_slice(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    out.push(V6 | mark);
                    out.extend_from_slice(&address.port().to_be_bytes());
                    out.extend_from_slice(&ip.octets());
                }
            }
        }
        true
    }

    /// Reads a whole list.
    ///
    /// # Errors
    /// [`Discard::MalformedAddresses`] when a record is cut short or its length does not fit its family.
    pub(crate) fn decode(mut bytes: &[u8]) -> Result<Self, Discard> {
        let mut list = Self::default();
        while let Some((&length, rest)) = bytes.split_first() {
            let (record, rest) = rest.split_at_checked(length.into()).ok_or(Discard::MalformedAddresses)?;
            bytes = rest;
            let (&family, body) = record.split_first().ok_or(Discard::MalformedAddresses)?;
            let Some(address) = decode_body(family & !OBSERVED, body)? else { continue };
            if family & OBSERVED == 0 {
                list.addresses.push(address);
            } else {
                list.observed = Some(address);
            }
        }
        Ok(list)
    }
}

/// What a request asks for besides the list: a word by itself, so long after the request.
pub(crate) fn encode_late_word(after: Duration) -> Vec<u8> {
    let millis = u16::try_from(after.as_millis()).unwrap_or(u16::MAX).to_be_bytes();
    Vec::from([3, LATE_WORD, millis[0], millis[1]])
}

/// Reads what a request asks for; mostly nothing.
///
/// # Errors
/// [`Discard::MalformedAddresses`] when a record is cut short, [`Discard::UnexpectedAddresses`] when one is an address:
/// a client has none to tell.
pub(crate) fn decode_request(mut bytes: &[u8]) -> Result<Option<Duration>, Discard> {
    let mut late_word = None;
    while let Some((&length, rest)) = bytes.split_first() {
        let (record, rest) = rest.split_at_checked(length.into()).ok_or(Discard::MalformedAddresses)?;
        bytes = rest;
        match record.split_first().ok_or(Discard::MalformedAddresses)? {
            (&LATE_WORD, &[high, low]) => {
                late_word = Some(Duration::from_millis(u16::from_be_bytes([high, low]).into()));
            }
            (&LATE_WORD, _) => return Err(Discard::MalformedAddresses),
            (family, _) if matches!(family & !OBSERVED, V4 | V6) => return Err(Discard::UnexpectedAddresses),
            _ => {}
        }
    }
    Ok(late_word)
}

/// `None` for a family that is not known.
fn decode_body(family: u8, body: &[u8]) -> Result<Option<SocketAddr>, Discard> {
    let ip = |body: &[u8]| -> Option<IpAddr> {
        let address = body.get(2..)?;
        match family {
            V4 => <[u8; 4]>::try_from(address).ok().map(|octets| Ipv4Addr::from(octets).into()),
            _ => <[u8; 16]>::try_from(address).ok().map(|octets| Ipv6Addr::from(octets).into()),
        }
    };
    if family != V4 && family != V6 {
        return Ok(None);
    }
    let port = body.first_chunk().copied().map(u16::from_be_bytes).ok_or(Discard::MalformedAddresses)?;
    let ip = ip(body).ok_or(Discard::MalformedAddresses)?;
    Ok(Some(SocketAddr::new(ip, port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(observed: Option<&str>, addresses: &[&str]) -> AddressList {
        AddressList {
            observed: observed.map(|text| text.parse().unwrap()),
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn records_are_those_of_figure_8() {
        let mut out = Vec::new();
        assert!(list(None, &["192.0.2.2:60001", "[fd00::2]:60001"]).encode(1000, &mut out));
        assert_eq!(out[..8], [7, 4, 0xEA, 0x61, 192, 0, 2, 2]);
        assert_eq!(out[8..12], [19, 6, 0xEA, 0x61]);
        assert_eq!(out.len(), 28);
    }

    #[test]
    fn the_observed_address_comes_first() {
        let whole = list(Some("203.0.113.5:4242"), &["[fd00::2]:60001"]);
        let mut out = Vec::new();
        assert!(whole.encode(1000, &mut out));
        assert_eq!(out[..2], [7, 0x84]);
        assert_eq!(AddressList::decode(&out).unwrap(), whole);
    }

    #[test]
    fn a_list_is_cut_to_whole_records() {
        let whole = list(Some("203.0.113.5:4242"), &["192.0.2.2:1", "192.0.2.3:1"]);
        let mut out = Vec::new();
        assert!(!whole.encode(23, &mut out));
        assert_eq!(AddressList::decode(&out).unwrap(), list(Some("203.0.113.5:4242"), &["192.0.2.2:1"]));
    }

    #[test]
    fn unknown_families_are_skipped() {
        assert_eq!(
            AddressList::decode(&[3, 9, 1, 2, 7, 4, 0, 1, 192, 0, 2, 2]).unwrap(),
            list(None, &["192.0.2.2:1"])
        );
    }

    #[test]
    fn a_malformed_list_is_refused_whole() {
        for bytes in [
            &[0][..],
            &[7],
            &[7, 4, 0, 1, 192, 0, 2],
            &[6, 4, 0, 1, 192, 0, 2],
            &[7, 6, 0, 1, 1, 2, 3, 4],
            &[255, 4],
            &[2, 4, 0],
        ] {
            assert_eq!(AddressList::decode(bytes), Err(Discard::MalformedAddresses), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_can_harm(bytes: Vec<u8>) {
            let _ = AddressList::decode(&bytes);
        }

        #[test]
        fn a_list_survives_the_wire(v4: Vec<(u32, u16)>, v6: Vec<(u128, u16)>) {
            let addresses = v4.iter().map(|&(ip, port)| SocketAddr::new(Ipv4Addr::from(ip).into(), port))
                .chain(v6.iter().map(|&(ip, port)| SocketAddr::new(Ipv6Addr::from(ip).into(), port))).collect();
            let whole = AddressList { observed: None, addresses };
            let mut out = Vec::new();
            prop_assert!(whole.encode(usize::MAX, &mut out));
            prop_assert_eq!(AddressList::decode(&out).unwrap(), whole);
        }
    }

    #[test]
    fn a_request_may_ask_for_a_late_word_and_for_nothing_else() {
        let after = Duration::from_millis(10_125);
        assert_eq!(encode_late_word(after), [3, 0x70, 0x27, 0x8D]);
        assert_eq!(decode_request(&encode_late_word(after)), Ok(Some(after)));
        assert_eq!(decode_request(&[]), Ok(None));
        assert_eq!(decode_request(&[1, 0x71, 4, 0x70]), Err(Discard::MalformedAddresses));
        assert_eq!(decode_request(&[2, 0x70, 1]), Err(Discard::MalformedAddresses));
        assert_eq!(decode_request(&[0]), Err(Discard::MalformedAddresses));
        let mut list = Vec::new();
        self::list(None, &["192.0.2.2:60001"]).encode(1000, &mut list);
        assert_eq!(decode_request(&list), Err(Discard::UnexpectedAddresses));
    }
}
