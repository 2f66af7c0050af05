//! How sessions end when the network fails at that moment, in virtual time.

use mpmosh_client::session::client::{Client, Outcome};
use mpmosh_server::server::{Config, Leave, Server};
use mpmosh_tests::sim::{Quality, Setup, World, ms, seconds};
use net::DialectName;
use net::{Connection, Dialect, Key, Side};
use std::time::Duration;
use sync::Channel;

/// Two machines on one network: the shortest round trip is the hardest, for whoever counts attempts.
fn lan(seed: u64) -> Setup {
    Setup::single(seed, Quality::delay(Duration::from_micros(100)))
}

fn ended(world: &mut World, status: u8) {
    let now = world.now();
    world.server.as_mut().expect("a server").handle_program_end(status, now);
}

fn silence(world: &mut World, up: bool, down: bool, silent: bool) {
    for uplink in 0..world.uplinks.len() {
        for direction in [true, false].into_iter().filter(|d| if *d { up } else { down }) {
            world.change_direction(uplink, direction, |q| q.silent = silent);
        }
    }
}

#[test]
fn a_blip_when_the_command_ends_costs_no_status() {
    for (up, down) in [(false, true), (true, false), (true, true)] {
        for (blip, within) in [(600, 3_500), (12_000, 4_000), (90_000, 4_000), (1_800_000, 4_000)] {
            for setup in [lan(1), Setup::laptop(2)] {
                let mut world = World::settled(setup);
                silence(&mut world, up, down, true);
                ended(&mut world, 3);
                world.run(ms(blip));
                let told = world.outcome();
                assert!(told.is_none() || (up && !down), "{told:?} in a blip of {blip} ms");
                silence(&mut world, up, down, false);
                world.run(ms(within));
                assert_eq!(world.outcome(), Some(Outcome::Ended(Some(3))), "{up} {down} {blip}");
                // What the client said last may have been lost, if only its way to the server was closed.
                assert!(world.server.is_none() || !down, "the server leaves once it knows");
            }
        }
    }
}

#[test]
fn a_laptop_that_slept_overnight_learns_the_status_in_the_morning() {
    let mut world = World::settled(Setup::laptop(1));
    world.suspend();
    world.run(seconds(60));
    ended(&mut world, 3);
    world.run(seconds(10 * 3600));
    world.resume();
    world.run(seconds(5));
    assert_eq!(world.outcome(), Some(Outcome::Ended(Some(3))));
    assert!(world.server.is_none());
}

#[test]
fn the_end_is_kept_for_a_day_or_for_the_user_s_limit() {
    for limit in [None, Some(seconds(600))] {
        let mut world = World::settled(Setup { network_timeout: limit, ..lan(1) });
        world.client = None;
        let heard = world.now();
        ended(&mut world, 3);
        let kept = limit.unwrap_or(seconds(24 * 3600));
        world.run(kept - seconds(60));
        assert!(world.server.is_some(), "{limit:?}");
        world.run(seconds(120));
        assert!(world.server.is_none(), "{limit:?}");
        let sent = world.sent.iter().filter(|sent| sent.side == net::Side::Server && sent.at > heard);
        // It says nothing at all to a client that has been silent for longer than any client of ours is.
        assert!(sent.count() < 80);
    }
}

#[test]
fn a_client_that_has_ended_is_not_waited_for() {
    let mut world = World::settled(lan(1));
    let path = world.server.as_ref().and_then(|server| server.connection()?.current_path()).expect("a path");
    world.client = None;
    // What it said last arrives.
    world.run(ms(1));
    ended(&mut world, 3);
    for _ in 0..3 {
        let now = world.now();
        world.server.as_mut().expect("a server").handle_refusal(&path, now);
        world.run(seconds(1));
    }
    world.run(seconds(170));
    assert!(world.server.is_some());
    world.run(seconds(10));
    assert!(world.server.is_none());
}

#[test]
fn a_server_that_is_told_to_leave_says_so_through_a_blip_and_leaves() {
    for lost in [false, true] {
        let mut world = World::settled(lan(1));
        silence(&mut world, true, true, true);
        let now = world.now();
        world.server.as_mut().expect("a server").handle_leave(Leave::Now, now);
        world.run(seconds(5));
        silence(&mut world, true, true, lost);
        world.run(seconds(6));
        assert!(world.server.is_none());
        assert_eq!(world.outcome(), (!lost).then_some(Outcome::Ended(None)));
    }
}

#[test]
fn a_user_who_quits_in_a_blip_leaves_no_server_behind() {
    for (blip, before) in [(600, 0), (8_000, 0), (900, 8_000)] {
        let mut world = World::settled(lan(1));
        silence(&mut world, true, true, true);
        world.type_next_key();
        world.run(ms(before));
        let now = world.now();
        world.client.as_mut().expect("a client").quit(now);
        world.run(ms(blip));
        silence(&mut world, true, true, false);
        world.run(ms(3_000));
        assert_eq!(world.outcome(), Some(Outcome::Quit), "{blip} ms");
        assert!(world.server.is_none());
    }
}

#[test]
fn a_user_who_quits_a_dead_session_waits_two_seconds_or_not_at_all() {
    let dead = || {
        let mut world = World::settled(Setup::laptop(1));
        world.server = None;
        world.type_next_key();
        world.run(seconds(30));
        world.type_text("\x1e.");
        world.run(ms(1_900));
        assert_eq!(world.outcome(), None);
        world
    };
    let mut world = dead();
    world.run(ms(200));
    assert_eq!(world.outcome(), Some(Outcome::QuitUnanswered));
    let mut world = dead();
    world.type_text("\x1e.");
    assert_eq!(world.outcome(), Some(Outcome::QuitUnanswered), "who asks twice does not wait");
}

#[test]
fn stock_peers_are_told_as_stock_tells_them() {
    let mut world = World::settled(lan(1).speaking(DialectName::Mosh));
    world.client = None;
    ended(&mut world, 3);
    world.run(seconds(11));
    assert!(world.server.is_none());
}

/// A session without a terminal that has begun: its command has said something, and goes on.
fn without_a_terminal() -> World {
    let mut world = World::new(lan(1));
    let now = world.now();
    let key = Key::from_bytes(&[7; 32]).expect("a key's length");
    let dialect = |side| Dialect::new(DialectName::Multipath, &key, side).expect("the dialect's length");
    let remotes = ["203.0.113.1:60001".parse().expect("an address")];
    let connection = Connection::client(dialect(Side::Client), &remotes, net::Config::default(), now);
    world.client = Some(Client::on_streams(connection, now));
    let config = Config { streams: true, extended: true, ..Config::default() };
    world.server = Some(Server::new(
        Connection::server(dialect(Side::Server), net::Config::default(), now),
        config,
        now,
    ));
    world.announce_interfaces();
    world.run(seconds(1));
    says(&mut world, b"begun");
    world.run(seconds(1));
    assert!(read(&mut world).ends_with(b"begun"));
    world
}

/// What has come of the command's output.
fn read(world: &mut World) -> Vec<u8> {
    let now = world.now();
    world.client.as_mut().expect("a client").read(Channel::Stdout, 100, now)
}

/// The command writes this.
fn says(world: &mut World, bytes: &[u8]) {
    let now = world.now();
    world.server.as_mut().expect("a server").handle_program_output(bytes, now);
}

#[test]
fn a_command_without_a_terminal_is_ended_when_its_client_would_have_given_up() {
    for refused in [true, false] {
        let mut world = without_a_terminal();
        let path = world.server.as_ref().and_then(|server| server.connection()?.current_path());
        // Killed, or without a network for good.
        world.client = None;
        says(&mut world, b"to nobody");
        for _ in 0..3 {
            let now = world.now();
            if let (true, Some(path), Some(server)) = (refused, &path, &mut world.server) {
                server.handle_refusal(path, now);
            }
        }
        let patience = if refused { seconds(3 * 60) } else { seconds(15 * 60) };
        world.run(patience - seconds(20));
        assert!(world.server.is_some(), "refused: {refused}");
        world.run(seconds(30));
        assert!(world.server.is_none(), "refused: {refused}");
    }
}

#[test]
fn a_server_without_a_terminal_that_is_asked_to_leave_waits_three_seconds_at_most_for_a_client_that_was_killed()
 {
    let mut world = without_a_terminal();
    world.client = None;
    let now = world.now();
    world.server.as_mut().expect("a server").handle_leave(Leave::Now, now);
    world.run(seconds(2));
    assert!(world.server.is_some(), "one that is there has the time to answer");
    world.run(seconds(1));
    assert!(world.server.is_none());
}

#[test]
fn a_command_whose_client_idles_or_roams_is_left_alone() {
    let mut world = without_a_terminal();
    world.run(seconds(3600));
    silence(&mut world, true, true, true);
    assert!(world.server.is_some(), "an idle hour");
    world.run(seconds(14 * 60));
    assert!(world.server.is_some(), "a quarter of an hour without a network, almost");
    silence(&mut world, true, true, false);
    world.run(seconds(60));
    says(&mut world, b"still there");
    world.run(seconds(1));
    assert_eq!(read(&mut world), b"still there");
}

#[test]
fn what_a_command_wrote_last_waits_a_night_for_a_laptop_that_sleeps() {
    let mut world = without_a_terminal();
    world.suspend();
    world.run(seconds(60));
    says(&mut world, b"done");
    ended(&mut world, 3);
    world.run(seconds(10 * 3600));
    world.resume();
    world.run(seconds(5));
    assert_eq!(read(&mut world), b"done");
    let now = world.now();
    world.client.as_mut().expect("a client").read(Channel::Stderr, 100, now);
    world.run(seconds(5));
    assert_eq!(world.outcome(), Some(Outcome::Ended(Some(3))));
    assert!(world.server.is_none());
}
