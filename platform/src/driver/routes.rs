//! Which paths have a route, and the rule of a VPN: a policy of the machine that forces all traffic into a tunnel is kept.

use super::Policy;
use crate::interfaces;
use net::{Interface, Path};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// An interface that is left out because a VPN takes all traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bypass {
    /// What would lead around it.
    pub interface: Interface,
    /// Its name.
    pub name: String,
    /// The tunnel's name.
    pub tunnel: String,
}

/// The paths on which the system would really send, in the same order, and the interfaces that are left out because they
/// would lead around a VPN: what a [`super::Driver`] uses, for programs that open connections of their own besides.
#[must_use]
pub fn usable_paths(mut paths: Vec<Path>, policy: &dyn Policy) -> (Vec<Path>, Vec<Bypass>) {
    paths.retain(|path| path.local.ip.is_unspecified() || interfaces::has_route(path));
    let left_out = keep_in_tunnels(&mut paths, policy);
    (paths, left_out)
}

/// Takes out the paths that would lead around a tunnel into which this machine's policy forces all traffic, unless the program
/// says of their interface that it may.
fn keep_in_tunnels(paths: &mut Vec<Path>, policy: &dyn Policy) -> Vec<Bypass> {
    let interfaces = interfaces::list();
    let mut forced: BTreeMap<IpAddr, Option<Interface>> = BTreeMap::new();
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
        if tunnel == interface || policy.may_bypass(&name) {
            return true;
        }
        if !left_out.iter().any(|known| known.interface == interface) {
            left_out.push(Bypass { interface, name, tunnel: named(tunnel).unwrap_or_default() });
        }
        false
    });
    left_out
}
