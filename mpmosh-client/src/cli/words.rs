//! The words that settings take: each enum has one word for each of its values, which the command line, the environment,
//! the file and messages share.

use core::net::{AddrParseError, IpAddr};
use core::str::FromStr;

use serde::Deserialize;

macro_rules! words {
    ($($(#[$about:meta])* pub enum $name:ident { $($(#[$of:meta])* $value:ident = $word:literal,)+ })+) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
        pub enum $name {
            $($(#[$of])* #[serde(rename = $word)] $value,)+
        }

        impl $name {
            /// The words, in the order of the manual.
            pub const WORDS: &[&str] = &[$($word),+];

            /// Its word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }

            /// The value whose word it is.
            ///
            /// # Errors
            /// A sentence with those that there are.
            pub fn of_word(word: &str) -> Result<Self, String> {
                match word {
                    $($word => Ok(Self::$value),)+
                    _ => Err(format!("it is one of {}", Self::WORDS.join(", "))),
                }
            }
        }
    )+};
}

words! {
    /// When typed keys are shown before the server has echoed them.
    pub enum PredictMode {
        /// On slow links.
        Adaptive = "adaptive",
        /// On every link.
        Always = "always",
        /// Not at all.
        Never = "never",
        /// More daring, as mosh's mode of that name.
        Experimental = "experimental",
    }

    /// Whether data travels on more than one path at once.
    pub enum Redundancy {
        /// One path at a time.
        Off = "off",
        /// When a path is in doubt.
        Auto = "auto",
        /// Always on the two best paths.
        Always = "always",
    }

    /// Whether a session may go through ssh.
    pub enum CarrierMode {
        /// Where UDP does not answer, until it does.
        Auto = "auto",
        /// Not at all.
        Never = "never",
        /// Beside UDP, too.
        Always = "always",
    }

    /// What may be done with a metered network.
    pub enum Metered {
        /// Only when nothing else works.
        Backup = "backup",
        /// Like any other.
        Allow = "allow",
        /// Nothing.
        Never = "never",
    }

    /// What a hang-up of the client's terminal does to the session.
    pub enum OnHangup {
        /// It goes on without a client.
        Detach = "detach",
        /// It ends.
        End = "end",
    }

    /// What programs may do with the clipboard of the client's terminal (OSC 52).
    pub enum Clipboard {
        /// Write it. Nobody is ever told what is on it.
        Write = "write",
        /// Nothing.
        Off = "off",
    }

    /// Which address families may be used.
    pub enum Family {
        /// IPv4 only.
        Inet = "inet",
        /// IPv6 only.
        Inet6 = "inet6",
        /// Both, in the order of the name service.
        Auto = "auto",
        /// Both.
        All = "all",
        /// IPv4 first.
        PreferInet = "prefer-inet",
        /// IPv6 first.
        PreferInet6 = "prefer-inet6",
    }

    /// Which dialect to ask the server for.
    pub enum Dialect {
        /// The best that the other side has.
        Auto = "auto",
        /// `multipath` or nothing.
        Multipath = "multipath",
        /// `mosh`.
        Mosh = "mosh",
        /// `mp-mosh`.
        MpMosh = "mp-mosh",
    }

    /// Where the server's address comes from (mosh's `--experimental-remote-ip`).
    pub enum RemoteIp {
        /// From the ssh connection itself.
        Proxy = "proxy",
        /// From the name, resolved here.
        Local = "local",
        /// From what the other side says of its ssh connection.
        Remote = "remote",
    }

    /// How much is logged: the names of the log crate's levels.
    pub enum LogLevel {
        /// Nothing.
        Off = "off",
        /// What ends something.
        Error = "error",
        /// What is likely to be noticed.
        Warn = "warn",
        /// What explains it.
        Info = "info",
        /// What explains that.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

/// Which of its addresses the server accepts (mosh's `--bind-server`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Bind {
    /// All.
    Any,
    /// The one that ssh reached.
    Ssh,
    /// This one.
    Address(IpAddr),
}

impl FromStr for Bind {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        match text {
            "any" => Ok(Self::Any),
            "ssh" => Ok(Self::Ssh),
            address => address.parse().map(Self::Address),
        }
    }
}

impl TryFrom<String> for Bind {
    type Error = AddrParseError;

    fn try_from(text: String) -> Result<Self, AddrParseError> {
        text.parse()
    }
}

impl Family {
    /// Whether an address of this family may be used at all.
    #[must_use]
    pub fn allows(self, ip: IpAddr) -> bool {
        match self {
            Self::Inet => ip.is_ipv4(),
            Self::Inet6 => ip.is_ipv6(),
            _ => true,
        }
    }
}

impl From<LogLevel> for log::LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::Off,
            LogLevel::Error => Self::Error,
            LogLevel::Warn => Self::Warn,
            LogLevel::Info => Self::Info,
            LogLevel::Debug => Self::Debug,
            LogLevel::Trace => Self::Trace,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_can_be_asked_for() {
        let names: Vec<&str> =
            core::iter::once("auto").chain(net::DialectName::ALL.map(|name| name.as_str())).collect();
        assert_eq!(Dialect::WORDS, names);
    }
}
