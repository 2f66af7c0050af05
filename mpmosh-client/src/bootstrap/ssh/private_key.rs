//! What can be told of a private key file without its passphrase.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Largest file that is looked at as a key.
const SIZE_LIMIT: u64 = 64 * 1024;

/// The ciphers of OpenSSH's own format that libssh2 opens.
const CIPHERS: [&[u8]; 6] =
    [b"aes128-ctr", b"aes192-ctr", b"aes256-ctr", b"aes128-cbc", b"aes192-cbc", b"aes256-cbc"];

/// What a file tells of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyFile {
    pub(super) sort: PrivateKey,
    /// The cipher of OpenSSH's own format.
    pub(super) cipher: Option<String>,
    /// The public half, where the format has it in clear.
    pub(super) public: Option<Vec<u8>>,
}

/// What sort of key a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PrivateKey {
    /// Usable as it is.
    Plain,
    /// Needs a passphrase.
    Encrypted,
    /// Needs a passphrase, and a cipher that libssh2 lacks.
    Foreign,
    /// Lives in a hardware token (FIDO): libssh2 cannot use it.
    Token,
    /// Nothing we know.
    Unknown,
}

/// Looks at a key file.
///
/// # Errors
/// It cannot be read, or others than its owner can: such a key is not used, as with ssh.
pub(super) fn look(file: &Path) -> io::Result<KeyFile> {
    let meta = fs::metadata(file)?;
    if meta.mode() & 0o077 != 0 && meta.uid() == rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!(
            "others can read it (mode {:03o}); chmod 600 it",
            meta.mode() & 0o777
        )));
    }
    Ok(sort(&text(file)?))
}

fn text(file: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(Vec::with_capacity(SIZE_LIMIT as usize));
    File::open(file)?.take(SIZE_LIMIT).read_to_end(&mut text)?;
    Ok(text)
}

/// Whether a key has a file, or its public half has one: the other half may be in an agent.
pub(in crate::bootstrap) fn is_there(file: &Path) -> bool {
    file.exists() || beside(file).exists()
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

/// The public half of the key that `IdentityFile` names: the file may hold nothing else, it may lie beside with `.pub`, or
/// stand in the private file in clear.
pub(super) fn public_half(file: &Path) -> Option<Vec<u8>> {
    let own = text(file).ok();
    let public = |text: &[u8]| {
        let word = core::str::from_utf8(text).ok()?.split_whitespace().nth(1)?;
        STANDARD.decode(word).ok().filter(|key| super::known_hosts::key_kind(key).is_some())
    };
    let own_public = own.as_deref().and_then(|text| public(text));
    own_public.or_else(|| public(&text(&beside(file)).ok()?)).or_else(|| sort(own.as_deref()?).public)
}

fn sort(text: &[u8]) -> KeyFile {
    let only = |sort| KeyFile { sort, cipher: None, public: None };
    let Ok(text) = core::str::from_utf8(text) else { return only(PrivateKey::Unknown) };
    let mut lines = text.lines().map(str::trim).skip_while(|line| !line.starts_with("-----BEGIN "));
    match lines.next() {
        Some("-----BEGIN OPENSSH PRIVATE KEY-----") => {
            let body = Zeroizing::new(lines.take_while(|line| !line.starts_with('-')).collect::<String>());
            STANDARD
                .decode(body.as_bytes())
                .ok()
                .map(Zeroizing::new)
                .map_or(only(PrivateKey::Unknown), |key| openssh(&key))
        }
        Some("-----BEGIN ENCRYPTED PRIVATE KEY-----") => only(PrivateKey::Encrypted),
        Some(line) if line.ends_with("PRIVATE KEY-----") => {
            let encrypted =
                lines.take(4).any(|line| line.starts_with("Proc-Type:") && line.contains("ENCRYPTED"));
            only(if encrypted { PrivateKey::Encrypted } else { PrivateKey::Plain })
        }
        _ => only(PrivateKey::Unknown),
    }
}

/// OpenSSH's own format (its PROTOCOL.key): cipher, kdf, options, count and the public key stand in clear.
fn openssh(key: &[u8]) -> KeyFile {
    fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (string, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        *rest = after;
        Some(string)
    }
    let parts = || {
        let mut rest = key.strip_prefix(b"openssh-key-v1\0")?;
        let cipher = string(&mut rest)?;
        let (_kdf, _options) = (string(&mut rest)?, string(&mut rest)?);
        rest = rest.get(4..)?;
        let public = string(&mut rest)?;
        Some((cipher, string(&mut &*public)?, public))
    };
    let sort = match parts() {
        Some((_, kind, _)) if kind.starts_with(b"sk-") => PrivateKey::Token,
        Some((b"none", ..)) => PrivateKey::Plain,
        Some((cipher, ..)) if CIPHERS.contains(&cipher) => PrivateKey::Encrypted,
        Some(_) => PrivateKey::Foreign,
        None => PrivateKey::Unknown,
    };
    KeyFile {
        sort,
        cipher: parts().map(|(cipher, ..)| String::from_utf8_lossy(cipher).into_owned()),
        public: parts().map(|(_, _, public)| public.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sort(text: &[u8]) -> PrivateKey {
        super::sort(text).sort
    }

    fn file(cipher: &str, kind: &str) -> Vec<u8> {
        let string = |text: &[u8]| [&(text.len() as u32).to_be_bytes()[..], text].concat();
        let public = string(&string(kind.as_bytes()));
        let key = [
            b"openssh-key-v1\0".to_vec(),
            string(cipher.as_bytes()),
            string(b"k"),
            string(b""),
            vec![0, 0, 0, 1],
            public,
        ]
        .concat();
        format!(
            "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
            STANDARD.encode(key)
        )
        .into_bytes()
    }

    #[test]
    fn a_private_file_has_its_public_half_in_clear() {
        let told = super::sort(&file("aes256-ctr", "ssh-ed25519")).public;
        assert_eq!(told.as_deref(), Some(&b"\0\0\0\x0bssh-ed25519"[..]));
        assert_eq!(super::sort(b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n").public, None);
    }

    #[test]
    fn each_format_tells_whether_it_is_encrypted() {
        assert_eq!(sort(&file("none", "ssh-ed25519")), PrivateKey::Plain);
        assert_eq!(sort(&file("aes256-ctr", "ssh-rsa")), PrivateKey::Encrypted);
        for foreign in ["3des-cbc", "chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com"] {
            assert_eq!(sort(&file(foreign, "ssh-rsa")), PrivateKey::Foreign, "{foreign}");
        }
        assert_eq!(sort(&file("none", "sk-ssh-ed25519@openssh.com")), PrivateKey::Token);
        assert_eq!(sort(b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"), PrivateKey::Encrypted);
        assert_eq!(sort(b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n"), PrivateKey::Plain);
        assert_eq!(sort(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), PrivateKey::Encrypted);
        assert_eq!(sort(b"ssh-ed25519 AAAA"), PrivateKey::Unknown);
        assert_eq!(sort(b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END"), PrivateKey::Unknown);
    }
}
