//! The bootstrap against a real OpenSSH server.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod host_keys;
mod login;
mod own_ssh;
mod server;
mod sessions;
mod settings;
#[path = "../sshd/mod.rs"]
mod sshd;
mod way;

use std::fs;
use std::path::{Path, PathBuf};

use mpmosh_client::bootstrap::{self, Announced, AskError, Dialogue, Error, Request};
use mpmosh_client::cli::args::{self, Invocation};
use mpmosh_client::cli::config;
use mpmosh_client::text::messages::Paragraph;
use net::DialectName;
use sshd::{Agent, Allow, Sshd, skipped};
use zeroize::Zeroizing;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// A user whose answers are known beforehand.
#[derive(Default)]
struct Script {
    answers: Vec<&'static str>,
    asked: Vec<String>,
    told: String,
}

impl Script {
    fn answering(answers: &[&'static str]) -> Self {
        Self { answers: answers.iter().rev().copied().collect(), ..Self::default() }
    }

    fn next(&mut self, question: &str) -> Result<String, AskError> {
        self.asked.push(question.to_owned());
        self.answers.pop().map(str::to_owned).ok_or(AskError::NoTerminal)
    }
}

impl Dialogue for Script {
    fn ask(&mut self, question: &str) -> Result<String, AskError> {
        self.next(question)
    }

    fn secret(&mut self, question: &str) -> Result<Zeroizing<String>, AskError> {
        self.next(question).map(Zeroizing::new)
    }

    fn tell(&mut self, text: &str) {
        self.told.push_str(text);
        self.told.push('\n');
    }

    fn detail(&mut self, _: &str) {}

    fn stage(&mut self, _: Option<&str>) {}
}

/// What `mpmosh` with these words would do.
fn request(words: &[&str], streams: bool) -> Request {
    let line = std::iter::once("mpmosh").chain(words.iter().copied()).map(std::ffi::OsString::from);
    let Ok(Invocation::Session(args) | Invocation::Attach(args)) = args::parse(line) else {
        panic!("{words:?}")
    };
    let config = config::load(Some("h"), None, Vec::new(), &args.given).unwrap();
    let locale = |name: &str| (name == "LANG").then(|| "it's.UTF-8".to_owned());
    Request::new(&args, &config, locale, 256, (!streams).then_some((80, 24)))
}

/// Starts a server, and lets go of the way to a second one.
fn run(request: &Request, user: &mut Script) -> Result<Announced, Error> {
    bootstrap::run(request, user).map(|(announced, _)| announced)
}

/// The words to reach the fixture with a server that announces itself.
fn start(sshd: &Sshd, config: &str, more: &[&str], user: &mut Script) -> Result<Announced, Error> {
    let config = sshd.ssh_config(config);
    let server = sshd.server(&format!(
        "printf '%s\\n' \"$@\" > {}\necho MPMOSH CONNECT multipath/1 60123 {KEY} 192.0.2.7,2001:db8::7",
        sshd.directory.join("arguments").display()
    ));
    let server = format!("--server={}", server.display());
    let mut words = vec!["-F", config.to_str().unwrap(), &server];
    words.extend(more);
    words.push("h");
    run(&request(&words, false), user)
}

fn announced(result: Result<Announced, Error>) -> Announced {
    result.unwrap_or_else(|error| panic!("{}", Paragraph::from(error)))
}

fn identity(key: &Path) -> String {
    format!("  IdentityFile {}", key.display())
}

/// A host that is on record and lets one key in, with these lines in its configuration; `None` where such tests are left
/// out.
fn known_host(lines: &'static str) -> Option<(Sshd, PathBuf)> {
    if skipped() {
        return None;
    }
    let sshd = Sshd::start(Allow { lines, ..Allow::default() });
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "");
    Some((sshd, key))
}
