//! The user's own ssh, for what the built-in one cannot do. Also what both share after the server has been started.

use core::net::{IpAddr, SocketAddr};
use std::io::{self, Read};
use std::process::{Child, Command, Stdio};

use super::announce::{Announcement, Found, Scanner};
use super::dialogue::Dialogue;
use super::{Announced, Error, Request, command, connect, ssh_config};
use crate::args::Destination;
use crate::config::{Dialect, RemoteIp};
use crate::plan::{DialectName, Family};
use crate::sanitize::one_line;

pub(super) fn run(
    request: &Request,
    destination: &Destination,
    dialogue: &mut dyn Dialogue,
) -> Result<Announced, Error> {
    let host = one_line(&destination.host, 80);
    dialogue.stage(Some(&format!("connecting to {host} (your ssh)")));
    let line = request.ssh_command.as_deref().unwrap_or("ssh");
    // ssh itself asks on the terminal; what stands there must not be in its way.
    dialogue.stage(None);
    let mut child = ssh(line, request, destination)
        .spawn()
        .map_err(|cause| Error::Spawn { program: line.into(), cause })?;
    let mut scanner = Scanner::new();
    let outcome = match child.stdout.as_mut() {
        Some(output) => await_announcement(output, &mut scanner, request, &host),
        None => Err(Box::new(Unannounced::new(None, &scanner, request, &host))),
    };
    let announcement = match outcome {
        Ok(announcement) => announcement,
        Err(unannounced) => {
            let status = child.wait().ok().and_then(|status| status.code());
            // 255 is ssh's own failure; it has told the user why.
            return Err(match status {
                Some(255) if unannounced.found.is_none() => {
                    Error::Ssh { command: one_line(line, 80), status, output: scanner.noise() }
                }
                _ => unannounced.into_error(|| status),
            });
        }
    };
    linger(child);
    let config = ssh_config::SshConfig::read(destination, &request.ssh).ok();
    let name = config.as_ref().map_or(destination.host.as_str(), |config| &config.host_name);
    let (reached, known) = reached(request, name, config.as_ref(), &scanner)?;
    Ok(announced(announcement, reached, known, Some(name)))
}

/// The ssh command: the user's words through sh, then our options as arguments.
fn ssh(line: &str, request: &Request, destination: &Destination) -> Command {
    let mut ssh = Command::new("sh");
    ssh.arg("-c").arg(format!("exec {line} \"$@\"")).arg("mpmosh");
    ssh.args(ssh_config::ssh_options(destination, &request.ssh));
    match request.family {
        Family::Inet => ssh.arg("-4"),
        Family::Inet6 => ssh.arg("-6"),
        _ => &mut ssh,
    };
    if request.ssh_pty {
        ssh.arg("-tt");
    }
    ssh.arg("-n").arg("--").arg(&destination.host).arg(command::remote_line(&request.server));
    ssh.stdin(Stdio::null()).stdout(Stdio::piped());
    ssh
}

/// Where the server is: as the name service says, the address ssh used if it is among those; else as the other side says.
fn reached(
    request: &Request,
    name: &str,
    config: Option<&ssh_config::SshConfig>,
    scanner: &Scanner,
) -> Result<(SocketAddr, Vec<IpAddr>), Error> {
    let behind_proxy = config.is_some_and(|config| config.needs_ssh().is_some());
    let resolved = connect::resolve(name, 0, request.family, None);
    let told = scanner.connection();
    let addresses = match &resolved {
        Ok(addresses) => addresses.clone(),
        Err(_) => Vec::new(),
    };
    let same = addresses.iter().copied().find(|address| Some(address.ip()) == told);
    let told = told.map(|ip| SocketAddr::new(ip, 0));
    let first = addresses.first().copied();
    let choice = match request.remote_ip {
        RemoteIp::Local => first,
        RemoteIp::Remote => told.or(first),
        RemoteIp::Proxy if behind_proxy => same.or(told).or(first),
        RemoteIp::Proxy => same.or(first).or(told),
    };
    match (choice, resolved) {
        (Some(address), _) => Ok((address, connect::ips(&addresses))),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Err(Error::Resolve { host: name.into(), evidence: "no address".into() }),
    }
}

/// Lets ssh end by itself, so that no zombie is left.
fn linger(mut child: Child) {
    std::thread::spawn(move || {
        if let Some(mut output) = child.stdout.take() {
            let _ = io::copy(&mut output, &mut io::sink());
        }
        let _ = child.wait();
    });
}

/// The other side went without an announcement.
pub(super) struct Unannounced {
    found: Option<Found>,
    host: String,
    asked: String,
    output: String,
    streams: bool,
    broken: Option<io::Error>,
}

impl Unannounced {
    fn new(found: Option<Found>, scanner: &Scanner, request: &Request, host: &str) -> Self {
        Self {
            found,
            host: host.to_owned(),
            asked: command::asked(&request.server),
            output: scanner.noise(),
            streams: request.server.streams(),
            broken: None,
        }
    }

    /// `status` is asked only where it is of use: it waits for the other side.
    pub(super) fn into_error(self, status: impl FnOnce() -> Option<i32>) -> Error {
        let Self { found, host, asked, output, streams, broken } = self;
        match (found, broken) {
            (Some(Found::NoServer(path)), _) => Error::NoServer { host, asked, path, output },
            (Some(Found::Version(announced)), _) => Error::Version { host, announced },
            (Some(Found::Noise), _) => Error::Noise { host, output },
            (Some(Found::Announcement(_)), _) if streams => Error::StockOnly { host },
            (_, Some(error)) => Error::Broken { host, evidence: one_line(&error.to_string(), 200) },
            _ => match status() {
                // What sh and env say when a command is not there.
                Some(127) => Error::NoServer { host, asked, path: String::new(), output },
                status => Error::NotStarted { host, asked, status, output },
            },
        }
    }
}

/// Reads until the announcement.
pub(super) fn await_announcement(
    output: &mut dyn Read,
    scanner: &mut Scanner,
    request: &Request,
    host: &str,
) -> Result<Announcement, Box<Unannounced>> {
    let mut bytes = zeroize::Zeroizing::new([0; 4096]);
    let mut broken = None;
    let found = loop {
        let found = match output.read(&mut bytes[..]) {
            Ok(0) => break scanner.finish(),
            Ok(length) => scanner.push(&bytes[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
            Err(error) => {
                broken = Some(error);
                break scanner.finish();
            }
        };
        if found.is_some() {
            break found;
        }
    };
    match found {
        Some(Found::Announcement(mut announcement)) if acceptable(&announcement, request) => {
            // The authors' server announces itself as stock does; only what was asked for tells them apart.
            if (announcement.dialect, request.server.dialect) == (DialectName::Mosh, Dialect::MpMosh) {
                announcement.dialect = DialectName::MpMosh;
            }
            Ok(announcement)
        }
        found => Err(Box::new(Unannounced { broken, ..Unannounced::new(found, scanner, request, host) })),
    }
}

/// Whether the dialect announced is one that was asked for: byte streams need ours.
fn acceptable(announcement: &Announcement, request: &Request) -> bool {
    !request.server.streams() || announcement.dialect == DialectName::Multipath
}

/// Puts the port to the addresses. A stock announcement is of the dialect that was asked for.
pub(super) fn announced(
    announcement: Announcement,
    reached: SocketAddr,
    known: Vec<IpAddr>,
    name: Option<&str>,
) -> Announced {
    let Announcement { dialect, port, key, addresses } = announcement;
    let mut reached = reached;
    reached.set_port(port);
    let name = name.filter(|name| name.parse::<IpAddr>().is_err()).map(str::to_owned);
    Announced { dialect, port, key, addresses, reached, hints: known, name }
}
