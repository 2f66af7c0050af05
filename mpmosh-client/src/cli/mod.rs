//! What is asked for: the command line over the environment over the file, and the plan of a session that follows.

pub mod args;
pub mod config;
pub mod logging;
pub mod named;
pub mod options;
pub mod plan;
pub mod words;
