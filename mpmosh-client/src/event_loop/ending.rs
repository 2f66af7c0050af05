//! How a session ended, as an exit status or as a paragraph.

use super::FAILED;
use crate::client::Outcome;
use crate::messages::Paragraph;
use crate::silence::{self, Facts, Row};
use platform::signals::Signal;
use std::io;
use sync::Channel;

/// How a session ended, with what there is to say of it.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    /// The session had no terminal: its status and its output are all that anybody sees of it.
    pub(super) streams: bool,
    /// The signal that ended it here.
    pub(super) signal: Option<Signal>,
    /// What could not be written here, and why.
    pub(super) unwritten: Option<(Channel, io::Error)>,
    /// What the server said of a command that it could not start, on a screen that is gone.
    pub(super) last_words: Option<String>,
    /// The server's port.
    pub(super) port: u16,
    /// The server is a stock one, as far as its dialect tells.
    pub(super) stock: bool,
    /// A row for each path.
    pub(super) rows: Vec<Row>,
    /// What lay between here and the host for ssh.
    pub(super) through: Option<String>,
}

impl Ending {
    /// The exit status.
    ///
    /// # Errors
    /// What the user is told instead of a status that would be a lie.
    pub(super) fn status(self) -> Result<u8, Paragraph> {
        if let Some((channel, error)) = self.unwritten {
            let name = if channel == Channel::Stderr { "error" } else { "output" };
            return Err(Paragraph::new(
                format!("Standard {name} could not be written."),
                format!("The system says: {error}. Not all of what the command wrote is there."),
                "Make room, and run it again.",
            ));
        }
        match self.outcome {
            Outcome::Ended(Some(status)) => {
                if let Some(words) = self.last_words {
                    eprintln!("{words}");
                }
                Ok(status)
            }
            // Stock servers tell no status.
            Outcome::Ended(None) if !self.streams => Ok(0),
            Outcome::Ended(None) => Err(Paragraph::new(
                "The session ended before the command did.",
                "The server left without the command's status: somebody there told it to.",
                "What was written up to then is there; run the command again.",
            )),
            Outcome::Quit if !self.streams => Ok(0),
            Outcome::Quit | Outcome::QuitUnanswered => {
                Ok(self.signal.filter(|_| self.streams).map_or(FAILED, shell_status))
            }
            Outcome::NothingReceived => {
                let (port, stock) = (self.port, self.stock);
                let facts = Facts { port, through: self.through.as_deref(), runs: None, stock };
                Err(silence::report(&self.rows, facts))
            }
            Outcome::ServerGone => Err(gone(&self.rows)),
        }
    }
}

/// The server was there, and is no more.
fn gone(rows: &[Row]) -> Paragraph {
    let refused = rows.iter().any(|row| row.refusals.is_some());
    let evidence = match refused {
        true => "The network refuses what is sent to it: the server has ended, or its host started anew.",
        false => "Nothing was heard from it for a quarter of an hour, on any path.",
    };
    Paragraph::new(
        "The server is gone, and the command's status with it.",
        evidence,
        "What was written up to then is there. See on that host whether the command still runs.",
    )
    .with_rows(rows.iter().map(ToString::to_string))
}

/// As a shell tells the end by a signal.
fn shell_status(signal: Signal) -> u8 {
    u8::try_from(128 + signal.number()).unwrap_or(FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::silence::Refusal;
    use crate::silence::tests::row;

    fn ending(outcome: Outcome, streams: bool) -> Ending {
        Ending {
            outcome,
            streams,
            signal: None,
            unwritten: None,
            last_words: None,
            port: 60001,
            stock: false,
            rows: Vec::new(),
            through: None,
        }
    }

    #[test]
    fn a_command_without_a_terminal_never_ends_well_by_mistake() {
        assert_eq!(ending(Outcome::Ended(Some(7)), true).status().unwrap(), 7);
        assert!(ending(Outcome::Ended(None), true).status().is_err());
        assert_eq!(ending(Outcome::Ended(None), false).status().unwrap(), 0);
        let full = Some((Channel::Stdout, io::Error::from(io::ErrorKind::StorageFull)));
        assert!(Ending { unwritten: full, ..ending(Outcome::Ended(Some(0)), true) }.status().is_err());
        let signal = Some(Signal::Interrupt);
        assert_eq!(Ending { signal, ..ending(Outcome::Quit, true) }.status().unwrap(), 130);
        assert_eq!(Ending { signal, ..ending(Outcome::Quit, false) }.status().unwrap(), 0);
        assert_eq!(ending(Outcome::QuitUnanswered, false).status().unwrap(), FAILED);
    }

    #[test]
    fn a_server_that_is_gone_is_an_error_with_the_evidence() {
        let rows = vec![row("192.0.2.1:60001", 4, Some(Refusal::Port))];
        let text = Ending { rows, ..ending(Outcome::ServerGone, true) }.status().unwrap_err().to_string();
        assert!(text.contains("server is gone") && text.contains("9 × port refused"), "{text}");
        let text = ending(Outcome::ServerGone, true).status().unwrap_err().to_string();
        assert!(text.contains("quarter of an hour"), "{text}");
    }
}
