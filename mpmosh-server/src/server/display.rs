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
        }
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
        let mut actions = Vec::new();
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
                (InputEvent::Colors(octets), _) => self.emulator.set_user_colors(sync::decode_colors(octets)),
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
        let replies = self.emulator.take_replies();
        if !replies.is_empty() {
            outputs.push_back(Output::Input(replies));
        }
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
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
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
    pub(super) fn deadlines(&self) -> [Option<(Instant, Wake)>; 2] {
        let frame = self.overdue_frame().map(|until| (until, Wake::Own("frame")));
        let line = self.line.as_ref().map(|(_, until)| (*until, Wake::Own("line")));
        [frame, line]
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
