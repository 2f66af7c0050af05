//! `mpmosh config show`: every setting in force, and where it comes from.

use core::fmt;
use std::path::Path;

use figment::value::{Dict, Value};

use super::{Error, figment, source};
use crate::cli::options::{Definition, OPTIONS, number};
use crate::text::sanitize::{obeyed, one_line};

/// One key with the value in force.
#[derive(Debug)]
pub struct Setting {
    /// The key.
    pub key: &'static Definition,
    /// The value, as the file would say it; `None` where nothing is set.
    pub value: Option<String>,
    /// Where it comes from: file and line, variable, `command line`, `default`, or `not set`.
    pub place: String,
}

/// Its line in a `config.toml`.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = match &self.value {
            Some(value) => format!("{} = {value}", self.key.name),
            None => format!("#{} =", self.key.name),
        };
        write!(f, "{line:<40} # {}", self.place)
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
    let figment = figment(host, file, variables, given)?;
    let setting = |key: &'static Definition| match source::found(&figment, key) {
        Some((value, place)) => Setting { key, value: Some(toml(&value)), place: one_line(&place, 200) },
        None => Setting { key, value: None, place: "not set".into() },
    };
    Ok(OPTIONS.iter().map(setting).collect())
}

/// The settings as a `config.toml` that would bring the same.
#[must_use]
pub fn file_of(settings: &[Setting]) -> String {
    let lines = settings.iter().map(|setting| format!("{setting}\n"));
    core::iter::once("[defaults]\n".to_owned()).chain(lines).collect()
}

/// A value in the words of TOML.
fn toml(value: &Value) -> String {
    match value {
        Value::String(_, text) => quoted(text),
        Value::Bool(_, flag) => flag.to_string(),
        Value::Array(_, values) => format!("[{}]", values.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Num(_, value) => number(*value),
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
            c if obeyed(c) => out.push_str(&escape(c)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn escape(c: char) -> String {
    match u32::from(c) {
        code @ 0..=0xffff => format!("\\u{code:04X}"),
        code => format!("\\U{code:08X}"),
    }
}
