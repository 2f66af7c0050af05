//! What the recorded streams do not reach: answers, bounds, and the corners of the control functions.

use crate::{
    Attributes, Cell, Color, Emulator, Flags, Link, MAX_REPLIES, Mode, Mouse, Pen, Screen, Size, Underline,
};
use alloc::rc::Rc;
use std::format;
use std::string::String;
use std::vec::Vec;

fn fed(columns: u16, rows: u16, bytes: &[u8]) -> Emulator {
    let mut emulator = Emulator::new(Size { columns, rows });
    emulator.feed(bytes);
    emulator
}

fn text(screen: &Screen, row: u16) -> String {
    let text: String = screen.row(row).unwrap().cells().iter().map(Cell::text).collect();
    String::from(text.trim_end())
}

fn texts(emulator: &Emulator) -> Vec<String> {
    (0..emulator.screen().size().rows).map(|row| text(emulator.screen(), row)).collect()
}

fn at(emulator: &Emulator) -> (u16, u16) {
    let cursor = emulator.screen().cursor();
    (cursor.row, cursor.column)
}

fn answer(question: &[u8]) -> String {
    String::from_utf8(fed(80, 24, question).take_replies()).unwrap()
}

#[test]
fn questions_about_the_terminal_are_answered() {
    for (question, expected) in [
        (&b"\x1b[c"[..], "\x1b[?64;21;22c"),
        (b"\x1b[0c", "\x1b[?64;21;22c"),
        (b"\x1bZ", "\x1b[?64;21;22c"),
        (b"\x1b[>c", "\x1b[>41;379;0c"),
        (b"\x1b[=c", "\x1bP!|00000000\x1b\\"),
        (b"\x1b[5n", "\x1b[0n"),
        (b"\x1b[7;9H\x1b[6n", "\x1b[7;9R"),
        (b"\x1b[7;9H\x1b[?6n", "\x1b[?7;9;1R"),
        (b"\x1b[5;10r\x1b[?6h\x1b[2;2H\x1b[6n", "\x1b[2;2R"),
        (b"\x1b[18t", "\x1b[8;24;80t"),
        (b"\x1b[?2026$p", "\x1b[?2026;2$y"),
        (b"\x1b[?7$p", "\x1b[?7;1$y"),
        (b"\x1b[?1049h\x1b[?1049$p", "\x1b[?1049;1$y"),
        (b"\x1b[4$p", "\x1b[4;2$y"),
        (b"\x1b[?4242$p", "\x1b[?4242;0$y"),
        (b"\x1b]10;#123456\x07\x1b]10;?;?\x07", "\x1b]10;rgb:1212/3434/5656\x07"),
        (b"\x1b[1;4:3;38;5;99m\x1bP$qm\x1b\\", "\x1bP1$r0;1;4:3;38:5:99m\x1b\\"),
        (b"\x1b[3;9r\x1bP$qr\x1b\\", "\x1bP1$r3;9r\x1b\\"),
        (b"\x1b[4 q\x1bP$q q\x1b\\", "\x1bP1$r4 q\x1b\\"),
        (b"\x1bP$qz\x1b\\", "\x1bP0$r\x1b\\"),
        (b"\x1bP+q544e\x1b\\", "\x1bP0+r\x1b\\"),
    ] {
        assert_eq!(answer(question), expected, "{}", String::from_utf8_lossy(question));
    }
    // tmux 3.3a shows all colours on what begins so, and none but 256 on "mpmosh(" (seen in a session in xterm 379).
    assert!(answer(b"\x1b[>q").starts_with("\x1bP>|XTerm(379) mpmosh("));
}

/// The forms of the answers are xterm 379's. What is asked of a terminal that nobody knows is not answered, as Linux's
/// console does not.
#[test]
fn colours_are_the_users_where_they_are_known() {
    let asked = b"\x1b]10;?\x07\x1b]11;?\x1b\\\x1b]12;?\x07\x1b]4;1;?\x07\x1b]4;16;?;255;?\x07";
    assert_eq!(answer(asked), "");
    let mut emulator = Emulator::new(Size::default());
    use crate::ColorName;
    let colors = [(ColorName::Background, [0xff, 0xfa, 0xe0]), (ColorName::Indexed(1), [0xc0, 0, 1])];
    emulator.set_user_colors(colors);
    emulator.feed(asked);
    let cube = "\x1b]4;16;rgb:0000/0000/0000\x07\x1b]4;255;rgb:eeee/eeee/eeee\x07";
    let users = format!("\x1b]11;rgb:ffff/fafa/e0e0\x1b\\\x1b]4;1;rgb:c0c0/0000/0101\x07{cube}");
    assert_eq!(String::from_utf8(emulator.take_replies()).unwrap(), users);
    // What the program sets is its own until it takes it back, or resets the terminal.
    for reset in ["\x1b]111\x07", "\x1bc"] {
        emulator.feed(b"\x1b]11;#000000\x07\x1b]11;?\x07");
        assert_eq!(emulator.take_replies(), b"\x1b]11;rgb:0000/0000/0000\x07");
        emulator.feed(format!("{reset}\x1b]11;?\x07").as_bytes());
        assert_eq!(emulator.take_replies(), b"\x1b]11;rgb:ffff/fafa/e0e0\x07", "{reset:?}");
    }
    emulator.forget_user_colors();
    emulator.feed(asked);
    assert_eq!(emulator.take_replies(), b"");
}

#[test]
fn who_asks_before_the_colours_are_known_is_answered_in_order_when_they_are() {
    use crate::ColorName;
    let asked = b"\x1b[5n\x1b]11;?\x07\x1b[c\x1b]12;?\x07\x1b]4;1;?\x07\x1b[5n";
    let mut emulator = Emulator::new(Size::default());
    emulator.await_colors(true);
    emulator.feed(asked);
    assert_eq!(emulator.take_replies(), b"\x1b[0n");
    assert!(emulator.owes_colors());
    emulator.set_user_colors([(ColorName::Background, [255; 3])]);
    let first = "\x1b]11;rgb:ffff/ffff/ffff\x07\x1b[?64;21;22c";
    assert_eq!(String::from_utf8(emulator.take_replies()).unwrap(), first);
    emulator.set_user_colors([(ColorName::Indexed(1), [205, 0, 0])]);
    assert_eq!(emulator.take_replies(), b"");
    emulator.await_colors(false);
    let rest = "\x1b]4;1;rgb:cdcd/0000/0000\x07\x1b[0n";
    assert_eq!(String::from_utf8(emulator.take_replies()).unwrap(), rest);
    emulator.feed(b"\x1b]12;?\x07");
    assert!(!emulator.owes_colors());
    emulator.await_colors(true);
    for _ in 0..10_000 {
        emulator.feed(b"\x1b]12;?\x07\x1b[c");
    }
    emulator.set_user_colors([(ColorName::Cursor, [1, 2, 3])]);
    assert!(emulator.take_replies().len() <= 2 * MAX_REPLIES, "answers are bounded");
}

#[test]
fn colours_are_read_in_the_forms_that_terminals_answer_in() {
    for (text, expected) in [
        ("rgb:ffff/8080/0000", Some([255, 128, 0])),
        ("rgb:ff/80/00", Some([255, 128, 0])),
        ("rgba:ffff/ffff/dede/cccc", Some([255, 255, 222])),
        ("#fffae0", Some([255, 250, 224])),
        ("rgb:ffff/8080", None),
        ("rgb:1/2/3/4", None),
        ("rgba:1/2/3", None),
        ("white", None),
    ] {
        assert_eq!(crate::parse_color(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn what_a_program_chose_is_never_sent_back() {
    for question in [
        &b"\x1b]0;rm -rf\x07\x1b[20t\x1b[21t"[..],
        b"\x1b]52;c;Zm9v\x07\x1b]52;c;?\x07",
        b"\x1b]2;x\x07\x1b]2;?\x07",
    ] {
        assert_eq!(answer(question), "");
    }
}

#[test]
fn the_keyboard_protocol_is_only_admitted_to_when_the_user_has_it() {
    assert_eq!(answer(b"\x1b[?u"), "");
    let mut emulator = Emulator::new(Size::default());
    emulator.answer_keyboard_query(true);
    emulator.feed(b"\x1b[>1u\x1b[=4;2u\x1b[?u\x1b[?1049h\x1b[?u\x1b[?1049l\x1b[<u\x1b[?u");
    assert_eq!(emulator.take_replies(), b"\x1b[?5u\x1b[?0u\x1b[?0u");
}

#[test]
fn answers_nobody_reads_are_bounded() {
    let mut emulator = fed(80, 24, &b"\x1b[c\x1b]4;1;#123;1;?\x07".repeat(10_000));
    assert!(emulator.take_replies().len() <= MAX_REPLIES);
    emulator.feed(b"\x1b[5n");
    assert_eq!(emulator.take_replies(), b"\x1b[0n", "once read there is room again");
}

#[test]
fn endless_marks_stay_in_their_bound() {
    let emulator = fed(10, 2, &[b"a".to_vec(), "\u{301}".repeat(100_000).into_bytes()].concat());
    assert!(emulator.screen().cell(0, 0).unwrap().text().len() <= 1 + crate::MAX_MARKS);
    assert_eq!(at(&emulator), (0, 1));
}

#[test]
fn a_wide_cluster_is_never_left_half() {
    let emulator = fed(6, 3, "漢字x\x1b[1;2Ha\r\n漢字x\x1b[2;3H\x1b[P\r\n漢字\x1b[3;4H\x1b[K".as_bytes());
    assert_eq!(texts(&emulator), [" a字x", "漢 x", "漢"]);
    for row in emulator.screen().rows() {
        for pair in row.cells().windows(2) {
            assert_eq!(pair[0].width() == 2, pair[1].width() == 0);
        }
    }
}

#[test]
fn a_wide_character_that_does_not_fit_goes_to_the_next_row() {
    let emulator = fed(4, 3, "abc漢".as_bytes());
    assert_eq!(texts(&emulator), ["abc", "漢", ""]);
    assert!(emulator.screen().row(0).unwrap().is_wrapped());
    assert_eq!(
        texts(&fed(1, 2, "漢x".as_bytes())),
        ["x", ""],
        "where there is no room at all it is left out"
    );
}

#[test]
fn each_character_has_its_columns_unless_the_program_asked_for_clusters() {
    // The columns are glibc 2.36's, and xterm 379's; a cluster's are what the sequence is drawn on (UTS 51).
    for (cluster, columns, clustered) in [
        ("e\u{301}", 1, 1),
        ("👨\u{200d}👩\u{200d}👧", 6, 2),
        ("👍🏽", 4, 2),
        ("☺", 1, 1),
        ("☺\u{fe0f}", 1, 2),
        ("🇩🇪", 2, 2),
        ("আমার", 4, 4),
        ("\u{1100}\u{1161}", 2, 2),
        ("\u{ad}", 1, 1),
        ("─", 1, 1),
    ] {
        assert_eq!(at(&fed(10, 1, cluster.as_bytes())), (0, columns), "{cluster}");
        let emulator = fed(10, 1, format!("\x1b[?2027h{cluster}").as_bytes());
        assert_eq!(at(&emulator), (0, clustered), "{cluster}, clustered");
        assert!(text(emulator.screen(), 0) == cluster);
    }
    assert_eq!(answer("\x1b[?2027$p\x1b[?2027h\x1b[?2027$p".as_bytes()), "\x1b[?2027;2$y\x1b[?2027;1$y");
    assert_eq!(at(&fed(10, 1, "\x1b[?2027h\x1b[!p👍🏽".as_bytes())), (0, 4), "DECSTR ends it");
}

#[test]
fn a_mark_joins_the_character_at_the_edge_also_where_nothing_wraps() {
    // xterm 379: it joins what was written last.
    let emulator = fed(4, 1, "\x1b[?7labce\u{301}".as_bytes());
    assert_eq!(texts(&emulator), ["abce\u{301}"]);
    let emulator = fed(4, 1, "\x1b[?7labc\u{301}".as_bytes());
    assert_eq!(texts(&emulator), ["abc\u{301}"]);
}

#[test]
fn colours_and_underlines_come_in_both_forms() {
    let pen = |bytes: &[u8]| fed(10, 1, bytes).screen().pen().clone();
    for bytes in [&b"\x1b[38;2;1;2;3m"[..], b"\x1b[38:2::1:2:3m", b"\x1b[38:2:1:2:3m"] {
        assert_eq!(pen(bytes).attributes.foreground, Color::Rgb(1, 2, 3));
    }
    assert_eq!(pen(b"\x1b[48:5:200m").attributes.background, Color::Indexed(200));
    assert_eq!(
        pen(b"\x1b[38;5;300;1m").attributes,
        Attributes { flags: Flags::BOLD, ..Attributes::default() }
    );
    assert_eq!(pen(b"\x1b[4:3;58:2::9:8:7m").underline_color(), Color::Rgb(9, 8, 7));
    assert_eq!(pen(b"\x1b[4:3m").attributes.underline, Underline::Curly);
    assert_eq!(pen(b"\x1b[4;4:0m").attributes.underline, Underline::None);
    assert_eq!(pen(b"\x1b[1;2;3;4;5;7;8;9;53;31;42;58;5;1;0m"), Pen::default());
}

#[test]
fn links_end_where_they_are_ended() {
    let emulator = fed(20, 1, b"\x1b]8;id=a:x=y;http://h/;p\x1b\\ab\x1b[0mc\x1b]8;;\x07d");
    let link = |column| emulator.screen().cell(0, column).unwrap().link().map(|link| Link::clone(link));
    let expected = Link { id: "a".into(), uri: "http://h/;p".into() };
    assert_eq!([link(0), link(2), link(3)], [Some(expected.clone()), Some(expected), None]);
    let hostile = fed(20, 1, b"\x1b]8;;http://h/\xc3\xa4\x07a");
    assert_eq!(hostile.screen().cell(0, 0).unwrap().link(), None, "only printable ASCII is taken");
}

#[test]
fn the_clipboard_counts_its_writes() {
    let mut emulator = fed(20, 1, b"\x1b]52;c;Zm9v\x07");
    let first = emulator.screen().clipboard().clone();
    assert_eq!((&*first.selection, &*first.content), ("c", "Zm9v"));
    emulator.feed(b"\x1b]52;c;Zm9v\x07");
    assert_ne!(*emulator.screen().clipboard(), first, "the same text again is news");
    let before = emulator.screen().clipboard().clone();
    for junk in ["***", "Zm9v!", "Zm9vYg=", "Z===", "=", "Zm9 v", "Zm9vb", "Zm=v"] {
        emulator.feed(format!("\x1b]52;p!x;{junk}\x07").as_bytes());
        assert_eq!(
            *emulator.screen().clipboard(),
            before,
            "{junk} is no base64, and changes nothing, as in tmux"
        );
    }
    for content in ["Zm9vYg==", "Zm9vYg", "Zm9vYmE=", "+/+/", ""] {
        emulator.feed(format!("\x1b]52;p!x;{content}\x07").as_bytes());
        let clipboard = emulator.screen().clipboard();
        assert_eq!((&*clipboard.selection, &*clipboard.content), ("p", content));
    }
}

#[test]
fn titles_are_kept_without_controls_and_stacked() {
    let mut emulator = fed(20, 1, "\x1b]0;a;b\u{85}c\x07\x1b[22t\x1b]2;other\x07".as_bytes());
    assert_eq!((emulator.screen().title(), emulator.screen().icon_name()), ("other", "a;bc"));
    emulator.feed(b"\x1b[23t");
    assert_eq!(emulator.screen().title(), "a;bc");
}

#[test]
fn the_alternate_buffer_has_its_own_content_and_saved_cursor() {
    let mut emulator = fed(10, 3, b"main\x1b7\x1b[?1049halt\x1b7");
    assert!(emulator.is_alternate());
    assert_eq!(texts(&emulator), ["    alt", "", ""]);
    emulator.feed(b"\x1b[3;3H\x1b[?1049l");
    assert_eq!(texts(&emulator), ["main", "", ""]);
    assert_eq!(at(&emulator), (0, 4));
}

#[test]
fn a_soft_reset_leaves_the_text() {
    let emulator = fed(
        10,
        3,
        b"text\x1b[31m\x1b[2;3r\x1b[?6h\x1b[?7l\x1b[4h\x1b[?1h\x1b[?25l\x0e\x1b)0\x1b[!p\x1b[1;1Hq\x1b[99BX",
    );
    assert_eq!(texts(&emulator), ["qext", "", " X"]);
    let modes = emulator.screen().modes();
    assert!(modes.get(Mode::CursorVisible) && !modes.get(Mode::ApplicationCursor));
}

#[test]
fn a_full_reset_keeps_what_the_user_was_told() {
    let emulator = fed(10, 3, b"\x07\x1b]0;t\x07\x1b]52;c;QQ==\x07\x1b[?1000h\x1b[?1049hx\x1bc");
    let screen = emulator.screen();
    assert_eq!((screen.title(), screen.bells(), &*screen.clipboard().content), ("t", 1, "QQ=="));
    assert_eq!(screen.modes().mouse, Mouse::Off);
    assert!(!emulator.is_alternate());
    assert_eq!(texts(&emulator), ["", "", ""]);
}

#[test]
fn malformed_sequences_leave_no_text() {
    for bytes in [
        &b"\x1b[1;?2mx"[..],
        b"\x1b[1\x18x",
        b"\x1b]0;half\x18x",
        b"\x1bP1;2zpayload\x1b\\x",
        "\x1bP1;2zpay\x07load\u{9c}x".as_bytes(),
        "\x1bPtmux;check \u{2713} and \u{85}\x1b\\x".as_bytes(),
        b"\x1b_\xe2\x9c\x9c\x9c\x1b\\x",
        "\u{9d}0;title\u{9c}x".as_bytes(),
        "\u{9f}application\u{9c}x".as_bytes(),
        "\x1b[1é\x1béx".as_bytes(),
        b"\x1b[1;2\xffx",
        b"\x1b[3:4Hx",
        b"\x1b[1\x1b[2\x1bPq\x1b]0;\x1b\\x",
        b"\x1b_application\x1b\\x",
        b"\x1b^privacy\x1b\\x",
        b"\x1bXstart of string\x1b\\x",
        b"\x1b[99999999999999999999;1;2;3;4;5;6;7;8;9;1;2;3;4;5;6;7;8;9;1;2;3;4;5;6;7;8;9;1;2;3;4;5;6;7;8;9zx",
        b"\x1b[ ! \" # $zx",
        b"\x1b(Bx\x1b%Gx\x08 \x08",
        "\u{9b}31mx".as_bytes(),
        "\u{9d}0;title\x07x".as_bytes(),
        "\u{90}payload\x1b\\x".as_bytes(),
    ] {
        assert_eq!(texts(&fed(20, 1, bytes)), ["x"], "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn broken_utf8_shows_one_replacement_for_each_broken_part() {
    for (bytes, expected) in [
        (&b"a\xffb"[..], "a\u{fffd}b"),
        (b"\xe2\x82b", "\u{fffd}b"),
        (b"\xe2\x82\x1b[1mb", "\u{fffd}b"),
        (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
        (b"\xf4\x90\x80\x80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
        (b"\x9b31m", "\u{fffd}31m"),
    ] {
        assert_eq!(texts(&fed(20, 1, bytes)), [expected], "{bytes:?}");
    }
}

#[test]
fn shrinking_keeps_the_cursors_row() {
    let mut emulator = fed(10, 6, b"1\r\n2\r\n3\r\n4\r\n5");
    emulator.resize(Size { columns: 4, rows: 3 });
    assert_eq!(texts(&emulator), ["3", "4", "5"]);
    assert_eq!(at(&emulator), (2, 1));
    emulator.resize(Size { columns: 10, rows: 6 });
    assert_eq!(texts(&emulator), ["3", "4", "5", "", "", ""]);
}

#[test]
fn the_frame_a_program_draws_can_be_waited_for() {
    let mut emulator = fed(10, 1, b"old\x1b[?2026h\rne");
    let (first, finished) = emulator.unfinished().unwrap();
    assert_eq!(text(finished, 0), "old");
    emulator.feed(b"w\x1b[?2026l");
    assert!(emulator.unfinished().is_none());
    emulator.feed(b"\x1b[?2026h\x1b[?2026hX");
    let (second, finished) = emulator.unfinished().unwrap();
    assert_eq!((second, text(finished, 0).as_str()), (first + 1, "new"));
    emulator.resize(Size { columns: 9, rows: 1 });
    assert!(emulator.unfinished().is_none(), "a frame of another size is none");
}

#[test]
fn an_untouched_row_stays_shared() {
    let mut emulator = fed(80, 24, b"one\r\ntwo\r\nthree");
    let before = emulator.screen().clone();
    emulator.feed(b"\x1b[2;1HX");
    let shared = before.rows.iter().zip(&emulator.screen().rows).filter(|(a, b)| Rc::ptr_eq(a, b)).count();
    assert_eq!(shared, 23);
}

#[test]
fn overlays_write_on_a_copy() {
    let emulator = fed(10, 2, "漢字x".as_bytes());
    let mut copy = emulator.screen().clone();
    let pen = Pen::new(Attributes { background: Color::Indexed(4), ..Attributes::default() });
    assert_eq!(copy.put_text(0, 1, "no\u{301}te\n漢", &pen), 7);
    assert_eq!(text(&copy, 0), " no\u{301}te漢");
    assert_eq!(copy.put_text(1, 8, "漢字", &pen), 10);
    copy.set_cell(1, 0, Cell::of_char('z', &pen).unwrap());
    copy.set_cell(1, 9, Cell::of_char('漢', &pen).unwrap());
    copy.set_attributes(1, 0, |attributes| attributes.underline = Underline::Single);
    copy.set_cursor(99, 99);
    copy.set_cursor_visible(false);
    assert_eq!(text(&copy, 1), "z       漢");
    assert_eq!(copy.cell(1, 0).unwrap().attributes().underline, Underline::Single);
    assert_eq!((copy.cursor().row, copy.cursor().column), (1, 9));
    assert_eq!(text(emulator.screen(), 0), "漢字x", "the original is as it was");
    assert!(Cell::of_char('\u{301}', &pen).is_none());
}

#[test]
fn a_scroll_copies_no_row() {
    for scroll in [
        &b"\x1b[24;1H\n"[..],
        b"\x1b[3;20r\x1b[20;1H\n\n",
        b"\x1b[2;9r\x1b[2;1H\x1bM",
        b"\x1b[5;1H\x1b[3M",
        b"\x1b[7L",
    ] {
        let mut emulator = fed(80, 24, b"");
        (0..24).for_each(|row| emulator.feed(format!("\x1b[{};1Hrow {row}", row + 1).as_bytes()));
        let before = emulator.screen().clone();
        emulator.feed(scroll);
        for row in emulator.screen().rows.iter().filter(|row| !row.is_blank()) {
            assert!(
                before.rows.iter().any(|old| Rc::ptr_eq(old, row)),
                "{:?}",
                String::from_utf8_lossy(scroll)
            );
        }
    }
}

#[test]
fn what_is_written_copies_its_own_row_alone() {
    let mut emulator = fed(500, 300, b"");
    (0..300).for_each(|row| emulator.feed(format!("\x1b[{};1Hrow {row}", row + 1).as_bytes()));
    let before = emulator.screen().clone();
    emulator.feed(b"\x1b[7;3Hx\x1b[2Jy\x1b[1;1H");
    assert!(
        before.rows.iter().all(|row| row.cells()[0].first_char() == 'r'),
        "what was kept stays as it was"
    );
    let mut emulator = Emulator::from_screen(before.clone());
    emulator.feed(b"\x1b[7;3Hx\x1b[K\x1b[@\x1b[P");
    let pairs = before.rows.iter().zip(&emulator.screen().rows).enumerate();
    let copied: Vec<usize> =
        pairs.filter(|(_, (old, new))| !Rc::ptr_eq(old, new)).map(|(row, _)| row).collect();
    assert_eq!(copied, [6]);
}

#[test]
fn where_it_is_allowed_a_change_of_columns_clears_and_homes() {
    // DEC STD 070 DECCOLM, as vttest uses it; the window keeps its size.
    let emulator = fed(10, 3, b"one\r\ntwo\x1b[2;3r\x1b[?40h\x1b[?3hx\r\n\n\ny");
    assert_eq!(texts(&emulator), ["", "", "y"]);
    let emulator = fed(10, 3, b"one\x1b[?40h\x1b[?40l\x1b[?3h");
    assert_eq!(texts(&emulator), ["one", "", ""]);
}

#[test]
fn every_private_mode_is_set_reset_reported_and_told_by_the_one_table() {
    use crate::modes::{PRIVATE, PrivateMode, Reading};
    let mut last = 0;
    for (number, mode) in PRIVATE {
        assert!(number > last, "{number}: each number once, in their order");
        last = number;
        let mut emulator = Emulator::new(Size { columns: 10, rows: 3 });
        let blank = emulator.screen().clone();
        for (action, state) in [('h', 1), ('l', 2)] {
            emulator.feed(format!("\x1b[?{number}{action}\x1b[?{number}$p").as_bytes());
            let state = match mode {
                PrivateMode::Reads(Reading::Columns | Reading::SavedCursor) => 0,
                PrivateMode::Flag(Mode::MainScreen) => 0,
                _ => state,
            };
            let answer = String::from_utf8(emulator.take_replies()).unwrap();
            assert_eq!(answer, format!("\x1b[?{number};{state}$y"));
            let mut other = Emulator::new(blank.size());
            other.feed(&crate::diff(&blank, emulator.screen(), &crate::Vocabulary::PEER));
            assert_eq!(other.screen(), emulator.screen(), "{number}{action}");
            // What a diff has begun on a user's terminal ends with the session, the cursor's visibility apart.
            other.feed(&crate::end_modes(&crate::Vocabulary::PEER));
            let mut ended = *blank.modes();
            ended.set(Mode::CursorVisible, other.screen().modes().get(Mode::CursorVisible));
            assert_eq!(other.screen().modes(), &ended, "{number}{action}");
        }
    }
}
