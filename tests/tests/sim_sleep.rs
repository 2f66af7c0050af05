//! What a session costs while it is used, while nobody types, and while it sleeps: datagrams, octets and wake-ups of
//! both ends, counted in virtual time. SPEC [P-5], [P-8], [P-9].

use mpmosh_tests::sim::{Counter, Setup, Uplink, World, ms, seconds};
use net::{FlowState, Instant, Side};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

const TEN_MINUTES: Duration = seconds(600);

/// As the paper's Figure 6 counts: with the headers of Ethernet, IPv4 and UDP.
const HEADERS: usize = 42;
/// The same of IPv6.
const HEADERS_6: usize = 62;
/// A list of the address that the server sees and its own, both of IPv6.
const LIST_6: usize = 30 + 20 + 20;

/// What one end sent on one of the client's interfaces (from 1) within some times.
fn sent(world: &World, side: Side, interface: usize, times: &[(Instant, Instant)]) -> (usize, usize) {
    let addresses = &world.uplinks[interface - 1].addresses;
    let on_it = world.sent.iter().filter(|sent| {
        let client = if sent.side == Side::Client { sent.path.local.ip } else { sent.path.remote.ip() };
        sent.side == side
            && addresses.contains(&client)
            && times.iter().any(|(from, to)| (*from..*to).contains(&sent.at))
    });
    on_it.fold((0, 0), |(count, octets), sent| {
        let headers = if sent.path.remote.is_ipv4() { HEADERS } else { HEADERS_6 };
        (count + 1, octets + sent.octets + headers)
    })
}

/// The octets of what carried a payload among it since `start`: all that is longer than a probe and no list of addresses.
fn payloads(world: &World, side: Side, interface: usize, start: Instant) -> usize {
    let addresses = &world.uplinks[interface - 1].addresses;
    let longer = world.sent.iter().filter(|sent| {
        let client = if sent.side == Side::Client { sent.path.local.ip } else { sent.path.remote.ip() };
        sent.side == side
            && addresses.contains(&client)
            && sent.at >= start
            && ![30, LIST_6].contains(&sent.octets)
    });
    longer.map(|sent| sent.octets + HEADERS_6).sum()
}

fn is_ipv4(world: &World) -> bool {
    world.uplinks[0].addresses[0].is_ipv4()
}

/// How often an end woke up within some time, by what woke it.
fn wake_ups(world: &World, side: Side, from: Instant, to: Instant) -> (usize, usize) {
    let woken = world
        .wake_ups
        .iter()
        .filter(|wake| wake.side == side && (from..to).contains(&wake.at))
        .collect::<Vec<_>>();
    let datagrams = woken.iter().filter(|wake| wake.reason == "datagram").count();
    (woken.len() - datagrams, datagrams)
}

/// Two paths without copies, so that what a flow costs can be told from what a key costs.
fn world(seed: u64) -> World {
    settled(Setup::laptop(seed))
}

/// The same over IPv4 and over IPv6.
fn both_families(seed: u64) -> [World; 2] {
    let mut setup = Setup::laptop(seed);
    setup.uplinks = vec![Uplink::new("wlan0", "2001:db8:1::10"), Uplink::new("wwan0", "2001:db8:2::10")];
    setup.servers = vec![IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 3, 0, 0, 0, 0, 1))];
    [world(seed), settled(setup)]
}

fn settled(mut setup: Setup) -> World {
    setup.config.redundancy = net::Redundancy::Off;
    let mut world = World::new(setup);
    world.type_keys(20, ms(100));
    world.run(ms(5000));
    assert_eq!(world.keys_shown(), 20);
    world
}

#[test]
fn ten_active_minutes_cost_at_most_two_hundred_octets_a_second_on_each_flow_each_way() {
    for mut world in both_families(1) {
        let start = world.now();
        // Active is who typed within the last ten seconds.
        world.type_keys(66, seconds(9));
        world.run(TEN_MINUTES);
        let times = [(start, world.now())];
        for side in [Side::Client, Side::Server] {
            for interface in [1, 2] {
                let (count, octets) = sent(&world, side, interface, &times);
                println!("active: {side:?}, interface {interface}: {count} datagrams, {octets} octets");
                // What the keys themselves cost fits in too over IPv4; over IPv6 with its longer headers it does not.
                let octets =
                    if is_ipv4(&world) { octets } else { octets - payloads(&world, side, interface, start) };
                assert!(octets <= 200 * 600, "{side:?} {interface}: {octets} octets");
                assert!(count <= 1500, "{side:?} {interface}: {count} datagrams");
            }
            let (timers, datagrams) = wake_ups(&world, side, start, world.now());
            println!("active: {side:?} woken {timers} times by itself, {datagrams} times by a datagram");
            // A probe of each flow and its answer in half a second, and what is waited for.
            let by_itself = if side == Side::Client { 2600 } else { 400 };
            assert!(timers <= by_itself && datagrams <= 2800, "{side:?}: {timers}, {datagrams}");
        }
    }
}

#[test]
fn ten_idle_minutes_cost_at_most_ten_octets_a_second_on_each_standby_flow_each_way() {
    for mut world in both_families(2) {
        let mut idle = Vec::new();
        for _ in 0..12 {
            world.type_key(b'x');
            // The user is active until ten seconds after the echo.
            world.run(seconds(11));
            idle.push((world.now(), world.now() + seconds(49)));
            world.run(seconds(49));
        }
        for side in [Side::Client, Side::Server] {
            let (count, octets) = sent(&world, side, 2, &idle);
            println!("idle: {side:?}: {count} datagrams, {octets} octets");
            assert!(octets <= 10 * 12 * 49, "{side:?}: {octets} octets");
            // The flow in use is spoken on every three seconds, for the NATs' sake, and the addresses asked for every ten.
            let (count, octets) = sent(&world, side, 1, &idle);
            println!("idle: {side:?} in use: {count} datagrams, {octets} octets");
            assert!(count <= 600 / 3 + 60, "{side:?}: {count} datagrams");
            assert!(octets <= if is_ipv4(&world) { 32 } else { 42 } * 600, "{side:?}: {octets} octets");
            let woken = idle.iter().map(|&(from, to)| wake_ups(&world, side, from, to));
            let (timers, datagrams) = woken.fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
            println!("idle: {side:?} woken {timers} times by itself, {datagrams} times by a datagram");
            let by_itself = if side == Side::Client { 280 } else { 0 };
            assert!(timers <= by_itself && datagrams <= 280, "{side:?}: {timers}, {datagrams}");
        }
    }
}

#[test]
fn ten_dormant_minutes_cost_one_keepalive_an_interval_and_no_other_wake_up() {
    let mut world = world(3);
    // A minute until it sleeps, another two until it knows how long it may be silent.
    world.run(seconds(180));
    let (start, end) = (world.now(), world.now() + TEN_MINUTES);
    world.run(TEN_MINUTES);
    let times = [(start, end)];
    let asked = sent(&world, Side::Client, 1, &times);
    let told = sent(&world, Side::Server, 1, &times);
    assert_eq!(asked, (24, 24 * (30 + HEADERS)), "one request in 25 s");
    assert_eq!(
        told,
        (24, 24 * (30 + 8 + 8 + HEADERS)),
        "and its answer: the address seen, the server's address"
    );
    assert_eq!(sent(&world, Side::Client, 2, &times), (0, 0), "nothing on the others");
    assert_eq!(sent(&world, Side::Server, 2, &times), (0, 0), "nothing on the others");
    assert_eq!(wake_ups(&world, Side::Client, start, end), (24, 24), "to ask, and for the answer");
    assert_eq!(wake_ups(&world, Side::Server, start, end), (0, 24), "for the question alone");
    assert!(
        world
            .server
            .as_ref()
            .is_some_and(|server| server.connection().is_some_and(net::Connection::is_connected))
    );
}

#[test]
fn a_day_asleep_is_all_the_same() {
    let mut world = world(4);
    world.run(seconds(180));
    let start = world.now();
    world.run(seconds(86_400));
    let (count, _) = sent(&world, Side::Client, 1, &[(start, world.now())]);
    assert_eq!(count, 86_400 / 25);
    let woken = world.now();
    world.type_key(b'x');
    world.run(ms(200));
    assert!(world.worst_latency(woken, world.now()) <= ms(45));
}

#[test]
fn the_user_may_want_shorter_silences() {
    let mut setup = Setup::laptop(5);
    setup.config.keepalive = seconds(10);
    let mut world = World::new(setup);
    world.type_keys(5, ms(100));
    world.run(seconds(180));
    let start = world.now();
    world.run(TEN_MINUTES);
    assert_eq!(sent(&world, Side::Client, 1, &[(start, world.now())]).0, 60);
}

#[test]
fn the_first_key_wakes_every_flow_in_one_burst() {
    let mut world = world(6);
    world.run(seconds(300));
    let woken = world.now();
    world.type_key(b'x');
    world.run(ms(2));
    for interface in [1, 2] {
        let (count, _) = sent(&world, Side::Client, interface, &[(woken, woken + ms(2))]);
        assert!(count >= 1, "interface {interface}");
    }
    world.run(ms(100));
    assert!(world.worst_latency(woken, world.now()) <= ms(45));
}

#[test]
fn the_first_output_wakes_every_flow_in_one_burst() {
    let mut world = world(7);
    world.run(seconds(300));
    let spoken = world.now();
    world.program_says(b"\x1b[5Hmail");
    // One way to the client, and the client's probes at once.
    world.run(ms(21 + 8));
    assert_eq!(world.row(4), "mail");
    for interface in [1, 2] {
        let (count, _) = sent(&world, Side::Client, interface, &[(spoken, world.now())]);
        assert!(count >= 1, "interface {interface}");
    }
}

#[test]
fn output_without_a_key_keeps_a_session_awake() {
    let mut setup = Setup::laptop(8);
    setup.application = Box::new(Counter::with_ticks(seconds(5), 20));
    setup.config.redundancy = net::Redundancy::Off;
    let mut world = World::new(setup);
    world.run(seconds(300));
    let start = world.now();
    world.run(seconds(10));
    // The standby flow is probed as for someone who types: it is about to be needed.
    let (count, _) = sent(&world, Side::Client, 2, &[(start, world.now())]);
    assert!(count >= 18, "{count}");
}

/// What the line at the top says, if it is about a silence.
fn silence_told(world: &World) -> Option<String> {
    Some(world.row(0)).filter(|row| row.contains("Last contact"))
}

#[test]
fn a_sleeping_session_tells_of_no_silence_that_was_agreed_on() {
    let mut world = world(9);
    for _ in 0..600 {
        world.run(seconds(1));
        assert_eq!(silence_told(&world), None);
    }
}

#[test]
fn the_last_contact_counts_from_the_answer_that_was_due() {
    let mut world = world(10);
    world.run(seconds(300));
    let asked = |world: &World| world.sent.iter().rfind(|sent| sent.side == Side::Client).unwrap().at;
    let before = asked(&world);
    world.change(0, |quality| quality.silent = true);
    world.change(1, |quality| quality.silent = true);
    // The next question goes 25 s after the last one; until its answer is due nothing is amiss.
    while asked(&world) == before {
        world.run(ms(100));
        assert_eq!(silence_told(&world), None);
    }
    let due = asked(&world);
    while silence_told(&world).is_none() {
        world.run(ms(100));
    }
    let told = world.now().since(due);
    assert!((ms(6500)..ms(7000)).contains(&told), "{told:?}");
    assert!(silence_told(&world).is_some_and(|text| text.contains("6 seconds")), "{:?}", world.row(0));
    world.change(1, |quality| quality.silent = false);
    world.run(seconds(11));
    assert_eq!(silence_told(&world), None);
}

#[test]
fn a_way_that_dies_in_its_sleep_is_replaced_at_the_next_keepalive() {
    let mut world = world(11);
    world.run(seconds(300));
    world.change(0, |quality| quality.silent = true);
    world.run(seconds(27));
    let spoken = world.now();
    world.program_says(b"\x1b[5Hmail");
    world.run(ms(45));
    assert_eq!(world.row(4), "mail", "on the other path, 40 ms away");
    assert!(spoken < world.now());
}

#[test]
fn whatever_dies_for_an_hour_in_its_sleep_is_found_again_within_the_longest_pause() {
    for healed in [0, 1] {
        let mut world = world(12);
        world.run(seconds(300));
        world.change(0, |quality| quality.silent = true);
        world.change(1, |quality| quality.silent = true);
        world.run(seconds(3600));
        let start = world.now();
        world.run(seconds(100));
        for interface in [1, 2] {
            let (count, _) = sent(&world, Side::Client, interface, &[(start, world.now())]);
            assert!(
                (9..=11).contains(&count),
                "interface {interface}: one in ten seconds, not {count} in 100"
            );
        }
        world.change(healed, |quality| quality.silent = false);
        world.run(ms(10_200));
        assert!(world.client.as_ref().is_some_and(|client| client.connection().silent_since().is_none()));
        let spoken = world.now();
        world.program_says(b"\x1b[5Hmail");
        world.run(ms(60));
        assert_eq!(world.row(4), "mail", "uplink {healed}, {spoken:?}");
    }
}

#[test]
fn everything_dead_is_probed_every_second_while_somebody_types() {
    let mut world = world(13);
    world.change(0, |quality| quality.silent = true);
    world.change(1, |quality| quality.silent = true);
    world.run(seconds(120));
    let start = world.now();
    world.type_keys(100, ms(100));
    world.run(seconds(10));
    world.change(1, |quality| quality.silent = false);
    world.run(ms(1100));
    assert_eq!(world.keys_shown(), 120, "back within a second");
    assert!(sent(&world, Side::Client, 2, &[(start, start + seconds(10))]).0 >= 9);
}

#[test]
fn a_flow_that_was_forgotten_in_a_sleep_is_not_taken_for_one_that_answers() {
    // Two addresses of one metered interface are suspect together, the machine sleeps, one of them answers, and that
    // address goes: what is left of the interface has never been measured since.
    let mut setup = Setup::laptop(1);
    setup.uplinks[1].metered = true;
    setup.uplinks[1].addresses.push("198.51.100.11".parse().unwrap());
    let mut world = World::settled(setup);
    world.run(seconds(15));
    world.change(1, |quality| quality.silent = true);
    world.type_keys(400, ms(100));
    while suspects(&world, 2) < 2 {
        world.run(ms(1));
        assert!(world.keys_shown() < 440, "the metered interface was never suspected");
    }
    world.suspend();
    world.run(seconds(6));
    world.change(1, |quality| {
        quality.silent = false;
        // The answers of its two addresses come apart.
        quality.jitter = ms(20);
    });
    world.resume();
    let answering = |world: &World| {
        let flows = world.client.as_ref().unwrap().connection().flows();
        let answering = flows.filter(|flow| flow.state == FlowState::Answering && flow.srtt.is_some());
        answering.map(|flow| flow.path.local.ip).find(|ip| world.uplinks[1].addresses.contains(ip))
    };
    while answering(&world).is_none() {
        world.run(Duration::from_micros(100));
    }
    let gone = answering(&world);
    world.uplinks[1].addresses.retain(|ip| Some(*ip) != gone);
    world.announce_interfaces();
    world.run(seconds(60));
    assert_eq!(world.received(), world.typed());
    assert_eq!(world.keys_shown(), world.typed().len());
}

/// How many flows over this interface (from 1) are suspect at the client.
fn suspects(world: &World, interface: usize) -> usize {
    let flows = world.client.as_ref().unwrap().connection().flows();
    let on_it = flows.filter(|flow| world.uplinks[interface - 1].addresses.contains(&flow.path.local.ip));
    on_it.filter(|flow| flow.state == FlowState::Suspect).count()
}
