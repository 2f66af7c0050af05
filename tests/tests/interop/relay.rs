//! A host between the two ends that loses datagrams and changes its own address.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

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

struct Shared {
    server: SocketAddr,
    inside: UdpSocket,
    outside: Mutex<Arc<UdpSocket>>,
    client: Mutex<Option<SocketAddr>>,
    /// Of a hundred datagrams so many are lost, each way.
    loss: AtomicU32,
    longest: AtomicU32,
    over: AtomicBool,
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
            longest: AtomicU32::new(0),
            over: AtomicBool::new(false),
        });
        let (there, back) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads =
            vec![std::thread::spawn(move || there.there()), std::thread::spawn(move || back.back())];
        Ok(Self { address, shared, threads })
    }

    /// Loses `percent` of the datagrams from now on.
    pub(crate) fn lose(&self, percent: u32) {
        self.shared.loss.store(percent, Ordering::Relaxed);
    }

    /// The server sees the client come from elsewhere from now on, and cannot reach it at the old place.
    pub(crate) fn roam(&self) -> io::Result<()> {
        let socket = Arc::new(open()?);
        *self.shared.outside.lock().unwrap_or_else(PoisonError::into_inner) = socket;
        Ok(())
    }

    /// The length of the longest datagram seen, either way.
    pub(crate) fn longest(&self) -> u32 {
        self.shared.longest.load(Ordering::Relaxed)
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
    fn there(&self) {
        let (mut buffer, mut dice) = ([0; DATAGRAM], Dice(0x9e37_79b9_7f4a_7c15));
        while !self.over.load(Ordering::Relaxed) {
            let Ok((length, client)) = self.inside.recv_from(&mut buffer) else { continue };
            *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(client);
            if self.passes(length, &mut dice) {
                let _ = self.outside().send_to(&buffer[..length], self.server);
            }
        }
    }

    fn back(&self) {
        let (mut buffer, mut dice) = ([0; DATAGRAM], Dice(0x2545_f491_4f6c_dd1d));
        while !self.over.load(Ordering::Relaxed) {
            let Ok(length) = self.outside().recv(&mut buffer) else { continue };
            let client = *self.client.lock().unwrap_or_else(PoisonError::into_inner);
            if let (Some(client), true) = (client, self.passes(length, &mut dice)) {
                let _ = self.inside.send_to(&buffer[..length], client);
            }
        }
    }

    fn outside(&self) -> Arc<UdpSocket> {
        Arc::clone(&self.outside.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn passes(&self, length: usize, dice: &mut Dice) -> bool {
        self.longest.fetch_max(length as u32, Ordering::Relaxed);
        dice.throw() >= self.loss.load(Ordering::Relaxed)
    }
}

fn open() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(TICK))?;
    Ok(socket)
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
