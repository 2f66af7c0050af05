//! Programs that run "on the server" in the simulator.

use super::random::Random;
use net::Instant;
use std::time::Duration;

/// A program on a terminal, as the server's pty would show it.
pub trait Application {
    /// What it writes when it starts.
    fn start(&mut self, now: Instant) -> Vec<u8>;
    /// What it writes when bytes are typed.
    fn input(&mut self, bytes: &[u8], now: Instant) -> Vec<u8>;
    /// When it next wants to write by itself.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    /// What it writes by itself when that time has come.
    fn handle_timeout(&mut self, _now: Instant) -> Vec<u8> {
        Vec::new()
    }
    /// All it has been sent.
    fn received(&self) -> &[u8];
}

/// Shows how many keys it has got, on the second row: `[000042]`. With it a screen tells exactly which keys have
/// been echoed. It can also print a line of its own at an interval, like `tail -f`.
#[derive(Debug, Default)]
pub struct Counter {
    received: Vec<u8>,
    every: Option<Duration>,
    next: Option<Instant>,
    printed: u64,
    /// Octets that each line of its own fills.
    line: usize,
}

impl Counter {
    /// One that only counts keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that also prints a line of `line` octets at this interval.
    #[must_use]
    pub fn with_ticks(every: Duration, line: usize) -> Self {
        Self { every: Some(every), line, ..Self::default() }
    }

    /// How many keys this row, the second of its screen, shows: on the first one stand the client's notices.
    #[must_use]
    pub fn shown(row: &str) -> Option<usize> {
        row.strip_prefix('[')?.get(..6)?.parse().ok()
    }

    /// How many ticks this row, the third of its screen, shows.
    #[must_use]
    pub fn ticks(row: &str) -> Option<u64> {
        row.strip_prefix('{')?.get(..6)?.parse().ok()
    }
}

impl Application for Counter {
    fn start(&mut self, now: Instant) -> Vec<u8> {
        self.next = self.every.map(|every| now + every);
        b"\x1b[2J\x1b[2H[000000]".to_vec()
    }

    fn input(&mut self, bytes: &[u8], _now: Instant) -> Vec<u8> {
        self.received.extend_from_slice(bytes);
        format!("\x1b[2H[{:06}]", self.received.len()).into_bytes()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    fn handle_timeout(&mut self, now: Instant) -> Vec<u8> {
        self.next = self.every.map(|every| now + every);
        self.printed += 1;
        // Noise, so that no compression makes less of it.
        let mut noise = Random::new(self.printed);
        let filler: String = (0..self.line).map(|_| char::from(b'!' + noise.below(94) as u8)).collect();
        format!("\x1b[3H{{{:06}}} {filler}", self.printed).into_bytes()
    }

    fn received(&self) -> &[u8] {
        &self.received
    }
}

/// Fills the whole screen anew at an interval with what does not compress: every frame takes several datagrams. Its
/// second row counts the frames as [`Counter`]'s does its lines.
#[derive(Debug)]
pub struct Noise {
    received: Vec<u8>,
    every: Duration,
    next: Option<Instant>,
    drawn: u64,
    random: Random,
}

impl Noise {
    /// A frame at each such interval.
    #[must_use]
    pub fn new(every: Duration) -> Self {
        Self { received: Vec::new(), every, next: None, drawn: 0, random: Random::new(7) }
    }
}

impl Application for Noise {
    fn start(&mut self, now: Instant) -> Vec<u8> {
        self.next = Some(now + self.every);
        b"\x1b[2J\x1b[2H[000000]".to_vec()
    }

    fn input(&mut self, bytes: &[u8], _now: Instant) -> Vec<u8> {
        self.received.extend_from_slice(bytes);
        format!("\x1b[2H[{:06}]", self.received.len()).into_bytes()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    fn handle_timeout(&mut self, now: Instant) -> Vec<u8> {
        self.next = Some(now + self.every);
        self.drawn += 1;
        let mut frame = format!("\x1b[3H\x1b[m{{{:06}}}", self.drawn);
        for row in 4..=24 {
            frame.push_str(&format!("\x1b[{row}H"));
            for _ in 0..80 {
                let letter = char::from(b'!' + self.random.below(90) as u8);
                frame.push_str(&format!("\x1b[38;5;{}m{letter}", self.random.below(256)));
            }
        }
        frame.into_bytes()
    }

    fn received(&self) -> &[u8] {
        &self.received
    }
}
