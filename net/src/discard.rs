//! Every reason for which a datagram is ignored. The peer, or noise, is to blame: it is counted and never fatal.

use core::fmt;

macro_rules! discards {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// Why a datagram was ignored. SPEC \[K-6].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Discard {
            $($(#[$doc])* $name,)*
        }

        impl Discard {
            /// Every reason, in the order of [`Discards::iter`].
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// A few words for a trace or a table.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

discards! {
    /// Shorter than the shortest datagram of the dialect.
    Truncated => "truncated",
    /// Longer than the longest.
    TooLong => "too long",
    /// Not authentic: noise, another session, or an attempt.
    Forged => "forged",
    /// Our own direction: a datagram of ours sent back to us.
    Reflected => "reflected",
    /// A sequence number that was received before, or is too old to tell.
    Replayed => "replayed",
    /// A flow id that the dialect does not have, or that this client never opened.
    UnknownFlow => "unknown flow",
    /// Says that it is a probe and an address list.
    ContradictoryFlags => "contradictory flags",
    /// An address list that is cut short or contradicts itself.
    MalformedAddresses => "malformed addresses",
    /// An address request with a body, an address list from a client, or one that this client did not ask for.
    UnexpectedAddresses => "unexpected addresses",
    /// A probe or an address message that was overtaken by a newer datagram of its flow.
    Overtaken => "overtaken",
    /// Data without a payload.
    Empty => "empty",
}

impl fmt::Display for Discard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::error::Error for Discard {}

/// A counter for each [`Discard`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discards([u64; Discard::ALL.len()]);

impl Discards {
    /// How many datagrams were ignored for this reason.
    #[must_use]
    pub fn count(&self, reason: Discard) -> u64 {
        self.0[reason as usize]
    }

    /// How many were ignored in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Discard, u64)> + '_ {
        Discard::ALL.iter().map(|&reason| (reason, self.count(reason)))
    }

    pub(crate) fn add(&mut self, reason: Discard) {
        let count = &mut self.0[reason as usize];
        *count = count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter() {
        let mut discards = Discards::default();
        for (index, &reason) in Discard::ALL.iter().enumerate() {
            for _ in 0..=index {
                discards.add(reason);
            }
        }
        assert!(discards.iter().enumerate().all(|(index, (_, count))| count == index as u64 + 1));
        assert_eq!(discards.total(), (1..=Discard::ALL.len() as u64).sum());
    }
}
