//! What the keys of a scenario said.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use super::super::Key;
use super::super::measure::quantile;

/// What the keys said.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Who.
    pub subject: &'static str,
    /// What happened.
    pub event: &'static str,
    /// Every key.
    pub keys: Vec<Key>,
    /// When it happened, on the lab's clock.
    pub happened: Duration,
    /// When it was healed.
    pub healed: Option<Duration>,
}

impl Outcome {
    /// Median key latency before the event.
    #[must_use]
    pub fn calm(&self) -> Duration {
        let before = self.keys.iter().filter(|key| key.sent < self.happened);
        quantile(before.filter_map(Key::latency), 0.5)
    }

    /// The worst latency of the keys that were echoed and were not yet when it happened.
    #[must_use]
    pub fn worst(&self) -> Duration {
        self.after().filter_map(Key::latency).max().unwrap_or_default()
    }

    /// Median latency of the last ten keys: what it settled at.
    #[must_use]
    pub fn settled_at(&self) -> Duration {
        quantile(self.keys.iter().rev().take(10).filter_map(Key::latency), 0.5)
    }

    /// How many keys never appeared.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.keys.iter().filter(|key| key.shown.is_none()).count()
    }

    /// After the healing, how long until ten keys in a row took `limit` at most; `None` when that never was. Ten, and
    /// not all: on a shared machine any key may be late.
    #[must_use]
    pub fn settled_within(&self, limit: Duration) -> Option<Duration> {
        let healed = self.healed?;
        let after: Vec<&Key> = self.keys.iter().filter(|key| key.sent >= healed).collect();
        let fast = |key: &&Key| key.latency().is_some_and(|latency| latency <= limit);
        let run = after.windows(10).find(|keys| keys.iter().all(fast))?;
        Some(run.first()?.sent.saturating_sub(healed))
    }

    fn after(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(|key| key.shown.is_none_or(|shown| shown > self.happened))
    }

    /// The heading that fits [`Self::row`].
    pub const HEADING: &'static str = "| program | event | calm median | worst key | settled at | never echoed |\n\
                                       |---|---|---:|---:|---:|---:|";

    /// A row of a markdown table.
    #[must_use]
    pub fn row(&self) -> String {
        let milliseconds = |duration: Duration| format!("{:.1} ms", duration.as_secs_f64() * 1e3);
        let unanswered = self.unanswered();
        let (worst, settled) = if unanswered > 0 {
            ("never".into(), "never".into())
        } else {
            (milliseconds(self.worst()), milliseconds(self.settled_at()))
        };
        format!(
            "| {} | {} | {} | {worst} | {settled} | {unanswered} of {} |",
            self.subject,
            self.event,
            milliseconds(self.calm()),
            self.keys.len()
        )
    }

    /// The same with every key, for a machine: times in microseconds from the event.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        let microseconds = |at: Duration| at.as_micros() as i64 - self.happened.as_micros() as i64;
        let keys: Vec<_> = self
            .keys
            .iter()
            .map(|key| serde_json::json!([microseconds(key.sent), key.shown.map(microseconds)]))
            .collect();
        serde_json::json!({
            "subject": self.subject,
            "event": self.event,
            "calm_us": self.calm().as_micros() as u64,
            "worst_us": self.worst().as_micros() as u64,
            "settled_us": self.settled_at().as_micros() as u64,
            "unanswered": self.unanswered(),
            "keys": keys,
        })
    }
}

/// Prints an outcome on standard error, and appends it as one line of JSON to the file that `MPMOSH_LAB_RESULTS` names.
pub fn report(outcome: &Outcome) {
    eprintln!("{}\n{}", Outcome::HEADING, outcome.row());
    if let Some(path) = std::env::var_os("MPMOSH_LAB_RESULTS") {
        let line = format!("{}\n", outcome.json());
        let written = OpenOptions::new().create(true).append(true).open(path);
        if let Err(error) = written.and_then(|mut file| file.write_all(line.as_bytes())) {
            eprintln!("MPMOSH_LAB_RESULTS: {error}");
        }
    }
}
