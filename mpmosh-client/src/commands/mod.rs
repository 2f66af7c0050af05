//! The commands that are not a session.

pub mod doctor;
pub mod paths;
pub mod plot;
pub mod sessions;
