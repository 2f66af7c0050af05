//! How a session changes its client: one is admitted, takes the session over, and the one before is let go. SPEC \[K-9].

use super::association::Association;
use super::draining::Draining;
use super::leaving::Leaving;
use super::{Config, Output, Server};
use net::{Candidate, Connection, Instant, Received};
use std::time::Duration;
use sync::Parting;
use terminal::Size;

/// How long a client that has been admitted has for its first word. SPEC \[K-9].
const PENDING: Duration = Duration::from_secs(60);

/// A client that has been admitted.
pub(super) struct Pending {
    pub(super) association: Association,
    size: Size,
    admitted: Instant,
    /// The same on the calendar, in seconds since 1970.
    at: u64,
}

impl Pending {
    pub(super) fn until(&self) -> Instant {
        self.admitted + PENDING
    }
}

/// A client that was admitted, and lost the session before it said a word.
pub(super) struct Voided {
    association: Association,
    pub(super) until: Instant,
    /// When it lost the session, in seconds since 1970, or a little before.
    at: u64,
}

impl Voided {
    fn of(pending: Pending) -> Self {
        Self { until: pending.until(), at: pending.at, association: pending.association }
    }
}

impl Server {
    /// Admits another client, whose terminal has this size, under the key of this connection. It has the session from its first
    /// word on, and until then nothing changes. `locals`: this host's addresses, with those that it is to be told; `at`: now,
    /// in seconds since 1970. SPEC \[K-9].
    pub fn admit(
        &mut self,
        connection: Connection,
        locals: &[Candidate],
        size: Size,
        seed: u64,
        at: u64,
        now: Instant,
    ) {
        let config = Config { seed, ..self.config.clone() };
        let mut association = Association::new(connection, &config, self.display.as_mut(), now);
        association.peer.connection.handle_interfaces(locals, now);
        // Two keys at most. Who was admitted before has lost the session, and is told when it speaks.
        self.draining = None;
        let before = self.pending.replace(Pending { association, size, admitted: now, at });
        self.voided = before.filter(|_| self.client.is_none()).map(Voided::of);
    }

    /// How long ago a client was admitted that has not been heard yet, if there is one.
    #[must_use]
    pub fn is_awaited(&self, now: Instant) -> Option<Duration> {
        let first = self.client.as_ref().filter(|client| !client.met && self.detached.is_none());
        let since = self.pending.as_ref().map(|pending| pending.admitted);
        since.or(first.map(|_| self.started)).map(|since| now.since(since)).filter(|waited| *waited < PENDING)
    }

    /// A datagram of a client that was admitted, and lost the session before it said a word: it is told so.
    pub(super) fn hear_voided(&mut self, received: Received<'_>, now: Instant) {
        let Some(voided) = &mut self.voided else { return };
        if !voided.association.peer.handle_datagram(received, now).authentic {
            return;
        }
        if let Some(Voided { association, at, .. }) = self.voided.take() {
            self.draining = Draining::new(association.peer, Some((Parting::TakenOver, at)), now);
        }
    }

    /// Lets the client go, because somebody else wishes so: the program goes on. Whether there was one. `at`: now, in seconds
    /// since 1970.
    pub fn detach(&mut self, at: u64, now: Instant) -> bool {
        let there = self.is_attached() && !self.is_shutting_down(now);
        if there {
            self.part(Some((Parting::Detached, at)), now);
        }
        there
    }

    /// The client that was admitted has said its first word: it has the session, and whoever had it before is told.
    pub(super) fn take_over(&mut self, now: Instant) {
        let Some(Pending { mut association, size, admitted, at }) = self.pending.take() else { return };
        let at = at.saturating_add(now.since(admitted).as_secs());
        if let Some(display) = &mut self.display {
            display.resize(size);
        }
        association.show(self.display.as_mut(), now);
        association.peer.connection.set_active(now);
        let before = self.client.replace(association);
        match before {
            Some(before) if before.met => {
                self.untold = self.untold.or(before.told_status());
                self.draining = Draining::new(before.peer, Some((Parting::TakenOver, at)), now);
                self.voided = None;
            }
            // Who never spoke is told when it does.
            Some(association) => self.voided = Some(Voided { association, until: now + PENDING, at }),
            None => {}
        }
        self.leaving = Leaving::new(now);
        self.detached = None;
        if self.program_started {
            self.outputs.push_back(Output::TakenOver(size));
        } else {
            self.start_program(size);
        }
    }

    /// The client is let go, and the program goes on.
    pub(super) fn part(&mut self, because: Option<(Parting, u64)>, now: Instant) {
        let Some(client) = self.client.take() else { return };
        self.draining = Draining::new(client.peer, because, now);
        self.voided = None;
        self.detached = Some(now);
    }

    /// A client that was admitted has had its time, or one that has lost the session.
    pub(super) fn forget_what_is_over(&mut self, now: Instant) {
        self.draining.take_if(|draining| draining.is_over(now));
        self.voided.take_if(|voided| voided.until <= now);
        let unheard = self.pending.take_if(|pending| pending.until() <= now).is_some();
        // It was all that a session waited for whose program has ended.
        if unheard && self.client.is_none() && self.untold.is_some() {
            self.finished = true;
        }
    }
}
