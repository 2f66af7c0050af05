//! What became of it all: what the user saw and when, what was received.

use super::super::application::Counter;
use super::World;
use mpmosh_client::session::client::{Client, Outcome};
use mpmosh_server::server::Server;
use net::{Instant, Path, Side, Traffic};
use std::time::Duration;

/// A time at which one end had something to do, by itself or for the other: a real process would have woken up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WakeUp {
    /// When.
    pub at: Instant,
    /// Which end.
    pub side: Side,
    /// What for: `datagram`, or the reason of the machine's own timer.
    pub reason: &'static str,
}

impl World {
    /// How many keys the client's screen shows to have arrived.
    #[must_use]
    pub fn keys_shown(&self) -> usize {
        self.keys_shown.len()
    }

    /// From each key's press to its echo on the client's screen; `None` for those still without.
    #[must_use]
    pub fn latencies(&self) -> Vec<Option<Duration>> {
        self.keys_typed
            .iter()
            .enumerate()
            .map(|(n, typed)| self.keys_shown.get(n).map(|shown| shown.since(*typed)))
            .collect()
    }

    /// The longest latency among keys typed within these times.
    ///
    /// # Panics
    /// If one of them has not been echoed.
    #[must_use]
    pub fn worst_latency(&self, from: Instant, to: Instant) -> Duration {
        self.keys_typed
            .iter()
            .zip(self.latencies())
            .filter(|(typed, _)| (from..to).contains(*typed))
            .map(|(typed, latency)| {
                latency.unwrap_or_else(|| panic!("the key of {typed:?} was never echoed"))
            })
            .max()
            .unwrap_or_default()
    }

    /// When each of the program's own lines first showed on the client's screen.
    #[must_use]
    pub fn ticks_shown(&self) -> &[(u64, Instant)] {
        &self.ticks_shown
    }

    /// When the oldest key was typed that the client's screen does not show yet.
    #[must_use]
    pub fn waits_since(&self) -> Option<Instant> {
        self.keys_typed.get(self.keys_shown.len()).copied()
    }

    /// The first key since `from`.
    #[must_use]
    pub fn first_key_since(&self, from: Instant) -> Option<Instant> {
        let index = self.keys_typed.partition_point(|typed| *typed < from);
        self.keys_typed.get(index).copied()
    }

    /// Whether a session can be had over this uplink, without the others: it may lose a tenth, and shuffle.
    #[must_use]
    pub fn is_healthy(&self, uplink: usize) -> bool {
        let fine = |up| {
            let quality = self.links.get(&(uplink, 0, up)).map(|link| &link.quality);
            quality.is_some_and(|q| !q.silent && q.loss <= 0.1 && q.bursts.is_none() && q.mtu >= 576)
        };
        let usable = self.uplinks.get(uplink).is_some_and(|uplink| uplink.up && uplink.routed);
        usable && self.suspended.is_none() && fine(true) && fine(false)
    }

    /// What the program has received.
    #[must_use]
    pub fn received(&self) -> &[u8] {
        self.application.received()
    }

    /// What was typed.
    #[must_use]
    pub fn typed(&self) -> &[u8] {
        &self.typed
    }

    /// The path that the client's payloads go on.
    #[must_use]
    pub fn chosen(&self) -> Option<Path> {
        self.client.as_ref()?.connection().current_path()
    }

    /// The round trip that a path over this uplink has now, the least of them if there are several; `None` when nothing
    /// comes back.
    #[must_use]
    pub fn round_trip(&self, uplink: usize) -> Option<Duration> {
        let usable = self.uplinks.get(uplink).is_some_and(|uplink| uplink.up && uplink.routed);
        let direction =
            |server, up| self.links.get(&(uplink, server, up)).filter(|link| !link.quality.silent);
        let way =
            |server| Some(direction(server, true)?.quality.delay + direction(server, false)?.quality.delay);
        (0..self.servers.len()).filter(|_| usable).filter_map(way).min()
    }

    /// The octets that one end has sent since `from`, counted on the wire as the paper does (Figure 6): with the
    /// headers of Ethernet, IP and UDP.
    #[must_use]
    pub fn octets_sent(&self, side: Side, from: Instant) -> usize {
        let headers = |path: &Path| if path.remote.is_ipv4() { 42 } else { 62 };
        let sent = self.sent.iter().filter(|sent| sent.side == side && sent.at >= from);
        sent.map(|sent| sent.octets + headers(&sent.path)).sum()
    }

    /// What the client and the server have sent, by kind.
    #[must_use]
    pub fn spent(&self) -> [Traffic; 2] {
        let all = |connection: Option<&net::Connection>| {
            let mut traffic = Traffic::default();
            connection
                .into_iter()
                .flat_map(net::Connection::flows)
                .for_each(|flow| traffic += flow.traffic_out);
            traffic
        };
        [self.client.as_ref().map(Client::connection), self.server.as_ref().and_then(Server::connection)]
            .map(all)
    }

    /// How the client ended.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.client.as_ref().and_then(Client::outcome)
    }

    /// What the user sees.
    #[must_use]
    pub fn display(&self) -> &::terminal::Screen {
        self.display.screen()
    }

    /// The text of a row of what the user sees.
    #[must_use]
    pub fn row(&self, number: u16) -> String {
        let screen = self.display.screen();
        let cells = (0..screen.size().columns).filter_map(|column| screen.cell(number, column));
        cells.map(|cell| cell.first_char()).collect::<String>().trim_end().to_owned()
    }

    /// Which keys and lines the screen shows to have come through.
    pub(super) fn note_display(&mut self) {
        // A notice may cover the row; the key has come through all the same.
        let Some(screen) = self.client.as_ref().and_then(Client::screen) else { return };
        let row = |number| -> String {
            let cells = (0..screen.size().columns).filter_map(|column| screen.cell(number, column));
            cells.map(|cell| cell.first_char()).collect()
        };
        if let Some(count) = Counter::shown(&row(1)) {
            let now = self.now;
            self.keys_shown.resize(self.keys_shown.len().max(count), now);
        }
        if let Some(tick) = Counter::ticks(&row(2))
            && self.ticks_shown.last().is_none_or(|(last, _)| *last < tick)
        {
            self.ticks_shown.push((tick, self.now));
        }
    }
}
