//! Addresses and routes of a machine change under its session, on a real kernel: which paths there are afterwards, and
//! that typing does not notice.
#![cfg(target_os = "linux")]

mod told;

use std::time::Duration;

use mpmosh_tests::lab::scenario::{self, INTERVAL, PATIENCE};
use mpmosh_tests::lab::{
    self, Console, Lab, LabError, Laptop, LaptopOptions, Namespace, Sshd, Subject, USER, clock, measure,
};
use rustix::process::{Signal, kill_process};
use serde_json::Value;
use told::{Asked, carrier, from};

/// A laptop with a session that echoes keys.
fn session(options: LaptopOptions) -> Option<(Console, Laptop)> {
    session_of(&Subject::mpmosh(), options, |_| Ok(()))
}

/// The same, on a laptop that something is done to before.
fn session_of(
    subject: &Subject,
    options: LaptopOptions,
    change: impl FnOnce(&Laptop) -> Result<(), LabError>,
) -> Option<(Console, Laptop)> {
    lab::open(|| {
        let laptop = Laptop::with_sshd(options)?;
        change(&laptop)?;
        let (console, _) = scenario::connect(&laptop.lab, &laptop.client, subject)?;
        scenario::echo_keys(&console)?;
        Ok((console, laptop))
    })
}

#[track_caller]
fn keys_come_through(console: &Console) {
    let keys = console.type_keys(20, INTERVAL, PATIENCE, |_| Ok(())).unwrap();
    assert!(keys.iter().all(|key| key.shown.is_some()), "{keys:?}");
}

fn stands(path: &Value, state: &str) -> bool {
    path["state"] == state
}

#[test]
fn a_default_route_that_moves_to_the_other_uplink_takes_the_session_with_it_and_back() {
    let Some((console, laptop)) = session(LaptopOptions::default()) else { return };
    let asked = Asked::of(&laptop.client);
    let [wifi, cell] = [laptop.uplinks[0].address(), laptop.uplinks[1].address()];
    asked.until("both paths answer", |paths| {
        [&wifi, &cell].iter().all(|ip| from(paths, ip).is_some_and(|path| stands(path, "answering")))
    });
    // The kernel prefers the other uplink now. Both still have a route, and the better path is the better path.
    laptop
        .client
        .ip(&["route", "add", "default", "via", "10.64.0.1", "dev", "wwan0", "metric", "100"])
        .unwrap();
    keys_come_through(&console);
    asked.until("the better path carries", |paths| carrier(paths) == Some("wlan0"));
    // And now there is no other route: the addresses stay, and lead nowhere.
    laptop.client.ip(&["route", "del", "default", "dev", "wlan0"]).unwrap();
    asked.until("the path without a route is down", |paths| {
        from(paths, &wifi).is_some_and(|path| stands(path, "down")) && carrier(paths) == Some("wwan0")
    });
    keys_come_through(&console);
    laptop
        .client
        .ip(&["route", "add", "default", "via", "192.168.1.1", "dev", "wlan0", "metric", "600"])
        .unwrap();
    asked.until("the better path carries again", |paths| {
        from(paths, &wifi).is_some_and(|path| stands(path, "answering")) && carrier(paths) == Some("wlan0")
    });
    keys_come_through(&console);
}

#[test]
fn a_default_route_that_moves_without_notice_is_followed() {
    let to_wifi = ["default", "via", "192.168.1.1", "dev", "wlan0"];
    let to_cell = ["default", "via", "10.64.0.1", "dev", "wwan0"];
    let route = |laptop: &Laptop, verb, route: &[&str]| laptop.client.ip(&[&["route", verb], route].concat());
    // As on a phone: both uplinks have an address, one has the route, and no program is told when the other gets it.
    let subject = Subject::mpmosh().without_notices();
    let only_wifi = |laptop: &Laptop| route(laptop, "del", &to_cell);
    let Some((console, laptop)) = session_of(&subject, LaptopOptions::default(), only_wifi) else { return };
    let asked = Asked::of(&laptop.client);
    let (mut old, mut new) = (to_wifi, to_cell);
    for _ in 0..2 {
        asked.until("the uplink with the route carries", |paths| carrier(paths) == Some(old[4]));
        route(&laptop, "del", &old).unwrap();
        route(&laptop, "add", &new).unwrap();
        keys_come_through(&console);
        asked.until("the other one carries", |paths| carrier(paths) == Some(new[4]));
        core::mem::swap(&mut old, &mut new);
    }
}

#[test]
fn an_address_that_is_added_to_a_running_interface_makes_a_path() {
    let Some((console, laptop)) = session(LaptopOptions { ipv6: true, ..LaptopOptions::default() }) else {
        return;
    };
    let asked = Asked::of(&laptop.client);
    asked.until("the server's other family is known", |paths| {
        from(paths, "2001:db8:1::23").is_some_and(|path| stands(path, "answering"))
    });
    for address in ["192.168.1.77/24", "2001:db8:1:1::77/64"] {
        laptop.client.ip(&["addr", "add", address, "dev", "wlan0"]).unwrap();
    }
    asked.until("a path from the new address answers", |paths| {
        from(paths, "192.168.1.77").is_some_and(|path| stands(path, "answering"))
    });
    // The provider lets nothing out of a network that is not its own: the path is there, and brings nothing.
    asked.until("a path from the foreign address exists", |paths| from(paths, "2001:db8:1:1::77").is_some());
    keys_come_through(&console);
    asked.until("the foreign address carries nothing", |paths| {
        from(paths, "2001:db8:1:1::77").is_some_and(|path| path["received"] == 0 && path["chosen"] == false)
    });
}

/// A process that was stopped while its machine went on has slept: nothing that was measured counts, and doubts that flows of
/// one interface shared are forgotten. An address that goes then has once ended the client.
#[test]
fn an_address_that_goes_after_a_stop_ends_no_session() {
    let subject = Subject::mpmosh().with_option("--backup=wwan0");
    let options = LaptopOptions { ipv6: true, ..LaptopOptions::default() };
    let Some((console, laptop)) = session_of(&subject, options, |_| Ok(())) else { return };
    let asked = Asked::of(&laptop.client);
    let cell = laptop.uplinks[1].address();
    asked.until("it answers", |paths| from(paths, &cell).is_some_and(|path| stands(path, "answering")));
    let clients = measure::named(&laptop.client, "mpmosh");
    assert!(!clients.is_empty());
    clients.iter().for_each(|client| kill_process(*client, Signal::STOP).unwrap());
    clock::sleep(Duration::from_secs(6));
    clients.iter().for_each(|client| kill_process(*client, Signal::CONT).unwrap());
    asked.until("something answers again", |paths| paths.iter().any(|path| stands(path, "answering")));
    laptop.client.ip(&["addr", "del", &format!("{cell}/24"), "dev", "wwan0"]).unwrap();
    asked.until("the address is gone", |paths| from(paths, &cell).is_some_and(|path| stands(path, "down")));
    keys_come_through(&console);
}

#[test]
fn an_address_that_becomes_deprecated_keeps_its_path_and_makes_no_new_one() {
    let Some((console, laptop)) = session(LaptopOptions { ipv6: true, ..LaptopOptions::default() }) else {
        return;
    };
    let asked = Asked::of(&laptop.client);
    let old = "2001:db8:1::23";
    asked.until("it answers", |paths| from(paths, old).is_some_and(|path| stands(path, "answering")));
    // What a router does that renumbers its network: the old prefix is not for new conversations any more.
    let deprecate = ["addr", "change", "2001:db8:1::23/64", "dev", "wlan0", "preferred_lft", "0"];
    laptop.client.ip(&deprecate).unwrap();
    laptop.client.ip(&["addr", "add", "2001:db8:1::24/64", "dev", "wlan0"]).unwrap();
    asked.until("the new address has a path", |paths| {
        from(paths, "2001:db8:1::24").is_some_and(|path| stands(path, "answering"))
    });
    keys_come_through(&console);
    let paths = asked.paths();
    assert!(from(&paths, old).is_some_and(|path| stands(path, "answering")), "{paths:?}");
    // Another address of the server's: nothing new begins at the old address, and does at the new one.
    laptop.server.ip(&["addr", "add", "2001:db8:3::11/64", "dev", "eth0"]).unwrap();
    let to_other = |path: &&Value| path["remote"].as_str().is_some_and(|to| to.contains("2001:db8:3::11"));
    asked.until("the server's new address has a path", |paths| {
        paths.iter().filter(to_other).any(|path| path["local"] == "2001:db8:1::24")
    });
    assert!(!asked.paths().iter().filter(to_other).any(|path| path["local"] == old));
    laptop.client.ip(&["addr", "del", "2001:db8:1::23/64", "dev", "wlan0"]).unwrap();
    asked.until("an address that is gone is gone", |paths| {
        from(paths, old).is_some_and(|path| stands(path, "down"))
    });
    keys_come_through(&console);
}

/// Two machines on one cable, with an sshd on one that the other's user may enter, known by `names`.
fn cable(addresses: [&str; 2], names: &[&str]) -> Result<(Lab, Namespace, Sshd), LabError> {
    let mut lab = Lab::new()?;
    let [client, server] = [lab.namespace("c")?, lab.namespace("s")?];
    for host in [&client, &server] {
        // No address but those that are given here.
        host.sysctl("net/ipv6/conf/default/addr_gen_mode", "1")?;
    }
    lab.veth((&client, "eth0"), (&server, "eth0"))?;
    for (host, address) in [&client, &server].into_iter().zip(addresses) {
        host.ip(&["addr", "add", address, "dev", "eth0"])?;
    }
    let sshd = Sshd::start(&lab, &server, 22)?;
    sshd.admit(&client, names)?;
    Ok((lab, client, sshd))
}

#[test]
fn link_local_addresses_of_either_family_carry_a_session_by_their_zone() {
    let cases = [
        (["169.254.7.2/16", "169.254.7.1/16"], "169.254.7.1", "169.254.7.1:"),
        (["fe80::2/64", "fe80::1/64"], "fe80::1%eth0", "[fe80::1%"),
    ];
    for (addresses, host, remote) in cases {
        let Some((lab, client, _sshd)) = lab::open(|| cable(addresses, &[host, "fe80::1"])) else { return };
        let subject = Subject::mpmosh();
        subject.prepare(&lab).unwrap();
        let console = Console::start(subject.command(&client, &format!("{USER}@{host}"))).unwrap();
        console.wait_for("ready>", Duration::from_secs(20)).unwrap();
        scenario::echo_keys(&console).unwrap();
        keys_come_through(&console);
        let paths = Asked::of(&client).paths();
        let path = paths.iter().find(|path| path["chosen"] == true).expect("one carries");
        assert!(stands(path, "answering"), "{path}");
        assert!(path["remote"].as_str().is_some_and(|to| to.starts_with(remote)), "{path}");
    }
}

#[test]
fn an_address_that_the_server_does_not_know_makes_a_path_however_the_client_hears_of_it() {
    // A router before the server translates it, so that the server's own list does not hold it.
    const OUTER: &str = "203.0.113.99";
    let cases = [
        ("by the name", format!("{OUTER} server\n"), None),
        ("by the user", String::new(), Some(format!("--address={OUTER}"))),
        ("by who runs the server", String::new(), Some(format!("--server=mpmosh-server --address {OUTER}"))),
        ("by nobody", String::new(), None),
    ];
    let Some(laptop) = lab::open(|| Laptop::with_sshd(LaptopOptions::default())) else { return };
    let rules = format!(
        "table ip outer {{\n chain in {{\n  type nat hook prerouting priority dstnat;\n  ip daddr {OUTER} dnat to {}\n }}\n}}\n",
        Laptop::SERVER
    );
    laptop.core.nft(&rules).unwrap();
    for (how, names, option) in cases {
        let hosts = format!("127.0.0.1 localhost\n{} server\n{names}", Laptop::SERVER);
        laptop.client.etc("hosts", &hosts).unwrap();
        let subject = option.iter().fold(Subject::mpmosh(), |subject, option| subject.with_option(option));
        let (mut console, _) = scenario::connect(&laptop.lab, &laptop.client, &subject).unwrap();
        let asked = Asked::of(&laptop.client);
        let to =
            |path: &&Value, ip: &str| path["remote"].as_str().is_some_and(|remote| remote.starts_with(ip));
        let answers = |paths: &[Value], ip: &str| {
            let mut of_it = paths.iter().filter(|path| to(path, ip)).peekable();
            of_it.peek().is_some() && of_it.all(|path| stands(path, "answering"))
        };
        if how == "by nobody" {
            asked.until("all is known", |paths| answers(paths, Laptop::SERVER));
            assert!(!asked.paths().iter().any(|path| to(&path, OUTER)), "{how}");
        } else {
            asked.until(&format!("it answers, told {how}"), |paths| answers(paths, OUTER));
        }
        console.send("exit 0\r").unwrap();
        console.wait_exit(Duration::from_secs(10)).unwrap();
    }
}

#[test]
fn a_router_that_refuses_hastens_suspicion_and_the_session_goes_on_elsewhere() {
    let Some(laptop) = lab::open(|| Laptop::with_sshd(LaptopOptions::default())) else { return };
    let trace = laptop.client.home().join("trace.jsonl");
    let subject = Subject::mpmosh().with_option(&format!("--trace={}", trace.display()));
    let (mut console, _) = scenario::connect(&laptop.lab, &laptop.client, &subject).unwrap();
    scenario::echo_keys(&console).unwrap();
    keys_come_through(&console);
    let refuse = "meta l4proto udp reject with icmp admin-prohibited";
    laptop.uplinks[0].router.filter("ip", "forward", refuse).unwrap();
    keys_come_through(&console);
    console.send("\x1e.").unwrap();
    console.wait_exit(Duration::from_secs(10)).unwrap();
    let text = std::fs::read_to_string(trace).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // One that tells of a key: nobody waits for the answer to an acknowledgement.
    let is_of_a_key = |told: &usize| {
        let before = lines[..*told].iter().rev().find(|line| line["event"] == "sent" && line["flow"] == 0);
        lines[*told]["event"] == "icmp" && before.is_some_and(|sent| sent["kind"] == "data")
    };
    let told = (0..lines.len()).find(is_of_a_key).expect("an ICMP error");
    let mut after = lines[told..].iter();
    // Before anything else is sent: no answer was overdue yet.
    let next = after.find(|line| line["event"] == "suspect" || line["event"] == "sent");
    assert_eq!(next.map(|line| &line["event"]), Some(&Value::from("suspect")), "{text}");
    let moved = after.find(|line| line["event"] == "chosen");
    assert_eq!(moved.map(|line| &line["flow"]), Some(&Value::from(1)), "{text}");
}
