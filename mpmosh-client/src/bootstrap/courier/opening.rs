//! Another ssh for a session that runs: in the background, without a question.
//!
//! Contract: what needs the user is refused for good, and so is what a host would take for an attack if it came again: a
//! login that was refused, a host's key that has changed. What the network may have done is not lasting.

use super::NoCarrier;
use crate::bootstrap::carriage::{Carriage, Preface};
use crate::bootstrap::command;
use crate::bootstrap::dialogue::Nobody;
use crate::bootstrap::{Error, Request, login};
use crate::cli::args::Destination;
use crate::text::messages::Paragraph;
use crate::text::sanitize::one_line;

/// A stream to the command that carries for this session: the first of the lines that are tried which runs.
/// `plain`: no script is run there.
pub(super) fn open(
    request: &Request,
    destination: &Destination,
    session: &str,
    plain: bool,
) -> Result<Carriage, NoCarrier> {
    let words = ["carry".to_owned(), session.to_owned()];
    let plain = command::plain_question(&request.server, &words).filter(|_| plain);
    let line = plain.unwrap_or_else(|| command::carry_line(&request.server, session));
    let host = login(&request.unattended(), destination, &mut Nobody).map_err(refusal)?;
    host.carry_by(&line).map_err(refusal)
}

/// What a failure to open means for the next attempt.
fn refusal(error: Error) -> NoCarrier {
    let network = matches!(
        error,
        Error::Resolve { .. }
            | Error::Connect { .. }
            | Error::Handshake { .. }
            | Error::Jump { .. }
            | Error::Broken { .. }
            | Error::Hangs { .. }
    );
    let paragraph = Paragraph::from(error);
    NoCarrier { lasting: !network, sentence: one_line(&paragraph.what, 200) }
}

/// What it means that a command ended before it carried anything.
pub(in crate::bootstrap) fn refusal_of(carriage: &mut Carriage, preface: &Preface) -> NoCarrier {
    let (status, said) = carriage.ending();
    judge(status, &said, preface.last_words())
}

/// What its status, ssh's words and its own say. ssh's own status is 255, whatever has failed; what it was stands in its words.
fn judge(status: Option<i32>, ssh: &str, command: &str) -> NoCarrier {
    const LASTING: [&str; 5] =
        ["Permission denied", "verification failed", "authentication failures", "not permitted", "Bad owner"];
    let last = ssh.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    match status {
        Some(255) | None => {
            let lasting = LASTING.iter().any(|words| ssh.contains(words));
            let last = one_line(last.trim(), 200);
            let sentence = if last.is_empty() { "ssh has ended".into() } else { format!("ssh says: {last}") };
            NoCarrier { lasting, sentence }
        }
        // It ran, and does not carry.
        Some(_) if command.is_empty() => {
            NoCarrier { lasting: true, sentence: "the server there is too old for that".into() }
        }
        Some(_) => NoCarrier { lasting: true, sentence: format!("the server there says: {command}") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_fails_is_tried_again_and_a_login_that_fails_is_not() {
        for (said, lasting) in [
            ("ssh: connect to host h port 22: Connection timed out\r\n", false),
            ("kex_exchange_identification: Connection closed by remote host\n", false),
            ("ssh: Could not resolve hostname h: Temporary failure in name resolution\n", false),
            ("u@h: Permission denied (publickey,password).\r\n", true),
            ("Host key verification failed.\n", true),
            ("Received disconnect from 192.0.2.1 port 22:2: Too many authentication failures\n", true),
        ] {
            let refusal = judge(Some(255), said, "");
            assert_eq!(refusal.lasting, lasting, "{refusal:?}");
        }
        let gone = judge(Some(1), "", "mpmosh-server: there is no session abc123 here");
        assert!(gone.lasting && gone.sentence.contains("abc123"), "{gone:?}");
        assert!(judge(Some(0), "", "").lasting);
        assert!(!judge(None, "", "").lasting, "the connection was lost");
    }
}
