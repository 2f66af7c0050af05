//! A second server where the first one, a stock one, is not heard.
//!
//! Contract: a stock server listens in the one family of addresses that ssh came by, and a network may let that family's ssh
//! pass and not its datagrams. Where the host has an address of the other family too, a [`Second`] keeps the login until it
//! is dropped, ends the first server and starts another one there. It is of use once.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use super::dialogue::Dialogue;
use super::remote::Remote;
use super::{Announced, Error, Request};
use crate::cli::words::Bind;

/// Ends a server by its process. It may be gone already.
const END: &str = r#"kill "$1" 2>/dev/null"#;

/// The way to a server in the other family of addresses.
pub struct Second {
    host: Box<dyn Remote>,
    request: Request,
    /// Where the first server is.
    first: IpAddr,
    /// Where the second one is to be.
    other: IpAddr,
}

impl fmt::Debug for Second {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Second")
            .field("first", &self.first)
            .field("other", &self.other)
            .finish_non_exhaustive()
    }
}

impl Second {
    /// A second server at `other`.
    pub(super) fn new(host: Box<dyn Remote>, request: Request, first: &Announced, other: IpAddr) -> Self {
        Self { host, request, first: first.reached.ip(), other }
    }

    /// Ends the first server and starts one in the other family.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn start(mut self, dialogue: &mut dyn Dialogue) -> Result<Announced, Error> {
        dialogue.tell(&format!(
            "mpmosh: nothing came from {}; starting a second server, for {}",
            self.first, self.other
        ));
        let announced = start(&mut *self.host, &self.request, self.other, dialogue);
        dialogue.stage(None);
        announced
    }
}

/// An address of the other family, where a stock server can be had besides.
pub(super) fn other_family(request: &Request, first: &Announced) -> Option<IpAddr> {
    let stock = !first.dialect.traits().extended;
    let chosen = matches!(request.server.bind, Some(Bind::Address(_)));
    let reached = first.reached.ip();
    let other = |ip: &&IpAddr| ip.is_ipv4() != reached.is_ipv4() && request.family.allows(**ip);
    first.hints.iter().find(other).copied().filter(|_| stock && !chosen)
}

/// Ends the server that was started last.
pub(super) fn end_started(host: &mut dyn Remote) -> Result<(), Error> {
    if let Some(process) = host.started() {
        host.ask(END, &[process.to_string()], &[])?;
    }
    Ok(())
}

/// Ends the server that was started before, and starts one at `address`.
pub(super) fn start(
    host: &mut dyn Remote,
    request: &Request,
    address: IpAddr,
    dialogue: &mut dyn Dialogue,
) -> Result<Announced, Error> {
    end_started(host)?;
    let mut request = request.clone();
    request.server.bind = Some(Bind::Address(address));
    let announced = host.start(&request, dialogue)?;
    let reached = SocketAddr::new(address, announced.port);
    Ok(Announced { reached, ..announced })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::ServerRequest;
    use crate::cli::plan::KeyText;
    use crate::cli::words::Family;
    use net::DialectName;
    use zeroize::Zeroizing;

    #[test]
    fn only_a_stock_server_of_a_host_with_both_families_has_another_way() {
        let (four, six): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into());
        let announced = |dialect, hints: &[IpAddr]| Announced {
            dialect,
            port: 60001,
            key: KeyText::new(Zeroizing::new(String::new())),
            addresses: Vec::new(),
            reached: SocketAddr::new(six, 60001),
            hints: hints.to_vec(),
            through: None,
            name: None,
            process: Default::default(),
            session: None,
        };
        let request = |family, bind| Request {
            family,
            server: ServerRequest { bind, ..ServerRequest::default() },
            ..Request::to(crate::cli::args::Target::Local)
        };
        let usual = || request(Family::Auto, None);
        let both = announced(DialectName::Mosh, &[six, four]);
        assert_eq!(other_family(&usual(), &both), Some(four));
        assert_eq!(other_family(&usual(), &announced(DialectName::Mosh, &[six])), None);
        assert_eq!(other_family(&usual(), &announced(DialectName::Multipath, &[six, four])), None);
        assert_eq!(other_family(&request(Family::Inet6, None), &both), None);
        assert_eq!(other_family(&request(Family::Auto, Some(Bind::Address(six))), &both), None);
    }
}
