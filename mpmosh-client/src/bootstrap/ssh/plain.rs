//! What makes the user's own ssh carry our command, whatever its configuration keeps for sessions of a person.
//!
//! Contract: an option that an ssh does not know is fatal to it, and `IgnoreUnknown` would replace the user's own list: each
//! ssh is given what its release has. They come behind the user's own words for ssh and before all other options, so that
//! of two values theirs holds against the files, and the user's against theirs.

use std::process::{Command, Stdio};

/// Options that every OpenSSH of these days has: no forwardings, which may fail or are another program's already, and no
/// other command.
const ALWAYS: [&str; 5] =
    ["ClearAllForwardings=yes", "RemoteCommand=none", "ForwardAgent=no", "ForwardX11=no", "RequestTTY=no"];

/// Options of OpenSSH 8.7 and later: a command, with its input, in the foreground.
const SINCE_8_7: [&str; 3] = ["SessionType=default", "ForkAfterAuthentication=no", "StdinNull=no"];

/// What an ssh program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SshProgram {
    /// OpenSSH of this release.
    OpenSsh(u32, u32),
    /// Something that does not tell; most likely a script around OpenSSH.
    Unknown,
    /// Something else, whose options are its own.
    Other,
}

impl SshProgram {
    /// Asks the command, which is text for sh.
    pub(super) fn of(command: &str) -> Self {
        let asked = Command::new("sh")
            .arg("-c")
            .arg(format!("exec {command} \"$@\""))
            .args(["mpmosh", "-V"])
            .stdin(Stdio::null())
            .output();
        match asked {
            Ok(output) => Self::told(&String::from_utf8_lossy(&[output.stderr, output.stdout].concat())),
            Err(_) => Self::Unknown,
        }
    }

    /// Reads what `ssh -V` says.
    fn told(text: &str) -> Self {
        let Some((_, rest)) = text.split_once("OpenSSH_") else {
            return if text.trim().is_empty() { Self::Unknown } else { Self::Other };
        };
        let rest = rest.strip_prefix("for_Windows_").unwrap_or(rest);
        let mut numbers = rest.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Self::OpenSsh(major, minor),
            _ => Self::Unknown,
        }
    }

    /// Whether it is OpenSSH, of another's release or a later one.
    pub(super) fn is_at_least(self, other: Self) -> bool {
        match (self, other) {
            (Self::OpenSsh(major, minor), Self::OpenSsh(since, and)) => (major, minor) >= (since, and),
            _ => false,
        }
    }

    /// The options, `-o` and value in turn. With `terminal` the command is to have one.
    pub(super) fn options(self, terminal: bool) -> Vec<String> {
        let newer: &[&str] = match self {
            _ if self.is_at_least(Self::OpenSsh(8, 7)) => &SINCE_8_7,
            Self::OpenSsh(..) | Self::Unknown => &[],
            Self::Other => return Vec::new(),
        };
        let wanted = |option: &&&str| !terminal || !option.starts_with("RequestTTY");
        let all = ALWAYS.iter().chain(newer).filter(wanted);
        all.flat_map(|option| ["-o".to_owned(), (*option).to_owned()]).collect()
    }

    /// The kinds to try where asking costs more than a second try: the newest, and the oldest.
    pub(super) const NEW_AND_OLD: [Self; 2] = [Self::OpenSsh(8, 7), Self::Unknown];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_read_from_the_words_of_ssh() {
        for (text, kind) in [
            ("OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.19 27 Jan 2026\n", SshProgram::OpenSsh(9, 2)),
            ("OpenSSH_10.0p2, LibreSSL 3.3.6\n", SshProgram::OpenSsh(10, 0)),
            ("OpenSSH_for_Windows_8.1p1, LibreSSL 3.0.2\n", SshProgram::OpenSsh(8, 1)),
            ("warning: something\nOpenSSH_7.6p1\n", SshProgram::OpenSsh(7, 6)),
            ("Dropbear v2022.83\n", SshProgram::Other),
            ("OpenSSH_x", SshProgram::Unknown),
            ("\n", SshProgram::Unknown),
        ] {
            assert_eq!(SshProgram::told(text), kind, "{text}");
        }
        assert_eq!(SshProgram::of("echo Dropbear v1;"), SshProgram::Other);
        assert_eq!(SshProgram::of("true"), SshProgram::Unknown);
    }

    #[test]
    fn each_release_is_given_what_it_knows() {
        let newer = |kind: SshProgram| kind.options(false).iter().any(|word| word.starts_with("SessionType"));
        assert!(newer(SshProgram::OpenSsh(8, 7)) && newer(SshProgram::OpenSsh(10, 0)));
        assert!(!newer(SshProgram::OpenSsh(8, 6)) && !newer(SshProgram::Unknown));
        assert!(SshProgram::Other.options(false).is_empty());
        let tty = |terminal| SshProgram::Unknown.options(terminal).contains(&"RequestTTY=no".to_owned());
        assert!(tty(false) && !tty(true));
    }
}
