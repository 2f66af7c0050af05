//! What to ask of the system so that a datagram leaves from its path's address *and* through its interface.
//!
//! The two together do it everywhere but for IPv6 on Linux, where the route of the best metric wins over the interface as
//! soon as a source is given. There the kernel is asked how a datagram would leave, and the answer kept for a moment.

use net::{Instant, LocalAddr, Path};

/// The answers of the kernel.
#[derive(Debug, Default)]
pub(super) struct Sources {
    #[cfg(target_os = "linux")]
    known: Vec<(LocalAddr, std::net::IpAddr, LocalAddr, Instant)>,
}

#[cfg(not(target_os = "linux"))]
impl Sources {
    #[expect(clippy::unused_self, reason = "nothing to remember on this system")]
    pub(super) fn choose(&mut self, path: &Path, _now: Instant) -> LocalAddr {
        path.local
    }

    #[expect(clippy::unused_self, reason = "nothing to remember on this system")]
    pub(super) fn forget(&mut self) {}
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{Instant, LocalAddr, Path, Sources};
    use crate::interfaces::{Ipv6Way, ipv6_way};
    use std::net::{IpAddr, Ipv6Addr};
    use std::time::Duration;

    /// Routes change with the network, which the owner tells; this bounds what is missed.
    const FRESH: Duration = Duration::from_secs(2);

    /// More paths than this are asked for each time.
    const MOST_KNOWN: usize = 64;

    impl Sources {
        /// The local address to hand to the system for a path.
        pub(in crate::udp) fn choose(&mut self, path: &Path, now: Instant) -> LocalAddr {
            let (local, remote) = (path.local, path.remote.ip());
            let IpAddr::V6(ip) = local.ip else { return local };
            if local.interface.is_none() || ip.is_unspecified() || ip.is_unicast_link_local() {
                return local;
            }
            let known = self.known.iter().find(|known| (known.0, known.1) == (local, remote));
            if let Some((_, _, chosen, asked)) = known
                && now.since(*asked) < FRESH
            {
                return *chosen;
            }
            let chosen = match ipv6_way(path) {
                Ok(Ipv6Way::InterfaceAlone) => LocalAddr { ip: Ipv6Addr::UNSPECIFIED.into(), ..local },
                // Where there is no way, the error of the send will say so.
                _ => local,
            };
            self.known.retain(|known| now.since(known.3) < FRESH && (known.0, known.1) != (local, remote));
            if self.known.len() < MOST_KNOWN {
                self.known.push((local, remote, chosen, now));
            }
            chosen
        }

        /// The network has changed.
        pub(in crate::udp) fn forget(&mut self) {
            self.known.clear();
        }
    }
}
