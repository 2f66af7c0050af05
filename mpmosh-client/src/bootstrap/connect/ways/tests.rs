use super::*;
use crate::cli::plan::Interfaces;
use crate::cli::words::{Family, Metered};
use net::InterfaceKind;
use platform::interfaces::{Address, AddressFlags};

/// A machine with WiFi, a modem, a cable, a tunnel, and what it made for its guests.
const MACHINE: [(&str, InterfaceKind, &str); 5] = [
    ("wlan0", InterfaceKind::Wifi, "192.168.1.2"),
    ("wwan0", InterfaceKind::Cellular, "10.64.0.2"),
    ("eth0", InterfaceKind::Ethernet, "192.168.7.2"),
    ("tun0", InterfaceKind::Tunnel, "10.8.0.2"),
    ("docker0", InterfaceKind::Bridge, "172.17.0.1"),
];

fn index(number: u32) -> Index {
    Index::new(number).unwrap_or(Index::MIN)
}

fn at(name: &str) -> Index {
    let place = MACHINE.iter().position(|(known, ..)| *known == name).unwrap_or_else(|| panic!("{name}"));
    index(u32::try_from(place).unwrap_or(0) + 1)
}

fn machine() -> Vec<Interface> {
    let build = |(name, kind, ip): &(&str, InterfaceKind, &str)| {
        let mut interface = Interface::new(at(name), *name, *kind);
        let ip = ip.parse().unwrap_or_else(|e| panic!("{e}"));
        interface.addresses.push(Address { ip, prefix: 24, flags: AddressFlags::default() });
        interface
    };
    MACHINE.iter().map(build).collect()
}

fn remote(text: &str) -> SocketAddr {
    SocketAddr::new(text.parse().unwrap_or_else(|e| panic!("{e}")), 22)
}

/// What is tried to reach these addresses, each with the system's choice and how closely it fits; `routes`: the interfaces
/// that have a route, and how closely it fits.
fn ways(
    wishes: &[(&str, &str)],
    addresses: &[(&str, OwnChoice, u8)],
    routes: &[(&str, u8)],
    keeps: bool,
) -> Vec<Way> {
    let named =
        |wish: &str| wishes.iter().filter(|(w, _)| *w == wish).map(|(_, name)| (*name).to_owned()).collect();
    let metered = if wishes.contains(&("metered", "never")) { Metered::Never } else { Metered::Backup };
    let interfaces =
        Interfaces { prefer: named("prefer"), backup: named("backup"), never: named("never"), metered };
    let uplinks = Uplinks::of(interfaces, Family::Auto);
    let machine = machine();
    let candidates: Vec<Candidate> =
        uplinks.candidates(&machine).into_iter().filter(|one| one.role != Role::Never).collect();
    let paths = addresses.iter().flat_map(|(ip, ..)| {
        let route = |one: &Candidate| {
            let bits = routes.iter().find(|(name, _)| Some(at(name)) == one.addr.interface)?.1;
            Some((Path { local: one.addr, remote: remote(ip) }, bits))
        };
        candidates.iter().filter_map(route).collect::<Vec<_>>()
    });
    let choices = addresses.iter().map(|(ip, choice, bits)| (remote(ip), *choice, *bits)).collect();
    let paths = paths.collect();
    Scene { interfaces: &machine, candidates: &candidates, uplinks: &uplinks, choices, paths, keeps }.ways()
}

fn through(name: &str) -> OwnChoice {
    OwnChoice::Through(at(name))
}

/// The ways in short: the last part of the address, the interface, `=` where the connection is kept to it, `+` where it waits.
fn told(ways: &[Way]) -> String {
    let one = |way: &Way| {
        let ip = way.remote.ip().to_string();
        let last = ip.rsplit(['.', ':']).next().unwrap_or_default().to_owned();
        let kept = if way.from.is_some() { "=" } else { "" };
        let waits = if way.waits.is_zero() { "" } else { "+" };
        format!("{last}{waits}@{kept}{}", way.over.as_deref().unwrap_or("?"))
    };
    ways.iter().map(one).collect::<Vec<_>>().join(" ")
}

const EVERYWHERE: [(&str, u8); 3] = [("wlan0", 0), ("wwan0", 0), ("eth0", 0)];

#[test]
fn the_systems_own_choice_comes_first_then_the_others_and_what_costs_money_waits() {
    let to = [("203.0.113.10", through("wlan0"), 0)];
    assert_eq!(told(&ways(&[], &to, &EVERYWHERE, true)), "10@wlan0 10@=eth0 10+@=wwan0");
    let to = [("203.0.113.10", through("wwan0"), 0)];
    assert_eq!(told(&ways(&[], &to, &EVERYWHERE, true)), "10@=wlan0 10@=eth0 10+@wwan0");
    assert_eq!(told(&ways(&[], &to, &[], true)), "10+@wwan0", "nothing but the system's own");
}

#[test]
fn a_second_address_and_a_second_interface_both_come_soon() {
    let to = [("203.0.113.10", through("wlan0"), 0), ("2001:db8::b", through("wlan0"), 0)];
    // The machine has no IPv6 address of its own here: the paths of IPv4 alone go with both, which the order does not see.
    let found = told(&ways(&[], &to, &EVERYWHERE, true));
    assert_eq!(found, "10@wlan0 b@wlan0 10@=eth0 b@=eth0 10+@=wwan0 b+@=wwan0");
}

#[test]
fn the_users_wishes_are_obeyed() {
    let to = [("203.0.113.10", through("wlan0"), 0)];
    let with = |wishes: &[(&str, &str)]| told(&ways(wishes, &to, &EVERYWHERE, true));
    assert_eq!(with(&[("prefer", "wwan0")]), "10@=wwan0 10@wlan0 10@=eth0");
    assert_eq!(with(&[("backup", "wlan0")]), "10@=eth0 10+@wlan0 10+@=wwan0");
    assert_eq!(with(&[("never", "eth0")]), "10@=wlan0 10+@=wwan0", "kept, as one is forbidden");
    assert_eq!(with(&[("never", "wlan0")]), "10@=eth0 10+@=wwan0");
    assert_eq!(with(&[("metered", "never")]), "10@=wlan0 10@=eth0");
    assert_eq!(with(&[("never", "wlan0"), ("never", "eth0"), ("metered", "never")]), "");
}

#[test]
fn where_a_connection_cannot_be_kept_to_an_interface_a_forbidden_choice_is_no_way_at_all() {
    let to = [("203.0.113.10", through("wlan0"), 0)];
    assert_eq!(told(&ways(&[("never", "wlan0")], &to, &EVERYWHERE, false)), "");
    assert_eq!(told(&ways(&[("never", "eth0")], &to, &EVERYWHERE, false)), "10@wlan0 10+@=wwan0");
    let unknown = [("203.0.113.10", OwnChoice::Unknown, 0)];
    assert_eq!(told(&ways(&[("never", "eth0")], &unknown, &[], true)), "");
    assert_eq!(told(&ways(&[], &unknown, &[], true)), "10@?");
}

#[test]
fn a_host_behind_a_route_of_its_own_is_not_looked_for_in_another_network() {
    let to = [("10.1.2.3", through("tun0"), 8)];
    let routes = [("wlan0", 0), ("wwan0", 0), ("eth0", 0), ("tun0", 8)];
    assert_eq!(told(&ways(&[], &to, &routes, true)), "3@tun0");
    assert_eq!(told(&ways(&[("prefer", "eth0")], &to, &routes, true)), "3@=eth0 3@tun0");
    assert_eq!(
        told(&ways(&[("never", "tun0")], &to, &routes, true)),
        "",
        "another host has that address there"
    );
    let public = [("203.0.113.10", through("tun0"), 24)];
    let never = ways(&[("never", "tun0")], &public, &routes, true);
    assert_eq!(told(&never), "10@=wlan0 10@=eth0 10+@=wwan0");
}

#[test]
fn this_machine_and_its_guests_are_reached_as_ever() {
    let own = [("192.168.1.2", OwnChoice::Here, 0)];
    assert_eq!(told(&ways(&[("never", "wlan0")], &own, &EVERYWHERE, true)), "2@?");
    let guest = [("172.17.0.5", through("docker0"), 16)];
    assert_eq!(told(&ways(&[], &guest, &EVERYWHERE, true)), "5@docker0");
    assert_eq!(told(&ways(&[("never", "wlan0")], &guest, &EVERYWHERE, true)), "5@=docker0");
}

#[test]
fn there_are_never_more_ways_than_can_be_tried() {
    let many: Vec<String> = (1..60).map(|n| format!("203.0.113.{n}")).collect();
    let to: Vec<_> = many.iter().map(|ip| (ip.as_str(), through("wlan0"), 0)).collect();
    let found = ways(&[], &to, &EVERYWHERE, true);
    assert_eq!(found.len(), MOST);
    assert!(found[..6].iter().any(|way| way.over.as_deref() == Some("eth0")));
}

#[test]
fn an_address_goes_with_one_of_its_family_and_of_its_link() {
    let local = |ip: &str, number| LocalAddr {
        ip: ip.parse().unwrap_or_else(|e| panic!("{e}")),
        interface: Some(index(number)),
    };
    let to = |text: &str| text.parse::<SocketAddr>().unwrap_or_else(|e| panic!("{e}"));
    assert!(goes_with(&local("192.0.2.1", 1), &to("203.0.113.1:22")));
    assert!(!goes_with(&local("192.0.2.1", 1), &to("[2001:db8::1]:22")));
    assert!(!goes_with(&local("fe80::1", 1), &to("[2001:db8::1]:22")));
    assert!(goes_with(&local("fe80::1", 7), &to("[fe80::2%7]:22")));
    assert!(!goes_with(&local("fe80::1", 8), &to("[fe80::2%7]:22")));
}
