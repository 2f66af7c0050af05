//! How large datagrams may be, on each flow: who searches when, and what a change means for payloads. SPEC \[M-1] to
//! \[M-8].

use super::transmit::Attempt;
use super::{Connection, Event, SentKind, Side};
use crate::flow::{Change, Flow, FlowState, Mtu};
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
/// A payload that was large this lately is a reason to search.
const LARGE_LATELY: Duration = Duration::from_secs(600);
/// How much longer mosh lets a round trip look for which it saw a congestion mark.
pub(super) const CONGESTION_PENALTY: Duration = Duration::from_millis(500);

impl Connection {
    /// The largest datagram that may carry a payload on this flow.
    pub(super) fn max_datagram(&self, flow: &Flow) -> usize {
        let traits = self.dialect.traits();
        if traits.mtu_search {
            return flow.mtu.octets();
        }
        let safe = traits.safe_towards(&flow.path.remote);
        flow.datagram_limit.map_or(safe, |limit| limit.min(safe))
    }

    /// What is known of the size of datagrams on a path before any was sent.
    pub(super) fn fresh_mtu(&self, path: &Path, now: Instant) -> Mtu {
        let safe = self.dialect.traits().safe_towards(&path.remote);
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
        if !self.dialect.traits().mtu_search {
            return;
        }
        let ceilings: Vec<_> = self.flows.values().map(|flow| (flow.id, self.ceiling(&flow.path))).collect();
        for (id, ceiling) in ceilings {
            let change = self.flows.get_mut(&id).and_then(|flow| flow.mtu.set_ceiling(ceiling));
            self.tell_size(id, change);
        }
    }

    /// Tells of a size that changed. What went in larger datagrams must go again at once if it went here.
    pub(super) fn tell_size(&mut self, id: FlowId, change: Option<Change>) {
        let Some((change, flow)) = change.zip(self.flows.get(&id)) else { return };
        let carries = self.current == Some(id) || flow.owes_data();
        let (octets, repeat) =
            (flow.mtu.octets(), change == Change::Shrunk && carries && flow.state.is_open());
        self.emit(Event::DatagramSize { flow: id, octets, repeat });
    }

    /// Whether this flow may search for its MTU now: payloads go on it, or would if the chosen one failed, and the user
    /// is active. An address that is not validated never gets a padded probe. SPEC \[M-3].
    fn may_search(&self, id: FlowId, now: Instant) -> bool {
        let Some(flow) = self.flows.get(&id) else { return false };
        let there = self.side == Side::Client || self.attached;
        // Who says little has no use for a larger size.
        let is_used =
            self.config.searches_at_once || self.large_at.is_some_and(|at| now.since(at) < LARGE_LATELY);
        if flow.state != FlowState::Answering
            || flow.candidacy.is_some()
            || !there
            || !is_used
            || !self.is_active(now)
        {
            return false;
        }
        let Some(current) = self.current.filter(|&current| current != id) else { return true };
        let mut entrants = self.entrants(now);
        entrants.retain(|entrant| {
            let spare = entrant.rank.standing == Standing::Answering && entrant.rank.duty == Duty::Primary;
            spare || entrant.rank.flow == current
        });
        companion(&entrants, current) == Some(id)
    }

    /// What a header says of sizes, and of congestion. `view` is the millisecond of this end's clock until which what
    /// was sent would have arrived at the peer when it wrote the header.
    pub(super) fn take_report(&mut self, id: FlowId, header: &Header, view: u64, proof: bool, now: Instant) {
        if !self.dialect.traits().mtu_search {
            return;
        }
        let Some(flow) = self.flows.get_mut(&id) else { return };
        let so = flow.circumstances(now);
        let change = flow.mtu.heard(header.largest, view, proof, so);
        let idle = flow.mtu.wants_search(now);
        self.tell_size(id, change);
        if idle
            && self.may_search(id, now)
            && let Some(flow) = self.flows.get_mut(&id)
        {
            flow.mtu.arm(now);
        }
    }

    /// Smooths what the peer says of congestion as SRTT is smoothed.
    pub(super) fn take_congestion(&mut self, id: FlowId, header: &Header, now: Instant) {
        if header.congestion {
            self.congested_at = Some(now);
        }
        let Some(flow) = self.flows.get_mut(&id) else { return };
        if header.congestion || header.timestamp_reply.is_some() {
            let sample = if header.congestion { CONGESTION_PENALTY } else { Duration::ZERO };
            flow.congestion_delay = (flow.congestion_delay * 7 + sample) / 8;
        }
    }

    /// An answer to a payload is overdue: was it its size?
    pub(super) fn suspect_size(&mut self, id: FlowId, now: Instant) {
        if let Some(flow) = self.flows.get_mut(&id).filter(|flow| flow.candidacy.is_none()) {
            let so = flow.circumstances(now);
            flow.mtu.overdue(so);
        }
    }

    /// The flow's search wanted to be woken.
    pub(super) fn continue_search(&mut self, id: FlowId, now: Instant) {
        let may_search = self.may_search(id, now);
        let Some(flow) = self.flows.get_mut(&id) else { return };
        let so = flow.circumstances(now);
        let change = flow.mtu.expire(may_search, so);
        self.tell_size(id, change);
    }

    /// The next padded probe, and with it a small one: only the answer to that makes the silence of the other a sign.
    pub(super) fn next_padded(&mut self, now: Instant) -> Option<Transmit> {
        let (id, padded) = self
            .flows
            .values_mut()
            .filter(|flow| flow.state.is_open() && flow.candidacy.is_none())
            .find_map(|flow| Some((flow.id, flow.mtu.next_padded()?)))?;
        let padding = padded.octets.saturating_sub(self.dialect.traits().overhead);
        let padding = alloc::vec![0; padding];
        let Attempt::Made(mut transmit) = self.transmit(id, SentKind::PaddedProbe, &padding, now) else {
            return None;
        };
        transmit.dont_fragment = padded.dont_fragment;
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.wants.probe = true;
        }
        Some(transmit)
    }

    /// The local system refused the last datagram on these flows for its size.
    pub(super) fn refused_size(&mut self, ids: &[FlowId], now: Instant) {
        let (probes, overhead) = (self.dialect.traits().mtu_search, self.dialect.traits().overhead);
        for &id in ids {
            let Some(flow) = self.flows.get_mut(&id) else { continue };
            let octets = flow.last_octets;
            if !probes {
                flow.datagram_limit = Some(SMALL_DATAGRAM);
            } else if octets > overhead {
                let (padded, so) = (flow.padded_last, flow.circumstances(now));
                let change = flow.mtu.refused(octets, padded, so);
                self.tell_size(id, change);
            }
        }
    }

    /// A router says that a path takes IP packets of `mtu` octets (ICMP "fragmentation needed", "packet too big").
    /// Anyone can say so: it ends the wait for a probe of a larger size than is in use, and names the next size to
    /// try. SPEC \[M-6].
    pub fn handle_packet_too_big(&mut self, path: &Path, mtu: u32, now: Instant) {
        if !self.dialect.traits().mtu_search {
            return;
        }
        let octets = usize::try_from(mtu).unwrap_or(usize::MAX).saturating_sub(headers(&path.remote));
        let ids: Vec<FlowId> = self
            .flows
            .values()
            .filter(|flow| flow.path.remote == path.remote)
            .filter(|flow| flow.path.local.ip == path.local.ip || path.local.ip.is_unspecified())
            .map(|flow| flow.id)
            .collect();
        for id in ids {
            let Some(flow) = self.flows.get_mut(&id) else { continue };
            let so = flow.circumstances(now);
            let change = flow.mtu.hinted(octets, so);
            self.tell_size(id, change);
        }
    }
}
