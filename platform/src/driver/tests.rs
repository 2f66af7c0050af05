use super::*;
use crate::udp::Families;
use net::{Connection, Dialect, DialectName, LocalAddr, Side};
use std::net::SocketAddr;
use std::num::NonZeroU32;

/// Two addresses of this machine, so that there are two paths.
struct TwoOfLoopback;

fn loopback() -> NonZeroU32 {
    let list = interfaces::list();
    list.iter().find(|interface| interface.kind == InterfaceKind::Loopback).unwrap().index
}

impl Policy for TwoOfLoopback {
    fn candidates(&self, _interfaces: &[Interface]) -> Vec<Candidate> {
        let addr = |last: u8| LocalAddr { ip: [127, 0, 0, last].into(), interface: Some(loopback()) };
        [1, 2].map(|last| Candidate::new(addr(last), InterfaceKind::Ethernet)).to_vec()
    }
}

fn pair(repeats: Repeats) -> [Conversation; 2] {
    let key = Conversation::new_key().unwrap();
    let server = Endpoint::server(0..=0, Families::V4).unwrap();
    let remote = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let dialect = |side| Dialect::new(DialectName::Multipath, &key, side).unwrap();
    let config = net::Config::new().with_redundancy(net::Redundancy::Always);
    let serves = config.with_port(server.port());
    let serving = Connection::server(dialect(Side::Server), serves, clock::now());
    let asking = Connection::client(dialect(Side::Client), &[remote], config, clock::now());
    let client = Endpoint::client(Families::V4).unwrap();
    [(client, asking), (server, serving)].map(|(endpoint, connection)| {
        Conversation::new(endpoint, connection, repeats, TwoOfLoopback).unwrap()
    })
}

/// Lets both run for a moment, and collects what they hear.
fn run(ends: &mut [Conversation; 2]) -> [Vec<Payload>; 2] {
    let mut heard = [Vec::new(), Vec::new()];
    for _ in 0..40 {
        for (end, heard) in ends.iter_mut().zip(&mut heard) {
            let soon = Some(Duration::from_millis(2));
            while let Some(happening) = async_io::block_on(end.next(soon)).unwrap() {
                if let Happening::Payload(payload) = happening {
                    heard.push(payload);
                }
            }
        }
    }
    heard
}

#[test]
fn what_is_said_before_there_is_a_path_is_an_error_and_later_it_arrives_once() {
    let mut ends = pair(Repeats::Dropped);
    assert_eq!(ends[0].send(b"early"), Err(NotSent::NoPath));
    assert_eq!(ends[1].send(b"early"), Err(NotSent::NoPath), "no client has spoken");
    run(&mut ends);
    let flows = ends[0].connection().flows().count();
    assert!(flows >= 2, "{flows}");
    for (from, to) in [(0, 1), (1, 0)] {
        ends[from].send(b"hello").unwrap();
        let heard = run(&mut ends);
        let bytes: Vec<_> =
            heard[to].iter().map(|payload| (payload.bytes.as_slice(), payload.repeated)).collect();
        assert_eq!(bytes, [(&b"hello"[..], false)]);
    }
    let long = vec![0; 5000];
    let Err(NotSent::TooLong { most }) = ends[0].send(&long) else { panic!("it went") };
    assert_eq!(ends[0].send(&long[..most]), Ok(()));
    assert_eq!(run(&mut ends)[1].iter().map(|payload| payload.bytes.len()).max(), Some(most));
}

#[test]
fn a_copy_is_marked_for_whoever_asks_for_copies() {
    let mut ends = pair(Repeats::Marked);
    run(&mut ends);
    ends[0].send(b"hello").unwrap();
    let heard = run(&mut ends);
    let marks: Vec<bool> = heard[1].iter().map(|payload| payload.repeated).collect();
    assert_eq!(marks, [false, true], "it went on two paths");
}

#[test]
fn what_is_said_goes_on_where_one_path_falls_silent() {
    let mut ends = pair(Repeats::Dropped);
    run(&mut ends);
    let hears = |ends: &mut [Conversation; 2], number: u32| {
        ends[0].send(&number.to_be_bytes()).unwrap();
        let heard = run(ends);
        heard[1].iter().any(|payload| payload.bytes == number.to_be_bytes())
    };
    assert!(hears(&mut ends, 0));
    let path = ends[0].connection().current_path().unwrap();
    // What comes by the path in use is lost from now on.
    let other = if path.remote.ip() == IpAddr::from([127, 0, 0, 1]) { 2 } else { 1 };
    ends[1].driver.only = Some([127, 0, 0, other].into());
    assert!((1..200).any(|number| hears(&mut ends, number)), "nothing goes on");
}

/// A machine that has something to say on a path that is none.
struct Lost(bool);

impl Machine for Lost {
    fn handle_datagram(&mut self, _received: Received<'_>, _now: Instant) {}
    fn handle_send_error(&mut self, _path: &Path, error: SendError, _now: Instant) {
        assert_eq!(error, SendError::PathGone);
    }
    fn handle_refusal(&mut self, _path: &Path, _kind: IcmpKind, _now: Instant) {}
    fn handle_packet_too_big(&mut self, _path: &Path, _mtu: u32, _now: Instant) {}
    fn handle_interfaces(&mut self, interfaces: &[Interface], candidates: &[Candidate], _now: Instant) {
        assert!(!interfaces.is_empty() && candidates.len() == 2);
    }
    fn candidate_paths(&self) -> Vec<Path> {
        let path = |local: &str| Path {
            local: LocalAddr { ip: local.parse().unwrap(), interface: None },
            remote: ([127, 0, 0, 1], 9).into(),
        };
        vec![path("127.0.0.1"), path("::1")]
    }
    fn handle_paths(&mut self, usable: &[Path], _now: Instant) {
        assert_eq!(usable, &self.candidate_paths()[..1], "no route leads from one family to the other");
    }
    fn handle_resume(&mut self, _slept: Duration, _now: Instant) {}
    fn handle_timeout(&mut self, _now: Instant) {}
    fn poll_transmit(&mut self, _now: Instant) -> Option<Transmit> {
        let path = self.candidate_paths()[1];
        let transmit = Transmit::new(path, vec![1]);
        std::mem::take(&mut self.0).then_some(transmit)
    }
    fn poll_timeout(&self, _now: Instant) -> Option<Instant> {
        None
    }
    fn is_active(&self, _now: Instant) -> bool {
        false
    }
}

#[test]
fn what_cannot_be_sent_is_told_and_makes_the_network_be_looked_at() {
    let mut driver = Driver::new(Endpoint::client(Families::V4).unwrap(), TwoOfLoopback).unwrap();
    let mut lost = Lost(true);
    driver.begin(&mut lost);
    assert!(matches!(driver.poll_notice(), Some(Notice::Candidates(candidates)) if candidates.len() == 2));
    driver.choose_paths(&mut lost);
    assert_eq!(driver.timeout(&lost), None);
    driver.transmit(&mut lost);
    let path = lost.candidate_paths()[1];
    assert_eq!(driver.poll_notice(), Some(Notice::Unsent(path, SendError::PathGone)));
    assert_eq!(driver.timeout(&lost), Some(Duration::ZERO));
    assert_eq!(driver.poll_notice(), None);
}
