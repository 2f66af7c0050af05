//! What nobody may read.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use mpmosh_tests::lab::ssh::{
    ASKS, NAMES, PAM, PATIENCE, console, laptop, process_words, shell, works, wrap_server,
};
use mpmosh_tests::lab::{self, Laptop, LaptopOptions, Namespace, Sshd, Subject, clock};

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
