//! Address translators that forget: a server that speaks first must reach its client all the same. SPEC [P-9], [K-7].

use mpmosh_tests::sim::{Nat, Quality, Setup, Uplink, World, ms, seconds};
use net::{Event, Instant, Side};
use std::time::Duration;

/// A client at home: one uplink, a translator that forgets after `timeout` and gives the same port again, or another.
fn home(seed: u64, timeout: Duration, preserving: bool) -> World {
    let outside = "198.51.100.1".parse().unwrap();
    let nat = Nat::new(outside, timeout);
    let nat = if preserving { nat.preserving() } else { nat };
    let mut setup = Setup::single(seed, Quality::millis(20));
    setup.uplinks = vec![Uplink::new("wlan0", "192.168.1.10").behind(nat)];
    let mut world = World::new(setup);
    world.type_keys(10, ms(100));
    world.run(ms(3000));
    assert_eq!(world.keys_shown(), 10);
    world
}

/// The server's program writes one word by itself: how long until the user sees it.
fn speak(world: &mut World, number: u32) -> Duration {
    let word = format!("word {number}");
    let spoken = world.now();
    world.program_says(format!("\x1b[3H{word}").as_bytes());
    while world.row(2) != word {
        world.run(ms(1));
        assert!(world.now().since(spoken) < seconds(60), "never seen");
    }
    world.now().since(spoken)
}

fn requests(world: &World, since: Instant) -> Vec<Duration> {
    let asked = world.sent.iter().filter(|sent| sent.side == Side::Client && sent.at >= since);
    let times: Vec<Instant> = asked.map(|sent| sent.at).collect();
    times.windows(2).map(|pair| pair[1].since(pair[0])).collect()
}

#[test]
fn a_server_that_speaks_first_reaches_an_idle_client_behind_a_nat_that_forgets_in_eight_seconds() {
    for preserving in [true, false] {
        let mut world = home(1, seconds(8), preserving);
        // Idle, not asleep: from ten seconds to a minute after the last key, and output wakes it too.
        for (number, pause) in (0..).zip([12, 15, 20, 30, 45, 55]) {
            world.run(seconds(pause));
            let time = speak(&mut world, number);
            assert!(time <= ms(20 + 10), "preserving {preserving}, after {pause} s: {time:?}");
        }
    }
}

#[test]
fn a_server_that_speaks_first_reaches_a_client_that_slept_for_two_minutes_behind_a_nat_of_thirty_seconds() {
    for preserving in [true, false] {
        for more in 0..30 {
            let mut world = home(2, seconds(30), preserving);
            world.run(seconds(60 + 120) + seconds(more));
            let time = speak(&mut world, 0);
            assert!(time <= ms(20 + 10), "preserving {preserving}, {more} s later: {time:?}");
        }
    }
}

#[test]
fn the_interval_learns_what_the_nat_bears_and_stays_below_it() {
    for preserving in [true, false] {
        for (timeout, expected) in [(8, 6750), (12, 10_125), (20, 15_187), (30, 25_000), (300, 25_000)] {
            let mut world = home(3, seconds(timeout), preserving);
            world.run(seconds(60 + 240));
            let (learned, moves) = (world.now(), world.client_events.len());
            world.run(seconds(3600));
            let pauses = requests(&world, learned);
            let longest = pauses.iter().max().unwrap().as_millis();
            assert_eq!(longest, expected, "preserving {preserving}, {timeout} s");
            let moved = world.client_events[moves..]
                .iter()
                .filter(|(_, event)| matches!(event, Event::Observed { .. }));
            assert_eq!(moved.count(), 0, "the mapping lives on");
            let time = speak(&mut world, 0);
            assert!(time <= ms(30), "{time:?}");
        }
    }
}

#[test]
fn while_it_learns_output_is_never_late_by_more_than_the_length_it_tries_is_too_long() {
    for preserving in [true, false] {
        for second in 0..60 {
            let mut world = home(4, seconds(8), preserving);
            world.run(seconds(60) + seconds(second));
            let time = speak(&mut world, 0);
            // It tries 10.1 s twice: within 2.2 s and a margin the client speaks again, and what was said comes anew.
            assert!(time <= ms(3500), "preserving {preserving}, {second} s: {time:?}");
        }
    }
}

#[test]
fn a_nat_that_grows_forgetful_is_noticed_by_the_address_and_the_interval_shrinks() {
    let mut world = home(5, seconds(60), false);
    world.run(seconds(60 + 240));
    let learned = world.now();
    world.run(seconds(100));
    assert_eq!(requests(&world, learned).iter().max().unwrap().as_millis(), 25_000);
    world.uplinks[0].nat = Some(Nat::new("198.51.100.1".parse().unwrap(), seconds(10)));
    world.run(seconds(180));
    let later = world.now();
    world.run(seconds(600));
    assert_eq!(requests(&world, later).iter().max().unwrap().as_millis(), 6750);
    assert!(speak(&mut world, 0) <= ms(30));
}

#[test]
fn a_nat_that_restarts_mid_session_costs_one_probe() {
    for preserving in [true, false] {
        let mut world = home(6, seconds(60), preserving);
        world.type_keys(100, ms(100));
        world.after(ms(3050), |world| {
            if let Some(nat) = &mut world.uplinks[0].nat {
                nat.rebind();
            }
        });
        let start = world.now();
        world.run(seconds(12));
        assert_eq!(world.keys_shown(), 110);
        assert!(
            world.worst_latency(start, world.now()) <= ms(150),
            "{:?}",
            world.worst_latency(start, world.now())
        );
        // The server believes the new address only after it answered.
        let roamed = world
            .server_events
            .iter()
            .filter(|(at, event)| *at >= start && matches!(event, Event::Roamed { .. }));
        assert_eq!(roamed.count(), usize::from(!preserving));
    }
}

#[test]
fn output_flows_on_to_a_client_whose_nat_restarts_while_it_only_reads() {
    for preserving in [true, false] {
        let mut setup = Setup::single(7, Quality::millis(20));
        let nat = Nat::new("198.51.100.1".parse().unwrap(), seconds(60));
        let nat = if preserving { nat.preserving() } else { nat };
        setup.uplinks = vec![Uplink::new("wlan0", "192.168.1.10").behind(nat)];
        setup.application = Box::new(mpmosh_tests::sim::Counter::with_ticks(ms(200), 40));
        let mut world = World::new(setup);
        world.run(seconds(5));
        if let Some(nat) = &mut world.uplinks[0].nat {
            nat.rebind();
        }
        let cut = world.now();
        world.run(seconds(5));
        let times: Vec<_> =
            world.ticks_shown().iter().map(|(_, at)| *at).filter(|at| *at + ms(400) >= cut).collect();
        let gap = times.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap();
        // The client's next probe, half a second at the latest, and the proof of the new address.
        assert!(gap <= ms(900), "preserving {preserving}: {gap:?}");
        assert!(world.ticks_shown().len() >= 40, "{}", world.ticks_shown().len());
    }
}
