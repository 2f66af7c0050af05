//! The simulator, the network-namespace lab, and what the tests under `tests/` share.

#[cfg(target_os = "linux")]
pub mod lab;
pub mod sim;
pub mod table;
