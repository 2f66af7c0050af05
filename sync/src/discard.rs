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
    /// An instruction larger than 4 MiB, compressed or not.
    #[error("instruction larger than 4 MiB")]
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
    /// Too many states held while the peer throws none away.
    #[error("too many states held")]
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
    /// Stream data outside of the window that was offered, or after the end of the stream, or contradicting it.
    #[error("stream data out of bounds")]
    StreamBounds,
    /// A stream that does not exist in this direction.
    #[error("unknown stream")]
    UnknownStream,
}

impl Discard {
    /// Every reason, in the order of their counters.
    pub const ALL: [Self; 14] = [
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
        Self::StreamBounds,
        Self::UnknownStream,
    ];
}

/// How often each [`Discard`] happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discards([u64; Discard::ALL.len()]);

impl Discards {
    /// Counts one.
    pub fn count(&mut self, discard: Discard) {
        if let Some(counter) = self.0.get_mut(discard as usize) {
            *counter = counter.saturating_add(1);
        }
    }

    /// How often `discard` happened.
    #[must_use]
    pub fn of(&self, discard: Discard) -> u64 {
        self.0.get(discard as usize).copied().unwrap_or(0)
    }

    /// Every reason that occurred, with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Discard, u64)> + '_ {
        Discard::ALL.into_iter().map(|discard| (discard, self.of(discard))).filter(|(_, count)| *count > 0)
    }

    /// How many in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
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
