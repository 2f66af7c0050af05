//! A recorded session opened, by a reading of the protocol that shares no code with the programs. Contract: whatever a
//! stock peer would take amiss is an error; what is a matter of habit is noted, to be compared.

use std::collections::{BTreeMap, BTreeSet};

use aes::Aes128;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ocb3::aead::array::Array;
use ocb3::aead::{Aead, KeyInit, consts::U12};
use zlib_rs::{Inflate, InflateFlush, Status};

use super::relay::From;

/// No number, in a timestamp.
const NONE: u16 = u16::MAX;

/// How one end writes.
#[derive(Debug, Default)]
pub(crate) struct Habits {
    pub(crate) datagrams: usize,
    /// The longest datagram and the most random octets in an instruction.
    pub(crate) longest: usize,
    pub(crate) longest_chaff: usize,
    /// The first two octets of the compressed instructions.
    pub(crate) compression: BTreeSet<[u8; 2]>,
    /// The numbers of an instruction's fields, as they were written.
    pub(crate) instructions: BTreeSet<Vec<u64>>,
    /// The fields within the diffs, each by the way to it.
    pub(crate) fields: BTreeSet<Vec<u64>>,
    /// The end of the session was asked for.
    pub(crate) asks_to_end: bool,
    /// The other's wish to end was acknowledged.
    pub(crate) agrees_to_end: bool,
}

/// What the client and the server wrote.
///
/// # Errors
/// The first thing that a stock peer would have refused, or ended for.
pub(crate) fn habits(record: &[(From, Vec<u8>)], key: &str) -> Result<[Habits; 2], String> {
    let key = STANDARD_NO_PAD.decode(key).map_err(|error| error.to_string())?;
    let key: [u8; 16] = key.try_into().map_err(|_| "the key's length")?;
    let cipher = ocb3::Ocb3::<Aes128, U12>::new(&Array(key));
    let mut ends = [End::default(), End::default()];
    for (n, (from, datagram)) in record.iter().enumerate() {
        let end = &mut ends[*from as usize];
        end.read(*from, datagram, &cipher)
            .map_err(|error| format!("datagram {n}, from {from:?}: {error}"))?;
    }
    Ok(ends.map(|end| end.habits))
}

/// What is known of one end while its datagrams are read.
#[derive(Default)]
struct End {
    habits: Habits,
    sequence: u64,
    id: u64,
    /// The fragments of the instruction of this id, which are the same each time.
    fragments: BTreeMap<u16, Vec<u8>>,
    last: Option<u16>,
    echo: u64,
}

impl End {
    fn read(
        &mut self,
        from: From,
        datagram: &[u8],
        cipher: &impl Aead<NonceSize = U12>,
    ) -> Result<(), String> {
        let (word, sealed) = datagram.split_first_chunk::<8>().ok_or("too short")?;
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(word);
        let plain = cipher.decrypt(&Array(nonce), sealed).map_err(|_| "it does not open")?;
        let direction = u64::from(from == From::Server) << 63;
        if u64::from_be_bytes(*word) != direction | self.sequence {
            return Err(format!("nonce word {word:02x?} instead of number {}", self.sequence));
        }
        self.sequence += 1;
        self.habits.datagrams += 1;
        self.habits.longest = self.habits.longest.max(datagram.len());
        let ([timestamp, _reply], fragment) = plain.split_first_chunk::<4>().map_or_else(
            || Err("no timestamps"),
            |(four, rest)| {
                Ok(([&four[..2], &four[2..]].map(|two| u16::from_be_bytes([two[0], two[1]])), rest))
            },
        )?;
        if timestamp == NONE {
            return Err("a timestamp that means none".into());
        }
        let (id, rest) = fragment.split_first_chunk::<8>().ok_or("a fragment below 10 octets")?;
        let (place, content) = rest.split_first_chunk::<2>().ok_or("a fragment below 10 octets")?;
        self.fragment(u64::from_be_bytes(*id), u16::from_be_bytes(*place), content)
    }

    fn fragment(&mut self, id: u64, place: u16, content: &[u8]) -> Result<(), String> {
        let (is_last, number) = (place >> 15 == 1, place & 0x7fff);
        if id < self.id || id > self.id + 1 {
            return Err(format!("instruction {id} after {}", self.id));
        }
        if id > self.id {
            (self.id, self.last) = (id, None);
            self.fragments.clear();
        }
        if is_last && self.last.replace(number).is_some_and(|before| before != number) {
            return Err(format!("instruction {id} has two ends"));
        }
        let kept = self.fragments.entry(number).or_insert_with(|| content.to_vec());
        if *kept != content {
            return Err(format!("fragment {number} of instruction {id} has changed"));
        }
        if self.last.is_some_and(|last| self.fragments.len() == usize::from(last) + 1) {
            let whole: Vec<u8> = self.fragments.values().flatten().copied().collect();
            return self.instruction(&whole);
        }
        Ok(())
    }

    fn instruction(&mut self, compressed: &[u8]) -> Result<(), String> {
        let start = *compressed.first_chunk::<2>().ok_or("an empty instruction")?;
        self.habits.compression.insert(start);
        let mut plain = vec![0; 4 << 20];
        let mut inflate = Inflate::new(true, 15);
        let status = inflate.decompress(compressed, &mut plain, InflateFlush::Finish);
        if !matches!(status, Ok(Status::StreamEnd)) || inflate.total_in() != compressed.len() as u64 {
            return Err(format!("no zlib stream: {status:?}"));
        }
        plain.truncate(inflate.total_out() as usize);
        let fields = fields(&plain)?;
        self.habits.instructions.insert(fields.iter().map(|(number, _)| *number).collect());
        let number = |wanted| match fields.iter().find(|(number, _)| *number == wanted) {
            Some((_, Value::Number(value))) => Ok(*value),
            _ => Err(format!("field {wanted} of an instruction")),
        };
        let [version, old, new, ack, throwaway] =
            [number(1)?, number(2)?, number(3)?, number(4)?, number(5)?];
        if version != 2 || old > new || throwaway > old {
            return Err(format!("version {version}, from {old} to {new}, up to {throwaway} thrown away"));
        }
        self.habits.asks_to_end |= new == u64::MAX;
        self.habits.agrees_to_end |= ack == u64::MAX;
        for (number, value) in &fields {
            match (number, value) {
                (6, Value::Bytes(diff)) => self.diff(diff, old == new)?,
                (7, Value::Bytes(chaff)) => {
                    self.habits.longest_chaff = self.habits.longest_chaff.max(chaff.len());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn diff(&mut self, diff: &[u8], same: bool) -> Result<(), String> {
        if same && !diff.is_empty() {
            return Err("a change that changes nothing".into());
        }
        for (outer, message) in messages(diff)? {
            for (kind, body) in messages(message)? {
                for (field, value) in fields(body)? {
                    self.habits.fields.insert(vec![outer, kind, field]);
                    match (kind, field, value) {
                        (3, 5 | 6, Value::Number(0)) => return Err("a window without cells".into()),
                        (7, 8, Value::Number(echo)) if echo < self.echo => {
                            return Err(format!("echo {echo} after {}", self.echo));
                        }
                        (7, 8, Value::Number(echo)) => self.echo = echo,
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
}

/// A protobuf field's value.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// A message's fields, in order.
fn fields(mut message: &[u8]) -> Result<Vec<(u64, Value<'_>)>, String> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let number = varint(&mut message)?;
        let value = match tag & 7 {
            0 => Value::Number(number),
            2 => {
                let length = usize::try_from(number).unwrap_or(usize::MAX);
                let (bytes, rest) = message.split_at_checked(length).ok_or("a field beyond its message")?;
                message = rest;
                Value::Bytes(bytes)
            }
            kind => return Err(format!("a field of wire type {kind}")),
        };
        fields.push((tag >> 3, value));
    }
    Ok(fields)
}

/// The same where all are messages themselves.
fn messages(message: &[u8]) -> Result<Vec<(u64, &[u8])>, String> {
    let inner = |(number, value)| match value {
        Value::Bytes(bytes) => Ok((number, bytes)),
        Value::Number(_) => Err(format!("a number in field {number} of a diff")),
    };
    fields(message)?.into_iter().map(inner).collect()
}

fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (octet, rest) = bytes.split_first().ok_or("a number without an end")?;
        *bytes = rest;
        value |= u64::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number beyond 64 bits".into())
}
