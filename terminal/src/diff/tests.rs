//! The law, by example and by property.

use crate::cell::Cell;
use crate::row::Row;
use crate::{
    Clipboard, Colors, Emulator, Mode, Screen, Size, Vocabulary, diff, end_modes, redraw, repaint, width,
};
use alloc::rc::Rc;
use proptest::prelude::*;
use std::string::String;
use std::vec::Vec;

/// Bytes that look like what programs write: text, controls, and mostly well-formed sequences.
pub(crate) fn stream() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![4 => 0u16..30, 1 => 0u16..300, 1 => any::<u16>()];
    let csi = (
        prop_oneof![12 => Just(""), 2 => Just("?"), 1 => Just(">"), 1 => Just("="), 1 => Just("<")],
        prop::collection::vec(number, 0..4),
        prop_oneof![12 => Just(""), 1 => Just(" "), 1 => Just("!"), 1 => Just("$")],
        prop::sample::select(b"@ABCDEFGHIJKLMPSTXZ`abcdefghlmnpqrstu^".to_vec()),
    )
        .prop_map(|(mark, numbers, between, end)| {
            let numbers: Vec<String> = numbers.iter().map(|n| std::format!("{n}")).collect();
            let mut text = std::format!("\x1b[{mark}{}{between}", numbers.join(";")).into_bytes();
            text.push(end);
            text
        });
    let sgr = prop::collection::vec(
        prop::sample::select(
            "0 1 2 3 4 4:3 4:2 5 7 8 9 21 22 23 24 25 27 28 29 31 42 39 49 53 55 59 93 103 38;5;123 48;5;9 38;2;1;2;3 48:2::9:8:7 58:5:3 58:2::1:1:1"
                .split(' ')
                .collect::<Vec<_>>(),
        ),
        1..4,
    )
    .prop_map(|parts| std::format!("\x1b[{}m", parts.join(";")).into_bytes());
    let modes = (
        prop::sample::select(std::vec![
            1u16, 3, 5, 6, 7, 9, 25, 47, 66, 1000, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1016, 1047,
            1048, 1049, 2004, 2026
        ]),
        any::<bool>(),
    )
        .prop_map(|(mode, on)| std::format!("\x1b[?{mode}{}", if on { 'h' } else { 'l' }).into_bytes());
    let osc = prop::sample::select(std::vec![
        "0;title",
        "1;icon",
        "2;window",
        "2;",
        "52;c;YWJj",
        "52;p;",
        "52;;!",
        "8;;http://a/",
        "8;id=x;http://b/",
        "8;;",
        "4;1;?",
        "11;?",
        "10;#fff",
        "104",
    ])
    .prop_map(|text| std::format!("\x1b]{text}\x07").into_bytes());
    let other = prop::sample::select(std::vec![
        "\x1b7",
        "\x1b8",
        "\x1bc",
        "\x1bD",
        "\x1bE",
        "\x1bH",
        "\x1bM",
        "\x1b=",
        "\x1b>",
        "\x1b#8",
        "\x1b(0",
        "\x1b(B",
        "\x1b)0",
        "\x1bN",
        "\x1b[4h",
        "\x1b[4l",
        "\x1b[20h",
        "\x1b[20l",
        "\x1b[1 q",
        "\x1b[5 q",
        "\x1bP$qm\x1b\\",
        "\x1b_x\x1b\\",
        "\x18",
        "\u{9b}3C",
        "\u{84}",
        "\x1b[r",
        "\x1b[22t",
        "\x1b]4;1;#123456;200;rgb:1/2/3\x07",
        "\x1b]10;#fff;#000;#123\x07",
        "\x1b]104;1\x07",
        "\x1b]104\x07",
        "\x1b]111\x07",
        "\x1b[23t",
        "\x1b[>5u",
        "\x1b[<u",
    ])
    .prop_map(|text| text.as_bytes().to_vec());
    let text = prop_oneof![
        4 => "[ -~]{1,40}",
        1 => "[ ]{1,30}",
        1 => "x{1,40}",
        2 => prop::sample::select(std::vec![
            "漢字", "한글", "é", "e\u{301}", "\u{301}", "👨\u{200d}👩\u{200d}👧", "☺\u{fe0f}", "\u{fe0f}", "\u{200d}",
            "👍🏽", "🏽", "🇩🇪", "\u{ad}", "ｱ", "┌─┐", "a\u{200d}", "👩", "\u{1100}\u{1161}", "\u{7f}",
        ]).prop_map(String::from),
    ]
    .prop_map(String::into_bytes);
    let control =
        prop::sample::select(b"\x07\x08\t\n\x0b\x0c\r\r\n\n\x0e\x0f".to_vec()).prop_map(|b| std::vec![b]);
    let noise = prop::collection::vec(any::<u8>(), 1..8);
    let piece = prop_oneof![8 => text, 6 => csi, 5 => sgr, 3 => modes, 2 => osc, 3 => other, 5 => control, 1 => noise];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

pub(crate) fn size() -> impl Strategy<Value = Size> {
    (prop_oneof![1 => 1u16..4, 6 => 4u16..40], prop_oneof![1 => 1u16..3, 6 => 3u16..16])
        .prop_map(|(columns, rows)| Size { columns, rows })
}

/// Feeds the diff to a terminal that shows `a` and asserts that it shows `b`.
pub(crate) fn assert_law(a: &Screen, b: &Screen) {
    let bytes = diff(a, b, &Vocabulary::PEER);
    let mut follower = Emulator::from_screen(a.clone());
    follower.resize(b.size());
    follower.feed(&bytes);
    assert_eq!(*follower.screen(), *b, "after {:?}", String::from_utf8_lossy(&bytes));
    assert!(follower.take_replies().is_empty(), "a diff asked for an answer");
    // What decides how later output is read is at its default again: the next diff works as well.
    let back = diff(b, a, &Vocabulary::PEER);
    follower.resize(a.size());
    follower.feed(&back);
    let mut expected = a.clone();
    if a.size() != b.size() {
        expected = follower.screen().clone();
    }
    assert_eq!(*follower.screen(), expected, "and back after {:?}", String::from_utf8_lossy(&back));
}

/// What a terminal that understands only `vocabulary` can show of `screen`.
fn projected(screen: &Screen, vocabulary: &Vocabulary) -> Screen {
    let mut shown = Screen::new(screen.size());
    for (number, row) in screen.rows.iter().enumerate() {
        let mut cells = row.cells().to_vec();
        for column in 0..cells.len() {
            let pen = super::sgr::project(&row.cells()[column].pen(), vocabulary);
            let marks: String = row.cells()[column].marks().chars().collect();
            let keep =
                |&c: &char| width::of(c) == 0 && !matches!(c, width::JOINER | width::EMOJI_PRESENTATION);
            let marks = if vocabulary.clusters { marks } else { marks.chars().filter(keep).collect() };
            let (base, mut wide) = (row.cells()[column].base, row.cells()[column].width);
            if !vocabulary.clusters && wide == 2 && width::of(base) == 1 {
                wide = 1;
            }
            if wide == 0 && cells[column - 1].width == 1 {
                wide = 1;
            }
            cells[column] = Cell::new(base, wide, &pen);
            marks.chars().for_each(|c| assert!(cells[column].push_mark(c)));
        }
        shown.rows[number] = Rc::new(Row::of(cells, row.is_wrapped()));
    }
    shown.cursor = screen.cursor;
    shown.pen = super::sgr::project(&screen.pen, vocabulary);
    if vocabulary.title {
        shown.title = screen.title.clone();
        shown.icon_name = screen.icon_name.clone();
    }
    if vocabulary.palette {
        shown.colors = screen.colors.clone();
    }
    let (all, modes) = (&screen.modes, &mut shown.modes);
    let mut copy =
        |mode: Mode, known: bool| modes.set(mode, if known { all.get(mode) } else { modes.get(mode) });
    copy(Mode::CursorVisible, vocabulary.cursor_visibility);
    copy(Mode::ReverseVideo, vocabulary.reverse_video);
    copy(Mode::ApplicationCursor, vocabulary.inner_modes);
    copy(Mode::AlternateScroll, vocabulary.inner_modes);
    copy(Mode::MainScreen, vocabulary.inner_modes);
    copy(Mode::CursorBlink, vocabulary.cursor_style || vocabulary.inner_modes);
    copy(Mode::ApplicationKeypad, vocabulary.keypad);
    copy(Mode::BracketedPaste, vocabulary.input_modes);
    copy(Mode::FocusEvents, vocabulary.input_modes);
    if vocabulary.input_modes {
        (modes.mouse, modes.mouse_encoding) = (all.mouse, all.mouse_encoding);
    }
    if vocabulary.cursor_style {
        modes.cursor_style = all.cursor_style;
    }
    if vocabulary.modify_other_keys {
        modes.modify_other_keys = all.modify_other_keys;
    }
    if vocabulary.keyboard {
        modes.keyboard = all.keyboard;
    }
    shown
}

/// Vocabularies of terminals that are not our own.
fn vocabulary() -> impl Strategy<Value = Vocabulary> {
    let colors = prop::sample::select(std::vec![
        Colors::None,
        Colors::Eight,
        Colors::Sixteen,
        Colors::Indexed,
        Colors::True
    ]);
    let random = (any::<[bool; 25]>(), colors).prop_map(|(on, colors)| Vocabulary {
        exact: false,
        palette: on[9],
        clusters: on[0],
        ech: on[1],
        bce: on[2],
        rep: on[3],
        absolute: on[4],
        scroll_region: on[5],
        scroll: on[6],
        insert_line: on[7],
        insert_char: on[8],
        title: on[9],
        clipboard: on[10],
        clipboard_limit: 100,
        colors,
        italic: on[11],
        faint_strike: on[12],
        underlines: on[13],
        links: on[14],
        cursor_style: on[15],
        reverse_video: on[16],
        input_modes: on[17],
        inner_modes: on[18],
        keypad: on[19],
        modify_other_keys: on[20],
        keyboard: on[21],
        synchronized: on[22],
        count_bells: false,
        soft_wrap: on[23],
        edges: true,
        wheel: false,
        cursor_visibility: on[24],
        hide_cursor: on[8],
    });
    prop_oneof![
        1 => Just(Vocabulary::STOCK_PEER),
        1 => Just(Vocabulary::XTERM),
        1 => Just(Vocabulary::BASIC),
        3 => random,
    ]
}

/// What events leave behind does not show.
fn without_events(mut screen: Screen) -> Screen {
    screen.bells = 0;
    screen.clipboard = Clipboard::default();
    screen
}

#[test]
fn colours_that_a_program_sets_are_drawn_and_given_back() {
    let mut emulator = Emulator::new(Size { columns: 10, rows: 2 });
    let blank = emulator.screen().clone();
    emulator.feed(b"\x1b]4;1;#102030\x07\x1b]11;rgb:ff/ff/e0\x07");
    let set = emulator.screen().clone();
    emulator.feed(b"\x1b]104;1\x07\x1b]111\x07");
    assert_eq!(*emulator.screen(), blank);
    let kitty = Vocabulary { palette: true, ..Vocabulary::XTERM };
    let written = |from, to, vocabulary| String::from_utf8(diff(from, to, vocabulary)).unwrap();
    assert_eq!(written(&blank, &set, &kitty), "\x1b]4;1;rgb:10/20/30\x07\x1b]11;rgb:ff/ff/e0\x07");
    assert_eq!(written(&set, &blank, &kitty), "\x1b]104;1\x07\x1b]111\x07");
    assert_eq!(
        written(&set, &blank, &Vocabulary::XTERM),
        "",
        "a terminal that cannot keep its own is left alone"
    );
    assert_law(&blank, &set);
    // Terminals keep the user's own colours meanwhile (xterm's ctlseqs, XTPUSHCOLORS).
    assert!(crate::begin_modes(&kitty).ends_with(b"\x1b[#P"));
    assert!(String::from_utf8(end_modes(&kitty)).unwrap().contains("\x1b[#Q"));
}

/// kitty 0.26 fills what is erased or scrolled in with all of the pen, xterm with its background alone: both show the same
/// where the pen has nothing else.
fn assert_erases_plainly(a: &Screen, b: &Screen, bytes: &[u8]) {
    let mut terminal = Emulator::from_screen(a.clone());
    terminal.resize(b.size());
    for (at, byte) in bytes.iter().enumerate() {
        let opening = bytes[..at].iter().rposition(|byte| *byte == 0x1b).map(|start| &bytes[start..at]);
        let is_parameter = |byte: &u8| byte.is_ascii_digit() || *byte == b';';
        let is_erase = opening.is_some_and(|opening| {
            b"JKXLMPST@".contains(byte)
                && opening.get(1) == Some(&b'[')
                && opening[2..].iter().all(is_parameter)
        });
        if is_erase {
            let pen = terminal.screen().pen();
            assert_eq!(
                pen.attributes,
                pen.attributes.erased(),
                "at {at} of {:?}",
                String::from_utf8_lossy(bytes)
            );
        }
        terminal.feed(&[*byte]);
    }
}

#[test]
fn what_is_erased_under_an_inverse_pen_is_not_inverse() {
    // `less FILE`, G: the prompt is inverse, the rest of its row is not.
    let mut emulator = Emulator::new(Size { columns: 40, rows: 3 });
    emulator.feed(b"text that was there, up to the edge here\r\n\x1b[7m(END)");
    let before = emulator.screen().clone();
    emulator.feed(b"\x1b[H(END)\x1b[27m\x1b[K");
    let bytes = diff(&before, emulator.screen(), &Vocabulary::XTERM);
    assert_eq!(String::from_utf8_lossy(&bytes), "\x1b[?25l\x1b[H(END)\x1b[m\x1b[K\x1b[?25h");
}

/// Reading a text at once and reading it character by character are two ways in the emulator.
#[test]
fn text_beyond_ascii_reads_the_same_at_once_and_in_pieces() {
    for text in [
        "x漢字",
        "漢漢漢漢漢x漢",
        "é漢e\u{301}漢👍🏽👍👩\u{200d}🔬─🔬",
        "a\u{9b}3G漢\u{85}ü\u{84}ö",
        "漢\u{300}\u{200d}→漢",
    ] {
        for (columns, prefix) in
            [(1, ""), (2, ""), (3, "\x1b[?7l"), (5, "\x1b[4h漢字"), (9, "\x1b[?69h\x1b[2;4s")]
        {
            let size = Size { columns, rows: 4 };
            let (mut whole, mut parts) = (Emulator::new(size), Emulator::new(size));
            let text = std::format!("{prefix}{text}{text}{text}");
            whole.feed(text.as_bytes());
            text.as_bytes().iter().for_each(|&byte| parts.feed(&[byte]));
            assert_eq!(whole.screen(), parts.screen(), "{text:?} on {columns} columns");
        }
    }
}

#[test]
fn typing_within_a_line_moves_what_comes_after() {
    for (line, typed, least) in [
        ("$ echo one two three four", "\x1b[@x", "\x1b[@x"),
        ("$ echo one two three four", "\x1b[P", "\x1b[P"),
        ("$ echo one two three four", "\x08\x1b[P", "\x08\x1b[P"),
        ("$ echo \x1b[32mone\x1b[m two three", "\x1b[4hmore \x1b[4l", "\x1b[5@more "),
        ("$ 漢字 漢字漢字漢字", "\x1b[2@語", "\x1b[2@語"),
    ] {
        let mut emulator = Emulator::new(Size { columns: 80, rows: 24 });
        emulator.feed(std::format!("{line}\x1b[8G").as_bytes());
        let before = emulator.screen().clone();
        emulator.feed(typed.as_bytes());
        let bytes = diff(&before, emulator.screen(), &Vocabulary::PEER);
        assert_eq!(String::from_utf8_lossy(&bytes), least, "in {line:?}");
        assert_law(&before, emulator.screen());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_diff_shows_as_much_as_the_vocabulary_can_say(
        first in size(), second in size(), one in stream(), other in stream(), same in any::<bool>(), v in vocabulary(),
    ) {
        let mut emulator = Emulator::new(first);
        emulator.feed(&one);
        let a = emulator.screen().clone();
        if !same {
            emulator.resize(second);
        }
        emulator.feed(&other);
        let b = emulator.into_screen();
        let bytes = diff(&a, &b, &v);
        let mut terminal = Emulator::from_screen(projected(&a, &v));
        terminal.resize(b.size());
        terminal.feed(&bytes);
        prop_assert!(terminal.take_replies().is_empty());
        let shown = without_events(terminal.screen().clone());
        let expected = without_events(projected(&b, &v));
        prop_assert_eq!(shown, expected, "after {:?}", String::from_utf8_lossy(&bytes));

        assert_erases_plainly(&projected(&a, &v), &b, &bytes);

        // A repaint needs no knowledge of what was there, but for the modes that it cannot name.
        let mut other = Emulator::new(b.size());
        other.feed(b"junk\x1b[31;4mjunk\x1b[5;5Hjunk");
        other.feed(&repaint(&b, &v));
        prop_assert_eq!(without_events(other.screen().clone()), without_events(projected(&b, &v)));
    }

    #[test]
    fn a_scrolled_screen_obeys_the_law(
        size in size(), lines in prop::collection::vec("[ a-e]{0,30}", 1..40), steps in prop::collection::vec((0u8..6, 1u16..9, 1u16..9), 1..12),
    ) {
        let mut emulator = Emulator::new(size);
        emulator.feed(lines.join("\r\n").as_bytes());
        let a = emulator.screen().clone();
        for (what, n, m) in steps {
            let text = match what {
                0 => std::format!("\x1b[{};{}r\x1b[{n}S\x1b[r", n.min(m), n.max(m) + 1),
                1 => std::format!("\x1b[{};{}r\x1b[{n}T\x1b[r", n.min(m), n.max(m) + 1),
                2 => std::format!("\x1b[{n}H\x1b[{m}L"),
                3 => std::format!("\x1b[{n}H\x1b[{m}M"),
                4 => std::format!("\x1b[{n};{m}H\x1b[{m}@"),
                _ => std::format!("\x1b[{n};{m}Hnew\x1b[99H\n"),
            };
            emulator.feed(text.as_bytes());
        }
        assert_law(&a, emulator.screen());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_diff_turns_any_reachable_screen_into_any_other(
        first in size(), second in size(), one in stream(), other in stream(), same in any::<bool>(), clusters in any::<bool>(),
    ) {
        let mut emulator = Emulator::new(first);
        if clusters {
            emulator.feed(b"\x1b[?2027h");
        }
        emulator.feed(&one);
        let a = emulator.screen().clone();
        if !same {
            emulator.resize(second);
        }
        emulator.feed(&other);
        assert_law(&a, emulator.screen());
    }

    #[test]
    fn how_a_stream_is_cut_makes_no_difference(size in size(), bytes in stream(), cuts in prop::collection::vec(1usize..9, 1..9)) {
        let mut whole = Emulator::new(size);
        whole.feed(&bytes);
        let mut parts = Emulator::new(size);
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            parts.feed(now);
            rest = later;
        }
        prop_assert_eq!(whole.screen(), parts.screen());
        prop_assert_eq!(whole.take_replies(), parts.take_replies());
    }
}

/// Clearing and drawing are one frame, and what was rung, copied and switched before is not again.
#[test]
fn a_terminal_that_can_is_cleared_and_drawn_at_once() {
    let size = Size { columns: 20, rows: 4 };
    let mut emulator = Emulator::new(size);
    emulator.feed(b"\x07\x1b]52;c;eA==\x07\x1b]0;title\x07\x1b[?1000htext");
    let before = emulator.screen().clone();
    emulator.feed(b"\x1b[?1000l more");
    let clearing = b"\x1b[H\x1b[2J";
    for synchronized in [true, false] {
        let vocabulary = Vocabulary { synchronized, ..Vocabulary::XTERM };
        let bytes = redraw(clearing, &before, emulator.screen(), &vocabulary);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert_eq!(text.starts_with("\x1b[?2026h\x1b[H\x1b[2J"), synchronized, "{text:?}");
        assert_eq!(text.ends_with("\x1b[?2026l"), synchronized, "{text:?}");
        assert_eq!(text.matches("2026").count(), if synchronized { 2 } else { 0 }, "{text:?}");
        assert!(!text.contains('\x07') && text.contains("\x1b[?1000l"), "{text:?}");
        let mut terminal = Emulator::from_screen(before.clone());
        terminal.feed(b"\x1b[3;3Hsomebody else's\x1b[m");
        terminal.feed(&bytes);
        assert!(without_events(terminal.screen().clone()) == without_events(emulator.screen().clone()));
        let left = redraw(clearing, &before.left(size), emulator.screen(), &vocabulary);
        assert!(String::from_utf8_lossy(&left).contains("title"));
    }
}

/// The terminal is larger than the screen, and has edges of its own.
#[test]
fn a_screen_within_a_larger_terminal_depends_on_no_edge() {
    let size = Size { columns: 20, rows: 5 };
    let vocabulary = Vocabulary::XTERM.within_edges();
    let mut program = Emulator::new(size);
    let mut terminal = Emulator::new(Size { columns: 30, rows: 8 });
    let mut shown = program.screen().clone();
    for step in [
        "a line that is longer than the screen and goes on",
        "\r\n1\r\n2\r\n3\r\n4\r\n5\r\n6",
        "\x1b[H0123456789abcdefghij\x1b[1;3H\x1b[4@",
        "\x1b[2;1H\x1b[3M\x1b[1;20Hx",
        "\x1b[2;1H\x1b[2Lnew\x1b[5;20Hyz",
        "\x1b[1;5H\x1b[7P\x1b[44m\x1b[J",
    ] {
        program.feed(step.as_bytes());
        terminal.feed(&diff(&shown, program.screen(), &vocabulary));
        shown = program.screen().clone();
        for (row, cells) in shown.rows().enumerate() {
            let drawn = &terminal.screen().row(row as u16).unwrap().cells()[..20];
            assert!(drawn == cells.cells(), "{step:?}, row {row}");
        }
        let at = |screen: &Screen| (screen.cursor().row, screen.cursor().column);
        assert_eq!(at(terminal.screen()), at(&shown), "{step:?}");
    }
}

/// `?1007` is xterm's (ctlseqs, alternate scroll); as are saving and restoring a mode. Who cannot restore it has it on.
#[test]
fn the_wheel_types_no_keys_at_what_the_program_draws_on_its_main_screen() {
    let vocabulary = Vocabulary { wheel: true, ..Vocabulary::XTERM };
    let own = Screen::new(Size { columns: 20, rows: 5 });
    let mut quiet = own.clone();
    quiet.set_mode(Mode::MainScreen, true);
    let mut keys = own.clone();
    keys.set_mode(Mode::AlternateScroll, true);
    for (from, to, expected) in [
        (&own, &quiet, "\x1b[?1007l"),
        (&quiet, &own, "\x1b[?1007h\x1b[?1007r"),
        (&quiet, &keys, "\x1b[?1007h"),
    ] {
        assert_eq!(String::from_utf8(diff(from, to, &vocabulary)).unwrap(), expected);
        assert_eq!(diff(from, to, &Vocabulary::XTERM), b"");
    }
    let left = end_modes(&vocabulary);
    assert!(String::from_utf8(left).unwrap().contains("\x1b[?1007h\x1b[?1007r"));
    // A server tells its client, in a way that a program cannot, and that no margins come of.
    let mut client = Emulator::from_screen(own.clone());
    client.feed(&diff(&own, &quiet, &Vocabulary::PEER));
    assert!(*client.screen() == quiet && diff(&own, &quiet, &Vocabulary::STOCK_PEER).is_empty());
    client.feed(b"\x1b[?9007$p\x1b[?1007s\x1b[?1007r\x1b[5;1H\r\nx");
    assert_eq!(client.take_replies(), b"\x1b[?9007;0$y");
    assert_eq!(client.screen().cursor().row, 4);
}
