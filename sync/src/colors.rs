//! The colours of the user's terminal, as the client tells them: five octets each, which colour (two: the number of the
//! operating system command that asks for it, and the index), red, green and blue.

use alloc::vec::Vec;
use terminal::{ColorName, Rgb};

/// The octets of one colour.
const LENGTH: usize = 5;
/// More than a terminal has are not taken.
pub(crate) const MOST: usize = 300 * LENGTH;
/// OSC 4.
const INDEXED: u8 = 4;

pub(crate) fn encode(colors: &[(ColorName, Rgb)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(colors.len() * LENGTH);
    for &(name, [red, green, blue]) in colors {
        let [kind, index] = match name {
            ColorName::Indexed(index) => [INDEXED, index],
            ColorName::Foreground => [10, 0],
            ColorName::Background => [11, 0],
            ColorName::Cursor => [12, 0],
        };
        out.extend_from_slice(&[kind, index, red, green, blue]);
    }
    out
}

/// The colours; those of a kind that nobody here knows, and what is no whole one, are passed over.
pub fn decode_colors(octets: &[u8]) -> impl Iterator<Item = (ColorName, Rgb)> {
    octets.as_chunks::<LENGTH>().0.iter().filter_map(|&[kind, index, red, green, blue]| {
        let name =
            if kind == INDEXED { Some(ColorName::Indexed(index)) } else { ColorName::of_command(kind) };
        Some((name?, [red, green, blue]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_as_they_were_written_and_unknown_kinds_passed_over() {
        let colors = [
            (ColorName::Indexed(7), [1, 2, 3]),
            (ColorName::Foreground, [4, 5, 6]),
            (ColorName::Background, [255, 250, 224]),
            (ColorName::Cursor, [0, 0, 0]),
        ];
        let mut octets = encode(&colors);
        assert_eq!(octets[..10], [4, 7, 1, 2, 3, 10, 0, 4, 5, 6]);
        octets.splice(5..5, [17, 0, 9, 9, 9]);
        octets.extend([11, 0, 1]);
        assert_eq!(decode_colors(&octets).collect::<Vec<_>>(), colors);
    }
}
