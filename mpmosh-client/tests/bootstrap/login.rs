//! What a host lets in: keys, agents, passwords, and several of them.

use super::*;

#[test]
fn a_plain_key_starts_the_server_with_its_arguments() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let key = sshd.user_key(&format!("id_{kind}"), kind, "");
        let mut user = Script::default();
        let got = announced(start(&sshd, &identity(&key), &["-p", "60000:60010"], &mut user));
        assert_eq!((got.dialect, got.port, got.key.expose()), (DialectName::Multipath, 60123, KEY), "{kind}");
        assert_eq!(
            got.remotes(),
            ["127.0.0.1:60123", "192.0.2.7:60123", "[2001:db8::7]:60123"].map(|a| a.parse().unwrap())
        );
        assert!(user.asked.is_empty(), "{:?}", user.asked);
    }
    let arguments = fs::read_to_string(sshd.directory.join("arguments")).unwrap();
    assert_eq!(
        arguments,
        "new\n--dialect=multipath\n--size=80x24\n-c\n256\n-p\n60000:60010\n-l\nLANG=it's.UTF-8\n"
    );
}

#[test]
fn the_agents_key_is_used_without_a_question() {
    let Some((sshd, key)) = known_host("") else { return };
    let agent = Agent::with_key(&sshd.directory, &key);
    fs::remove_file(&key).unwrap();
    let config = format!("  IdentityAgent {}", agent.socket.display());
    let got = announced(start(&sshd, &config, &[], &mut Script::default()));
    assert_eq!(got.port, 60123);
    // With IdentitiesOnly a key that no IdentityFile names is not offered.
    let config = format!("{config}\n  IdentitiesOnly yes");
    assert!(matches!(start(&sshd, &config, &[], &mut Script::default()), Err(Error::Authentication { .. })));
}

#[test]
fn a_passphrase_is_asked_and_a_wrong_one_asked_again() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "open sesame");
    let mut user = Script::answering(&["wrong", "open sesame"]);
    announced(start(&sshd, &identity(&key), &[], &mut user));
    assert_eq!(user.asked.len(), 2);
    assert!(user.asked[0].contains("Passphrase") && user.told.contains("does not open"), "{:?}", user.asked);

    let mut user = Script::default();
    let Err(error) = start(&sshd, &identity(&key), &[], &mut user) else { panic!() };
    let text = Paragraph::from(error).to_string();
    assert!(text.contains("no terminal") && text.contains("ssh-add"), "{text}");
}

#[test]
fn a_key_the_server_does_not_know_is_refused_with_what_was_tried() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let key = sshd.stranger_key("stranger", "ed25519", "");
    let Err(error) = start(&sshd, &identity(&key), &[], &mut Script::default()) else { panic!() };
    let text = Paragraph::from(error).to_string();
    assert!(text.contains("stranger") && text.contains("publickey") && text.contains("-i"), "{text}");
}

#[test]
fn a_way_that_was_not_gone_is_told_with_its_reason() {
    let Some((sshd, key)) = known_host("PasswordAuthentication yes") else { return };
    let keys_only = Sshd::start(Allow::default());
    keys_only.know_host(&["ed25519"]);
    let stranger = sshd.stranger_key("stranger", "ed25519", "");
    let empty = Agent::with_key(&sshd.directory, &key);
    let agent = format!("  IdentityAgent {}\n  IdentitiesOnly yes\n", empty.socket.display());
    let none = "no key file is there";
    for (host, config, told) in [
        (
            &sshd,
            "  PreferredAuthentications publickey".into(),
            [
                "Tried: nothing",
                none,
                "IdentityAgent is none",
                "password (PreferredAuthentications leaves it out)",
            ],
        ),
        (
            &sshd,
            format!("{}\n  PreferredAuthentications password\n  BatchMode yes", identity(&key)),
            [
                "Tried: nothing",
                "publickey (PreferredAuthentications leaves it out)",
                "password (BatchMode forbids to ask for it)",
                "-o PreferredAuthentications=",
            ],
        ),
        (
            &keys_only,
            format!("{}\n  PreferredAuthentications password", identity(&key)),
            [
                "Tried: nothing",
                "publickey (PreferredAuthentications leaves it out)",
                "The server takes publickey.",
                "-o PreferredAuthentications=",
            ],
        ),
        (
            &sshd,
            format!("{}\n  PasswordAuthentication no", identity(&stranger)),
            [
                "Tried: ",
                "stranger. Not tried: password (PasswordAuthentication is no)",
                "The server takes publickey, password.",
                "-o PasswordAuthentication=",
            ],
        ),
        (
            &keys_only,
            agent,
            ["Tried: nothing", "IdentitiesOnly leaves the agent's keys out", none, "ssh-add"],
        ),
    ] {
        let Err(error) = start(host, &config, &[], &mut Script::default()) else { panic!("{config}") };
        let text = Paragraph::from(error).to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        for words in told {
            assert!(text.contains(words), "{config}: “{words}” is not in: {text}");
        }
        assert!(!text.contains("want of a key"), "{text}");
    }
}

#[test]
fn a_key_that_is_half_of_what_is_wanted_ends_the_trying_of_keys() {
    let lines = "PasswordAuthentication yes\nAuthenticationMethods publickey,password";
    let Some((sshd, key)) = known_host(lines) else { return };
    let stranger = sshd.stranger_key("stranger", "ed25519", "");
    let agent = Agent::with_key(&sshd.directory, &key);
    agent.add(&stranger);
    let by_files = format!("{}\n{}", identity(&key), identity(&stranger));
    let by_agent = format!("  IdentityAgent {}", agent.socket.display());
    for config in [by_files, by_agent] {
        let mut user = Script::default();
        assert!(matches!(start(&sshd, &config, &[], &mut user), Err(Error::Ask { .. })));
        assert!(user.asked.len() == 1 && user.asked[0].starts_with("Password of"), "{:?}", user.asked);
    }
    let log = sshd.log();
    assert_eq!(
        (log.matches("Partial publickey").count(), log.contains("Failed publickey")),
        (2, false),
        "{log}"
    );
}

#[test]
fn a_key_that_others_can_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let Some((sshd, key)) = known_host("") else { return };
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let mut user = Script::default();
    assert!(matches!(start(&sshd, &identity(&key), &[], &mut user), Err(Error::Authentication { .. })));
    assert!(user.told.contains("chmod 600"), "{}", user.told);
}

#[test]
fn a_password_is_asked_and_checked() {
    if skipped() {
        return;
    }
    if !sshd::is_root() {
        sshd::count_skipped("only root's sshd can check passwords");
        return;
    }
    let Some(person) = Person::new(format!("mpmosh-t{}", std::process::id()), "correct horse") else {
        panic!("useradd is needed for this test (Debian: apt-get install passwd)");
    };
    for (lines, question) in [
        ("PasswordAuthentication yes\nPubkeyAuthentication no\nBanner /etc/passwd", "Password of"),
        ("PasswordAuthentication yes\nAuthenticationMethods password", "Password of"),
        (
            "UsePAM yes\nKbdInteractiveAuthentication yes\nAuthenticationMethods keyboard-interactive",
            "@127.0.0.1) Password",
        ),
    ] {
        let sshd = Sshd::start(Allow { lines, ..Allow::default() });
        sshd.know_host(&["ed25519"]);
        let mut user = Script::answering(&["wrong", "correct horse"]);
        let server = sshd.server(&format!("echo MPMOSH CONNECT multipath/1 60123 {KEY}"));
        let server = format!("--server={}", server.display());
        let config = sshd.ssh_config("");
        let words = ["-F", config.to_str().unwrap(), &server, "-l", &person.name, "h"];
        let got = announced(run(&request(&words, false), &mut user));
        assert_eq!(got.port, 60123);
        assert!(user.asked.len() == 2 && user.asked[0].contains(question), "{:?}", user.asked);
        assert_eq!(user.told.contains("root:"), lines.contains("Banner"), "{}", user.told);

        let mut user = Script::answering(&["a", "b", "c"]);
        let result = run(&request(&words, false), &mut user);
        let Err(error) = result else { panic!("{result:?}") };
        let text = Paragraph::from(error).to_string();
        assert!(text.contains("did not let mpmosh-t") && user.asked.len() == 3, "{text}");

        let mut user = Script::default();
        let Err(error) = run(&request(&words, false), &mut user) else { panic!() };
        let text = Paragraph::from(error).to_string();
        assert!(text.contains("there is no terminal to ask on"), "{text}");
    }
}

/// A user of the system for the length of a test, in which no lab runs: to add a user renames files over /etc/passwd and its
/// like, which undoes the mounts by which a lab's own users stand there.
struct Person {
    name: String,
    _no_lab: fs::File,
}

impl Person {
    fn new(name: String, password: &str) -> Option<Self> {
        use std::io::Write;
        use std::process::{Command, Stdio};
        let no_lab = fs::File::create("/run/mpmosh-lab.lock").unwrap();
        no_lab.lock().unwrap();
        let _ = Command::new("userdel").arg(&name).stderr(Stdio::null()).status();
        let made = Command::new("useradd")
            .args(["--no-create-home", "--home-dir", "/nonexistent", "--shell", "/bin/sh", &name])
            .status();
        let person = made
            .ok()
            .filter(std::process::ExitStatus::success)
            .map(|_| Self { name: name.clone(), _no_lab: no_lab })?;
        let mut child = Command::new("chpasswd").stdin(Stdio::piped()).spawn().ok()?;
        writeln!(child.stdin.take()?, "{name}:{password}").ok()?;
        child.wait().ok()?.success().then_some(person)
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = std::process::Command::new("userdel")
            .arg(&self.name)
            .stderr(std::process::Stdio::null())
            .status();
    }
}

#[test]
fn an_agent_has_the_key_of_a_file_without_a_public_half() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    // The agent's copy needs no passphrase; the file's own public half lies in the file alone.
    let key = sshd.user_key("id", "ed25519", "");
    let agent = Agent::with_key(&sshd.directory, &key);
    for number in 0..6 {
        agent.add(&sshd.stranger_key(&format!("stranger{number}"), "ed25519", ""));
    }
    let encrypted = std::process::Command::new("ssh-keygen")
        .args(["-q", "-p", "-P", "", "-N", "open sesame", "-f"])
        .arg(&key)
        .status()
        .unwrap();
    assert!(encrypted.success());
    fs::remove_file(key.with_extension("pub")).unwrap();
    let config =
        format!("{}\n  IdentitiesOnly yes\n  IdentityAgent {}", identity(&key), agent.socket.display());
    let mut user = Script::default();
    announced(start(&sshd, &config, &[], &mut user));
    assert!(user.asked.is_empty() && user.told.is_empty(), "{:?} {}", user.asked, user.told);
    assert!(!sshd.log().contains("Failed publickey"), "{}", sshd.log());

    // The public half alone is enough to choose by.
    let public =
        std::process::Command::new("ssh-add").arg("-L").env("SSH_AUTH_SOCK", &agent.socket).output().unwrap();
    let first = String::from_utf8_lossy(&public.stdout).lines().next().unwrap().to_owned();
    fs::write(key.with_extension("pub"), first).unwrap();
    fs::remove_file(&key).unwrap();
    announced(start(&sshd, &config, &[], &mut Script::default()));
    assert!(!sshd.log().contains("Failed publickey"), "{}", sshd.log());
}

#[test]
fn a_server_that_hangs_up_after_so_many_keys_is_told_as_that() {
    let Some((sshd, key)) = known_host("PasswordAuthentication yes\nMaxAuthTries 3") else { return };
    let strangers: Vec<PathBuf> =
        (0..5).map(|number| sshd.stranger_key(&format!("stranger{number}"), "ed25519", "")).collect();
    let agent = Agent::with_key(&sshd.directory, &strangers[0]);
    strangers[1..].iter().for_each(|key| agent.add(key));
    let by_agent = format!("{}\n  IdentityAgent {}", identity(&key), agent.socket.display());
    let by_files: String = strangers.iter().chain([&key]).map(|key| identity(key) + "\n").collect();
    for config in [by_agent, by_files] {
        let mut user = Script::answering(&["a password"]);
        let Err(error) = start(&sshd, &config, &[], &mut user) else { panic!("{config}") };
        let text = Paragraph::from(error).to_string().replace('\n', " ");
        assert!(user.asked.is_empty(), "no password is asked for on a dead connection: {:?}", user.asked);
        assert!(text.contains("hung up after 3 keys") && text.contains("IdentitiesOnly"), "{text}");
        let (_, left) = text.split_once("Not tried: ").unwrap_or_else(|| panic!("{text}"));
        assert!(left.contains(key.to_str().unwrap()), "{text}");
    }
}

#[test]
fn without_a_terminal_the_keys_that_were_refused_are_named() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow { lines: "PasswordAuthentication yes", ..Allow::default() });
    sshd.know_host(&["ed25519"]);
    let key = sshd.stranger_key("stranger", "ed25519", "");
    let Err(error) = start(&sshd, &identity(&key), &[], &mut Script::default()) else { panic!() };
    let text = Paragraph::from(error).to_string().replace('\n', " ");
    assert!(text.contains("there is no terminal") && text.contains("/stranger"), "{text}");
}

#[test]
fn a_key_in_a_cipher_that_the_built_in_ssh_lacks_is_left_to_ssh() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    for cipher in ["3des-cbc", "chacha20-poly1305@openssh.com", "aes128-cbc"] {
        let key = sshd.user_key(&format!("id_{}", &cipher[..4]), "ed25519", "");
        let status = std::process::Command::new("ssh-keygen")
            .args(["-q", "-p", "-P", "", "-N", "open sesame", "-Z", cipher, "-f"])
            .arg(&key)
            .status()
            .unwrap();
        assert!(status.success());
        let mut user = Script::answering(&["open sesame"]);
        // ssh asks on a terminal, and there is none here: that it was asked is what counts.
        let outcome = start(&sshd, &format!("{}\n  BatchMode no", identity(&key)), &[], &mut user);
        match cipher {
            "aes128-cbc" => drop(announced(outcome)),
            _ => {
                assert!(user.asked.is_empty());
                assert!(
                    user.told.contains("using your own ssh") && user.told.contains(cipher),
                    "{}",
                    user.told
                );
            }
        }
    }
}

#[test]
fn a_key_that_i_names_and_that_is_not_there_is_told() {
    let Some((sshd, key)) = known_host("") else { return };
    for more in [&[][..], &["--ssh=ssh"]] {
        let words = [&["-i", "/no/such/key"], more].concat();
        let mut user = Script::default();
        announced(start(&sshd, &identity(&key), &words, &mut user));
        // The user's own ssh says so itself.
        assert_eq!(user.told.contains("/no/such/key"), more.is_empty(), "{}", user.told);
    }
}

#[test]
fn keys_for_the_agent_are_left_to_ssh() {
    let Some((sshd, key)) = known_host("") else { return };
    let stranger = sshd.stranger_key("stranger", "ed25519", "");
    let agent = Agent::with_key(&sshd.directory, &stranger);
    let config =
        format!("{}\n  AddKeysToAgent yes\n  IdentityAgent {}", identity(&key), agent.socket.display());
    let mut user = Script::default();
    announced(start(&sshd, &config, &[], &mut user));
    assert!(user.told.contains("using your own ssh: AddKeysToAgent is set"), "{}", user.told);
    let listed =
        std::process::Command::new("ssh-add").arg("-l").env("SSH_AUTH_SOCK", &agent.socket).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&listed.stdout).lines().count(), 2);
    // Now it is there, and nothing is to be added.
    let mut user = Script::default();
    announced(start(&sshd, &config, &[], &mut user));
    assert_eq!(user.told, "");
}

#[test]
fn only_keys_of_the_algorithms_named_are_shown() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let keys = ["ed25519", "ecdsa", "rsa"].map(|kind| sshd.user_key(&format!("id_{kind}"), kind, ""));
    let agent = Agent::with_key(&sshd.directory, &keys[0]);
    keys[1..].iter().for_each(|key| agent.add(key));
    let files: String = keys.iter().map(|key| identity(key) + "\n").collect();
    let by_agent = format!("  IdentityAgent {}\n", agent.socket.display());
    for way in [files, by_agent] {
        for (list, shown) in [
            ("ecdsa-sha2-nistp256", "ECDSA"),
            ("rsa-sha2-256,rsa-sha2-512", "RSA"),
            ("-ssh-ed25519", "ECDSA"),
        ] {
            let before = sshd.log();
            announced(start(
                &sshd,
                &format!("{way}  PubkeyAcceptedAlgorithms {list}"),
                &[],
                &mut Script::default(),
            ));
            let log = sshd.log()[before.len()..].to_owned();
            assert!(log.contains(&format!("ssh2: {shown} ")) && !log.contains("ED25519"), "{list}: {log}");
        }
    }
}

#[test]
fn a_program_asks_for_the_passphrase_where_there_is_no_terminal() {
    use std::os::unix::fs::PermissionsExt;
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "open sesame");
    let config = sshd.ssh_config(&identity(&key));
    let server = sshd.server("echo gave up; exit 3");
    let asks = sshd.directory.join("askpass");
    fs::write(
        &asks,
        format!("#!/bin/sh\nprintf '%s' \"$1\" >{}/asked\necho open sesame\n", sshd.directory.display()),
    )
    .unwrap();
    fs::set_permissions(&asks, fs::Permissions::from_mode(0o755)).unwrap();
    let run = |variables: &[(&str, &str)]| {
        let _ = fs::remove_file(sshd.directory.join("asked"));
        // In a session of its own: without a terminal, wherever the tests run.
        let output = std::process::Command::new("setsid")
            .args(["-w", env!("CARGO_BIN_EXE_mpmosh"), "-F"])
            .arg(&config)
            .arg(format!("--server={}", server.display()))
            .args(["h", "true"])
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .env("SSH_ASKPASS", &asks)
            .envs(variables.iter().copied())
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        (
            String::from_utf8_lossy(&output.stderr).into_owned(),
            fs::read_to_string(sshd.directory.join("asked")).ok(),
        )
    };
    for variables in [&[("DISPLAY", ":7")][..], &[("SSH_ASKPASS_REQUIRE", "force")]] {
        let (said, asked) = run(variables);
        assert!(said.contains("gave up"), "{said}");
        assert!(asked.unwrap().starts_with("Passphrase for the key"));
    }
    // As with ssh: without a display, or where it is forbidden, nothing is started.
    for variables in [&[][..], &[("DISPLAY", ":7"), ("SSH_ASKPASS_REQUIRE", "never")]] {
        let (said, asked) = run(variables);
        assert!(said.contains("no terminal") && asked.is_none(), "{said}");
    }
}
