//! Random scripts: whatever the network does, five seconds of good network with a key at their start (twelve without)
//! make everything right. Scripts that once failed are below, each with its story.

use mpmosh_tests::sim::nat::Nat;
use mpmosh_tests::sim::{Operation, Setup, Way, World};
use proptest::prelude::*;
use std::time::Duration;
use {Operation as O, Way::Both};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

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

/// Takes all faults away, but leaves delays, and interfaces that are down if another is up.
fn heal(world: &mut World) {
    world.apply(O::Resume);
    for uplink in 0..2 {
        for operation in [
            O::Sound(uplink, Both),
            O::Loss(uplink, 0),
            O::Jitter(uplink, 0),
            O::Reorder(uplink, 0),
            O::Bursts(uplink, false),
            O::Mtu(uplink, 1500),
        ] {
            world.apply(operation);
        }
    }
    if !world.uplinks.iter().any(|uplink| uplink.up && uplink.routed) {
        world.uplinks[0].routed = true;
        world.apply(O::Up(0));
    }
}

/// What is wrong after a script, if anything is.
fn fault(script: &[Operation], end: End, seed: u64) -> Result<(), String> {
    let mut world = world(seed);
    let mut active = world.now();
    for &operation in script {
        if matches!(operation, O::Key | O::Output(_) | O::Resume) {
            active = world.now();
        }
        world.apply(operation);
        world.run(ms(10));
    }
    heal(&mut world);
    match end {
        End::Key => {
            world.apply(O::Key);
            world.run(ms(5_000));
            active = world.now();
        }
        End::Nothing => world.run(ms(12_000)),
    }
    if world.received() != world.typed() {
        let text = |keys: &[u8]| String::from_utf8_lossy(keys).into_owned();
        return Err(format!("typed {:?}, received {:?}", text(world.typed()), text(world.received())));
    }
    if world.keys_shown() != world.typed().len() {
        return Err(format!("{} keys typed, {} shown", world.typed().len(), world.keys_shown()));
    }
    let (client, server) = (world.client.as_ref().unwrap(), world.server.as_ref().unwrap());
    if client.screen() != server.screen() {
        return Err("the client knows another screen than the server".into());
    }
    if server.screen().map(text_of) != Some(text_of(world.display())) {
        return Err("the user sees another screen than the server's".into());
    }
    // A sleeping session does not look for better paths.
    if end == End::Key || world.now().since(active) < ms(60_000) {
        let round_trip = |uplink: usize| world.round_trip(uplink);
        let best = (0..2).filter_map(round_trip).min().unwrap_or_default();
        let chosen =
            world.chosen().and_then(|path| path.local.interface).map(|index| index.get() as usize - 1);
        let chosen = chosen.and_then(round_trip).ok_or("no path that works is chosen")?;
        // The choice stays where it is for less than 4 ms and an eighth.
        if chosen - chosen / 8 > best + ms(5) {
            return Err(format!("a path of {chosen:?} is chosen, and there is one of {best:?}"));
        }
    }
    Ok(())
}

fn text_of(screen: &terminal::Screen) -> Vec<String> {
    let row = |row| (0..screen.size().columns).filter_map(move |column| screen.cell(row, column));
    (0..screen.size().rows).map(|number| row(number).map(terminal::Cell::first_char).collect()).collect()
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

/// More with `PROPTEST_CASES`.
const CASES: u32 = 300;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(CASES),
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

#[test]
#[ignore = "debug"]
fn debug() {
    let text = std::env::var("SCRIPT").unwrap_or_default();
    let _ = text;
    let script: &[Operation] = &include!("/tmp/team/choice/script.rs");
    let end = include!("/tmp/team/choice/end.rs");
    let mut w = world(include!("/tmp/team/choice/seed.rs"));
    for op in script {
        println!("{:?} {op:?}", w.now());
        w.apply(*op);
        w.run(ms(10));
    }
    heal(&mut w);
    let t = w.now();
    if end == End::Key {
        w.apply(O::Key);
    }
    w.run(ms(if end == End::Key { 5000 } else { 12000 }));
    println!("healed at {t:?}");
    let from = t - ms(include!("/tmp/team/choice/back.rs"));
    let mut all: Vec<(net::Instant, String)> = Vec::new();
    all.extend(w.client_events.iter().map(|(t, e)| (*t, format!("C {e:?}"))));
    all.extend(w.server_events.iter().map(|(t, e)| (*t, format!("  S {e:?}"))));
    all.retain(|(at, _)| *at >= from);
    all.sort_by_key(|(at, _)| *at);
    for (at, e) in all {
        println!("{:?} {e}", at);
    }
    println!("{:?}", fault(script, end, include!("/tmp/team/choice/seed.rs")));
}
