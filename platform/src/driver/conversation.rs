//! A [`Driver`] and a [`Connection`] together, for a program that has nothing else to wait for.

use super::numbering::{MARK, Numbering};
use super::{Driver, EveryInterface, Machine, Notice, Policy};
use crate::clock;
use crate::interfaces::Interface;
use crate::udp::{Endpoint, Families, HEARS_ICMP, IcmpKind};
use crate::wait::Waiter;
use net::{
    Candidate, Class, Config, Connection, Dialect, DialectName, Event, INTERACTIVE, Instant, Key, Path,
    Received, SendError, Side, Transmit,
};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// What becomes of a payload that arrives again, because it was sent on two paths. Both ends must ask for the same, but
/// [`Self::Marked`] and [`Self::Dropped`] go together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Repeats {
    /// It is handed over once.
    #[default]
    Dropped,
    /// It is handed over, as [`Payload::repeated`].
    Marked,
    /// It is handed over like any other: payloads are sent without a mark, and are eight octets shorter for it.
    Untold,
}

/// How a conversation is to be.
#[derive(Debug)]
#[non_exhaustive]
pub struct Options {
    /// What becomes of copies.
    pub repeats: Repeats,
    /// The address families to use.
    pub families: Families,
    /// How the connection behaves; the port and what this system tells are filled in.
    pub connection: Config,
}

impl Default for Options {
    fn default() -> Self {
        Self { repeats: Repeats::default(), families: Families::ANY, connection: Config::default() }
    }
}

/// What the peer has said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Payload {
    /// The octets.
    pub bytes: Vec<u8>,
    /// It has been handed over before ([`Repeats::Marked`]).
    pub repeated: bool,
}

/// Why a payload was not sent. What was sent may still be lost, as any datagram may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotSent {
    /// There is no path yet, or none any more.
    NoPath,
    /// It is longer than what all paths in use take.
    TooLong {
        /// The most octets that go.
        most: usize,
    },
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPath => f.write_str("there is no path to the other end"),
            Self::TooLong { most } => write!(f, "the paths in use take {most} octets at most"),
        }
    }
}

impl std::error::Error for NotSent {}

/// What [`Conversation::next`] brings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Happening {
    /// The peer has said something.
    Payload(Payload),
    /// Something has happened to the paths.
    Event(Event),
    /// Something has happened on this machine: a datagram that was not sent is among it.
    Notice(Notice),
}

/// One end of a conversation over several paths. Datagrams: they may be lost, and come in another order.
pub struct Conversation {
    pub(super) driver: Driver,
    core: Core,
}

/// The machine that the driver drives.
struct Core {
    connection: Connection,
    repeats: Repeats,
    numbering: Numbering,
    arrived: VecDeque<Payload>,
    /// The paths are to be chosen.
    chooses: bool,
}

impl Conversation {
    /// The end that speaks first, with a server at this address.
    ///
    /// # Errors
    /// The key is no key; no socket can be had.
    pub fn client(key: &Key, server: SocketAddr, options: Options) -> io::Result<Self> {
        let endpoint = Endpoint::client(options.families)?;
        let dialect = dialect(key, Side::Client)?;
        let config = options.connection.with_hears_routers(HEARS_ICMP);
        let connection = Connection::client(dialect, &[server], config, clock::now());
        Self::new(endpoint, connection, options.repeats, EveryInterface)
    }

    /// The end that is spoken to, on the first free port of these.
    ///
    /// # Errors
    /// The key is no key; no port can be had.
    pub fn server(key: &Key, ports: RangeInclusive<u16>, options: Options) -> io::Result<Self> {
        let endpoint = Endpoint::server(ports, options.families)?;
        let dialect = dialect(key, Side::Server)?;
        let config = options.connection.with_port(endpoint.port()).with_hears_routers(HEARS_ICMP);
        let connection = Connection::server(dialect, config, clock::now());
        Self::new(endpoint, connection, options.repeats, EveryInterface)
    }

    /// A conversation over a connection and sockets of the program's own making, on the interfaces that it allows.
    ///
    /// # Errors
    /// The network cannot be watched: the system has no more descriptors.
    pub fn new(
        endpoint: Endpoint,
        connection: Connection,
        repeats: Repeats,
        policy: impl Policy + Send + 'static,
    ) -> io::Result<Self> {
        let mut driver = Driver::new(endpoint, policy)?;
        let numbering = Numbering::default();
        let mut core = Core { connection, repeats, numbering, arrived: VecDeque::new(), chooses: true };
        driver.begin(&mut core);
        Ok(Self { driver, core })
    }

    /// A key for a new conversation. Whoever knows it is the other end.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new_key() -> io::Result<Key> {
        let mut octets = [0; 32];
        getrandom::fill(&mut octets).map_err(io::Error::from)?;
        Key::from_bytes(&octets)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))
    }

    /// The port: a server's one.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.driver.endpoint().port()
    }

    /// The connection, for reports.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.core.connection
    }

    /// Says something, on the path that is best and, where that is in doubt, on another besides.
    ///
    /// # Errors
    /// It was not sent, and why.
    pub fn send(&mut self, payload: &[u8]) -> Result<(), NotSent> {
        let Core { connection, numbering, repeats, .. } = &mut self.core;
        if !connection.is_connected() {
            return Err(NotSent::NoPath);
        }
        let mark = if *repeats == Repeats::Untold { 0 } else { MARK };
        let most = connection.max_payload().saturating_sub(mark);
        if payload.len() > most {
            return Err(NotSent::TooLong { most });
        }
        let bytes = if mark == 0 { payload.to_vec() } else { numbering.mark(payload) };
        let class = if bytes.len() <= INTERACTIVE { Class::Interactive } else { Class::Bulk };
        connection.set_active(clock::now());
        connection.send(bytes, class);
        self.driver.transmit(&mut self.core);
        Ok(())
    }

    /// Waits for what happens next, for `timeout` at most (`None`: for ever); `None` when the time is up.
    ///
    /// # Errors
    /// The system does not let it wait.
    pub async fn next(&mut self, timeout: Option<Duration>) -> io::Result<Option<Happening>> {
        let end = timeout.map(|timeout| clock::now() + timeout);
        loop {
            self.driver.transmit(&mut self.core);
            if let Some(happening) = self.happening() {
                return Ok(Some(happening));
            }
            if std::mem::take(&mut self.core.chooses) {
                self.driver.choose_paths(&mut self.core);
                continue;
            }
            let left = end.map(|end| end.since(clock::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            let due = self.driver.timeout(&self.core);
            let mut waiter = Waiter::new();
            let tokens = self.driver.watch(&mut waiter);
            let ready = waiter.wait([left, due].into_iter().flatten().min()).await?;
            self.driver.handle_ready(&ready, tokens, &mut self.core);
            self.driver.handle_timeout(&mut self.core);
        }
    }

    fn happening(&mut self) -> Option<Happening> {
        if let Some(payload) = self.core.arrived.pop_front() {
            return Some(Happening::Payload(payload));
        }
        if let Some(notice) = self.driver.poll_notice() {
            return Some(Happening::Notice(notice));
        }
        let event = self.core.connection.poll_event()?;
        self.core.chooses |= event == Event::CandidatesChanged;
        Some(Happening::Event(event))
    }
}

fn dialect(key: &Key, side: Side) -> io::Result<Dialect> {
    Dialect::new(DialectName::Multipath, key, side)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))
}

impl Machine for Core {
    fn handle_datagram(&mut self, received: Received<'_>, now: Instant) {
        let Ok(Some(bytes)) = self.connection.handle_datagram(received, now) else { return };
        self.connection.set_active(now);
        let payload = match self.repeats {
            Repeats::Untold => Some(Payload { bytes, repeated: false }),
            Repeats::Marked | Repeats::Dropped => {
                self.numbering.open(&bytes).map(|(bytes, repeated)| Payload { bytes, repeated })
            }
        };
        let wanted = |payload: &Payload| !payload.repeated || self.repeats == Repeats::Marked;
        self.arrived.extend(payload.filter(wanted));
    }

    fn handle_send_error(&mut self, path: &Path, error: SendError, now: Instant) {
        self.connection.handle_send_error(path, error, now);
    }

    fn handle_refusal(&mut self, path: &Path, kind: IcmpKind, now: Instant) {
        match kind {
            IcmpKind::Here => self.connection.handle_send_error(path, SendError::Refused, now),
            _ => self.connection.handle_icmp(path, now),
        }
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
