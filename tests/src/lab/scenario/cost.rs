//! What a session costs the machines at its two ends, while somebody types and while nobody does.

use std::time::Duration;

use rustix::process::Pid;

use super::super::measure::{named, quantile};
use super::super::usage::{CallCounter, Usage};
use super::super::{Key, LabError, Laptop, LaptopOptions, Subject, clock};
use super::{INTERVAL, PATIENCE, connect, echo_keys};

/// How long a session of ours may be quiet before it sleeps.
const AWAKE: Duration = Duration::from_secs(60);
/// How long after the last key a session is in use.
const ACTIVE: Duration = Duration::from_secs(10);

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// What it is called in a table.
    pub name: &'static str,
    /// Two uplinks with two families each, where the other setting has one of one.
    pub many: bool,
}

impl Setting {
    /// Those of the benchmark.
    pub const ALL: [Self; 2] =
        [Self { name: "one flow", many: false }, Self { name: "four flows", many: true }];
}

/// What one end takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct End {
    /// Processor time for one key.
    pub processor: Duration,
    /// Turns of the loop for one key; `None` where nothing counts system calls.
    pub turns: Option<f64>,
    /// System calls for one key, likewise.
    pub calls: Option<f64>,
    /// Wake-ups for one key.
    pub wake_ups: f64,
    /// Threads.
    pub threads: usize,
    /// Wake-ups a second, from ten seconds after the last key on.
    pub quiet: f64,
    /// Wake-ups a second, from a minute after the last key on, where that was waited for.
    pub dormant: Option<f64>,
}

/// What a session takes.
#[derive(Clone, Debug)]
pub struct Cost {
    /// At the client's end, and at the server's.
    pub ends: [End; 2],
    /// From key to screen, in the middle; `None` if a key never appeared.
    pub latency: Option<Duration>,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Keys, ten a second, twice: with and without system calls counted.
    pub keys: usize,
    /// How long the session that nobody uses is watched.
    pub idle: Duration,
    /// Whether it is waited for until it sleeps.
    pub dormant: bool,
}

/// Opens a session, types, leaves it alone, and says what each end took. An uplink of 40 ms, another of 80.
///
/// # Errors
/// When the lab cannot run, or the session does not come up.
pub fn cost(subject: &Subject, setting: &Setting, effort: &Effort) -> Result<Cost, LabError> {
    let laptop = Laptop::with_sshd(LaptopOptions { ipv6: setting.many, ..LaptopOptions::default() })?;
    if !setting.many {
        laptop.client.ip(&["link", "set", laptop.uplinks[1].interface, "down"])?;
    }
    let listener = named(&laptop.server, "sshd");
    let (console, _) = connect(&laptop.lab, &laptop.client, subject)?;
    echo_keys(&console)?;
    console.type_keys(30, INTERVAL, PATIENCE, |_| Ok(()))?;
    let server = named(&laptop.server, subject.server_process);
    let server: Vec<Pid> = server.into_iter().filter(|process| !listener.contains(process)).collect();
    let processes = [named(&laptop.client, subject.client_process), server];
    let usage = || [Usage::of(&processes[0]), Usage::of(&processes[1])];

    let before = usage();
    let keys = console.type_keys(effort.keys, INTERVAL, PATIENCE, |_| Ok(()))?;
    let after = usage();
    let counters = [CallCounter::start(&processes[0]), CallCounter::start(&processes[1])];
    let counted = console.type_keys(effort.keys, INTERVAL, PATIENCE, |_| Ok(()))?.len();
    let calls = counters.map(|counter| counter.and_then(CallCounter::stop));
    let quiet = resting(&usage, ACTIVE, effort.idle);
    let dormant = match effort.dormant {
        true => Some(resting(&usage, AWAKE.saturating_sub(effort.idle), effort.idle * 2)),
        false => None,
    };
    let ends = [0, 1].map(|side| {
        let used = after[side] - before[side];
        let calls = calls[side].as_ref().inspect_err(|error| eprintln!("{}: {error}", subject.name)).ok();
        let per_key = |count: u64| count as f64 / counted as f64;
        End {
            processor: used.processor / keys.len() as u32,
            wake_ups: used.wake_ups as f64 / keys.len() as f64,
            turns: calls.map(|calls| per_key(calls.waits)),
            calls: calls.map(|calls| per_key(calls.all)),
            threads: after[side].threads,
            quiet: quiet[side],
            dormant: dormant.map(|dormant| dormant[side]),
        }
    });
    let complete = keys.iter().all(|key| key.shown.is_some());
    let latency = complete.then(|| quantile(keys.iter().filter_map(Key::latency), 0.5));
    Ok(Cost { ends, latency })
}

/// Wake-ups a second at each end, for so long, after a pause.
fn resting(usage: &impl Fn() -> [Usage; 2], pause: Duration, time: Duration) -> [f64; 2] {
    clock::sleep(pause);
    let before = usage();
    clock::sleep(time);
    let after = usage();
    [0, 1].map(|side| (after[side] - before[side]).wake_ups as f64 / time.as_secs_f64())
}
