//! What a person does at a shell who does not wait for it: stops a flood, and types line after line without a pause.

use std::time::Duration;

use super::super::{Console, LabError, clock};
use super::PATIENCE;

/// Ctrl-C under `yes`: from the key to the prompt, at a shell whose prompt is `ready> `.
///
/// # Errors
/// When the flood does not begin, or does not end within a minute.
pub fn stop_flood(console: &Console) -> Result<Duration, LabError> {
    let mark = console.mark();
    console.send("clear; yes $(printf '\\316\\233')\r")?;
    console.wait_for_after(mark, "Λ", PATIENCE)?;
    // The flood has filled what there is of queues.
    clock::sleep(Duration::from_secs(1));
    let (mark, pressed) = (console.mark(), clock::now());
    console.send("\x03")?;
    let stopped = console.wait_for_after(mark, "ready>", Duration::from_secs(60))?;
    Ok(stopped.saturating_sub(pressed))
}

/// How many keys a line has that counts, and how many lines there are.
const LENGTH: usize = 6;
const LINES: usize = 8;

/// Types lines at a shell, ten keys a second, Return included, and gives how long each took to be on the screen, but
/// for the first line's.
///
/// # Errors
/// When the terminal is gone, or a key never appears.
pub fn type_lines(console: &Console) -> Result<Vec<Duration>, LabError> {
    // Letters that nothing else holds, each typed once.
    let mut letters = ('А'..='я').map(String::from);
    let (mut due, mut keys) = (clock::now(), Vec::new());
    for line in 0..LINES {
        let counted = letters.by_ref().take(LENGTH).map(|letter| (letter, line > 0));
        let command = [":", " "].map(|key| (key.to_owned(), false));
        for (key, counts) in command.into_iter().chain(counted).chain([("\r".to_owned(), false)]) {
            clock::sleep_until(due);
            due += super::INTERVAL;
            let (mark, sent) = (console.mark(), clock::now());
            console.send(&key)?;
            if counts {
                keys.push((key, mark, sent));
            }
        }
    }
    let shown = |(key, mark, sent): (String, usize, Duration)| {
        Ok(console.wait_for_after(mark, &key, PATIENCE)?.saturating_sub(sent))
    };
    keys.into_iter().map(shown).collect()
}
