//! Text whose width the user's terminal may dispute.
//!
//! Our cells are what the program counted. A terminal may draw several of them as one glyph (flags, families, the words
//! of Indian scripts), fewer columns or more than they have. So what it may draw together goes out whole, on blanks of
//! its own look; where the cursor then is, nobody knows; and what it may have covered to its right is written again. A
//! change anywhere in such a group is a change of all of it.

use super::writer::Writer;
use crate::cell::Cell;
use crate::row::Row;
use crate::width;
use alloc::vec::Vec;
use core::ops::Range;

/// Columns that a terminal may draw as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) start: usize,
    /// The column after it.
    pub(super) end: usize,
    /// The column after the last that it may be drawn on.
    pub(super) covered: usize,
}

/// Whether a terminal may draw `next` together with the cell before it, of a group that has so many halves of flags.
fn continues(before: &Cell, next: &Cell, flags: usize) -> bool {
    let joined = before.marks().ends_with(width::JOINER) && next.is_disputed();
    let flag = flags % 2 == 1 && width::is_flag(before.base) && width::is_flag(next.base);
    joined || flag || leans(next)
}

/// Whether a terminal may draw it on what is left of it: the signs and letters of words, and skin tones.
fn leans(cell: &Cell) -> bool {
    width::is_shaped(cell.base) || width::is_modifier(cell.base)
}

/// The most columns that any terminal gives a cell.
fn most(cell: &Cell) -> usize {
    let alone = |c: char| match width::of(c) {
        1 if width::is_disputed(c) && !width::is_shaped(c) => 2,
        columns => usize::from(columns),
    };
    let marks: usize = cell.marks().chars().map(alone).sum();
    usize::from(cell.width).max(alone(cell.base)) + marks
}

/// The group that begins with the cell at `start`.
fn group(cells: &[Cell], start: usize) -> Group {
    let (mut at, mut end, mut covered, mut flags) = (start, start, start, 0);
    loop {
        let cell = &cells[at];
        covered += most(cell);
        flags += usize::from(width::is_flag(cell.base));
        end += usize::from(cell.width.max(1));
        match cells.get(end) {
            Some(next) if continues(cell, next, flags) => at = end,
            _ => return Group { start, end, covered: covered.max(end) },
        }
    }
}

/// All of a row, from the left.
fn groups(cells: &[Cell]) -> impl Iterator<Item = Group> {
    let mut column = 0;
    core::iter::from_fn(move || {
        let disputed = |cell: &Cell| cell.width > 0 && cell.is_disputed();
        let mut start = column + cells[column..].iter().position(disputed)?;
        let before = cells[column..start].iter().rposition(|cell| cell.width > 0).map(|at| column + at);
        if let Some(before) = before.filter(|&before| leans(&cells[start]) && !cells[before].is_blank()) {
            start = before;
        }
        let found = group(cells, start);
        column = found.end;
        Some(found)
    })
}

/// Where a terminal may draw otherwise than we count, and what is to be written because of that.
#[derive(Default)]
pub(super) struct Disputed {
    groups: Vec<Group>,
    forced: Vec<bool>,
}

impl Disputed {
    /// `writes`: what differs.
    pub(super) fn of(old: &Row, new: &Row, writes: impl Fn(usize) -> bool) -> Self {
        let (before, groups): (Vec<_>, Vec<_>) = (groups(old.used()).collect(), groups(new.used()).collect());
        if before.is_empty() && groups.is_empty() {
            return Self::default();
        }
        let cells = new.cells();
        let mut forced: Vec<_> = (0..cells.len()).map(&writes).collect();
        let mut count = 0;
        // What is forced may be part of the next group, of the one row or the other.
        loop {
            for group in &before {
                if touch(&mut forced, group) {
                    // A sign that leaned on a blank is drawn there until that is written again, and so is what was
                    // pushed to the right.
                    let leaned = group.start > 0 && leans(&old.cells()[group.start]);
                    forced[group.start - usize::from(leaned)] = true;
                    forced[group.end..group.covered.min(cells.len())].fill(true);
                }
            }
            for group in &groups {
                if touch(&mut forced, group) {
                    let alone = group.covered == group.end + 1;
                    for column in group.end..group.covered.min(cells.len()) {
                        // A blank keeps what is drawn on it, so that a glyph may be wide where there is room.
                        forced[column] |= !(alone && cells[column].is_blank());
                    }
                }
            }
            for column in 1..cells.len() {
                let second = cells[column].width == 0 && (forced[column] || forced[column - 1]);
                forced[column - 1] |= second;
                forced[column] |= second;
            }
            let now = forced.iter().filter(|forced| **forced).count();
            if now == count {
                return Self { groups, forced };
            }
            count = now;
        }
    }

    pub(super) fn forces(&self, column: usize) -> bool {
        self.forced.get(column).copied().unwrap_or(false)
    }

    /// The column after the last that is to be written.
    pub(super) fn end(&self) -> usize {
        self.forced.iter().rposition(|forced| *forced).map_or(0, |last| last + 1)
    }

    pub(super) fn starting_at(&self, column: usize) -> Option<&Group> {
        self.groups.iter().find(|group| group.start == column)
    }
}

/// When any of what a group may be drawn on is written, all of the group is.
fn touch(forced: &mut [bool], group: &Group) -> bool {
    let covered = group.start..group.covered.min(forced.len());
    let touched = forced[covered].contains(&true);
    if touched {
        forced[group.start..group.end].fill(true);
    }
    touched
}

/// Writes a group on `row`, the cursor being at its beginning, or about to wrap there; and the blanks of `blanks`, which
/// follow it.
pub(super) fn draw(writer: &mut Writer<'_>, row: u16, cells: &[Cell], group: &Group, blanks: Range<usize>) {
    let Group { start, end, covered } = *group;
    if covered > cells.len() {
        for column in (start..end).filter(|&column| cells[column].width > 0) {
            writer.move_to(row, column as u16);
            writer.print_unwrapped(&cells[column]);
        }
        writer.blank(row, cells, blanks);
        return;
    }
    if writer.vocabulary.clusters {
        writer.blank(row, cells, start..blanks.end.max(end));
        writer.move_to(row, start as u16);
    }
    writer.print_together(&cells[start..end]);
    if !writer.vocabulary.clusters {
        writer.blank(row, cells, blanks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Emulator, Screen, Size, Vocabulary, diff, repaint};
    use proptest::prelude::*;
    use std::format;
    use std::string::String;

    const SIZE: Size = Size { columns: 24, rows: 3 };

    /// Terminals that count otherwise, made of our emulator.
    #[derive(Clone, Copy, Debug)]
    enum Terminal {
        /// Mode 2027 always: emoji of several characters are one.
        Clusters,
        /// U+2630 is wide (Unicode 16), and half a flag alone (kitty 0.26).
        WideSymbols,
        /// Spacing vowel signs take no column (kitty 0.26, unicode-width 0.2).
        NarrowVowels,
    }

    use Terminal::{Clusters, NarrowVowels, WideSymbols};

    impl Terminal {
        fn start(self) -> Emulator {
            let mut emulator = Emulator::new(SIZE);
            if matches!(self, Clusters) {
                emulator.feed(b"\x1b[?2027h");
            }
            emulator
        }

        fn feed(self, emulator: &mut Emulator, bytes: &[u8]) {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            let text = match self {
                Clusters => text,
                WideSymbols => text.replace("🇩🇪", "漢").replace(['☰', '🇩', '🇪'], "漢"),
                NarrowVowels => text.replace('\u{9be}', "\u{301}"),
            };
            emulator.feed(text.as_bytes());
        }
    }

    /// Whether all that nobody disputes is where it should be.
    fn assert_aligned(terminal: Terminal, shown: &Screen, wanted: &Screen, story: &str) {
        for (number, (row, shown)) in wanted.rows().zip(shown.rows()).enumerate() {
            let groups: Vec<_> = groups(row.cells()).collect();
            for (column, cell) in row.cells().iter().enumerate() {
                let open = |group: &Group| {
                    let spills = column == group.end && group.covered > column && cell.is_blank();
                    let leaned_on = column + 1 == group.start && leans(&row.cells()[group.start]);
                    (group.start..group.end).contains(&column) || spills || leaned_on
                };
                // Beside the right margin a glyph may be wider than there is room.
                let beside = groups
                    .last()
                    .is_some_and(|group| group.covered > row.cells().len() && column + 1 == group.start);
                if !beside && !groups.iter().any(open) {
                    assert_eq!(
                        shown.cells()[column].text(),
                        cell.text(),
                        "{terminal:?}: {number}, {column}: {story}"
                    );
                }
            }
        }
        assert_eq!(shown.cursor(), wanted.cursor(), "{terminal:?}: {story}");
    }

    fn assert_survives(steps: &[String]) {
        for terminal in [Clusters, WideSymbols, NarrowVowels] {
            let (mut program, mut shown) = (Emulator::new(SIZE), terminal.start());
            terminal.feed(&mut shown, &repaint(program.screen(), &Vocabulary::XTERM));
            for step in steps {
                let before = program.screen().clone();
                program.feed(step.as_bytes());
                let bytes = diff(&before, program.screen(), &Vocabulary::XTERM);
                terminal.feed(&mut shown, &bytes);
                let story = format!("{steps:?}, at {step:?}: {:?}", String::from_utf8_lossy(&bytes));
                assert_aligned(terminal, shown.screen(), program.screen(), &story);
            }
        }
    }

    #[test]
    fn a_border_stays_where_it_is() {
        for text in
            ["আমার", "நான்", "हिन्दी", "☰", "☰☰☰", "⚠\u{fe0f}", "👍🏽", "👨\u{200d}👩\u{200d}👧", "🇩🇪🇫🇷", "🇩"]
        {
            assert_survives(&[format!("│ {text}\x1b[1;20H│")]);
            assert_survives(&[
                format!("\x1b[1;20H│\x1b[1;3H{text}│"),
                String::from("\x1b[1;4H-"),
                String::from("\x1b[1;3H\x1b[K"),
            ]);
        }
    }

    #[test]
    fn a_group_goes_out_whole_and_is_followed_by_where_to() {
        let written = |before: &str, then: &str| {
            let mut program = Emulator::new(SIZE);
            program.feed(before.as_bytes());
            let before = program.screen().clone();
            program.feed(then.as_bytes());
            String::from_utf8(diff(&before, program.screen(), &Vocabulary::XTERM)).unwrap()
        };
        assert!(written("", "🇩🇪🇫🇷x").contains("🇩🇪\x1b[;3H"), "{}", written("", "🇩🇪🇫🇷x"));
        assert!(written("", "👍🏽x").contains("👍🏽\x1b[;5Hx"));
        assert!(written("", "আমার|").contains("আমার\x1b[;5H|"));
        assert!(written("আমার", "\x1b[1;2Hত").contains("আতার"), "a letter of a word is a new word");
        assert!(written("☰ a", "\x1b[1;2Hx").contains("☰\x1b[;2Hx"), "the sign may have covered it");
        assert!(!written("☰ a", "b").contains('☰'));
    }

    fn step() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(alloc::vec![
            "a",
            "bc",
            " ",
            "   ",
            "│",
            "漢",
            "é",
            "☰",
            "🇩🇪",
            "🇩",
            "👍🏽",
            "👍",
            "🏽",
            "👩\u{200d}🔬",
            "⚠\u{fe0f}",
            "আমার",
            "মা",
            "\u{9be}",
            "\x1b[K",
            "\x1b[7m",
            "\x1b[m",
            "\x1b[4X",
            "\x1b[P",
            "\x1b[2@",
            "\r\n",
        ]);
        let place = (1..=3, 1..=24).prop_map(|(row, column)| format!("\x1b[{row};{column}H"));
        let piece = prop_oneof![4 => piece.prop_map(String::from), 1 => place];
        prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn what_nobody_disputes_is_where_it_should_be(steps in prop::collection::vec(step(), 1..5)) {
            assert_survives(&steps);
        }
    }
}
