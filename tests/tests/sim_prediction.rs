//! What a user sees who types over a round trip of 200 ms, in virtual time, by the bytes that reach their terminal.

use mpmosh_client::cli::words::PredictMode;
use mpmosh_tests::sim::{Quality, Setup, Shell, World, ms};
use std::time::Duration;

const ROUND_TRIP: Duration = ms(200);

fn shell(predict: PredictMode) -> World {
    let mut setup = Setup::single(7, Quality::millis(100));
    setup.application = Box::new(Shell::new());
    setup.predict = predict;
    let mut world = World::new(setup);
    world.run(ms(2000));
    assert_eq!(row(&world, 0), "$");
    world
}

fn row(world: &World, row: u16) -> String {
    let screen = world.display();
    let text: String = (0..screen.size().columns)
        .filter_map(|column| screen.cell(row, column))
        .map(|cell| cell.text())
        .collect();
    text.trim_end().to_owned()
}

/// Types key by key, as fast as a good typist.
fn types(world: &mut World, text: &str) {
    for key in text.chars() {
        world.type_text(key.encode_utf8(&mut [0; 4]));
        world.run(ms(80));
    }
}

/// Nothing from the server arrives any more.
fn cut_off(world: &mut World) {
    world.change_direction(0, false, |quality| quality.loss = 1.0);
    // What was on its way is here.
    world.run(ROUND_TRIP);
}

#[test]
fn a_key_is_drawn_though_no_answer_can_have_come() {
    let mut world = shell(PredictMode::Adaptive);
    types(&mut world, "l");
    world.run(ms(1000));
    cut_off(&mut world);
    let before = world.now();
    world.type_text("s");
    world.type_text("漢");
    assert_eq!(world.now(), before, "at the very moment");
    assert_eq!(row(&world, 0), "$ ls漢");
}

#[test]
fn without_prediction_nothing_is_drawn_before_the_answer() {
    let mut world = shell(PredictMode::Never);
    types(&mut world, "l");
    world.run(ms(1000));
    cut_off(&mut world);
    world.type_text("s");
    world.run(ms(1000));
    assert_eq!(row(&world, 0), "$ l");
}

#[test]
fn a_wrong_guess_is_repaired_within_a_round_trip_and_a_frame() {
    let mut world = shell(PredictMode::Adaptive);
    types(&mut world, "ls ");
    world.run(ms(1000));
    world.type_text("!");
    assert_eq!(row(&world, 0), "$ ls !", "as it is guessed");
    world.run(ROUND_TRIP + ms(120));
    assert_eq!(row(&world, 0), "$ ls [history]", "as it is");
    let server = world.server.as_ref().and_then(|server| server.screen()).cloned();
    assert_eq!(server.as_ref().map(|screen| screen.cursor()), Some(world.display().cursor()));
}

/// What is typed at a prompt for a password, in letters that nothing else holds.
const SECRET: &str = "ΩΨΞΦ";

fn assert_nothing_shown(world: &World, mode: PredictMode) {
    let drawn = String::from_utf8_lossy(&world.drawn).into_owned();
    for letter in SECRET.chars() {
        assert!(!drawn.contains(letter), "{mode:?}: {letter} reached the terminal: {drawn:?}");
    }
}

#[test]
fn of_a_password_not_one_letter_reaches_the_terminal() {
    for mode in [PredictMode::Adaptive, PredictMode::Always] {
        let mut world = shell(mode);
        types(&mut world, "secret\r");
        world.run(ms(1000));
        types(&mut world, SECRET);
        world.run(ms(1000));
        assert_eq!(row(&world, 1), "Password:");
        // Nor when the network fails and everything waits.
        world.change(0, |quality| quality.loss = 1.0);
        types(&mut world, SECRET);
        world.run(ms(20_000));
        world.change(0, |quality| quality.loss = 0.0);
        types(&mut world, SECRET);
        world.run(ms(5000));
        assert!(world.received().ends_with(SECRET.as_bytes()));
        assert_nothing_shown(&world, mode);
    }
}

#[test]
fn nor_of_one_that_is_typed_before_it_is_asked_for() {
    for mode in [PredictMode::Adaptive, PredictMode::Always] {
        let mut world = shell(mode);
        types(&mut world, "secret");
        world.type_text("\r");
        world.type_text(SECRET);
        world.run(ms(5000));
        assert_nothing_shown(&world, mode);
    }
}

#[test]
fn nor_of_one_that_the_program_asks_for_by_itself() {
    for mode in [PredictMode::Adaptive, PredictMode::Always] {
        let mut world = shell(mode);
        types(&mut world, "ask");
        world.run(ms(5000));
        assert_eq!(row(&world, 1), "Password:");
        types(&mut world, SECRET);
        world.run(ms(5000));
        assert_nothing_shown(&world, mode);
    }
}

#[test]
fn nor_of_one_that_it_asks_for_in_the_middle_of_a_word() {
    for mode in [PredictMode::Adaptive, PredictMode::Always] {
        let mut world = shell(mode);
        types(&mut world, "ask");
        while row(&world, 1) != "Password:" {
            types(&mut world, "x");
        }
        types(&mut world, SECRET);
        world.run(ms(5000));
        assert_eq!(row(&world, 1), "Password:");
        assert_nothing_shown(&world, mode);
    }
}

#[test]
fn ctrl_c_stops_a_program_that_never_stops_writing() {
    let mut world = shell(PredictMode::Adaptive);
    types(&mut world, "yes\r");
    world.run(ms(3000));
    assert_eq!(row(&world, 12), "y");
    world.type_text("\x03");
    world.run(ms(100));
    assert!(world.received().ends_with(b"\x03"), "the key takes one way and no longer");
    // Back comes the next frame, and frames are half a round trip apart.
    world.run(ms(100) + ROUND_TRIP / 2 + ms(20));
    assert_eq!(row(&world, 23), "$");
    assert_eq!(row(&world, 22), "^C");
}
