//! Reaching the host: its addresses, and the first of them that accepts a connection.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;

use platform::clock;

use super::Error;
use crate::cli::words::Family;

/// How long an address has before the next one is tried beside it (RFC 8305 §5 recommends this).
const STAGGER: Duration = Duration::from_millis(250);
/// How long an address may take in all, when the user has no `ConnectTimeout`.
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

/// Connects to the first address that answers. The next one starts when the one before fails, or is slow.
pub(super) fn race(
    host: &str,
    addresses: &[SocketAddr],
    timeout: Option<Duration>,
) -> Result<TcpStream, Error> {
    let timeout = timeout.unwrap_or(TIMEOUT);
    let (sender, receiver) = mpsc::channel();
    let mut waiting = addresses.iter().copied();
    let mut tried = Vec::new();
    let mut running = 0_usize;
    let mut next_start = clock::now();
    loop {
        if clock::now() >= next_start
            && let Some(address) = waiting.next()
        {
            let sender = sender.clone();
            running += 1;
            next_start = clock::now() + STAGGER;
            // The loser's thread ends by itself, at its timeout.
            thread::spawn(move || {
                let _ = sender.send((address, TcpStream::connect_timeout(&address, timeout)));
            });
        }
        let left = waiting.len() > 0;
        if running == 0 && !left {
            let port = addresses.first().map_or(0, SocketAddr::port);
            return Err(Error::Connect { host: host.into(), port, tried });
        }
        let wait = if left { next_start.since(clock::now()) } else { timeout + STAGGER };
        match receiver.recv_timeout(wait) {
            Ok((_, Ok(stream))) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok((address, Err(error))) => {
                running -= 1;
                tried.push((address, error));
                next_start = clock::now();
            }
            Err(_) if left => {}
            // connect_timeout keeps its promise within the stagger; if it did not, do not hang.
            Err(_) => {
                tried.extend(addresses.iter().map(|address| (*address, io::ErrorKind::TimedOut.into())));
                running = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

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
    fn a_refusing_address_does_not_keep_from_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|e| panic!("{e}"));
        let good = listener.local_addr().unwrap_or_else(|e| panic!("{e}"));
        let bad = SocketAddr::new([127, 0, 0, 2].into(), 1);
        let stream = race("h", &[bad, good], None).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(stream.peer_addr().ok(), Some(good));
    }

    #[test]
    fn when_all_fail_each_failure_is_told() {
        let bad = [SocketAddr::new([127, 0, 0, 2].into(), 1), SocketAddr::new([127, 0, 0, 3].into(), 1)];
        match race("h", &bad, None) {
            Err(Error::Connect { tried, port: 1, .. }) => assert_eq!(tried.len(), 2),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_of_an_excluded_family_are_not_used() {
        assert!(matches!(resolve("::1", 22, Family::Inet, None), Err(Error::Resolve { .. })));
        assert!(matches!(resolve("127.0.0.1", 22, Family::Auto, Some("inet6")), Err(Error::Resolve { .. })));
        assert!(resolve("127.0.0.1", 22, Family::Inet, None).is_ok());
    }
}
