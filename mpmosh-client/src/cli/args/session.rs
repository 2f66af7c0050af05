//! The options of a session, as typed, and the settings they stand for.

use core::iter::Peekable;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser};

use crate::cli::options::arguments;

/// The release, and the protocol that both ends have to speak.
pub(super) const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (protocol multipath/1)");

/// A remote terminal that uses every network path at once and stays when networks go.
#[derive(Debug, Parser)]
#[command(
    name = "mpmosh",
    version = VERSION,
    override_usage = "mpmosh [options] [user@]host[:sshport] [--] [command…]\n       \
                      mpmosh [options] --local [--] [command…]\n       \
                      mpmosh attach [options] [user@]host[:sshport] [ID|NAME] [--take]\n       \
                      mpmosh sessions [options] [user@]host[:sshport] [--json]\n       \
                      mpmosh kill|detach [options] [user@]host[:sshport] ID|NAME\n       \
                      mpmosh paths [--watch|--json] [PID|NAME]\n       \
                      mpmosh doctor [options] [user@]host[:sshport]\n       \
                      mpmosh config show [options] [host]\n       \
                      mpmosh plot TRACE -o FIGURE.svg|png",
    after_help = "`-o Key=Value` gives ssh an option; a bare `-o` is --predict-overwrite, as in mosh. Inside a session, \
                  Ctrl-^ then “.” ends it, Ctrl-^ d leaves it to go on without you, Ctrl-^ Ctrl-Z suspends it, Ctrl-^ p shows \
                  its paths.\n\nThe first word may be a command: sessions, attach, detach, kill, paths, doctor, config, \
                  plot. A host of that name is reached by `mpmosh -- paths` or `mpmosh user@paths`.\n\nExit status: the \
                  remote command's (128+n when signal n ended it); 0 when you detached; 254 when the session goes on with \
                  another client, or was detached by somebody else; 255 when mpmosh itself failed."
)]
pub(super) struct Cli {
    /// Start the server on this machine, without ssh, and connect to it over its own addresses
    #[arg(long)]
    pub(super) local: bool,

    /// Tell more; repeat for more still
    #[arg(short = 'v', long, action = ArgAction::Count, help_heading = "Session")]
    pub(super) verbose: u8,

    /// Attach to your session of this name there, or create it: it outlives its client
    #[arg(long, value_name = "NAME", help_heading = "Session")]
    pub(super) session: Option<String>,

    /// Take the session over without a question where another client has it
    #[arg(long, help_heading = "Session")]
    pub(super) take: bool,

    /// First copy a server that fits into ~/.local/bin on the host; FROM is a file or a directory of builds
    #[arg(long, value_name = "FROM", help_heading = "Server", num_args = 0..=1, require_equals = true,
          default_missing_value = "", conflicts_with_all = ["server", "local"])]
    pub(super) install_server: Option<OsString>,

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

    // Brackets in a doc comment would be links.
    #[arg(help = "[user@]host[:sshport], then the command")]
    #[arg(value_name = "HOST [COMMAND]", trailing_var_arg = true, allow_hyphen_values = false)]
    pub(super) words: Vec<OsString>,
}

/// The command line of a session: the options, and what is none of the configuration's.
pub(super) fn session_command() -> clap::Command {
    Cli::augment_args(clap::Command::new("mpmosh").args(arguments()))
}

/// Puts the words as clap expects them: `-o Key=Value` has its long name, since a bare `-o` is mosh's --predict-overwrite,
/// and options directly after the host stand before it, as mosh takes them.
///
/// Only options are touched: the first word that is neither an option nor an option's value is the host (with `--local` the
/// command, whose words are its own), and the next such word, or `--`, ends the options for good.
pub(super) fn arranged(words: Vec<OsString>) -> Vec<OsString> {
    let command = session_command();
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

/// The same where no command follows: options stand anywhere. Whether there are words behind a `--` all the same.
pub(super) fn arranged_throughout(words: Vec<OsString>) -> (Vec<OsString>, bool) {
    let command = session_command();
    let mut rest = words.into_iter().peekable();
    let mut options: Vec<OsString> = rest.next().into_iter().collect();
    let mut others = Vec::new();
    loop {
        take_options(&command, &mut rest, &mut options);
        match rest.next_if(|word| word != "--") {
            Some(word) => others.push(word),
            None => break,
        }
    }
    let followed = rest.nth(1).is_some();
    (options.into_iter().chain(others).collect(), followed)
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
