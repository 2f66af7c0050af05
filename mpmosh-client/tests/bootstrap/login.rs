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
        let got = announced(bootstrap::run(&request(&words, false), &mut user));
        assert_eq!(got.port, 60123);
        assert!(user.asked.len() == 2 && user.asked[0].contains(question), "{:?}", user.asked);
        assert_eq!(user.told.contains("root:"), lines.contains("Banner"), "{}", user.told);

        let mut user = Script::answering(&["a", "b", "c"]);
        let result = bootstrap::run(&request(&words, false), &mut user);
        let Err(error) = result else { panic!("{result:?}") };
        let text = Paragraph::from(error).to_string();
        assert!(text.contains("did not let mpmosh-t") && user.asked.len() == 3, "{text}");

        let mut user = Script::default();
        let Err(error) = bootstrap::run(&request(&words, false), &mut user) else { panic!() };
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
