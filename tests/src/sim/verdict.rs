//! What must be true once a network is good again, whatever it did before.

use super::operation::{Operation, Way};
use super::world::World;
use std::time::Duration;

/// By how much a path may be better than the chosen one: what the choice ignores as noise (4 ms and an eighth), and the
/// whole milliseconds of its measurements.
const NOISE: Duration = Duration::from_millis(5);

impl World {
    /// Takes all faults away, but leaves delays, and interfaces that are down if another is up.
    pub fn heal(&mut self) {
        use Operation as O;
        self.apply(O::Resume);
        for uplink in 0..self.uplinks.len() {
            for operation in [
                O::Sound(uplink, Way::Both),
                O::Loss(uplink, 0),
                O::Jitter(uplink, 0),
                O::Reorder(uplink, 0),
                O::Bursts(uplink, false),
                O::Mtu(uplink, 1500),
            ] {
                self.apply(operation);
            }
        }
        if !self.uplinks.iter().any(|uplink| uplink.up && uplink.routed) {
            self.uplinks[0].routed = true;
            self.apply(O::Up(0));
        }
    }

    /// Whether every key arrived once and in order and was echoed, and the screens are equal.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check_session(&self) -> Result<(), String> {
        if self.received() != self.typed() {
            let text = |keys: &[u8]| String::from_utf8_lossy(keys).into_owned();
            return Err(format!("typed {:?}, received {:?}", text(self.typed()), text(self.received())));
        }
        if self.keys_shown() != self.typed().len() {
            return Err(format!("{} keys typed, {} shown", self.typed().len(), self.keys_shown()));
        }
        let client = self.client.as_ref().and_then(|client| client.screen());
        let server = self.server.as_ref().and_then(|server| server.screen());
        if client != server {
            return Err("the client knows another screen than the server".into());
        }
        if server.map(text_of) != Some(text_of(self.display())) {
            return Err("the user sees another screen than the server's".into());
        }
        Ok(())
    }

    /// Whether the chosen path is the best one, as near as it matters.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check_choice(&self) -> Result<(), String> {
        let round_trips = (0..self.uplinks.len()).filter_map(|uplink| self.round_trip(uplink));
        let best = round_trips.min().unwrap_or_default();
        let chosen = self.chosen().and_then(|path| path.local.interface);
        let chosen = chosen.and_then(|index| self.round_trip(index.get() as usize - 1));
        let chosen = chosen.ok_or("no path that works is chosen")?;
        if chosen - chosen / 8 > best + NOISE {
            return Err(format!("a path of {chosen:?} is chosen, and there is one of {best:?}"));
        }
        Ok(())
    }
}

/// The characters of a screen, row by row, but for the first one, on which notices stand.
fn text_of(screen: &::terminal::Screen) -> Vec<String> {
    let row = |row| (0..screen.size().columns).filter_map(move |column| screen.cell(row, column));
    (1..screen.size().rows).map(|number| row(number).map(::terminal::Cell::first_char).collect()).collect()
}
