//! The law, by example and by property.

use crate::{Emulator, Screen, Size, Vocabulary, diff};
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_diff_turns_any_reachable_screen_into_any_other(
        first in size(), second in size(), one in stream(), other in stream(), same in any::<bool>(),
    ) {
        let mut emulator = Emulator::new(first);
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
