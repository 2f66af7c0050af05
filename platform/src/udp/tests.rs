//! Over the loopback interface, with several of its addresses and both families.

use super::*;
use crate::fd::wait_readable;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

fn local(ip: &str) -> LocalAddr {
    LocalAddr { ip: ip.parse().unwrap(), interface: None }
}

fn loopback() -> NonZeroU32 {
    let list = crate::interfaces::list();
    list.iter().find(|interface| interface.kind == net::InterfaceKind::Loopback).unwrap().index
}

fn datagram(local: LocalAddr, remote: SocketAddr, bytes: &[u8]) -> Transmit {
    let path = Path { local, remote };
    Transmit::new(path, bytes.to_vec())
}

/// The next datagram, within some seconds.
fn next(endpoint: &mut Endpoint, buffer: &mut [u8]) -> Meta {
    for _ in 0..5000 {
        if let Some(meta) = endpoint.recv(buffer).unwrap() {
            return meta;
        }
        let _ = wait_readable(endpoint.sockets().next().unwrap(), 1);
    }
    panic!("nothing came");
}

fn has_v6() -> bool {
    crate::interfaces::list()
        .iter()
        .any(|i| i.addresses.iter().any(|a| a.ip == IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])))
}

#[test]
fn both_ends_know_which_addresses_and_interface_a_datagram_took() {
    let mut server = Endpoint::server(0..=0, Families::ANY).unwrap();
    let mut client = Endpoint::client(Families::ANY).unwrap();
    let mut buffer = [0; 2000];
    let mut pairs = vec![("127.0.0.1", "127.0.0.1"), ("127.0.0.2", "127.0.0.3"), ("127.9.8.7", "127.0.0.1")];
    if has_v6() {
        pairs.push(("::1", "::1"));
    }
    for (from, to) in pairs {
        let to: IpAddr = to.parse().unwrap();
        client.send(&datagram(local(from), SocketAddr::new(to, server.port()), b"ping")).unwrap();
        let meta = next(&mut server, &mut buffer);
        assert_eq!(meta.received(&mut buffer).bytes, b"ping");
        assert_eq!(meta.path.remote.ip(), from.parse::<IpAddr>().unwrap());
        assert_eq!(meta.path.local, LocalAddr { ip: to, interface: Some(loopback()) });
        assert_eq!((meta.ecn, meta.truncated), (Ecn::Ect, false), "{from}");

        // The answer takes the same way back, interface and all.
        server.send(&Transmit::new(meta.path, b"pong".to_vec())).unwrap();
        let meta = next(&mut client, &mut buffer);
        assert_eq!(meta.path.remote, SocketAddr::new(to, server.port()));
        assert_eq!(meta.path.local.ip, from.parse::<IpAddr>().unwrap());
        assert_eq!(meta.received(&mut buffer).bytes, b"pong");
    }
    assert_eq!(client.recv(&mut buffer).unwrap(), None);
}

#[test]
#[cfg(linux_kernel)]
fn a_congestion_mark_is_told_in_both_families() {
    let mut server = Endpoint::server(0..=0, Families::ANY).unwrap();
    let mut client = Endpoint::client(Families::ANY).unwrap();
    let mut buffer = [0; 100];
    for ip in ["127.0.0.1", "::1"].iter().take(if has_v6() { 2 } else { 1 }) {
        let to = SocketAddr::new(ip.parse().unwrap(), server.port());
        for (mark, told) in [(3, Ecn::Ce), (2, Ecn::Ect), (0, Ecn::NotEct)] {
            // As a router marks it.
            for socket in client.sockets() {
                let (level, option) = (libc::IPPROTO_IP, libc::IP_TOS);
                if crate::fd::set_option(socket, level, option, mark).is_err() || to.is_ipv6() {
                    let (level, option) = (libc::IPPROTO_IPV6, libc::IPV6_TCLASS);
                    let _ = crate::fd::set_option(socket, level, option, mark);
                }
            }
            client.send(&datagram(local(ip), to, b"x")).unwrap();
            assert_eq!(next(&mut server, &mut buffer).ecn, told, "{ip}");
        }
    }
}

#[test]
fn a_server_has_one_port_for_both_families_and_goes_on_where_it_is_taken() {
    let first = Endpoint::server(0..=0, Families::ANY).unwrap();
    let port = first.port();
    assert_ne!(port, 0);
    for family in [Families::V4, Families::V6] {
        if family == Families::V6 && !first.families().v6 {
            continue;
        }
        let taken = Endpoint::server(port..=port, family).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }
    let second = Endpoint::server(port..=port.saturating_add(50), Families::ANY).unwrap();
    assert!(second.port() > port);
    assert_eq!(second.families(), first.families());
    #[expect(clippy::reversed_empty_ranges, reason = "what a careless caller may give")]
    let empty = Endpoint::server(9..=8, Families::ANY).unwrap_err();
    assert_eq!(empty.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn each_family_works_without_the_other() {
    let mut buffer = [0; 100];
    for (families, ip) in [(Families::V4, "127.0.0.1"), (Families::V6, "::1")] {
        if families.v6 && !has_v6() {
            continue;
        }
        let mut server = Endpoint::server(0..=0, families).unwrap();
        let mut client = Endpoint::client(families).unwrap();
        assert_eq!((server.families(), client.families()), (families, families));
        assert_eq!(server.sockets().count(), 1);
        client.send(&datagram(local(ip), SocketAddr::new(ip.parse().unwrap(), server.port()), b"x")).unwrap();
        assert_eq!(next(&mut server, &mut buffer).len, 1);
    }
}

#[test]
fn a_new_generation_is_a_new_port_and_the_old_ones_listen_on() {
    let mut server = Endpoint::server(0..=0, Families::V4).unwrap();
    let mut client = Endpoint::client(Families::V4).unwrap();
    let to = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let mut buffer = [0; 100];
    let mut ports = Vec::new();
    for generation in 0..15 {
        let mut transmit = datagram(local("127.0.0.1"), to, b"hop");
        transmit.port_generation = generation;
        client.send(&transmit).unwrap();
        let from = next(&mut server, &mut buffer).path.remote.port();
        assert!(!ports.contains(&from));
        ports.push(from);
    }
    assert_eq!(client.sockets().count(), MOST_SOCKETS);
    assert_eq!(client.revision(), 14);
    // A datagram to an older port still arrives, and is said to come to that generation.
    let to_old = datagram(local("127.0.0.1"), ([127, 0, 0, 1], ports[8]).into(), b"late");
    server.send(&to_old).unwrap();
    assert_eq!(next(&mut client, &mut buffer).port_generation, 8);
    // An older generation still sends from its own port.
    let mut transmit = datagram(local("127.0.0.1"), to, b"steady");
    transmit.port_generation = 9;
    client.send(&transmit).unwrap();
    assert_eq!(next(&mut server, &mut buffer).path.remote.port(), ports[9]);
    assert_eq!(client.port(), ports[14]);
}

#[test]
fn a_replaced_port_closes_a_minute_after_it_last_sent() {
    let mut client = Endpoint::client(Families::V4).unwrap();
    let start = clock::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    for generation in 1..4 {
        client.socket_for(Family::V4, generation, start).unwrap();
    }
    client.sockets[1].used = at(30);
    client.close_old(at(61));
    let open: Vec<_> = client.sockets.iter().map(|socket| socket.generation).collect();
    assert_eq!(open, [1, 3]);
    client.close_old(at(500));
    assert_eq!(client.sockets.len(), 1);
}

#[test]
fn a_server_never_changes_its_port() {
    let mut server = Endpoint::server(0..=0, Families::V4).unwrap();
    let mut transmit = datagram(local("127.0.0.1"), ([127, 0, 0, 1], server.port()).into(), b"x");
    transmit.port_generation = 7;
    server.send(&transmit).unwrap();
    assert_eq!(server.sockets().count(), 1);
    let meta = next(&mut server, &mut [0; 10]);
    assert_eq!(meta.path.remote.port(), server.port());
}

#[test]
fn a_longer_datagram_than_the_buffer_is_marked() {
    let mut server = Endpoint::server(0..=0, Families::V4).unwrap();
    let to = SocketAddr::from(([127, 0, 0, 1], server.port()));
    server.send(&datagram(local("127.0.0.1"), to, &[7; 600])).unwrap();
    let mut buffer = [0; 500];
    let meta = next(&mut server, &mut buffer);
    assert_eq!((meta.len, meta.truncated), (500, true));
    server.send(&datagram(local("127.0.0.1"), to, &[])).unwrap();
    let meta = next(&mut server, &mut buffer);
    assert_eq!((meta.len, meta.truncated), (0, false));
}

#[test]
fn the_systems_refusals_are_told_apart() {
    let mut client = Endpoint::client(Families::ANY).unwrap();
    let v4 = SocketAddr::from(([127, 0, 0, 1], 9));
    // A source that is not ours, in both families.
    assert_eq!(client.send(&datagram(local("203.0.113.77"), v4, b"x")), Err(SendError::PathGone));
    if has_v6() {
        let v6 = SocketAddr::new("::1".parse().unwrap(), 9);
        assert_eq!(client.send(&datagram(local("2001:db8::77"), v6, b"x")), Err(SendError::PathGone));
    }
    // An interface that is gone, and families that do not fit.
    let gone = LocalAddr { interface: NonZeroU32::new(0x7FFF_FFFF), ..local("127.0.0.1") };
    assert_eq!(client.send(&datagram(gone, v4, b"x")), Err(SendError::PathGone));
    assert_eq!(client.send(&datagram(local("::1"), v4, b"x")), Err(SendError::PathGone));
    // Larger than UDP can be.
    assert_eq!(client.send(&datagram(local("127.0.0.1"), v4, &[0; 70_000])), Err(SendError::TooBig));
    let mut large = datagram(local("127.0.0.1"), v4, &[0; 65_507]);
    large.dont_fragment = true;
    let _ = client.send(&large);
    large.dont_fragment = false;
    // The socket is as it was.
    assert_eq!(client.send(&datagram(local("127.0.0.1"), v4, b"x")), Ok(()));
}

#[test]
#[cfg(linux_kernel)]
fn an_icmp_error_never_fails_a_send_and_names_its_path() {
    let mut buffer = [0; 100];
    // A port that nobody listens on.
    let closed = Endpoint::server(0..=0, Families::ANY).unwrap().port();
    let mut server = Endpoint::server(0..=0, Families::ANY).unwrap();
    let mut families = vec![("127.0.0.1", "127.0.0.5", "127.0.0.9")];
    if has_v6() {
        families.push(("::1", "::1", "::1"));
    }
    for (healthy, from, dead) in families {
        let mut client = Endpoint::client(Families::ANY).unwrap();
        let dead = SocketAddr::new(dead.parse().unwrap(), closed);
        let healthy: IpAddr = healthy.parse().unwrap();
        let healthy = datagram(local(&healthy.to_string()), SocketAddr::new(healthy, server.port()), b"well");
        // Each of these leaves an error that waits for the next send.
        for _ in 0..20 {
            assert_eq!(client.send(&datagram(local(from), dead, b"into the void")), Ok(()));
            assert_eq!(client.send(&healthy), Ok(()));
            assert_eq!(next(&mut server, &mut buffer).len, 4);
        }
        assert_eq!(client.recv(&mut buffer).unwrap(), None);
        let errors = client.take_errors();
        assert_eq!(errors.len(), 20, "{from}");
        for error in errors {
            assert_eq!(error.kind, IcmpKind::PortUnreachable);
            assert_eq!(error.path.remote, dead);
            assert_eq!(error.path.local.ip, from.parse::<IpAddr>().unwrap());
        }
        // Nothing is left that would keep the socket ready.
        for socket in client.sockets() {
            assert!(!wait_readable(socket, 0));
        }
    }
}

/// One turn of a loop: what it took.
fn turn(endpoint: &mut Endpoint, timeout: Option<Duration>) -> Vec<Vec<u8>> {
    let mut waiter = Waiter::new();
    let watched = endpoint.watch(&mut waiter);
    let ready = async_io::block_on(waiter.wait(timeout)).unwrap();
    let mut taken = Vec::new();
    endpoint
        .receive(&ready, watched, &mut [0; 2048], |received| taken.push(received.bytes.to_vec()))
        .unwrap();
    taken
}

#[test]
fn what_is_ready_is_taken_in_a_turn_or_the_next_and_large_datagrams_together() {
    let mut server = Endpoint::server(0..=0, Families::V4).unwrap();
    let mut client = Endpoint::client(Families::V4).unwrap();
    let remote = SocketAddr::new(IpAddr::from([127, 0, 0, 1]), server.port());
    let mut send = |bytes: &[u8]| client.send(&datagram(local("127.0.0.1"), remote, bytes)).unwrap();
    assert!(turn(&mut server, Some(Duration::ZERO)).is_empty());
    for small in [&b"a"[..], b"b", b"c"] {
        send(small);
    }
    // Of small ones, one is taken for the only one, until another comes close behind.
    assert_eq!(turn(&mut server, None), [b"a"]);
    let mut rest = Vec::new();
    while rest.len() < 2 {
        rest.extend(turn(&mut server, None));
    }
    assert_eq!(rest, [b"b", b"c"]);
    for count in 0..5 {
        send(&[count; 1200]);
    }
    let together = turn(&mut server, None);
    assert_eq!(together.len(), 5);
    assert!(turn(&mut server, Some(Duration::ZERO)).is_empty());
}

#[cfg(linux_kernel)]
#[test]
fn an_error_that_waits_is_told_by_the_wait_and_leaves_the_socket_quiet() {
    let mut client = Endpoint::client(Families::V4).unwrap();
    let closed =
        SocketAddr::new(IpAddr::from([127, 0, 0, 1]), Endpoint::server(0..=0, Families::V4).unwrap().port());
    client.send(&datagram(local("127.0.0.1"), closed, b"x")).unwrap();
    assert!(turn(&mut client, None).is_empty());
    let kinds: Vec<_> = client.take_errors().iter().map(|error| error.kind).collect();
    assert_eq!(kinds, [IcmpKind::PortUnreachable]);
    let mut waiter = Waiter::new();
    let watched = client.watch(&mut waiter);
    let ready = async_io::block_on(waiter.wait(Some(Duration::ZERO))).unwrap();
    assert!(!ready.has_any(watched));
}
