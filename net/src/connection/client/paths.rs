//! Which flows there are: the addresses of both ends, and what the system says of routes. SPEC \[F-5], \[F-6], \[X-1].

use super::{Client, Core, Spread};
use crate::connection::{Cause, Event};
use crate::flow::{Binding, Flow, FlowState};
use crate::policy::{Trust, pairs, single};
use crate::wire::FlowId;
use crate::{Instant, Path};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// How long a preferred address has been there before those that linger beside it are left: networks that renumber, or
/// change their mind, are done by then.
const PROVED: Duration = Duration::from_secs(60);

impl Client {
    /// The host's addresses are others now.
    pub(in crate::connection) fn handle_interfaces(&mut self, core: &mut Core, now: Instant) {
        for flow in core.flows.iter_mut() {
            flow.binding.retry_at = None;
        }
        if core.traits().addresses {
            let gone = core.flows.ids(|flow| {
                flow.is_open() && core.candidate_of(flow).is_none() && !core.is_by_carrier(flow.path())
            });
            self.suspend(core, &gone, Cause::PathGone, now);
            self.note_silence(core, now);
            core.probe_all(None);
            self.next_address_request = Some(now);
            self.retry_retired(core);
        }
        self.choose(core, Cause::Failure, now);
        core.events.emit(Event::CandidatesChanged);
    }

    /// Every path that the addresses of both ends allow, best first.
    pub(in crate::connection) fn candidate_paths(&self, core: &Core) -> Vec<Path> {
        if !core.traits().addresses {
            return single(self.remotes.first()).into_iter().collect();
        }
        let is_had = |flow: &&Flow| flow.state() != FlowState::Retired && !flow.binding.is_superseded;
        let has_flow = |path: &Path| core.flows.iter().filter(is_had).any(|flow| flow.path() == path);
        let mut paths = pairs(&core.locals, self.remotes.iter(), has_flow);
        // A path that answers needs nobody's word for it.
        for flow in core.flows.answering() {
            if core.candidate_of(flow).is_some() && !paths.contains(flow.path()) {
                paths.push(*flow.path());
            }
        }
        paths
    }

    /// These of the candidate paths have a route.
    pub(in crate::connection) fn handle_paths(&mut self, core: &mut Core, usable: &[Path], now: Instant) {
        let usable: BTreeSet<Path> = usable.iter().copied().collect();
        let gone = core
            .flows
            .ids(|flow| flow.is_open() && !usable.contains(flow.path()) && !core.is_by_carrier(flow.path()));
        self.suspend(core, &gone, Cause::PathGone, now);
        self.note_silence(core, now);
        for path in self.candidate_paths(core) {
            if usable.contains(&path) {
                self.open(core, path, now);
            }
        }
        self.choose(core, Cause::PathUsable, now);
    }

    /// Opens a flow on this path, or resumes the one that was there.
    fn open(&mut self, core: &mut Core, path: Path, now: Instant) {
        let known = core.flows.iter().find(|flow| *flow.path() == path);
        let known = known.map(|flow| (flow.id, flow.state(), flow.binding.retry_at));
        match known {
            // Where the local system refused to send, whatever the routes say, it is tried again later.
            Some((id, FlowState::Suspended, None)) => return core.resume(id),
            Some(_) => return,
            None => {}
        }
        if let Some(id) = self.free_id(core) {
            self.bind(core, id, path, now);
        }
    }

    /// Gives an id to a path of which nothing is known.
    pub(super) fn bind(&mut self, core: &mut Core, id: FlowId, path: Path, now: Instant) {
        let mtu = core.fresh_mtu(&path, now);
        if let Some(flow) = core.flows.get_mut(id) {
            // The flow's newest port has the NAT's mapping.
            let fresh = Binding::new(path, flow.binding.port_generation, mtu, now);
            let before = core::mem::replace(&mut flow.binding, fresh);
            let (from, to) = (before.state, flow.state());
            core.events.emit(Event::FlowState { flow: id, from, to, cause: Cause::Rebound });
        } else {
            let binding = Binding::new(path, self.port_generation, mtu, now);
            core.flows.insert(Flow::new(id, core.dialect.side(), binding));
        }
        core.events.emit(Event::FlowOpened { flow: id, path });
        core.probe_now(id);
    }

    /// An id that was never used; failing that, of the flows that are closed the one silent for longest; failing that, of
    /// those whose address lingers, as long as nothing needs them. SPEC \[F-6].
    pub(super) fn free_id(&self, core: &Core) -> Option<FlowId> {
        let mut ids = (0..core.traits().held_flows).filter_map(FlowId::new);
        let silent_for_longest = |spare: &dyn Fn(&Flow) -> bool| {
            let flows = core.flows.iter().filter(|flow| !flow.numbers.nonces.is_spent() && spare(flow));
            flows.min_by_key(|flow| flow.binding.last_heard).map(|flow| flow.id)
        };
        ids.find(|id| !core.flows.contains(*id))
            .or_else(|| silent_for_longest(&|flow| !flow.is_open()))
            .or_else(|| silent_for_longest(&|flow| self.is_spare(core, flow)))
    }

    /// Whether its address lingers and nothing goes or comes on it.
    fn is_spare(&self, core: &Core, flow: &Flow) -> bool {
        let lingers = core.candidate_of(flow).is_some_and(|local| local.lingers);
        lingers && !core.is_current(flow) && !self.spoken_on.contains(&flow.id)
    }

    /// This flow answers, and has for long: those of addresses that linger, by the same interface to the same address, have
    /// had their time. SPEC \[F-5].
    pub(super) fn supersede(&mut self, core: &mut Core, id: FlowId, now: Instant) {
        let Some(fresh) = core.flows.get(id).filter(|flow| flow.binding.is_bound_for(PROVED, now)) else {
            return;
        };
        if core.candidate_of(fresh).is_none_or(|local| local.lingers) {
            return;
        }
        let Path { local, remote } = *fresh.path();
        let same_way = |path: &Path| path.local.interface == local.interface && path.remote == remote;
        let old = core.flows.ids(|flow| {
            flow.is_open() && flow.id != id && same_way(flow.path()) && self.is_spare(core, flow)
        });
        for id in old {
            if let Some(flow) = core.flows.get_mut(id) {
                core.events.close(flow, FlowState::Suspended, Cause::Superseded);
                flow.binding.is_superseded = true;
            }
        }
    }

    /// Flows that were given up are tried again.
    fn retry_retired(&mut self, core: &mut Core) {
        let retired = core.flows.ids(|flow| {
            flow.state() == FlowState::Retired
                && !flow.numbers.nonces.is_spent()
                && !self.is_spare(core, flow)
        });
        for id in retired {
            if let Some(flow) = core.flows.get_mut(id) {
                flow.binding.liveness = Default::default();
                core.events.set_state(flow, FlowState::Untried, Cause::PathUsable);
            }
            core.probe_now(id);
        }
    }

    /// These flows cannot send any more. If one of them carried payloads, or the last one, the newest state goes elsewhere
    /// at once, and every other flow is probed at once. SPEC \[X-1].
    pub(super) fn suspend(&mut self, core: &mut Core, ids: &[FlowId], cause: Cause, now: Instant) {
        let mut lost = None;
        for &id in ids {
            let current = core.current == Some(id);
            let Some(flow) = core.flows.get_mut(id) else { continue };
            if flow.binding.owes_data() || current || self.spoken_on.contains(&id) {
                lost = lost.or(Some(id));
            }
            core.events.close(flow, FlowState::Suspended, cause);
        }
        self.note_failure(core);
        if let Some(flow) = lost {
            // Not for a failure, which would ask for the newest state by itself.
            self.choose(core, cause, now);
            core.probe_all(None);
            self.spread = Spread::Next;
            core.events.emit(Event::PathLost { flow });
        }
    }

    /// The local system refused to send on these flows: the interface, the address or the route is gone.
    pub(in crate::connection) fn path_refused(&mut self, core: &mut Core, ids: &[FlowId], now: Instant) {
        self.suspend(core, ids, Cause::SendError, now);
        self.note_silence(core, now);
        for id in ids {
            if let Some(flow) = core.flows.get_mut(*id) {
                flow.binding.refused(now);
            }
        }
        if !ids.is_empty() {
            core.events.emit(Event::CandidatesChanged);
        }
    }

    /// More addresses of the server.
    pub(in crate::connection) fn add_remotes(
        &mut self,
        core: &mut Core,
        addresses: &[SocketAddr],
        trust: Trust,
    ) {
        if self.remotes.add(addresses, trust.into()) {
            core.events.emit(Event::CandidatesChanged);
        }
    }
}

impl Core {
    /// Opens a suspended flow again.
    pub(in crate::connection) fn resume(&mut self, id: FlowId) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        flow.binding.retry_at = None;
        flow.binding.is_superseded = false;
        let answered = flow.binding.last_answered.is_some();
        let to = if answered { FlowState::Lost } else { FlowState::Untried };
        self.events.set_state(flow, to, Cause::PathUsable);
        self.probe_now(id);
    }
}
