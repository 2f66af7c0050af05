//! A session without a terminal: the program's three streams and its status.

use super::leaving::KEPT;
use net::Instant;
use sync::{Channel, Exchange, Link, Outgoing, Shutdown, StreamEvent, Streams, Wake};

pub(super) struct StreamSession {
    streams: Streams,
}

impl StreamSession {
    pub(super) fn new(now: Instant) -> Self {
        Self { streams: Streams::server(KEPT, now) }
    }

    /// Whether the client said anything.
    pub(super) fn handle_payload(&mut self, payload: &[u8], link: &Link, now: Instant) -> bool {
        let heard = self.streams.handle_payload(payload, link, now);
        if let Err(discard) = heard {
            log::debug!("a payload was discarded: {discard}");
        }
        while let Some(event) = self.streams.poll_event() {
            // A client that leaves before the end wants nothing more.
            if event == StreamEvent::ShutdownRequested {
                self.streams.start_shutdown(None, now);
            }
        }
        heard.is_ok()
    }

    pub(super) fn write(&mut self, channel: Channel, bytes: &[u8]) {
        let taken = self.streams.write(channel, bytes);
        debug_assert_eq!(taken, bytes.len(), "the owner reads no more than there is room for");
    }

    pub(super) fn room(&self, channel: Channel) -> usize {
        self.streams.writable(channel)
    }

    pub(super) fn is_stopped(&self, channel: Channel) -> bool {
        self.streams.is_stopped(channel)
    }

    pub(super) fn read_input(&mut self, room: usize, now: Instant) -> Vec<u8> {
        self.streams.read(Channel::Stdin, room, now)
    }

    pub(super) fn input_ended(&self) -> bool {
        self.streams.is_finished(Channel::Stdin)
    }

    pub(super) fn shut_down(&mut self, status: Option<u8>, now: Instant) {
        self.streams.start_shutdown(status, now);
    }

    pub(super) fn shutdown_state(&self, now: Instant) -> Shutdown {
        self.streams.shutdown_state(now)
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
