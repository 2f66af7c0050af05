//! How much memory screens take together. Screens share rows, rows share looks and links, and what is shared is there once.

use crate::attributes::Extra;
use crate::row::Row;
use crate::screen::Screen;
use alloc::collections::BTreeSet;
use alloc::rc::Rc;
use alloc::sync::Arc;

/// What an allocation costs besides its octets: two counters of what is shared, and as much for the allocator.
const OVERHEAD: usize = 32;
/// What an entry of a map costs, nodes that are not full included.
const ENTRY: usize = 24;

/// Counts the octets that screens take in memory, of what is shared once.
#[derive(Debug, Default)]
pub struct Census {
    seen: BTreeSet<usize>,
    octets: usize,
}

impl Census {
    /// Nothing counted yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The octets of all that was counted.
    #[must_use]
    pub const fn octets(&self) -> usize {
        self.octets
    }

    /// The rows of this screen are known and cost nothing.
    fn know(&mut self, screen: &Screen) {
        self.seen.extend(screen.rows.iter().map(|row| at(&**row)));
    }

    /// Counts what this screen has and none before had.
    pub fn count(&mut self, screen: &Screen) {
        self.octets += size_of::<Screen>() + screen.rows.capacity() * size_of::<Rc<Row>>();
        for row in &screen.rows {
            if self.is_new(&**row) {
                self.count_row(row);
            }
        }
        for text in [&screen.title, &screen.icon_name, &screen.clipboard.content, &screen.clipboard.selection]
        {
            if self.is_new(&**text) {
                self.octets += text.len() + OVERHEAD;
            }
        }
        if self.is_new(&*screen.colors) {
            self.octets += screen.colors.len() * ENTRY + OVERHEAD;
        }
        if let Some(extra) = &screen.pen.extra {
            self.count_extra(extra);
        }
    }

    /// About how many octets `screen` takes that `base` does not, rather more: cheaper to know than by counting both.
    #[must_use]
    pub fn beyond(screen: &Screen, base: &Screen) -> usize {
        let mut census = Self::new();
        let others = base.rows.iter().map(Some).chain(core::iter::repeat(None));
        let own = screen.rows.iter().zip(others);
        let differ = own.filter(|(row, other)| other.is_none_or(|other| !Rc::ptr_eq(row, other)));
        let differ: alloc::vec::Vec<_> = differ.map(|(row, _)| row).collect();
        // Lines that move are the same rows in other places.
        if differ.len() > 2 {
            census.know(base);
        }
        for row in differ {
            if census.is_new(&**row) {
                census.count_row(row);
            }
        }
        let mut octets = census.octets + size_of::<Screen>() + screen.rows.capacity() * size_of::<Rc<Row>>();
        for (text, other) in texts(screen).into_iter().zip(texts(base)) {
            if !Arc::ptr_eq(text, other) {
                octets += text.len() + OVERHEAD;
            }
        }
        if !Arc::ptr_eq(&screen.colors, &base.colors) {
            octets += screen.colors.len() * ENTRY + OVERHEAD;
        }
        octets
    }

    fn count_row(&mut self, row: &Row) {
        self.octets += row.octets() + OVERHEAD;
        let mut last = None;
        for extra in row.sharing().iter().filter_map(|cell| cell.extra.as_ref()) {
            // Neighbours mostly share theirs.
            if last.replace(at(&**extra)) != Some(at(&**extra)) {
                self.count_extra(extra);
            }
        }
    }

    fn count_extra(&mut self, extra: &Arc<Extra>) {
        if !self.is_new(&**extra) {
            return;
        }
        self.octets += size_of::<Extra>() + extra.marks.capacity() + OVERHEAD;
        if let Some(link) = &extra.link
            && self.is_new(&**link)
        {
            self.octets += size_of_val(&**link) + link.id.capacity() + link.uri.capacity() + 2 * OVERHEAD;
        }
    }

    fn is_new<T: ?Sized>(&mut self, shared: *const T) -> bool {
        self.seen.insert(at(shared))
    }
}

fn texts(screen: &Screen) -> [&Arc<str>; 4] {
    [&screen.title, &screen.icon_name, &screen.clipboard.content, &screen.clipboard.selection]
}

fn at<T: ?Sized>(shared: *const T) -> usize {
    shared.cast::<()>().addr()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Cell;
    use crate::{Emulator, Size};
    use std::format;

    const SIZE: Size = Size { columns: 80, rows: 24 };
    const CELLS: usize = 80 * 24 * size_of::<Cell>();

    fn octets(screens: &[Screen]) -> usize {
        let mut census = Census::new();
        screens.iter().for_each(|screen| census.count(screen));
        census.octets()
    }

    #[test]
    fn what_is_shared_counts_once_and_what_differs_each_time() {
        let mut emulator = Emulator::new(SIZE);
        assert!(octets(&[emulator.screen().clone()]) < CELLS / 10, "a blank screen is one row");
        emulator.feed(&b"x".repeat(80 * 24));
        let one = emulator.screen().clone();
        let alone = octets(core::slice::from_ref(&one));
        assert!((CELLS..CELLS + CELLS / 4).contains(&alone), "{alone}");
        let copies = octets(&[one.clone(), one.clone(), one.clone()]);
        assert!(copies < alone + 2 * (size_of::<Screen>() + 24 * 8 + 100), "{copies}");
        emulator.feed(b"\x1b[Hy");
        let both = octets(&[one.clone(), emulator.screen().clone()]);
        assert!((alone + CELLS / 24..alone + CELLS / 8).contains(&both), "{both}: one row differs");
        assert!((CELLS / 24..CELLS / 8).contains(&Census::beyond(emulator.screen(), &one)));
        emulator.feed(b"\x1b[24H\n\n\n\n");
        let scrolled = Census::beyond(emulator.screen(), &one);
        assert!((CELLS / 24..CELLS / 4).contains(&scrolled), "{scrolled}: blank rows, and no other");
    }

    #[test]
    fn links_marks_titles_clipboards_and_palettes_are_counted() {
        let mut emulator = Emulator::new(SIZE);
        emulator.feed(&b"x".repeat(80 * 24));
        let mut before = octets(&[emulator.screen().clone()]);
        let mut grew = |bytes: &str, least: usize| {
            emulator.feed(bytes.as_bytes());
            let now = octets(&[emulator.screen().clone()]);
            assert!(
                now >= before + least && now < before + 2 * least + 4096,
                "{bytes:.20}: {before} to {now}"
            );
            before = now;
        };
        let links = |count: usize| {
            (0..count)
                .map(|n| format!("\x1b]8;;http://{}{n:04}\x07x", "l".repeat(2000)))
                .collect::<std::string::String>()
        };
        grew(&format!("\x1b[H{}", links(100)), 100 * 2000);
        grew(&format!("\x1b]8;;\x07\x1b[5Hx{}", "\u{301}".repeat(16)), 32);
        grew(&format!("\x1b]52;c;{}\x07", "QUJD".repeat(20_000)), 80_000);
        grew(&format!("\x1b]2;{}\x07", "t".repeat(250)), 250);
        let palette: std::string::String = (0..256).map(|n| format!("\x1b]4;{n};#123456\x07")).collect();
        grew(&palette, 256 * ENTRY);
    }

    #[test]
    fn a_screen_on_the_way_has_the_first_cells_and_the_clipboard_of_before() {
        let mut emulator = Emulator::new(Size { columns: 4, rows: 3 });
        emulator.feed(b"abcd\r\nefgh\x1b]52;c;b2xk\x07");
        let base = emulator.screen().clone();
        emulator.resize(Size { columns: 5, rows: 3 });
        emulator.feed(b"\x1b[H\x1b]52;c;bmV3\x0712345\r\n67890\x1b]2;t\x07");
        let text = |screen: &Screen| {
            screen
                .rows()
                .map(|row| row.cells().iter().map(Cell::text).collect())
                .collect::<std::vec::Vec<std::string::String>>()
        };
        let part = emulator.screen().partly_from(&base, 7);
        assert_eq!(text(&part), ["12345", "67gh ", "     "]);
        assert_eq!((part.title(), &*part.clipboard().content), ("t", "b2xk"));
        assert_eq!((part.size(), part.cursor()), (emulator.screen().size(), emulator.screen().cursor()));
        let all = emulator.screen().partly_from(&base, 15);
        assert_eq!((text(&all), &*all.clipboard().content), (text(emulator.screen()), "b2xk"));
    }
}
