//! Sessions that outlive their client, over a real sshd, by both ways to log in.

use mpmosh_tests::lab::ssh::{PATIENCE, console, contains, laptop, run, shell};
use mpmosh_tests::lab::{Console, Laptop};

/// Leaves a session with the escape key, and gives what the user reads then.
fn leaves(mut console: Console) -> String {
    console.send("\x1ed").unwrap();
    let status = console.wait_exit(PATIENCE).unwrap();
    assert_eq!(status.code(), Some(0), "{}", console.text());
    console.text()
}

fn logins(laptop: &Laptop, text: &str) -> usize {
    let _ = laptop;
    text.matches("Accepted publickey").count()
}

#[test]
fn a_session_is_left_listed_returned_to_and_ended_by_both_ways() {
    let Some((laptop, sshd)) = laptop("") else { return };
    laptop.server.give(".bashrc", "PS1='ready> '\n").unwrap();
    for way in ["--ssh=ssh", "-v"] {
        let first = shell(&laptop, &[way, "--session=work"]);
        first.wait_for("ready>", PATIENCE).unwrap();
        first.send("WORD=kept\r").unwrap();
        let told = leaves(first);
        contains(&told, &["Detached from the session work. “mpmosh attach "]);

        let (output, text) = run(&laptop, &["sessions", way, "lab@server"]);
        assert_eq!(output.status.code(), Some(0), "{text}");
        contains(&text, &["work", "detached", "lab@server work"]);
        let (output, text) = run(&laptop, &["sessions", "lab@server", "--ssh=ssh", "--json"]);
        assert!(output.stderr.is_empty() && output.stdout.starts_with(b"{\"version\":1,"), "{text}");

        // The second client is asked whether it may have what the first one has, over one login.
        let second = console(&laptop, &["attach", way, "lab@server"]);
        second.wait_for("ready>", PATIENCE).unwrap();
        let before = logins(&laptop, &sshd.log());
        let mut third = console(&laptop, &["attach", way, "lab@server", "work"]);
        third.wait_for("(yes/no)? ", PATIENCE).unwrap();
        third.send("yes\r").unwrap();
        third.wait_for("ready>", PATIENCE).unwrap();
        assert_eq!(logins(&laptop, &sshd.log()) - before, 1, "{}", sshd.log());
        let mut second = second;
        assert_eq!(second.wait_exit(PATIENCE).unwrap().code(), Some(254), "{}", second.text());
        contains(&second.text(), &["Another client has taken over the session work"]);
        third.send("echo is $WORD\r").unwrap();
        third.wait_for("is kept", PATIENCE).unwrap();

        let (output, text) = run(&laptop, &["kill", "lab@server", way, "work"]);
        assert_eq!(output.status.code(), Some(0), "{text}");
        contains(&text, &["Session work is ended."]);
        assert_eq!(third.wait_exit(PATIENCE).unwrap().code(), Some(255), "{}", third.text());
        let (output, text) = run(&laptop, &["attach", way, "lab@server", "work"]);
        assert_eq!(output.status.code(), Some(255), "{text}");
        contains(&text, &["Only a terminal can be attached to a session."]);
    }
}
