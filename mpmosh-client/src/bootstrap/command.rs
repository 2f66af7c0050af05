//! The command line that finds and starts the server.
//!
//! Contract: the remote line means the same to sh, csh and fish as login shells, whatever words the user's command has.
//! The search is written for POSIX sh, without single quotes, backslashes or exclamation marks, so that it is one quoted
//! word to all three; the server's own arguments are words after it.

use super::{Bind, ServerRequest};
use crate::config::Dialect;

/// Where a server may be besides `$PATH`, which a non-interactive shell often has short: the user's own, the BSDs' ports and
/// what is built by hand, pkgsrc's, Homebrew's, and the tree of Termux, which is whatever `$PREFIX` says there; where it
/// says nothing, `/bin` is not meant.
const PLACES: [&str; 5] =
    ["$HOME/.local/bin", "/usr/local/bin", "/usr/pkg/bin", "/opt/homebrew/bin", "${PREFIX:-/usr/local}/bin"];

/// What is asked of the other side, in one line for its login shell.
pub(super) fn remote_line(request: &ServerRequest) -> String {
    script_line(&script(request), &arguments(request))
}

/// A script for POSIX sh with its arguments, in one line for any login shell.
pub(super) fn script_line(script: &str, arguments: &[String]) -> String {
    let mut words = vec!["sh".to_owned(), "-c".to_owned(), script.to_owned(), "mpmosh".to_owned()];
    words.extend_from_slice(arguments);
    if words.iter().any(|word| word.contains(['\n', '\r'])) {
        return encoded(&words);
    }
    let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
    format!("exec {}", quoted.join(" "))
}

/// What is looked for, in words for a message.
pub(super) fn asked(request: &ServerRequest) -> String {
    match &request.program {
        Some(program) => program.clone(),
        None if stock_will_do(request) => "mpmosh-server or mosh-server".into(),
        None => "mpmosh-server".into(),
    }
}

/// The arguments that every server understands, after `new` and what the dialect adds.
pub(super) fn arguments(request: &ServerRequest) -> Vec<String> {
    let mut words = vec!["-c".to_owned(), request.colours.to_string()];
    match &request.bind {
        Bind::Usual | Bind::Any => {}
        Bind::Ssh => words.push("-s".into()),
        Bind::Address(ip) => words.extend(["-i".into(), ip.to_string()]),
    }
    if let Some(port) = &request.port {
        words.extend(["-p".into(), port.clone()]);
    }
    for (name, value) in &request.locale {
        words.extend(["-l".into(), format!("{name}={value}")]);
    }
    if !request.command.is_empty() {
        words.push("--".into());
        words.extend(request.command.iter().cloned());
    }
    words
}

/// The arguments that only our server understands.
pub(super) fn our_arguments(request: &ServerRequest) -> Vec<String> {
    let dialect = match request.dialect {
        Dialect::Auto | Dialect::Multipath => "--dialect=multipath",
        Dialect::Mosh => "--dialect=mosh",
        Dialect::MpMosh => "--dialect=mp-mosh",
    };
    let kind = match request.size {
        None => "--streams".into(),
        Some((columns, rows)) => format!("--size={columns}x{rows}"),
    };
    vec![dialect.into(), kind]
}

/// What a stock server is told besides, before the arguments that all understand: bound to every address it would serve
/// IPv4 alone, whichever way ssh came.
fn stock_arguments(request: &ServerRequest) -> &'static str {
    if request.bind == Bind::Usual { "-s " } else { "" }
}

/// Whether a stock `mosh-server` can carry what is asked.
fn stock_will_do(request: &ServerRequest) -> bool {
    !request.streams() && request.dialect != Dialect::Multipath
}

fn script(request: &ServerRequest) -> String {
    let ours = our_arguments(request).join(" ");
    // Two streams of ssh would arrive in any order, and what the server says would stand on the user's screen.
    let told = r#"exec 2>&1; echo "MPMOSH SSH_CONNECTION $SSH_CONNECTION""#;
    if let Some(program) = &request.program {
        // As with mosh, the user's command is shell text: assignments, options and tildes mean what they say.
        let ours = match names_stock(program) {
            true => stock_arguments(request).to_owned(),
            false => format!("{ours} "),
        };
        return format!("{told}; {program} new {ours}\"$@\"");
    }
    let search = |name: &str, arguments: &str| {
        format!(
            "for s in {}; do if command -v \"$s\" >/dev/null 2>&1; then exec \"$s\" new {arguments}\"$@\"; fi; done",
            places(name)
        )
    };
    let mut parts = vec![told.to_owned()];
    parts.push(search("mpmosh-server", &format!("{ours} ")));
    if stock_will_do(request) {
        parts.push(search("mosh-server", stock_arguments(request)));
    }
    parts.push(r#"echo "MPMOSH NO-SERVER $PATH"; exit 127"#.into());
    parts.join("; ")
}

/// A program's name and where else it may be, as words of a shell script.
pub(super) fn places(name: &str) -> String {
    let places: Vec<String> = PLACES.iter().map(|place| format!("\"{place}/{name}\"")).collect();
    format!("{name} {}", places.join(" "))
}

/// Whether the user's command starts a stock server, to which our arguments would be unknown.
pub(super) fn names_stock(program: &str) -> bool {
    program.split_whitespace().any(|word| word == "mosh-server" || word.ends_with("/mosh-server"))
}

/// One word, for sh, csh and fish alike.
///
/// Single quotes hold everything but themselves, the backslash (fish reads it there) and `!` (csh does); those stand
/// outside of the quotes, each behind a backslash.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+=:,./@%".contains(c);
    // A leading = or % means something to zsh and to some csh.
    if !word.is_empty() && word.chars().all(plain) && !word.starts_with(['=', '%']) {
        return word.to_owned();
    }
    let mut out = String::from("'");
    for c in word.chars() {
        match c {
            '\'' | '\\' | '!' => {
                out.push_str("'\\");
                out.push(c);
                out.push('\'');
            }
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// The whole line as octal escapes for printf: csh has no word with a newline that other shells read alike.
fn encoded(words: &[String]) -> String {
    let posix: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
    let mut text = String::new();
    for byte in posix.join(" ").bytes() {
        if byte.is_ascii_alphanumeric() || b"_-./".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("\\\\0{byte:03o}"));
        }
    }
    format!("exec sh -c 'eval \"exec $(printf %b \"$1\")\"' mpmosh {text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    fn request(words: &[&str]) -> ServerRequest {
        ServerRequest {
            command: words.iter().map(|word| (*word).to_owned()).collect(),
            program: Some("env -u SSH_CONNECTION printf %s:".into()),
            ..ServerRequest::default()
        }
    }

    /// What the shell makes of the words: each ended by a colon by printf, whose format is repeated.
    fn heard(shell: &str, words: &[&str]) -> String {
        let output = Command::new(shell)
            .args(["-c", &remote_line(&request(words))])
            .output()
            .unwrap_or_else(|e| panic!("{shell}: {e}"));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        match text.split_once("-c:0:") {
            Some((_, rest)) => rest.to_owned(),
            None => panic!("{shell}: {text:?} {}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    const HARD: &[&str] = &[
        "a b",
        "it's",
        r"back\slash\",
        "bang!x",
        "$HOME",
        "`id`",
        "*",
        "",
        "~",
        "\"",
        "é漢",
        "a'",
        "'",
        "=x",
        "#",
        "{a,b}",
        "%1",
        ";|&<>()[]?^",
    ];

    #[test]
    fn every_shell_that_is_here_hears_the_same_words() {
        let said: String =
            core::iter::once("--").chain(HARD.iter().copied()).map(|word| format!("{word}:")).collect();
        let mut heard_by = Vec::new();
        for shell in ["sh", "bash", "csh", "tcsh", "fish", "zsh"] {
            if Command::new(shell).args(["-c", "true"]).output().is_ok() {
                assert_eq!(heard(shell, HARD), said, "{shell}");
                assert_eq!(
                    heard(shell, &["two\nlines\n", r"and\a 'quote'!"]),
                    "--:two\nlines\n:and\\a 'quote'!:",
                    "{shell}"
                );
                heard_by.push(shell);
            }
        }
        assert!(heard_by.contains(&"sh"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn sh_hears_any_word(word in "[ -~é\n]{0,20}") {
            prop_assert_eq!(heard("sh", &[&word]), format!("--:{word}:"));
        }
    }

    #[test]
    fn the_search_is_one_word_to_every_shell() {
        for size in [None, Some((80, 24))] {
            for dialect in [Dialect::Auto, Dialect::Multipath, Dialect::Mosh, Dialect::MpMosh] {
                let script = script(&ServerRequest { size, dialect, ..ServerRequest::default() });
                assert!(!script.contains(['\'', '\\', '!', '\n']), "{script}");
            }
        }
    }

    fn terminal() -> ServerRequest {
        ServerRequest { size: Some((80, 24)), ..ServerRequest::default() }
    }

    #[test]
    fn our_server_is_asked_for_multipath_and_a_stock_one_is_not() {
        let script = script(&terminal());
        assert!(
            script.contains(
                "exec \"$s\" new --dialect=multipath --size=80x24 \"$@\"; fi; done; for s in mosh-server"
            ),
            "{script}"
        );
        let line =
            |program: &str| super::script(&ServerRequest { program: Some(program.into()), ..terminal() });
        assert!(
            line("/opt/mpmosh-server -v")
                .ends_with("/opt/mpmosh-server -v new --dialect=multipath --size=80x24 \"$@\"")
        );
        assert!(line("LANG=C mosh-server").ends_with("LANG=C mosh-server new -s \"$@\""));
    }

    #[test]
    fn a_stock_server_serves_the_family_that_ssh_came_by_unless_it_is_told_otherwise() {
        let script = |bind| script(&ServerRequest { bind, ..terminal() });
        assert!(script(Bind::Usual).contains("exec \"$s\" new -s \"$@\""));
        assert!(script(Bind::Any).contains("exec \"$s\" new \"$@\""));
        // The common arguments have what was asked for.
        for bind in [Bind::Ssh, Bind::Address([192, 0, 2, 1].into())] {
            assert!(!script(bind).contains("new -s"));
        }
        assert!(arguments(&terminal()).iter().all(|word| word != "-s"), "ours serves every address");
    }

    #[test]
    fn streams_and_a_named_dialect_leave_no_place_for_stock() {
        let streams = ServerRequest::default();
        assert!(!script(&streams).contains("for s in mosh-server"));
        assert!(script(&streams).contains("--streams"));
        let only = ServerRequest { dialect: Dialect::Multipath, ..terminal() };
        let theirs = ServerRequest { dialect: Dialect::MpMosh, ..terminal() };
        // The authors' server has stock's name; ours is not known to be there.
        assert!(script(&theirs).contains("new --dialect=mp-mosh --size=80x24"));
        assert!(script(&theirs).contains("for s in mosh-server"));
        assert!(!script(&only).contains("for s in mosh-server"));
    }

    #[test]
    fn the_servers_arguments_are_moshs() {
        let request = ServerRequest {
            command: vec!["ls".into(), "-l".into()],
            port: Some("60000:60010".into()),
            bind: Bind::Ssh,
            colours: 256,
            locale: vec![("LANG".into(), "C.UTF-8".into())],
            ..ServerRequest::default()
        };
        let words = arguments(&request);
        assert_eq!(words, ["-c", "256", "-s", "-p", "60000:60010", "-l", "LANG=C.UTF-8", "--", "ls", "-l"]);
    }
}
