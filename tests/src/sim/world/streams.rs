//! Carriers: streams to the server's host, with the production carrier at either end.

use super::super::stream::{Pipe, StreamQuality};
use super::{WakeUp, World};
use net::carrier::Carrier;
use net::{Ecn, Event, Instant, LocalAddr, Path, Received, Side, Transmit};
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;

/// The port of the first carrier's far end on the server's loopback.
const FIRST_PORT: u16 = 40_000;

/// A stream that is open.
pub(super) struct Stream {
    up: Pipe,
    down: Pipe,
    /// The end beside the server.
    far: Carrier,
}

impl World {
    /// Does what the client's connection asks for.
    pub(super) fn heed(&mut self, event: &Event) {
        match event {
            Event::CarrierWanted => {
                if let Some(opening) = self.stream.as_ref().and_then(|quality| quality.opening) {
                    self.after(opening, Self::open_stream);
                }
            }
            Event::CarrierUnneeded { number } => {
                let now = self.client_now();
                let unneeded = |open: &u16| number.is_none_or(|number| number == *open);
                let numbers: Vec<u16> = self.streams.keys().copied().filter(unneeded).collect();
                for number in numbers {
                    self.streams.remove(&number);
                    if let Some(client) = &mut self.client {
                        client.close_carrier(number, now);
                    }
                }
            }
            _ => {}
        }
    }

    fn open_stream(&mut self) {
        let Some(quality) = self.stream.clone() else { return };
        let (now, client_now) = (self.now, self.client_now());
        self.streams_opened += 1;
        let number = self.streams_opened;
        let seed = u64::from(number);
        let (up, down) = (Pipe::new(quality.clone(), seed), Pipe::new(quality, seed + 1_000_000));
        self.streams.insert(number, Stream { up, down, far: Carrier::new(now) });
        if let Some(client) = &mut self.client {
            client.open_carrier(number, client_now);
        }
    }

    /// How many carriers are open.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// Octets in the streams, to the server and from it.
    #[must_use]
    pub fn in_streams(&self) -> [usize; 2] {
        let sum = |of: fn(&Stream) -> usize| self.streams.values().map(of).sum();
        [sum(|stream| stream.up.under_way()), sum(|stream| stream.down.under_way())]
    }

    /// Streams are like that from now on, those that are open, too.
    pub fn change_streams(&mut self, change: impl Fn(&mut StreamQuality)) {
        let open = self.streams.values_mut().flat_map(|stream| [&mut stream.up, &mut stream.down]);
        open.map(|pipe| &mut pipe.quality).chain(self.stream.as_mut()).for_each(change);
    }

    /// Nothing comes out of the open streams any more, or again.
    pub fn stall_streams(&mut self, stalled: bool) {
        for stream in self.streams.values_mut() {
            (stream.up.stalled, stream.down.stalled) = (stalled, stalled);
        }
    }

    /// When something comes out of a stream.
    pub(super) fn next_of_streams(&self) -> Option<Instant> {
        let down = |stream: &Stream| stream.down.next().filter(|_| self.suspended.is_none());
        let all = self.streams.values();
        let all = all.flat_map(|stream| [stream.up.next(), down(stream), stream.far.poll_timeout()]);
        all.flatten().min()
    }

    /// Hands over what has come out of the streams.
    pub(super) fn read_streams(&mut self) {
        let (now, client_now) = (self.now, self.client_now());
        let numbers: Vec<u16> = self.streams.keys().copied().collect();
        for number in numbers {
            let Some(stream) = self.streams.get_mut(&number) else { continue };
            let octets = stream.up.read(now);
            if !octets.is_empty() {
                stream.far.handle_octets(&octets, now).expect("the client's end is a carrier");
            }
            let mut datagrams = Vec::new();
            while let Some(datagram) = stream.far.poll_datagram() {
                datagrams.push(datagram);
            }
            let octets = if self.suspended.is_none() { stream.down.read(now) } else { Vec::new() };
            for mut datagram in datagrams {
                let local =
                    LocalAddr { ip: Ipv4Addr::LOCALHOST.into(), interface: NonZeroU32::new(u32::MAX) };
                let path = Path { local, remote: (Ipv4Addr::LOCALHOST, FIRST_PORT + number).into() };
                if let Some(server) = &mut self.server {
                    self.wake_ups.push(WakeUp { at: now, side: Side::Server, reason: "datagram" });
                    server.handle_datagram(Received::new(path, Ecn::NotEct, &mut datagram), now);
                }
            }
            if let Some(client) = self.client.as_mut().filter(|_| !octets.is_empty()) {
                self.wake_ups.push(WakeUp { at: now, side: Side::Client, reason: "datagram" });
                client.handle_carrier(number, &octets, client_now).expect("the far end is a carrier");
                self.note_display();
            }
            self.drain();
        }
    }

    /// Takes what the server sends to a carrier's port.
    pub(super) fn send_to_stream(&mut self, remote: SocketAddr, transmit: &Transmit) {
        let number = remote.port().wrapping_sub(FIRST_PORT);
        if let Some(stream) = self.streams.get_mut(&number) {
            stream.far.send(&transmit.bytes, self.now).expect("a session's datagram");
        }
    }

    /// Writes what both ends have for the streams; whether that was nothing.
    pub(super) fn write_streams(&mut self) -> bool {
        let (now, client_now) = (self.now, self.client_now());
        let mut quiet = true;
        for (number, stream) in &mut self.streams {
            while let Some(octets) = stream.far.poll_octets(now) {
                let taken = stream.down.write(octets, now);
                stream.far.wrote(taken);
                quiet &= taken == 0;
                if taken == 0 {
                    break;
                }
            }
            let Some(client) = self.client.as_mut().filter(|_| self.suspended.is_none()) else { continue };
            while let Some(octets) = client.poll_carrier(*number, client_now) {
                let taken = stream.up.write(octets, now);
                client.carrier_wrote(*number, taken, client_now);
                quiet &= taken == 0;
                if taken == 0 {
                    break;
                }
            }
        }
        quiet
    }
}
