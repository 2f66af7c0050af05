//! A multipath UDP echo pair: what any program needs around [`mpmosh_net::Connection`], and no more.
//!
//! ```text
//! cargo run --example echo -- demo                                     both ends here; one path is cut after 3 s
//! cargo run --example echo -- server 192.0.2.2 2001:db8::2             prints a key and a port
//! cargo run --example echo -- client KEY 192.0.2.2:PORT 10.0.0.5 10.1.0.5
//! ```
//! One socket is bound to each local address, and one thread reads each socket; the program proper is the short loop
//! in [`Endpoint::run`]. (`mpmosh-platform` does better, with one socket for each family.)
#![expect(clippy::disallowed_methods, reason = "a program reads its own clock")]

use mpmosh_net::{
    Candidate, Class, Config, Connection, Dialect, DialectName, Ecn, Event, Instant, InterfaceKind, Key,
    LocalAddr, Path, Received, Role, SendError, Side, Transmit,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let cut = Arc::new(AtomicBool::new(false));
    match words.as_slice() {
        ["server", ips @ ..] if !ips.is_empty() => serve(&random_key()?, &parse_ips(ips)?, cut, None),
        ["client", key, server, ips @ ..] if !ips.is_empty() => {
            converse(&Key::parse(key)?, server.parse()?, &parse_ips(ips)?, cut, u32::MAX).map(|_| ())
        }
        ["demo"] => demo(cut),
        _ => Err("usage: echo demo | echo server IP… | echo client KEY SERVER:PORT IP…".into()),
    }
}

/// Both ends over 127.0.0.1 and 127.0.0.2; after 3 s the first falls silent, after 6 s it heals.
fn demo(cut: Arc<AtomicBool>) -> Result<(), Box<dyn Error>> {
    let (first, second): (IpAddr, IpAddr) = ("127.0.0.1".parse()?, "127.0.0.2".parse()?);
    let key = random_key()?;
    let (ready, server) = channel();
    let (server_key, server_cut) = (key.clone(), cut.clone());
    thread::spawn(move || {
        if let Err(error) = serve(&server_key, &[first, second], server_cut, Some(ready)) {
            eprintln!("server: {error}");
        }
    });
    let port = server.recv()?;
    let switch = cut.clone();
    thread::spawn(move || {
        for silent in [true, false] {
            thread::park_timeout(Duration::from_secs(3));
            println!("--- 127.0.0.1 {}", if silent { "falls silent" } else { "heals" });
            switch.store(silent, Ordering::Relaxed);
        }
    });
    let unanswered = converse(&key, SocketAddr::new(first, port), &[first, second], cut, 18)?;
    if unanswered == 0 { Ok(()) } else { Err(format!("{unanswered} lines were not echoed").into()) }
}

fn serve(
    key: &Key,
    ips: &[IpAddr],
    cut: Arc<AtomicBool>,
    ready: Option<Sender<u16>>,
) -> Result<(), Box<dyn Error>> {
    let mut endpoint = Endpoint::new(ips, 0, cut)?;
    let port = endpoint.port;
    let config = Config { port, ..Config::default() };
    let mut connection =
        Connection::server(Dialect::new(DialectName::Multipath, key, Side::Server)?, config, endpoint.now());
    connection.handle_interfaces(&candidates(ips), endpoint.now());
    match ready {
        Some(ready) => ready.send(port)?,
        None => println!("key {} port {port}", key.to_base64().as_str()),
    }
    loop {
        let payloads = endpoint.run(&mut connection, Duration::from_secs(1), &mut |_| {});
        for payload in payloads {
            connection.set_active(endpoint.now());
            connection.send(payload, Class::Interactive);
        }
    }
}

/// Says a line twice a second until it is echoed; tells how long that took and by which path. Returns how many of
/// the `lines` were never echoed.
fn converse(
    key: &Key,
    server: SocketAddr,
    ips: &[IpAddr],
    cut: Arc<AtomicBool>,
    lines: u32,
) -> Result<u32, Box<dyn Error>> {
    let mut endpoint = Endpoint::new(ips, 0, cut)?;
    let dialect = Dialect::new(DialectName::Multipath, key, Side::Client)?;
    let mut connection = Connection::client(dialect, &[server], Config::default(), endpoint.now());
    connection.handle_interfaces(&candidates(ips), endpoint.now());
    let mut unanswered = 0;
    for number in 0..lines {
        let line = format!("line {number}").into_bytes();
        let asked = endpoint.now();
        connection.set_active(asked);
        connection.send(line.clone(), Class::Interactive);
        let mut echoed = None;
        while endpoint.now().since(asked) < Duration::from_millis(500) {
            let left = Duration::from_millis(500).saturating_sub(endpoint.now().since(asked));
            // The newest state goes out again when the connection asks; here that is the last line.
            let mut again = |connection: &mut Connection| connection.send(line.clone(), Class::Interactive);
            let payloads = endpoint.run(&mut connection, left, &mut again);
            if echoed.is_none() && payloads.contains(&line) {
                echoed = Some(endpoint.now().since(asked));
            }
        }
        let path = connection.current_path().map(|path| path.local.ip.to_string()).unwrap_or_default();
        match echoed {
            Some(after) => println!("line {number}: echoed after {after:?}; the path is {path}"),
            None => {
                unanswered += 1;
                println!("line {number}: no echo; the path is {path}");
            }
        }
    }
    for flow in connection.flows() {
        println!(
            "{} -> {}: {:?}, srtt {:?}, sent {}, received {}",
            flow.path.local.ip,
            flow.path.remote,
            flow.state,
            flow.srtt,
            flow.traffic_out.total().datagrams,
            flow.traffic_in.total().datagrams
        );
    }
    Ok(unanswered)
}

struct Arrival {
    path: Path,
    bytes: Vec<u8>,
}

/// A socket for each local address and port generation, and what arrived on any of them.
struct Endpoint {
    sockets: BTreeMap<(IpAddr, u32), UdpSocket>,
    arrivals: Receiver<Arrival>,
    sender: Sender<Arrival>,
    port: u16,
    started: std::time::Instant,
    /// The first address is cut off: nothing passes.
    cut: Arc<AtomicBool>,
    first: Option<IpAddr>,
}

impl Endpoint {
    /// Binds all addresses to one port, chosen by the system when it is 0.
    fn new(ips: &[IpAddr], port: u16, cut: Arc<AtomicBool>) -> io::Result<Self> {
        let (sender, arrivals) = channel();
        let sockets = BTreeMap::new();
        let first = ips.first().copied();
        let mut endpoint =
            Self { sockets, arrivals, sender, port, started: std::time::Instant::now(), cut, first };
        for &ip in ips {
            let socket = endpoint.bind(ip, endpoint.port)?;
            endpoint.port = socket.local_addr()?.port();
            endpoint.sockets.insert((ip, 0), socket);
        }
        Ok(endpoint)
    }

    /// Binds a socket, and starts a thread that reads it.
    fn bind(&self, ip: IpAddr, port: u16) -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind((ip, port))?;
        let (reader, sender) = (socket.try_clone()?, self.sender.clone());
        thread::spawn(move || {
            let mut buffer = [0; 2048];
            // A refused port shows as an error of a later receive; nothing to do about it here.
            loop {
                let Ok((length, remote)) = reader.recv_from(&mut buffer) else { continue };
                let path = Path { local: LocalAddr { ip, interface: None }, remote };
                if sender.send(Arrival { path, bytes: buffer[..length].to_vec() }).is_err() {
                    return;
                }
            }
        });
        Ok(socket)
    }

    fn now(&self) -> Instant {
        Instant::from_micros(1_000_000 + self.started.elapsed().as_micros() as u64)
    }

    fn is_cut(&self, ip: IpAddr) -> bool {
        self.cut.load(Ordering::Relaxed) && Some(ip) == self.first
    }

    fn send(&mut self, transmit: &Transmit) -> Result<(), SendError> {
        let Transmit { path, port_generation, bytes, .. } = transmit;
        if self.is_cut(path.local.ip) {
            return Ok(());
        }
        let place = (path.local.ip, *port_generation);
        if !self.sockets.contains_key(&place) {
            let socket = self.bind(path.local.ip, 0).map_err(|_| SendError::PathGone)?;
            self.sockets.insert(place, socket);
        }
        let socket = self.sockets.get(&place).ok_or(SendError::PathGone)?;
        match socket.send_to(bytes, path.remote) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(SendError::Congested),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Err(SendError::Refused),
            Err(_) => Err(SendError::PathGone),
        }
    }

    /// The loop: drain the connection, wait for a datagram or a deadline, feed it. Returns after `time`, or as soon
    /// as there are payloads.
    fn run(
        &mut self,
        connection: &mut Connection,
        time: Duration,
        again: &mut dyn FnMut(&mut Connection),
    ) -> Vec<Vec<u8>> {
        let end = self.now() + time;
        loop {
            self.drain(connection, again);
            let now = self.now();
            let wake = connection.poll_timeout().map_or(end, |(at, _)| at.min(end));
            let mut payloads = Vec::new();
            match self.arrivals.recv_timeout(wake.since(now)) {
                Ok(arrival) => {
                    payloads.extend(self.receive(connection, arrival));
                    while let Ok(arrival) = self.arrivals.try_recv() {
                        payloads.extend(self.receive(connection, arrival));
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            let now = self.now();
            if connection.poll_timeout().is_some_and(|(at, _)| at <= now) {
                connection.handle_timeout(now);
            }
            if !payloads.is_empty() || now >= end {
                self.drain(connection, again);
                return payloads;
            }
        }
    }

    fn drain(&mut self, connection: &mut Connection, again: &mut dyn FnMut(&mut Connection)) {
        loop {
            while let Some(transmit) = connection.poll_transmit(self.now()) {
                if let Err(error) = self.send(&transmit) {
                    connection.handle_send_error(&transmit.path, error, self.now());
                }
            }
            let Some(event) = connection.poll_event() else { return };
            match event {
                Event::CandidatesChanged => {
                    // A program with routes would ask the system which of these have one.
                    connection.handle_paths(&connection.candidate_paths(), self.now());
                }
                Event::PathSuspect { .. } | Event::PathLost { .. } | Event::PathRevived { .. } => {
                    again(connection)
                }
                Event::FlowState { flow, to, cause, .. } => {
                    println!("    flow {}: {to:?} ({})", flow.index(), cause.as_str());
                }
                _ => {}
            }
        }
    }

    fn receive(&self, connection: &mut Connection, arrival: Arrival) -> Option<Vec<u8>> {
        let Arrival { path, mut bytes } = arrival;
        if self.is_cut(path.local.ip) {
            return None;
        }
        let received = Received { path, ecn: Ecn::NotEct, bytes: &mut bytes };
        connection.handle_datagram(received, self.now()).ok().flatten()
    }
}

fn candidates(ips: &[IpAddr]) -> Vec<Candidate> {
    let candidate = |&ip| Candidate {
        addr: LocalAddr { ip, interface: None },
        kind: InterfaceKind::Other,
        role: Role::Primary,
        metered: false,
        lists: true,
        mtu: None,
        lingers: false,
    };
    ips.iter().map(candidate).collect()
}

fn parse_ips(words: &[&str]) -> Result<Vec<IpAddr>, Box<dyn Error>> {
    Ok(words.iter().map(|word| word.parse()).collect::<Result<_, _>>()?)
}

fn random_key() -> Result<Key, Box<dyn Error>> {
    let mut octets = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut octets)?;
    Ok(Key::from_bytes(&octets)?)
}
