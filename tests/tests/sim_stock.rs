//! What an original peer would see of our ends, in virtual time: mosh's dialect, whose times are mosh's to the
//! millisecond, and that of the paper's authors.

use mpmosh_client::session::client::Outcome;
use mpmosh_tests::sim::{Counter, Quality, Sent, Setup, World, ms};
use net::DialectName;
use net::{Event, Instant, Side};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn mosh(delay: u64) -> World {
    World::new(Setup::single(1, Quality::millis(delay)).speaking(DialectName::Mosh))
}

/// What `side` has sent since `from`.
fn sent(world: &World, side: Side, from: Instant) -> Vec<&Sent> {
    world.sent.iter().filter(|sent| sent.side == side && sent.at >= from).collect()
}

/// The times between two datagrams.
fn gaps(sent: &[&Sent]) -> Vec<Duration> {
    sent.windows(2).map(|pair| pair[1].at.since(pair[0].at)).collect()
}

#[test]
fn an_hour_of_idleness_is_a_heartbeat_every_three_seconds_and_nothing_else() {
    let mut world = mosh(50);
    world.run(ms(10_000));
    let from = world.now();
    world.run(HOUR);
    for side in [Side::Client, Side::Server] {
        let sent = sent(&world, side, from);
        assert_eq!(sent.len(), 1200, "{side:?}");
        assert!(gaps(&sent).iter().all(|gap| *gap == ms(3000)), "{side:?}");
        // Header, tag, fragment header, and a deflated instruction of six numbers and up to 16 octets of padding.
        assert!(sent.iter().all(|sent| (28 + 10 + 18..=28 + 10 + 60).contains(&sent.octets)), "{side:?}");
    }
    world.type_keys(1, ms(1));
    world.run(ms(1000));
    assert_eq!(world.latencies(), [Some(ms(1 + 50 + 8 + 50))], "each end collects for a moment: 1 ms, 8 ms");
}

#[test]
fn frames_are_half_a_round_trip_apart_from_20_to_250_ms() {
    for (delay, interval) in [(1, 20), (20, 20), (50, 50), (200, 200), (400, 250)] {
        let mut setup = Setup::single(1, Quality::millis(delay)).speaking(DialectName::Mosh);
        setup.application = Box::new(Counter::with_ticks(ms(3), 60));
        let mut world = World::new(setup);
        world.run(ms(15_000));
        let from = world.now();
        world.run(ms(5000));
        let sent = sent(&world, Side::Server, from);
        // Several datagrams make a frame when the screen changes much.
        let frames: Vec<Duration> = gaps(&sent).into_iter().filter(|gap| !gap.is_zero()).collect();
        assert!(frames.iter().all(|gap| *gap >= ms(interval)), "{delay}: {frames:?}");
        let mean = frames.iter().sum::<Duration>() / u32::try_from(frames.len()).unwrap();
        assert!(mean <= ms(interval + 4), "{delay}: {mean:?}");
    }
}

#[test]
fn what_arrives_is_acknowledged_after_a_hundred_milliseconds_unless_something_else_is_said() {
    let mut setup = Setup::single(1, Quality::millis(20)).speaking(DialectName::Mosh);
    setup.application = Box::new(Counter::with_ticks(ms(1000), 60));
    let mut world = World::new(setup);
    world.run(ms(5_500));
    let from = world.now();
    world.run(ms(10_000));
    let frames = sent(&world, Side::Server, from);
    let acknowledgements = sent(&world, Side::Client, from);
    assert_eq!((frames.len(), acknowledgements.len()), (10, 10));
    for (frame, acknowledgement) in frames.iter().zip(acknowledgements) {
        assert_eq!(acknowledgement.at.since(frame.at), ms(20 + 100));
    }
}

#[test]
fn a_lost_frame_is_repeated_and_then_only_the_heartbeat_goes_on() {
    let mut world = mosh(50);
    world.type_keys(30, ms(200));
    world.run(ms(10_000));
    world.change(0, |quality| quality.loss = 1.0);
    let from = world.now();
    world.type_keys(1, ms(1));
    world.run(ms(60_000));
    let sent = sent(&world, Side::Client, from);
    let early = sent.iter().filter(|sent| sent.at.since(from) < ms(10_000)).count();
    let late = sent.iter().filter(|sent| sent.at.since(from) > ms(14_000)).count();
    // Sent again after the retransmission timeout and an acknowledgement's delay, at most every frame interval;
    // after ten seconds of silence at the pace of the heartbeat.
    assert!((10..=201).contains(&early), "{early}");
    assert!((14..=17).contains(&late), "{late}");
    let hops = world.client_events.iter().filter(|(_, event)| matches!(event, Event::Hopped { .. })).count();
    assert!((4..=6).contains(&hops), "a new port every ten seconds: {hops}");
}

#[test]
fn a_shutdown_that_nobody_hears_is_sent_sixteen_times_or_for_ten_seconds() {
    for delay in [20, 300] {
        let mut world = mosh(delay);
        world.type_keys(10, ms(300));
        world.run(ms(10_000));
        world.server = None;
        let from = world.now();
        world.client.as_mut().unwrap().quit(from);
        world.run(ms(30_000));
        let sent = sent(&world, Side::Client, from);
        assert_eq!(sent.len(), 16, "{delay}");
        assert!(sent.iter().all(|sent| sent.at.since(from) <= ms(10_000)));
        assert_eq!(world.outcome(), Some(Outcome::QuitUnanswered));
    }
}

#[test]
fn either_end_s_shutdown_is_answered_and_over_in_a_few_datagrams() {
    let mut world = mosh(50);
    world.type_keys(3, ms(300));
    world.run(ms(5_000));
    let from = world.now();
    world.client.as_mut().unwrap().quit(from);
    world.run(ms(30_000));
    assert!(sent(&world, Side::Client, from).len() <= 4);
    assert!(sent(&world, Side::Server, from).len() <= 4);
    assert!(world.outcome().is_some());
}

#[test]
fn a_server_that_hears_nothing_for_forty_seconds_says_nothing() {
    let mut world = mosh(50);
    world.run(ms(10_000));
    let heard = world.now();
    world.client = None;
    world.run(HOUR);
    let last = sent(&world, Side::Server, heard).last().map(|sent| sent.at.since(heard));
    assert!(last.is_some_and(|last| (ms(34_000)..=ms(41_000)).contains(&last)), "{last:?}");
    assert!(world.server.is_some(), "it waits");
}

#[test]
fn no_datagram_is_larger_than_stock_s() {
    let mut setup = Setup::single(1, Quality::millis(20)).speaking(DialectName::Mosh);
    setup.application = Box::new(Counter::with_ticks(ms(10), 1800));
    let mut world = World::new(setup);
    world.run(ms(10_000));
    let longest = world.sent.iter().map(|sent| sent.octets).max();
    assert!(longest.is_some_and(|longest| longest <= 1252), "{longest:?}");
}

#[test]
fn in_the_authors_dialect_an_idle_hour_measures_every_path_and_floods_none() {
    let mut world = World::new(Setup::laptop(1).speaking(DialectName::MpMosh));
    world.run(ms(100_000));
    let from = world.now();
    world.run(HOUR);
    // In an hour: a heartbeat every 3 s on the best path and a probe beside it, a probe every 20 s on the other, a request
    // every 10 s; and the server's answers.
    let client = sent(&world, Side::Client, from).len();
    assert!((2900..=3000).contains(&client), "{client}");
    let server = sent(&world, Side::Server, from).len();
    assert!((2700..=4400).contains(&server), "{server}");
    world.change(0, |quality| quality.loss = 1.0);
    world.type_keys(10, ms(100));
    world.run(ms(2_500));
    assert!(world.latencies().iter().all(|latency| latency.is_some_and(|latency| latency < ms(500))));
}

#[test]
fn in_the_authors_dialect_a_silent_path_costs_one_timeout_and_the_other_s_round_trip() {
    let mut world = World::new(Setup::laptop(1).speaking(DialectName::MpMosh));
    world.type_keys(65, ms(100));
    world.run(ms(5_050));
    world.change(0, |quality| quality.loss = 1.0);
    let from = world.now();
    // After three seconds a notice in the first row names the path, and hides what the keys are counted by.
    world.run(ms(2_500));
    let worst = world.worst_latency(from, world.now());
    assert!(worst <= ms(60 + 80 + 30), "{worst:?}");
}
