//! Addresses that are deprecated, or not preferred any more: how long they keep their flows. SPEC [F-5], [F-6].

mod network;

use mpmosh_net::{Config, Event, FlowState, Redundancy};
use network::{Network, Uplink, ms, uplink};
use std::time::Duration;

const OFF: Config = Config::new().with_redundancy(Redundancy::Off).with_keepalive(Duration::from_secs(3));

/// The first uplink is there; the second, another address of the same interface, comes and is preferred to it.
fn renumbered(others: &[Uplink]) -> Network {
    let mut ups = vec![uplink("10.0.1.1", 2, 40), uplink("10.0.1.2", 2, 40)];
    ups.extend(others);
    let mut network = Network::new(&ups, &["10.9.0.1"], OFF);
    network.echo = Some(ms(0));
    network.uplinks[1].present = false;
    network.interfaces_changed();
    network.type_for(ms(3000));
    network.uplinks[0].candidate.lingers = true;
    network.uplinks[1].present = true;
    network.interfaces_changed();
    network
}

#[test]
fn a_flow_whose_address_lingers_is_left_when_a_preferred_one_has_answered_for_a_minute() {
    let mut network = renumbered(&[uplink("10.0.2.1", 3, 20)]);
    network.type_for(ms(56_000));
    assert_eq!(network.flow_of(0).state, FlowState::Answering);
    // The flow beside it speaks for the interface: this one is asked every ten seconds.
    network.type_for(ms(10_000));
    assert_eq!(
        (network.flow_of(0).state, network.flow_of(1).state),
        (FlowState::Suspended, FlowState::Answering)
    );
    let since = network.now;
    network.interfaces_changed();
    network.type_for(ms(20_000));
    let silent =
        network.departures.iter().all(|d| d.at < since || d.path.local != network.uplinks[0].candidate.addr);
    assert!(silent, "not even when the network changes");
    network.uplinks[0].candidate.lingers = false;
    network.interfaces_changed();
    network.run(ms(100));
    assert_eq!(network.flow_of(0).state, FlowState::Answering, "unless it is preferred again");
}

#[test]
fn a_flow_that_carries_the_session_stays_though_its_address_lingers() {
    let mut network = renumbered(&[]);
    network.type_for(ms(120_000));
    assert_eq!(network.chosen(), Some(network.flow_of(0).id));
    assert_eq!(network.flow_of(0).state, FlowState::Answering);
}

#[test]
fn an_id_is_taken_from_an_address_that_lingers_when_a_preferred_one_needs_it() {
    let ups: Vec<Uplink> = (0..65).map(|n| uplink(&format!("10.0.1.{n}"), 2, 40)).collect();
    let mut network = Network::new(&ups, &["10.9.0.1"], OFF);
    network.echo = Some(ms(0));
    network.uplinks[64].present = false;
    network.interfaces_changed();
    network.type_for(ms(3000));
    let (chosen, count) = (network.chosen(), network.client.flows().count());
    assert_eq!(count, 64);
    network.uplinks.iter_mut().take(64).for_each(|uplink| uplink.candidate.lingers = true);
    network.uplinks[64].present = true;
    network.interfaces_changed();
    let bound = network.now;
    network.type_for(ms(1000));
    let fresh = network.flow_of(64);
    assert_eq!((fresh.state, network.client.flows().count()), (FlowState::Answering, 64));
    assert_eq!(network.chosen(), chosen, "what carries the session keeps its id");
    let rebound = network.client_events.iter().find_map(|(at, event)| match event {
        Event::FlowState { flow, from, to, .. } if *at == bound && *flow == fresh.id => Some((*from, *to)),
        _ => None,
    });
    assert_eq!(rebound, Some((FlowState::Answering, FlowState::Untried)), "as it stood");
}
