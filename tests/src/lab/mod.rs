//! Real kernels: network namespaces joined by veth pairs and by links that this process emulates, a real sshd,
//! and programs on terminals of their own.
//!
//! A [`Lab`] is a set of namespaces whose names carry this process's id, and a directory; dropping it ends every
//! process inside and removes everything, also when a test panics. One lab exists at a time on a machine (a file
//! lock), because labs measure time. Two shapes are ready made: [`Paper`] and [`Laptop`]. It needs root, Linux,
//! `ip`, `nft` and `/dev/net/tun`; where one is missing, building a lab is an error that names it. Tests start
//! from [`open`], which turns such an error into a failure, or into a counted skip where the user asked for it.

mod binaries;
pub mod clock;
mod console;
mod link;
pub mod measure;
mod namespace;
mod packet;
pub mod scenario;
mod shapes;
pub mod ssh;
mod sshd;
mod subject;
mod sys;
mod tmux;
pub mod usage;

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

pub use self::binaries::built_binary;
pub use self::console::{Console, Key};
pub use self::link::{Counters, Link, Loss, Shape, Side};
pub use self::namespace::{Namespace, USER};
pub use self::packet::{Capture, Fate, Packet};
pub use self::shapes::{Laptop, LaptopOptions, Paper, Uplink};
pub use self::sshd::Sshd;
pub use self::subject::Subject;
pub use self::tmux::{Tmux, View};

/// Why the lab could not do what was asked: one sentence for the person who reads the failed test.
#[derive(Debug)]
pub struct LabError(String);

impl LabError {
    /// An error that says `what`.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LabError {}

/// Says what was being done when something else failed.
pub(crate) trait Context<T> {
    /// Turns the error into a [`LabError`] that begins with `what`.
    fn context(self, what: impl FnOnce() -> String) -> Result<T, LabError>;
}

impl<T, E: fmt::Display> Context<T> for Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, LabError> {
        self.map_err(|error| LabError(format!("{}: {error}", what())))
    }
}

/// Opens a lab for a test, or gives `None` where `MPMOSH_SKIP_LAB=1` asks to leave lab tests out. A skip is
/// printed, and counted in the file that `MPMOSH_SKIPPED` names (`make test` prints the sum).
///
/// # Panics
/// When the lab cannot be built: a lab test that cannot run has failed.
pub fn open<T>(build: impl FnOnce() -> Result<T, LabError>) -> Option<T> {
    if std::env::var_os("MPMOSH_SKIP_LAB").is_some_and(|value| value == "1") {
        let thread = std::thread::current();
        note_skip(thread.name().unwrap_or("a lab test"));
        return None;
    }
    match build() {
        Ok(lab) => Some(lab),
        Err(error) => panic!("the lab cannot run: {error} (MPMOSH_SKIP_LAB=1 leaves lab tests out)"),
    }
}

fn note_skip(test: &str) {
    eprintln!("SKIPPED {test}: MPMOSH_SKIP_LAB=1");
    if let Some(path) = std::env::var_os("MPMOSH_SKIPPED") {
        // A count that cannot be kept must not fail the test it counts.
        let _ = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .and_then(|mut file| writeln!(file, "{test}"));
    }
}

/// Namespaces, processes and a directory that live together and end together.
pub struct Lab {
    name: String,
    directory: PathBuf,
    namespaces: Vec<Namespace>,
    /// Held, never read: the operating system frees it however the process ends.
    _lock: File,
}

impl Lab {
    /// Waits until no other lab runs on this machine, and opens an empty one.
    ///
    /// # Errors
    /// When a prerequisite is missing: which one, and what to do.
    pub fn new() -> Result<Self, LabError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        prerequisites()?;
        let lock = lock()?;
        namespace::remove_stale();
        let name = format!("mm{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(format!("mpmosh-lab-{name}"));
        fs::create_dir_all(directory.join("bin")).context(|| format!("creating {}", directory.display()))?;
        let lab = Self { name, directory, namespaces: Vec::new(), _lock: lock };
        for path in [lab.directory.clone(), lab.directory.join("bin")] {
            open_to_all(&path)?;
        }
        Ok(lab)
    }

    /// A directory of this lab's own, that every user may enter.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The directory that stands first in `PATH` in every namespace.
    #[must_use]
    pub fn bin(&self) -> PathBuf {
        self.directory.join("bin")
    }

    /// Copies a program to where every user of the lab finds it in `PATH` (a build may stand below `/root`).
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn install(&self, program: &Path) -> Result<(), LabError> {
        let name = program.file_name().ok_or_else(|| LabError::new("a program without a name"))?;
        let (place, fresh) = (self.bin().join(name), self.bin().join(".fresh"));
        fs::copy(program, &fresh).context(|| format!("copying {}", program.display()))?;
        open_to_all(&fresh)?;
        // An earlier copy may be running: it is replaced, not written to.
        fs::rename(&fresh, &place).context(|| format!("installing {}", place.display()))
    }

    /// A new namespace; `role` is short and distinguishes it from the lab's others.
    ///
    /// # Errors
    /// When the kernel or `ip` refuses.
    pub fn namespace(&mut self, role: &str) -> Result<Namespace, LabError> {
        let namespace = Namespace::create(&format!("{}-{role}", self.name), &self.directory)?;
        self.namespaces.push(namespace.clone());
        Ok(namespace)
    }

    /// Joins two namespaces by a veth pair: what a host sees is an Ethernet interface. Both ends are up.
    ///
    /// # Errors
    /// When the kernel or `ip` refuses.
    pub fn veth(&self, a: (&Namespace, &str), b: (&Namespace, &str)) -> Result<(), LabError> {
        run(
            "ip",
            &["-n", a.0.name(), "link", "add", a.1, "type", "veth", "peer", "name", b.1, "netns", b.0.name()],
        )?;
        a.0.ip(&["link", "set", a.1, "up"])?;
        b.0.ip(&["link", "set", b.1, "up"])
    }

    /// Ends every process in the lab's namespaces, by id, and waits until they are gone.
    pub fn end_processes(&self) {
        for namespace in &self.namespaces {
            namespace.end_processes();
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.end_processes();
        for namespace in &self.namespaces {
            namespace.remove();
        }
        if std::env::var_os("MPMOSH_KEEP_LAB").is_none() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// Checks what every lab needs.
fn prerequisites() -> Result<(), LabError> {
    if !cfg!(target_os = "linux") {
        return Err(LabError::new("network namespaces exist on Linux only"));
    }
    if !rustix::process::geteuid().is_root() {
        return Err(LabError::new("network namespaces need root"));
    }
    if !Path::new("/dev/net/tun").exists() {
        return Err(LabError::new("/dev/net/tun is missing (modprobe tun)"));
    }
    for (program, package) in [("ip", "iproute2"), ("nft", "nftables"), ("setpriv", "util-linux")] {
        require(program, package)?;
    }
    Ok(())
}

/// Where `program` is.
///
/// # Errors
/// When it is not installed: with the name of its Debian package.
pub fn require(program: &str, package: &str) -> Result<PathBuf, LabError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| {
            LabError::new(format!(
                "`{program}` is missing (Debian package {package}; `make test` installs it)"
            ))
        })
}

fn lock() -> Result<File, LabError> {
    let path = "/run/mpmosh-lab.lock";
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .context(|| format!("opening {path}"))?;
    file.lock().context(|| format!("locking {path}"))?;
    Ok(file)
}

/// Read and enter for everybody.
fn open_to_all(path: &Path) -> Result<(), LabError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .context(|| format!("opening {} to all", path.display()))
}

/// Runs a program to its end.
///
/// # Errors
/// When it fails: with what it wrote on standard error.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<String, LabError> {
    let mut command = Command::new(program);
    command.args(arguments);
    finish(&mut command)
}

/// Runs a prepared command to its end and gives its standard output.
///
/// # Errors
/// When it fails: with what it wrote on standard error.
pub(crate) fn finish(command: &mut Command) -> Result<String, LabError> {
    let output = command.output().context(|| format!("starting {command:?}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(LabError(format!("{command:?} ended with {}: {complaint}", output.status)))
    }
}
