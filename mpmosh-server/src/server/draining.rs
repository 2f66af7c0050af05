//! A client that has lost the session, until it knows or has had its time.
//!
//! Contract: pure. Everything that was the client's is frozen: it is told of its end, without content, [`MOST`] times at most
//! and for [`TIME`], at addresses that it was known to have; nothing that it says counts but that it knows. With the last
//! of it its key is wiped. SPEC \[K-9].

use super::on_streams::StreamSession;
use super::on_terminal::TerminalSession;
use net::{Farewell, Instant, Received, Transmit};
use std::time::Duration;
use sync::{Carried, Link, Parting, Peer, Shutdown, Wake};

/// How often the client is told at most.
const MOST: u8 = 10;
/// How often a client that wished to leave is answered by itself; and once more each time that it asks again.
const ANSWERS: u8 = 2;
/// For how long it is told, and its key kept.
const TIME: Duration = Duration::from_secs(10);

pub(super) struct Draining {
    farewell: Farewell,
    session: TerminalSession,
    /// What was known of the network.
    link: Link,
    /// How often something may still be sent, and how often without being asked again.
    left: u8,
    unasked: u8,
    until: Instant,
}

impl Draining {
    /// Takes leave of a client: because of this, since then (seconds since 1970); or because it wished so. `None` where there
    /// is nothing to be told.
    pub(super) fn new(
        peer: Peer<Carried<TerminalSession, StreamSession>>,
        because: Option<(Parting, u64)>,
        now: Instant,
    ) -> Option<Self> {
        let mut link = peer.link(now);
        link.connected = true;
        let Carried::Terminal(session) = peer.exchange else { return None };
        let mut session = *session;
        let farewell = peer.connection.into_farewell(now)?;
        session.transport.freeze();
        if let Some((parting, at)) = because {
            session.transport.start_parting(parting, at, now);
        }
        let unasked = if because.is_some() { MOST } else { ANSWERS };
        Some(Self { farewell, session, link, left: MOST, unasked, until: now + TIME })
    }

    /// Whether a datagram is the old client's, and new.
    pub(super) fn handle_datagram(&mut self, received: Received<'_>, now: Instant) -> bool {
        let Ok(payload) = self.farewell.handle_datagram(received) else { return false };
        if let Some(payload) = payload {
            self.unasked = self.unasked.saturating_add(1);
            let _ = self.session.transport.handle_payload(&payload, now);
            while self.session.transport.poll_event().is_some() {}
        }
        true
    }

    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        let left = self.left.checked_sub(1)?;
        let unasked = self.unasked.checked_sub(1)?;
        let outgoing = self.session.transport.poll_transmit(&self.link, now)?;
        (self.left, self.unasked) = (left, unasked);
        self.farewell.transmit(&outgoing.payload)
    }

    pub(super) fn poll_timeout(&self, now: Instant) -> Option<(Instant, Wake)> {
        let over = Some((self.until, Wake::Own("drained")));
        let told = self
            .session
            .transport
            .poll_timeout(&self.link, now)
            .filter(|_| self.left > 0 && self.unasked > 0);
        Wake::first([over, told.map(|(at, reason)| (at, Wake::Exchange(reason)))])
    }

    /// Whether the client knows, or has had its time.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now >= self.until || self.session.shutdown_state(now) == Shutdown::Acknowledged
    }
}
