//! What arrives: segments go to their streams, reports say which of ours have arrived.

use super::wire::{self, Message, Segment};
use super::{Farewell, REPORT_DELAY, StreamEvent, Streams};
use crate::fragment::Assembled;
use crate::instruction::{Instruction, SHUTDOWN};
use crate::{Discard, Link};
use net::Instant;

/// No message is longer: each fits a datagram.
const LONGEST: usize = 1 << 16;

impl Streams {
    /// Takes a payload that arrived.
    ///
    /// # Errors
    /// The reason for which it, or part of it, is of no use; it is counted.
    pub fn handle_payload(&mut self, payload: &[u8], link: &Link, now: Instant) -> Result<(), Discard> {
        self.receive(payload, link, now).inspect_err(|discard| self.discards.count(*discard))
    }

    fn receive(&mut self, payload: &[u8], link: &Link, now: Instant) -> Result<(), Discard> {
        let (id, compressed) = match self.assembler.add(payload, LONGEST)? {
            Assembled::Partial | Assembled::Repeated => return Ok(()),
            Assembled::Whole(id, compressed) => (id, compressed),
        };
        let bytes = self.codec.decompress(&compressed, LONGEST)?;
        let instruction = Instruction::decode(&bytes)?;
        let message = Message::decode(instruction.streams.unwrap_or_default())?;
        self.assembler.accept(id);
        self.last_heard = now;
        if instruction.new == SHUTDOWN {
            self.answer_due = true;
            if self.peer_farewell == Farewell::None {
                self.peer_farewell = Farewell::Said;
                self.event(StreamEvent::ShutdownRequested);
            }
        }
        self.farewell_acknowledged |= instruction.ack == SHUTDOWN;
        for report in &message.reports {
            self.handle_report(report, link, now)?;
        }
        for segment in &message.segments {
            self.handle_segment(segment, now)?;
        }
        Ok(())
    }

    fn handle_segment(&mut self, segment: &Segment<'_>, now: Instant) -> Result<(), Discard> {
        let stream = self.inbound.get_mut(&segment.channel).ok_or(Discard::UnknownStream)?;
        let before = (stream.readable(), stream.is_finished());
        // Whatever it is, it shows that the writer does not know what is here.
        self.unreported += 1;
        let soon = match stream.handle(segment) {
            Ok(in_order) => in_order && self.unreported < 2,
            Err(discard) => {
                self.report_due = Some(now);
                return Err(discard);
            }
        };
        let due = if soon { now + REPORT_DELAY } else { now };
        self.report_due = Some(self.report_due.map_or(due, |earlier| earlier.min(due)));
        if (stream.readable(), stream.is_finished()) != before {
            self.event(StreamEvent::Readable(segment.channel));
        }
        Ok(())
    }

    fn handle_report(&mut self, report: &wire::Report, link: &Link, now: Instant) -> Result<(), Discard> {
        let stream = self.outbound.get_mut(&report.channel).ok_or(Discard::UnknownStream)?;
        let room = stream.room();
        let stopped = stream.handle(report)?;
        let under_way = self.flights.len() as u64;
        let (mut arrived, mut latest) = (0, self.arrived_order);
        self.flights.retain(|flight| {
            if flight.channel != report.channel || !stream.is_acknowledged(flight.start, flight.end) {
                return true;
            }
            arrived += 1;
            // So soon after a repetition it is the original that arrived, and says nothing of what came later.
            if !flight.again || now.since(flight.sent_at) >= link.srtt / 2 {
                latest = latest.max(flight.order);
            }
            false
        });
        let more_room = stream.room() > room;
        self.arrived_order = latest;
        if arrived > 0 {
            self.congestion.acknowledged(arrived, under_way, link.srtt);
            self.backoff = 0;
            self.progress_at = now;
        }
        if stopped {
            self.event(StreamEvent::Stopped(report.channel));
        }
        if more_room {
            self.event(StreamEvent::Writable(report.channel));
        }
        Ok(())
    }
}
