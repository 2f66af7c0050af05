//! How sessions end on real kernels: an outage at the last moment, a server that is gone, a machine that refuses.
#![cfg(target_os = "linux")]

use std::time::Duration;

use mpmosh_tests::lab::scenario;
use mpmosh_tests::lab::{self, Console, Laptop, LaptopOptions, Namespace, Subject, clock};

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
    let gone = || lab::measure::named(&laptop.server, "mpmosh-server").is_empty().then_some(());
    assert!(clock::wait_for(PATIENCE, gone).is_some(), "the server knows and leaves");
}
