//! Paths that take smaller datagrams than others, or do so all of a sudden, and paths that mark congestion, in virtual
//! time: every figure here is exact.

use mpmosh_tests::sim::{Noise, Quality, Random, Setup, Uplink, World, ms};
use net::{Event, Instant, Side};
use std::time::Duration;

/// One way of 40 ms that takes IP packets of these sizes, and a full screen every `every`.
fn noisy(seed: u64, (up, down): (usize, usize), every: Duration) -> Setup {
    let mut setup = Setup::single(seed, Quality::millis(20));
    setup.quality = Box::new(move |_, _| {
        let mut both = (Quality::millis(20), Quality::millis(20));
        (both.0.mtu, both.1.mtu) = (up, down);
        both
    });
    setup.application = Box::new(Noise::new(every));
    setup
}

/// The user pastes something large, so that a larger size would be of use upwards too.
fn paste(world: &mut World) {
    world.after(ms(500), |world| {
        let mut random = Random::new(1);
        let text: String = (0..900).map(|_| char::from(b'!' + random.below(94) as u8)).collect();
        world.type_text(&text);
    });
}

/// The largest datagrams of the two ends on one of the client's interfaces.
fn sizes(world: &World, uplink: u32) -> (usize, usize) {
    let mut flows = world.client.as_ref().unwrap().connection().flows();
    let flow = flows.find(|flow| flow.path.local.interface.is_some_and(|i| i.get() == uplink)).unwrap();
    let mut server = world.server.as_ref().unwrap().connection().unwrap().flows();
    (flow.max_datagram, server.find(|other| other.id == flow.id).unwrap().max_datagram)
}

/// What an end told of the size of its datagrams since `since`.
fn changes(events: &[(Instant, Event)], since: Instant) -> Vec<(Duration, usize, bool)> {
    let change = |(at, event): &(Instant, Event)| match event {
        Event::DatagramSize { octets, repeat, .. } if *at >= since => {
            Some((at.since(since), *octets, *repeat))
        }
        _ => None,
    };
    events.iter().filter_map(change).collect()
}

/// The longest time without a new frame on the client's screen, between these times.
fn longest_gap(world: &World, from: Instant, to: Instant) -> Duration {
    let shown = world.ticks_shown().iter().map(|(_, at)| *at).filter(|at| (from..to).contains(at));
    let times: Vec<Instant> = std::iter::once(from).chain(shown).chain([to]).collect();
    times.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap()
}

#[test]
fn a_full_screen_flows_whatever_the_path_takes_and_its_mtu_is_found() {
    for mtu in [1500, 1420, 1280, 1000, 576] {
        let mut world = World::new(noisy(1, (mtu, mtu), ms(50)));
        paste(&mut world);
        let start = world.now();
        world.type_keys(300, ms(100));
        world.run(ms(30_000));
        assert_eq!(sizes(&world, 1), (mtu - 28, mtu - 28), "{mtu}");
        assert!(longest_gap(&world, start, world.now()) <= ms(500), "{mtu}");
        assert!(longest_gap(&world, start + ms(5000), world.now()) <= ms(75), "{mtu}");
    }
}

#[test]
fn each_direction_has_its_own_mtu() {
    for (up, down) in [(1500, 1280), (1000, 1500), (576, 1400)] {
        let mut world = World::new(noisy(2, (up, down), ms(50)));
        paste(&mut world);
        world.type_keys(300, ms(100));
        world.run(ms(30_000));
        assert_eq!(sizes(&world, 1), (up - 28, down - 28));
    }
}

#[test]
fn ipv6_finds_1280_and_more() {
    for mtu in [1280, 1400, 1500] {
        let mut setup = noisy(3, (mtu, mtu), ms(50));
        setup.uplinks[0].addresses = vec!["2001:db8:1::10".parse().unwrap()];
        setup.servers = vec!["2001:db8:3::10".parse().unwrap()];
        let mut world = World::new(setup);
        paste(&mut world);
        world.type_keys(300, ms(100));
        world.run(ms(30_000));
        assert_eq!(sizes(&world, 1), (mtu - 48, mtu - 48));
    }
}

#[test]
fn large_datagrams_that_begin_to_vanish_are_left_within_two_timeouts() {
    for seed in 0..5 {
        let mut world = World::new(noisy(seed, (1500, 1500), ms(50)));
        paste(&mut world);
        world.type_keys(300, ms(100));
        world.run(ms(5000));
        assert_eq!(sizes(&world, 1), (1472, 1472));
        for (mtu, found) in [(1000, 972), (576, 548)] {
            world.change(0, |q| q.mtu = mtu);
            let cut = world.now();
            world.run(ms(12_000));
            // SRTT 40 ms and the granularity of 20 ms: two timeouts are 120 ms. The first frame that vanishes is drawn
            // up to 50 ms after the change.
            let (after, octets, repeat) = changes(&world.server_events, cut)[0];
            assert!(after <= ms(50 + 120), "seed {seed}, {mtu}: noticed after {after:?}");
            assert_eq!((octets, repeat), (found, true), "seed {seed}");
            // … and one way later the newest frame is there, in smaller pieces.
            let gap = longest_gap(&world, cut, world.now());
            assert!(gap <= ms(50 + 120 + 20 + 20), "seed {seed}, {mtu}: {gap:?}");
            assert_eq!(sizes(&world, 1).1, found);
        }
        world.run(ms(16_000));
        assert!(world.latencies().iter().all(Option::is_some), "seed {seed}: a key was never echoed");
    }
}

#[test]
fn a_path_with_a_smaller_mtu_takes_over_without_losing_a_frame() {
    for seed in 0..2 {
        let mut setup = Setup::laptop(seed);
        setup.application = Box::new(Noise::new(ms(50)));
        setup.quality = Box::new(|uplink, _| {
            let mut quality = Quality::millis(20 + 20 * uplink as u64);
            quality.mtu = if uplink == 0 { 1500 } else { 1000 };
            (quality.clone(), quality)
        });
        let mut world = World::new(setup);
        paste(&mut world);
        world.type_keys(700, ms(100));
        world.run(ms(50_000));
        assert_eq!((sizes(&world, 1), sizes(&world, 2)), ((1472, 1472), (972, 972)), "seed {seed}");
        assert!(
            world.server.as_ref().unwrap().connection().unwrap().max_payload() > 1400,
            "the other one carries nothing"
        );
        world.change(0, |q| q.silent = true);
        let cut = world.now();
        world.run(ms(5000));
        let gap = longest_gap(&world, cut, world.now());
        assert!(gap <= ms(250), "seed {seed}: {gap:?}");
        assert_eq!(changes(&world.server_events, cut), [], "seed {seed}: it was known before");
        let too_large = |sent: &&mpmosh_tests::sim::world::Sent| {
            sent.at >= cut + ms(1000) && sent.side == Side::Server && sent.octets > 972
        };
        let on_second =
            |sent: &&mpmosh_tests::sim::world::Sent| sent.path.remote.ip() == world.uplinks[1].addresses[0];
        assert_eq!(world.sent.iter().filter(too_large).filter(on_second).count(), 0, "seed {seed}");
        world.run(ms(8000));
        assert!(world.latencies().iter().all(Option::is_some));
    }
}

#[test]
fn a_loss_of_a_fifth_is_no_black_hole() {
    for seed in 0..10 {
        let mut setup = noisy(seed, (1500, 1500), ms(50));
        setup.quality =
            Box::new(|_, _| (Quality::millis(20).with_loss(0.2), Quality::millis(20).with_loss(0.2)));
        let mut world = World::new(setup);
        world.type_keys(300, ms(100));
        world.run(ms(40_000));
        for events in [&world.client_events, &world.server_events] {
            let sizes: Vec<usize> =
                changes(events, Instant::ZERO).iter().map(|(_, octets, _)| *octets).collect();
            assert!(sizes.is_sorted() && sizes.iter().all(|size| *size > 1252), "seed {seed}: {sizes:?}");
        }
    }
}

#[test]
fn a_full_queue_is_no_black_hole() {
    for (seed, rate) in [(0, 20_000), (1, 60_000), (2, 150_000)] {
        let mut setup = noisy(seed, (1500, 1500), ms(20));
        setup.quality =
            Box::new(move |_, _| (Quality::millis(20), Quality::millis(20).with_rate(rate, ms(200))));
        let mut world = World::new(setup);
        world.type_keys(200, ms(100));
        world.run(ms(30_000));
        let shrunk: Vec<_> =
            changes(&world.server_events, Instant::ZERO).into_iter().filter(|change| change.2).collect();
        assert!(shrunk.is_empty(), "{rate}: {shrunk:?}");
    }
}

#[test]
fn a_lossy_path_that_becomes_a_black_hole_is_left_all_the_same() {
    for seed in 0..10 {
        let mut setup = noisy(seed, (1500, 1500), ms(50));
        setup.quality =
            Box::new(|_, _| (Quality::millis(20).with_loss(0.1), Quality::millis(20).with_loss(0.1)));
        let mut world = World::new(setup);
        world.type_keys(200, ms(100));
        world.run(ms(10_000));
        world.change(0, |q| q.mtu = 1000);
        let cut = world.now();
        world.run(ms(8000));
        let noticed =
            changes(&world.server_events, cut).iter().find(|change| change.2).map(|change| change.0);
        assert!(noticed.is_some_and(|after| after <= ms(3000)), "seed {seed}: {noticed:?}");
        world.run(ms(4000));
        assert!(world.latencies().iter().all(Option::is_some), "seed {seed}");
    }
}

#[test]
fn an_interface_that_takes_less_from_now_on_is_believed_at_once() {
    let mut setup = noisy(4, (1500, 1500), ms(50));
    setup.uplinks = vec![Uplink { mtu: Some(1500), ..Uplink::new("wg0", "192.0.2.10") }];
    let mut world = World::new(setup);
    paste(&mut world);
    world.type_keys(100, ms(100));
    world.run(ms(5000));
    assert_eq!(sizes(&world, 1), (1472, 1472));
    world.uplinks[0].mtu = Some(1420);
    world.announce_interfaces();
    assert_eq!(sizes(&world, 1), (1392, 1472));
    world.uplinks[0].mtu = Some(1500);
    world.announce_interfaces();
    world.run(ms(3000));
    assert_eq!(sizes(&world, 1), (1472, 1472));
}

#[test]
fn a_search_keeps_within_the_cost_of_a_flow() {
    for mtu in [1500, 1400, 1000] {
        let mut setup = Setup::laptop(5);
        // What is typed is not copied to the path that is measured here.
        setup.config.redundancy = net::Redundancy::Off;
        setup.quality = Box::new(move |uplink, _| {
            let mut quality = Quality::millis(20 + 20 * uplink as u64);
            quality.mtu = mtu;
            (quality.clone(), quality)
        });
        let mut world = World::new(setup);
        // Often enough that the user counts as active.
        world.type_keys(120, ms(5000));
        world.run(ms(600_000));
        let second = world.uplinks[1].addresses[0];
        for side in [Side::Client, Side::Server] {
            let on_second = world.sent.iter().filter(|sent| {
                sent.side == side && (sent.path.local.ip == second || sent.path.remote.ip() == second)
            });
            let octets: usize = on_second.map(|sent| sent.octets + 42).sum();
            assert!(octets / 600 <= 200, "{mtu}: {side:?} sends {} octets a second", octets / 600);
        }
    }
}

/// How many frames a second the client's screen shows.
fn frames(world: &World, from: Instant) -> usize {
    let seconds = world.now().since(from).as_secs() as usize;
    world.ticks_shown().iter().filter(|(_, at)| *at >= from).count() / seconds
}

#[test]
fn congestion_marks_slow_the_frames_down_and_only_while_they_last() {
    for addresses in [["192.0.2.10", "203.0.113.1"], ["2001:db8:1::10", "2001:db8:3::10"]] {
        let [client, server] = addresses.map(|text| text.parse().unwrap());
        let mut setup = noisy(6, (1500, 1500), ms(20));
        setup.uplinks[0].addresses = vec![client];
        setup.servers = vec![server];
        let mut world = World::new(setup);
        world.run(ms(3000));
        let calm = world.now();
        world.run(ms(3000));
        let before = frames(&world, calm);
        assert!(before >= 40, "{before}");
        world.change_direction(0, false, |q| q.marks = true);
        world.run(ms(2000));
        let marked = world.now();
        world.run(ms(4000));
        let during = frames(&world, marked);
        assert!((3..=before / 4).contains(&during), "{during} of {before}");
        let flow = world.server.as_ref().unwrap().connection().unwrap().flows().next().unwrap();
        assert!(flow.srtt.unwrap() <= ms(50), "no measurement is touched: {:?}", flow.srtt);
        world.change_direction(0, false, |q| q.marks = false);
        world.run(ms(5000));
        let after = world.now();
        world.run(ms(3000));
        assert!(frames(&world, after) >= before - 3, "{} of {before}", frames(&world, after));
    }
}

#[test]
fn congestion_marks_on_the_way_up_slow_what_is_typed() {
    let mut world = World::new(Setup::single(7, Quality::millis(20)));
    let datagrams = |world: &mut World| {
        let from = world.now();
        world.type_keys(400, ms(5));
        world.run(ms(2500));
        let of_client = |sent: &&mpmosh_tests::sim::world::Sent| {
            sent.side == Side::Client && sent.at >= from && sent.octets > 60 && sent.octets < 1200
        };
        world.sent.iter().filter(of_client).count()
    };
    world.run(ms(3000));
    let before = datagrams(&mut world);
    world.change_direction(0, true, |q| q.marks = true);
    datagrams(&mut world);
    let during = datagrams(&mut world);
    assert!(during * 2 < before, "{during} of {before}");
    world.change_direction(0, true, |q| q.marks = false);
    // Each answer without a mark makes it a little less, and while frames are far apart there are few.
    (0..3).for_each(|_| {
        datagrams(&mut world);
    });
    let after = datagrams(&mut world);
    assert!(after >= before * 9 / 10, "{after} of {before}, {during} while marked");
    assert!(world.latencies().iter().all(Option::is_some));
}
