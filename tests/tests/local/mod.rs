//! `mpmosh --local` as a person meets it, on this machine alone: a home of its own, a terminal of its own, and waits that
//! end with what they wait for, or fail.
#![allow(dead_code, reason = "each test file uses its own part")]

use mpmosh_tests::lab::built_binary;
use platform::clock;
use platform::pty::Pty;
use platform::tty::Size;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs::{self, DirBuilder};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A home of its own for a session, empty but for a prompt.
pub(crate) struct Home(pub(crate) PathBuf);

impl Home {
    pub(crate) fn new(name: &str) -> Self {
        // Two tests of one process may give theirs the same name.
        static HOMES: AtomicUsize = AtomicUsize::new(0);
        let number = HOMES.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("mpmosh-local-{}-{name}{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for the test");
        fs::write(folder.join(".hushlogin"), "").expect("a file for the test");
        DirBuilder::new().mode(0o700).create(folder.join("run")).expect("a folder for the test");
        Self(folder)
    }

    /// A program of ours, with nothing of the tester's own settings.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(built_binary(name).expect("built programs"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("HOME", &self.0).env("SHELL", "/bin/sh");
        command.env("TERM", "xterm-256color").env("LANG", "C.UTF-8").env("PS1", "ready> ");
        // Sessions of the tester's own are not among the test's, nor the test's among theirs.
        command.env("XDG_RUNTIME_DIR", self.file("run")).env("TMPDIR", &self.0);
        command.env("MPMOSH_REGISTRY", self.file("sessions"));
        command
    }

    /// `mpmosh --local OPTIONS -- WORDS`.
    pub(crate) fn mpmosh(&self, options: &[&str], words: &[&str]) -> Command {
        let mut command = self.program("mpmosh");
        command.arg("--local").args(options);
        if !words.is_empty() {
            command.arg("--").args(words);
        }
        command
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Ends a program that takes longer than anything may, so that the test fails instead of waiting.
pub(crate) fn bounded(child: Child) -> Output {
    let id = child.id();
    let (done, is_done) = std::sync::mpsc::channel();
    let guard = thread::spawn(move || {
        if is_done.recv_timeout(PATIENCE).is_err() {
            kill(id, "KILL");
        }
    });
    let output = child.wait_with_output().expect("the program's output");
    let _ = done.send(());
    guard.join().expect("the guard");
    output
}

pub(crate) fn kill(id: u32, signal: &str) {
    let status = Command::new("kill").args([&format!("-{signal}"), &id.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "kill -{signal} {id}");
}

pub(crate) fn piped(mut command: Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("mpmosh starts")
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The first line that the command writes.
pub(crate) fn first_line(child: &mut Child) -> String {
    let out = child.stdout.as_mut().expect("a pipe");
    let mut line = Vec::new();
    let mut octet = [0];
    while out.read_exact(&mut octet).is_ok() && octet != *b"\n" {
        line.push(octet[0]);
    }
    String::from_utf8(line).expect("text")
}

/// Waits until a process that is no child of ours has ended.
pub(crate) fn gone(id: &str) {
    let number = id.parse().ok().and_then(Pid::from_raw).expect("a process number");
    let Ok(process) = pidfd_open(number, PidfdFlags::empty()) else { return };
    let wait = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
    let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&wait));
    assert_eq!(ended, Ok(1), "process {id} is still there");
}

/// A program on a terminal, which the test sees by name and can take away.
pub(crate) struct Terminal {
    pub(crate) pty: Option<Pty>,
    pub(crate) shown: Vec<u8>,
    /// What has been seen already.
    seen: usize,
}

impl Terminal {
    pub(crate) fn start(command: &Command) -> Self {
        Self::start_sized(command, Size { columns: 80, rows: 24 })
    }

    /// The same on a terminal of this size.
    pub(crate) fn start_sized(command: &Command, size: Size) -> Self {
        let mut copy = Command::new(command.get_program());
        copy.args(command.get_args()).env_clear();
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                copy.env(name, value);
            }
        }
        let pty = Pty::spawn(copy, size).expect("a terminal");
        Self { pty: Some(pty), shown: Vec::new(), seen: 0 }
    }

    pub(crate) fn pty(&mut self) -> &mut Pty {
        self.pty.as_mut().expect("the terminal is there")
    }

    pub(crate) fn type_in(&mut self, text: &str) {
        let mut bytes = text.as_bytes();
        while !bytes.is_empty() {
            let count = self.pty().write(bytes).expect("the terminal takes typing");
            bytes = &bytes[count..];
        }
    }

    /// Waits until `text` stands in what was written after what was seen before.
    pub(crate) fn see(&mut self, text: &str) {
        let end = clock::now() + PATIENCE;
        loop {
            let new = &self.shown[self.seen..];
            if let Some(at) = new.windows(text.len()).position(|window| window == text.as_bytes()) {
                self.seen += at + text.len();
                return;
            }
            let so_far = String::from_utf8_lossy(new).into_owned();
            assert!(clock::now() < end, "{text:?} is not shown: {so_far:?}");
            assert!(self.read(), "{text:?} is not shown to the end: {so_far:?}");
        }
    }

    /// Reads what comes. Whether there can be more.
    pub(crate) fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let Some(pty) = &self.pty else { return false };
        match pty.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => self.shown.extend(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let wait = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
                let _ = poll(&mut [PollFd::new(pty, PollFlags::IN)], Some(&wait));
            }
            Err(error) => panic!("{error}"),
        }
        true
    }

    /// The status, once everything is written.
    pub(crate) fn end(&mut self) -> u8 {
        let end = clock::now() + PATIENCE;
        loop {
            assert!(clock::now() < end, "no end: {:?}", String::from_utf8_lossy(&self.shown[self.seen..]));
            let more = self.read();
            if let (false, Some(status)) = (more, self.pty().try_wait().expect("a child")) {
                return status;
            }
        }
    }
}

/// A shell in the session, and the process number of the server.
pub(crate) fn shell(home: &Home, options: &[&str]) -> (Terminal, String) {
    shell_by(home, &home.mpmosh(options, &["sh", "-i"]))
}

/// The same by a command that starts one.
pub(crate) fn shell_by(home: &Home, command: &Command) -> (Terminal, String) {
    let mut terminal = Terminal::start(command);
    terminal.see("ready>");
    terminal.type_in(&format!("echo $PPID > {}; echo no''ted\r", home.file("server").display()));
    terminal.see("noted");
    let server = fs::read_to_string(home.file("server")).expect("the server's number");
    (terminal, server.trim().to_owned())
}

/// `mpmosh` as a script that a shell on a terminal can start, and that shell.
pub(crate) fn within(home: &Home, session: &Command, shell: &[&str]) -> Terminal {
    let words = std::iter::once(session.get_program()).chain(session.get_args());
    let quoted: Vec<_> = words.map(|word| format!("'{}'", word.to_str().expect("text"))).collect();
    fs::write(home.file("session"), format!("exec {}\n", quoted.join(" "))).expect("a script");
    let mut around = Command::new(shell[0]);
    around.args(&shell[1..]).envs(session.get_envs().filter_map(|(name, value)| Some((name, value?))));
    around.env("PS1", "around> ").env("HERE", &home.0);
    Terminal::start(&around)
}
