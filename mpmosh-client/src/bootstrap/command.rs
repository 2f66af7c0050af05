//! The command line that finds and starts the server.
//!
//! Contract: the remote line means the same to every login shell. What shells agree on is little: words of letters, digits
//! and a few signs, and single quotes round a text without quotes, backslashes, exclamation marks and newlines. So a script
//! travels, with its arguments, as one word of that kind, which POSIX sh decodes; and where it is long, on standard input,
//! since a line is one argument on the other side, which systems bound.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use super::ServerRequest;
use crate::cli::args::Want;
use crate::cli::words::{Bind, Dialect};

/// Where a server may be besides `$PATH`, which a non-interactive shell often has short: the user's own, the BSDs' ports and
/// what is built by hand, pkgsrc's, Homebrew's, and the tree of Termux, which is whatever `$PREFIX` says there; where it
/// says nothing, `/bin` is not meant.
const PLACES: [&str; 5] =
    ["$HOME/.local/bin", "/usr/local/bin", "/usr/pkg/bin", "/opt/homebrew/bin", "${PREFIX:-/usr/local}/bin"];

/// Longest line sent as such, in octets: dropbear takes 9,000, Linux 131,071 with what its login shell adds.
const LONGEST_LINE: usize = 8000;

/// Decodes its argument: an octet that is not plain is a hyphen, 0 and three octal digits there. `tr` makes a backslash of the
/// hyphen, as the middle one of three characters, so that none stands here. Where `$PATH` is of no use, the system's own is
/// asked.
const DECODE: &str =
    r#"eval "$(printf %b "$(printf %s "$1" | { tr ,-. "[-]" 2>/dev/null || command -p tr ,-. "[-]"; })")""#;

/// Takes the script from standard input.
const TAKE: &str = r#"eval "$(cat 2>/dev/null || command -p cat)""#;

/// A line for any login shell, and what it is to read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ShellLine {
    pub(super) text: String,
    pub(super) input: Vec<u8>,
}

/// What is asked of the other side. On a `terminal` nothing can be given on standard input.
pub(super) fn remote_line(request: &ServerRequest, terminal: bool) -> ShellLine {
    let (script, arguments) = (script(request), arguments(request));
    let text = script_line(&script, &arguments);
    match terminal || text.len() <= LONGEST_LINE {
        true => ShellLine { text, input: Vec::new() },
        false => ShellLine { text: format!("sh -c '{TAKE}'"), input: whole(&script, &arguments) },
    }
}

/// The server's command in the words that people and lists of allowed commands expect, for each server in turn; nothing where
/// a word needs quotes. For hosts that run nothing else.
pub(super) fn plain_lines(request: &ServerRequest) -> Vec<String> {
    let ours = our_words(request).join(" ");
    // A locale is worth less than a session.
    let mut request = request.clone();
    request.locale.retain(|(_, value)| is_plain(value));
    let request = &request;
    let common: Option<Vec<String>> = arguments(request)
        .into_iter()
        .map(|word| word.into_string().ok().filter(|word| is_plain(word)))
        .collect();
    let Some(common) = common.map(|words| words.join(" ")) else { return Vec::new() };
    let line = |program: &str, more: &str| format!("{program} {more} {common}").replace("  ", " ");
    let stock = format!("new {}", stock_arguments(request).trim_end());
    match &request.program {
        Some(program) if names_stock(program) => vec![line(program, &stock)],
        Some(program) => vec![line(program, &ours)],
        None if stock_will_do(request) => vec![line("mpmosh-server", &ours), line("mosh-server", &stock)],
        None => vec![line("mpmosh-server", &ours)],
    }
}

/// A script for POSIX sh with its arguments, in one line for any login shell.
pub(super) fn script_line(script: &str, arguments: &[OsString]) -> String {
    format!("sh -c '{DECODE}' mpmosh {}", encoded(&whole(script, arguments)))
}

/// A script that begins with its arguments.
fn whole(script: &str, arguments: &[OsString]) -> Vec<u8> {
    let words: Vec<Vec<u8>> = arguments.iter().map(|word| quote(word.as_bytes())).collect();
    [b"set -- ", &words.join(&b' ')[..], b"; ", script.as_bytes()].concat()
}

/// What is looked for, in words for a message.
pub(super) fn asked(request: &ServerRequest) -> String {
    match &request.program {
        Some(program) => program.clone(),
        None if stock_will_do(request) => "mpmosh-server or mosh-server".into(),
        None => "mpmosh-server".into(),
    }
}

/// The arguments that every server understands, after [`our_words`] or what stock's server has in their place.
pub(super) fn arguments(request: &ServerRequest) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["-c".into(), request.colours.to_string().into()];
    let locale =
        || request.locale.iter().flat_map(|(name, value)| ["-l".into(), format!("{name}={value}").into()]);
    if let Want::Attach { .. } = request.want {
        // Where the server listens and what runs in the session is settled.
        words.extend(locale());
        return words;
    }
    match request.bind {
        None | Some(Bind::Any) => {}
        Some(Bind::Ssh) => words.push("-s".into()),
        Some(Bind::Address(ip)) => words.extend(["-i".into(), ip.to_string().into()]),
    }
    if let Some(port) = &request.port {
        words.extend(["-p".into(), port.into()]);
    }
    words.extend(locale());
    if !request.command.is_empty() {
        words.push("--".into());
        words.extend(request.command.iter().cloned());
    }
    words
}

/// What our server is asked for, and the arguments that it alone understands.
pub(super) fn our_words(request: &ServerRequest) -> Vec<String> {
    let (name, take) = match &request.want {
        Want::New { name, take } => (name, *take),
        Want::Attach { which, take } => {
            let (columns, rows) = request.size.unwrap_or((80, 24));
            let size = format!("--size={columns}x{rows}");
            let words = ["attach".to_owned()].into_iter().chain(which.clone());
            let carry = request.carry.then(|| "--carry".into());
            return words.chain(take.then(|| "--take".into())).chain([size]).chain(carry).collect();
        }
    };
    let dialect = match request.dialect {
        Dialect::Auto | Dialect::Multipath => "--dialect=multipath",
        Dialect::Mosh => "--dialect=mosh",
        Dialect::MpMosh => "--dialect=mp-mosh",
    };
    let kind = match request.size {
        None => "--streams".into(),
        Some((columns, rows)) => {
            let terminal::Size { columns, rows } = terminal::Size { columns, rows }.clamped();
            format!("--size={columns}x{rows}")
        }
    };
    let named = name.iter().map(|name| format!("--session={name}")).chain(take.then(|| "--take".into()));
    let ttl = request.session_ttl.map(|seconds| format!("--session-ttl={seconds}"));
    let carry = request.carry.then(|| "--carry".into());
    ["new".into(), dialect.into(), kind].into_iter().chain(named).chain(ttl).chain(carry).collect()
}

/// The line that asks our server something that it answers at once, for hosts that run no scripts.
pub(super) fn plain_question(request: &ServerRequest, words: &[String]) -> Option<String> {
    let program = request.program.as_deref().unwrap_or("mpmosh-server");
    words.iter().all(|word| is_plain(word)).then(|| format!("{program} {}", words.join(" ")))
}

/// The line by which our server carries a session's datagrams: what it says goes the one way that there is.
pub(super) fn carry_line(request: &ServerRequest, session: &str) -> String {
    let told = "exec 2>&1";
    let script = match &request.program {
        Some(program) => format!("{told}; {program} carry \"$1\""),
        None => format!(
            "{told}; for s in {}; do if command -v \"$s\" >/dev/null 2>&1; then exec \"$s\" carry \"$1\"; fi; done; \
             echo no mpmosh-server is found; exit 127",
            places("mpmosh-server")
        ),
    };
    script_line(&script, &[session.into()])
}

/// The script that asks our server something that it answers at once. Its answer stands between two lines of ours.
pub(super) fn question(request: &ServerRequest, words: &[String]) -> String {
    let ask = |program: &str| {
        format!(r#"echo; echo "MPMOSH ANSWER"; {program} {}; echo "MPMOSH STATUS $?"; exit"#, words.join(" "))
    };
    let mut parts = vec!["exec 2>&1 </dev/null".to_owned()];
    if let Some(program) = &request.program {
        parts.push(ask(program));
        return parts.join("; ");
    }
    let ask = ask("\"$s\"");
    parts.push(format!(
        "for s in {}; do if command -v \"$s\" >/dev/null 2>&1; then {ask}; fi; done",
        places("mpmosh-server")
    ));
    parts.push(only_stock());
    parts.push("echo".into());
    parts.push(NO_SERVER.into());
    parts.join("; ")
}

/// What our script says where no server is.
const NO_SERVER: &str = r#"echo "MPMOSH NO-SERVER $PATH""#;

/// What our script says where there is a stock server alone, which does not do what is asked for.
fn only_stock() -> String {
    format!(
        "for s in {}; do if command -v \"$s\" >/dev/null 2>&1; then echo; echo \"MPMOSH ONLY-STOCK\"; exit; fi; done",
        places("mosh-server")
    )
}

/// What a stock server is told besides, before the arguments that all understand: bound to every address it would serve
/// IPv4 alone, whichever way ssh came.
fn stock_arguments(request: &ServerRequest) -> &'static str {
    if request.bind.is_none() { "-s " } else { "" }
}

/// Whether a stock `mosh-server` can carry what is asked.
fn stock_will_do(request: &ServerRequest) -> bool {
    !request.streams() && request.dialect != Dialect::Multipath && !request.want.is_kept()
}

fn script(request: &ServerRequest) -> String {
    let ours = our_words(request).join(" ");
    // Two streams of ssh would arrive in any order, and what the server says would stand on the user's screen.
    let told = r#"exec 2>&1; echo "MPMOSH SSH_CONNECTION $SSH_CONNECTION""#;
    if let Some(program) = &request.program {
        // As with mosh, the user's command is shell text: assignments, options and tildes mean what they say.
        let ours = match names_stock(program) {
            true => format!("new {}", stock_arguments(request)),
            false => format!("{ours} "),
        };
        return format!("{told}; {program} {ours}\"$@\"");
    }
    let search = |name: &str, arguments: &str| {
        format!(
            "for s in {}; do if command -v \"$s\" >/dev/null 2>&1; then exec \"$s\" {arguments}\"$@\"; fi; done",
            places(name)
        )
    };
    let mut parts = vec![told.to_owned()];
    parts.push(search("mpmosh-server", &format!("{ours} ")));
    if stock_will_do(request) {
        parts.push(search("mosh-server", &format!("new {}", stock_arguments(request))));
    } else if request.want.is_kept() {
        parts.push(only_stock());
    }
    parts.push(NO_SERVER.into());
    parts.push("exit 127".into());
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

/// Whether every shell takes the word as it is.
pub(super) fn is_plain(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+:,./@=".contains(c);
    // A leading = means something to zsh.
    !word.is_empty() && word.chars().all(plain) && !word.starts_with('=')
}

/// One word for POSIX sh, whatever octets it has.
fn quote(word: &[u8]) -> Vec<u8> {
    if core::str::from_utf8(word).is_ok_and(is_plain) {
        return word.to_owned();
    }
    let mut quoted = vec![b'\''];
    for &byte in word {
        match byte {
            b'\'' => quoted.extend(br"'\''"),
            byte => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

/// A text as one word for [`DECODE`].
fn encoded(text: &[u8]) -> String {
    let mut word = String::with_capacity(text.len() * 2);
    for &byte in text {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'/' => word.push(char::from(byte)),
            byte => word.push_str(&format!("-0{byte:03o}")),
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    fn request(words: &[&str]) -> ServerRequest {
        ServerRequest {
            command: words.iter().map(Into::into).collect(),
            program: Some("env -u SSH_CONNECTION printf %s:".into()),
            ..ServerRequest::default()
        }
    }

    /// What the shell makes of the words: each ended by a colon by printf, whose format is repeated.
    fn heard(shell: &str, words: &[&str]) -> String {
        let output = Command::new(shell)
            .args(["-c", &remote_line(&request(words), true).text])
            .output()
            .unwrap_or_else(|e| panic!("{shell}: {e}"));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        match text.split_once("-c:0:") {
            Some((_, rest)) => rest.to_owned(),
            None => panic!("{shell}: {text:?} {}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// What a shell writes that is given this input.
    fn told_by(mut shell: Command, input: Vec<u8>) -> String {
        let mut child =
            shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap_or_else(|e| panic!("{e}"));
        let mut stdin = child.stdin.take().unwrap_or_else(|| panic!());
        std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().unwrap_or_else(|e| panic!("{e}"));
        String::from_utf8_lossy(&output.stdout).into_owned()
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
        for shell in [
            "sh", "bash", "csh", "tcsh", "fish", "zsh", "dash", "mksh", "yash", "rc", "elvish", "xonsh",
            "nu", "rbash",
        ] {
            if Command::new(shell).args(["-c", "true"]).output().is_ok() {
                let all: Vec<&str> =
                    HARD.iter().chain(&["two\nlines\n", r"and\a 'quote'!"]).copied().collect();
                assert_eq!(heard(shell, &all), format!("{said}two\nlines\n:and\\a 'quote'!:"), "{shell}");
                heard_by.push(shell);
            }
        }
        println!("heard by {heard_by:?}");
        assert!(heard_by.contains(&"sh"));
    }

    #[test]
    fn any_octets_but_the_one_that_ends_a_word_arrive() {
        use std::os::unix::ffi::OsStringExt;
        let every: Vec<u8> = (1..=255).collect();
        for times in [1, 200] {
            let word = OsString::from_vec(every.repeat(times));
            let server = ServerRequest { command: vec![word], ..request(&[]) };
            let ShellLine { text, input } = remote_line(&server, false);
            assert_eq!(input.is_empty(), times == 1);
            let mut shell = Command::new("sh");
            let mut child = shell
                .args(["-c", &text])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap_or_else(|e| panic!("{e}"));
            let mut stdin = child.stdin.take().unwrap_or_else(|| panic!());
            std::thread::spawn(move || stdin.write_all(&input));
            let output = child.wait_with_output().unwrap_or_else(|e| panic!("{e}"));
            let expected = [b"--:", &every.repeat(times)[..], b":"].concat();
            assert!(output.stdout.ends_with(&expected), "{}", output.stdout.escape_ascii());
        }
    }

    #[test]
    fn no_path_is_needed() {
        for word in ["short", &"long ".repeat(4000)] {
            let server = ServerRequest { program: Some("printf %s:".into()), ..request(&[word]) };
            let ShellLine { text, input } = remote_line(&server, false);
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", &text.replacen("sh", "/bin/sh", 1)]).env("PATH", "/nonexistent");
            assert!(told_by(shell, input).ends_with(&format!("--:{word}:")), "{text}");
        }
    }

    #[test]
    fn a_long_command_goes_by_standard_input() {
        let word = "it's 100 kB! ".repeat(8000);
        let ShellLine { text, input } = remote_line(&request(&[&word]), false);
        assert!(text.len() < LONGEST_LINE && input.len() > word.len());
        let mut shell = Command::new("sh");
        shell.args(["-c", &text]);
        assert!(told_by(shell, input).ends_with(&format!(":{word}:")));
        // A terminal's input is its own.
        assert!(remote_line(&request(&[&word]), true).input.is_empty());
        assert!(remote_line(&request(&["short"]), false).input.is_empty());
    }

    #[test]
    fn the_plain_form_is_that_of_moshs_wrapper() {
        let lines = |request| plain_lines(&request);
        let plain = ServerRequest { colours: 256, command: vec!["ls".into(), "-l".into()], ..terminal() };
        assert_eq!(
            lines(plain.clone()),
            [
                "mpmosh-server new --dialect=multipath --size=80x24 -c 256 -- ls -l",
                "mosh-server new -s -c 256 -- ls -l"
            ]
        );
        let named = ServerRequest { program: Some("/opt/mpmosh-server".into()), ..ServerRequest::default() };
        assert_eq!(lines(named), ["/opt/mpmosh-server new --dialect=multipath --streams -c 0"]);
        assert!(lines(ServerRequest { command: vec!["a b".into()], ..plain }).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn sh_hears_any_word(word in "[ -~é\n]{0,20}") {
            prop_assert_eq!(heard("sh", &[&word]), format!("--:{word}:"));
        }
    }

    #[test]
    fn what_every_shell_reads_is_free_of_what_some_read_otherwise() {
        for text in [DECODE, TAKE] {
            assert!(!text.contains(['\'', '\\', '!', '\n']), "{text}");
        }
        let every: String = (0..=127_u8).map(char::from).chain(['é']).collect();
        assert!(encoded(every.as_bytes()).chars().all(|c| c.is_ascii_alphanumeric() || "_/-".contains(c)));
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
    fn a_session_that_outlives_its_client_is_asked_of_our_server_alone() {
        let attach = |which: Option<&str>, take| ServerRequest {
            want: Want::Attach { which: which.map(str::to_owned), take },
            port: Some("60001".into()),
            bind: Some(Bind::Ssh),
            locale: vec![("LANG".into(), "C.UTF-8".into())],
            ..terminal()
        };
        let asked = script(&attach(Some("work"), true));
        assert!(asked.contains("exec \"$s\" attach work --take --size=80x24 \"$@\""), "{asked}");
        assert!(asked.contains("ONLY-STOCK") && !asked.contains("mosh-server\" new"), "{asked}");
        assert_eq!(arguments(&attach(None, false)), ["-c", "0", "-l", "LANG=C.UTF-8"]);
        assert_eq!(
            plain_lines(&attach(None, false)),
            ["mpmosh-server attach --size=80x24 -c 0 -l LANG=C.UTF-8"]
        );
        let want = Want::New { name: Some("work".into()), take: false };
        let named = ServerRequest { want, session_ttl: Some(0), ..terminal() };
        assert_eq!(
            plain_lines(&named),
            ["mpmosh-server new --dialect=multipath --size=80x24 --session=work --session-ttl=0 -c 0"]
        );
        assert!(script(&named).contains("ONLY-STOCK"));
    }

    #[test]
    fn a_question_is_answered_between_two_lines_by_the_first_server_that_is_there() {
        let asks = |program: &str, words: &[&str]| {
            let request = ServerRequest { program: Some(program.into()), ..ServerRequest::default() };
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let output = Command::new("sh").args(["-c", &question(&request, &words)]).output().unwrap();
            assert!(output.stderr.is_empty());
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(asks("echo", &["kill", "work"]), "\nMPMOSH ANSWER\nkill work\nMPMOSH STATUS 0\n");
        assert_eq!(asks("sh -c 'echo no >&2; exit 7' x", &[]), "\nMPMOSH ANSWER\nno\nMPMOSH STATUS 7\n");
    }

    #[test]
    fn a_stock_server_serves_the_family_that_ssh_came_by_unless_it_is_told_otherwise() {
        let script = |bind| script(&ServerRequest { bind, ..terminal() });
        assert!(script(None).contains("exec \"$s\" new -s \"$@\""));
        assert!(script(Some(Bind::Any)).contains("exec \"$s\" new \"$@\""));
        // The common arguments have what was asked for.
        for bind in [Bind::Ssh, Bind::Address([192, 0, 2, 1].into())].map(Some) {
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
            bind: Some(Bind::Ssh),
            colours: 256,
            locale: vec![("LANG".into(), "C.UTF-8".into())],
            ..ServerRequest::default()
        };
        let words = arguments(&request);
        assert_eq!(words, ["-c", "256", "-s", "-p", "60000:60010", "-l", "LANG=C.UTF-8", "--", "ls", "-l"]);
    }
}
