//! Active, quiet, dormant: how often a session in which nothing happens speaks. SPEC \[P-5], \[P-8], \[P-9].

use super::timers::{ADDRESS_INTERVAL, IDLE_PROBE};
use super::{Connection, Side};
use crate::flow::{FlowState, SHORTEST_KEEPALIVE};
use crate::wire::Header;
use crate::{FlowId, Instant};
use core::time::Duration;

/// How long after the last key or output the user counts as active.
const ACTIVE: Duration = Duration::from_secs(10);
/// How long after it the session sleeps.
const AWAKE: Duration = Duration::from_secs(60);
/// The longest keepalive interval: a server takes a client for gone that is silent for 40 s, and one keepalive may be
/// lost.
const LONGEST_KEEPALIVE: Duration = Duration::from_secs(35);
/// How much later than asked for a late word may come, besides the RTO: the server's clock and its event loop.
const LATENESS: Duration = Duration::from_millis(500);

/// How often things are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tempo {
    /// A key or output within 10 s.
    Active,
    /// Within a minute.
    Quiet,
    /// Longer ago, and the way to the server is known to work.
    Dormant,
    /// Nobody waits, and nothing answers.
    Searching,
}

impl Connection {
    /// The user typed, or there was output: probe at full rate for the next 10 s. The first after a pause wakes
    /// every flow.
    pub fn set_active(&mut self, now: Instant) {
        let before = self.tempo(now);
        self.active_at = Some(now);
        if before != Tempo::Active && self.side == Side::Client {
            self.probe_all(None);
            self.next_address_request = self.next_address_request.map(|at| at.min(now + ADDRESS_INTERVAL));
            for flow in self.flows.values_mut() {
                flow.keepalive.cancel();
            }
        }
    }

    /// Whether there was a key or output within the last 10 s.
    #[must_use]
    pub fn is_active(&self, now: Instant) -> bool {
        self.tempo(now) == Tempo::Active
    }

    pub(super) fn tempo(&self, now: Instant) -> Tempo {
        let since = self.active_at.map(|at| now.since(at));
        if since.is_some_and(|since| since < ACTIVE) {
            return Tempo::Active;
        }
        if self.side == Side::Client && !self.any_answers() {
            return Tempo::Searching;
        }
        let awake = since.is_some_and(|since| since < AWAKE) || !self.dialect.traits().sleeps;
        if awake { Tempo::Quiet } else { Tempo::Dormant }
    }

    /// The longest silence that the owner allows.
    fn longest_keepalive(&self) -> Duration {
        self.config.keepalive.clamp(Duration::from_secs(1), LONGEST_KEEPALIVE)
    }

    /// Asks for the server's addresses on the chosen flow, and again later. A dormant session's request is its
    /// keepalive; it may ask the server for a late word, to learn how long the next silence may be.
    pub(super) fn ask_for_addresses(&mut self, now: Instant) {
        // While nothing answers probes search the way; the first answer asks anew.
        if self.last_answered.is_some() && !self.any_answers() {
            self.next_address_request = None;
            return;
        }
        self.choose(super::Cause::Failure, now);
        let dormant = self.tempo(now) == Tempo::Dormant;
        let longest = self.longest_keepalive();
        self.kept = self.current;
        let mut wait = ADDRESS_INTERVAL;
        if let Some(flow) = self.current.and_then(|id| self.flows.get_mut(&id)) {
            // The late word did not come, though nothing else was sent on the flow that could have stood in its way.
            let undisturbed = flow.state == FlowState::Answering && self.asked_at == flow.last_sent;
            if undisturbed {
                flow.keepalive.failed()
            } else {
                flow.keepalive.cancel()
            }
            flow.silence_before_request = flow.last_sent.map_or(Duration::ZERO, |at| now.since(at));
            flow.wants.addresses = true;
            if dormant && flow.state == FlowState::Answering {
                let patience = flow.rtt.rto(Duration::ZERO) + LATENESS;
                wait = match flow.keepalive.begin(longest) {
                    Some(silence) => silence + patience,
                    None => flow.keepalive.interval(longest),
                };
            }
        }
        self.next_address_request = Some(now + wait);
    }

    /// A dormant session keeps one way open: if that is another one now, it is spoken on at once.
    pub(super) fn follow_chosen(&mut self, now: Instant) {
        if self.next_address_request.is_some()
            && self.kept != self.current
            && self.current.is_some()
            && self.tempo(now) == Tempo::Dormant
        {
            self.ask_for_addresses(now);
        }
    }

    /// The chosen flow's last probe before the sleep is due: the keepalive takes its place.
    pub(super) fn falls_asleep(&self, id: FlowId, now: Instant) -> bool {
        self.tempo(now) == Tempo::Dormant && self.current == Some(id) && self.next_address_request.is_some()
    }

    /// Something that answers nothing and asks for nothing came in order: if it is the late word that was asked for,
    /// the next silence may be as long as this one was.
    pub(super) fn hear_late_word(&mut self, id: FlowId, header: &Header, now: Instant) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        let silence = flow.last_sent.map(|at| now.since(at));
        let in_time = flow.keepalive.trial().is_some_and(|trial| silence.is_some_and(|s| s >= trial));
        let unasked = header.timestamp.is_none() && header.timestamp_reply.is_none();
        if unasked && in_time && self.asked_at == flow.last_sent && self.kept == Some(id) {
            flow.keepalive.proved();
            // This end's word keeps the way open; the server's may not (RFC 4787 REQ-6).
            self.next_address_request = Some(now);
        }
    }

    /// The server sees this address of ours on a flow.
    pub(super) fn seen_as(&mut self, id: FlowId, address: core::net::SocketAddr) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        let (port, before) = (flow.port_generation, flow.observed);
        flow.observed = Some((address, port));
        if before.is_some_and(|before| before.1 == port && before.0 != address) {
            let tried = flow.silence_before_request.min(self.config.keepalive);
            flow.keepalive.moved(tried);
            if self.kept == Some(id) && self.next_address_request.is_some() {
                let soon = flow.last_sent.unwrap_or(self.started_at) + SHORTEST_KEEPALIVE;
                self.next_address_request = self.next_address_request.map(|at| at.min(soon));
            }
        }
    }

    /// A client asks to be told something after a silence (servers). One such wish at a time, and only until the client
    /// speaks again.
    pub(super) fn promise_late_word(&mut self, id: FlowId, after: Option<Duration>, now: Instant) {
        let after = after.filter(|after| *after <= LONGEST_KEEPALIVE && *after >= IDLE_PROBE / 10);
        self.late_word = after.map(|after| (now + after, id));
    }

    /// Nothing answers any more, and `since` then something was owed (clients).
    pub(super) fn note_silence(&mut self, since: Instant) {
        if self.side == Side::Client && self.last_answered.is_some() && !self.any_answers() {
            self.silent_since.get_or_insert(since);
        }
    }
}
