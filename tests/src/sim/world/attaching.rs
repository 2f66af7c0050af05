//! More than one client of a session: those that had it before go on beside the one that has it now.

use super::World;
use mpmosh_client::session::client::{Client, DisplayOptions};
use net::{Connection, Dialect, DialectName, Instant, Key, Side};
use std::net::SocketAddr;
use terminal::Size;

/// A client that had the session, and what its terminal shows.
pub struct Former {
    /// The client, unless it was killed.
    pub client: Option<Client>,
    /// Its terminal.
    pub display: terminal::Emulator,
    /// The first of its ports.
    pub(super) port: u16,
    /// When another client was admitted.
    pub since: Instant,
    /// How much had been typed at it.
    pub typed: usize,
}

/// Seconds since 1970 when the world's clock stood at zero.
const EPOCH: u64 = 1_800_000_000;

impl Former {
    /// The first of its ports.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// How many ports a client has.
pub(super) const PORTS: u16 = 1000;

impl World {
    /// The server admits another client, whose terminal has this size, and it begins. The one that is there goes on, and
    /// knows nothing of it.
    pub fn attach(&mut self, size: Size) {
        let dialect = self.admit(size);
        self.begin_client(dialect, size);
    }

    /// The server admits another client, which has its key from then on.
    pub fn admit(&mut self, size: Size) -> Dialect {
        let name = DialectName::Multipath;
        let mut key = [0; 32];
        key.fill_with(|| self.random.draw() as u8);
        let key = Key::from_bytes(&key).expect("a key's length");
        let dialect = |side| Dialect::new(name, &key, side).expect("the dialect's length");
        let now = self.now;
        let config = self.config.with_port(super::SERVER_PORT);
        let mut admitted = Connection::server(dialect(Side::Server), config, now);
        if let Some(address) = self.uplinks.first().and_then(|uplink| uplink.addresses.first()) {
            admitted.trust_address(*address);
        }
        let (listed, seed) = (self.server_candidates(), self.random.draw());
        if let Some(server) = &mut self.server {
            server.admit(admitted, &listed, size, seed, EPOCH + now.as_millis() / 1000, now);
        }
        dialect(Side::Client)
    }

    /// Somebody else lets the client go.
    pub fn detach(&mut self) {
        let now = self.now;
        if let Some(server) = &mut self.server {
            server.detach(EPOCH + now.as_millis() / 1000, now);
        }
        self.drain();
    }

    /// Types at the terminal of a client that had the session before.
    pub fn type_at_former(&mut self, index: usize, text: &[u8]) {
        self.as_former(index, |world| {
            let now = world.client_now();
            if let Some(client) = &mut world.client {
                client.handle_input(text, now);
            }
        });
        self.drain();
    }

    fn begin_client(&mut self, dialect: Dialect, size: Size) {
        let remotes = [SocketAddr::new(self.servers[0], super::SERVER_PORT)];
        let options = DisplayOptions {
            size,
            extended: true,
            seed: self.random.draw(),
            predict: self.predict,
            ..DisplayOptions::default()
        };
        let now = self.client_now();
        let client =
            Client::on_terminal(Connection::client(dialect, &remotes, self.config, now), options, now);
        let display = std::mem::replace(&mut self.display, terminal::Emulator::new(size));
        let port = std::mem::replace(&mut self.port, self.next_port);
        self.next_port -= PORTS;
        let client = self.client.replace(client);
        let (since, typed) = (self.now, self.typed.len());
        self.former.push(Former { client, display, port, since, typed });
        self.announce_interfaces();
    }

    /// Which of the former clients a port belongs to; `None` for the one that has the session.
    pub(super) fn owner_of(&self, port: u16) -> Option<usize> {
        self.former.iter().position(|former| (former.port..former.port + PORTS).contains(&port))
    }

    /// Does something with a former client in the place of the one that has the session.
    pub(super) fn as_former<T>(&mut self, index: usize, work: impl FnOnce(&mut Self) -> T) -> T {
        self.swap_with(index);
        self.aside = true;
        let done = work(self);
        self.aside = false;
        self.swap_with(index);
        done
    }

    fn swap_with(&mut self, index: usize) {
        let Some(former) = self.former.get_mut(index) else { return };
        std::mem::swap(&mut self.client, &mut former.client);
        std::mem::swap(&mut self.display, &mut former.display);
        std::mem::swap(&mut self.port, &mut former.port);
    }
}
