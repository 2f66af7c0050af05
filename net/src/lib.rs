#![doc = include_str!("../README.md")]
//!
//! # The contract
//! [`Connection`] is a state machine without input or output. It is told what happened (`handle_*`, with
//! the time), and asked what to send ([`Connection::poll_transmit`]), what to tell ([`Connection::poll_event`]) and
//! when to be woken ([`Connection::poll_timeout`]). It knows no socket, clock, thread or random source. The rules it
//! keeps are the numbered clauses of the [`spec`].
//!
//! Structures and enumerations that will grow are `non_exhaustive`: they are made by a constructor ([`Config::new`],
//! [`Candidate::new`], [`Received::new`], [`Transmit::new`]), and their fields are set afterwards.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod addr;
mod answer;
pub mod carrier;
mod connection;
mod crypto;
mod datagram;
mod discard;
mod flow;
mod policy;
mod schedule;
mod time;
mod traffic;
mod wire;

pub use addr::{Interface, InterfaceKind, LocalAddr, Path};
pub use connection::{
    Carriers, Cause, Class, Config, Connection, Event, Farewell, FlowReport, INTERACTIVE, Reason, Redundancy,
    SentKind, Side,
};
pub use crypto::{Key, KeyError};
pub use datagram::{Ecn, Received, SendError, Transmit};
pub use discard::{Discard, Discards};
pub use flow::FlowState;
pub use policy::{Candidate, Role, Scope, Trust, scope_of};
pub use time::Instant;
pub use traffic::{Count, Traffic};
pub use wire::{Dialect, DialectName, FlowId, Traits, UnknownDialect};

#[doc = include_str!("../SPEC.md")]
pub mod spec {}
