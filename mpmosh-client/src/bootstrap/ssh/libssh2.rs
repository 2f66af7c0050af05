//! The built-in ssh: libssh2 on a blocking socket.

use core::time::Duration;
use std::io::{self, BufReader, Read, Write};
use std::thread;

use net::Instant;
use platform::clock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use ssh2::{Channel, ErrorCode, ExtendedData, Session};

use super::pump;
use super::reach::{self, Reached, evidence, millis};
use super::ssh_config::SshConfig;
use crate::bootstrap::announce::Scanner;
use crate::bootstrap::awaiting::{self, CommandEnd, Lingering};
use crate::bootstrap::carriage::{Carriage, RunBy};
use crate::bootstrap::command::ShellLine;
use crate::bootstrap::dialogue::Dialogue;
use crate::bootstrap::remote::{Remote, RemoteOutput, read_answer};
use crate::bootstrap::whereabouts::{Known, Lookup};
use crate::bootstrap::{Announced, Error, Request, Uplinks, connect, words};
use crate::cli::args::SshArgs;
use crate::cli::plan::ServerProcess;
use crate::text::sanitize::one_line;

/// Longest silence while the server is started: a slow rc file is common, a forgotten question is too.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a command's input stays open that has not announced anything.
pub(super) const OPEN_INPUT: Duration = Duration::from_secs(8);
/// How long the connection is kept after the announcement, so that the server detaches in peace.
const LINGER: Duration = Duration::from_secs(2);
/// How long until a channel that was refused is asked for again.
const AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// libssh2's code for a channel that the host does not open.
const CHANNEL_FAILURE: i32 = -21;
/// Octets handed to a channel at once.
const CHUNK: usize = 32 * 1024;

/// A host by libssh2.
pub(in crate::bootstrap) struct Libssh2 {
    reached: Reached,
    /// Only behind other hosts: a name known here may still tell a better address.
    lookup: Option<Lookup>,
    /// The host's name, as it is looked up.
    name: String,
    /// Variables for the server and what it runs.
    environment: Vec<(String, String)>,
    /// The command that started the server, as long as it stays.
    started: Option<Lingering>,
    /// The same, where it may be needed for more, and what it said after the announcement.
    kept: Option<(Channel, Vec<u8>)>,
    /// No script is run there.
    plain: bool,
}

impl Libssh2 {
    pub(in crate::bootstrap) fn log_in(
        config: &SshConfig,
        args: &SshArgs,
        uplinks: &Uplinks,
        dialogue: &mut dyn Dialogue,
    ) -> Result<Self, Error> {
        let behind = !config.jumps.is_empty();
        let lookup = behind.then(|| Lookup::start(&config.host_name, uplinks.family()));
        let reached = reach::log_in(config, args, uplinks, dialogue)?;
        let (name, environment) = (config.host_name.clone(), config.environment());
        Ok(Self { reached, lookup, name, environment, started: None, kept: None, plain: false })
    }

    /// A channel for a command. A host that allows one at a time may not have seen the end of the one before.
    fn channel(&self) -> Result<Channel, ssh2::Error> {
        let until = clock::now() + LINGER;
        loop {
            match self.reached.session.channel_session() {
                Err(error) if error.code() == ErrorCode::Session(CHANNEL_FAILURE) && clock::now() < until => {
                    let mut socket = [PollFd::new(&self.reached.socket, PollFlags::IN)];
                    let _ = poll(&mut socket, Some(&AGAIN));
                }
                outcome => return outcome,
            }
        }
    }

    /// What was kept of the command that started the server is not needed for more.
    fn let_go(&mut self) {
        if let Some((mut channel, rest)) = self.kept.take() {
            // What it says of its process came with the announcement, or is not waited for: another command may need its place.
            let (telling, lingering) = Lingering::new();
            awaiting::read_on(&rest, &mut io::empty(), &telling);
            self.reached.session.set_timeout(millis(LINGER));
            let _ = channel.send_eof();
            let _ = channel.close();
            self.started = Some(lingering);
        }
    }

    fn broken(&self) -> impl Fn(ssh2::Error) -> Error + use<> {
        let host = self.reached.host.clone();
        move |error| Error::Broken { host: host.clone(), evidence: evidence(&error) }
    }
}

impl Remote for Libssh2 {
    fn start_by(
        &mut self,
        line: ShellLine,
        request: &Request,
        dialogue: &mut dyn Dialogue,
    ) -> Result<Announced, Error> {
        let host = self.reached.host.clone();
        let session = &self.reached.session;
        dialogue.stage(Some(&format!("starting the server on {host}")));
        session.set_timeout(millis(START_TIMEOUT));
        let broken = self.broken();
        let lost = |error: io::Error| Error::Broken { host: host.clone(), evidence: words(&error) };
        let mut channel = self.channel().map_err(&broken)?;
        channel.handle_extended_data(ExtendedData::Merge).map_err(&broken)?;
        if request.ssh_pty {
            channel.request_pty("dumb", None, None).map_err(&broken)?;
        }
        for (name, value) in &self.environment {
            // A host takes what its AcceptEnv names, and says no more than that it does not take the rest.
            if let Err(error) = channel.setenv(name, value) {
                log::info!("{host} does not take the variable {name}: {error}");
            }
        }
        channel.exec(&line.text).map_err(&broken)?;
        for chunk in line.input.chunks(CHUNK) {
            channel.write_all(chunk).map_err(lost)?;
        }
        // A shell that a login script puts in the server's place must not wait for what is never typed. Where the channel is
        // to carry, it waits for a moment.
        let keeps = request.keeps && !request.ssh_pty && line.input.is_empty();
        if !request.ssh_pty && !keeps {
            channel.send_eof().map_err(&broken)?;
        }
        let mut scanner = Scanner::new();
        let mut output = Patient { channel: &mut channel, session, closes: keeps };
        if keeps {
            session.set_timeout(millis(OPEN_INPUT));
        }
        let announcement = awaiting::await_announcement(&mut output, &mut scanner, request, &host)
            .map_err(|unannounced| unannounced.into_error(|| end_of(session, &mut channel)))?;
        let process = if keeps {
            self.kept = Some((channel, scanner.take_rest()));
            ServerProcess::default()
        } else {
            let lingering = linger(session.clone(), channel, scanner.take_rest());
            let process = lingering.server();
            self.started = Some(lingering);
            process
        };
        crate::bootstrap::pass_on(&scanner, dialogue);

        let told = scanner.connection();
        let named = match self.lookup.take() {
            Some(lookup) => lookup.finish(told)?,
            None => connect::ips(&self.reached.addresses),
        };
        let connected = self.reached.address.map(|address| address.ip());
        let known = Known { connected, told, named };
        let reached = known.choose(request.remote_ip).ok_or_else(|| Error::Resolve {
            host: host.clone(),
            evidence: "neither the name service nor the host itself tells an address".into(),
        })?;
        log::debug!("{host}: server announced on port {}", announcement.port);
        Ok(Announced {
            through: self.reached.through.clone(),
            process,
            ..awaiting::announced(announcement, reached, known.named, Some(&self.name))
        })
    }

    fn started(&mut self) -> Option<u32> {
        self.let_go();
        self.started.as_mut()?.process()
    }

    fn into_carriage(self: Box<Self>) -> Option<Carriage> {
        let Self { reached, kept, .. } = *self;
        let (channel, rest) = kept?;
        let carriage = stream_of(reached, channel, rest);
        carriage.inspect_err(|error| log::info!("the channel cannot be kept: {error}")).ok()
    }

    fn carry_by(self: Box<Self>, line: &str) -> Result<Carriage, Error> {
        let session = &self.reached.session;
        session.set_timeout(millis(START_TIMEOUT));
        let broken = self.broken();
        let mut channel = self.channel().map_err(&broken)?;
        for (name, value) in &self.environment {
            let _ = channel.setenv(name, value);
        }
        channel.exec(line).map_err(&broken)?;
        let host = self.reached.host.clone();
        let lost = |error: io::Error| Error::Broken { host, evidence: words(&error) };
        stream_of(self.reached, channel, Vec::new()).map_err(lost)
    }

    fn ask_by(&mut self, line: &str, input: &[u8]) -> Result<RemoteOutput, Error> {
        // A host may allow one command at a time (MaxSessions).
        if let Some(started) = &mut self.started {
            started.wait();
        }
        let session = self.reached.session.clone();
        session.set_timeout(millis(START_TIMEOUT));
        let (broken, host) = (self.broken(), self.reached.host.clone());
        let lost = |error: io::Error| Error::Broken { host: host.clone(), evidence: error.to_string() };
        let mut channel = match session.channel_session() {
            Ok(channel) => channel,
            Err(_) => {
                self.let_go();
                self.channel().map_err(&broken)?
            }
        };
        channel.handle_extended_data(ExtendedData::Merge).map_err(&broken)?;
        channel.exec(line).map_err(&broken)?;
        for chunk in input.chunks(CHUNK) {
            channel.write_all(chunk).map_err(lost)?;
        }
        channel.send_eof().map_err(&broken)?;
        let answer = read_answer(&mut channel, &self.reached.host);
        session.set_timeout(millis(LINGER));
        finish(&mut channel);
        let status = channel.exit_status().ok();
        answer.map(|answer| RemoteOutput { status, ..answer })
    }

    fn note_plain(&mut self) {
        self.plain = true;
    }

    fn is_plain(&self) -> bool {
        self.plain
    }

    fn host(&self) -> &str {
        &self.reached.host
    }

    fn exchange(&self) -> Option<String> {
        self.reached.exchange.clone()
    }

    fn way(&self) -> String {
        match (&self.reached.address, &self.reached.through) {
            (Some(address), _) => format!("at {address}, by the built-in ssh"),
            (None, Some(gate)) => format!("through {gate}, by the built-in ssh"),
            (None, None) => "by the built-in ssh".into(),
        }
    }
}

/// How a command ended whose output has ended. libssh2 has status 0 for one that a signal ended, too (RFC 4254, 6.10).
fn end_of(session: &Session, channel: &mut Channel) -> Option<CommandEnd> {
    session.set_timeout(millis(LINGER));
    channel.wait_close().ok()?;
    match channel.exit_signal().ok().and_then(|exit| exit.exit_signal) {
        Some(name) => Some(CommandEnd::Signal(one_line(&name, 20))),
        None => channel.exit_status().ok().map(CommandEnd::Status),
    }
}

/// The stream for a channel of a host that is needed for nothing else.
fn stream_of(reached: Reached, channel: Channel, rest: Vec<u8>) -> io::Result<Carriage> {
    let Reached { session, socket, .. } = reached;
    let (stream, ended) = pump::start(session, socket, channel)?;
    let to = stream.try_clone()?;
    Carriage::new(stream.into(), Some(to.into()), rest, RunBy::Channel(ended))
}

/// A channel whose input ends where its output takes long.
struct Patient<'a> {
    channel: &'a mut Channel,
    session: &'a Session,
    /// Its input is still open.
    closes: bool,
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.channel.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut && self.closes => {
                self.closes = false;
                self.session.set_timeout(millis(START_TIMEOUT));
                self.channel.send_eof()?;
                self.channel.read(buffer)
            }
            outcome => outcome,
        }
    }
}

/// Reads on until the server has let go of the channel, beside the session that begins; tells its process.
fn linger(session: Session, channel: Channel, rest: Vec<u8>) -> Lingering {
    let (telling, lingering) = Lingering::new();
    thread::spawn(move || {
        session.set_timeout(millis(LINGER));
        let until = clock::now() + LINGER;
        let mut output = BufReader::new(Until { channel, until });
        awaiting::read_on(&rest, &mut output, &telling);
        let mut channel = output.into_inner().channel;
        finish(&mut channel);
        // The last handle on the session ends the connection.
        drop((channel, session));
        drop(telling);
    });
    lingering
}

/// Lets the other side close the channel, which it does once its command has been seen to end; a host that allows one command
/// at a time has a place for the next one then. What a program left behind holds is closed from here.
fn finish(channel: &mut Channel) {
    if channel.wait_eof().is_ok() {
        let _ = channel.wait_close();
    }
    let _ = channel.close();
}

/// A channel that ends at a time.
struct Until {
    channel: Channel,
    until: Instant,
}

impl Read for Until {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if clock::now() < self.until { self.channel.read(buffer) } else { Ok(0) }
    }
}
