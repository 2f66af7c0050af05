//! Reading a session's trace.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};

use serde::Deserialize;

use crate::run::trace::VERSION;

/// No line of a trace is longer: the longest lists a machine's addresses.
const LONGEST: u64 = 1 << 20;

/// A figure has a band for each flow. A session has 64 at most, and 256 in the dialect of the paper's authors.
const MOST_FLOWS: usize = 256;

/// Datagrams closer than this are one stretch, in seconds.
const TOGETHER: f64 = 0.6;

/// What a trace says, by flow.
#[derive(Debug, Default)]
pub(super) struct Trace {
    pub(super) flows: BTreeMap<u32, FlowTrace>,
    /// Seconds at which it begins and ends.
    pub(super) span: (f64, f64),
    /// From when on payloads went on which flow.
    pub(super) chosen: Vec<(f64, Option<u32>)>,
    /// The number of the last line, where that is cut off: the session was killed, or still runs.
    pub(super) cut: Option<usize>,
    /// A line was read; the session's first line was.
    pub(super) begun: bool,
    pub(super) started: bool,
}

/// What a trace says of one flow. Times in seconds, in order.
#[derive(Debug, Default)]
pub(super) struct FlowTrace {
    /// Its interface, its addresses, as they were last.
    pub(super) interface: String,
    pub(super) path: String,
    /// Time and smoothed round trip in milliseconds.
    pub(super) rtt: Vec<(f64, f64)>,
    /// When it carried data, out and in.
    pub(super) sent: Stretches,
    pub(super) received: Stretches,
    /// When its state changed, and to what.
    pub(super) states: Vec<(f64, String)>,
}

/// Times, joined to stretches where they are close.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Stretches(pub(super) Vec<(f64, f64)>);

impl Stretches {
    fn add(&mut self, t: f64) {
        match self.0.last_mut() {
            Some((_, until)) if t - *until <= TOGETHER => *until = until.max(t),
            _ => self.0.push((t, t)),
        }
    }
}

/// Why a trace cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("line {line}: {why}")]
    Line { line: usize, why: String },
}

/// The fields that are drawn, of any event.
#[derive(Deserialize)]
struct DrawnFields<'a> {
    t: f64,
    #[serde(borrow)]
    event: Cow<'a, str>,
    flow: Option<u32>,
    srtt_ms: Option<f64>,
    version: Option<u32>,
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    state: Cow<'a, str>,
    #[serde(borrow, default)]
    interface: Cow<'a, str>,
    #[serde(borrow, default)]
    local: Cow<'a, str>,
    #[serde(borrow, default)]
    remote: Cow<'a, str>,
}

/// Reads a trace to its end.
pub(super) fn read(mut lines: impl BufRead) -> Result<Trace, Error> {
    let mut trace = Trace::default();
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        if (&mut lines).take(LONGEST).read_until(b'\n', &mut text)? == 0 {
            break;
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        let taken = match serde_json::from_slice::<DrawnFields<'_>>(&text) {
            Ok(parsed) => trace.take(&parsed),
            Err(error) if text.ends_with(b"\n") || text.len() as u64 == LONGEST => {
                Err(format!("it is not a line of a trace ({})", without_position(&error)))
            }
            Err(_) => {
                trace.cut = Some(line);
                Ok(())
            }
        };
        taken.map_err(|why| Error::Line { line, why })?;
    }
    Ok(trace)
}

/// The JSON reader's complaint. Its own line number would be 1 each time.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

impl Trace {
    fn take(&mut self, line: &DrawnFields<'_>) -> Result<(), String> {
        let t = line.t;
        let first = !std::mem::replace(&mut self.begun, true);
        if !first && t < self.span.1 {
            return Err("it is from before the line above it".into());
        }
        if line.event == "session" && std::mem::replace(&mut self.started, true) {
            return Err("another session begins, and a figure shows one".into());
        }
        if line.event == "session" && line.version.is_some_and(|version| version > VERSION) {
            return Err("the trace is a later release's: use its own mpmosh plot".into());
        }
        self.span = (if first { t } else { self.span.0 }, t);
        let event = &*line.event;
        if event == "chosen" {
            self.chosen.push((t, line.flow));
            return Ok(());
        }
        if !matches!(event, "rtt" | "sent" | "received" | "flow") {
            return Ok(());
        }
        let missing = |field: &str| format!("its event “{event}” has no {field}");
        let flow = line.flow.ok_or_else(|| missing("flow"))?;
        if !self.flows.contains_key(&flow) && self.flows.len() == MOST_FLOWS {
            return Err(format!("it names more than {MOST_FLOWS} flows, and no session has so many"));
        }
        let flow = self.flows.entry(flow).or_default();
        match event {
            "rtt" => flow.rtt.push((t, line.srtt_ms.ok_or_else(|| missing("srtt_ms"))?.max(0.0))),
            "sent" if is_payload(&line.kind) => flow.sent.add(t),
            "received" if is_payload(&line.kind) => flow.received.add(t),
            "sent" | "received" if line.kind.is_empty() => return Err(missing("kind")),
            "flow" if line.state.is_empty() => return Err(missing("state")),
            "flow" => {
                if line.state == "opened" {
                    flow.interface = line.interface.as_ref().into();
                    flow.path = format!("{} to {}", line.local, line.remote);
                }
                flow.states.push((t, line.state.as_ref().into()));
            }
            _ => {}
        }
        Ok(())
    }
}

/// A copy of a payload is one.
fn is_payload(kind: &str) -> bool {
    matches!(kind, "data" | "copy")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"t":0.0,"event":"session","version":1}
{"t":1.0,"event":"flow","flow":0,"state":"opened","reason":"x","interface":"eth0","local":"10.0.0.1","remote":"10.0.0.9:60001"}
{"t":1.5,"event":"rtt","flow":0,"srtt_ms":40.5,"sample_ms":41}
{"t":1.6,"event":"chosen","flow":0,"before":null,"reason":"x"}
{"t":2,"event":"sent","flow":1,"kind":"data","octets":100}

{"t":2.5,"event":"sent","flow":1,"kind":"data","octets":100}
{"t":2.6,"event":"sent","flow":1,"kind":"probe","octets":30}
{"t":4,"event":"received","flow":1,"kind":"data","octets":100}
{"t":9,"event":"something","new":true}
"#;

    fn refused(text: &str) -> String {
        read(text.as_bytes()).err().map(|error| error.to_string()).unwrap()
    }

    #[test]
    fn known_events_are_read_and_others_passed_over() {
        let trace = read(GOOD.as_bytes()).unwrap();
        assert_eq!((trace.span, trace.cut), ((0.0, 9.0), None));
        assert_eq!(trace.flows[&0].rtt, [(1.5, 40.5)]);
        assert_eq!(trace.flows[&0].path, "10.0.0.1 to 10.0.0.9:60001");
        assert_eq!(trace.flows[&1].sent.0, [(2.0, 2.5)]);
        assert_eq!(trace.flows[&1].received.0, [(4.0, 4.0)]);
        assert_eq!(trace.chosen, [(1.6, Some(0))]);
        assert!(read(&b""[..]).unwrap().flows.is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        assert_eq!(
            refused("{\"t\":0,\"event\":\"x\"}\nnonsense\n"),
            "line 2: it is not a line of a trace (expected ident)"
        );
        assert_eq!(
            refused(&format!("{GOOD}{{\"t\":10,\"event\":\"rtt\",\"flow\":0}}\n")),
            "line 11: its event “rtt” has no srtt_ms"
        );
        let flows: String = (0..60_000)
            .map(|flow| format!("{{\"t\":1,\"event\":\"rtt\",\"flow\":{flow},\"srtt_ms\":1}}\n"))
            .collect();
        assert_eq!(refused(&flows), "line 257: it names more than 256 flows, and no session has so many");
        assert!(refused(&format!("{GOOD}{GOOD}")).starts_with("line 11: it is from before"));
        assert!(refused("{\"event\":\"x\"}\n").contains("missing field `t`"));
        assert!(refused("{\"t\":0,\"event\":\"session\",\"version\":2}\n").contains("later release"));
    }

    #[test]
    fn a_last_line_that_is_cut_off_is_left_out() {
        let trace = read(format!("{GOOD}{{\"t\":10,\"eve").as_bytes()).unwrap();
        assert_eq!((trace.cut, trace.span.1), (Some(11), 9.0));
    }
}
