//! A link that this process emulates: one TUN device in each of two router namespaces, and a thread per direction
//! that carries packets from one to the other with delay, jitter, loss, a rate with a queue, and an MTU. Hosts
//! never see the TUN: between them and the routers lie veth pairs. All of it can be changed while packets fly.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::packet::{Capture, Fate, Packet, describe, is_housekeeping};
use super::{Context, LabError, Namespace, clock, sys};

/// One end of a link, and the direction that begins there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The end named first when the link was made: in the ready-made shapes, the client's.
    Near,
    /// The other end.
    Far,
}

/// Which packets a direction loses by chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// None.
    None,
    /// Each packet on its own, with this probability.
    Random(f64),
    /// Gilbert's two states: the good one loses nothing and is left with probability `enter` per packet; the bad
    /// one loses with probability `lose` and is left with probability `leave`.
    Gilbert {
        /// good → bad, per packet
        enter: f64,
        /// bad → good, per packet
        leave: f64,
        /// loss while bad
        lose: f64,
    },
}

/// What one direction of a link does to packets, from now on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Every packet takes at least this long.
    pub delay: Duration,
    /// Up to this much more, uniformly. Packets stay in order.
    pub jitter: Duration,
    /// Losses by chance.
    pub loss: Loss,
    /// Bits per second; `None` is no limit.
    pub rate: Option<u64>,
    /// How many octets may wait for the rate before the tail is dropped.
    pub queue: usize,
    /// Longer packets vanish without a word, as behind a filtered tunnel.
    pub mtu: Option<usize>,
    /// Everything vanishes, what is under way included: the silent death.
    pub blackhole: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: Loss::None,
            rate: None,
            queue: 256 * 1024,
            mtu: None,
            blackhole: false,
        }
    }
}

/// What became of packets in one direction since the link was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that entered.
    pub entered: u64,
    /// Packets that came out.
    pub delivered: u64,
    /// Octets that came out, IP header included.
    pub octets: u64,
    /// Packets that were lost, for whatever reason.
    pub lost: u64,
}

/// A handle on a running link. Dropping it stops the threads and removes both devices.
pub struct Link {
    shared: Arc<Shared>,
    near: (Namespace, String),
    far: (Namespace, String),
    /// What lies at the near end and at the far end.
    devices: [File; 2],
    stop: Arc<OwnedFd>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    directions: [Mutex<Direction>; 2],
    record: Mutex<Option<Vec<Packet>>>,
    capture: Mutex<Option<Vec<Capture>>>,
}

#[derive(Default)]
struct Direction {
    shape: Shape,
    counters: Counters,
}

impl Link {
    /// Joins two namespaces by a link that as yet carries everything at once. `near` and `far` name the namespace,
    /// the device made in it, and its addresses with prefix length.
    ///
    /// # Errors
    /// When a device or thread cannot be made.
    pub fn new(
        near: (&Namespace, &str, &[&str]),
        far: (&Namespace, &str, &[&str]),
        seed: u64,
    ) -> Result<Self, LabError> {
        let near_device = device(near)?;
        let far_device = device(far)?;
        let stop = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .context(|| "making an eventfd".into())?;
        let copy = |file: &File| file.try_clone().context(|| "sharing a TUN device".into());
        let shared =
            Shared { directions: Default::default(), record: Mutex::new(None), capture: Mutex::new(None) };
        let mut link = Self {
            shared: Arc::new(shared),
            devices: [copy(&near_device)?, copy(&far_device)?],
            near: (near.0.clone(), near.1.into()),
            far: (far.0.clone(), far.1.into()),
            stop: Arc::new(stop),
            threads: Vec::new(),
        };
        link.start(Side::Near, copy(&near_device)?, copy(&far_device)?, seed)?;
        link.start(Side::Far, far_device, near_device, seed.wrapping_add(1))?;
        Ok(link)
    }

    fn start(&mut self, from: Side, input: File, output: File, seed: u64) -> Result<(), LabError> {
        let mut carrier = Carrier {
            from,
            input,
            output,
            stop: Arc::clone(&self.stop),
            shared: Arc::clone(&self.shared),
            random: Random(seed),
            bad: false,
            free_at: Duration::ZERO,
            last_due: Duration::ZERO,
            waiting: VecDeque::new(),
        };
        let thread = std::thread::Builder::new()
            .name(format!("link-{from:?}"))
            .spawn(move || carrier.run())
            .context(|| "starting a link's thread".into())?;
        self.threads.push(thread);
        Ok(())
    }

    /// Changes both directions.
    pub fn set(&self, change: impl Fn(&mut Shape)) {
        self.set_from(Side::Near, &change);
        self.set_from(Side::Far, &change);
    }

    /// Changes the direction that begins at `side`.
    pub fn set_from(&self, side: Side, change: impl FnOnce(&mut Shape)) {
        change(&mut lock(&self.shared.directions[side as usize]).shape);
    }

    /// Gives each direction this delay.
    pub fn delay(&self, each_way: Duration) {
        self.set(|shape| shape.delay = each_way);
    }

    /// The silent death of both directions, or its end.
    pub fn blackhole(&self, dead: bool) {
        self.set(|shape| shape.blackhole = dead);
    }

    /// Takes both devices down, or up again: now the routers know, and answer with ICMP.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn down(&self, down: bool) -> Result<(), LabError> {
        for (namespace, device) in [&self.near, &self.far] {
            namespace.ip(&["link", "set", device, if down { "down" } else { "up" }])?;
        }
        Ok(())
    }

    /// What became of packets that entered at `side`.
    #[must_use]
    pub fn counters(&self, side: Side) -> Counters {
        lock(&self.shared.directions[side as usize]).counters
    }

    /// Begins to note every packet, forgetting what was noted before.
    pub fn record(&self) {
        *lock(&self.shared.record) = Some(Vec::new());
    }

    /// The packets noted since [`Self::record`], and stops.
    #[must_use]
    pub fn recorded(&self) -> Vec<Packet> {
        lock(&self.shared.record).take().unwrap_or_default()
    }

    /// Begins to keep every packet that enters, lost or not, forgetting what was kept before.
    pub fn capture(&self) {
        *lock(&self.shared.capture) = Some(Vec::new());
    }

    /// The packets kept since [`Self::capture`], or since they were last taken; keeping goes on.
    #[must_use]
    pub fn captured(&self) -> Vec<Capture> {
        lock(&self.shared.capture).as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Lets a packet come out of the link as if it had entered at `from`, at once.
    ///
    /// # Errors
    /// When the device does not take it.
    pub fn inject(&self, from: Side, packet: &[u8]) -> Result<(), LabError> {
        let [near, far] = &self.devices;
        let mut device = if from == Side::Near { far } else { near };
        device.write_all(packet).context(|| "injecting a packet".into())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A lock whose holder panicked still guards plain figures: go on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn device((namespace, name, addresses): (&Namespace, &str, &[&str])) -> Result<File, LabError> {
    let file = namespace.run(|| sys::open_tun(name))?.context(|| format!("making the TUN device {name}"))?;
    for address in addresses {
        let mut arguments = vec!["addr", "add", address, "dev", name];
        if address.contains(':') {
            arguments.push("nodad");
        }
        namespace.ip(&arguments)?;
    }
    namespace.ip(&["link", "set", name, "up", "mtu", "1500"])?;
    Ok(file)
}

/// One direction's thread.
struct Carrier {
    from: Side,
    input: File,
    output: File,
    stop: Arc<OwnedFd>,
    shared: Arc<Shared>,
    random: Random,
    /// Gilbert's state.
    bad: bool,
    /// When the last packet will have left the rate limiter.
    free_at: Duration,
    last_due: Duration,
    waiting: VecDeque<(Duration, Vec<u8>)>,
}

impl Carrier {
    fn run(&mut self) {
        // Sleeps end when they are due, not 50 µs later; and before a compiler's turn ends. Both are refinements.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let _ = rustix::process::setpriority_process(None, -10);
        let mut buffer = vec![0; 65_536];
        loop {
            let timeout = self.waiting.front().map(|(due, _)| due.saturating_sub(clock::now()));
            let stopped = match self.wait(timeout) {
                Ok(stopped) => stopped,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => false,
                Err(_) => true,
            };
            if stopped {
                return;
            }
            while let Ok(length) = self.input.read(&mut buffer) {
                self.accept(&buffer[..length]);
            }
            self.deliver();
        }
    }

    /// Waits for a packet, the deadline or the end; true for the end.
    fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: timeout.as_secs().cast_signed(),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let mut descriptors = [
            PollFd::from_borrowed_fd(self.stop.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.input.as_fd(), PollFlags::IN),
        ];
        poll(&mut descriptors, timeout.as_ref())?;
        let gone = descriptors[1].revents().intersects(PollFlags::ERR | PollFlags::NVAL);
        Ok(!descriptors[0].revents().is_empty() || gone)
    }

    fn accept(&mut self, packet: &[u8]) {
        if is_housekeeping(packet) {
            return;
        }
        let now = clock::now();
        let shape = lock(&self.shared.directions[self.from as usize]).shape;
        let fate = self.fate(&shape, packet.len(), now);
        if fate == Fate::Carried {
            if let Some(rate) = shape.rate {
                let octets = Duration::from_nanos(packet.len() as u64 * 8 * 1_000_000_000 / rate.max(1));
                self.free_at = self.free_at.max(now) + octets;
            } else {
                self.free_at = now;
            }
            let due = self.free_at + shape.delay + shape.jitter.mul_f64(self.random.fraction());
            self.last_due = self.last_due.max(due);
            self.waiting.push_back((self.last_due, packet.to_vec()));
        }
        let mut direction = lock(&self.shared.directions[self.from as usize]);
        direction.counters.entered += 1;
        direction.counters.lost += u64::from(fate != Fate::Carried);
        drop(direction);
        if let Some(packets) = lock(&self.shared.capture).as_mut() {
            packets.push(Capture { from: self.from, bytes: packet.to_vec() });
        }
        if let Some(packets) = lock(&self.shared.record).as_mut() {
            packets.extend(describe(packet, self.from, now, fate));
        }
    }

    fn fate(&mut self, shape: &Shape, length: usize, now: Duration) -> Fate {
        if shape.blackhole {
            return Fate::Swallowed;
        }
        if shape.mtu.is_some_and(|mtu| length > mtu) {
            return Fate::TooLong;
        }
        if let Some(rate) = shape.rate {
            let backlog = self.free_at.saturating_sub(now).as_secs_f64() * rate as f64 / 8.0;
            if backlog + length as f64 > shape.queue as f64 {
                return Fate::Overflowed;
            }
        }
        let probability = match shape.loss {
            Loss::None => 0.0,
            Loss::Random(probability) => probability,
            Loss::Gilbert { enter, leave, lose } => {
                let change = if self.bad { leave } else { enter };
                self.bad ^= self.random.fraction() < change;
                if self.bad { lose } else { 0.0 }
            }
        };
        if self.random.fraction() < probability { Fate::Lost } else { Fate::Carried }
    }

    fn deliver(&mut self) {
        while self.waiting.front().is_some_and(|(due, _)| *due <= clock::now()) {
            let Some((_, packet)) = self.waiting.pop_front() else { return };
            // One lock for both: when a direction is dead for its owner, nothing more comes out of it.
            let mut direction = lock(&self.shared.directions[self.from as usize]);
            let written = !direction.shape.blackhole && self.output.write(&packet).is_ok();
            let counters = &mut direction.counters;
            if written {
                counters.delivered += 1;
                counters.octets += packet.len() as u64;
            } else {
                counters.lost += 1;
            }
        }
    }
}

/// SplitMix64: a seed, and ever the same losses.
pub(super) struct Random(pub(super) u64);

impl Random {
    /// Uniform in [0, 1).
    fn fraction(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Any 64 bits.
    pub(super) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
