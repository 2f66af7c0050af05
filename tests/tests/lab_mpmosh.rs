//! What this product is for, on a real kernel with a real sshd: the network changes under a session, and typing goes
//! on. Times are asserted loosely, since the machine is shared; `make bench` measures them.
#![cfg(target_os = "linux")]

use std::time::Duration;

use mpmosh_tests::lab::scenario::{self, Event, Outcome, Timetable};
use mpmosh_tests::lab::{self, Laptop, LaptopOptions, Paper, Subject};

/// The whole story of one event with our program; `None` when lab tests are left out.
fn typing_through(event: Event) -> Option<Outcome> {
    let outcome = lab::open(|| scenario::run(&Subject::mpmosh(), event, Timetable::default()))?;
    assert_eq!(outcome.unanswered(), 0, "keys were never echoed: {:?}", outcome.keys);
    let worst = outcome.worst();
    assert!(worst < Duration::from_secs(1), "a key took {worst:?}: {:?}", outcome.keys);
    Some(outcome)
}

#[test]
fn a_shell_opens_through_a_real_sshd_and_ends_with_its_status() {
    let Some(laptop) = lab::open(|| Laptop::with_sshd(LaptopOptions::default())) else { return };
    let (mut console, time) = scenario::connect(&laptop.lab, &laptop.client, &Subject::mpmosh()).unwrap();
    println!("mpmosh: prompt after {time:?}");
    console.send("id -un; echo $HOME\r").unwrap();
    console.wait_for(laptop.server.home().to_str().unwrap(), Duration::from_secs(5)).unwrap();
    console.send("exit 7\r").unwrap();
    let status = console.wait_exit(Duration::from_secs(10)).unwrap();
    assert_eq!(status.code(), Some(7), "{}", console.text());
}

#[test]
fn typing_goes_on_when_the_active_uplink_falls_silent() {
    let Some(outcome) = typing_through(Event::SilentDeath) else { return };
    assert!(outcome.settled_at() < Duration::from_millis(160), "the survivor's round trip is 80 ms");
}

#[test]
fn typing_returns_to_the_better_uplink_when_it_is_healed() {
    let Some(outcome) = typing_through(Event::SilentDeathAndHealing) else { return };
    let settled = outcome.settled_within(Duration::from_millis(70));
    println!("settled on the better uplink after {settled:?}");
    assert!(
        settled.is_some_and(|time| time < Duration::from_millis(2500)),
        "{settled:?}: {:?}",
        outcome.keys
    );
}

#[test]
fn typing_goes_on_when_the_active_interface_goes_down() {
    let Some(outcome) = typing_through(Event::InterfaceDown) else { return };
    assert!(outcome.settled_at() < Duration::from_millis(160), "the survivor's round trip is 80 ms");
}

#[test]
fn typing_goes_on_when_the_active_address_changes() {
    let Some(outcome) = typing_through(Event::AddressChange) else { return };
    assert!(outcome.settled_at() < Duration::from_millis(90), "the better uplink is there again");
}

#[test]
fn a_strict_reverse_path_filter_costs_the_second_uplink_and_nothing_else() {
    let strict = LaptopOptions { reverse_path_filter: 1, ..LaptopOptions::default() };
    let Some(laptop) = lab::open(|| Laptop::with_sshd(strict)) else { return };
    let (console, _) = scenario::connect(&laptop.lab, &laptop.client, &Subject::mpmosh()).unwrap();
    scenario::echo_keys(&console).unwrap();
    let keys = console.type_keys(20, Duration::from_millis(100), Duration::from_secs(2), |_| Ok(())).unwrap();
    assert!(keys.iter().all(|key| key.shown.is_some()), "{keys:?}");
    console.wait_for("drops its answers", Duration::from_secs(10)).unwrap();
}

#[test]
fn the_stock_wrapper_works_with_our_client_and_our_server() {
    let Some(laptop) = lab::open(|| Laptop::with_sshd(LaptopOptions::default())) else { return };
    for (our_client, our_server) in [(true, false), (false, true), (true, true)] {
        let subject = Subject::wrapper(our_client, our_server);
        let (mut console, _) = scenario::connect(&laptop.lab, &laptop.client, &subject).unwrap();
        scenario::echo_keys(&console).unwrap();
        let keys =
            console.type_keys(20, Duration::from_millis(100), Duration::from_secs(2), |_| Ok(())).unwrap();
        assert!(keys.iter().all(|key| key.shown.is_some()), "{}: {keys:?}", subject.name);
        // The interrupt throws away what was typed before the shell is back.
        let mark = console.mark();
        console.send("\x03").unwrap();
        console.wait_for_after(mark, "ready>", Duration::from_secs(5)).unwrap();
        console.send("exit 0\r").unwrap();
        let status = console.wait_exit(Duration::from_secs(10)).unwrap();
        assert_eq!(status.code(), Some(0), "{}: {}", subject.name, console.text());
    }
}

#[test]
fn the_papers_timeline_costs_no_key() {
    let Some(paper) = lab::open(Paper::with_sshd) else { return };
    paper.links[0].delay(Duration::from_millis(1));
    paper.links[1].delay(Duration::from_millis(3));
    let trace = paper.client.home().join("trace.jsonl");
    let subject = Subject::mpmosh().with_option(&format!("--trace={}", trace.display()));
    let (console, _) = scenario::connect(&paper.lab, &paper.client, &subject).unwrap();
    scenario::echo_keys(&console).unwrap();
    let timeline = scenario::play_timeline(&paper, &console, &subject).unwrap();
    if let Some(copy) = std::env::var_os("MPMOSH_LAB_TRACE") {
        std::fs::copy(&trace, copy).unwrap();
    }
    for (phase, _, worst, unanswered) in timeline.phases() {
        assert_eq!(unanswered, 0, "{phase}: keys were never echoed");
        assert!(worst < Duration::from_secs(1), "{phase}: a key took {worst:?}");
    }
    let (_, settled, _, _) = timeline.phases().pop().unwrap();
    assert!(
        settled < Duration::from_millis(280),
        "after the healing the path of 200 ms is the better one: {settled:?}"
    );
}
