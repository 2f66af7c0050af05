//! The dialects by name: the one table of them.

use super::{Codec, Traits, mosh, mp_mosh, multipath};
use core::fmt;
use core::str::FromStr;

/// A dialect, by name. What it can do stands in its [`Traits`]: programs ask those, and compare no names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DialectName {
    /// mpmosh's own: several paths at once, 256-bit key.
    #[default]
    Multipath,
    /// Stock mosh's: one roaming path, 128-bit key.
    Mosh,
    /// That of the paper's authors' own implementation: several paths, 128-bit key.
    MpMosh,
}

impl DialectName {
    /// Every dialect.
    pub const ALL: [Self; 3] = [Self::Multipath, Self::Mosh, Self::MpMosh];

    /// Its row: what it can do, and who writes its headers.
    pub(super) const fn row(self) -> (&'static Traits, &'static dyn Codec) {
        match self {
            Self::Multipath => (&multipath::TRAITS, &multipath::Multipath),
            Self::Mosh => (&mosh::TRAITS, &mosh::Mosh),
            Self::MpMosh => (&mp_mosh::TRAITS, &mp_mosh::MpMosh),
        }
    }

    /// What it can do.
    #[must_use]
    pub const fn traits(self) -> &'static Traits {
        self.row().0
    }

    /// The name used on command lines and in announcements.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.traits().name
    }

    /// How many characters its printed key has: base64 without padding.
    #[must_use]
    pub const fn key_length(self) -> usize {
        (self.traits().key_octets * 8).div_ceil(6)
    }
}

impl fmt::Display for DialectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is no dialect's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no dialect has this name")]
pub struct UnknownDialect;

impl FromStr for DialectName {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Self, UnknownDialect> {
        Self::ALL.into_iter().find(|name| name.as_str() == text).ok_or(UnknownDialect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn names_are_read_as_they_are_written() {
        for name in DialectName::ALL {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        assert_eq!("Multipath".parse::<DialectName>(), Err(UnknownDialect));
        // As announced: mosh(1) prints 22 characters; 256 bits take 43.
        assert_eq!(DialectName::ALL.map(DialectName::key_length), [43, 22, 22]);
    }
}
