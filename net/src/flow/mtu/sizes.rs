//! The sizes of datagrams that are told apart, and their numbers on the wire. SPEC \[M-1], \[M-2].

/// The sizes that are told apart: those of common links (1500, 1492, 1480, 1420, 1400, 1280, 576 … octets of IP) less
/// the headers of IPv4 or of IPv6, and steps of 64 octets where nobody builds links. The first is the floor: mosh's
/// fallback, which passes where not even IPv6's least MTU does.
pub(super) const SIZES: [usize; 31] = [
    500, 548, 612, 676, 740, 804, 868, 932, 972, 1036, 1100, 1164, 1200, 1232, 1252, 1272, 1292, 1312, 1332,
    1352, 1372, 1384, 1392, 1404, 1412, 1424, 1432, 1444, 1452, 1464, 1472,
];

/// The number of a size, from 1; 0 is anything below the floor.
pub(crate) type Code = u8;

/// The least size.
pub(super) const FLOOR: Code = 1;
/// The largest.
pub(super) const LARGEST: Code = SIZES.len() as Code;

/// The code of a datagram of so many octets: the largest of the sizes that it has.
pub(crate) fn code_of(octets: usize) -> Code {
    SIZES.partition_point(|&size| size <= octets) as Code
}

/// The octets of a size.
pub(super) fn octets_of(code: Code) -> usize {
    SIZES[usize::from(code.clamp(FLOOR, LARGEST)) - 1]
}
