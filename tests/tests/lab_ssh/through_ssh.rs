//! Where datagrams do not pass, a session goes through ssh: dropped and refused, at either end and on the way, from the
//! start and later, by both ways of ssh and through other hosts.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use mpmosh_tests::lab::ssh::{
    PATIENCE, console, contains, doctor, fails, laptop, laptop_with, process_words, run, shell, works,
    wrap_server,
};
use mpmosh_tests::lab::{Console, Laptop, LaptopOptions, Sshd, clock};

/// No datagram passes between the laptop and the server.
const BLOCKED: &str = "meta l4proto udp drop";

/// How many processes of the server carry.
fn carriers(laptop: &Laptop) -> usize {
    let words = |id: i32| process_words(id);
    let carries = |id: &i32| words(*id).contains("mpmosh-server carry");
    laptop.server.processes().iter().map(|id| id.as_raw_nonzero().get()).filter(carries).count()
}

/// Waits until so many do.
fn wait_for_carriers(laptop: &Laptop, count: usize) {
    let there = clock::wait_for(PATIENCE, || (carriers(laptop) == count).then_some(()));
    assert!(there.is_some(), "{} carry where {count} are to", carriers(laptop));
}

/// A command typed is done.
fn answers(console: &Console, what: u32) {
    let mark = console.mark();
    console.send(format!("echo $(({what}*7))\r")).unwrap();
    console.wait_for_after(mark, &(what * 7).to_string(), PATIENCE).unwrap();
}

#[test]
fn a_session_goes_through_ssh_where_datagrams_vanish_on_the_way() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    laptop.core.filter("ip", "forward", BLOCKED).unwrap();
    let console = shell(&laptop, &[]);
    console.wait_for("ready>", PATIENCE).unwrap();
    console.wait_for("UDP is blocked: going through ssh", PATIENCE).unwrap();
    answers(&console, 1006);
    let (_, text) = run(&laptop, &["paths"]);
    contains(&text, &["ssh", "carrier", "where UDP is blocked"]);
    works(console);
    wait_for_carriers(&laptop, 0);
    let text = doctor(&laptop, 0, &["lab@server"]);
    contains(&text, &["UDP is blocked, so sessions go through ssh", "vanish"]);
}

#[test]
fn a_session_goes_through_the_users_own_ssh_where_this_machine_refuses_datagrams() {
    let options = LaptopOptions { ipv6: true, ..LaptopOptions::default() };
    let Some((laptop, _sshd)) = laptop_with(options, "") else { return };
    let names = format!("127.0.0.1 localhost\n{} server\n{} server\n", Laptop::SERVER, Laptop::SERVER_V6);
    laptop.client.etc("hosts", &names).unwrap();
    laptop.client.filter("inet", "output", "udp dport 60000-61000 reject").unwrap();
    for options in [&["--ssh=ssh"][..], &["-6"], &["--ssh=ssh -o ProxyCommand='nc %h %p'", "-4"]] {
        let console = shell(&laptop, options);
        console.wait_for("ready>", PATIENCE).unwrap();
        answers(&console, 1006);
        works(console);
    }
}

#[test]
fn a_private_server_behind_other_hosts_is_reached() {
    let Some((laptop, sshd)) = laptop("") else { return };
    laptop.server.ip(&["addr", "add", "10.9.9.10/24", "dev", "eth0"]).unwrap();
    laptop.core.ip(&["addr", "add", "10.9.9.1/24", "dev", "lan"]).unwrap();
    // Only the core reaches the server, at either address.
    laptop.core.filter("ip", "forward", "ip daddr { 10.9.9.0/24, 203.0.113.10 } drop").unwrap();
    let gates =
        [&laptop.uplinks[0].router, &laptop.core].map(|host| Sshd::start(&laptop.lab, host, 22).unwrap());
    gates[0].admit(&laptop.client, &["192.168.1.1"]).unwrap();
    gates[1].admit(&laptop.client, &["203.0.113.1"]).unwrap();
    sshd.introduce(&laptop.client, &["10.9.9.10"]).unwrap();
    for way in [
        &["-J", "lab@203.0.113.1"][..],
        &["-J", "lab@192.168.1.1,lab@203.0.113.1"],
        &["--ssh=ssh", "-J", "lab@203.0.113.1"],
    ] {
        let console = console(&laptop, &[way, &["lab@10.9.9.10"]].concat());
        console.wait_for("ready>", PATIENCE).unwrap();
        answers(&console, 1006);
        works(console);
    }
}

#[test]
fn a_session_changes_to_ssh_when_udp_dies_and_back_when_it_returns() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    for options in [&[][..], &["--ssh=ssh"]] {
        let console = shell(&laptop, options);
        console.wait_for("ready>", PATIENCE).unwrap();
        answers(&console, 1006);
        // Nothing of ssh is kept where it is not needed.
        wait_for_carriers(&laptop, 0);
        laptop.core.filter("ip", "forward", BLOCKED).unwrap();
        answers(&console, 1007);
        wait_for_carriers(&laptop, 1);
        laptop.core.nft("delete table ip f").unwrap();
        answers(&console, 1008);
        let patience = clock::now() + PATIENCE;
        while carriers(&laptop) > 0 {
            assert!(clock::now() < patience, "ssh is kept");
            // Somebody types.
            console.send(" \u{7f}").unwrap();
            clock::sleep(Duration::from_millis(200));
        }
        works(console);
    }
}

#[test]
fn a_session_that_goes_through_ssh_moves_to_another_uplink_when_its_own_dies() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    laptop.core.filter("ip", "forward", BLOCKED).unwrap();
    for options in [&[][..], &["--ssh=ssh"]] {
        let console = shell(&laptop, options);
        console.wait_for("ready>", PATIENCE).unwrap();
        answers(&console, 1006);
        laptop.uplinks[0].silence(true);
        answers(&console, 1007);
        laptop.uplinks[0].silence(false);
        works(console);
    }
}

#[test]
fn streams_go_through_ssh_octet_by_octet() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    // By the server's own firewall, this time.
    laptop.server.filter("ip", "input", "iifname != lo udp dport 60000-61000 drop").unwrap();
    let sent: Vec<u8> = (0..2_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut command = laptop.client.command("mpmosh");
    command.args(["lab@server", "--", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, given) = (child.stdin.take().unwrap(), sent.clone());
    let writer = std::thread::spawn(move || stdin.write_all(&given));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    assert!(output.stdout == sent, "{} of {} octets came back", output.stdout.len(), sent.len());
    wait_for_carriers(&laptop, 0);
}

#[test]
fn what_would_ask_is_not_asked_in_the_background() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    let console = shell(&laptop, &[]);
    console.wait_for("ready>", PATIENCE).unwrap();
    answers(&console, 1006);
    // The next login would need a password.
    laptop.server.give(".ssh/authorized_keys", "").unwrap();
    laptop.core.filter("ip", "forward", BLOCKED).unwrap();
    console.send("echo $((1007*7))\r").unwrap();
    let told = clock::wait_for(PATIENCE, || {
        let (_, text) = run(&laptop, &["paths"]);
        text.contains("ssh cannot be used in the background").then_some(())
    });
    assert!(told.is_some(), "{}", run(&laptop, &["paths"]).1);
    laptop.core.nft("delete table ip f").unwrap();
    console.wait_for("7049", PATIENCE).unwrap();
    let text = works(console);
    assert!(text.contains("ssh cannot be used in the background") && !text.contains("assword:"), "{text}");
}

#[test]
fn a_far_end_that_babbles_carries_nothing_and_the_session_says_so() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    laptop.core.filter("ip", "forward", BLOCKED).unwrap();
    let babbles = "[ \"$1\" = --version ] && exec real-server \"$@\"\n\
                   [ \"$1\" = carry ] && { echo MPMOSH CARRY 1; exec cat /dev/zero; }\n\
                   real-server \"$@\" </dev/null | sed '/MPMOSH CARRY/q'; exec cat /dev/urandom";
    wrap_server(&laptop, babbles);
    let text = fails(shell(&laptop, &[]));
    contains(&text, &["Nothing was received from the server"]);
}
