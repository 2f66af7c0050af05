//! Two transports and a bad network between them, in virtual time: for the tests of this crate.

use crate::{Config, Event, Link, State, Transport};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;
use net::Instant;

/// What the network does to each datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub delay: Duration,
    /// Added at random, which reorders.
    pub jitter: Duration,
    /// Percent.
    pub loss: u64,
    /// Percent.
    pub duplicates: u64,
}

impl Weather {
    pub(crate) const FINE: Self =
        Self { delay: Duration::from_millis(20), jitter: Duration::ZERO, loss: 0, duplicates: 0 };
}

/// Datagrams under way, with an order of their own among those that arrive at the same time.
#[derive(Default)]
pub(crate) struct Network {
    queue: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    count: u64,
    random: u64,
    pub(crate) sent: [u64; 2],
}

impl Network {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: seed | 1, ..Self::default() }
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        if limit == 0 { 0 } else { self.random % limit }
    }

    pub(crate) fn send(&mut self, to: usize, payload: Vec<u8>, weather: &Weather, now: Instant) {
        self.sent[1 - to] += 1;
        let copies = 1 + usize::from(self.below(100) < weather.duplicates);
        for _ in 0..copies {
            if self.below(100) < weather.loss {
                continue;
            }
            let extra = Duration::from_micros(self.below(weather.jitter.as_micros() as u64 + 1));
            self.count += 1;
            self.queue.insert((now + weather.delay + extra, self.count), (to, payload.clone()));
        }
    }

    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.queue.keys().next().map(|(at, _)| *at)
    }

    pub(crate) fn arrive(&mut self, now: Instant) -> Option<(usize, Vec<u8>)> {
        let (&key, _) = self.queue.iter().next().filter(|((at, _), _)| *at <= now)?;
        self.queue.remove(&key)
    }
}

/// A client and a server, whose objects are `C` and `S`.
pub(crate) struct Pair<C: State, S: State> {
    pub(crate) client: Transport<C, S>,
    pub(crate) server: Transport<S, C>,
    pub(crate) network: Network,
    pub(crate) weather: Weather,
    pub(crate) link: Link,
    pub(crate) now: Instant,
    pub(crate) events: [Vec<Event>; 2],
}

impl<C: State, S: State> Pair<C, S> {
    pub(crate) fn new(client: C, server: S, config: Config, weather: Weather, seed: u64) -> Self {
        let now = Instant::from_micros(5_000_000);
        let srtt = weather.delay * 2 + weather.jitter;
        let rto = (srtt + weather.jitter * 2).clamp(Duration::from_millis(50), Duration::from_secs(1));
        Self {
            client: Transport::new(client.clone(), server.clone(), config, now),
            server: Transport::new(server, client, config, now),
            network: Network::new(seed),
            weather,
            link: Link {
                srtt,
                congestion: Duration::ZERO,
                rto,
                max_payload: 500,
                connected: true,
                ..Link::default()
            },
            now,
            events: [Vec::new(), Vec::new()],
        }
    }

    /// Lets everything happen that is due now.
    fn drain(&mut self) {
        while let Some((to, payload)) = self.network.arrive(self.now) {
            let _ = match to {
                0 => self.client.handle_payload(&payload, self.now),
                _ => self.server.handle_payload(&payload, self.now),
            };
        }
        while let Some(out) = self.client.poll_transmit(&self.link, self.now) {
            assert!((10..=self.link.max_payload).contains(&out.payload.len()));
            self.network.send(1, out.payload, &self.weather, self.now);
        }
        while let Some(out) = self.server.poll_transmit(&self.link, self.now) {
            assert!((10..=self.link.max_payload).contains(&out.payload.len()));
            self.network.send(0, out.payload, &self.weather, self.now);
        }
        self.events[0].extend(core::iter::from_fn(|| self.client.poll_event()));
        self.events[1].extend(core::iter::from_fn(|| self.server.poll_event()));
    }

    /// Runs for `time`, or until `done`; says whether it was done.
    pub(crate) fn run_until(&mut self, time: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + time;
        let mut idle = 0;
        loop {
            self.drain();
            if done(self) {
                return true;
            }
            let deadlines = [
                self.client.poll_timeout(&self.link, self.now).map(|(at, _)| at),
                self.server.poll_timeout(&self.link, self.now).map(|(at, _)| at),
                self.network.next_at(),
            ];
            let next = deadlines.into_iter().flatten().min().unwrap_or(end).min(end);
            idle = if next <= self.now { idle + 1 } else { 0 };
            assert!(idle < 1000, "woken a thousand times without a step of time");
            if self.now >= end {
                return false;
            }
            self.now = self.now.max(next);
        }
    }

    pub(crate) fn run(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }
}
