//! The first contact: over any uplink that works, and over none that the user forbids.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use mpmosh_tests::lab::ssh::{contains, doctor, fails, laptop, laptop_with, shell, works};
use mpmosh_tests::lab::{Console, Laptop, LaptopOptions, Sshd, Uplink};

/// What is told where the WiFi is dead.
const NEWS: &str = "wlan0 does not answer; trying wwan0";

/// Packets of TCP to ssh that passed an uplink.
fn dialled(uplink: &Uplink) -> usize {
    let packets = uplink.link.recorded();
    packets.iter().filter(|packet| packet.protocol == 6 && packet.destination.1 == 22).count()
}

/// Counts what leaves through the WiFi, but for what the kernel itself says: to its IPv6 neighbours, and, empty, to whoever
/// still sends for a connection that is gone (a reset goes by the best route, whatever the connection was kept to).
fn watch_wifi(laptop: &Laptop) {
    let all_else = "oifname \"wlan0\" meta l4proto != { ipv6-icmp, tcp } counter";
    let tcp = "oifname \"wlan0\" tcp flags & rst == 0 counter";
    laptop.client.filter("inet", "output", &format!("{all_else}\n  {tcp}")).unwrap();
}

/// How many packets that were.
fn left_by_wifi(laptop: &Laptop) -> u64 {
    let listed = laptop.client.root_command("nft").args(["list", "table", "inet", "f"]).output().unwrap();
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let counters: Vec<u64> = text
        .split("counter packets ")
        .skip(1)
        .map(|rest| rest.split(' ').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(counters.len(), 2, "{text}");
    counters.iter().sum()
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
        contains(&text, &[NEWS]);
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

#[test]
fn the_doctor_tells_over_which_uplinks_ssh_gets_through() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    laptop.uplinks[0].silence(true);
    let text = doctor(&laptop, 0, &["lab@server"]);
    contains(&text, &["tcp 203.0.113.10 over wwan0: connected in", "tcp 203.0.113.10 over wlan0: no answer"]);
}

#[test]
fn nothing_leads_around_a_vpn_that_takes_all_traffic_but_what_is_preferred_by_name() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    for line in [
        "link add tun0 type veth peer name far",
        "link set far up",
        "link set tun0 up",
        "addr add 10.9.0.2/24 dev tun0",
        "neigh add 10.9.0.1 lladdr 02:00:00:00:00:01 dev tun0",
        "route add default via 10.9.0.1 dev tun0 table 7",
        "rule add not fwmark 7 lookup 7",
    ] {
        laptop.client.ip(&line.split(' ').collect::<Vec<_>>()).unwrap();
    }
    watch_wifi(&laptop);
    for way in [&[][..], &["--ssh=ssh"]] {
        let text = fails(shell(&laptop, &[way, &["-o", "ConnectTimeout=1"]].concat()));
        contains(&text, &["Tried 203.0.113.10 over tun0: no answer.", "wlan0 (tun0 takes all traffic)"]);
    }
    assert_eq!(left_by_wifi(&laptop), 0);
    works(shell(&laptop, &["--prefer=wlan0"]));
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
    let jump = ["-J", "lab@203.0.113.1"];
    let theirs = [&jump[..], &["--ssh=ssh"]].concat();
    laptop.uplinks[0].silence(true);
    contains(&works(shell(&laptop, &jump)), &[NEWS]);
    contains(&works(shell(&laptop, &theirs)), &[NEWS]);
    laptop.uplinks[0].silence(false);
    watch_wifi(&laptop);
    for words in [&jump[..], &theirs] {
        works(shell(&laptop, &[words, &["--never=wlan0"]].concat()));
        assert_eq!(left_by_wifi(&laptop), 0);
    }
    assert_eq!(gate.log().matches("Accepted publickey").count(), 4, "{}", gate.log());
}

#[test]
fn the_users_own_ssh_goes_over_any_uplink_that_may_be_used() {
    let Some((laptop, _sshd)) = laptop_with(with_ipv6(), "") else { return };
    laptop.uplinks[0].silence(true);
    for address in [Laptop::SERVER, Laptop::SERVER_V6] {
        only_at(&laptop, address);
        contains(&works(shell(&laptop, &["--ssh=ssh"])), &[NEWS]);
    }
    // Nothing answers: what was tried stands before ssh's own words.
    laptop.uplinks[1].silence(true);
    let text = fails(shell(&laptop, &["--ssh=ssh", "-o", "ConnectTimeout=1"]));
    contains(
        &text,
        &["over wlan0: no answer", "over wwan0: no answer", "Your ssh (ssh) ended with status 255"],
    );
    laptop.uplinks.iter().for_each(|uplink| uplink.silence(false));
    watch_wifi(&laptop);
    for address in [Laptop::SERVER, Laptop::SERVER_V6] {
        only_at(&laptop, address);
        works(shell(&laptop, &["--ssh=ssh", "--never=wlan0"]));
        assert_eq!(left_by_wifi(&laptop), 0);
    }
}

#[test]
fn an_ssh_that_connects_in_its_own_way_is_not_started_where_an_interface_is_forbidden() {
    let Some((laptop, sshd)) = laptop("") else { return };
    watch_wifi(&laptop);
    let proxy = ["-o", "ProxyCommand=socat - TCP:%h:%p"];
    let never = ["--never=wlan0"];
    for (words, reason) in [
        (&proxy[..], "ProxyCommand is set for server"),
        (&["-o", "BindInterface=wwan0"][..], "BindInterface is set for server"),
        (&["--ssh=ssh -o ProxyCommand=false"], "ProxyCommand is set for server"),
        (&["--ssh=ssh -J lab@203.0.113.1"], "more than a program for the hosts on the way"),
        (&["--ssh=ssh -S own"], "“ssh -S own” says itself comes before what it is told"),
        (&["--ssh=socat"], "“socat” is not known to be an OpenSSH"),
    ] {
        let text = fails(shell(&laptop, &[words, &never[..]].concat()));
        contains(&text, &["Your own ssh cannot be kept off wlan0 on its way to server", reason]);
    }
    assert_eq!(left_by_wifi(&laptop), 0);
    assert_eq!(sshd.log().matches("Accepted").count(), 0, "{}", sshd.log());
    works(shell(&laptop, &proxy));
    assert_ne!(left_by_wifi(&laptop), 0);
}

#[test]
fn a_program_at_a_place_that_is_hard_to_name_connects_for_ssh() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    let folder = laptop.lab.directory().join("it's 100%h of $HOME");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.join("mpmosh");
    fs::copy(laptop.lab.bin().join("mpmosh"), &program).unwrap();
    laptop.uplinks[0].silence(true);
    let mut command = laptop.client.command(&program);
    command.args(["--ssh=ssh", "lab@server"]);
    contains(&works(Console::start(command).unwrap()), &[NEWS]);
}
