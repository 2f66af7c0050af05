use super::*;
use terminal::Emulator;

mod flight;
mod rows;

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
        let progress = Progress { delivered: self.echo_ack, echoed: self.echo_ack };
        self.prediction.new_frame(self.server.screen(), progress, self.now, self.srtt);
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
    for typed in ["\x03", "\t", "\x1b[A", "\x1b[1;5C", "\u{200b}\x07"] {
        let mut desk = Desk::new(Display::Adaptive, SLOW_LINK).confirmed();
        let epoch = desk.prediction.epoch;
        desk.types(typed.as_bytes());
        assert!(desk.prediction.epoch > epoch, "{typed:?}");
    }
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
fn a_bracket_in_the_middle_of_many_bytes_begins_or_ends_a_paste_as_well() {
    let long = |bracket: &[u8]| [&[b'x'; 60], bracket, &[b'x'; 60]].concat();
    let mut desk = Desk::new(Display::Experimental, SLOW_LINK);
    desk.types(b"\x1b[200~x");
    for (bracket, shown) in [(b"\x1b[201~", "$ y"), (b"\x1b[200~", "$")] {
        let screen = desk.server.screen().clone();
        desk.prediction.new_user_bytes(&long(bracket), &screen, desk.sent, desk.now, desk.srtt);
        desk.types(b"y");
        assert_eq!(desk.row(0), shown);
    }
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
