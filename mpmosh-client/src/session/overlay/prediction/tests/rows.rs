//! What keys do to a row.

use super::*;

#[test]
fn a_prompt_at_the_right_margin_stays_there() {
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
    desk.server.feed(b"\x1b[1;10H[9]\x1b[1;4H");
    desk.looks();
    desk.types(b"ab");
    assert_eq!(desk.row(0), "$ lab    [9]");
    desk.types(b"\x7f");
    assert_eq!(desk.row(0), "$ la     [9]");
}

#[test]
fn what_is_behind_a_border_stays_there() {
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
    desk.server.feed("xy\x1b[1;9H│top\x1b[1;4H".as_bytes());
    desk.looks();
    desk.types(b"ab");
    assert_eq!(desk.row(0), "$ labxy │top");
    desk.types(b"\x7f");
    assert_eq!(desk.row(0), "$ laxy  │top");
    desk.answers(b"\x1b[1;3Hlaxy\x1b[1;5H");
    assert_eq!(desk.drawn(), *desk.server.screen());
    let epoch = desk.prediction.epoch;
    desk.types(b"1234");
    assert!(desk.prediction.epoch > epoch, "at the border nobody knows where it goes on");
}

#[test]
fn a_bar_is_a_border_where_it_goes_on_above_and_below_and_else_a_pipe() {
    for (bars, line) in [(3, "$ la |x"), (1, "$ la  |x")] {
        let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
        for row in 1..=bars {
            desk.server.feed(format!("\x1b[{row};6H|x").as_bytes());
        }
        desk.server.feed(b"\x1b[1;4H");
        desk.looks();
        desk.types(b"a");
        assert_eq!(desk.row(0), line);
    }
}

#[test]
fn beyond_the_ends_of_a_row_nobody_knows_where_the_cursor_is() {
    for (at, key) in [(1, "\x7f"), (1, "\x1b[D"), (12, "\x1b[C")] {
        let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
        desk.server.feed(format!("\x1b[2;{at}H").as_bytes());
        desk.prediction.reset();
        let epoch = desk.prediction.epoch;
        desk.prediction.new_user_bytes(key.as_bytes(), desk.server.screen(), desk.sent, desk.now, desk.srtt);
        assert!(desk.prediction.epoch > epoch, "{key:?}");
        assert_eq!(desk.drawn(), *desk.server.screen(), "{key:?}");
    }
}

#[test]
fn the_last_column_begins_an_epoch_and_a_line() {
    let mut desk = Desk::new(Display::Experimental, SLOW_LINK);
    desk.server.feed(b"\x1b[1;12H");
    desk.types(b"zq");
    assert_eq!(desk.row(0), "$          z");
    assert_eq!(desk.row(1), "q");
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
    desk.server.feed(b"\x1b[1;12H");
    desk.types(b"z");
    assert_eq!(desk.row(0), "$ l");
}

#[test]
fn typing_in_the_middle_moves_the_rest_and_deleting_moves_it_back() {
    let mut desk = Desk::new(Display::Always, FAST_LINK).confirmed();
    desk.server.feed(b"abc\x1b[1;4H");
    desk.prediction.reset();
    desk.types(b"x");
    desk.answers(b"\x1b[@x");
    desk.types(b"y");
    assert_eq!(desk.row(0), "$ lxyabc");
    desk.types(b"\x7f");
    assert_eq!(desk.row(0), "$ lxabc");
    desk.types(b"\x1b[C\x1b[C\x1b[D");
    assert_eq!(desk.drawn().cursor().column, 5);
}

#[test]
fn overwriting_moves_nothing() {
    let mut desk = Desk::new(Display::Experimental, FAST_LINK);
    desk.prediction = Prediction::new(Display::Experimental, true);
    desk.server.feed(b"abc\x1b[1;3H");
    desk.types(b"x");
    assert_eq!(desk.row(0), "$ xbc");
    desk.types(b"\x7f");
    assert_eq!(desk.row(0), "$  bc");
}

#[test]
fn a_wide_character_takes_its_two_columns() {
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
    desk.types("多b".as_bytes());
    assert_eq!(desk.row(0), "$ l多b");
    assert_eq!(desk.drawn().cursor().column, 6);
    desk.types(b"\x1b[D\x1b[D");
    assert_eq!(desk.drawn().cursor().column, 3, "and is one step of the arrows");
    desk.types(b"\x1b[C");
    assert_eq!(desk.drawn().cursor().column, 5);
    desk.types(b"\x7f");
    assert_eq!(desk.row(0), "$ lb", "and one of the backspace");
    desk.answers("多b\x1b[D\x08\x08\x1b[2P".as_bytes());
    assert_eq!(desk.drawn(), *desk.server.screen());
    assert_eq!(desk.prediction.confirmed_epoch, desk.prediction.epoch, "all of it came true");
}

#[test]
fn a_wide_character_that_does_not_fit_begins_an_epoch() {
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
    desk.server.feed(b"\x1b[1;12H");
    desk.prediction.reset();
    let epoch = desk.prediction.epoch;
    desk.types("多".as_bytes());
    assert!(desk.prediction.epoch > epoch);
    assert_eq!(desk.drawn(), *desk.server.screen());
}

#[test]
fn a_wide_character_to_the_right_moves_whole_and_is_not_torn() {
    let mut desk = Desk::new(Display::Experimental, SLOW_LINK);
    desk.server.feed("ab多c\x1b[1;3H".as_bytes());
    desk.types(b"x");
    assert_eq!(desk.row(0), "$ xab多c");
    let mut desk = Desk::new(Display::Experimental, SLOW_LINK);
    desk.server.feed("12345678多\x1b[1;3H".as_bytes());
    desk.types(b"x");
    for pair in desk.drawn().row(0).unwrap().cells().windows(2) {
        assert_eq!(pair[0].width() == 2, pair[1].width() == 0);
    }
}

#[test]
fn a_combining_character_joins_what_was_typed_before() {
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
    desk.types("e\u{301}x".as_bytes());
    assert_eq!(desk.row(0), "$ le\u{301}x");
    assert_eq!(desk.drawn().cursor().column, 5);
    desk.types("👍🏽".as_bytes());
    assert_eq!(desk.row(0), "$ le\u{301}x👍🏽");
    desk.answers("e\u{301}x👍🏽".as_bytes());
    assert_eq!(desk.drawn(), *desk.server.screen());
    assert_eq!(desk.prediction.confirmed_epoch, desk.prediction.epoch);
}

#[test]
fn a_suggestion_stays_where_it_is_and_is_typed_over() {
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
    desk.server.feed(b"\x1b[90ms -la\x1b[m\x1b[1;4H");
    desk.looks();
    desk.types(b"s ");
    assert_eq!(desk.row(0), "$ ls -la");
    let screen = desk.drawn();
    let look = |column| screen.cell(0, column).unwrap().attributes();
    assert_eq!(look(3), look(2), "typed text looks typed");
    assert_ne!(look(5), look(2), "and the rest is still proposed");
    desk.answers(b"s \x1b[90m-la\x1b[m\x1b[1;6H");
    assert_eq!(desk.drawn(), *desk.server.screen());
    assert_eq!(desk.prediction.confirmed_epoch, desk.prediction.epoch, "nothing was wrong");
}

#[test]
fn what_does_not_move_though_it_should_is_learnt_and_costs_no_guess() {
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
    desk.server.feed(b"12345\x1b[1;4H");
    desk.looks();
    let epoch = desk.prediction.epoch;
    desk.types(b"a");
    assert_eq!(desk.row(0), "$ la12345", "as every line editor does it");
    desk.answers(b"a");
    desk.types(b"b");
    assert_eq!(desk.row(0), "$ lab345", "this one overwrites");
    desk.answers(b"b");
    assert_eq!(desk.prediction.epoch, epoch, "and guesses are still shown");
    desk.types(b"c");
    desk.answers(b"\x1b[@c");
    desk.types(b"d");
    assert_eq!(desk.row(0), "$ labcd345", "until it inserts again");
}

/// The columns of row 0 that are marked as a guess.
fn marked(desk: &Desk) -> Vec<u16> {
    let (screen, server) = (desk.drawn(), desk.server.screen());
    let underline = |screen: &Screen, column| screen.cell(0, column).map(|cell| cell.attributes().underline);
    (0..SIZE.columns).filter(|&column| underline(&screen, column) != underline(server, column)).collect()
}

/// At 200 ms stock mosh marks these, as an underscore each; a terminal without a session shows nothing there.
#[test]
fn where_nothing_stands_and_nothing_is_known_no_mark_is_drawn() {
    let slow = MS(200);
    let mut desk = Desk::new(Display::Adaptive, slow).confirmed();
    desk.types(b"s");
    assert_eq!(marked(&desk), [3]);
    desk.answers(b"s");
    desk.types(b"\x7f");
    assert_eq!(marked(&desk), [3], "the letter that goes, and nothing at the margin");
    for border in ["│", "┃", "║", "┊", "▕"] {
        let mut desk = Desk::new(Display::Adaptive, slow).confirmed();
        desk.server.feed(format!("\x1b[1;9H{border}\x1b[1;4H").as_bytes());
        desk.looks();
        desk.types(b"s");
        assert_eq!(marked(&desk), [3], "typed");
        desk.answers(b"s");
        desk.types(b"\x7f");
        assert_eq!(marked(&desk), [3], "deleted");
    }
}

/// The answers are vim 9.0's (`R` on "abcdef").
#[test]
fn in_vims_replace_mode_the_rest_stays_where_it_is() {
    let mut desk = Desk::new(Display::Adaptive, MS(200)).confirmed();
    desk.server.feed(b"\x1b[1;1Habcdef\x1b[1;1H");
    desk.types(b"\x1bR");
    desk.answers(b"\x1b[4;1HREPLACE\x1b[1;1H");
    desk.types(b"XYZ");
    assert_eq!(desk.row(0), "abcdef", "nothing is proven yet");
    desk.answers_but(2, b"X");
    assert_eq!(desk.row(0), "XYZdef");
    desk.answers_but(1, b"Y");
    assert_eq!(desk.row(0), "XYZdef");
    desk.types(b"1\x7f");
    assert_eq!(desk.row(0), "XYZdef");
    assert_eq!(desk.drawn().cursor().column, 3);
    desk.answers(b"Z1\x08e\x08");
    assert_eq!(desk.drawn(), *desk.server.screen());
}

/// The same before the server says that it has had the keys: what it shows is enough.
#[test]
fn a_replacing_key_is_noticed_when_it_is_seen() {
    let mut desk = Desk::new(Display::Adaptive, MS(200)).confirmed();
    desk.server.feed(b"\x1b[1;1Habcdef\x1b[1;1H");
    desk.types(b"\x1bR");
    desk.answers(b"\x1b[4;1HREPLACE\x1b[1;1H");
    desk.types(b"XYZ");
    desk.now += MS(200);
    desk.answers_but(3, b"X");
    assert_eq!(desk.row(0), "XYZdef");
}
