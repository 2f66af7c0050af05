//! The house keeps its shape: which crate may know which, where unsafe code and async-std may stand, and that the
//! cores name no operating system.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The crates that are ours, with the names of ours that each may depend on, in the product and in its own tests.
const ARROWS: [(&str, &[&str]); 7] = [
    ("mpmosh-net", &[]),
    ("mpmosh-terminal", &[]),
    ("mpmosh-sync", &["mpmosh-net", "mpmosh-terminal"]),
    ("mpmosh-platform", &["mpmosh-net"]),
    ("mpmosh-client", &["mpmosh-net", "mpmosh-sync", "mpmosh-terminal", "mpmosh-platform"]),
    ("mpmosh-server", &["mpmosh-net", "mpmosh-sync", "mpmosh-terminal", "mpmosh-platform"]),
    (
        "mpmosh-tests",
        &[
            "mpmosh-net",
            "mpmosh-sync",
            "mpmosh-terminal",
            "mpmosh-platform",
            "mpmosh-client",
            "mpmosh-server",
        ],
    ),
];

/// The folders of all crates.
const CRATES: [&str; 7] = ["net", "sync", "terminal", "platform", "mpmosh-client", "mpmosh-server", "tests"];

/// No socket, clock, thread, random source or unsafe code can be named here.
const CORES: [&str; 3] = ["net", "sync", "terminal"];

/// Where the two programs touch the system, as the README has it; all their other files are pure.
const TOUCHES: [(&str, &[&str]); 2] = [
    (
        "mpmosh-client/src",
        &[
            "bin/",
            "bootstrap/",
            "run/",
            "commands/",
            "cli/config/file.rs",
            "cli/logging.rs",
            "text/messages.rs",
        ],
    ),
    (
        "mpmosh-server/src",
        &[
            "main.rs",
            "spawn.rs",
            "spawn/",
            "event_loop.rs",
            "program.rs",
            "addresses.rs",
            "announcement.rs",
            "carry.rs",
            "control.rs",
            "registry/mod.rs",
            "verbs.rs",
        ],
    ),
];

/// What is of the system: a pure machine is told the time, and where its datagrams come from.
const SYSTEM: [&str; 14] = [
    "platform::",
    "async_std::",
    "async_io::",
    "rustix::",
    "ssh2::",
    "crate::run",
    "crate::commands",
    "crate::bootstrap",
    "std::env",
    "std::fs",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "UdpSocket",
];

/// Where async-std may be named: what starts the two programs' loops.
const ASYNC_STD: [&str; 2] = ["mpmosh-client/src/run/mod.rs", "mpmosh-server/src/spawn.rs"];

/// The client's rooms, and what of the others each may name.
const ROOMS: [(&str, &[&str]); 6] = [
    ("text", &[]),
    ("cli", &["text"]),
    ("session", &["text", "cli::plan", "cli::words"]),
    ("bootstrap", &["text", "cli"]),
    ("run", &["text", "cli", "session", "bootstrap"]),
    ("commands", &["text", "cli", "session", "bootstrap", "run"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Each member of the workspace with the packages it depends on: `(name, kind)`, kind being `normal`, `dev`, `build`.
fn dependencies() -> BTreeMap<String, Vec<(String, String)>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or("normal").to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap();
            let dependencies = dependencies.iter().map(|one| (text(&one["name"]), text(&one["kind"])));
            (text(&package["name"]), dependencies.collect())
        })
        .collect()
}

/// Every Rust file below `place` of the workspace, or that file, with its text.
fn sources(place: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    if let Ok(text) = fs::read_to_string(root().join(place)) {
        found.push((PathBuf::from(place), text));
    }
    let mut directories = vec![root().join(place)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target") {
                    directories.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    found.sort();
    found
}

/// The code of a source file: what stands before a line comment, line by line, with its number.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(number, line)| (number + 1, line.split("//").next().unwrap_or(line)))
}

/// Whether `word` stands in `line` as a whole word.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        !line[..at].ends_with(part) && !line[at + word.len()..].starts_with(part)
    })
}

#[test]
fn every_arrow_points_the_allowed_way() {
    let dependencies = dependencies();
    let members: BTreeSet<&str> = dependencies.keys().map(String::as_str).collect();
    let known: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(members, known, "a crate came or went: decide here what it may know");
    for (name, allowed) in ARROWS {
        for (dependency, kind) in &dependencies[name] {
            assert!(
                !known.contains(dependency.as_str()) || allowed.contains(&dependency.as_str()),
                "{name} must not depend on {dependency} ({kind})"
            );
        }
    }
}

#[test]
fn async_std_is_named_in_the_two_programs_alone() {
    for (name, dependencies) in dependencies() {
        let program = name == "mpmosh-client" || name == "mpmosh-server";
        let named = dependencies.iter().any(|(dependency, _)| dependency == "async-std");
        assert!(program || !named, "{name} depends on async-std, which must stay replaceable in an hour");
    }
    for package in ["mpmosh-client", "mpmosh-server"] {
        for (path, text) in sources(package) {
            let may = ASYNC_STD.iter().any(|file| path == Path::new(file));
            for (line, code) in code(&text) {
                assert!(may || !names(code, "async_std"), "{}:{line} names async_std", path.display());
            }
        }
    }
}

#[test]
fn the_cores_are_no_std_and_forbid_unsafe_code() {
    for core in CORES {
        let text = fs::read_to_string(root().join(core).join("src/lib.rs")).unwrap();
        let has = |attribute: &str| text.lines().any(|line| line.trim() == attribute);
        assert!(has("#![no_std]"), "{core} must be #![no_std]");
        let manifest = fs::read_to_string(root().join(core).join("Cargo.toml")).unwrap();
        let inherits = manifest.contains("[lints]\nworkspace = true");
        assert!(has("#![forbid(unsafe_code)]") || inherits, "{core} must forbid unsafe code");
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""), "the workspace forbids unsafe code");
}

#[test]
fn std_is_named_in_the_cores_tests_alone() {
    for core in CORES {
        for (path, text) in sources(&format!("{core}/src")) {
            let lines: Vec<_> = code(&text).collect();
            for pair in lines.windows(2) {
                let [(_, before), (line, code)] = pair else { continue };
                let allowed = before.contains("cfg(test)") || before.contains("cfg(any(test");
                assert!(
                    allowed || !names(code, "extern crate std"),
                    "{}:{line}: std without cfg(test)",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn unsafe_code_stands_in_platform_and_in_one_file_of_the_lab() {
    let directories =
        ["net", "sync", "terminal", "mpmosh-client", "mpmosh-server", "tests/src", "tests/tests"];
    for (path, text) in directories.into_iter().flat_map(sources) {
        let exempt = path == Path::new("tests/src/lab/sys.rs") || path == Path::new("tests/tests/arrows.rs");
        for (line, code) in code(&text) {
            assert!(exempt || !names(code, "unsafe"), "{}:{line}: unsafe code", path.display());
        }
    }
}

/// Fails where a file names something of the system, its tests apart.
fn assert_pure(path: &Path, text: &str, words: &[&str]) {
    let tests = ["mod tests {", "pub(crate) mod tests {"];
    for (line, code) in code(text).take_while(|(_, code)| !tests.contains(code)) {
        for word in words {
            assert!(!code.contains(word), "{}:{line} names {word}, and is pure", path.display());
        }
    }
}

#[test]
fn the_pure_halves_of_the_programs_name_nothing_of_the_system() {
    for (program, touching) in TOUCHES {
        for (path, text) in sources(program) {
            let place = path.strip_prefix(program).unwrap().to_str().unwrap().to_owned();
            let touches = |room: &&&str| place == **room || room.ends_with('/') && place.starts_with(**room);
            if touching.iter().find(touches).is_none() && !place.ends_with("tests.rs") {
                assert_pure(&path, &text, &SYSTEM);
            }
        }
        for room in touching {
            assert!(root().join(program).join(room).exists(), "{program}/{room} is gone");
        }
    }
}

#[test]
fn a_file_that_says_it_is_pure_is() {
    let mut pure = 0;
    for (path, text) in ["net/src", "sync/src", "terminal/src", "platform/src"]
        .into_iter()
        .chain(TOUCHES.map(|(program, _)| program))
        .flat_map(sources)
    {
        let head: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        let head = head.join(" ");
        let says = [
            "Contract: pure.",
            "Contract: pure;",
            "Contract: pure and",
            "Contract: pure functions",
            "//! Pure",
        ];
        if says.iter().any(|words| head.contains(words)) {
            // What is said of a table of constants of the system's is no call of it.
            let words: Vec<&str> = SYSTEM.into_iter().filter(|word| *word != "crate::run").collect();
            assert_pure(&path, &text, &words);
            pure += 1;
        }
    }
    assert!(pure > 10, "the words that say it have changed: {pure}");
}

#[test]
fn the_readme_says_where_the_programs_touch_the_system() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, rest) = readme.split_once("what touches the system is in ").expect("the map says it");
    let (sentence, _) = rest.split_once("; the rest is pure").expect("and says what is pure");
    let named: BTreeSet<&str> = sentence.split('`').skip(1).step_by(2).collect();
    let touching: BTreeSet<&str> = TOUCHES.iter().flat_map(|(_, rooms)| rooms.iter().copied()).collect();
    assert_eq!(named, touching);
    for (room, _) in ROOMS {
        assert!(readme.contains(&format!("`{room}/`")), "the map has no {room}");
    }
}

#[test]
fn only_platform_knows_one_system_from_another() {
    let manifests = dependencies();
    for (name, dependencies) in &manifests {
        let libc = dependencies.iter().any(|(dependency, kind)| dependency == "libc" && kind == "normal");
        assert!(!libc || ["mpmosh-platform", "mpmosh-tests"].contains(&name.as_str()), "{name} names libc");
    }
    for (path, text) in
        ["net", "sync", "terminal", "mpmosh-client/src", "mpmosh-server/src"].into_iter().flat_map(sources)
    {
        for (line, code) in code(&text).take_while(|(_, code)| *code != "mod tests {") {
            let named = ["target_os", "target_vendor", "target_family", "cfg(unix", "cfg(windows"];
            let found = named.iter().find(|word| code.contains(**word));
            assert_eq!(found, None, "{}:{line} tells systems apart", path.display());
        }
    }
}

/// The clauses of a text: `[P-6]`, and `[D-1] to [D-6]` for all between.
fn clauses(text: &str) -> BTreeSet<String> {
    let text = text.replace('\\', "");
    let mut found = BTreeSet::new();
    let mut last: Option<(char, u32, usize)> = None;
    for (at, _) in text.match_indices('[') {
        let Some((word, _)) = text[at + 1..].split_once(']') else { continue };
        let Some((letter, number)) = word.split_once('-') else { continue };
        let (Ok(letter), Ok(number)) = (letter.parse::<char>(), number.parse::<u32>()) else { continue };
        if !letter.is_ascii_uppercase() {
            continue;
        }
        let first = match last {
            Some((same, from, end)) if same == letter && &text[end..at] == " to " => from,
            _ => number,
        };
        found.extend((first..=number).map(|number| format!("{letter}-{number}")));
        last = Some((letter, number, at + 1 + word.len() + 1));
    }
    found
}

#[test]
fn every_clause_of_the_spec_is_cited_and_every_citation_exists() {
    let spec = fs::read_to_string(root().join("net/SPEC.md")).unwrap();
    let stated: BTreeSet<String> = spec
        .lines()
        .filter(|line| line.starts_with("**["))
        .flat_map(|line| clauses(&line[..line.find("]**").unwrap() + 1]))
        .collect();
    assert!(stated.len() > 50, "the form of a clause has changed: {stated:?}");
    let mut cited = BTreeSet::new();
    for (path, text) in CRATES.into_iter().flat_map(sources) {
        // This file has examples.
        if path != Path::new("tests/tests/arrows.rs") {
            let unknown: Vec<_> =
                clauses(&text).into_iter().filter(|clause| !stated.contains(clause)).collect();
            assert!(unknown.is_empty(), "{} cites what the SPEC has not: {unknown:?}", path.display());
            cited.extend(clauses(&text));
        }
    }
    let unknown: Vec<_> = clauses(&spec).into_iter().filter(|clause| !stated.contains(clause)).collect();
    assert!(unknown.is_empty(), "the SPEC refers to what it has not: {unknown:?}");
    let silent: Vec<_> = stated.difference(&cited).collect();
    assert!(silent.is_empty(), "nothing in the code or the tests says that it keeps {silent:?}");
}

#[test]
fn the_clients_rooms_do_not_know_those_above_them() {
    for (room, allowed) in ROOMS {
        let files = sources(&format!("mpmosh-client/src/{room}"));
        assert!(!files.is_empty(), "{room} is gone: decide here what came in its place");
        for (path, text) in files {
            // A test may make what it needs of any room.
            for (line, code) in code(&text).take_while(|(_, code)| *code != "mod tests {") {
                for (at, word) in code.match_indices("crate::") {
                    let named = &code[at + word.len()..];
                    let knows = |room: &&str| names(named, room) && named.starts_with(*room);
                    assert!(
                        knows(&room) || allowed.iter().any(knows) || path.ends_with("tests.rs"),
                        "{}:{line}: {room} must not know {named}",
                        path.display()
                    );
                }
            }
        }
    }
}

#[test]
fn in_a_program_a_types_name_has_one_meaning() {
    for program in ["mpmosh-client", "mpmosh-server"] {
        let mut known: BTreeMap<String, PathBuf> = BTreeMap::new();
        for (path, text) in sources(&format!("{program}/src")) {
            for (_, code) in code(&text) {
                let mut words = code
                    .split_whitespace()
                    .skip_while(|word| word.starts_with("pub") || *word == "crate::bootstrap)");
                let Some("struct" | "enum" | "trait" | "type") = words.next() else { continue };
                let name: String =
                    words.next().unwrap_or_default().chars().take_while(|c| c.is_alphanumeric()).collect();
                // What failed is an error everywhere; its module says whose.
                if name == "Error" || code.starts_with("    ") {
                    continue;
                }
                if let Some(other) = known.insert(name.clone(), path.clone()) {
                    panic!("{name} is one thing in {} and another in {}", other.display(), path.display());
                }
            }
        }
    }
}

#[test]
fn nothing_is_published_from_tests_and_everything_else_carries_both_licences() {
    let manifest = |directory: &str| fs::read_to_string(root().join(directory).join("Cargo.toml")).unwrap();
    assert!(manifest("tests").contains("publish = false"));
    assert!(manifest(".").contains("license = \"MIT OR Apache-2.0\""));
    assert_eq!(
        manifest(".").matches("rust-version = ").count(),
        1,
        "the minimum Rust version is stated once"
    );
    for directory in ["net", "sync", "terminal", "platform", "mpmosh-client", "mpmosh-server", "tests"] {
        assert!(manifest(directory).contains("license.workspace = true"), "{directory}");
        assert!(manifest(directory).contains("rust-version.workspace = true"), "{directory}");
    }
    for licence in ["LICENSE-MIT", "LICENSE-APACHE", "Cargo.lock"] {
        assert!(root().join(licence).exists(), "{licence}");
    }
}
