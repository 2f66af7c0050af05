//! The trace of a session's paths: one JSON object a line, for `mpmosh plot` and for people.
//!
//! Every line has `t`, seconds since the session began, and `event`. Lines of event `rtt` have `flow`, `sample_ms` and
//! `srtt_ms`; of `sent` have `flow`, `kind` and `bytes`; of `flow` have `flow`, `path`, `state` and `reason`; of
//! `chosen` have `flow` and `reason`; of `size` have `flow`, `bytes` (the largest datagram from now on) and `repeat`. The session's key and what is typed are never in it.

use net::{Event, FlowState, Instant, SentKind};
use serde_json::{Value, json};
use std::io::{self, Write};

/// Writes a trace.
pub struct Trace<W> {
    out: W,
    start: Instant,
}

impl<W: Write> Trace<W> {
    /// A trace of a session that begins at `start`.
    pub fn new(out: W, start: Instant) -> Self {
        Self { out, start }
    }

    /// Writes what there is to say of `event`.
    ///
    /// # Errors
    /// The writer's.
    pub fn record(&mut self, event: &Event, now: Instant) -> io::Result<()> {
        let Some(Value::Object(mut line)) = describe(event) else { return Ok(()) };
        let seconds = now.since(self.start).as_secs_f64();
        line.insert("t".into(), json!((seconds * 1e6).round() / 1e6));
        serde_json::to_writer(&mut self.out, &line)?;
        self.out.write_all(b"\n")
    }

    /// Hands over what is still buffered.
    ///
    /// # Errors
    /// The writer's.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn describe(event: &Event) -> Option<Value> {
    let millis = |duration: &std::time::Duration| duration.as_secs_f64() * 1e3;
    Some(match event {
        Event::CandidatesChanged => return None,
        Event::FlowOpened { flow, path } => json!({
            "event": "flow", "flow": flow.index(), "state": "opened", "reason": "path usable",
            "path": path_text(path),
        }),
        Event::FlowState { flow, to, cause, .. } => json!({
            "event": "flow", "flow": flow.index(), "state": state_text(*to), "reason": cause.as_str(),
        }),
        Event::Chosen { flow, cause, .. } => json!({
            "event": "chosen", "flow": flow.map(net::FlowId::index), "reason": cause.as_str(),
        }),
        Event::Rtt { flow, sample, srtt } => json!({
            "event": "rtt", "flow": flow.index(), "sample_ms": millis(sample), "srtt_ms": millis(srtt),
        }),
        Event::Sent { flow, kind, bytes } => json!({
            "event": "sent", "flow": flow.index(), "kind": kind_text(*kind), "bytes": bytes,
        }),
        Event::Discarded { reason, from, .. } => json!({
            "event": "discarded", "reason": reason.as_str(), "from": from.to_string(),
        }),
        Event::Hopped { flow, port_generation } => json!({
            "event": "hopped", "flow": flow.index(), "generation": port_generation,
        }),
        Event::PathSuspect { flow } => json!({ "event": "suspect", "flow": flow.index() }),
        Event::PathLost { flow } => json!({ "event": "lost", "flow": flow.index() }),
        Event::PathRevived { flow } => json!({ "event": "revived", "flow": flow.index() }),
        Event::AddressesLearned { count } => json!({ "event": "addresses", "count": count }),
        Event::Observed { flow, address } => json!({
            "event": "observed", "flow": flow.index(), "address": address.to_string(),
        }),
        Event::Roamed { flow, path } => json!({
            "event": "roamed", "flow": flow.index(), "path": path_text(path),
        }),
        Event::DatagramSize { flow, octets, repeat } => json!({
            "event": "size", "flow": flow.index(), "bytes": octets, "repeat": repeat,
        }),
        Event::Attached => json!({ "event": "attached" }),
        Event::Detached => json!({ "event": "detached" }),
        Event::KeySpent => json!({ "event": "key spent" }),
    })
}

fn kind_text(kind: SentKind) -> &'static str {
    match kind {
        SentKind::Data => "data",
        SentKind::Probe => "probe",
        SentKind::PaddedProbe => "padded",
        SentKind::Answer => "answer",
        SentKind::AddressRequest | SentKind::AddressList => "addr",
    }
}

fn state_text(state: FlowState) -> &'static str {
    match state {
        FlowState::Answering => "answering",
        FlowState::Untried => "untried",
        FlowState::Suspect => "suspect",
        FlowState::Lost => "lost",
        FlowState::Suspended => "suspended",
        FlowState::Retired => "retired",
    }
}

fn path_text(path: &net::Path) -> String {
    match path.local.interface {
        Some(index) => format!("{}%{index} → {}", path.local.ip, path.remote),
        None => format!("{} → {}", path.local.ip, path.remote),
    }
}
