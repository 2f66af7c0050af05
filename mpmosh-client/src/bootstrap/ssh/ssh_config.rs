//! What the user's ssh configuration says of a host.
//!
//! Contract: `ssh -G` is asked when there is an ssh, so that every file, pattern and `Match` means exactly what it means
//! to ssh. Without one, [`reader`] reads the files itself, and refuses what only ssh understands.

mod reader;
mod tokens;
mod values;

use tokens::Tokens;

use core::cell::RefCell;
use core::time::Duration;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use super::plain::SshProgram;
use super::private_key;
use super::reach;
use crate::bootstrap::Error;
use crate::cli::args::{Destination, SshArgs};
use crate::text::pattern::wildcard;
use crate::text::sanitize::one_line;
use platform::login::{self, LOCALE_VARIABLES};

/// The settings of one host that we act upon.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one keyword of ssh_config(5)")]
pub(in crate::bootstrap) struct SshConfig {
    /// The host as typed.
    pub(super) typed: String,
    pub(in crate::bootstrap) host_name: String,
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
    /// Lists of algorithms, as [`super::algorithms::chosen`] reads them.
    pub(super) host_key_algorithms: Option<String>,
    pub(super) kex_algorithms: Option<String>,
    pub(super) ciphers: Option<String>,
    pub(super) macs: Option<String>,
    /// Of which algorithms the user's keys may be (`PubkeyAcceptedAlgorithms`).
    pub(super) key_algorithms: Option<String>,
    /// Keys of files go into the agent (`AddKeysToAgent`).
    pub(super) adds_keys: bool,
    /// Names, with wildcards, of the variables to pass on (`SendEnv`).
    send_env: Vec<String>,
    /// `NAME=value` (`SetEnv`).
    set_env: Vec<String>,
    /// How long the host may be silent before it is asked for a sign of life (`ServerAliveInterval`).
    pub(super) alive_interval: Option<Duration>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) address_family: Option<String>,
    pub(super) batch: bool,
    pub(super) prompts: u32,
    pub(super) public_key: Permit,
    pub(super) keyboard_interactive: Permit,
    pub(super) password: Permit,
    pub(super) gssapi: bool,
    /// The hosts of `ProxyJump`, the nearest to us first.
    pub(super) jumps: Vec<String>,
    /// Whether connections are shared already (`ControlPath`).
    pub(super) shares: bool,
    proxy: bool,
    /// What ties the connection to an address or interface (`BindAddress`, `BindInterface`).
    pub(super) bind: Option<&'static str>,
    /// Names are made whole, where no other host lies on the way (`CanonicalizeHostname yes`).
    pub(super) canonicalizes: bool,
    /// How often the connection is tried (`ConnectionAttempts`).
    pub(super) attempts: u32,
    /// The system looks after an idle connection (`TCPKeepAlive`).
    pub(super) keeps_alive: bool,
    needs_ssh: Option<String>,
}

/// The keywords at which ssh takes the word `none`, in either case, for nothing at all. At every other one it is a value like
/// any other: a user, a host, or a list of one method may be called so.
const NONE_IS_NOTHING: [&str; 14] = [
    "certificatefile",
    "connecttimeout",
    "controlpath",
    "globalknownhostsfile",
    "identityfile",
    "knownhostscommand",
    "localcommand",
    "pkcs11provider",
    "proxycommand",
    "proxyjump",
    "remotecommand",
    "revokedhostkeys",
    "serveraliveinterval",
    "userknownhostsfile",
];

/// Whether a way of logging in may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permit {
    /// It may.
    Given,
    /// This keyword forbids it.
    Refused(&'static str),
}

impl Permit {
    pub(super) fn given(self) -> bool {
        self == Self::Given
    }
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
pub(in crate::bootstrap) fn ssh_exists() -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join("ssh").is_file()))
}

/// What ssh makes of its configuration.
///
/// Some settings of a person's sessions keep it from answering ([`super::plain`]). An option that it does not know it refuses
/// before it reads any file, so that a second try runs no `Match exec` again.
fn ask_ssh(destination: &Destination, args: &SshArgs) -> Result<String, Error> {
    let mut told = String::new();
    for kind in SshProgram::NEW_AND_OLD {
        let output = Command::new("ssh")
            .arg("-G")
            .args(kind.options(false))
            .args(ssh_options(destination, args))
            .arg("--")
            .arg(&destination.host)
            .stdin(Stdio::null())
            .output()
            .map_err(|cause| Error::Spawn { program: "ssh".into(), cause })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        told = one_line(&String::from_utf8_lossy(&output.stderr), 400);
        if !told.to_lowercase().contains("command-line: line 0: bad configuration option: sessiontype") {
            break;
        }
    }
    Err(Error::SshConfig { evidence: told })
}

/// What the configuration says of one host: asked for once, however many ask, since `Match exec` runs a command each time.
/// Clones share it.
#[derive(Clone, Debug, Default)]
pub struct HostSettings(Arc<Mutex<Option<SshConfig>>>);

impl HostSettings {
    /// The settings.
    pub(in crate::bootstrap) fn of(
        &self,
        destination: &Destination,
        args: &SshArgs,
    ) -> Result<SshConfig, Error> {
        let Ok(mut known) = self.0.lock() else { return SshConfig::read(destination, args) };
        let config = match known.take() {
            Some(config) => config,
            None => SshConfig::read(destination, args)?,
        };
        Ok(known.insert(config).clone())
    }
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
        let dump = match ssh_exists() {
            true => ask_ssh(destination, args)?,
            false => reader::read(destination, args, &local_user())?,
        };
        let mut config = Self::from_dump(&dump, destination);
        // The default names are listed too; only what exists matters.
        config.identities.retain(|file| private_key::is_there(file));
        Ok(config)
    }

    /// The variables that the host's programs are to have: those of `SetEnv`, and those of ours that `SendEnv` names. The
    /// locale's are the server's to pass on, whatever sshd accepts.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let set = self.set_env.iter().filter_map(|pair| pair.split_once('='));
        let mut all: Vec<(String, String)> =
            set.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        for (name, value) in std::env::vars_os() {
            let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else { continue };
            let sent = self.send_env.iter().any(|pattern| wildcard(pattern, name));
            if sent && !LOCALE_VARIABLES.contains(&name) && !all.iter().any(|(known, _)| known == name) {
                all.push((name.to_owned(), value.to_owned()));
            }
        }
        all
    }

    /// Why libssh2 will not do, if it will not.
    pub(in crate::bootstrap) fn needs_ssh(&self) -> Option<String> {
        self.needs_ssh.clone()
    }

    /// What a command with all that an ssh takes, up to the host, makes of its configuration (`-G`); `None` where it does not
    /// tell.
    pub(super) fn told_by(mut ssh: Command, destination: &Destination) -> Option<(Self, String)> {
        ssh.arg("-G").arg("--").arg(&destination.host).stdin(Stdio::null());
        let output = ssh.output().ok().filter(|output| output.status.success())?;
        let dump = String::from_utf8_lossy(&output.stdout).into_owned();
        Some((Self::from_dump(&dump, destination), dump))
    }

    /// Whether a program of the user's makes the connection.
    pub(super) fn has_proxy(&self) -> bool {
        self.proxy
    }

    /// What lies between here and the host for ssh, if anything does.
    pub(in crate::bootstrap) fn through(&self) -> Option<String> {
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
        let nothing = |keyword: &str, value: &str| {
            NONE_IS_NOTHING.contains(&keyword) && value.eq_ignore_ascii_case("none")
        };
        let one = |keyword| all(keyword).next().filter(|value| !nothing(keyword, value));
        let yes = |keyword| matches!(one(keyword), Some("yes" | "true"));
        let permit = |method: &str, keyword: &'static str, name| {
            let preferred =
                one("preferredauthentications").is_none_or(|list| list.split(',').any(|word| word == method));
            match preferred {
                true if matches!(one(keyword), Some("no" | "false")) => Permit::Refused(name),
                true => Permit::Given,
                false => Permit::Refused("PreferredAuthentications"),
            }
        };
        let host_name = one("hostname").unwrap_or(&destination.host).to_owned();
        let user = one("user").map(str::to_owned).or_else(|| destination.user.clone()).unwrap_or_default();
        let port = one("port").and_then(|port| port.parse().ok()).unwrap_or(22);
        let jumps: Vec<String> = one("proxyjump")
            .map(|list| list.split(',').map(|hop| hop.trim().to_owned()).collect())
            .unwrap_or_default();
        // One that is none is told of when the way is taken.
        let gate = jumps.last().and_then(|hop| reach::destination(hop).ok());
        let tokens = Tokens {
            host_name: &host_name,
            typed: &destination.host,
            user: &user,
            port,
            host_key_alias: one("hostkeyalias"),
            jump: gate.as_ref().map_or("", |gate| &gate.host),
        };
        // What we cannot read is ssh's: a key file must not go missing without a word.
        let unknown = RefCell::new(None);
        let file = |keyword: &str, value: &str| {
            let file = tokens.file(value);
            if let Err(value) = &file {
                let told = format!("{keyword} {} means nothing to the built-in ssh", one_line(value, 80));
                unknown.borrow_mut().get_or_insert(told);
            }
            file.ok()
        };
        // `ssh -G` leaves the tokens of these as they are.
        let identities = all("identityfile")
            .filter(|value| !nothing("identityfile", value))
            .filter_map(|value| file("IdentityFile", value))
            .collect();
        let identity_agent = match all("identityagent").next() {
            None | Some("SSH_AUTH_SOCK") => None,
            Some(word) if word.eq_ignore_ascii_case("none") => Some(PathBuf::new()),
            Some(socket) => match socket.strip_prefix('$').filter(|name| !name.starts_with('{')) {
                Some(name) => std::env::var_os(name).map(PathBuf::from),
                None => file("IdentityAgent", socket),
            },
        };
        // `ssh -G` writes the names of a list without quotes, so that one with a blank looks like two. A record must not be
        // looked for, or made, in whatever folder this is run from.
        let records = |keyword, name| {
            let files: Vec<PathBuf> = all(keyword)
                .filter(|value| !nothing(keyword, value))
                .flat_map(words_of)
                .filter_map(|word| file(name, &word))
                .collect();
            if let Some(file) = files.iter().find(|file| !file.is_absolute()) {
                let told =
                    format!("{name} names {}, which is no whole path", one_line(&file.to_string_lossy(), 80));
                unknown.borrow_mut().get_or_insert(told);
            }
            files
        };
        let mut send_env: Vec<String> = Vec::new();
        for word in all("sendenv").flat_map(words_of) {
            match word.strip_prefix('-') {
                Some(pattern) => send_env.retain(|known| !wildcard(pattern, known)),
                None => send_env.push(word),
            }
        }
        let user_known_hosts = records("userknownhostsfile", "UserKnownHostsFile");
        let global_known_hosts = records("globalknownhostsfile", "GlobalKnownHostsFile");
        Self {
            typed: destination.host.clone(),
            identities,
            identity_agent,
            identities_only: yes("identitiesonly"),
            user_known_hosts,
            global_known_hosts,
            strict: match one("stricthostkeychecking") {
                Some("yes" | "true") => Strict::Yes,
                // With `no` ssh also lets changed keys pass, with a warning; that much is never right.
                Some("no" | "off" | "false" | "accept-new") => Strict::AcceptNew,
                _ => Strict::Ask,
            },
            hash_known_hosts: yes("hashknownhosts"),
            host_key_alias: one("hostkeyalias").map(str::to_owned),
            host_key_algorithms: one("hostkeyalgorithms").map(str::to_owned),
            kex_algorithms: one("kexalgorithms").map(str::to_owned),
            ciphers: one("ciphers").map(str::to_owned),
            macs: one("macs").map(str::to_owned),
            // The older name, of OpenSSH before 8.5.
            key_algorithms: one("pubkeyacceptedalgorithms")
                .or(one("pubkeyacceptedkeytypes"))
                .map(str::to_owned),
            adds_keys: one("addkeystoagent").is_some_and(|value| !matches!(value, "no" | "false")),
            send_env,
            set_env: all("setenv").map(str::to_owned).collect(),
            alive_interval: one("serveraliveinterval").and_then(time),
            connect_timeout: one("connecttimeout").and_then(time),
            address_family: one("addressfamily").filter(|family| *family != "any").map(str::to_owned),
            batch: yes("batchmode"),
            prompts: one("numberofpasswordprompts").and_then(|n| n.parse().ok()).unwrap_or(3),
            public_key: permit("publickey", "pubkeyauthentication", "PubkeyAuthentication"),
            keyboard_interactive: permit(
                "keyboard-interactive",
                "kbdinteractiveauthentication",
                "KbdInteractiveAuthentication",
            ),
            password: permit("password", "passwordauthentication", "PasswordAuthentication"),
            gssapi: yes("gssapiauthentication"),
            shares: one("controlpath").is_some(),
            proxy: one("proxycommand").is_some(),
            bind: [("bindaddress", "BindAddress"), ("bindinterface", "BindInterface")]
                .into_iter()
                .find_map(|(keyword, name)| one(keyword).map(|_| name)),
            canonicalizes: yes("canonicalizehostname"),
            attempts: one("connectionattempts").and_then(|n| n.parse().ok()).unwrap_or(1),
            keeps_alive: one("tcpkeepalive").is_none_or(|value| !matches!(value, "no" | "false")),
            needs_ssh: handed_over(&|keyword| one(keyword))
                .map(|name| format!("{name} is set for {}", one_line(&destination.host, 80)))
                .or(unknown.take()),
            jumps,
            host_name,
            user,
            port,
        }
    }
}

/// Keywords that only ssh can follow, once they have a value at all.
const HANDED_WHEN_SET: [(&str, &str); 9] = [
    ("proxycommand", "ProxyCommand"),
    ("controlpath", "ControlPath"),
    ("certificatefile", "CertificateFile"),
    ("knownhostscommand", "KnownHostsCommand"),
    ("revokedhostkeys", "RevokedHostKeys"),
    ("pkcs11provider", "PKCS11Provider"),
    ("bindaddress", "BindAddress"),
    ("bindinterface", "BindInterface"),
    ("refuseconnection", "RefuseConnection"),
];

/// The same with any value but no.
const HANDED_WHEN_ON: [(&str, &str); 4] = [
    ("hostbasedauthentication", "HostbasedAuthentication"),
    ("verifyhostkeydns", "VerifyHostKeyDNS"),
    ("nohostauthenticationforlocalhost", "NoHostAuthenticationForLocalhost"),
    ("gssapikeyexchange", "GSSAPIKeyExchange"),
];

/// The same with more than what libssh2 does anyhow.
const HANDED_ABOVE: [(&str, &str, u32); 2] =
    [("connectionattempts", "ConnectionAttempts", 1), ("requiredrsasize", "RequiredRSASize", 1024)];

/// The keyword for which the host is ssh's, if there is one.
fn handed_over<'a>(one: &dyn Fn(&'static str) -> Option<&'a str>) -> Option<&'static str> {
    let on = |keyword| one(keyword).is_some_and(|value| !matches!(value, "no" | "false"));
    let above = |keyword, most| one(keyword).and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| n > most);
    let set = HANDED_WHEN_SET.iter().find(|(keyword, _)| one(keyword).is_some()).map(|(_, name)| *name);
    set.or_else(|| HANDED_WHEN_ON.iter().find(|(keyword, _)| on(keyword)).map(|(_, name)| *name))
        .or_else(|| HANDED_ABOVE.iter().find(|(keyword, _, n)| above(keyword, *n)).map(|(_, name, _)| *name))
        .or_else(|| (on("permitlocalcommand") && one("localcommand").is_some()).then_some("LocalCommand"))
        .or_else(|| {
            let list = one("preferredauthentications")?;
            (!is_our_order(list)).then_some("PreferredAuthentications")
        })
}

/// Whether the ways of logging in come in the order in which the built-in ssh tries them.
fn is_our_order(list: &str) -> bool {
    let place = |way: &str| ["publickey", "keyboard-interactive", "password"].iter().position(|w| *w == way);
    list.split(',').filter_map(place).is_sorted()
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

/// A length of time as sshd_config(5) writes it: seconds, or numbers with units. None at all is no limit.
fn time(text: &str) -> Option<Duration> {
    let mut total = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let mut letters = after.chars();
        let unit = match letters.next().map(|letter| letter.to_ascii_lowercase()) {
            None | Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            Some('w') => 604_800,
            Some(_) => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        rest = letters.as_str();
    }
    (total > 0).then(|| Duration::from_secs(total))
}

/// By the system's list, as with ssh: a variable may be missing.
fn local_user() -> String {
    login::User::current().name.to_string_lossy().into_owned()
}

/// The home in which ssh looks for its files: the list's, whatever `$HOME` says.
pub(in crate::bootstrap) fn home() -> Option<PathBuf> {
    login::listed_home().or_else(std::env::home_dir)
}

#[cfg(test)]
mod tests;
