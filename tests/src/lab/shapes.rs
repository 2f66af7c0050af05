//! The two ready-made networks.
//!
//! ```text
//! Paper                                               Laptop
//!                                                      ┌ wlan0 — wifi ~~~~ ┐
//!  client ┬ eth0 — near0 ~~~~ far0 — eth0 ┬ server    client             core — eth0 server
//!         └ eth1 — near1 ~~~~ far1 — eth1 ┘            └ wwan0 — cell ~~~~ ┘
//! ```
//! `—` is a veth pair, `~~~~` an emulated [`Link`].

use std::time::Duration;

use super::{Lab, LabError, Link, Namespace, Sshd, require};

/// Two hosts with two addresses each, on two networks that do not know each other: client address *i* reaches
/// server address *i* over path *i* and no other (the paper's setting, §5).
pub struct Paper {
    /// The emulated links; the near end is the client's.
    pub links: [Link; 2],
    /// A running sshd, once [`Self::with_sshd`] was called.
    pub sshd: Option<Sshd>,
    /// Where the client runs.
    pub client: Namespace,
    /// Where the server runs.
    pub server: Namespace,
    /// Last, so that all the above are gone when it cleans up.
    pub lab: Lab,
}

impl Paper {
    /// Builds it, with 20 and 40 ms each way.
    ///
    /// # Errors
    /// When a prerequisite is missing or the kernel refuses.
    pub fn new() -> Result<Self, LabError> {
        let mut lab = Lab::new()?;
        let client = lab.namespace("c")?;
        let server = lab.namespace("s")?;
        let links = [Self::path(&mut lab, &client, &server, 0)?, Self::path(&mut lab, &client, &server, 1)?];
        links[0].delay(Duration::from_millis(20));
        links[1].delay(Duration::from_millis(40));
        for host in [&client, &server] {
            host.etc(
                "hosts",
                &format!("127.0.0.1 localhost\n::1 localhost\n{} server\n", Self::server_address(0)),
            )?;
        }
        Ok(Self { links, sshd: None, client, server, lab })
    }

    /// Builds it with a running sshd that admits the client's user, as `lab@server` over path 0.
    ///
    /// # Errors
    /// When a prerequisite is missing or something does not start.
    pub fn with_sshd() -> Result<Self, LabError> {
        let mut paper = Self::new()?;
        let sshd = Sshd::start(&paper.lab, &paper.server, 22)?;
        sshd.admit(&paper.client, &["server", &Self::server_address(0), &Self::server_address(1)])?;
        paper.sshd = Some(sshd);
        Ok(paper)
    }

    /// The client's address on path `path`.
    #[must_use]
    pub fn client_address(path: usize) -> String {
        format!("10.{path}.1.2")
    }

    /// The server's address on path `path`.
    #[must_use]
    pub fn server_address(path: usize) -> String {
        format!("10.{path}.2.2")
    }

    fn path(lab: &mut Lab, client: &Namespace, server: &Namespace, path: usize) -> Result<Link, LabError> {
        let device = format!("eth{path}");
        let near = router(lab, &format!("n{path}"))?;
        let far = router(lab, &format!("f{path}"))?;
        let link = Link::new(
            (&near, "tun0", &[&format!("10.{path}.0.1/30"), &format!("fd00:{path}::1/64")]),
            (&far, "tun0", &[&format!("10.{path}.0.2/30"), &format!("fd00:{path}::2/64")]),
            path as u64,
        )?;
        for (host, router, side, other) in [(client, &near, 1, 2), (server, &far, 2, 1)] {
            lab.veth((host, &device), (router, "lan"))?;
            let networks = |side: usize| [format!("10.{path}.{side}"), format!("fd00:{path}:{side}:")];
            let [v4, v6] = networks(side);
            let [other_v4, other_v6] = networks(other);
            add_address(host, &device, &format!("{v4}.2/24"))?;
            add_address(host, &device, &format!("{v6}:2/64"))?;
            add_address(router, "lan", &format!("{v4}.1/24"))?;
            add_address(router, "lan", &format!("{v6}:1/64"))?;
            host.ip(&[
                "route",
                "add",
                &format!("{other_v4}.0/24"),
                "via",
                &format!("{v4}.1"),
                "dev",
                &device,
            ])?;
            host.ip(&[
                "route",
                "add",
                &format!("{other_v6}:/64"),
                "via",
                &format!("{v6}:1"),
                "dev",
                &device,
            ])?;
            let (peer_v4, peer_v6) = (format!("10.{path}.0.{other}"), format!("fd00:{path}::{other}"));
            router.ip(&["route", "add", &format!("{other_v4}.0/24"), "via", &peer_v4])?;
            router.ip(&["route", "add", &format!("{other_v6}:/64"), "via", &peer_v6])?;
        }
        Ok(link)
    }
}

/// How a [`Laptop`] is set up.
#[derive(Clone, Copy, Debug)]
pub struct LaptopOptions {
    /// The client's reverse path filter, on every interface: 0, 1 (strict) or 2 (loose, Debian's default).
    pub reverse_path_filter: u8,
    /// Each provider has an IPv6 prefix besides (no translation), and the server an IPv6 address.
    pub ipv6: bool,
    /// One-way delays of the two uplinks.
    pub delays: [Duration; 2],
}

impl Default for LaptopOptions {
    fn default() -> Self {
        Self {
            reverse_path_filter: 2,
            ipv6: false,
            delays: [Duration::from_millis(20), Duration::from_millis(40)],
        }
    }
}

/// A client with two uplinks and a server with one address, as a laptop with WiFi and a phone is: both default
/// routes in the main table, the WiFi's with the better metric, no policy rules. Each provider's router drops
/// packets whose source is not of its own network, and masquerades.
pub struct Laptop {
    /// WiFi (preferred by its metric) and cellular.
    pub uplinks: [Uplink; 2],
    /// A running sshd, once [`Self::with_sshd`] was called.
    pub sshd: Option<Sshd>,
    /// Where the client runs.
    pub client: Namespace,
    /// Where the server runs.
    pub server: Namespace,
    /// The routers' exchange, where the server is attached.
    pub core: Namespace,
    /// Last, so that all the above are gone when it cleans up.
    pub lab: Lab,
}

/// One of a laptop's ways into the network.
pub struct Uplink {
    /// The emulated link between the provider's router (near) and the core (far).
    pub link: Link,
    /// The client's interface.
    pub interface: &'static str,
    /// The provider's router.
    pub router: Namespace,
    client: Namespace,
    network: &'static str,
    outside: &'static str,
    address: u8,
    metric: &'static str,
    prefix: Option<&'static str>,
}

/// What distinguishes the two providers.
struct Provider {
    role: &'static str,
    interface: &'static str,
    /// The network between client and router, without the last octet: private, translated.
    network: &'static str,
    /// The network between router and core, without the last octet.
    outside: &'static str,
    prefix: &'static str,
    metric: &'static str,
}

const PROVIDERS: [Provider; 2] = [
    Provider {
        role: "wifi",
        interface: "wlan0",
        network: "192.168.1",
        outside: "198.51.100",
        prefix: "2001:db8:1",
        metric: "600",
    },
    Provider {
        role: "cell",
        interface: "wwan0",
        network: "10.64.0",
        outside: "192.0.2",
        prefix: "2001:db8:2",
        metric: "700",
    },
];

impl Laptop {
    /// The server's only IPv4 address.
    pub const SERVER: &'static str = "203.0.113.10";
    /// The server's IPv6 address, with [`LaptopOptions::ipv6`].
    pub const SERVER_V6: &'static str = "2001:db8:3::10";

    /// Builds it without sshd.
    ///
    /// # Errors
    /// When a prerequisite is missing or the kernel refuses.
    pub fn new(options: LaptopOptions) -> Result<Self, LabError> {
        let mut lab = Lab::new()?;
        let client = lab.namespace("c")?;
        let server = lab.namespace("s")?;
        let core = router(&mut lab, "core")?;
        lab.veth((&server, "eth0"), (&core, "lan"))?;
        add_address(&server, "eth0", "203.0.113.10/24")?;
        add_address(&core, "lan", "203.0.113.1/24")?;
        server.ip(&["route", "add", "default", "via", "203.0.113.1"])?;
        if options.ipv6 {
            add_address(&server, "eth0", "2001:db8:3::10/64")?;
            add_address(&core, "lan", "2001:db8:3::1/64")?;
            server.ip(&["route", "add", "default", "via", "2001:db8:3::1"])?;
        }
        let [wifi, cell] = &PROVIDERS;
        let uplinks = [
            Uplink::new(&mut lab, &client, &core, wifi, options.ipv6)?,
            Uplink::new(&mut lab, &client, &core, cell, options.ipv6)?,
        ];
        for (uplink, delay) in uplinks.iter().zip(options.delays) {
            uplink.link.delay(delay);
        }
        for scope in ["all", "default", "wlan0", "wwan0"] {
            let key = format!("net/ipv4/conf/{scope}/rp_filter");
            client.sysctl(&key, &options.reverse_path_filter.to_string())?;
        }
        for host in [&client, &server] {
            host.etc("hosts", &format!("127.0.0.1 localhost\n::1 localhost\n{} server\n", Self::SERVER))?;
        }
        Ok(Self { uplinks, sshd: None, client, server, core, lab })
    }

    /// Builds it with a running sshd that admits the client's user, as `lab@server`.
    ///
    /// # Errors
    /// When a prerequisite is missing or something does not start.
    pub fn with_sshd(options: LaptopOptions) -> Result<Self, LabError> {
        let mut laptop = Self::new(options)?;
        let sshd = Sshd::start(&laptop.lab, &laptop.server, 22)?;
        sshd.admit(&laptop.client, &["server", Self::SERVER, Self::SERVER_V6])?;
        laptop.sshd = Some(sshd);
        Ok(laptop)
    }
}

impl Uplink {
    fn new(
        lab: &mut Lab,
        client: &Namespace,
        core: &Namespace,
        provider: &Provider,
        ipv6: bool,
    ) -> Result<Self, LabError> {
        let Provider { role, interface, network, outside, prefix, metric } = *provider;
        let router = router(lab, role)?;
        let link = Link::new(
            (&router, "tun0", &[&format!("{outside}.1/30")]),
            (core, role, &[&format!("{outside}.2/30")]),
            u64::from(interface == "wwan0"),
        )?;
        lab.veth((client, interface), (&router, "lan"))?;
        add_address(&router, "lan", &format!("{network}.1/24"))?;
        router.ip(&["route", "add", "default", "via", &format!("{outside}.2")])?;
        router.sysctl("net/ipv4/conf/lan/rp_filter", "1")?;
        router.nft(
            "table ip nat {\n chain post {\n  type nat hook postrouting priority srcnat;\n  oifname tun0 masquerade\n }\n}\n",
        )?;
        let prefix = ipv6.then_some(prefix);
        let uplink = Self {
            link,
            interface,
            router,
            client: client.clone(),
            network,
            outside,
            address: 23,
            metric,
            prefix,
        };
        if let Some(prefix) = prefix {
            let router = &uplink.router;
            add_address(router, "lan", &format!("{prefix}::1/64"))?;
            add_address(router, "tun0", &format!("{prefix}:ffff::1/64"))?;
            add_address(core, role, &format!("{prefix}:ffff::2/64"))?;
            router.ip(&["route", "add", "default", "via", &format!("{prefix}:ffff::2")])?;
            core.ip(&["route", "add", &format!("{prefix}::/64"), "via", &format!("{prefix}:ffff::1")])?;
            router.nft(&format!(
                "table ip6 guard {{\n chain leaving {{\n  type filter hook forward priority 0;\n  \
                 iifname lan ip6 saddr != {prefix}::/64 drop\n }}\n}}\n"
            ))?;
        }
        uplink.configure()?;
        Ok(uplink)
    }

    /// Gives the client's interface its addresses and default routes.
    fn configure(&self) -> Result<(), LabError> {
        let Self { client, interface, network, metric, .. } = self;
        add_address(client, interface, &format!("{}/24", self.address()))?;
        let gateway = format!("{network}.1");
        client.ip(&["route", "replace", "default", "via", &gateway, "dev", interface, "metric", metric])?;
        if let Some(prefix) = self.prefix {
            add_address(client, interface, &format!("{prefix}::{}/64", self.address))?;
            let gateway = format!("{prefix}::1");
            client
                .ip(&["route", "replace", "default", "via", &gateway, "dev", interface, "metric", metric])?;
        }
        Ok(())
    }

    /// The network between the provider's router (host 1) and the core (host 2), without the last octet.
    #[must_use]
    pub fn outside(&self) -> &'static str {
        self.outside
    }

    /// The client's IPv4 address on this uplink.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}.{}", self.network, self.address)
    }

    /// The uplink falls silent, or is healed: no interface, route or router notices.
    pub fn silence(&self, silent: bool) {
        self.link.blackhole(silent);
    }

    /// `ip link set … down` on the client: the kernel takes the routes and IPv6 addresses with it.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn interface_down(&self) -> Result<(), LabError> {
        self.client.ip(&["link", "set", self.interface, "down"])
    }

    /// The interface comes up again and gets its addresses and routes back, as from DHCP.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn interface_up(&self) -> Result<(), LabError> {
        self.client.ip(&["addr", "flush", "dev", self.interface, "scope", "global"])?;
        self.client.ip(&["link", "set", self.interface, "up"])?;
        self.configure()
    }

    /// The cable is pulled (`false`) or plugged in: the interface loses its carrier and keeps its addresses.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn carrier(&self, present: bool) -> Result<(), LabError> {
        self.router.ip(&["link", "set", "lan", if present { "up" } else { "down" }])
    }

    /// The client gets another address on the same network: the old one vanishes, the new one comes with a default
    /// route, as after DHCP or on another access point.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn change_address(&mut self) -> Result<(), LabError> {
        self.client.ip(&["addr", "flush", "dev", self.interface, "scope", "global"])?;
        self.address += 1;
        self.configure()
    }

    /// Another network under the same interface name: the router moves to another private network and another
    /// outside port range, and the client gets an address there.
    ///
    /// # Errors
    /// When `ip` or `nft` refuses.
    pub fn change_network(&mut self, network: &'static str) -> Result<(), LabError> {
        self.client.ip(&["addr", "flush", "dev", self.interface, "scope", "global"])?;
        add_address(&self.router, "lan", &format!("{network}.1/24"))?;
        self.network = network;
        self.configure()
    }
}

/// A namespace that forwards.
fn router(lab: &mut Lab, role: &str) -> Result<Namespace, LabError> {
    require("nft", "nftables")?;
    let router = lab.namespace(role)?;
    router.sysctl("net/ipv4/ip_forward", "1")?;
    router.sysctl("net/ipv6/conf/all/forwarding", "1")?;
    Ok(router)
}

/// Adds an address of either family.
fn add_address(namespace: &Namespace, device: &str, address: &str) -> Result<(), LabError> {
    if address.contains(':') {
        namespace.ip(&["addr", "add", address, "dev", device, "nodad"])
    } else {
        namespace.ip(&["addr", "add", address, "dev", device])
    }
}
