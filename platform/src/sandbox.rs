//! Giving up files, programs and connections for a session, by Landlock (Linux). What OpenBSD has is in [`confine`](crate::confine).
//!
//! Contract: for good, for this process as it is now, whose threads are all bound only if there is one: so before any other is
//! started. What is open stays usable. As much is given up as the kernel knows to give up; datagrams, signals and stopping the
//! process group are never touched. Not on Android, whose own filter kills a process that asks for this; never in a server,
//! whose programs would inherit it.
//!
//! | given up | from kernel |
//! |---|---|
//! | all files but those that `READ` and [`Kept`] name, and writing | 5.13 |
//! | starting programs | 5.13 |
//! | TCP, but asking a name service | 6.7 |
//! | abstract sockets of others | 6.12 |

use std::path::Path;

/// What is read when a name is asked for, a terminal looked up, or the network looked at: by this process, or by libraries
/// that the system loads for it. Folders, with all that is in them. What is missing is passed over.
#[cfg(target_os = "linux")]
const READ: [&str; 13] = [
    "/etc",
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix/store",
    "/gnu/store",
    "/run",
    "/var/run",
    "/sys",
    "/proc",
    "/var/lib/sss",
    "/opt",
];

/// The port of name services, which are asked by TCP when an answer is long.
#[cfg(target_os = "linux")]
const NAMES: u16 = 53;

/// What a session keeps besides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept<'a> {
    /// Files that may be opened again for writing.
    pub files: &'a [&'a Path],
    /// Files and folders that may be read.
    pub read: &'a [&'a Path],
    /// Folders in which sockets may be made and removed.
    pub sockets: &'a [&'a Path],
}

/// Gives up all but that. Tells in a few words what has come of it.
///
/// # Errors
/// Why nothing was given up, in a few words.
pub fn enter(kept: Kept<'_>) -> Result<String, String> {
    system::enter(kept)
}

/// What this system could give up, in a few words; `Err`: why nothing.
///
/// # Errors
/// There is no such means here.
pub fn means() -> Result<String, String> {
    system::means()
}

#[cfg(target_os = "linux")]
mod system {
    use super::{Kept, NAMES, READ};
    use landlock::{
        ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, PathFd,
        Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
    };
    use std::path::Path;

    /// What is known here of what kernels can do.
    const KNOWN: ABI = ABI::V6;

    pub(super) fn enter(kept: Kept<'_>) -> Result<String, String> {
        // Others would be free, and share all memory.
        let others = threads().into_iter().skip(1).collect::<Vec<_>>();
        if !others.is_empty() {
            return Err(format!("other threads run already ({})", others.join(", ")));
        }
        match try_to_enter(kept) {
            Ok(RulesetStatus::NotEnforced) => {
                Err("this kernel has no Landlock, or it is switched off".into())
            }
            Ok(_) => means(),
            Err(error) => Err(error.to_string()),
        }
    }

    /// What this process's threads are called.
    fn threads() -> Vec<String> {
        let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
        tasks.map(|task| name(task).unwrap_or_default().trim().to_owned()).collect()
    }

    fn try_to_enter(kept: Kept<'_>) -> Result<RulesetStatus, RulesetError> {
        let (files, read) = (AccessFs::from_all(KNOWN), AccessFs::ReadFile | AccessFs::ReadDir);
        let mut rules = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(files)?
            .handle_access(AccessNet::from_all(KNOWN))?
            .scope(Scope::AbstractUnixSocket)?
            .create()?
            .add_rule(NetPort::new(NAMES, AccessNet::ConnectTcp))?;
        let devices = read | AccessFs::WriteFile | AccessFs::IoctlDev;
        let sockets = read | AccessFs::WriteFile | AccessFs::MakeSock | AccessFs::RemoveFile;
        let again = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
        let wishes = READ.iter().map(|path| (Path::new(*path), read));
        let wishes = wishes.chain(kept.read.iter().map(|path| (*path, read)));
        let wishes = wishes.chain([(Path::new("/dev"), devices)]);
        let wishes = wishes.chain(kept.sockets.iter().map(|path| (*path, sockets)));
        let wishes = wishes.chain(kept.files.iter().map(|path| (*path, again)));
        for (path, access) in wishes {
            // What is not there needs no rule, and what is no file at all (a pipe) can have none.
            if let Some(rule) = rule(path, access) {
                rules = rules.add_rule(rule)?;
            }
        }
        Ok(rules.restrict_self()?.ruleset)
    }

    fn rule(path: &Path, access: BitFlags<AccessFs>) -> Option<PathBeneath<PathFd>> {
        let about = std::fs::metadata(path).ok()?;
        let access = if about.is_dir() { access } else { access & AccessFs::from_file(KNOWN) };
        Some(PathBeneath::new(PathFd::new(path).ok()?, access)).filter(|_| about.is_dir() || about.is_file())
    }

    pub(super) fn means() -> Result<String, String> {
        // SAFETY: with this flag the call takes no pointer, and makes nothing: it tells the version.
        let version = unsafe {
            libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, 1_u32)
        };
        match version {
            ..1 => Err("this kernel has no Landlock, or it is switched off".into()),
            1..4 => Ok(format!("Landlock {version}: files and programs")),
            4..6 => Ok(format!("Landlock {version}: files, programs and TCP")),
            _ => Ok(format!("Landlock {version}: files, programs, TCP and abstract sockets")),
        }
    }
}

#[cfg(target_os = "openbsd")]
mod system {
    use super::Kept;

    /// Later, by [`confine`](crate::confine): threads do not matter there.
    pub(super) fn enter(_kept: Kept<'_>) -> Result<String, String> {
        means()
    }

    pub(super) fn means() -> Result<String, String> {
        Ok("pledge and unveil: files, programs and TCP".into())
    }
}

#[cfg(not(any(target_os = "linux", target_os = "openbsd")))]
mod system {
    use super::Kept;

    pub(super) fn enter(_kept: Kept<'_>) -> Result<String, String> {
        means()
    }

    pub(super) fn means() -> Result<String, String> {
        Err("this system has no means for it".into())
    }
}
