//! How fast the emulator reads: a coloured log, plain text, CJK and cursor motion; and what a diff costs.
//! Run with `cargo run --release -p mpmosh-terminal --example throughput`.

use mpmosh_terminal::{Emulator, Screen, Size, Vocabulary, diff};
use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn timed(mut work: impl FnMut()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn coloured_log() -> String {
    let mut log = String::new();
    for line in 0..20_000u32 {
        let (color, level) = [(32, "INFO"), (33, "WARN"), (31, "ERROR"), (36, "DEBUG")][line as usize % 4];
        let _ = write!(
            log,
            "\x1b[90m2026-11-22T10:{:02}:{:02}.{:03}Z\x1b[0m \x1b[1;{color}m{level:5}\x1b[0m \x1b[34mserver::http\x1b[0m: \
             request \x1b[1mGET\x1b[0m /api/v1/items/{line}?page={} finished in \x1b[38;5;{}m{}ms\x1b[0m\r\n",
            line / 60 % 60,
            line % 60,
            line % 1000,
            line % 17,
            line % 256,
            line % 91,
        );
    }
    log
}

fn report(name: &str, bytes: &[u8], snapshots: bool) {
    let mut emulator = Emulator::new(Size { columns: 80, rows: 24 });
    if snapshots {
        // As the server does.
        emulator.keep_history();
    }
    let mut kept = Screen::default();
    let rounds = (64_000_000 / bytes.len()).max(1);
    let round = |_| {
        timed(|| {
            for chunk in bytes.chunks(16_384) {
                emulator.feed(black_box(chunk));
                if snapshots {
                    kept = emulator.screen().clone();
                }
            }
        })
    };
    // The best is what the machine can do when nothing else runs.
    let elapsed = (0..rounds).map(round).min().unwrap_or_default();
    black_box(kept);
    let rate = bytes.len() as f64 / elapsed.as_secs_f64() / 1e6;
    println!("{name:28} {rate:8.1} MB/s");
}

fn main() {
    let log = coloured_log();
    report("coloured log", log.as_bytes(), false);
    report("coloured log, as a server", log.as_bytes(), true);
    let plain = "The quick brown fox jumps over the lazy dog. 0123456789\r\n".repeat(5_000);
    report("plain text", plain.as_bytes(), false);
    report("plain text, as a server", plain.as_bytes(), true);
    let yes = "y\r\n".repeat(5_000);
    report("yes", yes.as_bytes(), false);
    report("yes, as a server", yes.as_bytes(), true);
    let cjk = "日本語の端末でも速くなければならない。\r\n".repeat(5_000);
    report("CJK", cjk.as_bytes(), false);
    report("CJK, as a server", cjk.as_bytes(), true);
    let motion: String =
        (0..5_000).map(|n| format!("\x1b[{};{}H\x1b[3{}mx", n % 24, n % 80, n % 8)).collect();
    report("cursor motion", motion.as_bytes(), false);

    let mut emulator = Emulator::new(Size { columns: 200, rows: 60 });
    emulator.feed(log.as_bytes());
    let before = emulator.screen().clone();
    emulator.feed(b"x");
    let typed = emulator.screen().clone();
    emulator.feed(&log.as_bytes()[..4_000]);
    let scrolled = emulator.screen().clone();
    for (name, to) in [("one character", &typed), ("scrolled", &scrolled)] {
        let mut bytes = 0;
        let elapsed = timed(|| {
            for _ in 0..1_000 {
                bytes = black_box(diff(&before, black_box(to), &Vocabulary::PEER)).len();
            }
        });
        println!("diff 200x60, {name:15} {:8.1} us {bytes:6} octets", elapsed.as_secs_f64() * 1e3);
    }
    let (from, bytes) = (before.clone(), diff(&before, &typed, &Vocabulary::PEER));
    let elapsed = timed(|| {
        for _ in 0..1_000 {
            let mut peer = Emulator::from_screen(from.clone());
            peer.feed(&bytes);
            black_box(peer.into_screen());
        }
    });
    println!("apply 200x60, one character  {:8.1} us", elapsed.as_secs_f64() * 1e3);
}
