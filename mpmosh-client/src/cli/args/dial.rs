//! The words after `mpmosh --dial`, which the user's own ssh runs to make its connection. Nobody types them.

use core::time::Duration;

use clap::Parser;

use super::VERSION;
use crate::cli::plan::Interfaces;
use crate::cli::words::{Family, Metered};

/// A connection to make for ssh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialArgs {
    /// The host, as ssh's configuration has it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the interfaces are used.
    pub interfaces: Interfaces,
    /// The addresses that may be used.
    pub family: Family,
    /// The same, as ssh's configuration has it (`AddressFamily`).
    pub address_family: Option<String>,
    /// How long a try may take.
    pub timeout: Option<Duration>,
    /// How often it is tried, a second apart.
    pub attempts: u32,
    /// The system looks after the connection while it is idle.
    pub keep_alive: bool,
    /// Nobody is there to be told anything.
    pub quiet: bool,
}

/// Makes a connection for ssh and hands it over.
#[derive(Debug, Parser)]
#[command(name = "mpmosh --dial", bin_name = "mpmosh --dial", version = VERSION)]
struct DialCli {
    #[arg(long)]
    prefer: Vec<String>,
    #[arg(long)]
    backup: Vec<String>,
    #[arg(long)]
    never: Vec<String>,
    #[arg(long, value_parser = Metered::of_word, default_value = Metered::Backup.as_str())]
    metered: Metered,
    #[arg(long, value_parser = Family::of_word, default_value = Family::Auto.as_str())]
    family: Family,
    #[arg(long)]
    address_family: Option<String>,
    #[arg(long)]
    timeout: Option<u32>,
    #[arg(long, default_value_t = 1)]
    attempts: u32,
    #[arg(long)]
    keep_alive: bool,
    #[arg(long)]
    quiet: bool,
    host: String,
    port: u16,
}

/// Reads the words, the program's name first.
pub(super) fn parse(words: impl Iterator<Item = std::ffi::OsString>) -> Result<DialArgs, clap::Error> {
    let DialCli {
        prefer,
        backup,
        never,
        metered,
        family,
        address_family,
        timeout,
        attempts,
        keep_alive,
        quiet,
        host,
        port,
    } = DialCli::try_parse_from(words)?;
    let timeout = timeout.map(|seconds| Duration::from_secs(seconds.into()));
    let interfaces = Interfaces { prefer, backup, never, metered };
    Ok(DialArgs { host, port, interfaces, family, address_family, timeout, attempts, keep_alive, quiet })
}
