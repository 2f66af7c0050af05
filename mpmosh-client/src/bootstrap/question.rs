//! What our server on the host is asked about the sessions there, and answers at once.

use super::dialogue::Dialogue;
use super::remote::{Remote, RemoteOutput};
use super::{Error, Request, command, local, login};
use crate::cli::args::Target;

/// A question to the server, in its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Which sessions are there?
    Sessions,
    /// Will this one let go of its client?
    Detach(String),
    /// Will this one end?
    Kill(String),
}

impl Question {
    pub(super) fn words(&self) -> Vec<String> {
        match self {
            Self::Sessions => vec!["sessions".into(), "--json".into()],
            Self::Detach(which) => vec!["detach".into(), which.clone()],
            Self::Kill(which) => vec!["kill".into(), which.clone()],
        }
    }
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What it printed, as it came.
    pub text: String,
    /// Whether it says that it did what it was asked for.
    pub done: bool,
}

impl Answer {
    /// The line of JSON in it.
    #[must_use]
    pub fn json(&self) -> Option<&str> {
        let begins = |line: &&str| line.starts_with('{');
        self.text.lines().rev().map(str::trim).find(begins)
    }

    /// Its last sentence, fit for printing.
    #[must_use]
    pub fn sentence(&self) -> String {
        let last = self.text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        super::sentence(last)
    }
}

/// Logs in and asks. Blocks until there is an answer.
///
/// # Errors
/// There is none: see [`Error`].
pub fn ask(request: &Request, question: &Question, dialogue: &mut dyn Dialogue) -> Result<Answer, Error> {
    if request.server.names_stock() {
        return Err(Error::StockDialect);
    }
    let words = question.words();
    let outcome = match &request.target {
        Target::Local => {
            local::ask(request, &words).and_then(|output| answer(request, "this machine", &output))
        }
        Target::Remote(destination) => {
            let host = login(request, destination, dialogue);
            host.and_then(|mut host| {
                dialogue.stage(Some(&format!("asking {}", host.host())));
                ask_host(&mut *host, request, &words)
            })
        }
    };
    dialogue.stage(None);
    outcome
}

fn ask_host(host: &mut dyn Remote, request: &Request, words: &[String]) -> Result<Answer, Error> {
    let name = host.host().to_owned();
    let output = host.ask(&command::question(&request.server, words), &[], &[])?;
    if output.has("MPMOSH ") {
        return answer(request, &name, &output);
    }
    // No script is run there, as by a restricted shell or a list of allowed commands.
    match command::plain_question(&request.server, words) {
        Some(line) => {
            log::info!("{name}: no script is run there; asking for “{line}”");
            let plain = host.ask_by(&line, &[])?;
            answer(request, &name, &plain)
        }
        None => answer(request, &name, &output),
    }
}

/// What the output says: between two lines of our script's, or all of it where no script was run.
fn answer(request: &Request, host: &str, output: &RemoteOutput) -> Result<Answer, Error> {
    let all = String::from_utf8_lossy(&output.output);
    let host = host.to_owned();
    let asked = "mpmosh-server".to_owned();
    if output.line("MPMOSH ONLY-STOCK").is_some() {
        return Err(Error::StockHere { host });
    }
    if let Some(path) = output.line("MPMOSH NO-SERVER") {
        return Err(Error::NoServer { host, asked, path, output: output.printed(), ran: true });
    }
    let status =
        output.line("MPMOSH STATUS ").and_then(|status| status.parse::<i32>().ok()).or(output.status);
    let said = all.rsplit_once("MPMOSH ANSWER").map_or(&*all, |(_, said)| said);
    let said = said.rsplit_once("MPMOSH STATUS").map_or(said, |(said, _)| said);
    if is_too_old(said) {
        return Err(Error::TooOld { host });
    }
    match status {
        // What sh and env say when a command is not there.
        Some(127) => {
            let asked = request.server.program.clone().unwrap_or(asked);
            Err(Error::NoServer { host, asked, path: String::new(), output: output.printed(), ran: true })
        }
        status => Ok(Answer { text: said.trim().to_owned(), done: status == Some(0) }),
    }
}

/// Whether these are the words of a server that does not know what it is asked for: its list of what it knows has no such
/// word.
pub(super) fn is_too_old(said: &str) -> bool {
    ["attach", "sessions", "detach", "kill"]
        .iter()
        .any(|verb| said.contains(&format!("invalid value '{verb}'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Answer, Error> {
        let output = RemoteOutput { output: text.into(), status: None };
        answer(&Request::to(Target::Local), "h", &output)
    }

    #[test]
    fn an_answer_stands_between_two_lines_whatever_login_scripts_print() {
        let json = r#"{"version":1,"sessions":[]}"#;
        let text = format!("{{motd}}\nPrompt>\nMPMOSH ANSWER\n{json}\nMPMOSH STATUS 0\n");
        let got = read(&text).unwrap();
        assert_eq!((got.json(), got.done), (Some(json), true));
        let refused =
            read("\nMPMOSH ANSWER\nmpmosh-server: no \u{1b}[2Jsession “x”.\nMPMOSH STATUS 1\n").unwrap();
        assert_eq!((refused.sentence().as_str(), refused.done), ("No session “x”.", false));
        let plain = RemoteOutput { output: format!("motd\n{json}\n").into(), status: Some(0) };
        let got = answer(&Request::to(Target::Local), "h", &plain).unwrap();
        assert_eq!((got.json(), got.done), (Some(json), true));
    }

    #[test]
    fn what_cannot_answer_is_told_apart() {
        assert!(
            matches!(read("\nMPMOSH NO-SERVER /bin\n"), Err(Error::NoServer { path, .. }) if path == "/bin")
        );
        assert!(matches!(read("\nMPMOSH ONLY-STOCK\n"), Err(Error::StockHere { .. })));
        let old = "\nMPMOSH ANSWER\nerror: invalid value 'sessions' for '[VERB]'\n  [possible values: new]\n\nMPMOSH STATUS 1\n";
        assert!(matches!(read(old), Err(Error::TooOld { .. })));
        assert!(matches!(
            read("\nMPMOSH ANSWER\nsh: x: not found\nMPMOSH STATUS 127\n"),
            Err(Error::NoServer { .. })
        ));
    }
}
