//! The algorithms that the user's ssh configuration allows, in its order, as far as the built-in ssh has them.

use ssh2::{MethodType, Session};

use super::Error;
use super::known_hosts::wildcard;
use super::ssh_config::SshConfig;

/// The algorithms of user keys that libssh2 signs with.
pub(super) const USER_KEYS: [&str; 6] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
];

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
        config.user_algorithms().into_iter().filter(|name| name.starts_with("rsa-sha2-")).collect();
    // Without one, no key of that kind is shown; both are what libssh2 does anyhow.
    if rsa.len() == 1 {
        session
            .method_pref(MethodType::SignAlgo, &rsa.join(","))
            .map_err(|error| Error::NeedsSsh { reason: format!("PubkeyAcceptedAlgorithms: {error}") })?;
    }
    Ok(())
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
