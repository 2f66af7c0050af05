//! The bytes so far, and what the terminal that reads them will have as its cursor and pen.

use super::sgr;
use super::state::write;
use crate::attributes::{Color, Pen};
use crate::cell::Cell;
use crate::control::*;
use crate::modes::{PrivateMode, Reading};
use crate::screen::Screen;
use crate::vocabulary::Vocabulary;
use crate::width;
use alloc::string::String;
use alloc::vec::Vec;

const AUTOWRAP: PrivateMode = PrivateMode::Reads(Reading::Autowrap);
const CLUSTERS: PrivateMode = PrivateMode::Reads(Reading::Clusters);

#[derive(Clone)]
pub(super) struct Writer<'a> {
    pub(super) out: Vec<u8>,
    pub(super) vocabulary: &'a Vocabulary,
    columns: u16,
    /// Row and column; a column equal to `columns` means that the last one may have been written and the wrap be
    /// pending. `None` after something whose width terminals disagree on.
    position: Option<(u16, u16)>,
    /// What the terminal was last told, projected.
    pen: Pen,
}

impl<'a> Writer<'a> {
    pub(super) fn new(from: &Screen, vocabulary: &'a Vocabulary) -> Self {
        let columns = from.size.columns;
        let at = from.cursor;
        // Whether a wrap is pending there is not part of a screen.
        let column = if at.column + 1 == columns { columns } else { at.column };
        Self {
            out: Vec::new(),
            vocabulary,
            columns,
            position: Some((at.row, column)),
            pen: sgr::project(&from.pen, vocabulary),
        }
    }

    /// Takes what `other` comes to with `draw`, when that is no longer.
    pub(super) fn rather(&mut self, mut other: Self, draw: impl FnOnce(&mut Self)) {
        draw(&mut other);
        if other.out.len() <= self.out.len() {
            *self = other;
        }
    }

    pub(super) const fn position(&self) -> Option<(u16, u16)> {
        self.position
    }

    pub(super) const fn pen(&self) -> &Pen {
        &self.pen
    }

    /// Whether the next character would wrap onto `row`.
    pub(super) fn wraps_onto(&self, row: u16) -> bool {
        self.position.is_some_and(|(at, column)| column == self.columns && at + 1 == row)
    }

    /// An escape sequence that moves nothing.
    pub(super) fn sequence(&mut self, text: core::fmt::Arguments<'_>) {
        write(&mut self.out, text);
    }

    /// What a sequence has done to the cursor.
    pub(super) const fn moved(&mut self, row: u16, column: u16) {
        self.position = Some((row, column));
    }

    pub(super) fn set_pen(&mut self, pen: &Pen) {
        if *pen == self.pen {
            return;
        }
        let projected = sgr::project(pen, self.vocabulary);
        sgr::change(&mut self.out, &self.pen, &projected);
        self.pen = projected;
    }

    /// Makes erasing leave `background`, and nothing else: there are terminals (kitty 0.26) that fill what is erased, or
    /// scrolled in, with all of the pen.
    pub(super) fn set_erase_color(&mut self, background: Color) {
        let background = self.vocabulary.colors.nearest(background);
        let mut pen = Pen::default();
        pen.attributes.background = background;
        let all = pen.attributes == self.pen.attributes && self.pen.underline_color() == Color::Default;
        let right = if self.vocabulary.exact { self.pen.attributes.background == background } else { all };
        if !right {
            pen.set_link(self.pen.link().cloned());
            self.set_pen(&pen);
        }
    }

    /// Prints `cell` at the cursor; its continuation with it.
    pub(super) fn print(&mut self, cell: &Cell) {
        if !cell.looks_like(&self.pen) {
            self.set_pen(&cell.pen());
        }
        let Some((row, column)) = self.position else { return };
        // A print with the wrap pending begins the next row.
        let (row, column) = if column == self.columns { (row + 1, 0) } else { (row, column) };
        let trusted = self.vocabulary.exact || !cell.is_disputed();
        self.put_text(cell);
        let wide = u16::from(cell.width.max(1));
        self.position = trusted.then_some((row, column + wide));
    }

    /// Prints cells that the terminal may draw together: where the cursor is then, nobody knows.
    pub(super) fn print_together(&mut self, cells: &[Cell]) {
        for cell in cells.iter().filter(|cell| cell.width > 0) {
            if !cell.looks_like(&self.pen) {
                self.set_pen(&cell.pen());
            }
            self.put_text(cell);
        }
        self.position = None;
    }

    /// Prints a cell beside which there may be no room for what the terminal makes of it.
    pub(super) fn print_unwrapped(&mut self, cell: &Cell) {
        write(&mut self.out, format_args!("{}", AUTOWRAP.switched(false)));
        self.print_together(core::slice::from_ref(cell));
        write(&mut self.out, format_args!("{}", AUTOWRAP.switched(true)));
    }

    /// Prints a blank for each of `columns`, with the look of what is there.
    pub(super) fn blank(&mut self, row: u16, cells: &[Cell], columns: core::ops::Range<usize>) {
        for column in columns {
            if !(column == 0 && self.wraps_onto(row)) {
                self.move_to(row, column as u16);
            }
            self.print(&Cell::new(' ', 1, &cells[column].pen()));
        }
    }

    fn put_text(&mut self, cell: &Cell) {
        let marks = cell.marks();
        if cell.base.is_ascii() && marks.is_empty() {
            self.out.push(cell.base as u8);
            return;
        }
        let mut text = String::new();
        text.push(cell.base);
        if self.vocabulary.clusters {
            text.push_str(marks);
        } else {
            text.extend(marks.chars().filter(|&c| width::of(c) == 0 && !is_emoji_control(c)));
            if cell.width == 2 && width::of(cell.base) == 1 {
                text.push(' ');
            }
        }
        let clustered = self.vocabulary.exact && cell.is_clustered();
        if clustered {
            write(&mut self.out, format_args!("{}", CLUSTERS.switched(true)));
        }
        self.out.extend_from_slice(text.as_bytes());
        if clustered {
            write(&mut self.out, format_args!("{}", CLUSTERS.switched(false)));
        }
    }

    /// Moves the cursor the cheapest way.
    pub(super) fn move_to(&mut self, row: u16, column: u16) {
        if self.position == Some((row, column)) {
            return;
        }
        let mut best = String::new();
        let _ = absolute(&mut best, row, column);
        if let Some(at) = self.position {
            self.relative(at, (row, column), &mut best);
        }
        self.out.extend_from_slice(best.as_bytes());
        self.position = Some((row, column));
    }

    /// Moves the cursor to `row`, to whichever column is nearest.
    pub(super) fn move_to_row(&mut self, row: u16) {
        match self.position {
            Some((at, _)) if at == row => {}
            Some((_, column)) if column < self.columns && row > 0 => self.move_to(row, column),
            _ => self.move_to(row, 0),
        }
    }

    /// Notes that the cursor is on `row`, at the left edge by the standard; not every terminal moves it there.
    pub(super) const fn lost_column(&mut self, row: u16) {
        self.position = Some((row, if self.vocabulary.exact { 0 } else { self.columns }));
    }

    /// How long `move_to` would be, about.
    pub(super) fn motion_cost(&self, row: u16, column: u16) -> usize {
        let mut best = String::new();
        let _ = absolute(&mut best, row, column);
        match self.position {
            Some(at) if at == (row, column) => 0,
            Some(at) => {
                self.relative(at, (row, column), &mut best);
                best.len()
            }
            None => best.len(),
        }
    }

    /// Replaces `best` when there is something shorter.
    fn relative(&self, from: (u16, u16), to: (u16, u16), best: &mut String) {
        let pending = from.1 == self.columns;
        if !pending || self.vocabulary.exact {
            let column = from.1.min(self.columns - 1);
            // With the wrap pending, staying in the column would leave it pending.
            if !(pending && to.1 == column) {
                let mut way = String::new();
                self.vertical(&mut way, from.0, to.0);
                self.horizontal(&mut way, column, to.1);
                keep_shorter(best, way);
            }
        }
        let mut way = String::from("\r");
        self.vertical(&mut way, from.0, to.0);
        self.horizontal(&mut way, 0, to.1);
        keep_shorter(best, way);
    }

    fn vertical(&self, way: &mut String, from: u16, to: u16) {
        if to == from {
            return;
        }
        let mut best = String::new();
        if to > from {
            step(&mut best, to - from, CUD);
            keep_shorter(&mut best, repeated('\n', to - from));
        } else {
            step(&mut best, from - to, CUU);
            if from - to == 1 {
                // RI: here there are no margins that it could scroll at.
                keep_shorter(&mut best, String::from(REVERSE_INDEX));
            }
        }
        if self.vocabulary.absolute {
            let mut way = String::new();
            step(&mut way, to + 1, VPA);
            keep_shorter(&mut best, way);
        }
        way.push_str(&best);
    }

    fn horizontal(&self, way: &mut String, from: u16, to: u16) {
        if to == from {
            return;
        }
        let mut best = String::new();
        if to > from {
            step(&mut best, to - from, CUF);
        } else {
            step(&mut best, from - to, CUB);
            keep_shorter(&mut best, repeated('\u{8}', from - to));
        }
        if self.vocabulary.absolute {
            let mut way = String::new();
            step(&mut way, to + 1, CHA);
            keep_shorter(&mut best, way);
        }
        way.push_str(&best);
    }
}

const fn is_emoji_control(c: char) -> bool {
    matches!(c, width::JOINER | width::EMOJI_PRESENTATION)
}

fn absolute(way: &mut String, row: u16, column: u16) -> core::fmt::Result {
    use core::fmt::Write;
    match (row, column) {
        (0, 0) => way.write_str(HOME),
        (_, 0) => write!(way, "{CSI}{}{CUP}", row + 1),
        (0, _) => write!(way, "{CSI};{}{CUP}", column + 1),
        _ => write!(way, "{CSI}{};{}{CUP}", row + 1, column + 1),
    }
}

fn step(way: &mut String, count: u16, action: char) {
    use core::fmt::Write;
    // Writing to a string cannot fail.
    let _ = if count == 1 { write!(way, "{CSI}{action}") } else { write!(way, "{CSI}{count}{action}") };
}

fn repeated(c: char, count: u16) -> String {
    // Longer is never the cheapest, and cut it is never taken: the longest step is eight octets at most.
    core::iter::repeat_n(c, usize::from(count.min(8))).collect()
}

fn keep_shorter(best: &mut String, way: String) {
    if way.len() < best.len() {
        *best = way;
    }
}

/// A parameter that is left out when it is 1.
pub(super) struct Count(pub(super) u32);

impl core::fmt::Display for Count {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.0 == 1 { Ok(()) } else { self.0.fmt(f) }
    }
}
