//! Two connections and a network between them, in memory, in virtual time: each path has a delay and a loss, can
//! be a black hole, and can be taken away. Nothing here is random that is not seeded.
#![expect(dead_code, reason = "each test file uses its own part")]
#![expect(clippy::unwrap_used, reason = "a test harness")]

use mpmosh_net::{
    Candidate, Class, Config, Connection, Dialect, DialectName, Discard, Ecn, Event, FlowId, Instant,
    InterfaceKind, Key, LocalAddr, Path, Reason, Received, SendError, Side, Transmit,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) const SERVER_PORT: u16 = 60001;

/// One direction of a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) delay: Duration,
    /// Percent.
    pub(crate) loss: u64,
    pub(crate) blackhole: bool,
    /// Larger IP packets vanish.
    pub(crate) mtu: usize,
}

/// A client address, its interface, and the path behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uplink {
    pub(crate) candidate: Candidate,
    pub(crate) up: Link,
    pub(crate) down: Link,
    /// The public port is the client's plus this: another number is another NAT mapping.
    pub(crate) nat: u16,
    pub(crate) present: bool,
}

/// The client's carriers: streams to a process beside the server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streams {
    /// One way.
    pub(crate) delay: Duration,
    /// How long it takes to open one; `None`: it cannot be.
    pub(crate) opening: Option<Duration>,
    /// Those that are being opened, and those that are open.
    pending: Vec<(Instant, u16)>,
    pub(crate) open: BTreeSet<u16>,
    /// What enters these does not come out.
    pub(crate) stalled: BTreeSet<u16>,
    next: u16,
}

/// The first port of a carrier's process.
const CARRIER_PORT: u16 = 30_000;

/// A datagram as it left, for assertions.
#[derive(Clone, Debug)]
pub(crate) struct Departure {
    pub(crate) at: Instant,
    pub(crate) from: Side,
    pub(crate) path: Path,
    pub(crate) port_generation: u32,
    pub(crate) dont_fragment: bool,
    pub(crate) bytes: Vec<u8>,
}

impl Departure {
    pub(crate) fn nonce_word(&self) -> u64 {
        u64::from_be_bytes(self.bytes[..8].try_into().unwrap())
    }

    pub(crate) fn is_data(&self) -> bool {
        self.bytes.len() > 30 + 20 && !self.dont_fragment
    }
}

#[derive(Clone, Debug)]
struct InFlight {
    to: Side,
    path: Path,
    bytes: Vec<u8>,
}

pub(crate) struct Network {
    pub(crate) now: Instant,
    pub(crate) client: Connection,
    pub(crate) server: Connection,
    pub(crate) uplinks: Vec<Uplink>,
    pub(crate) server_ips: Vec<IpAddr>,
    in_flight: BTreeMap<(Instant, u64), InFlight>,
    serial: u64,
    random: u64,
    pub(crate) departures: Vec<Departure>,
    pub(crate) client_events: Vec<(Instant, Event)>,
    pub(crate) server_events: Vec<(Instant, Event)>,
    /// What the client woke up for by itself, and when.
    pub(crate) wakes: Vec<(Instant, Reason)>,
    /// Payloads that arrived, with when and where.
    pub(crate) at_server: Vec<(Instant, Vec<u8>)>,
    pub(crate) at_client: Vec<(Instant, Vec<u8>)>,
    /// The newest payload of each end, sent again when the connection asks.
    newest: BTreeMap<bool, Vec<u8>>,
    /// The server sends every payload back (an echo server), after this long.
    pub(crate) echo: Option<Duration>,
    echoes: Vec<(Instant, Vec<u8>)>,
    /// When each payload first arrived, so that copies are not echoed.
    met: BTreeSet<Vec<u8>>,
    pub(crate) lateness: Duration,
    /// Every datagram gets a congestion mark.
    pub(crate) marked: bool,
    /// What the client's system refuses to send for its size.
    pub(crate) refuses: fn(&Transmit) -> bool,
    pub(crate) streams: Streams,
}

pub(crate) fn key() -> Key {
    Key::from_bytes(&[7; 32]).unwrap()
}

pub(crate) fn uplink(ip: &str, interface: u32, round_trip: u64) -> Uplink {
    let link = Link { delay: Duration::from_micros(round_trip * 500), loss: 0, blackhole: false, mtu: 1500 };
    Uplink {
        candidate: Candidate::new(
            LocalAddr { ip: ip.parse().unwrap(), interface: NonZeroU32::new(interface) },
            InterfaceKind::Ethernet,
        ),
        up: link,
        down: link,
        nat: 0,
        present: true,
    }
}

pub(crate) fn start() -> Instant {
    Instant::from_micros(1_000_000_000)
}

impl Network {
    pub(crate) fn new(uplinks: &[Uplink], server_ips: &[&str], config: Config) -> Self {
        let dialect = |side| Dialect::new(DialectName::Multipath, &key(), side).unwrap();
        Self::with(dialect(Side::Client), dialect(Side::Server), uplinks, server_ips, config)
    }

    pub(crate) fn with(
        client: Dialect,
        server: Dialect,
        uplinks: &[Uplink],
        server_ips: &[&str],
        config: Config,
    ) -> Self {
        let now = start();
        let server_ips: Vec<IpAddr> = server_ips.iter().map(|ip| ip.parse().unwrap()).collect();
        let mut server = Connection::server(server, config.with_port(SERVER_PORT), now);
        let listed: Vec<Candidate> = server_ips
            .iter()
            .map(|&ip| LocalAddr { ip, interface: NonZeroU32::new(1) })
            .map(|addr| Candidate::new(addr, InterfaceKind::Ethernet))
            .collect();
        server.handle_interfaces(&listed, now);
        let bootstrap = SocketAddr::new(server_ips[0], SERVER_PORT);
        let client = Connection::client(client, &[bootstrap], config, now);
        let mut network = Self {
            now,
            client,
            server,
            uplinks: uplinks.to_vec(),
            server_ips,
            in_flight: BTreeMap::new(),
            serial: 0,
            random: 1,
            departures: Vec::new(),
            client_events: Vec::new(),
            server_events: Vec::new(),
            wakes: Vec::new(),
            at_server: Vec::new(),
            at_client: Vec::new(),
            newest: BTreeMap::new(),
            echo: None,
            echoes: Vec::new(),
            met: BTreeSet::new(),
            lateness: Duration::ZERO,
            marked: false,
            refuses: |_| false,
            streams: Streams::default(),
        };
        network.interfaces_changed();
        network
    }

    /// Tells the client which uplinks are there.
    pub(crate) fn interfaces_changed(&mut self) {
        let locals: Vec<Candidate> =
            self.uplinks.iter().filter(|uplink| uplink.present).map(|uplink| uplink.candidate).collect();
        self.client.handle_interfaces(&locals, self.now);
        self.settle();
    }

    pub(crate) fn send(&mut self, from: Side, payload: Vec<u8>, class: Class) {
        self.newest.insert(from == Side::Client, payload.clone());
        let now = self.now;
        match from {
            Side::Client => {
                self.client.set_active(now);
                self.client.send(payload, class);
            }
            Side::Server => {
                self.server.set_active(now);
                self.server.send(payload, class);
            }
        }
        self.settle();
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % 100 < percent
    }

    /// Drains both ends to empty, as their owners do.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut moved = false;
            while let Some(transmit) = self.client.poll_transmit(self.now) {
                moved = true;
                if (self.refuses)(&transmit) {
                    self.client.handle_send_error(&transmit.path, SendError::TooBig, self.now);
                } else {
                    self.depart(Side::Client, transmit);
                }
            }
            while let Some(transmit) = self.server.poll_transmit(self.now) {
                moved = true;
                self.depart(Side::Server, transmit);
            }
            while let Some(event) = self.client.poll_event() {
                moved = true;
                self.client_events.push((self.now, event));
                match event {
                    Event::CarrierWanted => {
                        let streams = &mut self.streams;
                        streams.next += 1;
                        let opens = streams.opening.map(|opening| (self.now + opening, streams.next));
                        streams.pending.extend(opens);
                    }
                    Event::CarrierUnneeded { number } => {
                        self.streams.open.retain(|open| number.is_some_and(|number| number != *open));
                        if number.is_none() {
                            self.streams.pending.clear();
                        }
                        if let Some(number) = number {
                            self.client.close_carrier(number, self.now);
                        }
                    }
                    Event::CandidatesChanged => {
                        let paths = self.client.candidate_paths();
                        self.client.handle_paths(&paths, self.now);
                    }
                    Event::PathSuspect { .. }
                    | Event::PathLost { .. }
                    | Event::PathRevived { .. }
                    | Event::DatagramSize { repeat: true, .. } => {
                        if let Some(payload) = self.newest.get(&true) {
                            self.client.send(payload.clone(), Class::Interactive);
                        }
                    }
                    _ => {}
                }
            }
            while let Some(event) = self.server.poll_event() {
                moved = true;
                self.server_events.push((self.now, event));
                if let Event::PathSuspect { .. }
                | Event::PathLost { .. }
                | Event::PathRevived { .. }
                | Event::DatagramSize { repeat: true, .. } = event
                    && let Some(payload) = self.newest.get(&false)
                {
                    self.server.send(payload.clone(), Class::Interactive);
                }
            }
            if !moved {
                return;
            }
        }
        panic!("the two ends do not come to rest at {:?}", self.now);
    }

    fn depart(&mut self, from: Side, transmit: Transmit) {
        let Transmit { path, port_generation, dont_fragment, bytes, .. } = transmit;
        let (at, copy) = (self.now, bytes.clone());
        self.departures.push(Departure { at, from, path, port_generation, dont_fragment, bytes: copy });
        if self.carry(from, &path, &bytes) {
            return;
        }
        let client_ip = match from {
            Side::Client => path.local.ip,
            Side::Server => path.remote.ip(),
        };
        let Some(index) = self.uplinks.iter().position(|uplink| uplink.candidate.addr.ip == client_ip) else {
            return;
        };
        if from == Side::Client && !self.server_ips.contains(&path.remote.ip()) {
            return;
        }
        let uplink = self.uplinks[index];
        let link = if from == Side::Client { uplink.up } else { uplink.down };
        let headers = if client_ip.is_ipv4() { 28 } else { 48 };
        let too_large = bytes.len() + headers > link.mtu;
        if link.blackhole || too_large || !uplink.present || self.chance(link.loss) {
            return;
        }
        let port = 40_000 + uplink.nat;
        let (to, arrival) = match from {
            Side::Client => {
                let client = SocketAddr::new(client_ip, port + port_generation as u16);
                let local = LocalAddr { ip: path.remote.ip(), interface: NonZeroU32::new(1) };
                (Side::Server, Path { local, remote: client })
            }
            // The NAT forgot other mappings.
            Side::Server if path.remote.port() < port || path.remote.port() >= port + 1000 => return,
            Side::Server => {
                let server = SocketAddr::new(path.local.ip, SERVER_PORT);
                (Side::Client, Path { local: uplink.candidate.addr, remote: server })
            }
        };
        self.serial += 1;
        self.in_flight.insert((self.now + link.delay, self.serial), InFlight { to, path: arrival, bytes });
    }

    /// Takes what goes through a carrier.
    fn carry(&mut self, from: Side, path: &Path, bytes: &[u8]) -> bool {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        let (number, to, arrival) = match from {
            Side::Client => {
                let Some(number) = path.carrier_number() else { return false };
                let local = LocalAddr { ip: loopback, interface: NonZeroU32::new(1) };
                let remote = SocketAddr::new(loopback, CARRIER_PORT + number);
                (number, Side::Server, Path { local, remote })
            }
            Side::Server if path.remote.ip() != loopback => return false,
            Side::Server => {
                let number = path.remote.port() - CARRIER_PORT;
                (number, Side::Client, Path::carrier(number))
            }
        };
        let streams = &self.streams;
        if streams.open.contains(&number) && !streams.stalled.contains(&number) {
            self.serial += 1;
            let flying = InFlight { to, path: arrival, bytes: bytes.to_vec() };
            self.in_flight.insert((self.now + self.streams.delay, self.serial), flying);
        }
        true
    }

    /// Opens the carriers whose time has come.
    fn open_carriers(&mut self) {
        let now = self.now;
        let (due, pending) = self.streams.pending.iter().partition(|(at, _)| *at <= now);
        self.streams.pending = pending;
        let due: Vec<(Instant, u16)> = due;
        for (_, number) in due {
            self.streams.open.insert(number);
            self.client.open_carrier(number, now);
        }
        self.settle();
    }

    /// Hands a datagram to one end as if it came from the network.
    pub(crate) fn inject(&mut self, to: Side, path: Path, bytes: &[u8]) -> Result<Option<Vec<u8>>, Discard> {
        let mut bytes = bytes.to_vec();
        let ecn = if self.marked { Ecn::Ce } else { Ecn::Ect };
        let received = Received::new(path, ecn, &mut bytes);
        let result = match to {
            Side::Client => self.client.handle_datagram(received, self.now),
            Side::Server => self.server.handle_datagram(received, self.now),
        };
        self.settle();
        result
    }

    /// Lets time pass.
    pub(crate) fn run_until(&mut self, end: Instant) {
        let mut steps_at_once = 0;
        loop {
            let arrival = self.in_flight.keys().next().map(|&(at, _)| at);
            let wake = |connection: &Connection| connection.poll_timeout().map(|(at, _)| at + self.lateness);
            let echo = self.echoes.first().map(|&(at, _)| at);
            let opening = self.streams.pending.iter().map(|&(at, _)| at).min();
            let wakes = [wake(&self.client), wake(&self.server)];
            let next = [arrival, echo, opening].into_iter().chain(wakes).flatten().min();
            let Some(next) = next.filter(|&next| next <= end) else { break };
            steps_at_once = if next <= self.now { steps_at_once + 1 } else { 0 };
            assert!(
                steps_at_once < 1000,
                "spinning at {:?}: client {:?}, server {:?}",
                self.now,
                self.client.poll_timeout(),
                self.server.poll_timeout()
            );
            self.now = self.now.max(next);
            while let Some((&key, _)) = self.in_flight.range(..=(self.now, u64::MAX)).next() {
                let InFlight { to, path, bytes } = self.in_flight.remove(&key).unwrap();
                if let Ok(Some(payload)) = self.inject(to, path, &bytes) {
                    let now = self.now;
                    match to {
                        Side::Client => self.at_client.push((now, payload)),
                        Side::Server => {
                            self.server.set_active(now);
                            if let Some(delay) = self.echo
                                && self.met.insert(payload.clone())
                            {
                                self.echoes.push((now + delay, payload.clone()));
                            }
                            self.at_server.push((now, payload));
                        }
                    }
                }
            }
            self.open_carriers();
            while self.echoes.first().is_some_and(|&(at, _)| at <= self.now) {
                let (_, payload) = self.echoes.remove(0);
                self.send(Side::Server, payload, Class::Interactive);
            }
            let due = self.client.poll_timeout().filter(|(at, _)| *at + self.lateness <= self.now);
            self.wakes.extend(due.map(|(_, reason)| (self.now, reason)));
            for connection in [&mut self.client, &mut self.server] {
                if connection.poll_timeout().is_some_and(|(at, _)| at + self.lateness <= self.now) {
                    connection.handle_timeout(self.now);
                }
            }
            self.settle();
            for connection in [&self.client, &self.server] {
                if let Some((at, reason)) = connection.poll_timeout() {
                    assert!(
                        at > self.now || self.lateness > Duration::ZERO,
                        "{reason:?} is still due at {at:?}"
                    );
                }
            }
        }
        self.now = self.now.max(end);
    }

    pub(crate) fn run(&mut self, duration: Duration) {
        self.run_until(self.now + duration);
    }

    /// Types a key every 100 ms; returns when each was typed.
    pub(crate) fn type_for(&mut self, duration: Duration) -> Vec<(Instant, Vec<u8>)> {
        let end = self.now + duration;
        let mut keys = Vec::new();
        while self.now < end {
            let key = self.key_press();
            keys.push((self.now, key));
            self.run(ms(100));
        }
        keys
    }

    pub(crate) fn key_press(&mut self) -> Vec<u8> {
        self.serial += 1;
        let mut key = format!("key {:>20}", self.serial).into_bytes();
        key.resize(60, b'.');
        self.send(Side::Client, key.clone(), Class::Interactive);
        key
    }

    /// How long a key's echo took.
    pub(crate) fn echo_of(&self, key: &(Instant, Vec<u8>)) -> Option<Duration> {
        self.at_client.iter().find(|(_, payload)| *payload == key.1).map(|(at, _)| at.since(key.0))
    }

    pub(crate) fn flow_of(&self, uplink: usize) -> mpmosh_net::FlowReport {
        let addr = self.uplinks[uplink].candidate.addr;
        self.client.flows().find(|flow| flow.path.local == addr).unwrap()
    }

    pub(crate) fn chosen(&self) -> Option<FlowId> {
        self.client.flows().find(|flow| flow.chosen).map(|flow| flow.id)
    }

    /// The first datagram that one end sent by this uplink since `since`, and whether it carries a payload.
    pub(crate) fn first_departure(
        &self,
        from: Side,
        uplink: usize,
        since: Instant,
        data: bool,
    ) -> Option<Instant> {
        let ip = self.uplinks[uplink].candidate.addr.ip;
        self.departures
            .iter()
            .filter(|departure| {
                departure.at >= since && departure.from == from && (!data || departure.is_data())
            })
            .find(|departure| departure.path.local.ip == ip || departure.path.remote.ip() == ip)
            .map(|departure| departure.at)
    }

    pub(crate) fn blackhole(&mut self, uplink: usize, up: bool, down: bool) {
        self.uplinks[uplink].up.blackhole = up;
        self.uplinks[uplink].down.blackhole = down;
    }
}
