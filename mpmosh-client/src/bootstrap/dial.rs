//! What the user's own ssh runs to make its connection: the race over every interface that may be used, whose winner goes
//! to ssh over standard output (`ProxyUseFdpass`).

use std::io;
use std::os::fd::AsFd;

use platform::dial::{hand_over, keep_alive};
use rustix::event::{Timespec, poll};

use super::dialogue::Silent;
use super::{Dialogue, Error, Uplinks, connect};
use crate::cli::args::DialArgs;
use crate::text::sanitize::one_line;

/// How long until a host that did not answer is tried again, where ssh's `ConnectionAttempts` asks for it.
const AGAIN: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Makes the connection and hands it over.
///
/// # Errors
/// See [`Error`]: the host has no address, or none answers; standard output is not ssh's.
pub fn run(args: &DialArgs, dialogue: &mut dyn Dialogue) -> Result<(), Error> {
    let uplinks = Uplinks::of(args.interfaces.clone(), args.family);
    let host = one_line(&args.host, 80);
    let family = args.address_family.as_deref();
    let addresses = connect::resolve(&args.host, args.port, args.family, family)?;
    let mut left = args.attempts;
    let stream = loop {
        left = left.saturating_sub(1);
        let mut nobody = Silent;
        let told: &mut dyn Dialogue = if args.quiet { &mut nobody } else { &mut *dialogue };
        match connect::race(&host, &addresses, &uplinks, args.timeout, told) {
            Err(Error::Connect { tried, .. }) if left > 0 && !tried.is_empty() => {
                let _ = poll(&mut [], Some(&AGAIN));
            }
            outcome => break outcome,
        }
    };
    dialogue.stage(None);
    let stream = stream?;
    if args.keep_alive {
        let _ = keep_alive(&stream);
    }
    hand_over(stream.as_fd(), io::stdout().as_fd()).map_err(|cause| Error::HandOver { host, cause })
}
