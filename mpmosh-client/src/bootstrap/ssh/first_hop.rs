//! How the user's own ssh makes its first connection: by a program of ours (`mpmosh --dial`), which tries every interface
//! that may be used and hands the connection over (`ProxyUseFdpass`). ssh's own BindAddress and BindInterface choose an address,
//! and on Linux not the interface.
//!
//! Contract: ssh is left as it is where there is nothing to choose, where it is no OpenSSH, and where the user's settings
//! make the connection in a way of their own. Where an interface is forbidden that is [`Error::Unkept`] instead, before
//! anything has been sent.

use std::ffi::OsString;

use platform::interfaces;

use super::external::External;
use super::plain::SshProgram;
use super::reach;
use super::ssh_config::SshConfig;
use crate::bootstrap::command::is_plain;
use crate::bootstrap::{Error, Uplinks};
use crate::text::sanitize::one_line;

/// OpenSSH since this release takes a connection that is handed over, and tells its settings.
const SINCE: SshProgram = SshProgram::OpenSsh(6, 8);

/// What ssh is told of it.
#[derive(Debug, Default)]
pub(super) struct FirstHop {
    /// Options, `-o` and value in turn.
    options: Vec<OsString>,
    /// They lead through the hosts on the way, too.
    jumps: bool,
    /// The interfaces that may not be used: no connection that is there already may be, either.
    forbidden: Vec<String>,
}

impl FirstHop {
    /// For an ssh whose other options are known.
    ///
    /// # Errors
    /// [`Error::Unkept`].
    pub(super) fn of(ssh: &External, uplinks: &Uplinks) -> Result<Self, Error> {
        let interfaces = interfaces::list();
        let forbidden = uplinks.forbidden(&interfaces).into_iter();
        let forbidden: Vec<String> = forbidden.map(|(interface, _)| interface.name.clone()).collect();
        if forbidden.is_empty() && !uplinks.are_several(&interfaces) {
            return Ok(Self::default());
        }
        match Self::made(ssh, uplinks, &forbidden) {
            Ok(first_hop) => Ok(first_hop),
            Err(reason) if forbidden.is_empty() => {
                log::info!("ssh makes its connection itself: {reason}");
                Ok(Self::default())
            }
            Err(reason) => Err(Error::Unkept { host: ssh.host.clone(), forbidden, reason }),
        }
    }

    /// Where an interface is forbidden: ssh, with these options among its own, understands them so.
    ///
    /// # Errors
    /// [`Error::Unkept`].
    pub(super) fn confirm(&self, ssh: &External) -> Result<(), Error> {
        if !self.is_strict() {
            return Ok(());
        }
        let told = SshConfig::told_by(ssh.ssh(false), &ssh.destination);
        let holds = told.is_some_and(|(config, dump)| {
            let set = |option: &OsString| {
                let option = option.to_string_lossy();
                let Some((keyword, value)) = option.split_once('=') else { return true };
                let line = format!("{} {value}", keyword.to_lowercase());
                keyword == "CanonicalizeHostname" || dump.lines().any(|told| told == line)
            };
            !config.shares && self.options.iter().all(set)
        });
        match holds {
            true => Ok(()),
            false => Err(Error::Unkept {
                host: ssh.host.clone(),
                forbidden: self.forbidden.clone(),
                reason: format!(
                    "what “{}” says itself comes before what it is told",
                    one_line(&ssh.line, 80)
                ),
            }),
        }
    }

    /// The options, or why there can be none.
    fn made(ssh: &External, uplinks: &Uplinks, forbidden: &[String]) -> Result<Self, String> {
        if !ssh.kind.is_at_least(SINCE) {
            return Err(format!(
                "“{}” is not known to be an OpenSSH that takes a connection",
                one_line(&ssh.line, 80)
            ));
        }
        let silent = || format!("“{}” does not tell its settings", one_line(&ssh.line, 80));
        let config = match ssh.line == "ssh" {
            true => ssh.settings.of(&ssh.destination, &ssh.args).map_err(|error| error.to_string())?,
            false => SshConfig::told_by(ssh.ssh(false), &ssh.destination).ok_or_else(silent)?.0,
        };
        let way = reach::hops(&config, ssh.args.config.as_deref()).map_err(|error| error.to_string())?;
        let nearest = way.first().unwrap_or(&config);
        own_way(nearest)?;
        let program = std::env::current_exe().map_err(|_| "this program does not know its own place")?;
        let program = program.to_str().ok_or("this program's place is no text")?;
        let strict = !forbidden.is_empty();
        let mut command = dialler(program, uplinks, nearest, ssh.batch);
        for (place, hop) in way.iter().enumerate() {
            if !is_plain(&ssh.line) {
                return Err(format!(
                    "“{}” is more than a program for the hosts on the way",
                    one_line(&ssh.line, 80)
                ));
            }
            command = through(&ssh.line, ssh.args.config.as_deref(), hop, &command, place == 0, strict)?;
        }
        let mut options = vec![format!("ProxyCommand={command}")];
        if way.is_empty() {
            options.push("ProxyUseFdpass=yes".into());
        }
        if config.canonicalizes && way.is_empty() {
            options.push("CanonicalizeHostname=always".into());
        }
        let options = options.into_iter().flat_map(|option| ["-o".into(), option.into()]).collect();
        Ok(Self { options, jumps: !way.is_empty(), forbidden: forbidden.to_vec() })
    }

    pub(super) fn options(&self) -> &[OsString] {
        &self.options
    }

    pub(super) fn jumps(&self) -> bool {
        self.jumps
    }

    pub(super) fn is_strict(&self) -> bool {
        !self.forbidden.is_empty()
    }
}

/// Why a host's own settings make the connection.
fn own_way(host: &SshConfig) -> Result<(), String> {
    let name = one_line(&host.typed, 80);
    match host.bind {
        _ if host.has_proxy() => Err(format!("ProxyCommand is set for {name}, and connects as it likes")),
        Some(keyword) => Err(format!("{keyword} is set for {name}")),
        None => Ok(()),
    }
}

/// The command that connects to the host which ssh names, as ssh's configuration takes it.
fn dialler(program: &str, uplinks: &Uplinks, host: &SshConfig, quiet: bool) -> String {
    let mut words = vec![program.to_owned(), "--dial".into()];
    words.extend(uplinks.options());
    if let Some(family) = &host.address_family {
        words.push(format!("--address-family={family}"));
    }
    if let Some(timeout) = host.connect_timeout {
        words.push(format!("--timeout={}", timeout.as_secs()));
    }
    if host.attempts > 1 {
        words.push(format!("--attempts={}", host.attempts));
    }
    if host.keeps_alive {
        words.push("--keep-alive".into());
    }
    if quiet {
        words.push("--quiet".into());
    }
    format!("{} '%h' %p", escaped(&words))
}

/// The command that connects through a host on the way, which `before` leads to: what ssh makes of ProxyJump itself, with the
/// way to that host said.
fn through(
    ssh: &str,
    file: Option<&std::path::Path>,
    hop: &SshConfig,
    before: &str,
    first: bool,
    strict: bool,
) -> Result<String, String> {
    let mut words = vec![ssh.to_owned()];
    if let Some(file) = file {
        words.extend(["-F".into(), file.to_str().ok_or("the configuration file's name is no text")?.into()]);
    }
    words.extend(["-l".into(), hop.user.clone(), "-p".into(), hop.port.to_string()]);
    words.extend(["-o".into(), format!("ProxyCommand={before}")]);
    if first {
        words.extend(["-o".into(), "ProxyUseFdpass=yes".into()]);
    }
    if strict {
        words.extend(["-o".into(), "ControlPath=none".into()]);
    }
    Ok(format!("{} -W '[%h]:%p' -- {}", escaped(&words), escaped(core::slice::from_ref(&hop.typed))))
}

/// Words for a shell in which ssh finds no tokens of its own.
fn escaped(words: &[String]) -> String {
    words.iter().map(|word| for_any_shell(word).replace('%', "%%")).collect::<Vec<_>>().join(" ")
}

/// One word for the user's shell, whichever that is, also inside of another such word: what means something within single
/// quotes to one of them (to fish a backslash, to csh an exclamation mark) stands outside.
fn for_any_shell(word: &str) -> String {
    if is_plain(word) {
        return word.to_owned();
    }
    let pieces = word.split_inclusive(['\'', '\\', '!']).map(|piece| {
        let (text, sign) = match piece.chars().last() {
            Some('\'') => (piece.strip_suffix('\''), "\"'\""),
            Some('\\') => (piece.strip_suffix('\\'), "\\\\"),
            Some('!') => (piece.strip_suffix('!'), "\\!"),
            _ => (None, ""),
        };
        match text.unwrap_or(piece) {
            "" => sign.to_owned(),
            text => format!("'{text}'{sign}"),
        }
    });
    let quoted: String = pieces.collect();
    if quoted.is_empty() { "''".into() } else { quoted }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Destination, SshArgs};
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    fn host(text: &str, settings: &[&str]) -> SshConfig {
        let destination = Destination::parse(text).unwrap_or_else(|error| panic!("{error}"));
        let options = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let args = SshArgs { config: Some("/dev/null".into()), options, ..SshArgs::default() };
        SshConfig::read(&destination, &args).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A program at a place that is hard to name, which writes its words a line each.
    fn program(name: &str) -> PathBuf {
        let random = u64::from_ne_bytes(platform::login::random::<8>().unwrap_or_else(|e| panic!("{e}")));
        let folder = std::env::temp_dir().join(format!("mpmosh it's\\ 100%h! {random:x}"));
        fs::create_dir(&folder).unwrap_or_else(|error| panic!("{error}"));
        let place = folder.join(name);
        fs::write(&place, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").unwrap_or_else(|error| panic!("{error}"));
        fs::set_permissions(&place, Permissions::from_mode(0o755)).unwrap_or_else(|error| panic!("{error}"));
        place
    }

    /// What a command says that ssh runs for a host: its tokens are put in (ssh_config(5)), and the user's shell reads it.
    fn said(shell: &str, command: &str, host: &str) -> Vec<String> {
        let command = command.replace("%%", "\0").replace("%h", host).replace("%p", "22").replace('\0', "%");
        let output = Command::new(shell).args(["-c", &format!("exec {command}")]).output();
        let output = output.unwrap_or_else(|error| panic!("{shell}: {error}"));
        assert!(output.stderr.is_empty(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// The shells of this machine that a user of ssh may have.
    fn shells() -> Vec<&'static str> {
        let is_there = |shell: &&str| {
            std::env::var_os("PATH")
                .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(shell).is_file()))
        };
        ["sh", "bash", "zsh", "tcsh", "fish"].into_iter().filter(is_there).collect()
    }

    #[test]
    fn the_command_means_the_same_in_every_shell_and_at_every_host_on_the_way() {
        let place = program("mpmosh");
        let text = place.to_str().unwrap_or_else(|| panic!("{place:?}"));
        let settings = ["AddressFamily=inet", "ConnectTimeout=7", "ConnectionAttempts=3"];
        let near = dialler(text, &Uplinks::default(), &host("gate", &settings), true);
        let dialled = [
            "--dial",
            "--metered=backup",
            "--family=auto",
            "--address-family=inet",
            "--timeout=7",
            "--attempts=3",
            "--keep-alive",
            "--quiet",
            "server",
            "22",
        ];
        let file = Some(Path::new("/etc/my %n's file"));
        for shell in shells() {
            assert_eq!(said(shell, &near, "server"), dialled, "{shell}");
            let mut command = near.clone();
            let hops = [host("u@gate:2222", &[]), host("inner", &[])];
            for (place, hop) in hops.iter().enumerate() {
                command =
                    through(text, file, hop, &command, place == 0, true).unwrap_or_else(|e| panic!("{e}"));
            }
            // From the far end back: each host on the way gets the command that leads to it.
            for (place, hop) in hops.iter().enumerate().rev() {
                let words = said(shell, &command, "server");
                let proxy = words.iter().find_map(|word| word.strip_prefix("ProxyCommand="));
                command = proxy.unwrap_or_else(|| panic!("{words:?}")).to_owned();
                assert_eq!(words[..2], ["-F", "/etc/my %n's file"], "{shell}");
                assert_eq!(words[2..6], ["-l", &hop.user, "-p", &hop.port.to_string()], "{shell}");
                assert_eq!(words[words.len() - 4..], ["-W", "[server]:22", "--", &hop.typed], "{shell}");
                assert_eq!(words.contains(&"ProxyUseFdpass=yes".to_owned()), place == 0, "{shell}");
            }
            assert_eq!(said(shell, &command, "server"), dialled, "{shell}");
        }
        let _ = fs::remove_dir_all(place.parent().unwrap_or(&place));
    }

    #[test]
    fn what_connects_in_a_way_of_its_own_is_told() {
        let told = |settings: &[&str]| own_way(&host("h", settings)).err();
        assert_eq!(told(&[]), None);
        assert!(
            told(&["ProxyCommand=nc %h %p"]).is_some_and(|told| told.contains("ProxyCommand is set for h"))
        );
        assert_eq!(told(&["BindInterface=lo"]).as_deref(), Some("BindInterface is set for h"));
        assert_eq!(told(&["BindAddress=127.0.0.1"]).as_deref(), Some("BindAddress is set for h"));
        assert_eq!(told(&["ProxyCommand=none"]), None);
    }
}
