//! A detached server outlives whoever started it and lets go of its streams. No test harness: it has threads, with which a
//! process cannot detach.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use mpmosh_platform::login::{self, Detached};
use mpmosh_platform::pty::{self, Pipes};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::process::Command;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("server") => server(),
        Some("threaded") => threaded(),
        // What `cargo test -- --list` and filters ask for has no answer here.
        Some("--list") => {}
        _ => {
            a_detached_process_outlives_its_parent_and_lets_go_of_its_streams();
            a_process_with_threads_does_not_detach();
            println!("detached: 2 passed");
        }
    }
}

fn myself(case: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(case);
    command
}

fn a_detached_process_outlives_its_parent_and_lets_go_of_its_streams() {
    let mut pipes = Pipes::spawn(myself("server")).unwrap();
    let mut said = Vec::new();
    let mut buffer = [0; 100];
    loop {
        let mut poll = libc::pollfd { fd: pipes.stdout.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd, which outlives the call.
        assert_eq!(unsafe { libc::poll(&raw mut poll, 1, 20_000) }, 1, "the streams are held open");
        match pty::read(&pipes.stdout, &mut buffer) {
            // The end comes although the child still runs: ssh would hang otherwise.
            Ok(0) => break,
            Ok(n) => said.extend(&buffer[..n]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    let pid: i32 = String::from_utf8(said).unwrap().trim().parse().unwrap();
    let status = loop {
        if let Some(status) = pipes.try_wait().unwrap() {
            break status;
        }
    };
    assert_eq!(status, 0);
    // SAFETY: numbers only. Signal 0 asks whether the process is there.
    unsafe {
        assert_eq!(libc::getsid(pid), pid);
        assert_eq!(libc::kill(pid, libc::SIGHUP), 0);
        assert_eq!(libc::kill(pid, 0), 0);
        assert_eq!(libc::kill(pid, libc::SIGKILL), 0);
    }
}

fn server() {
    match login::detach().unwrap() {
        Detached::Parent { pid } => println!("{pid}"),
        Detached::Child => {
            login::close_standard_streams().unwrap();
            std::thread::park_timeout(std::time::Duration::from_secs(60));
        }
    }
}

fn a_process_with_threads_does_not_detach() {
    if cfg!(target_os = "linux") {
        assert!(myself("threaded").status().unwrap().success());
    }
}

fn threaded() {
    let (send, receive) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || receive.recv());
    assert_eq!(login::detach().unwrap_err().kind(), ErrorKind::Unsupported);
    drop(send);
    assert!(thread.join().unwrap().is_err());
}
