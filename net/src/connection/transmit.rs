//! Datagrams out. SPEC \[W-3] to \[W-7], \[P-7], \[A-1], \[K-3], \[K-7].

use super::heart::{Beside, Outgoing};
use super::{Cause, Class, Connection, Event, INTERACTIVE, Part, SentKind, Server};
use crate::answer::{Reply, Terms, terms};
use crate::flow::{Flow, FlowState, code_of};
use crate::time::wire;
use crate::traffic::headers;
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
        if self.core.spent {
            return None;
        }
        self.next_beside(now)
            .or_else(|| self.next_payload(now))
            .or_else(|| self.next_control(now))
            .or_else(|| self.next_padded(now))
    }

    /// What went to an address that is being validated goes at once to the one that was validated before: whoever copies the
    /// client's datagrams, and is faster than it, takes nothing away. SPEC \[K-7].
    fn next_beside(&mut self, now: Instant) -> Option<Transmit> {
        let Beside { flow: id, kind, payload, timestamp_reply } = self.core.beside.take()?;
        let core = &mut self.core;
        let (traits, side) = (*core.traits(), core.dialect.side());
        let flow = core.flows.get_mut(id).filter(|flow| flow.is_open())?;
        let binding = &mut flow.binding;
        // It may have proved itself meanwhile, or been given up.
        binding.candidacy.as_ref()?;
        let (path, port_generation) = (binding.path, binding.port_generation);
        let header = Header {
            kind: if kind == SentKind::Answer { Kind::Probe } else { Kind::Data },
            timestamp: None,
            timestamp_reply,
            loss: binding.known.loss.percent(),
            congestion: false,
            largest: 0,
            // What went directly before went elsewhere: it is no loss here.
            after_padded: true,
        };
        let nonce = flow.numbers.nonces.next()?;
        let bytes = core.dialect.seal(nonce, &header, &payload)?;
        let kind = if kind == SentKind::Data { SentKind::Copy } else { kind };
        self.sent(id, kind, terms(side, &traits, kind), &header, false, bytes.len(), now);
        // And this one goes where the next may not.
        if let Some(flow) = self.core.flows.get_mut(id) {
            flow.binding.padded_last = true;
        }
        Some(Transmit { path, port_generation, dont_fragment: false, bytes })
    }

    /// Payloads come first: they carry the answers that are due along.
    fn next_payload(&mut self, now: Instant) -> Option<Transmit> {
        loop {
            let mut outgoing = self.core.queue.pop_front()?;
            let mut targets = match outgoing.targets.take() {
                Some(targets) => targets,
                None => {
                    let targets = self.targets(outgoing.payload.len(), outgoing.class, now);
                    if let Part::Client(client) = &mut self.part
                        && outgoing.class != Class::Acknowledgement
                    {
                        client.chose_targets(now);
                    }
                    targets
                }
            };
            // Nowhere to go: lost, as in a network. The layer above sends its newest state when a flow is there.
            let mut blocked = false;
            while let Some(id) = targets.pop_front() {
                let kind = kind_of(&outgoing);
                match self.transmit(id, kind, &outgoing.payload, now) {
                    Attempt::Made(transmit) => {
                        if let Part::Client(client) = &mut self.part {
                            client.spoke(id, kind);
                        }
                        if !targets.is_empty() {
                            outgoing.has_gone = true;
                            outgoing.targets = Some(targets);
                            self.core.queue.push_front(outgoing);
                        }
                        return Some(transmit);
                    }
                    Attempt::Blocked => blocked = true,
                    Attempt::Gone => {}
                }
            }
            if blocked && !outgoing.has_gone {
                // It waits, and its flow is chosen anew: this one may never be validated.
                self.core.queue.push_front(outgoing);
                let stale = self.core.queue.len().saturating_sub(MOST_BLOCKED);
                self.core.queue.drain(..stale);
                return None;
            }
        }
    }

    /// Answers, address requests and lists, probes.
    fn next_control(&mut self, now: Instant) -> Option<Transmit> {
        let side = self.core.dialect.side();
        loop {
            let wanted = |flow: &mut Flow| Some((flow.id, flow.binding.take_wanted(side, now)?));
            let (id, kind) = self.core.flows.iter_mut().find_map(wanted)?;
            let payload = match kind {
                SentKind::AddressList => Server::write_list(&mut self.core, id),
                SentKind::AddressRequest => self.write_request(id),
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
    fn write_request(&self, id: FlowId) -> Vec<u8> {
        let flow = self.core.flows.get(id);
        let trial = flow.and_then(|flow| flow.binding.known.keepalive.trial());
        trial.map_or_else(Vec::new, encode_late_word)
    }

    /// Seals a datagram for this flow.
    pub(super) fn transmit(&mut self, id: FlowId, kind: SentKind, payload: &[u8], now: Instant) -> Attempt {
        let core = &mut self.core;
        let (traits, side) = (*core.traits(), core.dialect.side());
        let octets = traits.overhead + payload.len();
        let nobody = matches!(&self.part, Part::Server(server) if !server.attached);
        // The size shrank since it was cut: as good as lost. The owner was told, and cuts the newest state anew.
        let fits =
            !kind.is_payload() || core.flows.get(id).is_some_and(|flow| octets <= core.max_datagram(flow));
        if core.spent || nobody || !fits {
            return Attempt::Gone;
        }
        let Some(flow) = core.flows.get_mut(id).filter(|flow| flow.is_open()) else { return Attempt::Gone };
        let binding = &mut flow.binding;

        let goes_back = kind.is_payload() || kind == SentKind::Answer;
        let (path, to_candidate) = match &binding.candidacy {
            None => (binding.path, false),
            Some(candidacy) if candidacy.room() >= octets => (candidacy.path, true),
            Some(candidacy) if candidacy.fallback && goes_back => (binding.path, false),
            Some(_) => return Attempt::Blocked,
        };
        let goes_both =
            goes_back && to_candidate && binding.candidacy.as_ref().is_some_and(|known| known.fallback);
        // While an address is being validated, only datagrams to it carry a timestamp: an answer to one proves it.
        let timed = to_candidate || binding.candidacy.is_none();
        let terms = terms(side, &traits, kind);
        let timestamp = (timed && terms.stamped).then(|| wire::stamp(now));
        let returns = match terms.reply {
            Reply::Never => false,
            Reply::IfOwed => binding.owes_reply(),
            Reply::UnlessOwed => !binding.owes_reply(),
            Reply::Always => true,
        };
        let timestamp_reply = if returns { binding.take_reply(now) } else { None };
        if kind == SentKind::Answer && timestamp_reply.is_none() {
            binding.due.answer_at = None;
            return Attempt::Gone;
        }
        let Some(nonce) = flow.numbers.nonces.next() else {
            core.events.set_state(flow, FlowState::Retired, Cause::Spent);
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
            loss: binding.known.loss.percent(),
            congestion: kind != SentKind::PaddedProbe && core::mem::take(&mut binding.saw_congestion),
            // With a timestamp reply it says until when.
            largest: if timestamp_reply.is_some() { core::mem::take(&mut binding.largest) } else { 0 },
            after_padded: binding.padded_last,
        };
        let port_generation = binding.port_generation;
        let Some(bytes) = core.dialect.seal(nonce, &header, payload) else {
            core.spent = true;
            core.events.emit(Event::KeySpent);
            return Attempt::Gone;
        };
        self.sent(id, kind, terms, &header, to_candidate, bytes.len(), now);
        self.core.beside =
            goes_both.then(|| Beside { flow: id, kind, payload: payload.to_vec(), timestamp_reply });
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
        let core = &mut self.core;
        let (traits, side) = (*core.traits(), core.dialect.side());
        let interval = match &self.part {
            Part::Client(client) => client.probe_interval(core, id, now),
            Part::Server(_) => None,
        };
        let by_carrier = core.flows.get(id).is_some_and(|flow| core.is_by_carrier(flow.path()));
        let Some(binding) = core.flows.get_mut(id).map(|flow| &mut flow.binding) else { return };
        let candidate = binding.candidacy.as_ref().filter(|_| to_candidate);
        let remote = candidate.map_or(binding.path.remote, |candidacy| candidacy.path.remote);
        binding.sent.add(kind, bytes, &remote);
        if traits.payloads_answered {
            binding.known.budget.sent(bytes + headers(&remote), now);
        }
        binding.last_sent = Some(now);
        binding.padded_last = kind == SentKind::PaddedProbe;
        binding.last_octets = bytes;
        if kind.is_payload() {
            if bytes > traits.overhead + INTERACTIVE {
                binding.known.latency.carried_bulk(now);
            }
            if code_of(bytes) > 0 && !by_carrier {
                core.large_at = Some(now);
            }
            if traits.mtu_search && !by_carrier && (to_candidate || binding.candidacy.is_none()) {
                binding.mtu.sent(bytes, now);
            }
        }
        if to_candidate && let Some(candidacy) = &mut binding.candidacy {
            candidacy.sent(bytes, terms.asks && header.timestamp.is_some(), now);
        }
        if header.timestamp_reply.is_some() && !binding.owes_reply() {
            binding.due.answer_at = None;
            binding.due.wants.answer = false;
        }
        if terms.awaited && header.timestamp.is_some() {
            if traits.payloads_answered {
                binding.liveness.allow(binding.slack(side, kind == SentKind::Copy));
            }
            binding.liveness.sent(&binding.known.rtt, kind.is_payload(), now);
            binding.liveness.next_probe = interval.map(|interval| now + interval);
            // On a lost flow something small asks too: the payload may be too large for the way by now. SPEC.
            binding.due.wants.probe &= kind.is_payload() && binding.state == FlowState::Lost;
        }
        core.events.emit(Event::Sent { flow: id, kind, bytes });
        let Part::Client(client) = &mut self.part else { return };
        if kind == SentKind::AddressRequest {
            client.asked(core, id, now);
        }
        if !traits.probes {
            client.hop_after_send(core, now);
        } else if kind.is_payload()
            && !traits.payloads_answered
            && let Some(flow) = core.flows.get_mut(id)
        {
            flow.binding.carried(now);
        }
    }
}

fn kind_of(outgoing: &Outgoing) -> SentKind {
    match outgoing.class {
        Class::Acknowledgement => SentKind::Acknowledgement,
        _ if outgoing.has_gone => SentKind::Copy,
        _ => SentKind::Data,
    }
}
