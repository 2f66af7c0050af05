//! A connection through a host on the way: what `ProxyJump` asks for.
//!
//! Contract: the far host is reached by a `direct-tcpip` channel (RFC 4254 §7.2) of the ssh connection to the host on
//! the way, which sees nothing but the ciphertext of the inner connection. libssh2 wants a descriptor, so one end of a
//! socket pair stands for the far host, and a thread carries octets between its other end and the channel. Closing the
//! descriptor ends the channel, the connection to the host on the way, and the thread.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use ssh2::{BlockDirections, Channel, Session};

/// Most octets held for a direction whose reader is slow.
const HELD: usize = 256 * 1024;
/// Most octets taken at once.
const CHUNK: usize = 16 * 1024;

/// Asks the host on the way to connect to `host`, a name in its eyes, and gives the connection. `socket` is the one under
/// `way`.
///
/// # Errors
/// What the host on the way says of it, in libssh2's words.
pub(super) fn open(way: Session, socket: OwnedFd, host: &str, port: u16) -> Result<UnixStream, String> {
    let channel = way.channel_direct_tcpip(host, port, None).map_err(|error| error.message().to_owned())?;
    let (near, far) = UnixStream::pair().map_err(|error| error.to_string())?;
    far.set_nonblocking(true).map_err(|error| error.to_string())?;
    way.set_blocking(false);
    thread::Builder::new()
        .name("jump".into())
        .spawn(move || {
            let mut carrier = Carrier { way, socket, channel, far, out: Vec::new(), back: Vec::new() };
            if let Err(error) = carrier.run() {
                log::debug!("a connection through another host ended: {error}");
            }
            let _ = carrier.channel.close();
            let _ = carrier.way.disconnect(None, "the inner connection has ended", None);
        })
        .map_err(|error| error.to_string())?;
    Ok(near)
}

struct Carrier {
    way: Session,
    socket: OwnedFd,
    channel: Channel,
    far: UnixStream,
    /// Towards the far host.
    out: Vec<u8>,
    /// Back to us.
    back: Vec<u8>,
}

impl Carrier {
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
                    // The inner connection is closed.
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

    /// Waits until something can move.
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
        match poll(&mut watched, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
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
