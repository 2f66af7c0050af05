//! The two halves together: payloads in, payloads out. Contract: the five verbs of a pure machine. Change the local
//! object or hand in a payload, then drain [`Transport::poll_transmit`] and [`Transport::poll_event`] to empty, then
//! wait for [`Transport::poll_timeout`].

use crate::chaff::Chaff;
use crate::compression::Codec;
use crate::fragment::{Assembled, Assembler, split};
use crate::instruction::{Features, Instruction, PROTOCOL_VERSION, SHUTDOWN};
use crate::receiver::{Outcome, Receiver};
use crate::sender::{Sender, Step};
use crate::{Config, Discard, Discards, Link, Reason, State};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;
use net::Instant;

/// An instruction that arrives again this soon is the network's doing (or ours, on another path) and asks for
/// nothing; later it means that the acknowledgement was lost. Below the shortest retransmission timeout.
const ECHO: Duration = Duration::from_millis(40);

/// A payload to be sent: one fragment of an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The bytes, at least 10 of them and at most [`Link::max_payload`].
    pub payload: Vec<u8>,
    /// How many fragments the instruction has in all.
    pub fragments_in_instruction: usize,
    /// Whether it carries content that goes for the first time; otherwise it repeats or acknowledges.
    pub new: bool,
}

/// A payload that somebody waits for is no longer than this, in octets: a key, the line it changed.
const INTERACTIVE: usize = 300;

impl Outgoing {
    /// Whether it is worth sending on two paths: short, and alone in its instruction.
    #[must_use]
    pub fn class(&self) -> net::Class {
        if self.fragments_in_instruction == 1 && self.payload.len() <= INTERACTIVE {
            net::Class::Interactive
        } else {
            net::Class::Bulk
        }
    }
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer's object changed: this is the number of its newest state.
    NewRemoteState(u64),
    /// And it is not only newer, as a heartbeat makes it, but another.
    RemoteChanged,
    /// The peer has this end's state of this number.
    Acknowledged(u64),
    /// The peer ends the session.
    ShutdownRequested,
}

/// How far the end of the session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Nobody wants to end it.
    None,
    /// This end wants to and waits for the peer.
    Started,
    /// This end wanted to and the peer knows: the end.
    Acknowledged,
    /// This end wanted to and the peer did not answer: the end.
    GaveUp,
    /// The peer wants to and has not been answered yet.
    Requested,
    /// The peer wants to and has been answered: the end. Whoever can stay for a second more answers its repeated
    /// question too, in case the answer was lost.
    Answered,
}

impl Shutdown {
    /// Whether there is nothing more to wait for.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Acknowledged | Self::GaveUp | Self::Answered)
    }
}

/// The fragments of the last instruction, and what made it: the same again is sent as the same fragments, so that
/// those which did arrive count.
struct Emitted {
    key: [u64; 6],
    payloads: Vec<Vec<u8>>,
}

/// One end of a synchronised pair: `L` is this end's object, `R` the peer's.
pub struct Transport<L, R> {
    config: Config,
    sender: Sender<L>,
    receiver: Receiver<R>,
    assembler: Assembler,
    codec: Codec,
    chaff: Chaff,
    next_id: u64,
    emitted: Option<Emitted>,
    queue: VecDeque<Outgoing>,
    events: VecDeque<Event>,
    discards: Discards,
    accepted_at: Instant,
    answered_shutdown: bool,
    exit_status: Option<u8>,
    remote_exit_status: Option<u8>,
    features: Option<Features>,
    remote_features: Features,
}

impl<L: State, R: State> Transport<L, R> {
    /// A transport between state 0 of this end and state 0 of the peer, which both ends know beforehand.
    #[must_use]
    pub fn new(local: L, remote: R, config: Config, now: Instant) -> Self {
        Self {
            config,
            sender: Sender::new(local, config, now),
            receiver: Receiver::new(remote),
            assembler: Assembler::new(config.assemblies),
            codec: Codec::new(),
            chaff: Chaff::new(config.chaff_seed),
            next_id: 1,
            emitted: None,
            queue: VecDeque::new(),
            events: VecDeque::new(),
            discards: Discards::default(),
            accepted_at: Instant::ZERO,
            answered_shutdown: false,
            exit_status: None,
            remote_exit_status: None,
            features: None,
            remote_features: Features::default(),
        }
    }

    /// Takes a payload that arrived.
    ///
    /// # Errors
    /// The reason for which it is of no use; it is counted.
    pub fn handle_payload(&mut self, payload: &[u8], link: &Link, now: Instant) -> Result<(), Discard> {
        let _ = link;
        self.receiver.rationalize();
        self.receive(payload, now).inspect_err(|discard| self.discards.count(*discard))
    }

    fn receive(&mut self, payload: &[u8], now: Instant) -> Result<(), Discard> {
        let (id, compressed) = match self.assembler.add(payload)? {
            Assembled::Partial => return Ok(()),
            Assembled::Repeated => {
                self.acknowledge_again(now);
                return Ok(());
            }
            Assembled::Whole(id, compressed) => (id, compressed),
        };
        let bytes = self.codec.decompress(&compressed)?;
        let instruction = Instruction::decode(&bytes)?;
        if self.sender.handle_ack(instruction.ack) {
            self.events.push_back(Event::Acknowledged(instruction.ack));
        }
        let outcome = self.receiver.handle(&instruction, &mut self.discards, now)?;
        // What asks for no answer is not remembered, or two such instructions would answer each other for ever.
        if instruction.old != instruction.new {
            self.assembler.accept(id);
        }
        if self.config.extended {
            self.sender.heard(now);
        }
        match outcome {
            Outcome::Newest => {
                self.accepted_at = now;
                self.sender.heard(now);
                self.accept_newest(&instruction, now);
            }
            Outcome::Known if instruction.old != instruction.new => self.acknowledge_again(now),
            Outcome::Known | Outcome::Older => {}
        }
        Ok(())
    }

    fn accept_newest(&mut self, instruction: &Instruction<'_>, now: Instant) {
        self.sender.set_ack(instruction.new);
        // An original peer's states without content are its acknowledgements: answering would never end.
        if self.config.extended || !instruction.diff.is_empty() {
            self.sender.owe_ack(now);
        }
        if let Some(features) = instruction.features {
            self.remote_features = features;
        }
        self.events.push_back(Event::NewRemoteState(instruction.new));
        if !instruction.diff.is_empty() {
            self.events.push_back(Event::RemoteChanged);
        }
        if instruction.new == SHUTDOWN {
            self.remote_exit_status = instruction.exit_status;
            self.events.push_back(Event::ShutdownRequested);
        }
    }

    /// The peer said again what this end has: between our own ends it is told again.
    fn acknowledge_again(&mut self, now: Instant) {
        if self.config.extended && now.since(self.accepted_at) >= ECHO {
            self.sender.owe_ack(now);
        }
    }

    /// This end's object.
    pub fn local(&self) -> &L {
        self.sender.current()
    }

    /// This end's object, to change it. What is changed after [`Transport::start_shutdown`] may not arrive.
    pub fn local_mut(&mut self) -> &mut L {
        self.sender.current_mut()
    }

    /// The peer's object, as new as it is known.
    pub fn remote(&self) -> &R {
        self.receiver.newest()
    }

    /// The number of the peer's newest known state.
    pub fn remote_number(&self) -> u64 {
        self.receiver.newest_number()
    }

    /// The number of this end's newest sent state.
    pub fn sent_number(&self) -> u64 {
        self.sender.back_number()
    }

    /// The number of this end's newest state that the peer has acknowledged.
    pub fn acknowledged_number(&self) -> u64 {
        self.sender.acknowledged_number()
    }

    /// What happened since the last call.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next payload to send, while there is one.
    pub fn poll_transmit(&mut self, link: &Link, now: Instant) -> Option<Outgoing> {
        if self.queue.is_empty() {
            let step = self.sender.poll(link, now)?;
            self.emit(&step, link);
        }
        self.queue.pop_front()
    }

    fn emit(&mut self, step: &Step, link: &Link) {
        let ack = self.receiver.newest_number();
        let key = [step.old, step.new, ack, step.throwaway, step.content, link.max_payload as u64];
        if self.emitted.as_ref().is_none_or(|emitted| emitted.key != key) {
            let chaff = self.chaff.draw();
            let instruction = Instruction {
                version: PROTOCOL_VERSION,
                old: step.old,
                new: step.new,
                ack,
                throwaway: step.throwaway,
                diff: &step.diff,
                chaff: &chaff,
                // An original peer never sends this, and its users' scripts know of no other status than 0.
                exit_status: self.exit_status.filter(|_| self.config.extended && step.new == SHUTDOWN),
                streams: None,
                // Said until the peer has the first state; it cannot have that without having been told.
                features: self.features.filter(|_| self.config.extended && step.old == 0),
            };
            let compressed = self.codec.compress(&instruction.encode());
            let payloads = compressed.and_then(|bytes| split(self.next_id, &bytes, link.max_payload));
            self.emitted = payloads.map(|payloads| Emitted { key, payloads });
            self.next_id += 1;
        }
        // Nothing is sent of an object whose change no instruction can hold; a smaller change will.
        let payloads = self.emitted.as_ref().map_or(&[][..], |emitted| &emitted.payloads);
        self.queue.extend(payloads.iter().map(|payload| Outgoing {
            payload: payload.clone(),
            fragments_in_instruction: payloads.len(),
            new: step.first,
        }));
        self.answered_shutdown |= ack == SHUTDOWN;
    }

    /// When to call [`Transport::poll_transmit`] again at the latest, and why.
    pub fn poll_timeout(&self, link: &Link, now: Instant) -> Option<(Instant, Reason)> {
        if self.queue.is_empty() { self.sender.poll_timeout(link, now) } else { Some((now, Reason::Ready)) }
    }

    /// A path is in doubt, or there is a way again: what was said last is said once more, at once, from a state that
    /// the peer is known to have.
    pub fn repeat_newest(&mut self, now: Instant) {
        let _ = now;
        self.sender.repeat_newest();
    }

    /// Ends the session, with the remote command's exit status if there is one (original peers are not told it).
    pub fn start_shutdown(&mut self, status: Option<u8>, now: Instant) {
        if !self.sender.shutting_down() {
            self.exit_status = status;
            self.sender.start_shutdown(now);
        }
    }

    /// What this end's terminal can do, to be told with the first state (original peers are not told it).
    pub fn set_features(&mut self, features: Features) {
        self.features = Some(features);
    }

    /// What the peer's terminal can do, as far as it has said so.
    pub fn remote_features(&self) -> Features {
        self.remote_features
    }

    /// The exit status that the peer gave when it ended the session.
    pub fn remote_exit_status(&self) -> Option<u8> {
        self.remote_exit_status
    }

    /// How far the end of the session has come.
    pub fn shutdown_state(&self, now: Instant) -> Shutdown {
        if self.sender.shutdown_acknowledged() {
            Shutdown::Acknowledged
        } else if self.receiver.newest_number() == SHUTDOWN {
            if self.answered_shutdown { Shutdown::Answered } else { Shutdown::Requested }
        } else if self.sender.shutdown_given_up(now) {
            Shutdown::GaveUp
        } else if self.sender.shutting_down() {
            Shutdown::Started
        } else {
            Shutdown::None
        }
    }

    /// What the peer sent in vain.
    pub fn discards(&self) -> &Discards {
        &self.discards
    }

    /// When the last new state came from the peer (towards our own peers: the last valid instruction); the time of
    /// creation when none did.
    pub fn last_heard(&self) -> Instant {
        self.sender.last_heard()
    }

    /// When the newest acknowledged state was sent; the time of creation when none is acknowledged.
    pub fn last_acknowledged(&self) -> Instant {
        self.sender.acknowledged_at()
    }

    /// Since when something has been waiting for its acknowledgement: the first sending of the oldest content that the
    /// peer is not known to have.
    pub fn unanswered_since(&self) -> Option<Instant> {
        self.sender.unanswered_since()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::{Pair, Weather};
    use crate::{Input, InputEvent};
    use proptest::prelude::*;

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
                InputEvent::Resize { .. } => Vec::new(),
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
            pair.client.repeat_newest(pair.now);
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
        pair.client.repeat_newest(now);
        assert_eq!(pair.client.poll_timeout(&link, now), Some((now, Reason::Ready)));
        let out = pair.client.poll_transmit(&link, now).unwrap();
        assert!(!out.new);
        pair.server.handle_payload(&out.payload, &link, now).unwrap();
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
    fn a_shutdown_that_nobody_answers_is_given_up() {
        for config in configs() {
            let mut pair = pair(config, Weather { loss: 100, ..Weather::FINE });
            pair.client.start_shutdown(None, pair.now);
            let over = pair.run_until(MS(10_001), |pair| pair.client.shutdown_state(pair.now).is_over());
            assert!(over);
            assert_eq!(pair.client.shutdown_state(pair.now), Shutdown::GaveUp);
            assert!(pair.network.sent[0] <= 17);
        }
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
            let (link, now) = (pair.link, pair.now);
            assert_eq!(pair.server.handle_payload(payload, &link, now), Err(discard));
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
                pair.server.handle_payload(&payload, &pair.link, pair.now).unwrap();
            }
            assert_eq!(bytes(pair.server.remote(), 0), b"x");
        }
    }

    #[test]
    fn a_peer_that_throws_nothing_away_fills_no_memory() {
        let mut pair = pair(Config::extended(MS(1), 1), Weather::FINE);
        let mut discarded = 0;
        for number in 1..3000u64 {
            let payload = hostile(|instruction| {
                instruction.old = if number < 1020 { number - 1 } else { 1000 };
                instruction.new = number;
            });
            let payload = [&number.to_be_bytes()[..], &payload[8..]].concat();
            discarded += u32::from(pair.server.handle_payload(&payload, &pair.link, pair.now).is_err());
        }
        assert!(discarded > 1900);
        assert_eq!(u64::from(discarded), pair.server.discards().of(Discard::Quenched));
        pair.now += Duration::from_secs(16);
        let payload = hostile(|instruction| instruction.new = 5000);
        assert_eq!(pair.server.handle_payload(&payload, &pair.link, pair.now), Ok(()), "now and then one");
    }

    #[test]
    fn an_acknowledgement_of_something_never_sent_is_ignored() {
        let mut pair = pair(Config::stock(MS(1), 1), Weather::FINE);
        let payload = hostile(|instruction| instruction.ack = 99);
        pair.server.handle_payload(&payload, &pair.link, pair.now).unwrap();
        assert_eq!(pair.server.acknowledged_number(), 0);
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
            let _ = pair.server.handle_payload(&payload, &pair.link, pair.now);
            pair.run(MS(50));
        }
    }
}
