//! How long a server that is not heard is waited for.
//!
//! Contract: pure. A person at a terminal waits for ever once the server was heard: a notice tells of the silence. ICMP
//! shortens a wait and never decides alone: nothing is given up while anything is heard.

use crate::silence::{Refusal, Refusals};
use net::{Instant, Path};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// How long the server may take to say its first word before the session is given up (mosh's figure).
const FIRST_CONTACT: Duration = Duration::from_secs(15);

/// The same where the network refuses all that is sent to one of its addresses: a server that has announced itself
/// listens, so that only a change of routes or a way to another address can still bring a word.
const REFUSED_CONTACT: Duration = Duration::from_secs(4);

/// This many refusals of one path are no accident.
const REFUSALS: u32 = 3;

/// A session without a terminal is given up when the port of its server, once heard, has been refused for so long: time
/// enough to leave a network whose router refuses everything.
const GONE_REFUSED: Duration = Duration::from_secs(3 * 60);

/// The same in silence, while this machine has ways to the server: nobody watches such a session, and something waits for
/// its end.
const GONE_SILENT: Duration = Duration::from_secs(15 * 60);

/// A way to the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) path: Path,
    pub(super) sent: u64,
}

/// What has been heard and refused.
pub(super) struct Patience {
    started: Instant,
    /// How long the server has for its first word.
    first_contact: Duration,
    heard: bool,
    /// Since when a silence counts.
    silent_since: Instant,
    /// What the network refused since the server was last heard.
    refusals: BTreeMap<Path, Refusals>,
}

impl Patience {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            started: now,
            first_contact: FIRST_CONTACT,
            heard: false,
            silent_since: now,
            refusals: BTreeMap::new(),
        }
    }

    /// The server has so long for its first word, since something else can be tried then.
    pub(super) fn shorten(&mut self, first_contact: Duration) {
        self.first_contact = first_contact;
    }

    pub(super) fn heard(&self) -> bool {
        self.heard
    }

    /// The server was heard.
    pub(super) fn hear(&mut self, now: Instant) {
        self.heard = true;
        self.excuse(now);
        self.refusals.clear();
    }

    /// Nothing could be heard until now: this machine slept, or had no network.
    pub(super) fn excuse(&mut self, now: Instant) {
        self.silent_since = now;
    }

    /// The network refused a datagram.
    pub(super) fn refuse(&mut self, path: &Path, refusal: Refusal) {
        let known = self.refusals.entry(*path).or_insert(Refusals { count: 0, last: refusal });
        *known = Refusals { count: known.count.saturating_add(1), last: refusal };
    }

    /// What was refused on a path; ICMP does not always tell from which of this machine's addresses.
    pub(super) fn refused(&self, path: &Path) -> Option<Refusals> {
        let same = |known: &&Path| {
            known.remote == path.remote
                && (known.local.ip == path.local.ip || known.local.ip.is_unspecified())
        };
        self.refusals.iter().find(|(known, _)| same(known)).map(|(_, refusals)| *refusals)
    }

    /// When the session is given up if nothing is heard by then. `watched`: there is a person at a terminal.
    pub(super) fn ends_at(&self, watched: bool, ways: impl Iterator<Item = Way>) -> Option<Instant> {
        if !self.heard {
            let refused = self.is_refused(ways, |_| true);
            return Some(
                self.started
                    + if refused { REFUSED_CONTACT.min(self.first_contact) } else { self.first_contact },
            );
        }
        if watched {
            return None;
        }
        let mut ways = ways.peekable();
        ways.peek()?;
        // What a router on the way says of routes or of its rules ends with the next network.
        let refused = self.is_refused(ways, |refusal| refusal == Refusal::Port);
        Some(self.silent_since + if refused { GONE_REFUSED } else { GONE_SILENT })
    }

    /// Whether some address of the server is refused on every way to it.
    fn is_refused(&self, ways: impl Iterator<Item = Way>, counts: impl Fn(Refusal) -> bool) -> bool {
        if self.refusals.is_empty() {
            return false;
        }
        let mut remotes: BTreeMap<IpAddr, bool> = BTreeMap::new();
        for way in ways.filter(|way| way.sent > 0) {
            let refused = self
                .refused(&way.path)
                .is_some_and(|refusals| refusals.count >= REFUSALS && counts(refusals.last));
            *remotes.entry(way.path.remote.ip()).or_insert(true) &= refused;
        }
        remotes.into_values().any(|refused| refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use net::LocalAddr;

    fn way(local: u8, remote: u8) -> Way {
        let local = LocalAddr { ip: [192, 0, 2, local].into(), interface: None };
        Way { path: Path { local, remote: ([198, 51, 100, remote], 60001).into() }, sent: 5 }
    }

    fn refused(patience: &mut Patience, way: Way, refusal: Refusal) {
        for _ in 0..REFUSALS {
            patience.refuse(&way.path, refusal);
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(0) + Duration::from_secs(seconds)
    }

    #[test]
    fn a_first_word_is_awaited_as_long_as_anything_may_bring_it() {
        let mut patience = Patience::new(at(0));
        let ways = [way(1, 1), way(2, 1), way(1, 2)];
        let ends = |patience: &Patience| patience.ends_at(true, ways.into_iter());
        assert_eq!(ends(&patience), Some(at(15)));
        refused(&mut patience, ways[0], Refusal::Port);
        assert_eq!(ends(&patience), Some(at(15)), "the other uplink may reach that address");
        refused(&mut patience, ways[1], Refusal::Unreachable);
        assert_eq!(ends(&patience), Some(at(4)));
        patience.hear(at(1));
        assert_eq!(ends(&patience), None, "a person decides");
    }

    #[test]
    fn a_command_s_server_that_is_gone_is_given_up() {
        let mut patience = Patience::new(at(0));
        patience.hear(at(10));
        let ways = [way(1, 1)];
        let ends = |patience: &Patience| patience.ends_at(false, ways.into_iter());
        assert_eq!(ends(&patience), Some(at(10 + 15 * 60)));
        refused(&mut patience, ways[0], Refusal::Unreachable);
        assert_eq!(ends(&patience), Some(at(10 + 15 * 60)), "routes come back");
        refused(&mut patience, ways[0], Refusal::Port);
        assert_eq!(ends(&patience), Some(at(10 + 3 * 60)));
        patience.excuse(at(7200));
        assert_eq!(ends(&patience), Some(at(7200 + 3 * 60)), "what was slept through does not count");
        patience.hear(at(7300));
        assert_eq!(ends(&patience), Some(at(7300 + 15 * 60)));
        assert_eq!(patience.ends_at(false, [].into_iter()), None, "without a network nothing can be heard");
    }

    #[test]
    fn an_error_that_names_no_source_counts_for_every_source() {
        let mut patience = Patience::new(at(0));
        let nowhere = Way {
            path: Path { local: LocalAddr { ip: [0, 0, 0, 0].into(), interface: None }, ..way(1, 1).path },
            sent: 0,
        };
        refused(&mut patience, nowhere, Refusal::Port);
        assert_eq!(patience.refused(&way(2, 1).path).map(|refusals| refusals.count), Some(REFUSALS));
        assert_eq!(patience.refused(&way(2, 2).path), None);
    }
}
