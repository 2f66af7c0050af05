//! The words after `mpmosh paths`.

use clap::Parser;

use super::VERSION;

/// How to tell of the paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Once, as a table.
    Table,
    /// A table that goes on.
    Watch,
    /// Once, as JSON.
    Json,
}

/// Whose paths to tell of, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathsRequest {
    /// How to tell.
    pub form: Form,
    /// The session's process or name; none: all.
    pub which: Option<String>,
}

impl PathsRequest {
    /// The process asked for, where a process was.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.which.as_ref()?.parse().ok()
    }
}

/// Shows the paths of the sessions that run.
#[derive(Debug, Parser)]
#[command(
    name = "mpmosh paths",
    bin_name = "mpmosh paths",
    version = VERSION,
    after_help = "An asterisk marks the path that carries the session. Loss is in percent: of what comes from the \
                  server, and of what goes to it. Octets are how many a datagram may have.\n\nExit status: 0 when a \
                  session was shown, 1 when there is none (of that name), 255 for wrong words."
)]
pub(super) struct PathsCli {
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

impl From<PathsCli> for PathsRequest {
    fn from(cli: PathsCli) -> Self {
        let form = match (cli.watch, cli.json) {
            (true, _) => Form::Watch,
            (false, true) => Form::Json,
            (false, false) => Form::Table,
        };
        Self { form, which: cli.which }
    }
}
