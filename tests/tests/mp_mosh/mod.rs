//! The peer in `tests/peers/mp_mosh.py`, at either end of a session. Contract: dropping one ends its process; it says
//! what happens in lines of JSON, and stops with an error where the authors' implementation would abort.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use mpmosh_tests::lab::{LabError, clock, require};
use rustix::process::Pid;
use serde_json::Value;
use terminal::{Emulator, Size};

use crate::interop::{PATIENCE, SIZE, Server};

/// What makes one screen of another.
#[derive(Clone, Debug)]
enum Step {
    Resize(Size),
    Output(Vec<u8>),
}

/// The peer, as a server or as a client.
pub(crate) struct Peer {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What it announced (a server).
    pub(crate) announced: Option<(u16, String)>,
    /// Every state of the server's screen that it holds, as what led to it (a client).
    states: BTreeMap<u64, Vec<Step>>,
    lists: Vec<Vec<String>>,
    answers: Vec<Value>,
}

impl Peer {
    /// A server at these of this host's addresses, whose address lists end in these records (hexadecimal).
    ///
    /// # Errors
    /// When Python is not there, or does not announce a session.
    pub(crate) fn server(addresses: &str, records: &str) -> Result<Self, LabError> {
        Self::server_with(addresses, records, Command::new)
    }

    /// The same; `command` knows where it runs.
    ///
    /// # Errors
    /// As [`Peer::server`].
    pub(crate) fn server_with(
        addresses: &str,
        records: &str,
        command: impl FnOnce(PathBuf) -> Command,
    ) -> Result<Self, LabError> {
        let mut peer = Self::start(&["server", addresses, records], command)?;
        let line = peer.lines.recv_timeout(PATIENCE).unwrap_or_default();
        let misfit = || LabError::new(format!("the peer said {line:?}"));
        let (port, key) =
            line.strip_prefix("MOSH CONNECT ").and_then(|rest| rest.split_once(' ')).ok_or_else(misfit)?;
        peer.announced = Some((port.parse().map_err(|_| misfit())?, key.to_owned()));
        Ok(peer)
    }

    /// A client of this server, with these addresses of its own; `command` knows where it runs.
    ///
    /// # Errors
    /// When Python is not there.
    pub(crate) fn client(
        server: &Server,
        addresses: &str,
        command: impl FnOnce(PathBuf) -> Command,
    ) -> Result<Self, LabError> {
        let (port, remote) = (server.address.port().to_string(), server.address.ip().to_string());
        let mut peer = Self::start(&["client", &port, &server.key, addresses, &remote], command)?;
        peer.states.insert(0, vec![Step::Resize(Size { columns: 80, rows: 24 })]);
        Ok(peer)
    }

    fn start(arguments: &[&str], command: impl FnOnce(PathBuf) -> Command) -> Result<Self, LabError> {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peers/mp_mosh.py");
        let mut command = command(require("python3", "python3")?);
        command.arg("-B").arg(script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| LabError::new(format!("{command:?}: {error}")))?;
        let output = BufReader::new(child.stdout.take().expect("a pipe was asked for"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let input = child.stdin.take();
        let (states, lists, answers) = (BTreeMap::new(), Vec::new(), Vec::new());
        Ok(Self { child, input, lines, announced: None, states, lists, answers })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Tells it something; see its own description.
    pub(crate) fn tell(&mut self, line: &str) {
        let input = self.input.as_mut().expect("it is told nothing after its end");
        writeln!(input, "{line}").expect("the peer listens");
    }

    /// Types (a client).
    pub(crate) fn keys(&mut self, keys: &str) {
        let octets: String = keys.bytes().map(|octet| format!("{octet:02x}")).collect();
        self.tell(&format!("keys {octets}"));
    }

    fn read(&mut self) {
        while let Ok(line) = self.lines.try_recv() {
            let said: Value =
                serde_json::from_str(&line).unwrap_or_else(|_| panic!("the peer said {line:?}"));
            let number = |name: &str| said[name].as_u64().unwrap_or_default();
            match said["kind"].as_str() {
                Some("state") => {
                    let mut steps = self.states.get(&number("old")).cloned().unwrap_or_default();
                    let side =
                        |at: usize| said["size"][at].as_u64().and_then(|side| u16::try_from(side).ok());
                    if let (Some(columns), Some(rows)) = (side(0), side(1)) {
                        steps.push(Step::Resize(Size { columns, rows }));
                    }
                    let octets = said["hex"].as_str().unwrap_or_default();
                    let octet = |at| u8::from_str_radix(&octets[at..at + 2], 16).expect("hexadecimal");
                    steps.push(Step::Output((0..octets.len()).step_by(2).map(octet).collect()));
                    self.states.insert(number("new"), steps);
                }
                Some("list") => {
                    let addresses = said["addresses"].as_array().into_iter().flatten();
                    self.lists.push(addresses.filter_map(|ip| ip.as_str().map(str::to_owned)).collect());
                }
                _ => self.answers.push(said),
            }
        }
    }

    /// Its answer of this kind, to something it was told.
    #[track_caller]
    pub(crate) fn answer(&mut self, kind: &str) -> Value {
        let answer = clock::wait_for(PATIENCE, || {
            self.read();
            let at = self.answers.iter().position(|answer| answer["kind"] == kind)?;
            Some(self.answers.remove(at))
        });
        answer.unwrap_or_else(|| panic!("no {kind} from the peer: {:?}", self.child.try_wait()))
    }

    /// What it has counted.
    #[track_caller]
    pub(crate) fn stats(&mut self) -> Value {
        self.tell("stats");
        self.answer("stats")
    }

    /// The addresses it was told of, each time it was (a client).
    pub(crate) fn lists(&mut self) -> &[Vec<String>] {
        self.read();
        &self.lists
    }

    /// The newest screen, as lines without what is blank at their ends (a client).
    pub(crate) fn lines(&mut self) -> Vec<String> {
        self.read();
        let mut emulator = Emulator::new(SIZE);
        for step in self.states.values().next_back().into_iter().flatten() {
            match step {
                Step::Resize(size) => emulator.resize(*size),
                Step::Output(bytes) => emulator.feed(bytes),
            }
        }
        let line = |row: &terminal::Row| {
            let mut text = String::new();
            row.cells().iter().for_each(|cell| cell.push_text(&mut text));
            text.truncate(text.trim_end().len());
            text
        };
        emulator.screen().rows().map(line).collect()
    }

    /// Waits until a line of the screen is this (a client).
    #[track_caller]
    pub(crate) fn wait_for(&mut self, line: &str) {
        if clock::wait_for(PATIENCE, || self.lines().iter().any(|shown| shown == line).then_some(()))
            .is_none()
        {
            let status = self.child.try_wait();
            let (lines, stats) = (self.lines().join("\n"), self.stats());
            panic!("the line {line:?} never came ({status:?}); {stats}; the screen was:\n{lines}");
        }
    }

    /// It ends by itself, and its model of the other end never had to abort.
    #[track_caller]
    pub(crate) fn ends_well(&mut self) {
        let status =
            clock::wait_for(PATIENCE + Duration::from_secs(4), || self.child.try_wait().ok().flatten());
        let status = status.expect("the peer ends");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
