//! A host between the two ends that loses and holds datagrams and changes its own address.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use mpmosh_tests::lab::clock;

/// How long a thread sleeps that hears nothing, before it looks whether to end.
const TICK: Duration = Duration::from_millis(50);

/// The largest datagram passed on.
const DATAGRAM: usize = 2048;

/// Passes datagrams between one client and one server, until dropped.
pub(crate) struct Relay {
    /// Where the client sends to.
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What came from one end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// How many datagrams.
    pub(crate) datagrams: u32,
    /// The length of the longest, in octets.
    pub(crate) longest: usize,
    /// The addresses they came from.
    pub(crate) sources: BTreeSet<SocketAddr>,
}

struct Shared {
    server: SocketAddr,
    inside: UdpSocket,
    outside: Mutex<Arc<UdpSocket>>,
    client: Mutex<Option<SocketAddr>>,
    /// Of a hundred datagrams so many are lost, each way.
    loss: AtomicU32,
    /// Each way, in milliseconds.
    delay: AtomicU32,
    tallies: Mutex<[Tally; 2]>,
    record: Mutex<Vec<(From, Vec<u8>)>>,
    over: AtomicBool,
}

/// Who sent a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Client,
    Server,
}

impl Relay {
    /// Between whoever sends here and `server`.
    pub(crate) fn new(server: SocketAddr) -> io::Result<Self> {
        let inside = open()?;
        let address = inside.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            inside,
            outside: Mutex::new(Arc::new(open()?)),
            client: Mutex::new(None),
            loss: AtomicU32::new(0),
            delay: AtomicU32::new(0),
            tallies: Mutex::default(),
            record: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let run = |from| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.pass_on(from))
        };
        let threads = vec![run(From::Client), run(From::Server)];
        Ok(Self { address, shared, threads })
    }

    /// Loses `percent` of the datagrams from now on.
    pub(crate) fn lose(&self, percent: u32) {
        self.shared.loss.store(percent, Ordering::Relaxed);
    }

    /// Holds every datagram for so many milliseconds.
    pub(crate) fn delay(&self, milliseconds: u32) {
        self.shared.delay.store(milliseconds, Ordering::Relaxed);
    }

    /// The server sees the client come from elsewhere from now on, and cannot reach it at the old place.
    pub(crate) fn roam(&self) -> io::Result<()> {
        *lock(&self.shared.outside) = Arc::new(open()?);
        Ok(())
    }

    /// Every datagram that came, those that were lost then too.
    pub(crate) fn record(&self) -> Vec<(From, Vec<u8>)> {
        lock(&self.shared.record).clone()
    }

    /// What the client and the server have sent.
    pub(crate) fn tallies(&self) -> [Tally; 2] {
        lock(&self.shared.tallies).clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn pass_on(&self, from: From) {
        let mut buffer = [0; DATAGRAM];
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15 + from as u64);
        let mut held: VecDeque<(Duration, Vec<u8>)> = VecDeque::new();
        while !self.over.load(Ordering::Relaxed) {
            let patience = held.front().map_or(TICK, |(due, _)| due.saturating_sub(clock::now()).min(TICK));
            let outside = Arc::clone(&lock(&self.outside));
            let socket = match from {
                From::Client => &self.inside,
                From::Server => &*outside,
            };
            let _ = socket.set_read_timeout(Some(patience.max(Duration::from_millis(1))));
            if let Ok((length, source)) = socket.recv_from(&mut buffer) {
                let tally = &mut lock(&self.tallies)[from as usize];
                tally.datagrams += 1;
                tally.longest = tally.longest.max(length);
                tally.sources.insert(source);
                lock(&self.record).push((from, buffer[..length].to_vec()));
                if let From::Client = from {
                    *lock(&self.client) = Some(source);
                }
                if dice.throw() >= self.loss.load(Ordering::Relaxed) {
                    let delay = Duration::from_millis(self.delay.load(Ordering::Relaxed).into());
                    held.push_back((clock::now() + delay, buffer[..length].to_vec()));
                }
            }
            while held.front().is_some_and(|(due, _)| *due <= clock::now()) {
                let Some((_, datagram)) = held.pop_front() else { break };
                let _ = match from {
                    From::Client => outside.send_to(&datagram, self.server),
                    From::Server => lock(&self.client).map_or(Ok(0), |to| self.inside.send_to(&datagram, to)),
                };
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open() -> io::Result<UdpSocket> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
}

/// Xorshift: the same losses each time, as far as the same datagrams come.
struct Dice(u64);

impl Dice {
    /// 0 to 99.
    fn throw(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 33) % 100) as u32
    }
}
