//! Recorded streams against the grids an independent emulator shows for them (`tests/vectors/term`; its `record.py`
//! says what the files hold). What we do otherwise stands in the case's `differences`, each with its reason.

#![expect(clippy::unwrap_used, reason = "what is missing in a vector is a failed test")]

mod look;

use look::looks;
use mpmosh_terminal::{Cell, Emulator, Mode, Mouse, MouseEncoding, Screen, Size, Vocabulary, diff};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

struct Case {
    name: String,
    size: Size,
    stream: Vec<u8>,
    /// By the number of octets after which it is shown.
    expected: BTreeMap<usize, String>,
    /// Offset and what is different there.
    differences: BTreeSet<(usize, String)>,
}

fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/term");
    let mut folders: Vec<PathBuf> = root
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("stream").is_file())
        .collect();
    folders.sort();
    assert!(!folders.is_empty());
    folders.iter().map(|folder| case(folder)).collect()
}

fn case(folder: &Path) -> Case {
    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let (columns, rows) = name.rsplit_once('-').unwrap().1.split_once('x').unwrap();
    let size = Size { columns: columns.parse().unwrap(), rows: rows.parse().unwrap() };
    let mut expected = BTreeMap::new();
    for file in folder.read_dir().unwrap().map(|entry| entry.unwrap().path()) {
        if let Some(offset) = file.file_name().unwrap().to_str().unwrap().strip_prefix("expected.") {
            expected.insert(offset.parse().unwrap(), std::fs::read_to_string(&file).unwrap());
        }
    }
    // OFFSET WHAT: REASON
    let listed = std::fs::read_to_string(folder.join("differences")).unwrap_or_default();
    let differences = listed
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .flat_map(|line| {
            let (offset, rest) = line.split_once(' ').unwrap();
            let (what, reason) = rest.split_once(": ").unwrap();
            assert!(!reason.is_empty());
            let offset: usize = offset.parse().unwrap();
            let range = what.split_once(' ').and_then(|(kind, rows)| Some((kind, rows.split_once('-')?)));
            match range {
                Some((kind, (first, last))) => (first.parse::<usize>().unwrap()..=last.parse().unwrap())
                    .map(|row| (offset, format!("{kind} {row}")))
                    .collect(),
                None => vec![(offset, what.to_owned())],
            }
        })
        .collect();
    Case { stream: std::fs::read(folder.join("stream")).unwrap(), name, size, expected, differences }
}

/// What a screen shows, in the words of an `expected` file, by what it is.
fn described(emulator: &Emulator) -> BTreeMap<String, String> {
    let screen = emulator.screen();
    let mut all = BTreeMap::new();
    let cursor = screen.cursor();
    let column = cursor.column + u16::from(cursor.wrap_pending);
    all.insert("cursor".into(), format!("{} {column}", cursor.row));
    let modes = screen.modes();
    let flags = [
        ("visible", modes.get(Mode::CursorVisible)),
        ("alternate", emulator.is_alternate()),
        ("appcursor", modes.get(Mode::ApplicationCursor)),
        ("keypad", modes.get(Mode::ApplicationKeypad)),
    ];
    all.insert("flags".into(), set(&flags));
    let mouse = [
        ("standard", modes.mouse == Mouse::Buttons),
        ("button", modes.mouse == Mouse::Drag),
        ("all", modes.mouse == Mouse::Motion),
        ("sgr", modes.mouse_encoding == MouseEncoding::Sgr),
        ("utf8", modes.mouse_encoding == MouseEncoding::Utf8),
    ];
    all.insert("mouse".into(), set(&mouse));
    all.insert("title".into(), screen.title().to_owned());
    for (number, row) in screen.rows().enumerate() {
        let text: String = row.cells().iter().map(Cell::text).collect();
        all.insert(format!("row {number}"), text.trim_end_matches(' ').to_owned());
        all.insert(format!("looks {number}"), looks(row));
    }
    all
}

fn set(flags: &[(&str, bool)]) -> String {
    flags.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
}

fn parsed(expected: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut row = 0;
    // Of xterm only text and cursor are known.
    let text_alone = expected.starts_with("emulator xterm");
    for line in expected.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        match key {
            "emulator" => {}
            "T" => {
                all.insert(format!("row {row}"), value.to_owned());
                if !text_alone {
                    all.insert(format!("looks {row}"), String::new());
                }
                row += 1;
            }
            "A" => {
                all.insert(format!("looks {}", row - 1), value.to_owned());
            }
            key => {
                all.insert(key.to_owned(), value.to_owned());
            }
        }
    }
    all
}

/// xterm, asked for its cursor, does not tell whether a wrap is pending.
fn alike(expected: &str, what: &str, ours: &str, theirs: &str) -> bool {
    let pending = what == "cursor" && expected.starts_with("emulator xterm");
    ours == theirs || (pending && ours.replace(" 80", " 79") == theirs)
}

#[test]
fn recorded_streams_show_what_an_independent_emulator_shows() {
    let mut report = String::new();
    let (mut compared, mut cells) = (0, 0);
    for case in cases() {
        let mut emulator = Emulator::new(case.size);
        let mut fed = 0;
        let mut found = BTreeSet::new();
        for (&offset, expected) in &case.expected {
            emulator.feed(&case.stream[fed..offset]);
            fed = offset;
            compared += 1;
            cells += usize::from(case.size.columns) * usize::from(case.size.rows);
            let (ours, theirs) = (described(&emulator), parsed(expected));
            let rows = theirs.keys().filter(|key| key.starts_with("row ")).count();
            assert_eq!(rows, usize::from(case.size.rows), "{}: not the same number of rows", case.name);
            for (what, value) in &theirs {
                if !alike(expected, what, &ours[what], value) {
                    found.insert((offset, what.clone()));
                    if !case.differences.contains(&(offset, what.clone())) {
                        let name = &case.name;
                        writeln!(
                            report,
                            "{name} at {offset}, {what}:\n  ours   {:?}\n  theirs {value:?}",
                            ours[what]
                        )
                        .unwrap();
                    }
                }
            }
        }
        for (offset, what) in case.differences.difference(&found) {
            writeln!(report, "{} at {offset}, {what}: listed as a difference, and is none", case.name)
                .unwrap();
        }
    }
    println!("{compared} grids, {cells} cells");
    assert!(report.is_empty(), "\n{report}");
}

/// Feeds a diff to a terminal that shows `from`.
fn apply(from: &Screen, to: &Screen) -> (Screen, usize) {
    let bytes = diff(from, to, &Vocabulary::PEER);
    let mut follower = Emulator::from_screen(from.clone());
    follower.feed(&bytes);
    assert!(follower.take_replies().is_empty());
    (follower.into_screen(), bytes.len())
}

#[test]
fn diffs_between_recorded_screens_obey_the_law() {
    for case in cases() {
        let blank = Screen::new(case.size);
        let mut emulator = Emulator::new(case.size);
        let mut shown = blank.clone();
        // Steps of no particular size, so that escapes are cut too.
        for chunk in case.stream.chunks(case.stream.len() / 97 + 3) {
            emulator.feed(chunk);
            let to = emulator.screen();
            for from in [&blank, &shown] {
                assert_eq!(apply(from, to).0, *to, "{}", case.name);
            }
            assert_eq!(apply(to, &blank).0, blank, "{}", case.name);
            shown = to.clone();
        }
    }
}
