//! Sessions that change their client: attaching, taking over, detaching. SPEC [K-7], [K-9].

use mpmosh_client::session::client::Client;
use mpmosh_tests::sim::{Former, Operation, Setup, World, ms, seconds};
use net::Side;
use terminal::Size;
use {Operation as O, mpmosh_tests::sim::Way::Both};

const PHONE: Size = Size { columns: 50, rows: 20 };
const LAPTOP: Size = Size { columns: 80, rows: 24 };

/// Two uplinks of 40 and 80 ms, and a client that has typed.
fn world(seed: u64) -> World {
    let mut world = World::new(Setup::laptop(seed));
    for _ in 0..5 {
        world.apply(O::Key);
        world.run(ms(200));
    }
    world
}

fn client_of(former: &Former) -> &Client {
    former.client.as_ref().expect("it was not killed")
}

/// What the client that has the session must have by now: every key that was typed at it, once and in order, after a
/// beginning of what was typed before; and the screen of the server.
fn check(world: &World) -> Result<(), String> {
    let attached = world.former.last().map_or(0, |former| former.typed);
    let (before, since) = world.typed().split_at(attached);
    let received = world.received();
    let Some(begun) = received.strip_suffix(since) else {
        return Err(format!("typed {since:?} since the attach, received {received:?}"));
    };
    if !is_subsequence(begun, before) {
        return Err(format!("typed {before:?} before, received {begun:?}"));
    }
    let client = world.client.as_ref().and_then(Client::screen);
    let server = world.server.as_ref().and_then(|server| server.screen());
    if client != server {
        return Err("the client knows another screen than the server".into());
    }
    let (shown, drawn) = (server.expect("a server"), world.display());
    if shown.size() != drawn.size() {
        return Err(format!("the server has {:?}, the user's terminal {:?}", shown.size(), drawn.size()));
    }
    // The first row may have a notice.
    match (1..shown.size().rows).find(|number| row_of(shown, *number) != row_of(drawn, *number)) {
        Some(number) => {
            Err(format!("row {number}: {:?} and {:?}", row_of(shown, number), row_of(drawn, number)))
        }
        None => Ok(()),
    }
}

/// Whether all of `some` stand in `all`, in this order: keys that a client which lost the session had not got through are missing.
fn is_subsequence(some: &[u8], all: &[u8]) -> bool {
    let mut all = all.iter();
    some.iter().all(|key| all.any(|other| other == key))
}

#[test]
fn the_newest_client_has_the_session_and_the_one_before_is_told() {
    let mut world = world(1);
    world.attach(PHONE);
    world.run(seconds(2));
    assert!(client_of(&world.former[0]).outcome().is_some(), "it ends");
    assert_eq!(
        world.server.as_ref().and_then(|server| server.screen()).map(terminal::Screen::size),
        Some(PHONE)
    );
    for _ in 0..5 {
        world.apply(O::Key);
        world.run(ms(200));
    }
    assert_eq!(check(&world), Ok(()));
    assert_eq!(world.received(), world.typed(), "nothing is lost where no network loses anything");
    // And back again, as often as they like.
    for size in [LAPTOP, PHONE, LAPTOP] {
        world.attach(size);
        world.apply(O::Key);
        world.run(seconds(2));
        assert_eq!(check(&world), Ok(()));
    }
    assert!(world.former.iter().all(|former| client_of(former).outcome().is_some()));
}

#[test]
fn the_first_screen_is_there_after_one_round_trip() {
    let mut world = world(2);
    world.client = None;
    world.program_writes(1500);
    let before = world.now();
    world.attach(LAPTOP);
    world.run(ms(45));
    let told = world.sent.iter().filter(|sent| sent.at >= before && sent.side == Side::Server);
    assert!(told.map(|sent| sent.octets).sum::<usize>() > 500);
    assert_eq!(check(&world), Ok(()), "at {:?} after the attach", world.now().since(before));
}

#[test]
fn a_key_that_nobody_uses_changes_nothing_and_is_void_after_a_minute() {
    let mut world = world(3);
    // The new client's ssh worked, and nothing of what it sends arrives.
    world.admit(PHONE);
    for _ in 0..100 {
        world.apply(O::Key);
        world.run(seconds(1));
    }
    assert_eq!(world.outcome(), None);
    assert_eq!(world.received(), world.typed());
}

#[test]
fn of_two_that_attach_within_a_round_trip_the_last_has_the_session() {
    for gap in [0, 5, 19, 25, 39, 60] {
        let mut world = world(4);
        world.attach(PHONE);
        world.run(ms(gap));
        world.attach(LAPTOP);
        world.apply(O::Key);
        world.run(seconds(3));
        assert_eq!(check(&world), Ok(()), "{gap} ms");
        assert_eq!(world.outcome(), None);
        assert!(client_of(&world.former[0]).outcome().is_some(), "{gap} ms: the first client is told");
    }
}

/// Lets nothing through in one direction over any uplink, or everything.
fn block(world: &mut World, up: bool, silent: bool) {
    for uplink in 0..2 {
        world.change_direction(uplink, up, |quality| quality.silent = silent);
    }
}

fn row_of(screen: &terminal::Screen, row: u16) -> String {
    let cells = (0..screen.size().columns).filter_map(|column| screen.cell(row, column));
    cells.map(terminal::Cell::first_char).collect()
}

#[test]
fn who_is_admitted_and_loses_the_session_before_a_word_is_told_when_it_speaks() {
    for gap in [0, 5, 15, 25, 500] {
        let mut world = world(10);
        world.detach();
        world.run(seconds(1));
        // Its ssh has given it a key, and somebody else is quicker.
        block(&mut world, true, true);
        world.attach(PHONE);
        world.run(ms(gap));
        let waited = world.server.as_ref().and_then(|server| server.is_awaited(world.now()));
        assert_eq!(waited, Some(ms(gap)), "a client is under way");
        world.attach(LAPTOP);
        block(&mut world, true, false);
        world.apply(O::Key);
        world.run(seconds(3));
        assert_eq!(check(&world), Ok(()), "{gap} ms");
        let first = world.former.last().expect("the one on the phone");
        assert!(client_of(first).outcome().is_some(), "{gap} ms: it is told");
        assert_eq!(world.outcome(), None);
        // Its key is void: nobody is under way any more.
        assert_eq!(world.server.as_ref().and_then(|server| server.is_awaited(world.now())), None);
    }
}

#[test]
fn the_one_that_lost_the_session_is_told_nothing_that_it_did_not_know() {
    let mut world = world(5);
    // What is drawn last does not reach it before it loses the session, and might be told with its end.
    block(&mut world, false, true);
    world.program_says(b"\x1b[10;1Ha secret");
    world.run(ms(300));
    world.attach(LAPTOP);
    world.run(ms(30));
    block(&mut world, false, false);
    world.run(seconds(5));
    assert!(client_of(&world.former[0]).outcome().is_some(), "it is told its end");
    let shown = row_of(world.former[0].display.screen(), 9);
    assert!(!shown.contains("secret"), "{shown}");
    assert!(row_of(world.display(), 9).contains("a secret"));
}

#[test]
fn what_is_typed_at_the_one_that_lost_the_session_is_no_input() {
    let mut world = world(6);
    world.attach(LAPTOP);
    // The new client's first word and this are under way at the same time; then it is told.
    world.run(ms(19));
    for _ in 0..20 {
        world.type_at_former(0, b"lost");
        world.run(ms(7));
    }
    world.apply(O::Key);
    world.run(seconds(2));
    let lost = world.received().windows(4).filter(|window| window == b"lost").count();
    assert_eq!(lost, 0, "{:?}", world.received());
    assert_eq!(check(&world), Ok(()));
}

#[test]
fn the_end_is_told_ten_times_at_most_and_to_no_new_address() {
    let mut world = world(7);
    world.attach(LAPTOP);
    world.run(ms(30));
    // It never acknowledges.
    block(&mut world, true, true);
    let port = world.former[0].port();
    let since = world.former[0].since + ms(20);
    world.run(seconds(60));
    let sent = world.sent.iter().filter(|sent| sent.side == Side::Server && sent.at > since);
    let told: Vec<_> = sent.filter(|sent| sent.path.remote.port() == port).collect();
    assert!((2..=10).contains(&told.len()), "{} datagrams", told.len());
    assert!(told.iter().all(|sent| sent.octets < 150 && sent.at < since + seconds(11)), "{told:?}");
}

#[test]
fn what_comes_under_the_old_key_changes_nothing_whether_it_is_kept_or_gone() {
    let mut world = world(9);
    // The one that lost the session is not told, and types on.
    block(&mut world, false, true);
    world.attach(LAPTOP);
    world.run(ms(30));
    let mut old = world.former[0].client.take().expect("it was not killed");
    block(&mut world, false, false);
    world.run(ms(500));
    let (received, mut clock, mut said) = (world.received().to_vec(), world.now(), 0);
    let from = world.sent.len();
    // Its key is kept for a while, and then gone.
    for pause in [0, 11] {
        world.run(seconds(pause));
        for _ in 0..1000 {
            old.handle_input(b"x", clock);
            while let Some(transmit) = old.poll_transmit(clock) {
                let elsewhere = std::net::SocketAddr::new([192, 0, 2, (said % 250) as u8 + 1].into(), 6);
                world.inject_to_server(elsewhere, transmit.bytes);
                said += 1;
            }
            while old.poll_event().is_some() || old.poll_output(clock).is_some() {}
            clock += ms(40);
            if old.poll_timeout(clock).is_some_and(|(at, _)| at <= clock) {
                old.handle_timeout(clock);
            }
        }
    }
    assert!(said > 1000, "{said} datagrams");
    assert_eq!(world.received(), received, "nothing of it is input");
    let strangers = world.sent[from..].iter().filter(|sent| sent.side == Side::Server);
    assert_eq!(
        strangers.filter(|sent| sent.path.remote.port() == 6).count(),
        0,
        "nothing goes where it spoke from"
    );
    world.apply(O::Key);
    world.run(seconds(2));
    assert_eq!(check(&world), Ok(()));
}

/// Attaches at any moment of a random session, over loss, silence and dead interfaces; sooner or later all is well.
fn random_session(seed: u64) -> Result<(), String> {
    use mpmosh_tests::sim::Random;
    let mut random = Random::new(seed);
    let mut world = world(seed);
    for _ in 0..30 {
        let uplink = random.below(2) as usize;
        let operation = match random.below(12) {
            0..=3 => O::Key,
            4 => O::Output(random.below(3000) as u32 + 1),
            5 => O::Loss(uplink, random.below(40) as u8),
            6 => O::Silence(uplink, Both),
            7 => O::Sound(uplink, Both),
            8 => O::Down(uplink),
            9 => O::Up(uplink),
            _ => O::Wait(random.below(1500)),
        };
        world.apply(operation);
        if random.chance(0.15) {
            if random.chance(0.4) {
                world.client = None;
            }
            world.attach(if random.chance(0.5) { PHONE } else { LAPTOP });
        }
        world.run(ms(random.below(60)));
    }
    world.heal();
    world.apply(O::Key);
    world.run(ms(8_000));
    check(&world)
}

#[test]
fn whatever_the_network_does_the_last_client_has_all_of_the_session() {
    let faults: Vec<String> = (0..1000)
        .filter_map(|seed| random_session(seed).err().map(|fault| format!("seed {seed}: {fault}")))
        .collect();
    assert!(faults.is_empty(), "{} of 1000:\n{}", faults.len(), faults[..faults.len().min(10)].join("\n"));
}

#[test]
fn a_session_that_was_let_go_waits_and_ends_after_its_time() {
    let mut setup = Setup::laptop(7);
    setup.session_ttl = Some(seconds(3600));
    let mut world = World::new(setup);
    world.type_keys(5, ms(100));
    world.run(seconds(2));
    world.detach();
    world.run(seconds(2));
    assert!(world.outcome().is_some(), "the client is told");
    let before = world.now();
    world.run(seconds(600));
    let sent = world.sent.iter().filter(|sent| sent.side == Side::Server && sent.at >= before).count();
    assert_eq!(sent, 0, "nobody is there to be told anything");
    world.attach(PHONE);
    world.apply(O::Key);
    world.run(seconds(2));
    assert_eq!(check(&world), Ok(()));
    world.run(seconds(7200));
    assert!(world.server.is_some(), "while it has a client nothing ends it");
    world.detach();
    world.run(seconds(3599));
    assert!(world.server.is_some());
    world.run(seconds(2));
    assert!(world.server.is_none(), "nobody has attached");
}

/// Every recorded program of this size, with what it wrote.
fn recordings() -> Vec<(String, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/term");
    let entries = std::fs::read_dir(folder).expect("the vectors").flatten();
    let of_size = entries.filter(|entry| entry.file_name().to_string_lossy().ends_with("-80x24"));
    let mut found: Vec<_> = of_size
        .filter_map(|entry| {
            let stream = std::fs::read(entry.path().join("stream")).ok()?;
            Some((entry.file_name().to_string_lossy().into_owned(), stream))
        })
        .collect();
    found.sort();
    found
}

/// What a terminal shows and how it behaves, bells and the clipboard apart.
fn looks(screen: &terminal::Screen, other: &terminal::Screen) -> terminal::Screen {
    screen.clone().after(other)
}

#[test]
fn who_attaches_sees_what_a_client_sees_that_never_left() {
    let all = recordings();
    assert!(all.len() > 20, "{} recordings", all.len());
    // What a program leaves set while it runs: it is never reset before the end.
    let modes = b"\x1b[?1000h\x1b[?1006h\x1b[?2004h\x1b[?1004h\x1b[?1h\x1b=\x1b[4 q\x1b]0;a title\x07\x1b]12;red\x07text";
    let streams =
        all.iter().map(|(name, stream)| (name.as_str(), &stream[..])).chain([("modes", &modes[..])]);
    let mut drawn = 0;
    for (name, stream) in streams {
        for part in [1, 2, 3] {
            let mut world = World::new(Setup::single(8, mpmosh_tests::sim::Quality::millis(10)));
            world.run(ms(500));
            for piece in stream[..stream.len() * part / 3].chunks(1000) {
                world.program_says(piece);
                world.run(ms(30));
            }
            world.run(seconds(2));
            let stayed = world.display().clone();
            world.attach(LAPTOP);
            world.run(seconds(2));
            let came = world.display();
            drawn += usize::from((0..24).any(|row| !row_of(came, row).trim().is_empty()));
            assert!(looks(&stayed, came) == *came, "{name}, {part} of 3 parts: {stayed:#?}\nand\n{came:#?}");
            if (name, part) == ("modes", 3) {
                assert_eq!(came.title(), "a title");
                assert!((0..24).any(|row| row_of(came, row).contains("text")));
                assert!(came.modes().get(terminal::Mode::BracketedPaste));
            }
        }
    }
    assert!(drawn > all.len() * 2, "{drawn} screens have something on them");
}
