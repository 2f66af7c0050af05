//! The server as a pure machine: datagrams and the program's output in, datagrams and the program's input out.
//!
//! A session has the program, what it has drawn, and at most one client at a time, which is an association of its own: a key,
//! a connection, and what was exchanged over it. One more association may be there, either of a client that has been
//! admitted and not heard yet, or of one that has just lost the session. SPEC \[K-9].
//!
//! Contract: after any `handle_*` the owner drains [`Server::poll_transmit`], [`Server::poll_output`] and
//! [`Server::poll_event`] to empty, then waits for the first of its sources or [`Server::poll_timeout`]. Time is an
//! argument; nothing here touches the system.

mod association;
mod attaching;
mod display;
mod draining;
mod leaving;
mod on_streams;
mod on_terminal;

use self::association::Association;
use self::attaching::{Pending, Voided};
use self::display::Display;
use self::draining::Draining;
use self::leaving::{KEPT, Leaving, TOLD, TOLD_PIPES};
use self::on_streams::StreamSession;
use self::on_terminal::INITIAL;
use net::{Candidate, Cause, Connection, Event, Instant, Path, Received, SendError, Transmit};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;
use sync::{Arrival, Carried, Channel, Shutdown, Wake};
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
    /// End a session this long after its client was let go, if nobody comes; `None` waits for ever.
    pub session_ttl: Option<Duration>,
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
    /// Another client has the session, whose terminal has this size: the program is told, though it may be the same.
    TakenOver(Size),
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
    /// What the program has drawn; none where it has no terminal.
    display: Option<Display>,
    client: Option<Association>,
    pending: Option<Pending>,
    draining: Option<Draining>,
    voided: Option<Voided>,
    config: Config,
    outputs: VecDeque<Output>,
    events: VecDeque<Event>,
    started: Instant,
    program_started: bool,
    /// The program has ended with this status, and no client has been told.
    untold: Option<u8>,
    /// The session has had a client.
    met: bool,
    /// When the client was let go that there is none after; since then nobody was heard.
    detached: Option<Instant>,
    leaving: Leaving,
    finished: bool,
    /// When this machine was first seen to refuse to send.
    refused_here: Option<Instant>,
}

impl Server {
    /// A server that waits for its client.
    #[must_use]
    pub fn new(connection: Connection, config: Config, now: Instant) -> Self {
        let mut display = (!config.streams).then(|| Display::new(config.size.unwrap_or(INITIAL)));
        if let Some(display) = display.as_mut().filter(|_| config.extended) {
            display.await_colors(now);
        }
        let client = Association::new(connection, &config, display.as_mut(), now);
        let mut server = Self {
            display,
            client: Some(client),
            pending: None,
            draining: None,
            voided: None,
            outputs: VecDeque::new(),
            events: VecDeque::new(),
            started: now,
            program_started: false,
            untold: None,
            met: false,
            detached: None,
            leaving: Leaving::new(now),
            finished: false,
            refused_here: None,
            config,
        };
        if let Some(size) = server.config.size {
            server.start_program(size);
        }
        server
    }

    /// A datagram arrived. What is not from a client is counted and ignored.
    pub fn handle_datagram(&mut self, received: Received<'_>, now: Instant) {
        let Received { path, ecn, bytes, .. } = received;
        let mut arrival = Arrival::default();
        // The newer key first.
        if let Some(pending) = &mut self.pending {
            arrival = pending.association.peer.handle_datagram(Received::new(path, ecn, bytes), now);
            // What others say is no news of it.
            while pending.association.peer.connection.poll_event().is_some() {}
            if arrival.authentic {
                self.take_over(now);
            }
        }
        if !arrival.authentic
            && let Some(client) = &mut self.client
        {
            arrival = client.peer.handle_datagram(Received::new(path, ecn, bytes), now);
        }
        if !arrival.authentic {
            if let Some(draining) = &mut self.draining {
                let _ = draining.handle_datagram(Received::new(path, ecn, bytes), now);
            } else {
                self.hear_voided(Received::new(path, ecn, bytes), now);
            }
        }
        // A client that idles says nothing but probes.
        if arrival.authentic {
            self.leaving.hear();
        }
        if let (Some(payload), Some(client)) = (arrival.payload, &mut self.client)
            && client.handle_payload(&payload, self.display.as_mut(), &mut self.outputs, now)
        {
            self.hear_news(now);
        }
        self.after_change(now);
    }

    /// The client said something new.
    fn hear_news(&mut self, now: Instant) {
        self.met = true;
        if let Some(client) = &mut self.client {
            client.met = true;
            client.peer.connection.set_active(now);
        }
        if !self.program_started {
            let size = self.size();
            self.start_program(size);
        }
        if let Some(status) = self.untold.take() {
            self.handle_program_end(status, now);
        }
    }

    /// The program wrote to its terminal or to its standard output.
    pub fn handle_program_output(&mut self, bytes: &[u8], now: Instant) {
        if let Some(display) = &mut self.display {
            display.feed(bytes, &mut self.outputs, now);
        }
        let Some(client) = &mut self.client else { return };
        match (&mut client.peer.exchange, &mut self.display) {
            (Carried::Terminal(session), Some(display)) => session.follow_output(display, now),
            (Carried::Terminal(_), None) => {}
            (Carried::Streams(session), _) => session.write(Channel::Stdout, bytes),
        }
        client.peer.connection.set_active(now);
    }

    /// The program wrote to its standard error (streams).
    pub fn handle_program_error(&mut self, bytes: &[u8], now: Instant) {
        let Some(client) = &mut self.client else { return };
        if let Carried::Streams(session) = &mut client.peer.exchange {
            session.write(Channel::Stderr, bytes);
        }
        client.peer.connection.set_active(now);
    }

    /// The streams, where there are any: such a session has one client in all its life.
    fn streams(&self) -> Option<&StreamSession> {
        match &self.client.as_ref()?.peer.exchange {
            Carried::Terminal(_) => None,
            Carried::Streams(session) => Some(session),
        }
    }

    /// How many octets of one of the program's outputs may be handed over now. What is not taken waits in the pipe,
    /// and makes the program wait.
    #[must_use]
    pub fn room(&self, channel: Channel) -> usize {
        self.streams().map_or(usize::MAX, |session| session.room(channel))
    }

    /// Whether nobody wants one of the program's outputs any more (streams): its pipe may be closed.
    #[must_use]
    pub fn is_stopped(&self, channel: Channel) -> bool {
        self.streams().is_some_and(|session| session.is_stopped(channel))
    }

    /// What has come for the program's standard input (streams), at most `room` octets: what is left makes the
    /// client wait.
    pub fn read_input(&mut self, room: usize, now: Instant) -> Vec<u8> {
        match self.client.as_mut().map(|client| &mut client.peer.exchange) {
            Some(Carried::Streams(session)) => session.read_input(room, now),
            _ => Vec::new(),
        }
    }

    /// Whether the program's standard input has been read to its end (streams).
    #[must_use]
    pub fn input_ended(&self) -> bool {
        self.streams().is_some_and(StreamSession::input_ended)
    }

    /// The program has ended with this status, and all its output has been handed over. A client that has not spoken
    /// yet is waited for; a session without a client ends with its program.
    pub fn handle_program_end(&mut self, status: u8, now: Instant) {
        match &mut self.client {
            Some(client) if client.met => {
                self.leaving.begin(now + KEPT);
                client.shut_down(Some(status), self.display.as_ref(), now);
            }
            None if self.pending.is_none() => self.finished = true,
            _ => self.untold = Some(status),
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
        let shutting_down = self.is_shutting_down(now);
        let connected = |client: &&mut Association| client.peer.connection.is_connected();
        let Some(client) = self.client.as_mut().filter(connected).filter(|_| !shutting_down) else {
            self.finished = true;
            return;
        };
        let told = if self.display.is_some() { TOLD } else { TOLD_PIPES };
        self.leaving.begin(now + told);
        client.shut_down(None, self.display.as_ref(), now);
    }

    /// This host's addresses, now.
    pub fn handle_interfaces(&mut self, locals: &[Candidate], now: Instant) {
        if let Some(client) = &mut self.client {
            client.peer.connection.handle_interfaces(locals, now);
        }
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
        if let Some(client) = &mut self.client {
            client.peer.connection.handle_send_error(path, error, now);
        }
        self.after_change(now);
    }

    /// The network says that a path does not work (ICMP): a hint.
    pub fn handle_icmp(&mut self, path: &Path, now: Instant) {
        if let Some(client) = &mut self.client {
            client.peer.connection.handle_icmp(path, now);
        }
        self.after_change(now);
    }

    /// The network says that nobody listens at the client's port (ICMP): a hint that it has ended.
    pub fn handle_refusal(&mut self, path: &Path, now: Instant) {
        self.leaving.refuse();
        self.handle_icmp(path, now);
    }

    /// A router says how large a packet a path takes (ICMP): a hint for the search.
    pub fn handle_packet_too_big(&mut self, path: &Path, mtu: u32, now: Instant) {
        if let Some(client) = &mut self.client {
            client.peer.connection.handle_packet_too_big(path, mtu, now);
        }
        self.after_change(now);
    }

    /// The machine slept.
    pub fn handle_resume(&mut self, suspended: Duration, now: Instant) {
        self.leaving.excuse(now);
        if let Some(client) = &mut self.client {
            client.peer.handle_resume(suspended, now);
        }
        self.after_change(now);
    }

    /// The time that [`Self::poll_timeout`] named has come (or any other time has).
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(client) = &mut self.client {
            client.peer.connection.handle_timeout(now);
        }
        self.show_what_is_late(now);
        self.forget_what_is_over(now);
        if !self.met && self.pending.is_none() && now.since(self.started) >= FIRST_CONTACT {
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
        if self.ends_at().is_some_and(|at| at <= now) {
            log::info!("nobody has attached");
            self.finished = true;
        }
        self.after_change(now);
    }

    /// What the program did not go on with is shown as it is.
    fn show_what_is_late(&mut self, now: Instant) {
        let Some(display) = &mut self.display else { return };
        if display.handle_timeout(&mut self.outputs, now) {
            if let Some(client) = &mut self.client {
                client.show(Some(display), now);
            }
            display.settle(now);
        }
    }

    /// The next datagram to send now.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        if let Some(draining) = &mut self.draining
            && let Some(transmit) = draining.poll_transmit(now)
        {
            return Some(transmit);
        }
        self.show_what_is_late(now);
        let transmit = self.client.as_mut().and_then(|client| client.peer.poll_transmit(true, |_| 1, now));
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
        let contact = contact.filter(|_| self.met || self.pending.is_none());
        let gone = self.leave_at().map(|at| (at, Wake::Own("client gone")));
        let ends = self.ends_at().map(|at| (at, Wake::Own("nobody attached")));
        let pending = self.pending.as_ref().map(|pending| (pending.until(), Wake::Own("not attached")));
        let draining = self.draining.as_ref().and_then(|draining| draining.poll_timeout(now));
        let voided = self.voided.as_ref().map(|voided| (voided.until, Wake::Own("not attached")));
        let [frame, line, colors] = self.display.as_ref().map_or([None; 3], Display::deadlines);
        let peer = self.client.as_ref().and_then(|client| client.peer.poll_timeout(now));
        Wake::first([peer, frame, line, colors, contact, gone, ends, pending, draining, voided])
    }

    /// The session is over: nothing is left to send, and the owner may exit.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether the end of the session is being told to the client.
    #[must_use]
    pub fn is_shutting_down(&self, now: Instant) -> bool {
        self.client.as_ref().is_some_and(|client| client.shutdown_state(now) != Shutdown::None)
    }

    /// Whether the session has a client, heard lately or not.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.client.as_ref().is_some_and(|client| client.met)
    }

    /// The client's address on the flow it was last heard on; `None` while it is not there.
    #[must_use]
    pub fn client(&self) -> Option<SocketAddr> {
        self.client.as_ref()?.client()
    }

    /// Where the client was heard last, and when, if there is one.
    #[must_use]
    pub fn last_client(&self) -> Option<(SocketAddr, Instant)> {
        let client = self.client.as_ref()?;
        Some((client.peer.connection.current_path()?.remote, client.last_heard()?))
    }

    /// Since when the session is without a client that was let go.
    #[must_use]
    pub fn detached_since(&self) -> Option<Instant> {
        self.detached
    }

    /// When the session ends by itself if nobody attaches.
    #[must_use]
    pub fn ends_at(&self) -> Option<Instant> {
        Some(self.detached? + self.config.session_ttl?)
    }

    /// When a session ends that never had a client, if none comes.
    #[must_use]
    pub fn expects_until(&self) -> Option<Instant> {
        (!self.met && self.pending.is_none()).then(|| self.started + FIRST_CONTACT)
    }

    /// Whether the client may still be there: it was heard as lately as one may be silent that sleeps. `stock`: as lately as
    /// one of the original dialects may.
    #[must_use]
    pub fn is_heard(&self, now: Instant, stock: Duration) -> bool {
        self.attached_from(now, stock).is_some()
    }

    /// The client's address, if it said something within this time, or need not have said anything.
    #[must_use]
    pub fn attached_from(&self, now: Instant, within: Duration) -> Option<SocketAddr> {
        let within = self.at_least_agreed(within);
        let client = self.client.as_ref()?;
        client.last_heard().filter(|last| now.since(*last) < within).and_then(|_| client.client())
    }

    /// The connection of the client, for reports.
    #[must_use]
    pub fn connection(&self) -> Option<&Connection> {
        self.client.as_ref().map(|client| &client.peer.connection)
    }

    /// The screen, where there is one.
    #[must_use]
    pub fn screen(&self) -> Option<&terminal::Screen> {
        self.display.as_ref().map(Display::screen)
    }

    /// When a client was last heard, once one has said something; one that was let go counts as heard then.
    fn last_heard(&self) -> Option<Instant> {
        self.client.as_ref().and_then(Association::last_heard).or(self.detached)
    }

    /// When to leave without another word: once there was a client. Original peers have a farewell of their own.
    fn leave_at(&self) -> Option<Instant> {
        let heard = self.client.as_ref()?.last_heard()?;
        let returns = self.display.is_some();
        let timeout = self.config.network_timeout.map(|limit| self.at_least_agreed(limit));
        self.leaving.at(heard, returns, timeout)
    }

    /// This time, and no less than a client of ours may be silent. A wish to leave at once stays one.
    fn at_least_agreed(&self, time: Duration) -> Duration {
        let probes = |client: &Association| client.peer.connection.dialect().traits().probes;
        let agreed = self.client.as_ref().is_none_or(probes) && !time.is_zero();
        if agreed { time.max(AGREED_SILENCE) } else { time }
    }

    fn size(&self) -> Size {
        self.screen().map_or(INITIAL, terminal::Screen::size)
    }

    /// The program starts before anything it is sent or told.
    fn start_program(&mut self, size: Size) {
        self.program_started = true;
        self.outputs.retain(|output| !matches!(output, Output::Resize(_)));
        self.outputs.push_front(Output::Start(size));
    }

    /// Carries the connection's events to the session and to the owner, and notices the end.
    fn after_change(&mut self, now: Instant) {
        let Some(client) = &mut self.client else { return };
        while let Some(event) = client.peer.poll_event(now) {
            if let Event::Chosen { cause: Cause::PeerChose, .. } = event {
                client.follow_client(now);
            }
            self.events.push_back(event);
        }
        match client.shutdown_state(now) {
            // The program goes on, and the client's wish is acknowledged for as long as it may ask.
            Shutdown::Requested | Shutdown::Answered if client.wants_to_detach() => self.part(None, now),
            state => self.finished |= state.is_over(),
        }
    }
}
