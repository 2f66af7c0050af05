//! Things that happen to a laptop while someone types, told once and played with any [`Subject`].

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use super::measure::quantile;
use super::{Console, Key, LabError, Laptop, LaptopOptions, Subject, USER, clock};

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

    /// After the healing, how long until every further key took `limit` at most; `None` when that never was.
    #[must_use]
    pub fn settled_within(&self, limit: Duration) -> Option<Duration> {
        let healed = self.healed?;
        let slow = |key: &&Key| key.latency().is_none_or(|latency| latency > limit);
        let last_slow = self.keys.iter().rev().find(slow).map_or(Duration::ZERO, |key| key.sent);
        let first_fast = self.keys.iter().find(|key| key.sent > last_slow && key.sent >= healed)?;
        Some(first_fast.sent - healed)
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

/// Prints an outcome, and appends it as one line of JSON to the file that `MPMOSH_LAB_RESULTS` names.
pub fn report(outcome: &Outcome) {
    println!("{}\n{}", Outcome::HEADING, outcome.row());
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
    let (console, _) = connect(&laptop, subject)?;
    echo_keys(&console)?;
    let outcome = play(&mut laptop, &console, subject, event, timetable)?;
    report(&outcome);
    Ok(outcome)
}

/// Opens a session of `subject` from the laptop to the server and waits for its prompt. Gives the console and the
/// time from start to prompt.
///
/// # Errors
/// When no prompt appears within 20 s: with what was on the terminal.
pub fn connect(laptop: &Laptop, subject: &Subject) -> Result<(Console, Duration), LabError> {
    subject.prepare(&laptop.lab)?;
    let start = clock::now();
    let console = Console::start(subject.command(&laptop.client, &format!("{USER}@server")))?;
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
