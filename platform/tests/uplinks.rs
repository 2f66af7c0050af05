//! A host with two uplinks, both with a default route of another metric, as a laptop has them: what leaves, leaves through
//! the interface of its path and from its address, in both families; and changes are noticed.
//!
//! Runs in a network namespace of its own, with `unshare` and `ip`; `MPMOSH_SKIP_LAB=1` skips it.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as it should be"
)]

use mpmosh_platform::dial::Dialling;
use mpmosh_platform::interfaces::{Interface, OwnChoice, Watch, closeness, has_route, list, own_choice};
use mpmosh_platform::udp::{Endpoint, Families};
use net::{InterfaceKind, LocalAddr, Path, SendError, Transmit};
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::Command;

/// Says to the other test that it runs within a namespace.
const INSIDE: &str = "MPMOSH_TEST_INSIDE";

#[test]
fn a_datagram_leaves_through_the_interface_of_its_path() {
    if std::env::var_os("MPMOSH_SKIP_LAB").is_some_and(|value| value == "1") {
        println!("skipped: 1 test that needs a network namespace");
        return;
    }
    // SAFETY: takes nothing, cannot fail.
    let root = unsafe { libc::geteuid() } == 0;
    let user: &[&str] = if root { &[] } else { &["--user", "--map-root-user"] };
    let status = Command::new("unshare")
        .args(user)
        .args(["--net", "--"])
        .arg(std::env::current_exe().unwrap())
        .env(INSIDE, "1")
        .args(["--exact", "inside", "--ignored", "--nocapture"])
        .status()
        .expect("unshare (util-linux) is needed");
    assert!(status.success());
}

fn ip(line: &str) {
    let status = Command::new("ip").args(line.split(' ')).status().expect("ip (iproute2) is needed");
    assert!(status.success(), "ip {line}");
}

/// Sees every IP packet of the namespace as it leaves.
struct Tap(OwnedFd);

impl Tap {
    fn new() -> Self {
        let all = (libc::ETH_P_ALL as u16).to_be();
        // SAFETY: numbers only; a non-negative answer is a new descriptor that is ours alone.
        unsafe {
            let fd = libc::socket(libc::AF_PACKET, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK, all.into());
            assert!(fd >= 0);
            Self(OwnedFd::from_raw_fd(fd))
        }
    }

    /// Where the next packet with this payload leaves: the interface and the source.
    fn leaving(&self, payload: &[u8]) -> Option<(u32, IpAddr)> {
        self.packet(payload).map(|(interface, packet)| (interface, source(&packet)))
    }

    /// Where the next packet of TCP to this port leaves, likewise.
    fn dialling(&self, port: u16) -> Option<(u32, IpAddr)> {
        let to_port = |packet: &[u8]| {
            let (protocol, header) = if packet[0] >> 4 == 4 { (packet[9], 20) } else { (packet[6], 40) };
            protocol == 6 && packet[header + 2..].starts_with(&port.to_be_bytes())
        };
        self.next(to_port).map(|(interface, packet)| (interface, source(&packet)))
    }

    /// The next packet that leaves and ends with these octets, and its interface.
    fn packet(&self, end: &[u8]) -> Option<(u32, Vec<u8>)> {
        self.next(|packet| packet.ends_with(end))
    }

    /// The next packet that leaves and is wanted, and its interface.
    fn next(&self, is_wanted: impl Fn(&[u8]) -> bool) -> Option<(u32, Vec<u8>)> {
        let mut buffer = [0_u8; 2000];
        loop {
            // SAFETY: integers only; the buffer and the name outlive the call, with their sizes.
            let (n, from) = unsafe {
                let mut from: libc::sockaddr_ll = zeroed();
                let mut size = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
                let (fd, to) = (self.0.as_raw_fd(), buffer.as_mut_ptr().cast());
                (libc::recvfrom(fd, to, buffer.len(), 0, (&raw mut from).cast(), &raw mut size), from)
            };
            let packet = &buffer[..usize::try_from(n).ok()?];
            if from.sll_pkttype == libc::PACKET_OUTGOING && is_wanted(packet) {
                return Some((from.sll_ifindex as u32, packet.to_vec()));
            }
        }
    }
}

/// Where a packet says that it comes from.
fn source(packet: &[u8]) -> IpAddr {
    match packet[0] >> 4 {
        4 => IpAddr::from(*packet[12..].first_chunk::<4>().unwrap()),
        _ => IpAddr::from(*packet[8..].first_chunk::<16>().unwrap()),
    }
}

/// A connection leaves through the interface that it was told, whatever the best route is; the system's own choice, and how
/// closely a route fits, are what the routing tables say.
fn connections_keep_to_their_interface(uplinks: [&Interface; 3]) {
    let tap = Tap::new();
    let [w0, w1, w2] = uplinks;
    let interfaces = list();
    let remotes = ["203.0.113.7:2200", "[2001:db8::7]:2200"].map(|text| text.parse::<SocketAddr>().unwrap());
    let local = |uplink: &Interface, remote: SocketAddr| {
        let same = |source: &LocalAddr| {
            let link = matches!(source.ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
            source.ip.is_ipv4() == remote.is_ipv4() && !link
        };
        uplink.sources().into_iter().find(same).unwrap()
    };
    for remote in remotes {
        assert_eq!(own_choice(&remote, &interfaces), OwnChoice::Through(w0.index), "{remote}");
        for uplink in [w0, w1] {
            let from = local(uplink, remote);
            let dialling = Dialling::begin(remote, Some(from)).unwrap();
            assert_eq!(tap.dialling(2200), Some((uplink.index.get(), from.ip)), "{remote}");
            assert!(dialling.outcome().is_none(), "nobody answers there");
            assert_eq!(closeness(&Path { local: from, remote }, &interfaces), 0);
        }
        let as_it_likes = Dialling::begin(remote, None).unwrap();
        assert_eq!(tap.dialling(2200), Some((w0.index.get(), local(w0, remote).ip)));
        drop(as_it_likes);
    }
    for (remote, bits) in [("10.0.2.1:22", 24), ("[fd00:0:0:2::1]:22", 64)] {
        let remote = remote.parse().unwrap();
        assert_eq!(own_choice(&remote, &interfaces), OwnChoice::Through(w2.index), "{remote}");
        assert_eq!(closeness(&Path { local: local(w2, remote), remote }, &interfaces), bits);
        assert_eq!(closeness(&Path { local: local(w1, remote), remote }, &interfaces), 0);
    }
    assert_eq!(own_choice(&"10.0.1.2:22".parse().unwrap(), &interfaces), OwnChoice::Here);
    // A route for one source alone, in a table of its own.
    ip("route add default via 10.0.2.1 dev w2 table 7");
    ip("-6 route add default via fd00:0:0:2::1 dev w2 table 7");
    ip("rule add from 10.0.2.2 lookup 7");
    ip("-6 rule add from fd00:0:0:2::2 lookup 7");
    for remote in remotes {
        let from = local(w2, remote);
        assert!(has_route(&Path { local: from, remote }));
        let dialling = Dialling::begin(remote, Some(from)).unwrap();
        assert_eq!(tap.dialling(2200), Some((w2.index.get(), from.ip)), "{remote}");
        drop(dialling);
    }
    ip("rule del from 10.0.2.2 lookup 7");
    ip("-6 rule del from fd00:0:0:2::2 lookup 7");
}

/// Whether a packet may be cut in pieces, or is one: DF in IPv4, a fragment header in IPv6.
fn is_whole_for_good(packet: &[u8]) -> bool {
    match packet[0] >> 4 {
        4 => packet[6] & 0x40 != 0,
        _ => packet[6] == 17,
    }
}

/// Data may be cut in pieces, by this system too; a probe may not, and is refused where it does not fit. Both families.
fn only_probes_forbid_fragments(uplink: &Interface) {
    let interface = Some(uplink.index);
    let mut client = Endpoint::client(Families::ANY).unwrap();
    let tap = Tap::new();
    for (from, to, headers) in [("10.0.0.2", "203.0.113.7", 28), ("fd00::2", "2001:db8::7", 48)] {
        let path = Path {
            local: LocalAddr { ip: from.parse().unwrap(), interface },
            remote: SocketAddr::new(to.parse().unwrap(), 60001),
        };
        let is_v4 = headers == 28;
        let mut send = |octets: usize, dont_fragment: bool| {
            let bytes = vec![octets as u8; octets];
            let mut transmit = Transmit::new(path, bytes);
            transmit.dont_fragment = dont_fragment;
            client.send(&transmit)?;
            Ok(tap.packet(&[octets as u8; 8]).map(|(_, packet)| is_whole_for_good(&packet)))
        };
        assert_eq!(send(1500 - headers, true), Ok(Some(true)), "{to}");
        assert_eq!(
            send(1500 - headers - 1, false),
            Ok(Some(!is_v4)),
            "{to}: it fits, and IPv4 may still cut it"
        );
        assert_eq!(send(1501 - headers, true), Err(SendError::TooBig), "{to}");
        assert_eq!(send(1600, false), Ok(Some(false)), "{to}: in pieces");
        assert_eq!(send(900, true), Ok(Some(true)), "{to}");
        assert_eq!(send(901, false), Ok(Some(!is_v4)), "{to}: the socket is as it was");
    }
}

#[test]
#[ignore = "runs within a network namespace, started by the other test"]
fn inside() {
    // Never in the machine's own namespace.
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    ip("link set lo up");
    for (n, metric) in [(0, 100), (1, 600), (2, 0)] {
        ip(&format!("link add w{n} type veth peer name p{n}"));
        ip(&format!("link set p{n} up"));
        ip(&format!("link set w{n} up"));
        ip(&format!("addr add 10.0.{n}.2/24 dev w{n}"));
        ip(&format!("addr add fd00:0:0:{n}::2/64 dev w{n} nodad"));
        for gateway in [format!("10.0.{n}.1"), format!("fd00:0:0:{n}::1")] {
            ip(&format!("neigh add {gateway} lladdr 02:00:00:00:00:01 dev w{n}"));
            // The third has addresses and no way out.
            if n < 2 {
                let family = if gateway.contains(':') { "-6" } else { "-4" };
                ip(&format!("{family} route add default via {gateway} dev w{n} metric {metric}"));
            }
        }
    }
    let interfaces = list();
    let interface = |name: &str| interfaces.iter().find(|interface| interface.name == name).unwrap();
    let [w0, w1, w2] = ["w0", "w1", "w2"].map(interface);
    assert!(w0.default_v4 && w0.default_v6 && w1.default_v4 && w1.default_v6);
    assert!(!w2.default_v4 && !w2.default_v6);
    ip("link add name br-guests type bridge");
    ip("link add name br-world type bridge");
    ip("addr add 10.0.9.2/24 dev br-world");
    ip("link set br-world up");
    ip("route add default dev br-world metric 5000");
    let kind =
        |name: &str| list().iter().find(|interface| interface.name == name).map(|interface| interface.kind);
    assert_eq!(kind("br-guests"), Some(InterfaceKind::Bridge));
    assert_eq!(kind("br-world"), Some(InterfaceKind::Ethernet));
    ip("link del br-world");

    let local =
        |from: &Interface, ip: &str| LocalAddr { ip: ip.parse().unwrap(), interface: Some(from.index) };
    let path = |local, remote: &str| Path { local, remote: SocketAddr::new(remote.parse().unwrap(), 60001) };
    let mut client = Endpoint::client(Families::ANY).unwrap();
    let tap = Tap::new();
    let mut count = 0_u8;
    let mut leaves = |path: Path| {
        count += 1;
        let bytes = vec![count; 333];
        client.send(&Transmit::new(path, bytes.clone()))?;
        Ok(tap.leaving(&bytes))
    };
    for (uplink, v4, v6) in [(w0, "10.0.0.2", "fd00::2"), (w1, "10.0.1.2", "fd00:0:0:1::2")] {
        for (from, to) in [(v4, "203.0.113.7"), (v6, "2001:db8::7")] {
            let path = path(local(uplink, from), to);
            assert!(has_route(&path), "{path:?}");
            assert_eq!(leaves(path), Ok(Some((uplink.index.get(), from.parse().unwrap()))), "{path:?}");
        }
    }
    // No way out: the kernel would take the destination for a neighbour (IPv4), or use another uplink (IPv6).
    for (from, to) in [("10.0.2.2", "203.0.113.7"), ("fd00:0:0:2::2", "2001:db8::7")] {
        assert!(!has_route(&path(local(w2, from), to)));
    }
    assert!(has_route(&path(local(w2, "10.0.2.2"), "10.0.2.1")));
    assert!(has_route(&path(local(w2, "fd00:0:0:2::2"), "fd00:0:0:2::1")));

    only_probes_forbid_fragments(w0);
    connections_keep_to_their_interface([w0, w1, w2]);

    // A change is noticed, once, and what it means is asked anew.
    let mut watch = Watch::new().unwrap();
    assert!(!watch.read());
    ip("link set w1 down");
    assert!(watch.read());
    assert!(!watch.read());
    let gone = path(local(w1, "10.0.1.2"), "203.0.113.7");
    assert!(!has_route(&gone));
    assert_eq!(leaves(gone), Err(SendError::PathGone));
    assert_eq!(leaves(path(local(w1, "fd00:0:0:1::2"), "2001:db8::7")), Err(SendError::PathGone));
    assert!(matches!(leaves(path(local(w0, "10.0.0.2"), "203.0.113.7")), Ok(Some(_))));
    ip("addr del 10.0.0.2/24 dev w0");
    assert!(watch.read());
    assert_eq!(leaves(path(local(w0, "10.0.0.2"), "203.0.113.7")), Err(SendError::PathGone));

    // Without IPv6, IPv4 goes on alone.
    std::fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1").unwrap();
    let server = Endpoint::server(0..=0, Families::ANY).unwrap();
    assert!(server.families().v4);
}
