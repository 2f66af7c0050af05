//! Starting or finding the session that is wanted: what the server does not decide by itself is asked of the user, over the
//! same login.

use super::announce::Objection;
use super::dialogue::{AskError, Dialogue};
use super::listing::Listed;
use super::{Announced, Error, Request, remote::Remote};
use crate::cli::args::Want;
use platform::clock;

/// What can start a server, or find one.
pub(super) trait Starts {
    /// Starts the server, or finds the one that is asked for.
    ///
    /// # Errors
    /// See [`Error`].
    fn start(&mut self, request: &Request, dialogue: &mut dyn Dialogue) -> Result<Announced, Error>;

    /// There may be another request.
    fn expect_more(&mut self) {}

    /// What it is called in messages.
    fn name(&self) -> String;

    /// Ends the server that was started last.
    fn end(&mut self, announced: &Announced);
}

impl Starts for dyn Remote + '_ {
    fn start(&mut self, request: &Request, dialogue: &mut dyn Dialogue) -> Result<Announced, Error> {
        Remote::start(self, request, dialogue)
    }

    fn expect_more(&mut self) {
        Remote::expect_more(self);
    }

    fn name(&self) -> String {
        self.host().to_owned()
    }

    fn end(&mut self, _: &Announced) {
        if let Err(error) = super::second::end_started(self) {
            log::info!("the server that is of no use was not ended: {error}");
        }
    }
}

/// Refuses what no server can do.
pub(super) fn check(request: &Request) -> Result<(), Error> {
    if request.server.want.is_kept() && request.server.names_stock() {
        return Err(Error::StockDialect);
    }
    Ok(())
}

/// Starts or finds the session, and asks the user which one it is to be, and whether its client is to lose it.
pub(super) fn start(
    host: &mut (impl Starts + ?Sized),
    request: &Request,
    dialogue: &mut dyn Dialogue,
) -> Result<Announced, Error> {
    let mut request = request.clone();
    if matches!(
        request.server.want,
        Want::Attach { take: false, .. } | Want::New { name: Some(_), take: false }
    ) {
        host.expect_more();
    }
    loop {
        let (at, objection) = match host.start(&request, dialogue) {
            Err(Error::Refused { host, way, objection }) => ((host, way), objection),
            Ok(announced) => return keeps(host, &request, announced, dialogue),
            Err(error) => return Err(error),
        };
        let again = match objection.code.as_str() {
            "several" => choose(&at.0, &objection, &mut request.server.want, dialogue),
            "busy" => take_over(&objection, &mut request.server.want, dialogue),
            _ => Ok(false),
        };
        let (host, way) = at;
        match again {
            Ok(true) => {}
            Ok(false) | Err(AskError::NoTerminal) => return Err(Error::Refused { host, way, objection }),
            Err(AskError::Cancelled) => return Err(Error::LeftAlone { busy: objection.code == "busy" }),
            Err(cause) => {
                return Err(Error::Ask {
                    question: "Which session it is to be was to be asked",
                    cause,
                    refused: Vec::new(),
                });
            }
        }
    }
}

/// A server that ignores what it does not know has started a session that ends with its client.
fn keeps(
    host: &mut (impl Starts + ?Sized),
    request: &Request,
    announced: Announced,
    dialogue: &mut dyn Dialogue,
) -> Result<Announced, Error> {
    let named = request.server.want.is_kept();
    match &announced.session {
        None if named => {
            host.end(&announced);
            return Err(Error::TooOld { host: host.name() });
        }
        Some(session) if request.within.as_ref() == Some(&session.id) => {
            // Nothing has been sent by the new key, which the server forgets.
            return Err(Error::Itself { called: session.called().to_owned() });
        }
        Some(session) if session.attached && !request.server.command.is_empty() => dialogue.tell(&format!(
            "mpmosh: the session {} was there already: the command was not started in it",
            session.called()
        )),
        _ => {}
    }
    Ok(announced)
}

/// Has the user choose one of several. Whether to ask for that one.
fn choose(
    host: &str,
    objection: &Objection,
    want: &mut Want,
    dialogue: &mut dyn Dialogue,
) -> Result<bool, AskError> {
    let Want::Attach { which, .. } = want else { return Ok(false) };
    let free = objection.sessions.free();
    if free.is_empty() || which.is_some() {
        return Ok(false);
    }
    if let [only] = &free[..] {
        // It has a client, and that is the next question.
        *which = Some(only.id.clone());
        return Ok(true);
    }
    let mut question = format!("Sessions on {host}:\n{}", numbered(&free).join("\n"));
    question.push_str(&format!("\nWhich one (1 to {})? ", free.len()));
    loop {
        let answer = dialogue.ask(&question)?;
        if let Some(chosen) = chosen(&answer, &free) {
            *which = Some(chosen.id.clone());
            return Ok(true);
        }
        question = format!("Please type a number from 1 to {}, or a name: ", free.len());
    }
}

/// The session that an answer names: by number, id or name.
fn chosen<'a>(answer: &str, free: &[&'a Listed]) -> Option<&'a Listed> {
    let named = free.iter().find(|one| one.name.as_deref() == Some(answer) || one.id == answer);
    let number = || answer.parse::<usize>().ok()?.checked_sub(1).and_then(|index| free.get(index));
    named.or_else(number).copied()
}

/// The sessions, a line each with its number, for whoever chooses.
pub(super) fn numbered(sessions: &[&Listed]) -> Vec<String> {
    let names = sessions.iter().map(|one| one.called().chars().count()).max().unwrap_or(0);
    let digits = sessions.len().to_string().len();
    let now = clock::since_1970().as_secs();
    let line = |(index, one): (usize, &&Listed)| {
        format!("  {:>digits$}  {:<names$}  {}, {}", index + 1, one.called(), one.runs, one.standing(now))
    };
    sessions.iter().enumerate().map(line).collect()
}

/// Asks whether the session's client is to lose it. Whether it is.
fn take_over(objection: &Objection, want: &mut Want, dialogue: &mut dyn Dialogue) -> Result<bool, AskError> {
    let (Want::Attach { take, .. } | Want::New { take, .. }) = want;
    if *take {
        return Ok(false);
    }
    let sentence = match objection.sentence.is_empty() {
        true => "Another client has the session.",
        false => &objection.sentence,
    };
    let mut question = format!("{sentence}\nTake it over (yes/no)? ");
    loop {
        match dialogue.ask(&question)?.to_ascii_lowercase().as_str() {
            "y" | "yes" => *take = true,
            "n" | "no" => return Err(AskError::Cancelled),
            _ => {
                question = "Please type “yes” or “no”: ".into();
                continue;
            }
        }
        return Ok(true);
    }
}
