//! What the user's terminal has been asked, and what follows from its answers.

use super::{Leave, TerminalSession, features};
use crate::session::answers::Told;
use crate::session::client::Output;
use net::Instant;
use std::collections::VecDeque;
use std::time::Duration;
use terminal::Vocabulary;

impl TerminalSession {
    /// What came from the user's terminal: what was typed, and what it was asked. How the user wants to leave, if
    /// so.
    pub(in crate::session) fn handle_terminal(
        &mut self,
        bytes: &[u8],
        outputs: &mut VecDeque<Output>,
        srtt: Duration,
        now: Instant,
    ) -> Option<Leave> {
        let typed = self.answers.sift(bytes, now);
        let mut colors = Vec::new();
        for answer in self.answers.take() {
            match answer {
                Told::Color(name, rgb) => colors.push((name, rgb)),
                Told::Name(name) => outputs.push_back(Output::Named(name)),
                Told::Last | Told::Other => {}
            }
        }
        if self.options.extended && !colors.is_empty() {
            self.transport.local_mut().push_colors(&colors);
        }
        if typed.is_empty() { None } else { self.handle_typed(&typed, outputs, srtt, now) }
    }

    /// What may have been the beginning of an answer was typed.
    pub(in crate::session) fn handle_given_up(
        &mut self,
        outputs: &mut VecDeque<Output>,
        srtt: Duration,
        now: Instant,
    ) -> Option<Leave> {
        let typed = self.answers.give_up(now);
        if typed.is_empty() { None } else { self.handle_typed(&typed, outputs, srtt, now) }
    }

    /// Whether the terminal has lately been asked something that it has not answered.
    pub(in crate::session) fn awaits_answers(&self, now: Instant) -> bool {
        self.answers.are_due(now)
    }

    /// The terminal has said what it is, and can do this.
    pub(in crate::session) fn set_vocabulary(&mut self, mut vocabulary: Vocabulary) {
        vocabulary.clipboard &= self.options.clipboard;
        self.transport.set_features(features(&vocabulary));
        self.dirty |= self.canvas.set_vocabulary(vocabulary);
    }
}
