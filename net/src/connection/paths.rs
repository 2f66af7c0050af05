//! The host's addresses, the server's addresses, and the flows between them. SPEC \[F-5] to \[F-7], \[X-1], \[X-5].

use super::timers::HOP_INTERVAL;
use super::{Cause, Connection, Event, Side, Spread};
use crate::flow::{Flow, FlowState};
use crate::policy::{Candidate, Trust, pairs, single};
use crate::{FlowId, Instant, Path, SendError};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// How long after the local system refused to send it is tried again, times the refusals in a row.
const RETRY: Duration = Duration::from_secs(1);
/// How long a preferred address has been there before those that linger beside it are left: networks that renumber, or
/// change their mind, are done by then.
const PROVED: Duration = Duration::from_secs(60);

impl Connection {
    /// The host's addresses are these now. Flows of an address that is gone are suspended at once; for new ones, and
    /// because routes may have changed too, [`Event::CandidatesChanged`] asks for [`Connection::handle_paths`].
    pub fn handle_interfaces(&mut self, locals: &[Candidate], now: Instant) {
        self.locals = locals.to_vec();
        self.follow_interface_mtu();
        if self.side == Side::Server {
            // What is due by an address that is gone will not come.
            for flow in self.flows.values_mut().filter(|flow| flow.state == FlowState::Answering) {
                if !locals.is_empty() && !locals.iter().any(|local| local.addr.ip == flow.path.local.ip) {
                    flow.liveness.hasten(now);
                }
            }
            return;
        }
        for flow in self.flows.values_mut() {
            flow.retry_at = None;
        }
        if self.dialect.traits().addresses {
            let gone: Vec<FlowId> = self
                .flows
                .values()
                .filter(|flow| {
                    flow.state.is_open() && !locals.iter().any(|local| local.addr == flow.path.local)
                })
                .map(|flow| flow.id)
                .collect();
            self.suspend(&gone, Cause::PathGone, now);
            self.note_silence(now);
            self.probe_all(None);
            self.next_address_request = Some(now);
            self.retry_retired();
        }
        self.choose(Cause::Failure, now);
        self.emit(Event::CandidatesChanged);
    }

    /// Every path that the addresses of both ends allow, best first. Which of them have a route is for the operating
    /// system to say.
    #[must_use]
    pub fn candidate_paths(&self) -> Vec<Path> {
        if self.side == Side::Server {
            return Vec::new();
        }
        if !self.dialect.traits().addresses {
            return single(self.remotes.first()).into_iter().collect();
        }
        let flows =
            || self.flows.values().filter(|flow| flow.state != FlowState::Retired && !flow.is_superseded);
        let has_flow = |path: &Path| flows().any(|flow| flow.path == *path);
        let mut paths = pairs(&self.locals, self.remotes.iter(), has_flow);
        // A path that answers needs nobody's word for it.
        for flow in self.flows.values().filter(|flow| flow.state == FlowState::Answering) {
            let is_known = self.locals.iter().any(|local| local.addr == flow.path.local);
            if is_known && !paths.contains(&flow.path) {
                paths.push(flow.path);
            }
        }
        paths
    }

    /// Of the [`Connection::candidate_paths`], these have a route. Flows of all others are suspended at once; the
    /// new ones get a flow and a probe.
    pub fn handle_paths(&mut self, usable: &[Path], now: Instant) {
        if self.side == Side::Server {
            return;
        }
        let usable: BTreeSet<Path> = usable.iter().copied().collect();
        let gone: Vec<FlowId> = self
            .flows
            .values()
            .filter(|flow| flow.state.is_open() && !usable.contains(&flow.path))
            .map(|flow| flow.id)
            .collect();
        self.suspend(&gone, Cause::PathGone, now);
        self.note_silence(now);
        for path in self.candidate_paths() {
            if usable.contains(&path) {
                self.open(path, now);
            }
        }
        self.choose(Cause::PathUsable, now);
    }

    /// Opens a flow on this path, or resumes the one that was there.
    fn open(&mut self, path: Path, now: Instant) {
        let known = self.flows.values().find(|flow| flow.path == path).map(|flow| (flow.id, flow.state));
        match known {
            // The local system refused to send on it, whatever the routes say: it is tried again later.
            Some((id, FlowState::Suspended))
                if self.flows.get(&id).is_some_and(|flow| flow.retry_at.is_some()) => {}
            Some((id, FlowState::Suspended)) => self.resume(id),
            Some(_) => {}
            None => {
                let Some(id) = self.free_id() else { return };
                let side = self.side;
                let generation = self.port_generation;
                let mtu = self.fresh_mtu(&path, now);
                if let Some(flow) = self.flows.get_mut(&id) {
                    let from = flow.state;
                    flow.rebind(path, side, mtu, now);
                    let to = flow.state;
                    self.emit(Event::FlowState { flow: id, from, to, cause: Cause::Rebound });
                } else {
                    let mut flow = Flow::new(id, side, path, mtu, now);
                    flow.port_generation = generation;
                    self.flows.insert(id, flow);
                }
                self.emit(Event::FlowOpened { flow: id, path });
                self.probe_now(id);
            }
        }
    }

    /// Opens a suspended flow again.
    pub(super) fn resume(&mut self, id: FlowId) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        flow.retry_at = None;
        flow.is_superseded = false;
        let to = if flow.last_answered.is_some() { FlowState::Lost } else { FlowState::Untried };
        self.set_state(id, to, Cause::PathUsable);
        self.probe_now(id);
    }

    fn probe_now(&mut self, id: FlowId) {
        let probes = self.dialect.traits().probes;
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.wants.probe = probes;
        }
    }

    /// An id that was never used; failing that, of the flows that are closed the one silent for longest; failing that, of
    /// those whose address lingers, as long as nothing needs them. SPEC \[F-6].
    fn free_id(&self) -> Option<FlowId> {
        let unused = (0..self.dialect.traits().held_flows)
            .filter_map(FlowId::new)
            .find(|id| !self.flows.contains_key(id));
        let usable = || self.flows.values().filter(|flow| !flow.nonces.is_spent());
        let silent_for_longest =
            |flows: Vec<&Flow>| flows.into_iter().min_by_key(|flow| flow.last_heard).map(|flow| flow.id);
        let closed = || silent_for_longest(usable().filter(|flow| !flow.state.is_open()).collect());
        let lingering = || silent_for_longest(usable().filter(|flow| self.is_spare(flow)).collect());
        unused.or_else(closed).or_else(lingering)
    }

    /// Whether its address lingers and nothing goes or comes on it.
    fn is_spare(&self, flow: &Flow) -> bool {
        let lingers = self.candidate_of(flow).is_some_and(|local| local.lingers);
        lingers && self.current != Some(flow.id) && !self.spoken_on.contains(&flow.id)
    }

    /// This flow answers, and has for long: those of addresses that linger, by the same interface to the same address, have
    /// had their time. SPEC \[F-5].
    pub(super) fn supersede(&mut self, id: FlowId, now: Instant) {
        let Some(fresh) = self.flows.get(&id).filter(|flow| flow.is_bound_for(PROVED, now)) else { return };
        if self.candidate_of(fresh).is_none_or(|local| local.lingers) {
            return;
        }
        let Path { local, remote } = fresh.path;
        let same_way =
            |flow: &&Flow| flow.path.local.interface == local.interface && flow.path.remote == remote;
        let flows = self.flows.values().filter(|flow| flow.state.is_open() && flow.id != id);
        let old: Vec<FlowId> =
            flows.filter(same_way).filter(|flow| self.is_spare(flow)).map(|flow| flow.id).collect();
        for id in old {
            self.close(id, FlowState::Suspended, Cause::Superseded);
            if let Some(flow) = self.flows.get_mut(&id) {
                flow.is_superseded = true;
            }
        }
    }

    /// Nothing more is sent on a flow, and nothing is due on it.
    pub(super) fn close(&mut self, id: FlowId, to: FlowState, cause: Cause) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        flow.liveness.forget();
        flow.liveness.next_probe = None;
        flow.mtu.park();
        flow.wants = Default::default();
        flow.answer_due = None;
        flow.suspected_with = None;
        flow.retry_at = None;
        self.set_state(id, to, cause);
    }

    fn retry_retired(&mut self) {
        let retired: Vec<FlowId> = self
            .flows
            .values()
            .filter(|flow| {
                flow.state == FlowState::Retired && !flow.nonces.is_spent() && !self.is_spare(flow)
            })
            .map(|flow| flow.id)
            .collect();
        for id in retired {
            if let Some(flow) = self.flows.get_mut(&id) {
                flow.liveness = Default::default();
            }
            self.set_state(id, FlowState::Untried, Cause::PathUsable);
            self.probe_now(id);
        }
    }

    /// These flows cannot send any more. If one of them carried payloads, or the last one, the newest state goes elsewhere
    /// at once, and every other flow is probed at once. SPEC \[X-1].
    fn suspend(&mut self, ids: &[FlowId], cause: Cause, now: Instant) {
        let mut lost = None;
        for &id in ids {
            let Some(flow) = self.flows.get(&id) else { continue };
            if flow.owes_data() || self.current == Some(id) || self.spoken_on.contains(&id) {
                lost = lost.or(Some(id));
            }
            self.close(id, FlowState::Suspended, cause);
        }
        if let Some(flow) = lost {
            // Not for a failure, which would ask for the newest state by itself.
            self.choose(cause, now);
            self.probe_all(None);
            self.spread = Spread::Next;
            self.emit(Event::PathLost { flow });
        }
    }

    /// More addresses of the server.
    pub fn add_remotes(&mut self, addresses: &[SocketAddr], trust: Trust, _now: Instant) {
        if self.remotes.add(addresses, trust.into()) {
            self.emit(Event::CandidatesChanged);
        }
    }

    /// The server listed its addresses.
    pub(super) fn learn(&mut self, addresses: &[SocketAddr]) {
        if self.remotes.replace_listed(addresses) {
            self.emit(Event::CandidatesChanged);
        }
    }

    /// The local system could not send a datagram on this path. Only a lack of path changes how the flow stands;
    /// full queues are as good as loss in the network. SPEC \[X-1].
    pub fn handle_send_error(&mut self, path: &Path, error: SendError, now: Instant) {
        let ids: Vec<FlowId> = self
            .flows
            .values()
            .filter(|flow| flow.path == *path && flow.state.is_open())
            .map(|flow| flow.id)
            .collect();
        match error {
            SendError::PathGone if self.side == Side::Client && self.dialect.traits().addresses => {
                self.suspend(&ids, Cause::SendError, now);
                self.note_silence(now);
                for id in &ids {
                    if let Some(flow) = self.flows.get_mut(id) {
                        // The routes may well say that it works: again after 1 s, 2 s, … 10 s.
                        flow.refusals = flow.refusals.saturating_add(1);
                        flow.retry_at = Some(now + RETRY * flow.refusals.min(10));
                    }
                }
                if !ids.is_empty() {
                    self.emit(Event::CandidatesChanged);
                }
            }
            SendError::PathGone => {
                for id in ids {
                    if let Some(flow) =
                        self.flows.get_mut(&id).filter(|flow| flow.state == FlowState::Answering)
                    {
                        flow.liveness.hasten(now);
                    }
                }
            }
            SendError::TooBig => self.refused_size(&ids, now),
            SendError::Congested | SendError::Refused => {}
        }
    }

    /// The network said that this path does not work. Anyone can say so: it only ends the wait for an answer that is
    /// due, on a flow that was well until now. SPEC \[K-8].
    pub fn handle_icmp(&mut self, path: &Path, now: Instant) {
        let flows = self.flows.values_mut();
        for flow in flows.filter(|flow| flow.path.remote == path.remote && flow.state == FlowState::Answering)
        {
            if flow.path.local.ip == path.local.ip || path.local.ip.is_unspecified() {
                flow.liveness.hasten(now);
            }
        }
    }

    /// One flow is silent while others of its family answer: that looks like a NAT that forgot it. SPEC \[X-5].
    pub(super) fn hop_silent(&mut self, id: FlowId, now: Instant) {
        let Some(flow) = self.flows.get(&id) else { return };
        let (family, generation) = (flow.path.remote.is_ipv4(), flow.port_generation);
        let others_answer = self.flows.values().any(|other| {
            other.id != id && other.path.remote.is_ipv4() == family && other.state == FlowState::Answering
        });
        if !others_answer {
            return;
        }
        if generation == self.port_generation {
            if now.since(self.hopped_at) < HOP_INTERVAL {
                return;
            }
            self.port_generation += 1;
            self.hopped_at = now;
        }
        self.hop(id);
    }

    /// All flows change the port.
    pub(super) fn hop_all(&mut self, now: Instant) {
        self.port_generation += 1;
        self.hopped_at = now;
        let ids: Vec<FlowId> = self.flows.keys().copied().collect();
        for id in ids {
            self.hop(id);
        }
        self.probe_all(None);
    }

    /// Mosh's rule: after a send, when the last round trip and the last change are both 10 s ago. SPEC \[X-5].
    pub(super) fn hop_after_send(&mut self, now: Instant) {
        let quiet = now.since(self.last_answered.unwrap_or(self.started_at));
        if self.side == Side::Client && quiet > HOP_INTERVAL && now.since(self.hopped_at) > HOP_INTERVAL {
            self.hop_all(now);
        }
    }

    fn hop(&mut self, id: FlowId) {
        let port_generation = self.port_generation;
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.port_generation = port_generation;
        }
        self.emit(Event::Hopped { flow: id, port_generation });
    }
}
