//! What a client does while nothing happens: it keeps one way open, at the longest interval that the networks between
//! bear. SPEC \[P-8], \[P-9].

use super::{Client, Core};
use crate::Instant;
use crate::connection::{Cause, Tempo};
use crate::flow::{FlowState, SHORTEST_KEEPALIVE};
use crate::wire::{FlowId, Header};
use core::net::SocketAddr;
use core::time::Duration;

/// The interval of address requests (paper §3.1).
const ADDRESS_INTERVAL: Duration = Duration::from_secs(10);
/// The longest keepalive interval: a server takes a client for gone that is silent for 40 s, and one keepalive may be
/// lost.
pub(in crate::connection) const LONGEST_KEEPALIVE: Duration = Duration::from_secs(35);
/// How many lists may answer one request: the second in full, where the first was cut. SPEC \[A-5].
const LISTS: u8 = 2;
/// How much later than asked for a late word may come, besides the RTO: the server's clock and its event loop.
const LATENESS: Duration = Duration::from_millis(500);

impl Client {
    /// The user is active after a pause.
    pub(in crate::connection) fn wake(&mut self, core: &mut Core, now: Instant) {
        core.probe_all(None);
        self.next_address_request = self.next_address_request.map(|at| at.min(now + ADDRESS_INTERVAL));
        for flow in core.flows.iter_mut() {
            flow.binding.known.keepalive.cancel();
        }
    }

    /// The machine slept. `long`: so long that the NAT's mapping of the old port is doubtful.
    pub(in crate::connection) fn resume_after(&mut self, core: &mut Core, long: bool, now: Instant) {
        self.silent_since = Some(now);
        core.probe_all(None);
        if long {
            self.hop_all(core, now);
        }
        if self.next_address_request.is_some() {
            self.next_address_request = Some(now);
        }
    }

    /// Asks for the server's addresses on the chosen flow, and again later. A dormant session's request is its
    /// keepalive; it may ask the server for a late word, to learn how long the next silence may be.
    pub(in crate::connection) fn ask_for_addresses(&mut self, core: &mut Core, now: Instant) {
        // While nothing answers probes search the way; the first answer asks anew.
        if core.last_answered.is_some() && !core.flows.any_answers() {
            self.next_address_request = None;
            return;
        }
        self.choose(core, Cause::Failure, now);
        let dormant = core.tempo(now) == Tempo::Dormant;
        let longest = core.config.keepalive.clamp(Duration::from_secs(1), LONGEST_KEEPALIVE);
        self.kept = core.current;
        let mut wait = ADDRESS_INTERVAL;
        if let Some(flow) = core.current_flow_mut() {
            let binding = &mut flow.binding;
            let answers = binding.state == FlowState::Answering;
            let rto = binding.rto();
            let keepalive = &mut binding.known.keepalive;
            // The late word did not come, though nothing else was sent on the flow that could have stood in its way.
            let undisturbed = answers && self.asked_at == binding.last_sent;
            if undisturbed {
                keepalive.failed()
            } else {
                keepalive.cancel()
            }
            binding.silence_before_request = binding.last_sent.map_or(Duration::ZERO, |at| now.since(at));
            binding.due.wants.addresses = true;
            if dormant && answers {
                wait = match keepalive.begin(longest) {
                    Some(silence) => silence + rto + LATENESS,
                    None => keepalive.interval(longest),
                };
            }
        }
        self.next_address_request = Some(now + wait);
    }

    /// An address request was sent on this flow.
    pub(in crate::connection) fn asked(&mut self, core: &mut Core, id: FlowId, now: Instant) {
        self.asked_at = Some(now);
        if let Some(flow) = core.flows.get_mut(id) {
            flow.binding.lists_owed = LISTS;
        }
    }

    /// A dormant session keeps one way open: if that is another one now, it is spoken on at once.
    pub(in crate::connection) fn follow_chosen(&mut self, core: &mut Core, now: Instant) {
        if self.next_address_request.is_some()
            && self.kept != core.current
            && core.current.is_some()
            && core.tempo(now) == Tempo::Dormant
        {
            self.ask_for_addresses(core, now);
        }
    }

    /// The chosen flow's last probe before the sleep is due: the keepalive takes its place.
    pub(super) fn falls_asleep(&self, core: &Core, id: FlowId, now: Instant) -> bool {
        core.tempo(now) == Tempo::Dormant && core.current == Some(id) && self.next_address_request.is_some()
    }

    /// Something that answers nothing and asks for nothing came in order: if it is the late word that was asked for,
    /// the next silence may be as long as this one was.
    pub(in crate::connection) fn hear_late_word(
        &mut self,
        core: &mut Core,
        id: FlowId,
        header: &Header,
        now: Instant,
    ) {
        let Some(binding) = core.flows.get_mut(id).map(|flow| &mut flow.binding) else { return };
        let silence = binding.last_sent.map(|at| now.since(at));
        let in_time =
            binding.known.keepalive.trial().is_some_and(|trial| silence.is_some_and(|s| s >= trial));
        let unasked = header.timestamp.is_none() && header.timestamp_reply.is_none();
        if unasked && in_time && self.asked_at == binding.last_sent && self.kept == Some(id) {
            binding.known.keepalive.proved();
            // This end's word keeps the way open; the server's may not (RFC 4787 REQ-6).
            self.next_address_request = Some(now);
        }
    }

    /// The server sees this address of ours on a flow.
    pub(super) fn seen_as(&mut self, core: &mut Core, id: FlowId, address: SocketAddr) {
        let started_at = core.started_at;
        let Some(binding) = core.flows.get_mut(id).map(|flow| &mut flow.binding) else { return };
        let (port, before) = (binding.port_generation, binding.observed);
        binding.observed = Some((address, port));
        if before.is_some_and(|before| before.1 == port && before.0 != address) {
            let tried = binding.silence_before_request.min(core.config.keepalive);
            binding.known.keepalive.moved(tried);
            if self.kept == Some(id) && self.next_address_request.is_some() {
                let soon = binding.last_sent.unwrap_or(started_at) + SHORTEST_KEEPALIVE;
                self.next_address_request = self.next_address_request.map(|at| at.min(soon));
            }
        }
    }
}
