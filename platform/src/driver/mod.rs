//! What any program needs around a [`net::Connection`]: sockets, interfaces, routes, the rule of a VPN, errors of the network,
//! and the machine's sleep.
//!
//! Contract: a [`Driver`] serves a [`Machine`], the pure half of a program. A turn of the loop is
//!
//! 1. [`Driver::transmit`], which sends what the machine has to say, and [`Driver::choose_paths`] when the machine asks which
//!    paths have a route ([`net::Event::CandidatesChanged`]);
//! 2. a wait for what [`Driver::watch`] adds to the program's own descriptors, no longer than [`Driver::timeout`];
//! 3. [`Driver::handle_ready`], which tells the machine what has happened, then whatever else the program has to tell it, and
//!    [`Driver::handle_timeout`] last;
//! 4. [`Driver::poll_notice`] until there is none, for a program that tells its user.
//!
//! [`Driver::begin`] comes before the first turn. Nothing here waits. A program that has no other descriptors, and no
//! machine of its own, uses a [`Conversation`], which does all this.

mod conversation;
mod numbering;
mod routes;
#[cfg(test)]
mod tests;

pub use conversation::{Conversation, Happening, NotSent, Options, Payload, Repeats};
pub use routes::{Bypass, usable_paths};

use crate::changes::{ChangeTokens, Changes};
use crate::clock;
use crate::interfaces::{self, Interface};
use crate::udp::{Endpoint, IcmpError, IcmpKind};
use crate::wait::{Ready, Tokens, Waiter};
use net::{Candidate, Instant, InterfaceKind, Path, Received, Role, SendError, Transmit};
use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

/// The largest datagram worth reading.
const DATAGRAM: usize = 2048;

/// The pure half of a program, as a driver serves it: a [`net::Connection`] and what is built on it.
pub trait Machine {
    /// A datagram has arrived.
    fn handle_datagram(&mut self, received: Received<'_>, now: Instant);
    /// A datagram could not be sent: the local system's fault.
    fn handle_send_error(&mut self, path: &Path, error: SendError, now: Instant);
    /// The network says why a path does not work: a hint, which anyone may have forged.
    fn handle_refusal(&mut self, path: &Path, kind: IcmpKind, now: Instant);
    /// A router says how large a packet a path takes: a hint likewise.
    fn handle_packet_too_big(&mut self, path: &Path, mtu: u32, now: Instant);
    /// The machine's interfaces, now, and which of their addresses may be used for what.
    fn handle_interfaces(&mut self, interfaces: &[Interface], candidates: &[Candidate], now: Instant);
    /// The pairs of addresses that could be paths. A server has none: it answers where it is spoken to.
    fn candidate_paths(&self) -> Vec<Path> {
        Vec::new()
    }
    /// Those of them that have a route.
    fn handle_paths(&mut self, _usable: &[Path], _now: Instant) {}
    /// The machine slept, or this process was stopped.
    fn handle_resume(&mut self, slept: Duration, now: Instant);
    /// The time that [`Self::poll_timeout`] named has come.
    fn handle_timeout(&mut self, now: Instant);
    /// The next datagram to send now.
    fn poll_transmit(&mut self, now: Instant) -> Option<Transmit>;
    /// When [`Self::handle_timeout`] is due.
    fn poll_timeout(&self, now: Instant) -> Option<Instant>;
    /// Whether somebody waits for what the network brings: then it is looked at more often where the system gives no notice
    /// of its changes.
    fn is_active(&self, now: Instant) -> bool;
}

/// What a program wants of the machine's interfaces.
pub trait Policy {
    /// Which addresses may carry the conversation, and for what.
    fn candidates(&self, interfaces: &[Interface]) -> Vec<Candidate>;

    /// Whether an interface, called so, may be used although a VPN takes all traffic: choosing the interface of a datagram
    /// must not be a hole in a VPN that nobody asked for.
    fn may_bypass(&self, _interface: &str) -> bool {
        false
    }
}

/// Every address of every interface but those that the machine made for its guests; cellular ones are metered.
#[derive(Clone, Copy, Debug, Default)]
pub struct EveryInterface;

impl Policy for EveryInterface {
    fn candidates(&self, interfaces: &[Interface]) -> Vec<Candidate> {
        let usable = interfaces.iter().filter(|interface| interface.kind != InterfaceKind::Bridge);
        usable.flat_map(|interface| candidates_of(interface, Role::Primary)).collect()
    }
}

/// The addresses of an interface as candidates, those that conversations which began there may go on from among them.
/// Cellular interfaces are metered; the peer is told of what is fresh.
#[must_use]
pub fn candidates_of(interface: &Interface, role: Role) -> Vec<Candidate> {
    let fresh = interface.sources().into_iter().map(|addr| (addr, false));
    let lingering = interface.lingering().into_iter().map(|addr| (addr, true));
    let all = fresh.chain(lingering).map(|(addr, lingers)| {
        let mut candidate = Candidate::new(addr, interface.kind);
        candidate.role = role;
        candidate.metered = interface.kind == InterfaceKind::Cellular;
        candidate.mtu = interface.mtu;
        candidate.lists = !lingers;
        candidate.lingers = lingers;
        candidate
    });
    all.collect()
}

/// Something that a user may be told, or a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The machine slept, or this process was stopped.
    Resumed(Duration),
    /// A datagram was not sent.
    Unsent(Path, SendError),
    /// The network refused one.
    Refused(IcmpError),
    /// The interfaces were looked at: these may be used.
    Candidates(Vec<Candidate>),
    /// An interface is left out because a VPN takes all traffic.
    Bypassed(Bypass),
}

/// Serves a [`Machine`].
pub struct Driver {
    endpoint: Endpoint,
    policy: Box<dyn Policy + Send>,
    changes: Changes,
    /// The only address at which datagrams are taken.
    only: Option<IpAddr>,
    notices: VecDeque<Notice>,
    buffer: Box<[u8]>,
    /// When the machine wanted to be woken by the wait that is on.
    due: Option<Instant>,
    /// When the look at the interfaces began whose paths are still being asked for.
    looking: Option<Instant>,
}

/// What a [`Driver`] waits for in a turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct DriverTokens {
    changes: ChangeTokens,
    sockets: Tokens,
}

impl Driver {
    /// Drives these sockets over the interfaces that the policy allows.
    ///
    /// # Errors
    /// The network cannot be watched: the system has no more descriptors.
    pub fn new(endpoint: Endpoint, policy: impl Policy + Send + 'static) -> io::Result<Self> {
        Ok(Self {
            endpoint,
            policy: Box::new(policy),
            changes: Changes::new()?,
            only: None,
            notices: VecDeque::new(),
            buffer: vec![0; DATAGRAM].into(),
            due: None,
            looking: None,
        })
    }

    /// The sockets.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Another policy holds from now on; [`Self::begin`] tells the machine what follows from it.
    pub fn obey(&mut self, policy: impl Policy + Send + 'static) {
        self.policy = Box::new(policy);
    }

    /// Takes datagrams at this address alone; `None`: at every one.
    #[must_use]
    pub fn only_at(mut self, address: Option<IpAddr>) -> Self {
        self.only = address;
        self
    }

    /// Tells the machine of the interfaces for the first time.
    pub fn begin(&mut self, machine: &mut impl Machine) {
        let interfaces = interfaces::list();
        let candidates = self.policy.candidates(&interfaces);
        machine.handle_interfaces(&interfaces, &candidates, clock::now());
        self.notices.push_back(Notice::Candidates(candidates));
    }

    /// Sends what the machine has to say, until it has nothing more to say now.
    pub fn transmit(&mut self, machine: &mut impl Machine) {
        while let Some(transmit) = machine.poll_transmit(clock::now()) {
            if let Err(error) = self.endpoint.send(&transmit) {
                self.changes.handle_send_error(error);
                self.notices.push_back(Notice::Unsent(transmit.path, error));
                machine.handle_send_error(&transmit.path, error, clock::now());
            }
        }
    }

    /// Tells the machine which of its candidate paths have a route, and do not lead around a VPN.
    pub fn choose_paths(&mut self, machine: &mut impl Machine) {
        let (paths, left_out) = usable_paths(machine.candidate_paths(), &*self.policy);
        machine.handle_paths(&paths, clock::now());
        self.notices.extend(left_out.into_iter().map(Notice::Bypassed));
    }

    /// Waits for datagrams and for changes of the network.
    pub fn watch<'fd>(&'fd self, waiter: &mut Waiter<'fd>) -> DriverTokens {
        DriverTokens { changes: self.changes.watch(waiter), sockets: self.endpoint.watch(waiter) }
    }

    /// How long to wait at most.
    pub fn timeout(&mut self, machine: &impl Machine) -> Option<Duration> {
        if let Some(began) = self.looking.take() {
            // The routes of new paths have been asked for by now, too.
            self.changes.end_look(began);
        }
        let now = clock::now();
        self.due = machine.poll_timeout(now);
        let change = self.changes.timeout(machine.is_active(now), now);
        [self.due.map(|at| at.since(now)), change].into_iter().flatten().min()
    }

    /// A wait is over: tells the machine of a sleep, of what has arrived, and of changes of the network.
    pub fn handle_ready(&mut self, ready: &Ready, tokens: DriverTokens, machine: &mut impl Machine) {
        self.changes.handle_ready(ready, tokens.changes);
        if let Some(slept) = self.changes.slept(self.due) {
            self.notices.push_back(Notice::Resumed(slept));
            machine.handle_resume(slept, clock::now());
        }
        self.receive(ready, tokens.sockets, machine);
        if let Some(began) = self.changes.begin_look() {
            self.looking = Some(began);
            self.endpoint.handle_network_change();
            self.begin(machine);
        }
    }

    fn receive(&mut self, ready: &Ready, sockets: Tokens, machine: &mut impl Machine) {
        let only = self.only;
        let taken = self.endpoint.receive(ready, sockets, &mut self.buffer, |received| {
            if only.is_none_or(|only| only == received.path.local.ip) {
                machine.handle_datagram(received, clock::now());
            }
        });
        if let Err(error) = taken {
            log::debug!("receiving: {error}");
        }
        for error in self.endpoint.take_errors() {
            log::debug!("the network says {:?} of {:?}", error.kind, error.path);
            match error.kind {
                IcmpKind::TooBig(mtu) => machine.handle_packet_too_big(&error.path, mtu, clock::now()),
                kind => machine.handle_refusal(&error.path, kind, clock::now()),
            }
            self.notices.push_back(Notice::Refused(error));
        }
    }

    /// Lets the machine do what is due. Last in a turn.
    pub fn handle_timeout(&mut self, machine: &mut impl Machine) {
        let now = clock::now();
        if machine.poll_timeout(now).is_some_and(|at| at <= now) {
            machine.handle_timeout(now);
        }
    }

    /// What a user may be told, or a trace: the oldest first.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }
}
