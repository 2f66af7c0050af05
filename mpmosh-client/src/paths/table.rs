//! The table of paths on standard output.
//!
//! Contract: columns are aligned over all sessions, and nothing in it is obeyed by a terminal.

use crate::report::{PathReport, SessionReport, State, duration, milliseconds, reason};
use crate::sanitize::one_line;
use std::fmt::Write;
use std::time::Duration;

const COLUMNS: usize = 10;
/// What is cut off at the right of a narrow terminal is needed least.
const HEADINGS: [&str; COLUMNS] = [
    "",
    "interface",
    "role",
    "RTT ms",
    "lost in/out",
    "state",
    "sent",
    "received",
    "octets",
    "local -> remote",
];
/// Of the columns, those that hold numbers stand at the right.
const RIGHT: [bool; COLUMNS] = [false, false, false, true, true, false, true, true, true, false];
/// The longest word taken from a report.
const WORD: usize = 60;

/// What a line is, for whoever colours it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// Which session.
    Title,
    /// Of the columns.
    Heading,
    /// The path that carries the session, which answers.
    Carrier,
    /// A path that answers, or has not been tried.
    Well,
    /// A path whose answers are overdue.
    Silent,
    /// A path that is not used.
    Closed,
    /// Between tables.
    Blank,
}

/// The sessions' tables, as text.
pub(super) fn text(sessions: &[SessionReport]) -> String {
    lines(sessions).into_iter().map(|(_, line)| line + "\n").collect()
}

/// The sessions' tables, one below the other. The line before a table says which session it is of; the path that carries
/// it has an asterisk.
pub(super) fn lines(sessions: &[SessionReport]) -> Vec<(Sort, String)> {
    let tables: Vec<Vec<[String; COLUMNS]>> =
        sessions.iter().map(|session| session.paths.iter().map(cells).collect()).collect();
    let mut widths = HEADINGS.map(|heading| heading.chars().count());
    for cells in tables.iter().flatten() {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths[0] = 1;
    let mut out = Vec::new();
    for (session, rows) in sessions.iter().zip(&tables) {
        if !out.is_empty() {
            out.push((Sort::Blank, String::new()));
        }
        out.push((Sort::Title, title(session)));
        if rows.is_empty() {
            out.push((Sort::Closed, "  no path to the server".into()));
            continue;
        }
        out.push((Sort::Heading, line(&HEADINGS.map(str::to_owned), &widths)));
        for (path, cells) in session.paths.iter().zip(rows) {
            let sort = match path.state {
                State::Answering if path.chosen => Sort::Carrier,
                State::Answering | State::Untried => Sort::Well,
                State::Suspect | State::Lost => Sort::Silent,
                State::Down | State::Retired => Sort::Closed,
            };
            out.push((sort, line(cells, &widths)));
        }
    }
    out
}

fn title(session: &SessionReport) -> String {
    let age = duration(Duration::from_millis(session.age_ms));
    let heard = match session.heard_ms.map(Duration::from_millis) {
        None => "; nothing was heard yet".to_owned(),
        Some(silence) if silence >= Duration::from_secs(10) => {
            format!("; last heard {} ago", duration(silence))
        }
        Some(_) => String::new(),
    };
    let kind = match session.kind.as_str() {
        "streams" => "without a terminal, ",
        _ => "",
    };
    format!(
        "{} (process {}): {kind}{} dialect, for {age}{heard}",
        one_line(&session.name, WORD),
        session.pid,
        one_line(&session.dialect, WORD)
    )
}

fn cells(path: &PathReport) -> [String; COLUMNS] {
    let rtt = path.srtt_ms.zip(path.rttvar_ms).map_or_else(
        || "-".into(),
        |(srtt, rttvar)| format!("{} ±{}", milliseconds(srtt), milliseconds(rttvar)),
    );
    let lasts = duration(Duration::from_millis(path.silent_ms.unwrap_or(path.for_ms)));
    let why = match reason(path) {
        "" => String::new(),
        why => format!(": {why}"),
    };
    let state = format!("{} for {lasts}{why}", path.state.as_str());
    [
        if path.chosen { "*" } else { "" }.into(),
        one_line(&path.interface, WORD),
        path.role.as_str().into(),
        rtt,
        format!("{}/{} %", path.loss_in, path.loss_out),
        state,
        path.sent.to_string(),
        path.received.to_string(),
        path.max_datagram.to_string(),
        format!("{} -> {}", path.local, path.remote),
    ]
}

fn line(cells: &[String; COLUMNS], widths: &[usize; COLUMNS]) -> String {
    let mut out = String::new();
    for ((cell, width), right) in cells.iter().zip(widths).zip(RIGHT) {
        let _ = match right {
            true => write!(out, "{cell:>width$}  "),
            false => write!(out, "{cell:<width$}  "),
        };
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::path;

    #[test]
    fn columns_are_aligned_over_all_sessions() {
        let session = |name: &str, paths| SessionReport {
            pid: 4711,
            name: name.into(),
            release: "1.2.3".into(),
            dialect: "multipath".into(),
            kind: "terminal".into(),
            age_ms: 62_000,
            heard_ms: Some(20_000),
            discarded: 0,
            paths,
        };
        let carrier = PathReport { chosen: true, ..path("wlan0", State::Answering, 9) };
        let lost = PathReport { sent: 1_234_567, ..path("wwan0\u{1b}[2J", State::Lost, 3) };
        let never = PathReport { received: 0, srtt_ms: None, ..path("eth0", State::Retired, 70) };
        let text =
            text(&[session("a", vec![carrier, lost]), session("b", vec![never]), session("c", vec![])]);
        let expected = "\
a (process 4711): multipath dialect, for 1 min; last heard 20 s ago
   interface  role      RTT ms  lost in/out  state                                 sent  received  octets  local -> remote
*  wlan0      primary  40 ±3.5        0/2 %  answering for 9 s                      120       118    1252  192.0.2.10 -> 203.0.113.1:60001
   wwan0      primary  40 ±3.5        0/2 %  lost for 3 s: no answers           1234567       118    1252  192.0.2.10 -> 203.0.113.1:60001

b (process 4711): multipath dialect, for 1 min; last heard 20 s ago
   interface  role      RTT ms  lost in/out  state                                 sent  received  octets  local -> remote
   eth0       primary        -        0/2 %  retired for 1 min: never answered      120         0    1252  192.0.2.10 -> 203.0.113.1:60001

c (process 4711): multipath dialect, for 1 min; last heard 20 s ago
  no path to the server
";
        assert_eq!(text, expected);
    }
}
