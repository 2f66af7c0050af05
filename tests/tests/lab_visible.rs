//! What a user is told of paths on a real kernel: which interface is in trouble, why one is not used, and that another
//! user's session is none of theirs.
#![cfg(target_os = "linux")]

mod local;
mod told;

use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use local::{Home, Terminal, first_line, kill, piped, shell_by};
use mpmosh_tests::lab::scenario::{self, INTERVAL, PATIENCE};
use mpmosh_tests::lab::{self, Console, Laptop, LaptopOptions, Subject, clock, measure};
use serde_json::Value;
use told::{Asked, carrier, from};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn session(options: LaptopOptions) -> Option<(Console, Laptop)> {
    lab::open(|| {
        let laptop = Laptop::with_sshd(options)?;
        let (console, _) = scenario::connect(&laptop.lab, &laptop.client, &Subject::mpmosh())?;
        Ok((console, laptop))
    })
}

#[track_caller]
fn keys_come_through(console: &Console) {
    let keys = console.type_keys(10, INTERVAL, PATIENCE, |_| Ok(())).unwrap();
    assert!(keys.iter().all(|key| key.shown.is_some()), "{keys:?}");
}

fn words(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&all).replace('\n', " ")
}

#[test]
fn the_interface_that_the_session_had_to_leave_is_named_to_whoever_asks_and_covers_nothing() {
    let Some((console, laptop)) = session(LaptopOptions::default()) else { return };
    scenario::echo_keys(&console).unwrap();
    keys_come_through(&console);
    let mark = console.mark();
    laptop.uplinks[0].silence(true);
    console.wait_for_after(mark, "on wwan0 (metered)", seconds(15)).unwrap();
    keys_come_through(&console);
    let mark = console.mark();
    console.send("\x1ep").unwrap();
    console.wait_for_after(mark, "wlan0 lost ", seconds(15)).unwrap();
    laptop.uplinks[0].interface_down().unwrap();
    console.wait_for_after(mark, "down, on wwan0 (metered)", seconds(15)).unwrap();
    console.send("\x1ep").unwrap();
    let text = console.text();
    assert!(!text.contains("mpmosh: wlan0") && !text.contains("Last contact"), "{text}");
    laptop.uplinks[0].silence(false);
    laptop.uplinks[0].interface_up().unwrap();
    Asked::of(&laptop.client).until("the better path carries again", |paths| {
        let healed = from(paths, &laptop.uplinks[0].address());
        healed.is_some_and(|path| path["state"] == "answering") && carrier(paths) == Some("wlan0")
    });
    // What is over is not told any more: the first row is the shell's again.
    let mark = console.mark();
    console.send("\x03").unwrap();
    console.wait_for_after(mark, "ready>", seconds(10)).unwrap();
    scenario::finish_line(&console, "Ω", "clear", "", seconds(10)).unwrap();
    let mark = console.mark();
    console.send("\x1ep").unwrap();
    console.wait_for_after(mark, "wwan0", seconds(10)).unwrap();
    let text = console.text();
    let overlay = text.get(mark..).unwrap_or_default();
    assert!(!overlay.contains("wlan0 lost") && !overlay.contains("down"), "{overlay}");
}

#[test]
fn a_strict_reverse_path_filter_is_named_in_the_overlay_and_by_the_doctor_and_the_session_goes_on() {
    let strict = LaptopOptions { reverse_path_filter: 1, ..LaptopOptions::default() };
    let Some((console, laptop)) = session(strict) else { return };
    console.send("\x1ep").unwrap();
    console.wait_for("wwan0 is not used: this machine drops its answers", seconds(20)).unwrap();
    console.wait_for("answers dropped here (rp_filter)", seconds(10)).unwrap();
    console.send("\x1ep").unwrap();
    scenario::echo_keys(&console).unwrap();
    keys_come_through(&console);
    let doctor = |options: &[&str]| {
        laptop.client.command("mpmosh").arg("doctor").args(options).arg("lab@server").output().unwrap()
    };
    let all = doctor(&[]);
    let told = words(&all);
    assert_eq!(all.status.code(), Some(0), "{told}");
    assert!(told.contains("drops its answers (net.ipv4.conf.wwan0.rp_filter is strict)"), "{told}");
    assert!(told.contains("“sysctl -w net.ipv4.conf.wwan0.rp_filter=2” lets it in"), "{told}");
    // Where nothing else is left ssh, which may not go elsewhere either, has no answer.
    let alone = doctor(&["--never=wlan0"]);
    let told = words(&alone);
    assert_eq!(alone.status.code(), Some(255), "{told}");
    assert!(told.contains("over wwan0: no answer. Not tried: wlan0 (--never)"), "{told}");
    // The filter of the best route's own interface drops nothing: what a firewall swallows there is not its doing.
    laptop.server.filter("ip", "input", "udp dport 60000-61000 drop").unwrap();
    let blocked = doctor(&["--never=wwan0"]);
    let told = words(&blocked);
    assert_eq!(blocked.status.code(), Some(1), "{told}");
    assert!(told.contains("what is sent to it vanishes") && !told.contains("rp_filter"), "{told}");
    laptop.server.nft("delete table ip f").unwrap();
    // What it advises helps.
    laptop.client.sysctl("net/ipv4/conf/wwan0/rp_filter", "2").unwrap();
    let after = doctor(&["--never=wlan0"]);
    assert_eq!(after.status.code(), Some(0), "{}", words(&after));
}

/// A command of the user `nobody`, in the client's namespace.
fn as_nobody(laptop: &Laptop, program: &str) -> Command {
    let mut command = laptop.client.root_command("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--", program]);
    command.env("HOME", "/nonexistent");
    command
}

/// Connects to a socket, asks for the paths and prints what comes.
const ASK: &str = "import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(20)
s.connect(sys.argv[1])
try:
    s.sendall(b'paths 1\\n')
    print(s.makefile().read())
except (BrokenPipeError, ConnectionResetError):
    pass
";

/// Listens at a socket, and answers whoever connects with what may be a session's.
const POSE: &str = "import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
print('listening', flush=True)
while True:
    c, _ = s.accept()
    try:
        c.sendall(b'{\"version\":1,\"release\":\"forged\",\"error\":\"forged\"}\\n')
    except BrokenPipeError:
        pass
    c.close()
";

#[test]
fn another_user_s_session_tells_nothing_and_another_user_s_socket_is_not_believed() {
    let Some((console, laptop)) = session(LaptopOptions::default()) else { return };
    let own = Asked::of(&laptop.client);
    assert!(!own.paths().is_empty());
    let session = measure::named(&laptop.client, "mpmosh")[0].as_raw_nonzero().to_string();
    for options in [&["--watch"][..], &["--json"], &[]] {
        let output = as_nobody(&laptop, "mpmosh").arg("paths").args(options).arg(&session).output().unwrap();
        let told = words(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(&format!("Process {session} is another user's")), "{told}");
        assert!(!told.contains("wlan0"), "{told}");
    }
    // Root is no exception: it may become that user.
    let output = laptop.client.root_command("mpmosh").args(["paths", &session]).output().unwrap();
    assert!(words(&output).contains("is another user's"), "{}", words(&output));

    // Even where its owner has opened the folder and the socket to all, the session looks at who asks.
    let folder = std::path::Path::new("/tmp/mpmosh-4242");
    let socket = folder.join(format!("{session}.sock"));
    let open = |path: &std::path::Path, mode| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(folder, 0o755);
    open(&socket, 0o666);
    let ask = |mut command: Command| command.args(["-c", ASK]).arg(&socket).output().unwrap();
    let output = ask(as_nobody(&laptop, "python3"));
    assert_eq!((output.status.code(), words(&output).trim()), (Some(0), ""), "turned away without a word");
    let output = ask(laptop.client.command("python3"));
    let told: Value = serde_json::from_slice(&output.stdout).expect("its own user is told");
    assert_eq!(told["session"]["name"], "server", "{told}");
    open(&socket, 0o600);
    open(folder, 0o700);

    // The other way round: a socket of the user's own, with somebody else behind it.
    let pose = folder.join("1.sock");
    open(folder, 0o777);
    let mut impostor = as_nobody(&laptop, "python3");
    impostor.args(["-c", POSE]).arg(&pose).stdout(Stdio::piped());
    let mut impostor = impostor.spawn().unwrap();
    let mut first = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(impostor.stdout.take().unwrap()), &mut first)
        .unwrap();
    open(folder, 0o700);
    for owner in [65_534, 4242] {
        std::os::unix::fs::chown(&pose, Some(owner), Some(owner)).unwrap();
        let output = laptop.client.command("mpmosh").args(["paths", "1"]).output().unwrap();
        let told = words(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("is another user's") && !told.contains("forged"), "owner {owner}: {told}");
    }
    impostor.kill().unwrap();
    impostor.wait().unwrap();
    std::fs::remove_file(&pose).unwrap();
    drop(console);
}

/// A `/run` with a record of logins that is the test's own, for the programs inside.
struct OwnRecord(Child);

impl OwnRecord {
    fn new() -> Self {
        let make = "mount -t tmpfs none /run && : > /run/utmp && chgrp utmp /run/utmp && chmod 664 /run/utmp";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &format!("{make} && echo made && exec cat")]);
        let mut holder = piped(command);
        assert_eq!(first_line(&mut holder), "made", "a mount namespace of its own");
        Self(holder)
    }

    /// The same program, where this record is the system's.
    fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside.args(["--mount", "--target", &self.0.id().to_string()]);
        inside.arg(command.get_program()).args(command.get_args());
        inside.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        inside
    }

    /// What who(1) says of the session whose server is this process.
    fn who(&self, server: &str) -> Option<String> {
        let output = self.inside(&Command::new("who")).output().expect("who");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().find(|line| line.contains(&format!("mosh [{server}]"))).map(str::to_owned)
    }

    /// Waits until the record says so; who(1) is asked when it has been written.
    fn until(&self, server: &str, is: impl Fn(Option<&str>) -> bool) {
        let file = format!("/proc/{}/root/run/utmp", self.0.id());
        let mut read = None;
        let became = || {
            let written = fs::metadata(&file).and_then(|about| about.modified()).ok();
            let news = written != read;
            read = written;
            (news && is(self.who(server).as_deref())).then_some(())
        };
        assert!(clock::wait_for(local::PATIENCE, became).is_some(), "{:?}", self.who(server));
    }
}

impl Drop for OwnRecord {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn who_tells_a_session_with_its_client_and_without_and_the_next_login_is_told_of_it() {
    let home = Home::new("record");
    fs::remove_file(home.file(".hushlogin")).unwrap();
    let Some(record) = lab::open(|| Ok(OwnRecord::new())) else { return };
    let (mut terminal, server) = shell_by(&home, &record.inside(&home.mpmosh(&[], &["sh", "-i"])));
    record.until(&server, |line| line.is_some_and(|line| line.contains(&format!(" via mosh [{server}])"))));
    // The client goes without a word.
    let client = terminal.pty().pid();
    kill(client, "KILL");
    record.until(&server, |line| line.is_some_and(|line| line.contains(&format!("(mosh [{server}])"))));
    // A login, not a command.
    let mut next = Terminal::start(&record.inside(&home.mpmosh(&[], &[])));
    let sessions = home.program("mpmosh-server").args(["sessions", "--json"]).output().expect("the list");
    let sessions = String::from_utf8(sessions.stdout).expect("text");
    let (before, _) = sessions.split_once(&format!("\"pid\":{server},")).expect("the session is listed");
    let id = before.rsplit("\"id\":\"").next().and_then(|rest| rest.get(..6)).expect("an id");
    next.see(&format!("mpmosh: a session has no client: mpmosh attach HOST {id}"));
    kill(server.parse().unwrap(), "TERM");
    record.until(&server, |line| line.is_none());
    next.type_in("exit 3\r");
    assert_eq!(next.end(), 3);
}
