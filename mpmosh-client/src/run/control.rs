//! The control socket of a session, by which `mpmosh paths` asks for its report.
//!
//! One line is asked, `paths 1` or `watch 1` (a verb and the version of [`crate::session::report`]), and one line of JSON answers:
//! an object with `version`, `release`, and `session` or `error`. `watch` goes on: a line at least once a second, and when
//! a path changes, until the asker leaves.
//!
//! Contract: see [`Desk`], which serves those who ask.

pub(crate) mod envelope;

use self::envelope::{Envelope, places};
use crate::session::report::{SessionReport, VERSION};
use platform::control::{Answer, Desk, Listener};

/// Opens the socket in the first place that allows one. A session without is a session all the same.
pub(super) fn open() -> Desk {
    let mut listener = None;
    for folder in places() {
        match Listener::open(&folder) {
            Ok(opened) => {
                listener = Some(opened);
                break;
            }
            // Standard error is the command's, as far as all else works.
            Err(error) => log::info!("no control socket in {}: {error}", folder.display()),
        }
    }
    Desk::on(listener)
}

/// What is reported, as a line.
pub(super) fn line_of(report: SessionReport) -> Vec<u8> {
    Envelope::of(report).line()
}

/// What a question means.
pub(super) fn understand(question: &str) -> Answer {
    let ours = VERSION.to_string();
    let problem = match question.split_once(' ') {
        Some((_, version)) if version != ours && version.parse::<u32>().is_ok() => {
            format!("this session speaks version {VERSION} of the control protocol only")
        }
        Some(("paths", version)) if version == ours => return Answer::Report,
        Some(("watch", version)) if version == ours => return Answer::Reports,
        _ => "what is asked is not known here".to_owned(),
    };
    Answer::Line(Envelope::problem(problem).line())
}
