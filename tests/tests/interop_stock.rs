//! Either end may be Debian's mosh and nobody notices: the same session in all pairings of {ours, stock} × {client,
//! server}. The pairing of stock with stock shows that the test asks for what a stock session gives.
#![cfg(target_os = "linux")]

mod interop;

use std::time::Duration;

use interop::relay::Relay;
use interop::{Maker, PROMPT, Pairing, QUIT, SIZE, Server, Session};
use mpmosh_tests::lab::{self, clock};
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
    no_datagram_is_longer_than_stock_ones
}

fn open(pairing: Pairing) -> Option<Session> {
    lab::open(|| Session::open(pairing))
}

fn open_through_relay(pairing: Pairing) -> Option<(Session, Relay)> {
    lab::open(|| {
        let server = Server::start(pairing.server)?;
        let relay = Relay::new(server.address).map_err(|error| lab::LabError::new(error.to_string()))?;
        let address = relay.address;
        Ok((Session::to(pairing, server, address)?, relay))
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
    session.keys("seq 20000\r");
    session.wait_for("20000");
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
        session.wait_until("the screen without vim", |session| !session.lines().iter().any(|line| line == "~"));
    }
}

fn the_shell_ends_the_session(pairing: Pairing) {
    let Some(mut session) = open(pairing) else { return };
    let shell = session.shell();
    session.keys("exit\r");
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
    let Some((mut session, relay)) = open_through_relay(pairing) else { return };
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
    let Some((mut session, relay)) = open_through_relay(pairing) else { return };
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

fn no_datagram_is_longer_than_stock_ones(pairing: Pairing) {
    let Some((mut session, relay)) = open_through_relay(pairing) else { return };
    // Screens and keys that no compression makes short.
    session.resize(Size { columns: 200, rows: 60 });
    session.keys("head -c 20000 /dev/urandom | base64 -w 199 | tail -n 59; echo; echo don''e\r");
    session.wait_for("done");
    session.keys("cat > /dev/null\r");
    let mut dice: u32 = 1;
    for _ in 0..60 {
        let line: String = (0..100)
            .map(|_| {
                dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                char::from(b'!' + (dice >> 24) as u8 % 90)
            })
            .collect();
        session.keys(&format!("{line}\r"));
    }
    session.keys("\x04");
    session.keys("\x0cstty size\r");
    session.wait_for("60 200");
    let longest = relay.longest();
    assert!((1000..=1252).contains(&longest), "{pairing:?}: {longest} octets");
}
