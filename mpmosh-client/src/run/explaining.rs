//! What the user is told of this machine's own doing, and of a silence where no screen shows it.

use super::{Ends, Session};
use crate::run::uplinks;
use crate::session::silence;
use crate::text::messages::notice;
use net::{Event, SentKind};
use platform::clock;
use platform::driver::Bypass;
use std::time::Duration;

/// A path that has been sent this many datagrams without an answer is looked into.
const TRIES: u64 = 3;

impl Session {
    /// Says why an interface is not used beside a VPN that takes all traffic: once for each interface.
    pub(super) fn explain_tunnel(&mut self, bypass: Bypass) {
        let Bypass { interface, name, tunnel, .. } = bypass;
        if self.explained.contains(&Some(interface)) {
            return;
        }
        self.explained.push(Some(interface));
        let message =
            format!("{name} is not used: {tunnel} takes all traffic (--prefer={name} uses it all the same)");
        log::warn!("{message}");
        self.client.remark(&message);
    }

    /// Says why a path does not answer, where this machine itself is the reason: once for each interface.
    pub(super) fn explain(&mut self, event: &Event) {
        let Event::Sent { flow, kind: SentKind::Probe, .. } = event else { return };
        let mut flows = self.client.connection().flows();
        let Some(report) = flows.find(|report| report.id == *flow) else { return };
        let index = report.path.local.interface;
        if report.received() > 0 || report.sent() < TRIES || self.explained.contains(&index) {
            return;
        }
        self.explained.push(index);
        let name = self.client.journal().name(index);
        if let Some(index) = index
            && uplinks::drops_answers(&name, &report.path)
        {
            drop(flows);
            let setting = silence::filter_setting(&name);
            let message = format!(
                "{name} is not used: this machine drops its answers ({setting} is strict; 2 lets them in)"
            );
            log::warn!("{message}");
            self.client.note_filter(index);
            self.client.remark(&message);
        }
    }

    /// Tells a user of Termux, once, what keeps a phone from sleeping through a session.
    pub(super) fn tell_wake_lock(&mut self, slept: Duration) {
        if self.wake_lock_told || std::env::var_os("TERMUX_VERSION").is_none() {
            return;
        }
        self.wake_lock_told = true;
        let message = format!("the phone slept for {} s; termux-wake-lock keeps it awake", slept.as_secs());
        self.client.remark(&message);
        self.afterwards.push(message);
    }

    /// Tells a user without a terminal of a silence; gives the time until there may be one to tell.
    pub(super) fn tell_silence(&mut self) -> Option<Duration> {
        if matches!(self.ends, Ends::Terminal(_)) {
            return None;
        }
        // Dialects with a terminal alone have no streams: here every datagram is answered.
        let since = self.client.connection().silent_since();
        let silence = since.map_or(Duration::ZERO, |since| clock::now().since(since));
        if let Some(text) = self.silence.tell(silence) {
            notice(&text);
        }
        since.and_then(|_| self.silence.timeout(silence))
    }
}
