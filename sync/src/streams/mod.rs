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
mod receiving;
mod sending;
mod wire;

use crate::compression::Codec;
use crate::fragment::Assembler;
use crate::timing;
use crate::{Discard, Discards, Outgoing, Shutdown};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use congestion::Congestion;
use core::time::Duration;
use inbound::Inbound;
use net::Instant;
use outbound::Outbound;

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
#[non_exhaustive]
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
    /// Saying so (clients).
    told: timing::Ending,
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
        self.ending = Some(Ending { since: now, delivered_at: None, told: timing::Ending::new(true, now) });
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
            None => ending.told.given_up_at(),
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

#[cfg(test)]
mod tests;
