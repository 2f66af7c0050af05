//! What this end draws over the server's screen: guesses at what typing will do, and notices. Contract: pure and
//! drawn on a copy; the server's screen is never changed, no key is taken, and taking the overlays away leaves
//! nothing behind.

pub mod notices;
pub mod paths;
pub mod prediction;

pub use notices::{Contact, Notices, escape_help};
pub use paths::Paths;
pub use prediction::{Display, Prediction, Progress};

use net::Instant;
use std::time::Duration;
use terminal::Screen;

/// All that is drawn over the server's screen.
#[derive(Debug)]
pub struct Overlays {
    /// Guesses at what typing will do.
    pub prediction: Prediction,
    /// The line at the top.
    pub notices: Notices,
    /// The table of paths.
    pub paths: Paths,
}

impl Overlays {
    /// Nothing to draw yet. `overwrite`: predicted keys replace what they are typed over.
    #[must_use]
    pub fn new(display: Display, overwrite: bool, now: Instant) -> Self {
        Self {
            prediction: Prediction::new(display, overwrite),
            notices: Notices::new(now),
            paths: Paths::default(),
        }
    }

    /// The user typed `bytes` while the server's screen was `screen` and the newest input state that had been sent
    /// was number `sent_state`.
    pub fn new_user_bytes(
        &mut self,
        bytes: &[u8],
        screen: &Screen,
        sent_state: u64,
        now: Instant,
        srtt: Duration,
    ) {
        self.prediction.new_user_bytes(bytes, screen, sent_state, now, srtt);
    }

    /// The server's screen may have changed, or time has passed.
    pub fn new_frame(&mut self, screen: &Screen, progress: Progress, now: Instant, srtt: Duration) {
        self.prediction.new_frame(screen, progress, now, srtt);
        self.notices.expire(now);
    }

    /// Whether keys are drawn before the server has echoed them, now.
    #[must_use]
    pub fn predicts(&self) -> bool {
        self.prediction.is_shown()
    }

    /// Draws on a copy of the server's screen.
    pub fn apply(&self, screen: &mut Screen, now: Instant) {
        self.prediction.apply(screen);
        self.paths.apply(screen);
        self.notices.apply(screen, now);
    }

    /// When [`Overlays::new_frame`] has something to do and [`Overlays::apply`] may draw something else than at
    /// `drawn`, if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self, drawn: Instant) -> Option<Instant> {
        let timeouts =
            [self.prediction.poll_timeout(), self.notices.poll_timeout(drawn), self.paths.poll_timeout()];
        timeouts.into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use terminal::{Emulator, Size};

    #[test]
    fn a_notice_lies_over_a_guess_and_the_original_is_untouched() {
        let mut emulator = Emulator::new(Size { columns: 40, rows: 4 });
        emulator.feed(b"$ ");
        let screen = emulator.screen().clone();
        let now = Instant::from_micros(60_000_000);
        let mut overlays = Overlays::new(Display::Experimental, false, now);
        overlays.new_user_bytes(b"x", &screen, 0, now, Duration::from_millis(100));
        let mut drawn = screen.clone();
        overlays.apply(&mut drawn, now);
        assert_eq!(drawn.cell(0, 2).map(|cell| cell.first_char()), Some('x'));
        overlays.notices.set_message(&["hello"], None);
        overlays.apply(&mut drawn, now);
        assert_eq!(drawn.cell(0, 0).map(|cell| cell.first_char()), Some('m'));
        assert_eq!(screen, *emulator.screen());
    }
}
