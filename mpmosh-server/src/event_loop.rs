//! The one loop of the server: what the system has to say goes into [`Server`], what it answers goes out.

use crate::program::Program;
use crate::server::{Config, Leave, Output, Server};
use net::{Candidate, Connection, Dialect, Instant, Side};
use platform::interfaces;
use platform::signals::{Signal, Signals};
use platform::udp::Endpoint;
use platform::wait::Waiter;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// The largest datagram worth reading; anything longer is reported as cut.
const DATAGRAM: usize = 2048;

/// How many datagrams are read before what they asked for is done.
const BURST: usize = 32;

/// A look at the clock at least this often while something is to be noticed without an event.
const HOUR: Duration = Duration::from_secs(3600);
