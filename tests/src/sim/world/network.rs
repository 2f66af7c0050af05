//! Datagrams between the ends: interfaces, address translators and links.

use super::{WakeUp, World};
use net::{Candidate, Ecn, Instant, InterfaceKind, LocalAddr, Path, Received, SendError, Side, Transmit};
use std::cmp::Reverse;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::num::NonZeroU32;

/// UDP and IP headers, for sizes on the wire.
fn headers(of: &SocketAddr) -> usize {
    if of.is_ipv4() { 28 } else { 48 }
}

/// The port of the simulated server.
pub const SERVER_PORT: u16 = 60001;

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

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Packet {
    pub(super) to_server: bool,
    pub(super) uplink: usize,
    pub(super) server: usize,
    /// As the receiver sees it.
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    /// The network put a congestion mark on it.
    pub(super) marked: bool,
    pub(super) bytes: Vec<u8>,
}

impl World {
    pub(super) fn send_from_client(&mut self, transmit: &Transmit) -> Result<(), SendError> {
        let path = transmit.path;
        self.sent.push(Sent { at: self.now, side: Side::Client, path, octets: transmit.bytes.len() });
        // Without an interface the system's best route decides: the first that is up.
        let usable = self.uplinks.iter().position(|uplink| uplink.up && uplink.routed).unwrap_or(0);
        let index = path.local.interface.map_or(usable, |index| index.get() as usize - 1);
        let uplink = self
            .uplinks
            .get_mut(index)
            .filter(|uplink| uplink.up && uplink.routed)
            .ok_or(SendError::PathGone)?;
        let ip = if path.local.ip.is_unspecified() { uplink.addresses[0] } else { path.local.ip };
        if !uplink.addresses.contains(&ip) {
            return Err(SendError::PathGone);
        }
        let Some(server) = self.servers.iter().position(|server| *server == path.remote.ip()) else {
            return Ok(());
        };
        let port = self.port + u16::try_from(transmit.port_generation % 1000).unwrap_or(0);
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
            marked: false,
            bytes: transmit.bytes.clone(),
        };
        self.launch(packet);
        Ok(())
    }

    pub(super) fn send_from_server(&mut self, transmit: &Transmit) {
        let path = transmit.path;
        self.sent.push(Sent { at: self.now, side: Side::Server, path, octets: transmit.bytes.len() });
        if path.remote.ip().is_loopback() {
            return self.send_to_stream(path.remote, transmit);
        }
        let Some(server) = self.servers.iter().position(|server| *server == path.local.ip) else { return };
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
                marked: false,
                bytes: transmit.bytes.clone(),
            };
            self.launch(packet);
        }
    }

    pub(super) fn launch(&mut self, packet: Packet) {
        let key = (packet.uplink, packet.server, packet.to_server);
        let octets = packet.bytes.len() + headers(&packet.destination);
        let Some(link) = self.links.get_mut(&key) else { return };
        let mut packet = packet;
        packet.marked = link.quality.marks;
        if let Some(arrival) = link.carry(octets, self.now, &mut self.random) {
            self.order += 1;
            self.flying.push(Reverse((arrival, self.order, packet)));
        }
    }

    pub(super) fn deliver(&mut self, mut packet: Packet) {
        let now = self.now;
        let ecn = if packet.marked { Ecn::Ce } else { Ecn::Ect };
        if !packet.to_server {
            match self.owner_of(packet.destination.port()) {
                Some(index) => self.as_former(index, |world| world.deliver_to_client(packet, ecn)),
                None => self.deliver_to_client(packet, ecn),
            }
        } else {
            if let Some(server) = &mut self.server {
                let local = LocalAddr { ip: packet.destination.ip(), interface: NonZeroU32::new(1) };
                let path = Path { local, remote: packet.source };
                self.wake_ups.push(WakeUp { at: now, side: Side::Server, reason: "datagram" });
                server.handle_datagram(Received::new(path, ecn, &mut packet.bytes), now);
            }
        }
    }

    fn deliver_to_client(&mut self, mut packet: Packet, ecn: Ecn) {
        let now = self.client_now();
        let uplink = &self.uplinks[packet.uplink];
        let reachable = uplink.up && uplink.routed && uplink.addresses.contains(&packet.destination.ip());
        if let (Some(client), None, true) = (&mut self.client, self.suspended, reachable) {
            let interface = NonZeroU32::new(packet.uplink as u32 + 1);
            let path =
                Path { local: LocalAddr { ip: packet.destination.ip(), interface }, remote: packet.source };
            self.wake_ups.push(WakeUp { at: self.now, side: Side::Client, reason: "datagram" });
            client.handle_datagram(Received::new(path, ecn, &mut packet.bytes), now);
            if !self.aside {
                self.note_display();
            }
        }
    }

    pub(super) fn client_candidates(&self) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for (index, uplink) in self.uplinks.iter().enumerate().filter(|(_, uplink)| uplink.up) {
            for ip in &uplink.addresses {
                let addr = LocalAddr { ip: *ip, interface: NonZeroU32::new(index as u32 + 1) };
                let mut candidate = Candidate::new(addr, InterfaceKind::Ethernet);
                candidate.role = uplink.role;
                candidate.metered = uplink.metered;
                candidate.lists = false;
                candidate.mtu = uplink.mtu;
                candidate.lingers = uplink.deprecated.contains(ip);
                candidates.push(candidate);
            }
        }
        candidates
    }

    pub(super) fn server_candidates(&self) -> Vec<Candidate> {
        self.servers
            .iter()
            .map(|ip| LocalAddr { ip: *ip, interface: NonZeroU32::new(1) })
            .map(|addr| Candidate::new(addr, InterfaceKind::Ethernet))
            .collect()
    }

    /// Datagrams now on their way, oldest first.
    #[must_use]
    pub fn in_flight(&self) -> VecDeque<Vec<u8>> {
        let mut flying: Vec<_> = self.flying.iter().map(|Reverse((at, order, p))| (*at, *order, p)).collect();
        flying.sort_by_key(|(at, order, _)| (*at, *order));
        flying.into_iter().map(|(_, _, packet)| packet.bytes.clone()).collect()
    }
}
