//! The command line: what was typed becomes an [`Invocation`]; nothing here touches the world.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser};
use net::DialectName;
use std::ffi::OsString;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use terminal::{MAX_SIDE, Size};

/// The ports tried when none is asked for.
pub const DEFAULT_PORTS: RangeInclusive<u16> = 60001..=60999;

fn dialects() -> impl TypedValueParser<Value = DialectName> {
    PossibleValuesParser::new(DialectName::ALL.map(DialectName::as_str)).try_map(|name| name.parse())
}

/// A terminal's size as `COLUMNSxROWS`.
fn size(text: &str) -> Result<Size, String> {
    let parse = |part: &str| part.parse::<u16>().ok().filter(|n| (1..=MAX_SIDE).contains(n));
    text.split_once('x')
        .and_then(|(columns, rows)| Some(Size { columns: parse(columns)?, rows: parse(rows)? }))
        .ok_or_else(|| format!("{text:?} is not COLUMNSxROWS with both from 1 to {MAX_SIDE}"))
}

/// The release, and the protocol that both ends have to speak.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (protocol multipath/1)");

/// The server side of mpmosh. Started over ssh by `mpmosh` (or by mosh's wrapper script), it prints the port and
/// the key of the session, detaches, and serves one session.
#[derive(Clone, Debug, Parser)]
#[command(name = "mpmosh-server", version = VERSION, max_term_width = 100, disable_help_subcommand = true)]
pub struct Arguments {
    /// The word `new`; nothing else is understood.
    #[arg(value_parser = ["new"], default_value = "new")]
    pub verb: String,
    /// Accept datagrams only at the address that the ssh connection reached (SSH_CONNECTION).
    #[arg(short = 's')]
    pub bind_ssh: bool,
    /// Keep the standard streams open and log to stderr; repeat for more.
    #[arg(short = 'v', action = ArgAction::Count)]
    pub verbose: u8,
    /// Accept datagrams only at this local address.
    #[arg(short = 'i', value_name = "LOCALADDR")]
    pub bind: Option<String>,
    /// UDP port, or range of ports, to listen on; 0 leaves the choice to the system.
    #[arg(short = 'p', value_name = "PORT[:PORT2]", value_parser = parse_ports)]
    pub ports: Option<RangeInclusive<u16>>,
    /// How many colours the client's terminal has; 256 gives the session TERM=xterm-256color, fewer TERM=xterm.
    #[arg(short = 'c', value_name = "COLOURS", allow_negative_numbers = true)]
    pub colours: Option<i32>,
    /// A locale variable for the session, used when the server's own locale is not UTF-8.
    #[arg(short = 'l', value_name = "NAME=VALUE")]
    pub locale: Vec<String>,
    /// Ignored: lets a caller mark the process in `ps`.
    #[arg(short = '@', value_name = "IGNORED")]
    pub ignored: Vec<String>,
    /// Which language to speak; stock mosh's wrapper asks for none and gets its own.
    #[arg(long, value_parser = dialects(), default_value = "mosh")]
    pub dialect: DialectName,
    /// No terminal: standard input, output and error travel as byte streams.
    #[arg(long)]
    pub streams: bool,
    /// The client's terminal size; the session starts at once instead of waiting for the client to tell it.
    #[arg(long, value_name = "COLUMNSxROWS", value_parser = size)]
    pub size: Option<Size>,
    /// Another address of this host to tell the client about.
    #[arg(long, value_name = "ADDR")]
    pub address: Vec<IpAddr>,
    /// Append a log to this file.
    #[arg(long, value_name = "FILE")]
    pub log: Option<std::path::PathBuf>,
    /// How much to log: error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: log::LevelFilter,
    /// What to run instead of a login shell.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// What to do, and what to tell the user about what was typed.
#[derive(Debug)]
pub struct Invocation {
    /// The options understood.
    pub arguments: Arguments,
    /// Options that this version does not know. They are ignored, so that an older server serves a newer client.
    pub unknown: Vec<String>,
}

/// Reads a command line, `mpmosh-server`'s own name first. Options that are not known are set aside, as
/// mosh-server does.
///
/// # Errors
/// What clap says of a bad value, `--help` or `--version`.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Invocation, clap::Error> {
    let mut words: Vec<OsString> = words.into_iter().collect();
    let mut unknown = Vec::new();
    loop {
        let error = match Arguments::command().try_get_matches_from(&words) {
            Ok(matches) => {
                return Ok(Invocation { arguments: Arguments::from_arg_matches(&matches)?, unknown });
            }
            Err(error) => error,
        };
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        if let Some(index) = valueless(&error, &words[..end]) {
            unknown.push(words.remove(index).to_string_lossy().into_owned());
            continue;
        }
        let culprit = match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::String(word)) if error.kind() == ErrorKind::UnknownArgument => word.clone(),
            _ => return Err(error),
        };
        let found = words[..end].iter().skip(1).position(|word| {
            let word = word.to_string_lossy();
            word == culprit.as_str() || word.starts_with(&format!("{culprit}="))
        });
        match found {
            Some(index) => unknown.push(words.remove(index + 1).to_string_lossy().into_owned()),
            None => return Err(error),
        }
    }
}

/// Where the last option stands, when what is wrong is that it has no value: mosh-server goes on without it.
fn valueless(error: &clap::Error, words: &[OsString]) -> Option<usize> {
    let value = error.get(ContextKind::InvalidValue);
    let is_missing = matches!(value, Some(ContextValue::String(value)) if value.is_empty());
    let last = words.len().checked_sub(1)?;
    let is_option = words[last].to_str().is_some_and(|word| word.len() == 2 && word.starts_with('-'));
    (error.kind() == ErrorKind::InvalidValue && is_missing && is_option && last > 0).then_some(last)
}

/// `PORT`, `PORT:PORT2`, or nothing, which asks for none. Port 0 stands only alone (the system chooses).
fn parse_ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let port = |part: &str| part.parse::<u16>().map_err(|_| format!("{part:?} is not a port (0 to 65535)"));
    match text.split_once(':') {
        None if text.is_empty() => Ok(DEFAULT_PORTS),
        None => port(text).map(|single| single..=single),
        Some((low, high)) => {
            let (low, high) = (port(low)?, port(high)?);
            if low == 0 || low > high {
                return Err(format!("{text} is not a range of ports from low to high, above 0"));
            }
            Ok(low..=high)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn the_wrapper_of_stock_mosh_is_understood() {
        let line = "mosh-server new -c 256 -s -p 60010:60020 -l LANG=en_US.UTF-8 -l LC_ALL=C -- sh -c true";
        let given = parse(words(line)).unwrap();
        assert!(given.unknown.is_empty());
        let given = given.arguments;
        assert_eq!(given.dialect, DialectName::Mosh);
        assert_eq!(given.ports, Some(60010..=60020));
        assert_eq!(given.locale, ["LANG=en_US.UTF-8", "LC_ALL=C"]);
        assert_eq!(given.command, ["sh", "-c", "true"]);
        assert!(given.bind_ssh);
    }

    #[test]
    fn options_of_a_newer_client_are_set_aside() {
        let given = parse(words("s new --frobnicate=3 --dialect=multipath -Z -- ls --frobnicate=3")).unwrap();
        assert_eq!(given.unknown, ["--frobnicate=3", "-Z"]);
        assert_eq!(given.arguments.dialect, DialectName::Multipath);
        assert_eq!(given.arguments.command, ["ls", "--frobnicate=3"]);
    }

    #[test]
    fn what_mosh_server_goes_on_without_is_set_aside() {
        let given = parse(words("s new -p 60001 -c")).unwrap();
        assert_eq!(given.unknown, ["-c"]);
        assert_eq!((given.arguments.ports, given.arguments.colours), (Some(60001..=60001), None));
        let given = parse(words("s new -i no.such.address -- -c")).unwrap();
        assert_eq!(given.arguments.bind.as_deref(), Some("no.such.address"));
        assert_eq!(given.arguments.command, ["-c"]);
        assert!(parse(words("s new -c many")).is_err());
    }

    #[test]
    fn bad_ports_and_sizes_are_refused_with_a_reason() {
        for line in ["s new -p 70000", "s new -p 9:3", "s new -p 0:9", "s new --size 0x24", "s new --size 80"]
        {
            assert!(parse(words(line)).is_err(), "{line}");
        }
        assert_eq!(parse(words("s new -p 0")).unwrap().arguments.ports, Some(0..=0));
    }
}
