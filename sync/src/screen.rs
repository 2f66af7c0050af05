//! What the terminal shows, as a state, with the echo acknowledgement: the newest state of the user's input whose
//! effects had time to show. Contract: a diff is bytes for a terminal, so that any terminal emulator can follow; it
//! never asks for an answer, its sizes are possible ones, and the echo acknowledgement never goes back.

use crate::messages::{Step, dimension, put_step, steps};
use crate::{Discard, Discards, State};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use net::Instant;
use terminal::{Emulator, Size, Vocabulary};

/// How long a program has for echoing input before the screen without the echo counts as its answer.
const ECHO_TIME: Duration = Duration::from_millis(50);
/// How long an echo acknowledgement waits for a frame to ride on, where the client does not predict and so does not need it.
const LAZY: Duration = Duration::from_millis(500);

/// What the terminal shows.
#[derive(Clone, Debug)]
pub struct Screen {
    screen: terminal::Screen,
    /// What the peer's emulator understands.
    vocabulary: Arc<Vocabulary>,
    /// Nothing has been shown: this is state 0, whose size the two ends need not agree on.
    untouched: bool,
    echo_ack: u64,
    /// Input states that had their effect on the program too lately, oldest first.
    inputs: VecDeque<(u64, Instant)>,
    /// The client waits for the acknowledgement of its input.
    is_awaited: bool,
}

impl Screen {
    /// A blank screen. Diffs from it are written in `vocabulary`, that of the peer's emulator.
    #[must_use]
    pub fn new(size: Size, vocabulary: Vocabulary) -> Self {
        Self {
            screen: terminal::Screen::new(size),
            vocabulary: Arc::new(vocabulary),
            untouched: true,
            echo_ack: 0,
            inputs: VecDeque::new(),
            is_awaited: true,
        }
    }

    /// A blank screen for a client that comes later: what rang and what was put on the clipboard up to `before` is not told.
    #[must_use]
    pub fn after(size: Size, vocabulary: Vocabulary, before: &terminal::Screen) -> Self {
        let blank = Self::new(size, vocabulary);
        Self { screen: blank.screen.after(before), ..blank }
    }

    /// What is shown.
    #[must_use]
    pub fn screen(&self) -> &terminal::Screen {
        &self.screen
    }

    /// Shows `screen`: the program's emulator, which lives beside this, drew it.
    pub fn show(&mut self, screen: &terminal::Screen) {
        self.untouched = false;
        self.screen = screen.clone();
    }

    /// The newest input state whose effects this shows.
    #[must_use]
    pub fn echo_ack(&self) -> u64 {
        self.echo_ack
    }

    /// The program got the input of the client's state `number` at `now`.
    pub fn register_input(&mut self, number: u64, now: Instant) {
        self.inputs.push_back((number, now));
    }

    /// Whether the client waits for the acknowledgement of its input, because it predicts. Otherwise the acknowledgement
    /// goes along with what is shown next, half a second later at most.
    pub fn expect_prediction(&mut self, predicts: bool) {
        self.is_awaited = predicts;
    }

    /// When [`Screen::set_echo_ack`] is to be called at the latest.
    #[must_use]
    pub fn echo_deadline(&self) -> Option<Instant> {
        let patience = if self.is_awaited { ECHO_TIME } else { LAZY };
        self.inputs.front().map(|(_, at)| *at + patience)
    }

    /// Acknowledges the input that had its time. Returns whether that changes anything.
    pub fn set_echo_ack(&mut self, now: Instant) -> bool {
        let before = self.echo_ack;
        while let Some(&(number, at)) = self.inputs.front() {
            if now.since(at) < ECHO_TIME {
                break;
            }
            self.echo_ack = self.echo_ack.max(number);
            self.inputs.pop_front();
        }
        self.echo_ack != before
    }
}

impl State for Screen {
    fn diff_from(&self, base: &Self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.echo_ack != base.echo_ack {
            put_step(&mut out, Step::EchoAck(self.echo_ack));
        }
        let size = self.screen.size();
        let from_nothing = base.untouched && !self.untouched;
        if from_nothing || size != base.screen.size() {
            put_step(&mut out, Step::Resize(size.columns.into(), size.rows.into()));
        }
        let bytes = if from_nothing {
            terminal::diff(&terminal::Screen::new(size).after(&base.screen), &self.screen, &self.vocabulary)
        } else {
            terminal::diff(&base.screen, &self.screen, &self.vocabulary)
        };
        if !bytes.is_empty() {
            put_step(&mut out, Step::Bytes(&bytes));
        }
        out
    }

    fn apply(&mut self, diff: &[u8], discards: &mut Discards) -> Result<(), Discard> {
        let mut emulator = Emulator::from_screen(self.screen.clone());
        for step in steps(diff)? {
            match step {
                Step::EchoAck(number) if number < self.echo_ack => return Err(Discard::EchoAck),
                Step::EchoAck(number) => self.echo_ack = number,
                Step::Resize(width, height) => {
                    emulator.resize(Size { columns: dimension(width)?, rows: dimension(height)? });
                }
                Step::Bytes(bytes) => emulator.feed(bytes),
                Step::Colors(_) => {}
            }
        }
        if !emulator.take_replies().is_empty() {
            discards.count(Discard::AnswerBack);
        }
        self.screen = emulator.into_screen();
        self.untouched = false;
        Ok(())
    }

    fn same(&self, other: &Self) -> bool {
        self.echo_ack == other.echo_ack && self.untouched == other.untouched && self.screen == other.screen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::{Pair, Weather};
    use crate::{Config, Input};
    use proptest::prelude::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;
    const SIZE: Size = Size { columns: 20, rows: 5 };

    fn screen(bytes: &[u8]) -> Screen {
        let mut emulator = Emulator::new(SIZE);
        emulator.feed(bytes);
        let mut screen = Screen::new(SIZE, Vocabulary::PEER);
        screen.show(emulator.screen());
        screen
    }

    #[test]
    fn an_echo_is_acknowledged_after_fifty_milliseconds() {
        let mut screen = Screen::new(SIZE, Vocabulary::PEER);
        let start = Instant::from_micros(1_000_000);
        screen.register_input(3, start);
        screen.register_input(4, start + MS(20));
        assert_eq!(screen.echo_deadline(), Some(start + MS(50)));
        assert!(!screen.set_echo_ack(start + MS(49)));
        assert!(screen.set_echo_ack(start + MS(50)));
        assert_eq!(screen.echo_ack(), 3);
        assert_eq!(screen.echo_deadline(), Some(start + MS(70)));
        assert!(screen.set_echo_ack(start + MS(500)));
        assert_eq!((screen.echo_ack(), screen.echo_deadline()), (4, None));
    }

    #[test]
    fn a_client_that_does_not_predict_is_told_with_the_next_frame_or_after_half_a_second() {
        let mut screen = Screen::new(SIZE, Vocabulary::PEER);
        let start = Instant::from_micros(1_000_000);
        screen.expect_prediction(false);
        screen.register_input(3, start);
        assert_eq!(screen.echo_deadline(), Some(start + MS(500)));
        assert!(screen.set_echo_ack(start + MS(60)), "a frame is made, and takes it along");
        assert_eq!((screen.echo_ack(), screen.echo_deadline()), (3, None));
        screen.register_input(4, start + MS(100));
        screen.expect_prediction(true);
        assert_eq!(screen.echo_deadline(), Some(start + MS(150)));
    }

    #[test]
    fn the_echo_acknowledgement_never_goes_back() {
        let mut screen = Screen::new(SIZE, Vocabulary::PEER);
        screen.register_input(9, Instant::ZERO);
        screen.register_input(3, Instant::ZERO);
        screen.set_echo_ack(Instant::ZERO + MS(50));
        assert_eq!(screen.echo_ack(), 9);
        let mut diff = Vec::new();
        put_step(&mut diff, Step::EchoAck(8));
        assert_eq!(screen.apply(&diff, &mut Discards::default()), Err(Discard::EchoAck));
    }

    #[test]
    fn a_hostile_size_is_refused() {
        for (width, height) in [(0, 0), (0, 24), (80, -1), (1_000_000, 24), (i32::MIN, i32::MAX)] {
            let mut diff = Vec::new();
            put_step(&mut diff, Step::Resize(width, height));
            let outcome = screen(b"x").apply(&diff, &mut Discards::default());
            assert_eq!(outcome, Err(Discard::Size));
        }
    }

    #[test]
    fn a_question_to_the_terminal_is_not_answered_and_counted() {
        let mut diff = Vec::new();
        put_step(&mut diff, Step::Bytes(b"\x1b[c\x1b[6nshown"));
        let (mut shown, mut discards) = (screen(b""), Discards::default());
        shown.apply(&diff, &mut discards).unwrap();
        assert_eq!(discards.of(Discard::AnswerBack), 1);
        assert!(shown.same(&screen(b"shown")));
    }

    #[test]
    fn a_resize_comes_before_the_bytes() {
        let (small, mut large) = (screen(b"abc"), screen(b"abc"));
        let mut emulator = Emulator::from_screen(small.screen().clone());
        emulator.resize(Size { columns: 30, rows: 8 });
        emulator.feed(b"\x1b[8;25Hdown right");
        large.show(emulator.screen());
        let diff = large.diff_from(&small);
        assert_eq!(steps(&diff).unwrap().first(), Some(&Step::Resize(30, 8)));
        let mut got = small.clone();
        got.apply(&diff, &mut Discards::default()).unwrap();
        assert!(got.same(&large));
    }

    #[test]
    fn lines_wrapped_anew_reach_a_peer_that_cuts_and_extends() {
        for vocabulary in [Vocabulary::PEER, Vocabulary::STOCK_PEER] {
            let mut emulator = Emulator::new(SIZE);
            emulator.keep_history();
            emulator.feed(
                "a line that is longer than the screen is wide\r\n漢字かな交じり文は長い\r\n$ ls".as_bytes(),
            );
            let mut shown = Screen::new(SIZE, vocabulary);
            shown.show(emulator.screen());
            for columns in [12, 60, 7, 20] {
                let mut got = shown.clone();
                emulator.reflow(Size { columns, rows: 5 });
                let before = core::mem::replace(&mut shown, got.clone());
                shown.show(emulator.screen());
                got.apply(&shown.diff_from(&before), &mut Discards::default()).unwrap();
                assert!(got.same(&shown), "{columns}");
            }
        }
    }

    #[test]
    fn the_two_ends_need_not_agree_on_the_size_of_nothing() {
        for size in [SIZE, Size { columns: 132, rows: 43 }, Size { columns: 3, rows: 2 }] {
            let mut emulator = Emulator::new(SIZE);
            for line in 0..20 {
                emulator.feed(std::format!("\x1b[3{}mline {line}\r\n", line % 8).as_bytes());
            }
            for vocabulary in [Vocabulary::PEER, Vocabulary::STOCK_PEER] {
                let blank = Screen::new(SIZE, vocabulary.clone());
                let mut drawn = blank.clone();
                drawn.show(emulator.screen());
                let mut got = Screen::new(size, vocabulary);
                got.apply(&drawn.diff_from(&blank), &mut Discards::default()).unwrap();
                assert!(got.same(&drawn), "{size:?}");
            }
        }
    }

    #[test]
    fn who_comes_later_hears_no_old_bell_and_keeps_its_clipboard() {
        let mut emulator = Emulator::new(SIZE);
        emulator.feed(b"\x07\x07\x1b]52;c;b2xk\x07shown");
        let blank = Screen::after(SIZE, Vocabulary::PEER, emulator.screen());
        let mut drawn = blank.clone();
        drawn.show(emulator.screen());
        let mut got = Screen::new(SIZE, Vocabulary::PEER);
        got.apply(&drawn.diff_from(&blank), &mut Discards::default()).unwrap();
        assert_eq!((got.screen().bells(), got.screen().clipboard().writes), (0, 0));
        // What comes from now on is told, the same text too.
        let before = drawn.clone();
        emulator.feed(b"\x07\x1b]52;c;b2xk\x07");
        drawn.show(emulator.screen());
        got.apply(&drawn.diff_from(&before), &mut Discards::default()).unwrap();
        assert_eq!((got.screen().bells(), &*got.screen().clipboard().content), (1, "b2xk"));
    }

    #[test]
    fn what_a_program_draws_is_seen_and_echoed_keys_are_acknowledged() {
        let config = Config::extended(MS(8), 5);
        let blank = Screen::new(SIZE, Vocabulary::PEER);
        let mut pair: Pair<Input, Screen> = Pair::new(Input::new(), blank, config, Weather::FINE, 3);
        let mut emulator = Emulator::new(SIZE);
        pair.client.local_mut().push_bytes(b"hello");
        let mut read = 0;
        let seen = pair.run_until(MS(1000), |pair| {
            let keys: Vec<_> = pair.server.remote().events_since(read).collect();
            for event in keys {
                if let crate::InputEvent::Bytes(bytes) = event {
                    emulator.feed(bytes);
                }
            }
            let (end, number, now) = (pair.server.remote().end(), pair.server.remote_number(), pair.now);
            if end > read {
                read = end;
                pair.server.local_mut().show(emulator.screen());
                pair.server.local_mut().register_input(number, now);
            }
            if pair.server.local().echo_deadline().is_some_and(|at| at <= now) {
                pair.server.local_mut().set_echo_ack(now);
            }
            pair.client.remote().echo_ack() == pair.client.sent_number()
        });
        assert!(seen);
        assert!(pair.client.remote().screen() == emulator.screen());
    }

    proptest! {
        #[test]
        fn any_diff_at_all_is_survived(diff: Vec<u8>, bytes: Vec<u8>) {
            let _ = screen(b"x").apply(&diff, &mut Discards::default());
            let mut wrapped = Vec::new();
            put_step(&mut wrapped, Step::Bytes(&bytes));
            screen(b"x").apply(&wrapped, &mut Discards::default()).unwrap();
        }
    }
}
