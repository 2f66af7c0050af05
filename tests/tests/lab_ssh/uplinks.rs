//! The first contact: over any uplink that works, and over none that the user forbids.

use mpmosh_tests::lab::ssh::{contains, fails, laptop, laptop_with, shell, works};
use mpmosh_tests::lab::{Laptop, LaptopOptions, Sshd, Uplink};

/// Packets of TCP to ssh that passed an uplink.
fn dialled(uplink: &Uplink) -> usize {
    let packets = uplink.link.recorded();
    packets.iter().filter(|packet| packet.protocol == 6 && packet.destination.1 == 22).count()
}

/// Counts what leaves through the WiFi, but for what the kernel itself says to its IPv6 neighbours.
fn watch_wifi(laptop: &Laptop) {
    laptop.client.filter("inet", "output", "oifname \"wlan0\" meta l4proto != ipv6-icmp counter").unwrap();
}

/// How many packets that were.
fn left_by_wifi(laptop: &Laptop) -> u64 {
    let listed = laptop.client.root_command("nft").args(["list", "table", "inet", "f"]).output().unwrap();
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let (_, rest) = text.split_once("counter packets ").unwrap_or_else(|| panic!("{text}"));
    rest.split(' ').next().unwrap().parse().unwrap()
}

/// The server has this address alone.
fn only_at(laptop: &Laptop, address: &str) {
    laptop.client.etc("hosts", &format!("127.0.0.1 localhost\n{address} server\n")).unwrap();
}

fn with_ipv6() -> LaptopOptions {
    LaptopOptions { ipv6: true, ..LaptopOptions::default() }
}

#[test]
fn a_dead_wifi_does_not_keep_from_a_session_over_the_modem() {
    let Some((laptop, _sshd)) = laptop_with(with_ipv6(), "") else { return };
    laptop.uplinks[0].silence(true);
    for address in [Laptop::SERVER, Laptop::SERVER_V6] {
        only_at(&laptop, address);
        let text = works(shell(&laptop, &[]));
        contains(&text, &["wlan0 does not answer; trying wwan0"]);
    }
}

#[test]
fn while_the_first_uplink_answers_nothing_of_ssh_leaves_by_another() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    laptop.uplinks.iter().for_each(|uplink| uplink.link.record());
    works(shell(&laptop, &[]));
    assert_eq!(dialled(&laptop.uplinks[1]), 0);
    assert!(dialled(&laptop.uplinks[0]) > 0);
}

#[test]
fn not_one_packet_leaves_by_an_interface_that_is_never_to_be_used() {
    let Some((laptop, _sshd)) = laptop_with(with_ipv6(), "") else { return };
    watch_wifi(&laptop);
    for address in [Laptop::SERVER, Laptop::SERVER_V6] {
        only_at(&laptop, address);
        works(shell(&laptop, &["--never=wlan0"]));
    }
    assert_eq!(left_by_wifi(&laptop), 0);
    // What else there is to use does not answer.
    laptop.uplinks[1].silence(true);
    let text = fails(shell(&laptop, &["--never=wlan0", "-o", "ConnectTimeout=1"]));
    contains(&text, &["2001:db8:3::10 over wwan0: no answer", "Not tried: wlan0 (--never)"]);
    let text = fails(shell(&laptop, &["--never=wlan0", "--metered=never"]));
    contains(&text, &["over any interface that may be used", "wlan0 (--never); wwan0 (--metered=never)"]);
    assert_eq!(left_by_wifi(&laptop), 0);
    // It would have been counted.
    laptop.uplinks[1].silence(false);
    works(shell(&laptop, &[]));
    assert_ne!(left_by_wifi(&laptop), 0);
}

/// A host on the way, which alone reaches the server's ssh.
fn gate(laptop: &Laptop) -> Sshd {
    laptop.server.filter("ip", "input", "tcp dport 22 ip saddr != 203.0.113.1 drop").unwrap();
    laptop.core.etc("hosts", &format!("127.0.0.1 localhost\n{} server\n", Laptop::SERVER)).unwrap();
    let gate = Sshd::start(&laptop.lab, &laptop.core, 22).unwrap();
    gate.admit(&laptop.client, &["203.0.113.1"]).unwrap();
    gate
}

#[test]
fn a_host_on_the_way_is_reached_over_any_uplink_that_may_be_used() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    let gate = gate(&laptop);
    watch_wifi(&laptop);
    let jump = ["-J", "lab@203.0.113.1"];
    works(shell(&laptop, &[&jump[..], &["--never=wlan0"]].concat()));
    assert_eq!(left_by_wifi(&laptop), 0);
    laptop.uplinks[0].silence(true);
    contains(&works(shell(&laptop, &jump)), &["wlan0 does not answer; trying wwan0"]);
    assert_eq!(gate.log().matches("Accepted publickey").count(), 2, "{}", gate.log());
}
