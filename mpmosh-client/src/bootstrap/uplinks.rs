//! Which of this machine's addresses may be used, and for what: by the first contact and by the session alike.

use crate::cli::plan::{Interfaces, Settings};
use crate::cli::words::{Family, Metered};
use net::{Candidate, InterfaceKind, Role, Scope, scope_of};
use platform::driver::{Policy, candidates_of};
use platform::interfaces::Interface;

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
        Self::of(settings.interfaces.clone(), settings.family)
    }

    /// As these words say.
    pub(in crate::bootstrap) fn of(wishes: Interfaces, family: Family) -> Self {
        Self { wishes, family }
    }

    /// The addresses that may be used.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// Whether not one packet may leave through an interface, as the user has it: the reason, as an option says it.
    pub(in crate::bootstrap) fn forbids(&self, interface: &Interface) -> Option<&'static str> {
        if self.wishes.never.contains(&interface.name) {
            return Some("--never");
        }
        let (role, _) = policy(interface, &self.wishes);
        (role == Role::Never && interface.kind == InterfaceKind::Cellular).then_some("--metered=never")
    }

    /// The interfaces of this machine out of which something could go and may not, each with the reason.
    pub(in crate::bootstrap) fn forbidden<'a>(
        &self,
        interfaces: &'a [Interface],
    ) -> Vec<(&'a Interface, &'static str)> {
        let leads_out = |interface: &&Interface| {
            let guests = matches!(interface.kind, InterfaceKind::Loopback | InterfaceKind::Bridge);
            let is_link = |ip| scope_of(ip) == Scope::Link;
            !guests && interface.sources().iter().any(|source| !is_link(&source.ip))
        };
        let all = interfaces.iter().filter(leads_out);
        all.filter_map(|interface| Some((interface, self.forbids(interface)?))).collect()
    }

    /// Whether there is more than one interface to choose from.
    pub(in crate::bootstrap) fn are_several(&self, interfaces: &[Interface]) -> bool {
        let candidates = self.candidates(interfaces).into_iter().filter(|candidate| {
            let usable = candidate.role != Role::Never && !candidate.lingers;
            usable && matches!(scope_of(&candidate.addr.ip), Scope::Global | Scope::Private)
        });
        let mut used: Vec<_> = candidates.filter_map(|candidate| candidate.addr.interface).collect();
        used.dedup();
        used.len() > 1
    }

    /// The same as options of a command line.
    pub(in crate::bootstrap) fn options(&self) -> Vec<String> {
        let Interfaces { prefer, backup, never, metered } = &self.wishes;
        let lists = [("prefer", prefer), ("backup", backup), ("never", never)];
        let named = lists
            .into_iter()
            .flat_map(|(option, names)| names.iter().map(move |name| (option, name.as_str())));
        named
            .chain([("metered", metered.as_str()), ("family", self.family.as_str())])
            .map(|(option, value)| format!("--{option}={value}"))
            .collect()
    }

    /// Whether the user named an interface as one to use before others.
    pub(in crate::bootstrap) fn prefers(&self, interface: &str) -> bool {
        self.wishes.prefer.iter().any(|name| name == interface)
    }
}

/// Every interface, for what it is.
impl Default for Uplinks {
    fn default() -> Self {
        let (prefer, backup, never) = (Vec::new(), Vec::new(), Vec::new());
        Self::of(Interfaces { prefer, backup, never, metered: Metered::Backup }, Family::Auto)
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
        self.prefers(interface)
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

    #[test]
    fn what_is_forbidden_is_what_the_user_forbids_and_not_what_has_another_use() {
        let interface = |name, kind| Interface::new(net::Interface::MIN, name, kind);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let wishes = Interfaces {
            prefer: names(&["wwan1", "eth2"]),
            backup: Vec::new(),
            never: names(&["eth2"]),
            metered: Metered::Never,
        };
        let uplinks = Uplinks { wishes, ..Uplinks::default() };
        let forbids = |name, kind| uplinks.forbids(&interface(name, kind));
        assert_eq!(forbids("eth2", InterfaceKind::Ethernet), Some("--never"), "never means never");
        assert_eq!(forbids("wwan0", InterfaceKind::Cellular), Some("--metered=never"));
        assert_eq!(forbids("wwan1", InterfaceKind::Cellular), None);
        assert_eq!(forbids("docker0", InterfaceKind::Bridge), None);
        assert_eq!(forbids("eth0", InterfaceKind::Ethernet), None);
        let mut eth2 = interface("eth2", InterfaceKind::Ethernet);
        assert!(uplinks.forbidden(std::slice::from_ref(&eth2)).is_empty(), "nothing can go out of it");
        let flags = platform::interfaces::AddressFlags::default();
        eth2.addresses.push(platform::interfaces::Address { ip: [192, 0, 2, 1].into(), prefix: 24, flags });
        assert_eq!(uplinks.forbidden(std::slice::from_ref(&eth2)).len(), 1);
    }
}
