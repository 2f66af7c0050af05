//! The ends of the carriers here: datagrams that leave by [`Path::carrier`] become octets of a stream, and the other way.
//!
//! Contract: the owner opens and closes the streams as the connection's events ask, writes what [`Client::poll_carrier`]
//! gives, and hands in what it reads. A stream that takes no more holds the session's newest back, which is newer later.

use super::Client;
use net::carrier::{Babble, Carrier};
use net::{Ecn, Instant, Path, Received, Transmit};

impl Client {
    /// This carrier is there.
    pub fn open_carrier(&mut self, number: u16, now: Instant) {
        self.carriers.insert(number, Carrier::new(now));
        self.peer.connection.open_carrier(number, now);
        self.after_change(now);
    }

    /// This carrier is gone.
    pub fn close_carrier(&mut self, number: u16, now: Instant) {
        self.carriers.remove(&number);
        self.peer.connection.close_carrier(number, now);
        self.after_change(now);
    }

    /// The carriers that are there.
    #[must_use]
    pub fn carriers(&self) -> Vec<u16> {
        self.carriers.keys().copied().collect()
    }

    /// This came out of a carrier's stream.
    ///
    /// # Errors
    /// The far end is no carrier: nothing that follows can be understood.
    pub fn handle_carrier(&mut self, number: u16, octets: &[u8], now: Instant) -> Result<(), Babble> {
        let Some(carrier) = self.carriers.get_mut(&number) else { return Ok(()) };
        carrier.handle_octets(octets, now)?;
        while let Some(mut datagram) = self.carriers.get_mut(&number).and_then(Carrier::poll_datagram) {
            let path = Path::carrier(number);
            self.handle_datagram(Received::new(path, Ecn::NotEct, &mut datagram), now);
        }
        self.follow_room(number, now);
        Ok(())
    }

    /// What is to be written to a carrier's stream, if anything is; tell by [`Self::carrier_wrote`] how much was.
    pub fn poll_carrier(&mut self, number: u16, now: Instant) -> Option<&[u8]> {
        self.carriers.get_mut(&number)?.poll_octets(now)
    }

    /// So many octets were written.
    pub fn carrier_wrote(&mut self, number: u16, octets: usize, now: Instant) {
        if let Some(carrier) = self.carriers.get_mut(&number) {
            carrier.wrote(octets);
        }
        self.follow_room(number, now);
    }

    /// The session may yet be carried, though all that is sent otherwise is refused; or not.
    pub fn expect_carrier(&mut self, expected: bool) {
        self.expects_carrier = expected;
    }

    /// Puts a datagram into the carrier that it is for; gives it back if it is for none.
    pub(super) fn carry(&mut self, transmit: Transmit, now: Instant) -> Option<Transmit> {
        let Some(number) = transmit.path.carrier_number() else { return Some(transmit) };
        if let Some(carrier) = self.carriers.get_mut(&number)
            && let Err(error) = carrier.send(&transmit.bytes, now)
        {
            log::warn!("{error}");
        }
        self.follow_room(number, now);
        None
    }

    /// Tells the connection whether a stream takes more.
    fn follow_room(&mut self, number: u16, now: Instant) {
        let Some(carrier) = self.carriers.get_mut(&number) else { return };
        // What waits goes into the stream's own hands as far as there is room.
        let _ = carrier.poll_octets(now);
        self.peer.connection.set_carrier_room(number, carrier.is_clear());
    }
}
