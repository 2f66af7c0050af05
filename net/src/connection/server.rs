//! What a server alone does: it takes flows as the client opens them, answers where it is spoken to, and gives the client
//! up when it falls silent.

use super::client::{IDLE_PROBE, LONGEST_KEEPALIVE, REST_PROBE, once};
use super::events::{Cause, Event, Reason};
use super::heart::{Core, LOST_AFTER, Overdue, is_own};
use super::{Class, INTERACTIVE, Tempo};
use crate::flow::{Binding, Candidacy, Flow, FlowState, Rest, same_address};
use crate::policy::{Scope, scope_of};
use crate::schedule::{Entrant, companion};
use crate::wire::FlowId;
use crate::wire::addresses::{AddressList, decode_request};
use crate::{Discard, Instant, Path, Side};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

/// Silence after which a server takes its client for gone: mosh's. SPEC \[X-8].
const ASSOCIATION: Duration = Duration::from_secs(40);
/// The least time between a client's probes of a flow, doubled: silence beyond it is a sign.
const STANDBY_SILENCE: Duration = Duration::from_secs(2);
/// After this many payloads that came once, a client does not send everything twice any more: it hedged, or stopped.
const SINGLE: u32 = 2;
/// The least time between two address lists. SPEC \[A-2].
const LIST_INTERVAL: Duration = Duration::from_millis(100);

/// The newest in-order payload: where the answers go.
#[derive(Clone, Copy, Debug)]
struct Newest {
    flow: FlowId,
    /// When it was sent, by our estimate: a slow flow's payload may arrive after a fast flow's newer one.
    sent: Instant,
    hash: u64,
    at: Instant,
}

/// The second flow of a client that sends everything twice: it is answered twice.
#[derive(Clone, Copy, Debug)]
struct Second {
    flow: FlowId,
    /// Payloads since the last one that came twice.
    single: u32,
    /// It came twice because our answer to the first was overdue, not because all do.
    hedge: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Server {
    /// The numbers of flows that gave way to others: more than the dialect holds at once.
    resting: BTreeMap<FlowId, Rest>,
    newest: Option<Newest>,
    second: Option<Second>,
    /// What the client asked to be told, and when.
    pub(super) late_word: Option<(Instant, FlowId)>,
    /// When the client was last sent a list.
    listed_at: Option<Instant>,
    /// A client is there.
    pub(super) attached: bool,
    /// An address that the client is known to have.
    pub(super) proven: Option<IpAddr>,
}

impl Server {
    /// When something is due that is no single flow's.
    pub(super) fn deadlines(&self, core: &Core) -> impl Iterator<Item = (Instant, Reason)> {
        let gone = core.last_heard.filter(|_| self.attached).map(|at| (at + ASSOCIATION, Reason::Detach));
        gone.into_iter().chain(self.late_word.map(|(at, _)| (at, Reason::LateWord)))
    }

    /// The client is gone: nothing is sent until it is heard again.
    pub(super) fn detach(&mut self, core: &mut Core) {
        self.attached = false;
        core.queue.clear();
        for flow in core.flows.iter_mut() {
            flow.binding.settle();
        }
        core.events.emit(Event::Detached);
    }

    /// What the client asked to be told is due.
    pub(super) fn say_late_word(&mut self, core: &mut Core) {
        let late_word = self.late_word.take();
        if let Some(flow) = late_word.and_then(|(_, id)| core.flows.get_mut(id)) {
            flow.binding.due.wants.late_word = true;
        }
    }

    /// An answer on this flow is overdue. One that is lost and not used is the client's to find again; it is asked when it is
    /// heard. SPEC \[P-8].
    pub(super) fn overdue(core: &mut Core, id: FlowId, late: &Overdue) {
        let chosen = core.current == Some(id);
        if let Some(flow) = core.flows.get_mut(id) {
            let lost = flow.binding.liveness.expiries() >= LOST_AFTER;
            flow.binding.due.wants.probe = !lost || (chosen && late.tempo != Tempo::Dormant);
        }
    }

    /// Whether this number was taken already by a flow that rests.
    pub(super) fn has_taken(&self, flow: FlowId, sequence: u64) -> bool {
        self.resting.get(&flow).is_some_and(|rest| sequence < rest.expected())
    }

    /// How many flows rest.
    #[cfg(test)]
    pub(super) fn resting(&self) -> usize {
        self.resting.len()
    }

    /// The client opened a flow, or remembered one.
    pub(super) fn open(&mut self, core: &mut Core, id: FlowId, path: Path, now: Instant) {
        if core.flows.len() >= core.traits().held_flows.into() {
            self.rest_one(core);
        }
        let mut flow = Flow::new(id, Side::Server, Binding::new(path, 0, core.fresh_mtu(&path, now), now));
        if core.traits().probes && !self.is_proven(&path) {
            flow.binding.candidacy = Some(Candidacy::new(path, false));
        }
        if let Some(rest) = self.resting.remove(&id) {
            flow.numbers = rest.into();
        }
        core.flows.insert(flow);
        core.events.emit(Event::FlowOpened { flow: id, path });
    }

    /// Whether what comes by this path needs no proof that its sender is there. What goes to loopback leaves no host. SPEC
    /// \[K-7].
    fn is_proven(&self, path: &Path) -> bool {
        let remote = path.remote.ip().to_canonical();
        is_own(path) || self.proven == Some(remote)
    }

    /// The flow that is silent for longest gives way. SPEC \[D-2].
    fn rest_one(&mut self, core: &mut Core) {
        let used =
            [core.current, self.newest.map(|newest| newest.flow), self.second.map(|second| second.flow)];
        let spare = core.flows.iter().filter(|flow| !used.contains(&Some(flow.id)));
        let Some(id) = spare.min_by_key(|flow| flow.binding.last_heard).map(|flow| flow.id) else { return };
        core.set_state(id, FlowState::Retired, Cause::Rebound);
        if let Some(flow) = core.flows.remove(id) {
            self.resting.insert(id, flow.numbers.into());
        }
    }

    /// An in-order datagram arrived on this flow, by this path.
    pub(super) fn heard(&mut self, core: &mut Core, id: FlowId, path: Path, octets: usize, now: Instant) {
        // The client speaks: nothing needs to be said by itself.
        self.late_word = None;
        let probes = core.traits().probes;
        let moved = core.flows.get(id).is_some_and(|flow| !is_same(flow.path(), &path));
        if probes && moved && core.is_by_carrier(&path) {
            self.take_carrier(core, id, path, now);
        }
        let Some(flow) = core.flows.get_mut(id) else { return };
        if probes {
            follow(&mut flow.binding, path, octets, now);
        } else {
            let roamed = !is_same(flow.path(), &path);
            flow.binding.path = path;
            if roamed {
                core.events.emit(Event::Roamed { flow: id, path });
            }
        }
        if core.current.is_none() {
            core.current = Some(id);
            core.events.emit(Event::Chosen { flow: Some(id), previous: None, cause: Cause::PeerChose });
        }
        if !core::mem::replace(&mut self.attached, true) {
            core.events.emit(Event::Attached);
        }
    }

    /// A flow rides another carrier now, of which nothing is known. It needs no proof: what goes there leaves no host. SPEC
    /// \[C-7].
    fn take_carrier(&mut self, core: &mut Core, id: FlowId, path: Path, now: Instant) {
        let mtu = core.fresh_mtu(&path, now);
        let Some(flow) = core.flows.get_mut(id) else { return };
        let fresh = Binding::new(path, 0, mtu, now);
        let before = core::mem::replace(&mut flow.binding, fresh);
        flow.binding.last_heard = Some(now);
        let (from, to) = (before.state, flow.state());
        core.events.emit(Event::FlowState { flow: id, from, to, cause: Cause::Rebound });
        core.events.emit(Event::Roamed { flow: id, path });
    }

    /// An in-order payload, which is no acknowledgement: that moves nothing, since it goes where an answer was due. SPEC
    /// \[S-6].
    pub(super) fn take_data(&mut self, core: &mut Core, id: FlowId, payload: &[u8], now: Instant) {
        let Some(flow) = core.flows.get(id) else { return };
        let sent = now - flow.binding.srtt().unwrap_or_default() / 2;
        let one_round = flow.binding.rto();
        let hash = hash_of(payload);
        if let Some(newest) = self.newest
            && newest.flow != id
            && newest.hash == hash
            && now.since(newest.at) <= one_round
        {
            self.take_copy(core, id, newest.flow);
        } else if self.newest.is_none_or(|newest| newest.flow == id || sent >= newest.sent) {
            self.newest = Some(Newest { flow: id, sent, hash, at: now });
            if let Some(second) = &mut self.second {
                second.single = second.single.saturating_add(1);
            }
            if core.current != Some(id) {
                let previous = core.current.replace(id);
                core.events.emit(Event::Chosen { flow: core.current, previous, cause: Cause::PeerChose });
            }
        }
    }

    /// A copy of the newest payload: the client sends everything twice, and so shall we. If it did not before, it missed an
    /// answer. A client that lost a path says it to each address of this host: any of them may be the way back that works.
    fn take_copy(&mut self, core: &mut Core, id: FlowId, newest: FlowId) {
        let unexpected = self.second.is_none_or(|second| second.single > SINGLE);
        let owes_data = core.flows.get(newest).is_some_and(|flow| flow.binding.owes_data());
        let further =
            self.second.is_some_and(|second| second.hedge && second.single == 0 && second.flow != id);
        let hedge = further || (unexpected && owes_data);
        self.second = Some(Second { flow: id, single: 0, hedge });
        if further {
            core.events.emit(Event::PathLost { flow: newest });
        } else if hedge {
            core.events.emit(Event::PathSuspect { flow: newest });
        }
    }

    /// What may carry a payload.
    pub(super) fn entrants(core: &Core, now: Instant) -> Vec<Entrant> {
        // A server does not probe: what the client lets fall silent is worth less.
        let silence = |flow: &Flow| match (core.last_heard, flow.binding.last_heard) {
            (Some(any), Some(this)) => any.since(this).saturating_sub(STANDBY_SILENCE),
            _ => Duration::ZERO,
        };
        let mut entrants = core.entrants(silence, now);
        leave_out_deserted(core, &mut entrants, now);
        entrants
    }

    /// The flows that this payload goes on, best first.
    pub(super) fn targets(&self, core: &Core, octets: usize, class: Class, now: Instant) -> VecDeque<FlowId> {
        let mut entrants = Self::entrants(core, now);
        entrants.sort_by_key(|entrant| entrant.rank);
        if core.broadcast {
            return entrants.iter().map(|entrant| entrant.rank.flow).collect();
        }
        let Some(current) = core.current_flow().filter(|flow| flow.is_open()) else {
            return VecDeque::new();
        };
        let interactive = class == Class::Interactive && octets <= INTERACTIVE;
        let second = self.second.filter(|second| second.single <= SINGLE);
        let second = second.filter(|second| interactive || (second.hedge && second.single == 0));
        let mut targets = VecDeque::from([current.id]);
        targets.extend(second.map(|second| second.flow));
        if matches!(current.state(), FlowState::Suspect | FlowState::Lost) {
            targets.extend(companion(&entrants, current.id));
        }
        once(targets)
    }

    /// An in-order address request: a list at most once in a round trip, whatever is asked. SPEC \[A-2]. The client may ask to
    /// be told something after a silence; one such wish at a time, and only until it speaks again.
    pub(super) fn take_request(
        &mut self,
        core: &mut Core,
        id: FlowId,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), Discard> {
        let wish = decode_request(payload)?;
        let wish = wish.filter(|after| *after <= LONGEST_KEEPALIVE && *after >= IDLE_PROBE / 10);
        self.late_word = wish.map(|after| (now + after, id));
        let Some(flow) = core.flows.get_mut(id) else { return Ok(()) };
        let interval = flow.binding.srtt().unwrap_or(Duration::from_secs(1)).max(LIST_INTERVAL);
        if self.listed_at.is_none_or(|at| now.since(at) >= interval) {
            flow.binding.due.wants.addresses = true;
            self.listed_at = Some(now);
        } else {
            flow.binding.due.wants.answer = true;
        }
        Ok(())
    }

    /// The address list for this flow, cut to whole records that may be sent to it.
    pub(super) fn write_list(core: &mut Core, id: FlowId) -> Vec<u8> {
        let overhead = core.traits().overhead;
        let (_, safe) = core.traits().safe_datagram;
        let mut out = Vec::new();
        let Some(flow) = core.flows.get(id) else { return out };
        let candidacy = flow.binding.candidacy.as_ref();
        let path = candidacy.map_or(*flow.path(), |candidacy| candidacy.path);
        // The address is to be challenged too, out of the same allowance.
        let room = candidacy.map_or(safe, |candidacy| candidacy.room().min(safe).saturating_sub(overhead));
        let whole = address_list(core, &path).encode(room.saturating_sub(overhead), &mut out);
        if let Some(candidacy) = core.flows.get_mut(id).and_then(|flow| flow.binding.candidacy.as_mut()) {
            candidacy.cut_list |= !whole;
        }
        out
    }
}

/// The server's list for a client that reached it at `path`: no loopback or link-local addresses, unless the
/// client came by one. SPEC \[A-4].
fn address_list(core: &Core, path: &Path) -> AddressList {
    // Who comes by a carrier has reached another address of this host.
    let by_carrier = core.is_by_carrier(path);
    let reached = if by_carrier { Scope::Global } else { scope_of(&path.local.ip) };
    let mut addresses = Vec::new();
    for local in core.locals.iter().filter(|local| local.lists && !local.addr.ip.is_unspecified()) {
        let scope = scope_of(&local.addr.ip);
        if matches!(scope, Scope::Loopback | Scope::Link) && scope != reached {
            continue;
        }
        let address = SocketAddr::new(local.addr.ip, core.config.port);
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let observed = (core.traits().observed_address && !by_carrier).then_some(path.remote);
    AddressList { observed, addresses }
}

/// Whether two paths are one, as far as addresses tell.
pub(super) fn is_same(known: &Path, path: &Path) -> bool {
    same_address(&known.remote, &path.remote) && known.local.ip == path.local.ip
}

/// An in-order datagram came by this path: it is the flow's, or becomes a candidate to be it, which is validated.
fn follow(binding: &mut Binding, path: Path, octets: usize, now: Instant) {
    match &mut binding.candidacy {
        Some(candidacy) if is_same(&candidacy.path, &path) => candidacy.received(octets),
        // The address that was validated is in use: the other one was nothing.
        Some(candidacy) if candidacy.fallback && is_same(&binding.path, &path) => binding.candidacy = None,
        None if is_same(&binding.path, &path) => binding.path = path,
        known => {
            let fallback = known.as_ref().is_none_or(|known| known.fallback);
            let mut candidacy = Candidacy::new(path, fallback);
            candidacy.received(octets);
            *known = Some(candidacy);
            if !fallback {
                binding.path = path;
            }
        }
    }
    let patience = binding.rto();
    if binding.candidacy.as_ref().is_some_and(|candidacy| !candidacy.is_challenged(now, patience)) {
        binding.due.wants.probe = true;
    }
    // It is there. Whether it hears this end too something small asks, as payloads may be too large for the way out by now: at
    // once, and once in an RTO. SPEC.
    let is_due = binding.due.asked_back_at.is_none_or(|at| now.since(at) >= patience);
    if binding.state == FlowState::Lost && is_due {
        binding.due.asked_back_at = Some(now);
        binding.due.wants.probe = true;
    }
}

/// A server is not told which flows its client gave up: they fall silent, and stay as they stood. Not used while there
/// is another that the client speaks on; in a session that sleeps there is none. SPEC \[X-4].
fn leave_out_deserted(core: &Core, entrants: &mut Vec<Entrant>, now: Instant) {
    let Some(any) = core.last_heard else { return };
    // Three times the longest interval between two probes of a flow that is used.
    let deserted = (if core.tempo(now) == Tempo::Active { REST_PROBE } else { IDLE_PROBE }) * 3;
    let is_spoken_on = |entrant: &Entrant| {
        let heard = core.flows.get(entrant.rank.flow).and_then(|flow| flow.binding.last_heard);
        heard.is_some_and(|heard| any.since(heard) < deserted)
    };
    let is_current = |entrant: &Entrant| core.current == Some(entrant.rank.flow);
    if entrants.iter().any(|entrant| !is_current(entrant) && is_spoken_on(entrant)) {
        entrants.retain(|entrant| is_current(entrant) || is_spoken_on(entrant));
    }
}

/// FNV-1a: tells copies of a payload from other payloads. Only authentic payloads are hashed.
fn hash_of(payload: &[u8]) -> u64 {
    payload
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3))
}
