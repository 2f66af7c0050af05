//! One connection of the user's own ssh for several requests, so that a password is asked once.
//!
//! Contract: ssh(1)'s connection sharing (`ControlMaster`) with a socket where nobody else comes to, gone with the value:
//! the user's runtime folder, from which ssh itself takes it when this process is ended before; else a folder for it
//! alone. Where that cannot be had, each request is a connection of its own, as without it.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The longest path that ssh can listen at: it appends 17 octets while it makes the socket, and the shortest `sun_path` of
/// any system has 104, one of them NUL.
const LONGEST: usize = 86;

/// A place for the shared connection's socket.
#[derive(Debug)]
pub(super) struct Shared {
    socket: String,
    /// The folder that was made for it.
    folder: Option<PathBuf>,
}

impl Shared {
    /// A new place; `None` where there is none that ssh can use.
    pub(super) fn new() -> Option<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let runtime = runtime.filter(|folder| folder.is_absolute() && is_ours_alone(folder));
        runtime.map_or_else(|| Self::below(&std::env::temp_dir()), |folder| Self::inside(&folder))
    }

    /// In a folder where nobody else comes to.
    fn inside(private: &Path) -> Option<Self> {
        Some(Self { socket: plain(&private.join(name()?))?, folder: None })
    }

    /// In a new folder inside one that is everybody's.
    fn below(base: &Path) -> Option<Self> {
        let folder = base.join(name()?);
        let socket = plain(&folder.join("s"))?;
        DirBuilder::new().mode(0o700).create(&folder).ok()?;
        Some(Self { socket, folder: Some(folder) })
    }

    /// What makes an ssh use the connection, or begin it. It stays for a minute without a request.
    pub(super) fn options(&self) -> [OsString; 6] {
        let path = format!("ControlPath={}", self.socket);
        ["-o", "ControlMaster=auto", "-o", &path, "-o", "ControlPersist=60"].map(OsString::from)
    }

    /// Ends the connection: `ssh` has [`Self::options`], and lacks the host. Where the user's own words name another
    /// socket, which comes before ours, there is none at ours: that connection is not ours to end.
    pub(super) fn end(&self, ssh: &mut Command, host: &str) {
        self.tell("exit", ssh, host);
    }

    /// Lets the connection end with what runs over it now.
    pub(super) fn release(&self, ssh: &mut Command, host: &str) {
        self.tell("stop", ssh, host);
    }

    fn tell(&self, word: &str, ssh: &mut Command, host: &str) {
        if !Path::new(&self.socket).exists() {
            return;
        }
        ssh.args(["-O", word, "--", host]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Err(error) = ssh.status() {
            log::debug!("the shared connection was not ended: {error}");
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.socket);
        if let Some(folder) = &self.folder {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// A name that nobody else has.
fn name() -> Option<String> {
    let random = u64::from_ne_bytes(platform::login::random::<8>().ok()?);
    Some(format!("mpmosh-ssh-{random:016x}"))
}

/// Whether a folder is this user's, and closed to others.
fn is_ours_alone(folder: &Path) -> bool {
    let user = rustix::process::geteuid().as_raw();
    fs::metadata(folder).is_ok_and(|about| about.is_dir() && about.uid() == user && about.mode() & 0o077 == 0)
}

/// The path, if ssh takes it as it stands.
fn plain(path: &Path) -> Option<String> {
    path.to_str().filter(|path| is_plain(path)).map(str::to_owned)
}

/// Whether ssh takes the path as it stands: short enough, without tokens, variables, blanks and quotes.
fn is_plain(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,".contains(c);
    path.len() <= LONGEST && path.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_place_is_the_users_alone_and_goes() {
        let shared = Shared::below(&std::env::temp_dir()).unwrap_or_else(|| panic!());
        let folder = shared.folder.clone().unwrap_or_else(|| panic!());
        assert!(is_ours_alone(&folder) && !is_ours_alone(&folder.join("none")));
        // Such a folder needs none inside it: what ssh takes away itself is all that there is.
        let inside = Shared::inside(&folder).unwrap_or_else(|| panic!());
        assert_eq!(Path::new(&inside.socket).parent(), Some(&*folder));
        assert!(inside.folder.is_none() && fs::read_dir(&folder).is_ok_and(|entries| entries.count() == 0));
        fs::write(&inside.socket, "").unwrap_or_else(|error| panic!("{error}"));
        drop(inside);
        assert!(fs::read_dir(&folder).is_ok_and(|entries| entries.count() == 0));
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap_or_else(|error| panic!("{error}"));
        assert!(!is_ours_alone(&folder));
        drop(shared);
        assert!(!folder.exists());
    }

    #[test]
    fn only_the_connection_at_our_own_socket_is_ended() {
        let shared = Shared::below(&std::env::temp_dir()).unwrap_or_else(|| panic!());
        let asked = shared.folder.as_ref().unwrap_or_else(|| panic!()).join("asked");
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
