//! From `mpmosh host` to a prompt, or to the paragraph that helps: real OpenSSH servers of many kinds, and networks that
//! let ssh pass and datagrams not.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use mpmosh_tests::lab::{self, Console, Laptop, LaptopOptions, Namespace, Side, Sshd, Subject, USER, clock};
use rustix::process::Pid;

/// Long enough for a slow machine; nothing waits for it that goes well.
const PATIENCE: Duration = Duration::from_secs(25);
const NAMES: [&str; 3] = ["server", Laptop::SERVER, Laptop::SERVER_V6];

/// A laptop, and a server whose sshd has these lines first.
fn laptop(lines: &str) -> Option<(Laptop, Sshd)> {
    laptop_with(LaptopOptions::default(), lines)
}

fn laptop_with(options: LaptopOptions, lines: &str) -> Option<(Laptop, Sshd)> {
    lab::open(|| {
        let laptop = Laptop::new(options)?;
        Subject::mpmosh().prepare(&laptop.lab)?;
        let sshd = Sshd::start_with(&laptop.lab, &laptop.server, 22, lines)?;
        sshd.admit(&laptop.client, &NAMES)?;
        Ok((laptop, sshd))
    })
}

/// `mpmosh` on a terminal of the laptop.
fn console(laptop: &Laptop, words: &[&str]) -> Console {
    let mut command = laptop.client.command("mpmosh");
    command.args(words);
    Console::start(command).unwrap()
}

fn shell(laptop: &Laptop, options: &[&str]) -> Console {
    let host = format!("{USER}@server");
    console(laptop, &[options, &[&host]].concat())
}

/// A prompt comes, and the session ends with the shell's status.
fn works(console: Console) -> String {
    works_with(console, 7)
}

/// The same where the end has this status: a stock server does not tell the shell's.
fn works_with(mut console: Console, expected: i32) -> String {
    console.wait_for("ready>", PATIENCE).unwrap();
    console.send("exit 7\r").unwrap();
    let status = console.wait_exit(PATIENCE).unwrap();
    assert_eq!(status.code(), Some(expected), "{}", console.text());
    console.text()
}

/// No session comes, and this is what the user reads, on one line.
fn fails(mut console: Console) -> String {
    let status = console.wait_exit(PATIENCE).unwrap();
    let text = console.text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(status.code(), Some(255), "{text}");
    text
}

/// `mpmosh` with pipes; its words, and standard output and error on one line.
fn run(laptop: &Laptop, words: &[&str]) -> (Output, String) {
    let output = laptop.client.command("mpmosh").args(words).output().unwrap();
    let text =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    (output, text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn doctor(laptop: &Laptop, status: i32, words: &[&str]) -> String {
    let (output, text) = run(laptop, &[&["doctor"], words].concat());
    assert_eq!(output.status.code(), Some(status), "{text}");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    text
}

fn contains(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "“{word}” is not in: {text}");
    }
}

#[test]
fn a_server_that_takes_only_keys() {
    let Some((laptop, _sshd)) = laptop("AuthenticationMethods publickey") else { return };
    works(shell(&laptop, &[]));
}

fn gives_the_password_at_the_second_question(console: &Console) {
    console.wait_for("Password of lab@server", PATIENCE).unwrap();
    let mark = console.mark();
    console.send("wrong\r").unwrap();
    console.wait_for_after(mark, "not accepted", PATIENCE).unwrap();
    // What is typed before the question is not an answer to it.
    console.wait_for_after(mark, "Password of lab@server", PATIENCE).unwrap();
    console.send("sesame\r").unwrap();
}

#[test]
fn a_server_that_takes_only_passwords() {
    let Some((laptop, _sshd)) = laptop("AuthenticationMethods password") else { return };
    let console = shell(&laptop, &[]);
    gives_the_password_at_the_second_question(&console);
    let text = works(console);
    assert!(!text.contains("sesame"), "{text}");
}

/// An sshd that asks by way of PAM, and what stands in /etc/pam.d for the programs inside.
const ASKS: &str = "UsePAM yes\nKbdInteractiveAuthentication yes\nAuthenticationMethods keyboard-interactive";
const PAM: &str =
    "auth required pam_unix.so\naccount required pam_permit.so\nsession required pam_permit.so\n";

#[test]
fn a_server_that_asks_its_own_questions() {
    let built = lab::open(|| {
        let laptop = Laptop::new(LaptopOptions::default())?;
        Subject::mpmosh().prepare(&laptop.lab)?;
        laptop.server.etc("pam.d/sshd", PAM)?;
        let sshd = Sshd::start_with(&laptop.lab, &laptop.server, 22, ASKS)?;
        sshd.introduce(&laptop.client, &NAMES)?;
        Ok((laptop, sshd))
    });
    let Some((laptop, _sshd)) = built else { return };
    let console = shell(&laptop, &[]);
    console.wait_for("Password:", PATIENCE).unwrap();
    console.send("sesame\r").unwrap();
    works(console);
}

#[test]
fn a_server_that_wants_a_key_and_a_word_besides() {
    let ways = [
        "AuthenticationMethods publickey,password",
        "UsePAM yes\nKbdInteractiveAuthentication yes\n\
                 AuthenticationMethods publickey,keyboard-interactive",
    ];
    let built = lab::open(|| {
        let laptop = Laptop::new(LaptopOptions::default())?;
        Subject::mpmosh().prepare(&laptop.lab)?;
        laptop.server.etc("pam.d/sshd", PAM)?;
        let start = |(port, lines): (u16, &str)| {
            // One attempt for the question what comes next, one for the word.
            let lines = format!("MaxAuthTries 3\n{lines}");
            let sshd = Sshd::start_with(&laptop.lab, &laptop.server, port, &lines)?;
            sshd.admit(&laptop.client, &NAMES).map(|()| sshd)
        };
        let servers = [22, 2222].into_iter().zip(ways).map(start).collect::<Result<Vec<_>, _>>()?;
        Ok((laptop, servers))
    });
    let Some((laptop, servers)) = built else { return };
    let mut config = "IdentityFile ~/.ssh/id_ed25519\n".to_owned();
    for number in 0..4 {
        let key = laptop.lab.directory().join(format!("stranger{number}"));
        let made =
            Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
        assert!(made.unwrap().success());
        let place = format!(".ssh/stranger{number}");
        laptop.client.give(&place, &fs::read_to_string(key).unwrap()).unwrap();
        config.push_str(&format!("IdentityFile ~/{place}\n"));
    }
    laptop.client.give(".ssh/config", &config).unwrap();
    for (sshd, question) in servers.iter().zip(["Password of lab@server", "(lab@server) Password:"]) {
        let console = console(&laptop, &[&format!("lab@server:{}", sshd.port())]);
        console.wait_for(question, PATIENCE).unwrap();
        console.send("sesame\r").unwrap();
        works(console);
        let log = sshd.log();
        assert!(log.contains("Partial publickey") && !log.contains("Failed publickey"), "{log}");
    }
}

#[test]
fn a_server_that_wants_a_word_before_a_key() {
    let Some((laptop, sshd)) = laptop("AuthenticationMethods password,publickey") else { return };
    let console = shell(&laptop, &[]);
    gives_the_password_at_the_second_question(&console);
    works(console);
    let log = sshd.log();
    assert!(log.contains("Partial password") && log.contains("Accepted publickey"), "{log}");
    // Without the key the word opens nothing, and is not asked for again.
    fs::remove_file(laptop.client.home().join(".ssh/id_ed25519")).unwrap();
    let console = shell(&laptop, &[]);
    console.wait_for("Password of lab@server", PATIENCE).unwrap();
    console.send("sesame\r").unwrap();
    let text = fails(console);
    contains(&text, &["password (accepted, and not enough)"]);
    assert_eq!(text.matches("Password of").count(), 1, "{text}");
}

#[test]
fn a_server_that_takes_only_certificates() {
    let built = lab::open(|| {
        let laptop = Laptop::new(LaptopOptions::default())?;
        Subject::mpmosh().prepare(&laptop.lab)?;
        let authority = laptop.lab.directory().join("authority");
        let lines = format!("TrustedUserCAKeys {}.pub\nAuthorizedKeysFile none", authority.display());
        let sshd = Sshd::start_with(&laptop.lab, &laptop.server, 22, &lines)?;
        sshd.admit(&laptop.client, &NAMES)?;
        Ok((laptop, sshd, authority))
    });
    let Some((laptop, sshd, authority)) = built else { return };
    let keygen = |words: &[&str]| {
        assert!(Command::new("ssh-keygen").arg("-q").args(words).status().unwrap().success());
    };
    let key = laptop.client.home().join(".ssh/id_ed25519.pub");
    keygen(&["-t", "ed25519", "-N", "", "-f", authority.to_str().unwrap()]);
    keygen(&["-s", authority.to_str().unwrap(), "-I", "lab", "-n", USER, key.to_str().unwrap()]);
    let console = shell(&laptop, &[]);
    console.wait_for("using your own ssh: ", PATIENCE).unwrap();
    console.wait_for("has a certificate", PATIENCE).unwrap();
    works(console);
    assert!(sshd.log().contains("Accepted certificate ID"), "{}", sshd.log());
}

#[test]
fn a_ticket_of_kerberos_is_left_to_the_users_own_ssh() {
    let Some((laptop, _sshd)) = laptop("GSSAPIAuthentication yes\nPubkeyAuthentication no") else { return };
    let with_ticket = |ticket: bool| {
        let mut command = laptop.client.command("mpmosh");
        command.args(["-o", "GSSAPIAuthentication=yes", "lab@server"]);
        if ticket {
            command.env("KRB5CCNAME", "FILE:/nonexistent");
        }
        Console::start(command).unwrap()
    };
    let console = with_ticket(true);
    console.wait_for("using your own ssh: server takes your Kerberos ticket", PATIENCE).unwrap();
    // The ticket is none, and ssh goes on to what is left, in its own words.
    console.wait_for("lab@server's password:", PATIENCE).unwrap();
    console.send("sesame\r").unwrap();
    works(console);
    let console = with_ticket(false);
    console.wait_for("Password of lab@server", PATIENCE).unwrap();
    console.send("sesame\r").unwrap();
    assert!(!works(console).contains("your own ssh"));
}

#[test]
fn whoever_is_asked_for_a_password_is_asked_once() {
    let Some((laptop, sshd)) = laptop("AuthenticationMethods password") else { return };
    let server = laptop.lab.bin().join("mpmosh-server");
    for words in
        [&["doctor", "--ssh=ssh"][..], &["--ssh=ssh", &format!("--install-server={}", server.display())]]
    {
        let before = sshd.log().matches("Accepted password").count();
        let mut console = console(&laptop, &[words, &["lab@server"]].concat());
        console.wait_for("lab@server's password:", PATIENCE).unwrap();
        console.send("sesame\r").unwrap();
        let text = if words[0] == "doctor" {
            assert_eq!(console.wait_exit(PATIENCE).unwrap().code(), Some(0), "{}", console.text());
            console.text()
        } else {
            works(console)
        };
        assert_eq!(text.matches("password:").count(), 1, "{text}");
        assert_eq!(sshd.log().matches("Accepted password").count() - before, 1, "{}", sshd.log());
    }
    // Nothing stays behind: no socket, and, a moment later, no connection.
    let user = fs::metadata(laptop.client.home()).unwrap().uid();
    let is_left = |entry: &fs::DirEntry| {
        let is_ours = entry.metadata().is_ok_and(|about| about.uid() == user);
        is_ours && entry.file_name().to_string_lossy().starts_with("mpmosh-ssh-")
    };
    assert!(!fs::read_dir(std::env::temp_dir()).unwrap().flatten().any(|entry| is_left(&entry)));
    let gone = || {
        let processes = laptop.client.processes();
        let is_master = |id: &Pid| process_words(id.as_raw_nonzero().get()).contains("mpmosh-ssh-");
        (!processes.iter().any(is_master)).then_some(())
    };
    assert!(clock::wait_for(PATIENCE, gone).is_some(), "the shared connection is still there");
}

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
fn a_changed_host_key_is_refused_before_anything_is_said() {
    let Some((laptop, first)) = laptop("") else { return };
    drop(first);
    // Another machine at the same address, which lets everybody in.
    let _other = Sshd::start_with(&laptop.lab, &laptop.server, 2222, "").unwrap();
    let known = laptop.client.home().join(".ssh/known_hosts");
    let text = fs::read_to_string(known).unwrap().replace("server ", "[server]:2222 ");
    laptop.client.give(".ssh/known_hosts", &text).unwrap();
    let text = fails(console(&laptop, &["lab@server:2222"]));
    contains(&text, &["THE HOST KEY OF [server]:2222 HAS CHANGED", "known_hosts, line 1", "ssh-keygen -f"]);
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
fn a_banner_and_a_noisy_login_script() {
    let Some((laptop, _sshd)) = laptop("Banner /etc/hosts") else { return };
    let noise = "printf 'noise \\033[31m \\033]0;title\\007 without an end'\nseq 5000\nprintf partial\n";
    laptop.server.give(".bashrc", &format!("{noise}\nPS1='ready> '\n")).unwrap();
    let console = shell(&laptop, &[]);
    console.wait_for("localhost", PATIENCE).unwrap();
    works(console);
    let text = doctor(&laptop, 0, &["lab@server"]);
    contains(&text, &["login scripts print", "they are skipped", "A session works"]);
}

#[test]
fn other_login_shells() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    let passwd = fs::read_to_string(format!("/etc/netns/{}/passwd", laptop.server.name())).unwrap();
    // Each with something that it shows when it is ready.
    for (shell, ready) in [("/usr/bin/zsh", "ready>"), ("/usr/bin/fish", "fish"), ("/bin/sh", "$")] {
        assert!(std::path::Path::new(shell).exists(), "{shell} is missing (`make test` installs it)");
        laptop.server.etc("passwd", &passwd.replace("/bin/bash", shell)).unwrap();
        let words = ["lab@server", "--", "printf", "%s|", "it's", "a b", "$HOME", "back\\slash", "!", "*"];
        let (output, text) = run(&laptop, &words);
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "it's|a b|$HOME|back\\slash|!|*|",
            "{shell}: {text}"
        );
        assert!(output.stderr.is_empty(), "standard error is the command's alone: {text}");
        laptop.server.give(".zshrc", "PROMPT='ready> '\n").unwrap();
        let mut console = self::shell(&laptop, &[]);
        console.wait_for(ready, PATIENCE).unwrap();
        console.send("exit 5\r").unwrap();
        assert_eq!(console.wait_exit(PATIENCE).unwrap().code(), Some(5), "{shell}: {}", console.text());
    }
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

/// Words that shells read in ways of their own.
const WORDS: [&str; 9] = ["hi!", "a\\b", "it's", "two\nlines", "$HOME", "`id`", "", "é漢", "{a,b} *;|&<>()"];

#[test]
fn every_login_shell_passes_a_commands_words_on() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    let passwd = fs::read_to_string(format!("/etc/netns/{}/passwd", laptop.server.name())).unwrap();
    let mut shells: Vec<&str> =
        ["bash", "tcsh", "bsd-csh", "fish", "elvish", "rc", "xonsh", "mksh", "yash", "rbash"].to_vec();
    // Not of Debian: `.ci/setup test` has it from npm, where there is one.
    let nu = ["/usr/local/bin/nu", "/usr/bin/nu"].into_iter().find(|nu| std::path::Path::new(nu).exists());
    println!("nushell: {nu:?}");
    shells.extend(nu);
    for shell in shells {
        let path = if shell.starts_with('/') { shell.to_owned() } else { format!("/usr/bin/{shell}") };
        assert!(std::path::Path::new(&path).exists(), "{shell} is missing (`make test` installs it)");
        laptop.server.etc("passwd", &passwd.replace("/bin/bash", &path)).unwrap();
        let words = [&["lab@server", "--", "printf", "<%s>"][..], &WORDS].concat();
        let (output, text) = run(&laptop, &words);
        let expected: String = WORDS.iter().map(|word| format!("<{word}>")).collect();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{shell}: {text}");
    }
    // busybox's, by the name that it goes by.
    let ash = laptop.lab.bin().join("ash");
    std::os::unix::fs::symlink("/usr/bin/busybox", &ash).unwrap();
    laptop.server.etc("passwd", &passwd.replace("/bin/bash", ash.to_str().unwrap())).unwrap();
    let (output, text) = run(&laptop, &["lab@server", "--", "printf", "%s", "it's\n!"]);
    assert_eq!(output.stdout, b"it's\n!", "{text}");
    laptop.server.etc("passwd", &passwd).unwrap();
    let long = "it's 100 kB! ".repeat(7700);
    for way in [&[][..], &["--ssh=ssh"]] {
        let (output, text) = run(&laptop, &[way, &["lab@server", "--", "printf", "%s", &long]].concat());
        assert!(
            output.stdout == long.as_bytes(),
            "{way:?}: {} octets, {}",
            output.stdout.len(),
            &text[..text.len().min(500)]
        );
    }
}

#[test]
fn no_server_and_only_a_stock_one() {
    let Some((laptop, sshd)) = laptop("") else { return };
    fs::remove_file(laptop.lab.bin().join("mpmosh-server")).unwrap();
    let console = shell(&laptop, &[]);
    console.wait_for("only a stock mosh-server is there", PATIENCE).unwrap();
    works_with(console, 0);
    let (output, text) = run(&laptop, &["lab@server", "--", "true"]);
    assert_eq!(output.status.code(), Some(255), "{text}");
    contains(&text, &["mpmosh-server was not found there"]);
    let text = doctor(&laptop, 0, &["lab@server"]);
    contains(
        &text,
        &[
            "server is 203.0.113.10",
            "logged in, at 203.0.113.10:22",
            "ssh key exchange ",
            "the built-in ssh is libssh2 1.",
            "server only stock mosh's: ",
        ],
    );
    contains(&text, &["one path at a time; mpmosh-server on that host", "A session works, over one path."]);
    assert!(!text.contains("farewell"), "{text}");
    let stock = |process: &Pid| process_words(process.as_raw_nonzero().get()).contains("mosh-server new");
    let left = || laptop.server.processes().iter().any(stock);
    assert!(clock::wait_for(PATIENCE, || (!left()).then_some(())).is_some(), "a server was left behind");
    let text = doctor(&laptop, 255, &["--dialect=multipath", "lab@server"]);
    contains(&text, &["mpmosh-server was not found there", "--install-server"]);

    laptop.server.filter("ip", "input", "udp dport 60000-61000 drop").unwrap();
    let text = doctor(&laptop, 1, &["lab@server"]);
    contains(&text, &["The server is running there; what is sent to it vanishes without a word."]);
    assert!(!left(), "a server that was never heard was left behind");

    // Neither: a search path with a shell in it and nothing else.
    drop(sshd);
    let bare = laptop.lab.directory().join("bare");
    fs::create_dir(&bare).unwrap();
    std::os::unix::fs::symlink("/bin/sh", bare.join("sh")).unwrap();
    let lines = format!("SetEnv PATH={} LANG=C.UTF-8", bare.display());
    let sshd = Sshd::start_with(&laptop.lab, &laptop.server, 22, &lines).unwrap();
    fs::remove_file(laptop.client.home().join(".ssh/known_hosts")).unwrap();
    sshd.introduce(&laptop.client, &NAMES).unwrap();
    let text = fails(shell(&laptop, &[]));
    let expected = ["was not found there", bare.to_str().unwrap(), "--install-server"];
    contains(&text, &expected);
    let text = doctor(&laptop, 255, &["lab@server"]);
    contains(&text, &["server none was found on", &format!("searched {}", bare.display())]);
    contains(&text, &expected);
}

/// An empty file of the machine's for as long as this lives, where it has none: a lab's own lies over it.
struct Below(Option<&'static str>);

impl Below {
    fn new(file: &'static str) -> Self {
        Self(fs::File::create_new(file).ok().map(|_| file))
    }
}

impl Drop for Below {
    fn drop(&mut self) {
        let _ = self.0.map(fs::remove_file);
    }
}

#[test]
fn the_message_of_the_day_is_shown_unless_the_user_wants_none() {
    let _below = Below::new("/etc/motd");
    let built = lab::open(|| {
        let laptop = Laptop::new(LaptopOptions::default())?;
        Subject::mpmosh().prepare(&laptop.lab)?;
        laptop.server.etc("motd", "Mind the gap.\nAnd the step.\n")?;
        let sshd = Sshd::start(&laptop.lab, &laptop.server, 22)?;
        sshd.admit(&laptop.client, &NAMES)?;
        Ok((laptop, sshd))
    });
    let Some((laptop, _sshd)) = built else { return };
    for wanted in [false, true] {
        let hush = laptop.server.home().join(".hushlogin");
        assert!(hush.exists() != wanted);
        // Stock mosh does the same, if with another end.
        for (program, status) in [("mpmosh", 7), ("mosh", 0)] {
            let mut command = laptop.client.command(program);
            command.arg("lab@server").env("LANG", "C.UTF-8");
            let text = works_with(Console::start(command).unwrap(), status);
            let both = text.contains("Mind the gap.") && text.contains("And the step.");
            assert_eq!(both, wanted, "{program}: {text}");
        }
        let _ = fs::remove_file(hush);
    }
}

#[test]
fn a_server_is_installed_over_the_same_connection() {
    let Some((laptop, sshd)) = laptop("") else { return };
    let server = laptop.lab.bin().join("mpmosh-server");
    let elsewhere = laptop.client.home().join("mpmosh-server");
    fs::rename(&server, &elsewhere).unwrap();
    let console = shell(&laptop, &[&format!("--install-server={}", elsewhere.display())]);
    console.wait_for("is now in ~/.local/bin on server", PATIENCE).unwrap();
    works(console);
    assert_eq!(sshd.log().matches("Accepted publickey").count(), 1, "{}", sshd.log());
    // From now on it is found.
    works(shell(&laptop, &[]));
}

#[test]
fn datagrams_that_vanish() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    laptop.server.filter("ip", "input", "udp dport 60000-61000 drop").unwrap();
    let text = fails(shell(&laptop, &[]));
    contains(
        &text,
        &[
            "Nothing was received from the server on UDP port 600",
            "wlan0 192.168.1.23 → 203.0.113.10:600",
            "wwan0 ",
        ],
    );
    contains(&text, &["0 received, no ICMP error", "vanished without a word", "-p"]);
    let text = doctor(&laptop, 1, &["lab@server"]);
    contains(&text, &["The server is running there; what is sent to it vanishes", "no ICMP error"]);
    assert!(!alive(&laptop, "mpmosh-doctor"), "the doctor leaves nothing behind");
}

/// Whether a process of the server's has this word in its command line.
fn alive(laptop: &Laptop, word: &str) -> bool {
    laptop.server.processes().iter().any(|id| process_words(id.as_raw_nonzero().get()).contains(word))
}

/// A process' command line; empty when it has ended meanwhile.
fn process_words(id: i32) -> String {
    let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
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
    let words = ["-J", "lab@203.0.113.1", "lab@10.9.9.10"];
    let text = fails(console(&laptop, &words));
    contains(&text, &["10.9.9.10 is a private address", "through 203.0.113.1", "VPN"]);
    contains(&doctor(&laptop, 1, &words), &["10.9.9.10 is a private address"]);
}

#[test]
fn what_a_login_script_leaves_behind_holds_nobodys_standard_error() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    let home = laptop.server.home();
    let rc = fs::read_to_string(home.join(".bashrc")).unwrap();
    laptop.server.give(".bashrc", &format!("sleep 600 &\n{rc}")).unwrap();
    let sleeps = |process: &Pid| process_words(process.as_raw_nonzero().get()).starts_with("sleep 600");
    for more in [&[][..], &["--ssh=ssh"]] {
        // The end of its standard error is waited for.
        let (output, text) = run(&laptop, &[more, &["lab@server", "--", "echo", "done"]].concat());
        assert!(output.status.success() && text == "done", "{text}");
        assert!(laptop.server.processes().iter().any(sleeps), "it was waited for the script's program");
    }
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
    assert_eq!(servers(), 1, "the first one has ended");
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

/// Whether any process's command line or environment, or a file, holds a word.
fn places_that_hold(words: &[&str], files: &[std::path::PathBuf]) -> Vec<String> {
    let mut found = Vec::new();
    let processes = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok()));
    let looked = processes.flat_map(|entry| ["cmdline", "environ"].map(|name| entry.path().join(name)));
    for file in looked.chain(files.iter().cloned()) {
        // A process may have ended meanwhile.
        let bytes = fs::read(&file).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        if words.iter().any(|word| text.contains(word)) {
            found.push(file.display().to_string());
        }
    }
    found
}

/// Puts a script in place of the server, which is `real-server` from then on.
fn wrap_server(laptop: &Laptop, script: &str) {
    let bin = laptop.lab.bin();
    let wrapper = bin.join("mpmosh-server");
    if !bin.join("real-server").exists() {
        fs::rename(&wrapper, bin.join("real-server")).unwrap();
    }
    fs::write(&wrapper, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_key_and_the_password_are_nowhere_to_be_read() {
    let built = lab::open(|| {
        let laptop = Laptop::new(LaptopOptions::default())?;
        Subject::mpmosh().prepare(&laptop.lab)?;
        laptop.server.etc("pam.d/sshd", PAM)?;
        let ways = [(22, "AuthenticationMethods password"), (2222, ASKS)];
        let servers = ways.map(|(port, lines)| Sshd::start_with(&laptop.lab, &laptop.server, port, lines));
        let servers = servers.into_iter().collect::<Result<Vec<_>, _>>()?;
        servers.iter().try_for_each(|sshd| sshd.introduce(&laptop.client, &NAMES))?;
        Ok((laptop, servers))
    });
    let Some((laptop, _servers)) = built else { return };
    // The one copy of the announcement is the test's own.
    let copy = laptop.server.home().join("announcement");
    wrap_server(
        &laptop,
        &format!("real-server --log=$HOME/log --log-level=trace \"$@\" >{0} 2>&1\ncat {0}", copy.display()),
    );

    let mut files = ["log", "trace"].map(|name| laptop.client.home().join(name)).to_vec();
    let options = [
        format!("--log={}", files[0].display()),
        "--log-level=trace".into(),
        format!("--trace={}", files[1].display()),
        "-vv".into(),
    ];
    files.push(laptop.server.home().join("log"));
    for more in [&["lab@server"][..], &["lab@server:2222"], &["--ssh=ssh", "lab@server"]] {
        let options: Vec<&str> = options.iter().map(String::as_str).chain(more.iter().copied()).collect();
        let mut console = console(&laptop, &options);
        console.wait_for("assword", PATIENCE).unwrap();
        console.send("sesame\r").unwrap();
        console.wait_for("ready>", PATIENCE).unwrap();
        let announcement = fs::read_to_string(&copy).unwrap();
        let key = announcement
            .lines()
            .find_map(|line| line.strip_prefix("MPMOSH CONNECT multipath/1 "))
            .and_then(|rest| rest.split(' ').nth(1))
            .unwrap();
        assert_eq!(key.len(), 43);
        let is_full = |file: &PathBuf| fs::metadata(file).is_ok_and(|about| about.len() > 1000);
        let full = || files.iter().all(is_full).then_some(());
        assert!(clock::wait_for(PATIENCE, full).is_some(), "there must be something to read");
        assert_eq!(places_that_hold(&[key, "sesame"], &files), Vec::<String>::new());
        let raw = String::from_utf8_lossy(&console.raw()).into_owned();
        assert!(!raw.contains(key) && !raw.contains("sesame"), "on the screen");
        console.send("exit\r").unwrap();
        console.wait_exit(PATIENCE).unwrap();
        assert_eq!(places_that_hold(&[key, "sesame"], &files), Vec::<String>::new());
    }
}

/// The soft limit of core dumps of a process.
fn core_limit(id: i32) -> String {
    let limits = fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    line.split_whitespace().next().unwrap().to_owned()
}

/// Whether the system makes no dump of a process and shows its memory to root alone (proc(5): such a process' files are
/// root's).
fn is_closed(id: i32) -> bool {
    fs::metadata(format!("/proc/{id}/environ")).unwrap().uid() == 0
}

#[test]
fn whoever_holds_the_key_leaves_no_core_and_the_users_programs_may() {
    let Some((laptop, _sshd)) = laptop("") else { return };
    // Below the hard limit, so that it is one that somebody set.
    wrap_server(&laptop, "ulimit -Sc 8\nexec real-server \"$@\"");
    let console = shell(&laptop, &[]);
    console.wait_for("ready>", PATIENCE).unwrap();
    let find = |place: &Namespace, word: &str| {
        let ids = place.processes().into_iter().map(|id| id.as_raw_nonzero().get());
        ids.into_iter().find(|id| process_words(*id).contains(word)).unwrap()
    };
    let (client, server) =
        (find(&laptop.client, "mpmosh lab@server"), find(&laptop.server, "real-server new"));
    for holder in [client, server] {
        assert_eq!(
            (core_limit(holder).as_str(), is_closed(holder)),
            ("0", true),
            "{}",
            process_words(holder)
        );
    }
    let user = find(&laptop.server, "-bash");
    assert_eq!(
        (core_limit(user), is_closed(user)),
        ((8 * 512).to_string(), false),
        "sh counts blocks of 512 octets"
    );
    works(console);
}
