//! Octets and headers: what a datagram says, for each dialect.
//!
//! Contract: a [`Dialect`] is an object chosen once, from the announced key. It tells its abilities as data
//! ([`Traits`]), and turns (header, payload) into a sealed datagram and back. The rest of the crate reads the traits
//! and never a dialect's name. A new dialect is one file here and one row in `name.rs`. SPEC \[W-1] to \[W-9].

pub(crate) mod addresses;
mod mosh;
mod mp_mosh;
mod multipath;
mod name;
mod nonce;

pub use name::{DialectName, UnknownDialect};
pub use nonce::FlowId;
pub(crate) use nonce::{Nonce, NonceSource};

use crate::Side;
use crate::crypto::{Aead, Key, KeyError, TAG};
use crate::discard::Discard;
use crate::traffic::{HEADERS_V4, HEADERS_V6};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

/// The longest datagram that is looked at; nothing we speak comes near.
pub(crate) const LONGEST: usize = 2048;

/// The UDP payload that is safe on IPv4 and on IPv6: IPv6's least MTU on both (RFC 8200 §5), less the headers.
const SAFE_DATAGRAM: (usize, usize) = (1280 - HEADERS_V4, 1280 - HEADERS_V6);

/// What a dialect can do, as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a row of abilities, each of which a dialect has or has not"
)]
#[non_exhaustive]
pub struct Traits {
    /// Its name, on command lines, in announcements and in messages.
    pub name: &'static str,
    /// Octets of its key.
    pub key_octets: usize,
    /// The layers above speak with all that mpmosh added to mosh, and the announcement is mpmosh's own.
    pub extended: bool,
    /// It carries byte streams, for sessions without a terminal.
    pub streams: bool,
    /// Flow ids are below this.
    pub max_flows: u16,
    /// So many flows are held at once; of more, the one that is silent for longest rests: its sequence numbers are
    /// kept and nothing else.
    pub held_flows: u16,
    /// It has probes: flows are measured, answers are due, new addresses are validated.
    pub probes: bool,
    /// Payloads are answered on their flow within 5 ms, and a client answers a server's probe. Otherwise only a
    /// server answers, and only probes; replies to all else may come late, and on another flow.
    pub payloads_answered: bool,
    /// The client asks the server for its addresses.
    pub addresses: bool,
    /// An address list begins with the address that the receiver has.
    pub observed_address: bool,
    /// A client that has nothing to say for long stops measuring.
    pub sleeps: bool,
    /// The path MTU of each flow is searched for, and headers say the largest size seen; otherwise the safe sizes hold.
    pub mtu_search: bool,
    /// Octets a datagram has besides its payload.
    pub overhead: usize,
    /// A congestion mark has a flag of its own; otherwise it is told by making the round trip look longer.
    pub congestion_flag: bool,
    /// A round trip of this or more is not believed.
    pub longest_round_trip: Duration,
    /// UDP payload that is safe on any path, for IPv4 and IPv6.
    pub safe_datagram: (usize, usize),
}

impl Traits {
    /// The UDP payload that is safe towards this address.
    pub(crate) fn safe_towards(&self, remote: &SocketAddr) -> usize {
        if remote.is_ipv4() { self.safe_datagram.0 } else { self.safe_datagram.1 }
    }
}

/// What a datagram is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Carries a payload.
    Data,
    /// Measures, or answers.
    Probe,
    /// Asks for the server's addresses, or lists them.
    Addresses,
}

/// Everything a datagram says besides its payload, the same for every dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// What it is for.
    pub(crate) kind: Kind,
    /// The sender's clock in milliseconds, modulo 65536; `None` asks for no answer.
    pub(crate) timestamp: Option<u16>,
    /// The last timestamp from the peer on this flow, plus the milliseconds it was held.
    pub(crate) timestamp_reply: Option<u16>,
    /// The loss the sender sees on this flow, in percent.
    pub(crate) loss: u8,
    /// The sender saw a congestion mark on this flow.
    pub(crate) congestion: bool,
    /// How large the largest datagram was that arrived since the sender last said so: a code of `flow/mtu.rs`.
    pub(crate) largest: u8,
    /// The datagrams before this one were padded probes: that they are missing is no loss.
    pub(crate) after_padded: bool,
}

/// The part of a datagram that is readable without the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clear {
    pub(crate) word: u64,
    pub(crate) sender: Side,
    pub(crate) flow: FlowId,
    pub(crate) sequence: u64,
}

/// How one dialect writes its header. The nonce word and the AEAD are the same shape in all.
pub(crate) trait Codec: Send + Sync {
    /// Splits the nonce word.
    fn split(&self, word: u64) -> (Side, u16, u64);
    /// Appends the header, in clear, to a plaintext.
    fn encode(&self, header: &Header, plaintext: &mut Vec<u8>);
    /// Reads the header; the payload is the rest, from the returned offset.
    fn decode(&self, plaintext: &[u8]) -> Result<(Header, usize), Discard>;
}

/// One way of speaking, with its key: the object that seals and opens.
pub struct Dialect {
    traits: &'static Traits,
    side: Side,
    codec: &'static dyn Codec,
    aead: Box<dyn Aead>,
    spent: Usage,
}

/// How much this end has sealed under the key, over all flows. SPEC \[K-4].
#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    blocks: u64,
}

/// The limit on 16-octet blocks under one key: 2^47, mosh's, far below what either cipher stands.
const MOST_BLOCKS: u64 = 1 << 47;

impl Dialect {
    /// What `side` speaks under this key. A key of 256 bits is ChaCha20-Poly1305's, one of 128 bits AES-128-OCB3's.
    ///
    /// # Errors
    /// [`KeyError::Dialect`] when the key is not of the dialect's length.
    pub fn new(name: DialectName, key: &Key, side: Side) -> Result<Self, KeyError> {
        let (traits, codec) = name.row();
        if key.octets() != traits.key_octets {
            return Err(KeyError::Dialect);
        }
        Ok(Self { traits, side, codec, aead: key.aead(), spent: Usage::default() })
    }

    /// What it can do.
    #[must_use]
    pub fn traits(&self) -> &'static Traits {
        self.traits
    }

    /// The end that speaks.
    #[must_use]
    pub fn side(&self) -> Side {
        self.side
    }

    /// Reads what is in clear.
    pub(crate) fn peek(&self, bytes: &[u8]) -> Result<Clear, Discard> {
        if bytes.len() > LONGEST {
            return Err(Discard::TooLong);
        }
        if bytes.len() < self.traits.overhead {
            return Err(Discard::Truncated);
        }
        let word = bytes.first_chunk().copied().map(u64::from_be_bytes).ok_or(Discard::Truncated)?;
        let (sender, flow, sequence) = self.codec.split(word);
        if sender == self.side {
            return Err(Discard::Reflected);
        }
        let flow =
            FlowId::new(flow).filter(|id| id.index() < self.traits.max_flows).ok_or(Discard::UnknownFlow)?;
        Ok(Clear { word, sender, flow, sequence })
    }

    /// Opens a datagram in place: its header and its payload.
    pub(crate) fn open<'a>(&self, clear: &Clear, bytes: &'a mut [u8]) -> Result<(Header, &'a [u8]), Discard> {
        let sealed = bytes.get_mut(8..).ok_or(Discard::Truncated)?;
        let length = self.aead.open(clear.word, sealed).ok_or(Discard::Forged)?;
        let plaintext = sealed.get(..length).ok_or(Discard::Truncated)?;
        let (header, offset) = self.codec.decode(plaintext)?;
        Ok((header, plaintext.get(offset..).unwrap_or_default()))
    }

    /// Seals a datagram. `None` when the key is spent: the end of the association.
    pub(crate) fn seal(&mut self, nonce: Nonce, header: &Header, payload: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(payload.len() + self.traits.overhead);
        bytes.extend_from_slice(&nonce.word().to_be_bytes());
        self.codec.encode(header, &mut bytes);
        bytes.extend_from_slice(payload);
        let blocks = bytes.len().div_ceil(16) as u64 + 1;
        self.spent.blocks = self.spent.blocks.saturating_add(blocks);
        if self.spent.blocks > MOST_BLOCKS {
            return None;
        }
        self.aead.seal(nonce, &mut bytes, 8).then_some(bytes)
    }
}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialect")
            .field("name", &self.traits.name)
            .field("side", &self.side)
            .finish_non_exhaustive()
    }
}

/// The plaintext's minimum is checked by the codec; this many octets frame it.
const FRAME: usize = 8 + TAG;

fn timestamp(value: u16) -> Option<u16> {
    (value != u16::MAX).then_some(value)
}

fn read_u16(bytes: &[u8], at: usize) -> Result<u16, Discard> {
    let two = bytes.get(at..at + 2).and_then(|two| two.first_chunk()).ok_or(Discard::Truncated)?;
    Ok(u16::from_be_bytes(*two))
}

#[cfg(test)]
mod tests;
