//! A stream coming in. Contract: the reader gets every octet once and in order; memory stays within the window that
//! was offered.

use super::ranges::Ranges;
use super::wire::{Report, Segment};
use super::{Channel, WINDOW};
use crate::Discard;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// A stream coming in.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    /// In order and not yet read.
    ready: VecDeque<u8>,
    /// The position after `ready`.
    received: u64,
    /// Out of order: pieces that do not overlap, by position.
    held: BTreeMap<u64, Vec<u8>>,
    /// The position of the end of the stream.
    end: Option<u64>,
    reported_limit: u64,
    /// A segment came since the last report.
    asked: bool,
    stopped: bool,
}

impl Inbound {
    /// How many octets can be read.
    pub(crate) fn readable(&self) -> usize {
        self.ready.len()
    }

    /// Reads at most `max` octets.
    pub(crate) fn read(&mut self, max: usize) -> Vec<u8> {
        let len = self.ready.len().min(max);
        self.ready.drain(..len).collect()
    }

    /// Everything has been read and no more will come.
    pub(crate) fn is_finished(&self) -> bool {
        self.ready.is_empty() && (self.stopped || self.end == Some(self.received))
    }

    /// Everything has come.
    pub(crate) fn is_at_end(&self) -> bool {
        self.end == Some(self.received)
    }

    /// The first octet that was not read.
    pub(crate) fn first(&self) -> Option<u8> {
        self.ready.front().copied()
    }

    /// The reader wants no more: what comes is dropped.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
        self.ready.clear();
    }

    fn limit(&self) -> u64 {
        self.received - self.ready.len() as u64 + WINDOW
    }

    /// Whether reading has opened the window enough to be told.
    pub(crate) fn has_room_to_tell(&self) -> bool {
        self.limit() >= self.reported_limit.max(WINDOW) + WINDOW / 4
    }

    /// Takes a segment. Returns whether it continued the stream in order.
    ///
    /// # Errors
    /// [`Discard::StreamBounds`] outside of the window or the stream.
    pub(crate) fn handle(&mut self, segment: &Segment<'_>) -> Result<bool, Discard> {
        self.asked = true;
        let end = segment.offset.checked_add(segment.data.len() as u64).ok_or(Discard::StreamBounds)?;
        let highest = self.held.last_key_value().map_or(0, |(start, data)| start + data.len() as u64);
        let contradicts = match self.end {
            Some(known) => end > known || (segment.last && end != known),
            None => segment.last && end < highest.max(self.received),
        };
        if end > self.limit() || contradicts {
            return Err(Discard::StreamBounds);
        }
        if segment.last {
            self.end = Some(end);
        }
        let in_order = segment.offset == self.received && !segment.data.is_empty() && self.held.is_empty();
        self.hold(segment.offset, segment.data);
        while let Some(piece) = self.held.remove(&self.received) {
            self.received += piece.len() as u64;
            if !self.stopped {
                self.ready.extend(piece);
            }
        }
        Ok(in_order && !segment.last)
    }

    /// Keeps those parts of `data` that are new.
    fn hold(&mut self, offset: u64, data: &[u8]) {
        let end = offset + data.len() as u64;
        let mut at = offset.max(self.received);
        while at < end {
            let before = self.held.range(..=at).next_back().map(|(start, piece)| start + piece.len() as u64);
            if let Some(covered) = before.filter(|&covered| covered > at) {
                at = covered;
                continue;
            }
            let upto = self.held.range(at..).next().map_or(end, |(&start, _)| start.min(end));
            let part = data.get((at - offset) as usize..(upto - offset) as usize).unwrap_or_default();
            self.held.insert(at, part.to_vec());
            at = upto;
        }
    }

    /// Whether the writer may not know all: always while there is more to come, then once for each segment.
    pub(crate) fn is_worth_a_report(&self) -> bool {
        self.asked || !self.is_at_end()
    }

    /// What to tell the writer, with at most so many ranges and one more.
    pub(crate) fn report(&mut self, channel: Channel, max_ranges: usize) -> Report {
        self.asked = false;
        let mut ranges = Ranges::default();
        let mut run: Option<(u64, u64)> = None;
        let mut count = 0;
        for (&start, piece) in &self.held {
            let end = start + piece.len() as u64;
            run = match run {
                Some((from, to)) if to == start => Some((from, end)),
                Some((from, to)) => {
                    ranges.insert(from, to);
                    count += 1;
                    Some((start, end))
                }
                None => Some((start, end)),
            };
            if count >= max_ranges {
                break;
            }
        }
        if let Some((from, to)) = run {
            ranges.insert(from, to);
        }
        let at_end = self.end == Some(self.received);
        if let Some(end) = self.end.filter(|_| !at_end) {
            ranges.insert(end, end + 1);
        }
        self.reported_limit = self.limit();
        let received = self.received + u64::from(at_end);
        Report { channel, received, limit: self.reported_limit, ranges, stopped: self.stopped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segment(offset: u64, data: &[u8], last: bool) -> Segment<'_> {
        Segment { channel: Channel::Stdout, offset, data, last }
    }

    #[test]
    fn what_lies_outside_of_the_window_is_refused() {
        let mut inbound = Inbound::default();
        assert_eq!(inbound.handle(&segment(WINDOW, b"x", false)), Err(Discard::StreamBounds));
        assert_eq!(inbound.handle(&segment(u64::MAX, b"x", false)), Err(Discard::StreamBounds));
        assert_eq!(inbound.handle(&segment(WINDOW - 1, b"x", false)), Ok(false));
    }

    #[test]
    fn the_end_of_a_stream_cannot_move() {
        let mut inbound = Inbound::default();
        inbound.handle(&segment(4, b"ef", false)).unwrap();
        assert_eq!(inbound.handle(&segment(0, b"abc", true)), Err(Discard::StreamBounds));
        inbound.handle(&segment(6, b"", true)).unwrap();
        assert_eq!(inbound.handle(&segment(6, b"g", false)), Err(Discard::StreamBounds));
        assert_eq!(inbound.handle(&segment(5, b"", true)), Err(Discard::StreamBounds));
        assert!(!inbound.is_finished());
        inbound.handle(&segment(0, b"abcd", false)).unwrap();
        assert_eq!(inbound.read(100), b"abcdef");
        assert!(inbound.is_finished());
        assert_eq!(inbound.report(Channel::Stdout, 9).received, 7);
    }

    proptest! {
        #[test]
        fn overlapping_pieces_in_any_order_give_the_stream(
            pieces in prop::collection::vec((0usize..200, 0usize..60), 0..40),
        ) {
            let stream: Vec<u8> = (0..200u8).collect();
            let mut inbound = Inbound::default();
            let mut got = Vec::new();
            for (offset, len) in pieces {
                let end = (offset + len).min(200);
                inbound.handle(&segment(offset as u64, &stream[offset..end], end == 200)).unwrap();
                got.extend(inbound.read(7));
            }
            inbound.handle(&segment(0, &stream, true)).unwrap();
            got.extend(inbound.read(usize::MAX));
            prop_assert!(inbound.is_finished());
            prop_assert_eq!(got, stream);
        }
    }
}
