//! What comes of starting a server there, or installing one.

use super::*;

#[test]
fn a_version_that_is_not_ours_is_told_and_its_key_is_not() {
    let Some((sshd, key)) = known_host("") else { return };
    let config = sshd.ssh_config(&identity(&key));
    let server = sshd.server(&format!("echo MPMOSH CONNECT multipath/2 60123 {KEY}"));
    let server = format!("--server={}", server.display());
    for more in [&["h"][..], &["--ssh=ssh", "h"]] {
        let words = [&["-F", config.to_str().unwrap(), &server][..], more].concat();
        let mut user = Script::default();
        let Err(error) = run(&request(&words, false), &mut user) else { panic!() };
        let raw = format!("{error:?}");
        let text = format!("{raw}\n{}\n{}", user.told, Paragraph::from(error));
        assert!(text.contains("multipath/2") && !text.contains(&KEY[..8]), "{text}");
    }
}

#[test]
fn an_announcement_that_cannot_be_read_is_told_with_its_line() {
    let Some((sshd, key)) = known_host("") else { return };
    let config = sshd.ssh_config(&identity(&key));
    let server = sshd.server(&format!("echo MPMOSH CONNECT multipath/1 port {KEY}"));
    let server = format!("--server={}", server.display());
    for more in [&["h"][..], &["--ssh=ssh", "h"]] {
        let words = [&["-F", config.to_str().unwrap(), &server][..], more].concat();
        let text = refusal(&words);
        assert!(
            text.contains("cannot be read. It is “MPMOSH CONNECT multipath/1 port (43 characters)”"),
            "{text}"
        );
        assert!(!text.contains("another version") && !text.contains(&KEY[..8]), "{text}");
    }
}

/// What the user is told who does not get in, on one line.
fn refusal(words: &[&str]) -> String {
    let Err(error) = run(&request(words, false), &mut Script::default()) else { panic!("{words:?}") };
    Paragraph::from(error).to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_shell_that_a_signal_ends_has_no_status_and_what_went_past_us_is_not_denied() {
    let Some((sshd, key)) = known_host("") else { return };
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    let config = sshd.ssh_config(&identity(&key));
    let config = config.to_str().unwrap();
    let allow = |command: &str| {
        fs::write(sshd.directory.join("authorized_keys"), format!("command=\"{command}\" {public}")).unwrap();
    };
    allow("echo about to end; kill -9 $$");
    let text = refusal(&["-F", config, "h"]);
    assert!(
        text.contains("was ended by signal KILL") && text.contains("It printed: “about to end”"),
        "{text}"
    );
    assert!(!text.contains("status 0"), "{text}");
    // A user's own ssh has one status for that and for all that it meets itself.
    let text = refusal(&["-F", config, "--ssh=ssh", "h"]);
    assert!(text.contains("ended by a signal"), "{text}");
    allow("echo to standard error >&2; exit 3");
    assert!(refusal(&["-F", config, "h"]).contains("It printed: “to standard error”"));
    for (command, end) in [("exit 3", "status 3"), ("exit 255", "status 255")] {
        allow(&format!("echo to standard error >&2; {command}"));
        let text = refusal(&["-F", config, "--ssh=ssh", "h"]);
        assert!(text.contains(end) && !text.contains("printed nothing"), "{text}");
    }
}

#[test]
fn a_missing_server_is_told_with_the_path_that_was_searched() {
    let Some((sshd, key)) = known_host("SetEnv PATH=/nonexistent:/bin HOME=/nonexistent") else { return };
    let config = sshd.ssh_config(&identity(&key));
    let words = ["-F", config.to_str().unwrap(), "--dialect=multipath", "h"];
    match run(&request(&words, false), &mut Script::default()) {
        Err(Error::NoServer { path, .. }) => assert!(path.contains("/bin"), "{path}"),
        // A machine on which mpmosh is installed.
        other => assert!(
            std::process::Command::new("mpmosh-server").arg("--version").output().is_ok(),
            "{other:?}"
        ),
    }
    let words = ["-F", config.to_str().unwrap(), "--server=/no/such/server", "h"];
    let Err(error) = run(&request(&words, false), &mut Script::default()) else { panic!() };
    let text = Paragraph::from(error).to_string();
    assert!(text.contains("/no/such/server was not found") && text.contains("--server"), "{text}");
}

#[test]
fn a_stock_server_will_do_where_ours_is_not() {
    if skipped() {
        return;
    }
    let places = ["/usr/bin", "/bin", "/usr/local/bin", "/usr/pkg/bin", "/opt/homebrew/bin"];
    if places.iter().any(|place| Path::new(place).join("mpmosh-server").exists()) {
        sshd::count_skipped("this machine has an mpmosh-server, which is found first");
        return;
    }
    let lines = "SetEnv PATH=@DIRECTORY@:/usr/bin:/bin HOME=@DIRECTORY@ PREFIX=@DIRECTORY@/usr";
    let sshd = Sshd::start(Allow { lines, ..Allow::default() });
    sshd.know_host(&["ed25519"]);
    let key = sshd.user_key("id", "ed25519", "");
    let config = sshd.ssh_config(&identity(&key));
    let stock = sshd
        .server("test \"$1 $2 $3\" = 'new -s -c' && echo && echo MOSH CONNECT 60001 AAECAwQFBgcICQoLDA0ODw");
    fs::rename(&stock, sshd.directory.join("mosh-server")).unwrap();
    let ask = |words: &[&str], streams| {
        let words: Vec<&str> = ["-F", config.to_str().unwrap()].iter().chain(words).copied().collect();
        run(&request(&words, streams), &mut Script::default())
    };
    let mut user = Script::default();
    let words = ["-F", config.to_str().unwrap(), "h"];
    let got = announced(run(&request(&words, false), &mut user));
    assert_eq!((got.dialect, got.port), (DialectName::Mosh, 60001));
    assert!(user.told.contains("only a stock mosh-server"), "{}", user.told);
    assert_eq!(announced(ask(&["--dialect=mp-mosh", "h"], false)).dialect, DialectName::MpMosh);
    assert!(matches!(ask(&["--dialect=multipath", "h"], false), Err(Error::NoServer { .. })));
    assert!(matches!(ask(&["h", "--", "true"], true), Err(Error::NoServer { .. })));

    // In Termux's tree, then in ~/.local/bin, which a non-interactive shell has not on its PATH.
    for (folder, port) in [("usr/bin", 60_122), (".local/bin", 60_123)] {
        let folder = sshd.directory.join(folder);
        fs::create_dir_all(&folder).unwrap();
        let ours = sshd.server(&format!("echo MPMOSH CONNECT multipath/1 {port} {KEY}"));
        fs::rename(ours, folder.join("mpmosh-server")).unwrap();
        let got = announced(ask(&["h"], false));
        assert_eq!((got.dialect, got.port), (DialectName::Multipath, port));
    }
}

#[test]
fn noise_is_skipped_and_shown_when_no_announcement_follows() {
    // What an rc file does: it speaks before the command does, here without a newline and with colours.
    let Some((sshd, key)) = known_host("") else { return };
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    let noisy =
        "command=\"printf 'Welcome\\033[31m to\\033[0m h\\nPrompt>'; eval \\\"$SSH_ORIGINAL_COMMAND\\\"\"";
    fs::write(sshd.directory.join("authorized_keys"), format!("{noisy} {public}")).unwrap();
    announced(start(&sshd, &identity(&key), &[], &mut Script::default()));

    let config = sshd.ssh_config(&identity(&key));
    let server = sshd.server("echo 'cannot allocate' >&2; exit 3");
    let server = format!("--server={}", server.display());
    let words = ["-F", config.to_str().unwrap(), &server, "h"];
    let Err(error) = run(&request(&words, false), &mut Script::default()) else { panic!() };
    let text = Paragraph::from(error).to_string();
    assert!(
        text.contains("Welcome to h") && text.contains("cannot allocate") && text.contains("status 3"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn what_the_server_says_of_itself_reaches_the_user() {
    let Some((sshd, key)) = known_host("") else { return };
    let config = sshd.ssh_config(&identity(&key));
    let server = sshd.server(&format!(
        "echo welcome; printf 'mpmosh-server: it will \\033[2Jend.\\n'; echo MPMOSH CONNECT multipath/1 60123 {KEY}"
    ));
    let server = format!("--server={}", server.display());
    for more in [&["h"][..], &["--ssh=ssh", "h"]] {
        let words: Vec<&str> =
            ["-F", config.to_str().unwrap(), &server].into_iter().chain(more.iter().copied()).collect();
        let mut user = Script::default();
        announced(run(&request(&words, false), &mut user));
        assert_eq!(user.told, "mpmosh-server: it will end.\n");
    }
}

#[test]
fn a_closed_port_and_a_silent_server_are_told_apart() {
    if skipped() {
        return;
    }
    let sshd = Sshd::start(Allow::default());
    let user = &mut Script::default();
    assert!(matches!(start(&sshd, "  Port 1", &[], user), Err(Error::Connect { .. })));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("  Port {}\n  ConnectTimeout 1", listener.local_addr().unwrap().port());
    assert!(matches!(start(&sshd, &port, &[], user), Err(Error::Handshake { .. })));
}

#[test]
fn streams_ask_for_streams_and_do_not_take_a_stock_server() {
    let Some((sshd, key)) = known_host("") else { return };
    let config = sshd.ssh_config(&identity(&key));
    let stock = sshd.server(
        "case $* in *--streams*) ;; *) exit 9 ;; esac; echo; echo MOSH CONNECT 60001 AAECAwQFBgcICQoLDA0ODw",
    );
    let stock = format!("--server={}", stock.display());
    let words = ["-F", config.to_str().unwrap(), &stock, "h", "--", "true"];
    assert!(matches!(run(&request(&words, true), &mut Script::default()), Err(Error::StockOnly { .. })));
}

#[test]
fn a_server_is_installed_where_none_is() {
    // The fixture's user is the one that runs the tests: another home keeps theirs as it is.
    let Some((sshd, key)) = known_host("SetEnv HOME=@DIRECTORY@/home") else { return };
    let home = sshd.directory.join("home");
    // What a person's sessions may have set, and a copy must not go through.
    let config = sshd.ssh_config(&format!("{}\n  RequestTTY force\n  StdinNull yes", identity(&key)));
    let packages = sshd.directory.join("packages");
    fs::create_dir_all(&packages).unwrap();
    fs::create_dir_all(&home).unwrap();
    let uname = |what: &str| {
        let output = std::process::Command::new("uname").arg(what).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let uname = format!("{}-{}", uname("-m"), uname("-s").to_lowercase());
    let package = packages.join(format!("mpmosh-server-{uname}"));
    let program = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && echo mpmosh-server 9.8.7 && exit\necho MPMOSH CONNECT multipath/1 60123 {KEY}\n"
    );
    let attempt = |how: &str, user: &mut Script| {
        let words = ["-F", config.to_str().unwrap(), how, "h"];
        run(&request(&words, false), user)
    };
    let from = format!("--install-server={}", packages.display());

    let Err(error) = attempt(&from, &mut Script::default()) else { panic!() };
    let text = Paragraph::from(error).to_string().replace('\n', " ");
    assert!(text.contains("There is no mpmosh-server here") && text.contains(&uname), "{text}");

    fs::write(&package, "#!/bin/sh\necho wrong architecture\nexit 126\n").unwrap();
    let Err(error) = attempt(&from, &mut Script::default()) else { panic!() };
    let text = Paragraph::from(error).to_string();
    assert!(text.contains("wrong architecture"), "{text}");
    let bin = home.join(".local/bin");
    assert_eq!(fs::read_dir(&bin).unwrap().count(), 0, "nothing is left");

    // What runs and is something else does not take the name, nor the place of a server that is one.
    fs::write(bin.join("mpmosh-server"), "old").unwrap();
    let Err(error) = attempt("--install-server=/bin/true", &mut Script::default()) else { panic!() };
    let text = Paragraph::from(error).to_string().replace('\n', " ");
    assert!(text.contains("it is no mpmosh-server"), "{text}");
    assert_eq!(fs::read(bin.join("mpmosh-server")).unwrap(), b"old");
    assert_eq!(fs::read_dir(&bin).unwrap().count(), 1, "nothing else is left");

    for words in [&[from.as_str()][..], &[from.as_str(), "--ssh=ssh"]] {
        fs::write(&package, &program).unwrap();
        let before = sshd.log().matches("Accepted publickey").count();
        let mut all = vec!["-F", config.to_str().unwrap()];
        all.extend(words);
        all.push("h");
        let mut user = Script::default();
        let got = announced(run(&request(&all, false), &mut user));
        assert_eq!(got.port, 60123);
        assert!(user.told.contains("mpmosh-server 9.8.7 is now in ~/.local/bin"), "{}", user.told);
        // However much there was to ask and to copy.
        let logins = sshd.log().matches("Accepted publickey").count();
        assert_eq!(logins - before, 1, "{}", sshd.log());
        assert_eq!(fs::read_to_string(bin.join("mpmosh-server")).unwrap(), program);
    }
}

/// A host whose login scripts do this before a command; `eval` runs it.
fn with_login_script(sshd: &Sshd, key: &Path, script: &str) {
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    fs::write(sshd.directory.join("rc"), script).unwrap();
    let line =
        format!("command=\". {}/rc; eval \\\"$SSH_ORIGINAL_COMMAND\\\"\" {public}", sshd.directory.display());
    fs::write(sshd.directory.join("authorized_keys"), line).unwrap();
}

/// What a start comes to, on a thread, so that one without an end is a failure.
fn in_time(words: &[&str]) -> Result<Announced, Error> {
    let request = request(words, false);
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = tell.send(run(&request, &mut Script::default()));
    });
    match told.recv_timeout(std::time::Duration::from_secs(30)) {
        Ok(outcome) => outcome,
        Err(_) => panic!("the start has no end"),
    }
}

#[test]
fn noise_without_an_end_is_told_as_that() {
    let Some((sshd, key)) = known_host("") else { return };
    with_login_script(&sshd, &key, "echo fortune; head -c 2000000 /dev/zero | tr '\\0' x; yes");
    let config = sshd.ssh_config(&identity(&key));
    for words in
        [&["h"][..], &["--ssh=ssh", "h"], &["--install-server", "h"], &["--ssh=ssh", "--install-server", "h"]]
    {
        let outcome = in_time(&[&["-F", config.to_str().unwrap()], words].concat());
        assert!(matches!(outcome, Err(Error::Noise { .. })), "{words:?}: {outcome:?}");
    }
}

#[test]
fn a_shell_in_the_place_of_the_server_ends_with_its_input() {
    let Some((sshd, key)) = known_host("") else { return };
    with_login_script(&sshd, &key, "exec sh");
    let config = sshd.ssh_config(&identity(&key));
    for words in [&["h"][..], &["--ssh=ssh", "h"]] {
        let outcome = in_time(&[&["-F", config.to_str().unwrap()], words].concat());
        let Err(error) = outcome else { panic!("{outcome:?}") };
        let text = Paragraph::from(error).to_string().replace('\n', " ");
        assert!(text.contains("ended with status 0 and announced nothing"), "{text}");
    }
}

#[test]
fn what_ssh_says_stands_before_what_we_say_of_it() {
    let Some((sshd, key)) = known_host("") else { return };
    let config = sshd.ssh_config(&identity(&key));
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_mpmosh"))
        .arg("-F")
        .arg(config)
        .args([
            "--ssh=ssh",
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "h",
            "true",
        ])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let (theirs, ours) = (said.find("Host key verification failed"), said.find("mpmosh: Your ssh"));
    assert!(theirs.is_some() && theirs < ours, "{said}");
}

#[test]
fn where_only_some_commands_are_allowed_the_server_is_asked_for_in_plain_words() {
    let Some((sshd, key)) = known_host("SetEnv PATH=@DIRECTORY@:/usr/bin:/bin") else { return };
    sshd.server(&format!(
        "printf '%s\\n' \"$@\" >{}/arguments; echo MPMOSH CONNECT multipath/1 60123 {KEY}",
        sshd.directory.display()
    ));
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    let config = sshd.ssh_config(&identity(&key));
    let allow = |script: &str| {
        let file = sshd.directory.join("allow");
        fs::write(&file, format!("case $SSH_ORIGINAL_COMMAND in {script} esac\n")).unwrap();
        let line = format!("command=\". {}\" {public}", file.display());
        fs::write(sshd.directory.join("authorized_keys"), line).unwrap();
    };
    let refuses = "*) echo this account runs nothing else >&2; exit 1;;";
    allow(&format!("'mpmosh-server new '*) exec $SSH_ORIGINAL_COMMAND;; {refuses}"));
    for more in [&[][..], &["--ssh=ssh"]] {
        let words = [&["-F", config.to_str().unwrap()], more, &["h", "ls", "-l"]].concat();
        assert_eq!(announced(run(&request(&words, false), &mut Script::default())).port, 60123);
        let arguments = fs::read_to_string(sshd.directory.join("arguments")).unwrap();
        let locale = "it's.UTF-8";
        assert!(arguments.ends_with("--\nls\n-l\n") && !arguments.contains(locale), "{arguments}");
    }
    // A list of stock's server alone, and one of nothing.
    let stock = "echo; echo MOSH CONNECT 60001 AAECAwQFBgcICQoLDA0ODw";
    fs::rename(sshd.server(stock), sshd.directory.join("mosh-server")).unwrap();
    allow(&format!("'mosh-server new '*) exec $SSH_ORIGINAL_COMMAND;; {refuses}"));
    let words = ["-F", config.to_str().unwrap(), "h"];
    let got = announced(run(&request(&words, false), &mut Script::default()));
    assert_eq!((got.dialect, got.port), (DialectName::Mosh, 60001));
    allow(refuses);
    let Err(error) = run(&request(&words, false), &mut Script::default()) else { panic!() };
    let text = Paragraph::from(error).to_string().replace('\n', " ");
    assert!(text.contains("this account runs nothing else") && text.contains("status 1"), "{text}");
}
