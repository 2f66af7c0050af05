//! Who answers what, and how long an answer may be held: the one table of it. Contract: pure. What a datagram is sent
//! for decides whether it has a timestamp, whether the peer owes it an answer, and whether it returns the peer's own
//! timestamp ([`terms`]); what arrives decides what is owed ([`claim`]) and what is proved ([`is_proof`]).
//!
//! SPEC \[P-7], \[F-3]; paper §3.3. In the dialect of the paper's authors only a server answers, and only probes: \[D-3].

use crate::wire::{Header, Kind, Traits};
use crate::{SentKind, Side};
use core::time::Duration;

/// How long a server may hold its answer to a payload, in case its own payload can carry it: the paper's `max_delack`.
pub(crate) const MAX_DELACK: Duration = Duration::from_millis(5);
/// How long a client may hold its answer to a payload at most, where no queue stands: a tenth of a round trip is little
/// beside it, and often enough for the next key to carry the answer.
const LONGEST: Duration = Duration::from_millis(30);
/// The same where a queue stands, since whatever is sent makes it longer, and for copies: the next key is seldom further
/// away.
const PATIENT: Duration = Duration::from_millis(100);

/// When a datagram returns the peer's timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Never,
    /// If the peer waits for it.
    IfOwed,
    /// If the peer does not wait for it: it measures then, and is no answer.
    UnlessOwed,
    /// If there is one.
    Always,
}

/// What a datagram asks for and brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// It has a timestamp, which the peer returns in its next answer or question.
    pub(crate) stamped: bool,
    /// It proves an address when it is answered ([K-7]).
    pub(crate) asks: bool,
    /// An answer to it is due, and its absence makes the flow suspect.
    pub(crate) awaited: bool,
    pub(crate) reply: Reply,
}

/// What a datagram that `side` sends for this purpose asks for and brings.
pub(crate) fn terms(side: Side, traits: &Traits, kind: SentKind) -> Terms {
    use SentKind as K;
    let stamped = match (side, kind) {
        (_, K::Acknowledgement | K::LateWord) => false,
        // A server's answer asks for nothing either, but the client returns its timestamp with the next question, and
        // that measures the flow for the server.
        (Side::Client, K::Answer) => !traits.probes,
        _ => true,
    };
    let asks = matches!(kind, K::Data | K::Copy | K::Probe | K::AddressRequest);
    let awaited = match (traits.probes, traits.payloads_answered) {
        (false, _) => false,
        (true, true) => asks,
        (true, false) => side == Side::Client && kind == K::Probe,
    };
    let reply = match (side, kind) {
        _ if !traits.payloads_answered => Reply::Always,
        // What may well be lost carries nothing that the peer waits for.
        (_, K::PaddedProbe) => Reply::Never,
        // A client's question is no answer, and a server's question must not look like one.
        (Side::Client, K::Probe | K::AddressRequest) => Reply::UnlessOwed,
        (Side::Client, _) => Reply::IfOwed,
        (Side::Server, K::Probe | K::LateWord) => Reply::Never,
        (Side::Server, _) => Reply::Always,
    };
    Terms { stamped, asks, awaited, reply }
}

/// What the peer of `side` sent a datagram for.
pub(crate) fn purpose(side: Side, traits: &Traits, header: &Header, payload: &[u8]) -> SentKind {
    match (header.kind, side) {
        (Kind::Data, _) if traits.payloads_answered && header.timestamp.is_none() => {
            SentKind::Acknowledgement
        }
        (Kind::Data, _) => SentKind::Data,
        (Kind::Addresses, Side::Client) => SentKind::AddressList,
        (Kind::Addresses, Side::Server) => SentKind::AddressRequest,
        (Kind::Probe, _) if !payload.is_empty() => SentKind::PaddedProbe,
        // A client's answer asks for nothing; a server's probe answers nothing.
        (Kind::Probe, Side::Server) if header.timestamp.is_none() => SentKind::Answer,
        (Kind::Probe, Side::Client) if header.timestamp_reply.is_some() => SentKind::Answer,
        (Kind::Probe, _) => SentKind::Probe,
    }
}

/// What an in-order datagram claims of `side`, which received it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Nothing; its timestamp, if it has one, is returned when something is sent anyhow.
    Nothing,
    /// An answer within [`hold`].
    Soon,
    /// An answer at once.
    AtOnce,
}

/// What a datagram with this header claims of `side`, which received it.
pub(crate) fn claim(side: Side, traits: &Traits, header: &Header) -> Claim {
    if !traits.probes || header.timestamp.is_none() {
        return Claim::Nothing;
    }
    match (side, header.kind) {
        (Side::Client, _) if !traits.payloads_answered => Claim::Nothing,
        (_, Kind::Data) => Claim::Soon,
        (Side::Server, Kind::Probe) => Claim::AtOnce,
        // Only a probe that answers nothing asks the client for an answer: a server that answers every probe would answer
        // this answer too, and so for ever.
        (Side::Client, Kind::Probe) if header.timestamp_reply.is_none() => Claim::AtOnce,
        // A list answers a request, at the server's own pace ([A-2]).
        (Side::Client, Kind::Probe) | (_, Kind::Addresses) => Claim::Nothing,
    }
}

/// Whether the peer waits for its timestamp to come back from `side`.
pub(crate) fn is_owed(side: Side, traits: &Traits, header: &Header) -> bool {
    side == Side::Server || claim(side, traits, header) != Claim::Nothing
}

/// Whether the timestamp that comes back in this header proves that all that `side` sent until then has arrived. A
/// client's question returns whatever it heard last, which may be long ago: that measures and proves nothing. Where
/// payloads are not answered, only a server's probe is told from a held reply; its client asks nothing, and whatever it
/// returns names the place where it is.
pub(crate) fn is_proof(side: Side, traits: &Traits, header: &Header) -> bool {
    match (side, traits.payloads_answered) {
        (Side::Client, true) | (Side::Server, false) => true,
        (Side::Client, false) => !traits.probes || header.kind == Kind::Probe,
        (Side::Server, true) => header.kind == Kind::Data || header.timestamp.is_none(),
    }
}

/// How long `side` may hold its answer to a payload. `patient`: a queue stands on the path, or the payload is a copy of one
/// that went on another flow as well, whose answer tells enough.
pub(crate) fn hold(side: Side, srtt: Duration, patient: bool) -> Duration {
    match side {
        Side::Server => MAX_DELACK,
        Side::Client if patient => PATIENT,
        Side::Client => (srtt / 10).clamp(MAX_DELACK, LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_holds_its_answer_for_a_tenth_of_the_round_trip_within_5_and_30_ms() {
        let held = |srtt: u64, queued| hold(Side::Client, Duration::from_millis(srtt), queued).as_millis();
        assert_eq!([0, 40, 100, 300, 700].map(|srtt| held(srtt, false)), [5, 5, 10, 30, 30]);
        assert_eq!([0, 40, 700].map(|srtt| held(srtt, true)), [100, 100, 100]);
        let server = |queued| hold(Side::Server, Duration::from_millis(700), queued);
        assert_eq!([server(false), server(true)], [MAX_DELACK; 2]);
    }
}
