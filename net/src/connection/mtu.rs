//! How large datagrams may be, on each flow: who searches when, and what a change means for payloads. SPEC \[M-1] to
//! \[M-8].

use super::client;
use super::heart::Core;
use super::transmit::Attempt;
use super::{Connection, Event, FlowReport, Part, SentKind, Server, Tempo};
use crate::flow::{Change, Circumstances, Flow, Mtu};
use crate::schedule::{Duty, Standing, companion};
use crate::traffic::headers;
use crate::wire::{FlowId, Header};
use crate::{Instant, Path, Transmit};
use alloc::vec::Vec;
use core::time::Duration;

/// What an interface that does not tell its MTU is taken to have. Larger ones are not searched for.
const INTERFACE_MTU: usize = 1500;
/// The UDP payload of the dialects without a search, after the interface refused a larger one: mosh's fallback.
const SMALL_DATAGRAM: usize = 500;
/// The UDP payload of a datagram that a carrier takes: a stream needs no search for what it takes, and small pieces let keys
/// through. SPEC \[C-8].
const CARRIED_DATAGRAM: usize = 1200;
/// A payload that was large this lately is a reason to search.
const LARGE_LATELY: Duration = Duration::from_secs(600);

impl Core {
    /// The largest datagram that may carry a payload on this flow.
    pub(super) fn max_datagram(&self, flow: &Flow) -> usize {
        let traits = self.traits();
        if self.is_by_carrier(flow.path()) {
            return CARRIED_DATAGRAM;
        }
        if traits.mtu_search {
            return flow.binding.mtu.octets();
        }
        let safe = traits.safe_towards(&flow.path().remote);
        flow.binding.datagram_limit.map_or(safe, |limit| limit.min(safe))
    }

    /// What is known of the size of datagrams on a path before any was sent.
    pub(super) fn fresh_mtu(&self, path: &Path, now: Instant) -> Mtu {
        let safe = self.traits().safe_towards(&path.remote);
        Mtu::new(safe, self.ceiling(path), now).hasty(self.config.searches_at_once)
    }

    /// The largest datagram that the local interface of a path takes.
    fn ceiling(&self, path: &Path) -> usize {
        let same = |local: &&crate::Candidate| {
            local.addr == path.local || (local.addr.ip == path.local.ip && path.local.interface.is_none())
        };
        let told = self.locals.iter().find(same).and_then(|local| local.mtu);
        let mtu = told.map_or(INTERFACE_MTU, |mtu| usize::try_from(mtu).unwrap_or(INTERFACE_MTU));
        mtu.min(INTERFACE_MTU).saturating_sub(headers(&path.remote))
    }

    /// The interfaces may take other sizes now.
    pub(super) fn follow_interface_mtu(&mut self) {
        if !self.traits().mtu_search {
            return;
        }
        let ceilings: Vec<_> = self.flows.iter().map(|flow| (flow.id, self.ceiling(flow.path()))).collect();
        for (id, ceiling) in ceilings {
            self.resize(id, |mtu, _| mtu.set_ceiling(ceiling), Instant::ZERO);
        }
    }

    /// Tells the search for a flow's MTU something, and the owner what follows. What went in larger datagrams must go again at
    /// once if it went here.
    fn resize(
        &mut self,
        id: FlowId,
        tell: impl FnOnce(&mut Mtu, Circumstances) -> Option<Change>,
        now: Instant,
    ) {
        let carries = self.current == Some(id);
        let by_carrier = self.flows.get(id).is_some_and(|flow| self.is_by_carrier(flow.path()));
        let Some(flow) = self.flows.get_mut(id).filter(|_| !by_carrier) else { return };
        let so = flow.binding.circumstances(now);
        let Some(change) = tell(&mut flow.binding.mtu, so) else { return };
        let carries = carries || flow.binding.owes_data();
        let repeat = change == Change::Shrunk && carries && flow.is_open();
        let octets = flow.binding.mtu.octets();
        self.events.emit(Event::DatagramSize { flow: id, octets, repeat });
    }

    /// The local system refused the last datagram on these flows for its size.
    pub(super) fn refused_size(&mut self, ids: &[FlowId], now: Instant) {
        let (searches, overhead) = (self.traits().mtu_search, self.traits().overhead);
        for &id in ids {
            let Some(binding) = self.flows.get_mut(id).map(|flow| &mut flow.binding) else { continue };
            let (octets, padded) = (binding.last_octets, binding.padded_last);
            if !searches {
                binding.datagram_limit = Some(SMALL_DATAGRAM);
            } else if octets > overhead {
                self.resize(id, |mtu, so| mtu.refused(octets, padded, so), now);
            }
        }
    }

    /// One flow, as a person or a trace sees it.
    pub(super) fn report(&self, flow: &Flow) -> FlowReport {
        let binding = &flow.binding;
        FlowReport {
            id: flow.id,
            path: binding.path,
            state: binding.state,
            chosen: self.is_current(flow),
            srtt: binding.srtt(),
            rttvar: binding.known.rtt.rttvar(),
            idle: binding.liveness.idle(),
            loss_in: binding.known.loss.percent(),
            loss_out: binding.known.reported_loss.percent(),
            traffic_out: binding.sent,
            traffic_in: binding.received,
            carries: binding.known.budget.seen(),
            in_flight: binding.known.budget.in_flight(),
            last_heard: binding.last_heard,
            last_answered: binding.last_answered,
            port_generation: binding.port_generation,
            max_datagram: self.max_datagram(flow),
            swallowed: binding.mtu.swallowed().filter(|_| self.config.hears_routers),
        }
    }
}

impl Connection {
    /// Whether this flow may search for its MTU now: payloads go on it, or would if the chosen one failed, and the user
    /// is active. An address that is not validated never gets a padded probe. SPEC \[M-3].
    fn may_search(&self, id: FlowId, now: Instant) -> bool {
        let core = &self.core;
        let Some(flow) = core.flows.get(id) else { return false };
        let entrants = match &self.part {
            Part::Client(_) => client::entrants,
            Part::Server(server) if server.attached => Server::entrants,
            Part::Server(_) => return false,
        };
        // Who says little has no use for a larger size.
        let is_used =
            core.config.searches_at_once || core.large_at.is_some_and(|at| now.since(at) < LARGE_LATELY);
        let active = core.tempo(now) == Tempo::Active;
        let spare = flow.binding.is_spare(now);
        if core.is_by_carrier(flow.path()) {
            return false;
        }
        if !flow.answers() || flow.binding.candidacy.is_some() || !is_used || !active || !spare {
            return false;
        }
        let Some(current) = core.current.filter(|&current| current != id) else { return true };
        let mut entrants = entrants(core, now);
        entrants.retain(|entrant| {
            let spare = entrant.rank.standing == Standing::Answering && entrant.rank.duty == Duty::Primary;
            spare || entrant.rank.flow == current
        });
        companion(&entrants, current) == Some(id)
    }

    /// What a header says of sizes. `view` is the millisecond of this end's clock until which what was sent would have
    /// arrived at the peer when it wrote the header.
    pub(super) fn take_report(&mut self, id: FlowId, header: &Header, view: u64, proof: bool, now: Instant) {
        if !self.core.traits().mtu_search {
            return;
        }
        self.core.resize(id, |mtu, so| mtu.heard(header.largest, view, proof, so), now);
        let idle = self.core.flows.get(id).is_some_and(|flow| flow.binding.mtu.wants_search(now));
        if idle
            && self.may_search(id, now)
            && let Some(flow) = self.core.flows.get_mut(id)
        {
            flow.binding.mtu.arm(now);
        }
    }

    /// The flow's search wanted to be woken.
    pub(super) fn continue_search(&mut self, id: FlowId, now: Instant) {
        let may_search = self.may_search(id, now);
        self.core.resize(id, |mtu, so| mtu.expire(may_search, so), now);
    }

    /// The next padded probe, and with it a small one: only the answer to that makes the silence of the other a sign.
    pub(super) fn next_padded(&mut self, now: Instant) -> Option<Transmit> {
        let wanted = |flow: &mut Flow| {
            let padded = flow.binding.candidacy.is_none().then(|| flow.binding.mtu.next_padded());
            Some((flow.id, padded.flatten()?))
        };
        let (id, padded) = self.core.flows.open_mut().find_map(wanted)?;
        let padding = padded.octets.saturating_sub(self.core.traits().overhead);
        let padding = alloc::vec![0; padding];
        let Attempt::Made(mut transmit) = self.transmit(id, SentKind::PaddedProbe, &padding, now) else {
            return None;
        };
        transmit.dont_fragment = padded.dont_fragment;
        if let Some(flow) = self.core.flows.get_mut(id) {
            flow.binding.due.wants.probe = true;
        }
        Some(transmit)
    }

    /// A router says that a path takes IP packets of `mtu` octets (ICMP "fragmentation needed", "packet too big").
    /// Anyone can say so: it ends the wait for a probe of a larger size than is in use, and names the next size to
    /// try. SPEC \[M-6].
    pub fn handle_packet_too_big(&mut self, path: &Path, mtu: u32, now: Instant) {
        if !self.core.traits().mtu_search {
            return;
        }
        let octets = usize::try_from(mtu).unwrap_or(usize::MAX).saturating_sub(headers(&path.remote));
        for id in self.core.flows.ids(|flow| flow.path().is_named_by(path)) {
            self.core.resize(id, |mtu, so| mtu.hinted(octets, so), now);
        }
    }
}
