//! The log: to a file only its owner can read, or to standard error; never onto the screen of a session.

use std::io::{self, IsTerminal};
use std::path::Path;

use env_logger::{Builder, Target};
use log::LevelFilter;
use platform::files::{Purpose, open_own};

/// Starts the log. Without a file it goes to standard error, and then only when that is no terminal or nothing of a
/// session will be drawn there: `draws` says that the terminal on standard error will be the session's screen.
///
/// # Errors
/// The file cannot be opened.
pub fn start(file: Option<&Path>, level: LevelFilter, draws: bool) -> io::Result<()> {
    let mut builder = Builder::new();
    builder.filter_level(level).format_timestamp_micros().write_style(env_logger::WriteStyle::Never);
    match file {
        Some(file) => {
            let file = open_own(file, Purpose::Append)?;
            builder.target(Target::Pipe(Box::new(file)));
        }
        None if draws && io::stderr().is_terminal() => return Ok(()),
        None => {
            builder.target(Target::Stderr);
        }
    }
    builder.try_init().map_err(io::Error::other)
}
