//! A real OpenSSH server for the tests: its own directory, port, host keys, users and configuration.
//!
//! Contract: nothing outside of the fixture's directory is read or written, and no `~/.ssh`. A machine without sshd fails
//! the tests that need it, unless `MPMOSH_SKIP_LAB=1`, which says so on standard error.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a fixture: each test file uses its part, and a failure is a failed test"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Where distributions keep the server; it is rarely on `$PATH`, and insists on an absolute name.
const SSHD: [&str; 4] = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd", "/usr/lib/ssh/sshd"];

/// A running server.
pub struct Sshd {
    pub directory: PathBuf,
    pub port: u16,
    child: Child,
}

/// What a server is to allow.
#[derive(Clone, Copy)]
pub struct Allow {
    /// Lines for its configuration; `@DIRECTORY@` stands for the fixture's.
    pub lines: &'static str,
    /// Kinds of host key.
    pub host_keys: &'static [&'static str],
}

impl Default for Allow {
    fn default() -> Self {
        Self { lines: "", host_keys: &["ed25519"] }
    }
}

/// Whether tests that need the system are skipped on purpose (`MPMOSH_SKIP_LAB=1`).
pub fn skipped() -> bool {
    let skipped = std::env::var_os("MPMOSH_SKIP_LAB").is_some_and(|value| value == "1");
    if skipped {
        count_skipped("MPMOSH_SKIP_LAB=1");
    }
    skipped
}

/// Says that the running test is skipped, and counts it in the file that `MPMOSH_SKIPPED` names.
pub fn count_skipped(reason: &str) {
    use std::io::Write;
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    eprintln!("skipped: {name}: {reason}");
    if let Some(path) = std::env::var_os("MPMOSH_SKIPPED") {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(file, "{name}").unwrap();
    }
}

impl Sshd {
    pub fn start(allow: Allow) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let program = SSHD.into_iter().find(|file| Path::new(file).exists()).unwrap_or_else(|| {
            panic!("OpenSSH's server is needed for this test (Debian: apt-get install openssh-server); MPMOSH_SKIP_LAB=1 skips it")
        });
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("mpmosh-sshd-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        // Only root's sshd wants it; the package's init script would make it.
        let _ = fs::create_dir_all("/run/sshd");
        for kind in allow.host_keys {
            keygen(&directory.join(format!("host_{kind}")), kind, "");
        }
        for attempt in 0.. {
            let port = free_port();
            let config = directory.join("sshd_config");
            fs::write(&config, configuration(&directory, port, allow)).unwrap();
            let mut child = Command::new(program)
                .args(["-D", "-e", "-f"])
                .arg(&config)
                .stdin(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            // What the server says goes to a file from its first line on: a full pipe would stall it.
            let log = fs::File::create(directory.join("sshd.log")).unwrap();
            let (ready, is_ready) = std::sync::mpsc::channel();
            let stderr = BufReader::new(child.stderr.take().unwrap());
            std::thread::spawn(move || {
                use std::io::Write;
                let mut log = log;
                for line in stderr.lines().map_while(Result::ok) {
                    let _ = writeln!(log, "{line}");
                    if line.contains("Server listening") {
                        let _ = ready.send(());
                    }
                }
            });
            if is_ready.recv_timeout(Duration::from_secs(10)).is_ok() {
                return Self { directory, port, child };
            }
            let _ = child.kill();
            let _ = child.wait();
            // Someone else may have taken the port in between.
            assert!(
                attempt < 3,
                "sshd does not start: {}",
                fs::read_to_string(directory.join("sshd.log")).unwrap_or_default()
            );
        }
        unreachable!()
    }

    /// A key pair of the user, accepted by the server.
    pub fn user_key(&self, name: &str, kind: &str, passphrase: &str) -> PathBuf {
        let file = self.stranger_key(name, kind, passphrase);
        let public = fs::read_to_string(file.with_extension("pub")).unwrap();
        let accepted = self.directory.join("authorized_keys");
        let all = fs::read_to_string(&accepted).unwrap_or_default() + &public;
        fs::write(accepted, all).unwrap();
        file
    }

    /// A key pair that the server does not know.
    pub fn stranger_key(&self, name: &str, kind: &str, passphrase: &str) -> PathBuf {
        let file = self.directory.join(name);
        keygen(&file, kind, passphrase);
        file
    }

    pub fn known_hosts(&self) -> PathBuf {
        self.directory.join("known_hosts")
    }

    /// Puts the host's keys on record, as a user who has been here before.
    pub fn know_host(&self, kinds: &[&str]) {
        let lines: String = kinds
            .iter()
            .map(|kind| format!("[127.0.0.1]:{} {}", self.port, self.host_public(kind)))
            .collect();
        fs::write(self.known_hosts(), lines).unwrap();
    }

    pub fn host_public(&self, kind: &str) -> String {
        fs::read_to_string(self.directory.join(format!("host_{kind}.pub"))).unwrap()
    }

    /// The user's ssh configuration for this host.
    pub fn ssh_config(&self, lines: &str) -> PathBuf {
        let file = self.directory.join("ssh_config");
        let text = format!(
            "Host *\n{lines}\n  HostName 127.0.0.1\n  Port {}\n  User {}\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile /dev/null\n  \
             IdentityFile {}\n  IdentityAgent none\n  HashKnownHosts no\n",
            self.port,
            user(),
            self.known_hosts().display(),
            self.directory.join("no_such_key").display(),
        );
        fs::write(&file, text).unwrap();
        file
    }

    /// A program that announces itself as a server would, and prints its arguments before.
    pub fn server(&self, body: &str) -> PathBuf {
        let file = self.directory.join("mpmosh-server");
        fs::write(&file, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("sshd.log")).unwrap_or_default()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn configuration(directory: &Path, port: u16, allow: Allow) -> String {
    let at = directory.display();
    let mut text = allow.lines.replace("@DIRECTORY@", &at.to_string());
    text.push_str(&format!(
        "\nListenAddress 127.0.0.1\nPort {port}\nPidFile {at}/sshd.pid\nAuthorizedKeysFile {at}/authorized_keys\nStrictModes no\n\
         UsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nLogLevel VERBOSE\nPrintMotd no\n"
    ));
    for kind in allow.host_keys {
        text.push_str(&format!("HostKey {at}/host_{kind}\n"));
    }
    text
}

/// The user that runs the tests: the only one a server without privilege can let in.
pub fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

pub fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

pub fn keygen(file: &Path, kind: &str, passphrase: &str) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", kind, "-N", passphrase, "-C", "test key", "-f"]).arg(file);
    if kind == "rsa" {
        command.args(["-b", "2048"]);
    }
    assert!(command.stdin(Stdio::null()).status().expect("ssh-keygen").success());
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// An agent of our own, with one key in it.
pub struct Agent {
    pub socket: PathBuf,
    child: Child,
}

impl Agent {
    pub fn with_key(directory: &Path, key: &Path) -> Self {
        let socket = directory.join("agent");
        let mut child = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::piped())
            .spawn()
            .expect("ssh-agent");
        // It tells its socket once it listens there.
        let mut told = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut told).unwrap();
        let agent = Self { socket, child };
        agent.add(key);
        agent
    }

    /// Puts another key behind those that it has.
    pub fn add(&self, key: &Path) {
        let added = Command::new("ssh-add")
            .arg("-q")
            .arg(key)
            .env("SSH_AUTH_SOCK", &self.socket)
            .status()
            .expect("ssh-add");
        assert!(added.success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
