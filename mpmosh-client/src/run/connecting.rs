//! From a plan to a connection and the sockets under it.

use super::failure;
use crate::cli::plan::SessionPlan;
use crate::cli::words::Redundancy;
use crate::text::messages::Paragraph;
use net::{Connection, Dialect, Key, Side, Trust};
use platform::udp::{Endpoint, Families};

pub(super) fn port(plan: &SessionPlan) -> u16 {
    plan.remotes.first().map_or(0, std::net::SocketAddr::port)
}

/// A connection to the plan's server, and the sockets under it. `examines`: it is to be known at once how large datagrams may
/// be.
pub(crate) fn connection(
    plan: &SessionPlan,
    carriers: net::Carriers,
    examines: bool,
    now: net::Instant,
) -> Result<(Connection, Endpoint), Paragraph> {
    let settings = &plan.settings;
    let dialect = dialect(plan)?;
    let families = Families {
        v4: settings.family.allows(std::net::Ipv4Addr::UNSPECIFIED.into()),
        v6: settings.family.allows(std::net::Ipv6Addr::UNSPECIFIED.into()),
    };
    let endpoint = Endpoint::client(families).map_err(failure("No UDP socket could be opened."))?;
    let redundancy = match settings.redundancy {
        Redundancy::Off => net::Redundancy::Off,
        Redundancy::Auto => net::Redundancy::Auto,
        Redundancy::Always => net::Redundancy::Always,
    };
    let config = net::Config::new()
        .with_redundancy(redundancy)
        .with_carriers(carriers)
        .with_keepalive(settings.keepalive)
        .with_hears_routers(platform::udp::HEARS_ICMP)
        .with_searches_at_once(examines);
    let mut connection = Connection::client(dialect, &plan.remotes, config, now);
    let named: Vec<_> =
        settings.addresses.iter().map(|ip| std::net::SocketAddr::new(*ip, port(plan))).collect();
    connection.add_remotes(plan.remotes.get(1..).unwrap_or_default(), Trust::Authenticated);
    connection.add_remotes(&named, Trust::Authenticated);
    connection.add_remotes(&plan.hints, Trust::Hint);
    Ok((connection, endpoint))
}

fn dialect(plan: &SessionPlan) -> Result<Dialect, Paragraph> {
    let bad = |error: net::KeyError| {
        Paragraph::new(
            "The session's key is not usable.",
            format!("It is no key of the {} dialect: {error}.", plan.dialect),
            "Copy it whole from the line that the server printed.",
        )
    };
    let key = Key::parse(plan.key.expose()).map_err(bad)?;
    Dialect::new(plan.dialect, &key, Side::Client).map_err(bad)
}
