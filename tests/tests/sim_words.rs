//! What the user is told of the paths, in virtual time: to the second.

use mpmosh_client::session::client::{Client, DisplayOptions, Outcome};
use mpmosh_client::session::silence::Refusal;
use mpmosh_server::server::{Config, Server};
use mpmosh_tests::sim::{Quality, Setup, World, ms};
use net::DialectName;
use net::{Connection, Dialect, Key, Side};

/// A world that has settled, with the user typing for a minute more.
fn typing(setup: Setup) -> World {
    let mut world = World::new(setup);
    world.type_keys(600, ms(100));
    world.run(ms(6000));
    world
}

/// A row of what the user sees.
fn row(world: &World, row: usize) -> String {
    let cells = world.display().rows().nth(row).expect("a row").cells();
    cells.iter().map(terminal::Cell::text).collect::<String>().trim_end().to_owned()
}

/// What the top line says, if it is a notice.
fn notice(world: &World) -> Option<String> {
    row(world, 0).strip_prefix("mpmosh: ").map(str::to_owned)
}

#[test]
fn before_the_first_word_the_paths_that_are_tried_are_counted() {
    for (uplinks, over) in [(2, " over 2 paths"), (1, "")] {
        let mut setup = Setup::laptop(6);
        setup.uplinks.truncate(uplinks);
        let mut world = World::new(setup);
        (0..uplinks).for_each(|uplink| world.change(uplink, |q| q.silent = true));
        world.run(ms(251));
        let told = notice(&world).unwrap_or_else(|| panic!("{:?}", row(&world, 0)));
        let told = told.split_once(". ").expect("a sentence, and how to leave");
        assert_eq!(told.0, format!("Nothing received from server on UDP port 0{over}"));
        assert!(told.1.contains("Ctrl-^ ."), "{told:?}");
        (0..uplinks).for_each(|uplink| world.change(uplink, |q| q.silent = false));
        world.run(ms(3000));
        assert_eq!(notice(&world), None);
    }
}

/// What the first row, which the program leaves blank, shows in each tenth of a second.
fn first_rows(world: &mut World, seconds: u32) -> Vec<String> {
    (0..seconds * 10)
        .map(|_| {
            world.run(ms(100));
            row(world, 0)
        })
        .collect()
}

#[test]
fn while_a_path_carries_the_session_nothing_covers_the_screen() {
    let mut died = typing(Setup::laptop(1));
    died.change(0, |q| q.silent = true);
    let mut gone = typing(Setup::laptop(3));
    gone.set_up(0, false);
    let mut standby = typing(Setup::laptop(4));
    standby.change(1, |q| q.silent = true);
    for world in [&mut died, &mut gone, &mut standby] {
        assert!(first_rows(world, 30).iter().all(String::is_empty));
    }
    // Who asks is told.
    died.type_text("\x1ep");
    died.run(ms(20));
    assert!(row(&died, 2).contains("wlan0      lost 29 s"), "{:?}", row(&died, 2));
    assert_eq!(row(&died, 4), "  wlan0 lost 29 s, on wwan0");
}

#[test]
fn a_move_to_a_metered_uplink_is_told_for_two_seconds_at_the_right() {
    for wanted in [true, false] {
        let mut setup = Setup::laptop(1);
        setup.uplinks[1].metered = true;
        let options = DisplayOptions { metered_notice: wanted, ..DisplayOptions::default() };
        let mut world = with_options(setup, options);
        world.change(0, |q| q.silent = true);
        let shown = first_rows(&mut world, 10);
        let told: Vec<&String> = shown.iter().filter(|row| !row.is_empty()).collect();
        assert_eq!(!told.is_empty(), wanted);
        assert!(told.len() <= 20, "{told:?}");
        assert!(told.iter().all(|row| **row == format!("{:>80}", "on wwan0 (metered)")), "{told:?}");
    }
}

/// A world whose client has these options, settled, with the user typing.
fn with_options(setup: Setup, options: DisplayOptions) -> World {
    let mut world = World::new(setup);
    let now = world.now();
    let key = Key::from_bytes(&[7; 32]).expect("a key's length");
    let dialect = |side| Dialect::new(DialectName::Multipath, &key, side).expect("the dialect's length");
    let remotes = ["203.0.113.1:60001".parse().expect("an address")];
    let connection = Connection::client(dialect(Side::Client), &remotes, net::Config::default(), now);
    world.client = Some(Client::on_terminal(connection, options, now));
    let config = Config { extended: true, ..Config::default() };
    let connection = Connection::server(dialect(Side::Server), net::Config::default(), now);
    world.server = Some(Server::new(connection, config, now));
    world.announce_interfaces();
    world.type_keys(600, ms(100));
    world.run(ms(6000));
    world
}

#[test]
fn the_title_tells_of_the_paths_where_the_program_gave_one() {
    let options = || DisplayOptions { title_prefix: "[mpmosh] ".into(), ..DisplayOptions::default() };
    let mut world = with_options(Setup::laptop(1), options());
    world.program_says(b"\x1b]0;work\x07");
    world.run(ms(500));
    assert_eq!(world.display().title(), "[mpmosh] work");
    world.change(0, |q| q.silent = true);
    world.run(ms(4000));
    assert_eq!(world.display().title(), "[mpmosh: wlan0 lost, on wwan0] work");
    world.change(0, |q| q.silent = false);
    world.run(ms(4000));
    assert_eq!(world.display().title(), "[mpmosh] work");
    let mut untitled = with_options(Setup::laptop(1), options());
    untitled.change(0, |q| q.silent = true);
    untitled.run(ms(4000));
    assert_eq!(untitled.display().title(), "", "the title is the user's own until the remote sets one");
}

#[test]
fn a_server_that_is_gone_is_told_until_it_is_heard() {
    let options = DisplayOptions { host: "host.example".into(), ..DisplayOptions::default() };
    let mut world = with_options(Setup::laptop(1), options);
    let server = world.server.take();
    world.type_text("x");
    world.run(ms(500));
    let refuse = |world: &mut World| {
        let now = world.now();
        let client = world.client.as_mut().expect("a client");
        let paths: Vec<_> = client.connection().flows().map(|flow| flow.path).collect();
        for path in paths {
            client.handle_refusal(&path, Refusal::Port, now);
        }
        world.run(ms(100));
    };
    refuse(&mut world);
    assert_eq!(row(&world, 0), "", "one word of a stranger's");
    (0..3).for_each(|_| refuse(&mut world));
    assert_eq!(
        row(&world, 0),
        "mpmosh: host.example answers, but this session's server is gone. Ctrl-^ . quits."
    );
    world.type_text("\x1ep");
    world.run(ms(1000));
    assert!(row(&world, 2).contains("refused"), "{:?}", row(&world, 2));
    // Anybody can say so: nothing ends by it, and the first authentic datagram takes it back.
    world.run(ms(600_000));
    assert_eq!(world.outcome(), None);
    world.server = server;
    world.run(ms(12_000));
    assert_eq!(row(&world, 0), "");
    assert!(!row(&world, 2).contains("refused"), "{:?}", row(&world, 2));
}

#[test]
fn ctrl_c_ends_the_wait_for_a_first_word() {
    let mut world = World::new(Setup::laptop(6));
    (0..2).for_each(|uplink| world.change(uplink, |q| q.silent = true));
    world.run(ms(1000));
    world.type_text("\x03");
    world.run(ms(2100));
    assert_eq!(world.outcome(), Some(Outcome::QuitUnanswered));
    // Later it is the program's.
    let mut world = typing(Setup::laptop(6));
    world.type_text("\x03");
    world.run(ms(3000));
    assert_eq!(world.outcome(), None);
}

#[test]
fn when_nothing_is_heard_all_that_is_wrong_is_told_beside_it() {
    let mut world = typing(Setup::laptop(5));
    world.set_up(1, false);
    world.run(ms(2000));
    world.change(0, |q| q.silent = true);
    world.run(ms(7500));
    let told = notice(&world).unwrap();
    // What is wrong stands beside it whole, or not at all.
    assert_eq!(told, "Last contact 7 seconds ago. [To quit: Ctrl-^ .]");
    world.type_text("\x1ep");
    world.run(ms(20));
    assert_eq!(row(&world, 4), "  wlan0 lost 7 s, wwan0 down");
}

/// Types a key whose way there is dead (`up`), or back; gives what is told in each of the seconds after.
fn told_of_one_way(dialect: DialectName, up: bool) -> Vec<Option<String>> {
    let mut world = typing(Setup::single(8, Quality::millis(40)).speaking(dialect));
    world.change_direction(0, up, |q| q.silent = true);
    world.type_text("x");
    let each_second = |_| {
        world.run(ms(1000));
        notice(&world)
    };
    (1..=15).map(each_second).collect()
}

#[test]
fn where_nothing_arrives_it_is_contact_that_is_lost_in_every_dialect() {
    for dialect in [DialectName::Multipath, DialectName::Mosh] {
        let told = told_of_one_way(dialect, false);
        assert!(told[..5].iter().all(|text| text.is_none()), "{dialect:?}: {told:?}");
        let told = told[8].clone().unwrap_or_default();
        assert!(told.starts_with("Last contact "), "{dialect:?}: {told:?}");
        assert!(told.contains(" seconds ago. [To quit: Ctrl-^ .]"), "{dialect:?}: {told:?}");
    }
}

#[test]
fn where_the_server_is_heard_and_does_not_hear_it_is_the_reply() {
    for dialect in [DialectName::Multipath, DialectName::Mosh] {
        let told = told_of_one_way(dialect, true);
        assert!(told[..9].iter().all(|text| text.is_none()), "{dialect:?}: {told:?}");
        let told = told[11].clone().unwrap_or_default();
        // What was on its way was acknowledged still.
        let counted = ["Last reply 11 seconds ago.", "Last reply 12 seconds ago."];
        assert!(counted.iter().any(|text| told.starts_with(text)), "{dialect:?}: {told:?}");
    }
}

#[test]
fn the_overlay_follows_while_it_is_shown_and_wakes_nobody_when_it_is_not() {
    let mut world = typing(Setup::laptop(6));
    world.run(ms(60_000));
    // Nobody types any more: what wakes the client is the overlay, if it is shown.
    let woken_by = |world: &World| {
        world.client.as_ref().and_then(|client| client.poll_timeout(world.now())).map(|(_, reason)| reason)
    };
    assert_ne!(woken_by(&world), Some(sync::Wake::Own("overlays")));
    world.type_key(0x1e);
    world.type_key(b'p');
    world.run(ms(20));
    assert!(row(&world, 1).contains("interface") && row(&world, 1).contains("RTT"), "{:?}", row(&world, 1));
    assert!(row(&world, 2).starts_with("*  wlan0      answering 1 min"), "{:?}", row(&world, 2));
    assert!(row(&world, 3).starts_with("   wwan0      answering 1 min"), "{:?}", row(&world, 3));
    world.set_up(0, false);
    world.run(ms(2100));
    assert!(row(&world, 2).starts_with("*  wwan0"), "what is closed goes last: {:?}", row(&world, 2));
    assert!(row(&world, 3).contains("wlan0") && row(&world, 3).contains("down 2 s"), "{:?}", row(&world, 3));
    assert_eq!(row(&world, 4), "  wlan0 down, on wwan0");
    world.type_key(0x1e);
    world.type_key(b'p');
    world.run(ms(20));
    assert!(!row(&world, 1).contains("interface"));
    world.run(ms(30_000));
    assert_ne!(woken_by(&world), Some(sync::Wake::Own("overlays")));
}
