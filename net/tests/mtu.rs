//! How large datagrams may be: the search, its cost, black holes, refusals. SPEC [M-1] to [M-8].

mod network;

use mpmosh_net::{Class, Config, Event, FlowState, Instant, Redundancy, SendError, SentKind, Side};
use network::{Network, Uplink, ms, uplink};
use std::time::Duration;

const OFF: Config = Config::new().with_redundancy(Redundancy::Off).with_keepalive(Duration::from_secs(3));

fn with_mtu(mut uplink: Uplink, up: usize, down: usize) -> Uplink {
    (uplink.up.mtu, uplink.down.mtu) = (up, down);
    uplink
}

fn one_path(up: usize, down: usize) -> Network {
    let mut network = Network::new(&[with_mtu(uplink("10.0.1.1", 2, 40), up, down)], &["10.9.0.1"], OFF);
    network.echo = Some(ms(0));
    large(network)
}

/// Each end says something large at the start: before that a larger size is of no use, and nobody looks for one.
fn large(mut network: Network) -> Network {
    network.run(ms(50));
    for side in [Side::Client, Side::Server] {
        network.send(side, vec![0; 500 - 30], Class::Bulk);
    }
    network.run(ms(50));
    network
}

/// The largest datagrams of the client's and the server's flow over an uplink.
fn sizes(network: &Network, uplink: usize) -> (usize, usize) {
    let id = network.flow_of(uplink).id;
    let server = network.server.flows().find(|flow| flow.id == id);
    (network.flow_of(uplink).max_datagram, server.map_or(0, |flow| flow.max_datagram))
}

/// Every change of a size that one end told.
fn changes(events: &[(Instant, Event)]) -> Vec<(Instant, usize, bool)> {
    let change = |(at, event): &(Instant, Event)| match event {
        Event::DatagramSize { octets, repeat, .. } => Some((*at, *octets, *repeat)),
        _ => None,
    };
    events.iter().filter_map(change).collect()
}

/// A full screen from the server: nine datagrams of the largest size and a short one, every 20 ms.
fn stream(network: &mut Network, duration: Duration) {
    let end = network.now + duration;
    let mut serial = 0_u32;
    while network.now < end {
        network.server.set_active(network.now);
        let largest = network.server.max_payload();
        for size in [largest, largest, largest, 60] {
            serial += 1;
            let mut payload = vec![0; size];
            payload[..4].copy_from_slice(&serial.to_be_bytes());
            network.send(Side::Server, payload, Class::Bulk);
        }
        network.run(ms(20));
    }
}

#[test]
fn both_ends_find_the_mtu_of_their_own_direction() {
    for (up, down) in [(1500, 1500), (1400, 1280), (1280, 1420), (1000, 576), (576, 1492)] {
        let mut network = one_path(up, down);
        network.type_for(ms(60_000));
        assert_eq!(sizes(&network, 0), (up - 28, down - 28));
    }
}

#[test]
fn who_says_nothing_large_looks_for_no_larger_size() {
    let mut network = Network::new(&[uplink("10.0.1.1", 2, 40)], &["10.9.0.1"], OFF);
    network.echo = Some(ms(0));
    network.type_for(ms(60_000));
    assert!(network.departures.iter().all(|departure| departure.bytes.len() < 500));
    assert_eq!(sizes(&large(network), 0), (1252, 1252));
}

#[test]
fn that_no_router_said_so_is_claimed_only_where_it_would_have_been_heard() {
    for (hears_routers, claimed) in [(true, Some(1472)), (false, None)] {
        let path = with_mtu(uplink("10.0.1.1", 2, 40), 1400, 1500);
        let mut network = Network::new(&[path], &["10.9.0.1"], OFF.with_hears_routers(hears_routers));
        network.echo = Some(ms(0));
        network = large(network);
        network.type_for(ms(60_000));
        assert_eq!(network.flow_of(0).swallowed, claimed);
    }
}

#[test]
fn what_no_table_knows_is_rounded_down() {
    let mut network = one_path(1399, 547);
    network.type_for(ms(60_000));
    assert_eq!(sizes(&network, 0), (1380 - 28, 500));
}

#[test]
fn ipv6_starts_from_its_least_mtu() {
    for (mtu, found) in [(1500, 1452), (1280, 1232), (1420, 1372)] {
        let mut network = Network::new(&[with_mtu(uplink("fd00::1", 2, 40), mtu, mtu)], &["fd00::9"], OFF);
        network.echo = Some(ms(0));
        network = large(network);
        network.run(ms(100));
        assert_eq!(sizes(&network, 0), (1232, 1232));
        network.type_for(ms(60_000));
        assert_eq!(sizes(&network, 0), (found, found));
    }
}

#[test]
fn only_padded_probes_go_with_df_and_they_are_answered_by_fourteen_octets() {
    let mut network = one_path(1500, 1500);
    network.type_for(ms(3000));
    let padded: Vec<_> = network.departures.iter().filter(|departure| departure.dont_fragment).collect();
    assert_eq!(padded.len(), 2, "one each way");
    for probe in padded {
        assert_eq!(probe.bytes.len(), 1472);
        let answered = network
            .departures
            .iter()
            .any(|d| d.from != probe.from && d.at == probe.at + ms(20) && d.bytes.len() == 14 + 16);
        assert!(answered);
    }
}

#[test]
fn a_search_costs_a_handful_of_datagrams_and_is_not_repeated_for_ten_minutes() {
    for (mtu, most) in [(1500, 1), (1400, 12), (1000, 20)] {
        let mut network = one_path(mtu, mtu);
        network.type_for(ms(540_000));
        let padded = network.departures.iter().filter(|d| d.dont_fragment && d.from == Side::Client).count();
        assert!(padded <= most, "{mtu}: {padded}");
    }
}

#[test]
fn a_raised_mtu_is_found_after_ten_minutes() {
    let mut network = one_path(1400, 1400);
    network.type_for(ms(60_000));
    network.uplinks[0].up.mtu = 1500;
    network.type_for(ms(610_000));
    network = large(network);
    network.type_for(ms(30_000));
    assert_eq!(sizes(&network, 0), (1472, 1372));
}

#[test]
fn nobody_searches_while_the_user_is_away() {
    let mut network = one_path(1500, 1500);
    network.run(ms(500));
    network.run(Duration::from_secs(100));
    let before = network.departures.len();
    network.run(Duration::from_secs(1200));
    assert!(network.departures[before..].iter().all(|d| !d.dont_fragment));
}

#[test]
fn lost_padded_probes_are_neither_silence_nor_loss() {
    let mut network = one_path(1000, 1000);
    network.type_for(ms(10_000));
    let padded = network.departures.iter().filter(|d| d.dont_fragment).count();
    assert!(padded > 8, "{padded} probes");
    for events in [&network.client_events, &network.server_events] {
        let doubtful = events.iter().find(|(_, event)| {
            matches!(
                event,
                Event::PathSuspect { .. } | Event::FlowState { to: FlowState::Suspect | FlowState::Lost, .. }
            )
        });
        assert_eq!(doubtful, None);
    }
    let flow = network.flow_of(0);
    assert_eq!((flow.loss_in, flow.loss_out, flow.srtt), (0, 0, Some(ms(40))));
}

#[test]
fn an_unvalidated_address_gets_no_padded_probe() {
    let mut network = one_path(1500, 1500);
    network.type_for(ms(500));
    network.blackhole(0, false, true);
    network.uplinks[0].nat = 500;
    network.type_for(ms(5000));
    let to_new =
        network.departures.iter().filter(|d| d.from == Side::Server && d.path.remote.port() >= 40_500);
    assert!(to_new.clone().count() > 0);
    assert!(to_new.clone().all(|d| d.bytes.len() < 500));
}

#[test]
fn a_metered_flow_searches_only_when_it_is_chosen() {
    let mut metered = uplink("10.0.2.1", 3, 80);
    metered.candidate.metered = true;
    let mut network = Network::new(&[uplink("10.0.1.1", 2, 40), metered], &["10.9.0.1"], OFF);
    network.echo = Some(ms(0));
    network = large(network);
    network.type_for(ms(5000));
    let on_metered = |network: &Network| {
        network
            .departures
            .iter()
            .any(|d| d.dont_fragment && d.from == Side::Client && d.path.local == metered.candidate.addr)
    };
    assert_eq!(network.flow_of(0).max_datagram, 1472);
    assert!(!on_metered(&network));
    network.uplinks[0].present = false;
    network.interfaces_changed();
    network.type_for(ms(5000));
    assert!(on_metered(&network));
    assert_eq!(network.flow_of(1).max_datagram, 1472);
}

#[test]
fn a_black_hole_is_left_within_two_timeouts_and_the_newest_goes_again() {
    for (mtu, found) in [(1000, 972), (576, 548), (1300, 1272)] {
        let mut network = one_path(1500, 1500);
        network.type_for(ms(5000));
        stream(&mut network, ms(1000));
        network.uplinks[0].down.mtu = mtu;
        let cut = network.now;
        stream(&mut network, ms(20_000));
        let changes = changes(&network.server_events);
        let (at, octets, repeat) = *changes.iter().find(|(at, _, _)| *at >= cut).unwrap();
        let rto = ms(40 + 20);
        assert!(at.since(cut) <= rto * 2, "{mtu}: after {:?}", at.since(cut));
        assert!(octets <= found && repeat, "{mtu}: {octets}");
        assert_eq!(sizes(&network, 0), (1472, found), "only its own direction");
    }
}

#[test]
fn a_black_hole_for_lone_datagrams_is_found_by_the_silence() {
    let mut network = one_path(1500, 1500);
    network.type_for(ms(5000));
    network.run(ms(200));
    network.uplinks[0].down.mtu = 1000;
    let cut = network.now;
    network.send(Side::Server, vec![7; 1100], Class::Bulk);
    network.run(ms(200));
    let (at, octets, repeat) = *changes(&network.server_events).last().unwrap();
    assert_eq!((at.since(cut), octets, repeat), (ms(120), 972, true));
}

#[test]
fn the_silent_death_of_a_path_is_no_black_hole() {
    let mut network = one_path(1500, 1500);
    network.type_for(ms(5000));
    stream(&mut network, ms(500));
    network.blackhole(0, true, true);
    let cut = network.now;
    stream(&mut network, ms(5000));
    network.blackhole(0, false, false);
    stream(&mut network, ms(20_000));
    assert!(changes(&network.server_events).iter().all(|(at, _, _)| *at < cut));
    assert_eq!(sizes(&network, 0), (1472, 1472));
}

#[test]
fn loss_of_a_fifth_is_no_black_hole() {
    for seed in 0..20 {
        let mut lossy = uplink("10.0.1.1", 2, 40);
        (lossy.up.loss, lossy.down.loss) = (20, 20);
        let mut network = Network::new(&[lossy], &["10.9.0.1"], OFF);
        network.echo = Some(ms(0));
        network = large(network);
        network.run(ms(seed * 7));
        network.type_for(ms(5000));
        stream(&mut network, ms(30_000));
        let shrunk: Vec<_> = changes(&network.server_events)
            .windows(2)
            .filter(|pair| pair[1].1 < pair[0].1)
            .map(|pair| pair[1])
            .collect();
        assert!(shrunk.is_empty(), "seed {seed}: {shrunk:?}");
        assert!(sizes(&network, 0).1 >= 1252);
    }
}

#[test]
fn a_payload_fits_every_flow_it_goes_on() {
    let mut network =
        Network::new(&[uplink("10.0.1.1", 2, 40), uplink("fd00::1", 3, 80)], &["10.9.0.1", "fd00::9"], OFF);
    network.echo = Some(ms(0));
    network = large(network);
    assert_eq!(network.client.max_payload(), 1252 - 30);
    network.type_for(ms(5000));
    assert_eq!((network.flow_of(0).max_datagram, network.flow_of(1).max_datagram), (1472, 1452));
    assert_eq!(network.client.max_payload(), 1472 - 30, "the other flow carries none");
    network.blackhole(0, true, true);
    network.key_press();
    network.run(ms(70));
    assert_eq!(network.flow_of(0).state, FlowState::Suspect);
    assert_eq!(network.client.max_payload(), 1452 - 30, "now it goes on both");
    network.run(ms(500));
    assert_eq!(network.client.max_payload(), 1452 - 30);
    network.uplinks[1].present = false;
    network.interfaces_changed();
    assert_eq!(network.client.max_payload(), 1472 - 30);
}

#[test]
fn what_was_cut_too_large_for_a_flow_is_not_sent_on_it() {
    let mut network = one_path(1500, 1500);
    network.type_for(ms(5000));
    let largest = network.server.max_payload();
    network.server.set_active(network.now);
    for n in 0..5 {
        network.server.send(vec![n; largest], Class::Bulk);
    }
    let first = network.server.poll_transmit(network.now).unwrap();
    network.server.handle_send_error(&first.path, SendError::TooBig, network.now);
    assert_eq!(network.server.max_payload(), 500 - 30);
    while let Some(transmit) = network.server.poll_transmit(network.now) {
        assert!(transmit.bytes.len() <= 500);
    }
    let repeats = std::iter::from_fn(|| network.server.poll_event())
        .any(|event| matches!(event, Event::DatagramSize { octets: 500, repeat: true, .. }));
    assert!(repeats);
}

#[test]
fn an_interface_that_tells_its_mtu_is_believed_at_once() {
    let mut network = one_path(1500, 1500);
    network.uplinks[0].candidate.mtu = Some(1500);
    network.interfaces_changed();
    network.type_for(ms(5000));
    assert_eq!(sizes(&network, 0).0, 1472);
    network.uplinks[0].candidate.mtu = Some(1200);
    network.interfaces_changed();
    assert_eq!(sizes(&network, 0).0, 1164, "the largest known size that it takes");
    network.uplinks[0].candidate.mtu = Some(9000);
    network.interfaces_changed();
    network.type_for(ms(3000));
    assert_eq!(sizes(&network, 0).0, 1472, "and searched anew; larger ones are not looked for");
}

#[test]
fn a_system_that_refuses_is_asked_for_less_until_it_takes_what_fits() {
    // An interface of 1100 octets that does not tell its MTU, on a system that fragments nothing.
    let mut network = one_path(1500, 1500);
    network.refuses = |transmit| transmit.bytes.len() + 28 > 1100;
    network.run(ms(500));
    network.client.set_active(network.now);
    network.send(Side::Client, vec![7; 1200], Class::Bulk);
    assert_eq!(sizes(&network, 0).0, 500);
    assert!(changes(&network.client_events).iter().all(|(_, octets, repeat)| *octets == 500 && *repeat));
    network.type_for(ms(3000));
    assert_eq!(sizes(&network, 0).0, 1036);
    network.refuses = |_| false;
    network.type_for(ms(610_000));
    network = large(network);
    network.type_for(ms(30_000));
    assert_eq!(sizes(&network, 0).0, 1472, "it is asked again");
}

#[test]
fn a_refused_probe_costs_no_time() {
    let mut network = one_path(1500, 1500);
    network.refuses = |transmit| transmit.dont_fragment && transmit.bytes.len() + 28 > 1420;
    network.type_for(ms(3000));
    assert_eq!(sizes(&network, 0).0, 1392);
    let padded = network.departures.iter().filter(|d| d.dont_fragment && d.from == Side::Client).count();
    assert!(padded <= 3, "{padded}");
}

#[test]
fn a_system_that_cannot_set_df_stays_with_the_safe_size() {
    let mut network = one_path(1500, 1500);
    network.refuses = |transmit| transmit.dont_fragment;
    network.type_for(ms(5000));
    assert_eq!(sizes(&network, 0).0, 1252);
    // Black holes are found all the same: whether data passes is asked without DF.
    network.uplinks[0].up.mtu = 1000;
    network.send(Side::Client, vec![7; 1100], Class::Bulk);
    network.run(ms(200));
    assert_eq!(sizes(&network, 0).0, 972);
}

#[test]
fn a_router_s_word_shortens_the_search_and_nothing_else() {
    let mut network = one_path(1420, 1500);
    network.run(ms(500));
    let path = network.flow_of(0).path;
    let mut seen = 0;
    for _ in 0..2500 {
        network.run(ms(1));
        network.client.set_active(network.now);
        network.server.set_active(network.now);
        let large = network.departures[seen..]
            .iter()
            .any(|d| d.dont_fragment && d.from == Side::Client && d.bytes.len() > 1392);
        seen = network.departures.len();
        if large {
            network.client.handle_packet_too_big(&path, 1420, network.now);
            network.settle();
        }
    }
    assert_eq!(sizes(&network, 0).0, 1392);
    let padded = network.departures.iter().filter(|d| d.dont_fragment && d.from == Side::Client).count();
    assert_eq!(padded, 2, "the one that was too large, and the one that it said would pass");
    // What is in use is proved: nobody's word takes it away.
    network.client.handle_packet_too_big(&path, 68, network.now);
    network.run(ms(100));
    assert_eq!(sizes(&network, 0).0, 1392);
}

#[test]
fn a_padded_probe_is_told_as_one() {
    let mut network = one_path(1500, 1500);
    network.type_for(ms(3000));
    let told = network
        .client_events
        .iter()
        .filter(|(_, event)| matches!(event, Event::Sent { kind: SentKind::PaddedProbe, bytes: 1472, .. }))
        .count();
    assert_eq!(told, 1);
    assert_eq!(changes(&network.client_events).len(), 1);
}
