//! One option's definition, and what follows from it alone.

use figment::value::Value;

use super::{Kind, OPTIONS};

/// Headings of the help.
pub(super) const SESSION: &str = "Session";
pub(super) const PATHS: &str = "Paths";
pub(super) const SERVER: &str = "Server";
pub(super) const SSH: &str = "Ssh";

/// Everything there is to say of an option.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Its name: the key in the file, the option behind two hyphens, the variable behind `MPMOSH_`.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it is for, a sentence without its end.
    pub help: &'static str,
    /// What holds when nobody says anything, as the environment would say it; empty for nothing.
    pub default: &'static str,
    /// The variable by which stock mosh knows it.
    pub mosh: Option<MoshVariable>,
    pub(super) heading: &'static str,
    /// What its value is called in the help; empty: as its kind calls it.
    pub(super) value: &'static str,
    /// The option's name behind two hyphens, where it has an option.
    pub(super) long: Option<&'static str>,
    pub(super) letter: Option<char>,
    /// Other options that stand for one value of this one.
    pub(super) same: [Option<Same>; 2],
}

/// An option that stands for another one with a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Same {
    /// As typed, hyphens included.
    pub(super) typed: &'static str,
    /// The value, as the environment would say it.
    pub(super) value: &'static str,
}

/// A variable of stock mosh.
#[derive(Clone, Copy, Debug)]
pub struct MoshVariable {
    /// Its name.
    pub name: &'static str,
    /// How stock mosh reads it.
    pub reads: Reads,
}

/// How stock mosh reads a variable.
#[derive(Clone, Copy, Debug)]
pub enum Reads {
    /// By its value.
    Value,
    /// It is a flag, set where the value is `yes`.
    Yes,
    /// It is a flag, set where the variable is there, whatever it holds.
    Presence,
}

/// An option with the default of its kind, typed by its name.
pub(super) const fn option(heading: &'static str, name: &'static str, kind: Kind) -> Definition {
    Definition {
        name,
        kind,
        help: "",
        default: match kind {
            Kind::Flag => "false",
            _ => "",
        },
        mosh: None,
        heading,
        value: "",
        long: Some(name),
        letter: None,
        same: [None; 2],
    }
}

impl Definition {
    pub(super) const fn help(self, help: &'static str) -> Self {
        Self { help, ..self }
    }

    pub(super) const fn or(self, default: &'static str) -> Self {
        Self { default, ..self }
    }

    pub(super) const fn value(self, value: &'static str) -> Self {
        Self { value, ..self }
    }

    pub(super) const fn letter(self, letter: char) -> Self {
        Self { letter: Some(letter), ..self }
    }

    /// On the command line under another name.
    pub(super) const fn typed(self, long: &'static str) -> Self {
        Self { long: Some(long), ..self }
    }

    /// Nowhere on the command line.
    pub(super) const fn not_typed(self) -> Self {
        Self { long: None, ..self }
    }

    /// Another option stands for this one with that value.
    pub(super) const fn same(self, typed: &'static str, value: &'static str) -> Self {
        let [first, second] = self.same;
        assert!(second.is_none(), "an option has room for two others");
        let one = Some(Same { typed, value });
        Self { same: if first.is_none() { [one, None] } else { [first, one] }, ..self }
    }

    pub(super) const fn mosh(self, name: &'static str, reads: Reads) -> Self {
        Self { mosh: Some(MoshVariable { name, reads }), ..self }
    }

    /// The option of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        OPTIONS.iter().find(|option| option.name == name)
    }

    /// Its name behind two hyphens, where it can be typed.
    #[must_use]
    pub fn long_name(&self) -> Option<&'static str> {
        self.long
    }

    /// The options that stand for this one with that value, as typed.
    pub fn typed_for(&self, value: &str) -> impl Iterator<Item = &'static str> {
        self.same.iter().flatten().filter(move |same| same.value == value).map(|same| same.typed)
    }

    /// `MPMOSH_` and the name in capitals.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("MPMOSH_{}", self.name.to_uppercase().replace('-', "_"))
    }

    /// What holds when nobody says anything, if anything does.
    pub(crate) fn default_value(&self) -> Option<Value> {
        match self.default {
            "" if !self.kind.is_list() => None,
            text => self.kind.accept(self.kind.of_text(text)).ok(),
        }
    }

    /// What it is for, with its words and bounds and which of them holds when nobody says anything.
    #[must_use]
    pub fn sentence(&self) -> String {
        let help = self.help;
        match self.kind {
            Kind::Word(words) => {
                let mark = |word: &&str| match *word == self.default {
                    true => format!("{word} (the default)"),
                    false => (*word).to_owned(),
                };
                format!("{help}: {}", words.iter().map(mark).collect::<Vec<_>>().join(", "))
            }
            Kind::Seconds(least, most) if self.default.is_empty() => format!("{help}: {least} to {most}"),
            Kind::Seconds(least, most) => format!("{help}: {least} to {most} ({} by default)", self.default),
            Kind::Bind => format!("{help}: {}", self.kind.wanted()),
            kind if kind.is_list() => format!("{help} (repeatable)"),
            _ => help.to_owned(),
        }
    }
}
