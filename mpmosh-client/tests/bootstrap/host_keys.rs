//! What a host's own key is held against.

use super::*;

#[test]
fn an_unknown_host_is_asked_about_and_put_on_record() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    let key = sshd.user_key("id", "ed25519", "");
    let mut user = Script::answering(&["no"]);
    assert!(matches!(start(&sshd, &identity(&key), &[], &mut user), Err(Error::HostKeyDeclined { .. })));
    assert!(!sshd.known_hosts().exists());

    let mut user = Script::answering(&["perhaps", "yes"]);
    announced(start(&sshd, &identity(&key), &[], &mut user));
    let expected = std::process::Command::new("ssh-keygen")
        .arg("-lf")
        .arg(sshd.directory.join("host_ed25519.pub"))
        .output()
        .unwrap();
    let expected = String::from_utf8_lossy(&expected.stdout).split(' ').nth(1).unwrap().to_owned();
    assert!(user.told.contains(&expected), "{} {expected}", user.told);
    assert_eq!(user.asked.len(), 2);

    // Now it is known, to us and to ssh-keygen.
    let mut user = Script::default();
    announced(start(&sshd, &identity(&key), &[], &mut user));
    assert!(user.asked.is_empty());
    let found = std::process::Command::new("ssh-keygen")
        .args(["-F", &format!("[127.0.0.1]:{}", sshd.port), "-f"])
        .arg(sshd.known_hosts())
        .output()
        .unwrap();
    assert!(found.status.success());
}

#[test]
fn a_fingerprint_typed_wrong_declines_and_typed_right_accepts() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    let key = sshd.user_key("id", "ed25519", "");
    let mut user = Script::answering(&["SHA256:AAAA"]);
    assert!(matches!(start(&sshd, &identity(&key), &[], &mut user), Err(Error::HostKeyDeclined { .. })));
    let Err(Error::HostKeyDeclined { fingerprint, .. }) =
        start(&sshd, &identity(&key), &[], &mut Script::answering(&["no"]))
    else {
        panic!()
    };
    let mut user = Script::answering(&[Box::leak(fingerprint.into_boxed_str())]);
    announced(start(&sshd, &identity(&key), &[], &mut user));
}

#[test]
fn strict_checking_never_asks() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    let key = sshd.user_key("id", "ed25519", "");
    let config = format!("{}\n  StrictHostKeyChecking yes", identity(&key));
    assert!(matches!(start(&sshd, &config, &[], &mut Script::default()), Err(Error::HostKeyUnknown { .. })));
    let config = format!("{}\n  StrictHostKeyChecking accept-new", identity(&key));
    announced(start(&sshd, &config, &[], &mut Script::default()));
    assert!(sshd.known_hosts().exists());
}

#[test]
fn a_changed_host_key_is_refused_before_anything_is_said() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    let key = sshd.user_key("id", "ed25519", "");
    let other = sshd.stranger_key("other_host", "ed25519", "");
    let public = fs::read_to_string(other.with_extension("pub")).unwrap();
    fs::write(sshd.known_hosts(), format!("# old\n[127.0.0.1]:{} {public}", sshd.port)).unwrap();
    let mut user = Script::answering(&["yes"]);
    let Err(error) = start(&sshd, &identity(&key), &[], &mut user) else { panic!() };
    assert!(matches!(error, Error::HostKeyChanged { line: 2, .. }), "{error:?}");
    assert!(user.asked.is_empty());
    assert!(!sshd.log().contains("Accepted") && !sshd.log().contains("Failed"), "{}", sshd.log());
    // -o StrictHostKeyChecking=no adds new hosts; it does not excuse a changed one.
    let result = start(&sshd, &identity(&key), &["-o", "StrictHostKeyChecking=no"], &mut user);
    assert!(matches!(result, Err(Error::HostKeyChanged { .. })));
}

#[test]
fn a_revoked_host_key_is_refused_though_it_is_known() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let known = fs::read_to_string(sshd.known_hosts()).unwrap();
    fs::write(sshd.known_hosts(), format!("{known}@revoked * {}", sshd.host_public("ed25519"))).unwrap();
    let key = sshd.user_key("id", "ed25519", "");
    assert!(matches!(
        start(&sshd, &identity(&key), &[], &mut Script::default()),
        Err(Error::HostKeyRevoked { .. })
    ));
}

#[test]
fn the_host_is_asked_for_the_kind_of_key_on_record() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow { host_keys: &["ed25519", "ecdsa", "rsa"], ..Allow::default() });
    let key = sshd.user_key("id", "ed25519", "");
    for kind in ["rsa", "ecdsa", "ed25519"] {
        sshd.know_host(&[kind]);
        let mut user = Script::default();
        announced(start(&sshd, &identity(&key), &[], &mut user));
        assert!(user.asked.is_empty(), "{kind}");
    }
}

#[test]
fn hashed_records_are_read_and_written() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    sshd.know_host(&["ed25519"]);
    let hashed =
        std::process::Command::new("ssh-keygen").args(["-H", "-f"]).arg(sshd.known_hosts()).output().unwrap();
    assert!(hashed.status.success());
    assert!(fs::read_to_string(sshd.known_hosts()).unwrap().starts_with("|1|"));
    let key = sshd.user_key("id", "ed25519", "");
    announced(start(&sshd, &identity(&key), &[], &mut Script::default()));

    fs::remove_file(sshd.known_hosts()).unwrap();
    let config = format!("{}\n  HashKnownHosts yes", identity(&key));
    announced(start(&sshd, &config, &[], &mut Script::answering(&["yes"])));
    assert!(fs::read_to_string(sshd.known_hosts()).unwrap().starts_with("|1|"));
    announced(start(&sshd, &config, &[], &mut Script::default()));
}

#[test]
fn a_host_is_looked_up_by_its_alias_and_in_the_file_of_all_users() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    let key = sshd.user_key("id", "ed25519", "");
    let all = sshd.directory.join("all_known_hosts");
    let strict = format!("{}\n  StrictHostKeyChecking yes", identity(&key));
    let with = |more: &str| start(&sshd, &format!("{strict}\n{more}"), &[], &mut Script::default());
    let global = format!("  GlobalKnownHostsFile {}", all.display());
    for (name, config) in [
        (format!("[127.0.0.1]:{}", sshd.port), global.clone()),
        ("Alias".into(), format!("{global}\n  HostKeyAlias aliaS")),
    ] {
        fs::write(&all, format!("someone-else,{name} {}", sshd.host_public("ed25519"))).unwrap();
        announced(with(&config));
        // Neither without the file, nor under the other name.
        assert!(matches!(with("  HostKeyAlias other"), Err(Error::HostKeyUnknown { .. })));
        assert!(matches!(
            with(&format!("{global}\n  HostKeyAlias other")),
            Err(Error::HostKeyUnknown { name, .. }) if name == "other"
        ));
    }
    assert!(!sshd.known_hosts().exists(), "nothing was put on record");
}

#[test]
fn none_is_no_file_of_that_name_in_the_current_folder() {
    let Some((sshd, key)) = known_host("") else { return };
    let key_line = identity(&key);
    let folder = sshd.directory.join("current");
    fs::create_dir(&folder).unwrap();
    // The host's own key stands in a file called none, where a program that takes it for one would find it.
    fs::copy(sshd.known_hosts(), folder.join("none")).unwrap();
    let server = sshd.server("exit 3");
    for (word, strict, says) in [
        ("none", "yes", "is not on record"),
        ("NONE", "yes", "is not on record"),
        ("none", "accept-new", "did not start"),
    ] {
        let config = sshd.directory.join("none_config");
        let text = fs::read_to_string(sshd.ssh_config(&key_line)).unwrap();
        let records = format!("UserKnownHostsFile {}", sshd.known_hosts().display());
        assert!(text.contains(&records));
        let text = text.replace(&records, &format!("UserKnownHostsFile {word}"));
        fs::write(&config, text.replace("GlobalKnownHostsFile /dev/null", "GlobalKnownHostsFile none"))
            .unwrap();
        let before = fs::read(folder.join("none")).unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_mpmosh"))
            .arg("-F")
            .arg(&config)
            .arg(format!("--server={}", server.display()))
            .args(["-o", &format!("StrictHostKeyChecking={strict}"), "h", "true"])
            .current_dir(&folder)
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
        assert!(said.contains(says), "{word} {strict}: {said}");
        assert_eq!(fs::read(folder.join("none")).unwrap(), before);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }
}

#[test]
fn records_that_cannot_be_read_let_no_host_pass_for_a_new_one() {
    let Some((sshd, key)) = known_host("") else { return };
    // A folder: root, too, cannot read it as a file.
    let folder = sshd.directory.join("known_folder");
    fs::create_dir(&folder).unwrap();
    for keyword in ["UserKnownHostsFile", "GlobalKnownHostsFile"] {
        let option = format!("{keyword}={}", folder.display());
        let more = ["-o", &option, "-o", "StrictHostKeyChecking=accept-new"];
        let mut user = Script::default();
        let Err(error) = start(&sshd, &identity(&key), &more, &mut user) else { panic!("{keyword}") };
        assert!(matches!(&error, Error::KnownHosts { file, .. } if *file == folder), "{error:?}");
        let text = Paragraph::from(error).to_string();
        assert!(text.contains("known_folder") && !text.contains("os error"), "{text}");
        assert!(!sshd.log().contains("Accepted"), "{}", sshd.log());
    }
}
