//! A deterministic network in virtual time, which drives the product's own client and server.

pub mod application;
pub mod link;
pub mod nat;
pub mod operation;
pub mod random;
pub mod shell;
pub mod soak;
pub mod stream;
mod verdict;
pub mod world;

use std::time::Duration;

pub use application::{Application, Counter, Noise};
pub use link::{Bursts, Quality};
pub use nat::Nat;
pub use operation::{Operation, Way};
pub use random::Random;
pub use shell::Shell;
pub use stream::StreamQuality;
pub use world::{Former, Sent, Setup, Uplink, WakeUp, World};

/// So many milliseconds.
#[must_use]
pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// So many seconds.
#[must_use]
pub const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
