//! Carriers as the loop has them: asked for by the session's connection, opened by the courier, tried again when the network
//! was the reason.
//!
//! Contract: what a host would take for an attack is tried once, and then no more until the user asks: a login that was
//! refused, a host's key that has changed, a question. What the network may have done is tried again after half a second, and
//! after twice as long each time, up to 30 s.

use crate::bootstrap::Courier;
use crate::bootstrap::courier::{NoCarrier, Word};
use crate::cli::plan::ServerProcess;
use crate::session::client::Client;
use net::{Event, Instant};
use platform::clock;
use platform::wait::{Ready, Token, Waiter};
use std::io;
use std::time::Duration;

/// The first pause after a failure, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// A carrier that stayed for so long was none that failed.
const STAYED: Duration = Duration::from_secs(10);
/// How long the last word may take to reach the courier.
const LAST_WORD: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug)]
pub(super) struct Carrying {
    courier: Option<Courier>,
    /// No carrier is to be opened any more.
    given_up: bool,
    next: u16,
    /// The one that is being opened.
    opening: Option<u16>,
    /// When the next one is to be opened.
    again_at: Option<Instant>,
    /// Failures in a row.
    failures: u32,
    /// When the newest was opened.
    opened_at: Option<Instant>,
}

/// What the loop waits for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CarryingTokens {
    reads: Option<Token>,
    writes: Option<Token>,
}

impl Carrying {
    /// With a courier, or without one: then there are no carriers.
    pub(super) fn new(courier: Option<Courier>) -> Self {
        let given_up = !courier.as_ref().is_some_and(Courier::carries);
        Self { courier, given_up, next: 1, opening: None, again_at: None, failures: 0, opened_at: None }
    }

    /// Whether there may be a carrier yet.
    pub(super) fn is_possible(&self) -> bool {
        self.courier.is_some() && !self.given_up
    }

    /// The session has the terminal for good.
    pub(super) fn settle(&mut self) {
        if let Some(courier) = &mut self.courier {
            courier.settle();
        }
    }

    /// The courier, for whoever can use it when the session has ended.
    pub(super) fn into_courier(self) -> Option<Courier> {
        self.courier
    }

    /// Does what the connection's events ask.
    pub(super) fn heed(&mut self, event: &Event, client: &mut Client) {
        match event {
            Event::CarrierWanted if self.failures == 0 => self.open(),
            Event::CarrierWanted => {
                self.again_at = Some(clock::now() + self.pause());
            }
            Event::CarrierUnneeded { number } => {
                if number.is_none() {
                    (self.opening, self.again_at, self.failures) = (None, None, 0);
                }
                if let Some(courier) = &mut self.courier {
                    courier.close(*number);
                }
                for carrier in client.carriers() {
                    if number.is_none_or(|number| number == carrier) {
                        client.close_carrier(carrier, clock::now());
                    }
                }
            }
            _ => {}
        }
    }

    fn open(&mut self) {
        self.again_at = None;
        if let Some(courier) = self.courier.as_mut().filter(|_| !self.given_up) {
            self.opening = Some(self.next);
            courier.open(self.next);
            self.next = self.next.wrapping_add(1).max(1);
        }
    }

    fn pause(&self) -> Duration {
        PAUSES.0.saturating_mul(1 << self.failures.saturating_sub(1).min(10)).min(PAUSES.1)
    }

    /// How long to wait at most.
    pub(super) fn timeout(&self, now: Instant) -> Option<Duration> {
        self.again_at.map(|at| at.since(now))
    }

    /// Opens what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.again_at.is_some_and(|at| at <= now) {
            self.open();
        }
    }

    /// Waits for the courier.
    pub(super) fn watch<'fd>(&'fd self, waiter: &mut Waiter<'fd>) -> CarryingTokens {
        let Some(courier) = &self.courier else { return CarryingTokens::default() };
        let (fd, writes) = courier.fd();
        CarryingTokens { reads: Some(waiter.read(fd)), writes: writes.then(|| waiter.write(fd)) }
    }

    /// Puts what is to go through carriers into the courier's hands. Whether anything was.
    pub(super) fn write(&mut self, client: &mut Client) -> bool {
        let Some(courier) = &mut self.courier else { return false };
        let mut moved = false;
        for number in client.carriers() {
            while let Some(octets) = client.poll_carrier(number, clock::now()) {
                let taken = courier.carry(number, octets);
                client.carrier_wrote(number, taken, clock::now());
                moved |= taken > 0;
                if taken == 0 {
                    break;
                }
            }
        }
        if let Err(error) = courier.flush() {
            self.lose(&error, client);
        }
        moved
    }

    /// Takes what the courier has to say; what the user is to know is given back.
    pub(super) fn handle_ready(
        &mut self,
        ready: &Ready,
        tokens: CarryingTokens,
        client: &mut Client,
        process: &ServerProcess,
    ) -> Vec<String> {
        let mut told = Vec::new();
        if !ready.has(tokens.reads) && !ready.has(tokens.writes) {
            return told;
        }
        let came = self.courier.as_mut().map_or(Ok(()), Courier::handle_ready);
        while let Some(said) = self.courier.as_mut().and_then(Courier::poll) {
            told.extend(self.hear(said, client, process));
        }
        if let Err(error) = came {
            self.lose(&error, client);
        }
        told
    }

    fn hear(&mut self, said: Word, client: &mut Client, process: &ServerProcess) -> Option<String> {
        let now = clock::now();
        match said {
            Word::Server(id) => {
                let _ = process.set(id);
            }
            Word::Opened(number) => {
                if self.opening.take_if(|opening| *opening == number).is_some() {
                    self.opened_at = Some(now);
                    client.open_carrier(number, now);
                } else if let Some(courier) = &mut self.courier {
                    courier.close(Some(number));
                }
            }
            Word::Octets(number, octets) => {
                if let Err(error) = client.handle_carrier(number, &octets, now) {
                    log::warn!("a carrier's far end is none: {error}");
                    if let Some(courier) = &mut self.courier {
                        courier.close(Some(number));
                    }
                    self.closed(number, client);
                }
            }
            Word::Closed(number) => {
                log::info!("the carrier {number} has ended");
                self.closed(number, client);
            }
            Word::Refused(number, refusal) => return self.refused(number, refusal, client),
        }
        None
    }

    fn closed(&mut self, number: u16, client: &mut Client) {
        let stayed = self.opened_at.is_some_and(|at| clock::now().since(at) >= STAYED);
        self.failures = if stayed { 0 } else { self.failures.saturating_add(1) };
        client.close_carrier(number, clock::now());
        // What ssh says of its end may stand on the screen.
        client.handle_redraw();
    }

    fn refused(&mut self, number: u16, refusal: NoCarrier, client: &mut Client) -> Option<String> {
        self.opening.take_if(|opening| *opening == number)?;
        log::info!("no carrier: {}", refusal.sentence);
        if refusal.lasting {
            self.given_up = true;
            client.expect_carrier(false);
            return Some(format!(
                "UDP is blocked, and ssh cannot be used in the background: {}",
                decapitalised(&refusal.sentence)
            ));
        }
        self.failures = self.failures.saturating_add(1);
        self.again_at = Some(clock::now() + self.pause());
        None
    }

    /// The courier is gone: so are its carriers.
    fn lose(&mut self, error: &io::Error, client: &mut Client) {
        log::info!("the courier is gone: {error}");
        if let Some(mut courier) = self.courier.take() {
            courier.reap();
        }
        client.expect_carrier(false);
        for number in client.carriers() {
            client.close_carrier(number, clock::now());
        }
    }

    /// The session is over: what it said last goes, where it can.
    pub(super) async fn finish(&mut self, client: &mut Client) {
        let until = clock::now() + LAST_WORD;
        self.write(client);
        while clock::now() < until {
            let Some((fd, true)) = self.courier.as_ref().map(Courier::fd) else { return };
            let mut waiter = Waiter::new();
            waiter.write(fd);
            if waiter.wait(Some(until.since(clock::now()))).await.is_err() {
                return;
            }
            self.write(client);
        }
    }
}

/// A sentence as the end of another.
fn decapitalised(sentence: &str) -> String {
    let mut rest = sentence.trim_end_matches('.').chars();
    rest.next().map_or_else(String::new, |first| first.to_lowercase().chain(rest).collect())
}
