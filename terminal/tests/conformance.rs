//! What ECMA-48, DEC and xterm say a sequence does, case by case (`tests/vectors/term/conformance`; its `conform.py` says
//! what the files hold, and has each case witnessed by emulators that are not ours).

#![expect(clippy::unwrap_used, reason = "what is missing in a vector is a failed test")]

mod look;

use look::looks;
use mpmosh_terminal::{Cell, Emulator, Size};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

const SIZE: Size = Size { columns: 20, rows: 8 };

#[derive(Default)]
struct Case {
    name: String,
    send: Vec<u8>,
    text: Vec<String>,
    /// Of each row; `None` where only the text has been witnessed.
    looks: Option<Vec<String>>,
    cursor: String,
    reply: String,
    witnessed: bool,
    /// What is otherwise on purpose.
    ours: BTreeSet<String>,
}

fn case(block: &str) -> Case {
    let mut case = Case::default();
    for line in block.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        match key {
            "case" => case.name = value.to_owned(),
            "send" => case.send = unescaped(value),
            "from" if value == "tmux" => case.looks = Some(Vec::new()),
            "T" => {
                case.text.push(value.to_owned());
                if let Some(looks) = &mut case.looks {
                    looks.push(String::new());
                }
            }
            "A" => *case.looks.as_mut().unwrap().last_mut().unwrap() = value.to_owned(),
            "cursor" => case.cursor = value.to_owned(),
            "reply" => case.reply = value.to_owned(),
            "witness" => case.witnessed = true,
            "ours" => {
                let (what, reason) = value.split_once(": ").unwrap();
                assert!(!reason.is_empty());
                case.ours.insert(what.to_owned());
            }
            "clause" | "other" => assert!(!value.is_empty()),
            _ => panic!("{line}"),
        }
    }
    assert!(case.witnessed && !case.send.is_empty(), "{}", case.name);
    case
}

/// `\e`, `\a`, `\xNN`, … as `conform.py` reads them.
fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.extend(plain.bytes());
        let (kind, tail) = escape.split_at(1);
        let hex = |digits: usize| u32::from_str_radix(&tail[..digits], 16).unwrap();
        rest = match kind {
            "x" => {
                out.push(hex(2) as u8);
                &tail[2..]
            }
            "u" => {
                out.extend(char::from_u32(hex(4)).unwrap().encode_utf8(&mut [0; 4]).bytes());
                &tail[4..]
            }
            _ => {
                let named = ["e\x1b", "a\x07", "b\x08", "r\r", "n\n", "t\t", "v\x0b", "f\x0c", "\\\\"];
                out.push(named.iter().find(|pair| pair.starts_with(kind)).unwrap().as_bytes()[1]);
                tail
            }
        };
    }
    out.extend(rest.bytes());
    out
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            0x1b => text.push_str("\\e"),
            0x07 => text.push_str("\\a"),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(byte.into()),
            _ => write!(text, "\\x{byte:02x}").unwrap(),
        }
    }
    text
}

/// What is otherwise than expected, and how.
fn differences(case: &Case) -> Vec<(&'static str, String)> {
    let mut emulator = Emulator::new(SIZE);
    emulator.feed(&case.send);
    let screen = emulator.screen();
    let mut text = Vec::new();
    for row in screen.rows() {
        let row: String = row.cells().iter().map(Cell::text).collect();
        text.push(row.trim_end_matches(' ').to_owned());
    }
    text.truncate(text.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1));
    let cursor = screen.cursor();
    let column = |column: usize| column.min(usize::from(SIZE.columns) - 1);
    let (row, expected) = case.cursor.split_once(' ').unwrap();
    let expected = format!("{row} {}", column(expected.parse().unwrap()));
    let at = format!("{} {}", cursor.row, column(usize::from(cursor.column)));
    let shown: Vec<String> = screen.rows().take(text.len()).map(looks).collect();
    let reply = escaped(&emulator.take_replies());
    let mut found = Vec::new();
    let mut compare = |what, ours: String, theirs: String| {
        if ours != theirs {
            found.push((what, format!("{what}\n  ours   {ours}\n  theirs {theirs}")));
        }
    };
    // A composed character may have been printed for its parts.
    let composed = |text: &[String]| format!("{text:?}").replace("e\\u{301}", "é").replace("t\\u{301}", "t́");
    compare("screen", composed(&text), composed(&case.text));
    compare("cursor", at, expected);
    compare("reply", reply, case.reply.clone());
    if let Some(looks) = &case.looks {
        compare("looks", format!("{shown:?}"), format!("{looks:?}"));
    }
    found
}

#[test]
fn sequences_do_what_their_clauses_and_other_terminals_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/term/conformance");
    let (mut report, mut count) = (String::new(), 0);
    let mut groups: Vec<_> = root.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    groups.sort();
    for group in groups {
        for block in std::fs::read_to_string(&group).unwrap().trim_end().split("\n\n") {
            let case = case(block);
            count += 1;
            let found = differences(&case);
            for (what, difference) in &found {
                if !case.ours.contains(*what) {
                    writeln!(report, "{}: {}: {difference}", group.display(), case.name).unwrap();
                }
            }
            for what in case.ours.iter().filter(|what| !found.iter().any(|(found, _)| found == what)) {
                writeln!(report, "{}: {what} is said to be otherwise, and is not", case.name).unwrap();
            }
        }
    }
    println!("{count} cases");
    assert!(count > 120 && report.is_empty(), "{count} cases\n{report}");
}
