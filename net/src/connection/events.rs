//! What the connection tells: enough for a trace of one line per event.

use crate::flow::{BELIEVED, Flow};
use crate::{Discard, FlowId, FlowState, LocalAddr, Path};
use alloc::collections::VecDeque;
use core::net::SocketAddr;
use core::time::Duration;

/// Why something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// An answer arrived.
    Answer,
    /// An answer is overdue.
    Overdue,
    /// Another flow of the same interface is suspect.
    SharedFate,
    /// The interface, the address or the route is gone.
    PathGone,
    /// The interface, the address or the route is there (again).
    PathUsable,
    /// The local system refused to send.
    SendError,
    /// It never answered.
    NeverAnswered,
    /// Another flow costs less.
    Cheaper,
    /// The flow that carried the traffic failed.
    Failure,
    /// The newest in-order payload came on it.
    PeerChose,
    /// A preferred address of its network answers in its place.
    Superseded,
    /// Its id was needed for another path.
    Rebound,
    /// Its sequence numbers are used up.
    Spent,
    /// The machine slept: nothing that was known is known any more.
    Slept,
}

impl Cause {
    /// A few words for a trace.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Overdue => "overdue",
            Self::SharedFate => "shared fate",
            Self::PathGone => "path gone",
            Self::PathUsable => "path usable",
            Self::SendError => "send error",
            Self::NeverAnswered => "never answered",
            Self::Cheaper => "cheaper",
            Self::Failure => "failure",
            Self::PeerChose => "peer chose",
            Self::Superseded => "superseded",
            Self::Rebound => "rebound",
            Self::Spent => "spent",
            Self::Slept => "slept",
        }
    }
}

/// What a datagram was sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SentKind {
    /// A payload.
    Data,
    /// The same payload on another flow.
    Copy,
    /// A payload that says nothing but what arrived, and asks for nothing.
    Acknowledgement,
    /// A probe that asks for an answer.
    Probe,
    /// An answer without a payload.
    Answer,
    /// A question for the server's addresses.
    AddressRequest,
    /// The server's addresses.
    AddressList,
    /// What a server says by itself after a silence, so that a client learns how long it may be silent.
    LateWord,
    /// A padded probe, which asks whether a size passes.
    PaddedProbe,
}

impl SentKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: &'static [Self] = &[
        Self::Data,
        Self::Copy,
        Self::Acknowledgement,
        Self::Probe,
        Self::Answer,
        Self::AddressRequest,
        Self::AddressList,
        Self::LateWord,
        Self::PaddedProbe,
    ];

    /// Whether it carries a payload.
    #[must_use]
    pub const fn is_payload(self) -> bool {
        matches!(self, Self::Data | Self::Copy | Self::Acknowledgement)
    }

    /// The word used in traces, tables and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Copy => "copy",
            Self::Acknowledgement => "ack",
            Self::Probe | Self::LateWord => "probe",
            Self::Answer => "answer",
            Self::AddressRequest | Self::AddressList => "addr",
            Self::PaddedProbe => "padded",
        }
    }
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The possible paths changed, or the routes may have: filter [`crate::Connection::candidate_paths`] by route
    /// and call [`crate::Connection::handle_paths`].
    CandidatesChanged,
    /// A flow id was bound to a path.
    FlowOpened {
        /// The flow.
        flow: FlowId,
        /// Its path.
        path: Path,
    },
    /// A flow stands otherwise than before.
    FlowState {
        /// The flow.
        flow: FlowId,
        /// How it stood.
        from: FlowState,
        /// How it stands.
        to: FlowState,
        /// Why.
        cause: Cause,
    },
    /// Payloads go on another flow from now on.
    Chosen {
        /// The flow; `None` when there is none.
        flow: Option<FlowId>,
        /// The one before.
        previous: Option<FlowId>,
        /// Why.
        cause: Cause,
    },
    /// A round trip was measured.
    Rtt {
        /// The flow.
        flow: FlowId,
        /// The measurement.
        sample: Duration,
        /// The estimate after it.
        srtt: Duration,
    },
    /// A datagram was handed out to be sent.
    Sent {
        /// The flow.
        flow: FlowId,
        /// What for.
        kind: SentKind,
        /// Octets of UDP payload.
        bytes: usize,
    },
    /// An authentic datagram arrived, for the first time.
    Received {
        /// The flow.
        flow: FlowId,
        /// What the peer sent it for.
        kind: SentKind,
        /// Octets of UDP payload.
        bytes: usize,
    },
    /// A datagram was ignored.
    Discarded {
        /// Why.
        reason: Discard,
        /// Where it came from.
        from: SocketAddr,
        /// Where it arrived.
        at: LocalAddr,
    },
    /// A flow sends from another port from now on.
    Hopped {
        /// The flow.
        flow: FlowId,
        /// The port's number, as in [`crate::Transmit::port_generation`].
        port_generation: u32,
    },
    /// A payload's answer is overdue: send the newest state again at once, unless the peer has acknowledged it. It goes on
    /// this flow and on another.
    PathSuspect {
        /// The flow.
        flow: FlowId,
    },
    /// The flow that carried the payloads is gone: send the newest state again at once. It goes on another flow.
    PathLost {
        /// The flow.
        flow: FlowId,
    },
    /// Nothing answered, and now this flow does (or the machine woke up): send the newest state at once.
    /// SPEC \[X-7].
    PathRevived {
        /// The flow.
        flow: FlowId,
        /// It was silent for less than 10 s, and the peer knows to speak there: only what it has not acknowledged needs to
        /// be sent again.
        briefly: bool,
    },
    /// Nothing has answered for 10 s, and again 10 s later: the server may be elsewhere by now. Ask the name service
    /// anew, and tell with [`crate::Connection::add_remotes`] (clients).
    AllSilent,
    /// UDP does not answer: open a carrier, and tell with [`crate::Connection::open_carrier`] (clients).
    CarrierWanted,
    /// A carrier is not needed any more, and its flow is closed, or will be once the owner says so.
    CarrierUnneeded {
        /// Which; `None`: all, and any that is being opened.
        number: Option<u16>,
    },
    /// The server listed its addresses.
    AddressesLearned {
        /// How many.
        count: usize,
    },
    /// The address that the server sees this client have.
    Observed {
        /// The flow.
        flow: FlowId,
        /// The address.
        address: SocketAddr,
    },
    /// The peer is on another address (servers): validated, or the dialect has no means to.
    Roamed {
        /// The flow.
        flow: FlowId,
        /// The new path.
        path: Path,
    },
    /// Datagrams of a flow may have another size from now on. SPEC \[M-4].
    DatagramSize {
        /// The flow.
        flow: FlowId,
        /// Octets of UDP payload, at most.
        octets: usize,
        /// What went in larger datagrams lately is lost: send the newest state again at once, in pieces that fit.
        repeat: bool,
    },
    /// A client is there (servers).
    Attached,
    /// Nothing was heard from the client for 40 s: nothing is sent until it is heard again (servers).
    Detached,
    /// The key has been used as much as it may be: nothing can be sent any more. Ends the association.
    KeySpent,
}

impl Event {
    /// Whether it may come with every datagram; what does not is news of the paths.
    #[must_use]
    pub const fn is_routine(&self) -> bool {
        matches!(self, Self::Rtt { .. } | Self::Sent { .. } | Self::Received { .. } | Self::Discarded { .. })
    }
}

/// Events waiting for an owner who does not ask; the oldest are dropped.
const MOST_EVENTS: usize = 4096;

/// What waits to be told, oldest first.
#[derive(Debug, Default)]
pub(super) struct Events(VecDeque<Event>);

impl Events {
    pub(super) fn emit(&mut self, event: Event) {
        if self.0.len() >= MOST_EVENTS {
            self.0.pop_front();
        }
        self.0.push_back(event);
    }

    pub(super) fn poll(&mut self) -> Option<Event> {
        self.0.pop_front()
    }

    /// Changes how a flow stands, and tells.
    pub(super) fn set_state(&mut self, flow: &mut Flow, to: FlowState, cause: Cause) {
        let from = core::mem::replace(&mut flow.binding.state, to);
        if from != to {
            self.emit(Event::FlowState { flow: flow.id, from, to, cause });
        }
    }

    /// Nothing more is sent on a flow, and nothing is due on it.
    pub(super) fn close(&mut self, flow: &mut Flow, to: FlowState, cause: Cause) {
        flow.binding.settle();
        self.set_state(flow, to, cause);
    }
}

/// Why the connection wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// An answer is to be sent.
    Answer(FlowId),
    /// An answer will be overdue.
    Overdue(FlowId),
    /// A probe is to be sent.
    Probe(FlowId),
    /// The search for a flow's MTU goes on, or a padded probe is lost.
    Mtu(FlowId),
    /// A flow's loss is over: it may be the best one again.
    Loss(FlowId),
    /// A flow on which the local system refused to send is to be tried again.
    Retry(FlowId),
    /// The server's addresses are to be asked for.
    AddressRequest,
    /// A client asked to be told something by now.
    LateWord,
    /// All flows are silent: change the port.
    PortHop,
    /// UDP does not answer, or has done so for long: a carrier is wanted, or those there are have served.
    Carrier,
    /// The client will be taken for gone.
    Detach,
}

/// One flow, as a person or a trace sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlowReport {
    /// Its id.
    pub id: FlowId,
    /// Its path.
    pub path: Path,
    /// How it stands.
    pub state: FlowState,
    /// Whether payloads go on it.
    pub chosen: bool,
    /// Smoothed round-trip time, once measured.
    pub srtt: Option<Duration>,
    /// Its variation.
    pub rttvar: Option<Duration>,
    /// The paper's idle time.
    pub idle: Duration,
    /// Percent lost of what arrives here.
    pub loss_in: u8,
    /// Percent lost of what is sent, as the peer reports.
    pub loss_out: u8,
    /// What was sent, by kind.
    pub traffic_out: crate::Traffic,
    /// What was received, by kind; a copy counts as what it is a copy of.
    pub traffic_in: crate::Traffic,
    /// What its path was last seen to carry towards the peer, in octets a second, headers included, and when a queue last
    /// showed it.
    pub carries: Option<(u64, crate::Instant)>,
    /// Octets that were sent and are not answered yet, headers included; where every datagram is answered.
    pub in_flight: u64,
    /// When one was last received in order.
    pub last_heard: Option<crate::Instant>,
    /// When an answer was last received.
    pub last_answered: Option<crate::Instant>,
    /// Which of the client's ports it uses.
    pub port_generation: u32,
    /// Octets of UDP payload that a datagram may have on it.
    pub max_datagram: usize,
    /// Octets that the local system takes, where a finished search found that the path takes less and that nothing on it
    /// says so: larger datagrams vanish. Known only where [`crate::Config::hears_routers`].
    pub swallowed: Option<usize>,
}

impl FlowReport {
    /// Datagrams sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.traffic_out.total().datagrams
    }

    /// What its path carries towards the peer, in octets a second, as far as that is still believed. SPEC \[B-1].
    #[must_use]
    pub fn capacity(&self, now: crate::Instant) -> Option<u64> {
        self.carries.filter(|(_, at)| now.since(*at) < BELIEVED).map(|(octets, _)| octets)
    }

    /// Authentic datagrams received.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.traffic_in.total().datagrams
    }
}
