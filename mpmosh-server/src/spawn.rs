//! From a command line to a serving process: bind, make a key, announce, detach.

pub mod logind;

use crate::addresses::{Listing, came_from, is_carried, reached_by_ssh};
use crate::announcement::{Announcement, print_refusal};
use crate::args::{Arguments, DEFAULT_PORTS};
use crate::carry;
use crate::control::{About, Control};
use crate::event_loop::{self, Launch};
use crate::registry::protocol::{Code, Refusal};
use crate::registry::{self, Entry, Place, Registry};
use crate::server::{Config, Server};
use crate::{table, verbs};
use net::{Connection, Dialect, DialectName, Key, Side};
use platform::changes::Changes;
use platform::clock;
use platform::control::Listener;
use platform::login::{self, Detached, User};
use platform::pty;
use platform::rehearsal::{self, no};
use platform::tty::Size;
use platform::udp::{Endpoint, Families};
use platform::words::words;
use std::ffi::OsString;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::Duration;
use terminal::Size as ScreenSize;
use zeroize::Zeroize;

/// Descriptors of a session besides those that the rehearsal opens as it does: sockets, signals, pipes of a program.
const DESCRIPTORS: usize = 16;
/// Threads and processes that are to be had besides those of a session: the user's other programs start some in the moment
/// between the rehearsal and the program's start, first of all a client on the same machine.
const SPARE: usize = 4;
/// The longest command that is told, in characters.
const COMMAND: usize = 200;
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
    /// The client gets no session, and is told in a line of its own.
    #[error("{}", .0.sentence)]
    Refused(Refusal),
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
    let outcome = try_to_run(arguments, notice);
    if let Err(Error::Refused(refusal)) = &outcome {
        print_refusal(refusal);
    }
    outcome
}

fn try_to_run(arguments: Arguments, notice: Option<&str>) -> Result<(), Error> {
    login::forbid_core_dumps();
    let registry = Registry::of_user();
    // Nobody makes a session of the same name meanwhile.
    let lock = arguments.session.as_ref().map(|_| registry.lock());
    match named(&arguments, &registry, lock.as_ref()) {
        Ok(None) => {}
        Ok(Some(entry)) => {
            drop(lock);
            return join(&entry, &arguments);
        }
        Err(refusal) => return Err(Error::Refused(refusal)),
    }
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
    let place = enter(&registry, &arguments)?;
    announce(arguments.dialect, &endpoint, &key, &listing, place.as_ref().map(|(place, _)| place))
        .map_err(system("announcing the session"))?;
    drop(lock);
    // What is wrong with them is told while there is someone to tell.
    let timeouts = Timeouts {
        network: seconds("MOSH_SERVER_NETWORK_TMOUT").filter(|limit| !limit.is_zero()),
        signal: seconds("MOSH_SERVER_SIGNAL_TMOUT").unwrap_or_default(),
    };
    let (heard, carries) = (arguments.verbose > 0, arguments.carry);
    match login::detach().map_err(system("detaching"))? {
        Detached::Parent { pid } => {
            // The socket is the session's now, and goes with it.
            let place = std::mem::ManuallyDrop::new(place);
            // The last line is mosh-server's, to the letter: there are programs that read it.
            // In one piece: with `-v` the child writes to the same place.
            let version = env!("CARGO_PKG_VERSION");
            let word = format!("\nmpmosh-server {version}\n\n[mosh-server detached, pid = {pid}]\n");
            let _ = io::stderr().write_all(word.as_bytes());
            if arguments.carry {
                login::disown(pid).map_err(system("leaving the session alone"))?;
                let id = place.as_ref().map_or("-", |(place, _)| place.id.as_str());
                carry::instead(way_to(&endpoint, &listing), id);
            }
            return Ok(());
        }
        Detached::Child if heard => {}
        Detached::Child => login::close_standard_streams().map_err(system("closing standard streams"))?,
    }
    rehearsal::on_enough_stack(|| serve(arguments, listing, endpoint, &key, timeouts, place))
        .map_err(system("a stack cannot be had"))??;
    // Standard output is the carrier's by now, where there is one.
    if heard && !carries {
        let _ = writeln!(io::stdout(), "\n[mosh-server is exiting.]");
    }
    Ok(())
}

/// The session that is asked for by its name, where it is there already.
fn named(
    arguments: &Arguments,
    registry: &Registry,
    lock: Option<&io::Result<registry::Lock>>,
) -> Result<Option<Entry>, Refusal> {
    let Some(name) = &arguments.session else { return Ok(None) };
    if !registry::is_name(name) {
        let sentence = "a session's name has 1 to 32 letters, digits, dots, hyphens and underscores, and begins with no dot \
                        and no hyphen";
        return Err(Refusal::new(Code::Name, sentence));
    }
    if arguments.streams || !arguments.dialect.traits().extended {
        let sentence = "only a session on a terminal, of the multipath dialect, can have a name";
        return Err(Refusal::new(Code::Failed, sentence));
    }
    if let Some(Err(error)) = lock {
        return Err(no_registry(registry, error));
    }
    Ok(registry.entries().into_iter().find(|entry| entry.is_called(name)))
}

fn no_registry(registry: &Registry, error: &io::Error) -> Refusal {
    let otherwise = || format!("{}: {}", clean(&registry.folder().to_string_lossy()), words(error));
    Refusal::new(Code::Failed, registry.check().err().unwrap_or_else(otherwise))
}

/// Brings the client to a session that is there.
fn join(entry: &Entry, arguments: &Arguments) -> Result<(), Error> {
    let size = arguments.size.unwrap_or(ScreenSize { columns: 80, rows: 24 });
    verbs::attach_to(entry, size, arguments.take, &arguments.address).map_err(Error::Refused)?;
    if arguments.carry {
        verbs::carry_to(entry);
    }
    Ok(())
}

/// Where the server is reached on this host.
fn way_to(endpoint: &Endpoint, listing: &Listing) -> SocketAddr {
    carry::way_to(endpoint.port(), listing.only, endpoint.families().v4)
}

/// A place in the registry, and the socket there. A session that needs none does without where there is none.
fn enter(registry: &Registry, arguments: &Arguments) -> Result<Option<(Place, Listener)>, Error> {
    let id = registry::new_id().map_err(system("the random source"))?;
    let place = registry.place(id, arguments.session.clone());
    let error = match place.listen() {
        Ok(listener) => return Ok(Some((place, listener))),
        Err(error) => no_registry(registry, &error),
    };
    if arguments.session.is_some() {
        return Err(Error::Refused(error));
    }
    log::warn!("the session is in no registry: {}", error.sentence);
    if arguments.dialect.traits().extended && !arguments.streams {
        tell(arguments.dialect, &format!("the session cannot be found later: {}", error.sentence));
    }
    Ok(None)
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
    place: Option<(Place, Listener)>,
) -> Result<(), Error> {
    let now = clock::now();
    let dialect = Dialect::new(arguments.dialect, key, Side::Server)?;
    let from = std::env::var("SSH_CONNECTION").ok().as_deref().and_then(came_from);
    let carried = is_carried(listing.reached, from);
    let settings = net::Config::new().with_port(endpoint.port()).with_loopback_carries(carried);
    let mut connection = Connection::server(dialect, settings, now);
    if let Some(from) = from {
        connection.trust_address(from);
    }
    let seed = login::random::<8>().map_err(system("the random source"))?;
    let config = Config {
        streams: arguments.streams,
        size: arguments.size,
        extended: arguments.dialect.traits().extended,
        network_timeout: timeouts.network,
        signal_timeout: timeouts.signal,
        session_ttl: Some(Duration::from_secs(arguments.session_ttl)).filter(|ttl| !ttl.is_zero()),
        seed: u64::from_ne_bytes(seed),
    };
    let launch = launch(&arguments, place.as_ref().map(|(place, _)| place.id.as_str()));
    let about = About {
        dialect: arguments.dialect,
        port: endpoint.port(),
        command: command_line(&arguments.command),
        streams: arguments.streams,
        only: listing.only,
        way: way_to(&endpoint, &listing),
    };
    let control = Control::new(place, about, now);
    let server = Server::new(connection, config, now);
    block_on(event_loop::run(server, endpoint, launch, listing, control)).map_err(system("waiting"))
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

/// A key that nobody has had.
///
/// # Errors
/// The system has no randomness.
pub(crate) fn new_key(dialect: DialectName) -> Result<Key, Error> {
    let mut octets = login::random::<32>().map_err(system("the random source"))?;
    let key = Key::from_bytes(&octets[..dialect.traits().key_octets]);
    octets.zeroize();
    Ok(key?)
}

/// Prints the line that the client waits for.
fn announce(
    dialect: DialectName,
    endpoint: &Endpoint,
    key: &Key,
    listing: &Listing,
    place: Option<&Place>,
) -> io::Result<()> {
    let key = key.to_base64();
    let announcement = Announcement {
        dialect,
        port: endpoint.port(),
        key: key.as_str(),
        addresses: &listing.announced(),
        id: place.map(|place| place.id.as_str()),
        name: place.and_then(|place| place.name.as_deref()),
        attached: false,
    };
    announcement.print()
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

/// The command as it was typed, for people: none for a login shell.
fn command_line(command: &[OsString]) -> Option<String> {
    let words: Vec<_> = command.iter().map(|word| clean(&word.to_string_lossy())).collect();
    (!words.is_empty()).then(|| words.join(" ").chars().take(COMMAND).collect())
}

/// The program: the command, or a login shell with the message of the day. `id`: the session's.
fn launch(arguments: &Arguments, id: Option<&str>) -> Launch {
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
            if !user.wants_no_messages() {
                let waiting = verbs::waiting(&Registry::of_user(), id);
                let known: Vec<u32> =
                    waiting.iter().filter(|one| one.attachable).map(|one| one.pid).collect();
                greeting.extend(table::notice(&waiting));
                greeting.extend(user.detached_sessions_notice(&known));
            }
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
    match id {
        Some(id) => command.env("MPMOSH_SESSION", id),
        None => command.env_remove("MPMOSH_SESSION"),
    };
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
