//! Carriers: streams that take datagrams where UDP does not pass, in exact virtual times. SPEC [C-7] to [C-10].

mod network;

use mpmosh_net::{Carriers, Config, Event, FlowState, Instant, Path, Redundancy, Side};
use network::{Network, ms, start, uplink};
use std::time::Duration;

const AUTO: Config = Config::new().with_redundancy(Redundancy::Auto).with_carriers(Carriers::Auto);

/// How long a carrier takes one way, and to be opened.
const STREAM: (Duration, Duration) = (ms(30), ms(200));

/// Two uplinks to one server, and streams.
fn network(config: Config) -> Network {
    let uplinks = [uplink("10.0.1.1", 2, 40), uplink("10.0.2.1", 3, 80)];
    let mut network = Network::new(&uplinks, &["10.9.0.1"], config.with_loopback_carries(true));
    network.echo = Some(ms(0));
    (network.streams.delay, network.streams.opening) = (STREAM.0, Some(STREAM.1));
    network
}

/// No datagram passes from now on.
fn block(network: &mut Network) {
    set_blocked(network, true);
}

fn set_blocked(network: &mut Network, blocked: bool) {
    for uplink in 0..network.uplinks.len() {
        network.blackhole(uplink, blocked, blocked);
    }
}

/// When it was told that a carrier is wanted, and when that it is not needed.
fn told(network: &Network, since: Instant) -> (Vec<Duration>, Vec<Duration>) {
    let at = |event: fn(&Event) -> bool| {
        let told = network.client_events.iter().filter(|(at, told)| *at >= since && event(told));
        told.map(|(at, _)| at.since(since)).collect()
    };
    (at(|event| *event == Event::CarrierWanted), at(|event| matches!(event, Event::CarrierUnneeded { .. })))
}

/// The number of the carrier that payloads go through.
fn carried_by(network: &Network) -> Option<u16> {
    network.client.current_path()?.carrier_number()
}

#[test]
fn where_udp_answers_no_carrier_is_wanted_and_the_one_held_ready_is_let_go_at_once() {
    let mut network = network(AUTO);
    network.type_for(ms(20_000));
    network.run(Duration::from_secs(300));
    let (wanted, unneeded) = told(&network, start());
    assert_eq!((wanted, unneeded), (vec![], vec![ms(40)]), "after one round trip");
    assert!(network.departures.iter().all(|departure| departure.path.carrier_number().is_none()));
}

#[test]
fn where_udp_is_blocked_the_carrier_is_used_after_a_second() {
    let mut network = network(AUTO);
    block(&mut network);
    let keys = network.type_for(ms(6_000));
    network.run(ms(1_000));
    assert_eq!(told(&network, start()).0, [ms(1_000)]);
    assert_eq!(carried_by(&network), Some(1));
    for key in keys.iter().filter(|(at, _)| at.since(start()) >= ms(1_300)) {
        assert_eq!(network.echo_of(key), Some(ms(60)));
    }
    let flow = network.client.flows().find(|flow| flow.path == Path::carrier(1)).unwrap();
    assert_eq!((flow.state, flow.srtt, flow.max_datagram), (FlowState::Answering, Some(ms(60)), 1200));
    // UDP is asked on: no pair is given up, though the carrier answers.
    let retired = network.client.flows().filter(|flow| flow.state == FlowState::Retired).count();
    assert_eq!(retired, 0);
    let loopback = |path: &Path| path.remote.ip().is_loopback();
    assert!(!network.client.candidate_paths().iter().any(loopback), "no loopback is listed");
    assert_eq!(network.client.observed_address(), None);
}

#[test]
fn keys_go_on_within_six_seconds_when_udp_dies_and_come_back_when_it_answers() {
    let mut network = network(AUTO);
    network.type_for(ms(5_000));
    let dead = network.now;
    block(&mut network);
    let keys = network.type_for(ms(12_000));
    let (wanted, _) = told(&network, dead);
    assert_eq!(wanted.len(), 1);
    assert!((ms(4_900)..=ms(5_100)).contains(&wanted[0]), "{wanted:?}");
    for key in &keys {
        let echoed = network.echo_of(key).map(|echo| key.0 + echo);
        assert!(echoed.is_none_or(|at| at.since(dead) >= ms(5_000)));
        if key.0.since(dead) >= ms(5_400) {
            assert_eq!(network.echo_of(key), Some(ms(60)), "{:?}", key.0.since(dead));
        }
    }
    let carrier = carried_by(&network);
    assert!(carrier.is_some());

    let back = network.now;
    set_blocked(&mut network, false);
    network.type_for(ms(9_000));
    assert_eq!(network.chosen(), Some(network.flow_of(0).id));
    let answered = network.flow_of(0).last_answered.is_some();
    assert!(answered);
    let moved = network.client_events.iter().find_map(|(at, event)| match event {
        Event::Chosen { flow, .. } if *at >= back && *flow == Some(network.flow_of(0).id) => Some(*at),
        _ => None,
    });
    let first_probe = network.first_departure(Side::Client, 0, back, false).unwrap();
    assert_eq!(moved.map(|at| at.since(first_probe)), Some(ms(40)), "with the first answer");
    // The server's own output follows at once, though nothing is typed.
    let output = network.first_departure(Side::Server, 0, moved.unwrap(), true).unwrap();
    assert_eq!(output.since(moved.unwrap()), ms(20));
    network.type_for(ms(5_000));
    let (_, unneeded) = told(&network, back);
    assert_eq!(unneeded.len(), 1);
    assert!((ms(10_000)..=ms(11_100)).contains(&unneeded[0]), "{unneeded:?}");
    assert!(network.streams.open.is_empty());
    let state = network.client.flows().find(|flow| flow.path.carrier_number() == carrier).unwrap().state;
    assert_eq!(state, FlowState::Suspended);
}

#[test]
fn nobody_who_does_not_type_is_logged_in_again() {
    let mut network = network(AUTO);
    network.type_for(ms(2_000));
    network.run(Duration::from_secs(120));
    let dead = network.now;
    block(&mut network);
    network.run(Duration::from_secs(600));
    assert_eq!(told(&network, dead).0, [] as [Duration; 0]);
    let typed = network.now;
    network.type_for(ms(2_000));
    assert_eq!(told(&network, typed).0, [ms(0)], "but at the first key");
    assert!(carried_by(&network).is_some());
}

#[test]
fn beside_a_carrier_that_falls_silent_a_second_one_opens_and_the_first_to_answer_has_it() {
    let mut network = network(AUTO);
    block(&mut network);
    network.type_for(ms(5_000));
    assert_eq!(carried_by(&network), Some(1));
    let stalled = network.now;
    network.streams.stalled.insert(1);
    let keys = network.type_for(ms(3_000));
    assert_eq!(carried_by(&network), Some(2));
    assert_eq!(network.streams.open.iter().collect::<Vec<_>>(), [&2], "the one that is silent is let go");
    let first = keys.iter().find(|key| network.echo_of(key) == Some(ms(60))).unwrap();
    assert!(first.0.since(stalled) <= ms(1_000), "{:?}", first.0.since(stalled));
    // And again, with the second.
    network.streams.stalled.insert(2);
    network.type_for(ms(3_000));
    assert_eq!(carried_by(&network), Some(3));
}

#[test]
fn a_session_that_sleeps_on_a_carrier_asks_for_udp_twice_a_minute() {
    let mut network = network(AUTO);
    block(&mut network);
    network.type_for(ms(5_000));
    network.run(Duration::from_secs(180));
    let (asleep, minutes) = (network.now, 10);
    network.run(Duration::from_secs(60 * minutes));
    let from_client = |by_carrier: bool| {
        let since = network.departures.iter().filter(|sent| sent.at >= asleep && sent.from == Side::Client);
        since.filter(|sent| sent.path.carrier_number().is_some() == by_carrier).count() as u64
    };
    let asked = from_client(false);
    assert!((minutes * 2 - 2..=minutes * 2 + 2).contains(&asked), "{asked}");
    assert!(from_client(true) <= minutes * 6, "{}", from_client(true));
    let back = network.now;
    set_blocked(&mut network, false);
    network.run(Duration::from_secs(50));
    assert_eq!(network.chosen(), Some(network.flow_of(0).id));
    assert!(network.streams.open.is_empty(), "{:?}", told(&network, back));
}

#[test]
fn while_a_stream_takes_no_more_payloads_are_held_back() {
    let mut network = network(AUTO);
    block(&mut network);
    network.type_for(ms(3_000));
    assert!(!network.client.is_held_back());
    network.client.set_carrier_room(1, false);
    assert!(network.client.is_held_back());
    network.client.set_carrier_room(2, true);
    assert!(network.client.is_held_back());
    set_blocked(&mut network, false);
    network.type_for(ms(2_000));
    assert!(!network.client.is_held_back(), "the payloads go elsewhere");
}

#[test]
fn always_means_beside_udp_too_and_typing_stays_on_udp() {
    let mut network = network(AUTO.with_carriers(Carriers::Always).with_redundancy(Redundancy::Always));
    network.type_for(ms(5_000));
    network.run(ms(30_000));
    network.type_for(ms(5_000));
    assert_eq!(told(&network, start()).0, [ms(0)]);
    assert_eq!(told(&network, start()).1, [] as [Duration; 0]);
    assert_eq!(network.chosen(), Some(network.flow_of(0).id));
    let carried = network.departures.iter().filter(|sent| sent.path.carrier_number().is_some());
    assert!(carried.clone().all(|sent| !sent.is_data()), "no copies for comfort");
    assert!(carried.count() <= 12);
}
