//! Lines through changes of the size.

use crate::line::Line;
use crate::{Emulator, Size};
use proptest::prelude::*;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

const fn size(columns: u16, rows: u16) -> Size {
    Size { columns, rows }
}

fn program(columns: u16, rows: u16, bytes: &[u8]) -> Emulator {
    let mut emulator = Emulator::new(size(columns, rows));
    emulator.keep_history();
    emulator.feed(bytes);
    emulator
}

fn shown(emulator: &Emulator) -> Vec<String> {
    let text = |row: &crate::Row| row.cells().iter().map(crate::Cell::text).collect::<String>();
    emulator.screen().rows().map(|row| text(row).trim_end().to_string()).collect()
}

fn cursor(emulator: &Emulator) -> (u16, u16, bool) {
    let cursor = emulator.screen().cursor();
    (cursor.row, cursor.column, cursor.wrap_pending)
}

/// All lines: those that have left, those that are shown, those below; and the cursor's place in them, as the number of
/// the line and the cells before it.
fn lines(mut emulator: Emulator) -> (Vec<String>, (usize, usize)) {
    let machine = &mut emulator.machine;
    let mut parts = Vec::new();
    let mut overflow = machine.overflow.take().unwrap();
    while let Some(line) = overflow.history.pop_line(1) {
        parts.insert(0, line);
    }
    let at = machine.screen.cursor;
    let cursor_part = parts.len() + usize::from(at.row);
    parts.extend(machine.screen.rows.iter().chain(&overflow.below).map(|row| Line::of(row)));

    let (mut lines, mut open, mut place) = (Vec::new(), None::<Line>, (0, 0));
    for (number, part) in parts.into_iter().enumerate() {
        if number == cursor_part {
            let before = open.as_ref().map_or(0, Line::len);
            place = (lines.len(), before + usize::from(at.column) + usize::from(at.wrap_pending));
        }
        let line = match open.take() {
            Some(line) => Line::joined(line, part),
            None => part,
        };
        if line.goes_on() {
            open = Some(line);
        } else {
            lines.push(line.text().trim_end().to_string());
        }
    }
    lines.extend(open.map(|line| line.text()));
    while lines.len() > place.0 + 1 && lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    (lines, place)
}

#[test]
fn a_line_is_one_again_when_there_is_room() {
    let mut emulator = program(10, 4, b"one two three four\r\n$ ");
    assert_eq!(shown(&emulator), ["one two th", "ree four", "$", ""]);
    emulator.reflow(size(20, 4));
    assert_eq!(shown(&emulator), ["one two three four", "$", "", ""]);
    assert_eq!(cursor(&emulator), (1, 2, false));
    emulator.reflow(size(6, 4));
    assert_eq!(shown(&emulator), ["one tw", "o thre", "e four", "$"]);
    assert_eq!(cursor(&emulator), (3, 2, false));
    emulator.reflow(size(5, 4));
    assert_eq!(shown(&emulator), ["wo th", "ree f", "our", "$"], "what left above is kept");
    emulator.reflow(size(10, 4));
    assert_eq!(shown(&emulator), ["one two th", "ree four", "$", ""], "and so are the blank rows");
}

#[test]
fn what_scrolled_off_comes_back_when_the_screen_grows() {
    let mut emulator = program(8, 3, b"1\r\n2\r\n3\r\n4\r\n5\r\n$ ");
    assert_eq!(shown(&emulator), ["4", "5", "$"]);
    emulator.reflow(size(8, 5));
    assert_eq!(
        (shown(&emulator), cursor(&emulator)),
        (["2", "3", "4", "5", "$"].map(String::from).to_vec(), (4, 2, false))
    );
    emulator.reflow(size(8, 7));
    assert_eq!(shown(&emulator), ["1", "2", "3", "4", "5", "$", ""], "there was no more");
    emulator.reflow(size(8, 2));
    assert_eq!((shown(&emulator), cursor(&emulator)), (["5", "$"].map(String::from).to_vec(), (1, 2, false)));
    // tmux 3.3a: what was there before the screen was cleared stays where it is.
    emulator.feed(b"\x1b[H\x1b[2J$ ");
    emulator.reflow(size(8, 4));
    assert_eq!(shown(&emulator), ["$", "", "", ""]);
}

#[test]
fn a_terminal_whose_saved_lines_were_erased_has_none() {
    for erase in ["\x1b[3J", "\x1bc\x1b[3H$ "] {
        let mut emulator = program(8, 3, b"1\r\n2\r\n3\r\n4\r\n5\r\n$ ");
        emulator.feed(erase.as_bytes());
        let before = shown(&emulator);
        emulator.reflow(size(8, 6));
        assert_eq!(shown(&emulator)[..3], before, "{erase:?}");
    }
}

#[test]
fn rows_below_the_cursor_come_back_too() {
    let mut emulator = program(8, 5, b"1\r\n2\r\n3\r\n4\r\n5\x1b[2;1H");
    emulator.reflow(size(8, 3));
    assert_eq!(
        (shown(&emulator), cursor(&emulator)),
        (["1", "2", "3"].map(String::from).to_vec(), (1, 0, false))
    );
    emulator.reflow(size(8, 5));
    assert_eq!(shown(&emulator), ["1", "2", "3", "4", "5"]);
    // A shell that draws its prompt anew has erased what is below.
    emulator.reflow(size(8, 3));
    emulator.feed(b"\r\x1b[J");
    emulator.reflow(size(8, 5));
    assert_eq!(shown(&emulator), ["1", "", "", "", ""]);
}

#[test]
fn a_wide_character_at_the_edge_leaves_no_gap_behind() {
    let mut emulator = program(6, 3, "ab漢字漢字".as_bytes());
    emulator.reflow(size(5, 3));
    assert_eq!(shown(&emulator), ["ab漢", "字漢", "字"]);
    assert_eq!(cursor(&emulator), (2, 2, false));
    emulator.reflow(size(10, 3));
    assert_eq!((shown(&emulator)[0].as_str(), cursor(&emulator)), ("ab漢字漢字", (0, 9, true)));
    emulator.feed(b"x");
    assert_eq!(shown(&emulator), ["ab漢字漢字", "x", ""]);
    // A blank that was printed there is text.
    let mut emulator = program(5, 3, "abcd 漢".as_bytes());
    emulator.reflow(size(12, 3));
    assert_eq!(shown(&emulator)[0], "abcd 漢");
}

#[test]
fn a_single_column_has_a_place_for_narrow_characters_only() {
    let mut emulator = program(6, 3, "ab漢c".as_bytes());
    emulator.reflow(size(1, 9));
    assert_eq!(shown(&emulator)[..4], ["a", "b", "c", ""]);
    assert_eq!(cursor(&emulator), (2, 0, true));
    emulator.reflow(size(6, 3));
    assert_eq!((shown(&emulator)[0].as_str(), cursor(&emulator)), ("abc", (0, 3, false)));
}

#[test]
fn the_colour_of_a_rows_end_goes_to_the_edge() {
    let mut emulator = program(10, 3, b"\x1b[44mbar\x1b[K\x1b[m\r\nx");
    for columns in [5, 20, 10] {
        emulator.reflow(size(columns, 3));
        let row = emulator.screen().row(0).unwrap();
        assert!(row.cells().iter().all(|cell| cell.attributes().background == crate::Color::Indexed(4)));
        assert_eq!(shown(&emulator), ["bar", "x", ""]);
    }
}

#[test]
fn the_alternate_buffer_is_cut_and_the_main_one_wrapped() {
    let mut emulator = program(10, 3, b"a long line\r\n$ vi\x1b[?1049h\x1b[Hfull screen");
    emulator.reflow(size(7, 3));
    assert_eq!(shown(&emulator), ["full sc", "n", ""]);
    emulator.feed(b"\x1b[2J\x1b[3J\x1b[Hdrawn\r\n\n\n\n\n");
    emulator.reflow(size(12, 3));
    emulator.feed(b"\x1b[?1049l");
    assert_eq!(shown(&emulator), ["a long line", "$ vi", ""]);
    assert_eq!(cursor(&emulator), (1, 4, false));
}

#[test]
fn a_saved_cursor_stays_on_its_character() {
    let mut emulator = program(10, 4, b"0123456789abc\x1b7def\r\nx");
    emulator.reflow(size(7, 4));
    emulator.feed(b"\x1b8");
    assert_eq!(cursor(&emulator), (1, 6, false));
    emulator.reflow(size(20, 4));
    emulator.feed(b"\x1b8");
    assert_eq!(cursor(&emulator), (0, 13, false));
}

#[test]
fn what_is_kept_is_bounded() {
    let mut emulator = program(80, 24, b"");
    for number in 0..30_000 {
        emulator.feed(format!("line {number}\r\n").as_bytes());
    }
    let kept = |emulator: &Emulator| {
        let history = &emulator.machine.overflow.as_ref().unwrap().history;
        (history.rows(), history.octets())
    };
    let (rows, octets) = kept(&emulator);
    assert!(
        (8_000..=crate::history::MAX_ROWS).contains(&rows) && octets < 150_000,
        "{rows} rows, {octets} octets"
    );

    // Each cell with another link and as many marks as there can be.
    let mark = "\u{301}".repeat(16);
    for number in 0..40_000 {
        emulator.feed(format!("\x1b]8;;http://host/{number}{}\x07x{mark}", "y".repeat(1000)).as_bytes());
    }
    let (rows, octets) = kept(&emulator);
    assert!(rows > 10 && octets <= crate::history::MAX_OCTETS, "{rows} rows, {octets} octets");

    let mut emulator = program(1000, 1000, b"");
    emulator.feed("x".repeat(999_000).as_bytes());
    emulator.feed(b"\x1b[H");
    emulator.reflow(size(1, 1));
    let overflow = emulator.machine.overflow.as_ref().unwrap();
    assert!(overflow.below.len() <= crate::history::MAX_ROWS);
}

#[test]
fn ten_thousand_lines_of_eighty_columns_take_less_than_two_megabytes() {
    let mut emulator = program(80, 24, b"");
    for number in 0..10_024 {
        emulator.feed(format!("\x1b[3{}m{:>40}\x1b[0;1m{:>40}\x1b[m", number % 8, number, number).as_bytes());
    }
    let history = &emulator.machine.overflow.as_ref().unwrap().history;
    assert!(history.rows() > 9_000);
    assert!(history.allocated() < 2 << 20, "{} octets", history.allocated());
}

/// What a program may do to rows, of all kinds that count for what is kept of one.
fn written() -> impl Strategy<Value = String> {
    let column = 1..13usize;
    prop_oneof![
        6 => piece(),
        2 => " {1,14}",
        2 => "[x漢é1] {0,3}",
        5 => "\r\n|\r\n|\r\n|[\r\n\u{8}\t]",
        2 => "\x1b\\[(0|7|4[1-7]|0;4[1-7]|48;5;32|38;2;32;32;32|9)m",
        2 => "\x1b\\[[0-2]?[KJPX@LMST]",
        1 => column.prop_map(|column| format!("\x1b[{column}G")),
        1 => "\x1b\\[[1-5];[1-9]H",
        1 => "\x1b(7|8|M|E|#8|\\[\\?2027h|\\[1\"q|\\[0\"q|\\[4h|\\[4l|\\[2;4r|\\[r)",
        1 => "1\u{fe0f}\u{20e3}|\u{301}|👩\u{200d}🔬",
    ]
}

/// What is kept of a row is what its cells hold, also of one that was gone before it had any.
fn is_kept_as_drawn(text: &str) {
    let mut drawn = program(11, 5, b"");
    for char in text.chars() {
        drawn.feed(char.encode_utf8(&mut [0; 4]).as_bytes());
        for row in drawn.screen().rows() {
            let mut kept = Vec::new();
            crate::history::encode(row, &mut kept);
            assert_eq!(crate::history::decode(&kept), Line::of(row), "{text:?}");
        }
    }
    let undrawn = program(11, 5, text.as_bytes());
    assert_eq!(undrawn.screen(), drawn.screen(), "{text:?}");
    let kept = |mut emulator: Emulator| {
        let history = &mut emulator.machine.overflow.as_mut().unwrap().history;
        core::iter::from_fn(|| history.pop_line(1)).collect::<Vec<_>>()
    };
    assert_eq!(kept(undrawn), kept(drawn), "{text:?}");
}

#[test]
fn a_row_written_from_left_to_right_is_kept_as_its_cells_would_be() {
    for row in [
        // Blanks at the end, of each look, as far as the edge and not as far.
        "text   ",
        "text       ",
        "\x1b[44mtext       ",
        "\x1b[44mtext   ",
        "\x1b[44m           ",
        "\x1b[44;1mtext       ",
        "\x1b[1mtext\x1b[m   ",
        "\x1b[48;5;32m \x1b[38;5;32m   ",
        // A line that goes on, with and without room left over.
        "0123456789abc",
        "0123456789 abc",
        "0123456789漢",
        "0123456789 \x1b[11G漢",
        "\x1b[31m\x1b[10Gx\x1b[11Gx\x1b7\x1b[H\x1b[2K\x1b8y",
        "漢字かな가각 漢é漢",
        "a\tb\x1b[11Gc",
    ] {
        is_kept_as_drawn(&format!("{row}\x1b[m\r\n\n\n\n\n\n"));
    }
}

proptest! {
    #[test]
    fn what_is_kept_of_a_row_is_what_its_cells_hold(pieces in proptest::collection::vec(written(), 0..40)) {
        is_kept_as_drawn(&pieces.concat());
    }
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[ -~]{1,40}",
        3 => "[漢字かな가각]{1,20}",
        2 => "[a-c](\u{301}|\u{308}\u{323})",
        1 => "é|─│|👍|ß",
        1 => "\t",
        1 => "\x1b\\[(3[1-7]|4[1-7]|1|4:3|58:5:9|0)m",
        1 => (1..4usize).prop_map(|n| format!("\x1b]8;;http://x/{n}\x07link\x1b]8;;\x07")),
    ]
}

/// A line as written, and as read.
fn line() -> impl Strategy<Value = (String, String)> {
    proptest::collection::vec(piece(), 0..9).prop_map(|pieces| {
        let (mut written, mut read, mut column) = (String::new(), String::new(), 0);
        for piece in pieces {
            if piece == "\t" {
                // Beyond, a tab would stop at an edge.
                if column >= 16 {
                    continue;
                }
                let blanks = 8 - column % 8;
                read.push_str(&" ".repeat(blanks));
                column += blanks;
            } else if piece.starts_with("\x1b]8") {
                read.push_str("link");
                column += 4;
            } else if !piece.starts_with('\x1b') {
                read.push_str(&piece);
                column += piece.chars().map(|c| usize::from(crate::width::of(c))).sum::<usize>();
            }
            written.push_str(&piece);
        }
        (written + "\x1b[m", read.trim_end().to_string())
    })
}

fn any_size() -> impl Strategy<Value = Size> {
    let side = |most| prop_oneof![2 => 2..most, 3 => 2..most / 5];
    (side(300u16), prop_oneof![1 => 1..60u16, 3 => Just(24)]).prop_map(|(columns, rows)| size(columns, rows))
}

proptest! {
    #[test]
    fn nothing_is_lost_over_any_sizes(
        text in proptest::collection::vec(line(), 1..40),
        rows in 2..30u16,
        (at, column) in (1..30u16, prop_oneof![2 => Just(None), 1 => (1..24u16).prop_map(Some), 1 => (1..200u16).prop_map(Some)]),
        sizes in proptest::collection::vec(any_size(), 1..8),
    ) {
        let columns = 24;
        let written: Vec<_> = text.iter().map(|(written, _)| written.as_str()).collect();
        let mut read: Vec<_> = text.iter().map(|(_, read)| read.clone()).collect();
        let print = || {
            let mut emulator = program(columns, rows, written.join("\r\n").as_bytes());
            if let Some(column) = column {
                emulator.feed(format!("\x1b[{at};{column}H").as_bytes());
            }
            emulator
        };
        let (lines_before, place) = lines(print());
        while read.len() > place.0 + 1 && read.last().is_some_and(String::is_empty) {
            read.pop();
        }
        read.resize(read.len().max(place.0 + 1), String::new());
        prop_assert_eq!(&lines_before, &read, "as printed");

        let mut emulator = print();
        for &size in &sizes {
            emulator.reflow(size);
        }
        let (lines_now, place_now) = lines(emulator);
        prop_assert_eq!(&lines_now, &read, "at {:?}", sizes);
        prop_assert_eq!(place_now, place, "at {:?}", sizes);
    }

    #[test]
    fn a_size_that_comes_again_shows_the_same_again(
        text in proptest::collection::vec(line(), 1..40),
        rows in 2..30u16,
        sizes in proptest::collection::vec(any_size(), 1..5),
    ) {
        let written: Vec<_> = text.iter().map(|(written, _)| written.as_str()).collect();
        let mut emulator = program(40, rows, written.join("\r\n").as_bytes());
        // From where what is at the top is a line's beginning.
        emulator.reflow(size(300, rows));
        let before = emulator.screen().clone();
        for &size in &sizes {
            emulator.reflow(size);
        }
        emulator.reflow(size(300, rows));
        prop_assert_eq!(emulator.screen().cursor(), before.cursor());
        for (now, then) in emulator.screen().rows().zip(before.rows()) {
            // Where text fills a row, there is no place for the colour of the row's end.
            let same = |(now, then): (&crate::Cell, &crate::Cell)| now == then || now.is_blank() && then.is_blank();
            let differs = now.cells().iter().zip(then.cells()).position(|pair| !same(pair));
            prop_assert_eq!(differs, None, "after {:?}", sizes);
        }
    }
}
