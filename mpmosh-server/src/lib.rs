//! The server side of mpmosh: the pure [`server::Server`], and what connects it to the system.

pub mod addresses;
pub mod args;
pub mod event_loop;
pub mod program;
pub mod server;
pub mod spawn;
