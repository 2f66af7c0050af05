//! Reads what a program wrote and writes the diffs that redraw its screen, step by step, on a terminal just cleared:
//! `redraw COLUMNS ROWS stock|xterm|basic STEPS < STREAM`.

use mpmosh_terminal::{Colors, Emulator, Size, Vocabulary, diff};
use std::io::{Read, Write};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, columns, rows, vocabulary, steps] = &arguments[..] else {
        return Err("redraw COLUMNS ROWS stock|xterm|basic STEPS < STREAM".into());
    };
    let vocabulary = match vocabulary.as_str() {
        "stock" => Vocabulary::STOCK_PEER,
        "xterm" => Vocabulary { colors: Colors::True, underlines: true, ..Vocabulary::XTERM },
        _ => Vocabulary::BASIC,
    };
    let mut stream = Vec::new();
    std::io::stdin().read_to_end(&mut stream)?;
    let mut emulator = Emulator::new(Size { columns: columns.parse()?, rows: rows.parse()? });
    let mut shown = emulator.screen().clone();
    let mut out = std::io::stdout().lock();
    for step in stream.chunks(stream.len() / steps.parse::<usize>()? + 1) {
        emulator.feed(step);
        out.write_all(&diff(&shown, emulator.screen(), &vocabulary))?;
        shown = emulator.screen().clone();
    }
    Ok(())
}
