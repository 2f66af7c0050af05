//! [`Dialogue`] on the user's terminal: questions on `/dev/tty`, or by `SSH_ASKPASS` as with ssh; notices and progress on
//! standard error.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Read, Write};
use std::process::{Command, Stdio};

use platform::signals::{self, Signal};
use platform::tty::{self, RawMode};
use zeroize::{Zeroize, Zeroizing};

use super::dialogue::{AskError, Dialogue};
use crate::text::messages::notice;
use crate::text::sanitize::{broken, one_line, printable};
use terminal::control::CLEAR_ROW;

/// Longest answer taken from the terminal, in octets.
const ANSWER_LIMIT: usize = 4096;

/// What stands before a stage.
const NAME: &str = "mpmosh: ";

/// Columns that a stage needs besides its words: the marks of what goes on and of what was cut, the cursor.
const STAGE_MARKS: usize = 3;

/// The longest stage that is told, in columns.
const LONGEST_STAGE: usize = 70;

/// The user at a terminal.
#[derive(Debug)]
pub struct TerminalDialogue {
    progress: StageStyle,
    /// Whether a stage stands on the screen's last line.
    shown: bool,
    /// More is wanted to be known.
    verbose: bool,
}

/// How progress is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StageStyle {
    /// On one line that is erased in the end.
    Line,
    /// A line for each stage that stays.
    Plain,
    /// Not at all.
    Quiet,
}

impl TerminalDialogue {
    /// `streams`: standard error belongs to the remote command, so nothing that is not asked for is written there.
    #[must_use]
    pub fn new(streams: bool, verbose: u8) -> Self {
        let progress = match (io::stderr().is_terminal(), streams, verbose) {
            (_, _, 1..) => StageStyle::Plain,
            (true, _, 0) => StageStyle::Line,
            (false, false, 0) => StageStyle::Plain,
            (false, true, 0) => StageStyle::Quiet,
        };
        Self { progress, shown: false, verbose: verbose > 0 }
    }

    fn erase(&mut self) {
        if self.shown {
            self.shown = false;
            // CR, EL: understood by everything that calls itself a terminal; a dumb one shows a few odd characters.
            let _ = write!(io::stderr(), "\r{CLEAR_ROW}");
        }
    }
}

impl Dialogue for TerminalDialogue {
    fn ask(&mut self, question: &str) -> Result<String, AskError> {
        self.erase();
        let answer = converse(question, true)?;
        Ok(answer.trim().to_owned())
    }

    fn secret(&mut self, question: &str) -> Result<Zeroizing<String>, AskError> {
        self.erase();
        converse(question, false)
    }

    fn tell(&mut self, text: &str) {
        self.erase();
        notice(text);
    }

    fn detail(&mut self, text: &str) {
        if self.verbose {
            self.tell(&format!("mpmosh: {text}"));
        }
    }

    fn stage(&mut self, stage: Option<&str>) {
        let Some(stage) = stage else { return self.erase() };
        match self.progress {
            StageStyle::Line => {
                // What goes on in a second row is not erased.
                let columns = tty::size(io::stderr()).map_or(80, |size| usize::from(size.columns));
                let _ = write!(io::stderr(), "\r{CLEAR_ROW}{}", stage_row(stage, columns));
                self.shown = true;
            }
            StageStyle::Plain => {
                let _ = writeln!(io::stderr(), "mpmosh: {}", one_line(stage, 200));
            }
            StageStyle::Quiet => {}
        }
    }
}

/// A stage in one row, without our name where there is no room for both.
fn stage_row(stage: &str, columns: usize) -> String {
    let room = columns.saturating_sub(STAGE_MARKS);
    let words = stage.chars().count().min(LONGEST_STAGE);
    let name = if words + NAME.len() <= room { NAME } else { "" };
    format!("{name}{}…", one_line(stage, (room - name.len()).min(LONGEST_STAGE)))
}

/// Asks on the controlling terminal, one key at a time, so that the terminal's state is put back whatever the answer is.
fn converse(question: &str, echo: bool) -> Result<Zeroizing<String>, AskError> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let asks = askpass(variable);
    if let Some((program, true)) = &asks {
        return ask_by(program, question);
    }
    let mut tty = match (OpenOptions::new().read(true).write(true).open("/dev/tty"), asks) {
        (Ok(tty), _) => tty,
        (Err(_), Some((program, _))) => return ask_by(&program, question),
        (Err(_), None) => return Err(AskError::NoTerminal),
    };
    loop {
        // Put back by whatever ends the program, too: an end while nothing is echoed would leave the shell without echo.
        let mode = RawMode::enter_for_keys(&tty)?;
        let columns = tty::size(&tty).map_or(usize::MAX, |size| usize::from(size.columns));
        tty.write_all(broken(&printable(question), columns).as_bytes())?;
        let answer = read_answer(&mut tty, echo);
        let _ = tty.write_all(b"\r\n");
        drop(mode);
        let key = match answer {
            Ok(answer) => return Ok(answer),
            Err(Unanswered::Failed(error)) => return Err(error),
            Err(Unanswered::Key(key)) => key,
        };
        // As with ssh, whose terminal sends these signals itself: the terminal is the shell's by now.
        signals::press_key(key);
        if key != Signal::Stop {
            return Err(AskError::Cancelled);
        }
    }
}

/// Why a question was not answered.
enum Unanswered {
    Failed(AskError),
    /// A key was pressed that stands for this signal.
    Key(Signal),
}

impl<E: Into<AskError>> From<E> for Unanswered {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// The program that asks in place of a terminal, by ssh's variables, and whether it comes before a terminal (ssh(1),
/// ENVIRONMENT).
fn askpass(variable: impl Fn(&str) -> Option<OsString>) -> Option<(OsString, bool)> {
    let program = variable("SSH_ASKPASS")?;
    let displays = variable("DISPLAY").or(variable("WAYLAND_DISPLAY")).is_some();
    let require = variable("SSH_ASKPASS_REQUIRE").unwrap_or_default().to_ascii_lowercase();
    match require.to_str() {
        Some("force") => Some((program, true)),
        Some("never") => None,
        Some("prefer") => displays.then_some((program, true)),
        _ => displays.then_some((program, false)),
    }
}

/// Has a program ask: its argument is the question, its first line the answer.
fn ask_by(program: &OsStr, question: &str) -> Result<Zeroizing<String>, AskError> {
    let mut child =
        Command::new(program).arg(printable(question)).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    // In full at once: a growing buffer would leave copies behind.
    let mut answer = Zeroizing::new(Vec::with_capacity(ANSWER_LIMIT));
    let output = child.stdout.take();
    let read = output.map(|output| output.take(ANSWER_LIMIT as u64 - 1).read_to_end(&mut answer));
    let status = child.wait()?;
    read.transpose()?;
    if !status.success() {
        return Err(AskError::Cancelled);
    }
    let line = answer.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    text(line)
}

fn text(answer: &[u8]) -> Result<Zeroizing<String>, AskError> {
    match core::str::from_utf8(answer) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(AskError::Terminal(io::Error::other("what was typed is not UTF-8"))),
    }
}

fn read_answer(tty: &mut (impl Read + Write), echo: bool) -> Result<Zeroizing<String>, Unanswered> {
    let mut answer = Zeroizing::new(Vec::with_capacity(ANSWER_LIMIT));
    loop {
        let mut key = [0];
        match tty.read(&mut key) {
            Ok(0) => return Err(AskError::Cancelled.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        }
        match key[0] {
            b'\r' | b'\n' => break,
            0x03 => return Err(Unanswered::Key(Signal::Interrupt)),
            0x1a => return Err(Unanswered::Key(Signal::Stop)),
            0x1c => return Err(Unanswered::Key(Signal::Quit)),
            0x04 if answer.is_empty() => return Err(AskError::Cancelled.into()),
            // Backspace takes a whole character: its continuation octets first.
            0x08 | 0x7f => {
                while answer.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
                if echo {
                    tty.write_all(b"\x08 \x08")?;
                }
            }
            0x15 => {
                if echo {
                    for _ in String::from_utf8_lossy(&answer).chars() {
                        tty.write_all(b"\x08 \x08")?;
                    }
                }
                answer.zeroize();
            }
            0..0x20 => {}
            byte if answer.len() < ANSWER_LIMIT => {
                answer.push(byte);
                if echo {
                    tty.write_all(&[byte])?;
                }
            }
            _ => {}
        }
        key.zeroize();
    }
    Ok(text(&answer)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Typist<'a>(&'a [u8], Vec<u8>);

    impl Read for Typist<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.0.read(buf)
        }
    }

    impl Write for Typist<'_> {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.1.write(buf)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn typed(keys: &[u8], echo: bool) -> (Option<String>, Vec<u8>) {
        let mut keys = Typist(keys, Vec::new());
        let answer = read_answer(&mut keys, echo).ok().map(|answer| answer.to_string());
        (answer, keys.1)
    }

    #[test]
    fn a_stage_keeps_to_its_row_and_its_words_come_before_our_name() {
        let stage = "wlan0 does not answer; trying wwan0";
        assert_eq!(stage_row(stage, 80), format!("mpmosh: {stage}…"));
        assert_eq!(stage_row(stage, 40), format!("{stage}…"));
        assert_eq!(stage_row(stage, 20), "wlan0 does not an……");
        assert_eq!(stage_row("resolving host", 40), "mpmosh: resolving host…");
        for columns in 0..200 {
            assert!(stage_row(&"x".repeat(99), columns).chars().count() < columns.max(3));
        }
    }

    #[test]
    fn a_secret_is_edited_and_never_echoed() {
        assert_eq!(typed("wrong\u{15}paé\u{7f}ss\r".as_bytes(), false), (Some("pass".into()), Vec::new()));
    }

    #[test]
    fn the_keys_of_signals_and_the_end_of_input_are_no_answer() {
        for (key, signal) in [(3, Signal::Interrupt), (0x1a, Signal::Stop), (0x1c, Signal::Quit)] {
            let mut keys = Typist(&[b'a', key], Vec::new());
            let answer = read_answer(&mut keys, false);
            assert!(matches!(answer, Err(Unanswered::Key(sent)) if sent == signal));
        }
        assert_eq!(typed(b"\x04", true).0, None);
        assert_eq!(typed(b"", true).0, None);
    }

    #[test]
    fn an_answer_is_echoed_as_typed() {
        assert_eq!(typed(b"yes\n", true), (Some("yes".into()), b"yes".to_vec()));
    }
}
