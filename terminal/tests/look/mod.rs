//! Looks as `tests/vectors/term/record.py` spells them.

use mpmosh_terminal::{Attributes, Cell, Color, Flags, Row, Underline};
use std::fmt::Write;

/// A cell's look as `record.py` spells it.
fn look(cell: &Cell) -> String {
    let Attributes { foreground, background, flags, underline } = cell.attributes();
    let mut text = String::new();
    let letters = [
        (Flags::BOLD, 'b'),
        (Flags::FAINT, 'd'),
        (Flags::ITALIC, 'i'),
        (Flags::BLINK, 'k'),
        (Flags::INVERSE, 'r'),
        (Flags::HIDDEN, 'h'),
        (Flags::STRIKE, 's'),
        (Flags::OVERLINE, 'o'),
    ];
    text.extend(letters.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, letter)| letter));
    if underline != Underline::None {
        write!(text, "u{}", underline as u8).unwrap();
    }
    for (key, color) in [('f', foreground), ('g', background), ('c', cell.underline_color())] {
        let comma = if text.is_empty() { "" } else { "," };
        match color {
            Color::Default => {}
            Color::Indexed(index) => write!(text, "{comma}{key}={index}").unwrap(),
            Color::Rgb(r, g, b) => write!(text, "{comma}{key}=#{r:02x}{g:02x}{b:02x}").unwrap(),
        }
    }
    text
}

/// The runs of cells with the same look: FIRST-LAST:LOOK.
pub(crate) fn looks(row: &Row) -> String {
    let mut runs: Vec<(usize, usize, String)> = Vec::new();
    for (column, cell) in row.cells().iter().enumerate() {
        let look = look(cell);
        match runs.last_mut() {
            Some((_, last, same)) if *last + 1 == column && *same == look => *last = column,
            _ if look.is_empty() => {}
            _ => runs.push((column, column, look)),
        }
    }
    let runs: Vec<String> = runs.iter().map(|(first, last, look)| format!("{first}-{last}:{look}")).collect();
    runs.join(" ")
}
