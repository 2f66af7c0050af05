//! The courier's own process: see the room.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::link::{Announcing, CHUNK, Link, Parcel};
use super::opening;
use super::{FAILED, NoCarrier};
use crate::bootstrap::carriage::{Carriage, Found, Preface};
use crate::bootstrap::{self, Announced, Kept, Request, TerminalDialogue};
use crate::cli::args::{Destination, Target};
use crate::cli::plan::ServerProcess;
use platform::twin;
use zeroize::Zeroizing;

/// As long as so much waits for the session, nothing more is read from a carrier.
const WAITING: usize = 64 * 1024;
/// How long a server's process is waited for that says nothing.
const MOMENT: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };
/// More than a carrier's far end ever allows to be under way: whoever sends more does not keep the rules.
const MOST: usize = 32 * 1024 * 1024;

/// Does all that the courier does, and gives its status.
pub(super) fn run(request: &Request, target: &Target, streams: bool, verbose: u8, mut link: Link) -> u8 {
    let mut dialogue = TerminalDialogue::new(streams, verbose);
    let outcome = bootstrap::run(request, &mut dialogue);
    let (announced, kept) = match outcome {
        Ok(started) => started,
        Err(error) => {
            bootstrap::told(error, target).tell();
            return FAILED;
        }
    };
    let mut kept = Some(kept);
    let mut announced = Some(announced);
    let mut session = None;
    let mut server = None;
    loop {
        if let Some(announced) = announced.take() {
            let Kept { second, carriage, .. } = kept.get_or_insert_with(Kept::default);
            session = announced.session.as_ref().map(|known| known.id.clone());
            let carries = carriage.is_some() && request.server.carry;
            announce(&mut link, &announced, second.is_some(), carries);
            server = Some(announced.process);
        }
        match link.wait() {
            Some(Parcel::Settled) => break,
            Some(Parcel::Second) => {
                let Some(second) = kept.take().and_then(|kept| kept.second) else { return FAILED };
                match second.start(&mut dialogue) {
                    Ok(another) => announced = Some(another),
                    Err(error) => {
                        log::info!("no second server: {error}");
                        return FAILED;
                    }
                }
            }
            Some(other) => log::debug!("too early: {other:?}"),
            None => return 0,
        }
    }
    let Kept { carriage, plain, .. } = kept.unwrap_or_default();
    if let Err(error) = twin::leave_terminal() {
        log::info!("the terminal cannot be left: {error}");
    }
    let destination = match target {
        Target::Remote(destination) => Some(destination.clone()),
        Target::Local => None,
    };
    let carrying = Rounds::new(link, Relogin { request: request.clone(), destination, session, plain });
    match carrying.and_then(|mut carrying| carrying.run(carriage, server)) {
        Ok(()) => 0,
        Err(error) => {
            log::debug!("the courier ends: {error}");
            FAILED
        }
    }
}

/// Tells the session of a server; the key is wiped with what held it.
fn announce(link: &mut Link, announced: &Announced, second: bool, carries: bool) {
    link.say(&Parcel::Key(Zeroizing::new(announced.key.expose().to_owned())));
    // It is wiped with that, and stands alone in its vector. Whether anybody is there to hear it shows later.
    let _ = link.flush();
    link.say(&Parcel::Announced(Box::new(Announcing::of(announced, second, carries))));
}

/// What happens beside the loop.
enum News {
    /// The server's process is known.
    Server(u32),
    /// An ssh has been opened, or not.
    Opened(u16, Result<Carriage, NoCarrier>),
}

/// A carriage, and what is under way on it.
struct Line {
    carriage: Carriage,
    /// What the command says before its first frame.
    preface: Option<Preface>,
    /// What came and is not passed on yet.
    came: Vec<u8>,
    /// What is to go.
    goes: Vec<u8>,
}

/// What another ssh needs to know.
struct Relogin {
    request: Request,
    destination: Option<Destination>,
    /// The session's id.
    session: Option<String>,
    /// The host runs no scripts.
    plain: bool,
}

struct Rounds {
    link: Link,
    again: Relogin,
    /// The bootstrap's own, which has no number yet.
    held: Option<Line>,
    /// The numbers of those that are being opened, and may have become unneeded.
    opening: Vec<u16>,
    lines: BTreeMap<u16, Line>,
    news: Receiver<News>,
    tell: Sender<News>,
    /// Wakes the loop when there is news.
    bell: UnixStream,
    ring: UnixStream,
}

impl Line {
    fn new(mut carriage: Carriage) -> Self {
        let came = core::mem::take(&mut carriage.rest);
        Self { carriage, preface: Some(Preface::default()), came, goes: Vec::new() }
    }

    /// Reads once; `false` at the end.
    fn fill(&mut self) -> bool {
        matches!(self.carriage.read(&mut self.came), Ok(true))
    }

    /// Writes what can be written; `false` where nobody reads any more.
    fn flush(&mut self) -> bool {
        while !self.goes.is_empty() {
            match self.carriage.write(&self.goes) {
                Ok(0) => return true,
                Ok(count) => drop(self.goes.drain(..count)),
                Err(_) => return false,
            }
        }
        true
    }

    /// Takes what the command says before its first frame, and tells of the server's process. Whether frames follow.
    fn take_preface(&mut self, link: &mut Link) -> Result<bool, Found> {
        while let Some(preface) = &mut self.preface {
            match preface.take(&mut self.came) {
                None => return Ok(false),
                Some(Found::Server(process)) => link.say(&Parcel::Server(process)),
                Some(Found::Carries) => self.preface = None,
                Some(found) => return Err(found),
            }
        }
        Ok(true)
    }
}

impl Rounds {
    fn new(link: Link, again: Relogin) -> io::Result<Self> {
        let (news, (bell, ring)) = (mpsc::channel(), UnixStream::pair()?);
        link.set_waiting(false)?;
        bell.set_nonblocking(true)?;
        Ok(Self {
            link,
            again,
            held: None,
            opening: Vec::new(),
            lines: BTreeMap::new(),
            news: news.1,
            tell: news.0,
            bell,
            ring,
        })
    }

    /// Carries until the session has gone, or nothing can be carried for it any more.
    fn run(&mut self, carriage: Option<Carriage>, server: Option<ServerProcess>) -> io::Result<()> {
        match (carriage, server) {
            // Its preface tells the process.
            (Some(carriage), _) => self.held = Some(Line::new(carriage)),
            (None, Some(server)) => self.wait_for_server(server)?,
            (None, None) => {}
        }
        self.read_held();
        loop {
            self.link.flush()?;
            if !self.turn()? || self.is_done() {
                return self.link.flush();
            }
        }
    }

    /// Whether there is nothing to do for the rest of the session: nothing is to be carried, and the server's process is told.
    fn is_done(&self) -> bool {
        !self.again.request.server.carry && self.held.is_none()
    }

    /// One wait, and what follows from it; `false` when the session has gone.
    fn turn(&mut self) -> io::Result<bool> {
        let reads = self.link.pending() < WAITING;
        let mut watched = vec![
            PollFd::from_borrowed_fd(self.link.fd(), flags(true, self.link.pending() > 0)),
            PollFd::new(&self.bell, PollFlags::IN),
        ];
        let lines = || self.held.iter().chain(self.lines.values());
        for line in lines() {
            watched.push(PollFd::new(&line.carriage.from, flags(reads, false)));
            let to = line.carriage.to.as_ref().unwrap_or(&line.carriage.from);
            watched.push(PollFd::new(to, flags(false, !line.goes.is_empty() && line.carriage.to.is_some())));
        }
        // Where nothing is to be carried, the server's process is waited for, and that for a moment.
        let limit = (!self.again.request.server.carry).then_some(&MOMENT);
        match poll(&mut watched, limit) {
            Ok(0) => return Ok(false),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = watched.iter().map(|fd| !fd.revents().is_empty()).collect();
        let is_ready = |place: usize| ready.get(place).copied().unwrap_or_default();
        let held = self.held.is_some();
        let readable: Vec<bool> = (0..lines().count()).map(|line| is_ready(2 + 2 * line)).collect();
        drop(watched);

        if is_ready(1) {
            self.hear();
        }
        if held && readable.first().copied().unwrap_or_default() {
            self.fill_held();
        }
        let numbers: Vec<u16> = self.lines.keys().copied().collect();
        for (place, number) in numbers.into_iter().enumerate() {
            let came = readable.get(place + usize::from(held)).copied().unwrap_or_default();
            self.serve(number, reads && came);
        }
        if is_ready(0) && !self.obey()? {
            return Ok(false);
        }
        Ok(true)
    }

    /// Reads from a carrier, and writes to it.
    fn serve(&mut self, number: u16, reads: bool) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        let alive = (!reads || line.fill()) & line.flush();
        self.pass_on(number);
        if !alive {
            self.end(number);
        }
    }

    /// Passes on what came through a carrier, once its preface is over.
    fn pass_on(&mut self, number: u16) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        let is_new = line.preface.is_some();
        match line.take_preface(&mut self.link) {
            Ok(false) => return,
            Ok(true) if is_new => self.link.say(&Parcel::Opened(number)),
            Ok(true) => {}
            Err(found) => {
                let refusal = NoCarrier { lasting: true, sentence: found.why() };
                self.lines.remove(&number);
                return self.link.say(&Parcel::Refused(number, refusal));
            }
        }
        for chunk in line.came.chunks(CHUNK) {
            self.link.say(&Parcel::Octets(number, chunk.to_vec()));
        }
        line.came.clear();
    }

    /// A carrier has ended.
    fn end(&mut self, number: u16) {
        let Some(mut line) = self.lines.remove(&number) else { return };
        let message = match line.preface.take() {
            None => Parcel::Closed(number),
            Some(preface) => Parcel::Refused(number, opening::refusal_of(&mut line.carriage, &preface)),
        };
        self.link.say(&message);
    }

    /// Reads what the bootstrap's own command says.
    fn fill_held(&mut self) {
        let alive = self.held.as_mut().is_some_and(Line::fill);
        self.read_held();
        if !alive {
            self.held = None;
        }
    }

    /// It tells the server's process, and says when it carries; nothing more comes before it is spoken to.
    fn read_held(&mut self) {
        if let Some(Err(found)) = self.held.as_mut().map(|line| line.take_preface(&mut self.link)) {
            log::info!("{}", found.why());
            self.held = None;
        }
    }

    /// Does what the session asks for; `false` when it has gone.
    fn obey(&mut self) -> io::Result<bool> {
        if !self.link.fill()? {
            return Ok(false);
        }
        while let Some(message) = self.link.next() {
            match message {
                Parcel::Octets(number, octets) => {
                    if let Some(line) = self.lines.get_mut(&number) {
                        line.goes.extend_from_slice(&octets);
                        if !line.flush() || line.goes.len() > MOST {
                            self.end(number);
                        }
                    }
                }
                Parcel::Open(number) => self.open(number),
                Parcel::Close(None) => {
                    self.held = None;
                    self.opening.clear();
                    self.lines.clear();
                }
                Parcel::Close(Some(number)) => {
                    self.opening.retain(|one| *one != number);
                    self.lines.remove(&number);
                }
                other => log::debug!("out of place: {other:?}"),
            }
        }
        Ok(true)
    }

    /// The bootstrap's own connection is taken first; later another ssh is opened.
    fn open(&mut self, number: u16) {
        if let Some(line) = self.held.take() {
            let ready = line.preface.is_none();
            self.lines.insert(number, line);
            if ready {
                self.link.say(&Parcel::Opened(number));
            }
            return self.pass_on(number);
        }
        let Relogin { request, destination, session, plain } = &self.again;
        let (Some(destination), Some(session)) = (destination.clone(), session.clone()) else {
            let sentence = "the server there keeps no sessions".into();
            return self.link.say(&Parcel::Refused(number, NoCarrier { lasting: true, sentence }));
        };
        let (request, plain) = (request.clone(), *plain);
        let (tell, ring) = (self.tell.clone(), self.ring.try_clone());
        let opens = move || {
            let opened = opening::open(&request, &destination, &session, plain);
            let _ = tell.send(News::Opened(number, opened));
            let _ = ring.and_then(|mut ring| ring.write_all(&[0]));
        };
        match thread::Builder::new().name("ssh".into()).spawn(opens) {
            Ok(_) => self.opening.push(number),
            Err(error) => {
                let sentence = format!("no thread can be had: {}", platform::words::words(&error));
                self.link.say(&Parcel::Refused(number, NoCarrier { lasting: false, sentence }));
            }
        }
    }

    /// Something has happened beside the loop.
    fn hear(&mut self) {
        let mut rung = [0; 64];
        while matches!((&self.bell).read(&mut rung), Ok(1..)) {}
        while let Ok(news) = self.news.try_recv() {
            match news {
                News::Server(process) => self.link.say(&Parcel::Server(process)),
                News::Opened(number, _) if !self.opening.contains(&number) => {}
                News::Opened(number, opened) => {
                    self.opening.retain(|one| *one != number);
                    match opened {
                        Ok(carriage) => {
                            self.lines.insert(number, Line::new(carriage));
                            self.pass_on(number);
                        }
                        Err(refusal) => self.link.say(&Parcel::Refused(number, refusal)),
                    }
                }
            }
        }
    }

    /// Tells the server's process once somebody has learnt it.
    fn wait_for_server(&self, server: ServerProcess) -> io::Result<()> {
        let (tell, mut ring) = (self.tell.clone(), self.ring.try_clone()?);
        thread::Builder::new().name("server's process".into()).spawn(move || {
            let _ = tell.send(News::Server(*server.wait()));
            let _ = ring.write_all(&[0]);
        })?;
        Ok(())
    }
}

fn flags(reads: bool, writes: bool) -> PollFlags {
    let read = if reads { PollFlags::IN } else { PollFlags::empty() };
    let write = if writes { PollFlags::OUT } else { PollFlags::empty() };
    read | write
}
