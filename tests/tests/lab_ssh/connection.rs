//! The ssh connection itself: hosts on the way, algorithms, other servers and ways to share, addresses that do not answer.

use std::fs;
use std::process::Command;
use std::time::Duration;

use mpmosh_tests::lab::ssh::{
    PATIENCE, contains, doctor, laptop, laptop_with, process_words, run, shell, works,
};
use mpmosh_tests::lab::{Console, Laptop, LaptopOptions, Side, Sshd, clock};
use rustix::process::Pid;

#[test]
fn a_connection_that_the_user_shares_outlives_the_doctor() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    let socket = laptop.client.home().join("own").display().to_string();
    let ssh = |words: &[&str]| {
        let status =
            laptop.client.command("ssh").args(["-S", &socket]).args(words).arg("lab@server").status();
        status.unwrap().success()
    };
    assert!(ssh(&["-M", "-N", "-f", "-o", "ControlPersist=yes"]));
    doctor(&laptop, 0, &[&format!("--ssh=ssh -S {socket}"), "lab@server"]);
    assert!(ssh(&["-O", "check"]), "the user's own connection was ended");
    assert!(ssh(&["-O", "exit"]));
}

#[test]
fn two_hosts_on_the_way() {
    let Some((laptop, sshd)) = laptop("") else { return };
    // ssh reaches the server from the core alone; datagrams go straight.
    laptop.server.filter("ip", "input", "tcp dport 22 ip saddr != 203.0.113.1 drop").unwrap();
    laptop.core.etc("hosts", &format!("127.0.0.1 localhost\n{} server\n", Laptop::SERVER)).unwrap();
    let gates =
        [&laptop.uplinks[0].router, &laptop.core].map(|host| Sshd::start(&laptop.lab, host, 22).unwrap());
    gates[0].admit(&laptop.client, &["192.168.1.1"]).unwrap();
    gates[1].admit(&laptop.client, &["203.0.113.1"]).unwrap();
    works(shell(&laptop, &["-J", "lab@192.168.1.1,lab@203.0.113.1"]));
    for (host, log) in [("gate", gates[0].log()), ("core", gates[1].log()), ("server", sshd.log())] {
        assert!(log.contains("Accepted publickey"), "{host}: {log}");
    }
}

#[test]
fn a_server_with_only_algorithms_that_the_built_in_ssh_lacks() {
    let Some((laptop, _sshd)) = laptop("KexAlgorithms sntrup761x25519-sha512@openssh.com") else { return };
    let console = shell(&laptop, &[]);
    console
        .wait_for("using your own ssh: server and the built-in ssh have no algorithm in common", PATIENCE)
        .unwrap();
    works(console);
}

#[test]
fn a_server_with_only_modern_algorithms() {
    let lines = "KexAlgorithms curve25519-sha256\nCiphers chacha20-poly1305@openssh.com,aes256-gcm@openssh.com\n\
                 MACs hmac-sha2-512-etm@openssh.com\nHostKeyAlgorithms ssh-ed25519\nPubkeyAcceptedAlgorithms ssh-ed25519";
    let Some((laptop, _sshd)) = laptop(lines) else { return };
    assert!(!works(shell(&laptop, &[])).contains("your own ssh"));
}

#[test]
fn a_server_that_allows_one_session_at_a_time() {
    let Some((laptop, _sshd)) = laptop("MaxSessions 1") else { return };
    let server = laptop.lab.bin().join("mpmosh-server");
    works(shell(&laptop, &[&format!("--install-server={}", server.display())]));
    let left = |process: &Pid| process_words(process.as_raw_nonzero().get()).contains("mpmosh-server new");
    // Its server has heard the farewell's answer before nothing is heard there any more.
    let patience = clock::now() + PATIENCE;
    while laptop.server.processes().iter().any(left) {
        assert!(clock::now() < patience, "a server whose client has ended ends");
        clock::sleep(Duration::from_millis(10));
    }
    // The start has a session until a login script's program lets go of it; then doctor looks at the processes there.
    let rc = fs::read_to_string(laptop.server.home().join(".bashrc")).unwrap();
    laptop.server.give(".bashrc", &format!("sleep 600 &\n{rc}")).unwrap();
    laptop.server.filter("ip", "input", "udp dport 60000-61000 drop").unwrap();
    let text = doctor(&laptop, 1, &["lab@server"]);
    contains(&text, &["The server is running there"]);
    assert!(!laptop.server.processes().iter().any(left), "the server that was examined is ended");
}

#[test]
fn a_server_that_is_dropbears() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    let key = laptop.lab.directory().join("dropbear_key");
    let made = Command::new("dropbearkey").args(["-t", "ed25519", "-f"]).arg(&key).output();
    assert!(made.expect("dropbear (Debian: dropbear-bin)").status.success());
    let mut dropbear = laptop.server.root_command("dropbear");
    dropbear.args(["-F", "-E", "-p", "2022", "-r"]).arg(&key).stderr(std::process::Stdio::piped());
    let mut dropbear = dropbear.spawn().unwrap();
    // It says so once it listens.
    let mut said = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(dropbear.stderr.as_mut().unwrap()), &mut said)
        .unwrap();
    let server = format!("--server={}", laptop.lab.bin().join("mpmosh-server").display());
    // Longer than a line that it takes.
    let long = "it's 20 kB! ".repeat(1700);
    for way in [&[][..], &["--ssh=ssh"]] {
        let words = [
            way,
            &[
                "-o",
                "StrictHostKeyChecking=accept-new",
                &server,
                "lab@server:2022",
                "--",
                "printf",
                "%s",
                &long,
            ],
        ];
        let (output, text) = run(&laptop, &words.concat());
        assert!(output.stdout == long.as_bytes(), "{way:?}: {}", text.chars().take(500).collect::<String>());
    }
    let _ = dropbear.kill();
    let _ = dropbear.wait();
}

#[test]
fn the_files_of_ssh_are_those_of_its_home() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    let bin = laptop.lab.bin().display().to_string();
    // With an ssh to ask, and without.
    for path in [format!("{bin}:/usr/bin:/bin"), bin] {
        let mut command = laptop.client.command("env");
        command.args([
            "HOME=/nonexistent",
            &format!("PATH={path}"),
            "mpmosh",
            "lab@server",
            "--",
            "echo",
            "done",
        ]);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "done\n", "{path}: {text}");
    }
}

#[test]
fn an_ssh_that_hangs_on_large_packets_is_told_as_that() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    laptop.core.filter("ip", "forward", "meta l4proto tcp ip length > 600 drop").unwrap();
    let words = ["-o", "ConnectTimeout=3", "lab@server"];
    let text = doctor(&laptop, 255, &words);
    contains(
        &text,
        &["The ssh server of server did not complete the handshake", "swallows large packets", "mtu 1280"],
    );
}

#[test]
fn a_dead_first_address_costs_no_minute() {
    let options = LaptopOptions { ipv6: true, ..LaptopOptions::default() };
    let Some((laptop, _sshd)) = laptop_with(options, "") else { return };
    laptop.core.filter("ip6", "forward", "meta l4proto tcp drop").unwrap();
    laptop.core.filter("ip", "forward", "ip daddr 203.0.113.99 drop").unwrap();
    let uplink = &laptop.uplinks[0].link;
    for dead in [Laptop::SERVER_V6, "203.0.113.99"] {
        let names = format!("127.0.0.1 localhost\n{dead} server\n{} server\n", Laptop::SERVER);
        laptop.client.etc("hosts", &names).unwrap();
        uplink.record();
        works(shell(&laptop, &[]));
        let asked: Vec<String> = uplink
            .recorded()
            .into_iter()
            .filter(|packet| packet.destination.1 == 22)
            .map(|packet| packet.destination.0.to_string())
            .collect();
        // The kernel asks an address that is silent again after 1 s (RFC 6298 §2).
        assert_eq!(asked[..2], [dead, Laptop::SERVER], "{asked:?}");
    }
}

/// How often the program waited for the server over TCP until its prompt came: the flights of packets with something in
/// them that left the client. Links that hold everything back for 20 ms keep them apart.
fn flights(laptop: &Laptop, program: &str) -> usize {
    let uplink = &laptop.uplinks[0].link;
    uplink.record();
    let mut command = laptop.client.command(program);
    command.args(["lab@server"]);
    works(Console::start(command).unwrap());
    let bare = 60;
    let packets = uplink.recorded().into_iter().filter(|packet| packet.protocol == 6 && packet.length > bare);
    let sides: Vec<Side> = packets.map(|packet| packet.from).collect();
    sides.chunk_by(|a, b| a == b).filter(|flight| flight[0] == Side::Near).count()
}

#[test]
fn a_session_costs_no_more_round_trips_of_ssh_than_ssh_itself() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    let (theirs, ours) = (flights(&laptop, "ssh"), flights(&laptop, "mpmosh"));
    println!("ssh: {theirs} flights, mpmosh: {ours}");
    assert!(ours <= theirs, "mpmosh: {ours}, ssh: {theirs}");
}
