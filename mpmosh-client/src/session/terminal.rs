//! A session on a terminal: what the user types goes out, what the server's screen shows is drawn.

mod asking;

use super::answers::Answers;
use super::canvas::Canvas;
use super::client::{Outcome, Output};
use crate::cli::words::PredictMode;
use crate::session::escape::{Command, Escape, Typed};
use crate::session::keys::{KeyTranslator, Keys};
use crate::session::overlay::{Contact, Display, Overlays, Progress, escape_help};
use crate::session::report::Journal;
use net::{Connection, Instant};
use std::collections::VecDeque;
use std::time::Duration;
use sync::{Exchange, Input, Link, Outgoing, Parting, Screen, Shutdown, Transport, Wake};
use terminal::control::{CLEAR, HOME, PLAIN, WHOLE_SCREEN};
use terminal::{Size, Vocabulary};

/// Towards stock servers a key waits this long for another, as stock clients do. Ours get it at once: what came in one
/// read goes in one datagram anyway.
const COLLECT_STOCK: Duration = Duration::from_millis(1);

/// Without the server's first screen for this long, the user is told.
const CONNECTING: Duration = Duration::from_millis(250);

/// How long the help stays.
const HELP: Duration = Duration::from_secs(10);

/// How long it is told that the session has moved to a metered uplink.
const METERED: Duration = Duration::from_secs(2);
/// How long it is told that the session goes through ssh: a sentence.
const CARRIED: Duration = Duration::from_secs(6);

/// Ctrl-C: it ends the wait for a first word.
const INTERRUPT: u8 = 0x03;

/// The user's way to have the screen drawn again (Ctrl-L); programs get it too.
const REDRAW: u8 = 0x0c;

/// What the session looks like and how it behaves.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one option")]
pub struct DisplayOptions {
    /// The user's terminal's size: of a larger one than a screen can be, the upper left part is drawn on.
    pub size: Size,
    /// The size that the bootstrap told the server, where it did.
    pub told: Option<Size>,
    /// What the user's terminal understands.
    pub vocabulary: Vocabulary,
    /// Makes the user's terminal blank, whatever it shows, as a new screen is.
    pub blank: Vec<u8>,
    /// The server understands the extensions of the multipath dialect.
    pub extended: bool,
    /// For the padding that hides lengths.
    pub seed: u64,
    /// Asks the user's terminal for its colours and its name; nothing where it would not understand.
    pub questions: Vec<u8>,
    /// The keys that the user's terminal writes otherwise than the server's.
    pub keys: Keys,
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
    /// What the user calls the server's machine, for messages.
    pub host: String,
    /// Tell for a moment that the session has moved to a metered uplink.
    pub metered_notice: bool,
    /// A hang-up of the terminal leaves the session, which goes on.
    pub hangup_detaches: bool,
    /// Programs may write the terminal's clipboard.
    pub clipboard: bool,
}

impl Default for DisplayOptions {
    fn default() -> Self {
        Self {
            size: Size { columns: 80, rows: 24 },
            told: None,
            vocabulary: Vocabulary::PEER,
            blank: [WHOLE_SCREEN, PLAIN, HOME, CLEAR].concat().into(),
            extended: true,
            seed: 0,
            questions: Vec::new(),
            keys: Keys::default(),
            escape: Escape::new(Some(0x1e)).with_detach(true),
            title_prefix: String::new(),
            predict: PredictMode::Never,
            predict_overwrite: false,
            port: 0,
            host: "the host".into(),
            metered_notice: true,
            hangup_detaches: false,
            clipboard: true,
        }
    }
}

/// How the user leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// The session ends.
    End,
    /// The session goes on without a client.
    Detach,
}

pub(super) struct TerminalSession {
    transport: Transport<Input, Screen>,
    options: DisplayOptions,
    answers: Answers,
    keys: KeyTranslator,
    /// When the user typed last.
    typed: Instant,
    overlays: Overlays,
    canvas: Canvas,
    dirty: bool,
    /// When the overlays were last drawn: what they will show next is counted from there.
    drawn: Instant,
    started: Instant,
    connected: bool,
    /// The user has waited for the first word so long that the wait is told.
    waits: bool,
    srtt: Duration,
    /// How the user leaves, who does.
    leaving: Option<Leave>,
    /// What the window's title tells of the paths, and when it will be something else.
    in_title: Option<(String, Instant)>,
}

/// What the server is told of this end.
fn features(vocabulary: &Vocabulary) -> sync::Features {
    let mut features = sync::Features::default();
    features.keyboard = vocabulary.keyboard;
    features.tells_prediction = true;
    features
}

impl TerminalSession {
    pub(super) fn new(mut options: DisplayOptions, now: Instant) -> Self {
        options.vocabulary.clipboard &= options.clipboard;
        let canvas = Canvas::new(options.vocabulary.clone(), options.blank.clone(), options.size);
        let settings = if options.extended {
            sync::Config::extended(Duration::ZERO, options.seed)
        } else {
            sync::Config::stock(COLLECT_STOCK, options.seed)
        };
        // This end only reads the other's screens: what it would write of them does not matter.
        let Size { columns, rows } = canvas.size();
        let screen = Screen::new(canvas.size(), Vocabulary::PEER);
        let mut transport = Transport::new(Input::new(), screen, settings, now);
        for size in [Some(canvas.size()), options.told].into_iter().flatten() {
            transport.rules_mut().allow(size);
        }
        transport.local_mut().push_resize(columns, rows);
        transport.set_features(features(&options.vocabulary));
        let display = match options.predict {
            PredictMode::Adaptive => Display::Adaptive,
            PredictMode::Always => Display::Always,
            PredictMode::Never => Display::Never,
            PredictMode::Experimental => Display::Experimental,
        };
        let mut overlays = Overlays::new(display, options.predict_overwrite, now);
        overlays.notices.set_contact(None);
        if let Some(key) = options.escape.name() {
            overlays.notices.set_quit_hint(&format!("{key} ."));
        }
        let keys = KeyTranslator::new(options.keys.clone());
        let answers = Answers::new(options.questions.clone());
        Self {
            transport,
            options,
            answers,
            keys,
            typed: now,
            overlays,
            canvas,
            dirty: true,
            drawn: now,
            started: now,
            connected: false,
            waits: false,
            srtt: Duration::ZERO,
            leaving: None,
            in_title: None,
        }
    }

    /// Whether it brought something new.
    pub(super) fn handle_payload(&mut self, payload: &[u8], link: &Link, now: Instant) -> bool {
        self.srtt = link.srtt;
        let mut news = false;
        if let Err(discard) = self.transport.handle_payload(payload, now) {
            log::debug!("a payload was discarded: {discard}");
        }
        while let Some(event) = self.transport.poll_event() {
            if matches!(event, sync::Event::NewRemoteState(_)) {
                // That nothing was received is untrue from now on.
                if !std::mem::replace(&mut self.connected, true) {
                    self.overlays.notices.set_awaited(None);
                }
                self.refresh(now);
            }
            // A heartbeat is no output: the paths need not be watched closely for it.
            news |= matches!(event, sync::Event::RemoteChanged);
        }
        news
    }

    /// What the user typed. How the user wants to leave, if so.
    fn handle_typed(
        &mut self,
        bytes: &[u8],
        outputs: &mut VecDeque<Output>,
        srtt: Duration,
        now: Instant,
    ) -> Option<Leave> {
        let mut leave = None;
        self.srtt = srtt;
        // Nothing runs yet that could be interrupted, but the wait.
        if !self.connected && bytes.contains(&INTERRUPT) {
            return Some(Leave::End);
        }
        let was_pending = self.options.escape.is_pending();
        let idle = now.since(std::mem::replace(&mut self.typed, now));
        self.keys.pause(idle);
        self.options.escape.pause(idle);
        for typed in self.options.escape.feed(&self.keys.translate(bytes)) {
            match typed {
                Typed::Bytes(bytes) => {
                    let screen = self.transport.remote().screen();
                    let sent = self.transport.sent_number();
                    self.overlays.new_user_bytes(&bytes, screen, sent, now, srtt);
                    self.transport.set_predicts(self.overlays.predicts());
                    self.transport.local_mut().push_bytes(&bytes);
                    if bytes.contains(&REDRAW) {
                        self.canvas.lose();
                    }
                }
                Typed::Command(Command::Quit) => leave = Some(Leave::End),
                Typed::Command(Command::Detach) => leave = Some(Leave::Detach),
                Typed::Command(Command::Suspend) => outputs.push_back(Output::Suspend),
                Typed::Command(Command::Paths) => self.overlays.paths.toggle(),
                Typed::Command(Command::Help) => self.show_help(Some(now + HELP)),
            }
        }
        match (was_pending, self.options.escape.is_pending()) {
            (false, true) => self.show_help(None),
            (true, false) if !self.overlays.notices.is_timed() => self.overlays.notices.clear_message(),
            _ => {}
        }
        self.dirty = true;
        leave
    }

    fn show_help(&mut self, until: Option<Instant>) {
        if let (Some(key), Some(literal)) = (self.options.escape.name(), self.options.escape.pass_key()) {
            let help = escape_help(&key, literal, self.options.escape.detaches());
            let help: Vec<&str> = help.iter().map(String::as_str).collect();
            self.overlays.notices.set_message(&help, until);
        }
    }

    /// The session goes over this metered uplink now, and did not before.
    pub(super) fn note_metered(&mut self, interface: &str, now: Instant) {
        if self.options.metered_notice {
            self.overlays.notices.set_aside(&format!("on {interface} (metered)"), now + METERED);
            self.dirty = true;
        }
    }

    /// Tells something in the first line for a while.
    pub(super) fn announce(&mut self, text: &str, now: Instant) {
        self.overlays.notices.set_message(&[text], Some(now + CARRIED));
        self.dirty = true;
    }

    /// Tells that the session goes through ssh: beside the prompt, which may stand in the same line.
    pub(super) fn tell_carrier(&mut self, now: Instant) {
        // A narrow terminal has no room for both.
        let text =
            if self.options.size.columns < 60 { " by ssh" } else { " UDP is blocked: going through ssh" };
        self.overlays.notices.set_aside(text, now + CARRIED);
        self.dirty = true;
    }

    /// What is drawn over the screen has changed.
    pub(super) fn redraw_overlays(&mut self) {
        self.dirty = true;
    }

    /// Something that the paths' table shows has changed.
    pub(super) fn follow_remarks(&mut self) {
        self.dirty |= self.overlays.paths.is_shown();
    }

    pub(super) fn handle_resize(&mut self, size: Size) {
        self.canvas.resize(size);
        let Size { columns, rows } = self.canvas.size();
        self.transport.rules_mut().allow(self.canvas.size());
        self.transport.local_mut().push_resize(columns, rows);
        self.dirty = true;
    }

    /// The user's terminal is taken again, which had been left.
    pub(super) fn redraw(&mut self) {
        self.canvas.retake();
        self.answers.ask_again();
        self.dirty = true;
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.told_at().is_some_and(|at| at <= now) {
            self.waits = true;
            self.dirty = true;
        }
        if self.overlays.poll_timeout(self.drawn).is_some_and(|at| at <= now) {
            self.refresh(now);
        }
        self.dirty |= self.title_changes_at().is_some_and(|at| at <= now);
    }

    /// Holds the guesses against the server's screen.
    fn refresh(&mut self, now: Instant) {
        let screen = self.transport.remote();
        let progress =
            Progress { delivered: self.transport.acknowledged_number(), echoed: screen.echo_ack() };
        self.overlays.new_frame(screen.screen(), progress, now, self.srtt);
        self.transport.set_predicts(self.overlays.predicts());
        self.dirty = true;
    }

    /// The paths may stand otherwise than before: who is heard, and what the table of paths shows.
    pub(super) fn follow_paths(&mut self, connection: &Connection, journal: &Journal, now: Instant) {
        if self.waits && !self.connected && self.transport.shutdown_state(now) == Shutdown::None {
            let tried = connection.flows().filter(|flow| flow.sent() > 0).count();
            self.overlays.notices.set_awaited(Some((self.options.port, tried)));
        }
        self.overlays.notices.set_refused_here(journal.is_refused_here());
        let gone = journal.is_gone() && self.connected;
        self.overlays.notices.set_gone(gone.then_some(self.options.host.as_str()));
        let probes = connection.dialect().traits().probes;
        // Where every datagram is answered, silence counts from the answer that was due. Who says something all the same
        // (the same again and again, perhaps) is there: it is this end that is not heard.
        let last = connection.last_heard();
        let owed = connection.silent_since().map(|since| last.map_or(since, |last| last.max(since)));
        let heard = if probes { owed } else { last }.unwrap_or(now);
        let replied = self.transport.unanswered_since().unwrap_or(now);
        let well = heard == now && replied == now;
        let contact = (!well && self.connected).then_some(Contact { heard, replied });
        self.overlays.notices.set_contact(contact);
        // Without contact all that is wrong is of interest; with it nothing is worth a line of the user's screen.
        let lost = self.connected && self.overlays.notices.tells_silence(now);
        let trouble = if lost { journal.trouble(connection, true, now) } else { None };
        self.overlays.notices.set_trouble(trouble, now);
        let news = if self.titled() { journal.trouble(connection, false, now) } else { None };
        self.in_title = news.map(|news| (news.brief, now + news.next));
        if self.overlays.paths.is_shown() {
            let trouble = journal.trouble(connection, true, now);
            self.overlays.paths.set(journal.paths(connection, now), trouble, journal.remarks(), now);
        }
        self.dirty = true;
    }

    /// What to write to the user's terminal now, if anything.
    pub(super) fn draw(
        &mut self,
        connection: &Connection,
        journal: &Journal,
        now: Instant,
    ) -> Option<Vec<u8>> {
        if !std::mem::take(&mut self.dirty) {
            return None;
        }
        self.follow_paths(connection, journal, now);
        self.dirty = false;
        let mut frame = self.transport.remote().screen().clone();
        // The server learns of a new size a round trip later; until then its screen is cut to what there is.
        if frame.size() != self.canvas.size() {
            frame.resize(self.canvas.size());
        }
        // A remote that sets no title leaves the user's.
        if !self.options.title_prefix.is_empty() && !frame.title().is_empty() {
            let news = self.in_title.as_ref().map(|(text, _)| text.as_str()).filter(|text| !text.is_empty());
            let prefix = match news {
                Some(news) => format!("[mpmosh: {news}] "),
                None => self.options.title_prefix.clone(),
            };
            frame.set_title(&format!("{prefix}{}", frame.title()));
        }
        self.overlays.apply(&mut frame, now);
        self.drawn = now;
        let mut bytes = self.answers.questions(now);
        bytes.extend(self.canvas.draw(frame));
        (!bytes.is_empty()).then_some(bytes)
    }

    /// The remote's screen alone, for a terminal on which it stays.
    pub(super) fn last_frame(&mut self) -> Vec<u8> {
        self.canvas.finish(self.transport.remote().screen().clone())
    }

    /// Whether the remote program has given the window a title, which may tell of the paths too.
    fn titled(&self) -> bool {
        self.connected
            && !self.options.title_prefix.is_empty()
            && !self.transport.remote().screen().title().is_empty()
    }

    /// When the title will tell something else of the paths.
    fn title_changes_at(&self) -> Option<Instant> {
        self.in_title.as_ref().map(|(_, next)| *next)
    }

    /// When the user is to be told that nothing has come yet.
    fn told_at(&self) -> Option<Instant> {
        (!self.connected && !self.waits).then(|| self.started + CONNECTING)
    }

    /// How the session is left whose terminal has hung up.
    pub(super) fn hang_up(&self) -> Leave {
        let detaches = self.options.hangup_detaches && self.options.escape.detaches();
        if detaches { Leave::Detach } else { Leave::End }
    }

    pub(super) fn shut_down(&mut self, leave: Leave, now: Instant) {
        let what = match leave {
            Leave::End => "Exiting...",
            Leave::Detach => "Detaching...",
        };
        let keys = self.options.escape.name().map(|key| format!("{what} [At once: {key} .]"));
        self.overlays.notices.set_awaited(None);
        self.overlays.notices.set_message(&[keys.as_deref().unwrap_or(what), what], None);
        self.dirty = true;
        self.leaving = Some(leave);
        match leave {
            Leave::End => self.transport.start_shutdown(None, now),
            Leave::Detach => self.transport.start_parting(Parting::Detached, 0, now),
        }
    }

    /// How the session ended, once it has.
    pub(super) fn outcome(&self, now: Instant) -> Option<Outcome> {
        let detaching = self.leaving == Some(Leave::Detach);
        if let Some(breach) = self.transport.breach() {
            return Some(Outcome::Breached(breach));
        }
        match (self.transport.shutdown_state(now), self.transport.remote_parting()) {
            (Shutdown::None | Shutdown::Started | Shutdown::Requested, _) => None,
            (Shutdown::GaveUp, _) => Some(Outcome::QuitUnanswered),
            // Whoever has it now has it, whatever was wished here meanwhile.
            (_, Some((Parting::TakenOver, at))) => Some(Outcome::TakenOver(at)),
            (_, Some((Parting::Detached, at))) if !detaching => Some(Outcome::DetachedThere(at)),
            (_, Some((Parting::Detached, _))) => Some(Outcome::Detached),
            (Shutdown::Acknowledged, None) if detaching => Some(Outcome::Detached),
            (Shutdown::Acknowledged, None) => Some(Outcome::Quit),
            (Shutdown::Answered, None) => Some(Outcome::Ended(self.transport.remote_exit_status())),
        }
    }

    pub(super) fn screen(&self) -> &terminal::Screen {
        self.transport.remote().screen()
    }
}

impl Exchange for TerminalSession {
    fn poll_transmit(&mut self, link: &Link, now: Instant) -> Option<Outgoing> {
        self.transport.poll_transmit(link, now)
    }

    fn poll_timeout(&self, link: &Link, now: Instant) -> Option<(Instant, Wake)> {
        let transport = self.transport.poll_timeout(link, now);
        let overlays = self.overlays.poll_timeout(self.drawn).map(|at| (at, Wake::Own("overlays")));
        let connecting = self.told_at().map(|at| (at, Wake::Own("connecting")));
        let title = self.title_changes_at().map(|at| (at, Wake::Own("title")));
        let answers = self.answers.poll_timeout().map(|at| (at, Wake::Own("answers")));
        let transport = transport.map(|(at, reason)| (at, Wake::Exchange(reason)));
        Wake::first([transport, overlays, connecting, title, answers])
    }

    fn repeat_newest(&mut self, _now: Instant) {
        self.transport.repeat_newest();
    }

    fn repeat_unanswered(&mut self, _now: Instant) {
        self.transport.repeat_unanswered();
    }
}
