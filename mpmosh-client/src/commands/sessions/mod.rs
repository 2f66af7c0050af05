//! `mpmosh sessions`, `detach` and `kill`: the sessions of the user on a host, as a table or as JSON, and what can be done to
//! them from elsewhere.
//!
//! Contract: standard output has the table, or one line of JSON and nothing else; questions go to the terminal, what is told
//! besides to standard error. Status 0: there are sessions, or it was done; 1: there is none (of that name); 255: they could
//! not be asked for.
//!
//! The JSON is the server's own line (`mpmosh-server sessions --json`), as it came but for characters that a terminal obeys,
//! which are escaped.

mod table;

use std::io::{self, IsTerminal, Write};
use std::thread;

use crate::bootstrap::listing::{Listing, Unlisted};
use crate::bootstrap::{self, Answer, Question, TerminalDialogue};
use crate::cli::args::{SessionArgs, Target};
use crate::cli::config::Config;
use crate::text::messages::{Paragraph, notice};
use crate::text::sanitize::{obeyed, one_line};
use platform::clock;
use platform::tty;

/// The status when there is no session to tell of, or none of that name.
const NONE: u8 = 1;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Which sessions are there?
    List {
        /// As JSON.
        json: bool,
    },
    /// This one is to let go of its client.
    Detach(String),
    /// This one is to end.
    Kill(String),
}

/// Asks the host, and gives the exit status.
///
/// # Errors
/// What the user is told: there is no answer, or it cannot be shown.
pub fn run(args: &SessionArgs, config: &Config, errand: &Errand) -> Result<u8, Paragraph> {
    let question = match errand {
        Errand::List { .. } => Question::Sessions,
        Errand::Detach(which) => Question::Detach(which.clone()),
        Errand::Kill(which) => Question::Kill(which.clone()),
    };
    let asked = bootstrap::Request::new(args, config, |_| None, 0, None);
    let verbose = args.verbose;
    // A password passes over this thread's stack, which ends with it. Nobody waits for a session here: what is told of
    // progress goes with the answer.
    let work = move || {
        let streams = !io::stdout().is_terminal();
        bootstrap::ask(&asked, &question, &mut TerminalDialogue::new(streams, verbose))
    };
    let answer = thread::spawn(work).join().unwrap_or(Err(bootstrap::Error::Panicked))?;
    let shown = match errand {
        Errand::List { json } => list(args, &answer, *json)?,
        Errand::Detach(_) | Errand::Kill(_) => done(&answer),
    };
    match shown {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        shown => shown.map_err(|error| {
            Paragraph::new("The answer cannot be shown.", format!("The system says: {error}."), "")
        }),
    }
}

/// What the server says of what it was told to do.
fn done(answer: &Answer) -> io::Result<u8> {
    let sentence = answer.sentence();
    if answer.done {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", if sentence.is_empty() { "Done." } else { &sentence })?;
        out.flush()?;
        return Ok(0);
    }
    let unsaid = "that was not done; what the server said of it, if anything, stands above.";
    notice(&format!("mpmosh: {}", if sentence.is_empty() { unsaid } else { &sentence }));
    Ok(NONE)
}

fn list(args: &SessionArgs, answer: &Answer, json: bool) -> Result<io::Result<u8>, Paragraph> {
    let host = match &args.target {
        Target::Local => "this machine".to_owned(),
        Target::Remote(destination) => one_line(&destination.host, 80),
    };
    let unreadable = |why: String| {
        Paragraph::new(
            format!("The list of sessions on {host} cannot be read."),
            format!("{why}."),
            "Bring both ends to the same release.",
        )
    };
    let Some(line) = answer.json() else {
        let said = answer.sentence();
        return Err(unreadable(match said.is_empty() {
            true => "The server printed nothing".into(),
            false => format!("The server printed: “{said}”"),
        }));
    };
    let listing = match Listing::parse(line) {
        // Whoever reads the JSON may know that version.
        Err(Unlisted::Version(_)) if json => None,
        listing => Some(listing.map_err(|error| unreadable(error.to_string()))?),
    };
    Ok(show(&args.way(), &host, line, listing.as_ref().filter(|_| !json), listing.as_ref()))
}

/// The table, or the line of JSON where there is to be none; whether there was something to tell of.
fn show(
    way: &str,
    host: &str,
    line: &str,
    table: Option<&Listing>,
    listing: Option<&Listing>,
) -> io::Result<u8> {
    let mut out = io::stdout().lock();
    match table {
        None => writeln!(out, "{}", escaped(line))?,
        Some(listing) => {
            // Whoever reads it from a file has all the room.
            let columns = out.is_terminal().then(|| tty::size(io::stdout())).flatten();
            let columns = columns.map(|size| usize::from(size.columns));
            out.write_all(
                table::text(&listing.sessions, way, columns, clock::since_1970().as_secs()).as_bytes(),
            )?;
        }
    }
    out.flush()?;
    if listing.is_some_and(|listing| listing.sessions.is_empty()) {
        notice(&format!("mpmosh: no session of yours is on {host}."));
        return Ok(NONE);
    }
    Ok(0)
}

/// JSON without characters that a terminal obeys: they stand in strings alone, where an escape means the same.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\t' => out.push(' '),
            c if obeyed(c) => {
                let mut units = [0; 2];
                out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_passed_on_as_it_came_but_for_what_a_terminal_obeys() {
        let line = "{\"version\":1,\"sessions\":[{\"title\":\"é \u{9b}2J\u{202e}\\u001b[2J\"}]}";
        let safe = escaped(line);
        assert!(!safe.chars().any(obeyed), "{safe:?}");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&safe), read(line));
        assert_eq!(escaped("{\"version\":1}"), "{\"version\":1}");
    }
}
