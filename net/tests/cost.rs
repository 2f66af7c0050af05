//! What is sent and woken up for, and what is not: copies, probes of metered paths, the end of a loss. SPEC [S-2], [S-5],
//! [P-5], [P-8].

mod network;

use mpmosh_net::{Config, Reason, Redundancy};
use network::{Network, ms, uplink};
use std::time::Duration;

const OFF: Config =
    Config { redundancy: Redundancy::Off, port: 0, keepalive: Duration::from_secs(3), hears_routers: true };

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
