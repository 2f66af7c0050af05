//! Our own reading of ssh_config(5), for machines without an `ssh` to ask.
//!
//! Contract: the answer has the form of `ssh -G`: a keyword in lower case, a blank, the value; the first value found
//! holds. Understood are `Host`, `Match` (all, host, originalhost, user, localuser, final, canonical), and `Include`; a
//! file that needs more is refused rather than half obeyed.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Error, home, values};
use crate::bootstrap::words;
use crate::cli::args::{Destination, SshArgs};
use crate::text::pattern::wildcard;
use crate::text::sanitize::one_line;

/// How deep files may include each other, as in ssh.
const DEPTH: usize = 16;
/// The file for all users.
const SYSTEM: &str = "/etc/ssh/ssh_config";

/// The settings for the host from the command line, the user's file and the system's.
///
/// # Errors
/// [`Error::NoSsh`] when a file uses what only ssh understands.
pub(super) fn read(destination: &Destination, args: &SshArgs, local_user: &str) -> Result<String, Error> {
    let home = home().map(|home| home.join(".ssh"));
    let files: Vec<Source> = match (&args.config, home) {
        (Some(file), _) if file.as_os_str().eq_ignore_ascii_case("none") => Vec::new(),
        (Some(file), home) => {
            vec![Source { file: file.clone(), beside: home.unwrap_or_default(), trust: Trust::Named }]
        }
        (None, home) => {
            let own = home.map(|home| Source { file: home.join("config"), beside: home, trust: Trust::Own });
            let system = platform::login::system_file(SYSTEM);
            let beside = system.parent().map(Into::into).unwrap_or_default();
            own.into_iter().chain([Source { file: system, beside, trust: Trust::System }]).collect()
        }
    };
    let mut reader = Reader::new(destination, args, local_user)?;
    for last in [false, true] {
        reader.last = last;
        for Source { file, beside, trust } in &files {
            if let Some(text) = contents(file, *trust)? {
                reader.lines(&text, file, beside, true, 0)?;
            }
        }
        // Only `Match final` has a second reading made.
        if !reader.asks_again {
            break;
        }
    }
    Ok(reader.finish())
}

/// A file, and the folder that what it includes is relative to.
struct Source {
    file: PathBuf,
    beside: PathBuf,
    trust: Trust,
}

/// Whose word a file's path is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// The command line's: it must be there, and the user has chosen it.
    Named,
    /// The user's own, or included: as in ssh, nobody else may be able to write it.
    Own,
    /// The system's.
    System,
}

/// The text of a file; `None` where there is none, which only `-F` forbids.
///
/// # Errors
/// It cannot be read, others can write it, or a line of it is not UTF-8: what it forbids must not go missing.
fn contents(file: &Path, trust: Trust) -> Result<Option<String>, Error> {
    let refused = |why: String| Error::SshConfig { evidence: format!("{}: {why}", file.display()) };
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound && trust != Trust::Named => return Ok(None),
        Err(error) => return Err(refused(words(&error))),
    };
    if trust == Trust::Own {
        let about = fs::metadata(file).map_err(|error| refused(words(&error)))?;
        if let Some(why) = bad_owner_or_mode(about.uid(), about.mode()) {
            return Err(refused(why));
        }
    }
    let mut text = String::with_capacity(bytes.len());
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        match core::str::from_utf8(line) {
            Ok(line) => text.push_str(line),
            Err(_) if line.trim_ascii_start().starts_with(b"#") => {}
            Err(_) => return Err(refused(format!("line {} is not UTF-8", index + 1))),
        }
        text.push('\n');
    }
    Ok(Some(text))
}

/// Why ssh would not read a configuration of this owner and mode.
fn bad_owner_or_mode(owner: u32, mode: u32) -> Option<String> {
    let me = rustix::process::getuid().as_raw();
    if owner != 0 && owner != me {
        return Some(format!("it belongs to user {owner}, neither you nor root"));
    }
    let others_write = mode & 0o022 != 0;
    others_write.then(|| format!("others can write it (mode {:03o}); chmod go-w it", mode & 0o777))
}

struct Reader<'a> {
    destination: &'a Destination,
    local_user: &'a str,
    found: Vec<(String, String)>,
    /// The second reading, in which `Match final` holds.
    last: bool,
    asks_again: bool,
}

impl<'a> Reader<'a> {
    /// With what the command line says, which comes before every file.
    fn new(destination: &'a Destination, args: &SshArgs, local_user: &'a str) -> Result<Self, Error> {
        let mut reader = Self { destination, local_user, found: Vec::new(), last: false, asks_again: false };
        if let Some(user) = &destination.user {
            reader.put("user", user);
        }
        if let Some(port) = destination.port {
            reader.put("port", &port.to_string());
        }
        if let Some(jump) = &args.jump {
            reader.put("proxyjump", jump);
        }
        for identity in &args.identities {
            reader.put("identityfile", &identity.to_string_lossy());
        }
        reader.lines(&args.options.join("\n"), Path::new("the command line"), Path::new(""), true, 0)?;
        Ok(reader)
    }

    fn one(&self, keyword: &str) -> Option<&str> {
        self.found.iter().find(|(known, _)| known == keyword).map(|(_, value)| value.as_str())
    }

    fn put(&mut self, keyword: &str, value: &str) {
        let taken = match keyword {
            "identityfile" | "certificatefile" => self.found.iter().any(|(k, v)| k == keyword && v == value),
            // Two words for one thing: the first of either holds.
            "proxyjump" | "proxycommand" => {
                self.one("proxyjump").is_some() || self.one("proxycommand").is_some()
            }
            "sendenv" => false,
            _ => self.one(keyword).is_some(),
        };
        if !taken {
            self.found.push((keyword.into(), value.into()));
        }
    }

    /// Reads the lines of a file; `enabled` is false in one that is included from a block that does not hold.
    fn lines(
        &mut self,
        text: &str,
        file: &Path,
        base: &Path,
        enabled: bool,
        depth: usize,
    ) -> Result<(), Error> {
        let mut holds = enabled;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            let Some((keyword, value)) = values::keyword(line) else { continue };
            let refused = |why: String| {
                let evidence = format!("{}, line {}: {}", file.display(), index + 1, one_line(&why, 200));
                Error::SshConfig { evidence }
            };
            if !values::is_known(&keyword) {
                if self.is_ignored(&keyword) {
                    continue;
                }
                return Err(refused(format!("{keyword} is no keyword")));
            }
            let words = values::words(&keyword, value).map_err(refused)?;
            match keyword.as_str() {
                "host" => {
                    holds = enabled && in_list(words.iter().map(String::as_str), &self.destination.host);
                }
                "match" => holds = self.matches(words, line)? && enabled,
                "include" => {
                    for file in words.iter().flat_map(|pattern| glob(&absolute(pattern, base))) {
                        if depth >= DEPTH {
                            return Err(beyond(&format!("{line} (more than {DEPTH} files deep)")));
                        }
                        if let Some(text) = contents(&file, Trust::Own)? {
                            self.lines(&text, &file, base, holds, depth + 1)?;
                        }
                    }
                }
                _ if !holds => {}
                _ => self.setting(&keyword, words, line)?,
            }
        }
        Ok(())
    }

    /// Whether `IgnoreUnknown` names the keyword.
    fn is_ignored(&self, keyword: &str) -> bool {
        let list = self.one("ignoreunknown").unwrap_or_default().to_lowercase();
        list.split([',', ' ']).any(|pattern| !pattern.is_empty() && wildcard(pattern, keyword))
    }

    /// Takes what a line that holds says.
    fn setting(&mut self, keyword: &str, words: Vec<String>, line: &str) -> Result<(), Error> {
        let all = words.join(" ");
        match keyword {
            // It asks the name service, and reads everything anew.
            "canonicalizehostname" if !matches!(all.to_lowercase().as_str(), "no" | "none" | "false") => {
                return Err(beyond(line));
            }
            "hostname" => {
                self.put("hostname", &all.replace("%h", &self.destination.host).replace("%%", "%"));
            }
            "setenv" if self.one("setenv").is_none() => {
                self.found.extend(words.into_iter().map(|pair| ("setenv".to_owned(), pair)));
            }
            "setenv" => {}
            "userknownhostsfile" | "globalknownhostsfile" => {
                let quoted = words.iter().map(|word| match word.contains(char::is_whitespace) {
                    true => format!("\"{word}\""),
                    false => word.clone(),
                });
                self.put(keyword, &quoted.collect::<Vec<_>>().join(" "));
            }
            keyword => self.put(keyword, &all),
        }
        Ok(())
    }

    fn matches(&mut self, criteria: Vec<String>, line: &str) -> Result<bool, Error> {
        let mut all = true;
        let mut words = criteria.into_iter();
        while let Some(word) = words.next() {
            let (negated, name) = match word.strip_prefix('!') {
                Some(name) => (true, name.to_lowercase()),
                None => (false, word.to_lowercase()),
            };
            let (name, attached) = match name.split_once('=') {
                Some((name, _)) => (name.to_owned(), word.split_once('=').map(|(_, value)| value.to_owned())),
                None => (name, None),
            };
            let true_here = match name.as_str() {
                "all" => true,
                "final" | "canonical" => {
                    self.asks_again |= name == "final";
                    self.last
                }
                "host" | "originalhost" | "user" | "localuser" => {
                    let Some(list) = attached.or_else(|| words.next()) else { return Err(beyond(line)) };
                    let original = self.destination.host.as_str();
                    let value = match name.as_str() {
                        "host" => self.one("hostname").unwrap_or(original),
                        "originalhost" => original,
                        "user" => self.one("user").unwrap_or(self.local_user),
                        _ => self.local_user,
                    };
                    in_list(list.split(','), value)
                }
                _ => return Err(beyond(line)),
            };
            all &= true_here != negated;
        }
        Ok(all)
    }

    fn finish(mut self) -> String {
        let user = self.local_user.to_owned();
        self.put("user", &user);
        self.put("userknownhostsfile", "~/.ssh/known_hosts ~/.ssh/known_hosts2");
        let global =
            ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"].map(platform::login::system_file);
        self.put("globalknownhostsfile", &global.map(|file| file.display().to_string()).join(" "));
        if self.one("identityfile").is_none() {
            for name in ["id_ed25519", "id_ecdsa", "id_rsa"] {
                self.put("identityfile", &format!("~/.ssh/{name}"));
            }
        }
        self.found.iter().map(|(keyword, value)| format!("{keyword} {value}\n")).collect()
    }
}

fn beyond(line: &str) -> Error {
    Error::NoSsh { reason: format!("the ssh configuration uses “{}”", one_line(line, 80)) }
}

/// Whether a list of patterns holds for the text: one does, and none that begins with `!`.
fn in_list<'a>(patterns: impl Iterator<Item = &'a str>, text: &str) -> bool {
    let text = text.to_lowercase();
    let mut found = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(pattern) if wildcard(&pattern.to_lowercase(), &text) => return false,
            Some(_) => {}
            None => found |= wildcard(&pattern.to_lowercase(), &text),
        }
    }
    found
}

fn absolute(pattern: &str, base: &Path) -> PathBuf {
    match (pattern.strip_prefix("~/"), home()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => base.join(pattern),
    }
}

/// The files whose names fit, in order; `*` and `?` stand for no `/`.
fn glob(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let part = part.as_os_str();
        let text = part.to_string_lossy();
        if !text.contains(['*', '?']) {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        found = found
            .iter()
            .flat_map(|directory| {
                let mut names: Vec<PathBuf> = fs::read_dir(directory)
                    .into_iter()
                    .flatten()
                    .flatten()
                    .filter(|entry| {
                        let name = entry.file_name();
                        let name = name.to_string_lossy();
                        wildcard(&text, &name) && (text.starts_with('.') || !name.starts_with('.'))
                    })
                    .map(|entry| entry.path())
                    .collect();
                names.sort();
                names
            })
            .collect();
    }
    found
}

#[cfg(test)]
mod tests;
