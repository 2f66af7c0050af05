//! `mpmosh`: see mpmosh(1).

use std::io::{IsTerminal, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::thread;

use mpmosh_client::args::{self, Invocation, SessionArgs, Target};
use mpmosh_client::bootstrap::{self, Announced, Request, TerminalDialogue};
use mpmosh_client::config::{self, Config};
use mpmosh_client::messages::Paragraph;
use mpmosh_client::plan::SessionPlan;
use mpmosh_client::{draw, event_loop, logging, plot};

/// The status of our own failures, as ssh's.
const FAILED: u8 = 255;

fn main() -> ExitCode {
    let outcome = match args::parse(std::env::args_os()) {
        Ok(Invocation::Session(args)) => session(&args),
        Ok(Invocation::Plot { trace, output }) => plot::run(&trace, &output).map(|()| 0),
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { FAILED } else { 0 });
        }
    };
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(paragraph) => {
            let _ = writeln!(std::io::stderr(), "{paragraph}");
            ExitCode::from(FAILED)
        }
    }
}

fn session(args: &SessionArgs) -> Result<u8, Paragraph> {
    let variable = |name: &str| std::env::var(name).ok();
    let host = match &args.target {
        Target::Local => None,
        Target::Remote(destination) => Some(destination.host.as_str()),
    };
    let file = config::default_file(variable);
    let config = config::load(host, file.as_deref(), variables(), &args.given)?;
    let streams = !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal());
    start_log(&config, !streams)?;

    let request = Request::new(args, &config, variable, draw::colours(), streams)?;
    let verbose = args.verbose;
    // Passwords and the key pass over this thread's stack, which ends with it.
    let announced =
        thread::spawn(move || bootstrap::run(&request, &mut TerminalDialogue::new(streams, verbose)))
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    if let Some(client) = &config.client {
        return Err(run_client(client, &announced));
    }
    let plan = SessionPlan {
        dialect: announced.dialect,
        remotes: announced.remotes(),
        hints: announced.hints(),
        key: announced.key,
        settings: config.settings(verbose),
        streams,
    };
    event_loop::run(plan).map_err(|error| {
        Paragraph::new("The session failed.", format!("{error}."), "The server ends by itself in a minute.")
    })
}

/// The environment, as far as it is text.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn start_log(config: &Config, draws: bool) -> Result<(), Paragraph> {
    let started = logging::start(config.log.as_deref(), config.log_level.into(), draws);
    started.map_err(|error| {
        let file = config.log.as_deref().unwrap_or("standard error".as_ref());
        Paragraph::new(
            "The log cannot be written.",
            format!("{}: {error}.", file.display()),
            "Name another file with --log.",
        )
    })
}

/// Runs the user's own client in place of this process; returns only on failure.
fn run_client(client: &std::path::Path, announced: &Announced) -> Paragraph {
    let error = Command::new(client)
        .arg(announced.reached.ip().to_string())
        .arg(announced.port.to_string())
        .env("MOSH_KEY", announced.key.expose())
        .exec();
    Paragraph::new(
        format!("The client {} could not be run.", client.display()),
        format!("The system says: {error}."),
        "Leave --client out to carry the session in this process.",
    )
}
