//! A host on which the user is logged in, whichever ssh did it.

use std::io::Read;

use super::announce::NOISE_LIMIT;
use super::command::{self, Line};
use super::dialogue::Dialogue;
use super::{Announced, Error, Request, words};

/// What can be done on the host.
pub(super) trait Remote: Send {
    /// Starts the server by this line, and waits for its announcement.
    ///
    /// # Errors
    /// See [`Error`].
    fn start_by(
        &mut self,
        line: Line,
        request: &Request,
        dialogue: &mut dyn Dialogue,
    ) -> Result<Announced, Error>;

    /// Starts the server, and waits for its announcement. Where no script is run, as by a restricted shell or a list of
    /// allowed commands, it is asked for in plain words.
    ///
    /// # Errors
    /// See [`Error`].
    fn start(&mut self, request: &Request, dialogue: &mut dyn Dialogue) -> Result<Announced, Error> {
        let line = command::remote_line(&request.server, request.ssh_pty);
        let error = match self.start_by(line, request, dialogue) {
            Err(error) if error.ran_nothing() => error,
            outcome => return outcome,
        };
        for text in command::plain_lines(&request.server) {
            log::info!("{}: no script is run there; asking for “{text}”", self.host());
            match self.start_by(Line { text, input: Vec::new() }, request, dialogue) {
                Err(plain) => log::info!("{plain}"),
                outcome => return outcome,
            }
        }
        Err(error)
    }

    /// The process of the server that was started last, as far as it has told that by now, or does so in a moment.
    fn started(&mut self) -> Option<u32>;

    /// Runs a command line with this input, to its end.
    ///
    /// # Errors
    /// The connection's: a command that fails is an answer.
    fn ask(&mut self, line: &str, input: &[u8]) -> Result<Answer, Error>;

    /// The host's name, fit for printing.
    fn host(&self) -> &str;

    /// How the login was done, in words.
    fn way(&self) -> String;
}

/// Most octets read of what a command prints: as much as may stand before an announcement, and the answer.
const OUTPUT: usize = NOISE_LIMIT + 64 * 1024;

/// Reads what a command prints, to its end.
///
/// # Errors
/// [`Error::Noise`] where it has none in sight, [`Error::Broken`] where it cannot be read.
pub(super) fn read_answer(output: impl Read, host: &str) -> Result<Answer, Error> {
    let mut bytes = Vec::new();
    output
        .take(OUTPUT as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::Broken { host: host.into(), evidence: words(&error) })?;
    let answer = Answer { output: bytes };
    match answer.output.len() {
        ..=OUTPUT => Ok(answer),
        _ => Err(Error::Noise { host: host.into(), output: answer.last_words() }),
    }
}

/// Most octets that the last words are taken from.
const LAST_WORDS: usize = 4096;

/// What a command said.
#[derive(Debug)]
pub(super) struct Answer {
    /// What it printed, with what login scripts printed before.
    pub(super) output: Vec<u8>,
}

impl Answer {
    /// What follows `mark` at a line's beginning, for the last line that begins so.
    pub(super) fn line(&self, mark: &str) -> Option<String> {
        let text = String::from_utf8_lossy(&self.output);
        let line = text.lines().rev().find_map(|line| line.strip_prefix(mark))?;
        Some(crate::sanitize::one_line(line.trim(), 200))
    }

    /// The last words, for a message.
    pub(super) fn last_words(&self) -> String {
        let tail = self.output.len().saturating_sub(LAST_WORDS);
        let text = crate::sanitize::printable_bytes(&self.output[tail..]);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let from = lines.len().saturating_sub(4);
        crate::sanitize::one_line(&lines[from..].join(" "), 300)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_does_not_end_is_noise() {
        let noise = std::io::repeat(b'x').take(300_000).chain(&b"\nMPMOSH SYSTEM Linux\n"[..]);
        let answer = read_answer(noise, "h").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(answer.line("MPMOSH SYSTEM ").as_deref(), Some("Linux"));
        assert!(matches!(read_answer(std::io::repeat(b'x'), "h"), Err(Error::Noise { .. })));
    }

    #[test]
    fn an_answer_is_found_behind_the_noise_of_login_scripts() {
        let answer = Answer { output: b"welcome\nMPMOSH SYSTEM Linux x86_64\r\nbye\n\n".to_vec() };
        assert_eq!(answer.line("MPMOSH SYSTEM ").as_deref(), Some("Linux x86_64"));
        assert_eq!(answer.line("MPMOSH OTHER "), None);
        assert!(answer.last_words().ends_with("bye"));
    }
}
