//! Loss, death and hostile neighbours, in virtual time.

use mpmosh_client::session::client::Outcome;
use mpmosh_tests::sim::{Quality, Setup, World, ms};

#[test]
fn with_a_third_of_the_datagrams_lost_each_way_every_key_arrives_soon() {
    let mut all = Vec::new();
    for seed in 0..20 {
        let mut world = World::new(Setup::single(seed, Quality::millis(50).with_loss(0.3)));
        world.run(ms(5000));
        world.type_keys(100, ms(150));
        world.run(ms(40_000));
        let latencies: Option<Vec<_>> = world.latencies().into_iter().collect();
        all.extend(latencies.unwrap_or_else(|| panic!("seed {seed}: a key was never echoed")));
        assert!(world.received().iter().all(|key| *key == b'x'));
        assert_eq!(world.received().len(), 100, "every key exactly once");
    }
    all.sort_unstable();
    let p90 = all[all.len() * 9 / 10];
    assert!(p90 <= ms(4 * 100 + 200), "{p90:?}");
}

#[test]
fn a_killed_server_leaves_a_client_that_waits_and_quits_when_asked() {
    let mut world = World::new(Setup::laptop(1));
    world.type_keys(5, ms(100));
    world.run(ms(2000));
    world.server = None;
    world.type_keys(5, ms(100));
    world.run(ms(3_600_000));
    assert_eq!(world.outcome(), None);
    let now = world.now();
    world.client.as_mut().unwrap().quit(now);
    world.run(ms(15_000));
    assert_eq!(world.outcome(), Some(Outcome::QuitUnanswered));
}

#[test]
fn a_killed_client_leaves_a_server_that_waits() {
    let mut world = World::new(Setup::laptop(2));
    world.type_keys(5, ms(100));
    world.run(ms(2000));
    world.client = None;
    world.run(ms(3_600_000));
    assert!(world.server.is_some());
    let sent_late = world.sent.iter().filter(|sent| sent.at + ms(3_000_000) > world.now()).count();
    assert_eq!(sent_late, 0, "a server without a client is silent");
}

#[test]
fn a_server_whose_client_never_comes_leaves_after_a_minute() {
    let mut setup = Setup::laptop(3);
    setup.quality = Box::new(|_, _| (Quality::millis(20).with_loss(1.0), Quality::millis(20)));
    let mut world = World::new(setup);
    world.client = None;
    world.run(ms(61_000));
    assert!(world.server.is_none());
}

#[test]
fn a_server_with_a_time_limit_stays_with_a_user_who_only_reads_and_leaves_one_who_is_gone() {
    let mut setup = Setup::laptop(10);
    setup.network_timeout = Some(ms(10_000));
    let mut world = World::new(setup);
    world.type_keys(5, ms(100));
    world.run(ms(600_000));
    assert!(world.server.is_some(), "the user is there");
    world.client = None;
    world.run(ms(60_000));
    assert!(world.server.is_none(), "the user is gone");
}

#[test]
fn an_hour_without_a_network_is_forgotten_in_a_second() {
    let mut world = World::new(Setup::laptop(4));
    world.type_keys(5, ms(100));
    world.run(ms(2000));
    world.set_up(0, false);
    world.set_up(1, false);
    world.type_key(b'x');
    world.run(ms(3_600_000));
    world.set_up(1, true);
    world.run(ms(1000));
    assert_eq!(world.keys_shown(), 6);
}

#[test]
fn the_end_of_the_program_ends_the_session_with_its_status() {
    let mut world = World::new(Setup::laptop(5));
    world.type_keys(5, ms(100));
    world.run(ms(2000));
    let now = world.now();
    world.server.as_mut().unwrap().handle_program_end(7, now);
    world.run(ms(2000));
    assert_eq!(world.outcome(), Some(Outcome::Ended(Some(7))));
    assert!(world.server.is_none());
}

#[test]
fn a_user_who_quits_is_answered_by_the_server() {
    let mut world = World::new(Setup::laptop(6));
    world.type_keys(5, ms(100));
    world.run(ms(2000));
    let now = world.now();
    world.client.as_mut().unwrap().quit(now);
    world.run(ms(2000));
    assert_eq!(world.outcome(), Some(Outcome::Quit));
    assert!(world.server.is_none());
}

#[test]
fn a_server_that_cannot_be_reached_is_given_up_with_a_reason() {
    let mut world = World::new(Setup::laptop(7));
    world.change(0, |q| q.silent = true);
    world.change(1, |q| q.silent = true);
    world.run(ms(16_000));
    assert_eq!(world.outcome(), Some(Outcome::NothingReceived));
}

#[test]
fn a_clock_that_jumps_costs_no_key() {
    for jump in [1, 3600, 86_400, -1, -600] {
        let mut world = World::new(Setup::laptop(9));
        world.type_keys(40, ms(100));
        world.after(ms(2050), move |world| world.jump_client_clock(jump));
        world.run(ms(20_000));
        assert_eq!(world.keys_shown(), 40, "a jump of {jump} s");
        assert_eq!(world.received().len(), 40, "every key exactly once");
        assert_eq!(world.outcome(), None);
    }
}

#[test]
fn replayed_datagrams_move_nothing() {
    let mut world = World::new(Setup::laptop(8));
    world.type_keys(20, ms(100));
    world.run(ms(1500));
    let attacker = "198.51.100.66:4444".parse().unwrap();
    for _ in 0..30 {
        world.run(ms(7));
        for bytes in world.in_flight() {
            world.inject_to_server(attacker, bytes.clone());
            world.inject_to_server(attacker, bytes);
        }
    }
    world.run(ms(2000));
    assert_eq!(world.keys_shown(), 20);
    let to_attacker: usize =
        world.sent.iter().filter(|sent| sent.path.remote == attacker).map(|sent| sent.octets).sum();
    assert!(to_attacker <= 3000, "{to_attacker} octets were sent to the attacker");
}
