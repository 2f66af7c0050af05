//! A host on which the user is logged in, whichever ssh did it.

use std::io::{self, Read};

use super::announce::NOISE_LIMIT;
use super::carriage::Carriage;
use super::command::{self, ShellLine};
use super::dialogue::Dialogue;
use super::{Announced, Error, Printed, Request, words};

/// What can be done on the host.
pub(super) trait Remote: Send {
    /// Starts the server by this line, and waits for its announcement.
    ///
    /// # Errors
    /// See [`Error`].
    fn start_by(
        &mut self,
        line: ShellLine,
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
            match self.start_by(ShellLine { text, input: Vec::new() }, request, dialogue) {
                Err(plain) if plain.is_answer() => return Err(plain),
                Err(plain) => log::info!("{plain}"),
                outcome => {
                    self.note_plain();
                    return outcome;
                }
            }
        }
        Err(error)
    }

    /// No script is run there.
    fn note_plain(&mut self);

    /// Whether that is known.
    fn is_plain(&self) -> bool;

    /// There may be another request: what the connection costs is to be paid once.
    fn expect_more(&mut self) {}

    /// The process of the server that was started last, as far as it has told that by now, or does so in a moment.
    fn started(&mut self) -> Option<u32>;

    /// Runs a line of [`asking`] with this input, to its end.
    ///
    /// # Errors
    /// The connection's: a command that fails is an answer.
    fn ask_by(&mut self, line: &str, input: &[u8]) -> Result<RemoteOutput, Error>;

    /// Runs a script for POSIX sh with its arguments and this input, to its end.
    ///
    /// # Errors
    /// As [`Remote::ask_by`].
    fn ask(&mut self, script: &str, arguments: &[String], input: &[u8]) -> Result<RemoteOutput, Error> {
        self.ask_by(&asking(script, arguments), input)
    }

    /// Gives the stream of the command that started the server, where [`Request::keeps`] asked for it.
    fn into_carriage(self: Box<Self>) -> Option<Carriage>;

    /// Runs a line that carries, in the background.
    ///
    /// # Errors
    /// The connection's: a command that does not carry says so on the stream.
    fn carry_by(self: Box<Self>, line: &str) -> Result<Carriage, Error>;

    /// The host's name, fit for printing.
    fn host(&self) -> &str;

    /// How the login was done, in words.
    fn way(&self) -> String;

    /// The key exchange in use, in words, where the built-in ssh did it.
    fn exchange(&self) -> Option<String> {
        None
    }
}

/// What a script says last. Its output may have no other end for long: programs that a login script has left behind hold it.
const END: &[u8] = b"MPMOSH END\n";

/// The line for a script whose answer ends with [`END`].
fn asking(script: &str, arguments: &[String]) -> String {
    let arguments: Vec<_> = arguments.iter().map(Into::into).collect();
    command::script_line(&format!("({script}); echo MPMOSH END"), &arguments)
}

/// Most octets read of what a command prints: as much as may stand before an announcement, and the answer.
const OUTPUT: usize = NOISE_LIMIT + 64 * 1024;

/// Reads what a script prints, to its last word or the end of all output.
///
/// # Errors
/// [`Error::Noise`] where it has none in sight, [`Error::Broken`] where it cannot be read.
pub(super) fn read_answer(mut output: impl Read, host: &str) -> Result<RemoteOutput, Error> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    while !bytes.ends_with(END) {
        match output.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Broken { host: host.into(), evidence: words(&error) }),
        }
        if bytes.len() > OUTPUT {
            let answer = RemoteOutput { output: bytes, status: None };
            return Err(Error::Noise { host: host.into(), output: answer.last_words() });
        }
    }
    if bytes.ends_with(END) {
        bytes.truncate(bytes.len() - END.len());
    }
    Ok(RemoteOutput { output: bytes, status: None })
}

/// Most octets that the last words are taken from.
const LAST_WORDS: usize = 4096;

/// What a command said.
#[derive(Debug)]
pub(super) struct RemoteOutput {
    /// What it printed, with what login scripts printed before.
    pub(super) output: Vec<u8>,
    /// Its status, where that could be learnt.
    pub(super) status: Option<i32>,
}

impl RemoteOutput {
    /// What follows `mark` at a line's beginning, for the last line that begins so.
    pub(super) fn line(&self, mark: &str) -> Option<String> {
        let text = String::from_utf8_lossy(&self.output);
        let line = text.lines().rev().find_map(|line| line.strip_prefix(mark))?;
        Some(crate::text::sanitize::one_line(line.trim(), 200))
    }

    /// Whether a line begins so.
    pub(super) fn has(&self, mark: &str) -> bool {
        self.output.split(|byte| *byte == b'\n').any(|line| line.starts_with(mark.as_bytes()))
    }

    /// The last words, as what was printed.
    pub(super) fn printed(&self) -> Printed {
        Printed { text: self.last_words(), elsewhere: false }
    }

    /// The last words, for a message.
    pub(super) fn last_words(&self) -> String {
        let tail = self.output.len().saturating_sub(LAST_WORDS);
        let text = crate::text::sanitize::printable_bytes(&self.output[tail..]);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let from = lines.len().saturating_sub(4);
        crate::text::sanitize::one_line(&lines[from..].join(" "), 300)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_does_not_end_is_noise() {
        let noise = io::repeat(b'x').take(300_000).chain(&b"\nMPMOSH SYSTEM Linux\n"[..]);
        let answer = read_answer(noise, "h").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(answer.line("MPMOSH SYSTEM ").as_deref(), Some("Linux"));
        assert!(matches!(read_answer(io::repeat(b'x'), "h"), Err(Error::Noise { .. })));
        // What holds the output longer than the script is not waited for.
        struct Holds;
        impl Read for Holds {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                panic!("it would wait")
            }
        }
        let answer =
            read_answer(b"MPMOSH X y\nMPMOSH END\n".chain(Holds), "h").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(answer.output, b"MPMOSH X y\n");
    }

    #[test]
    fn an_answer_is_found_behind_the_noise_of_login_scripts() {
        let answer =
            RemoteOutput { output: b"welcome\nMPMOSH SYSTEM Linux x86_64\r\nbye\n\n".to_vec(), status: None };
        assert_eq!(answer.line("MPMOSH SYSTEM ").as_deref(), Some("Linux x86_64"));
        assert_eq!(answer.line("MPMOSH OTHER "), None);
        assert!(answer.last_words().ends_with("bye"));
    }
}
