//! The emulator and the diff by themselves, in this process: no pty, no network, nothing to compare with.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use mpmosh_tests::lab::clock;
use terminal::{Emulator, Screen, Size, Vocabulary, diff};

/// What vim wrote while somebody scrolled, split, searched and edited: recorded (`tests/vectors/term/record.py`).
const VIM: &[u8] = include_bytes!("../../../vectors/term/vim-200x60/stream");
/// The best of so many is what the machine can do when nothing else runs.
const ROUNDS: usize = 7;

/// Each figure with what it is of and its unit.
pub(crate) fn figures(log: &str) -> Vec<(String, &'static str, f64)> {
    // A terminal's line discipline makes LF a new line.
    let lines = |text: &str, count: usize| text.replace('\n', "\r\n").repeat(count).into_bytes();
    let workloads = [
        ("coloured log", lines(log, 1)),
        (
            "plain text",
            lines("The quick brown fox jumps over the lazy dog, and the dog sleeps on.\n", 100_000),
        ),
        ("`yes`", lines("y\n", 700_000)),
        (
            "Chinese and Japanese",
            lines("日本語の端末でも速くなければならない。天地玄黃，宇宙洪荒。\n", 40_000),
        ),
        ("redrawing vim", VIM.repeat(2_000_000 / VIM.len())),
    ];
    let mut figures = Vec::new();
    for (name, bytes) in workloads {
        figures.push((
            format!("emulator: {name}"),
            "MB/s",
            bytes.len() as f64 / micros(best(|| read(&bytes))),
        ));
    }
    for (columns, rows) in [(80, 24), (500, 300)] {
        let (before, after) = typed(Size { columns, rows }, log, b"x");
        let time = best(|| {
            (0..1000).for_each(|_| drop(black_box(diff(&before, black_box(&after), &Vocabulary::PEER))))
        });
        figures.push((format!("diff: one character on {columns} × {rows}"), "µs", micros(time) / 1e3));
    }
    let (before, after) = typed(Size { columns: 200, rows: 60 }, log, &lines(&log[..4000], 1));
    let time = best(|| drop(black_box(diff(&before, black_box(&after), &Vocabulary::PEER))));
    figures.push(("diff: 40 rows more of a log on 200 × 60".into(), "µs", micros(time)));
    figures
}

/// As a pty hands it over, each state kept as a server does.
fn read(bytes: &[u8]) {
    let mut emulator = Emulator::new(Size { columns: 200, rows: 60 });
    let mut kept = emulator.screen().clone();
    for piece in bytes.chunks(4096) {
        emulator.feed(black_box(piece));
        kept = emulator.screen().clone();
    }
    black_box(kept);
}

/// A screen full of log, and the same after `more`.
fn typed(size: Size, log: &str, more: &[u8]) -> (Screen, Screen) {
    let mut emulator = Emulator::new(size);
    emulator.feed(log[..200_000].replace('\n', "\r\n").as_bytes());
    let before = emulator.screen().clone();
    emulator.feed(more);
    (before, emulator.into_screen())
}

fn best(mut work: impl FnMut()) -> Duration {
    let mut once = || {
        let before = clock::now();
        work();
        clock::now() - before
    };
    (0..ROUNDS).map(|_| once()).min().unwrap_or_default()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The figures as a markdown table.
pub(crate) fn table(figures: &[(String, &'static str, f64)]) -> String {
    let mut text = String::from("| by itself, on one core | |\n|---|---:|\n");
    for (name, unit, figure) in figures {
        let _ = writeln!(text, "| {name} ({unit}) | {figure:.1} |");
    }
    text
}
