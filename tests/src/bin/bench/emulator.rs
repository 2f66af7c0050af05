//! The emulator and the diff by themselves, in this process: no pty, no network, nothing to compare with.

use std::fmt::Write as _;
use std::hint::black_box;
use std::process::Command;
use std::time::Duration;

use mpmosh_tests::lab::clock;
use terminal::{Emulator, Screen, Size, Vocabulary, diff};

/// What vim wrote while somebody scrolled, split, searched and edited: recorded (`tests/vectors/term/record.py`).
const VIM: &[u8] = include_bytes!("../../../vectors/term/vim-200x60/stream");
/// The best of so many is what the machine can do when nothing else runs.
const ROUNDS: usize = 7;

/// How much of a workload is read while instructions are counted, which takes fifty times as long.
const COUNTED: usize = 1_000_000;

/// A figure of the emulator's or the diff's.
pub(crate) struct Figure {
    name: String,
    unit: &'static str,
    value: f64,
    /// How many instructions an octet takes, as valgrind counts them: it is the same on a machine that is busy.
    instructions: Option<f64>,
}

/// What programs write, each with its name.
fn workloads(log: &str) -> [(&'static str, Vec<u8>); 5] {
    // A terminal's line discipline makes LF a new line.
    let lines = |text: &str, count: usize| text.replace('\n', "\r\n").repeat(count).into_bytes();
    let plain = "The quick brown fox jumps over the lazy dog, and the dog sleeps on.\n";
    let cjk = "日本語の端末でも速くなければならない。天地玄黃，宇宙洪荒。\n";
    [
        ("coloured log", lines(log, 1)),
        ("plain text", lines(plain, 100_000)),
        ("`yes`", lines("y\n", 700_000)),
        ("Chinese and Japanese", lines(cjk, 40_000)),
        ("redrawing vim", VIM.repeat(2_000_000 / VIM.len())),
    ]
}

/// All figures.
pub(crate) fn figures(log: &str) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (number, (name, bytes)) in workloads(log).iter().enumerate() {
        figures.push(Figure {
            name: format!("emulator: {name}"),
            unit: "MB/s",
            value: bytes.len() as f64 / micros(best(|| read(bytes))),
            instructions: instructions(number),
        });
    }
    let mut diffs = |name: String, value| {
        figures.push(Figure { name: format!("diff: {name}"), unit: "µs", value, instructions: None });
    };
    for (columns, rows) in [(80, 24), (500, 300)] {
        let (before, after) = typed(Size { columns, rows }, log, b"x");
        let time = best(|| {
            (0..1000).for_each(|_| drop(black_box(diff(&before, black_box(&after), &Vocabulary::PEER))))
        });
        diffs(format!("one character on {columns} × {rows}"), micros(time) / 1e3);
    }
    let more = log[..4000].replace('\n', "\r\n");
    let (before, after) = typed(Size { columns: 200, rows: 60 }, log, more.as_bytes());
    let time = best(|| drop(black_box(diff(&before, black_box(&after), &Vocabulary::PEER))));
    diffs("40 rows more of a log on 200 × 60".into(), micros(time));
    figures
}

/// As a pty hands it over, each state and what scrolls away kept as a server does.
fn read(bytes: &[u8]) {
    let mut emulator = Emulator::new(Size { columns: 200, rows: 60 });
    emulator.keep_history();
    let mut kept = emulator.screen().clone();
    for piece in bytes.chunks(4096) {
        emulator.feed(black_box(piece));
        kept = emulator.screen().clone();
    }
    black_box(kept);
}

/// Reads the beginning of a workload so many times, for somebody who counts.
pub(crate) fn counted(log: &str, number: usize, times: usize) {
    if let Some((_, bytes)) = workloads(log).get(number) {
        (0..times).for_each(|_| read(&bytes[..bytes.len().min(COUNTED)]));
    }
}

/// How many instructions an octet of a workload takes: what reading it a second time adds. None without valgrind.
fn instructions(number: usize) -> Option<f64> {
    let count = |times: usize| {
        let mut valgrind = Command::new("valgrind");
        valgrind
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe().ok()?);
        let output = valgrind.args(["--read".into(), number.to_string(), times.to_string()]).output().ok()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        said.split_once("Collected :")?.1.split_whitespace().next()?.parse::<u64>().ok()
    };
    Some((count(2)? - count(1)?) as f64 / COUNTED as f64)
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
pub(crate) fn table(figures: &[Figure]) -> String {
    let mut text = String::from("| by itself, on one core | | instructions an octet |\n|---|---:|---:|\n");
    for Figure { name, unit, value, instructions } in figures {
        let instructions = instructions.map_or("—".to_owned(), |count| format!("{count:.1}"));
        let _ = writeln!(text, "| {name} ({unit}) | {value:.1} | {instructions} |");
    }
    text
}
