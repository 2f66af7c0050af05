//! How long a server that is not heard is waited for.
//!
//! Contract: pure. A person at a terminal waits for ever once the server was heard: a notice tells of the silence. ICMP
//! shortens a wait and never decides alone: nothing is given up while anything is heard.

use crate::session::silence::{Refusal, Refusals};
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

/// How long a server that was there a moment ago is told that its user leaves: a blip is shorter.
const FAREWELL: Duration = Duration::from_secs(10);

/// The same where it has been silent for longer: the user knows, and waits for nothing but their shell.
const FAREWELL_UNHEARD: Duration = Duration::from_secs(2);

/// How long the server is told that everything has come. It stays for two seconds after it has delivered everything.
const THANKS: Duration = Duration::from_secs(3);

/// A way to the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tried {
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
    /// How often this machine refused to send since then.
    refused_here: BTreeMap<Path, u32>,
    /// When the farewell began, and until when it goes on.
    farewell: Option<(Instant, Instant)>,
}

impl Patience {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            started: now,
            first_contact: FIRST_CONTACT,
            heard: false,
            silent_since: now,
            refusals: BTreeMap::new(),
            refused_here: BTreeMap::new(),
            farewell: None,
        }
    }

    /// The server has so long for its first word, since something else can be tried then.
    pub(super) fn shorten(&mut self, first_contact: Duration) {
        self.first_contact = first_contact;
    }

    pub(super) fn heard(&self) -> bool {
        self.heard
    }

    /// The server said something of the session.
    pub(super) fn hear(&mut self, now: Instant) {
        self.heard = true;
        self.notice(now);
    }

    /// An authentic datagram came: the server is there.
    pub(super) fn notice(&mut self, now: Instant) {
        self.excuse(now);
        self.refusals.clear();
        self.refused_here.clear();
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

    /// This machine refused to send a datagram.
    pub(super) fn refuse_here(&mut self, path: &Path) {
        let count = self.refused_here.entry(*path).or_default();
        *count = count.saturating_add(1);
    }

    /// How often this machine refused to send on a path since the server was last heard.
    pub(super) fn refused_here(&self, path: &Path) -> u32 {
        // An answer of its own comes by the loopback interface.
        let same = |known: &&Path| known.remote == path.remote && same_source(known, path);
        self.refused_here.iter().filter(|(known, _)| same(known)).map(|(_, count)| *count).sum()
    }

    /// What was refused on a path; ICMP does not always tell from which of this machine's addresses, and a dialect of one
    /// path leaves that to the system.
    pub(super) fn refused(&self, path: &Path) -> Option<Refusals> {
        let same = |known: &&Path| known.remote == path.remote && same_source(known, path);
        let refused = self.refusals.iter().filter(|(known, _)| same(known)).map(|(_, refusals)| *refusals);
        refused.max_by_key(|refusals| refusals.count)
    }

    /// The user leaves. `owed_since`: when the server's first answer was due that has not come.
    pub(super) fn say_farewell(&mut self, owed_since: Option<Instant>, now: Instant) {
        let least = now + FAREWELL_UNHEARD;
        let until = match owed_since {
            _ if !self.heard => least,
            Some(since) => least.max(since + FAREWELL),
            None => now + FAREWELL,
        };
        self.farewell.get_or_insert((now, until));
    }

    /// The server's host says that nobody listens any more: a farewell has nobody to reach.
    pub(super) fn shorten_farewell(&mut self) {
        if let Some((since, until)) = &mut self.farewell {
            *until = (*until).min(*since + FAREWELL_UNHEARD);
        }
    }

    /// Everything has come: the server is thanked.
    pub(super) fn say_thanks(&mut self, now: Instant) {
        self.farewell.get_or_insert((now, now + THANKS));
    }

    /// The user has waited enough for the server's answer.
    pub(super) fn leave_now(&mut self, now: Instant) {
        self.farewell = Some((now, now));
    }

    /// Whether a farewell has gone on for as long as it may.
    pub(super) fn farewell_is_over(&self, now: Instant) -> bool {
        self.farewell_until().is_some_and(|until| until <= now)
    }

    /// Until when a farewell goes on.
    pub(super) fn farewell_until(&self) -> Option<Instant> {
        self.farewell.map(|(_, until)| until)
    }

    /// When the session is given up if nothing is heard by then. `watched`: there is a person at a terminal. `carried`: it may
    /// yet go through ssh, whatever the network refuses.
    pub(super) fn ends_at(
        &self,
        watched: bool,
        carried: bool,
        ways: impl Iterator<Item = Tried>,
    ) -> Option<Instant> {
        if !self.heard {
            let ways: Vec<Tried> = ways.collect();
            let refused =
                self.is_refused(ways.iter().copied(), |_| true) || self.is_refused_here(ways.into_iter());
            let patience = if refused && !carried {
                REFUSED_CONTACT.min(self.first_contact)
            } else {
                self.first_contact
            };
            return Some(self.started + patience);
        }
        if watched {
            return None;
        }
        let mut ways = ways.peekable();
        ways.peek()?;
        // What a router on the way says of routes or of its rules ends with the next network.
        let refused = !carried && self.is_refused(ways, |refusal| refusal == Refusal::Port);
        Some(self.silent_since + if refused { GONE_REFUSED } else { GONE_SILENT })
    }

    /// Whether this machine refuses to send on every way that was tried.
    pub(super) fn is_refused_here(&self, ways: impl Iterator<Item = Tried>) -> bool {
        let mut tried = ways.filter(|way| way.sent > 0).peekable();
        tried.peek().is_some() && tried.all(|way| self.refused_here(&way.path) >= REFUSALS)
    }

    /// Whether nobody listens any more where the server was, says the network on every way that can tell.
    pub(super) fn is_gone(&self, ways: impl Iterator<Item = Tried>) -> bool {
        let ways: Vec<Tried> = ways.filter(|way| way.sent > 0).collect();
        let refused = |way: &Tried| self.refused(&way.path).filter(|refusals| refusals.last == Refusal::Port);
        // Standbys are probed rarely: one word on each is enough where several ways have one.
        let counts: Option<Vec<u32>> = ways.iter().map(|way| Some(refused(way)?.count)).collect();
        let everywhere = counts.is_some_and(|counts| counts.iter().sum::<u32>() >= REFUSALS);
        self.heard && (everywhere || self.is_refused(ways.into_iter(), |refusal| refusal == Refusal::Port))
    }

    /// Whether some address of the server is refused on every way to it.
    fn is_refused(&self, ways: impl Iterator<Item = Tried>, counts: impl Fn(Refusal) -> bool) -> bool {
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

/// Whether both leave this machine by one address, as far as they tell.
fn same_source(one: &Path, other: &Path) -> bool {
    let (one, other) = (one.local.ip, other.local.ip);
    one == other || one.is_unspecified() || other.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;
    use net::LocalAddr;

    fn way(local: u8, remote: u8) -> Tried {
        let local = LocalAddr { ip: [192, 0, 2, local].into(), interface: None };
        Tried { path: Path { local, remote: ([198, 51, 100, remote], 60001).into() }, sent: 5 }
    }

    fn refused(patience: &mut Patience, way: Tried, refusal: Refusal) {
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
        let ends = |patience: &Patience| patience.ends_at(true, false, ways.into_iter());
        assert_eq!(ends(&patience), Some(at(15)));
        refused(&mut patience, ways[0], Refusal::Port);
        assert_eq!(ends(&patience), Some(at(15)), "the other uplink may reach that address");
        refused(&mut patience, ways[1], Refusal::Unreachable);
        assert_eq!(ends(&patience), Some(at(4)));
        assert_eq!(patience.ends_at(true, true, ways.into_iter()), Some(at(15)), "ssh may carry it");
        patience.hear(at(1));
        assert_eq!(ends(&patience), None, "a person decides");
    }

    #[test]
    fn a_command_s_server_that_is_gone_is_given_up() {
        let mut patience = Patience::new(at(0));
        patience.hear(at(10));
        let ways = [way(1, 1)];
        let ends = |patience: &Patience| patience.ends_at(false, false, ways.into_iter());
        assert_eq!(ends(&patience), Some(at(10 + 15 * 60)));
        refused(&mut patience, ways[0], Refusal::Unreachable);
        assert_eq!(ends(&patience), Some(at(10 + 15 * 60)), "routes come back");
        refused(&mut patience, ways[0], Refusal::Port);
        assert_eq!(ends(&patience), Some(at(10 + 3 * 60)));
        patience.excuse(at(7200));
        assert_eq!(ends(&patience), Some(at(7200 + 3 * 60)), "what was slept through does not count");
        patience.hear(at(7300));
        assert_eq!(ends(&patience), Some(at(7300 + 15 * 60)));
        assert_eq!(
            patience.ends_at(false, false, [].into_iter()),
            None,
            "without a network nothing can be heard"
        );
    }

    #[test]
    fn a_farewell_outlasts_a_blip_and_not_the_user_s_patience() {
        let until = |heard, owed_since, now| {
            let mut patience = Patience::new(at(0));
            if heard {
                patience.hear(at(0));
            }
            patience.say_farewell(owed_since, now);
            patience.say_farewell(None, now + FAREWELL);
            patience.farewell_until()
        };
        assert_eq!(until(true, None, at(100)), Some(at(110)));
        assert_eq!(until(true, Some(at(99)), at(100)), Some(at(109)), "a blip, perhaps");
        assert_eq!(until(true, Some(at(40)), at(100)), Some(at(102)), "a silence that the user was told of");
        assert_eq!(until(false, None, at(1)), Some(at(3)), "not one word has come");
    }

    #[test]
    fn a_farewell_to_a_server_that_is_gone_is_short_also_when_its_host_says_so_later() {
        let mut patience = Patience::new(at(0));
        patience.hear(at(100));
        patience.shorten_farewell();
        patience.say_farewell(None, at(100));
        assert_eq!(patience.farewell_until(), Some(at(110)));
        patience.shorten_farewell();
        assert_eq!(patience.farewell_until(), Some(at(102)));
    }

    #[test]
    fn a_path_that_leaves_its_source_to_the_system_is_refused_by_any() {
        let mut patience = Patience::new(at(0));
        patience.hear(at(1));
        let local = LocalAddr { ip: [0, 0, 0, 0].into(), interface: None };
        let one = Tried { path: Path { local, ..way(1, 1).path }, sent: 5 };
        refused(&mut patience, way(1, 1), Refusal::Port);
        assert!(patience.is_gone([one].into_iter()));
        patience.notice(at(2));
        (0..REFUSALS).for_each(|_| patience.refuse_here(&way(1, 1).path));
        assert!(patience.is_refused_here([one].into_iter()));
    }

    #[test]
    fn a_server_is_gone_when_every_way_says_so_and_not_by_one_word() {
        let mut patience = Patience::new(at(0));
        let ways = [way(1, 1), way(2, 1)];
        patience.hear(at(1));
        for (which, gone) in [(0, false), (0, false), (0, false), (1, true)] {
            patience.refuse(&ways[which].path, Refusal::Port);
            assert_eq!(patience.is_gone(ways.into_iter()), gone);
        }
        patience.notice(at(2));
        assert!(!patience.is_gone(ways.into_iter()));
        ways.iter().for_each(|way| patience.refuse(&way.path, Refusal::Unreachable));
        assert!(!patience.is_gone(ways.into_iter()), "routes come back");
    }

    #[test]
    fn what_this_machine_refuses_to_send_needs_no_longer_wait() {
        let mut patience = Patience::new(at(0));
        let ways = [way(1, 1), way(2, 1)];
        for way in ways {
            assert_eq!(patience.ends_at(true, false, ways.into_iter()), Some(at(15)));
            (0..REFUSALS).for_each(|_| patience.refuse_here(&way.path));
        }
        assert!(patience.is_refused_here(ways.into_iter()) && !patience.is_gone(ways.into_iter()));
        assert_eq!(patience.ends_at(true, false, ways.into_iter()), Some(at(4)));
        patience.hear(at(1));
        assert!(!patience.is_refused_here(ways.into_iter()));
    }

    #[test]
    fn an_error_that_names_no_source_counts_for_every_source() {
        let mut patience = Patience::new(at(0));
        let nowhere = Tried {
            path: Path { local: LocalAddr { ip: [0, 0, 0, 0].into(), interface: None }, ..way(1, 1).path },
            sent: 0,
        };
        refused(&mut patience, nowhere, Refusal::Port);
        assert_eq!(patience.refused(&way(2, 1).path).map(|refusals| refusals.count), Some(REFUSALS));
        assert_eq!(patience.refused(&way(2, 2).path), None);
    }
}
