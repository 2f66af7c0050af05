//! Where the server's UDP port is: which of the addresses known of a host is the one to begin with.
//!
//! Contract: pure but for [`Lookup`], which asks the name service beside the bootstrap, because a name that only the
//! hosts on the way know may take seconds to fail.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use super::{Error, connect};
use crate::cli::words::Family;
use crate::cli::words::RemoteIp;

/// How much longer the name service is waited for when the other side has told an address.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is known of the server's address.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// Where ssh connected, if it did so from here.
    pub(super) connected: Option<IpAddr>,
    /// The server's end of its ssh connection, as the other side told it.
    pub(super) told: Option<IpAddr>,
    /// What the name service says here.
    pub(super) named: Vec<IpAddr>,
}

impl Known {
    /// The address to begin with.
    pub(super) fn choose(&self, how: RemoteIp) -> Option<IpAddr> {
        let first = self.named.first().copied();
        match how {
            RemoteIp::Local => self.connected.or(first),
            RemoteIp::Remote => self.told.or(self.connected).or(first),
            // Another host lies between: its view of the server, if ours agrees; else its view all the same.
            RemoteIp::Proxy => self.connected.or(self.told).or(first),
        }
    }
}

/// A question to the name service, asked meanwhile.
pub(super) struct Lookup {
    answer: Receiver<Result<Vec<SocketAddr>, Error>>,
}

impl Lookup {
    pub(super) fn start(host: &str, family: Family) -> Self {
        let (sender, answer) = mpsc::channel();
        let host = host.to_owned();
        thread::spawn(move || {
            let _ = sender.send(connect::resolve(&host, 0, family, None));
        });
        Self { answer }
    }

    /// The answer; with an address in hand it is not waited for long.
    pub(super) fn finish(self, told: Option<IpAddr>) -> Result<Vec<IpAddr>, Error> {
        let answer = match told {
            Some(_) => self.answer.recv_timeout(PATIENCE).ok(),
            None => self.answer.recv().ok(),
        };
        match (answer, told) {
            (Some(Ok(addresses)), _) => Ok(connect::ips(&addresses)),
            (Some(Err(error)), None) => Err(error),
            _ => Ok(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_that_ssh_reached_from_here_is_the_best() {
        let ip = |last: u8| IpAddr::from([192, 0, 2, last]);
        let known = Known { connected: Some(ip(1)), told: Some(ip(2)), named: vec![ip(3), ip(1)] };
        assert_eq!(known.choose(RemoteIp::Proxy), Some(ip(1)));
        assert_eq!(known.choose(RemoteIp::Remote), Some(ip(2)));
        let behind = Known { connected: None, ..known };
        assert_eq!(behind.choose(RemoteIp::Proxy), Some(ip(2)));
        assert_eq!(behind.choose(RemoteIp::Local), Some(ip(3)));
        let nothing = Known { connected: None, told: None, named: Vec::new() };
        assert_eq!(nothing.choose(RemoteIp::Proxy), None);
    }
}
