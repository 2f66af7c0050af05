//! Sessions that ssh's stream carries, with the production carrier at both of its ends, in virtual time: SPEC [C-1] to [C-10].

use mpmosh_tests::sim::{
    Application, Noise, Quality, Random, Setup, Shell, StreamQuality, World, ms, seconds,
};
use net::Instant;
use std::time::Duration;

/// What 1 Mbit/s carries.
const MBIT: u64 = 125_000;

/// One uplink on which datagrams pass or not, and streams like that.
fn setup(seed: u64, passes: bool, stream: StreamQuality) -> Setup {
    let mut quality = Quality::millis(20);
    quality.silent = !passes;
    Setup::single(seed, quality).with_carriers(stream)
}

fn block(world: &mut World, blocked: bool) {
    world.change(0, |quality| quality.silent = blocked);
}

/// A session that was carried from the start, and some typing.
fn carried(seed: u64, stream: StreamQuality) -> World {
    let mut world = World::new(setup(seed, false, stream));
    world.run(seconds(3));
    world
}

fn is_carried(world: &World) -> bool {
    world.chosen().is_some_and(|path| path.carrier_number().is_some())
}

#[test]
fn where_udp_is_blocked_the_screen_is_there_a_second_and_a_stream_s_opening_later() {
    let mut world = World::new(setup(1, false, StreamQuality::millis(20)));
    world.type_keys(100, ms(100));
    world.run(seconds(14));
    assert!(is_carried(&world));
    let from = world.first_key_since(Instant::ZERO).unwrap();
    assert!(world.worst_latency(from, from + ms(1_200)) < ms(1_300), "1 s, 100 ms and two round trips");
    let typing = world.worst_latency(from + ms(1_300), world.now());
    assert!(typing <= ms(60), "{typing:?}");
    assert_eq!(world.received(), world.typed());
}

#[test]
fn keys_go_on_when_udp_dies_and_none_is_lost_when_it_flaps() {
    let mut world = World::settled(setup(2, true, StreamQuality::millis(20)));
    let start = world.now();
    world.type_keys(1_200, ms(100));
    for flap in 0..3 {
        world.after(seconds(40 * flap), |world| block(world, true));
        world.after(seconds(40 * flap + 20), |world| block(world, false));
    }
    world.run(seconds(130));
    let worst = world.worst_latency(start, world.now());
    assert!(worst <= ms(6_000), "{worst:?}");
    assert_eq!(world.received(), world.typed());
    assert!(!is_carried(&world) && world.open_streams() == 0);
}

/// From the interrupt to the prompt, after `yes` has written for a while.
fn interrupt(stream: StreamQuality, writes: Duration) -> Duration {
    let mut setup = setup(3, false, stream);
    setup.application = Box::new(Shell::new());
    let mut world = World::new(setup);
    world.run(seconds(3));
    world.type_text("yes\r");
    world.run(writes);
    assert!(is_carried(&world));
    world.type_key(0x03);
    let asked = world.now();
    let shown = |world: &World| (0..24).any(|row| world.row(row).starts_with("^C"));
    while !shown(&world) {
        world.run(ms(1));
        assert!(world.now().since(asked) < seconds(30), "no prompt");
    }
    world.now().since(asked)
}

#[test]
fn an_interrupt_of_a_flood_at_one_mbit_behind_megabytes_is_seen_within_a_round_trip_and_300_ms() {
    for delay in [5, 20, 100] {
        for writes in [700, 3_000, 20_000] {
            let seen = interrupt(StreamQuality::millis(delay).with_rate(MBIT), ms(writes));
            assert!(seen <= ms(2 * delay + 300), "{delay} ms, {writes} ms: {seen:?}");
        }
    }
}

#[test]
fn a_key_beside_a_screen_that_changes_all_the_time_waits_for_no_old_frame() {
    // Every frame takes several datagrams, and more come than the stream carries.
    let mut setup = setup(4, false, StreamQuality::millis(20).with_rate(MBIT));
    setup.application = Box::new(Noise::new(ms(50)));
    let mut world = World::new(setup);
    world.run(seconds(5));
    let start = world.now();
    world.type_keys(100, ms(200));
    world.run(seconds(25));
    let worst = world.worst_latency(start, world.now());
    assert!(worst < ms(1_000), "{worst:?}");
    assert_eq!(world.received(), world.typed());
}

#[test]
fn after_a_stall_of_five_seconds_all_keys_are_there_a_round_trip_later() {
    let mut world = carried(5, StreamQuality::millis(20));
    let start = world.now();
    world.type_keys(150, ms(100));
    world.after(seconds(5), |world| world.stall_streams(true));
    world.run(seconds(10));
    let ended = world.now();
    world.stall_streams(false);
    world.run(seconds(8));
    assert_eq!(world.received(), world.typed());
    let late = world.worst_latency(start, start + seconds(5) - ms(50));
    assert!(late <= ms(60), "{late:?}");
    let after = world.worst_latency(ended + ms(200), world.now());
    assert!(after <= ms(100), "{after:?}");
}

/// From each key to its echo in ssh itself, over streams of this quality: octets there and back.
fn by_ssh(quality: &StreamQuality, keys: u64) -> Vec<Duration> {
    use mpmosh_tests::sim::stream::Pipe;
    let (mut up, mut down) = (Pipe::new(quality.clone(), 1), Pipe::new(quality.clone(), 1_000_001));
    let at = |n: u64| Instant::from_micros(n * 100_000);
    let (mut echoed, mut next) = (Vec::new(), 0);
    let mut now = Instant::ZERO;
    while (echoed.len() as u64) < keys {
        let times = [(next < keys).then(|| at(next)), up.next(), down.next()];
        now = times.into_iter().flatten().min().unwrap_or(now).max(now);
        if next < keys && at(next) <= now {
            up.write(b"x", now);
            next += 1;
        }
        let keys_there = up.read(now);
        if !keys_there.is_empty() {
            down.write(&keys_there, now);
        }
        for _ in down.read(now) {
            echoed.push(now.since(at(echoed.len() as u64)));
        }
    }
    echoed
}

#[test]
fn with_a_third_lost_below_tcp_keys_come_no_later_than_ssh_s_own() {
    let stream = StreamQuality::millis(20).with_loss(0.3);
    let mut world = carried(6, stream.clone());
    world.run(seconds(10));
    world.type_keys(600, ms(100));
    world.run(seconds(120));
    assert_eq!(world.received(), world.typed());
    let sorted = |mut latencies: Vec<Duration>| {
        latencies.sort();
        latencies
    };
    let ours =
        sorted(world.latencies().into_iter().map(|latency| latency.expect("every key is echoed")).collect());
    let ssh = sorted(by_ssh(&stream, 600));
    let (median, p95) = (ours.len() / 2, ours.len() * 95 / 100);
    assert!(ours[median] <= ssh[median] && ours[p95] <= ssh[p95]);
}

/// A program whose streams the test has.
struct Silent;

impl Application for Silent {
    fn start(&mut self, _now: Instant) -> Vec<u8> {
        Vec::new()
    }

    fn input(&mut self, _bytes: &[u8], _now: Instant) -> Vec<u8> {
        Vec::new()
    }

    fn received(&self) -> &[u8] {
        &[]
    }
}

/// Octets a second of a byte stream, from the first one on.
fn tar(stream: StreamQuality, lasts: Duration) -> f64 {
    let mut setup = setup(7, false, stream);
    (setup.byte_streams, setup.application) = (true, Box::new(Silent));
    let mut world = World::new(setup);
    let (mut got, mut written, mut first) = (0_u64, 0_u64, None);
    while first.is_none_or(|first| world.now().since(first) < lasts) {
        let now = world.now();
        if let Some(server) = &mut world.server {
            // Noise, so that no compression makes less of it.
            let room = server.room(sync::Channel::Stdout).min(64 * 1024);
            let octets: Vec<u8> = (0..room as u64).map(|n| noise(written + n)).collect();
            written += room as u64;
            server.handle_program_output(&octets, now);
        }
        world.run(ms(2));
        let now = world.now();
        let octets = world.client.as_mut().map(|client| client.read(sync::Channel::Stdout, usize::MAX, now));
        let octets = octets.unwrap_or_default();
        assert!(
            octets.iter().enumerate().all(|(n, octet)| *octet == noise(got + n as u64)),
            "octet for octet"
        );
        if !octets.is_empty() {
            first.get_or_insert(now);
            got += octets.len() as u64;
        }
        assert!(now.as_millis() < 1_200_000, "nothing comes");
    }
    got as f64 / lasts.as_secs_f64()
}

/// The octet at this place.
fn noise(n: u64) -> u8 {
    Random::new(n / 8).draw().to_le_bytes()[(n % 8) as usize]
}

#[test]
fn a_byte_stream_has_four_fifths_of_what_the_stream_carries_its_start_included() {
    for (mbit, delay, lasts, share) in
        [(1, 20, 15, 0.8), (10, 20, 8, 0.8), (100, 20, 3, 0.8), (10, 100, 12, 0.65)]
    {
        let rate = (mbit * MBIT) as f64;
        let got = tar(StreamQuality::millis(delay).with_rate(mbit * MBIT), seconds(lasts)) / rate;
        assert!(got >= share && got <= 1.0, "{mbit} Mbit/s, {delay} ms: {got}");
    }
}
