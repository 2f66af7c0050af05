//! The server's addresses, as far as the client knows them.

use super::Trust;
use crate::flow::same_address;
use alloc::vec::Vec;
use core::net::SocketAddr;

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

/// The server's addresses, bootstrap first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remotes(Vec<(Source, SocketAddr)>);

impl Remotes {
    /// Adds what is new; `true` when something was.
    pub(crate) fn add(&mut self, addresses: &[SocketAddr], source: Source) -> bool {
        let before = self.0.len();
        for address in addresses {
            if self.0.len() < MOST && !self.0.iter().any(|(_, known)| same_address(known, address)) {
                self.0.push((source, *address));
            }
        }
        // Stable: within a source, the order in which they were told.
        self.0.sort_by_key(|&(source, _)| source);
        self.0.len() != before
    }

    /// The server's own list replaces its last one; `true` when anything changed.
    pub(crate) fn replace_listed(&mut self, addresses: &[SocketAddr]) -> bool {
        let before = self.0.len();
        self.0.retain(|(source, known)| {
            *source != Source::Listed || addresses.iter().any(|address| same_address(known, address))
        });
        let removed = self.0.len() != before;
        self.add(addresses, Source::Listed) || removed
    }

    pub(crate) fn first(&self) -> Option<SocketAddr> {
        self.0.first().map(|&(_, address)| address)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.0.iter().map(|&(_, address)| address)
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
        assert!(remotes.replace_listed(&addresses(&["192.0.2.1:1", "192.0.2.2:1"])));
        assert!(!remotes.replace_listed(&addresses(&["192.0.2.2:1"])));
        assert!(remotes.replace_listed(&addresses(&["192.0.2.3:1"])));
        let all: Vec<SocketAddr> = remotes.iter().collect();
        assert_eq!(all, addresses(&["192.0.2.1:1", "192.0.2.3:1", "192.0.2.9:1"]));
    }
}
