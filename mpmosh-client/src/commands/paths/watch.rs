//! The view that goes on: on a terminal redrawn in place, elsewhere one table after the other.
//!
//! Contract: ends with `q` or Ctrl-C, with a signal, when nobody reads any more, and when the last session has ended. The
//! terminal is left as it was found.

use super::sessions::{self, Reply, SessionSocket};
use super::table::{self, Sort};
use super::{NONE, is_meant, tell_of_none};
use crate::cli::args::PathsRequest;
use crate::session::report::{SessionReport, duration};
use crate::text::sanitize::wrapped;
use net::Instant;
use platform::clock;
use platform::signals::{self, Signal, Signals};
use platform::tty::{self, RawMode};
use platform::wait::first_ready;
use std::io::{self, BufRead, BufReader, ErrorKind, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use terminal::control::{CLEAR_BELOW, CLEAR_ROW, HOME, PLAIN};

/// How often new sessions are looked for, and how often a table is written where none is redrawn.
const INTERVAL: Duration = Duration::from_secs(1);
/// A session that says nothing for so long is stopped.
const SILENCE: Duration = Duration::from_secs(3);

/// The alternate screen, no cursor (DECTCEM), and nothing that is too long goes to the next line (DECAWM).
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &[u8] = b"\x1b[?7h\x1b[?25h\x1b[?1049l";

/// Looks of a line (SGR).
const BOLD: &str = "\x1b[1m";
const UNDERLINED: &str = "\x1b[4m";
const BOLD_GREEN: &str = "\x1b[1;32m";
const RED: &str = "\x1b[31m";
const FAINT: &str = "\x1b[2m";

/// A session that is watched.
struct WatchedSession {
    found: SessionSocket,
    lines: BufReader<UnixStream>,
    /// What has come of a line.
    partial: Vec<u8>,
    report: Option<SessionReport>,
    heard: Instant,
}

/// All of them.
#[derive(Default)]
struct Watching {
    sessions: Vec<WatchedSession>,
    /// Those that are not asked for, or cannot be told of, and why not.
    passed_over: Vec<(SessionSocket, Option<String>)>,
    changed: bool,
}

pub(super) fn run(request: &PathsRequest) -> io::Result<u8> {
    let mut watching = Watching::default();
    watching.look(request);
    async_io::block_on(watching.first_answers(request))?;
    if watching.sessions.is_empty() {
        for problem in watching.problems() {
            writeln!(io::stderr(), "mpmosh: {problem}")?;
        }
        tell_of_none(request);
        return Ok(NONE);
    }
    let live = io::stdin().is_terminal() && io::stdout().is_terminal();
    let mut view = if live { View::Live(Live::enter()?) } else { View::Plain };
    let user_left = async_io::block_on(watching.follow(request, &mut view))?;
    drop(view);
    if !user_left {
        writeln!(io::stderr(), "mpmosh: The last session has ended.")?;
    }
    Ok(0)
}

impl Watching {
    /// Begins to watch the sessions that are not watched yet.
    fn look(&mut self, request: &PathsRequest) {
        let there = sessions::find();
        self.passed_over.retain(|(found, _)| there.contains(found));
        for found in there {
            let is_known = self.sessions.iter().any(|session| session.found == found)
                || self.passed_over.iter().any(|(other, _)| *other == found);
            if is_known || !found.may_be(request) {
                continue;
            }
            // One that is about to end, or busy, is tried again the next time.
            let Ok(lines) = found.watch() else { continue };
            if lines.get_ref().set_nonblocking(true).is_ok() {
                let heard = clock::now();
                self.sessions.push(WatchedSession { found, lines, partial: Vec::new(), report: None, heard });
            }
        }
    }

    /// Waits until every session has answered, or should have.
    async fn first_answers(&mut self, request: &PathsRequest) -> io::Result<()> {
        let end = clock::now() + INTERVAL;
        while self.sessions.iter().any(|session| session.report.is_none()) && clock::now() < end {
            let sources: Vec<_> =
                self.sessions.iter().map(|session| session.lines.get_ref().as_fd()).collect();
            first_ready(&sources, Some(end.since(clock::now()))).await?;
            self.read(request);
        }
        Ok(())
    }

    /// Shows what comes, to the end. Whether it was the user who ended it.
    async fn follow(&mut self, request: &PathsRequest, view: &mut View) -> io::Result<bool> {
        let mut signals = Signals::new(&[Signal::WindowChange, Signal::Continue])?;
        let mut next_look = clock::now() + INTERVAL;
        view.show(self)?;
        loop {
            let timeout = next_look.since(clock::now());
            let typed = {
                let input = view.input();
                let mut sources: Vec<BorrowedFd<'_>> = vec![signals.as_fd()];
                sources.extend(self.sessions.iter().map(|session| session.lines.get_ref().as_fd()));
                let keys = sources.len();
                sources.extend(input);
                let ready = first_ready(&sources, Some(timeout)).await?;
                ready.get(keys) == Some(&true)
            };
            let signalled = signals.by_ref().count() > 0;
            if let (true, View::Live(live)) = (typed, &mut *view)
                && live.read()?
            {
                return Ok(true);
            }
            self.read(request);
            let due = clock::now() >= next_look;
            if due {
                next_look = clock::now() + INTERVAL;
                self.look(request);
            }
            if self.sessions.is_empty() {
                self.look(request);
                if self.sessions.is_empty() {
                    return Ok(false);
                }
            }
            if due || signalled || (view.is_live() && self.changed) {
                view.show(self)?;
                self.changed = false;
            }
        }
    }

    /// Takes what the sessions have said.
    fn read(&mut self, request: &PathsRequest) {
        let mut at = 0;
        while let Some(session) = self.sessions.get_mut(at) {
            match session.read() {
                None => at += 1,
                Some(Reply::Report(report)) if is_meant(&report, request) => {
                    session.report = Some(*report);
                    session.heard = clock::now();
                    self.changed = true;
                }
                Some(Reply::Gone) => {
                    self.sessions.remove(at);
                    self.changed = true;
                }
                Some(Reply::Report(_)) => {
                    let WatchedSession { found, .. } = self.sessions.remove(at);
                    self.passed_over.push((found, None));
                }
                Some(Reply::Problem(problem)) => {
                    let WatchedSession { found, .. } = self.sessions.remove(at);
                    self.passed_over.push((found, Some(problem)));
                    self.changed = true;
                }
            }
        }
    }

    fn reports(&self) -> Vec<SessionReport> {
        self.sessions.iter().filter_map(|session| session.report.clone()).collect()
    }

    /// What is amiss, in sentences.
    fn problems(&self) -> Vec<String> {
        let silent = self.sessions.iter().filter_map(|session| {
            let silence = clock::now().since(session.heard);
            let id = session.found.id;
            (silence >= SILENCE)
                .then(|| format!("The session of process {id} has said nothing for {}.", duration(silence)))
        });
        self.passed_over.iter().filter_map(|(_, problem)| problem.clone()).chain(silent).collect()
    }
}

impl WatchedSession {
    /// The next answer, if all of it is here.
    fn read(&mut self) -> Option<Reply> {
        loop {
            let (count, ended) = match self.lines.fill_buf() {
                Ok([]) => return Some(Reply::Gone),
                Ok(bytes) => {
                    let end = bytes.iter().position(|octet| *octet == b'\n');
                    let count = end.map_or(bytes.len(), |end| end + 1);
                    self.partial.extend_from_slice(&bytes[..count]);
                    (count, end.is_some())
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Some(Reply::Gone),
            };
            self.lines.consume(count);
            if ended {
                let line = std::mem::take(&mut self.partial);
                return Some(self.found.next(&mut line.as_slice()));
            }
            if self.partial.len() > sessions::LONGEST as usize {
                return Some(Reply::Gone);
            }
        }
    }
}

/// Where it is shown.
enum View {
    Live(Live),
    Plain,
}

impl View {
    fn is_live(&self) -> bool {
        matches!(self, Self::Live(_))
    }

    fn input(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Live(live) => Some(live.input.as_fd()),
            Self::Plain => None,
        }
    }

    fn show(&mut self, watching: &Watching) -> io::Result<()> {
        match self {
            Self::Live(live) => live.show(watching),
            Self::Plain => {
                let mut text = table::text(&watching.reports(), None);
                for problem in watching.problems() {
                    text.push_str(&problem);
                    text.push('\n');
                }
                text.push('\n');
                tty::write_all(io::stdout(), text.as_bytes())
            }
        }
    }
}

/// The terminal, while it is ours.
struct Live {
    raw: RawMode,
    input: OwnedFd,
}

impl Live {
    fn enter() -> io::Result<Self> {
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        let raw = RawMode::enter(&input, LEAVE)?;
        tty::write_all(io::stdout(), ENTER)?;
        Ok(Self { raw, input })
    }

    /// Reads keys. Whether the user wants to leave.
    fn read(&mut self) -> io::Result<bool> {
        let mut keys = [0; 64];
        let count = tty::read(&self.input, &mut keys)?;
        let keys = &keys[..count];
        if keys.contains(&0x1a) {
            tty::write_all(io::stdout(), LEAVE)?;
            self.raw.pause()?;
            signals::stop_group();
            self.raw.resume()?;
            tty::write_all(io::stdout(), ENTER)?;
        }
        Ok(count == 0 || keys.iter().any(|key| matches!(key, b'q' | b'Q' | 0x03 | 0x04)))
    }

    fn show(&self, watching: &Watching) -> io::Result<()> {
        let size = tty::size(io::stdout()).unwrap_or(tty::Size::DEFAULT);
        tty::write_all(io::stdout(), frame(watching, size).as_bytes())
    }
}

/// The whole screen: what there is no room for below is counted.
fn frame(watching: &Watching, size: tty::Size) -> String {
    let columns = usize::from(size.columns);
    let mut lines = table::lines(&watching.reports(), Some(columns));
    let problems = watching.problems();
    let problems = problems.iter().flat_map(|problem| wrapped(problem, columns));
    lines.extend(problems.map(|problem| (Sort::Silent, problem)));
    let room = usize::from(size.rows).saturating_sub(1);
    if lines.len() > room {
        let hidden = lines.len() - room + 1;
        lines.truncate(room.saturating_sub(1));
        lines.push((Sort::Closed, format!("and {hidden} more lines")));
    }
    painted(&lines, columns)
}

/// The lines on the terminal, from its first.
fn painted(lines: &[(Sort, String)], columns: usize) -> String {
    let mut out = String::from(HOME);
    for (sort, line) in lines {
        let colour = match sort {
            Sort::Title => BOLD,
            Sort::Heading => UNDERLINED,
            Sort::Carrier => BOLD_GREEN,
            Sort::Silent => RED,
            Sort::Closed => FAINT,
            Sort::Well | Sort::Blank => "",
        };
        let cut: String = line.chars().take(columns).collect();
        // Erased before: after its last column, a terminal that waits to wrap would erase that one.
        out.push_str(&format!("{CLEAR_ROW}{colour}{cut}{PLAIN}\r\n"));
    }
    out.push_str(&format!("{FAINT}q quits{PLAIN}{CLEAR_ROW}{CLEAR_BELOW}"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use terminal::{Cell, Emulator, Size};

    #[test]
    fn a_line_as_wide_as_the_terminal_is_shown_whole() {
        let lines = ["0123456789", "01234567890"].map(|line| (Sort::Well, line.to_owned()));
        let mut emulator = Emulator::new(Size { columns: 10, rows: 4 });
        emulator.feed(painted(&lines, 10).as_bytes());
        let screen = emulator.into_screen();
        let shown = screen.rows().map(|row| row.cells().iter().map(Cell::text).collect::<String>());
        let shown: Vec<_> = shown.take(2).collect();
        assert_eq!(shown, ["0123456789", "0123456789"]);
    }
}
