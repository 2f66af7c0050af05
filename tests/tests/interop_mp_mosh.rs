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
use mpmosh_tests::lab::{self, LabError};
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
        let peer = Peer::client(server.address.port(), &server.key, "127.0.0.11,127.0.0.12")?;
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
