//! Frames: length u16 (of what follows), kind u8, and what the kind says. SPEC \[C-1], \[C-2].

use super::LONGEST;
use alloc::vec::Vec;

/// Octets before what a frame carries.
const HEADER: usize = 3;
const DATAGRAM: u8 = 0;
const CREDIT: u8 = 1;

/// Why the far end cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Babble {
    /// No frame has this length.
    #[error("a frame of {0} octets was announced, where 1 to {most} are possible", most = LONGEST + 1)]
    Length(u16),
    /// A credit too short to tell a number.
    #[error("a credit is cut short")]
    ShortCredit,
    /// A credit for octets that were never sent.
    #[error("octets were credited that had not been sent")]
    Credit,
    /// The stream ended within a frame.
    #[error("the stream ended within a frame")]
    CutShort,
}

/// What a frame says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Datagram(Vec<u8>),
    /// So many octets were taken out of the stream since it began, modulo 2^32.
    Credit(u32),
    Unknown,
}

/// The length of the frame of a datagram.
pub(super) fn length(datagram: usize) -> u64 {
    (HEADER + datagram) as u64
}

pub(super) fn put_datagram(out: &mut Vec<u8>, datagram: &[u8]) {
    put(out, DATAGRAM, datagram);
}

pub(super) fn put_credit(out: &mut Vec<u8>, count: u32) {
    put(out, CREDIT, &count.to_be_bytes());
}

fn put(out: &mut Vec<u8>, kind: u8, content: &[u8]) {
    // What is sent is never longer than LONGEST.
    out.extend_from_slice(&((content.len() + 1) as u16).to_be_bytes());
    out.push(kind);
    out.extend_from_slice(content);
}

/// The stream that comes in, cut into frames.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The beginning of a frame.
    partial: Vec<u8>,
}

impl Frames {
    /// The next frame and its octets, with the header; none when `octets` are used up.
    pub(super) fn next(&mut self, octets: &mut &[u8]) -> Result<Option<(Frame, u64)>, Babble> {
        loop {
            let wanted = self.wanted()?;
            if self.partial.len() == wanted && wanted >= HEADER {
                let frame = parse(&self.partial);
                self.partial.clear();
                return frame.map(|frame| Some((frame, wanted as u64)));
            }
            let missing = (wanted - self.partial.len()).min(octets.len());
            if missing == 0 {
                return Ok(None);
            }
            let (these, rest) = octets.split_at(missing);
            self.partial.extend_from_slice(these);
            *octets = rest;
        }
    }

    /// How many octets the frame has, as far as is known: two until its length is.
    fn wanted(&self) -> Result<usize, Babble> {
        let Some(length) = self.partial.first_chunk().map(|octets| u16::from_be_bytes(*octets)) else {
            return Ok(2);
        };
        match usize::from(length) {
            known if (1..=LONGEST + 1).contains(&known) => Ok(2 + known),
            _ => Err(Babble::Length(length)),
        }
    }

    /// Whether no frame has begun.
    pub(super) fn is_between(&self) -> bool {
        self.partial.is_empty()
    }
}

fn parse(octets: &[u8]) -> Result<Frame, Babble> {
    let Some((&[_, _, kind], content)) = octets.split_first_chunk::<HEADER>() else {
        return Ok(Frame::Unknown);
    };
    match kind {
        DATAGRAM => Ok(Frame::Datagram(content.to_vec())),
        // What a later release may add behind the number is its own.
        CREDIT => {
            let count = content.first_chunk().ok_or(Babble::ShortCredit)?;
            Ok(Frame::Credit(u32::from_be_bytes(*count)))
        }
        _ => Ok(Frame::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(octets: &[u8], cut: usize) -> (Vec<Frame>, Option<Babble>) {
        let (mut frames, mut found) = (Frames::default(), Vec::new());
        for mut part in octets.chunks(cut) {
            loop {
                match frames.next(&mut part) {
                    Ok(Some((frame, _))) => found.push(frame),
                    Ok(None) => break,
                    Err(babble) => return (found, Some(babble)),
                }
            }
            assert!(part.is_empty());
        }
        (found, (!frames.is_between()).then_some(Babble::CutShort))
    }

    #[test]
    fn a_frame_is_length_kind_and_content() {
        let mut out = Vec::new();
        put_datagram(&mut out, &[7, 8, 9]);
        put_credit(&mut out, 0x0102_0304);
        assert_eq!(out, [0, 4, 0, 7, 8, 9, 0, 5, 1, 1, 2, 3, 4]);
    }

    #[test]
    fn what_a_later_release_adds_is_passed_over() {
        let octets = [0, 3, 9, 1, 2, 0, 7, 1, 0, 0, 0, 5, 6, 7, 0, 1, 9, 0, 1, 0];
        let expected = [Frame::Unknown, Frame::Credit(5), Frame::Unknown, Frame::Datagram(Vec::new())];
        for cut in 1..octets.len() {
            assert_eq!(read(&octets, cut).0, expected);
        }
    }

    #[test]
    fn what_is_no_frame_ends_it_with_the_reason() {
        for (octets, babble) in [
            (&b"Welcome to host\n"[..], Babble::Length(u16::from_be_bytes(*b"We"))),
            (&[0, 0, 0], Babble::Length(0)),
            (&[8, 2, 0], Babble::Length(2050)),
            (&[0, 4, 1, 0, 0, 0], Babble::ShortCredit),
            (&[0, 4, 0, 0], Babble::CutShort),
            (&[0], Babble::CutShort),
        ] {
            for cut in 1..=octets.len() {
                assert_eq!(read(octets, cut), (Vec::new(), Some(babble)), "{octets:?} in pieces of {cut}");
            }
        }
    }

    proptest! {
        #[test]
        fn frames_survive_any_cut(
            datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..=LONGEST), 0..6),
            cut in 1..5000_usize,
        ) {
            let mut out = Vec::new();
            for datagram in &datagrams {
                put_datagram(&mut out, datagram);
            }
            let (found, babble) = read(&out, cut);
            prop_assert_eq!(babble, None);
            prop_assert_eq!(found, datagrams.into_iter().map(Frame::Datagram).collect::<Vec<_>>());
        }

        #[test]
        fn nothing_read_does_harm(octets in prop::collection::vec(any::<u8>(), 0..6000), cut in 1..700_usize) {
            let _ = read(&octets, cut);
        }
    }
}
