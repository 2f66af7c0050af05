//! Random padding, which blurs the length of an instruction. Contract: the same seed gives the same chaff; the seed
//! needs to be unknown to others, but nothing depends on its quality.

use alloc::vec::Vec;

/// The longest chaff, in octets.
const MAX_LEN: u64 = 16;

/// A small generator (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Chaff(u64);

impl Chaff {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// 0 to 16 octets, every length equally likely.
    pub(crate) fn draw(&mut self) -> Vec<u8> {
        let len = (self.next() % (MAX_LEN + 1)) as usize;
        let mut octets = Vec::with_capacity(len);
        let words = [self.next().to_le_bytes(), self.next().to_le_bytes()];
        octets.extend(words.concat().into_iter().take(len));
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_up_to_sixteen_occurs() {
        let mut chaff = Chaff::new(7);
        let mut seen = [false; 17];
        for _ in 0..1000 {
            seen[chaff.draw().len()] = true;
        }
        assert_eq!(seen, [true; 17]);
    }
}
