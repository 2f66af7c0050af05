//! `mpmosh`: see mpmosh(1).

use core::net::SocketAddr;
use std::io::{IsTerminal, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use figment::value::Dict;
use mpmosh_client::bootstrap::{self, Announced, Courier, Request, TerminalDialogue};
use mpmosh_client::cli::args::{self, Invocation, SessionArgs, Target, Want};
use mpmosh_client::cli::config::{self, Config};
use mpmosh_client::cli::logging;
use mpmosh_client::cli::options::{Kind, OPTIONS};
use mpmosh_client::cli::plan::SessionPlan;
use mpmosh_client::cli::words::{CarrierMode, Dialect};
use mpmosh_client::commands::{doctor, paths, plot, sessions};
use mpmosh_client::run::Ended;
use mpmosh_client::run::{self, draw};
use mpmosh_client::text::messages::{self, Paragraph};
use platform::rehearsal::on_enough_stack;
use platform::twin::{self, End};
use platform::words::words;

/// The status of our own failures, as ssh's.
const FAILED: u8 = 255;

/// How long a server has for its first word where another one can be tried: some round trips of a satellite, and the
/// repetition of what was lost.
const FIRST_SERVER: Duration = Duration::from_secs(4);

fn main() -> ExitCode {
    platform::login::forbid_core_dumps();
    on_enough_stack(run).unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "mpmosh: no stack can be had: {}.", words(&error));
        ExitCode::from(FAILED)
    })
}

fn run() -> ExitCode {
    let outcome = match args::parse(std::env::args_os()) {
        Ok(Invocation::Session(args) | Invocation::Attach(args)) => session(&args),
        Ok(Invocation::Plot { trace, output }) => plot::run(&trace, &output).map(|()| 0),
        Ok(Invocation::Paths(request)) => paths::run(&request),
        Ok(Invocation::Doctor(args)) => examine(&args),
        Ok(Invocation::Sessions(args, json)) => about_sessions(&args, &sessions::Errand::List { json }),
        Ok(Invocation::Detach(args, which)) => about_sessions(&args, &sessions::Errand::Detach(which)),
        Ok(Invocation::Kill(args, which)) => about_sessions(&args, &sessions::Errand::Kill(which)),
        Ok(Invocation::Dial(args)) => dial(&args),
        Ok(Invocation::ConfigShow { host, given }) => show_config(host.as_deref(), &given),
        Err(error) => {
            messages::print_usage(&error);
            return ExitCode::from(if error.use_stderr() { FAILED } else { 0 });
        }
    };
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(paragraph) => {
            paragraph.tell();
            ExitCode::from(FAILED)
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The host as typed, and the configuration for it.
fn configuration(args: &SessionArgs) -> Result<(Option<&str>, Config), Paragraph> {
    let host = match &args.target {
        Target::Local => None,
        Target::Remote(destination) => Some(destination.host.as_str()),
    };
    let file = config::default_file(variable);
    Ok((host, config::load(host, file.as_deref(), variables(), &args.given)?))
}

fn examine(args: &SessionArgs) -> Result<u8, Paragraph> {
    run::rehearse()?;
    let (_, config) = configuration(args)?;
    start_log(&config, false)?;
    doctor::run(args, &config, &variable)
}

fn about_sessions(args: &SessionArgs, errand: &sessions::Errand) -> Result<u8, Paragraph> {
    let (_, config) = configuration(args)?;
    start_log(&config, false)?;
    sessions::run(args, &config, errand)
}

/// What ssh runs in place of its own connecting.
fn dial(args: &args::DialArgs) -> Result<u8, Paragraph> {
    match bootstrap::dial::run(args, &mut TerminalDialogue::new(true, 0)) {
        Ok(()) => Ok(0),
        Err(_) if args.quiet => Ok(FAILED),
        Err(error) => Err(error.into()),
    }
}

fn show_config(host: Option<&str>, given: &Dict) -> Result<u8, Paragraph> {
    let file = config::default_file(variable);
    let settings = config::show(host, file.as_deref(), variables(), given)?;
    // A reader who has enough is no failure.
    let _ = std::io::stdout().write_all(config::file_of(&settings).as_bytes());
    Ok(0)
}

fn session(args: &SessionArgs) -> Result<u8, Paragraph> {
    let (host, mut config) = configuration(args)?;
    // A stock client speaks stock's dialect alone.
    let stock = config.client.as_deref().and_then(Path::file_name).is_some_and(|name| name == "mosh-client");
    if stock && config.dialect == Dialect::Auto {
        config.dialect = Dialect::Mosh;
    }
    let (types, sees) = (std::io::stdin().is_terminal(), std::io::stdout().is_terminal());
    let streams = !(types && sees);
    if streams && args.want.is_kept() {
        return Err(unattachable(&args.want));
    }
    if let (true, false, Some(client)) = (args.want.is_kept(), stock, &config.client) {
        return Err(ends_with_it(client));
    }
    if types && !sees && args.command.is_empty() {
        return Err(blind());
    }
    start_log(&config, !streams)?;

    run::rehearse()?;
    tell_slips(args);
    let size = match streams {
        true => None,
        false => Some(screen(&config)?),
    };

    let mut request = Request::new(args, &config, variable, draw::colours(), size);
    let verbose = args.verbose;
    let (announced, mut courier) = match args.target {
        Target::Local => (here(request, streams, verbose, &args.target)?, None),
        Target::Remote(_) => {
            request.server.carry = config.carrier != CarrierMode::Never && config.client.is_none();
            request.keeps = true;
            let target = args.target.clone();
            let mut courier = Courier::start(request, target, streams, verbose).map_err(no_courier)?;
            match courier.announced() {
                Ok(announced) => (announced, Some(courier)),
                Err(end) => return Ok(ended_as(end)),
            }
        }
    };
    if let Some(client) = &config.client {
        return Err(run_client(client, &announced, &config));
    }
    let ssh_host = match &args.target {
        Target::Local => None,
        Target::Remote(destination) => Some(destination.as_ssh_takes_it()),
    };
    let has_command = !args.command.is_empty();
    let way = args.way();
    let plan = |announced: Announced| {
        let mut remotes = announced.remotes();
        // Given by the user: as good as announced.
        remotes.extend(config.address.iter().map(|ip| SocketAddr::new(*ip, announced.port)));
        SessionPlan {
            label: host.unwrap_or("local").to_owned(),
            ssh_host: ssh_host.clone(),
            way: way.clone(),
            session: announced.session.clone(),
            dialect: announced.dialect,
            remotes,
            hints: announced.hints(),
            through: announced.through,
            lookup: announced.name,
            key: announced.key,
            settings: config.settings(verbose),
            process: announced.process,
            command: has_command,
            streams,
            told: size,
        }
    };
    let has_second = courier.as_ref().is_some_and(Courier::has_second);
    let patience = has_second.then_some(FIRST_SERVER);
    let paragraph = match run::try_run(&plan(announced), &mut courier, patience)? {
        Ended::Status(status) => return Ok(status),
        Ended::Unheard(paragraph) => *paragraph,
    };
    match courier.as_mut().filter(|_| has_second).map(Courier::start_second) {
        Some(Ok(announced)) => run::run(&plan(announced), &mut courier),
        _ => Err(paragraph),
    }
}

/// Starts the server on this machine.
fn here(request: Request, streams: bool, verbose: u8, target: &Target) -> Result<Announced, Paragraph> {
    let starts = move || bootstrap::run(&request, &mut TerminalDialogue::new(streams, verbose));
    // The key passes over this thread's stack, which ends with it.
    let started = thread::spawn(starts).join().unwrap_or(Err(bootstrap::Error::Panicked));
    started.map(|(announced, _)| announced).map_err(|error| bootstrap::told(error, target))
}

/// Ends as the process that spoke with the user: by the same signal, or with the same status.
fn ended_as(end: End) -> u8 {
    match end {
        End::Status(status) => status,
        End::Signal(signal) => {
            twin::end_alike(signal);
            FAILED
        }
    }
}

fn no_courier(error: std::io::Error) -> Paragraph {
    Paragraph::new(
        "Another process cannot be started.",
        format!("The system says: {}.", words(&error)),
        "End other programs, or raise the limit that “ulimit -u” shows.",
    )
}

/// Tells of words that are right and yet can mean nothing here.
fn tell_slips(args: &SessionArgs) {
    for (name, meant) in config::mistyped(variables()) {
        messages::notice(&format!("mpmosh: the variable {name} is no setting; did you mean {meant}?"));
    }
    let here: Vec<String> =
        platform::interfaces::list().into_iter().map(|interface| interface.name).collect();
    for option in OPTIONS.iter().filter(|option| option.kind == Kind::Interfaces).map(|option| option.name) {
        let named = args.given.get(option).and_then(|value| value.as_array()).unwrap_or_default();
        for name in named
            .iter()
            .filter_map(|name| name.as_str())
            .filter(|name| !here.iter().any(|known| known == name))
        {
            let name = mpmosh_client::text::sanitize::one_line(name, 40);
            messages::notice(&format!(
                "mpmosh: --{option} names {name}, and this machine has no such interface now; there are {}",
                here.join(", ")
            ));
        }
    }
}

/// Someone types at a shell that has no terminal to show its prompt or their typing on.
fn blind() -> Paragraph {
    Paragraph::new(
        "A login shell would be invisible here.",
        "Standard input is a terminal and standard output is none, so that neither its prompt nor your typing would show.",
        "Name a command (mpmosh HOST -- COMMAND | …), give the shell its input from a file or a pipe, or leave its output to          the terminal.",
    )
}

/// What a drop-in for stock's client is told of a session is its key: it ends what it carries.
fn ends_with_it(client: &Path) -> Paragraph {
    Paragraph::new(
        format!("{} cannot carry a session that is to outlive it.", client.display()),
        "A client that --client names knows a session's key and nothing else: it would end the session with itself.",
        "Leave --client out (or “client” in the configuration) to attach.",
    )
}

/// A session that outlives its client is one of a terminal.
fn unattachable(want: &Want) -> Paragraph {
    let what = match want {
        Want::Attach { .. } => "Only a terminal can be attached to a session.",
        Want::New { .. } => "A session with a name needs a terminal.",
    };
    Paragraph::new(
        what,
        "Standard input or output here is none.",
        "Run it from a terminal; a script can run a command of its own (mpmosh HOST -- COMMAND), or list sessions with “mpmosh sessions HOST --json”.",
    )
}

/// The size of the user's terminal, once it is known that a session can be drawn on it: a server that nobody can use
/// should not be started.
fn screen(config: &Config) -> Result<(u16, u16), Paragraph> {
    draw::UserTerminal::from_environment(config.no_init)?;
    let size = platform::tty::size(std::io::stdin()).unwrap_or(platform::tty::Size::DEFAULT);
    Ok((size.columns, size.rows))
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
            format!("{}: {}.", file.display(), words(&error)),
            "Name another file with --log.",
        )
    })
}

/// Runs the user's own client in place of this process; returns only on failure.
fn run_client(client: &Path, announced: &Announced, config: &Config) -> Paragraph {
    let mut command = Command::new(client);
    command.env("MOSH_PREDICTION_DISPLAY", config.predict.as_str());
    if config.predict_overwrite {
        command.env("MOSH_PREDICTION_OVERWRITE", "yes");
    }
    if config.no_init {
        command.env("MOSH_NO_TERM_INIT", "1");
    }
    let error = command
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
