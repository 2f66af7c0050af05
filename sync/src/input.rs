//! What the user did, as a state: every byte typed and every change of the window since the session began.
//!
//! Contract: the object only grows; each byte and each resize has a position that never changes; what the peer has
//! is forgotten from the front. A reader remembers the position up to which it has read.

use crate::colors::{MOST, encode};
use crate::messages::{MAX_DIMENSION, Step, put_step, reported_dimension, steps};
use crate::{Discard, Discards, State};
use alloc::collections::{BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use terminal::{ColorName, Rgb};

/// How far, in bytes, one state may be ahead of what the peer is known to have. A paste goes in steps of this many,
/// each a few datagrams: one that took hundreds would hardly ever arrive whole on a lossy path.
const STEP: u64 = 16 * 1024;

/// How many things one diff may bring, where keys that follow each other are one: a window that is dragged for an hour
/// changes its size less often.
const MOST_ITEMS: usize = 1 << 18;
/// What an item with octets costs in memory besides them.
const OVERHEAD: usize = 32;

/// Something that the user did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputEvent<'a> {
    /// Typed or pasted these bytes.
    Bytes(&'a [u8]),
    /// Gave the window this size.
    Resize {
        /// Its width in cells.
        columns: u16,
        /// Its height in cells.
        rows: u16,
    },
    /// Did nothing, but the terminal has these colours: to be read by [`decode_colors`](crate::decode_colors).
    Colors(&'a [u8]),
}

#[derive(Clone, Debug)]
enum Item {
    Bytes(Arc<[u8]>),
    Resize(u16, u16),
    Colors(Arc<[u8]>),
}

impl Item {
    /// How many positions it takes.
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Resize(..) | Self::Colors(_) => 1,
        }
    }

    /// The octets that it shares with other states.
    fn contents(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(octets) | Self::Colors(octets) => Some(octets),
            Self::Resize(..) => None,
        }
    }

    /// What is left of it after its first `skip` positions, at most `limit` long.
    fn part(&self, skip: u64, limit: u64) -> InputEvent<'_> {
        match self {
            Self::Bytes(bytes) => {
                let from = usize::try_from(skip).unwrap_or(usize::MAX);
                let rest = bytes.get(from..).unwrap_or_default();
                let len = usize::try_from(limit).unwrap_or(usize::MAX).min(rest.len());
                InputEvent::Bytes(rest.get(..len).unwrap_or_default())
            }
            &Self::Resize(columns, rows) => InputEvent::Resize { columns, rows },
            Self::Colors(octets) => InputEvent::Colors(octets),
        }
    }
}

/// Everything that the user did, less what both ends have.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// Items with the position at which each starts.
    items: VecDeque<(u64, Item)>,
    start: u64,
    end: u64,
}

impl Input {
    /// Nothing done yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The user typed or pasted `bytes`.
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.push(Item::Bytes(bytes.into()));
        }
    }

    /// The user's window has this size now. A size that no terminal can have is brought into bounds, for a peer may
    /// not survive it.
    pub fn push_resize(&mut self, columns: u16, rows: u16) {
        self.push(Item::Resize(columns.clamp(1, MAX_DIMENSION), rows.clamp(1, MAX_DIMENSION)));
    }

    /// The user's terminal has these colours (original peers are not to be told).
    pub fn push_colors(&mut self, colors: &[(ColorName, Rgb)]) {
        self.push_color_octets(&encode(colors));
    }

    fn push_color_octets(&mut self, octets: &[u8]) {
        self.push(Item::Colors(octets.iter().copied().take(MOST).collect()));
    }

    fn push(&mut self, item: Item) {
        let start = self.end;
        self.end += item.len();
        self.items.push_back((start, item));
    }

    /// The position after the last event: every byte and every resize counts one.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// How much is held, in bytes: what the peer is not known to have. A reader of a terminal should pause when this
    /// grows large.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        self.end - self.start
    }

    /// The events from `position` on.
    pub fn events_since(&self, position: u64) -> impl Iterator<Item = InputEvent<'_>> {
        self.events_between(position, self.end)
    }

    fn events_between(&self, from: u64, to: u64) -> impl Iterator<Item = InputEvent<'_>> {
        let first = self.items.partition_point(|(start, item)| start + item.len() <= from);
        self.items.range(first..).take_while(move |(start, _)| *start < to).map(move |(start, item)| {
            let skip = from.saturating_sub(*start);
            item.part(skip, (to - start).saturating_sub(skip))
        })
    }
}

impl State for Input {
    type Rules = ();

    fn diff_from(&self, base: &Self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut keys = Vec::new();
        for event in self.events_since(base.end) {
            let step = match event {
                InputEvent::Bytes(bytes) => {
                    keys.extend_from_slice(bytes);
                    continue;
                }
                InputEvent::Resize { columns, rows } => Step::Resize(columns.into(), rows.into()),
                InputEvent::Colors(octets) => Step::Colors(octets),
            };
            if !keys.is_empty() {
                put_step(&mut out, Step::Bytes(&keys));
                keys.clear();
            }
            put_step(&mut out, step);
        }
        if !keys.is_empty() {
            put_step(&mut out, Step::Bytes(&keys));
        }
        out
    }

    /// A size that no terminal can have is passed over and counted: the keys around it still count. Keys that follow each
    /// other are held together, in whatever pieces they come.
    fn apply(&mut self, diff: &[u8], (): &(), discards: &mut Discards) -> Result<(), Discard> {
        let mut keys = Vec::new();
        let before = self.items.len();
        for step in steps(diff) {
            let step = step?;
            if let Step::Bytes(bytes) = step {
                keys.extend_from_slice(bytes);
                continue;
            }
            self.push_bytes(&core::mem::take(&mut keys));
            match step {
                Step::Bytes(_) | Step::EchoAck(_) => {}
                Step::Resize(width, height) => {
                    match (reported_dimension(width), reported_dimension(height)) {
                        (Ok(columns), Ok(rows)) => self.push_resize(columns, rows),
                        _ => discards.count(Discard::Size),
                    }
                }
                Step::Colors(octets) => self.push_color_octets(octets),
            }
            if self.items.len() - before > MOST_ITEMS {
                return Err(Discard::TooBig);
            }
        }
        self.push_bytes(&keys);
        Ok(())
    }

    fn same(&self, other: &Self) -> bool {
        self.end == other.end
    }

    fn subtract(&mut self, prefix: &Self) {
        let upto = prefix.end.min(self.end);
        while self.items.front().is_some_and(|(start, item)| start + item.len() <= upto) {
            self.items.pop_front();
        }
        self.start = self.start.max(upto);
    }

    fn clipped_from(&self, base: &Self) -> Option<Self> {
        let end = base.end.saturating_add(STEP);
        if self.end <= end {
            return None;
        }
        let mut clipped = Self { items: VecDeque::new(), start: self.start, end: self.start };
        for event in self.events_between(self.start, end) {
            match event {
                InputEvent::Bytes(bytes) => clipped.push_bytes(bytes),
                InputEvent::Resize { columns, rows } => clipped.push_resize(columns, rows),
                InputEvent::Colors(octets) => clipped.push_color_octets(octets),
            }
        }
        Some(clipped)
    }

    fn held<'a>(states: impl Iterator<Item = &'a Self>) -> usize {
        let mut seen = BTreeSet::new();
        let mut octets = 0;
        for state in states {
            octets += size_of::<Self>() + state.items.capacity() * size_of::<(u64, Item)>();
            let contents = state.items.iter().filter_map(|(_, item)| item.contents());
            octets += contents
                .filter(|contents| seen.insert(contents.as_ptr()))
                .map(|contents| contents.len() + OVERHEAD)
                .sum::<usize>();
        }
        octets
    }

    fn held_beyond(&self, base: &Self) -> usize {
        let new = self.items.iter().rev().take_while(|(start, _)| *start >= base.end);
        let contents = new.filter_map(|(_, item)| item.contents());
        let contents: usize = contents.map(|contents| contents.len() + OVERHEAD).sum();
        size_of::<Self>() + self.items.capacity() * size_of::<(u64, Item)>() + contents
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(input: &Input, position: u64) -> Vec<u8> {
        let mut out = Vec::new();
        for event in input.events_since(position) {
            match event {
                InputEvent::Bytes(bytes) => out.extend_from_slice(bytes),
                InputEvent::Resize { columns, rows } => {
                    out.extend_from_slice(b"<");
                    out.extend_from_slice(&columns.to_be_bytes());
                    out.extend_from_slice(&rows.to_be_bytes());
                }
                InputEvent::Colors(octets) => out.extend_from_slice(octets),
            }
        }
        out
    }

    #[test]
    fn consecutive_keys_share_one_keystroke_and_a_resize_ends_the_run() {
        let mut input = Input::new();
        input.push_resize(80, 24);
        input.push_bytes(b"l");
        input.push_bytes(b"s");
        input.push_resize(81, 24);
        assert_eq!(
            input.diff_from(&Input::new()),
            b"\x0a\x06\x1a\x04\x28\x50\x30\x18\x0a\x06\x12\x04\x22\x02ls\x0a\x06\x1a\x04\x28\x51\x30\x18"
        );
    }

    #[test]
    fn a_window_without_size_is_never_sent() {
        let mut input = Input::new();
        input.push_resize(0, 0);
        input.push_resize(u16::MAX, u16::MAX);
        let events: Vec<_> = input.events_since(0).collect();
        assert_eq!(
            events,
            [
                InputEvent::Resize { columns: 1, rows: 1 },
                InputEvent::Resize { columns: MAX_DIMENSION, rows: MAX_DIMENSION }
            ]
        );
    }

    #[test]
    fn a_hostile_size_is_counted_and_the_keys_around_it_survive() {
        let mut diff = Vec::new();
        put_step(&mut diff, Step::Bytes(b"a"));
        for (width, height) in [(0, 0), (80, 0), (-5, 24), (24, i32::MIN)] {
            put_step(&mut diff, Step::Resize(width, height));
        }
        put_step(&mut diff, Step::Bytes(b"b"));
        let mut discards = Discards::default();
        let mut input = Input::new();
        input.apply(&diff, &(), &mut discards).unwrap();
        assert_eq!(all(&input, 0), b"ab");
        assert_eq!(discards.of(Discard::Size), 4);
    }

    #[test]
    fn colours_are_told_between_the_keys() {
        let mut input = Input::new();
        input.push_bytes(b"a");
        input.push_colors(&[(ColorName::Background, [255, 250, 224])]);
        input.push_bytes(b"b");
        let mut got = Input::new();
        got.apply(&input.diff_from(&Input::new()), &(), &mut Discards::default()).unwrap();
        let events: Vec<_> = got.events_since(0).collect();
        let told = InputEvent::Colors(&[11, 0, 255, 250, 224]);
        assert_eq!(events, [InputEvent::Bytes(b"a"), told, InputEvent::Bytes(b"b")]);
        assert_eq!((got.end(), input.end()), (3, 3));
    }

    /// A client may cut what was typed as it likes: half a million steps of a key each, in six kilobytes on the wire.
    #[test]
    fn keys_cost_what_they_are_in_however_many_pieces_they_come() {
        let diff = b"\x0a\x05\x12\x03\x22\x01x".repeat(585_714);
        let mut input = Input::new();
        input.apply(&diff, &(), &mut Discards::default()).unwrap();
        assert_eq!(input.end(), 585_714);
        let held = Input::held([&input].into_iter());
        assert!((585_714..600_000).contains(&held), "{held}");
        let mut pair = Vec::new();
        put_step(&mut pair, Step::Resize(80, 24));
        put_step(&mut pair, Step::Bytes(b"x"));
        let mut input = Input::new();
        assert_eq!(input.apply(&pair.repeat(140_000), &(), &mut Discards::default()), Err(Discard::TooBig));
        assert!(Input::held([&input].into_iter()) < 32 << 20);
    }

    #[test]
    fn what_states_share_is_held_once() {
        let mut input = Input::new();
        input.push_bytes(&alloc::vec![b'x'; 100_000]);
        let mut longer = input.clone();
        longer.push_bytes(&alloc::vec![b'y'; 50_000]);
        let held = Input::held([&input, &longer, &input.clone()].into_iter());
        assert!((150_000..151_000).contains(&held), "{held}");
        let beyond = longer.held_beyond(&input);
        assert!((50_000..51_000).contains(&beyond), "{beyond}");
    }

    /// Stock clients report any size that their terminal has.
    #[test]
    fn a_terminal_larger_than_a_screen_can_be_has_the_largest() {
        let mut diff = Vec::new();
        put_step(&mut diff, Step::Resize(1200, 3));
        put_step(&mut diff, Step::Resize(80, i32::MAX));
        let mut input = Input::new();
        input.apply(&diff, &(), &mut Discards::default()).unwrap();
        let events: Vec<_> = input.events_since(0).collect();
        let sizes = [(MAX_DIMENSION, 3), (80, MAX_DIMENSION)];
        assert_eq!(events, sizes.map(|(columns, rows)| InputEvent::Resize { columns, rows }));
    }

    #[test]
    fn what_both_ends_have_is_forgotten_and_positions_stay() {
        let mut input = Input::new();
        input.push_bytes(b"abc");
        let known = input.clone();
        input.push_bytes(b"def");
        input.subtract(&known);
        assert_eq!(input.backlog(), 3);
        assert_eq!(all(&input, 0), b"def");
        assert_eq!(all(&input, 4), b"ef");
        assert_eq!(input.end(), 6);
    }

    #[test]
    fn a_large_paste_goes_in_steps() {
        let mut input = Input::new();
        input.push_bytes(&alloc::vec![b'x'; 40_000]);
        let base = Input::new();
        let clipped = input.clipped_from(&base).unwrap();
        assert_eq!(clipped.end(), STEP);
        let mut rest = input.clone();
        rest.subtract(&clipped);
        let clipped = rest.clipped_from(&clipped).unwrap();
        assert_eq!(clipped.end(), 2 * STEP);
        assert!(input.clipped_from(&clipped).is_none());
    }

    proptest! {
        #[test]
        fn a_diff_applied_to_its_base_gives_the_state(
            pushes in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..20).prop_map(Ok),
                    (1..=MAX_DIMENSION, 1..=MAX_DIMENSION).prop_map(Err),
                ],
                0..20,
            ),
            cut: prop::sample::Index,
        ) {
            let push = |input: &mut Input, pushes: &[Result<Vec<u8>, (u16, u16)>]| {
                for push in pushes {
                    match push {
                        Ok(bytes) => input.push_bytes(bytes),
                        &Err((columns, rows)) => input.push_resize(columns, rows),
                    }
                }
            };
            let cut = cut.index(pushes.len() + 1);
            let mut base = Input::new();
            push(&mut base, &pushes[..cut]);
            let mut target = base.clone();
            push(&mut target, &pushes[cut..]);
            let mut got = base.clone();
            got.apply(&target.diff_from(&base), &(), &mut Discards::default()).unwrap();
            prop_assert_eq!(all(&got, 0), all(&target, 0));
            prop_assert_eq!(got.end(), target.end());
            prop_assert_eq!(target.diff_from(&base).is_empty(), target.same(&base));
        }
    }
}
