//! What the Tab key makes of half a word, in each shell.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use mpmosh_tests::lab::Console;

/// Long enough for a slow machine; nothing waits for it that goes well.
const PATIENCE: Duration = Duration::from_secs(25);

/// A home whose owner knows some hosts; gone with this.
struct Home(PathBuf);

impl Home {
    fn new(shell: &str) -> Self {
        let home = std::env::temp_dir().join(format!("mpmosh-completion-{shell}-{}", std::process::id()));
        fs::create_dir_all(home.join(".ssh")).unwrap();
        fs::write(home.join(".ssh/config"), "Host alpha beta*\n  User x\nHost gamma.example\n").unwrap();
        let known = "delta.example,192.0.2.7 ssh-ed25519 AAAA\n[epsilon]:2222 ssh-rsa B\n";
        fs::write(home.join(".ssh/known_hosts"), known).unwrap();
        Self(home)
    }

    /// A shell that reads no file of this machine's own users.
    fn shell(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env("HOME", &self.0).env("XDG_CONFIG_HOME", self.0.join(".config"));
        command
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
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
    let home = Home::new("bash");
    let complete = |words: &str| {
        let script = format!(
            "source {}; COMP_WORDS=({words}); [[ '{words}' == *' ' ]] && COMP_WORDS+=(''); \
             COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _mpmosh_with_hosts mpmosh \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            completions("bash").join("mpmosh").display()
        );
        lines(&home.shell("bash", &["--norc", "-c", &script]).output().unwrap())
    };
    assert_eq!(complete("mpmosh --redun"), ["--redundancy"]);
    assert_eq!(complete("mpmosh --redundancy a"), ["auto", "always"]);
    assert_eq!(complete("mpmosh al"), ["alpha"]);
    assert_eq!(complete("mpmosh me@ga"), ["me@gamma.example"]);
    assert_eq!(complete("mpmosh -J e"), ["epsilon"]);
    assert!(complete("mpmosh ").contains(&"delta.example".to_owned()));
}

#[test]
fn fish_completes_options_words_and_hosts() {
    let home = Home::new("fish");
    let complete = |words: &str| {
        let source = completions("fish").join("mpmosh.fish").display().to_string();
        let script = format!("source {source}; complete -C '{words}'");
        let output = home.shell("fish", &["--no-config", "-c", &script]).output().unwrap();
        let words = lines(&output).into_iter();
        // Each with its description behind a tab.
        words.map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(complete("mpmosh --redun"), ["--redundancy"]);
    assert_eq!(complete("mpmosh --redundancy a"), ["always", "auto"]);
    assert_eq!(complete("mpmosh al"), ["alpha"]);
    assert_eq!(complete("mpmosh ga"), ["gamma.example"]);
    assert!(complete("mpmosh --never l").contains(&"lo".to_owned()));
}

#[test]
fn zsh_completes_options_words_and_hosts() {
    let home = Home::new("zsh");
    let console = Console::start(home.shell("zsh", &["-f", "-i"])).unwrap();
    let directory = completions("zsh").display().to_string();
    // What is completed is printed between brackets, and the prompt in the line that asks for it does not look like one.
    let setup = format!(
        "fpath=({directory} $fpath); autoload -Uz compinit; compinit -u -D; unsetopt beep; \
         mpmosh() {{ print -r -- \"[$1]\"; }}; PROMPT='rea''dy> '\r"
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
    ] {
        let mark = console.mark();
        console.send(format!("mpmosh {typed}\r")).unwrap();
        console.wait_for_after(mark, expected, PATIENCE).unwrap();
    }
}
