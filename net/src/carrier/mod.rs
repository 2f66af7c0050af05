//! A byte stream that carries sealed datagrams where UDP does not pass. SPEC \[C-1] to \[C-6], \[C-11].
//!
//! # The contract
//! [`Carrier`] is one end, as a pure machine; the other end is the same. The owner gives it the datagrams that are to go
//! ([`Carrier::send`]) and what it reads from the stream ([`Carrier::handle_octets`]), writes to the stream what
//! [`Carrier::poll_octets`] gives, as much as the stream takes ([`Carrier::wrote`]), and drains [`Carrier::poll_datagram`]
//! after each read, and comes back at [`Carrier::poll_timeout`]. It knows no key, and what it carries is sealed.
//!
//! A stream has buffers of megabytes on its way, which are seconds of a slow uplink. So no more is put into it than it
//! takes in about a round trip ([C-3]); what is newer waits here, where the older of what waits is dropped ([C-5]).

mod frame;
#[cfg(test)]
mod tests;
mod window;

use crate::Instant;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;
use frame::{Frame, Frames};
use window::{Sample, Window};

pub use frame::Babble;

/// The longest datagram that a carrier takes, in octets: that of SPEC \[W-9].
pub const LONGEST: usize = 2048;

/// So many datagrams may wait, however slow the stream is: the fragments of a screen.
const WAITING: usize = 24;
/// What waited for so long is old, or for a round trip, where that is longer.
const OLD: Duration = Duration::from_millis(250);
/// What came within this time is taken for one burst: the fragments of a frame, which are of no use one by one. Frames are
/// at least 20 ms apart.
const BURST: Duration = Duration::from_millis(5);
/// A burst of more datagrams is not kept whole.
const WHOLE: usize = 128;
/// More never wait, however small they are.
const MOST: usize = 4096;
/// Frames are handed out so many octets at a time.
const CHUNK: usize = 16 * 1024;
/// Frames of a pace go together that are due within this time.
const QUANTUM: Duration = Duration::from_millis(1);
/// Frames whose credit is awaited with the time they went at.
const REMEMBERED: usize = 1024;

/// A datagram is longer than [`LONGEST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a datagram of {0} octets is longer than a carrier takes ({LONGEST})")]
pub struct TooLong(pub usize);

/// What became of the datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Datagrams that went into the stream.
    pub sent: u64,
    /// Datagrams that came out of it.
    pub received: u64,
    /// Datagrams that waited for the stream until newer ones took their place.
    pub dropped: u64,
    /// Frames of kinds that are not known here.
    pub unknown: u64,
}

/// One that waits, and when its burst began.
#[derive(Debug)]
struct Waiting {
    datagram: Vec<u8>,
    burst: Instant,
}

/// A frame that is not credited yet.
#[derive(Clone, Copy, Debug)]
struct Flying {
    /// Octets that were sent, up to its end.
    end: u64,
    in_stream: u64,
    at: Instant,
}

/// See the module.
#[derive(Debug)]
pub struct Carrier {
    waiting: VecDeque<Waiting>,
    waiting_octets: u64,
    /// The burst that the last datagram which went belongs to.
    begun: Option<Instant>,
    /// Whole frames that are being written, and how far they are.
    out: Vec<u8>,
    written: usize,
    /// Octets of frames that were handed out, and of those that the far end has taken out of the stream.
    sent: u64,
    credited: u64,
    flying: VecDeque<Flying>,
    window: Window,
    /// When the next frame may go, of many that follow each other.
    free_at: Instant,
    frames: Frames,
    /// Octets of frames taken out of the stream, and as many of them as the far end was told of.
    taken: u64,
    told: u64,
    arrived: VecDeque<Vec<u8>>,
    counts: Counts,
}

impl Carrier {
    /// An end of a stream on which nothing has gone yet.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            waiting: VecDeque::new(),
            waiting_octets: 0,
            begun: None,
            out: Vec::new(),
            written: 0,
            sent: 0,
            credited: 0,
            flying: VecDeque::new(),
            window: Window::new(now),
            free_at: now,
            frames: Frames::default(),
            taken: 0,
            told: 0,
            arrived: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// Takes a datagram. It goes once the stream has room for it, or never, where newer ones come before that.
    ///
    /// # Errors
    /// It is longer than a carrier takes.
    pub fn send(&mut self, datagram: &[u8], now: Instant) -> Result<(), TooLong> {
        if datagram.len() > LONGEST {
            return Err(TooLong(datagram.len()));
        }
        let newest = self.waiting.back().map(|waiting| waiting.burst).or(self.begun);
        let burst = newest.filter(|began| now.since(*began) < BURST).unwrap_or(now);
        self.waiting_octets += frame::length(datagram.len());
        self.waiting.push_back(Waiting { datagram: datagram.to_vec(), burst });
        self.shed(now);
        Ok(())
    }

    /// Drops the older of what waits, as long as too much does. The rest of a burst that has begun to go and the newest one
    /// stay: half a frame is of no use, and a screen that is never whole is never seen.
    fn shed(&mut self, now: Instant) {
        let newest = self.waiting.back().map(|waiting| waiting.burst);
        let old = self.window.least().map_or(OLD, |round_trip| round_trip.max(OLD));
        let stays = |one: &Waiting| Some(one.burst) == self.begun || Some(one.burst) == newest;
        let index = self.waiting.iter().position(|one| !stays(one)).unwrap_or(self.waiting.len());
        while let Some(one) = self.waiting.get(index).filter(|one| Some(one.burst) != newest) {
            if !self.is_too_much() && now.since(one.burst) <= old {
                break;
            }
            self.drop_waiting(index);
        }
        while self.waiting.len() > WHOLE && self.is_too_much() {
            self.drop_waiting(0);
        }
    }

    fn is_too_much(&self) -> bool {
        let many = self.waiting.len() > WAITING && self.waiting_octets > self.window.whole() / 2;
        many || self.waiting.len() > MOST
    }

    fn drop_waiting(&mut self, index: usize) {
        if let Some(dropped) = self.waiting.remove(index) {
            self.waiting_octets -= frame::length(dropped.datagram.len());
            self.counts.dropped += 1;
        }
    }

    /// What to write to the stream next; whole frames, of which the rest is given again until all of it is written.
    pub fn poll_octets(&mut self, now: Instant) -> Option<&[u8]> {
        if self.written == self.out.len() {
            self.fill(now);
        }
        Some(&self.out[self.written..]).filter(|rest| !rest.is_empty())
    }

    /// The stream has taken so many of the octets that [`Carrier::poll_octets`] gave.
    pub fn wrote(&mut self, octets: usize) {
        self.written = self.written.saturating_add(octets).min(self.out.len());
    }

    fn fill(&mut self, now: Instant) {
        self.out.clear();
        self.written = 0;
        self.window.rest(now);
        self.shed(now);
        if self.told != self.taken {
            self.told = self.taken;
            // The count goes on beyond 32 bits, and the far end knows.
            frame::put_credit(&mut self.out, self.taken as u32);
        }
        while self.out.len() < CHUNK && !self.waiting.is_empty() {
            if !self.window.has_room(self.sent - self.credited) {
                self.window.filled(now);
                return;
            }
            if self.free_at > now {
                return;
            }
            let Some(next) = self.waiting.pop_front() else { return };
            let octets = frame::length(next.datagram.len());
            self.free_at = match self.window.takes(octets, now) {
                // What was missed lately is made up for: nobody is woken for each frame.
                Some(takes) => self.free_at.max(now - QUANTUM * 2) + takes,
                None => now,
            };
            self.waiting_octets -= octets;
            self.begun = Some(next.burst);
            frame::put_datagram(&mut self.out, &next.datagram);
            self.sent += octets;
            if self.flying.len() < REMEMBERED {
                let in_stream = self.sent - self.credited;
                self.flying.push_back(Flying { end: self.sent, in_stream, at: now });
            }
            self.counts.sent += 1;
        }
    }

    /// When to ask [`Carrier::poll_octets`] again, if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let paced = self.written == self.out.len()
            && !self.waiting.is_empty()
            && self.window.has_room(self.sent - self.credited);
        paced.then(|| self.free_at + QUANTUM)
    }

    /// Takes what was read from the stream, however it is cut.
    ///
    /// # Errors
    /// The far end does not speak as a carrier does; nothing that follows can be understood.
    pub fn handle_octets(&mut self, octets: &[u8], now: Instant) -> Result<(), Babble> {
        let mut rest = octets;
        while let Some((frame, octets)) = self.frames.next(&mut rest)? {
            match frame {
                Frame::Datagram(datagram) => {
                    self.taken += octets;
                    self.counts.received += 1;
                    self.arrived.push_back(datagram);
                }
                Frame::Credit(count) => self.credit(count, now)?,
                Frame::Unknown => {
                    self.taken += octets;
                    self.counts.unknown += 1;
                }
            }
        }
        Ok(())
    }

    fn credit(&mut self, count: u32, now: Instant) -> Result<(), Babble> {
        let more = u64::from(count.wrapping_sub(self.credited as u32));
        if more > self.sent - self.credited {
            return Err(Babble::Credit);
        }
        self.credited += more;
        let mut sample = None;
        while let Some(one) = self.flying.front().copied().filter(|one| one.end <= self.credited) {
            sample = Some(Sample { round_trip: now.since(one.at), in_stream: one.in_stream });
            self.flying.pop_front();
        }
        self.window.credited(more, self.credited, self.sent, sample, now);
        Ok(())
    }

    /// The stream has ended.
    ///
    /// # Errors
    /// It ended within a frame.
    pub fn handle_end(&self) -> Result<(), Babble> {
        if self.frames.is_between() { Ok(()) } else { Err(Babble::CutShort) }
    }

    /// The next datagram that arrived.
    pub fn poll_datagram(&mut self) -> Option<Vec<u8>> {
        self.arrived.pop_front()
    }

    /// Whether a datagram given now would go at once.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.waiting.is_empty() && self.window.has_room(self.sent - self.credited)
    }

    /// Octets that may be in the stream before the far end has taken some of them out.
    #[must_use]
    pub fn window(&self) -> u64 {
        self.window.size()
    }

    /// The least round trip lately, from a frame to its credit.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.window.least()
    }

    /// What became of the datagrams so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }
}
