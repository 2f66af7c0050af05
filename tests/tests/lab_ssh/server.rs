//! From the login to a server that runs: login shells and what they print, where the server is, how it comes there.

use std::fs;

use mpmosh_tests::lab::ssh::{
    NAMES, PATIENCE, contains, doctor, fails, laptop, process_words, run, shell, works, works_with,
};
use mpmosh_tests::lab::{self, Console, Laptop, LaptopOptions, Sshd, Subject, clock};
use rustix::process::Pid;

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
fn an_account_that_may_start_the_server_and_nothing_else_is_examined_in_plain_words() {
    // As the scripts do that people put into ForceCommand or an authorized_keys file.
    let allow = |name: &str| {
        format!(
            "ForceCommand case \"$SSH_ORIGINAL_COMMAND\" in \"{name} new \"*) exec $SSH_ORIGINAL_COMMAND;; esac; echo not \
             allowed >&2; exit 1"
        )
    };
    let Some((laptop, _sshd)) = laptop(&allow("mpmosh-server")) else { return };
    let text = doctor(&laptop, 0, &["lab@server"]);
    contains(
        &text,
        &["this account runs no script (ForceCommand", "it listens on UDP port", "A session works"],
    );
    drop(laptop);
    let Some((laptop, _sshd)) = self::laptop(&allow("mosh-server")) else { return };
    contains(&doctor(&laptop, 0, &["lab@server"]), &["this account runs no script", "A session works"]);
    drop(laptop);
    // One that runs nothing at all.
    let Some((laptop, _sshd)) = self::laptop(&allow("rsync")) else { return };
    contains(&doctor(&laptop, 255, &["lab@server"]), &["this account runs no script", "not allowed"]);
}

#[test]
fn words_that_are_no_text_arrive_as_they_are() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let Some((laptop, _sshd)) = laptop("") else { return };
    for way in ["--ssh=ssh", "-v"] {
        let word = OsStr::from_bytes(b"\xff\xfe'\xc3 \x80");
        let output = laptop
            .client
            .command("mpmosh")
            .args([way, "lab@server", "--", "printf", "%s"])
            .arg(word)
            .output();
        let output = output.unwrap();
        assert_eq!(output.stdout, word.as_bytes(), "{}", String::from_utf8_lossy(&output.stderr));
    }
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
