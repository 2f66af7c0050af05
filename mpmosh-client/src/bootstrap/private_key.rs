//! What can be told of a private key file without its passphrase.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Largest file that is looked at as a key.
const SIZE_LIMIT: u64 = 64 * 1024;

/// What sort of key a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PrivateKey {
    /// Usable as it is.
    Plain,
    /// Needs a passphrase.
    Encrypted,
    /// Lives in a hardware token (FIDO): libssh2 cannot use it.
    Token,
    /// Nothing we know.
    Unknown,
}

/// Looks at a key file.
///
/// # Errors
/// It cannot be read, or others than its owner can: such a key is not used, as with ssh.
pub(super) fn look(file: &Path) -> io::Result<PrivateKey> {
    let meta = fs::metadata(file)?;
    if meta.mode() & 0o077 != 0 && meta.uid() == rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!(
            "others can read it (mode {:03o}); chmod 600 it",
            meta.mode() & 0o777
        )));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(SIZE_LIMIT as usize));
    File::open(file)?.take(SIZE_LIMIT).read_to_end(&mut text)?;
    Ok(sort(&text))
}

fn sort(text: &[u8]) -> PrivateKey {
    let Ok(text) = core::str::from_utf8(text) else { return PrivateKey::Unknown };
    let mut lines = text.lines().map(str::trim).skip_while(|line| !line.starts_with("-----BEGIN "));
    match lines.next() {
        Some("-----BEGIN OPENSSH PRIVATE KEY-----") => {
            let body = Zeroizing::new(lines.take_while(|line| !line.starts_with('-')).collect::<String>());
            STANDARD
                .decode(body.as_bytes())
                .ok()
                .map(Zeroizing::new)
                .map_or(PrivateKey::Unknown, |key| openssh(&key))
        }
        Some("-----BEGIN ENCRYPTED PRIVATE KEY-----") => PrivateKey::Encrypted,
        Some(line) if line.ends_with("PRIVATE KEY-----") => {
            if lines.take(4).any(|line| line.starts_with("Proc-Type:") && line.contains("ENCRYPTED")) {
                PrivateKey::Encrypted
            } else {
                PrivateKey::Plain
            }
        }
        _ => PrivateKey::Unknown,
    }
}

/// OpenSSH's own format (its PROTOCOL.key): cipher, kdf, options, count and the public key stand in clear.
fn openssh(key: &[u8]) -> PrivateKey {
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
        let mut public = string(&mut rest)?;
        Some((cipher, string(&mut public)?))
    };
    match parts() {
        Some((_, kind)) if kind.starts_with(b"sk-") => PrivateKey::Token,
        Some((b"none", _)) => PrivateKey::Plain,
        Some(_) => PrivateKey::Encrypted,
        None => PrivateKey::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn each_format_tells_whether_it_is_encrypted() {
        assert_eq!(sort(&file("none", "ssh-ed25519")), PrivateKey::Plain);
        assert_eq!(sort(&file("aes256-ctr", "ssh-rsa")), PrivateKey::Encrypted);
        assert_eq!(sort(&file("none", "sk-ssh-ed25519@openssh.com")), PrivateKey::Token);
        assert_eq!(sort(b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"), PrivateKey::Encrypted);
        assert_eq!(sort(b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n"), PrivateKey::Plain);
        assert_eq!(sort(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), PrivateKey::Encrypted);
        assert_eq!(sort(b"ssh-ed25519 AAAA"), PrivateKey::Unknown);
        assert_eq!(sort(b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END"), PrivateKey::Unknown);
    }
}
