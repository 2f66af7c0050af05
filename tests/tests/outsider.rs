//! What a program of somebody else's needs: a connection and a driver without a literal of a structure that may grow, and
//! crates that bring their documents along.

use net::{
    Candidate, Class, Config, Connection, Dialect, DialectName, Event, Instant, InterfaceKind, Key, Path,
    Received, Redundancy, SendError, Side, Transmit,
};
use platform::clock;
use platform::driver::{Driver, EveryInterface, Machine, Policy, candidates_of};
use platform::interfaces::Interface;
use platform::udp::{Endpoint, Families, IcmpKind};
use platform::wait::Waiter;
use std::net::SocketAddr;
use std::path::Path as FilePath;
use std::pin::pin;
use std::process::Command;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The longest wait of a turn: two programs take turns on one thread here.
const TURN: Duration = Duration::from_millis(5);

/// A program of its own around a connection.
struct Echo {
    connection: Connection,
    heard: Vec<Vec<u8>>,
    answers: bool,
}

impl Machine for Echo {
    fn handle_datagram(&mut self, received: Received<'_>, now: Instant) {
        if let Ok(Some(payload)) = self.connection.handle_datagram(received, now) {
            if self.answers {
                self.connection.send(payload.clone(), Class::Interactive);
            }
            self.heard.push(payload);
        }
    }

    fn handle_send_error(&mut self, path: &Path, error: SendError, now: Instant) {
        self.connection.handle_send_error(path, error, now);
    }

    fn handle_refusal(&mut self, path: &Path, _kind: IcmpKind, now: Instant) {
        self.connection.handle_icmp(path, now);
    }

    fn handle_packet_too_big(&mut self, path: &Path, mtu: u32, now: Instant) {
        self.connection.handle_packet_too_big(path, mtu, now);
    }

    fn handle_interfaces(&mut self, _interfaces: &[Interface], candidates: &[Candidate], now: Instant) {
        self.connection.handle_interfaces(candidates, now);
    }

    fn candidate_paths(&self) -> Vec<Path> {
        self.connection.candidate_paths()
    }

    fn handle_paths(&mut self, usable: &[Path], now: Instant) {
        self.connection.handle_paths(usable, now);
    }

    fn handle_resume(&mut self, slept: Duration, now: Instant) {
        self.connection.handle_resume(slept, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.connection.handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        self.connection.poll_transmit(now)
    }

    fn poll_timeout(&self, _now: Instant) -> Option<Instant> {
        self.connection.poll_timeout().map(|(at, _)| at)
    }

    fn is_active(&self, now: Instant) -> bool {
        self.connection.is_active(now)
    }
}

/// A policy of its own: the machine's own interface, and whatever else a policy may say.
struct Own;

impl Policy for Own {
    fn candidates(&self, interfaces: &[Interface]) -> Vec<Candidate> {
        let own = interfaces.iter().filter(|interface| interface.kind == InterfaceKind::Loopback);
        let mut candidates: Vec<_> =
            own.flat_map(|interface| candidates_of(interface, net::Role::Primary)).collect();
        candidates.iter_mut().for_each(|candidate| candidate.metered = false);
        candidates
    }
}

/// A wait is one system call: no executor is needed for it.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("a wait never returns before it is over"),
    }
}

/// A turn of the loop, as the driver's contract has it.
fn turn(driver: &mut Driver, echo: &mut Echo) {
    driver.transmit(echo);
    while let Some(event) = echo.connection.poll_event() {
        if event == Event::CandidatesChanged {
            driver.choose_paths(echo);
        }
    }
    driver.transmit(echo);
    let timeout = driver.timeout(echo).unwrap_or(TURN).min(TURN);
    let mut waiter = Waiter::new();
    let tokens = driver.watch(&mut waiter);
    let ready = at_once(waiter.wait(Some(timeout))).expect("the system lets a program wait");
    driver.handle_ready(&ready, tokens, echo);
    driver.handle_timeout(echo);
    while driver.poll_notice().is_some() {}
}

#[test]
fn a_connection_and_a_driver_are_built_without_a_literal() {
    let key = Key::from_bytes(&[7; 32]).unwrap();
    let dialect = |side| Dialect::new(DialectName::Multipath, &key, side).unwrap();
    let config = Config::new().with_redundancy(Redundancy::Off).with_keepalive(Duration::from_secs(20));

    let endpoint = Endpoint::server(0..=0, Families::V4).unwrap();
    let remote = SocketAddr::from(([127, 0, 0, 1], endpoint.port()));
    let connection =
        Connection::server(dialect(Side::Server), config.with_port(endpoint.port()), clock::now());
    let mut server = Echo { connection, heard: Vec::new(), answers: true };
    let mut serving = Driver::new(endpoint, EveryInterface).unwrap();
    serving.begin(&mut server);

    let connection = Connection::client(dialect(Side::Client), &[remote], config, clock::now());
    let mut client = Echo { connection, heard: Vec::new(), answers: false };
    let mut asking = Driver::new(Endpoint::client(Families::V4).unwrap(), Own).unwrap();
    asking.begin(&mut client);

    let began = clock::now();
    let mut said = false;
    while client.heard.is_empty() {
        if client.connection.is_connected() && !std::mem::replace(&mut said, true) {
            client.connection.send(b"hello".to_vec(), Class::Interactive);
        }
        turn(&mut asking, &mut client);
        turn(&mut serving, &mut server);
        assert!(clock::now().since(began) < Duration::from_secs(30), "nothing is echoed");
    }
    assert_eq!(client.heard, [b"hello"]);
    assert_eq!(server.heard, [b"hello"]);
}

/// What a crate's page shows, and what its licence asks for, is inside its `.crate`.
#[test]
fn each_crate_brings_its_documents_along() {
    let root = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let own: &[(&str, &[&str])] = &[
        ("mpmosh-net", &["SPEC.md"]),
        ("mpmosh-sync", &[]),
        ("mpmosh-terminal", &[]),
        ("mpmosh-platform", &[]),
        ("mpmosh-client", &[]),
        ("mpmosh-server", &[]),
    ];
    for (name, files) in own {
        let listing = Command::new(env!("CARGO"))
            .args(["package", "--list", "--allow-dirty", "--offline", "--locked", "-p", name])
            .current_dir(&root)
            .output()
            .unwrap();
        assert!(listing.status.success(), "{}", String::from_utf8_lossy(&listing.stderr));
        let listing = String::from_utf8(listing.stdout).unwrap();
        for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"].iter().chain(*files) {
            assert!(listing.lines().any(|line| line == *file), "{name} has no {file}");
        }
    }
}
