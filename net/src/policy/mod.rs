//! Which paths should exist: every compatible pair of addresses, or the one path of a dialect that roams.
//!
//! Contract: pure functions from the addresses of both ends to an ordered list of [`crate::Path`]s, best first. Nothing here
//! knows whether a path works. Paper §3.1; SPEC \[F-5], \[F-6].

mod pairs;
mod preference;
mod remotes;

pub use pairs::{Scope, scope_of};
pub(crate) use pairs::{pairs, single};
pub(crate) use remotes::{Remotes, Source};

use crate::{InterfaceKind, LocalAddr};

/// What the user wants an interface to be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// For the session.
    #[default]
    Primary,
    /// When every primary one fails.
    Backup,
    /// Not at all: nothing is sent from it.
    Never,
}

/// An address of this host that may carry flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Candidate {
    /// The address and its interface.
    pub addr: LocalAddr,
    /// What sort of interface it is.
    pub kind: InterfaceKind,
    /// What it is to be used for (clients).
    pub role: Role,
    /// Its traffic costs money: a backup, probed at the rate of a keepalive.
    pub metered: bool,
    /// It may be told to the client (servers).
    pub lists: bool,
    /// The largest IP packet that the interface takes, where known.
    pub mtu: Option<u32>,
    /// It keeps the flows that it has and gets no new ones: deprecated, or another address of its network is preferred.
    pub lingers: bool,
}

impl Candidate {
    /// A fresh address for the session, which costs nothing and may be told to the other end.
    #[must_use]
    pub const fn new(addr: LocalAddr, kind: InterfaceKind) -> Self {
        Self { addr, kind, role: Role::Primary, metered: false, lists: true, mtu: None, lingers: false }
    }
}

/// How far an address of the server is to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// From the name service: anyone may have said it.
    Hint,
    /// From the authenticated channel that started the session.
    Authenticated,
}
