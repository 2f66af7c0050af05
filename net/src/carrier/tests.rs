//! Two carriers at the ends of a virtual stream: a rate, a delay, megabytes of buffer, and times at which nothing passes.

use super::*;
use alloc::vec;
use proptest::prelude::*;

const TICK: Duration = Duration::from_micros(250);

fn at(ms: u64) -> Instant {
    Instant::from_micros(ms * 1000)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// One direction of a stream.
struct Pipe {
    /// Octets a second.
    rate: u64,
    delay: Duration,
    /// Octets that it takes before its writer is stopped.
    buffer: usize,
    /// Nothing comes out between these two, as while TCP waits for what was lost.
    stalls: Vec<(Instant, Instant)>,
    queued: VecDeque<u8>,
    /// What is found together is one packet, of which nothing comes out before all of it has left, as ssh's.
    packs: bool,
    /// What has left of a packet, and the octets that have not.
    packet: (Vec<u8>, usize),
    /// Octets that may leave the buffer, in millionths.
    allowance: u64,
    travelling: VecDeque<(Instant, Vec<u8>)>,
}

impl Pipe {
    fn new(mbit: u64, round_trip: Duration, buffer: usize) -> Self {
        Self {
            rate: mbit * 125_000,
            delay: round_trip / 2,
            buffer,
            stalls: Vec::new(),
            queued: VecDeque::new(),
            packs: false,
            packet: (Vec::new(), 0),
            allowance: 0,
            travelling: VecDeque::new(),
        }
    }

    fn write(&mut self, octets: &[u8]) -> usize {
        let taken = octets.len().min(self.buffer - self.queued.len());
        self.queued.extend(&octets[..taken]);
        taken
    }

    /// What comes out by now.
    fn read(&mut self, now: Instant) -> Vec<u8> {
        self.allowance += self.rate * TICK.as_micros() as u64;
        if self.packet.1 == 0 {
            self.packet.1 = self.queued.len().min(32_768);
        }
        let most = if self.packs { self.packet.1 } else { self.queued.len() };
        let leave = ((self.allowance / 1_000_000) as usize).min(most);
        self.allowance -= leave as u64 * 1_000_000;
        if self.queued.len() == leave {
            self.allowance %= 1_000_000;
        }
        if leave > 0 {
            self.packet.0.extend(self.queued.drain(..leave));
            self.packet.1 = self.packet.1.saturating_sub(leave);
            if !self.packs || self.packet.1 == 0 {
                self.travelling.push_back((now + self.delay, std::mem::take(&mut self.packet.0)));
            }
        }
        let mut out = Vec::new();
        if self.stalls.iter().any(|(from, to)| (*from..*to).contains(&now)) {
            return out;
        }
        while self.travelling.front().is_some_and(|(at, _)| *at <= now) {
            out.extend(self.travelling.pop_front().into_iter().flat_map(|(_, octets)| octets));
        }
        out
    }
}

/// The near end sends, the far end only takes.
struct Line {
    near: Carrier,
    far: Carrier,
    there: Pipe,
    back: Pipe,
    now: Instant,
    /// When each datagram arrived, and when it had been given.
    arrived: Vec<(Instant, Instant)>,
    octets: u64,
}

impl Line {
    fn new(mbit: u64, round_trip: Duration) -> Self {
        Self {
            near: Carrier::new(at(0)),
            far: Carrier::new(at(0)),
            there: Pipe::new(mbit, round_trip, 2_000_000),
            back: Pipe::new(mbit, round_trip, 2_000_000),
            now: at(0),
            arrived: Vec::new(),
            octets: 0,
        }
    }

    /// A datagram of so many octets that says when it was given.
    fn give(&mut self, octets: usize) {
        let mut datagram = vec![0; octets.max(8)];
        datagram[..8].copy_from_slice(&self.now.as_micros().to_be_bytes());
        self.near.send(&datagram, self.now).unwrap();
    }

    fn tick(&mut self) {
        self.now += TICK;
        pass(&mut self.near, &mut self.there, &mut self.far, self.now);
        pass(&mut self.far, &mut self.back, &mut self.near, self.now);
        while let Some(datagram) = self.far.poll_datagram() {
            let given = u64::from_be_bytes(datagram[..8].try_into().unwrap());
            self.octets += datagram.len() as u64;
            self.arrived.push((self.now, Instant::from_micros(given)));
        }
    }

    /// Offers more than the stream carries, until then.
    fn flood(&mut self, until: Instant) {
        while self.now < until {
            // As one that fills what waits by the window: a stream's own window is above it.
            while self.near.waiting.len() < WAITING
                || self.near.waiting_octets + 1300 < self.near.window() / 2
            {
                self.give(1200);
            }
            self.tick();
        }
    }

    /// A datagram each so often, until then.
    fn every(&mut self, period: Duration, octets: usize, until: Instant) {
        let mut next = self.now;
        while self.now < until {
            while next <= self.now {
                self.give(octets);
                next += period;
            }
            self.tick();
        }
    }

    /// What arrived since then, of what the stream could carry.
    fn share(&mut self, since: Instant, run: impl FnOnce(&mut Self)) -> f64 {
        let before = self.octets;
        run(self);
        let could = self.there.rate as f64 * self.now.since(since).as_secs_f64();
        (self.octets - before) as f64 / could
    }

    /// How old what arrived in this time was, at most.
    fn oldest(&self, from: Instant, to: Instant) -> Duration {
        let within = self.arrived.iter().filter(|(at, _)| (from..to).contains(at));
        within.map(|(at, given)| at.since(*given)).max().unwrap()
    }
}

fn pass(from: &mut Carrier, pipe: &mut Pipe, to: &mut Carrier, now: Instant) {
    while let Some(octets) = from.poll_octets(now) {
        let taken = pipe.write(octets);
        from.wrote(taken);
        if taken == 0 {
            break;
        }
    }
    let octets = pipe.read(now);
    if !octets.is_empty() {
        to.handle_octets(&octets, now).unwrap();
    }
}

#[test]
fn a_flood_at_one_mbit_behind_megabytes_is_never_older_than_a_round_trip_and_300_ms() {
    for round_trip in [10, 40, 200] {
        let mut line = Line::new(1, ms(round_trip));
        line.every(ms(1), 1200, at(60_000));
        let oldest = line.oldest(at(0), at(60_000));
        assert!(oldest <= ms(round_trip + 300), "{round_trip} ms: {oldest:?}");
        let idle = 1.0 - line.octets as f64 / (line.there.rate * 60) as f64;
        assert!(idle < 0.05, "{round_trip} ms: {idle}");
    }
}

#[test]
fn a_stream_is_filled_at_any_rate_and_soon() {
    for (mbit, round_trip) in [(1, 40), (10, 40), (100, 40), (10, 5), (50, 100), (20, 300)] {
        let mut line = Line::new(mbit, ms(round_trip));
        // Doubling from eight datagrams on takes eight round trips at most here.
        let soon = at(10 * round_trip + 500);
        let first = line.share(at(0), |line| line.flood(soon));
        let then = line.share(soon, |line| line.flood(at(25_000)));
        assert!(first > 0.4, "{mbit} Mbit/s, {round_trip} ms: {first}");
        assert!(then > 0.93, "{mbit} Mbit/s, {round_trip} ms: {then}");
        let queue = line.there.queued.len() as u64 * 1000 / line.there.rate;
        assert!(queue < round_trip / 4 + 45, "{mbit} Mbit/s, {round_trip} ms: {queue} ms of queue");
    }
}

#[test]
fn a_stream_that_packs_what_it_finds_together_is_filled_as_well() {
    for (mbit, round_trip) in [(10, 40), (10, 100)] {
        let mut line = Line::new(mbit, ms(round_trip));
        (line.there.packs, line.back.packs) = (true, true);
        line.flood(at(3_000));
        let share = line.share(at(3_000), |line| line.flood(at(13_000)));
        assert!(share > 0.85, "{mbit} Mbit/s, {round_trip} ms: {share}");
    }
}

#[test]
fn the_window_does_not_grow_with_the_queue_that_it_makes() {
    let mut line = Line::new(10, ms(40));
    line.flood(at(20_000));
    let early = line.near.window();
    line.flood(at(180_000));
    let late = line.near.window();
    assert!(late < early * 3 / 2 && late < 100_000, "{early} {late}");
    assert!(line.near.round_trip().unwrap() < ms(45), "{:?}", line.near.round_trip());
}

#[test]
fn a_stall_makes_no_window_explode_and_the_stream_is_filled_again() {
    let mut line = Line::new(10, ms(40));
    for second in 0..20 {
        // As with 30 % loss below TCP: most of the time it waits for what it sends again.
        let from = at(5_000 + second * 1_500);
        line.there.stalls.push((from, from + ms(400 + 100 * (second % 8))));
    }
    line.flood(at(5_000));
    let before = line.near.window();
    let mut most = 0;
    while line.now < at(36_000) {
        let until = line.now + ms(50);
        line.flood(until);
        most = most.max(line.near.window());
    }
    assert!(most <= before * 5 / 2, "{before} {most}");
    let share = line.share(at(37_000), |line| {
        line.flood(at(37_000));
        line.flood(at(39_000));
    });
    assert!(share > 0.9, "{share}");
}

#[test]
fn after_a_stall_the_newest_comes_and_little_that_is_old() {
    let mut line = Line::new(10, ms(40));
    line.every(ms(20), 600, at(5_000));
    line.there.stalls.push((at(5_000), at(10_000)));
    line.every(ms(20), 600, at(12_000));
    let old = line.arrived.iter().filter(|(at, given)| at.since(*given) > ms(1000)).count();
    // What fitted the first window, of 250 that were given meanwhile.
    assert!(old <= 24, "{old}");
    let after = line.oldest(at(10_100), at(12_000));
    assert!(after < ms(200), "{after:?}");
}

#[test]
fn a_rate_that_falls_is_followed_when_twice_what_was_under_way_has_passed() {
    let mut line = Line::new(100, ms(40));
    line.flood(at(4_000));
    line.there.rate = 125_000;
    line.flood(at(15_000));
    line.every(ms(1), 1200, at(20_000));
    let oldest = line.oldest(at(15_500), at(20_000));
    assert!(oldest <= ms(340), "{oldest:?}");
    line.there.rate = 12_500_000;
    line.flood(at(21_500));
    let share = line.share(at(21_500), |line| line.flood(at(23_500)));
    assert!(share > 0.9, "{share}");
}

#[test]
fn a_window_that_nobody_fills_is_forgotten() {
    let mut line = Line::new(100, ms(40));
    line.flood(at(4_000));
    assert!(line.near.window() > 400_000, "{}", line.near.window());
    line.every(ms(100), 100, at(15_000));
    assert_eq!(line.near.window(), window::INITIAL);
}

#[test]
fn a_frame_larger_than_what_may_wait_arrives_whole_and_the_ones_between_are_dropped() {
    let mut line = Line::new(1, ms(40));
    // Screens of 60 datagrams, ten a second: 576 ms each.
    line.every(ms(100), 0, at(1));
    line.arrived.clear();
    for _ in 0..100 {
        for _ in 0..60 {
            line.give(1200);
        }
        let until = line.now + ms(100);
        while line.now < until {
            line.tick();
        }
    }
    let mut whole = 0;
    for screen in line.arrived.chunk_by(|one, other| one.1 == other.1) {
        whole += usize::from(screen.len() == 60);
    }
    assert!((14..=18).contains(&whole), "{whole}");
    let oldest = line.oldest(at(0), at(11_000));
    assert!(oldest < ms(1400), "{oldest:?}");
}

#[test]
fn without_credit_the_first_window_is_all_that_goes() {
    let mut near = Carrier::new(at(0));
    let mut octets = 0;
    for time in 0..100_000 {
        near.send(&[0; 1000], at(time)).unwrap();
        while let Some(part) = near.poll_octets(at(time)) {
            octets += part.len();
            near.wrote(7);
            octets -= part_left(&near);
        }
    }
    assert!(octets as u64 <= window::INITIAL + 1003, "{octets}");
    assert!(near.waiting.len() <= WAITING);
    assert_eq!(near.counts().dropped, 100_000 - near.counts().sent - WAITING as u64);
}

/// What of a part was not written.
fn part_left(carrier: &Carrier) -> usize {
    carrier.out.len() - carrier.written
}

#[test]
fn a_frame_that_has_begun_is_finished_however_little_is_written_at_a_time() {
    let (mut near, mut far) = (Carrier::new(at(0)), Carrier::new(at(0)));
    let mut got = 0;
    for time in 0..3_000 {
        near.send(&[5; 700], at(time)).unwrap();
        let part: Vec<u8> = near.poll_octets(at(time)).unwrap().iter().copied().take(100).collect();
        near.wrote(part.len());
        far.handle_octets(&part, at(time)).unwrap();
        while let Some(datagram) = far.poll_datagram() {
            assert_eq!(datagram, [5; 700]);
            got += 1;
        }
        let back = far.poll_octets(at(time)).unwrap_or_default().to_vec();
        far.wrote(back.len());
        near.handle_octets(&back, at(time)).unwrap();
    }
    assert!(got > 400, "{got}");
    assert!(near.counts().dropped > 2_000);
}

#[test]
fn credits_are_not_credited() {
    let (mut near, mut far) = (Carrier::new(at(0)), Carrier::new(at(0)));
    near.send(b"a", at(0)).unwrap();
    let octets = near.poll_octets(at(0)).unwrap().to_vec();
    near.wrote(octets.len());
    far.handle_octets(&octets, at(20)).unwrap();
    let credit = far.poll_octets(at(20)).unwrap().to_vec();
    far.wrote(credit.len());
    assert_eq!(credit, [0, 5, 1, 0, 0, 0, 4]);
    near.handle_octets(&credit, at(40)).unwrap();
    assert_eq!(near.poll_octets(at(40)), None);
    assert_eq!(far.poll_octets(at(40)), None);
    assert_eq!(near.round_trip(), Some(ms(40)));
    assert_eq!(near.handle_end(), Ok(()));
    near.handle_octets(&[0], at(40)).unwrap();
    assert_eq!(near.handle_end(), Err(Babble::CutShort));
}

#[test]
fn what_was_not_sent_cannot_be_credited() {
    for count in [5_u32, 3_000, u32::MAX, 1 << 31] {
        let mut near = Carrier::new(at(0));
        near.send(b"a", at(0)).unwrap();
        near.poll_octets(at(0)).unwrap();
        let mut credit = vec![0, 5, 1];
        credit.extend(count.to_be_bytes());
        assert_eq!(near.handle_octets(&credit, at(1)), Err(Babble::Credit));
    }
}

#[test]
fn the_count_of_octets_goes_on_beyond_32_bits() {
    let mut line = Line::new(100, ms(5));
    for carrier in [&mut line.near, &mut line.far] {
        let start = u64::from(u32::MAX) - 5_000;
        (carrier.sent, carrier.credited, carrier.taken, carrier.told) = (start, start, start, start);
    }
    let share = line.share(at(0), |line| line.flood(at(2_000)));
    assert!(share > 0.9, "{share}");
    assert!(line.near.credited > u64::from(u32::MAX));
}

#[test]
fn too_long_a_datagram_is_refused() {
    let mut near = Carrier::new(at(0));
    assert_eq!(near.send(&[0; LONGEST + 1], at(0)), Err(TooLong(2049)));
    assert_eq!(near.send(&[0; LONGEST], at(0)), Ok(()));
    let mut far = Carrier::new(at(0));
    far.handle_octets(near.poll_octets(at(0)).unwrap(), at(0)).unwrap();
    assert_eq!(far.poll_datagram().unwrap().len(), LONGEST);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_far_end_says_memory_and_stream_are_bounded(
        steps in prop::collection::vec((0..4_u8, 0..2049_usize, 0..400_u64, any::<u32>()), 1..400),
    ) {
        let (mut near, mut now) = (Carrier::new(at(0)), at(0));
        for (what, size, pause, count) in steps {
            now += ms(pause);
            match what {
                0 | 1 => near.send(&vec![1; size.min(LONGEST)], now).unwrap(),
                2 => {
                    // Lawful, and as favourable as can be.
                    let room = near.sent - near.credited;
                    let credited = near.credited + u64::from(count) % (room + 1);
                    let mut credit = vec![0, 5, 1];
                    credit.extend((credited as u32).to_be_bytes());
                    near.handle_octets(&credit, now).unwrap();
                }
                _ => {
                    let octets = near.poll_octets(now).map_or(0, <[u8]>::len);
                    near.wrote(octets.min(size));
                }
            }
            prop_assert!(near.sent - near.credited <= window::MOST + 2051);
            prop_assert!(near.window() >= window::LEAST / 2 && near.window() <= window::MOST);
            prop_assert!(near.waiting.len() <= MOST && near.waiting_octets <= window::MOST + 128 * 2051);
            prop_assert!(near.out.len() <= CHUNK + 2051 && near.flying.len() <= REMEMBERED);
        }
    }

    #[test]
    fn what_arrives_is_what_was_given_in_its_order(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..24),
        cut in 1..400_usize,
    ) {
        let (mut near, mut far) = (Carrier::new(at(0)), Carrier::new(at(0)));
        for datagram in &datagrams {
            near.send(datagram, at(0)).unwrap();
        }
        let mut got = Vec::new();
        while let Some(octets) = near.poll_octets(at(1)) {
            let part = &octets[..cut.min(octets.len())];
            far.handle_octets(part, at(1)).unwrap();
            let part = part.len();
            near.wrote(part);
            while let Some(datagram) = far.poll_datagram() {
                got.push(datagram);
            }
        }
        prop_assert_eq!(got, datagrams);
    }
}
