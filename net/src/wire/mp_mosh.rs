//! The dialect of the paper's authors' own implementation, as its last state speaks it.
//!
//! ```text
//! octet 0  direction 1 bit | flow id 15 bits | sequence 48 bits     in clear, the nonce word
//!       8  timestamp u16      0xFFFF: none
//!      10  timestamp reply u16
//!      12  flags u8           bit 0 PROBE, bit 1 ADDR
//!      13  loss seen u8       percent
//!      14  payload
//! ```
//! Its peers test the two flags independently; a datagram with both is an address message, whose reply answers the
//! probe too. SPEC \[D-1] to \[D-6].

use super::{Codec, FRAME, Header, Kind, SAFE_DATAGRAM, Traits, multipath, read_u16, timestamp};
use crate::Side;
use crate::discard::Discard;
use alloc::vec::Vec;
use core::time::Duration;

pub(super) static TRAITS: Traits = Traits {
    name: "mp-mosh",
    key_octets: 16,
    extended: false,
    streams: false,
    // Its client counts up for every pair it ever had.
    max_flows: 1 << 15,
    held_flows: 256,
    probes: true,
    payloads_answered: false,
    addresses: true,
    observed_address: false,
    sleeps: false,
    mtu_search: false,
    overhead: HEADER + FRAME,
    congestion_flag: false,
    longest_round_trip: Duration::from_secs(5),
    safe_datagram: SAFE_DATAGRAM,
};

/// Octets of the header inside the ciphertext.
const HEADER: usize = 6;
const PROBE: u8 = 1 << 0;
const ADDRESSES: u8 = 1 << 1;

pub(super) struct MpMosh;

impl Codec for MpMosh {
    fn split(&self, word: u64) -> (Side, u16, u64) {
        multipath::Multipath.split(word)
    }

    fn encode(&self, header: &Header, plaintext: &mut Vec<u8>) {
        let flags = match header.kind {
            Kind::Data => 0,
            Kind::Probe => PROBE,
            Kind::Addresses => ADDRESSES,
        };
        plaintext.extend_from_slice(&header.timestamp.unwrap_or(u16::MAX).to_be_bytes());
        plaintext.extend_from_slice(&header.timestamp_reply.unwrap_or(u16::MAX).to_be_bytes());
        plaintext.extend_from_slice(&[flags, header.loss.min(100)]);
    }

    fn decode(&self, plaintext: &[u8]) -> Result<(Header, usize), Discard> {
        let &[flags, loss] =
            plaintext.get(4..).and_then(|rest| rest.first_chunk()).ok_or(Discard::Truncated)?;
        let kind = match (flags & ADDRESSES != 0, flags & PROBE != 0) {
            (true, _) => Kind::Addresses,
            (false, true) => Kind::Probe,
            (false, false) => Kind::Data,
        };
        let header = Header {
            kind,
            timestamp: timestamp(read_u16(plaintext, 0)?),
            timestamp_reply: timestamp(read_u16(plaintext, 2)?),
            loss: loss.min(100),
            congestion: false,
            largest: 0,
            after_padded: false,
        };
        Ok((header, HEADER))
    }
}
