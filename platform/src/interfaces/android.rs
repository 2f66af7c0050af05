//! Android: apps are denied the kernel's notices (netlink), and nothing else answers questions about routes.

use super::Index;
use net::Path;
use std::io;
use std::os::fd::BorrowedFd;

/// There are none, so no value of it.
#[derive(Debug)]
pub(super) enum Notices {}

impl Notices {
    pub(super) fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        match *self {}
    }

    pub(super) fn read(&mut self) -> bool {
        match *self {}
    }
}

/// Nobody tells an app.
pub(super) fn has_route(_path: &Path) -> bool {
    true
}

/// Nobody tells an app.
pub(super) fn public_routes(_interface: Index) -> (bool, bool) {
    (false, false)
}

/// Nobody tells an app, and the system keeps an app's traffic in the VPN by itself.
pub(super) fn forced(_destination: std::net::IpAddr) -> Option<Index> {
    None
}

/// Nobody tells an app.
pub(super) fn leads_elsewhere(_path: &Path) -> bool {
    false
}

/// Nobody tells an app.
pub(super) fn chosen(_destination: std::net::IpAddr) -> Option<Index> {
    None
}

/// Nobody tells an app.
pub(super) fn route_bits(_path: &Path) -> Option<u8> {
    None
}
