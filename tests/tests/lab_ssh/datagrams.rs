//! Networks that let ssh pass and datagrams not, and servers that are gone before the first word.

use std::fs;

use mpmosh_tests::lab::ssh::{
    PATIENCE, console, contains, doctor, fails, laptop, laptop_with, process_words, shell, works_with,
    wrap_server,
};
use mpmosh_tests::lab::{Laptop, LaptopOptions, Sshd, clock};
use rustix::process::Pid;

#[test]
fn datagrams_that_vanish() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    laptop.server.filter("ip", "input", "iifname != lo udp dport 60000-61000 drop").unwrap();
    let text = fails(shell(&laptop, &["--carrier=never"]));
    contains(
        &text,
        &[
            "Nothing was received from the server on UDP port 600",
            "wlan0 192.168.1.23 → 203.0.113.10:600",
            "wwan0 ",
        ],
    );
    contains(&text, &["0 received, no ICMP error", "vanished without a word", "-p"]);
    let text = doctor(&laptop, 1, &["--carrier=never", "lab@server"]);
    contains(&text, &["The server is running there; what is sent to it vanishes", "no ICMP error"]);
    assert!(!alive(&laptop, "mpmosh-doctor"), "the doctor leaves nothing behind");
}

/// Whether a process of the server's has this word in its command line.
fn alive(laptop: &Laptop, word: &str) -> bool {
    laptop.server.processes().iter().any(|id| process_words(id.as_raw_nonzero().get()).contains(word))
}

#[test]
fn datagrams_that_are_refused() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    let refuse = |with: &str| {
        laptop.server.filter("ip", "input", &format!("udp dport 60000-61000 reject {with}")).unwrap();
    };
    refuse("");
    let text = fails(shell(&laptop, &[]));
    contains(&text, &["nobody listens on the port", "× port refused (ICMP)"]);
    let text = doctor(&laptop, 1, &["lab@server"]);
    contains(&text, &["The server is running there, yet its port is refused: a firewall rejects it"]);
    laptop.server.nft("delete table ip f").unwrap();
    refuse("with icmp type admin-prohibited");
    contains(&fails(shell(&laptop, &[])), &["A firewall on the way says", "prohibited"]);
}

#[test]
fn a_server_that_is_ended_with_the_login() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    // As logind does: what the login left behind is ended, at once or when the login is over.
    let place = |end: &str| {
        let start = "[ \"$1\" = --version ] && exec real-server \"$@\"\nout=$(real-server \"$@\" 2>&1)\necho \"$out\"\n\
                     pid=$(echo \"$out\" | sed -n 's/.*pid = \\([0-9]*\\).*/\\1/p')";
        wrap_server(&laptop, &format!("{start}\n{end}"));
    };
    place("kill -9 $pid");
    let text = fails(shell(&laptop, &[]));
    contains(&text, &["nobody listens on the port: the server has ended", "enable-linger"]);
    let text = doctor(&laptop, 1, &["lab@server"]);
    contains(&text, &["The server is no longer running there", "enable-linger"]);
    // sshd's process of this login is the parent's parent; when it goes, so does the server.
    place("(exec >/dev/null 2>&1 </dev/null; while kill -0 $PPID; do sleep 0.2; done; kill -9 $pid) &");
    let text = doctor(&laptop, 1, &["lab@server"]);
    contains(&text, &["The server fell silent when the ssh login ended"]);
}

#[test]
fn a_private_address_behind_a_jump_host() {
    let Some((laptop, sshd)) = laptop("") else { return };
    laptop.server.ip(&["addr", "add", "10.9.9.10/24", "dev", "eth0"]).unwrap();
    laptop.core.ip(&["addr", "add", "10.9.9.1/24", "dev", "lan"]).unwrap();
    // Only the core reaches the server, at either address.
    laptop.core.filter("ip", "forward", "ip daddr { 10.9.9.0/24, 203.0.113.10 } drop").unwrap();
    let gate = Sshd::start(&laptop.lab, &laptop.core, 22).unwrap();
    gate.admit(&laptop.client, &["203.0.113.1"]).unwrap();
    sshd.introduce(&laptop.client, &["10.9.9.10"]).unwrap();
    let words = ["--carrier=never", "-J", "lab@203.0.113.1", "lab@10.9.9.10"];
    let text = fails(console(&laptop, &words));
    contains(&text, &["10.9.9.10 is a private address", "through 203.0.113.1", "VPN"]);
    contains(&doctor(&laptop, 1, &words), &["10.9.9.10 is a private address"]);
}

/// A laptop and a server with both families of addresses, where ssh takes IPv6 and only stock mosh's server is there.
fn stock_by_ipv6() -> Option<(Laptop, Sshd)> {
    let options = LaptopOptions { ipv6: true, ..LaptopOptions::default() };
    let (laptop, sshd) = laptop_with(options, "")?;
    fs::remove_file(laptop.lab.bin().join("mpmosh-server")).unwrap();
    let names = format!("127.0.0.1 localhost\n{} server\n{} server\n", Laptop::SERVER_V6, Laptop::SERVER);
    laptop.client.etc("hosts", &names).unwrap();
    Some((laptop, sshd))
}

#[test]
fn a_stock_server_serves_the_family_that_ssh_came_by() {
    let Some((laptop, _sshd)) = stock_by_ipv6() else { return };
    // With --server, too, and by the user's own ssh.
    for options in [&["-6"][..], &["--server=LANG=C.UTF-8 mosh-server"], &["--ssh=ssh"]] {
        let text = works_with(shell(&laptop, options), 0);
        assert!(!text.contains("second server"), "{text}");
    }
}

#[test]
fn where_one_family_is_silent_a_second_stock_server_serves_the_other() {
    let Some((laptop, _sshd)) = stock_by_ipv6() else { return };
    laptop.core.filter("ip6", "forward", "meta l4proto udp drop").unwrap();
    let stock = |process: &Pid| process_words(process.as_raw_nonzero().get()).contains("mosh-server new");
    let servers = || laptop.server.processes().iter().filter(|process| stock(process)).count();
    let console = shell(&laptop, &[]);
    console.wait_for("starting a second server, for 203.0.113.10", PATIENCE).unwrap();
    console.wait_for("ready>", PATIENCE).unwrap();
    // The shells that started them may be there for a moment.
    let one = clock::wait_for(PATIENCE, || (servers() == 1).then_some(()));
    assert!(one.is_some(), "the first one has not ended: there are {}", servers());
    works_with(console, 0);
    assert!(clock::wait_for(PATIENCE, || (servers() == 0).then_some(())).is_some());
    let text = doctor(&laptop, 0, &["--ssh=ssh", "lab@server"]);
    contains(
        &text,
        &["nothing came from 2001:db8:3::10", "for 203.0.113.10", "A session works, over one path"],
    );
    assert!(clock::wait_for(PATIENCE, || (servers() == 0).then_some(())).is_some(), "a server is left");
}

#[test]
fn a_broken_family_is_a_note() {
    let options = LaptopOptions { ipv6: true, ..LaptopOptions::default() };
    let Some((laptop, _sshd)) = laptop_with(options, "") else { return };
    let text = doctor(&laptop, 0, &["lab@server"]);
    contains(
        &text,
        &[
            "server is 203.0.113.10",
            "at 203.0.113.10:22, by the built-in ssh",
            "A session works, over 4 paths",
        ],
    );
    assert!(!text.contains("note"), "{text}");
    laptop.core.filter("ip6", "forward", "meta l4proto udp drop").unwrap();
    let text = doctor(&laptop, 0, &["lab@server"]);
    contains(&text, &["IPv6 does not work between here and the server", "A session works, over 2 paths"]);
}

#[test]
fn a_path_that_swallows_large_datagrams_is_a_note() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    laptop.core.filter("ip", "forward", "meta l4proto udp ip length > 1064 drop").unwrap();
    let text = doctor(&laptop, 0, &["lab@server"]);
    contains(
        &text,
        &["Packets of more than 1064 octets vanish between wlan0 and 203.0.113.10", "takes 1500 (MTU)"],
    );
    contains(&text, &["until wlan0 has “mtu 1064”", "A session works, over 2 paths"]);
    // With its advice taken there is nothing to say.
    for device in ["wlan0", "wwan0"] {
        laptop.client.ip(&["link", "set", device, "mtu", "1064"]).unwrap();
    }
    let text = doctor(&laptop, 0, &["lab@server"]);
    assert!(!text.contains("vanish"), "{text}");
}
