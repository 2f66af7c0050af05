//! How a session ended, as an exit status or as a paragraph.

use super::FAILED;
use crate::client::Outcome;
use crate::messages::Paragraph;
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
    /// A row for each path.
    pub(super) paths: Vec<String>,
    /// How many refusals the network sent.
    pub(super) icmp: u64,
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
            Outcome::NothingReceived => Err(self.silence()),
        }
    }

    fn silence(self) -> Paragraph {
        let what = format!("Nothing was received from the server on UDP port {}.", self.port);
        if self.paths.is_empty() {
            return Paragraph::new(
                what,
                "No address of this machine has a route to the server.",
                "Look at this machine's network (“ip route get” and the server's address), and at --never, -4 and -6 if they \
                 were given.",
            );
        }
        let evidence = format!("{}; {} ICMP errors.", self.paths.join("; "), self.icmp);
        let next = if self.icmp > 0 {
            "The refusals (ICMP) come from the host, where the server is gone, or from a firewall that says no. See whether \
             mpmosh-server is running there; systemd may end what a login leaves behind (“loginctl enable-linger” forbids \
             it)."
        } else {
            "Datagrams that vanish without an error are mostly dropped by a firewall: allow UDP ports 60001 to 60999 to the \
             server, or choose an open one with -p."
        };
        Paragraph::new(what, evidence, next)
    }
}

/// As a shell tells the end by a signal.
fn shell_status(signal: Signal) -> u8 {
    u8::try_from(128 + signal.number()).unwrap_or(FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(outcome: Outcome, streams: bool) -> Ending {
        Ending {
            outcome,
            streams,
            signal: None,
            unwritten: None,
            last_words: None,
            port: 60001,
            paths: vec!["eth0: 9 sent, 0 received".into()],
            icmp: 0,
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
    fn silence_refusals_and_no_route_are_told_apart() {
        let told = |paths: &[&str], icmp| {
            let paths = paths.iter().map(|row| (*row).to_owned()).collect();
            let ending = Ending { paths, icmp, ..ending(Outcome::NothingReceived, false) };
            ending.status().unwrap_err().to_string()
        };
        assert!(told(&["eth0: 9 sent, 0 received"], 0).contains("firewall: allow"));
        assert!(told(&["eth0: 9 sent, 0 received"], 9).contains("is gone"));
        assert!(told(&[], 0).contains("route"));
    }
}
