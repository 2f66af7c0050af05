//! The two halves together: payloads in, payloads out. Contract: the five verbs of a pure machine. Change the local
//! object or hand in a payload, then drain [`Transport::poll_transmit`] and [`Transport::poll_event`] to empty, then
//! wait for [`Transport::poll_timeout`].

use crate::chaff::Chaff;
use crate::compression::Codec;
use crate::fragment::{Assembled, Assembler, split};
use crate::instruction::{Features, Instruction, PROTOCOL_VERSION, Parting, SHUTDOWN};
use crate::receiver::{Outcome, Receiver};
use crate::sender::{Sender, Step};
use crate::{Breach, Config, Discard, Discards, Link, Reason, State};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;
use net::Instant;

/// What an instruction has at most besides its diff, in octets.
const FIELDS: usize = 1024;

/// An instruction that arrives again this soon is the network's doing (or ours, on another path) and asks for
/// nothing; later it means that the acknowledgement was lost. Below the shortest retransmission timeout.
const ECHO: Duration = Duration::from_millis(40);

/// A payload to be sent: one fragment of an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outgoing {
    /// The bytes, at least 10 of them and at most [`Link::max_payload`].
    pub payload: Vec<u8>,
    /// How many fragments the instruction has in all.
    pub fragments_in_instruction: usize,
    /// Whether it carries content that goes for the first time; otherwise it repeats or acknowledges.
    pub new: bool,
    /// Whether it says nothing but what has arrived, to a peer of our own kind.
    pub acknowledges: bool,
}

impl Outgoing {
    /// Whether it is worth sending on two paths: short, and alone in its instruction.
    #[must_use]
    pub fn class(&self) -> net::Class {
        if self.acknowledges {
            net::Class::Acknowledgement
        } else if self.fragments_in_instruction == 1 && self.payload.len() <= net::INTERACTIVE {
            net::Class::Interactive
        } else {
            net::Class::Bulk
        }
    }
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A newer state of the peer came: this is its number.
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
pub struct Transport<L, R: State> {
    config: Config,
    sender: Sender<L>,
    receiver: Receiver<R>,
    rules: R::Rules,
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
    parting: Option<(Parting, u64)>,
    remote_parting: Option<(Parting, u64)>,
    features: Option<Features>,
    remote_features: Features,
    predicts: bool,
    remote_said_predicts: bool,
}

impl<L: State, R: State> Transport<L, R> {
    /// A transport between state 0 of this end and state 0 of the peer, which both ends know beforehand.
    #[must_use]
    pub fn new(local: L, remote: R, config: Config, now: Instant) -> Self {
        Self {
            config,
            sender: Sender::new(local, config, now),
            receiver: Receiver::new(remote, config.states),
            rules: R::Rules::default(),
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
            parting: None,
            remote_parting: None,
            features: None,
            remote_features: Features::default(),
            predicts: false,
            remote_said_predicts: false,
        }
    }

    /// Takes a payload that arrived.
    ///
    /// # Errors
    /// The reason for which it is of no use; it is counted.
    pub fn handle_payload(&mut self, payload: &[u8], now: Instant) -> Result<(), Discard> {
        self.receiver.rationalize();
        self.receive(payload, now).inspect_err(|discard| self.discards.count(*discard))
    }

    fn receive(&mut self, payload: &[u8], now: Instant) -> Result<(), Discard> {
        let most = R::longest_taken(&self.rules);
        let longest = most.saturating_add(FIELDS);
        let added = self.assembler.add(payload, longest).map_err(|discard| self.too_long(discard, most))?;
        let (id, compressed) = match added {
            Assembled::Partial => return Ok(()),
            Assembled::Repeated => {
                self.acknowledge_again(now);
                return Ok(());
            }
            Assembled::Whole(id, compressed) => (id, compressed),
        };
        let bytes = self.codec.decompress(&compressed, longest);
        let bytes = bytes.map_err(|discard| self.too_long(discard, most))?;
        let instruction = Instruction::decode(&bytes)?;
        if self.sender.handle_ack(instruction.ack) {
            self.events.push_back(Event::Acknowledged(instruction.ack));
        }
        let outcome = self.receiver.handle(&instruction, &self.rules, &mut self.discards)?;
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

    /// What is longer than is ever taken comes again and again: it is a breach.
    fn too_long(&mut self, discard: Discard, most: usize) -> Discard {
        if discard == Discard::TooBig { self.discards.note(Breach::Length(most)) } else { discard }
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
        self.remote_said_predicts = instruction.predicts;
        self.events.push_back(Event::NewRemoteState(instruction.new));
        if !instruction.diff.is_empty() {
            self.events.push_back(Event::RemoteChanged);
        }
        if instruction.new == SHUTDOWN {
            self.remote_exit_status = instruction.exit_status;
            self.remote_parting = instruction.parting.map(|parting| (parting, instruction.parted_at));
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
            let parting = self.parting.filter(|_| self.config.extended && step.new == SHUTDOWN);
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
                predicts: self.predicts && self.config.extended,
                parting: parting.map(|(parting, _)| parting),
                parted_at: parting.map_or(0, |(_, at)| at),
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
            acknowledges: step.acknowledges,
        }));
        self.answered_shutdown |= ack == SHUTDOWN;
    }

    /// When to call [`Transport::poll_transmit`] again at the latest, and why.
    pub fn poll_timeout(&self, link: &Link, now: Instant) -> Option<(Instant, Reason)> {
        if self.queue.is_empty() { self.sender.poll_timeout(link, now) } else { Some((now, Reason::Ready)) }
    }

    /// A path is in doubt, or there is a way again: what was said last is said once more, at once, from a state that
    /// the peer is known to have.
    pub fn repeat_newest(&mut self) {
        self.sender.repeat_newest();
    }

    /// A path is in doubt: what was said last and has not been acknowledged is said once more, at once.
    pub fn repeat_unanswered(&mut self) {
        self.sender.repeat_unanswered();
    }

    /// Ends the session, with the remote command's exit status if there is one (original peers are not told it).
    pub fn start_shutdown(&mut self, status: Option<u8>, now: Instant) {
        if !self.sender.shutting_down() {
            self.exit_status = status;
            self.sender.start_shutdown(now);
        }
    }

    /// Ends the connection, and not the session: `at` is when that came about, in seconds since 1970. Only our own peers
    /// understand it: others take it for the session's end.
    pub fn start_parting(&mut self, parting: Parting, at: u64, now: Instant) {
        if !self.sender.shutting_down() {
            self.parting = Some((parting, at));
            self.sender.start_shutdown(now);
        }
    }

    /// What the peer's end of the connection means, and since when, where it did not end the session.
    pub fn remote_parting(&self) -> Option<(Parting, u64)> {
        self.remote_parting
    }

    /// From now on this end's object is what the peer is known to have: whatever is still said carries no content.
    pub fn freeze(&mut self) {
        self.sender.freeze();
        self.queue.clear();
        self.emitted = None;
    }

    /// Whether this end ends the session and the peer is not known to have heard of it.
    pub fn is_leaving(&self) -> bool {
        self.sender.shutting_down() && !self.sender.shutdown_acknowledged()
    }

    /// What this end's terminal can do, to be told with the first state (original peers are not told it).
    pub fn set_features(&mut self, features: Features) {
        self.features = Some(features);
    }

    /// What the peer's terminal can do, as far as it has said so.
    pub fn remote_features(&self) -> Features {
        self.remote_features
    }

    /// Whether this end draws keys before they are echoed, now: said with every instruction (original peers are not told).
    pub fn set_predicts(&mut self, predicts: bool) {
        self.predicts = predicts;
    }

    /// Whether the peer waits for the word that an echo has had its time. Who does not say so may.
    pub fn remote_predicts(&self) -> bool {
        self.remote_said_predicts || !self.remote_features.tells_prediction
    }

    /// The exit status that this end gave when it ended the session.
    pub fn exit_status(&self) -> Option<u8> {
        self.exit_status
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

    /// What the peer may ask for.
    pub fn rules_mut(&mut self) -> &mut R::Rules {
        &mut self.rules
    }

    /// What the peer did after which there is no going on with it.
    pub fn breach(&self) -> Option<Breach> {
        self.discards.breach()
    }

    /// What the peer sent in vain.
    pub fn discards(&self) -> &Discards {
        &self.discards
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
mod tests;
