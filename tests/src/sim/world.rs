//! A client, a server and the network between them, on a clock that jumps from one event to the next.
//!
//! The machines are the product's own `Client` and `Server`; the network, the program on the server and the user are
//! simulated. The same seed and the same script give the same run, to the octet.

use super::application::{Application, Counter};
use super::link::{Link, Quality};
use super::nat::Nat;
use super::random::Random;
use mpmosh_client::client::{self, Client, DisplayOptions, Outcome};
use mpmosh_server::server::{self, Server};
use net::{
    Candidate, Connection, Dialect, Ecn, Event, Instant, InterfaceKind, Key, LocalAddr, Path, Received, Role,
    SendError, Side, Transmit,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

/// UDP and IP headers, for sizes on the wire (IPv4; the simulator counts IPv6 alike).
const HEADERS: usize = 28;

/// The port of the simulated server.
pub const SERVER_PORT: u16 = 60001;

/// One of the client's interfaces.
#[derive(Clone, Debug)]
pub struct Uplink {
    /// What the operating system calls it.
    pub name: &'static str,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Up, with its addresses and routes.
    pub up: bool,
    /// The user's policy.
    pub role: Role,
    /// Costs money.
    pub metered: bool,
    /// What translates addresses in front of it.
    pub nat: Option<Nat>,
    /// The largest IP packet that it takes, if it tells.
    pub mtu: Option<u32>,
}

impl Uplink {
    /// An interface that is up, without a NAT.
    #[must_use]
    pub fn new(name: &'static str, address: &str) -> Self {
        Self {
            name,
            addresses: vec![address.parse().expect("an address")],
            up: true,
            role: Role::Primary,
            metered: false,
            nat: None,
            mtu: None,
        }
    }

    /// The same, metered.
    #[must_use]
    pub fn metered(mut self) -> Self {
        self.metered = true;
        self
    }
}

/// What there is at the beginning.
pub struct Setup {
    /// Decides every random thing.
    pub seed: u64,
    /// The client's interfaces; their indexes are 1, 2, ….
    pub uplinks: Vec<Uplink>,
    /// The server's addresses; the first is the one that the bootstrap reached.
    pub servers: Vec<IpAddr>,
    /// Each direction of each way, by the client's interface (from 0) and the server's address (from 0).
    pub quality: Box<dyn Fn(usize, usize) -> (Quality, Quality)>,
    /// What runs on the server.
    pub application: Box<dyn Application>,
    /// How the client uses its paths.
    pub config: net::Config,
    /// How long the server stays without a word from the client (`MOSH_SERVER_NETWORK_TMOUT`).
    pub network_timeout: Option<Duration>,
}

impl Setup {
    /// Two uplinks, one server address, 20 and 40 ms each way: "two paths of 40 and 80 ms RTT".
    #[must_use]
    pub fn laptop(seed: u64) -> Self {
        Self {
            seed,
            uplinks: vec![Uplink::new("wlan0", "192.0.2.10"), Uplink::new("wwan0", "198.51.100.10")],
            servers: vec!["203.0.113.1".parse().expect("an address")],
            quality: Box::new(|uplink, _| {
                let delay = if uplink == 0 { 20 } else { 40 };
                (Quality::millis(delay), Quality::millis(delay))
            }),
            application: Box::new(Counter::new()),
            config: net::Config::default(),
            network_timeout: None,
        }
    }

    /// One uplink, one server address, this quality in both directions.
    #[must_use]
    pub fn single(seed: u64, quality: Quality) -> Self {
        let mut setup = Self::laptop(seed);
        setup.uplinks.truncate(1);
        setup.quality = Box::new(move |_, _| (quality.clone(), quality.clone()));
        setup
    }
}

/// Something done to the world at a time of the script's choosing.
pub type Action = Box<dyn FnOnce(&mut World)>;

/// A datagram that was handed to the network.
#[derive(Clone, Debug)]
pub struct Sent {
    /// When.
    pub at: Instant,
    /// By whom.
    pub side: Side,
    /// Where from and where to, as its sender put it.
    pub path: Path,
    /// UDP payload.
    pub octets: usize,
}

/// The two ends, the network, and what a terminal would show of what the client wrote to it.
pub struct World {
    now: Instant,
    random: Random,
    /// The client, unless it was killed.
    pub client: Option<Client>,
    /// The server, unless it was killed or has left.
    pub server: Option<Server>,
    application: Box<dyn Application>,
    program_running: bool,
    /// The client's interfaces.
    pub uplinks: Vec<Uplink>,
    servers: Vec<IpAddr>,
    links: BTreeMap<(usize, usize, bool), Link>,
    flying: BinaryHeap<Reverse<(Instant, u64, Packet)>>,
    order: u64,
    script: BTreeMap<(Instant, u64), Action>,
    suspended: Option<Instant>,
    /// How far the client's clock is ahead of the world's, in microseconds.
    client_ahead: i64,
    display: ::terminal::Emulator,
    keys_typed: Vec<Instant>,
    keys_shown: Vec<Instant>,
    ticks_shown: Vec<(u64, Instant)>,
    /// Everything that was sent.
    pub sent: Vec<Sent>,
    /// Everything that the client's paths did.
    pub client_events: Vec<(Instant, Event)>,
    /// Everything that the server's paths did.
    pub server_events: Vec<(Instant, Event)>,
    idle_turns: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    to_server: bool,
    uplink: usize,
    server: usize,
    /// As the receiver sees it.
    source: SocketAddr,
    destination: SocketAddr,
    bytes: Vec<u8>,
}

impl World {
    /// Starts both ends.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let now = Instant::from_micros(1_000_000_000);
        let mut links = BTreeMap::new();
        for uplink in 0..setup.uplinks.len() {
            for server in 0..setup.servers.len() {
                let (up, down) = (setup.quality)(uplink, server);
                links.insert((uplink, server, true), Link::new(up));
                links.insert((uplink, server, false), Link::new(down));
            }
        }
        let mut random = Random::new(setup.seed);
        let mut key = [0; 32];
        key.fill_with(|| random.draw() as u8);
        let key = Key::from_bytes(&key).expect("32 octets");
        let dialect = |side| Dialect::multipath(&key, side).expect("a key of 256 bits");
        let remotes = [SocketAddr::new(setup.servers[0], SERVER_PORT)];
        let size = ::terminal::Size { columns: 80, rows: 24 };
        let client = Client::on_terminal(
            Connection::client(dialect(Side::Client), &remotes, setup.config, now),
            DisplayOptions { size, extended: true, seed: random.draw(), ..DisplayOptions::default() },
            now,
        );
        let server = Server::new(
            Connection::server(dialect(Side::Server), net::Config { port: SERVER_PORT, ..setup.config }, now),
            server::Config {
                extended: true,
                seed: random.draw(),
                network_timeout: setup.network_timeout,
                ..server::Config::default()
            },
            now,
        );
        let mut world = Self {
            now,
            random,
            client: Some(client),
            server: Some(server),
            application: setup.application,
            program_running: false,
            uplinks: setup.uplinks,
            servers: setup.servers,
            links,
            flying: BinaryHeap::new(),
            order: 0,
            script: BTreeMap::new(),
            suspended: None,
            client_ahead: 0,
            display: ::terminal::Emulator::new(size),
            keys_typed: Vec::new(),
            keys_shown: Vec::new(),
            ticks_shown: Vec::new(),
            sent: Vec::new(),
            client_events: Vec::new(),
            server_events: Vec::new(),
            idle_turns: 0,
        };
        let listed = world.server_candidates();
        if let Some(server) = &mut world.server {
            server.handle_interfaces(&listed, now);
        }
        world.announce_interfaces();
        world
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// What the client's clock says.
    fn client_now(&self) -> Instant {
        Instant::from_micros(self.now.as_micros().saturating_add_signed(self.client_ahead))
    }

    /// The client's clock jumps, as no good clock does.
    pub fn jump_client_clock(&mut self, seconds: i64) {
        self.client_ahead += seconds * 1_000_000;
    }

    /// Does something after `delay` from now.
    pub fn after(&mut self, delay: Duration, action: impl FnOnce(&mut Self) + 'static) {
        self.order += 1;
        self.script.insert((self.now + delay, self.order), Box::new(action));
    }

    /// Types one key now.
    pub fn type_key(&mut self, key: u8) {
        let (now, client_now) = (self.now, self.client_now());
        if let (Some(client), None) = (&mut self.client, self.suspended) {
            client.handle_input(&[key], client_now);
            self.keys_typed.push(now);
        }
    }

    /// Types `count` keys, one every `interval`, the first after one interval.
    pub fn type_keys(&mut self, count: u32, interval: Duration) {
        for n in 1..=count {
            self.after(interval * n, |world| world.type_key(b'x'));
        }
    }

    /// Changes both directions of the ways over one of the client's interfaces.
    pub fn change(&mut self, uplink: usize, change: impl Fn(&mut Quality)) {
        self.change_direction(uplink, true, &change);
        self.change_direction(uplink, false, &change);
    }

    /// Changes one direction (`up`: client to server) of the ways over one of the client's interfaces.
    pub fn change_direction(&mut self, uplink: usize, up: bool, change: impl Fn(&mut Quality)) {
        for ((_, _, _), link) in self.links.iter_mut().filter(|((u, _, d), _)| *u == uplink && *d == up) {
            change(&mut link.quality);
        }
    }

    /// Changes both directions of the way between one of the client's interfaces and one of the server's addresses.
    pub fn change_way(&mut self, uplink: usize, server: usize, change: impl Fn(&mut Quality)) {
        for (_, link) in self.links.iter_mut().filter(|((u, s, _), _)| (*u, *s) == (uplink, server)) {
            change(&mut link.quality);
        }
    }

    /// An interface disappears or comes back, and the client's system tells.
    pub fn set_up(&mut self, uplink: usize, up: bool) {
        self.uplinks[uplink].up = up;
        self.announce_interfaces();
    }

    /// The client's system tells of its addresses.
    pub fn announce_interfaces(&mut self) {
        let candidates = self.client_candidates();
        let now = self.client_now();
        if let (Some(client), None) = (&mut self.client, self.suspended) {
            client.handle_interfaces(&candidates, now);
        }
        self.drain();
    }

    /// The client's machine sleeps from now on.
    pub fn suspend(&mut self) {
        self.suspended = Some(self.now);
    }

    /// The client's machine wakes up.
    pub fn resume(&mut self) {
        if let Some(since) = self.suspended.take() {
            let (now, slept) = (self.client_now(), self.now.since(since));
            if let Some(client) = &mut self.client {
                client.handle_resume(slept, now);
            }
            self.announce_interfaces();
        }
    }

    /// How many keys the client's screen shows to have arrived.
    #[must_use]
    pub fn keys_shown(&self) -> usize {
        self.keys_shown.len()
    }

    /// From each key's press to its echo on the client's screen; `None` for those still without.
    #[must_use]
    pub fn latencies(&self) -> Vec<Option<Duration>> {
        self.keys_typed
            .iter()
            .enumerate()
            .map(|(n, typed)| self.keys_shown.get(n).map(|shown| shown.since(*typed)))
            .collect()
    }

    /// The longest latency among keys typed within these times.
    ///
    /// # Panics
    /// If one of them has not been echoed.
    #[must_use]
    pub fn worst_latency(&self, from: Instant, to: Instant) -> Duration {
        self.keys_typed
            .iter()
            .zip(self.latencies())
            .filter(|(typed, _)| (from..to).contains(*typed))
            .map(|(typed, latency)| {
                latency.unwrap_or_else(|| panic!("the key of {typed:?} was never echoed"))
            })
            .max()
            .unwrap_or_default()
    }

    /// When each of the program's own lines first showed on the client's screen.
    #[must_use]
    pub fn ticks_shown(&self) -> &[(u64, Instant)] {
        &self.ticks_shown
    }

    /// What the program has received.
    #[must_use]
    pub fn received(&self) -> &[u8] {
        self.application.received()
    }

    /// How the client ended.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.client.as_ref().and_then(Client::outcome)
    }

    /// What the user sees.
    #[must_use]
    pub fn display(&self) -> &::terminal::Screen {
        self.display.screen()
    }

    /// Runs for this long.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.drain();
        while let Some(next) = self.next_event().filter(|next| *next <= end) {
            self.advance(next);
        }
        self.now = end;
    }

    /// The earliest time at which anything happens.
    fn next_event(&self) -> Option<Instant> {
        let client = self
            .client
            .as_ref()
            .filter(|_| self.suspended.is_none())
            .and_then(|c| c.poll_timeout(self.client_now()));
        let back =
            |at: Instant| Instant::from_micros(at.as_micros().saturating_add_signed(-self.client_ahead));
        let server = self.server.as_ref().and_then(|s| s.poll_timeout(self.now));
        [
            self.flying.peek().map(|Reverse((at, _, _))| *at),
            self.script.keys().next().map(|(at, _)| *at),
            self.application.poll_timeout().filter(|_| self.program_running),
            client.map(|(at, _)| back(at)),
            server.map(|(at, _)| at),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn advance(&mut self, next: Instant) {
        if next <= self.now {
            self.idle_turns += 1;
            assert!(
                self.idle_turns < 1000,
                "the clock stands still at {:?}: client {:?}, server {:?}",
                self.now,
                self.client.as_ref().and_then(|c| c.poll_timeout(self.client_now())),
                self.server.as_ref().and_then(|s| s.poll_timeout(self.now))
            );
        } else {
            self.idle_turns = 0;
            self.now = next;
        }
        let now = self.now;
        while self.script.first_key_value().is_some_and(|((at, _), _)| *at <= now) {
            if let Some((_, action)) = self.script.pop_first() {
                action(self);
                self.drain();
            }
        }
        while self.flying.peek().is_some_and(|Reverse((at, _, _))| *at <= now) {
            if let Some(Reverse((_, _, packet))) = self.flying.pop() {
                self.deliver(packet);
                self.drain();
            }
        }
        if self.program_running && self.application.poll_timeout().is_some_and(|at| at <= now) {
            let written = self.application.handle_timeout(now);
            if let Some(server) = &mut self.server {
                server.handle_program_output(&written, now);
            }
        }
        let client_now = self.client_now();
        if let (Some(client), None) = (&mut self.client, self.suspended)
            && client.poll_timeout(client_now).is_some_and(|(at, _)| at <= client_now)
        {
            client.handle_timeout(client_now);
        }
        if let Some(server) = &mut self.server
            && server.poll_timeout(now).is_some_and(|(at, _)| at <= now)
        {
            server.handle_timeout(now);
        }
        self.drain();
    }

    /// Lets both ends say all they have to say now.
    fn drain(&mut self) {
        let (now, client_now) = (self.now, self.client_now());
        loop {
            let mut quiet = true;
            if self.suspended.is_none() {
                while let Some(transmit) =
                    self.client.as_mut().and_then(|client| client.poll_transmit(client_now))
                {
                    quiet = false;
                    if let Err(error) = self.send_from_client(&transmit)
                        && let Some(client) = &mut self.client
                    {
                        client.handle_send_error(&transmit.path, error, client_now);
                    }
                }
                while let Some(output) =
                    self.client.as_mut().and_then(|client| client.poll_output(client_now))
                {
                    quiet = false;
                    self.client_output(output);
                }
            }
            while let Some(event) = self.client.as_mut().and_then(Client::poll_event) {
                self.client_events.push((now, event));
            }
            while let Some(transmit) = self.server.as_mut().and_then(|server| server.poll_transmit(now)) {
                quiet = false;
                self.send_from_server(&transmit);
            }
            while let Some(output) = self.server.as_mut().and_then(Server::poll_output) {
                quiet = false;
                self.server_output(output);
            }
            while let Some(event) = self.server.as_mut().and_then(Server::poll_event) {
                self.server_events.push((now, event));
            }
            if self.server.as_ref().is_some_and(Server::is_finished) {
                self.server = None;
            }
            if quiet {
                return;
            }
        }
    }

    fn client_output(&mut self, output: client::Output) {
        match output {
            client::Output::Draw(bytes) => {
                self.display.feed(&bytes);
                self.note_display();
            }
            client::Output::ChoosePaths => {
                let now = self.client_now();
                if let Some(client) = &mut self.client {
                    // Every interface that is up has a route to everywhere.
                    let paths = client.candidate_paths();
                    client.handle_paths(&paths, now);
                }
            }
            client::Output::Suspend => {}
        }
    }

    /// Which keys and lines the screen shows to have come through.
    fn note_display(&mut self) {
        let screen = self.display.screen();
        let row = |number| -> String {
            let cells = (0..screen.size().columns).filter_map(|column| screen.cell(number, column));
            cells.map(|cell| cell.first_char()).collect()
        };
        if let Some(count) = Counter::shown(&row(0)) {
            let now = self.now;
            self.keys_shown.resize(self.keys_shown.len().max(count), now);
        }
        if let Some(tick) = Counter::ticks(&row(1))
            && self.ticks_shown.last().is_none_or(|(last, _)| *last < tick)
        {
            self.ticks_shown.push((tick, self.now));
        }
    }

    fn server_output(&mut self, output: server::Output) {
        let now = self.now;
        let written = match output {
            server::Output::Start(_) => {
                self.program_running = true;
                self.application.start(now)
            }
            server::Output::Input(bytes) => self.application.input(&bytes, now),
            server::Output::Resize(_) => Vec::new(),
        };
        if let Some(server) = &mut self.server
            && !written.is_empty()
        {
            server.handle_program_output(&written, now);
        }
    }

    fn send_from_client(&mut self, transmit: &Transmit) -> Result<(), SendError> {
        let path = transmit.path;
        self.sent.push(Sent { at: self.now, side: Side::Client, path, octets: transmit.bytes.len() });
        let index = path.local.interface.map_or(0, |index| index.get() as usize - 1);
        let uplink = self.uplinks.get_mut(index).filter(|uplink| uplink.up).ok_or(SendError::PathGone)?;
        let ip = if path.local.ip.is_unspecified() { uplink.addresses[0] } else { path.local.ip };
        if !uplink.addresses.contains(&ip) {
            return Err(SendError::PathGone);
        }
        let Some(server) = self.servers.iter().position(|server| *server == path.remote.ip()) else {
            return Ok(());
        };
        let port = 50_000 + u16::try_from(transmit.port_generation % 1000).unwrap_or(0);
        let inside = SocketAddr::new(ip, port);
        let source = match &mut uplink.nat {
            Some(nat) => nat.outward(inside, path.remote, self.now),
            None => inside,
        };
        let packet = Packet {
            to_server: true,
            uplink: index,
            server,
            source,
            destination: path.remote,
            bytes: transmit.bytes.clone(),
        };
        self.launch(packet);
        Ok(())
    }

    fn send_from_server(&mut self, transmit: &Transmit) {
        let path = transmit.path;
        self.sent.push(Sent { at: self.now, side: Side::Server, path, octets: transmit.bytes.len() });
        let server = self.servers.iter().position(|server| *server == path.local.ip).unwrap_or(0);
        let source = SocketAddr::new(self.servers[server], SERVER_PORT);
        let mut destination = None;
        for (index, uplink) in self.uplinks.iter_mut().enumerate() {
            let inside = match &mut uplink.nat {
                Some(nat) => nat.inward(path.remote, source, self.now),
                None => uplink.addresses.contains(&path.remote.ip()).then_some(path.remote),
            };
            if let Some(inside) = inside {
                destination = Some((index, inside));
            }
        }
        if let Some((uplink, destination)) = destination {
            let packet = Packet {
                to_server: false,
                uplink,
                server,
                source,
                destination,
                bytes: transmit.bytes.clone(),
            };
            self.launch(packet);
        }
    }

    fn launch(&mut self, packet: Packet) {
        let key = (packet.uplink, packet.server, packet.to_server);
        let octets = packet.bytes.len() + HEADERS;
        let arrival =
            self.links.get_mut(&key).and_then(|link| link.carry(octets, self.now, &mut self.random));
        if let Some(arrival) = arrival {
            self.order += 1;
            self.flying.push(Reverse((arrival, self.order, packet)));
        }
    }

    fn deliver(&mut self, mut packet: Packet) {
        let now = self.now;
        if packet.to_server {
            if let Some(server) = &mut self.server {
                let local = LocalAddr { ip: packet.destination.ip(), interface: NonZeroU32::new(1) };
                let path = Path { local, remote: packet.source };
                server.handle_datagram(Received { path, ecn: Ecn::Ect, bytes: &mut packet.bytes }, now);
            }
            return;
        }
        let now = self.client_now();
        let uplink = &self.uplinks[packet.uplink];
        let reachable = uplink.up && uplink.addresses.contains(&packet.destination.ip());
        if let (Some(client), None, true) = (&mut self.client, self.suspended, reachable) {
            let interface = NonZeroU32::new(packet.uplink as u32 + 1);
            let path =
                Path { local: LocalAddr { ip: packet.destination.ip(), interface }, remote: packet.source };
            client.handle_datagram(Received { path, ecn: Ecn::Ect, bytes: &mut packet.bytes }, now);
        }
    }

    fn client_candidates(&self) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for (index, uplink) in self.uplinks.iter().enumerate().filter(|(_, uplink)| uplink.up) {
            for ip in &uplink.addresses {
                candidates.push(Candidate {
                    addr: LocalAddr { ip: *ip, interface: NonZeroU32::new(index as u32 + 1) },
                    kind: InterfaceKind::Ethernet,
                    role: uplink.role,
                    metered: uplink.metered,
                    lists: false,
                    mtu: uplink.mtu,
                });
            }
        }
        candidates
    }

    fn server_candidates(&self) -> Vec<Candidate> {
        self.servers
            .iter()
            .map(|ip| Candidate {
                addr: LocalAddr { ip: *ip, interface: NonZeroU32::new(1) },
                kind: InterfaceKind::Ethernet,
                role: Role::Primary,
                metered: false,
                lists: true,
                mtu: None,
            })
            .collect()
    }

    /// Hands octets to the server as if they had come from `source`; for tests of hostile datagrams.
    pub fn inject_to_server(&mut self, source: SocketAddr, mut bytes: Vec<u8>) {
        let local = LocalAddr { ip: self.servers[0], interface: NonZeroU32::new(1) };
        let (path, now) = (Path { local, remote: source }, self.now);
        if let Some(server) = &mut self.server {
            server.handle_datagram(Received { path, ecn: Ecn::NotEct, bytes: &mut bytes }, now);
        }
        self.drain();
    }

    /// Datagrams now on their way, oldest first.
    #[must_use]
    pub fn in_flight(&self) -> VecDeque<Vec<u8>> {
        let mut flying: Vec<_> = self.flying.iter().map(|Reverse((at, order, p))| (*at, *order, p)).collect();
        flying.sort_by_key(|(at, order, _)| (*at, *order));
        flying.into_iter().map(|(_, _, packet)| packet.bytes.clone()).collect()
    }
}
