//! What an attacker, or noise, can do: nothing but be counted. SPEC [K-1] to [K-8], [A-1] to.
#![expect(clippy::unwrap_used, reason = "tests")]

mod network;

use mpmosh_net::{
    Class, Config, Connection, Dialect, DialectName, Discard, Event, FlowState, Key, LocalAddr, Path,
    Redundancy, Side,
};
use network::{Departure, Network, SERVER_PORT, ms, uplink};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

const OFF: Config = Config::new().with_redundancy(Redundancy::Off).with_keepalive(Duration::from_secs(3));

fn session() -> Network {
    let mut network =
        Network::new(&[uplink("10.0.1.1", 2, 40), uplink("10.0.2.1", 3, 80)], &["10.9.0.1"], OFF);
    network.echo = Some(ms(0));
    network.type_for(ms(1000));
    network.run(ms(300));
    network
}

fn at_server(from: &str) -> Path {
    Path {
        local: LocalAddr { ip: "10.9.0.1".parse().unwrap(), interface: NonZeroU32::new(1) },
        remote: from.parse().unwrap(),
    }
}

fn at_client() -> Path {
    Path {
        local: LocalAddr { ip: "10.0.1.1".parse().unwrap(), interface: NonZeroU32::new(2) },
        remote: SocketAddr::new("10.9.0.1".parse().unwrap(), SERVER_PORT),
    }
}

const ATTACKER: &str = "203.0.113.66:666";

/// Nothing that the session depends on has changed, and nothing goes to the attacker.
fn unharmed(network: &mut Network) {
    let since = network.now;
    let keys = network.type_for(ms(500));
    network.run(ms(200));
    assert!(keys.iter().all(|key| network.echo_of(key) == Some(ms(40))));
    let attacker: SocketAddr = ATTACKER.parse().unwrap();
    assert!(network.departures.iter().all(|departure| departure.path.remote != attacker));
    assert_eq!(network.chosen(), Some(network.flow_of(0).id));
    assert!(network.now > since);
}

fn last(network: &Network, from: Side) -> Departure {
    network.departures.iter().rfind(|departure| departure.from == from).unwrap().clone()
}

#[test]
fn a_truncated_datagram_is_counted() {
    let mut network = session();
    let whole = last(&network, Side::Client).bytes;
    for length in [0, 1, 7, 8, 24, 29] {
        assert_eq!(
            network.inject(Side::Server, at_server(ATTACKER), &whole[..length]),
            Err(Discard::Truncated)
        );
    }
    assert_eq!(network.inject(Side::Client, at_client(), &[]), Err(Discard::Truncated));
    assert_eq!(network.server.discards().count(Discard::Truncated), 6);
    unharmed(&mut network);
}

#[test]
fn an_oversized_datagram_is_counted() {
    let mut network = session();
    assert_eq!(network.inject(Side::Server, at_server(ATTACKER), &[0; 65_507]), Err(Discard::TooLong));
    assert_eq!(network.server.discards().count(Discard::TooLong), 1);
    unharmed(&mut network);
}

#[test]
fn a_forged_datagram_is_counted() {
    let mut network = session();
    let mut bytes = last(&network, Side::Client).bytes;
    // A sequence number from the future, so that only the tag can tell.
    bytes[4] ^= 0x40;
    assert_eq!(network.inject(Side::Server, at_server(ATTACKER), &bytes), Err(Discard::Forged));
    assert_eq!(network.server.discards().count(Discard::Forged), 1);
    unharmed(&mut network);
}

#[test]
fn a_replayed_datagram_moves_nothing_and_is_not_answered() {
    let mut network = session();
    let all: Vec<Departure> = network.departures.clone();
    for departure in all.iter().filter(|departure| departure.from == Side::Client) {
        for _ in 0..5 {
            assert_eq!(
                network.inject(Side::Server, at_server(ATTACKER), &departure.bytes),
                Err(Discard::Replayed)
            );
        }
    }
    unharmed(&mut network);
}

#[test]
fn a_reflected_datagram_is_counted() {
    let mut network = session();
    for departure in network.departures.clone() {
        let (to, path) = match departure.from {
            Side::Client => (Side::Client, at_client()),
            Side::Server => (Side::Server, at_server(ATTACKER)),
        };
        assert_eq!(network.inject(to, path, &departure.bytes), Err(Discard::Reflected));
    }
    unharmed(&mut network);
}

#[test]
fn an_unknown_flow_is_counted_on_either_end() {
    let mut network = session();
    let mut bytes = last(&network, Side::Client).bytes;
    bytes[1] = 64;
    assert_eq!(network.inject(Side::Server, at_server(ATTACKER), &bytes), Err(Discard::UnknownFlow));
    bytes[0] = 0x7F;
    assert_eq!(network.inject(Side::Server, at_server(ATTACKER), &bytes), Err(Discard::UnknownFlow));
    let mut bytes = last(&network, Side::Server).bytes;
    bytes[1] = 17;
    assert_eq!(network.inject(Side::Client, at_client(), &bytes), Err(Discard::UnknownFlow), "never opened");
    unharmed(&mut network);
}

#[test]
fn an_address_list_sent_to_a_server_is_counted() {
    let mut network = session();
    // Whoever holds the key can still make no sense: a server's list, in the client's direction.
    let bytes = insider_datagram(Side::Client, 9, &[0, 2, 0x12, 0x34, 0xFF, 0xFF, 7, 4, 0, 1, 192, 0, 2, 1]);
    assert_eq!(
        network.inject(Side::Server, at_server("10.0.1.1:40000"), &bytes),
        Err(Discard::UnexpectedAddresses)
    );
}

#[test]
fn an_address_list_that_was_not_asked_for_is_counted_and_nothing_is_sent_there() {
    let mut network = session();
    network.run(ms(200));
    let before = network.client.candidate_paths();
    let mut taken = 0;
    for n in 0..100_u8 {
        let mut plaintext = vec![0, 2, 0x12, 0x34, 0xFF, 0xFF];
        plaintext.extend_from_slice(&[7, 4, 0xEA, 0x61, 198, 18, 0, n]);
        let bytes = insider_datagram(Side::Server, 1 << 40 | u64::from(n), &plaintext);
        match network.inject(Side::Client, at_client(), &bytes) {
            Err(Discard::UnexpectedAddresses) => {}
            Ok(None) => taken += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(taken <= 2, "no more than a request asks for");
    assert!(network.client.candidate_paths().len() <= before.len() + 2);
}

#[test]
fn a_malformed_address_list_is_counted_and_changes_no_path() {
    let mut network = session();
    let before = network.client.candidate_paths();
    for (sequence, list) in
        [&[0][..], &[7, 4, 0, 1, 192, 0, 2], &[255, 4], &[2, 4, 0], &[19, 4, 0, 1, 1, 2, 3, 4]]
            .into_iter()
            .enumerate()
    {
        let mut plaintext = vec![0, 2, 0x12, 0x34, 0xFF, 0xFF];
        plaintext.extend_from_slice(list);
        let bytes = insider_datagram(Side::Server, 1 << 40 | sequence as u64, &plaintext);
        assert_eq!(network.inject(Side::Client, at_client(), &bytes), Err(Discard::MalformedAddresses));
    }
    assert_eq!(network.client.candidate_paths(), before);
    assert_eq!(network.client.discards().count(Discard::MalformedAddresses), 5);
}

#[test]
fn contradictory_flags_and_empty_payloads_are_counted() {
    let mut network = session();
    for (sequence, plaintext, reason) in [
        (1 << 40, &[0, 3, 0, 0, 0, 0][..], Discard::ContradictoryFlags),
        (1 << 40 | 1, &[0, 0, 0, 0, 0xFF, 0xFF], Discard::Empty),
        (1 << 40 | 2, &[0, 0, 0], Discard::Truncated),
    ] {
        let bytes = insider_datagram(Side::Client, sequence, plaintext);
        assert_eq!(network.inject(Side::Server, at_server("10.0.1.1:40000"), &bytes), Err(reason));
    }
}

/// A datagram on flow 0 sealed with the session's key, whatever it says.
fn insider_datagram(from: Side, sequence: u64, plaintext: &[u8]) -> Vec<u8> {
    use chacha20poly1305::aead::{AeadInOut, KeyInit};
    let direction = if from == Side::Client { 0 } else { 1 << 63 };
    let word: u64 = direction | 1 << 46 | sequence;
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&word.to_be_bytes());
    let cipher = chacha20poly1305::ChaCha20Poly1305::new(&[7; 32].into());
    let mut sealed = plaintext.to_vec();
    cipher.encrypt_in_place(&nonce.into(), b"", &mut sealed).unwrap();
    [word.to_be_bytes().to_vec(), sealed].concat()
}

#[test]
fn an_overtaken_question_is_counted_and_not_answered_but_its_payload_counts() {
    let mut network = session();
    let probe = insider_datagram(Side::Client, 5, &[0, 1, 0x12, 0x34, 0xFF, 0xFF]);
    let request = insider_datagram(Side::Client, 6, &[0, 2, 0x12, 0x34, 0xFF, 0xFF]);
    let data = insider_datagram(Side::Client, 7, &[0, 0, 0x12, 0x34, 0xFF, 0xFF, b'h', b'i']);
    let newest = insider_datagram(Side::Client, 8, &[0, 0, 0x12, 0x34, 0xFF, 0xFF, b'n']);
    assert_eq!(network.inject(Side::Server, at_server("10.0.1.1:40000"), &newest), Ok(Some(b"n".to_vec())));
    network.run(ms(10));
    let sent = network.departures.len();
    assert_eq!(network.inject(Side::Server, at_server(ATTACKER), &request), Err(Discard::Overtaken));
    assert_eq!(network.inject(Side::Server, at_server(ATTACKER), &probe), Err(Discard::Overtaken));
    assert_eq!(network.inject(Side::Server, at_server(ATTACKER), &data), Ok(Some(b"hi".to_vec())));
    assert_eq!(network.departures.len(), sent, "nothing was answered");
    let attacker: SocketAddr = ATTACKER.parse().unwrap();
    network.run(ms(1000));
    assert!(network.departures.iter().all(|departure| departure.path.remote != attacker));
}

#[test]
fn address_lists_are_sent_once_in_a_round_trip_however_often_they_are_asked_for() {
    let mut network = session();
    network.run(ms(2000));
    let sent = network.server_events.len();
    for sequence in 10..110 {
        let request = insider_datagram(Side::Client, sequence, &[0, 2, 0x12, 0x34, 0xFF, 0xFF]);
        let _ = network.inject(Side::Server, at_server("10.0.1.1:40000"), &request);
    }
    let lists = network.server_events[sent..]
        .iter()
        .filter(|(_, event)| matches!(event, Event::Sent { kind: mpmosh_net::SentKind::AddressList, .. }));
    assert_eq!(lists.count(), 1);
}

#[test]
fn an_address_that_is_not_validated_gets_at_most_three_times_what_it_sent() {
    let many: Vec<String> = (1..=20).map(|n| format!("10.9.0.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut network = Network::new(&[uplink("10.0.1.1", 2, 40)], &many, OFF);
    // The client's first datagrams are taken away, and sent from the attacker's address instead.
    network.blackhole(0, true, true);
    network.run(ms(1));
    let stolen: Vec<Departure> = network.departures.clone();
    let mut got = 0;
    for departure in &stolen {
        got += departure.bytes.len();
        let _ = network.inject(Side::Server, at_server(ATTACKER), &departure.bytes);
    }
    for n in 0..50 {
        network.send(Side::Server, vec![n; 200], Class::Interactive);
        network.run(ms(100));
    }
    let attacker: SocketAddr = ATTACKER.parse().unwrap();
    let reflected: usize =
        network.departures.iter().filter(|d| d.path.remote == attacker).map(|d| d.bytes.len()).sum();
    assert!(got > 0 && reflected > 0 && reflected <= 3 * got, "{reflected} for {got}");
}

#[test]
fn a_stolen_in_order_datagram_does_not_take_the_session_with_it() {
    let mut network = session();
    network.blackhole(0, true, false);
    network.key_press();
    let stolen = last(&network, Side::Client);
    network.blackhole(0, false, false);
    let stolen_size = stolen.bytes.len();
    let _ = network.inject(Side::Server, at_server(ATTACKER), &stolen.bytes);
    let keys = network.type_for(ms(1000));
    network.run(ms(200));
    for n in 0..20 {
        network.send(Side::Server, vec![n; 200], Class::Bulk);
        network.run(ms(100));
    }
    assert!(keys[1..].iter().all(|key| network.echo_of(key).unwrap() <= ms(140)));
    let attacker: SocketAddr = ATTACKER.parse().unwrap();
    let reflected: usize =
        network.departures.iter().filter(|d| d.path.remote == attacker).map(|d| d.bytes.len()).sum();
    assert!(reflected <= 3 * stolen_size, "{reflected}");
    let at: Vec<Path> = network.server.flows().map(|flow| flow.path).collect();
    assert!(at.iter().all(|path| path.remote != attacker));
}

/// An observer whose copies of the client's datagrams are at the server before the client's own, which are then replays.
#[test]
fn an_observer_who_is_faster_than_the_path_costs_the_session_nothing() {
    let mut network = session();
    let attacker: SocketAddr = ATTACKER.parse().unwrap();
    let began = network.now;
    let (mut copied, mut stolen, mut keys) = (network.departures.len(), 0, Vec::new());
    for _ in 0..40 {
        keys.push((network.now, network.key_press()));
        for _ in 0..100 {
            let from = copied;
            copied = network.departures.len();
            let fresh: Vec<Departure> = network.departures[from..copied].to_vec();
            for departure in fresh.iter().filter(|departure| departure.from == Side::Client) {
                stolen += departure.bytes.len();
                let heard = network.inject(Side::Server, at_server(ATTACKER), &departure.bytes);
                if let Ok(Some(payload)) = heard {
                    network.send(Side::Server, payload, Class::Interactive);
                }
            }
            network.run(ms(1));
        }
    }
    network.run(ms(1000));
    let worst = keys.iter().map(|key| network.echo_of(key).unwrap()).max().unwrap();
    assert!(worst <= ms(48), "{worst:?}");
    let sent = |to: &dyn Fn(&Departure) -> bool| -> usize {
        let departures = network.departures.iter().filter(|departure| departure.at >= began);
        departures
            .filter(|departure| departure.from == Side::Server && to(departure))
            .map(|d| d.bytes.len())
            .sum()
    };
    let reflected = sent(&|departure| departure.path.remote == attacker);
    assert!(reflected <= 3 * stolen, "{reflected} for {stolen}");
    // What went elsewhere is no loss of this path.
    assert!(network.client.flows().all(|flow| flow.loss_in < 5), "{:?}", network.flow_of(0).loss_in);
}

#[test]
fn a_client_that_really_moved_is_followed_within_a_round_trip() {
    let mut network = session();
    network.uplinks[0].nat = 1000;
    let moved = network.now;
    network.key_press();
    network.run(ms(300));
    let roamed =
        network.server_events.iter().rfind(|(_, event)| matches!(event, Event::Roamed { .. })).unwrap();
    assert_eq!(roamed.0.since(moved), ms(60), "up, challenged, answered");
    assert_eq!(network.server.flows().next().unwrap().path.remote.port(), 41_000);
}

#[test]
fn icmp_only_hastens_suspicion() {
    let mut network = session();
    let path = network.flow_of(0).path;
    network.client.handle_icmp(&path, network.now);
    network.settle();
    assert_eq!(network.flow_of(0).state, FlowState::Answering, "nothing was due");
    network.key_press();
    network.run(ms(5));
    let told = network.now;
    network.client.handle_icmp(&path, told);
    network.run(Duration::ZERO);
    assert_eq!(network.flow_of(0).state, FlowState::Suspect);
    let copied = network.first_departure(Side::Client, 1, told, true);
    assert_eq!(copied, Some(told), "what was due goes another way too, at once");
    let before = network.client.flows().map(|flow| flow.sent()).sum::<u64>();
    for _ in 0..400 {
        network.client.handle_icmp(&path, network.now);
        network.server.handle_icmp(&path, network.now);
        if network.now.as_millis() % 100 < 10 {
            network.key_press();
        }
        network.run(ms(10));
    }
    let forged = network.client.flows().map(|flow| flow.sent()).sum::<u64>() - before;
    assert!(forged <= 40 * 3, "{forged} datagrams for 40 keys");
    network.run(ms(500));
    assert_eq!(network.flow_of(0).state, FlowState::Answering);
    unharmed(&mut network);
}

#[test]
fn a_flood_of_forgeries_ends_nothing_and_costs_no_memory() {
    let mut network = session();
    let mut bytes = last(&network, Side::Client).bytes;
    for n in 0..20_000u32 {
        bytes[10..14].copy_from_slice(&n.to_be_bytes());
        bytes[1] = (n % 64) as u8;
        bytes[3] = 1;
        let _ = network.inject(Side::Server, at_server(ATTACKER), &bytes);
    }
    assert_eq!(network.server.discards().count(Discard::Forged), 20_000);
    assert_eq!(network.server.flows().count(), 2);
    unharmed(&mut network);
}

/// A session whose networks come and go: each step is what happens, to which of three uplinks, and how long it lasts in
/// milliseconds. No nonce may be used twice.
fn wander(steps: &[(u8, usize, u64)]) {
    let ups = [uplink("10.0.1.1", 2, 40), uplink("10.0.2.1", 3, 80), uplink("10.0.3.1", 4, 20)];
    let mut network = Network::new(&ups, &["10.9.0.1", "10.9.0.2"], Config::default());
    network.echo = Some(ms(3));
    for (index, &(step, which, time)) in steps.iter().enumerate() {
        match step {
            0 => network.blackhole(which, true, true),
            1 => network.blackhole(which, false, true),
            2 => network.blackhole(which, false, false),
            3 => {
                network.uplinks[which].present = false;
                network.interfaces_changed();
            }
            4 => {
                network.uplinks[which].present = true;
                network.interfaces_changed();
            }
            5 => {
                let now = network.now;
                network.client.handle_resume(Duration::from_secs(time), now);
                network.settle();
            }
            6 => {
                // Another address on the same interface: ids are bound again and again.
                network.uplinks[which].candidate.addr.ip = format!("10.{which}.{index}.7").parse().unwrap();
                network.interfaces_changed();
            }
            _ => {
                network.key_press();
            }
        }
        network.run(ms(time));
    }
    let mut used = BTreeSet::new();
    for departure in &network.departures {
        assert!(used.insert(departure.nonce_word()));
        assert_eq!(departure.nonce_word() >> 63 == 1, departure.from == Side::Server);
    }
}

/// Found by the property below: an address in validation whose allowance was smaller than a datagram's overhead, when
/// the address list for it was cut to that allowance.
#[test]
fn an_allowance_smaller_than_a_header_is_no_room_at_all() {
    wander(&[
        (2, 0, 80),
        (0, 1, 1),
        (1, 2, 1),
        (3, 0, 1),
        (7, 0, 12_659),
        (6, 2, 1913),
        (0, 0, 1561),
        (5, 0, 21),
        (2, 0, 13_195),
        (2, 1, 7910),
    ]);
}

/// Found by the property below: the hop of all ports was overdue as soon as something was asked again after a time with
/// nowhere to ask.
#[test]
fn a_client_that_had_nowhere_to_ask_does_not_take_that_for_silence() {
    wander(&[
        (0, 2, 9697),
        (2, 0, 5876),
        (2, 0, 12_364),
        (0, 1, 8680),
        (3, 1, 13_055),
        (0, 1, 10_328),
        (0, 1, 11_214),
        (0, 1, 4452),
        (2, 2, 8446),
    ]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// SPEC [K-3]: across rebinding, hopping, hedging, copies, sleeping and waking.
    #[test]
    fn no_nonce_is_ever_used_twice(steps in proptest::collection::vec((0..8u8, 0..3usize, 1..15_000u64), 1..40)) {
        wander(&steps);
    }

    #[test]
    fn no_octets_can_harm_a_session(junk: Vec<Vec<u8>>) {
        let mut network = session();
        for bytes in junk {
            prop_assert!(network.inject(Side::Server, at_server(ATTACKER), &bytes).is_err());
            prop_assert!(network.inject(Side::Client, at_client(), &bytes).is_err());
        }
        unharmed(&mut network);
    }

    /// Whoever holds the key may say anything: nothing panics, nothing loops.
    #[test]
    fn no_authentic_plaintext_can_harm(plaintexts in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..60), 0..200u64), 1..40)) {
        let mut network = session();
        for (sequence, (client, plaintext, time)) in plaintexts.into_iter().enumerate() {
            let (from, to, path) = if client {
                (Side::Client, Side::Server, at_server("10.0.1.1:40000"))
            } else {
                (Side::Server, Side::Client, at_client())
            };
            let bytes = insider_datagram(from, sequence as u64, &plaintext);
            let _ = network.inject(to, path, &bytes);
            network.run(ms(time));
        }
    }
}

#[test]
fn a_datagram_of_another_session_is_forged() {
    let mut network = session();
    let mut other = Dialect::new(DialectName::Multipath, &Key::from_bytes(&[8; 32]).unwrap(), Side::Client)
        .map(|dialect| Connection::client(dialect, &[at_client().remote], OFF, network.now))
        .unwrap();
    other.handle_interfaces(&[network.uplinks[0].candidate], network.now);
    other.handle_paths(&other.candidate_paths(), network.now);
    let mut bytes = other.poll_transmit(network.now).unwrap().bytes;
    // The same session id space: move it past what was received, so that only the tag can tell.
    bytes[3] = 1;
    assert_eq!(network.inject(Side::Server, at_server(ATTACKER), &bytes), Err(Discard::Forged));
    unharmed(&mut network);
}
