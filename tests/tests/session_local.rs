//! The programs as a person meets them, on this machine alone: no ssh, no namespaces, no root. Every wait ends with
//! what it waits for, or fails.
#![cfg(target_os = "linux")]

mod local;

use local::{Home, PATIENCE, Terminal, bounded, first_line, gone, kill, piped, said, shell, within};
use mpmosh_tests::lab::clock;
use platform::pty::Pty;
use platform::tty::Size;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// Octets without a pattern, the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut octets = Vec::with_capacity(length + 8);
    while octets.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        octets.extend(state.to_le_bytes());
    }
    octets.truncate(length);
    octets
}

#[test]
fn every_octet_passes_both_ways_and_the_status_comes_last() {
    let home = Home::new("streams");
    let sent = noise(3_000_000);
    let mut child = piped(home.mpmosh(&[], &["sh", "-c", "cat; echo oops >&2; exit 7"]));
    let mut stdin = child.stdin.take().expect("a pipe");
    let copy = sent.clone();
    let writer = thread::spawn(move || stdin.write_all(&copy));
    let output = bounded(child);
    writer.join().expect("the writer").expect("all input is taken");
    assert!(output.stdout == sent, "{} octets came back of {}", output.stdout.len(), sent.len());
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(7), "oops\n"));
}

#[test]
fn files_and_the_null_device_do_as_standard_streams() {
    let home = Home::new("files");
    let sent = noise(500_000);
    fs::write(home.file("in"), &sent).expect("a file");
    let mut command = home.mpmosh(&[], &["cat"]);
    command.stdin(File::open(home.file("in")).expect("a file"));
    command.stdout(File::create(home.file("out")).expect("a file")).stderr(Stdio::piped());
    let output = bounded(command.spawn().expect("mpmosh starts"));
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(fs::read(home.file("out")).expect("a file") == sent);
    let mut command = home.mpmosh(&[], &["sh", "-c", "cat; exit 3"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    assert_eq!(bounded(command.spawn().expect("mpmosh starts")).status.code(), Some(3));
}

#[test]
fn a_reader_who_has_enough_ends_the_command() {
    let home = Home::new("head");
    let mut child = piped(home.mpmosh(&[], &["yes"]));
    let mut first = [0; 2];
    child.stdout.take().expect("a pipe").read_exact(&mut first).expect("a line");
    assert_eq!(&first, b"y\n");
    assert_eq!(bounded(child).status.code(), Some(128 + 13), "yes found its pipe broken");
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let home = Home::new("full");
    let mut command = home.mpmosh(&[], &["echo", "lost"]);
    let full = File::options().write(true).open("/dev/full").expect("the full device");
    command.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped());
    let output = bounded(command.spawn().expect("mpmosh starts"));
    assert_eq!(output.status.code(), Some(255));
    assert!(said(&output).contains("could not be written"), "{}", said(&output));
}

#[test]
fn a_signal_ends_the_command_and_shows_in_the_status() {
    let home = Home::new("signal");
    let mut child = piped(home.mpmosh(&[], &["sh", "-c", "echo $$; exec sleep 1000"]));
    let id = first_line(&mut child);
    kill(child.id(), "INT");
    assert_eq!(bounded(child).status.code(), Some(130));
    gone(&id);
}

#[test]
fn an_ssh_that_is_not_there_is_not_taken_for_a_host_without_a_server() {
    let home = Home::new("absent");
    let plain = home.file("plain");
    std::fs::write(&plain, "").expect("a file that is no program");
    let plain = plain.display().to_string();
    for (ssh, system) in [
        ("/nonexistent/ssh", "No such file or directory"),
        ("no-such-ssh-anywhere -p 22", "No such file or directory"),
        (plain.as_str(), "Permission denied"),
    ] {
        let mut command = home.program("mpmosh");
        command.arg(format!("--ssh={ssh}")).arg("localhost");
        let output = bounded(piped(command));
        assert_eq!(output.status.code(), Some(255), "{ssh}");
        let said = said(&output).split_whitespace().collect::<Vec<_>>().join(" ");
        let told = format!("{ssh} could not be started. The system says: {system}.");
        assert!(said.contains(&told), "{said}");
    }
}

#[test]
fn a_command_that_is_not_there_ends_as_in_a_shell() {
    let home = Home::new("missing");
    let output = bounded(piped(home.mpmosh(&[], &["no-such-command-anywhere"])));
    assert_eq!(output.status.code(), Some(127));
    assert!(said(&output).contains("no-such-command-anywhere"), "{}", said(&output));
    let mut terminal = Terminal::start(&home.mpmosh(&[], &["no-such-command-anywhere"]));
    assert_eq!(terminal.end(), 127);
    terminal.see("mpmosh-server: no-such-command-anywhere: No such file");
}

/// The settings of the terminal, as `stty -g` tells them.
fn settings(terminal: &Terminal) -> String {
    let path = terminal.pty.as_ref().map(pty_name).expect("a terminal");
    let tty = File::open(path).expect("the terminal by name");
    let output = Command::new("stty").arg("-g").stdin(tty).output().expect("stty");
    String::from_utf8(output.stdout).expect("text")
}

fn pty_name(pty: &Pty) -> PathBuf {
    let name = rustix::pty::ptsname(pty.as_fd(), Vec::new()).expect("the terminal's name");
    Path::new(name.to_str().expect("text")).to_owned()
}

#[test]
fn a_shell_on_a_terminal_echoes_follows_the_size_and_ends_with_its_status() {
    let home = Home::new("shell");
    let (mut terminal, server) = shell(&home, &[]);
    terminal.type_in("stty size\r");
    terminal.see("24 80");
    terminal.pty().resize(Size { columns: 93, rows: 31 }).expect("another size");
    terminal.type_in("until stty size | grep '31 93'; do :; done\r");
    terminal.see("31 93");
    terminal.type_in("exit 5\r");
    assert_eq!(terminal.end(), 5);
    gone(&server);
}

#[test]
fn the_terminal_is_left_as_it_was_found() {
    let home = Home::new("restored");
    // A shell around it keeps the terminal when the session has ended.
    let inner = home.mpmosh(&[], &["sh", "-c", "echo inside; read answer; exit 4"]);
    let words: Vec<_> = std::iter::once(inner.get_program()).chain(inner.get_args()).collect();
    let quoted: Vec<_> = words.iter().map(|word| format!("'{}'", word.to_str().expect("text"))).collect();
    let script = format!("echo before; read go; {}; echo after=$?; read done; exit 9", quoted.join(" "));
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &script]);
    for (name, value) in inner.get_envs() {
        shell.env(name, value.expect("a value"));
    }
    let mut terminal = Terminal::start(&shell);
    terminal.see("before");
    let found = settings(&terminal);
    terminal.type_in("\r");
    terminal.see("inside");
    assert_ne!(settings(&terminal), found, "the session takes the terminal");
    terminal.type_in("\r");
    terminal.see("after=4");
    assert_eq!(settings(&terminal), found);
    let leave = b"\x1b[?1049l";
    assert!(terminal.shown.windows(leave.len()).any(|window| window == leave), "the screen comes back");
    terminal.type_in("\r");
    assert_eq!(terminal.end(), 9);
}

/// `mpmosh` as a script that a shell on a terminal can start, and that shell.
fn within_a_shell(home: &Home, session: &Command) -> Terminal {
    within(home, session, &["/bin/sh", "-i"])
}

#[test]
fn the_escape_key_and_ctrl_z_give_the_shell_its_terminal_and_fg_brings_all_back() {
    let home = Home::new("suspend");
    let mut terminal = within_a_shell(&home, &home.mpmosh(&[], &["env", "PS1=within> ", "sh", "-i"]));
    terminal.see("around>");
    terminal.type_in("stty -g >$HERE/found; sh $HERE/session\r");
    terminal.see("within>");
    terminal.type_in("echo bef''ore\r");
    terminal.see("before");
    terminal.type_in("\x1e\x1a");
    terminal.see("\x1b[?1049l");
    terminal.see("around>");
    terminal.type_in("stty -g >$HERE/stopped; fg\r");
    // All of the screen is drawn again, and the session goes on.
    terminal.see("\x1b[?1049h");
    terminal.see("before");
    terminal.type_in("echo and o''n\r");
    terminal.see("and on");
    terminal.type_in("exit 4\r");
    terminal.see("around>");
    terminal.type_in("echo $? >$HERE/status; stty -g >$HERE/after; exit 9\r");
    assert_eq!(terminal.end(), 9);
    let [found, stopped, after, status] = ["found", "stopped", "after", "status"]
        .map(|name| fs::read_to_string(home.file(name)).expect("what the shell noted"));
    assert_eq!(
        (stopped == found, after == found, status.as_str()),
        (true, true, "4\n"),
        "{found} {stopped} {after}"
    );
}

#[test]
fn the_settings_of_a_host_are_shown_with_where_they_come_from() {
    let home = Home::new("settings");
    let folder = home.file("config/mpmosh");
    fs::create_dir_all(&folder).expect("a folder for the test");
    let file = folder.join("config.toml");
    let text =
        "[defaults]\npredict = \"never\"\nport = \"60001\"\n[host.\"*.example.org\"]\nport = \"60010\"\n";
    fs::write(&file, text).expect("a file for the test");
    let show = |host: &str| {
        let mut command = home.program("mpmosh");
        command.env("XDG_CONFIG_HOME", home.file("config")).env("MOSH_ESCAPE_KEY", "~");
        command.args(["config", "show", "--redundancy=always", host]);
        let output = bounded(piped(command));
        assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), ""));
        String::from_utf8(output.stdout).expect("text")
    };
    for (host, port, line) in [("me@a.example.org", "60010", 5), ("elsewhere", "60001", 3)] {
        let shown = show(host);
        for (setting, place) in [
            ("predict = \"never\"".to_owned(), format!("{}, line 2", file.display())),
            (format!("port = \"{port}\""), format!("{}, line {line}", file.display())),
            ("escape-key = \"~\"".into(), "MOSH_ESCAPE_KEY".into()),
            ("redundancy = \"always\"".into(), "command line".into()),
            ("dialect = \"auto\"".into(), "default".into()),
        ] {
            let is_shown = |line: &str| {
                line.split_once('#').is_some_and(|(a, b)| a.trim() == setting && b.trim() == place)
            };
            assert!(shown.lines().any(is_shown), "{host}, {setting}: {shown}");
        }
    }
}

#[test]
fn the_windows_title_has_a_prefix_unless_the_user_wants_none() {
    for (variable, title) in [(None, "[mpmosh] work"), (Some("MOSH_TITLE_NOPREFIX"), "work")] {
        let home = Home::new("title");
        let mut command = home.mpmosh(&[], &["sh", "-c", "printf '\\033]0;work\\007'; read answer"]);
        if let Some(name) = variable {
            command.env(name, "1");
        }
        let mut terminal = Terminal::start(&command);
        terminal.see(&format!("\x1b]0;{title}\x07"));
        terminal.type_in("\r");
        assert_eq!(terminal.end(), 0);
        let prefixed = String::from_utf8_lossy(&terminal.shown).contains("[mpmosh]");
        assert_eq!(prefixed, variable.is_none());
    }
}

/// As when a phone slept: the client knows by what it missed.
#[test]
fn in_termux_a_client_that_slept_names_the_wake_lock() {
    let home = Home::new("termux");
    let mut command = home.mpmosh(&[], &["sh", "-i"]);
    command.env("TERMUX_VERSION", "0.118.0");
    let mut terminal = Terminal::start(&command);
    terminal.see("ready>");
    let client = terminal.pty().pid();
    kill(client, "STOP");
    clock::sleep(Duration::from_secs(11));
    kill(client, "CONT");
    terminal.type_in("\x1ep");
    terminal.see("termux-wake-lock");
    terminal.type_in("\x1ep");
    terminal.type_in("exit 3\r");
    assert_eq!(terminal.end(), 3);
    terminal.see("termux-wake-lock keeps it awake");
}

#[test]
fn a_server_that_nobody_can_see_is_not_started_for_a_terminal_that_cannot_draw() {
    let home = Home::new("dumb");
    let mut command = home.mpmosh(&[], &["sh"]);
    command.env("TERM", "dumb");
    let mut terminal = Terminal::start(&command);
    assert_eq!(terminal.end(), 255);
    terminal.see("dumb");
}

#[test]
fn a_terminal_that_takes_no_more_output_does_not_keep_a_signal_from_ending_the_command() {
    let home = Home::new("stopped");
    // Nobody reads at the other end, as after Ctrl-S.
    let pty = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY)
        .expect("a pty");
    rustix::pty::grantpt(&pty).and_then(|()| rustix::pty::unlockpt(&pty)).expect("a pty");
    let name = rustix::pty::ptsname(&pty, Vec::new()).expect("a pty's name");
    let terminal =
        File::options().read(true).write(true).open(name.to_str().expect("a name")).expect("a terminal");
    let mut command = home.mpmosh(&[], &["yes"]);
    let shared = terminal.try_clone().expect("a descriptor");
    command.stdin(Stdio::null()).stdout(shared).stderr(Stdio::piped());
    let child = command.spawn().expect("mpmosh");
    let full = || {
        let mut watched = [PollFd::new(&terminal, PollFlags::OUT)];
        poll(&mut watched, Some(&Timespec::default())).is_ok_and(|ready| ready == 0)
    };
    clock::wait_for(PATIENCE, || full().then_some(())).expect("a terminal that is full");
    kill(child.id(), "INT");
    assert_eq!(bounded(child).status.code(), Some(130));
}
