//! Which of this machine's addresses may carry the session, and for what.

use crate::cli::plan::{Interfaces, Settings};
use crate::cli::words::{Family, Metered};
use net::{Candidate, InterfaceKind, Path, Role};
use platform::driver::{Policy, candidates_of};
use platform::interfaces::{self, Interface, ReversePathFilter};

/// What the user wants of this machine's interfaces.
#[derive(Clone, Debug)]
pub struct Uplinks {
    wishes: Interfaces,
    family: Family,
}

impl Uplinks {
    /// As the settings say.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self { wishes: settings.interfaces.clone(), family: settings.family }
    }
}

impl Policy for Uplinks {
    fn candidates(&self, interfaces: &[Interface]) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for interface in interfaces {
            let (role, metered) = policy(interface, &self.wishes);
            let all = candidates_of(interface, role).into_iter();
            let allowed = all.filter(|candidate| self.family.allows(candidate.addr.ip));
            candidates.extend(allowed.map(|mut candidate| {
                candidate.metered = metered;
                candidate.lists = false;
                candidate
            }));
        }
        candidates
    }

    /// Whoever prefers an interface by name wants it beside a VPN, too.
    fn may_bypass(&self, interface: &str) -> bool {
        self.wishes.prefer.iter().any(|name| name == interface)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_come_before_what_the_system_says() {
        let interface = |name, kind| Interface::new(net::Interface::MIN, name, kind);
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
