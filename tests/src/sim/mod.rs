//! A deterministic network in virtual time, which drives the product's own client and server.

pub mod application;
pub mod link;
pub mod nat;
pub mod operation;
pub mod random;
pub mod world;

pub use application::{Application, Counter, Noise};
pub use link::Quality;
pub use operation::{Operation, Way};
pub use random::Random;
pub use world::{Setup, Uplink, World};
