//! `mpmosh doctor host`: the stages of a connection one by one, each with what shows it, and the next step where one fails.
//!
//! Contract: what is found goes to standard output, a line each, as it is found; questions go to the terminal. Nothing is
//! left on the host: the one server that is started ends here. Status 0: a session would work; 1: it would not; 255: wrong
//! words.

mod carried;
mod probe;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use crate::bootstrap::ssh::library;
use crate::bootstrap::{self, Announced, Host, HostFacts, Nobody, Request, TerminalDialogue};
use crate::cli::args::{Destination, SessionArgs, Target};
use crate::cli::config::Config;
use crate::cli::plan::SessionPlan;
use crate::cli::words::CarrierMode;
use crate::run;
use crate::session::client::DisplayOptions;
use crate::session::report::{capacities, spent};
use crate::session::silence::{self, Facts, Row};
use crate::text::messages::Paragraph;
use platform::driver::Bypass;
use probe::Probe;

/// The status when a session would not work.
const ILL: u8 = 1;
/// How long the paths have to answer.
const PATIENCE: Duration = Duration::from_secs(6);
/// How long a path is watched at least, so that its figures mean something.
const WATCH: Duration = Duration::from_secs(2);
/// How long the server is watched after the login that started it has ended.
const AFTERWARDS: Duration = Duration::from_secs(4);

/// Examines the way to the host.
///
/// # Errors
/// The paragraph for the first stage that fails, after the lines of those that did not.
pub fn run(
    args: &SessionArgs,
    config: &Config,
    locale: &dyn Fn(&str) -> Option<String>,
) -> Result<u8, Paragraph> {
    let Target::Remote(destination) = &args.target else {
        return Err(Paragraph::new(
            "There is nothing to examine without a host.",
            "--local uses no network.",
            "Name a host: mpmosh doctor HOST.",
        ));
    };
    let mut request = Request::new(args, config, locale, 256, None);
    let marker = marker()?;
    request.server.carry = config.carrier != CarrierMode::Never;
    request.keeps = request.server.carry;
    // The words are the server's own as well: so it can be found among the host's processes. Each is one that a host takes
    // which runs no script.
    request.server.command = ["sh", "-c", "cat", &marker].map(Into::into).to_vec();
    let plan = |announced: Announced, streams| SessionPlan {
        label: destination.host.clone(),
        ssh_host: None,
        way: destination.host.clone(),
        session: None,
        dialect: announced.dialect,
        remotes: remotes(&announced, config),
        hints: announced.hints(),
        through: announced.through,
        lookup: None,
        key: announced.key,
        settings: config.settings(args.verbose),
        process: announced.process.clone(),
        command: false,
        streams,
        told: None,
    };
    match platform::sandbox::means() {
        Ok(means) => say("here", &format!("a session gives up what it does not need ({means})")),
        Err(why) => say("here", &format!("a session gives up none of your rights: {why}")),
    }
    name(&request, destination)?;
    for told in bootstrap::survey(&request, destination) {
        say("tcp", &told);
    }
    let started = start(request, destination.clone(), args.verbose)?;
    let Started { request, mut host, announced, streams, until_logout } = started;
    let other = Host::other_family(&request, &announced);
    let (mut port, mut reached) = (announced.port, announced.reached.ip());
    let mut watched = WatchedServer::new(plan(announced, streams))?;
    if !answered(&watched.rows)
        && let Some(address) = other
    {
        say("note", &format!("nothing came from {reached}: a second server is started, for {address}"));
        let announced = host.start_at(&request, address, &mut TerminalDialogue::new(true, args.verbose))?;
        (port, reached) = (announced.port, address);
        say("start", &format!("it listens on UDP port {port} at {reached}"));
        watched = WatchedServer::new(plan(announced, streams))?;
    }
    let examined = Examined { request: &request, destination, port, marker: &marker };
    let status = verdict(watched, host, &examined)?;
    if status == 0 && until_logout {
        say(
            "verdict",
            "But it ends soon after your last logout there, that of its own start included: “loginctl enable-linger” on that \
             host lets it stay (root's, with your name behind it, where yours is refused).",
        );
        return Ok(ILL);
    }
    Ok(status)
}

fn remotes(announced: &Announced, config: &Config) -> Vec<SocketAddr> {
    let mut remotes = announced.remotes();
    remotes.extend(config.address.iter().map(|ip| SocketAddr::new(*ip, announced.port)));
    remotes
}

/// A word that no other process has.
fn marker() -> Result<String, Paragraph> {
    let random = platform::login::random::<8>().map_err(|error| {
        Paragraph::new("There is no randomness.", format!("The system says: {error}."), "")
    })?;
    Ok(format!("mpmosh-doctor-{:016x}", u64::from_ne_bytes(random)))
}

fn say(stage: &str, text: &str) {
    // Nobody may be reading any more.
    let _ = writeln!(io::stdout(), "{stage:<8} {text}");
}

fn name(request: &Request, destination: &Destination) -> Result<(), Paragraph> {
    let place = bootstrap::look_up(request, destination)?;
    let known: Vec<String> = place.addresses.iter().map(ToString::to_string).collect();
    match (known.is_empty(), &place.through) {
        (false, _) => say("name", &format!("{} is {}", place.host_name, known.join(", "))),
        (true, Some(gate)) => {
            say("name", &format!("{} is not known here; ssh goes through {gate}", place.host_name))
        }
        (true, None) => say("name", &format!("{} is not known here", place.host_name)),
    }
    Ok(())
}

/// A server that runs on the host, and what its session carries.
struct Started {
    request: Request,
    host: Host,
    announced: Announced,
    /// Byte streams; a terminal otherwise.
    streams: bool,
    /// The host ends what runs without a login.
    until_logout: bool,
}

/// Logs in, looks round, and starts a server.
fn start(mut request: Request, destination: Destination, verbose: u8) -> Result<Started, Paragraph> {
    // Passwords and the key pass over this thread's stack, which ends with it.
    let work = move || -> Result<Started, Paragraph> {
        let mut dialogue = TerminalDialogue::new(true, verbose);
        let mut host = Host::open(&request, &destination, &mut dialogue)?;
        // The user's own ssh logs in with the first question.
        let look = host.look()?;
        say("ssh", &format!("logged in, {}", host.way()));
        if let Some(exchange) = host.exchange() {
            tell_library(&exchange);
        }
        if look.scripts {
            tell_look(&look);
        } else {
            say("server", NO_SCRIPTS);
        }
        let terminal = DisplayOptions::default().size;
        let terminal = (terminal.columns, terminal.rows);
        // Of servers, ours alone carries streams, which leave no trace among the host's logins.
        if request.server.names_stock() || (look.server.is_none() && look.stock.is_some()) {
            request.server.size = Some(terminal);
        }
        let announced = match host.start(&request, &mut dialogue) {
            // Perhaps it is stock's alone that may be started.
            Err(error) if !look.scripts && request.server.streams() => {
                request.server.size = Some(terminal);
                host.start(&request, &mut dialogue).map_err(|_| error)
            }
            outcome => outcome,
        }?;
        let addresses: Vec<String> = announced.addresses.iter().map(ToString::to_string).collect();
        let at = if addresses.is_empty() { String::new() } else { format!(" at {}", addresses.join(", ")) };
        say("start", &format!("it listens on UDP port {}{at}", announced.port));
        let until_logout = look.kills && !look.lingers;
        let streams = request.server.streams();
        Ok(Started { request, host, announced, streams, until_logout })
    };
    thread::spawn(work).join().unwrap_or_else(|_| Err(bootstrap::Error::Panicked.into()))
}

/// What an account with a list of allowed commands, or a restricted shell, makes of the examination.
const NO_SCRIPTS: &str = "not to be looked for: this account runs no script (ForceCommand, a restricted shell); the server is \
                          asked for in plain words, as sessions do";

/// What the built-in ssh did, and by which library.
fn tell_library(exchange: &str) {
    say("ssh", exchange);
    let Some(version) = library::version() else { return };
    say("ssh", &format!("the built-in ssh is libssh2 {version}"));
    if let Some(warning) = library::warning(&version) {
        say("note", &warning);
    }
}

fn tell_look(look: &HostFacts) {
    match (&look.server, &look.stock) {
        (Some(server), _) => say("server", &format!("{server}, on {}", look.system)),
        (None, Some(stock)) => say("server", &format!("only stock mosh's: {stock}, on {}", look.system)),
        (None, None) => say("server", &format!("none was found on {}; searched {}", look.system, look.path)),
    }
    if look.noise > 0 {
        say("server", &format!("login scripts print {} octets first; they are skipped", look.noise));
    }
    if let Some(text) = after_the_login(look) {
        say("server", &text);
    }
}

/// What becomes of a server when its login ends, where systemd ends what a login leaves behind.
fn after_the_login(look: &HostFacts) -> Option<String> {
    let who = match (&look.server, &look.stock) {
        _ if !look.kills => return None,
        (None, Some(_)) => {
            "a stock mosh-server with it unless --server=\"systemd-run --user --scope mosh-server\" starts it"
        }
        _ if look.lingers => return None,
        _ => "but not mpmosh-server, which moves out of its reach",
    };
    let last = if look.lingers {
        ""
    } else {
        "; what is out of its reach ends soon after the last logout, unless “loginctl enable-linger” keeps it"
    };
    Some(format!("systemd there ends what a login leaves behind (KillUserProcesses), {who}{last}"))
}

/// A server's paths, watched beside the login that started it.
struct WatchedServer {
    plan: SessionPlan,
    probe: Probe,
    rows: Vec<Row>,
}

fn unwatchable(error: io::Error) -> Paragraph {
    Paragraph::new("The paths cannot be watched.", format!("The system says: {error}."), "")
}

impl WatchedServer {
    fn new(plan: SessionPlan) -> Result<Self, Paragraph> {
        let mut probe = Probe::new(&plan)?;
        run::block_on(probe.watch(WATCH, PATIENCE)).map_err(unwatchable)?;
        probe.look_for_filters();
        let rows = probe.rows();
        for row in &rows {
            say("path", &row.to_string());
        }
        for Bypass { name, tunnel, .. } in probe.left_out() {
            say(
                "note",
                &format!(
                    "{name} is not used: {tunnel} takes all traffic (--prefer={name} uses it all the same)."
                ),
            );
        }
        Ok(Self { plan, probe, rows })
    }
}

/// What is examined, for those who have to look again.
struct Examined<'a> {
    request: &'a Request,
    destination: &'a Destination,
    port: u16,
    marker: &'a str,
}

/// What the paths say of a session, and what they say once the login is over.
fn verdict(watched: WatchedServer, mut host: Host, examined: &Examined<'_>) -> Result<u8, Paragraph> {
    let WatchedServer { plan, mut probe, rows } = watched;
    let stock = !plan.dialect.traits().extended;
    if !answered(&rows) {
        let runs = host.runs(examined.marker).ok();
        let facts = Facts { port: examined.port, through: plan.through.as_deref(), runs, stock };
        let paragraph = silence::report(&rows, facts);
        if examined.request.keeps && !stock {
            if through_ssh(&mut probe, host)? {
                say(
                    "verdict",
                    &format!("UDP is blocked, so sessions go through ssh. {}", paragraph.evidence),
                );
                return Ok(0);
            }
            // The login has served. Where another one asks nothing, the server is ended; elsewhere it ends by itself.
            let request = examined.request.unattended();
            if let Ok(mut host) = Host::open(&request, examined.destination, &mut Nobody) {
                host.end(examined.marker);
            }
        } else {
            host.end(examined.marker);
        }
        say("verdict", &format!("{} {}", paragraph.evidence, paragraph.next));
        return Ok(ILL);
    }
    drop(host);
    run::block_on(probe.watch(AFTERWARDS, AFTERWARDS)).map_err(unwatchable)?;
    if !probe.hears() {
        say(
            "verdict",
            &format!(
                "The server fell silent when the ssh login ended: something there ends what a login leaves behind. {}",
                silence::against_the_logins_end(stock)
            ),
        );
        return Ok(ILL);
    }
    // By now sizes have been searched for.
    let rows = probe.rows();
    let ended = run::block_on(probe.end()).map_err(unwatchable)?;
    for remark in silence::remarks(&rows) {
        say("note", &remark);
    }
    if !ended {
        say("note", "The server did not answer the farewell; it ends by itself.");
    }
    let reports: Vec<_> = rows.iter().map(|row| row.path.clone()).collect();
    for seen in capacities(&reports) {
        say("note", &format!("{seen}; sessions fit themselves to that."));
    }
    say("cost", &format!("This examination took {} over UDP.", spent(&reports)));
    let count = rows.iter().filter(|row| row.path.received > 0).count();
    let paths = if count == 1 { "one path".into() } else { format!("{count} paths") };
    if !plan.dialect.traits().addresses {
        say("note", "Stock mosh uses one path at a time; mpmosh-server on that host brings them all.");
    }
    say("verdict", &format!("A session works, over {paths}."));
    Ok(0)
}

/// Whether a session goes through ssh, which it ends.
fn through_ssh(probe: &mut Probe, host: Host) -> Result<bool, Paragraph> {
    let Some(carriage) = host.into_carriage() else { return Ok(false) };
    probe.carry(carriage);
    run::block_on(probe.watch(WATCH, PATIENCE)).map_err(unwatchable)?;
    for row in probe.rows().iter().filter(|row| row.is_carried()) {
        say("path", &row.to_string());
    }
    if let Some(why) = probe.carries_not() {
        say("ssh", &format!("it carries no session: {why}"));
        return Ok(false);
    }
    if !probe.hears() {
        say("ssh", "it carries no session: nothing came from the server through it");
        return Ok(false);
    }
    if !run::block_on(probe.end()).map_err(unwatchable)? {
        say("note", "The server did not answer the farewell; it ends by itself.");
    }
    Ok(true)
}

fn answered(rows: &[Row]) -> bool {
    rows.iter().any(|row| row.path.received > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lingering_is_advised_for_what_is_out_of_the_logins_scope_alone() {
        let look = |kills, ours: bool, lingers| HostFacts {
            kills,
            lingers,
            server: ours.then(|| "/usr/bin/mpmosh-server".into()),
            stock: Some("/usr/bin/mosh-server".into()),
            ..HostFacts::default()
        };
        for (ours, lingers) in [(false, false), (false, true), (true, false), (true, true)] {
            assert_eq!(after_the_login(&look(false, ours, lingers)), None);
        }
        assert_eq!(after_the_login(&look(true, true, true)), None);
        let told = |ours, lingers| after_the_login(&look(true, ours, lingers)).unwrap();
        assert!(told(true, false).contains("enable-linger") && !told(true, false).contains("--server"));
        assert!(told(false, false).contains("enable-linger") && told(false, false).contains("--server"));
        let lingers = told(false, true);
        assert!(
            lingers.contains("systemd-run --user --scope mosh-server") && !lingers.contains("linger"),
            "{lingers}"
        );
    }
}
