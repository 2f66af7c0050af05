use super::*;
use crate::{Candidate, Class, Config, Connection, Event, Instant, LocalAddr};
use proptest::prelude::*;

fn key(length: usize) -> Key {
    let octets: Vec<u8> = (0..length as u8).collect();
    Key::from_bytes(&octets).unwrap()
}

fn hex(bytes: &[u8]) -> alloc::string::String {
    bytes.iter().map(|byte| alloc::format!("{byte:02x}")).collect()
}

fn header(kind: Kind) -> Header {
    Header {
        kind,
        timestamp: Some(0x1234),
        timestamp_reply: None,
        loss: 0,
        congestion: false,
        largest: 0,
        after_padded: false,
    }
}

fn nonce(side: Side, sequence: u64) -> Nonce {
    let mut source = NonceSource::new(FlowId::ZERO, side);
    source.skip_to(sequence);
    source.next().unwrap()
}

/// Datagrams that mosh 1.4.0 itself made and opened, under the key of octets 0 to 15.
#[test]
fn mosh_datagrams_are_those_of_mosh() {
    let mut client = Dialect::new(DialectName::Mosh, &key(16), Side::Client).unwrap();
    let bytes = client.seal(nonce(Side::Client, 0), &header(Kind::Data), b"").unwrap();
    assert_eq!(hex(&bytes), "000000000000000039022b58039e83e3919aa6d7c2b344a0df6eec4f");

    let mut server = Dialect::new(DialectName::Mosh, &key(16), Side::Server).unwrap();
    let header = Header { timestamp_reply: Some(0x5678), ..header(Kind::Data) };
    let payload = [0, 0, 0, 0, 0, 0, 0, 1, 0x80, 0, 0x78, 0x9c, 3, 0, 0, 0, 0, 1];
    let mut bytes = server.seal(nonce(Side::Server, 1), &header, &payload).unwrap();
    assert_eq!(
        hex(&bytes),
        "8000000000000001a63b05b1d7d8f32f212f9753605dfbc94fe15794a8fa47539cd08895de04d1b154ace2182eae"
    );
    let clear = client.peek(&bytes).unwrap();
    assert_eq!(clear.sequence, 1);
    let (opened, rest) = client.open(&clear, &mut bytes).unwrap();
    assert_eq!((opened, rest), (header, &payload[..]));
}

/// Datagrams that the authors' implementation itself made and opened, under the key of octets 0 to 15.
#[test]
fn mp_mosh_datagrams_are_those_of_mp_mosh() {
    let mut client = Dialect::new(DialectName::MpMosh, &key(16), Side::Client).unwrap();
    let flow = |number, side, sequence| {
        let mut source = NonceSource::new(FlowId::new(number).unwrap(), side);
        source.skip_to(sequence);
        source.next().unwrap()
    };
    let probe = client.seal(flow(1, Side::Client, 2), &header(Kind::Probe), b"").unwrap();
    assert_eq!(hex(&probe), "0001000000000002f0f5e9a083117930303d8c5271bd3caa599d9ae18d8d");
    let request = client.seal(flow(0, Side::Client, 0), &header(Kind::Addresses), b"").unwrap();
    assert_eq!(hex(&request), "000000000000000039022b58aa1dd5c00a779380fa2b34baa94a9b2b9819");
    let mut server = Dialect::new(DialectName::MpMosh, &key(16), Side::Server).unwrap();
    let data = Header { timestamp: Some(1), timestamp_reply: Some(2), loss: 3, ..header(Kind::Data) };
    let mut bytes = server.seal(flow(5, Side::Server, 7), &data, b"abc").unwrap();
    assert_eq!(hex(&bytes), "80050000000000079f4d95d9c3a6f8fc26da2f4b878c52e6c757d9659bf1f229ba");
    let clear = client.peek(&bytes).unwrap();
    assert_eq!((clear.flow.index(), clear.sequence), (5, 7));
    assert_eq!(client.open(&clear, &mut bytes), Ok((data, &b"abc"[..])));
}

#[test]
fn both_flags_of_mp_mosh_are_an_address_message() {
    let decoded =
        |flags| mp_mosh::MpMosh.decode(&[0x12, 0x34, 0xFF, 0xFF, flags, 200]).map(|(header, _)| header);
    assert_eq!(decoded(3).unwrap().kind, Kind::Addresses);
    assert_eq!(
        decoded(0xFC),
        Ok(Header { loss: 100, ..header(Kind::Data) }),
        "bits without a meaning, and a loss beyond all"
    );
    assert_eq!(mp_mosh::MpMosh.decode(&[0; 5]), Err(Discard::Truncated));
}

#[test]
fn every_flow_id_of_fifteen_bits_is_known_to_mp_mosh() {
    let mut client = Dialect::new(DialectName::MpMosh, &key(16), Side::Client).unwrap();
    let server = Dialect::new(DialectName::MpMosh, &key(16), Side::Server).unwrap();
    let nonce = NonceSource::new(FlowId::new(0x7FFF).unwrap(), Side::Client).next().unwrap();
    let bytes = client.seal(nonce, &header(Kind::Probe), b"").unwrap();
    assert_eq!(server.peek(&bytes).map(|clear| clear.flow.index()), Ok(0x7FFF));
}

#[test]
fn a_probe_is_fourteen_octets_before_the_tag() {
    let mut client = Dialect::new(DialectName::Multipath, &key(32), Side::Client).unwrap();
    let bytes = client.seal(nonce(Side::Client, 0), &header(Kind::Probe), b"").unwrap();
    assert_eq!(bytes.len(), 14 + TAG);
    assert_eq!(bytes.len(), client.traits().overhead);
}

/// Our own vectors, made by another implementation of RFC 8439 (OpenSSL's) from the layout of Figure 7.
#[test]
fn multipath_datagrams_do_not_change() {
    let mut client = Dialect::new(DialectName::Multipath, &key(32), Side::Client).unwrap();
    let mut server = Dialect::new(DialectName::Multipath, &key(32), Side::Server).unwrap();
    let probe = client.seal(nonce(Side::Client, 0), &header(Kind::Probe), b"").unwrap();
    let mut source = NonceSource::new(FlowId::new(5).unwrap(), Side::Server);
    source.skip_to(7);
    let data = Header {
        timestamp: Some(1),
        timestamp_reply: Some(2),
        loss: 3,
        congestion: true,
        ..header(Kind::Data)
    };
    let data = server.seal(source.next().unwrap(), &data, b"abc").unwrap();
    assert_eq!(hex(&probe), PROBE_VECTOR);
    assert_eq!(hex(&data), DATA_VECTOR);
}

const PROBE_VECTOR: &str = "000000000000000018b9500552194e0859ac09a701f690b64528d7e1262f";
const DATA_VECTOR: &str = "80050000000000071ab1eff3b95e9548a424987583cc9f1b363fb3e27b5c80703e";

#[test]
fn contradictory_flags_are_refused() {
    assert_eq!(multipath::Multipath.decode(&[0, 3, 0, 0, 0, 0]), Err(Discard::ContradictoryFlags));
}

#[test]
fn sizes_have_the_bits_between_the_congestion_and_the_loss_and_the_last_one() {
    let decode = |flags: [u8; 2]| {
        let [high, low] = flags;
        multipath::Multipath.decode(&[high, low, 0x12, 0x34, 0xFF, 0xFF]).unwrap().0
    };
    assert_eq!(decode([0x00, 0xF8]), Header { largest: 31, ..header(Kind::Data) });
    assert_eq!(decode([0x00, 0x08]), Header { largest: 1, ..header(Kind::Data) });
    assert_eq!(decode([0x80, 0x00]), Header { after_padded: true, ..header(Kind::Data) });
    assert_eq!(decode([0x7F, 0x04]), Header { loss: 100, congestion: true, ..header(Kind::Data) });
}

#[test]
fn what_is_not_ours_to_open_is_named() {
    let mut client = Dialect::new(DialectName::Multipath, &key(32), Side::Client).unwrap();
    let server = Dialect::new(DialectName::Multipath, &key(32), Side::Server).unwrap();
    let bytes = client.seal(nonce(Side::Client, 0), &header(Kind::Probe), b"").unwrap();
    assert_eq!(client.peek(&bytes), Err(Discard::Reflected));
    assert_eq!(server.peek(&bytes[..29]), Err(Discard::Truncated));
    assert_eq!(server.peek(&[0; LONGEST + 1]), Err(Discard::TooLong));
    let mut unknown = bytes.clone();
    unknown[1] = 64;
    assert_eq!(server.peek(&unknown), Err(Discard::UnknownFlow));
    let mut forged = bytes.clone();
    forged[9] ^= 1;
    let clear = server.peek(&forged).unwrap();
    assert_eq!(server.open(&clear, &mut forged), Err(Discard::Forged));
}

proptest! {
    #[test]
    fn no_octets_can_harm(mut bytes: Vec<u8>) {
        for dialect in [
            Dialect::new(DialectName::Multipath, &key(32), Side::Server),
            Dialect::new(DialectName::Mosh, &key(16), Side::Server),
            Dialect::new(DialectName::MpMosh, &key(16), Side::Server),
        ] {
            let dialect = dialect.unwrap();
            if let Ok(clear) = dialect.peek(&bytes) {
                prop_assert!(dialect.open(&clear, &mut bytes).is_err());
            }
            let _ = dialect.codec.decode(&bytes);
        }
    }

    #[test]
    fn a_header_survives_the_wire(
        kind in prop_oneof![Just(Kind::Data), Just(Kind::Probe), Just(Kind::Addresses)],
        timestamp in proptest::option::of(0..u16::MAX),
        timestamp_reply in proptest::option::of(0..u16::MAX),
        loss in 0..=100u8,
        congestion: bool,
        largest in 0..=31u8,
        after_padded: bool,
        payload: Vec<u8>,
        flow in 0..64u16,
        sequence in 0..1u64 << 48,
    ) {
        let header =
            Header { kind, timestamp, timestamp_reply, loss, congestion, largest, after_padded };
        let mut client = Dialect::new(DialectName::Multipath, &key(32), Side::Client).unwrap();
        let server = Dialect::new(DialectName::Multipath, &key(32), Side::Server).unwrap();
        let mut source = NonceSource::new(FlowId::new(flow).unwrap(), Side::Client);
        source.skip_to(sequence);
        let mut bytes = client.seal(source.next().unwrap(), &header, &payload).unwrap();
        let clear = server.peek(&bytes).unwrap();
        prop_assert_eq!((clear.flow.index(), clear.sequence), (flow, sequence));
        let (opened, rest) = server.open(&clear, &mut bytes).unwrap();
        prop_assert_eq!((opened, rest), (header, &payload[..]));
    }
}

#[test]
fn a_key_that_is_used_up_seals_nothing_more_and_ends_the_association() {
    let spent = |left: u64| {
        let mut dialect = Dialect::new(DialectName::Multipath, &key(32), Side::Client).unwrap();
        dialect.spent.blocks = MOST_BLOCKS - left;
        dialect
    };
    let mut dialect = spent(3);
    assert!(dialect.seal(nonce(Side::Client, 0), &header(Kind::Data), b"").is_some());
    assert!(dialect.seal(nonce(Side::Client, 1), &header(Kind::Data), b"").is_none());

    let (now, remote) = (Instant::ZERO, "192.0.2.1:60001".parse().unwrap());
    let mut client = Connection::client(spent(0), &[remote], Config::default(), now);
    let candidate = Candidate {
        addr: LocalAddr { ip: "192.0.2.2".parse().unwrap(), interface: core::num::NonZeroU32::new(1) },
        kind: Default::default(),
        role: Default::default(),
        metered: false,
        lists: false,
        mtu: None,
        lingers: false,
    };
    client.handle_interfaces(&[candidate], now);
    client.handle_paths(&client.candidate_paths(), now);
    client.send(b"key".to_vec(), Class::Interactive);
    for _ in 0..2 {
        assert!(client.poll_transmit(now).is_none());
        client.send(b"key".to_vec(), Class::Interactive);
    }
    let events: Vec<Event> = core::iter::from_fn(|| client.poll_event()).collect();
    assert_eq!(events.iter().filter(|event| **event == Event::KeySpent).count(), 1);
}
