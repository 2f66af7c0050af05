//! A stream going out. Contract: what was written is kept until it is acknowledged; nothing is sent beyond the
//! reader's window.

use super::ranges::Ranges;
use super::wire::Report;
use super::{BUFFER, WINDOW};
use crate::Discard;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// A stream going out.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    /// From position `base` on.
    buffer: VecDeque<u8>,
    base: u64,
    finished: bool,
    /// All positions before this are acknowledged. The end of the stream is a position too.
    acknowledged: u64,
    /// And these.
    acknowledged_beyond: Ranges,
    /// Positions from here on were never sent.
    next: u64,
    lost: Ranges,
    limit: Option<u64>,
    stopped: bool,
}

/// A piece to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub start: u64,
    /// In positions: one more than the data when this is the last.
    pub end: u64,
    pub data: Vec<u8>,
    pub last: bool,
    /// Whether it was sent before.
    pub again: bool,
}

impl Outbound {
    /// How many octets may be written now.
    pub(crate) fn room(&self) -> usize {
        if self.finished { 0 } else { BUFFER.saturating_sub(self.buffer.len()) }
    }

    /// Takes as much of `bytes` as there is room for. All of it and to no effect when the reader wants no more.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> usize {
        if self.stopped {
            return bytes.len();
        }
        let len = bytes.len().min(self.room());
        self.buffer.extend(bytes.iter().take(len));
        len
    }

    pub(crate) fn finish(&mut self) {
        self.finished = true;
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Everything, the end included, is known to have arrived; or nobody wants it.
    pub(crate) fn is_delivered(&self) -> bool {
        self.finished && (self.stopped || self.acknowledged > self.end())
    }

    /// The position after the last octet.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.buffer.len() as u64
    }

    /// The position after everything, the end of the stream included.
    fn total(&self) -> u64 {
        self.end() + u64::from(self.finished)
    }

    fn limit(&self) -> u64 {
        self.limit.unwrap_or(WINDOW)
    }

    /// Whether there is something that may be sent.
    pub(crate) fn is_ready(&self) -> bool {
        !self.stopped && (!self.lost.is_empty() || self.next < self.sendable())
    }

    /// Whether only the reader's window holds something back.
    pub(crate) fn is_blocked(&self) -> bool {
        !self.stopped && self.next < self.end() && self.next >= self.limit()
    }

    /// New positions may be sent up to this.
    fn sendable(&self) -> u64 {
        if self.end() <= self.limit() { self.total() } else { self.limit() }
    }

    /// The next piece, with at most `room` octets of data: what was lost before what is new.
    pub(crate) fn take(&mut self, room: usize) -> Option<Piece> {
        while let Some((start, end)) = self.lost.take_first(room as u64) {
            if !self.is_acknowledged(start, end) {
                return Some(self.piece(start, end, true));
            }
        }
        if !self.is_ready() {
            return None;
        }
        let start = self.next;
        let mut end = self.sendable().min(start.saturating_add(room as u64));
        // The end of the stream takes no room: it goes with the last octet.
        if end == self.end() && self.sendable() > end {
            end += 1;
        }
        if end == start {
            return None;
        }
        self.next = end;
        Some(self.piece(start, end, false))
    }

    fn piece(&self, start: u64, end: u64, again: bool) -> Piece {
        let last = self.finished && end > self.end();
        let from = usize::try_from(start.saturating_sub(self.base)).unwrap_or(usize::MAX);
        let len = usize::try_from(end.min(self.end()).saturating_sub(start)).unwrap_or(0);
        let data = self.buffer.iter().skip(from).take(len).copied().collect();
        Piece { start, end, data, last, again }
    }

    /// Where an empty piece, which makes the reader report, contradicts nothing.
    pub(crate) fn probe_at(&self) -> u64 {
        self.next.min(self.end())
    }

    pub(crate) fn mark_lost(&mut self, start: u64, end: u64) {
        if !self.stopped && !self.is_acknowledged(start, end) {
            self.lost.insert(start.max(self.acknowledged), end);
        }
    }

    pub(crate) fn is_acknowledged(&self, start: u64, end: u64) -> bool {
        self.stopped
            || end <= self.acknowledged
            || self.acknowledged_beyond.covers(start.max(self.acknowledged), end)
    }

    /// Takes a report. Returns whether the reader has just said that it wants no more.
    ///
    /// # Errors
    /// [`Discard::StreamBounds`] when it reports what was never sent.
    pub(crate) fn handle(&mut self, report: &Report) -> Result<bool, Discard> {
        let beyond = report.ranges.iter().last().map_or(0, |(_, end)| end);
        if report.received.max(beyond) > self.next {
            return Err(Discard::StreamBounds);
        }
        self.limit = Some(self.limit().max(report.limit));
        for (start, end) in report.ranges.iter() {
            self.acknowledged_beyond.insert(start, end);
        }
        if report.received > self.acknowledged {
            self.acknowledged = report.received;
            self.acknowledged_beyond.forget_before(report.received);
            self.lost.forget_before(report.received);
            let upto = report.received.min(self.end());
            self.buffer.drain(..usize::try_from(upto.saturating_sub(self.base)).unwrap_or(0));
            self.base = upto;
        }
        let news = report.stopped && !self.stopped;
        if news {
            self.stopped = true;
            self.lost.clear();
            self.base = self.end();
            self.buffer.clear();
        }
        Ok(news)
    }
}
