use super::*;
use terminal::Emulator;

const START: Instant = Instant::from_micros(100_000_000);
const SLOW_LINK: Duration = Duration::from_millis(100);
const FAST_LINK: Duration = Duration::from_millis(10);
const SIZE: Size = Size { columns: 12, rows: 4 };

/// A user before a terminal, and a server whose screen is what the test says.
struct Desk {
    prediction: Prediction,
    server: Emulator,
    sent: u64,
    echo_ack: u64,
    now: Instant,
    srtt: Duration,
}

impl Desk {
    fn new(display: Display, srtt: Duration) -> Self {
        let mut server = Emulator::new(SIZE);
        server.feed(b"$ ");
        let prediction = Prediction::new(display, false);
        Self { prediction, server, sent: 0, echo_ack: 0, now: START, srtt }
    }

    /// Types, each byte a state of its own.
    fn types(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let byte = core::slice::from_ref(byte);
            self.prediction.new_user_bytes(byte, self.server.screen(), self.sent, self.now, self.srtt);
            self.sent += 1;
        }
    }

    /// The server shows `bytes` and has echoed everything typed.
    fn answers(&mut self, bytes: &[u8]) {
        self.server.feed(bytes);
        self.echo_ack = self.sent;
        self.looks();
    }

    /// The server shows `bytes` and has echoed all that was typed but the last `under_way` keys.
    fn answers_but(&mut self, under_way: u64, bytes: &[u8]) {
        self.server.feed(bytes);
        self.echo_ack = self.sent - under_way;
        self.looks();
    }

    fn looks(&mut self) {
        self.prediction.new_frame(self.server.screen(), self.echo_ack, self.now, self.srtt);
    }

    fn drawn(&self) -> Screen {
        let mut screen = self.server.screen().clone();
        self.prediction.apply(&mut screen);
        screen
    }

    fn row(&self, row: u16) -> String {
        let screen = self.drawn();
        let text: String = screen.row(row).unwrap().cells().iter().map(Cell::text).collect();
        text.trim_end().to_owned()
    }

    fn confirmed(mut self) -> Self {
        self.types(b"l");
        self.answers(b"l");
        self
    }
}

#[test]
fn nothing_is_drawn_until_a_guess_has_come_true() {
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK);
    desk.types(b"l");
    assert_eq!(desk.row(0), "$");
    desk.answers(b"l");
    desk.types(b"s");
    assert_eq!(desk.row(0), "$ ls");
    assert_eq!((desk.drawn().cursor().row, desk.drawn().cursor().column), (0, 4));
    desk.answers(b"s");
    assert_eq!(desk.drawn(), *desk.server.screen());
}

#[test]
fn with_echo_off_no_predicted_cell_is_drawn_in_adaptive() {
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
    desk.types(b"\r");
    desk.answers(b"\r\nPassword: ");
    for byte in b"secret" {
        desk.types(&[*byte]);
        assert_eq!(desk.row(1), "Password:", "before the answer");
        desk.answers(b"");
        assert_eq!(desk.row(1), "Password:", "after it");
    }
    desk.types(b"secret");
    desk.now += Duration::from_secs(6);
    desk.looks();
    assert_eq!(desk.row(1), "Password:", "not even when it takes long");
}

#[test]
fn a_short_round_trip_needs_no_guesses() {
    let mut desk = Desk::new(Display::Adaptive, FAST_LINK).confirmed();
    desk.types(b"s");
    assert_eq!(desk.row(0), "$ l");
}

#[test]
fn a_key_that_waits_makes_guesses_visible_and_then_underlined() {
    let mut desk = Desk::new(Display::Adaptive, FAST_LINK).confirmed();
    desk.types(b"s");
    assert_eq!(desk.prediction.poll_timeout(), Some(desk.now + MS(250)));
    desk.now += MS(250);
    desk.looks();
    assert_eq!(desk.row(0), "$ ls");
    assert_eq!(desk.drawn().cell(0, 3).unwrap().attributes().underline, Underline::None);
    assert_eq!(desk.prediction.poll_timeout(), Some(desk.now + MS(4750)));
    desk.now += MS(4750);
    desk.looks();
    assert_eq!(desk.drawn().cell(0, 3).unwrap().attributes().underline, Underline::Single);
    assert_eq!(desk.prediction.poll_timeout(), None);
}

#[test]
fn a_glitch_is_forgotten_after_enough_quick_confirmations() {
    let mut desk = Desk::new(Display::Adaptive, FAST_LINK).confirmed();
    desk.types(b"s");
    desk.now += MS(300);
    desk.looks();
    desk.answers(b"s");
    for (count, key) in (0..).zip(b"abcdefghij") {
        assert!(desk.prediction.is_shown(), "after {count}");
        desk.now += MS(150);
        desk.server.feed(b"\x1b[1;5H\x1b[K");
        desk.looks();
        desk.types(&[*key]);
        desk.answers(&[*key]);
    }
    assert!(!desk.prediction.is_shown());
}

#[test]
fn a_long_round_trip_underlines() {
    let mut desk = Desk::new(Display::Adaptive, Duration::from_millis(200)).confirmed();
    desk.types(b"s");
    assert_eq!(desk.drawn().cell(0, 3).unwrap().attributes().underline, Underline::Single);
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
fn a_wrong_guess_is_taken_back_with_all_others() {
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
    desk.types(b"abc");
    assert_eq!(desk.row(0), "$ labc");
    desk.answers(b"***");
    assert_eq!(desk.drawn(), *desk.server.screen());
    desk.types(b"d");
    assert_eq!(desk.row(0), "$ l***", "hidden until confirmed again");
}

#[test]
fn what_was_there_before_proves_nothing() {
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK);
    desk.server.feed(b"x\x1b[1;3H");
    desk.types(b"x");
    desk.answers(b"");
    assert_eq!(desk.prediction.confirmed_epoch, 0);
}

#[test]
fn return_begins_an_epoch_and_blanks_the_last_row() {
    let mut desk = Desk::new(Display::Experimental, SLOW_LINK);
    desk.server.feed(b"\x1b[4;1H$ ls");
    desk.types(b"\r");
    assert_eq!(desk.row(3), "");
    assert_eq!((desk.drawn().cursor().row, desk.drawn().cursor().column), (3, 0));
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
    let epoch = desk.prediction.epoch;
    desk.types(b"\r");
    assert_eq!(desk.prediction.epoch, epoch + 1);
}

#[test]
fn keys_whose_effect_is_unknown_begin_an_epoch() {
    for typed in ["\x03", "\t", "\x1b[A", "\x1b[1;5C", "\u{200b}\x07", "☺\u{fe0f}"] {
        let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
        let epoch = desk.prediction.epoch;
        desk.types(typed.as_bytes());
        assert!(desk.prediction.epoch > epoch, "{typed:?}");
    }
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

#[test]
fn of_what_stands_in_paste_brackets_nothing_is_guessed() {
    let mut desk = Desk::new(Display::Experimental, SLOW_LINK);
    desk.types(b"\x1b[200~rm\rx");
    assert_eq!(desk.drawn(), *desk.server.screen());
    desk.types(b"\x1b[201~y");
    assert_eq!(desk.row(0), "$ y");
}

#[test]
fn a_prompt_that_begins_like_the_password_confirms_nothing() {
    for display in [Display::Adaptive, Display::Always] {
        let mut desk = Desk::new(display, SLOW_LINK).confirmed();
        // Typed ahead, before the prompt is there; the server has seen the first letter alone.
        desk.types(b"\rPassw0rd");
        desk.server.feed(b"\r\nPassword:");
        for echoed in desk.sent - 8..=desk.sent {
            desk.echo_ack = echoed;
            desk.looks();
            assert_eq!(desk.drawn().row(1), desk.server.screen().row(1), "{display:?}, {echoed}");
        }
    }
}

#[test]
fn nor_does_one_that_goes_on_elsewhere_than_the_keys_would() {
    for display in [Display::Adaptive, Display::Always] {
        for known in 1..=4 {
            let mut desk = Desk::new(display, SLOW_LINK).confirmed();
            desk.types(b"\r");
            desk.types(&b"Passw0rd"[..known]);
            desk.server.feed(b"\r\nPassword:");
            for echoed in desk.sent - known as u64..=desk.sent {
                desk.echo_ack = echoed;
                desk.looks();
            }
            for key in &b"Passw0rd"[known..] {
                desk.types(&[*key]);
                assert_eq!(desk.drawn().row(1), desk.server.screen().row(1), "{display:?}, {known}");
            }
        }
    }
}

#[test]
fn keys_typed_before_the_prompt_is_there_are_guessed_behind_it() {
    for display in [Display::Adaptive, Display::Always, Display::Experimental] {
        let mut desk = Desk::new(display, SLOW_LINK).confirmed();
        desk.types(b"\rabcd");
        desk.answers_but(4, b"\r\n$ ");
        if display != Display::Experimental {
            assert_eq!(desk.row(1), "$", "{display:?}: nobody knows whether this is echoed");
        }
        desk.answers_but(3, b"a");
        assert_eq!(desk.row(1), "$ abcd", "{display:?}: the first echo shows that all are");
        assert_eq!(desk.drawn().cursor().column, 6);
        desk.types(b"e");
        assert_eq!(desk.row(1), "$ abcde", "{display:?}");
        desk.answers(b"bcde");
        assert_eq!(desk.drawn(), *desk.server.screen());
    }
}

#[test]
fn an_echo_is_believed_before_it_is_acknowledged() {
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
    desk.types(b"\rabc");
    desk.answers_but(3, b"\r\n$ ");
    desk.now += SLOW_LINK;
    desk.answers_but(3, b"a");
    assert_eq!(desk.row(1), "$ abc");
}

#[test]
fn keys_after_one_of_unknown_effect_are_guessed_where_it_leads() {
    // A completion, and a line of the history.
    for (key, answer) in [(&b"\t"[..], &b"s -l "[..]), (b"\x1b[A", b"\x08cat ")] {
        let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
        desk.prediction.new_user_bytes(key, desk.server.screen(), desk.sent, desk.now, desk.srtt);
        desk.sent += 1;
        desk.types(b"xyz");
        desk.answers_but(3, answer);
        let before = desk.row(0);
        desk.answers_but(2, b"x");
        assert_eq!(desk.row(0), before + if answer.ends_with(b" ") { " xyz" } else { "xyz" });
    }
}

#[test]
fn keys_that_were_echoed_before_they_are_acknowledged_are_not_guessed_twice() {
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
    desk.types(b"\rab");
    desk.now += SLOW_LINK;
    desk.types(b"cd");
    // Return is acknowledged so late that two keys after it are on the screen.
    desk.answers_but(4, b"\r\n$ ab");
    desk.answers_but(2, b"");
    desk.answers_but(1, b"c");
    assert_eq!(desk.row(1), "$ abcd");
}

#[test]
fn an_echo_that_comes_late_costs_the_key_and_not_those_after_it() {
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
    desk.types(b"\rabc");
    desk.answers_but(3, b"\r\n$ ");
    desk.now += SLOW_LINK;
    desk.types(b"d");
    // The program had its time and did not use it.
    desk.answers_but(3, b"");
    desk.answers_but(3, b"a");
    desk.answers_but(2, b"b");
    assert_eq!(desk.row(1), "$ abcd");
}

#[test]
fn after_a_wrong_guess_the_keys_under_way_are_guessed_from_where_the_cursor_is() {
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
    desk.types(b"!abc");
    assert_eq!(desk.row(0), "$ l!abc");
    desk.answers_but(3, b"ls");
    assert_eq!(desk.drawn(), *desk.server.screen(), "it is taken back");
    desk.answers_but(2, b"a");
    assert_eq!(desk.row(0), "$ llsabc");
}

#[test]
fn what_stood_there_before_return_is_not_guessed_to_be_pushed_along() {
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
    desk.server.feed(b"\x1b[2;1H~\x1b[1;4H");
    desk.looks();
    desk.types(b"\rab");
    desk.answers_but(2, b"\r\n\x1b[K");
    desk.answers_but(1, b"a");
    assert_eq!(desk.row(1), "ab");
}

#[test]
fn output_at_the_cursor_takes_back_what_is_drawn_and_the_next_echo_shows_it_where_it_is() {
    for display in [Display::Adaptive, Display::Always] {
        let mut desk = Desk::new(display, SLOW_LINK).confirmed();
        desk.types(b"abc");
        assert_eq!(desk.row(0), "$ labc");
        // Nothing is acknowledged: the program wrote by itself. What it asks may be a password.
        desk.answers_but(3, b"output\r\n? ");
        assert_eq!(desk.drawn(), *desk.server.screen(), "{display:?}");
        desk.types(b"d");
        assert_eq!(desk.drawn(), *desk.server.screen(), "{display:?}");
        desk.answers_but(3, b"a");
        assert_eq!(desk.row(1), "? abcd", "{display:?}");
    }
}

#[test]
fn a_cursor_that_is_hidden_while_a_program_draws_takes_nothing_back() {
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
    desk.types(b"ab");
    desk.answers_but(2, b"\x1b[?25l\x1b[4;1Hclock");
    assert_eq!(desk.row(0), "$ lab");
    desk.answers_but(2, b"\x1b[1;4H\x1b[?25h");
    assert_eq!(desk.row(0), "$ lab");
}

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
fn output_in_between_moves_the_guesses_that_are_not_drawn() {
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
    desk.types(b"\rab");
    desk.answers_but(2, b"\r\n");
    // The prompt comes when nothing is acknowledged.
    desk.answers_but(2, b"$ ");
    desk.answers_but(1, b"a");
    assert_eq!(desk.row(1), "$ ab");
}

#[test]
fn keys_without_end_that_do_not_arrive_are_not_kept() {
    let mut desk = Desk::new(Display::Always, SLOW_LINK).confirmed();
    desk.types(&b"x\x7f".repeat(5000));
    desk.answers(b"");
    assert_eq!(desk.drawn(), *desk.server.screen());
    desk.types(b"s");
    desk.answers(b"s");
    desk.types(b"!");
    assert_eq!(desk.row(0), "$ ls!");
}

#[test]
fn a_cursor_that_no_key_has_moved_begins_an_epoch() {
    for display in [Display::Adaptive, Display::Always] {
        let mut desk = Desk::new(display, SLOW_LINK).confirmed();
        desk.types(b"s");
        desk.answers(b"s");
        // The program asks something without a key before it, and does not echo the answer.
        desk.server.feed(b"\r\nPassword: ");
        desk.looks();
        desk.types(b"secret");
        assert_eq!(desk.row(1), "Password:");
        desk.answers(b"");
        assert_eq!(desk.row(1), "Password:");
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
fn a_paste_resets() {
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
    desk.types(b"s");
    let (screen, paste) = (desk.server.screen().clone(), [b'x'; 101]);
    desk.prediction.new_user_bytes(&paste, &screen, desk.sent, desk.now, desk.srtt);
    assert_eq!(desk.drawn(), screen);
}

#[test]
fn another_size_resets() {
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
    desk.types(b"s");
    desk.server.resize(Size { columns: 30, rows: 9 });
    desk.looks();
    assert_eq!(desk.drawn(), *desk.server.screen());
}

#[test]
fn never_means_never() {
    let mut desk = Desk::new(Display::Never, SLOW_LINK).confirmed();
    desk.types(b"s");
    assert_eq!(desk.drawn(), *desk.server.screen());
    assert_eq!(desk.prediction.poll_timeout(), None);
}

#[test]
fn a_guess_takes_the_look_of_its_left_neighbour() {
    let mut desk = Desk::new(Display::Adaptive, SLOW_LINK);
    desk.types(b"l");
    desk.answers(b"\x1b[1;32ml\x1b[m");
    desk.types(b"s");
    let screen = desk.drawn();
    assert_eq!(screen.cell(0, 3).unwrap().attributes(), screen.cell(0, 2).unwrap().attributes());
}

proptest::proptest! {
    #[test]
    fn whatever_is_typed_and_answered_nothing_breaks_and_quiet_ends_it(
        steps in proptest::collection::vec(
            (proptest::collection::vec(proptest::prelude::any::<u8>(), 0..30), proptest::bool::ANY, 0u64..400),
            0..30,
        ),
        display in 0usize..4,
        overwrite: bool,
    ) {
        let display = [Display::Adaptive, Display::Always, Display::Never, Display::Experimental][display];
        let mut desk = Desk::new(display, SLOW_LINK);
        desk.prediction = Prediction::new(display, overwrite);
        for (bytes, typed, pause) in steps {
            if typed { desk.types(&bytes) } else { desk.answers(&bytes) }
            desk.now += MS(pause);
            desk.looks();
            let _ = desk.drawn();
        }
        for _ in 0..3 {
            desk.answers(b"");
        }
        proptest::prop_assert_eq!(desk.drawn(), desk.server.screen().clone());
    }
}
