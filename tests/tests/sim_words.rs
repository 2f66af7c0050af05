//! What the user is told of the paths, in virtual time: to the second.

use mpmosh_client::plan::DialectName;
use mpmosh_tests::sim::{Quality, Setup, World, ms};

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
        assert_eq!(told, format!("Nothing received from server on UDP port 0{over}."));
        (0..uplinks).for_each(|uplink| world.change(uplink, |q| q.silent = false));
        world.run(ms(3000));
        assert_eq!(notice(&world), None);
    }
}

#[test]
fn an_uplink_that_fell_silent_is_told_from_the_third_second_to_the_fifteenth() {
    let mut setup = Setup::laptop(1);
    setup.uplinks[1].metered = true;
    let mut world = typing(setup);
    assert_eq!(notice(&world), None);
    world.change(0, |q| q.silent = true);
    world.run(ms(3000));
    assert_eq!(notice(&world), None, "it may come back");
    world.run(ms(600));
    assert_eq!(notice(&world).unwrap(), "wlan0 silent 3 s, on wwan0 (metered)");
    world.run(ms(1000));
    assert_eq!(notice(&world).unwrap(), "wlan0 silent 4 s, on wwan0 (metered)");
    world.run(ms(9900));
    assert_eq!(notice(&world).unwrap(), "wlan0 silent 14 s, on wwan0 (metered)");
    world.run(ms(1000));
    assert_eq!(notice(&world), None, "the line is the program's again");
}

#[test]
fn an_uplink_that_answers_again_is_no_news() {
    let mut world = typing(Setup::laptop(2));
    world.change(0, |q| q.silent = true);
    world.run(ms(5000));
    assert!(notice(&world).is_some());
    world.change(0, |q| q.silent = false);
    world.run(ms(2500));
    assert_eq!(notice(&world), None);
}

#[test]
fn an_interface_that_went_is_down_and_a_standby_s_silence_is_not_told() {
    let mut world = typing(Setup::laptop(3));
    world.set_up(0, false);
    world.run(ms(3500));
    assert_eq!(notice(&world).unwrap(), "wlan0 down, on wwan0");
    let mut world = typing(Setup::laptop(4));
    world.change(1, |q| q.silent = true);
    world.run(ms(5000));
    assert_eq!(notice(&world), None);
}

#[test]
fn when_nothing_is_heard_all_that_is_wrong_is_told_beside_it() {
    let mut world = typing(Setup::laptop(5));
    world.set_up(1, false);
    world.run(ms(2000));
    world.change(0, |q| q.silent = true);
    world.run(ms(7500));
    let told = notice(&world).unwrap();
    // Cut at the terminal's 80 columns.
    assert_eq!(told, "Last contact 7 seconds ago. [To quit: Ctrl-^ .] wlan0 silent 7 s, wwan0");
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
    assert_ne!(woken_by(&world), Some("overlays"));
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
    assert_ne!(woken_by(&world), Some("overlays"));
}
