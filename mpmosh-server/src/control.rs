//! A session's control socket: what it answers to `mpmosh-server sessions`, `attach`, `detach` and `kill`.
//!
//! Contract: whoever asks is this user's process (or root's, which may do all but attach: a session's key is the user's alone).
//! A session without a socket is a session all the same.

use crate::addresses::Listing;
use crate::registry::Place;
use crate::registry::protocol::{Admission, Answer, Attach, ClientInfo, Code, Info, Question, Refusal, Verb};
use crate::server::{Leave, Server};
use net::{Connection, Dialect, DialectName, Instant, Key, Side};
use platform::clock;
use platform::control::{self, Desk, DeskTokens};
use platform::driver::Policy;
use platform::interfaces;
use platform::login;
use platform::wait::{Ready, Waiter};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use terminal::{MAX_SIDE, Size};
use zeroize::Zeroize;

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
        self.look_for_the_socket(server, now);
        let mut desk = std::mem::replace(&mut self.desk, Desk::on(None));
        desk.serve(
            |question, user| control::Answer::Line(self.answer(question, user, server, now).line()),
            Vec::new,
            now,
        );
        self.desk = desk;
    }

    /// A cleaner of old files may have taken the socket. Where somebody speaks it is looked for, now and then.
    fn look_for_the_socket(&mut self, server: &Server, now: Instant) {
        if !self.looks || now.since(self.looked) < LOOK || !server.is_heard(now, STOCK_SILENCE) {
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
            Verb::Detach if self.about.streams => {
                Answer::refused(Refusal::new(Code::Streams, "it has no terminal: it ends with its client"))
            }
            Verb::Detach if !self.about.dialect.traits().extended => Answer::refused(self.stock()),
            Verb::Detach if server.detach(clock::unix_seconds(), now) => Answer::done(),
            Verb::Detach => Answer::refused(Refusal::new(Code::None, "it has no client")),
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
            let sentence = "it has no terminal, and such a session ends with its client";
            return Err(Refusal::new(Code::Streams, sentence));
        }
        if !self.about.dialect.traits().extended {
            return Err(self.stock());
        }
        if server.is_shutting_down(now) && server.is_heard(now, STOCK_SILENCE) {
            return Err(Refusal::new(Code::Ending, "its program has ended"));
        }
        if let (Some(client), false) = (self.client(server, now), attach.take)
            && server.is_heard(now, STOCK_SILENCE)
        {
            return Err(Refusal::new(
                Code::Busy,
                format!("it has a client at {}, heard {} s ago", client.address, client.heard),
            ));
        }
        let fits = |side: u16| (1..=MAX_SIDE).contains(&side);
        if !fits(attach.columns) || !fits(attach.rows) {
            return Err(failed("the terminal's size is none"));
        }
        let mut octets = login::random::<32>().map_err(|_| failed("the system has no randomness"))?;
        let seed = login::random::<8>().map_err(|_| failed("the system has no randomness"))?;
        let key = Key::from_bytes(&octets[..self.about.dialect.traits().key_octets]);
        octets.zeroize();
        let key = key.map_err(|_| failed("no key could be made"))?;
        let dialect = Dialect::new(self.about.dialect, &key, Side::Server);
        let dialect = dialect.map_err(|_| failed("no key could be made"))?;
        let settings = net::Config::new().with_port(self.about.port);
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

    fn stock(&self) -> Refusal {
        let sentence = format!(
            "its client speaks the {} dialect, which cannot change its client; it can be listed and ended",
            self.about.dialect
        );
        Refusal::new(Code::Stock, sentence)
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
            dialect: self.about.dialect.to_string(),
            terminal: !self.about.streams,
            columns: size.columns,
            rows: size.rows,
            client: self.client(server, now),
            detached: server.detached_since().map(on_calendar),
            ends: server.ends_at().map(on_calendar),
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
