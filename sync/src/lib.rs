#![doc = include_str!("../README.md")]
//!
//! # The contract
//!
//! A [`Transport`] holds this end's object (what the user typed, or what the screen shows) and a copy of the other
//! end's, and turns changes of the one into datagram payloads and payloads into changes of the other. It skips
//! intermediate states: what arrives is the newest, not every step. Above the packet header it is byte-compatible
//! with mosh's protocol version 2; fields from 64 up are our own and are sent only where they cannot hurt.
//! [`Streams`] carries a command's standard input, output and error instead, every byte in order.
//!
//! The crate reads no clock, no randomness and no socket (they are arguments); nothing a peer
//! sends can make it panic (every such input is a counted [`Discard`]); and nothing it sends makes a peer of the
//! original implementation abort.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod chaff;
mod colors;
mod compression;
mod discard;
mod fragment;
mod held;
mod input;
mod instruction;
mod messages;
#[cfg(test)]
mod pair;
mod peer;
mod protobuf;
mod receiver;
mod screen;
mod sender;
mod state;
mod streams;
mod timing;
mod transport;

pub use colors::decode_colors;
pub use discard::{Breach, Discard, Discards};
pub use input::{Input, InputEvent};
pub use instruction::{Features, Parting};
pub use messages::MAX_DIMENSION;
pub use peer::{Arrival, Carried, Exchange, Peer, Wake};
pub use screen::{Frames, Screen};
pub use state::State;
pub use streams::{Channel, StreamEvent, Streams};
pub use timing::{Config, Link, Reason};
pub use transport::{Event, Outgoing, Shutdown, Transport};
