//! How a client leaves a session that goes on: by its own wish, and because another one has it; through blips and silences.

use mpmosh_client::session::client::{Client, Outcome};
use mpmosh_tests::sim::{Setup, World, ms, seconds};
use terminal::Size;

const PHONE: Size = Size { columns: 50, rows: 20 };
const DETACH: &str = "\x1ed";

/// A client that has typed, over one uplink.
fn world() -> World {
    World::settled(Setup::laptop(1))
}

fn silence(world: &mut World, silent: bool) {
    for uplink in 0..world.uplinks.len() {
        for direction in [true, false] {
            world.change_direction(uplink, direction, |quality| quality.silent = silent);
        }
    }
}

#[test]
fn a_wish_to_detach_outlasts_a_blip_and_the_program_goes_on() {
    for (blip, before) in [(0, 0), (600, 0), (8_000, 0), (900, 8_000)] {
        let mut world = world();
        silence(&mut world, blip > 0);
        world.run(ms(before));
        world.type_text(DETACH);
        world.run(ms(blip));
        silence(&mut world, false);
        world.run(ms(3_000));
        assert_eq!(world.outcome(), Some(Outcome::Detached), "{blip} ms");
        world.run(seconds(120));
        assert!(world.server.is_some(), "the session waits for a client");
    }
}

#[test]
fn who_leaves_a_silent_session_waits_two_seconds_or_not_at_all_and_it_goes_on() {
    for again in [false, true] {
        let mut world = world();
        silence(&mut world, true);
        world.type_next_key();
        world.run(seconds(30));
        world.type_text(DETACH);
        world.run(ms(1_900));
        assert_eq!(world.outcome(), None);
        if again {
            world.type_text(DETACH);
        } else {
            world.run(ms(200));
        }
        assert_eq!(world.outcome(), Some(Outcome::QuitUnanswered));
        silence(&mut world, false);
        world.run(seconds(120));
        assert!(world.server.is_some());
    }
}

#[test]
fn whoever_leaves_a_session_that_another_has_by_then_has_lost_it_and_ends_nothing() {
    for leaves in [DETACH, "\x1e."] {
        let mut world = world();
        world.attach(PHONE);
        world.run(seconds(2));
        let outcome = world.former[0].client.as_ref().and_then(Client::outcome);
        assert!(matches!(outcome, Some(Outcome::TakenOver(_))), "{outcome:?}");
        // And the one who has it now leaves it as it wishes.
        world.type_text(leaves);
        world.run(seconds(3));
        let (outcome, stays) =
            if leaves == DETACH { (Outcome::Detached, true) } else { (Outcome::Quit, false) };
        assert_eq!(world.outcome(), Some(outcome));
        world.run(seconds(20));
        assert_eq!(world.server.is_some(), stays);
    }
}
