//! What programs do with their terminal, seen from the user's, in virtual time.

use mpmosh_tests::sim::{Application, Quality, Setup, World, ms};
use net::Instant;
use std::time::Duration;

/// Writes pieces at times after its start.
struct Script {
    pieces: Vec<(Duration, &'static [u8])>,
    started: Option<Instant>,
    received: Vec<u8>,
}

impl Application for Script {
    fn start(&mut self, now: Instant) -> Vec<u8> {
        self.started = Some(now);
        Vec::new()
    }

    fn input(&mut self, bytes: &[u8], _now: Instant) -> Vec<u8> {
        self.received.extend_from_slice(bytes);
        Vec::new()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.started? + self.pieces.first()?.0)
    }

    fn handle_timeout(&mut self, _now: Instant) -> Vec<u8> {
        self.pieces.remove(0).1.to_vec()
    }

    fn received(&self) -> &[u8] {
        &self.received
    }
}

fn running(pieces: &[(u64, &'static [u8])]) -> World {
    let pieces = pieces.iter().map(|(at, bytes)| (ms(*at), *bytes)).collect();
    let mut setup = Setup::single(3, Quality::millis(10));
    setup.application = Box::new(Script { pieces, started: None, received: Vec::new() });
    World::new(setup)
}

/// The first row at each change of it.
fn rows_seen(world: &mut World, duration: Duration) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..duration.as_millis() {
        world.run(ms(1));
        let screen = world.display();
        let cells = (0..screen.size().columns).filter_map(|column| screen.cell(0, column));
        let row = cells.map(|cell| cell.text()).collect::<String>().trim_end().to_owned();
        if seen.last() != Some(&row) {
            seen.push(row);
        }
    }
    seen
}

#[test]
fn a_frame_that_a_program_marks_is_seen_whole() {
    let mut world = running(&[
        (500, b"\x1b[?2026h\x1b[Hone "),
        (530, b"frame\x1b[?2026l"),
        (700, b"\x1b[?2026h\x1b[Htwo "),
        (720, b"gives\x1b[?2026l\x1b[?2026h\x1b[Hsix"),
        (735, b" gives\x1b[?2026l"),
    ]);
    assert_eq!(rows_seen(&mut world, ms(1500)), ["", "one frame", "two gives", "six gives"]);
}

#[test]
fn a_frame_that_is_never_finished_is_seen_all_the_same() {
    let mut world = running(&[(500, b"\x1b[?2026h\x1b[Hhalf"), (900, b" a frame")]);
    assert_eq!(rows_seen(&mut world, ms(1500)), ["", "half", "half a frame"]);
}

#[test]
fn a_program_is_told_of_the_keyboard_that_the_user_has() {
    let mut world = running(&[(500, b"\x1b[>5u\x1b[?u")]);
    world.run(ms(1000));
    assert_eq!(world.received(), b"\x1b[?5u");
    assert_eq!(world.display().modes().keyboard, 5, "and the user's terminal is told what the program wants");
}
