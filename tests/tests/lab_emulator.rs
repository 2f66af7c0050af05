//! The emulated network does what it is told: figures are asserted loosely, since the machine is shared, and
//! printed for whoever wants to know (`--nocapture`).
#![cfg(target_os = "linux")]

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use mpmosh_tests::lab::measure::{Echo, bind, quantile, round_trips};
use mpmosh_tests::lab::{self, Fate, Laptop, LaptopOptions, Loss, Paper, Side, clock};

const MS: Duration = Duration::from_millis(1);

fn echo_pair(paper: &Paper, path: usize) -> (Echo, std::net::UdpSocket, SocketAddr) {
    let server: SocketAddr = format!("{}:7007", Paper::server_address(path)).parse().unwrap();
    let client: SocketAddr = format!("{}:0", Paper::client_address(path)).parse().unwrap();
    (Echo::start(&paper.server, server).unwrap(), bind(&paper.client, client).unwrap(), server)
}

#[test]
fn a_link_delays_what_it_is_told_to_delay() {
    let Some(paper) = lab::open(Paper::new) else { return };
    for (path, each_way) in [(0, 20 * MS), (1, 40 * MS)] {
        let (_echo, socket, server) = echo_pair(&paper, path);
        let times = round_trips(&socket, server, (200, 100), 5 * MS, 500 * MS).unwrap();
        assert!(times.iter().all(Option::is_some), "a link without loss lost something");
        let errors = times.into_iter().flatten().map(|time| time.saturating_sub(2 * each_way));
        let errors: Vec<_> = errors.collect();
        let at = |part| quantile(errors.iter().copied(), part);
        println!(
            "path {path}: beyond {:?}: median {:?}, p90 {:?}, worst {:?}",
            2 * each_way,
            at(0.5),
            at(0.9),
            at(1.0)
        );
        assert!(at(0.5) < 5 * MS, "median error {:?}", at(0.5));
    }
}

#[test]
fn a_path_reaches_the_other_hosts_address_of_its_own_network_only() {
    let Some(paper) = lab::open(Paper::new) else { return };
    let (_echo, _, server) = echo_pair(&paper, 1);
    let other = bind(&paper.client, format!("{}:0", Paper::client_address(0)).parse().unwrap()).unwrap();
    paper.links[1].record();
    let _ = round_trips(&other, server, (3, 100), 5 * MS, 300 * MS);
    // The route leads over link 1 whatever the source is; the answer has no way back over it.
    assert!(paper.links[1].recorded().iter().all(|packet| packet.from == Side::Near));
}

#[test]
fn losses_come_as_often_as_asked_and_in_bursts_where_asked() {
    let Some(paper) = lab::open(Paper::new) else { return };
    let (_echo, socket, server) = echo_pair(&paper, 0);
    let link = &paper.links[0];
    link.delay(Duration::ZERO);
    link.set_from(Side::Near, |shape| shape.loss = Loss::Random(0.3));
    let times = round_trips(&socket, server, (1000, 64), MS, 300 * MS).unwrap();
    let lost = times.iter().filter(|time| time.is_none()).count();
    println!("30 % random: {lost} of 1000");
    assert!((220..380).contains(&lost), "{lost} of 1000 lost");

    link.set_from(Side::Near, |shape| shape.loss = Loss::Gilbert { enter: 0.02, leave: 0.2, lose: 1.0 });
    let times = round_trips(&socket, server, (2000, 64), MS, 300 * MS).unwrap();
    let lost: Vec<bool> = times.iter().map(Option::is_none).collect();
    let bursts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count() + usize::from(lost[0]);
    let total = lost.iter().filter(|lost| **lost).count();
    println!("Gilbert: {total} of 2000 lost in {bursts} bursts");
    assert!((60..400).contains(&total), "{total} of 2000 lost");
    assert!(total >= 2 * bursts, "{total} losses in {bursts} bursts are not bursts");
}

#[test]
fn a_rate_a_queue_and_an_mtu_are_kept() {
    let Some(paper) = lab::open(Paper::new) else { return };
    let (_echo, socket, server) = echo_pair(&paper, 0);
    let link = &paper.links[0];
    link.delay(Duration::ZERO);
    // 1,028 octets at 1 Mbit/s take 8.2 ms; a queue of ten of them.
    link.set_from(Side::Near, |shape| (shape.rate, shape.queue) = (Some(1_000_000), 10_280));
    link.record();
    let times = round_trips(&socket, server, (50, 1000), Duration::ZERO, 500 * MS).unwrap();
    let heard: Vec<_> = times.into_iter().flatten().collect();
    let overflowed = link.recorded().iter().filter(|packet| packet.fate == Fate::Overflowed).count();
    println!("rate: {} of 50 through, {overflowed} overflowed, last after {:?}", heard.len(), heard.last());
    assert!((8..20).contains(&heard.len()), "{} of 50 came through a queue of ten", heard.len());
    assert!(overflowed + heard.len() == 50, "{overflowed} + {} are not 50", heard.len());
    assert!(*heard.last().unwrap() > 60 * MS, "ten datagrams of 8 ms each took {:?}", heard.last());

    link.set_from(Side::Near, |shape| (shape.rate, shape.mtu) = (None, Some(1200)));
    let long = round_trips(&socket, server, (3, 1300), MS, 300 * MS).unwrap();
    let short = round_trips(&socket, server, (3, 1100), MS, 300 * MS).unwrap();
    assert!(long.iter().all(Option::is_none) && short.iter().all(Option::is_some));
}

#[test]
fn a_blackhole_swallows_what_is_under_way_and_heals() {
    let Some(paper) = lab::open(Paper::new) else { return };
    let (_echo, socket, server) = echo_pair(&paper, 1);
    let link = &paper.links[1];
    let flight = std::thread::scope(|scope| {
        let flight = scope.spawn(|| round_trips(&socket, server, (1, 64), MS, 300 * MS).unwrap());
        clock::sleep(15 * MS);
        link.blackhole(true);
        flight.join().unwrap()
    });
    assert_eq!(flight, [None], "a datagram under way survived the death of its link");
    link.blackhole(false);
    let healed = round_trips(&socket, server, (3, 64), MS, 500 * MS).unwrap();
    assert!(healed.iter().all(Option::is_some), "{healed:?}");
}

#[test]
fn both_families_work_on_both_paths() {
    let Some(paper) = lab::open(Paper::new) else { return };
    for path in 0..2 {
        let server: SocketAddr = format!("[fd00:{path}:2::2]:7007").parse().unwrap();
        let _echo = Echo::start(&paper.server, server).unwrap();
        let socket = bind(&paper.client, "[::]:0".parse().unwrap()).unwrap();
        let times = round_trips(&socket, server, (3, 64), MS, 500 * MS).unwrap();
        assert!(times.iter().all(Option::is_some), "path {path}: {times:?}");
    }
}

/// Sends one datagram from a source address, with or without that source's interface index, and prints what came.
const PKTINFO: &str = r"
import socket, struct, sys
source, device, peer, index = sys.argv[1:]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('0.0.0.0', 0)); s.settimeout(1)
info = struct.pack('=i4s4s', socket.if_nametoindex(device) if index == 'index' else 0, socket.inet_aton(source), b'')
s.sendmsg([b'hello'], [(socket.IPPROTO_IP, 8, info)], 0, (peer, 7007))
try: print('answer', s.recvfrom(100)[0].decode())
except TimeoutError: print('silence')
";

fn ask(laptop: &Laptop, uplink: usize, index: bool) -> String {
    let uplink = &laptop.uplinks[uplink];
    let index = if index { "index" } else { "no" };
    let output = laptop
        .client
        .command("python3")
        .args(["-c", PKTINFO, &uplink.address(), uplink.interface, Laptop::SERVER, index])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn source_and_interface_index_choose_the_second_default_route_and_the_source_alone_does_not() {
    let Some(laptop) = lab::open(|| Laptop::new(LaptopOptions::default())) else { return };
    let _echo = Echo::start(&laptop.server, format!("{}:7007", Laptop::SERVER).parse().unwrap()).unwrap();
    for (uplink, index, expected) in [
        (0, false, "answer hello"),
        (0, true, "answer hello"),
        // The provider of the first route drops the second's address.
        (1, false, "silence"),
        (1, true, "answer hello"),
    ] {
        assert_eq!(ask(&laptop, uplink, index), expected, "uplink {uplink}, index {index}");
    }
}

#[test]
fn a_strict_reverse_path_filter_on_the_client_drops_the_second_uplinks_answers() {
    let strict = LaptopOptions { reverse_path_filter: 1, ..LaptopOptions::default() };
    let Some(laptop) = lab::open(|| Laptop::new(strict)) else { return };
    let _echo = Echo::start(&laptop.server, format!("{}:7007", Laptop::SERVER).parse().unwrap()).unwrap();
    laptop.uplinks[1].link.record();
    assert_eq!(ask(&laptop, 0, true), "answer hello");
    assert_eq!(ask(&laptop, 1, true), "silence");
    let answers = laptop.uplinks[1].link.recorded();
    assert!(
        answers.iter().any(|packet| packet.from == Side::Far),
        "the answer came and was dropped by the client"
    );
}

#[test]
fn uplinks_go_down_come_back_and_change_their_addresses() {
    let Some(mut laptop) =
        lab::open(|| Laptop::new(LaptopOptions { ipv6: true, ..LaptopOptions::default() }))
    else {
        return;
    };
    let server: SocketAddr = format!("{}:7007", Laptop::SERVER).parse().unwrap();
    let server_v6: SocketAddr = format!("[{}]:7007", Laptop::SERVER_V6).parse().unwrap();
    let _echoes = [server, server_v6].map(|address| Echo::start(&laptop.server, address).unwrap());
    let works = |laptop: &Laptop, uplink: usize| {
        let link = &laptop.uplinks[uplink].link;
        link.record();
        for (local, peer) in [("0.0.0.0:0", server), ("[::]:0", server_v6)] {
            let socket = bind(&laptop.client, local.parse().unwrap()).unwrap();
            let times = round_trips(&socket, peer, (2, 64), MS, 500 * MS).unwrap();
            assert!(times.iter().all(Option::is_some), "uplink {uplink} to {peer}: {times:?}");
        }
        let answers =
            link.recorded().into_iter().filter(|packet| packet.protocol == 17 && packet.from == Side::Far);
        assert_eq!(answers.count(), 4, "carried by uplink {uplink}");
    };
    works(&laptop, 0);
    laptop.uplinks[0].interface_down().unwrap();
    works(&laptop, 1);
    laptop.uplinks[0].interface_up().unwrap();
    works(&laptop, 0);
    let old = laptop.uplinks[0].address();
    laptop.uplinks[0].change_address().unwrap();
    assert_ne!(laptop.uplinks[0].address(), old);
    works(&laptop, 0);
    laptop.uplinks[0].change_network("192.168.7").unwrap();
    works(&laptop, 0);
}

#[test]
fn a_lab_leaves_nothing_behind() {
    let Some(paper) = lab::open(Paper::new) else { return };
    let name = paper.client.name().to_owned();
    let directory = paper.lab.directory().to_owned();
    let mut sleeper = paper.client.command("sleep").arg("1000").spawn().unwrap();
    assert!(clock::wait_for(2000 * MS, || (!paper.client.processes().is_empty()).then_some(())).is_some());
    drop(paper);
    assert!(!sleeper.wait().unwrap().success(), "it was ended");
    assert!(!std::path::Path::new("/run/netns").join(&name).exists());
    assert!(!std::path::Path::new("/etc/netns").join(&name).exists());
    assert!(!directory.exists());
}
