//! zlib (RFC 1950) around each instruction. Contract: one stream each way, reset for every instruction (a fresh one
//! costs more than compressing a keystroke does); what inflates beyond 4 MiB is refused, however small it arrives.

use crate::Discard;
use alloc::vec;
use alloc::vec::Vec;
use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush, Status};

/// The largest instruction, in octets, before compression: the limit of the original implementation.
pub(crate) const MAX_LEN: usize = 4 << 20;
/// zlib's default, which gives the stream header 78 9c.
const LEVEL: i32 = 6;
const WINDOW_BITS: u8 = 15;

/// A compressor and a decompressor, reused.
pub(crate) struct Codec {
    deflate: Deflate,
    inflate: Inflate,
}

impl Codec {
    pub(crate) fn new() -> Self {
        Self { deflate: Deflate::new(LEVEL, true, WINDOW_BITS), inflate: Inflate::new(true, WINDOW_BITS) }
    }

    /// `bytes` as a zlib stream; `None` when they are more than a peer would take.
    pub(crate) fn compress(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        if bytes.len() > MAX_LEN {
            return None;
        }
        self.deflate.reset();
        let mut out = vec![0; zlib_rs::compress_bound(bytes.len())];
        match self.deflate.compress(bytes, &mut out, DeflateFlush::Finish) {
            Ok(Status::StreamEnd) => {
                out.truncate(usize::try_from(self.deflate.total_out()).unwrap_or(0));
                Some(out)
            }
            _ => None,
        }
    }

    /// What `bytes` are, at most `most` octets.
    ///
    /// # Errors
    /// [`Discard::Inflate`] when the bytes are not one whole zlib stream, [`Discard::TooBig`] beyond `most`, 4 MiB at most.
    pub(crate) fn decompress(&mut self, bytes: &[u8], most: usize) -> Result<Vec<u8>, Discard> {
        let most = most.min(MAX_LEN);
        self.inflate.reset(true);
        let mut out = vec![0; bytes.len().saturating_mul(4).clamp(512, 1 << 16).min(most.max(1))];
        let mut filled = 0;
        let mut rest = bytes;
        loop {
            let (taken, given) = (self.inflate.total_in(), self.inflate.total_out());
            let room = out.get_mut(filled..).unwrap_or_default();
            let status = self.inflate.decompress(rest, room, InflateFlush::NoFlush);
            let taken = (self.inflate.total_in() - taken) as usize;
            let given = (self.inflate.total_out() - given) as usize;
            filled += given;
            rest = rest.get(taken..).unwrap_or_default();
            match status {
                Ok(Status::StreamEnd) => {
                    out.truncate(filled);
                    return Ok(out);
                }
                Ok(Status::Ok | Status::BufError) if filled == out.len() => {
                    if out.len() >= most {
                        return Err(Discard::TooBig);
                    }
                    out.resize(out.len().saturating_mul(2).min(most), 0);
                }
                Ok(Status::Ok) if taken + given > 0 => {}
                _ => return Err(Discard::Inflate),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn what_the_reference_library_wrote_is_read() {
        // python3: zlib.compress(b"the quick brown fox " * 20 + bytes(range(32)), level) at 6, 0 and 9.
        let plain = [b"the quick brown fox ".repeat(20), (0..32).collect()].concat();
        let mut codec = Codec::new();
        for vector in [LEVEL_6, LEVEL_0, LEVEL_9] {
            assert_eq!(codec.decompress(&hex(vector), MAX_LEN), Ok(plain.clone()));
        }
        assert_eq!(codec.decompress(&hex("789c030000000001"), MAX_LEN), Ok(Vec::new()), "an empty stream");
    }

    const LEVEL_6: &str = "789c2bc94855282ccd4cce56482aca2fcf5348cbaf502819151b303106462666165636760e4e2e6e1e5e3e7e01412161115131710949296919593979004e6b946d";
    const LEVEL_0: &str = "780101b0014ffe74686520717569636b2062726f776e20666f782074686520717569636b2062726f776e20666f782074686520717569636b2062726f776e20666f782074686520717569636b2062726f776e20666f782074686520717569636b2062726f776e20666f782074686520717569636b2062726f776e20666f782074686520717569636b2062726f776e20666f782074686520717569636b2062726f776e20666f782074686520717569636b2062726f776e20666f782074686520717569636b2062726f776e20666f782074686520717569636b2062726f776e20666f782074686520717569636b2062726f776e20666f782074686520717569636b2062726f776e20666f782074686520717569636b2062726f776e20666f782074686520717569636b2062726f776e20666f782074686520717569636b2062726f776e20666f782074686520717569636b2062726f776e20666f782074686520717569636b2062726f776e20666f782074686520717569636b2062726f776e20666f782074686520717569636b2062726f776e20666f7820000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f4e6b946d";
    const LEVEL_9: &str = "78da2bc94855282ccd4cce56482aca2fcf5348cbaf502819151b303106462666165636760e4e2e6e1e5e3e7e01412161115131710949296919593979004e6b946d";

    #[test]
    fn the_header_is_the_one_of_the_default_level() {
        let mut codec = Codec::new();
        for _ in 0..3 {
            assert_eq!(codec.compress(b"").unwrap(), hex("789c030000000001"));
        }
    }

    #[test]
    fn four_mebibytes_pass_and_one_octet_more_does_not() {
        let mut codec = Codec::new();
        let whole = codec.compress(&vec![0; MAX_LEN]).unwrap();
        assert_eq!(codec.decompress(&whole, MAX_LEN).map(|out| out.len()), Ok(MAX_LEN));
        assert_eq!(codec.compress(&vec![0; MAX_LEN + 1]), None);
        // python3: zlib.compress(bytes(2**22 + 1)) has the same shape; made here by a larger compressor.
        let mut deflate = Deflate::new(LEVEL, true, WINDOW_BITS);
        let mut bomb = vec![0; 1 << 16];
        let status = deflate.compress(&vec![0; MAX_LEN + 1], &mut bomb, DeflateFlush::Finish);
        assert_eq!(status, Ok(Status::StreamEnd));
        bomb.truncate(deflate.total_out() as usize);
        assert!(bomb.len() < 5000);
        assert_eq!(codec.decompress(&bomb, MAX_LEN), Err(Discard::TooBig));
        assert_eq!(
            codec.decompress(&whole, MAX_LEN).map(|out| out.len()),
            Ok(MAX_LEN),
            "usable after a refusal"
        );
    }

    #[test]
    fn whoever_takes_less_inflates_no_more() {
        let mut codec = Codec::new();
        let whole = codec.compress(&vec![0; 70_000]).unwrap();
        assert_eq!(codec.decompress(&whole, 70_000).map(|out| out.len()), Ok(70_000));
        assert_eq!(codec.decompress(&whole, 69_999), Err(Discard::TooBig));
        assert_eq!(codec.decompress(&whole, 10), Err(Discard::TooBig));
    }

    #[test]
    fn damage_is_refused_at_every_cut_and_every_octet() {
        let mut codec = Codec::new();
        let whole = codec.compress(b"some instruction, some more instruction").unwrap();
        for cut in 0..whole.len() {
            assert_eq!(codec.decompress(&whole[..cut], MAX_LEN), Err(Discard::Inflate), "cut at {cut}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            assert!(codec.decompress(&damaged, MAX_LEN).is_err(), "damaged at {at}");
        }
    }

    proptest! {
        #[test]
        fn everything_comes_back(bytes: Vec<u8>, repeat in 1usize..50) {
            let plain = bytes.repeat(repeat);
            let mut codec = Codec::new();
            let packed = codec.compress(&plain).unwrap();
            prop_assert_eq!(codec.decompress(&packed, MAX_LEN), Ok(plain));
        }

        #[test]
        fn any_bytes_at_all_inflate_or_do_not(bytes: Vec<u8>) {
            let _ = Codec::new().decompress(&bytes, MAX_LEN);
        }
    }
}
