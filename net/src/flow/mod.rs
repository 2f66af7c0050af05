//! One flow: the protocol object that an id on the wire names, riding one path at a time.
//!
//! Contract: its [`Numbers`] live as long as the key, its [`Binding`] as long as it rides one path. Moving a flow to another
//! path replaces the binding as a whole and leaves the numbers alone. SPEC \[F-1] to \[F-7].

mod binding;
mod budget;
mod keepalive;
mod latency;
mod liveness;
mod loss;
mod mtu;
mod replay;
mod rtt;
mod validation;

#[cfg(test)]
pub(crate) use binding::LONGEST_HOLD;
pub(crate) use binding::{Binding, CONGESTION_PENALTY, Suspicion};
pub(crate) use budget::BELIEVED;
pub(crate) use keepalive::SHORTEST as SHORTEST_KEEPALIVE;
pub(crate) use mtu::{Change, Circumstances, Mtu, code_of};
pub(crate) use replay::{Order, ReplayWindow};
pub(crate) use rtt::GRANULARITY;
pub(crate) use validation::{Candidacy, same_address};

use crate::wire::{FlowId, NonceSource};
use crate::{Path, Side};

/// How a flow stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlowState {
    /// Answers what is sent on it.
    Answering,
    /// Never answered yet.
    Untried,
    /// An answer is overdue.
    Suspect,
    /// Several answers are overdue.
    Lost,
    /// Its interface, address or route is gone.
    Suspended,
    /// Never answered, and is not tried any more until the network changes.
    Retired,
}

impl FlowState {
    /// Whether datagrams may be sent on it.
    pub(crate) fn is_open(self) -> bool {
        !matches!(self, Self::Suspended | Self::Retired)
    }
}

/// What lives as long as the key: no number is sent or taken twice under it, whichever path the flow rides.
#[derive(Debug)]
pub(crate) struct Numbers {
    pub(crate) nonces: NonceSource,
    pub(crate) replay: ReplayWindow,
}

/// What is kept of the numbers of a flow that gave way to others.
#[derive(Debug)]
pub(crate) struct Rest {
    nonces: NonceSource,
    expected: u64,
}

impl Rest {
    /// The least sequence number that is still taken.
    pub(crate) fn expected(&self) -> u64 {
        self.expected
    }
}

impl From<Numbers> for Rest {
    fn from(numbers: Numbers) -> Self {
        Self { expected: numbers.replay.expected(), nonces: numbers.nonces }
    }
}

impl From<Rest> for Numbers {
    fn from(rest: Rest) -> Self {
        Self { nonces: rest.nonces, replay: ReplayWindow::starting_at(rest.expected) }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) id: FlowId,
    pub(crate) numbers: Numbers,
    pub(crate) binding: Binding,
}

impl Flow {
    /// A flow that was never used.
    pub(crate) fn new(id: FlowId, side: Side, binding: Binding) -> Self {
        let numbers = Numbers { nonces: NonceSource::new(id, side), replay: ReplayWindow::default() };
        Self { id, numbers, binding }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.binding.path
    }

    pub(crate) fn state(&self) -> FlowState {
        self.binding.state
    }

    /// Whether datagrams may be sent on it.
    pub(crate) fn is_open(&self) -> bool {
        self.binding.state.is_open()
    }

    pub(crate) fn answers(&self) -> bool {
        self.binding.state == FlowState::Answering
    }
}

#[cfg(test)]
mod times {
    //! Times for the tests of this room.

    use crate::Instant;
    use core::time::Duration;

    pub(super) const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// So many milliseconds on the clock.
    pub(super) fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::times::{at, ms};
    use super::*;
    use crate::Instant;
    use crate::time::wire;
    use core::num::NonZeroU32;

    fn path(ip: &str) -> Path {
        let local = crate::LocalAddr { ip: ip.parse().unwrap(), interface: NonZeroU32::new(1) };
        Path { local, remote: "192.0.2.1:60001".parse().unwrap() }
    }

    fn binding(ip: &str, now: Instant) -> Binding {
        Binding::new(path(ip), 3, Mtu::new(1252, 1472, now), now)
    }

    #[test]
    fn a_flow_that_moves_to_another_path_forgets_everything_but_its_numbers() {
        let mut flow = Flow::new(FlowId::ZERO, Side::Client, binding("10.0.0.1", at(0)));
        let asked = wire::stamp(at(1000));
        flow.numbers.nonces.skip_to(7);
        flow.numbers.replay.accept(41);
        let old = &mut flow.binding;
        old.measured(ms(40), at(1040));
        (0..9).step_by(2).for_each(|n| old.known.loss.received(n, at(1040 + n)));
        old.known.reported_loss.report(9, at(1050));
        old.liveness.sent(&old.known.rtt, true, at(1100));
        old.liveness.expire(&old.known.rtt);
        old.save_timestamp(5, true, at(1100));
        let _ = old.mtu.set_ceiling(500);
        assert!(!old.liveness.idle().is_zero() && old.known.loss.percent() > 0);
        assert_eq!(old.round_trip(asked, ms(5000), at(1200)), Some(ms(200)));

        flow.binding = binding("10.0.0.2", at(1200));
        assert_eq!((*flow.path(), flow.state()), (path("10.0.0.2"), FlowState::Untried));
        let number = flow.numbers.nonces.next().map(|nonce| nonce.word() & ((1 << 48) - 1));
        assert_eq!(number, Some(7), "no number is used twice");
        let replay = &flow.numbers.replay;
        assert_eq!((replay.check(41), replay.check(42)), (None, Some(Order::Newest)));
        let new = &mut flow.binding;
        assert_eq!((new.srtt(), new.liveness.idle(), new.owes_data()), (None, ms(0), false));
        assert_eq!((new.known.loss.percent(), new.known.reported_loss.percent()), (0, 0));
        assert_eq!((new.take_reply(at(1201)), new.mtu.octets()), (None, 1252));
        let late = new.round_trip(asked, ms(5000), at(1201));
        assert_eq!(late, None, "what was asked on the other path measures nothing here");
    }

    #[test]
    fn after_a_sleep_nothing_that_was_measured_or_due_is_left() {
        let mut binding = binding("10.0.0.1", at(0));
        binding.state = FlowState::Answering;
        binding.measured(ms(40), at(40));
        binding.liveness.sent(&binding.known.rtt, true, at(50));
        binding.liveness.next_probe = Some(at(540));
        binding.save_timestamp(5, true, at(60));
        binding.due.answer_at = Some(at(65));
        binding.due.wants.probe = true;
        binding.due.suspicion = Some(Suspicion { at: at(60), with: Some(FlowId::ZERO) });
        binding.carried(at(60));
        assert_eq!(binding.deadlines(FlowId::ZERO).count(), 3);

        binding.sleep(at(9000));
        assert_eq!(binding.deadlines(FlowId::ZERO).count(), 0);
        assert_eq!((binding.srtt(), binding.owes_data(), binding.owes_reply()), (None, false, false));
        assert_eq!(binding.take_wanted(Side::Client, at(9000)), None);
        assert!(binding.due.suspicion.is_none());
        assert_eq!(binding.cost(false, at(9000)), core::time::Duration::MAX);
        assert_eq!(
            (binding.path, binding.state),
            (path("10.0.0.1"), FlowState::Answering),
            "it is still there"
        );
    }
}
