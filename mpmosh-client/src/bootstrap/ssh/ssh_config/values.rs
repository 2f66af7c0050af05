//! The words of a line of ssh_config(5), and what may be said of each keyword.
//!
//! Contract: pure. What ssh refuses of the keywords that we act upon is refused here, in words that end the sentence “FILE,
//! line N: …”; a keyword that neither ssh nor its past knows is refused as well.

use super::time;

/// Keywords whose value is the rest of the line, to the letter.
const VERBATIM: [&str; 4] = ["proxycommand", "localcommand", "remotecommand", "knownhostscommand"];

/// Keywords that take several words.
const SEVERAL: [&str; 22] = [
    "addkeystoagent",
    "canonicaldomains",
    "canonicalizepermittedcnames",
    "channeltimeout",
    "dynamicforward",
    "globalknownhostsfile",
    "host",
    "ignoreunknown",
    "include",
    "ipqos",
    "localforward",
    "logverbose",
    "match",
    "permitremoteopen",
    "rekeylimit",
    "remoteforward",
    "revokedhostkeys",
    "sendenv",
    "setenv",
    "tunneldevice",
    "userknownhostsfile",
    "versionaddendum",
];

/// Keywords of the past, and of one system's ssh, that say nothing any more.
const BYGONE: [&str; 30] = [
    "afstokenpassing",
    "challengeresponseauthentication",
    "cipher",
    "compressionlevel",
    "dsaauthentication",
    "fallbacktorsh",
    "globalknownhostsfile2",
    "hostbasedkeytypes",
    "identityfile2",
    "keepalive",
    "kerberosauthentication",
    "kerberostgtpassing",
    "keychainintegration",
    "protocol",
    "pubkeyacceptedkeytypes",
    "rhostsauthentication",
    "rhostsrsaauthentication",
    "rsaauthentication",
    "skeyauthentication",
    "smartcarddevice",
    "tisauthentication",
    "usekeychain",
    "useprivilegedport",
    "userknownhostsfile2",
    "useroaming",
    "usersh",
    "applemultipath",
    "noneenabled",
    "noneswitch",
    "tcprcvbufpoll",
];

/// Keywords that are on or off, and what some of them may be besides.
const SWITCHES: [(&str, &[&str]); 11] = [
    ("batchmode", &[]),
    ("gssapiauthentication", &[]),
    ("hashknownhosts", &[]),
    ("hostbasedauthentication", &[]),
    ("identitiesonly", &[]),
    ("kbdinteractiveauthentication", &[]),
    ("passwordauthentication", &[]),
    ("permitlocalcommand", &[]),
    ("pubkeyauthentication", &["unbound", "host-bound"]),
    ("stricthostkeychecking", &["ask", "off", "accept-new"]),
    ("verifyhostkeydns", &["ask"]),
];

/// A line's keyword, in lower case, with the rest; `None` for a comment or an empty line.
pub(super) fn keyword(line: &str) -> Option<(String, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
    let (keyword, rest) = line.split_at(end);
    let rest = rest.trim_start();
    Some((keyword.to_lowercase(), rest.strip_prefix('=').unwrap_or(rest).trim()))
}

/// Whether a keyword is one at all.
pub(super) fn is_known(keyword: &str) -> bool {
    let rows = include_str!("KEYWORDS.md").lines().filter_map(|line| line.strip_prefix("| "));
    let mut names = rows.filter_map(|row| row.split(' ').next());
    BYGONE.contains(&keyword) || names.any(|name| name.eq_ignore_ascii_case(keyword))
}

/// The words of a keyword's value.
///
/// # Errors
/// What is wrong with it.
pub(super) fn words(keyword: &str, value: &str) -> Result<Vec<String>, String> {
    if VERBATIM.contains(&keyword) {
        return Ok(vec![value.to_owned()]);
    }
    let words = split(value).ok_or_else(|| format!("{keyword} has a quote without its end"))?;
    let Some(first) = words.first() else { return Err(format!("{keyword} has no value")) };
    if words.len() > 1 && !SEVERAL.contains(&keyword) {
        return Err(format!("{keyword} takes one word"));
    }
    check(keyword, first).map_err(|wanted| format!("{keyword} cannot be “{first}”: it is {wanted}"))?;
    Ok(words)
}

/// What a keyword wants, where this is not it.
fn check(keyword: &str, word: &str) -> Result<(), String> {
    let want = |right: bool, wanted: &str| if right { Ok(()) } else { Err(wanted.to_owned()) };
    if let Some((_, besides)) = SWITCHES.iter().find(|(name, _)| *name == keyword) {
        let right = ["yes", "no", "true", "false"].contains(&word) || besides.contains(&word);
        return want(right, &[&["yes", "no"], *besides].concat().join(", "));
    }
    match keyword {
        "port" => want(word.parse::<u16>().is_ok_and(|port| port > 0), "a number from 1 to 65535"),
        "numberofpasswordprompts" | "connectionattempts" => want(word.parse::<u32>().is_ok(), "a number"),
        "connecttimeout" | "serveraliveinterval" => {
            let nothing = word.eq_ignore_ascii_case("none") || word.bytes().all(|byte| byte == b'0');
            want(nothing || time(word).is_some(), "a time in seconds, or with s, m, h, d or w")
        }
        "addressfamily" => want(matches!(word, "any" | "inet" | "inet6"), "any, inet or inet6"),
        _ => Ok(()),
    }
}

/// Splits as ssh does: blanks part words, quotes of either kind hold them together, a backslash keeps the meaning from a
/// quote, a blank or another one, and a word that begins with `#` begins a comment. `None` where a quote is not closed.
fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        match (c, quote) {
            ('\\', _) => {
                let escaped =
                    letters.next_if(|c| matches!(c, '\'' | '"' | '\\') || (*c == ' ' && quote.is_none()));
                word.get_or_insert_default().push(escaped.unwrap_or('\\'));
            }
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('#', None) if word.is_none() => break,
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_ssh_splits_them() {
        let split = |text: &str| split(text).map(|words| words.join("|"));
        for (text, expected) in [
            ("a b # c", "a|b"),
            ("a#b", "a#b"),
            ("\"a b\" 'c d'", "a b|c d"),
            (r"a\ b", "a b"),
            (r"a\b \\ \'", r"a\b|\|'"),
            ("\"\" x", "|x"),
            ("# all", ""),
        ] {
            assert_eq!(split(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(split("\"x"), None);
    }

    #[test]
    fn a_line_has_a_keyword_and_the_rest() {
        let keyword = |line| keyword(line).map(|(word, rest)| format!("{word}|{rest}"));
        assert_eq!(keyword(" Port=7 ").as_deref(), Some("port|7"));
        assert_eq!(keyword("Port = 7").as_deref(), Some("port|7"));
        assert_eq!(keyword("User\tx").as_deref(), Some("user|x"));
        assert_eq!(keyword("Port").as_deref(), Some("port|"));
        assert_eq!((keyword("# x"), keyword("")), (None, None));
    }
}
