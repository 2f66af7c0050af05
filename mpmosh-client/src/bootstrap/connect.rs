//! Reaching the host: its addresses, and the first way to one of them that leads to a connection.

mod race;
mod ways;

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::net::{TcpStream, ToSocketAddrs};

pub use race::Unreached;
use ways::Ways;

use super::{Dialogue, Error, Uplinks};
use crate::cli::words::Family;

/// How long a way may take that is only looked at: a connection over a slow one, and a repetition.
const SURVEY: Duration = Duration::from_secs(4);
/// How long a way may take in all, when the user has no `ConnectTimeout`.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The host's addresses in the order to try them.
pub(super) fn resolve(
    host: &str,
    port: u16,
    family: Family,
    ssh_family: Option<&str>,
) -> Result<Vec<SocketAddr>, Error> {
    let failed = |evidence: String| Error::Resolve { host: host.into(), evidence };
    let found = (host, port).to_socket_addrs().map_err(|error| failed(error.to_string()))?;
    let mut usable: Vec<SocketAddr> = Vec::new();
    let mut others = 0_usize;
    for address in found {
        let ssh_allows = match ssh_family {
            Some("inet") => address.is_ipv4(),
            Some("inet6") => address.is_ipv6(),
            _ => true,
        };
        if !family.allows(address.ip()) || !ssh_allows {
            others += 1;
        } else if !usable.contains(&address) {
            usable.push(address);
        }
    }
    if usable.is_empty() {
        return Err(failed(format!("{others} addresses of the other family")));
    }
    Ok(in_order(usable, family))
}

/// Alternates the families, beginning with the preferred one, else with that of the first address (RFC 8305 §4).
fn in_order(found: Vec<SocketAddr>, family: Family) -> Vec<SocketAddr> {
    let four_first = match family {
        Family::PreferInet => true,
        Family::PreferInet6 => false,
        _ => found.first().is_some_and(SocketAddr::is_ipv4),
    };
    let (first, second): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|address| address.is_ipv4() == four_first);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut out = Vec::new();
    loop {
        match (first.next(), second.next()) {
            (None, None) => return out,
            (a, b) => out.extend(a.into_iter().chain(b)),
        }
    }
}

/// The addresses, for hints.
pub(super) fn ips(addresses: &[SocketAddr]) -> Vec<IpAddr> {
    addresses.iter().map(SocketAddr::ip).collect()
}

/// Connects by the first way that leads to the host: one of its addresses, over one of the interfaces that may be used.
pub(super) fn race(
    host: &str,
    addresses: &[SocketAddr],
    uplinks: &Uplinks,
    timeout: Option<Duration>,
    dialogue: &mut dyn Dialogue,
) -> Result<TcpStream, Error> {
    let Ways { ways, left_out } = Ways::to(addresses, uplinks);
    race::first(ways, timeout.unwrap_or(TIMEOUT), dialogue).map_err(|tried| {
        let port = addresses.first().map_or(0, SocketAddr::port);
        Error::Connect { host: host.into(), port, tried, left_out }
    })
}

/// What becomes of a connection over each interface that may be used, a sentence each; nothing where there is no choice.
pub(super) fn survey(addresses: &[SocketAddr], uplinks: &Uplinks) -> Vec<String> {
    let Ways { ways, left_out } = Ways::to(addresses, uplinks);
    let first = ways.first().and_then(|way| way.over.clone());
    if ways.iter().all(|way| way.over == first) && left_out.is_empty() {
        return Vec::new();
    }
    let told = race::survey(ways, SURVEY).into_iter().map(|(way, outcome)| match outcome {
        Ok(took) => {
            let over = way.over.as_deref().unwrap_or("the system's choice");
            format!("{} over {over}: connected in {} ms", way.remote.ip(), took.as_millis())
        }
        Err(error) => Unreached::new(way, error).to_string(),
    });
    told.chain(left_out.iter().map(|left_out| format!("not tried: {left_out}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn families_alternate_beginning_with_the_preferred_one() {
        let found = ["192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1"].map(address).to_vec();
        assert_eq!(
            in_order(found.clone(), Family::Auto),
            ["192.0.2.1:1", "[2001:db8::1]:1", "192.0.2.2:1"].map(address)
        );
        assert_eq!(
            in_order(found, Family::PreferInet6),
            ["[2001:db8::1]:1", "192.0.2.1:1", "192.0.2.2:1"].map(address)
        );
    }

    #[test]
    fn addresses_of_an_excluded_family_are_not_used() {
        assert!(matches!(resolve("::1", 22, Family::Inet, None), Err(Error::Resolve { .. })));
        assert!(matches!(resolve("127.0.0.1", 22, Family::Auto, Some("inet6")), Err(Error::Resolve { .. })));
        assert!(resolve("127.0.0.1", 22, Family::Inet, None).is_ok());
    }
}
