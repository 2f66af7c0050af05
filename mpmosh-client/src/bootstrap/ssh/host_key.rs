//! Is this the host it claims to be? What ssh asks before it says who we are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ssh2::{HashType, MethodType, Session};

use super::algorithms;
use super::known_hosts::{self, KnownHosts, OnRecord, Unreadable, key_kind, record_name};
use super::ssh_config::{SshConfig, Strict};
use crate::bootstrap::Error;
use crate::bootstrap::dialogue::Dialogue;

/// Host key algorithms that we let libssh2 offer, strongest first, with the kind of key each verifies.
///
/// No certificates: libssh2 would agree to one and then not know its kind. No SHA-1, no DSA.
const ALGORITHMS: [(&str, &str); 6] = [
    ("ssh-ed25519", "ssh-ed25519"),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"),
    ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"),
    ("ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "ssh-rsa"),
    ("rsa-sha2-256", "ssh-rsa"),
];

/// A host, under the name by which its key is on record.
pub(super) struct RecordedHost<'a> {
    config: &'a SshConfig,
    known: KnownHosts,
    name: String,
    /// The same without a port: OpenSSH accepts a key recorded so on any port.
    bare: Option<String>,
}

impl<'a> RecordedHost<'a> {
    /// Reads what is on record.
    ///
    /// # Errors
    /// [`Error::KnownHosts`] where that cannot be known.
    pub(super) fn new(config: &'a SshConfig) -> Result<Self, Error> {
        let files = config.user_known_hosts.iter().chain(&config.global_known_hosts);
        let known = KnownHosts::read(files.map(AsRef::as_ref))
            .map_err(|Unreadable { file, cause }| Error::KnownHosts { file, cause })?;
        let (name, bare) = match &config.host_key_alias {
            Some(alias) => (alias.to_lowercase(), None),
            None if config.port == 22 => (record_name(&config.host_name, 22), None),
            None => (record_name(&config.host_name, config.port), Some(record_name(&config.host_name, 22))),
        };
        Ok(Self { config, known, name, bare })
    }

    /// Restricts what is offered to the kinds on record, so that the host shows a key that can be compared.
    pub(super) fn prefer_known_kinds(&self, session: &Session) -> Result<(), Error> {
        let kinds = self.known.kinds(&self.name);
        if kinds.is_empty() && self.known.has_authority(&self.name) {
            return Err(Error::NeedsSsh {
                reason: format!("{} is known by a certificate authority", self.name),
            });
        }
        let supported = session.supported_algs(MethodType::HostKey).unwrap_or_default();
        let wanted = self.config.host_key_algorithms.as_deref();
        let names = ALGORITHMS.map(|(algorithm, _)| algorithm);
        let allowed = wanted.map_or(names.to_vec(), |list| algorithms::chosen(list, &names));
        let usable: Vec<&str> = ALGORITHMS
            .iter()
            .filter(|(_, kind)| kinds.is_empty() || kinds.contains(kind))
            .map(|(algorithm, _)| *algorithm)
            .filter(|algorithm| supported.contains(algorithm))
            .filter(|algorithm| allowed.contains(algorithm))
            .collect();
        if usable.is_empty() {
            let kinds = if kinds.is_empty() {
                wanted.unwrap_or_default().replace(',', ", ")
            } else {
                kinds.join(", ")
            };
            return Err(Error::NeedsSsh { reason: format!("{} is known by {kinds} only", self.name) });
        }
        session
            .method_pref(MethodType::HostKey, &usable.join(","))
            .map_err(|error| Error::NeedsSsh { reason: error.to_string() })
    }

    /// Compares the key that the host has shown with what is on record, and asks the user about a new one.
    pub(super) fn check(
        &self,
        session: &Session,
        place: &str,
        dialogue: &mut dyn Dialogue,
    ) -> Result<(), Error> {
        let name = self.name.clone();
        let (Some((key, _)), Some(hash)) = (session.host_key(), session.host_key_hash(HashType::Sha256))
        else {
            let evidence = "the host showed no key".into();
            return Err(Error::Handshake { host: name, place: place.into(), evidence });
        };
        let fingerprint = format!("SHA256:{}", STANDARD_NO_PAD.encode(hash));
        let kind = crate::text::sanitize::one_line(key_kind(key).unwrap_or("unknown"), 40);
        let verdict = self.known.verdict(&self.name, key);
        let verdict = match (&verdict, &self.bare) {
            (OnRecord::Unknown, Some(bare)) => match self.known.verdict(bare, key) {
                // Another key under the bare name is no sign of a change: it may be another server's.
                OnRecord::Changed(_) => OnRecord::Unknown,
                verdict => verdict,
            },
            _ => verdict,
        };
        match verdict {
            OnRecord::Known => return Ok(()),
            OnRecord::Changed(place) => {
                return Err(Error::HostKeyChanged {
                    name,
                    kind,
                    fingerprint,
                    file: place.file,
                    line: place.line,
                });
            }
            OnRecord::Revoked(place) => {
                return Err(Error::HostKeyRevoked {
                    name,
                    kind,
                    fingerprint,
                    file: place.file,
                    line: place.line,
                });
            }
            OnRecord::Unknown => {}
        }
        let file = self.config.user_known_hosts.first();
        match self.config.strict {
            Strict::Yes => {
                return Err(Error::HostKeyUnknown { name, kind, fingerprint, file: file.cloned() });
            }
            Strict::Ask if self.config.batch => {
                return Err(Error::HostKeyUnknown { name, kind, fingerprint, file: file.cloned() });
            }
            Strict::Ask => self.ask(place, &kind, &fingerprint, dialogue)?,
            Strict::AcceptNew => {}
        }
        let Some(file) = file else { return Ok(()) };
        let salt = match self.config.hash_known_hosts {
            // It hides the name from a casual reader, no more.
            true => Some(platform::login::random().map_err(|e| Error::Handshake {
                host: name.clone(),
                place: place.into(),
                evidence: e.to_string(),
            })?),
            false => None,
        };
        match known_hosts::append(file, &self.name, key, salt) {
            Ok(()) => {
                dialogue.tell(&format!("mpmosh: the key of {name} ({kind}) is now in {}", file.display()))
            }
            Err(error) => dialogue.tell(&format!(
                "mpmosh: the key of {name} could not be added to {}: {error}",
                file.display()
            )),
        }
        Ok(())
    }

    fn ask(
        &self,
        place: &str,
        kind: &str,
        fingerprint: &str,
        dialogue: &mut dyn Dialogue,
    ) -> Result<(), Error> {
        dialogue.tell(&format!(
            "mpmosh: {} at {} is not on record: nothing proves yet that it is the host you mean.\n\
             Its {kind} key has the fingerprint {fingerprint}.",
            self.name,
            crate::text::sanitize::one_line(place, 120)
        ));
        let mut question = match self.config.user_known_hosts.is_empty() {
            false => "Connect and put this key on record (yes, no, or the fingerprint you expect)? ",
            true => "Connect this once (yes, no, or the fingerprint you expect)? ",
        };
        loop {
            let answer = dialogue.ask(question).map_err(|cause| match cause {
                crate::bootstrap::AskError::Cancelled => {
                    Error::HostKeyDeclined { name: self.name.clone(), fingerprint: fingerprint.into() }
                }
                cause => {
                    Error::Ask { question: "The host's key had to be confirmed", cause, refused: Vec::new() }
                }
            })?;
            match answer.trim() {
                "yes" => return Ok(()),
                answer if answer == fingerprint => return Ok(()),
                "no" => {
                    return Err(Error::HostKeyDeclined {
                        name: self.name.clone(),
                        fingerprint: fingerprint.into(),
                    });
                }
                answer if answer.starts_with("SHA256:") => {
                    return Err(Error::HostKeyDeclined {
                        name: self.name.clone(),
                        fingerprint: fingerprint.into(),
                    });
                }
                _ => question = "Please answer yes, no, or the fingerprint: ",
            }
        }
    }
}
