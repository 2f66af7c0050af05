//! Every reason for which something the peer sent may be ignored. Contract: a discard is counted, never fatal, and
//! leaves the session as if the datagram had been lost.

/// Why something from the peer was ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Discard {
    /// A payload shorter than the fragment header.
    #[error("payload shorter than a fragment header")]
    ShortPayload,
    /// A fragment that contradicts one already held: other contents, or another end.
    #[error("fragment contradicts an earlier one")]
    FragmentMismatch,
    /// Compressed data that is not a zlib stream (RFC 1950).
    #[error("not a zlib stream")]
    Inflate,
    /// An instruction larger than is taken: 4 MiB, or less where less is enough.
    #[error("instruction too large")]
    TooBig,
    /// Bytes that are not the protobuf message they should be.
    #[error("unparsable message")]
    Protobuf,
    /// Another protocol version than 2.
    #[error("protocol version mismatch")]
    Version,
    /// A diff from a state that this end does not hold: lost, thrown away, or replayed.
    #[error("diff from an unknown state")]
    UnknownBase,
    /// An order to throw away the very state that the diff starts from.
    #[error("throwaway beyond the base state")]
    Throwaway,
    /// States that hold more memory than is given to any peer.
    #[error("states that hold too much memory")]
    Quenched,
    /// A terminal size of zero, negative, or absurdly large.
    #[error("impossible terminal size")]
    Size,
    /// An echo acknowledgement that goes back.
    #[error("echo acknowledgement going back")]
    EchoAck,
    /// A screen diff that makes a terminal answer; the answers were dropped.
    #[error("screen diff that asks for an answer")]
    AnswerBack,
    /// A screen diff that asks for more work than any screen takes.
    #[error("screen diff that asks for endless work")]
    Work,
    /// Stream data outside of the window that was offered, or after the end of the stream, or contradicting it.
    #[error("stream data out of bounds")]
    StreamBounds,
    /// A stream that does not exist in this direction.
    #[error("unknown stream")]
    UnknownStream,
}

impl Discard {
    /// Every reason, in the order of their counters.
    pub const ALL: [Self; 15] = [
        Self::ShortPayload,
        Self::FragmentMismatch,
        Self::Inflate,
        Self::TooBig,
        Self::Protobuf,
        Self::Version,
        Self::UnknownBase,
        Self::Throwaway,
        Self::Quenched,
        Self::Size,
        Self::EchoAck,
        Self::AnswerBack,
        Self::Work,
        Self::StreamBounds,
        Self::UnknownStream,
    ];
}

/// What a peer does after which there is no going on with it: what it says from then on is based on what was refused. No
/// peer in good order does it, and no network can make it look so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Breach {
    /// A screen of a size that this end never asked for: columns and rows.
    Size(i32, i32),
    /// An instruction longer than so many octets.
    Length(usize),
    /// A screen diff that asks for more work than any screen takes.
    Work,
    /// States that hold more octets of memory than this.
    Memory(usize),
}

impl Breach {
    const fn discard(self) -> Discard {
        match self {
            Self::Size(..) => Discard::Size,
            Self::Length(_) => Discard::TooBig,
            Self::Work => Discard::Work,
            Self::Memory(_) => Discard::Quenched,
        }
    }
}

/// How often each [`Discard`] happened, and the first [`Breach`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discards {
    counts: [u64; Discard::ALL.len()],
    breach: Option<Breach>,
}

impl Discards {
    /// Counts one.
    pub fn count(&mut self, discard: Discard) {
        if let Some(counter) = self.counts.get_mut(discard as usize) {
            *counter = counter.saturating_add(1);
        }
    }

    /// Notes a breach; what is then to be counted.
    pub(crate) fn note(&mut self, breach: Breach) -> Discard {
        self.breach.get_or_insert(breach);
        breach.discard()
    }

    /// The first breach, if there was one.
    #[must_use]
    pub fn breach(&self) -> Option<Breach> {
        self.breach
    }

    /// How often `discard` happened.
    #[must_use]
    pub fn of(&self, discard: Discard) -> u64 {
        self.counts.get(discard as usize).copied().unwrap_or(0)
    }

    /// Every reason that occurred, with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Discard, u64)> + '_ {
        Discard::ALL.into_iter().map(|discard| (discard, self.of(discard))).filter(|(_, count)| *count > 0)
    }

    /// How many in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter() {
        let mut discards = Discards::default();
        for (index, discard) in Discard::ALL.into_iter().enumerate() {
            assert_eq!(discard as usize, index);
            discards.count(discard);
            assert_eq!(discards.of(discard), 1);
        }
        assert_eq!(discards.total(), Discard::ALL.len() as u64);
        assert_eq!(discards.iter().count(), Discard::ALL.len());
    }
}
