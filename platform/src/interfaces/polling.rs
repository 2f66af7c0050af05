//! Where the system tells nothing (Android: netlink is denied to apps): compare the addresses now and then.

use super::Index;
use crate::fd::check;
use net::Path;
use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::null_mut;
use std::time::Duration;

/// How often to look. A phone's radio is not woken by it, only its processor.
const INTERVAL: Duration = Duration::from_secs(3);

/// Compares the addresses of all interfaces.
#[derive(Debug)]
pub struct Watch {
    seen: Vec<u8>,
}

impl Watch {
    /// Starts to watch.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> io::Result<Self> {
        Ok(Self { seen: snapshot()? })
    }

    /// The descriptor to wait for; none here.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// How often to call [`Self::read`] without a descriptor.
    #[must_use]
    pub fn poll_interval(&self) -> Option<Duration> {
        Some(INTERVAL)
    }

    /// Whether anything has changed since the last call.
    pub fn read(&mut self) -> bool {
        match snapshot() {
            Ok(now) if now != self.seen => {
                self.seen = now;
                true
            }
            _ => false,
        }
    }
}

/// Names, flags and addresses as octets, to compare.
fn snapshot() -> io::Result<Vec<u8>> {
    let mut first = null_mut();
    // SAFETY: on success `first` is a list, freed below.
    check(unsafe { libc::getifaddrs(&raw mut first) })?;
    let mut octets = Vec::new();
    let mut next = first;
    // SAFETY: the list and all it points to live until freeifaddrs; an address is as long as its family says.
    unsafe {
        while let Some(entry) = next.as_ref() {
            octets.extend(std::ffi::CStr::from_ptr(entry.ifa_name).to_bytes_with_nul());
            octets.extend(entry.ifa_flags.to_ne_bytes());
            if let Some(addr) = entry.ifa_addr.as_ref() {
                let len = match libc::c_int::from(addr.sa_family) {
                    libc::AF_INET => size_of::<libc::sockaddr_in>(),
                    libc::AF_INET6 => size_of::<libc::sockaddr_in6>(),
                    _ => 0,
                };
                octets.extend(std::slice::from_raw_parts(entry.ifa_addr.cast::<u8>(), len));
            }
            next = entry.ifa_next;
        }
        libc::freeifaddrs(first);
    }
    Ok(octets)
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
