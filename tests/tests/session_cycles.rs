//! A session whose clients come and are killed, again and again: nothing of them is left with the server.
#![cfg(target_os = "linux")]

mod local;

use local::{Home, Terminal, kill, shell};
use mpmosh_tests::lab::measure::resident;
use rustix::process::Pid;
use std::fs;

/// Attaches, looks, and is killed, so many times.
fn cycles(home: &Home, count: usize) {
    for _ in 0..count {
        let mut command = home.program("mpmosh");
        command.args(["attach", "--local", "--take", "work"]);
        let mut client = Terminal::start(&command);
        client.see("noted");
        kill(client.pty().pid(), "KILL");
        drop(client);
    }
}

fn descriptors(server: Pid) -> usize {
    fs::read_dir(format!("/proc/{server}/fd")).expect("the server lives").count()
}

/// A session, and its server.
fn begun(home: &Home) -> (Terminal, Pid) {
    let (terminal, server) = shell(home, &["--session", "work"]);
    let server = server.parse().ok().and_then(Pid::from_raw).expect("a process number");
    (terminal, server)
}

#[test]
fn what_a_killed_client_used_is_free_again() {
    let home = Home::new("cycles");
    let (mut first, server) = begun(&home);
    cycles(&home, 3);
    let before = descriptors(server);
    cycles(&home, 20);
    assert_eq!(descriptors(server), before);
    kill(server.as_raw_pid().unsigned_abs(), "TERM");
    first.end();
}

/// `make test-long`: it takes minutes.
#[test]
#[ignore = "minutes"]
fn a_thousand_killed_clients_leave_no_memory_behind() {
    let home = Home::new("cycles-long");
    let (mut first, server) = begun(&home);
    cycles(&home, 50);
    let before = (resident(server).expect("the server lives"), descriptors(server));
    cycles(&home, 1000);
    let after = (resident(server).expect("the server lives"), descriptors(server));
    println!(
        "resident memory {} kB, then {} kB; descriptors {} and {}",
        before.0 / 1024,
        after.0 / 1024,
        before.1,
        after.1
    );
    assert_eq!(after.1, before.1);
    assert!(after.0 <= before.0 + (64 << 10), "{} octets more", after.0 - before.0);
    kill(server.as_raw_pid().unsigned_abs(), "TERM");
    first.end();
}
