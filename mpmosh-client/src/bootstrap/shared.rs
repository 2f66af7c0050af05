//! One connection of the user's own ssh for several requests, so that a password is asked once.
//!
//! Contract: ssh(1)'s connection sharing (`ControlMaster`) with a socket in a folder that is closed to others and gone with
//! the value. Where that cannot be had, each request is a connection of its own, as without it.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The longest path that ssh can listen at: it appends 17 octets while it makes the socket, and the shortest `sun_path` of
/// any system has 104, one of them NUL.
const LONGEST: usize = 86;

/// A place for the shared connection's socket.
#[derive(Debug)]
pub(super) struct Shared {
    folder: PathBuf,
    socket: String,
}

impl Shared {
    /// A new place; `None` where there is none that ssh can use.
    pub(super) fn new() -> Option<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let runtime = runtime.filter(|folder| folder.is_absolute() && folder.is_dir());
        Self::below(&runtime.unwrap_or_else(std::env::temp_dir))
    }

    fn below(base: &Path) -> Option<Self> {
        let random = u64::from_ne_bytes(platform::login::random::<8>().ok()?);
        let folder = base.join(format!("mpmosh-ssh-{random:016x}"));
        let socket = folder.join("s").to_str().filter(|path| is_plain(path))?.to_owned();
        DirBuilder::new().mode(0o700).create(&folder).ok()?;
        Some(Self { folder, socket })
    }

    /// What makes an ssh use the connection, or begin it. It stays for a minute without a request.
    pub(super) fn options(&self) -> [OsString; 6] {
        let path = format!("ControlPath={}", self.socket);
        ["-o", "ControlMaster=auto", "-o", &path, "-o", "ControlPersist=60"].map(OsString::from)
    }

    /// Ends the connection: `ssh` has [`Self::options`], and lacks the host. Where the user's own words name another
    /// socket, which comes before ours, there is none at ours: that connection is not ours to end.
    pub(super) fn end(&self, ssh: &mut Command, host: &str) {
        if !Path::new(&self.socket).exists() {
            return;
        }
        ssh.args(["-O", "exit", "--", host]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Err(error) = ssh.status() {
            log::debug!("the shared connection was not ended: {error}");
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whether ssh takes the path as it stands: short enough, without tokens, variables, blanks and quotes.
fn is_plain(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,".contains(c);
    path.len() <= LONGEST && path.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_place_is_the_users_alone_and_goes() {
        let shared = Shared::below(&std::env::temp_dir()).unwrap_or_else(|| panic!());
        let mode = fs::metadata(&shared.folder).map(|about| about.permissions().mode() & 0o777);
        assert_eq!(mode.ok(), Some(0o700));
        let folder = shared.folder.clone();
        drop(shared);
        assert!(!folder.exists());
    }

    #[test]
    fn only_the_connection_at_our_own_socket_is_ended() {
        let shared = Shared::below(&std::env::temp_dir()).unwrap_or_else(|| panic!());
        let asked = shared.folder.join("asked");
        let end = || {
            let mut ssh = Command::new("sh");
            ssh.args(["-c", "echo \"$@\" >\"$0\""]).arg(&asked);
            shared.end(&mut ssh, "host");
            fs::read_to_string(&asked).ok()
        };
        assert_eq!(end(), None, "the user's own ssh -S has another");
        fs::write(&shared.socket, "").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(end().as_deref(), Some("-O exit -- host\n"));
    }

    #[test]
    fn a_path_that_ssh_would_misread_is_not_used() {
        assert!(is_plain("/run/user/1000/mpmosh-ssh-0123456789abcdef/s"));
        for bad in ["/a b/s", "/%h/s", "/$HOME/s", "/\"/s", "/é/s", &format!("/{}/s", "x".repeat(90))] {
            assert!(!is_plain(bad), "{bad}");
        }
        assert!(Shared::below(Path::new("/no such folder")).is_none());
    }
}
