//! All that is ssh: the library's connection, the user's own program, their configuration, keys and known hosts.

mod algorithms;
mod auth;
pub(super) mod external;
mod first_hop;
mod host_key;
mod jump;
pub mod known_hosts;
pub mod library;
pub(super) mod libssh2;
mod plain;
pub(super) mod private_key;
mod pump;
pub(super) mod reach;
mod shared;
pub(super) mod ssh_config;
