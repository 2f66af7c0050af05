//! Processes that end, one way or another: the terminal is left as it was.
//!
//! Each case runs this very program again, in a terminal of its own.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use mpmosh_platform::login;
use mpmosh_platform::pty::{self, Pipes, Pty};
use mpmosh_platform::signals::{Signal, Signals};
use mpmosh_platform::tty::{RawMode, Size};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;

fn myself(case: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", case, "--ignored", "--nocapture"]);
    command
}

fn wait_readable(fd: impl AsFd) {
    let mut poll = libc::pollfd { fd: fd.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, which outlives the call.
    assert_eq!(unsafe { libc::poll(&raw mut poll, 1, 20_000) }, 1, "nothing came");
}

fn read_to_end(fd: impl AsFd, read: impl Fn(&mut [u8]) -> io::Result<usize>) -> String {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        wait_readable(&fd);
        match read(&mut buffer) {
            Ok(0) => return String::from_utf8_lossy(&all).into_owned(),
            Ok(n) => all.extend(&buffer[..n]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
}

/// Says in a case that it was started on purpose: these cases end their process.
const CASE: &str = "MPMOSH_TEST_CASE";

fn started_on_purpose() -> bool {
    std::env::var_os(CASE).is_some()
}

/// A shell that starts a case in its own terminal and then says how the case ended and how the terminal is.
fn in_a_terminal(case: &str) -> String {
    let command = myself(case);
    let words: Vec<_> = command.get_args().map(|word| word.to_str().unwrap().to_owned()).collect();
    let mut shell = Command::new("/bin/sh");
    shell.env(CASE, case).arg("-c").arg(format!(
        "stty -g >&2; before=$(stty -g); {} {} >/dev/null 2>&1; echo ended $?; [ \"$(stty -g)\" = \"$before\" ] && echo as it was",
        command.get_program().to_str().unwrap(),
        words.join(" ")
    ));
    let pty = Pty::spawn(shell, Size::DEFAULT).unwrap();
    read_to_end(&pty, |buffer| pty.read(buffer))
}

#[test]
fn a_fatal_signal_leaves_the_terminal_as_it_was() {
    for (case, status) in [("terminated", 143), ("aborted", 134), ("crashed", 139)] {
        let said = in_a_terminal(case);
        assert!(said.contains("bye"), "{case}: {said}");
        assert!(said.contains(&format!("ended {status}")), "{case}: {said}");
        assert!(said.contains("as it was"), "{case}: {said}");
    }
}

/// Raw mode on the terminal that is standard input; the farewell goes there too.
fn raw() -> RawMode {
    RawMode::enter(io::stdin(), b"bye").unwrap()
}

#[test]
#[ignore = "started by a_fatal_signal_leaves_the_terminal_as_it_was"]
fn terminated() {
    if !started_on_purpose() {
        return;
    }
    let _raw = raw();
    // SAFETY: numbers only.
    unsafe { libc::kill(libc::getpid(), libc::SIGTERM) };
    std::thread::park();
}

#[test]
#[ignore = "started by a_fatal_signal_leaves_the_terminal_as_it_was"]
fn aborted() {
    if !started_on_purpose() {
        return;
    }
    let _raw = raw();
    std::process::abort();
}

#[test]
#[ignore = "started by a_fatal_signal_leaves_the_terminal_as_it_was"]
fn crashed() {
    if !started_on_purpose() {
        return;
    }
    let _raw = raw();
    let nothing = std::ptr::without_provenance::<u8>(8);
    // SAFETY: there is none, on purpose: the read faults, as a mistake in this crate would.
    unsafe { nothing.read_volatile() };
}

#[test]
fn a_signal_that_somebody_catches_is_theirs() {
    let said = in_a_terminal("caught");
    assert!(said.contains("ended 0") && said.contains("as it was"), "{said}");
}

#[test]
#[ignore = "started by a_signal_that_somebody_catches_is_theirs"]
fn caught() {
    if !started_on_purpose() {
        return;
    }
    let mut signals = Signals::new(&[Signal::Terminate]).unwrap();
    let raw = raw();
    // SAFETY: numbers only.
    unsafe { libc::kill(libc::getpid(), libc::SIGTERM) };
    wait_readable(&signals);
    assert_eq!(signals.next(), Some(Signal::Terminate));
    // The terminal is still ours: whoever caught the signal says goodbye in order.
    // SAFETY: integers only; the struct outlives the call.
    let attributes = unsafe {
        let mut attributes: libc::termios = std::mem::zeroed();
        assert_eq!(libc::tcgetattr(0, &raw mut attributes), 0);
        attributes
    };
    assert_eq!(attributes.c_lflag & libc::ICANON, 0);
    drop(raw);
}

#[test]
fn core_dumps_are_forbidden_here_and_allowed_again_in_what_is_started() {
    let limits = |shell: Command| {
        let pipes = Pipes::spawn(shell).unwrap();
        read_to_end(&pipes.stdout, |buffer| pty::read(&pipes.stdout, buffer))
    };
    let ulimit = || {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "ulimit -S -c"]);
        shell
    };
    let before = limits(ulimit());
    login::forbid_core_dumps();
    assert_eq!(limits(ulimit()), before);
    let plain = ulimit().output().unwrap();
    assert_eq!(plain.stdout, b"0\n");
}
