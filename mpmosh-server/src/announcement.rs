//! The line that a client waits for, and what may stand in its place: read by programs, over ssh or by hand.
//!
//! Contract: the only place where a session's key is ever printed. What is `MPMOSH` is a line of its own, whole.

use crate::registry::protocol::{List, Refusal};
use net::DialectName;
use std::io::{self, IsTerminal, Write};
use std::net::IpAddr;

/// A session that a client may join now.
pub struct Announcement<'a> {
    /// What it speaks.
    pub dialect: DialectName,
    /// Its UDP port.
    pub port: u16,
    /// Its key, in base64.
    pub key: &'a str,
    /// This host's addresses besides the one that ssh reached.
    pub addresses: &'a [IpAddr],
    /// Its id in the registry, where it is there.
    pub id: Option<&'a str>,
    /// Its name.
    pub name: Option<&'a str>,
    /// The session was there before.
    pub attached: bool,
}

impl Announcement<'_> {
    /// Prints it.
    ///
    /// # Errors
    /// Nobody reads it.
    pub fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if io::stdin().is_terminal() {
            out.write_all(b"\r\n\n")?;
        }
        let line = self.line();
        writeln!(out, "{}", line.as_str())?;
        out.flush()
    }

    fn line(&self) -> zeroize::Zeroizing<String> {
        let (port, key) = (self.port, self.key);
        let mut line = zeroize::Zeroizing::new(String::with_capacity(4096));
        if !self.dialect.traits().extended {
            line.push_str(&format!("MOSH CONNECT {port} "));
            line.push_str(key);
            return line;
        }
        line.push_str(&format!("MPMOSH CONNECT {}/1 {port} ", self.dialect));
        line.push_str(key);
        let addresses: Vec<_> = self.addresses.iter().map(IpAddr::to_string).collect();
        // A client counts words: where others follow, the addresses are one, though there are none.
        match (addresses.is_empty(), self.id) {
            (true, None) => {}
            (true, Some(_)) => line.push_str(" -"),
            (false, _) => line.push_str(&format!(" {}", addresses.join(","))),
        }
        if let Some(id) = self.id {
            line.push_str(&format!(" session={id}"));
            if let Some(name) = self.name {
                line.push_str(&format!(" name={name}"));
            }
            if self.attached {
                line.push_str(" attached");
            }
        }
        line
    }
}

/// Prints why there is no session for the client.
pub fn print_refusal(refusal: &Refusal) {
    let _ = writeln!(io::stdout(), "MPMOSH REFUSED {} {}", refusal.code.as_str(), refusal.sentence);
}

/// Prints the sessions among which to choose.
pub fn print_choice(list: &List) {
    let _ = writeln!(io::stdout(), "MPMOSH SESSIONS {}", serde_json::to_string(list).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_addresses_is_new_and_clients_that_know_nothing_of_it_read_the_line() {
        let plain = Announcement {
            dialect: DialectName::Multipath,
            port: 60001,
            key: "KEY",
            addresses: &[],
            id: None,
            name: None,
            attached: false,
        };
        assert_eq!(plain.line().as_str(), "MPMOSH CONNECT multipath/1 60001 KEY");
        let known = Announcement { id: Some("abc123"), ..plain };
        assert_eq!(known.line().as_str(), "MPMOSH CONNECT multipath/1 60001 KEY - session=abc123");
        let addresses = [[192, 0, 2, 1].into(), [192, 0, 2, 2].into()];
        let named = Announcement { addresses: &addresses, name: Some("work"), attached: true, ..known };
        assert_eq!(
            named.line().as_str(),
            "MPMOSH CONNECT multipath/1 60001 KEY 192.0.2.1,192.0.2.2 session=abc123 name=work attached"
        );
        let stock = Announcement { dialect: DialectName::Mosh, ..named };
        assert_eq!(stock.line().as_str(), "MOSH CONNECT 60001 KEY");
    }
}
