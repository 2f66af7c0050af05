//! Keys and authenticated encryption. One key, one nonce layout, one usage limit each.
//!
//! Contract: [`Aead`] turns a plaintext into a ciphertext and a 16-octet tag, and back, under a 12-octet nonce that
//! the caller never uses twice. Nothing here knows what the plaintext means. Keys are wiped when dropped and are
//! never printed, other than by [`Key::to_base64`], which exists for the announce line alone. SPEC \[K-1].

mod key;

pub use key::{Key, KeyError};

use crate::wire::Nonce;
use aes::Aes128;
use alloc::boxed::Box;
use alloc::vec::Vec;
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{AeadCore, AeadInOut, KeyInit, array::Array, consts::U12, consts::U16};
use ocb3::Ocb3;

/// Octets of the tag that follows every ciphertext.
pub(crate) const TAG: usize = 16;

/// An AEAD keyed for one association; no associated data.
pub(crate) trait Aead: Send {
    /// Encrypts `buffer[from..]` in place and appends the tag; `false` when the plaintext is beyond the cipher's
    /// own limit, and then the buffer is unusable. The nonce is spent.
    fn seal(&self, nonce: Nonce, buffer: &mut Vec<u8>, from: usize) -> bool;

    /// Decrypts `buffer` (ciphertext and tag) in place. The plaintext is its first octets, whose number is returned;
    /// `None` when it is not authentic.
    fn open(&self, nonce_word: u64, buffer: &mut [u8]) -> Option<usize>;
}

/// ChaCha20-Poly1305, 256-bit key (RFC 8439).
fn chacha20_poly1305(key: &[u8; 32]) -> Box<dyn Aead> {
    Box::new(ChaCha20Poly1305::new(&Array(*key)))
}

/// AES-128-OCB3, 128-bit key (RFC 7253).
fn aes128_ocb3(key: &[u8; 16]) -> Box<dyn Aead> {
    Box::new(Ocb3::<Aes128, U12>::new(&Array(*key)))
}

/// The 12-octet nonce: four zero octets, then the nonce word that travels in clear. SPEC \[W-2].
fn nonce_octets(word: u64) -> Array<u8, U12> {
    let mut octets = [0; 12];
    octets[4..].copy_from_slice(&word.to_be_bytes());
    Array(octets)
}

impl<C> Aead for C
where
    C: AeadInOut + AeadCore<NonceSize = U12, TagSize = U16> + Send,
{
    fn seal(&self, nonce: Nonce, buffer: &mut Vec<u8>, from: usize) -> bool {
        let Some(plaintext) = buffer.get_mut(from..) else { return false };
        let octets = nonce_octets(nonce.into_word());
        match self.encrypt_inout_detached(&octets, b"", plaintext.into()) {
            Ok(tag) => {
                buffer.extend_from_slice(&tag);
                true
            }
            Err(_) => false,
        }
    }

    fn open(&self, nonce_word: u64, buffer: &mut [u8]) -> Option<usize> {
        let length = buffer.len().checked_sub(TAG)?;
        let (ciphertext, tag) = buffer.split_at_mut_checked(length)?;
        let tag: [u8; TAG] = tag.try_into().ok()?;
        self.decrypt_inout_detached(&nonce_octets(nonce_word), b"", ciphertext.into(), &Array(tag)).ok()?;
        Some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text
            .bytes()
            .filter(u8::is_ascii_hexdigit)
            .map(|d| (d as char).to_digit(16).unwrap() as u8)
            .collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// RFC 8439 appendix A.5: its nonce begins with four zero octets, as all of ours do; with associated data, so
    /// it is checked on the cipher, and the trait is checked against the cipher.
    #[test]
    fn chacha20_poly1305_opens_the_vector_of_rfc_8439_a_5() {
        let key: [u8; 32] =
            hex("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0").try_into().unwrap();
        let mut text = hex(
            "64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e382d26b0bdb7b73c\
             321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c8559797a06ef4f0ef61\
             c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0\
             a06c523eaf4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a0bb2316053fa76991955ebd63159434e\
             cebb4e466dae5a1073a6727627097a1049e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29a6ad5cb4\
             022b02709b",
        );
        let tag: [u8; 16] = hex("eead9d67890cbb22392336fea1851f38").try_into().unwrap();
        let cipher = ChaCha20Poly1305::new(&Array(key));
        let nonce = nonce_octets(0x0102_0304_0506_0708);
        cipher
            .decrypt_inout_detached(
                &nonce,
                &hex("f33388860000000000004e91"),
                text.as_mut_slice().into(),
                &Array(tag),
            )
            .unwrap();
        assert!(text.starts_with(b"Internet-Drafts are draft documents valid for a maximum of six months"));
    }

    /// RFC 8439 §2.8.2 with our nonce layout is not possible (its nonce starts with 07), so the cipher itself.
    #[test]
    fn chacha20_poly1305_seals_the_vector_of_rfc_8439_2_8_2() {
        let key: [u8; 32] = core::array::from_fn(|i| 0x80 + i as u8);
        let nonce: [u8; 12] = hex("070000004041424344454647").try_into().unwrap();
        let mut text =
            b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
                         sunscreen would be it."
                .to_vec();
        let tag = ChaCha20Poly1305::new(&Array(key))
            .encrypt_inout_detached(
                &Array(nonce),
                &hex("50515253c0c1c2c3c4c5c6c7"),
                text.as_mut_slice().into(),
            )
            .unwrap();
        assert!(text.starts_with(&hex("d31a8d34648e60db7b86afbc53ef7ec2")));
        assert_eq!(tag.to_vec(), hex("1ae10b594f09e26a7e902ecbd0600691"));
    }

    /// RFC 7253 appendix A, the cases without associated data whose nonce fits.
    #[test]
    fn aes128_ocb3_seals_the_vectors_of_rfc_7253() {
        let key: [u8; 16] = core::array::from_fn(|i| i as u8);
        let cipher = Ocb3::<Aes128, U12>::new(&Array(key));
        for (nonce, plain, sealed) in [
            ("BBAA99887766554433221100", "", "785407BFFFC8AD9EDCC5520AC9111EE6"),
            (
                "BBAA99887766554433221103",
                "0001020304050607",
                "45DD69F8F5AAE72414054CD1F35D82760B2CD00D2F99BFA9",
            ),
            (
                "BBAA99887766554433221106",
                "000102030405060708090A0B0C0D0E0F",
                "5CE88EC2E0692706A915C00AEB8B2396F40E1C743F52436BDF06D8FA1ECA343D",
            ),
        ] {
            let nonce: [u8; 12] = hex(nonce).try_into().unwrap();
            let mut text = hex(plain);
            let tag = cipher.encrypt_inout_detached(&Array(nonce), b"", text.as_mut_slice().into()).unwrap();
            text.extend_from_slice(&tag);
            assert_eq!(text, hex(sealed));
        }
    }

    #[test]
    fn one_changed_octet_is_not_authentic() {
        use crate::wire::{FlowId, NonceSource};
        let aead = chacha20_poly1305(&[7; 32]);
        let mut source = NonceSource::new(FlowId::ZERO, crate::Side::Client);
        let word = 0;
        let mut sealed = vec![0xAA; 40];
        assert!(aead.seal(source.next().unwrap(), &mut sealed, 0));
        assert_eq!(sealed.len(), 56);
        for at in 0..sealed.len() {
            let mut copy = sealed.clone();
            copy[at] ^= 1;
            assert_eq!(aead.open(word, &mut copy), None);
        }
        assert_eq!(aead.open(word, &mut sealed), Some(40));
        assert_eq!(aead.open(word, &mut []), None);
    }
}
