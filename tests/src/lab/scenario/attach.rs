//! Coming back to a session whose client has died, and looking at what is there.

use std::time::Duration;

use super::{PATIENCE, finish_line};
use crate::lab::{Console, LabError, Laptop, Namespace, Subject, USER, clock};

/// What stands on the screen of the session, and nowhere else.
const SIGN: &str = "Ψ";

/// How long a session may take to be there.
const LOGIN: Duration = Duration::from_secs(20);

/// How a session that stays is begun, come back to, and listed, on `USER@server`.
struct Words {
    begin: Vec<&'static str>,
    again: Vec<&'static str>,
    list: Vec<&'static str>,
}

/// The words for this subject; `None` where sessions end with their client.
fn words(subject: &Subject) -> Option<Words> {
    match subject.program {
        "mpmosh" => Some(Words {
            begin: vec!["--session", "work", HOST],
            again: vec!["attach", "--take", HOST, "work"],
            list: vec!["sessions", HOST],
        }),
        // The usual way.
        "ssh" => Some(Words {
            begin: vec!["-tt", HOST, "tmux -L lab new-session -s work"],
            again: vec!["-tt", HOST, "tmux -L lab attach-session -d -t work"],
            list: vec![HOST, "tmux -L lab list-sessions"],
        }),
        _ => None,
    }
}

const HOST: &str = "lab@server";

/// A command line of the subject's program.
fn command(subject: &Subject, client: &Namespace, words: &[&str]) -> std::process::Command {
    let mut command = client.command(subject.program);
    command.args(words).envs(subject.environment.iter().map(|(name, value)| (*name, value.as_str())));
    command
}

/// From the command line to the screen of a session whose client was killed, so many times.
///
/// # Errors
/// When a session does not come up, or what stood on its screen does not.
pub fn come_back(
    laptop: &Laptop,
    subject: &Subject,
    times: usize,
) -> Result<Option<Vec<Duration>>, LabError> {
    assert!(HOST.starts_with(USER), "the user of the lab");
    let Some(words) = words(subject) else { return Ok(None) };
    subject.prepare(&laptop.lab)?;
    let console = Console::start_sized(command(subject, &laptop.client, &words.begin), 24, 80)?;
    console.wait_for("ready>", LOGIN)?;
    finish_line(&console, SIGN, "clear", "", PATIENCE)?;
    drop(console);
    laptop.client.end_processes();
    let mut taken = Vec::new();
    for _ in 0..times {
        let start = clock::now();
        let console = Console::start_sized(command(subject, &laptop.client, &words.again), 24, 80)?;
        let shown = console.wait_for(SIGN, LOGIN)?;
        taken.push(shown.saturating_sub(start));
        // It dies as it did before, and takes leave of nobody.
        drop(console);
        laptop.client.end_processes();
    }
    Ok(Some(taken))
}

/// How long it takes to list the sessions that are there, so many times.
///
/// # Errors
/// When the program does not run, or fails.
pub fn list(laptop: &Laptop, subject: &Subject, times: usize) -> Result<Option<Vec<Duration>>, LabError> {
    let Some(words) = words(subject) else { return Ok(None) };
    let mut taken = Vec::new();
    for _ in 0..times {
        let start = clock::now();
        let output = command(subject, &laptop.client, &words.list).output();
        let output = output.map_err(|error| LabError::new(format!("{}: {error}", subject.program)))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(LabError::new(format!("listing sessions: {said}")));
        }
        taken.push(clock::now().saturating_sub(start));
    }
    Ok(Some(taken))
}
