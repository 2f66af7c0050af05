//! What has to be remembered to report on the paths: interfaces' names and roles, since when a flow stands as it does
//! and why, and which flows the session had to leave.
//!
//! Contract: pure. [`Journal::note`] is told every event of the connection, in order, with the time at which it was
//! drained.

use super::{CARRIER, FILTERED, PathReport, PathState, REFUSED_HERE, Role, Trouble};
use net::{Candidate, Cause, Connection, Event, FlowId, FlowState, Instant, Interface};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How a flow has come to stand as it does.
#[derive(Clone, Copy, Debug)]
struct Standing {
    state: FlowState,
    since: Instant,
    cause: Cause,
    /// When the first answer of those that are overdue became so.
    silent_since: Option<Instant>,
    /// The session went over it until it failed.
    left: bool,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    names: BTreeMap<Interface, String>,
    roles: BTreeMap<Interface, Role>,
    /// Those on which this machine drops answers.
    filtered: BTreeSet<Interface>,
    standings: BTreeMap<FlowId, Standing>,
    /// Flows whose port is refused, says the network.
    refused: BTreeSet<FlowId>,
    /// All that could reach the server are.
    gone: bool,
    /// What this machine itself refuses to send.
    here: Here,
    /// What was found out about this machine, oldest first.
    remarks: Vec<String>,
}

/// What this machine itself refuses to send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Here {
    /// On these flows.
    pub flows: BTreeSet<FlowId>,
    /// On all that were tried.
    pub all: bool,
}

/// Most remarks that are kept.
const REMARKS: usize = 8;

impl Journal {
    /// Keeps a remark about this machine or this session, to be shown beside the paths.
    pub fn remark(&mut self, text: &str) {
        if self.remarks.len() < REMARKS && !self.remarks.iter().any(|known| known == text) {
            self.remarks.push(text.to_owned());
        }
    }

    /// What was remarked.
    #[must_use]
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// The ports of these flows are refused since the server was last heard, and `gone` says whether that leaves no way.
    /// Whether that is news.
    pub fn note_refusals(&mut self, flows: BTreeSet<FlowId>, gone: bool) -> bool {
        let news = flows != self.refused || gone != self.gone;
        (self.refused, self.gone) = (flows, gone);
        news
    }

    /// This machine refuses to send on some flows, or on none any more. Whether that is news.
    pub fn note_refused_here(&mut self, here: Here) -> bool {
        let news = here != self.here;
        self.here = here;
        news
    }

    /// Whether this machine refuses all that is sent.
    #[must_use]
    pub fn is_refused_here(&self) -> bool {
        self.here.all
    }

    /// Flows whose port is refused.
    #[must_use]
    pub fn refused(&self) -> &BTreeSet<FlowId> {
        &self.refused
    }

    /// Whether the server's machine answers that nobody listens any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// What the interfaces are called. Those that are gone keep the name that they had: paths of theirs are still told
    /// of.
    pub fn name_interfaces(&mut self, names: impl IntoIterator<Item = (Interface, String)>) {
        self.names.extend(names);
    }

    /// This host's addresses, now. What is neither there nor under a path is forgotten: machines that start containers
    /// have had thousands of interfaces.
    pub fn handle_interfaces(&mut self, locals: &[Candidate], connection: &Connection) {
        for local in locals {
            let Some(interface) = local.addr.interface else { continue };
            let role = match local.role {
                _ if local.metered => Role::Metered,
                net::Role::Backup => Role::Backup,
                net::Role::Primary | net::Role::Never => Role::Primary,
            };
            self.roles.insert(interface, role);
        }
        let under_paths = connection.flows().filter_map(|flow| flow.path.local.interface);
        let there = locals.iter().filter_map(|local| local.addr.interface);
        let kept: BTreeSet<Interface> = there.chain(under_paths).collect();
        self.names.retain(|interface, _| kept.contains(interface));
        self.roles.retain(|interface, _| kept.contains(interface));
        self.filtered.retain(|interface| kept.contains(interface));
    }

    /// This machine drops the IPv4 answers that arrive on an interface.
    pub fn note_filter(&mut self, interface: Interface) {
        self.filtered.insert(interface);
    }

    /// What an interface is called; `any` where the system chooses.
    #[must_use]
    pub fn name(&self, interface: Option<Interface>) -> String {
        let Some(index) = interface else { return "any".into() };
        self.names.get(&index).cloned().unwrap_or_else(|| format!("#{index}"))
    }

    /// What a path leaves this machine by: an interface, or ssh.
    #[must_use]
    pub fn way_out(&self, path: &net::Path) -> String {
        match path.carrier_number() {
            Some(_) => CARRIER.into(),
            None => self.name(path.local.interface),
        }
    }

    /// What a path is used for.
    fn role_of(&self, path: &net::Path) -> Role {
        match path.carrier_number() {
            Some(_) => Role::Carrier,
            None => self.role(path.local.interface),
        }
    }

    /// What an interface is used for.
    #[must_use]
    pub fn role(&self, interface: Option<Interface>) -> Role {
        interface.and_then(|index| self.roles.get(&index)).copied().unwrap_or(Role::Primary)
    }

    /// Something happened.
    pub fn note(&mut self, event: &Event, now: Instant) {
        match event {
            Event::FlowOpened { flow, .. } => {
                let standing = Standing {
                    state: FlowState::Untried,
                    since: now,
                    cause: Cause::PathUsable,
                    silent_since: None,
                    left: false,
                };
                self.standings.insert(*flow, standing);
            }
            Event::FlowState { flow, to, cause, .. } => {
                if let Some(standing) = self.standings.get_mut(flow) {
                    standing.change(*to, *cause, now);
                }
            }
            Event::Chosen { flow, previous: Some(previous), .. } if *flow != Some(*previous) => {
                if let Some(standing) = self.standings.get_mut(previous) {
                    standing.left = standing.state != FlowState::Answering;
                }
            }
            _ => {}
        }
    }

    /// Every path, as it is now.
    #[must_use]
    pub fn paths(&self, connection: &Connection, now: Instant) -> Vec<PathReport> {
        connection.flows().map(|flow| self.path(&flow, now)).collect()
    }

    fn path(&self, flow: &net::FlowReport, now: Instant) -> PathReport {
        let standing = self.standings.get(&flow.id);
        let millis = |at: Instant| now.since(at).as_millis() as u64;
        let float = |duration: Duration| duration.as_micros() as f64 / 1e3;
        let interface = flow.path.local.interface;
        let is_filtered = interface.is_some_and(|index| self.filtered.contains(&index))
            && flow.path.remote.is_ipv4()
            && flow.received() == 0;
        let reason = match () {
            () if is_filtered => FILTERED,
            () if self.here.flows.contains(&flow.id) => REFUSED_HERE,
            () => standing.map_or("", |known| known.cause.as_str()),
        };
        let state = match PathState::from(flow.state) {
            PathState::Untried | PathState::Suspect | PathState::Lost if self.refused.contains(&flow.id) => {
                PathState::Refused
            }
            state => state,
        };
        // What never answered, or does not any more, has no measurement of now.
        let measured = flow.received() > 0 && !state.is_dead();
        PathReport {
            flow: flow.id.index(),
            interface: self.way_out(&flow.path),
            local: flow.path.local.ip,
            remote: flow.path.remote,
            role: self.role_of(&flow.path),
            state,
            reason: reason.into(),
            for_ms: standing.map_or(0, |standing| millis(standing.since)),
            silent_ms: standing.and_then(|standing| standing.silent_since).map(millis),
            chosen: flow.chosen,
            left: standing.is_some_and(|standing| standing.left),
            srtt_ms: flow.srtt.map(float),
            rttvar_ms: flow.rttvar.map(float),
            loss_in: measured.then_some(flow.loss_in),
            loss_out: measured.then_some(flow.loss_out),
            sent: flow.sent(),
            received: flow.received(),
            sent_kinds: super::kinds(&flow.traffic_out),
            received_kinds: super::kinds(&flow.traffic_in),
            capacity: flow.capacity(now),
            in_flight: flow.in_flight,
            heard_ms: flow.last_heard.map(millis),
            max_datagram: flow.max_datagram,
        }
    }

    /// What is wrong with the paths, as the user is told. `all`: also with those that never carried the session.
    #[must_use]
    pub fn trouble(&self, connection: &Connection, all: bool, now: Instant) -> Option<Trouble> {
        // Nothing is formatted while all is well.
        let is_wrong = |standing: &Standing| standing.left || (all && standing.state != FlowState::Answering);
        if !self.standings.values().any(is_wrong) {
            return None;
        }
        Trouble::of(&self.paths(connection, now), all)
    }
}

impl Standing {
    fn change(&mut self, to: FlowState, cause: Cause, now: Instant) {
        let silent = |state| matches!(state, FlowState::Suspect | FlowState::Lost);
        self.silent_since = match (silent(self.state), silent(to)) {
            (true, true) => self.silent_since,
            (false, true) => Some(now),
            (_, false) => None,
        };
        // One that was never heard again is no news for ever.
        self.left &= !matches!(to, FlowState::Answering | FlowState::Untried | FlowState::Retired);
        (self.state, self.since, self.cause) = (to, now, cause);
    }
}
