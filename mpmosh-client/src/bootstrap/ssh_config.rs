//! What the user's ssh configuration says of a host.
//!
//! Contract: `ssh -G` is asked when there is an ssh, so that every file, pattern, `Match` and token means exactly what it
//! means to ssh. Without one, a small reader knows `Host` blocks and the few keywords needed to reach a host; a file that
//! needs more (`Match`, `Include`, `ProxyCommand`…) is then refused rather than half obeyed.

use core::time::Duration;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Error;
use super::known_hosts::wildcard;
use crate::args::{Destination, SshArgs};
use crate::sanitize::one_line;

/// The settings of one host that we act upon.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one keyword of ssh_config(5)")]
pub(super) struct SshConfig {
    pub(super) host_name: String,
    pub(super) user: String,
    pub(super) port: u16,
    pub(super) identities: Vec<PathBuf>,
    pub(super) identities_only: bool,
    /// `None` is the agent of `SSH_AUTH_SOCK`; an empty path is none at all.
    pub(super) identity_agent: Option<PathBuf>,
    pub(super) user_known_hosts: Vec<PathBuf>,
    pub(super) global_known_hosts: Vec<PathBuf>,
    pub(super) strict: Strict,
    pub(super) hash_known_hosts: bool,
    pub(super) host_key_alias: Option<String>,
    pub(super) host_key_algorithms: Vec<String>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) address_family: Option<String>,
    pub(super) batch: bool,
    pub(super) prompts: u32,
    pub(super) public_key: bool,
    pub(super) keyboard_interactive: bool,
    pub(super) password: bool,
    needs_ssh: Option<String>,
}

/// `StrictHostKeyChecking`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strict {
    /// Only hosts on record.
    Yes,
    /// The user is asked about others.
    Ask,
    /// Others are added; changed ones refused.
    AcceptNew,
}

/// Whether there is an `ssh` to run.
pub(super) fn ssh_exists() -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join("ssh").is_file()))
}

/// The options that hand to ssh what the command line said of it.
pub(super) fn ssh_options(destination: &Destination, args: &SshArgs) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    if let Some(file) = &args.config {
        words.extend(["-F".into(), file.into()]);
    }
    if let Some(user) = &destination.user {
        words.extend(["-l".into(), user.into()]);
    }
    if let Some(port) = destination.port {
        words.extend(["-p".into(), port.to_string().into()]);
    }
    if let Some(jump) = &args.jump {
        words.extend(["-J".into(), jump.into()]);
    }
    for identity in &args.identities {
        words.extend(["-i".into(), identity.into()]);
    }
    for option in &args.options {
        words.extend(["-o".into(), option.into()]);
    }
    words
}

impl SshConfig {
    /// Asks ssh, or reads the file.
    ///
    /// # Errors
    /// [`Error::SshConfig`] when ssh refuses the configuration, [`Error::NoSsh`] when there is none and the file needs it.
    pub(super) fn read(destination: &Destination, args: &SshArgs) -> Result<Self, Error> {
        if ssh_exists() {
            let output = Command::new("ssh")
                .arg("-G")
                .args(ssh_options(destination, args))
                .arg("--")
                .arg(&destination.host)
                .stdin(Stdio::null())
                .output()
                .map_err(|cause| Error::Spawn { program: "ssh".into(), cause })?;
            if !output.status.success() {
                let evidence = one_line(&String::from_utf8_lossy(&output.stderr), 400);
                return Err(Error::SshConfig { evidence });
            }
            let mut config = Self::from_dump(&String::from_utf8_lossy(&output.stdout), destination);
            // `ssh -G` lists the default names too; only what exists matters.
            config.identities.retain(|file| file.exists());
            return Ok(config);
        }
        let file = args.config.clone().or_else(|| std::env::home_dir().map(|home| home.join(".ssh/config")));
        let text = file.and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        let dump = small_reader(&text, destination, args)?;
        let mut config = Self::from_dump(&dump, destination);
        config.identities.retain(|file| file.exists());
        Ok(config)
    }

    /// Why libssh2 will not do, if it will not.
    pub(super) fn needs_ssh(&self) -> Option<String> {
        self.needs_ssh.clone()
    }

    /// Reads the lines of `ssh -G`: a keyword in lower case, a blank, the value.
    fn from_dump(dump: &str, destination: &Destination) -> Self {
        let all = |keyword: &'static str| {
            dump.lines().filter_map(move |line| {
                line.split_once(' ').filter(|(k, _)| *k == keyword).map(|(_, value)| value)
            })
        };
        let one = |keyword| all(keyword).next().filter(|value| *value != "none");
        let yes = |keyword| matches!(one(keyword), Some("yes" | "true"));
        let paths = |keyword| all(keyword).flat_map(words_of).map(|word| home(&word)).collect::<Vec<_>>();
        let allowed = |method: &str, keyword| {
            let preferred =
                one("preferredauthentications").is_none_or(|list| list.split(',').any(|word| word == method));
            preferred && !matches!(one(keyword), Some("no" | "false"))
        };
        Self {
            host_name: one("hostname").unwrap_or(&destination.host).to_owned(),
            user: one("user").map(str::to_owned).or_else(|| destination.user.clone()).unwrap_or_default(),
            port: one("port").and_then(|port| port.parse().ok()).unwrap_or(22),
            identities: all("identityfile").map(home).collect(),
            identities_only: yes("identitiesonly"),
            identity_agent: match all("identityagent").next() {
                None | Some("SSH_AUTH_SOCK") => None,
                Some("none") => Some(PathBuf::new()),
                Some(socket) => match socket.strip_prefix('$') {
                    Some(name) => std::env::var_os(name.trim_matches(['{', '}'])).map(PathBuf::from),
                    None => Some(home(socket)),
                },
            },
            user_known_hosts: paths("userknownhostsfile"),
            global_known_hosts: paths("globalknownhostsfile"),
            strict: match one("stricthostkeychecking") {
                Some("yes" | "true") => Strict::Yes,
                // With `no` ssh also lets changed keys pass, with a warning; that much is never right.
                Some("no" | "off" | "false" | "accept-new") => Strict::AcceptNew,
                _ => Strict::Ask,
            },
            hash_known_hosts: yes("hashknownhosts"),
            host_key_alias: one("hostkeyalias").map(str::to_owned),
            host_key_algorithms: one("hostkeyalgorithms")
                .map(|list| list.split(',').map(str::to_owned).collect())
                .unwrap_or_default(),
            connect_timeout: one("connecttimeout")
                .and_then(|s| s.parse().ok())
                .filter(|s| *s > 0)
                .map(Duration::from_secs),
            address_family: one("addressfamily").map(str::to_owned),
            batch: yes("batchmode"),
            prompts: one("numberofpasswordprompts").and_then(|n| n.parse().ok()).unwrap_or(3),
            public_key: allowed("publickey", "pubkeyauthentication"),
            keyboard_interactive: allowed("keyboard-interactive", "kbdinteractiveauthentication"),
            password: allowed("password", "passwordauthentication"),
            needs_ssh: [
                ("proxycommand", "ProxyCommand"),
                ("proxyjump", "ProxyJump"),
                ("controlpath", "ControlPath"),
                ("certificatefile", "CertificateFile"),
                ("knownhostscommand", "KnownHostsCommand"),
                ("revokedhostkeys", "RevokedHostKeys"),
                ("pkcs11provider", "PKCS11Provider"),
                ("bindaddress", "BindAddress"),
                ("bindinterface", "BindInterface"),
            ]
            .into_iter()
            .find(|(keyword, _)| one(keyword).is_some())
            .map(|(_, name)| format!("{name} is set for {}", one_line(&destination.host, 80))),
        }
    }
}

/// The words of a list of files, some of them quoted.
fn words_of(list: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quoted) = (String::new(), false);
    for c in list.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                if !word.is_empty() {
                    words.push(core::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn home(file: &str) -> PathBuf {
    match (file.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => Path::new(file).to_owned(),
    }
}

/// A file's settings for the host, in the form of `ssh -G`, for machines without ssh.
fn small_reader(text: &str, destination: &Destination, args: &SshArgs) -> Result<String, Error> {
    let mut dump = String::new();
    let mut put = |keyword: &str, value: &str| {
        let first =
            keyword == "identityfile" || !dump.lines().any(|line| line.split(' ').next() == Some(keyword));
        if first {
            dump.push_str(&format!("{keyword} {value}\n"));
        }
    };
    if let Some(user) = &destination.user {
        put("user", user);
    }
    if let Some(port) = destination.port {
        put("port", &port.to_string());
    }
    if let Some(jump) = &args.jump {
        put("proxyjump", jump);
    }
    for identity in &args.identities {
        put("identityfile", &identity.to_string_lossy());
    }
    let given = args.options.iter().map(String::as_str);
    let mut applies = true;
    for line in given.chain(text.lines()) {
        let line = line.trim();
        let Some((keyword, value)) = line.split_once(|c: char| c.is_whitespace() || c == '=') else {
            continue;
        };
        let (keyword, value) = (keyword.to_lowercase(), value.trim_start_matches([' ', '\t', '=']).trim());
        match keyword.as_str() {
            _ if keyword.starts_with('#') => {}
            "host" => {
                let patterns = words_of(value);
                let excluded = patterns
                    .iter()
                    .any(|p| p.strip_prefix('!').is_some_and(|p| wildcard(p, &destination.host)));
                applies = !excluded && patterns.iter().any(|pattern| wildcard(pattern, &destination.host));
            }
            "match" | "include" => {
                return Err(Error::NoSsh {
                    reason: format!("the ssh configuration uses {}", one_line(line, 80)),
                });
            }
            _ if !applies => {}
            "hostname" => put("hostname", &value.replace("%h", &destination.host)),
            _ => put(&keyword, value.trim_matches('"')),
        }
    }
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
    put("user", &user);
    put("userknownhostsfile", "~/.ssh/known_hosts ~/.ssh/known_hosts2");
    let global = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"].map(platform::login::system_file);
    put("globalknownhostsfile", &global.map(|file| file.display().to_string()).join(" "));
    if !dump.contains("identityfile ") {
        for name in ["id_ed25519", "id_ecdsa", "id_rsa"] {
            dump.push_str(&format!("identityfile ~/.ssh/{name}\n"));
        }
    }
    Ok(dump)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(text: &str) -> Destination {
        Destination::parse(text).unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn the_dump_of_ssh_is_read() {
        let dump = "host h\nuser me\nhostname h.example.org\nport 2222\nidentityfile /k1\nidentityfile /k2\n\
                    userknownhostsfile /a \"/b c\"\nglobalknownhostsfile /g\nstricthostkeychecking accept-new\n\
                    connecttimeout 5\nproxycommand none\nidentitiesonly yes\nhashknownhosts yes\nbatchmode no\n\
                    passwordauthentication no\npreferredauthentications publickey,password\nidentityagent none\n";
        let config = SshConfig::from_dump(dump, &destination("h"));
        assert_eq!(
            (config.host_name.as_str(), config.user.as_str(), config.port),
            ("h.example.org", "me", 2222)
        );
        assert_eq!(config.identities, [PathBuf::from("/k1"), "/k2".into()]);
        assert_eq!(config.user_known_hosts, [PathBuf::from("/a"), "/b c".into()]);
        assert_eq!(config.strict, Strict::AcceptNew);
        assert_eq!(config.connect_timeout, Some(Duration::from_secs(5)));
        assert!(config.identities_only && config.hash_known_hosts && !config.batch);
        assert!(config.public_key && !config.password && !config.keyboard_interactive);
        assert_eq!(config.identity_agent, Some(PathBuf::new()));
        assert_eq!(config.needs_ssh(), None);
    }

    #[test]
    fn what_libssh2_cannot_do_is_named() {
        let config = SshConfig::from_dump("proxyjump gate\n", &destination("h"));
        assert_eq!(config.needs_ssh().as_deref(), Some("ProxyJump is set for h"));
    }

    #[test]
    fn without_ssh_the_first_value_found_holds() {
        let text = "Host h\n  HostName %h.example.org\n  Port=2200\nHost other\n  User wrong\nHost *\n  Port 1\n  User me\n";
        let dump =
            small_reader(text, &destination("h"), &SshArgs::default()).unwrap_or_else(|e| panic!("{e}"));
        let config = SshConfig::from_dump(&dump, &destination("h"));
        assert_eq!(
            (config.host_name.as_str(), config.user.as_str(), config.port),
            ("h.example.org", "me", 2200)
        );
        assert!(small_reader("Match host h\n", &destination("h"), &SshArgs::default()).is_err());
        let args = SshArgs { options: vec!["Port=9".into()], ..SshArgs::default() };
        let dump = small_reader(text, &destination("u@h"), &args).unwrap_or_else(|e| panic!("{e}"));
        let config = SshConfig::from_dump(&dump, &destination("u@h"));
        assert_eq!((config.user.as_str(), config.port), ("u", 9));
    }

    #[test]
    fn ssh_is_told_what_the_command_line_says() {
        let args = SshArgs {
            identities: vec!["k".into()],
            config: Some("c".into()),
            options: vec!["A=b".into()],
            jump: Some("j".into()),
        };
        let words = ssh_options(&destination("u@h:7"), &args);
        assert_eq!(
            words,
            ["-F", "c", "-l", "u", "-p", "7", "-J", "j", "-i", "k", "-o", "A=b"].map(OsString::from)
        );
    }
}
