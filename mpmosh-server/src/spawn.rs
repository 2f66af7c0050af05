//! From a command line to a serving process: bind, make a key, announce, detach.

pub mod logind;

use crate::addresses::{Listing, reached_by_ssh};
use crate::args::{Arguments, DEFAULT_PORTS};
use crate::event_loop::{self, Launch};
use crate::server::{Config, Server};
use net::{Connection, Dialect, DialectName, Key, Side};
use platform::changes::Changes;
use platform::clock;
use platform::login::{self, Detached, User};
use platform::pty;
use platform::rehearsal::{self, no};
use platform::tty::Size;
use platform::udp::{Endpoint, Families};
use platform::words::words;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;
use zeroize::Zeroize;

/// Descriptors of a session besides those that the rehearsal opens as it does: sockets, signals, pipes of a program.
const DESCRIPTORS: usize = 16;
/// Threads and processes that are to be had besides those of a session: the user's other programs start some in the moment
/// between the rehearsal and the program's start, first of all a client on the same machine.
const SPARE: usize = 4;
/// Octets of memory that a session begins with, and some more.
const MEMORY: usize = 16 << 20;

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No port could be bound.
    #[error("no UDP port from {low} to {high} can be used: {}. Choose others with -p PORT[:PORT2].", words(.error))]
    Bind {
        /// The first port tried.
        low: u16,
        /// The last port tried.
        high: u16,
        /// What the system said.
        error: io::Error,
    },
    /// The system refused something else.
    #[error("{what}: {}", words(.error))]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// This host has not what a session needs.
    #[error("{0}; no session is started.")]
    Wanting(String),
    /// The key has the wrong length: a fault of ours.
    #[error("the session's key could not be made: {0}")]
    Key(#[from] net::KeyError),
}

fn system(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| Error::System { what, error }
}

/// Does what the command line asks: returns in the parent once the session is announced, and in the serving process
/// once it is over. `notice` is a sentence for the user that goes before the announcement.
///
/// # Errors
/// What keeps the session from being announced or served.
pub fn run(arguments: Arguments, notice: Option<&str>) -> Result<(), Error> {
    login::forbid_core_dumps();
    rehearsal::rehearse(|| needs(&arguments)).map_err(Error::Wanting)?;
    let listing = Listing {
        reached: std::env::var("SSH_CONNECTION").ok().as_deref().and_then(reached_by_ssh),
        only: only_address(&arguments),
        named: arguments.address.clone(),
    };
    let ports = arguments.ports.clone().unwrap_or(DEFAULT_PORTS);
    let families = match listing.only {
        Some(IpAddr::V4(_)) => Families::V4,
        Some(IpAddr::V6(_)) => Families::V6,
        None => Families::ANY,
    };
    let (low, high) = (*ports.start(), *ports.end());
    let endpoint = Endpoint::server(ports, families).map_err(|error| Error::Bind { low, high, error })?;
    let key = new_key(arguments.dialect)?;
    if let Some(notice) = notice {
        tell(arguments.dialect, notice);
    }
    announce(arguments.dialect, &endpoint, &key, &listing).map_err(system("announcing the session"))?;
    // What is wrong with them is told while there is someone to tell.
    let timeouts = Timeouts {
        network: seconds("MOSH_SERVER_NETWORK_TMOUT").filter(|limit| !limit.is_zero()),
        signal: seconds("MOSH_SERVER_SIGNAL_TMOUT").unwrap_or_default(),
    };
    let heard = arguments.verbose > 0;
    match login::detach().map_err(system("detaching"))? {
        Detached::Parent { pid } => {
            // The last line is mosh-server's, to the letter: there are programs that read it.
            // In one piece: with `-v` the child writes to the same place.
            let version = env!("CARGO_PKG_VERSION");
            let word = format!("\nmpmosh-server {version}\n\n[mosh-server detached, pid = {pid}]\n");
            let _ = io::stderr().write_all(word.as_bytes());
            return Ok(());
        }
        Detached::Child if heard => {}
        Detached::Child => login::close_standard_streams().map_err(system("closing standard streams"))?,
    }
    rehearsal::on_enough_stack(|| serve(arguments, listing, endpoint, &key, timeouts))
        .map_err(system("a stack cannot be had"))??;
    if heard {
        let _ = writeln!(io::stdout(), "\n[mosh-server is exiting.]");
    }
    Ok(())
}

/// What a session needs besides what is there already: in threads, in processes, in descriptors and in memory.
fn needs(arguments: &Arguments) -> Result<(), String> {
    rehearsal::memory(MEMORY)?;
    // The executor and what it waits with have a thread each.
    block_on(async { async_io::Timer::after(Duration::ZERO).await });
    let _changes = Changes::new().map_err(no("the network cannot be watched"))?;
    let _terminal = match arguments.streams {
        true => None,
        false => Some(pty::open(Size::DEFAULT).map_err(no("no terminal can be had"))?),
    };
    rehearsal::threads(SPARE).map_err(no("too few threads can be started"))?;
    rehearsal::process().map_err(no("another process cannot be started"))?;
    rehearsal::descriptors(DESCRIPTORS).map_err(no("not enough descriptors can be had"))
}

/// Runs what waits for the network to its end.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    // One thread is plenty beside a loop that does all by itself; there would be one for each processor. It and async-io's
    // sleep as long as the session waits by itself (`platform::wait`); async-std starts no fewer.
    let one = async_global_executor::GlobalExecutorConfig::default().with_min_threads(1).with_max_threads(1);
    async_global_executor::init_with_config(one);
    async_std::task::block_on(work)
}

/// Tells the user something. `mpmosh` reads standard output, up to the announcement, and shows it; what reads the
/// announcements of stock servers may be a script, and has standard error passed on to the user.
fn tell(dialect: DialectName, text: &str) {
    let _ = if dialect.traits().extended {
        writeln!(io::stdout(), "mpmosh-server: {text}")
    } else {
        writeln!(io::stderr(), "mpmosh-server: {text}")
    };
}

/// What the environment says of leaving.
struct Timeouts {
    network: Option<Duration>,
    signal: Duration,
}

fn serve(
    arguments: Arguments,
    listing: Listing,
    endpoint: Endpoint,
    key: &Key,
    timeouts: Timeouts,
) -> Result<(), Error> {
    let now = clock::now();
    let dialect = Dialect::new(arguments.dialect, key, Side::Server)?;
    let settings = net::Config::new().with_port(endpoint.port());
    let connection = Connection::server(dialect, settings, now);
    let seed = login::random::<8>().map_err(system("the random source"))?;
    let config = Config {
        streams: arguments.streams,
        size: arguments.size,
        extended: arguments.dialect.traits().extended,
        network_timeout: timeouts.network,
        signal_timeout: timeouts.signal,
        seed: u64::from_ne_bytes(seed),
    };
    let launch = launch(&arguments);
    let server = Server::new(connection, config, now);
    block_on(event_loop::run(server, endpoint, launch, listing)).map_err(system("waiting"))
}

/// The address that is served alone: `-i`'s, or with `-s` the one that ssh reached.
fn only_address(arguments: &Arguments) -> Option<IpAddr> {
    // Every pair of addresses is a path: `-s` is for the dialect that has one.
    if arguments.bind_ssh && !arguments.dialect.traits().addresses {
        let reached = std::env::var("SSH_CONNECTION").ok().as_deref().and_then(reached_by_ssh);
        if reached.is_none() {
            let _ =
                writeln!(io::stderr(), "mpmosh-server: SSH_CONNECTION is not set; serving every address.");
        }
        return reached.filter(is_own);
    }
    let text = arguments.bind.as_deref()?;
    let Ok(ip) = text.parse::<IpAddr>() else {
        let text = clean(text);
        let _ = writeln!(io::stderr(), "mpmosh-server: {text} is not an address; serving every address.");
        return None;
    };
    Some(ip).filter(|ip| !ip.is_unspecified()).filter(is_own)
}

/// Whether datagrams can arrive at this address as such. Behind a translator of addresses the one that clients use
/// is not among this host's own: then, as mosh-server does, the server takes what comes.
fn is_own(ip: &IpAddr) -> bool {
    let bound = std::net::UdpSocket::bind((*ip, 0));
    if let Err(error) = &bound {
        let _ = writeln!(io::stderr(), "mpmosh-server: {ip}: {}; serving every address.", words(error));
    }
    bound.is_ok()
}

fn new_key(dialect: DialectName) -> Result<Key, Error> {
    let mut octets = login::random::<32>().map_err(system("the random source"))?;
    let key = Key::from_bytes(&octets[..dialect.traits().key_octets]);
    octets.zeroize();
    Ok(key?)
}

/// Prints the line that the client waits for. It is the only place where the key is ever printed.
fn announce(dialect: DialectName, endpoint: &Endpoint, key: &Key, listing: &Listing) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if io::stdin().is_terminal() {
        out.write_all(b"\r\n\n")?;
    }
    let text = key.to_base64();
    let port = endpoint.port();
    if dialect.traits().extended {
        let addresses: Vec<_> = listing.announced().iter().map(IpAddr::to_string).collect();
        let gap = if addresses.is_empty() { "" } else { " " };
        writeln!(out, "MPMOSH CONNECT {dialect}/1 {port} {}{gap}{}", text.as_str(), addresses.join(","))?;
    } else {
        writeln!(out, "MOSH CONNECT {port} {}", text.as_str())?;
    }
    out.flush()
}

/// A number of seconds in the environment; what is no such number is reported and ignored.
fn seconds(name: &str) -> Option<Duration> {
    let text = std::env::var(name).ok()?;
    match text.trim().parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let _ =
                writeln!(io::stderr(), "mpmosh-server: {name}={text:?} is not a number of seconds; ignored.");
            None
        }
    }
}

/// The program: the command, or a login shell with the message of the day.
fn launch(arguments: &Arguments) -> Launch {
    let user = User::current();
    let mut greeting = Vec::new();
    let (mut command, name) = match arguments.command.split_first() {
        Some((program, words)) => {
            let mut command = Command::new(program);
            command.args(words).current_dir(user.start_folder());
            (command, program.to_string_lossy().into_owned())
        }
        None => {
            greeting = user.message_of_the_day();
            greeting.extend(user.detached_sessions_notice());
            (user.login_shell(), user.shell.display().to_string())
        }
    };
    let many_colours = arguments.colours.is_none_or(|colours| colours == 256);
    let offered: Vec<_> = arguments
        .locale
        .iter()
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for (name, value) in login::utf8_locale(|name| std::env::var_os(name), &offered) {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if !arguments.streams {
        command.env("TERM", if many_colours { "xterm-256color" } else { "xterm" });
        // Line drawing by UTF-8 characters alone.
        command.env("NCURSES_NO_UTF8_ACS", "1");
    }
    command.env("PWD", user.start_folder()).env_remove("STY");
    Launch { command, name: clean(&name), greeting, streams: arguments.streams }
}

/// A name without control characters, for messages.
fn clean(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).collect()
}

/// The words of the command line, for [`crate::args::parse`]. The legacy form of mosh-server, `[IP [PORT]]`, has no
/// `new` before it.
#[must_use]
pub fn modern(words: Vec<OsString>) -> Vec<OsString> {
    let Some(first) = words.get(1).and_then(|word| word.to_str()) else { return words };
    if first.parse::<IpAddr>().is_err() {
        return words;
    }
    let mut modern = vec![words[0].clone(), "new".into(), "-i".into(), first.into()];
    if let Some(port) = words.get(2) {
        modern.extend(["-p".into(), port.clone()]);
    }
    modern
}
