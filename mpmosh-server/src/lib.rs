//! The server side of mpmosh: the pure [`server::Server`], and what connects it to the system.

pub mod addresses;
pub mod announcement;
pub mod args;
pub mod carry;
pub mod control;
pub mod event_loop;
pub mod program;
pub mod registry;
pub mod server;
pub mod spawn;
pub mod table;
pub mod verbs;
