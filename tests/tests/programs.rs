//! Real programs in a session show what they show without one: the part of `make programs` that every run has. What it
//! compares, and how, is in `tests/programs`.
#![cfg(target_os = "linux")]

use mpmosh_tests::lab::built_binary;
use std::path::Path;
use std::process::Command;

fn compare(program: &str) {
    let binaries = built_binary("mpmosh").expect("built programs");
    let compare = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/compare.py");
    let mut command = Command::new("python3");
    command
        .arg(compare)
        .arg(binaries.parent().expect("a folder"))
        .args(["-t", "tmux", "-q", "0.25", "-p", program]);
    let output = command.output().expect("python3 is installed (.ci/setup test)");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn vim_shows_in_a_session_what_it_shows_in_tmux() {
    compare("vim");
}

#[test]
fn less_shows_in_a_session_what_it_shows_in_tmux() {
    compare("less");
}

#[test]
fn a_coding_agent_shows_in_a_session_what_it_shows_in_tmux() {
    compare("agent");
}
