//! The paper's own experiment.

use std::time::Duration;

use super::super::measure::quantile;
use super::super::{Console, Key, LabError, Paper, Subject, clock};
use super::PATIENCE;

/// What the paper's §5 does to two paths, and when; the picture drawn from it is its figure.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// Who.
    pub subject: &'static str,
    /// Every key.
    pub keys: Vec<Key>,
    /// What was done, and when on the lab's clock.
    pub changes: Vec<(&'static str, Duration)>,
}

impl Timeline {
    /// The seconds at which the paper's testbed changed, and what changed.
    pub const CHANGES: [(u64, &'static str); 4] = [
        (7, "other path +300 ms"),
        (17, "active path +200 ms"),
        (28, "active path cut"),
        (38, "active path restored"),
    ];

    /// Median and worst key latency from each change to the next, the beginning first; the number of keys never
    /// echoed last.
    #[must_use]
    pub fn phases(&self) -> Vec<(&'static str, Duration, Duration, usize)> {
        let starts = std::iter::once(("calm", Duration::ZERO)).chain(self.changes.iter().copied());
        let ends = self.changes.iter().map(|(_, at)| *at).chain(std::iter::once(Duration::MAX));
        let phase = |((name, start), end): ((&'static str, Duration), Duration)| {
            let keys: Vec<&Key> = self.keys.iter().filter(|key| (start..end).contains(&key.sent)).collect();
            let latencies: Vec<Duration> = keys.iter().filter_map(|key| key.latency()).collect();
            let worst = latencies.iter().copied().max().unwrap_or_default();
            (name, quantile(latencies.iter().copied(), 0.5), worst, keys.len() - latencies.len())
        };
        starts.zip(ends).map(phase).collect()
    }
}

/// Plays the paper's §5 on an open, echoing session: a key each 100 ms for 62 s. Path 0 is the active one. Added
/// delay is round trip, half of it each way; the cut is silent.
///
/// # Errors
/// When the terminal is gone.
pub fn play_timeline(paper: &Paper, console: &Console, subject: &Subject) -> Result<Timeline, LabError> {
    let [active, other] = &paper.links;
    let mut changes = Vec::new();
    let interval = Duration::from_millis(100);
    let keys = console.type_keys(620, interval, PATIENCE, |number| {
        let now = interval * number as u32;
        let Some((_, name)) = Timeline::CHANGES.iter().find(|(at, _)| Duration::from_secs(*at) == now) else {
            return Ok(());
        };
        changes.push((*name, clock::now()));
        match changes.len() {
            1 => other.set(|shape| shape.delay += Duration::from_millis(150)),
            2 => active.set(|shape| shape.delay += Duration::from_millis(100)),
            3 => active.blackhole(true),
            _ => active.blackhole(false),
        }
        Ok(())
    })?;
    let timeline = Timeline { subject: subject.name, keys, changes };
    for (name, median, worst, unanswered) in timeline.phases() {
        eprintln!("{}: {name}: median {median:?}, worst {worst:?}, never echoed {unanswered}", subject.name);
    }
    Ok(timeline)
}
