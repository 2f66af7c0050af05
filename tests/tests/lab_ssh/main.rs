//! From `mpmosh host` to a prompt, or to the paragraph that helps: real OpenSSH servers of many kinds, and networks that
//! let ssh pass and datagrams not.
#![cfg(target_os = "linux")]

mod carriers;
#[path = "../carrying/mod.rs"]
mod carrying;
mod connection;
mod datagrams;
mod login;
mod secrets;
mod server;
mod sessions;
mod through_ssh;
mod uplinks;
