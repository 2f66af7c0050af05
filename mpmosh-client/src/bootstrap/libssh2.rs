//! The built-in ssh: libssh2 on a blocking socket.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::io::Read;
use std::thread;

use platform::clock;
use ssh2::{Channel, ErrorCode, ExtendedData, Session};

use super::announce::Scanner;
use super::dialogue::Dialogue;
use super::host_key::Host;
use super::ssh_config::SshConfig;
use super::{Announced, Error, Request, auth, command, connect, external};
use crate::args::Destination;
use crate::config::RemoteIp;
use crate::sanitize::one_line;

/// Longest wait for one answer of the ssh server in the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest silence while the server is started: a slow rc file is common, a forgotten question is too.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the connection is kept after the announcement, so that the server detaches in peace.
const LINGER: Duration = Duration::from_secs(2);
/// Codes of libssh2 for "no common algorithm" (KEX_FAILURE, METHOD_NOT_SUPPORTED, ALGO_UNSUPPORTED).
const NO_COMMON: [i32; 3] = [-5, -33, -51];

pub(super) fn run(
    request: &Request,
    destination: &Destination,
    config: &SshConfig,
    dialogue: &mut dyn Dialogue,
) -> Result<Announced, Error> {
    let host = one_line(&config.host_name, 80);
    dialogue.stage(Some(&format!("resolving {host}")));
    let addresses =
        connect::resolve(&config.host_name, config.port, request.family, config.address_family.as_deref())?;
    dialogue.stage(Some(&format!("connecting to {host} (ssh)")));
    let stream = connect::race(&host, &addresses, config.connect_timeout)?;
    let address = stream.peer_addr().unwrap_or(addresses[0]);
    let failed =
        |error: &ssh2::Error| Error::Handshake { host: host.clone(), address, evidence: evidence(error) };

    let mut session = Session::new().map_err(|error| failed(&error))?;
    session.set_tcp_stream(stream);
    session.set_timeout(millis(config.connect_timeout.unwrap_or(HANDSHAKE_TIMEOUT)));
    let record = Host::new(config);
    record.prefer_known_kinds(&session)?;
    session.handshake().map_err(|error| match error.code() {
        ErrorCode::Session(code) if NO_COMMON.contains(&code) => {
            Error::NeedsSsh { reason: format!("{host} and the built-in ssh have no algorithm in common") }
        }
        _ => failed(&error),
    })?;
    record.check(&session, address, dialogue)?;

    dialogue.stage(Some(&format!("authentication as {}", one_line(&config.user, 40))));
    // A person may think about a password for a while.
    session.set_timeout(0);
    auth::log_in(&session, config, dialogue)?;

    dialogue.stage(Some(&format!("starting the server on {host}")));
    session.set_timeout(millis(START_TIMEOUT));
    let broken = |error: ssh2::Error| Error::Broken { host: host.clone(), evidence: evidence(&error) };
    let mut channel = session.channel_session().map_err(broken)?;
    channel.handle_extended_data(ExtendedData::Merge).map_err(broken)?;
    if request.ssh_pty {
        channel.request_pty("dumb", None, None).map_err(broken)?;
    }
    channel.exec(&command::remote_line(&request.server)).map_err(broken)?;
    let mut scanner = Scanner::new();
    let mut output = Output(&mut channel);
    let announcement = external::await_announcement(&mut output, &mut scanner, request, &host)
        .map_err(|unannounced| unannounced.into_error(|| exit_status(&mut channel)))?;
    linger(session, channel);

    let known: Vec<IpAddr> = connect::ips(&addresses);
    let reached = match request.remote_ip {
        RemoteIp::Remote => scanner.connection().map_or(address, |ip| SocketAddr::new(ip, 0)),
        RemoteIp::Proxy | RemoteIp::Local => address,
    };
    log::debug!("{}: server announced on port {}", destination.host, announcement.port);
    Ok(external::announced(announcement, reached, known, Some(&config.host_name)))
}

/// The channel as a reader whose errors are told by libssh2.
struct Output<'a>(&'a mut Channel);

impl Read for Output<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buf)
    }
}

fn exit_status(channel: &mut Channel) -> Option<i32> {
    channel.wait_close().ok()?;
    channel.exit_status().ok()
}

/// Reads on until the server has let go of the channel, beside the session that begins.
fn linger(session: Session, mut channel: Channel) {
    thread::spawn(move || {
        let end = clock::now() + LINGER;
        session.set_timeout(millis(LINGER));
        let mut rest = [0; 1024];
        while clock::now() < end && matches!(channel.read(&mut rest), Ok(1..)) {}
        let _ = channel.close();
        let _ = session.disconnect(None, "the server runs", None);
    });
}

fn evidence(error: &ssh2::Error) -> String {
    one_line(error.message(), 200)
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
