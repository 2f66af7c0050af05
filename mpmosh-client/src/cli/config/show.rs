//! `mpmosh config show`: every setting in force, and where it comes from.

use core::fmt;
use std::path::Path;

use figment::value::{Dict, Value};

use super::{Error, KEYS, Key, layers};

/// One key with the value in force.
#[derive(Debug)]
pub struct Setting {
    /// The key.
    pub key: &'static Key,
    /// The value, as the file would say it; `None` where nothing is set.
    pub value: Option<String>,
    /// Where it comes from: file and line, variable, `command line`, or `default`.
    pub place: String,
}

/// A line of a `config.toml` that would bring the same.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, place) = match &self.value {
            Some(value) => (format!("{} = {value}", self.key.name), self.place.as_str()),
            None => (format!("#{} =", self.key.name), "not set"),
        };
        write!(f, "{line:<40} # {place}")
    }
}

/// Every key, in the order of the manual; the arguments are those of [`super::load`].
///
/// # Errors
/// As [`super::load`].
pub fn show(
    host: Option<&str>,
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
    given: &Dict,
) -> Result<Vec<Setting>, Error> {
    let layers = layers(host, file, variables, given)?;
    let setting = |key: &'static Key| {
        let found = layers.iter().rev().find_map(|layer| layer.value(key.name));
        match found {
            Some((value, place)) => Setting { key, value: Some(toml(value)), place: place.to_owned() },
            None => Setting { key, value: default(key), place: "default".into() },
        }
    };
    Ok(KEYS.iter().map(setting).collect())
}

fn default(key: &Key) -> Option<String> {
    match key.default {
        "" => None,
        text @ ("true" | "false" | "[]") => Some(text.into()),
        word => Some(toml(&word.into())),
    }
}

/// A value in the words of TOML.
fn toml(value: &Value) -> String {
    match value {
        Value::String(_, text) => quoted(text),
        Value::Bool(_, flag) => flag.to_string(),
        Value::Array(_, values) => format!("[{}]", values.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Num(_, number) => number.to_i128().map(|whole| whole.to_string()).unwrap_or_default(),
        // No key takes any other kind.
        _ => String::new(),
    }
}

/// A basic string of TOML: what a terminal would obey is escaped as well.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if crate::text::sanitize::obeyed(c) => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
