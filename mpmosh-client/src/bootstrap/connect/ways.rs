//! The ways by which a host may be reached, in the order to try them: its addresses by this machine's interfaces.
//!
//! Contract: [`Ways::to`] asks the system what it would do, and sends nothing; all else here is pure. An interface that
//! the user forbids is in no way, and where one is forbidden every way is kept to its interface. Where a VPN takes all traffic
//! nothing leads around it ([`usable_paths`]), and where a route of its own leads to the host no mere default route is tried in
//! its place: at the same private address in another network another host lives.

use core::net::SocketAddr;
use core::time::Duration;

use net::{Candidate, Interface as Index, InterfaceKind, LocalAddr, Path, Role, Scope, scope_of};
use platform::dial::KEEPS_TO_INTERFACE;
use platform::driver::{Policy, usable_paths};
use platform::interfaces::{self, Interface, OwnChoice};

use crate::bootstrap::Uplinks;

/// How long a backup, or what costs money, waits for the others: long enough for an answer over a slow one.
const SPARE_WAITS: Duration = Duration::from_millis(500);
/// The most ways that are tried.
const MOST: usize = 24;

/// One way: an address of the host, by an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) remote: SocketAddr,
    /// From where; `None` leaves it to the system.
    pub(super) from: Option<LocalAddr>,
    /// The interface's name, where it is known.
    pub(super) over: Option<String>,
    /// How long after the first one it may begin, unless all others have failed.
    pub(super) waits: Duration,
}

/// All of them, and what is not among them.
#[derive(Debug, Default)]
pub(super) struct Ways {
    /// The first to try first.
    pub(super) ways: Vec<Way>,
    /// The interfaces that may not be used, each with the reason.
    pub(super) left_out: Vec<String>,
}

/// What a way is among those to the same address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// The user names its interface first.
    Preferred,
    /// The system would take it.
    Own,
    Other,
    /// A backup, or it costs money.
    Spare,
}

impl Ways {
    /// The ways to these addresses of a host, which come in the order of preference.
    pub(super) fn to(addresses: &[SocketAddr], uplinks: &Uplinks) -> Self {
        let interfaces = interfaces::list();
        let usable = |candidate: &Candidate| {
            candidate.role != Role::Never && !candidate.lingers && candidate.kind != InterfaceKind::Loopback
        };
        let candidates: Vec<Candidate> = uplinks.candidates(&interfaces).into_iter().filter(usable).collect();
        let pairs = addresses.iter().flat_map(|remote| {
            let candidates = candidates.iter().filter(|candidate| goes_with(&candidate.addr, remote));
            candidates.map(|candidate| Path { local: candidate.addr, remote: *remote })
        });
        let (paths, bypassing) = usable_paths(pairs.collect(), uplinks);
        let closely = |path: Path| (path, interfaces::closeness(&path, &interfaces));
        let choice = |remote: &SocketAddr| {
            let choice = interfaces::own_choice(remote, &interfaces);
            let OwnChoice::Through(index) = choice else { return (*remote, choice, 0) };
            let path = Path { local: any(remote, index), remote: *remote };
            (*remote, choice, interfaces::closeness(&path, &interfaces))
        };
        let scene = Scene {
            interfaces: &interfaces,
            candidates: &candidates,
            uplinks,
            choices: addresses.iter().map(choice).collect(),
            paths: paths.into_iter().map(closely).collect(),
            keeps: KEEPS_TO_INTERFACE,
        };
        let ways = scene.ways();
        let forbidden = uplinks.forbidden(&interfaces).into_iter();
        let forbidden = forbidden.map(|(interface, why)| format!("{} ({why})", interface.name));
        let around = |name: &str, tunnel: &str| format!("{name} ({tunnel} takes all traffic)");
        let bypassing = bypassing.iter().map(|bypass| around(&bypass.name, &bypass.tunnel));
        Self { ways, left_out: forbidden.chain(bypassing).collect() }
    }
}

/// The system's choice of an address, out of this interface.
fn any(remote: &SocketAddr, interface: Index) -> LocalAddr {
    let ip = match remote {
        SocketAddr::V4(_) => core::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => core::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    LocalAddr { ip, interface: Some(interface) }
}

/// Whether a connection can go from an address to another: of one family, and both of one link or neither.
fn goes_with(local: &LocalAddr, remote: &SocketAddr) -> bool {
    let is_link = |ip| scope_of(&ip) == Scope::Link;
    let zone = match remote {
        SocketAddr::V6(remote) if remote.ip().is_unicast_link_local() => Index::new(remote.scope_id()),
        _ => None,
    };
    local.ip.is_ipv4() == remote.is_ipv4()
        && is_link(local.ip) == is_link(remote.ip())
        && (zone.is_none() || zone == local.interface)
}

/// What the order follows from.
struct Scene<'a> {
    interfaces: &'a [Interface],
    candidates: &'a [Candidate],
    uplinks: &'a Uplinks,
    /// Of each address what the system would do itself, and how closely its route fits.
    choices: Vec<(SocketAddr, OwnChoice, u8)>,
    /// The paths that may be used, and how closely the route of each fits.
    paths: Vec<(Path, u8)>,
    /// Whether a connection can be kept to an interface.
    keeps: bool,
}

impl Scene<'_> {
    /// The ways, in order: over the first interface to each address in turn, and between them over the others, so that a
    /// second address and a second interface both come soon.
    fn ways(&self) -> Vec<Way> {
        let mut all: Vec<(usize, usize, Way)> = Vec::new();
        for (row, (remote, choice, bits)) in self.choices.iter().enumerate() {
            let ranked = self.ways_to(*remote, *choice, *bits);
            all.extend(ranked.into_iter().enumerate().map(|(column, way)| (row + column, column, way)));
        }
        all.sort_by_key(|(diagonal, column, _)| (*diagonal, *column));
        all.into_iter().map(|(_, _, way)| way).take(MOST).collect()
    }

    fn ways_to(&self, remote: SocketAddr, choice: OwnChoice, bits: u8) -> Vec<Way> {
        let strict = !self.uplinks.forbidden(self.interfaces).is_empty();
        let own = match choice {
            OwnChoice::Here => return vec![Way::own(remote, None)],
            OwnChoice::Through(index) => self.interface(index),
            OwnChoice::Unknown => None,
        };
        let own_is_forbidden = own.is_some_and(|own| self.uplinks.forbids(own).is_some());
        if own_is_forbidden && !self.keeps {
            return Vec::new();
        }
        let mut ranked: Vec<(Rank, Way)> = Vec::new();
        match own {
            Some(own) if !own_is_forbidden => {
                let mut way = Way::own(remote, Some(&own.name));
                if strict && self.keeps {
                    let path =
                        self.paths_to(remote).find(|(path, _)| path.local.interface == Some(own.index));
                    way.from = Some(path.map_or(any(&remote, own.index), |(path, _)| path.local));
                }
                ranked.push((self.rank(own.index, Rank::Own), way));
            }
            None if !strict => ranked.push((Rank::Own, Way::own(remote, None))),
            _ => {}
        }
        let around_the_route = own_is_forbidden && scope_of(&remote.ip()) == Scope::Global;
        let mut seen: Vec<Index> = own.map(|own| own.index).into_iter().collect();
        for (path, closeness) in self.paths_to(remote) {
            let Some(interface) = path.local.interface.and_then(|index| self.interface(index)) else {
                continue;
            };
            let fits = *closeness >= bits || around_the_route || self.uplinks.prefers(&interface.name);
            if fits && !seen.contains(&interface.index) {
                seen.push(interface.index);
                let way = Way { from: Some(path.local), ..Way::own(remote, Some(&interface.name)) };
                ranked.push((self.rank(interface.index, Rank::Other), way));
            }
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        let timed = |(rank, way): (Rank, Way)| match rank {
            Rank::Spare => Way { waits: SPARE_WAITS, ..way },
            _ => way,
        };
        ranked.into_iter().map(timed).collect()
    }

    fn paths_to(&self, remote: SocketAddr) -> impl Iterator<Item = &(Path, u8)> {
        self.paths.iter().filter(move |(path, _)| path.remote == remote)
    }

    fn interface(&self, index: Index) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.index == index)
    }

    fn rank(&self, index: Index, otherwise: Rank) -> Rank {
        let name = self.interface(index).map_or("", |interface| &interface.name);
        let candidate = self.candidates.iter().find(|candidate| candidate.addr.interface == Some(index));
        match candidate {
            _ if self.uplinks.prefers(name) => Rank::Preferred,
            Some(candidate) if candidate.metered || candidate.role == Role::Backup => Rank::Spare,
            _ => otherwise,
        }
    }
}

impl Way {
    /// The system's own.
    fn own(remote: SocketAddr, over: Option<&str>) -> Self {
        Self { remote, from: None, over: over.map(str::to_owned), waits: Duration::ZERO }
    }
}

#[cfg(test)]
mod tests;
