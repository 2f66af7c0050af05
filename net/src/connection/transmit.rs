//! Datagrams out. SPEC \[W-3] to \[W-7], \[P-7], \[A-1], \[K-3], \[K-7].

use super::choose::INTERACTIVE;
use super::{Cause, Class, Connection, Event, SentKind, Side, Spread};
use crate::answer::{Reply, Terms, slack, terms};
use crate::flow::{FlowState, code_of};
use crate::time::wire;
use crate::wire::addresses::encode_late_word;
use crate::wire::{FlowId, Header, Kind};
use crate::{Instant, Transmit};
use alloc::vec::Vec;

/// Payloads that wait for an address to be validated; when there are more the oldest are out of date.
const MOST_BLOCKED: usize = 32;

/// What became of the attempt to send something.
pub(super) enum Attempt {
    Made(Transmit),
    /// The address is not validated and has had its share: later, perhaps.
    Blocked,
    /// The flow cannot send it, now or later.
    Gone,
}

impl Connection {
    /// The next datagram to send, sealed now: its timestamp is `now`. Call until it gives nothing.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        if self.spent {
            return None;
        }
        self.next_payload(now).or_else(|| self.next_control(now)).or_else(|| self.next_padded(now))
    }

    /// Payloads come first: they carry the answers that are due along.
    fn next_payload(&mut self, now: Instant) -> Option<Transmit> {
        loop {
            let mut outgoing = self.queue.pop_front()?;
            let mut targets = match outgoing.targets.take() {
                Some(targets) => targets,
                None => {
                    let targets = self.targets(outgoing.payload.len(), outgoing.class, now);
                    if self.spread == Spread::Next && outgoing.class != Class::Acknowledgement {
                        self.spread = Spread::Done(now);
                    }
                    targets
                }
            };
            // Nowhere to go: lost, as in a network. The layer above sends its newest state when a flow is there.
            let mut blocked = false;
            while let Some(id) = targets.pop_front() {
                let kind = match outgoing.class {
                    Class::Acknowledgement => SentKind::Acknowledgement,
                    _ if outgoing.has_gone => SentKind::Copy,
                    _ => SentKind::Data,
                };
                match self.transmit(id, kind, &outgoing.payload, now) {
                    Attempt::Made(transmit) => {
                        // Copies come second, and the server answers on the one that arrives first.
                        if kind == SentKind::Data {
                            self.spoken_on.clear();
                        }
                        if kind != SentKind::Acknowledgement {
                            self.spoken_on.push(id);
                        }
                        if !targets.is_empty() {
                            outgoing.has_gone = true;
                            outgoing.targets = Some(targets);
                            self.queue.push_front(outgoing);
                        }
                        return Some(transmit);
                    }
                    Attempt::Blocked => blocked = true,
                    Attempt::Gone => {}
                }
            }
            if blocked && !outgoing.has_gone {
                // It waits, and its flow is chosen anew: this one may never be validated.
                self.queue.push_front(outgoing);
                let stale = self.queue.len().saturating_sub(MOST_BLOCKED);
                self.queue.drain(..stale);
                return None;
            }
        }
    }

    /// Answers, address requests and lists, probes.
    fn next_control(&mut self, now: Instant) -> Option<Transmit> {
        loop {
            let wanting = self.flows.values_mut().find_map(|flow| {
                let wants = &mut flow.wants;
                let is_due = flow.answer_due.take_if(|at| *at <= now).is_some() && flow.state.is_open();
                let kind = if core::mem::take(&mut wants.answer) || is_due {
                    SentKind::Answer
                } else if core::mem::take(&mut wants.addresses) {
                    match self.side {
                        Side::Client => SentKind::AddressRequest,
                        Side::Server => SentKind::AddressList,
                    }
                } else if core::mem::take(&mut wants.probe) {
                    SentKind::Probe
                } else if core::mem::take(&mut wants.late_word) {
                    SentKind::LateWord
                } else {
                    return None;
                };
                Some((flow.id, kind))
            });
            let (id, kind) = wanting?;
            let payload = match kind {
                SentKind::AddressList => self.write_address_list(id),
                SentKind::AddressRequest => self.write_address_request(id),
                _ => Vec::new(),
            };
            // A list without a record says nothing, and might harm who reads it.
            let kind = match kind {
                SentKind::AddressList if payload.is_empty() => SentKind::Answer,
                kind => kind,
            };
            if let Attempt::Made(transmit) = self.transmit(id, kind, &payload, now) {
                return Some(transmit);
            }
        }
    }

    /// The request's wish for a late word, if there is something to learn.
    fn write_address_request(&self, id: FlowId) -> Vec<u8> {
        let trial = self.flows.get(&id).and_then(|flow| flow.keepalive.trial());
        trial.map_or_else(Vec::new, encode_late_word)
    }

    /// The address list for this flow, cut to whole records that may be sent to it.
    fn write_address_list(&mut self, id: FlowId) -> Vec<u8> {
        let overhead = self.dialect.traits().overhead;
        let (_, safe) = self.dialect.traits().safe_datagram;
        let mut out = Vec::new();
        let Some(flow) = self.flows.get(&id) else { return out };
        let path = flow.candidacy.as_ref().map_or(flow.path, |candidacy| candidacy.path);
        // The address is to be challenged too, out of the same allowance.
        let room = flow
            .candidacy
            .as_ref()
            .map_or(safe, |candidacy| candidacy.room().min(safe).saturating_sub(overhead));
        let list = self.address_list(&path);
        let whole = list.encode(room.saturating_sub(overhead), &mut out);
        if let Some(flow) = self.flows.get_mut(&id)
            && let Some(candidacy) = &mut flow.candidacy
        {
            candidacy.cut_list |= !whole;
        }
        out
    }

    /// Seals a datagram for this flow.
    pub(super) fn transmit(&mut self, id: FlowId, kind: SentKind, payload: &[u8], now: Instant) -> Attempt {
        let traits = *self.dialect.traits();
        let octets = self.dialect.traits().overhead + payload.len();
        // The size shrank since it was cut: as good as lost. The owner was told, and cuts the newest state anew.
        let fits =
            !kind.is_payload() || self.flows.get(&id).is_some_and(|flow| octets <= self.max_datagram(flow));
        let Some(flow) = self.flows.get_mut(&id).filter(|flow| flow.state.is_open() && fits) else {
            return Attempt::Gone;
        };
        if self.spent || (self.side == Side::Server && !self.attached) {
            return Attempt::Gone;
        }

        let (path, to_candidate) = match &flow.candidacy {
            None => (flow.path, false),
            Some(candidacy) if candidacy.room() >= octets => (candidacy.path, true),
            Some(candidacy) if candidacy.fallback && kind.is_payload() => (flow.path, false),
            Some(_) => return Attempt::Blocked,
        };
        // While an address is being validated, only datagrams to it carry a timestamp: an answer to one proves it.
        let timed = to_candidate || flow.candidacy.is_none();
        let terms = terms(self.side, &traits, kind);
        let timestamp = (timed && terms.stamped).then(|| wire::stamp(now));
        let returns = match terms.reply {
            Reply::Never => false,
            Reply::IfOwed => flow.owes_reply(),
            Reply::UnlessOwed => !flow.owes_reply(),
            Reply::Always => true,
        };
        let timestamp_reply = if returns { flow.take_reply(now) } else { None };
        if kind == SentKind::Answer && timestamp_reply.is_none() {
            flow.answer_due = None;
            return Attempt::Gone;
        }
        let Some(nonce) = flow.nonces.next() else {
            self.set_state(id, FlowState::Retired, Cause::Spent);
            return Attempt::Gone;
        };
        let header = Header {
            kind: match kind {
                SentKind::Data | SentKind::Copy | SentKind::Acknowledgement => Kind::Data,
                SentKind::Probe | SentKind::Answer | SentKind::PaddedProbe | SentKind::LateWord => {
                    Kind::Probe
                }
                SentKind::AddressRequest | SentKind::AddressList => Kind::Addresses,
            },
            timestamp,
            timestamp_reply,
            loss: flow.loss.percent(),
            congestion: kind != SentKind::PaddedProbe && core::mem::take(&mut flow.saw_congestion),
            // With a timestamp reply it says until when.
            largest: if timestamp_reply.is_some() { core::mem::take(&mut flow.largest) } else { 0 },
            after_padded: flow.padded_last,
        };
        let port_generation = flow.port_generation;
        let Some(bytes) = self.dialect.seal(nonce, &header, payload) else {
            self.spent = true;
            self.emit(Event::KeySpent);
            return Attempt::Gone;
        };
        self.sent(id, kind, terms, &header, to_candidate, bytes.len(), now);
        Attempt::Made(Transmit { path, port_generation, dont_fragment: false, bytes })
    }

    /// Keeps the books of a datagram that was sealed.
    #[expect(clippy::too_many_arguments, reason = "one caller; the facts of one datagram")]
    fn sent(
        &mut self,
        id: FlowId,
        kind: SentKind,
        terms: Terms,
        header: &Header,
        to_candidate: bool,
        bytes: usize,
        now: Instant,
    ) {
        let traits = *self.dialect.traits();
        let interval = self.probe_interval(id, now);
        let client = self.side == Side::Client;
        let Some(flow) = self.flows.get_mut(&id) else { return };
        let remote =
            flow.candidacy.as_ref().filter(|_| to_candidate).map_or(flow.path, |known| known.path).remote;
        flow.sent.add(kind, bytes, &remote);
        flow.last_sent = Some(now);
        if kind == SentKind::AddressRequest {
            self.asked_at = Some(now);
        }
        if kind.is_payload() && bytes > traits.overhead + INTERACTIVE {
            flow.latency.carried_bulk(now);
        }
        flow.padded_last = kind == SentKind::PaddedProbe;
        flow.last_octets = bytes;
        if kind.is_payload() && code_of(bytes) > 0 {
            self.large_at = Some(now);
        }
        if kind.is_payload() && traits.mtu_search && (to_candidate || flow.candidacy.is_none()) {
            flow.mtu.sent(bytes, now);
        }
        if to_candidate && let Some(candidacy) = &mut flow.candidacy {
            candidacy.sent(bytes, terms.asks && header.timestamp.is_some(), now);
        }
        if header.timestamp_reply.is_some() && !flow.owes_reply() {
            flow.answer_due = None;
            flow.wants.answer = false;
        }
        if kind.is_payload() && client && traits.probes && !traits.payloads_answered {
            // Nobody answers a payload: a probe goes beside it, unless one is on its way. SPEC [D-3].
            flow.carried_at = Some(now);
            flow.wants.probe |= flow.liveness.oldest_unanswered().is_none();
        }
        if terms.awaited && header.timestamp.is_some() {
            if traits.payloads_answered {
                let (srtt, queued) = flow.standing();
                flow.liveness.allow(slack(self.side, srtt, queued || kind == SentKind::Copy));
            }
            flow.liveness.sent(&flow.rtt, kind.is_payload(), now);
            flow.liveness.next_probe = interval.map(|interval| now + interval);
            // On a lost flow something small asks too: the payload may be too large for the way by now. SPEC.
            flow.wants.probe &= kind.is_payload() && flow.state == FlowState::Lost;
        }
        self.emit(Event::Sent { flow: id, kind, bytes });
        if !traits.probes {
            self.hop_after_send(now);
        }
    }
}
