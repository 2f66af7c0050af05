//! Reading a session's trace.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use serde::Deserialize;

/// What a trace says, by flow.
#[derive(Debug, Default)]
pub(super) struct Trace {
    pub(super) flows: BTreeMap<u32, Flow>,
    /// Seconds at which it begins and ends.
    pub(super) span: (f64, f64),
    /// Lines that were not understood.
    pub(super) skipped: usize,
}

/// What a trace says of one flow. Times in seconds, in order.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Its path, as it was named last.
    pub(super) path: String,
    /// Time and smoothed round trip in milliseconds.
    pub(super) rtt: Vec<(f64, f64)>,
    /// When it carried a datagram with data.
    pub(super) data: Vec<f64>,
    /// When its state changed, and to what.
    pub(super) states: Vec<(f64, String)>,
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Event {
    Rtt {
        t: f64,
        flow: u32,
        srtt_ms: f64,
    },
    Sent {
        t: f64,
        flow: u32,
        kind: String,
    },
    Flow {
        t: f64,
        flow: u32,
        #[serde(default)]
        path: String,
        #[serde(default)]
        state: String,
    },
    #[serde(other)]
    Other,
}

/// Reads a trace to its end.
pub(super) fn read(lines: impl BufRead) -> io::Result<Trace> {
    let mut trace = Trace { span: (f64::INFINITY, f64::NEG_INFINITY), ..Trace::default() };
    for line in lines.split(b'\n') {
        let line = line?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice(&line) {
            Ok(Event::Other) => {}
            Ok(event) => trace.add(event),
            Err(_) => trace.skipped += 1,
        }
    }
    if trace.flows.is_empty() {
        trace.span = (0.0, 0.0);
    }
    Ok(trace)
}

impl Trace {
    fn add(&mut self, event: Event) {
        let (Event::Rtt { t, flow, .. } | Event::Sent { t, flow, .. } | Event::Flow { t, flow, .. }) = event
        else {
            return;
        };
        if !t.is_finite() {
            self.skipped += 1;
            return;
        }
        self.span = (self.span.0.min(t), self.span.1.max(t));
        let flow = self.flows.entry(flow).or_default();
        match event {
            Event::Rtt { srtt_ms, .. } if srtt_ms.is_finite() => flow.rtt.push((t, srtt_ms.max(0.0))),
            Event::Sent { kind, .. } if kind == "data" => flow.data.push(t),
            Event::Flow { path, state, .. } => {
                if !path.is_empty() {
                    flow.path = path;
                }
                if !state.is_empty() {
                    flow.states.push((t, state));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_events_are_read_and_others_passed_over() {
        let text = r#"{"t":1.0,"event":"flow","flow":0,"path":"eth0 → h","state":"active","reason":"x"}
{"t":1.5,"event":"rtt","flow":0,"srtt_ms":40.5,"sample_ms":41}
{"t":2,"event":"sent","flow":1,"kind":"data","bytes":100}
{"t":2,"event":"sent","flow":1,"kind":"probe","bytes":30}
{"t":9,"event":"something","new":true}
nonsense
"#;
        let trace = read(text.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((trace.span, trace.skipped), ((1.0, 2.0), 1));
        assert_eq!(trace.flows[&0].rtt, [(1.5, 40.5)]);
        assert_eq!(trace.flows[&0].path, "eth0 → h");
        assert_eq!(trace.flows[&1].data, [2.0]);
        assert!(read(&b""[..]).unwrap_or_else(|e| panic!("{e}")).flows.is_empty());
    }
}
