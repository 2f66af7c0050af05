//! The two kinds of diff: what the user did, and what happened to the screen. Contract: encoding merges what can be
//! merged; decoding skips unknown fields and fails on bytes that are no such message. Sizes are handed out as they
//! stand and checked by [`dimension`].

use crate::Discard;
use crate::protobuf::{Fields, Value, put_bytes, put_uint};
use alloc::vec::Vec;

/// The most columns or rows that a terminal may have here. Larger ones are taken for hostile: a screen costs memory
/// on both ends.
pub const MAX_DIMENSION: u16 = 1000;

const INSTRUCTION: u32 = 1;
/// In an instruction: Keystroke of the user, HostBytes of the host.
const BYTES: u32 = 2;
const RESIZE: u32 = 3;
const ECHO_ACK: u32 = 7;
/// An extension, of the user: the colours of the terminal ([`crate::decode_colors`]).
const COLORS: u32 = 64;
/// In a Keystroke or HostBytes.
const CONTENTS: u32 = 4;
const WIDTH: u32 = 5;
const HEIGHT: u32 = 6;
const ECHO_ACK_NUM: u32 = 8;

/// One step of either kind of diff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// Keys typed, or bytes for the terminal.
    Bytes(&'a [u8]),
    /// Columns and rows, as the peer wrote them.
    Resize(i32, i32),
    /// The newest user state whose effects the screen shows.
    EchoAck(u64),
    /// Colours of the user's terminal. Who does not know this step passes it over.
    Colors(&'a [u8]),
}

/// A size that a terminal can have.
///
/// # Errors
/// [`Discard::Size`] outside of 1 to [`MAX_DIMENSION`].
pub(crate) fn dimension(value: i32) -> Result<u16, Discard> {
    u16::try_from(value).ok().filter(|size| (1..=MAX_DIMENSION).contains(size)).ok_or(Discard::Size)
}

/// The same for what a user reports of the terminal: of a larger one as much as there can be.
///
/// # Errors
/// [`Discard::Size`] below 1.
pub(crate) fn reported_dimension(value: i32) -> Result<u16, Discard> {
    dimension(value.min(MAX_DIMENSION.into()))
}

/// Appends one step to a diff.
pub(crate) fn put_step(out: &mut Vec<u8>, step: Step<'_>) {
    let mut inner = Vec::new();
    let field = match step {
        Step::Bytes(bytes) => {
            put_bytes(&mut inner, CONTENTS, bytes);
            BYTES
        }
        Step::Resize(width, height) => {
            // int32 is sign-extended to 64 bits on the wire; ours are never negative.
            put_uint(&mut inner, WIDTH, i64::from(width) as u64);
            put_uint(&mut inner, HEIGHT, i64::from(height) as u64);
            RESIZE
        }
        Step::EchoAck(number) => {
            put_uint(&mut inner, ECHO_ACK_NUM, number);
            ECHO_ACK
        }
        Step::Colors(octets) => {
            put_bytes(&mut inner, CONTENTS, octets);
            COLORS
        }
    };
    let mut instruction = Vec::with_capacity(inner.len() + 8);
    put_bytes(&mut instruction, field, &inner);
    put_bytes(out, INSTRUCTION, &instruction);
}

/// The steps of a diff, in order, one at a time: there may be very many. [`Discard::Protobuf`] where they are none.
pub(crate) fn steps(diff: &[u8]) -> impl Iterator<Item = Result<Step<'_>, Discard>> {
    let (mut instructions, mut fields) = (Fields::new(diff), Fields::new(&[]));
    core::iter::from_fn(move || {
        loop {
            let step = match fields.next() {
                Some(Ok((BYTES, Value::Bytes(message)))) => contents(message).map(Step::Bytes),
                Some(Ok((RESIZE, Value::Bytes(message)))) => resize(message),
                Some(Ok((ECHO_ACK, Value::Bytes(message)))) => echo_ack(message),
                Some(Ok((COLORS, Value::Bytes(message)))) => contents(message).map(Step::Colors),
                Some(Ok(_)) => continue,
                Some(Err(discard)) => Err(discard),
                None => match instructions.next()? {
                    Ok((INSTRUCTION, Value::Bytes(instruction))) => {
                        fields = Fields::new(instruction);
                        continue;
                    }
                    Ok(_) => continue,
                    Err(discard) => Err(discard),
                },
            };
            return Some(step);
        }
    })
}

fn contents(message: &[u8]) -> Result<&[u8], Discard> {
    Fields::new(message).try_fold(&[][..], |held, field| match field? {
        (CONTENTS, Value::Bytes(bytes)) => Ok(bytes),
        _ => Ok(held),
    })
}

fn resize(message: &[u8]) -> Result<Step<'_>, Discard> {
    let (mut width, mut height) = (0, 0);
    for field in Fields::new(message) {
        match field? {
            (WIDTH, Value::Varint(value)) => width = value as i32,
            (HEIGHT, Value::Varint(value)) => height = value as i32,
            _ => {}
        }
    }
    Ok(Step::Resize(width, height))
}

fn echo_ack(message: &[u8]) -> Result<Step<'_>, Discard> {
    Fields::new(message)
        .try_fold(0, |held, field| match field? {
            (ECHO_ACK_NUM, Value::Varint(value)) => Ok(value),
            _ => Ok(held),
        })
        .map(Step::EchoAck)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(diff: &[u8]) -> Result<Vec<Step<'_>>, Discard> {
        steps(diff).collect()
    }

    #[test]
    fn the_bytes_are_those_worked_out_by_hand() {
        // UserMessage{instruction{keystroke{keys "ls"}}}: 0a 06 | 12 04 | 22 02 6c 73
        let mut out = Vec::new();
        put_step(&mut out, Step::Bytes(b"ls"));
        assert_eq!(out, b"\x0a\x06\x12\x04\x22\x02ls");
        // resize{width 80, height 24}: 0a 06 | 1a 04 | 28 50 30 18
        let mut out = Vec::new();
        put_step(&mut out, Step::Resize(80, 24));
        assert_eq!(out, b"\x0a\x06\x1a\x04\x28\x50\x30\x18");
        // echoack{num 300}: 0a 05 | 3a 03 | 40 ac 02
        let mut out = Vec::new();
        put_step(&mut out, Step::EchoAck(300));
        assert_eq!(out, b"\x0a\x05\x3a\x03\x40\xac\x02");
    }

    #[test]
    fn colours_are_a_step_of_their_own() {
        // 64 << 3 | 2 = 514 = 82 04; contents: 22 05.
        let mut out = Vec::new();
        put_step(&mut out, Step::Colors(&[11, 0, 255, 250, 224]));
        assert_eq!(out, b"\x0a\x0a\x82\x04\x07\x22\x05\x0b\x00\xff\xfa\xe0");
        assert_eq!(all(&out), Ok(Vec::from([Step::Colors(&[11, 0, 255, 250, 224])])));
    }

    #[test]
    fn a_negative_size_is_read_as_negative_and_refused() {
        // int32 -1 is ten octets on the wire.
        let diff = b"\x0a\x0f\x1a\x0d\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x30\x18";
        assert_eq!(all(diff), Ok(Vec::from([Step::Resize(-1, 24)])));
        for value in [-1, 0, i32::MIN, i32::MAX, i32::from(MAX_DIMENSION) + 1] {
            assert_eq!(dimension(value), Err(Discard::Size));
        }
        assert_eq!(dimension(1), Ok(1));
        assert_eq!(dimension(i32::from(MAX_DIMENSION)), Ok(MAX_DIMENSION));
    }

    #[test]
    fn several_steps_are_read_in_order_and_unknown_ones_skipped() {
        let mut out = Vec::new();
        put_step(&mut out, Step::EchoAck(7));
        out.extend_from_slice(b"\x0a\x02\x48\x01\x10\x05");
        put_step(&mut out, Step::Resize(2, 3));
        put_step(&mut out, Step::Bytes(b""));
        assert_eq!(all(&out), Ok(Vec::from([Step::EchoAck(7), Step::Resize(2, 3), Step::Bytes(b"")])));
        assert_eq!(all(&out[..out.len() - 1]), Err(Discard::Protobuf));
    }

    proptest! {
        #[test]
        fn any_bytes_at_all_are_read_or_refused(bytes: Vec<u8>) {
            let _ = all(&bytes);
        }
    }
}
