//! This build's programs with those of another: the client of one and the server of the other, both ways. `make
//! release-check` names the folder of the release before in `MPMOSH_PREVIOUS`; otherwise the other build is this one, so
//! that what is done with it is known to work.
#![cfg(target_os = "linux")]

mod local;

use local::{Home, Terminal, bounded, piped, said};
use mpmosh_tests::lab::built_binary;
use platform::tty::Size;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

/// The programs of one build.
#[derive(Debug)]
struct Build {
    client: PathBuf,
    server: PathBuf,
}

impl Build {
    fn this() -> Self {
        let program = |name| built_binary(name).expect("built programs");
        Self { client: program("mpmosh"), server: program("mpmosh-server") }
    }

    fn of(folder: PathBuf) -> Self {
        let build = Self { client: folder.join("mpmosh"), server: folder.join("mpmosh-server") };
        for program in [&build.client, &build.server] {
            assert!(program.is_file(), "{} is not there", program.display());
        }
        build
    }
}

/// `mpmosh --local` of one build with the server of the other.
fn session(home: &Home, client: &Build, server: &Build, options: &[&str], words: &[&str]) -> Command {
    let like = home.program("mpmosh");
    let mut command = Command::new(&client.client);
    command.env_clear().envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.arg("--local").arg(format!("--server={}", server.server.display())).args(options);
    command.arg("--").args(words);
    command
}

fn a_shell_with_its_sizes_and_its_status(client: &Build, server: &Build) {
    // The status of a session in mosh's dialect is not told.
    for (dialect, status) in [("multipath", 7), ("mosh", 0)] {
        let home = Home::new("previous");
        let options = [format!("--dialect={dialect}")];
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let mut terminal = Terminal::start(&session(&home, client, server, &options, &["sh", "-i"]));
        terminal.see("ready>");
        // The answer differs from what is typed, which is echoed.
        terminal.type_in("echo $((6 * 7))=$(stty size | tr ' ' x)\r");
        terminal.see("42=24x80");
        terminal.pty().resize(Size { columns: 100, rows: 30 }).expect("another size");
        terminal
            .type_in("while [ \"$(stty size)\" != '30 100' ]; do sleep 0.01; done; echo 'é漢' | tr é e\r");
        terminal.see("e漢");
        terminal.type_in("seq 500; exit 7\r");
        assert_eq!(terminal.end(), status, "{client:?} with {server:?}: {dialect}");
        assert!(String::from_utf8_lossy(&terminal.shown).contains("500"));
    }
}

fn a_command_without_a_terminal(client: &Build, server: &Build) {
    let home = Home::new("previous-streams");
    let mut child = piped(session(&home, client, server, &[], &["sh", "-c", "cat; echo oops >&2; exit 5"]));
    let sent: Vec<u8> = (0..400_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    let (mut stdin, copy) = (child.stdin.take().expect("a pipe"), sent.clone());
    let writer = thread::spawn(move || stdin.write_all(&copy));
    let output = bounded(child);
    assert!(
        writer.join().expect("the writer").is_ok() && output.stdout == sent,
        "{client:?} with {server:?}"
    );
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(5), "oops\n"));
}

fn works_both_ways(other: &Build) {
    let this = Build::this();
    for (client, server) in [(&this, other), (other, &this)] {
        a_shell_with_its_sizes_and_its_status(client, server);
        a_command_without_a_terminal(client, server);
    }
}

#[test]
fn programs_of_two_folders_work_together() {
    let home = Home::new("previous-copy");
    let this = Build::this();
    for program in [&this.client, &this.server] {
        fs::copy(program, home.file(program.file_name().unwrap().to_str().unwrap())).expect("a copy");
    }
    works_both_ways(&Build::of(home.0.clone()));
}

#[test]
#[ignore = "make release-check names the folder of the release before in MPMOSH_PREVIOUS"]
fn the_release_before_works_with_this_one() {
    let folder = std::env::var_os("MPMOSH_PREVIOUS")
        .expect("MPMOSH_PREVIOUS names a folder with mpmosh and mpmosh-server");
    works_both_ways(&Build::of(folder.into()));
}
