//! The options of a session, as typed, and the settings they stand for.

use core::iter::Peekable;
use core::net::IpAddr;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, CommandFactory, Parser};
use figment::value::{Dict, Value};

/// The release, and the protocol that both ends have to speak.
pub(super) const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (protocol multipath/1)");

/// A remote terminal that uses every network path at once and stays when networks go.
#[derive(Debug, Parser)]
#[command(
    name = "mpmosh",
    version = VERSION,
    override_usage = "mpmosh [options] [user@]host[:sshport] [--] [command…]\n       \
                      mpmosh [options] --local [--] [command…]\n       \
                      mpmosh paths [--watch|--json] [PID|NAME]\n       \
                      mpmosh doctor [options] [user@]host[:sshport]\n       \
                      mpmosh config show [options] [host]\n       \
                      mpmosh plot TRACE -o FIGURE.svg|png",
    after_help = "`-o Key=Value` gives ssh an option; a bare `-o` is --predict-overwrite, as in mosh. Inside a session, \
                  Ctrl-^ then “.” ends it, Ctrl-^ Ctrl-Z suspends it, Ctrl-^ p shows its paths.\n\nThe first word may be a \
                  command: paths, doctor, config, plot. A host of that name is reached by `mpmosh -- paths` or `mpmosh \
                  user@paths`.\n\nExit status: the remote command's (128+n when \
                  signal n ended it); 255 when mpmosh itself failed."
)]
#[expect(clippy::struct_excessive_bools, reason = "each is one option, as typed")]
pub(super) struct Cli {
    /// Start the server on this machine, without ssh, and connect to it over its own addresses
    #[arg(long)]
    pub(super) local: bool,

    /// When to show typed keys at once: adaptive, always, never, experimental
    #[arg(long, value_name = "WHEN", help_heading = "Session")]
    pub(super) predict: Option<String>,
    /// Same as --predict=always
    #[arg(short = 'a', help_heading = "Session", conflicts_with_all = ["predict", "no_predict"])]
    pub(super) always_predict: bool,
    /// Same as --predict=never
    #[arg(short = 'n', help_heading = "Session", conflicts_with = "predict")]
    pub(super) no_predict: bool,
    /// Predicted keys overwrite instead of inserting
    #[arg(short = 'o', long, help_heading = "Session")]
    pub(super) predict_overwrite: bool,
    /// Do not switch the terminal to its alternate screen
    #[arg(long, help_heading = "Session")]
    pub(super) no_init: bool,
    /// Tell more; repeat for more still
    #[arg(short = 'v', long, action = ArgAction::Count, help_heading = "Session")]
    pub(super) verbose: u8,
    /// Write one JSON object per network event to this file
    #[arg(long, value_name = "FILE", help_heading = "Session")]
    pub(super) trace: Option<String>,
    /// Write the log to this file instead of standard error
    #[arg(long, value_name = "FILE", help_heading = "Session")]
    pub(super) log: Option<String>,
    /// What to log: error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL", help_heading = "Session")]
    pub(super) log_level: Option<String>,

    /// Send data over several paths at once: off, auto, always
    #[arg(long, value_name = "WHEN", help_heading = "Paths")]
    pub(super) redundancy: Option<String>,
    /// Use this interface before others (repeatable)
    #[arg(long, value_name = "IFACE", help_heading = "Paths")]
    pub(super) prefer: Vec<String>,
    /// Use this interface only when nothing else works (repeatable)
    #[arg(long, value_name = "IFACE", help_heading = "Paths")]
    pub(super) backup: Vec<String>,
    /// Do not use this interface (repeatable)
    #[arg(long, value_name = "IFACE", help_heading = "Paths")]
    pub(super) never: Vec<String>,
    /// What to do with metered networks: backup, allow, never
    #[arg(long, value_name = "HOW", help_heading = "Paths")]
    pub(super) metered: Option<String>,
    /// How long a sleeping session may be silent, where the networks between bear it: 3 to 35 (25)
    #[arg(long, value_name = "SECONDS", help_heading = "Paths")]
    pub(super) keepalive: Option<String>,
    /// Another address of the server (repeatable)
    #[arg(long, value_name = "ADDR", help_heading = "Paths")]
    pub(super) address: Vec<IpAddr>,
    /// Address families: inet, inet6, auto, all, prefer-inet, prefer-inet6
    #[arg(long, value_name = "FAMILY", help_heading = "Paths")]
    pub(super) family: Option<String>,
    /// Same as --family=inet
    #[arg(short = '4', help_heading = "Paths", conflicts_with_all = ["family", "inet6"])]
    pub(super) inet: bool,
    /// Same as --family=inet6
    #[arg(short = '6', help_heading = "Paths", conflicts_with = "family")]
    pub(super) inet6: bool,

    /// The server's UDP port, or a range of them
    #[arg(short = 'p', long, value_name = "PORT[:PORT2]", help_heading = "Server")]
    pub(super) port: Option<String>,
    /// Which of its addresses the server accepts: any, ssh, or an address (any of ours, ssh of a stock one)
    #[arg(long, value_name = "WHICH", help_heading = "Server")]
    pub(super) bind_server: Option<String>,
    /// The command that starts the server on the other side
    #[arg(long, value_name = "COMMAND", help_heading = "Server")]
    pub(super) server: Option<String>,
    /// First copy a server that fits into ~/.local/bin on the host; FROM is a file or a directory of builds
    #[arg(long, value_name = "FROM", help_heading = "Server", num_args = 0..=1, require_equals = true,
          default_missing_value = "", conflicts_with_all = ["server", "local"])]
    pub(super) install_server: Option<OsString>,
    /// The wire format: auto, multipath, mosh, mp-mosh
    #[arg(long, value_name = "NAME", help_heading = "Server")]
    pub(super) dialect: Option<String>,
    /// Run this mpmosh-client instead of carrying the session in this process
    #[arg(long, value_name = "PATH", help_heading = "Server")]
    pub(super) client: Option<String>,

    /// Use this ssh command instead of the built-in one
    #[arg(long, value_name = "COMMAND", help_heading = "Ssh")]
    pub(super) ssh: Option<String>,
    /// Ask ssh for a terminal
    #[arg(long, help_heading = "Ssh", conflicts_with = "no_ssh_pty")]
    pub(super) ssh_pty: bool,
    /// Ask ssh for no terminal (the default)
    #[arg(long, help_heading = "Ssh")]
    pub(super) no_ssh_pty: bool,
    /// The user on the other side
    #[arg(short = 'l', value_name = "USER", help_heading = "Ssh")]
    pub(super) login: Option<String>,
    /// The ssh server's TCP port
    #[arg(long, value_name = "PORT", help_heading = "Ssh", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) ssh_port: Option<u16>,
    /// A private key to authenticate with (repeatable)
    #[arg(short = 'i', value_name = "FILE", help_heading = "Ssh")]
    pub(super) identity: Vec<PathBuf>,
    /// The ssh configuration file
    #[arg(short = 'F', value_name = "FILE", help_heading = "Ssh")]
    pub(super) ssh_config: Option<PathBuf>,
    /// Reach the host through this one
    #[arg(short = 'J', value_name = "HOST", help_heading = "Ssh")]
    pub(super) jump: Option<String>,
    /// An option for ssh, as -o Key=Value (repeatable)
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Ssh")]
    pub(super) ssh_option: Vec<String>,
    /// How to learn the server's address: proxy (where ssh connected), local, remote
    #[arg(long, value_name = "HOW", help_heading = "Ssh")]
    pub(super) experimental_remote_ip: Option<String>,

    // Brackets in a doc comment would be links.
    #[arg(help = "[user@]host[:sshport], then the command")]
    #[arg(value_name = "HOST [COMMAND]", trailing_var_arg = true, allow_hyphen_values = false)]
    pub(super) words: Vec<String>,
}

/// The settings given, by configuration key.
pub(super) fn given(cli: &Cli) -> Dict {
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

/// Puts the words as clap expects them: `-o Key=Value` has its long name, since a bare `-o` is mosh's --predict-overwrite,
/// and options directly after the host stand before it, as mosh takes them.
///
/// Only options are touched: the first word that is neither an option nor an option's value is the host (with `--local` the
/// command, whose words are its own), and the next such word, or `--`, ends the options for good.
pub(super) fn arranged(words: Vec<OsString>) -> Vec<OsString> {
    let command = Cli::command();
    let mut rest = words.into_iter().peekable();
    let mut options: Vec<OsString> = rest.next().into_iter().collect();
    take_options(&command, &mut rest, &mut options);
    let host = match options.iter().any(|word| word == "--local") {
        true => None,
        false => rest.next_if(|word| word != "--"),
    };
    if host.is_some() {
        take_options(&command, &mut rest, &mut options);
    }
    options.into_iter().chain(host).chain(rest).collect()
}

/// Takes options, each with its value, up to a word that is none.
fn take_options(
    command: &clap::Command,
    rest: &mut Peekable<impl Iterator<Item = OsString>>,
    out: &mut Vec<OsString>,
) {
    let is_option = |word: &OsString| {
        word.to_str().is_some_and(|text| text.starts_with('-') && text != "-" && text != "--")
    };
    while let Some(word) = rest.next_if(is_option) {
        let text = word.to_string_lossy().into_owned();
        let attached = text.strip_prefix("-o").filter(|option| option.contains('='));
        if let Some(option) = attached {
            out.push(format!("--ssh-option={option}").into());
        } else if text == "-o"
            && let Some(next) =
                rest.next_if(|next| next.to_str().is_some_and(|n| n.contains('=') && !n.starts_with('-')))
        {
            out.push(format!("--ssh-option={}", next.to_string_lossy()).into());
        } else {
            out.push(word);
            if takes_value(command, &text) {
                out.extend(rest.next());
            }
        }
    }
}

/// Whether the option's value is the next word.
fn takes_value(command: &clap::Command, word: &str) -> bool {
    let with_value =
        command.get_arguments().filter(|arg| arg.get_action().takes_values() && !arg.is_require_equals_set());
    with_value.into_iter().any(|arg| match word.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        // In a cluster of short options the last one may take the next word.
        None => word.starts_with('-') && word.chars().last() == arg.get_short(),
    })
}
