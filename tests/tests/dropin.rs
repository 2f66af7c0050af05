//! The command lines of mosh's own programs, given to both: what a script could notice must be the same. Debian's
//! programs say what that is.
#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "each test file uses its own part")]
mod interop;

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::process::{Command, Stdio};

use interop::{Maker, PROMPT, Pairing, Server, Session, plain_environment};
use mpmosh_tests::lab::{self, clock};
use rustix::process::{Pid, Signal, kill_process};

/// What a script can see of a server that was started.
#[derive(Debug, PartialEq, Eq)]
struct Started {
    status: Option<i32>,
    /// `MOSH CONNECT`, the port if one was asked for, and the length of the key.
    announced: Option<(String, usize)>,
    /// The last line on standard error, without the number.
    last_line: Option<String>,
    /// It said something else on standard error.
    complained: bool,
}

fn start(maker: Maker, arguments: &[&str], environment: &[(&str, &str)]) -> Started {
    let mut command = Command::new(maker.program("server").unwrap());
    command.args(arguments).stdin(Stdio::null());
    plain_environment(&mut command).envs(environment.iter().copied());
    let output = command.output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    let pid = err.split("pid = ").nth(1).and_then(|rest| rest.split(']').next()?.parse().ok());
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        // It may have come to its end already; its port is wanted again.
        let _ = kill_process(pid, Signal::TERM);
        let gone = clock::wait_for(interop::PATIENCE, || interop::is_gone(pid).then_some(()));
        assert!(gone.is_some(), "{maker:?} {arguments:?}: it does not leave");
    }
    let announced = out.lines().find_map(|line| line.strip_prefix("MOSH CONNECT ")).map(|line| {
        let (port, key) = line.split_once(' ').unwrap();
        // Its shell may hold the socket a little longer. Where it served one address alone, others may be somebody else's.
        let named =
            arguments.iter().skip_while(|word| **word != "-i").nth(1).and_then(|word| word.parse().ok());
        let is_own = |address: &IpAddr| UdpSocket::bind((*address, 0)).is_ok();
        let address = named.filter(is_own).unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let free = clock::wait_for(interop::PATIENCE, || {
            UdpSocket::bind((address, port.parse::<u16>().unwrap())).ok().map(drop)
        });
        assert!(free.is_some(), "{maker:?} {arguments:?}: port {port} is still in use");
        let asked = arguments.iter().any(|word| word.starts_with(port));
        (if asked { port.to_owned() } else { "some".into() }, key.len())
    });
    let last_line = announced.as_ref().and_then(|_| err.trim_end().lines().last());
    let last_line = last_line.map(|line| line.chars().filter(|c| !c.is_ascii_digit()).collect());
    // What precedes the first blank line: after it a server introduces itself.
    let complained = announced.is_none() || !err.starts_with('\n');
    Started { status: output.status.code(), announced, last_line, complained }
}

/// Arguments, and the environment besides.
type CommandLine<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);

#[test]
fn a_server_understands_every_command_line_that_mosh_server_does() {
    if lab::open(|| Maker::Stock.program("server")).is_none() {
        return;
    }
    let ssh = ("SSH_CONNECTION", "127.0.0.1 50000 ::ffff:127.0.0.1 22");
    let cases: &[CommandLine] = &[
        (&[], &[]),
        (&["new"], &[]),
        (&["127.0.0.1"], &[]),
        (&["127.0.0.1", "60801"], &[]),
        (&["new", "-p", "60802"], &[]),
        (&["new", "-p", "60803:60803"], &[]),
        (&["new", "-p", "0"], &[]),
        (&["new", "-p", "0:60000"], &[]),
        (&["new", "-p", "60000:1"], &[]),
        (&["new", "-p", "65536"], &[]),
        (&["new", "-p", "ssh"], &[]),
        (&["new", "-p", ""], &[]),
        (&["new", "-s"], &[]),
        (&["new", "-s"], &[ssh]),
        (&["new", "-s"], &[("SSH_CONNECTION", "nonsense")]),
        (&["new", "-i", "127.0.0.1", "-c", "8", "-l", "LANG=fi_FI.UTF-8", "-l", "LC_ALL=C.UTF-8"], &[]),
        (&["new", "-i", "::1"], &[]),
        (&["new", "-i", "no.such.address.invalid"], &[]),
        (&["new", "-i", "192.0.2.1"], &[]),
        (&["new", "-c", "many"], &[]),
        (&["new", "-c", "256", "-@", "an answer to ps"], &[]),
        (&["new", "-Z"], &[]),
        (&["new", "-c"], &[]),
        (&["new", "--", "true", "-p", "1"], &[]),
        (&["new"], &[("MOSH_SERVER_NETWORK_TMOUT", "soon"), ("MOSH_SERVER_SIGNAL_TMOUT", "-5")]),
    ];
    for (arguments, environment) in cases {
        let [stock, ours] = [Maker::Stock, Maker::Ours].map(|maker| start(maker, arguments, environment));
        assert_eq!(ours, stock, "{arguments:?} {environment:?}");
    }
}

/// How a client that nobody answers ends, and what it prints.
fn client(maker: Maker, arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(maker.program("client").unwrap());
    command.args(arguments).stdin(Stdio::null());
    let output = plain_environment(&mut command).envs(environment.iter().copied()).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_client_tells_the_colours_that_mosh_client_tells() {
    if lab::open(|| Maker::Stock.program("client")).is_none() {
        return;
    }
    for terminal in ["xterm-256color", "xterm", "vt100", "screen", "linux", "dumb", "no-such-terminal", ""] {
        let [stock, ours] =
            [Maker::Stock, Maker::Ours].map(|maker| client(maker, &["-c"], &[("TERM", terminal)]));
        assert_eq!(ours, stock, "{terminal:?}");
    }
}

#[test]
fn a_client_refuses_what_mosh_client_refuses() {
    if lab::open(|| Maker::Stock.program("client")).is_none() {
        return;
    }
    let key = ("MOSH_KEY", "AAECAwQFBgcICQoLDA0ODw");
    let cases: &[CommandLine] = &[
        (&[], &[key]),
        (&["127.0.0.1"], &[key]),
        (&["127.0.0.1", "60001"], &[]),
        (&["127.0.0.1", "60001"], &[("MOSH_KEY", "short")]),
        (&["127.0.0.1", "60001"], &[("MOSH_KEY", "AAECAwQFBgcICQoLDA0ODz")]),
        (&["127.0.0.1", "60001"], &[key, ("MOSH_PREDICTION_DISPLAY", "sometimes")]),
        (&["127.0.0.1", "6000x"], &[key]),
        (&["127.0.0.1", "60001", "more"], &[key]),
        (&["-Z", "127.0.0.1", "60001"], &[key]),
    ];
    for (arguments, environment) in cases {
        let [stock, ours] = [Maker::Stock, Maker::Ours].map(|maker| {
            let (status, _) = client(maker, arguments, environment);
            status
        });
        assert_eq!((ours, stock), (Some(1), Some(1)), "{arguments:?} {environment:?}");
    }
    for word in ["--help", "--version"] {
        let (status, said) = client(Maker::Ours, &[word], &[]);
        assert!(status == Some(0) && !said.is_empty(), "{word}");
    }
}

#[test]
fn a_program_finds_the_environment_and_the_terminal_that_it_finds_with_mosh_server() {
    let mut found = Vec::new();
    for pairing in [Pairing::STOCK, Pairing::OUR_SERVER] {
        let opened = lab::open(|| {
            let environment = [("STY", "1.screen"), ("SSH_TTY", "/dev/pts/9"), ("LC_TIME", "C")];
            let ip = Ipv4Addr::LOCALHOST.into();
            let server = Server::start_with(pairing.server, ip, &["new"], &environment, Command::new)?;
            let address = server.address;
            Session::to(pairing, server, address, "never", Command::new)
        });
        let Some(mut session) = opened else { return };
        let file = std::env::temp_dir().join(format!("mpmosh-dropin-{}", std::process::id()));
        session.keys(&format!(
            "(env; pwd; ulimit -c; stty -a; tty -s; echo $?) > {}; echo wri''tten\r",
            file.display()
        ));
        session.wait_for("written");
        let mut lines: Vec<String> =
            std::fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
        std::fs::remove_file(&file).unwrap();
        lines.sort();
        found.push(lines.join("\n"));
    }
    assert_eq!(found[1], found[0]);
}

#[test]
fn a_session_s_key_is_in_nobody_s_environment() {
    let opened = lab::open(|| Session::open(Pairing::OURS));
    let Some(mut session) = opened else { return };
    session.wait_for(PROMPT.trim_end());
    let key = session.server.key.clone();
    for pid in [session.console.id().cast_signed(), session.server.pid.as_raw_pid()] {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
        assert!(environment.windows(5).any(|octets| octets == b"PATH="), "it was read");
        assert!(!environment.windows(key.len()).any(|octets| octets == key.as_bytes()), "process {pid}");
    }
}

/// Whether a process has said what it does with a signal: until then it dies of it.
fn minds(pid: Pid, signal: Signal) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_pid())).unwrap_or_default();
    let masks =
        status.lines().filter_map(|line| line.strip_prefix("SigCgt:").or(line.strip_prefix("SigBlk:")));
    let bit = 1_u64 << (signal.as_raw() - 1);
    masks.filter_map(|mask| u64::from_str_radix(mask.trim(), 16).ok()).any(|mask| mask & bit != 0)
}

/// `-v` keeps the streams, and a hangup of the terminal that it was started from does not end it.
#[test]
fn a_server_that_talks_is_detached_all_the_same() {
    for maker in [Maker::Stock, Maker::Ours] {
        let Some(program) = lab::open(|| maker.program("server")) else { return };
        let path = std::env::temp_dir().join(format!("mpmosh-talks-{}-{maker:?}", std::process::id()));
        let file = File::options().append(true).create(true).open(&path).unwrap();
        let mut command = Command::new(program);
        command.args(["new", "-i", "127.0.0.1", "-v", "--", "sleep", "1000"]).stdin(Stdio::null());
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let status = plain_environment(&mut command).status().unwrap();
        assert_eq!(status.code(), Some(0), "{maker:?}: who started it is free");
        let said = || std::fs::read_to_string(&path).unwrap();
        assert!(said().contains("MOSH CONNECT "), "{maker:?}: {}", said());
        let pid = said().split("[mosh-server detached, pid = ").nth(1).map(str::to_owned);
        let pid = pid.and_then(|rest| rest.split(']').next()?.parse().ok()).and_then(Pid::from_raw).unwrap();
        assert!(clock::wait_for(interop::PATIENCE, || minds(pid, Signal::TERM).then_some(())).is_some());
        kill_process(pid, Signal::HUP).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let told =
            clock::wait_for(interop::PATIENCE, || said().contains("[mosh-server is exiting.]").then_some(()));
        assert!(told.is_some(), "{maker:?}: {}", said());
        std::fs::remove_file(&path).unwrap();
    }
}
