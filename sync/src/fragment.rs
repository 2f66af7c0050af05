//! An instruction's compressed bytes, cut to fit datagrams, and put together again. Contract: what arrives is held
//! in bounded room and for as long as newer instructions leave it; nothing that a fragment says is trusted before
//! the whole agrees with it.
//!
//! The header is the instruction's id (8 octets), then the fragment's number (15 bits) under a bit that marks the
//! last one.

use crate::Discard;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// The length of the header, in octets.
pub(crate) const HEADER_LEN: usize = 10;
const LAST: u16 = 1 << 15;
/// As many fragments as the number can count.
const MAX_FRAGMENTS: usize = 1 << 15;
/// What compression and numbering add at most to an instruction that is short.
const SLACK: usize = 1 << 16;
/// What a fragment costs in memory besides its contents.
const PART: usize = 64;
/// How many accepted instructions are remembered, so that a late duplicate does not start them anew.
const ACCEPTED_LEN: usize = 64;

/// Cuts `bytes` into payloads of at most `max_payload` octets.
///
/// `None` when there would be more fragments than can be numbered.
pub(crate) fn split(id: u64, bytes: &[u8], max_payload: usize) -> Option<Vec<Vec<u8>>> {
    let room = max_payload.saturating_sub(HEADER_LEN).max(1);
    let count = bytes.len().div_ceil(room).max(1);
    if count > MAX_FRAGMENTS {
        return None;
    }
    let payload = |(number, contents): (usize, &[u8])| {
        let mark = if number + 1 == count { LAST } else { 0 };
        [&id.to_be_bytes()[..], &(number as u16 | mark).to_be_bytes(), contents].concat()
    };
    if bytes.is_empty() {
        return Some(Vec::from([payload((0, bytes))]));
    }
    Some(bytes.chunks(room).enumerate().map(payload).collect())
}

/// What a fragment led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Assembled {
    /// More are missing.
    Partial,
    /// The instruction is whole: its id and its compressed bytes.
    Whole(u64, Vec<u8>),
    /// The instruction was accepted before this came.
    Repeated,
}

#[derive(Debug, Default)]
struct Assembly {
    parts: BTreeMap<u16, Vec<u8>>,
    /// The number of the last fragment, once it is here.
    last: Option<u16>,
    len: usize,
}

/// Instructions that are partly here.
#[derive(Debug)]
pub(crate) struct Assembler {
    partial: BTreeMap<u64, Assembly>,
    accepted: VecDeque<u64>,
    capacity: usize,
}

impl Assembler {
    /// With room for `capacity` partial instructions. One is what the original implementation has: there a fragment
    /// of another instruction, even an older one, clears the place, so that reordering across paths defeats it.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { partial: BTreeMap::new(), accepted: VecDeque::new(), capacity: capacity.max(1) }
    }

    /// Takes a fragment of an instruction that has at most about `most` octets.
    ///
    /// # Errors
    /// [`Discard::ShortPayload`], [`Discard::FragmentMismatch`], [`Discard::TooBig`].
    pub(crate) fn add(&mut self, payload: &[u8], most: usize) -> Result<Assembled, Discard> {
        let (id, payload) = payload.split_first_chunk::<8>().ok_or(Discard::ShortPayload)?;
        let (number, contents) = payload.split_first_chunk::<2>().ok_or(Discard::ShortPayload)?;
        let (id, number) = (u64::from_be_bytes(*id), u16::from_be_bytes(*number));
        let (is_last, number) = (number & LAST != 0, number & !LAST);
        if self.accepted.contains(&id) {
            return Ok(Assembled::Repeated);
        }
        // The common case, one whole fragment, needs no table.
        if is_last && number == 0 && !self.partial.contains_key(&id) {
            return Ok(Assembled::Whole(id, contents.to_vec()));
        }
        if !self.make_room(id) {
            return Ok(Assembled::Partial);
        }
        let assembly = self.partial.entry(id).or_default();
        assembly.add(number, is_last, contents)?;
        // What does not compress is longer for it.
        if assembly.len > most + most / 64 + SLACK {
            self.partial.remove(&id);
            return Err(Discard::TooBig);
        }
        if !assembly.is_whole() {
            self.shrink(id, most);
            return Ok(Assembled::Partial);
        }
        let whole = self.partial.remove(&id).unwrap_or_default();
        Ok(Assembled::Whole(id, whole.parts.into_values().flatten().collect()))
    }

    /// Forgets partial instructions, the oldest first, until `id` has a place. What is older than all that is held gets
    /// none: a fragment that was overtaken must not undo what is newer. With one place the newcomer always wins,
    /// whatever its age.
    fn make_room(&mut self, id: u64) -> bool {
        while !self.partial.contains_key(&id) && self.partial.len() >= self.capacity {
            let is_oldest = self.partial.first_key_value().is_some_and(|(&oldest, _)| id < oldest);
            if is_oldest && self.capacity > 1 {
                return false;
            }
            self.partial.pop_first();
        }
        true
    }

    /// Forgets partial instructions, the oldest first, until what is held is what two whole ones may be; but for `id`.
    fn shrink(&mut self, id: u64, most: usize) {
        let held = |partial: &BTreeMap<u64, Assembly>| partial.values().map(Assembly::octets).sum::<usize>();
        while self.partial.len() > 1 && held(&self.partial) > 2 * most + SLACK {
            let Some(oldest) = self.partial.keys().copied().find(|oldest| *oldest != id) else { return };
            self.partial.remove(&oldest);
        }
    }

    /// The instruction `id` was of use: its duplicates are not.
    pub(crate) fn accept(&mut self, id: u64) {
        if self.accepted.len() >= ACCEPTED_LEN {
            self.accepted.pop_front();
        }
        self.accepted.push_back(id);
    }
}

impl Assembly {
    fn add(&mut self, number: u16, is_last: bool, contents: &[u8]) -> Result<(), Discard> {
        let known = self.parts.get(&number);
        let beyond = self.last.is_some_and(|last| number > last || (is_last && number != last));
        let early = is_last && self.parts.last_key_value().is_some_and(|(&highest, _)| highest > number);
        let no_longer_last = self.last == Some(number) && !is_last;
        if beyond || early || no_longer_last || known.is_some_and(|known| known != contents) {
            return Err(Discard::FragmentMismatch);
        }
        if is_last {
            self.last = Some(number);
        }
        if known.is_none() {
            self.len += contents.len();
            self.parts.insert(number, contents.to_vec());
        }
        Ok(())
    }

    /// What it takes in memory.
    fn octets(&self) -> usize {
        self.len + self.parts.len() * PART
    }

    fn is_whole(&self) -> bool {
        self.last.is_some_and(|last| self.parts.len() == usize::from(last) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compression::MAX_LEN;
    use proptest::prelude::*;

    #[test]
    fn the_header_is_id_then_mark_and_number() {
        assert_eq!(
            split(1, b"abcde", 12).unwrap(),
            [&b"\0\0\0\0\0\0\0\x01\0\0ab"[..], b"\0\0\0\0\0\0\0\x01\0\x01cd", b"\0\0\0\0\0\0\0\x01\x80\x02e"]
        );
        assert_eq!(split(0x0102, b"", 100).unwrap(), [b"\0\0\0\0\0\0\x01\x02\x80\0"]);
    }

    #[test]
    fn an_instruction_that_cannot_be_numbered_is_not_cut() {
        let bytes = alloc::vec![0; MAX_FRAGMENTS];
        assert_eq!(split(1, &bytes, HEADER_LEN + 1).unwrap().len(), MAX_FRAGMENTS);
        assert_eq!(split(1, &alloc::vec![0; MAX_FRAGMENTS + 1], HEADER_LEN + 1), None);
    }

    #[test]
    fn any_payload_shorter_than_the_header_is_discarded() {
        let mut assembler = Assembler::new(8);
        for len in 0..HEADER_LEN {
            assert_eq!(assembler.add(&[0x80; HEADER_LEN][..len], MAX_LEN), Err(Discard::ShortPayload));
        }
    }

    #[test]
    fn contradictions_are_discarded_and_the_first_word_stands() {
        let mut assembler = Assembler::new(8);
        let parts = split(5, b"abcdef", 12).unwrap();
        assembler.add(&parts[1], MAX_LEN).unwrap();
        let other = split(5, b"abXXef", 12).unwrap();
        assert_eq!(assembler.add(&other[1], MAX_LEN), Err(Discard::FragmentMismatch));
        let early_end = split(5, b"ab", 12).unwrap();
        assert_eq!(assembler.add(&early_end[0], MAX_LEN), Err(Discard::FragmentMismatch));
        assembler.add(&parts[2], MAX_LEN).unwrap();
        let beyond = split(5, b"abcdefgh", 12).unwrap();
        assert_eq!(assembler.add(&beyond[3], MAX_LEN), Err(Discard::FragmentMismatch));
        assert_eq!(assembler.add(&beyond[2], MAX_LEN), Err(Discard::FragmentMismatch));
        assert_eq!(assembler.add(&parts[0], MAX_LEN), Ok(Assembled::Whole(5, b"abcdef".to_vec())));
    }

    #[test]
    fn interleaved_instructions_are_both_put_together_where_there_is_room() {
        let (old, new) = (split(1, b"abcd", 12).unwrap(), split(2, b"efgh", 12).unwrap());
        let mut roomy = Assembler::new(8);
        assert_eq!(roomy.add(&old[0], MAX_LEN), Ok(Assembled::Partial));
        assert_eq!(roomy.add(&new[0], MAX_LEN), Ok(Assembled::Partial));
        assert_eq!(roomy.add(&old[1], MAX_LEN), Ok(Assembled::Whole(1, b"abcd".to_vec())));
        assert_eq!(roomy.add(&new[1], MAX_LEN), Ok(Assembled::Whole(2, b"efgh".to_vec())));
        let mut single = Assembler::new(1);
        assert_eq!(single.add(&old[0], MAX_LEN), Ok(Assembled::Partial));
        assert_eq!(single.add(&new[0], MAX_LEN), Ok(Assembled::Partial));
        assert_eq!(
            single.add(&old[1], MAX_LEN),
            Ok(Assembled::Partial),
            "the original's single place was cleared"
        );
    }

    #[test]
    fn a_fragment_older_than_all_that_is_held_takes_no_place_from_them() {
        let parts: Vec<_> = (1..=9).map(|id| split(id, b"abcd", 12).unwrap()).collect();
        let mut assembler = Assembler::new(8);
        for part in &parts[1..] {
            assert_eq!(assembler.add(&part[0], MAX_LEN), Ok(Assembled::Partial));
        }
        assert_eq!(assembler.add(&parts[0][0], MAX_LEN), Ok(Assembled::Partial));
        for (id, part) in (2..).zip(&parts[1..]) {
            assert_eq!(assembler.add(&part[1], MAX_LEN), Ok(Assembled::Whole(id, b"abcd".to_vec())));
        }
        assert!(assembler.partial.is_empty());
    }

    #[test]
    fn a_duplicate_of_an_accepted_instruction_is_recognised() {
        let mut assembler = Assembler::new(8);
        let parts = split(9, b"abcd", 12).unwrap();
        assembler.add(&parts[0], MAX_LEN).unwrap();
        assert_eq!(assembler.add(&parts[1], MAX_LEN), Ok(Assembled::Whole(9, b"abcd".to_vec())));
        assembler.accept(9);
        assert_eq!(assembler.add(&parts[0], MAX_LEN), Ok(Assembled::Repeated));
    }

    #[test]
    fn an_endless_instruction_is_dropped() {
        let mut assembler = Assembler::new(8);
        let payload = |number: u16| {
            let contents = alloc::vec![0; 60_000];
            [&7u64.to_be_bytes(), &number.to_be_bytes()[..], &contents].concat()
        };
        let outcome = (0..100).map(|number| assembler.add(&payload(number), MAX_LEN)).find(Result::is_err);
        assert_eq!(outcome, Some(Err(Discard::TooBig)));
        assert!(assembler.partial.is_empty());
    }

    #[test]
    fn partial_instructions_together_hold_what_two_whole_ones_may() {
        let mut assembler = Assembler::new(8);
        for id in 0..8u64 {
            for number in 0..2000u16 {
                let payload = [&id.to_be_bytes()[..], &number.to_be_bytes(), &[0; 1000]].concat();
                let _ = assembler.add(&payload, 1 << 20);
                let held: usize = assembler.partial.values().map(Assembly::octets).sum();
                assert!(held <= 2 * (1 << 20) + SLACK, "{held} at {id}, {number}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_order_with_duplicates_gives_the_instruction_once(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            max_payload in 11usize..60,
            picks in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        ) {
            let parts = split(3, &bytes, max_payload).unwrap();
            let mut assembler = Assembler::new(8);
            let schedule = picks.iter().map(|pick| pick.get(&parts)).chain(parts.iter());
            let mut whole = Vec::new();
            for part in schedule {
                if let Assembled::Whole(id, out) = assembler.add(part, MAX_LEN).unwrap() {
                    assembler.accept(id);
                    whole.push(out);
                }
            }
            prop_assert_eq!(whole, [bytes]);
        }

        #[test]
        fn any_payloads_at_all_are_survived(payloads: Vec<Vec<u8>>) {
            let mut assembler = Assembler::new(2);
            for payload in payloads {
                let _ = assembler.add(&payload, MAX_LEN);
            }
        }
    }
}
