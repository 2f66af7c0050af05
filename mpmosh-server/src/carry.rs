//! The server's end of a carrier: sealed datagrams between the stream that ssh gives this process, its standard input and
//! output, and the session's UDP port. SPEC \[C-1] to \[C-6].
//!
//! Contract: this process has no key, and nothing of the session but a socket: one that had a key becomes this program anew
//! first ([`instead`]). It leads to a session of the registry, or to one that this process has begun itself, and nowhere else,
//! so that an account which may do nothing but this gets no relay by it. The session notices nothing of it but silence.

pub mod ending;

use crate::spawn::logind::SAID_WHY;
use ending::{Ending, Over};
use net::carrier::{Babble, Carrier};
use platform::child;
use platform::clock;
use platform::wait::Waiter;
use platform::words::words;
use rustix::io::{read, write};
use rustix::pipe::PIPE_BUF;
use std::ffi::OsString;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;

/// What stands before the first frame: what login scripts print precedes it.
const LINE: &[u8] = b"MPMOSH CARRY 1\n";

/// Says which descriptor is the socket of a carrier that this process has become.
const MARK: &str = "MPMOSH_SERVER_CARRIES";

/// Octets read at a time.
const CHUNK: usize = 64 * 1024;
/// Datagrams taken from the server before what they brought is passed on.
const BURST: usize = 64;

/// Why a carrier does not begin, or ends before its client ends it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody who speaks frames is at a terminal.
    #[error("a carrier's stream is no terminal: it is for mpmosh, which starts it by ssh without one (-T)")]
    Terminal,
    /// What came from the client is no carrier's.
    #[error("what comes from the client's end is no carrier's: {0}")]
    Babble(#[from] Babble),
    /// It has nothing more to do.
    #[error("the carrier has ended: {0}")]
    Over(#[from] Over),
    /// The system refused something.
    #[error("{what}: {}", words(.error))]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

fn system(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| Error::System { what, error }
}

/// Does the work of a carrier where this process has become one: to be called before anything else.
#[must_use]
pub fn if_become() -> Option<ExitCode> {
    let socket = child::kept(MARK)?;
    // What is no socket with a peer carries nothing.
    let socket = UdpSocket::from(socket);
    let outcome = match socket.peer_addr() {
        Ok(_) => carry(&socket),
        Err(error) => Err(system("the session's socket")(error)),
    };
    // The session was begun all the same: nobody is to begin another one.
    Some(told(outcome, SAID_WHY.into()))
}

/// Becomes the carrier to a session's server at this address: all that this process knew is gone. Returns where that cannot
/// be, which is told; the session goes on without.
pub fn instead(server: SocketAddr, session: &str) {
    let words: Vec<OsString> = std::env::args_os().take(1).chain(["carry".into(), session.into()]).collect();
    let error = match open(server) {
        Ok(socket) => system("starting this program anew")(child::restart(&words, socket.into(), MARK)),
        Err(error) => error,
    };
    let _ = writeln!(io::stderr(), "mpmosh-server: there is no carrier: {error}.");
}

/// Is the carrier to a session's server at this address.
#[must_use]
pub fn to(server: SocketAddr) -> ExitCode {
    told(open(server).and_then(|socket| carry(&socket)), ExitCode::FAILURE)
}

fn told(outcome: Result<(), Error>, failed: ExitCode) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    let _ = writeln!(io::stderr(), "mpmosh-server: {error}.");
    failed
}

/// Where a server that listens at this port is reached on this host: at the one address that it serves, or on loopback.
#[must_use]
pub fn way_to(port: u16, only: Option<IpAddr>, has_v4: bool) -> SocketAddr {
    let loopback = if has_v4 { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    SocketAddr::new(only.unwrap_or(loopback), port)
}

/// A port of this carrier's own, by which the server tells it from others, that takes and gives the server's datagrams alone.
fn open(server: SocketAddr) -> Result<UdpSocket, Error> {
    if io::stdin().is_terminal() || io::stdout().is_terminal() {
        return Err(Error::Terminal);
    }
    let socket = UdpSocket::bind((server.ip(), 0)).map_err(system("a socket beside the session's"))?;
    socket.connect(server).map_err(system("a socket beside the session's"))?;
    Ok(socket)
}

fn carry(socket: &UdpSocket) -> Result<(), Error> {
    socket.set_nonblocking(true).map_err(system("a socket beside the session's"))?;
    let (input, output) = (io::stdin(), io::stdout());
    match write_all(output.as_fd(), LINE) {
        Ok(()) => relay(socket, input.as_fd(), output.as_fd()),
        // Nobody reads it.
        Err(_) => Ok(()),
    }
}

fn write_all(output: BorrowedFd<'_>, mut octets: &[u8]) -> io::Result<()> {
    while !octets.is_empty() {
        octets = &octets[write(output, octets)?..];
    }
    Ok(())
}

/// Passes datagrams on, both ways, until the client ends it.
fn relay(socket: &UdpSocket, input: BorrowedFd<'_>, output: BorrowedFd<'_>) -> Result<(), Error> {
    let now = clock::now();
    let (mut carrier, mut ending) = (Carrier::new(now), Ending::new(now));
    let mut buffer = vec![0; CHUNK];
    loop {
        let now = clock::now();
        let mut waiter = Waiter::new();
        let (from_client, from_server) = (waiter.read(input), waiter.read(socket.as_fd()));
        let writes = carrier.poll_octets(now).is_some();
        let to_client = if writes { waiter.write(output) } else { waiter.closed(output) };
        let until = carrier.poll_timeout().map_or(ending.poll_timeout(), |at| at.min(ending.poll_timeout()));
        let ready = waiter.block(Some(until.since(now))).map_err(system("waiting"))?;
        let now = clock::now();
        if ready.has(from_client) {
            match read(input, &mut buffer) {
                Ok(0) => return Ok(carrier.handle_end()?),
                Ok(count) => {
                    ending.heard(now);
                    carrier.handle_octets(&buffer[..count], now)?;
                }
                Err(error) if is_passing(error.kind()) => {}
                Err(error) => return Err(system("reading what ssh brings")(error.into())),
            }
            while let Some(datagram) = carrier.poll_datagram() {
                give(socket, &datagram, &mut ending);
            }
        }
        if ready.has(from_server) {
            take(socket, &mut carrier, &mut ending, &mut buffer);
        }
        if ready.has(to_client) {
            // So many never make a pipe wait that takes any.
            let octets = carrier.poll_octets(now).filter(|_| writes).unwrap_or_default();
            match write(output, &octets[..octets.len().min(PIPE_BUF)]) {
                _ if !writes => return Ok(()),
                Ok(count) => carrier.wrote(count),
                Err(error) if is_passing(error.kind()) => {}
                // Nobody reads it.
                Err(_) => return Ok(()),
            }
        }
        if let Some(over) = ending.over(now) {
            return Err(over.into());
        }
    }
}

/// Whether it is to be tried again.
fn is_passing(error: ErrorKind) -> bool {
    matches!(error, ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Gives the server a datagram. What the system does not take is lost, as it is on any network.
fn give(socket: &UdpSocket, datagram: &[u8], ending: &mut Ending) {
    for _ in 0..2 {
        match socket.send(datagram) {
            // The refusal of one before; this one has not gone.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => ending.refused(clock::now()),
            _ => return,
        }
    }
}

/// Takes what the server sends.
fn take(socket: &UdpSocket, carrier: &mut Carrier, ending: &mut Ending, buffer: &mut [u8]) {
    let now = clock::now();
    for _ in 0..BURST {
        match socket.recv(buffer) {
            Ok(count) => {
                ending.answered();
                // One that no client takes is none of a session's.
                let _ = carrier.send(&buffer[..count], now);
            }
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => ending.refused(now),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_reached_at_what_it_serves() {
        let reached = |only: Option<&str>, has_v4| {
            way_to(60001, only.map(|ip| ip.parse().unwrap()), has_v4).to_string()
        };
        assert_eq!(reached(None, true), "127.0.0.1:60001");
        assert_eq!(reached(None, false), "[::1]:60001");
        assert_eq!(reached(Some("192.0.2.7"), true), "192.0.2.7:60001");
        assert_eq!(reached(Some("2001:db8::7"), true), "[2001:db8::7]:60001");
    }
}
