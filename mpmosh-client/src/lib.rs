//! The client side of mpmosh: from a command line to a session on the user's terminal.

pub mod args;
pub mod bootstrap;
pub mod client;
pub mod config;
pub mod doctor;
pub mod draw;
pub mod escape;
pub mod event_loop;
pub mod logging;
pub mod messages;
pub mod overlay;
pub mod paths;
pub mod plan;
pub mod plot;
pub mod report;
pub mod sanitize;
pub mod silence;
pub mod trace;
pub mod uplinks;
