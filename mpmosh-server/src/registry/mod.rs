//! This user's sessions on this host: where their control sockets are, and by which names they are found.
//!
//! Contract: the place follows from the user's number alone, never from the environment, which differs between a login shell
//! and a command that ssh runs. A socket is called `ID.sock`, or `ID=NAME.sock` for a session with a name, and beside it
//! `ID.pid` tells the session's process and the boot that it belongs to. What the dead left is removed by whoever looks;
//! what is another user's is not touched. Only [`VARIABLE`], which tests set, leads elsewhere.

pub mod protocol;

use platform::clock::boot_id;
use platform::control::{self, Listener};
use platform::login;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The variable that names another folder: for tests, since whoever logs in without it sees none of its sessions.
pub const VARIABLE: &str = "MPMOSH_REGISTRY";

/// The longest name of a session.
const LONGEST_NAME: usize = 32;
/// Characters of an id.
const ID: usize = 6;
/// What may stand in an id; the first is a letter, so that none is a process's number.
const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// How long another process is waited for that changes the registry.
const PATIENCE: Duration = Duration::from_secs(2);

/// This user's sessions on this host.
#[derive(Clone, Debug)]
pub struct Registry {
    folder: PathBuf,
}

/// A session, as its socket's name tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Its socket.
    pub path: PathBuf,
}

/// Keeps others from changing the registry until it is dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock goes with the file")] Option<File>);

/// A session's place in the registry, which goes with it.
#[derive(Debug)]
pub struct Place {
    registry: Registry,
    /// The session's id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
}

impl Registry {
    /// This user's.
    #[must_use]
    pub fn of_user() -> Self {
        let named = std::env::var_os(VARIABLE).map(PathBuf::from).filter(|folder| folder.is_absolute());
        let folder = || Path::new(control::TEMPORARY).join(format!("mpmosh-{}", control::user_id()));
        Self { folder: named.unwrap_or_else(folder) }
    }

    /// The one in this folder.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether what is there is this user's folder; where nothing is there, nothing is wrong.
    ///
    /// # Errors
    /// A sentence.
    pub fn check(&self) -> Result<(), String> {
        let folder: String = self.folder.to_string_lossy().chars().filter(|c| !c.is_control()).collect();
        match fs::symlink_metadata(&self.folder) {
            Ok(about) if !about.is_dir() => {
                Err(format!("{folder} is no folder, so that no session can be found there"))
            }
            Ok(about) if about.uid() != control::user_id() => Err(format!(
                "{folder} belongs to user {}, so that no session can be found there",
                about.uid()
            )),
            _ => Ok(()),
        }
    }

    /// Makes the registry this process's to change. Whoever holds it for longer than a moment is stopped, and not waited for.
    ///
    /// # Errors
    /// The folder is another user's, or cannot be written.
    pub fn lock(&self) -> io::Result<Lock> {
        control::make_safe(&self.folder)?;
        let path = self.folder.join("lock");
        let flags = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
        let file = OpenOptions::new().write(true).create(true).mode(0o600).custom_flags(flags).open(path)?;
        // A file system without locks is one without simultaneous sessions of one name, in all likelihood.
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let _ = flock(&file, FlockOperation::LockExclusive);
            let _ = tell.send(file);
        });
        Ok(Lock(told.recv_timeout(PATIENCE).ok()))
    }

    /// The sessions that are there, by id. What dead ones left is removed.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let all = control::list_names(&self.folder);
        let entries = all.into_iter().filter_map(|(stem, path)| Entry::parse(&stem, path));
        let boot = boot_id();
        entries.filter(|entry| !self.remove_stale(entry, &boot)).collect()
    }

    /// Removes what a session that is no more has left; whether there was something to remove. `boot`: the machine's, now.
    fn remove_stale(&self, entry: &Entry, boot: &str) -> bool {
        let about = self.about(&entry.id);
        let process = fs::read_to_string(&about).unwrap_or_default();
        let is_alive = process
            .trim()
            .split_once(' ')
            .is_some_and(|(process, of)| of == boot && process.parse().is_ok_and(control::is_alive));
        let refused =
            || control::connect(&entry.path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
        let is_stale = !is_alive && refused();
        if is_stale {
            let _ = fs::remove_file(&entry.path);
            let _ = fs::remove_file(about);
        }
        is_stale
    }

    fn about(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.pid"))
    }

    /// A place for a new session, whose socket is to be opened next.
    #[must_use]
    pub fn place(&self, id: String, name: Option<String>) -> Place {
        Place { registry: self.clone(), id, name }
    }
}

impl Place {
    /// Listens at the session's socket: for the first time, or because a cleaner of the folder took it.
    ///
    /// # Errors
    /// As [`Listener::open_as`].
    pub fn listen(&self) -> io::Result<Listener> {
        let stem = match &self.name {
            Some(name) => format!("{}={name}", self.id),
            None => self.id.clone(),
        };
        Listener::open_as(&self.registry.folder, &stem)
    }

    /// Tells whose process the session is: this one.
    ///
    /// # Errors
    /// The system's.
    pub fn sign(&self) -> io::Result<()> {
        let about = self.registry.about(&self.id);
        let made = about.with_extension("pid.new");
        let _ = fs::remove_file(&made);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&made)?;
        let line = format!("{} {}\n", std::process::id(), boot_id());
        let written =
            io::Write::write_all(&mut file, line.as_bytes()).and_then(|()| fs::rename(&made, about));
        // A full disk holds the name and nothing of what it is for.
        written.inspect_err(|_| drop(fs::remove_file(made)))
    }

    /// The file that tells whose process the session is.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.registry.about(&self.id)
    }

    /// Takes back what [`Self::sign`] told. The socket goes with its listener.
    pub fn leave(&self) {
        let _ = fs::remove_file(self.registry.about(&self.id));
    }
}

impl Entry {
    fn parse(stem: &str, path: PathBuf) -> Option<Self> {
        let (id, name) = match stem.split_once('=') {
            Some((id, name)) => (id, Some(name)),
            None => (stem, None),
        };
        let fits = is_id(id) && name.is_none_or(is_name);
        fits.then(|| Self { id: id.into(), name: name.map(Into::into), path })
    }

    /// Whether it is meant by this word.
    #[must_use]
    pub fn is_called(&self, word: &str) -> bool {
        self.id == word || self.name.as_deref() == Some(word)
    }
}

/// Whether a word may be a session's name: letters, digits, `.`, `_` and `-`, at most 32 of them.
#[must_use]
pub fn is_name(word: &str) -> bool {
    let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    (1..=LONGEST_NAME).contains(&word.len()) && word.bytes().all(fits) && !word.starts_with(['-', '.'])
}

fn is_id(word: &str) -> bool {
    word.len() == ID
        && word.bytes().all(|octet| ALPHABET.contains(&octet))
        && word.starts_with(|c: char| c.is_ascii_lowercase())
}

/// An id that no session of this user has, as far as chance goes.
///
/// # Errors
/// The system has no randomness.
pub fn new_id() -> io::Result<String> {
    let octets = login::random::<ID>()?;
    let pick = |(index, octet): (usize, u8)| {
        let choice = if index == 0 { 26 } else { ALPHABET.len() };
        char::from(ALPHABET[usize::from(octet) % choice])
    };
    Ok(octets.into_iter().enumerate().map(pick).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    /// A registry of the test's own, removed when it ends.
    struct Own(Registry);

    impl Own {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("mpmosh-registry-{}-{name}", std::process::id()));
            Self(Registry { folder })
        }
    }

    impl Drop for Own {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0.folder);
        }
    }

    fn ids(registry: &Registry) -> Vec<String> {
        registry.entries().into_iter().map(|entry| entry.id).collect()
    }

    #[test]
    fn a_session_is_found_by_its_id_and_its_name_until_it_ends() {
        let own = Own::new("found");
        let place = own.0.place("abc123".into(), Some("work".into()));
        let listener = place.listen().unwrap();
        place.sign().unwrap();
        let [entry] = &own.0.entries()[..] else { panic!("{:?}", own.0.entries()) };
        assert!(entry.is_called("abc123") && entry.is_called("work") && !entry.is_called("abc"));
        assert_eq!(fs::metadata(own.0.folder()).unwrap().permissions().mode() & 0o777, 0o700);
        drop(listener);
        place.leave();
        assert!(own.0.entries().is_empty());
        let left: Vec<_> = fs::read_dir(own.0.folder()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn what_the_dead_left_is_removed_and_what_lives_is_not() {
        let own = Own::new("stale");
        control::make_safe(own.0.folder()).unwrap();
        for (id, process) in [("dead01", "999999999"), ("aaaaaa", "1"), ("bbbbbb", "nonsense")] {
            drop(UnixListener::bind(own.0.folder().join(format!("{id}.sock"))).unwrap());
            // The first process lives, and is of another boot.
            fs::write(own.0.about(id), format!("{process} another-boot\n")).unwrap();
        }
        // One whose process lives, and does not let anyone in now.
        drop(UnixListener::bind(own.0.folder().join("living.sock")).unwrap());
        own.0.place("living".into(), None).sign().unwrap();
        let listener = own.0.place("newone".into(), None).listen().unwrap();
        assert_eq!(ids(&own.0), ["living", "newone"]);
        assert!(!own.0.about("dead01").exists());
        drop(listener);
    }

    #[test]
    fn what_is_no_session_or_no_folder_of_ours_is_passed_over() {
        let own = Own::new("foreign");
        control::make_safe(own.0.folder()).unwrap();
        for name in ["4711.sock", "abc123=a b.sock", "abc123=.sock", "ABC123.sock", "1bc123.sock", "lock"] {
            fs::write(own.0.folder().join(name), "").unwrap();
        }
        symlink("/dev/null", own.0.folder().join("abcdef.sock")).unwrap();
        assert_eq!(ids(&own.0), ["abcdef"], "it is asked, and what is no socket does not answer");
        let link = Own::new("link");
        symlink(own.0.folder(), link.0.folder()).unwrap();
        assert!(link.0.entries().is_empty() && link.0.check().is_err_and(|why| why.contains("is no folder")));
        assert_eq!((own.0.check(), Own::new("absent").0.check()), (Ok(()), Ok(())));
        assert_eq!(link.0.lock().unwrap_err().kind(), ErrorKind::PermissionDenied);
        fs::remove_file(link.0.folder()).unwrap();
    }

    #[test]
    fn names_are_words_and_ids_are_no_numbers() {
        for name in ["work", "a", "A.b_c-1", &"x".repeat(32)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "-x", ".x", "a b", "a/b", "é", "a\u{1b}", "a=b", &"x".repeat(33)] {
            assert!(!is_name(name), "{name}");
        }
        for _ in 0..100 {
            let id = new_id().unwrap();
            assert!(is_id(&id) && id.parse::<u64>().is_err() && is_name(&id), "{id}");
        }
    }

    #[test]
    fn one_process_at_a_time_changes_the_registry() {
        let own = Own::new("lock");
        let lock = own.0.lock().unwrap();
        let file = File::open(own.0.folder().join("lock")).unwrap();
        assert!(flock(&file, FlockOperation::NonBlockingLockExclusive).is_err());
        drop(lock);
        assert!(flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok());
    }
}
