//! Failing over, in exact virtual times. SPEC to.

mod network;

use mpmosh_net::{Config, Event, FlowState, InterfaceKind, Redundancy, Side};
use network::{Network, ms, uplink};
use std::time::Duration;

const OFF: Config = Config::new().with_redundancy(Redundancy::Off).with_keepalive(Duration::from_secs(3));

fn two_paths(config: Config) -> Network {
    let mut network =
        Network::new(&[uplink("10.0.1.1", 2, 40), uplink("10.0.2.1", 3, 80)], &["10.9.0.1"], config);
    network.echo = Some(ms(0));
    network
}

#[test]
fn a_session_settles_on_the_better_path() {
    let mut network = two_paths(OFF);
    let keys = network.type_for(ms(2000));
    network.run(ms(1000));
    assert_eq!(network.chosen(), Some(network.flow_of(0).id));
    assert_eq!(network.flow_of(0).srtt, Some(ms(40)));
    assert_eq!(network.flow_of(1).srtt, Some(ms(80)));
    for key in &keys[2..] {
        assert_eq!(network.echo_of(key), Some(ms(40)));
    }
    assert_eq!((network.client.discards().total(), network.server.discards().total()), (0, 0));
}

#[test]
fn when_the_interface_goes_the_survivor_carries_within_one_millisecond() {
    let mut network = two_paths(OFF);
    network.type_for(ms(3000));
    let key = (network.now, network.key_press());
    network.run(ms(10));
    let gone = network.now;
    network.uplinks[0].present = false;
    network.interfaces_changed();
    network.run(ms(200));
    let first = network.first_departure(Side::Client, 1, gone, true).unwrap();
    assert!(first.since(gone) <= ms(1));
    let copy = network.at_server.iter().filter(|(_, payload)| *payload == key.1).nth(1).unwrap();
    assert_eq!(copy.0.since(gone), ms(40), "the survivor's way up");
    assert_eq!(
        network.echo_of(&key),
        Some(ms(10 + 80)),
        "the copy tells the server that its answer was lost"
    );
    assert_eq!(network.flow_of(0).state, FlowState::Suspended);
}

#[test]
fn silent_death_is_hedged_when_the_answer_is_overdue() {
    let mut network = two_paths(OFF);
    network.type_for(ms(3000));
    network.blackhole(0, true, true);
    let key = (network.now, network.key_press());
    network.run(ms(500));
    let flow = network.flow_of(0);
    let (srtt, margin) = (ms(40), ms(20));
    let hedged = network.first_departure(Side::Client, 1, key.0, true).unwrap();
    assert_eq!(hedged.since(key.0), srtt + margin);
    assert_eq!(network.echo_of(&key), Some(srtt + margin + ms(80)));
    assert_eq!(flow.state, FlowState::Lost);
    assert_eq!(network.chosen(), Some(network.flow_of(1).id));
    let suspected = network.client_events.iter().any(|(_, e)| *e == Event::PathSuspect { flow: flow.id });
    assert!(suspected);
    let repeated = |uplink| network.first_departure(Side::Client, uplink, hedged, true);
    assert_eq!(repeated(0), Some(hedged), "on the suspect itself too");
}

/// How often the client was asked for its newest state since `since`, because a flow was suspect and because one was gone.
fn asked(network: &Network, since: mpmosh_net::Instant) -> (usize, usize) {
    let events = || network.client_events.iter().filter(|(at, _)| *at >= since);
    (
        events().filter(|(_, event)| matches!(event, Event::PathSuspect { .. })).count(),
        events().filter(|(_, event)| matches!(event, Event::PathLost { .. })).count(),
    )
}

#[test]
fn the_newest_state_is_asked_for_once_however_a_flow_fails() {
    let slow = || {
        let mut network =
            Network::new(&[uplink("10.0.1.1", 2, 40), uplink("10.0.2.1", 3, 400)], &["10.9.0.1"], OFF);
        network.type_for(ms(3000));
        network
    };
    let mut network = slow();
    network.blackhole(0, true, true);
    let since = network.now;
    network.key_press();
    network.run(ms(2000));
    assert_eq!(asked(&network, since), (1, 0), "a key is overdue, before the slow one can answer");
    let mut network = slow();
    network.run(ms(500));
    network.blackhole(0, true, true);
    let since = network.now;
    network.run(ms(4000));
    assert_eq!(asked(&network, since), (0, 1), "a probe is overdue");
    assert!(network.first_departure(Side::Client, 1, since, true).is_some());
    for keys in [0, 1] {
        let mut network = slow();
        network.run(ms(500));
        let since = network.now;
        (0..keys).for_each(|_| drop(network.key_press()));
        network.run(ms(10));
        network.uplinks[0].present = false;
        network.interfaces_changed();
        network.run(ms(10));
        assert_eq!(asked(&network, since), (0, 1), "the interface goes, {keys} keys after");
    }
}

#[test]
fn a_tunnel_shares_the_fate_of_what_carries_it_and_gets_no_copy_while_another_interface_answers() {
    for redundancy in [Redundancy::Off, Redundancy::Auto] {
        let mut ups = [uplink("10.0.1.1", 2, 40), uplink("10.8.0.1", 3, 44), uplink("10.0.2.1", 4, 80)];
        ups[1].candidate.kind = InterfaceKind::Tunnel;
        let mut network = Network::new(&ups, &["10.9.0.1"], OFF.with_redundancy(redundancy));
        network.echo = Some(ms(0));
        network.type_for(ms(3000));
        // The tunnel goes through the first interface, and both die.
        network.blackhole(0, true, true);
        network.blackhole(1, true, true);
        let key = (network.now, network.key_press());
        network.run(ms(1000));
        let expected = if redundancy == Redundancy::Off { 60 + 80 } else { 80 };
        assert_eq!(network.echo_of(&key), Some(ms(expected)), "{redundancy:?}");
        assert_eq!(network.first_departure(Side::Client, 1, key.0, true), None, "{redundancy:?}");
    }
}

#[test]
fn output_moves_to_the_survivor_without_a_key_being_typed() {
    for (up, down) in [(true, true), (false, true)] {
        let mut network = two_paths(OFF);
        network.type_for(ms(3000));
        network.run(ms(1000));
        network.blackhole(0, up, down);
        let written = network.now;
        network.send(Side::Server, vec![b'x'; 100], mpmosh_net::Class::Bulk);
        network.run(ms(1000));
        let (arrived, _) = network.at_client.iter().find(|(_, payload)| payload[0] == b'x').unwrap();
        assert_eq!(arrived.since(written), ms(40 + 20) + ms(40), "overdue, then the survivor's way down");
    }
}

#[test]
fn a_stream_of_output_keeps_flowing_when_only_its_direction_dies() {
    let mut network = two_paths(OFF);
    network.type_for(ms(2000));
    network.blackhole(0, false, true);
    let died = network.now;
    for line in 0..40u8 {
        network.send(Side::Server, vec![line; 100], mpmosh_net::Class::Bulk);
        network.run(ms(50));
    }
    network.run(ms(200));
    let arrivals: Vec<Duration> =
        network.at_client.iter().filter(|(at, _)| *at > died).map(|(at, _)| at.since(died)).collect();
    assert!(arrivals[0] <= ms(105), "{arrivals:?}");
    for pair in arrivals.windows(2) {
        assert!(pair[1] - pair[0] <= ms(60), "{arrivals:?}");
    }
}

#[test]
fn with_redundancy_a_silent_death_costs_only_the_difference() {
    let mut network = two_paths(OFF.with_redundancy(Redundancy::Auto));
    network.type_for(ms(3000));
    network.blackhole(0, true, true);
    let keys = network.type_for(ms(1500));
    network.run(ms(500));
    let worst = keys.iter().map(|key| network.echo_of(key).unwrap()).max();
    assert_eq!(worst, Some(ms(80)), "every key travels on both");
}

#[test]
fn a_metered_survivor_costs_one_timeout_more_and_carries_nothing_before() {
    let mut network = Network::new(
        &[uplink("10.0.1.1", 2, 40), {
            let mut metered = uplink("10.0.2.1", 3, 80);
            metered.candidate.metered = true;
            metered
        }],
        &["10.9.0.1"],
        OFF.with_redundancy(Redundancy::Auto),
    );
    network.echo = Some(ms(0));
    network.type_for(ms(500));
    let settled = network.now;
    network.type_for(ms(5000));
    assert_eq!(network.first_departure(Side::Client, 1, settled, true), None);
    network.blackhole(0, true, true);
    let keys = network.type_for(ms(1500));
    network.run(ms(500));
    let worst = keys.iter().map(|key| network.echo_of(key).unwrap()).max().unwrap();
    assert!(worst <= ms(200), "{worst:?}");
}

#[test]
fn a_silently_restored_path_is_used_again_within_a_second_and_a_half() {
    for outage in [3000, 10_000, 60_000] {
        let mut network = two_paths(OFF);
        network.type_for(ms(3000));
        network.blackhole(0, true, true);
        network.type_for(ms(outage));
        assert_eq!(network.chosen(), Some(network.flow_of(1).id));
        network.blackhole(0, false, false);
        let restored = network.now;
        network.type_for(ms(2000));
        assert_eq!(network.chosen(), Some(network.flow_of(0).id));
        let back = network.first_departure(Side::Client, 0, restored, true).unwrap();
        assert!(back.since(restored) <= ms(1500), "{:?}", back.since(restored));
    }
}

#[test]
fn a_path_restored_with_an_event_is_used_within_a_hundred_milliseconds() {
    let mut network = two_paths(OFF);
    network.type_for(ms(3000));
    network.uplinks[0].present = false;
    network.interfaces_changed();
    network.type_for(ms(20_000));
    network.uplinks[0].present = true;
    network.interfaces_changed();
    let restored = network.now;
    network.run(ms(41));
    assert_eq!(network.chosen(), Some(network.flow_of(0).id));
    network.key_press();
    let back = network.first_departure(Side::Client, 0, restored + ms(1), true).unwrap();
    assert!(back.since(restored) <= ms(100));
}

#[test]
fn a_path_that_grows_by_two_hundred_milliseconds_is_left_within_three_of_its_round_trips() {
    let mut network = two_paths(OFF);
    network.type_for(ms(3000));
    network.uplinks[0].up.delay += ms(100);
    network.uplinks[0].down.delay += ms(100);
    let grown = network.now;
    network.type_for(ms(3000));
    let left = network
        .client_events
        .iter()
        .filter(|(at, _)| *at >= grown)
        .rfind(|(_, event)| matches!(event, Event::Chosen { .. }))
        .map(|(at, _)| at.since(grown));
    assert_eq!(network.chosen(), Some(network.flow_of(1).id));
    assert!(left.unwrap() <= ms(3 * 240), "{left:?}");
}

#[test]
fn one_lost_datagram_does_not_move_the_session() {
    let mut network = two_paths(OFF);
    network.type_for(ms(3000));
    network.blackhole(0, true, true);
    let key = (network.now, network.key_press());
    network.run(ms(50));
    network.blackhole(0, false, false);
    network.run(ms(300));
    network.type_for(ms(1000));
    assert!(network.echo_of(&key).unwrap() <= ms(60 + 80));
    assert_eq!(network.chosen(), Some(network.flow_of(0).id));
    assert_eq!(network.flow_of(0).state, FlowState::Answering);
}

#[test]
fn flows_of_one_interface_share_the_suspicion() {
    let mut network = Network::new(
        &[uplink("10.0.1.1", 2, 40), uplink("10.0.1.2", 2, 44), uplink("10.0.2.1", 3, 80)],
        &["10.9.0.1"],
        OFF,
    );
    network.echo = Some(ms(0));
    network.type_for(ms(3000));
    network.blackhole(0, true, true);
    network.blackhole(1, true, true);
    // Long enough after the last probe for the second flow to have no news of its own.
    let key = (network.now, network.key_press());
    network.run(ms(61));
    assert_eq!(network.flow_of(0).state, FlowState::Suspect);
    assert_eq!(network.flow_of(1).state, FlowState::Suspect, "though nothing on it is overdue");
    network.run(ms(400));
    assert_eq!(network.echo_of(&key), Some(ms(60 + 80)), "the copy goes to another interface");
}

#[test]
fn when_everything_was_dead_it_comes_back_at_once_with_whatever_answers() {
    let mut network = two_paths(OFF);
    network.type_for(ms(3000));
    network.blackhole(0, true, true);
    network.blackhole(1, true, true);
    network.type_for(ms(30_000));
    let hopped = network.client_events.iter().any(|(_, event)| matches!(event, Event::Hopped { .. }));
    assert!(hopped, "after ten seconds of silence the port changes");
    network.run(Duration::from_secs(3600));
    network.blackhole(1, false, false);
    let key = (network.now, network.key_press());
    network.run(ms(2000));
    assert!(network.echo_of(&key).unwrap() <= ms(1000 + 2 * 80), "{:?}", network.echo_of(&key));
}

#[test]
fn a_nat_that_forgets_one_flow_is_answered_by_a_new_port() {
    let mut network = two_paths(OFF);
    network.type_for(ms(12_000));
    // Only what is sent from a new port gets through, in either direction.
    network.uplinks[0].nat = 1;
    network.uplinks[0].up.blackhole = true;
    network.type_for(ms(400));
    network.uplinks[0].up.blackhole = false;
    let keys = network.type_for(ms(3000));
    network.run(ms(500));
    assert!(keys.iter().all(|key| network.echo_of(key).unwrap() <= ms(200)));
    assert_eq!(network.chosen(), Some(network.flow_of(0).id));
    assert_eq!((network.flow_of(0).port_generation, network.flow_of(1).port_generation), (1, 0));
}

#[test]
fn after_a_sleep_everything_is_probed_and_the_newest_state_goes_everywhere() {
    let mut network = two_paths(OFF);
    network.type_for(ms(3000));
    let slept = Duration::from_secs(3600);
    network.now += slept;
    let woke = network.now;
    network.client.handle_resume(slept, woke);
    network.settle();
    for path in [0, 1] {
        assert_eq!(network.first_departure(Side::Client, path, woke, true), Some(woke));
    }
    assert!(network.departures.iter().filter(|d| d.at >= woke).all(|d| d.port_generation == 1));
    network.run(ms(200));
    let keys = network.type_for(ms(500));
    network.run(ms(100));
    assert!(keys.iter().all(|key| network.echo_of(key) == Some(ms(40))));
}

/// Paper §5: at 7 s the other path gets 300 ms, at 17 s the active one 200 ms; at 28 s the active one is cut, and
/// at 38 s it is restored.
#[test]
fn the_timeline_of_the_paper() {
    let mut network =
        Network::new(&[uplink("10.0.1.1", 2, 10), uplink("10.0.2.1", 3, 20)], &["10.9.0.1"], OFF);
    network.echo = Some(ms(0));
    let mut keys = network.type_for(ms(7000));
    let chosen = |network: &Network| network.flow_of(0).chosen;
    network.uplinks[1].up.delay += ms(150);
    network.uplinks[1].down.delay += ms(150);
    keys.extend(network.type_for(ms(10_000)));
    assert!(chosen(&network));
    assert!(network.flow_of(1).srtt.unwrap() > ms(250), "{:?}", network.flow_of(1).srtt);
    network.uplinks[0].up.delay += ms(100);
    network.uplinks[0].down.delay += ms(100);
    keys.extend(network.type_for(ms(11_000)));
    assert!(chosen(&network), "still the lower latency");
    assert_eq!(network.flow_of(0).srtt.unwrap().as_millis(), 209, "the estimate converges");
    network.blackhole(0, true, true);
    let cut = network.now;
    keys.extend(network.type_for(ms(10_000)));
    assert!(!chosen(&network));
    let moved = network.first_departure(Side::Client, 1, cut, true).unwrap();
    assert!(moved.since(cut) <= ms(260), "the paper needed a second: {:?}", moved.since(cut));
    network.blackhole(0, false, false);
    let restored = network.now;
    keys.extend(network.type_for(ms(5000)));
    assert!(chosen(&network));
    let back = network.first_departure(Side::Client, 0, restored, true).unwrap();
    assert!(back.since(restored) <= ms(1500), "the paper needed 21 seconds: {:?}", back.since(restored));
    network.run(ms(1000));
    // A key that was followed by others before its loss was noticed is for the layer above to repeat.
    let overtaken = |typed: mpmosh_net::Instant| typed >= cut && typed.since(cut) < ms(300);
    assert!(keys.iter().all(|key| overtaken(key.0) || network.echo_of(key).unwrap() <= ms(600)));
}

#[test]
fn a_late_event_loop_does_no_harm() {
    let mut network = two_paths(OFF);
    network.lateness = ms(37);
    let keys = network.type_for(ms(5000));
    network.run(ms(500));
    assert!(keys.iter().all(|key| network.echo_of(key).unwrap() <= ms(80)));
    network.blackhole(0, true, true);
    let keys = network.type_for(ms(3000));
    network.run(ms(500));
    assert!(keys.iter().all(|key| network.echo_of(key).unwrap() <= ms(300)));
}
