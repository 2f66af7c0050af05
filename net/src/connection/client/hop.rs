//! Which port a client speaks from: another one where a NAT may have forgotten the last. SPEC \[X-5].

use super::{Client, Core};
use crate::Instant;
use crate::connection::{Event, Tempo};
use crate::flow::Flow;
use crate::wire::FlowId;
use core::time::Duration;

/// Silence on every flow after which all of them change the port, and the least time between two changes.
const HOP_INTERVAL: Duration = Duration::from_secs(10);

impl Client {
    /// When all flows are to change the port, if nothing answers until then.
    pub(super) fn hop_at(&self, core: &Core) -> Option<Instant> {
        if core.network_answers() {
            return None;
        }
        // Silence is what follows a question: an end that had nowhere to ask has not been refused an answer.
        let network = core.flows.open().filter(|flow| !core.is_by_carrier(flow.path()));
        let asked = network.filter_map(|flow| flow.binding.liveness.oldest_unanswered()).min()?;
        let heard = self.network_answered_at().unwrap_or(core.started_at);
        Some(heard.max(self.hopped_at).max(asked) + HOP_INTERVAL)
    }

    /// One flow is silent while others of its family answer: that looks like a NAT that forgot it.
    pub(super) fn hop_silent(&mut self, core: &mut Core, id: FlowId, now: Instant) {
        let Some(flow) = core.flows.get(id).filter(|flow| !core.is_by_carrier(flow.path())) else { return };
        let family = |flow: &Flow| flow.path().remote.is_ipv4();
        let is_like = |other: &Flow| {
            other.id != id && family(other) == family(flow) && !core.is_by_carrier(other.path())
        };
        if !core.flows.answering().any(is_like) {
            return;
        }
        if flow.binding.port_generation == self.port_generation {
            if now.since(self.hopped_at) < HOP_INTERVAL {
                return;
            }
            self.next_port(now);
        }
        self.hop(core, id);
    }

    /// All flows change the port.
    pub(in crate::connection) fn hop_all(&mut self, core: &mut Core, now: Instant) {
        self.next_port(now);
        for id in core.flows.ids(|flow| !core.is_by_carrier(flow.path())) {
            self.hop(core, id);
        }
        // A session that sleeps on a carrier goes on asking at its own pace.
        if core.tempo(now) != Tempo::Dormant {
            core.probe_all(None);
        }
    }

    /// Mosh's rule: after a send, when the last round trip and the last change are both 10 s ago.
    pub(in crate::connection) fn hop_after_send(&mut self, core: &mut Core, now: Instant) {
        let quiet = now.since(core.last_answered.unwrap_or(core.started_at));
        if quiet > HOP_INTERVAL && now.since(self.hopped_at) > HOP_INTERVAL {
            self.hop_all(core, now);
        }
    }

    fn next_port(&mut self, now: Instant) {
        self.port_generation = self.port_generation.saturating_add(1);
        self.hopped_at = now;
    }

    fn hop(&self, core: &mut Core, id: FlowId) {
        let port_generation = self.port_generation;
        if let Some(flow) = core.flows.get_mut(id) {
            flow.binding.port_generation = port_generation;
        }
        core.events.emit(Event::Hopped { flow: id, port_generation });
    }
}
