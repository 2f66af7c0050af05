//! The options as clap takes them, and what was given of them.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, ValueHint};
use figment::value::{Dict, Value};

use super::definition::Same;
use super::{Definition, Kind, OPTIONS};

/// Every option that can be typed. Values are text here: the configuration checks them, wherever they come from, and says
/// which words are right.
pub(crate) fn arguments() -> impl Iterator<Item = Arg> {
    OPTIONS.iter().filter_map(|option| Some((option, argument(option)?))).flat_map(|(option, argument)| {
        let same = option.same.iter().flatten().map(|same| stand_in(option, same));
        core::iter::once(argument).chain(same)
    })
}

fn argument(option: &'static Definition) -> Option<Arg> {
    let argument = Arg::new(option.name)
        .long(option.long?)
        .short(option.letter)
        .help_heading(option.heading)
        .help(option.sentence())
        .conflicts_with_all(option.same.iter().flatten().map(|same| same.typed));
    Some(match option.kind {
        Kind::Flag => argument.action(ArgAction::SetTrue),
        kind => {
            let value = if option.value.is_empty() { kind.called() } else { option.value };
            let action = if kind.is_list() { ArgAction::Append } else { ArgAction::Set };
            argument.action(action).value_name(value).value_hint(hint(kind))
        }
    })
}

/// For manuals and completions, which know what words there are.
pub(crate) fn with_words(argument: Arg) -> Arg {
    match Definition::named(argument.get_id().as_str()).map(|option| option.kind) {
        Some(Kind::Word(words)) => argument.value_parser(PossibleValuesParser::new(words)),
        _ => argument,
    }
}

/// An option that stands for another one with a value.
fn stand_in(option: &'static Definition, same: &'static Same) -> Arg {
    let long = option.long.unwrap_or(option.name);
    let help = match (option.kind, same.value == option.default) {
        (Kind::Flag, true) => format!("Not --{long} (the default)"),
        (Kind::Flag, false) => format!("Same as --{long}"),
        _ => format!("Same as --{long}={}", same.value),
    };
    let argument = Arg::new(same.typed).help_heading(option.heading).help(help).action(ArgAction::SetTrue);
    let others = option.same.iter().flatten().map(|other| other.typed).filter(|typed| *typed != same.typed);
    let argument = argument.conflicts_with(option.name).conflicts_with_all(others);
    match same.typed.strip_prefix("--") {
        Some(long) => argument.long(long),
        None => argument.short(same.typed.chars().last()),
    }
}

fn hint(kind: Kind) -> ValueHint {
    match kind {
        Kind::File => ValueHint::AnyPath,
        Kind::Command => ValueHint::CommandName,
        _ => ValueHint::Unknown,
    }
}

/// What was given, by the options' names.
pub(crate) fn given(matches: &ArgMatches) -> Dict {
    let typed = OPTIONS.iter().filter(|option| option.long.is_some());
    typed.filter_map(|option| Some((option.name.to_owned(), value(option, matches)?))).collect()
}

fn value(option: &Definition, matches: &ArgMatches) -> Option<Value> {
    let flag = |id: &str| matches.get_flag(id);
    if let Some(same) = option.same.iter().flatten().find(|same| flag(same.typed)) {
        return Some(option.kind.of_text(same.value));
    }
    match option.kind {
        Kind::Flag => flag(option.name).then(|| true.into()),
        kind if kind.is_list() => {
            let words: Vec<String> = matches.get_many::<String>(option.name)?.cloned().collect();
            Some(words.into())
        }
        _ => Some(matches.get_one::<String>(option.name)?.clone().into()),
    }
}
