//! What a session costs on real kernels, by count: no time is judged here, the benchmark does that.
#![cfg(target_os = "linux")]

use mpmosh_tests::lab::Subject;
use mpmosh_tests::lab::scenario::frugal::{Network, fare, flood};

#[test]
fn a_flood_of_one_line_is_not_sent_frame_by_frame() {
    // Mosh sends some 2 to 3 kB; a session that draws half lines sent 80.
    let octets = flood(&Subject::mpmosh()).unwrap();
    assert!(octets <= 12_000, "{octets}");
}

#[test]
fn typing_costs_what_the_keys_and_their_echoes_need() {
    // A key, its echo and the acknowledgement of that make 30 datagrams a second; before, there were 75.
    let fare = fare(&Subject::mpmosh(), &Network::ALL[3], 100).unwrap();
    assert!(fare.keys.iter().all(|key| key.shown.is_some()));
    assert!(
        fare.datagrams <= 45.0 && fare.octets <= 4_500.0,
        "{} datagrams, {} octets",
        fare.datagrams,
        fare.octets
    );
}
