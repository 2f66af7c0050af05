use super::sizes::SIZES;
use super::*;
use alloc::vec::Vec;
use proptest::prelude::*;

const RTO: Duration = Duration::from_millis(60);

fn so(now: Instant) -> Circumstances {
    Circumstances { rto: RTO, lost: 0, queued: false, now }
}

fn start() -> Instant {
    Instant::from_micros(1_000_000_000)
}

/// Lets a search run on a path that takes `largest` octets, and gives how many padded probes it took.
fn search(mtu: &mut Mtu, largest: usize, mut now: Instant) -> usize {
    let mut probes = 0;
    mtu.arm(now);
    while let Some(at) = mtu.timer() {
        now = at;
        let _ = mtu.expire(true, so(now));
        let arrived: Vec<Code> = core::iter::from_fn(|| mtu.next_padded())
            .inspect(|_| probes += 1)
            .filter(|padded| padded.octets <= largest)
            .map(|padded| code_of(padded.octets))
            .collect();
        // The small probe beside them is answered in any case.
        now += Duration::from_millis(40);
        let _ = mtu.heard(arrived.into_iter().max().unwrap_or(0), at.as_millis(), true, so(now));
        assert!(probes < 60, "it does not end");
    }
    probes
}

#[test]
fn sizes_are_in_order_and_have_a_number_each() {
    assert!(SIZES.is_sorted());
    for (index, &size) in SIZES.iter().enumerate() {
        assert_eq!(usize::from(code_of(size)), index + 1);
        assert_eq!(usize::from(code_of(size - 1)), index);
    }
    assert_eq!((code_of(0), code_of(usize::MAX)), (0, 31));
}

#[test]
fn a_search_ends_at_the_largest_size_that_passes() {
    for safe in [1232, 1252] {
        for (index, &largest) in SIZES.iter().enumerate() {
            let mut mtu = Mtu::new(safe, 1472, start());
            let probes = search(&mut mtu, largest, start());
            assert_eq!(mtu.octets(), largest);
            assert!(probes <= 24, "{probes} probes for number {index}");
        }
    }
}

#[test]
fn a_probe_that_arrives_after_it_was_given_up_counts() {
    let mut mtu = Mtu::new(1252, 1472, start());
    mtu.arm(start());
    let asked = mtu.timer().unwrap();
    let _ = mtu.expire(true, so(asked));
    assert_eq!(mtu.next_padded().map(|padded| padded.octets), Some(1472));
    // On a path of 9.6 kbit/s it takes 1.2 s to leave.
    let overdue = mtu.timer().unwrap();
    assert!(overdue.since(asked) > RTO + Duration::from_millis(1200));
    let _ = mtu.expire(true, so(overdue));
    assert_eq!(mtu.next_padded(), None, "it is not tried again at once");
    let view = asked.as_millis() + 1;
    let late = overdue + Duration::from_millis(10);
    assert_eq!(mtu.heard(code_of(1472), view, true, so(late)), Some(Change::Grown));
    assert_eq!((mtu.octets(), mtu.timer()), (1472, None), "and that was the search");
}

#[test]
fn probes_that_fail_come_ever_later() {
    let mut mtu = Mtu::new(1252, 1472, start());
    mtu.arm(start());
    let mut pauses = Vec::new();
    for _ in 0..3 {
        let mut now = mtu.timer().unwrap();
        let _ = mtu.expire(true, so(now));
        assert!(mtu.next_padded().is_some());
        // Small datagrams are answered.
        let _ = mtu.heard(0, now.as_millis() + 1, true, so(now));
        now = mtu.timer().unwrap();
        let _ = mtu.expire(true, so(now));
        pauses.push(mtu.timer().unwrap().since(now));
    }
    assert_eq!(pauses, [RTO, RTO * 2, RTO * 4]);
}

#[test]
fn nothing_is_probed_while_a_queue_stands() {
    let mut mtu = Mtu::new(1252, 1472, start());
    mtu.arm(start());
    let mut now = start();
    for _ in 0..10 {
        now = mtu.timer().unwrap();
        let _ = mtu.expire(true, Circumstances { queued: true, ..so(now) });
        assert_eq!(mtu.next_padded(), None);
    }
    mtu.sent(1252, now);
    mtu.overdue(Circumstances { queued: true, ..so(now) });
    assert_eq!(mtu.next_padded(), None, "a late answer is no black hole");
    now = mtu.timer().unwrap();
    let _ = mtu.expire(true, so(now));
    assert!(mtu.next_padded().is_some());
}

#[test]
fn what_vanishes_without_a_word_is_known_once_the_search_is_over() {
    let mut mtu = Mtu::new(1252, 1472, start());
    assert_eq!(mtu.swallowed(), None);
    search(&mut mtu, 1036, start());
    assert_eq!((mtu.octets(), mtu.swallowed()), (1036, Some(1472)));
    // The interface takes no more either.
    let _ = mtu.set_ceiling(1036);
    search(&mut mtu, 1036, start());
    assert_eq!(mtu.swallowed(), None);
    // A router said so.
    let mut mtu = Mtu::new(1252, 1472, start());
    mtu.arm(start());
    let at = mtu.timer().unwrap();
    let _ = mtu.expire(true, so(at));
    let _ = mtu.hinted(1392, so(at));
    search(&mut mtu, 1392, at);
    assert_eq!((mtu.octets(), mtu.swallowed()), (1392, None));
}

#[test]
fn what_the_local_system_refuses_is_not_swallowed_by_the_path() {
    // It refuses the interface's size; the largest that it takes passes, or only a smaller one does.
    let found = |largest| {
        let mut mtu = Mtu::new(1252, 1472, start());
        mtu.arm(start());
        let at = mtu.timer().unwrap();
        let _ = mtu.expire(true, so(at));
        let padded = mtu.next_padded().unwrap();
        assert_eq!(padded.octets, 1472);
        let _ = mtu.refused(padded.octets, true, so(at));
        search(&mut mtu, largest, at);
        (mtu.octets(), mtu.swallowed())
    };
    assert_eq!(found(1464), (1464, None));
    assert_eq!(found(1392), (1392, Some(1464)));
}

#[test]
fn the_interface_bounds_the_search() {
    let mut mtu = Mtu::new(1252, 1400 - 28, start());
    assert_eq!(search(&mut mtu, 9000, start()), 1);
    assert_eq!(mtu.octets(), 1372);
    assert_eq!(Mtu::new(1252, 1000 - 28, start()).octets(), 972);
}

#[test]
fn a_peer_that_reports_nothing_changes_nothing() {
    let mut mtu = Mtu::new(1252, 1472, start());
    let mut now = start();
    mtu.arm(now);
    // Silence: no answer at all.
    for _ in 0..100 {
        let Some(at) = mtu.timer() else { break };
        now = at;
        assert_eq!(mtu.expire(true, so(now)), None);
        while mtu.next_padded().is_some() {}
    }
    assert_eq!(mtu.octets(), 1252);
}

#[test]
fn one_lost_datagram_is_verified_and_believed_to_be_chance() {
    let mut mtu = Mtu::new(1252, 1252, start());
    let mut now = start();
    mtu.sent(1252, now);
    now += Duration::from_millis(45);
    assert_eq!(mtu.heard(0, start().as_millis() + 5, true, so(now)), None);
    let asked = core::iter::from_fn(|| mtu.next_padded()).filter(|padded| padded.octets == 1252);
    assert!(asked.inspect(|padded| assert!(!padded.dont_fragment)).count() >= 3);
    let _ = mtu.heard(code_of(1252), now.as_millis(), true, so(now + Duration::from_millis(40)));
    assert!(!mtu.is_verifying());
    assert_eq!(mtu.octets(), 1252);
}

/// Anything that may happen to a flow.
#[derive(Clone, Debug)]
enum Happening {
    Arm,
    Park,
    Sent(usize),
    Heard { code: Code, ago: u64, proof: bool },
    Overdue,
    Expire(bool),
    Refused(usize, bool),
    Hinted(usize),
    Ceiling(usize),
    Take,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        Just(Happening::Arm),
        Just(Happening::Park),
        (0usize..2048).prop_map(Happening::Sent),
        (0..=31u8, 0u64..300, any::<bool>()).prop_map(|(code, ago, proof)| Happening::Heard {
            code,
            ago,
            proof
        }),
        Just(Happening::Overdue),
        any::<bool>().prop_map(Happening::Expire),
        (0usize..2048, any::<bool>()).prop_map(|(octets, padded)| Happening::Refused(octets, padded)),
        (0usize..2048).prop_map(Happening::Hinted),
        (0usize..2048).prop_map(Happening::Ceiling),
        Just(Happening::Take),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_the_size_is_one_that_the_interface_takes_and_the_timer_is_to_come(
        script in prop::collection::vec((happening(), 0u64..500), 0..200),
        lost in 0..=100u8,
    ) {
        let mut mtu = Mtu::new(1252, 1472, start());
        let mut now = start();
        for (happening, later) in script {
            now += Duration::from_millis(later);
            let so = Circumstances { rto: RTO, lost, queued: false, now };
            match happening {
                Happening::Arm => mtu.arm(now),
                Happening::Park => mtu.park(),
                Happening::Sent(octets) => mtu.sent(octets, now),
                Happening::Heard { code, ago, proof } => {
                    let _ = mtu.heard(code, now.as_millis().saturating_sub(ago), proof, so);
                }
                Happening::Overdue => mtu.overdue(so),
                Happening::Expire(may_search) => {
                    if mtu.timer().is_some_and(|at| at <= now) {
                        let _ = mtu.expire(may_search, so);
                        prop_assert!(mtu.timer().is_none_or(|at| at > now));
                    }
                }
                Happening::Refused(octets, padded) => {
                    let _ = mtu.refused(octets, padded, so);
                }
                Happening::Hinted(octets) => {
                    let _ = mtu.hinted(octets, so);
                }
                Happening::Ceiling(octets) => {
                    let _ = mtu.set_ceiling(octets);
                }
                Happening::Take => {
                    let padded = mtu.next_padded();
                    prop_assert!(padded.is_none_or(|padded| SIZES.contains(&padded.octets)));
                }
            }
            prop_assert!(SIZES.contains(&mtu.octets()));
            prop_assert!(mtu.size <= mtu.ceiling);
            prop_assert!(mtu.unproved.len() <= REMEMBERED);
        }
    }
}
