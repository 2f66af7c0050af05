//! The server side of mpmosh: the pure [`server::Server`], and what connects it to the system.

pub mod args;
pub mod program;
pub mod server;
