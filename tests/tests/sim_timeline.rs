//! The paper's experiment (§5) in virtual time: two paths; the other one grows by 300 ms at 7 s; the active one grows by
//! 200 ms at 17 s, is cut in silence at 28 s and restored at 38 s.

use mpmosh_tests::sim::{Quality, Setup, Uplink, World, ms};

/// Two addresses at each end, and a path between those of the same number only; no copies, as in the paper.
fn paper() -> Setup {
    let mut setup = Setup::laptop(1);
    setup.config.redundancy = net::Redundancy::Off;
    setup.uplinks = vec![Uplink::new("eth0", "192.0.2.10"), Uplink::new("eth1", "198.51.100.10")];
    setup.servers = ["203.0.113.1", "203.0.113.129"].map(|ip| ip.parse().expect("an address")).to_vec();
    setup.quality = Box::new(|uplink, server| {
        // The first path is a little better, so that the figure begins as the paper's does.
        let mut quality = Quality::millis(1 + uplink as u64 * 5);
        quality.silent = uplink != server;
        (quality.clone(), quality)
    });
    setup
}

/// Which uplink carries the session.
fn carrier(world: &World) -> Option<u32> {
    let path = world.client.as_ref()?.connection().current_path()?;
    path.local.interface.map(|index| index.get())
}

#[test]
fn the_papers_timeline_keeps_every_key_and_the_better_path() {
    let mut world = World::new(paper());
    let start = world.now();
    world.type_keys(590, ms(100));
    world.after(ms(7_000), |world| world.change_way(1, 1, |q| q.delay += ms(150)));
    world.after(ms(17_000), |world| world.change_way(0, 0, |q| q.delay += ms(100)));
    world.after(ms(28_000), |world| world.change_way(0, 0, |q| q.silent = true));
    world.after(ms(38_000), |world| world.change_way(0, 0, |q| q.silent = false));

    world.run(ms(16_900));
    assert_eq!(carrier(&world), Some(1), "the other path's growth changes nothing");
    world.run(ms(11_000));
    assert_eq!(carrier(&world), Some(1), "with 200 ms more it is still the better one");
    world.run(ms(1_100));
    assert_eq!(carrier(&world), Some(2), "a second after the cut the other one carries");
    world.run(ms(10_600));
    assert_eq!(carrier(&world), Some(1), "1.6 s after it is restored the better one carries again");
    world.run(ms(22_400));

    assert_eq!(world.keys_shown(), 590);
    let worst = |from: u64, to: u64| world.worst_latency(start + ms(from), start + ms(to));
    assert!(worst(1_000, 17_000) <= ms(20), "{:?}", worst(1_000, 17_000));
    assert!(worst(20_000, 27_700) <= ms(250), "{:?}", worst(20_000, 27_700));
    // The dead path's round trip, its margin, and the survivor's round trip.
    assert!(worst(27_700, 29_000) <= ms(202 + 60 + 312), "{:?}", worst(27_700, 29_000));
    assert!(worst(30_000, 38_000) <= ms(350), "{:?}", worst(30_000, 38_000));
    assert!(worst(40_000, 59_000) <= ms(250), "{:?}", worst(40_000, 59_000));
}
