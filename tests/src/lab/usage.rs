//! What processes take of a machine: processor time, wake-ups and system calls, all their threads counted.

use std::fs;
use std::io::Read;
use std::ops::Sub;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use super::{Context, LabError};

/// What some processes have taken since they began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time, in user and kernel mode together, to the microsecond.
    pub processor: Duration,
    /// How often a thread went to sleep, and so was woken (`voluntary_ctxt_switches`).
    pub wake_ups: u64,
    /// Threads there are now.
    pub threads: usize,
}

impl Usage {
    /// That of `processes`; those that have ended count for nothing.
    #[must_use]
    pub fn of(processes: &[Pid]) -> Self {
        let mut sum = Self::default();
        for process in processes {
            for task in fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
                let read = |file: &str| fs::read_to_string(task.path().join(file)).unwrap_or_default();
                let schedule = read("schedstat");
                let first = schedule.split(' ').next().and_then(|word| word.parse().ok());
                sum.processor += Duration::from_nanos(first.unwrap_or(0));
                let status = read("status");
                let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
                sum.wake_ups += line.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or(0);
                sum.threads += 1;
            }
        }
        sum
    }
}

impl Sub for Usage {
    type Output = Self;

    /// What was taken in between; the threads are those at the end.
    fn sub(self, before: Self) -> Self {
        Self {
            processor: self.processor.saturating_sub(before.processor),
            wake_ups: self.wake_ups.saturating_sub(before.wake_ups),
            threads: self.threads,
        }
    }
}

/// The system calls by which a program waits: each is a turn of its loop.
const WAITS: [&str; 4] = ["ppoll", "pselect6", "epoll_pwait", "epoll_wait"];

/// Counts the system calls of running processes, by the kernel's own tracepoints: they are hardly slower for it.
pub struct CallCounter(Child);

/// System calls that were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// All of them.
    pub all: u64,
    /// Those that wait for something to happen.
    pub waits: u64,
}

impl CallCounter {
    /// Begins to count.
    ///
    /// # Errors
    /// `perf` (Debian: linux-perf) is not installed, or may not look.
    pub fn start(processes: &[Pid]) -> Result<Self, LabError> {
        let ids: Vec<String> = processes.iter().map(ToString::to_string).collect();
        let mut events = vec!["raw_syscalls:sys_enter".to_owned()];
        events.extend(WAITS.map(|name| format!("syscalls:sys_enter_{name}")));
        let mut command = Command::new("perf");
        command.args(["stat", "--field-separator=;", "--event", &events.join(","), "--pid", &ids.join(",")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().context(|| "starting perf".into())?;
        // It says nothing when it has begun; what comes before is little.
        super::clock::sleep(Duration::from_millis(300));
        Ok(Self(child))
    }

    /// Ends counting.
    ///
    /// # Errors
    /// What perf says instead of counts.
    pub fn stop(mut self) -> Result<Calls, LabError> {
        let id = Pid::from_child(&self.0);
        rustix::process::kill_process(id, Signal::INT).context(|| "ending perf".into())?;
        let mut said = String::new();
        if let Some(stderr) = &mut self.0.stderr {
            stderr.read_to_string(&mut said).context(|| "reading from perf".into())?;
        }
        self.0.wait().context(|| "waiting for perf".into())?;
        let mut calls = Calls::default();
        for line in said.lines() {
            let fields: Vec<&str> = line.split(';').collect();
            let [count, _, event, ..] = fields.as_slice() else { continue };
            let Ok(count) = count.parse::<u64>() else { continue };
            if *event == "raw_syscalls:sys_enter" {
                calls.all += count;
            } else {
                calls.waits += count;
            }
        }
        if calls.all == 0 { Err(LabError::new(format!("perf: {}", said.trim()))) } else { Ok(calls) }
    }
}
