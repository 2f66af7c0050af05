use super::*;
use crate::messages::{Step, put_step};
use crate::pair::{Pair, Weather};
use crate::{Input, InputEvent, Screen};
use proptest::prelude::*;
use terminal::{Size, Vocabulary};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn configs() -> [Config; 2] {
    [Config::stock(MS(1), 3), Config::extended(MS(1), 3)]
}

fn pair(config: Config, weather: Weather) -> Pair<Input, Input> {
    Pair::new(Input::new(), Input::new(), config, weather, 11)
}

fn bytes(input: &Input, position: u64) -> Vec<u8> {
    input
        .events_since(position)
        .flat_map(|event| match event {
            InputEvent::Bytes(bytes) => bytes.to_vec(),
            InputEvent::Resize { .. } | InputEvent::Colors(_) => Vec::new(),
        })
        .collect()
}

#[test]
fn a_key_arrives_one_way_and_a_frame_the_other() {
    for config in configs() {
        let mut pair = pair(config, Weather::FINE);
        pair.client.local_mut().push_bytes(b"key");
        pair.server.local_mut().push_bytes(b"frame");
        pair.run(MS(100));
        assert_eq!(bytes(pair.server.remote(), 0), b"key");
        assert_eq!(bytes(pair.client.remote(), 0), b"frame");
        pair.run(MS(400));
        assert_eq!(pair.client.unanswered_since(), None);
    }
}

#[test]
fn a_key_leaves_after_the_minimal_delay() {
    for config in configs() {
        let mut pair = pair(config, Weather::FINE);
        pair.run(MS(1000));
        let (link, now) = (pair.link, pair.now);
        pair.client.local_mut().push_bytes(b"x");
        assert_eq!(pair.client.poll_transmit(&link, now), None);
        assert_eq!(pair.client.poll_timeout(&link, now), Some((now + MS(1), Reason::Frame)));
        assert!(pair.client.poll_transmit(&link, now + MS(1)).is_some_and(|out| out.new));
    }
}

#[test]
fn silence_costs_a_heartbeat_with_original_peers_and_nothing_with_ours() {
    for (config, limit) in configs().into_iter().zip([45, 0]) {
        let mut pair = pair(config, Weather::FINE);
        pair.client.local_mut().push_bytes(b"x");
        pair.run(MS(2000));
        let before = pair.network.sent;
        pair.run(Duration::from_secs(60));
        let sent = pair.network.sent[0] + pair.network.sent[1] - before[0] - before[1];
        assert!(sent <= limit && (limit == 0 || sent >= 38), "{sent} in a minute");
    }
}

#[test]
fn nothing_is_sent_without_somewhere_to_send_to() {
    let mut pair = pair(Config::extended(MS(1), 1), Weather::FINE);
    pair.link.connected = false;
    pair.client.local_mut().push_bytes(b"x");
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.network.sent, [0, 0]);
    pair.link.connected = true;
    pair.run(MS(100));
    assert_eq!(bytes(pair.server.remote(), 0), b"x");
}

#[test]
fn an_hour_without_a_network_is_overcome() {
    for config in configs() {
        let mut pair = pair(config, Weather { loss: 100, ..Weather::FINE });
        pair.client.local_mut().push_bytes(b"before");
        pair.run(Duration::from_secs(3600));
        pair.client.local_mut().push_bytes(b" and after");
        pair.weather = Weather::FINE;
        pair.client.repeat_newest();
        pair.run(MS(300));
        assert_eq!(bytes(pair.server.remote(), 0), b"before and after");
    }
}

#[test]
fn the_newest_is_repeated_at_once_and_from_what_was_acknowledged() {
    let mut pair = pair(Config::extended(MS(1), 1), Weather::FINE);
    pair.client.local_mut().push_bytes(b"a");
    pair.run(MS(1000));
    pair.weather.loss = 100;
    for key in [b"b", b"c"] {
        pair.client.local_mut().push_bytes(key);
        pair.run(MS(30));
    }
    pair.weather.loss = 0;
    let (link, now) = (pair.link, pair.now);
    pair.client.repeat_newest();
    assert_eq!(pair.client.poll_timeout(&link, now), Some((now, Reason::Ready)));
    let out = pair.client.poll_transmit(&link, now).unwrap();
    assert!(!out.new);
    pair.server.handle_payload(&out.payload, now).unwrap();
    assert_eq!(bytes(pair.server.remote(), 0), b"abc");
}

#[test]
fn a_lost_acknowledgement_is_replaced_when_the_question_comes_again() {
    let mut pair = pair(Config::extended(MS(1), 1), Weather::FINE);
    pair.run(MS(500));
    pair.client.local_mut().push_bytes(b"x");
    pair.run_until(MS(100), |pair| pair.server.remote().end() == 1);
    pair.weather.loss = 100;
    pair.run(MS(40));
    pair.weather.loss = 0;
    assert!(pair.client.unanswered_since().is_some());
    pair.run(MS(200));
    assert_eq!(pair.client.unanswered_since(), None);
}

#[test]
fn a_paste_of_a_mebibyte_arrives_whole() {
    for config in configs() {
        let weather = Weather { loss: 5, ..Weather::FINE };
        let mut pair = pair(config, weather);
        pair.link.max_payload = 1200;
        let paste: Vec<u8> =
            (0..1u32 << 18).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_be_bytes()).collect();
        pair.client.local_mut().push_bytes(&paste);
        let mut got = Vec::new();
        let whole = pair.run_until(Duration::from_secs(120), |pair| {
            let more = bytes(pair.server.remote(), got.len() as u64);
            got.extend(more);
            got.len() == paste.len()
        });
        assert!(whole, "{} of {} in two minutes", got.len(), paste.len());
        assert!(got == paste);
    }
}

#[test]
fn either_end_ends_the_session_and_the_status_travels() {
    for config in configs() {
        let mut pair = pair(config, Weather { loss: 20, ..Weather::FINE });
        pair.client.local_mut().push_bytes(b"exit\r");
        pair.run(MS(1000));
        pair.server.local_mut().push_bytes(b"last words");
        pair.server.start_shutdown(Some(7), pair.now);
        assert_eq!(pair.server.shutdown_state(pair.now), Shutdown::Started);
        let over = pair.run_until(MS(5000), |pair| pair.server.shutdown_state(pair.now).is_over());
        assert!(over);
        assert_eq!(pair.server.shutdown_state(pair.now), Shutdown::Acknowledged);
        assert_eq!(pair.client.shutdown_state(pair.now), Shutdown::Answered);
        assert_eq!(
            pair.client.remote_exit_status(),
            config.extended.then_some(7),
            "only between our own ends"
        );
        assert_eq!(bytes(pair.client.remote(), 0), b"last words");
        assert!(pair.events[0].contains(&Event::ShutdownRequested));
    }
}

#[test]
fn a_shutdown_that_an_original_peer_does_not_answer_is_given_up_as_originals_do() {
    let mut pair = pair(Config::stock(MS(1), 3), Weather { loss: 100, ..Weather::FINE });
    pair.client.start_shutdown(None, pair.now);
    let over = pair.run_until(MS(10_001), |pair| pair.client.shutdown_state(pair.now).is_over());
    assert!(over);
    assert_eq!(pair.client.shutdown_state(pair.now), Shutdown::GaveUp);
    assert!(pair.network.sent[0] <= 17);
}

#[test]
fn a_blip_at_the_end_costs_neither_the_farewell_nor_the_status() {
    // The shortest round trip is the hardest: whoever counts attempts has spent them all first.
    let lan = Weather { delay: Duration::from_micros(100), ..Weather::FINE };
    for blip in [600, 9_000, 60_000, 3_600_000] {
        let mut pair = pair(Config::extended(MS(1), 3), lan);
        pair.client.local_mut().push_bytes(b"exit 3\r");
        pair.run(MS(1000));
        pair.weather.loss = 100;
        let before = pair.network.sent[1];
        pair.server.start_shutdown(Some(3), pair.now);
        pair.run(MS(blip));
        assert_eq!(pair.server.shutdown_state(pair.now), Shutdown::Started, "{blip} ms");
        // Closely at first, then ever more rarely, and at least as often as a heartbeat.
        let sent = pair.network.sent[1] - before;
        assert!((8..=40 + blip / 3000).contains(&sent), "{sent} in {blip} ms");
        pair.weather.loss = 0;
        let late = MS(blip / 4).clamp(MS(20), MS(3000)) + MS(100);
        assert!(pair.run_until(late, |pair| pair.server.shutdown_state(pair.now).is_over()), "{blip} ms");
        assert_eq!(pair.server.shutdown_state(pair.now), Shutdown::Acknowledged);
        assert_eq!(pair.client.remote_exit_status(), Some(3));
    }
}

#[test]
fn an_end_that_nobody_asks_for_is_given_up_after_a_day() {
    let mut pair = pair(Config::extended(MS(1), 3), Weather { loss: 100, ..Weather::FINE });
    pair.server.start_shutdown(Some(3), pair.now);
    let over = |pair: &mut Pair<Input, Input>| pair.server.shutdown_state(pair.now).is_over();
    assert!(!pair.run_until(Duration::from_secs(24 * 3600 - 1), over));
    assert!(pair.run_until(Duration::from_secs(5), over));
    assert_eq!(pair.server.shutdown_state(pair.now), Shutdown::GaveUp);
}

#[test]
fn with_a_third_lost_each_way_nine_keys_of_ten_are_echoed_in_four_round_trips_and_a_bit() {
    for rtt in [20, 40, 100, 250] {
        let weather = Weather { delay: MS(rtt / 2), loss: 30, ..Weather::FINE };
        let mut waits = Vec::new();
        for seed in 1..20 {
            let config = Config::extended(MS(1), seed);
            let mut pair = Pair::new(Input::new(), Input::new(), config, weather, seed);
            for _ in 0..20 {
                let typed = pair.now;
                pair.client.local_mut().push_bytes(b"k");
                let wanted = pair.client.local().end();
                let echoed = pair.run_until(Duration::from_secs(20), |pair| {
                    let (have, shown) = (pair.server.remote().end(), pair.server.local().end());
                    (shown..have).for_each(|_| pair.server.local_mut().push_bytes(b"k"));
                    pair.client.remote().end() == wanted
                });
                assert!(echoed);
                waits.push(pair.now.since(typed));
                pair.run(MS(200));
            }
        }
        waits.sort();
        let p90 = waits[waits.len() * 9 / 10];
        assert!(p90 <= MS(4 * rtt + 200), "{p90:?} at {rtt} ms");
    }
}

/// An instruction as a hostile but authentic peer might write it.
fn hostile<'a>(edit: impl FnOnce(&mut Instruction<'a>)) -> Vec<u8> {
    let mut instruction = Instruction { version: 2, new: 1, ..Instruction::default() };
    edit(&mut instruction);
    let bytes = Codec::new().compress(&instruction.encode()).unwrap();
    split(77, &bytes, 1000).unwrap().remove(0)
}

fn refused(payload: &[u8], discard: Discard) {
    for config in configs() {
        let mut pair = pair(config, Weather::FINE);
        let now = pair.now;
        assert_eq!(pair.server.handle_payload(payload, now), Err(discard));
        assert_eq!(pair.server.discards().of(discard), 1);
        pair.client.local_mut().push_bytes(b"still alive");
        pair.run(MS(200));
        assert_eq!(bytes(pair.server.remote(), 0), b"still alive");
    }
}

#[test]
fn a_payload_without_a_header_is_discarded() {
    refused(b"", Discard::ShortPayload);
    refused(b"123456789", Discard::ShortPayload);
}

#[test]
fn a_payload_that_is_not_zlib_is_discarded() {
    refused(b"\0\0\0\0\0\0\0\x01\x80\0rubbish", Discard::Inflate);
    refused(b"\0\0\0\0\0\0\0\x01\x80\0", Discard::Inflate);
}

#[test]
fn a_zip_bomb_is_discarded() {
    let mut deflate = zlib_rs::Deflate::new(9, true, 15);
    let mut bomb = alloc::vec![0; 1 << 16];
    deflate.compress(&alloc::vec![0; 8 << 20], &mut bomb, zlib_rs::DeflateFlush::Finish).unwrap();
    bomb.truncate(deflate.total_out() as usize);
    refused(&split(1, &bomb, 1 << 17).unwrap()[0], Discard::TooBig);
}

#[test]
fn bytes_that_are_no_instruction_are_discarded() {
    let bytes = Codec::new().compress(b"\x08").unwrap();
    refused(&split(1, &bytes, 100).unwrap()[0], Discard::Protobuf);
}

#[test]
fn a_diff_that_is_no_diff_is_discarded() {
    refused(&hostile(|instruction| instruction.diff = b"\x0a\x05\x12"), Discard::Protobuf);
}

#[test]
fn another_protocol_version_is_discarded() {
    refused(&hostile(|instruction| instruction.version = 3), Discard::Version);
}

#[test]
fn a_diff_from_an_unknown_state_is_discarded() {
    refused(&hostile(|instruction| instruction.old = 5), Discard::UnknownBase);
}

#[test]
fn a_throwaway_beyond_every_state_is_discarded() {
    refused(&hostile(|instruction| instruction.throwaway = u64::MAX), Discard::Throwaway);
}

#[test]
fn a_throwaway_of_the_base_itself_is_discarded() {
    refused(&hostile(|instruction| instruction.throwaway = 1), Discard::Throwaway);
}

#[test]
fn a_replayed_instruction_takes_effect_once() {
    for config in configs() {
        let mut pair = pair(config, Weather::FINE);
        let payload = hostile(|instruction| instruction.diff = b"\x0a\x05\x12\x03\x22\x01x");
        for _ in 0..3 {
            pair.server.handle_payload(&payload, pair.now).unwrap();
        }
        assert_eq!(bytes(pair.server.remote(), 0), b"x");
    }
}

/// An instruction of a peer that throws nothing away.
fn kept(id: u64, old: u64, diff: &[u8]) -> Vec<u8> {
    let instruction = Instruction { version: PROTOCOL_VERSION, old, new: id, diff, ..Instruction::default() };
    let compressed = Codec::new().compress(&instruction.encode()).unwrap();
    split(id, &compressed, 1 << 20).unwrap().remove(0)
}

#[test]
fn a_client_that_throws_nothing_away_fills_no_memory() {
    let mut pair = pair(Config::extended(MS(1), 1), Weather::FINE);
    let mut diff = Vec::new();
    put_step(&mut diff, Step::Bytes(&alloc::vec![b'x'; 1 << 20]));
    for number in 1..=300 {
        // Each from the first, so that none shares anything with another; what is newest is read all the same.
        assert_eq!(pair.server.handle_payload(&kept(number, 0, &diff), pair.now), Ok(()));
        assert_eq!(pair.server.remote_number(), number);
        let (states, octets) = pair.server.receiver.load();
        assert!(states <= 64 && octets <= 32 << 20, "{states} states of {octets} octets");
    }
    // Each from the one before: then the newest alone is too much at some time.
    let mut last = 300;
    for number in 301..=400 {
        let outcome = pair.server.handle_payload(&kept(number, last, &diff), pair.now);
        let (states, octets) = pair.server.receiver.load();
        assert!(states <= 64 && octets <= 32 << 20, "{states} states of {octets} octets");
        match outcome {
            Ok(()) => last = number,
            Err(discard) => assert_eq!(discard, Discard::Quenched),
        }
    }
    assert!((320..340).contains(&last), "{last}");
    // One that throws away what it need not keep goes on as before.
    let known = Instruction {
        version: PROTOCOL_VERSION,
        old: last,
        new: 500,
        throwaway: last,
        ..Instruction::default()
    };
    let compressed = Codec::new().compress(&known.encode()).unwrap();
    assert_eq!(pair.server.handle_payload(&split(500, &compressed, 1 << 20).unwrap()[0], pair.now), Ok(()));
    assert!(pair.server.receiver.load().1 < 32 << 20);
}

/// What a hostile server may put into a screen: colours and text anew each time, a link of two kilobytes in each cell,
/// clipboards, titles, palettes.
#[test]
fn a_server_that_throws_nothing_away_fills_no_memory() {
    let size = Size { columns: 200, rows: 60 };
    let blank = Screen::new(size, Vocabulary::PEER);
    for based_on_the_first in [true, false] {
        let mut client =
            Transport::new(Input::new(), blank.clone(), Config::extended(MS(1), 1), Instant::ZERO);
        client.rules_mut().allow(size);
        let mut most = 0;
        for number in 1..=400u64 {
            let link = |n: u64| std::format!("\x1b]8;;h:{}{n}\x07x", "l".repeat(2000));
            let text = match number % 4 {
                0 => std::format!(
                    "\x1b[H{}",
                    (0..300).map(|n| link(number * 1000 + n)).collect::<std::string::String>()
                ),
                1 => std::format!("\x1b[H\x1b[48;2;1;2;{}m{}", number % 256, "y".repeat(200 * 60)),
                2 => std::format!("\x1b]52;c;{}\x07", "QUJD".repeat(32_000)),
                _ => std::format!(
                    "\x1b[{};1H{}\x1b]2;{number}\x07",
                    number % 60,
                    (0..200).map(link).collect::<std::string::String>()
                ),
            };
            let mut diff = Vec::new();
            put_step(&mut diff, Step::Bytes(text.as_bytes()));
            let old = if based_on_the_first { 0 } else { client.remote_number() };
            let outcome = client.handle_payload(&kept(number, old, &diff), Instant::ZERO);
            let (states, octets) = client.receiver.load();
            most = most.max(octets);
            assert!(states <= 64, "{states}");
            // What four plain screens of this size have is spared.
            assert!(octets <= (32 << 20) + 4 * blank.least_held(), "{octets}");
            assert_eq!(outcome.is_err(), client.breach().is_some());
            if outcome.is_err() {
                assert_eq!(client.breach(), Some(Breach::Memory(32 << 20)));
                break;
            }
        }
        assert!(most > 16 << 20, "{most}: this was to be too much");
    }
}

/// Hidden from the one that says something anew all the time, the other's acknowledgements are lost for long: what both
/// have kept is enough to go on from.
#[test]
fn states_that_were_forgotten_between_are_not_missed() {
    for seed in 1..40 {
        let weather = Weather { delay: MS(150), jitter: MS(100), loss: 30, duplicates: 10 };
        let mut pair = Pair::new(Input::new(), Input::new(), Config::extended(MS(1), seed), weather, seed);
        for n in 0..400u64 {
            pair.server.local_mut().push_bytes(b"output");
            // One way is silent for seconds, and then all that waited there arrives.
            pair.weather.delay =
                if (100..300).contains(&(n + seed * 7 % 90)) { MS(150 + (n % 50) * 100) } else { MS(150) };
            pair.run(MS(21));
            assert!(pair.client.receiver.load().0 <= 64);
        }
        pair.weather.delay = MS(150);
        let whole = pair.run_until(Duration::from_secs(30), |pair| {
            pair.client.remote().end() == 400 * 6 && pair.server.unanswered_since().is_none()
        });
        assert!(whole, "seed {seed}: {}", pair.client.remote().end());
    }
}

#[test]
fn an_acknowledgement_of_something_never_sent_is_ignored() {
    let mut pair = pair(Config::stock(MS(1), 1), Weather::FINE);
    let payload = hostile(|instruction| instruction.ack = 99);
    pair.server.handle_payload(&payload, pair.now).unwrap();
    assert_eq!(pair.server.acknowledged_number(), 0);
}

#[test]
fn a_parting_carries_no_content_and_is_told_with_its_time() {
    let mut pair = pair(Config::extended(MS(1), 1), Weather::FINE);
    pair.server.local_mut().push_bytes(b"known");
    assert!(pair.run_until(MS(500), |pair| pair.server.acknowledged_number() > 0));
    // What the peer is not known to have stays untold, though it was on its way already.
    pair.server.local_mut().push_bytes(b" and a secret");
    pair.weather.loss = 100;
    pair.run(MS(30));
    pair.weather.loss = 0;
    pair.server.freeze();
    pair.server.start_parting(Parting::TakenOver, 1_234, pair.now);
    let told = pair.run_until(Duration::from_secs(5), |pair| {
        pair.server.shutdown_state(pair.now) == Shutdown::Acknowledged
    });
    assert!(told);
    assert_eq!(pair.client.remote_parting(), Some((Parting::TakenOver, 1_234)));
    assert_eq!(pair.client.remote().end(), b"known".len() as u64);
}

#[test]
fn a_wish_to_detach_reaches_our_own_peers_alone() {
    for (config, told) in
        [(Config::extended(MS(1), 1), Some((Parting::Detached, 0))), (Config::stock(MS(1), 1), None)]
    {
        let mut pair = pair(config, Weather::FINE);
        pair.client.start_parting(Parting::Detached, 0, pair.now);
        let over = pair.run_until(Duration::from_secs(5), |pair| {
            pair.client.shutdown_state(pair.now) == Shutdown::Acknowledged
        });
        assert!(over);
        assert_eq!(pair.server.remote_parting(), told);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 100, ..ProptestConfig::with_cases(64) })]
    #[test]
    fn whatever_the_weather_every_key_arrives_once_and_in_order(
        seed in 1u64..u64::MAX,
        loss in 0u64..60,
        duplicates in 0u64..50,
        jitter in 0u64..300,
        extended: bool,
        max_payload in 40usize..1200,
        typed in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), 0u64..400), 1..25),
    ) {
        let weather = Weather { delay: MS(30), jitter: MS(jitter), loss, duplicates };
        let config = if extended { Config::extended(MS(1), seed) } else { Config::stock(MS(1), seed) };
        let mut pair = Pair::new(Input::new(), Input::new(), config, weather, seed);
        pair.link.max_payload = max_payload;
        let (mut want, mut got) = (Vec::new(), Vec::new());
        let mut read = |pair: &mut Pair<Input, Input>| {
            got.extend(bytes(pair.server.remote(), got.len() as u64));
            got.len()
        };
        for (keys, pause) in &typed {
            pair.client.local_mut().push_bytes(keys);
            pair.server.local_mut().push_bytes(keys);
            want.extend_from_slice(keys);
            pair.run_until(MS(*pause), |pair| { read(pair); false });
        }
        let whole = pair.run_until(Duration::from_secs(240), |pair| {
            read(pair) == want.len() && pair.client.remote().end() == want.len() as u64
        });
        prop_assert!(whole);
        prop_assert_eq!(got, want);
    }

    #[test]
    fn any_instruction_at_all_is_survived(
        old in 0u64..4, new: u64, ack in 0u64..4, throwaway in 0u64..4, diff: Vec<u8>,
    ) {
        let mut pair = pair(Config::extended(MS(1), 1), Weather::FINE);
        let payload = hostile(|instruction| {
            *instruction = Instruction { old, new, ack, throwaway, diff: &diff, ..*instruction };
        });
        let _ = pair.server.handle_payload(&payload, pair.now);
        pair.run(MS(50));
    }
}
