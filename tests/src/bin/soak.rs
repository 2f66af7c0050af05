//! `make soak`: two hours of virtual typing over each of many random networks.
//!
//! Usage: `soak [SEEDS [FIRST [MINUTES]]]`. Ends with 1 when a seed failed; each that did is named.

use mpmosh_tests::sim::soak::{Outcome, soak};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let mut number = |otherwise| numbers.next().unwrap_or(Ok(otherwise));
    let (Ok(seeds), Ok(first), Ok(minutes)) = (number(1000), number(1), number(120)) else {
        eprintln!("usage: soak [SEEDS [FIRST [MINUTES]]]");
        return ExitCode::from(2);
    };
    let outcomes = run(first, seeds, Duration::from_secs(minutes * 60));
    summarise(&outcomes, minutes);
    if outcomes.iter().any(|(_, outcome)| outcome.fault.is_some()) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// All seeds, on as many threads as there are processors.
fn run(first: u64, seeds: u64, duration: Duration) -> Vec<(u64, Outcome)> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(first);
    let mut outcomes: Vec<(u64, Outcome)> = std::thread::scope(|scope| {
        let work = || {
            let mut done = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + seeds {
                    return done;
                }
                let outcome = soak(seed, duration);
                if let Some(fault) = &outcome.fault {
                    println!("seed {seed}: {fault}");
                }
                done.push((seed, outcome));
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    outcomes.sort_by_key(|(seed, _)| *seed);
    outcomes
}

fn summarise(outcomes: &[(u64, Outcome)], minutes: u64) {
    let mut latencies: Vec<Duration> =
        outcomes.iter().flat_map(|(_, outcome)| outcome.latencies.iter().copied()).collect();
    latencies.sort_unstable();
    let failed = outcomes.iter().filter(|(_, outcome)| outcome.fault.is_some()).count();
    println!("{} networks of {minutes} minutes, {} keys; {failed} failed", outcomes.len(), latencies.len());
    let at = |part: f64| latencies.get((latencies.len() as f64 * part) as usize).copied().unwrap_or_default();
    println!(
        "from a key to its echo: half within {:?}, 90 % within {:?}, 99 % within {:?}",
        at(0.5),
        at(0.9),
        at(0.99)
    );
}
