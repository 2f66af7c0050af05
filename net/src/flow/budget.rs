//! What a path carries towards the peer, and how far what was sent on it is ahead of that.
//!
//! Contract: pure. Every datagram is told to [`Budget::sent`], every answer to [`Budget::answered`], every timestamp of the
//! peer's to [`Budget::stamped`]. A rate is known only where a queue stood in this direction: then what arrives is what
//! the path carries. Elsewhere it is what was sent, which says nothing: ten keys a second deliver a kilobyte a second on any
//! link. Without evidence nothing is limited. SPEC \[B-1] to \[B-4].

use super::rtt::GRANULARITY;
use crate::Instant;
use crate::time::wire;
use alloc::collections::VecDeque;
use core::time::Duration;

/// How long a rate is believed after the last queue: then it is tried whether the path carries more.
pub(crate) const BELIEVED: Duration = Duration::from_secs(30);
/// A rate is measured over so many datagrams at least, and so long.
const TRAIN: (u32, Duration) = (4, Duration::from_millis(250));
/// The path is filled an eighth slower than it carries: a queue drains, and one that stands for long would be taken for
/// none.
const HEADROOM: u32 = 8;
/// Datagrams that are remembered until they are answered; the oldest are forgotten.
const REMEMBERED: usize = 256;
/// Datagrams of fewer octets are small: probes and answers, not payloads.
const SMALL: u32 = 90;
/// Datagrams of more octets are parts of something larger, and say nothing of how much longer a key takes than a probe.
const LARGE: u32 = 400;
/// So many octets more has a payload of a key than a probe, at least.
const MORE: u64 = 45;
/// The least of a delay is one of the last one or two such stretches.
const STRETCH: Duration = Duration::from_secs(10);
/// A delay of the peer's datagrams that was seen this lately still holds.
const LATELY: Duration = Duration::from_secs(1);

/// What arrived while a queue stood, in one stretch or several.
#[derive(Clone, Copy, Debug, Default)]
struct Train {
    datagrams: u32,
    octets: u64,
    lasted: Duration,
    /// When the last answer came, if it showed a queue.
    queued_at: Option<Instant>,
}

impl Train {
    /// What arrived a second, once that is enough to tell.
    fn rate(&self) -> Option<u64> {
        let micros = u64::try_from(self.lasted.as_micros()).unwrap_or(u64::MAX).max(1);
        let enough = self.datagrams >= TRAIN.0 && self.lasted >= TRAIN.1;
        enough.then(|| self.octets.saturating_mul(1_000_000) / micros)
    }
}

/// A measured rate.
#[derive(Clone, Copy, Debug)]
struct Rate {
    /// Octets a second, never zero.
    octets: u64,
    /// When a queue stood last.
    at: Instant,
}

/// The least of what was seen lately: of this stretch and of the one before.
#[derive(Clone, Copy, Debug, Default)]
struct Least<T>([Option<T>; 2]);

impl<T: Copy + Ord> Least<T> {
    fn turn(&mut self) {
        self.0 = [None, self.0[0]];
    }

    /// Takes another one, and gives the least.
    fn note(&mut self, value: T) -> T {
        let [newest, before] = &mut self.0;
        let least = newest.map_or(value, |least| least.min(value));
        *newest = Some(least);
        before.map_or(least, |before| before.min(least))
    }

    fn get(&self) -> Option<T> {
        self.0.iter().flatten().copied().min()
    }
}

/// When the stretch began that the least is taken of.
#[derive(Clone, Copy, Debug, Default)]
struct Stretch(Option<Instant>);

impl Stretch {
    /// Whether another one begins now.
    fn turns(&mut self, now: Instant) -> bool {
        let turns = self.0.is_none_or(|since| now.since(since) >= STRETCH);
        if turns {
            self.0 = Some(now);
        }
        turns
    }
}

/// The least round trips of small datagrams and of others, of the same stretches: a thin path takes longer for these,
/// queue or not.
#[derive(Clone, Copy, Debug, Default)]
struct Sizes {
    stretch: Stretch,
    small: Least<Duration>,
    large: Least<Duration>,
    /// The last small one, and when it was.
    last_small: Option<(Duration, Instant)>,
    /// By how much longer, as far as the small ones told.
    longer: Duration,
}

impl Sizes {
    /// Takes the round trip of a datagram of so many octets, and gives the least of its like.
    fn note(&mut self, octets: u32, round_trip: Duration, now: Instant) -> Duration {
        if self.stretch.turns(now) {
            self.small.turn();
            self.large.turn();
        }
        if octets < SMALL {
            self.last_small = Some((round_trip, now));
            let least = self.small.note(round_trip);
            self.compare();
            return least;
        }
        if octets > LARGE {
            return self.large.get().or(self.small.get()).unwrap_or(round_trip);
        }
        if self.large.get().is_some() {
            return self.large.note(round_trip);
        }
        // What a flow took while it stood by may be long ago: the last that it took counts.
        let last = self.last_small.filter(|(_, at)| now.since(*at) < STRETCH * 2);
        self.small = Least([last.map(|(round_trip, _)| round_trip), None]);
        let least = self.large.note(round_trip);
        self.compare();
        least
    }

    /// Takes note of by how much longer. On a busy path most small ones wait behind others, and few tell.
    fn compare(&mut self) {
        if let Some((large, small)) = self.large.get().zip(self.small.get()) {
            self.longer = (self.longer - self.longer / 4).max(large.saturating_sub(small));
        }
    }

    /// Whether a path that takes so much longer for a payload than for a probe may carry no more than `rate`: else the round
    /// trip grew for another reason, and what arrives is what was sent.
    fn allow(&self, rate: u64) -> bool {
        let more = Duration::from_micros(MORE.saturating_mul(1_000_000) / rate.max(1));
        more <= self.longer * 3 + Duration::from_millis(1)
    }
}

/// How long the peer's datagrams take, relative to the quickest lately: the queue on the way here.
#[derive(Clone, Copy, Debug, Default)]
struct Inbound {
    /// The peer's clock against ours at the first datagram, in milliseconds modulo 2^16.
    reference: Option<u16>,
    stretch: Stretch,
    least: Least<i16>,
    /// The queue that the last datagram stood in, and when it came.
    newest: Option<(Duration, Instant)>,
}

impl Inbound {
    fn stamped(&mut self, timestamp: u16, now: Instant) {
        let offset = wire::stamp(now).wrapping_sub(timestamp);
        let delay = offset.wrapping_sub(*self.reference.get_or_insert(offset)).cast_signed();
        if self.stretch.turns(now) {
            self.least.turn();
        }
        let queue = i32::from(delay) - i32::from(self.least.note(delay));
        self.newest = Some((Duration::from_millis(u64::try_from(queue).unwrap_or(0)), now));
    }

    /// The queue on the way here, as far as the peer's last datagram tells.
    fn queue(&self, now: Instant) -> Duration {
        self.newest.filter(|(_, at)| now.since(*at) < LATELY).map_or(Duration::ZERO, |(queue, _)| queue)
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budget {
    /// What was sent and is not answered yet, and its octets.
    flying: VecDeque<(Instant, u32)>,
    in_flight: u64,
    train: Train,
    rate: Option<Rate>,
    inbound: Inbound,
    sizes: Sizes,
    /// When the path has carried all that was sent, at the rate that is known.
    busy_until: Instant,
}

impl Budget {
    /// A datagram of so many octets, headers included, was sent.
    pub(crate) fn sent(&mut self, octets: usize, now: Instant) {
        let octets = u32::try_from(octets).unwrap_or(u32::MAX);
        if self.flying.len() >= REMEMBERED
            && let Some((_, forgotten)) = self.flying.pop_front()
        {
            self.in_flight = self.in_flight.saturating_sub(forgotten.into());
        }
        self.flying.push_back((now, octets));
        self.in_flight = self.in_flight.saturating_add(octets.into());
        self.busy_until = self.busy_until.max(now) + self.time_for(octets.into(), now);
    }

    /// A datagram of the peer's has this timestamp.
    pub(crate) fn stamped(&mut self, timestamp: u16, now: Instant) {
        self.inbound.stamped(timestamp, now);
    }

    /// What was sent until the millisecond `reply` has arrived, and the last of it took this round trip.
    pub(crate) fn answered(&mut self, reply: u64, round_trip: Duration, now: Instant) {
        let (mut datagrams, mut octets, mut last) = (0_u32, 0_u64, None);
        while let Some(&(_, of_one)) = self.flying.front().filter(|(at, _)| at.as_millis() <= reply) {
            datagrams += 1;
            octets += u64::from(of_one);
            last = Some(of_one);
            self.flying.pop_front();
        }
        self.in_flight = self.in_flight.saturating_sub(octets);
        // What was answered before says nothing new.
        let Some(last) = last else { return };
        let least = self.sizes.note(last, round_trip, now);
        let queue = round_trip.saturating_sub(least).saturating_sub(self.inbound.queue(now));
        // What is under way and more than fits an empty path waits in the queue.
        let waits = self.taken(self.in_flight, now).saturating_sub(least);
        self.busy_until = self.busy_until.max(now + waits);
        let before = self.train.queued_at.take();
        if queue <= GRANULARITY {
            return;
        }
        if let Some(before) = before {
            self.train.datagrams = self.train.datagrams.saturating_add(datagrams);
            self.train.octets = self.train.octets.saturating_add(octets);
            self.train.lasted = self.train.lasted.saturating_add(now.since(before));
        }
        if let Some(measured) = self.train.rate() {
            self.train = Train::default();
            if self.sizes.allow(measured) {
                let octets = self.rate.map_or(measured, |known| known.octets.midpoint(measured)).max(1);
                self.rate = Some(Rate { octets, at: now });
            }
        }
        self.train.queued_at = Some(now);
    }

    /// What the path carries, in octets a second, where that is known.
    fn rate(&self, now: Instant) -> Option<u64> {
        self.rate.filter(|rate| now.since(rate.at) < BELIEVED).map(|rate| rate.octets)
    }

    /// The rate that was seen last, and when.
    pub(crate) fn seen(&self) -> Option<(u64, Instant)> {
        self.rate.map(|rate| (rate.octets, rate.at))
    }

    /// What a datagram waits on a thin path where two others are before it, one each way or both one way: twice as long as
    /// payloads take longer than probes without a queue. Nothing on a path that is not thin.
    pub(crate) fn thinness(&self) -> Duration {
        let thinness = self.sizes.longer * 2;
        if thinness > GRANULARITY { thinness } else { Duration::ZERO }
    }

    /// How long the path takes for so many octets; nothing where its rate is not known.
    fn taken(&self, octets: u64, now: Instant) -> Duration {
        let rate = self.rate(now);
        rate.map_or(Duration::ZERO, |rate| Duration::from_micros(octets.saturating_mul(1_000_000) / rate))
    }

    /// The same, at the pace at which it is filled.
    fn time_for(&self, octets: u64, now: Instant) -> Duration {
        let taken = self.taken(octets, now);
        taken + taken / HEADROOM
    }

    /// When the path has carried what was sent; the past where its rate is not known.
    pub(crate) fn clear_at(&self) -> Instant {
        self.busy_until
    }

    /// Octets that were sent and are not answered yet.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight
    }
}

#[cfg(test)]
mod tests {
    use super::super::times::{at, ms};
    use super::*;

    /// A path of so many octets a second and 50 ms each way, and what is sent on it.
    struct Path {
        budget: Budget,
        carries: u64,
        /// When the path is clear, in microseconds, and the answers on their way: when, and to what.
        clear: u64,
        answers: VecDeque<(u64, u64)>,
        /// What the peer's datagrams wait besides, in milliseconds.
        inbound: u64,
    }

    impl Path {
        /// A path on which a probe and a payload of a key were answered.
        fn new(carries: u64) -> Self {
            let budget = Budget::default();
            let mut path = Self { budget, carries, clear: 0, answers: VecDeque::new(), inbound: 0 };
            path.send(0, 1000, 1000, 100);
            path.send(1000, 1000, 1000, 58);
            path.hear(2_000);
            path
        }

        fn hear(&mut self, until: u64) {
            while let Some(&(due, sent)) = self.answers.front().filter(|(due, _)| *due <= until) {
                self.answers.pop_front();
                let heard = due + self.inbound;
                self.budget.stamped(wire::stamp(at(due - 50)), at(heard));
                self.budget.answered(sent, ms(heard - sent), at(heard));
            }
        }

        /// Sends so many octets each `gap` milliseconds for `lasting` of them.
        fn send(&mut self, from: u64, gap: u64, lasting: u64, octets: u64) {
            for now in (from..from + lasting).step_by(gap as usize) {
                self.hear(now);
                self.budget.sent(octets as usize, at(now));
                self.clear = self.clear.max(now * 1000) + octets * 1_000_000 / self.carries;
                self.answers.push_back((self.clear / 1000 + 100, now));
            }
        }
    }

    #[test]
    fn without_a_queue_nothing_is_known_and_nothing_is_limited() {
        let mut path = Path::new(100_000);
        path.send(2_000, 100, 20_000, 100);
        assert_eq!(path.budget.seen(), None);
        assert!(path.budget.clear_at() <= at(22_000));
        assert!(path.budget.in_flight() <= 300, "{}", path.budget.in_flight());
        assert_eq!(path.budget.thinness(), ms(0));
    }

    #[test]
    fn what_arrives_while_a_queue_stands_is_what_the_path_carries() {
        let mut path = Path::new(1_000);
        assert_eq!(path.budget.thinness(), ms(2 * 42), "42 octets more take 42 ms more");
        path.send(2_000, 80, 4_000, 100);
        let (rate, _) = path.budget.seen().unwrap();
        assert!((950..=1_050).contains(&rate), "{rate}");
        // 50 datagrams of 100 ms each were sent in 4 s.
        let clear = path.budget.clear_at();
        assert!((at(6_500)..at(7_500)).contains(&clear), "{clear:?}");
    }

    #[test]
    fn a_rate_is_tried_anew_half_a_minute_after_the_last_queue() {
        let mut path = Path::new(1_000);
        path.send(2_000, 80, 4_000, 100);
        // The queue drains, and the path carries a hundred times as much from now on.
        (path.carries, path.clear) = (100_000, 0);
        path.answers.clear();
        path.send(8_000, 200, 29_000, 100);
        path.budget.sent(100, at(42_000));
        assert_eq!(path.budget.clear_at(), at(42_000), "nothing is limited any more");
    }

    #[test]
    fn a_round_trip_that_grows_on_a_path_that_is_not_thin_says_nothing_of_its_rate() {
        let mut path = Path::new(100_000);
        path.send(2_000, 100, 2_000, 100);
        path.clear = 4_500_000;
        path.send(4_000, 100, 6_000, 100);
        assert_eq!(path.budget.seen(), None);
    }

    #[test]
    fn a_queue_on_the_way_here_says_nothing_of_the_way_out() {
        let mut path = Path::new(1_000);
        path.send(2_000, 200, 2_000, 100);
        path.inbound = 400;
        path.send(4_000, 200, 6_000, 100);
        assert_eq!(path.budget.seen(), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut budget = Budget::default();
        (0..100_000).for_each(|n| budget.sent(usize::MAX, at(n)));
        assert_eq!(budget.flying.len(), REMEMBERED);
        assert_eq!(budget.in_flight(), REMEMBERED as u64 * u64::from(u32::MAX));
        budget.answered(u64::MAX, Duration::MAX, at(u64::MAX / 1000));
        budget.answered(0, Duration::MAX, at(0));
        assert_eq!(budget.in_flight(), 0);
    }
}
