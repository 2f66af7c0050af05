//! Host keys on record: the `known_hosts` format of sshd(8), matched by ourselves.
//!
//! Contract: reading and matching are pure. A line that cannot be read matches nothing; a file that is there and cannot be
//! read is an error, since a key that it names would count as a new one. A revoked key outweighs every other line. Files are
//! appended to, never rewritten.

use core::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use crate::text::pattern::wildcard;

/// The lines of all `known_hosts` files of a user.
#[derive(Debug, Default)]
pub struct KnownHosts {
    lines: Vec<KnownHost>,
}

#[derive(Debug)]
struct KnownHost {
    file: PathBuf,
    number: usize,
    marker: Marker,
    hosts: Hosts,
    kind: String,
    key: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    None,
    CertAuthority,
    Revoked,
}

#[derive(Debug)]
enum Hosts {
    /// `|1|salt|hash`: HMAC-SHA1 of one name.
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
    /// Patterns; one that begins with `!` excludes.
    Patterns(Vec<String>),
}

/// What is on record about a host's key.
#[derive(Debug, PartialEq, Eq)]
pub enum OnRecord {
    /// This very key.
    Known,
    /// Nothing about this host, or nothing but keys of other kinds.
    Unknown,
    /// Another key of the same kind.
    Changed(Place),
    /// This key, as revoked.
    Revoked(Place),
}

/// A file with records that cannot be read.
#[derive(Debug)]
pub struct Unreadable {
    /// Which file.
    pub file: PathBuf,
    /// Why.
    pub cause: io::Error,
}

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which file.
    pub file: PathBuf,
    /// Which line, from 1.
    pub line: usize,
}

impl KnownHosts {
    /// Reads the files that are there.
    ///
    /// # Errors
    /// One is there, or cannot be told not to be, and it cannot be read.
    pub fn read<'a>(files: impl IntoIterator<Item = &'a Path>) -> Result<Self, Unreadable> {
        let mut known = Self::default();
        for file in files {
            match fs::read(file) {
                Ok(bytes) => known.add(file, &String::from_utf8_lossy(&bytes)),
                // Nothing can be below what is no folder.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(cause) => return Err(Unreadable { file: file.into(), cause }),
            }
        }
        Ok(known)
    }

    /// Adds the lines of one file.
    pub fn add(&mut self, file: &Path, text: &str) {
        let lines = text.lines().enumerate();
        self.lines.extend(lines.filter_map(|(index, text)| KnownHost::parse(file, index + 1, text)));
    }

    /// What is on record about `key` (the public key as sent by the server) under `name`, see [`record_name`].
    #[must_use]
    pub fn verdict(&self, name: &str, key: &[u8]) -> OnRecord {
        let kind = key_kind(key).unwrap_or_default();
        let mut verdict = OnRecord::Unknown;
        for line in self.lines.iter().filter(|line| line.hosts.matches(name)) {
            match line.marker {
                Marker::Revoked if line.key == key => return OnRecord::Revoked(line.place()),
                Marker::None if line.key == key => verdict = OnRecord::Known,
                Marker::None if line.kind == kind && verdict == OnRecord::Unknown => {
                    verdict = OnRecord::Changed(line.place())
                }
                _ => {}
            }
        }
        verdict
    }

    /// The kinds of key on record for `name`, so that the server is asked for one of those.
    #[must_use]
    pub fn kinds(&self, name: &str) -> Vec<&str> {
        let mut kinds: Vec<&str> = Vec::new();
        for line in &self.lines {
            if line.marker == Marker::None && !kinds.contains(&line.kind.as_str()) && line.hosts.matches(name)
            {
                kinds.push(&line.kind);
            }
        }
        kinds
    }

    /// Whether a certificate authority is on record for `name`: only certificates, which need ssh, are certain then.
    #[must_use]
    pub fn has_authority(&self, name: &str) -> bool {
        self.lines.iter().any(|line| line.marker == Marker::CertAuthority && line.hosts.matches(name))
    }
}

impl KnownHost {
    fn parse(file: &Path, number: usize, text: &str) -> Option<Self> {
        let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
        let mut first = words.next().filter(|word| !word.starts_with('#'))?;
        let marker = match first {
            "@cert-authority" => Marker::CertAuthority,
            "@revoked" => Marker::Revoked,
            word if word.starts_with('@') => return None,
            _ => Marker::None,
        };
        if marker != Marker::None {
            first = words.next()?;
        }
        let hosts = Hosts::parse(first)?;
        let kind = words.next()?.to_owned();
        let key = STANDARD.decode(words.next()?).ok()?;
        // The key names its own kind; a line that disagrees is of no use.
        (key_kind(&key)? == kind).then(|| Self { file: file.into(), number, marker, hosts, kind, key })
    }

    fn place(&self) -> Place {
        Place { file: self.file.clone(), line: self.number }
    }
}

impl Hosts {
    fn parse(word: &str) -> Option<Self> {
        if let Some(rest) = word.strip_prefix("|1|") {
            let (salt, hash) = rest.split_once('|')?;
            return Some(Self::Hashed {
                salt: STANDARD.decode(salt).ok()?,
                hash: STANDARD.decode(hash).ok()?,
            });
        }
        Some(Self::Patterns(word.split(',').map(str::to_lowercase).collect()))
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Hashed { salt, hash } => hashed(salt, name).is_some_and(|this| this == *hash),
            Self::Patterns(patterns) => {
                let mut matched = false;
                for pattern in patterns {
                    match pattern.strip_prefix('!') {
                        Some(pattern) if wildcard(pattern, name) => return false,
                        None if wildcard(pattern, name) => matched = true,
                        _ => {}
                    }
                }
                matched
            }
        }
    }
}

/// The name a host has in the files: lower case, and `[name]:port` when the port is not 22.
#[must_use]
pub fn record_name(host: &str, port: u16) -> String {
    match port {
        22 => host.to_lowercase(),
        port => format!("[{}]:{port}", host.to_lowercase()),
    }
}

/// The kind a public key says it is of: the first string of its encoding (RFC 4253 §6.6).
#[must_use]
pub fn key_kind(key: &[u8]) -> Option<&str> {
    let (length, rest) = key.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    core::str::from_utf8(rest.get(..length)?).ok()
}

/// Adds a line for an accepted key at the end of `file`, which is made, with its directory, when it is not there.
///
/// # Errors
/// The file cannot be made or written.
pub fn append(file: &Path, name: &str, key: &[u8], salt: Option<[u8; 20]>) -> io::Result<()> {
    let kind = key_kind(key).ok_or_else(|| io::Error::other("the key names no kind"))?;
    let host = match salt {
        None => name.to_owned(),
        Some(salt) => {
            let hash = hashed(&salt, name).ok_or_else(|| io::Error::other("the name cannot be hashed"))?;
            format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(hash))
        }
    };
    if let Some(directory) = file.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let mut handle = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(file)?;
    let mut line = String::new();
    // Someone's editor may have left the last line without its end.
    if handle.seek(SeekFrom::End(-1)).is_ok() {
        let mut last = [0];
        if handle.read(&mut last)? == 1 && last[0] != b'\n' {
            line.push('\n');
        }
    }
    let _ = writeln!(line, "{host} {kind} {}", STANDARD.encode(key));
    handle.write_all(line.as_bytes())
}

fn hashed(salt: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha1>::new_from_slice(salt).ok()?;
    mac.update(name.as_bytes());
    Some(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(kind: &str, body: &[u8]) -> Vec<u8> {
        let mut key = (kind.len() as u32).to_be_bytes().to_vec();
        key.extend_from_slice(kind.as_bytes());
        key.extend_from_slice(body);
        key
    }

    fn known(text: &str) -> KnownHosts {
        let mut known = KnownHosts::default();
        known.add(Path::new("f"), text);
        known
    }

    fn line(host: &str, key: &[u8]) -> String {
        format!("{host} {} {} comment\n", key_kind(key).unwrap_or_default(), STANDARD.encode(key))
    }

    #[test]
    fn names_ports_wildcards_and_negation_match_as_in_sshd() {
        let k = key("ssh-ed25519", b"1");
        let known = known(&line("*.example.org,!bad.example.org,192.0.2.?,[h]:2222", &k));
        let at = |host: &str, port| known.verdict(&record_name(host, port), &k);
        assert_eq!(at("A.Example.org", 22), OnRecord::Known);
        assert_eq!(at("bad.example.org", 22), OnRecord::Unknown);
        assert_eq!(at("192.0.2.7", 22), OnRecord::Known);
        assert_eq!(at("192.0.2.77", 22), OnRecord::Unknown);
        assert_eq!(at("h", 2222), OnRecord::Known);
        assert_eq!(at("h", 22), OnRecord::Unknown);
    }

    #[test]
    fn a_changed_key_is_another_of_the_same_kind() {
        let (old, new, rsa) = (key("ssh-ed25519", b"1"), key("ssh-ed25519", b"2"), key("ssh-rsa", b"3"));
        let known = known(&format!("# comment\n\n{}", line("h", &old)));
        assert_eq!(known.verdict("h", &old), OnRecord::Known);
        assert_eq!(known.verdict("h", &new), OnRecord::Changed(Place { file: "f".into(), line: 3 }));
        assert_eq!(known.verdict("h", &rsa), OnRecord::Unknown);
        assert_eq!(known.kinds("h"), ["ssh-ed25519"]);
    }

    #[test]
    fn several_keys_of_one_kind_may_all_be_right() {
        let (one, two) = (key("ssh-ed25519", b"1"), key("ssh-ed25519", b"2"));
        let known = known(&(line("h", &one) + &line("h", &two)));
        assert_eq!(known.verdict("h", &two), OnRecord::Known);
    }

    #[test]
    fn a_revoked_key_is_refused_even_if_it_is_also_known() {
        let k = key("ssh-ed25519", b"1");
        let text = line("h", &k) + "@revoked " + &line("*", &k);
        assert_eq!(known(&text).verdict("h", &k), OnRecord::Revoked(Place { file: "f".into(), line: 2 }));
    }

    #[test]
    fn an_authority_is_not_a_key_of_the_host() {
        let k = key("ssh-ed25519", b"1");
        let known = known(&format!("@cert-authority {}", line("*.org", &k)));
        assert_eq!(known.verdict("h.org", &k), OnRecord::Unknown);
        assert!(known.has_authority("h.org") && known.kinds("h.org").is_empty());
    }

    #[test]
    fn lines_that_cannot_be_read_match_nothing() {
        let k = key("ssh-ed25519", b"1");
        for bad in [
            "h",
            "h ssh-ed25519",
            "h ssh-ed25519 !!!",
            "@other h ssh-ed25519 AAAA",
            "|1|x|y ssh-ed25519 AAAA",
        ] {
            assert_eq!(known(bad).verdict("h", &k), OnRecord::Unknown, "{bad}");
        }
        assert_eq!(known(&format!("h ssh-rsa {}", STANDARD.encode(&k))).lines.len(), 0);
    }

    #[test]
    fn what_is_appended_is_found_again_plain_and_hashed() {
        let directory = std::env::temp_dir().join(format!("mpmosh-known-{}", std::process::id()));
        let file = directory.join("sub").join("known_hosts");
        let (one, two) = (key("ssh-ed25519", b"1"), key("ssh-rsa", b"2"));
        append(&file, "h", &one, None).unwrap_or_else(|e| panic!("{e}"));
        // Without the end of its last line, as an editor may leave it.
        let text = fs::read_to_string(&file).unwrap_or_default();
        fs::write(&file, text.trim_end()).unwrap_or_else(|e| panic!("{e}"));
        append(&file, "[h]:2222", &two, Some([7; 20])).unwrap_or_else(|e| panic!("{e}"));
        let known = KnownHosts::read([file.as_path()]).unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!(known.verdict("h", &one), OnRecord::Known);
        assert_eq!(known.verdict("[h]:2222", &two), OnRecord::Known);
        assert_eq!(known.verdict("[x]:2222", &two), OnRecord::Unknown);
        let text = fs::read_to_string(&file).unwrap_or_default();
        assert!(text.lines().count() == 2 && !text.contains("2222"), "{text}");
        let _ = fs::remove_dir_all(&directory);
    }

    #[test]
    fn a_file_that_is_not_there_is_empty_and_one_that_cannot_be_read_is_an_error() {
        let own = std::env::current_exe().unwrap_or_default();
        for absent in [Path::new("/no such folder/known_hosts"), &own.join("below a file")] {
            let known = KnownHosts::read([absent]).unwrap_or_else(|e| panic!("{e:?}"));
            assert!(known.lines.is_empty());
        }
        // A folder cannot be read by anybody, root included.
        let folder = std::env::temp_dir();
        let error = KnownHosts::read([folder.as_path()]).err().unwrap_or_else(|| panic!());
        assert_eq!(error.file, folder);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in any::<String>(), key in any::<Vec<u8>>()) {
            let _ = known(&text).verdict("h", &key);
        }
    }
}
