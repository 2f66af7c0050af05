//! The server's addresses, as far as the client knows them.

use super::Trust;
use crate::Instant;
use crate::flow::same_address;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// Who said that this is an address of the server. The order is that of trust and of trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// The bootstrap reached it.
    Bootstrap,
    /// The authenticated channel of the bootstrap listed it.
    Announced,
    /// The server listed it.
    Listed,
    /// The name service said so.
    Hint,
}

impl From<Trust> for Source {
    fn from(trust: Trust) -> Self {
        match trust {
            Trust::Hint => Self::Hint,
            Trust::Authenticated => Self::Announced,
        }
    }
}

/// More addresses than this are not taken from one source: 64 flows are all there are.
const MOST: usize = 256;

/// The server lists no more new addresses than this in so much time: a client that believes every list sends wherever a
/// server likes.
const LEARNED: (usize, Duration) = (64, Duration::from_secs(10));

/// The server's addresses, bootstrap first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remotes {
    known: Vec<(Source, SocketAddr)>,
    /// How many new ones were listed since then.
    learned: (usize, Option<Instant>),
}

impl Remotes {
    /// Adds what is new; `true` when something was.
    pub(crate) fn add(&mut self, addresses: &[SocketAddr], source: Source) -> bool {
        let before = self.known.len();
        for address in addresses {
            if self.known.len() < MOST && !self.known.iter().any(|(_, known)| same_address(known, address)) {
                self.known.push((source, *address));
            }
        }
        // Stable: within a source, the order in which they were told.
        self.known.sort_by_key(|&(source, _)| source);
        self.known.len() != before
    }

    /// The server's own list replaces its last one; `true` when anything changed. What is not at the port of the bootstrap
    /// is not this server.
    pub(crate) fn replace_listed(&mut self, addresses: &[SocketAddr], now: Instant) -> bool {
        let before = self.known.len();
        self.known.retain(|(source, known)| {
            *source != Source::Listed || addresses.iter().any(|address| same_address(known, address))
        });
        let removed = self.known.len() != before;
        let (most, within) = LEARNED;
        if self.learned.1.is_none_or(|since| now.since(since) >= within) {
            self.learned = (0, Some(now));
        }
        let port = self.first().map(|first| first.port());
        let is_new = |address: &&SocketAddr| {
            Some(address.port()) == port && !self.known.iter().any(|(_, known)| same_address(known, address))
        };
        let new: Vec<_> =
            addresses.iter().filter(is_new).take(most.saturating_sub(self.learned.0)).copied().collect();
        self.learned.0 += new.len();
        self.add(&new, Source::Listed) || removed
    }

    pub(crate) fn first(&self) -> Option<SocketAddr> {
        self.known.first().map(|&(_, address)| address)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.known.iter().map(|&(_, address)| address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_server_s_list_replaces_its_last_one_and_nothing_else() {
        let mut remotes = Remotes::default();
        remotes.add(&addresses(&["192.0.2.1:1"]), Source::Bootstrap);
        remotes.add(&addresses(&["192.0.2.9:1"]), Source::Hint);
        let now = Instant::ZERO;
        assert!(remotes.replace_listed(&addresses(&["192.0.2.1:1", "192.0.2.2:1"]), now));
        assert!(!remotes.replace_listed(&addresses(&["192.0.2.2:1"]), now));
        assert!(remotes.replace_listed(&addresses(&["192.0.2.3:1", "192.0.2.4:22"]), now));
        let all: Vec<SocketAddr> = remotes.iter().collect();
        assert_eq!(all, addresses(&["192.0.2.1:1", "192.0.2.3:1", "192.0.2.9:1"]));
    }

    #[test]
    fn a_server_that_lists_ever_new_addresses_is_believed_64_in_10_s() {
        let mut remotes = Remotes::default();
        remotes.add(&addresses(&["192.0.2.1:1"]), Source::Bootstrap);
        let mut known = alloc::collections::BTreeSet::new();
        for n in 0..500_u64 {
            let text = alloc::format!("10.0.{}.{}:1", n / 250, n % 250);
            remotes.replace_listed(&addresses(&[&text]), Instant::from_micros(n * 20_000));
            known.extend(remotes.iter());
        }
        assert_eq!(known.len(), 1 + 64);
    }
}
