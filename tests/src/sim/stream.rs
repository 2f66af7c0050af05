//! A byte stream between the client's host and the server's, as ssh gives one: in order and without loss, with backpressure
//! behind megabytes of buffer, and with stalls where TCP below it waits for what was lost.

use super::random::Random;
use net::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// What a segment of TCP carries.
const SEGMENT: usize = 1448;
/// TCP waits for so long more than a round trip before it sends a segment again (RFC 6298 has a second, and systems this).
const PATIENCE: Duration = Duration::from_millis(200);

/// What streams are like.
#[derive(Clone, Debug)]
pub struct StreamQuality {
    /// Time from one end to the other.
    pub delay: Duration,
    /// Octets a second; `None` is unlimited.
    pub rate: Option<u64>,
    /// Octets that are under way before the writer is stopped.
    pub buffer: usize,
    /// The part of TCP's segments that vanishes.
    pub loss: f64,
    /// How long it takes to open one; `None`: none can be had.
    pub opening: Option<Duration>,
}

impl StreamQuality {
    /// Unlimited, of this delay, with two megabytes of buffer, opened in five times as long.
    #[must_use]
    pub fn millis(delay: u64) -> Self {
        let delay = Duration::from_millis(delay);
        Self { delay, rate: None, buffer: 2_000_000, loss: 0.0, opening: Some(delay * 5) }
    }

    /// The same with this rate in octets a second.
    #[must_use]
    pub fn with_rate(mut self, rate: u64) -> Self {
        self.rate = Some(rate);
        self
    }

    /// The same with this loss below TCP.
    #[must_use]
    pub fn with_loss(mut self, loss: f64) -> Self {
        self.loss = loss;
        self
    }
}

/// One direction.
#[derive(Clone, Debug)]
pub struct Pipe {
    /// What it does now; change it at will.
    pub quality: StreamQuality,
    /// Nothing comes out: TCP waits.
    pub stalled: bool,
    random: Random,
    busy_until: Instant,
    /// What is written later comes no sooner.
    arrived_until: Instant,
    coming: VecDeque<(Instant, Vec<u8>)>,
    under_way: usize,
}

impl Pipe {
    /// An empty one.
    #[must_use]
    pub fn new(quality: StreamQuality, seed: u64) -> Self {
        Self {
            quality,
            stalled: false,
            random: Random::new(seed),
            busy_until: Instant::ZERO,
            arrived_until: Instant::ZERO,
            coming: VecDeque::new(),
            under_way: 0,
        }
    }

    /// Writes what there is room for, and says how much that was.
    pub fn write(&mut self, octets: &[u8], now: Instant) -> usize {
        let taken = octets.len().min(self.quality.buffer.saturating_sub(self.under_way));
        for segment in octets[..taken].chunks(SEGMENT) {
            let start = self.busy_until.max(now);
            let takes = |rate: u64| Duration::from_micros(segment.len() as u64 * 1_000_000 / rate.max(1));
            self.busy_until = start + self.quality.rate.map_or(Duration::ZERO, takes);
            let mut arrival = self.busy_until + self.quality.delay;
            let mut again = self.quality.delay * 2 + PATIENCE;
            while self.random.chance(self.quality.loss) {
                arrival += again;
                again *= 2;
            }
            self.arrived_until = self.arrived_until.max(arrival);
            self.coming.push_back((self.arrived_until, segment.to_vec()));
        }
        self.under_way += taken;
        taken
    }

    /// When something comes out next.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.coming.front().filter(|_| !self.stalled).map(|(at, _)| *at)
    }

    /// What has come out by now.
    pub fn read(&mut self, now: Instant) -> Vec<u8> {
        let mut out = Vec::new();
        while self.next().is_some_and(|at| at <= now) {
            out.extend(self.coming.pop_front().into_iter().flat_map(|(_, segment)| segment));
        }
        self.under_way -= out.len();
        out
    }

    /// Octets on their way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    #[test]
    fn it_takes_what_its_buffer_holds_and_gives_it_at_its_rate() {
        let mut quality = StreamQuality::millis(10).with_rate(1_448_000);
        quality.buffer = 10_000;
        let mut pipe = Pipe::new(quality, 1);
        assert_eq!(pipe.write(&[7; 20_000], at(0)), 10_000);
        assert_eq!((pipe.write(&[7], at(5)), pipe.next()), (0, Some(at(11))));
        assert_eq!(pipe.read(at(13)), [7; 3 * SEGMENT]);
        assert_eq!(pipe.write(&[8; 20_000], at(13)), 3 * SEGMENT);
        assert_eq!((pipe.read(at(1000)).len(), pipe.under_way()), (10_000, 0));
    }

    #[test]
    fn a_lost_segment_holds_up_those_behind_it_and_none_is_missing() {
        let mut pipe = Pipe::new(StreamQuality::millis(20).with_loss(0.3), 3);
        let mut waits = Vec::new();
        for n in 0..400 {
            let now = at(n * 50);
            assert_eq!(pipe.write(&[n as u8], now), 1);
            waits.push(pipe.coming.back().unwrap().0.since(now));
        }
        assert!(pipe.read(at(1_000_000)).iter().enumerate().all(|(n, octet)| *octet == n as u8));
        let late = waits.iter().filter(|wait| **wait > Duration::from_millis(20)).count();
        assert!(late > 240 && waits.iter().any(|wait| *wait > Duration::from_secs(2)), "{late} {waits:?}");
    }

    #[test]
    fn a_stall_holds_all_back_and_gives_it_at_once() {
        let mut pipe = Pipe::new(StreamQuality::millis(20), 1);
        pipe.stalled = true;
        pipe.write(&[1], at(0));
        pipe.write(&[2], at(500));
        assert_eq!((pipe.next(), pipe.read(at(900))), (None, vec![]));
        pipe.stalled = false;
        assert_eq!(pipe.read(at(900)), [1, 2]);
    }
}
