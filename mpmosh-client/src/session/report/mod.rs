//! What a session's paths look like at one moment: the one shape behind the overlay, the notices, `mpmosh paths` and its
//! JSON.
//!
//! Contract: plain values, in the units that their names say. The JSON of [`SessionReport`] is stable: within one
//! [`VERSION`] fields are added, and never change their meaning or go.

mod journal;
pub mod table;
mod words;

pub use journal::{Here, Journal};
pub use words::{
    FILTERED, REFUSED_HERE, Trouble, capacities, duration, loss, milliseconds, reason, spent, standing,
};

use net::FlowState;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// The version of the shapes here, and of the control socket that carries them.
pub const VERSION: u32 = 1;

/// A session, with its paths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionReport {
    /// Its process.
    pub pid: u32,
    /// Where it goes, as the user named it; `local` without ssh, an address for `mpmosh-client`.
    pub name: String,
    /// The release of the program that carries it.
    pub release: String,
    /// Its dialect.
    pub dialect: String,
    /// `terminal` or `streams`.
    pub kind: String,
    /// How long it has lasted.
    pub age_ms: u64,
    /// How long ago the server was last heard, on any path; none: never.
    pub heard_ms: Option<u64>,
    /// Datagrams that were ignored, for any reason.
    pub discarded: u64,
    /// Every path, those that are closed included, by flow.
    pub paths: Vec<PathReport>,
    /// What was found out about this machine, in sentences for a person.
    #[serde(default)]
    pub remarks: Vec<String>,
}

impl PathReport {
    /// Whether the session is carried by it: it is chosen, and not dead.
    #[must_use]
    pub fn carries(&self) -> bool {
        self.chosen && !self.state.is_dead()
    }
}

/// One path of a session: a flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathReport {
    /// The flow's id on the wire.
    pub flow: u16,
    /// This machine's interface; `any` where the system chooses, `ssh` for a path that goes through ssh.
    pub interface: String,
    /// This machine's address; unspecified where the system chooses, one of 100::/64 (RFC 6666) that numbers the connection
    /// for a path that goes through ssh.
    pub local: IpAddr,
    /// The server's address and port; the same as `local` for a path that goes through ssh.
    pub remote: SocketAddr,
    /// What it is used for.
    pub role: Role,
    /// How it stands.
    pub state: PathState,
    /// Why, in a word or two.
    pub reason: String,
    /// For how long it has stood so.
    pub for_ms: u64,
    /// For how long an answer has been overdue; none while it answers, is down, or never answered.
    pub silent_ms: Option<u64>,
    /// Whether the session goes over it.
    pub chosen: bool,
    /// Whether the session went over it until it failed, and it has not been well since.
    pub left: bool,
    /// Smoothed round trip (RFC 6298), once measured.
    pub srtt_ms: Option<f64>,
    /// Its variation.
    pub rttvar_ms: Option<f64>,
    /// Percent lost of what the server sends on it; none where that is not known: it never answered, or does not any more.
    pub loss_in: Option<u8>,
    /// Percent lost of what is sent on it, as the server reports; none likewise.
    pub loss_out: Option<u8>,
    /// Datagrams sent on it.
    pub sent: u64,
    /// Authentic datagrams received on it.
    pub received: u64,
    /// What was sent on it, by kind.
    #[serde(default)]
    pub sent_kinds: Kinds,
    /// What was received on it, by kind.
    #[serde(default)]
    pub received_kinds: Kinds,
    /// Octets a second, headers included, that the path was seen to carry to the server within the last 30 s; none where
    /// nothing showed that, since no queue stood.
    #[serde(default)]
    pub capacity: Option<u64>,
    /// Octets, headers included, that were sent on it and are not answered yet.
    #[serde(default)]
    pub in_flight: u64,
    /// How long ago it was last heard; none: never.
    pub heard_ms: Option<u64>,
    /// Octets of UDP payload that a datagram on it may have, as far as is known.
    pub max_datagram: usize,
}

/// What went one way over a path, by what it was sent for: `data`, `copy`, `ack`, `probe`, `answer`, `padded` or `addr`.
pub type Kinds = BTreeMap<String, Volume>;

/// So much of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Datagrams.
    pub datagrams: u64,
    /// Their octets, those of the IP and UDP headers included.
    pub octets: u64,
}

/// A path's traffic, as it is told. Kinds that share a word are one.
pub(crate) fn kinds(traffic: &net::Traffic) -> Kinds {
    let mut kinds = Kinds::new();
    for (kind, count) in traffic.iter() {
        let volume: &mut Volume = kinds.entry(kind.as_str().to_owned()).or_default();
        volume.datagrams += count.datagrams;
        volume.octets += count.octets;
    }
    kinds
}

/// What a path is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// For the session.
    Primary,
    /// When every primary one fails, by the user's wish.
    Backup,
    /// The same, because its traffic costs money.
    Metered,
    /// Where UDP does not pass: it goes through ssh.
    Carrier,
}

/// What a path that goes through ssh leaves by.
pub const CARRIER: &str = "ssh";

impl Role {
    /// The word used in tables, JSON and traces.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Backup => "backup",
            Self::Metered => "metered",
            Self::Carrier => "carrier",
        }
    }
}

/// How a path stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathState {
    /// Answers what is sent on it.
    Answering,
    /// Never answered yet.
    Untried,
    /// An answer is overdue.
    Suspect,
    /// Several answers are overdue.
    Lost,
    /// No answers, and the network says that nobody listens at the server's port.
    Refused,
    /// Its interface, address or route is gone, or the system refuses to send on it.
    Down,
    /// Never answered, and is not tried any more until the network changes.
    Retired,
}

impl PathState {
    /// The word used in tables, JSON and traces.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answering => "answering",
            Self::Untried => "untried",
            Self::Suspect => "suspect",
            Self::Lost => "lost",
            Self::Refused => "refused",
            Self::Down => "down",
            Self::Retired => "retired",
        }
    }

    /// Whether nothing that is sent on it arrives, as far as is known.
    #[must_use]
    pub fn is_dead(self) -> bool {
        matches!(self, Self::Lost | Self::Refused | Self::Down | Self::Retired)
    }
}

impl From<FlowState> for PathState {
    fn from(state: FlowState) -> Self {
        match state {
            FlowState::Answering => Self::Answering,
            FlowState::Untried => Self::Untried,
            FlowState::Suspect => Self::Suspect,
            FlowState::Lost => Self::Lost,
            FlowState::Suspended => Self::Down,
            FlowState::Retired => Self::Retired,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A path of `interface` that stands so, for as many seconds.
    pub(crate) fn path(interface: &str, state: PathState, seconds: u64) -> PathReport {
        let overdue = matches!(state, PathState::Suspect | PathState::Lost | PathState::Refused);
        PathReport {
            flow: 0,
            interface: interface.into(),
            local: [192, 0, 2, 10].into(),
            remote: ([203, 0, 113, 1], 60001).into(),
            role: Role::Primary,
            state,
            reason: "answer".into(),
            for_ms: seconds * 1000,
            silent_ms: overdue.then_some(seconds * 1000),
            chosen: false,
            left: false,
            srtt_ms: Some(40.25),
            rttvar_ms: Some(3.5),
            loss_in: (!state.is_dead()).then_some(0),
            loss_out: (!state.is_dead()).then_some(2),
            sent: 120,
            received: 118,
            sent_kinds: [("data".to_owned(), Volume { datagrams: 120, octets: 13_560 })].into(),
            received_kinds: Kinds::new(),
            capacity: None,
            in_flight: 113,
            heard_ms: Some(80),
            max_datagram: 1252,
        }
    }

    #[test]
    fn the_json_keeps_its_shape() {
        let session = SessionReport {
            pid: 4711,
            name: "host".into(),
            release: "1.2.3".into(),
            dialect: "multipath".into(),
            kind: "terminal".into(),
            age_ms: 60_000,
            heard_ms: Some(80),
            discarded: 3,
            paths: vec![path("wlan0", PathState::Suspect, 2)],
            remarks: vec!["eth9 is not used".into()],
        };
        let json = serde_json::to_string(&session).unwrap();
        let expected = concat!(
            r#"{"pid":4711,"name":"host","release":"1.2.3","dialect":"multipath","kind":"terminal","age_ms":60000,"#,
            r#""heard_ms":80,"discarded":3,"paths":[{"flow":0,"interface":"wlan0","local":"192.0.2.10","#,
            r#""remote":"203.0.113.1:60001","role":"primary","state":"suspect","reason":"answer","for_ms":2000,"#,
            r#""silent_ms":2000,"chosen":false,"left":false,"srtt_ms":40.25,"rttvar_ms":3.5,"loss_in":0,"loss_out":2,"#,
            r#""sent":120,"received":118,"sent_kinds":{"data":{"datagrams":120,"octets":13560}},"received_kinds":{},"capacity":null,"in_flight":113,"#,
            r#""heard_ms":80,"max_datagram":1252}],"remarks":["eth9 is not used"]}"#
        );
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<SessionReport>(&json).unwrap(), session);
    }

    #[test]
    fn words_and_json_are_the_same() {
        for state in [
            PathState::Answering,
            PathState::Untried,
            PathState::Suspect,
            PathState::Lost,
            PathState::Refused,
            PathState::Down,
            PathState::Retired,
        ] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for role in [Role::Primary, Role::Backup, Role::Metered, Role::Carrier] {
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
    }
}
