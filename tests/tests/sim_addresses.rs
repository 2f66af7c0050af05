//! Addresses come and go, ports change, names lead elsewhere, machines sleep: what becomes of the flows, in virtual
//! time. SPEC [F-5], [A-1], [X-1], [X-5] to.

use mpmosh_tests::sim::{Setup, Uplink, World, ms, seconds};
use net::{Event, FlowState, Instant, Side};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What the client sent from an address from `since` on, within a millisecond.
fn at_once(world: &World, from: &str, since: Instant) -> usize {
    let sent = world.sent.iter().filter(|sent| {
        sent.side == Side::Client
            && sent.path.local.ip == ip(from)
            && sent.at >= since
            && sent.at <= since + ms(1)
    });
    sent.count()
}

fn state(world: &World, from: &str) -> Option<FlowState> {
    let client = world.client.as_ref().unwrap();
    client.connection().flows().find(|flow| flow.path.local.ip == ip(from)).map(|flow| flow.state)
}

fn hops(world: &World, since: Instant) -> Vec<(Duration, u16)> {
    let hopped = world.client_events.iter().filter_map(|(at, event)| match event {
        Event::Hopped { flow, .. } if *at >= since => Some((at.since(since), flow.index())),
        _ => None,
    });
    hopped.collect()
}

#[test]
fn an_address_that_comes_is_probed_and_one_that_goes_is_left_within_the_event() {
    let mut world = World::settled(Setup::laptop(1));
    let came = world.now();
    world.uplinks[0].addresses.push(ip("192.0.2.77"));
    world.announce_interfaces();
    world.run(ms(1));
    assert!(at_once(&world, "192.0.2.77", came) >= 1, "the new one is probed");
    assert!(at_once(&world, "192.0.2.10", came) >= 1 && at_once(&world, "198.51.100.10", came) >= 1);
    world.run(ms(100));
    assert_eq!(state(&world, "192.0.2.77"), Some(FlowState::Answering));

    world.type_key(b'x');
    world.run(ms(5));
    let went = world.now();
    world.uplinks[0].addresses.retain(|address| *address != ip("192.0.2.10"));
    world.announce_interfaces();
    world.run(ms(1));
    assert_eq!(state(&world, "192.0.2.10"), Some(FlowState::Suspended));
    assert!(at_once(&world, "192.0.2.77", went) >= 1 && at_once(&world, "198.51.100.10", went) >= 1);
    world.run(ms(200));
    assert_eq!(world.keys_shown(), 51, "what was under way goes another way");
    // Up by the old address, collected for a millisecond, and down by the other path.
    assert!(world.worst_latency(went - ms(6), world.now()) <= ms(20 + 1 + 40));
}

#[test]
fn an_address_that_becomes_deprecated_keeps_its_flow_until_it_goes_and_gets_no_other() {
    let mut setup = Setup::laptop(9);
    setup.uplinks[0] = Uplink::new("wlan0", "2001:db8:1::10");
    setup.uplinks.truncate(1);
    setup.servers = vec![ip("2001:db8:3::1")];
    let mut world = World::settled(setup);
    // A router that renumbers: the old prefix is deprecated, the new one is there.
    world.uplinks[0].addresses.push(ip("2001:db8:2::10"));
    world.uplinks[0].deprecated.push(ip("2001:db8:1::10"));
    world.announce_interfaces();
    world.type_keys(10, ms(100));
    world.run(ms(1500));
    assert_eq!(state(&world, "2001:db8:1::10"), Some(FlowState::Answering));
    assert_eq!(state(&world, "2001:db8:2::10"), Some(FlowState::Answering));
    assert_eq!(
        world.chosen().map(|path| path.local.ip),
        Some(ip("2001:db8:1::10")),
        "nothing is gained by moving"
    );
    // A path that died and lives again is no new one.
    world.set_routed(0, false);
    world.run(ms(100));
    world.set_routed(0, true);
    world.run(ms(500));
    assert_eq!(state(&world, "2001:db8:1::10"), Some(FlowState::Answering));
    let flows = world.client.as_ref().unwrap().connection().flows().count();
    assert_eq!(flows, 2);

    world.uplinks[0].addresses.remove(0);
    let gone = world.now();
    world.announce_interfaces();
    world.type_keys(10, ms(100));
    world.run(ms(1500));
    assert_eq!(state(&world, "2001:db8:1::10"), Some(FlowState::Suspended));
    assert!(world.worst_latency(gone, world.now()) <= ms(45));

    // What was deprecated when it came carries nothing.
    world.uplinks[0].addresses.push(ip("2001:db8:4::10"));
    world.uplinks[0].deprecated.push(ip("2001:db8:4::10"));
    world.announce_interfaces();
    world.run(ms(500));
    assert_eq!(state(&world, "2001:db8:4::10"), None);
}

#[test]
fn a_default_route_that_goes_suspends_its_flows_and_one_that_comes_back_revives_them_within_the_event() {
    let mut world = World::settled(Setup::laptop(2));
    world.type_key(b'x');
    world.run(ms(5));
    let went = world.now();
    world.set_routed(0, false);
    world.run(ms(1));
    assert_eq!(state(&world, "192.0.2.10"), Some(FlowState::Suspended));
    assert!(at_once(&world, "198.51.100.10", went) >= 1);
    world.run(ms(300));
    assert_eq!(world.keys_shown(), 51);
    let back = world.now();
    world.set_routed(0, true);
    world.run(ms(1));
    assert!(at_once(&world, "192.0.2.10", back) >= 1);
    world.run(ms(100));
    assert_eq!(state(&world, "192.0.2.10"), Some(FlowState::Answering));
}

#[test]
fn an_interface_without_carrier_is_left_and_taken_again_within_the_event() {
    // A lost carrier is reported as an interface without usable addresses, though the system keeps them.
    let mut world = World::settled(Setup::laptop(3));
    world.type_key(b'x');
    world.run(ms(5));
    world.set_up(0, false);
    world.run(ms(300));
    assert_eq!((world.keys_shown(), state(&world, "192.0.2.10")), (51, Some(FlowState::Suspended)));
    world.set_up(0, true);
    world.run(ms(100));
    assert_eq!(state(&world, "192.0.2.10"), Some(FlowState::Answering));
}

#[test]
fn a_flow_that_alone_falls_silent_changes_its_port_and_the_others_keep_theirs() {
    let mut world = World::settled(Setup::laptop(4));
    world.type_keys(300, ms(100));
    world.change(1, |quality| quality.silent = true);
    let cut = world.now();
    world.run(seconds(30));
    let hopped = hops(&world, cut);
    assert!(!hopped.is_empty() && hopped[0].0 <= seconds(7), "early: {hopped:?}");
    assert!(hopped.iter().all(|(_, flow)| *flow == 1), "the one that answers keeps its port: {hopped:?}");
    assert!(hopped.windows(2).all(|pair| pair[1].0 - pair[0].0 >= seconds(10)), "{hopped:?}");
}

#[test]
fn after_ten_seconds_of_silence_all_flows_change_their_port_together_and_again_every_ten() {
    let mut world = World::settled(Setup::laptop(5));
    world.change(0, |quality| quality.silent = true);
    world.change(1, |quality| quality.silent = true);
    let cut = world.now();
    world.run(seconds(60));
    let hopped = hops(&world, cut);
    let first: Vec<_> = hopped.iter().filter(|(at, _)| *at == hopped[0].0).map(|(_, flow)| *flow).collect();
    assert_eq!(first, [0, 1], "together");
    let times: Vec<_> = hopped.iter().filter(|(_, flow)| *flow == 0).map(|(at, _)| *at).collect();
    assert!(times[0] >= seconds(10) && times[0] <= ms(10_500), "{hopped:?}");
    let all: Vec<_> = (0..5).map(|number| times[0] + seconds(10) * number).collect();
    assert_eq!(times, all, "every ten seconds");
    world.change(0, |quality| quality.silent = false);
    world.run(ms(10_200));
    world.type_key(b'x');
    world.run(ms(100));
    assert_eq!(world.keys_shown(), 51);
}

#[test]
fn a_server_that_moved_is_found_by_its_name() {
    let mut world = World::settled(Setup::laptop(6));
    let elsewhere = ip("203.0.113.99");
    world.move_server(ip("203.0.113.1"), elsewhere);
    let moved = world.now();
    world.run(seconds(5));
    assert!(world.resolved.is_empty(), "not before everything is silent");
    world.name_service = Some(vec![SocketAddr::new(elsewhere, 60001)]);
    world.type_key(b'x');
    world.run(seconds(10));
    let asked = world.resolved.first().unwrap().since(moved);
    assert!((seconds(9)..seconds(13)).contains(&asked), "{asked:?}");
    assert_eq!(world.keys_shown(), 51, "the session goes on at the new address");
    assert_eq!(world.chosen().map(|path| path.remote.ip()), Some(elsewhere));
    // What the old address was is known no longer; the name is not asked for without need.
    let questions = world.resolved.len();
    world.run(seconds(300));
    assert_eq!(world.resolved.len(), questions);
}

#[test]
fn on_resume_everything_is_probed_ports_hop_after_twenty_seconds_and_the_newest_goes_on_every_flow() {
    for (slept, hop) in [(5, false), (19, false), (21, true), (3600, true)] {
        let mut setup = Setup::laptop(7);
        setup.config.redundancy = net::Redundancy::Off;
        let mut world = World::settled(setup);
        world.type_key(b'x');
        world.run(ms(1));
        world.suspend();
        world.run(seconds(slept));
        let awake = world.now();
        world.resume();
        world.run(ms(1));
        let data = |from: &str| {
            let sent = world.sent.iter().filter(|sent| {
                sent.side == Side::Client
                    && sent.at >= awake
                    && sent.path.local.ip == ip(from)
                    && sent.octets > 50
            });
            sent.count()
        };
        assert!(data("192.0.2.10") >= 1 && data("198.51.100.10") >= 1, "{slept} s: the newest on every flow");
        assert_eq!(!hops(&world, awake).is_empty(), hop, "{slept} s");
        world.run(ms(300));
        assert_eq!(world.keys_shown(), 51, "{slept} s");
        // Once something has answered, payloads go where they belong and nowhere else; the server follows the third.
        world.type_keys(3, ms(200));
        world.run(seconds(20));
        let later = world.now();
        world.program_says(b"\x1b[5Hmail");
        world.run(ms(50));
        let server = world.sent.iter().filter(|sent| {
            sent.side == Side::Server
                && sent.at >= later
                && sent.octets > 50
                && sent.path.remote.ip() == ip("198.51.100.10")
        });
        assert_eq!(server.count(), 0, "{slept} s");
        assert_eq!(world.row(4), "mail");
    }
}

#[test]
fn a_foreign_private_address_of_the_server_costs_a_handful_of_probes() {
    let mut setup = Setup::laptop(8);
    // The server has a private network of its own, where nothing of the client's leads.
    setup.servers.push(ip("10.11.12.13"));
    setup.quality = Box::new(|uplink, server| {
        use mpmosh_tests::sim::Quality;
        let mut quality = Quality::millis(if uplink == 0 { 20 } else { 40 });
        quality.silent = server == 1;
        (quality.clone(), quality)
    });
    let mut world = World::settled(setup);
    world.type_keys(600, ms(100));
    world.run(seconds(60));
    let sent = world
        .sent
        .iter()
        .filter(|sent| sent.side == Side::Client && sent.path.remote.ip() == ip("10.11.12.13"));
    assert!((2..=16).contains(&sent.count()), "a handful from each interface");
}

/// Types for a minute, and says what the client sent on paths that never bring anything, how often either end woke up,
/// and what the worst key took.
fn a_minute_with(strangers: u8) -> (usize, [usize; 2], Duration) {
    let mut setup = Setup::laptop(10);
    // Bridges of containers on both machines, which no name gives away.
    for n in 0..strangers {
        setup.uplinks.push(Uplink::new("eth", &format!("10.200.{n}.1")));
        setup.servers.push(ip(&format!("10.201.{n}.1")));
    }
    setup.quality = Box::new(|uplink, server| {
        use mpmosh_tests::sim::Quality;
        let mut quality = Quality::millis(if uplink == 0 { 20 } else { 40 });
        quality.silent = uplink > 1 || server > 0;
        (quality.clone(), quality)
    });
    let mut world = World::new(setup);
    let start = world.now();
    world.type_keys(600, ms(100));
    world.run(seconds(61));
    let is_lost = |path: &net::Path| {
        path.remote.ip() != ip("203.0.113.1") || path.local.interface.is_some_and(|index| index.get() > 2)
    };
    let lost = world.sent.iter().filter(|sent| sent.side == Side::Client && is_lost(&sent.path)).count();
    let woken = [Side::Client, Side::Server]
        .map(|side| world.wake_ups.iter().filter(|wake| wake.side == side && wake.at >= start).count());
    (lost, woken, world.worst_latency(start + seconds(1), world.now()))
}

#[test]
fn a_thousand_pairs_cost_a_few_probes_a_second_and_no_key_a_millisecond() {
    let (none, few_woken, worst) = a_minute_with(0);
    let (lost, many_woken, worst_of_many) = a_minute_with(31);
    // Thirty flows from the client's other interfaces may still come to answer, and are tried every three seconds.
    let bound = 31 * 62 / 3 + 64 * 8;
    assert!(none == 0 && lost < bound, "{lost} probes into nothing");
    let [few, many] = [few_woken, many_woken].map(|[client, server]| client + server);
    assert!(many < few + lost, "{many} wake-ups of both ends, {few} without the others");
    assert_eq!(worst_of_many, worst);
}
