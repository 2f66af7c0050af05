//! Giving up what a program no longer needs, where the system has a means that its children do not keep.
//!
//! | system | what is done |
//! |---|---|
//! | OpenBSD | `unveil(2)` hides every file but `/dev/null`, [`Part::files`] and what is named, `pledge(2)` leaves the promises of [`Part`] |
//! | others | nothing |
//!
//! Both end at `execve(2)`, so that what a confined program starts is as free as before. A promise that was forgotten makes
//! the call fail (`error` among the promises), and never ends the session.

/// What goes on when everything has been set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A client's session: the terminal, the network, the name service, and the session's control socket.
    Client,
    /// A server's side of a session whose program runs: the network, its control socket, and signals to the program.
    Server,
}

impl Part {
    /// The promises that are kept, as `pledge(2)` reads them.
    #[must_use]
    pub const fn promises(self) -> &'static str {
        match self {
            Self::Client => "stdio inet dns route tty unix cpath error",
            Self::Server => "stdio inet unix route tty proc cpath error",
        }
    }

    /// The files that stay in sight, for reading: a client asks for the server's name again while nothing answers, and
    /// these are what getaddrinfo(3) reads, under the promise `dns` alone.
    #[must_use]
    pub const fn files(self) -> &'static [&'static CStr] {
        match self {
            Self::Client => &[c"/etc/resolv.conf", c"/etc/hosts", c"/etc/services", c"/etc/protocols"],
            Self::Server => &[],
        }
    }
}

/// Gives up everything but what this part needs, and removing what is at `removable`; tells whether the system has done so.
/// For good, in every thread, so the last thing before a session's loop. Programs started before are not touched.
pub fn confine(part: Part, removable: &[&Path]) -> bool {
    system::confine(part, removable)
}

use std::ffi::CStr;
use std::path::Path;

#[cfg(target_os = "openbsd")]
mod system {
    use super::{Part, Path};
    use crate::fd::check;
    use std::ffi::CString;
    use std::io;
    use std::os::unix::ffi::OsStrExt;
    use std::ptr::null;

    pub(super) fn confine(part: Part, removable: &[&Path]) -> bool {
        let done = try_to_confine(part, removable);
        if let Err(error) = &done {
            log::warn!("not confined: {error}");
        }
        done.is_ok()
    }

    fn try_to_confine(part: Part, removable: &[&Path]) -> io::Result<()> {
        let promises = CString::new(part.promises()).map_err(io::Error::other)?;
        let removable: Result<Vec<_>, _> =
            removable.iter().map(|path| CString::new(path.as_os_str().as_bytes())).collect();
        let removable = removable.map_err(io::Error::other)?;
        // SAFETY: strings that end in NUL and outlive the calls, or null where the manual allows it: for unveil both
        // mean "no more paths", for pledge "programs that are started are not held to any".
        unsafe {
            check(libc::unveil(c"/dev/null".as_ptr(), c"rw".as_ptr()))?;
            for file in part.files() {
                check(libc::unveil(file.as_ptr(), c"r".as_ptr()))?;
            }
            for path in &removable {
                check(libc::unveil(path.as_ptr(), c"c".as_ptr()))?;
            }
            check(libc::unveil(null(), null()))?;
            check(libc::pledge(promises.as_ptr(), null()))?;
        }
        Ok(())
    }
}

#[cfg(not(target_os = "openbsd"))]
mod system {
    use super::{Part, Path};

    pub(super) fn confine(_part: Part, _removable: &[&Path]) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The promises that OpenBSD 7.9's manual names; an unknown one would make the whole call fail.
    const KNOWN: [&str; 34] = [
        "audio",
        "bpf",
        "chown",
        "cpath",
        "disklabel",
        "dns",
        "dpath",
        "drm",
        "error",
        "exec",
        "fattr",
        "flock",
        "getpw",
        "id",
        "inet",
        "mcast",
        "pf",
        "proc",
        "prot_exec",
        "ps",
        "recvfd",
        "route",
        "rpath",
        "sendfd",
        "settime",
        "stdio",
        "tape",
        "tmppath",
        "tty",
        "unix",
        "unveil",
        "video",
        "vminfo",
        "wpath",
    ];

    #[test]
    fn neither_part_keeps_reading_files_or_programs_and_every_promise_is_one() {
        for part in [Part::Client, Part::Server] {
            for promise in part.promises().split(' ') {
                assert!(KNOWN.contains(&promise), "{promise}");
                assert!(!["rpath", "wpath", "exec", "id", "prot_exec"].contains(&promise));
            }
        }
        let splits = |part: Part, promise: &str| part.promises().split(' ').any(|one| one == promise);
        assert!(!splits(Part::Client, "proc") && !splits(Part::Server, "dns"));
    }

    #[test]
    fn a_client_can_ask_for_the_servers_name_and_a_server_for_none() {
        for (part, asks) in [(Part::Client, true), (Part::Server, false)] {
            assert_eq!(part.promises().split(' ').any(|promise| promise == "dns"), asks, "{part:?}");
            for file in [c"/etc/resolv.conf", c"/etc/hosts"] {
                assert_eq!(part.files().contains(&file), asks, "{part:?}");
            }
        }
    }

    #[test]
    #[cfg(not(target_os = "openbsd"))]
    fn a_system_without_such_means_says_so() {
        assert!(!confine(Part::Client, &[]));
    }
}
