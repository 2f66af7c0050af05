//! What a session costs while it is used, steadily, over lossy paths, in a flood and at rest, in datagrams and octets with
//! the headers of IP and UDP, and how it fares over any path beside mosh: in virtual time.

use mpmosh_tests::sim::{Quality, Setup, Shell, World, ms, seconds};
use net::DialectName;
use net::{Count, SentKind};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::time::Duration;

/// What both ends sent in so many seconds of a world, a second.
fn a_second(world: &mut World, span: u64, during: impl FnOnce(&mut World)) -> Count {
    let before = world.spent();
    during(world);
    world.run(seconds(span));
    let mut spent = Count::default();
    for (after, before) in world.spent().into_iter().zip(before) {
        spent += (after - before).total();
    }
    Count { datagrams: spent.datagrams / span, octets: spent.octets / span }
}

/// Ten keys a second over two paths of 40 and 80 ms that lose `loss`: what it costs a second, and the latencies.
fn typing(seed: u64, metered: bool, loss: f64) -> (Count, Vec<Duration>) {
    let mut setup = Setup::laptop(seed);
    setup.uplinks[1].metered = metered;
    let mut world = World::settled(setup);
    (0..2).for_each(|uplink| world.change(uplink, |quality| quality.loss = loss));
    let cost = a_second(&mut world, 60, |world| world.type_keys(600, ms(100)));
    world.run(seconds(20));
    let mut latencies: Vec<Duration> = world
        .latencies()
        .split_off(50)
        .into_iter()
        .map(|latency| latency.expect("every key is echoed"))
        .collect();
    latencies.sort_unstable();
    (cost, latencies)
}

#[test]
fn steady_typing_costs_little() {
    for (metered, datagrams, octets) in [(true, 40, 4_000), (false, 75, 7_000)] {
        let (cost, latencies) = typing(1, metered, 0.0);
        assert!(cost.datagrams <= datagrams && cost.octets <= octets, "metered {metered}: {cost:?}");
        let p95 = latencies[latencies.len() * 95 / 100];
        assert!(p95 <= ms(40 + 4), "metered {metered}: {p95:?}");
    }
}

#[test]
fn loss_is_repaired_at_a_bounded_cost() {
    for (loss, datagrams, octets, p99) in [(0.05, 80, 8_000, 100), (0.3, 130, 13_000, 150)] {
        let (mut cost, mut latencies) = (Count::default(), Vec::new());
        let seeds = 20;
        for seed in 1..=seeds {
            let (one, of_one) = typing(seed, false, loss);
            cost += one;
            latencies.extend(of_one);
        }
        let cost = Count { datagrams: cost.datagrams / seeds, octets: cost.octets / seeds };
        assert!(cost.datagrams <= datagrams && cost.octets <= octets, "{loss}: {cost:?}");
        latencies.sort_unstable();
        let at = latencies[latencies.len() * 99 / 100];
        assert!(at <= ms(p99), "{loss}: {at:?}");
    }
}

#[test]
fn nobody_types_and_four_flows_cost_a_datagram_a_second() {
    let mut setup = Setup::laptop(1);
    setup.servers.push("203.0.113.2".parse().unwrap());
    let mut world = World::settled(setup);
    assert_eq!(world.client.as_ref().unwrap().connection().flows().count(), 4);
    world.run(seconds(10));
    let cost = a_second(&mut world, 30, |_| {});
    assert!(cost.datagrams <= 1, "{cost:?}");
}

#[test]
fn a_flood_that_shows_nothing_new_costs_what_keeps_the_paths_known() {
    for metered in [true, false] {
        let mut setup = Setup::laptop(1);
        setup.uplinks[1].metered = metered;
        setup.application = Box::new(Shell::new());
        let mut world = World::new(setup);
        world.run(seconds(2));
        world.type_text("yes\r");
        world.run(ms(500));
        let before = world.spent();
        world.run(seconds(4));
        world.type_text("\x03");
        world.run(ms(500));
        let spent = world.spent();
        let total: u64 = (0..2).map(|end| (spent[end] - before[end]).total().octets).sum();
        let data = (spent[1] - before[1]).of(SentKind::Data);
        assert!(total <= 6_000, "metered {metered}: {total} octets, of the server's frames {data:?}");
    }
}

#[test]
fn a_flood_that_comes_in_pieces_shows_whole_lines_and_its_end_is_shown_all_the_same() {
    let mut setup = Setup::laptop(1);
    setup.uplinks[1].metered = true;
    let mut world = World::new(setup);
    world.run(seconds(2));
    // Pieces of 5,000 octets end in another place of the line each time.
    let flood: Vec<u8> = b"y\r\n".iter().copied().cycle().take(1_000_000).collect();
    for (n, piece) in flood.chunks(5_000).enumerate() {
        let piece = piece.to_vec();
        world.after(ms(n as u64 * 5), move |world| world.program_says(&piece));
    }
    world.run(ms(300));
    let before = world.spent();
    world.run(ms(600));
    let frames = (world.spent()[1] - before[1]).of(SentKind::Data);
    assert!(frames.datagrams <= 2, "{frames:?}");
    // The last piece ends in the middle of a line.
    world.run(ms(500));
    assert_eq!(flood.len() % 3, 1);
    assert_eq!(world.display().cursor().column, 1, "what follows the last whole line is shown too");
}

/// The 95 % quantile of 200 keys, ten a second.
fn p95(dialect: DialectName, seed: u64, up: &Quality, down: &Quality) -> Option<Duration> {
    let mut setup = Setup::single(seed, up.clone()).speaking(dialect);
    let both = (up.clone(), down.clone());
    setup.quality = Box::new(move |_, _| both.clone());
    let mut world = World::new(setup);
    world.run(seconds(5));
    world.type_keys(200, ms(100));
    world.run(seconds(20 + 60));
    let mut latencies = world.latencies();
    latencies.sort_by_key(|latency| latency.unwrap_or(Duration::MAX));
    latencies[latencies.len() * 95 / 100]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(120),
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever the path carries, queues and loses.
    #[test]
    fn typing_is_never_much_slower_than_with_mosh(
        bits in 13.0_f64..30.0,
        asymmetry in 0_u32..4,
        round_trip in 2_u64..800,
        queue in 100_u64..5_000,
        loss in prop_oneof![Just(0.0), 0.0..0.3],
        seed in 1_u64..1_000,
    ) {
        let rate = 2_f64.powf(bits) as u64 / 8;
        let way = |rate: u64| {
            // It holds two keys at least.
            let queue = queue.max(250_000 / rate);
            Quality::millis(round_trip / 2).with_rate(rate, ms(queue)).with_loss(loss)
        };
        let (up, down) = (way(rate), way(rate << asymmetry));
        let [ours, mosh] = [DialectName::Multipath, DialectName::Mosh].map(|dialect| p95(dialect, seed, &up, &down));
        // A key that mosh never echoes sets no limit.
        let limit = mosh.map_or(Duration::MAX, |mosh| mosh.mul_f64(1.2) + ms(4));
        prop_assert!(ours.unwrap_or(Duration::MAX) <= limit, "{ours:?}, mosh {mosh:?}: {up:?}");
    }
}
