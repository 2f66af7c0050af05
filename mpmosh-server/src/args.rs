//! The command line: what was typed becomes an [`Invocation`]; nothing here touches the world.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use net::DialectName;
use std::ffi::OsString;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use terminal::Size;

/// The ports tried when none is asked for.
pub const DEFAULT_PORTS: RangeInclusive<u16> = 60001..=60999;

/// How long a session waits for a client after the last one was let go: two weeks.
pub const DEFAULT_TTL: u64 = 14 * 24 * 3600;

fn dialects() -> impl TypedValueParser<Value = DialectName> {
    PossibleValuesParser::new(DialectName::ALL.map(DialectName::as_str)).try_map(|name| name.parse())
}

/// A terminal's size as `COLUMNSxROWS`; of a larger one than a screen can be, as much as that.
fn size(text: &str) -> Result<Size, String> {
    let parse = |part: &str| part.parse::<u16>().ok().filter(|&n| n > 0);
    text.split_once('x')
        .and_then(|(columns, rows)| Some(Size { columns: parse(columns)?, rows: parse(rows)? }))
        .map(Size::clamped)
        .ok_or_else(|| format!("{text:?} is not COLUMNSxROWS with both from 1 on"))
}

/// The release, and the protocol that both ends have to speak.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (protocol multipath/1)");

/// The server side of mpmosh. Started over ssh by `mpmosh` (or by mosh's wrapper script), it prints the port and
/// the key of the session, detaches, and serves one session. With another first word than `new` it lists this user's
/// sessions on this host, gives a client the key to one, or ends one.
#[derive(Clone, Debug, Parser)]
#[command(name = "mpmosh-server", version = VERSION, max_term_width = 100, disable_help_subcommand = true)]
#[command(override_usage = "mpmosh-server [new] [options] [-- COMMAND…]\n       \
                            mpmosh-server sessions [--json]\n       \
                            mpmosh-server attach [--take] [--carry] --size COLUMNSxROWS [ID|NAME]\n       \
                            mpmosh-server detach|kill|carry ID|NAME")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option, and any may stand beside any")]
pub struct Arguments {
    /// The word `new`, which may be left out.
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
    /// The session's name, at most 32 letters, digits, dots, hyphens and underscores. Where there is a session of this
    /// name, its client gets that one instead of a new one.
    #[arg(long, value_name = "NAME")]
    pub session: Option<String>,
    /// With --session: take the session over though its client was heard lately.
    #[arg(long)]
    pub take: bool,
    /// After the announcement, carry the client's datagrams on standard input and output, for where UDP does not pass.
    #[arg(long)]
    pub carry: bool,
    /// End the session so long after its client was let go, if nobody attaches; 0: never.
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_TTL)]
    pub session_ttl: u64,
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

/// What the first word may be besides `new`.
#[derive(Clone, Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub enum SessionCommand {
    /// List this user's sessions on this host.
    Sessions {
        /// As one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Print the port and a fresh key of a session for another client.
    Attach(AttachArguments),
    /// Let a session's client go; the program goes on.
    Detach {
        /// Which session.
        #[arg(value_name = "ID|NAME")]
        session: String,
    },
    /// End a session, with the program in it.
    Kill {
        /// Which session.
        #[arg(value_name = "ID|NAME")]
        session: String,
    },
    /// Carry the datagrams of a session's client on standard input and output, for where UDP does not pass.
    Carry {
        /// Which session.
        #[arg(value_name = "ID|NAME")]
        session: String,
    },
}

/// Who wants to attach.
#[derive(Clone, Debug, Args)]
pub struct AttachArguments {
    /// Which session; the only one without a client where none is named.
    #[arg(value_name = "ID|NAME")]
    pub session: Option<String>,
    /// Take the session over though its client was heard lately.
    #[arg(long)]
    pub take: bool,
    /// The client's terminal size.
    #[arg(long, value_name = "COLUMNSxROWS", value_parser = size)]
    pub size: Option<Size>,
    /// Another address of this host to tell the client about.
    #[arg(long, value_name = "ADDR")]
    pub address: Vec<IpAddr>,
    /// After the announcement, carry the client's datagrams on standard input and output, for where UDP does not pass.
    #[arg(long)]
    pub carry: bool,
    /// What `new` takes besides is ignored: the session has its own.
    #[arg(short = 'c', value_name = "COLOURS", allow_negative_numbers = true, hide = true)]
    pub colours: Option<i32>,
    /// Ignored.
    #[arg(short = 'l', value_name = "NAME=VALUE", hide = true)]
    pub locale: Vec<String>,
    /// Ignored.
    #[arg(short = 'p', value_name = "PORT[:PORT2]", hide = true)]
    pub ports: Option<String>,
    /// Ignored.
    #[arg(short = 'i', value_name = "LOCALADDR", hide = true)]
    pub bind: Option<String>,
    /// Ignored.
    #[arg(short = 's', hide = true)]
    pub bind_ssh: bool,
    /// Ignored.
    #[arg(long, hide = true)]
    pub dialect: Option<String>,
}

/// The definition of the command line with what the first word may be, for manuals and completions.
#[must_use]
pub fn command() -> clap::Command {
    verbs(Arguments::command())
}

fn verbs(command: clap::Command) -> clap::Command {
    SessionCommand::augment_subcommands(command)
        .mut_subcommands(|one| one.disable_version_flag(true).max_term_width(100))
}

/// Reads a command line whose first word is another one than `new`: `None` where it is not.
///
/// # Errors
/// What clap says of a bad value, or `--help`.
pub fn parse_verb(words: &[OsString]) -> Option<Result<SessionCommand, clap::Error>> {
    let command = verbs(clap::Command::new("mpmosh-server").bin_name("mpmosh-server"));
    let first = words.get(1)?.to_str()?;
    command.get_subcommands().find(|known| known.get_name() == first)?;
    let mut words = words.to_vec();
    let outcome = loop {
        match command.clone().try_get_matches_from(&words) {
            Ok(matches) => break SessionCommand::from_arg_matches(&matches),
            // An option of a newer client.
            Err(error) => match unknown(&error, &words) {
                Some(index) => drop(words.remove(index)),
                None => break Err(error),
            },
        }
    };
    Some(outcome)
}

/// Where an option stands that is not known here.
fn unknown(error: &clap::Error, words: &[OsString]) -> Option<usize> {
    let Some(ContextValue::String(culprit)) = error.get(ContextKind::InvalidArg) else { return None };
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let is_it = |word: &OsString| {
        let word = word.to_string_lossy();
        word == culprit.as_str() || word.starts_with(&format!("{culprit}="))
    };
    let is_option = error.kind() == ErrorKind::UnknownArgument && culprit.starts_with('-');
    words[..end].iter().skip(1).position(is_it).map(|index| index + 1).filter(|_| is_option)
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
        match self::unknown(&error, &words) {
            Some(index) => unknown.push(words.remove(index).to_string_lossy().into_owned()),
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
    fn other_first_words_than_new_are_about_sessions_that_are_there() {
        let verb = |line: &str| parse_verb(&words(line));
        assert!(matches!(verb("s sessions --json"), Some(Ok(SessionCommand::Sessions { json: true }))));
        assert!(
            matches!(verb("s kill work"), Some(Ok(SessionCommand::Kill { session })) if session == "work")
        );
        assert!(
            matches!(verb("s detach abc123"), Some(Ok(SessionCommand::Detach { session })) if session == "abc123")
        );
        let line = "s attach --later=option --dialect=multipath --size=50x20 --take -c 256 -l LANG=C work";
        let Some(Ok(SessionCommand::Attach(attach))) = verb(line) else { panic!("{:?}", verb(line)) };
        assert_eq!((attach.session.as_deref(), attach.take), (Some("work"), true));
        assert_eq!(attach.size, Some(Size { columns: 50, rows: 20 }));
        assert!(matches!(verb("s kill"), Some(Err(_))) && matches!(verb("s attach a b"), Some(Err(_))));
        for line in ["s", "s new -- sessions", "s -- kill", "s -c 256"] {
            assert!(verb(line).is_none(), "{line}");
        }
        let given = parse(words("s new --session work --session-ttl=60 --take")).unwrap().arguments;
        assert_eq!((given.session.as_deref(), given.session_ttl, given.take), (Some("work"), 60, true));
        assert_eq!(parse(words("s new")).unwrap().arguments.session_ttl, 14 * 24 * 3600);
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
