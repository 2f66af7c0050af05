//! Which of this machine's addresses may carry the session, and for what.

use crate::plan::{Interfaces, Metered, Settings};
use net::{Candidate, InterfaceKind, Role};
use platform::interfaces::{self, Interface};

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
            for addr in interface.sources().into_iter().filter(|addr| settings.family.allows(addr.ip)) {
                let (kind, mtu) = (interface.kind, interface.mtu);
                uplinks.candidates.push(Candidate { addr, kind, role, metered, lists: false, mtu });
            }
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
