//! The tables of `config.toml`. The place of every value is the parser's: it keeps where each key stands.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;

use figment::value::{Dict, Empty, Value};
use toml_edit::{Document, Item, Key as Word, TableLike};

use super::Error;
use super::source::{Layer, accept, unknown};
use crate::cli::options::{Definition, Kind, OPTIONS};
use crate::text::pattern::wildcard;
use crate::text::sanitize::one_line;

/// The layers of the file that hold for `host`, weakest first. A file that is not there has none.
pub(super) fn layers(file: &Path, host: Option<&str>) -> Result<Vec<Layer>, Error> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(Error::Unreadable { file: file.into(), cause }),
    };
    let source = TomlText { file, text: &text };
    // The error's own text is a drawing of several lines: a sentence has no place for that.
    let document = Document::parse(text.as_str()).map_err(|error| Error::Syntax {
        file: file.into(),
        line: error.span().map_or(1, |span| source.line(&span)),
        message: one_line(error.message(), 200),
    })?;
    let mut layers = Vec::new();
    for (word, item) in entries(document.as_table()) {
        match (word.get(), item.as_table_like()) {
            ("defaults", Some(table)) => layers.push((None, source.layer("[defaults]", table)?)),
            ("host", Some(patterns)) => {
                for (word, item) in entries(patterns) {
                    let pattern = word.get();
                    let Some(table) = item.as_table_like() else {
                        let right = ["host.\"pattern\""];
                        return Err(unknown(source.place(word, item), "key", pattern, right));
                    };
                    let layer = source.layer(&format!("[host.\"{pattern}\"]"), table)?;
                    if host.is_some_and(|host| wildcard(&pattern.to_lowercase(), &host.to_lowercase())) {
                        layers.push((Some(literal(pattern)), layer));
                    }
                }
            }
            (name, Some(_)) => {
                return Err(unknown(source.place(word, item), "table", name, ["defaults", "host"]));
            }
            (name, None) => return Err(outside(source.place(word, item), name)),
        }
    }
    // `None` (the defaults) sorts first, then patterns by how much they say; of two that say as much the later one wins.
    layers.sort_by_key(|(said, _)| *said);
    Ok(layers.into_iter().map(|(_, layer)| layer).collect())
}

/// How many characters of a pattern stand for themselves.
fn literal(pattern: &str) -> usize {
    pattern.chars().filter(|c| !"*?".contains(*c)).count()
}

/// What stands above the first table: a key that belongs into one, or nothing that is known.
fn outside(place: String, name: &str) -> Error {
    if Definition::named(name).is_none() {
        return unknown(place, "key", name, OPTIONS.iter().map(|option| option.name));
    }
    Error::Unknown {
        place,
        what: "key outside of a table:",
        word: name.into(),
        nearest: Some("[defaults]".into()),
    }
}

/// The keys of a table as they were written, each with what it stands for.
fn entries(table: &dyn TableLike) -> impl Iterator<Item = (&Word, &Item)> {
    table.iter().filter_map(|(name, _)| table.get_key_value(name))
}

/// The text, for the lines in it.
struct TomlText<'a> {
    file: &'a Path,
    text: &'a str,
}

impl TomlText<'_> {
    /// A table's keys, checked.
    fn layer(&self, name: &str, table: &dyn TableLike) -> Result<Layer, Error> {
        let mut layer = Layer::new(format!("{name} of {}", self.file.display()));
        for (word, item) in entries(table) {
            let place = self.place(word, item);
            let Some(key) = Definition::named(word.get()) else {
                return Err(unknown(place, "key", word.get(), OPTIONS.iter().map(|option| option.name)));
            };
            let value = accept(key, value(item), || place.clone())?;
            layer.put(key, at_home(key, value), &place);
        }
        Ok(layer)
    }

    fn place(&self, word: &Word, item: &Item) -> String {
        match word.span().or_else(|| item.span()) {
            Some(span) => format!("{}, line {}", self.file.display(), self.line(&span)),
            None => self.file.display().to_string(),
        }
    }

    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.get(..span.start).unwrap_or_default();
        before.bytes().filter(|octet| *octet == b'\n').count() + 1
    }
}

/// What a key is given. No key takes a table, nor a date, which is empty here.
fn value(item: &Item) -> Value {
    match item {
        Item::Value(value) => of_value(value),
        Item::None | Item::Table(_) | Item::ArrayOfTables(_) => Dict::new().into(),
    }
}

fn of_value(value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => text.value().clone().into(),
        toml_edit::Value::Integer(whole) => (*whole.value()).into(),
        toml_edit::Value::Float(real) => (*real.value()).into(),
        toml_edit::Value::Boolean(flag) => (*flag.value()).into(),
        toml_edit::Value::Array(values) => values.iter().map(of_value).collect::<Vec<_>>().into(),
        toml_edit::Value::Datetime(_) => Empty::None.into(),
        toml_edit::Value::InlineTable(_) => Dict::new().into(),
    }
}

/// `~/` of a file's name is the user's home, as a shell would have it.
fn at_home(key: &Definition, value: Value) -> Value {
    let rest = match (key.kind, value.as_str()) {
        (Kind::File, Some(text)) => text.strip_prefix("~/"),
        _ => None,
    };
    match (rest, std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest).to_string_lossy().into_owned().into(),
        _ => value,
    }
}
