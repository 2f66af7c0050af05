//! Facts about the peer: Debian's mosh in the laptop lab. They are the measure of what this project promises, and
//! show that the lab itself is sound.
#![cfg(target_os = "linux")]

use std::time::Duration;

use mpmosh_tests::lab::scenario::{self, Event, Outcome, Timetable};
use mpmosh_tests::lab::{self, Laptop, LaptopOptions, Subject};

#[test]
fn ssh_opens_a_shell() {
    let Some(laptop) = lab::open(|| Laptop::with_sshd(LaptopOptions::default())) else { return };
    let (console, time) = scenario::connect(&laptop, &Subject::ssh()).unwrap();
    println!("ssh: prompt after {time:?}");
    console.send("id -un; echo $HOME\r").unwrap();
    console.wait_for(laptop.server.home().to_str().unwrap(), Duration::from_secs(5)).unwrap();
    assert!(console.text().contains(lab::USER));
}

#[test]
fn mosh_works_and_hangs_when_the_active_uplink_falls_silent() {
    let Some(mut laptop) = lab::open(|| Laptop::with_sshd(LaptopOptions::default())) else { return };
    let mosh = Subject::mosh();
    let (console, time) = scenario::connect(&laptop, &mosh).unwrap();
    println!("mosh: prompt after {time:?}");
    scenario::echo_keys(&console).unwrap();
    let timetable = Timetable { keys: 40, event: 20, ..Timetable::default() };
    let outcome = scenario::play(&mut laptop, &console, &mosh, Event::SilentDeath, timetable).unwrap();
    println!("{}\n{}", Outcome::HEADING, outcome.row());
    assert!(outcome.keys[..15].iter().all(|key| key.shown.is_some()), "{:?}", outcome.keys);
    assert!(
        outcome.keys[20..].iter().all(|key| key.shown.is_none()),
        "mosh survived a silent death: {:?}",
        outcome.keys
    );
    assert!(outcome.unanswered() >= 20);
}
