//! Carriers over a real sshd: the channel that began the session, and channels opened later.

use super::carrying::{Client, End};
use mpmosh_tests::lab::ssh::{PATIENCE, laptop, process_words};
use mpmosh_tests::lab::{Laptop, USER, clock};
use std::fs;
use std::process::Command;

/// A command on the server, by the user's own ssh.
fn ssh(laptop: &Laptop, words: &[&str]) -> Command {
    let mut command = laptop.client.command("ssh");
    command.args(["-T", &format!("{USER}@server"), "mpmosh-server"]).args(words);
    command
}

/// The processes that carry for this session.
fn carriers(session: &str) -> Vec<i32> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let processes = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.filter(|id| process_words(*id).trim_end() == format!("mpmosh-server carry {session}")).collect()
}

#[test]
fn an_account_that_may_run_the_server_and_nothing_else_has_carriers_to_its_own_sessions() {
    // As the scripts do that people put into ForceCommand or an authorized_keys file; rc files are noisy besides.
    let allow = "ForceCommand echo noise; case \"$SSH_ORIGINAL_COMMAND\" in \"mpmosh-server new \"*|\"mpmosh-server carry \"*) \
                 exec $SSH_ORIGINAL_COMMAND;; esac; echo not allowed >&2; exit 1";
    let Some((laptop, _sshd)) = laptop(allow) else { return };
    let options = ["--dialect", "multipath", "--size", "80x24", "-p", "0", "--carry", "--", "cat"];
    let mut first = End::begin(ssh(&laptop, &[&["new"], &options[..]].concat()));
    let announcement =
        first.before.lines().find(|line| line.starts_with("MPMOSH CONNECT ")).unwrap().to_owned();
    assert!(first.before.starts_with("noise\n"), "{}", first.before);
    let id = announcement.rsplit("session=").next().unwrap()[..6].to_owned();
    let mut client = Client::of(&announcement);
    client.exchange(&mut first);

    let mut second = End::begin(ssh(&laptop, &["carry", &id]));
    client.exchange(&mut second);
    assert_eq!(carriers(&id).len(), 2);
    // The session outlives both, and nothing of them stays: sshd's processes neither.
    assert_eq!(first.end().status.code(), Some(0));
    client.exchange(&mut second);
    assert_eq!(second.end().status.code(), Some(0));
    clock::wait_for(PATIENCE, || carriers(&id).is_empty().then_some(())).unwrap();
    let mut third = End::begin(ssh(&laptop, &["carry", &id]));
    client.exchange(&mut third);
    // A connection that dies ends it as well.
    third.child.kill().unwrap();
    third.child.wait().unwrap();
    clock::wait_for(PATIENCE, || carriers(&id).is_empty().then_some(())).unwrap();

    for elsewhere in ["127.0.0.1:22", "zzzzzz", "22"] {
        let output = ssh(&laptop, &["carry", elsewhere]).output().unwrap();
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{out}");
        assert!(out.contains("\nMPMOSH REFUSED unknown no session here is called"), "{out}");
    }
}
