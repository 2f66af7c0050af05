//! The client's end of a carrier to the real server: the production connection, whose datagrams go through the production frames.
#![allow(dead_code, reason = "each test file uses its own part")]

use net::carrier::Carrier;
use net::{
    Candidate, Class, Config, Connection, Dialect, DialectName, Ecn, InterfaceKind, Key, LocalAddr, Path,
    Received, Side,
};
use platform::clock;
use platform::wait::Waiter;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest wait of a turn.
const TURN: Duration = Duration::from_millis(20);

/// The client's end of a stream.
pub(crate) struct End {
    pub(crate) child: Child,
    pub(crate) carrier: Carrier,
    /// What stood before the carrier's line.
    pub(crate) before: String,
}

impl End {
    /// Starts what is to become a carrier, and reads up to its line.
    pub(crate) fn begin(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let out = child.stdout.as_mut().expect("a pipe");
        let mut before = String::new();
        loop {
            let line = line(out);
            match line.as_str() {
                "MPMOSH CARRY 1\n" => break,
                "" => panic!("no carrier: {before}"),
                _ => before.push_str(&line),
            }
        }
        Self { child, carrier: Carrier::new(clock::now()), before }
    }

    pub(crate) fn write(&mut self, octets: &[u8]) {
        self.child.stdin.as_mut().expect("a pipe").write_all(octets).expect("it reads");
    }

    /// Passes on what the client says, and what comes within a moment.
    pub(crate) fn turn(&mut self, client: &mut Client) {
        let now = clock::now();
        while let Some(transmit) = client.connection.poll_transmit(now) {
            self.carrier.send(&transmit.bytes, now).expect("a datagram of a session");
        }
        while let Some(octets) = self.carrier.poll_octets(now).map(<[u8]>::to_vec) {
            self.write(&octets);
            self.carrier.wrote(octets.len());
        }
        let out = self.child.stdout.as_mut().expect("a pipe");
        let mut waiter = Waiter::new();
        let token = waiter.read(out.as_fd());
        if waiter.block(Some(TURN)).expect("the system lets a program wait").has(token) {
            let mut buffer = [0; 4096];
            let count = out.read(&mut buffer).expect("the carrier writes");
            assert!(count > 0, "the carrier has ended");
            self.carrier.handle_octets(&buffer[..count], clock::now()).expect("frames");
        }
        while let Some(datagram) = self.carrier.poll_datagram() {
            client.hear(datagram);
        }
        if client.connection.poll_timeout().is_some_and(|(at, _)| at <= clock::now()) {
            client.connection.handle_timeout(clock::now());
        }
    }

    /// Ends the stream, and gives what it has said.
    pub(crate) fn end(mut self) -> Output {
        drop(self.child.stdin.take());
        let id = self.child.id();
        let (done, is_done) = std::sync::mpsc::channel();
        // One that does not end is ended, so that the test fails instead of waiting.
        let guard = thread::spawn(move || {
            if is_done.recv_timeout(PATIENCE).is_err() {
                let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
            }
        });
        let output = self.child.wait_with_output().expect("the program's output");
        let _ = done.send(());
        guard.join().expect("the guard");
        output
    }
}

/// A line, read octet by octet: what follows is not text.
fn line(out: &mut impl Read) -> String {
    let (mut line, mut octet) = (Vec::new(), [0]);
    while out.read_exact(&mut octet).is_ok() {
        line.push(octet[0]);
        if octet == *b"\n" {
            break;
        }
    }
    String::from_utf8(line).expect("text before the carrier's line")
}

/// A session's client, which knows nothing of how its datagrams go.
pub(crate) struct Client {
    pub(crate) connection: Connection,
    path: Path,
    pub(crate) payloads: usize,
}

impl Client {
    /// From the server's announcement.
    pub(crate) fn of(announcement: &str) -> Self {
        let words: Vec<_> = announcement.split_whitespace().collect();
        let [_, _, "multipath/1", port, key, ..] = words[..] else { panic!("{announcement}") };
        let key = Key::parse(key).expect("a key");
        let remote = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().expect("a port")));
        let dialect = Dialect::new(DialectName::Multipath, &key, Side::Client).expect("a key of the dialect");
        let now = clock::now();
        let mut connection = Connection::client(dialect, &[remote], Config::new(), now);
        let local = LocalAddr { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), interface: None };
        connection.handle_interfaces(&[Candidate::new(local, InterfaceKind::Loopback)], now);
        connection.handle_paths(&connection.candidate_paths(), now);
        Self { connection, path: Path { local, remote }, payloads: 0 }
    }

    fn hear(&mut self, mut datagram: Vec<u8>) {
        let received = Received::new(self.path, Ecn::NotEct, &mut datagram);
        // One that another carrier's has overtaken counts for nothing.
        let payload = self.connection.handle_datagram(received, clock::now()).unwrap_or_default();
        self.payloads += usize::from(payload.is_some());
    }

    /// Says something, which the server answers, through this stream.
    pub(crate) fn exchange(&mut self, end: &mut End) {
        let before = clock::now();
        let until = before + PATIENCE;
        self.connection.send(b"no instruction".to_vec(), Class::Interactive);
        while self.connection.last_heard().is_none_or(|at| at <= before) {
            assert!(clock::now() < until, "nothing comes back");
            end.turn(self);
        }
    }
}
