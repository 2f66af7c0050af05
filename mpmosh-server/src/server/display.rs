//! What the program has drawn, whoever looks at it: the emulator, and which of its screens is worth showing.
//!
//! Contract: pure. It outlives the clients that it is shown to. A frame that the program says it is still drawing, and the
//! unfinished last line of a flood, are kept back for a moment.

use super::Output;
use net::Instant;
use std::collections::VecDeque;
use std::time::Duration;
use sync::{InputEvent, Wake};
use terminal::{CursorKeys, Emulator, Mode, Size};

/// So long may a program keep a frame back that it says it is drawing (mode 2026): no longer than it has for an echo.
/// One that never ends its frame has died, or is broken.
const FRAME: Duration = Duration::from_millis(50);

/// Output that comes in pieces of at least this many octets, what a terminal hands over at once, is a flood …
const FLOOD: usize = 4095;

/// … and so is what follows within this time, but for what is as short as a prompt.
const FLOODED: Duration = Duration::from_millis(50);
const PROMPT: usize = 128;

/// So long is the unfinished last line of a flood kept back: the next piece finishes it. Where a piece ends is chance, and a
/// screen with half a line differs from the one before, where whole ones may be alike.
const LINE: Duration = Duration::from_millis(10);

/// So long after a session begins its client may be about to tell its colours …
const FIRST_COLORS: Duration = Duration::from_secs(2);
/// … of which a program that asks for one waits no longer than this, for it and for what it asked after it …
const COLORS: Duration = Duration::from_secs(1);
/// … and no longer than this once the first is told.
const MORE_COLORS: Duration = Duration::from_millis(100);

/// See the module.
pub(super) struct Display {
    emulator: Emulator,
    cursor_keys: CursorKeys,
    /// When the user's keys came last.
    typed: Instant,
    /// The frame that is being drawn, and until when it is kept back.
    frame: Option<(u64, Instant)>,
    /// The screen at the end of a flood's last whole line, and until when it is shown instead of what follows.
    line: Option<(terminal::Screen, Instant)>,
    /// Until when output counts as a flood.
    flooded_until: Instant,
    /// Until when a program waits for colours that it has asked for.
    colors_until: Option<Instant>,
}

impl Display {
    pub(super) fn new(size: Size) -> Self {
        let mut emulator = Emulator::new(size);
        emulator.keep_history();
        emulator.tell_buffer();
        Self {
            emulator,
            cursor_keys: CursorKeys::default(),
            typed: Instant::ZERO,
            frame: None,
            line: None,
            flooded_until: Instant::ZERO,
            colors_until: None,
        }
    }

    /// The client that comes first will tell its colours.
    pub(super) fn await_colors(&mut self, now: Instant) {
        self.emulator.await_colors(true);
        self.colors_until = Some(now + FIRST_COLORS);
    }

    /// Nobody waits for colours any longer than for so long from now on.
    fn hurry_colors(&mut self, until: Instant) {
        self.colors_until = self.colors_until.map(|before| before.min(until));
    }

    /// What the program asked of its terminal is answered.
    fn answers(&mut self) -> Option<Output> {
        let replies = self.emulator.take_replies();
        (!replies.is_empty()).then_some(Output::Input(replies))
    }

    /// When nobody waits any longer for colours.
    fn settle_colors(&mut self, now: Instant) -> Option<Output> {
        self.colors_until.take_if(|until| *until <= now)?;
        self.emulator.await_colors(false);
        self.answers()
    }

    /// Whether the client's terminal answers what programs ask about its keyboard.
    pub(super) fn answer_keyboard_query(&mut self, answers: bool) {
        self.emulator.answer_keyboard_query(answers);
    }

    /// Another client: what its terminal's colours are it has not told.
    pub(super) fn forget_colors(&mut self) {
        self.emulator.forget_user_colors();
    }

    /// What the user did becomes what the program is to be given. Of sizes that follow each other only the last counts.
    pub(super) fn take_input<'a>(
        &mut self,
        events: impl Iterator<Item = InputEvent<'a>>,
        now: Instant,
    ) -> Vec<Output> {
        let application = self.emulator.screen().modes().get(Mode::ApplicationCursor);
        let (mut actions, mut told) = (Vec::new(), false);
        self.cursor_keys.pause(now.since(self.typed));
        for event in events {
            match (event, actions.last_mut()) {
                (InputEvent::Bytes(typed), Some(Output::Input(bytes))) => {
                    self.cursor_keys.translate(typed, application, bytes);
                }
                (InputEvent::Bytes(typed), _) => {
                    let mut bytes = Vec::with_capacity(typed.len());
                    self.cursor_keys.translate(typed, application, &mut bytes);
                    actions.push(Output::Input(bytes));
                }
                (InputEvent::Colors(octets), _) => {
                    self.emulator.set_user_colors(sync::decode_colors(octets));
                    self.hurry_colors(now + MORE_COLORS);
                    told = true;
                }
                (InputEvent::Resize { columns, rows }, Some(Output::Resize(size))) => {
                    *size = Size { columns, rows };
                }
                (InputEvent::Resize { columns, rows }, _) => {
                    actions.push(Output::Resize(Size { columns, rows }))
                }
            }
        }
        for action in &actions {
            if let Output::Resize(size) = action {
                self.resize(*size);
            }
        }
        if actions.iter().any(|action| matches!(action, Output::Input(_))) {
            self.typed = now;
        }
        if told {
            actions.extend(self.answers());
        }
        actions
    }

    /// Somebody looks at it through a terminal of this size.
    pub(super) fn resize(&mut self, size: Size) {
        self.emulator.reflow(size);
    }

    /// The program wrote; what it asked of its terminal is answered.
    pub(super) fn feed(&mut self, bytes: &[u8], outputs: &mut VecDeque<Output>, now: Instant) {
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
        if bytes.len() >= FLOOD {
            self.flooded_until = now + FLOODED;
        }
        let is_flood = now < self.flooded_until && bytes.len() > PROMPT;
        let (lines, rest) = if is_flood { bytes.split_at(end) } else { (bytes, &[][..]) };
        self.emulator.feed(lines);
        self.line = (!rest.is_empty()).then(|| (self.emulator.screen().clone(), now + LINE));
        self.emulator.feed(rest);
        if self.emulator.owes_colors() {
            self.hurry_colors(now + COLORS);
        }
        outputs.extend(self.answers());
    }

    /// What is to be shown now: of a frame that is not finished the one before, for a while.
    pub(super) fn shown(&mut self, now: Instant) -> &terminal::Screen {
        let (mut screen, mut frame) = (self.emulator.screen(), None);
        if let Some((number, finished)) = self.emulator.unfinished() {
            let known = self.frame.filter(|&(before, _)| before == number);
            let until = known.map_or(now + FRAME, |(_, until)| until);
            frame = Some((number, until));
            if now < until {
                screen = finished;
            }
        }
        self.frame = frame;
        if let Some((lines, _)) = self.line.as_ref().filter(|_| frame.is_none()) {
            screen = lines;
        }
        screen
    }

    /// Whether what is to be shown has changed because nothing followed.
    pub(super) fn handle_timeout(&mut self, outputs: &mut VecDeque<Output>, now: Instant) -> bool {
        outputs.extend(self.settle_colors(now));
        let overdue = self.overdue_frame().is_some_and(|until| until <= now);
        let late = self.line.take_if(|(_, until)| *until <= now).is_some();
        overdue || late
    }

    /// An unfinished frame has been shown as it is: it is not due again.
    pub(super) fn settle(&mut self, now: Instant) {
        if self.overdue_frame().is_some_and(|until| until <= now) {
            self.frame = self.frame.map(|(number, _)| (number, Instant::ZERO));
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub(super) fn deadlines(&self) -> [Option<(Instant, Wake)>; 3] {
        let frame = self.overdue_frame().map(|until| (until, Wake::Own("frame")));
        let line = self.line.as_ref().map(|(_, until)| (*until, Wake::Own("line")));
        let colors = self.colors_until.map(|until| (until, Wake::Own("colours")));
        [frame, line, colors]
    }

    /// When an unfinished frame is shown as it is.
    fn overdue_frame(&self) -> Option<Instant> {
        self.frame.map(|(_, until)| until).filter(|&until| until > Instant::ZERO)
    }

    /// All that was drawn, whether it is finished or not.
    pub(super) fn screen(&self) -> &terminal::Screen {
        self.emulator.screen()
    }
}
