//! One network namespace: made and removed by `ip netns`, entered by threads and by programs.
//!
//! Programs are started through `ip netns exec`, which also gives them a `/sys` that shows the namespace's
//! interfaces and binds the files below `/etc/netns/NAME` over those in `/etc`: so each namespace has its own
//! users and host names, and nothing inside ever sees the machine's own home directories.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use rustix::thread::LinkNameSpaceType;

use super::{Context, LabError, clock, run};

/// The user that programs run as in every namespace.
pub const USER: &str = "lab";
pub(super) const USER_ID: u32 = 4242;
/// `sesame`, as crypt(5) with SHA-512 writes it.
const PASSWORD: &str =
    "$6$mpmosh$DInJacYGS1eakPhXITkVGlXZJKSNqsgN47So47gjv8JcGmNzbCAKvjzigSrEo/UqwJ9LFckUzfVwQ8yYAN9XI0";

/// A handle on a network namespace. The [`super::Lab`] that made it removes it.
#[derive(Clone)]
pub struct Namespace {
    name: Arc<str>,
    home: PathBuf,
    bin: PathBuf,
}

impl Namespace {
    pub(super) fn create(name: &str, directory: &Path) -> Result<Self, LabError> {
        let home = directory.join(format!("home-{name}"));
        let namespace = Self { name: name.into(), home, bin: directory.join("bin") };
        run("ip", &["netns", "add", name])?;
        let prepared = namespace.prepare();
        if prepared.is_err() {
            namespace.remove();
        }
        prepared.map(|()| namespace)
    }

    fn prepare(&self) -> Result<(), LabError> {
        let home = self.home.display();
        fs::create_dir_all(&self.home).context(|| format!("creating {home}"))?;
        std::os::unix::fs::chown(&self.home, Some(USER_ID), Some(USER_ID))
            .context(|| format!("giving {home} away"))?;
        self.etc("passwd", &format!("root:x:0:0:root:{home}:/bin/bash\nsshd:x:4241:4241::/run/sshd:/usr/sbin/nologin\nnobody:x:65534:65534::/:/usr/sbin/nologin\n{USER}:x:{USER_ID}:{USER_ID}:Lab:{home}:/bin/bash\n"))?;
        self.etc(
            "group",
            &format!(
                "root:x:0:\nsshd:x:4241:\ntty:x:5:\nutmp:x:43:\nnogroup:x:65534:\n{USER}:x:{USER_ID}:\n"
            ),
        )?;
        self.etc("shadow", &format!("root:*:20000:0:99999:7:::\n{USER}:{PASSWORD}:20000:0:99999:7:::\n"))?;
        self.etc("hosts", "127.0.0.1 localhost\n::1 localhost\n")?;
        self.etc("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")?;
        self.ip(&["link", "set", "lo", "up"])?;
        // Duplicate address detection would hold every IPv6 address back for a second or two.
        for scope in ["all", "default"] {
            self.sysctl(&format!("net/ipv6/conf/{scope}/accept_dad"), "0")?;
            self.sysctl(&format!("net/ipv6/conf/{scope}/accept_ra"), "0")?;
            self.sysctl(&format!("net/ipv4/conf/{scope}/rp_filter"), "0")?;
        }
        Ok(())
    }

    /// The name as `ip netns` knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The home directory of this namespace's users (root's too).
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Where the servers of this namespace have their registry of sessions.
    #[must_use]
    pub fn registry(&self) -> std::path::PathBuf {
        self.home.join("sessions")
    }

    /// Writes a file that programs of this namespace see as `/etc/NAME`, where the machine has such a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn etc(&self, file: &str, contents: &str) -> Result<(), LabError> {
        let path = Path::new("/etc/netns").join(&*self.name).join(file);
        let directory = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(directory).context(|| format!("creating {}", directory.display()))?;
        fs::write(&path, contents).context(|| format!("writing {}", path.display()))
    }

    /// Runs `ip` on this namespace.
    ///
    /// # Errors
    /// With what `ip` wrote.
    pub fn ip(&self, arguments: &[&str]) -> Result<(), LabError> {
        let mut all = vec!["-n", self.name()];
        all.extend_from_slice(arguments);
        run("ip", &all).map(|_| ())
    }

    /// Loads an nftables rule set.
    ///
    /// # Errors
    /// With what `nft` wrote.
    pub fn nft(&self, rules: &str) -> Result<(), LabError> {
        let mut child = self
            .root_command("nft")
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context(|| "starting nft".into())?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(rules.as_bytes()).context(|| "writing to nft".into())?;
        }
        let output = child.wait_with_output().context(|| "waiting for nft".into())?;
        if output.status.success() {
            return Ok(());
        }
        Err(LabError::new(format!("nft: {}", String::from_utf8_lossy(&output.stderr))))
    }

    /// Loads an nftables table `f` that has one rule, at a hook of the filter.
    ///
    /// # Errors
    /// With what `nft` wrote.
    pub fn filter(&self, family: &str, hook: &str, rule: &str) -> Result<(), LabError> {
        let chain = format!("chain c {{\n  type filter hook {hook} priority 0;\n  {rule}\n }}");
        self.nft(&format!("table {family} f {{\n {chain}\n}}\n"))
    }

    /// Sets a kernel parameter of this namespace; `key` is its path below `/proc/sys`.
    ///
    /// # Errors
    /// When there is none, or it refuses the value.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<(), LabError> {
        let path = Path::new("/proc/sys").join(key);
        self.run(|| fs::write(&path, value))?.context(|| format!("setting {key}={value}"))
    }

    /// Writes a file below the home directory of the user `lab`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn give(&self, file: &str, contents: &str) -> Result<(), LabError> {
        super::sshd::give(&self.home.join(file), contents)
    }

    /// A command inside, as the user `lab`, with that user's environment and the lab's programs in `PATH`.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = self.bare();
        command.args(["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", "--"]);
        command.arg(program);
        command
    }

    /// A command inside, as root.
    pub fn root_command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = self.bare();
        command.arg(program);
        command
    }

    fn bare(&self) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.name()]);
        command.env_clear();
        command.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", self.bin.display()));
        command.env("HOME", &self.home).env("USER", USER).env("LOGNAME", USER).env("SHELL", "/bin/bash");
        command.env("LANG", "C.UTF-8").env("TERM", "xterm-256color");
        command.env("MPMOSH_REGISTRY", self.registry());
        command.current_dir(&self.home);
        command
    }

    /// Runs `work` on a thread that stands inside. What it opens there (sockets, TUN devices) stays there.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    ///
    /// # Panics
    /// When `work` does.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        let path = Path::new("/run/netns").join(&*self.name);
        let file = File::open(&path).context(|| format!("opening {}", path.display()))?;
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                rustix::thread::move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                    .context(|| format!("entering {}", self.name))?;
                Ok(work())
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// The processes inside.
    #[must_use]
    pub fn processes(&self) -> Vec<Pid> {
        run("ip", &["netns", "pids", self.name()])
            .unwrap_or_default()
            .lines()
            .filter_map(|line| Pid::from_raw(line.trim().parse().ok()?))
            .collect()
    }

    /// Ends the processes inside.
    pub fn end_processes(&self) {
        clock::wait_for(Duration::from_secs(5), || {
            let processes = self.processes();
            for process in &processes {
                let _ = rustix::process::kill_process(*process, Signal::KILL);
            }
            processes.is_empty().then_some(())
        });
    }

    pub(super) fn remove(&self) {
        let _ = run("ip", &["netns", "del", self.name()]);
        let _ = fs::remove_dir_all(Path::new("/etc/netns").join(&*self.name));
        // Ours only while it is empty.
        let _ = fs::remove_dir("/etc/netns");
    }
}

/// Removes what labs left behind whose process was killed before it could clean up: their names carry its id.
/// The caller holds the lab lock.
pub(super) fn remove_stale() {
    let names = |directory: &str| -> Vec<String> {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    };
    let stale = |name: &str| {
        let id = name.strip_prefix("mm").and_then(|rest| rest.split('-').next());
        id.is_some_and(|id| id.parse::<u32>().is_ok() && !Path::new("/proc").join(id).exists())
    };
    for name in names("/run/netns").into_iter().chain(names("/etc/netns")).filter(|name| stale(name)) {
        let leftover = Namespace { name: name.into(), home: PathBuf::new(), bin: PathBuf::new() };
        leftover.end_processes();
        leftover.remove();
    }
    let temporary = std::env::temp_dir();
    for entry in fs::read_dir(&temporary).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_str().and_then(|name| name.strip_prefix("mpmosh-lab-")).is_some_and(stale) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
