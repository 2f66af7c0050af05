//! A connection through a host on the way: what `ProxyJump` asks for.
//!
//! Contract: the far host is reached by a `direct-tcpip` channel (RFC 4254 §7.2) of the ssh connection to the host on
//! the way, which sees nothing but the ciphertext of the inner connection. Closing the descriptor ends the channel and the
//! connection to the host on the way.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use ssh2::Session;

use super::pump;

/// Asks the host on the way to connect to `host`, a name in its eyes, and gives the connection. `socket` is the one under
/// `way`.
///
/// # Errors
/// What the host on the way says of it, in libssh2's words.
pub(super) fn open(way: Session, socket: OwnedFd, host: &str, port: u16) -> Result<UnixStream, String> {
    let channel = way.channel_direct_tcpip(host, port, None).map_err(|error| error.message().to_owned())?;
    pump::start(way, socket, channel).map(|(stream, _)| stream).map_err(|error| error.to_string())
}
