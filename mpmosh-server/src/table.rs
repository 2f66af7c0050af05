//! Sessions for people: a table, and the notice of those that have no client.

use crate::registry::protocol::Info;
use crate::verbs::has_client;

/// The longest words of a column that is as long as its program wishes.
const WORDS: usize = 30;

/// The sessions, a line each.
#[must_use]
pub fn of(sessions: &[Info], now: u64) -> String {
    if sessions.is_empty() {
        return "No sessions.\n".into();
    }
    let mut rows = vec![["ID", "NAME", "RUNS", "SINCE", "CLIENT"].map(String::from)];
    for one in sessions {
        let name = one.name.clone().unwrap_or_else(|| "-".into());
        rows.push([one.id.clone(), name, runs(one), since(one, now), client(one, now)]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3].map(width);
    let line = |row: &[String; 5]| {
        let padded = row.iter().zip(widths).map(|(word, width)| format!("{word:<width$}  "));
        format!("{}{}\n", padded.collect::<String>(), row[4])
    };
    rows.iter().map(line).collect()
}

/// What runs there, as it calls itself.
fn runs(one: &Info) -> String {
    let words = match &one.command {
        Some(command) => command.as_str(),
        None if one.title.is_empty() => "login shell",
        None => one.title.as_str(),
    };
    shortened(words)
}

fn shortened(words: &str) -> String {
    let clean: String = words.chars().filter(|c| !c.is_control()).collect();
    match clean.char_indices().nth(WORDS) {
        Some((end, _)) => format!("{}…", &clean[..end]),
        None => clean,
    }
}

fn since(one: &Info, now: u64) -> String {
    if one.pid == 0 { "-".into() } else { span(now.saturating_sub(one.started)) }
}

fn client(one: &Info, now: u64) -> String {
    match (&one.client, one.detached) {
        _ if one.pid == 0 => "does not answer".into(),
        (Some(client), _) if has_client(one) => client.address.clone(),
        (Some(client), _) => format!("none heard for {}", span(client.heard)),
        (None, Some(at)) => format!("none for {}", span(now.saturating_sub(at))),
        (None, None) => "none yet".into(),
    }
}

/// A time in the largest unit that it has two of, or nearly.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86400),
    }
}

/// What a new session tells of those that wait for a client, and how one of them is got back.
#[must_use]
pub fn notice(waiting: &[Info]) -> Vec<u8> {
    let word = |one: &Info| one.name.clone().unwrap_or_else(|| one.id.clone());
    let attachable: Vec<String> = waiting.iter().filter(|one| one.attachable).map(word).collect();
    let text = match &attachable[..] {
        [] => return Vec::new(),
        [one] => format!("mpmosh: a session has no client: mpmosh attach HOST {one}"),
        [first, ..] => format!(
            "mpmosh: {} sessions have no client ({}): mpmosh attach HOST {first}",
            attachable.len(),
            attachable.join(", ")
        ),
    };
    format!("{text}\r\n\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::protocol::ClientInfo;

    fn session(id: &str, name: Option<&str>) -> Info {
        Info {
            id: id.into(),
            name: name.map(Into::into),
            pid: 7,
            started: 1000,
            attachable: true,
            ..Info::default()
        }
    }

    fn heard(seconds: u64) -> Option<ClientInfo> {
        Some(ClientInfo { address: "192.0.2.7:51000".into(), heard: seconds })
    }

    #[test]
    fn a_line_tells_what_runs_since_when_and_who_is_there() {
        let sessions = [
            Info { client: heard(3), ..session("abc123", Some("work")) },
            Info { command: Some("vim \u{1b}notes".into()), client: heard(400), ..session("bcd234", None) },
            Info { detached: Some(4600), title: "x".repeat(99), ..session("cde345", None) },
            Info { pid: 0, ..session("def456", None) },
        ];
        let table = of(&sessions, 8200);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 5);
        let [_, first, ..] = &lines[..] else { panic!("{table}") };
        assert_eq!(
            first.split_whitespace().collect::<Vec<_>>().join(" "),
            "abc123 work login shell 2 h 192.0.2.7:51000"
        );
        assert!(lines[2].contains("vim notes") && lines[2].ends_with("none heard for 6 min"), "{}", lines[2]);
        assert!(lines[3].contains("…") && lines[3].ends_with("none for 60 min"), "{}", lines[3]);
        assert!(lines[4].ends_with("does not answer"));
        assert_eq!(of(&[], 0), "No sessions.\n");
    }

    #[test]
    fn the_notice_names_what_waits_and_the_command_that_returns_to_it() {
        let text = |waiting: &[Info]| String::from_utf8(notice(waiting)).unwrap();
        assert_eq!(text(&[]), "");
        let one = text(&[session("abc123", None)]);
        assert_eq!(one, "mpmosh: a session has no client: mpmosh attach HOST abc123\r\n\r\n");
        let two = text(&[session("abc123", Some("work")), session("bcd234", None)]);
        assert!(two.contains("2 sessions have no client (work, bcd234): mpmosh attach HOST work"), "{two}");
        let stock = Info { attachable: false, ..session("cde345", None) };
        assert_eq!(text(&[stock]), "");
    }
}
