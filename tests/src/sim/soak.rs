//! Hours of typing over a network that never rests: one run is one seed.

use super::ms;
use super::nat::Nat;
use super::operation::{Operation, Way};
use super::random::Random;
use super::world::{Setup, Uplink, World};
use net::Instant;
use std::time::Duration;

/// How long the network misbehaves before it is good for a while and everything is checked.
const SPELL: Duration = Duration::from_secs(600);

/// What became of one seed.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// From each key to its echo, in the order of typing.
    pub latencies: Vec<Duration>,
    /// What was wrong at one of the checks; the run ends there.
    pub fault: Option<String>,
}

/// Types for `duration` of virtual time as people do, in bursts, while the network does what networks do. One uplink that
/// works is enough: no key waits long while there is one. Every ten minutes all are good for five
/// seconds, with a key at their start, and then everything has to be right.
#[must_use]
pub fn soak(seed: u64, duration: Duration) -> Outcome {
    let mut random = Random::new(seed);
    let mut world = World::new(network(seed, &mut random));
    let mut outcome = Outcome::default();
    let mut health = Health::new(&world);
    let end = world.now() + duration;
    // A server that is not heard in the first seconds is given up: the troubles come after that.
    world.run(ms(2_000));
    while world.now() < end && outcome.fault.is_none() {
        let spell = (world.now() + SPELL).min(end);
        let mut verdict = Ok(());
        while world.now() < spell && verdict.is_ok() {
            verdict = one_burst(&mut world, &mut health, &mut random);
        }
        world.heal();
        health.begin_anew(&world);
        world.type_next_key();
        world.run(ms(5_000));
        let verdict = verdict.and_then(|()| world.check_session()).and_then(|()| world.check_choice());
        outcome.fault = verdict.err().map(|fault| format!("at {:?}: {fault}", world.now()));
        world.forget_the_past();
    }
    outcome.latencies = world.latencies().into_iter().flatten().collect();
    outcome
}

/// One to three uplinks, some behind a translator.
fn network(seed: u64, random: &mut Random) -> Setup {
    let mut setup = Setup::laptop(seed);
    setup.uplinks.push(Uplink::new("eth0", "192.0.2.110"));
    setup.uplinks.truncate(1 + random.below(3) as usize);
    for (n, uplink) in setup.uplinks.iter_mut().enumerate() {
        if random.chance(0.5) {
            let outside = format!("192.0.2.{}", 200 + n).parse().expect("an address");
            uplink.nat = Some(Nat::new(outside, ms(20_000 + random.below(300_000))));
        }
    }
    setup
}

/// Since when each uplink works, so that a session can be had over it whatever the others do.
struct Health {
    since: Vec<Option<Instant>>,
}

impl Health {
    /// From when an uplink works with a key typed, until every key is echoed.
    const WITH_A_KEY: Duration = ms(5_000);
    /// The same when none is typed.
    const WITHOUT: Duration = ms(12_000);

    fn new(world: &World) -> Self {
        let mut health = Self { since: vec![None; world.uplinks.len()] };
        health.begin_anew(world);
        health
    }

    /// Something has changed for all of them.
    fn begin_anew(&mut self, world: &World) {
        self.since.fill(None);
        self.follow(world);
    }

    /// What this did.
    fn note(&mut self, operation: Operation, world: &World) {
        use Operation as O;
        match operation {
            // Known places are forgotten, though nothing is broken.
            O::Rebind(uplink) | O::Readdress(uplink, _) => self.since[uplink] = None,
            O::Resume => self.since.fill(None),
            _ => {}
        }
        self.follow(world);
    }

    fn follow(&mut self, world: &World) {
        for (uplink, since) in self.since.iter_mut().enumerate() {
            *since = world.is_healthy(uplink).then(|| since.unwrap_or(world.now()));
        }
    }

    /// Whether a key waits that should have been echoed by now.
    fn check(&self, world: &World) -> Result<(), String> {
        let Some(typed) = world.waits_since() else { return Ok(()) };
        for (uplink, since) in self.since.iter().enumerate() {
            let Some(since) = *since else { continue };
            let asked = world.first_key_since(since).map(|key| key + Self::WITH_A_KEY);
            let due = asked.map_or(since + Self::WITHOUT, |asked| asked.min(since + Self::WITHOUT));
            if world.now() >= due.max(typed + Self::WITH_A_KEY) {
                let [typed, since] = [typed, since].map(|at| world.now().since(at));
                return Err(format!(
                    "a key waits since {typed:?}, and uplink {uplink} works since {since:?}"
                ));
            }
        }
        Ok(())
    }
}

/// Some keys in a row, then a pause; something happens meanwhile.
fn one_burst(world: &mut World, health: &mut Health, random: &mut Random) -> Result<(), String> {
    let uplinks = world.uplinks.len();
    let events = random.below(4);
    for _ in 0..=events {
        let operation = something(random, uplinks);
        world.apply(operation);
        health.note(operation, world);
        for _ in 0..random.below(30) {
            world.type_next_key();
            world.run(ms(60 + random.below(250)));
            health.check(world)?;
        }
    }
    let pause = match random.below(10) {
        0 => 60_000 + random.below(120_000),
        1..4 => 5_000 + random.below(25_000),
        _ => random.below(3_000),
    };
    world.run(ms(pause));
    health.check(world)
}

/// What happens to a network, troubles and their ends.
fn something(random: &mut Random, uplinks: usize) -> Operation {
    use Operation as O;
    let uplink = random.below(uplinks as u64) as usize;
    let way = [Way::Up, Way::Down, Way::Both][random.below(3) as usize];
    let percent = |random: &mut Random| [0, 0, 0, 1, 3, 10, 30, 50][random.below(8) as usize];
    match random.below(26) {
        0 => O::Down(uplink),
        1 | 2 => O::Up(uplink),
        3 => O::Carrier(uplink, random.chance(0.7)),
        4 => O::Silence(uplink, way),
        5..8 => O::Sound(uplink, Way::Both),
        8 | 9 => O::Delay(uplink, 2 + random.below(150)),
        10 => O::DelayOneWay(uplink, way, 2 + random.below(150)),
        11 => O::Jitter(uplink, random.below(60)),
        12..15 => O::Loss(uplink, percent(random)),
        15 => O::Reorder(uplink, percent(random)),
        16 => O::Bursts(uplink, random.chance(0.5)),
        17 => O::Mtu(uplink, 600 + random.below(900) as usize),
        18 => O::Rebind(uplink),
        19 => O::Readdress(uplink, 20 + random.below(80) as u8),
        20 => O::Suspend,
        21 | 22 => O::Resume,
        _ => O::Output(random.below(6_000) as u32),
    }
}
