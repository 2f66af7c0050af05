//! Which of this machine's addresses may carry the session, and for what.

use crate::cli::plan::{Interfaces, Settings};
use crate::cli::words::Metered;
use net::{Candidate, InterfaceKind, Path, Role};
use platform::interfaces::{self, Interface, ReversePathFilter};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What this machine has now.
#[derive(Debug, Default)]
pub struct Uplinks {
    /// Its addresses, with what the user wants of their interfaces.
    pub candidates: Vec<Candidate>,
    /// What the interfaces are called.
    pub names: Vec<(net::Interface, String)>,
}

impl Uplinks {
    /// Asks the system.
    #[must_use]
    pub fn list(settings: &Settings) -> Self {
        let mut uplinks = Self::default();
        for interface in interfaces::list() {
            let (role, metered) = policy(&interface, &settings.interfaces);
            let fresh = interface.sources().into_iter().map(|addr| (addr, false));
            let lingering = interface.lingering().into_iter().map(|addr| (addr, true));
            let all = fresh.chain(lingering).filter(|(addr, _)| settings.family.allows(addr.ip));
            let (kind, mtu) = (interface.kind, interface.mtu);
            uplinks.candidates.extend(all.map(|(addr, lingers)| Candidate {
                addr,
                kind,
                role,
                metered,
                lists: false,
                mtu,
                lingers,
            }));
            uplinks.names.push((interface.index, interface.name));
        }
        uplinks
    }
}

/// What an interface is used for, and whether it costs money.
fn policy(interface: &Interface, wishes: &Interfaces) -> (Role, bool) {
    let named = |names: &[String]| names.contains(&interface.name);
    if named(&wishes.never) {
        return (Role::Never, false);
    }
    if named(&wishes.prefer) {
        return (Role::Primary, false);
    }
    let role = if named(&wishes.backup) { Role::Backup } else { Role::Primary };
    match (interface.kind, wishes.metered) {
        (InterfaceKind::Bridge, _) => (Role::Never, false),
        (InterfaceKind::Cellular, Metered::Never) => (Role::Never, false),
        (InterfaceKind::Cellular, Metered::Backup) => (role, true),
        _ => (role, false),
    }
}

/// Whether this machine drops the answers that arrive on a path: its interface, called so, has a strict filter, and the
/// best route to the other side is another interface's (RFC 3704 §2.2).
#[must_use]
pub fn drops_answers(interface: &str, path: &Path) -> bool {
    path.remote.is_ipv4()
        && interfaces::reverse_path_filter(interface) == Some(ReversePathFilter::Strict)
        && interfaces::best_route_leads_elsewhere(path)
}

/// An interface that is left out because a VPN takes all traffic: its name, and the tunnel's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bypass {
    /// What would lead around it.
    pub interface: net::Interface,
    /// Its name.
    pub name: String,
    /// The tunnel's name.
    pub tunnel: String,
}

/// Takes out the paths that would lead around a tunnel into which this machine's policy forces all traffic: choosing the
/// interface of a datagram must not be a hole in a VPN. Interfaces that the user prefers by name may.
pub fn keep_in_tunnels(paths: &mut Vec<Path>, wishes: &Interfaces) -> Vec<Bypass> {
    let interfaces = interfaces::list();
    let mut forced: BTreeMap<IpAddr, Option<net::Interface>> = BTreeMap::new();
    for path in paths.iter() {
        let ip = path.remote.ip();
        forced.entry(ip).or_insert_with(|| interfaces::forced_tunnel(ip, &interfaces));
    }
    let named = |index| interfaces.iter().find(|known| known.index == index).map(|known| known.name.clone());
    let mut left_out: Vec<Bypass> = Vec::new();
    paths.retain(|path| {
        let tunnel = forced.get(&path.remote.ip()).copied().flatten();
        let (Some(tunnel), Some(interface)) = (tunnel, path.local.interface) else { return true };
        let name = named(interface).unwrap_or_default();
        if tunnel == interface || wishes.prefer.contains(&name) {
            return true;
        }
        if !left_out.iter().any(|known| known.interface == interface) {
            left_out.push(Bypass { interface, name, tunnel: named(tunnel).unwrap_or_default() });
        }
        false
    });
    left_out
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::interfaces::State;

    #[test]
    fn wishes_come_before_what_the_system_says() {
        let interface = |name: &str, kind| Interface {
            index: net::Interface::MIN,
            name: name.into(),
            kind,
            state: State::Running,
            mtu: None,
            default_v4: true,
            default_v6: false,
            addresses: Vec::new(),
        };
        let wishes = Interfaces {
            prefer: vec!["wwan1".into()],
            backup: vec!["eth1".into()],
            never: vec!["eth2".into()],
            metered: Metered::Backup,
        };
        let given = |name, kind| policy(&interface(name, kind), &wishes);
        assert_eq!(given("eth0", InterfaceKind::Ethernet), (Role::Primary, false));
        assert_eq!(given("eth1", InterfaceKind::Ethernet), (Role::Backup, false));
        assert_eq!(given("eth2", InterfaceKind::Ethernet), (Role::Never, false));
        assert_eq!(given("wwan0", InterfaceKind::Cellular), (Role::Primary, true));
        assert_eq!(given("wwan1", InterfaceKind::Cellular), (Role::Primary, false));
        assert_eq!(given("docker0", InterfaceKind::Bridge), (Role::Never, false));
    }
}
