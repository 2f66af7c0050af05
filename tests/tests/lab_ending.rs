//! How sessions end on real kernels: an outage at the last moment, a server that is gone, a machine that refuses.
#![cfg(target_os = "linux")]

use std::time::Duration;

use mpmosh_tests::lab::measure::named;
use mpmosh_tests::lab::scenario;
use mpmosh_tests::lab::{self, Console, Laptop, LaptopOptions, Namespace, Sshd, Subject, clock};
use rustix::process::{Signal, kill_process};

/// Long enough for a slow machine; nothing waits for it that goes well.
const PATIENCE: Duration = Duration::from_secs(30);

fn session() -> Option<(Console, Laptop)> {
    lab::open(|| {
        let laptop = Laptop::with_sshd(LaptopOptions::default())?;
        let (console, _) = scenario::connect(&laptop.lab, &laptop.client, &Subject::mpmosh())?;
        Ok((console, laptop))
    })
}

/// How many packets the rule of the table `f` has counted.
fn counted(namespace: &Namespace) -> u64 {
    let output = namespace.root_command("nft").args(["list", "table", "ip", "f"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let count = text.split("packets ").nth(1).and_then(|rest| rest.split(' ').next());
    count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no counter: {text}"))
}

/// A server that counts its attempts has spent them all by then: mosh's are sixteen.
const MORE_THAN_MOSH_TRIES: u64 = 20;

#[test]
fn an_outage_when_the_command_ends_costs_no_status() {
    let Some((mut console, laptop)) = session() else { return };
    laptop.client.filter("ip", "input", "udp sport 60000-61000 counter drop").unwrap();
    console.send("exit 3\r").unwrap();
    let dropped = || (counted(&laptop.client) >= MORE_THAN_MOSH_TRIES).then_some(());
    assert!(clock::wait_for(PATIENCE, dropped).is_some(), "the server gave up: {}", counted(&laptop.client));
    laptop.client.nft("delete table ip f").unwrap();
    let status = console.wait_exit(PATIENCE).unwrap();
    assert_eq!(status.code(), Some(3), "{}", console.text());
    let gone = || named(&laptop.server, "mpmosh-server").is_empty().then_some(());
    assert!(clock::wait_for(PATIENCE, gone).is_some(), "the server knows and leaves");
}

/// A laptop whose server asks for a word, and a shell on it that starts `mpmosh`.
fn asked_for_a_word() -> Option<(Console, Laptop, Sshd)> {
    lab::open(|| {
        let laptop = Laptop::new(LaptopOptions::default())?;
        Subject::mpmosh().prepare(&laptop.lab)?;
        let sshd = Sshd::start_with(&laptop.lab, &laptop.server, 22, "AuthenticationMethods password")?;
        sshd.introduce(&laptop.client, &["server", Laptop::SERVER, Laptop::SERVER_V6])?;
        let mut shell = laptop.client.command("bash");
        shell.args(["--norc", "--noprofile", "-i"]).env("PS1", "around> ");
        Ok((Console::start(shell)?, laptop, sshd))
    })
}

#[test]
fn a_signal_at_a_prompt_leaves_the_terminal_with_its_echo() {
    let Some((console, laptop, _sshd)) = asked_for_a_word() else { return };
    console.wait_for("around> ", PATIENCE).unwrap();
    for signal in [Signal::TERM, Signal::HUP, Signal::USR1] {
        let mark = console.mark();
        console.send("stty -g >found; mpmosh lab@server\r").unwrap();
        console.wait_for_after(mark, "Password of lab@server", PATIENCE).unwrap();
        let [process] = named(&laptop.client, "mpmosh")[..] else { panic!("one client") };
        let mark = console.mark();
        kill_process(process, signal).unwrap();
        console.wait_for_after(mark, "around> ", PATIENCE).unwrap();
        let mark = console.mark();
        console.send("stty -g >after; cmp found after && echo sa''me\r").unwrap();
        console.wait_for_after(mark, "same", PATIENCE).unwrap();
    }
}
