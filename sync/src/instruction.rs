//! The Instruction: one step of synchronisation. Contract: encoding writes the fields that the original
//! implementation writes, in its order, and ours (64 and up) after them, only when set; decoding takes missing
//! fields as zero or empty and skips unknown ones.

use crate::Discard;
use crate::protobuf::{Fields, Value, put_bytes, put_uint};
use alloc::vec::Vec;

/// The protocol version, the same since mosh 1.2.
pub(crate) const PROTOCOL_VERSION: u64 = 2;
/// The number of the state that ends a session.
pub(crate) const SHUTDOWN: u64 = u64::MAX;

/// An extension: the remote command's exit status, in the last state.
const EXIT_STATUS: u32 = 64;
/// An extension: one stream message (`streams`).
const STREAMS: u32 = 65;
/// An extension: what the client's terminal can do, as bits ([`Features`]).
const FEATURES: u32 = 66;

/// An extension: the client draws keys before they are echoed, now.
const PREDICTS: u32 = 67;

/// An extension: what the last state means, where the program goes on ([`Parting`]).
const PARTING: u32 = 72;
/// An extension: when that came about, in seconds since 1970.
const PARTED_AT: u32 = 73;

/// What the end of a connection means where it is not the end of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// Another client has the session now.
    TakenOver,
    /// The session goes on without a client: from a client a wish, from a server word that somebody else wished it.
    Detached,
}

impl Parting {
    const fn number(self) -> u64 {
        match self {
            Self::TakenOver => 1,
            Self::Detached => 2,
        }
    }

    /// A number that nobody here knows is no parting: the plain end of the connection.
    const fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::TakenOver),
            2 => Some(Self::Detached),
            _ => None,
        }
    }
}

/// What the client and its terminal can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Features {
    /// The terminal speaks the kitty keyboard protocol, which a program asks its own terminal about.
    pub keyboard: bool,
    /// The client says in each instruction whether it predicts: an instruction that does not say so is of one that does
    /// not.
    pub tells_prediction: bool,
}

impl Features {
    const fn bits(self) -> u64 {
        self.keyboard as u64 | (self.tells_prediction as u64) << 1
    }

    /// Bits that nobody here knows are ignored.
    const fn from_bits(bits: u64) -> Self {
        Self { keyboard: bits & 1 != 0, tells_prediction: bits & 2 != 0 }
    }
}

/// One step of synchronisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Instruction<'a> {
    /// The version of the protocol.
    pub version: u64,
    /// The state that the diff starts from.
    pub old: u64,
    /// The state that the diff yields; [`SHUTDOWN`] ends the session.
    pub new: u64,
    /// The newest state received from the peer.
    pub ack: u64,
    /// The peer may forget the states before this one.
    pub throwaway: u64,
    /// What changed; empty when nothing did.
    pub diff: &'a [u8],
    /// Padding of random length.
    pub chaff: &'a [u8],
    /// The remote command's exit status (extension).
    pub exit_status: Option<u8>,
    /// A message of a session without a terminal (extension).
    pub streams: Option<&'a [u8]>,
    /// What the client's terminal can do (extension).
    pub features: Option<Features>,
    /// The client draws keys before they are echoed, and waits for the word that an echo has had its time (extension).
    pub predicts: bool,
    /// What the last state means, where it does not end the session (extension).
    pub parting: Option<Parting>,
    /// When that came about, in seconds since 1970; 0 where it is not said (extension).
    pub parted_at: u64,
}

impl<'a> Instruction<'a> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.diff.len() + self.streams.map_or(0, <[u8]>::len));
        put_uint(&mut out, 1, self.version);
        put_uint(&mut out, 2, self.old);
        put_uint(&mut out, 3, self.new);
        put_uint(&mut out, 4, self.ack);
        put_uint(&mut out, 5, self.throwaway);
        put_bytes(&mut out, 6, self.diff);
        put_bytes(&mut out, 7, self.chaff);
        if let Some(status) = self.exit_status {
            put_uint(&mut out, EXIT_STATUS, u64::from(status));
        }
        if let Some(message) = self.streams {
            put_bytes(&mut out, STREAMS, message);
        }
        if let Some(features) = self.features {
            put_uint(&mut out, FEATURES, features.bits());
        }
        if self.predicts {
            put_uint(&mut out, PREDICTS, 1);
        }
        if let Some(parting) = self.parting {
            put_uint(&mut out, PARTING, parting.number());
            put_uint(&mut out, PARTED_AT, self.parted_at);
        }
        out
    }

    /// # Errors
    /// [`Discard::Protobuf`] when the bytes are not an Instruction, [`Discard::Version`] for another version than 2.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, Discard> {
        let mut instruction = Self::default();
        for field in Fields::new(bytes) {
            match field? {
                (1, Value::Varint(value)) => instruction.version = value,
                (2, Value::Varint(value)) => instruction.old = value,
                (3, Value::Varint(value)) => instruction.new = value,
                (4, Value::Varint(value)) => instruction.ack = value,
                (5, Value::Varint(value)) => instruction.throwaway = value,
                (6, Value::Bytes(value)) => instruction.diff = value,
                (7, Value::Bytes(value)) => instruction.chaff = value,
                // A status that does not fit an octet is no status: ignored like any unknown extension.
                (EXIT_STATUS, Value::Varint(value)) => instruction.exit_status = u8::try_from(value).ok(),
                (STREAMS, Value::Bytes(value)) => instruction.streams = Some(value),
                (PREDICTS, Value::Varint(value)) => instruction.predicts = value != 0,
                (PARTING, Value::Varint(number)) => instruction.parting = Parting::from_number(number),
                (PARTED_AT, Value::Varint(value)) => instruction.parted_at = value,
                (FEATURES, Value::Varint(bits)) => instruction.features = Some(Features::from_bits(bits)),
                _ => {}
            }
        }
        if instruction.version != PROTOCOL_VERSION {
            return Err(Discard::Version);
        }
        Ok(instruction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plain_field_is_written_in_order_even_when_zero() {
        // By hand: tags 08 10 18 20 28 32 3a; the shutdown number is ten octets; 300 is ac 02.
        let instruction = Instruction {
            version: 2,
            old: 300,
            new: SHUTDOWN,
            ack: 0,
            throwaway: 1,
            diff: b"ab",
            chaff: b"",
            ..Instruction::default()
        };
        let bytes = instruction.encode();
        assert_eq!(
            bytes,
            b"\x08\x02\x10\xac\x02\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x20\x00\x28\x01\x32\x02ab\x3a\x00"
        );
        assert_eq!(Instruction::decode(&bytes), Ok(instruction));
    }

    #[test]
    fn a_terminals_features_are_bits_and_unknown_ones_are_ignored() {
        let features = Some(Features { keyboard: true, tells_prediction: false });
        let instruction = Instruction { version: 2, features, ..Instruction::default() };
        let mut bytes = instruction.encode();
        // 66 << 3 = 528 = 90 04.
        assert!(bytes.ends_with(b"\x90\x04\x01"));
        assert_eq!(Instruction::decode(&bytes).map(|decoded| decoded.features), Ok(features));
        *bytes.last_mut().unwrap() = 0x7c;
        assert_eq!(
            Instruction::decode(&bytes).map(|decoded| decoded.features),
            Ok(Some(Features::default()))
        );
    }

    #[test]
    fn whether_the_client_predicts_is_said_only_where_it_does() {
        let instruction = Instruction { version: 2, predicts: true, ..Instruction::default() };
        let bytes = instruction.encode();
        // 67 << 3 = 536 = 98 04.
        assert!(bytes.ends_with(b"\x98\x04\x01"));
        assert_eq!(Instruction::decode(&bytes), Ok(instruction));
        let silent = Instruction { predicts: false, ..instruction }.encode();
        assert_eq!(silent.len() + 3, bytes.len());
        let features = Features { keyboard: false, tells_prediction: true };
        assert_eq!((features.bits(), Features::from_bits(2)), (2, features));
    }

    #[test]
    fn a_parting_says_who_has_the_session_and_since_when() {
        let parting = Some(Parting::TakenOver);
        let instruction = Instruction { version: 2, parting, parted_at: 300, ..Instruction::default() };
        let mut bytes = instruction.encode();
        // 72 << 3 = 576 = c0 04; 73 << 3 = 584 = c8 04; 300 is ac 02.
        assert!(bytes.ends_with(b"\xc0\x04\x01\xc8\x04\xac\x02"));
        assert_eq!(Instruction::decode(&bytes), Ok(instruction));
        let kind = bytes.len() - 5;
        bytes[kind] = 9;
        assert_eq!(Instruction::decode(&bytes).map(|decoded| decoded.parting), Ok(None));
        for parting in [Parting::TakenOver, Parting::Detached] {
            assert_eq!(Parting::from_number(parting.number()), Some(parting));
        }
    }

    #[test]
    fn our_extensions_follow_at_64_and_up() {
        let instruction =
            Instruction { version: 2, exit_status: Some(7), streams: Some(b"x"), ..Instruction::default() };
        let bytes = instruction.encode();
        // 64 << 3 = 512 = 80 04; 65 << 3 | 2 = 522 = 8a 04.
        assert!(bytes.ends_with(b"\x80\x04\x07\x8a\x04\x01x"));
        assert_eq!(Instruction::decode(&bytes), Ok(instruction));
    }

    #[test]
    fn unknown_fields_are_skipped_and_missing_ones_are_zero() {
        let decoded = Instruction::decode(b"\x08\x02\xd2\x0c\x03abc\x18\x05").unwrap();
        assert_eq!(decoded, Instruction { version: 2, new: 5, ..Instruction::default() });
    }

    #[test]
    fn another_version_is_refused() {
        assert_eq!(Instruction::decode(b"\x08\x03"), Err(Discard::Version));
        assert_eq!(Instruction::decode(b""), Err(Discard::Version));
    }
}
