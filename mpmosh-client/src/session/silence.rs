//! What it means when paths bring nothing: evidence for each, and what to do.
//!
//! Contract: pure. ICMP can be forged by anybody on the path and dropped by everybody, so that it colours the words and
//! shortens a wait, and nothing more.

use crate::session::report::{FILTERED, PathReport, Role};
use crate::text::messages::Paragraph;
use core::fmt;
use std::net::IpAddr;

/// What a router or the host says of a datagram it does not deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// Nobody listens on the port.
    Port,
    /// A firewall forbids it.
    Prohibited,
    /// There is no way to the host.
    Unreachable,
    /// Something else.
    Other,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Port => "port refused",
            Self::Prohibited => "prohibited",
            Self::Unreachable => "host unreachable",
            Self::Other => "ICMP error",
        })
    }
}

/// The refusals of one path since it was last heard: how many, and the last one's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// How many.
    pub count: u32,
    /// What the last one said.
    pub last: Refusal,
}

/// A path with what the network said of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The path.
    pub path: PathReport,
    /// What the network said since the path was last heard.
    pub refusals: Option<Refusals>,
    /// How often this machine itself refused to send since then.
    pub refused_here: u32,
    /// Octets of UDP payload that the interface takes, where larger datagrams than `path.max_datagram` vanish on the way
    /// and nothing says so.
    pub swallowed: Option<usize>,
}

impl Row {
    /// This machine itself drops what arrives on it.
    fn is_filtered(&self) -> bool {
        self.path.reason == FILTERED && self.path.received == 0
    }
}

impl Row {
    /// It goes through ssh.
    #[must_use]
    pub fn is_carried(&self) -> bool {
        self.path.role == Role::Carrier
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PathReport { interface, local, remote, sent, received, srtt_ms, max_datagram, .. } = &self.path;
        match self.path.role {
            Role::Carrier => write!(f, "{interface}: {sent} sent, {received} received")?,
            _ => write!(f, "{interface} {local} → {remote}: {sent} sent, {received} received")?,
        }
        match self.refusals {
            _ if self.refused_here > 0 => write!(f, ", {} refused by this machine", self.refused_here)?,
            Some(Refusals { count, last }) => write!(f, ", {count} × {last} (ICMP)")?,
            None if self.is_filtered() => {
                write!(f, ", this machine drops its answers ({} is strict)", filter_setting(interface))?;
            }
            None if *received == 0 => f.write_str(", no ICMP error")?,
            None => {}
        }
        match srtt_ms {
            Some(time) if *received > 0 => {
                write!(f, ", {} ms, {max_datagram} octets pass", crate::session::report::milliseconds(*time))
            }
            _ => Ok(()),
        }
    }
}

/// What else is known of the session.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// The server's UDP port.
    pub port: u16,
    /// What lay between here and the host for ssh.
    pub through: Option<&'a str>,
    /// Whether the server is known to run: asked over ssh.
    pub runs: Option<bool>,
    /// The server is a stock one, which does not leave the login's scope by itself.
    pub stock: bool,
}

/// What keeps systemd from ending a server with the ssh login that started it, where `KillUserProcesses` is set. Lingering
/// keeps the user's manager, and is no protection for what is in the login's own scope: ours leaves that where there is a
/// manager, and a stock server has to be started outside of it.
#[must_use]
pub fn against_the_logins_end(stock: bool) -> &'static str {
    if stock {
        "systemd does, with the ssh login, where KillUserProcesses is set: --server=\"systemd-run --user --scope mosh-server\" \
         starts it out of its reach, and “loginctl enable-linger” on that host keeps it after the last logout, too."
    } else {
        "systemd does, with the ssh login, where KillUserProcesses is set and the user has no manager to move the server to: \
         “loginctl enable-linger” on that host starts one that stays."
    }
}

/// The paragraph for a session that never had an answer, with a row for each path.
#[must_use]
pub fn report(rows: &[Row], facts: Facts<'_>) -> Paragraph {
    let what = format!("Nothing was received from the server on UDP port {}.", facts.port);
    let tried: Vec<&Row> = rows.iter().filter(|row| row.path.sent > 0).collect();
    if tried.is_empty() {
        return Paragraph::new(
            what,
            "No address of this machine has a route to the server.",
            "Look at this machine's network (“ip route get” and the server's address), and at --never, -4 and -6 if they \
             were given.",
        );
    }
    let network: Vec<&Row> = tried.iter().copied().filter(|row| !row.is_carried()).collect();
    let (evidence, next) = meaning(&network, facts);
    Paragraph::new(what, evidence, next).with_rows(tried.iter().map(ToString::to_string))
}

fn meaning(tried: &[&Row], facts: Facts<'_>) -> (String, String) {
    let refused = |kind| tried.iter().any(|row| row.refusals.is_some_and(|refusals| refusals.last == kind));
    if let Some(row) = tried.iter().find(|row| row.is_filtered()) {
        return (
            format!(
                "This machine drops what arrives on {}: its reverse path filter is strict.",
                row.path.interface
            ),
            let_in(&row.path.interface),
        );
    }
    // What was never sent says nothing of the network.
    if tried.iter().all(|row| row.refused_here > 0 && row.path.received == 0) {
        return (
            "This machine itself refuses to send them: nothing has left it.".into(),
            format!(
                "A rule of its own firewall does that (as root: “nft list ruleset” or “iptables -S OUTPUT” shows it), or of a                  sandbox that this program runs in: let UDP out to port {} and above.",
                facts.port
            ),
        );
    }
    let private = tried.iter().map(|row| row.path.remote.ip()).find(|ip| is_private(*ip));
    if facts.runs == Some(false) {
        return (
            "The server is no longer running there, though it had announced itself.".into(),
            format!(
                "Something ended it. {} A limit on memory or processes does, too: its log may tell.",
                against_the_logins_end(facts.stock)
            ),
        );
    }
    if let (Some(gate), Some(ip)) = (facts.through, private)
        && !refused(Refusal::Port)
    {
        return (
            format!(
                "ssh reached the host through {gate}; datagrams go straight from here, and {ip} is a private address."
            ),
            format!(
                "{ip} means something only in the network behind {gate}. Use a VPN into it, or an address of the server \
                 that is reachable from here (--address=ADDR), or forward a UDP port to it and name that with \
                 --address and -p."
            ),
        );
    }
    if refused(Refusal::Port) {
        let evidence = match facts.runs {
            Some(true) => "The server is running there, yet its port is refused: a firewall rejects it.",
            _ => {
                "The host answers that nobody listens on the port: the server has ended, or a firewall rejects it."
            }
        };
        return (
            evidence.into(),
            format!(
                "See on that host whether {} runs. If it does, allow UDP ports 60001 to 60999 in its firewall, or choose an \
                 open one with -p. If it does not, something ended it. {}",
                if facts.stock { "mosh-server" } else { "mpmosh-server" },
                against_the_logins_end(facts.stock)
            ),
        );
    }
    if refused(Refusal::Prohibited) {
        return (
            "A firewall on the way says that it forbids these datagrams.".into(),
            "Have UDP ports 60001 to 60999 to the server allowed, or choose an open one with -p; another network may let \
             them pass."
                .into(),
        );
    }
    if refused(Refusal::Unreachable) {
        return (
            "A router on the way says that there is no way to the server.".into(),
            "Check the server's addresses; --address=ADDR names another one.".into(),
        );
    }
    let evidence = match facts.runs {
        Some(true) => "The server is running there; what is sent to it vanishes without a word.",
        _ => "What was sent vanished without a word.",
    };
    (
        evidence.into(),
        "That is what a firewall does: allow UDP ports 60001 to 60999 to the server, or choose an open one with -p."
            .into(),
    )
}

/// The name of the setting for an interface's reverse path filter, with slashes where the interface's own name has a dot
/// (sysctl(8)). What is in force is the stricter of it and the one for all.
pub(crate) fn filter_setting(interface: &str) -> String {
    let path = format!("net/ipv4/conf/{interface}/rp_filter");
    if interface.contains('.') { path } else { path.replace('/', ".") }
}

/// How a strict reverse path filter is loosened.
fn let_in(interface: &str) -> String {
    format!("As root: “sysctl -w {}=2” lets it in.", filter_setting(interface))
}

/// What is to be said of paths when some of them answer; one sentence each.
#[must_use]
pub fn remarks(rows: &[Row]) -> Vec<String> {
    let answered = |row: &&Row| row.path.received > 0;
    let mut remarks = Vec::new();
    let mut filtered: Vec<&str> = Vec::new();
    for row in rows.iter().filter(|row| row.is_filtered()) {
        let interface = row.path.interface.as_str();
        if !filtered.contains(&interface) {
            filtered.push(interface);
            remarks.push(format!(
                "This machine drops the answers on {interface}, so that a session does not use it. {}",
                let_in(interface)
            ));
        }
    }
    for (family, is) in [("IPv6", IpAddr::is_ipv6 as fn(&IpAddr) -> bool), ("IPv4", IpAddr::is_ipv4)] {
        let is_of = |row: &&Row| row.path.sent > 0 && !row.is_carried() && is(&row.path.remote.ip());
        let mut same = rows.iter().filter(is_of).peekable();
        if same.peek().is_some()
            && !same.any(|row| answered(&row))
            && rows.iter().any(|row| answered(&row) && !row.is_carried())
        {
            remarks.push(format!(
                "UDP over {family} does not work between here and the server; the other family does, so a session loses nothing \
                 but those paths."
            ));
        }
    }
    let mut refused: Vec<&str> = Vec::new();
    for row in rows.iter().filter(|row| row.refused_here > 0 && row.path.received == 0) {
        let interface = row.path.interface.as_str();
        if !refused.contains(&interface) {
            refused.push(interface);
            remarks.push(format!(
                "This machine itself refuses to send over {interface}: a rule of its own firewall, in all likelihood (as root: \
                 “nft list ruleset”)."
            ));
        }
    }
    remarks.extend(rows.iter().filter(answered).filter_map(narrow));
    remarks
}

/// What is to be said of a path that swallows large datagrams (RFC 2923 §2.1 calls it a black hole).
fn narrow(row: &Row) -> Option<String> {
    let PathReport { interface, remote, max_datagram, .. } = &row.path;
    let headers = if remote.is_ipv4() { 28 } else { 48 };
    let (takes, passes) = (row.swallowed? + headers, max_datagram + headers);
    Some(format!(
        "Packets of more than {passes} octets vanish between {interface} and {}, though {interface} takes {takes} (MTU) and \
         no router says why. A session keeps below that by itself; ssh and others may hang on that path until {interface} \
         has “mtu {passes}”, or the tunnel on the way is repaired.",
        remote.ip()
    ))
}

/// Whether an address has a meaning in its own network only (RFC 1918, RFC 6598, RFC 4193, link-local).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            ip.is_private() || ip.is_link_local() || (first == 100 && second & 0xc0 == 64)
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::session::report::{PathState, Role};

    pub(crate) fn row(remote: &str, received: u64, refusal: Option<Refusal>) -> Row {
        let remote: std::net::SocketAddr = remote.parse().unwrap_or_else(|e| panic!("{e}"));
        Row {
            path: PathReport {
                flow: 0,
                interface: "eth0".into(),
                local: [192, 0, 2, 2].into(),
                remote,
                role: Role::Primary,
                state: PathState::Untried,
                reason: String::new(),
                for_ms: 0,
                silent_ms: None,
                chosen: false,
                left: false,
                srtt_ms: (received > 0).then_some(40.0),
                rttvar_ms: None,
                loss_in: None,
                loss_out: None,
                sent: 9,
                received,
                capacity: None,
                in_flight: 0,
                heard_ms: None,
                sent_kinds: Default::default(),
                received_kinds: Default::default(),
                max_datagram: 1400,
            },
            refusals: refusal.map(|last| Refusals { count: 9, last }),
            refused_here: 0,
            swallowed: None,
        }
    }

    fn told(rows: &[Row], facts: Facts<'_>) -> String {
        report(rows, facts).to_string().replace('\n', " ")
    }

    #[test]
    fn each_pattern_has_its_meaning() {
        let nothing = Facts { port: 60001, ..Facts::default() };
        let silent = row("198.51.100.1:60001", 0, None);
        assert!(told(&[], nothing).contains("route"));
        let text = told(std::slice::from_ref(&silent), nothing);
        assert!(
            text.contains("firewall does: allow") && text.contains("9 sent, 0 received, no ICMP error"),
            "{text}"
        );
        let refused = row("198.51.100.1:60001", 0, Some(Refusal::Port));
        let text = told(&[refused.clone(), silent.clone()], nothing);
        assert!(text.contains("nobody listens") && text.contains("9 × port refused"), "{text}");
        let text = told(&[row("198.51.100.1:60001", 0, Some(Refusal::Prohibited))], nothing);
        assert!(text.contains("A firewall on the way"), "{text}");
        let text = told(&[row("198.51.100.1:60001", 0, Some(Refusal::Unreachable))], nothing);
        assert!(text.contains("no way to the server"), "{text}");
        let behind = Facts { through: Some("gate"), ..nothing };
        let text = told(&[row("10.0.0.1:60001", 0, None)], behind);
        assert!(text.contains("private address") && text.contains("gate"), "{text}");
        assert!(!told(std::slice::from_ref(&silent), behind).contains("private"));
        let killed = Facts { runs: Some(false), ..nothing };
        assert!(told(&[silent], killed).contains("enable-linger"));
        let runs = Facts { runs: Some(true), ..nothing };
        assert!(told(std::slice::from_ref(&refused), runs).contains("a firewall rejects it"));
        // Lingering alone saves no stock server: it is started outside of the login's scope.
        let stock = told(&[refused], Facts { stock: true, ..nothing });
        assert!(stock.contains("--server=\"systemd-run --user --scope mosh-server\""), "{stock}");
        assert!(stock.contains("whether mosh-server runs"), "{stock}");
    }

    #[test]
    fn an_interface_whose_answers_are_dropped_here_is_named_with_what_helps() {
        let mut dropped = row("198.51.100.1:60001", 0, None);
        dropped.path.reason = FILTERED.into();
        assert!(dropped.to_string().ends_with("drops its answers (net.ipv4.conf.eth0.rp_filter is strict)"));
        let text = told(std::slice::from_ref(&dropped), Facts { port: 60001, ..Facts::default() });
        assert!(text.contains("reverse path filter is strict") && text.contains("rp_filter=2"), "{text}");
        let remarks = remarks(&[dropped.clone(), dropped, row("198.51.100.1:60001", 9, None)]);
        assert_eq!(remarks.len(), 1);
        assert!(
            remarks[0].contains("answers on eth0") && remarks[0].contains("eth0.rp_filter=2"),
            "{remarks:?}"
        );
    }

    #[test]
    fn what_this_machine_refuses_is_not_blamed_on_the_network() {
        let here = |address: &str| Row { refused_here: 80, ..row(address, 0, None) };
        let facts = Facts { port: 60001, runs: Some(true), ..Facts::default() };
        let text = told(&[here("198.51.100.1:60001"), here("[2001:db8::1]:60001")], facts);
        assert!(
            text.contains("This machine itself refuses") && text.contains("80 refused by this machine"),
            "{text}"
        );
        assert!(!text.contains("vanish") && !text.contains("no ICMP"), "{text}");
        let text = told(&[here("198.51.100.1:60001"), row("[2001:db8::1]:60001", 0, None)], facts);
        assert!(text.contains("vanish") && text.contains("80 refused by this machine"), "{text}");
        let one = remarks(&[here("198.51.100.1:60001"), row("[2001:db8::1]:60001", 9, None)]);
        assert!(one.iter().any(|text| text.contains("refuses to send over eth0")), "{one:?}");
    }

    #[test]
    fn a_vlans_setting_is_named_as_sysctl_takes_it() {
        assert_eq!(filter_setting("eth0"), "net.ipv4.conf.eth0.rp_filter");
        assert_eq!(filter_setting("eth0.100"), "net/ipv4/conf/eth0.100/rp_filter");
        let mut dropped = row("198.51.100.1:60001", 0, None);
        (dropped.path.reason, dropped.path.interface) = (FILTERED.into(), "eth0.100".into());
        assert!(dropped.to_string().contains("(net/ipv4/conf/eth0.100/rp_filter is strict)"), "{dropped}");
        assert!(remarks(&[dropped])[0].contains("“sysctl -w net/ipv4/conf/eth0.100/rp_filter=2”"));
    }

    #[test]
    fn a_path_that_swallows_large_datagrams_is_remarked_upon() {
        let mut rows = [row("198.51.100.1:60001", 9, None), row("[2001:db8::1]:60001", 9, None)];
        assert!(remarks(&rows).is_empty());
        for row in &mut rows {
            (row.path.max_datagram, row.swallowed) = (972, Some(1472));
        }
        let told = remarks(&rows);
        assert!(
            told[0].contains("more than 1000 octets") && told[0].contains("takes 1500 (MTU)"),
            "{told:?}"
        );
        assert!(told[1].contains("more than 1020 octets") && told[1].contains("“mtu 1020”"), "{told:?}");
        rows[0].path.received = 0;
        assert_eq!(remarks(&rows).iter().filter(|text| text.contains("vanish")).count(), 1);
    }

    #[test]
    fn a_family_that_fails_is_remarked_upon() {
        let v4 = row("198.51.100.1:60001", 9, None);
        let v6 = row("[2001:db8::1]:60001", 0, None);
        assert!(remarks(&[v4.clone(), v6.clone()])[0].contains("IPv6 does not work"));
        assert!(remarks(std::slice::from_ref(&v4)).is_empty() && remarks(&[v6]).is_empty());
    }
}
