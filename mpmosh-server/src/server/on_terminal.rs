//! A session on a terminal: what the user did goes to the program, what the program's screen shows to the client.

use super::{Config, Output};
use net::Instant;
use std::collections::VecDeque;
use std::time::Duration;
use sync::{Exchange, Input, InputEvent, Link, Outgoing, Screen, Shutdown, Transport, Wake};
use terminal::{CursorKeys, Emulator, Mode, Size, Vocabulary};

/// Output is collected for this long before a frame is made of it: programs write a line in several pieces.
const COLLECT: Duration = Duration::from_micros(250);

/// Towards stock clients, as long as stock servers collect.
const COLLECT_STOCK: Duration = Duration::from_millis(8);

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

/// The size that both ends know before either has spoken.
const INITIAL: Size = Size { columns: 80, rows: 24 };

pub(super) struct TerminalSession {
    transport: Transport<Screen, Input>,
    emulator: Emulator,
    /// How far the user's input has been given to the program.
    consumed: u64,
    cursor_keys: CursorKeys,
    /// When the user typed last.
    typed: Instant,
    /// The frame that is being drawn, and until when it is kept back.
    frame: Option<(u64, Instant)>,
    /// The screen at the end of a flood's last whole line, and until when it is shown instead of what follows.
    line: Option<(terminal::Screen, Instant)>,
    /// Until when output counts as a flood.
    flooded_until: Instant,
}

impl TerminalSession {
    pub(super) fn new(config: &Config, now: Instant) -> Self {
        let (settings, vocabulary) = if config.extended {
            (sync::Config::extended(COLLECT, config.seed), Vocabulary::PEER)
        } else {
            (sync::Config::stock(COLLECT_STOCK, config.seed), Vocabulary::STOCK_PEER)
        };
        let screen = Screen::new(INITIAL, vocabulary);
        let mut emulator = Emulator::new(config.size.unwrap_or(INITIAL));
        emulator.keep_history();
        let mut session = Self {
            transport: Transport::new(screen, Input::new(), settings, now),
            emulator,
            consumed: 0,
            cursor_keys: CursorKeys::default(),
            typed: now,
            frame: None,
            line: None,
            flooded_until: Instant::ZERO,
        };
        session.show(now);
        session
    }

    /// Whether the client said something new.
    pub(super) fn handle_payload(
        &mut self,
        payload: &[u8],
        outputs: &mut VecDeque<Output>,
        now: Instant,
    ) -> bool {
        if let Err(discard) = self.transport.handle_payload(payload, now) {
            log::debug!("a payload was discarded: {discard}");
        }
        let mut news = false;
        while let Some(event) = self.transport.poll_event() {
            if let sync::Event::NewRemoteState(number) = event {
                news = true;
                self.emulator.answer_keyboard_query(self.transport.remote_features().keyboard);
                let predicts = self.transport.remote_predicts();
                self.transport.local_mut().expect_prediction(predicts);
                self.follow_input(number, outputs, now);
            }
        }
        news
    }

    /// Gives the program what the user did since the last time. Of sizes that follow each other only the last counts.
    fn follow_input(&mut self, number: u64, outputs: &mut VecDeque<Output>, now: Instant) {
        let application = self.emulator.screen().modes().get(Mode::ApplicationCursor);
        let mut actions = Vec::new();
        self.cursor_keys.pause(now.since(self.typed));
        for event in self.transport.remote().events_since(self.consumed) {
            match (event, actions.last_mut()) {
                (InputEvent::Bytes(typed), Some(Output::Input(bytes))) => {
                    self.cursor_keys.translate(typed, application, bytes);
                }
                (InputEvent::Bytes(typed), _) => {
                    let mut bytes = Vec::with_capacity(typed.len());
                    self.cursor_keys.translate(typed, application, &mut bytes);
                    actions.push(Output::Input(bytes));
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
                self.emulator.reflow(*size);
            }
        }
        let progressed = !actions.is_empty();
        if actions.iter().any(|action| matches!(action, Output::Input(_))) {
            self.typed = now;
        }
        outputs.extend(actions);
        self.consumed = self.transport.remote().end();
        self.show(now);
        if progressed {
            self.transport.local_mut().register_input(number, now);
        }
    }

    /// The program wrote; what it asked of its terminal is answered.
    pub(super) fn handle_program_output(
        &mut self,
        bytes: &[u8],
        outputs: &mut VecDeque<Output>,
        now: Instant,
    ) {
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
        // What is shown next tells which input has had its time: no frame is made for that alone.
        self.transport.local_mut().set_echo_ack(now);
        self.show(now);
    }

    /// Shows what the program has drawn: of a frame that is not finished the one before, for a while.
    fn show(&mut self, now: Instant) {
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
        self.transport.local_mut().show(screen);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.overdue_frame().is_some_and(|until| until <= now) {
            self.show(now);
            self.frame = self.frame.map(|(number, _)| (number, Instant::ZERO));
        }
        if self.line.take_if(|(_, until)| *until <= now).is_some() {
            self.show(now);
        }
        if self.transport.local().echo_deadline().is_some_and(|due| due <= now) {
            self.transport.local_mut().set_echo_ack(now);
        }
    }

    /// When an unfinished frame is shown as it is.
    fn overdue_frame(&self) -> Option<Instant> {
        self.frame.map(|(_, until)| until).filter(|&until| until > Instant::ZERO)
    }

    pub(super) fn shut_down(&mut self, status: Option<u8>, now: Instant) {
        // Nobody is left to finish a frame.
        self.transport.local_mut().show(self.emulator.screen());
        self.transport.start_shutdown(status, now);
    }

    pub(super) fn shutdown_state(&self, now: Instant) -> Shutdown {
        self.transport.shutdown_state(now)
    }

    pub(super) fn screen(&self) -> &terminal::Screen {
        self.emulator.screen()
    }
}

impl Exchange for TerminalSession {
    fn poll_transmit(&mut self, link: &Link, now: Instant) -> Option<Outgoing> {
        self.handle_timeout(now);
        self.transport.poll_transmit(link, now)
    }

    fn poll_timeout(&self, link: &Link, now: Instant) -> Option<(Instant, Wake)> {
        let echo = self.transport.local().echo_deadline().map(|due| (due, Wake::Own("echo")));
        let transport = self.transport.poll_timeout(link, now);
        let transport = transport.map(|(at, reason)| (at, Wake::Exchange(reason)));
        let frame = self.overdue_frame().map(|until| (until, Wake::Own("frame")));
        let line = self.line.as_ref().map(|(_, until)| (*until, Wake::Own("line")));
        Wake::first([echo, transport, frame, line])
    }

    fn repeat_newest(&mut self, _now: Instant) {
        self.transport.repeat_newest();
    }

    fn repeat_unanswered(&mut self, _now: Instant) {
        self.transport.repeat_unanswered();
    }
}
