//! TCP connections that leave through an interface of the caller's choice, and a way to hand one to another program.
//!
//! Contract: [`Dialling::begin`] never waits. Its descriptor becomes writable once there is something to know, which
//! [`Dialling::outcome`] tells then; a value that is dropped sends nothing more. With an interface, not one packet of the
//! connection leaves through another one where [`KEEPS_TO_INTERFACE`] is true; where it cannot be had, beginning is an error.
//! What still arrives for a connection that was given up the system refuses by a way of its own choice.
//!
//! | system | what keeps a connection to an interface |
//! |---|---|
//! | Linux, Android | `SO_BINDTODEVICE`, for everybody since Linux 5.7; before, an error |
//! | macOS | `IP_BOUND_IF`, `IPV6_BOUND_IF` |
//! | FreeBSD, NetBSD, OpenBSD | nothing: the source address alone is given, and the routing table chooses |

use crate::fd::{self, check, check_len};
use crate::udp::to_raw;
use libc::{c_void, iovec, msghdr};
use net::{Interface, LocalAddr};
use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::ptr::null_mut;

/// Whether a connection can be kept to an interface here.
pub const KEEPS_TO_INTERFACE: bool = cfg!(any(linux_kernel, target_vendor = "apple"));

/// A connection that is being made.
#[derive(Debug)]
pub struct Dialling {
    stream: TcpStream,
}

impl Dialling {
    /// Begins a connection to an address: from one of this machine's and out of its interface, or as the system chooses.
    ///
    /// # Errors
    /// The system's: there is no route, the interface is gone, or it may not be chosen.
    pub fn begin(remote: SocketAddr, from: Option<LocalAddr>) -> io::Result<Self> {
        let Some(from) = from else { return Self::begin_from(remote, None) };
        if remote.is_ipv4() || !KEEPS_TO_INTERFACE {
            return Self::begin_from(remote, Some(from));
        }
        // Of the interface's addresses the system knows the one that fits the destination (RFC 6724). Only a route for
        // one source alone (`from` in Linux' tables) has to be told which.
        let any = LocalAddr { ip: Ipv6Addr::UNSPECIFIED.into(), ..from };
        match Self::begin_from(remote, Some(any)) {
            Err(error) if is_unreachable(&error) => Self::begin_from(remote, Some(from)),
            outcome => outcome,
        }
    }

    fn begin_from(mut remote: SocketAddr, from: Option<LocalAddr>) -> io::Result<Self> {
        let domain = if remote.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        let socket = fd::socket(domain, libc::SOCK_STREAM, 0)?;
        if let Some(LocalAddr { ip, interface }) = from {
            if let Some(interface) = interface {
                keep_to(socket.as_fd(), interface, remote.is_ipv4())?;
                keep_to_the_end(socket.as_fd())?;
            }
            if !ip.is_unspecified() {
                bind(socket.as_fd(), ip, interface)?;
            }
            set_zone(&mut remote, interface);
        }
        let (name, length) = to_raw(&remote);
        // SAFETY: the pointer and the length describe `name`, which outlives the call.
        match check(unsafe { libc::connect(socket.as_raw_fd(), (&raw const name).cast(), length) }) {
            Err(error) if !matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EINTR)) => {
                Err(error)
            }
            _ => Ok(Self { stream: socket.into() }),
        }
    }

    /// What has become of it: `None` while it is being made.
    #[must_use]
    pub fn outcome(&self) -> Option<io::Result<()>> {
        match self.stream.take_error() {
            Ok(Some(error)) | Err(error) => Some(Err(error)),
            Ok(None) => match self.stream.peer_addr() {
                Ok(_) => Some(Ok(())),
                Err(error) if error.kind() == io::ErrorKind::NotConnected => None,
                Err(error) => Some(Err(error)),
            },
        }
    }

    /// The connection, whose reads and writes wait from now on.
    ///
    /// # Errors
    /// The system's.
    pub fn into_stream(self) -> io::Result<TcpStream> {
        self.stream.set_nonblocking(false)?;
        Ok(self.stream)
    }
}

impl AsFd for Dialling {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Whether there is no way to the destination from here.
fn is_unreachable(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EADDRNOTAVAIL))
}

fn bind(socket: BorrowedFd<'_>, ip: IpAddr, interface: Option<Interface>) -> io::Result<()> {
    let mut local = SocketAddr::new(ip, 0);
    set_zone(&mut local, interface);
    let (name, length) = to_raw(&local);
    // SAFETY: the pointer and the length describe `name`, which outlives the call.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const name).cast(), length) }).map(drop)
}

/// A link-local address means nothing without the zone (RFC 4007 §6).
fn set_zone(address: &mut SocketAddr, interface: Option<Interface>) {
    if let SocketAddr::V6(address) = address
        && address.scope_id() == 0
        && address.ip().is_unicast_link_local()
    {
        address.set_scope_id(interface.map_or(0, NonZeroU32::get));
    }
}

#[cfg(linux_kernel)]
fn keep_to(socket: BorrowedFd<'_>, interface: Interface, _v4: bool) -> io::Result<()> {
    let mut name = [0 as libc::c_char; libc::IF_NAMESIZE];
    // SAFETY: the buffer has the size that the call asks for, and outlives it.
    if unsafe { libc::if_indextoname(interface.get(), name.as_mut_ptr()) }.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the pointer and the length describe `name`, which outlives the call.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_BINDTODEVICE,
            name.as_ptr().cast::<c_void>(),
            libc::IF_NAMESIZE as libc::socklen_t,
        )
    })
    .map(drop)
}

/// Where this end closes first, Linux answers for a connection in memory of it alone, and such an answer of IPv6 goes by
/// the best route whatever the connection was kept to (`tcp_v6_send_response`; seen on Linux 6.18). Until the other end has
/// closed, too, the connection itself is kept: for a minute, which is what this is longer than `TCP_TIMEWAIT_LEN`.
#[cfg(linux_kernel)]
fn keep_to_the_end(socket: BorrowedFd<'_>) -> io::Result<()> {
    fd::set_option(socket, libc::IPPROTO_TCP, libc::TCP_LINGER2, 120)
}

#[cfg(not(linux_kernel))]
#[expect(clippy::unnecessary_wraps, reason = "it may fail where there is something to do")]
fn keep_to_the_end(_socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(())
}

#[cfg(target_vendor = "apple")]
fn keep_to(socket: BorrowedFd<'_>, interface: Interface, v4: bool) -> io::Result<()> {
    let (level, name) = match v4 {
        true => (libc::IPPROTO_IP, libc::IP_BOUND_IF),
        false => (libc::IPPROTO_IPV6, libc::IPV6_BOUND_IF),
    };
    let index = libc::c_int::try_from(interface.get()).map_err(|_| io::ErrorKind::InvalidInput)?;
    fd::set_option(socket, level, name, index)
}

/// The source address is all that there is.
#[cfg(not(any(linux_kernel, target_vendor = "apple")))]
#[expect(clippy::unnecessary_wraps, reason = "it may fail where it can be done")]
fn keep_to(_socket: BorrowedFd<'_>, _interface: Interface, _v4: bool) -> io::Result<()> {
    Ok(())
}

/// Keeps a connection that says nothing for hours from being forgotten by what lies between (`SO_KEEPALIVE`).
///
/// # Errors
/// The system's.
pub fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    fd::set_option(stream.as_fd(), libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1)
}

/// Room for the control message with one descriptor, aligned as the kernel's structs are.
#[repr(align(8))]
struct Room([u8; 64]);

/// Hands a descriptor to whoever holds the other end of a Unix socket, with one octet (`SCM_RIGHTS`): what ssh waits for
/// with `ProxyUseFdpass`.
///
/// # Errors
/// The system's; `over` is no Unix socket, or nobody holds its other end.
pub fn hand_over(descriptor: BorrowedFd<'_>, over: BorrowedFd<'_>) -> io::Result<()> {
    const SIZE: u32 = size_of::<RawFd>() as u32;
    let mut room = Room([0; 64]);
    let mut octet = [0_u8];
    let mut data = iovec { iov_base: octet.as_mut_ptr().cast::<c_void>(), iov_len: 1 };
    // SAFETY: null pointers and zero lengths: an empty message, padding included.
    let mut message: msghdr = unsafe { zeroed() };
    message.msg_name = null_mut();
    message.msg_iov = &raw mut data;
    message.msg_iovlen = 1;
    message.msg_control = room.0.as_mut_ptr().cast::<c_void>();
    // SAFETY: arithmetic on lengths; the room is larger than what any system needs for one descriptor.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(SIZE) } as _;
    // SAFETY: the message has room for one header and one descriptor, which is aligned for the header.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if header.is_null() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(SIZE) as _;
        libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(descriptor.as_raw_fd());
    }
    loop {
        // SAFETY: `message` points to one octet and a control message with their lengths; all outlive the call.
        match check_len(unsafe { libc::sendmsg(over.as_raw_fd(), &raw const message, 0) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            sent => return sent.map(drop),
        }
    }
}

#[cfg(test)]
mod tests;
