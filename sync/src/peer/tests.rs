use super::*;
use alloc::collections::VecDeque;
use alloc::vec;
use core::net::SocketAddr;
use net::{Config, Dialect, DialectName, Ecn, InterfaceKind, Key, LocalAddr, Path, Side};

/// What is said when asked, and how often something was to be said again.
#[derive(Default)]
struct Script {
    says: VecDeque<Outgoing>,
    wakes: Option<Instant>,
    newest: usize,
    unanswered: usize,
}

impl Exchange for Script {
    fn poll_transmit(&mut self, link: &Link, _now: Instant) -> Option<Outgoing> {
        if link.connected { self.says.pop_front() } else { None }
    }

    fn poll_timeout(&self, _link: &Link, _now: Instant) -> Option<(Instant, Wake)> {
        self.wakes.map(|at| (at, Wake::Exchange(Reason::Frame)))
    }

    fn repeat_newest(&mut self, _now: Instant) {
        self.newest += 1;
    }

    fn repeat_unanswered(&mut self, _now: Instant) {
        self.unanswered += 1;
    }
}

const START: Instant = Instant::from_micros(1_000_000_000);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn says(byte: u8) -> Outgoing {
    Outgoing { payload: vec![byte; 20], fragments_in_instruction: 1, new: true, acknowledges: false }
}

fn local(last: u8) -> LocalAddr {
    LocalAddr { ip: [10, 0, 0, last].into(), interface: None }
}

fn server_address() -> SocketAddr {
    ([192, 0, 2, 1], 60_001).into()
}

/// A client with one interface, and its server.
fn ends() -> [Peer<Script>; 2] {
    let key = Key::from_bytes(&[7; 32]).unwrap();
    let dialect = |side| Dialect::new(DialectName::Multipath, &key, side).unwrap();
    let mut client = Connection::client(dialect(Side::Client), &[server_address()], Config::new(), START);
    let server = Connection::server(dialect(Side::Server), Config::new().with_port(60_001), START);
    has(&mut client, &[1], START);
    [client, server].map(|connection| Peer::new(connection, Script::default()))
}

/// The client's interfaces have these addresses, all with a route.
fn has(client: &mut Connection, addresses: &[u8], now: Instant) {
    let candidates: Vec<_> =
        addresses.iter().map(|last| net::Candidate::new(local(*last), InterfaceKind::Ethernet)).collect();
    client.handle_interfaces(&candidates, now);
    client.handle_paths(&client.candidate_paths(), now);
}

/// Everything that one end has to say now, handed to the other. What was made of each datagram.
fn carry(from: &mut Peer<Script>, to: &mut Peer<Script>, now: Instant) -> Vec<Arrival> {
    let mut arrivals = Vec::new();
    while let Some(mut transmit) = from.poll_transmit(true, |_| 1, now) {
        let local = LocalAddr { ip: transmit.path.remote.ip(), interface: None };
        // The client's port is whatever its socket has.
        let port = if transmit.path.remote == server_address() { 40_000 } else { 60_001 };
        let path = Path { local, remote: (transmit.path.local.ip, port).into() };
        arrivals.push(to.handle_datagram(Received::new(path, Ecn::NotEct, &mut transmit.bytes), now));
    }
    arrivals
}

fn sent(peer: &Peer<Script>, kind: net::SentKind) -> u64 {
    peer.connection.flows().map(|flow| flow.traffic_out.of(kind).datagrams).sum()
}

#[test]
fn what_the_exchange_says_goes_before_what_the_paths_say_and_carries_their_answers() {
    let [mut client, mut server] = ends();
    client.exchange.says.push_back(says(b'a'));
    let arrivals = carry(&mut client, &mut server, START);
    assert_eq!(arrivals[0], Arrival { authentic: true, payload: Some(vec![b'a'; 20]) });
    // An answer is due. What there is to say before it leaves none to be sent.
    let now = START + ms(1);
    server.exchange.says.push_back(says(b'b'));
    let arrivals = carry(&mut server, &mut client, now);
    assert_eq!(arrivals.iter().filter(|arrival| arrival.payload.is_some()).count(), 1);
    server.connection.handle_timeout(now + ms(10));
    assert_eq!(sent(&server, net::SentKind::Answer), 0);
    assert!(client.connection.current_path().is_some_and(|path| path.local == local(1)));
}

#[test]
fn an_end_that_may_not_speak_is_not_asked_and_its_paths_go_on() {
    let [mut client, _] = ends();
    client.exchange.says.push_back(says(b'a'));
    let mut datagrams = 0;
    while client.poll_transmit(false, |_| 1, START).is_some() {
        datagrams += 1;
    }
    assert!(datagrams > 0, "the addresses are asked for all the same");
    assert_eq!((client.exchange.says.len(), sent(&client, net::SentKind::Data)), (1, 0));
}

#[test]
fn a_payload_goes_as_often_as_its_owner_says() {
    let [mut client, mut server] = ends();
    client.exchange.says.push_back(says(b'a'));
    let asked = |peer: &Peer<Script>| if peer.exchange.says.is_empty() { 3 } else { 1 };
    let mut payloads = 0;
    while let Some(mut transmit) = client.poll_transmit(true, asked, START) {
        let path = Path { local: local(9), remote: ([10, 0, 0, 1], 40_000).into() };
        let received = Received::new(path, Ecn::NotEct, &mut transmit.bytes);
        payloads += usize::from(server.handle_datagram(received, START).payload.is_some());
    }
    assert_eq!(payloads, 3);
}

#[test]
fn noise_is_not_of_the_other_end_and_a_probe_is() {
    let [mut client, mut server] = ends();
    let path = Path { local: local(9), remote: ([10, 0, 0, 1], 40_000).into() };
    let noise = server.handle_datagram(Received::new(path, Ecn::NotEct, &mut [0; 40]), START);
    assert_eq!(noise, Arrival::default());
    let probes = carry(&mut client, &mut server, START);
    assert!(!probes.is_empty());
    assert!(probes.iter().all(|arrival| *arrival == Arrival { authentic: true, payload: None }));
}

#[test]
fn what_may_be_lost_is_said_again_as_the_paths_tell() {
    let [mut client, mut server] = ends();
    has(&mut client.connection, &[1, 2], START);
    client.exchange.says.push_back(says(b'a'));
    carry(&mut client, &mut server, START);
    carry(&mut server, &mut client, START + ms(40));
    while client.poll_event(START + ms(40)).is_some() {}
    // The first answer of all tells that there is a way.
    assert_eq!((client.exchange.newest, client.exchange.unanswered), (0, 1));

    // A key that is not answered: the path is in doubt.
    let mut now = START + ms(100);
    client.connection.set_active(now);
    client.exchange.says.push_back(says(b'b'));
    loop {
        client.connection.handle_timeout(now);
        while client.poll_transmit(true, |_| 1, now).is_some() {}
        while client.poll_event(now).is_some() {}
        if client.exchange.unanswered > 1 {
            break;
        }
        now = client.poll_timeout(now).expect("an answer is due").0;
        assert!(now < START + ms(1000), "nothing is noticed");
    }
    assert_eq!(client.exchange.newest, 0);

    // The interface in use goes: the newest is said again.
    let gone = client.connection.current_path().map(|path| path.local);
    let left = if gone == Some(local(1)) { 2 } else { 1 };
    has(&mut client.connection, &[left], now);
    while client.poll_event(now).is_some() {}
    assert_eq!(client.exchange.newest, 1);

    // And after a sleep, whatever the paths tell.
    client.handle_resume(Duration::from_secs(60), now);
    assert_eq!(client.exchange.newest, 2);
}

#[test]
fn the_first_of_all_times_is_named_with_its_reason() {
    let [mut client, _] = ends();
    client.connection.handle_timeout(START);
    while client.poll_transmit(true, |_| 1, START).is_some() {}
    let (paths, reason) = client.poll_timeout(START).unwrap();
    assert!(matches!(reason, Wake::Paths(_)));
    client.exchange.wakes = Some(paths + ms(1));
    assert_eq!(client.poll_timeout(START), Some((paths, reason)));
    client.exchange.wakes = Some(START + ms(1));
    assert_eq!(client.poll_timeout(START), Some((START + ms(1), Wake::Exchange(Reason::Frame))));
    let own = Some((START, Wake::Own("mine")));
    assert_eq!(Wake::first([own, None, client.poll_timeout(START)]), own);
    assert_eq!(
        [reason, Wake::Exchange(Reason::Frame), Wake::Own("mine")].map(Wake::as_str),
        ["paths", "exchange", "mine"]
    );
}
