//! The program `mpmosh` itself, on a terminal, against a real OpenSSH server.

#![expect(clippy::unwrap_used, reason = "a failure is a failed test")]

mod sshd;

use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use platform::clock;
use platform::pty::Pty;
use platform::tty::Size;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sshd::{Allow, Sshd, skipped};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// `mpmosh` on a terminal of its own.
struct Terminal {
    pty: Pty,
    shown: String,
}

impl Terminal {
    fn start(sshd: &Sshd, config: &str, more: &[&str]) -> Self {
        let config = sshd.ssh_config(config);
        let server = sshd.server(&format!("echo MPMOSH CONNECT multipath/1 60123 {KEY}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_mpmosh"));
        command
            .arg("-F")
            .arg(config)
            .arg(format!("--server={}", server.display()))
            .arg(format!("--client={}", client(sshd).display()))
            .args(more)
            .arg("h")
            .env("TERM", "xterm-256color")
            .env("HOME", &sshd.directory)
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("SSH_AUTH_SOCK");
        Self { pty: Pty::spawn(command, Size { columns: 132, rows: 43 }).unwrap(), shown: String::new() }
    }

    /// Reads until `text` is shown after what was seen before, and forgets everything up to it.
    fn see(&mut self, text: &str) {
        let end = clock::now() + Duration::from_secs(20);
        while !self.shown.contains(text) {
            assert!(clock::now() < end, "{text:?} is not shown in 20 s: {:?}", self.shown);
            assert!(self.read(), "{text:?} is not shown to the end: {:?}", self.shown);
        }
        let (_, rest) = self.shown.split_once(text).unwrap();
        self.shown = rest.to_owned();
    }

    fn type_in(&self, text: &str) {
        assert_eq!(self.pty.write(text.as_bytes()).unwrap(), text.len());
    }

    /// Everything to the end, and the status.
    fn end(mut self) -> (String, u8) {
        while self.read() {}
        loop {
            if let Some(status) = self.pty.try_wait().unwrap() {
                return (self.shown, status);
            }
            wait_for(&self.pty, 10);
        }
    }

    fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.pty.read(&mut bytes) {
            Ok(0) => return false,
            Ok(length) => self.shown.push_str(&String::from_utf8_lossy(&bytes[..length])),
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait_for(&self.pty, 100),
            Err(error) => panic!("{error}"),
        }
        true
    }
}

fn wait_for(pty: &impl AsFd, milliseconds: i64) {
    let wait = Timespec { tv_sec: 0, tv_nsec: milliseconds * 1_000_000 };
    let _ = poll(&mut [PollFd::new(pty, PollFlags::IN)], Some(&wait));
}

/// A client that tells how it was started, as mosh's wrapper starts one.
fn client(sshd: &Sshd) -> PathBuf {
    let file = sshd.directory.join("client");
    fs::write(&file, "#!/bin/sh\necho \"CLIENT $* $MOSH_KEY\"\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file
}

fn identity(key: &std::path::Path) -> String {
    format!("  IdentityFile {}", key.display())
}

#[test]
fn a_new_host_and_a_passphrase_are_answered_on_the_terminal() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    let key = sshd.user_key("id", "ed25519", "open sesame");
    let mut terminal = Terminal::start(&sshd, &identity(&key), &[]);
    terminal.see("not on record");
    terminal.see("SHA256:");
    terminal.see("? ");
    terminal.type_in("yes\r");
    terminal.see("Passphrase for the key");
    terminal.see(": ");
    terminal.type_in("wrong\r");
    terminal.see("does not open the key");
    terminal.see(": ");
    terminal.type_in("open sesame\r");
    terminal.see(&format!("CLIENT 127.0.0.1 60123 {KEY}"));
    let (rest, status) = terminal.end();
    assert_eq!(status, 0, "{rest}");
    assert!(fs::read_to_string(sshd.known_hosts()).unwrap().contains("ssh-ed25519"));
}

#[test]
fn a_passphrase_is_not_shown_and_ctrl_c_leaves_the_terminal_as_it_was() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "open sesame");
    let mut terminal = Terminal::start(&sshd, &identity(&key), &[]);
    terminal.see("Passphrase for the key");
    terminal.see(": ");
    terminal.type_in("geheim\u{3}");
    let (rest, status) = terminal.end();
    // As ssh: the signal ends it.
    assert_eq!(status, 130, "{rest}");
    assert!(!rest.contains("geheim"), "{rest}");
}

#[test]
fn progress_is_erased_before_the_session() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "");
    let (shown, status) = Terminal::start(&sshd, &identity(&key), &[]).end();
    assert_eq!(status, 0, "{shown}");
    let (before, _) = shown.split_once("CLIENT").unwrap();
    assert!(before.contains("authentication") && before.contains("starting the server"), "{before:?}");
    assert!(before.ends_with("\r\u{1b}[K"), "{before:?}");
    assert!(!before.contains('\n'), "{before:?}");
}

#[test]
fn a_refusal_is_one_paragraph_and_status_255() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    let mut terminal = Terminal::start(&sshd, "", &[]);
    terminal.see("? ");
    terminal.type_in("no\r");
    let (rest, status) = terminal.end();
    assert_eq!(status, 255);
    assert!(rest.contains("was not accepted") && !rest.contains("panicked"), "{rest}");
}

/// Without a terminal.
fn plainly(words: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mpmosh"))
        .args(words)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn wrong_words_end_with_255_and_say_what_is_right() {
    for (words, says) in [
        (&["--predcit=x", "h"][..], "--predict"),
        (&[][..], "no host"),
        (&["--", "-oProxyCommand=touch /tmp/x"][..], "begins with"),
        (&["--predict=sometimes", "h"][..], "adaptive, always, never or experimental"),
        (&["plot", "/nonexistent", "-o", "/tmp/x.svg"][..], "cannot be read"),
        (&["no-such-host.invalid"][..], "no usable address"),
        (&["pathz"], "Did you mean “mpmosh paths”?"),
        (&["ssh://u@no-such-host.invalid:7"], "“no-such-host.invalid” has no usable address"),
        (&["--prefer", "nosuch0", "no-such-host.invalid"], "--prefer names nosuch0"),
    ] {
        let (status, stderr) = plainly(words, &[("HOME", "/nonexistent")]);
        assert_eq!(status, 255, "{words:?}: {stderr}");
        let stderr = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(stderr.contains(says), "{words:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

#[test]
fn a_bad_configuration_names_its_file_and_line() {
    let home = std::env::temp_dir().join(format!("mpmosh-home-{}", std::process::id()));
    let file = home.join("mpmosh/config.toml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "[defaults]\n\nredundancy = \"sometimes\"\n").unwrap();
    let (status, stderr) = plainly(&["h"], &[("XDG_CONFIG_HOME", home.to_str().unwrap())]);
    let text = stderr.replace('\n', " ");
    assert_eq!(status, 255);
    assert!(
        text.contains("config.toml, line 3: redundancy") && text.contains("off, auto or always"),
        "{text}"
    );
    fs::remove_dir_all(home).unwrap();
}

#[test]
fn a_variable_mistyped_is_told() {
    let (_, stderr) =
        plainly(&["no-such-host.invalid"], &[("MPMOSH_REDUNDENCY", "off"), ("HOME", "/nonexistent")]);
    assert!(stderr.contains("MPMOSH_REDUNDENCY is no setting; did you mean MPMOSH_REDUNDANCY?"), "{stderr}");
}

#[test]
fn help_and_version_are_no_failures() {
    for word in ["--help", "--version"] {
        assert_eq!(plainly(&[word], &[]).0, 0);
    }
}
