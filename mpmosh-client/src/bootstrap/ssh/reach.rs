//! From a host's settings to an ssh connection on which the user is logged in, through other hosts where need be.
//!
//! Contract: every host on the way is looked up in the ssh configuration, shows its key and lets the user in, exactly as
//! the last one; none of them sees more than ciphertext of what follows. What libssh2 cannot do on any of them is
//! [`Error::NeedsSsh`], before anything has been sent to any.

use core::net::SocketAddr;
use core::time::Duration;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use ssh2::{ErrorCode, Session};

use super::host_key::RecordedHost;
use super::ssh_config::SshConfig;
use super::{algorithms, auth, jump};
use crate::bootstrap::dialogue::Dialogue;
use crate::bootstrap::{Error, Uplinks, connect};
use crate::cli::args::{Destination, SshArgs};
use crate::text::sanitize::one_line;

/// Longest wait for one answer of the ssh server in the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest way: as many hosts as anybody has been seen to need, twice.
const MOST_HOPS: usize = 8;
/// Codes of libssh2 for "no common algorithm" (KEX_FAILURE, METHOD_NOT_SUPPORTED, ALGO_UNSUPPORTED).
const NO_COMMON: [i32; 3] = [-5, -33, -51];

/// A host on which the user is logged in.
pub(super) struct Reached {
    pub(super) session: Session,
    /// A second handle on the socket under the session, to wait on.
    pub(super) socket: OwnedFd,
    /// The host's name, fit for printing.
    pub(super) host: String,
    /// The same as typed.
    typed: String,
    /// Its address, where no other host lies between.
    pub(super) address: Option<SocketAddr>,
    /// All its addresses by the name service, likewise.
    pub(super) addresses: Vec<SocketAddr>,
    /// The host before it.
    pub(super) through: Option<String>,
    /// The key exchange in use.
    pub(super) exchange: Option<String>,
}

/// Logs in to the host.
///
/// # Errors
/// See [`Error`]; [`Error::NeedsSsh`] where the user's own ssh may succeed.
pub(super) fn log_in(
    config: &SshConfig,
    args: &SshArgs,
    uplinks: &Uplinks,
    dialogue: &mut dyn Dialogue,
) -> Result<Reached, Error> {
    let mut reached = None;
    for hop in &way(config, args.config.as_deref())? {
        reached = Some(step(hop, reached, uplinks, dialogue)?);
    }
    step(config, reached, uplinks, dialogue)
}

/// The hosts on the way, the nearest to us first, all of which libssh2 can reach.
fn way(config: &SshConfig, file: Option<&Path>) -> Result<Vec<SshConfig>, Error> {
    let hops = hops(config, file)?;
    match hops.iter().find_map(SshConfig::needs_ssh) {
        Some(reason) => Err(Error::NeedsSsh { reason }),
        None => Ok(hops),
    }
}

/// The hosts on the way, the nearest to us first.
///
/// As with ssh, a host of a list of several is reached through the one before it, and the first of them as its own
/// settings say; of the command line only the configuration file's name holds for them.
pub(super) fn hops(config: &SshConfig, file: Option<&Path>) -> Result<Vec<SshConfig>, Error> {
    let mut way: Vec<SshConfig> = Vec::new();
    let mut jumps = config.jumps.clone();
    while let Some(jump) = jumps.pop() {
        let destination = destination(&jump)?;
        let args = SshArgs { config: file.map(Into::into), ..SshArgs::default() };
        let hop = SshConfig::read(&destination, &args)?;
        let same = |other: &SshConfig| (&other.host_name, other.port) == (&hop.host_name, hop.port);
        if same(config) || way.iter().any(same) || way.len() >= MOST_HOPS {
            let evidence = format!("the way by ProxyJump leads to {} again", one_line(&jump, 80));
            return Err(Error::SshConfig { evidence });
        }
        if jumps.is_empty() {
            jumps.clone_from(&hop.jumps);
        }
        way.push(hop);
    }
    way.reverse();
    Ok(way)
}

/// `[user@]host[:port]` or `ssh://[user@]host[:port]`.
pub(super) fn destination(jump: &str) -> Result<Destination, Error> {
    Destination::parse(jump).map_err(|reason| Error::SshConfig {
        evidence: format!("ProxyJump names “{}”: {reason}", one_line(jump, 80)),
    })
}

/// What becomes of ssh's first connection over each interface, a sentence each; nothing where a program of the user's makes
/// it, or where it cannot be known.
pub(in crate::bootstrap) fn survey(config: &SshConfig, args: &SshArgs, uplinks: &Uplinks) -> Vec<String> {
    let Ok(hops) = hops(config, args.config.as_deref()) else { return Vec::new() };
    let nearest = hops.first().unwrap_or(config);
    if nearest.has_proxy() {
        return Vec::new();
    }
    let family = nearest.address_family.as_deref();
    let addresses = connect::resolve(&nearest.host_name, nearest.port, uplinks.family(), family);
    addresses.map_or_else(|_| Vec::new(), |addresses| connect::survey(&addresses, uplinks))
}

/// Logs in to one host, through the one before it.
fn step(
    config: &SshConfig,
    before: Option<Reached>,
    uplinks: &Uplinks,
    dialogue: &mut dyn Dialogue,
) -> Result<Reached, Error> {
    let host = one_line(&config.host_name, 80);
    let (mut line, through) = match before {
        None => (direct(config, uplinks, &host, dialogue)?, None),
        Some(gate) => {
            let name = gate.typed.clone();
            dialogue.stage(Some(&format!("connecting to {host} through {name}")));
            (through(config, gate)?, Some(name))
        }
    };
    let place = match (line.address, &through) {
        (Some(address), _) => address.to_string(),
        (None, gate) => format!("{host}, reached through {}", gate.as_deref().unwrap_or("another host")),
    };
    let failed = |evidence: String| Error::Handshake { host: host.clone(), place: place.clone(), evidence };

    let mut session = Session::new().map_err(|error| failed(error.to_string()))?;
    let socket = line.socket.attach(&mut session).map_err(|error| failed(error.to_string()))?;
    session.set_timeout(millis(config.connect_timeout.unwrap_or(HANDSHAKE_TIMEOUT)));
    let record = RecordedHost::new(config)?;
    record.prefer_known_kinds(&session)?;
    algorithms::prefer(&session, config)?;
    session.handshake().map_err(|error| match error.code() {
        ErrorCode::Session(code) if NO_COMMON.contains(&code) => {
            Error::NeedsSsh { reason: format!("{host} and the built-in ssh have no algorithm in common") }
        }
        _ => failed(evidence(&error)),
    })?;
    record.check(&session, &place, dialogue)?;
    let exchange = algorithms::exchange(&session, config.kex_algorithms.as_deref());
    if let Some(exchange) = &exchange {
        dialogue.detail(exchange);
    }

    dialogue.stage(Some(&format!("authentication as {} on {host}", one_line(&config.user, 40))));
    // A person may think about a password for a while.
    session.set_timeout(0);
    auth::log_in(&session, config, dialogue)?;
    if let Some(interval) = config.alive_interval {
        // Sent by libssh2 while it waits.
        session.set_keepalive(true, u32::try_from(interval.as_secs()).unwrap_or(u32::MAX));
    }
    let addresses = core::mem::take(&mut line.addresses);
    let typed = one_line(&config.typed, 80);
    Ok(Reached { session, socket, host, typed, address: line.address, addresses, through, exchange })
}

/// A connection before ssh speaks on it.
struct Connected {
    socket: Socket,
    address: Option<SocketAddr>,
    addresses: Vec<SocketAddr>,
}

enum Socket {
    Tcp(TcpStream),
    Pair(UnixStream),
}

impl Socket {
    /// Gives the socket to the session, and a second handle on it.
    fn attach(self, session: &mut Session) -> std::io::Result<OwnedFd> {
        match self {
            Self::Tcp(stream) => {
                let second = stream.try_clone()?;
                session.set_tcp_stream(stream);
                Ok(second.into())
            }
            Self::Pair(stream) => {
                let second = stream.try_clone()?;
                session.set_tcp_stream(stream);
                Ok(second.into())
            }
        }
    }
}

fn direct(
    config: &SshConfig,
    uplinks: &Uplinks,
    host: &str,
    dialogue: &mut dyn Dialogue,
) -> Result<Connected, Error> {
    dialogue.stage(Some(&format!("resolving {host}")));
    let addresses =
        connect::resolve(&config.host_name, config.port, uplinks.family(), config.address_family.as_deref())?;
    dialogue.stage(Some(&format!("connecting to {host} (ssh)")));
    let stream = connect::race(host, &addresses, uplinks, config.connect_timeout, dialogue)?;
    let address = Some(stream.peer_addr().unwrap_or(addresses[0]));
    Ok(Connected { socket: Socket::Tcp(stream), address, addresses })
}

fn through(config: &SshConfig, gate: Reached) -> Result<Connected, Error> {
    let Reached { session, socket, typed: name, .. } = gate;
    session.set_timeout(millis(config.connect_timeout.unwrap_or(HANDSHAKE_TIMEOUT)));
    let stream =
        jump::open(session, socket, &config.host_name, config.port).map_err(|evidence| Error::Jump {
            gate: name,
            host: one_line(&config.host_name, 80),
            port: config.port,
            evidence: one_line(&evidence, 200),
        })?;
    Ok(Connected { socket: Socket::Pair(stream), address: None, addresses: Vec::new() })
}

/// libssh2's words for what happened.
pub(super) fn evidence(error: &ssh2::Error) -> String {
    one_line(error.message(), 200)
}

pub(super) fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_a_destination_or_an_address_of_the_web() {
        let parsed = |text: &str| destination(text).map(|d| (d.user, d.host, d.port)).ok();
        assert_eq!(parsed("u@gate:2222"), Some((Some("u".into()), "gate".into(), Some(2222))));
        assert_eq!(parsed("ssh://u@gate:2222"), Some((Some("u".into()), "gate".into(), Some(2222))));
        assert_eq!(parsed("-oProxyCommand=x"), None);
    }
}
