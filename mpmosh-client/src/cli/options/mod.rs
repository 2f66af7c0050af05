//! The options: each is defined once, in [`OPTIONS`], and everything else follows from that definition.
//!
//! | face | where it is derived |
//! | --- | --- |
//! | the command line, its help, manual and completions | `arguments` and `given` |
//! | the file | [`crate::cli::config`] reads what [`Definition::named`] knows |
//! | the environment: ours and mosh's variables | [`Definition::variable`], [`MoshVariable`] |
//! | the default | [`Definition::default`] |
//! | `config show`, mpmosh.toml(5) | every definition in order, with its default and [`Kind::wanted`] |
//!
//! A new option is a row here and a field of [`Config`](crate::cli::config::Config); a test fails if one is missing.

mod command_line;
mod definition;
mod kind;
mod nearest;

pub(crate) use self::command_line::{arguments, given, with_words};
pub use self::definition::{Definition, MoshVariable, Reads};
pub use self::kind::Kind;
pub(crate) use self::kind::number;
pub(crate) use self::nearest::{nearest, slips};
use crate::cli::words::{
    CarrierMode, Clipboard, Dialect, Family, LogLevel, Metered, OnHangup, PredictMode, Redundancy, RemoteIp,
};

use self::definition::option;
use self::definition::{PATHS, SERVER, SESSION, SSH};

/// Every option, in the order of the manual.
pub const OPTIONS: &[Definition] = &[
    option(SESSION, "predict", Kind::Word(PredictMode::WORDS))
        .help("When typed keys are shown before the server echoes them")
        .value("WHEN")
        .or(PredictMode::Adaptive.as_str())
        .same("-a", "always")
        .same("-n", "never")
        .mosh("MOSH_PREDICTION_DISPLAY", Reads::Value),
    option(SESSION, "predict-overwrite", Kind::Flag)
        .help("Predicted keys overwrite instead of inserting")
        .letter('o')
        .mosh("MOSH_PREDICTION_OVERWRITE", Reads::Yes),
    option(SESSION, "escape-key", Kind::Text)
        .help("The key that begins a command to the client; empty for none")
        .not_typed()
        .mosh("MOSH_ESCAPE_KEY", Reads::Value),
    option(SESSION, "metered-notice", Kind::Flag)
        .help(
            "Tell at the right of the first line, for two seconds, that the session has moved to a metered \
             network",
        )
        .or("true")
        .not_typed(),
    option(SESSION, "on-hangup", Kind::Word(OnHangup::WORDS))
        .help(
            "What a hang-up of this terminal does to the session; when it is not said, one with a name is detached, \
             and one without ends",
        )
        .value("WHAT"),
    option(SESSION, "clipboard", Kind::Word(Clipboard::WORDS))
        .help("What programs on the server may do with the clipboard of this terminal (OSC 52)")
        .value("WHAT")
        .or(Clipboard::Write.as_str()),
    option(SESSION, "plain-title", Kind::Flag)
        .help("No prefix in the window's title")
        .not_typed()
        .mosh("MOSH_TITLE_NOPREFIX", Reads::Presence),
    option(SESSION, "no-init", Kind::Flag)
        .help("Do not switch the terminal to its alternate screen")
        .mosh("MOSH_NO_TERM_INIT", Reads::Presence),
    option(PATHS, "redundancy", Kind::Word(Redundancy::WORDS))
        .help("Send data over several paths at once")
        .value("WHEN")
        .or(Redundancy::Auto.as_str()),
    option(PATHS, "prefer", Kind::Interfaces).help("Use this interface before others"),
    option(PATHS, "backup", Kind::Interfaces).help("Use this interface only when nothing else works"),
    option(PATHS, "never", Kind::Interfaces).help("Do not use this interface, not even for ssh"),
    option(PATHS, "metered", Kind::Word(Metered::WORDS))
        .help("What to do with metered networks")
        .value("HOW")
        .or(Metered::Backup.as_str()),
    option(PATHS, "carrier", Kind::Word(CarrierMode::WORDS))
        .help("Go through ssh where UDP is blocked")
        .value("WHEN")
        .or(CarrierMode::Auto.as_str()),
    option(PATHS, "keepalive", Kind::Seconds(3, 35))
        .help("How long a sleeping session may be silent, where the networks between bear it")
        // Most NATs remember half a minute, most firewalls two.
        .or("25"),
    option(PATHS, "address", Kind::Addresses).help("Another address of the server"),
    option(PATHS, "family", Kind::Word(Family::WORDS))
        .help("Which address families to use")
        .value("FAMILY")
        .or(Family::Auto.as_str())
        .same("-4", "inet")
        .same("-6", "inet6"),
    option(SERVER, "port", Kind::Ports).help("The server's UDP port, or a range of them").letter('p'),
    option(SERVER, "bind-server", Kind::Bind)
        .help("Which of its addresses the server accepts (any of ours, ssh of a stock one)"),
    option(SERVER, "dialect", Kind::Word(Dialect::WORDS))
        .help("The wire format")
        .value("NAME")
        .or(Dialect::Auto.as_str()),
    option(SERVER, "session-ttl", Kind::Seconds(0, 315_360_000))
        .help("How long a detached session waits for a client, 0 for ever; the server's own default is 14 days"),
    option(SERVER, "server", Kind::Command).help("The command that starts the server on the other side"),
    option(SERVER, "client", Kind::File)
        .help("Run this mpmosh-client instead of carrying the session in this process")
        .value("PATH"),
    option(SSH, "ssh", Kind::Command).help("Use this ssh command instead of the built-in one"),
    option(SSH, "ssh-pty", Kind::Flag).help("Ask ssh for a terminal").same("--no-ssh-pty", "false"),
    option(SSH, "remote-ip", Kind::Word(RemoteIp::WORDS))
        .help("Where the server's address comes from, ssh's connection, the name or the host")
        .typed("experimental-remote-ip")
        .value("HOW")
        .or(RemoteIp::Proxy.as_str()),
    option(SESSION, "trace", Kind::File).help("Write one JSON object per network event to this file"),
    option(SESSION, "log", Kind::File).help("Write the log to this file instead of standard error"),
    option(SESSION, "log-level", Kind::Word(LogLevel::WORDS))
        .help("What to log")
        .value("LEVEL")
        .or(LogLevel::Warn.as_str()),
];
