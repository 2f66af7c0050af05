//! What is sent and woken up for, and what is not: copies, probes of metered paths, the end of a loss. SPEC [S-2], [S-5],
//! [P-5], [P-8].

mod network;

use mpmosh_net::{Class, Config, Instant, Reason, Redundancy, Side};
use network::{Network, ms, uplink};
use std::time::Duration;

const OFF: Config = Config::new().with_redundancy(Redundancy::Off).with_keepalive(Duration::from_secs(3));

fn session(ways: usize, config: Config) -> Network {
    let ups = [uplink("10.0.1.1", 2, 40), uplink("10.0.2.1", 3, 80)];
    let mut network = Network::new(&ups[..ways], &["10.9.0.1"], config);
    network.echo = Some(ms(0));
    network.type_for(ms(10_000));
    network
}

/// How often the client woke up because a loss was over.
fn woken_by_loss(network: &Network) -> usize {
    network.wakes.iter().filter(|(_, reason)| matches!(reason, Reason::Loss(_))).count()
}

/// One datagram of the server's is lost.
fn lose_one(network: &mut Network) {
    network.blackhole(0, false, true);
    network.key_press();
    network.run(ms(30));
    network.blackhole(0, false, false);
}

#[test]
fn the_end_of_a_loss_wakes_a_client_that_has_a_choice() {
    for (ways, times) in [(2, 1), (1, 0)] {
        let mut network = session(ways, OFF);
        lose_one(&mut network);
        network.type_for(ms(5000));
        assert_eq!(network.flow_of(0).loss_in, 1, "{ways}");
        assert_eq!(woken_by_loss(&network), times, "with {ways} paths");
    }
}

#[test]
fn a_sleeping_client_is_not_woken_for_the_end_of_a_loss() {
    let mut network = session(2, OFF);
    network.run(ms(120_000));
    // The answers to three requests are lost, each by itself, so that it is loss and no outage.
    for _ in 0..3 {
        let asked = network.departures.len();
        while network.departures.len() == asked {
            network.run(ms(10));
        }
        network.blackhole(0, false, true);
        network.run(ms(30));
        network.blackhole(0, false, false);
        network.run(ms(4000));
    }
    network.run(ms(20_000));
    assert!(network.flow_of(0).loss_in > 0);
    assert_eq!(woken_by_loss(&network), 0);
}

#[test]
fn always_means_that_a_payload_goes_on_both_paths_after_a_pause_too() {
    for (redundancy, copied) in [(Redundancy::Always, true), (Redundancy::Off, false)] {
        let mut network = session(2, OFF.with_redundancy(redundancy));
        network.run(ms(30_000));
        let now = network.now;
        // Without a word of the user's: what a program writes to the other end, say.
        network.client.send(vec![b'x'; 100], Class::Interactive);
        network.settle();
        let on = |uplink| network.first_departure(Side::Client, uplink, now, true);
        assert_eq!((on(0), on(1).is_some()), (Some(now), copied), "{redundancy:?}");
    }
}

/// Two paths, of which the second is metered.
fn metered() -> Network {
    let mut ups = [uplink("10.0.1.1", 2, 40), uplink("10.0.2.1", 3, 80)];
    ups[1].candidate.metered = true;
    let auto = OFF.with_redundancy(Redundancy::Auto);
    let mut network = Network::new(&ups, &["10.9.0.1"], auto);
    network.echo = Some(ms(0));
    network.type_for(ms(10_000));
    network
}

#[test]
fn a_metered_path_gets_copies_when_more_than_one_datagram_in_a_hundred_is_lost() {
    let mut network = metered();
    for (lost, copied) in [(0, false), (1, false), (2, true)] {
        if lost > 0 {
            network.blackhole(0, true, false);
            network.key_press();
            network.run(ms(10));
            network.blackhole(0, false, false);
            network.run(ms(490));
        }
        let since = network.now;
        network.type_for(ms(1000));
        let told = network.flow_of(0).loss_out;
        assert_eq!(told, [0, 1, 3][lost], "of 64");
        assert_eq!(network.first_departure(Side::Client, 1, since, true).is_some(), copied, "{lost} lost");
    }
}

#[test]
fn a_metered_path_is_probed_every_ten_seconds_while_the_user_types() {
    let mut network = metered();
    let since = network.now;
    network.type_for(ms(61_000));
    let ip = network.uplinks[1].candidate.addr.ip;
    let sent = network.departures.iter().filter(|d| d.at >= since && d.from == Side::Client);
    let at: Vec<Instant> = sent.filter(|d| d.path.local.ip == ip).map(|d| d.at).collect();
    assert_eq!(at.len(), 7, "{at:?}");
    assert!(at.windows(2).all(|pair| pair[1].since(pair[0]) == ms(10_000)), "{at:?}");
}
