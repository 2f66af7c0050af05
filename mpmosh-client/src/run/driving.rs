//! The client as the driver drives it, and what the driver has to tell of this machine.

use super::{Session, refusal};
use crate::session::client::Client;
use net::{Candidate, Instant, Path, Received, SendError, Transmit};
use platform::clock;
use platform::driver::{Machine, Notice};
use platform::interfaces::Interface;
use platform::udp::IcmpKind;
use std::time::Duration;

impl Machine for Client {
    fn handle_datagram(&mut self, received: Received<'_>, now: Instant) {
        self.handle_datagram(received, now);
    }

    fn handle_send_error(&mut self, path: &Path, error: SendError, now: Instant) {
        self.handle_send_error(path, error, now);
    }

    fn handle_refusal(&mut self, path: &Path, kind: IcmpKind, now: Instant) {
        match kind {
            IcmpKind::Here => self.handle_send_error(path, SendError::Refused, now),
            kind => self.handle_refusal(path, refusal(kind), now),
        }
    }

    fn handle_packet_too_big(&mut self, path: &Path, mtu: u32, now: Instant) {
        self.handle_packet_too_big(path, mtu, now);
    }

    fn handle_interfaces(&mut self, interfaces: &[Interface], candidates: &[Candidate], now: Instant) {
        let names = interfaces.iter().map(|interface| (interface.index, interface.name.clone()));
        self.name_interfaces(names);
        self.handle_interfaces(candidates, now);
    }

    fn candidate_paths(&self) -> Vec<Path> {
        self.candidate_paths()
    }

    fn handle_paths(&mut self, usable: &[Path], now: Instant) {
        self.handle_paths(usable, now);
    }

    fn handle_resume(&mut self, slept: Duration, now: Instant) {
        self.handle_resume(slept, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        self.poll_transmit(now)
    }

    fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        self.poll_timeout(now).map(|(at, _)| at)
    }

    fn is_active(&self, now: Instant) -> bool {
        self.connection().is_active(now)
    }
}

impl Session {
    /// Carries what the driver has noticed into the trace, and tells the user what is theirs to know.
    pub(super) fn heed_notices(&mut self) {
        while let Some(notice) = self.driver.poll_notice() {
            let now = clock::now();
            match notice {
                Notice::Resumed(slept) => {
                    self.trace(|trace, _| trace.resumed(slept, now));
                    self.tell_wake_lock(slept);
                }
                Notice::Unsent(path, error) => {
                    self.trace(|trace, client| trace.send_error(&path, error, client.journal(), now));
                }
                Notice::Refused(error) => self.trace(|trace, client| {
                    let word = match error.kind {
                        IcmpKind::TooBig(mtu) => format!("too big for {mtu} octets"),
                        kind => refusal(kind).to_string(),
                    };
                    trace.icmp(&error.path, word, client.journal(), now)
                }),
                Notice::Candidates(candidates) => {
                    self.trace(|trace, client| trace.interfaces(&candidates, client.journal(), now));
                }
                Notice::Bypassed(bypass) => self.explain_tunnel(bypass),
                _ => {}
            }
        }
    }

    /// Flows whose ports are refused stand in the trace, and watchers are told.
    pub(super) fn follow_refusals(&mut self) {
        if *self.client.journal().refused() == self.refused {
            return;
        }
        let refused = self.client.journal().refused().clone();
        let before = std::mem::replace(&mut self.refused, refused.clone());
        for flow in refused.difference(&before) {
            self.trace(|trace, _| trace.refused(*flow, clock::now()));
        }
        self.control.changed();
    }
}
