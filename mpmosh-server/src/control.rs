//! A session's control socket: what it answers to `mpmosh-server sessions`, `attach`, `detach` and `kill`.
//!
//! Contract: whoever asks is this user's process (or root's, which may do all but attach: a session's key is the user's alone).
//! A session without a socket is a session all the same.

use crate::addresses::{Listing, is_carried};
use crate::registry::Place;
use crate::registry::protocol::{Admission, Answer, Attach, ClientInfo, Code, Info, Question, Refusal, Verb};
use crate::server::{Leave, Server};
use crate::spawn::new_key;
use net::{Connection, Dialect, DialectName, Instant, Side};
use platform::clock;
use platform::control::{self, Desk, DeskTokens};
use platform::driver::Policy;
use platform::interfaces;
use platform::login;
use platform::wait::{Ready, Waiter};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use terminal::{MAX_SIDE, Size};

/// After this long without a word a client of the original dialects may be gone: they say something every 3 s.
const STOCK_SILENCE: Duration = Duration::from_secs(10);

/// A session looks whether its socket is still there no more often.
const LOOK: Duration = Duration::from_secs(60);

/// The longest title that is told, in characters.
const TITLE: usize = 120;

/// What a session tells of itself that does not change.
#[derive(Clone, Debug)]
pub struct About {
    /// What its clients speak.
    pub dialect: DialectName,
    /// Its UDP port.
    pub port: u16,
    /// What runs in it; none for a login shell.
    pub command: Option<String>,
    /// It has no terminal.
    pub streams: bool,
    /// The address that it serves alone.
    pub only: Option<IpAddr>,
    /// Where it is reached on this host.
    pub way: SocketAddr,
}

/// The session's side of its control socket.
pub struct Control {
    desk: Desk,
    /// Its place in the registry; none where it could have none.
    place: Option<Place>,
    about: About,
    /// When it began, by both clocks: time that this machine is switched off does not pass in between.
    began: (Instant, u64),
    looked: Instant,
    looks: bool,
    /// Which addresses the client that was admitted last is told.
    admitted: Option<Listing>,
}

impl Control {
    /// Answers at this socket. The process is the one that the session stays in.
    #[must_use]
    pub fn new(place: Option<(Place, control::Listener)>, about: About, now: Instant) -> Self {
        let (place, listener) = place.unzip();
        if let Some(place) = &place
            && let Err(error) = place.sign()
        {
            log::warn!("the registry: {error}");
        }
        let began = (now, clock::unix_seconds());
        Self { desk: Desk::on(listener), place, about, began, looked: now, looks: true, admitted: None }
    }

    /// What is removed when the session ends.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let socket = self.desk.path().map(Path::to_path_buf);
        socket.into_iter().chain(self.place.as_ref().map(Place::file)).collect()
    }

    /// Nothing can be made where this process may not look: a socket that is taken stays away.
    pub fn keep_the_socket(&mut self) {
        self.looks = false;
    }

    /// Waits for who asks.
    pub fn watch<'fd>(&'fd self, waiter: &mut Waiter<'fd>) -> DeskTokens {
        self.desk.watch(waiter)
    }

    /// A wait is over.
    pub fn handle_ready(&mut self, ready: &Ready, tokens: DeskTokens) {
        self.desk.handle_ready(ready, tokens);
    }

    /// When [`Self::serve`] is due, if nothing happens before.
    #[must_use]
    pub fn timeout(&self, now: Instant) -> Option<Duration> {
        self.desk.poll_timeout(now)
    }

    /// Answers who has asked.
    pub fn serve(&mut self, server: &mut Server, now: Instant) {
        self.look_for_the_socket(|| server.is_heard(now, STOCK_SILENCE), now);
        let mut desk = std::mem::replace(&mut self.desk, Desk::on(None));
        desk.serve(
            |question, user| control::Answer::Line(self.answer(question, user, server, now).line()),
            Vec::new,
            now,
        );
        self.desk = desk;
    }

    /// A cleaner of old files may have taken the socket. Where somebody speaks it is looked for, now and then.
    fn look_for_the_socket(&mut self, is_heard: impl FnOnce() -> bool, now: Instant) {
        if !self.looks || now.since(self.looked) < LOOK || !is_heard() {
            return;
        }
        self.looked = now;
        let Some(place) = &self.place else { return };
        if self.desk.path().is_some_and(Path::exists) {
            return;
        }
        match place.listen().and_then(|listener| place.sign().map(|()| listener)) {
            Ok(listener) => self.desk.listen_at(Some(listener)),
            Err(error) => log::info!("the socket is gone, and no other one can be had: {error}"),
        }
    }

    fn answer(&mut self, question: &str, user: u32, server: &mut Server, now: Instant) -> Answer {
        let verb = match Question::read(question) {
            Ok(verb) => verb,
            Err(refusal) => return Answer::refused(refusal),
        };
        log::info!("asked for: {}", verb.as_str());
        match verb {
            Verb::Info => Answer { info: Some(self.info(server, now)), ..Answer::new() },
            Verb::Attach(_) if user != control::user_id() => {
                Answer::refused(Refusal::new(Code::Failed, "root may not attach to another user's session"))
            }
            Verb::Attach(attach) => match self.admit(&attach, server, now) {
                Ok(admission) => Answer { admission: Some(admission), ..Answer::new() },
                Err(refusal) => Answer::refused(refusal),
            },
            Verb::Detach if self.about.streams => Answer::refused(self.streams()),
            Verb::Detach if !self.about.dialect.traits().extended => Answer::refused(self.stock()),
            Verb::Detach if server.detach(clock::unix_seconds(), now) => Answer::done(),
            Verb::Detach => Answer::refused(self.refusal(Code::None, "has no client")),
            Verb::Kill => {
                server.handle_leave(Leave::Now, now);
                Answer::done()
            }
        }
    }

    /// A key for another client.
    fn admit(&mut self, attach: &Attach, server: &mut Server, now: Instant) -> Result<Admission, Refusal> {
        let failed = |what: &str| Refusal::new(Code::Failed, what.to_owned());
        if self.about.streams {
            return Err(self.streams());
        }
        if !self.about.dialect.traits().extended {
            return Err(self.stock());
        }
        if let (Some(client), false) = (self.client(server, now), attach.take)
            && server.is_heard(now, STOCK_SILENCE)
        {
            let predicate = format!("has a client at {}, heard {} s ago", client.address, client.heard);
            return Err(self.refusal(Code::Busy, &predicate));
        }
        if let (Some(waited), false) = (server.is_awaited(now), attach.take) {
            let predicate =
                format!("was given to a client {} s ago, which has not been heard yet", waited.as_secs());
            return Err(self.refusal(Code::Busy, &predicate));
        }
        let fits = |side: u16| (1..=MAX_SIDE).contains(&side);
        if !fits(attach.columns) || !fits(attach.rows) {
            return Err(failed("the terminal's size is none"));
        }
        let seed = login::random::<8>().map_err(|_| failed("the system has no randomness"))?;
        let key = new_key(self.about.dialect).map_err(|_| failed("no key could be made"))?;
        let dialect = Dialect::new(self.about.dialect, &key, Side::Server);
        let dialect = dialect.map_err(|_| failed("no key could be made"))?;
        let carried = is_carried(attach.reached, attach.from);
        let settings = net::Config::new().with_port(self.about.port).with_loopback_carries(carried);
        let mut connection = Connection::server(dialect, settings, now);
        if let Some(from) = attach.from {
            connection.trust_address(from);
        }
        let listing = Listing { reached: attach.reached, only: self.about.only, named: attach.named.clone() };
        let size = Size { columns: attach.columns, rows: attach.rows };
        let locals = listing.candidates(&interfaces::list());
        let addresses = listing.announced();
        server.admit(connection, &locals, size, u64::from_ne_bytes(seed), clock::unix_seconds(), now);
        self.admitted = Some(listing);
        Ok(Admission { port: self.about.port, key: key.to_base64().to_string(), addresses })
    }

    /// Which addresses the client is told that has just taken the session over.
    pub fn take_listing(&mut self) -> Option<Listing> {
        self.admitted.take()
    }

    /// What is not done, and why, of this session.
    fn refusal(&self, code: Code, predicate: &str) -> Refusal {
        let place = self.place.as_ref();
        let name = place.map_or("here", |place| place.name.as_deref().unwrap_or(&place.id));
        Refusal::new(code, format!("session {name} {predicate}"))
    }

    fn streams(&self) -> Refusal {
        self.refusal(Code::Streams, "has no terminal: it ends with its client, and can be listed and ended")
    }

    fn stock(&self) -> Refusal {
        let dialect = self.about.dialect;
        let predicate = format!(
            "speaks the {dialect} dialect, which cannot change its client; it can be listed and ended"
        );
        self.refusal(Code::Stock, &predicate)
    }

    fn client(&self, server: &Server, now: Instant) -> Option<ClientInfo> {
        let (address, heard) = server.last_client()?;
        Some(ClientInfo { address: address.to_string(), heard: now.since(heard).as_secs() })
    }

    fn info(&self, server: &Server, now: Instant) -> Info {
        let (began, at) = self.began;
        let on_calendar = |when: Instant| at + when.since(began).as_secs();
        let size = server.screen().map_or(Size { columns: 0, rows: 0 }, terminal::Screen::size);
        let title = server.screen().map(terminal::Screen::title).unwrap_or_default();
        let (id, name) = match &self.place {
            Some(place) => (place.id.clone(), place.name.clone()),
            None => (String::new(), None),
        };
        Info {
            id,
            name,
            pid: std::process::id(),
            command: self.about.command.clone(),
            title: title.chars().filter(|c| !c.is_control()).take(TITLE).collect(),
            started: at,
            port: self.about.port,
            way: Some(self.about.way),
            dialect: self.about.dialect.to_string(),
            terminal: !self.about.streams,
            columns: size.columns,
            rows: size.rows,
            client: self.client(server, now),
            detached: server.detached_since().map(on_calendar),
            ends: server.ends_at().or(server.expects_until()).map(on_calendar),
            attachable: !self.about.streams && self.about.dialect.traits().extended,
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            place.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;
    use net::Key;
    use std::fs;
    use std::io::{Read, Write};

    /// A session's control socket in a folder of the test's own.
    fn control(name: &str, dialect: DialectName, streams: bool) -> (PathBuf, Control) {
        let folder = std::env::temp_dir().join(format!("mpmosh-session-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let place = Registry::at(folder.clone()).place("abc123".into(), Some("work".into()));
        let listener = place.listen().unwrap();
        let about = About {
            dialect,
            port: 60001,
            command: None,
            streams,
            only: None,
            way: ([127, 0, 0, 1], 60001).into(),
        };
        (folder, Control::new(Some((place, listener)), about, at(0)))
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(1_000_000_000 + seconds * 1_000_000)
    }

    /// A session that waits for its first client.
    fn server(dialect: DialectName, streams: bool) -> Server {
        let key = Key::from_bytes(&[7; 32][..dialect.traits().key_octets]).unwrap();
        let connection =
            Connection::server(Dialect::new(dialect, &key, Side::Server).unwrap(), net::Config::new(), at(0));
        let extended = dialect.traits().extended;
        let config = crate::server::Config { streams, extended, ..crate::server::Config::default() };
        Server::new(connection, config, at(0))
    }

    /// What is answered to a verb.
    fn ask(control: &mut Control, server: &mut Server, question: &str) -> Answer {
        let mut stream = control::connect(control.desk.path().unwrap()).unwrap();
        stream.write_all(question.as_bytes()).unwrap();
        stream.write_all(b"\n").unwrap();
        control.desk.knock();
        control.serve(server, at(1));
        let mut line = String::new();
        stream.read_to_string(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    const ATTACH: &str = r#"{"version":1,"verb":"attach","columns":80,"rows":24}"#;

    #[test]
    fn a_session_of_ours_admits_and_tells_of_itself() {
        let (folder, mut control) = control("ours", DialectName::Multipath, false);
        let mut server = server(DialectName::Multipath, false);
        let info = ask(&mut control, &mut server, r#"{"version":1,"verb":"info"}"#).info.unwrap();
        assert_eq!((info.id.as_str(), info.name.as_deref(), info.port), ("abc123", Some("work"), 60001));
        assert!(info.attachable && info.terminal && info.client.is_none());
        let awaited = ask(&mut control, &mut server, ATTACH).refused.unwrap();
        assert_eq!(awaited.code, Code::Busy, "its first client is still to come: {}", awaited.sentence);
        let take = ATTACH.replace("\"columns\"", "\"take\":true,\"columns\"");
        let first = ask(&mut control, &mut server, &take).admission.unwrap();
        let second = ask(&mut control, &mut server, &take).admission.unwrap();
        assert_eq!((first.port, first.key.len()), (60001, 43));
        assert_ne!(first.key, second.key, "a fresh key each time");
        for size in ["0", "1001", "65535"] {
            let question = take.replace("80", size);
            assert_eq!(ask(&mut control, &mut server, &question).refused.unwrap().code, Code::Failed);
        }
        let detach = ask(&mut control, &mut server, r#"{"version":1,"verb":"detach"}"#);
        assert_eq!(detach.refused.unwrap().code, Code::None, "nobody is there");
        assert!(ask(&mut control, &mut server, r#"{"version":1,"verb":"kill"}"#).done.is_some());
        assert!(server.is_finished());
        drop(control);
        let left: Vec<_> = fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert!(left.is_empty(), "{left:?}");
        fs::remove_dir(folder).unwrap();
    }

    #[test]
    fn sessions_that_cannot_change_their_client_are_listed_and_ended() {
        for (dialect, streams, code) in [
            (DialectName::Mosh, false, Code::Stock),
            (DialectName::MpMosh, false, Code::Stock),
            (DialectName::Multipath, true, Code::Streams),
        ] {
            let name = format!("other-{dialect}-{streams}");
            let (folder, mut control) = control(&name, dialect, streams);
            let mut server = server(dialect, streams);
            let info = ask(&mut control, &mut server, r#"{"version":1,"verb":"info"}"#).info.unwrap();
            assert!(!info.attachable && info.terminal != streams);
            assert_eq!(ask(&mut control, &mut server, ATTACH).refused.unwrap().code, code);
            let detach = ask(&mut control, &mut server, r#"{"version":1,"verb":"detach"}"#);
            assert_eq!(detach.refused.unwrap().code, code);
            assert!(ask(&mut control, &mut server, r#"{"version":1,"verb":"kill"}"#).done.is_some());
            assert!(server.is_finished());
            drop(control);
            fs::remove_dir_all(folder).unwrap();
        }
    }

    #[test]
    fn what_is_asked_for_is_not_done_once_its_asker_has_gone() {
        let (folder, mut control) = control("gone", DialectName::Multipath, false);
        let mut server = server(DialectName::Multipath, false);
        let question = b"{\"version\":1,\"verb\":\"kill\"}\n";
        let mut hasty = control::connect(control.desk.path().unwrap()).unwrap();
        hasty.write_all(question).unwrap();
        drop(hasty);
        control.desk.knock();
        control.serve(&mut server, at(1));
        assert!(!server.is_finished());
        // Who only says that this was all waits for the answer.
        let mut patient = control::connect(control.desk.path().unwrap()).unwrap();
        patient.write_all(question).unwrap();
        patient.shutdown(std::net::Shutdown::Write).unwrap();
        control.desk.knock();
        control.serve(&mut server, at(1));
        let mut answer = String::new();
        patient.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("done") && server.is_finished());
        drop(control);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn nonsense_is_answered_in_words() {
        let (folder, mut control) = control("nonsense", DialectName::Multipath, false);
        let mut server = server(DialectName::Multipath, false);
        for question in ["", "info", "{}", r#"{"version":1}"#, r#"{"version":9,"verb":"info"}"#, "\u{1b}[2J"]
        {
            let refused = ask(&mut control, &mut server, question).refused.unwrap();
            assert!(!refused.sentence.is_empty() && !refused.sentence.contains('\u{1b}'), "{refused:?}");
        }
        drop(control);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_socket_that_a_cleaner_took_is_made_anew_once_a_minute_while_somebody_speaks() {
        let (folder, mut control) = control("cleaned", DialectName::Multipath, false);
        let mut server = server(DialectName::Multipath, false);
        fs::remove_dir_all(&folder).unwrap();
        control.look_for_the_socket(|| true, at(59));
        assert!(!folder.exists(), "it has been looked for lately");
        control.look_for_the_socket(|| false, at(61));
        assert!(!folder.exists(), "nobody speaks");
        control.look_for_the_socket(|| true, at(61));
        assert!(ask(&mut control, &mut server, r#"{"version":1,"verb":"info"}"#).info.is_some());
        assert_eq!(Registry::at(folder.clone()).entries().len(), 1);
        // Somebody else's folder is in its place by then.
        fs::remove_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink("/tmp", &folder).unwrap();
        control.look_for_the_socket(|| true, at(200));
        fs::remove_file(&folder).unwrap();
        control.look_for_the_socket(|| true, at(300));
        assert!(ask(&mut control, &mut server, r#"{"version":1,"verb":"info"}"#).info.is_some());
        drop(control);
        fs::remove_dir_all(folder).unwrap();
    }
}
