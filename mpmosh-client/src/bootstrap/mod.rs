//! From `[user@]host` to a running server and its key.
//!
//! Contract: [`run`] blocks, belongs on a thread of its own, and speaks to the user only through the [`Dialogue`] it is
//! given. It starts exactly one server, and returns what that server announced and how it was reached. The session's key
//! passes through memory that is wiped; it is in no argument list, environment, message or log. Nothing of the user's
//! `~/.ssh` is written but one appended line per host key that the user accepted.

mod announce;
mod attach;
mod awaiting;
mod carriage;
mod command;
mod connect;
pub mod courier;
pub mod dial;
mod dialogue;
mod error;
mod examine;
mod install;
pub mod listing;
mod local;
mod question;
mod remote;
mod second;
pub mod ssh;
mod terminal_dialogue;
mod uplinks;
mod whereabouts;

use core::net::{IpAddr, SocketAddr};
use std::ffi::OsString;
use std::path::PathBuf;

pub use announce::Objection;
pub use awaiting::{CommandEnd, Printed};
pub use carriage::Carriage;
pub(crate) use carriage::Preface;
pub use connect::Unreached;
pub use courier::Courier;
pub(crate) use dialogue::Nobody;
pub use dialogue::{AskError, Dialogue};
pub use error::{Denial, Error};
pub use examine::{Host, HostFacts, Whereabouts, look_up, survey};
pub(crate) use platform::words::words;
pub use question::{Answer, Question, ask};
pub use second::Second;
pub use ssh::ssh_config::HostSettings;
pub use terminal_dialogue::TerminalDialogue;
pub use uplinks::Uplinks;

use remote::Remote;
use ssh::external::External;
use ssh::libssh2::Libssh2;
use ssh::{private_key, ssh_config};

use crate::cli::args::{self, Destination, SessionArgs, SshArgs, Target, Want};
use crate::cli::config::Config;
use crate::cli::plan::{KeyText, KnownSession, ServerProcess};
use crate::cli::words::{Bind, Dialect, Family, RemoteIp};
use crate::text::messages::Paragraph;
use net::DialectName;
use platform::login::LOCALE_VARIABLES;

/// What the bootstrap is to do.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where to start the server.
    pub target: Target,
    /// What to start.
    pub server: ServerRequest,
    /// What the command line says to ssh.
    pub ssh: SshArgs,
    /// An ssh command that replaces libssh2.
    pub ssh_command: Option<String>,
    /// Ask ssh for a terminal.
    pub ssh_pty: bool,
    /// Which addresses may be used.
    pub family: Family,
    /// Which interfaces may be used, and for what.
    pub uplinks: Uplinks,
    /// Where the server's address comes from.
    pub remote_ip: RemoteIp,
    /// Put our server on the host first: from this directory or file, or if empty from where packages are.
    pub install: Option<PathBuf>,
    /// How the target is named on our own command line, for advice.
    pub way: String,
    /// The session that all of this runs in, if it does.
    pub within: Option<String>,
    /// What ssh's configuration says of the target, once it has been asked for.
    pub settings: HostSettings,
    /// Keep the stream of the command that starts the server: see [`Kept`].
    pub keeps: bool,
    /// Nobody is there to be asked.
    pub batch: bool,
}

/// What a bootstrap leaves besides a server.
#[derive(Debug, Default)]
pub struct Kept {
    /// The way to another server, where the first may not be heard though ssh works.
    pub second: Option<Second>,
    /// The stream of the command that started the server, where it was to be kept.
    pub carriage: Option<Carriage>,
    /// The host runs no scripts.
    pub plain: bool,
}

/// The server to start, as its command line will say.
#[derive(Clone, Debug)]
pub struct ServerRequest {
    /// Which session.
    pub want: Want,
    /// How long it waits for a client once it was detached, in seconds; `None` leaves it to the server.
    pub session_ttl: Option<u32>,
    /// Its start is to carry the session's datagrams afterwards, where it can.
    pub carry: bool,
    /// The command inside the session; empty for a login shell.
    pub command: Vec<OsString>,
    /// The wire format asked for.
    pub dialect: Dialect,
    /// The user's own command for starting the server.
    pub program: Option<String>,
    /// UDP port or range.
    pub port: Option<String>,
    /// Which addresses the server accepts.
    pub bind: Option<Bind>,
    /// How many colours the user's terminal has.
    pub colours: u32,
    /// The locale variables to pass on, for a server whose own locale is not UTF-8.
    pub locale: Vec<(String, String)>,
    /// The size of the user's terminal, columns and rows; `None` for byte streams instead of a terminal.
    pub size: Option<(u16, u16)>,
}

impl Request {
    /// The same where nobody is there to be asked.
    pub(crate) fn unattended(&self) -> Self {
        Self { batch: true, ..self.clone() }
    }

    /// Puts together what the command line, the configuration and the user's terminal say.
    #[must_use]
    pub fn new(
        args: &SessionArgs,
        config: &Config,
        variable: impl Fn(&str) -> Option<String>,
        colours: u32,
        size: Option<(u16, u16)>,
    ) -> Self {
        let locale =
            LOCALE_VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), variable(name)?))).collect();
        Self {
            target: args.target.clone(),
            server: ServerRequest {
                want: args.want.clone(),
                session_ttl: config.session_ttl,
                carry: false,
                command: args.command.clone(),
                dialect: config.dialect,
                program: config.server.clone(),
                port: config.port.clone(),
                bind: config.bind_server,
                colours,
                locale,
                size,
            },
            ssh: args.ssh.clone(),
            ssh_command: config.ssh.clone(),
            ssh_pty: config.ssh_pty,
            family: config.family,
            uplinks: Uplinks::new(&config.settings(0)),
            remote_ip: config.remote_ip,
            install: args.install_server.clone(),
            way: args.way(),
            within: variable("MPMOSH_SESSION"),
            settings: HostSettings::default(),
            keeps: false,
            batch: false,
        }
    }
}

#[cfg(test)]
impl Request {
    /// A request with nothing but its target.
    pub(crate) fn to(target: Target) -> Self {
        Self {
            target,
            server: ServerRequest::default(),
            ssh: SshArgs::default(),
            ssh_command: None,
            ssh_pty: false,
            family: Family::Auto,
            uplinks: Uplinks::default(),
            remote_ip: RemoteIp::Proxy,
            install: None,
            way: "HOST".into(),
            within: None,
            settings: HostSettings::default(),
            keeps: false,
            batch: false,
        }
    }
}

#[cfg(test)]
impl Default for ServerRequest {
    /// A login shell without a terminal, and nothing said of the server.
    fn default() -> Self {
        Self {
            want: Want::NEW,
            session_ttl: None,
            carry: false,
            command: Vec::new(),
            dialect: Dialect::Auto,
            program: None,
            port: None,
            bind: None,
            colours: 0,
            locale: Vec::new(),
            size: None,
        }
    }
}

impl ServerRequest {
    /// Whether byte streams are asked for.
    #[must_use]
    pub fn streams(&self) -> bool {
        self.size.is_none()
    }

    /// Whether what is asked for is stock mosh's server, or a session in the words of one.
    pub(crate) fn names_stock(&self) -> bool {
        matches!(self.dialect, Dialect::Mosh | Dialect::MpMosh)
            || self.program.as_deref().is_some_and(command::names_stock)
    }
}

/// A server that runs, and how to reach it.
#[derive(Debug)]
pub struct Announced {
    /// The wire format it speaks.
    pub dialect: DialectName,
    /// Its UDP port, one for both families.
    pub port: u16,
    /// The session's key.
    pub key: KeyText,
    /// The addresses it listed on the authenticated channel.
    pub addresses: Vec<IpAddr>,
    /// The address the bootstrap reached, with the UDP port.
    pub reached: SocketAddr,
    /// What the name service says of the host besides: unauthenticated.
    pub hints: Vec<IpAddr>,
    /// What lay between here and the host for ssh: datagrams go without it.
    pub through: Option<String>,
    /// The name that it was asked for; `None` where there was only an address.
    pub name: Option<String>,
    /// The server's process, when it has told it.
    pub process: ServerProcess,
    /// The session, where the server keeps sessions.
    pub session: Option<KnownSession>,
}

impl Announced {
    /// The server's addresses with its port: the one reached first, then those it listed.
    #[must_use]
    pub fn remotes(&self) -> Vec<SocketAddr> {
        let mut remotes = vec![self.reached];
        for ip in &self.addresses {
            let remote = SocketAddr::new(*ip, self.port);
            if !remotes.iter().any(|known| known.ip() == remote.ip()) {
                remotes.push(remote);
            }
        }
        remotes
    }

    /// The hints with the server's port, without what is in [`Announced::remotes`].
    #[must_use]
    pub fn hints(&self) -> Vec<SocketAddr> {
        let remotes = self.remotes();
        let new = |ip: &&IpAddr| !remotes.iter().any(|known| known.ip() == **ip);
        self.hints.iter().filter(new).map(|ip| SocketAddr::new(*ip, self.port)).collect()
    }
}

/// What the name service says of a host now; nothing where it does not answer. Blocks for as long as it takes.
#[must_use]
pub fn resolve(name: &str, port: u16, family: Family) -> Vec<SocketAddr> {
    connect::resolve(name, port, family, None).unwrap_or_else(|error| {
        log::info!("{error}");
        Vec::new()
    })
}

/// Starts the server. Blocks until it has announced itself.
///
/// # Errors
/// See [`Error`], which becomes a paragraph for the user.
pub fn run(request: &Request, dialogue: &mut dyn Dialogue) -> Result<(Announced, Kept), Error> {
    attach::check(request)?;
    let outcome = match &request.target {
        Target::Local => {
            attach::start(&mut local::Local, request, dialogue).map(|announced| (announced, Kept::default()))
        }
        Target::Remote(destination) => remote(request, destination, dialogue),
    };
    dialogue.stage(None);
    if let Ok((announced, _)) = &outcome
        && !announced.dialect.traits().addresses
        && request.server.dialect == Dialect::Auto
        && request.server.program.is_none()
    {
        dialogue.tell(
            "mpmosh: only a stock mosh-server is there: the session will use one path at a time. \
             mpmosh-server on that host brings them all.",
        );
    }
    outcome
}

fn remote(
    request: &Request,
    destination: &Destination,
    dialogue: &mut dyn Dialogue,
) -> Result<(Announced, Kept), Error> {
    let mut host = login(request, destination, dialogue)?;
    let mut request = request.clone();
    if request.install.is_some() {
        install::run(&mut *host, &mut request, dialogue)?;
    }
    let announced = attach::start(&mut *host, &request, dialogue)?;
    let plain = host.is_plain();
    let (second, carriage) = match second::other_family(&request, &announced) {
        Some(other) => (Some(Second::new(host, request, &announced, other)), None),
        None => (None, host.into_carriage()),
    };
    Ok((announced, Kept { second, carriage, plain }))
}

/// The paragraph for a bootstrap's end. A host of no name known may be a command mistyped.
#[must_use]
pub fn told(error: Error, target: &Target) -> Paragraph {
    let meant = matches!(error, Error::Resolve { .. }).then(|| args::meant(target)).flatten();
    let paragraph = Paragraph::from(error);
    match meant {
        Some(command) => {
            let next = format!("Did you mean “{command}”? {}", paragraph.next);
            Paragraph { next, ..paragraph }
        }
        None => paragraph,
    }
}

/// Most of a sentence of the server's that is told, in characters.
const SENTENCE: usize = 400;

/// What our server says, as a sentence fit for printing: without its name before it, and without its advice for whoever runs
/// it there by hand.
fn sentence(said: &str) -> String {
    let said = said.trim();
    let said = said.strip_prefix("mpmosh-server: ").unwrap_or(said);
    let said = said.split_once("; “mpmosh-server ").map_or(said, |(said, _)| said);
    let said = crate::text::sanitize::one_line(said, SENTENCE);
    let mut rest = said.chars();
    let Some(first) = rest.next() else { return said };
    let end = if said.ends_with(['.', '?', '!', '…']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), rest.as_str())
}

/// Passes on what the server had to say before it announced itself.
fn pass_on(scanner: &announce::Scanner, dialogue: &mut dyn Dialogue) {
    // A server of an earlier release carries nothing, and says so; the session goes on without.
    for notice in scanner.notices().iter().filter(|notice| !notice.contains("--carry")) {
        dialogue.tell(notice);
    }
}

/// The key files named on the command line that are not there, fit for printing.
fn missing(identities: &[PathBuf]) -> impl Iterator<Item = String> {
    let place = |file: &PathBuf| match (file.strip_prefix("~"), ssh_config::home()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => file.clone(),
    };
    let absent = move |file: &&PathBuf| !private_key::is_there(&place(file));
    identities.iter().filter(absent).map(|file| crate::text::sanitize::one_line(&file.to_string_lossy(), 120))
}

/// Logs in, by libssh2 where it can.
fn login(
    request: &Request,
    destination: &Destination,
    dialogue: &mut dyn Dialogue,
) -> Result<Box<dyn Remote>, Error> {
    if request.ssh_command.is_none() {
        for file in missing(&request.ssh.identities) {
            dialogue.tell(&format!("mpmosh: the key {file} that -i names is not there"));
        }
        let config = request.settings.of(destination, &request.ssh)?;
        let attempt = match config.needs_ssh() {
            Some(reason) => Err(Error::NeedsSsh { reason }),
            None => Libssh2::log_in(&config, &request.ssh, &request.uplinks, dialogue),
        };
        let reason = match attempt {
            Ok(host) => return Ok(Box::new(host)),
            Err(Error::NeedsSsh { reason }) => reason,
            Err(error) => return Err(error),
        };
        if !ssh_config::ssh_exists() {
            return Err(Error::NoSsh { reason });
        }
        dialogue.tell(&format!("mpmosh: using your own ssh: {reason}"));
    }
    dialogue.stage(Some(&format!("connecting to {} (your ssh)", destination.host)));
    // ssh itself asks on the terminal; what stands there must not be in its way.
    dialogue.stage(None);
    Ok(Box::new(External::new(request, destination)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    #[test]
    fn the_address_reached_comes_first_and_none_comes_twice() {
        let announced = Announced {
            dialect: DialectName::Multipath,
            port: 60001,
            key: KeyText::new(Zeroizing::new(String::new())),
            addresses: vec![[192, 0, 2, 1].into(), [192, 0, 2, 2].into()],
            reached: ([192, 0, 2, 2], 60001).into(),
            hints: vec![[192, 0, 2, 1].into(), [192, 0, 2, 3].into()],
            through: None,
            name: None,
            process: ServerProcess::default(),
            session: None,
        };
        assert_eq!(announced.remotes(), [([192, 0, 2, 2], 60001).into(), ([192, 0, 2, 1], 60001).into()]);
        assert_eq!(announced.hints(), [([192, 0, 2, 3], 60001).into()]);
    }
}
