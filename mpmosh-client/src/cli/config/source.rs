//! Where settings come from: defaults, the tables of a file, the environment, the command line. Each becomes one checked
//! layer, which knows the place of each of its values; figment lays them over each other and keeps whose a value is.

use std::collections::BTreeMap;

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::Error;
use crate::cli::options::{Definition, OPTIONS, Reads, nearest};
use crate::text::sanitize::one_line;

/// One source, checked.
#[derive(Debug)]
pub(super) struct Layer {
    name: String,
    values: Dict,
    /// Where each of the values stands, in the words of `config show` and of messages.
    places: BTreeMap<String, String>,
}

impl Layer {
    /// A source with nothing in it yet.
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), values: Dict::new(), places: BTreeMap::new() }
    }

    /// Adds a checked value.
    pub(super) fn put(&mut self, key: &Definition, value: Value, place: &str) {
        self.values.insert(key.name.into(), value);
        self.places.insert(key.name.into(), place.to_owned());
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        let (name, places) = (self.name.clone(), self.places.clone());
        Metadata::named(self.name.clone()).interpolater(move |_, path| {
            path.first().and_then(|key| places.get(*key)).unwrap_or(&name).clone()
        })
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

/// The value in force and the place it comes from.
pub(super) fn found(figment: &Figment, key: &Definition) -> Option<(Value, String)> {
    let value = figment.find_value(key.name).ok()?;
    let place = figment.get_metadata(value.tag())?.interpolate(figment.profile(), &[key.name]);
    Some((value, place))
}

/// The layer of what holds when nobody says anything.
pub(super) fn defaults() -> Layer {
    let mut layer = Layer::new("default");
    for key in OPTIONS {
        if let Some(value) = key.default_value() {
            layer.put(key, value, "default");
        }
    }
    layer
}

/// The layer of the environment: mosh's variables under their names, ours as `MPMOSH_…`, which win.
pub(super) fn environment(variables: impl IntoIterator<Item = (String, String)>) -> Result<Layer, Error> {
    let variables: Vec<(String, String)> = variables.into_iter().collect();
    let set = |name: &str| variables.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let mut layer = Layer::new("environment");
    for key in OPTIONS {
        let ours = key.variable();
        let mosh = key.mosh.and_then(|mosh| Some((mosh, set(mosh.name)?)));
        let (name, value) = match (set(&ours), mosh) {
            (Some(text), _) => (ours.as_str(), key.kind.of_text(text)),
            (None, Some((mosh, text))) => match mosh.reads {
                Reads::Value => (mosh.name, key.kind.of_text(text)),
                Reads::Yes => (mosh.name, (text == "yes").into()),
                Reads::Presence => (mosh.name, true.into()),
            },
            (None, None) => continue,
        };
        let value = accept(key, value, || format!("The environment variable {name}"))?;
        layer.put(key, value, name);
    }
    Ok(layer)
}

/// The layer of the command line.
pub(super) fn command_line(given: &Dict) -> Result<Layer, Error> {
    let mut layer = Layer::new("command line");
    for (name, value) in given {
        let Some(key) = Definition::named(name) else {
            return Err(unknown(
                "the command line".into(),
                "key",
                name,
                OPTIONS.iter().map(|option| option.name),
            ));
        };
        layer.put(key, accept(key, value.clone(), || "On the command line".into())?, "command line");
    }
    Ok(layer)
}

/// What is left after the table of keys has been asked: nothing, unless the table and the struct disagree.
pub(super) fn blame(error: &figment::Error) -> Error {
    let place = error.metadata.as_ref().map(|metadata| metadata.interpolate(&Profile::Default, &error.path));
    Error::Value {
        place: place.unwrap_or_else(|| "the configuration".into()),
        key: error.path.join("."),
        found: "as it is".into(),
        wanted: error.kind.to_string(),
        nearest: None,
    }
}

/// A value as its key takes it; `place` says where a wrong one stands.
pub(super) fn accept(key: &Definition, value: Value, place: impl FnOnce() -> String) -> Result<Value, Error> {
    key.kind.accept(value).map_err(|(found, nearest)| Error::Value {
        place: place(),
        key: key.name.into(),
        found,
        wanted: key.kind.wanted(),
        nearest,
    })
}

/// A word that is none of those that are right there.
pub(super) fn unknown<'a>(
    place: String,
    what: &'static str,
    word: &str,
    right: impl IntoIterator<Item = &'a str>,
) -> Error {
    Error::Unknown { place, what, word: one_line(word, 60), nearest: nearest(word, right) }
}
