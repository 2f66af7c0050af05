//! What the Tab key makes of half a word, in each shell.
#![cfg(target_os = "linux")]

mod local;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use local::{Home, PATIENCE};
use mpmosh_tests::lab::Console;

/// A home whose owner knows some hosts.
fn home(shell: &str) -> Home {
    let home = Home::new(shell);
    fs::create_dir_all(home.file(".ssh")).unwrap();
    fs::write(home.file(".ssh/config"), "Host alpha beta*\n  User x\nHost gamma.example\n").unwrap();
    let known = "delta.example,192.0.2.7 ssh-ed25519 AAAA\n[epsilon]:2222 ssh-rsa B\n";
    fs::write(home.file(".ssh/known_hosts"), known).unwrap();
    home
}

/// A shell that reads no file of this machine's own users.
fn shell(home: &Home, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env("HOME", &home.0).env("XDG_CONFIG_HOME", home.file(".config"));
    command
}

fn completions(shell: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("packaging/completions").join(shell)
}

/// The lines of a program that had nothing to complain of.
fn lines(output: &Output) -> Vec<String> {
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_options_words_and_hosts() {
    let home = home("bash");
    let complete = |words: &str| {
        let script = format!(
            "source {}; COMP_WORDS=({words}); [[ '{words}' == *' ' ]] && COMP_WORDS+=(''); \
             COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _mpmosh_with_hosts mpmosh \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            completions("bash").join("mpmosh").display()
        );
        lines(&shell(&home, "bash", &["--norc", "-c", &script]).output().unwrap())
    };
    assert_eq!(complete("mpmosh --redun"), ["--redundancy"]);
    assert_eq!(complete("mpmosh --redundancy a"), ["auto", "always"]);
    assert_eq!(complete("mpmosh al"), ["alpha"]);
    assert_eq!(complete("mpmosh me@ga"), ["me@gamma.example"]);
    assert_eq!(complete("mpmosh -J e"), ["epsilon"]);
    assert_eq!(complete("mpmosh attach al"), ["alpha"]);
    assert_eq!(complete("mpmosh attach --ta"), ["--take"]);
    assert_eq!(complete("mpmosh sessions --redundancy a"), ["auto", "always"]);
    assert!(complete("mpmosh ").contains(&"delta.example".to_owned()));
}

#[test]
fn fish_completes_options_words_and_hosts() {
    let home = home("fish");
    let complete = |words: &str| {
        let source = completions("fish").join("mpmosh.fish").display().to_string();
        let script = format!("source {source}; complete -C '{words}'");
        let output = shell(&home, "fish", &["--no-config", "-c", &script]).output().unwrap();
        let words = lines(&output).into_iter();
        // Each with its description behind a tab.
        words.map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(complete("mpmosh --redun"), ["--redundancy"]);
    assert_eq!(complete("mpmosh --redundancy a"), ["always", "auto"]);
    assert_eq!(complete("mpmosh al"), ["alpha"]);
    assert_eq!(complete("mpmosh ga"), ["gamma.example"]);
    assert_eq!(complete("mpmosh attach ga"), ["gamma.example"]);
    assert_eq!(complete("mpmosh attach --ta"), ["--take"]);
    assert_eq!(complete("mpmosh sessions --js"), ["--json"]);
    assert!(complete("mpmosh --never l").contains(&"lo".to_owned()));
}

#[test]
fn zsh_completes_options_words_and_hosts() {
    let home = home("zsh");
    let console = Console::start(shell(&home, "zsh", &["-f", "-i"])).unwrap();
    let directory = completions("zsh").display().to_string();
    // What is completed is printed between brackets, and the prompt in the line that asks for it does not look like one.
    let setup = format!(
        "fpath=({directory} $fpath); autoload -Uz compinit; compinit -u -D; unsetopt beep; \
         mpmosh() {{ print -r -- \"[$*]\"; }}; PROMPT='rea''dy> '\r"
    );
    console.send(&setup).unwrap();
    console.wait_for("ready>", PATIENCE).unwrap();
    for (typed, expected) in [
        ("--redundancy=al\t", "[--redundancy=always]"),
        ("--exper\tlo\t", "[--experimental-remote-ip=local]"),
        ("al\t", "[alpha]"),
        ("gamma\t", "[gamma.example]"),
        ("delta\t", "[delta.example]"),
        ("--never=l\t", "[--never=lo]"),
        ("attach ga\t", "[attach gamma.example]"),
        ("kill --redundancy=al\t", "[kill --redundancy=always]"),
    ] {
        let mark = console.mark();
        console.send(format!("mpmosh {typed}\r")).unwrap();
        console.wait_for_after(mark, expected, PATIENCE).unwrap();
    }
}
