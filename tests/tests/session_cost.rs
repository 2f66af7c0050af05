//! What a key costs: the system calls, the turns of the loop and the threads of the real programs, counted by strace. Counts
//! are no times: a busy machine makes them smaller, if anything.
#![cfg(target_os = "linux")]

mod local;

use local::{Home, shell};
use std::fs;
use std::process::{Child, Command, Stdio};

use mpmosh_tests::lab::clock;

/// Keys that are counted.
const KEYS: usize = 20;

/// A strace that counts, beside a process with all its threads.
struct Strace {
    child: Child,
    output: std::path::PathBuf,
}

impl Strace {
    fn of(home: &Home, process: &str) -> Self {
        let output = home.file(&format!("strace-{process}"));
        let mut command = Command::new("strace");
        command.args(["-f", "-c", "-U", "calls,name", "-p", process, "-o"]).arg(&output);
        let child =
            command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("strace (Debian: strace)");
        // It traces when the kernel says so of every thread.
        let traced = || {
            let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("a process");
            let mut statuses = tasks.flatten().map(|task| fs::read_to_string(task.path().join("status")));
            statuses
                .all(|status| status.is_ok_and(|status| !status.contains("TracerPid:\t0\n")))
                .then_some(())
        };
        clock::wait_for(local::PATIENCE, traced).expect("strace may trace a process of one's own");
        Self { child, output }
    }

    /// The calls so far, by name; `total` is all of them.
    fn end(mut self) -> Vec<(String, usize)> {
        local::kill(self.child.id(), "INT");
        self.child.wait().expect("strace ends");
        let table = fs::read_to_string(&self.output).expect("a table");
        let row = |line: &str| {
            let mut words = line.split_whitespace();
            let count = words.next()?.parse().ok()?;
            Some((words.next()?.to_owned(), count))
        };
        table.lines().filter_map(row).collect()
    }
}

fn threads(process: &str) -> usize {
    fs::read_dir(format!("/proc/{process}/task")).expect("a process").count()
}

#[test]
fn a_key_costs_few_calls_and_few_turns_and_asks_no_reactor() {
    let home = Home::new("cost");
    let (mut terminal, server) = shell(&home, &["--predict=never"]);
    let client = terminal.pty().pid().to_string();
    // The executor has one thread, and what it waits with another, on any machine.
    assert!(threads(&client) <= 3 && threads(&server) <= 3);
    let traces = [Strace::of(&home, &client), Strace::of(&home, &server)];
    // Letters that nothing else shows.
    for key in b"ABCDEFGHIJKLMNOPQRST".iter().take(KEYS) {
        let key = char::from(*key).to_string();
        terminal.type_in(&key);
        terminal.see(&key);
    }
    for (end, trace) in ["client", "server"].into_iter().zip(traces) {
        let calls = trace.end();
        let count = |name: &str| calls.iter().find(|call| call.0 == name).map_or(0, |call| call.1);
        assert!(count("total") > 3 * KEYS, "{end}: nothing was counted: {calls:?}");
        assert!(count("total") <= 40 * KEYS, "{end}: {calls:?}");
        assert!(count("ppoll") <= 9 * KEYS, "{end}: {calls:?}");
        let idle =
            ["epoll_ctl", "fstat", "newfstatat", "futex", "accept4", "timerfd_settime", "wait4", "waitid"];
        for name in idle {
            // strace itself interrupts a helper's wait, once as it comes.
            assert!(count(name) < KEYS / 4, "{end}: {name}: {calls:?}");
        }
    }
}
