//! How much may be in the stream that the far end has not taken out of it. SPEC \[C-3], \[C-4].
//!
//! Contract: pure. The window follows the delay, as those of TCP Vegas and FAST TCP do: a stream loses nothing, and its
//! buffers are so large that only the round trip tells when it is full. What the stream carries in the least round trip of
//! the last 10 to 20 seconds, and an eighth more, is the window. The eighth is what finds out that more would pass: a queue
//! of a seventh of a round trip stands where no more does.

use crate::Instant;
use core::time::Duration;

/// The window is never smaller: with it, two datagrams of 1,200 octets are in the stream at most.
pub(super) const LEAST: u64 = 1_600;
/// The first window: eight datagrams, and what one falls back to that was not filled.
pub(super) const INITIAL: u64 = 8 * 1_200;
/// It is never larger: what 1 Gbit/s carries in 33 ms.
pub(super) const MOST: u64 = 4 << 20;
/// It grows by an eighth, and at least by a datagram: the least round trip may be that of a smaller one.
const GROWS: u64 = 1_200;
/// The least round trip is one of the last one or two such stretches.
const STRETCH: Duration = Duration::from_secs(10);
/// A window that was not filled for so long is halved: what the stream carried then says little of now.
const UNFILLED: Duration = Duration::from_secs(1);
/// A round trip that is longer by no more than this, or a quarter, shows no queue: systems are late by as much.
const JITTER: Duration = Duration::from_millis(8);
/// So many credits in a row that show a queue end the doubling.
const LATE: u8 = 4;
/// So many rounds drain a queue: one until what is in the stream is less, and one that shows it.
const DRAINS: u8 = 2;
/// After so many rounds without a queue the window is doubled again.
const EMPTY: u8 = 3;

/// What a credit tells of the frame that it covers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// From the frame to its credit.
    pub(super) round_trip: Duration,
    /// Octets in the stream when it went, its own included: all of them were taken out within the round trip.
    pub(super) in_stream: u64,
}

/// From one moment until all that was sent by then is credited.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    until: u64,
    least: Option<Duration>,
    /// What the stream was seen to carry in its least round trip.
    carried: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Window {
    size: u64,
    /// It grows with every credit, as in TCP's slow start.
    doubles: bool,
    /// Credits in a row that showed a queue.
    late: u8,
    /// Rounds in a row that showed none.
    empty: u8,
    round: Round,
    /// Of this stretch and of the one before.
    least: [Option<Duration>; 2],
    stretch: Instant,
    /// For so many rounds more half of the window is used: a queue of our own drains, and the least round trip shows.
    drains: u8,
    filled_at: Option<Instant>,
    halved_at: Instant,
}

impl Window {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            size: INITIAL,
            doubles: true,
            late: 0,
            empty: 0,
            round: Round::default(),
            least: [None; 2],
            stretch: now,
            drains: 0,
            filled_at: None,
            halved_at: now,
        }
    }

    /// Its octets.
    pub(super) fn size(&self) -> u64 {
        if self.drains > 0 { self.size / 2 } else { self.size }
    }

    /// The same when no queue is being drained.
    pub(super) fn whole(&self) -> u64 {
        self.size
    }

    /// Whether another frame may begin while so many octets are in the stream.
    pub(super) fn has_room(&self, in_stream: u64) -> bool {
        in_stream < self.size()
    }

    /// The least round trip lately.
    pub(super) fn least(&self) -> Option<Duration> {
        self.least.iter().flatten().min().copied()
    }

    /// Something waits because the window is full.
    pub(super) fn filled(&mut self, now: Instant) {
        self.filled_at = Some(now);
        self.halved_at = now;
    }

    /// Lets a window shrink that was not filled for long.
    pub(super) fn rest(&mut self, now: Instant) {
        let times = now.since(self.halved_at).as_millis() / UNFILLED.as_millis();
        if times == 0 {
            return;
        }
        self.halved_at = now;
        self.doubles = true;
        if self.size > INITIAL {
            let times = u32::try_from(times).unwrap_or(u32::MAX).min(63);
            self.size = (self.size >> times).max(INITIAL);
        }
    }

    /// The far end has taken `more` octets out of the stream, `credited` of `sent` in all.
    pub(super) fn credited(
        &mut self,
        more: u64,
        credited: u64,
        sent: u64,
        sample: Option<Sample>,
        now: Instant,
    ) {
        if let Some(sample) = sample {
            self.measure(sample, now);
            if self.doubles && self.drains == 0 && self.is_used(sample.round_trip, now) {
                self.double(more, sample.round_trip);
            }
        }
        if credited >= self.round.until {
            let ended = core::mem::replace(&mut self.round, Round { until: sent, ..Round::default() });
            self.end(ended, now);
        }
    }

    fn measure(&mut self, sample: Sample, now: Instant) {
        if now.since(self.stretch) >= STRETCH {
            let is_old = now.since(self.stretch) >= STRETCH * 2;
            self.least = [None, self.least[0].filter(|_| !is_old)];
            self.stretch = now;
            // What doubles has made no queue yet.
            self.drains = if self.doubles { 0 } else { DRAINS };
        }
        let round_trip = sample.round_trip;
        let least = |known: Option<Duration>| known.map_or(round_trip, |known| known.min(round_trip));
        self.least[0] = Some(least(self.least[0]));
        self.round.least = Some(least(self.round.least));
        let shortest = self.least().map_or(0, |least| least.as_micros());
        let carried = u128::from(sample.in_stream) * shortest / round_trip.as_micros().max(1);
        self.round.carried = self.round.carried.max(u64::try_from(carried).unwrap_or(MOST));
    }

    /// Whether all of the window was used when what is credited now was sent: else its credit says nothing of a larger one.
    fn is_used(&self, round_trip: Duration, now: Instant) -> bool {
        self.filled_at.is_some_and(|at| now.since(at) <= round_trip + JITTER)
    }

    /// How long after a frame of so many octets the next one may go, where a window is filled again and again: five fourths of
    /// the window in a round trip, and twice as much while it doubles. ssh makes one packet of what it finds together,
    /// and gives nothing of it before its end has come: a window in one piece would always stand in its own way.
    pub(super) fn takes(&self, octets: u64, now: Instant) -> Option<Duration> {
        let least = self.least().filter(|least| self.is_used(*least * 2, now))?;
        let micros = u64::try_from(least.as_micros()).unwrap_or(u64::MAX).saturating_mul(octets);
        let pace =
            if self.doubles { self.size.saturating_mul(5) / 2 } else { self.size.saturating_mul(5) / 4 };
        Some(Duration::from_micros(micros / pace.max(1)))
    }

    fn shows_queue(&self, round_trip: Duration) -> bool {
        self.least().is_some_and(|least| round_trip > least + (least / 4).max(JITTER))
    }

    /// Whether less stands in the stream than the eighth that was added.
    fn is_empty(&self, round_trip: Duration) -> bool {
        self.least().is_some_and(|least| round_trip <= least + least / 16)
    }

    fn double(&mut self, more: u64, round_trip: Duration) {
        if !self.shows_queue(round_trip) {
            self.late = 0;
            self.size = (self.size + more).min(MOST);
            return;
        }
        self.late += 1;
        self.doubles = self.late < LATE;
    }

    fn end(&mut self, round: Round, now: Instant) {
        let Some(round_trip) = round.least else { return };
        let drains = self.drains > 0;
        self.drains = self.drains.saturating_sub(1);
        // Of a window that is half used, or doubles, only a queue says that it is too large.
        let waits = (drains || self.doubles) && !self.shows_queue(round_trip);
        if waits || !self.is_used(round_trip, now) {
            return;
        }
        self.empty = if self.is_empty(round_trip) { self.empty + 1 } else { 0 };
        // After a stall, too, it has to be found anew what the stream carries.
        self.doubles = self.empty >= EMPTY || round.carried < self.size / 4;
        if self.doubles {
            (self.empty, self.late) = (0, 0);
        }
        self.size = (round.carried + (round.carried / 8).max(GROWS)).clamp(LEAST, MOST);
    }
}
