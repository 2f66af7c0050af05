//! Failing over, in exact virtual times. SPEC to.

mod network;

use mpmosh_net::{Config, Event, FlowState, Redundancy, Side};
use network::{Network, ms, uplink};
use std::time::Duration;

const OFF: Config = Config { redundancy: Redundancy::Off, port: 0, keepalive: Duration::from_secs(3) };

fn two_paths(config: Config) -> Network {
    let mut network = Network::new(&[uplink("10.0.1.1", 2, 40), uplink("10.0.2.1", 3, 80)], &["10.9.0.1"], config);
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
    assert_eq!(network.echo_of(&key), Some(ms(10 + 80)), "the survivor's round trip after the event");
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
}
