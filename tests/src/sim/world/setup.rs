//! What a world has at the beginning.

use super::super::application::{Application, Counter};
use super::super::link::Quality;
use super::super::nat::Nat;
use super::super::stream::StreamQuality;
use mpmosh_client::cli::words::PredictMode;
use net::DialectName;
use net::Role;
use std::net::IpAddr;
use std::time::Duration;

/// One of the client's interfaces.
#[derive(Clone, Debug)]
pub struct Uplink {
    /// What the operating system calls it.
    pub name: &'static str,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Those of them that are deprecated.
    pub deprecated: Vec<IpAddr>,
    /// Up, with its addresses and routes.
    pub up: bool,
    /// There is a route over it, as far as the system tells.
    pub routed: bool,
    /// The user's policy.
    pub role: Role,
    /// Costs money.
    pub metered: bool,
    /// What translates addresses in front of it.
    pub nat: Option<Nat>,
    /// The largest IP packet that it takes, where the system tells.
    pub mtu: Option<u32>,
}

impl Uplink {
    /// An interface that is up, without a NAT.
    #[must_use]
    pub fn new(name: &'static str, address: &str) -> Self {
        Self {
            name,
            addresses: vec![address.parse().expect("an address")],
            deprecated: Vec::new(),
            up: true,
            routed: true,
            role: Role::Primary,
            metered: false,
            nat: None,
            mtu: None,
        }
    }

    /// The same behind a translator.
    #[must_use]
    pub fn behind(mut self, nat: Nat) -> Self {
        self.nat = Some(nat);
        self
    }

    /// The same, metered.
    #[must_use]
    pub fn metered(mut self) -> Self {
        self.metered = true;
        self
    }
}

/// What there is at the beginning.
pub struct Setup {
    /// Decides every random thing.
    pub seed: u64,
    /// The client's interfaces; their indexes are 1, 2, ….
    pub uplinks: Vec<Uplink>,
    /// The server's addresses; the first is the one that the bootstrap reached.
    pub servers: Vec<IpAddr>,
    /// Each direction of each way, by the client's interface (from 0) and the server's address (from 0).
    pub quality: Box<dyn Fn(usize, usize) -> (Quality, Quality)>,
    /// What runs on the server.
    pub application: Box<dyn Application>,
    /// Streams for carriers, where ssh is to be had; when they are wanted is in `config`.
    pub stream: Option<StreamQuality>,
    /// How the client uses its paths.
    pub config: net::Config,
    /// How long the server stays without a word from the client (`MOSH_SERVER_NETWORK_TMOUT`).
    pub network_timeout: Option<Duration>,
    /// How long a session waits for a client after the last one was let go.
    pub session_ttl: Option<Duration>,
    /// No terminal: standard input, output and error travel as byte streams, which the test itself writes and reads.
    pub byte_streams: bool,
    /// What both ends speak.
    pub dialect: DialectName,
    /// When typed keys are drawn before they are echoed.
    pub predict: PredictMode,
}

impl Setup {
    /// Two uplinks, one server address, 20 and 40 ms each way: "two paths of 40 and 80 ms RTT".
    #[must_use]
    pub fn laptop(seed: u64) -> Self {
        Self {
            seed,
            uplinks: vec![Uplink::new("wlan0", "192.0.2.10"), Uplink::new("wwan0", "198.51.100.10")],
            servers: vec!["203.0.113.1".parse().expect("an address")],
            quality: Box::new(|uplink, _| {
                let delay = if uplink == 0 { 20 } else { 40 };
                (Quality::millis(delay), Quality::millis(delay))
            }),
            application: Box::new(Counter::new()),
            stream: None,
            config: net::Config::default(),
            network_timeout: None,
            session_ttl: None,
            byte_streams: false,
            dialect: DialectName::Multipath,
            predict: PredictMode::Never,
        }
    }

    /// The same with streams to be carried by, wherever datagrams do not pass.
    #[must_use]
    pub fn with_carriers(mut self, stream: StreamQuality) -> Self {
        self.stream = Some(stream);
        self.config = self.config.with_carriers(net::Carriers::Auto);
        self
    }

    /// The same in another dialect.
    #[must_use]
    pub fn speaking(mut self, dialect: DialectName) -> Self {
        self.dialect = dialect;
        self
    }

    /// One uplink, one server address, this quality in both directions.
    #[must_use]
    pub fn single(seed: u64, quality: Quality) -> Self {
        let mut setup = Self::laptop(seed);
        setup.uplinks.truncate(1);
        setup.quality = Box::new(move |_, _| (quality.clone(), quality.clone()));
        setup
    }
}
