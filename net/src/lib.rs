//! An association over several network paths: datagrams in, payloads out.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod addr;
mod datagram;
mod time;

pub use addr::{Interface, InterfaceKind, LocalAddr, Path};
pub use datagram::{Ecn, Received, SendError, Transmit};
pub use time::Instant;
