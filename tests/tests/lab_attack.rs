//! An attacker who hears everything on the way, and can send anything from anywhere, gains delay and loss and nothing
//! else: on real kernels, with the session's own datagrams.
#![cfg(target_os = "linux")]

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use mpmosh_tests::lab::{self, Capture, Console, Key, LabError, Laptop, LaptopOptions, Side, Subject};
use mpmosh_tests::lab::{measure, scenario};

/// A host on the way, with an address of its own.
struct Attacker {
    laptop: Laptop,
    socket: UdpSocket,
    server: SocketAddr,
}

impl Attacker {
    /// A laptop in whose provider's exchange somebody sits.
    fn new() -> Result<Self, LabError> {
        let mut laptop = Laptop::with_sshd(LaptopOptions::default())?;
        let host = laptop.lab.namespace("evil")?;
        laptop.lab.veth((&host, "eth0"), (&laptop.core, "evil"))?;
        host.ip(&["addr", "add", "198.18.0.66/24", "dev", "eth0"])?;
        host.ip(&["route", "add", "default", "via", "198.18.0.1"])?;
        laptop.core.ip(&["addr", "add", "198.18.0.1/24", "dev", "evil"])?;
        let socket = measure::bind(&host, "198.18.0.66:4444".parse().unwrap())?;
        Ok(Self { laptop, socket, server: SocketAddr::new(Laptop::SERVER.parse().unwrap(), 0) })
    }

    /// The session's datagrams among what was heard on the WiFi: from the client, and from the server.
    fn heard(&mut self) -> (Vec<Capture>, Vec<Capture>) {
        let (mut from_client, mut from_server) = (Vec::new(), Vec::new());
        for capture in self.laptop.uplinks[0].link.captured() {
            let Some((port, _)) = capture.datagram() else { continue };
            if capture.from == Side::Far {
                from_server.push(capture);
            } else if (60001..61000).contains(&port) {
                self.server.set_port(port);
                from_client.push(capture);
            }
        }
        (from_client, from_server)
    }

    /// Sends a datagram to the server from the attacker's own address.
    fn send(&self, payload: &[u8]) {
        self.socket.send_to(payload, self.server).unwrap();
    }

    /// Octets that came to the attacker's address until there were none for a quarter of a second.
    fn loot(&self) -> usize {
        let mut buffer = [0; 2048];
        std::iter::from_fn(|| self.socket.recv(&mut buffer).ok()).sum()
    }

    fn session(&self) -> Console {
        let (console, _) =
            scenario::connect(&self.laptop.lab, &self.laptop.client, &Subject::mpmosh()).unwrap();
        scenario::echo_keys(&console).unwrap();
        console
    }
}

/// Types, does something before each key, and sees each key echoed in good time.
fn type_through(console: &Console, count: usize, mut before: impl FnMut(usize)) {
    let keys = console.type_keys(count, scenario::INTERVAL, scenario::PATIENCE, |number| {
        before(number);
        Ok(())
    });
    let keys = keys.unwrap();
    let slow = |key: &Key| key.latency().is_none_or(|latency| latency > Duration::from_secs(1));
    assert!(!keys.iter().any(slow), "{keys:?}");
}

#[test]
fn replayed_and_reflected_datagrams_move_nothing_and_are_not_answered() {
    let Some(mut attacker) = lab::open(Attacker::new) else { return };
    let console = attacker.session();
    attacker.laptop.uplinks[0].link.capture();
    type_through(&console, 20, |_| {});
    let (from_client, from_server) = attacker.heard();
    assert!(from_client.len() > 10 && from_server.len() > 10, "{} {}", from_client.len(), from_server.len());
    type_through(&console, 20, |_| {
        for capture in &from_client {
            // To the server, from elsewhere and from where it came; and to the client, whose own it is.
            let payload = capture.datagram().unwrap().1;
            attacker.send(payload);
            let link = &attacker.laptop.uplinks[0].link;
            link.inject(Side::Near, &capture.bytes).unwrap();
            link.inject(Side::Far, &from_server[0].with_payload(payload)).unwrap();
        }
        for capture in &from_server {
            // To the client again; and to the server, whose own it is.
            attacker.laptop.uplinks[0].link.inject(Side::Far, &capture.bytes).unwrap();
            attacker.send(capture.datagram().unwrap().1);
        }
        for length in [0, 1, 23, 30, 1400, 1472] {
            attacker.send(&vec![0xA5; length]);
        }
    });
    assert_eq!(attacker.loot(), 0, "octets were sent to the attacker");
    // The session is where it was: nobody's datagrams but its own path's.
    attacker.laptop.uplinks[0].link.record();
    type_through(&console, 10, |_| {});
    let packets = attacker.laptop.uplinks[0].link.recorded();
    assert!(packets.iter().filter(|packet| packet.protocol == 17).count() >= 20, "{}", packets.len());
}

#[test]
fn a_thief_of_fresh_datagrams_gets_three_times_their_size_and_not_the_session() {
    let Some(mut attacker) = lab::open(Attacker::new) else { return };
    let console = attacker.session();
    type_through(&console, 10, |_| {});
    // From now on the client's datagrams reach the server only if the thief sends them, from its own address.
    let (mut stolen, mut datagrams) = (0, 0);
    attacker.laptop.uplinks[0].link.capture();
    attacker.laptop.uplinks[0].link.set_from(Side::Near, |shape| shape.blackhole = true);
    let keys = console.type_keys(20, scenario::INTERVAL, scenario::PATIENCE, |_| {
        let (from_client, _) = attacker.heard();
        for capture in from_client {
            let payload = capture.datagram().unwrap().1;
            attacker.send(payload);
            stolen += payload.len();
            datagrams += 1;
        }
        Ok(())
    });
    assert!(keys.unwrap().iter().all(|key| key.shown.is_some()), "the other uplink carries them");
    let loot = attacker.loot();
    println!("{datagrams} datagrams of {stolen} octets stolen, {loot} octets of loot");
    assert!(datagrams > 3, "the thief stole {datagrams} datagrams");
    assert!(loot <= 3 * stolen, "{loot} octets for {stolen}");
    // Healed, the session is where it was, and the thief hears nothing of it.
    attacker.laptop.uplinks[0].silence(false);
    type_through(&console, 20, |_| {});
    attacker.loot();
    type_through(&console, 20, |_| {});
    assert_eq!(attacker.loot(), 0, "the thief still gets the session's datagrams");
}
