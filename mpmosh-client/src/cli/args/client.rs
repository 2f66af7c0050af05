//! The command line of `mpmosh-client`, which is mosh-client's.

use core::net::IpAddr;
use std::ffi::OsString;

use clap::builder::PossibleValuesParser;
use clap::{ArgAction, CommandFactory, Parser};

use crate::cli::words::Dialect;

/// The definition of `mpmosh-client`'s command line, for manuals and completions.
#[must_use]
pub fn client_command() -> clap::Command {
    ClientCli::command()
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
    version = super::VERSION,
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
    /// The wire format
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Dialect::WORDS))]
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
/// As [`parse`](super::parse).
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
