//! The command lines of `mpmosh` and `mpmosh-client`: what was typed becomes what will be done.
//!
//! Contract: parsing is pure. It reads nothing but its argument, and what it returns names every setting that was given,
//! under the names of [`crate::cli::options`], so that the configuration can lay it over the environment and the file.

mod client;
mod destination;
mod dial;
mod paths;
mod session;
mod sessions;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser, ValueHint};
use figment::value::Dict;

pub use self::client::{ClientInvocation, client_command, parse_client};
pub use self::destination::Destination;
use self::destination::check_word;
pub use self::dial::DialArgs;
use self::paths::PathsCli;
pub use self::paths::{Form, PathsRequest};
use self::session::{Cli, VERSION, arranged, session_command};
use super::named;
use super::options::{given, nearest, with_words};
use crate::text::sanitize::one_line;

/// What `mpmosh` was asked to do.
#[derive(Debug)]
pub enum Invocation {
    /// Open a session.
    Session(Box<SessionArgs>),
    /// Draw a figure from a trace.
    Plot {
        /// The session's trace, one JSON object per line.
        trace: PathBuf,
        /// Where the figure goes.
        output: PathBuf,
    },
    /// Show the paths of the sessions that run.
    Paths(PathsRequest),
    /// Examine the way to a host.
    Doctor(Box<SessionArgs>),
    /// Make a connection for the user's own ssh.
    Dial(Box<DialArgs>),
    /// List the sessions of a host, as JSON or not.
    Sessions(Box<SessionArgs>, bool),
    /// Return to a session.
    Attach(Box<SessionArgs>),
    /// Take this session away from its client.
    Detach(Box<SessionArgs>, String),
    /// End this session.
    Kill(Box<SessionArgs>, String),
    /// Show the settings in force, for sessions with this host if one was named.
    ConfigShow {
        /// The host as typed.
        host: Option<String>,
        /// The settings given, by configuration key.
        given: Dict,
    },
}

/// A session as asked for on the command line.
#[derive(Debug)]
pub struct SessionArgs {
    /// Where to.
    pub target: Target,
    /// Which session.
    pub want: Want,
    /// The remote command; empty means a login shell.
    pub command: Vec<OsString>,
    /// The settings given, by configuration key.
    pub given: Dict,
    /// What ssh was told.
    pub ssh: SshArgs,
    /// How often `-v` was given.
    pub verbose: u8,
    /// Put our server on the host first; the file or directory to take it from, empty where none was named.
    pub install_server: Option<PathBuf>,
}

impl SessionArgs {
    /// How the same target is named on another command line of `mpmosh`.
    #[must_use]
    pub fn way(&self) -> String {
        sessions::way(self)
    }
}

/// Which session is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// A new one; with a name, the one of that name where it is there already.
    New {
        /// Its name.
        name: Option<String>,
        /// Its client is to lose it.
        take: bool,
    },
    /// One that is there.
    Attach {
        /// Its id or name; `None`: the one without a client.
        which: Option<String>,
        /// Its client is to lose it.
        take: bool,
    },
}

impl Want {
    /// A new session without a name.
    pub const NEW: Self = Self::New { name: None, take: false };

    /// Whether it may be a session that is there already, or is to outlive its client.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        *self != Self::NEW
    }
}

/// Where a session goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This machine, without ssh.
    Local,
    /// Over ssh.
    Remote(Destination),
}

/// What the command line says to ssh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SshArgs {
    /// `-i`.
    pub identities: Vec<PathBuf>,
    /// `-F`.
    pub config: Option<PathBuf>,
    /// `-o Key=Value`.
    pub options: Vec<String>,
    /// `-J`.
    pub jump: Option<String>,
}

/// Draws the paths of a session from its trace.
#[derive(Debug, Parser)]
#[command(name = "mpmosh plot", bin_name = "mpmosh plot", version = VERSION)]
struct PlotCli {
    /// The trace that --trace wrote
    #[arg(value_name = "TRACE")]
    trace: PathBuf,
    /// The figure to write: SVG or PNG, by its name
    #[arg(short = 'o', long, value_name = "FIGURE.svg|png")]
    output: PathBuf,
}

/// Reads the command line of `mpmosh`, program name first.
///
/// # Errors
/// What to print, as clap's error: also for `--help` and `--version`, whose exit code is 0.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Invocation, clap::Error> {
    let words: Vec<OsString> = words.into_iter().collect();
    match words.get(1).and_then(|word| word.to_str()) {
        Some("plot") => {
            let plot = PlotCli::try_parse_from(words.iter().skip(1))?;
            return Ok(Invocation::Plot { trace: plot.trace, output: plot.output });
        }
        Some("paths") => {
            return Ok(Invocation::Paths(PathsCli::try_parse_from(words.iter().skip(1))?.into()));
        }
        Some("doctor") => {
            let usage = "mpmosh doctor [options] [user@]host[:sshport]";
            let words = words.into_iter().skip(2).collect();
            return session(parse_as("mpmosh doctor", doctor_command(), usage, words)?)
                .map(Invocation::Doctor);
        }
        Some("config") => return config_show(words),
        Some("--dial") => return dial::parse(words.into_iter().skip(1)).map(Box::new).map(Invocation::Dial),
        _ => {}
    }
    if let Some(invocation) = sessions::parse(&words) {
        return invocation;
    }
    session(typed(session_command(), arranged(words))?).map(Invocation::Session)
}

/// Reads the words after `config`: `show`, options, and a host or none.
fn config_show(words: Vec<OsString>) -> Result<Invocation, clap::Error> {
    let show = words.get(2).is_some_and(|word| word == "show");
    if !show && !words.get(2).is_some_and(|word| word == "--help" || word == "-h") {
        return Err(usage_error(
            "after “config” comes “show”, and then a host if its settings are asked for",
        ));
    }
    let usage = "mpmosh config show [options] [host]";
    let words = words.into_iter().skip(if show { 3 } else { 2 });
    let (cli, given) = parse_as("mpmosh config", config_command(), usage, words.collect())?;
    let host = match cli.words.as_slice() {
        [] => None,
        [host] => Some(Destination::parse(&host.to_string_lossy()).map_err(usage_error)?.host),
        _ => return Err(usage_error("“config show” takes one host")),
    };
    Ok(Invocation::ConfigShow { host, given })
}

/// Reads a session's words behind a command that takes them, with that command's own help.
fn parse_as(
    name: &'static str,
    own: clap::Command,
    usage: &'static str,
    words: Vec<OsString>,
) -> Result<(Cli, Dict), clap::Error> {
    let mut command = session_command().name(name).bin_name(name).override_usage(usage).after_help("");
    if let Some(about) = own.get_about() {
        command = command.about(about.clone());
    }
    if let Some(help) = own.get_after_help() {
        command = command.after_help(help.clone());
    }
    typed(command, arranged(core::iter::once(name.into()).chain(words).collect()))
}

/// What is typed: the words that are this program's alone, and the options.
fn typed(command: clap::Command, words: Vec<OsString>) -> Result<(Cli, Dict), clap::Error> {
    let matches = command.try_get_matches_from(words)?;
    Ok((Cli::from_arg_matches(&matches)?, given(&matches)))
}

/// Reads the words of a session.
fn session((mut cli, given): (Cli, Dict)) -> Result<Box<SessionArgs>, clap::Error> {
    let (target, command) = target(&mut cli)?;
    if let Some(name) = &cli.session {
        named::check(name).map_err(usage_error)?;
    } else if cli.take {
        return Err(usage_error("--take goes with --session, or with “mpmosh attach”"));
    }
    let want = Want::New { name: cli.session, take: cli.take };
    let ssh =
        SshArgs { identities: cli.identity, config: cli.ssh_config, options: cli.ssh_option, jump: cli.jump };
    let (verbose, install_server) = (cli.verbose, cli.install_server.map(PathBuf::from));
    Ok(Box::new(SessionArgs { target, want, command, given, ssh, verbose, install_server }))
}

/// What may have been meant by a host that does not exist, where its name is nearly a command's.
#[must_use]
pub fn meant(target: &Target) -> Option<String> {
    let Target::Remote(Destination { user: None, host, port: None }) = target else { return None };
    let commands = command();
    let names = commands.get_subcommands().map(clap::Command::get_name).chain(["help", "version"]);
    match nearest(host, names)?.as_str() {
        word @ ("help" | "version") => Some(format!("mpmosh --{word}")),
        word => Some(format!("mpmosh {word}")),
    }
}

/// A definition for manuals and completions: options have their words, and places carry a hint of what completes them.
fn hinted(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| match arg.get_id().as_str() {
        "words" | "jump" => arg.value_hint(ValueHint::Hostname),
        "login" => arg.value_hint(ValueHint::Username),
        "identity" | "ssh_config" => arg.value_hint(ValueHint::FilePath),
        "session" => arg.value_hint(ValueHint::Other),
        _ => with_words(arg),
    })
}

/// [`command`] for completions: the commands that take a session's options have them.
#[must_use]
pub fn completions() -> clap::Command {
    let takes = |name: &str| matches!(name, "sessions" | "attach" | "detach" | "kill" | "doctor");
    command().mut_subcommands(|one| if takes(one.get_name()) { with_session_options(one) } else { one })
}

/// The same with the options of a session that mean something to it.
fn with_session_options(command: clap::Command) -> clap::Command {
    let known: Vec<_> = command.get_arguments().map(|arg| arg.get_id().clone()).collect();
    let other = |arg: &&clap::Arg| {
        !matches!(arg.get_id().as_str(), "words" | "session" | "take" | "install_server")
            && !known.contains(arg.get_id())
    };
    let session = hinted(session_command());
    let options: Vec<clap::Arg> = session.get_arguments().filter(other).cloned().collect();
    command.args(options)
}

/// The definition of `mpmosh`'s command line with its subcommands, for manuals.
#[must_use]
pub fn command() -> clap::Command {
    let command = hinted(session_command());
    let subcommands = [("paths", PathsCli::command()), ("plot", PlotCli::command())];
    let subcommands = subcommands.map(|(name, one)| one.name(name).disable_version_flag(true));
    command
        .subcommands(subcommands)
        .subcommands(sessions::commands())
        .subcommands([doctor_command(), config_command()])
        .disable_help_subcommand(true)
}

/// `doctor` as manuals and completions know it; what it takes besides is a session's ([`Cli`]).
fn doctor_command() -> clap::Command {
    clap::Command::new("doctor")
        .about("Examine the way to a host, stage by stage, with what shows it and what to do")
        .after_help(
            "It takes a session's options, and tells of the name, the ssh login, the server there, and of every path: \
             what was sent and received on it, and what the network said. Exit status 0: a session would work; 1: it \
             would not; 255: an earlier stage failed.",
        )
        .disable_version_flag(true)
        .arg(clap::Arg::new("host").value_name("[USER@]HOST[:SSHPORT]").required(true).value_hint(ValueHint::Hostname))
}

/// `config show`, likewise.
fn config_command() -> clap::Command {
    clap::Command::new("config")
        .about("Show every setting in force, and where it comes from, in the words of the configuration file")
        .disable_version_flag(true)
        .arg(clap::Arg::new("what").value_name("show").required(true).value_parser(["show"]))
        .arg(clap::Arg::new("host").value_name("HOST").value_hint(ValueHint::Hostname))
}

/// An error in the manner of clap, with the usage line.
pub(crate) fn usage_error(message: impl core::fmt::Display) -> clap::Error {
    session_command().error(clap::error::ErrorKind::ValueValidation, message)
}

/// Splits the words that are not options, and lays `-l` and `--ssh-port` over the destination.
fn target(cli: &mut Cli) -> Result<(Target, Vec<OsString>), clap::Error> {
    let mut words = core::mem::take(&mut cli.words);
    if cli.local {
        return Ok((Target::Local, words));
    }
    if words.is_empty() {
        return Err(session_command().error(
            clap::error::ErrorKind::MissingRequiredArgument,
            "no host was given (or --local, for a session on this machine)",
        ));
    }
    let host = words.remove(0).into_string().map_err(|host| {
        usage_error(format!("the host “{}” is not UTF-8", one_line(&host.to_string_lossy(), 80)))
    })?;
    if words.first().is_some_and(|word| word == "--") {
        words.remove(0);
    }
    let mut destination = Destination::parse(&host)
        .map_err(|reason| usage_error(format!("“{}”: {reason}", one_line(&host, 80))))?;
    if let Some(user) = cli.login.take() {
        check_word("user name", &user).map_err(usage_error)?;
        destination.user.get_or_insert(user);
    }
    destination.port = destination.port.or(cli.ssh_port);
    Ok((Target::Remote(destination), words))
}

#[cfg(test)]
mod tests;
