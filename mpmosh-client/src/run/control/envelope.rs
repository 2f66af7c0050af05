//! Where the control sockets are, and what goes over them: what both ends of `mpmosh paths` agree on.

use crate::session::report::{SessionReport, VERSION};
use serde::{Deserialize, Serialize};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The longest path of a folder that leaves room for a socket in it: addresses of sockets have 104 octets on the BSDs and
/// macOS.
const FOLDER: usize = 80;

/// The folders where control sockets may be, the best first: `$XDG_RUNTIME_DIR/mpmosh` where that is this user's, else
/// `mpmosh-UID` in `$TMPDIR`, or in `/tmp` where there is none, or where its path is too long for a socket. Who has both
/// variables of their own has sessions of their own, apart from those of the rest of the machine.
#[must_use]
pub(crate) fn places() -> Vec<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let is_ours = |folder: &Path| folder.symlink_metadata().is_ok_and(|about| about.uid() == user);
    places_of(user, |name| std::env::var_os(name).map(PathBuf::from), is_ours)
}

fn places_of(
    user: u32,
    variable: impl Fn(&str) -> Option<PathBuf>,
    is_ours: impl Fn(&Path) -> bool,
) -> Vec<PathBuf> {
    let folder = |name: &str| variable(name).filter(|path| path.is_absolute());
    let runtime =
        folder("XDG_RUNTIME_DIR").filter(|folder| is_ours(folder)).map(|folder| folder.join("mpmosh"));
    let own = |folder: PathBuf| folder.join(format!("mpmosh-{user}"));
    let temporary = folder("TMPDIR").map(own).filter(|folder| folder.as_os_str().len() <= FOLDER);
    runtime.into_iter().chain([temporary.unwrap_or_else(|| own("/tmp".into()))]).collect()
}

/// What goes over the socket: one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Envelope {
    pub(crate) version: u32,
    pub(crate) release: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<SessionReport>,
}

/// What of it every version has.
#[derive(Deserialize)]
pub(crate) struct Version {
    pub(crate) version: u32,
    #[serde(default)]
    pub(crate) release: String,
}

impl Envelope {
    /// A report.
    #[must_use]
    pub(crate) fn of(session: SessionReport) -> Self {
        Self {
            version: VERSION,
            release: env!("CARGO_PKG_VERSION").into(),
            error: None,
            session: Some(session),
        }
    }

    /// Why there is no report.
    #[must_use]
    pub(crate) fn problem(error: String) -> Self {
        Self {
            version: VERSION,
            release: env!("CARGO_PKG_VERSION").into(),
            error: Some(error),
            session: None,
        }
    }

    /// The line, with its end.
    #[must_use]
    pub(crate) fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_folders_of_their_own_has_sessions_of_their_own() {
        let places = |runtime: &str, temporary: &str| {
            let variable = |name: &str| {
                let value = if name == "TMPDIR" { temporary } else { runtime };
                (!value.is_empty()).then(|| PathBuf::from(value))
            };
            let paths = places_of(1000, variable, |folder| folder != Path::new("/theirs"));
            paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            places("/run/user/1000", "/home/u/tmp"),
            ["/run/user/1000/mpmosh", "/home/u/tmp/mpmosh-1000"]
        );
        assert_eq!(places("/run/user/1000", ""), ["/run/user/1000/mpmosh", "/tmp/mpmosh-1000"]);
        assert_eq!(places("/theirs", "relative"), ["/tmp/mpmosh-1000"]);
        let long = format!("/{}", "x".repeat(80));
        assert_eq!(places("", &long), ["/tmp/mpmosh-1000"], "no socket fits there");
    }
}
