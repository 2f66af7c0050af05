//! A session on a terminal: what the user types goes out, what the server's screen shows is drawn.

use super::{Outcome, Output};
use crate::escape::{Command, Escape, Typed};
use crate::plan::PredictMode;
use ::terminal::{Size, Vocabulary, diff, repaint};
use net::{Connection, Instant};
use std::collections::VecDeque;
use std::time::Duration;
use sync::{Input, Link, Outgoing, Screen, Shutdown, Transport};

/// A key waits this long for another: what a terminal sends for one key can come in pieces.
const COLLECT: Duration = Duration::from_millis(1);

/// What the session looks like and how it behaves.
#[derive(Clone, Debug)]
pub struct DisplayOptions {
    /// The user's terminal's size.
    pub size: Size,
    /// What the user's terminal understands.
    pub vocabulary: Vocabulary,
    /// The server understands the extensions of the multipath dialect.
    pub extended: bool,
    /// For the padding that hides lengths.
    pub seed: u64,
    /// The escape key.
    pub escape: Escape,
    /// Stands before the window's title.
    pub title_prefix: String,
    /// When typed keys are shown before the server has echoed them.
    pub predict: PredictMode,
    /// Predicted keys overwrite instead of inserting.
    pub predict_overwrite: bool,
    /// The server's port, for messages.
    pub port: u16,
}

impl Default for DisplayOptions {
    fn default() -> Self {
        Self {
            size: Size { columns: 80, rows: 24 },
            vocabulary: Vocabulary::PEER,
            extended: true,
            seed: 0,
            escape: Escape::new(Some(0x1e)),
            title_prefix: String::new(),
            predict: PredictMode::Never,
            predict_overwrite: false,
            port: 0,
        }
    }
}

pub(super) struct TerminalSession {
    transport: Transport<Input, Screen>,
    options: DisplayOptions,
    /// What the user's terminal shows; `None` when that is not known.
    shown: Option<::terminal::Screen>,
    dirty: bool,
}

impl TerminalSession {
    pub(super) fn new(options: DisplayOptions, now: Instant) -> Self {
        let settings = if options.extended {
            sync::Config::extended(COLLECT, options.seed)
        } else {
            sync::Config::stock(COLLECT, options.seed)
        };
        let mut input = Input::new();
        input.push_resize(options.size.columns, options.size.rows);
        // This end only reads the other's screens: what it would write of them does not matter.
        let screen = Screen::new(options.size, Vocabulary::PEER);
        let mut transport = Transport::new(Input::new(), screen, settings, now);
        *transport.local_mut() = input;
        Self { transport, options, shown: None, dirty: true }
    }

    pub(super) fn handle_payload(&mut self, payload: &[u8], link: &Link, now: Instant) {
        if let Err(discard) = self.transport.handle_payload(payload, link, now) {
            log::debug!("a payload was discarded: {discard}");
        }
        while let Some(event) = self.transport.poll_event() {
            self.dirty |= matches!(event, sync::Event::NewRemoteState(_));
        }
    }

    /// What the user typed. Whether the user wants to quit.
    pub(super) fn handle_typed(&mut self, bytes: &[u8], outputs: &mut VecDeque<Output>) -> bool {
        let mut quit = false;
        for typed in self.options.escape.feed(bytes) {
            match typed {
                Typed::Bytes(bytes) => {
                    self.transport.local_mut().push_bytes(&bytes);
                }
                Typed::Command(Command::Quit) => quit = true,
                Typed::Command(Command::Suspend) => outputs.push_back(Output::Suspend),
                Typed::Command(Command::Paths | Command::Help) => {}
            }
        }
        quit
    }

    pub(super) fn handle_resize(&mut self, size: Size) {
        self.options.size = size;
        self.transport.local_mut().push_resize(size.columns, size.rows);
        self.redraw();
    }

    /// Nothing is known any more of what the user's terminal shows.
    pub(super) fn redraw(&mut self) {
        self.shown = None;
        self.dirty = true;
    }

    pub(super) fn handle_timeout(&mut self, _now: Instant) {}

    /// What to write to the user's terminal now, if anything.
    pub(super) fn draw(&mut self, _connection: &Connection, _now: Instant) -> Option<Vec<u8>> {
        if !std::mem::take(&mut self.dirty) {
            return None;
        }
        let mut frame = self.transport.remote().screen().clone();
        // The server learns of a new size a round trip later; until then its screen is cut to what there is.
        if frame.size() != self.options.size {
            frame.resize(self.options.size);
        }
        if !self.options.title_prefix.is_empty() {
            let title = format!("{}{}", self.options.title_prefix, frame.title());
            frame.set_title(&title);
        }
        let bytes = match &self.shown {
            Some(shown) => diff(shown, &frame, &self.options.vocabulary),
            None => repaint(&frame, &self.options.vocabulary),
        };
        self.shown = Some(frame);
        (!bytes.is_empty()).then_some(bytes)
    }

    pub(super) fn poll_transmit(&mut self, link: &Link, now: Instant) -> Option<Outgoing> {
        self.transport.poll_transmit(link, now)
    }

    pub(super) fn poll_timeout(&self, link: &Link, now: Instant) -> Option<(Instant, &'static str)> {
        self.transport.poll_timeout(link, now).map(|(at, _)| (at, "transport"))
    }

    pub(super) fn repeat_newest(&mut self, now: Instant) {
        self.transport.repeat_newest(now);
    }

    pub(super) fn shut_down(&mut self, now: Instant) {
        self.transport.start_shutdown(None, now);
    }

    /// How the session ended, once it has.
    pub(super) fn outcome(&self, now: Instant) -> Option<Outcome> {
        match self.transport.shutdown_state(now) {
            Shutdown::Acknowledged => Some(Outcome::Quit),
            Shutdown::GaveUp => Some(Outcome::QuitUnanswered),
            Shutdown::Answered => Some(Outcome::Ended(self.transport.remote_exit_status())),
            Shutdown::None | Shutdown::Started | Shutdown::Requested => None,
        }
    }

    pub(super) fn screen(&self) -> &::terminal::Screen {
        self.transport.remote().screen()
    }
}
