//! Datagrams in. SPEC \[W-6], \[K-5] to \[K-7], \[A-1] to \[A-5].

use super::server::is_same;
use super::{Cause, Connection, Event, INTERACTIVE, Part, SentKind};
use crate::answer::{Claim, claim, is_owed, is_proof, purpose};
use crate::flow::{CONGESTION_PENALTY, Candidacy, FlowState, Order, code_of};
use crate::time::wire;
use crate::wire::{FlowId, Header, Kind};
use crate::{Discard, Ecn, Instant, Path, Received};
use alloc::vec::Vec;
use core::time::Duration;

/// Silence on every path that is shorter is none that the peer noticed.
const BRIEF: Duration = Duration::from_secs(10);

impl Connection {
    /// A datagram arrived. `Ok(Some(payload))` is for the layer above; its bytes are opened in place.
    ///
    /// # Errors
    /// [`Discard`] says why it was ignored; it is counted, and no cause for alarm.
    pub fn handle_datagram(
        &mut self,
        received: Received<'_>,
        now: Instant,
    ) -> Result<Option<Vec<u8>>, Discard> {
        let Path { local: at, remote: from } = received.path;
        let result = self.receive(received, now);
        if let Err(reason) = result {
            self.core.discards.add(reason);
            self.core.events.emit(Event::Discarded { reason, from, at });
        }
        result
    }

    fn receive(&mut self, received: Received<'_>, now: Instant) -> Result<Option<Vec<u8>>, Discard> {
        let Received { path, ecn, bytes } = received;
        let octets = bytes.len();
        let clear = self.core.dialect.peek(bytes)?;
        let id = clear.flow;
        let order = match (self.core.flows.get(id), &self.part) {
            (Some(flow), _) => flow.numbers.replay.check(clear.sequence).ok_or(Discard::Replayed)?,
            (None, Part::Client(_)) => return Err(Discard::UnknownFlow),
            (None, Part::Server(server)) if server.has_taken(id, clear.sequence) => {
                return Err(Discard::Replayed);
            }
            (None, Part::Server(_)) => Order::Newest,
        };
        let (header, payload) = self.core.dialect.open(&clear, bytes)?;

        // It is authentic, and new.
        if let Part::Server(server) = &mut self.part
            && !self.core.flows.contains(id)
        {
            server.open(&mut self.core, id, path, now);
        }
        let side = self.core.dialect.side();
        let kind = purpose(side, self.core.dialect.traits(), &header, payload);
        let Some(flow) = self.core.flows.get_mut(id) else { return Err(Discard::UnknownFlow) };
        flow.numbers.replay.accept(clear.sequence);
        let binding = &mut flow.binding;
        binding.known.loss.received(clear.sequence, now);
        if header.after_padded {
            binding.known.loss.excuse(clear.sequence);
        }
        binding.largest = binding.largest.max(code_of(octets));
        binding.received.add(kind, octets, &path.remote);
        self.core.events.emit(Event::Received { flow: id, kind, bytes: octets });
        if order == Order::Late {
            // Its payload counts, its control information does not (paper §2).
            return match header.kind {
                Kind::Data if payload.is_empty() => Err(Discard::Empty),
                Kind::Data => Ok(Some(payload.to_vec())),
                Kind::Probe | Kind::Addresses => Err(Discard::Overtaken),
            };
        }
        binding.last_heard = Some(now);
        self.core.last_heard = Some(now);
        if let Part::Server(server) = &mut self.part {
            server.heard(&mut self.core, id, path, octets, now);
        }
        self.take_header(id, &path, &header, ecn, now);
        match header.kind {
            Kind::Data if payload.is_empty() => Err(Discard::Empty),
            Kind::Data => {
                self.take_data(id, &header, kind, payload, now);
                Ok(Some(payload.to_vec()))
            }
            Kind::Probe => {
                self.take_probe(id, &header, now);
                Ok(None)
            }
            Kind::Addresses => {
                let core = &mut self.core;
                match &mut self.part {
                    Part::Client(client) => client.take_list(core, id, payload, now)?,
                    Part::Server(server) => server.take_request(core, id, payload, now)?,
                }
                Ok(None)
            }
        }
    }

    /// Timestamps, loss, congestion.
    fn take_header(&mut self, id: FlowId, path: &Path, header: &Header, ecn: Ecn, now: Instant) {
        let core = &mut self.core;
        let (traits, side) = (*core.traits(), core.dialect.side());
        let Some(flow) = core.flows.get_mut(id) else { return };
        let binding = &mut flow.binding;
        if let Some(mut timestamp) = header.timestamp {
            if ecn == Ecn::Ce && !traits.congestion_flag {
                timestamp = wire::subtract(timestamp, CONGESTION_PENALTY);
            }
            let owed = is_owed(side, &traits, header);
            binding.save_timestamp(timestamp, owed, now);
        }
        binding.known.reported_loss.report(header.loss, now);
        binding.saw_congestion |= ecn == Ecn::Ce && traits.congestion_flag;
        if header.congestion {
            core.congested_at = Some(now);
        }
        if header.congestion || header.timestamp_reply.is_some() {
            binding.take_congestion(header.congestion);
        }
        let Some(reply) = header.timestamp_reply else { return };
        let Some(round_trip) = binding.round_trip(reply, traits.longest_round_trip, now) else { return };
        binding.measured(round_trip, now);
        let srtt = binding.srtt().unwrap_or_default();
        core.events.emit(Event::Rtt { flow: id, sample: round_trip, srtt });
        let is_answer = is_proof(side, &traits, header);
        if is_answer {
            self.answered(id, path, round_trip, now);
        } else if flow.state() == FlowState::Untried {
            core.events.set_state(flow, FlowState::Answering, Cause::Answer);
        }
        let view = now.as_millis().saturating_sub(round_trip.as_millis() as u64);
        self.take_report(id, header, view, is_answer, now);
    }

    /// An answer to what was sent on this flow `round_trip` ago.
    fn answered(&mut self, id: FlowId, path: &Path, round_trip: Duration, now: Instant) {
        let core = &mut self.core;
        let revived = !core.flows.any_answers();
        let fresh = core.fresh_mtu(path, now);
        let sent = now.as_millis().saturating_sub(round_trip.as_millis() as u64);
        let broadcast = core::mem::take(&mut core.broadcast);
        core.last_answered = Some(now);
        let Some(flow) = core.flows.get_mut(id) else { return };
        let binding = &mut flow.binding;
        binding.answered(round_trip, now);
        let proves = |candidacy: &Candidacy| candidacy.proved_by(sent) && is_same(&candidacy.path, path);
        if let Some(candidacy) = binding.candidacy.take_if(|candidacy| proves(candidacy)) {
            // Another network, not another port of the same one.
            if binding.path.remote.ip() != path.remote.ip() || binding.path.local.ip != path.local.ip {
                binding.moved(fresh, round_trip, now);
            }
            binding.due.wants.addresses |= candidacy.cut_list;
            binding.path = *path;
            core.events.emit(Event::Roamed { flow: id, path: *path });
        }
        let is_open = flow.is_open();
        if is_open {
            core.events.set_state(flow, FlowState::Answering, Cause::Answer);
            core.relieve(id);
        }
        let briefly = !broadcast
            && match &mut self.part {
                Part::Client(client) => {
                    let silence = client.silent_since.take().map(|since| now.since(since));
                    silence.is_none_or(|silence| silence < BRIEF) && client.spoken_on.contains(&id)
                }
                Part::Server(_) => true,
            };
        if !is_open {
            return;
        }
        if revived {
            core.events.emit(Event::PathRevived { flow: id, briefly });
        }
        if let Part::Client(client) = &mut self.part {
            client.answered(core, id, sent, revived, now);
        }
    }

    /// An in-order payload.
    fn take_data(&mut self, id: FlowId, header: &Header, kind: SentKind, payload: &[u8], now: Instant) {
        let core = &mut self.core;
        let (traits, side) = (*core.traits(), core.dialect.side());
        let copied = match &self.part {
            Part::Client(client) => client.is_copy(core, id),
            Part::Server(_) => false,
        };
        let Some(binding) = core.flows.get_mut(id).map(|flow| &mut flow.binding) else { return };
        if claim(side, &traits, header) == Claim::Soon && binding.due.answer_at.is_none() {
            binding.due.answer_at = Some(now + binding.hold(side, copied));
        }
        if payload.len() > INTERACTIVE {
            binding.known.latency.carried_bulk(now);
        }
        if let Part::Server(server) = &mut self.part
            && kind != SentKind::Acknowledgement
        {
            server.take_data(core, id, payload, now);
        }
    }

    /// An in-order probe. The server answers every one that asks; the client those that are no answers themselves.
    fn take_probe(&mut self, id: FlowId, header: &Header, now: Instant) {
        let core = &mut self.core;
        if let Part::Client(client) = &mut self.part {
            client.hear_late_word(core, id, header, now);
        }
        let asks = claim(core.dialect.side(), core.traits(), header) == Claim::AtOnce;
        if let Some(flow) = core.flows.get_mut(id) {
            flow.binding.due.wants.answer |= asks;
        }
    }
}
