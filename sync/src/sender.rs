//! The sending half: what of this end's object to send, from which base, and when. Contract: an instruction's base is
//! a state that the peer has or very likely has; whatever is not acknowledged is sent again; at most 32 states are
//! kept, and fewer where they hold much; no diff is longer than the peer takes.
//!
//! Source: Winstein and Balakrishnan, "Mosh: An Interactive Remote Shell for Mobile Clients" (USENIX ATC 2012), §2.3.

use crate::held::{self, Held};
use crate::instruction::SHUTDOWN;
use crate::timing::{ACTIVE_RETRY, Ending, HEARTBEAT};
use crate::{Config, Link, Reason, State};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;
use net::Instant;

/// How many sent states are kept at most.
const MAX_SENT: usize = 32;
/// Which one goes when there are more, counted from the newest: the middle, so that old and new bases remain.
const THINNED: usize = 16;
/// A diff from the acknowledged state is preferred to one from the assumed state while it is smaller than this …
const RESEND_MAX: usize = 1000;
/// … and at most this much longer.
const RESEND_EXTRA: usize = 100;

/// A state as it was when it was sent.
struct Sent<L> {
    number: u64,
    /// When it was sent last.
    at: Instant,
    /// When it was sent first.
    first_at: Instant,
    /// States with the same content have the same mark.
    content: u64,
    state: L,
}

/// An instruction to be sent: everything but what the receiving half adds.
pub(crate) struct Step {
    pub old: u64,
    pub new: u64,
    pub throwaway: u64,
    pub diff: Vec<u8>,
    /// Identifies what the new state contains.
    pub content: u64,
    /// Whether this content goes for the first time.
    pub first: bool,
    /// It says nothing but what has arrived, and no answer to it is needed (between our own ends).
    pub acknowledges: bool,
}

/// How many frames may follow each other closely before the frame clock holds them back: an echo right after the
/// acknowledgement of the echo before it. Between our own ends only.
const BURST: u32 = 3;

/// How late an event loop may be, and what whole milliseconds hide.
const LATE: Duration = Duration::from_millis(10);

/// Whether the newest is to be said again at the next opportunity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Again {
    #[default]
    No,
    /// If the peer has not acknowledged it: a path is in doubt.
    IfUnanswered,
    Surely,
}

/// The sending half of a transport.
pub(crate) struct Sender<L> {
    config: Config,
    current: L,
    /// What to send when `current` is too far from the acknowledged state for one instruction.
    clipped: Option<L>,
    /// The mark of what is to be sent: `clipped` or `current`.
    content: u64,
    next_content: u64,
    dirty: bool,
    /// Oldest first: the front is acknowledged. Never empty.
    sent: VecDeque<Sent<L>>,
    held: Held,
    /// The peer's newest state that this end has, which every instruction tells.
    ack: u64,
    ack_due: Option<Instant>,
    last_emitted: Option<Instant>,
    /// When the change that waits for more was first seen.
    changed_at: Option<Instant>,
    /// When the frame clock would have sent the newest frame, had every frame waited its turn (the "theoretical
    /// arrival time" of the generic cell rate algorithm, ITU-T I.371).
    frame_clock: Instant,
    last_heard: Instant,
    /// The base of the last instruction is one that the peer has: whatever else is lost, it can be applied.
    stands_alone: bool,
    again: Again,
    /// What was said again last because a path was in doubt, and when.
    hedged: (u64, Instant),
    ending: Option<Ending>,
}

impl<L: State> Sender<L> {
    pub(crate) fn new(state: L, config: Config, now: Instant) -> Self {
        let first = Sent { number: 0, at: now, first_at: now, content: 0, state: state.clone() };
        Self {
            config,
            current: state,
            clipped: None,
            content: 0,
            next_content: 1,
            dirty: false,
            sent: VecDeque::from([first]),
            held: Held::default(),
            ack: 0,
            ack_due: Some(now),
            last_emitted: None,
            changed_at: None,
            frame_clock: now,
            last_heard: now,
            stands_alone: true,
            again: Again::No,
            hedged: (0, Instant::ZERO),
            ending: None,
        }
    }

    pub(crate) fn current(&self) -> &L {
        &self.current
    }

    pub(crate) fn current_mut(&mut self) -> &mut L {
        self.dirty = true;
        &mut self.current
    }

    // The list is made with one state and never emptied; the fallbacks below are for the type system.
    fn front(&self) -> Option<&Sent<L>> {
        self.sent.front()
    }

    fn front_number(&self) -> u64 {
        self.front().map_or(0, |sent| sent.number)
    }

    pub(crate) fn back_number(&self) -> u64 {
        self.sent.back().map_or(0, |sent| sent.number)
    }

    fn back_content(&self) -> u64 {
        self.sent.back().map_or(0, |sent| sent.content)
    }

    /// When the newest acknowledged state was sent.
    pub(crate) fn acknowledged_at(&self) -> Instant {
        self.front().map_or(Instant::ZERO, |sent| sent.at)
    }

    pub(crate) fn acknowledged_number(&self) -> u64 {
        self.front_number()
    }

    /// When the oldest content that the peer has not acknowledged was first sent.
    pub(crate) fn unanswered_since(&self) -> Option<Instant> {
        let known = self.front()?.content;
        self.sent.iter().find(|sent| sent.content != known).map(|sent| sent.first_at)
    }

    pub(crate) fn shutting_down(&self) -> bool {
        self.ending.is_some()
    }

    pub(crate) fn shutdown_acknowledged(&self) -> bool {
        self.front_number() == SHUTDOWN
    }

    pub(crate) fn shutdown_given_up(&self, now: Instant) -> bool {
        self.ending.is_some_and(|ending| now >= ending.given_up_at())
    }

    pub(crate) fn start_shutdown(&mut self, now: Instant) {
        let extended = self.config.extended;
        self.ending.get_or_insert_with(|| Ending::new(extended, now));
    }

    /// The peer acknowledges its copy of state `number`. Returns whether that is news.
    pub(crate) fn handle_ack(&mut self, number: u64) -> bool {
        let Some(index) = self.sent.iter().position(|sent| sent.number == number) else { return false };
        if index == 0 {
            return false;
        }
        self.sent.drain(..index);
        if let Some(front) = self.sent.front() {
            let known = front.state.clone();
            self.current.subtract(&known);
            for sent in &mut self.sent {
                sent.state.subtract(&known);
            }
        }
        // What is sent may now go further.
        self.dirty |= self.clipped.take().is_some();
        true
    }

    /// The peer's newest state is `number`; every instruction will say so.
    pub(crate) fn set_ack(&mut self, number: u64) {
        self.ack = number;
    }

    /// Forgets every state but the one that the peer is known to have, which is what there is to send from now on.
    pub(crate) fn freeze(&mut self) {
        self.sent.truncate(1);
        let Some(front) = self.sent.front() else { return };
        self.current = front.state.clone();
        self.content = front.content;
        self.clipped = None;
        self.dirty = false;
        self.changed_at = None;
        self.again = Again::No;
    }

    /// An acknowledgement is owed.
    pub(crate) fn owe_ack(&mut self, now: Instant) {
        let due = now + self.config.ack_delay;
        self.ack_due = Some(self.ack_due.map_or(due, |earlier| earlier.min(due)));
    }

    pub(crate) fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    /// Sends the newest again at the next opportunity.
    pub(crate) fn repeat_newest(&mut self) {
        self.again = Again::Surely;
    }

    /// The same, unless the peer is known to have it, or it was said again for this reason within a timeout.
    pub(crate) fn repeat_unanswered(&mut self) {
        self.again = self.again.max(Again::IfUnanswered);
    }

    /// Whether a doubt is a reason to say the newest again; if it is, that is noted.
    fn is_worth_repeating(&mut self, link: &Link, now: Instant) -> bool {
        let unanswered = self.front().is_some_and(|front| front.content != self.back_content());
        let (content, at) = self.hedged;
        let repeated = content == self.back_content() && now.since(at) < link.rto;
        let worth = (unanswered && !repeated) || self.ending.is_some();
        if worth {
            self.hedged = (self.back_content(), now);
        }
        worth
    }

    /// Marks what there is to send, after a change.
    fn settle(&mut self, now: Instant) {
        if self.dirty {
            self.dirty = false;
            self.clipped = self.sent.front().and_then(|front| self.current.clipped_from(&front.state));
            let target = self.clipped.as_ref().unwrap_or(&self.current);
            if self.sent.back().is_some_and(|back| target.same(&back.state)) {
                self.content = self.back_content();
            } else {
                self.content = self.next_content;
                self.next_content += 1;
            }
        }
        if self.content != self.back_content() && self.changed_at.is_none() {
            self.changed_at = Some(now);
        }
    }

    /// The newest state that the peer can be expected to have: it was sent so lately, after states all sent so
    /// lately, that an acknowledgement could not be here yet.
    fn assumed(&self, link: &Link, now: Instant) -> usize {
        let patience = link.rto + self.ack_delay(link);
        self.sent.iter().skip(1).take_while(|sent| now.since(sent.at) < patience).count()
    }

    /// How long the peer may hold an acknowledgement back.
    fn ack_delay(&self, link: &Link) -> Duration {
        // In whole milliseconds: what is compared with the clock has no finer grain than it.
        let held = Duration::from_millis((link.peer_hold + LATE).as_millis().clamp(15, 1000) as u64);
        if self.config.extended { held } else { self.config.ack_delay }
    }

    fn retry_until(&self) -> Instant {
        let unanswered = if self.config.extended { self.unanswered_since() } else { None };
        self.last_heard.max(unanswered.unwrap_or(Instant::ZERO)) + ACTIVE_RETRY
    }

    /// When the content is to be sent, and why.
    fn send_at(&self, link: &Link, now: Instant) -> Option<(Instant, Reason)> {
        let back = self.sent.back()?;
        let frame = back.at + link.send_interval();
        let settled = |changed: Instant| changed + self.config.mindelay;
        if self.content != back.content {
            // A path that is known to be busy gets the newest once it is clear, and that no later than an original would.
            let turn = if self.config.extended {
                (self.frame_clock - link.send_interval() * BURST)
                    .max(link.clear_at.min(frame + link.send_interval()))
            } else {
                frame
            };
            return Some((turn.max(settled(self.changed_at.unwrap_or(now))), Reason::Frame));
        }
        if now >= self.retry_until() {
            return None;
        }
        let assumed = self.sent.get(self.assumed(link, now))?;
        let again = back.at + link.rto + self.ack_delay(link);
        // An older state is overdue; the newest was sent later, and where a queue stands it is given its time.
        if self.content != assumed.content && self.config.extended && self.stands_alone && link.queued {
            return Some((again, Reason::Retransmit));
        }
        if self.content != assumed.content {
            return Some((frame.max(self.changed_at.map_or(frame, settled)), Reason::Retransmit));
        }
        if self.content != self.front()?.content {
            return Some((again, Reason::Retransmit));
        }
        None
    }

    /// When an instruction is to be sent whether there is content or not, and why.
    fn ack_at(&self, link: &Link) -> Option<(Instant, Reason)> {
        let since = |period: Duration| self.last_emitted.map_or(Instant::ZERO, |last| last + period);
        let told = self.ending.filter(|_| !self.shutdown_acknowledged()).map(|ending| ending.again_at(link));
        // Between our own ends whoever asks again is told again at once.
        let owed = self.ack_due.filter(|_| told.is_some() && self.config.extended);
        let answer = (self.ack == SHUTDOWN).then(|| since(link.send_interval()));
        if let Some(at) = [told, owed, answer].into_iter().flatten().min() {
            return Some((at, Reason::Shutdown));
        }
        let unacknowledged = self.front().is_some_and(|front| front.content != self.back_content());
        let period = self.config.heartbeat.or_else(|| unacknowledged.then_some(HEARTBEAT));
        let heartbeat = period.map(|period| (since(period), Reason::Heartbeat));
        // What the network is about to answer anyhow the acknowledgement answers.
        let answer_at = link.answer_at.filter(|_| self.config.extended);
        let ack = self.ack_due.map(|due| (answer_at.unwrap_or(due), Reason::Ack));
        [ack, heartbeat].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    pub(crate) fn poll_timeout(&self, link: &Link, now: Instant) -> Option<(Instant, Reason)> {
        if !link.connected {
            return None;
        }
        if self.dirty || self.again != Again::No {
            return Some((now, Reason::Ready));
        }
        [self.ack_at(link), self.send_at(link, now)].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// The next instruction, if one is due.
    pub(crate) fn poll(&mut self, link: &Link, now: Instant) -> Option<Step> {
        if !link.connected {
            return None;
        }
        self.settle(now);
        let repeat = match core::mem::take(&mut self.again) {
            Again::No => false,
            Again::IfUnanswered => self.is_worth_repeating(link, now),
            Again::Surely => true,
        };
        let due = |at: Option<(Instant, Reason)>| at.is_some_and(|(at, _)| at <= now);
        let (ack_due, send_due) = (due(self.ack_at(link)), due(self.send_at(link, now)));
        if !(ack_due || send_due || repeat) {
            return None;
        }
        // After a loss of the path nothing is assumed: only what was acknowledged is a base.
        let assumed = if repeat { 0 } else { self.assumed(link, now) };
        // Between our own ends what is on its way is said once more with an acknowledgement only where much is lost.
        let under_way = self.sent.get(assumed).is_some_and(|assumed| assumed.content == self.content);
        let spares = self.config.extended && !link.lossy;
        let only_ack = spares && !send_due && !repeat && self.ending.is_none();
        let (base, diff) =
            if only_ack && under_way { (assumed, Vec::new()) } else { self.choose_fitting(assumed) };
        let known = self.sent.get(base).is_some_and(|base| base.content == self.content);
        if diff.is_empty() && known && !ack_due && !repeat {
            self.changed_at = None;
            return None;
        }
        let is_ack = diff.is_empty() && known;
        let mut step = self.emit(base, diff, is_ack, link, now);
        // What is to be said again is to be heard as more than an acknowledgement.
        step.acknowledges &= !repeat;
        Some(step)
    }

    /// The state to start from and a diff that is not too long: to a state on the way, where it has to be.
    fn choose_fitting(&mut self, assumed: usize) -> (usize, Vec<u8>) {
        let (base, diff) = self.choose_base(assumed);
        if diff.len() <= self.target().longest_sent() {
            return (base, diff);
        }
        let part = self.sent.get(base).and_then(|base| self.target().shortened_from(&base.state));
        let Some(part) = part else { return (base, diff) };
        if self.sent.back().is_some_and(|back| part.same(&back.state)) {
            self.content = self.back_content();
        } else {
            self.content = self.next_content;
            self.next_content += 1;
        }
        self.clipped = Some(part);
        self.choose_base(assumed)
    }

    /// The state to start from and the diff. The acknowledged state is preferred to the assumed one when that costs
    /// little: it repairs a loss before it is known to be one.
    fn choose_base(&self, assumed: usize) -> (usize, Vec<u8>) {
        let diff = |index: usize| match self.sent.get(index) {
            Some(base) if base.content != self.content => self.target().diff_from(&base.state),
            _ => Vec::new(),
        };
        let proposed = diff(assumed);
        if assumed == 0 || (proposed.is_empty() && self.content == self.front().map_or(0, |f| f.content)) {
            return (assumed, proposed);
        }
        let resend = diff(0);
        let cheap = resend.len() <= proposed.len()
            || (resend.len() < RESEND_MAX && resend.len() < proposed.len() + RESEND_EXTRA);
        if cheap && !resend.is_empty() { (0, resend) } else { (assumed, proposed) }
    }

    /// Looks at what is held, and forgets states between what was acknowledged and the newest until it is little enough.
    fn make_room(&mut self) {
        loop {
            let octets = L::held(self.sent.iter().map(|sent| &sent.state));
            self.held.set(octets);
            let spare = self.sent.len().saturating_sub(held::LEAST);
            if !held::is_much(octets) || spare == 0 {
                return;
            }
            for _ in 0..spare.div_ceil(2) {
                let newest = THINNED.min(self.sent.len() - 1);
                self.sent.remove(self.sent.len() - newest);
            }
        }
    }

    fn target(&self) -> &L {
        self.clipped.as_ref().unwrap_or(&self.current)
    }

    fn emit(&mut self, base: usize, diff: Vec<u8>, is_ack: bool, link: &Link, now: Instant) -> Step {
        let (back, ending) = (self.back_number(), self.ending.is_some());
        let first = self.content != self.back_content();
        if first {
            // Typing on a slow path is not held back to two keys a round trip: what is small costs little.
            let cost =
                if diff.len() <= net::INTERACTIVE { link.send_interval() / 8 } else { link.send_interval() };
            self.frame_clock = self.frame_clock.max(now) + cost;
        }
        let old = self.sent.get(base).map_or(0, |base| base.number);
        self.stands_alone = base == 0;
        // An acknowledgement is a state of its own for original peers. Ours take the newest state once more, so that
        // no unacknowledged state without content stands in the way of the assumption.
        let acknowledges = is_ack && self.config.extended && !ending && self.ack != SHUTDOWN;
        let (old, new) = match () {
            () if ending => (old, SHUTDOWN),
            () if is_ack && self.config.extended => (back, back),
            () if is_ack || first => (old, back + 1),
            () => (old, back),
        };
        if new != back {
            let state = self.target().clone();
            let beyond = self.sent.back().map_or(0, |back| state.held_beyond(&back.state));
            self.sent.push_back(Sent { number: new, at: now, first_at: now, content: self.content, state });
            if self.sent.len() > MAX_SENT {
                self.sent.remove(self.sent.len() - THINNED);
            }
            if self.held.add(beyond) {
                self.make_room();
            }
        } else if let (Some(back), false) = (self.sent.back_mut(), old == new) {
            back.at = now;
        }
        if let Some(ending) = &mut self.ending {
            ending.tried(now);
        }
        self.last_emitted = Some(now);
        self.ack_due = None;
        self.changed_at = None;
        Step { old, new, throwaway: self.front_number(), diff, content: self.content, first, acknowledges }
    }
}
