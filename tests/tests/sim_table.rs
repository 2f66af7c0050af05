//! What each trouble of the paths costs the one who types: a table of scenario and figure, recomputed here and compared
//! with the one that is committed, so that a change of behaviour shows as a change of a line.
//!
//! `MPMOSH_WRITE_TABLE=1 cargo test -p mpmosh-tests --test sim_table` writes it anew.

mod scenarios;

use mpmosh_tests::sim::World;
use mpmosh_tests::table;
use net::{Count, Event, Instant, Path, SentKind, Traffic};
use scenarios::{GOALS, Goal, Keys, SCENARIOS, Scenario, ms};
use std::fmt::Write as _;
use std::sync::OnceLock;
use std::time::Duration;

/// The runs of each scenario. Each has its own seed, and its events come at another time between two keys.
const RUNS: u64 = 20;
/// How much later each run's events come than the one's before, in milliseconds: together they cover a key's interval.
const PHASE: u64 = 5;

/// What one run gave.
struct Run {
    /// From each key to its echo; `None` when it never came.
    latencies: Vec<Option<Duration>>,
    /// What client and server sent.
    spent: [Traffic; 2],
    /// Where the session is in the end.
    settled: String,
    /// How long after the last event it went there; zero when it was there.
    after: Duration,
    /// How often it changed the path.
    moves: usize,
}

/// What the runs of one scenario gave.
struct Row {
    name: &'static str,
    runs: Vec<Run>,
}

impl Row {
    fn of(scenario: &Scenario) -> Self {
        Self { name: scenario.name, runs: (1..=RUNS).map(|seed| run(scenario, seed)).collect() }
    }

    /// The longest latency of all; `None` when a key was never echoed.
    fn worst(&self) -> Option<Duration> {
        let all: Option<Vec<Duration>> = self.runs.iter().flat_map(|run| run.latencies.clone()).collect();
        all.map(|all| all.into_iter().max().unwrap_or_default())
    }

    fn median(&self) -> Option<Duration> {
        let mut all: Vec<_> = self.runs.iter().flat_map(|run| run.latencies.clone()).collect();
        all.sort_by_key(|latency| latency.unwrap_or(Duration::MAX));
        all.get(all.len() / 2).copied().flatten()
    }

    fn settled(&self) -> String {
        let mut names: Vec<&str> = self.runs.iter().map(|run| run.settled.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.join("|")
    }

    fn settled_after(&self) -> Duration {
        self.runs.iter().map(|run| run.after).max().unwrap_or_default()
    }

    fn moves(&self) -> usize {
        self.runs.iter().map(|run| run.moves).max().unwrap_or_default()
    }

    fn line(&self) -> String {
        let millis = |time: Option<Duration>| match time {
            Some(time) => time.as_millis().to_string(),
            None => "never".into(),
        };
        format!(
            "{:<82} {:>6} {:>6}  {:<14} {:>6} {:>6}",
            self.name,
            millis(self.worst()),
            millis(self.median()),
            self.settled(),
            self.settled_after().as_millis(),
            self.moves(),
        )
        .trim_end()
        .to_owned()
    }

    /// What one end sent, a run: all of it, and by kind.
    fn cost(&self, end: usize) -> String {
        let mut spent = Traffic::default();
        self.runs.iter().for_each(|run| spent += run.spent[end]);
        let runs = self.runs.len() as u64;
        let cell = |count: Count| match (count.datagrams / runs, count.octets / runs) {
            (0, 0) => "-".into(),
            (datagrams, octets) => format!("{datagrams}:{octets}"),
        };
        let mut line = format!("{:<82} {:<4} {:>12}", self.name, ["up", "down"][end], cell(spent.total()));
        for words in kinds() {
            let mut count = Count::default();
            SentKind::ALL
                .iter()
                .filter(|kind| kind.as_str() == words)
                .for_each(|kind| count += spent.of(*kind));
            write!(line, " {:>12}", cell(count)).unwrap();
        }
        line
    }
}

/// Runs a scenario from the settled session on.
fn run(scenario: &Scenario, seed: u64) -> Run {
    let mut world = World::new((scenario.net)(seed));
    if scenario.settled {
        world.type_keys(50, ms(100));
        world.run(ms(6_000));
        assert_eq!(world.keys_shown(), 50, "{}", scenario.name);
    }
    let (start, before, spent_before) = (world.now(), world.typed().len(), world.spent());
    match scenario.keys {
        Keys::Every(interval) => world.type_keys((scenario.run / interval) as u32, ms(interval)),
        Keys::At(times) => {
            for at in times {
                world.after(ms(*at), World::type_next_key);
            }
        }
    }
    let shift = (seed - 1) * PHASE;
    for &(at, operation) in scenario.events {
        world.after(ms(at + shift), move |world| world.apply(operation));
    }
    let last = scenario.events.last().map_or(0, |(at, _)| at + shift);
    world.run(ms(scenario.run));
    let [up, down] = world.spent();
    // What is still under way may arrive, and counts.
    world.run(ms(20_000));
    assert_eq!(world.received(), world.typed(), "{}, seed {seed}: every key once, in order", scenario.name);
    let moves = moves(&world, start, start + ms(scenario.run));
    Run {
        latencies: world.latencies().split_off(before),
        spent: [up - spent_before[0], down - spent_before[1]],
        settled: world.chosen().map_or("-".into(), |path| name(&world, path)),
        after: moves.last().copied().unwrap_or(Instant::ZERO).since(start + ms(last)),
        moves: moves.len(),
    }
}

/// When the choice was changed, between these times.
fn moves(world: &World, from: Instant, end: Instant) -> Vec<Instant> {
    let events = world.client_events.iter().filter(|(at, _)| (from..=end).contains(at));
    events.filter(|(_, event)| matches!(event, Event::Chosen { .. })).map(|(at, _)| *at).collect()
}

fn name(world: &World, path: Path) -> String {
    let index = path.local.interface.map_or(0, |index| index.get() as usize - 1);
    let family = if path.remote.is_ipv6() { "/6" } else { "" };
    format!("{}{family}", world.uplinks[index].name)
}

/// The rows.
fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| table::in_parallel(SCENARIOS, Row::of))
}

/// The words for the kinds of datagrams, each once.
fn kinds() -> Vec<&'static str> {
    let mut words: Vec<&'static str> = Vec::new();
    for kind in SentKind::ALL {
        if !words.contains(&kind.as_str()) {
            words.push(kind.as_str());
        }
    }
    words
}

const HEAD: &str = "\
# The longest and the median time from a key to its echo, in milliseconds of virtual time, prediction off; the path that
# carries the session in the end, and how many milliseconds after the last event it was chosen; how often the path changed
# (the most of the runs). Two paths of 40 (wlan0) and 80 ms (wwan0), a key every 100 ms, redundancy auto, unless the line
# says otherwise. Each line is twenty runs, whose events are 5 ms apart between keys. Written by tests/sim_table.rs.
";

const COST_HEAD: &str = "\
# What each scenario of worst-key.txt costs, a run: datagrams:octets (those of the IP and UDP headers included) that the
# client (up) and the server (down) sent, all together and by kind. Written by tests/sim_table.rs.
";

#[test]
fn the_goals_of_failing_over_are_met() {
    for Goal { scenario, worst, after, moves } in GOALS {
        let row = rows().iter().find(|row| row.name == *scenario).expect(scenario);
        assert!(row.worst().is_some_and(|is| is <= *worst), "{scenario}: {:?} > {worst:?}", row.worst());
        assert!(row.settled_after() <= *after, "{scenario}: {:?} > {after:?}", row.settled_after());
        assert!(row.moves() <= *moves, "{scenario}: {} > {moves}", row.moves());
    }
}

#[test]
fn the_table_of_what_each_trouble_costs_is_as_it_was() {
    let mut text = String::from(HEAD);
    let [worst, median, settled, after, moves] = ["worst", "median", "settled", "after", "moves"];
    writeln!(text, "{:<82} {worst:>6} {median:>6}  {settled:<14} {after:>6} {moves:>6}", "# scenario")
        .unwrap();
    for row in rows() {
        writeln!(text, "{}", row.line()).unwrap();
    }
    table::compare("worst-key.txt", &text);
}

#[test]
fn the_table_of_what_each_trouble_sends_is_as_it_was() {
    let mut text = String::from(COST_HEAD);
    write!(text, "{:<82} {:<4} {:>12}", "# scenario", "", "all").unwrap();
    kinds().iter().for_each(|word| write!(text, " {word:>12}").unwrap());
    text.push('\n');
    for row in rows() {
        (0..2).for_each(|end| writeln!(text, "{}", row.cost(end)).unwrap());
    }
    table::compare("cost.txt", &text);
}
