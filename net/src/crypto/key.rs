//! The session key and its text.

use super::{Aead, aes128_ocb3, chacha20_poly1305};
use alloc::boxed::Box;
use alloc::string::String;
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use core::fmt;
use zeroize::{Zeroize, Zeroizing};

/// Standard base64 without padding, refusing unused bits that are not zero: one key has one text. SPEC \[K-2].
const TEXT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(false),
);

/// A session key: 256 bits (43 characters, the multipath dialect) or 128 bits (22 characters, mosh). Its length
/// says which dialect it is for. Wiped when dropped; never shown.
#[derive(Clone)]
pub struct Key(Octets);

#[derive(Clone)]
enum Octets {
    Long([u8; 32]),
    Short([u8; 16]),
}

/// Why a text or a value is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Neither 43 nor 22 characters (32 or 16 octets).
    #[error("a key has 43 characters (multipath) or 22 (mosh), not {0}")]
    Length(usize),
    /// A character outside the base64 alphabet, or unused bits that are not zero.
    #[error("not a key: a wrong character, or unused bits set in the last one")]
    Text,
    /// The key is of the other length than the dialect asks for.
    #[error("this key is for the other dialect")]
    Dialect,
}

impl Key {
    /// The key whose text this is.
    ///
    /// # Errors
    /// [`KeyError`] when the text is not exactly what [`Key::to_base64`] writes.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if !matches!(text.len(), 43 | 22) {
            return Err(KeyError::Length(text.len()));
        }
        // The decoder wants room for whole groups of four characters.
        let mut octets = Zeroizing::new([0; 36]);
        let length = TEXT.decode_slice(text, octets.as_mut_slice()).map_err(|_| KeyError::Text)?;
        Self::from_bytes(octets.get(..length).ok_or(KeyError::Text)?)
    }

    /// A key of 32 or 16 octets from a cryptographic random source.
    ///
    /// # Errors
    /// [`KeyError::Length`] for any other length.
    pub fn from_bytes(octets: &[u8]) -> Result<Self, KeyError> {
        if let Ok(long) = octets.try_into() {
            Ok(Self(Octets::Long(long)))
        } else if let Ok(short) = octets.try_into() {
            Ok(Self(Octets::Short(short)))
        } else {
            Err(KeyError::Length(octets.len()))
        }
    }

    /// The text for the announce line: 43 or 22 characters.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(match &self.0 {
            Octets::Long(octets) => TEXT.encode(octets),
            Octets::Short(octets) => TEXT.encode(octets),
        })
    }

    /// How many octets it has.
    pub(crate) fn octets(&self) -> usize {
        match &self.0 {
            Octets::Long(octets) => octets.len(),
            Octets::Short(octets) => octets.len(),
        }
    }

    /// The cipher for a key of this length.
    pub(crate) fn aead(&self) -> Box<dyn Aead> {
        match &self.0 {
            Octets::Long(octets) => chacha20_poly1305(octets),
            Octets::Short(octets) => aes128_ocb3(octets),
        }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        match &mut self.0 {
            Octets::Long(octets) => octets.zeroize(),
            Octets::Short(octets) => octets.zeroize(),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bits)", self.octets() * 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use proptest::prelude::*;

    #[test]
    fn the_printable_key_of_octets_0_to_15() {
        let key = Key::parse("AAECAwQFBgcICQoLDA0ODw").unwrap();
        assert!(
            matches!(key.0, Octets::Short(octets) if octets == core::array::from_fn::<u8, 16, _>(|i| i as u8))
        );
        assert_eq!(key.to_base64().as_str(), "AAECAwQFBgcICQoLDA0ODw");
        assert_eq!(format!("{key:?}"), "Key(128 bits)");
    }

    #[test]
    fn unused_bits_padding_and_other_lengths_are_refused() {
        assert_eq!(Key::parse("AAECAwQFBgcICQoLDA0ODx").unwrap_err(), KeyError::Text);
        assert_eq!(Key::parse("AAECAwQFBgcICQoLDA0O w").unwrap_err(), KeyError::Text);
        assert_eq!(Key::parse("AAECAwQFBgcICQoLDA0ODw==").unwrap_err(), KeyError::Length(24));
        assert_eq!(Key::parse("").unwrap_err(), KeyError::Length(0));
        assert_eq!(Key::from_bytes(&[0; 31]).unwrap_err(), KeyError::Length(31));
    }

    proptest! {
        #[test]
        fn a_key_survives_its_text(octets: [u8; 32]) {
            let text = Key::from_bytes(&octets).unwrap().to_base64();
            prop_assert_eq!(text.len(), 43);
            let key = Key::parse(&text).unwrap();
            prop_assert!(matches!(key.0, Octets::Long(read) if read == octets));
        }

        #[test]
        fn any_text_that_parses_is_the_text_of_its_key(text in "[A-Za-z0-9+/]{43}|[A-Za-z0-9+/]{22}") {
            if let Ok(key) = Key::parse(&text) {
                let again = key.to_base64();
                prop_assert_eq!(again.as_str(), text.as_str());
            }
        }
    }
}
