//! The configuration: command line over environment over `config.toml` over defaults.
//!
//! Contract: [`load`] is given all its sources and reads only the file it is told. Every value that is wrong is refused
//! with the place it came from (file and line, variable, or option), its key, and the nearest right word. Of the tables
//! of the file, `[defaults]` holds for every host and `[host."pattern"]` for those whose name, as typed, matches the
//! pattern (`*` and `?` as in ssh); where several match, the one with more literal characters wins.

mod file;
mod show;
mod source;

use core::net::IpAddr;
use core::time::Duration;
use std::io;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::value::Dict;
use serde::Deserialize;

use super::options::{OPTIONS, nearest, slips};
use super::plan::{EscapeKey, Interfaces, Settings};
use super::words::{
    Bind, CarrierMode, Clipboard, Dialect, Family, LogLevel, Metered, OnHangup, PredictMode, Redundancy,
    RemoteIp,
};

use crate::text::messages::Paragraph;

pub use show::{Setting, file_of, show};

/// The configuration in force for one session: every option ([`OPTIONS`]) with its value.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is one key of the file")]
pub struct Config {
    /// When to predict.
    pub predict: PredictMode,
    /// Predicted keys overwrite.
    pub predict_overwrite: bool,
    /// The escape key, as `MOSH_ESCAPE_KEY`; `None` is the default.
    pub escape_key: Option<String>,
    /// Tell for a moment that the session has moved to a metered uplink.
    pub metered_notice: bool,
    /// What a hang-up of the terminal does; `None` depends on whether the session has a name.
    pub on_hangup: Option<OnHangup>,
    /// Whether programs may write the terminal's clipboard.
    pub clipboard: Clipboard,
    /// How long a session without a client is kept, in seconds; `None` leaves it to the server.
    pub session_ttl: Option<u32>,
    /// No prefix in the window's title.
    pub plain_title: bool,
    /// No alternate screen.
    pub no_init: bool,
    /// Redundant sending.
    pub redundancy: Redundancy,
    /// Going through ssh.
    pub carrier: CarrierMode,
    /// Preferred interfaces.
    pub prefer: Vec<String>,
    /// Interfaces of last resort.
    pub backup: Vec<String>,
    /// Interfaces not to use.
    pub never: Vec<String>,
    /// Metered networks.
    pub metered: Metered,
    /// The longest silence of a sleeping session, in seconds.
    pub keepalive: u16,
    /// Further addresses of the server.
    pub address: Vec<IpAddr>,
    /// Address families.
    pub family: Family,
    /// The server's UDP port or range.
    pub port: Option<String>,
    /// Which addresses the server accepts: all of ours, or the one that ssh reached of a stock server, where it is not said.
    pub bind_server: Option<Bind>,
    /// The wire format; `None` is `auto`.
    pub dialect: Dialect,
    /// The command that starts the server.
    pub server: Option<String>,
    /// A client program to run instead of this process.
    pub client: Option<PathBuf>,
    /// An ssh command to use instead of libssh2.
    pub ssh: Option<String>,
    /// Ask ssh for a terminal.
    pub ssh_pty: bool,
    /// How to learn the server's address.
    pub remote_ip: RemoteIp,
    /// Where the trace goes.
    pub trace: Option<PathBuf>,
    /// Where the log goes.
    pub log: Option<PathBuf>,
    /// How much is logged.
    pub log_level: LogLevel,
}

impl Config {
    /// The part that outlives the bootstrap.
    #[must_use]
    pub fn settings(&self, verbose: u8) -> Settings {
        Settings {
            predict: self.predict,
            predict_overwrite: self.predict_overwrite,
            escape: self.escape_key.as_deref().map_or(EscapeKey::DEFAULT, EscapeKey::parse),
            redundancy: self.redundancy,
            carrier: self.carrier,
            interfaces: Interfaces {
                prefer: self.prefer.clone(),
                backup: self.backup.clone(),
                never: self.never.clone(),
                metered: self.metered,
            },
            keepalive: Duration::from_secs(self.keepalive.into()),
            addresses: self.address.clone(),
            family: self.family,
            on_hangup: self.on_hangup,
            metered_notice: self.metered_notice,
            clipboard: self.clipboard,
            plain_title: self.plain_title,
            no_init: self.no_init,
            trace: self.trace.clone(),
            verbose,
        }
    }
}

/// Why a configuration is refused. The message names the place, the key, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is there and cannot be read.
    #[error("{} cannot be read: {cause}", .file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The file is not TOML.
    #[error("{}, line {line}: that is not valid TOML: {message}", .file.display())]
    Syntax {
        /// Which file.
        file: PathBuf,
        /// Which line.
        line: usize,
        /// Line, column and what was expected.
        message: String,
    },
    /// A key or table nobody knows.
    #[error("{place}: unknown {what} “{word}”{}", near(.nearest.as_deref()))]
    Unknown {
        /// File and line, or variable.
        place: String,
        /// `key` or `table`.
        what: &'static str,
        /// The word found.
        word: String,
        /// The nearest right one.
        nearest: Option<String>,
    },
    /// A value of the wrong kind.
    #[error("{place}: {key} cannot be {found}: it is {wanted}{}", near(.nearest.as_deref()))]
    Value {
        /// File and line, variable, or option.
        place: String,
        /// The key.
        key: String,
        /// The value found, as text.
        found: String,
        /// What the key takes.
        wanted: String,
        /// The nearest right word.
        nearest: Option<String>,
    },
}

impl From<Error> for Paragraph {
    fn from(error: Error) -> Self {
        Self::new(
            "The configuration is not usable.",
            format!("{error}."),
            "mpmosh --help names every option.",
        )
    }
}

fn near(word: Option<&str>) -> String {
    word.map(|word| format!(" (did you mean “{word}”?)")).unwrap_or_default()
}

/// The file to read: `$XDG_CONFIG_HOME/mpmosh/config.toml`, else under `$HOME/.config`.
#[must_use]
pub fn default_file(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| Path::new(value).is_absolute());
    let base = set("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| Path::new(&home).join(".config")))?;
    Some(base.join("mpmosh").join("config.toml"))
}

/// Lays the sources over each other. `host` is the destination as typed, or `None` for a local session; `file` may be
/// absent from the disk; `variables` is the environment; `given` is the command line.
///
/// # Errors
/// The first thing that is wrong in any source, also in those that another source covers.
pub fn load(
    host: Option<&str>,
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
    given: &Dict,
) -> Result<Config, Error> {
    let figment = figment(host, file, variables, given)?;
    figment.extract().map_err(|error| source::blame(&error))
}

/// Variables that are nearly a setting's, with the one that was meant. Others of ours may be somebody else's affair.
#[must_use]
pub fn mistyped(variables: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
    let settings: Vec<(String, String)> =
        OPTIONS.iter().map(|option| (option.variable(), option.variable().to_lowercase())).collect();
    let known = |name: &str| settings.iter().any(|(variable, _)| variable == name);
    let ours = variables.into_iter().map(|(name, _)| name);
    ours.filter(|name| name.starts_with("MPMOSH_") && !known(name))
        .filter_map(|name| {
            let words: Vec<String> = settings.iter().map(|(_, lower)| lower.replace('_', "-")).collect();
            let near = nearest(&name, words.iter().map(String::as_str))?;
            Some((name, near.to_uppercase().replace('-', "_")))
        })
        .filter(|(name, near)| slips(name, near) <= 2)
        .collect()
}

/// The sources, the weakest first.
fn figment(
    host: Option<&str>,
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
    given: &Dict,
) -> Result<Figment, Error> {
    let mut layers = vec![source::defaults()];
    if let Some(file) = file {
        layers.extend(file::layers(file, host)?);
    }
    layers.push(source::environment(variables)?);
    layers.push(source::command_line(given)?);
    Ok(layers.into_iter().fold(Figment::new(), Figment::merge))
}

#[cfg(test)]
mod tests;
