//! The protobuf wire format, as much of it as three small messages need. Contract: reading accepts whatever the
//! specification allows (unknown fields of every wire type, groups included, any order, repeated scalars where the
//! last counts) and fails on anything else without reading outside of the input.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

use crate::Discard;
use alloc::vec::Vec;

/// How deep unknown groups may nest.
const MAX_DEPTH: u32 = 32;

/// One field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 2: bytes, a string, or a message.
    Bytes(&'a [u8]),
    /// Any other wire type: none of our fields has one.
    Other,
}

/// The fields of a message, in the order of their bytes.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Discard> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(Discard::Protobuf)?;
        self.0 = tail;
        Ok(head)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn varint(&mut self) -> Result<u64, Discard> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let (&octet, tail) = self.0.split_first().ok_or(Discard::Protobuf)?;
            self.0 = tail;
            // The tenth octet holds the last bit of 64; bits beyond are dropped, as the reference parsers do.
            value |= u64::from(octet & 0x7f).checked_shl(shift).unwrap_or(0);
            if octet & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Discard::Protobuf)
    }

    fn tag(&mut self) -> Result<(u32, u8), Discard> {
        let tag = u32::try_from(self.varint()?).map_err(|_| Discard::Protobuf)?;
        if tag >> 3 == 0 {
            return Err(Discard::Protobuf);
        }
        Ok((tag >> 3, (tag & 7) as u8))
    }

    fn value(&mut self, field: u32, wire_type: u8) -> Result<Value<'a>, Discard> {
        match wire_type {
            0 => Ok(Value::Varint(self.varint()?)),
            1 => self.take(8).map(|_| Value::Other),
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| Discard::Protobuf)?;
                self.take(len).map(Value::Bytes)
            }
            3 => self.skip_group(field).map(|()| Value::Other),
            5 => self.take(4).map(|_| Value::Other),
            _ => Err(Discard::Protobuf),
        }
    }

    /// Skips to the end of the group `outer`, over the groups within.
    fn skip_group(&mut self, outer: u32) -> Result<(), Discard> {
        let mut open = Vec::from([outer]);
        while let Some(&innermost) = open.last() {
            match self.tag()? {
                (field, 3) if open.len() < MAX_DEPTH as usize => open.push(field),
                (field, 4) if field == innermost => {
                    open.pop();
                }
                (_, 3 | 4) => return Err(Discard::Protobuf),
                (field, wire_type) => {
                    self.value(field, wire_type)?;
                }
            }
        }
        Ok(())
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Discard>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.tag().and_then(|(field, wire_type)| Ok((field, self.value(field, wire_type)?)));
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// Appends a varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends an integer field.
pub(crate) fn put_uint(out: &mut Vec<u8>, field: u32, value: u64) {
    put_varint(out, u64::from(field) << 3);
    put_varint(out, value);
}

/// Appends a field of bytes, or of an encoded message.
pub(crate) fn put_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_varint(out, u64::from(field) << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(message: &[u8]) -> Result<Vec<(u32, Value<'_>)>, Discard> {
        Fields::new(message).collect()
    }

    #[test]
    fn the_examples_of_the_specification_read_and_write_alike() {
        // The encoding guide: field 1 = 150 is 08 96 01; field 2 = "testing" is 12 07 74 65 73 74 69 6e 67.
        let mut out = Vec::new();
        put_uint(&mut out, 1, 150);
        put_bytes(&mut out, 2, b"testing");
        assert_eq!(out, b"\x08\x96\x01\x12\x07testing");
        assert_eq!(read(&out).unwrap(), [(1, Value::Varint(150)), (2, Value::Bytes(b"testing"))]);
    }

    #[test]
    fn the_largest_number_takes_ten_octets() {
        let mut out = Vec::new();
        put_varint(&mut out, u64::MAX);
        assert_eq!(out, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
        assert_eq!(Fields::new(&out).varint(), Ok(u64::MAX));
    }

    #[test]
    fn unknown_fields_of_every_wire_type_are_passed_over() {
        let message = b"\x09eightoct\x1dfour\x23\x08\x01\x2b\x2c\x24\x40\x07";
        let fields = read(message).unwrap();
        assert_eq!(fields, [(1, Value::Other), (3, Value::Other), (4, Value::Other), (8, Value::Varint(7))]);
    }

    #[test]
    fn what_is_cut_short_or_impossible_is_refused() {
        for message in [
            &b"\x08"[..],
            b"\x08\xff",
            b"\x12\x05abc",
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x00\x01",
            b"\x0e",
            b"\x0c",
            b"\x0b\x08\x01",
            b"\x0b\x14",
            b"\x09four",
        ] {
            assert_eq!(read(message), Err(Discard::Protobuf), "{message:02x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_at_all_are_read_to_an_end(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }
}
