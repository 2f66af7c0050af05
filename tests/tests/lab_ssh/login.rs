//! How one is let in: keys, passwords, questions, certificates, tickets; and a host that is not the one on record.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use mpmosh_tests::lab::ssh::{
    ASKS, NAMES, PAM, PATIENCE, console, contains, fails, laptop, process_words, shell, works,
};
use mpmosh_tests::lab::{self, Console, Laptop, LaptopOptions, Sshd, Subject, USER, clock};
use rustix::process::Pid;

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
