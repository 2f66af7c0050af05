//! Man pages and completions: made from the definitions of the command lines and of the configuration, and committed,
//! because a distribution that cross-compiles, or builds without the tests' crates, cannot make them itself.
//!
//! Contract: what stands in `packaging/man` and `packaging/completions` is what the definitions give. `make manual`
//! (`MPMOSH_WRITE_MANUAL=1`) writes it anew; without that variable a difference fails the test.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, ValueHint};
use clap_complete::Shell;
use mpmosh_client::cli::options::{Definition, Kind, OPTIONS};

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("packaging")
}

/// The three programs.
fn programs() -> [Command; 3] {
    [
        mpmosh_client::cli::args::command(),
        mpmosh_client::cli::args::client_command(),
        mpmosh_server::args::command(),
    ]
}

// ---- man pages ----------------------------------------------------------------------------------------------------

/// A page: its template with what the definitions say in place of the words between at-signs, each alone on its line.
fn page(template: &str, command: &Command) -> String {
    let mut page =
        String::from(".\\\" Made from the template beside it by `make manual`; changes belong there.\n");
    for line in template.lines() {
        match line {
            "@SYNOPSIS@" => page += &synopsis(command),
            "@OPTIONS@" => page += &options(command),
            "@SUBCOMMANDS@" => page += &subcommands(command),
            "@MOSH_VARIABLES@" => page += &mosh_variables(),
            "@KEYS@" => page += &keys(),
            _ => {
                page += &line.replace("@VERSION@", env!("CARGO_PKG_VERSION"));
                page.push('\n');
            }
        }
    }
    page
}

/// Text as roff sets it: hyphens as typed, quotes straight, no line taken for a request.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('…', "...");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

fn synopsis(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let lines = usage.trim_start_matches("Usage:").lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<_> = lines
        .map(|line| match line.find(" [").or_else(|| line.find(" TRACE")) {
            Some(end) => format!("\\fB{}\\fR{}", roff(&line[..end]), roff(&line[end..])),
            None => format!("\\fB{}\\fR", roff(line)),
        })
        .collect();
    lines.join("\n.br\n") + "\n"
}

/// The options by heading, as clap_mangen sets them. Its headings are sections; under OPTIONS they are subsections.
fn options(command: &Command) -> String {
    let quiet = command.clone().mut_args(|arg| {
        let takes_values = arg.get_action().takes_values();
        arg.hide_possible_values(takes_values)
    });
    let mut octets = Vec::new();
    clap_mangen::Man::new(quiet).render_options_section(&mut octets).unwrap();
    let text = String::from_utf8(octets).unwrap();
    let mut out = String::new();
    let headings: Vec<&str> = command.get_arguments().filter_map(|arg| arg.get_help_heading()).collect();
    for line in text.lines().filter(|line| !line.contains("\\n(.g")) {
        let heading = line.strip_prefix(".SH ").map(|heading| heading.trim_matches('"'));
        match heading.and_then(|up| headings.iter().find(|name| name.to_uppercase() == up)) {
            Some(name) => writeln!(out, ".SS {name}").unwrap(),
            None => writeln!(out, "{}", line.replace("\\*(Aq", "\\(aq")).unwrap(),
        }
    }
    out
}

fn subcommands(command: &Command) -> String {
    let mut out = String::new();
    for subcommand in command.get_subcommands() {
        let mut one =
            subcommand.clone().bin_name(format!("{} {}", command.get_name(), subcommand.get_name()));
        let usage = one.render_usage().to_string();
        let about = subcommand.get_about().map(ToString::to_string).unwrap_or_default();
        writeln!(
            out,
            ".TP\n.B {}\n{}.",
            roff(usage.trim_start_matches("Usage:").trim()),
            roff(about.trim_end_matches('.'))
        )
        .unwrap();
        out += ".RS\n";
        for arg in subcommand.get_arguments().filter(|arg| arg.get_id() != "help" && !arg.is_hide_set()) {
            let value = arg.get_value_names().map(|names| names[0].to_string()).unwrap_or_default();
            let name = match (arg.get_short(), arg.get_long()) {
                (Some(short), Some(long)) => format!("\\fB\\-{short}\\fR, \\fB\\-\\-{}\\fR", roff(long)),
                (None, Some(long)) => format!("\\fB\\-\\-{}\\fR", roff(long)),
                _ => String::new(),
            };
            let value = if arg.get_action().takes_values() {
                format!(" \\fI{}\\fR", roff(&value))
            } else {
                String::new()
            };
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            writeln!(out, ".TP\n{}\n{}", format!("{name}{value}").trim(), roff(&help)).unwrap();
        }
        if let Some(more) = subcommand.get_after_help() {
            for paragraph in more.to_string().split("\n\n") {
                writeln!(out, ".PP\n{}", roff(paragraph)).unwrap();
            }
        }
        out += ".RE\n";
    }
    out
}

fn mosh_variables() -> String {
    let mut out = String::new();
    for (option, mosh) in OPTIONS.iter().filter_map(|option| Some((option, option.mosh?))) {
        let (name, help) = (mosh.name, roff(option.help));
        writeln!(out, ".TP\n.B {name}\n{help}; the key\n.B {}.", roff(option.name)).unwrap();
    }
    out
}

fn keys() -> String {
    let mut out = String::new();
    for option in OPTIONS {
        let mut variables = format!(".B {}", option.variable());
        if let Some(mosh) = option.mosh {
            variables = format!(".BR {} \", \" {}", option.variable(), mosh.name);
        }
        writeln!(
            out,
            ".TP\n.B {}\n{}: {}.{}\n.br\n{variables}",
            roff(option.name),
            roff(option.help),
            roff(&option.kind.wanted()),
            roff(&default(option))
        )
        .unwrap();
    }
    out
}

/// What holds when nobody says anything, a sentence; nothing where nothing holds.
fn default(option: &Definition) -> String {
    match option.default {
        "" => String::new(),
        word => format!(" The default is {word}."),
    }
}

// ---- completions --------------------------------------------------------------------------------------------------

/// Options whose value is one of this machine's interfaces.
fn interfaces() -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().filter(|option| option.kind == Kind::Interfaces).filter_map(Definition::long_name)
}

fn completion(shell: Shell, command: &Command) -> String {
    let name = command.get_name().to_owned();
    let mut octets = Vec::new();
    clap_complete::generate(shell, &mut command.clone(), &name, &mut octets);
    let mut script = String::from_utf8(octets).unwrap();
    let hosts = command.get_arguments().any(|arg| arg.get_value_hint() == ValueHint::Hostname);
    if hosts {
        script = match shell {
            Shell::Bash => {
                script + &BASH_HOSTS.replace("NAME", &name).replace("INTERFACES", &bash_interfaces())
            }
            Shell::Zsh => zsh_with_hosts(&script),
            Shell::Fish => fish_with_hosts(&script, &name),
            _ => unreachable!("three shells"),
        };
    }
    script
}

fn bash_interfaces() -> String {
    interfaces().map(|option| format!("--{option}")).collect::<Vec<_>>().join(" | ")
}

/// Values are completed wherever their option stands: what clap_complete asks first does not hold while an option waits for
/// its value.
fn fish_with_hosts(script: &str, name: &str) -> String {
    let asked = format!(" -n \"__fish_{name}_needs_command\"");
    let mut out = String::new();
    for line in script.lines() {
        let takes_value = line.contains(" -r");
        let line = if takes_value { line.replacen(&asked, "", 1) } else { line.to_owned() };
        let interface = interfaces().any(|option| line.contains(&format!(" -l {option} ")));
        writeln!(out, "{line}{}", if interface { " -f -a \"(__fish_print_interfaces)\"" } else { "" })
            .unwrap();
    }
    let of_hosts = "sessions attach detach kill doctor";
    let behind = format!(" -n \"__fish_{name}_using_subcommand {of_hosts}\"");
    let hosts = |when: &str| format!("complete -c {name} -f{when} -a \"(__fish_print_hostnames)\"\n");
    out + &hosts(&asked) + &hosts(&behind)
}

/// zsh's own function for hosts reads `/etc/hosts` alone; that of ssh reads `~/.ssh/config` and `known_hosts` too.
fn zsh_with_hosts(script: &str) -> String {
    let mut script = script.replace("_hosts'", "_ssh_hosts'");
    // The first word is a host or a command; clap_complete would have a command only behind a host.
    let is_first = |line: &&str| line.starts_with("'::words -- ");
    if let Some(first) = script.lines().find(is_first).map(|line| format!("{line}\n")) {
        script = script.replace(&first, "").replace("$line[2]", "$line[1]");
        script = script.replacen("\":: :_mpmosh_commands\"", "\":: :_mpmosh_first\"", 1);
        let function = "_mpmosh_first() {\n    _mpmosh_commands\n    _ssh_hosts\n}\n\n";
        script = script.replacen("\n_mpmosh() {\n", &format!("\n{function}_mpmosh() {{\n"), 1);
    }
    for option in interfaces() {
        for assignment in [format!("--{option}=["), format!("--{option} [")] {
            script = script
                .lines()
                .map(|line| match line.contains(&assignment) {
                    true => line.replace(":IFACE:_default", ":IFACE:_net_interfaces") + "\n",
                    false => format!("{line}\n"),
                })
                .collect();
        }
    }
    script
}

/// bash-completion knows how to read `~/.ssh/config`, its Include lines and `known_hosts`; where it is not installed, the
/// plain words of the two files do.
const BASH_HOSTS: &str = r#"
_NAME_hosts() {
    if declare -F _comp_compgen_known_hosts >/dev/null; then
        local cur=$1
        _comp_compgen -a known_hosts -a -- "$1"
    elif declare -F _known_hosts_real >/dev/null; then
        _known_hosts_real -a -- "$1"
    else
        local words
        words=$({
            sed -n 's/^[[:space:]]*[Hh]ost[[:space:]=]\{1,\}//p' ~/.ssh/config | tr ' ' '\n' | grep -v '[*?!]'
            sed 's/^@[^ ]* //; s/[ ].*//; /^|/d; s/,/\n/g' ~/.ssh/known_hosts | sed 's/^\[\(.*\)\].*/\1/'
        } 2>/dev/null)
        COMPREPLY+=($(compgen -W "$words" -- "$1"))
    fi
}

_NAME_with_hosts() {
    local i host= word=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    case $prev in
        INTERFACES)
            COMPREPLY=($(compgen -W "$(ls /sys/class/net 2>/dev/null || ifconfig -l 2>/dev/null)" -- "$word"))
            return
            ;;
        -J)
            COMPREPLY=()
            _NAME_hosts "$word"
            return
            ;;
    esac
    _NAME "$@"
    # A word that begins with a hyphen is an option; the rest of the line after the host is the remote command.
    [[ $word == -* || $prev == -[liFJop] || $prev == --* && $prev != -- && $prev != --no-* && $prev != --local ]] && return
    local user=
    if [[ $word == *@* ]]; then
        user=${word%%@*}@
        word=${word#*@}
    fi
    local before=${#COMPREPLY[@]}
    _NAME_hosts "$word"
    for ((i = before; i < ${#COMPREPLY[@]}; i++)); do COMPREPLY[i]=$user${COMPREPLY[i]}; done
}

complete -F _NAME_with_hosts -o bashdefault NAME
"#;

// ---- what is committed --------------------------------------------------------------------------------------------

/// Every file that is made, with what it should hold.
fn made() -> Vec<(PathBuf, String)> {
    let (man, completions) = (packaging().join("man"), packaging().join("completions"));
    let mut files = Vec::new();
    for command in programs() {
        let name = command.get_name().to_owned();
        let template = fs::read_to_string(man.join(format!("{name}.1.in"))).unwrap();
        files.push((man.join(format!("{name}.1")), page(&template, &command)));
        let command = if name == "mpmosh" { mpmosh_client::cli::args::completions() } else { command };
        for (shell, file) in [
            (Shell::Bash, format!("bash/{name}")),
            (Shell::Zsh, format!("zsh/_{name}")),
            (Shell::Fish, format!("fish/{name}.fish")),
        ] {
            files.push((completions.join(file), completion(shell, &command)));
        }
    }
    let template = fs::read_to_string(man.join("mpmosh.toml.5.in")).unwrap();
    files.push((man.join("mpmosh.toml.5"), page(&template, &Command::new("mpmosh"))));
    files
}

#[test]
fn man_pages_and_completions_are_those_of_the_command_lines() {
    for (file, text) in made() {
        if std::env::var_os("MPMOSH_WRITE_MANUAL").is_some() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &text).unwrap();
        }
        let found = fs::read_to_string(&file).unwrap_or_default();
        assert!(found == text, "{} is not current: run `make manual`", file.display());
    }
}

#[test]
fn man_pages_name_every_option_and_key_and_leave_no_word_unfilled() {
    let page = |name: &str| fs::read_to_string(packaging().join("man").join(name)).unwrap();
    for command in programs() {
        let text = page(&format!("{}.1", command.get_name()));
        for long in command.get_arguments().filter_map(clap::Arg::get_long) {
            assert!(text.contains(&roff(&format!("--{long}"))), "{}: --{long}", command.get_name());
        }
        let unfilled = text.lines().find(|line| line.starts_with('@'));
        assert_eq!(unfilled, None, "{}", command.get_name());
    }
    let (line, toml) = (page("mpmosh.1"), page("mpmosh.toml.5"));
    for option in OPTIONS {
        assert!(
            toml.contains(&format!(".B {}\n{}", roff(option.name), roff(option.help))),
            "{}",
            option.name
        );
        assert!(toml.contains(&option.variable()), "{}", option.name);
        assert!(option.default.is_empty() || toml.contains(&roff(&default(option))), "{}", option.name);
        assert!(option.long_name().is_none() || line.contains(&roff(&option.sentence())), "{}", option.name);
    }
}
