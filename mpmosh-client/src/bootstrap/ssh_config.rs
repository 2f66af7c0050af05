//! What the user's ssh configuration says of a host.
//!
//! Contract: `ssh -G` is asked when there is an ssh, so that every file, pattern and `Match` means exactly what it means
//! to ssh. Without one, [`reader`] reads the files itself, and refuses what only ssh understands.

mod reader;

use core::time::Duration;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Error;
use crate::args::{Destination, SshArgs};
use crate::sanitize::one_line;

/// The settings of one host that we act upon.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one keyword of ssh_config(5)")]
pub(super) struct SshConfig {
    /// The host as typed.
    pub(super) typed: String,
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
    pub(super) gssapi: bool,
    /// The hosts of `ProxyJump`, the nearest to us first.
    pub(super) jumps: Vec<String>,
    /// Whether connections are shared already (`ControlPath`).
    pub(super) shares: bool,
    proxy: bool,
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
        let dump = reader::read(destination, args, &local_user())?;
        let mut config = Self::from_dump(&dump, destination);
        config.identities.retain(|file| file.exists());
        Ok(config)
    }

    /// Why libssh2 will not do, if it will not.
    pub(super) fn needs_ssh(&self) -> Option<String> {
        self.needs_ssh.clone()
    }

    /// What lies between here and the host for ssh, if anything does.
    pub(super) fn through(&self) -> Option<String> {
        let host = |jump: &String| one_line(jump.rsplit('@').next().unwrap_or(jump), 80);
        let jump = self.jumps.last().map(host);
        jump.or_else(|| self.proxy.then(|| "a ProxyCommand".to_owned()))
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
        let allowed = |method: &str, keyword| {
            let preferred =
                one("preferredauthentications").is_none_or(|list| list.split(',').any(|word| word == method));
            preferred && !matches!(one(keyword), Some("no" | "false"))
        };
        let host_name = one("hostname").unwrap_or(&destination.host).to_owned();
        let user = one("user").map(str::to_owned).or_else(|| destination.user.clone()).unwrap_or_default();
        let port = one("port").and_then(|port| port.parse().ok()).unwrap_or(22);
        let tokens = Tokens { host_name: &host_name, typed: &destination.host, user: &user, port };
        // `ssh -G` leaves the tokens of these as they are.
        let identities = all("identityfile").map(|file| home(&tokens.expand(file))).collect();
        let identity_agent = match all("identityagent").next() {
            None | Some("SSH_AUTH_SOCK") => None,
            Some("none") => Some(PathBuf::new()),
            Some(socket) => match socket.strip_prefix('$').filter(|name| !name.starts_with('{')) {
                Some(name) => std::env::var_os(name).map(PathBuf::from),
                None => Some(home(&tokens.expand(socket))),
            },
        };
        let paths = |keyword| {
            all(keyword).flat_map(words_of).map(|word| home(&tokens.expand(&word))).collect::<Vec<_>>()
        };
        Self {
            typed: destination.host.clone(),
            identities,
            identity_agent,
            identities_only: yes("identitiesonly"),
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
            gssapi: yes("gssapiauthentication"),
            jumps: one("proxyjump")
                .map(|list| list.split(',').map(|hop| hop.trim().to_owned()).collect())
                .unwrap_or_default(),
            shares: one("controlpath").is_some(),
            proxy: one("proxycommand").is_some(),
            needs_ssh: [
                ("proxycommand", "ProxyCommand"),
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
            host_name,
            user,
            port,
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

fn local_user() -> String {
    std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default()
}

/// What the `%` tokens of ssh_config(5) stand for.
struct Tokens<'a> {
    host_name: &'a str,
    typed: &'a str,
    user: &'a str,
    port: u16,
}

impl Tokens<'_> {
    /// Expands `%` tokens and `${VARIABLES}`; what is unknown stays as it is.
    fn expand(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(['%', '$']) {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let (length, value) = if let Some(inner) = rest.strip_prefix("${").and_then(|r| r.split_once('}'))
            {
                (inner.0.len() + 3, std::env::var(inner.0).ok())
            } else {
                (2, rest.strip_prefix('%').and_then(|rest| self.token(rest.chars().next()?)))
            };
            match value {
                Some(value) => {
                    out.push_str(&value);
                    rest = &rest[length..];
                }
                None => {
                    out.push_str(&rest[..1]);
                    rest = &rest[1..];
                }
            }
        }
        out + rest
    }

    fn token(&self, letter: char) -> Option<String> {
        Some(match letter {
            '%' => "%".into(),
            'd' => std::env::home_dir()?.to_str()?.to_owned(),
            'h' => self.host_name.into(),
            'n' | 'k' => self.typed.into(),
            'p' => self.port.to_string(),
            'r' => self.user.into(),
            'u' => local_user(),
            'i' => rustix::process::getuid().as_raw().to_string(),
            _ => return None,
        })
    }
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
        let config = SshConfig::from_dump("proxycommand nc %h %p\n", &destination("h"));
        assert_eq!(config.needs_ssh().as_deref(), Some("ProxyCommand is set for h"));
        let config = SshConfig::from_dump("proxyjump gate,u@inner:2222\n", &destination("h"));
        assert_eq!((config.needs_ssh(), config.jumps), (None, vec!["gate".into(), "u@inner:2222".into()]));
    }

    #[test]
    fn tokens_of_key_files_are_expanded() {
        let dump = "hostname h.example.org\nuser me\nport 7\nidentityfile %d/.ssh/%r@%h-%n-%p%%x%Z$\nidentityfile /é%\n";
        let config = SshConfig::from_dump(dump, &destination("h"));
        let home = std::env::home_dir().unwrap_or_default();
        assert_eq!(config.identities, [home.join(".ssh/me@h.example.org-h-7%x%Z$"), PathBuf::from("/é%")]);
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
