//! What a server does around a session: who the user is, the login shell, the message of the day, the locale,
//! leaving the terminal it was started from, the record of who is logged in, and random octets.

mod records;

pub use records::record_login;

use crate::fd::{check, own};
use crate::signals::{self, Signal};
use std::ffi::{CStr, OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

/// Octets from the system's random source.
///
/// # Errors
/// The system's, when it has no such source.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets).map_err(io::Error::from)?;
    Ok(octets)
}

/// The user this process runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name in the system's list; the number when it has none.
    pub name: OsString,
    /// The number.
    pub uid: u32,
    /// The home folder: `$HOME`, else the list's.
    pub home: PathBuf,
    /// The login shell: `$SHELL`, else the list's, else `/bin/sh` (Android: `/system/bin/sh`).
    pub shell: PathBuf,
}

impl User {
    /// The user this process runs as. Never fails: what the system does not tell has a plain stand-in.
    #[must_use]
    pub fn current() -> Self {
        // SAFETY: takes nothing, cannot fail.
        let uid = unsafe { libc::getuid() };
        let entry = passwd(uid);
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let (name, home, shell) = entry.unwrap_or_default();
        let or = |value: OsString, default: &str| if value.is_empty() { default.into() } else { value };
        Self {
            name: or(name, &uid.to_string()),
            uid,
            home: set("HOME").unwrap_or_else(|| or(home, "/")).into(),
            shell: set("SHELL").unwrap_or_else(|| or(shell, default_shell())).into(),
        }
    }

    /// The command that starts the login shell: its name begins with `-`, and it starts at home, or at `/` when home is
    /// not there.
    #[must_use]
    pub fn login_shell(&self) -> Command {
        let mut command = Command::new(&self.shell);
        let mut name = OsString::from("-");
        name.push(self.shell.file_name().unwrap_or(OsStr::new("sh")));
        command.arg0(name).current_dir(self.start_folder());
        command
    }

    /// Home, or `/` when home is not there.
    #[must_use]
    pub fn start_folder(&self) -> &Path {
        if self.home.is_dir() { &self.home } else { Path::new("/") }
    }

    /// The message of the day for a terminal (lines end in CR LF); empty when the user wants none (`.hushlogin`).
    #[must_use]
    pub fn message_of_the_day(&self) -> Vec<u8> {
        if self.home.join(".hushlogin").exists() {
            return Vec::new();
        }
        let dynamic = ["/run/motd.dynamic", "/var/run/motd.dynamic"].into_iter().find_map(short_text);
        let fixed = short_text(system_file("/etc/motd"));
        let mut text = Vec::new();
        for octet in dynamic.into_iter().chain(fixed).flatten() {
            if octet == b'\n' && text.last() != Some(&b'\r') {
                text.push(b'\r');
            }
            text.push(octet);
        }
        text
    }
}

/// The home folder in the system's list of users, in which ssh looks for its files; `None` where the list has none.
#[must_use]
pub fn listed_home() -> Option<PathBuf> {
    // SAFETY: takes nothing, cannot fail.
    let uid = unsafe { libc::getuid() };
    // Android's list has no homes; Termux has its own.
    let home = passwd(uid).map(|(_, home, _)| home).filter(|_| !cfg!(target_os = "android"));
    home.filter(|home| !home.is_empty()).map(PathBuf::from)
}

/// Where the system keeps what others keep at `path`: below `$PREFIX` on Android, where Termux has a tree of its own and
/// an app sees no `/etc`.
#[must_use]
pub fn system_file(path: &str) -> PathBuf {
    let prefix = std::env::var_os("PREFIX").filter(|_| cfg!(target_os = "android"));
    below(prefix.as_deref().map(Path::new), path)
}

fn below(prefix: Option<&Path>, path: &str) -> PathBuf {
    match prefix.filter(|prefix| prefix.is_absolute()) {
        Some(prefix) => prefix.join(path.trim_start_matches('/')),
        None => path.into(),
    }
}

const fn default_shell() -> &'static str {
    if cfg!(target_os = "android") { "/system/bin/sh" } else { "/bin/sh" }
}

/// The longest message shown.
const LONGEST_MESSAGE: u64 = 64 * 1024;

/// The beginning of a text file.
fn short_text(path: impl AsRef<Path>) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut text = Vec::new();
    fs::File::open(path).ok()?.take(LONGEST_MESSAGE).read_to_end(&mut text).ok()?;
    Some(text)
}

/// Name, home and shell in the system's list of users.
fn passwd(uid: u32) -> Option<(OsString, OsString, OsString)> {
    let mut buffer = vec![0; 16 * 1024];
    let mut found = std::ptr::null_mut();
    // SAFETY: pointers (null) and integers only.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    // SAFETY: the pointers are to an entry, a buffer with its length and a place for the result; all outlive the call.
    let error =
        unsafe { libc::getpwuid_r(uid, &raw mut entry, buffer.as_mut_ptr(), buffer.len(), &raw mut found) };
    if error != 0 || found.is_null() {
        return None;
    }
    let text = |pointer: *const libc::c_char| {
        if pointer.is_null() {
            return OsString::new();
        }
        // SAFETY: a string of the entry, ended by NUL, in the buffer that is still there.
        OsString::from_vec(unsafe { CStr::from_ptr(pointer) }.to_bytes().to_vec())
    };
    Some((text(entry.pw_name), text(entry.pw_dir), text(entry.pw_shell)))
}

/// The variables that make a locale.
pub const LOCALE_VARIABLES: [&str; 15] = [
    "LANG",
    "LANGUAGE",
    "LC_CTYPE",
    "LC_NUMERIC",
    "LC_TIME",
    "LC_COLLATE",
    "LC_MONETARY",
    "LC_MESSAGES",
    "LC_PAPER",
    "LC_NAME",
    "LC_ADDRESS",
    "LC_TELEPHONE",
    "LC_MEASUREMENT",
    "LC_IDENTIFICATION",
    "LC_ALL",
];

/// Whether the variables name a UTF-8 locale (`LC_ALL` over `LC_CTYPE` over `LANG`, POSIX.1-2024 §8.2).
#[must_use]
pub fn is_utf8(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let set =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| variable(name).filter(|v| !v.is_empty()));
    let name = set.unwrap_or_default().as_bytes().to_ascii_lowercase();
    let charset = name.split(|octet| *octet == b'.').nth(1).unwrap_or(&name);
    let charset = charset.split(|octet| *octet == b'@').next().unwrap_or_default();
    charset == b"utf-8" || charset == b"utf8"
}

/// What to change in a session's environment so that its programs speak UTF-8: nothing when they do; else the
/// `offered` assignments (`-l NAME=VALUE`) in place of all there are, and `C.UTF-8` when even those are none.
/// `None` removes a variable.
#[must_use]
pub fn utf8_locale(
    variable: impl Fn(&str) -> Option<OsString>,
    offered: &[(String, String)],
) -> Vec<(String, Option<String>)> {
    if is_utf8(&variable) {
        return Vec::new();
    }
    let ours = |name: &str| LOCALE_VARIABLES.contains(&name);
    let mut changes: Vec<_> = LOCALE_VARIABLES
        .iter()
        .filter(|name| variable(name).is_some())
        .map(|name| ((*name).to_owned(), None))
        .collect();
    changes.extend(offered.iter().filter(|(name, _)| ours(name)).map(|(n, v)| (n.clone(), Some(v.clone()))));
    let offer = |name: &str| offered.iter().rev().find(|(n, _)| n == name).map(|(_, v)| OsString::from(v));
    if !is_utf8(offer) {
        changes.push(("LC_ALL".to_owned(), None));
        changes.push(("LC_CTYPE".to_owned(), Some("C.UTF-8".to_owned())));
    }
    changes
}

/// The two processes after [`detach`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detached {
    /// The one that was started; it says its last words and exits.
    Parent {
        /// The other one.
        pid: i32,
    },
    /// The one that goes on, in a session of its own, deaf to the end of the terminal.
    Child,
}

/// Becomes two processes, before any thread is started. `SIGHUP` and `SIGPIPE` are ignored in both. In the child what
/// asks it to leave waits until [`Signals`](crate::signals::Signals) catches it: the parent has told who it is, and
/// somebody may ask at once.
///
/// # Errors
/// The system's, without room for a process; `Unsupported` when there are threads (Linux).
pub fn detach() -> io::Result<Detached> {
    #[cfg(target_os = "linux")]
    if fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() > 1) {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "cannot detach with threads running"));
    }
    signals::ignore(Signal::Hangup)?;
    signals::ignore(Signal::Pipe)?;
    let asking = [Signal::Terminate, Signal::Interrupt, Signal::User1];
    signals::hold(&asking)?;
    // SAFETY: this is the only thread, so the child is a whole process.
    let forked = check(unsafe { libc::fork() });
    if !matches!(forked, Ok(0)) {
        signals::release(&asking)?;
    }
    match forked? {
        0 => {
            // SAFETY: takes nothing. A new process leads no group, so it cannot fail.
            check(unsafe { libc::setsid() })?;
            Ok(Detached::Child)
        }
        pid => Ok(Detached::Parent { pid }),
    }
}

/// Lets the child that [`detach`] made end without being waited for, in this process and in what it becomes.
///
/// # Errors
/// The system's.
pub fn disown(pid: i32) -> io::Result<()> {
    signals::ignore(Signal::Child)?;
    // One that has ended already still waits.
    // SAFETY: numbers and a null pointer, which asks for no status.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) };
    Ok(())
}

/// Puts `/dev/null` in place of standard input, output and error, so that whoever waits for their end (ssh) need not
/// wait for the session's.
///
/// # Errors
/// The system's.
pub fn close_standard_streams() -> io::Result<()> {
    let null = fs::File::options().read(true).write(true).open("/dev/null")?;
    for fd in 0..3 {
        // SAFETY: numbers only.
        check(unsafe { libc::dup2(null.as_raw_fd(), fd) })?;
    }
    Ok(())
}

/// The soft core limit before it was lowered, plus one; 0 when it was not.
static CORE_LIMIT: AtomicU64 = AtomicU64::new(0);

/// Forbids core dumps of this process, which would hold the session's key. Programs started through [`crate::pty`] get
/// the limit back that was there before.
pub fn forbid_core_dumps() {
    // SAFETY: integers only; the struct outlives the calls.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit) == 0 {
            let soft = limit.rlim_cur as u64;
            let _ =
                CORE_LIMIT.compare_exchange(0, soft.saturating_add(1), Ordering::SeqCst, Ordering::SeqCst);
            limit.rlim_cur = 0;
            libc::setrlimit(libc::RLIMIT_CORE, &raw const limit);
        }
        // A dump that goes to a program (systemd-coredump) knows no limit.
        #[cfg(linux_kernel)]
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
    }
}

/// Undoes [`forbid_core_dumps`] in a child before it execs. Async-signal-safe.
pub(crate) fn allow_core_dumps() {
    let soft = CORE_LIMIT.load(Ordering::SeqCst);
    if soft == 0 {
        return;
    }
    // SAFETY: integers only; the struct outlives the calls, which are async-signal-safe.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit) == 0 {
            // u64::MAX is "no limit", which the sum above could not pass; its own value may be another.
            limit.rlim_cur = if soft == u64::MAX { limit.rlim_max } else { (soft - 1) as _ };
            libc::setrlimit(libc::RLIMIT_CORE, &raw const limit);
        }
    }
}

/// Takes a variable out of the environment: what it held is gone from it, and from what the system shows of this
/// process (`/proc/PID/environ`). `None` when it is not set, or no text. Call it before any thread is started.
#[must_use]
pub fn take_variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok()?;
    wipe_variable(name);
    // SAFETY: no other thread reads or changes the environment, as this function asks.
    unsafe { std::env::remove_var(name) };
    Some(value)
}

#[cfg(not(any(target_os = "macos", target_os = "ios")))]
fn wipe_variable(name: &str) {
    unsafe extern "C" {
        static environ: *const *mut libc::c_char;
    }
    // SAFETY: the environment is an array of strings that a null pointer ends, each ended by NUL; nobody else reads
    // or writes it meanwhile. Only octets before that NUL are written.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            let length = libc::strlen(*entry);
            let octets = std::slice::from_raw_parts_mut((*entry).cast::<u8>(), length);
            if octets.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'=')) {
                for octet in &mut octets[name.len() + 1..] {
                    std::ptr::write_volatile(octet, b'x');
                }
            }
            entry = entry.add(1);
        }
    }
}

/// There the environment is not reached by a name of the C library, and other processes of the user do not see it.
#[cfg(any(target_os = "macos", target_os = "ios"))]
fn wipe_variable(_name: &str) {}

/// Opens the system's idea of nothing: for programs that must be given some descriptor.
///
/// # Errors
/// The system's.
pub fn null() -> io::Result<std::os::fd::OwnedFd> {
    // SAFETY: a constant path; a non-negative answer is a new descriptor that is ours alone.
    unsafe { Ok(own(check(libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC))?)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn the_user_has_a_name_a_home_and_a_login_shell() {
        let user = User::current();
        assert!(!user.name.is_empty() && user.home.is_absolute() && user.shell.is_absolute());
        let shell = User { shell: "/bin/sh".into(), home: "/nowhere/at/all".into(), ..user }.login_shell();
        assert_eq!(shell.get_current_dir(), Some(Path::new("/")));
        let mut pty = crate::pty::Pty::spawn(shell, crate::tty::Size::DEFAULT).unwrap();
        pty.write(b"echo \"[$0]\"; exit\n").unwrap();
        let mut said = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            assert!(crate::fd::wait_readable(pty.as_fd(), 10_000));
            match pty.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => said.extend(&buffer[..n]),
                Err(_) => {}
            }
        }
        assert!(String::from_utf8_lossy(&said).contains("[-sh]"));
        while pty.try_wait().unwrap().is_none() {}
    }

    #[test]
    fn random_octets_differ() {
        assert_ne!(random::<32>().unwrap(), random::<32>().unwrap());
    }

    fn variables<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        |name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(*v))
    }

    #[test]
    fn a_locale_is_utf_8_when_its_name_says_so() {
        for yes in ["en_US.UTF-8", "C.utf8", "de_DE.UTF-8@euro", "UTF-8"] {
            assert!(is_utf8(variables(&[("LANG", yes)])), "{yes}");
        }
        for no in ["C", "POSIX", "", "en_US", "de_DE.ISO-8859-1", "ja_JP.eucJP@utf8"] {
            assert!(!is_utf8(variables(&[("LANG", no)])), "{no}");
        }
        assert!(!is_utf8(variables(&[("LANG", "C.UTF-8"), ("LC_ALL", "C")])));
        assert!(is_utf8(variables(&[("LANG", "C"), ("LC_CTYPE", "C.UTF-8"), ("LC_ALL", "")])));
    }

    #[test]
    fn the_offered_locale_replaces_one_that_is_not_utf_8_and_is_never_needed() {
        let offer = vec![("LANG".to_owned(), "fi_FI.UTF-8".to_owned()), ("PATH".to_owned(), "x".to_owned())];
        assert_eq!(utf8_locale(variables(&[("LANG", "C.UTF-8")]), &offer), []);
        let owned = |n: &str, v: Option<&str>| (n.to_owned(), v.map(str::to_owned));
        assert_eq!(
            utf8_locale(variables(&[("LC_ALL", "C")]), &offer),
            [owned("LC_ALL", None), owned("LANG", Some("fi_FI.UTF-8"))]
        );
        let last = utf8_locale(variables(&[]), &[]);
        assert_eq!(last.last(), Some(&owned("LC_CTYPE", Some("C.UTF-8"))));
    }

    #[test]
    fn a_variable_that_was_taken_is_nowhere_any_more() {
        const NAME: &str = "MPMOSH_TEST_OF_TAKING";
        if std::env::var_os(NAME).is_none() {
            // In a process of its own, started with the variable, in which nothing else runs.
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args([
                "--exact",
                "login::tests::a_variable_that_was_taken_is_nowhere_any_more",
                "--nocapture",
            ]);
            let status = command.args(["--test-threads=1"]).env(NAME, "a-secret-of-some-length").status();
            assert!(status.unwrap().success());
            return;
        }
        assert_eq!(take_variable(NAME).as_deref(), Some("a-secret-of-some-length"));
        assert_eq!(std::env::var_os(NAME), None);
        assert_eq!(take_variable(NAME), None);
        #[cfg(target_os = "linux")]
        {
            let shown = fs::read("/proc/self/environ").unwrap();
            let of_secret = shown.windows(8).any(|octets| octets == b"a-secret");
            assert!(!of_secret && shown.windows(NAME.len()).any(|octets| octets == NAME.as_bytes()));
        }
    }

    #[test]
    fn a_tree_of_its_own_has_the_systems_files_below_it() {
        let termux = Path::new("/data/data/com.termux/files/usr");
        assert_eq!(below(Some(termux), "/etc/motd"), termux.join("etc/motd"));
        assert_eq!(below(None, "/etc/motd"), Path::new("/etc/motd"));
        assert_eq!(below(Some(Path::new("usr")), "/etc/motd"), Path::new("/etc/motd"));
        assert!(cfg!(target_os = "android") || system_file("/etc/motd") == Path::new("/etc/motd"));
    }
}
