//! How large the datagrams of one flow may be: the path MTU search of RFC 8899, and the notice of its black holes.
//!
//! Contract: pure. Sizes are the octets of a UDP payload, taken from a list and named by their number there, the
//! *code* that headers carry (SPEC \[M-2]): each end says how large the largest datagram was that arrived since it last
//! said so. So every answer proves a size, or fails to. The owner tells what is sent ([`Mtu::sent`]), what is said
//! ([`Mtu::heard`]) and when [`Mtu::timer`] has come ([`Mtu::expire`]), and sends what [`Mtu::next_padded`] gives.
//! SPEC \[M-1] to \[M-7].

mod bracket;
mod sizes;

pub(crate) use self::sizes::code_of;

use self::bracket::Bracket;
use self::sizes::{Code, FLOOR, octets_of};
use crate::Instant;
use alloc::collections::VecDeque;
use core::time::Duration;

/// Between the first answers of a flow and its search: the first screen goes first.
const SETTLE: Duration = Duration::from_secs(1);
/// The longest pause after a probe that was not answered; it doubles from one RTO.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Octets a second of the slowest path that is searched with patience: 9.6 kbit/s. A probe's answer is due a round trip
/// after its last octet has left.
const SLOWEST: u64 = 1200;
/// A finished search is repeated after this long (RFC 8899 §5.1.1, PMTU_RAISE_TIMER).
const RAISE: Duration = Duration::from_secs(600);
/// Probes of one size that must be lost before it is taken for too large, on a path that loses nothing and on others
/// (RFC 8899 §5.1.2, MAX_PROBES).
const TRIES: (u8, u8) = (2, 3);
/// How many large datagrams are remembered until an answer passes them.
const REMEMBERED: usize = 32;
/// The least time between two verifications that found nothing, on a path that loses little and on one that loses much.
const CALM: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(2));
/// From this loss on, in percent of the round trips, a path loses much.
const LOSSY: u8 = 15;

/// What became of the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Grown,
    /// What was sent in larger datagrams lately has not arrived.
    Shrunk,
}

/// A zero-padded probe to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Padded {
    /// Octets of UDP payload.
    pub(crate) octets: usize,
    /// It asks for the path's MTU. Otherwise it asks whether what is sent like data arrives.
    pub(crate) dont_fragment: bool,
}

/// The circumstances of a flow that its search depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// When an answer is overdue.
    pub(crate) rto: Duration,
    /// Percent of the round trips that are lost, as far as it is known.
    pub(crate) lost: u8,
    /// A queue stands on the path: a large datagram makes it longer, and a late answer is no sign.
    pub(crate) queued: bool,
    pub(crate) now: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    /// The search begins or goes on, with this size that was tried so often before.
    Waiting {
        at: Instant,
        again: Option<(Code, u8)>,
    },
    Probing {
        code: Code,
        tries: u8,
        since: Instant,
        deadline: Instant,
        /// Something sent since was answered: the path is alive.
        alive: bool,
    },
    /// The size in use may have vanished into a black hole.
    Verifying {
        since: Instant,
        deadline: Instant,
        alive: bool,
        best: Code,
    },
}

/// A datagram of at least the floor's size that no answer has passed yet.
#[derive(Clone, Copy, Debug)]
struct Unproved {
    at: Instant,
    code: Code,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Mtu {
    size: Code,
    safe: Code,
    ceiling: Code,
    bracket: Bracket,
    phase: Phase,
    /// When the search began, and when the finished one is to be repeated.
    began: Instant,
    repeat_at: Option<Instant>,
    /// Probes in a row that were not answered in time.
    failures: u32,
    padded: VecDeque<Code>,
    unproved: VecDeque<Unproved>,
    /// Answers in a row that passed a large datagram without proving it.
    misses: u8,
    /// The loss while large datagrams still arrived.
    calm_loss: u8,
    verified_at: Option<Instant>,
    /// Somebody waits for what is found: probes follow each other without a pause.
    hasty: bool,
}

impl Mtu {
    /// A flow that starts with datagrams of `safe` octets; the local interface takes `ceiling`.
    pub(crate) fn new(safe: usize, ceiling: usize, now: Instant) -> Self {
        let (safe, ceiling) = (code_of(safe).max(FLOOR), code_of(ceiling).max(FLOOR));
        Self {
            size: safe.min(ceiling),
            safe,
            ceiling,
            bracket: Bracket::default(),
            phase: Phase::Idle,
            began: now,
            repeat_at: None,
            failures: 0,
            padded: VecDeque::new(),
            unproved: VecDeque::new(),
            misses: 0,
            calm_loss: 0,
            verified_at: None,
            hasty: false,
        }
    }

    /// The same, whose search does not spare the path.
    pub(crate) fn hasty(mut self, hasty: bool) -> Self {
        self.hasty = hasty;
        self
    }

    /// The octets of the largest datagram that may carry a payload.
    pub(crate) fn octets(&self) -> usize {
        octets_of(self.size)
    }

    /// The octets that the local system takes, where a finished search found that less passes and no router said so.
    pub(crate) fn swallowed(&self) -> Option<usize> {
        let takes = self.ceiling.min(self.bracket.allowed());
        let found = self.repeat_at.is_some() && !self.bracket.is_hinted() && self.size < takes;
        found.then(|| octets_of(takes))
    }

    /// When [`Mtu::expire`] is to be called.
    pub(crate) fn timer(&self) -> Option<Instant> {
        match self.phase {
            Phase::Idle => None,
            Phase::Waiting { at, .. } => Some(at),
            Phase::Probing { deadline, .. } | Phase::Verifying { deadline, .. } => Some(deadline),
        }
    }

    /// Whether a search would begin if the flow may have one.
    pub(crate) fn wants_search(&self, now: Instant) -> bool {
        self.phase == Phase::Idle && self.repeat_at.is_none_or(|at| at <= now)
    }

    /// The flow may have a search: it begins soon.
    pub(crate) fn arm(&mut self, now: Instant) {
        if !self.wants_search(now) {
            return;
        }
        if self.repeat_at.is_some() || now.since(self.began) >= RAISE {
            self.bracket = Bracket::default();
        }
        self.repeat_at = None;
        self.phase = Phase::Waiting { at: now + SETTLE, again: None };
    }

    /// Nothing more is sent or awaited; what is in use stays.
    pub(crate) fn park(&mut self) {
        self.phase = Phase::Idle;
        self.padded.clear();
        self.unproved.clear();
        self.misses = 0;
    }

    /// The local interface takes datagrams of so many octets, now.
    pub(crate) fn set_ceiling(&mut self, octets: usize) -> Option<Change> {
        let ceiling = code_of(octets).max(FLOOR);
        if ceiling == self.ceiling {
            return None;
        }
        self.ceiling = ceiling;
        self.park();
        self.bracket = Bracket::default();
        self.repeat_at = None;
        if self.size <= ceiling {
            return None;
        }
        self.size = ceiling;
        Some(Change::Shrunk)
    }

    /// A payload left in a datagram of so many octets.
    pub(crate) fn sent(&mut self, octets: usize, now: Instant) {
        let code = code_of(octets);
        if code >= FLOOR && self.unproved.len() < REMEMBERED {
            self.unproved.push_back(Unproved { at: now, code });
        }
    }

    /// The next padded probe that is due.
    pub(crate) fn next_padded(&mut self) -> Option<Padded> {
        let octets = octets_of(self.padded.pop_front()?);
        Some(Padded { octets, dont_fragment: matches!(self.phase, Phase::Probing { .. }) })
    }

    /// The peer said `code`: no larger datagram arrived between what it said before and the millisecond `view` of this
    /// end's clock. `proof` when everything sent until then would have arrived by then.
    pub(crate) fn heard(&mut self, code: Code, view: u64, proof: bool, so: Circumstances) -> Option<Change> {
        let missed = self.pass(code, view) && proof;
        if code >= self.size || !missed {
            self.calm_loss = so.lost;
        }
        if code >= self.size {
            self.misses = 0;
        } else if missed {
            self.misses = self.misses.saturating_add(1);
        }
        match &mut self.phase {
            Phase::Verifying { since, alive, best, .. } if since.as_millis() <= view => {
                *alive |= proof;
                *best = code.max(*best);
                if *best >= self.size {
                    self.bracket.arrived(self.size);
                    self.all_clear(so.now);
                }
            }
            Phase::Probing { code: probed, since, alive, .. } if since.as_millis() <= view => {
                *alive |= proof;
                let arrived = code >= *probed;
                self.bracket.arrived(code);
                if arrived {
                    self.failures = 0;
                    self.next(so);
                }
            }
            Phase::Verifying { .. } => {}
            _ => self.take_late_arrival(code, view, so),
        }
        if self.misses >= self.tolerated() && !self.is_verifying() && self.may_verify(so.now) {
            self.verify(so);
        }
        self.settle()
    }

    /// A probe of a larger size than is in use arrived after it had been given up: that counts, if nothing is known since
    /// that says otherwise.
    fn take_late_arrival(&mut self, code: Code, view: u64, so: Circumstances) {
        if code <= self.size || view < self.began.as_millis() {
            return;
        }
        self.bracket.arrived(code);
        self.failures = 0;
        if !matches!(self.phase, Phase::Idle) {
            self.next(so);
        }
    }

    /// Forgets the datagrams that were proved or passed by a report; whether one was passed and not proved.
    fn pass(&mut self, code: Code, view: u64) -> bool {
        let mut missed = false;
        self.unproved.retain(|large| {
            let at = large.at.as_millis();
            let proved = at <= view && large.code <= code;
            // Of what left in the same millisecond, later ones may still be under way.
            let passed = at < view && large.code > code;
            missed |= passed;
            !(proved || passed)
        });
        missed
    }

    /// An answer is overdue: if large datagrams are among what is not answered, their size may be why.
    pub(crate) fn overdue(&mut self, so: Circumstances) {
        if !self.unproved.is_empty() && !so.queued && !self.is_verifying() && self.may_verify(so.now) {
            self.verify(so);
        }
    }

    /// The timer has come. A search goes on only if the flow may have one.
    pub(crate) fn expire(&mut self, may_search: bool, so: Circumstances) -> Option<Change> {
        match self.phase {
            Phase::Idle => {}
            Phase::Verifying { alive: true, best, .. } => return Some(self.fall_back(best, so)),
            // Silence says nothing of sizes.
            Phase::Verifying { .. } => self.all_clear(so.now),
            Phase::Waiting { .. } | Phase::Probing { .. } if !may_search => self.park(),
            // Later, when the queue is gone.
            Phase::Waiting { again, .. } if so.queued => {
                self.phase = Phase::Waiting { at: so.now + SETTLE, again };
            }
            Phase::Waiting { again: Some((code, tries)), .. } => self.probe(code, tries, so),
            Phase::Waiting { .. } => {
                if self.bracket.is_open() {
                    self.began = so.now;
                }
                self.next(so);
            }
            Phase::Probing { code, tries, alive, .. } => {
                let tries = tries + u8::from(alive);
                let pause = match self.hasty {
                    true => Duration::ZERO,
                    false => (so.rto * 2_u32.pow(self.failures.min(10))).min(LONGEST_PAUSE),
                };
                self.failures = self.failures.saturating_add(1);
                let again = if tries < self.tries() {
                    Some((code, tries))
                } else if code == self.size {
                    // The size in use is not given up for a few losses.
                    self.verify(so);
                    return self.settle();
                } else {
                    self.bracket.failed(code);
                    self.bracket.candidate(self.size, self.ceiling).map(|code| (code, 0))
                };
                match again {
                    Some(_) => self.phase = Phase::Waiting { at: so.now + pause, again },
                    None => self.next(so),
                }
            }
        }
        self.settle()
    }

    /// The local system refused a datagram of so many octets, which was a padded probe or carried a payload.
    pub(crate) fn refused(&mut self, octets: usize, padded: bool, so: Circumstances) -> Option<Change> {
        let code = code_of(octets);
        if code < FLOOR {
            return None;
        }
        match self.phase {
            Phase::Probing { code: probed, .. } if padded && probed == code => {
                self.padded.clear();
                self.bracket.refused(code);
                self.next(so);
            }
            _ if padded => {}
            _ => {
                self.park();
                self.bracket.refused(code);
                self.bracket.start_over();
                self.size = FLOOR;
                self.repeat_at = None;
                self.phase = Phase::Waiting { at: so.now, again: None };
                return Some(Change::Shrunk);
            }
        }
        self.settle()
    }

    /// Somebody, perhaps a router, says that datagrams of so many octets pass on the path and larger ones do not. Believed
    /// while a probe of a larger size is under way, for this search: what it says to pass is probed next, and the size
    /// in use stays. SPEC \[M-6].
    pub(crate) fn hinted(&mut self, octets: usize, so: Circumstances) -> Option<Change> {
        if let Phase::Probing { code, .. } = self.phase
            && octets < octets_of(code)
            && code > self.size
        {
            self.bracket.hinted(code_of(octets), self.size);
            self.next(so);
        }
        self.settle()
    }

    fn next(&mut self, so: Circumstances) {
        match self.bracket.candidate(self.size, self.ceiling) {
            Some(code) => self.probe(code, 0, so),
            None => {
                self.phase = Phase::Idle;
                self.repeat_at = Some(so.now + RAISE);
            }
        }
    }

    fn probe(&mut self, code: Code, tries: u8, so: Circumstances) {
        self.padded = VecDeque::from([code]);
        let leaves = Duration::from_micros(octets_of(code) as u64 * 1_000_000 / SLOWEST);
        let leaves = if self.hasty { Duration::ZERO } else { leaves };
        let deadline = so.now + so.rto + leaves;
        self.phase = Phase::Probing { code, tries, since: so.now, deadline, alive: false };
    }

    fn is_verifying(&self) -> bool {
        matches!(self.phase, Phase::Verifying { .. })
    }

    fn may_verify(&self, now: Instant) -> bool {
        let pause = if self.calm_loss < LOSSY { CALM.0 } else { CALM.1 };
        self.verified_at.is_none_or(|at| now.since(at) >= pause)
    }

    fn tries(&self) -> u8 {
        if self.calm_loss == 0 { TRIES.0 } else { TRIES.1 }
    }

    /// Misses in a row that are taken for chance.
    fn tolerated(&self) -> u8 {
        match self.calm_loss {
            0..2 => 1,
            2..10 => 2,
            _ => 3,
        }
    }

    /// Asks with everything at once: the size in use so often that not all are lost by chance (less than once in some
    /// thousand times), and smaller ones between.
    fn verify(&mut self, so: Circumstances) {
        let often = match self.calm_loss {
            0..2 => 3,
            2..5 => 4,
            5..LOSSY => 6,
            LOSSY..30 => 9,
            _ => 12,
        };
        let smaller: [Code; 4] = [self.safe, code_of(972), code_of(548), FLOOR];
        self.padded.clear();
        for round in 0..often {
            self.padded.push_back(self.size);
            let smaller = smaller.get(round).copied().filter(|&code| code < self.size);
            self.padded.extend(smaller);
        }
        let deadline = so.now + so.rto;
        self.phase = Phase::Verifying { since: so.now, deadline, alive: false, best: 0 };
    }

    /// The size in use arrives after all, or nothing does.
    fn all_clear(&mut self, now: Instant) {
        self.misses = 0;
        self.verified_at = Some(now);
        self.padded.clear();
        self.phase = if self.repeat_at.is_some() {
            Phase::Idle
        } else {
            Phase::Waiting { at: now + SETTLE, again: None }
        };
    }

    /// Smaller datagrams arrive, and those of the size in use do not: a black hole. The search goes on below it.
    fn fall_back(&mut self, best: Code, so: Circumstances) -> Change {
        self.park();
        self.bracket = self.bracket.between(best, self.size);
        // Where not even the floor was seen to arrive it is the best guess all the same.
        self.size = best.max(FLOOR);
        self.began = so.now;
        self.repeat_at = None;
        self.verified_at = None;
        self.next(so);
        Change::Shrunk
    }

    /// Brings the size in use into the bracket. It shrinks only to what was seen to arrive.
    fn settle(&mut self) -> Option<Change> {
        let low = self.bracket.low();
        if low.min(self.ceiling) > self.size {
            self.size = low.min(self.ceiling);
            Some(Change::Grown)
        } else if self.bracket.excludes(self.size) {
            self.size = low;
            Some(Change::Shrunk)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests;
