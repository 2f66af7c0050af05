//! Yardsticks: an echo over UDP between two namespaces, memory and processor time of a process, medians.

use std::fs;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::Pid;

use super::{Context, LabError, Namespace, clock};

/// A UDP socket inside a namespace that sends back what it hears. Dropping it stops it.
pub struct Echo {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// Starts one at `address`.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn start(namespace: &Namespace, address: SocketAddr) -> Result<Self, LabError> {
        let socket = bind(namespace, address)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let _ = rustix::process::setpriority_process(None, -10);
            let mut buffer = [0; 2048];
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                    let _ = socket.send_to(&buffer[..length], peer);
                }
            }
        });
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A UDP socket inside a namespace, whose reads wait a quarter of a second at most.
///
/// # Errors
/// When the address cannot be bound.
pub fn bind(namespace: &Namespace, address: SocketAddr) -> Result<UdpSocket, LabError> {
    let socket = namespace.run(|| UdpSocket::bind(address))?.context(|| format!("binding {address}"))?;
    socket.set_read_timeout(Some(Duration::from_millis(250))).context(|| "setting a timeout".into())?;
    Ok(socket)
}

/// Sends `count` datagrams of `length` octets (at least 4) to an [`Echo`], one each `interval`, and gives the round
/// trip of each, or `None` where no answer came until `patience` after the last.
///
/// # Errors
/// When a datagram cannot be sent.
pub fn round_trips(
    socket: &UdpSocket,
    peer: SocketAddr,
    (count, length): (usize, usize),
    interval: Duration,
    patience: Duration,
) -> Result<Vec<Option<Duration>>, LabError> {
    let listener = socket.try_clone().context(|| "sharing a socket".into())?;
    let start = clock::now();
    let end = start + interval * count as u32 + patience;
    let collect = move || {
        let _ = rustix::process::setpriority_process(None, -10);
        let mut heard = vec![None; count];
        let mut buffer = [0; 2048];
        while heard.iter().any(Option::is_none) && clock::now() < end {
            let number = match listener.recv(&mut buffer) {
                Ok(length) => buffer[..length].first_chunk::<4>().map(|n| u32::from_be_bytes(*n) as usize),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    None
                }
                Err(_) => None,
            };
            if let Some(slot) = number.and_then(|number| heard.get_mut(number)) {
                slot.get_or_insert_with(clock::now);
            }
        }
        heard
    };
    let collector = std::thread::spawn(collect);
    let mut sent = Vec::with_capacity(count);
    let mut datagram = vec![0; length.max(4)];
    for number in 0..count {
        clock::sleep_until(start + interval * number as u32);
        datagram[..4].copy_from_slice(&(number as u32).to_be_bytes());
        sent.push(clock::now());
        // A router's ICMP error surfaces here and says nothing about this datagram.
        if let Err(error) = socket.send_to(&datagram, peer)
            && !matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::HostUnreachable)
        {
            return Err(LabError::new(format!("sending to {peer}: {error}")));
        }
    }
    let heard = collector.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    Ok(sent.iter().zip(heard).map(|(sent, heard)| heard.map(|heard| heard.saturating_sub(*sent))).collect())
}

/// The value below which `part` (0 to 1) of the sorted values lie; zero when there are none.
#[must_use]
pub fn quantile(values: impl IntoIterator<Item = Duration>, part: f64) -> Duration {
    let mut values: Vec<Duration> = values.into_iter().collect();
    values.sort_unstable();
    let place = (part.clamp(0.0, 1.0) * values.len().saturating_sub(1) as f64).round() as usize;
    values.get(place).copied().unwrap_or_default()
}

/// A process's resident memory in octets: what is in memory now, shared pages included; `None` when it has ended.
#[must_use]
pub fn resident(process: Pid) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Processor time a process has used, in user and kernel mode together; `None` when it has ended.
#[must_use]
pub fn processor_time(process: Pid) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let after_name = stat.rsplit_once(") ")?.1;
    let mut fields = after_name.split(' ').skip(11).map(str::parse::<u64>);
    let ticks = fields.next()?.ok()? + fields.next()?.ok()?;
    Some(Duration::from_micros(ticks * 1_000_000 / rustix::param::clock_ticks_per_second()))
}

/// The ids of the processes in a namespace whose program is called `name`.
#[must_use]
pub fn named(namespace: &Namespace, name: &str) -> Vec<Pid> {
    let called = |process: &Pid| {
        let comm = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
        comm.trim() == &name[..name.len().min(15)]
    };
    namespace.processes().into_iter().filter(called).collect()
}
