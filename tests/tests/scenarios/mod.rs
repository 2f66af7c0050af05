//! The troubles that a path can have, as data.

use mpmosh_tests::sim::nat::Nat;
use mpmosh_tests::sim::{Counter, Operation, Quality, Setup, Uplink, Way};
use net::Redundancy;
use std::net::IpAddr;
use std::time::Duration;
use {Operation as O, Way::Both};

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// When keys are typed.
pub(crate) enum Keys {
    /// One in so many milliseconds.
    Every(u64),
    /// At these milliseconds.
    At(&'static [u64]),
}

/// A network, a user, and what happens.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// The network, for a seed.
    pub(crate) net: fn(u64) -> Setup,
    /// Five seconds of typing come before, so that every path is measured.
    pub(crate) settled: bool,
    pub(crate) keys: Keys,
    /// What happens, and when in milliseconds.
    pub(crate) events: &'static [(u64, Operation)],
    /// How long it is watched, in milliseconds.
    pub(crate) run: u64,
}

const fn typing(
    name: &'static str,
    net: fn(u64) -> Setup,
    events: &'static [(u64, Operation)],
    run: u64,
) -> Scenario {
    Scenario { name, net, settled: true, keys: Keys::Every(100), events, run }
}

const fn keys_at(
    name: &'static str,
    net: fn(u64) -> Setup,
    keys: &'static [u64],
    events: &'static [(u64, Operation)],
    run: u64,
) -> Scenario {
    Scenario { name, net, settled: true, keys: Keys::At(keys), events, run }
}

fn laptop(seed: u64) -> Setup {
    Setup::laptop(seed)
}

fn off(seed: u64) -> Setup {
    with(seed, Redundancy::Off)
}

fn always(seed: u64) -> Setup {
    with(seed, Redundancy::Always)
}

fn with(seed: u64, redundancy: Redundancy) -> Setup {
    let mut setup = Setup::laptop(seed);
    setup.config.redundancy = redundancy;
    setup
}

fn metered(seed: u64) -> Setup {
    let mut setup = Setup::laptop(seed);
    setup.uplinks[1].metered = true;
    setup
}

fn metered_always(seed: u64) -> Setup {
    let mut setup = metered(seed);
    setup.config.redundancy = Redundancy::Always;
    setup
}

/// The first path is the bootstrap's and slow.
fn slow_first(seed: u64) -> Setup {
    let mut setup = off(seed);
    setup.quality = Box::new(|uplink, _| {
        let quality = Quality::millis(if uplink == 0 { 150 } else { 10 });
        (quality.clone(), quality)
    });
    setup
}

fn asymmetric(seed: u64) -> Setup {
    let mut setup = off(seed);
    // 50 and 60 ms in all.
    setup.quality = Box::new(|uplink, _| {
        let (up, down) = if uplink == 0 { (45, 5) } else { (5, 55) };
        (Quality::millis(up), Quality::millis(down))
    });
    setup
}

fn only_one(seed: u64) -> Setup {
    Setup::single(seed, Quality::millis(20))
}

fn behind_a_nat(seed: u64) -> Setup {
    let mut setup = Setup::single(seed, Quality::millis(20));
    setup.uplinks[0].nat = Some(Nat::new("192.0.2.200".parse().expect("an address"), ms(120_000)));
    setup
}

fn laptop_behind_a_nat(seed: u64) -> Setup {
    let mut setup = off(seed);
    setup.uplinks[0].nat = Some(Nat::new("192.0.2.200".parse().expect("an address"), ms(120_000)));
    setup
}

/// One interface with both families, IPv6 a little better.
fn dual_stack(seed: u64) -> Setup {
    let mut setup = Setup::single(seed, Quality::millis(20));
    let address = |text: &str| -> IpAddr { text.parse().expect("an address") };
    setup.uplinks[0].addresses.push(address("2001:db8:1::10"));
    setup.servers.push(address("2001:db8:2::1"));
    setup.quality = Box::new(|_, server| {
        let quality = Quality::millis(if server == 0 { 20 } else { 15 });
        (quality.clone(), quality)
    });
    setup
}

/// Both ends have a bridge of containers with the same private address, which leads nowhere.
fn docker(seed: u64) -> Setup {
    let mut setup = Setup::laptop(seed);
    setup.uplinks.push(Uplink::new("docker0", "172.17.0.1"));
    setup.servers.push("172.17.0.1".parse().expect("an address"));
    setup.quality = Box::new(|uplink, server| {
        let mut quality = Quality::millis(if uplink == 0 { 20 } else { 40 });
        quality.silent = uplink == 2 || server == 1;
        (quality.clone(), quality)
    });
    setup
}

/// A home router with far too long a queue: 100 kB/s and ten seconds of it. The other path is 60 ms longer.
fn bloated(seed: u64) -> Setup {
    let mut setup = off(seed);
    setup.quality = Box::new(|uplink, _| {
        let quality = Quality::millis(if uplink == 0 { 20 } else { 50 });
        let down = if uplink == 0 { quality.clone().with_rate(100_000, ms(10_000)) } else { quality.clone() };
        (quality, down)
    });
    setup
}

fn bloated_metered(seed: u64) -> Setup {
    let mut setup = bloated(seed);
    setup.uplinks[1].metered = true;
    setup
}

fn bloated_alone(seed: u64) -> Setup {
    let mut setup = bloated(seed);
    setup.uplinks.truncate(1);
    setup
}

/// Both paths carry 30 kB/s and queue ten seconds of it; the program fills the screen anew all the time.
fn own_bulk(seed: u64) -> Setup {
    let mut setup = off(seed);
    setup.application = Box::new(Counter::with_ticks(ms(20), 1700));
    setup.quality = Box::new(|uplink, _| {
        let quality = Quality::millis(if uplink == 0 { 20 } else { 40 });
        (quality.clone(), quality.with_rate(30_000, ms(10_000)))
    });
    setup
}

/// The same, and the other path is far wider.
fn own_bulk_wide_other(seed: u64) -> Setup {
    let mut setup = own_bulk(seed);
    setup.quality = Box::new(|uplink, _| {
        let quality = Quality::millis(if uplink == 0 { 20 } else { 40 });
        let rate = if uplink == 0 { 10_000 } else { 1_000_000 };
        (quality.clone(), quality.with_rate(rate, ms(10_000)))
    });
    setup
}

/// All of them. Uplink 0 is the better one, where two are alike the first.
pub(crate) const SCENARIOS: &[Scenario] = &[
    typing("nothing happens", laptop, &[], 8_000),
    typing("nothing happens, redundancy off", off, &[], 8_000),
    typing("nothing happens, redundancy always", always, &[], 8_000),
    typing("nothing happens, the other path metered", metered, &[], 8_000),
    typing("nothing happens, the other path metered, redundancy always", metered_always, &[], 8_000),
    typing("silent death of the active path", laptop, &[(210, O::Silence(0, Both))], 8_000),
    typing("silent death of the active path, redundancy off", off, &[(210, O::Silence(0, Both))], 8_000),
    typing(
        "silent death of the active path, redundancy always",
        always,
        &[(210, O::Silence(0, Both))],
        8_000,
    ),
    typing(
        "silent death of the active path, survivor metered",
        metered,
        &[(210, O::Silence(0, Both))],
        8_000,
    ),
    typing(
        "silent death of the active path, survivor metered, always",
        metered_always,
        &[(210, O::Silence(0, Both))],
        8_000,
    ),
    typing("silent death of the other path", laptop, &[(210, O::Silence(1, Both))], 8_000),
    typing("only the way up dies", off, &[(210, O::Silence(0, Way::Up))], 8_000),
    typing("only the way down dies", off, &[(210, O::Silence(0, Way::Down))], 8_000),
    typing("only the way down dies, redundancy auto", laptop, &[(210, O::Silence(0, Way::Down))], 8_000),
    typing(
        "silent death, restored silently after 10 s",
        off,
        &[(210, O::Silence(0, Both)), (10_210, O::Sound(0, Both))],
        16_000,
    ),
    typing(
        "only the way up dies, restored silently after 10 s",
        off,
        &[(210, O::Silence(0, Way::Up)), (10_210, O::Sound(0, Way::Up))],
        16_000,
    ),
    typing(
        "only the way down dies, restored silently after 10 s",
        off,
        &[(210, O::Silence(0, Way::Down)), (10_210, O::Sound(0, Way::Down))],
        16_000,
    ),
    keys_at(
        "the active path dies while idle, then a key",
        off,
        &[9_000],
        &[(5_000, O::Silence(0, Both))],
        15_000,
    ),
    keys_at(
        "the active path dies while idle, then a key, redundancy auto",
        laptop,
        &[9_000],
        &[(5_000, O::Silence(0, Both))],
        15_000,
    ),
    keys_at(
        "the active path dies in a minute of nothing, then a key",
        laptop,
        &[61_000],
        &[(30_000, O::Silence(0, Both))],
        66_000,
    ),
    keys_at(
        "the active path dies during a sleep of 10 minutes, then a key",
        laptop,
        &[602_000],
        &[(1_000, O::Suspend), (300_000, O::Silence(0, Both)), (601_000, O::Resume)],
        610_000,
    ),
    keys_at(
        "a sleep of 10 minutes, then a key",
        laptop,
        &[601_200],
        &[(1_000, O::Suspend), (601_000, O::Resume)],
        610_000,
    ),
    keys_at("60 s of nothing, then a key", laptop, &[60_000], &[], 65_000),
    keys_at("60 s of nothing, then a key, one path", only_one, &[60_000], &[], 65_000),
    typing("the active interface goes down", off, &[(210, O::Down(0))], 8_000),
    typing("the active interface goes down, redundancy auto", laptop, &[(210, O::Down(0))], 8_000),
    typing("the active interface goes down, survivor metered", metered, &[(210, O::Down(0))], 8_000),
    typing(
        "the active interface goes down and comes back after 10 s",
        off,
        &[(210, O::Down(0)), (10_210, O::Up(0))],
        16_000,
    ),
    typing("the carrier is lost, the address kept", off, &[(210, O::Carrier(0, false))], 8_000),
    typing(
        "the carrier is lost, the address kept, found after 3 s",
        off,
        &[(210, O::Carrier(0, false)), (3_210, O::Carrier(0, true))],
        8_000,
    ),
    typing(
        "the only interface goes, another comes 3 s later",
        laptop,
        &[(0, O::Down(1)), (210, O::Down(0)), (3_210, O::Up(1))],
        10_000,
    ),
    typing(
        "out of reach of the WiFi: it loses 5, 20, 60 %, dies, and goes after 5 s",
        metered,
        &[
            (200, O::Loss(0, 5)),
            (2_200, O::Loss(0, 20)),
            (4_200, O::Loss(0, 60)),
            (6_200, O::Silence(0, Both)),
            (11_200, O::Down(0)),
        ],
        14_000,
    ),
    typing(
        "the WiFi comes 2 s before the cellular goes",
        metered,
        &[(0, O::Down(0)), (3_210, O::Up(0)), (5_210, O::Down(1))],
        9_000,
    ),
    typing("a new address on the active interface", off, &[(210, O::Readdress(0, 77))], 8_000),
    typing("a new address on the only interface", only_one, &[(210, O::Readdress(0, 77))], 8_000),
    typing("the translator of the only path forgets", behind_a_nat, &[(210, O::Rebind(0))], 8_000),
    typing("the translator of the active path forgets", laptop_behind_a_nat, &[(210, O::Rebind(0))], 8_000),
    typing("IPv6 dies, IPv4 lives, one interface", dual_stack, &[(210, O::SilenceTo(0, 1, true))], 8_000),
    typing("IPv4 dies, IPv6 lives, one interface", dual_stack, &[(210, O::SilenceTo(0, 0, true))], 8_000),
    typing("IPv6 grows by 200 ms, one interface", dual_stack, &[(210, O::DelayTo(0, 1, 115))], 8_000),
    typing("the active path grows by 200 ms", off, &[(210, O::Delay(0, 120))], 8_000),
    typing("the active path grows by 200 ms, redundancy auto", laptop, &[(210, O::Delay(0, 120))], 8_000),
    typing(
        "the active path grows by 200 ms for 4 s",
        off,
        &[(210, O::Delay(0, 120)), (4_210, O::Delay(0, 20))],
        12_000,
    ),
    typing("the only path grows by 200 ms", only_one, &[(210, O::Delay(0, 120))], 8_000),
    Scenario {
        settled: false,
        ..typing("the session starts on the slow one of 300 and 20 ms", slow_first, &[], 8_000)
    },
    typing("45 ms up and 5 down against 5 up and 55 down", asymmetric, &[], 8_000),
    typing("a private address at both ends leads nowhere", docker, &[(210, O::Silence(0, Both))], 8_000),
    typing("both paths are dead 200 of 400 ms, together", laptop, FLAP_TOGETHER, 8_000),
    typing("both paths are dead 200 of 400 ms, in turn", laptop, FLAP_IN_TURN, 8_000),
    typing("both paths are dead 200 of 400 ms, in turn, redundancy off", off, FLAP_IN_TURN, 8_000),
    typing("1 % lost on the only path", only_one, &[(0, O::Loss(0, 1))], 20_000),
    typing("5 % lost on the only path", only_one, &[(0, O::Loss(0, 5))], 20_000),
    typing("10 % lost on the only path", only_one, &[(0, O::Loss(0, 10))], 20_000),
    typing("20 % lost on the only path", only_one, &[(0, O::Loss(0, 20))], 20_000),
    typing("30 % lost on the only path", only_one, &[(0, O::Loss(0, 30))], 20_000),
    typing("10 % lost on both paths", laptop, &[(0, O::Loss(0, 10)), (0, O::Loss(1, 10))], 20_000),
    typing("30 % lost on both paths", laptop, &[(0, O::Loss(0, 30)), (0, O::Loss(1, 30))], 20_000),
    typing(
        "30 % lost on both paths, redundancy off",
        off,
        &[(0, O::Loss(0, 30)), (0, O::Loss(1, 30))],
        20_000,
    ),
    typing("10 % lost on the active path, the other metered", metered, &[(0, O::Loss(0, 10))], 20_000),
    typing("30 % lost on the active path", laptop, &[(0, O::Loss(0, 30))], 20_000),
    typing("bursts on the only path", only_one, &[(0, O::Bursts(0, true))], 20_000),
    typing("bursts on both paths", laptop, &[(0, O::Bursts(0, true)), (0, O::Bursts(1, true))], 20_000),
    typing(
        "bursts on both paths, redundancy off",
        off,
        &[(0, O::Bursts(0, true)), (0, O::Bursts(1, true))],
        20_000,
    ),
    typing("a quarter overtaken on the only path", only_one, &[(0, O::Reorder(0, 25))], 8_000),
    typing(
        "a quarter overtaken on both paths",
        laptop,
        &[(0, O::Reorder(0, 25)), (0, O::Reorder(1, 25))],
        8_000,
    ),
    typing("20 ms of jitter on both paths", off, &[(0, O::Jitter(0, 20)), (0, O::Jitter(1, 20))], 8_000),
    typing(
        "another program's download fills 10 s of queue",
        bloated,
        &[(210, O::Download(0, 150_000))],
        30_000,
    ),
    typing(
        "another program's download fills 10 s of queue in 1 s",
        bloated,
        &[(210, O::Download(0, 1_000_000))],
        30_000,
    ),
    typing(
        "another program's download ends after 5 s",
        bloated,
        &[(210, O::Download(0, 150_000)), (5_210, O::Download(0, 0))],
        30_000,
    ),
    typing(
        "another program's download fills 10 s of queue, the other path metered",
        bloated_metered,
        &[(210, O::Download(0, 150_000)), (15_210, O::Download(0, 0))],
        40_000,
    ),
    typing(
        "another program's download on the only path",
        bloated_alone,
        &[(210, O::Download(0, 150_000))],
        8_000,
    ),
    typing("our own bulk on two paths of 30 kB/s", own_bulk, &[], 30_000),
    typing("our own bulk, the other path 100 times as wide", own_bulk_wide_other, &[], 30_000),
    typing("our own bulk, and the active path dies", own_bulk, &[(5_210, O::Silence(0, Both))], 20_000),
    keys_at(
        "everything dead for 60 s, a key a second after",
        laptop,
        &[100, 61_210],
        &[(210, O::Silence(0, Both)), (210, O::Silence(1, Both)), (60_210, O::Sound(1, Both))],
        65_000,
    ),
];

/// What a scenario may cost at most.
pub(crate) struct Goal {
    pub(crate) scenario: &'static str,
    pub(crate) worst: Duration,
    /// From the last event until the path that stays is chosen.
    pub(crate) after: Duration,
    pub(crate) moves: usize,
}

const fn goal(scenario: &'static str, worst: u64, after: u64, moves: usize) -> Goal {
    Goal { scenario, worst: ms(worst), after: ms(after), moves }
}

/// The goals: what is seen of a death is the survivor's round trip, and one of the dead path's if the survivor costs
/// money; restored paths are taken in a second and a half, with an event at once; what grows is left within three of
/// its round trips; our own bulk moves nothing but to try the other path once.
pub(crate) const GOALS: &[Goal] = &[
    goal("nothing happens", 45, 0, 0),
    goal("silent death of the active path", 95, 500, 1),
    goal("silent death of the active path, redundancy always", 95, 500, 1),
    goal("silent death of the active path, survivor metered, always", 95, 500, 1),
    goal("silent death of the active path, survivor metered", 200, 500, 1),
    goal("silent death of the active path, redundancy off", 200, 500, 1),
    goal("only the way up dies", 200, 500, 1),
    goal("only the way down dies", 200, 500, 1),
    goal("silent death, restored silently after 10 s", 200, 1_500, 2),
    goal("only the way up dies, restored silently after 10 s", 200, 1_500, 2),
    goal("only the way down dies, restored silently after 10 s", 200, 1_500, 2),
    goal("the active interface goes down, redundancy auto", 80 + 20, 100, 1),
    // A key that was on its way when the interface went is older by up to a round trip.
    goal("the active interface goes down", 40 + 80 + 20, 100, 1),
    goal("the active interface goes down and comes back after 10 s", 40 + 80 + 20, 100, 2),
    goal("a new address on the active interface", 40 + 80 + 20, 100, 2),
    goal("the active path grows by 200 ms", 200, 3 * 240, 3),
    goal("another program's download fills 10 s of queue", 500, 1_500, 1),
    goal("our own bulk on two paths of 30 kB/s", 1_000, 30_000, 4),
    goal("our own bulk, the other path 100 times as wide", 1_000, 30_000, 2),
];

/// Twenty of the flaps: both paths die and live together, 200 ms each.
const FLAP_TOGETHER: &[(u64, Operation)] = &flap(true);
/// One lives while the other is dead.
const FLAP_IN_TURN: &[(u64, Operation)] = &flap(false);

const fn flap(together: bool) -> [(u64, Operation); 40] {
    let mut events = [(0, O::Wait(0)); 40];
    let mut n = 0;
    while n < 20 {
        let (at, dies) = (n as u64 * 200, n % 2 == 0);
        events[n * 2] = (at, if dies { O::Silence(0, Both) } else { O::Sound(0, Both) });
        events[n * 2 + 1] = (at, if dies == together { O::Silence(1, Both) } else { O::Sound(1, Both) });
        n += 1;
    }
    events
}
