//! The server as a pure machine: datagrams and the program's output in, datagrams and the program's input out.
//!
//! Contract: after any `handle_*` the owner drains [`Server::poll_transmit`], [`Server::poll_output`] and
//! [`Server::poll_event`] to empty, then waits for the first of its sources or [`Server::poll_timeout`]. Time is an
//! argument; nothing here touches the system.

mod leaving;
mod on_streams;
mod on_terminal;

use self::leaving::{KEPT, Leaving, TOLD};
use self::on_streams::StreamSession;
use self::on_terminal::TerminalSession;
use net::{Candidate, Cause, Connection, Event, Instant, Path, Received, SendError, Transmit};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;
use sync::{Carried, Channel, Exchange, Peer, Shutdown, Wake};
use terminal::Size;

/// The longest wait for a client's first word (mosh's figure: a forgotten server must not stay for ever).
const FIRST_CONTACT: Duration = Duration::from_secs(60);

/// Our own clients may be silent for a while; one that is not heard for this long is gone (SPEC \[X-8]). A limit of the
/// user's that is shorter means no less than this.
const AGREED_SILENCE: Duration = Duration::from_secs(40);

/// How one session is to be served.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// No terminal: byte streams.
    pub streams: bool,
    /// The client's terminal size, when it is known before the client's first word.
    pub size: Option<Size>,
    /// The client understands the extensions of the multipath dialect.
    pub extended: bool,
    /// End the session after this long without a word from the client; `None` waits for ever.
    pub network_timeout: Option<Duration>,
    /// A hint to leave (SIGUSR1) is followed only after this long without a word from the client.
    pub signal_timeout: Duration,
    /// For the padding that hides lengths.
    pub seed: u64,
}

/// What the owner is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Start the program, on a terminal of this size (streams: on pipes).
    Start(Size),
    /// Give these bytes to the program.
    Input(Vec<u8>),
    /// The terminal has this size now.
    Resize(Size),
}

/// Why the server should leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// At once and without condition (SIGTERM, SIGINT).
    Now,
    /// If the client has been gone for long enough (SIGUSR1).
    IfDetached,
}

/// One session, from the announcement to the shutdown.
pub struct Server {
    peer: Peer<Carried<TerminalSession, StreamSession>>,
    config: Config,
    outputs: VecDeque<Output>,
    events: VecDeque<Event>,
    started: Instant,
    program_started: bool,
    ended_early: Option<u8>,
    /// The client has said something: there is one.
    met: bool,
    leaving: Leaving,
    finished: bool,
    /// When the client was last followed to another path.
    followed: Option<Instant>,
    /// When this machine was first seen to refuse to send.
    refused_here: Option<Instant>,
}

impl Server {
    /// A server that waits for its client.
    #[must_use]
    pub fn new(connection: Connection, config: Config, now: Instant) -> Self {
        let session = if config.streams {
            Carried::Streams(Box::new(StreamSession::new(now)))
        } else {
            Carried::Terminal(Box::new(TerminalSession::new(&config, now)))
        };
        let mut server = Self {
            peer: Peer::new(connection, session),
            outputs: VecDeque::new(),
            events: VecDeque::new(),
            started: now,
            program_started: false,
            ended_early: None,
            met: false,
            leaving: Leaving::new(now),
            finished: false,
            followed: None,
            refused_here: None,
            config,
        };
        if let Some(size) = server.config.size {
            server.start_program(size);
        }
        server
    }

    /// A datagram arrived. What is not from the client is counted and ignored.
    pub fn handle_datagram(&mut self, received: Received<'_>, now: Instant) {
        let arrival = self.peer.handle_datagram(received, now);
        // A client that idles says nothing but probes.
        if arrival.authentic {
            self.leaving.hear();
        }
        if let Some(payload) = arrival.payload {
            let link = self.peer.link(now);
            let news = match &mut self.peer.exchange {
                Carried::Terminal(session) => session.handle_payload(&payload, &mut self.outputs, now),
                Carried::Streams(session) => session.handle_payload(&payload, &link, now),
            };
            if news {
                self.met = true;
                self.peer.connection.set_active(now);
                if !self.program_started {
                    let size = self.size();
                    self.start_program(size);
                }
                if let Some(status) = self.ended_early.take() {
                    self.handle_program_end(status, now);
                }
            }
        }
        self.after_change(now);
    }

    /// The program wrote to its terminal or to its standard output.
    pub fn handle_program_output(&mut self, bytes: &[u8], now: Instant) {
        match &mut self.peer.exchange {
            Carried::Terminal(session) => session.handle_program_output(bytes, &mut self.outputs, now),
            Carried::Streams(session) => session.write(Channel::Stdout, bytes),
        }
        self.peer.connection.set_active(now);
    }

    /// The program wrote to its standard error (streams).
    pub fn handle_program_error(&mut self, bytes: &[u8], now: Instant) {
        if let Carried::Streams(session) = &mut self.peer.exchange {
            session.write(Channel::Stderr, bytes);
        }
        self.peer.connection.set_active(now);
    }

    /// How many octets of one of the program's outputs may be handed over now. What is not taken waits in the pipe,
    /// and makes the program wait.
    #[must_use]
    pub fn room(&self, channel: Channel) -> usize {
        match &self.peer.exchange {
            Carried::Terminal(_) => usize::MAX,
            Carried::Streams(session) => session.room(channel),
        }
    }

    /// Whether nobody wants one of the program's outputs any more (streams): its pipe may be closed.
    #[must_use]
    pub fn is_stopped(&self, channel: Channel) -> bool {
        match &self.peer.exchange {
            Carried::Terminal(_) => false,
            Carried::Streams(session) => session.is_stopped(channel),
        }
    }

    /// What has come for the program's standard input (streams), at most `room` octets: what is left makes the
    /// client wait.
    pub fn read_input(&mut self, room: usize, now: Instant) -> Vec<u8> {
        match &mut self.peer.exchange {
            Carried::Terminal(_) => Vec::new(),
            Carried::Streams(session) => session.read_input(room, now),
        }
    }

    /// Whether the program's standard input has been read to its end (streams).
    #[must_use]
    pub fn input_ended(&self) -> bool {
        match &self.peer.exchange {
            Carried::Terminal(_) => false,
            Carried::Streams(session) => session.input_ended(),
        }
    }

    /// The program has ended with this status, and all its output has been handed over. A client that has not spoken
    /// yet is waited for.
    pub fn handle_program_end(&mut self, status: u8, now: Instant) {
        if !self.met {
            self.ended_early = Some(status);
            return;
        }
        self.leaving.begin(now + KEPT);
        match &mut self.peer.exchange {
            Carried::Terminal(session) => session.shut_down(Some(status), now),
            Carried::Streams(session) => session.shut_down(Some(status), now),
        }
        self.after_change(now);
    }

    /// The operating system, or the user through it, asks the server to leave. The client is told, if there is one.
    pub fn handle_leave(&mut self, leave: Leave, now: Instant) {
        if leave == Leave::IfDetached {
            let silence = now.since(self.last_heard().unwrap_or(self.started));
            if silence < self.at_least_agreed(self.config.signal_timeout) {
                return;
            }
        }
        if self.is_shutting_down(now) || !self.peer.connection.is_connected() {
            self.finished = true;
            return;
        }
        self.leaving.begin(now + TOLD);
        match &mut self.peer.exchange {
            Carried::Terminal(session) => session.shut_down(None, now),
            Carried::Streams(session) => session.shut_down(None, now),
        }
    }

    /// This host's addresses, now.
    pub fn handle_interfaces(&mut self, locals: &[Candidate], now: Instant) {
        self.peer.connection.handle_interfaces(locals, now);
        self.after_change(now);
    }

    /// A datagram could not be sent.
    pub fn handle_send_error(&mut self, path: &Path, error: SendError, now: Instant) {
        // To its client it cannot say so. Once is enough: a retry follows upon the other.
        if error == SendError::Refused && self.refused_here.is_none() {
            self.refused_here = Some(now);
            log::warn!(
                "this machine itself refuses to send to {}: a rule of its own firewall (“nft list ruleset”, “iptables -S \
                 OUTPUT”), or of a sandbox",
                path.remote
            );
        }
        self.peer.connection.handle_send_error(path, error, now);
        self.after_change(now);
    }

    /// The network says that a path does not work (ICMP): a hint.
    pub fn handle_icmp(&mut self, path: &Path, now: Instant) {
        self.peer.connection.handle_icmp(path, now);
        self.after_change(now);
    }

    /// The network says that nobody listens at the client's port (ICMP): a hint that it has ended.
    pub fn handle_refusal(&mut self, path: &Path, now: Instant) {
        self.leaving.refuse();
        self.handle_icmp(path, now);
    }

    /// A router says how large a packet a path takes (ICMP): a hint for the search.
    pub fn handle_packet_too_big(&mut self, path: &Path, mtu: u32, now: Instant) {
        self.peer.connection.handle_packet_too_big(path, mtu, now);
        self.after_change(now);
    }

    /// The machine slept.
    pub fn handle_resume(&mut self, suspended: Duration, now: Instant) {
        self.leaving.excuse(now);
        self.peer.handle_resume(suspended, now);
        self.after_change(now);
    }

    /// The time that [`Self::poll_timeout`] named has come (or any other time has).
    pub fn handle_timeout(&mut self, now: Instant) {
        self.peer.connection.handle_timeout(now);
        if let Carried::Terminal(session) = &mut self.peer.exchange {
            session.handle_timeout(now);
        }
        if !self.met && now.since(self.started) >= FIRST_CONTACT {
            log::info!("no client within {} s", FIRST_CONTACT.as_secs());
            self.finished = true;
        }
        if let (Some(limit), Some(last)) = (self.config.network_timeout, self.last_heard())
            && now.since(last) >= self.at_least_agreed(limit)
            && !self.is_shutting_down(now)
        {
            log::info!("no word from the client for {} s", limit.as_secs());
            self.handle_leave(Leave::Now, now);
        }
        if self.leave_at().is_some_and(|at| at <= now) {
            log::info!("the client is gone");
            self.finished = true;
        }
        self.after_change(now);
    }

    /// The next datagram to send now.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        let transmit = self.peer.poll_transmit(true, |_| 1, now);
        if transmit.is_none() {
            self.after_change(now);
        }
        transmit
    }

    /// The next thing for the owner to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What has happened to the paths, for a trace.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] is due, and for what.
    #[must_use]
    pub fn poll_timeout(&self, now: Instant) -> Option<(Instant, Wake)> {
        let contact = match (self.last_heard(), self.config.network_timeout) {
            (None, _) => Some((self.started + FIRST_CONTACT, Wake::Own("first contact"))),
            (Some(last), Some(limit)) if !self.is_shutting_down(now) => {
                Some((last + self.at_least_agreed(limit), Wake::Own("network timeout")))
            }
            _ => None,
        };
        let gone = self.leave_at().map(|at| (at, Wake::Own("client gone")));
        let peer = self.peer.poll_timeout(now);
        Wake::first([peer, contact, gone])
    }

    /// The session is over: nothing is left to send, and the owner may exit.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether the end of the session is being told to the client.
    #[must_use]
    pub fn is_shutting_down(&self, now: Instant) -> bool {
        match &self.peer.exchange {
            Carried::Terminal(session) => session.shutdown_state(now) != Shutdown::None,
            Carried::Streams(session) => session.shutdown_state(now) != Shutdown::None,
        }
    }

    /// The client's address on the flow it was last heard on; `None` while it is not there.
    #[must_use]
    pub fn client(&self) -> Option<SocketAddr> {
        self.peer
            .connection
            .current_path()
            .filter(|_| self.peer.connection.is_connected())
            .map(|path| path.remote)
    }

    /// The client's address, if it said something within this time, or need not have said anything.
    #[must_use]
    pub fn attached_from(&self, now: Instant, within: Duration) -> Option<SocketAddr> {
        let within = self.at_least_agreed(within);
        self.last_heard().filter(|last| now.since(*last) < within).and_then(|_| self.client())
    }

    /// The connection, for reports.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.peer.connection
    }

    /// The screen, where there is one.
    #[must_use]
    pub fn screen(&self) -> Option<&terminal::Screen> {
        match &self.peer.exchange {
            Carried::Terminal(session) => Some(session.screen()),
            Carried::Streams(_) => None,
        }
    }

    /// When the client was last heard, once it has said something. A user who only reads is there all the same: the
    /// answers of their end count.
    fn last_heard(&self) -> Option<Instant> {
        self.peer.connection.last_heard().filter(|_| self.met)
    }

    /// When to leave without another word: once there was a client. Original peers have a farewell of their own.
    fn leave_at(&self) -> Option<Instant> {
        let returns = matches!(self.peer.exchange, Carried::Terminal(_));
        let timeout = self.config.network_timeout.map(|limit| self.at_least_agreed(limit));
        self.leaving.at(self.last_heard()?, returns, timeout)
    }

    /// This time, and no less than a client of ours may be silent. A wish to leave at once stays one.
    fn at_least_agreed(&self, time: Duration) -> Duration {
        let agreed = self.peer.connection.dialect().traits().probes && !time.is_zero();
        if agreed { time.max(AGREED_SILENCE) } else { time }
    }

    fn size(&self) -> Size {
        self.screen().map_or(Size { columns: 80, rows: 24 }, terminal::Screen::size)
    }

    /// The program starts before anything it is sent or told.
    fn start_program(&mut self, size: Size) {
        self.program_started = true;
        self.outputs.retain(|output| !matches!(output, Output::Resize(_)));
        self.outputs.push_front(Output::Start(size));
    }

    /// The client came another way because something is wrong with the old one: what was last sent there may be lost. A
    /// client whose ways take turns is told once in a round trip.
    fn follow_client(&mut self, now: Instant) {
        if self.followed.is_none_or(|at| now.since(at) >= self.peer.connection.rto()) {
            self.followed = Some(now);
            self.peer.exchange.repeat_unanswered(now);
        }
    }

    /// Carries the connection's events to the session and to the owner, and notices the end.
    fn after_change(&mut self, now: Instant) {
        while let Some(event) = self.peer.poll_event(now) {
            if let Event::Chosen { cause: Cause::PeerChose, .. } = event {
                self.follow_client(now);
            }
            self.events.push_back(event);
        }
        self.finished |= match &self.peer.exchange {
            Carried::Terminal(session) => session.shutdown_state(now).is_over(),
            Carried::Streams(session) => session.shutdown_state(now).is_over(),
        };
    }
}
