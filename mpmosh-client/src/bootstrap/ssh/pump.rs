//! A channel of a libssh2 session as a stream socket, which anything can wait for.
//!
//! Contract: libssh2 has no descriptor for a channel, and an inner session wants one. So one end of a socket pair stands for
//! the channel, and a thread carries octets between its other end and the channel. Closing the descriptor ends the channel,
//! the connection and the thread; the channel's end closes the descriptor. What the far end says on standard error is not
//! carried.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};
use std::thread;

use platform::clock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use ssh2::{BlockDirections, Channel, ExtendedData, Session};

use super::reach::millis;
use crate::bootstrap::awaiting::LINGER;

/// Most octets held for a direction whose reader is slow.
const HELD: usize = 256 * 1024;
/// Most octets taken at once.
const CHUNK: usize = 16 * 1024;

/// The stream for `channel` of `way`, whose socket is `socket`; and how the command on it ended, once it has.
///
/// # Errors
/// No descriptor or thread can be had.
pub(super) fn start(
    way: Session,
    socket: OwnedFd,
    mut channel: Channel,
) -> io::Result<(UnixStream, Arc<OnceLock<i32>>)> {
    let (near, far) = UnixStream::pair()?;
    far.set_nonblocking(true)?;
    let ended = Arc::new(OnceLock::new());
    let tell = Arc::clone(&ended);
    channel.handle_extended_data(ExtendedData::Ignore)?;
    way.set_blocking(false);
    thread::Builder::new().name("pump".into()).spawn(move || {
        let mut pump = Pump { way, socket, channel, far, out: Vec::new(), back: Vec::new() };
        if let Err(error) = pump.run() {
            log::debug!("a channel ended: {error}");
        } else if pump.channel.eof() {
            // The status comes after the end of the output (RFC 4254 §6.10), and before our end is closed.
            pump.way.set_blocking(true);
            pump.way.set_timeout(millis(LINGER));
            if pump.channel.wait_close().is_ok()
                && let Ok(status) = pump.channel.exit_status()
            {
                let _ = tell.set(status);
            }
        }
        let _ = pump.channel.close();
        let _ = pump.way.disconnect(None, "nothing more is to be said", None);
        hear_out(&pump.socket);
    })?;
    Ok((near, ended))
}

struct Pump {
    way: Session,
    socket: OwnedFd,
    channel: Channel,
    far: UnixStream,
    /// Towards the channel.
    out: Vec<u8>,
    /// Back to us.
    back: Vec<u8>,
}

impl Pump {
    fn run(&mut self) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let mut moved = false;
            if self.back.len() < HELD {
                match self.channel.read(&mut chunk) {
                    Ok(0) if self.channel.eof() && self.back.is_empty() => return Ok(()),
                    Ok(length) => {
                        moved |= length > 0;
                        self.back.extend_from_slice(&chunk[..length]);
                    }
                    Err(error) => waits(error)?,
                }
            }
            if self.out.is_empty() {
                match (&self.far).read(&mut chunk) {
                    // Our end is closed.
                    Ok(0) => return Ok(()),
                    Ok(length) => {
                        moved = true;
                        self.out.extend_from_slice(&chunk[..length]);
                    }
                    Err(error) => waits(error)?,
                }
            }
            moved |= drain(&mut self.out, |bytes| self.channel.write(bytes))?;
            moved |= drain(&mut self.back, |bytes| (&self.far).write(bytes))?;
            if !moved {
                self.wait()?;
            }
        }
    }

    /// Waits until something can move, or it is time to ask the far end for a sign of life, where the user wants that.
    fn wait(&self) -> io::Result<()> {
        let mut way = PollFlags::empty();
        if self.back.len() < HELD {
            way |= PollFlags::IN;
        }
        if matches!(self.way.block_directions(), BlockDirections::Outbound | BlockDirections::Both) {
            way |= PollFlags::OUT;
        }
        let mut far = PollFlags::empty();
        if self.out.is_empty() {
            far |= PollFlags::IN;
        }
        if !self.back.is_empty() {
            far |= PollFlags::OUT;
        }
        let mut watched = [PollFd::new(&self.socket, way), PollFd::new(&self.far, far)];
        let seconds = self.way.keepalive_send().unwrap_or(0);
        let limit = Timespec { tv_sec: seconds.into(), tv_nsec: 0 };
        match poll(&mut watched, (seconds > 0).then_some(&limit)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Waits until the other end of a connection has closed it, too, if that is soon. What arrives for a connection that is gone the
/// system refuses by the best route, which may lead through an interface that is not to be used.
fn hear_out(socket: &OwnedFd) {
    let until = clock::now() + LINGER;
    let mut chunk = vec![0; CHUNK];
    loop {
        let left = until.since(clock::now());
        let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&left)) {
            Ok(1..) => {}
            Err(Errno::INTR) => continue,
            Ok(_) | Err(_) => return,
        }
        match rustix::io::read(socket, &mut chunk) {
            Ok(1..) | Err(Errno::INTR | Errno::AGAIN) => {}
            Ok(_) | Err(_) => return,
        }
    }
}

/// Writes what is held; whether anything went.
fn drain(held: &mut Vec<u8>, mut write: impl FnMut(&[u8]) -> io::Result<usize>) -> io::Result<bool> {
    if held.is_empty() {
        return Ok(false);
    }
    match write(held) {
        Ok(length) => {
            held.drain(..length);
            Ok(length > 0)
        }
        Err(error) => waits(error).map(|()| false),
    }
}

fn waits(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(()),
        _ => Err(error),
    }
}
