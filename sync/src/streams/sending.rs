//! What leaves, and what is taken for lost and leaves again.

use super::outbound::Outbound;
use super::wire::{SEGMENT_OVERHEAD, Segment, put_report, put_segment};
use super::{
    FAREWELL, Farewell, Flight, INSTRUCTION_OVERHEAD, MAX_BACKOFF, MAX_RANGES, REPORT_DELAY, Streams,
};
use crate::fragment::{HEADER_LEN, split};
use crate::instruction::{Instruction, PROTOCOL_VERSION, SHUTDOWN};
use crate::{Link, Outgoing, Reason};
use alloc::vec::Vec;
use core::time::Duration;
use net::Instant;

impl Streams {
    /// The next payload to send, while there is one.
    pub fn poll_transmit(&mut self, link: &Link, now: Instant) -> Option<Outgoing> {
        if !link.connected {
            return None;
        }
        if self.queue.is_empty() {
            self.find_lost(link, now);
            self.note_delivery(now);
            let farewell = self.farewell_at(link).is_some_and(|at| at <= now);
            let report = self.report_due.is_some_and(|at| at <= now);
            let data = self.may_send_data();
            if data || farewell || report || self.probe || self.answer_due {
                self.emit(data, farewell, link, now);
            }
        }
        self.queue.pop_front()
    }

    fn may_send_data(&self) -> bool {
        (self.flights.len() as u64) < self.congestion.window()
            && self.peer_farewell == Farewell::None
            && self.outbound.values().any(Outbound::is_ready)
    }

    fn note_delivery(&mut self, now: Instant) {
        let delivered = self.outbound.values().all(Outbound::is_delivered);
        if let Some(ending) = self.ending.as_mut().filter(|_| delivered) {
            ending.delivered_at.get_or_insert(now);
        }
    }

    /// When the client says again that it leaves.
    fn farewell_at(&self, link: &Link) -> Option<Instant> {
        let ending = self.ending.as_ref().filter(|_| self.server.is_none() && !self.farewell_acknowledged)?;
        Some(ending.told.again_at(link))
    }

    fn emit(&mut self, data: bool, farewell: bool, link: &Link, now: Instant) {
        let mut message = Vec::new();
        for (&channel, stream) in &mut self.inbound {
            if stream.is_worth_a_report() {
                put_report(&mut message, &stream.report(channel, MAX_RANGES), link.max_payload / 8);
            }
        }
        let overhead = HEADER_LEN + INSTRUCTION_OVERHEAD;
        let mut room = link.max_payload.saturating_sub(overhead + message.len());
        let mut is_new = false;
        if core::mem::take(&mut self.probe) && !data {
            self.put_probe(&mut message);
        }
        if data {
            for (&channel, stream) in &mut self.outbound {
                // At least one octet goes, however little the datagram takes.
                let piece = stream.take(room.saturating_sub(SEGMENT_OVERHEAD).max(1));
                let Some(piece) = piece else { continue };
                let segment = Segment { channel, offset: piece.start, data: &piece.data, last: piece.last };
                put_segment(&mut message, &segment);
                is_new |= !piece.again;
                if self.flights.is_empty() {
                    self.progress_at = now;
                }
                self.flights.push_back(Flight {
                    order: self.next_order,
                    channel,
                    start: piece.start,
                    end: piece.end,
                    sent_at: now,
                    again: piece.again,
                });
                self.next_order += 1;
                room = room.saturating_sub(piece.data.len() + SEGMENT_OVERHEAD);
                if room < 2 * SEGMENT_OVERHEAD {
                    break;
                }
            }
        }
        if let Some(ending) = self.ending.as_mut().filter(|_| farewell) {
            ending.told.tried(now);
        }
        let leaves = self.server.is_none() && self.ending.is_some();
        let instruction = Instruction {
            version: PROTOCOL_VERSION,
            new: if leaves { SHUTDOWN } else { 0 },
            ack: if self.peer_farewell == Farewell::None { 0 } else { SHUTDOWN },
            streams: Some(&message),
            ..Instruction::default()
        };
        let compressed = self.codec.compress(&instruction.encode()).unwrap_or_default();
        let payloads = split(self.next_id, &compressed, link.max_payload).unwrap_or_default();
        self.next_id += 1;
        self.report_due = None;
        self.unreported = 0;
        if core::mem::take(&mut self.answer_due) {
            self.peer_farewell = Farewell::Answered;
        }
        let fragments_in_instruction = payloads.len();
        let outgoing =
            |payload| Outgoing { payload, fragments_in_instruction, new: is_new, acknowledges: false };
        self.queue.extend(payloads.into_iter().map(outgoing));
    }

    /// Something that the peer answers: empty pieces of what is not finished.
    fn put_probe(&self, message: &mut Vec<u8>) {
        for (&channel, stream) in &self.outbound {
            let segment = Segment { channel, offset: stream.probe_at(), data: &[], last: false };
            put_segment(message, &segment);
        }
    }

    /// How much later than expected an acknowledgement may come.
    fn patience(link: &Link) -> Duration {
        let spread = (link.srtt / 4).max(link.rto.saturating_sub(link.srtt) / 2);
        link.srtt + spread + REPORT_DELAY
    }

    /// When the silence has lasted too long.
    fn silence_at(&self, link: &Link) -> Option<Instant> {
        let waits = !self.flights.is_empty() || self.outbound.values().any(Outbound::is_blocked);
        let timeout = (link.rto + REPORT_DELAY).saturating_mul(1 << self.backoff.min(8)).min(MAX_BACKOFF);
        waits.then(|| self.progress_at + timeout)
    }

    /// When a segment that was overtaken counts as lost.
    fn overtaken_at(&self, link: &Link) -> Option<Instant> {
        let overtaken = self.flights.iter().filter(|flight| flight.order < self.arrived_order);
        overtaken.map(|flight| flight.sent_at + Self::patience(link)).min()
    }

    fn find_lost(&mut self, link: &Link, now: Instant) {
        let patience = Self::patience(link);
        let arrived_order = self.arrived_order;
        let overtaken = |_, flight: &Flight| flight.order < arrived_order && now >= flight.sent_at + patience;
        self.take_lost(link, true, overtaken);
        if self.silence_at(link).is_some_and(|at| now >= at) {
            self.backoff += 1;
            self.progress_at = now;
            self.probe = true;
            if self.backoff > 2 {
                self.congestion.silent(self.next_order);
            }
        }
        if self.probe {
            // The oldest two tell whether anything gets through, and are no sign that the path was too full; after more
            // silence all of it counts as lost.
            let all = self.backoff > 1;
            self.take_lost(link, all, |index, _| all || index < 2);
        }
    }

    /// Takes out of the flights those that `is_lost` says are, to be sent again. `full`: because the path may have been.
    fn take_lost(&mut self, link: &Link, full: bool, is_lost: impl Fn(usize, &Flight) -> bool) {
        let (outbound, congestion, next_order) = (&mut self.outbound, &mut self.congestion, self.next_order);
        let mut index = 0;
        self.flights.retain(|flight| {
            index += 1;
            if !is_lost(index - 1, flight) {
                return true;
            }
            if full {
                congestion.lost(flight.order, next_order, link.srtt);
            }
            if let Some(stream) = outbound.get_mut(&flight.channel) {
                stream.mark_lost(flight.start, flight.end);
            }
            false
        });
    }

    /// When to call [`Streams::poll_transmit`] and [`Streams::shutdown_state`] again at the latest, and why.
    #[must_use]
    pub fn poll_timeout(&self, link: &Link, now: Instant) -> Option<(Instant, Reason)> {
        let ending = self.ending.as_ref().filter(|_| !self.shutdown_state(now).is_over());
        let delivered = ending.and_then(|ending| ending.delivered_at).filter(|_| self.server.is_some());
        let over = ending.map(|ending| delivered.map_or(self.give_up_at(ending), |at| at + FAREWELL));
        let over = over.map(|at| (at, Reason::Shutdown));
        if !link.connected {
            return over;
        }
        if !self.queue.is_empty() || self.may_send_data() || self.probe || self.answer_due {
            return Some((now, Reason::Ready));
        }
        let farewell = self.farewell_at(link).filter(|_| ending.is_some());
        let reasons = [
            over,
            farewell.map(|at| (at, Reason::Shutdown)),
            self.report_due.map(|at| (at, Reason::Ack)),
            self.overtaken_at(link).map(|at| (at, Reason::Retransmit)),
            self.silence_at(link).map(|at| (at, Reason::Retransmit)),
        ];
        reasons.into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}
