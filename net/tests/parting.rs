//! A session that changes its client: what is left of the old connection, and what a new one is spared. SPEC [K-7], [K-9].

#![expect(clippy::unwrap_used, reason = "a test")]

mod network;

use mpmosh_net::{Class, Config, Connection, Dialect, DialectName, Ecn, Path, Received, Side};
use network::{Network, SERVER_PORT, key, ms, start, uplink};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const SERVER: &str = "10.9.0.1";

/// A server takes leave of the client that types to it.
fn parted(typed: Duration) -> (Network, mpmosh_net::Farewell) {
    let ups = [uplink("10.0.1.1", 2, 40), uplink("10.0.2.1", 3, 80)];
    let mut network = Network::new(&ups, &[SERVER], Config::default());
    network.echo = Some(ms(0));
    network.type_for(typed);
    let dialect = Dialect::new(DialectName::Multipath, &key(), Side::Server).unwrap();
    let fresh = Connection::server(dialect, Config::default(), network.now);
    let farewell = std::mem::replace(&mut network.server, fresh).into_farewell(network.now).unwrap();
    (network, farewell)
}

#[test]
fn the_last_word_goes_to_where_the_client_was_and_reaches_it() {
    let (mut network, mut farewell) = parted(ms(3000));
    let chosen = network.chosen();
    let told: Vec<_> = (0..4).map(|_| farewell.transmit(b"the end").unwrap()).collect();
    let places: Vec<IpAddr> = told.iter().map(|transmit| transmit.path.remote.ip()).collect();
    let expected = ["10.0.1.1", "10.0.2.1", "10.0.1.1", "10.0.2.1"].map(|ip| ip.parse::<IpAddr>().unwrap());
    assert_eq!(places, expected, "the path in use first, then the others in turn");
    for transmit in told {
        let local =
            network.uplinks.iter().find(|uplink| uplink.candidate.addr.ip == transmit.path.remote.ip());
        let local = local.unwrap().candidate.addr;
        let path = Path { local, remote: (SERVER.parse::<IpAddr>().unwrap(), SERVER_PORT).into() };
        let payload = network.inject(Side::Client, path, &transmit.bytes).unwrap();
        assert_eq!(payload.as_deref(), Some(&b"the end"[..]));
    }
    assert_eq!(network.chosen(), chosen);
}

#[test]
fn nothing_that_the_old_client_says_moves_the_last_word() {
    let (mut network, mut farewell) = parted(ms(3000));
    let before = network.departures.len();
    let key = vec![b'k'; 40];
    network.send(Side::Client, key.clone(), Class::Interactive);
    let sent = network.departures[before..].iter().filter(|d| d.from == Side::Client && d.is_data());
    let [said, ..] = &sent.cloned().collect::<Vec<_>>()[..] else { panic!("nothing was said") };
    let elsewhere = Path { remote: "192.0.2.66:6".parse().unwrap(), ..said.path };
    let mut bytes = said.bytes.clone();
    let mut hear = |bytes: &mut [u8]| farewell.handle_datagram(Received::new(elsewhere, Ecn::Ect, bytes));
    assert_eq!(hear(&mut bytes).unwrap(), Some(key));
    // A number is taken once, and only under the key.
    assert!(hear(&mut said.bytes.clone()).is_err());
    let mut forged = said.bytes.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert!(hear(&mut forged).is_err());
    assert_ne!(farewell.transmit(b"x").unwrap().path.remote, elsewhere.remote);
}

#[test]
fn a_hundred_thousand_datagrams_are_taken_and_lead_nowhere() {
    let (mut network, mut farewell) = parted(ms(3000));
    let known = farewell.transmit(b"x").unwrap().path.remote;
    let mut taken = 0;
    for number in 0..100_000_u32 {
        network.client.send(number.to_be_bytes().repeat(10), Class::Interactive);
        while let Some(transmit) = network.client.poll_transmit(network.now) {
            let mut bytes = transmit.bytes;
            let from = SocketAddr::new(IpAddr::from(number.to_be_bytes()), 6);
            let received = Received::new(Path { remote: from, ..transmit.path }, Ecn::Ect, &mut bytes);
            taken += u32::from(farewell.handle_datagram(received).is_ok());
        }
    }
    assert!(taken >= 100_000, "{taken}");
    for _ in 0..4 {
        let path = farewell.transmit(b"x").unwrap().path;
        assert!(
            path.remote == known || network.uplinks.iter().any(|up| up.candidate.addr.ip == path.remote.ip())
        );
    }
}

#[test]
fn who_was_never_proved_to_be_there_is_told_nothing() {
    // The first datagrams of a client arrive, and nothing of what is sent back.
    let ups = [uplink("10.0.1.1", 2, 40)];
    let mut network = Network::new(&ups, &[SERVER], Config::default());
    network.blackhole(0, false, true);
    network.type_for(ms(500));
    assert!(!network.at_server.is_empty());
    let dialect = Dialect::new(DialectName::Multipath, &key(), Side::Server).unwrap();
    let fresh = Connection::server(dialect, Config::default(), network.now);
    let server = std::mem::replace(&mut network.server, fresh);
    assert!(server.into_farewell(network.now).unwrap().transmit(b"the end").is_none());
    assert!(network.client.into_farewell(network.now).is_none(), "a client has no such word");
}

/// How many octets of a large screen the server sends in answer to the first datagrams of its client.
fn first_answer(proven: Option<&str>) -> usize {
    let mut network = Network::new(&[uplink("10.0.1.1", 2, 200)], &[SERVER], Config::default());
    if let Some(ip) = proven {
        network.server.trust_address(ip.parse().unwrap());
    }
    network.send(Side::Client, b"hello".to_vec(), Class::Interactive);
    network.run_until(start() + ms(100));
    for _ in 0..10 {
        network.send(Side::Server, vec![b'x'; 400], Class::Bulk);
    }
    let sent = network.departures.iter().filter(|d| d.from == Side::Server && d.is_data());
    sent.map(|d| d.bytes.len()).sum()
}

#[test]
fn an_address_that_tcp_has_proved_gets_its_screen_at_once() {
    assert!(first_answer(Some("10.0.1.1")) > 4000);
    assert!(first_answer(Some("::ffff:10.0.1.1")) > 4000);
    // Three octets for each that came.
    assert!(first_answer(None) < 1000);
    assert!(first_answer(Some("10.0.1.2")) < 1000, "another's address proves nothing");
}
