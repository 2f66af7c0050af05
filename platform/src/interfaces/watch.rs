//! Notice of changes: the system's own, or by looking.

use super::polling::{Comparison, INTERVAL};
use super::system::Notices;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// Tells of changes of the interfaces, their addresses and, where the system gives notice, the routes.
#[derive(Debug)]
pub struct Watch(Way);

#[derive(Debug)]
enum Way {
    Told(Notices),
    Compared(Comparison),
}

impl Watch {
    /// Starts to watch. Where the system refuses its notices (Android does, and sandboxes do), the addresses are compared
    /// every few seconds.
    ///
    /// # Errors
    /// The addresses cannot be listed either.
    pub fn new() -> io::Result<Self> {
        match Notices::new() {
            Ok(notices) => Ok(Self(Way::Told(notices))),
            Err(error) => {
                log::info!("no notices of network changes ({error}): looking every {} s", INTERVAL.as_secs());
                Comparison::new().map(|comparison| Self(Way::Compared(comparison)))
            }
        }
    }

    /// The descriptor to wait for, if there is one: readable when something may have changed.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.0 {
            Way::Told(notices) => Some(notices.fd()),
            Way::Compared(_) => None,
        }
    }

    /// How often to call [`Self::read`] where there is no descriptor.
    #[must_use]
    pub fn poll_interval(&self) -> Option<Duration> {
        match &self.0 {
            Way::Told(_) => None,
            Way::Compared(_) => Some(INTERVAL),
        }
    }

    /// Whether anything may have changed since the last call. Never waits.
    pub fn read(&mut self) -> bool {
        match &mut self.0 {
            Way::Told(notices) => notices.read(),
            Way::Compared(comparison) => comparison.read(),
        }
    }
}
