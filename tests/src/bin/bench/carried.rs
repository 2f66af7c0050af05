//! What goes through ssh where UDP is blocked, beside ssh, each with the most that it may be.

use std::fmt::Write as _;
use std::time::Duration;

use mpmosh_tests::lab::measure::quantile;
use mpmosh_tests::lab::scenario::carried::{self, Change};
use mpmosh_tests::lab::{Key, LabError, Subject};

/// A figure of one subject; `None` where there is none.
type Figure = Option<f64>;

/// What ours may be, given ssh's figure.
type Goal = fn(f64) -> f64;

/// A row of the table.
struct Row {
    name: String,
    unit: &'static str,
    /// More is better.
    rate: bool,
    goal: Option<Goal>,
    figures: Vec<Figure>,
}

/// Octets of the file that goes through a stream.
const FILE: usize = 20_000_000;

/// Measures what is named of the kinds and of the subjects, or all, and gives the table in markdown; progress and complaints
/// go to standard error.
pub(super) fn table(quick: bool, named: &[&str]) -> String {
    let among = |name: &str| named.contains(&name);
    let all_kinds = !KINDS.iter().any(|(kind, _)| among(kind));
    let all_subjects = !carried::subjects().iter().any(|subject| among(subject.name));
    let subjects: Vec<Subject> =
        carried::subjects().into_iter().filter(|subject| all_subjects || among(subject.name)).collect();
    let mut rows = Vec::new();
    for (kind, measure) in KINDS {
        if !all_kinds && !among(kind) {
            continue;
        }
        let first = rows.len();
        for subject in &subjects {
            let measured = measure(subject, quick);
            for (number, (mut row, figure)) in measured.into_iter().enumerate() {
                eprintln!("{}: {}: {figure:.1?} {}", subject.name, row.name, row.unit);
                if rows.len() <= first + number {
                    row.figures.clear();
                    rows.push(row);
                }
                rows[first + number].figures.push(figure);
            }
        }
    }
    let mut text = String::from("| |");
    for subject in &subjects {
        let _ = write!(text, " {} |", subject.name);
    }
    let _ = writeln!(text, " goal |\n|---|{}", "---:|".repeat(subjects.len() + 1));
    rows.iter().for_each(|row| text.push_str(&row.line()));
    text
}

impl Row {
    fn line(&self) -> String {
        let ssh = self.figures.first().copied().flatten();
        let mut line = format!("| {} ({}) |", self.name, self.unit);
        for (column, figure) in self.figures.iter().enumerate() {
            let shown = figure.map_or("—".into(), |figure| format!("{figure:.1}"));
            let ratio = figure.zip(ssh.filter(|_| column > 0)).map(|(figure, ssh)| figure / ssh);
            let ratio = ratio.map(|ratio| format!(" (× {ratio:.2})")).unwrap_or_default();
            let _ = write!(line, " {shown}{ratio} |");
        }
        let sign = if self.rate { '≥' } else { '≤' };
        let goal = self.goal.and_then(|goal| Some(format!("{sign} {:.0}", goal(ssh?))));
        let _ = writeln!(line, " {} |", goal.unwrap_or_default());
        line
    }
}

type Measured = Vec<(Row, Figure)>;

/// How a kind is measured.
type Measure = fn(&Subject, bool) -> Measured;

/// The kinds of figures.
const KINDS: [(&str, Measure); 5] =
    [("prompt", prompts), ("keys", keys), ("flood", floods), ("stream", streams), ("change", changes)];

fn row(name: impl Into<String>, unit: &'static str, goal: Option<Goal>) -> Row {
    Row { name: name.into(), unit, rate: false, goal, figures: Vec::new() }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The value, or `None` and a complaint.
fn tried<T>(subject: &Subject, what: &str, measured: Result<T, LabError>) -> Option<T> {
    measured.inspect_err(|error| eprintln!("{}: {what}: {error}", subject.name)).ok()
}

fn prompts(subject: &Subject, quick: bool) -> Measured {
    // A second, two round trips and 100 ms more than ssh.
    const GOAL: Goal = |ssh| ssh + 1180.0;
    let ways = [(false, "first prompt, median"), (true, "first prompt through a jump host, median")];
    let measure = |(jumps, name): (bool, &'static str)| {
        let times = tried(subject, name, carried::first_prompt(subject, jumps, if quick { 3 } else { 15 }));
        (row(name, "ms", Some(GOAL)), times.map(|times| milliseconds(quantile(times, 0.5))))
    };
    ways.into_iter().map(measure).collect()
}

fn keys(subject: &Subject, quick: bool) -> Measured {
    let mut measured = Vec::new();
    for (loss, count, goal) in
        [(0.0, 200, (|ssh| ssh + 10.0) as Goal), (0.05, 600, |ssh| ssh), (0.3, 600, |ssh| ssh)]
    {
        let name = if loss > 0.0 {
            format!("key to screen, {:.0} % lost", loss * 100.0)
        } else {
            "key to screen".into()
        };
        let keys = tried(subject, &name, carried::keys(subject, loss, if quick { count / 3 } else { count }));
        for (part, what) in [(0.5, "median"), (0.95, "95 %")] {
            let latencies =
                keys.as_ref().and_then(|keys| keys.iter().map(Key::latency).collect::<Option<Vec<_>>>());
            let figure = latencies.map(|latencies| milliseconds(quantile(latencies, part)));
            measured.push((row(format!("{name}, {what}"), "ms", Some(goal)), figure));
        }
    }
    measured
}

fn floods(subject: &Subject, quick: bool) -> Measured {
    // A round trip and 300 ms.
    const GOAL: Goal = |_| 340.0;
    let name = "Ctrl-C under `yes` at 1 Mbit/s behind 2 MB, median";
    let times = (0..if quick { 1 } else { 3 }).map(|_| carried::stop_flood(subject, 2_000_000));
    let times = tried(subject, name, times.collect::<Result<Vec<_>, _>>());
    vec![(row(name, "ms", Some(GOAL)), times.map(|times| milliseconds(quantile(times, 0.5))))]
}

fn streams(subject: &Subject, _quick: bool) -> Measured {
    let mut measured = Vec::new();
    for (rate, name) in [(10_000_000, "10 Mbit/s"), (100_000_000, "100 Mbit/s")] {
        let stream = tried(subject, name, carried::stream(subject, rate, FILE));
        let figure = |time: Duration| FILE as f64 * 8.0 / 1e6 / time.as_secs_f64();
        let goal: Goal = |ssh| ssh * 0.8;
        let flowing = Row { rate: true, ..row(format!("`cat` of 20 MB at {name}"), "Mbit/s", Some(goal)) };
        measured.push((flowing, stream.map(|stream| figure(stream.flowing))));
        let whole = Row { rate: true, ..row(format!("the same with the login, at {name}"), "Mbit/s", None) };
        measured.push((whole, stream.map(|stream| figure(stream.whole))));
    }
    measured
}

fn changes(subject: &Subject, _quick: bool) -> Measured {
    let change = tried(subject, "UDP dies and returns", carried::change(subject));
    let [dead, back] = change.as_ref().map(Change::worst).unwrap_or_default();
    let moved = change.and_then(|change| change.moved);
    vec![
        (row("worst key, UDP dies for good", "ms", Some(|_| 6000.0)), dead.map(milliseconds)),
        (row("worst key, UDP returns", "ms", None), back.map(milliseconds)),
        (row("from the first answer by UDP to keys there", "ms", Some(|_| 2000.0)), moved.map(milliseconds)),
    ]
}
