//! What this product is for, on a real kernel with a real sshd: the network changes under a session, and typing goes
//! on. Times are asserted loosely, since the machine is shared; `make bench` measures them.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use mpmosh_tests::lab::measure::named;
use mpmosh_tests::lab::scenario::{self, Event, Outcome};
use mpmosh_tests::lab::{self, Laptop, LaptopOptions, Paper, Subject};

/// The whole story of one event with our program; `None` when lab tests are left out.
fn typing_through(event: &Event) -> Option<Outcome> {
    typing_through_within(event, Duration::from_secs(1))
}

/// The same, where a key may take longer.
fn typing_through_within(event: &Event, limit: Duration) -> Option<Outcome> {
    typing_with(&Subject::mpmosh(), event, limit)
}

fn typing_with(subject: &Subject, event: &Event, limit: Duration) -> Option<Outcome> {
    let outcome = lab::open(|| scenario::run(subject, event))?;
    assert_eq!(outcome.unanswered(), 0, "keys were never echoed: {:?}", outcome.keys);
    let worst = outcome.worst();
    assert!(worst < limit, "a key took {worst:?}: {:?}", outcome.keys);
    Some(outcome)
}

/// The survivor's round trip is 80 ms, and so are the keys' times in the end.
fn settles_on_the_survivor(event: &Event) {
    let Some(outcome) = typing_through(event) else { return };
    assert!(outcome.settled_at() < Duration::from_millis(160), "{:?}", outcome.keys);
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

/// Whether a process has a timer on the wall clock that setting it cancels (timerfd_create(2)): what a resume wakes.
fn is_woken_by_a_resume(process: &Path) -> bool {
    let timers = fs::read_dir(process.join("fdinfo")).into_iter().flatten().flatten();
    let mut told = timers.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    told.any(|text| text.contains("clockid: 0\n") && text.contains("settime flags: 03\n"))
}

#[test]
fn both_ends_are_woken_when_their_machine_resumes() {
    let Some(laptop) = lab::open(|| Laptop::with_sshd(LaptopOptions::default())) else { return };
    let (console, _) = scenario::connect(&laptop.lab, &laptop.client, &Subject::mpmosh()).unwrap();
    for (host, program) in [(&laptop.client, "mpmosh"), (&laptop.server, "mpmosh-server")] {
        let processes = named(host, program).into_iter();
        let mut folders = processes.map(|id| Path::new("/proc").join(id.as_raw_nonzero().to_string()));
        assert!(folders.any(|folder| is_woken_by_a_resume(&folder)), "{program}: {}", console.text());
    }
}

#[test]
fn typing_goes_on_when_the_active_uplink_falls_silent() {
    settles_on_the_survivor(&Event::silent_death());
}

#[test]
fn typing_returns_to_the_better_uplink_when_it_is_healed() {
    let Some(outcome) = typing_through(&Event::silent_death_and_healing()) else { return };
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
    settles_on_the_survivor(&Event::interface_down());
}

#[test]
fn typing_goes_on_when_the_active_address_changes() {
    let Some(outcome) = typing_through(&Event::address_change()) else { return };
    assert!(outcome.settled_at() < Duration::from_millis(90), "the better uplink is there again");
}

#[test]
fn typing_goes_on_when_only_one_direction_dies() {
    settles_on_the_survivor(&Event::uplink_death());
    settles_on_the_survivor(&Event::downlink_death());
}

#[test]
fn a_key_after_a_pause_in_which_the_active_uplink_died_is_a_key_like_others() {
    settles_on_the_survivor(&Event::idle_death());
}

#[test]
fn a_stopped_client_that_goes_on_finds_the_survivor() {
    settles_on_the_survivor(&Event::frozen_death());
}

#[test]
fn typing_goes_on_when_the_carrier_is_lost_and_the_address_stays() {
    settles_on_the_survivor(&Event::carrier_lost());
}

#[test]
fn an_interface_that_appears_after_the_only_one_is_gone_is_used_at_once() {
    // Two seconds lie between the two; the first key after the gap has them in its latency.
    let Some(outcome) = typing_through_within(&Event::replaced(), Duration::from_secs(3)) else { return };
    assert!(outcome.settled_at() < Duration::from_millis(160), "{:?}", outcome.keys);
}

#[test]
fn an_interface_that_appeared_a_second_ago_takes_over_from_one_that_dies() {
    settles_on_the_survivor(&Event::overlap());
}

#[test]
fn where_the_system_gives_no_notice_a_new_interface_is_found_by_looking() {
    let event = Event::overlap();
    let Some(mut laptop) = lab::open(|| Laptop::with_sshd(event.options())) else { return };
    laptop.uplinks[1].interface_down().unwrap();
    let log = laptop.client.home().join("log");
    let subject = Subject::mpmosh().without_notices().with_option("--log-level=info");
    let subject = subject.with_option(&format!("--log={}", log.display()));
    let (console, _) = scenario::connect(&laptop.lab, &laptop.client, &subject).unwrap();
    scenario::echo_keys(&console).unwrap();
    let outcome = scenario::play(&mut laptop, &console, &subject, &event).unwrap();
    scenario::report(&outcome);
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("no notices of network changes"), "{log}");
    assert_eq!(outcome.unanswered(), 0, "keys were never echoed: {:?}", outcome.keys);
    // It looks every three seconds; the interface appeared one second before the other fell silent.
    assert!(outcome.worst() < Duration::from_secs(4), "{:?}", outcome.keys);
    assert!(outcome.settled_at() < Duration::from_millis(160), "{:?}", outcome.keys);
}

#[test]
fn the_death_of_a_whole_family_is_survived() {
    for event in [Event::ipv6_death(), Event::ipv4_death()] {
        let Some(outcome) = typing_through(&event) else { return };
        assert!(outcome.settled_at() < Duration::from_millis(90), "{}: {:?}", event.name, outcome.keys);
    }
}

#[test]
fn somebody_else_s_download_moves_the_typing_away() {
    for subject in [Subject::mpmosh().with_option("--metered=allow"), Subject::mpmosh()] {
        let outcome = typing_with(&subject, &Event::download(), Duration::from_secs(1));
        let Some(outcome) = outcome else { return };
        assert!(outcome.settled_at() < Duration::from_millis(160), "{:?}", outcome.keys);
    }
}

#[test]
fn output_moves_to_the_survivor_without_a_key() {
    let Some(laptop) = lab::open(|| Laptop::with_sshd(LaptopOptions::default())) else { return };
    let (console, _) = scenario::connect(&laptop.lab, &laptop.client, &Subject::mpmosh()).unwrap();
    let lines = "; i=100; while :; do i=$((i+1)); echo $i; sleep 0.1; done";
    scenario::finish_line(&console, "Ω", "", lines, Duration::from_secs(5)).unwrap();
    console.wait_for("130", Duration::from_secs(10)).unwrap();
    let mark = console.mark();
    laptop.uplinks[0].silence(true);
    console.wait_for_after(mark, "170", Duration::from_secs(10)).unwrap();
    let pause = console.longest_pause(mark);
    println!("the longest pause in a line each 100 ms: {pause:?}");
    assert!(pause < Duration::from_secs(1), "{pause:?}");
}

#[test]
fn the_same_private_address_at_both_ends_makes_no_path() {
    let Some(laptop) = lab::open(|| Laptop::with_sshd(LaptopOptions::default())) else { return };
    for host in [&laptop.client, &laptop.server] {
        host.ip(&["link", "add", "docker0", "type", "bridge"]).unwrap();
        host.ip(&["addr", "add", "172.17.0.1/16", "dev", "docker0"]).unwrap();
        host.ip(&["link", "set", "docker0", "up"]).unwrap();
        // The same on an interface that looks like a network of its own.
        host.ip(&["link", "add", "eth7", "type", "veth", "peer", "name", "eth8"]).unwrap();
        host.ip(&["addr", "add", "10.9.9.1/24", "dev", "eth7"]).unwrap();
        host.ip(&["link", "set", "eth7", "up"]).unwrap();
        host.ip(&["link", "set", "eth8", "up"]).unwrap();
    }
    let trace = laptop.client.home().join("trace.jsonl");
    let subject = Subject::mpmosh().with_option(&format!("--trace={}", trace.display()));
    // Even when the user says that the server is there too: this machine's own address is no way to it.
    let subject = subject.with_option("--address=10.9.9.1").with_option("--address=172.17.0.1");
    let (mut console, _) = scenario::connect(&laptop.lab, &laptop.client, &subject).unwrap();
    scenario::echo_keys(&console).unwrap();
    let keys = console.type_keys(30, scenario::INTERVAL, scenario::PATIENCE, |_| Ok(())).unwrap();
    assert!(keys.iter().all(|key| key.shown.is_some()), "{keys:?}");
    console.send("\x1e.").unwrap();
    console.wait_exit(Duration::from_secs(10)).unwrap();
    let trace = std::fs::read_to_string(trace).unwrap();
    assert!(trace.contains("203.0.113.10"), "{trace}");
    for line in trace.lines().filter(|line| line.contains("opened")) {
        assert!(!line.contains("\"10.9.9.1") && !line.contains("\"172.17.0.1"), "from the twin: {line}");
    }
}

#[test]
fn a_strict_reverse_path_filter_costs_the_second_uplink_and_nothing_else() {
    let strict = LaptopOptions { reverse_path_filter: 1, ..LaptopOptions::default() };
    let Some(laptop) = lab::open(|| Laptop::with_sshd(strict)) else { return };
    let (console, _) = scenario::connect(&laptop.lab, &laptop.client, &Subject::mpmosh()).unwrap();
    scenario::echo_keys(&console).unwrap();
    let keys = console.type_keys(20, Duration::from_millis(100), Duration::from_secs(2), |_| Ok(())).unwrap();
    assert!(keys.iter().all(|key| key.shown.is_some()), "{keys:?}");
    console.send("\x1ep").unwrap();
    console.wait_for("drops its answers", Duration::from_secs(10)).unwrap();
    console.send("\x1ep").unwrap();
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
