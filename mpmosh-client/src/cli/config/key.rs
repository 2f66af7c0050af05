//! The keys of the configuration and what each takes: one table for the file, the environment and the command line.

use core::net::IpAddr;

use figment::value::{Num, Value};

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name in the file; options and `MPMOSH_…` variables are named after it.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// The variable by which stock mosh knows it.
    pub mosh: Option<&'static str>,
    /// What it is for.
    pub about: &'static str,
    /// What holds when nobody says anything, as the file would say it; empty for nothing.
    pub default: &'static str,
}

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// One of these words.
    Word(&'static [&'static str]),
    /// Yes or no.
    Flag,
    /// Any text.
    Text,
    /// A UDP port or a range of them, `0` for the system's choice.
    Ports,
    /// A whole number of seconds within these bounds.
    Seconds(u16, u16),
    /// A list of names.
    Names,
    /// A list of addresses.
    Addresses,
    /// A file.
    File,
}

const fn key(name: &'static str, kind: Kind, mosh: Option<&'static str>, about: &'static str) -> Key {
    let default = match kind {
        // Its first word.
        Kind::Word(words) => words[0],
        Kind::Flag => "false",
        Kind::Names | Kind::Addresses => "[]",
        Kind::Text | Kind::Ports | Kind::Seconds(..) | Kind::File => "",
    };
    Key { name, kind, mosh, about, default }
}

impl Key {
    /// With another default than its kind's.
    const fn or(self, default: &'static str) -> Self {
        Self { default, ..self }
    }
}

/// Every key, in the order of the manual.
pub const KEYS: &[Key] = &[
    key(
        "predict",
        Kind::Word(&["adaptive", "always", "never", "experimental"]),
        Some("MOSH_PREDICTION_DISPLAY"),
        "when typed keys are shown before the server echoes them",
    ),
    key(
        "predict-overwrite",
        Kind::Flag,
        Some("MOSH_PREDICTION_OVERWRITE"),
        "predicted keys overwrite instead of inserting",
    ),
    key(
        "escape-key",
        Kind::Text,
        Some("MOSH_ESCAPE_KEY"),
        "the key that begins a command to the client; empty for none",
    ),
    key(
        "metered-notice",
        Kind::Flag,
        None,
        "tell at the right of the first line, for two seconds, that the session has moved to a metered network",
    )
    .or("true"),
    key("plain-title", Kind::Flag, Some("MOSH_TITLE_NOPREFIX"), "no prefix in the window's title"),
    key("no-init", Kind::Flag, Some("MOSH_NO_TERM_INIT"), "no alternate screen"),
    key("redundancy", Kind::Word(&["off", "auto", "always"]), None, "send over several paths at once")
        .or("auto"),
    key("prefer", Kind::Names, None, "interfaces to use before others"),
    key("backup", Kind::Names, None, "interfaces to use when nothing else works"),
    key("never", Kind::Names, None, "interfaces not to use"),
    key("metered", Kind::Word(&["backup", "allow", "never"]), None, "what to do with metered networks"),
    key(
        "keepalive",
        Kind::Seconds(3, 35),
        None,
        "how many seconds a sleeping session may be silent, where the networks between bear it",
    )
    .or("25"),
    key("address", Kind::Addresses, None, "further addresses of the server"),
    key(
        "family",
        Kind::Word(&["inet", "inet6", "auto", "all", "prefer-inet", "prefer-inet6"]),
        None,
        "which address families to use",
    )
    .or("auto"),
    key("port", Kind::Ports, None, "the server's UDP port or range"),
    key(
        "bind-server",
        Kind::Text,
        None,
        "which of its addresses the server accepts: any, ssh, or an address",
    ),
    key("dialect", Kind::Word(&["auto", "multipath", "mosh", "mp-mosh"]), None, "the wire format"),
    key("server", Kind::Text, None, "the command that starts the server"),
    key("client", Kind::File, None, "a client program to run instead of this process"),
    key("ssh", Kind::Text, None, "the ssh command to use instead of the built-in one"),
    key("ssh-pty", Kind::Flag, None, "ask ssh for a terminal"),
    key(
        "remote-ip",
        Kind::Word(&["proxy", "local", "remote"]),
        None,
        "where the server's address comes from",
    ),
    key("trace", Kind::File, None, "where the trace goes"),
    key("log", Kind::File, None, "where the log goes"),
    key(
        "log-level",
        Kind::Word(&["off", "error", "warn", "info", "debug", "trace"]),
        None,
        "how much is logged",
    )
    .or("warn"),
];

impl Key {
    /// The key of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// What holds when nobody says anything, if anything does.
    pub(crate) fn default_value(&self) -> Option<Value> {
        match (self.kind, self.default) {
            (Kind::Names | Kind::Addresses, _) => Some(Vec::<Value>::new().into()),
            (_, "") => None,
            (kind, text) => kind.accept(kind.of_text(text)).ok(),
        }
    }

    /// `MPMOSH_` and the name in capitals.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("MPMOSH_{}", self.name.to_uppercase().replace('-', "_"))
    }
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
            Self::Ports => "a UDP port, or two as PORT:PORT2 with the lower one first".into(),
            Self::Seconds(least, most) => format!("a number of seconds from {least} to {most}"),
            Self::Names => "a list of names".into(),
            Self::Addresses => "a list of IP addresses".into(),
            Self::File => "a file name".into(),
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
            Self::Text | Self::File => match value.as_str() {
                Some(_) => Ok(value),
                None => Err(wrong(None)),
            },
            Self::Ports => {
                let text = value.as_str().map(str::to_owned).unwrap_or_else(|| shown.clone());
                if ports(&text) { Ok(text.into()) } else { Err(wrong(None)) }
            }
            Self::Seconds(least, most) => {
                let seconds = value.as_str().unwrap_or(&shown).parse::<u16>().ok();
                match seconds.filter(|seconds| (least..=most).contains(seconds)) {
                    Some(seconds) => Ok(seconds.into()),
                    None => Err(wrong(None)),
                }
            }
            Self::Names => match names(&value) {
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
            Self::Names | Self::Addresses => {
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
        Value::String(_, text) => format!("“{}”", crate::text::sanitize::one_line(text, 60)),
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
pub(super) fn number(value: Num) -> String {
    match (value.to_i128(), value.to_u128(), value.to_f64()) {
        (Some(whole), _, _) => whole.to_string(),
        (_, Some(whole), _) => whole.to_string(),
        (_, _, Some(real)) => real.to_string(),
        _ => String::new(),
    }
}

/// The right word that is few slips away from `word`, if any is.
pub(crate) fn nearest<'a>(word: &str, right: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let word = word.to_lowercase().replace('_', "-");
    right
        .into_iter()
        .map(|candidate| (slips(&word, candidate), candidate))
        .filter(|(slips, candidate)| *slips <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

/// Edit distance (insert, delete, replace).
pub(crate) fn slips(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
