//! What a script does to the world: keys, faults, sleep.

use super::super::link::Quality;
use super::super::{ms, seconds};
use super::{Setup, World};
use net::{Ecn, LocalAddr, Path, Received};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

/// Something done to the world at a time of the script's choosing.
pub type Action = Box<dyn FnOnce(&mut World)>;

impl World {
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
            self.typed.push(key);
        }
    }

    /// A world that has settled: in six seconds 50 keys were typed and echoed, and every path was measured.
    ///
    /// # Panics
    /// If a key was not echoed.
    #[must_use]
    pub fn settled(setup: Setup) -> Self {
        let mut world = Self::new(setup);
        world.type_keys(50, ms(100));
        world.run(seconds(6));
        assert_eq!(world.keys_shown(), 50, "a quiet network echoes every key");
        world
    }

    /// Forgets what was sent and what the paths did until now: a long run would not fit into memory.
    pub fn forget_the_past(&mut self) {
        self.sent.clear();
        self.client_events.clear();
        self.server_events.clear();
    }

    /// Types a key now, another one than the last: so that a key that is missing, doubled or misplaced shows.
    pub fn type_next_key(&mut self) {
        self.type_key(b'a' + (self.typed.len() % 26) as u8);
    }

    /// The program writes so many octets now, below the first three rows.
    pub fn program_writes(&mut self, octets: usize) {
        let mut written = Vec::new();
        for n in 0..octets {
            // A screenful, and from the top again.
            if n % 1600 == 0 {
                written.extend(b"\x1b[4H");
            }
            written.push(b' ' + self.random.below(95) as u8);
        }
        let now = self.now;
        if let Some(server) = self.server.as_mut().filter(|_| self.program_running) {
            server.handle_program_output(&written, now);
        }
        self.drain();
    }

    /// The program writes this now.
    pub fn program_says(&mut self, bytes: &[u8]) {
        let now = self.now;
        if let Some(server) = &mut self.server {
            server.handle_program_output(bytes, now);
        }
        self.drain();
    }

    /// Types these bytes at once, as a terminal hands over a character of several; what comes of it here is drawn.
    pub fn type_text(&mut self, text: &str) {
        let client_now = self.client_now();
        if let (Some(client), None) = (&mut self.client, self.suspended) {
            client.handle_input(text.as_bytes(), client_now);
        }
        self.drain();
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

    /// The client's system has, or has no longer, a route to the server through an interface, and tells.
    pub fn set_routed(&mut self, uplink: usize, routed: bool) {
        self.uplinks[uplink].routed = routed;
        self.announce_interfaces();
    }

    /// The server's machine has another address in place of one of those it had, and its system tells.
    pub fn move_server(&mut self, from: IpAddr, to: IpAddr) {
        for server in self.servers.iter_mut().filter(|server| **server == from) {
            *server = to;
        }
        let (listed, now) = (self.server_candidates(), self.now);
        if let Some(server) = &mut self.server {
            server.handle_interfaces(&listed, now);
        }
        self.drain();
    }

    /// The client's system tells of its addresses.
    pub fn announce_interfaces(&mut self) {
        self.tell_interfaces();
        for index in 0..self.former.len() {
            self.as_former(index, Self::tell_interfaces);
        }
        self.drain();
    }

    fn tell_interfaces(&mut self) {
        let candidates = self.client_candidates();
        let now = self.client_now();
        if let (Some(client), None) = (&mut self.client, self.suspended) {
            let index = |local: &net::Candidate| local.addr.interface;
            let named = candidates.iter().filter_map(index).map(|index| {
                let uplink = self.uplinks.get(index.get() as usize - 1);
                (index, uplink.map_or("?", |uplink| uplink.name).to_owned())
            });
            client.name_interfaces(named);
            client.handle_interfaces(&candidates, now);
        }
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

    /// Hands octets to the server as if they had come from `source`; for tests of hostile datagrams.
    pub fn inject_to_server(&mut self, source: SocketAddr, mut bytes: Vec<u8>) {
        let local = LocalAddr { ip: self.servers[0], interface: NonZeroU32::new(1) };
        let (path, now) = (Path { local, remote: source }, self.now);
        if let Some(server) = &mut self.server {
            server.handle_datagram(Received::new(path, Ecn::NotEct, &mut bytes), now);
        }
        self.drain();
    }
}
