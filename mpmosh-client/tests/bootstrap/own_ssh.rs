//! What the user's own ssh does, and why it is asked.

use super::*;

#[test]
fn the_users_own_ssh_brings_the_same() {
    let Some((sshd, key)) = known_host("") else { return };
    let got = announced(start(&sshd, &identity(&key), &["--ssh=ssh"], &mut Script::default()));
    assert_eq!(
        (got.port, got.key.expose(), got.reached.to_string().as_str()),
        (60123, KEY, "127.0.0.1:60123")
    );

    let config = format!("{}\n  ProxyCommand nc -q0 127.0.0.1 %p", identity(&key));
    let bash = std::process::Command::new("bash").arg("-c").arg("true").status().is_ok();
    let config = if bash {
        config.replace(
            "nc -q0 127.0.0.1 %p",
            "bash -c 'exec 3<>/dev/tcp/127.0.0.1/%p; cat <&3 & cat >&3; kill $!'",
        )
    } else {
        config
    };
    let mut user = Script::default();
    let got = announced(start(&sshd, &config, &[], &mut user));
    assert_eq!(got.port, 60123);
    assert!(user.told.contains("ProxyCommand"), "{}", user.told);
}

#[test]
fn where_only_a_certificate_is_accepted_the_users_own_ssh_shows_it() {
    if skipped() {
        return;
    }
    let sshd =
        Sshd::start(Allow { lines: "TrustedUserCAKeys @DIRECTORY@/authority.pub", ..Allow::default() });
    sshd.know_host(&["ed25519"]);
    let authority = sshd.stranger_key("authority", "ed25519", "");
    let key = sshd.stranger_key("id", "ed25519", "");
    // Until it has a certificate, the key is a stranger's.
    assert!(matches!(
        start(&sshd, &identity(&key), &[], &mut Script::default()),
        Err(Error::Authentication { .. })
    ));
    let signed = std::process::Command::new("ssh-keygen")
        .args(["-q", "-I", "test", "-n", &sshd::user(), "-s"])
        .args([&authority, &key.with_extension("pub")])
        .status()
        .unwrap();
    assert!(signed.success());
    let mut user = Script::default();
    assert_eq!(announced(start(&sshd, &identity(&key), &[], &mut user)).port, 60123);
    assert!(
        user.told.contains("using your own ssh") && user.told.contains("has a certificate"),
        "{}",
        user.told
    );
    assert!(sshd.log().contains("Accepted certificate ID"), "{}", sshd.log());
}

/// The file of a key in a hardware token: its handle, and no secret.
fn token_key(file: &Path) {
    use base64::Engine;
    use std::os::unix::fs::PermissionsExt;
    let string = |text: &[u8]| [&(text.len() as u32).to_be_bytes()[..], text].concat();
    let public = [string(b"sk-ssh-ed25519@openssh.com"), string(&[7; 32]), string(b"ssh:")].concat();
    let secret =
        [&[1, 2, 3, 4, 1, 2, 3, 4][..], &public, &[1], &string(&[9; 64]), &string(b""), &string(b"test key")];
    let mut secret = secret.concat();
    secret.extend((1..).take((8 - secret.len() % 8) % 8));
    let head = [string(b"none"), string(b"none"), string(b""), 1_u32.to_be_bytes().to_vec()].concat();
    let whole = [&b"openssh-key-v1\0"[..], &head, &string(&public), &string(&secret)].concat();
    let text = base64::engine::general_purpose::STANDARD.encode(whole);
    fs::write(
        file,
        format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{text}\n-----END OPENSSH PRIVATE KEY-----\n"),
    )
    .unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_key_in_a_hardware_token_is_left_to_the_users_own_ssh() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let token = sshd.directory.join("id_ed25519_sk");
    token_key(&token);
    // ssh-keygen's own reading of the file says that it is such a key.
    let told = std::process::Command::new("ssh-keygen").arg("-yf").arg(&token).output().unwrap();
    assert!(String::from_utf8_lossy(&told.stdout).starts_with("sk-ssh-ed25519@openssh.com "), "{told:?}");
    let mut user = Script::default();
    // No token is here, so that ssh fails as well; what counts is that it was asked.
    let outcome = start(&sshd, &identity(&token), &[], &mut user);
    assert!(matches!(outcome, Err(Error::Ssh { status: Some(255), .. })), "{outcome:?}");
    assert!(
        user.told.contains("using your own ssh") && user.told.contains("is in a hardware token"),
        "{}",
        user.told
    );
    // Another key that is accepted needs no token.
    let plain = sshd.user_key("id", "ed25519", "");
    let mut user = Script::default();
    announced(start(&sshd, &format!("{}\n{}", identity(&token), identity(&plain)), &[], &mut user));
    assert_eq!(user.told, "");
}

#[test]
fn a_shared_connection_of_the_users_own_is_used() {
    let Some((sshd, key)) = known_host("") else { return };
    let sharing = format!("{}\n  ControlPath {}\n", identity(&key), sshd.directory.join("control").display());
    let config = sshd.ssh_config(&sharing);
    let ssh = |words: &[&str]| {
        std::process::Command::new("ssh")
            .arg("-F")
            .arg(&config)
            .args(words)
            .arg("h")
            .status()
            .unwrap()
            .success()
    };
    assert!(ssh(&["-fNM"]));
    let mut user = Script::default();
    announced(start(&sshd, &sharing, &[], &mut user));
    assert!(user.told.contains("ControlPath is set for h"), "{}", user.told);
    assert_eq!(sshd.log().matches("Accepted publickey").count(), 1, "{}", sshd.log());
    assert!(ssh(&["-O", "exit"]), "it is still there");
}

/// Settings of a person's own sessions, which would end or change one that starts a server.
const FOR_PERSONS: [&str; 7] = [
    "RemoteCommand tmux attach",
    "LocalForward @PORT@ 127.0.0.1:1\n  ExitOnForwardFailure yes",
    "SessionType none",
    "SessionType subsystem",
    "ForkAfterAuthentication yes",
    "RequestTTY force",
    "StdinNull yes",
];

#[test]
fn settings_for_a_persons_sessions_do_not_keep_a_server_from_starting() {
    let Some((sshd, key)) = known_host("") else { return };
    // A port that is taken, as by the session in which the same forwarding stands already.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for setting in FOR_PERSONS {
        let config = format!("{}\n  {}", identity(&key), setting.replace("@PORT@", &port));
        for more in [&["--ssh=ssh"][..], &[]] {
            let mut user = Script::default();
            let got = announced(start(&sshd, &config, more, &mut user));
            assert_eq!((got.port, user.told.as_str()), (60123, ""), "{setting} {more:?}");
        }
    }
}

#[test]
fn a_command_of_match_exec_runs_once() {
    let Some((sshd, key)) = known_host("") else { return };
    let ran = sshd.directory.join("ran");
    let config = format!("{}\nMatch exec \"echo x >>{}\"\n", identity(&key), ran.display());
    announced(start(&sshd, &config, &[], &mut Script::default()));
    assert_eq!(fs::read_to_string(&ran).unwrap(), "x\n");
    // Besides ssh itself, which reads its configuration for each connection.
    fs::remove_file(&ran).unwrap();
    announced(start(&sshd, &config, &["--ssh=ssh"], &mut Script::default()));
    assert_eq!(fs::read_to_string(&ran).unwrap(), "x\nx\n");
}
