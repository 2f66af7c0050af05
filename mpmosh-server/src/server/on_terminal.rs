//! What one client of a session on a terminal brings: what its user did, and what it has been shown.

use super::display::Display;
use super::{Config, Output};
use net::Instant;
use std::collections::VecDeque;
use std::time::Duration;
use sync::{Exchange, Input, Link, Outgoing, Parting, Screen, Shutdown, Transport, Wake};
use terminal::{Size, Vocabulary};

/// Output is collected for this long before a frame is made of it: programs write a line in several pieces.
const COLLECT: Duration = Duration::from_micros(250);

/// Towards stock clients, as long as stock servers collect.
const COLLECT_STOCK: Duration = Duration::from_millis(8);

/// The size that both ends know before either has spoken.
pub(super) const INITIAL: Size = Size { columns: 80, rows: 24 };

pub(super) struct TerminalSession {
    pub(super) transport: Transport<Screen, Input>,
    /// How far the user's input has been given to the program.
    consumed: u64,
}

impl TerminalSession {
    /// A client that has been told nothing yet. What rang, or was put on the clipboard, before it came was not for it.
    pub(super) fn new(config: &Config, display: &mut Display, now: Instant) -> Self {
        let (settings, vocabulary) = if config.extended {
            (sync::Config::extended(COLLECT, config.seed), Vocabulary::PEER)
        } else {
            (sync::Config::stock(COLLECT_STOCK, config.seed), Vocabulary::STOCK_PEER)
        };
        let screen = Screen::after(INITIAL, vocabulary, display.screen());
        let transport = Transport::new(screen, Input::new(), settings, now);
        let mut session = Self { transport, consumed: 0 };
        session.show(display, now);
        session
    }

    /// Whether the client said something new.
    pub(super) fn handle_payload(
        &mut self,
        payload: &[u8],
        display: &mut Display,
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
                display.answer_keyboard_query(self.transport.remote_features().keyboard);
                let predicts = self.transport.remote_predicts();
                self.transport.local_mut().expect_prediction(predicts);
                self.follow_input(number, display, outputs, now);
            }
        }
        news
    }

    /// Gives the program what the user did since the last time.
    fn follow_input(
        &mut self,
        number: u64,
        display: &mut Display,
        outputs: &mut VecDeque<Output>,
        now: Instant,
    ) {
        if self.consumed == 0 {
            display.forget_colors();
        }
        let actions = display.take_input(self.transport.remote().events_since(self.consumed), now);
        let progressed = !actions.is_empty();
        outputs.extend(actions);
        self.consumed = self.transport.remote().end();
        self.show(display, now);
        if progressed {
            self.transport.local_mut().register_input(number, now);
        }
    }

    /// The program wrote.
    pub(super) fn follow_output(&mut self, display: &mut Display, now: Instant) {
        // What is shown next tells which input has had its time: no frame is made for that alone.
        self.transport.local_mut().set_echo_ack(now);
        self.show(display, now);
    }

    /// Shows what the program has drawn.
    pub(super) fn show(&mut self, display: &mut Display, now: Instant) {
        self.transport.local_mut().show(display.shown(now));
    }

    pub(super) fn shut_down(&mut self, status: Option<u8>, display: &Display, now: Instant) {
        // Nobody is left to finish a frame.
        self.transport.local_mut().show(display.screen());
        self.transport.start_shutdown(status, now);
    }

    pub(super) fn shutdown_state(&self, now: Instant) -> Shutdown {
        self.transport.shutdown_state(now)
    }

    /// Whether the client takes leave of a session that is to go on.
    pub(super) fn wants_to_detach(&self) -> bool {
        self.transport.remote_parting().is_some_and(|(parting, _)| parting == Parting::Detached)
    }
}

impl Exchange for TerminalSession {
    fn poll_transmit(&mut self, link: &Link, now: Instant) -> Option<Outgoing> {
        if self.transport.local().echo_deadline().is_some_and(|due| due <= now) {
            self.transport.local_mut().set_echo_ack(now);
        }
        self.transport.poll_transmit(link, now)
    }

    fn poll_timeout(&self, link: &Link, now: Instant) -> Option<(Instant, Wake)> {
        let echo = self.transport.local().echo_deadline().map(|due| (due, Wake::Own("echo")));
        let transport = self.transport.poll_timeout(link, now);
        let transport = transport.map(|(at, reason)| (at, Wake::Exchange(reason)));
        Wake::first([echo, transport])
    }

    fn repeat_newest(&mut self, _now: Instant) {
        self.transport.repeat_newest();
    }

    fn repeat_unanswered(&mut self, _now: Instant) {
        self.transport.repeat_unanswered();
    }
}
