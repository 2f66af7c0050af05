//! A program on a terminal of its own, and someone who types and reads there.
//!
//! What the program writes is kept raw, and as plain text: escape sequences are taken out, everything printable
//! is put one after the other with the time at which it arrived. That is enough to find a word or an echoed key.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::Winsize;

use super::{Context, LabError, clock, sys};

/// Octets of what was heard that an error tells.
const SHOWN: usize = 4000;

/// A program that runs on a terminal. Dropping it kills the program.
pub struct Console {
    child: Child,
    controller: File,
    heard: Arc<Heard>,
    reader: Option<JoinHandle<()>>,
}

/// One typed key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// What was typed: a Greek letter, which no notice and no prompt holds.
    pub key: char,
    /// When.
    pub sent: Duration,
    /// When it appeared; `None` when it did not while anybody looked.
    pub shown: Option<Duration>,
}

impl Key {
    /// From key to screen.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        Some(self.shown?.saturating_sub(self.sent))
    }
}

/// What [`Console::type_keys`] types.
const KEYS: [char; 17] =
    ['α', 'β', 'γ', 'δ', 'ε', 'ζ', 'η', 'θ', 'ι', 'κ', 'λ', 'μ', 'ν', 'ξ', 'ο', 'π', 'ρ'];

/// How long the end of a program's output may come after the program's own.
const LAST_WORDS: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Heard {
    output: Mutex<Output>,
    changed: Condvar,
}

#[derive(Default)]
struct Output {
    raw: Vec<u8>,
    text: Vec<u8>,
    /// Up to which octet of `text` had arrived when.
    times: Vec<(usize, Duration)>,
    parser: Parser,
    ended: bool,
}

impl Console {
    /// Starts `command` on a new terminal of 24 × 200 cells.
    ///
    /// # Errors
    /// When the terminal cannot be made or the program not started.
    pub fn start(command: Command) -> Result<Self, LabError> {
        Self::start_sized(command, 24, 200)
    }

    /// Starts `command` on a new terminal.
    ///
    /// # Errors
    /// When the terminal cannot be made or the program not started.
    pub fn start_sized(mut command: Command, rows: u16, columns: u16) -> Result<Self, LabError> {
        let (controller, terminal) = terminal(rows, columns).context(|| "making a terminal".into())?;
        let share = || terminal.try_clone().context(|| "sharing a terminal".into());
        command.stdin(Stdio::from(share()?)).stdout(Stdio::from(share()?)).stderr(Stdio::from(share()?));
        sys::on_terminal(&mut command, terminal);
        let child = command.spawn().context(|| format!("starting {command:?}"))?;
        drop(command);
        let controller = File::from(controller);
        let mut input = controller.try_clone().context(|| "sharing a terminal".into())?;
        let heard = Arc::new(Heard::default());
        let listener = Arc::clone(&heard);
        let reader = std::thread::spawn(move || {
            let _ = rustix::process::setpriority_process(None, -10);
            let mut buffer = [0; 8192];
            while let Ok(length @ 1..) = input.read(&mut buffer) {
                listener.lock().take(&buffer[..length], clock::now());
                listener.changed.notify_all();
            }
            listener.lock().ended = true;
            listener.changed.notify_all();
        });
        Ok(Self { child, controller, heard, reader: Some(reader) })
    }

    /// The program's process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Types.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn send(&self, keys: impl AsRef<[u8]>) -> Result<(), LabError> {
        (&self.controller).write_all(keys.as_ref()).context(|| "typing".into())
    }

    /// Changes the terminal's size; the program gets SIGWINCH.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn resize(&self, rows: u16, columns: u16) -> Result<(), LabError> {
        set_size(self.controller.as_fd(), rows, columns).context(|| "resizing".into())
    }

    /// How much text there is now: what comes later lies beyond this mark.
    #[must_use]
    pub fn mark(&self) -> usize {
        self.heard.lock().text.len()
    }

    /// Waits until `word` has appeared, and gives the time at which it was complete.
    ///
    /// # Errors
    /// When it does not within `patience`, or the program ends before: with what was on the terminal.
    pub fn wait_for(&self, word: &str, patience: Duration) -> Result<Duration, LabError> {
        self.wait_for_after(0, word, patience)
    }

    /// Waits until `word` has appeared after `mark`.
    ///
    /// # Errors
    /// When it does not within `patience`, or the program ends before: with what was on the terminal.
    pub fn wait_for_after(&self, mark: usize, word: &str, patience: Duration) -> Result<Duration, LabError> {
        let deadline = clock::now() + patience;
        let mut output = self.heard.lock();
        let mut unread = mark;
        loop {
            if let Some(end) = output.find(unread, word.as_bytes()) {
                return Ok(output.time_of(end));
            }
            // What has been read once may hold the beginning of the word and no more: there may be megabytes of it.
            unread = unread.max((output.text.len() + 1).saturating_sub(word.len()));
            let left = deadline.saturating_sub(clock::now());
            if left.is_zero() || output.ended {
                let why = if output.ended { "the program ended" } else { "time is over" };
                let last = output.text.len().saturating_sub(SHOWN);
                let text = String::from_utf8_lossy(output.text.get(last..).unwrap_or_default());
                return Err(LabError::new(format!("no {word:?} ({why}); the terminal had {text:?}")));
            }
            output = self.heard.wait(output, left);
        }
    }

    /// The longest time between two arrivals of text after `mark`.
    #[must_use]
    pub fn longest_pause(&self, mark: usize) -> Duration {
        let output = self.heard.lock();
        let times = output.times.iter().filter(|(length, _)| *length > mark).map(|(_, at)| *at);
        let times: Vec<Duration> = times.collect();
        times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap_or_default()
    }

    /// Everything the program has written, escape sequences and all.
    #[must_use]
    pub fn raw(&self) -> Vec<u8> {
        self.heard.lock().raw.clone()
    }

    /// Everything printable that the program has written.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().text).into_owned()
    }

    /// Types `count` letters, one each `interval`, and notes when each is echoed; `before` runs before each key
    /// and is where a scenario changes the network, or pauses. Waits `patience` after the last key for what is
    /// missing. The other side must echo them in order.
    ///
    /// # Errors
    /// When the terminal is gone, or `before` fails.
    pub fn type_keys(
        &self,
        count: usize,
        interval: Duration,
        patience: Duration,
        mut before: impl FnMut(usize) -> Result<(), LabError>,
    ) -> Result<Vec<Key>, LabError> {
        let mark = self.mark();
        let mut due = clock::now();
        let mut keys = Vec::with_capacity(count);
        for number in 0..count {
            clock::sleep_until(due);
            before(number)?;
            if clock::now() > due + interval {
                due = clock::now();
            }
            due += interval;
            let key = KEYS[number % KEYS.len()];
            keys.push(Key { key, sent: clock::now(), shown: None });
            self.send(key.encode_utf8(&mut [0; 4]))?;
        }
        let deadline = clock::now() + patience;
        let mut output = self.heard.lock();
        loop {
            let complete = output.match_keys(mark, &mut keys);
            let left = deadline.saturating_sub(clock::now());
            if complete || left.is_zero() || output.ended {
                return Ok(keys);
            }
            output = self.heard.wait(output, left);
        }
    }

    /// Waits until the program has ended and its last words are here.
    ///
    /// # Errors
    /// When it does not within `patience`.
    pub fn wait_exit(&mut self, patience: Duration) -> Result<ExitStatus, LabError> {
        let child = &mut self.child;
        let status = clock::wait_for(patience, || child.try_wait().ok().flatten());
        let status = status.ok_or_else(|| {
            LabError::new(format!("the program did not end; the terminal had {:?}", self.text()))
        })?;
        // What it left running may hold the terminal: then there is no end to wait for.
        let output = self.heard.lock();
        let waited = self.heard.changed.wait_timeout_while(output, LAST_WORDS, |output| !output.ended);
        drop(waited);
        Ok(status)
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The reader ends when nobody holds the terminal any more. A grandchild may (ssh's master, a shell): do
        // not wait for it.
        if let Some(reader) = self.reader.take().filter(JoinHandle::is_finished) {
            let _ = reader.join();
        }
    }
}

impl Heard {
    fn lock(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, output: MutexGuard<'a, Output>, limit: Duration) -> MutexGuard<'a, Output> {
        self.changed.wait_timeout(output, limit).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Output {
    fn take(&mut self, bytes: &[u8], at: Duration) {
        self.raw.extend_from_slice(bytes);
        let Self { parser, text, .. } = self;
        text.extend(bytes.iter().copied().filter(|byte| parser.is_text(*byte)));
        self.times.push((self.text.len(), at));
    }

    /// The place after the first `word` beyond `mark`.
    fn find(&self, mark: usize, word: &[u8]) -> Option<usize> {
        let text = self.text.get(mark..)?;
        let place = text.windows(word.len().max(1)).position(|window| window == word)?;
        Some(mark + place + word.len())
    }

    /// When the octet before `end` arrived.
    fn time_of(&self, end: usize) -> Duration {
        let index = self.times.partition_point(|(length, _)| *length < end);
        self.times.get(index).map_or(Duration::ZERO, |(_, at)| *at)
    }

    /// How much text there was then.
    fn length_at(&self, time: Duration) -> usize {
        let index = self.times.partition_point(|(_, at)| *at <= time);
        index.checked_sub(1).and_then(|last| self.times.get(last)).map_or(0, |(length, _)| *length)
    }

    /// Finds each key's echo, in order; true when all are there.
    fn match_keys(&self, mark: usize, keys: &mut [Key]) -> bool {
        let mut place = mark;
        for key in keys.iter_mut() {
            // What was on the screen before, and is drawn again, is no echo.
            place = place.max(self.length_at(key.sent));
            let Some(end) = self.find(place, key.key.encode_utf8(&mut [0; 4]).as_bytes()) else {
                return false;
            };
            key.shown = Some(self.time_of(end));
            place = end;
        }
        true
    }
}

/// Which octets are text: a reader of ECMA-48's framing alone.
#[derive(Clone, Copy, Debug, Default)]
enum Parser {
    #[default]
    Ground,
    Escape,
    /// Parameters and intermediates, up to a final octet.
    Sequence,
    /// OSC, DCS, APC, PM, SOS: up to BEL or ST.
    String,
    /// ESC within a string: perhaps ST.
    StringEscape,
}

impl Parser {
    fn is_text(&mut self, byte: u8) -> bool {
        let ground = matches!(self, Self::Ground);
        *self = match (*self, byte) {
            (Self::String, 0x1b) => Self::StringEscape,
            (Self::String, 0x07 | 0x18 | 0x1a) | (Self::StringEscape, b'\\') => Self::Ground,
            (Self::String | Self::StringEscape, _) => Self::String,
            (_, 0x1b) => Self::Escape,
            (Self::Escape, b'[') | (Self::Escape, 0x20..=0x2f) => Self::Sequence,
            (Self::Escape, b']' | b'P' | b'X' | b'^' | b'_') => Self::String,
            (Self::Sequence, 0x20..=0x3f) => Self::Sequence,
            _ => Self::Ground,
        };
        ground && (byte >= 0x20 && byte != 0x7f || byte == b'\n')
    }
}

fn terminal(rows: u16, columns: u16) -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&controller)?;
    unlockpt(&controller)?;
    let name = ptsname(&controller, Vec::new())?;
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
    let terminal = rustix::fs::open(&name, flags, rustix::fs::Mode::empty())?;
    set_size(controller.as_fd(), rows, columns)?;
    // Programs run as another user and reopen it by name.
    rustix::fs::fchmod(&terminal, rustix::fs::Mode::from_raw_mode(0o666))?;
    Ok((controller, terminal))
}

fn set_size(terminal: rustix::fd::BorrowedFd<'_>, rows: u16, columns: u16) -> rustix::io::Result<()> {
    rustix::termios::tcsetwinsize(
        terminal,
        Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_not_text() {
        let mut output = Output::default();
        output.take(b"\x1b[1;31ma\x1b]0;title\x07b\x1b(Bc\x1b]8;;x\x1b\\d\x1bMe\r\n", Duration::ZERO);
        assert_eq!(output.text, b"abcde\n");
    }

    #[test]
    fn what_is_drawn_again_is_no_echo() {
        let mut output = Output::default();
        let mut keys = [Key { key: 'α', sent: Duration::from_millis(5), shown: None }];
        output.take("α".as_bytes(), Duration::from_millis(4));
        assert!(!output.match_keys(0, &mut keys));
        output.take("α".as_bytes(), Duration::from_millis(9));
        assert!(output.match_keys(0, &mut keys));
        assert_eq!(keys[0].shown, Some(Duration::from_millis(9)));
    }

    #[test]
    fn keys_are_matched_in_order() {
        let mut output = Output::default();
        let mut keys = ['α', 'β', 'γ'].map(|key| Key { key, sent: Duration::ZERO, shown: None });
        output.take("α".as_bytes(), Duration::from_millis(1));
        output.take("\x1b[2Caβ".as_bytes(), Duration::from_millis(2));
        assert!(!output.match_keys(0, &mut keys));
        let shown = keys.map(|key| key.shown);
        assert_eq!(shown, [Some(Duration::from_millis(1)), Some(Duration::from_millis(2)), None]);
    }
}
