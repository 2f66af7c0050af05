//! What an option takes: how a value is checked, and what is said of a wrong one.

use core::net::IpAddr;

use figment::value::{Num, Value};

use super::nearest;
use crate::cli::words::Bind;
use crate::text::sanitize::one_line;

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One of these words.
    Word(&'static [&'static str]),
    /// Yes or no.
    Flag,
    /// Any text.
    Text,
    /// A command line.
    Command,
    /// Which address a server accepts.
    Bind,
    /// A UDP port or a range of them, `0` for the system's choice.
    Ports,
    /// A whole number of seconds within these bounds.
    Seconds(u32, u32),
    /// A list of this machine's interfaces.
    Interfaces,
    /// A list of addresses.
    Addresses,
    /// A file.
    File,
}

impl Kind {
    /// What it takes, in words.
    #[must_use]
    pub fn wanted(self) -> String {
        match self {
            Self::Word(words) => match words.split_last() {
                Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
                None => String::new(),
            },
            Self::Flag => "true or false".into(),
            Self::Text => "text".into(),
            Self::Command => "a command".into(),
            Self::Bind => "any, ssh or an IP address of the server".into(),
            Self::Ports => "a UDP port, or two as PORT:PORT2 with the lower one first".into(),
            Self::Seconds(least, most) => format!("a number of seconds from {least} to {most}"),
            Self::Interfaces => "a list of names".into(),
            Self::Addresses => "a list of IP addresses".into(),
            Self::File => "a file name".into(),
        }
    }

    /// Whether it takes several values.
    #[must_use]
    pub fn is_list(self) -> bool {
        matches!(self, Self::Interfaces | Self::Addresses)
    }

    /// What a value of it is called in the help.
    pub(super) fn called(self) -> &'static str {
        match self {
            Self::Word(_) => "WORD",
            Self::Flag => "FLAG",
            Self::Text => "TEXT",
            Self::Command => "COMMAND",
            Self::Bind => "WHICH",
            Self::Ports => "PORT[:PORT2]",
            Self::Seconds(..) => "SECONDS",
            Self::Interfaces => "IFACE",
            Self::Addresses => "ADDR",
            Self::File => "FILE",
        }
    }

    /// Checks a value, and gives it the type the configuration reads: a single word where a list belongs, a number where
    /// a port belongs. `Err` holds the value as text and the nearest right word.
    pub(crate) fn accept(self, value: Value) -> Result<Value, (String, Option<String>)> {
        let shown = show(&value);
        let wrong = |nearest| (shown.clone(), nearest);
        match self {
            Self::Word(words) => match value.as_str() {
                Some(text) if words.contains(&text) => Ok(value),
                Some(text) => Err(wrong(nearest(text, words.iter().copied()))),
                None => Err(wrong(None)),
            },
            Self::Flag => match &value {
                Value::Bool(..) => Ok(value),
                _ => Err(wrong(None)),
            },
            Self::Text | Self::Command | Self::File => match value.as_str() {
                Some(_) => Ok(value),
                None => Err(wrong(None)),
            },
            Self::Bind => match value.as_str().map(str::parse::<Bind>) {
                Some(Ok(_)) => Ok(value),
                _ => Err(wrong(None)),
            },
            Self::Ports => {
                let text = value.as_str().map(str::to_owned).unwrap_or_else(|| shown.clone());
                if ports(&text) { Ok(text.into()) } else { Err(wrong(None)) }
            }
            Self::Seconds(least, most) => {
                let seconds = value.as_str().unwrap_or(&shown).parse::<u32>().ok();
                match seconds.filter(|seconds| (least..=most).contains(seconds)) {
                    Some(seconds) => Ok(seconds.into()),
                    None => Err(wrong(None)),
                }
            }
            Self::Interfaces => match names(&value) {
                Some(list) => Ok(list.into()),
                None => Err(wrong(None)),
            },
            Self::Addresses => match names(&value) {
                Some(list) if list.iter().all(|word| word.parse::<IpAddr>().is_ok()) => Ok(list.into()),
                _ => Err(wrong(None)),
            },
        }
    }

    /// The value of an environment variable, which is always text.
    pub(crate) fn of_text(self, text: &str) -> Value {
        match self {
            Self::Flag => match text.to_ascii_lowercase().as_str() {
                "yes" | "true" | "on" | "1" => true.into(),
                "no" | "false" | "off" | "0" | "" => false.into(),
                _ => text.into(),
            },
            Self::Interfaces | Self::Addresses => {
                let list: Vec<&str> = text.split([',', ' ']).filter(|word| !word.is_empty()).collect();
                list.into()
            }
            _ => text.into(),
        }
    }
}

/// `PORT` or `PORT:PORT2`; a range may not begin at 0.
fn ports(text: &str) -> bool {
    match text.split_once(':') {
        None => text.parse::<u16>().is_ok(),
        Some((low, high)) => {
            matches!((low.parse::<u16>(), high.parse::<u16>()), (Ok(low), Ok(high)) if 0 < low && low <= high)
        }
    }
}

fn names(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(_, word) => Some(vec![word.clone()]),
        Value::Array(_, words) => words.iter().map(|word| word.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::String(_, text) => format!("“{}”", one_line(text, 60)),
        Value::Bool(_, flag) => flag.to_string(),
        Value::Num(_, value) => number(*value),
        Value::Array(_, words) => {
            let words: Vec<String> = words.iter().map(show).collect();
            format!("[{}]", words.join(", "))
        }
        Value::Dict(..) => "a table".into(),
        // What the file has for a date.
        Value::Empty(..) => "a date or time".into(),
        Value::Char(..) => "that".into(),
    }
}

/// A number in the words of TOML, whatever its type.
pub(crate) fn number(value: Num) -> String {
    match (value.to_i128(), value.to_u128(), value.to_f64()) {
        (Some(whole), _, _) => whole.to_string(),
        (_, Some(whole), _) => whole.to_string(),
        (_, _, Some(real)) => real.to_string(),
        _ => String::new(),
    }
}
