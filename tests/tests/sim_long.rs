//! How long a key takes and what it costs, as distributions over many seeds: what a single seed's line in the other tables
//! cannot tell. `make test-long` compares them with the committed table; `MPMOSH_WRITE_TABLE=1 make test-long` writes it anew.

use mpmosh_tests::sim::{Bursts, Quality, Setup, World, ms, seconds};
use mpmosh_tests::table;
use net::{Count, DialectName};
use std::fmt::Write as _;

/// So many sessions of each kind.
const SEEDS: u64 = 150;
/// For so long ten keys a second are typed in each.
const TYPING: u64 = 60;

/// A network, each way of which is so.
struct Case {
    name: &'static str,
    /// The uplinks, the first of 40 ms, the second of 80 ms.
    uplinks: usize,
    metered: bool,
    spoil: fn(Quality) -> Quality,
}

impl Case {
    const fn new(name: &'static str, uplinks: usize, metered: bool, spoil: fn(Quality) -> Quality) -> Self {
        Self { name, uplinks, metered, spoil }
    }

    fn setup(&self, seed: u64, dialect: DialectName) -> Setup {
        let mut setup = Setup::laptop(seed).speaking(dialect);
        // Stock mosh knows one path.
        let uplinks = if dialect == DialectName::Mosh { 1 } else { self.uplinks };
        setup.uplinks.truncate(uplinks);
        if let Some(second) = setup.uplinks.get_mut(1) {
            second.metered = self.metered;
        }
        let spoil = self.spoil;
        setup.quality = Box::new(move |uplink, _| {
            let way = spoil(Quality::millis(20 * (uplink as u64 + 1)));
            (way.clone(), way)
        });
        setup
    }
}

fn bursts(quality: Quality) -> Quality {
    Quality { bursts: Some(Bursts { worsen: 0.01, recover: 0.2, loss: 0.9 }), ..quality }
}

const CASES: &[Case] = &[
    Case::new("no fault, the second metered", 2, true, |way| way),
    Case::new("no fault, neither metered", 2, false, |way| way),
    Case::new("5 % lost, one path", 1, false, |way| way.with_loss(0.05)),
    Case::new("5 % lost, the second metered", 2, true, |way| way.with_loss(0.05)),
    Case::new("5 % lost, neither metered", 2, false, |way| way.with_loss(0.05)),
    Case::new("30 % lost, one path", 1, false, |way| way.with_loss(0.3)),
    Case::new("30 % lost, the second metered", 2, true, |way| way.with_loss(0.3)),
    Case::new("30 % lost, neither metered", 2, false, |way| way.with_loss(0.3)),
    Case::new("bursts of loss, one path", 1, false, bursts),
    Case::new("bursts of loss, neither metered", 2, false, bursts),
    Case::new("20 ms of jitter, one path", 1, false, |way| way.with_jitter(ms(20))),
    Case::new("20 ms of jitter, neither metered", 2, false, |way| way.with_jitter(ms(20))),
    Case::new("32 kbit/s, queue 2 s, one path", 1, false, |way| way.with_rate(4_000, ms(2_000))),
    Case::new("9.6 kbit/s, queue 2 s, one path", 1, false, |way| way.with_rate(1_200, ms(2_000))),
    Case::new("9.6 kbit/s, queue 2 s, 5 % lost, one path", 1, false, |way| {
        way.with_rate(1_200, ms(2_000)).with_loss(0.05)
    }),
];

/// The latencies of all keys, in milliseconds, and what both ends sent.
fn sessions(case: &Case, dialect: DialectName) -> (Vec<u128>, Count) {
    let (mut latencies, mut spent) = (Vec::new(), Count::default());
    for seed in 1..=SEEDS {
        let mut world = World::new(case.setup(seed, dialect));
        world.run(seconds(5));
        let before = world.spent();
        world.type_keys(TYPING as u32 * 10, ms(100));
        world.run(seconds(TYPING));
        for (after, before) in world.spent().into_iter().zip(before) {
            spent += (after - before).total();
        }
        world.run(seconds(30));
        let all = world.latencies();
        latencies.extend(all.iter().map(|latency| latency.map_or(u128::MAX, |latency| latency.as_millis())));
    }
    latencies.sort_unstable();
    (latencies, spent)
}

fn line(case: &Case) -> String {
    let mut line = format!("{:<44}", case.name);
    for dialect in [DialectName::Multipath, DialectName::Mosh] {
        let (latencies, spent) = sessions(case, dialect);
        for thousandths in [500, 950, 990, 999] {
            let at = latencies[latencies.len() * thousandths / 1000];
            let told = if at == u128::MAX { "never".into() } else { at.to_string() };
            write!(line, " {told:>6}").unwrap();
        }
        let tenths = spent.datagrams * 10 / (SEEDS * TYPING);
        let datagrams = format!("{}.{}", tenths / 10, tenths % 10);
        write!(line, " {datagrams:>6} {:>6}   ", spent.octets / (SEEDS * TYPING)).unwrap();
    }
    line.trim_end().to_owned()
}

const HEAD: &str = "\
# Ten keys a second for a minute, prediction off, 150 sessions a line: quantiles of the time from a key to its echo, in
# milliseconds of virtual time, and the datagrams and octets a second of both ends (those of the IP and UDP headers
# included); then the same for mosh's timing over the first path alone. Uplinks of 40 and 80 ms. Written by `make test-long`.
";

#[test]
#[ignore = "minutes: make test-long"]
fn the_distributions_are_as_they_were() {
    let mut text = String::from(HEAD);
    let heads = "   p50    p95    p99  p99.9    d/s    B/s";
    writeln!(text, "{:<44} {heads}    {heads}", "# network").unwrap();
    for line in table::in_parallel(CASES, line) {
        writeln!(text, "{line}").unwrap();
    }
    table::compare("long.txt", &text);
}
