//! The dialect of the paper's authors, against a peer that was written apart from the product (`tests/peers/`): its
//! client with our server, and its server with our client. The peer stops where theirs would abort.
#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "each test file uses its own part")]
mod interop;
mod mp_mosh;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use interop::{Maker, PROMPT, Pairing, QUIT, Server, Session};
use mp_mosh::Peer;
use mpmosh_tests::lab::{self, LabError, Paper};
use terminal::Size;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Addresses that their servers tell of: a container bridge's, and a link-local one, without its zone.
const STRANGE: &str = "0704ea61ac110001\
                       1306ea61fe800000000000000000000000000001";

fn speaking_mp_mosh(program: PathBuf) -> Command {
    let mut command = Command::new(program);
    command.arg("--dialect=mp-mosh");
    command
}

/// Our client on a terminal, and their server at several addresses.
fn their_server(records: &str) -> Option<(Session, Peer)> {
    lab::open(|| {
        let peer = Peer::server("127.0.0.1,127.0.0.2,127.0.0.3", records)?;
        let (port, key) = peer.announced.clone().ok_or_else(|| LabError::new("no announcement"))?;
        let address = SocketAddr::new(LOOPBACK, port);
        let server = Server::running(peer.pid(), address, key);
        Ok((Session::to(Pairing::OUR_CLIENT, server, address, "never", speaking_mp_mosh)?, peer))
    })
}

/// Our server, and their client with several addresses.
fn their_client() -> Option<(Server, Peer)> {
    lab::open(|| {
        let arguments = ["new", "--dialect=mp-mosh", "--address", "127.0.0.2"];
        let server = Server::start_with(Maker::Ours, LOOPBACK, &arguments, &[], Command::new)?;
        let peer = Peer::client(&server, "127.0.0.11,127.0.0.12", Command::new)?;
        Ok((server, peer))
    })
}

/// How many datagrams arrived by each address of the peer's.
fn arrived(peer: &mut Peer) -> Vec<(String, u64)> {
    let stats = peer.stats();
    let counts = stats["got_on"].as_object().expect("counts");
    counts.iter().map(|(way, count)| (way.clone(), count.as_u64().unwrap_or_default())).collect()
}

#[test]
fn our_client_works_with_their_server_over_all_of_its_addresses() {
    let Some((mut session, mut peer)) = their_server(STRANGE) else { return };
    session.keys_one_by_one("echo typed\r");
    session.wait_for("typed");
    session.keys("echo '漢字 e\u{301}o\u{308} ✓|'\r");
    session.wait_for("漢字 e\u{301}o\u{308} ✓|");
    session.resize(Size { columns: 100, rows: 30 });
    session.keys("\x0cstty size\r");
    session.wait_for("30 100");
    session.keys("seq 3000\r");
    session.wait_for("3000");
    session.wait_until("a prompt", |session| session.cursor_line() == PROMPT.trim_end());
    let ways = arrived(&mut peer);
    for address in ["127.0.0.1", "127.0.0.2", "127.0.0.3"] {
        assert!(ways.iter().any(|(way, count)| way == address && *count > 0), "{address}: {ways:?}");
    }
    session.keys("exit\r");
    session.console.wait_exit(interop::PATIENCE).unwrap();
    peer.ends_well();
}

#[test]
fn our_client_leaves_an_address_of_their_server_that_falls_silent() {
    let Some((mut session, mut peer)) = their_server("") else { return };
    for dead in [1, 2, 3] {
        // One after the other, each time another two are left; the last round has only the third left to lose.
        peer.tell(&format!("dead 127.0.0.{dead}"));
        session.keys_one_by_one(&format!("echo without {dead}\r"));
        session.wait_for(&format!("without {dead}"));
        peer.tell(&format!("alive 127.0.0.{dead}"));
        session.keys_one_by_one(&format!("echo again {dead}\r"));
        session.wait_for(&format!("again {dead}"));
    }
    session.keys(QUIT);
    session.console.wait_exit(interop::PATIENCE).unwrap();
    peer.ends_well();
}

#[test]
fn an_address_list_of_theirs_that_is_cut_short_harms_nobody() {
    let Some((mut session, mut peer)) = their_server("1306ea61fe80") else { return };
    session.keys("echo still here\r");
    session.wait_for("still here");
    let ways = arrived(&mut peer);
    assert!(ways.iter().all(|(way, _)| way == "127.0.0.1"), "nothing was learned from it: {ways:?}");
    session.keys("exit\r");
    session.console.wait_exit(interop::PATIENCE).unwrap();
    peer.ends_well();
}

#[test]
fn our_client_and_their_server_do_not_answer_each_other_for_ever() {
    let Some((mut session, mut peer)) = their_server("") else { return };
    session.keys("echo settled\r");
    session.wait_for("settled");
    let counts = peer.stats()["counts"].clone();
    // Whatever time this took, each probe of ours was answered once, and no answer was.
    assert_eq!(counts["probes in"], counts["probes out"], "{counts}");
}

#[test]
fn their_client_works_with_our_server_from_all_of_its_addresses() {
    let Some((mut server, mut peer)) = their_client() else { return };
    peer.wait_for(PROMPT.trim_end());
    peer.keys("echo typed; echo '漢字 e\u{301} ✓|'\r");
    peer.wait_for("typed");
    peer.wait_for("漢字 e\u{301} ✓|");
    peer.tell("resize 100 30");
    peer.keys("\x0cstty size\r");
    peer.wait_for("30 100");
    peer.keys("seq 3000\r");
    peer.wait_for("3000");
    assert!(peer.lists().iter().flatten().any(|address| address == "127.0.0.2"), "{:?}", peer.lists());
    let ways = arrived(&mut peer);
    for (local, remote) in [(11, 1), (12, 1), (11, 2), (12, 2)] {
        let way = format!("127.0.0.{remote} to 127.0.0.{local}");
        assert!(ways.iter().any(|(known, count)| *known == way && *count > 0), "{way}: {ways:?}");
    }
    peer.keys("exit\r");
    peer.ends_well();
    assert!(server.ends(interop::PATIENCE));
}

#[test]
fn their_client_may_lose_an_address_and_change_its_ports() {
    let Some((_server, mut peer)) = their_client() else { return };
    peer.wait_for(PROMPT.trim_end());
    peer.keys("echo before\r");
    peer.wait_for("before");
    peer.tell("dead 127.0.0.11");
    peer.keys("echo without one\r");
    peer.wait_for("without one");
    peer.tell("alive 127.0.0.11");
    peer.tell("dead 127.0.0.12");
    peer.keys("echo without the other\r");
    peer.wait_for("without the other");
    peer.tell("hop");
    peer.keys("echo from another port\r");
    peer.wait_for("from another port");
    peer.tell("alive 127.0.0.12");
    peer.tell("shutdown");
    peer.ends_well();
}

#[test]
fn a_replayed_address_request_is_not_answered() {
    let Some((_server, mut peer)) = their_client() else { return };
    peer.wait_for(PROMPT.trim_end());
    peer.tell("replay");
    assert_eq!(peer.answer("replayed")["answered"], false);
    peer.keys("echo and the session stays where it was\r");
    peer.wait_for("and the session stays where it was");
}

#[test]
fn both_ends_of_ours_speak_it_to_each_other() {
    let opened = lab::open(|| {
        let arguments = ["new", "--dialect=mp-mosh", "--address", "127.0.0.2"];
        let server = Server::start_with(Maker::Ours, LOOPBACK, &arguments, &[], Command::new)?;
        let address = server.address;
        Session::to(Pairing::OURS, server, address, "adaptive", speaking_mp_mosh)
    });
    let Some(mut session) = opened else { return };
    let shell = session.shell();
    session.keys_one_by_one("echo typed\r");
    session.wait_for("typed");
    session.keys("seq 100000\r");
    session.wait_for("100000");
    session.keys("exit 3\r");
    session.ends(shell);
}

/// The addresses of one end of the lab's two paths, of one family or both: the first path's first.
fn addresses(side: u8, families: &[&str]) -> String {
    let of = |family: &str, path: u8| match family {
        "IPv4" => format!("10.{path}.{side}.2"),
        _ => format!("fd00:{path}:{side}::2"),
    };
    let all = families.iter().flat_map(|family| [of(family, 0), of(family, 1)]);
    all.collect::<Vec<_>>().join(",")
}

const FAMILIES: [&[&str]; 3] = [&["IPv4"], &["IPv6"], &["IPv6", "IPv4"]];

/// What was counted of an address of the peer's own.
fn count(peer: &mut Peer, way: impl Fn(&str) -> bool) -> u64 {
    arrived(peer).iter().filter(|(known, _)| way(known)).map(|(_, count)| count).sum()
}

#[test]
fn our_client_types_on_with_their_server_when_one_of_two_uplinks_dies_in_silence() {
    for families in FAMILIES {
        let opened = lab::open(|| {
            let paper = Paper::new()?;
            let server = &paper.server;
            let peer =
                Peer::server_with(&addresses(2, families), "", |program| server.root_command(program))?;
            let (port, key) = peer.announced.clone().ok_or_else(|| LabError::new("no announcement"))?;
            let first = addresses(2, families).split(',').next().and_then(|ip| ip.parse().ok());
            let address = SocketAddr::new(first.unwrap_or(LOOPBACK), port);
            let server = Server::running(peer.pid(), address, key);
            let ours = |program: PathBuf| {
                let mut command = paper.client.root_command(program);
                command.arg("--dialect=mp-mosh");
                command
            };
            Ok((Session::to(Pairing::OUR_CLIENT, server, address, "never", ours)?, peer, paper))
        });
        let Some((mut session, mut peer, paper)) = opened else { return };
        session.keys_one_by_one("echo before\r");
        session.wait_for("before");
        for (dead, alive) in [(0, 1), (1, 0)] {
            paper.links[dead].blackhole(true);
            session.keys_one_by_one(&format!("echo without {dead}\r"));
            session.wait_for(&format!("without {dead}"));
            let (v4, v6) = (format!("10.{alive}.2.2"), format!("fd00:{alive}:2::2"));
            let heard = count(&mut peer, |way| way == v4 || way == v6);
            session.keys_one_by_one(&format!("echo still without {dead}\r"));
            session.wait_for(&format!("still without {dead}"));
            assert!(count(&mut peer, |way| way == v4 || way == v6) > heard, "{families:?}");
            paper.links[dead].blackhole(false);
            session.keys_one_by_one(&format!("echo again {dead}\r"));
            session.wait_for(&format!("again {dead}"));
        }
        session.keys(QUIT);
        session.console.wait_exit(interop::PATIENCE).unwrap();
        peer.ends_well();
    }
}

#[test]
fn their_client_types_on_with_our_server_when_one_of_two_uplinks_dies_in_silence() {
    for families in FAMILIES {
        let opened = lab::open(|| {
            let paper = Paper::new()?;
            let all = addresses(2, families);
            let mut arguments = vec!["new", "--dialect=mp-mosh"];
            all.split(',').for_each(|address| arguments.extend(["--address", address]));
            let first = all.split(',').next().and_then(|ip| ip.parse().ok()).unwrap_or(LOOPBACK);
            let there = |program| paper.server.root_command(program);
            let server = Server::start_with(Maker::Ours, first, &arguments, &[], there)?;
            let here = |program| paper.client.root_command(program);
            let peer = Peer::client(&server, &addresses(1, families), here)?;
            Ok((server, peer, paper))
        });
        let Some((_server, mut peer, paper)) = opened else { return };
        peer.wait_for(PROMPT.trim_end());
        for (dead, alive) in [(0, 1), (1, 0)] {
            peer.keys(&format!("echo with {dead}\r"));
            peer.wait_for(&format!("with {dead}"));
            paper.links[dead].blackhole(true);
            peer.keys(&format!("echo without {dead}\r"));
            peer.wait_for(&format!("without {dead}"));
            let (v4, v6) = (format!("10.{alive}.2.2 to "), format!("fd00:{alive}:2::2 to "));
            let heard = count(&mut peer, |way| way.starts_with(&v4) || way.starts_with(&v6));
            peer.keys(&format!("echo still without {dead}\r"));
            peer.wait_for(&format!("still without {dead}"));
            let now = count(&mut peer, |way| way.starts_with(&v4) || way.starts_with(&v6));
            assert!(now > heard, "{families:?}");
            paper.links[dead].blackhole(false);
        }
        peer.tell("shutdown");
        peer.ends_well();
    }
}
