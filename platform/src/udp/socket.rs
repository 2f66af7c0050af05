//! One UDP socket: `sendmsg` and `recvmsg` with control messages, the same on every system but for its tables.

use super::cmsg::{self, Control};
use super::{Family, Meta, system};
use crate::clock;
use crate::fd::{self, check, check_len};
use libc::{c_int, c_void, iovec, msghdr, sockaddr_in, sockaddr_in6, sockaddr_storage, socklen_t};
use net::{Instant, LocalAddr, Path, Transmit};
use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::ptr::null_mut;

/// A socket bound to the wildcard address of one family.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) fd: OwnedFd,
    pub(super) family: Family,
    pub(super) generation: u32,
    pub(super) port: u16,
    /// When it last sent.
    pub(super) used: Instant,
    /// When a datagram was last taken from it.
    pub(super) heard: Instant,
}

/// Why nothing was received.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing waits.
    Empty,
    /// An error of the network, about some datagram sent before.
    Network,
    /// The socket itself.
    Fatal(io::Error),
}

impl Socket {
    pub(super) fn bind(family: Family, port: u16, generation: u32) -> io::Result<Self> {
        let (domain, wildcard) = match family {
            Family::V4 => (libc::AF_INET, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            Family::V6 => (libc::AF_INET6, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        };
        let fd = fd::socket(domain, libc::SOCK_DGRAM, 0)?;
        // OpenBSD's are never for both families, and a confined program may not say so again.
        if family == Family::V6 && !cfg!(target_os = "openbsd") {
            fd::set_option(fd.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
        }
        system::configure(fd.as_fd(), family)?;
        let (name, length) = to_raw(&SocketAddr::new(wildcard, port));
        // SAFETY: the pointer and the length describe `name`, which outlives the call.
        check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const name).cast(), length) })?;
        let mut name = empty_name();
        let mut length = size_of::<sockaddr_storage>() as socklen_t;
        // SAFETY: the pointers are to a storage and its size, which outlive the call.
        check(unsafe { libc::getsockname(fd.as_raw_fd(), (&raw mut name).cast(), &raw mut length) })?;
        let port = from_raw(&name).map_or(port, |addr| addr.port());
        Ok(Self { fd, family, generation, port, used: clock::now(), heard: Instant::ZERO })
    }

    /// Sends one datagram, with the source that is to be asked for; the error is the system's.
    pub(super) fn send(&self, transmit: &Transmit, source: &LocalAddr) -> io::Result<()> {
        let Path { local, mut remote } = transmit.path;
        if let SocketAddr::V6(addr) = &mut remote
            && addr.scope_id() == 0
            && addr.ip().is_unicast_link_local()
        {
            addr.set_scope_id(local.interface.map_or(0, std::num::NonZeroU32::get));
        }
        let (mut name, name_length) = to_raw(&remote);
        let mut control = Control::new();
        let control_length = cmsg::encode(&system::LAYOUT, source, &mut control);
        let mut data = iovec {
            // The kernel only reads it.
            iov_base: transmit.bytes.as_ptr().cast_mut().cast::<c_void>(),
            iov_len: transmit.bytes.len(),
        };
        let mut message = empty_message();
        message.msg_name = (&raw mut name).cast();
        message.msg_namelen = name_length;
        message.msg_iov = &raw mut data;
        message.msg_iovlen = 1;
        // NetBSD refuses a pointer without a length.
        if control_length > 0 {
            message.msg_control = (&raw mut control).cast();
            message.msg_controllen = control_length as _;
        }
        loop {
            // SAFETY: `message` points to a name, one buffer and control messages with their lengths; all outlive
            // the call.
            let sent = unsafe { libc::sendmsg(self.fd.as_raw_fd(), &raw const message, libc::MSG_DONTWAIT) };
            match check_len(sent) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes one datagram.
    pub(super) fn recv(&self, buffer: &mut [u8]) -> Result<Meta, Failure> {
        let mut raw = RawReceived::new();
        let len = loop {
            match raw.recv(self, buffer, 0) {
                Ok(len) => break len,
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => {}
                    Some(libc::EAGAIN) => return Err(Failure::Empty),
                    Some(libc::EBADF | libc::ENOTSOCK | libc::EFAULT | libc::EINVAL) => {
                        return Err(Failure::Fatal(error));
                    }
                    _ => return Err(Failure::Network),
                },
            }
        };
        // A datagram whose sender the kernel does not name cannot be answered.
        let remote = raw.name().ok_or(Failure::Network)?;
        let arrival = cmsg::decode(&system::LAYOUT, raw.control());
        let local = LocalAddr { ip: arrival.ip.unwrap_or(self.wildcard()), interface: arrival.interface };
        Ok(Meta {
            path: Path { local, remote },
            ecn: arrival.ecn,
            len: len.min(buffer.len()),
            truncated: raw.flags & libc::MSG_TRUNC != 0,
            port_generation: self.generation,
        })
    }

    /// The unspecified address of the family.
    pub(super) fn wildcard(&self) -> IpAddr {
        match self.family {
            Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }
}

/// What `recvmsg` gives beside the data.
#[derive(Debug)]
pub(super) struct RawReceived {
    name: sockaddr_storage,
    control: Control,
    control_length: usize,
    pub(super) flags: c_int,
}

impl RawReceived {
    pub(super) fn new() -> Self {
        Self { name: empty_name(), control: Control::new(), control_length: 0, flags: 0 }
    }

    /// One `recvmsg`, which never waits; the length may exceed the buffer on systems that tell the whole length.
    pub(super) fn recv(&mut self, socket: &Socket, buffer: &mut [u8], flags: c_int) -> io::Result<usize> {
        self.name = empty_name();
        let mut data = iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        let mut message = empty_message();
        message.msg_name = (&raw mut self.name).cast();
        message.msg_namelen = size_of::<sockaddr_storage>() as socklen_t;
        message.msg_iov = &raw mut data;
        message.msg_iovlen = 1;
        message.msg_control = self.control.0.as_mut_ptr().cast();
        message.msg_controllen = self.control.0.len() as _;
        // SAFETY: `message` points to a storage, one buffer and room for control messages with their sizes; all
        // outlive the call.
        let len = check_len(unsafe {
            libc::recvmsg(socket.fd.as_raw_fd(), &raw mut message, flags | libc::MSG_DONTWAIT)
        })?;
        // A size_t on some systems, 32 bits on others.
        let control_length: usize = message.msg_controllen as _;
        self.control_length = control_length.min(self.control.0.len());
        self.flags = message.msg_flags;
        Ok(len)
    }

    /// The control messages.
    pub(super) fn control(&self) -> &[u8] {
        &self.control.0[..self.control_length]
    }

    /// The address that came as the name.
    pub(super) fn name(&self) -> Option<SocketAddr> {
        from_raw(&self.name)
    }
}

fn empty_message() -> msghdr {
    // SAFETY: null pointers and zero lengths: an empty message, padding included.
    let mut message: msghdr = unsafe { zeroed() };
    message.msg_control = null_mut();
    message
}

fn empty_name() -> sockaddr_storage {
    // SAFETY: integers and octets only.
    unsafe { zeroed() }
}

/// An address as the system has it.
pub(crate) fn to_raw(addr: &SocketAddr) -> (sockaddr_storage, socklen_t) {
    let mut storage = empty_name();
    match addr {
        SocketAddr::V4(addr) => {
            // SAFETY: integers and octets only.
            let mut raw: sockaddr_in = unsafe { zeroed() };
            raw.sin_family = libc::AF_INET as _;
            raw.sin_port = addr.port().to_be();
            raw.sin_addr.s_addr = u32::from_ne_bytes(addr.ip().octets());
            // SAFETY: a storage is larger than any address and aligned for all.
            unsafe { (&raw mut storage).cast::<sockaddr_in>().write(raw) };
            (storage, size_of::<sockaddr_in>() as socklen_t)
        }
        SocketAddr::V6(addr) => {
            // SAFETY: integers and octets only.
            let mut raw: sockaddr_in6 = unsafe { zeroed() };
            raw.sin6_family = libc::AF_INET6 as _;
            raw.sin6_port = addr.port().to_be();
            raw.sin6_addr.s6_addr = addr.ip().octets();
            raw.sin6_scope_id = addr.scope_id();
            // SAFETY: as above.
            unsafe { (&raw mut storage).cast::<sockaddr_in6>().write(raw) };
            (storage, size_of::<sockaddr_in6>() as socklen_t)
        }
    }
}

/// The address that the system wrote. A zone only where it means something, no flow label: equal addresses are equal.
pub(crate) fn from_raw(storage: &sockaddr_storage) -> Option<SocketAddr> {
    match c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says which address it is; a storage is as large and aligned as any.
            let raw = unsafe { (&raw const *storage).cast::<sockaddr_in>().read() };
            let ip = Ipv4Addr::from(raw.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(ip, u16::from_be(raw.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let raw = unsafe { (&raw const *storage).cast::<sockaddr_in6>().read() };
            let ip = Ipv6Addr::from(raw.sin6_addr.s6_addr);
            let zone = if ip.is_unicast_link_local() { raw.sin6_scope_id } else { 0 };
            Some(SocketAddrV6::new(ip, u16::from_be(raw.sin6_port), 0, zone).into())
        }
        _ => None,
    }
}
