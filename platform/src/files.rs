//! Files that are written because somebody named them: logs, traces.
//!
//! Contract: what is opened belongs to this process's user, or is made for them. A link on the way is followed only if this
//! user or root owns it: in a folder that others may write to, as `/tmp`, anybody can lay one where a name is expected. What
//! is no regular file (a FIFO, a terminal, `/dev/null`) may be root's too. Descriptors that were handed over, by the names
//! that the system has for them (`/dev/stdout`, `/dev/fd/N`, and so a shell's `>(…)`), are taken as they are.

use crate::fd::{check, check_len, own};
use libc::{c_int, stat};
use std::collections::VecDeque;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path};

/// More links than this are a circle, as for the kernel.
const MOST_LINKS: usize = 40;
/// The longest target of a link that is read.
const LONGEST: usize = 4096;

/// What is asked of a folder on the way: that names are looked up in it, and no more where the system can say so.
#[cfg(linux_kernel)]
const SEARCHED: c_int = libc::O_PATH;
#[cfg(not(linux_kernel))]
const SEARCHED: c_int = libc::O_RDONLY;

/// How a file is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Each write goes to its end.
    Append,
    /// Something else is written into it: what it holds may be looked at first, and is not cut by opening it.
    Replace,
}

/// Opens a file for writing, which is made if it is not there, for its owner alone. Nothing about it makes anybody wait: a
/// FIFO that nobody reads is an error at once.
///
/// # Errors
/// The system's; and a sentence's end where the file, or a link to it, belongs to somebody else.
pub fn open_own(path: &Path, purpose: Purpose) -> io::Result<File> {
    let mut folder = folder_at(None, OsStr::new("."))?;
    let mut names = VecDeque::new();
    let mut links = 0;
    lay(path, &mut folder, &mut names)?;
    while let Some(name) = names.pop_front() {
        let is_last = names.is_empty();
        if is_kernels(&folder) {
            // Its links are no files, and lead where this process has been already.
            if is_last {
                return open_at(&folder, &name, purpose, true);
            }
            folder = folder_at(Some((&folder, true)), &name)?;
            continue;
        }
        match about(&folder, &name, false) {
            Ok(about) if kind(&about) == libc::S_IFLNK => {
                links += 1;
                if links > MOST_LINKS {
                    return Err(io::Error::from_raw_os_error(libc::ELOOP));
                }
                if !is_ours(&about) && about.st_uid != 0 {
                    let link = format!("the link “{}” that leads to it", Path::new(&name).display());
                    return Err(refusal(&link, &about));
                }
                lay(Path::new(&target(&folder, &name)?), &mut folder, &mut names)?;
            }
            Ok(_) | Err(_) if is_last => return open_at(&folder, &name, purpose, false),
            Ok(_) => folder = folder_at(Some((&folder, false)), &name)?,
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::from_raw_os_error(libc::EISDIR))
}

/// The names of this path come before those that are left.
fn lay(path: &Path, folder: &mut OwnedFd, names: &mut VecDeque<OsString>) -> io::Result<()> {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => names.push_front(name.to_owned()),
            Component::ParentDir => names.push_front("..".into()),
            Component::CurDir | Component::Prefix(_) => {}
            Component::RootDir => *folder = folder_at(None, OsStr::new("/"))?,
        }
    }
    Ok(())
}

/// Opens the folder of that name in another one, or by itself. Whether links are followed stands with the other one.
fn folder_at(within: Option<(&OwnedFd, bool)>, name: &OsStr) -> io::Result<OwnedFd> {
    let (within, follow) =
        within.map_or((libc::AT_FDCWD, true), |(folder, follow)| (folder.as_raw_fd(), follow));
    let name = c_name(name)?;
    let flags = SEARCHED | libc::O_DIRECTORY | libc::O_CLOEXEC | if follow { 0 } else { libc::O_NOFOLLOW };
    // SAFETY: the name ends in NUL and outlives the call; a non-negative answer is a new descriptor that is ours alone.
    unsafe { Ok(own(check(libc::openat(within, name.as_ptr(), flags))?)) }
}

/// Opens what the path leads to.
fn open_at(folder: &OwnedFd, name: &OsStr, purpose: Purpose, is_handed_over: bool) -> io::Result<File> {
    let is_regular = about(folder, name, is_handed_over).map_or(true, |about| kind(&about) == libc::S_IFREG);
    let how = match purpose {
        Purpose::Append => libc::O_WRONLY | libc::O_APPEND,
        // For both a FIFO would be its own reader.
        Purpose::Replace if is_regular => libc::O_RDWR,
        Purpose::Replace => libc::O_WRONLY,
    };
    let follow = if is_handed_over { 0 } else { libc::O_NOFOLLOW | libc::O_CREAT };
    let flags = how | follow | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    let (c_name, mode): (_, libc::c_uint) = (c_name(name)?, 0o600);
    // SAFETY: the name ends in NUL and outlives the call; a non-negative answer is a new descriptor that is ours alone.
    let file = unsafe { own(check(libc::openat(folder.as_raw_fd(), c_name.as_ptr(), flags, mode))?) };
    // SAFETY: integers, filled by the call.
    let about = unsafe {
        let mut about: stat = zeroed();
        check(libc::fstat(file.as_raw_fd(), &raw mut about))?;
        about
    };
    let is_regular = kind(&about) == libc::S_IFREG;
    if !is_handed_over && !is_ours(&about) && (is_regular || about.st_uid != 0) {
        return Err(refusal("it", &about));
    }
    if !is_handed_over && is_regular && about.st_nlink > 1 {
        return Err(io::Error::other("it has another name elsewhere (a hard link)"));
    }
    Ok(File::from(file))
}

/// What there is of that name.
fn about(folder: &OwnedFd, name: &OsStr, follow: bool) -> io::Result<stat> {
    let name = c_name(name)?;
    let flags = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
    // SAFETY: the name ends in NUL; the struct is of integers, and filled by the call.
    unsafe {
        let mut about: stat = zeroed();
        check(libc::fstatat(folder.as_raw_fd(), name.as_ptr(), &raw mut about, flags))?;
        Ok(about)
    }
}

/// Where the link of that name leads.
fn target(folder: &OwnedFd, name: &OsStr) -> io::Result<OsString> {
    let name = c_name(name)?;
    let mut target = vec![0_u8; LONGEST];
    // SAFETY: the name ends in NUL; the pointer and the length are the buffer's.
    let length = check_len(unsafe {
        libc::readlinkat(folder.as_raw_fd(), name.as_ptr(), target.as_mut_ptr().cast(), target.len())
    })?;
    target.truncate(length);
    Ok(OsString::from_vec(target))
}

/// Whether the links in a folder are the kernel's own, which name what a process has open.
#[cfg(linux_kernel)]
fn is_kernels(folder: &OwnedFd) -> bool {
    // SAFETY: the struct is of integers, and filled by the call.
    unsafe {
        let mut system: libc::statfs = zeroed();
        libc::fstatfs(folder.as_raw_fd(), &raw mut system) == 0 && u64::try_from(system.f_type) == Ok(0x9fa0)
    }
}

/// Elsewhere the names of descriptors are no links.
#[cfg(not(linux_kernel))]
fn is_kernels(_folder: &OwnedFd) -> bool {
    false
}

fn kind(about: &stat) -> libc::mode_t {
    about.st_mode & libc::S_IFMT
}

fn is_ours(about: &stat) -> bool {
    // SAFETY: takes nothing and cannot fail.
    about.st_uid == unsafe { libc::geteuid() }
}

fn refusal(what: &str, about: &stat) -> io::Error {
    io::Error::other(format!("{what} belongs to somebody else (the user of number {})", about.st_uid))
}

fn c_name(name: &OsStr) -> io::Result<CString> {
    CString::new(name.as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::{Read, Write};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
    use std::path::PathBuf;

    /// Somebody who is neither root nor this user.
    const STRANGER: u32 = 65_533;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("mpmosh-files-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// Whether files can be given away here; elsewhere that half of a test has nothing to look at.
    fn is_root() -> bool {
        // SAFETY: takes nothing and cannot fail.
        unsafe { libc::geteuid() == 0 }
    }

    #[test]
    fn a_file_is_made_for_its_owner_and_written_again_by_links_of_theirs() {
        let folder = Folder::new("own");
        let path = folder.0.join("log");
        open_own(&path, Purpose::Append).unwrap().write_all(b"one\n").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        symlink("log", folder.0.join("relative")).unwrap();
        symlink(&path, folder.0.join("absolute")).unwrap();
        symlink(&folder.0, folder.0.join("here")).unwrap();
        for name in ["relative", "absolute", "here/log", "here/../".to_owned().as_str()] {
            if name.ends_with('/') {
                assert!(open_own(&folder.0.join(name), Purpose::Append).is_err(), "a folder");
                continue;
            }
            open_own(&folder.0.join(name), Purpose::Append).unwrap().write_all(b"more\n").unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\nmore\nmore\nmore\n");
        symlink("made", folder.0.join("dangling")).unwrap();
        drop(open_own(&folder.0.join("dangling"), Purpose::Replace).unwrap());
        assert_eq!(fs::read_to_string(folder.0.join("made")).unwrap(), "");
        symlink("round", folder.0.join("round")).unwrap();
        assert_eq!(
            open_own(&folder.0.join("round"), Purpose::Append).unwrap_err().raw_os_error(),
            Some(libc::ELOOP)
        );
        fs::hard_link(&path, folder.0.join("second")).unwrap();
        let refused = open_own(&path, Purpose::Append).unwrap_err().to_string();
        assert!(refused.contains("a hard link"), "{refused}");
    }

    #[test]
    fn what_belongs_to_somebody_else_is_refused_and_no_link_of_theirs_is_followed() {
        if !is_root() {
            // What root owns is somebody else's here.
            let refused = open_own(Path::new("/etc/passwd"), Purpose::Append).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
            return;
        }
        let folder = Folder::new("strangers");
        let precious = folder.0.join("precious");
        fs::write(&precious, "precious").unwrap();
        symlink(&precious, folder.0.join("laid")).unwrap();
        lchown(folder.0.join("laid"), Some(STRANGER), None).unwrap();
        symlink(&folder.0, folder.0.join("folder")).unwrap();
        lchown(folder.0.join("folder"), Some(STRANGER), None).unwrap();
        symlink("nothing-yet", folder.0.join("new")).unwrap();
        lchown(folder.0.join("new"), Some(STRANGER), None).unwrap();
        for name in ["laid", "folder/other", "new"] {
            for purpose in [Purpose::Append, Purpose::Replace] {
                let refused = open_own(&folder.0.join(name), purpose).unwrap_err().to_string();
                assert!(refused.contains("the link") && refused.contains("65533"), "{refused}");
            }
        }
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
        assert!(!folder.0.join("nothing-yet").exists() && !folder.0.join("other").exists());
        let theirs = folder.0.join("theirs");
        fs::write(&theirs, "").unwrap();
        chown(&theirs, Some(STRANGER), None).unwrap();
        let refused = open_own(&theirs, Purpose::Append).unwrap_err().to_string();
        assert!(refused.starts_with("it belongs to somebody else"), "{refused}");
        assert_eq!(fs::metadata(&theirs).unwrap().uid(), STRANGER);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn descriptors_fifos_and_devices_are_written_by_their_names() {
        let (mut reader, writer) = io::pipe().unwrap();
        for folder in ["/dev/fd", "/proc/self/fd"] {
            let path = format!("{folder}/{}", writer.as_raw_fd());
            for purpose in [Purpose::Append, Purpose::Replace] {
                open_own(Path::new(&path), purpose).unwrap().write_all(b"x").unwrap();
            }
        }
        drop(writer);
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        assert_eq!(read, "xxxx");
        open_own(Path::new("/dev/null"), Purpose::Append).unwrap().write_all(b"x").unwrap();
        let folder = Folder::new("fifo");
        let fifo = folder.0.join("fifo");
        let c_name = c_name(fifo.as_os_str()).unwrap();
        // SAFETY: the name ends in NUL and outlives the call.
        check(unsafe { libc::mkfifo(c_name.as_ptr(), 0o600) }).unwrap();
        for purpose in [Purpose::Append, Purpose::Replace] {
            assert_eq!(
                open_own(&fifo, purpose).unwrap_err().raw_os_error(),
                Some(libc::ENXIO),
                "nobody reads"
            );
        }
        let reader = fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
        open_own(&fifo, Purpose::Replace).unwrap().write_all(b"x").unwrap();
        drop(reader);
    }
}
