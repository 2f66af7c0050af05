//! The user's terminal, as the client's loop uses it.

use super::failure;
use crate::cli::plan::{SessionPlan, Settings};
use crate::cli::words::{Clipboard, OnHangup};
use crate::run::draw::UserTerminal;
use crate::session::client::{Client, DisplayOptions};
use crate::session::escape::Escape;
use crate::text::messages::Paragraph;
use crate::text::sanitize::one_line;
use platform::clock;
use platform::signals;
use platform::tty::{self, RawMode};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use terminal::Size;

/// The most typing taken at once.
const READ: usize = 16 * 1024;

pub(super) struct TerminalEnd {
    terminal: UserTerminal,
    raw: Option<RawMode>,
    /// Standard input, until it has ended.
    input: Option<OwnedFd>,
    /// Where typing is read into.
    typed: Box<[u8]>,
}

impl TerminalEnd {
    pub(super) fn new(settings: &Settings) -> Result<Self, Paragraph> {
        let terminal = UserTerminal::from_environment(settings.no_init)?;
        let input =
            io::stdin().as_fd().try_clone_to_owned().map_err(failure("The terminal cannot be read."))?;
        Ok(Self { terminal, raw: None, input: Some(input), typed: vec![0; READ].into() })
    }

    pub(super) fn display_options(&self, plan: &SessionPlan, seed: u64, port: u16) -> DisplayOptions {
        let settings = &plan.settings;
        let hangup_detaches = match settings.on_hangup {
            Some(what) => what == OnHangup::Detach,
            None => plan.session.as_ref().is_some_and(|session| session.name.is_some()),
        };
        DisplayOptions {
            size: self.size().unwrap_or(Size { columns: 80, rows: 24 }),
            told: plan.told.map(|(columns, rows)| Size { columns, rows }),
            clipboard: settings.clipboard == Clipboard::Write,
            vocabulary: self.terminal.vocabulary.clone(),
            blank: self.terminal.blank.clone(),
            extended: plan.dialect.traits().extended,
            seed,
            questions: self.terminal.ask.clone(),
            keys: self.terminal.keys.clone(),
            escape: Escape::new(settings.escape.0).with_detach(plan.session.is_some()),
            title_prefix: if settings.plain_title { String::new() } else { "[mpmosh] ".into() },
            predict: settings.predict,
            predict_overwrite: settings.predict_overwrite,
            port,
            host: plan.ssh_host.as_ref().map_or("This machine", |_| &plan.label).to_owned(),
            metered_notice: settings.metered_notice,
            hangup_detaches,
        }
    }

    /// Takes the terminal, until this is dropped.
    pub(super) fn enter(&mut self) -> io::Result<()> {
        self.raw = Some(RawMode::enter(io::stdin(), &self.terminal.leave)?);
        self.draw(&self.terminal.enter)
    }

    /// The terminal has said what it is: more may be sent to it then, and has to be undone.
    pub(super) fn name(&mut self, name: &str, client: &mut Client) {
        log::info!("the terminal is {}", one_line(name, 60));
        let Some(terminal) = self.terminal.named(name) else { return };
        if let Some(raw) = &mut self.raw {
            raw.set_farewell(&terminal.leave);
        }
        client.set_vocabulary(terminal.vocabulary.clone());
        self.terminal = terminal;
    }

    /// Where typing comes from, while the terminal is ours.
    pub(super) fn input(&self) -> Option<BorrowedFd<'_>> {
        self.input.as_ref().filter(|_| self.is_ours()).map(AsFd::as_fd)
    }

    /// The terminal is taken: it is neither the shell's, after a stop, nor not yet entered.
    fn is_ours(&self) -> bool {
        self.raw.as_ref().is_some_and(RawMode::is_active)
    }

    /// Reads once: the descriptor is the shell's too, and blocks when nothing is there.
    pub(super) fn read(&mut self, client: &mut Client) {
        let Some(input) = &self.input else { return };
        match tty::read(input, &mut self.typed) {
            Ok(0) => self.gone(client),
            Ok(count) => client.handle_input(&self.typed[..count], clock::now()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => self.gone(client),
        }
    }

    /// The terminal is gone: so is the user.
    fn gone(&mut self, client: &mut Client) {
        self.input = None;
        client.hang_up(clock::now());
    }

    /// What a command printed last, to be said again once its screen has gone: nothing where it stays.
    pub(super) fn printed(&self, screen: &terminal::Screen) -> Vec<u8> {
        match self.terminal.alternate {
            true => terminal::transcript(screen, &self.terminal.vocabulary),
            false => Vec::new(),
        }
    }

    /// The session is over: where its screen stays, nothing lies over it, and the shell goes on below.
    pub(super) fn finish(&self, client: &mut Client) -> io::Result<()> {
        if self.terminal.alternate { Ok(()) } else { self.draw(&client.last_frame()) }
    }

    /// Draws, while the terminal is ours: what a program in the background draws lands in the shell.
    pub(super) fn draw(&self, bytes: &[u8]) -> io::Result<()> {
        if self.is_ours() { tty::write_all(io::stdout(), bytes) } else { Ok(()) }
    }

    pub(super) fn size(&self) -> Option<Size> {
        let size = tty::size(io::stdin()).or_else(|| tty::size(io::stdout()))?;
        Some(Size { columns: size.columns, rows: size.rows })
    }

    /// What cannot be done to the terminal shows that it is gone.
    pub(super) fn must(&mut self, result: io::Result<()>, client: &mut Client) {
        if let Err(error) = result {
            log::warn!("the terminal: {error}");
            self.gone(client);
        }
    }

    /// Continued in the background: waits for the foreground, stopped, as other programs that need the terminal do.
    pub(super) fn stop_again(&mut self, client: &mut Client) {
        if tty::is_foreground(io::stdin()) {
            return;
        }
        signals::stop_group();
        let result = self.resume();
        self.must(result, client);
        client.handle_redraw();
    }

    /// Stops the process as Ctrl-Z does, with the terminal as the shell knows it; returns when it runs again.
    pub(super) fn suspend(&mut self, client: &mut Client) {
        let result = self.stop_and_resume();
        self.must(result, client);
        client.handle_redraw();
    }

    fn stop_and_resume(&mut self) -> io::Result<()> {
        self.draw(&self.terminal.leave)?;
        if let Some(raw) = &mut self.raw {
            raw.pause()?;
        }
        signals::stop_group();
        self.resume()
    }

    /// Takes the terminal again, if the shell has given it to us: what else woke us stands among the signals.
    pub(super) fn resume(&mut self) -> io::Result<()> {
        if !tty::is_foreground(io::stdin()) {
            return Ok(());
        }
        if let Some(raw) = &mut self.raw {
            raw.resume()?;
        }
        self.draw(&self.terminal.enter)
    }
}

/// What the server says, on its screen, of a command that it could not start.
pub(super) fn refusal(screen: &terminal::Screen) -> Option<String> {
    let mut lines = screen.rows().map(|row| row.cells().iter().map(terminal::Cell::text).collect::<String>());
    lines.find(|line| line.starts_with("mpmosh-server: ")).map(|line| one_line(line.trim_end(), 200))
}
