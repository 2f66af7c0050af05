#![doc = include_str!("../README.md")]
//!
//! # For those who change it
//!
//! What mpmosh asks of the operating system. The only room with `unsafe`, `libc` and `cfg(target_os)`.
//!
//! Everything here is synchronous and never waits on the network: descriptors are offered for readiness
//! ([`std::os::fd::AsFd`]), reads and writes return at once. Whatever a system lacks is said at the item, together with
//! what stands in for it. Linux and Android (`cfg(linux_kernel)`, as the build script calls them), macOS, FreeBSD, NetBSD and
//! OpenBSD are supported.

#[cfg(test)]
mod abi;
pub mod changes;
#[cfg(feature = "terminal")]
pub mod child;
pub mod clock;
#[cfg(feature = "terminal")]
pub mod company;
#[cfg(feature = "login")]
pub mod confine;
pub mod control;
pub mod dial;
pub mod driver;
mod fd;
#[cfg(feature = "login")]
pub mod files;
pub mod interfaces;
#[cfg(feature = "login")]
pub mod login;
#[cfg(feature = "terminal")]
pub mod pty;
#[cfg(feature = "login")]
pub mod rehearsal;
#[cfg(feature = "login")]
pub mod sandbox;
pub mod signals;
#[cfg(feature = "terminal")]
pub mod tty;
#[cfg(feature = "terminal")]
pub mod twin;
pub mod udp;
pub mod wait;
pub mod words;
