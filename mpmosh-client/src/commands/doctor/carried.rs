//! The way through ssh, examined: the stream of the command that started the server.

use std::io;
use std::os::fd::AsFd;

use crate::bootstrap::{Carriage, Preface};
use crate::session::client::Client;
use platform::clock;
use platform::wait::{Ready, Token, Waiter};

/// The number of the only one.
const NUMBER: u16 = 1;

/// See the module.
pub(super) struct Carried {
    carriage: Carriage,
    preface: Preface,
    /// It carries.
    open: bool,
    /// Why it does not, and will not.
    failure: Option<String>,
}

impl Carried {
    pub(super) fn new(carriage: Carriage) -> Self {
        Self { carriage, preface: Preface::default(), open: false, failure: None }
    }

    /// Why nothing is carried, where that is certain.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    pub(super) fn watch<'fd>(&'fd self, client: &mut Client, waiter: &mut Waiter<'fd>) -> Option<Token> {
        if self.failure.is_some() {
            return None;
        }
        let writes = client.poll_carrier(NUMBER, clock::now()).is_some();
        if let Some(to) = self.carriage.to.as_ref().filter(|_| writes) {
            waiter.write(to.as_fd());
        }
        Some(waiter.read(self.carriage.from.as_fd()))
    }

    /// Takes what has come, and gives what goes.
    pub(super) fn handle_ready(&mut self, ready: &Ready, reads: Option<Token>, client: &mut Client) {
        // What came in one piece with the announcement may be all that comes before the far end is spoken to.
        let rest = std::mem::take(&mut self.carriage.rest);
        let came =
            self.take(rest, client).and_then(|()| if ready.has(reads) { self.read(client) } else { Ok(()) });
        if let Err(error) = came {
            self.fail(error.to_string(), client);
        }
        if let Err(error) = self.write(client) {
            self.fail(error.to_string(), client);
        }
    }

    fn fail(&mut self, why: String, client: &mut Client) {
        self.failure.get_or_insert(why);
        client.close_carrier(NUMBER, clock::now());
    }

    fn read(&mut self, client: &mut Client) -> io::Result<()> {
        let mut octets = Vec::new();
        if !self.carriage.read(&mut octets)? {
            return Err(io::Error::other(self.carriage.why_ended(&self.preface)));
        }
        self.take(octets, client)
    }

    fn take(&mut self, mut came: Vec<u8>, client: &mut Client) -> io::Result<()> {
        if !self.open {
            self.open = self.preface.is_over(&mut came).map_err(io::Error::other)?;
            if !self.open {
                return Ok(());
            }
            client.open_carrier(NUMBER, clock::now());
        }
        client.handle_carrier(NUMBER, &came, clock::now()).map_err(io::Error::other)
    }

    fn write(&mut self, client: &mut Client) -> io::Result<()> {
        while let Some(octets) = client.poll_carrier(NUMBER, clock::now()) {
            match self.carriage.write(octets)? {
                0 => break,
                count => client.carrier_wrote(NUMBER, count, clock::now()),
            }
        }
        Ok(())
    }
}
