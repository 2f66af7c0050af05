//! Sockets in the file system by which programs of the same user talk on one machine.
//!
//! Contract: [`Listener`] and [`connect`] trust nobody else. The folder is a real folder (no link), of this user, closed to
//! all others; the socket is this user's; and the other end is a process of this user, by the word of the kernel (or of
//! root's, whom nothing keeps out). Nothing here waits: a listener whose queue is full is [`io::ErrorKind::WouldBlock`].

mod desk;

pub use desk::{Answer, Desk, DeskTokens};

use crate::fd::{check, socket};
use libc::{sockaddr_un, socklen_t};
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::mem::{offset_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// What the names of sockets end in.
const SUFFIX: &str = "sock";

/// Where what is of this boot alone lies, whatever the environment says: Android has no such place but Termux's own.
pub const TEMPORARY: &str =
    if cfg!(target_os = "android") { "/data/data/com.termux/files/usr/tmp" } else { "/tmp" };

/// A socket that waits for this user's programs. Its name goes when it does.
#[derive(Debug)]
pub struct Listener {
    listener: UnixListener,
    path: PathBuf,
    /// Which file its name is of: another one may have taken its place.
    file: Option<(u64, u64)>,
}

/// Which file has this name, as the system tells files apart.
fn file_at(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|about| (about.dev(), about.ino()))
}

impl Listener {
    /// Listens in `folder`, which is made if need be, under the number of this process.
    ///
    /// # Errors
    /// The folder is not safe ([`io::ErrorKind::PermissionDenied`]); the path is too long for a socket
    /// ([`io::ErrorKind::InvalidInput`]); the system's.
    pub fn open(folder: &Path) -> io::Result<Self> {
        Self::open_as(folder, &std::process::id().to_string())
    }

    /// The same under a name, which is one of a file. Whoever listened there before is not found any more.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_as(folder: &Path, name: &str) -> io::Result<Self> {
        make_safe(folder)?;
        // Under another name until it listens: nobody may take it for the socket of a dead process.
        let made = folder.join(format!("{name}.new"));
        let path = folder.join(format!("{name}.{SUFFIX}"));
        let _ = fs::remove_file(&made);
        let listener = UnixListener::bind(&made)?;
        let ready = || {
            listener.set_nonblocking(true)?;
            fs::set_permissions(&made, Permissions::from_mode(0o600))?;
            fs::rename(&made, &path)
        };
        if let Err(error) = ready() {
            let _ = fs::remove_file(&made);
            return Err(error);
        }
        let file = file_at(&path);
        Ok(Self { listener, path, file })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next program that has connected, and whose it is; `None` when there is none. It does not block.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::PermissionDenied`] for a process of another user, which is turned away.
    pub fn accept(&self) -> io::Result<Option<(UnixStream, u32)>> {
        match self.listener.accept() {
            Ok((stream, _)) => {
                let peer = check_peer(&stream)?;
                stream.set_nonblocking(true)?;
                Ok(Some((stream, peer)))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.file.is_some() && file_at(&self.path) == self.file {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The sockets in `folder` that have a process's number for a name: their processes and their paths, by process. A folder
/// that is not there or not safe has none.
#[must_use]
pub fn list(folder: &Path) -> Vec<(u32, PathBuf)> {
    let mut found: Vec<(u32, PathBuf)> =
        list_names(folder).into_iter().filter_map(|(name, path)| Some((name.parse().ok()?, path))).collect();
    found.sort();
    found
}

/// The sockets in `folder`: their names and their paths, by name. A folder that is not there or not safe has none.
#[must_use]
pub fn list_names(folder: &Path) -> Vec<(String, PathBuf)> {
    if !is_safe(folder).unwrap_or(false) {
        return Vec::new();
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<(String, PathBuf)> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == SUFFIX))
        .filter_map(|path| Some((path.file_stem()?.to_str()?.to_owned(), path)))
        .collect();
    found.sort();
    found
}

/// Connects, without waiting. Reading and writing block, unless the caller says otherwise.
///
/// # Errors
/// [`io::ErrorKind::ConnectionRefused`]: nobody listens there any more. [`io::ErrorKind::PermissionDenied`]: the socket or
/// the process behind it is another user's. The system's.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    let about = fs::symlink_metadata(path)?;
    if !about.file_type().is_socket() || about.uid() != user() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let (address, length) = address(path)?;
    let stream = UnixStream::from(socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)?);
    // SAFETY: the address outlives the call, and `length` lies within it.
    check(unsafe { libc::connect(stream.as_raw_fd(), (&raw const address).cast(), length) })?;
    check_peer(&stream)?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Removes the socket of a process that has ended. Whoever else may listen there keeps it, and living processes are not
/// disturbed.
pub fn remove_stale(id: u32, path: &Path) {
    if is_alive(id) {
        return;
    }
    if let Err(error) = connect(path)
        && error.kind() == io::ErrorKind::ConnectionRefused
    {
        let _ = fs::remove_file(path);
    }
}

/// Whether there is such a process, of another user. Root is told so on Linux alone.
#[must_use]
pub fn is_of_another_user(id: u32) -> bool {
    // Not the owner of the folder: that is root for a process that may not be looked into.
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let effective = ids.and_then(|ids| ids.split_whitespace().nth(1)?.parse::<u32>().ok());
    effective.map_or_else(|| ask(id) == Some(libc::EPERM), |effective| effective != user())
}

/// Whether there is a process of this number.
#[must_use]
pub fn is_alive(id: u32) -> bool {
    matches!(ask(id), Some(0 | libc::EPERM))
}

/// What the system says of sending a signal to a process: 0, or the error's number; `None` where it is no process's id.
fn ask(id: u32) -> Option<i32> {
    let id = libc::pid_t::try_from(id).ok().filter(|id| *id > 0)?;
    // SAFETY: signal 0 only asks.
    match unsafe { libc::kill(id, 0) } {
        0 => Some(0),
        _ => io::Error::last_os_error().raw_os_error(),
    }
}

/// Whom this process acts for.
fn user() -> u32 {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::geteuid() }
}

fn address(path: &Path) -> io::Result<(sockaddr_un, socklen_t)> {
    let name = path.as_os_str().as_bytes();
    // SAFETY: integers only.
    let mut address: sockaddr_un = unsafe { zeroed() };
    if name.len() >= address.sun_path.len() || name.contains(&0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    address.sun_family = libc::AF_UNIX as _;
    for (to, from) in address.sun_path.iter_mut().zip(name) {
        *to = *from as libc::c_char;
    }
    let length = offset_of!(sockaddr_un, sun_path) + name.len() + 1;
    Ok((address, length as socklen_t))
}

/// Whether this process acts for root.
#[must_use]
pub fn is_root() -> bool {
    user() == 0
}

/// Whom this process acts for, as a number.
#[must_use]
pub fn user_id() -> u32 {
    user()
}

/// Makes the folder, or sees that it is safe; one of this user that is open to others is closed.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`]: it is another user's, or a link. The system's.
pub fn make_safe(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    if !is_safe(folder)? {
        fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Whether a folder is closed to other users.
fn is_safe(folder: &Path) -> io::Result<bool> {
    let about = fs::symlink_metadata(folder)?;
    if !about.is_dir() || about.uid() != user() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(about.mode() & 0o077 == 0)
}

/// Refuses the process of another user at the other end; tells whose it is.
fn check_peer(stream: &UnixStream) -> io::Result<u32> {
    let peer = peer_user(stream.as_fd())?;
    if peer == user() || peer == 0 { Ok(peer) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

/// Whose process is at the other end, as the kernel noted when they connected.
#[cfg(linux_kernel)]
fn peer_user(stream: BorrowedFd<'_>) -> io::Result<u32> {
    // SAFETY: integers only.
    let mut peer: libc::ucred = unsafe { zeroed() };
    let mut length = size_of::<libc::ucred>() as socklen_t;
    // SAFETY: the pointers describe `peer` and `length`, which outlive the call.
    check(unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        )
    })?;
    Ok(peer.uid)
}

/// As on Linux.
#[cfg(not(linux_kernel))]
fn peer_user(stream: BorrowedFd<'_>) -> io::Result<u32> {
    let (mut user, mut group): (libc::uid_t, libc::gid_t) = (0, 0);
    // SAFETY: both pointers are to integers that outlive the call.
    check(unsafe { libc::getpeereid(stream.as_raw_fd(), &raw mut user, &raw mut group) })?;
    Ok(user)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::fs::symlink;

    /// A folder of the test's own, removed when it ends.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("mpmosh-control-{}-{name}", std::process::id()));
            DirBuilder::new().mode(0o700).create(&path).unwrap();
            Self(path)
        }

        fn join(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn programs_of_the_same_user_meet_in_a_folder_closed_to_others() {
        let base = Folder::new("meet");
        let folder = base.join("sockets");
        let listener = Listener::open(&folder).unwrap();
        assert_eq!((mode(&folder), mode(listener.path())), (0o700, 0o600));
        assert!(listener.accept().unwrap().is_none());
        let sockets = list(&folder);
        assert_eq!(sockets, [(std::process::id(), listener.path().to_owned())]);
        let mut here = connect(&sockets[0].1).unwrap();
        let (mut there, asker) = listener.accept().unwrap().unwrap();
        assert_eq!(asker, user());
        here.write_all(b"hello").unwrap();
        drop(here);
        let mut heard = String::new();
        there.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "hello");
        let path = listener.path().to_owned();
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn a_listener_takes_its_own_name_along_and_no_other_s() {
        let base = Folder::new("again");
        let first = Listener::open_as(&base.0, "name").unwrap();
        fs::remove_file(first.path()).unwrap();
        let second = Listener::open_as(&base.0, "name").unwrap();
        drop(first);
        assert!(connect(second.path()).is_ok());
        let path = second.path().to_owned();
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn a_link_in_place_of_the_folder_or_the_socket_is_refused() {
        let base = Folder::new("links");
        let listener = Listener::open(&base.join("real")).unwrap();
        symlink(base.join("real"), base.join("link")).unwrap();
        let denied = |result: io::Result<()>| result.unwrap_err().kind() == io::ErrorKind::PermissionDenied;
        assert!(denied(Listener::open(&base.join("link")).map(drop)));
        assert!(list(&base.join("link")).is_empty());
        symlink(listener.path(), base.join("1.sock")).unwrap();
        assert!(denied(connect(&base.join("1.sock")).map(drop)));
        fs::write(base.join("2.sock"), "").unwrap();
        assert!(denied(connect(&base.join("2.sock")).map(drop)));
        fs::write(base.join("file"), "").unwrap();
        assert!(denied(Listener::open(&base.join("file")).map(drop)));
    }

    #[test]
    fn a_folder_that_was_open_to_others_is_closed_and_not_listed_before() {
        let base = Folder::new("open");
        fs::set_permissions(&base.0, Permissions::from_mode(0o755)).unwrap();
        fs::write(base.join("7.sock"), "").unwrap();
        assert!(list(&base.0).is_empty());
        let _listener = Listener::open(&base.0).unwrap();
        assert_eq!(mode(&base.0), 0o700);
    }

    #[test]
    fn the_socket_of_the_dead_is_removed_and_that_of_the_living_is_not() {
        let base = Folder::new("stale");
        let stale = base.join("999999999.sock");
        drop(UnixListener::bind(&stale).unwrap());
        assert_eq!(connect(&stale).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        remove_stale(std::process::id(), &stale);
        assert!(stale.exists(), "the process is alive");
        remove_stale(999_999_999, &stale);
        assert!(!stale.exists());
        let listener = Listener::open(&base.0).unwrap();
        remove_stale(999_999_999, listener.path());
        assert!(listener.path().exists(), "somebody listens");
    }

    #[test]
    fn this_process_is_nobody_else_s_and_one_that_is_not_there_is_nobody_s() {
        assert!(is_alive(std::process::id()) && !is_of_another_user(std::process::id()));
        for nobody in [0, 999_999_999, u32::MAX] {
            assert!(!is_alive(nobody) && !is_of_another_user(nobody), "{nobody}");
        }
        // The first process is root's.
        assert_eq!(is_of_another_user(1), user() != 0);
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_an_error() {
        let base = Folder::new("long");
        let folder = base.join(&"x".repeat(120));
        assert_eq!(Listener::open(&folder).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(address(&folder).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_full_queue_is_not_waited_for() {
        let base = Folder::new("full");
        let listener = Listener::open(&base.0).unwrap();
        // SAFETY: no pointers.
        check(unsafe { libc::listen(listener.as_fd().as_raw_fd(), 3) }).unwrap();
        let mut waiting = Vec::new();
        let refusal = loop {
            match connect(listener.path()) {
                Ok(stream) => waiting.push(stream),
                Err(error) => break error,
            }
            assert!(waiting.len() < 100, "the queue has no end");
        };
        assert!(matches!(refusal.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused));
    }
}
