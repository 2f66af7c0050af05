//! What our diffs of the recorded streams come to, 2048 octets of a stream a frame: `tests/vectors/term/octets.txt` holds
//! the sums, so that any change is seen. Beside them what the streams are themselves, and what tmux writes to its own
//! terminal for the same frames (`octets.py`). `MPMOSH_WRITE_TABLE=1` writes the sums anew.

use mpmosh_terminal::{Colors, Emulator, Size, Vocabulary, diff};
use std::fmt::Write;
use std::path::Path;

const FRAME: usize = 2048;

/// Octets of the diffs from frame to frame.
fn sum(stream: &[u8], size: Size, vocabulary: &Vocabulary) -> usize {
    let mut emulator = Emulator::new(size);
    let mut octets = 0;
    for frame in stream.chunks(FRAME) {
        let shown = emulator.screen().clone();
        emulator.feed(frame);
        octets += diff(&shown, emulator.screen(), vocabulary).len();
    }
    octets
}

#[test]
fn diffs_of_the_recorded_streams_are_as_short_as_they_were() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/term");
    let table = std::fs::read_to_string(root.join("octets.txt")).unwrap();
    // What tmux's own terminal is told of, so that the two do the same.
    let xterm = Vocabulary { colors: Colors::Indexed, title: true, ..Vocabulary::XTERM };
    let mut found = String::new();
    let mut totals = [0; 5];
    for line in table.lines() {
        let Some((name, figures)) = line.split_once(' ').filter(|(name, _)| !matches!(*name, "#" | "all"))
        else {
            continue;
        };
        let (columns, rows) = name.rsplit_once('-').unwrap().1.split_once('x').unwrap();
        let size = Size { columns: columns.parse().unwrap(), rows: rows.parse().unwrap() };
        let stream = std::fs::read(root.join(name).join("stream")).unwrap();
        let tmux: usize = figures.split(' ').nth(1).unwrap().parse().unwrap();
        let ours =
            [&xterm, &Vocabulary::PEER, &Vocabulary::STOCK_PEER].map(|known| sum(&stream, size, known));
        let [to_xterm, to_peer, to_stock] = ours;
        let figures = [stream.len(), tmux, to_xterm, to_peer, to_stock];
        writeln!(found, "{name} {}", figures.map(|figure| figure.to_string()).join(" ")).unwrap();
        totals.iter_mut().zip(figures).for_each(|(total, figure)| *total += figure);
    }
    let heading = "# case stream tmux xterm peer stock\n";
    let found = format!("{heading}{found}all {}\n", totals.map(|total| total.to_string()).join(" "));
    if std::env::var_os("MPMOSH_WRITE_TABLE").is_some() {
        std::fs::write(root.join("octets.txt"), &found).unwrap();
    } else {
        assert_eq!(found, table, "the sums have changed: MPMOSH_WRITE_TABLE=1 writes them");
    }
    // A redraw must not cost more than passing all of it on would.
    assert!(totals[2] < totals[1] && totals[3] < totals[0]);
}
