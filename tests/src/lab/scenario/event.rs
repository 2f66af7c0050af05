//! What happens to a laptop, as lists of acts between keys.

use std::net::{SocketAddr, UdpSocket};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use super::super::link::Side;
use super::super::measure::{bind, named};
use super::super::{Context, LabError, Laptop, LaptopOptions, Link, Loss, Shape, Subject, Uplink, clock};

/// Time between two keys.
pub const INTERVAL: Duration = Duration::from_millis(100);

/// One of the laptop's uplinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// `wlan0`, which the routes prefer: 40 ms.
    Wifi,
    /// `wwan0`: 80 ms.
    Cell,
}

use Which::{Cell, Wifi};

/// One direction of a link, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
    /// Both.
    Both,
}

/// Something that is done to the laptop.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// A link falls silent (`true`) or is healed: no interface, route or router notices.
    Silence(Which, Way, bool),
    /// `ip link set … down`.
    InterfaceDown(Which),
    /// The interface comes up with its addresses and routes, as from DHCP.
    InterfaceUp(Which),
    /// The interface is deleted.
    Remove(Which),
    /// The cable is pulled: the carrier goes, the addresses stay.
    Unplug(Which),
    /// Another address on the same network.
    ChangeAddress(Which),
    /// The exchange drops all UDP of a family (`ip` or `ip6`).
    Block(&'static str),
    /// Changes what a link does in some direction.
    Shape(Which, Way, fn(&mut Shape)),
    /// Someone else downloads over the link: 2 Mbit/s of it, with room for ten seconds in the queue.
    Download(Which),
    /// The client's process is stopped (`true`) or continued.
    Freeze(bool),
    /// Nobody types for a while.
    Wait(Duration),
}

/// Acts, each before a key, and how many keys there are.
#[derive(Clone, Debug)]
pub struct Event {
    /// The name in tables.
    pub name: &'static str,
    /// Both providers and the server have IPv6 as well.
    pub ipv6: bool,
    /// What is done before the session begins.
    pub before: Vec<Act>,
    /// What is done before which key.
    pub acts: Vec<(usize, Act)>,
    /// The first key after the healing, where there is one.
    pub healing: Option<usize>,
    /// Keys in all.
    pub keys: usize,
}

/// Keys of calm before anything happens: two seconds.
const CALM: usize = 20;

impl Event {
    /// Two seconds of calm, `acts`, three seconds.
    fn new(name: &'static str, acts: &[Act]) -> Self {
        let acts = acts.iter().map(|act| (CALM, *act)).collect();
        Self { name, ipv6: false, before: Vec::new(), acts, healing: None, keys: CALM + 30 }
    }

    /// Three seconds after it `acts` heal it, and three more seconds follow.
    fn healed_by(mut self, acts: &[Act]) -> Self {
        let healing = CALM + 30;
        self.acts.extend(acts.iter().map(|act| (healing, *act)));
        self.healing = Some(healing);
        self.keys = healing + 30;
        self
    }

    fn with_ipv6(mut self) -> Self {
        self.ipv6 = true;
        self
    }

    fn starting_with(mut self, acts: &[Act]) -> Self {
        self.before = acts.to_vec();
        self
    }

    /// Fewer keys in all: an event without a survivor need not be watched for long.
    #[must_use]
    pub fn cut_to(mut self, keys: usize) -> Self {
        self.keys = keys;
        self
    }

    /// The WiFi falls silent; no interface, route or router notices.
    #[must_use]
    pub fn silent_death() -> Self {
        Self::new("silent death", &[Act::Silence(Wifi, Way::Both, true)])
    }

    /// The same, and it is healed three seconds later.
    #[must_use]
    pub fn silent_death_and_healing() -> Self {
        Self::new("silent death, healed after 3 s", &[Act::Silence(Wifi, Way::Both, true)])
            .healed_by(&[Act::Silence(Wifi, Way::Both, false)])
    }

    /// Only what the client sends over the WiFi vanishes.
    #[must_use]
    pub fn uplink_death() -> Self {
        Self::new("only the way up dies", &[Act::Silence(Wifi, Way::Up, true)])
    }

    /// Only what the server sends over the WiFi vanishes.
    #[must_use]
    pub fn downlink_death() -> Self {
        Self::new("only the way down dies", &[Act::Silence(Wifi, Way::Down, true)])
    }

    /// Nobody types for twelve seconds, the WiFi dies meanwhile, then there is a key.
    #[must_use]
    pub fn idle_death() -> Self {
        let pause = |seconds| Act::Wait(Duration::from_secs(seconds));
        Self::new("dies while idle, then a key", &[pause(11), Act::Silence(Wifi, Way::Both, true), pause(1)])
    }

    /// The client's process is stopped for three seconds, and the WiFi dies meanwhile.
    #[must_use]
    pub fn frozen_death() -> Self {
        let acts = [
            Act::Freeze(true),
            Act::Silence(Wifi, Way::Both, true),
            Act::Wait(Duration::from_secs(3)),
            Act::Freeze(false),
            // It draws its whole screen anew.
            Act::Wait(Duration::from_millis(300)),
        ];
        Self::new("dies while the client is stopped", &acts)
    }

    /// `ip link set wlan0 down`.
    #[must_use]
    pub fn interface_down() -> Self {
        Self::new("interface down", &[Act::InterfaceDown(Wifi)])
    }

    /// The WiFi loses its carrier and keeps its address.
    #[must_use]
    pub fn carrier_lost() -> Self {
        Self::new("carrier lost", &[Act::Unplug(Wifi)])
    }

    /// The only interface is removed; another appears two seconds later.
    #[must_use]
    pub fn replaced() -> Self {
        let mut event = Self::new("interface removed, another 2 s later", &[Act::Remove(Wifi)])
            .starting_with(&[Act::InterfaceDown(Cell)]);
        event.acts.push((CALM + 20, Act::InterfaceUp(Cell)));
        event
    }

    /// The cellular interface appears a second before the WiFi falls silent.
    #[must_use]
    pub fn overlap() -> Self {
        let mut event = Self::new("cellular appears, WiFi dies 1 s later", &[Act::InterfaceUp(Cell)])
            .starting_with(&[Act::InterfaceDown(Cell)]);
        event.acts.push((CALM + 10, Act::Silence(Wifi, Way::Both, true)));
        event.keys += 10;
        event
    }

    /// The WiFi's address is replaced by another.
    #[must_use]
    pub fn address_change() -> Self {
        Self::new("address change", &[Act::ChangeAddress(Wifi)])
    }

    /// All IPv6 is lost on the way.
    #[must_use]
    pub fn ipv6_death() -> Self {
        Self::new("IPv6 dies", &[Act::Block("ip6")]).with_ipv6()
    }

    /// All IPv4 is lost on the way.
    #[must_use]
    pub fn ipv4_death() -> Self {
        Self::new("IPv4 dies", &[Act::Block("ip")]).with_ipv6()
    }

    /// Another program fills the WiFi's queue with ten seconds of download.
    #[must_use]
    pub fn download() -> Self {
        Self::new("a download fills a queue of 10 s", &[Act::Download(Wifi)])
    }

    /// The WiFi comes and goes every 200 ms, and the cellular network with it or against it.
    #[must_use]
    pub fn flapping(opposed: bool) -> Self {
        let name = if opposed { "flapping in opposition" } else { "flapping in phase" };
        let mut event = Self::new(name, &[]);
        for (turn, key) in (CALM..CALM + 30).step_by(2).enumerate() {
            let silent = turn % 2 == 0;
            event.acts.push((key, Act::Silence(Wifi, Way::Both, silent)));
            event.acts.push((key, Act::Silence(Cell, Way::Both, silent != opposed)));
        }
        event.acts.push((CALM + 30, Act::Silence(Wifi, Way::Both, false)));
        event.acts.push((CALM + 30, Act::Silence(Cell, Way::Both, false)));
        event.keys += 10;
        event
    }

    /// The WiFi loses packets in bursts: a quarter of the time half of them.
    #[must_use]
    pub fn bursts() -> Self {
        let bad = |shape: &mut Shape| shape.loss = Loss::Gilbert { enter: 0.05, leave: 0.15, lose: 0.5 };
        Self::new("WiFi loses in bursts", &[Act::Shape(Wifi, Way::Both, bad)])
    }

    /// The WiFi loses a fifth of the packets.
    #[must_use]
    pub fn loss() -> Self {
        let bad = |shape: &mut Shape| shape.loss = Loss::Random(0.2);
        Self::new("WiFi loses 20 %", &[Act::Shape(Wifi, Way::Both, bad)])
    }

    /// The WiFi's way down takes 200 ms longer, its way up as long as before.
    #[must_use]
    pub fn asymmetric() -> Self {
        let slow = |shape: &mut Shape| shape.delay += Duration::from_millis(200);
        Self::new("WiFi's way down +200 ms", &[Act::Shape(Wifi, Way::Down, slow)])
    }

    /// All of them, as the benchmark plays them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        vec![
            Self::silent_death(),
            Self::silent_death_and_healing(),
            Self::uplink_death(),
            Self::downlink_death(),
            Self::idle_death(),
            Self::frozen_death(),
            Self::interface_down(),
            Self::carrier_lost(),
            Self::replaced(),
            Self::overlap(),
            Self::address_change(),
            Self::ipv6_death(),
            Self::ipv4_death(),
            Self::download(),
            Self::flapping(false),
            Self::flapping(true),
            Self::bursts(),
            Self::loss(),
            Self::asymmetric(),
        ]
    }

    /// The laptop it happens to.
    #[must_use]
    pub fn options(&self) -> LaptopOptions {
        LaptopOptions { ipv6: self.ipv6, ..LaptopOptions::default() }
    }
}

/// Where the acts are done.
pub(super) struct Stage<'a> {
    pub(super) laptop: &'a mut Laptop,
    pub(super) subject: &'a Subject,
    downloads: Vec<Download>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(laptop: &'a mut Laptop, subject: &'a Subject) -> Self {
        Self { laptop, subject, downloads: Vec::new() }
    }

    fn uplink(&mut self, which: Which) -> &mut Uplink {
        &mut self.laptop.uplinks[which as usize]
    }

    /// Does one act.
    pub(super) fn perform(&mut self, act: Act) -> Result<(), LabError> {
        match act {
            Act::Silence(which, way, silent) => {
                shape(&self.uplink(which).link, way, |s| s.blackhole = silent)
            }
            Act::Shape(which, way, change) => shape(&self.uplink(which).link, way, change),
            Act::InterfaceDown(which) => self.uplink(which).interface_down()?,
            Act::InterfaceUp(which) => self.uplink(which).interface_up()?,
            Act::Remove(which) => {
                let interface = self.uplink(which).interface;
                self.laptop.client.ip(&["link", "del", interface])?;
            }
            Act::Unplug(which) => self.uplink(which).carrier(false)?,
            Act::ChangeAddress(which) => self.uplink(which).change_address()?,
            Act::Block(family) => self.laptop.core.filter(family, "forward", "meta l4proto udp drop")?,
            Act::Download(which) => {
                let download = Download::start(self.laptop, which)?;
                self.downloads.push(download);
            }
            Act::Freeze(stop) => {
                let signal = if stop { Signal::STOP } else { Signal::CONT };
                for process in named(&self.laptop.client, self.subject.client_process) {
                    send_signal(process, signal)?;
                }
            }
            Act::Wait(pause) => clock::sleep(pause),
        }
        Ok(())
    }
}

fn send_signal(process: Pid, signal: Signal) -> Result<(), LabError> {
    rustix::process::kill_process(process, signal).context(|| format!("{signal:?} to {process}"))
}

fn shape(link: &Link, way: Way, change: impl Fn(&mut Shape)) {
    if way != Way::Down {
        link.set_from(Side::Near, &change);
    }
    if way != Way::Up {
        link.set_from(Side::Far, &change);
    }
}

/// Datagrams that someone else draws through a link, a little more than it carries.
struct Download {
    sender: Option<JoinHandle<()>>,
    /// What receives them, so that nothing is said back.
    _sink: UdpSocket,
}

impl Download {
    /// The link's rate in bits per second.
    const RATE: u64 = 2_000_000;
    /// Datagrams of 1,400 octets, one each 2.5 ms for ten seconds: 4.5 Mbit/s.
    const COUNT: u32 = 4000;

    fn start(laptop: &Laptop, which: Which) -> Result<Self, LabError> {
        let uplink = &laptop.uplinks[which as usize];
        uplink.link.set_from(Side::Far, |shape| {
            shape.rate = Some(Self::RATE);
            shape.queue = (Self::RATE / 8 * 10) as usize;
        });
        let address: SocketAddr = format!("{}.1:9", uplink.outside())
            .parse()
            .context(|| format!("the address of {}", uplink.interface))?;
        let sink = bind(&uplink.router, address)?;
        let socket = bind(&laptop.core, SocketAddr::new([0, 0, 0, 0].into(), 0))?;
        let start = clock::now();
        let sender = std::thread::spawn(move || {
            for number in 0..Self::COUNT {
                clock::sleep_until(start + Duration::from_micros(2500) * number);
                if socket.send_to(&[0; 1400], address).is_err() {
                    return;
                }
            }
        });
        Ok(Self { sender: Some(sender), _sink: sink })
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            let _ = sender.join();
        }
    }
}
