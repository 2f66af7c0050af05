//! The routing socket of the BSDs and macOS (`route(4)`): a message for every change of an interface, an address or a route.
//!
//! Only the head that all systems share is read (length, version, type); what has changed is then listed anew.

use super::Index;
use crate::fd;
use net::Path;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// The kernel's notices.
#[derive(Debug)]
pub struct Watch {
    socket: OwnedFd,
}

/// Messages of no interest: the answers to questions (`RTM_GET` 4), `RTM_LOSING` 5, `RTM_MISS` 7, and the resolution of
/// neighbours (`RTM_RESOLVE` 11). The same numbers on all these systems.
const IDLE: [u8; 4] = [4, 5, 7, 11];

impl Watch {
    /// Starts to watch.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> io::Result<Self> {
        fd::socket(libc::PF_ROUTE, libc::SOCK_RAW, libc::AF_UNSPEC).map(|socket| Self { socket })
    }

    /// The descriptor to wait for.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.as_fd())
    }

    /// How often to call [`Self::read`] without a descriptor; there is one here.
    #[must_use]
    pub fn poll_interval(&self) -> Option<Duration> {
        None
    }

    /// Whether anything has changed since the last call.
    pub fn read(&mut self) -> bool {
        let mut changed = false;
        let mut message = [0; 4096];
        loop {
            match fd::read(self.socket.as_fd(), &mut message) {
                Ok(n) if n >= 4 => changed |= !IDLE.contains(&message[3]),
                Ok(0) => return changed,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return changed,
                // ENOBUFS: some were lost.
                Err(error) => return changed || error.raw_os_error() == Some(libc::ENOBUFS),
            }
        }
    }
}

/// The question would need each system's own structs and, on some, privilege. An interface without a route is found
/// out by the first send on FreeBSD and OpenBSD (no route: `EHOSTUNREACH`) and by unanswered probes elsewhere.
pub(super) fn has_route(_path: &Path) -> bool {
    true
}

/// netdev reads the routing table itself here.
pub(super) fn public_routes(_interface: Index) -> (bool, bool) {
    (false, false)
}

/// Not asked for here.
pub(super) fn forced(_destination: std::net::IpAddr) -> Option<Index> {
    None
}
