//! The client side of mpmosh: from a command line to a session on the user's terminal.

pub mod bootstrap;
pub mod cli;
pub mod commands;
pub mod run;
pub mod session;
pub mod text;
