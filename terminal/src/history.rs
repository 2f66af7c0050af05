//! The rows that left the top of the main screen, newest last, as few octets.
//!
//! What comes in is a row that scrolls off the top of a full-width region that begins at row 0 of the main screen, or
//! one for which there is no room after a change of the size. What goes out are whole lines, the newest first, when
//! there is room again. Rows are kept as they were wrapped: what it takes to change the size does not grow with what
//! is kept.
//!
//! A row is an octet of flags, then its text ([`crate::text`]).

use crate::attributes::{Attributes, Color};
use crate::line::Line;
use crate::row::Row;
use crate::text::{self, Reader};
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// The most rows that are kept, and the most octets.
pub(crate) const MAX_ROWS: usize = 10_000;
pub(crate) const MAX_OCTETS: usize = 8 << 20;

/// Rows are kept in pages of about so many octets: the oldest page goes as a whole.
const PAGE: usize = 32 << 10;

/// Flags of a row: its line goes on in the next one; its end is filled with a colour, which follows.
const GOES_ON: u8 = 1;
const FILLED: u8 = 2;

/// The rows that left the top of the main screen.
#[derive(Default)]
pub(crate) struct History {
    /// Those that are full, and the newest.
    pages: VecDeque<Page>,
    newest: Page,
    /// Rows and octets in all pages.
    rows: usize,
    octets: usize,
    /// So many of the newest rows may come back: older ones were there before the screen was cleared.
    scrolled: usize,
    spare: Page,
}

#[derive(Default)]
struct Page {
    octets: Vec<u8>,
    /// Where each row begins.
    starts: Vec<u32>,
}

impl History {
    /// Takes a row.
    pub(crate) fn push(&mut self, row: &Row) {
        if self.newest.octets.len() >= PAGE {
            let full = core::mem::replace(&mut self.newest, core::mem::take(&mut self.spare));
            self.pages.push_back(full);
        }
        let page = &mut self.newest;
        if page.octets.capacity() == 0 {
            page.octets.reserve_exact(PAGE + PAGE / 8);
        }
        let start = page.octets.len();
        page.starts.push(start as u32);
        encode(row, &mut page.octets);
        self.octets += page.octets.len() - start;
        self.rows += 1;
        self.scrolled += 1;
        while (self.rows > MAX_ROWS || self.octets > MAX_OCTETS) && self.forget_page() {}
    }

    /// Forgets the oldest page. `false` when it is the newest.
    fn forget_page(&mut self) -> bool {
        let Some(mut page) = self.pages.pop_front() else { return false };
        self.rows -= page.starts.len();
        self.octets -= page.octets.len();
        self.scrolled = self.scrolled.min(self.rows);
        page.octets.clear();
        page.starts.clear();
        self.spare = page;
        true
    }

    /// What has been taken until now stays: the screen was cleared.
    pub(crate) const fn settle(&mut self) {
        self.scrolled = 0;
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Gives the newest line back, or, of one that has more than `most` cells, what comes last of it.
    pub(crate) fn pop_line(&mut self, most: usize) -> Option<Line> {
        let mut rows = Vec::new();
        let mut cells = 0;
        while cells < most && (rows.is_empty() || self.goes_on()) {
            let Some(row) = self.pop() else { break };
            cells += row.len().max(1);
            rows.push(row);
        }
        rows.into_iter().rev().reduce(Line::joined)
    }

    /// Whether the newest row goes on in the one that came after it.
    pub(crate) fn goes_on(&self) -> bool {
        let is_empty = self.newest.starts.is_empty();
        let page = if is_empty { self.pages.back() } else { Some(&self.newest) };
        let newest = page.and_then(|page| page.octets.get(*page.starts.last()? as usize));
        self.scrolled > 0 && newest.is_some_and(|flags| flags & GOES_ON != 0)
    }

    fn pop(&mut self) -> Option<Line> {
        if self.scrolled == 0 {
            return None;
        }
        if self.newest.starts.is_empty() {
            self.newest = self.pages.pop_back()?;
        }
        let page = &mut self.newest;
        let start = page.starts.pop()? as usize;
        let line = decode(page.octets.get(start..)?);
        self.octets -= page.octets.len() - start;
        page.octets.truncate(start);
        self.rows -= 1;
        self.scrolled -= 1;
        Some(line)
    }

    /// How many rows are kept.
    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    #[cfg(test)]
    pub(crate) const fn octets(&self) -> usize {
        self.octets
    }

    /// In octets, what is allocated for it.
    #[cfg(test)]
    pub(crate) fn allocated(&self) -> usize {
        let pages = self.pages.iter().chain([&self.newest, &self.spare]);
        pages.map(|page| page.octets.capacity() + 4 * page.starts.capacity()).sum()
    }
}

pub(crate) fn encode(row: &Row, out: &mut Vec<u8>) {
    let start = out.len();
    out.push(if row.is_wrapped() { GOES_ON } else { 0 });
    let Attributes { background, .. } = row.encode(out);
    if background != Color::Default {
        let text = out.split_off(start + 1);
        out[start] |= FILLED;
        text::put_color(out, background);
        out.extend_from_slice(&text);
    }
}

pub(crate) fn decode(octets: &[u8]) -> Line {
    let mut reader = Reader::new(octets);
    let flags = reader.octet();
    let background = if flags & FILLED == 0 { Color::Default } else { reader.color() };
    let fill = Attributes { background, ..Attributes::default() };
    Line::new(reader.cells(0), fill, flags & GOES_ON != 0)
}
