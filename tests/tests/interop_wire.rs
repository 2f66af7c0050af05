//! What each end writes on the wire, opened and compared: ours writes nothing that Debian's mosh does not.
#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "each test file uses its own part")]
mod interop;

use std::process::Command;
use std::time::Duration;

use interop::relay::Relay;
use interop::wire::{self, Habits};
use interop::{Maker, PROMPT, Pairing, QUIT, Server, Session};
use mpmosh_tests::lab::{self, clock};
use terminal::Size;

/// A little of everything; the client's user or the shell ends it.
fn recorded(pairing: Pairing, by_user: bool) -> Option<[Habits; 2]> {
    let (mut session, relay) = lab::open(|| {
        let server = Server::start(pairing.server)?;
        let relay = Relay::new(server.address).map_err(|error| lab::LabError::new(error.to_string()))?;
        let address = relay.address;
        Ok((Session::to(pairing, server, address, "adaptive", Command::new)?, relay))
    })?;
    session.keys_one_by_one("echo '漢字 e\u{301}'\r");
    session.wait_for("漢字 e\u{301}");
    session.resize(Size { columns: 120, rows: 40 });
    // Questions for the terminal, whose last answer ends in R.
    session.keys("stty -echo; printf '\\e]0;title\\a\\e[31mred\\e[0m\\e[c\\e[6n\\n'; read -rd R; stty echo; echo asked\r");
    session.wait_for("asked");
    session.keys("head -c 9000 /dev/urandom | base64 -w 110 | tail -n 38; echo; echo don''e\r");
    session.wait_for("done");
    session.keys("yes running\r");
    session.wait_for("running");
    session.keys("\x03");
    session.wait_for_prompt();
    // What has waited for a heartbeat.
    clock::sleep(Duration::from_secs(4));
    relay.lose(40);
    session.keys_one_by_one("echo through losses\r");
    session.wait_until("an echo", |session| session.lines().iter().any(|line| line == "through losses"));
    relay.lose(0);
    // Several at once, in more than one datagram.
    session.keys(&format!(": {}\r", "0123456789abcdef".repeat(200)));
    session.wait_until("a prompt", |session| session.cursor_line() == PROMPT.trim_end());
    let shell = session.shell();
    session.keys(if by_user { QUIT } else { "exit\r" });
    session.ends(shell);
    let record = relay.record();
    let habits = wire::habits(&record, &session.server.key);
    Some(habits.unwrap_or_else(|error| panic!("{pairing:?}: {error}")))
}

#[test]
fn our_ends_write_nothing_that_stock_ones_do_not() {
    at_once([true, false], |by_user| {
        let Some(stock) = recorded(Pairing::STOCK, by_user) else { return };
        let mixed = [Pairing::OUR_CLIENT, Pairing::OUR_SERVER, Pairing::OURS];
        at_once(mixed, |pairing| compare(pairing, by_user, &stock));
    });
}

/// They wait for their heartbeats at the same time.
fn at_once<T: Send>(cases: impl IntoIterator<Item = T>, test: impl Fn(T) + Sync) {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    std::thread::scope(|scope| {
        for case in cases {
            let (thread, test) = (std::thread::Builder::new().name(name.clone()), &test);
            thread.spawn_scoped(scope, move || test(case)).unwrap();
        }
    });
}

fn compare(pairing: Pairing, by_user: bool, stock: &[Habits; 2]) {
    let Some(seen) = recorded(pairing, by_user) else { return };
    let asks = if by_user { [true, false] } else { [false, true] };
    let makers = [pairing.client, pairing.server];
    for (end, (maker, (ours, stock))) in makers.iter().zip(seen.iter().zip(stock)).enumerate() {
        let who = format!("{pairing:?}, end {end}");
        assert!(ours.longest <= 1252, "{who}: {} octets", ours.longest);
        assert!(ours.longest_chaff <= 16, "{who}: {} random octets", ours.longest_chaff);
        assert_eq!(ours.compression, stock.compression, "{who}");
        assert_eq!(ours.instructions, stock.instructions, "{who}");
        assert_eq!(ours.fields, stock.fields, "{who}");
        assert_eq!((ours.asks_to_end, ours.agrees_to_end), (asks[end], !asks[end]), "{who}");
        // The same talk takes about as many words.
        let (said, usual) = (ours.datagrams, stock.datagrams);
        println!("{who}: {said} datagrams, a stock one's {usual}");
        assert!(*maker == Maker::Stock || said < 3 * usual, "{who}: {said} datagrams for {usual}");
    }
}
