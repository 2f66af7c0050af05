//! The frame clock: how often to send, and what this end may assume of the other. Contract: towards an original peer
//! every period is the original's; between our own ends the acknowledgements come sooner and silence is free.

use core::time::Duration;
use net::Instant;

/// The shortest time between two frames.
const SEND_INTERVAL_MIN: Duration = Duration::from_millis(20);
/// The longest time between two frames.
const SEND_INTERVAL_MAX: Duration = Duration::from_millis(250);
/// An instruction at least this often, when there is a duty to send one.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(3);
/// How long retransmission goes on at the pace of the frame clock with nothing heard; later the heartbeat carries it.
pub(crate) const ACTIVE_RETRY: Duration = Duration::from_secs(10);
/// How long a shutdown waits for the acknowledgement of an original peer, as originals do.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);
/// How many states of the peer's are held: as many again as one of our own ends keeps of what it has sent …
const STATES: usize = 64;
/// … and as many as originals hold.
const STATES_STOCK: usize = 1024;
/// How many instructions a shutdown spends on getting acknowledged by an original peer, as originals do.
const SHUTDOWN_TRIES: u32 = 16;
/// How long a shutdown waits for the acknowledgement of one of our own ends. The owner may leave sooner: this only bounds
/// how long a forgotten end stays.
pub(crate) const SHUTDOWN_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// The end of a session, as this end wants it. Contract: an original peer is told as often as originals tell; one of our
/// own ends is told until it answers, ever more rarely, because the blip that swallowed the first farewells may last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    since: Instant,
    tries: u32,
    tried_at: Option<Instant>,
    extended: bool,
}

impl Ending {
    pub(crate) fn new(extended: bool, now: Instant) -> Self {
        Self { since: now, tries: 0, tried_at: None, extended }
    }

    /// Whether an instruction has been spent on it; whether the peer answered is for the caller to know.
    pub(crate) fn tried(&mut self, now: Instant) {
        self.tries = self.tries.saturating_add(1);
        self.tried_at = Some(now);
    }

    /// When the peer is to be told again. Between our own ends at the pace of the frame clock first, later after a quarter
    /// of the time that it has lasted: a short blip is followed closely, and a long one costs little.
    pub(crate) fn again_at(&self, link: &Link) -> Instant {
        let Some(last) = self.tried_at else { return Instant::ZERO };
        let pace = link.send_interval();
        let rare = last.since(self.since) / 4;
        last + if self.extended { rare.clamp(pace, HEARTBEAT) } else { pace }
    }

    /// When the peer counts as gone.
    pub(crate) fn given_up_at(&self) -> Instant {
        match self.extended {
            true => self.since + SHUTDOWN_LIMIT,
            false if self.tries >= SHUTDOWN_TRIES => Instant::ZERO,
            false => self.since + SHUTDOWN_TIMEOUT,
        }
    }
}

/// What the network below measures, given at each call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// The smoothed round-trip time.
    pub srtt: Duration,
    /// What congestion that the peer reports adds to it for the frame rate, and for nothing else.
    pub congestion: Duration,
    /// The retransmission timeout, already clamped to sensible bounds.
    pub rto: Duration,
    /// The longest payload that a datagram takes, in octets.
    pub max_payload: usize,
    /// Whether there is somewhere to send to that takes something now. Nothing is produced while there is not: what is
    /// produced later is newer.
    pub connected: bool,
    /// When the network answers something of the peer's anyhow: an acknowledgement that is owed goes then, and is the
    /// answer. `None` where nothing waits for one.
    pub answer_at: Option<Instant>,
    /// How long the peer may hold its answers.
    pub peer_hold: Duration,
    /// When the path has carried what was sent on it: what is sent sooner waits in its queue, and is older when it arrives.
    /// The past where that is not known.
    pub clear_at: Instant,
    /// A queue stands on the path: what is sent again early makes it longer, and is no sooner there.
    pub queued: bool,
    /// The path loses some of what is sent all along, and no queue stands on it: a word more costs little and repairs much.
    pub lossy: bool,
}

impl Link {
    /// What a connection knows of the network, now.
    #[must_use]
    pub fn of(connection: &net::Connection, now: Instant) -> Self {
        Self {
            srtt: connection.srtt(),
            congestion: connection.congestion_delay(),
            rto: connection.rto(),
            max_payload: connection.max_payload(),
            connected: connection.is_connected() && !connection.is_held_back(),
            answer_at: connection.answer_at(),
            peer_hold: connection.peer_hold(),
            clear_at: connection.clear_at(),
            queued: connection.is_queued(),
            lossy: connection.is_lossy(now),
        }
    }

    /// The time between two frames: two to the round trip, and fewer when the network marks congestion.
    pub(crate) fn send_interval(&self) -> Duration {
        ((self.srtt + self.congestion) / 2).clamp(SEND_INTERVAL_MIN, SEND_INTERVAL_MAX)
    }
}

/// How a [`crate::Transport`] behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// How long a change waits for more to come before it is sent: 8 ms is right for a program's output, 1 ms for
    /// typing.
    pub mindelay: Duration,
    /// How long an acknowledgement waits for something to ride on, where the network below has no answer of its own to give
    /// ([`Link::answer_at`]). Towards an original peer both ends must agree on the longest: a sender repeats itself after
    /// the retransmission timeout and this.
    pub ack_delay: Duration,
    /// An instruction this often even when there is nothing to say. `None`: only while something is
    /// unacknowledged (and the network below keeps its own paths alive).
    pub heartbeat: Option<Duration>,
    /// How many instructions may be partly received at a time.
    pub assemblies: usize,
    /// How many states of the peer's object are held at most.
    pub states: usize,
    /// Whether the peer is of our own kind: acknowledgements need no states of their own, and whatever arrives
    /// again is acknowledged again.
    pub extended: bool,
    /// The seed of the padding.
    pub chaff_seed: u64,
}

impl Config {
    /// Towards an original peer. `mindelay`: see the field.
    #[must_use]
    pub fn stock(mindelay: Duration, chaff_seed: u64) -> Self {
        Self {
            mindelay,
            ack_delay: Duration::from_millis(100),
            heartbeat: Some(HEARTBEAT),
            // What this end keeps is its own affair: an original sender never notices.
            assemblies: 8,
            states: STATES_STOCK,
            extended: false,
            chaff_seed,
        }
    }

    /// Between our own ends.
    #[must_use]
    pub fn extended(mindelay: Duration, chaff_seed: u64) -> Self {
        Self {
            mindelay,
            // The reply is due long before the shortest retransmission timeout (50 ms), yet late enough for the
            // echo of a key to carry it.
            ack_delay: Duration::from_millis(25),
            heartbeat: None,
            assemblies: 8,
            states: STATES,
            extended: true,
            chaff_seed,
        }
    }
}

/// Why a wake-up is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Something is ready now: `poll_transmit` was not drained.
    Ready,
    /// A change may be sent.
    Frame,
    /// Something sent has not been acknowledged.
    Retransmit,
    /// An acknowledgement is due.
    Ack,
    /// It is time for a sign of life.
    Heartbeat,
    /// The session is ending.
    Shutdown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_frames_to_the_round_trip_within_bounds() {
        let interval = |srtt, congestion| {
            let (srtt, congestion) = (Duration::from_millis(srtt), Duration::from_millis(congestion));
            let link =
                Link { srtt, congestion, rto: srtt, max_payload: 500, connected: true, ..Link::default() };
            link.send_interval().as_millis()
        };
        assert_eq!([1, 40, 100, 3000].map(|srtt| interval(srtt, 0)), [20, 20, 50, 250]);
        assert_eq!([0, 62, 300, 500].map(|congestion| interval(40, congestion)), [20, 51, 170, 250]);
    }
}
