//! The scene of the tests of `mpmosh host`: a laptop, a server with a real sshd, and what the user sees and reads.

use super::{Console, Laptop, LaptopOptions, Sshd, Subject, USER, open};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::time::Duration;

/// Long enough for a slow machine; nothing waits for it that goes well.
pub const PATIENCE: Duration = Duration::from_secs(25);

/// What the server is known by.
pub const NAMES: [&str; 3] = ["server", Laptop::SERVER, Laptop::SERVER_V6];

/// A laptop, and a server whose sshd has these lines first.
pub fn laptop(lines: &str) -> Option<(Laptop, Sshd)> {
    laptop_with(LaptopOptions::default(), lines)
}

/// The same with these options of the laptop.
pub fn laptop_with(options: LaptopOptions, lines: &str) -> Option<(Laptop, Sshd)> {
    open(|| {
        let laptop = Laptop::new(options)?;
        Subject::mpmosh().prepare(&laptop.lab)?;
        let sshd = Sshd::start_with(&laptop.lab, &laptop.server, 22, lines)?;
        sshd.admit(&laptop.client, &NAMES)?;
        Ok((laptop, sshd))
    })
}

/// `mpmosh` on a terminal of the laptop.
pub fn console(laptop: &Laptop, words: &[&str]) -> Console {
    let mut command = laptop.client.command("mpmosh");
    command.args(words);
    Console::start(command).unwrap()
}

/// The same for a login shell on the server.
pub fn shell(laptop: &Laptop, options: &[&str]) -> Console {
    let host = format!("{USER}@server");
    console(laptop, &[options, &[&host]].concat())
}

/// A prompt comes, and the session ends with the shell's status.
pub fn works(console: Console) -> String {
    works_with(console, 7)
}

/// The same where the end has this status: a stock server does not tell the shell's.
pub fn works_with(mut console: Console, expected: i32) -> String {
    console.wait_for("ready>", PATIENCE).unwrap();
    console.send("exit 7\r").unwrap();
    let status = console.wait_exit(PATIENCE).unwrap();
    assert_eq!(status.code(), Some(expected), "{}", console.text());
    console.text()
}

/// No session comes, and this is what the user reads, on one line.
pub fn fails(mut console: Console) -> String {
    let status = console.wait_exit(PATIENCE).unwrap();
    let text = console.text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(status.code(), Some(255), "{text}");
    text
}

/// `mpmosh` with pipes; its words, and standard output and error on one line.
pub fn run(laptop: &Laptop, words: &[&str]) -> (Output, String) {
    let output = laptop.client.command("mpmosh").args(words).output().unwrap();
    let text =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    (output, text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// What the doctor says, on one line, which must end with this status.
pub fn doctor(laptop: &Laptop, status: i32, words: &[&str]) -> String {
    let (output, text) = run(laptop, &[&["doctor"], words].concat());
    assert_eq!(output.status.code(), Some(status), "{text}");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    text
}

/// Every one of these words stands in the text.
pub fn contains(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "“{word}” is not in: {text}");
    }
}

/// An sshd that asks by way of PAM, and what stands in /etc/pam.d for the programs inside.
pub const ASKS: &str =
    "UsePAM yes\nKbdInteractiveAuthentication yes\nAuthenticationMethods keyboard-interactive";

/// What PAM asks then.
pub const PAM: &str =
    "auth required pam_unix.so\naccount required pam_permit.so\nsession required pam_permit.so\n";

/// A process' command line; empty when it has ended meanwhile.
pub fn process_words(id: i32) -> String {
    let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

/// Puts a script in place of the server, which is `real-server` from then on.
pub fn wrap_server(laptop: &Laptop, script: &str) {
    let bin = laptop.lab.bin();
    let wrapper = bin.join("mpmosh-server");
    if !bin.join("real-server").exists() {
        fs::rename(&wrapper, bin.join("real-server")).unwrap();
    }
    fs::write(&wrapper, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
}
