//! What `mpmosh paths --json` tells of the one session of a lab's client, for tests that wait for a path to stand so.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::time::Duration;

use mpmosh_tests::lab::{Namespace, clock};
use serde_json::Value;

/// How long a change of the network may take to show.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who is asked.
pub(crate) struct Asked<'a> {
    client: &'a Namespace,
}

impl<'a> Asked<'a> {
    /// The session of the user of this namespace.
    pub(crate) fn of(client: &'a Namespace) -> Self {
        Self { client }
    }

    /// Every path of the session, as it is told; none when there is no session.
    pub(crate) fn paths(&self) -> Vec<Value> {
        let output =
            self.client.command("mpmosh").args(["paths", "--json"]).output().expect("it is installed");
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        told["sessions"][0]["paths"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until the paths stand so.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, stand: impl Fn(&[Value]) -> bool) {
        if clock::wait_for(PATIENCE, || stand(&self.paths()).then_some(())).is_none() {
            panic!("it never was so that {what}: {:#?}", self.paths());
        }
    }
}

/// The path from an address, if there is one; the one that answers, if there are several.
pub(crate) fn from<'a>(paths: &'a [Value], local: &str) -> Option<&'a Value> {
    let mut found = paths.iter().filter(|path| path["local"] == local);
    found.clone().find(|path| path["state"] == "answering").or_else(|| found.next())
}

/// The interface that carries the session.
pub(crate) fn carrier(paths: &[Value]) -> Option<&str> {
    paths.iter().find(|path| path["chosen"] == true)?["interface"].as_str()
}
