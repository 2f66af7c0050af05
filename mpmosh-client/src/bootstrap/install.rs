//! Putting our server on a host that has none: `--install-server`.
//!
//! Contract: one file is written on the host, `~/.local/bin/mpmosh-server`, and only once the copy is whole and has run
//! there; an older one is replaced at once, never half. Nothing needs more rights than the user has.

use std::fs;
use std::path::{Path, PathBuf};

use super::dialogue::Dialogue;
use super::remote::Remote;
use super::{Error, Request};

/// Where packages of servers are, besides below the user's data directory.
const PLACES: [&str; 2] = ["/usr/local/share/mpmosh/servers", "/usr/share/mpmosh/servers"];
/// The installed server, as shell text.
const INSTALLED: &str = r#""$HOME/.local/bin/mpmosh-server""#;
/// Which system the host is.
const SYSTEM: &str = r#"echo; echo "MPMOSH SYSTEM $(uname -s) $(uname -m)""#;
/// Takes the server on standard input; `$1` is its size. It must run, and say that it is one, before it takes its name.
const TAKE: &str = r#"umask 022; d="$HOME/.local/bin"; mkdir -p "$d" || exit 1; n="$d/.mpmosh-server.$$"; if cat >"$n" && [ "$(wc -c <"$n")" -eq "$1" ] && chmod 755 "$n" && v=$("$n" --version 2>&1 </dev/null) && case $v in "mpmosh-server "*) ;; *) v="it is no mpmosh-server: its --version says $v"; false;; esac && mv -f "$n" "$d/mpmosh-server"; then echo; echo "MPMOSH INSTALLED $v"; else rm -f "$n"; echo; echo "MPMOSH REFUSED $v"; exit 1; fi"#;

/// Copies a server that fits to the host, and has the request start it.
pub(super) fn run(
    remote: &mut dyn Remote,
    request: &mut Request,
    dialogue: &mut dyn Dialogue,
) -> Result<(), Error> {
    let host = remote.host().to_owned();
    dialogue.stage(Some(&format!("looking at {host}'s system")));
    let answer = remote.ask(SYSTEM, &[], &[])?;
    let told = answer.line("MPMOSH SYSTEM ").unwrap_or_default();
    let Some((system, machine)) = told.split_once(' ') else {
        return Err(Error::Install {
            host,
            evidence: format!("it does not tell its system: {}", answer.last_words()),
        });
    };
    let places = Places::new(request.install.as_deref());
    let Some((file, bytes)) = places.server_for(system, machine) else {
        let looked = places.named(system, machine);
        return Err(Error::NoPackage { host, system: told.clone(), looked });
    };
    dialogue.stage(Some(&format!("copying {} to {host}", file.display())));
    let answer = remote.ask(TAKE, &[bytes.len().to_string()], &bytes)?;
    let Some(version) = answer.line("MPMOSH INSTALLED ") else {
        let words = answer.line("MPMOSH REFUSED ").filter(|words| !words.is_empty());
        let evidence = words.unwrap_or_else(|| answer.last_words());
        return Err(Error::Install { host, evidence });
    };
    dialogue.tell(&format!("mpmosh: {version} is now in ~/.local/bin on {host}"));
    request.server.program = Some(INSTALLED.into());
    Ok(())
}

/// Where servers for other systems may lie on this machine.
struct Places {
    /// The user's own, a directory or one file.
    named: Option<PathBuf>,
    directories: Vec<PathBuf>,
    /// This machine's own server.
    own: Vec<PathBuf>,
    /// This machine's system and machine.
    here: (String, String),
}

impl Places {
    fn new(named: Option<&Path>) -> Self {
        let data = std::env::var_os("XDG_DATA_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| std::env::home_dir().map(|home| home.join(".local/share")));
        let directories = data
            .map(|data| data.join("mpmosh/servers"))
            .into_iter()
            .chain(PLACES.map(PathBuf::from))
            .collect();
        let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.to_owned()));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let own =
            beside.into_iter().chain(std::env::split_paths(&path)).map(|d| d.join("mpmosh-server")).collect();
        let uname = rustix::system::uname();
        let text = |name: &core::ffi::CStr| name.to_string_lossy().into_owned();
        Self {
            named: named.filter(|path| !path.as_os_str().is_empty()).map(Into::into),
            directories,
            own,
            here: (text(uname.sysname()), text(uname.machine())),
        }
    }

    /// The files that are looked for, in their order.
    fn named(&self, system: &str, machine: &str) -> Vec<PathBuf> {
        // As `make static` names them.
        let name = format!("mpmosh-server-{machine}-{}", system.to_lowercase());
        // A system that calls itself ../x names no file.
        if name.contains('/') {
            return Vec::new();
        }
        let in_directory = |directory: &PathBuf| directory.join(&name);
        if let Some(named) = &self.named {
            return vec![if named.is_dir() { in_directory(named) } else { named.clone() }];
        }
        let same = (self.here.0.as_str(), self.here.1.as_str()) == (system, machine);
        let own = self.own.iter().filter(|_| same).cloned();
        self.directories.iter().map(in_directory).chain(own).collect()
    }

    fn server_for(&self, system: &str, machine: &str) -> Option<(PathBuf, Vec<u8>)> {
        self.named(system, machine).into_iter().find_map(|file| {
            let bytes = fs::read(&file).ok()?;
            Some((file, bytes))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(named: Option<&str>) -> Places {
        Places {
            named: named.map(PathBuf::from),
            directories: vec!["/data".into()],
            own: vec!["/bin/mpmosh-server".into()],
            here: ("Linux".into(), "x86_64".into()),
        }
    }

    #[test]
    fn a_package_comes_before_this_machines_own_which_must_fit() {
        let named = |system, machine| places(None).named(system, machine);
        assert_eq!(
            named("Linux", "x86_64"),
            [PathBuf::from("/data/mpmosh-server-x86_64-linux"), "/bin/mpmosh-server".into()]
        );
        assert_eq!(named("Linux", "aarch64"), [PathBuf::from("/data/mpmosh-server-aarch64-linux")]);
        assert_eq!(named("FreeBSD", "amd64"), [PathBuf::from("/data/mpmosh-server-amd64-freebsd")]);
        assert!(named("../../etc", "x86_64").is_empty());
        assert_eq!(places(Some("/own/file")).named("Linux", "aarch64"), [PathBuf::from("/own/file")]);
    }
}
