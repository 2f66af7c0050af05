//! One direction of one way through the network.

use super::random::Random;
use net::Instant;
use std::time::Duration;

/// What a direction does to the datagrams that enter it.
#[derive(Clone, Debug)]
pub struct Quality {
    /// Time from one end to the other.
    pub delay: Duration,
    /// Up to this much more, evenly spread, each datagram for itself: more than their spacing reorders them.
    pub jitter: Duration,
    /// The part of the datagrams that vanishes.
    pub loss: f64,
    /// The part of the datagrams that is held back by `Self::HELD` more, and so overtaken by later ones.
    pub overtaken: f64,
    /// A second, bad state of the line (Gilbert's model).
    pub bursts: Option<Bursts>,
    /// Octets a second, headers included; `None` is unlimited.
    pub rate: Option<u64>,
    /// The longest a datagram may wait for its turn before it is dropped, where there is a `rate`.
    pub queue: Duration,
    /// Octets a second of somebody else's that stand in the same queue, where there is a `rate`.
    pub foreign: u64,
    /// A greedy TCP of somebody else's shares the queue, where there is a `rate`.
    pub greedy: bool,
    /// Larger IP packets vanish without a word.
    pub mtu: usize,
    /// Everything gets a congestion mark (RFC 3168).
    pub marks: bool,
    /// Everything vanishes without a word.
    pub silent: bool,
}

/// A line that is good for a while and bad for a while.
#[derive(Clone, Debug)]
pub struct Bursts {
    /// The chance to turn bad, at each datagram.
    pub worsen: f64,
    /// The chance to turn good again, at each datagram.
    pub recover: f64,
    /// The loss while bad.
    pub loss: f64,
}

impl Quality {
    /// How much later a datagram comes that is to be overtaken: more than the 20 ms between two of our frames.
    const HELD: Duration = Duration::from_millis(30);

    /// A faultless line of this delay.
    #[must_use]
    pub fn delay(delay: Duration) -> Self {
        Self {
            delay,
            jitter: Duration::ZERO,
            loss: 0.0,
            overtaken: 0.0,
            bursts: None,
            rate: None,
            queue: Duration::from_millis(200),
            foreign: 0,
            greedy: false,
            mtu: 1500,
            marks: false,
            silent: false,
        }
    }

    /// A faultless line of this delay in milliseconds.
    #[must_use]
    pub fn millis(delay: u64) -> Self {
        Self::delay(Duration::from_millis(delay))
    }

    /// The same with this loss.
    #[must_use]
    pub fn with_loss(mut self, loss: f64) -> Self {
        self.loss = loss;
        self
    }

    /// The same with this jitter.
    #[must_use]
    pub fn with_jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// The same with this rate in octets a second and a queue of at most `queue`.
    #[must_use]
    pub fn with_rate(mut self, rate: u64, queue: Duration) -> Self {
        self.rate = Some(rate);
        self.queue = queue;
        self
    }
}

/// The octets of a segment of the greedy TCP.
const SEGMENT: f64 = 1500.0;

/// One direction: its quality, and the state of its queue.
#[derive(Clone, Debug)]
pub struct Link {
    /// What it does now; change it at will.
    pub quality: Quality,
    busy_until: Instant,
    /// Until when the foreign octets are in the queue.
    shared_until: Instant,
    /// The congestion window of the greedy TCP, in octets.
    window: f64,
    bad: bool,
}

impl Link {
    /// An idle line.
    #[must_use]
    pub fn new(quality: Quality) -> Self {
        Self { quality, busy_until: Instant::ZERO, shared_until: Instant::ZERO, window: SEGMENT, bad: false }
    }

    /// When an IP packet of `octets` that enters now comes out; `None` when it is lost.
    pub fn carry(&mut self, octets: usize, now: Instant, random: &mut Random) -> Option<Instant> {
        self.share(now);
        let quality = &self.quality;
        // Every datagram takes the same number of random values, so that one change to a script changes little else.
        let (fate, turn, spread, order) = (random.unit(), random.unit(), random.unit(), random.unit());
        let mut loss = quality.loss;
        if let Some(bursts) = &quality.bursts {
            self.bad = if self.bad { turn >= bursts.recover } else { turn < bursts.worsen };
            if self.bad {
                loss = loss.max(bursts.loss);
            }
        }
        if quality.silent || octets > quality.mtu || fate < loss {
            return None;
        }
        let start = match quality.rate {
            None => now,
            Some(rate) => {
                let start = self.busy_until.max(now);
                if start.since(now) > quality.queue {
                    return None;
                }
                self.busy_until = start + Duration::from_micros(octets as u64 * 1_000_000 / rate.max(1));
                self.busy_until
            }
        };
        let held = if order < quality.overtaken { Quality::HELD } else { Duration::ZERO };
        Some(start + quality.delay + quality.jitter.mul_f64(spread) + held)
    }

    /// Queues what somebody else has sent since the last datagram: all that the line could not carry at once waits.
    fn share(&mut self, now: Instant) {
        let since = std::mem::replace(&mut self.shared_until, now);
        if let Some(rate) = self.quality.rate.filter(|_| self.quality.greedy) {
            let backlog = self.compete(rate as f64, now.since(since));
            self.busy_until = self.busy_until.max(now + backlog);
        }
        let Some(rate) = self.quality.rate.filter(|_| self.quality.foreign > 0) else { return };
        let octets = (now.since(since).as_micros() as u64).saturating_mul(self.quality.foreign);
        let filled = self.busy_until.max(since) + Duration::from_micros(octets / rate.max(1));
        self.busy_until = filled.min(now + self.quality.queue).max(self.busy_until);
    }
}

impl Link {
    /// What a greedy TCP has in the queue after this much more time: its window grows by a segment in a round trip, and is
    /// halved when the queue is full (RFC 5681, as a fluid). The other direction is taken to be as long and without queue.
    fn compete(&mut self, rate: f64, elapsed: Duration) -> Duration {
        let round_trip = self.quality.delay.as_secs_f64() * 2.0;
        let limit = self.quality.queue.as_secs_f64();
        let backlog = |window: f64| (window / rate - round_trip).max(0.0);
        let mut left = elapsed.as_secs_f64().min(600.0);
        while left > 0.0 {
            let step = left.min(0.05);
            left -= step;
            self.window += SEGMENT * step / (round_trip + backlog(self.window));
            if backlog(self.window) > limit {
                self.window = (self.window / 2.0).max(SEGMENT);
            }
        }
        Duration::from_secs_f64(backlog(self.window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greedy_tcp_keeps_the_queue_between_half_full_and_full() {
        let mut link = Link::new(Quality::millis(50).with_rate(8_000, Duration::from_secs(2)));
        link.quality.greedy = true;
        let mut random = Random::new(1);
        let mut wait = |millis: u64| {
            let now = Instant::from_micros(millis * 1000);
            link.carry(0, now, &mut random).map_or(0, |arrival| arrival.since(now).as_millis())
        };
        let waits: Vec<_> = (0..1200).map(|n| wait(60_000 + n * 100)).collect();
        // A window of 2.1 s at its height, of 1.05 s at its foot, 100 ms of which are the round trip; and it grows on
        // while what stood in the queue drains.
        assert!(waits.iter().all(|wait| (1_000..=2_050).contains(wait)), "{waits:?}");
        assert!(waits.iter().max() > Some(&2_000) && waits.iter().min() < Some(&1_300), "{waits:?}");
    }

    #[test]
    fn a_rate_makes_datagrams_wait_and_a_full_queue_drops_them() {
        let mut link = Link::new(Quality::millis(10).with_rate(1_000_000, Duration::from_millis(2)));
        let mut random = Random::new(1);
        let arrivals: Vec<_> =
            (0..5).map(|_| link.carry(1000, Instant::ZERO, &mut random).map(Instant::as_millis)).collect();
        assert_eq!(arrivals, [Some(11), Some(12), Some(13), None, None]);
    }

    #[test]
    fn somebody_else_s_octets_fill_the_queue_and_drain_from_it() {
        let mut quality = Quality::millis(10).with_rate(1_000_000, Duration::from_secs(10));
        quality.foreign = 1_500_000;
        let mut link = Link::new(quality);
        let mut random = Random::new(1);
        let mut waits = |link: &mut Link, second: u64| {
            let now = Instant::from_micros(second * 1_000_000);
            link.carry(0, now, &mut random).map(|arrival| arrival.since(now).as_millis())
        };
        // Half a second of work more for each second, until the queue is full.
        assert_eq!([0, 1, 2, 60].map(|second| waits(&mut link, second)), [10, 510, 1010, 10_010].map(Some));
        link.quality.foreign = 0;
        assert_eq!([61, 69, 71].map(|second| waits(&mut link, second)), [9010, 1010, 10].map(Some));
    }

    #[test]
    fn loss_is_as_often_as_asked() {
        let mut link = Link::new(Quality::millis(0).with_loss(0.3));
        let mut random = Random::new(7);
        let lost = (0..10_000).filter(|_| link.carry(100, Instant::ZERO, &mut random).is_none()).count();
        assert!((2800..3200).contains(&lost), "{lost}");
    }
}
