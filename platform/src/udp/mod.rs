//! Datagrams with their addresses: one wildcard socket per family, the source address *and the interface* of each datagram
//! chosen by the sender and told to the receiver (paper §3.2).
//!
//! What every system's module gives (`linux.rs`, `apple.rs`, `bsd.rs`):
//!
//! - `LAYOUT`: how it lays out control messages, and the options that ask for them (`layout.rs`), held against the libc
//!   crate's numbers;
//! - `configure`: the options a new socket of a family needs: tell the local address, the interface and the TOS of what
//!   is received, mark what is sent ECT(0), fragment IPv4 rather than refuse it, queue ICMP errors;
//! - `dont_fragment`: sets or clears the DF bit (IPv6: no fragment header) for what is sent next, and says whether it could;
//! - `HEARS_ICMP`, `drain_errors`: whether there is a queue of ICMP errors, and what takes everything out of it.
//!
//! | system | IPv4 source | IPv4 interface | IPv6 source, interface | arrival interface | IPv4 ECN | IPv4 DF |
//! |---|---|---|---|---|---|---|
//! | Linux, Android | yes | yes | yes | yes | yes | yes |
//! | macOS | without interface only | yes | yes | yes | yes | yes |
//! | FreeBSD | yes | no | yes | yes | yes | yes |
//! | OpenBSD | yes | no | yes | yes | sent only | no |
//! | NetBSD | yes | no | yes | yes | sent only | no |
//!
//! Either family may be missing on the machine: the other carries on.

#[cfg(target_vendor = "apple")]
mod apple;
mod ask;
#[cfg(not(any(linux_kernel, target_vendor = "apple")))]
mod bsd;
mod cmsg;
mod layout;
#[cfg(linux_kernel)]
mod linux;
mod socket;
mod source;

#[cfg(target_vendor = "apple")]
use apple as system;
#[cfg(not(any(linux_kernel, target_vendor = "apple")))]
use bsd as system;
#[cfg(linux_kernel)]
use linux as system;

use crate::clock;
use crate::wait::{Ready, Tokens, Waiter};
use net::{Ecn, Instant, LocalAddr, Path, Received, SendError, Transmit};
pub(crate) use socket::to_raw;
use socket::{Failure, Socket};
use source::Sources;
use std::io;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// Whether this system tells of ICMP errors: what no router said is known only where it would have been heard.
pub const HEARS_ICMP: bool = system::HEARS_ICMP;

/// The most sockets of one family: the ports of older generations keep listening, for what is still under way to them.
const MOST_SOCKETS: usize = 10;

/// How long a replaced port listens after it last sent: NATs and queues have forgotten it by then.
const REPLACED_LISTENS: Duration = Duration::from_secs(60);

/// The most datagrams taken from one socket before what they brought is acted upon.
const BURST: usize = 64;

/// And no more are taken once what they bring has kept their owner busy for so long: others wait for it, too.
const SLICE: Duration = Duration::from_millis(20);

/// A datagram of this length is rarely alone.
const LARGE: usize = 1000;

/// Where one datagram comes so soon after another, more are to be expected.
const CLOSE: Duration = Duration::from_millis(1);

/// Tries to find one port that both families have free, when the system chooses.
const PORT_TRIES: usize = 32;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    fn of(path: &Path) -> Self {
        if path.remote.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// Which families to open, or which are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Families {
    /// IPv4.
    pub v4: bool,
    /// IPv6.
    pub v6: bool,
}

impl Families {
    /// Whatever the machine has.
    pub const ANY: Self = Self { v4: true, v6: true };
    /// IPv4 alone.
    pub const V4: Self = Self { v4: true, v6: false };
    /// IPv6 alone.
    pub const V6: Self = Self { v4: false, v6: true };

    fn wanted(self) -> impl Iterator<Item = Family> {
        [(self.v4, Family::V4), (self.v6, Family::V6)]
            .into_iter()
            .filter(|(on, _)| *on)
            .map(|(_, family)| family)
    }
}

/// What came with a received datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Meta {
    /// Where it arrived, the interface too, and where it came from.
    pub path: Path,
    /// The network's congestion mark; [`Ecn::NotEct`] where the system does not tell.
    pub ecn: Ecn,
    /// Octets of the buffer that it fills.
    pub len: usize,
    /// It was longer than the buffer: the rest is lost.
    pub truncated: bool,
    /// The port generation of the socket it came to.
    pub port_generation: u32,
}

impl Meta {
    /// The datagram in the buffer that [`Endpoint::recv`] filled.
    #[must_use]
    pub fn received(self, buffer: &mut [u8]) -> Received<'_> {
        let len = self.len.min(buffer.len());
        Received::new(self.path, self.ecn, &mut buffer[..len])
    }
}

/// What an ICMP error says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IcmpKind {
    /// Nobody listens on the port.
    PortUnreachable,
    /// No way to the host or the network.
    Unreachable,
    /// A firewall forbids it.
    Prohibited,
    /// This machine itself refuses to send it: a rule of its own that answers.
    Here,
    /// Too big for a link on the way, which takes so many octets of IP.
    TooBig(u32),
    /// Something else.
    Other,
}

/// An ICMP error about a datagram of ours. Anybody on the path can forge one: a hint, never a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IcmpError {
    /// Where the datagram went; the local address is unspecified where the system does not tell it.
    pub path: Path,
    /// What the error says.
    pub kind: IcmpKind,
}

/// One end's sockets: one for each family and each port generation in use.
#[derive(Debug)]
pub struct Endpoint {
    sockets: Vec<Socket>,
    /// The highest generation opened.
    newest: u32,
    /// A server keeps its port whatever generation it is asked for.
    fixed: bool,
    /// The socket that is asked first for the next datagram.
    next: usize,
    revision: u64,
    sources: Sources,
    errors: Vec<IcmpError>,
}

impl Endpoint {
    /// A client's sockets, on ports that the system chooses.
    ///
    /// # Errors
    /// The system's, when no family wanted can be opened.
    pub fn client(families: Families) -> io::Result<Self> {
        let mut failure = None;
        let mut sockets = Vec::new();
        for family in families.wanted() {
            match Socket::bind(family, 0, 0) {
                Ok(socket) => sockets.push(socket),
                Err(error) => failure = Some(error),
            }
        }
        match (sockets.is_empty(), failure) {
            (true, error) => Err(error.unwrap_or_else(no_family)),
            _ => Ok(Self::with(sockets, false)),
        }
    }

    /// A server's sockets: the first port of the range that every family the machine has can bind; for `0..=0` the
    /// system chooses one.
    ///
    /// # Errors
    /// `AddrInUse` when every port of the range is taken; the system's, when no family wanted can be opened.
    pub fn server(ports: RangeInclusive<u16>, families: Families) -> io::Result<Self> {
        if *ports.start() == 0 {
            let mut result = Err(no_family());
            for _ in 0..PORT_TRIES {
                result = Self::bind_all(0, families);
                if !matches!(&result, Err(error) if error.kind() == io::ErrorKind::AddrInUse) {
                    break;
                }
            }
            return result;
        }
        let mut failure = None;
        for port in ports {
            match Self::bind_all(port, families) {
                Ok(endpoint) => return Ok(endpoint),
                // A port of another program, or a privileged one: the next may do.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) =>
                {
                    failure = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(failure.unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "an empty range of ports")))
    }

    /// One port for all families that the machine has.
    fn bind_all(mut port: u16, families: Families) -> io::Result<Self> {
        let mut failure = None;
        let mut sockets = Vec::new();
        for family in families.wanted() {
            match Socket::bind(family, port, 0) {
                Ok(socket) => {
                    port = socket.port;
                    sockets.push(socket);
                }
                Err(error) if family_is_missing(&error) => failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        match (sockets.is_empty(), failure) {
            (true, error) => Err(error.unwrap_or_else(no_family)),
            _ => Ok(Self::with(sockets, true)),
        }
    }

    fn with(sockets: Vec<Socket>, fixed: bool) -> Self {
        Self {
            sockets,
            newest: 0,
            fixed,
            next: 0,
            revision: 0,
            sources: Sources::default(),
            errors: Vec::new(),
        }
    }

    /// The families that are open.
    #[must_use]
    pub fn families(&self) -> Families {
        let has = |family| self.sockets.iter().any(|socket| socket.family == family);
        Families { v4: has(Family::V4), v6: has(Family::V6) }
    }

    /// The port: a server's one; a client's newest of the first family.
    #[must_use]
    pub fn port(&self) -> u16 {
        let newest = self.sockets.iter().max_by_key(|socket| socket.generation);
        let generation = newest.map(|socket| socket.generation);
        self.sockets.iter().find(|s| Some(s.generation) == generation).map_or(0, |s| s.port)
    }

    /// Waits for the sockets too. What comes is taken by [`Self::receive`], before anything is sent.
    pub fn watch<'fd>(&'fd self, waiter: &mut Waiter<'fd>) -> Tokens {
        waiter.read_all(self.sockets())
    }

    /// The sockets, to wait until one is readable. The set changes only within [`Self::send`], and
    /// [`Self::revision`] with it. Whoever registers them elsewhere duplicates them first
    /// (`try_clone_to_owned`), because a replaced one is closed here.
    pub fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sockets.iter().map(|socket| socket.fd.as_fd())
    }

    /// Counts the changes of the set of sockets.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Sends a datagram from the address, the interface and the port generation that it names. A generation not met
    /// before opens a new socket; older ones go on listening for 60 s after they last sent, at most ten of a family.
    ///
    /// On Linux an ICMP error that waits in the socket surfaces on the next send, to whichever destination: such errors
    /// are taken out ([`Self::take_errors`]) and the datagram is sent once more, so that only a fault of this very
    /// datagram is reported.
    ///
    /// # Errors
    /// The local system's fault. `TooBig` also where `dont_fragment` cannot be had, so that nobody mistakes a fragmented
    /// probe for a large one.
    pub fn send(&mut self, transmit: &Transmit) -> Result<(), SendError> {
        let family = Family::of(&transmit.path);
        if transmit.path.local.ip.is_ipv4() != transmit.path.remote.is_ipv4() {
            return Err(SendError::PathGone);
        }
        let now = clock::now();
        let index = self.socket_for(family, transmit.port_generation, now).ok_or(SendError::PathGone)?;
        let source = self.sources.choose(&transmit.path, now);
        let socket = &mut self.sockets[index];
        socket.used = now;
        if transmit.dont_fragment && !system::dont_fragment(socket.fd.as_fd(), family, true) {
            system::dont_fragment(socket.fd.as_fd(), family, false);
            return Err(SendError::TooBig);
        }
        let result = send_past_errors(socket, transmit, &source, &mut self.errors);
        if transmit.dont_fragment {
            system::dont_fragment(socket.fd.as_fd(), family, false);
        }
        if result == Err(SendError::PathGone) {
            self.sources.forget();
        }
        result
    }

    /// The interfaces or the routes have changed: whatever was learned of them is asked anew.
    pub fn handle_network_change(&mut self) {
        self.sources.forget();
    }

    /// The socket of a family and a generation; opened when there is none yet.
    fn socket_for(&mut self, family: Family, generation: u32, now: Instant) -> Option<usize> {
        let find = |sockets: &[Socket], generation| {
            sockets.iter().position(|socket| socket.family == family && socket.generation == generation)
        };
        let generation = if self.fixed { 0 } else { generation };
        if let Some(index) = find(&self.sockets, generation) {
            return Some(index);
        }
        // A family that could not be opened at first is tried again: the machine may have it by now.
        match Socket::bind(family, if self.fixed { self.port() } else { 0 }, generation) {
            Ok(socket) => self.sockets.push(socket),
            Err(error) => {
                log::debug!("no {family:?} socket: {error}");
                // Out of descriptors, say: an older port is better than none.
                return self.sockets.iter().rposition(|socket| socket.family == family);
            }
        }
        self.revision += 1;
        self.newest = self.newest.max(generation);
        self.close_old(now);
        find(&self.sockets, generation)
    }

    /// Closes the replaced sockets that have been quiet for long, and the quietest of too many.
    fn close_old(&mut self, now: Instant) {
        let newest = self.newest;
        for family in [Family::V4, Family::V6] {
            let last = self.sockets.iter().filter(|s| s.family == family).map(|s| s.generation).max();
            let keep =
                |s: &Socket| s.family != family || Some(s.generation) == last || s.generation == newest;
            self.sockets.retain(|s| keep(s) || now.since(s.used) < REPLACED_LISTENS);
            while self.sockets.iter().filter(|s| s.family == family).count() > MOST_SOCKETS {
                let quietest =
                    self.sockets.iter().enumerate().filter(|(_, s)| !keep(s)).min_by_key(|(_, s)| s.used);
                let Some((index, _)) = quietest else { break };
                self.sockets.remove(index);
            }
        }
    }

    /// Takes what has arrived on the sockets that are ready, each datagram into `buffer` and from there to `take`. ICMP
    /// errors go to [`Self::take_errors`]. Whether all that was there has been taken, the next wait tells: a read that finds
    /// nothing costs as much as one that finds something, so that a small datagram that comes by itself is taken for the only
    /// one.
    ///
    /// # Errors
    /// Ours, never the network's: a socket that is no longer one.
    pub fn receive(
        &mut self,
        ready: &Ready,
        watched: Tokens,
        buffer: &mut [u8],
        mut take: impl FnMut(Received<'_>),
    ) -> io::Result<()> {
        let now = clock::now();
        for (socket, token) in self.sockets.iter_mut().zip(watched.iter()) {
            if !ready.has(token) {
                continue;
            }
            if ready.has_error(token) {
                system::drain_errors(socket, &mut self.errors);
            }
            let crowded = now.since(std::mem::replace(&mut socket.heard, now)) < CLOSE;
            for _ in 0..BURST {
                match socket.recv(buffer) {
                    Ok(meta) => {
                        take(meta.received(buffer));
                        if (!crowded && meta.len < LARGE) || clock::now().since(now) >= SLICE {
                            break;
                        }
                    }
                    Err(Failure::Empty) => break,
                    Err(Failure::Network) => {
                        system::drain_errors(socket, &mut self.errors);
                    }
                    Err(Failure::Fatal(error)) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Takes one datagram that waits in any socket, `None` when none does, for those who have not waited. ICMP errors met on
    /// the way go to [`Self::take_errors`].
    ///
    /// # Errors
    /// Ours, never the network's: a socket that is no longer one.
    pub fn recv(&mut self, buffer: &mut [u8]) -> io::Result<Option<Meta>> {
        let count = self.sockets.len();
        for step in 0..count {
            let index = (self.next + step) % count;
            let socket = &self.sockets[index];
            // A queue full of ICMP errors must not keep the datagrams of the other sockets waiting.
            for _ in 0..16 {
                match socket.recv(buffer) {
                    Ok(meta) => {
                        self.next = (index + 1) % count;
                        return Ok(Some(meta));
                    }
                    Err(Failure::Empty) => {
                        // An error left in the queue would keep the socket ready for ever.
                        system::drain_errors(socket, &mut self.errors);
                        break;
                    }
                    Err(Failure::Network) => {
                        system::drain_errors(socket, &mut self.errors);
                    }
                    Err(Failure::Fatal(error)) => return Err(error),
                }
            }
        }
        Ok(None)
    }

    /// The ICMP errors met since the last call, oldest first (Linux and Android; empty elsewhere).
    pub fn take_errors(&mut self) -> Vec<IcmpError> {
        std::mem::take(&mut self.errors)
    }
}

fn no_family() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "this machine has neither IPv4 nor IPv6")
}

/// Whether a socket could not be opened because the machine has switched the family off.
fn family_is_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT | libc::EADDRNOTAVAIL))
}

fn send_past_errors(
    socket: &Socket,
    transmit: &Transmit,
    source: &LocalAddr,
    errors: &mut Vec<IcmpError>,
) -> Result<(), SendError> {
    let mut result = socket.send(transmit, source);
    for _ in 0..3 {
        match &result {
            Ok(()) => return Ok(()),
            Err(error) if is_full(error) => break,
            Err(_) => {}
        }
        // Once more in any case: the error may have been reported without being queued. Again only after errors
        // of the network, which are no fault of this datagram.
        let drained = system::drain_errors(socket, errors);
        result = socket.send(transmit, source);
        if drained == 0 {
            break;
        }
    }
    result.map_err(|error| send_error(&error))
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM))
}

fn send_error(error: &io::Error) -> SendError {
    match error.raw_os_error() {
        // EINVAL: an IPv6 source that is not ours. ENXIO, ENODEV: an interface that is gone.
        Some(
            libc::ENETUNREACH
            | libc::EHOSTUNREACH
            | libc::EHOSTDOWN
            | libc::ENETDOWN
            | libc::EADDRNOTAVAIL
            | libc::EAFNOSUPPORT
            | libc::EINVAL
            | libc::ENODEV
            | libc::ENXIO,
        ) => SendError::PathGone,
        Some(libc::EMSGSIZE) => SendError::TooBig,
        // ECONNREFUSED: yet another ICMP error; the datagram never left, which is as good as lost.
        Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM | libc::EINTR | libc::ECONNREFUSED) => {
            SendError::Congested
        }
        _ => SendError::Refused,
    }
}

#[cfg(test)]
mod tests;
