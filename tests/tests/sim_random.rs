//! Random scripts: whatever the network does, five seconds of good network with a key at their start (twelve without)
//! make everything right. Scripts that once failed are below, each with its story.

use mpmosh_tests::sim::nat::Nat;
use mpmosh_tests::sim::{Operation, Setup, Way, World, ms};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use {Operation as O, Way::Both};

/// How a script ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// A key, and five seconds.
    Key,
    /// Twelve seconds of nothing.
    Nothing,
}

/// Two uplinks of 40 and 80 ms, the first behind an address translator that forgets after half a minute.
fn world(seed: u64) -> World {
    let mut setup = Setup::laptop(seed);
    setup.uplinks[0].nat = Some(Nat::new("192.0.2.200".parse().expect("an address"), ms(30_000)));
    let mut world = World::new(setup);
    for _ in 0..5 {
        world.apply(O::Key);
        world.run(ms(200));
    }
    world
}

/// What is wrong after a script, if anything is.
fn fault(script: &[Operation], end: End, seed: u64) -> Result<(), String> {
    let mut world = world(seed);
    let mut active = world.now();
    let mut suspended = false;
    for &operation in script {
        // A machine that was awake does not wake up.
        if matches!(operation, O::Key) || (matches!(operation, O::Resume) && suspended) {
            active = world.now();
        }
        suspended = matches!(operation, O::Suspend) || (suspended && !matches!(operation, O::Resume));
        world.apply(operation);
        world.run(ms(10));
    }
    world.heal();
    match end {
        End::Key => {
            world.apply(O::Key);
            world.run(ms(5_000));
            active = world.now();
        }
        End::Nothing => world.run(ms(12_000)),
    }
    world.check_session()?;
    // A sleeping session does not look for better paths.
    let asleep = end == End::Nothing && world.now().since(active) >= ms(60_000);
    if asleep { Ok(()) } else { world.check_choice() }
}

fn operation() -> impl Strategy<Value = Operation> {
    let uplink = || 0_usize..2;
    let way = || prop_oneof![Just(Way::Up), Just(Way::Down), Just(Both)];
    prop_oneof![
        6 => Just(O::Key),
        3 => (1_u32..4000).prop_map(O::Output),
        8 => (0_u64..1500).prop_map(O::Wait),
        2 => (2_000_u64..20_000).prop_map(O::Wait),
        1 => (60_000_u64..200_000).prop_map(O::Wait),
        2 => uplink().prop_map(O::Down),
        3 => uplink().prop_map(O::Up),
        1 => (uplink(), any::<bool>()).prop_map(|(uplink, there)| O::Carrier(uplink, there)),
        2 => (uplink(), way()).prop_map(|(uplink, way)| O::Silence(uplink, way)),
        3 => (uplink(), way()).prop_map(|(uplink, way)| O::Sound(uplink, way)),
        2 => (uplink(), 1_u64..300).prop_map(|(uplink, delay)| O::Delay(uplink, delay)),
        1 => (uplink(), way(), 1_u64..300).prop_map(|(uplink, way, delay)| O::DelayOneWay(uplink, way, delay)),
        1 => (uplink(), 0_u64..100).prop_map(|(uplink, jitter)| O::Jitter(uplink, jitter)),
        2 => (uplink(), 0_u8..60).prop_map(|(uplink, percent)| O::Loss(uplink, percent)),
        1 => (uplink(), 0_u8..50).prop_map(|(uplink, percent)| O::Reorder(uplink, percent)),
        1 => (uplink(), any::<bool>()).prop_map(|(uplink, on)| O::Bursts(uplink, on)),
        1 => (uplink(), 500_usize..1500).prop_map(|(uplink, mtu)| O::Mtu(uplink, mtu)),
        1 => Just(O::Rebind(0)),
        1 => (uplink(), 20_u8..30).prop_map(|(uplink, last)| O::Readdress(uplink, last)),
        1 => Just(O::Suspend),
        2 => Just(O::Resume),
    ]
}

/// Scripts that failed once.
const PINNED: &[(&str, &[Operation], End, u64)] = &[
    (
        "the head of the server's queue waited for ever for an address to be validated whose interface had gone, and
        nothing else was sent; a challenge that was lost was repeated after seconds only",
        &[
            O::Key,
            O::Silence(0, Way::Down),
            O::Silence(1, Way::Down),
            O::Readdress(0, 20),
            O::Wait(60_000),
            O::Output(1),
            O::Down(0),
        ],
        End::Key,
        1,
    ),
    (
        "a flow of a new address that did not answer for half a minute was retired, and not used when it would have",
        &[O::Key, O::Silence(0, Way::Up), O::Readdress(0, 20), O::Up(0), O::Wait(767), O::Wait(14_208)],
        End::Nothing,
        1,
    ),
    (
        "a flow of a new address, deaf for its first seconds, was not probed for five more",
        &[
            O::Key,
            O::Jitter(0, 74),
            O::Readdress(0, 20),
            O::Silence(0, Way::Up),
            O::Wait(6_970),
            O::Key,
        ],
        End::Key,
        65,
    ),
    (
        "a round trip that jitter had made long was taken for one under our own bulk for too long",
        &[O::Jitter(0, 37), O::Key, O::Output(2368), O::Wait(1309), O::Output(264), O::Down(0), O::Up(0)],
        End::Key,
        579,
    ),
    (
        "a path that had lost much was measured again a round trip after a second, and its loss counted for four more",
        &[
            O::Key,
            O::Up(0),
            O::Delay(1, 152),
            O::Wait(196),
            O::Wait(15),
            O::Loss(0, 59),
            O::Rebind(0),
            O::Key,
            O::DelayOneWay(0, Way::Up, 208),
            O::Up(0),
            O::Wait(624),
            O::Suspend,
            O::Resume,
            O::Up(0),
            O::Rebind(0),
            O::Jitter(1, 1),
            O::Key,
            O::Wait(940),
        ],
        End::Key,
        145,
    ),
    (
        "when a loss was over the flows were ranked anew at the next answer only, a second and more later",
        &[
            O::Key,
            O::Jitter(0, 0),
            O::Up(0),
            O::Silence(1, Both),
            O::DelayOneWay(0, Way::Up, 4),
            O::Key,
            O::Key,
            O::Silence(0, Way::Up),
            O::Up(0),
            O::Key,
            O::Key,
            O::Delay(0, 199),
            O::Delay(1, 298),
            O::Wait(69_615),
            O::Key,
        ],
        End::Key,
        1,
    ),
    (
        "output stood still: the client's word from its next path was overtaken by a probe and so did not count, it said
        nothing when that path went too, and the server suspected the last one for the address that a translator gave it",
        &[
            O::Wait(1070),
            O::Up(0),
            O::Rebind(0),
            O::Key,
            O::Jitter(1, 79),
            O::Wait(2851),
            O::Readdress(0, 20),
            O::Wait(2000),
            O::Down(1),
            O::Output(1),
        ],
        End::Nothing,
        64,
    ),
];

#[test]
fn scripts_that_failed_once_do_not_fail_again() {
    for (story, script, end, seed) in PINNED {
        assert_eq!(fault(script, *end, *seed), Ok(()), "once {story}");
    }
}

/// More with `PROPTEST_CASES`, others with `PROPTEST_RNG_SEED`: without it the same each time, so that a change of the
/// code alone changes the outcome.
const CASES: u32 = 300;
const RNG_SEED: u64 = 1;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(CASES),
        rng_seed: RngSeed::Fixed(
            std::env::var("PROPTEST_RNG_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(RNG_SEED),
        ),
        failure_persistence: None,
        max_shrink_iters: 4000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_good_network_makes_everything_right_whatever_was_before(
        script in prop::collection::vec(operation(), 1..60),
        end in prop_oneof![Just(End::Key), Just(End::Nothing)],
        seed in 1_u64..1000,
    ) {
        if let Err(fault) = fault(&script, end, seed) {
            prop_assert!(false, "{}", fault);
        }
    }
}
