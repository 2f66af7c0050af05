//! `mpmosh-client`: see mpmosh-client(1).

use core::net::{IpAddr, SocketAddr};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use figment::value::Dict;
use mpmosh_client::cli::args::{self, ClientInvocation};
use mpmosh_client::cli::plan::{KeyText, ServerProcess, SessionPlan};
use mpmosh_client::cli::{config, logging};
use mpmosh_client::run::{self, draw};
use mpmosh_client::text::messages::{self, Paragraph};
use net::DialectName;
use platform::rehearsal::on_enough_stack;
use platform::words::words;
use zeroize::Zeroizing;

/// The status of failures, as stock mosh-client's.
const FAILED: u8 = 1;

fn main() -> ExitCode {
    platform::login::forbid_core_dumps();
    on_enough_stack(run).unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "mpmosh-client: no stack can be had: {}.", words(&error));
        ExitCode::from(FAILED)
    })
}

fn run() -> ExitCode {
    let outcome = match args::parse_client(std::env::args_os()) {
        Ok(ClientInvocation::Colours) => return print_colours(),
        Ok(ClientInvocation::Join { ip, port, dialect, verbose }) => {
            join(ip, port, dialect.as_deref(), verbose)
        }
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

fn join(ip: IpAddr, port: u16, dialect: Option<&str>, verbose: u8) -> Result<u8, Paragraph> {
    let key = key()?;
    let dialect = fitting(dialect, key.expose().len())?;
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let variable = |name: &str| std::env::var(name).ok();
    let file = config::default_file(variable);
    let config = config::load(None, file.as_deref(), variables, &Dict::new())?;
    let streams = !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal());
    logging::start(config.log.as_deref(), config.log_level.into(), !streams).map_err(|error| {
        let why = format!("{}.", words(&error));
        Paragraph::new("The log cannot be written.", why, "Set MPMOSH_LOG to another file.")
    })?;
    run::rehearse()?;
    let plan = SessionPlan {
        label: ip.to_string(),
        ssh_host: Some(ip.to_string()),
        way: ip.to_string(),
        session: None,
        dialect,
        key,
        remotes: vec![SocketAddr::new(ip, port)],
        hints: Vec::new(),
        through: None,
        lookup: None,
        settings: config.settings(verbose),
        process: ServerProcess::default(),
        command: false,
        streams,
        told: None,
    };
    run::run(&plan, &mut None)
}

/// The dialect that was asked for, or the first whose keys have so many characters: a key of the paper's authors looks like
/// one of stock mosh.
fn fitting(asked: Option<&str>, length: usize) -> Result<DialectName, Paragraph> {
    let all = DialectName::ALL.into_iter();
    let named = all.filter(|name| asked.is_none_or(|asked| name.as_str() == asked));
    let takes = |name: &DialectName| name.key_length() == length;
    named.clone().find(takes).ok_or_else(|| {
        let what = asked.unwrap_or("a key");
        let lengths: Vec<_> = named.map(|name| format!("{} ({name})", name.key_length())).collect();
        Paragraph::new(
            "MOSH_KEY is not a key.",
            format!("It has {length} characters; {what} takes {}.", lengths.join(" or ")),
            "Copy it whole from the line that the server printed.",
        )
    })
}

/// What the wrapper asks before anything else. As stock's: -1 where the terminal has no colours, an error where
/// there is no such terminal.
fn print_colours() -> ExitCode {
    match draw::terminfo_colours() {
        Some(colours) => {
            println!("{colours}");
            ExitCode::SUCCESS
        }
        None => {
            let terminal = std::env::var("TERM").unwrap_or_default();
            let terminal: String = terminal.chars().filter(|c| !c.is_control()).collect();
            let _ =
                writeln!(std::io::stderr(), "mpmosh-client: TERM is {terminal:?}, which is not known here.");
            ExitCode::from(FAILED)
        }
    }
}

/// The key of the environment, which holds it no more.
fn key() -> Result<KeyText, Paragraph> {
    match platform::login::take_variable("MOSH_KEY") {
        Some(text) => Ok(KeyText::new(Zeroizing::new(text))),
        None => Err(Paragraph::new(
            "MOSH_KEY is not set.",
            "It holds the session's key.",
            "Set it to the key that mpmosh-server printed; or use mpmosh, which does all of this.",
        )),
    }
}
