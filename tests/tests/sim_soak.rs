//! A short soak; `make soak` is the long one.

use mpmosh_tests::sim::soak::soak;
use std::time::Duration;

/// Of the thousand networks of `make soak`, for as long.
const SEEDS: u64 = 20;
const TWO_HOURS: Duration = Duration::from_secs(2 * 3600);

#[test]
fn typing_over_networks_that_never_rest_loses_nothing_and_ends_on_the_best_path() {
    let halves = [(1, SEEDS / 2), (SEEDS / 2 + 1, SEEDS)];
    let faults: Vec<String> = std::thread::scope(|scope| {
        let run = |(first, last)| {
            let fault = |seed| soak(seed, TWO_HOURS).fault.map(|fault| format!("seed {seed} {fault}"));
            (first..=last).filter_map(fault).collect::<Vec<_>>()
        };
        let workers: Vec<_> = halves.map(|half| scope.spawn(move || run(half))).into_iter().collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The client's machine sleeps while the way down takes less than before: the server, which has output to show, had taken
/// the path for lost, and all that it sent there was too large.
#[test]
fn a_way_that_narrowed_in_a_sleep_is_found_open_when_the_client_speaks() {
    assert_eq!(soak(62, Duration::from_secs(3_000)).fault, None);
}
