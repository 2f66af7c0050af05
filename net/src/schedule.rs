//! Which flow carries a payload: a flow's rank *is* the derived order of [`Rank`].
//!
//! Contract: pure. The owner lists the flows that may carry something; [`best`] says which does, and [`companion`]
//! which second one to add. Paper §3.3, §3.4; SPEC \[S-1] to \[S-5].

use crate::FlowId;
use core::net::{IpAddr, SocketAddr};
use core::num::NonZeroU32;
use core::time::Duration;

/// How a flow answers. A flow that answers is better than any other, whatever it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    Answering,
    /// It answers, so late that a backup is worth its price: see [`judge_lateness`].
    Late,
    Suspect,
    Untried,
    Lost,
}

/// What a flow's interface is for. A backup carries data only when no primary answers, and a carrier when no backup does.
/// SPEC \[S-4], \[C-8].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Duty {
    Primary,
    Backup,
    Carrier,
}

/// What fails together: the flows of one interface of the client. A carrier fails by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    Interface(NonZeroU32),
    Address(IpAddr),
    Carrier(SocketAddr),
}

/// The order of the fields is the priority; less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    pub(crate) standing: Standing,
    pub(crate) duty: Duty,
    /// SRTT + idle time (paper §3.4) + what loss is expected to cost. SPEC \[S-2].
    pub(crate) cost: Duration,
    pub(crate) flow: FlowId,
}

/// A flow that may carry something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entrant {
    pub(crate) rank: Rank,
    pub(crate) fate: Fate,
    /// It goes through another flow's interface, or one that this end cannot see, and fails with it.
    pub(crate) is_carried: bool,
    /// The last round trip by itself: a queue that fills shows here before it does in the average.
    pub(crate) latest: Duration,
}

/// The least advantage for which the traffic moves: below it, measurement noise would move it back. SPEC \[S-3].
const STICKINESS: Duration = Duration::from_millis(4);

/// How much longer than over a backup a key may take over a primary: beyond it typing is no pleasure, and a user would
/// pay for a hundred octets a key. Half of it brings the traffic back.
const BEARABLE: Duration = Duration::from_millis(300);

/// Primaries that answer, but unbearably later than a backup does, are late: the queue of one path may hold seconds of
/// somebody else's download. `on_backup` says that the traffic is on a backup now. SPEC \[S-4].
pub(crate) fn judge_lateness(entrants: &mut [Entrant], on_backup: bool) {
    let answering = |entrant: &&Entrant| entrant.rank.standing == Standing::Answering;
    let backups = entrants.iter().filter(answering).filter(|entrant| entrant.rank.duty == Duty::Backup);
    let Some(backup) = backups.map(|entrant| entrant.rank.cost).min() else { return };
    let limit = backup.saturating_add(if on_backup { BEARABLE / 2 } else { BEARABLE });
    for entrant in entrants {
        let Rank { standing, duty, cost, .. } = &mut entrant.rank;
        let late = (*cost).max(entrant.latest) > limit;
        if late && *standing == Standing::Answering && *duty == Duty::Primary {
            *standing = Standing::Late;
        }
    }
}

/// The time that loss costs on average: each lost datagram is noticed one timeout later.
pub(crate) fn cost_of_loss(percent: u8, timeout: Duration) -> Duration {
    let lost = u32::from(percent.min(90));
    timeout * lost / (100 - lost)
}

/// The best flow. The current one stays until another is better by more than the noise: 4 ms and an eighth. What a flow to
/// move to took last counts as much as its average, which knows little of a change: it is measured once in a while.
pub(crate) fn best(entrants: &[Entrant], current: Option<FlowId>) -> Option<FlowId> {
    let handicap = |entrant: &Entrant| {
        let mut rank = entrant.rank;
        if Some(rank.flow) == current {
            rank.cost = (rank.cost - rank.cost / 8).saturating_sub(STICKINESS);
        } else if current.is_some() {
            rank.cost = rank.cost.max(entrant.latest);
        }
        rank
    };
    entrants.iter().map(handicap).min().map(|rank| rank.flow)
}

/// The best flow to carry a copy of what `first` carries: one that answers before one that may, and that before a lost
/// one; among these of another fate before any other, and last of those a tunnel, whose fate is that of what carries it.
pub(crate) fn companion(entrants: &[Entrant], first: FlowId) -> Option<FlowId> {
    let fate = entrants.iter().find(|entrant| entrant.rank.flow == first).map(|entrant| entrant.fate);
    let hope = |standing| match standing {
        Standing::Answering | Standing::Late => 0,
        Standing::Suspect | Standing::Untried => 1,
        Standing::Lost => 2,
    };
    entrants
        .iter()
        .filter(|entrant| entrant.rank.flow != first)
        .min_by_key(|entrant| {
            let Entrant { rank, is_carried, .. } = entrant;
            (hope(rank.standing), Some(entrant.fate) == fate, *is_carried, *rank)
        })
        .map(|entrant| entrant.rank.flow)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entrant(flow: u16, standing: Standing, duty: Duty, ms: u64, interface: u32) -> Entrant {
        let flow = FlowId::new(flow).unwrap();
        Entrant {
            rank: Rank { standing, duty, cost: Duration::from_millis(ms), flow },
            fate: Fate::Interface(NonZeroU32::new(interface).unwrap()),
            is_carried: false,
            latest: Duration::from_millis(ms),
        }
    }

    fn id(flow: u16) -> Option<FlowId> {
        FlowId::new(flow)
    }

    use Duty::{Backup, Primary};
    use Standing::{Answering, Lost, Suspect, Untried};

    #[test]
    fn answering_comes_before_duty_and_duty_before_cost() {
        let all = [
            entrant(0, Lost, Primary, 1, 1),
            entrant(1, Untried, Primary, 1, 1),
            entrant(2, Suspect, Primary, 1, 1),
            entrant(3, Answering, Backup, 1, 1),
            entrant(4, Answering, Primary, 90, 1),
            entrant(5, Answering, Primary, 80, 1),
        ];
        for (most, expected) in [(6, 5), (5, 4), (4, 3), (3, 2), (2, 1), (1, 0)] {
            assert_eq!(best(&all[..most], None), id(expected));
        }
        assert_eq!(best(&[], None), None);
    }

    #[test]
    fn a_backup_is_better_than_a_primary_that_is_unbearably_late() {
        let chosen = |ms, latest, on_backup| {
            let mut all = [entrant(0, Answering, Primary, ms, 1), entrant(1, Answering, Backup, 80, 2)];
            all[0].latest = Duration::from_millis(latest);
            judge_lateness(&mut all, on_backup);
            best(&all, None)
        };
        assert_eq!(chosen(380, 380, false), id(0));
        assert_eq!(chosen(381, 40, false), id(1));
        assert_eq!(chosen(100, 381, false), id(1), "the last round trip says it first");
        assert_eq!(chosen(231, 40, true), id(1), "and once left, a path is taken again when it is well");
        assert_eq!(chosen(230, 40, true), id(0));
        let mut alone = [entrant(0, Answering, Primary, 9000, 1), entrant(1, Lost, Backup, 80, 2)];
        judge_lateness(&mut alone, false);
        assert_eq!(best(&alone, None), id(0));
    }

    #[test]
    fn a_backup_that_was_never_measured_makes_no_primary_late() {
        let mut all = [entrant(0, Answering, Primary, 9000, 1), entrant(1, Answering, Backup, 0, 2)];
        all[1].rank.cost = Duration::MAX;
        judge_lateness(&mut all, false);
        assert_eq!(best(&all, None), id(0));
    }

    #[test]
    fn equal_paths_do_not_alternate() {
        let mut all = [entrant(0, Answering, Primary, 40, 1), entrant(1, Answering, Primary, 40, 2)];
        assert_eq!(best(&all, id(1)), id(1));
        all[0].latest = Duration::from_millis(30);
        all[0].rank.cost = Duration::from_millis(32);
        assert_eq!(best(&all, id(1)), id(1));
        all[0].rank.cost = Duration::from_millis(30);
        assert_eq!(best(&all, id(1)), id(0));
    }

    #[test]
    fn a_flow_that_was_late_just_now_is_not_moved_to() {
        let mut all = [entrant(0, Answering, Primary, 60, 1), entrant(1, Answering, Primary, 80, 2)];
        all[0].latest = Duration::from_millis(240);
        assert_eq!((best(&all, id(1)), best(&all, id(0))), (id(1), id(0)));
        all[0].latest = Duration::from_millis(40);
        assert_eq!(best(&all, id(1)), id(0));
    }

    #[test]
    fn a_companion_is_of_another_interface_if_there_is_one() {
        let all = [
            entrant(0, Answering, Primary, 40, 1),
            entrant(1, Answering, Primary, 41, 1),
            entrant(2, Answering, Primary, 90, 2),
        ];
        assert_eq!(companion(&all, FlowId::ZERO), id(2));
        assert_eq!(companion(&all[..2], FlowId::ZERO), id(1));
        assert_eq!(companion(&all[..1], FlowId::ZERO), None);
    }

    #[test]
    fn a_companion_of_the_same_interface_is_better_than_a_lost_one_and_worse_than_one_that_may_answer() {
        let all = [
            entrant(0, Suspect, Primary, 40, 1),
            entrant(1, Lost, Primary, 20, 2),
            entrant(2, Suspect, Primary, 41, 1),
            entrant(3, Untried, Primary, 90, 3),
            entrant(4, Answering, Primary, 99, 1),
        ];
        for (most, expected) in [(5, 4), (4, 3), (3, 2), (2, 1)] {
            assert_eq!(companion(&all[..most], FlowId::ZERO), id(expected));
        }
    }

    #[test]
    fn loss_costs_the_time_to_notice_it() {
        let timeout = Duration::from_millis(60);
        assert_eq!(cost_of_loss(0, timeout), Duration::ZERO);
        assert_eq!(cost_of_loss(50, timeout), timeout);
        assert_eq!(cost_of_loss(100, timeout), timeout * 9);
    }
}
