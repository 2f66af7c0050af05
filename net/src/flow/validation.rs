//! A new address of a flow, as the server sees it, until it proves to be the client's. SPEC \[K-7].

use crate::{Instant, Path};
use core::net::SocketAddr;
use core::time::Duration;

/// What is sent to an address that is not validated, at most, for each octet received from it.
const AMPLIFICATION: usize = 3;

/// An address from which an authentic, in-order datagram came, and which has not yet answered a timestamp that was
/// sent to it alone.
#[derive(Clone, Debug)]
pub(crate) struct Candidacy {
    pub(crate) path: Path,
    received: usize,
    sent: usize,
    /// The first timestamp sent to it: nothing older validates.
    challenged_at: Option<Instant>,
    /// The newest one.
    asked_at: Option<Instant>,
    /// The flow has another address, which was validated before.
    pub(crate) fallback: bool,
    /// An address list did not fit: it is sent in full once the address is validated.
    pub(crate) cut_list: bool,
}

impl Candidacy {
    pub(crate) fn new(path: Path, fallback: bool) -> Self {
        Self { path, received: 0, sent: 0, challenged_at: None, asked_at: None, fallback, cut_list: false }
    }

    pub(crate) fn received(&mut self, octets: usize) {
        self.received = self.received.saturating_add(octets);
    }

    /// How many octets may be sent to it.
    pub(crate) fn room(&self) -> usize {
        self.received.saturating_mul(AMPLIFICATION).saturating_sub(self.sent)
    }

    pub(crate) fn sent(&mut self, octets: usize, timestamp: bool, now: Instant) {
        self.sent = self.sent.saturating_add(octets);
        if timestamp {
            self.challenged_at = self.challenged_at.or(Some(now));
            self.asked_at = Some(now);
        }
    }

    /// Whether it was asked, and may still answer: a question that is not answered within `patience` is lost.
    pub(crate) fn is_challenged(&self, now: Instant, patience: Duration) -> bool {
        self.asked_at.is_some_and(|at| now.since(at) < patience)
    }

    /// Whether an answer to the millisecond `reply` of this end's clock proves the address.
    pub(crate) fn proved_by(&self, reply: u64) -> bool {
        self.challenged_at.is_some_and(|at| at.as_millis() <= reply)
    }
}

/// Whether two socket addresses name the same place; the flow label of IPv6 does not count.
pub(crate) fn same_address(a: &SocketAddr, b: &SocketAddr) -> bool {
    let scope = |address: &SocketAddr| match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(v6) => v6.scope_id(),
    };
    a.ip() == b.ip() && a.port() == b.port() && scope(a) == scope(b)
}
