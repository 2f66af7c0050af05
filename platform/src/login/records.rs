//! The system's record of who is logged in (utmp): writing to it, and what it says of sessions left behind.

use super::User;
use std::fs;
#[cfg(any(all(target_os = "linux", target_env = "gnu"), target_os = "openbsd"))]
use std::mem::offset_of;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};

/// Where systems keep utempter's helper, which may write the record of who is logged in: Linux (five places, the last
/// NixOS's wrapper), OpenBSD and FreeBSD (ports), NetBSD (pkgsrc), and FreeBSD's own. The record itself (utmp, utmpx) belongs
/// to root or a group on every one of them. macOS and Android have no such helper.
const HELPERS: [(&str, Words); 8] = [
    ("/usr/lib/utempter/utempter", UTEMPTER),
    ("/usr/libexec/utempter/utempter", UTEMPTER),
    ("/usr/local/libexec/utempter/utempter", UTEMPTER),
    ("/usr/pkg/libexec/utempter/utempter", UTEMPTER),
    ("/usr/lib/x86_64-linux-gnu/utempter/utempter", UTEMPTER),
    ("/usr/lib/aarch64-linux-gnu/utempter/utempter", UTEMPTER),
    ("/run/wrappers/bin/utempter", UTEMPTER),
    ("/usr/libexec/ulog-helper", ULOG_HELPER),
];

/// What a helper is told: that somebody comes, with the host after it, or goes.
type Words = (&'static str, &'static str);
const UTEMPTER: Words = ("add", "del");
const ULOG_HELPER: Words = ("login", "logout");

/// Records a login on the terminal that `controller` controls, from `host` (as `who` shows it), or, with `None`, that it
/// ended. Does nothing where the system has no helper for it; never fails a session.
pub fn record_login(controller: impl AsFd, host: Option<&str>) {
    let Some((helper, words)) = HELPERS.into_iter().find(|(path, _)| Path::new(path).exists()) else {
        return;
    };
    let clone = || controller.as_fd().try_clone_to_owned().map(Stdio::from);
    let (Ok(stdin), Ok(stdout)) = (clone(), clone()) else { return };
    let mut command = Command::new(helper);
    command.args(arguments(words, host)).stdin(stdin).stdout(stdout).stderr(Stdio::null());
    if let Err(error) = command.status() {
        log::debug!("{helper}: {error}");
    }
}

fn arguments((comes, goes): Words, host: Option<&str>) -> Vec<&str> {
    host.map_or(vec![goes], |host| vec![comes, host])
}

/// How a system lays a record of the file out: offsets and lengths in octets. Only what is read of it.
#[derive(Clone, Copy, Debug)]
struct Record {
    files: &'static [&'static str],
    size: usize,
    user: (usize, usize),
    line: (usize, usize),
    host: (usize, usize),
    /// Where `ut_type` stands, in how many octets, and which is a user's; OpenBSD has none, but no user where nobody is.
    kind: Option<(usize, usize, u16)>,
}

/// Whether `ut_session` and `ut_tv` are of 64 bits, as on machines that had no 32-bit programs to read the same file.
/// Elsewhere, x86-64, riscv64, ppc64 and others of 64 bits among them, they are of 32.
const WIDE: bool = cfg!(any(
    target_arch = "s390x",
    target_arch = "loongarch64",
    all(target_arch = "aarch64", target_pointer_width = "64")
));

/// Linux with glibc, whose format it is whatever the program that reads it was linked with.
const GLIBC: Record = Record {
    files: &["/run/utmp", "/var/run/utmp"],
    size: if WIDE { 400 } else { 384 },
    user: (44, 32),
    line: (8, 32),
    host: (76, 256),
    kind: Some((0, 2, 7)),
};

/// FreeBSD's `struct futx`, packed.
const FREEBSD: Record = Record {
    files: &["/var/run/utx.active"],
    size: 197,
    user: (21, 32),
    line: (53, 16),
    host: (69, 128),
    kind: Some((0, 1, 4)),
};

/// NetBSD's `struct utmpx`.
const NETBSD: Record = Record {
    files: &["/var/run/utmpx"],
    size: 520,
    user: (0, 32),
    line: (36, 32),
    host: (68, 256),
    kind: Some((326, 2, 7)),
};

/// OpenBSD's `struct utmp`.
const OPENBSD: Record =
    Record { files: &["/var/run/utmp"], size: 304, user: (8, 32), line: (0, 8), host: (40, 256), kind: None };

/// This system's, where it has a helper that writes it.
const RECORD: Option<Record> = if cfg!(target_os = "linux") {
    Some(GLIBC)
} else if cfg!(target_os = "freebsd") {
    Some(FREEBSD)
} else if cfg!(target_os = "netbsd") {
    Some(NETBSD)
} else if cfg!(target_os = "openbsd") {
    Some(OPENBSD)
} else {
    None
};

impl User {
    /// What a new session tells of the user's sessions that have no client: `mosh [PID]` as the record's host is the
    /// mark of one, ours or mosh's. Empty when there are none but these processes', or where the system's record cannot
    /// be read.
    #[must_use]
    pub fn detached_sessions_notice(&self, but: &[u32]) -> Vec<u8> {
        let Some(record) = RECORD else { return Vec::new() };
        let octets = record.files.iter().find_map(|path| fs::read(path).ok()).unwrap_or_default();
        let is_there = |line: &str| Path::new("/dev").join(line).exists();
        let mut sessions = record.detached(&octets, self.name.as_encoded_bytes(), is_there);
        sessions.retain(|host| !but.iter().any(|process| *host == format!("mosh [{process}]")));
        notice(&sessions)
    }

    /// Whether the user wants no messages at a login (`.hushlogin`).
    #[must_use]
    pub fn wants_no_messages(&self) -> bool {
        self.home.join(".hushlogin").exists()
    }
}

impl Record {
    /// The hosts of a user's records whose terminal is still there and whose client is not. A record that is cut off is
    /// passed over.
    fn detached(&self, records: &[u8], user: &[u8], is_there: impl Fn(&str) -> bool) -> Vec<String> {
        let mut sessions = Vec::new();
        for octets in records.chunks_exact(self.size) {
            let text = |(at, length): (usize, usize)| {
                let field = octets.get(at..at + length).unwrap_or_default();
                field.split(|octet| *octet == 0).next().unwrap_or_default()
            };
            let host = String::from_utf8_lossy(text(self.host)).into_owned();
            let pid = host.strip_prefix("mosh [").and_then(|rest| rest.strip_suffix(']'));
            let is_session = pid.is_some_and(|pid| pid.parse::<u32>().is_ok());
            let line = String::from_utf8_lossy(text(self.line));
            if self.is_a_users(octets) && text(self.user) == user && is_session && is_there(&line) {
                sessions.push(host);
            }
        }
        sessions
    }

    fn is_a_users(&self, octets: &[u8]) -> bool {
        self.kind.is_none_or(|(at, size, users)| match octets.get(at..at + size) {
            Some(&[kind]) => u16::from(kind) == users,
            Some(&[first, second]) => u16::from_ne_bytes([first, second]) == users,
            _ => false,
        })
    }
}

fn notice(sessions: &[String]) -> Vec<u8> {
    match sessions {
        [] => Vec::new(),
        [one] => format!("mpmosh: you have a detached session on this server ({one}).\r\n\r\n").into_bytes(),
        many => {
            let count = many.len();
            let many = many.join(", ");
            format!("mpmosh: you have {count} detached sessions on this server ({many}).\r\n\r\n")
                .into_bytes()
        }
    }
}

/// The libc crate's structs, where it has the one of the file.
const _: () = {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    assert!(
        GLIBC.size == size_of::<libc::utmpx>()
            && GLIBC.user.0 == offset_of!(libc::utmpx, ut_user)
            && GLIBC.line.0 == offset_of!(libc::utmpx, ut_line)
            && GLIBC.host.0 == offset_of!(libc::utmpx, ut_host)
            && matches!(GLIBC.kind, Some((0, 2, 7)) if libc::USER_PROCESS == 7)
    );
    #[cfg(target_os = "freebsd")]
    assert!(libc::USER_PROCESS == 4);
    #[cfg(target_os = "openbsd")]
    assert!(
        OPENBSD.size == size_of::<libc::utmp>()
            && OPENBSD.user.0 == offset_of!(libc::utmp, ut_name)
            && OPENBSD.line.0 == offset_of!(libc::utmp, ut_line)
            && OPENBSD.host.0 == offset_of!(libc::utmp, ut_host)
    );
};

#[cfg(test)]
mod tests {
    use super::super::null;
    use super::*;

    #[test]
    fn a_record_of_a_login_never_fails() {
        record_login(null().unwrap(), Some("test"));
        record_login(null().unwrap(), None);
    }

    #[test]
    fn each_helper_is_told_in_its_own_words() {
        assert_eq!(arguments(UTEMPTER, Some("mosh [7]")), ["add", "mosh [7]"]);
        assert_eq!(arguments(UTEMPTER, None), ["del"]);
        assert_eq!(arguments(ULOG_HELPER, Some("mosh [7]")), ["login", "mosh [7]"]);
        assert_eq!(arguments(ULOG_HELPER, None), ["logout"]);
        let own: Vec<_> = HELPERS.iter().filter(|(path, _)| path.ends_with("ulog-helper")).collect();
        assert!(matches!(own[..], [(_, ULOG_HELPER)]));
    }

    const SYSTEMS: [Record; 5] = [GLIBC, Record { size: 400, ..GLIBC }, FREEBSD, NETBSD, OPENBSD];

    /// As a login program writes it; `users` is whether somebody is on it.
    fn record(layout: &Record, users: bool, user: &str, line: &str, host: &str) -> Vec<u8> {
        let mut octets = vec![0; layout.size];
        let mut put = |(at, length): (usize, usize), text: &str| {
            assert!(text.len() <= length);
            octets[at..at + text.len()].copy_from_slice(text.as_bytes());
        };
        put(layout.line, line);
        put(layout.host, host);
        put(layout.user, if users || layout.kind.is_some() { user } else { "" });
        if let Some((at, size, kind)) = layout.kind {
            let kind = if users { kind } else { kind + 1 };
            if size == 1 {
                octets[at] = kind as u8;
            } else {
                octets[at..at + 2].copy_from_slice(&kind.to_ne_bytes());
            }
        }
        octets
    }

    #[test]
    fn the_users_own_sessions_without_a_client_are_found() {
        for layout in SYSTEMS {
            let alive = |user, line, host| record(&layout, true, user, line, host);
            let mut records = [
                alive("me", "pts/1", "mosh [11]"),
                alive("me", "pts/2", "192.0.2.1 via mosh [12]"),
                alive("you", "pts/3", "mosh [13]"),
                record(&layout, false, "me", "pts/4", "mosh [14]"),
                alive("me", "pts/5", "mosh [15]"),
                alive("me", "pts/6", "mosh [\u{1b}c]"),
                alive("me", "pts/gone", "mosh [17]"),
                // A name that fills its field has no zero after it.
                alive(&"m".repeat(layout.user.1), "pts/8", "mosh [18]"),
            ]
            .concat();
            records.extend([7; 11]);
            let found = layout.detached(&records, b"me", |line| line != "pts/gone");
            assert_eq!(found, ["mosh [11]", "mosh [15]"], "{layout:?}");
            let long = "m".repeat(layout.user.1);
            assert_eq!(layout.detached(&records, long.as_bytes(), |_| true), ["mosh [18]"], "{layout:?}");
        }
    }

    #[test]
    fn a_notice_names_one_session_or_counts_several() {
        let found = ["mosh [11]".to_owned(), "mosh [15]".to_owned()];
        let text = String::from_utf8(notice(&found)).unwrap();
        assert_eq!(
            text,
            "mpmosh: you have 2 detached sessions on this server (mosh [11], mosh [15]).\r\n\r\n"
        );
        let text = String::from_utf8(notice(&found[..1])).unwrap();
        assert_eq!(text, "mpmosh: you have a detached session on this server (mosh [11]).\r\n\r\n");
        assert!(notice(&[]).is_empty());
    }
}
