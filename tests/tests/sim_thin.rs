//! Typing over thin paths: what it costs and how it fares, beside mosh's own timing over the same network, in virtual
//! time: SPEC [B-4] and what follows from it. The table of all rows is committed, so that a change of behaviour shows as a change of a line.
//!
//! `MPMOSH_WRITE_TABLE=1 cargo test -p mpmosh-tests --test sim_thin` writes it anew.

use mpmosh_tests::sim::{Quality, Setup, World, ms, seconds};
use mpmosh_tests::table;
use net::DialectName;
use std::fmt::Write as _;
use std::sync::OnceLock;
use std::time::Duration;

/// Downlinks carry twice as much as uplinks.
fn thin(rate: u64, round_trip: u64, queue: u64, greedy: bool) -> (Quality, Quality) {
    let up = Quality::millis(round_trip / 2).with_rate(rate / 8, ms(queue));
    let mut down = Quality::millis(round_trip / 2).with_rate(rate / 4, ms(queue));
    down.greedy = greedy;
    (up, down)
}

/// A network of which mosh uses the first path alone.
struct Case {
    name: String,
    paths: Vec<(Quality, Quality)>,
    metered: bool,
}

impl Case {
    fn setup(&self, dialect: DialectName) -> Setup {
        let mut setup = Setup::laptop(1).speaking(dialect);
        let ours = dialect == DialectName::Multipath;
        setup.uplinks.truncate(if ours { self.paths.len() } else { 1 });
        if let Some(second) = setup.uplinks.get_mut(1) {
            second.metered = self.metered;
        }
        let paths = self.paths.clone();
        setup.quality = Box::new(move |uplink, _| paths[uplink].clone());
        setup
    }
}

/// The networks of the table.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for greedy in [false, true] {
        for rate in [9_600, 32_000, 64_000, 128_000] {
            for round_trip in [100, 300, 700] {
                // A greedy TCP needs room for a segment.
                for queue in [200, 1_000, 5_000].into_iter().filter(|queue| !greedy || *queue >= 1_000) {
                    let beside = if greedy { ", beside a greedy TCP" } else { "" };
                    let name = format!("{rate} bit/s, {round_trip} ms, queue {queue} ms{beside}");
                    let paths = vec![thin(rate, round_trip, queue, greedy)];
                    cases.push(Case { name, paths, metered: false });
                }
            }
        }
    }
    cases.extend(goals().into_iter().map(|goal| goal.case));
    cases
}

/// What is promised of a network, as parts of what mosh needs.
struct Goal {
    case: Case,
    median: f64,
    p95: f64,
}

/// The networks of the benchmark: 32 kbit/s up and 64 down, 300 ms, queues of 4 s.
fn goals() -> Vec<Goal> {
    let mut goals = Vec::new();
    for loss in [0.0, 0.1] {
        for (count, metered) in [(1, false), (2, true), (2, false)] {
            let (up, down) = thin(32_000, 300, 4_000, false);
            let path = (up.with_loss(loss), down.with_loss(loss));
            let which = match (count, metered) {
                (1, _) => "one uplink",
                (_, true) => "two, the other metered",
                (_, false) => "two, neither metered",
            };
            let lost = if loss > 0.0 { ", 10 % lost" } else { "" };
            let name = format!("32 kbit/s up, 64 down, 300 ms, {which}{lost}");
            let case = Case { name, paths: vec![path; count], metered };
            goals.push(Goal { case, median: 0.75, p95: if loss > 0.0 { 0.9 } else { 0.85 } });
        }
    }
    goals
}

/// What became of 400 keys, ten a second, and what they cost.
struct Fare {
    latencies: Vec<Option<Duration>>,
    up: net::Count,
    down: net::Count,
}

/// How long keys are typed.
const TYPING: u64 = 40;

impl Fare {
    fn of(case: &Case, dialect: DialectName) -> Self {
        let mut world = World::new(case.setup(dialect));
        world.run(seconds(5));
        let before = world.spent();
        world.type_keys(TYPING as u32 * 10, ms(100));
        world.run(seconds(TYPING));
        let after = world.spent();
        world.run(seconds(20));
        assert!(world.received() == world.typed(), "{}: every key once, in order", case.name);
        let total = |n: usize| (after[n] - before[n]).total();
        Self { latencies: world.latencies(), up: total(0), down: total(1) }
    }

    /// The latency that so many in a thousand keys do not exceed; `None` when one of them was never echoed.
    fn quantile(&self, thousandths: usize) -> Option<Duration> {
        let mut sorted = self.latencies.clone();
        sorted.sort_by_key(|latency| latency.unwrap_or(Duration::MAX));
        sorted.get((sorted.len() * thousandths / 1000).min(sorted.len().saturating_sub(1))).copied().flatten()
    }
}

fn fares() -> &'static [(String, Fare, Fare)] {
    static FARES: OnceLock<Vec<(String, Fare, Fare)>> = OnceLock::new();
    FARES.get_or_init(|| {
        table::in_parallel(&cases(), |case| {
            let [ours, mosh] =
                [DialectName::Multipath, DialectName::Mosh].map(|dialect| Fare::of(case, dialect));
            (case.name.clone(), ours, mosh)
        })
    })
}

const HEAD: &str = "\
# Typing over thin paths, ten keys a second for 40 s, prediction off: the median, the 95 % quantile and the worst time from
# a key to its echo, in milliseconds of virtual time, and the datagrams and octets a second of each end (those of the IP
# and UDP headers included); then the same for mosh's timing, which uses the first path alone. Downlinks carry twice what is
# said. Written by tests/sim_thin.rs.
";

fn line(name: &str, fares: [&Fare; 2]) -> String {
    let mut line = format!("{name:<60}");
    for fare in fares {
        for thousandths in [500, 950, 1000] {
            let millis =
                fare.quantile(thousandths).map_or("never".into(), |time| time.as_millis().to_string());
            write!(line, " {millis:>6}").unwrap();
        }
        for count in [fare.up, fare.down] {
            let tenths = count.datagrams * 10 / TYPING;
            write!(line, " {:>5} {:>6}", format!("{}.{}", tenths / 10, tenths % 10), count.octets / TYPING)
                .unwrap();
        }
        line.push_str("  ");
    }
    line.truncate(line.trim_end().len());
    line
}

#[test]
fn the_table_of_thin_paths_is_as_it_was() {
    let mut text = String::from(HEAD);
    let heads = "   p50    p95  worst  up/s    B/s  dn/s    B/s";
    writeln!(text, "{:<60} {heads}   {heads}", "# network").unwrap();
    for (name, ours, mosh) in fares() {
        writeln!(text, "{}", line(name, [ours, mosh])).unwrap();
    }
    table::compare("thin.txt", &text);
}

#[test]
fn thin_paths_type_better_than_mosh() {
    for Goal { case, median, p95 } in goals() {
        let (_, ours, mosh) = fares().iter().find(|(name, ..)| *name == case.name).unwrap();
        let name = &case.name;
        let at_most = |part: f64, thousandths: usize| {
            let limit = mosh.quantile(thousandths).unwrap().mul_f64(part);
            assert!(
                ours.quantile(thousandths).is_some_and(|is| is <= limit),
                "{name}: {} > {limit:?}",
                line(name, [ours, mosh])
            );
        };
        at_most(median, 500);
        at_most(p95, 950);
        assert!(ours.quantile(1000).is_some_and(|worst| worst <= seconds(1)), "{}", line(name, [ours, mosh]));
    }
}
