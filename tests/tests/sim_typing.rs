//! Which keys a typist sees at once who does not pause at Return: ten a second over a round trip of 200 ms, in virtual
//! time, against a shell with a prompt. A key that is shown when its echo comes, and no sooner, was not guessed.

use mpmosh_client::plan::PredictMode;
use mpmosh_tests::sim::{Quality, Setup, Shell, World};
use std::time::Duration;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const INTERVAL: Duration = ms(100);

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
                if key.shown.is_none() && has(&world.display()) {
                    key.shown = Some(since);
                }
                let told = world.client.as_ref().and_then(|client| client.screen());
                if key.echoed.is_none() && told.is_some_and(has) {
                    key.echoed = Some(since);
                }
            }
            world.run(INTERVAL / 10);
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

fn late(keys: &[Key]) -> Vec<&Key> {
    keys.iter().filter(|key| key.line > 0 && key.shown >= key.echoed).collect()
}

#[test]
fn measure() {
    for mode in [PredictMode::Adaptive, PredictMode::Always, PredictMode::Experimental, PredictMode::Never] {
        for shell in [Shell::new()] {
            let keys = type_lines(mode, shell, 8, 8);
            let late = late(&keys).len();
            let lags: Vec<_> = keys.iter().map(|key| key.shown.map(|lag| lag.as_millis())).collect();
            println!("{mode:?} late {late}");
            for line in lags.chunks(8) { println!("   {line:?}"); }
        }
    }
}
