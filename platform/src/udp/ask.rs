//! The options of a new socket that every system has, by its own numbers: tell the local address, the interface and the
//! TOS of what is received, mark what is sent ECT(0).

use super::Family;
use super::layout::{LEVEL_IP, LEVEL_IPV6};
use super::system::LAYOUT;
use crate::fd::set_option;
use std::io;
use std::os::fd::BorrowedFd;

/// ECT(0), RFC 3168 §5.
const ECT0: i32 = 2;

/// Asks for them. Without the local address there is no session; without an interface or marks it goes on.
///
/// # Errors
/// The system does not tell the local address.
pub(super) fn for_arrivals(fd: BorrowedFd<'_>, family: Family) -> io::Result<()> {
    let options = LAYOUT.options;
    match family {
        Family::V4 => {
            set_option(fd, LEVEL_IP, options.ipv4_address, 1)?;
            for wish in [options.ipv4_interface, options.ipv4_tos].into_iter().flatten() {
                let _ = set_option(fd, LEVEL_IP, wish, 1);
            }
            let _ = set_option(fd, LEVEL_IP, options.ipv4_mark, ECT0);
        }
        Family::V6 => {
            set_option(fd, LEVEL_IPV6, options.ipv6_pktinfo, 1)?;
            let _ = set_option(fd, LEVEL_IPV6, options.ipv6_tclass, 1);
            let _ = set_option(fd, LEVEL_IPV6, LAYOUT.ipv6_tclass, ECT0);
        }
    }
    Ok(())
}

/// Sets or clears the option that keeps datagrams whole, and says whether there is one.
#[cfg(not(linux_kernel))]
pub(super) fn not_to_fragment(fd: BorrowedFd<'_>, family: Family, on: bool) -> bool {
    let option = match family {
        Family::V4 => LAYOUT.options.ipv4_dont_fragment.map(|option| (LEVEL_IP, option)),
        Family::V6 => Some((LEVEL_IPV6, LAYOUT.options.ipv6_dont_fragment)),
    };
    option.is_some_and(|(level, option)| set_option(fd, level, option, on.into()).is_ok())
}
