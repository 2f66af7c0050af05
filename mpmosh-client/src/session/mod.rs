//! A session as a pure machine. Contract: nothing here touches the system; time, randomness and addresses are arguments.

pub mod answers;
mod canvas;
pub mod client;
pub mod escape;
pub mod keys;
pub mod overlay;
mod patience;
pub mod report;
pub mod silence;
mod streams;
mod terminal;
