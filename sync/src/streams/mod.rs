//! Sessions without a terminal: a command's standard input, output and error as byte streams, and its exit status
//! last. Contract: every octet arrives once and in order, or the session does not end well; a slow reader slows the
//! writer; memory is bounded on both ends. The verbs are those of [`crate::Transport`]: write, read or hand in a
//! payload, drain [`Streams::poll_transmit`] and [`Streams::poll_event`], wait for [`Streams::poll_timeout`].
//!
//! Each datagram is an instruction without a diff that carries one message (`wire`), so that a loss costs what was
//! in that datagram and nothing else. Segments are acknowledged by position, cumulatively and selectively; what was
//! sent well before something that arrived is taken for lost (RFC 8985), and so is everything after a silence.

mod congestion;
mod inbound;
mod outbound;
mod ranges;
mod wire;

use crate::compression::Codec;
use crate::fragment::{Assembled, Assembler, HEADER_LEN, split};
use crate::instruction::{Instruction, PROTOCOL_VERSION, SHUTDOWN};
use crate::timing::{SHUTDOWN_TIMEOUT, SHUTDOWN_TRIES};
use crate::{Discard, Discards, Link, Outgoing, Reason, Shutdown};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use congestion::Congestion;
use core::time::Duration;
use inbound::Inbound;
use net::Instant;
use outbound::Outbound;
use wire::{Message, SEGMENT_OVERHEAD, Segment, put_report, put_segment};

/// How many octets of a stream a reader takes unread.
const WINDOW: u64 = 1 << 20;
/// How many octets of a stream a writer keeps unacknowledged.
const BUFFER: usize = 1 << 20;
/// How long an acknowledgement waits for a second segment or for something to ride on.
const REPORT_DELAY: Duration = Duration::from_millis(20);
/// How many ranges are reported at most, the earliest first.
const MAX_RANGES: usize = 64;
/// What an instruction and its compression add at most, in octets.
const INSTRUCTION_OVERHEAD: usize = 64;
/// The longest pause between two attempts to get an answer.
const MAX_BACKOFF: Duration = Duration::from_secs(3);
/// How long the end that delivered everything stays to answer the other's farewell.
const FAREWELL: Duration = Duration::from_secs(2);

/// One of the streams of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Standard input: client to server.
    Stdin = 0,
    /// Standard output: server to client.
    Stdout = 1,
    /// Standard error: server to client.
    Stderr = 2,
    /// The exit status, in one octet: server to client. Written and read by this module.
    Status = 3,
}

impl Channel {
    const ALL: [Self; 4] = [Self::Stdin, Self::Stdout, Self::Stderr, Self::Status];

    fn from_wire(value: u64) -> Result<Self, Discard> {
        Self::ALL.into_iter().find(|channel| *channel as u64 == value).ok_or(Discard::UnknownStream)
    }

    /// Whether the server writes it.
    fn is_output(self) -> bool {
        self != Self::Stdin
    }
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// There is more to read, or the end was reached.
    Readable(Channel),
    /// There is more room to write.
    Writable(Channel),
    /// The reader at the other end wants no more of this: what is written is dropped, and the pipe that it comes
    /// from may be closed.
    Stopped(Channel),
    /// The peer ends the session.
    ShutdownRequested,
}

/// A segment under way.
struct Flight {
    /// Segments are numbered as they are sent.
    order: u64,
    channel: Channel,
    start: u64,
    end: u64,
    sent_at: Instant,
    again: bool,
}

/// The end of a session, as this end wants it.
struct Ending {
    since: Instant,
    delivered_at: Option<Instant>,
    tries: u32,
    tried_at: Option<Instant>,
}

/// What the peer has said of leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Farewell {
    None,
    Said,
    Answered,
}

/// One end of a session without a terminal.
pub struct Streams {
    /// How long to wait at the end for a silent peer, if this end is the server.
    server: Option<Duration>,
    outbound: BTreeMap<Channel, Outbound>,
    inbound: BTreeMap<Channel, Inbound>,
    flights: VecDeque<Flight>,
    next_order: u64,
    /// The latest sent of those that arrived.
    arrived_order: u64,
    congestion: Congestion,
    /// Attempts in a row that nothing came back from.
    backoff: u32,
    /// From when the silence is counted.
    progress_at: Instant,
    probe: bool,
    report_due: Option<Instant>,
    unreported: u32,
    last_heard: Instant,
    ending: Option<Ending>,
    peer_farewell: Farewell,
    farewell_acknowledged: bool,
    answer_due: bool,
    assembler: Assembler,
    codec: Codec,
    next_id: u64,
    queue: VecDeque<Outgoing>,
    events: VecDeque<StreamEvent>,
    discards: Discards,
}

impl Streams {
    /// The end where the user is.
    #[must_use]
    pub fn client(now: Instant) -> Self {
        Self::new(None, now)
    }

    /// The end where the command runs. When the session ends and the client is silent with output undelivered,
    /// `linger` is how long this end waits for it: a laptop may be asleep.
    #[must_use]
    pub fn server(linger: Duration, now: Instant) -> Self {
        Self::new(Some(linger), now)
    }

    fn new(server: Option<Duration>, now: Instant) -> Self {
        let mine = |channel: &Channel| channel.is_output() == server.is_some();
        Self {
            server,
            outbound: Channel::ALL.into_iter().filter(mine).map(|c| (c, Outbound::default())).collect(),
            inbound: Channel::ALL.into_iter().filter(|c| !mine(c)).map(|c| (c, Inbound::default())).collect(),
            flights: VecDeque::new(),
            next_order: 1,
            arrived_order: 0,
            congestion: Congestion::new(),
            backoff: 0,
            progress_at: now,
            probe: false,
            report_due: Some(now),
            unreported: 0,
            last_heard: now,
            ending: None,
            peer_farewell: Farewell::None,
            farewell_acknowledged: false,
            answer_due: false,
            assembler: Assembler::new(8),
            codec: Codec::new(),
            next_id: 1,
            queue: VecDeque::new(),
            events: VecDeque::new(),
            discards: Discards::default(),
        }
    }

    /// How many octets [`Streams::write`] would take. Zero for a stream that this end does not write.
    #[must_use]
    pub fn writable(&self, channel: Channel) -> usize {
        self.outbound.get(&channel).map_or(0, Outbound::room)
    }

    /// Writes as much of `bytes` as there is room for; returns how much that was.
    pub fn write(&mut self, channel: Channel, bytes: &[u8]) -> usize {
        self.outbound.get_mut(&channel).map_or(0, |stream| stream.write(bytes))
    }

    /// Ends a stream after what has been written.
    pub fn finish(&mut self, channel: Channel) {
        if let Some(stream) = self.outbound.get_mut(&channel) {
            stream.finish();
        }
    }

    /// Whether the reader at the other end wants no more of a stream that this end writes.
    #[must_use]
    pub fn is_stopped(&self, channel: Channel) -> bool {
        self.outbound.get(&channel).is_some_and(Outbound::is_stopped)
    }

    /// How many octets [`Streams::read`] would give.
    #[must_use]
    pub fn readable(&self, channel: Channel) -> usize {
        self.inbound.get(&channel).map_or(0, Inbound::readable)
    }

    /// Reads at most `max` octets. What is not read in time holds up the writer.
    pub fn read(&mut self, channel: Channel, max: usize, now: Instant) -> Vec<u8> {
        let Some(stream) = self.inbound.get_mut(&channel) else { return Vec::new() };
        let bytes = stream.read(max);
        if stream.has_room_to_tell() {
            self.report_due = Some(now);
        }
        bytes
    }

    /// Whether a stream has been read to its end.
    #[must_use]
    pub fn is_finished(&self, channel: Channel) -> bool {
        self.inbound.get(&channel).is_some_and(Inbound::is_finished)
    }

    /// Wants no more of a stream that the peer writes (its reader here is gone).
    pub fn stop(&mut self, channel: Channel, now: Instant) {
        if let Some(stream) = self.inbound.get_mut(&channel) {
            stream.stop();
            self.report_due = Some(now);
        }
    }

    /// Whether output, error and status have been read to their ends: the session is over for the client but for
    /// its farewell ([`Streams::start_shutdown`]).
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.server.is_none()
            && [Channel::Stdout, Channel::Stderr].into_iter().all(|channel| self.is_finished(channel))
            && self.inbound.get(&Channel::Status).is_some_and(Inbound::is_at_end)
    }

    /// The command's exit status, once [`Streams::is_complete`]; `None` also when the command had none.
    #[must_use]
    pub fn exit_status(&self) -> Option<u8> {
        let status = self.inbound.get(&Channel::Status).filter(|_| self.is_complete())?;
        status.first()
    }

    /// Ends the session. On the server: the streams end after what has been written, the status (if the command has
    /// one) after them, and it is over when the client has it all. On the client: what has not come by now is not
    /// wanted any more.
    pub fn start_shutdown(&mut self, status: Option<u8>, now: Instant) {
        if self.ending.is_some() {
            return;
        }
        self.ending = Some(Ending { since: now, delivered_at: None, tries: 0, tried_at: None });
        for (channel, stream) in &mut self.outbound {
            if let (Channel::Status, Some(status)) = (channel, status) {
                stream.write(&[status]);
            }
            stream.finish();
        }
    }

    /// How far the end of the session has come.
    #[must_use]
    pub fn shutdown_state(&self, now: Instant) -> Shutdown {
        match self.peer_farewell {
            Farewell::None => {}
            Farewell::Said => return Shutdown::Requested,
            Farewell::Answered => return Shutdown::Answered,
        }
        let Some(ending) = &self.ending else { return Shutdown::None };
        let over = if self.server.is_some() {
            ending.delivered_at.is_some_and(|at| now >= at + FAREWELL)
        } else {
            self.farewell_acknowledged
        };
        if over {
            Shutdown::Acknowledged
        } else if now >= self.give_up_at(ending) {
            Shutdown::GaveUp
        } else {
            Shutdown::Started
        }
    }

    fn give_up_at(&self, ending: &Ending) -> Instant {
        match self.server {
            None if ending.tries >= SHUTDOWN_TRIES => Instant::ZERO,
            None => ending.since + SHUTDOWN_TIMEOUT,
            Some(linger) => ending.since.max(self.last_heard) + linger,
        }
    }

    /// What happened since the last call.
    pub fn poll_event(&mut self) -> Option<StreamEvent> {
        self.events.pop_front()
    }

    /// What the peer sent in vain.
    #[must_use]
    pub fn discards(&self) -> &Discards {
        &self.discards
    }

    /// When the last valid message came; the time of creation when none did.
    #[must_use]
    pub fn last_heard(&self) -> Instant {
        self.last_heard
    }

    /// A path is in doubt, or there is a way again: what has waited longest is said again at once.
    pub fn repeat_newest(&mut self, now: Instant) {
        self.probe = true;
        self.report_due = Some(now);
    }

    fn event(&mut self, event: StreamEvent) {
        if self.events.back() != Some(&event) {
            self.events.push_back(event);
        }
    }
}

// What arrives.
impl Streams {
    /// Takes a payload that arrived.
    ///
    /// # Errors
    /// The reason for which it, or part of it, is of no use; it is counted.
    pub fn handle_payload(&mut self, payload: &[u8], link: &Link, now: Instant) -> Result<(), Discard> {
        self.receive(payload, link, now).inspect_err(|discard| self.discards.count(*discard))
    }

    fn receive(&mut self, payload: &[u8], link: &Link, now: Instant) -> Result<(), Discard> {
        let (id, compressed) = match self.assembler.add(payload)? {
            Assembled::Partial | Assembled::Repeated => return Ok(()),
            Assembled::Whole(id, compressed) => (id, compressed),
        };
        let bytes = self.codec.decompress(&compressed)?;
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

// What leaves.
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
        Some(ending.tried_at.map_or(Instant::ZERO, |at| at + link.send_interval()))
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
            ending.tries += 1;
            ending.tried_at = Some(now);
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
        let outgoing = |payload| Outgoing { payload, fragments_in_instruction, new: is_new };
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
        self.take_lost(link, |_, flight| flight.order < arrived_order && now >= flight.sent_at + patience);
        if self.silence_at(link).is_some_and(|at| now >= at) {
            self.backoff += 1;
            self.progress_at = now;
            self.probe = true;
            if self.backoff > 2 {
                self.congestion.silent(self.next_order);
            }
        }
        if self.probe {
            // The oldest two tell whether anything gets through; after more silence all of it counts as lost.
            let all = self.backoff > 1;
            self.take_lost(link, |index, _| all || index < 2);
        }
    }

    /// Takes out of the flights those that `is_lost` says are.
    fn take_lost(&mut self, link: &Link, is_lost: impl Fn(usize, &Flight) -> bool) {
        let (outbound, congestion, next_order) = (&mut self.outbound, &mut self.congestion, self.next_order);
        let mut index = 0;
        self.flights.retain(|flight| {
            index += 1;
            if !is_lost(index - 1, flight) {
                return true;
            }
            congestion.lost(flight.order, next_order, link.srtt);
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

#[cfg(test)]
mod tests;
