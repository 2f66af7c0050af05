//! A client of the authors' server, and a server of their client. The peer here has their manners, which ours lacks:
//! it answers probes alone, every probe, acknowledges late and where it likes, and says everything twice. SPEC
//! \[D-1] to \[D-6].

use super::*;
use crate::flow::{FlowState, LONGEST_HOLD};
use crate::time::wire;
use crate::wire::{Clear, Header, Kind, NonceSource};
use crate::{DialectName, Discard, Ecn, InterfaceKind, Key, LocalAddr, Received, Role};
use alloc::collections::BTreeMap;
use alloc::vec;
use core::net::IpAddr;
use core::num::NonZeroU32;

const MS: fn(u64) -> Duration = Duration::from_millis;
const SERVER: &str = "10.9.0.1:60001";
/// The round trips of the two ways, in milliseconds; each direction takes half.
const WAYS: [u64; 2] = [40, 80];

fn key() -> Key {
    Key::from_bytes(&[5; 16]).unwrap()
}

fn local(way: usize) -> LocalAddr {
    LocalAddr { ip: IpAddr::from([10, 0, way as u8 + 1, 1]), interface: NonZeroU32::new(way as u32 + 2) }
}

fn candidate(addr: LocalAddr) -> Candidate {
    Candidate {
        addr,
        kind: InterfaceKind::Ethernet,
        role: Role::Primary,
        metered: false,
        lists: true,
        mtu: None,
        lingers: false,
    }
}

/// What the peer knows of a flow.
struct Known {
    nonces: NonceSource,
    expected: u64,
    saved: Option<(u16, Instant)>,
    path: Path,
}

/// The authors' server, as far as a client can tell.
struct Peer {
    dialect: Dialect,
    flows: BTreeMap<FlowId, Known>,
    /// When an acknowledgement is due, and on which flow.
    due: VecDeque<(Instant, FlowId)>,
    /// All acknowledgements go on this flow, wherever the payload came.
    answers_on: Option<FlowId>,
    list: Vec<u8>,
}

impl Peer {
    fn seal(&mut self, id: FlowId, kind: Kind, payload: &[u8], now: Instant) -> (Path, Vec<u8>) {
        let known = self.flows.get_mut(&id).unwrap();
        let reply = known.saved.take().filter(|&(_, at)| now.since(at) < LONGEST_HOLD);
        let header = Header {
            kind,
            timestamp: Some(wire::stamp(now)),
            timestamp_reply: reply.map(|(timestamp, at)| wire::add(timestamp, now.since(at))),
            loss: 0,
            congestion: false,
            largest: 0,
            after_padded: false,
        };
        (known.path, self.dialect.seal(known.nonces.next().unwrap(), &header, payload).unwrap())
    }

    fn receive(&mut self, path: Path, bytes: &mut [u8], now: Instant) -> Vec<(Path, Vec<u8>)> {
        let clear: Clear = self.dialect.peek(bytes).unwrap();
        let (header, _) = self.dialect.open(&clear, bytes).unwrap();
        let known = self.flows.entry(clear.flow).or_insert_with(|| Known {
            nonces: NonceSource::new(clear.flow, Side::Server),
            expected: 0,
            saved: None,
            path,
        });
        known.path = path;
        if clear.sequence < known.expected {
            return Vec::new();
        }
        known.expected = clear.sequence + 1;
        known.saved = header.timestamp.map(|timestamp| (timestamp, now)).or(known.saved);
        match header.kind {
            Kind::Probe => vec![self.seal(clear.flow, Kind::Probe, b"", now)],
            Kind::Addresses => {
                let list = self.list.clone();
                vec![self.seal(clear.flow, Kind::Addresses, &list, now)]
            }
            Kind::Data => {
                self.due.push_back((now + MS(100), self.answers_on.unwrap_or(clear.flow)));
                Vec::new()
            }
        }
    }
}

/// A client of ours, the peer, two ways between them, and a clock.
struct World {
    now: Instant,
    client: Connection,
    peer: Peer,
    flying: BTreeMap<(Instant, u64), (bool, Path, Vec<u8>)>,
    serial: u64,
    dead: [bool; 2],
    sent: [u64; 2],
    events: Vec<(Instant, Event)>,
}

impl World {
    fn new() -> Self {
        let now = Instant::from_micros(1_000_000_000);
        let config = Config { redundancy: Redundancy::Off, ..Config::default() };
        let dialect = |side| Dialect::new(DialectName::MpMosh, &key(), side).unwrap();
        let mut client = Connection::client(dialect(Side::Client), &[SERVER.parse().unwrap()], config, now);
        client.handle_interfaces(&[candidate(local(0)), candidate(local(1))], now);
        let peer = Peer {
            dialect: dialect(Side::Server),
            flows: BTreeMap::new(),
            due: VecDeque::new(),
            answers_on: None,
            list: vec![7, 4, 0xEA, 0x61, 10, 9, 0, 1],
        };
        let mut world = Self {
            now,
            client,
            peer,
            flying: BTreeMap::new(),
            serial: 0,
            dead: [false; 2],
            sent: [0; 2],
            events: Vec::new(),
        };
        world.settle();
        world
    }

    fn fly(&mut self, to_peer: bool, path: Path, bytes: Vec<u8>) {
        let client = if to_peer { path.local.ip } else { path.remote.ip() };
        let way = (0..2).find(|&way| local(way).ip == client).unwrap();
        self.sent[usize::from(!to_peer)] += 1;
        if !self.dead[way] {
            self.serial += 1;
            self.flying.insert((self.now + MS(WAYS[way] / 2), self.serial), (to_peer, path, bytes));
        }
    }

    fn settle(&mut self) {
        loop {
            while let Some(event) = self.client.poll_event() {
                self.events.push((self.now, event));
                match event {
                    Event::CandidatesChanged => {
                        let paths = self.client.candidate_paths();
                        self.client.handle_paths(&paths, self.now);
                    }
                    Event::PathSuspect { .. } | Event::PathLost { .. } => {
                        self.client.send(vec![b'n'; 60], Class::Interactive);
                    }
                    _ => {}
                }
            }
            let Some(transmit) = self.client.poll_transmit(self.now) else { return };
            self.fly(true, transmit.path, transmit.bytes);
        }
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let arrival = self.flying.keys().next().map(|&(at, _)| at);
            let wake = self.client.poll_timeout().map(|(at, _)| at);
            let due = self.peer.due.front().map(|&(at, _)| at);
            let Some(next) = [arrival, wake, due].into_iter().flatten().min().filter(|&at| at <= end) else {
                break;
            };
            self.now = self.now.max(next);
            if let Some(arrived) = self.flying.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (to_peer, path, mut bytes) = arrived.remove();
                if to_peer {
                    let remote = SocketAddr::new(path.local.ip, 40_000);
                    let path = Path { local: LocalAddr { ip: path.remote.ip(), interface: None }, remote };
                    for (path, bytes) in self.peer.receive(path, &mut bytes, self.now) {
                        self.fly(false, path, bytes);
                    }
                } else {
                    let way = (0..2).find(|&way| local(way).ip == path.remote.ip()).unwrap();
                    let remote = SocketAddr::new(path.local.ip, 60_001);
                    let path = Path { local: local(way), remote };
                    let received = Received { path, ecn: Ecn::NotEct, bytes: &mut bytes };
                    let _ = self.client.handle_datagram(received, self.now);
                }
            } else if due.is_some_and(|at| at <= self.now) {
                let (_, id) = self.peer.due.pop_front().unwrap();
                let (path, bytes) = self.peer.seal(id, Kind::Data, b"acknowledged", self.now);
                self.fly(false, path, bytes);
            } else {
                self.client.handle_timeout(self.now);
            }
            self.settle();
        }
        self.now = end;
    }

    fn type_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.client.set_active(self.now);
            self.client.send(vec![b'k'; 60], Class::Interactive);
            self.settle();
            self.run(MS(100));
        }
    }

    fn chosen(&self) -> Option<IpAddr> {
        self.client.current_path().map(|path| path.local.ip)
    }

    /// How often a flow was taken for dead.
    fn suspicions(&self) -> usize {
        let suspect = |event: &Event| matches!(event, Event::FlowState { to: FlowState::Suspect, .. });
        self.events.iter().filter(|(_, event)| suspect(event)).count()
    }
}

#[test]
fn a_server_that_acknowledges_late_and_elsewhere_is_not_taken_for_dead() {
    let mut world = World::new();
    world.run(MS(300));
    world.peer.answers_on = world.client.flows().find(|flow| flow.path.local == local(1)).map(|flow| flow.id);
    world.type_for(MS(20_000));
    world.run(MS(200_000));
    world.type_for(MS(5_000));
    assert_eq!((world.suspicions(), world.chosen()), (0, Some(local(0).ip)));
    assert_eq!(world.client.srtt(), MS(40));
    assert_eq!(world.client.discards().total(), 0);
}

#[test]
fn no_answer_is_answered() {
    let mut world = World::new();
    world.run(MS(12_000));
    let [before, _] = world.sent;
    world.run(MS(60_000));
    let [client, server] = world.sent;
    // Quiet: a probe of the one way every 5 s, of the other every 20 s, and a request every 10 s.
    assert!((19..=23).contains(&(client - before)), "{}", client - before);
    assert_eq!(client, server, "the server answers each one, and the client none");
}

#[test]
fn a_silent_way_is_left_after_one_timeout_of_the_probe_beside_the_key() {
    let mut world = World::new();
    world.type_for(MS(3000));
    assert_eq!(world.chosen(), Some(local(0).ip));
    world.dead[0] = true;
    let died = world.now;
    world.type_for(MS(1000));
    let suspect =
        world.events.iter().find(|(at, event)| *at >= died && matches!(event, Event::PathSuspect { .. }));
    assert_eq!(suspect.map(|(at, _)| at.since(died)), Some(MS(60)), "SRTT and the granularity");
    let moved = world.events.iter().find(|(at, event)| *at >= died && matches!(event, Event::Chosen { .. }));
    assert_eq!(moved.map(|(at, _)| at.since(died)), Some(MS(60 + 80)), "the other way's round trip later");
    assert_eq!(world.chosen(), Some(local(1).ip));
    world.dead[0] = false;
    world.type_for(MS(3000));
    assert_eq!(world.chosen(), Some(local(0).ip));
}

#[test]
fn an_idle_session_notices_a_silent_way_too() {
    let mut world = World::new();
    world.run(MS(300_000));
    world.dead[0] = true;
    world.run(MS(4_000));
    assert_eq!(world.chosen(), Some(local(1).ip));
}

#[test]
fn a_list_cut_short_and_one_with_everything_in_it_are_taken_as_they_should() {
    let mut world = World::new();
    world.peer.list.extend([19, 6, 0xEA]);
    world.run(MS(300));
    assert!(world.client.discards().count(Discard::MalformedAddresses) >= 1);
    assert_eq!(world.client.flows().count(), 2);
    // A second address, a private one of nobody's, one of an unknown family, a link-local one.
    world.peer.list = vec![7, 4, 0xEA, 0x61, 10, 9, 0, 2, 7, 4, 0xEA, 0x61, 172, 17, 0, 1, 3, 9, 1, 2];
    world.peer.list.extend([19, 6, 0xEA, 0x61, 0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    world.type_for(MS(12_000));
    assert_eq!(world.client.flows().count(), 6, "two interfaces, three IPv4 addresses, no IPv6 here");
}

fn server() -> (Connection, Dialect) {
    let now = Instant::from_micros(1_000_000_000);
    let mut server = Connection::server(
        Dialect::new(DialectName::MpMosh, &key(), Side::Server).unwrap(),
        Config { port: 60_001, ..Config::default() },
        now,
    );
    let addr = LocalAddr { ip: IpAddr::from([10, 9, 0, 1]), interface: None };
    server.handle_interfaces(&[candidate(addr)], now);
    (server, Dialect::new(DialectName::MpMosh, &key(), Side::Client).unwrap())
}

/// A datagram of their client arrives by `client`'s address and port.
fn arrive(
    server: &mut Connection,
    bytes: &[u8],
    client: &str,
    now: Instant,
) -> Result<Option<Vec<u8>>, Discard> {
    let local = LocalAddr { ip: IpAddr::from([10, 9, 0, 1]), interface: None };
    let path = Path { local, remote: client.parse().unwrap() };
    server.handle_datagram(Received { path, ecn: Ecn::NotEct, bytes: &mut bytes.to_vec() }, now)
}

fn header(kind: Kind, now: Instant) -> Header {
    Header {
        kind,
        timestamp: Some(wire::stamp(now)),
        timestamp_reply: None,
        loss: 0,
        congestion: false,
        largest: 0,
        after_padded: false,
    }
}

fn sent(server: &mut Connection, now: Instant) -> Vec<crate::Transmit> {
    core::iter::from_fn(|| server.poll_transmit(now)).collect()
}

fn resting(server: &Connection) -> usize {
    match &server.part {
        Part::Server(part) => part.resting(),
        Part::Client(_) => 0,
    }
}

#[test]
fn a_client_that_counts_its_flows_up_for_ever_costs_bounded_memory_and_loses_no_protection() {
    let (mut server, mut client) = server();
    let mut now = Instant::from_micros(1_000_000_000);
    let mut first = Vec::new();
    let mut words = alloc::collections::BTreeSet::new();
    for id in 0..0x8000 {
        now += MS(1);
        let nonce = NonceSource::new(FlowId::new(id).unwrap(), Side::Client).next().unwrap();
        let probe = client.seal(nonce, &header(Kind::Probe, now), b"").unwrap();
        arrive(&mut server, &probe, "192.0.2.1:40000", now).unwrap();
        if id == 1 {
            first = probe;
        }
        for transmit in sent(&mut server, now) {
            assert!(words.insert(transmit.bytes[..8].to_vec()), "a nonce twice");
        }
        while server.poll_event().is_some() {}
    }
    assert_eq!(server.flows().count(), 256);
    assert_eq!(resting(&server), 0x8000 - 256);
    assert_eq!(arrive(&mut server, &first, "198.51.100.66:1", now), Err(Discard::Replayed));

    // What rested is remembered, and goes on with its numbers.
    let mut source = NonceSource::new(FlowId::new(1).unwrap(), Side::Client);
    source.skip_to(1);
    let again = client.seal(source.next().unwrap(), &header(Kind::Probe, now), b"").unwrap();
    assert_eq!(arrive(&mut server, &again, "192.0.2.1:40000", now), Ok(None));
    let answers = sent(&mut server, now);
    assert!(!answers.is_empty());
    for transmit in answers {
        assert!(words.insert(transmit.bytes[..8].to_vec()), "a nonce twice");
    }
}

#[test]
fn a_request_is_answered_with_plain_records_in_order_and_never_when_replayed() {
    let (mut server, mut client) = server();
    let now = Instant::from_micros(1_000_000_000);
    let mut source = NonceSource::new(FlowId::ZERO, Side::Client);
    let request = client.seal(source.next().unwrap(), &header(Kind::Addresses, now), b"").unwrap();
    arrive(&mut server, &request, "192.0.2.1:40000", now).unwrap();
    let mut lists: Vec<Vec<u8>> = Vec::new();
    for mut transmit in sent(&mut server, now) {
        let clear = client.peek(&transmit.bytes).unwrap();
        let (header, payload) = client.open(&clear, &mut transmit.bytes).unwrap();
        if header.kind == Kind::Addresses {
            lists.push(payload.to_vec());
        }
    }
    assert_eq!(lists, [vec![7, 4, 0xEA, 0x61, 10, 9, 0, 1]]);
    assert_eq!(arrive(&mut server, &request, "198.51.100.66:1", now), Err(Discard::Replayed));
    assert!(sent(&mut server, now).is_empty(), "nothing to the one who replayed it, and nothing to anyone");
}

#[test]
fn what_their_client_says_twice_is_taken_twice_and_answered_on_both_flows() {
    let (mut server, mut client) = server();
    let mut now = Instant::from_micros(1_000_000_000);
    let mut flows: Vec<NonceSource> =
        (0..2).map(|id| NonceSource::new(FlowId::new(id).unwrap(), Side::Client)).collect();
    for round in 0..20 {
        for (id, source) in flows.iter_mut().enumerate() {
            let data = client.seal(source.next().unwrap(), &header(Kind::Data, now), &[b'd'; 60]).unwrap();
            let from = ["192.0.2.1:40000", "198.51.100.1:40000"][id];
            assert_eq!(arrive(&mut server, &data, from, now), Ok(Some(vec![b'd'; 60])));
        }
        server.send(vec![b'o'; 60], Class::Interactive);
        now += MS(400);
        server.handle_timeout(now);
        let output = sent(&mut server, now).into_iter().filter(|transmit| transmit.bytes.len() > 60);
        let to: Vec<_> = output.map(|transmit| transmit.path.remote).collect();
        assert_eq!(to.len(), 2, "{round}: output on each: {to:?}");
    }
    // It answers none of them, and nothing is suspected for it.
    assert!(server.flows().all(|flow| flow.state.is_open() && flow.idle == Duration::ZERO));
    assert_eq!(server.discards().total(), 0);
}
