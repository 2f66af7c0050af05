//! The words after `mpmosh sessions`, `attach`, `detach` and `kill`: a session's options, and which session is meant.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command, FromArgMatches, ValueHint};

use super::session::{Cli, arranged_throughout, session_command};
use super::{Invocation, SessionArgs, Target, Want, session};
use crate::cli::named;
use crate::cli::options::given;

/// A command about the sessions of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Sessions,
    Attach,
    Detach,
    Kill,
}

/// What the status of `detach` and `kill` says.
const DONE: &str = "Status 0: it is done; 1: there is no such session; 255: the host could not be asked.";

const VERBS: [Verb; 4] = [Verb::Sessions, Verb::Attach, Verb::Detach, Verb::Kill];

impl Verb {
    const fn word(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Attach => "attach",
            Self::Detach => "detach",
            Self::Kill => "kill",
        }
    }

    const fn usage(self) -> &'static str {
        match self {
            Self::Sessions => "mpmosh sessions [options] [user@]host[:sshport] [--json]",
            Self::Attach => "mpmosh attach [options] [user@]host[:sshport] [ID|NAME] [--take]",
            Self::Detach => "mpmosh detach [options] [user@]host[:sshport] ID|NAME",
            Self::Kill => "mpmosh kill [options] [user@]host[:sshport] ID|NAME",
        }
    }

    /// How many words it takes behind the host, at least and at most.
    const fn words(self) -> (usize, usize) {
        match self {
            Self::Sessions => (0, 0),
            Self::Attach => (0, 1),
            Self::Detach | Self::Kill => (1, 1),
        }
    }

    /// An error in the manner of clap, with the usage line.
    fn error(self, message: impl core::fmt::Display) -> clap::Error {
        let mut command = session_command().override_usage(self.usage());
        command.error(clap::error::ErrorKind::ValueValidation, message)
    }

    /// As manuals and completions know it; what it takes besides is a session's ([`Cli`]).
    fn command(self) -> Command {
        let host = Arg::new("host")
            .value_name("[USER@]HOST[:SSHPORT]")
            .required(true)
            .help("The host, or --local for this machine")
            .value_hint(ValueHint::Hostname);
        let which = |required: bool, help: &'static str| {
            Arg::new("which").value_name("ID|NAME").required(required).help(help).value_hint(ValueHint::Other)
        };
        let command = Command::new(self.word()).disable_version_flag(true).arg(host);
        match self {
            Self::Sessions => command
                .about("List your sessions on a host, and the command that returns to each")
                .arg(json())
                .after_help(
                    "Status 0: there are sessions; 1: there is none; 255: they could not be asked for. With --json, standard \
                     output has one line of JSON and nothing else.",
                ),
            Self::Attach => command
                .about("Return to a session that goes on without a client, or take one over")
                .arg(which(false, "Which session; when left out the one that has no client"))
                .arg(take())
                .after_help(
                    "Where several have no client you are asked which one it is to be, and where another client was heard \
                     within the last 40 seconds, whether it is to lose the session.",
                ),
            Self::Detach => command
                .about("Take a session away from its client; the program in it goes on")
                .arg(which(true, "Which session"))
                .after_help(DONE),
            Self::Kill => command
                .about("End a session; the program in it is hung up on")
                .arg(which(true, "Which session"))
                .after_help(DONE),
        }
    }
}

fn json() -> Arg {
    Arg::new("json").long("json").action(ArgAction::SetTrue).help("Write them as JSON")
}

fn take() -> Arg {
    Arg::new("take")
        .long("take")
        .action(ArgAction::SetTrue)
        .help("Take the session over without a question where a client has it")
}

/// The commands, for manuals and completions.
pub(super) fn commands() -> impl Iterator<Item = Command> {
    VERBS.into_iter().map(Verb::command)
}

/// Reads the words of such a command, its own name second; `None` where the second word is none.
pub(super) fn parse(words: &[OsString]) -> Option<Result<Invocation, clap::Error>> {
    let second = words.get(1)?.to_str()?;
    let verb = VERBS.into_iter().find(|verb| verb.word() == second)?;
    Some(parse_verb(verb, words.get(2..).unwrap_or_default().to_vec()))
}

/// What such a command takes, with its own help: a session's options, as far as they mean something to it.
fn definition(verb: Verb) -> Command {
    let own = verb.command();
    let mut command = session_command().name("mpmosh").bin_name(format!("mpmosh {}", verb.word()));
    command = command.override_usage(verb.usage()).after_help("").disable_version_flag(true);
    if let Some(about) = own.get_about() {
        command = command.about(about.clone());
    }
    if let Some(help) = own.get_after_help() {
        command = command.after_help(help.clone());
    }
    if verb == Verb::Sessions {
        command = command.arg(json());
    }
    let (name, help) = match verb.words() {
        (_, 0) => ("HOST", "[user@]host[:sshport]"),
        (0, _) => (
            "HOST [ID|NAME]",
            "[user@]host[:sshport], then the session; when left out the one without a client",
        ),
        _ => ("HOST ID|NAME", "[user@]host[:sshport], then the session"),
    };
    command
        .mut_arg("words", |arg| arg.value_name(name).help(help))
        .mut_arg("local", |arg| arg.help("The sessions of this machine, without ssh"))
        .mut_arg("session", |arg| arg.hide(true))
        .mut_arg("take", |arg| arg.hide(verb != Verb::Attach))
}

fn parse_verb(verb: Verb, words: Vec<OsString>) -> Result<Invocation, clap::Error> {
    let (words, followed) = arranged_throughout(core::iter::once("mpmosh".into()).chain(words).collect());
    let matches = definition(verb).try_get_matches_from(words)?;
    let json = verb == Verb::Sessions && matches.get_flag("json");
    let cli = Cli::from_arg_matches(&matches)?;
    if cli.session.is_some() {
        return Err(verb.error(format!("“mpmosh {}” takes the session's name behind the host", verb.word())));
    }
    if cli.take && verb != Verb::Attach {
        return Err(verb.error("--take is a word of “mpmosh attach”, or goes with --session"));
    }
    if !cli.local && cli.words.is_empty() {
        return Err(verb.error("no host was given (or --local, for this machine)"));
    }
    let take = cli.take;
    let mut args = session((Cli { take: false, ..cli }, given(&matches)))?;
    let rest = core::mem::take(&mut args.command);
    let which = which(verb, rest, followed)?;
    Ok(match (verb, which) {
        (Verb::Attach, which) => {
            args.want = Want::Attach { which, take };
            Invocation::Attach(args)
        }
        (Verb::Detach, Some(which)) => Invocation::Detach(args, which),
        (Verb::Kill, Some(which)) => Invocation::Kill(args, which),
        _ => Invocation::Sessions(args, json),
    })
}

/// The session that is meant; `followed` by a command there is none.
fn which(verb: Verb, words: Vec<OsString>, followed: bool) -> Result<Option<String>, clap::Error> {
    let (least, most) = verb.words();
    if followed || words.len() > most {
        return Err(verb.error(match verb {
            Verb::Attach => {
                "“mpmosh attach” takes no command: what runs in a session runs already, and is typed to once you are there"
                    .to_owned()
            }
            verb => format!("more words were given than “mpmosh {}” takes", verb.word()),
        }));
    }
    if words.len() < least {
        return Err(verb.error("which session is not said (“mpmosh sessions” shows those that are there)"));
    }
    let Some(word) = words.into_iter().next() else { return Ok(None) };
    let word = word.to_string_lossy().into_owned();
    named::check(&word).map_err(|wrong| verb.error(wrong))?;
    Ok(Some(word))
}

/// How the target of a command line is named on another one of ours, for whoever copies it.
pub(super) fn way(args: &SessionArgs) -> String {
    let mut words = Vec::new();
    let mut option = |name: &str, value: &str| words.push(format!("{name}{}", quoted(value)));
    if let Target::Remote(_) = &args.target {
        for file in &args.ssh.identities {
            option("-i ", &file.to_string_lossy());
        }
        if let Some(file) = &args.ssh.config {
            option("-F ", &file.to_string_lossy());
        }
        if let Some(jump) = &args.ssh.jump {
            option("-J ", jump);
        }
        for setting in &args.ssh.options {
            option("-o ", setting);
        }
    }
    for name in ["ssh", "server", "family"] {
        if let Some(value) = args.given.get(name).and_then(|value| value.as_str()) {
            option(&format!("--{name}="), value);
        }
    }
    words.push(match &args.target {
        Target::Local => "--local".into(),
        Target::Remote(destination) => quoted(&destination.as_typed()),
    });
    words.join(" ")
}

/// One word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+:,./@=%[]".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[&str]) -> Result<Invocation, String> {
        let words = core::iter::once("mpmosh").chain(line.iter().copied()).map(OsString::from);
        super::super::parse(words).map_err(|error| error.to_string())
    }

    fn attach(line: &[&str]) -> Box<SessionArgs> {
        match parse(line) {
            Ok(Invocation::Attach(args)) => args,
            other => panic!("{line:?}: {other:?}"),
        }
    }

    #[test]
    fn options_stand_anywhere_before_and_behind_the_host_and_the_session() {
        for line in [
            &["attach", "-J", "gate", "me@h:2222", "work", "--take"][..],
            &["attach", "me@h:2222", "-J", "gate", "--take", "work"],
            &["attach", "--take", "me@h:2222", "work", "-J", "gate"],
        ] {
            let args = attach(line);
            assert_eq!(args.want, Want::Attach { which: Some("work".into()), take: true }, "{line:?}");
            assert_eq!(args.way(), "-J gate me@h:2222", "{line:?}");
        }
        assert_eq!(attach(&["attach", "h"]).want, Want::Attach { which: None, take: false });
        let local = attach(&["attach", "--local", "kq3f8a"]);
        assert_eq!((local.target.clone(), local.way().as_str()), (Target::Local, "--local"));
        assert_eq!(local.want, Want::Attach { which: Some("kq3f8a".into()), take: false });
        assert!(matches!(parse(&["kill", "h", "-oPort=7", "work"]), Ok(Invocation::Kill(args, which))
            if which == "work" && args.ssh.options == ["Port=7"]));
        assert!(
            matches!(parse(&["detach", "--local", "work"]), Ok(Invocation::Detach(_, which)) if which == "work")
        );
        assert!(matches!(parse(&["sessions", "h", "--json"]), Ok(Invocation::Sessions(_, true))));
        assert!(matches!(parse(&["sessions", "--local"]), Ok(Invocation::Sessions(_, false))));
        // A host of such a name stands behind a dash or two.
        assert!(matches!(parse(&["--", "attach"]), Ok(Invocation::Session(_))));
    }

    #[test]
    fn a_session_may_be_named_where_it_is_created() {
        let Ok(Invocation::Session(args)) = parse(&["--session", "work", "--take", "h", "--", "top"]) else {
            panic!()
        };
        assert_eq!(args.want, Want::New { name: Some("work".into()), take: true });
        assert_eq!(args.command, ["top"]);
        let Ok(Invocation::Session(args)) = parse(&["h", "--session=work"]) else { panic!() };
        assert_eq!(args.want, Want::New { name: Some("work".into()), take: false });
        assert!(parse(&["--take", "h"]).unwrap_err().contains("--session"));
    }

    #[test]
    fn words_that_mean_nothing_are_refused_in_words() {
        for (line, says) in [
            (&["attach", "h", "work", "--", "top"][..], "takes no command"),
            (&["attach", "h", "--", "top"], "takes no command"),
            (&["attach", "h", "work", "top"], "takes no command"),
            (&["attach", "--local", "--", "top"], "takes no command"),
            (&["attach", "h", "a b"], "holds more than letters"),
            (&["attach", "h", "\u{1b}[2J"], "control character"),
            (&["attach", "h", &"x".repeat(33)], "longer than 32"),
            (&["--session", "a\u{7}b", "h"], "control character"),
            (&["--session=", "h"], "empty"),
            (&["attach", "--session=x", "h"], "behind the host"),
            (&["kill", "h"], "which session is not said"),
            (&["kill", "h", "a", "b"], "more words"),
            (&["sessions", "h", "work"], "more words"),
            (&["kill", "--take", "h", "a"], "--take is a word of"),
            (&["attach"], "no host"),
            (&["attach", "h", "--jason"], "--jason"),
        ] {
            let told = parse(line).unwrap_err();
            assert!(told.contains(says) && !told.contains('\u{1b}'), "{line:?}: {told}");
        }
        let help = parse(&["attach", "--help"]).unwrap_err();
        assert!(
            help.contains("Usage: mpmosh attach [options]") && help.contains("Return to a session"),
            "{help}"
        );
        assert!(help.contains("--take") && !help.contains("A remote terminal that uses"), "{help}");
        assert!(!help.contains("COMMAND]") && !help.contains("--session <"), "{help}");
        let help = parse(&["kill", "--help"]).unwrap_err();
        assert!(help.contains("End a session") && !help.contains("--take"), "{help}");
    }

    #[test]
    fn the_way_to_a_host_can_be_copied() {
        let way = |line: &[&str]| match parse(line) {
            Ok(Invocation::Session(args)) => args.way(),
            other => panic!("{other:?}"),
        };
        assert_eq!(way(&["h"]), "h");
        assert_eq!(way(&["-l", "me", "--ssh-port=7", "h"]), "me@h:7");
        assert_eq!(way(&["ssh://me@[::1]:7"]), "me@[::1]:7");
        assert_eq!(way(&["fe80::1%eth0"]), "fe80::1%eth0");
        assert_eq!(
            way(&["-i", "a key", "-oUser=x", "--ssh=ssh -v", "--server=it's", "-4", "--predict=always", "h"]),
            r"-i 'a key' -o User=x --ssh='ssh -v' --server='it'\''s' --family=inet h"
        );
        assert_eq!(way(&["--local", "--server=/x", "--", "top"]), "--server=/x --local");
    }
}
