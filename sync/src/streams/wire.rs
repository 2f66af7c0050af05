//! The message of a session without a terminal, an extension of the Instruction. Contract: one message is one
//! datagram, and whatever is lost with it is said again in another.
//!
//! ```text
//! message Streams { repeated Segment segment = 1; repeated Report report = 2; }
//! message Segment { uint64 channel = 1; uint64 offset = 2; bytes data = 3; bool last = 4; }
//! message Report  { uint64 channel = 1; uint64 received = 2; uint64 limit = 3; bytes ranges = 4; bool stopped = 5; }
//! ```
//! Positions count octets; the end of a stream is one more position after its last octet. `ranges` holds pairs of
//! varints: how far after the previous range (or `received`) a received range begins, and its length.

use super::Channel;
use super::ranges::Ranges;
use crate::Discard;
use crate::protobuf::{Fields, Value, put_bytes, put_uint, put_varint};
use alloc::vec::Vec;

/// The most octets that a segment takes beyond its data.
pub(crate) const SEGMENT_OVERHEAD: usize = 32;

/// A piece of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment<'a> {
    pub channel: Channel,
    pub offset: u64,
    pub data: &'a [u8],
    /// The stream ends after this.
    pub last: bool,
}

/// What has been received of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub channel: Channel,
    /// All positions before this.
    pub received: u64,
    /// The reader has room for the octets before this.
    pub limit: u64,
    /// And these.
    pub ranges: Ranges,
    /// The reader wants no more.
    pub stopped: bool,
}

/// What a message says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub segments: Vec<Segment<'a>>,
    pub reports: Vec<Report>,
}

pub(crate) fn put_segment(out: &mut Vec<u8>, segment: &Segment<'_>) {
    let mut inner = Vec::with_capacity(segment.data.len() + SEGMENT_OVERHEAD);
    put_uint(&mut inner, 1, segment.channel as u64);
    put_uint(&mut inner, 2, segment.offset);
    put_bytes(&mut inner, 3, segment.data);
    if segment.last {
        put_uint(&mut inner, 4, 1);
    }
    put_bytes(out, 1, &inner);
}

/// Appends a report with at most `ranges_len` octets of ranges, and a few more.
pub(crate) fn put_report(out: &mut Vec<u8>, report: &Report, ranges_len: usize) {
    let mut inner = Vec::new();
    put_uint(&mut inner, 1, report.channel as u64);
    put_uint(&mut inner, 2, report.received);
    put_uint(&mut inner, 3, report.limit);
    let (mut ranges, mut at) = (Vec::new(), report.received);
    for (start, end) in report.ranges.iter() {
        if ranges.len() >= ranges_len {
            break;
        }
        put_varint(&mut ranges, start.saturating_sub(at));
        put_varint(&mut ranges, end - start);
        at = end;
    }
    if !ranges.is_empty() {
        put_bytes(&mut inner, 4, &ranges);
    }
    if report.stopped {
        put_uint(&mut inner, 5, 1);
    }
    put_bytes(out, 2, &inner);
}

impl<'a> Message<'a> {
    /// # Errors
    /// [`Discard::Protobuf`], [`Discard::UnknownStream`].
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, Discard> {
        let mut message = Self::default();
        for field in Fields::new(bytes) {
            match field? {
                (1, Value::Bytes(inner)) => message.segments.push(segment(inner)?),
                (2, Value::Bytes(inner)) => message.reports.push(report(inner)?),
                _ => {}
            }
        }
        Ok(message)
    }
}

fn segment(bytes: &[u8]) -> Result<Segment<'_>, Discard> {
    let (mut channel, mut offset, mut data, mut last) = (0, 0, &[][..], false);
    for field in Fields::new(bytes) {
        match field? {
            (1, Value::Varint(value)) => channel = value,
            (2, Value::Varint(value)) => offset = value,
            (3, Value::Bytes(value)) => data = value,
            (4, Value::Varint(value)) => last = value != 0,
            _ => {}
        }
    }
    Ok(Segment { channel: Channel::from_wire(channel)?, offset, data, last })
}

fn report(bytes: &[u8]) -> Result<Report, Discard> {
    let (mut channel, mut received, mut limit, mut ranges, mut stopped) = (0, 0, 0, &[][..], false);
    for field in Fields::new(bytes) {
        match field? {
            (1, Value::Varint(value)) => channel = value,
            (2, Value::Varint(value)) => received = value,
            (3, Value::Varint(value)) => limit = value,
            (4, Value::Bytes(value)) => ranges = value,
            (5, Value::Varint(value)) => stopped = value != 0,
            _ => {}
        }
    }
    let ranges = read_ranges(ranges, received)?;
    Ok(Report { channel: Channel::from_wire(channel)?, received, limit, ranges, stopped })
}

fn read_ranges(bytes: &[u8], mut at: u64) -> Result<Ranges, Discard> {
    let (mut ranges, mut fields) = (Ranges::default(), Fields::new(bytes));
    while !fields.is_empty() {
        let start = at.checked_add(fields.varint()?).ok_or(Discard::StreamBounds)?;
        let end = start.checked_add(fields.varint()?).ok_or(Discard::StreamBounds)?;
        ranges.insert(start, end);
        at = end;
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bytes_are_those_worked_out_by_hand() {
        let mut out = Vec::new();
        let segment = Segment { channel: Channel::Stdout, offset: 300, data: b"ab", last: true };
        put_segment(&mut out, &segment);
        assert_eq!(out, b"\x0a\x0b\x08\x01\x10\xac\x02\x1a\x02ab\x20\x01");
        assert_eq!(Message::decode(&out).unwrap().segments, [segment]);

        let mut ranges = Ranges::default();
        ranges.insert(310, 320);
        ranges.insert(330, 331);
        let report = Report { channel: Channel::Stderr, received: 300, limit: 1000, ranges, stopped: false };
        let mut out = Vec::new();
        put_report(&mut out, &report, 100);
        assert_eq!(out, b"\x12\x0e\x08\x02\x10\xac\x02\x18\xe8\x07\x22\x04\x0a\x0a\x0a\x01");
        assert_eq!(Message::decode(&out).unwrap().reports, [report]);
    }

    #[test]
    fn a_channel_that_does_not_exist_is_refused() {
        assert_eq!(Message::decode(b"\x0a\x02\x08\x09"), Err(Discard::UnknownStream));
    }

    #[test]
    fn ranges_beyond_all_numbers_are_refused() {
        let mut out = Vec::new();
        put_bytes(&mut out, 4, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01");
        let mut message = Vec::new();
        put_bytes(&mut message, 2, &out);
        assert_eq!(Message::decode(&message), Err(Discard::StreamBounds));
    }

    proptest! {
        #[test]
        fn any_bytes_at_all_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Message::decode(&bytes);
        }
    }
}
