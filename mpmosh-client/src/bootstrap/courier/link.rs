//! What a session and its courier say to each other.
//!
//! Contract: each message is a length (u16), a kind (u8) and so many octets, on a stream socket between two processes of one
//! program. Reading and writing take what can be had at once, or wait where the owner says so.

use core::net::{IpAddr, SocketAddr};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::bootstrap::Announced;
use crate::cli::plan::{KeyText, KnownSession, ServerProcess};

/// Octets of a message besides what it carries.
const HEADER: usize = 3;
/// Most octets of a stream in one message.
pub(super) const CHUNK: usize = 16 * 1024;

/// What is said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parcel {
    /// To the session: the key's text, before the announcement.
    Key(Zeroizing<String>),
    /// To the session: a server runs.
    Announced(Box<Announcing>),
    /// To the session: its process on its machine.
    Server(u32),
    /// To the session: this carrier is there.
    Opened(u16),
    /// To the session: this carrier cannot be had.
    Refused(u16, NoCarrier),
    /// To the session: this carrier is gone.
    Closed(u16),
    /// Either way: what goes through this carrier.
    Octets(u16, Vec<u8>),
    /// To the courier: a carrier is wanted, and this is its number.
    Open(u16),
    /// To the courier: this carrier is not needed any more; `None`: none is.
    Close(Option<u16>),
    /// To the courier: the server was not heard; start the second one.
    Second,
    /// To the courier: the session has the terminal for good.
    Settled,
}

/// Why there is no carrier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NoCarrier {
    /// To try again would be in vain, or would do harm.
    pub(crate) lasting: bool,
    /// A sentence for the user.
    pub(crate) sentence: String,
}

/// What is announced, without the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Announcing {
    dialect: String,
    port: u16,
    addresses: Vec<IpAddr>,
    reached: SocketAddr,
    hints: Vec<IpAddr>,
    through: Option<String>,
    name: Option<String>,
    session: Option<(String, Option<String>, bool)>,
    /// There is a second server to try.
    pub(super) second: bool,
    /// There may be carriers.
    pub(super) carries: bool,
}

impl Announcing {
    pub(super) fn of(announced: &Announced, second: bool, carries: bool) -> Self {
        let session = announced.session.as_ref();
        Self {
            dialect: announced.dialect.as_str().to_owned(),
            port: announced.port,
            addresses: announced.addresses.clone(),
            reached: announced.reached,
            hints: announced.hints.clone(),
            through: announced.through.clone(),
            name: announced.name.clone(),
            session: session.map(|known| (known.id.clone(), known.name.clone(), known.attached)),
            second,
            carries,
        }
    }

    /// The announcement with its key; `None` where the other half of this program speaks of what we do not know.
    pub(super) fn into_announced(self, key: Zeroizing<String>) -> Option<Announced> {
        Some(Announced {
            dialect: self.dialect.parse().ok()?,
            port: self.port,
            key: KeyText::new(key),
            addresses: self.addresses,
            reached: self.reached,
            hints: self.hints,
            through: self.through,
            name: self.name,
            process: ServerProcess::default(),
            session: self.session.map(|(id, name, attached)| KnownSession { id, name, attached }),
        })
    }
}

/// One end.
#[derive(Debug)]
pub(super) struct Link {
    stream: UnixStream,
    inbox: Zeroizing<Vec<u8>>,
    outbox: Vec<u8>,
}

impl Link {
    pub(super) fn new(stream: UnixStream) -> Self {
        // Reserved for whatever comes with a key, so that a growing vector leaves no copy of that behind.
        Self { stream, inbox: Zeroizing::new(Vec::with_capacity(4 * CHUNK)), outbox: Vec::new() }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Refuses instead of waiting, from now on; or the other way.
    pub(super) fn set_waiting(&self, waits: bool) -> io::Result<()> {
        self.stream.set_nonblocking(!waits)
    }

    /// Octets that wait to be written.
    pub(super) fn pending(&self) -> usize {
        self.outbox.len()
    }

    /// Says something, as soon as it can be.
    pub(super) fn say(&mut self, message: &Parcel) {
        let (kind, mut octets) = encode(message);
        let length = u16::try_from(octets.len()).unwrap_or(u16::MAX);
        self.outbox.reserve(HEADER + octets.len());
        self.outbox.extend_from_slice(&length.to_be_bytes());
        self.outbox.push(kind);
        self.outbox.extend_from_slice(&octets[..length.into()]);
        if matches!(message, Parcel::Key(_)) {
            octets.zeroize();
        }
    }

    /// Writes what can be written now, and wipes it: a key may be among it.
    ///
    /// # Errors
    /// The other end is gone.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while !self.outbox.is_empty() {
            match (&self.stream).write(&self.outbox) {
                Ok(count) => {
                    self.outbox[..count].zeroize();
                    self.outbox.drain(..count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads once. Whether the other end is still there.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn fill(&mut self) -> io::Result<bool> {
        let mut chunk = Zeroizing::new([0; CHUNK]);
        match (&self.stream).read(&mut chunk[..]) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.inbox.extend_from_slice(&chunk[..count]);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The next message that has arrived whole.
    pub(super) fn next(&mut self) -> Option<Parcel> {
        loop {
            let &[high, low, kind] = self.inbox.first_chunk::<HEADER>()?;
            let length = usize::from(u16::from_be_bytes([high, low]));
            let message = decode(kind, self.inbox.get(HEADER..HEADER + length)?);
            self.inbox[..HEADER + length].zeroize();
            self.inbox.drain(..HEADER + length);
            match message {
                Some(message) => return Some(message),
                None => log::debug!("the other half of this program says what is not understood ({kind})"),
            }
        }
    }

    /// Waits for the next message; `None`: the other end is gone.
    pub(super) fn wait(&mut self) -> Option<Parcel> {
        self.set_waiting(true).ok()?;
        loop {
            self.flush().ok()?;
            if let Some(message) = self.next() {
                return Some(message);
            }
            if !self.fill().ok()? {
                return None;
            }
        }
    }
}

fn encode(message: &Parcel) -> (u8, Vec<u8>) {
    let number = |number: u16| number.to_be_bytes().to_vec();
    match message {
        Parcel::Key(text) => (0, text.as_bytes().to_vec()),
        Parcel::Announced(told) => (1, json(told)),
        Parcel::Server(process) => (2, process.to_be_bytes().to_vec()),
        Parcel::Opened(carrier) => (3, number(*carrier)),
        Parcel::Refused(carrier, refusal) => (4, [number(*carrier), json(refusal)].concat()),
        Parcel::Closed(carrier) => (5, number(*carrier)),
        Parcel::Octets(carrier, octets) => (6, [&number(*carrier)[..], octets].concat()),
        Parcel::Open(carrier) => (7, number(*carrier)),
        Parcel::Close(carrier) => (8, carrier.map(number).unwrap_or_default()),
        Parcel::Second => (9, Vec::new()),
        Parcel::Settled => (10, Vec::new()),
    }
}

fn decode(kind: u8, octets: &[u8]) -> Option<Parcel> {
    let numbered =
        || octets.split_first_chunk::<2>().map(|(number, rest)| (u16::from_be_bytes(*number), rest));
    let number = || numbered().filter(|(_, rest)| rest.is_empty()).map(|(number, _)| number);
    Some(match kind {
        0 => Parcel::Key(Zeroizing::new(core::str::from_utf8(octets).ok()?.to_owned())),
        1 => Parcel::Announced(serde_json::from_slice(octets).ok()?),
        2 => Parcel::Server(u32::from_be_bytes(octets.try_into().ok()?)),
        3 => Parcel::Opened(number()?),
        4 => {
            let (number, rest) = numbered()?;
            Parcel::Refused(number, serde_json::from_slice(rest).ok()?)
        }
        5 => Parcel::Closed(number()?),
        6 => {
            let (number, rest) = numbered()?;
            Parcel::Octets(number, rest.to_vec())
        }
        7 => Parcel::Open(number()?),
        8 if octets.is_empty() => Parcel::Close(None),
        8 => Parcel::Close(Some(number()?)),
        9 => Parcel::Second,
        10 => Parcel::Settled,
        _ => return None,
    })
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told() -> Announcing {
        Announcing {
            dialect: "multipath".into(),
            port: 60001,
            addresses: vec![[192, 0, 2, 1].into()],
            reached: ([192, 0, 2, 2], 60001).into(),
            hints: Vec::new(),
            through: Some("gate".into()),
            name: None,
            session: Some(("abc123".into(), None, false)),
            second: false,
            carries: true,
        }
    }

    #[test]
    fn what_is_said_is_heard_however_it_is_cut() {
        let (one, other) = UnixStream::pair().unwrap_or_else(|e| panic!("{e}"));
        let mut said = Link::new(one);
        let refusal = NoCarrier { lasting: true, sentence: "It asks.".into() };
        let messages = || {
            [
                Parcel::Key(Zeroizing::new("AAAA".into())),
                Parcel::Announced(Box::new(told())),
                Parcel::Server(4711),
                Parcel::Opened(1),
                Parcel::Refused(2, refusal.clone()),
                Parcel::Closed(3),
                Parcel::Octets(4, vec![7; CHUNK]),
                Parcel::Octets(4, Vec::new()),
                Parcel::Open(u16::MAX),
                Parcel::Close(Some(0)),
                Parcel::Close(None),
                Parcel::Second,
                Parcel::Settled,
            ]
        };
        messages().iter().for_each(|message| said.say(message));
        let octets = said.outbox.clone();
        let mut heard = Link::new(other);
        let mut all = Vec::new();
        for piece in octets.chunks(997) {
            heard.inbox.extend_from_slice(piece);
            all.extend(core::iter::from_fn(|| heard.next()));
        }
        assert_eq!(all, messages());
        assert!(heard.inbox.is_empty());
    }

    #[test]
    fn an_announcement_is_whole_on_the_other_side() {
        let key = || Zeroizing::new("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".to_owned());
        let announced = told().into_announced(key()).unwrap_or_else(|| panic!());
        assert_eq!(announced.key.expose(), key().as_str());
        assert_eq!(Announcing::of(&announced, false, true), told());
    }

    #[test]
    fn what_is_not_understood_is_passed_over() {
        let (one, _other) = UnixStream::pair().unwrap_or_else(|e| panic!("{e}"));
        let mut link = Link::new(one);
        link.inbox.extend_from_slice(&[0, 1, 99, 0, 0, 1, 3, 7, 0, 0, 10]);
        assert_eq!((link.next(), link.next()), (Some(Parcel::Settled), None));
    }
}
