//! The routing socket of the BSDs and macOS (`route(4)`): a message for every change of an interface, an address or a route.
//!
//! Only the heads are read (`route_message.rs`); what has changed is then listed anew.

use super::Index;
use super::route_message::{self, Format};
use crate::fd;
use net::Path;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The kernel's notices.
#[derive(Debug)]
pub(super) struct Notices {
    socket: OwnedFd,
}

#[cfg(target_vendor = "apple")]
const FORMAT: Format = route_message::APPLE;
#[cfg(target_os = "netbsd")]
const FORMAT: Format = route_message::NETBSD;
#[cfg(target_os = "openbsd")]
const FORMAT: Format = route_message::OPENBSD;
#[cfg(not(any(target_vendor = "apple", target_os = "netbsd", target_os = "openbsd")))]
const FORMAT: Format = route_message::FREEBSD;

const _: () = {
    assert!(FORMAT.version as libc::c_int == libc::RTM_VERSION);
    assert!(matches!(route_message::ROUTE, [ADD, DELETE, CHANGE]));
    assert!(matches!(route_message::IDLE, [GET, LOSING, MISS, _]));
    const ADD: u8 = libc::RTM_ADD as u8;
    const DELETE: u8 = libc::RTM_DELETE as u8;
    const CHANGE: u8 = libc::RTM_CHANGE as u8;
    const GET: u8 = libc::RTM_GET as u8;
    const LOSING: u8 = libc::RTM_LOSING as u8;
    const MISS: u8 = libc::RTM_MISS as u8;
};

#[cfg(not(target_os = "netbsd"))]
const _: () = {
    assert!(route_message::IDLE[3] as libc::c_int == libc::RTM_RESOLVE);
    assert!(route_message::NEIGHBOUR == libc::RTF_LLINFO as u32);
};

#[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
const _: () = {
    assert!(std::mem::offset_of!(libc::if_msghdr, ifm_version) == 2);
    assert!(std::mem::offset_of!(libc::if_msghdr, ifm_type) == 3);
    assert!(std::mem::offset_of!(libc::ifa_msghdr, ifam_version) == 2);
    assert!(std::mem::offset_of!(libc::ifa_msghdr, ifam_type) == 3);
};

#[cfg(target_vendor = "apple")]
const _: () = assert!(std::mem::offset_of!(libc::rt_msghdr, rtm_flags) == FORMAT.flags_at);

impl Notices {
    pub(super) fn new() -> io::Result<Self> {
        fd::socket(libc::PF_ROUTE, libc::SOCK_RAW, libc::AF_UNSPEC).map(|socket| Self { socket })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether anything has changed since the last call.
    pub(super) fn read(&mut self) -> bool {
        let mut changed = false;
        let mut message = [0; 4096];
        loop {
            match fd::read(self.socket.as_fd(), &mut message) {
                Ok(0) => return changed,
                Ok(n) => changed |= FORMAT.tells_of_a_change(&message[..n]),
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

/// The question would need the structs of [`has_route`], and only Linux has the filter that it is for.
pub(super) fn leads_elsewhere(_path: &Path) -> bool {
    false
}

/// The question would need the structs of [`has_route`].
pub(super) fn chosen(_destination: std::net::IpAddr) -> Option<Index> {
    None
}

/// The question would need the structs of [`has_route`].
pub(super) fn route_bits(_path: &Path) -> Option<u8> {
    None
}
