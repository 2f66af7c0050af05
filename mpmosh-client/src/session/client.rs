//! The client as a pure machine: typing and datagrams in, drawing and datagrams out.
//!
//! Contract: after any `handle_*` the owner drains [`Client::poll_transmit`], [`Client::poll_output`] and
//! [`Client::poll_event`] to empty, then waits for the first of its sources or [`Client::poll_timeout`]. Time is an
//! argument; nothing here touches the system.

mod carrying;
mod telling;

use super::patience::{Patience, Tried};
use super::streams::StreamSession;
use super::terminal::{Leave, TerminalSession};
use crate::session::report::Journal;
use crate::session::silence::Refusal;
use net::carrier::Carrier;
use net::{Candidate, Connection, Event, FlowState, Instant, Path, Received, SendError, Transmit};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;
use sync::{Breach, Carried, Channel, Peer, Wake};
use terminal::{Size, Vocabulary};

pub use super::terminal::DisplayOptions;

/// What the owner is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write this to the user's terminal.
    Draw(Vec<u8>),
    /// Stop this process, as Ctrl-Z would.
    Suspend,
    /// The user's terminal says that it is this: tell by [`Client::set_vocabulary`] what it can do.
    Named(String),
    /// The paths that are possible have changed: say by [`Client::handle_paths`] which of
    /// [`Client::candidate_paths`] have a route.
    ChoosePaths,
    /// Nothing answers: the server's name may lead elsewhere by now. Look it up, without waiting for the answer, and
    /// tell it by [`Client::add_remotes`].
    Resolve,
}

/// How the session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The remote program ended, with this status where the server tells it.
    Ended(Option<u8>),
    /// The user, or a signal, ended it here; the server knows.
    Quit,
    /// The user, or a signal, left it here, to end it or not; the server did not answer.
    QuitUnanswered,
    /// The user, or a hang-up, left it here; it goes on, and the server knows.
    Detached,
    /// It goes on with another client, since then (seconds since 1970, by the server's clock; 0: it does not say).
    TakenOver(u64),
    /// Somebody else had it leave this client; it goes on without one, since then.
    DetachedThere(u64),
    /// Not one word came from the server.
    NothingReceived,
    /// The server did what no server in good order does, and there is no going on with it.
    Breached(Breach),
    /// The server of a session without a terminal has not been heard for so long that it must be gone.
    ServerGone,
}

/// How often the last word is said, when the server ends the session.
const LAST_WORDS: usize = 3;

/// One session, from the key to the shutdown.
pub struct Client {
    peer: Peer<Carried<TerminalSession, StreamSession>>,
    journal: Journal,
    outputs: VecDeque<Output>,
    events: VecDeque<Event>,
    patience: Patience,
    quitting: bool,
    outcome: Option<Outcome>,
    carriers: BTreeMap<u16, Carrier>,
    expects_carrier: bool,
    /// The user has not been told yet that the session goes through ssh.
    tells_carrier: bool,
}

impl Client {
    /// A session on a terminal.
    #[must_use]
    pub fn on_terminal(connection: Connection, options: DisplayOptions, now: Instant) -> Self {
        Self::new(connection, Carried::Terminal(Box::new(TerminalSession::new(options, now))), now)
    }

    /// A session of byte streams.
    #[must_use]
    pub fn on_streams(connection: Connection, now: Instant) -> Self {
        Self::new(connection, Carried::Streams(Box::new(StreamSession::new(now))), now)
    }

    fn new(connection: Connection, session: Carried<TerminalSession, StreamSession>, now: Instant) -> Self {
        Self {
            peer: Peer::new(connection, session),
            journal: Journal::default(),
            outputs: VecDeque::new(),
            events: VecDeque::new(),
            patience: Patience::new(now),
            quitting: false,
            outcome: None,
            carriers: BTreeMap::new(),
            expects_carrier: false,
            tells_carrier: true,
        }
    }

    /// The session is given up when the server has said nothing for so long, since something else can be tried then.
    pub fn expect_first_word_within(&mut self, patience: Duration) {
        self.patience.shorten(patience);
    }

    /// A datagram arrived. What is not from the server is counted and ignored.
    pub fn handle_datagram(&mut self, received: Received<'_>, now: Instant) {
        let arrival = self.peer.handle_datagram(received, now);
        // While nothing happens the server answers probes, and says nothing else.
        if arrival.authentic {
            self.patience.notice(now);
            self.follow_refusals();
        }
        if let Some(payload) = arrival.payload {
            let link = self.peer.link(now);
            let news = match &mut self.peer.exchange {
                Carried::Terminal(session) => session.handle_payload(&payload, &link, now),
                Carried::Streams(session) => session.handle_payload(&payload, &link, now),
            };
            if news {
                self.peer.connection.set_active(now);
            }
            self.patience.hear(now);
        }
        self.after_change(now);
    }

    /// The user typed (or, without a terminal, standard input brought) these bytes.
    pub fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        self.peer.connection.set_active(now);
        let leave = match &mut self.peer.exchange {
            Carried::Terminal(session) => {
                session.handle_terminal(bytes, &mut self.outputs, self.peer.connection.srtt(), now)
            }
            Carried::Streams(session) => {
                session.handle_input(bytes);
                None
            }
        };
        self.leave_if(leave, now);
    }

    fn leave_if(&mut self, leave: Option<Leave>, now: Instant) {
        match (leave, self.quitting) {
            (Some(leave), false) => self.part(leave, now),
            (Some(_), true) => self.leave(now),
            (None, _) => {}
        }
    }

    /// The user's terminal can do this, now that it has said what it is ([`Output::Named`]).
    pub fn set_vocabulary(&mut self, vocabulary: Vocabulary) {
        if let Carried::Terminal(session) = &mut self.peer.exchange {
            session.set_vocabulary(vocabulary);
        }
    }

    /// Whether answers of the user's terminal are under way, which the shell is not to get.
    #[must_use]
    pub fn awaits_answers(&self, now: Instant) -> bool {
        matches!(&self.peer.exchange, Carried::Terminal(session) if session.awaits_answers(now))
    }

    /// Standard input has ended (streams).
    pub fn handle_input_end(&mut self) {
        if let Carried::Streams(session) = &mut self.peer.exchange {
            session.handle_input_end();
        }
    }

    /// How many octets of input may be handed over now; what is not taken waits in the pipe.
    #[must_use]
    pub fn room(&self) -> usize {
        match &self.peer.exchange {
            Carried::Terminal(_) => usize::MAX,
            Carried::Streams(session) => session.room(),
        }
    }

    /// What has come of standard output or error (streams), at most `max` octets: what is left makes the server wait.
    pub fn read(&mut self, channel: Channel, max: usize, now: Instant) -> Vec<u8> {
        let Carried::Streams(session) = &mut self.peer.exchange else { return Vec::new() };
        let bytes = session.read(channel, max, now);
        if session.is_complete() {
            self.patience.say_thanks(now);
        }
        bytes
    }

    /// Nobody here reads standard output or error any more (streams): the program will be told.
    pub fn stop(&mut self, channel: Channel, now: Instant) {
        if let Carried::Streams(session) = &mut self.peer.exchange {
            session.stop(channel, now);
        }
    }

    /// The user's terminal has this size now.
    pub fn handle_resize(&mut self, size: Size, now: Instant) {
        self.peer.connection.set_active(now);
        if let Carried::Terminal(session) = &mut self.peer.exchange {
            session.handle_resize(size);
        }
    }

    /// The user's terminal had been left, and may show anything: draw all of it again.
    pub fn handle_redraw(&mut self) {
        if let Carried::Terminal(session) = &mut self.peer.exchange {
            session.redraw();
        }
    }

    /// What to write where the remote's screen stays on the user's terminal after the session: that screen, without what
    /// lay over it, and a line's end below it.
    pub fn last_frame(&mut self) -> Vec<u8> {
        match &mut self.peer.exchange {
            Carried::Terminal(session) => session.last_frame(),
            Carried::Streams(_) => Vec::new(),
        }
    }

    /// End the session: the server is told, and answers.
    pub fn quit(&mut self, now: Instant) {
        self.part(Leave::End, now);
    }

    /// The user's terminal has hung up: the session is ended, or left to itself, as was asked for.
    pub fn hang_up(&mut self, now: Instant) {
        let leave = match &self.peer.exchange {
            Carried::Terminal(session) => session.hang_up(),
            Carried::Streams(_) => Leave::End,
        };
        self.part(leave, now);
    }

    fn part(&mut self, leave: Leave, now: Instant) {
        if std::mem::replace(&mut self.quitting, true) {
            return;
        }
        self.patience.say_farewell(self.peer.connection.silent_since(), now);
        self.follow_refusals();
        match &mut self.peer.exchange {
            Carried::Terminal(session) => session.shut_down(leave, now),
            Carried::Streams(session) => session.shut_down(now),
        }
        self.after_change(now);
    }

    /// Does not wait any longer for the server's answer to [`Self::quit`].
    pub fn leave(&mut self, now: Instant) {
        self.quit(now);
        self.patience.leave_now(now);
        self.after_change(now);
    }

    /// This host's addresses, now.
    pub fn handle_interfaces(&mut self, locals: &[Candidate], now: Instant) {
        self.excuse_without_network(now);
        self.journal.handle_interfaces(locals, &self.peer.connection);
        self.peer.connection.handle_interfaces(locals, now);
        self.after_change(now);
    }

    /// These of the [`Self::candidate_paths`] have a route.
    pub fn handle_paths(&mut self, usable: &[Path], now: Instant) {
        self.excuse_without_network(now);
        self.peer.connection.handle_paths(usable, now);
        self.after_change(now);
    }

    /// A datagram could not be sent.
    pub fn handle_send_error(&mut self, path: &Path, error: SendError, now: Instant) {
        if error == SendError::Refused {
            self.patience.refuse_here(path);
            self.follow_refusals();
        }
        self.peer.connection.handle_send_error(path, error, now);
        self.after_change(now);
    }

    /// The network says that a path does not work (ICMP): a hint.
    pub fn handle_icmp(&mut self, path: &Path, now: Instant) {
        self.peer.connection.handle_icmp(path, now);
        self.after_change(now);
    }

    /// The network says why a path does not work (ICMP): a hint, which may shorten the wait for a first word.
    pub fn handle_refusal(&mut self, path: &Path, refusal: Refusal, now: Instant) {
        self.patience.refuse(path, refusal);
        self.follow_refusals();
        self.handle_icmp(path, now);
    }

    /// A router says how large a packet a path takes (ICMP): a hint for the search.
    pub fn handle_packet_too_big(&mut self, path: &Path, mtu: u32, now: Instant) {
        self.peer.connection.handle_packet_too_big(path, mtu, now);
        self.after_change(now);
    }

    /// The machine slept.
    pub fn handle_resume(&mut self, suspended: Duration, now: Instant) {
        self.patience.excuse(now);
        self.peer.handle_resume(suspended, now);
        self.after_change(now);
    }

    /// The time that [`Self::poll_timeout`] named has come (or any other time has).
    pub fn handle_timeout(&mut self, now: Instant) {
        self.peer.connection.handle_timeout(now);
        if let Carried::Terminal(session) = &mut self.peer.exchange {
            session.handle_timeout(now);
            let leave = session.handle_given_up(&mut self.outputs, self.peer.connection.srtt(), now);
            self.leave_if(leave, now);
        }
        if self.outcome.is_none() && self.given_up_at().is_some_and(|at| at <= now) {
            let heard = self.patience.heard();
            self.outcome = Some(if heard { Outcome::ServerGone } else { Outcome::NothingReceived });
        }
        self.after_change(now);
    }

    /// The next datagram to send now.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        // An owner who goes on asking after the end gets nothing more.
        let may_speak = self.outcome.is_none();
        // Nobody will be here to say the last word again, and a server that misses it waits for long.
        let copies = |peer: &Peer<Carried<TerminalSession, StreamSession>>| {
            if says_last_word(peer, now) { LAST_WORDS } else { 1 }
        };
        while let Some(transmit) = self.peer.poll_transmit(may_speak, copies, now) {
            if let Some(transmit) = self.carry(transmit, now) {
                return Some(transmit);
            }
        }
        if may_speak {
            self.after_change(now);
        }
        None
    }

    /// The next thing for the owner to do.
    pub fn poll_output(&mut self, now: Instant) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        match &mut self.peer.exchange {
            Carried::Terminal(session) => {
                session.draw(&self.peer.connection, &self.journal, now).map(Output::Draw)
            }
            Carried::Streams(_) => None,
        }
    }

    /// What has happened to the paths, for a trace.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] is due, and for what; never once the session has ended.
    #[must_use]
    pub fn poll_timeout(&self, now: Instant) -> Option<(Instant, Wake)> {
        if self.outcome.is_some() {
            return None;
        }
        let contact = self.given_up_at().map(|at| (at, Wake::Own("silence")));
        let farewell = self.patience.farewell_until().map(|at| (at, Wake::Own("farewell")));
        let peer = self.peer.poll_timeout(now);
        let carried = self.carriers.values().filter_map(Carrier::poll_timeout).min();
        let carried = carried.map(|at| (at, Wake::Own("carrier")));
        Wake::first([peer, contact, farewell, carried])
    }

    /// How the session ended; `None` while it goes on. Once it has ended nothing is left to send.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// The pairs of addresses that could be paths, before anyone has asked for routes.
    #[must_use]
    pub fn candidate_paths(&self) -> Vec<Path> {
        self.peer.connection.candidate_paths()
    }

    /// Where the server may also be.
    pub fn add_remotes(&mut self, addresses: &[SocketAddr], trust: net::Trust, now: Instant) {
        self.peer.connection.add_remotes(addresses, trust);
        self.after_change(now);
    }

    /// The connection, for reports.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.peer.connection
    }

    /// Whether the server has said something of the session.
    #[must_use]
    pub fn heard(&self) -> bool {
        self.patience.heard()
    }

    /// When the session is given up if nothing is heard by then.
    fn given_up_at(&self) -> Option<Instant> {
        let watched = matches!(self.peer.exchange, Carried::Terminal(_)) || self.quitting;
        self.patience.ends_at(watched, self.expects_carrier, self.tried_paths())
    }

    fn tried_paths(&self) -> impl Iterator<Item = Tried> {
        let open = |state| !matches!(state, FlowState::Suspended | FlowState::Retired);
        let flows = self.peer.connection.flows().filter(move |flow| open(flow.state));
        flows.map(|flow| Tried { path: flow.path, sent: flow.sent() })
    }

    /// What could not be heard without a network does not count.
    fn excuse_without_network(&mut self, now: Instant) {
        if self.tried_paths().next().is_none() {
            self.patience.excuse(now);
        }
    }

    /// Carries the connection's events to the session and to the owner, and notices the end.
    fn after_change(&mut self, now: Instant) {
        let mut changed = false;
        while let Some(event) = self.peer.poll_event(now) {
            match &event {
                Event::CandidatesChanged => self.outputs.push_back(Output::ChoosePaths),
                Event::AllSilent => self.outputs.push_back(Output::Resolve),
                _ => {}
            }
            self.note_metered(&event, now);
            self.note_carrier(&event, now);
            self.journal.note(&event, now);
            changed |= matches!(event, Event::FlowState { .. } | Event::Chosen { .. });
            self.events.push_back(event);
        }
        if let (true, Carried::Terminal(session)) = (changed, &mut self.peer.exchange) {
            session.follow_paths(&self.peer.connection, &self.journal, now);
        }
        if self.outcome.is_none() {
            self.outcome = match &self.peer.exchange {
                Carried::Terminal(session) => session.outcome(now),
                Carried::Streams(session) => session.outcome(now),
            };
        }
        if self.outcome.is_none() && self.patience.farewell_is_over(now) {
            self.outcome = Some(match &self.peer.exchange {
                Carried::Streams(session) => session.without_farewell(),
                Carried::Terminal(_) => Outcome::QuitUnanswered,
            });
        }
    }
}

/// Whether what is being sent is the answer to the server's farewell.
fn says_last_word(peer: &Peer<Carried<TerminalSession, StreamSession>>, now: Instant) -> bool {
    let again = peer.connection.dialect().traits().probes;
    match &peer.exchange {
        Carried::Terminal(session) => {
            again
                && matches!(
                    session.outcome(now),
                    Some(Outcome::Ended(_) | Outcome::TakenOver(_) | Outcome::DetachedThere(_))
                )
        }
        Carried::Streams(_) => false,
    }
}
