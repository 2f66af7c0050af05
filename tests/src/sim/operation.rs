//! What can happen to a network and its user, as data: scripts are lists of these, and so are failures once found.

use super::link::{Bursts, Quality};
use super::world::World;
use std::net::IpAddr;
use std::time::Duration;

/// Which directions of an uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
    /// Both.
    Both,
}

impl Way {
    fn directions(self) -> &'static [bool] {
        match self {
            Self::Up => &[true],
            Self::Down => &[false],
            Self::Both => &[true, false],
        }
    }
}

/// One thing that happens. Uplinks are counted from 0; times are in milliseconds, of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The user types a key.
    Key,
    /// The program writes so many octets.
    Output(u32),
    /// The interface goes away, with its addresses, and the system tells.
    Down(usize),
    /// The interface is there, and the system tells.
    Up(usize),
    /// The carrier is lost or found: the addresses stay, the route does not; the system tells.
    Carrier(usize, bool),
    /// Nothing passes any more, and nobody tells.
    Silence(usize, Way),
    /// It passes again, and nobody tells.
    Sound(usize, Way),
    /// The delay of each direction is this now.
    Delay(usize, u64),
    /// The delay of one direction is this now.
    DelayOneWay(usize, Way, u64),
    /// Between one uplink and one address of the server nothing passes any more, or it does again.
    SilenceTo(usize, usize, bool),
    /// Between one uplink and one address of the server the delay of each direction is this now.
    DelayTo(usize, usize, u64),
    /// Up to so much more delay, at random.
    Jitter(usize, u64),
    /// So many of a hundred datagrams are lost.
    Loss(usize, u8),
    /// The line is bad now and then (a mean of a second of datagrams at ten a second), or not.
    Bursts(usize, bool),
    /// So many of a hundred datagrams are overtaken.
    Reorder(usize, u8),
    /// Another program downloads so many octets a second.
    Download(usize, u64),
    /// Larger packets than this vanish.
    Mtu(usize, usize),
    /// The address translator forgets what it knew.
    Rebind(usize),
    /// The interface gets another address instead of its first, if nobody has it; the system tells.
    Readdress(usize, u8),
    /// The client's machine sleeps.
    Suspend,
    /// It wakes up.
    Resume,
    /// Time passes.
    Wait(u64),
}

/// A line that loses four of five datagrams for ten datagrams, after each hundred.
const BURSTS: Bursts = Bursts { worsen: 0.01, recover: 0.1, loss: 0.8 };

impl World {
    /// Lets something happen now.
    pub fn apply(&mut self, operation: Operation) {
        use Operation as O;
        let ms = Duration::from_millis;
        match operation {
            O::Key => self.type_next_key(),
            O::Output(octets) => self.program_writes(octets as usize),
            O::Down(uplink) => self.set_up(uplink, false),
            O::Up(uplink) => self.set_up(uplink, true),
            O::Carrier(uplink, there) => {
                self.uplinks[uplink].routed = there;
                self.announce_interfaces();
            }
            O::Silence(uplink, way) => self.change_ways(uplink, way, |q| q.silent = true),
            O::Sound(uplink, way) => self.change_ways(uplink, way, |q| q.silent = false),
            O::Delay(uplink, delay) => self.change(uplink, |q| q.delay = ms(delay)),
            O::DelayOneWay(uplink, way, delay) => self.change_ways(uplink, way, |q| q.delay = ms(delay)),
            O::SilenceTo(uplink, server, silent) => self.change_way(uplink, server, |q| q.silent = silent),
            O::DelayTo(uplink, server, delay) => self.change_way(uplink, server, |q| q.delay = ms(delay)),
            O::Jitter(uplink, jitter) => self.change(uplink, |q| q.jitter = ms(jitter)),
            O::Loss(uplink, percent) => self.change(uplink, |q| q.loss = f64::from(percent) / 100.0),
            O::Bursts(uplink, on) => self.change(uplink, |q| q.bursts = on.then_some(BURSTS)),
            O::Reorder(uplink, percent) => {
                self.change(uplink, |q| q.overtaken = f64::from(percent) / 100.0);
            }
            O::Download(uplink, rate) => self.change_direction(uplink, false, |q| q.foreign = rate),
            O::Mtu(uplink, mtu) => self.change(uplink, |q| q.mtu = mtu),
            O::Rebind(uplink) => {
                if let Some(nat) = &mut self.uplinks[uplink].nat {
                    nat.rebind();
                }
            }
            O::Readdress(uplink, last) => self.readdress(uplink, last),
            O::Suspend => self.suspend(),
            O::Resume => self.resume(),
            O::Wait(time) => self.run(ms(time)),
        }
    }

    /// No two have one address, but behind translators of their own: what is sent to it goes one way.
    fn readdress(&mut self, uplink: usize, last: u8) {
        let Some(IpAddr::V4(old)) = self.uplinks[uplink].addresses.first().copied() else { return };
        let [a, b, c, _] = old.octets();
        let new = IpAddr::from([a, b, c, last]);
        let translated = |uplink: usize| self.uplinks[uplink].nat.is_some();
        let taken = (0..self.uplinks.len())
            .filter(|other| !(translated(uplink) && translated(*other)))
            .any(|other| self.uplinks[other].addresses.contains(&new));
        if !taken {
            self.uplinks[uplink].addresses[0] = new;
            self.announce_interfaces();
        }
    }

    fn change_ways(&mut self, uplink: usize, way: Way, change: impl Fn(&mut Quality)) {
        for up in way.directions() {
            self.change_direction(uplink, *up, &change);
        }
    }
}
