//! What the user is told of a session and its paths. Contract: pure, as all of the client.

use super::Client;
use crate::session::report::{Here, Journal, PathReport, Role};
use crate::session::silence::{Refusal, Row};
use net::{Event, Instant, Interface};
use sync::Carried;

impl Client {
    /// What the interfaces of this host are called, for what the user is told: before [`Self::handle_interfaces`].
    pub fn name_interfaces(&mut self, names: impl IntoIterator<Item = (Interface, String)>) {
        self.journal.name_interfaces(names);
    }

    /// This host drops the IPv4 answers that arrive on an interface, for what the user is told.
    pub fn note_filter(&mut self, interface: Interface) {
        self.journal.note_filter(interface);
    }

    /// Something that the user may want to know of: it stands beside the paths, and covers nothing.
    pub fn remark(&mut self, text: &str) {
        self.journal.remark(text);
        if let Carried::Terminal(session) = &mut self.peer.exchange {
            session.follow_remarks();
        }
    }

    /// Every path, as a person is told of it.
    #[must_use]
    pub fn paths(&self, now: Instant) -> Vec<PathReport> {
        self.journal.paths(&self.peer.connection, now)
    }

    /// The names and roles of the interfaces.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The screen as the server last told it, where there is one.
    #[must_use]
    pub fn screen(&self) -> Option<&terminal::Screen> {
        match &self.peer.exchange {
            Carried::Terminal(session) => Some(session.screen()),
            Carried::Streams(_) => None,
        }
    }

    /// Every path, with what the network refused on it since the server was last heard.
    #[must_use]
    pub fn rows(&self, now: Instant) -> Vec<Row> {
        let rows = self.peer.connection.flows().zip(self.paths(now)).map(|(flow, path)| Row {
            path,
            refusals: self.patience.refused(&flow.path),
            refused_here: self.patience.refused_here(&flow.path),
            swallowed: flow.swallowed,
        });
        rows.collect()
    }

    /// What the network refuses is told with the paths.
    pub(super) fn follow_refusals(&mut self) {
        let refused = |flow: &net::FlowReport| {
            self.patience.refused(&flow.path).is_some_and(|refusals| refusals.last == Refusal::Port)
        };
        let flows = self.peer.connection.flows().filter(refused).map(|flow| flow.id).collect();
        let gone = self.patience.is_gone(self.tried_paths());
        if gone {
            self.patience.shorten_farewell();
        }
        let here = self.peer.connection.flows().filter(|flow| self.patience.refused_here(&flow.path) > 0);
        let here = Here {
            flows: here.map(|flow| flow.id).collect(),
            all: self.patience.is_refused_here(self.tried_paths()),
        };
        if self.journal.note_refusals(flows, gone) | self.journal.note_refused_here(here)
            && let Carried::Terminal(session) = &mut self.peer.exchange
        {
            session.redraw_overlays();
        }
    }

    /// Something that the user is to know now: it stands in the first line for a while.
    pub fn announce(&mut self, text: &str, now: Instant) {
        if let Carried::Terminal(session) = &mut self.peer.exchange {
            session.announce(text, now);
        }
    }

    /// Tells the user, once, that the session goes through ssh from now on.
    pub(super) fn note_carrier(&mut self, event: &Event, now: Instant) {
        let Event::Chosen { flow: Some(chosen), .. } = event else { return };
        let is_carrier = |flow: net::FlowReport| flow.id == *chosen && flow.path.carrier_number().is_some();
        if !self.tells_carrier || !self.peer.connection.flows().any(is_carrier) {
            return;
        }
        self.tells_carrier = false;
        self.remark(
            "UDP is blocked on the way to the server: the session goes through ssh, which is slower when packets are lost",
        );
        if let Carried::Terminal(session) = &mut self.peer.exchange {
            session.tell_carrier(now);
        }
    }

    /// Tells the user for a moment that the session costs money from now on.
    pub(super) fn note_metered(&mut self, event: &Event, now: Instant) {
        let Event::Chosen { flow: Some(chosen), previous: Some(previous), .. } = event else { return };
        let uplink = |id: &net::FlowId| {
            let flow = self.peer.connection.flows().find(|flow| flow.id == *id);
            flow.map(|flow| flow.path.local.interface).map(|index| (index, self.journal.role(index)))
        };
        if let (Some((index, Role::Metered)), Carried::Terminal(session)) =
            (uplink(chosen), &mut self.peer.exchange)
            && uplink(previous).is_none_or(|(_, role)| role != Role::Metered)
        {
            session.note_metered(&self.journal.name(index), now);
        }
    }
}
