//! Which keys a typist sees at once who does not pause at Return: ten a second over a round trip of 200 ms, in virtual
//! time, against a shell with a prompt. A key that is shown when its echo comes, and no sooner, was not guessed.

use mpmosh_client::cli::words::PredictMode;
use mpmosh_tests::sim::{Quality, Setup, Shell, World};
use std::time::Duration;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const INTERVAL: Duration = ms(100);
const ROUND_TRIP: Duration = ms(200);
/// So long may a frame take to be drawn: what a program writes is collected for a moment. Also how finely is looked.
const FRAME: Duration = ms(10);

/// A key that was typed, how long it took to reach the screen, and how long its echo took to reach the client.
#[derive(Clone, Copy, Debug)]
struct Key {
    line: usize,
    place: usize,
    shown: Option<Duration>,
    echoed: Option<Duration>,
}

/// Types lines of letters that all differ, and Return after each; gives every letter's times.
fn type_lines(mode: PredictMode, shell: Shell, lines: usize, length: usize) -> Vec<Key> {
    let mut setup = Setup::single(7, Quality::millis(100));
    setup.application = Box::new(shell);
    setup.predict = mode;
    let mut world = World::new(setup);
    world.run(ms(2000));
    let mut letters = ('А'..='я').chain('ぁ'..='ゖ').map(String::from);
    let mut typed: Vec<(String, net::Instant, Key)> = Vec::new();
    let mut type_one = |world: &mut World, text: &str, place: Option<(usize, usize)>| {
        world.type_text(text);
        if let Some((line, place)) = place {
            let key = Key { line, place, shown: None, echoed: None };
            typed.push((text.to_owned(), world.now(), key));
        }
        for _ in 0..10 {
            for (letter, at, key) in &mut typed {
                let since = world.now().since(*at);
                let has = |screen: &terminal::Screen| {
                    screen.rows().any(|row| row.cells().iter().any(|cell| cell.text() == letter.as_str()))
                };
                if key.shown.is_none() && has(world.display()) {
                    key.shown = Some(since);
                }
                let told = world.client.as_ref().and_then(|client| client.screen());
                if key.echoed.is_none() && told.is_some_and(has) {
                    key.echoed = Some(since);
                }
            }
            world.run(FRAME);
        }
    };
    for line in 0..lines {
        for place in 0..length {
            let letter = letters.next().expect("a letter");
            type_one(&mut world, &letter, Some((line, place)));
        }
        type_one(&mut world, "\r", None);
    }
    for _ in 0..10 {
        type_one(&mut world, "", None);
    }
    typed.into_iter().map(|(_, _, key)| key).collect()
}

/// The keys of each line after the first that were shown no sooner than their echo came: it is they that prove that
/// what is typed there is echoed.
fn late(keys: &[Key], line: usize) -> Vec<usize> {
    let of_line = keys.iter().filter(|key| key.line == line);
    of_line.filter(|key| key.shown >= key.echoed).map(|key| key.place).collect()
}

const LINES: usize = 8;
const LENGTH: usize = 8;

#[test]
fn in_a_line_begun_without_a_pause_the_first_key_alone_waits_for_its_echo() {
    for mode in [PredictMode::Adaptive, PredictMode::Always] {
        let keys = type_lines(mode, Shell::new(), LINES, LENGTH);
        for line in 1..LINES {
            assert_eq!(late(&keys, line), [0], "{mode:?}, line {line}: {keys:?}");
        }
        for key in &keys {
            let waited = (ROUND_TRIP + FRAME).saturating_sub(INTERVAL * key.place as u32);
            assert!(key.shown <= Some(waited), "{mode:?}: {key:?} waited for more than the first one's echo");
        }
    }
}

#[test]
fn without_waiting_for_proof_none_does() {
    let keys = type_lines(PredictMode::Experimental, Shell::new(), LINES, LENGTH);
    assert!(keys.iter().all(|key| key.shown == Some(ms(0))), "{keys:?}");
}

#[test]
fn without_guesses_all_do() {
    let keys = type_lines(PredictMode::Never, Shell::new(), LINES, LENGTH);
    assert!(keys.iter().all(|key| key.shown == key.echoed && key.shown >= Some(ROUND_TRIP)), "{keys:?}");
}

/// A key that was typed while the command ran is echoed twice, the second time elsewhere.
#[test]
fn a_command_that_runs_for_a_while_costs_no_more_than_the_keys_typed_meanwhile() {
    for pause in [30, 80, 150, 250] {
        let keys = type_lines(PredictMode::Adaptive, Shell::with_pauses(ms(pause)), LINES, LENGTH);
        let most = 1 + pause.div_ceil(100) as usize;
        for line in 1..LINES {
            let late = late(&keys, line);
            assert!(late.len() <= most, "{pause} ms, line {line}: {late:?} of {keys:?}");
        }
    }
}
