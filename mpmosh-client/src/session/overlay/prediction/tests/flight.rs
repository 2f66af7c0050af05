//! Keys under way, and what the server's screen does to the guesses of them.

use super::*;

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
