//! Where settings come from: the tables of a file, the environment, the command line. Each becomes one checked layer.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use super::Error;
use super::key::{KEYS, Key, Kind, nearest};
use crate::text::pattern::wildcard;
use crate::text::sanitize::one_line;

/// One source, checked, under the name it has in `config show` and in messages.
pub(super) struct Layer {
    name: String,
    values: Dict,
    /// Where each of the values stands.
    places: BTreeMap<String, String>,
}

impl Layer {
    /// A value, and where it stands.
    pub(super) fn value(&self, key: &str) -> Option<(&Value, &str)> {
        let place = self.places.get(key).map_or(self.name.as_str(), String::as_str);
        Some((self.values.get(key)?, place))
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

/// The layers of the file that hold for `host`, weakest first. A file that is not there has none.
pub(super) fn file_layers(file: &Path, host: Option<&str>) -> Result<Vec<Layer>, Error> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(Error::Unreadable { file: file.into(), cause }),
    };
    let tables: Dict = Toml::from_str(&text).map_err(|error| {
        // Its own text is a drawing of several lines: a sentence has no place for that.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.bytes().filter(|octet| *octet == b'\n').count() + 1;
        Error::Syntax { file: file.into(), line, message: one_line(error.message(), 200) }
    })?;
    let place = Places { file, text: &text };
    let mut layers = Vec::new();
    for (name, value) in tables {
        match (name.as_str(), value) {
            ("defaults", Value::Dict(_, keys)) => {
                layers.push((None, checked(keys, &place, "defaults")?, "defaults".to_owned()));
            }
            ("host", Value::Dict(_, patterns)) => {
                for (pattern, value) in patterns {
                    let Value::Dict(_, keys) = value else {
                        return Err(unknown(
                            place.of_key("host", &pattern),
                            "key",
                            &pattern,
                            ["host.\"pattern\""],
                        ));
                    };
                    let values = checked(keys, &place, &pattern)?;
                    if host.is_some_and(|host| matches(&pattern, host)) {
                        layers.push((Some(pattern.clone()), values, pattern));
                    }
                }
            }
            (name, Value::Dict(..)) => {
                return Err(unknown(place.of_table(name), "table", name, ["defaults", "host"]));
            }
            // A key above the first table: say where it belongs.
            (name, _) => {
                let place = place.of_key("", name);
                return Err(match Key::named(name) {
                    Some(_) => Error::Unknown {
                        place,
                        what: "key outside of a table:",
                        word: name.into(),
                        nearest: Some("[defaults]".into()),
                    },
                    None => unknown(place, "key", name, KEYS.iter().map(|key| key.name)),
                });
            }
        }
    }
    // `None` (the defaults) sorts first, then patterns by how much they say.
    layers.sort_by_key(|(pattern, ..)| {
        pattern.as_ref().map(|p| p.chars().filter(|c| !"*?".contains(*c)).count())
    });
    Ok(layers
        .into_iter()
        .map(|(pattern, values, table)| Layer {
            places: values.keys().map(|key| (key.clone(), place.of_key(&table, key))).collect(),
            name: match pattern {
                None => format!("[defaults] of {}", file.display()),
                Some(pattern) => format!("[host.\"{pattern}\"] of {}", file.display()),
            },
            values,
        })
        .collect())
}

/// The layer of the environment: mosh's variables under their names, ours as `MPMOSH_…`, which win.
pub(super) fn environment(variables: impl IntoIterator<Item = (String, String)>) -> Result<Layer, Error> {
    let variables: Vec<(String, String)> = variables.into_iter().collect();
    let set = |name: &str| variables.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let mut values = Dict::new();
    let mut places = BTreeMap::new();
    for key in KEYS {
        let ours = key.variable();
        let (name, value) = match (set(&ours), key.mosh.and_then(|mosh| Some((mosh, set(mosh)?)))) {
            (Some(text), _) => (ours.as_str(), key.kind.of_text(text)),
            // In stock mosh these two count when they are there, whatever they hold.
            (None, Some((name @ ("MOSH_TITLE_NOPREFIX" | "MOSH_NO_TERM_INIT"), _))) => (name, true.into()),
            (None, Some((name @ "MOSH_PREDICTION_OVERWRITE", text))) => (name, (text == "yes").into()),
            (None, Some((name, text))) => (name, key.kind.of_text(text)),
            (None, None) => continue,
        };
        values.insert(key.name.into(), accept(key, value, || format!("The environment variable {name}"))?);
        places.insert(key.name.into(), name.to_owned());
    }
    Ok(Layer { name: "environment".into(), values, places })
}

/// The layer of the command line.
pub(super) fn command_line(given: &Dict) -> Result<Layer, Error> {
    let mut values = Dict::new();
    for (name, value) in given {
        let Some(key) = Key::named(name) else {
            return Err(unknown("the command line".into(), "key", name, KEYS.iter().map(|key| key.name)));
        };
        values.insert(name.clone(), accept(key, value.clone(), || "On the command line".into())?);
    }
    Ok(Layer { name: "command line".into(), values, places: BTreeMap::new() })
}

/// What is left after the table of keys has been asked: nothing, unless the table and the struct disagree.
pub(super) fn blame(error: &figment::Error) -> Error {
    Error::Value {
        place: error.metadata.as_ref().map_or_else(|| "the configuration".into(), |m| m.name.to_string()),
        key: error.path.join("."),
        found: "as it is".into(),
        wanted: error.kind.to_string(),
        nearest: None,
    }
}

fn checked(keys: Dict, place: &Places<'_>, table: &str) -> Result<Dict, Error> {
    let mut values = Dict::new();
    for (name, value) in keys {
        let Some(key) = Key::named(&name) else {
            return Err(unknown(place.of_key(table, &name), "key", &name, KEYS.iter().map(|key| key.name)));
        };
        let mut value = accept(key, value, || place.of_key(table, key.name))?;
        if let (Kind::File, Some(text)) = (key.kind, value.as_str())
            && let Some(rest) = text.strip_prefix("~/")
            && let Some(home) = std::env::home_dir()
        {
            value = home.join(rest).to_string_lossy().into_owned().into();
        }
        values.insert(name, value);
    }
    Ok(values)
}

fn accept(key: &Key, value: Value, place: impl FnOnce() -> String) -> Result<Value, Error> {
    key.kind.accept(value).map_err(|(found, nearest)| Error::Value {
        place: place(),
        key: key.name.into(),
        found,
        wanted: key.kind.wanted(),
        nearest,
    })
}

fn unknown<'a>(
    place: String,
    what: &'static str,
    word: &str,
    right: impl IntoIterator<Item = &'a str>,
) -> Error {
    Error::Unknown { place, what, word: one_line(word, 60), nearest: nearest(word, right) }
}

/// Whether a pattern of `*` and `?` matches the host, without regard to case.
pub(super) fn matches(pattern: &str, host: &str) -> bool {
    wildcard(&pattern.to_lowercase(), &host.to_lowercase())
}

/// Finds the line of a key, for messages only: the parser keeps no positions.
struct Places<'a> {
    file: &'a Path,
    text: &'a str,
}

impl Places<'_> {
    fn of_table(&self, table: &str) -> String {
        let line =
            self.text.lines().position(|line| header(line).is_some_and(|words| words.starts_with(table)));
        self.at(line)
    }

    /// `table` is the last part of a table's name, or empty for the lines above the first table.
    fn of_key(&self, table: &str, key: &str) -> String {
        let mut inside = table.is_empty();
        let line = self.text.lines().position(|line| match header(line) {
            Some(words) => {
                inside = !table.is_empty() && words.trim_matches(['"', '\'', ' ']).ends_with(table);
                false
            }
            None => {
                let word = line.trim_start().trim_start_matches(['"', '\'']);
                let after =
                    word.strip_prefix(key).map(|rest| rest.trim_start_matches(['"', '\'']).trim_start());
                inside && after.is_some_and(|rest| rest.starts_with(['=', '.']))
            }
        });
        self.at(line)
    }

    fn at(&self, line: Option<usize>) -> String {
        match line {
            Some(line) => format!("{}, line {}", self.file.display(), line + 1),
            None => self.file.display().to_string(),
        }
    }
}

/// What stands between the brackets of a table's header.
fn header(line: &str) -> Option<&str> {
    line.trim().strip_prefix('[')?.split_once(']').map(|(words, _)| words)
}
