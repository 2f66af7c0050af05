//! The table of sessions on standard output.
//!
//! Contract: nothing in it is obeyed by a terminal. Where a row is wider than the terminal each session has a paragraph
//! instead, with the same words. The command that returns to a session is whole in both, and can be copied.

use crate::bootstrap::listing::Listed;
use crate::text::sanitize::wrapped;
use crate::text::stretch::{duration, since};
use core::time::Duration;

const HEADINGS: [&str; 5] = ["session", "name", "what runs", "since", "client"];
/// Between two columns.
const GAP: &str = "  ";

/// The sessions for so many columns (none: any number), at a time in seconds since 1970.
pub(super) fn text(sessions: &[Listed], way: &str, columns: Option<usize>, now: u64) -> String {
    if sessions.is_empty() {
        return String::new();
    }
    let rows: Vec<[String; 5]> = sessions.iter().map(|one| cells(one, now)).collect();
    let mut lines = match table(&rows) {
        lines if columns.is_none_or(|columns| lines.iter().all(|line| line.chars().count() <= columns)) => {
            lines
        }
        _ => return paragraphs(sessions, way, columns.unwrap_or(usize::MAX), now),
    };
    lines.push(String::new());
    let commands = sessions.iter().filter(|one| one.closed.is_empty());
    lines.extend(commands.map(|one| format!("mpmosh attach {way} {}", one.called())));
    lines.into_iter().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn cells(one: &Listed, now: u64) -> [String; 5] {
    [
        one.id.clone(),
        one.name.clone().unwrap_or_default(),
        one.runs.clone(),
        since(one.started, now).map(duration).unwrap_or_else(|| "-".into()),
        standing(one, now),
    ]
}

/// How it stands with its client, until when it waits, and why nobody can attach to it.
fn standing(one: &Listed, now: u64) -> String {
    let ends = one.ends.and_then(|ends| ends.checked_sub(now)).map(Duration::from_secs);
    let ends = ends.map(|time| format!("ends in {}", duration(time)));
    let closed = match one.closed {
        "" => None,
        why => Some(format!("no attaching: {why}")),
    };
    core::iter::once(one.standing(now)).chain(ends).chain(closed).collect::<Vec<_>>().join(", ")
}

/// Rows under their headings; a column that nobody has is none.
fn table(rows: &[[String; 5]]) -> Vec<String> {
    let headings = HEADINGS.map(str::to_owned);
    let widths: [usize; 5] = core::array::from_fn(|column| {
        let widest = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        if widest == 0 { 0 } else { widest.max(headings[column].chars().count()) }
    });
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(widths).filter(|(_, width)| *width > 0);
        cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect::<Vec<_>>()
            .join(GAP)
            .trim_end()
            .to_owned()
    };
    core::iter::once(&headings).chain(rows).map(line).collect()
}

/// The same, a paragraph each.
fn paragraphs(sessions: &[Listed], way: &str, columns: usize, now: u64) -> String {
    let mut out = String::new();
    for one in sessions {
        let called = match &one.name {
            Some(name) => format!("{name} ({})", one.id),
            None => one.id.clone(),
        };
        let age = since(one.started, now).map(|age| format!(", for {}", duration(age))).unwrap_or_default();
        let first = wrapped(&format!("{called}: {}{age}", one.runs), columns);
        let second = wrapped(&standing(one, now), columns.saturating_sub(GAP.len()));
        for line in first.into_iter().chain(second.into_iter().map(|line| format!("{GAP}{line}"))) {
            out.push_str(&line);
            out.push('\n');
        }
        if one.closed.is_empty() {
            out.push_str(&format!("{GAP}mpmosh attach {way} {}\n", one.called()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::listing::Presence;

    const NOW: u64 = 1_800_000_000;

    fn sessions() -> Vec<Listed> {
        let there = Presence::There("192.0.2.7:51000".into(), Duration::from_secs(3));
        vec![
            Listed {
                id: "kq3f8a".into(),
                name: Some("work".into()),
                runs: "vim notes".into(),
                started: NOW - 7500,
                client: there,
                ..Listed::default()
            },
            Listed {
                id: "b00000".into(),
                runs: "login shell".into(),
                started: NOW - 42,
                client: Presence::Detached(NOW - 30),
                ends: Some(NOW + 14 * 86_400),
                ..Listed::default()
            },
            Listed {
                id: "c00000".into(),
                runs: "login shell".into(),
                client: Presence::Silent(Duration::from_secs(90)),
                closed: "mosh's dialect",
                ..Listed::default()
            },
        ]
    }

    #[test]
    fn a_row_has_all_that_is_told_of_a_session_and_a_command_returns_to_each() {
        let text = text(&sessions(), "me@h:2222", None, NOW);
        let expected = "\
session  name  what runs    since      client
kq3f8a   work  vim notes    2 h 5 min  client 192.0.2.7:51000, heard 3 s ago
b00000         login shell  42 s       detached 30 s ago, ends in 14 d 0 h
c00000         login shell  -          client silent for 1 min, no attaching: mosh's dialect

mpmosh attach me@h:2222 work
mpmosh attach me@h:2222 b00000
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_narrow_terminal_has_the_same_words_and_whole_commands() {
        let mut sessions = sessions();
        let eighty = text(&sessions[..2], "h", Some(80), NOW);
        assert!(
            eighty.starts_with("session  name") && eighty.lines().all(|line| line.chars().count() <= 80),
            "{eighty}"
        );
        let expected = "\
work (kq3f8a): vim notes, for 2 h 5 min
  client 192.0.2.7:51000, heard 3 s ago
  mpmosh attach h work
b00000: login shell, for 42 s
  detached 30 s ago, ends in 14 d 0 h
  mpmosh attach h b00000
c00000: login shell
  client silent for 1 min, no attaching:
  mosh's dialect
";
        assert_eq!(text(&sessions, "h", Some(40), NOW), expected);
        sessions[0].runs =
            "a long command line that goes on for more than the columns of a usual terminal".into();
        let long = text(&sessions, "h", Some(80), NOW);
        assert!(
            !long.starts_with("session") && long.lines().all(|line| line.chars().count() <= 80),
            "{long}"
        );
    }
}
