//! The `%` tokens and `${VARIABLES}` of ssh_config(5).

use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};

/// What the tokens stand for.
pub(super) struct Tokens<'a> {
    pub(super) host_name: &'a str,
    pub(super) typed: &'a str,
    pub(super) user: &'a str,
    pub(super) port: u16,
    pub(super) host_key_alias: Option<&'a str>,
    /// The last of the hosts on the way, or nothing.
    pub(super) jump: &'a str,
}

impl Tokens<'_> {
    /// The file that a value means.
    ///
    /// # Errors
    /// The value, where it holds something that has no meaning here: ssh, too, goes no further with one.
    pub(super) fn file(&self, value: &str) -> Result<PathBuf, String> {
        let expanded = self.expand(value).ok_or_else(|| value.to_owned())?;
        match (expanded.strip_prefix("~/"), super::home()) {
            (Some(rest), Some(home)) => Ok(home.join(rest)),
            // Another user's, of which only ssh knows the place.
            (None, _) if expanded.starts_with('~') => Err(value.to_owned()),
            _ => Ok(Path::new(&expanded).to_owned()),
        }
    }

    /// `None` where something in it is unknown.
    fn expand(&self, text: &str) -> Option<String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(['%', '$']) {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            if let Some(inner) = from.strip_prefix("${") {
                let (name, after) = inner.split_once('}')?;
                out.push_str(&std::env::var(name).ok()?);
                rest = after;
            } else if let Some(after) = from.strip_prefix('$') {
                out.push('$');
                rest = after;
            } else {
                let mut letters = from.chars();
                letters.next();
                out.push_str(&self.token(letters.next()?)?);
                rest = letters.as_str();
            }
        }
        Some(out + rest)
    }

    fn token(&self, letter: char) -> Option<String> {
        let this_host = || rustix::system::uname().nodename().to_string_lossy().into_owned();
        Some(match letter {
            '%' => "%".into(),
            'C' => {
                let port = self.port.to_string();
                let all = [this_host().as_str(), self.host_name, &port, self.user, self.jump].concat();
                Sha1::digest(all).iter().map(|byte| format!("{byte:02x}")).collect()
            }
            'd' => super::home()?.to_str()?.to_owned(),
            'h' => self.host_name.into(),
            'i' => rustix::process::getuid().as_raw().to_string(),
            'j' => self.jump.into(),
            'k' => self.host_key_alias.unwrap_or(self.typed).into(),
            'L' => this_host().split('.').next()?.into(),
            'l' => this_host(),
            'n' => self.typed.into(),
            'p' => self.port.to_string(),
            'r' => self.user.into(),
            'u' => super::local_user(),
            _ => return None,
        })
    }
}
