//! Which libssh2 is linked, and what is known of it.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::thread;

use ssh2::Session;

use crate::text::sanitize::one_line;

/// Faults of every release up to 1.11.1, which a host that one logs in to can use before it has shown its key.
const FAULTS: &str = "CVE-2025-15661, CVE-2026-55199, CVE-2026-55200 and CVE-2026-7598";
/// The last release that has them.
const LAST_FAULTY: [u32; 3] = [1, 11, 1];
/// What libssh2 calls itself with, before its version.
const NAME: &str = "SSH-2.0-libssh2_";
/// Longest greeting of ssh (RFC 4253 §4.2).
const GREETING: u64 = 255;

/// The version that libssh2 greets a host with: it tells it in no other way without unsafe code.
#[must_use]
pub fn version() -> Option<String> {
    let (here, there) = UnixStream::pair().ok()?;
    let mut session = Session::new().ok()?;
    session.set_tcp_stream(here);
    // It ends when the other end is closed, which does not answer.
    let greets = thread::Builder::new().spawn(move || session.handshake()).ok()?;
    let mut greeting = String::new();
    // The reader closes its end with itself.
    BufReader::new(there.take(GREETING)).read_line(&mut greeting).ok()?;
    let _ = greets.join();
    greeting.trim_end().strip_prefix(NAME).map(|version| one_line(version, 40))
}

/// What is to be said of a version.
#[must_use]
pub fn warning(version: &str) -> Option<String> {
    let numbers = version.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse().ok());
    let numbers: Vec<u32> = numbers.take(3).collect();
    (numbers.len() == 3 && numbers.as_slice() <= LAST_FAULTY.as_slice()).then(|| {
        format!(
            "libssh2 {version} has {FAULTS} as it was released: see whether your distribution's package is patched \
             against them; --ssh=ssh does without it"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_told_and_is_none_with_known_faults() {
        let version = version().unwrap_or_else(|| panic!("it does not greet"));
        assert!(version.starts_with("1."), "{version}");
        // The crates' own, which is what the tests are linked to.
        assert_eq!(warning(&version), None);
    }

    #[test]
    fn releases_up_to_the_last_faulty_one_are_warned_of() {
        for (version, warned) in [
            ("1.8.0", true),
            ("1.10.0", true),
            ("1.11.1", true),
            ("1.11.1_DEV", true),
            ("1.11.2_DEV", false),
            ("1.12.0", false),
            ("?", false),
        ] {
            assert_eq!(warning(version).is_some(), warned, "{version}");
        }
    }
}
