//! `mpmosh paths`: the paths of this user's running sessions, as a table, a live view, or JSON.
//!
//! Contract: asks each session over its control socket (see `run/control.rs`) and waits for none: a session that is
//! stopped is named and passed over. Status 0: some session was told of; 1: there is none (of that name); 255: wrong words.
//!
//! The JSON is `{"version":1,"sessions":[…]}`, each session a [`SessionReport`]. Times are in milliseconds, loss in
//! percent. Fields are added, and do not go or change while the version stays.

mod sessions;
mod table;
mod watch;

use crate::cli::args::{Form, PathsRequest};
use crate::session::report::{SessionReport, VERSION};
use crate::text::messages::{Paragraph, notice};
use platform::control;
use platform::tty;
use serde::Serialize;
use sessions::Reply;
use std::io::{self, IsTerminal, Write};

/// The status when there is no session to tell of.
const NONE: u8 = 1;

/// All sessions, as JSON.
#[derive(Serialize)]
struct All<'a> {
    version: u32,
    sessions: &'a [SessionReport],
}

/// Tells of the paths, and gives the exit status.
///
/// # Errors
/// What the user is told: standard output cannot be written, or the terminal not be used.
pub fn run(request: &PathsRequest) -> Result<u8, Paragraph> {
    let told = match request.form {
        Form::Watch => watch::run(request),
        Form::Table | Form::Json => once(request),
    };
    match told {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        told => told.map_err(|error| {
            Paragraph::new("The paths cannot be shown.", format!("The system says: {error}."), "")
        }),
    }
}

fn once(request: &PathsRequest) -> io::Result<u8> {
    let sessions = ask(request);
    let mut out = io::stdout().lock();
    if request.form == Form::Json {
        serde_json::to_writer(&mut out, &All { version: VERSION, sessions: &sessions })?;
        out.write_all(b"\n")?;
    } else {
        // Whoever reads it from a file has all the room.
        let columns = out.is_terminal().then(|| tty::size(io::stdout())).flatten();
        let columns = columns.map(|size| usize::from(size.columns));
        out.write_all(table::text(&sessions, columns).as_bytes())?;
    }
    out.flush()?;
    if sessions.is_empty() {
        tell_of_none(request);
        return Ok(NONE);
    }
    Ok(0)
}

/// The reports of the sessions that are asked for. Those that do not answer are named on standard error.
fn ask(request: &PathsRequest) -> Vec<SessionReport> {
    let mut reports = Vec::new();
    for found in sessions::find().iter().filter(|found| found.may_be(request)) {
        match found.ask() {
            Reply::Report(report) if is_meant(&report, request) => reports.push(*report),
            Reply::Report(_) | Reply::Gone => {}
            Reply::Problem(problem) => {
                notice(&format!("mpmosh: {problem}"));
            }
        }
    }
    reports
}

/// Whether it is this session that is asked for.
fn is_meant(session: &SessionReport, request: &PathsRequest) -> bool {
    request.process().is_some() || request.which.as_ref().is_none_or(|name| *name == session.name)
}

fn tell_of_none(request: &PathsRequest) {
    let what = match (&request.which, request.process()) {
        (None, _) => "No session of yours is running on this machine.".to_owned(),
        (Some(_), Some(id)) if control::is_of_another_user(id) => {
            format!("Process {id} is another user's, and sessions tell their own user alone of their paths.")
        }
        (Some(_), Some(id)) => format!("Process {id} is no session of yours that answers."),
        (Some(name), None) => {
            format!(
                "No session of yours is called “{}” (“mpmosh paths” shows all).",
                crate::text::sanitize::one_line(name, 80)
            )
        }
    };
    notice(&format!("mpmosh: {what}"));
}
