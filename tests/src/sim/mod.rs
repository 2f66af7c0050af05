//! A deterministic network in virtual time, which drives the product's own client and server.

pub mod application;
pub mod link;
pub mod nat;
pub mod operation;
pub mod random;
pub mod shell;
pub mod soak;
mod verdict;
pub mod world;

pub use application::{Application, Counter, Noise};
pub use link::Quality;
pub use nat::Nat;
pub use operation::{Operation, Way};
pub use random::Random;
pub use shell::Shell;
pub use world::{Sent, Setup, Uplink, WakeUp, World};
