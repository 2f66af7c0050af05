//! Flow ids, and nonces that cannot be used twice.

use crate::Side;

/// The number of a flow: at most 0x7FFF, so that it can never spill into the direction bit. SPEC \[W-2].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(u16);

impl FlowId {
    /// The first flow.
    pub const ZERO: Self = Self(0);

    /// The flow of this number; `None` above 0x7FFF.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number <= 0x7FFF { Some(Self(number)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn index(self) -> u16 {
        self.0
    }
}

/// Sequence numbers have 48 bits.
const SEQUENCES: u64 = 1 << 48;

/// A nonce word: direction, flow id, sequence. Only a [`NonceSource`] makes one, it is not `Clone`, and sealing
/// consumes it, so no two datagrams share one. SPEC \[K-3].
#[derive(Debug)]
pub(crate) struct Nonce(u64);

impl Nonce {
    pub(crate) fn word(&self) -> u64 {
        self.0
    }

    pub(crate) fn into_word(self) -> u64 {
        self.0
    }
}

/// The sequence space of one flow id in one direction. It lives as long as the key: rebinding a flow id to another
/// path continues it. Not `Clone`, for the same reason as [`Nonce`].
#[derive(Debug)]
pub(crate) struct NonceSource {
    base: u64,
    next: u64,
}

impl NonceSource {
    pub(crate) fn new(flow: FlowId, side: Side) -> Self {
        let direction = match side {
            Side::Client => 0,
            Side::Server => 1 << 63,
        };
        Self { base: direction | u64::from(flow.index()) << 48, next: 0 }
    }

    /// The next nonce; `None` when the space is spent, and then the flow is retired for ever.
    pub(crate) fn next(&mut self) -> Option<Nonce> {
        if self.next >= SEQUENCES {
            return None;
        }
        let nonce = Nonce(self.base | self.next);
        self.next += 1;
        Some(nonce)
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.next >= SEQUENCES
    }

    #[cfg(test)]
    pub(crate) fn skip_to(&mut self, sequence: u64) {
        self.next = sequence;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_flow_id_reaches_the_direction_bit() {
        assert_eq!(FlowId::new(0x8000), None);
        assert_eq!(FlowId::new(0xFFFF), None);
        let highest = FlowId::new(0x7FFF).unwrap();
        let word = NonceSource::new(highest, Side::Client).next().unwrap().into_word();
        assert_eq!(word >> 63, 0);
        let word = NonceSource::new(highest, Side::Server).next().unwrap().into_word();
        assert_eq!(word, 0xFFFF << 48);
    }

    #[test]
    fn a_spent_sequence_space_gives_nothing_more() {
        let mut source = NonceSource::new(FlowId::ZERO, Side::Client);
        source.skip_to((1 << 48) - 1);
        assert_eq!(source.next().unwrap().into_word(), (1 << 48) - 1);
        assert!(source.next().is_none());
        assert!(source.next().is_none());
    }
}
