//! How sessions end on real kernels: an outage at the last moment, a server that is gone, a machine that refuses.
#![cfg(target_os = "linux")]

mod told;

use std::time::Duration;

use told::Asked;

use mpmosh_tests::lab::measure::named;
use mpmosh_tests::lab::scenario;
use mpmosh_tests::lab::{self, Console, Laptop, LaptopOptions, Namespace, Sshd, Subject, clock};
use rustix::process::{Signal, kill_process};

/// Long enough for a slow machine; nothing waits for it that goes well.
const PATIENCE: Duration = Duration::from_secs(30);

fn session() -> Option<(Console, Laptop)> {
    session_of(&Subject::mpmosh())
}

fn session_of(subject: &Subject) -> Option<(Console, Laptop)> {
    lab::open(|| {
        let laptop = Laptop::with_sshd(LaptopOptions::default())?;
        let (console, _) = scenario::connect(&laptop.lab, &laptop.client, subject)?;
        Ok((console, laptop))
    })
}

/// How many packets the rule of the table `f` has counted.
fn counted(namespace: &Namespace) -> u64 {
    let output = namespace.root_command("nft").args(["list", "table", "ip", "f"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let count = text.split("packets ").nth(1).and_then(|rest| rest.split(' ').next());
    count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no counter: {text}"))
}

/// A server that counts its attempts has spent them all by then: mosh's are sixteen.
const MORE_THAN_MOSH_TRIES: u64 = 20;

#[test]
fn an_outage_when_the_command_ends_costs_no_status() {
    let Some((mut console, laptop)) = session() else { return };
    laptop.client.filter("ip", "input", "udp sport 60000-61000 counter drop").unwrap();
    console.send("exit 3\r").unwrap();
    let dropped = || (counted(&laptop.client) >= MORE_THAN_MOSH_TRIES).then_some(());
    assert!(clock::wait_for(PATIENCE, dropped).is_some(), "the server gave up: {}", counted(&laptop.client));
    laptop.client.nft("delete table ip f").unwrap();
    let status = console.wait_exit(PATIENCE).unwrap();
    assert_eq!(status.code(), Some(3), "{}", console.text());
    let gone = || named(&laptop.server, "mpmosh-server").is_empty().then_some(());
    assert!(clock::wait_for(PATIENCE, gone).is_some(), "the server knows and leaves");
}

#[test]
fn a_server_that_is_gone_is_a_state_and_a_notice_and_no_end() {
    let Some((mut console, laptop)) = session() else { return };
    // What stood by to carry the session is there for a moment.
    let server = clock::wait_for(PATIENCE, || match named(&laptop.server, "mpmosh-server")[..] {
        [server] => Some(server),
        _ => None,
    });
    let server = server.expect("one server");
    kill_process(server, Signal::KILL).unwrap();
    console.send("x").unwrap();
    console.wait_for("server answers, but this session's server is gone. Ctrl-^ . quits.", PATIENCE).unwrap();
    Asked::of(&laptop.client).until("every path is refused", |paths| {
        !paths.is_empty() && paths.iter().all(|path| path["state"] == "refused" && path["loss_in"].is_null())
    });
    console.send("\x1e.").unwrap();
    assert_eq!(console.wait_exit(PATIENCE).unwrap().code(), Some(255));
    let text = console.text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("the server has ended, in all likelihood"), "{text}");
    assert!(text.contains("“mpmosh sessions lab@server” shows what is left"), "{text}");
}

#[test]
fn a_signal_ends_a_session_that_ssh_began_and_its_server() {
    for signal in [Signal::HUP, Signal::TERM] {
        let Some((mut console, laptop)) = session() else { return };
        // Another one than the first of the two is ssh's.
        kill_process(named(&laptop.client, "mpmosh")[0], signal).unwrap();
        console.wait_exit(PATIENCE).unwrap();
        let gone = || named(&laptop.server, "mpmosh-server").is_empty().then_some(());
        assert!(clock::wait_for(PATIENCE, gone).is_some(), "{signal:?}: the server stays");
    }
}

/// A laptop whose server asks for a word, and a shell on it that starts `mpmosh`.
fn asked_for_a_word() -> Option<(Console, Laptop, Sshd)> {
    lab::open(|| {
        let laptop = Laptop::new(LaptopOptions::default())?;
        Subject::mpmosh().prepare(&laptop.lab)?;
        let sshd = Sshd::start_with(&laptop.lab, &laptop.server, 22, "AuthenticationMethods password")?;
        sshd.introduce(&laptop.client, &["server", Laptop::SERVER, Laptop::SERVER_V6])?;
        let mut shell = laptop.client.command("bash");
        shell.args(["--norc", "--noprofile", "-i"]).env("PS1", "around> ");
        Ok((Console::start(shell)?, laptop, sshd))
    })
}

#[test]
fn a_signal_at_a_prompt_leaves_the_terminal_with_its_echo() {
    let Some((console, laptop, _sshd)) = asked_for_a_word() else { return };
    console.wait_for("around> ", PATIENCE).unwrap();
    let own = ("mpmosh --ssh=ssh lab@server", "lab@server's password:");
    for (command, prompt) in [("mpmosh lab@server", "Password of lab@server"), own] {
        for signal in [Signal::TERM, Signal::HUP, Signal::USR1] {
            let mark = console.mark();
            console.send(format!("stty -g >found; {command}\r")).unwrap();
            console.wait_for_after(mark, prompt, PATIENCE).unwrap();
            // The first of the two: the other one asks for it.
            let [process, _] = named(&laptop.client, "mpmosh")[..] else {
                panic!("a client and its courier")
            };
            let mark = console.mark();
            kill_process(process, signal).unwrap();
            console.wait_for_after(mark, "around> ", PATIENCE).unwrap();
            let mark = console.mark();
            console.send("stty -g >after; cmp found after && echo sa''me\r").unwrap();
            console.wait_for_after(mark, "same", PATIENCE).unwrap();
            assert!(named(&laptop.client, "ssh").is_empty(), "nobody asks any more");
        }
    }
}

#[test]
fn keys_at_a_prompt_end_and_suspend_as_with_ssh() {
    let Some((console, laptop, _sshd)) = asked_for_a_word() else { return };
    console.wait_for("around> ", PATIENCE).unwrap();
    console.send("stty -g >found\r").unwrap();
    let unknown = "-o UserKnownHostsFile=none -o GlobalKnownHostsFile=none lab@server";
    let [interrupt, quit, stop] = [("\x03", "status 130"), ("\x1c", "status 131"), ("\x1a", "status 148")];
    for (words, prompt, keys) in [
        ("lab@server", "Password of lab@server", &[interrupt, quit, stop][..]),
        (unknown, "Connect this once (yes", &[stop]),
    ] {
        for (key, status) in keys {
            let mark = console.mark();
            console.send(format!("mpmosh {words}\r")).unwrap();
            console.wait_for_after(mark, prompt, PATIENCE).unwrap();
            let mark = console.mark();
            console.send(*key).unwrap();
            console.wait_for_after(mark, "around> ", PATIENCE).unwrap();
            let mark = console.mark();
            console.send("echo sta''tus $?\r").unwrap();
            console.wait_for_after(mark, status, PATIENCE).unwrap();
            let mark = console.mark();
            console.send("stty -g >after; cmp found after && echo sa''me\r").unwrap();
            console.wait_for_after(mark, "same", PATIENCE).unwrap();
        }
        // What was stopped asks again.
        let mark = console.mark();
        console.send("fg\r").unwrap();
        console.wait_for_after(mark, prompt, PATIENCE).unwrap();
        let mark = console.mark();
        console.send("\x03").unwrap();
        console.wait_for_after(mark, "around> ", PATIENCE).unwrap();
        assert!(named(&laptop.client, "mpmosh").is_empty());
    }
}

#[test]
fn a_server_whose_machine_refuses_to_send_says_so_once_in_its_log() {
    let Some((_console, laptop)) = session() else { return };
    laptop.server.filter("inet", "output", "udp sport 60000-61000 counter drop").unwrap();
    let mut command = laptop.client.command("mpmosh");
    command.args(["--server=mpmosh-server --log=server.log", "lab@server"]);
    let mut other = Console::start(command).unwrap();
    assert_eq!(other.wait_exit(PATIENCE).unwrap().code(), Some(255));
    let log = std::fs::read_to_string(laptop.server.home().join("server.log"));
    let log = log.unwrap_or_else(|error| panic!("{error}: {}", other.text()));
    assert_eq!(log.matches("this machine itself refuses to send").count(), 1, "{log}");
}

#[test]
fn what_this_machine_refuses_to_send_is_blamed_on_it() {
    // Otherwise it would go through ssh.
    let never = "--carrier=never";
    let Some((console, laptop)) = session_of(&Subject::mpmosh().with_option(never)) else { return };
    let refuses = "udp dport 60000-61000 counter drop";
    laptop.client.filter("inet", "output", refuses).unwrap();
    // A new session is refused from its first datagram on.
    let mut command = laptop.client.command("mpmosh");
    command.args([never, "lab@server"]);
    let mut other = Console::start(command).unwrap();
    other.wait_for("This machine refuses to send", PATIENCE).unwrap();
    assert_eq!(other.wait_exit(PATIENCE).unwrap().code(), Some(255));
    let text = other.text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains("refused by this machine") && text.contains("This machine itself refuses"),
        "{text}"
    );
    assert!(!text.contains("vanish") && !text.contains("to the server, or"), "{text}");
    // One that goes on says so when it is silent, and beside its paths.
    console.send("x").unwrap();
    console.wait_for("This machine refuses to send", PATIENCE).unwrap();
    console.send("\x1ep").unwrap();
    console.wait_for("this machine refuses to send", PATIENCE).unwrap();
    let doctor = laptop.client.command("mpmosh").args(["doctor", never, "lab@server"]).output().unwrap();
    let told = String::from_utf8_lossy(&doctor.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(doctor.status.code(), Some(1), "{told}");
    assert!(told.contains("This machine itself refuses"), "{told}");
    laptop.client.nft("delete table inet f").unwrap();
    let mark = console.mark();
    console.send("\x1ep\x15echo ba''ck\r").unwrap();
    console.wait_for_after(mark, "back", PATIENCE).unwrap();
    // A rule that answers with ICMP is this machine's too, and says nothing of the host.
    laptop.client.filter("inet", "output", "udp dport 60000-61000 counter reject").unwrap();
    let mark = console.mark();
    console.send("x").unwrap();
    console.wait_for_after(mark, "This machine refuses to send", PATIENCE).unwrap();
    assert!(!console.text().contains("server is gone"), "{}", console.text());
}
