//! What the terminal shows, as a state, with the echo acknowledgement: the newest state of the user's input whose
//! effects had time to show. Contract: a diff is bytes for a terminal, so that any terminal emulator can follow; it
//! never asks for an answer, its sizes are ones that the client had, it is no longer and asks for no more work than such a
//! screen is worth ([`Frames`]), and the echo acknowledgement never goes back.

use crate::messages::{Step, dimension, put_step, steps};
use crate::{Breach, Discard, Discards, State};
use alloc::collections::{BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use net::Instant;
use terminal::{Cell, Census, Emulator, Size, Vocabulary};

/// How long a program has for echoing input before the screen without the echo counts as its answer.
const ECHO_TIME: Duration = Duration::from_millis(50);
/// How long an echo acknowledgement waits for a frame to ride on, where the client does not predict and so does not need it.
const LAZY: Duration = Duration::from_millis(500);

/// The octets of a frame that any screen may need, for its clipboard and titles, and besides them for each cell.
const LONGEST: usize = 64 << 10;
const LONGEST_CELL: usize = 64;
/// How many cells a frame may have touched at once ([`Emulator::worked`]), for each cell and for any screen. What our own
/// servers and stock ones write touches a few times as many as there are.
const WORK_CELL: u64 = 16;
const WORK: u64 = 1 << 20;
/// The bytes that are read at a time can ask for so many cells to be touched at most, more or less.
const SLICE: usize = 4 << 20;

/// The screens that a client takes: of sizes that it had, with frames that are worth their size.
#[derive(Clone, Debug)]
pub struct Frames {
    sizes: BTreeSet<(u16, u16)>,
    /// Of the largest.
    cells: usize,
}

impl Default for Frames {
    /// The size that both ends know before either has spoken, 80 × 24, alone.
    fn default() -> Self {
        let mut frames = Self { sizes: BTreeSet::new(), cells: 0 };
        frames.allow(Size { columns: 80, rows: 24 });
        frames
    }
}

impl Frames {
    /// The server was told, or may have been, that the terminal has this size.
    pub fn allow(&mut self, size: Size) {
        let size = size.clamped();
        self.sizes.insert((size.columns, size.rows));
        self.cells = self.cells.max(area(size));
    }

    fn allows(&self, size: Size) -> bool {
        self.sizes.contains(&(size.columns, size.rows))
    }

    const fn longest(&self) -> usize {
        LONGEST + LONGEST_CELL * self.cells
    }

    const fn work(&self) -> u64 {
        WORK + WORK_CELL * self.cells as u64
    }
}

const fn area(size: Size) -> usize {
    size.columns as usize * size.rows as usize
}

/// How many cells of a screen are as those of another, from the top left; none where the sizes differ.
fn first_difference(screen: &terminal::Screen, other: &terminal::Screen) -> usize {
    if screen.size() != other.size() {
        return 0;
    }
    let pairs = || screen.rows().zip(other.rows());
    let Some(row) = pairs().position(|(row, other)| row != other) else { return area(screen.size()) };
    let cells = pairs().nth(row).map(|(row, other)| row.cells().iter().zip(other.cells()));
    let column = cells.and_then(|mut cells| cells.position(|(cell, other)| cell != other)).unwrap_or(0);
    row * usize::from(screen.size().columns) + column
}

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
    type Rules = Frames;

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

    fn apply(&mut self, diff: &[u8], rules: &Frames, discards: &mut Discards) -> Result<(), Discard> {
        if diff.len() > rules.longest() {
            return Err(discards.note(Breach::Length(rules.longest())));
        }
        let mut emulator = Emulator::from_screen(self.screen.clone());
        for step in steps(diff) {
            match step? {
                Step::EchoAck(number) if number < self.echo_ack => return Err(Discard::EchoAck),
                Step::EchoAck(number) => self.echo_ack = number,
                Step::Resize(width, height) => {
                    let size = match (dimension(width), dimension(height)) {
                        (Ok(columns), Ok(rows)) => Some(Size { columns, rows }),
                        _ => None,
                    };
                    let known = |size: &Size| *size == emulator.screen().size() || rules.allows(*size);
                    let Some(size) = size.filter(known) else {
                        return Err(discards.note(Breach::Size(width, height)));
                    };
                    emulator.resize(size);
                }
                Step::Bytes(bytes) => {
                    let slice = (SLICE / area(emulator.screen().size()).max(1)).clamp(64, 4096);
                    for bytes in bytes.chunks(slice) {
                        emulator.feed(bytes);
                        if emulator.worked() > rules.work() {
                            return Err(discards.note(Breach::Work));
                        }
                    }
                }
                Step::Colors(_) => {}
            }
            if emulator.worked() > rules.work() {
                return Err(discards.note(Breach::Work));
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

    /// As many cells as a frame can tell, from the top left; what was put on the clipboard comes last.
    fn shortened_from(&self, base: &Self) -> Option<Self> {
        let told = first_difference(&self.screen, &base.screen);
        let mut more = area(self.screen.size()) - told;
        while more > 0 {
            let screen = self.screen.partly_from(&base.screen, told + more);
            let part = Self { screen, ..self.clone() };
            if part.diff_from(base).len() <= self.longest_sent() {
                return Some(part);
            }
            more /= 2;
        }
        None
    }

    fn longest_sent(&self) -> usize {
        LONGEST + LONGEST_CELL * area(self.screen.size()).max(area(Size { columns: 80, rows: 24 }))
    }

    fn longest_taken(rules: &Frames) -> usize {
        rules.longest()
    }

    fn held<'a>(states: impl Iterator<Item = &'a Self>) -> usize {
        let mut census = Census::new();
        let mut octets = 0;
        for state in states {
            census.count(&state.screen);
            octets += size_of::<Self>() + state.inputs.capacity() * size_of::<(u64, Instant)>();
        }
        octets + census.octets()
    }

    fn held_beyond(&self, base: &Self) -> usize {
        size_of::<Self>() + Census::beyond(&self.screen, &base.screen)
    }

    fn least_held(&self) -> usize {
        area(self.screen.size()) * size_of::<Cell>()
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

    /// The sizes that these tests use.
    fn frames() -> Frames {
        let mut frames = Frames::default();
        for (columns, rows) in [(30, 8), (12, 5), (60, 5), (7, 5), (20, 5), (132, 43)] {
            frames.allow(Size { columns, rows });
        }
        frames
    }

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
        assert_eq!(screen.apply(&diff, &frames(), &mut Discards::default()), Err(Discard::EchoAck));
    }

    #[test]
    fn a_hostile_size_is_refused() {
        for (width, height) in [(0, 0), (0, 24), (80, -1), (1_000_000, 24), (i32::MIN, i32::MAX)] {
            let mut diff = Vec::new();
            put_step(&mut diff, Step::Resize(width, height));
            let outcome = screen(b"x").apply(&diff, &frames(), &mut Discards::default());
            assert_eq!(outcome, Err(Discard::Size));
        }
    }

    #[test]
    fn a_size_that_the_client_never_had_is_a_breach() {
        let refused = |width, height| {
            let mut diff = Vec::new();
            put_step(&mut diff, Step::Resize(width, height));
            let mut discards = Discards::default();
            let outcome = screen(b"x").apply(&diff, &frames(), &mut discards);
            assert_eq!(outcome.is_err(), discards.breach().is_some());
            discards.breach()
        };
        for (width, height) in [(80, 24), (30, 8), (20, 5)] {
            assert_eq!(refused(width, height), None, "the first, one that was reported, its own");
        }
        for (width, height) in [(1000, 1000), (24, 80), (0, 24), (-1, i32::MAX)] {
            assert_eq!(refused(width, height), Some(Breach::Size(width, height)));
        }
    }

    /// Seconds are not measured here: what may be asked for is, of whatever costs much for few octets.
    #[test]
    fn a_frame_that_asks_for_endless_work_is_a_breach_and_is_left_early() {
        for dear in [
            &b"\x1b[$x"[..],
            b"\x1b[88$x",
            b"\x1b[2J",
            b"\x1b#8",
            b"\x1bc",
            b"\x1b[?2026h\x1b[?2026l",
            b"\x1b['}",
            b"\x1b[24L",
            b"\x1b[2S",
            b"\x1b[1;1;24;80;1;1;1$v",
            b"x\x1b[9999b",
        ] {
            let mut rules = Frames::default();
            let size = Size { columns: 300, rows: 200 };
            rules.allow(size);
            let mut wide = Screen::new(size, Vocabulary::PEER);
            let mut diff = Vec::new();
            put_step(&mut diff, Step::Bytes(&dear.repeat(3_000_000 / dear.len())));
            let mut discards = Discards::default();
            assert_eq!(
                wide.apply(&diff, &rules, &mut discards),
                Err(Discard::Work),
                "{}",
                dear.escape_ascii()
            );
            assert_eq!(discards.breach(), Some(Breach::Work));
        }
        // Sizes may be many, too.
        let mut diff = Vec::new();
        for _ in 0..5000 {
            put_step(&mut diff, Step::Resize(80, 24));
            put_step(&mut diff, Step::Resize(60, 5));
        }
        assert_eq!(screen(b"").apply(&diff, &frames(), &mut Discards::default()), Err(Discard::Work));
    }

    #[test]
    fn a_large_clipboard_passes_and_a_frame_beyond_all_measure_is_a_breach() {
        let shown = |length: usize| {
            let mut diff = Vec::new();
            put_step(&mut diff, Step::Bytes(&alloc::vec![b'x'; length]));
            let mut discards = Discards::default();
            let outcome = screen(b"").apply(&diff, &Frames::default(), &mut discards);
            (outcome, discards.breach())
        };
        let longest = (64 << 10) + 64 * 80 * 24;
        assert_eq!(shown(longest - 20), (Ok(()), None));
        assert_eq!(shown(longest), (Err(Discard::TooBig), Some(Breach::Length(longest))));
        let before = screen(b"");
        let after = screen(&[b"\x1b]52;c;", &b"QUJD".repeat(22_500)[..], b"\x07"].concat());
        let mut got = before.clone();
        got.apply(&after.diff_from(&before), &Frames::default(), &mut Discards::default()).unwrap();
        assert_eq!(got.screen().clipboard().content.len(), 90_000);
    }

    /// Programs may draw what no frame holds: it comes in parts, as large as a client takes them, and all of it.
    #[test]
    fn a_screen_that_is_too_much_for_a_frame_comes_in_parts() {
        let size = Size { columns: 80, rows: 24 };
        let mut emulator = Emulator::new(size);
        for n in 0..80 * 24 {
            emulator.feed(std::format!("\x1b]8;;http://{}{n}\x07x", "l".repeat(2000)).as_bytes());
        }
        emulator.feed(
            &[b"\x1b]8;;\x07\x1b]52;c;", &b"QUJD".repeat(32_000)[..], b"\x07\x1b]2;title\x07"].concat(),
        );
        let blank = Screen::new(size, Vocabulary::PEER);
        let config = Config::extended(MS(8), 5);
        let mut pair: Pair<Input, Screen> = Pair::new(Input::new(), blank, config, Weather::FINE, 3);
        pair.link.max_payload = 1200;
        pair.server.local_mut().show(emulator.screen());
        let whole = pair.run_until(Duration::from_secs(60), |pair| {
            assert_eq!(pair.client.discards().breach(), None);
            pair.client.remote().screen() == emulator.screen()
        });
        assert!(whole);
    }

    #[test]
    fn a_question_to_the_terminal_is_not_answered_and_counted() {
        let mut diff = Vec::new();
        put_step(&mut diff, Step::Bytes(b"\x1b[c\x1b[6nshown"));
        let (mut shown, mut discards) = (screen(b""), Discards::default());
        shown.apply(&diff, &frames(), &mut discards).unwrap();
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
        assert_eq!(steps(&diff).next(), Some(Ok(Step::Resize(30, 8))));
        let mut got = small.clone();
        got.apply(&diff, &frames(), &mut Discards::default()).unwrap();
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
                got.apply(&shown.diff_from(&before), &frames(), &mut Discards::default()).unwrap();
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
                got.apply(&drawn.diff_from(&blank), &frames(), &mut Discards::default()).unwrap();
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
        got.apply(&drawn.diff_from(&blank), &frames(), &mut Discards::default()).unwrap();
        assert_eq!((got.screen().bells(), got.screen().clipboard().writes), (0, 0));
        // What comes from now on is told, the same text too.
        let before = drawn.clone();
        emulator.feed(b"\x07\x1b]52;c;b2xk\x07");
        drawn.show(emulator.screen());
        got.apply(&drawn.diff_from(&before), &frames(), &mut Discards::default()).unwrap();
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
            let _ = screen(b"x").apply(&diff, &frames(), &mut Discards::default());
            let mut wrapped = Vec::new();
            put_step(&mut wrapped, Step::Bytes(&bytes));
            screen(b"x").apply(&wrapped, &frames(), &mut Discards::default()).unwrap();
        }
    }
}
