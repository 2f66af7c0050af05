//! The algorithms that the user's ssh configuration allows, in its order, as far as the built-in ssh has them.

use ssh2::{MethodType, Session};

use super::ssh_config::SshConfig;
use crate::bootstrap::Error;
use crate::text::pattern::wildcard;

/// The algorithms of user keys that libssh2 signs with.
pub(super) const USER_KEYS: [&str; 6] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
];

/// Which of the algorithms of user keys that libssh2 has may be used.
pub(super) fn for_user_keys(config: &SshConfig) -> Vec<&'static str> {
    config.key_algorithms.as_deref().map_or(USER_KEYS.to_vec(), |list| chosen(list, &USER_KEYS))
}

/// Tells the session, before its handshake. Host keys are [`super::host_key`]'s.
///
/// # Errors
/// [`Error::NeedsSsh`] where a list names nothing that libssh2 has.
pub(super) fn prefer(session: &Session, config: &SshConfig) -> Result<(), Error> {
    let lists: [(_, _, &[MethodType]); 3] = [
        ("KexAlgorithms", &config.kex_algorithms, &[MethodType::Kex]),
        ("Ciphers", &config.ciphers, &[MethodType::CryptCs, MethodType::CryptSc]),
        ("MACs", &config.macs, &[MethodType::MacCs, MethodType::MacSc]),
    ];
    for (keyword, list, methods) in lists {
        let Some(list) = list else { continue };
        for method in methods {
            let mut supported = session.supported_algs(*method).unwrap_or_default();
            // Extensions in an algorithm's clothes, which libssh2 adds by itself.
            supported.retain(|name| !name.starts_with("ext-info-") && !name.starts_with("kex-strict-"));
            let usable = chosen(list, &supported);
            if usable.is_empty() {
                let reason = format!("{keyword} names nothing that the built-in ssh has");
                return Err(Error::NeedsSsh { reason });
            }
            session
                .method_pref(*method, &usable.join(","))
                .map_err(|error| Error::NeedsSsh { reason: format!("{keyword}: {error}") })?;
        }
    }
    let rsa: Vec<&str> =
        for_user_keys(config).into_iter().filter(|name| name.starts_with("rsa-sha2-")).collect();
    // Without one, no key of that kind is shown; both are what libssh2 does anyhow.
    if rsa.len() == 1 {
        session
            .method_pref(MethodType::SignAlgo, &rsa.join(","))
            .map_err(|error| Error::NeedsSsh { reason: format!("PubkeyAcceptedAlgorithms: {error}") })?;
    }
    Ok(())
}

/// Whether a key exchange also withstands a quantum computer that somebody has one day: what is recorded now may be read then.
fn is_hybrid(exchange: &str) -> bool {
    exchange.starts_with("sntrup761") || exchange.starts_with("mlkem")
}

/// The key exchange in use, in words. The session's key passes through it, so that one is told where the user's own ssh, of
/// whose list `theirs` is, has a stronger one.
pub(super) fn exchange(session: &Session, theirs: Option<&str>) -> Option<String> {
    session.methods(MethodType::Kex).map(|ours| in_words(ours, theirs))
}

fn in_words(ours: &str, theirs: Option<&str>) -> String {
    let stronger = theirs.and_then(|list| list.split(',').find(|name| is_hybrid(name)));
    match stronger.filter(|_| !is_hybrid(ours)) {
        Some(theirs) => format!(
            "key exchange {ours}; your own ssh (--ssh=ssh) has {theirs}, which is stronger, where the host has it too"
        ),
        None => format!("key exchange {ours}"),
    }
}

/// What a list of ssh_config(5) leaves of the algorithms that there are, in its order. One that begins with `+`, `-` or
/// `^` changes the usual list, which is here what there is.
pub(super) fn chosen<'a>(list: &str, supported: &[&'a str]) -> Vec<&'a str> {
    let split = |list: &str| list.split(',').map(|word| word.trim().to_owned()).collect::<Vec<_>>();
    let named = |list: &str| {
        let find = |word: String| supported.iter().find(|name| **name == word).copied();
        split(list).into_iter().filter_map(find).collect::<Vec<_>>()
    };
    let others = |list: &str| {
        let patterns = split(list);
        let is_other = |name: &&str| !patterns.iter().any(|pattern| wildcard(pattern, name));
        supported.iter().copied().filter(is_other).collect::<Vec<_>>()
    };
    match list.split_at_checked(1) {
        Some(("+", _)) => supported.to_vec(),
        Some(("-", list)) => others(list),
        Some(("^", list)) => [named(list), others(list)].concat(),
        _ => named(list),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stronger_exchange_of_the_users_own_ssh_is_told() {
        let theirs = "sntrup761x25519-sha512@openssh.com,curve25519-sha256";
        let words = in_words("curve25519-sha256", Some(theirs));
        assert!(
            words.starts_with("key exchange curve25519-sha256; your own ssh (--ssh=ssh) has sntrup761x25519"),
            "{words}"
        );
        for (ours, theirs) in [
            ("curve25519-sha256", Some("curve25519-sha256")),
            ("curve25519-sha256", None),
            ("mlkem768x25519-sha256", Some(theirs)),
        ] {
            assert_eq!(in_words(ours, theirs), format!("key exchange {ours}"));
        }
    }

    #[test]
    fn a_list_chooses_puts_in_front_or_takes_away() {
        let supported = ["a", "b-x", "b-y", "c"];
        for (list, expected) in [
            ("c,z,a", &["c", "a"][..]),
            ("z", &[]),
            ("+z", &["a", "b-x", "b-y", "c"]),
            ("-b-*,c", &["a"]),
            ("^c,z", &["c", "a", "b-x", "b-y"]),
        ] {
            assert_eq!(chosen(list, &supported), expected, "{list}");
        }
    }
}
