//! The command lines of `mpmosh` and `mpmosh-client`: what was typed becomes what will be done.
//!
//! Contract: parsing is pure. It reads nothing but its argument, and what it returns names every setting that was given,
//! under the names of [`crate::config`], so that the configuration can lay it over the environment and the file.

use core::net::IpAddr;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{ArgAction, CommandFactory, Parser, ValueHint};
use figment::value::{Dict, Value};

use crate::config::{Key, Kind};
use crate::paths;
use crate::sanitize::obeyed;

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
    Paths(paths::Request),
    /// Examine the way to a host.
    Doctor(Box<SessionArgs>),
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
    /// The remote command; empty means a login shell.
    pub command: Vec<String>,
    /// The settings given, by configuration key.
    pub given: Dict,
    /// What ssh was told.
    pub ssh: SshArgs,
    /// How often `-v` was given.
    pub verbose: u8,
    /// Put our server on the host first; the file or directory to take it from, empty where none was named.
    pub install_server: Option<PathBuf>,
}

/// Where a session goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This machine, without ssh.
    Local,
    /// Over ssh.
    Remote(Destination),
}

/// `[user@]host[:port]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The user, when given.
    pub user: Option<String>,
    /// The host as typed: a name, an alias of `~/.ssh/config`, or an address.
    pub host: String,
    /// The ssh port, when given.
    pub port: Option<u16>,
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

impl Destination {
    /// Reads `[user@]host[:port]`, `[user@][v6address]:port` or a bare address.
    ///
    /// # Errors
    /// A sentence: an empty part, a part that begins with `-` (ssh would take it for an option) or that holds control or
    /// blank characters, or a port that is not one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, text),
        };
        let (host, port) = if let Some(inner) = rest.strip_prefix('[') {
            let (host, after) = inner.split_once(']').ok_or("the bracket of the address is not closed")?;
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err("after the address in brackets only :PORT may follow".into()),
            }
        } else {
            match rest.split_once(':') {
                // More than one colon: an IPv6 address without a port.
                Some((_, tail)) if tail.contains(':') => (rest, None),
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            }
        };
        let port = match port.map(str::parse) {
            None => None,
            Some(Ok(0)) | Some(Err(_)) => {
                return Err("the ssh port after the colon is not a number from 1 to 65535".into());
            }
            Some(Ok(port)) => Some(port),
        };
        check_word("host name", host)?;
        if let Some(user) = user {
            check_word("user name", user)?;
        }
        Ok(Self { user: user.map(Into::into), host: host.into(), port })
    }
}

/// Refuses what ssh or a shell could take for something else.
pub(crate) fn check_word(what: &str, word: &str) -> Result<(), String> {
    if word.is_empty() {
        return Err(format!("the {what} is empty"));
    }
    if word.starts_with('-') {
        return Err(format!("the {what} begins with “-”, which ssh would take for an option"));
    }
    if word.chars().any(|c| c.is_whitespace() || obeyed(c)) {
        return Err(format!("the {what} holds blank or control characters"));
    }
    Ok(())
}

/// A remote terminal that uses every network path at once and stays when networks go.
#[derive(Debug, Parser)]
#[command(
    name = "mpmosh",
    version,
    override_usage = "mpmosh [options] [user@]host[:sshport] [--] [command…]\n       \
                      mpmosh [options] --local [--] [command…]\n       \
                      mpmosh paths [--watch|--json] [PID|NAME]\n       \
                      mpmosh doctor [options] [user@]host[:sshport]\n       \
                      mpmosh config show [options] [host]\n       \
                      mpmosh plot TRACE -o FIGURE.svg|png",
    after_help = "`-o Key=Value` gives ssh an option; a bare `-o` is --predict-overwrite, as in mosh. Inside a session, \
                  Ctrl-^ then “.” ends it, Ctrl-^ Ctrl-Z suspends it, Ctrl-^ p shows its paths.\n\nThe first word may be a \
                  command: paths, plot. A host of that name is reached by `mpmosh -- paths` or `mpmosh \
                  user@paths`.\n\nExit status: the remote command's (128+n when \
                  signal n ended it); 255 when mpmosh itself failed."
)]
#[expect(clippy::struct_excessive_bools, reason = "each is one option, as typed")]
struct Cli {
    /// Start the server on this machine, without ssh, and connect to it over its own addresses
    #[arg(long)]
    local: bool,

    /// When to show typed keys at once: adaptive, always, never, experimental
    #[arg(long, value_name = "WHEN", help_heading = "Session")]
    predict: Option<String>,
    /// Same as --predict=always
    #[arg(short = 'a', help_heading = "Session", conflicts_with_all = ["predict", "no_predict"])]
    always_predict: bool,
    /// Same as --predict=never
    #[arg(short = 'n', help_heading = "Session", conflicts_with = "predict")]
    no_predict: bool,
    /// Predicted keys overwrite instead of inserting
    #[arg(short = 'o', long, help_heading = "Session")]
    predict_overwrite: bool,
    /// Do not switch the terminal to its alternate screen
    #[arg(long, help_heading = "Session")]
    no_init: bool,
    /// Tell more; repeat for more still
    #[arg(short = 'v', long, action = ArgAction::Count, help_heading = "Session")]
    verbose: u8,
    /// Write one JSON object per network event to this file
    #[arg(long, value_name = "FILE", help_heading = "Session")]
    trace: Option<String>,
    /// Write the log to this file instead of standard error
    #[arg(long, value_name = "FILE", help_heading = "Session")]
    log: Option<String>,
    /// What to log: error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL", help_heading = "Session")]
    log_level: Option<String>,

    /// Send data over several paths at once: off, auto, always
    #[arg(long, value_name = "WHEN", help_heading = "Paths")]
    redundancy: Option<String>,
    /// Use this interface before others (repeatable)
    #[arg(long, value_name = "IFACE", help_heading = "Paths")]
    prefer: Vec<String>,
    /// Use this interface only when nothing else works (repeatable)
    #[arg(long, value_name = "IFACE", help_heading = "Paths")]
    backup: Vec<String>,
    /// Do not use this interface (repeatable)
    #[arg(long, value_name = "IFACE", help_heading = "Paths")]
    never: Vec<String>,
    /// What to do with metered networks: backup, allow, never
    #[arg(long, value_name = "HOW", help_heading = "Paths")]
    metered: Option<String>,
    /// How long a sleeping session may be silent, where the networks between bear it: 3 to 35 (25)
    #[arg(long, value_name = "SECONDS", help_heading = "Paths")]
    keepalive: Option<String>,
    /// Another address of the server (repeatable)
    #[arg(long, value_name = "ADDR", help_heading = "Paths")]
    address: Vec<IpAddr>,
    /// Address families: inet, inet6, auto, all, prefer-inet, prefer-inet6
    #[arg(long, value_name = "FAMILY", help_heading = "Paths")]
    family: Option<String>,
    /// Same as --family=inet
    #[arg(short = '4', help_heading = "Paths", conflicts_with_all = ["family", "inet6"])]
    inet: bool,
    /// Same as --family=inet6
    #[arg(short = '6', help_heading = "Paths", conflicts_with = "family")]
    inet6: bool,

    /// The server's UDP port, or a range of them
    #[arg(short = 'p', long, value_name = "PORT[:PORT2]", help_heading = "Server")]
    port: Option<String>,
    /// Which of its addresses the server accepts: any, ssh, or an address
    #[arg(long, value_name = "WHICH", help_heading = "Server")]
    bind_server: Option<String>,
    /// The command that starts the server on the other side
    #[arg(long, value_name = "COMMAND", help_heading = "Server")]
    server: Option<String>,
    /// First copy a server that fits into ~/.local/bin on the host; FROM is a file or a directory of builds
    #[arg(long, value_name = "FROM", help_heading = "Server", num_args = 0..=1, require_equals = true,
          default_missing_value = "", conflicts_with_all = ["server", "local"])]
    install_server: Option<OsString>,
    /// The wire format: auto, multipath, mosh, mp-mosh
    #[arg(long, value_name = "NAME", help_heading = "Server")]
    dialect: Option<String>,
    /// Run this mpmosh-client instead of carrying the session in this process
    #[arg(long, value_name = "PATH", help_heading = "Server")]
    client: Option<String>,

    /// Use this ssh command instead of the built-in one
    #[arg(long, value_name = "COMMAND", help_heading = "Ssh")]
    ssh: Option<String>,
    /// Ask ssh for a terminal
    #[arg(long, help_heading = "Ssh", conflicts_with = "no_ssh_pty")]
    ssh_pty: bool,
    /// Ask ssh for no terminal (the default)
    #[arg(long, help_heading = "Ssh")]
    no_ssh_pty: bool,
    /// The user on the other side
    #[arg(short = 'l', value_name = "USER", help_heading = "Ssh")]
    login: Option<String>,
    /// The ssh server's TCP port
    #[arg(long, value_name = "PORT", help_heading = "Ssh", value_parser = clap::value_parser!(u16).range(1..))]
    ssh_port: Option<u16>,
    /// A private key to authenticate with (repeatable)
    #[arg(short = 'i', value_name = "FILE", help_heading = "Ssh")]
    identity: Vec<PathBuf>,
    /// The ssh configuration file
    #[arg(short = 'F', value_name = "FILE", help_heading = "Ssh")]
    ssh_config: Option<PathBuf>,
    /// Reach the host through this one
    #[arg(short = 'J', value_name = "HOST", help_heading = "Ssh")]
    jump: Option<String>,
    /// An option for ssh, as -o Key=Value (repeatable)
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Ssh")]
    ssh_option: Vec<String>,
    /// How to learn the server's address: proxy (where ssh connected), local, remote
    #[arg(long, value_name = "HOW", help_heading = "Ssh")]
    experimental_remote_ip: Option<String>,

    // Brackets in a doc comment would be links.
    #[arg(help = "[user@]host[:sshport], then the command")]
    #[arg(value_name = "HOST [COMMAND]", trailing_var_arg = true, allow_hyphen_values = false)]
    words: Vec<String>,
}

/// Draws the paths of a session from its trace.
#[derive(Debug, Parser)]
#[command(name = "mpmosh plot", bin_name = "mpmosh plot", version)]
struct PlotCli {
    /// The trace that --trace wrote
    #[arg(value_name = "TRACE")]
    trace: PathBuf,
    /// The figure to write: SVG or PNG, by its name
    #[arg(short = 'o', long, value_name = "FIGURE.svg|png")]
    output: PathBuf,
}

/// Shows the paths of the sessions that run.
#[derive(Debug, Parser)]
#[command(
    name = "mpmosh paths",
    bin_name = "mpmosh paths",
    version,
    after_help = "An asterisk marks the path that carries the session. Loss is in percent: of what comes from the \
                  server, and of what goes to it. Octets are how many a datagram may have.\n\nExit status: 0 when a \
                  session was shown, 1 when there is none (of that name), 255 for wrong words."
)]
struct PathsCli {
    /// Keep showing them, until q or the end of the last session
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    /// Write them as JSON
    #[arg(long)]
    json: bool,
    /// The session's process, or its name (the host as you named it; local without ssh): all when left out
    #[arg(value_name = "PID|NAME")]
    which: Option<String>,
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
            let paths = PathsCli::try_parse_from(words.iter().skip(1))?;
            let form = match (paths.watch, paths.json) {
                (true, _) => paths::Form::Watch,
                (false, true) => paths::Form::Json,
                (false, false) => paths::Form::Table,
            };
            return Ok(Invocation::Paths(paths::Request { form, which: paths.which }));
        }
        Some("doctor") => return session("mpmosh doctor", words).map(Invocation::Doctor),
        Some("config") => return config_show(words),
        _ => {}
    }
    session("mpmosh", words).map(Invocation::Session)
}

/// Reads the words after `config`: `show`, options, and a host or none.
fn config_show(words: Vec<OsString>) -> Result<Invocation, clap::Error> {
    if words.get(2).is_none_or(|word| word != "show") {
        return Err(usage_error(
            "after “config” comes “show”, and then a host if its settings are asked for",
        ));
    }
    let words = core::iter::once("mpmosh config show".into()).chain(words.into_iter().skip(3));
    let cli = Cli::try_parse_from(with_ssh_options_named(words.collect()))?;
    let host = match cli.words.as_slice() {
        [] => None,
        [host] => Some(Destination::parse(host).map_err(usage_error)?.host),
        _ => return Err(usage_error("“config show” takes one host")),
    };
    Ok(Invocation::ConfigShow { host, given: given(&cli) })
}

/// Reads the words of a session; those of a subcommand stand after its own.
fn session(name: &str, words: Vec<OsString>) -> Result<Box<SessionArgs>, clap::Error> {
    let own = name.split(' ').count();
    let words = core::iter::once(name.into()).chain(words.into_iter().skip(own));
    let mut cli = Cli::try_parse_from(with_ssh_options_named(words.collect()))?;
    let (target, command) = target(&mut cli)?;
    let given = given(&cli);
    let ssh =
        SshArgs { identities: cli.identity, config: cli.ssh_config, options: cli.ssh_option, jump: cli.jump };
    let (verbose, install_server) = (cli.verbose, cli.install_server.map(PathBuf::from));
    Ok(Box::new(SessionArgs { target, command, given, ssh, verbose, install_server }))
}

/// The definition of `mpmosh`'s command line with its subcommands, for manuals and completions: options whose words are
/// those of a configuration key ([`crate::config::KEYS`]) carry them, and places carry a hint of what completes them.
#[must_use]
pub fn command() -> clap::Command {
    let command = Cli::command().mut_args(|arg| {
        let (id, long) = (arg.get_id().as_str().to_owned(), arg.get_long().map(str::to_owned));
        let key = long.as_deref().and_then(|name| Key::named(name.trim_start_matches("experimental-")));
        let arg = match key.map(|key| key.kind) {
            Some(Kind::Word(words)) => arg.value_parser(PossibleValuesParser::new(words)),
            Some(Kind::File) => arg.value_hint(ValueHint::AnyPath),
            _ => arg,
        };
        match id.as_str() {
            "words" | "jump" => arg.value_hint(ValueHint::Hostname),
            "login" => arg.value_hint(ValueHint::Username),
            "identity" | "ssh_config" => arg.value_hint(ValueHint::FilePath),
            "ssh" | "server" => arg.value_hint(ValueHint::CommandName),
            _ => arg,
        }
    });
    let subcommands = [("paths", PathsCli::command()), ("plot", PlotCli::command())];
    let subcommands = subcommands.map(|(name, one)| one.name(name).disable_version_flag(true));
    command
        .subcommands(subcommands)
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

/// The definition of `mpmosh-client`'s command line, for manuals and completions.
#[must_use]
pub fn client_command() -> clap::Command {
    ClientCli::command()
}

/// An error in the manner of clap, with the usage line.
pub(crate) fn usage_error(message: impl core::fmt::Display) -> clap::Error {
    Cli::command().error(clap::error::ErrorKind::ValueValidation, message)
}

/// Splits the words that are not options, and lays `-l` and `--ssh-port` over the destination.
fn target(cli: &mut Cli) -> Result<(Target, Vec<String>), clap::Error> {
    let mut words = core::mem::take(&mut cli.words);
    if cli.local {
        return Ok((Target::Local, words));
    }
    if words.is_empty() {
        return Err(Cli::command().error(
            clap::error::ErrorKind::MissingRequiredArgument,
            "no host was given (or --local, for a session on this machine)",
        ));
    }
    let host = words.remove(0);
    if words.first().is_some_and(|word| word == "--") {
        words.remove(0);
    }
    let mut destination = Destination::parse(&host)
        .map_err(|reason| usage_error(format!("“{}”: {reason}", crate::sanitize::one_line(&host, 80))))?;
    if let Some(user) = cli.login.take() {
        check_word("user name", &user).map_err(usage_error)?;
        destination.user.get_or_insert(user);
    }
    destination.port = destination.port.or(cli.ssh_port);
    Ok((Target::Remote(destination), words))
}

/// The settings given, by configuration key.
fn given(cli: &Cli) -> Dict {
    let mut dict = Dict::new();
    let mut put = |key: &str, value: Value| dict.insert(key.into(), value);
    let words: [(&str, &Option<String>); 16] = [
        ("predict", &cli.predict),
        ("trace", &cli.trace),
        ("log", &cli.log),
        ("log-level", &cli.log_level),
        ("redundancy", &cli.redundancy),
        ("metered", &cli.metered),
        ("keepalive", &cli.keepalive),
        ("family", &cli.family),
        ("port", &cli.port),
        ("bind-server", &cli.bind_server),
        ("server", &cli.server),
        ("dialect", &cli.dialect),
        ("client", &cli.client),
        ("ssh", &cli.ssh),
        ("remote-ip", &cli.experimental_remote_ip),
        ("predict", &cli.always_predict.then(|| "always".into()).or(cli.no_predict.then(|| "never".into()))),
    ];
    for (key, value) in words {
        if let Some(value) = value {
            put(key, value.clone().into());
        }
    }
    if cli.inet || cli.inet6 {
        put("family", if cli.inet { "inet" } else { "inet6" }.into());
    }
    for (key, set, value) in [
        ("predict-overwrite", cli.predict_overwrite, true),
        ("no-init", cli.no_init, true),
        ("ssh-pty", cli.ssh_pty, true),
        ("ssh-pty", cli.no_ssh_pty, false),
    ] {
        if set {
            put(key, value.into());
        }
    }
    for (key, list) in [("prefer", &cli.prefer), ("backup", &cli.backup), ("never", &cli.never)] {
        if !list.is_empty() {
            put(key, list.clone().into());
        }
    }
    if !cli.address.is_empty() {
        put("address", cli.address.iter().map(ToString::to_string).collect::<Vec<_>>().into());
    }
    dict
}

/// Gives `-o Key=Value` its long name, since a bare `-o` is mosh's --predict-overwrite.
///
/// Only options are touched: the first word that is neither an option nor an option's value is the host.
fn with_ssh_options_named(words: Vec<OsString>) -> Vec<OsString> {
    let command = Cli::command();
    let takes_value = |word: &str| {
        command
            .get_arguments()
            .filter(|arg| arg.get_action().takes_values() && !arg.is_require_equals_set())
            .any(|arg| {
                match word.strip_prefix("--") {
                    Some(long) => arg.get_long() == Some(long),
                    // In a cluster of short options the last one may take the next word.
                    None => word.starts_with('-') && word.chars().last() == arg.get_short(),
                }
            })
    };
    let mut out = Vec::with_capacity(words.len());
    let mut rest = words.into_iter();
    out.extend(rest.next());
    let mut rest = rest.peekable();
    while let Some(word) = rest.next() {
        let Some(text) = word.to_str() else {
            out.push(word);
            break;
        };
        if text == "--" || !text.starts_with('-') || text == "-" {
            out.push(word);
            break;
        }
        let attached = text.strip_prefix("-o").filter(|option| option.contains('='));
        if let Some(option) = attached {
            out.push(format!("--ssh-option={option}").into());
        } else if text == "-o"
            && let Some(next) =
                rest.next_if(|next| next.to_str().is_some_and(|n| n.contains('=') && !n.starts_with('-')))
        {
            out.push(format!("--ssh-option={}", next.to_string_lossy()).into());
        } else {
            let with_value = takes_value(text);
            out.push(word);
            if with_value {
                out.extend(rest.next());
            }
        }
    }
    out.extend(rest);
    out
}

/// What `mpmosh-client` was asked to do.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientInvocation {
    /// Print the number of colours of the terminal.
    Colours,
    /// Join the session at this address.
    Join {
        /// The server.
        ip: IpAddr,
        /// Its UDP port.
        port: u16,
        /// The dialect, when given; else the key's length tells.
        dialect: Option<String>,
        /// How often `-v` was given.
        verbose: u8,
    },
}

/// Joins a session whose key is in MOSH_KEY: what stock mosh's wrapper runs as mosh-client.
#[derive(Debug, Parser)]
#[command(
    name = "mpmosh-client",
    version,
    override_usage = "mpmosh-client [-v] [-# ARGS] IP PORT\n       mpmosh-client -c"
)]
struct ClientCli {
    /// Print the number of colours of the terminal
    #[arg(short = 'c')]
    colours: bool,
    /// Tell more
    #[arg(short = 'v', action = ArgAction::Count)]
    verbose: u8,
    /// Ignored: what the user typed, for ps(1)
    #[arg(short = '#', value_name = "ARGS", allow_hyphen_values = true)]
    typed: Option<String>,
    /// The wire format: auto, multipath, mosh, mp-mosh
    #[arg(long, value_name = "NAME", value_parser = ["auto", "multipath", "mosh", "mp-mosh"])]
    dialect: Option<String>,
    /// The server's address
    #[arg(required_unless_present = "colours")]
    ip: Option<IpAddr>,
    /// The server's UDP port
    #[arg(required_unless_present = "colours", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
}

/// Reads the command line of `mpmosh-client`, program name first.
///
/// # Errors
/// As [`parse`].
pub fn parse_client(words: impl IntoIterator<Item = OsString>) -> Result<ClientInvocation, clap::Error> {
    let cli = ClientCli::try_parse_from(words)?;
    match (cli.colours, cli.ip, cli.port) {
        (false, Some(ip), Some(port)) => Ok(ClientInvocation::Join {
            ip,
            port,
            dialect: cli.dialect.filter(|name| name != "auto"),
            verbose: cli.verbose,
        }),
        _ => Ok(ClientInvocation::Colours),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(line: &[&str]) -> SessionArgs {
        let words = core::iter::once("mpmosh").chain(line.iter().copied()).map(OsString::from);
        match parse(words) {
            Ok(Invocation::Session(args)) => *args,
            other => panic!("{line:?}: {other:?}"),
        }
    }

    fn refused(line: &[&str]) -> String {
        let words = core::iter::once("mpmosh").chain(line.iter().copied()).map(OsString::from);
        match parse(words) {
            Err(error) => error.to_string(),
            other => panic!("{line:?}: {other:?}"),
        }
    }

    fn remote(args: &SessionArgs) -> &Destination {
        match &args.target {
            Target::Remote(destination) => destination,
            Target::Local => panic!("local"),
        }
    }

    #[test]
    fn clap_finds_the_definitions_sound() {
        Cli::command().debug_assert();
        ClientCli::command().debug_assert();
        PlotCli::command().debug_assert();
        PathsCli::command().debug_assert();
    }

    #[test]
    fn a_command_is_the_first_word_and_a_host_of_its_name_is_reached_otherwise() {
        let paths = |line: &[&str]| {
            let words = ["mpmosh", "paths"].iter().chain(line).map(OsString::from);
            match parse(words) {
                Ok(Invocation::Paths(request)) => (request.form, request.which),
                other => panic!("{line:?}: {other:?}"),
            }
        };
        assert_eq!(paths(&[]), (paths::Form::Table, None));
        assert_eq!(paths(&["--watch", "host"]), (paths::Form::Watch, Some("host".into())));
        assert_eq!(paths(&["4711", "--json"]), (paths::Form::Json, Some("4711".into())));
        assert!(refused(&["paths", "--json", "--watch"]).contains("cannot be used with"));
        assert!(refused(&["paths", "a", "b"]).contains("unexpected argument"));
        assert!(refused(&["paths", "--jsn"]).contains("--json"));
        for line in [&["--", "paths"][..], &["-v", "paths"][..]] {
            assert_eq!(remote(&session(line)).host, "paths");
        }
        assert_eq!(remote(&session(&["me@paths", "plot"])).host, "paths");
    }

    #[test]
    fn a_destination_has_a_user_a_host_and_a_port() {
        let parse = |text: &str| Destination::parse(text).map(|d| (d.user, d.host, d.port));
        assert_eq!(parse("h"), Ok((None, "h".into(), None)));
        assert_eq!(parse("u@h:22"), Ok((Some("u".into()), "h".into(), Some(22))));
        assert_eq!(parse("a@b@h"), Ok((Some("a@b".into()), "h".into(), None)));
        assert_eq!(parse("2001:db8::1"), Ok((None, "2001:db8::1".into(), None)));
        assert_eq!(parse("u@[fe80::1%eth0]:2222"), Ok((Some("u".into()), "fe80::1%eth0".into(), Some(2222))));
        for bad in [
            "",
            "@h",
            "u@",
            "-h",
            "-oProxyCommand=x@h",
            "u@-h",
            "h:0",
            "h:x",
            "h:",
            "[::1",
            "h\nx",
            "h x",
            "h\u{1b}[m",
        ] {
            assert!(Destination::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn everything_after_the_host_belongs_to_the_command() {
        let args = session(&["-v", "host", "--", "ls", "-l", "--help"]);
        assert_eq!(args.command, ["ls", "-l", "--help"]);
        assert_eq!(args.verbose, 1);
        assert_eq!(session(&["host", "ls", "-l", "--", "x"]).command, ["ls", "-l", "--", "x"]);
        assert_eq!(session(&["--", "host", "ls"]).command, ["ls"]);
        assert_eq!(session(&["host", "--", "-x"]).command, ["-x"]);
    }

    #[test]
    fn doctor_takes_a_sessions_words_and_config_show_a_host_or_none() {
        let parse = |line: &[&str]| parse(line.iter().map(OsString::from));
        match parse(&["mpmosh", "doctor", "-4", "-oPort=7", "u@h:22"]) {
            Ok(Invocation::Doctor(args)) => {
                assert_eq!((remote(&args).port, args.ssh.options.len()), (Some(22), 1));
                assert!(args.given.contains_key("family"));
            }
            other => panic!("{other:?}"),
        }
        match parse(&["mpmosh", "config", "show", "--predict=never", "u@h"]) {
            Ok(Invocation::ConfigShow { host, given }) => {
                assert_eq!((host.as_deref(), given.len()), (Some("h"), 1));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(
            parse(&["mpmosh", "config", "show"]),
            Ok(Invocation::ConfigShow { host: None, .. })
        ));
        assert!(
            parse(&["mpmosh", "config"]).is_err() && parse(&["mpmosh", "config", "show", "a", "b"]).is_err()
        );
        // A host of such a name stands behind a dash or two.
        assert!(matches!(parse(&["mpmosh", "--", "doctor"]), Ok(Invocation::Session(_))));
    }

    #[test]
    fn a_server_to_install_may_be_named() {
        assert_eq!(session(&["--install-server", "h"]).install_server, Some(PathBuf::new()));
        let args = session(&["--install-server=/x", "h", "-o", "a=b"]);
        assert_eq!((args.install_server, args.command.len()), (Some("/x".into()), 2));
        assert!(refused(&["--install-server", "--server=x", "h"]).contains("--server"));
    }

    #[test]
    fn local_sessions_have_no_host() {
        let args = session(&["--local", "--", "sh", "-c", "exit 7"]);
        assert_eq!(args.target, Target::Local);
        assert_eq!(args.command, ["sh", "-c", "exit 7"]);
        assert_eq!(session(&["--local"]).command, Vec::<String>::new());
    }

    #[test]
    fn a_bare_o_is_moshs_and_one_with_an_assignment_is_sshs() {
        let args = session(&["-o", "host"]);
        assert_eq!(args.given.get("predict-overwrite"), Some(&true.into()));
        assert!(args.ssh.options.is_empty());

        let args =
            session(&["-p", "60001", "-o", "StrictHostKeyChecking=no", "-oUser=x", "host", "-o", "a=b"]);
        assert_eq!(args.ssh.options, ["StrictHostKeyChecking=no", "User=x"]);
        assert_eq!(args.command, ["-o", "a=b"]);
        assert!(!args.given.contains_key("predict-overwrite"));
    }

    #[test]
    fn moshs_options_keep_their_meaning() {
        let args = session(&["-a", "-4", "--no-init", "-p", "60000:60010", "--server=x y", "u@h"]);
        let text = |key: &str| args.given.get(key).and_then(|v| v.as_str()).map(str::to_owned);
        assert_eq!(text("predict").as_deref(), Some("always"));
        assert_eq!(text("family").as_deref(), Some("inet"));
        assert_eq!(text("port").as_deref(), Some("60000:60010"));
        assert_eq!(text("server").as_deref(), Some("x y"));
        assert_eq!(args.given.get("no-init"), Some(&true.into()));
    }

    #[test]
    fn sshs_options_reach_the_destination() {
        let args = session(&["-l", "me", "--ssh-port", "2222", "-i", "k", "-F", "c", "-J", "j", "host"]);
        assert_eq!(
            remote(&args),
            &Destination { user: Some("me".into()), host: "host".into(), port: Some(2222) }
        );
        assert_eq!(args.ssh.jump.as_deref(), Some("j"));
        assert_eq!(args.ssh.identities, [PathBuf::from("k")]);
    }

    #[test]
    fn wrong_words_are_errors_that_say_so() {
        assert!(refused(&[]).contains("no host"));
        assert!(refused(&["--predikt=x", "h"]).contains("--predict"));
        assert!(refused(&["--address", "nonsense", "h"]).contains("nonsense"));
        assert!(refused(&["--", "-oProxyCommand=x"]).contains("begins with"));
        assert!(refused(&["-l", "-x", "h"]).contains("-x"));
    }

    #[test]
    fn the_wrappers_client_line_is_understood() {
        let parse = |words: &[&str]| parse_client(words.iter().map(OsString::from));
        let joined =
            parse(&["mpmosh-client", "-# -a host |", "192.0.2.1", "60001"]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            joined,
            ClientInvocation::Join { ip: [192, 0, 2, 1].into(), port: 60001, dialect: None, verbose: 0 }
        );
        assert_eq!(parse(&["mpmosh-client", "-c"]).ok(), Some(ClientInvocation::Colours));
        assert!(parse(&["mpmosh-client", "192.0.2.1"]).is_err());
        assert!(parse(&["mpmosh-client", "192.0.2.1", "x"]).is_err());
    }
}
