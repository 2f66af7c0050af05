//! What a server sends by itself, and where: probes, copies and the newest state. SPEC [P-8], [S-6], [X-2], [X-4], [X-7].

mod network;

use mpmosh_net::{Class, Config, FlowState, Redundancy, Side};
use network::{Network, ms, uplink};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

const OFF: Config = Config::new().with_redundancy(Redundancy::Off).with_keepalive(Duration::from_secs(3));

/// How many datagrams the server sent to this address of the client since `since`.
fn told(network: &Network, client: &str, since: mpmosh_net::Instant) -> usize {
    let sent = network.departures.iter().filter(|d| d.at >= since && d.from == Side::Server);
    sent.filter(|d| d.path.remote.ip().to_string() == client).count()
}

#[test]
fn a_server_leaves_a_lost_flow_to_the_client_to_find_again() {
    // Two flows of one interface, so that they share the suspicion, and another interface.
    let mut network =
        Network::new(&[uplink("10.0.1.1", 2, 40), uplink("10.0.2.1", 3, 80)], &["10.9.0.1", "10.9.0.2"], OFF);
    network.echo = Some(ms(0));
    network.type_for(ms(3000));
    network.blackhole(0, true, true);
    network.send(Side::Server, vec![b'x'; 100], Class::Bulk);
    network.type_for(ms(5000));
    let lost = network.server.flows().filter(|flow| flow.state == FlowState::Lost).count();
    assert_eq!(lost, 2, "both flows of the interface");
    let since = network.now;
    network.type_for(ms(60_000));
    assert_eq!(told(&network, "10.0.1.1", since), 0, "while the user types");
    network.run(ms(600_000));
    assert_eq!(told(&network, "10.0.1.1", since), 0, "and while nobody does");
    network.blackhole(0, false, false);
    network.type_for(ms(2000));
    assert!(network.server.flows().all(|flow| flow.state == FlowState::Answering));
    assert_eq!(network.chosen(), Some(network.flow_of(0).id));
}

#[test]
fn a_lost_flow_that_is_heard_is_asked_back_by_something_small_beside_a_payload() {
    let mut network = Network::new(&[uplink("10.0.1.1", 2, 40)], &["10.9.0.1"], OFF);
    network.type_for(ms(1000));
    network.blackhole(0, false, true);
    network.send(Side::Server, vec![b'x'; 200], Class::Bulk);
    network.type_for(ms(3000));
    let state = |network: &Network| network.server.flows().next().unwrap().state;
    assert_eq!(state(&network), FlowState::Lost);
    // Silence, until it may be asked back again.
    network.blackhole(0, true, true);
    network.run(ms(400));
    // The way down is there again, for small datagrams; a key arrives while output waits.
    network.blackhole(0, false, false);
    network.uplinks[0].down.mtu = 120;
    network.key_press();
    network.run(ms(19));
    network.server.send(vec![b'y'; 200], Class::Bulk);
    assert_eq!(state(&network), FlowState::Lost);
    network.run(ms(1 + 40));
    assert_eq!(state(&network), FlowState::Answering);
}

#[test]
fn a_copy_of_output_does_not_go_to_a_network_that_the_client_left() {
    // The client's one interface moves to another network, and there are two addresses of the server.
    let ups = [uplink("10.0.1.1", 2, 40), uplink("10.0.3.1", 2, 40)];
    let mut network = Network::new(&ups, &["10.9.0.1", "10.9.0.2"], OFF);
    network.uplinks[1].present = false;
    network.interfaces_changed();
    network.echo = Some(ms(0));
    network.type_for(ms(3000));
    network.uplinks[0].present = false;
    network.uplinks[1].present = true;
    network.interfaces_changed();
    network.type_for(ms(40_000));
    network.blackhole(1, true, true);
    let since = network.now;
    network.send(Side::Server, vec![b'x'; 100], Class::Bulk);
    network.run(ms(1000));
    assert_eq!(told(&network, "10.0.1.1", since), 0);
    let sent = network.departures.iter().filter(|d| d.at >= since && d.from == Side::Server && d.is_data());
    let on: BTreeSet<IpAddr> = sent.map(|d| d.path.local.ip).collect();
    assert_eq!(on.len(), 2, "the copy goes by the server's other address");
}

#[test]
fn output_follows_when_the_flow_dies_on_which_a_copy_came_first() {
    let auto = OFF.with_redundancy(Redundancy::Auto);
    let ups = [uplink("10.0.1.1", 2, 40), uplink("10.0.2.1", 3, 80)];
    let mut network = Network::new(&ups, &["10.9.0.1"], auto);
    network.type_for(ms(3000));
    // The last key is lost on the better path: its copy is what the server answers.
    network.blackhole(0, true, false);
    network.key_press();
    network.run(ms(1));
    network.blackhole(0, false, false);
    network.run(ms(500));
    let spoken_on = |network: &Network| network.server.current_path().map(|path| path.remote.ip());
    assert_eq!(spoken_on(&network), Some("10.0.2.1".parse().unwrap()));
    assert_eq!(network.chosen(), Some(network.flow_of(0).id));
    network.blackhole(1, true, true);
    network.run(ms(3000));
    assert_eq!(spoken_on(&network), Some("10.0.1.1".parse().unwrap()), "the client said it again");
    let written = network.now;
    network.send(Side::Server, vec![b'x'; 100], Class::Bulk);
    network.run(ms(500));
    let (arrived, _) = network.at_client.iter().find(|(_, payload)| payload[0] == b'x').unwrap();
    assert_eq!(arrived.since(written), ms(20));
}
