//! What both ends of a session do alike: a connection, and what is exchanged over it.
//!
//! Contract: the verbs of a pure machine, for an owner that adds what its end alone does. After a change the owner drains
//! [`Peer::poll_event`], which says again what may be lost, and [`Peer::poll_transmit`], which puts what the exchange says
//! before what the paths say. What only the paths have to be told, the owner tells [`Peer::connection`].

use crate::{Link, Outgoing, Reason};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;
use net::{Connection, Event, Instant, Received, Transmit};

/// Why an end wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wake {
    /// For the paths.
    Paths(net::Reason),
    /// For what is exchanged.
    Exchange(Reason),
    /// For what this end alone does, in a word.
    Own(&'static str),
}

impl Wake {
    /// The first of these times, and what for.
    pub fn first(wishes: impl IntoIterator<Item = Option<(Instant, Self)>>) -> Option<(Instant, Self)> {
        wishes.into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// A word for a trace.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Paths(_) => "paths",
            Self::Exchange(_) => "exchange",
            Self::Own(word) => word,
        }
    }
}

/// What is exchanged over a connection: two objects that are kept alike, or byte streams.
pub trait Exchange {
    /// The next payload to send, while there is one.
    fn poll_transmit(&mut self, link: &Link, now: Instant) -> Option<Outgoing>;
    /// When to ask [`Self::poll_transmit`] again at the latest, and why.
    fn poll_timeout(&self, link: &Link, now: Instant) -> Option<(Instant, Wake)>;
    /// A path is gone, or there is a way again: what was said last is said once more.
    fn repeat_newest(&mut self, now: Instant);
    /// A path is in doubt: what was said last and has not been acknowledged is said once more.
    fn repeat_unanswered(&mut self, now: Instant);
}

/// What a session carries: a terminal, or a command's streams.
pub enum Carried<T, S> {
    /// Keys one way, a screen the other.
    Terminal(Box<T>),
    /// Standard input one way, output and error the other.
    Streams(Box<S>),
}

impl<T: Exchange, S: Exchange> Exchange for Carried<T, S> {
    fn poll_transmit(&mut self, link: &Link, now: Instant) -> Option<Outgoing> {
        match self {
            Self::Terminal(exchange) => exchange.poll_transmit(link, now),
            Self::Streams(exchange) => exchange.poll_transmit(link, now),
        }
    }

    fn poll_timeout(&self, link: &Link, now: Instant) -> Option<(Instant, Wake)> {
        match self {
            Self::Terminal(exchange) => exchange.poll_timeout(link, now),
            Self::Streams(exchange) => exchange.poll_timeout(link, now),
        }
    }

    fn repeat_newest(&mut self, now: Instant) {
        match self {
            Self::Terminal(exchange) => exchange.repeat_newest(now),
            Self::Streams(exchange) => exchange.repeat_newest(now),
        }
    }

    fn repeat_unanswered(&mut self, now: Instant) {
        match self {
            Self::Terminal(exchange) => exchange.repeat_unanswered(now),
            Self::Streams(exchange) => exchange.repeat_unanswered(now),
        }
    }
}

/// What a datagram has brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Arrival {
    /// It was the other end that sent it.
    pub authentic: bool,
    /// What it carried for the exchange.
    pub payload: Option<Vec<u8>>,
}

/// One end: a connection, and what is exchanged over it.
pub struct Peer<E> {
    /// The connection.
    pub connection: Connection,
    /// What is exchanged.
    pub exchange: E,
}

impl<E: Exchange> Peer<E> {
    /// An end that has said nothing yet.
    pub fn new(connection: Connection, exchange: E) -> Self {
        Self { connection, exchange }
    }

    /// What the exchange is told of the network, now.
    pub fn link(&self, now: Instant) -> Link {
        Link::of(&self.connection, now)
    }

    /// A datagram arrived. What is not from the other end is counted and ignored.
    pub fn handle_datagram(&mut self, received: Received<'_>, now: Instant) -> Arrival {
        let before = self.connection.last_heard();
        let payload = self.connection.handle_datagram(received, now).ok().flatten();
        // While nothing happens an end says nothing but probes, and answers them.
        let authentic = payload.is_some() || self.connection.last_heard() != before;
        Arrival { authentic, payload }
    }

    /// The machine slept: what was said before may be lost.
    pub fn handle_resume(&mut self, slept: Duration, now: Instant) {
        self.connection.handle_resume(slept, now);
        self.exchange.repeat_newest(now);
    }

    /// The next datagram to send now. The exchange is asked first, while it may speak: its payload carries the answers of the
    /// paths along. `copies` says how often a payload goes that has just been taken from it.
    pub fn poll_transmit(
        &mut self,
        may_speak: bool,
        copies: impl Fn(&Self) -> usize,
        now: Instant,
    ) -> Option<Transmit> {
        loop {
            let link = self.link(now);
            let outgoing = if may_speak { self.exchange.poll_transmit(&link, now) } else { None };
            let asked = outgoing.is_some();
            if let Some(outgoing) = outgoing {
                let class = outgoing.class();
                for _ in 0..copies(self) {
                    self.connection.send(outgoing.payload.clone(), class);
                }
            }
            let transmit = self.connection.poll_transmit(now);
            if transmit.is_some() || !asked {
                return transmit;
            }
        }
    }

    /// What has happened to the paths. What may be lost by it is said once more.
    pub fn poll_event(&mut self, now: Instant) -> Option<Event> {
        let event = self.connection.poll_event()?;
        match &event {
            Event::PathSuspect { .. } | Event::PathRevived { briefly: true, .. } => {
                self.exchange.repeat_unanswered(now);
            }
            Event::PathLost { .. } | Event::PathRevived { .. } | Event::DatagramSize { repeat: true, .. } => {
                self.exchange.repeat_newest(now);
            }
            _ => {}
        }
        Some(event)
    }

    /// When [`Connection::handle_timeout`] is due, or the exchange has something to say, and for what.
    pub fn poll_timeout(&self, now: Instant) -> Option<(Instant, Wake)> {
        let exchange = self.exchange.poll_timeout(&self.link(now), now);
        let paths = self.connection.poll_timeout().map(|(at, reason)| (at, Wake::Paths(reason)));
        Wake::first([exchange, paths])
    }
}

#[cfg(test)]
mod tests;
