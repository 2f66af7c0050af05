//! `mpmosh-server sessions`, `attach`, `detach` and `kill`: what is asked of sessions that run already.

use crate::announcement::{Announcement, print_choice, print_refusal};
use crate::args::{AttachArguments, SessionCommand};
use crate::carry;
use crate::registry::protocol::{self, Answer, Attach, Code, Info, List, Question, Refusal};
use crate::registry::{Entry, Registry};
use crate::table;
use net::DialectName;
use platform::clock;
use platform::control;
use platform::words::words;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;
use terminal::Size;
use zeroize::Zeroizing;

/// How long a session may take to answer. It answers at once unless it is stopped.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long one may take of which a new session's notice tells: it is waited for by somebody who wants a prompt.
const NOTICE: Duration = Duration::from_millis(200);

/// The longest answer: most of it are addresses.
const LONGEST: u64 = 64 * 1024;

/// A session whose client was not heard for so long has none: no client is silent longer that is there.
pub const SILENT: u64 = 40;

/// Does what was asked for.
#[must_use]
pub fn run(command: SessionCommand) -> ExitCode {
    let registry = Registry::of_user();
    let outcome = match command {
        SessionCommand::Sessions { json } => list(&registry, json),
        SessionCommand::Attach(arguments) => {
            let done = attach(&registry, &arguments);
            // Who reads this is a program: what went wrong stands where the announcement would.
            if let Err(refusal) = &done {
                print_refusal(refusal);
                return ExitCode::FAILURE;
            }
            done
        }
        SessionCommand::Detach { session } => {
            tell(&registry, &session, protocol::Verb::Detach, "let go; its program goes on")
        }
        SessionCommand::Carry { session } => {
            return match find(&registry, &session).and_then(|entry| way_to(&entry)) {
                Ok(server) => carry::to(server),
                // A program reads this, too.
                Err(refusal) => {
                    print_refusal(&refusal);
                    ExitCode::FAILURE
                }
            };
        }
        SessionCommand::Kill { session } => tell(&registry, &session, protocol::Verb::Kill, "ended"),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            let _ = writeln!(io::stderr(), "mpmosh-server: {}.", refusal.sentence);
            ExitCode::FAILURE
        }
    }
}

fn list(registry: &Registry, json: bool) -> Result<(), Refusal> {
    usable(registry)?;
    let sessions = look(&registry.entries(), PATIENCE);
    let text = if json {
        format!("{}\n", serde_json::to_string(&list_of(sessions)).unwrap_or_default())
    } else {
        table::of(&sessions, clock::unix_seconds())
    };
    // A reader who has enough is no failure.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(())
}

/// Whether sessions could be found at all.
fn usable(registry: &Registry) -> Result<(), Refusal> {
    registry.check().map_err(|why| Refusal::new(Code::Failed, why))
}

fn list_of(sessions: Vec<Info>) -> List {
    List { version: protocol::VERSION, release: env!("CARGO_PKG_VERSION").into(), sessions }
}

/// Asks something of a session, and says what became of it.
fn tell(registry: &Registry, word: &str, verb: protocol::Verb, done: &str) -> Result<(), Refusal> {
    let entry = find(registry, word)?;
    ask(&entry, verb, PATIENCE)?;
    let _ = writeln!(io::stdout(), "Session {} is {done}.", called(&entry));
    Ok(())
}

/// The name of a session for people, or its id.
fn called(entry: &Entry) -> &str {
    entry.name.as_deref().unwrap_or(&entry.id)
}

/// The session of this id or name; an id is meant before a name.
fn find(registry: &Registry, word: &str) -> Result<Entry, Refusal> {
    usable(registry)?;
    let entries = registry.entries();
    let by_id = entries.iter().find(|entry| entry.id == word);
    let mut by_name = entries.iter().filter(|entry| entry.name.as_deref() == Some(word));
    let (first, second) = (by_name.next(), by_name.next());
    match (by_id, first, second) {
        (Some(entry), ..) | (None, Some(entry), None) => Ok(entry.clone()),
        (None, Some(_), Some(_)) => {
            Err(Refusal::new(Code::Several, format!("several sessions are called {word}; use an id")))
        }
        (None, None, _) => Err(unknown(word)),
    }
}

fn unknown(word: &str) -> Refusal {
    let word: String = word.chars().filter(|c| !c.is_control()).take(40).collect();
    Refusal::new(
        Code::Unknown,
        format!("no session here is called “{word}”; “mpmosh-server sessions” lists them"),
    )
}

fn attach(registry: &Registry, arguments: &AttachArguments) -> Result<(), Refusal> {
    let entry = match &arguments.session {
        Some(word) => find(registry, word)?,
        None => only(registry)?,
    };
    let size = arguments.size.unwrap_or(Size { columns: 80, rows: 24 });
    attach_to(&entry, size, arguments.take, &arguments.address)?;
    if arguments.carry {
        carry_to(&entry);
    }
    Ok(())
}

/// Becomes the carrier to this session; where that cannot be, it is told.
pub fn carry_to(entry: &Entry) {
    match way_to(entry) {
        Ok(server) => carry::instead(server, called(entry)),
        Err(refusal) => {
            let _ = writeln!(io::stderr(), "mpmosh-server: there is no carrier: {}.", refusal.sentence);
        }
    }
}

/// Where a session's server is reached on this host.
fn way_to(entry: &Entry) -> Result<SocketAddr, Refusal> {
    let info = ask(entry, protocol::Verb::Info, PATIENCE)?.info.ok_or_else(|| misunderstood(entry))?;
    // Servers of the release before do not tell.
    Ok(info.way.unwrap_or_else(|| carry::way_to(info.port, None, true)))
}

/// The only session without a client.
fn only(registry: &Registry) -> Result<Entry, Refusal> {
    usable(registry)?;
    let entries = registry.entries();
    let sessions = look(&entries, PATIENCE);
    let free: Vec<&Info> = sessions.iter().filter(|one| one.attachable && !has_client(one)).collect();
    let [one] = &free[..] else {
        let refusal = match (sessions.is_empty(), free.is_empty()) {
            (true, _) => Refusal::new(Code::None, "there is no session here"),
            (false, true) => {
                Refusal::new(Code::Several, "no session here is without a client; name the one to take over")
            }
            (false, false) => {
                Refusal::new(Code::Several, format!("{} sessions here have no client; name one", free.len()))
            }
        };
        if !sessions.is_empty() {
            print_choice(&list_of(sessions));
        }
        return Err(refusal);
    };
    let entry = entries.iter().find(|entry| entry.id == one.id);
    entry.cloned().ok_or_else(|| unknown(&one.id))
}

/// Whether somebody is there, as far as can be known.
#[must_use]
pub fn has_client(session: &Info) -> bool {
    session.client.as_ref().is_some_and(|client| client.heard < SILENT)
}

/// Has a session admit another client, and prints how it is reached.
///
/// # Errors
/// Why it does not.
pub fn attach_to(entry: &Entry, size: Size, take: bool, named: &[IpAddr]) -> Result<(), Refusal> {
    let connection = std::env::var("SSH_CONNECTION").unwrap_or_default();
    let question = Attach {
        columns: size.columns,
        rows: size.rows,
        take,
        reached: crate::addresses::reached_by_ssh(&connection),
        from: crate::addresses::came_from(&connection),
        named: named.to_vec(),
    };
    let answer = ask(entry, protocol::Verb::Attach(question), PATIENCE)?;
    let admission = answer.admission.ok_or_else(|| misunderstood(entry))?;
    let key = Zeroizing::new(admission.key);
    let announcement = Announcement {
        dialect: DialectName::Multipath,
        port: admission.port,
        key: key.as_str(),
        addresses: &admission.addresses,
        id: Some(&entry.id),
        name: entry.name.as_deref(),
        attached: true,
    };
    let failed = |error: io::Error| Refusal::new(Code::Failed, words(&error));
    announcement.print().map_err(failed)
}

/// What the sessions tell of themselves, in the order of the entries. They are asked all at once.
fn look(entries: &[Entry], patience: Duration) -> Vec<Info> {
    let asked: Vec<_> = entries.iter().map(|entry| begin(entry, protocol::Verb::Info, patience)).collect();
    // However many do not answer, they are waited for together.
    let until = clock::now() + patience;
    let told = entries.iter().zip(asked).filter_map(|(entry, asked)| {
        let within = |stream: UnixStream| {
            let left = until.since(clock::now()).max(Duration::from_millis(1));
            stream.set_read_timeout(Some(left)).map_err(|error| failed(entry, &error))?;
            Ok(stream)
        };
        match asked.and_then(within).and_then(|stream| finish(entry, stream)) {
            Ok(Answer { info: Some(info), .. }) => Some(info),
            // It has ended meanwhile.
            Err(Refusal { code: Code::Unknown, .. }) => None,
            // It is there, and does not answer.
            _ => Some(Info { id: entry.id.clone(), name: entry.name.clone(), ..Info::default() }),
        }
    });
    told.collect()
}

/// The sessions of this user that wait for a client, but for the one of this id.
#[must_use]
pub fn waiting(registry: &Registry, but: Option<&str>) -> Vec<Info> {
    let mut entries = registry.entries();
    entries.retain(|entry| Some(entry.id.as_str()) != but);
    let sessions = look(&entries, NOTICE).into_iter();
    sessions.filter(|session| session.pid != 0 && !has_client(session)).collect()
}

fn ask(entry: &Entry, verb: protocol::Verb, patience: Duration) -> Result<Answer, Refusal> {
    finish(entry, begin(entry, verb, patience)?)
}

fn begin(entry: &Entry, verb: protocol::Verb, patience: Duration) -> Result<UnixStream, Refusal> {
    let ask = || {
        let mut stream = control::connect(&entry.path)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        let mut line = serde_json::to_vec(&Question::new(verb))?;
        line.push(b'\n');
        stream.write_all(&line)?;
        Ok(stream)
    };
    ask().map_err(|error| failed(entry, &error))
}

fn finish(entry: &Entry, stream: UnixStream) -> Result<Answer, Refusal> {
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST as usize));
    let read = BufReader::new(stream).take(LONGEST).read_until(b'\n', &mut line);
    match read {
        Ok(_) if line.ends_with(b"\n") => {}
        Ok(_) => return Err(turned_away(entry)),
        Err(error) => return Err(failed(entry, &error)),
    }
    match serde_json::from_slice::<Answer>(&line) {
        Ok(Answer { refused: Some(refusal), .. }) => Err(refusal),
        Ok(answer) => Ok(answer),
        Err(_) => Err(misunderstood(entry)),
    }
}

fn misunderstood(entry: &Entry) -> Refusal {
    let sentence = format!("session {} answers in words of another release", called(entry));
    Refusal::new(Code::Failed, sentence)
}

/// The session closed the connection: it has ended, or others ask so much of it.
fn turned_away(entry: &Entry) -> Refusal {
    let name = called(entry);
    match entry.path.exists() {
        true => Refusal::new(Code::Failed, format!("session {name} turns us away: others keep it busy")),
        false => unknown(name),
    }
}

fn failed(entry: &Entry, error: &io::Error) -> Refusal {
    let name = called(entry);
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::NotFound => unknown(name),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => turned_away(entry),
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Refusal::new(
            Code::Failed,
            format!("session {name} does not answer: its process is stopped, or others keep it busy"),
        ),
        ErrorKind::PermissionDenied => {
            Refusal::new(Code::Failed, format!("the socket of session {name} is another user's"))
        }
        _ => Refusal::new(Code::Failed, format!("session {name}: {}", words(error))),
    }
}
