//! One client of a session: its key, its connection, and what is exchanged over it.
//!
//! Contract: pure. An association ends with its client; the session, which has the program, may have another one then.

use super::display::Display;
use super::on_streams::StreamSession;
use super::on_terminal::TerminalSession;
use super::{Config, Output};
use net::{Connection, Instant};
use std::collections::VecDeque;
use std::net::SocketAddr;
use sync::{Carried, Peer, Shutdown};

/// See the module.
pub(super) struct Association {
    pub(super) peer: Peer<Carried<TerminalSession, StreamSession>>,
    /// The client has said something: there is one.
    pub(super) met: bool,
    /// When the client was last followed to another path.
    followed: Option<Instant>,
}

impl Association {
    /// With a client that has not been heard yet. Without a display it gets the program's streams.
    pub(super) fn new(
        connection: Connection,
        config: &Config,
        display: Option<&mut Display>,
        now: Instant,
    ) -> Self {
        let session = match display {
            None => Carried::Streams(Box::new(StreamSession::new(now))),
            Some(display) => Carried::Terminal(Box::new(TerminalSession::new(config, display, now))),
        };
        Self { peer: Peer::new(connection, session), met: false, followed: None }
    }

    /// Whether the client said something new in this payload.
    pub(super) fn handle_payload(
        &mut self,
        payload: &[u8],
        display: Option<&mut Display>,
        outputs: &mut VecDeque<Output>,
        now: Instant,
    ) -> bool {
        let link = self.peer.link(now);
        match (&mut self.peer.exchange, display) {
            (Carried::Terminal(session), Some(display)) => {
                session.handle_payload(payload, display, outputs, now)
            }
            (Carried::Terminal(_), None) => false,
            (Carried::Streams(session), _) => session.handle_payload(payload, &link, now),
        }
    }

    /// Shows what the program has drawn.
    pub(super) fn show(&mut self, display: Option<&mut Display>, now: Instant) {
        if let (Carried::Terminal(session), Some(display)) = (&mut self.peer.exchange, display) {
            session.show(display, now);
        }
    }

    /// The end of the session is told, with the program's status if there is one.
    pub(super) fn shut_down(&mut self, status: Option<u8>, display: Option<&Display>, now: Instant) {
        match (&mut self.peer.exchange, display) {
            (Carried::Terminal(session), Some(display)) => session.shut_down(status, display, now),
            (Carried::Terminal(_), None) => {}
            (Carried::Streams(session), _) => session.shut_down(status, now),
        }
    }

    /// The program's status, where it has ended: the client is being told.
    pub(super) fn told_status(&self) -> Option<u8> {
        match &self.peer.exchange {
            Carried::Terminal(session) => session.transport.exit_status(),
            Carried::Streams(_) => None,
        }
    }

    pub(super) fn shutdown_state(&self, now: Instant) -> Shutdown {
        match &self.peer.exchange {
            Carried::Terminal(session) => session.shutdown_state(now),
            Carried::Streams(session) => session.shutdown_state(now),
        }
    }

    /// Whether the client takes leave of a session that is to go on.
    pub(super) fn wants_to_detach(&self) -> bool {
        match &self.peer.exchange {
            Carried::Terminal(session) => session.wants_to_detach(),
            Carried::Streams(_) => false,
        }
    }

    /// The client came another way because something is wrong with the old one: what was last sent there may be lost. A
    /// client whose ways take turns is told once in a round trip.
    pub(super) fn follow_client(&mut self, now: Instant) {
        if self.followed.is_none_or(|at| now.since(at) >= self.peer.connection.rto()) {
            self.followed = Some(now);
            sync::Exchange::repeat_unanswered(&mut self.peer.exchange, now);
        }
    }

    /// When the client was last heard, once it has said something. A user who only reads is there all the same: the
    /// answers of their end count.
    pub(super) fn last_heard(&self) -> Option<Instant> {
        self.peer.connection.last_heard().filter(|_| self.met)
    }

    /// The client's address on the flow it was last heard on; `None` while it is not there.
    pub(super) fn client(&self) -> Option<SocketAddr> {
        let connection = &self.peer.connection;
        connection.current_path().filter(|_| connection.is_connected()).map(|path| path.remote)
    }
}
