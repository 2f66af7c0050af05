//! Where a session goes, in the words of ssh.

use crate::text::sanitize::obeyed;

/// `[user@]host[:port]`, or the same as `ssh://[user@]host[:port]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The user, when given.
    pub user: Option<String>,
    /// The host as typed: a name, an alias of `~/.ssh/config`, or an address.
    pub host: String,
    /// The ssh port, when given.
    pub port: Option<u16>,
}

impl Destination {
    /// The words of an ssh command line for it.
    #[must_use]
    pub fn as_ssh_takes_it(&self) -> String {
        let port = self.port.map(|port| format!("-p {port} ")).unwrap_or_default();
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        format!("{port}{user}{}", self.host)
    }

    /// The words of our own command line for it.
    #[must_use]
    pub fn as_typed(&self) -> String {
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        match self.port {
            Some(port) if self.host.contains(':') => format!("{user}[{}]:{port}", self.host),
            Some(port) => format!("{user}{}:{port}", self.host),
            None => format!("{user}{}", self.host),
        }
    }

    /// Reads `[user@]host[:port]`, `[user@][v6address]:port` or a bare address.
    ///
    /// # Errors
    /// A sentence: an empty part, a part that begins with `-` (ssh would take it for an option) or that holds control or
    /// blank characters, or a port that is not one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = match text.split_once("://") {
            // Of what an address of the web may have, ssh takes as much.
            Some(("ssh", rest)) => rest.strip_suffix('/').unwrap_or(rest),
            Some(_) => {
                return Err(
                    "it is an address of the web, and only ssh:// is one of a host to log in to".into()
                );
            }
            None => text,
        };
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, text),
        };
        let (host, port) = if let Some(inner) = rest.strip_prefix('[') {
            let (host, after) = inner.split_once(']').ok_or("the bracket of the address is not closed")?;
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err("after the address in brackets only :PORT may follow".into()),
            }
        } else {
            match rest.split_once(':') {
                // More than one colon: an IPv6 address without a port.
                Some((_, tail)) if tail.contains(':') => (rest, None),
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            }
        };
        let port = match port.map(str::parse) {
            None => None,
            Some(Ok(0)) | Some(Err(_)) => {
                return Err("the ssh port after the colon is not a number from 1 to 65535".into());
            }
            Some(Ok(port)) => Some(port),
        };
        check_word("host name", host)?;
        if host.contains('/') {
            return Err("the host name holds a “/”".into());
        }
        if let Some(user) = user {
            check_word("user name", user)?;
        }
        Ok(Self { user: user.map(Into::into), host: host.into(), port })
    }
}

/// Refuses what ssh or a shell could take for something else.
pub(super) fn check_word(what: &str, word: &str) -> Result<(), String> {
    if word.is_empty() {
        return Err(format!("the {what} is empty"));
    }
    if word.starts_with('-') {
        return Err(format!("the {what} begins with “-”, which ssh would take for an option"));
    }
    if word.chars().any(|c| c.is_whitespace() || obeyed(c)) {
        return Err(format!("the {what} holds blank or control characters"));
    }
    Ok(())
}
