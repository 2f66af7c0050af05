//! A session without a terminal: standard input goes out, standard output and error and a status come in.

use super::client::Outcome;
use net::Instant;
use sync::{Channel, Exchange, Link, Outgoing, Shutdown, Streams, Wake};

pub(super) struct StreamSession {
    streams: Streams,
}

impl StreamSession {
    pub(super) fn new(now: Instant) -> Self {
        Self { streams: Streams::client(now) }
    }

    /// Whether it brought something new.
    pub(super) fn handle_payload(&mut self, payload: &[u8], link: &Link, now: Instant) -> bool {
        if let Err(discard) = self.streams.handle_payload(payload, link, now) {
            log::debug!("a payload was discarded: {discard}");
        }
        let mut news = false;
        while self.streams.poll_event().is_some() {
            news = true;
        }
        news
    }

    pub(super) fn handle_input(&mut self, bytes: &[u8]) {
        let taken = self.streams.write(Channel::Stdin, bytes);
        debug_assert_eq!(taken, bytes.len(), "the owner reads no more than there is room for");
    }

    pub(super) fn handle_input_end(&mut self) {
        self.streams.finish(Channel::Stdin);
    }

    pub(super) fn room(&self) -> usize {
        self.streams.writable(Channel::Stdin)
    }

    /// What has come of a stream, at most `max` octets. Once everything has, the session says farewell.
    pub(super) fn read(&mut self, channel: Channel, max: usize, now: Instant) -> Vec<u8> {
        let bytes = self.streams.read(channel, max, now);
        if self.streams.is_complete() {
            self.streams.start_shutdown(None, now);
        }
        bytes
    }

    pub(super) fn stop(&mut self, channel: Channel, now: Instant) {
        self.streams.stop(channel, now);
    }

    pub(super) fn shut_down(&mut self, now: Instant) {
        self.streams.start_shutdown(None, now);
    }

    /// How the session ended, once it has.
    pub(super) fn outcome(&self, now: Instant) -> Option<Outcome> {
        let state = self.streams.shutdown_state(now);
        if !state.is_over() {
            return None;
        }
        Some(match state {
            _ if self.streams.is_complete() => Outcome::Ended(self.streams.exit_status()),
            Shutdown::Acknowledged => Outcome::Quit,
            Shutdown::GaveUp => Outcome::QuitUnanswered,
            _ => Outcome::Ended(None),
        })
    }

    /// Whether everything has come.
    pub(super) fn is_complete(&self) -> bool {
        self.streams.is_complete()
    }

    /// How the session ended where the server did not answer the farewell: what has come in full is no worse for it.
    pub(super) fn without_farewell(&self) -> Outcome {
        match self.streams.is_complete() {
            true => Outcome::Ended(self.streams.exit_status()),
            false => Outcome::QuitUnanswered,
        }
    }
}

impl Exchange for StreamSession {
    fn poll_transmit(&mut self, link: &Link, now: Instant) -> Option<Outgoing> {
        self.streams.poll_transmit(link, now)
    }

    fn poll_timeout(&self, link: &Link, now: Instant) -> Option<(Instant, Wake)> {
        self.streams.poll_timeout(link, now).map(|(at, reason)| (at, Wake::Exchange(reason)))
    }

    fn repeat_newest(&mut self, now: Instant) {
        self.streams.repeat_newest(now);
    }

    /// Streams know what is missing: what is in doubt is what they said last.
    fn repeat_unanswered(&mut self, now: Instant) {
        self.streams.repeat_newest(now);
    }
}
