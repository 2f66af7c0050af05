//! A shell as a user knows one, in the simulator: it echoes what is typed, asks for a password without echo, and runs
//! a command that never stops writing.

use super::Application;
use net::Instant;
use std::time::Duration;

/// How often `yes` writes, and how many lines.
const TICK: Duration = Duration::from_millis(2);
const LINES: usize = 400;

/// The shell. Its commands: `secret` asks for a password; `ask` does so by itself after a while, as a program does that
/// waits for something else; `yes` writes until it is interrupted. Of what is typed, `!` is echoed as `[history]`.
#[derive(Debug, Default)]
pub struct Shell {
    received: Vec<u8>,
    line: Vec<u8>,
    state: State,
    next: Option<Instant>,
    /// How long a command runs.
    pause: Duration,
    /// Typed while a command runs.
    ahead: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Prompt,
    /// About to ask, by itself.
    Asking,
    Password,
    Yes,
    /// A command runs.
    Busy,
}

impl Shell {
    /// A shell at its prompt.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A shell whose commands take this long. What is typed meanwhile is echoed by the terminal's driver, and again when
    /// the shell has read it.
    #[must_use]
    pub fn with_pauses(pause: Duration) -> Self {
        Self { pause, ..Self::default() }
    }

    fn key(&mut self, byte: u8, now: Instant, out: &mut Vec<u8>) {
        match (self.state, byte) {
            (_, 0x03) => {
                self.prompt(b"^C", out);
            }
            (State::Yes, _) => {}
            (State::Busy, byte) => {
                self.ahead.push(byte);
                out.extend(if byte == b'\r' { &b"\r\n"[..] } else { core::slice::from_ref(&byte) });
            }
            (State::Password, b'\r') => self.prompt(b"", out),
            (State::Password, _) => {}
            (_, b'\r') => {
                let line = std::mem::take(&mut self.line);
                match line.as_slice() {
                    b"secret" => {
                        self.state = State::Password;
                        out.extend(b"\r\nPassword: ");
                    }
                    b"yes" => {
                        self.state = State::Yes;
                        self.next = Some(now);
                        out.extend(b"\r\n");
                    }
                    _ if !self.pause.is_zero() => {
                        self.state = State::Busy;
                        self.next = Some(now + self.pause);
                        out.extend(b"\r\n");
                    }
                    _ => self.prompt(b"", out),
                }
            }
            (_, 0x7f) => {
                if self.line.pop().is_some() {
                    out.extend(b"\x08 \x08");
                }
            }
            (_, byte) => {
                self.line.push(byte);
                if self.line == b"ask" {
                    self.state = State::Asking;
                    self.next = Some(now + Duration::from_secs(2));
                }
                out.extend(if byte == b'!' { &b"[history]"[..] } else { core::slice::from_ref(&byte) });
            }
        }
    }

    fn prompt(&mut self, before: &[u8], out: &mut Vec<u8>) {
        self.state = State::Prompt;
        self.next = None;
        self.line.clear();
        out.extend(before);
        out.extend(b"\r\n$ ");
    }
}

impl Application for Shell {
    fn start(&mut self, _now: Instant) -> Vec<u8> {
        b"$ ".to_vec()
    }

    fn input(&mut self, bytes: &[u8], now: Instant) -> Vec<u8> {
        self.received.extend_from_slice(bytes);
        let mut out = Vec::new();
        for &byte in bytes {
            self.key(byte, now, &mut out);
        }
        out
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    fn handle_timeout(&mut self, now: Instant) -> Vec<u8> {
        if self.state == State::Yes {
            self.next = Some(now + TICK);
            return b"y\r\n".repeat(LINES);
        }
        self.next = None;
        if self.state == State::Busy {
            self.state = State::Prompt;
            let mut out = b"$ ".to_vec();
            for byte in std::mem::take(&mut self.ahead) {
                self.key(byte, now, &mut out);
            }
            return out;
        }
        self.state = State::Password;
        b"\r\nPassword: ".to_vec()
    }

    fn received(&self) -> &[u8] {
        &self.received
    }
}
