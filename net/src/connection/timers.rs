//! What happens when nothing arrives. SPEC \[P-1] to \[P-8], \[X-1] to \[X-6].
//!
//! The list of deadlines exists once: [`Connection::poll_timeout`] names the earliest [`Reason`], and
//! [`Connection::handle_timeout`] fires reasons until none is due. Whatever fires moves its own deadline on.

use super::{Cause, Connection, Event, Part, Reason, Server, Tempo};
use crate::{FlowId, Instant};

/// How many reasons one flow, or the connection itself, can have at one time, and each may follow from another.
const REASONS: usize = 16;

impl Connection {
    /// When to call [`Connection::handle_timeout`], and what for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        let core = &self.core;
        let minds = |&(at, reason): &(Instant, Reason)| match (reason, &self.part) {
            (Reason::Loss(_), Part::Client(client)) => client.minds_loss(core, at),
            (Reason::Loss(_), Part::Server(_)) => false,
            _ => true,
        };
        let flows = core.flows.iter().flat_map(|flow| flow.binding.deadlines(flow.id)).filter(minds);
        let earliest = |at: &(Instant, Reason)| at.0;
        let own = match &self.part {
            Part::Client(client) => client.deadlines(core).min_by_key(earliest),
            Part::Server(server) => server.deadlines(core).min_by_key(earliest),
        };
        flows.chain(own).min_by_key(earliest)
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        for _ in 0..(self.core.flows.len() + 1) * REASONS {
            let Some((_, reason)) = self.poll_timeout().filter(|(at, _)| *at <= now) else { break };
            self.fire(reason, now);
        }
        if let Part::Client(client) = &mut self.part {
            client.choose(&mut self.core, Cause::Failure, now);
            client.follow_chosen(&mut self.core, now);
        }
    }

    fn fire(&mut self, reason: Reason, now: Instant) {
        let core = &mut self.core;
        match (reason, &mut self.part) {
            (Reason::Answer(id), _) => {
                if let Some(flow) = core.flows.get_mut(id) {
                    flow.binding.due.wants.answer = true;
                }
            }
            (Reason::Loss(id), _) => {
                if let Some(flow) = core.flows.get_mut(id) {
                    flow.binding.known.expire_loss(now);
                }
            }
            (Reason::Mtu(id), _) => self.continue_search(id, now),
            (Reason::Overdue(id), _) => self.overdue(id, now),
            (Reason::Retry(id), _) => core.resume(id),
            (Reason::Probe(id), Part::Client(client)) => client.probe_due(core, id, now),
            (Reason::AddressRequest, Part::Client(client)) => client.ask_for_addresses(core, now),
            (Reason::PortHop, Part::Client(client)) => {
                client.hop_all(core, now);
                if core.tempo(now) != Tempo::Dormant {
                    core.events.emit(Event::AllSilent);
                }
            }
            (Reason::Carrier, Part::Client(client)) => client.look_for_resort(core, now),
            (Reason::Detach, Part::Server(server)) => server.detach(core),
            (Reason::LateWord, Part::Server(server)) => server.say_late_word(core),
            // What the other end alone waits for.
            (
                Reason::Probe(_) | Reason::AddressRequest | Reason::PortHop | Reason::Carrier,
                Part::Server(_),
            ) => {}
            (Reason::Detach | Reason::LateWord, Part::Client(_)) => {}
        }
    }

    /// An answer on this flow is overdue. SPEC \[P-3], \[X-2].
    fn overdue(&mut self, id: FlowId, now: Instant) {
        let core = &mut self.core;
        let answered = core.flows.any_answers();
        let Some(late) = core.expire(id, now) else { return };
        match &mut self.part {
            Part::Client(client) => {
                client.overdue(core, id, &late, now);
                if answered && !core.flows.any_answers() {
                    client.nothing_answers(core, late.due);
                }
            }
            Part::Server(_) => Server::overdue(core, id, &late),
        }
    }
}
