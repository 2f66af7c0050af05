//! The table of paths on standard output.
//!
//! Contract: columns are aligned over all sessions, and nothing in it is obeyed by a terminal. On a narrow terminal columns
//! go whole, the least needed first: no number is cut.

use crate::session::report::table::{Addresses, Columns, addresses};
use crate::session::report::{
    PathReport, PathState, SessionReport, capacities, duration, loss, milliseconds, reason, spent,
};
use crate::text::sanitize::{one_line, wrapped};
use std::time::Duration;

const COLUMNS: usize = 11;
/// The place of the addresses.
const ADDRESSES: usize = 10;
const TABLE: Columns<COLUMNS> = Columns {
    headings: [
        "",
        "interface",
        "role",
        "RTT ms",
        "lost in/out",
        "state",
        "why",
        "sent",
        "received",
        "octets",
        "path",
    ],
    right: [false, false, false, true, true, false, false, true, true, true, false],
    least_needed: &[9, 8, 7, 6, 4, 2, ADDRESSES, 3],
    names: 1,
};
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

/// The sessions' tables, as text, for so many columns (none: any number).
pub(super) fn text(sessions: &[SessionReport], columns: Option<usize>) -> String {
    lines(sessions, columns).into_iter().map(|(_, line)| line + "\n").collect()
}

/// The sessions' tables, one below the other. The line before a table says which session it is of; the path that carries
/// it has an asterisk.
pub(super) fn lines(sessions: &[SessionReport], columns: Option<usize>) -> Vec<(Sort, String)> {
    let (tables, widths) = tables(sessions, columns);
    let prose = |text: &str, indent: &str| -> Vec<String> {
        let room = columns.map_or(usize::MAX, |columns| columns.saturating_sub(indent.len()));
        wrapped(text, room).into_iter().map(|line| format!("{indent}{line}")).collect()
    };
    let mut out = Vec::new();
    for (session, rows) in sessions.iter().zip(&tables) {
        if !out.is_empty() {
            out.push((Sort::Blank, String::new()));
        }
        out.extend(prose(&title(session), "").into_iter().map(|line| (Sort::Title, line)));
        if rows.is_empty() {
            out.push((Sort::Closed, "  no path to the server".into()));
        } else {
            out.push((Sort::Heading, TABLE.heading(&widths)));
        }
        for (path, cells) in session.paths.iter().zip(rows) {
            let sort = match path.state {
                PathState::Answering if path.chosen => Sort::Carrier,
                PathState::Answering | PathState::Untried => Sort::Well,
                PathState::Suspect | PathState::Lost | PathState::Refused => Sort::Silent,
                PathState::Down | PathState::Retired => Sort::Closed,
            };
            out.push((sort, TABLE.line(cells, &widths)));
        }
        let seen = capacities(&session.paths);
        for remark in session.remarks.iter().cloned().chain(seen) {
            out.extend(prose(&one_line(&remark, 300), "  ").into_iter().map(|line| (Sort::Closed, line)));
        }
    }
    out
}

/// The cells of every session, with as much of the addresses as there is room for, and the columns' widths.
fn tables(
    sessions: &[SessionReport],
    columns: Option<usize>,
) -> (Vec<Vec<[String; COLUMNS]>>, [usize; COLUMNS]) {
    let with = |told, spared| {
        let table = |session: &SessionReport| -> Vec<[String; COLUMNS]> {
            let told = addresses(&session.paths, told, "->");
            session.paths.iter().zip(told).map(|(path, told)| cells(path, told)).collect()
        };
        let tables: Vec<_> = sessions.iter().map(table).collect();
        let (widths, whole) = TABLE.widths(&tables.concat(), columns, spared);
        (tables, widths, whole)
    };
    // What is given up before the addresses are shortened, and before they are shortened once more.
    for (told, spared) in [(Addresses::Full, 3), (Addresses::Apart, 4)] {
        if let (tables, widths, true) = with(told, spared) {
            return (tables, widths);
        }
    }
    let (tables, widths, _) = with(Addresses::Family, COLUMNS);
    (tables, widths)
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
        "{} (process {}): {kind}{} dialect, for {age}, {}{heard}",
        one_line(&session.name, WORD),
        session.pid,
        one_line(&session.dialect, WORD),
        spent(&session.paths),
    )
}

fn cells(path: &PathReport, addresses: String) -> [String; COLUMNS] {
    let rtt = path.srtt_ms.zip(path.rttvar_ms).map_or_else(
        || "-".into(),
        |(srtt, rttvar)| format!("{} ±{}", milliseconds(srtt), milliseconds(rttvar)),
    );
    let lasts = duration(Duration::from_millis(path.silent_ms.unwrap_or(path.for_ms)));
    [
        if path.carries() { "*" } else { "" }.into(),
        one_line(&path.interface, WORD),
        path.role.as_str().into(),
        rtt,
        loss(path),
        format!("{} for {lasts}", path.state.as_str()),
        reason(path).into(),
        path.sent.to_string(),
        path.received.to_string(),
        path.max_datagram.to_string(),
        addresses,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::report::tests::path;

    fn session(name: &str, paths: Vec<PathReport>) -> SessionReport {
        SessionReport {
            pid: 4711,
            name: name.into(),
            release: "1.2.3".into(),
            dialect: "multipath".into(),
            kind: "terminal".into(),
            age_ms: 62_000,
            heard_ms: Some(20_000),
            discarded: 0,
            paths,
            remarks: Vec::new(),
        }
    }

    #[test]
    fn columns_are_aligned_over_all_sessions() {
        let carrier = PathReport { chosen: true, ..path("wlan0", PathState::Answering, 9) };
        let lost = PathReport { sent: 1_234_567, ..path("wwan0\u{1b}[2J", PathState::Lost, 3) };
        let never = PathReport { received: 0, srtt_ms: None, ..path("eth0", PathState::Retired, 70) };
        let remarks = vec!["eth1 is not used: tun0 takes all traffic".into()];
        let second = SessionReport { remarks, ..session("b", vec![never]) };
        let text = text(&[session("a", vec![carrier, lost]), second, session("c", vec![])], None);
        let expected = "\
a (process 4711): multipath dialect, for 1 min, 27 kB sent and 0 B received; last heard 20 s ago
   interface  role      RTT ms  lost in/out  state              why                sent  received  octets  path
*  wlan0      primary  40 ±3.5        0/2 %  answering for 9 s                      120       118    1252  192.0.2.10 -> 203.0.113.1:60001
   wwan0      primary  40 ±3.5            -  lost for 3 s       no answers      1234567       118    1252  192.0.2.10 -> 203.0.113.1:60001

b (process 4711): multipath dialect, for 1 min, 14 kB sent and 0 B received; last heard 20 s ago
   interface  role      RTT ms  lost in/out  state              why                sent  received  octets  path
   eth0       primary        -            -  retired for 1 min  never answered      120         0    1252  192.0.2.10 -> 203.0.113.1:60001
  eth1 is not used: tun0 takes all traffic

c (process 4711): multipath dialect, for 1 min, 0 B sent and 0 B received; last heard 20 s ago
  no path to the server
";
        assert_eq!(text, expected);
    }

    #[test]
    fn on_a_narrow_terminal_columns_go_whole_and_no_number_is_cut() {
        let v4 = PathReport { loss_in: Some(100), ..path("wlan0", PathState::Answering, 9) };
        let v6 = PathReport {
            remote: ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 60001).into(),
            srtt_ms: Some(1234.0),
            chosen: true,
            ..path("wlan0", PathState::Lost, 100)
        };
        let sessions = [session("a-host.example.org", vec![v4, v6])];
        let narrow = |columns: usize| {
            let lines = lines(&sessions, Some(columns));
            assert!(lines.iter().all(|(_, line)| line.chars().count() <= columns), "{lines:?}");
            lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>()
        };
        let eighty = narrow(80);
        let row = eighty.iter().find(|line| line.contains("100/2 %")).expect("whole");
        assert!(row.contains("203.0.113.1"), "{eighty:?}");
        assert!(eighty.iter().any(|line| line.contains("2001:db8::1") && line.contains("1234 ±3.5")));
        assert!(!eighty.iter().any(|line| line.starts_with('*')), "a dead path carries nothing: {eighty:?}");
        let forty = narrow(40);
        assert!(forty.iter().any(|line| line.contains("lost for 1 min")), "{forty:?}");
        assert!(narrow(30).iter().any(|line| line.contains("lost for 1 min")));
    }
}
