//! Where the system tells nothing: compare the addresses now and then.

use crate::fd::check;
use std::io;
use std::ptr::null_mut;
use std::time::Duration;

/// How often to look. A phone's radio is not woken by it, only its processor.
pub(super) const INTERVAL: Duration = Duration::from_secs(3);

/// Compares the addresses of all interfaces.
#[derive(Debug)]
pub(super) struct Comparison {
    seen: Vec<u8>,
}

impl Comparison {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { seen: snapshot()? })
    }

    /// Whether anything is other than at the last call.
    pub(super) fn read(&mut self) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_changed_is_not_told_and_what_has_is_told_once() {
        let mut comparison = Comparison::new().unwrap();
        assert!(!comparison.seen.is_empty());
        assert!(!comparison.read());
        comparison.seen.pop();
        assert!(comparison.read());
        assert!(!comparison.read());
    }
}
