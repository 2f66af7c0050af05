//! Things that happen to a laptop while someone types, told once as lists and played with any [`Subject`].

pub mod attach;
pub mod carried;
pub mod cost;
mod event;
pub mod frugal;
mod outcome;
mod timeline;
mod typing;

use std::time::Duration;

pub use self::event::{Act, Event, INTERVAL, Way, Which};
pub use self::outcome::{Outcome, report};
pub use self::timeline::{Timeline, play_timeline};
pub use self::typing::{stop_flood, type_lines};

use self::event::Stage;
use super::{Console, Lab, LabError, Laptop, Namespace, Subject, USER, clock};

/// How long a person looks at a screen on which nothing appears before they call it hung.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The whole of it: a fresh laptop, a session, calm, the event, and what the keys said.
///
/// # Errors
/// When the lab cannot run, or the session does not come up.
pub fn run(subject: &Subject, event: &Event) -> Result<Outcome, LabError> {
    let mut laptop = Laptop::with_sshd(event.options())?;
    let mut stage = Stage::new(&mut laptop, subject);
    event.before.iter().try_for_each(|act| stage.perform(*act))?;
    let (console, _) = connect(&laptop.lab, &laptop.client, subject)?;
    echo_keys(&console)?;
    let outcome = play(&mut laptop, &console, subject, event)?;
    report(&outcome);
    Ok(outcome)
}

/// Opens a session of `subject` from the client to the server and waits for its prompt. Gives the console and the
/// time from start to prompt.
///
/// # Errors
/// When no prompt appears within 20 s: with what was on the terminal.
pub fn connect(lab: &Lab, client: &Namespace, subject: &Subject) -> Result<(Console, Duration), LabError> {
    subject.prepare(lab)?;
    let start = clock::now();
    let console = Console::start(subject.command(client, &format!("{USER}@server")))?;
    let prompt = console.wait_for("ready>", Duration::from_secs(20))?;
    Ok((console, prompt.saturating_sub(start)))
}

/// Turns a session's shell into something that echoes keys and nothing else, until Ctrl-C.
///
/// # Errors
/// When the shell does not answer.
pub fn echo_keys(console: &Console) -> Result<(), LabError> {
    finish_line(console, "Ω", "", "; cat > /dev/null", Duration::from_secs(5))?;
    // Let the frame that shows the new line settle, so that the first key is a key like the others.
    clock::sleep(Duration::from_millis(300));
    Ok(())
}

/// Types a shell command and then one that prints `sign`, and waits until it is on the screen. A sign is a single
/// letter that is nowhere on the screen yet: of a word, a frugal program draws only what differs from what stood
/// there before.
///
/// # Errors
/// When the sign does not appear within `patience`.
pub fn finish_line(
    console: &Console,
    sign: &str,
    command: &str,
    after: &str,
    patience: Duration,
) -> Result<Duration, LabError> {
    let octal: String = sign.bytes().map(|byte| format!("\\{byte:03o}")).collect();
    let mark = console.mark();
    let separator = if command.is_empty() { "" } else { "; " };
    console.send(format!("{command}{separator}printf '{octal}\\n'{after}\r"))?;
    console.wait_for_after(mark, sign, patience)
}

/// Types on an open, echoing session while `event` happens to the laptop.
///
/// # Errors
/// When the terminal is gone or the network cannot be changed.
pub fn play(
    laptop: &mut Laptop,
    console: &Console,
    subject: &Subject,
    event: &Event,
) -> Result<Outcome, LabError> {
    let mut stage = Stage::new(laptop, subject);
    let (mut happened, mut healed) = (None, None);
    let keys = console.type_keys(event.keys, INTERVAL, PATIENCE, |number| {
        for (_, act) in event.acts.iter().filter(|(key, _)| *key == number) {
            // What comes after a pause is what happens.
            if !matches!(act, Act::Wait(_)) {
                happened.get_or_insert_with(clock::now);
            }
            stage.perform(*act)?;
        }
        if event.healing == Some(number) {
            healed = Some(clock::now());
        }
        Ok(())
    })?;
    let happened = happened.unwrap_or(Duration::MAX);
    Ok(Outcome { subject: subject.name, event: event.name, keys, happened, healed })
}
