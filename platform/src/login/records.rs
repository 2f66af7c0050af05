//! The system's record of who is logged in (utmp): writing to it, and what it says of sessions left behind.

use super::User;
use std::fs;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};

/// Where systems keep utempter's helper, which may write the record of who is logged in: Linux (four places), FreeBSD and
/// OpenBSD (ports), NetBSD (pkgsrc), and FreeBSD's own. The record itself (utmp, utmpx) belongs to root or a group on every
/// one of them. macOS and Android have no such helper.
const UTEMPTER: [&str; 7] = [
    "/usr/lib/utempter/utempter",
    "/usr/libexec/utempter/utempter",
    "/usr/local/libexec/utempter/utempter",
    "/usr/pkg/libexec/utempter/utempter",
    "/usr/lib/x86_64-linux-gnu/utempter/utempter",
    "/usr/lib/aarch64-linux-gnu/utempter/utempter",
    "/usr/libexec/ulog-helper",
];

/// Records a login on the terminal that `controller` controls, from `host` (as `who` shows it), or, with `None`, that it
/// ended. Does nothing where the system has no helper for it; never fails a session.
pub fn record_login(controller: impl AsFd, host: Option<&str>) {
    let Some(helper) = UTEMPTER.into_iter().find(|path| Path::new(path).exists()) else { return };
    let clone = || controller.as_fd().try_clone_to_owned().map(Stdio::from);
    let (Ok(stdin), Ok(stdout)) = (clone(), clone()) else { return };
    let mut command = Command::new(helper);
    match host {
        Some(host) => command.args(["add", host]),
        None => command.arg("del"),
    };
    command.stdin(stdin).stdout(stdout).stderr(Stdio::null());
    if let Err(error) = command.status() {
        log::debug!("{helper}: {error}");
    }
}

impl User {
    /// What a new session tells of the user's sessions that have no client: `mosh [PID]` as the record's host is the
    /// mark of one, ours or mosh's. Empty when there are none, when the user wants no messages (`.hushlogin`), or where
    /// the system's record cannot be read.
    #[must_use]
    pub fn detached_sessions_notice(&self) -> Vec<u8> {
        if self.home.join(".hushlogin").exists() {
            return Vec::new();
        }
        let record = ["/run/utmp", "/var/run/utmp"].into_iter().find_map(|path| fs::read(path).ok());
        let name = self.name.as_encoded_bytes();
        notice(&detached(&record.unwrap_or_default(), name, |line| Path::new("/dev").join(line).exists()))
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

/// The hosts of this user's records whose terminal is still there and whose client is not.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn detached(records: &[u8], user: &[u8], is_there: impl Fn(&str) -> bool) -> Vec<String> {
    let text = |field: &[libc::c_char]| -> Vec<u8> {
        field.iter().map(|&octet| octet.to_ne_bytes()[0]).take_while(|&octet| octet != 0).collect()
    };
    let mut sessions = Vec::new();
    for octets in records.chunks_exact(size_of::<libc::utmpx>()) {
        // SAFETY: as many octets as the struct has; it is made of numbers only, of which every pattern is one.
        let record: libc::utmpx = unsafe { octets.as_ptr().cast::<libc::utmpx>().read_unaligned() };
        let host = String::from_utf8_lossy(&text(&record.ut_host)).into_owned();
        let pid = host.strip_prefix("mosh [").and_then(|rest| rest.strip_suffix(']'));
        let is_session = pid.is_some_and(|pid| pid.parse::<u32>().is_ok());
        let line = String::from_utf8_lossy(&text(&record.ut_line)).into_owned();
        if record.ut_type == libc::USER_PROCESS
            && text(&record.ut_user) == user
            && is_session
            && is_there(&line)
        {
            sessions.push(host);
        }
    }
    sessions
}

/// Elsewhere records look otherwise, or there are none.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn detached(_records: &[u8], _user: &[u8], _is_there: impl Fn(&str) -> bool) -> Vec<String> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::super::null;
    use super::*;

    #[test]
    fn a_record_of_a_login_never_fails() {
        record_login(null().unwrap(), Some("test"));
        record_login(null().unwrap(), None);
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn record(kind: i16, user: &str, line: &str, host: &str) -> Vec<u8> {
        // SAFETY: numbers only.
        let mut record: libc::utmpx = unsafe { std::mem::zeroed() };
        record.ut_type = kind;
        let fill = |field: &mut [libc::c_char], text: &str| {
            field.iter_mut().zip(text.bytes()).for_each(|(to, octet)| *to = octet.cast_signed());
        };
        fill(&mut record.ut_user, user);
        fill(&mut record.ut_line, line);
        fill(&mut record.ut_host, host);
        // SAFETY: as many octets as the struct has, all of them set.
        unsafe { std::slice::from_raw_parts((&raw const record).cast(), size_of::<libc::utmpx>()) }.to_vec()
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn the_users_own_sessions_without_a_client_are_found() {
        let alive = libc::USER_PROCESS;
        let mut records = [
            record(alive, "me", "pts/1", "mosh [11]"),
            record(alive, "me", "pts/2", "192.0.2.1 via mosh [12]"),
            record(alive, "you", "pts/3", "mosh [13]"),
            record(libc::DEAD_PROCESS, "me", "pts/4", "mosh [14]"),
            record(alive, "me", "pts/5", "mosh [15]"),
            record(alive, "me", "pts/6", "mosh [\u{1b}c]"),
            record(alive, "me", "pts/gone", "mosh [17]"),
        ]
        .concat();
        records.extend([7; 11]);
        let found = detached(&records, b"me", |line| line != "pts/gone");
        assert_eq!(found, ["mosh [11]", "mosh [15]"]);
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
