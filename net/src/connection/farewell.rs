//! What is left of a server's connection once its client has lost the session: the means for a last word.
//!
//! Contract: pure. Nothing that the old client says changes anything but which numbers were taken: no address is followed,
//! nothing is answered, listed or probed. What is sent goes to addresses that were validated while the client had the
//! session, and its owner bounds how much that is. The key goes with it. SPEC \[K-9].

use super::heart::Core;
use super::{Connection, Part, Server};
use crate::flow::Numbers;
use crate::wire::{Dialect, FlowId, Header, Kind};
use crate::{Discard, Instant, Path, Received, Transmit};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The last word goes on so many paths in turn: the one in use may be what the client has just left.
const PATHS: usize = 3;

/// See the module.
#[derive(Debug)]
pub struct Farewell {
    dialect: Dialect,
    numbers: BTreeMap<FlowId, Numbers>,
    /// Where the client was last, the best path first.
    places: Vec<Place>,
    next: usize,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    flow: FlowId,
    path: Path,
    port_generation: u32,
}

impl Connection {
    /// Keeps no more of the connection than a last word needs; `None` of a client's.
    #[must_use]
    pub fn into_farewell(self, now: Instant) -> Option<Farewell> {
        match self.part {
            Part::Client(_) => None,
            Part::Server(_) => Some(Farewell::of(self.core, now)),
        }
    }
}

impl Farewell {
    fn of(mut core: Core, now: Instant) -> Self {
        let mut entrants = Server::entrants(&core, now);
        entrants.sort_by_key(|entrant| {
            (!core.flows.get(entrant.rank.flow).is_some_and(|flow| core.is_current(flow)), entrant.rank)
        });
        let place = |id: FlowId| {
            let flow = core.flows.get(id)?;
            // An address that was never validated gets nothing.
            let binding = &flow.binding;
            let validated = binding.candidacy.as_ref().is_none_or(|candidacy| candidacy.fallback);
            validated.then_some(Place {
                flow: id,
                path: binding.path,
                port_generation: binding.port_generation,
            })
        };
        let places = entrants.iter().filter_map(|entrant| place(entrant.rank.flow)).take(PATHS).collect();
        let numbers = core.flows.take().map(|flow| (flow.id, flow.numbers)).collect();
        Self { dialect: core.dialect, numbers, places, next: 0 }
    }

    /// What the old client says: its payload, where it is authentic and new. Its bytes are opened in place.
    ///
    /// # Errors
    /// Why it is ignored.
    pub fn handle_datagram(&mut self, received: Received<'_>) -> Result<Option<Vec<u8>>, Discard> {
        let clear = self.dialect.peek(received.bytes)?;
        let numbers = self.numbers.get_mut(&clear.flow).ok_or(Discard::UnknownFlow)?;
        numbers.replay.check(clear.sequence).ok_or(Discard::Replayed)?;
        let (header, payload) = self.dialect.open(&clear, received.bytes)?;
        numbers.replay.accept(clear.sequence);
        Ok((header.kind == Kind::Data && !payload.is_empty()).then(|| payload.to_vec()))
    }

    /// Seals a payload for the next of the places where the client was; nothing where it was nowhere.
    pub fn transmit(&mut self, payload: &[u8]) -> Option<Transmit> {
        let place = *self.places.get(self.next % self.places.len().max(1))?;
        self.next = self.next.wrapping_add(1);
        let nonce = self.numbers.get_mut(&place.flow)?.nonces.next()?;
        // Without a timestamp it asks for no answer.
        let header = Header {
            kind: Kind::Data,
            timestamp: None,
            timestamp_reply: None,
            loss: 0,
            congestion: false,
            largest: 0,
            after_padded: false,
        };
        let bytes = self.dialect.seal(nonce, &header, payload)?;
        Some(Transmit {
            path: place.path,
            port_generation: place.port_generation,
            dont_fragment: false,
            bytes,
        })
    }
}
