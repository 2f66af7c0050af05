//! A machine that has nothing left, at either end: one sentence before the announcement, and no panic, abort or stack trace.
//!
//! As root the limits are those of a user that nobody else is, since processes are counted by user.
#![cfg(target_os = "linux")]

use mpmosh_tests::lab::{self, LabError, built_binary};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The programs where any user may run them, with a home for one of them.
struct Place {
    folder: PathBuf,
    user: u32,
}

impl Place {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("mpmosh-scarce-{}-{name}", std::process::id()));
        fs::create_dir_all(folder.join("home")).expect("a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("its mode");
        for program in ["mpmosh", "mpmosh-server"] {
            let built = built_binary(program).expect("built programs");
            fs::copy(built, folder.join(program)).expect("a copy");
        }
        let number = name.bytes().fold(0, |sum, byte| sum * 31 % 1000 + u32::from(byte));
        let user = 2_000_000 + std::process::id() % 100_000 * 2000 + number;
        if is_root() {
            std::os::unix::fs::chown(folder.join("home"), Some(user), Some(user)).expect("its owner");
        }
        Self { folder, user }
    }

    /// A program of ours under a limit, as prlimit(1) says it.
    fn run(&self, limit: &str, program: &str, words: &[&str]) -> Output {
        let mut command = Command::new("setpriv");
        if is_root() {
            let user = self.user;
            command.args([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".into()]);
        }
        command.args(["prlimit", limit]).arg(self.folder.join(program)).args(words);
        self.output(command)
    }

    fn output(&self, mut command: Command) -> Output {
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("HOME", self.folder.join("home")).env("LANG", "C.UTF-8");
        command.env("MPMOSH_REGISTRY", self.folder.join("sessions"));
        command.stdin(Stdio::null()).output().expect("setpriv (Debian: util-linux)")
    }

    /// A server under a limit: it announces itself, or says in one sentence why not. Whether it announced itself.
    fn server(&self, limit: &str) -> bool {
        let words = ["new", "--dialect=multipath", "--size=80x24", "--", "true"];
        let output = self.run(limit, "mpmosh-server", &words);
        let said = text(&output);
        well_behaved(limit, &output);
        if let Some((_, rest)) = said.split_once("[mosh-server detached, pid = ") {
            let server = rest.split(']').next().and_then(|pid| pid.parse().ok()).expect("a process");
            let _ = rustix::process::kill_process(
                rustix::process::Pid::from_raw(server).expect("one"),
                rustix::process::Signal::KILL,
            );
            assert!(said.contains("MPMOSH CONNECT"), "{limit}: {said}");
            return true;
        }
        assert!(!said.contains("CONNECT") && output.status.code() == Some(1), "{limit}: {said}");
        assert!(said.starts_with("mpmosh-server: ") && said.trim().lines().count() == 1, "{limit}: {said}");
        false
    }

    /// `mpmosh --local` under a limit: it works, or says in a paragraph why not. Whether it worked.
    fn client(&self, limit: &str) -> bool {
        let output = self.run(limit, "mpmosh", &["--local", "--", "echo", "hi"]);
        let said = text(&output);
        well_behaved(limit, &output);
        if output.status.success() {
            assert_eq!(said, "hi\n", "{limit}");
            return true;
        }
        let said = said.replace('\n', " ");
        assert_eq!(output.status.code(), Some(255), "{limit}: {said}");
        // The one that meets the limit says so: the client, or the server by its sentence.
        let words = [
            "This machine has not what a session needs. Here, ",
            "The server on this machine did not start. It says: ",
        ];
        let told = |words: &&str| said.strip_prefix("mpmosh: ").is_some_and(|said| said.starts_with(*words));
        assert!(words.iter().any(told), "{limit}: {said}");
        false
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Processes are counted by user, and terminals are taken away by mounting: both are root's.
fn as_root() -> Result<(), LabError> {
    if is_root() { Ok(()) } else { Err(LabError::new("root is needed")) }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

fn well_behaved(limit: &str, output: &Output) {
    let said = text(output);
    assert_eq!(output.status.signal(), None, "{limit}: {said}");
    for word in ["panicked", "BACKTRACE", "os error", "overflow", "memory allocation"] {
        assert!(!said.contains(word), "{limit}: {said}");
    }
}

#[test]
fn without_processes() {
    let Some(()) = lab::open(as_root) else { return };
    let place = Place::new("processes");
    // What one leaves behind counts for the next: a user each.
    let alone = |number: u32| Place { folder: place.folder.clone(), user: place.user + number };
    let outcomes: Vec<[bool; 2]> = (1..=12)
        .map(|count| {
            let [first, second] = [alone(2 * count), alone(2 * count + 1)].map(core::mem::ManuallyDrop::new);
            let limit = format!("--nproc={count}");
            [first.server(&limit), second.client(&limit)]
        })
        .collect();
    assert_eq!((outcomes[0], outcomes[11]), ([false, false], [true, true]), "{outcomes:?}");
}

#[test]
fn without_descriptors() {
    let place = Place::new("descriptors");
    let outcomes: Vec<[bool; 2]> = [5, 8, 12, 20, 64]
        .iter()
        .map(|count| format!("--nofile={count}"))
        .map(|limit| [place.server(&limit), place.client(&limit)])
        .collect();
    assert_eq!((outcomes[2], outcomes[4]), ([false, false], [true, true]), "{outcomes:?}");
}

#[test]
fn without_memory_and_with_a_small_stack() {
    let place = Place::new("memory");
    // Below this the loader of programs gives up, in its own words.
    assert!(!place.server("--as=20000000"));
    assert!(place.server("--as=400000000"));
    assert!(place.server("--stack=65536") && place.client("--stack=65536"));
    // Below this the loader and the language's own start want more.
    for kilobytes in [16, 20, 24, 32, 40, 48] {
        let limit = format!("--stack={}", kilobytes << 10);
        assert!(!place.server(&limit) && !place.client(&limit), "{limit}");
    }
}

#[test]
fn without_terminals() {
    let Some(()) = lab::open(as_root) else { return };
    let place = Place::new("terminals");
    let closed = place.folder.join("closed");
    fs::write(&closed, "").expect("a file");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o600)).expect("its mode");
    let server = |words: &str| {
        let mut command = Command::new("unshare");
        let user = place.user;
        let line = format!(
            "mount --bind {} /dev/ptmx && exec setpriv --reuid={user} --regid={user} --clear-groups {} new --dialect=multipath {words} -- true",
            closed.display(),
            place.folder.join("mpmosh-server").display(),
        );
        command.args(["--mount", "sh", "-c", &line]);
        place.output(command)
    };
    let output = server("--size=80x24");
    well_behaved("ptmx", &output);
    assert_eq!(
        text(&output),
        "mpmosh-server: no terminal can be had: Permission denied; no session is started.\n"
    );
}
