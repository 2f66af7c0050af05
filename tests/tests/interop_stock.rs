//! Either end may be Debian's mosh and nobody notices: the same session in all pairings of {ours, stock} × {client,
//! server}. The pairing of stock with stock shows that the test asks for what a stock session gives.
#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "each test file uses its own part")]
mod interop;

use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::{Command, Stdio};
use std::time::Duration;

use interop::relay::Relay;
use interop::{Maker, PROMPT, Pairing, QUIT, SIZE, Server, Session};
use mpmosh_tests::lab::{self, Console, Lab, Laptop, LaptopOptions, Subject, USER, clock, scenario};
use terminal::Size;

/// One test for each pairing: they run beside each other, and a failure says whose it is.
macro_rules! in_every_pairing {
    ($($test:ident)*) => {
        in_every_pairing!(@ stock_client_and_stock_server STOCK $($test)*);
        in_every_pairing!(@ our_client_and_stock_server OUR_CLIENT $($test)*);
        in_every_pairing!(@ stock_client_and_our_server OUR_SERVER $($test)*);
        in_every_pairing!(@ our_client_and_our_server OURS $($test)*);
    };
    (@ $module:ident $pairing:ident $($test:ident)*) => {
        mod $module {
            $(#[test] fn $test() { super::$test(super::Pairing::$pairing); })*
        }
    };
}

in_every_pairing! {
    typing_wide_characters_and_sizes_arrive
    much_output_is_followed_and_an_endless_program_is_interrupted
    an_editor_draws_and_leaves_the_screen_as_it_was
    the_shell_ends_the_session
    the_user_ends_the_session
    a_signal_to_the_client_ends_the_session
    a_signal_to_the_server_ends_the_session
    a_fifth_of_the_datagrams_may_be_lost
    the_client_may_come_from_elsewhere
    a_paste_arrives_whole_in_datagrams_of_stock_size
    keys_are_shown_before_their_echo
    ipv6_serves_as_well
    a_window_may_be_tiny_or_huge
    an_address_that_is_not_the_hosts_own_is_served_like_any
}

const PAIRINGS: [Pairing; 4] = [Pairing::STOCK, Pairing::OUR_CLIENT, Pairing::OUR_SERVER, Pairing::OURS];

/// What sshd tells the servers that it starts.
const SSH: (&str, &str) = ("SSH_CONNECTION", "127.0.0.1 50000 127.0.0.1 22");

/// What waits long waits in all pairings at the same time.
fn at_once(test: fn(Pairing)) {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    std::thread::scope(|scope| {
        for pairing in PAIRINGS {
            let thread = std::thread::Builder::new().name(name.clone());
            thread.spawn_scoped(scope, move || test(pairing)).unwrap();
        }
    });
}

fn open(pairing: Pairing) -> Option<Session> {
    lab::open(|| Session::open(pairing))
}

fn open_through_relay(pairing: Pairing, predict: &str) -> Option<(Session, Relay)> {
    lab::open(|| {
        let server = Server::start(pairing.server)?;
        let relay = Relay::new(server.address).map_err(|error| lab::LabError::new(error.to_string()))?;
        let address = relay.address;
        Ok((Session::to(pairing, server, address, predict, Command::new)?, relay))
    })
}

fn typing_wide_characters_and_sizes_arrive(pairing: Pairing) {
    let Some(mut session) = open(pairing) else { return };
    session.keys_one_by_one("echo typed");
    session.wait_for(&format!("{PROMPT}echo typed"));
    session.keys("\x7f\x7f!\r");
    session.wait_for("typ!");
    session.wait_for_prompt();
    session.keys("echo '漢字 e\u{301}o\u{308} 한글 ✓|'\r");
    session.wait_for("漢字 e\u{301}o\u{308} 한글 ✓|");
    // The cells behind the wide characters are where both ends think they are.
    session.keys("printf '漢字\\b\\b\\b\\bXY|\\n'\r");
    session.wait_for("XY|");
    session.keys("stty size\r");
    session.wait_for(&format!("{} {}", SIZE.rows, SIZE.columns));
    for (rows, columns) in [(40, 132), (10, 30), (24, 80)] {
        session.resize(Size { columns, rows });
        clock::sleep(Duration::from_millis(200));
        session.keys("\x0cstty size\r");
        session.wait_for(&format!("{rows} {columns}"));
        session.wait_for_prompt();
    }
}

fn much_output_is_followed_and_an_endless_program_is_interrupted(pairing: Pairing) {
    let Some(mut session) = open(pairing) else { return };
    session.keys("seq 100000\r");
    session.wait_for("100000");
    session.wait_for_prompt();
    session.clear();
    session.keys("yes running\r");
    session.wait_until("a screen full", |session| {
        session.lines().iter().filter(|line| *line == "running").count() + 1 >= usize::from(SIZE.rows)
    });
    clock::sleep(Duration::from_millis(500));
    let pressed = clock::now();
    session.keys("\x03");
    session.wait_for_prompt();
    println!("{pairing:?}: Ctrl-C took {:?}", clock::now() - pressed);
    session.keys("echo after\r");
    session.wait_for("after");
}

fn an_editor_draws_and_leaves_the_screen_as_it_was(pairing: Pairing) {
    let Some(mut session) = open(pairing) else { return };
    session.keys("vim -u NONE -n\r");
    session.wait_for("~");
    session.keys_one_by_one("ihello vim\x1byypA again");
    session.wait_for("hello vim again");
    session.keys("\x1b:2\rdd");
    session.wait_until("one line less", |session| session.lines()[..2] == ["hello vim", "~"]);
    session.keys(":q!\r");
    session.wait_for_prompt();
    // Stock servers have no alternate screen.
    if pairing.server == Maker::Ours {
        session
            .wait_until("the screen without vim", |session| !session.lines().iter().any(|line| line == "~"));
    }
}

fn the_shell_ends_the_session(pairing: Pairing) {
    let Some(mut session) = open(pairing) else { return };
    let shell = session.shell();
    // Mosh does not pass on the status: neither may a program in its place.
    session.keys("exit 3\r");
    session.ends(shell);
}

fn the_user_ends_the_session(pairing: Pairing) {
    let Some(mut session) = open(pairing) else { return };
    let shell = session.shell();
    session.keys(QUIT);
    session.ends(shell);
}

fn a_signal_to_the_client_ends_the_session(pairing: Pairing) {
    let Some(mut session) = open(pairing) else { return };
    let shell = session.shell();
    let client = rustix::process::Pid::from_raw(session.console.id().cast_signed()).unwrap();
    rustix::process::kill_process(client, rustix::process::Signal::TERM).unwrap();
    session.ends(shell);
}

fn a_signal_to_the_server_ends_the_session(pairing: Pairing) {
    let Some(mut session) = open(pairing) else { return };
    let shell = session.shell();
    rustix::process::kill_process(session.server.pid, rustix::process::Signal::TERM).unwrap();
    session.ends(shell);
}

fn a_fifth_of_the_datagrams_may_be_lost(pairing: Pairing) {
    let Some((mut session, relay)) = open_through_relay(pairing, "adaptive") else { return };
    let shell = session.shell();
    relay.lose(20);
    session.keys_one_by_one(
        "for n in $(seq 300); do echo line $n of three hundred 漢字 $RANDOM; done; echo don''e\r",
    );
    session.wait_for("done");
    session.wait_for_prompt();
    session.resize(Size { columns: 120, rows: 40 });
    session.keys("\x0cstty size\r");
    session.wait_for("40 120");
    session.keys("exit\r");
    session.ends(shell);
}

fn the_client_may_come_from_elsewhere(pairing: Pairing) {
    let Some((mut session, relay)) = open_through_relay(pairing, "adaptive") else { return };
    for place in ["first", "second"] {
        relay.roam().unwrap();
        session.keys_one_by_one(&format!("echo {place} place\r"));
        session.wait_for(&format!("{place} place"));
        session.wait_for_prompt();
    }
    let shell = session.shell();
    session.keys("exit\r");
    session.ends(shell);
}

fn a_paste_arrives_whole_in_datagrams_of_stock_size(pairing: Pairing) {
    let Some((mut session, relay)) = open_through_relay(pairing, "adaptive") else { return };
    // Screens and keys that no compression makes short.
    session.resize(Size { columns: 200, rows: 60 });
    session.keys("head -c 20000 /dev/urandom | base64 -w 199 | tail -n 59; echo; echo don''e\r");
    session.wait_for("done");
    let mut dice: u32 = 1;
    let line = |_| -> String {
        let mut letter = |_| {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'!' + (dice >> 24) as u8 % 90)
        };
        (0..100).map(&mut letter).chain(['\r']).collect()
    };
    let paste: String = (0..60).map(line).collect();
    session.keys("cksum\r");
    session.wait_for(&format!("{PROMPT}cksum"));
    session.keys(&paste);
    session.keys("\x04");
    session.wait_until("a checksum", |session| session.lines().iter().any(|line| line.ends_with(" 6060")));
    let mut local = Command::new("cksum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    local.stdin.take().unwrap().write_all(paste.replace('\r', "\n").as_bytes()).unwrap();
    let sum = String::from_utf8(local.wait_with_output().unwrap().stdout).unwrap();
    session.wait_for(sum.trim_end());
    for (end, tally) in ["client", "server"].iter().zip(relay.tallies()) {
        assert!((1000..=1252).contains(&tally.longest), "{pairing:?}: the {end}: {} octets", tally.longest);
    }
}

fn keys_are_shown_before_their_echo(pairing: Pairing) {
    let Some((mut session, relay)) = open_through_relay(pairing, "always") else { return };
    relay.delay(400);
    // The first keys of a line are a guess whose confirmation the client waits for.
    session.keys_one_by_one("echo ");
    clock::sleep(Duration::from_millis(1500));
    let typed = clock::now();
    session.keys_one_by_one("guessed");
    session.wait_until("a guess", |session| session.cursor_line() == format!("{PROMPT}echo guessed"));
    let waited = clock::now() - typed;
    assert!(waited < Duration::from_millis(600), "{pairing:?}: {waited:?}");
    session.keys("\r");
    session.wait_for("guessed");
    // What was guessed wrongly goes away.
    session.keys_one_by_one("stty -echo\r");
    session.wait_for_prompt();
    session.keys("cat\r");
    clock::sleep(Duration::from_millis(1000));
    session.keys_one_by_one("secret");
    clock::sleep(Duration::from_millis(1200));
    assert!(!session.lines().iter().any(|line| line.ends_with("secret")), "{pairing:?}");
    session.keys("\r");
    session.wait_for("secret");
}

#[test]
fn an_idle_session_says_as_little_as_a_stock_one() {
    at_once(idle);
}

fn idle(pairing: Pairing) {
    let Some((mut session, relay)) = open_through_relay(pairing, "adaptive") else { return };
    clock::sleep(Duration::from_secs(2));
    let before = relay.tallies();
    clock::sleep(Duration::from_secs(12));
    let after = relay.tallies();
    for (end, (before, after)) in ["client", "server"].iter().zip(before.into_iter().zip(after)) {
        let sent = after.datagrams - before.datagrams;
        assert!((3..=5).contains(&sent), "{pairing:?}: the {end} sent {sent} datagrams in 12 s");
        assert_eq!(after.sources.len(), 1, "{pairing:?}: the {end} changed its port");
    }
    session.keys("echo awake\r");
    session.wait_for("awake");
}

#[test]
fn a_client_that_hears_nothing_tries_another_port() {
    at_once(unheard);
}

fn unheard(pairing: Pairing) {
    let Some((mut session, relay)) = open_through_relay(pairing, "adaptive") else { return };
    relay.lose(100);
    session.keys("echo lost");
    let hopped = clock::wait_for(Duration::from_secs(18), || {
        let [client, _] = relay.tallies();
        (client.sources.len() > 1).then(clock::now)
    });
    assert!(hopped.is_some(), "{pairing:?}: one port in 18 s");
    session.wait_until("a notice", |session| session.lines()[0].contains("contact"));
    relay.lose(0);
    session.keys(" and found\r");
    session.wait_for("lost and found");
    session.wait_until("no notice", |session| !session.lines()[0].contains("contact"));
    let shell = session.shell();
    session.keys("exit\r");
    session.ends(shell);
}

#[test]
fn a_server_without_its_client_leaves_when_told() {
    at_once(abandoned);
}

fn abandoned(pairing: Pairing) {
    use rustix::process::{Pid, Signal, kill_process};
    let timeouts = [("MOSH_SERVER_NETWORK_TMOUT", "600"), ("MOSH_SERVER_SIGNAL_TMOUT", "1")];
    let open = |timeouts: &[(&str, &str)]| {
        let ip = Ipv4Addr::LOCALHOST.into();
        let server = Server::start_with(
            pairing.server,
            ip,
            &["new", "-s"],
            &[timeouts, &[SSH]].concat(),
            Command::new,
        )?;
        let address = server.address;
        Session::to(pairing, server, address, "never", Command::new)
    };
    let Some(mut session) = lab::open(|| open(&timeouts)) else { return };
    let client = Pid::from_raw(session.console.id().cast_signed()).unwrap();
    kill_process(client, Signal::KILL).unwrap();
    clock::sleep(Duration::from_millis(1500));
    assert!(session.server.status().is_none(), "{pairing:?}: the server did not wait");
    kill_process(session.server.pid, Signal::USR1).unwrap();
    assert!(session.server.ends(Duration::from_secs(12)), "{pairing:?}: the server did not leave");

    let mut session = open(&[("MOSH_SERVER_NETWORK_TMOUT", "4")]).unwrap();
    let client = Pid::from_raw(session.console.id().cast_signed()).unwrap();
    clock::sleep(Duration::from_secs(6));
    assert!(session.server.status().is_none(), "{pairing:?}: the heartbeat is a sign of life");
    kill_process(client, Signal::KILL).unwrap();
    assert!(session.server.ends(Duration::from_secs(8)), "{pairing:?}: the server did not leave");
}

fn ipv6_serves_as_well(pairing: Pairing) {
    let ip = Ipv6Addr::LOCALHOST.into();
    let opened = lab::open(|| {
        let server = Server::start_with(
            pairing.server,
            ip,
            &["new", "-i", "::1", "-p", "60400:60499"],
            &[],
            Command::new,
        )?;
        let address = server.address;
        Session::to(pairing, server, address, "adaptive", Command::new)
    });
    let Some(mut session) = opened else { return };
    assert!((60400..60500).contains(&session.server.address.port()));
    let shell = session.shell();
    session.keys("exit\r");
    session.ends(shell);
}

fn a_window_may_be_tiny_or_huge(pairing: Pairing) {
    let Some(mut session) = open(pairing) else { return };
    session.keys("echo 漢字漢字; printf '\\e[1;1H漢\\e[99;999H字\\n'\r");
    for (rows, columns) in [(1, 1), (2, 1), (1, 300), (300, 2), (3, 3), (200, 500), (24, 80)] {
        session.resize(Size { columns, rows });
        session.keys("printf '漢é\\n'\r");
        clock::sleep(Duration::from_millis(250));
    }
    session.keys("\x0cstty size\r");
    session.wait_for("24 80");
    let shell = session.shell();
    session.keys("exit\r");
    session.ends(shell);
}

fn an_address_that_is_not_the_hosts_own_is_served_like_any(pairing: Pairing) {
    let opened = lab::open(|| {
        let ip = Ipv4Addr::LOCALHOST.into();
        // As where the outside knows the host by a translator's address (192.0.2.0/24: RFC 5737).
        let server = Server::start_with(pairing.server, ip, &["new", "-i", "192.0.2.1"], &[], Command::new)?;
        let address = server.address;
        Session::to(pairing, server, address, "adaptive", Command::new)
    });
    let Some(mut session) = opened else { return };
    let shell = session.shell();
    session.keys(QUIT);
    session.ends(shell);
}

#[test]
fn a_drawing_ends_as_the_same_screen_in_every_pairing() {
    let script = r#"
clear; printf '\e]0;a title\a\e[1;31mbold red\e[0m \e[4;32mline\e[0m \e[7;38;5;208minverse\e[0m \e[48;2;10;20;30mrgb\e[0m\n'
for n in 1 2 3 4 5 6 7 8 9 10 11 12; do printf '\r\e[3%dm%d%% 漢字\e[K' $((n % 8)) $((n * 8)); sleep 0.03; done
printf '\e[0m\n'; for n in $(seq 30); do echo "scrolled $n é"; sleep 0.01; done
printf '\e[5;10r\e[10;1H'; for n in 1 2 3; do printf '\nregion %d' $n; sleep 0.05; done; printf '\e[r'
printf '\e[3;5H\e[2@ins\e[4;1H\e[2P\e[12;1H\e[L\e[44minserted\e[K\e[0m\e[14;3H\e[M\e[15;8H\e[5X'; sleep 0.1
printf '\e[16;85Hto the margin and beyond\e[20;1H\e[1J\e[22;40Hfin''ished'
read
"#;
    let mut seen: Option<(Vec<String>, String)> = None;
    for pairing in PAIRINGS {
        let Some(mut session) = open(pairing) else { return };
        session.keys("bash --norc\r");
        session.wait_until("a second shell", |session| {
            session.lines().iter().filter(|l| *l == PROMPT.trim_end()).count() >= 1
        });
        session.keys("PS1= ; stty -echo\r");
        clock::sleep(Duration::from_millis(300));
        session.keys(&script.trim().replace('\n', "\r"));
        session.keys("\r");
        session
            .wait_until("the end", |session| session.lines().iter().any(|line| line.ends_with("finished")));
        clock::sleep(Duration::from_millis(200));
        let looks = session.lines();
        let pens: String = session
            .screen()
            .rows()
            .map(|row| {
                row.cells()
                    .iter()
                    .map(|cell| format!("{:?}{:?}", cell.text(), cell.pen()))
                    .collect::<String>()
                    + "\n"
            })
            .collect();
        match &seen {
            None => seen = Some((looks, pens)),
            Some((lines, all)) => {
                assert_eq!(lines.join("\n"), looks.join("\n"), "{pairing:?}");
                assert!(*all == pens, "{pairing:?}: the attributes differ");
            }
        }
    }
}

#[test]
fn the_stock_wrapper_takes_our_programs_for_its_own() {
    for pairing in PAIRINGS {
        let Some(mut session) = lab::open(|| Session::by_wrapper(pairing)) else { return };
        session.keys("echo wrapped $TERM\r");
        session.wait_for("wrapped xterm-256color");
        session.keys("exit\r");
        let status = session.console.wait_exit(interop::PATIENCE).unwrap();
        assert_eq!(status.code(), Some(0), "{pairing:?}: {}", session.console.text());
    }
}

/// Where every packet is short: what is longer goes in pieces, whoever makes them.
#[test]
fn a_link_with_an_mtu_of_576_carries_a_session() {
    let built = lab::open(|| {
        let mut lab = Lab::new()?;
        let (here, there) = (lab.namespace("here")?, lab.namespace("there")?);
        lab.veth((&here, "near"), (&there, "far"))?;
        for (namespace, device, address) in [(&here, "near", "10.57.6.1/24"), (&there, "far", "10.57.6.2/24")]
        {
            namespace.ip(&["address", "add", address, "dev", device])?;
            namespace.ip(&["link", "set", device, "mtu", "576"])?;
        }
        Ok((lab, here, there))
    });
    let Some((_lab, here, there)) = built else { return };
    let ip = Ipv4Addr::new(10, 57, 6, 2).into();
    for pairing in PAIRINGS {
        let at = |program| there.root_command(program);
        let server = Server::start_with(pairing.server, ip, &["new", "-i", "10.57.6.2"], &[], at).unwrap();
        let address = server.address;
        let at = |program| here.root_command(program);
        let mut session = Session::to(pairing, server, address, "never", at).unwrap();
        let shell = session.shell();
        session.resize(Size { columns: 200, rows: 60 });
        session.keys("head -c 20000 /dev/urandom | base64 -w 199 | tail -n 50; echo; echo don''e\r");
        session.wait_for("done");
        session.keys("exit\r");
        session.ends(shell);
    }
}

/// What was typed by hand until now: the script, ssh, a real sshd, and whose programs one likes.
#[test]
fn the_stock_wrapper_takes_our_programs_through_a_real_sshd() {
    let opened = lab::open(|| Laptop::with_sshd(LaptopOptions::default()));
    let Some(laptop) = opened else { return };
    for (client, server) in [(true, false), (false, true), (true, true)] {
        let subject = Subject::wrapper(client, server);
        let (mut console, _) = scenario::connect(&laptop.lab, &laptop.client, &subject).unwrap();
        scenario::finish_line(&console, "Ω", "stty size", "", interop::PATIENCE).unwrap();
        assert!(console.text().contains("24 200"), "{}: {}", subject.name, console.text());
        console.send("exit\r").unwrap();
        let status = console.wait_exit(interop::PATIENCE).unwrap();
        assert_eq!(status.code(), Some(0), "{}: {}", subject.name, console.text());
    }
}

/// Where the server's administrator never heard of this program.
#[test]
fn a_host_that_has_only_mosh_is_served_by_mosh() {
    let Some(laptop) = lab::open(|| Laptop::with_sshd(LaptopOptions::default())) else { return };
    let subject = Subject::mpmosh();
    subject.prepare(&laptop.lab).unwrap();
    std::fs::remove_file(laptop.lab.bin().join("mpmosh-server")).unwrap();
    let mut console = Console::start(subject.command(&laptop.client, &format!("{USER}@server"))).unwrap();
    console.wait_for("only a stock mosh-server is there", interop::PATIENCE).unwrap();
    console.wait_for("ready>", interop::PATIENCE).unwrap();
    scenario::finish_line(&console, "Ω", "stty size", "", interop::PATIENCE).unwrap();
    assert!(console.text().contains("24 200"), "{}", console.text());
    console.send("exit\r").unwrap();
    let status = console.wait_exit(interop::PATIENCE).unwrap();
    assert_eq!(status.code(), Some(0), "{}", console.text());
}
