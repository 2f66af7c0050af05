//! What typing costs and how it fares on a network that stays as it is: thin, lossy, or neither; and what a flood costs.

use std::time::Duration;

use super::super::link::{Loss, Side};
use super::super::measure::quantile;
use super::super::{Console, Key, LabError, Laptop, LaptopOptions, Subject, clock};
use super::{INTERVAL, connect, echo_keys};

/// How long a key is waited for: a thin path may queue for many seconds.
const LONG: Duration = Duration::from_secs(30);

/// A network on which a session should be frugal.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// What it is called in a table.
    pub name: &'static str,
    /// Whether the laptop has its second uplink.
    pub second: bool,
    /// Whether each uplink is one of 300 ms that carries 32 kbit/s up and 64 down, with 16 and 32 kB of queue; otherwise the
    /// two have 40 and 80 ms.
    pub thin: bool,
    /// The part of the datagrams that is lost, each way.
    pub loss: f64,
}

impl Network {
    /// Those of the benchmark.
    pub const ALL: [Self; 6] = [
        Self { name: "one thin uplink", second: false, thin: true, loss: 0.0 },
        Self { name: "two thin uplinks", second: true, thin: true, loss: 0.0 },
        Self { name: "two thin uplinks, 10 % lost", second: true, thin: true, loss: 0.1 },
        Self { name: "two uplinks", second: true, thin: false, loss: 0.0 },
        Self { name: "two uplinks, 5 % lost", second: true, thin: false, loss: 0.05 },
        Self { name: "two uplinks, 30 % lost", second: true, thin: false, loss: 0.3 },
    ];

    fn laptop(&self) -> Result<Laptop, LabError> {
        let laptop = Laptop::with_sshd(LaptopOptions::default())?;
        if !self.second {
            laptop.client.ip(&["link", "set", laptop.uplinks[1].interface, "down"])?;
        }
        Ok(laptop)
    }

    /// From now on the links are as the network says: a session has begun.
    fn shape(&self, laptop: &Laptop) {
        for uplink in &laptop.uplinks {
            for (side, rate, queue) in [(Side::Near, 32_000, 16_384), (Side::Far, 64_000, 32_768)] {
                uplink.link.set_from(side, |shape| {
                    if self.loss > 0.0 {
                        shape.loss = Loss::Random(self.loss);
                    }
                    if self.thin {
                        shape.delay = Duration::from_millis(150);
                        (shape.rate, shape.queue) = (Some(rate), queue);
                    }
                });
            }
        }
    }
}

/// What typing cost, and how it fared.
#[derive(Clone, Debug)]
pub struct Fare {
    /// The keys.
    pub keys: Vec<Key>,
    /// Datagrams a second, both ways, on all uplinks.
    pub datagrams: f64,
    /// Octets a second likewise, those of the IP and UDP headers included.
    pub octets: f64,
}

impl Fare {
    /// The time that this part of the keys does not exceed; `None` if a key never appeared.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let complete = self.keys.iter().all(|key| key.shown.is_some());
        complete.then(|| quantile(self.keys.iter().filter_map(Key::latency), part))
    }
}

/// Opens a session, makes the network what it is to be, and types `keys` keys, ten a second.
///
/// # Errors
/// When the lab cannot run, or the session does not come up.
pub fn fare(subject: &Subject, network: &Network, keys: usize) -> Result<Fare, LabError> {
    let laptop = network.laptop()?;
    let (console, _) = connect(&laptop.lab, &laptop.client, subject)?;
    echo_keys(&console)?;
    network.shape(&laptop);
    // The new round trip is known, and the queues of the change are gone, before the keys that count.
    console.type_keys(50, INTERVAL, LONG, |_| Ok(()))?;
    let (before, began) = (carried(&laptop), clock::now());
    let keys = console.type_keys(keys, INTERVAL, LONG, |_| Ok(()))?;
    let seconds = clock::now().saturating_sub(began).as_secs_f64();
    let after = carried(&laptop);
    let a_second = |after: u64, before: u64| after.saturating_sub(before) as f64 / seconds;
    Ok(Fare { keys, datagrams: a_second(after.0, before.0), octets: a_second(after.1, before.1) })
}

/// Lets `yes` run for four seconds and interrupts it; the octets that went over all uplinks in as much time, headers
/// included.
///
/// # Errors
/// When the lab cannot run, or the flood does not end.
pub fn flood(subject: &Subject) -> Result<u64, LabError> {
    let laptop = Laptop::with_sshd(LaptopOptions::default())?;
    let (console, _) = connect(&laptop.lab, &laptop.client, subject)?;
    clock::sleep(Duration::from_secs(3));
    let (before, began) = (carried(&laptop).1, clock::now());
    run_flood(&console)?;
    // On a busy machine the flood lasts longer.
    let lasted = clock::now().saturating_sub(began).max(FLOOD);
    Ok(((carried(&laptop).1 - before) as f64 * FLOOD.as_secs_f64() / lasted.as_secs_f64()) as u64)
}

/// How long the flood is let run.
const FLOOD: Duration = Duration::from_secs(4);

fn run_flood(console: &Console) -> Result<(), LabError> {
    console.send("clear; yes\r")?;
    clock::sleep(FLOOD);
    let mark = console.mark();
    console.send("\x03")?;
    console.wait_for_after(mark, "ready>", Duration::from_secs(60)).map(|_| ())
}

/// Datagrams that entered the links so far, and the octets that came out.
fn carried(laptop: &Laptop) -> (u64, u64) {
    let ways = laptop
        .uplinks
        .iter()
        .flat_map(|uplink| [Side::Near, Side::Far].map(|side| uplink.link.counters(side)));
    ways.fold((0, 0), |(datagrams, octets), way| (datagrams + way.entered, octets + way.octets))
}
