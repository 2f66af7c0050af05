//! Things that happen to a laptop while someone types, told once and played with any [`Subject`].

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use super::measure::quantile;
use super::{Console, Key, Lab, LabError, Laptop, LaptopOptions, Namespace, Paper, Subject, USER, clock};

/// How long a person looks at a screen on which nothing appears before they call it hung.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What happens to the laptop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The WiFi falls silent; no interface, route or router notices.
    SilentDeath,
    /// The WiFi falls silent, and is healed three seconds later.
    SilentDeathAndHealing,
    /// `ip link set wlan0 down`.
    InterfaceDown,
    /// The WiFi's address is replaced by another.
    AddressChange,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::SilentDeath, Self::SilentDeathAndHealing, Self::InterfaceDown, Self::AddressChange];

    /// The name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SilentDeath => "silent death",
            Self::SilentDeathAndHealing => "silent death, healed after 3 s",
            Self::InterfaceDown => "interface down",
            Self::AddressChange => "address change",
        }
    }
}

/// A timetable: how many keys, how far apart, and before which of them the event happens.
#[derive(Clone, Copy, Debug)]
pub struct Timetable {
    /// Keys in all.
    pub keys: usize,
    /// Time between two keys.
    pub interval: Duration,
    /// The event comes before this key.
    pub event: usize,
    /// The healing, where there is one, before this key.
    pub healing: usize,
}

impl Default for Timetable {
    /// Two seconds of calm, the event, three seconds, the healing, three seconds; ten keys a second.
    fn default() -> Self {
        Self { keys: 80, interval: Duration::from_millis(100), event: 20, healing: 50 }
    }
}

/// What the keys said.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Who.
    pub subject: &'static str,
    /// What happened.
    pub event: Event,
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
            self.event.name(),
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
            "event": self.event.name(),
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

/// The whole of it: a fresh laptop, a session, calm, the event, and what the keys said.
///
/// # Errors
/// When the lab cannot run, or the session does not come up.
pub fn run(subject: &Subject, event: Event, timetable: Timetable) -> Result<Outcome, LabError> {
    let mut laptop = Laptop::with_sshd(LaptopOptions::default())?;
    let (console, _) = connect(&laptop.lab, &laptop.client, subject)?;
    echo_keys(&console)?;
    let outcome = play(&mut laptop, &console, subject, event, timetable)?;
    report(&outcome);
    Ok(outcome)
}

/// Opens a session of `subject` from the client to the server and waits for its prompt. Gives the console and the
/// time from start to prompt.
///
/// # Errors
/// When no prompt appears within 20 s: with what was on the terminal.
pub fn connect(lab: &Lab, client: &Namespace, subject: &Subject) -> Result<(Console, Duration), LabError> {
    subject.prepare(lab)?;
    let start = clock::now();
    let console = Console::start(subject.command(client, &format!("{USER}@server")))?;
    let prompt = console.wait_for("ready>", Duration::from_secs(20))?;
    Ok((console, prompt.saturating_sub(start)))
}

/// Turns a session's shell into something that echoes keys and nothing else, until Ctrl-C.
///
/// # Errors
/// When the shell does not answer.
pub fn echo_keys(console: &Console) -> Result<(), LabError> {
    finish_line(console, "Ω", "", "; cat > /dev/null", Duration::from_secs(5))?;
    // Let the frame that shows the new line settle, so that the first key is a key like the others.
    clock::sleep(Duration::from_millis(300));
    Ok(())
}

/// Types a shell command and then one that prints `sign`, and waits until it is on the screen. A sign is a single
/// letter that is nowhere on the screen yet: of a word, a frugal program draws only what differs from what stood
/// there before.
///
/// # Errors
/// When the sign does not appear within `patience`.
pub fn finish_line(
    console: &Console,
    sign: &str,
    command: &str,
    after: &str,
    patience: Duration,
) -> Result<Duration, LabError> {
    let octal: String = sign.bytes().map(|byte| format!("\\{byte:03o}")).collect();
    let mark = console.mark();
    let separator = if command.is_empty() { "" } else { "; " };
    console.send(format!("{command}{separator}printf '{octal}\\n'{after}\r"))?;
    console.wait_for_after(mark, sign, patience)
}

/// Types on an open, echoing session while `event` happens to the laptop.
///
/// # Errors
/// When the terminal is gone or the network cannot be changed.
pub fn play(
    laptop: &mut Laptop,
    console: &Console,
    subject: &Subject,
    event: Event,
    timetable: Timetable,
) -> Result<Outcome, LabError> {
    let wifi = &mut laptop.uplinks[0];
    let (mut happened, mut healed) = (Duration::MAX, None);
    let keys = console.type_keys(timetable.keys, timetable.interval, PATIENCE, |number| {
        if number == timetable.event {
            happened = clock::now();
            match event {
                Event::SilentDeath | Event::SilentDeathAndHealing => wifi.silence(true),
                Event::InterfaceDown => wifi.interface_down()?,
                Event::AddressChange => wifi.change_address()?,
            }
        }
        if number == timetable.healing && event == Event::SilentDeathAndHealing {
            healed = Some(clock::now());
            wifi.silence(false);
        }
        Ok(())
    })?;
    Ok(Outcome { subject: subject.name, event, keys, happened, healed })
}

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
