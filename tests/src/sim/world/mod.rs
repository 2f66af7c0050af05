//! A client, a server and the network between them, on a clock that jumps from one event to the next.
//!
//! The machines are the product's own `Client` and `Server`; the network, the program on the server and the user are
//! simulated. The same seed and the same script give the same run, to the octet.

mod attaching;
mod network;
mod report;
mod script;
mod setup;
mod streams;

pub use attaching::Former;
pub use network::{SERVER_PORT, Sent};
pub use report::WakeUp;
pub use script::Action;
pub use setup::{Setup, Uplink};

use self::network::Packet;
use super::application::Application;
use super::link::Link;
use super::random::Random;
use super::stream::StreamQuality;
use mpmosh_client::cli::words::PredictMode;
use mpmosh_client::session::client::{self, Client, DisplayOptions};
use mpmosh_server::server::{self, Server};
use net::{Connection, Dialect, Event, Instant, Key, Side, Traits};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The two ends, the network, and what a terminal would show of what the client wrote to it.
pub struct World {
    now: Instant,
    random: Random,
    /// The client, unless it was killed.
    pub client: Option<Client>,
    /// Clients that had the session before.
    pub former: Vec<Former>,
    /// The first of the client's ports, and of the next one's.
    port: u16,
    next_port: u16,
    /// A former client is being served.
    aside: bool,
    config: net::Config,
    predict: PredictMode,
    /// The server, unless it was killed or has left.
    pub server: Option<Server>,
    application: Box<dyn Application>,
    program_running: bool,
    /// The client's interfaces.
    pub uplinks: Vec<Uplink>,
    servers: Vec<IpAddr>,
    links: BTreeMap<(usize, usize, bool), Link>,
    /// What streams are like that are opened now.
    stream: Option<StreamQuality>,
    streams: BTreeMap<u16, streams::Stream>,
    streams_opened: u16,
    flying: BinaryHeap<Reverse<(Instant, u64, Packet)>>,
    order: u64,
    script: BTreeMap<(Instant, u64), Action>,
    suspended: Option<Instant>,
    /// How far the client's clock is ahead of the world's, in microseconds.
    client_ahead: i64,
    display: ::terminal::Emulator,
    /// Everything that was written to the user's terminal.
    pub drawn: Vec<u8>,
    keys_typed: Vec<Instant>,
    typed: Vec<u8>,
    keys_shown: Vec<Instant>,
    ticks_shown: Vec<(u64, Instant)>,
    /// Everything that was sent.
    pub sent: Vec<Sent>,
    /// Every time that an end woke up.
    pub wake_ups: Vec<WakeUp>,
    /// What the name service says of the server when it is asked; `None`: it does not answer.
    pub name_service: Option<Vec<SocketAddr>>,
    /// When the client asked it.
    pub resolved: Vec<Instant>,
    /// Everything that the client's paths did.
    pub client_events: Vec<(Instant, Event)>,
    /// Everything that the server's paths did.
    pub server_events: Vec<(Instant, Event)>,
    idle_turns: u32,
}

/// The first port of the first client.
const FIRST_PORT: u16 = 50_000;

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
        let &Traits { key_octets, extended, .. } = setup.dialect.traits();
        let key = Key::from_bytes(&key[..key_octets]).expect("a key's length");
        let dialect = |side| Dialect::new(setup.dialect, &key, side).expect("the dialect's length");
        let remotes = [SocketAddr::new(setup.servers[0], SERVER_PORT)];
        let size = ::terminal::Size { columns: 80, rows: 24 };
        let connection = Connection::client(dialect(Side::Client), &remotes, setup.config, now);
        let options = DisplayOptions {
            size,
            extended,
            seed: random.draw(),
            predict: setup.predict,
            ..DisplayOptions::default()
        };
        let client = match setup.byte_streams {
            true => Client::on_streams(connection, now),
            false => Client::on_terminal(connection, options, now),
        };
        let server_config = setup.config.with_port(SERVER_PORT).with_loopback_carries(setup.stream.is_some());
        let server = Server::new(
            Connection::server(dialect(Side::Server), server_config, now),
            server::Config {
                streams: setup.byte_streams,
                extended,
                seed: random.draw(),
                network_timeout: setup.network_timeout,
                session_ttl: setup.session_ttl,
                ..server::Config::default()
            },
            now,
        );
        let mut world = Self {
            now,
            random,
            client: Some(client),
            former: Vec::new(),
            port: FIRST_PORT,
            next_port: FIRST_PORT - attaching::PORTS,
            aside: false,
            config: setup.config,
            predict: setup.predict,
            server: Some(server),
            application: setup.application,
            program_running: false,
            uplinks: setup.uplinks,
            servers: setup.servers,
            links,
            stream: setup.stream,
            streams: BTreeMap::new(),
            streams_opened: 0,
            flying: BinaryHeap::new(),
            order: 0,
            script: BTreeMap::new(),
            suspended: None,
            client_ahead: 0,
            display: ::terminal::Emulator::new(size),
            drawn: Vec::new(),
            keys_typed: Vec::new(),
            typed: Vec::new(),
            keys_shown: Vec::new(),
            ticks_shown: Vec::new(),
            sent: Vec::new(),
            wake_ups: Vec::new(),
            name_service: None,
            resolved: Vec::new(),
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
        let former = self.former.iter().filter(|_| self.suspended.is_none());
        let former = former.filter_map(|former| former.client.as_ref()?.poll_timeout(self.client_now()));
        [
            self.flying.peek().map(|Reverse((at, _, _))| *at),
            self.script.keys().next().map(|(at, _)| *at),
            self.application.poll_timeout().filter(|_| self.program_running),
            self.next_of_streams(),
            client.map(|(at, _)| back(at)),
            former.map(|(at, _)| back(at)).min(),
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
        self.read_streams();
        if self.program_running && self.application.poll_timeout().is_some_and(|at| at <= now) {
            let written = self.application.handle_timeout(now);
            if let Some(server) = &mut self.server {
                server.handle_program_output(&written, now);
            }
        }
        self.wake_client();
        for index in 0..self.former.len() {
            self.as_former(index, Self::wake_client);
        }
        if let Some(server) = &mut self.server
            && let Some((_, reason)) = server.poll_timeout(now).filter(|(at, _)| *at <= now)
        {
            server.handle_timeout(now);
            self.wake_ups.push(WakeUp { at: now, side: Side::Server, reason: reason.as_str() });
        }
        self.drain();
    }

    /// Does what is due at the client.
    fn wake_client(&mut self) {
        let client_now = self.client_now();
        if let (Some(client), None) = (&mut self.client, self.suspended)
            && let Some((_, reason)) = client.poll_timeout(client_now).filter(|(at, _)| *at <= client_now)
        {
            client.handle_timeout(client_now);
            self.wake_ups.push(WakeUp { at: self.now, side: Side::Client, reason: reason.as_str() });
        }
    }

    /// Lets the client say all it has to say now; whether that was nothing.
    fn drain_client(&mut self) -> bool {
        let (now, client_now) = (self.now, self.client_now());
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
            while let Some(output) = self.client.as_mut().and_then(|client| client.poll_output(client_now)) {
                quiet = false;
                self.client_output(output);
            }
        }
        while let Some(event) = self.client.as_mut().and_then(Client::poll_event) {
            if !self.aside {
                self.heed(&event);
                self.client_events.push((now, event));
            }
        }
        quiet
    }

    /// Lets both ends say all they have to say now.
    fn drain(&mut self) {
        let now = self.now;
        loop {
            let mut quiet = self.drain_client();
            for index in 0..self.former.len() {
                quiet &= self.as_former(index, Self::drain_client);
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
            quiet &= self.write_streams();
            if quiet {
                return;
            }
        }
    }

    fn client_output(&mut self, output: client::Output) {
        match output {
            client::Output::Draw(bytes) => {
                self.display.feed(&bytes);
                if !self.aside {
                    self.drawn.extend_from_slice(&bytes);
                    self.note_display();
                }
            }
            client::Output::ChoosePaths => {
                let now = self.client_now();
                if let Some(client) = &mut self.client {
                    let mut paths = client.candidate_paths();
                    paths.retain(|path| {
                        let index = path.local.interface.map_or(0, |index| index.get() as usize - 1);
                        self.uplinks.get(index).is_some_and(|uplink| uplink.routed)
                    });
                    client.handle_paths(&paths, now);
                }
            }
            client::Output::Resolve => {
                let now = self.client_now();
                self.resolved.push(self.now);
                if let (Some(client), Some(found)) = (&mut self.client, &self.name_service) {
                    client.add_remotes(found, net::Trust::Hint, now);
                }
            }
            client::Output::Suspend | client::Output::Named(_) => {}
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
            server::Output::Resize(_) | server::Output::TakenOver(_) => Vec::new(),
        };
        if let Some(server) = &mut self.server
            && !written.is_empty()
        {
            server.handle_program_output(&written, now);
        }
    }
}
