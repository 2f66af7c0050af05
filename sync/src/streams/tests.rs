use super::wire::{Segment, put_report, put_segment};
use super::*;
use crate::Link;
use crate::fragment::split;
use crate::instruction::Instruction;
use crate::pair::{Network, Weather};
use proptest::prelude::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A client and a server with a bad network between them, in virtual time.
struct Session {
    ends: [Streams; 2],
    network: Network,
    weather: Weather,
    link: Link,
    now: Instant,
    got: BTreeMap<Channel, Vec<u8>>,
    /// What is still to be written.
    todo: BTreeMap<Channel, VecDeque<u8>>,
    /// The readers take at most this many octets a step.
    read: usize,
    exit_status: Option<Option<u8>>,
}

impl Session {
    fn new(weather: Weather, seed: u64) -> Self {
        let now = START;
        let srtt = weather.delay * 2 + weather.jitter;
        let rto = (srtt + weather.jitter * 2).clamp(MS(50), MS(1000));
        Self {
            ends: [Streams::client(now), Streams::server(Duration::from_secs(600), now)],
            network: Network::new(seed),
            weather,
            link: Link {
                srtt,
                congestion: Duration::ZERO,
                rto,
                max_payload: 1200,
                connected: true,
                ..Link::default()
            },
            now,
            got: BTreeMap::new(),
            todo: BTreeMap::new(),
            read: usize::MAX,
            exit_status: None,
        }
    }

    fn feed(&mut self, channel: Channel, bytes: &[u8]) {
        self.todo.insert(channel, bytes.iter().copied().collect());
    }

    /// What the programs at both ends do.
    fn work(&mut self) {
        for (&channel, bytes) in &mut self.todo {
            let end = &mut self.ends[usize::from(channel.is_output())];
            let len = end.write(channel, bytes.make_contiguous());
            bytes.drain(..len);
            if bytes.is_empty() {
                end.finish(channel);
            }
        }
        for channel in [Channel::Stdin, Channel::Stdout, Channel::Stderr] {
            let end = &mut self.ends[usize::from(!channel.is_output())];
            let bytes = end.read(channel, self.read, self.now);
            self.got.entry(channel).or_default().extend(bytes);
        }
        if self.ends[0].is_complete() && self.exit_status.is_none() {
            self.exit_status = Some(self.ends[0].exit_status());
            self.ends[0].start_shutdown(None, self.now);
        }
    }

    fn drain(&mut self) {
        while let Some((to, payload)) = self.network.arrive(self.now) {
            let _ = self.ends[to].handle_payload(&payload, &self.link, self.now);
        }
        self.work();
        for from in 0..2 {
            while let Some(out) = self.ends[from].poll_transmit(&self.link, self.now) {
                assert!((10..=self.link.max_payload).contains(&out.payload.len()));
                self.network.send(1 - from, out.payload, &self.weather, self.now);
            }
            while self.ends[from].poll_event().is_some() {}
        }
    }

    fn run_until(&mut self, time: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + time;
        let mut idle = 0;
        loop {
            self.drain();
            if done(self) {
                return true;
            }
            let timeout = |end: &Streams| end.poll_timeout(&self.link, self.now).map(|(at, _)| at);
            // A slow reader comes back for more.
            let unread = Channel::ALL.iter().any(|&c| self.ends[usize::from(!c.is_output())].readable(c) > 1);
            let reader = (unread && self.read > 0).then(|| self.now + MS(10));
            let deadlines = [timeout(&self.ends[0]), timeout(&self.ends[1]), self.network.next_at(), reader];
            let next = deadlines.into_iter().flatten().min().unwrap_or(end).min(end);
            idle = if next <= self.now { idle + 1 } else { 0 };
            assert!(idle < 1000, "woken a thousand times without a step of time");
            if self.now >= end {
                return false;
            }
            self.now = self.now.max(next);
        }
    }

    fn is_over(&self) -> bool {
        self.ends.iter().all(|end| end.shutdown_state(self.now).is_over())
    }
}

fn noise(len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| (n.wrapping_mul(0x9e37_79b9) >> 11) as u8).collect()
}

const START: Instant = Instant::from_micros(9_000_000);
const LOSSY: Weather =
    Weather { delay: Duration::from_millis(20), jitter: Duration::from_millis(10), loss: 20, duplicates: 5 };

#[test]
fn what_is_said_again_for_a_path_takes_nothing_from_the_window() {
    let mut session = Session::new(Weather::FINE, 5);
    session.feed(Channel::Stdout, &noise(1_000_000));
    session.run_until(MS(30), |_| false);
    // The first answer came, and with it the word that there is a way.
    session.ends[1].repeat_newest(session.now);
    session.run_until(MS(200), |_| false);
    let window = session.ends[1].congestion.window();
    assert!(window >= 128, "it doubles: {window}");
}

#[test]
fn ten_megabytes_arrive_exactly_through_a_fifth_of_loss() {
    let mut session = Session::new(LOSSY, 5);
    let output = noise(10_000_000);
    session.feed(Channel::Stdout, &output);
    session.feed(Channel::Stderr, b"a word of error");
    let written =
        session.run_until(Duration::from_secs(400), |session| session.todo[&Channel::Stdout].is_empty());
    assert!(written);
    session.ends[1].start_shutdown(Some(7), session.now);
    assert!(session.run_until(Duration::from_secs(30), |session| session.exit_status.is_some()));
    assert_eq!(session.exit_status, Some(Some(7)));
    assert!(session.got[&Channel::Stdout] == output);
    assert_eq!(session.got[&Channel::Stderr], b"a word of error");
    assert!(session.run_until(Duration::from_secs(30), |session| session.is_over()));
    assert_eq!(session.ends[0].shutdown_state(session.now), Shutdown::Acknowledged);
    assert_eq!(session.ends[1].shutdown_state(session.now), Shutdown::Answered);
    let took = session.now.since(START);
    assert!(took < Duration::from_secs(120), "{took:?}");
    let sent = session.network.sent[1] * 1200;
    assert!(sent < 10_000_000 * 3 / 2, "{sent} octets for ten million");
    assert_eq!(session.ends[0].discards().total() + session.ends[1].discards().total(), 0);
}

#[test]
fn a_fine_path_is_filled() {
    let mut session = Session::new(Weather::FINE, 5);
    let output = noise(10_000_000);
    session.feed(Channel::Stdout, &output);
    assert!(session.run_until(MS(5000), |session| session.got[&Channel::Stdout].len() == output.len()));
    assert!(session.got[&Channel::Stdout] == output);
    assert!(session.network.sent[1] < 9500, "nothing twice: {}", session.network.sent[1]);
}

#[test]
fn input_is_echoed_by_a_filter_and_its_end_with_it() {
    let mut session = Session::new(LOSSY, 9);
    let input = noise(300_000);
    session.feed(Channel::Stdin, &input);
    let mut echoed = 0;
    let done = session.run_until(Duration::from_secs(60), |session| {
        let read = session.got[&Channel::Stdin].clone();
        echoed += session.ends[1].write(Channel::Stdout, &read[echoed..]);
        if session.ends[1].is_finished(Channel::Stdin) && echoed == read.len() {
            session.ends[1].start_shutdown(Some(0), session.now);
        }
        session.is_over()
    });
    assert!(done);
    assert!(session.got[&Channel::Stdout] == input);
    assert_eq!(session.exit_status, Some(Some(0)));
}

#[test]
fn a_reader_that_does_not_read_stops_the_writer_and_one_that_reads_again_frees_it() {
    let mut session = Session::new(LOSSY, 4);
    let output = noise(4_000_000);
    session.feed(Channel::Stdout, &output);
    session.read = 0;
    session.run_until(Duration::from_secs(60), |_| false);
    assert_eq!(session.ends[0].readable(Channel::Stdout) as u64, WINDOW);
    assert!(session.todo[&Channel::Stdout].len() >= 4_000_000 - WINDOW as usize - BUFFER);
    let before = session.network.sent[1];
    session.run_until(Duration::from_secs(60), |_| false);
    assert!(session.network.sent[1] - before < 60, "a blocked writer asks now and then");
    session.read = usize::MAX;
    assert!(session.run_until(Duration::from_secs(60), |session| {
        session.got[&Channel::Stdout].len() == output.len()
    }));
    assert!(session.got[&Channel::Stdout] == output);
}

#[test]
fn a_reader_that_is_gone_stops_the_program_and_not_the_session() {
    let mut session = Session::new(LOSSY, 4);
    session.feed(Channel::Stdout, &noise(3_000_000));
    session.run_until(MS(300), |_| false);
    session.ends[0].stop(Channel::Stdout, session.now);
    assert!(session.run_until(MS(3000), |session| session.ends[1].is_stopped(Channel::Stdout)));
    session.ends[1].start_shutdown(Some(141), session.now);
    assert!(session.run_until(Duration::from_secs(20), |session| session.is_over()));
    assert_eq!(session.exit_status, Some(Some(141)));
}

#[test]
fn an_hour_without_a_network_loses_nothing_while_the_program_runs() {
    let mut session = Session::new(Weather::FINE, 4);
    let output = noise(2_000_000);
    session.feed(Channel::Stdout, &output);
    session.run_until(MS(200), |_| false);
    session.weather.loss = 100;
    session.run_until(Duration::from_secs(3600), |_| false);
    session.weather.loss = 0;
    let now = session.now;
    session.ends.iter_mut().for_each(|end| end.repeat_newest(now));
    assert!(session.run_until(MS(5000), |session| session.got[&Channel::Stdout].len() == output.len()));
    assert!(session.got[&Channel::Stdout] == output);
}

#[test]
fn output_that_ends_in_a_silence_is_delivered_when_the_client_is_back() {
    let mut session = Session::new(Weather::FINE, 4);
    session.weather.loss = 100;
    session.feed(Channel::Stdout, b"the result of an hour's work");
    session.run_until(MS(10), |_| false);
    session.ends[1].start_shutdown(Some(3), session.now);
    session.run_until(Duration::from_secs(500), |_| false);
    assert_eq!(session.ends[1].shutdown_state(session.now), Shutdown::Started);
    session.weather.loss = 0;
    assert!(session.run_until(MS(4000), |session| session.is_over()));
    assert_eq!(session.got[&Channel::Stdout], b"the result of an hour's work");
    assert_eq!(session.exit_status, Some(Some(3)));
}

#[test]
fn a_server_whose_client_never_comes_back_gives_up() {
    let mut session = Session::new(Weather { loss: 100, ..Weather::FINE }, 4);
    session.feed(Channel::Stdout, b"for nobody");
    session.run_until(MS(10), |_| false);
    session.ends[1].start_shutdown(Some(3), session.now);
    let over = |session: &mut Session| session.ends[1].shutdown_state(session.now).is_over();
    assert!(session.run_until(Duration::from_secs(601), over));
    assert_eq!(session.ends[1].shutdown_state(session.now), Shutdown::GaveUp);
    assert!(session.network.sent[1] < 250, "{} attempts in ten minutes", session.network.sent[1]);
}

#[test]
fn a_client_that_leaves_early_tells_the_server() {
    for loss in [0, 20, 100] {
        let mut session = Session::new(Weather { loss, ..Weather::FINE }, 4);
        session.feed(Channel::Stdout, &noise(3_000_000));
        session.run_until(MS(100), |_| false);
        session.ends[0].start_shutdown(None, session.now);
        let over = |session: &mut Session| session.ends[0].shutdown_state(session.now).is_over();
        let before = session.network.sent[0];
        // How long it tries is for its owner to say.
        assert_eq!(session.run_until(Duration::from_secs(11), over), loss < 100);
        assert!(session.network.sent[0] - before <= 40);
        let want = if loss == 100 { Shutdown::Started } else { Shutdown::Acknowledged };
        assert_eq!(session.ends[0].shutdown_state(session.now), want);
        if loss < 100 {
            assert_eq!(session.ends[1].shutdown_state(session.now), Shutdown::Answered);
        }
    }
}

#[test]
fn silence_costs_nothing() {
    let mut session = Session::new(Weather::FINE, 4);
    session.feed(Channel::Stdout, b"something");
    session.run_until(MS(1000), |_| false);
    let before = session.network.sent;
    session.run_until(Duration::from_secs(600), |_| false);
    assert_eq!(session.network.sent, before);
}

#[test]
fn a_command_without_a_status_ends_too() {
    let mut session = Session::new(LOSSY, 4);
    session.ends[1].start_shutdown(None, session.now);
    assert!(session.run_until(Duration::from_secs(20), |session| session.is_over()));
    assert_eq!(session.exit_status, Some(None));
}

/// A payload as a hostile but authentic peer might write it.
fn hostile(message: &[u8]) -> Vec<u8> {
    let instruction = Instruction { version: 2, streams: Some(message), ..Instruction::default() };
    let bytes = Codec::new().compress(&instruction.encode()).unwrap();
    split(1 << 40, &bytes, 100_000).unwrap().remove(0)
}

#[test]
fn what_a_hostile_peer_says_of_streams_is_discarded_and_counted() {
    let segment = |channel, offset, data| {
        let mut message = Vec::new();
        put_segment(&mut message, &Segment { channel, offset, data, last: false });
        message
    };
    let report = |channel, received| {
        let mut message = Vec::new();
        let ranges = ranges::Ranges::default();
        let report = wire::Report { channel, received, limit: 0, ranges, stopped: false };
        put_report(&mut message, &report, 100);
        message
    };
    for (message, discard) in [
        (segment(Channel::Stdin, WINDOW, b"x"), Discard::StreamBounds),
        (segment(Channel::Stdin, u64::MAX, b"x"), Discard::StreamBounds),
        (segment(Channel::Stdout, 0, b"x"), Discard::UnknownStream),
        (report(Channel::Stdout, 1), Discard::StreamBounds),
        (report(Channel::Stdin, 0), Discard::UnknownStream),
        (Vec::from(b"\x0a\x01\x08"), Discard::Protobuf),
    ] {
        let mut session = Session::new(Weather::FINE, 4);
        let (link, now) = (session.link, session.now);
        assert_eq!(session.ends[1].handle_payload(&hostile(&message), &link, now), Err(discard));
        assert_eq!(session.ends[1].discards().of(discard), 1);
        session.feed(Channel::Stdin, b"still alive");
        session.run_until(MS(200), |_| false);
        assert_eq!(session.got[&Channel::Stdin], b"still alive");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 100, ..ProptestConfig::with_cases(32) })]
    #[test]
    fn whatever_the_weather_both_directions_arrive_exactly_and_both_ends_stop(
        seed in 1u64..u64::MAX,
        loss in 0u64..45,
        duplicates in 0u64..50,
        jitter in 0u64..300,
        delay in 1u64..200,
        max_payload in 150usize..1400,
        read in 1000usize..100_000,
        lens in prop::array::uniform3(0usize..60_000),
        status: Option<u8>,
    ) {
        let weather = Weather { delay: MS(delay), jitter: MS(jitter), loss, duplicates };
        let mut session = Session::new(weather, seed);
        session.link.max_payload = max_payload;
        session.read = read;
        let channels = [Channel::Stdin, Channel::Stdout, Channel::Stderr];
        for (channel, len) in channels.into_iter().zip(lens) {
            session.feed(channel, &noise(len));
        }
        let over = session.run_until(Duration::from_secs(900), |session| {
            let written = session.todo.values().all(VecDeque::is_empty);
            if written && session.ends[1].is_finished(Channel::Stdin) {
                session.ends[1].start_shutdown(status, session.now);
            }
            session.is_over()
        });
        prop_assert!(over);
        for (channel, len) in channels.into_iter().zip(lens) {
            prop_assert!(session.got[&channel] == noise(len));
        }
        prop_assert_eq!(session.exit_status, Some(status));
    }

    #[test]
    fn any_message_at_all_is_survived(message: Vec<u8>) {
        let mut session = Session::new(Weather::FINE, 4);
        let _ = session.ends[1].handle_payload(&hostile(&message), &session.link, session.now);
        session.run_until(MS(50), |_| false);
    }
}
