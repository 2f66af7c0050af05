//! The lab's only unsafe code: opening a TUN device, and starting a program on a terminal of its own.
#![expect(unsafe_code, reason = "an ioctl without a safe wrapper, and code between fork and exec")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::ioctl::{self, Opcode, Setter};

/// `struct ifreq` as `TUNSETIFF` reads it: a name of 16 octets, then a union of 24.
#[repr(C)]
#[derive(Clone, Copy)]
struct InterfaceRequest {
    name: [u8; 16],
    flags: i16,
    rest: [u8; 22],
}

const _: () = assert!(size_of::<InterfaceRequest>() == 40, "struct ifreq has 40 octets");

/// `_IOW('T', 202, int)`: fixed by the kernel's ABI (linux/if_tun.h).
const TUNSETIFF: Opcode = 0x4004_54ca;
const IFF_TUN: i16 = 0x0001;
const IFF_NO_PI: i16 = 0x1000;

/// Opens a TUN device called `name` in the calling thread's network namespace, without packet information and
/// non-blocking. The device lives as long as the file.
///
/// # Errors
/// What the kernel says when `/dev/net/tun` is missing or may not be used.
pub(super) fn open_tun(name: &str) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32)
        .open("/dev/net/tun")?;
    let mut request = InterfaceRequest { name: [0; 16], flags: IFF_TUN | IFF_NO_PI, rest: [0; 22] };
    if name.len() >= request.name.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "an interface name has at most 15 octets"));
    }
    for (to, from) in request.name.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    // SAFETY: TUNSETIFF reads a `struct ifreq`, which InterfaceRequest is octet for octet, and keeps no pointer.
    unsafe { ioctl::ioctl(file.as_fd(), Setter::<TUNSETIFF, InterfaceRequest>::new(request))? };
    Ok(file)
}

/// Signals that a login's programs find as the system has them.
const OF_A_LOGIN: [i32; 5] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGTSTP];

/// Makes `command` start as the leader of a session whose controlling terminal is `terminal`, with the signals as a login has
/// them: whoever runs the tests may ignore some (`nohup`, a shell's background), and what is ignored stays so.
pub(super) fn on_terminal(command: &mut Command, terminal: OwnedFd) {
    // SAFETY: the closure makes a few system calls and allocates nothing, as code between fork and exec must.
    unsafe {
        command.pre_exec(move || {
            for signal in OF_A_LOGIN {
                libc::signal(signal, libc::SIG_DFL);
            }
            rustix::process::setsid()?;
            rustix::process::ioctl_tiocsctty(&terminal)?;
            Ok(())
        });
    }
}
