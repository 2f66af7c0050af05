//! The multipath dialect: the header of the paper's Figure 7.
//!
//! ```text
//! octet 0  direction 1 bit | flow id 15 bits | sequence 48 bits     in clear, the nonce word
//!       8  flags u16          bit 0 PROBE, bit 1 ADDR, bit 2 congestion seen, bits 3–7 largest datagram seen,
//!                              bits 8–14 loss seen (percent), bit 15 padded probes went before
//!      10  timestamp u16      0xFFFF: none
//!      12  timestamp reply u16
//!      14  payload
//! ```
//! SPEC \[W-3], \[W-4].

use super::{Codec, FRAME, Header, Kind, SAFE_DATAGRAM, Traits, read_u16, timestamp};
use crate::Side;
use crate::discard::Discard;
use alloc::vec::Vec;
use core::time::Duration;

pub(super) static TRAITS: Traits = Traits {
    name: "multipath",
    key_octets: 32,
    extended: true,
    streams: true,
    max_flows: 64,
    held_flows: 64,
    probes: true,
    payloads_answered: true,
    addresses: true,
    observed_address: true,
    sleeps: true,
    mtu_search: true,
    overhead: HEADER + FRAME,
    congestion_flag: true,
    // Timestamps wrap after 65 s; half of it tells old from new.
    longest_round_trip: Duration::from_millis(32_768),
    safe_datagram: SAFE_DATAGRAM,
};

/// Octets of the header inside the ciphertext: with the nonce word, the paper's 14.
const HEADER: usize = 6;
const PROBE: u16 = 1 << 0;
const ADDRESSES: u16 = 1 << 1;
const CONGESTION: u16 = 1 << 2;
const LARGEST_AT: u32 = 3;
const LOSS_AT: u32 = 8;
const AFTER_PADDED: u16 = 1 << 15;

pub(super) struct Multipath;

impl Codec for Multipath {
    fn split(&self, word: u64) -> (Side, u16, u64) {
        let sender = if word >> 63 == 0 { Side::Client } else { Side::Server };
        (sender, (word >> 48) as u16 & 0x7FFF, word & ((1 << 48) - 1))
    }

    fn encode(&self, header: &Header, plaintext: &mut Vec<u8>) {
        let mut flags = match header.kind {
            Kind::Data => 0,
            Kind::Probe => PROBE,
            Kind::Addresses => ADDRESSES,
        };
        if header.congestion {
            flags |= CONGESTION;
        }
        if header.after_padded {
            flags |= AFTER_PADDED;
        }
        flags |= u16::from(header.largest.min(31)) << LARGEST_AT;
        flags |= u16::from(header.loss.min(100)) << LOSS_AT;
        plaintext.extend_from_slice(&flags.to_be_bytes());
        plaintext.extend_from_slice(&header.timestamp.unwrap_or(u16::MAX).to_be_bytes());
        plaintext.extend_from_slice(&header.timestamp_reply.unwrap_or(u16::MAX).to_be_bytes());
    }

    fn decode(&self, plaintext: &[u8]) -> Result<(Header, usize), Discard> {
        let flags = read_u16(plaintext, 0)?;
        // Either none or exactly one of the two (paper §4).
        let kind = match flags & (PROBE | ADDRESSES) {
            0 => Kind::Data,
            PROBE => Kind::Probe,
            ADDRESSES => Kind::Addresses,
            _ => return Err(Discard::ContradictoryFlags),
        };
        let header = Header {
            kind,
            timestamp: timestamp(read_u16(plaintext, 2)?),
            timestamp_reply: timestamp(read_u16(plaintext, 4)?),
            loss: ((flags >> LOSS_AT & 0x7F) as u8).min(100),
            congestion: flags & CONGESTION != 0,
            largest: (flags >> LARGEST_AT & 0x1F) as u8,
            after_padded: flags & AFTER_PADDED != 0,
        };
        Ok((header, HEADER))
    }
}
