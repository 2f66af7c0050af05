//! A real sshd in a namespace, with keys, users and configuration of its own.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use super::namespace::USER;
use super::{Context, Lab, LabError, Namespace, clock, require, run};

/// A running sshd. Dropping it ends the listener; sessions end with the lab.
pub struct Sshd {
    child: Child,
    port: u16,
    host_key: String,
    server: Namespace,
    log: PathBuf,
}

impl Sshd {
    /// Starts an sshd in `server`. The user `lab` may enter with the password `sesame`, and with keys that
    /// [`Self::admit`] makes. Its shell's prompt is `ready> `.
    ///
    /// # Errors
    /// When sshd is not installed, or does not start.
    pub fn start(lab: &Lab, server: &Namespace, port: u16) -> Result<Self, LabError> {
        Self::start_with(lab, server, port, "")
    }

    /// The same with lines of sshd_config(5) that come before the usual ones, and so prevail.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(lab: &Lab, server: &Namespace, port: u16, lines: &str) -> Result<Self, LabError> {
        let program = require("sshd", "openssh-server")?;
        // Compiled into Debian's sshd, which makes it in its start script.
        fs::create_dir_all("/run/sshd").context(|| "creating /run/sshd".into())?;
        let directory = lab.directory().join(format!("sshd-{}-{port}", server.name()));
        fs::create_dir_all(&directory).context(|| format!("creating {}", directory.display()))?;
        let key = directory.join("host_key");
        // A second one at the same place is the same host.
        if !key.exists() {
            generate_key(&key)?;
        }
        let log = directory.join("log");
        let configuration = directory.join("sshd_config");
        let text = format!(
            "{lines}\nPort {port}\nHostKey {key}\nPidFile none\nUsePAM no\nUseDNS no\nPrintMotd no\nPrintLastLog no\n\
             PasswordAuthentication yes\nKbdInteractiveAuthentication no\nPermitRootLogin no\nAllowUsers {USER}\n\
             AuthorizedKeysFile .ssh/authorized_keys\nAcceptEnv LANG LC_*\nLogLevel VERBOSE\nMaxStartups 100\n\
             SetEnv PATH={bin}:/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 MPMOSH_REGISTRY={registry}\n",
            registry = server.registry().display(),
            key = key.display(),
            bin = lab.bin().display(),
        );
        fs::write(&configuration, text).context(|| "writing sshd_config".into())?;
        give(&server.home().join(".bashrc"), "PS1='ready> '\nunset HISTFILE\n")?;
        give(&server.home().join(".bash_profile"), ". ~/.bashrc\n")?;
        give(&server.home().join(".hushlogin"), "")?;
        let child = server
            .root_command(program)
            .args(["-D", "-f"])
            .arg(&configuration)
            .arg("-E")
            .arg(&log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context(|| "starting sshd".into())?;
        let host_key =
            fs::read_to_string(key.with_extension("pub")).context(|| "reading the host key".into())?;
        let sshd = Self { child, port, host_key: host_key.trim().into(), server: server.clone(), log };
        let listening = || sshd.log().contains("Server listening").then_some(());
        if clock::wait_for(Duration::from_secs(10), listening).is_none() {
            return Err(LabError::new(format!("sshd did not start: {}", sshd.log())));
        }
        Ok(sshd)
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host's public key: type and base64, as in known_hosts after the names.
    #[must_use]
    pub fn host_key(&self) -> &str {
        self.host_key.rsplit_once(' ').map_or(&self.host_key, |(key, _comment)| key)
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Makes a key for the user of `client`, admits it, and makes the host known there under `names`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn admit(&self, client: &Namespace, names: &[&str]) -> Result<(), LabError> {
        let directory = client.home().join(".ssh");
        give_directory(&directory)?;
        let key = directory.join("id_ed25519");
        if !key.exists() {
            generate_key(&key)?;
        }
        for path in [key.clone(), key.with_extension("pub")] {
            owned_by_user(&path, 0o600)?;
        }
        self.introduce(client, names)?;
        let public =
            fs::read_to_string(key.with_extension("pub")).context(|| "reading a public key".into())?;
        let admitted = self.server.home().join(".ssh");
        give_directory(&admitted)?;
        let path = admitted.join("authorized_keys");
        let mut all = fs::read_to_string(&path).unwrap_or_default();
        all.push_str(&public);
        give(&path, &all)
    }

    /// Makes the host known to the user of `client` under `names`, besides those already known there.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn introduce(&self, client: &Namespace, names: &[&str]) -> Result<(), LabError> {
        let directory = client.home().join(".ssh");
        give_directory(&directory)?;
        let path = directory.join("known_hosts");
        let mut known = fs::read_to_string(&path).unwrap_or_default();
        for name in names {
            known.push_str(&match self.port {
                22 => format!("{name} {}\n", self.host_key()),
                port => format!("[{name}]:{port} {}\n", self.host_key()),
            });
        }
        give(&path, &known)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn generate_key(path: &Path) -> Result<(), LabError> {
    let path = path.to_str().ok_or_else(|| LabError::new("a path that is not UTF-8"))?;
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", path]).map(|_| ())
}

/// Writes a file that belongs to the user `lab`.
pub(super) fn give(path: &Path, contents: &str) -> Result<(), LabError> {
    fs::File::create(path)
        .and_then(|mut file| file.write_all(contents.as_bytes()))
        .context(|| format!("writing {}", path.display()))?;
    owned_by_user(path, 0o600)
}

fn give_directory(path: &Path) -> Result<(), LabError> {
    fs::create_dir_all(path).context(|| format!("creating {}", path.display()))?;
    owned_by_user(path, 0o700)
}

fn owned_by_user(path: &Path, mode: u32) -> Result<(), LabError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .context(|| format!("chmod {}", path.display()))?;
    let user = Some(super::namespace::USER_ID);
    chown(path, user, user).context(|| format!("chown {}", path.display()))
}
