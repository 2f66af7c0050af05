//! `mpmosh-server`: see mpmosh-server(1).

use mpmosh_server::spawn::logind::{self, Announcer};
use mpmosh_server::{args, carry, spawn, verbs};
use platform::files::{Purpose, open_own};
use platform::rehearsal;
use platform::words::without_numbers;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(status) = carry::if_become() {
        return status;
    }
    if let Err(wanting) = rehearsal::stack() {
        let _ = writeln!(std::io::stderr(), "mpmosh-server: {wanting}.");
        return ExitCode::FAILURE;
    }
    let words = spawn::modern(std::env::args_os().collect());
    match args::parse_verb(&words) {
        None => {}
        Some(Ok(verb)) => return verbs::run(verb),
        Some(Err(error)) => {
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    }
    let invocation = match args::parse(words.clone()) {
        Ok(invocation) => invocation,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    let (notice, failed) = match logind::move_out(&words) {
        Announcer::Here { notice, failed } => (notice, failed),
        Announcer::Elsewhere(status) => return status,
    };
    for word in &invocation.unknown {
        let word: String = word.chars().filter(|c| !c.is_control()).collect();
        let _ = writeln!(std::io::stderr(), "mpmosh-server: the option {word} is not known here; ignored.");
    }
    if let Err(message) = start_log(&invocation.arguments) {
        let _ = writeln!(std::io::stderr(), "mpmosh-server: {}", without_numbers(&message));
        return failed;
    }
    match spawn::run(invocation.arguments, notice.as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        // It has been said where the announcement would be.
        Err(spawn::Error::Refused(_)) => failed,
        Err(error) => {
            log::error!("{error}");
            let told = without_numbers(&error.to_string());
            let _ = writeln!(std::io::stderr(), "mpmosh-server: {told}");
            failed
        }
    }
}

/// The log goes to a file of the user's alone, or with `-v` to standard error; else nowhere.
fn start_log(arguments: &args::Arguments) -> Result<(), String> {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(match arguments.verbose {
        0 => arguments.log_level,
        1 => log::LevelFilter::Debug,
        _ => log::LevelFilter::Trace,
    });
    match (&arguments.log, arguments.verbose) {
        (Some(path), _) => {
            let file = open_own(path, Purpose::Append);
            let refused =
                |error: std::io::Error| format!("the log {} cannot be written: {error}", path.display());
            let file = file.map_err(refused)?;
            builder.target(env_logger::Target::Pipe(Box::new(file)));
        }
        (None, 0) => return Ok(()),
        (None, _) => {}
    }
    builder.try_init().map_err(|error| error.to_string())
}
