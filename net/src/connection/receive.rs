//! Datagrams in. SPEC \[W-6], \[K-5] to \[K-7], \[A-1] to \[A-5].

use super::choose::INTERACTIVE;
use super::mtu::CONGESTION_PENALTY;
use super::{Cause, Connection, Event, Newest, SINGLE, Second, Side};
use crate::answer::{Claim, claim, hold, is_owed, is_proof, purpose};
use crate::flow::{Candidacy, Flow, FlowState, Order, code_of, same_address};
use crate::policy::scope_of;
use crate::time::wire;
use crate::wire::addresses::{AddressList, decode_request};
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
            self.discards.add(reason);
            self.emit(Event::Discarded { reason, from, at });
        }
        result
    }

    fn receive(&mut self, received: Received<'_>, now: Instant) -> Result<Option<Vec<u8>>, Discard> {
        let Received { path, ecn, bytes } = received;
        let octets = bytes.len();
        let clear = self.dialect.peek(bytes)?;
        let order = match self.flows.get(&clear.flow) {
            Some(flow) => flow.replay.check(clear.sequence).ok_or(Discard::Replayed)?,
            None if self.side == Side::Client => return Err(Discard::UnknownFlow),
            None if self.resting.get(&clear.flow).is_some_and(|rest| clear.sequence < rest.expected()) => {
                return Err(Discard::Replayed);
            }
            None => Order::Newest,
        };
        let (header, payload) = self.dialect.open(&clear, bytes)?;

        // It is authentic, and new.
        let id = clear.flow;
        if !self.flows.contains_key(&id) {
            self.open_server_flow(id, path, now);
        }
        let Some(flow) = self.flows.get_mut(&id) else { return Err(Discard::UnknownFlow) };
        flow.replay.accept(clear.sequence);
        flow.loss.received(clear.sequence, now);
        if header.after_padded {
            flow.loss.excuse(clear.sequence);
        }
        flow.largest = flow.largest.max(code_of(octets));
        let kind = purpose(self.side, self.dialect.traits(), &header, payload);
        flow.received.add(kind, octets, &path.remote);
        self.emit(Event::Received { flow: id, kind, bytes: octets });
        if order == Order::Late {
            // Its payload counts, its control information does not (paper §2).
            return match header.kind {
                Kind::Data if payload.is_empty() => Err(Discard::Empty),
                Kind::Data => Ok(Some(payload.to_vec())),
                Kind::Probe | Kind::Addresses => Err(Discard::Overtaken),
            };
        }
        self.heard(id, path, octets, now);
        self.take_header(id, &path, &header, ecn, now);
        match header.kind {
            Kind::Data if payload.is_empty() => Err(Discard::Empty),
            Kind::Data => {
                self.take_data(id, &header, payload, now);
                Ok(Some(payload.to_vec()))
            }
            Kind::Probe => {
                self.take_probe(id, &header, now);
                Ok(None)
            }
            Kind::Addresses => self.take_addresses(id, payload, now).map(|()| None),
        }
    }

    /// The client opened a flow, or remembered one.
    fn open_server_flow(&mut self, id: FlowId, path: Path, now: Instant) {
        if self.flows.len() >= self.dialect.traits().held_flows.into() {
            self.rest_one();
        }
        let mut flow = Flow::new(id, Side::Server, path, self.fresh_mtu(&path, now), now);
        if self.dialect.traits().probes {
            flow.candidacy = Some(Candidacy::new(path, false));
        }
        if let Some(rest) = self.resting.remove(&id) {
            flow.wake(rest);
        }
        self.flows.insert(id, flow);
        self.emit(Event::FlowOpened { flow: id, path });
    }

    /// The flow that is silent for longest gives way. SPEC \[D-2].
    fn rest_one(&mut self) {
        let payloads =
            [self.current, self.newest.map(|newest| newest.flow), self.second.map(|second| second.flow)];
        let spare = self.flows.values().filter(|flow| !payloads.contains(&Some(flow.id)));
        let Some(id) = spare.min_by_key(|flow| flow.last_heard).map(|flow| flow.id) else { return };
        self.set_state(id, FlowState::Retired, Cause::Rebound);
        if let Some(flow) = self.flows.remove(&id) {
            self.resting.insert(id, flow.rest());
        }
    }

    /// An in-order datagram arrived on this flow, by this path.
    fn heard(&mut self, id: FlowId, path: Path, octets: usize, now: Instant) {
        self.last_heard = Some(now);
        // The client speaks: nothing needs to be said by itself.
        self.late_word = None;
        let Some(flow) = self.flows.get_mut(&id) else { return };
        flow.last_heard = Some(now);
        if self.side == Side::Client {
            return;
        }
        let at = |known: &Path| same_address(&known.remote, &path.remote) && known.local.ip == path.local.ip;
        if !self.dialect.traits().probes {
            let roamed = !at(&flow.path);
            flow.path = path;
            if roamed {
                self.emit(Event::Roamed { flow: id, path });
            }
        } else {
            match &mut flow.candidacy {
                Some(candidacy) if at(&candidacy.path) => candidacy.received(octets),
                // The address that was validated is in use: the other one was nothing.
                Some(candidacy) if candidacy.fallback && at(&flow.path) => flow.candidacy = None,
                None if at(&flow.path) => flow.path = path,
                known => {
                    let fallback = known.as_ref().is_none_or(|known| known.fallback);
                    let mut candidacy = Candidacy::new(path, fallback);
                    candidacy.received(octets);
                    *known = Some(candidacy);
                    if !fallback {
                        flow.path = path;
                    }
                }
            }
            let patience = flow.rtt.rto(Duration::ZERO);
            if flow.candidacy.as_ref().is_some_and(|candidacy| !candidacy.is_challenged(now, patience)) {
                flow.wants.probe = true;
            }
            // It is there. Whether it hears this end too something small asks, as payloads may be too large for the way
            // out by now: at once, and once in an RTO. SPEC \[X-7].
            let is_due = flow.asked_back_at.is_none_or(|at| now.since(at) >= patience);
            if flow.state == FlowState::Lost && is_due {
                flow.asked_back_at = Some(now);
                flow.wants.probe = true;
            }
        }
        if self.current.is_none() {
            self.current = Some(id);
            self.emit(Event::Chosen { flow: Some(id), previous: None, cause: Cause::PeerChose });
        }
        if !self.attached {
            self.attached = true;
            self.emit(Event::Attached);
        }
    }

    /// Timestamps, loss, congestion.
    fn take_header(&mut self, id: FlowId, path: &Path, header: &Header, ecn: Ecn, now: Instant) {
        let traits = *self.dialect.traits();
        let side = self.side;
        let Some(flow) = self.flows.get_mut(&id) else { return };
        if let Some(mut timestamp) = header.timestamp {
            if ecn == Ecn::Ce && !traits.congestion_flag {
                timestamp = wire::subtract(timestamp, CONGESTION_PENALTY);
            }
            let owed = is_owed(side, &traits, header);
            flow.save_timestamp(timestamp, owed, now);
        }
        flow.reported_loss.report(header.loss, now);
        flow.saw_congestion |= ecn == Ecn::Ce && traits.congestion_flag;
        self.take_congestion(id, header, now);
        let Some(reply) = header.timestamp_reply else { return };
        let Some(flow) = self.flows.get_mut(&id) else { return };
        let Some(round_trip) = flow.round_trip(reply, traits.longest_round_trip, now) else { return };
        flow.measured(round_trip, now);
        let srtt = flow.rtt.srtt().unwrap_or_default();
        let is_answer = is_proof(side, &traits, header);
        self.emit(Event::Rtt { flow: id, sample: round_trip, srtt });
        if is_answer {
            self.answered(id, path, round_trip, now);
        } else if let Some(FlowState::Untried) = self.flows.get(&id).map(|flow| flow.state) {
            self.set_state(id, FlowState::Answering, Cause::Answer);
        }
        let view = now.as_millis().saturating_sub(round_trip.as_millis() as u64);
        self.take_report(id, header, view, is_answer, now);
    }

    /// An answer to what was sent on this flow `round_trip` ago.
    fn answered(&mut self, id: FlowId, path: &Path, round_trip: Duration, now: Instant) {
        let none_answered = !self.any_answers();
        let fresh = self.fresh_mtu(path, now);
        let Some(flow) = self.flows.get_mut(&id) else { return };
        flow.answered(round_trip, now);
        self.last_answered = Some(now);
        let silence = self.silent_since.take().map(|since| now.since(since));
        let is_known = self.side == Side::Server || self.spoken_on.contains(&id);
        let briefly = silence.is_none_or(|silence| silence < BRIEF) && is_known && !self.broadcast;
        self.broadcast = false;
        let sent = now.as_millis().saturating_sub(round_trip.as_millis() as u64);
        let proved = flow.candidacy.as_ref().is_some_and(|candidacy| {
            candidacy.proved_by(sent)
                && same_address(&candidacy.path.remote, &path.remote)
                && candidacy.path.local.ip == path.local.ip
        });
        if proved {
            let moved = flow.path.remote.ip() != path.remote.ip() || flow.path.local.ip != path.local.ip;
            if moved {
                flow.mtu = fresh;
                // Another network, not another port of the same one: what was measured there says nothing here.
                flow.forget_measurements();
                flow.measured(round_trip, now);
            }
            let cut_list = flow.candidacy.take().is_some_and(|candidacy| candidacy.cut_list);
            flow.wants.addresses |= cut_list;
            flow.path = *path;
            self.emit(Event::Roamed { flow: id, path: *path });
        }
        if !self.flows.get(&id).is_some_and(|flow| flow.state.is_open()) {
            return;
        }
        self.set_state(id, FlowState::Answering, Cause::Answer);
        let shared: Vec<FlowId> = self
            .flows
            .values()
            .filter(|flow| flow.state == FlowState::Suspect && flow.suspected_with == Some(id))
            // Who was never measured has no cost to compete with: its own answer comes first. SPEC [F-1].
            .filter(|flow| flow.rtt.srtt().is_some())
            .map(|flow| flow.id)
            .collect();
        for other in shared {
            self.set_state(other, FlowState::Answering, Cause::SharedFate);
        }
        if none_answered {
            self.emit(Event::PathRevived { flow: id, briefly });
            let owed = self.address_reply_at.is_none() || self.next_address_request.is_none();
            if self.side == Side::Client && self.dialect.traits().addresses && owed {
                self.next_address_request = Some(now);
            }
        }
        if self.side == Side::Client {
            self.judge_spread(id, sent);
            self.overtake(id, sent, now);
            self.choose(Cause::Cheaper, now);
            self.supersede(id, now);
            self.follow_chosen(now);
        }
    }

    /// An in-order payload.
    fn take_data(&mut self, id: FlowId, header: &Header, payload: &[u8], now: Instant) {
        let traits = *self.dialect.traits();
        let side = self.side;
        let is_well = self.current_flow().is_some_and(|flow| flow.state == FlowState::Answering);
        let Some(flow) = self.flows.get_mut(&id) else { return };
        if claim(side, &traits, header) == Claim::Soon && flow.answer_due.is_none() {
            let (srtt, queued) = flow.standing();
            let copied = self.current != Some(id) && self.spoken_on.contains(&id) && is_well;
            flow.answer_due = Some(now + hold(side, srtt, queued || copied));
        }
        if payload.len() > INTERACTIVE {
            flow.latency.carried_bulk(now);
        }
        // An acknowledgement moves nothing: it goes where an answer was due. SPEC [S-6].
        if side == Side::Client || (traits.payloads_answered && header.timestamp.is_none()) {
            return;
        }
        let one_way = flow.rtt.srtt().unwrap_or_default() / 2;
        let one_round = flow.rtt.rto(Duration::ZERO);
        let sent = now - one_way;
        let hash = hash_of(payload);
        if let Some(newest) = self.newest
            && newest.flow != id
            && newest.hash == hash
            && now.since(newest.at) <= one_round
        {
            // A copy: the client sends everything twice, and so shall we. If it did not before, it missed an answer.
            let unexpected = self.second.is_none_or(|second| second.single > SINGLE);
            let owes_data = self.flows.get(&newest.flow).is_some_and(Flow::owes_data);
            // A client that lost a path says it to each address of this host: any of them may be the way back that works.
            let further =
                self.second.is_some_and(|second| second.hedge && second.single == 0 && second.flow != id);
            let hedge = further || (unexpected && owes_data);
            self.second = Some(Second { flow: id, single: 0, hedge });
            if further {
                self.emit(Event::PathLost { flow: newest.flow });
            } else if hedge {
                self.emit(Event::PathSuspect { flow: newest.flow });
            }
            return;
        }
        if self.newest.is_none_or(|newest| newest.flow == id || sent >= newest.sent) {
            self.newest = Some(Newest { flow: id, sent, hash, at: now });
            if let Some(second) = &mut self.second {
                second.single += 1;
            }
            if self.current != Some(id) {
                let previous = self.current.replace(id);
                self.emit(Event::Chosen { flow: self.current, previous, cause: Cause::PeerChose });
            }
        }
    }

    /// An in-order probe. The server answers every one that asks; the client those that are no answers themselves.
    fn take_probe(&mut self, id: FlowId, header: &Header, now: Instant) {
        if self.side == Side::Client {
            self.hear_late_word(id, header, now);
        }
        let asks = claim(self.side, self.dialect.traits(), header) == Claim::AtOnce;
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.wants.answer |= asks;
        }
    }

    /// An in-order address request or list.
    fn take_addresses(&mut self, id: FlowId, payload: &[u8], now: Instant) -> Result<(), Discard> {
        if self.side == Side::Client {
            let list = AddressList::decode(payload)?;
            if let Some(observed) = list.observed {
                if self.observed != Some(observed) {
                    self.emit(Event::Observed { flow: id, address: observed });
                }
                self.observed = Some(observed);
                self.seen_as(id, observed);
            }
            self.address_reply_at = Some(now);
            self.emit(Event::AddressesLearned { count: list.addresses.len() });
            self.learn(&list.addresses);
            return Ok(());
        }
        let late_word = decode_request(payload)?;
        self.promise_late_word(id, late_word, now);
        let Some(flow) = self.flows.get_mut(&id) else { return Ok(()) };
        // A list at most once in a round trip, whatever is asked (SPEC ).
        let interval = flow.rtt.srtt().unwrap_or(Duration::from_secs(1)).max(Duration::from_millis(100));
        if self.address_reply_at.is_none_or(|at| now.since(at) >= interval) {
            flow.wants.addresses = true;
            self.address_reply_at = Some(now);
        } else {
            flow.wants.answer = true;
        }
        Ok(())
    }

    /// The server's list for a client that reached it at `path`: no loopback or link-local addresses, unless the
    /// client came by one. SPEC \[A-4].
    pub(super) fn address_list(&self, path: &Path) -> AddressList {
        use crate::policy::Scope;
        let reached = scope_of(&path.local.ip);
        let mut addresses = Vec::new();
        for local in self.locals.iter().filter(|local| local.lists && !local.addr.ip.is_unspecified()) {
            let scope = scope_of(&local.addr.ip);
            if matches!(scope, Scope::Loopback | Scope::Link) && scope != reached {
                continue;
            }
            let address = core::net::SocketAddr::new(local.addr.ip, self.config.port);
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let observed = self.dialect.traits().observed_address.then_some(path.remote);
        AddressList { observed, addresses }
    }
}

/// FNV-1a: tells copies of a payload from other payloads. Only authentic payloads are hashed.
fn hash_of(payload: &[u8]) -> u64 {
    payload
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3))
}
