//! Mosh's dialect: one flow, whose sequence number fills the nonce word.
//!
//! ```text
//! octet 0  direction 1 bit | sequence 63 bits                       in clear, the nonce word
//!       8  timestamp u16      0xFFFF: none
//!      10  timestamp reply u16
//!      12  payload
//! ```
//! We count to 2^48 only, of mosh's 2^63: no session sends as many. What a peer counts is read in full. SPEC \[W-8].

use super::{Codec, FRAME, Header, Kind, Traits, read_u16, timestamp};
use crate::Side;
use crate::discard::Discard;
use alloc::vec::Vec;
use core::time::Duration;

pub(super) static TRAITS: Traits = Traits {
    name: "mosh",
    key_octets: 16,
    extended: false,
    streams: false,
    max_flows: 1,
    held_flows: 1,
    probes: false,
    payloads_answered: false,
    addresses: false,
    observed_address: false,
    sleeps: false,
    mtu_search: false,
    overhead: HEADER + FRAME,
    congestion_flag: false,
    longest_round_trip: Duration::from_secs(5),
    safe_datagram: (1280 - 28, 1280 - 64),
};

const HEADER: usize = 4;

pub(super) struct Mosh;

impl Codec for Mosh {
    fn split(&self, word: u64) -> (Side, u16, u64) {
        let sender = if word >> 63 == 0 { Side::Client } else { Side::Server };
        (sender, 0, word & (u64::MAX >> 1))
    }

    fn encode(&self, header: &Header, plaintext: &mut Vec<u8>) {
        plaintext.extend_from_slice(&header.timestamp.unwrap_or(u16::MAX).to_be_bytes());
        plaintext.extend_from_slice(&header.timestamp_reply.unwrap_or(u16::MAX).to_be_bytes());
    }

    fn decode(&self, plaintext: &[u8]) -> Result<(Header, usize), Discard> {
        let header = Header {
            kind: Kind::Data,
            timestamp: timestamp(read_u16(plaintext, 0)?),
            timestamp_reply: timestamp(read_u16(plaintext, 2)?),
            loss: 0,
            congestion: false,
            largest: 0,
            after_padded: false,
        };
        Ok((header, HEADER))
    }
}
