//! Which flows there are, what they cost, and what they are used for. SPEC [F-5] to [F-7], [P-1] to [P-8], [A-1] to
//! [S-1] to [S-6].

mod network;

use mpmosh_net::{
    Class, Config, Dialect, DialectName, Event, FlowState, Key, Redundancy, Role, SendError, SentKind, Side,
    Trust,
};
use network::{Link, Network, Uplink, ms, start, uplink};
use std::time::Duration;

const OFF: Config = Config::new().with_redundancy(Redundancy::Off).with_keepalive(Duration::from_secs(3));

fn two_paths(config: Config) -> Network {
    let mut network =
        Network::new(&[uplink("10.0.1.1", 2, 40), uplink("10.0.2.1", 3, 80)], &["10.9.0.1"], config);
    network.echo = Some(ms(0));
    network
}

/// Octets a second, each way, as the paper's Figure 6 counts them: 42 besides the UDP payload (IPv4).
fn rate(network: &Network, uplink: usize, from: Side, since: mpmosh_net::Instant) -> u64 {
    let ip = network.uplinks[uplink].candidate.addr.ip;
    let octets: usize = network
        .departures
        .iter()
        .filter(|d| d.at >= since && d.from == from && (d.path.local.ip == ip || d.path.remote.ip() == ip))
        .map(|d| d.bytes.len() + 42)
        .sum();
    octets as u64 * 1000 / network.now.since(since).as_millis() as u64
}

#[test]
fn the_server_s_addresses_become_flows() {
    let mut network = Network::new(
        &[uplink("10.0.1.1", 2, 40), uplink("10.0.2.1", 3, 80)],
        &["10.9.0.1", "10.9.0.2", "fd00::9", "127.0.0.1", "fe80::9"],
        OFF,
    );
    network.run(ms(1000));
    let flows: Vec<_> =
        network.client.flows().map(|flow| (flow.path.local.ip, flow.path.remote.ip())).collect();
    assert_eq!(flows.len(), 4, "two by two of IPv4; no loopback, no link-local: {flows:?}");
    assert!(network.client.flows().all(|flow| flow.state == FlowState::Answering));
    assert_eq!(network.client.observed_address(), Some("10.0.1.1:40000".parse().unwrap()));
}

#[test]
fn what_one_end_tells_of_a_datagram_sent_the_other_tells_of_its_arrival() {
    let mut network = two_paths(OFF);
    network.type_for(ms(1_000));
    // Something large is why sizes are looked for.
    network.send(Side::Client, vec![0; 600], Class::Bulk);
    network.type_for(ms(3_000));
    network.client.send(vec![1], Class::Acknowledgement);
    network.run(ms(9_000));
    let mut kinds = std::collections::BTreeSet::new();
    for (sender, receiver) in
        [(&network.client_events, &network.server_events), (&network.server_events, &network.client_events)]
    {
        for flow in network.client.flows().map(|report| report.id) {
            let sent = sender.iter().filter_map(|(_, event)| match event {
                // Nobody can tell from a datagram whether it is the copy or the original.
                Event::Sent { flow: id, kind: SentKind::Copy, bytes } if *id == flow => {
                    Some((SentKind::Data, *bytes))
                }
                Event::Sent { flow: id, kind, bytes } if *id == flow => Some((*kind, *bytes)),
                _ => None,
            });
            let received: Vec<_> = receiver
                .iter()
                .filter_map(|(_, event)| match event {
                    Event::Received { flow: id, kind, bytes } if *id == flow => Some((*kind, *bytes)),
                    _ => None,
                })
                .collect();
            assert!(received.len() > 3, "{flow:?}: {received:?}");
            kinds.extend(received.iter().map(|(kind, _)| format!("{kind:?}")));
            // Nothing is lost here; what is under way at the end has not arrived.
            assert!(sent.take(received.len()).eq(received.iter().copied()), "{flow:?}: {received:?}");
        }
    }
    let all = ["Acknowledgement", "AddressList", "AddressRequest", "Answer", "Data", "PaddedProbe", "Probe"];
    assert!(kinds.iter().eq(&all), "{kinds:?}");
}

#[test]
fn a_list_that_was_cut_for_an_unvalidated_address_is_sent_in_full_once_it_is_validated() {
    let many: Vec<String> = (1..=20).map(|n| format!("10.9.0.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut network = Network::new(&[uplink("10.0.1.1", 2, 40)], &many, OFF);
    network.run(ms(200));
    assert_eq!(network.client.flows().count(), 20);
}

#[test]
fn addresses_are_asked_for_at_the_start_every_ten_seconds_and_when_the_network_changes() {
    let mut network = two_paths(OFF);
    network.type_for(ms(25_000));
    network.uplinks[1].present = false;
    network.interfaces_changed();
    network.run(ms(1));
    let asked: Vec<u64> = network
        .client_events
        .iter()
        .filter(|(_, event)| matches!(event, Event::Sent { kind: SentKind::AddressRequest, .. }))
        .map(|(at, _)| at.since(start()).as_millis() as u64)
        .collect();
    let rounded: Vec<u64> = asked.iter().map(|ms| ms / 1000).collect();
    assert!(rounded.ends_with(&[10, 20, 25]), "{asked:?}");
    assert_eq!(rounded[0], 0);
}

#[test]
fn an_address_of_the_name_service_is_a_hint_that_becomes_a_flow() {
    let mut network = two_paths(OFF);
    network.run(ms(100));
    let hint = "10.9.0.7:60001".parse().unwrap();
    network.client.add_remotes(&[hint], Trust::Hint);
    network.settle();
    network.run(ms(500));
    let flows: Vec<_> = network.client.flows().filter(|flow| flow.path.remote == hint).collect();
    assert_eq!(flows.len(), 2);
}

#[test]
fn a_pair_that_never_answers_costs_a_handful_of_probes() {
    let mut network = Network::new(&[uplink("10.0.1.1", 2, 40)], &["10.9.0.1"], OFF);
    network.echo = Some(ms(0));
    let foreign = "172.17.0.1:60001".parse().unwrap();
    network.client.add_remotes(&[foreign], Trust::Authenticated);
    network.settle();
    network.type_for(ms(60_000));
    let report = |network: &Network| network.client.flows().find(|flow| flow.path.remote == foreign).unwrap();
    assert_eq!(report(&network).state, FlowState::Retired);
    assert!(report(&network).sent() <= 8, "{}", report(&network).sent());
    network.interfaces_changed();
    assert_eq!(report(&network).state, FlowState::Untried, "tried again when the network changes");
}

#[test]
fn an_interface_without_a_way_to_the_server_is_probed_every_three_seconds_and_used_once_there_is_one() {
    let mut dead = uplink("10.0.2.1", 3, 30);
    dead.up.blackhole = true;
    let mut network = Network::new(&[uplink("10.0.1.1", 2, 40), dead], &["10.9.0.1"], OFF);
    network.echo = Some(ms(0));
    network.type_for(ms(60_000));
    let before = network.flow_of(1).sent();
    assert_eq!(network.flow_of(1).state, FlowState::Untried);
    network.type_for(ms(60_000));
    assert!(network.flow_of(1).sent() - before <= 21, "a login page may take for ever");
    network.uplinks[1].up.blackhole = false;
    network.type_for(ms(4_000));
    assert_eq!(network.chosen(), Some(network.flow_of(1).id));
}

#[test]
fn a_server_that_is_late_is_waited_for() {
    let mut dead = uplink("10.0.1.1", 2, 40);
    dead.up.blackhole = true;
    let mut network = Network::new(&[dead], &["10.9.0.1"], OFF);
    network.run(Duration::from_secs(120));
    network.blackhole(0, false, false);
    network.run(Duration::from_secs(25));
    assert_eq!(network.flow_of(0).state, FlowState::Answering);
}

#[test]
fn a_thousand_pairs_make_sixty_four_flows_and_no_flood() {
    let ups: Vec<Uplink> = (0..40).map(|n| uplink(&format!("10.0.{n}.1"), n + 2, 40)).collect();
    let ips: Vec<String> = (1..=25).map(|n| format!("10.9.0.{n}")).collect();
    let ips: Vec<&str> = ips.iter().map(String::as_str).collect();
    let mut network = Network::new(&ups, &ips, OFF);
    network.echo = Some(ms(0));
    network.type_for(ms(10_000));
    assert_eq!(network.client.flows().count(), 64);
    let interfaces: std::collections::BTreeSet<_> =
        network.client.flows().map(|flow| flow.path.local.interface).collect();
    assert_eq!(interfaces.len(), 40, "one for each interface before a second for any");
    let sent = network.departures.iter().filter(|d| d.from == Side::Client).count();
    assert!(sent < 64 * 25 + 500, "{sent}");
}

#[test]
fn ids_are_bound_again_and_the_replay_window_stays() {
    let mut network = Network::new(&[uplink("10.0.0.1", 2, 40)], &["10.9.0.1"], OFF);
    network.echo = Some(ms(0));
    for n in 0..200 {
        network.uplinks[0].candidate.addr.ip = format!("10.0.1.{n}").parse().unwrap();
        network.interfaces_changed();
        network.run(ms(100));
    }
    assert_eq!(network.client.flows().count(), 64);
    assert_eq!(network.server.flows().count(), 64);
    let keys = network.type_for(ms(500));
    network.run(ms(100));
    assert!(keys[1..].iter().all(|key| network.echo_of(key) == Some(ms(40))));
    let replayed = network.departures.iter().rfind(|d| d.from == Side::Client).unwrap().clone();
    let path = network.server.flows().next().unwrap().path;
    assert!(network.inject(Side::Server, path, &replayed.bytes).is_err());
}

#[test]
fn the_first_measurement_is_not_polluted_by_the_start() {
    let mut network = two_paths(OFF);
    network.run(ms(300));
    let first = |flow| {
        network.client_events.iter().find_map(|(_, event)| match event {
            Event::Rtt { flow: id, sample, .. } if *id == flow => Some(*sample),
            _ => None,
        })
    };
    assert_eq!(first(network.flow_of(0).id), Some(ms(40)));
    assert_eq!(first(network.flow_of(1).id), Some(ms(80)));
}

#[test]
fn a_flow_that_answers_costs_at_most_two_hundred_octets_a_second() {
    let mut network = two_paths(OFF);
    network.run(ms(1000));
    let since = network.now;
    for _ in 0..30 {
        network.client.set_active(network.now);
        network.run(ms(1000));
    }
    for path in [0, 1] {
        for side in [Side::Client, Side::Server] {
            assert!(rate(&network, path, side, since) <= 200, "{}", rate(&network, path, side, since));
        }
    }
}

#[test]
fn an_idle_flow_costs_at_most_ten_octets_a_second_and_a_sleeping_one_nothing() {
    let mut network = two_paths(OFF);
    network.type_for(ms(2000));
    network.run(ms(12_000));
    let quiet = network.now;
    network.run(ms(40_000));
    assert!(rate(&network, 1, Side::Client, quiet) <= 10);
    assert!(rate(&network, 1, Side::Server, quiet) <= 10);
    network.run(ms(20_000));
    let dormant = network.now;
    network.run(Duration::from_secs(600));
    assert_eq!(rate(&network, 1, Side::Client, dormant), 0);
    assert!(rate(&network, 0, Side::Client, dormant) <= 30, "one keepalive in three seconds");
    assert!(network.server.is_connected());
    let woke = network.now;
    let key = (network.now, network.key_press());
    network.run(ms(200));
    assert_eq!(network.echo_of(&key), Some(ms(40)));
    assert_eq!(network.first_departure(Side::Client, 1, woke, false), Some(woke), "one burst wakes all");
}

#[test]
fn the_server_forgets_a_client_after_forty_seconds_and_takes_it_back() {
    let mut network = two_paths(OFF);
    network.type_for(ms(1000));
    network.blackhole(0, true, true);
    network.blackhole(1, true, true);
    network.run(Duration::from_secs(45));
    assert!(!network.server.is_connected());
    let forgotten = network.departures.len();
    network.send(Side::Server, vec![1; 100], Class::Interactive);
    assert!(network.departures[forgotten..].iter().all(|d| d.from == Side::Client));
    network.blackhole(0, false, false);
    network.type_for(ms(3000));
    assert!(network.server.is_connected());
}

#[test]
fn redundancy_is_symmetric_for_interactive_payloads_and_never_for_bulk() {
    let mut network = two_paths(OFF.with_redundancy(Redundancy::Always));
    network.type_for(ms(2000));
    network.run(ms(1000));
    let count = |network: &Network, from: Side, index: usize| {
        network
            .departures
            .iter()
            .filter(|d| d.from == from && d.is_data() && d.at >= start() + ms(1500))
            .filter(|d| {
                let ip = network.uplinks[index].candidate.addr.ip;
                d.path.local.ip == ip || d.path.remote.ip() == ip
            })
            .count()
    };
    assert_eq!(count(&network, Side::Client, 0), count(&network, Side::Client, 1));
    assert_eq!(count(&network, Side::Server, 0), count(&network, Side::Server, 1));
    let before = network.departures.len();
    network.send(Side::Server, vec![2; 900], Class::Bulk);
    network.send(Side::Client, vec![3; 900], Class::Bulk);
    let bulk = network.departures[before..].iter().filter(|d| d.bytes.len() > 900).count();
    assert_eq!(bulk, 2);
}

/// On a path that loses much an answer is missing all the time, and the next datagram arrives all the same. SPEC [S-5].
#[test]
fn a_path_that_loses_much_takes_copies_of_every_key() {
    let mut lossy = [uplink("10.0.1.1", 2, 40), uplink("10.0.2.1", 3, 80)];
    for uplink in &mut lossy {
        (uplink.up.loss, uplink.down.loss) = (30, 30);
    }
    let mut network = Network::new(&lossy, &["10.9.0.1"], OFF.with_redundancy(Redundancy::Auto));
    network.echo = Some(ms(0));
    network.type_for(ms(10_000));
    let keys = network.type_for(ms(60_000));
    let both = keys.iter().filter(|(at, _)| {
        let sent = network.departures.iter().filter(|d| d.from == Side::Client && d.is_data() && d.at == *at);
        sent.map(|d| d.path.local.ip).collect::<std::collections::BTreeSet<_>>().len() == 2
    });
    let both = both.count();
    assert!(both * 100 >= keys.len() * 95, "{both} of {} keys went on both", keys.len());
}

#[test]
fn payloads_are_not_copied_when_nothing_is_lost_and_redundancy_is_off() {
    let mut network = two_paths(OFF);
    network.type_for(ms(500));
    let settled = network.now;
    network.type_for(ms(30_000));
    for side in [Side::Client, Side::Server] {
        assert_eq!(network.first_departure(side, 1, settled, true), None);
    }
}

#[test]
fn a_probe_on_another_flow_does_not_move_the_server_s_output() {
    let mut network = two_paths(OFF);
    network.type_for(ms(500));
    network.run(ms(300));
    let settled = network.now;
    for n in 0..200u8 {
        network.client.set_active(network.now);
        network.send(Side::Server, vec![n; 100], Class::Bulk);
        network.run(ms(50));
    }
    assert_eq!(network.first_departure(Side::Server, 1, settled, true), None);
}

#[test]
fn a_backup_carries_nothing_while_a_primary_answers() {
    let mut backup = uplink("10.0.1.1", 2, 10);
    backup.candidate.role = Role::Backup;
    let mut network = Network::new(&[backup, uplink("10.0.2.1", 3, 80)], &["10.9.0.1"], OFF);
    network.echo = Some(ms(0));
    network.type_for(ms(500));
    let settled = network.now;
    network.type_for(ms(2000));
    assert_eq!(network.first_departure(Side::Client, 0, settled, true), None);
    network.uplinks[1].present = false;
    network.interfaces_changed();
    let keys = network.type_for(ms(1000));
    network.run(ms(100));
    assert!(keys.iter().all(|key| network.echo_of(key) == Some(ms(10))));
}

#[test]
fn loss_moves_the_session_to_a_path_that_costs_less_in_the_end() {
    let mut network =
        Network::new(&[uplink("10.0.1.1", 2, 40), uplink("10.0.2.1", 3, 60)], &["10.9.0.1"], OFF);
    network.echo = Some(ms(0));
    network.type_for(ms(3000));
    assert_eq!(network.chosen(), Some(network.flow_of(0).id));
    let lossy = |link: Link| Link { loss: 30, ..link };
    network.uplinks[0].up = lossy(network.uplinks[0].up);
    network.uplinks[0].down = lossy(network.uplinks[0].down);
    network.type_for(ms(20_000));
    assert_eq!(network.chosen(), Some(network.flow_of(1).id));
}

#[test]
fn a_send_error_suspends_a_flow_and_full_queues_do_not() {
    let mut network = two_paths(OFF);
    network.type_for(ms(1000));
    let path = network.flow_of(0).path;
    network.client.handle_send_error(&path, SendError::Congested, network.now);
    assert_eq!(network.flow_of(0).state, FlowState::Answering);
    network.client.handle_send_error(&path, SendError::PathGone, network.now);
    network.settle();
    assert_eq!(network.flow_of(0).state, FlowState::Suspended, "whatever the routes say");
    network.run(ms(1100));
    assert_eq!(network.flow_of(0).state, FlowState::Answering, "it is tried again");
}

#[test]
fn the_rto_told_to_the_layer_above_is_bounded_and_measured() {
    let mut network = two_paths(OFF);
    assert_eq!((network.client.srtt(), network.client.rto()), (ms(1000), ms(1000)));
    network.type_for(ms(3000));
    assert_eq!((network.client.srtt(), network.client.rto()), (ms(40), ms(50)));
    assert_eq!(network.server.srtt(), ms(40));
    for uplink in &mut network.uplinks {
        uplink.up.delay = ms(2_000);
    }
    network.type_for(ms(40_000));
    assert!(network.client.rto() > ms(2_000), "it follows the path: {:?}", network.client.rto());
}

#[test]
fn mosh_s_dialect_has_one_flow_that_roams() {
    let key = Key::from_bytes(&[9; 16]).unwrap();
    let client = Dialect::new(DialectName::Mosh, &key, Side::Client).unwrap();
    let server = Dialect::new(DialectName::Mosh, &key, Side::Server).unwrap();
    let mut network = Network::with(client, server, &[uplink("0.0.0.0", 1, 40)], &["10.9.0.1"], OFF);
    network.uplinks[0].candidate.addr.interface = None;
    network.echo = Some(ms(0));
    let keys = network.type_for(ms(1000));
    network.run(ms(100));
    assert!(keys.iter().all(|key| network.echo_of(key) == Some(ms(40))));
    assert_eq!((network.client.flows().count(), network.client.srtt()), (1, ms(40)));
    let payloads = network.departures.iter().filter(|d| d.bytes.len() == 60 + 28).count();
    assert_eq!(payloads, network.departures.len(), "no probes, no requests, no answers of its own");
    assert_eq!(network.client.max_payload(), 1252 - 28);

    network.uplinks[0].nat = 500;
    let key = (network.now, network.key_press());
    network.run(ms(100));
    assert_eq!(network.echo_of(&key), Some(ms(40)), "the server follows at once");

    network.blackhole(0, true, true);
    network.type_for(ms(25_000));
    let hops =
        network.client_events.iter().filter(|(_, event)| matches!(event, Event::Hopped { .. })).count();
    assert_eq!(hops, 2, "every ten seconds of silence");
}

#[test]
fn a_server_measures_the_flows_it_does_not_use() {
    let mut network = two_paths(OFF);
    network.type_for(ms(5000));
    let standby = network.server.flows().find(|flow| !flow.chosen).unwrap();
    assert_eq!((standby.state, standby.srtt), (FlowState::Answering, Some(ms(80))));
}

#[test]
fn a_congestion_mark_is_told_to_the_sender_and_changes_no_measurement() {
    let mut network = two_paths(OFF);
    network.type_for(ms(1000));
    network.marked = true;
    network.type_for(ms(500));
    assert!(network.client.is_congested(network.now) && network.server.is_congested(network.now));
    assert_eq!(network.flow_of(0).srtt, Some(ms(40)));
    network.marked = false;
    network.type_for(ms(1500));
    assert!(!network.client.is_congested(network.now));
}
