//! Facts about the peer: Debian's mosh in the laptop lab. They are the measure of what this project promises, and
//! show that the lab itself is sound.
#![cfg(target_os = "linux")]

use std::time::Duration;

use mpmosh_tests::lab::scenario::{self, Event};
use mpmosh_tests::lab::{self, Laptop, LaptopOptions, Subject};

#[test]
fn ssh_opens_a_shell() {
    let Some(laptop) = lab::open(|| Laptop::with_sshd(LaptopOptions::default())) else { return };
    let (console, time) = scenario::connect(&laptop.lab, &laptop.client, &Subject::ssh()).unwrap();
    println!("ssh: prompt after {time:?}");
    console.send("id -un; echo $HOME\r").unwrap();
    console.wait_for(laptop.server.home().to_str().unwrap(), Duration::from_secs(5)).unwrap();
    assert!(console.text().contains(lab::USER));
}

#[test]
fn mosh_works_and_hangs_when_the_active_uplink_falls_silent() {
    let run = || scenario::run(&Subject::mosh(), &Event::silent_death().cut_to(40));
    let Some(outcome) = lab::open(run) else { return };
    assert!(outcome.keys[..18].iter().all(|key| key.shown.is_some()), "{:?}", outcome.keys);
    assert!(outcome.keys[20..].iter().all(|key| key.shown.is_none()), "mosh survived: {:?}", outcome.keys);
}

#[test]
fn mosh_roams_when_the_kernel_itself_changes_the_route() {
    let run = || scenario::run(&Subject::mosh(), &Event::interface_down().cut_to(40));
    let Some(outcome) = lab::open(run) else { return };
    assert_eq!(outcome.unanswered(), 0, "{:?}", outcome.keys);
}
